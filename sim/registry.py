"""Behaviours by name, so that the market can run agents that it does not know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sim.errors import ScenarioError, did_you_mean


@dataclass(frozen=True)
class Column:
    """A number that every agent of a class has.

    Attributes:
        doc: What it is.
        unit: Of the number.
        default: Where a scenario does not say; a number, the same for all.
        low: Least value that makes sense.
        high: Greatest.
        state: Whether it is the agent's memory, which no scenario sets.
    """

    doc: str
    unit: str
    default: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    state: bool = False


_behaviours: dict[str, type] = {}


def register(kind: str, behaviour: type) -> None:
    """Make a class of agents known by a name that scenarios use."""
    _behaviours[kind] = behaviour


def behaviours() -> Mapping[str, type]:
    """All classes of agents by name; the built-in ones register when first asked for."""
    import_module("agents")
    return dict(_behaviours)


def behaviour(kind: str) -> Any:
    """A class of agents by its name, or by ``module:Class``.

    Raises:
        ScenarioError: If there is no such class.
    """
    if kind in _behaviours:
        return _behaviours[kind]
    if ":" in kind:
        module, _, name = kind.partition(":")
        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            text = f"{kind!r} cannot be imported ({error}); give module:Class"
            raise ScenarioError([("kind", text)]) from error
        if not hasattr(found, "columns"):
            text = f"{kind!r} is not a Behaviour; subclass agents.Behaviour and declare columns"
            raise ScenarioError([("kind", text)])
        return found
    known = behaviours()
    if kind in known:
        return known[kind]
    text = f"no behaviour called {kind!r}; {did_you_mean(kind, known)}, or module:Class"
    raise ScenarioError([("kind", text)])
