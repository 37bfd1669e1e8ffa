"""The exposure network as a picture: places that stay, and how it is drawn on paper."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import networkx as nx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import withStroke

from runs.report.page import COLOURS, INK, MUTED, money
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
    "price": "price (oracles and what they read)",
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
    place = {name: (_X[c], -down) for name, (c, down) in places(graph, setup).items()}
    ax.set_axis_off()
    ax.set_xlim(-0.3, 3.2)
    ax.set_ylim(-1.04, 0.06)
    look = looks(graph, setup)
    for column, text in heads(look.values()).items():
        ax.text(_X[column], 0.04, text, ha="center", fontsize=8, color=MUTED)
    heaviest = max((d["weight"] for _, _, d in graph.edges(data=True)), default=1.0)
    drawn: Counter[frozenset[str]] = Counter()
    common = set()
    for u, v, data in graph.edges(data=True):
        pair = frozenset((u, v))
        if data["channel"] == "common":
            if pair in common:
                continue  # it joins both alike, and is drawn once
            common.add(pair)
        width = 0.6 + 5.0 * math.sqrt(data["weight"] / heaviest)
        _draw_edge(ax, place[u], place[v], data["channel"], width, drawn[pair])
        drawn[pair] += 1
    values = {n: abs(d["value"]) for n, d in graph.nodes(data=True) if d["kind"] != "venue"}
    largest = max((v for v in values.values() if v == v), default=1.0) or 1.0
    for name in graph:
        value = values.get(name, math.nan)
        size = 5.0 + 9.0 * math.sqrt(min(value / largest, 1.0)) if value == value else 10.0
        colour = look[name].colour
        ax.plot(*place[name], "o", markersize=2 * size, color=colour, markeredgecolor="white")
        text = name.removeprefix(look[name].prefix)
        if value > 0.0:
            text += f"\n{money(value)}"
        ax.annotate(
            text, place[name], xytext=(0, -size - 2), textcoords="offset points", ha="center",
            va="top", fontsize=7.5, color=INK, linespacing=1.15, zorder=5,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip
    in_columns = sorted(look.values(), key=lambda one: one.place)
    words = dict.fromkeys((one.word, one.colour) for one in in_columns)
    handles: list[Line2D] = [
        Line2D([], [], color=COLOURS[_CHANNELS[channel]], linewidth=3, label=text)
        for channel, text in _WORDS.items()
    ]
    handles += [
        Line2D([], [], color=colour, marker="o", linestyle="", label=word) for word, colour in words
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=8)


def _draw_edge(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    channel: str,
    width: float,
    beside: int,
) -> None:
    """An arrow towards whoever it depends on; within a column a bow on its right side.

    Args:
        beside: Edges between the two that are drawn already; each bends a little more.
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
            color=COLOURS[_CHANNELS[channel]], alpha=0.5, shrinkA=9, shrinkB=12,
            mutation_scale=9.0 + width, zorder=1, capstyle="round" if style == "-" else "butt",
        )
    )  # fmt: skip
