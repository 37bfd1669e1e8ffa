"""The README's code runs, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pages import ROOT, blocks, run_code

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [block.text for block in blocks(ROOT / "README.md", "python")]


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_a_code_block_runs_as_it_stands(code: str, tmp_path: Path) -> None:
    assert run_code(code, tmp_path).strip()


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert link.startswith("https://mesa.") or (ROOT / link).is_file(), link


def test_commands_are_those_of_the_makefile_and_the_command_line() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^    make (\w+)", TEXT, flags=re.MULTILINE):
        assert f"\n{target}:" in makefile
    cli = (ROOT / "runs" / "cli.py").read_text(encoding="utf-8")
    for command in re.findall(r"`undertow (\w+)", TEXT):
        assert f"def {command}(" in cli or f'command("{command}")' in cli
