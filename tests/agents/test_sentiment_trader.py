"""Sentiment traders."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest

from agents.sentiment_trader import graph_of
from sim import Market, Scenario
from tests.conftest import BASE, merged


def setup(**changes: Any) -> Scenario:
    agents = {
        "crowd": {
            "kind": "sentiment_trader",
            "count": 60,
            "pools": ["eth-usdc"],
            "wallet": {"eth": 100.0, "usdc": 2e5},
        }
    }
    return Scenario.from_dict(merged(merged(BASE, {"agents": agents, "blocks": 400}), changes))


@pytest.mark.parametrize("kind", ["small_world", "scale_free", "random", "none"])
def test_the_graph_is_networkxs_and_lies_in_the_places(kind: str) -> None:
    crowd = {"crowd": {"network": kind, "neighbours": 8}}
    market = Market(setup(agents=crowd), rng=1)
    places = market.cohorts["crowd"].places
    assert list(places[:2]) == [1, 0]
    begins, neighbours = places[2 : 2 + 61], places[2 + 61 :]
    assert begins[-1] == len(neighbours)
    assert len(neighbours) == (
        0 if kind == "none" else 2 * 4 * (60 if kind != "scale_free" else 56)
    )
    other = Market(setup(agents=crowd), rng=2).cohorts["crowd"].places
    assert len(other) == len(places)
    if kind != "none":
        assert not np.array_equal(other, places)
        graph = nx.Graph(
            (i, int(j)) for i in range(60) for j in neighbours[begins[i] : begins[i + 1]]
        )
        assert nx.is_connected(graph) or kind == "random"


def test_moods_spread_from_neighbour_to_neighbour() -> None:
    still = {"noise": 0.0, "trend": 0.0, "rate": 0.0, "keep": 1.0, "contagion": 0.3}
    market = Market(setup(agents={"crowd": still | {"neighbours": 2}}), rng=1)
    mood = market.cohorts["crowd"].column("mood")
    mood[0] = 1.0
    graph = nx.Graph()
    places = market.cohorts["crowd"].places
    begins, neighbours = places[2:63], places[63:]
    for i in range(60):
        graph.add_edges_from((i, int(j)) for j in neighbours[begins[i] : begins[i + 1]])
    distance = nx.single_source_shortest_path_length(graph, 0)
    for steps in range(1, 5):
        market.step()
        touched = {i for i in range(60) if mood[i] > 0.0}
        assert touched == {i for i, d in distance.items() if d <= steps}
    alone = Market(setup(agents={"crowd": still | {"network": "none"}}), rng=1)
    alone.cohorts["crowd"].column("mood")[0] = 1.0
    alone.run(10)
    assert (alone.cohorts["crowd"].column("mood")[1:] == 0.0).all()


def swing(contagion: float) -> tuple[float, float]:
    """Mean over seeds of the deviation of the log price, and of the crowd's mean mood."""
    mild = {"keep": 0.8, "trend": 0.0, "noise": 0.1, "rate": 0.1}
    found = []
    for seed in range(6):
        crowd = {"crowd": mild | {"contagion": contagion}}
        market = Market(setup(agents=crowd), rng=seed).run()
        prices = market.datacollector.get_model_vars_dataframe()["pool.eth-usdc.price"]
        mood = float(np.mean(market.cohorts["crowd"].column("mood")))
        found.append((float(np.log(prices).std()), abs(mood)))
    return tuple(np.mean(found, axis=0))


def test_contagion_makes_prices_swing_and_above_one_all_feel_the_same() -> None:
    alone, some, herd = swing(0.0), swing(0.15), swing(0.5)
    assert some[0] > 1.3 * alone[0]
    assert herd[0] > 2.0 * some[0]
    assert alone[1] < 0.1
    assert herd[1] > 0.5  # m = tanh(1.3 m): 0.77


def test_greed_buys_and_fear_sells() -> None:
    for mood, sign in ((0.9, 1.0), (-0.9, -1.0)):
        crowd = {"crowd": {"noise": 0.0, "trend": 0.0, "keep": 1.0, "rate": 1.0, "contagion": 0.0}}
        market = Market(setup(agents=crowd), rng=1)
        market.cohorts["crowd"].column("mood")[:] = mood
        market.run(3)
        assert sign * (market.pools["eth-usdc"].spot_price() - 2000.0) > 1.0


def test_a_graph_of_few_has_no_edges() -> None:
    assert graph_of("small_world", 2, 4, 1).number_of_edges() == 0
