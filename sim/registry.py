"""Behaviours and protocols by name, so that the market can run what it does not know."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sim.errors import ScenarioError, did_you_mean, shown


@dataclass(frozen=True)
class Column:
    """A number that every agent of a class has, or that its group stores as a whole.

    Attributes:
        doc: What it is.
        unit: Of the number.
        default: Where a scenario does not say; a number, the same for all.
        low: Least value that makes sense.
        high: Greatest.
        state: Whether it is the agent's memory, which no scenario sets.
        count: How many of them, for what a cohort remembers of several things, or an agent
            as its state; kernels then read an array by its name.
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
    """All classes of agents by name; the built-in ones register when first asked for.

    Raises:
        ImportError: If something else is called as the package is, and stands before it.
    """
    own("agents", "base.py")
    return dict(_behaviours)


def own(package: str, holds: str) -> None:
    """Import a package of ours, and see that it is.

    A `sim.py` or a folder `agents` beside somebody's script comes before ours on Python's path.

    Args:
        package: Its name.
        holds: A file that it holds.

    Raises:
        ImportError: If what has that name is another's; it says where that lies.
    """
    found = import_module(package)
    folders = list(getattr(found, "__path__", ()))
    if not any(Path(folder, holds).is_file() for folder in folders):
        file = getattr(found, "__file__", None) or next(iter(folders), package)
        raise ImportError(
            f"{file} is found where Undertow's package {package!r} is looked for; rename it, or "
            "start your script from a folder that holds nothing of that name",
            name=package,
        )


def load_protocols() -> None:
    """Import the protocols that come with the simulator, which register themselves.

    Raises:
        ImportError: If something else is called as the package is, and stands before it.
    """
    if "protocols.builtin" not in sys.modules:
        own("protocols", "interface.py")
    import_module("protocols.builtin")


_protocols: dict[str, type] = {}


def register_protocol(kind: str, protocol: type) -> None:
    """Make a class of protocols known by a name that scenarios use."""
    _protocols[kind] = protocol


def protocols() -> Mapping[str, type]:
    """All classes of protocols that declare themselves, by name."""
    load_protocols()
    return dict(_protocols)


def _declares(found: object) -> bool:
    """Whether something has what a market asks of a class of protocols."""
    names = (
        "Settings",
        "tokens",
        "issues",
        "state",
        "calls",
        "measures",
        "claims",
        "named_tokens",
        "opens",
    )
    return isinstance(found, type) and all(hasattr(found, name) for name in names)


def protocol(kind: str) -> Any:
    """A class of protocols by its name, or by ``module:Class``.

    Raises:
        ScenarioError: If there is no such class.
    """
    parent = "is no protocol; subclass protocols.interface.Protocol"
    return _class_of(kind, "protocol", _protocols, protocols, _declares, parent)


_pools: dict[str, type] = {}


def register_pool(kind: str, pool: type) -> None:
    """Make a class of pools known by a name that scenarios use."""
    _pools[kind] = pool


def pools() -> Mapping[str, type]:
    """All classes of pools by name."""
    load_protocols()
    return dict(_pools)


def _curves(found: object) -> bool:
    """Whether something has what a market asks of a class of pools."""
    names = ("curve", "Settings", "begin", "spot_price")
    return isinstance(found, type) and all(hasattr(found, name) for name in names)


def pool(kind: str) -> Any:
    """A class of pools by its name, or by ``module:Class``.

    Raises:
        ScenarioError: If there is no such class.
    """
    parent = "is no kind of pool; subclass protocols.handles.CurvedPool"
    return _class_of(kind, "kind of pool", _pools, pools, _curves, parent)


_shocks: dict[str, type] = {}


def register_shock(kind: str, settings: type) -> None:
    """Make a kind of shock known by a name that scenarios use.

    Args:
        kind: The name.
        settings: Its `sim.fields.ShockSettings`, whose field `kind` is that name alone.
    """
    _shocks[kind] = settings


def shocks() -> Mapping[str, type]:
    """Settings of all kinds of shock that protocols bring, by name."""
    load_protocols()
    return dict(_shocks)


_calls: dict[int, Any] = {}
_called: dict[int, str] = {}


