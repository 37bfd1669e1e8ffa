"""Dotted paths with wildcards into a scenario, and scenarios as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from sim import Scenario
from sim.errors import ScenarioError, did_you_mean


def matches(content: Any, path: str) -> list[str]:
    """Paths that a pattern stands for.

    Args:
        content: Nested tables and lists, as of `Scenario.to_dict`.
        path: Dotted, with * and ? in its parts.

    Returns:
        The path itself if it has no wildcard, else all that are there, in order.
    """
    if not any(sign in path for sign in "*?"):
        return [path]
    return list(_walk(content, path.split("."), []))


def _walk(content: Any, parts: list[str], before: list[str]) -> Iterator[str]:
    if not parts:
        yield ".".join(before)
        return
    if isinstance(content, Mapping):
        children = [(str(key), value) for key, value in content.items()]
    elif isinstance(content, list):
        children = [(str(i), value) for i, value in enumerate(content)]
    else:
        return
    for key, value in children:
        if fnmatchcase(key, parts[0]):
            yield from _walk(value, parts[1:], [*before, key])


def get(content: Any, path: str) -> Any:
    """Value at a dotted path.

    Raises:
        KeyError: If there is none; with what is known there.
    """
    value = content
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and _is_place(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            known = value if isinstance(value, Mapping) else ()
            raise KeyError(f"no such field; {did_you_mean(part, known)}")
    return value


def _is_place(part: str) -> bool:
    # ASCII: a superscript two is a digit to Python, but no number.
    return part.isascii() and part.isdecimal() and len(part) < 10


def expand(setup: Scenario, values: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Values by path, for each path that a pattern stands for.

    Raises:
        ScenarioError: If a pattern stands for none.
    """
    content = setup.to_dict()
    found: dict[str, Any] = {}
    for pattern, value in values.items():
        there = matches(content, pattern)
        if not there:
            text = "stands for no field of the scenario; name one that it has"
            raise ScenarioError([(f"{field}.{pattern}", text)])
        found |= dict.fromkeys(there, value)
    return found


def to_json(setup: Scenario) -> str:
    """A scenario as JSON, defaults included; `Scenario.from_dict(json.loads(...))` reads it."""
    return json.dumps(_plain(setup.to_dict()), separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no infinity; pydantic reads the text
    return value
