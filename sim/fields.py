"""What a scenario is made of: fields with their limits, tables, and tables that have kinds.

Whoever brings a section of a scenario builds its settings of these (`sim.parts.Part.section`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from sim.distribution import MOST, Positive
from sim.errors import Problem, ScenarioError, did_you_mean, shown

if TYPE_CHECKING:
    from sim.scenario import Content

MOST_BLOCKS = 1_000_000_000
"""Of a run, and of any time stated in blocks: four centuries of Ethereum's."""
MOST_SEED = 2**63 - 1
FIRST_YEAR, LAST_START, LAST_YEAR = 1970, 2100, 2200
"""Of dates, of the start, and of the end of a run; tables count nanoseconds, up to 2262."""
LONGEST_NAME, LONGEST_TITLE, LONGEST_TEXT = 64, 200, 20_000
MOST_ENTRIES = 10_000
"""Of a list, or of a table whose names are the scenario's own."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Fee = Annotated[float, Field(ge=0.0, lt=1.0)]
Blocks = Annotated[int, Field(ge=0, le=MOST_BLOCKS)]
Period = Annotated[int, Field(ge=1, le=MOST_BLOCKS)]
"""A time that is at least a block."""
Exponent = Annotated[float, Field(ge=0.0, le=10.0)]
"""A power to which a ratio of volatilities is taken, which may be in the millions."""
Switch = bool


def _depth(value: float) -> float:
    if not math.isinf(value) and not 1.0 / MOST <= value <= MOST:
        raise ValueError(f"{value!r} is out of range; give {1.0 / MOST:g} to {MOST:g}, or inf")
    return value


Depth = Annotated[float, Field(gt=0.0), AfterValidator(_depth)]


def one_line(text: str) -> str:
    """The text, if it is one line that can be read."""
    if not text.isprintable():
        raise ValueError(f"{shown(text)} is not one line of printable text; edit it")
    return text


def _printable(text: str) -> str:
    if not all(line.replace("\t", "").isprintable() for line in text.splitlines()):
        raise ValueError("contains unprintable characters; remove them")
    return text


Line = Annotated[str, Field(max_length=LONGEST_TITLE), AfterValidator(one_line)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_printable)]
_NAME = re.compile(r"[^\W_](?:\w|[ +-])*", re.ASCII)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or len(text) > LONGEST_NAME or text != text.strip():
        # Names are parts of dotted paths, of measures, of files and of pictures' labels.
        raise ValueError(
            f"{shown(text)} is not a valid name; use letters, digits, -, _ and +, a letter or a "
            f"digit first, {LONGEST_NAME} at most"
        )
    return text


Name = Annotated[str, AfterValidator(_name)]
"""What a scenario calls something of its own."""


def _not_a_number(value: Any) -> Any:
    if isinstance(value, int | float):  # pydantic would count seconds since 1970
        raise ValueError("give a date, or a date and time: 2020-03-12T00:00:00Z")
    return value


def _utc(value: datetime) -> datetime:
    # First of all, since the ends of the calendar cannot be moved to another zone.
    if not FIRST_YEAR <= value.year < LAST_YEAR:
        raise ValueError(f"{value} is out of range; give a date from {FIRST_YEAR} to {LAST_YEAR}")
    # Afterwards, since texts and dates without a time become times without a zone too.
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Moment = Annotated[datetime, BeforeValidator(_not_a_number), AfterValidator(_utc)]
Hours = Annotated[float, Field(ge=0.0, le=876_600.0)]
"""Since the start, up to a century."""


def _kind_of_time(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "<hours>" if number else "<moment>"


# Told apart beforehand, so that an error speaks of the one that was meant.
Time = Annotated[
    Annotated[Hours, Tag("<hours>")] | Annotated[Moment, Tag("<moment>")],
    Discriminator(_kind_of_time),
]
"""A moment, or hours since the start."""
Volatility = Annotated[float, Field(ge=0.0, le=100.0)]
"""Per root year; a hundred is five per cent in twelve seconds."""


def _kind_of_point(value: Any) -> str:
    return "<three>" if isinstance(value, list | tuple) and len(value) == 3 else "<two>"


Point = Annotated[
    Annotated[tuple[Time, Positive], Tag("<two>")]
    | Annotated[tuple[Time, Positive, Volatility], Tag("<three>")],
    Discriminator(_kind_of_point),
]


def reach(unit: str, low: float, high: float, log: bool = False) -> dict[str, Any]:
    """What a form needs to offer a field: its unit, and the values that researchers try.

    Args:
        unit: Of the number.
        low: Least value offered; the field's own limits are wider.
        high: Greatest.
        log: Whether steps between are even in ratio.

    Returns:
        Extra content for the field in the scenario's JSON schema, under ``reach``.
    """
    return {"reach": {"unit": unit, "low": low, "high": high, "log": log}}


def multiplied(label: str) -> dict[str, Any]:
    """What a form needs to offer a table of numbers as one number, by which it multiplies all.

    Args:
        label: What the form calls that number.

    Returns:
        Extra content for the field in the scenario's JSON schema, under ``multiplied``.
    """
    return {"multiplied": label}


@dataclass(frozen=True)
class Names:
    """Marks a text of a table as the name of something else in the scenario.

    Attributes:
        of: A section, such as ``pools``; "protocols:cdp,trove": protocols of these kinds; "token":
            what the venue trades; "asset": that, without the numeraire; "issued": that, or what
            protocols issue; "place": where tokens are traded.
    """

    of: str


Token = Annotated[str, Names("token")]
"""Of those that the venue trades."""
Place = Annotated[str, Names("place")]
"""Where tokens are traded: the outside venue, or one on the chain."""


def named_in(table: BaseModel) -> Iterator[tuple[str, str, str]]:
    """What a table names, as (its field, what the name is of, the name)."""
    for field, about in type(table).model_fields.items():
        value = getattr(table, field)
        for name in value if isinstance(value, list | tuple | dict) else [value]:
            of = names_of(about)
            if of and isinstance(name, str):
                yield f"{field}.{name}" if isinstance(value, dict) else field, of, name


def names_of(annotation: Any) -> str:
    """What a field (or its type) names; "": nothing."""
    for part in (
        *getattr(annotation, "metadata", ()),
        *getattr(annotation, "__metadata__", ()),
        *get_args(getattr(annotation, "annotation", annotation)),
    ):
        found = part.of if isinstance(part, Names) else names_of(part)
        if found:
            return found
    return ""


class Table(BaseModel):
    """A table of a file: what it does not know is refused, what it holds stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Lasting = Annotated[Period, Field(json_schema_extra=reach("blocks", 1, 2000, log=True))]
