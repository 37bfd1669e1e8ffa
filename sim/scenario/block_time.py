"""The same scenario with another time between blocks: what a finding should not hang on.

A scenario counts time in blocks: how long an order lives, how often somebody looks, over how many
blocks a price is averaged. With blocks of half the time all of that is made to last as long as
before. What each field and column is, is told by its unit and its description; a test goes through
all that speak of blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim import registry
from sim.arrays import exp, log
from sim.fields import ShockSettings
from sim.scenario.agents import AgentSettings, ProtocolSettings

PERIOD, CHANCE, KEPT, RATE, SPREAD, SLOPE, AS_IT_IS = (
    "period", "chance", "kept", "rate", "spread", "slope", "as it is"
)  # fmt: skip
"""What a number is: a time in blocks, a chance or a share that goes in one, a share that is left
after one, an amount in one, the deviation of what adds up over them, and what is told per unit of
such a deviation."""
FIELDS = {
    ("BlockSettings", "gas_limit"): RATE,
    ("BlockSettings", "priority_fee"): AS_IT_IS,
    ("PoolSettings", "volatility_fee"): SLOPE,
    ("AuditSettings", "every"): AS_IT_IS,  # a block is what is audited
}
"""Fields whose description speaks of blocks and that are no time."""
COLUMNS = {
    ("attention", "share"): CHANCE,
    ("alarm", "share"): CHANCE,  # the same below a floor
    ("forgets", "share"): CHANCE,
    ("keep", "share"): KEPT,
    ("volatility", "share"): SPREAD,
    ("noise", "mood a block"): SPREAD,
    ("rate", "per block"): RATE,
    ("news_size", "deviations"): AS_IT_IS,  # of a block's own deviation
}
"""Columns that are no time in blocks, by name and unit."""
LOCATIONS = ("value", "low", "high", "mean", "median", "scale", "at_least", "at_most")
"""Of a distribution: numbers on the scale of what is drawn; others are its shape."""
SCALES = ("sd",)
"""Of a distribution: differences on that scale."""


def dimension_of_field(model: type[BaseModel], name: str, field: FieldInfo) -> str | None:
    """What a field is, None where it has nothing to do with blocks."""
    for base in model.__mro__:
        if (base.__name__, name) in FIELDS:
            return FIELDS[base.__name__, name]
    extra = field.json_schema_extra
    unit = extra.get("reach", {}).get("unit", "") if isinstance(extra, dict) else ""  # type: ignore[union-attr]
    shock = issubclass(model, ShockSettings) and name in ("block", "blocks")
    if shock or unit == "blocks" or re.search(r"\b[Bb]locks?\b", field.description or ""):
        return PERIOD
    return None


def dimension_of_column(name: str, column: registry.Column) -> str | None:
    """What a column is, None where it has nothing to do with blocks."""
    if column.unit in ("block", "blocks"):
        return PERIOD
    return COLUMNS.get((name, column.unit))


def rescaled(value: float, dimension: str, more: float) -> float:
    """A number where there are more blocks in a time.

    Args:
        value: As it was.
        dimension: What it is.
        more: Blocks now for one before.
    """
    if dimension == PERIOD:
        return value * more
    if dimension == RATE:
        return value / more
    if dimension == SPREAD:
        return float(value / more**0.5)
    if dimension == SLOPE:
        return float(value * more**0.5)
    if dimension == KEPT:
        return float(exp(log(value) / more)) if value > 0.0 else 0.0
    if dimension == CHANCE:
        return float(1.0 - exp(log(1.0 - value) / more)) if 0.0 < value < 1.0 else value
    return value


def changes(scenario: BaseModel, seconds: float) -> dict[str, Any]:
    """What to override so that a scenario has another time between blocks.

    Args:
        scenario: As it is.
        seconds: Between two blocks.

    Returns:
        Values by dotted path.
    """
    more = scenario.block.seconds / seconds  # type: ignore[attr-defined]
    found = dict(_of_model(scenario, "", more)) if more != 1.0 else {}
    return found | {"block.seconds": seconds}


def _of_model(model: BaseModel, path: str, more: float) -> Iterator[tuple[str, Any]]:
    if isinstance(model, AgentSettings):
        yield from _of_group(model, path, more)
        return
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        below = f"{path}{name}."
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, int | float):
            dimension = dimension_of_field(type(model), name, field)
            if dimension not in (None, AS_IT_IS):
                new = rescaled(value, dimension, more)
                yield below[:-1], _whole(new, value) if isinstance(value, int) else new
        else:
            yield from _of_value(value, below, more)
    if isinstance(model, ProtocolSettings):
        yield from _of_model(model.settings, path, more)


def _whole(new: float, old: int) -> int:
    """A count of blocks; what was some stays some."""
    return max(round(new), 1) if old > 0 else round(new)


def _of_value(value: Any, path: str, more: float) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        yield from _of_model(value, path, more)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _of_value(item, f"{path}{key}.", more)
    elif isinstance(value, list | tuple):
        for n, item in enumerate(value):
            yield from _of_value(item, f"{path}{n}.", more)


def _of_group(group: AgentSettings, path: str, more: float) -> Iterator[tuple[str, Any]]:
    behaviour: Any = registry.behaviour(group.kind)
    yield from _of_model(group.targets, path, more)
    for name, column in behaviour.columns.items():
        dimension = None if column.state else dimension_of_column(name, column)
        if dimension in (None, AS_IT_IS):
            continue
        if name in group.columns:
            drawn = group.columns[name].model_dump(exclude_none=True)
        else:
            drawn = {"distribution": "constant", "value": column.default}
        yield f"{path}{name}", _distribution(drawn, dimension, more, column)


def _distribution(
    drawn: Mapping[str, Any], dimension: str, more: float, column: registry.Column
) -> dict[str, Any]:
    new = dict(drawn)
    for key in LOCATIONS:
        if key in new:
            new[key] = min(max(rescaled(new[key], dimension, more), column.low), column.high)
    for key in SCALES:
        if key in new:
            # Small differences of a chance, or of what is left, go down as the chance does.
            new[key] = rescaled(new[key], RATE if dimension in (CHANCE, KEPT) else dimension, more)
    if "values" in new:  # of a choice
        new["values"] = [rescaled(v, dimension, more) for v in new["values"]]
    return new
