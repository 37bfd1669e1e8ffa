"""What people are shown of a kind of protocol, as plain data: no drawing is imported here.

Each kind has a `Shown`, registered beside it in `protocols`. The summary, the report, the network
and the page ask all of them in turn and know none. Hooks that take a scenario alone serve the
report of a run that is over; those that take a `Watched` market serve the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.registry import load_protocols

if TYPE_CHECKING:
    from sim.market import Market
    from sim.scenario import Scenario

Floats = npt.NDArray[np.float64]

PRICES = "Prices and imbalance"
"""Heading under which a report draws prices, and what says how far they are from each other."""


# Numbers as people read them


def money(value: float, digits: int = 3) -> str:
    """An amount of money, short: 1.2M."""
    if value != value:
        return "–"
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return (
                f"{value / size:,.{digits}g}{letter}"
                if abs(value) < 1e3 * size
                else f"{value / size:,.0f}{letter}"
            )
    return f"{value:,.{digits}g}" if value else "0"


def number(value: float) -> str:
    """A number with four digits or so: 2,390; 1.234M; 0.001234."""
    if value != value:
        return "–"
    if abs(value) >= 1e6:
        return money(value) if abs(value) >= 1e12 else f"{value / 1e6:,.4g}M"
    return f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.4g}"


def share(value: float, digits: int = 2) -> str:
    """A share with its sign: +1.23 %."""
    return "–" if value != value else f"{100.0 * value:+.{digits}f} %"


# What is shown


@dataclass(frozen=True)
class Chart:
    """What a chart shows.

    Attributes:
        title: Above it.
        unit: Of its axis.
        lines: Measures by label.
        format: number, share or money.
        log: Whether its axis is logarithmic.
        zero: Whether its axis begins at zero.
        level: A value that is marked in a report, or None.
        legend: Whether a report says what its lines are.
    """

    title: str
    unit: str
    lines: Mapping[str, str]
    format: str = "number"
    log: bool = False
    zero: bool = False
    level: float | None = None
    legend: bool = True

    @property
    def key(self) -> str:
        """A name for it that stays the same from frame to frame."""
        return self.title


@dataclass(frozen=True)
class Fact:
    """A number that a card and a summary tell.

    Attributes:
        label: What it is.
        measure: Whose value it is.
        format: number, share or money.
        unit: Of the number; "": the measure's. In braces the name of one of the class's tokens
            stands for the token that a scenario gives: "{asset} per share".
        reduction: What a summary takes of the run: last, largest (furthest from zero, with its
            sign) or least. A card tells the present value.
    """

    label: str
    measure: str
    format: str = "number"
    unit: str = ""
    reduction: str = "last"

    def text(self, value: float) -> str:
        """A value as it is told."""
        if self.format == "share":
            return "–" if value != value else f"{100.0 * value:.2f} %"
        shown = money(value) if self.format == "money" else number(value)
        return f"{shown} {self.unit}".rstrip()


FORMATS = ("number", "share", "money")
REDUCTIONS = ("last", "largest", "least")


class Reduced(NamedTuple):
    """A figure of a summary that is taken of a measure over the run.

    Attributes:
        measure: Its name.
        reduction: One of `REDUCTIONS`.
    """

    measure: str
    reduction: str


class Figure(NamedTuple):
    """A figure at the top of the page.

    Attributes:
        label: What it is.
        value: As it is told.
        unit: Behind it.
    """

    label: str
    value: str
    unit: str


class Place(IntEnum):
    """Columns of the network, from the left."""

    AGENTS = 0
    CREDIT = 1
    TRADE = 2
    OUTSIDE = 3


@dataclass(frozen=True)
class Scale:
    """What the colour of a node says, by a number of its own.

    Attributes:
        label: What the number is.
        most: Where the colour is full.
        diverging: Whether it may be negative, with another colour.
    """

    label: str
    most: float = 1.0
    diverging: bool = False


@dataclass(frozen=True)
class Look:
    """How nodes of the network look.

    Attributes:
        word: What they are, in the legend.
        head: The same above their column; "": nothing is said.
        place: Their column.
        colour: On paper, #rrggbb.
        light: On a light page, where no scale gives another; "": that on paper.
        dark: On a dark one; "": that on a light one.
        scale: What their colour says on the page, or None.
        tone: Of a protocol that declares itself: the measure that gives its place on the scale.
        distress: Likewise: the measure, a share in [0, 1], that gives its red ring.
        prefix: Before a name in the network, which is left out where it is shown.
    """

    word: str
    head: str = ""
    place: Place = Place.TRADE
    colour: str = "#7a5195"
    light: str = ""
    dark: str = ""
    scale: Scale | None = None
    tone: str = ""
    distress: str = ""
    prefix: str = ""


class State(NamedTuple):
    """How a node is now.

    Attributes:
        tone: On its look's scale; None: the look's own colour.
        distress: In [0, 1].
        text: Under its name.
        about: When it is pointed at.
    """

    tone: float | None
    distress: float
    text: str
    about: str


@dataclass(frozen=True)
class Histogram:
    """A distribution that moves.

    Attributes:
        title: Above it.
        axis: What its values are.
        counted: What is counted, in the plural.
        low: Where the first bin begins.
        high: Where the last one ends, which is open.
        bins: How many.
        limit: Below it they are in danger, and are counted apart.
        values: Reads them off a market, float64[n].
    """

    title: str
    axis: str
    counted: str
    low: float
    high: float
    bins: int
    limit: float
    values: Callable[[Market], Floats]


@dataclass(frozen=True)
class Table:
    """A table of some accounts.

    Attributes:
        title: Above it.
        columns: (key, label, unit, whether it holds numbers) of each; "account" names accounts.
        rows: Reads them off a market, as texts by key; where "bad" is true a row is marked.
        empty: What is said where there are none.
    """

    title: str
    columns: Sequence[tuple[str, str, str, bool]]
    rows: Callable[[Market], list[dict[str, Any]]]
    empty: str


@dataclass(frozen=True)
class Trail:
    """A number of the agent that is followed, noted at each frame.

    Attributes:
        name: The last part of its measure, after ``followed.``.
        title: Of its chart, after the agent's name.
        unit: Of the chart's axis.
        read: Reads it of an account's row.
        format: number, share or money.
    """

    name: str
    title: str
    unit: str
    read: Callable[[Market, int], float]
    format: str = "number"

    @property
    def measure(self) -> str:
        """Its name among the measures."""
        return f"followed.{self.name}"


class Counter:
    """Counts something of the receipts of a market that is watched.

    Attributes:
        names: Of what it counts, as measures.
    """

    names: Sequence[str] = ()

    def fill(
        self, receipts: npt.NDArray[np.void], blocks: Floats, worth: Callable[[int], float]
    ) -> Floats:
        """Take the receipts of blocks that follow those taken before.

        Args:
            receipts: `sim.records.RECEIPT`, in the order of execution.
            blocks: float64[n], the blocks of the rows that are filled, rising.
            worth: Numeraire per unit of a token, by its column.

        Returns:
            float64[n, names], the counts up to each block.
        """
        raise NotImplementedError


class Watched(NamedTuple):
    """A market, and what is known of its measures.

    Attributes:
        market: Any.
        last: The latest value of a measure; NaN where it is not known.
        values: All that are known of one, float64[n].
    """

    market: Market
    last: Callable[[str], float]
    values: Callable[[str], Floats]


# A kind, as it is shown


class Shown:
    """Base of what is shown of a kind of protocol; each has only what it has.

    Attributes:
        order: Of its charts, figures and tables among those of other kinds.
        summary_order: Of its figures in the summary; default: `order`.
        kind: Of its nodes in the network (`sim.exposure`); "": it has none of its own.
        look: Of its nodes.
        calls: Kinds of call (`sim.codes.Kind`) that move value between a sender and the one
            of its `nodes` whose place the call names.
        carries: Those of them that carry on what the call before gave out.
        words: What a visitor reads for a mechanism's switch, by its name.
    """

    order: ClassVar[int] = 0
    summary_order: ClassVar[int | None] = None
    kind: ClassVar[str] = ""
    look: ClassVar[Look] = Look("protocol")
    calls: ClassVar[Sequence[int]] = ()
    carries: ClassVar[Sequence[int]] = ()
    words: ClassVar[Mapping[str, str]] = {}

    # In the network

    def nodes(self, s: Scenario) -> list[str]:
        """Names of its nodes, in their places."""
        return []

    def look_of(self, s: Scenario, node: str) -> Look:
        """How one of them looks."""
        return self.look

    def linked(self, group: Any) -> Iterable[str]:
        """Nodes that a group of agents names in its settings, beside which it stands."""
        return ()

    def state(self, seen: Watched, node: str, value: float) -> State:
        """How one of its nodes is now.

        Args:
            seen: The market.
            node: Its name.
            value: What the network sizes it by, numeraire.
        """
        text = f"{money(value)} {seen.market.numeraire}"
        return State(None, 0.0, text, text)

    def facts(self, seen: Watched, node: str) -> list[tuple[str, str]]:
        """What the card of one of its nodes tells, as (what, value)."""
        return []

    def history(self, s: Scenario, node: str) -> list[Chart]:
        """Charts on that card."""
        return []

    # In time

    def prices(self, s: Scenario, asset: str) -> dict[str, str]:
        """Lines in the chart of an asset's price: measures by label."""
        return {}

    def charts(self, s: Scenario) -> list[Chart]:
        """Charts of the page."""
        return []

    def sections(self, s: Scenario) -> dict[str, list[Chart]]:
        """Charts of a report, by the heading under which they are drawn together."""
        return {}

    def compared(self, s: Scenario) -> list[tuple[str, str]]:
        """What is compared with a twin: (what, measure)."""
        return []

    def counters(self, s: Scenario) -> list[Counter]:
        """What is counted of receipts while a market is watched."""
        return []

    # Of a run

    def figures(self, market: Market) -> dict[str, dict[str, dict[str, Any]]]:
        """Figures of the summary: by its key, by name of the protocol, by name of the figure.

        Values are plain, or `Reduced`, or dictionaries of either.
        """
        return {}

    def rows(self, summary: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What the summary says of them, as (what, value)."""
        return []

    def headline(self, market: Market) -> list[Figure]:
        """Figures at the top of the page."""
        return []

    # Of agents

    def of_account(self, market: Market, row: int) -> list[tuple[str, str]]:
        """What the card of an account tells, as (what, value)."""
        return []

    def trails(self, s: Scenario) -> list[Trail]:
        """What is noted of the agent that is followed."""
        return []

    def histograms(self, s: Scenario) -> list[Histogram]:
        """Distributions on the page."""
        return []

    def tables(self, s: Scenario) -> list[Table]:
        """Tables on the page."""
        return []

    # What a visitor can do

    def cuts(self, s: Scenario) -> dict[str, tuple[str, str]]:
        """What can be cut for a while, by label: (kind of the shock, what it names)."""
        return {}


_all: list[Shown] = []


def register_shown(shown: Shown) -> None:
    """Have a kind shown of every market."""
    _all.append(shown)


def all_shown() -> list[Shown]:
    """What is shown of every kind, in order."""
    load_protocols()
    return sorted(_all, key=lambda shown: shown.order)


def in_order_of_summary() -> list[Shown]:
    """The same, in the order of the summary."""
    return sorted(
        all_shown(), key=lambda s: s.order if s.summary_order is None else s.summary_order
    )


def shown_by_node(s: Scenario) -> dict[str, Shown]:
    """What shows each node that is a protocol's, by the node's name."""
    return {node: shown for shown in all_shown() for node in shown.nodes(s)}


# What a protocol declares of itself


Declared = Mapping[str, Sequence[str]] | Sequence[Chart]
"""Charts of a class of protocols: names of measures by title, or charts of such names."""


def own_charts(declared: Declared, units: Mapping[str, str], prefix: str = "") -> list[Chart]:
    """The charts that a class of protocols declares.

    Args:
        declared: As it does.
        units: Of its measures, by name; of a chart that names none, the first line's counts.
        prefix: Before the names of its measures in the results.
    """
    if isinstance(declared, Mapping):
        charts = [
            Chart(
                title,
                "",
                {m: m for m in drawn},
                "money" if [*drawn] == ["value"] else "number",
                legend=len(drawn) > 1,
            )
            for title, drawn in declared.items()
        ]
    else:
        charts = list(declared)
    return [
        replace(
            chart,
            unit=chart.unit or next((units.get(m, "") for m in chart.lines.values()), ""),
            lines={label: f"{prefix}{m}" for label, m in chart.lines.items()},
        )
        for chart in charts
    ]
