"""Behaviours and protocols by name, so that the market can run what it does not know."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module, invalidate_caches
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


_protocols: dict[str, type] = {}


def register_protocol(kind: str, protocol: type) -> None:
    """Make a class of protocols known by a name that scenarios use."""
    _protocols[kind] = protocol


def protocols() -> Mapping[str, type]:
    """All classes of protocols that declare themselves, by name."""
    import_module("protocols")
    return dict(_protocols)


def _declares(found: object) -> bool:
    """Whether something has what a market asks of a class of protocols."""
    names = ("Settings", "tokens", "issues", "state", "calls", "measures", "token_names", "opens")
    return isinstance(found, type) and all(hasattr(found, name) for name in names)


def protocol(kind: str) -> Any:
    """A class of protocols by its name, or by ``module:Class``.

    Raises:
        ScenarioError: If there is no such class.
    """
    known = _protocols if kind in _protocols else protocols()
    if kind in known:
        return known[kind]
    if ":" not in kind:
        text = f"no protocol called {shown(kind)}; {did_you_mean(kind, known)}, or module:Class"
        raise ScenarioError([("kind", text)])
    found = _imported(kind)
    if not _declares(found):
        text = f"{kind!r} is no protocol; subclass protocols.interface.Protocol"
        raise ScenarioError([("kind", text)])
    return found


def look_in(folders: Iterable[str]) -> None:
    """Let modules that kinds name be found in some folders, after all other places."""
    for folder in folders:
        if folder not in sys.path:
            sys.path.append(folder)
            invalidate_caches()


def _imported(kind: str) -> Any:
    """What ``module:Class`` names.

    Raises:
        ScenarioError: If it cannot be had.
    """
    module, _, name = kind.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        text = f"{shown(kind)} names no class; give module:Class, as my_agents:Whale"
        raise ScenarioError([("kind", text)])
    try:
        return getattr(import_module(module), name)
    except Exception as error:  # a module that is imported may raise whatever it likes
        text = f"{shown(kind)} cannot be imported ({error}); give module:Class"
        raise ScenarioError([("kind", text)]) from error


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
        found = _imported(kind)
        if not _behaves(found):
            text = f"{kind!r} is not a Behaviour; subclass agents.Behaviour and declare columns"
            raise ScenarioError([("kind", text)])
        return found
    known = behaviours()
    if kind in known:
        return known[kind]
    text = f"no behaviour called {shown(kind)}; {did_you_mean(kind, known)}, or module:Class"
    raise ScenarioError([("kind", text)])
