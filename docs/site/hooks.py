"""What the site has besides the pages in docs: files of the top level, and the command line.

Home is the README, so that nothing is told twice.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(__file__).resolve().parent
TOP = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files of the top level, and what each is called on the site."""
SHIPPED = {"site.css": "assets/site.css", "worker.js": "assets/iframe-worker.js"}


def moved(text: str) -> str:
    """A page of the top level whose links lead where its targets are on the site."""
    text = re.sub(r"(?<=\]\()docs/", "", text)
    for name, place in TOP.items():
        text = re.sub(rf"(?<=\]\(){re.escape(name)}(?=[#)])", place, text)
    return text


def command_line() -> str:
    """The page of the command line, as typer writes it of itself."""
    import typer
    from typer.cli import get_docs_for_click

    from runs.cli import app

    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="undertow")
    return text.replace("# `undertow`", "# Command line", 1)


def on_config(config: Any) -> Any:
    """The search runs from a disk, where browsers refuse workers, by a script of ours."""
    config.extra["polyfills"] = ["assets/iframe-worker.js"]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add what is not in docs."""
    for name, place in TOP.items():
        text = moved((ROOT / name).read_text(encoding="utf-8"))
        files.append(File.generated(config, place, content=text))
    files.append(File.generated(config, "reference/command_line.md", content=command_line()))
    for name, place in SHIPPED.items():
        files.append(File.generated(config, place, abs_src_path=str(SITE / name)))
    return files


def title_of(name: str) -> str:
    """What a page of docs is called, in short: its first heading, up to a colon."""
    head = (ROOT / "docs" / name).read_text(encoding="utf-8").splitlines()[0]
    return head.removeprefix("# ").split(":")[0]


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to the top level to its pages on the site, and call pages by their titles."""
    markdown = re.sub(
        r"\[(?:docs/)?([\w/]+\.md)\](?=\()",
        lambda found: (
            f"[{title_of(found[1])}]" if (ROOT / "docs" / found[1]).is_file() else found[0]
        ),
        markdown,
    )
    depth = page.file.src_uri.count("/")
    for name, place in TOP.items():
        there = "../" * (depth + 1) + name
        markdown = re.sub(rf"(?<=\]\(){re.escape(there)}(?=[#)])", "../" * depth + place, markdown)
    return markdown


def on_page_content(html: str, **_: Any) -> str:
    """What docstrings end in two colons before a block, a page ends in one."""
    return html.replace("::</p>", ":</p>")
