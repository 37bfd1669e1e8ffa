"""Random values for any pydantic model, from its own annotations, bounds and hints.

Nothing here knows a field of a scenario: a field, a kind of shock or a distribution that
is added later is drawn without a line. Texts are names of things, which only the market
that is being drawn knows: they are asked for, as the keys of tables are.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from sim.fields import Names as Marker

MISSING = PydanticUndefined
"""In place of a value: leave the field out."""
MOST, LEAST = 1e9, 1e-9
"""Numbers drawn, where a field's own limits allow more: no market has more of anything."""
START = datetime(2020, 1, 1, tzinfo=UTC)

Names = Callable[[str], list[str]]
"""Names that a text field may have, by the field's name; none: it is left out."""


class Schema:
    """Draws what models describe."""

    def __init__(self, rng: random.Random, names: Names, chance: float = 0.3) -> None:
        """Draw with `rng`; `chance` is how often a field that has a default is given."""
        self.rng = rng
        self.names = names
        self.chance = chance

    def model(self, model: type[BaseModel], /, **given: Any) -> dict[str, Any]:
        """Values for the fields of a model, those that are given as they are."""
        found = {}
        for name, field in model.model_fields.items():
            if name in given:
                value = given[name]
            elif field.is_required() or self.rng.random() < self.chance:
                value = self.field(name, field)
            else:
                continue
            if value is not MISSING:
                found[name] = value
        return found

    def field(self, name: str, field: FieldInfo) -> Any:
        """A value for a field; MISSING where its text has no names to choose from."""
        extra = field.json_schema_extra
        hint = extra.get("reach") if isinstance(extra, dict) else None
        default = field.get_default(call_default_factory=True)
        return self.value(name, field.annotation, list(field.metadata), hint, default)

    def value(
        self, name: str, kind: Any, limits: list[Any], hint: Any = None, default: Any = MISSING
    ) -> Any:
        """A value of a type within limits (as of `annotated_types`)."""
        origin, parts = get_origin(kind), get_args(kind)
        if origin is Annotated:
            more = [m for part in parts[1:] for m in getattr(part, "metadata", [part])]
            return self.value(name, parts[0], limits + more, hint, default)
        if origin is Literal:
            return self.rng.choice(parts)
        if origin in (Union, UnionType):
            some = [part for part in parts if part is not NoneType]
            if len(some) < len(parts) and self.rng.random() < 0.3:
                return MISSING  # as None, which files do not know
            return self.value(name, self.rng.choice(some), limits, hint, default)
        if origin is dict:
            keys = self.names(name)
            keys = self.rng.sample(keys, self.rng.randint(0, len(keys))) if keys else []
            found = {key: self.value(name, parts[1], []) for key in keys}
            return found or MISSING
        if origin is list:
            size = self.rng.randint(bound(limits, "min_length", 0), 3)
            items = [self.value(name, parts[0], []) for _ in range(size)]
            return [item for item in items if item is not MISSING]
        if origin is tuple:
            return [self.value(name, part, []) for part in parts]
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return self.model(kind)
        if kind is bool:
            return self.rng.random() < 0.5
        if kind is int:
            return self.whole(limits, hint, default)
        if kind is float:
            return self.number(limits, hint, default)
        if kind is datetime:
            return START + timedelta(seconds=self.rng.randint(0, 3600))
        if kind is str:
            of = [f"<{limit.of}>" for limit in limits if isinstance(limit, Marker)]
            return self.rng.choice(self.names(of[0] if of else name) or [MISSING])
        raise TypeError(f"no rule for {name}: {kind}; teach it to tests/fuzz/schema.py")

    def number(self, limits: list[Any], hint: Any, default: Any) -> float:
        """A number: in its reach, near its default, or at the edge of what is allowed."""
        low, high = edges(limits)
        way = self.rng.random()
        if way < 0.15:
            return self.rng.choice([low, high, max(low, min(high, 0.0)), max(low, min(high, 1.0))])
        if hint and way < 0.85:
            return max(low, min(high, self.between(hint["low"], hint["high"], hint["log"])))
        centre = default if isinstance(default, int | float) and default else 1.0
        if not math.isfinite(centre):
            return centre
        if low >= 0.0 and high <= 1.0 and way < 0.6:
            return self.rng.uniform(low, high)
        return max(low, min(high, centre * 10.0 ** self.rng.uniform(-1.5, 1.5)))

    def between(self, low: float, high: float, log: bool) -> float:
        """A number between two, even in ratio where `log`."""
        if log:
            return math.exp(self.rng.uniform(math.log(low), math.log(high)))
        return self.rng.uniform(low, high)

    def whole(self, limits: list[Any], hint: Any, default: Any) -> int:
        """A whole number; small ones more often, since markets here are short."""
        low, high = edges(limits)
        if hint:
            low, high = max(low, hint["low"]), min(high, hint["high"])
        most = 4.0 * default if isinstance(default, int) and default > 0 else 100.0
        top = min(high, max(most, low + 1.0))
        if self.rng.random() < 0.5:
            return int(self.between(max(low, 1.0), max(top, 1.0), True))
        return self.rng.randint(math.ceil(low), math.floor(top))


def bound(limits: list[Any], name: str, default: Any) -> Any:
    """A limit by its name, such as ``ge`` or ``min_length``."""
    found = [getattr(limit, name) for limit in limits if getattr(limit, name, None) is not None]
    return found[-1] if found else default


def edges(limits: list[Any]) -> tuple[float, float]:
    """Least and greatest number that limits (and the plausible) allow."""
    low, high = bound(limits, "ge", -MOST), bound(limits, "le", MOST)
    above, below = bound(limits, "gt", None), bound(limits, "lt", None)
    if above is not None:
        low = above + max(LEAST, 1e-6 * abs(above))
    if below is not None:
        high = below - max(LEAST, 1e-6 * abs(below))
    return max(low, -MOST), min(high, MOST)


def kinds_of(union: Any) -> list[type[BaseModel]]:
    """The models of an annotated union."""
    if isinstance(union, type) and issubclass(union, BaseModel):
        return [union]
    return [kind for part in get_args(union) for kind in kinds_of(part)]