"""For how many blocks a shock goes on."""


class ShockSettings(Table):
    """Base of shocks: what strikes the market from outside, and when.

    A kind of shock is a subclass with ``kind: Literal[...]``, which `sim.registry.register_shock`
    makes known.
    """

    block: Period | None = None
    at: Time | None = Field(None, description="Time, or hours since the start.")

    @model_validator(mode="after")
    def _one_time(self) -> ShockSettings:
        if (self.block is None) == (self.at is None):
            raise ValueError("give either block (a number) or at (a time, or hours)")
        return self

    def problems(self, s: Content) -> list[Problem]:
        """What contradicts itself beside the names of what it strikes, which are looked at apart.

        Args:
            s: All of the scenario; what the shock names may be missing there.

        Returns:
            Problems by field of the shock.
        """
        return []


@dataclass(frozen=True)
class ByKind:
    """Has the tables of a model validated by the class of their ``kind``: an open union.

    It stands beside the model in an annotation: ``Annotated[Model, ByKind(...)]``. All that any
    kind has is in `Model`, and each kind's class derives from it. A field of another kind that
    says what it would without being given is left out, so that a file that spells out all
    defaults can be read, and the kind of a table changed.

    Attributes:
        base: The model.
        what: What the tables are of, for errors.
        default: Kind of a table that names none.
        of: Class of a kind's settings; raises `ScenarioError` where there is no such kind.
        known: Classes of the settings of all kinds that are known by a name.
        own: Class of the settings of kinds from elsewhere, unless they have one of their own.
    """

    base: type[Table]
    what: str
    default: str
    of: Callable[[str], type[Table]]
    known: Callable[[], Mapping[str, type[Table]]]
    own: type[Table]

    OWN: ClassVar[str] = "module:Class"
    """By what kinds from elsewhere are named."""

    def all(self) -> dict[str, type[Table]]:
        """Classes of the settings of all kinds, those from elsewhere last."""
        return {**self.known(), self.OWN: self.own}

    def validated(self, value: Any) -> Table:
        """A table, by its kind.

        Raises:
            ValidationError: If it is none.
        """
        if isinstance(value, self.base) or not isinstance(value, Mapping):
            return self.base.model_validate(value)
        kind = value.get("kind", self.default)
        if not isinstance(kind, str):
            raise self._error([InitErrorDetails(type="string_type", loc=("kind",), input=kind)])
        try:
            model = self.of(kind)
        except ScenarioError as error:
            raise self._error([told("kind", kind, t) for _, t in error.problems]) from None
        given = {"kind": kind}
        found: list[InitErrorDetails] = []
        for key, content in value.items():
            if key in model.model_fields:
                given[key] = content
            elif text := self._stray(kind, model, str(key), content):
                found.append(told(str(key), content, text))
        try:
            made = model.model_validate(given)
        except ValidationError as error:
            raise self._error([*map(again, error.errors()), *found]) from None
        if found:
            raise self._error(found)
        return made

    def _stray(self, kind: str, model: type[Table], key: str, value: Any) -> str:
        """What is wrong with a field that a kind does not have; empty where it says nothing."""
        owners = {k: m.model_fields[key] for k, m in self.all().items() if key in m.model_fields}
        if not owners:
            return f"unknown field; {did_you_mean(key, sorted(model.model_fields))}"
        if any(value is None or value == field.get_default() for field in owners.values()):
            return ""
        return f"is of a {' or '.join(owners)} {self.what}; this one is {kind}"

    def _error(self, found: list[InitErrorDetails]) -> ValidationError:
        return ValidationError.from_exception_data(self.base.__name__, found)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Validate by kind; write what the kind has."""
        return core_schema.no_info_plain_validator_function(
            self.validated,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda table, info: table.model_dump(mode=info.mode), info_arg=True
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """One of all kinds."""
        return {"oneOf": [handler(m.__pydantic_core_schema__) for m in self.all().values()]}


def by_kind(annotation: Any) -> ByKind | None:
    """How the tables in an annotation such as ``dict[str, Annotated[Model, ByKind(...)]]`` differ.

    Returns:
        None where they are all alike.
    """
    for part in (*getattr(annotation, "__metadata__", ()), *get_args(annotation)):
        found = part if isinstance(part, ByKind) else by_kind(part)
        if found is not None:
            return found
    return None


def tables_in(table: BaseModel) -> Iterator[tuple[str, BaseModel]]:
    """Tables within a table, by their dotted path from there: one each, or one by name."""
    for name in type(table).model_fields:
        value = getattr(table, name)
        if isinstance(value, BaseModel):
            yield name, value
        elif isinstance(value, dict):
            yield from ((f"{name}.{k}", v) for k, v in value.items() if isinstance(v, BaseModel))


def told(field: str, given: Any, text: str) -> InitErrorDetails:
    """An error of a field in words of our own, for pydantic to tell with others."""
    context = {"error": ValueError(text)}
    return InitErrorDetails(type="value_error", loc=(field,), input=given, ctx=context)


def again(error: Any) -> InitErrorDetails:
    """An error that pydantic has told, to be told with others."""
    kind: Any = error["type"]
    if kind not in _ERRORS:  # a validator's own
        kind = PydanticCustomError("value_error", "{error}", {"error": error["msg"]})
        return InitErrorDetails(type=kind, loc=error["loc"], input=error["input"])
    context = error.get("ctx", {})
    return InitErrorDetails(type=kind, loc=error["loc"], input=error["input"], ctx=context)


_ERRORS = frozenset(get_args(core_schema.ErrorType))


def checked_seed(rng: int) -> int:
    """A seed that is given apart from a scenario.

    Raises:
        ScenarioError: If it is none.
    """
    try:
        number = int(rng)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if not 0 <= number <= MOST_SEED:
        text = f"{shown(rng)} is out of range; give a number from 0 to {MOST_SEED}"
        raise ScenarioError([("rng", text)])
    return number


def time_in_blocks(at: datetime | float, start: datetime, seconds: float) -> float:
    """Blocks from the start until a moment, or until so many hours have passed.

    Args:
        at: The moment, or hours.
        start: Of the run.
        seconds: Between two blocks.
    """
    if isinstance(at, datetime):
        return (at - start).total_seconds() / seconds
    return float(at) * 3600.0 / seconds
