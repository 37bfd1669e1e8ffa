# Needs Python 3.11 or newer, pip and make; everything else goes into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= out/black_thursday

.PHONY: help run test lint bench clean install

help:  ## Say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV)/.run: pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "Installing what the tests need (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

install: $(VENV)/.run  ## Install into .venv

run: $(VENV)/.run  ## Run Black Thursday, 12-13 March 2020, into out/
	$(BIN)/undertow run black_thursday --out $(OUT)

test: $(VENV)/.dev  ## Run the tests
	$(BIN)/python -m pytest -q -n 2

lint: $(VENV)/.dev  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev  ## Benchmarks beside a peer: name ours peer ratio
	$(BIN)/python -m runs.bench

clean:  ## Remove what was made
	rm -rf $(VENV) out build *.egg-info