def register_call(kind: int, kernel: Any, of: str = "") -> None:
    """Have a kind of call (`sim.codes.Kind`) carried out by a kernel ``(w)``.

    It reads the call at ``under_way.call_place``, whose amount is in ``under_way.call_in``, and
    writes how it ended into ``call_reason``, ``call_in`` and ``call_out``.

    Args:
        kind: Of the call.
        kernel: None: it is handed to plain Python.
        of: What its number `protocol` counts: an attribute of the market that holds handles,
            in their order (``pools``), or a single one (``venue``). "": no protocol.

    Raises:
        ValueError: If another one carries it out.
    """
    if kind in _called:
        other = getattr(getattr(_calls.get(kind), "py_func", None), "__qualname__", "plain Python")
        raise ValueError(f"{kind!r} is carried out by {other} already")
    _called[kind] = of
    if kernel is not None:
        _calls[kind] = kernel


def called() -> Mapping[int, str]:
    """Of which protocols each kind of call is: an attribute of the market, or ""."""
    load_protocols()
    return dict(_called)


_strikes: dict[str, Callable[[Any, Any, int], Any]] = {}
_holding: dict[str, str] = {}


def register_strike(
    kind: str, strike: Callable[[Any, Any, int], Any], holds: str | None = None
) -> None:
    """Have a kind of shock struck by a function of `sim.shocks.Shocks`, the shock and a block.

    Args:
        kind: As a scenario says it.
        strike: Strikes one at the start of a block that is about to be made. Where the kind
            holds something back, it returns what lets it go.
        holds: Field of the shock that names what it holds back; None: nothing.
    """
    _strikes[kind] = strike
    if holds is not None:
        _holding[kind] = holds


def strike(kind: str) -> Callable[[Any, Any, int], Any]:
    """What strikes a kind of shock."""
    load_protocols()
    return _strikes[kind]


def holding() -> Mapping[str, str]:
    """Kinds of shock that hold something back for a while, and the field that names it."""
    load_protocols()
    return MappingProxyType(_holding)


_phases: dict[Any, Any] = {}


def register_phase(phase: Any, kernel: Any) -> None:
    """Have a phase (`sim.codes.Phase`) that only some agents use done by a kernel ``(w)``."""
    _phases[phase] = kernel


def phases() -> Mapping[Any, Any]:
    """What does the phases that only some agents use."""
    load_protocols()
    return dict(_phases)


_planner: list[Any] = []


def register_planner(planner: Any) -> None:
    """Have routes found in Python by a function of a market, two tokens, an amount and a cost."""
    _planner[:] = [planner]


def planner() -> Any:
    """What finds routes in Python."""
    load_protocols()
    return _planner[0]


_sections: list[tuple[int, Callable[[Any, float], list[Any]]]] = []


def register_measures(order: int, section: Callable[[Any, float], list[Any]]) -> None:
    """Have measures in the results of every market.

    Args:
        order: Among the columns of the results; what is lower comes first.
        section: Says which, of a market and the value of a standard trade.
    """
    _sections.append((order, section))


def sections() -> list[Callable[[Any, float], list[Any]]]:
    """What says which measures a market has, in the order of the results."""
    load_protocols()
    return [section for _, section in sorted(_sections, key=lambda pair: pair[0])]


def results_of(market: Any) -> Any:
    """The results of a market (`runs.results.Results`), which a person asks it for."""
    own("runs", "results.py")
    return import_module("runs.results").Results.of(market)


def calls() -> Mapping[int, Any]:
    """What carries out each kind of call; CUSTOM has nothing but Python."""
    load_protocols()
    return dict(_calls)


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
        and all(hasattr(found, name) for name in ("targets", "begin", "places", "populate"))
    )


def behaviour(kind: str) -> Any:
    """A class of agents by its name, or by ``module:Class``.

    Raises:
        ScenarioError: If there is no such class.
    """
    parent = "is not a Behaviour; subclass agents.Behaviour and declare columns"
    return _class_of(kind, "behaviour", _behaviours, behaviours, _behaves, parent)


def _class_of(
    kind: str,
    what: str,
    registered: Mapping[str, type],
    every: Callable[[], Mapping[str, type]],
    fits: Callable[[object], bool],
    parent: str,
) -> Any:
    """A class by its name, or by ``module:Class``.

    Args:
        kind: Either of them.
        what: It is.
        registered: Those that have registered.
        every: Has the built-in ones register, and gives all.
        fits: Whether something that was imported is one.
        parent: What is said where it is none.

    Raises:
        ScenarioError: If there is no such class.
    """
    if kind in registered:
        return registered[kind]
    if ":" in kind:
        found = _imported(kind)
        if not fits(found):
            raise ScenarioError([("kind", f"{kind!r} {parent}")])
        return found
    known = every()
    if kind in known:
        return known[kind]
    text = f"no {what} called {shown(kind)}; {did_you_mean(kind, known)}, or module:Class"
    raise ScenarioError([("kind", text)])
