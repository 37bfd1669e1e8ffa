"""Loading: finding files, reading them, and merging what one extends."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from sim import reading
from sim.errors import ScenarioError, did_you_mean, shortened

LONGEST_CHAIN = 50
"""Files that extend one another."""


@cache
def shipped() -> dict[str, Path]:
    """Files of the scenarios that come with the package, by name."""
    folder = resources.files("runs") / "scenarios"
    return {Path(str(f)).stem: Path(str(f)) for f in folder.iterdir() if f.name.endswith(".toml")}


def find(name: str, beside: Path) -> Path:
    """File of a scenario: a name, or a path (relative to the file that names it)."""
    known = shipped()
    if name in known:
        return known[name]
    path = beside / name
    if reading.is_file(path):
        return path
    if name.endswith(".toml") or "/" in name or "\\" in name:
        text = f"there is no file {shortened(str(path), 300)}; give the path of one"
        raise ScenarioError([(name, text)])
    raise ScenarioError(
        [(name, f"no such scenario; {did_you_mean(name, sorted(known))}, or the path of a file")]
    )


def resolve(path: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    """Content of a file with what it extends merged in."""
    path = path.resolve()
    if len(chain) >= LONGEST_CHAIN:
        text = f"goes through more than {LONGEST_CHAIN} files; merge some"
        raise ScenarioError([("extends", text)])
    if path in chain:
        names = " -> ".join(p.name for p in (*chain[chain.index(path) :], path))
        raise ScenarioError([("extends", f"goes in a circle: {names}; take one of them out")])
    try:
        content = reading.toml(reading.read_text(path))
    except reading.UnreadableError as error:
        raise ScenarioError([(path.name, str(error))]) from None
    prices = content.get("prices")
    if isinstance(prices, dict) and isinstance(prices.get("file"), str):
        prices["file"] = str(path.parent / prices["file"])
    folders = content.get("modules")
    if folders is None and _names_modules(content):
        content["modules"] = [str(path.parent)]
    elif isinstance(folders, list):  # of another form it is told where all is checked
        content["modules"] = [str(path.parent / f) if isinstance(f, str) else f for f in folders]
    return extend(content, path.parent, (*chain, path))


def _names_modules(content: Mapping[str, Any]) -> bool:
    """Whether a file names kinds that are classes in a module."""
    kinds = [
        table.get("kind")
        for section in content.values()
        if isinstance(section, dict)
        for table in section.values()
        if isinstance(table, dict)
    ]
    return any(isinstance(k, str) and ":" in k for k in kinds)


def extend(content: dict[str, Any], beside: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    """What a file says over what it extends, without what it removes from there.

    Args:
        content: Of the file; it is taken apart.
        beside: The folder in which it lies.
        chain: It, and the files that extend it.
    """
    parent_name = content.pop("extends", None)
    removed = content.pop("remove", [])
    if parent_name is None:
        if removed:
            raise ScenarioError([("remove", "only makes sense with extends; take it out")])
        return content
    if not isinstance(removed, list):
        raise ScenarioError([("remove", 'give a list of dotted paths: ["agents.whales"]')])
    if not isinstance(parent_name, str):
        raise ScenarioError([("extends", "give the name or the path of one scenario")])
    parent = resolve(find(parent_name, beside), chain)
    for path in removed:
        _remove(parent, str(path))
    merged = merge(parent, content)
    theirs, own = parent.get("modules"), content.get("modules")
    if isinstance(theirs, list) and isinstance(own, list):  # each file's kinds lie beside it
        merged["modules"] = [*own, *(folder for folder in theirs if folder not in own)]
    return merged


def merge(parent: dict[str, Any], child: Mapping[str, Any]) -> dict[str, Any]:
    """The child's values over the parent's, table by table.

    A table that says of what kind it is (a distribution) is replaced whole, since
    the parent's numbers would make no sense in it.
    """
    merged = dict(parent)
    for key, value in child.items():
        old = merged.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and "distribution" not in value:
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def _remove(content: dict[str, Any], path: str) -> None:
    *parents, last = path.split(".")
    table: Any = content
    for key in parents:
        table = table.get(key, {}) if isinstance(table, dict) else {}
    if not isinstance(table, dict) or last not in table:
        raise ScenarioError([("remove", f"there is no {path} in what it extends")])
    del table[last]
