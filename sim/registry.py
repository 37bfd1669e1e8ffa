"""Behaviours by name, so that the market can run agents that it does not know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sim.errors import ScenarioError, did_you_mean, shown


@dataclass(frozen=True)
class Column:
    """A number that every agent of a class has, or that a cohort as a whole remembers.

    Attributes:
        doc: What it is.
        unit: Of the number.
        default: Where a scenario does not say; a number, the same for all.
        low: Least value that makes sense.
        high: Greatest.
        state: Whether it is the agent's memory, which no scenario sets.
        count: How many of them, for what a cohort remembers of several things; kernels
            then read an array by its name.
    """

    doc: str
    unit: str
    default: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    state: bool = False
    count: int = 1


_behaviours: dict[str, type] = {}


def register(kind: str, behaviour: type) -> None:
    """Make a class of agents known by a name that scenarios use."""
    _behaviours[kind] = behaviour


def behaviours() -> Mapping[str, type]:
    """All classes of agents by name; the built-in ones register when first asked for."""
    import_module("agents")
    return dict(_behaviours)


def _behaves(found: object) -> bool:
    """Whether something has what a market asks of a class of agents; others have columns too."""
    columns = getattr(found, "columns", None)
    return (
        isinstance(found, type)
        and isinstance(columns, Mapping)
        and all(isinstance(column, Column) for column in columns.values())
        and isinstance(getattr(found, "remembers", None), Mapping)
        and all(hasattr(found, name) for name in ("needs", "begin", "places", "populate"))
    )


def behaviour(kind: str) -> Any:
    """A class of agents by its name, or by ``module:Class``.

    Raises:
        ScenarioError: If there is no such class.
    """
    if kind in _behaviours:
        return _behaviours[kind]
    if ":" in kind:
        module, _, name = kind.partition(":")
        if not all(part.isidentifier() for part in (*module.split("."), name)):
            text = f"{shown(kind)} names no class; give module:Class, as my_agents:Whale"
            raise ScenarioError([("kind", text)])
        try:
            found = getattr(import_module(module), name)
        except Exception as error:  # a module that is imported may raise whatever it likes
            text = f"{shown(kind)} cannot be imported ({error}); give module:Class"
            raise ScenarioError([("kind", text)]) from error
        if not _behaves(found):
            text = f"{kind!r} is not a Behaviour; subclass agents.Behaviour and declare columns"
            raise ScenarioError([("kind", text)])
        return found
    known = behaviours()
    if kind in known:
        return known[kind]
    text = f"no behaviour called {shown(kind)}; {did_you_mean(kind, known)}, or module:Class"
    raise ScenarioError([("kind", text)])
