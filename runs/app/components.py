"""What shows a market: components that take a market, for a page, SolaraViz or a notebook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import solara
from mesa.visualization.utils import force_update, update_counter

from runs.app import palette as colours
from runs.app import views
from runs.app.live import LiveMarket
from runs.app.past import Past
from runs.report.page import money
from sim import Market
from sim.losses import CAUSES, TOTAL
from sim.shown import Chart, Histogram, Table

_OVERLAP = 6
"""Points sent again with each tail, so that an update that the browser skips leaves no gap."""


class Bus:
    """Gathers what the components of a page show, so that a frame goes out in one message.

    A message of its own for every component would cost more than the market's block.

    Attributes:
        sources: What makes a component's next payload, by its channel.
        anew: Grows when charts have other lines than before: a twin has come or gone.
    """

    def __init__(self, anew: solara.Reactive[int] | None = None) -> None:
        """Nobody has joined."""
        self.sources: dict[str, Callable[[], Any]] = {}
        self.anew = anew if anew is not None else solara.reactive(0)

    def gather(self) -> dict[str, Any]:
        """The next payload of every component."""
        return {channel: make() for channel, make in list(self.sources.items())}


_bus = solara.create_context(None)


def provide_bus(bus: Bus) -> None:
    """Have the components below send through a bus; call it in a component."""
    _bus.provide(bus)


def use_live(make: Callable[[], Any], dependencies: Sequence[Any]) -> tuple[str, Any]:
    """A payload that follows the market.

    Args:
        make: Makes the payload, as plain data.
        dependencies: On whose change the component is to begin anew.

    Returns:
        The channel on which the page's bus sends later payloads, and the first one.
        Without a bus: no channel, and the payload of every frame.
    """
    bus = solara.use_context(_bus)
    channel = solara.use_unique_key(prefix="ut-")
    latest = solara.use_ref(make)
    latest.current = make
    if bus is None:
        update_counter.get()
    first = solara.use_memo(make, [*dependencies, update_counter.peek() if bus is None else 0])

    def join() -> Callable[[], object]:
        if bus is None:
            return lambda: None
        bus.sources[channel] = lambda: latest.current()
        return lambda: bus.sources.pop(channel, None)

    solara.use_effect(join, [bus])
    return (channel if bus is not None else ""), first


@solara.component_vue("network.vue")
def NetworkView(
    plan: dict[str, Any],
    initial: dict[str, Any],
    channel: str = "",
    chosen: str = "",
    cascade: Sequence[dict[str, Any]] = (),
    palette: dict[str, Any] = colours.of_network(),  # noqa: B008, the widget's default
    event_forget: Callable[[Any], None] | None = None,
    event_select: Callable[[str], None] | None = None,
) -> None:
    """The network as it is drawn; see `views.network_layout` and `views.network_state`."""


@solara.component_vue("library.vue")
def Library() -> None:
    """Brings the chart library to a page or a notebook; it is not written here, see README.md."""


# Wide: a component of the page; its arguments are its properties.
@solara.component_vue("chart.vue")
def ChartView(
    title: str,
    unit: str,
    series: list[dict[str, Any]],
    initial: dict[str, Any],
    start: str,
    seconds: float,
    format: str = "number",  # the name that its template has
    log: bool = False,
    zero: bool = False,
    height: int = 170,
    channel: str = "",
    palette: dict[str, list[str]] = colours.LINES,
    event_resync: Callable[[Any], None] | None = None,
) -> None:
    """A chart as it is drawn, fed by the points that are new."""


@solara.component_vue("histogram.vue")
def HistogramView(
    title: str,
    axis: str,
    counted: str,
    limit: float,
    initial: dict[str, Any],
    channel: str = "",
) -> None:
    """Bars of a distribution; see `views.histogram`."""


@solara.component_vue("table.vue")
def TableView(
    label: str,
    columns: list[dict[str, Any]],
    initial: list[dict[str, Any]],
    channel: str = "",
    empty: str = "nothing yet",
    chosen: str = "",
    picks: bool = False,
    event_pick: Callable[[str], None] | None = None,
) -> None:
    """A table as it is drawn."""


@solara.component
def ExposureNetwork(
    market: Market,
    chosen: str = "",
    on_select: Callable[[str], None] | None = None,
    cascade: Sequence[dict[str, Any]] = (),
    on_forget: Callable[[], None] | None = None,
) -> None:
    """The exposure network, live: nodes that stay, edges as wide as exposures, flows that flash.

    Args:
        market: Any market.
        chosen: Name of the node that is marked.
        on_select: Called with the name of a node that is clicked.
        cascade: Steps to replay, of `runs.app.replay.last_cascade`.
        on_forget: Called when they are closed.
    """
    plan = solara.use_memo(lambda: views.network_layout(market), [market])

    def state() -> dict[str, Any]:
        flows: dict[tuple[str, str], float] = {}
        if isinstance(market, LiveMarket):
            flows, market.flows = market.flows, {}
        return views.network_state(market, flows)

    channel, initial = use_live(state, [market])
    NetworkView(
        plan=plan,
        initial=initial,
        channel=channel,
        chosen=chosen,
        cascade=list(cascade),
        event_forget=lambda data: on_forget() if on_forget is not None else None,
        event_select=on_select or _nothing,
    )


def _nothing(data: Any) -> None:
    """What happens where nobody listens."""


class _Tail:
    """Which points of a chart the browser has been sent."""

    def __init__(self) -> None:
        """None yet."""
        self.epoch = -1
        self.points = 0

    def next(self, past: Past, rows: Callable[[int], list]) -> dict[str, Any]:
        """The points that are new since the last call, or all of them."""
        whole = past.epoch != self.epoch or len(past) < self.points or not self.points
        start = 0 if whole else max(self.points - _OVERLAP, 0)
        self.epoch, self.points = past.epoch, len(past)
        return {"epoch": past.epoch, "from": start, "rows": rows(start)}


@solara.component
def TimeChart(market: Market, chart: Chart, height: int = 170) -> None:
    """Measures over time, with the twin's dashed beside them.

    Args:
        market: Any market.
        chart: What to show.
        height: Of the plot, pixels.
    """
    bus = solara.use_context(_bus)
    (update_counter if bus is None else bus.anew).get()  # a twin may have come or gone
    twin = market.twin if isinstance(market, LiveMarket) else None
    names = {label: n for label, n in chart.lines.items() if n in views.past_of(market)}
    series = [{"label": label, "colour": i, "dash": False} for i, label in enumerate(names)]
    if twin is not None:
        series += [
            {"label": f"{label} (twin)", "colour": i, "dash": True} for i, label in enumerate(names)
        ]

    def rows(past: Past, start: int) -> list:
        points = past.rows(list(names.values()), start)
        if twin is not None:
            other = twin.past.rows(list(names.values()), start)
            points = [mine + theirs[1:] for mine, theirs in zip(points, other, strict=False)]
        return points

    def last() -> list[float | None]:
        return views.plain_numbers([views.past_of(market).last(n) for n in names.values()])

    _Plot(market, chart, series, rows, last, [market, twin, *names.values()], height)


@solara.component
def _Plot(
    market: Market,
    chart: Chart,
    series: list[dict[str, Any]],
    rows: Callable[[Past, int], list],
    last: Callable[[], list[float | None]],
    dependencies: list[Any],
    height: int,
) -> None:
    again, set_again = solara.use_state(0)
    tail = solara.use_memo(_Tail, [*dependencies, again])

    def payload() -> dict[str, Any]:
        past = views.past_of(market)
        now = {"marks": views.marks(market), "last": last()}
        return tail.next(past, lambda start: rows(past, start)) | now

    channel, initial = use_live(payload, [*dependencies, again])
    if not channel:  # on a page it is there once for all
        Library()
    ChartView(
        title=chart.title,
        unit=chart.unit,
        series=series,
        initial=initial,
        channel=channel,
        start=market.setup.time_of(0).isoformat(),
        seconds=market.setup.block.seconds,
        format=chart.format,
        log=chart.log,
        zero=chart.zero,
        height=height,
        event_resync=lambda data: set_again(lambda n: n + 1),
    )


@solara.component
def DifferenceChart(market: LiveMarket, height: int = 170) -> None:
    """Losses by class in this run less those in its twin, as they grow.

    Args:
        market: With a twin.
        height: Of the plot, pixels.
    """
    chart = views.difference_chart(market)
    names = list(chart.lines.values())
    series = [{"label": label, "colour": i, "dash": False} for i, label in enumerate(chart.lines)]

    def rows(past: Past, start: int) -> list:
        return views.difference_rows(market, names, start)

    def last() -> list[float | None]:
        twin = market.twin.past if market.twin is not None else market.past
        return views.plain_numbers([market.past.last(n) - twin.last(n) for n in names])

    _Plot(market, chart, series, rows, last, [market, market.twin, "difference"], height)


@solara.component
def Histograms(market: Market) -> None:
    """Distributions of what protocols owe and are owed, as health factors, that move."""
    for about in views.histograms(market):
        _Histogram(market, about).key(about.title)


@solara.component
def _Histogram(market: Market, about: Histogram) -> None:
    channel, initial = use_live(lambda: views.histogram(market, about), [market, about.title])
    HistogramView(
        title=about.title,
        axis=about.axis,
        counted=about.counted,
        limit=about.limit,
        initial=initial,
        channel=channel,
    )


@solara.component
def _Table(
    label: str,
    columns: list[dict[str, Any]],
    rows: Callable[[], list[dict[str, Any]]],
    dependencies: list[Any],
    empty: str = "nothing yet",
    chosen: str = "",
    on_pick: Callable[[str], None] | None = None,
) -> None:
    channel, initial = use_live(rows, dependencies)
    TableView(
        label=label,
        columns=columns,
        initial=initial,
        channel=channel,
        empty=empty,
        chosen=chosen,
        picks=on_pick is not None,
        event_pick=on_pick or _nothing,
    )


@solara.component
def ClassTable(market: Market) -> None:
    """Counts, results against holding, wealth and losses by class of agents."""
    unit = market.numeraire
    columns = [
        {"key": "name", "label": "class"},
        {"key": "kind", "label": "kind"},
        {"key": "count", "label": "agents", "number": True},
        {"key": "result", "label": "against holding", "unit": unit, "number": True},
        {"key": "wealth", "label": "wealth", "unit": unit, "number": True},
        {"key": "loss", "label": "loss", "unit": unit, "number": True},
    ]

    def rows() -> list[dict[str, Any]]:
        return [
            {
                "name": c["name"],
                "kind": c["kind"].replace("_", " "),
                "count": f"{c['count']:,}",
                **{key: money(c[key]) for key in ("wealth", "loss", "result")},
            }
            for c in views.classes(market)
        ]

    _Table("Classes of agents", columns, rows, [market])


@solara.component
def LossTable(market: Market) -> None:
    """Results against holding by entity, and the parts that they are the sum of.

    Args:
        market: Any market; without an account (``measures.losses``) there are no rows.
    """
    unit = market.numeraire
    parts = [TOTAL, *CAUSES]
    columns: list[dict[str, Any]] = [{"key": "entity", "label": "entity"}]
    columns += [
        {
            "key": part,
            "label": "against holding" if part == TOTAL else part.replace("_", " "),
            "unit": unit,
            "number": True,
        }
        for part in parts
    ]

    def rows() -> list[dict[str, Any]]:
        return [
            {"entity": row["entity"]} | {part: money(row[part]) for part in parts}
            for row in views.losses(market)
        ]

    _Table("Losses by cause", columns, rows, [market])


MOST_DEFAULTS = 20
"""Rows of the table of defaults: the latest."""


@solara.component
def DefaultTable(
    market: Market, chosen: str = "", on_pick: Callable[[str], None] | None = None
) -> None:
    """Accounts that failed, the latest first: what they owed, and who bore the rest.

    Args:
        market: Any market.
        chosen: Account that is marked.
        on_pick: Called with the account of a row that is clicked.
    """
    unit = market.numeraire
    amounts = {
        "equity": "equity",
        "owed": "owed",
        "recovered": "recovered",
        "treasury": "loss of treasury",
        "depositors": "loss of depositors",
    }
    columns: list[dict[str, Any]] = [
        {"key": "block", "label": "block", "number": True},
        {"key": "protocol", "label": "creditor"},
        {"key": "account", "label": "account"},
    ]
    columns += [
        {"key": key, "label": label, "unit": unit, "number": True} for key, label in amounts.items()
    ]

    def rows() -> list[dict[str, Any]]:
        return [
            {
                "block": f"{row['block']:,}",
                "protocol": row["protocol"],
                "account": row["entity"],
                **{key: money(row[key]) for key in amounts},
            }
            for row in views.defaults(market)[:MOST_DEFAULTS]
        ]

    _Table("Defaults", columns, rows, [market], "no defaults", chosen, on_pick)


@solara.component
def AccountTable(
    market: Market,
    table: Table,
    chosen: str = "",
    on_pick: Callable[[str], None] | None = None,
) -> None:
    """A table of accounts that a kind of protocol shows, as the most endangered positions.

    Args:
        market: Any market.
        table: One of `views.tables`.
        chosen: Account that is marked.
        on_pick: Called with the account of a row that is clicked.
    """
    columns: list[dict[str, Any]] = []
    for key, label, unit, numbers in table.columns:
        column: dict[str, Any] = {"key": key, "label": label}
        columns.append(
            column | ({"unit": unit} if unit else {}) | ({"number": True} if numbers else {})
        )
    _Table(table.title, columns, lambda: table.rows(market), [market], table.empty, chosen, on_pick)


@solara.component
def _Facts(
    label: str, facts: Callable[[], Sequence[tuple[str, str]]], dependencies: list[Any]
) -> None:
    """What and value, a row each."""
    columns = [{"key": "what", "label": label}, {"key": "value", "label": "", "number": True}]

    def rows() -> list[dict[str, Any]]:
        return [{"what": what, "value": value} for what, value in facts()]

    _Table(label, columns, rows, dependencies)


@solara.component
def NodeView(market: Market, node: str) -> None:
    """The state and the history of a node of the network.

    Args:
        market: Any market.
        node: As `market.exposure()` calls it.
    """
    label = views.title_of(market, node)
    _Facts(label, lambda: views.node_facts(market, node), [market, node])
    columns: list[dict[str, Any]] = [
        {"key": "whom", "label": "exposure"},
        {"key": "channel", "label": "channel"},
        {"key": "amount", "label": "amount", "number": True},
    ]
    _Table(
        f"Exposures of {label}",
        columns,
        lambda: views.exposures_of(market, node),
        [market, node],
        "no exposure",
    )
    for chart in views.history_of(market, node):
        TimeChart(market, chart, height=120).key(f"{node}/{chart.title}")


@solara.component
def AgentView(market: Market, account: str) -> None:
    """All about one agent.

    Args:
        market: Any market; receipts are shown of an agent that a `LiveMarket` follows.
        account: Name.
    """
    card = views.agent_card(market, account)
    label = f"{account}, {card['kind'].replace('_', ' ')}"
    _Facts(label, lambda: views.agent_card(market, account)["facts"], [market, account])
    for chart in views.trail_of(market, account):
        TimeChart(market, chart, height=110).key(f"{account}/{chart.title}")
    columns: list[dict[str, Any]] = [
        {"key": "block", "label": "block", "number": True},
        {"key": "what", "label": "latest calls"},
        {"key": "amounts", "label": "amounts"},
        {"key": "status", "label": "status"},
    ]

    def receipts() -> list[dict[str, Any]]:
        keys = [c["key"] for c in columns]
        return [
            dict(zip(keys, [f"{block:,}", *rest], strict=True))
            for block, *rest in views.agent_card(market, account)["receipts"]
        ]

    empty = "nothing sent since it has been followed"
    _Table("Latest calls", columns, receipts, [market, account], empty)
    numbered = [
        {"key": "number", "label": "setting or state"},
        {"key": "value", "label": "", "number": True},
        {"key": "unit", "label": "unit"},
    ]

    def numbers() -> list[dict[str, Any]]:
        return [
            {"number": number, "value": value, "unit": unit}
            for number, value, unit, _ in views.agent_card(market, account)["numbers"]
        ]

    _Table("Settings and state", numbered, numbers, [market, account], "none")


@solara.component
def DifferenceTable(market: LiveMarket) -> None:
    """Headline measures here and in the twin.

    Args:
        market: With a twin.
    """
    columns: list[dict[str, Any]] = [{"key": "what", "label": "measure"}]
    columns += [
        {"key": key, "label": label, "number": True}
        for key, label in (("here", "this run"), ("twin", "twin"), ("difference", "difference"))
    ]

    def rows() -> list[dict[str, Any]]:
        return [
            {"what": d["what"], **{k: views.number(d[k]) for k in ("here", "twin", "difference")}}
            for d in views.differences(market)
        ]

    _Table("This run and its twin", columns, rows, [market, market.twin])


def refresh() -> None:
    """Draw all components anew, after a market was stepped by hand."""
    force_update()
