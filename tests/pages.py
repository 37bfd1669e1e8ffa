"""Pages of docs as a reader follows them: files are saved, commands run, outputs compared."""

from __future__ import annotations

import io
import os
import re
import runpy
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

from runs import cli

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?")


class Block(NamedTuple):
    """A fenced block of a page: its language, the file that it is saved as, its text."""

    language: str
    title: str
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """Fenced blocks of a page that begin a line, of some languages or all."""
    found = [Block(*match) for match in _FENCE.findall(page.read_text(encoding="utf-8"))]
    return [block for block in found if not languages or block.language in languages]


def environment() -> dict[str, str]:
    """Of a process that imports this code, wherever it runs."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "runs" / "face")])
    return os.environ | {"PYTHONPATH": path}


def run_code(code: str, folder: Path) -> str:
    """What code prints in a process of its own, with warnings as errors; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,  # some leave files
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_command(line: str) -> str:
    """What a command that a page tells prints, in this process: `undertow ...` or `python FILE`."""
    program, *words = line.split()
    told = io.StringIO()
    with redirect_stdout(told):
        if program == "undertow":
            cli.app(words, standalone_mode=False)
        else:
            assert program == "python", line
            runpy.run_path(words[0], run_name="__main__")
    return told.getvalue()


def follow(page: Path, passed_over: set[str]) -> dict[str, tuple[str, str]]:
    """Do all that a page tells, in the present folder.

    Args:
        page: Blocks with a title are saved under it, those of `sh` run line by line.
        passed_over: Lines of commands that are not run, since the test stands for them.

    Returns:
        By command what it printed and what the page says it prints, where it says so.
    """
    told: dict[str, tuple[str, str]] = {}
    line = printed = ""
    for block in blocks(page):
        if block.title:
            Path(block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            for line in block.text.splitlines():
                printed = "" if line in passed_over else run_command(line)
        elif block.language == "text":
            told[line] = printed, block.text
    return told


def alike(printed: str, said: str, tolerance: float = 0.1) -> bool:
    """Whether two texts have the same words, and numbers that differ by a tenth at most.

    What a page says was printed with one set of library versions; another may round otherwise.
    """
    words = [" ".join(_NUMBER.sub("#", text).split()) for text in (printed, said)]
    numbers = [[float(n.replace(",", "")) for n in _NUMBER.findall(t)] for t in (printed, said)]
    if words[0] != words[1]:
        return False
    largest = max((abs(n) for n in numbers[1]), default=0.0)
    return all(
        abs(a - b) <= max(tolerance * abs(b), tolerance * largest / 100.0, 1.0)
        for a, b in zip(*numbers, strict=True)
    )
