"""The exposure network as a picture: places that stay, and how it is drawn on paper."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import networkx as nx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from runs.report.page import COLOURS, INK, MUTED, money, new_figure, plain
from sim import Scenario
from sim.shown import Look, Place, all_shown

_LOOKS = {
    "cohort": Look("cohort", "agents", Place.AGENTS, "#66a182", "#66a182", "#5b9c7b"),
    "agent": Look("agent", "agents", Place.AGENTS, "#a3c9a8"),
    "account": Look("account", "agents", Place.AGENTS, "#b8c1cc", "#b8c1cc", "#667380"),
    "custom": Look("custom", "protocols", Place.TRADE),
    "venue": Look("venue", "outside", Place.OUTSIDE, "#3d405b", "#5c6b8a", "#7d8fb3"),
}
"""How nodes look that are no protocol of a kind."""
_X = (0.0, 1.0, 2.0, 2.9)
_CHANNELS = {"claim": 0, "debt": 1, "price": 2, "source": 2, "common": 4}
_WORDS = {
    "claim": "claim (shares, deposits)",
    "debt": "debt",
    "price": "price (oracles and their sources)",
    "common": "common token",
}


def looks(graph: nx.MultiDiGraph, setup: Scenario) -> dict[str, Look]:
    """How each node of a network looks, by its name."""
    kinds = {shown.kind: shown for shown in all_shown() if shown.kind}
    return {
        name: kinds[kind].look_of(setup, name) if kind in kinds else _LOOKS[kind]
        for name, kind in graph.nodes(data="kind")
    }


def heads(shown: Iterable[Look]) -> dict[Place, str]:
    """What stands above each column that holds something."""
    order = [*(one.look.head for one in all_shown()), *(look.head for look in _LOOKS.values())]
    found: dict[Place, set[str]] = {}
    for look in shown:
        found.setdefault(look.place, set()).add(look.head)

    def place(head: str) -> tuple[int, str]:
        return order.index(head) if head in order else len(order), head

    return {
        column: _listed(sorted(filter(None, words), key=place))
        for column, words in sorted(found.items())
    }


def _listed(words: list[str]) -> str:
    """Words one after the other: lending, oracles and vaults."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def everybody(graph: nx.MultiDiGraph, setup: Scenario) -> nx.MultiDiGraph:
    """An exposure network with every group and the venue, whether exposed or not.

    Accounts that only earn, as treasuries do, are left out.
    """
    graph = graph.copy()
    for name in setup.agents:
        graph.add_node(name, **({"kind": "cohort", "value": 0.0} | graph.nodes.get(name, {})))
    for name in [n for n, d in graph.nodes(data=True) if d["kind"] == "account"]:
        if name == "producer" or name.endswith("treasury"):
            graph.remove_node(name)
    graph.add_node("venue", **({"kind": "venue", "value": 0.0} | graph.nodes.get("venue", {})))
    return graph


def places(graph: nx.MultiDiGraph, setup: Scenario) -> dict[str, tuple[int, float]]:
    """Where the nodes of a network stand: their column, and how far down it in [0, 1].

    Everybody stands beside those that it is linked with, so that edges cross less. The
    places depend on who is linked with whom and on no weight.
    """
    look = looks(graph, setup)
    columns: dict[Place, list[str]] = {place: [] for place in Place}
    for name in graph:
        columns[look[name].place].append(name)
    beside = _linked(setup)
    down: dict[str, float] = {}
    for c in (Place.TRADE, Place.CREDIT, Place.OUTSIDE, Place.AGENTS):
        order = columns[c]
        if c != Place.TRADE:  # what trades is as the scenario has it
            order = sorted(order, key=lambda name: (_middle(graph, beside, name, down), name))
        for i, name in enumerate(order):
            down[name] = (i + 0.5) / len(order)
    return {name: (int(look[name].place), down[name]) for name in graph}


def _linked(setup: Scenario) -> dict[str, set[str]]:
    """Who each group names in its settings."""
    every = all_shown()
    return {
        name: {node for shown in every for node in shown.linked(group)}
        for name, group in setup.agents.items()
    }


def _middle(
    graph: nx.MultiDiGraph, linked: Mapping[str, set[str]], name: str, down: Mapping[str, float]
) -> float:
    beside = set(graph.predecessors(name)) | set(graph.successors(name)) | linked.get(name, set())
    known = [down[other] for other in beside if other in down]
    return math.fsum(known) / len(known) if known else math.inf  # in whatever order a set has


def draw(figure: Figure, ax: Axes, graph: nx.MultiDiGraph, setup: Scenario) -> None:
    """Draw an exposure network: an arrow for each channel, side by side where there are several.

    Args:
        figure: Takes the legend.
        ax: Where to draw.
        graph: As `Market.exposure` gives it.
        setup: The market's scenario.
    """
    graph = everybody(graph, setup)
    _draw(ax, graph, setup, _Sizes.of([graph], setup))
    _explain(figure, [graph], setup)


def draw_moments(moments: Sequence[tuple[str, nx.MultiDiGraph]], setup: Scenario) -> Figure:
    """Draw a network at some moments, above each other: nodes and widths are comparable.

    Args:
        moments: Titles and networks, in their order.
        setup: The market's scenario.
    """
    graphs = [everybody(graph, setup) for _, graph in moments]
    sizes = _Sizes.of(graphs, setup)
    rows = Counter(column for column, _ in sizes.places.values())
    tall = max(3.6, 0.5 * max(rows.values()))  # inches: some nodes stand in one column
    figure, axes = new_figure(len(graphs), tall)
    for ax, graph, (title, _) in zip(axes, graphs, moments, strict=True):
        ax.set_title(plain(title), loc="left", fontsize=10, color=INK, pad=12.0)
        _draw(ax, graph, setup, sizes)
    _explain(figure, graphs, setup)
    return figure


