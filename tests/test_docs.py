"""The docs: their site builds, their links lead somewhere, and their code does what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

from tests.pages import DOCS, ROOT, alike, blocks, environment, follow, run_code

INSTALLING = {
    "python3 -m venv .venv",
    ". .venv/bin/activate",
    "pip install -c constraints.txt -e .",
    "undertow warm calm two_banks",
    "mkdir ../crisis",
    "cd ../crisis",
}
CODE = {
    "loss_matrix.md": "bitcoin's bank",
    "pools.md": "eth by",
    "real_data.md": "ETHUSDT",
    "results.md": "Liquidators' speed",
}
"""Pages of scripts, and what one of each prints."""
FILES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]


@pytest.mark.slow
def test_the_tutorial_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    try:
        told = follow(DOCS / "tutorial.md", INSTALLING)
    finally:
        plt.close("all")
    assert {line for line, texts in told.items() if not alike(*texts)} == set()
    assert sorted(told) == ["python backstop.py", "python links.py", "python twin.py"]
    assert (tmp_path / "out" / "calm" / "report.html").is_file()
    assert all((tmp_path / name).stat().st_size for name in ("twin.png", "links.png"))


@pytest.mark.parametrize(
    ("printed", "said", "expected"),
    [
        ("low 16,556 usdc\n", "low   16,556 usdc", True),
        ("low 17,100 usdc", "low 16,556 usdc", True),
        ("low 26,556 usdc", "low 16,556 usdc", False),
        ("low 16,556 usdc", "high 16,556 usdc", False),
        ("-9", "9", False),
        ("100,000 30", "100,000 1", True),
        ("1 3", "1 1", False),
    ],
)
def test_outputs_are_compared_by_words_and_about_by_numbers(
    printed: str, said: str, expected: bool
) -> None:
    assert alike(printed, said) == expected


@pytest.mark.slow
@pytest.mark.parametrize("page", CODE)
def test_code_on_a_page_runs_as_it_stands(page: str, tmp_path: Path) -> None:
    told = [run_code(block.text, tmp_path) for block in blocks(DOCS / page, "python")]
    assert CODE[page] in "".join(told)


@pytest.mark.long
def test_a_sweep_runs_on_a_cluster_as_told(tmp_path: Path) -> None:
    (script,) = (block for block in blocks(DOCS / "cluster.md") if block.title)
    (tmp_path / script.title).write_text(script.text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script.title],
        cwd=tmp_path, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "4 of 4" in done.stdout and "volume" in done.stdout


class Assets(HTMLParser):
    """What a browser loads to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") in ("canonical", "prev", "next"):
            return
        name = {"link": "href", "a": ""}.get(tag, "src")
        self.loaded += [given.get(name) or ""]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a link or a page that leads nowhere is an error."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(
        [*command, "--config-file", "docs/site/mkdocs.yml"],
        cwd=ROOT, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    assert "undertow sweep" in (site / "reference" / "command_line.html").read_text(
        encoding="utf-8"
    )
    for page in pages:
        assets = Assets()
        assets.feed(page.read_text(encoding="utf-8"))
        assert [a for a in assets.loaded if re.match(r"(https?:)?//", a)] == [], page
    for style in site.rglob("*.css"):
        found = re.findall(r"(?:url\(|@import\s*)['\"]?(?:https?:)?//[^)]*", style.read_text())
        assert found == [], style


@pytest.mark.slow
def test_the_site_is_searched_from_a_disk(site: Path, chromium: Any) -> None:
    asked: list[str] = []
    with chromium.new_context() as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: asked.append(message.text))
        page.on("pageerror", lambda error: asked.append(str(error)))
        page.goto((site / "index.html").as_uri())
        page.click(".md-search__input")
        page.keyboard.type("utilisation")
        page.wait_for_selector(".md-search-result__item a", timeout=30_000)
        found = page.locator(".md-search-result__item h1").all_inner_texts()
    assert "Scenarios" in found
    assert [text for text in asked if not text.startswith("file:")] == []


@pytest.mark.parametrize("name", FILES)
def test_links_of_a_file_at_the_top_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    assert links
    missing = [x for x in links if not re.match("https?:", x) and not (ROOT / x).is_file()]
    assert missing == []
