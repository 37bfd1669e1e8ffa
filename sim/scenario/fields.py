"""What a field may be: its limits, its type, its place in a form."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
)

from sim.distribution import MOST, Positive
from sim.errors import ScenarioError, shown

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
        raise ValueError(f"{shown(text)} is not one printable line; take out what cannot be read")
    return text


def _printable(text: str) -> str:
    if not all(line.replace("\t", "").isprintable() for line in text.splitlines()):
        raise ValueError("holds characters that cannot be read; take them out")
    return text


Line = Annotated[str, Field(max_length=LONGEST_TITLE), AfterValidator(one_line)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_printable)]
_NAME = re.compile(r"[^\W_](?:\w|[ +-])*", re.ASCII)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or len(text) > LONGEST_NAME or text != text.strip():
        # Names are parts of dotted paths, of measures, of files and of pictures' labels.
        raise ValueError(
            f"{shown(text)} is no name; use letters, digits, -, _ and +, a letter or a digit "
            f"first, {LONGEST_NAME} at most"
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


class Table(BaseModel):
    """A table of a file: what it does not know is refused, what it holds stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