class _Sizes(NamedTuple):
    """What pictures of one network at several moments have in common.

    Attributes:
        places: Of all nodes: column, and how far down it.
        heaviest: Weight of the widest arrow, numeraire.
        largest: Value of the largest node.
    """

    places: dict[str, tuple[int, float]]
    heaviest: float
    largest: float

    @staticmethod
    def of(graphs: Sequence[nx.MultiDiGraph], setup: Scenario) -> _Sizes:
        whole = nx.MultiDiGraph()
        for graph in graphs:
            whole.add_nodes_from((n, d) for n, d in graph.nodes(data=True) if n not in whole)
            whole.add_edges_from((u, v) for u, v in graph.edges() if not whole.has_edge(u, v))
        weights = [d["weight"] for graph in graphs for _, _, d in graph.edges(data=True)]
        values = [
            abs(d["value"])
            for graph in graphs
            for _, d in graph.nodes(data=True)
            if d["kind"] != "venue" and d["value"] == d["value"]
        ]
        most = max(weights, default=1.0) or 1.0, max(values, default=1.0) or 1.0
        return _Sizes(places(whole, setup), *most)


_BESIDE: dict[int, tuple[float, str]] = {
    Place.AGENTS: (-1.0, "right"),
    Place.OUTSIDE: (1.0, "left"),
}
"""Columns at the edges, whose names stand beside the nodes, where no arrow goes."""


def _draw(ax: Axes, graph: nx.MultiDiGraph, setup: Scenario, sizes: _Sizes) -> None:
    place = {name: (_X[c], -down) for name, (c, down) in sizes.places.items()}
    ax.set_axis_off()
    ax.set_xlim(-0.75, 3.35)
    ax.set_ylim(-1.04, 0.06)
    look = looks(graph, setup)
    for column, text in heads(look.values()).items():
        ax.text(_X[column], 0.04, plain(text), ha="center", fontsize=8, color=MUTED)
    radius: dict[str, float] = {}
    for name, data in graph.nodes(data=True):
        known = data["kind"] != "venue" and data["value"] == data["value"]
        part = min(abs(data["value"]) / sizes.largest, 1.0) if known else 0.3
        radius[name] = 4.0 + 8.0 * math.sqrt(part)
    drawn: Counter[frozenset[str]] = Counter()
    common = set()
    for u, v, data in graph.edges(data=True):
        pair = frozenset((u, v))
        if data["channel"] == "common":
            if pair in common:
                continue  # it joins both alike, and is drawn once
            common.add(pair)
        width = 0.6 + 5.0 * math.sqrt(data["weight"] / sizes.heaviest)
        width *= 0.5 if data["channel"] == "common" else 1.0  # many lie beside each other
        apart = radius[u] + 1.0, radius[v] + 2.0
        _draw_edge(ax, place[u], place[v], data["channel"], width, drawn[pair], apart)
        drawn[pair] += 1
    for name, data in graph.nodes(data=True):
        size, colour = radius[name], look[name].colour
        ax.plot(*place[name], "o", markersize=2 * size, color=colour, markeredgecolor="white")
        text = plain(name.removeprefix(look[name].prefix))
        side, across = _BESIDE.get(sizes.places[name][0], (0.0, "center"))
        if data["kind"] != "venue" and data["value"] > 1e-9 * sizes.largest:
            text += ("  " if side else "\n") + money(data["value"])
        ax.annotate(
            text, place[name], xytext=(side * (size + 4), 0 if side else -size - 2),
            textcoords="offset points", ha=across, va="center" if side else "top", fontsize=7.5,
            color=INK, linespacing=1.15, zorder=5,
            bbox={"boxstyle": "square,pad=0.08", "fc": "white", "alpha": 0.7, "lw": 0},
        )  # fmt: skip


def _explain(figure: Figure, graphs: Sequence[nx.MultiDiGraph], setup: Scenario) -> None:
    """What colours say, below all."""
    shown = {name: one for graph in graphs for name, one in looks(graph, setup).items()}
    channels = {d["channel"] for graph in graphs for _, _, d in graph.edges(data=True)}
    words = {(one.word, one.colour): None for one in sorted(shown.values(), key=lambda o: o.place)}
    handles: list[Line2D] = [
        Line2D([], [], color=COLOURS[_CHANNELS[channel]], linewidth=3, label=text)
        for channel, text in _WORDS.items()
        if channel in channels or (channel == "price" and "source" in channels)
    ]
    handles += [
        Line2D([], [], color=colour, marker="o", linestyle="", label=word) for word, colour in words
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=8,
        labelcolor=INK,
    )  # fmt: skip


def _draw_edge(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    channel: str,
    width: float,
    beside: int,
    apart: tuple[float, float],
) -> None:
    """An arrow towards whoever it depends on; within a column a bow on its right side.

    Args:
        beside: Edges between the two that are drawn already; each bends a little more.
        apart: From the middle of either node, points.
    """
    if start[0] == end[0]:
        bend = (0.25 * abs(start[1] - end[1]) - 0.45) * (1.0 + 0.4 * beside)
        bend = bend if start[1] > end[1] else -bend
    else:
        bend = 0.08 + 0.06 * beside
    style = "-" if channel == "common" else "-|>"
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle=style, connectionstyle=f"arc3,rad={bend}", linewidth=width,
            color=COLOURS[_CHANNELS[channel]], alpha=0.5, shrinkA=apart[0], shrinkB=apart[1],
            mutation_scale=9.0 + width, zorder=1, capstyle="round" if style == "-" else "butt",
        )
    )  # fmt: skip
