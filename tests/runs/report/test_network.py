"""The exposure network has its places, and its picture shows all of it."""

from __future__ import annotations

import re

import networkx as nx
import numpy as np
import pytest
from matplotlib.patches import FancyArrowPatch

from runs.report.network import draw, draw_moments, everybody, looks, places
from runs.report.page import new_figure
from sim import Market, Scenario


@pytest.mark.parametrize("name", Scenario.names())
def test_everybody_has_a_place_of_its_own(name: str) -> None:
    market = Market(name, rng=1)
    graph = everybody(market.exposure(), market.setup)
    assert {*market.pools, *market.lending, *market.cohorts, "venue"} <= set(graph)
    assert not any(n.endswith("treasury") or n == "producer" for n in graph)
    found, look = places(graph, market.setup), looks(graph, market.setup)
    assert set(found) == set(graph)
    assert len(set(found.values())) == len(found)
    for node, (column, down) in found.items():
        assert column == look[node].place
        assert 0.0 < down < 1.0


def test_places_depend_on_no_weight() -> None:
    market = Market("calm", rng=1)
    graph = everybody(market.exposure(), market.setup)
    before = places(graph, market.setup)
    for _, _, data in graph.edges(data=True):
        data["weight"] *= 7.0
    assert places(graph, market.setup) == before


def test_whoever_is_linked_stands_beside() -> None:
    graph = nx.MultiDiGraph()
    for pool in ("first", "second"):
        graph.add_node(pool, kind="pool", value=1.0)
    for account in ("a", "b"):
        graph.add_node(account, kind="account", value=1.0)
    graph.add_edge("a", "second", channel="claim", weight=1.0)
    graph.add_edge("b", "first", channel="claim", weight=1.0)
    found = places(graph, Scenario.load("calm"))
    assert found["b"][1] < found["a"][1]


def test_the_picture_shows_every_edge_once_and_every_node() -> None:
    market = Market("interconnected", rng=1).run(20)
    graph = market.exposure()
    figure, axes = new_figure(1, 6.0)
    draw(figure, axes[0], graph, market.setup)
    shown = everybody(graph, market.setup)
    reasons = {
        (frozenset((u, v)) if channel == "common" else (u, v), channel)
        for u, v, channel in shown.edges(keys=True)
    }
    arrows = [p for p in axes[0].patches if isinstance(p, FancyArrowPatch)]
    assert len(arrows) == len(reasons) < shown.number_of_edges()
    texts = {re.split(r"\n|  ", t.get_text())[0] for t in axes[0].texts}
    assert {name.removeprefix("oracle:") for name in shown} <= texts
    figure.canvas.draw()


def test_reasons_between_two_are_drawn_side_by_side() -> None:
    graph = nx.MultiDiGraph()
    for pool in ("meta", "stable"):
        graph.add_node(pool, kind="pool", value=1.0)
    graph.add_node("holders", kind="account", value=1.0)
    edges = [("meta", "stable", "claim"), ("meta", "stable", "common")]
    edges += [("stable", "meta", "common"), ("holders", "stable", "claim")]
    edges += [("stable", "holders", "debt")]
    for u, v, channel in edges:
        graph.add_edge(u, v, channel, channel=channel, weight=1.0)
    figure, axes = new_figure(1, 6.0)
    draw(figure, axes[0], graph, Scenario.load("calm"))
    figure.canvas.draw()
    arrows = [p for p in axes[0].patches if isinstance(p, FancyArrowPatch)]
    assert len(arrows) == 4  # a common token joins both alike
    paths = [axes[0].transData.transform(arrow.get_path().vertices[:3]) for arrow in arrows]
    middles = [bend for _, bend, _ in paths]
    for i, one in enumerate(middles):
        for other in middles[:i]:
            assert np.hypot(*(one - other)) > 8.0  # pixels between the bends of any two
    # What depends goes to what it depends on, in a column too.
    start, _, end = paths[0]
    assert start[1] > end[1]


def test_nodes_stay_where_they_are_from_moment_to_moment() -> None:
    before, after = nx.MultiDiGraph(), nx.MultiDiGraph()
    for graph, value in ((before, 4.0), (after, 1.0)):
        graph.add_node("stable", kind="pool", value=value)
        graph.add_node("meta", kind="pool", value=1.0)
    before.add_node("gone", kind="account", value=4.0)
    before.add_edge("gone", "stable", "claim", channel="claim", weight=8.0)
    after.add_edge("meta", "stable", "claim", channel="claim", weight=2.0)
    figure = draw_moments([("before", before), ("after", after)], Scenario.load("calm"))
    drawn = []
    for ax in figure.axes:
        named = {re.split(r"\n|  ", t.get_text())[0]: t.xy for t in ax.texts if hasattr(t, "xy")}
        sizes = {tuple(line.get_xydata()[0]): line.get_markersize() for line in ax.get_lines()}
        drawn.append({name: (*place, sizes[tuple(place)]) for name, place in named.items()})
    one, other = drawn
    assert one["stable"][:2] == other["stable"][:2] and one["meta"] == other["meta"]
    assert one["stable"][2] > other["stable"][2]  # one scale for all moments
    assert "gone" in one and "gone" not in other
    (wide,), (narrow,) = ([p.get_linewidth() for p in ax.patches] for ax in figure.axes)
    assert wide > narrow
    assert len(figure.legends) == 1
