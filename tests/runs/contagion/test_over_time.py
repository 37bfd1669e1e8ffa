"""Networks over time: recorded without a trace, measured as by hand, drawn in place."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import pandas as pd
import pytest

from runs.contagion.over_time import core_of, overlap, record_networks, simple
from sim import Market, Scenario
from tests.conftest import CROWD

Make = Callable[..., Scenario]


@pytest.fixture
def setup(small: Make) -> Scenario:
    drop = {"kind": "price_jump", "asset": "eth", "block": 30, "size": -0.3}
    return small(agents=CROWD, blocks=60, shocks=[drop])


def test_a_record_changes_nothing(setup: Scenario) -> None:
    plain = Market(setup, rng=1).run().datacollector.get_model_vars_dataframe()
    market = Market(setup, rng=1)
    record_networks(market, every=7)
    assert plain.equals(market.datacollector.get_model_vars_dataframe())


def test_nor_does_it_where_the_market_measures_rarely() -> None:
    """Agents see values of tokens as the last block that measured left them."""
    setup = Scenario.load("two_banks").override({"blocks": 230})
    assert setup.measures.every > 1
    plain = Market(setup, rng=1).run().receipts()
    market = Market(setup, rng=1)
    record_networks(market, every=8)
    assert plain.equals(market.receipts())


def test_each_record_is_the_markets_network(setup: Scenario) -> None:
    found = record_networks(Market(setup, rng=1), every=25)
    assert found.blocks == [0, 25, 50, 60]
    there = Market(setup, rng=1).run(25).exposure()
    again = found.at(25)
    assert dict(there.nodes(data=True)) == dict(again.nodes(data=True))
    edges = {(u, v, k): d for u, v, k, d in there.edges(keys=True, data=True)}
    assert edges == {(u, v, k): d for u, v, k, d in again.edges(keys=True, data=True)}
    assert found.at(49).graph["block"] == 25
    with pytest.raises(ValueError, match="nothing was recorded"):
        found.at(-1)


def test_measures_by_hand() -> None:
    graph = nx.MultiDiGraph(block=0, numeraire="usdc")
    graph.add_edge("a", "b", "claim", weight=2.0, channel="claim")
    graph.add_edge("a", "b", "debt", weight=1.0, channel="debt")
    graph.add_edge("b", "c", "claim", weight=1.0, channel="claim")
    graph.add_edge("c", "a", "claim", weight=1.0, channel="claim")
    graph.add_edge("d", "a", "claim", weight=1.0, channel="claim")
    plain = simple(graph)
    assert plain["a"]["b"]["weight"] == 3.0 and plain.number_of_edges() == 4
    assert core_of(plain) == {"a", "b", "c"}, "the triangle; who hangs on it is the periphery"
    assert core_of(nx.DiGraph()) == set()


def test_overlap_by_hand() -> None:
    held = pd.DataFrame(
        {"eth": [3.0, 6.0, 0.0, 1.0, -5.0], "btc": [4.0, 8.0, 2.0, 0.0, 0.0]}, index=list("abcde")
    )
    found = overlap(held).set_index(["one", "other"])["overlap"]
    assert found["a", "b"] == pytest.approx(1.0)
    assert found["a", "c"] == pytest.approx(0.8) and found["a", "d"] == pytest.approx(0.6)
    assert ("c", "d") not in found.index and "e" not in found.index.get_level_values("one")


def test_measures_of_a_run(setup: Scenario) -> None:
    found = record_networks(Market(setup, rng=1), every=20)
    measures = found.measures()
    assert list(measures.index) == [0, 20, 40, 60]
    assert (measures["weight"] > 0.0).all()
    assert measures["concentration"].between(0.0, 1.0).all()
    assert (measures["concentration"] <= measures["largest"] + 1e-12).all()
    assert measures["core_weight"].between(0.0, 1.0).all()
    each = found.centralities()
    for block in found.blocks:
        here = each.loc[block]
        assert here["hanging"].sum() == pytest.approx(measures.loc[block, "weight"])
        assert here["exposed"].sum() == pytest.approx(measures.loc[block, "weight"])
        assert here["pagerank"].sum() == pytest.approx(1.0)
        assert here["in_core"].sum() == measures.loc[block, "core"]


def test_pictures_stay_put_and_files_are_written(setup: Scenario, tmp_path: Path) -> None:
    found = record_networks(Market(setup, rng=1), every=20)
    figure = found.plot([0, 20, 60])
    places: list[dict[str, Any]] = []
    for ax in figure.axes:
        # What a node has stands below its name, or two spaces behind it.
        texts = {re.split(r"\n|  ", t.get_text())[0]: t.xy for t in ax.texts if hasattr(t, "xy")}
        places.append(texts)
    assert len(places) == 3 and len(places[0]) > 5
    assert places[0] == places[1] == places[2]
    assert len(figure.legends) == 1
    files = found.write(tmp_path)
    assert pd.read_parquet(tmp_path / "network-nodes.parquet").equals(found.nodes)
    graphs = [file for file in files if file.suffix == ".graphml"]
    assert len(graphs) == len(found.telling())
    assert set(nx.read_graphml(graphs[0])) == set(found.at(0))


def test_what_makes_no_sense_is_told(setup: Scenario) -> None:
    with pytest.raises(ValueError, match="every"):
        record_networks(Market(setup, rng=1), every=0)
    with pytest.raises(ValueError, match="channel"):
        record_networks(Market(setup, rng=1), channels=["gossip"])
