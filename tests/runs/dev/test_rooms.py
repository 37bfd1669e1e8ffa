"""The picture of the architecture, and the walk that it and the docs tell, are of this code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from runs.dev.rooms import ROOMS, ROOT, WALK, drawn, imported

DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_step_of_the_walk_is_a_function_of_its_file() -> None:
    for file, function, _ in WALK:
        assert function in functions(ROOT / file), (file, function)


def test_the_docs_tell_the_same_walk() -> None:
    told = re.findall(r"^\d+\. `([\w/]+\.py)` `(\w+)`:", DESIGN, re.MULTILINE)
    assert told == [(file, function) for file, function, _ in WALK]


def test_every_file_that_the_docs_name_is_there() -> None:
    named = set(re.findall(r"`((?:sim|agents|protocols|runs|tests)/[\w/]+\.py)`", DESIGN))
    assert len(named) > 20
    assert [file for file in sorted(named) if not (ROOT / file).is_file()] == []


def test_rooms_import_downwards_alone() -> None:
    for n, room in enumerate(ROOMS):
        assert set(imported(room)) <= set(ROOMS[n + 1 :])
    assert imported("agents")["protocols"] > 5 and imported("sim").total() == 0


def test_the_picture_shows_every_room_and_step() -> None:
    texts = [text.get_text() for text in drawn().axes[0].texts]
    assert {*ROOMS} <= {*texts}
    assert sum(f"{file}: {function}" in texts for file, function, _ in WALK) == len(WALK)
