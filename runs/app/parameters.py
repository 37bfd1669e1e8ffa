"""What of a scenario can be turned in the browser, read off its schema.

A parameter has a dotted path, a unit and the values that researchers try
(`sim.fields.reach`); the field's own limits are checked by the scenario itself, and
what it says is shown beside the field.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim import Scenario, registry
from sim.distribution import MOST
from sim.errors import ScenarioError, shown
from sim.fields import tables_in
from sim.mechanisms import present
from sim.names import VENUE
from sim.parts import named, places, sections
from sim.registry import Column
from sim.scenario import SHOCKS_BY_KIND, Switches

_MAIN = {
    "constant": ("value",),
    "lognormal": ("median",),
    "normal": ("mean",),
    "uniform": ("low", "high"),
    "pareto": ("scale",),
    "beta": ("low", "high"),
}
"""The fields of a distribution that carry the unit of what is drawn."""
MOST_AGENTS = 100_000
MOST_BLOCKS = 1_000_000
_ELSEWHERE = {
    "prices": "cannot be set here, since the page reads no files; start it with a scenario that "
    "names its prices",
    "rng": "is the seed; set it below the scenario",
    "shocks": "are added with Shock now",
    "measures": "are set by the page",
    "audit": "cannot be changed here",
}
"""What to say of what no visitor of a page may change, where there is more to say."""


@dataclass(frozen=True)
class Parameter:
    """Something that can be turned.

    Attributes:
        path: As in ``--set``; a trailing ``.*`` multiplies all below it.
        section: Heading under which it stands.
        label: What it is called there.
        doc: What it means.
        unit: Of the number; empty of a switch.
        kind: number, integer or switch.
        value: In the scenario as it is.
        low: Least value that the slider offers.
        high: Greatest.
        log: Whether the slider's steps are even in ratio.
    """

    path: str
    section: str
    label: str
    doc: str
    unit: str
    kind: str
    value: Any
    low: float = 0.0
    high: float = 1.0
    log: bool = False


def parameters(setup: Scenario) -> list[Parameter]:
    """All that can be turned in a scenario, in the order of its file."""
    found = list(_of_table(setup, "", "Run"))
    found += _of_table(setup.block, "block", "Block and gas")
    found += _of_table(setup.block.outside, "block.outside", "Block and gas")
    for name, asset in setup.venue.assets.items():
        found += _of_table(asset, f"venue.assets.{name}", f"Outside venue: {name}")
    for part in sections():
        for name, settings in getattr(setup, part.section).items():
            heading = f"{part.what.capitalize()} {name}"
            found += _of_entry(settings, f"{part.section}.{name}", heading)
    for name, group in setup.agents.items():
        path, section = f"agents.{name}", f"Agents: {name}"
        found += [*_of_table(group, path, section), *_of_table(group.targets, path, section)]
        columns: Mapping[str, Column] = registry.behaviour(group.kind).columns
        for column, drawn in group.columns.items():
            for main in _MAIN.get(drawn.distribution, ()):
                found.append(_of_column(columns[column], drawn, main, path, section, column))
    for name, field in Switches.model_fields.items():
        value = getattr(setup.switches, name)
        text = field.description or ""
        found.append(
            Parameter(f"switches.{name}", "Mechanisms", _spoken(name), text, "", "switch", value)
        )
    return found


def _of_entry(table: BaseModel, path: str, section: str) -> Iterator[Parameter]:
    """What can be turned in an entry of a section, and in the tables within it."""
    yield from _multiplied(table, path, section)
    yield from _of_table(table, path, section)
    for inside, settings in tables_in(table):
        _, _, name = inside.partition(".")
        heading = f"{section}: {name}" if name else section
        yield from _of_entry(settings, f"{path}.{inside}", heading)


def _multiplied(table: BaseModel, path: str, section: str) -> Iterator[Parameter]:
    """Tables of numbers that are turned as one."""
    for name, field in type(table).model_fields.items():
        extra = field.json_schema_extra
        label = extra.get("multiplied") if isinstance(extra, dict) else None
        if isinstance(label, str):
            text = f"All {_spoken(name)} together, multiple of the scenario's."
            whole = (f"{path}.{name}.*", section, label, text, "times", "number", 1.0)
            yield Parameter(*whole, 0.1, 10.0, True)


def _of_table(table: BaseModel, path: str, section: str) -> Iterator[Parameter]:
    for name, field in type(table).model_fields.items():
        reach = reach_of(field)
        value = getattr(table, name)
        if reach is None or value is None:
            continue
        low, high = float(reach["low"]), float(reach["high"])
        if reach["log"] and math.isfinite(value) and value > 0.0 and name in ("price", "depth"):
            low, high = value / 10.0, value * 10.0  # their scale is the asset's own
        if math.isfinite(value):
            low, high = min(low, value), max(high, value)
        yield Parameter(
            f"{path}.{name}" if path else name,
            section,
            _spoken(name),
            field.description or "",
            reach["unit"],
            "integer" if isinstance(value, int) else "number",
            value if math.isfinite(value) else None,
            low,
            high,
            bool(reach["log"]) and low > 0.0,
        )


def _of_column(
    column: Column, drawn: Any, part: str, path: str, section: str, name: str
) -> Parameter:
    value = float(getattr(drawn, part))
    low = column.low if math.isfinite(column.low) else min(0.0, 10.0 * value)
    high = column.high if math.isfinite(column.high) else max(10.0 * value, 1.0)
    log = value > 0.0 and (high > 20.0 * value or high > 100.0)
    if log:
        low, high = max(low, value / 20.0), min(high, value * 20.0)
    constant = drawn.distribution == "constant"
    label = _spoken(name) if constant else f"{_spoken(name)} ({part})"
    text = column.doc if constant else f"{column.doc}; {drawn.distribution} distribution"
    where = f"{path}.{name}.{part}"
    return Parameter(where, section, label, text, column.unit, "number", value, low, high, log)


def reach_of(field: FieldInfo) -> dict[str, Any] | None:
    """What a field of a scenario says of its unit and the values to offer, or None."""
    extra = field.json_schema_extra
    found = extra.get("reach") if isinstance(extra, dict) else None
    return dict(found) if isinstance(found, dict) else None


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def changed(base: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """A scenario with what was turned in the browser.

    Only what `parameters` offers can be turned, and only to numbers, or on and off: a
    visitor, or who gave them their link, must not read files or import code.

    Args:
        base: The scenario.
        changes: Values by path; of a path that ends in ``.*``, what to multiply by.

    Raises:
        ScenarioError: If a value makes no sense, or may not be changed here; the
            problems name the paths as they were given.
    """
    values: dict[str, Any] = {}
    whole: dict[str, str] = {}
    offered = {p.path: p for p in parameters(base)}
    for path, value in changes.items():
        if path not in offered:
            raise ScenarioError([(path, _not_offered(base, path, offered))])
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if offered[path].kind == "switch":
            if not isinstance(value, bool):
                raise ScenarioError([(path, f"{shown(value)} is neither true nor false")])
            values[path] = value
        elif not path.endswith(".*"):
            if not number:
                raise ScenarioError([(path, f"{shown(value)} is no number; give one")])
            if isinstance(value, int) and abs(value) > MOST:  # has no sum with a float
                text = f"{shown(value)} is out of range; give a number of at most {MOST:g}"
                raise ScenarioError([(path, text)])
            values[path] = value
        elif not number or not 0.0 < value <= MOST:
            text = f"{shown(value)} is out of range; give a number above 0, of at most {MOST:g}"
            raise ScenarioError([(path, text)])
        else:
            for name, amount in _table_at(base, path.removesuffix(".*")).items():
                values[path.removesuffix("*") + name] = amount * value
                whole[path.removesuffix("*") + name] = path
    # Before the scenario's own limits, which are wider and say less.
    _carried(changes, sum(v for p, v in values.items() if p.endswith(".count")), values)
    try:
        setup = base.override(values)
    except ScenarioError as error:
        known = list(changes)
        problems = [(whole.get(f, _nearest(f, known)), text) for f, text in error.problems]
        raise ScenarioError(problems) from None
    _carried(changes, sum(group.count for group in setup.agents.values()), {"blocks": setup.blocks})
    return setup


def _carried(changes: Mapping[str, Any], agents: float, values: Mapping[str, Any]) -> None:
    """See that a page can carry what was turned.

    Raises:
        ScenarioError: If it cannot.
    """
    if agents > MOST_AGENTS:
        field = next((p for p in changes if p.endswith(".count")), "agents")
        text = (
            f"makes {agents:,.0f} agents; the page allows {MOST_AGENTS:,}; use undertow run "
            "for more"
        )
        raise ScenarioError([(field, text)])
    if values.get("blocks", 0) > MOST_BLOCKS:
        text = f"is more than the page allows; give {MOST_BLOCKS:,} or fewer"
        raise ScenarioError([("blocks", f"{values['blocks']:,} {text}")])


def _not_offered(base: Scenario, path: str, offered: Collection[str]) -> str:
    """Why something cannot be turned, and what to do."""
    first = path.split(".")[0]
    if first in _ELSEWHERE:
        return _ELSEWHERE[first]
    known: Any = base.to_dict()
    for part in path.split("."):
        known = known.get(part) if isinstance(known, dict) else None
    if known is not None:
        return "cannot be changed here; write a scenario file"
    close = difflib.get_close_matches(path[:200], offered, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "the page lists all fields"
    return f"no such field; {hint}"


def _nearest(field: str, known: list[str]) -> str:
    """The path that was turned and to which a problem belongs, else the field itself."""
    for path in known:
        if field == path or path.startswith(f"{field}.") or field.startswith(f"{path}."):
            return path
    return field


def _table_at(base: Scenario, path: str) -> dict[str, float]:
    table: Any = base.to_dict()
    for part in path.split("."):
        table = table[part]
    return dict(table)


# Shocks


def shock_forms(setup: Scenario) -> list[dict[str, Any]]:
    """A form for every kind of shock that a scenario can state, with the names it has.

    Returns:
        Plain data: kind, doc, and fields with name, label, doc, unit, kind (choice,
        number, integer), values or low and high, value, and whether it may be empty.
    """
    forms: list[dict[str, Any]] = []
    for kind, model in SHOCKS_BY_KIND.items():
        fields: list[dict[str, Any]] = []
        for name, field in model.model_fields.items():
            if name in ("kind", "block", "at"):
                continue
            fields.append(_form_field(setup, kind, name, field))
        forms.append({"kind": kind, "doc": _first_line(model), "fields": fields})
    # A kind that has nothing to act on here is not offered.
    return [f for f in forms if all(x["values"] != [] or x["optional"] for x in f["fields"])]


def _form_field(setup: Scenario, kind: str, name: str, field: FieldInfo) -> dict[str, Any]:
    names: dict[str, list[str]] = {
        "asset": list(setup.venue.assets),
        "token": [*setup.venue.assets, setup.venue.numeraire],
        "agents": _hearing(setup) if kind == "news" else list(setup.agents),
        "target": [VENUE, *places(setup)],
        "mechanism": present(setup),
        "protocol": list(_events(setup)),
        "event": list(dict.fromkeys(e for events in _events(setup).values() for e in events)),
        **{word: there for word, (there, _) in named(setup).items()},
    }
    optional = not field.is_required() and field.default is None
    found: dict[str, Any] = {"name": name, "label": _spoken(name), "doc": field.description or ""}
    found |= {"optional": optional, "values": None, "unit": ""}
    if name in names:
        first = None if optional else next(iter(names[name]), None)
        return found | {"kind": "choice", "values": names[name], "value": first}
    reach = reach_of(field) or {"unit": "", "low": 0.0, "high": 1.0, "log": False}
    whole = field.annotation is int
    first = field.default if not field.is_required() else _FIRST.get(name, reach["low"])
    return found | reach | {"kind": "integer" if whole else "number", "value": first}


def _hearing(setup: Scenario) -> list[str]:
    """Groups of agents who hear news."""
    return [n for n, g in setup.agents.items() if getattr(registry.behaviour(g.kind), "hears", "")]


def _events(setup: Scenario) -> dict[str, list[str]]:
    """What can happen to the protocols to which something can."""
    kinds: dict[str, Any] = {n: registry.protocol(p.kind) for n, p in setup.protocols.items()}
    return {n: [e.name for e in cls.events] for n, cls in kinds.items() if cls.events}


_FIRST = {"size": -0.2, "amount": 100.0, "share": 0.5, "multiple": 5.0, "blocks": 50}
"""What a form begins with: a shock that shows."""


def _first_line(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def shock_of(setup: Scenario, content: Mapping[str, Any], block: int) -> Any:
    """A shock that strikes in a block, checked as a scenario's would be.

    Args:
        setup: The scenario whose names it uses.
        content: Its kind and its fields.
        block: When.

    Raises:
        ScenarioError: If it makes no sense; the problems name its fields alone.
    """
    try:
        return shocks_of(setup, [dict(content) | {"block": block}])[0]
    except ScenarioError as error:
        found = [(f.removeprefix("do.0.").removeprefix("do.0"), t) for f, t in error.problems]
        raise ScenarioError(found) from None


def shocks_of(setup: Scenario, contents: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Shocks with their blocks, checked as a scenario's would be.

    Args:
        setup: The scenario whose names they use.
        contents: The kind, the block and the fields of each.

    Raises:
        ScenarioError: If one makes no sense; the problems name its place, as `do.0`.
    """
    if not contents:
        return []
    given = [
        {k: v for k, v in content.items() if v is not None and v != "" and k != "at"}
        for content in contents
    ]
    try:
        return list(setup.override({"shocks": given}).shocks)
    except ScenarioError as error:
        found = [(f"do{f.removeprefix('shocks')}", t) for f, t in error.problems]
        raise ScenarioError(found) from None
