"""Inputs that nobody would give on purpose: ``python -m tests.fuzz.inputs --seconds 60``.

Scenarios, studies, price files, ``--set`` values, the words of every command, links and forms
of the page, and folders of results, made from the schemas and by spoiling the shipped ones.
Whatever is given, there is an answer: it is read, or refused by a `ScenarioError` that names a
field; the command line leaves with code 2 and writes nothing. An input never ends in a traceback,
takes no longer than some seconds, and reads no file and imports no module that it was not offered.

An input is made from a seed and a number alone, so a finding is made again by both.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from queue import Empty
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import tomli_w
import typer
from typer.testing import CliRunner

from runs.cli import app
from runs.study.design import Overrides, points
from runs.study.study import Study
from sim import Market, Scenario
from sim.compiled import cache_folder, on_compilation
from sim.errors import ScenarioError
from sim.prices import read_prices
from sim.registry import behaviours
from tests.science.test_everybody import MORE

SECONDS = 5.0
"""Of processor time that an input may take; a minute by the clock."""
COMPILING = 120.0
"""Seconds that a kernel may take to compile."""
FORBIDDEN = "undertow_forbidden"
"""A module that hostile inputs name."""
FEW_AGENTS, FEW_BLOCKS = 300, 1000
"""Up to which a valid scenario is opened: beyond, it would be slow by right."""

# What is given


def _nested(depth: int, kind: type) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


NUMBERS: tuple[Any, ...] = (
    *(math.nan, math.inf, -math.inf, -1, -0.0, 0, 1, 2, 0.5, 1e-9, 1e-300, 5e-324, 1e9, 1e12, 1e18),
    *(1e30, 2e203, 1e308, 1.7e308, -1e308, 2**31, 2**53, 2**62, 2**63 - 1, 2**63, -(2**63), 10**12),
    *(10**23, 10**400, 10**5000),
)
TEXTS = (
    *("", " ", "²", "٣", "0", "-1", "1e999", "nan", "inf", "[/b]", "[bold red]x[/]", "$\\frac{"),
    *("$x$", "a.b", "../../etc/passwd", "/etc/passwd", "/proc/self/environ", "a\nb", "\x1b[2J"),
    *("\x00", "x" * 5000, ":x", "x:", ":", "..:x", f"{FORBIDDEN}:Class", "pandas:DataFrame"),
    *("json:JSONDecoder", "calm", "canary.toml", "eth", "usdc", "*", "?", "[", "venue", "<two>"),
    *("2020-03-12", "9999-12-31T23:59:59-12:00", "0001-01-01", "é", "名前", "-", "--rng", "%s"),
    *("usdc-share", "bank-usdc-debt", "bank-usdc", "eth-usdc-share", "columns", "kind"),
)
OTHERS: tuple[Any, ...] = (
    *(None, True, False, [], {}, [[]], [None], [1, 2, 3], {"": 1}, {"a": {"b": 1}}),
    *(date(1, 1, 1), datetime(9999, 12, 31, 23, 59, tzinfo=UTC), datetime(2020, 1, 1)),
    _nested(40, list),
    _nested(40, dict),
    _nested(200, list),
    {"extends": "calm"},
    {"distribution": "lognormal", "median": 1e18, "sigma": 1e12},
    {"distribution": "lognormal", "median": 1e17, "sigma": 20},
    {"distribution": "normal", "mean": 0, "sd": 1e308},
    {"distribution": "normal", "mean": 0, "sd": 1e18, "at_least": 0},
    {"distribution": "uniform", "low": -1.7e308, "high": 1.7e308},
    {"distribution": "uniform", "low": 0, "high": 1e18},
    {"distribution": "pareto", "scale": 1, "shape": 1e-300},
    {"distribution": "pareto", "scale": 1e18, "shape": 0.001},
    {"distribution": "beta", "a": 1e-300, "b": 1e-300},
    {"distribution": "beta", "a": 0.001, "b": 0.001, "high": 1e18},
    {"distribution": "choice", "values": []},
    {"distribution": "choice", "values": [1, 2], "weights": [0, 0]},
    {"distribution": "constant", "value": 1e18},
    {"distribution": "unknown"},
)


def hostile(rng: random.Random) -> Any:
    """A value that fits nowhere, or nearly."""
    return rng.choice(rng.choice((NUMBERS, TEXTS, OTHERS)))


class Shape:
    """Makes values that a JSON schema allows, at its limits more often than not."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Of the root of a schema."""
        self.root = schema

    def resolved(self, node: Any) -> dict[str, Any]:
        """A node, with a reference followed."""
        while isinstance(node, dict) and "$ref" in node:
            node = self.root["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        return node if isinstance(node, dict) else {}

    def within(self, node: Any, key: Any) -> dict[str, Any]:
        """The node of a value inside one that this node allows; empty where it is not said."""
        node = self.resolved(node)
        for option in node.get("anyOf", node.get("oneOf", [])):
            if found := self.within(option, key):
                return found
        if isinstance(key, int):
            return self.resolved(node.get("items", {}))
        inside = node.get("properties", {}).get(key)
        return self.resolved(inside if inside is not None else node.get("additionalProperties"))

    def value(self, rng: random.Random, node: Any, names: Sequence[str], depth: int = 0) -> Any:
        """A value that a node allows."""
        node = self.resolved(node)
        if options := node.get("anyOf") or node.get("oneOf"):
            return self.value(rng, rng.choice(options), names, depth)
        if "const" in node:
            return node["const"]
        if "enum" in node:
            return rng.choice(node["enum"])
        kind = node.get("type")
        if kind == "object":
            return self._table(rng, node, names, depth)
        if kind == "array":
            if "prefixItems" in node:
                return [self.value(rng, n, names, depth + 1) for n in node["prefixItems"]]
            count = max(node.get("minItems", 0), rng.choice((0, 1, 1, 2, 3)))
            return [self.value(rng, node.get("items"), names, depth + 1) for _ in range(count)]
        if kind in ("number", "integer"):
            return self._number(rng, node, kind == "integer")
        if kind == "boolean":
            return rng.random() < 0.5
        if kind == "null":
            return None
        if node.get("format") == "date-time":
            return rng.choice(("2020-01-01T05:00:00Z", "1970-01-01", "2199-12-31T23:59:59Z"))
        return rng.choice(names) if names and rng.random() < 0.8 else rng.choice(TEXTS)

    def _number(self, rng: random.Random, node: dict[str, Any], whole: bool) -> Any:
        low = node.get("minimum", node.get("exclusiveMinimum", -1e18))
        high = node.get("maximum", node.get("exclusiveMaximum", 1e18))
        step = 1 if whole else max(abs(low), abs(high), 1.0) * 1e-15
        low = low + step if "exclusiveMinimum" in node else low
        high = high - step if "exclusiveMaximum" in node else high
        usual = [n for n in (0, 1, 2, 10, 100, 0.01, 0.5, 1e4, 1e6, 1e-6) if low <= n <= high]
        found = rng.choice(
            (low, high, low + rng.random() * (high - low), *rng.sample(usual, min(3, len(usual))))
        )
        return int(found) if whole else float(found)

    def _table(
        self, rng: random.Random, node: dict[str, Any], names: Sequence[str], depth: int
    ) -> dict[str, Any]:
        found = {}
        needed = node.get("required", [])
        for key, inside in node.get("properties", {}).items():
            if key in needed or (depth < 5 and rng.random() < 0.15):
                found[key] = self.value(rng, inside, names, depth + 1)
        more = node.get("additionalProperties")
        if isinstance(more, dict) and depth < 5:
            for _ in range(max(node.get("minProperties", 0), rng.choice((0, 1, 1, 2)))):
                name = rng.choice(names) if names else "a"
                found[name] = self.value(rng, more, names, depth + 1)
        return found


SCENARIO = Shape(Scenario.model_json_schema())
STUDY = Shape(Study.model_json_schema())


def _paths(content: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of everything in nested tables and lists."""
    items: Any = ()
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = enumerate(content)
    for key, value in items:
        yield (*before, key)
        yield from _paths(value, (*before, key))


def _at(content: Any, path: Sequence[Any]) -> Any:
    for key in path:
        content = content[key]
    return content


def _node(shape: Shape, path: Sequence[Any]) -> dict[str, Any]:
    node: dict[str, Any] = shape.root
    for key in path:
        node = shape.within(node, key)
    return node


Op = tuple[Any, ...]
"""Something that is done to an input: its name and what it takes; so that it can be left out."""


def spoil(content: Any, ops: Sequence[Op]) -> Any:
    """Content with operations done; one whose place is gone does nothing."""
    content = deepcopy(content)
    for op, path, value in ops:
        try:
            table = _at(content, path[:-1])
            if op == "put":
                table[path[-1]] = deepcopy(value)
            elif op == "add":
                table[path[-1]].append(deepcopy(value))
            elif op == "copy":
                table[path[-1]] = deepcopy(_at(content, value))
            elif op == "drop":
                del table[path[-1]]
        except (KeyError, IndexError, TypeError, AttributeError):
            continue
    return content


def names_in(content: dict[str, Any]) -> list[str]:
    """What a scenario calls its things, and the tokens that it issues."""
    venue = content.get("venue", {})
    names = [venue.get("numeraire", "usdc"), *venue.get("assets", {}), "venue"]
    for table in ("pools", "lending", "oracles", "agents", "insurance"):
        names += content.get(table, {})
    names += [f"{pool}-share" for pool in content.get("pools", {})]
    for name, market in content.get("lending", {}).items():
        for token in market.get("reserves", {}):
            names += [f"{name}-{token}", f"{name}-{token}-debt"]
    return names


def scenario_ops(rng: random.Random, content: dict[str, Any]) -> list[Op]:
    """Some operations on a scenario."""
    places, names = list(_paths(content)), names_in(content)
    found: list[Op] = []
    for _ in range(rng.choice((1, 1, 2, 2, 3, 5))):
        path = rng.choice(places)
        way = rng.random()
        if way < 0.15:
            found.append(("put", path, hostile(rng)))
        elif way < 0.55:
            value = SCENARIO.value(rng, _node(SCENARIO, path), names)
            found.append(("put", path, value))
        elif way < 0.62:
            found.append(("drop", path, None))
        elif way < 0.68:
            found.append(("copy", path, rng.choice(places)))
        elif way < 0.72:  # a table or a field that is not there yet
            last = rng.choice([*names, *TEXTS, "x", "extends", "remove", "columns", "breaker"])
            found.append(("put", (*path[:-1], last), _at(content, path)))
        elif way < 0.80:
            found.append(_new_group(rng, content, names))
        elif way < 0.86:
            node = _node(SCENARIO, ("shocks", 0))
            value = SCENARIO.value(rng, node, names)
            value["block" if rng.random() < 0.8 else "at"] = rng.choice((1, 3, 5, 10**9, 0.5, 7))
            value = {k: v for k, v in value.items() if k in ("block", "at") or v is not None}
            found.append(("add", ("shocks",), value))
        elif way < 0.93:
            found.append(_new_pool(rng, content, names))
        else:
            value = SCENARIO.value(rng, _node(SCENARIO, ("oracles", "x")), names)
            found.append(("put", ("oracles", rng.choice(["o1", *names])), value))
    return found


def _new_group(rng: random.Random, content: dict[str, Any], names: Sequence[str]) -> Op:
    kinds = {k: b for k, b in behaviours().items() if b.__module__.startswith("agents.")}
    kind = rng.choice(sorted(kinds))
    behaviour: Any = kinds[kind]
    base = [content["venue"].get("numeraire", "usdc"), *content["venue"].get("assets", {})]
    amounts = (1.0, 1e3, 1e6, 1e18, 0.0)
    group: dict[str, Any] = {"kind": kind, "count": rng.choice((0, 1, 1, 2, 3, 5))}
    group["wallet"] = {t: rng.choice(amounts) for t in rng.sample(base, min(2, len(base)))}
    pools = list(content.get("pools", {}))
    if pools:
        group["pools"] = rng.sample(pools, rng.randint(1, min(3, len(pools))))
    if content.get("lending"):
        group["lending"] = rng.choice(list(content["lending"]))
        reserves = list(content["lending"][group["lending"]].get("reserves", {})) or names
        group["collateral"], group["debt"] = rng.choice(reserves), rng.choice(reserves)
    settable = [(n, c) for n, c in behaviour.columns.items() if not c.state]
    for name, column in rng.sample(settable, min(len(settable), rng.choice((0, 1, 2)))):
        low, high = max(column.low, -1e18), min(column.high, 1e18)
        group[name] = rng.choice((low, high, 0.5 * (low + high)))
    if rng.random() < 0.3:
        group["route"] = rng.choice(["venue", *pools, "x"])
    if rng.random() < 0.3:
        group["routing"] = True
    return ("put", ("agents", f"group{rng.randint(1, 3)}"), group)


def _of_kind(node: dict[str, Any], kind: str) -> dict[str, Any]:
    """What a node allows of one kind."""
    options = [SCENARIO.resolved(option) for option in node["oneOf"]]
    return next(o for o in options if o["properties"]["kind"].get("const") == kind)


def _new_pool(rng: random.Random, content: dict[str, Any], names: Sequence[str]) -> Op:
    kind = rng.choice(("constant_product", "weighted", "stableswap", "concentrated"))
    issued = [n for n in names if n.endswith("-share")]
    base = [content["venue"].get("numeraire", "usdc"), *content["venue"].get("assets", {})]
    tokens = rng.sample([*base, *issued], 2)
    if kind in ("weighted", "stableswap") and len(base) > 2 and rng.random() < 0.3:
        tokens = rng.sample([*base, *issued], 3)
    amounts = (1.0, 1e3, 1e6, 1e-18, 1e18, rng.random() * 1e4)
    pool: dict[str, Any] = {"kind": kind, "tokens": tokens}
    pool["reserves"] = {t: rng.choice(amounts) for t in tokens}
    if rng.random() < 0.5:
        shape = SCENARIO.value(rng, _of_kind(_node(SCENARIO, ("pools", "x")), kind), names)
        pool |= {k: v for k, v in shape.items() if k not in ("kind", "tokens", "reserves")}
    return ("put", ("pools", f"pool{rng.randint(1, 3)}"), pool)


def _small(setup: Scenario) -> dict[str, Any]:
    """A scenario's content with few agents and blocks, so that it opens at once."""
    content = setup.to_dict()
    content["blocks"] = 20
    for group in content["agents"].values():
        group["count"] = min(group["count"], 3)
    return content


def bases() -> dict[str, dict[str, Any]]:
    """What is spoilt: the shipped scenarios, and one that has all there is."""
    found = {name: _small(Scenario.load(name)) for name in Scenario.names()}
    found["everything"] = _small(Scenario.from_dict(MORE))
    bank = {"reserves": {"usdc": {"cash": 1e6}}}
    found["bare"] = {
        "title": "bare",
        "blocks": 20,
        "venue": {"assets": {"eth": {"price": 2000.0}, "btc": {"price": 40_000.0}}},
        "pools": {"p1": {"tokens": ["eth", "usdc"], "reserves": {"eth": 1e3, "usdc": 2e6}}},
        "oracles": {"usdc": {"token": "usdc", "source": "fixed", "price": 1.0}},
        "lending": {"bank": bank},
        "agents": {},
        "shocks": [],
    }
    return found


# What must hold


class HangError(BaseException):
    """An input took too long; nothing may catch it."""


class Trespass(BaseException):
    """An input read, wrote or imported what it was not offered; nothing may catch it."""


class _TooLargeError(Exception):
    """A valid scenario that is too large to be opened here."""


_watching: dict[str, Any] = {"strict": None, "inside": None, "seen": []}
_hooked = False
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_ROOT = Path(__file__).resolve().parents[2]


class _Importer:
    """Sees what is looked for, first of all; `importlib` tells no auditor."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Note a module that hostile inputs name; it is found nowhere."""
        if name == FORBIDDEN and _watching["strict"] and _watching["inside"] is not None:
            _watching["seen"].append(f"imports {name}")


def _audit(event: str, args: tuple[Any, ...]) -> None:
    inside = _watching["inside"]
    if inside is None:
        return
    if event != "open" or not isinstance(args[0], str | bytes):
        return
    path = os.path.abspath(os.fsdecode(args[0])) if b"\0" not in os.fsencode(args[0]) else ""
    writes = bool(args[2] & _WRITES) if isinstance(args[2], int) else False
    here = path.startswith(str(inside))
    if writes and not here and not path.startswith(("/dev/", *_watching["caches"])):
        _watching["seen"].append(f"writes {path}")
    if _watching["strict"] and (here or path.startswith(("/etc/passwd", "/proc/self/environ"))):
        if not Path(path).name.startswith("offered"):
            _watching["seen"].append(f"reads {path}")


@contextlib.contextmanager
def watched(folder: Path, strict: bool) -> Iterator[None]:
    """See what is opened and imported.

    Args:
        folder: Where the input may write.
        strict: Whether it may read nothing there, and import nothing: it comes from a browser.

    Raises:
        Trespass: If it did what it may not.
    """
    global _hooked
    if not _hooked:
        sys.addaudithook(_audit)
        sys.meta_path.insert(0, _Importer())  # type: ignore[arg-type]
        _hooked = True
    _watching["caches"] = (str(cache_folder()), tempfile.gettempdir(), str(Path.home() / ".cache"))
    _watching["seen"], _watching["strict"] = [], strict
    _watching["inside"] = folder
    try:
        yield
    finally:
        _watching["inside"] = None
        if _watching["seen"]:  # however else it ended
            raise Trespass("; ".join(_watching["seen"][:3]))


@contextlib.contextmanager
def timed() -> Iterator[None]:
    """Bound the time of an input.

    Raises:
        HangError: If it takes longer.
    """

    seconds = SECONDS

    def late(number: int, frame: object) -> None:
        raise HangError(f"takes more than {seconds:g} s")

    def allow(seconds: float) -> None:
        # Its own time, since the machine may be busy; and the clock's, since it may wait.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, 12.0 * seconds)

    before = [signal.signal(s, late) for s in (signal.SIGPROF, signal.SIGALRM)]
    allow(seconds)
    try:
        with on_compilation(lambda name: allow(COMPILING)):  # once on a machine
            yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for s, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.signal(s, handler)


def open_market(setup: Scenario, blocks: int = 2) -> None:
    """Open a market of a valid scenario, and make some blocks; large ones are passed over."""
    if sum(g.count for g in setup.agents.values()) > FEW_AGENTS:
        return
    positions = sum(p.positions for p in setup.pools.values() if p.kind == "concentrated")
    places = max([o.lag + o.window for o in setup.oracles.values()], default=0)
    if setup.blocks > FEW_BLOCKS and any(
        a.process in ("bridge", "replay") for a in setup.venue.assets.values()
    ):
        return
    if positions > 10_000 or places > 10_000:
        return
    market = Market(setup)
    try:
        market.run(min(blocks, setup.blocks))
    finally:
        market.close()


def _answered(error: ScenarioError) -> None:
    """See that an error names a field, and says something in one line."""
    assert error.problems, "a ScenarioError without a problem"
    for where, text in error.problems:
        assert where.strip() and text.strip(), f"an empty problem: {where!r}: {text!r}"
        assert "\n" not in where + text, f"several lines: {where!r}: {text!r}"
        assert len(text) < 5000, f"{len(text)} characters of {where}"


# Kinds of input


@dataclass
class Case:
    """An input: what it is made of, and what is done to that.

    Attributes:
        kind: Name of its target.
        start: What it begins with, as the target takes it.
        ops: What is done to it; a finding is made smaller by leaving some out.
        choice: A number for what else the target decides.
    """

    kind: str
    start: Any
    ops: list[Any] = field(default_factory=list)
    choice: float = 0.0


class Target:
    """A kind of input: how it is made, and how it is given."""

    strict = False
    """Whether it comes from a browser."""
    weight = 1

    def __init__(self, folder: Path) -> None:
        """Work in a folder, which is empty."""
        self.folder = folder

    def make(self, rng: random.Random) -> Case:
        """Make an input."""
        raise NotImplementedError

    def give(self, case: Case) -> None:
        """Give it; a `ScenarioError` is an answer."""
        raise NotImplementedError

    def shown(self, case: Case) -> str:
        """The input, for who looks into a finding."""
        return f"start {case.start!r}, then {case.ops!r}"


class Scenarios(Target):
    """Content of scenarios, and the markets of those that pass."""

    weight = 400
    share = 0.6
    """Of the valid ones that are opened."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bases = bases()

    def make(self, rng: random.Random) -> Case:
        if rng.random() < 0.05:
            names = names_in(self.bases["everything"])
            return Case("scenarios", SCENARIO.value(rng, SCENARIO.root, names), [], rng.random())
        name = rng.choice(sorted(self.bases))
        return Case("scenarios", name, scenario_ops(rng, self.bases[name]), rng.random())

    def give(self, case: Case) -> None:
        start = self.bases[case.start] if isinstance(case.start, str) else case.start
        setup = Scenario.from_dict(spoil(start, case.ops))
        assert Scenario.from_dict(tomllib.loads(setup.to_toml())) == setup
        setup.warnings()
        if case.choice < self.share:
            open_market(setup)


class Sets(Target):
    """What is said after ``--set``."""

    weight = 200

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.setups = {name: Scenario.from_dict(content) for name, content in bases().items()}
        self.paths = {n: [*_paths(s.to_dict())] for n, s in self.setups.items()}

    def make(self, rng: random.Random) -> Case:
        name = rng.choice(sorted(self.setups))
        return Case("sets", name, [self.item(rng, name) for _ in range(rng.choice((1, 1, 2)))])

    def item(self, rng: random.Random, name: str) -> str:
        path = ".".join(map(str, rng.choice(self.paths[name])))
        if rng.random() < 0.25:
            parts = path.split(".")
            parts[rng.randrange(len(parts))] = rng.choice((*TEXTS, "extends", "remove", "99"))
            path = ".".join(parts)
        if rng.random() < 0.05:
            path = rng.choice((*TEXTS, "extends", "remove", "prices.file", "prices"))
        return f"{path}={written(rng, hostile(rng))}" if rng.random() < 0.97 else path

    def give(self, case: Case) -> None:
        self.setups[case.start].with_overrides(case.ops)


def written(rng: random.Random, value: Any) -> str:
    """A value as somebody might write it, in TOML or not quite."""
    if rng.random() < 0.1:
        many = rng.choice((50, 2000, 100_000))
        return rng.choice(("[" * many, '{"a":' * many, "9" * many, "[" * many + "]" * many))
    if isinstance(value, int) and abs(value) > 10**300:
        return "1" + "0" * 4999
    try:
        return tomli_w.dumps({"v": value}).removeprefix("v = ").strip()
    except (TypeError, ValueError, AttributeError, RecursionError):
        return str(value)


def _garble(rng: random.Random, length: int) -> Op:
    way = rng.choice(("cut", "put", "put", "out"))
    some = rng.choice(
        [b"\xff\xfe", b"\0", b"[" * 3000, b"9" * 5000, b"nan", b"=", b'"', b"\n", b"-1", b"1e999"]
        + [t.encode() for t in TEXTS[:30]]
    )
    return (way, rng.randrange(max(length, 1)), some)


def garbled(data: bytes, ops: Sequence[Op]) -> bytes:
    """Bytes of a file with operations done."""
    for way, at, some in ops:
        at = min(at, len(data))
        if way == "cut":
            data = data[:at]
        elif way == "put":
            data = data[:at] + some + data[at:]
        else:
            data = data[:at] + data[at + 40 :]
    return data


class Files(Target):
    """Files of scenarios and studies that are torn or spoilt."""

    weight = 40

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        root = _ROOT / "runs"
        found = [*(root / "scenarios").glob("*.toml"), *(root / "studies").glob("*.toml")]
        self.texts = {f"{f.parent.name}/{f.name}": f.read_bytes() for f in sorted(found)}

    def make(self, rng: random.Random) -> Case:
        name = rng.choice(sorted(self.texts))
        size = len(self.texts[name])
        return Case("files", name, [_garble(rng, size) for _ in range(rng.choice((1, 1, 2, 4)))])

    def give(self, case: Case) -> None:
        file = self.folder / "offered.toml"
        file.write_bytes(garbled(self.texts[case.start], case.ops))
        if case.start.startswith("scenarios"):
            Scenario.load(file)
        else:
            check_study(Study.load(file))


def check_study(study: Study) -> None:
    """Do what a sweep does before its first run, as far as it is quick."""
    if (
        math.prod(p.steps or len(p.values or p.levels or ()) for p in study.parameters.values())
        > 500
    ):
        return
    if (study.design.points or 0) > 500 or study.seeds.count > 10_000:
        return
    laid = points(study)
    overrides = Overrides(study)
    for point in laid[:2]:
        for variant in study.variant_names[:2]:
            values = overrides.at(point, variant)
            study.base.override(values)
    study.seeds_of_round(0)
    json.dumps(study.identity())
    study.presentation()


class Studies(Target):
    """Content of studies."""

    weight = 60

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.studies: dict[str, dict[str, Any]] = {}
        for name in Study.names():
            file = _ROOT / "runs" / "studies" / f"{name}.toml"
            if file.is_file():
                self.studies[name] = tomllib.loads(file.read_text()) | {"name": name}
        self.studies["small"] = {
            "name": "small",
            "scenario": "calm",
            "seeds": 3,
            "set": {"blocks": 20, "agents.*.count": 5},
            "parameters": {"fee": {"path": "pools.*.fee", "values": [0.001, 0.01]}},
            "keep": {"low": "min(venue.eth.price)"},
            "derived": {"twice": "2 * low"},
            "series": {"measures": ["gas.mean"]},
            "until": "ci(low) < 5%",
            "design": {"method": "grid"},
            "report": {"labels": {"low": "low ($)"}},
            "variants": {"no_gas": {"switches.gas_binds": False}},
        }

    def make(self, rng: random.Random) -> Case:
        name = rng.choice(sorted(self.studies))
        content = self.studies[name]
        places = list(_paths(content))
        names = ["low", "fee", "calm", "blocks", "pools.*.fee", "agents.*.count", "x", "rng"]
        ops: list[Op] = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            path = rng.choice(places)
            way = rng.random()
            if way < 0.35:
                ops.append(("put", path, hostile(rng)))
            elif way < 0.65:
                ops.append(("put", path, STUDY.value(rng, _node(STUDY, path), names)))
            elif way < 0.75:
                ops.append(("drop", path, None))
            elif way < 0.85:
                ops.append(("put", (*path[:-1], rng.choice((*names, *TEXTS))), hostile(rng)))
            else:
                text = rng.choice(_EXPRESSIONS)
                ops.append(("put", (rng.choice(("derived", "keep")), "d"), text))
        return Case("studies", name, ops)

    def give(self, case: Case) -> None:
        check_study(Study.from_dict(spoil(self.studies[case.start], case.ops)))


_EXPRESSIONS = (
    *("low +", "low / 0", "9**9**9**9", "low.to_csv('x')", "__import__('os')", "@low", "low[0]"),
    *("(" * 500, "low " * 2000, "exp(low)", "lambda: 1", "last(gas.mean)", "quantile(gas.mean, 2)"),
    *(
        "max(" + "*a" * 40 + "b)",
        "last(²)",
        "at_block(gas.mean, 1e999)",
        "low if low else 1",
        "'a'",
    ),
)


class Prices(Target):
    """Files of recorded prices."""

    weight = 60

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        ts = pd.date_range("2020-03-12", periods=40, freq="5min", tz="UTC")
        self.table = pd.DataFrame(
            {"ts": ts.strftime("%Y-%m-%dT%H:%M:%SZ"), "symbol": "ETHUSDT", "open": 150.0}
        ).assign(high=151.0, low=149.0, close=150.5)
        self.csv = self.table.to_csv(index=False).encode()

    def make(self, rng: random.Random) -> Case:
        if rng.random() < 0.5:
            size = len(self.csv)
            return Case("prices", "csv", [_garble(rng, size) for _ in range(rng.choice((1, 1, 3)))])
        ops = []
        columns = list(self.table.columns)
        for _ in range(rng.choice((1, 1, 2, 3))):
            way = rng.choice(("cell", "cell", "column", "drop", "rename", "twice"))
            value: Any = rng.choice((*NUMBERS[:-1], *TEXTS[:40], *OTHERS[:14]))
            ops.append((way, rng.choice(columns), rng.randrange(40), value))
        return Case("prices", rng.choice(("csv", "parquet")), ops)

    def give(self, case: Case) -> None:
        file = self.folder / f"offered.{case.start}"
        if case.ops and len(case.ops[0]) == 3:
            file.write_bytes(garbled(self.csv, case.ops))
        else:
            table = self.table.copy()
            for way, column, row, value in case.ops:
                if column not in table.columns:
                    continue
                if way == "cell":
                    table[column] = table[column].astype(object)
                    table.at[row, column] = value
                elif way == "column":
                    table[column] = pd.Series([value] * len(table), dtype=object)
                elif way == "drop":
                    table = table.drop(columns=column)
                elif way == "rename":
                    table = table.rename(columns={column: str(value)[:50]})
                else:
                    table = pd.concat([table, table[[column]]], axis=1)
                    break
            try:
                if case.start == "csv":
                    table.to_csv(file, index=False)
                else:
                    table.to_parquet(file)
            except Exception:  # what cannot be written cannot be given
                return
        start = datetime(2020, 3, 12, tzinfo=UTC)
        read_prices(file, {"eth": "ETHUSDT"}, start, 20, 12.0)


# The command line


def commands() -> dict[str, Any]:
    """Every command, as the application declares them."""
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def _is_whole(parameter: Any) -> bool:
    """Whether an option takes a whole number, in the words of older and newer versions of Typer."""
    if hasattr(parameter, "bare_type"):
        return parameter.bare_type() is int
    return str(parameter.type.name).startswith("integer")


class _Stopped(Exception):  # noqa: N818 - it stands for an end
    """Stands where a command would do what is too long for here."""


@contextlib.contextmanager
def short_commands() -> Iterator[None]:
    """Have commands do all but the long part: serving, sweeping, waiting, making big markets."""
    from runs.app import server
    from runs.study import executors, sweeper

    made = Market.__init__
    ran = Market.run

    def init(self: Market, setup: Any = "calm", *args: Any, **more: Any) -> None:
        if isinstance(setup, Scenario):
            if sum(g.count for g in setup.agents.values()) > FEW_AGENTS:
                raise _Stopped
        made(self, setup, *args, **more)

    def run(self: Market, blocks: int | None = None, progress: bool = False) -> Market:
        return ran(self, min(self.setup.blocks if blocks is None else blocks, 3), progress)

    def cluster(self: Any, address: str, *rest: Any) -> None:
        raise ScenarioError([("--scheduler", f"nobody answers at {address[:50]}; start it first")])

    def processes(self: Any, count: int = 2, memory: int = 0) -> None:
        self.count, self.memory = count, memory

    def stop(*args: Any, **more: Any) -> None:
        raise _Stopped

    replaced = [
        (Market, "__init__", init),
        (Market, "run", run),
        (executors.Cluster, "__init__", cluster),
        (executors.Processes, "__init__", processes),
        (executors.Processes, "shutdown", lambda self, **more: None),
        (sweeper.Sweep, "run", stop),
        (server, "serve", stop),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    for owner, name, function in replaced:
        setattr(owner, name, function)
    try:
        yield
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


class Commands(Target):
    """Words of every command and each of its options."""

    weight = 8

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import runs.app.server  # noqa: F401 - Solara leaves a file in the home when imported

        self.commands = commands()
        self.sets = Sets(folder)
        small = _small(Scenario.load("calm"))
        self.good = tomli_w.dumps(small)
        self.study = tomli_w.dumps(
            Studies(folder).studies["small"]
            | {"seeds": {"count": 1}, "series": {"measures": ["*"]}}
        )

    def make(self, rng: random.Random) -> Case:
        name = rng.choice(sorted(self.commands))
        words: list[list[str]] = []
        for parameter in self.commands[name].params:
            if parameter.param_type_name == "argument":
                if parameter.required or rng.random() < 0.8:
                    words.append(["", self.word(rng, parameter)])
            elif rng.random() < (0.7 if parameter.required else 0.35):
                option = rng.choice([*parameter.opts, *parameter.secondary_opts])
                flag = getattr(parameter, "is_flag", False)
                words.append([option] if flag else [option, self.word(rng, parameter)])
        if rng.random() < 0.05:
            words.append(["", rng.choice(TEXTS)])
        return Case("commands", name, words)

    def word(self, rng: random.Random, parameter: Any) -> str:
        if "--set" in parameter.opts:
            return self.sets.item(rng, "calm")
        usual = ["offered.toml", "study.toml", "out", "0", "1", "3", "calm", ".", "results"]
        if rng.random() < 0.6:
            if _is_whole(parameter):
                return rng.choice(("0", "1", "3"))
            return rng.choice(usual)
        odd = [
            "/proc/x",
            "offered.toml/x",
            "x" * 300,
            "[/b]",
            "a/b/c",
            "csv.csv",
            "2GiB",
            "9" * 5000,
        ]
        return rng.choice((*odd, *TEXTS, *(str(n) for n in NUMBERS[:-1]))).replace("\0", "?")

    def give(self, case: Case) -> None:
        folder = self.folder / "at"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "offered.toml").write_text(self.good)
        (folder / "study.toml").write_text(self.study)
        (folder / "csv.csv").write_text("ts,symbol,close\n2020-01-01,ETH,1\n")
        before = _tree(folder)
        options = [word for pair in case.ops if pair[0] for word in pair]
        arguments = [pair[1] for pair in case.ops if not pair[0]]
        words = [case.start, *options, "--", *arguments]
        was = Path.cwd()
        os.chdir(folder)
        try:
            with short_commands():
                done = CliRunner().invoke(app, words)
        finally:
            os.chdir(was)
        said = done.output
        if isinstance(done.exception, _Stopped):
            return
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert "Traceback" not in said, said
        assert done.exit_code in (0, 2), f"code {done.exit_code}: {said}"
        if done.exit_code == 2:
            assert "rror" in said or "Usage" in said, f"no error is said: {said!r}"
            assert _tree(folder) == before, f"refused, and leaves {_tree(folder) - before}"

    def shown(self, case: Case) -> str:
        return f"undertow {case.start} " + " ".join(repr(w) for pair in case.ops for w in pair)


def _tree(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


# The page


class Links(Target):
    """Links to the page, and what its forms send."""

    strict = True
    weight = 200
    share = 0.05
    """Of them that are opened as the page opens them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from runs.app.parameters import parameters, shock_forms

        self.setups = {n: Scenario.from_dict(c) for n, c in bases().items()}
        self.offered = {n: [p.path for p in parameters(s)] for n, s in self.setups.items()}
        self.forms = {n: shock_forms(s) for n, s in self.setups.items()}
        self.paths = {
            n: [".".join(map(str, p)) for p in _paths(s.to_dict())] for n, s in self.setups.items()
        }
        canary = tomli_w.dumps(_small(Scenario.load("calm")))
        (folder / "canary.toml").write_text(canary)
        self.canary = str(folder / "canary.toml")

    def make(self, rng: random.Random) -> Case:
        name = rng.choice(sorted(self.setups))
        words = [("scenario", name)] if rng.random() < 0.95 else [("scenario", rng.choice(TEXTS))]
        for _ in range(rng.choice((1, 1, 2, 3, 6))):
            words.append(self.word(rng, name))
        return Case("links", name, words, rng.random())

    def word(self, rng: random.Random, name: str) -> tuple[str, str]:
        way = rng.random()
        if way < 0.55:
            path = rng.choice(self.offered[name] if rng.random() < 0.6 else self.paths[name])
            if rng.random() < 0.15:
                path = rng.choice(("extends", "remove", "prices.file", "agents.x.kind", *TEXTS))
            value = rng.choice((hostile(rng), rng.random(), 10 ** rng.randint(0, 20), self.canary))
            return ("set", f"{path}={_as_json(rng, value)}")
        if way < 0.80:
            form = rng.choice(self.forms[name])
            content = {"kind": form["kind"], "block": rng.choice((1, 2, 5))}
            content |= {f["name"]: f["value"] for f in form["fields"]}
            for _ in range(rng.choice((0, 1, 1, 2))):
                content[rng.choice([*content, "at", "extends", "x"])] = hostile(rng)
            return ("do", _as_json(rng, content))
        if way < 0.90:
            odd = ("0", "1", "2", "5", "9" * 23, "1" + "0" * 12, "-1", "²", "٣", "1.5")
            return (rng.choice(("rng", "block")), rng.choice((*odd, *TEXTS)))
        if way < 0.97:
            twins = ("shocks", "mine", "switches.gas_binds", "switches.x", "agents.x", "idle.x")
            return ("twin", rng.choice((*twins, *TEXTS)))
        return (rng.choice(TEXTS), rng.choice(TEXTS))

    def give(self, case: Case) -> None:
        from runs.app.link import read_link
        from runs.app.parameters import changed, shock_of, shocks_of

        query = "?" + urlencode(case.ops, errors="replace")
        if case.choice < self.share:
            self._open(query, case)
            return
        link = read_link(query)
        base = self.setups[case.start]
        setup = changed(base, link.changes)
        shocks_of(setup, link.actions)
        for action in link.actions:
            shock_of(setup, action, 3)

    def _open(self, query: str, case: Case) -> None:
        """Open it as the page does, then use its forms."""
        from runs.app import session as module

        class Small(module.LiveMarket):
            def __init__(self, setup: Any, rng: int | None = None) -> None:
                if sum(g.count for g in setup.agents.values()) > FEW_AGENTS:
                    raise ScenarioError([("agents", "are too many for here")])
                super().__init__(setup, rng)

        def load(name: Any) -> Scenario:
            if name not in self.setups:
                raise ScenarioError([("scenario", "there is none; choose another")])
            return self.setups[name]

        before = module.load, module.LiveMarket
        module.load, module.LiveMarket = load, Small  # type: ignore[assignment, misc]
        try:
            session = module.Session(query)
            session.open_first()
            market = session.market
            assert market is not None and not session.busy.value
            rng = random.Random(case.choice)
            for _ in range(3):
                session.turn(rng.choice(self.offered[case.start]), hostile(rng))
                session.turn(rng.choice(TEXTS), hostile(rng))
                form = rng.choice(self.forms[case.start])
                content = {f["name"]: f["value"] for f in form["fields"]} | {"kind": form["kind"]}
                content[rng.choice(list(content))] = hostile(rng)
                session.strike(content)
                session.switch(rng.choice(TEXTS), True)
                session.follow(rng.choice(TEXTS))
            again = module.read_link(session.link())
            assert again.block == market.block
            market.step()
        finally:
            module.load, module.LiveMarket = before  # type: ignore[misc]

    def shown(self, case: Case) -> str:
        return f"link ?{urlencode(case.ops, errors='replace')[:3000]} (on {case.start})"


def _as_json(rng: random.Random, value: Any) -> str:
    if rng.random() < 0.05:
        many = rng.choice((50, 2000, 100_000))
        return rng.choice(("[" * many, '{"a":' * many, "9" * many, "NaN", "Infinity", "1e999"))
    try:
        return json.dumps(value, default=str)
    except (ValueError, RecursionError):
        return "9" * 5000  # a number that Python does not write


# Results


class Results(Target):
    """Folders of runs and of sweeps that are torn."""

    weight = 2

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from runs.files import save_run
        from runs.study.executors import Serial
        from runs.study.sweeper import Sweep
        from runs.summary import summarise

        self.store = folder / "offered-results"
        market = Market(Scenario.from_dict(_small(Scenario.load("calm")))).run()
        save_run(market, self.store / "run", summarise(market))
        study = Study.from_dict(
            Studies(folder).studies["small"] | {"seeds": 2, "until": None, "variants": {}}
        )
        Sweep(study, self.store / "sweep", Serial()).run()
        self.files = sorted(
            str(p.relative_to(self.store)) for p in self.store.rglob("*") if p.is_file()
        )

    def make(self, rng: random.Random) -> Case:
        name = rng.choice(self.files)
        size = (self.store / name).stat().st_size
        return Case("results", name, [_garble(rng, size) for _ in range(rng.choice((0, 1, 1, 2)))])

    def give(self, case: Case) -> None:
        from runs.report.report import write_report
        from runs.study.store import read_definition, read_scenario, read_series, read_study

        there = self.folder / "offered-torn"
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(self.store, there)
        file = there / case.start
        if case.ops:
            file.write_bytes(garbled(file.read_bytes(), case.ops))
        else:
            file.unlink()
        sweep = there / "sweep"
        asked: list[Callable[[], Any]] = [
            lambda: read_definition(sweep),
            lambda: read_study(sweep),
            lambda: read_series(sweep),
            lambda: read_scenario(sweep, 1),
        ]
        if case.start.startswith("run"):
            asked = [lambda: write_report(there / "run")]
        for ask in asked:
            try:
                ask()
            except ScenarioError as error:
                _answered(error)


TARGETS: tuple[type[Target], ...] = (
    Scenarios,
    Sets,
    Files,
    Studies,
    Prices,
    Commands,
    Links,
    Results,
)


# Going through them


@dataclass
class Finding:
    """An input that ended as none may."""

    number: int
    case: Case
    error: str
    trace: str

    @property
    def place(self) -> str:
        """Where it ended, by which findings are told apart."""
        lines = [x for x in self.trace.splitlines() if x.strip().startswith("File ")]
        ours = [x.strip() for x in lines if str(_ROOT) in x and "tests/fuzz" not in x]
        return f"{self.error.partition(':')[0]} at {ours[-1] if ours else '?'}"


class Fuzz:
    """Gives inputs in the order of their numbers."""

    def __init__(self, seed: int, kinds: Sequence[str] = ()) -> None:
        """Make inputs of a seed; of some kinds, or all."""
        self.seed = seed
        self.folder = Path(tempfile.mkdtemp(prefix="undertow-fuzz-"))
        self.targets: dict[str, Target] = {}
        for target in TARGETS:
            name = target.__name__.lower()
            if not kinds or name in kinds:
                (self.folder / name).mkdir()
                self.targets[name] = target(self.folder / name)
        self.names = [n for n, t in self.targets.items() for _ in range(t.weight)]
        self.counts: Counter[str] = Counter()

    def close(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def case(self, number: int) -> Case:
        """The input of a number."""
        rng = random.Random(f"{self.seed}:{number}")
        return self.targets[rng.choice(self.names)].make(rng)

    def give(self, number: int) -> Finding | None:
        """Give the input of a number; returns what is wrong with how it ended."""
        case = self.case(number)
        self.counts[case.kind] += 1
        return self.tried(number, case)

    def tried(self, number: int, case: Case) -> Finding | None:
        """Give an input."""
        target = self.targets[case.kind]
        told = io.StringIO()
        try:
            with timed(), watched(target.folder, target.strict), contextlib.redirect_stderr(told):
                try:
                    target.give(case)
                    self.counts["read"] += 1
                except ScenarioError as error:
                    _answered(error)
                    self.counts["refused"] += 1
                except MemoryError:
                    self.counts["too large"] += 1
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
            return Finding(number, case, text[:2000], traceback.format_exc())
        return None

    def smallest(self, finding: Finding) -> Finding:
        """The same finding from as few operations as it takes."""
        found = finding
        for i in reversed(range(len(finding.case.ops))):
            if i < len(found.case.ops) and len(found.case.ops) > 1:
                fewer = [*found.case.ops[:i], *found.case.ops[i + 1 :]]
                case = Case(found.case.kind, found.case.start, fewer, found.case.choice)
                again = self.tried(finding.number, case)
                if again is not None and again.place == finding.place:
                    found = again
        return found


def told(fuzz: Fuzz, finding: Finding) -> str:
    """A finding, with what makes it again."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        shown = fuzz.targets[finding.case.kind].shown(finding.case)
    finally:
        sys.set_int_max_str_digits(limit)
    return (
        f"input {finding.number} ({finding.case.kind}) ended in {finding.error}\n"
        f"{finding.trace[-3000:]}\n{shown[:6000]}\n"
        f"again: python -m tests.fuzz.inputs --seed {fuzz.seed} --only {finding.number}"
    )


def _work(first: int, options: Any, news: Any) -> None:
    """Give every so-manyth input, and tell how it goes."""
    import warnings

    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    fuzz = Fuzz(options.seed, options.kind)
    places: Counter[str] = Counter()
    until, spoke, number, done = time.time() + options.seconds, time.time(), first, 0
    try:
        while time.time() < until and done < options.count:
            finding = fuzz.give(number)
            done += 1
            number += options.workers
            if finding is not None:
                places[finding.place] += 1
                if places[finding.place] == 1:
                    news.put(("finding", told(fuzz, fuzz.smallest(finding))))
            if time.time() - spoke > 1.0:
                spoke = time.time()
                news.put(("done", first, done, dict(fuzz.counts), dict(places)))
    finally:
        fuzz.close()
        news.put(("done", first, done, dict(fuzz.counts), dict(places)))
        news.put(("end", first))


def main() -> int:
    """Fuzz for a while; returns 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--count", type=int, default=10**9, help="inputs of each worker, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", action="append", default=[], help="of inputs; default: all")
    parser.add_argument("--only", type=int, help="number of the one input to give")
    options = parser.parse_args()
    if options.only is not None:
        fuzz = Fuzz(options.seed, options.kind)
        finding = fuzz.give(options.only)
        print(told(fuzz, fuzz.smallest(finding)) if finding else "nothing is wrong with it")
        fuzz.close()
        return int(finding is not None)
    context = multiprocessing.get_context("spawn")
    news = context.Queue()
    workers = [
        context.Process(target=_work, args=(i, options, news)) for i in range(options.workers)
    ]
    for worker in workers:
        worker.start()
    at_work, done, findings = set(range(options.workers)), {}, 0
    counts: dict[int, Any] = {}
    places: dict[int, Any] = {}
    started = time.time()
    while at_work:
        try:
            what, *rest = news.get(timeout=5.0)
        except Empty:
            if not any(worker.is_alive() for worker in workers):
                print("a worker died")
                return 1
            continue
        if what == "end":
            at_work.discard(rest[0])
        elif what == "finding":
            findings += 1
            print(f"\n--- finding {findings}\n{rest[0]}", flush=True)
        else:
            done[rest[0]], counts[rest[0]], places[rest[0]] = rest[1:]
            seconds = time.time() - started
            total = sum(done.values())
            print(f"\r{total:,} inputs, {total / seconds:,.0f} a second ", end="", flush=True)
    kinds = sum((Counter(c) for c in counts.values()), Counter())
    print(f"\n{sum(done.values()):,} inputs, {findings} findings")
    print(", ".join(f"{name} {count:,}" for name, count in kinds.most_common()))
    for place, count in sum((Counter(p) for p in places.values()), Counter()).most_common():
        print(f"{count:6,} x {place}")
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
