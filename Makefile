# Needs Python 3.11 or newer, pip and make; everything else goes into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= out/black_thursday
PYTEST ?= -q -n 2 -m "not long"
SECONDS ?= 600
SEED ?= 1
WORKERS ?= 2
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run app test test-all fuzz twins inputs lint bench pictures docs clean

help:  ## Say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV)

# A stamp is newer than what it was installed from, so an edit there installs again.
$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Undertow into $(VENV) (a minute, once) ..."
	@$(PIP) -e '.[app]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "Installing what tests and checks need (a minute or two, once) ..."
	@$(PIP) -e '.[app,study,reference,docs,dev]'
	@$(PIP) --no-deps degenbot  # its arithmetic alone: it would pin an older scipy
	@touch $@

install: $(VENV)/.run  ## Install into .venv

run: $(VENV)/.run  ## Run Black Thursday, 12-13 March 2020, into out/
	@echo "Running Black Thursday, 12-13 March 2020, into $(OUT); the first run also compiles ..."
	$(BIN)/undertow run black_thursday --out $(OUT)

app: $(VENV)/.run  ## Open the market in the browser
	$(BIN)/undertow app

test: $(VENV)/.dev  ## Run the tests; PYTEST='-q -n 2 -m "not slow"' chooses which
	$(BIN)/python -m pytest $(PYTEST)

test-all: $(VENV)/.dev  ## Run all tests, those too that take minutes
	$(BIN)/python -m pytest -q -n 2

fuzz: $(VENV)/.dev  ## Attack random markets, as long as asked: make fuzz SECONDS=3600 SEED=7
	$(BIN)/python -m tests.fuzz.markets --seconds $(SECONDS) --seed $(SEED) --workers $(WORKERS)

twins: $(VENV)/.dev  ## Compare random markets with and without what nobody meets
	$(BIN)/python -m tests.fuzz.twins --seconds $(SECONDS) --seed $(SEED) --workers $(WORKERS)

inputs: $(VENV)/.dev  ## Feed bad scenarios, studies, files, options and links
	$(BIN)/python -m tests.fuzz.inputs --seconds $(SECONDS) --seed $(SEED) --workers $(WORKERS)

lint: $(VENV)/.dev  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev  ## Benchmarks beside a peer: name ours peer ratio
	$(BIN)/python -m runs.dev.bench

pictures: $(VENV)/.dev  ## Take the pictures of the page in docs; needs a chromium
	$(BIN)/python -m runs.app.screenshots docs

docs: $(VENV)/.dev  ## Build the site of docs into site/; open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --config-file docs/site/mkdocs.yml

clean:  ## Remove what make made; other results in out/ stay
	rm -rf $(VENV) .venv-newer out/black_thursday site build dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find sim agents protocols runs tests -name __pycache__ -prune -exec rm -rf {} +
