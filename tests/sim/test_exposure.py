"""Exposures are read off the ledger, and each says why."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import networkx as nx
import pandas as pd
import pytest

from agents import MarketAgent
from protocols.handles import ConcentratedPool
from sim import Market, Scenario
from sim.exposure import CHANNELS
from tests.science.test_everybody import MORE

SHEET = ["assets", "liabilities", "equity"]


class Idle(MarketAgent):
    """Does what the test says and nothing by itself."""


@pytest.fixture(scope="module")
def everything() -> Iterator[Market]:
    """A market with every kind of pool and agent."""
    yield Market(MORE, rng=3).run(60)


def edges(graph: nx.MultiDiGraph, groups: dict[str, str] | None = None) -> pd.Series:
    """Weights by who, whom and why; agents by their group where groups are given."""
    rows = [
        ((groups or {}).get(u, u), (groups or {}).get(v, v), key, data["weight"])
        for u, v, key, data in graph.edges(keys=True, data=True)
    ]
    frame = pd.DataFrame(rows, columns=["u", "v", "channel", "weight"])
    return frame.groupby(["u", "v", "channel"])["weight"].sum()


def test_claims_and_debts_are_what_the_ledger_says(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    graph, bank = market.exposure(), market.lending["bank"]
    assert isinstance(graph, nx.MultiDiGraph)
    assert graph.graph == {"block": 0, "numeraire": "usdc"}
    deposits = sum(bank.deposit_of(f"lenders-{i}", "usdc") for i in range(20))
    assert graph["lenders"]["bank"]["claim"]["weight"] == pytest.approx(deposits)
    owed = sum(bank.debt_of(f"borrowers-{i}", "usdc") for i in range(30))
    assert graph["bank"]["borrowers"]["debt"]["weight"] == pytest.approx(owed)
    stakes = 6 * 50_000.0
    assert graph["providers"]["eth-usdc"]["claim"]["weight"] == pytest.approx(stakes)
    assert all(key == data["channel"] for *_, key, data in graph.edges(keys=True, data=True))


def test_oracles_join_lending_to_what_they_read(lively: Callable[..., Scenario]) -> None:
    feed = {"eth": {"source": "pool_twap", "pool": "eth-usdc", "window": 5}}
    market = Market(lively(oracles=feed), rng=1)
    graph = market.exposure()
    collateral = market.lending["bank"].deposits("eth") * market.oracles["eth"].price
    assert graph["bank"]["oracle:eth"]["price"]["weight"] == pytest.approx(collateral)
    assert graph["oracle:eth"]["eth-usdc"]["source"]["weight"] == pytest.approx(collateral)
    assert [graph.nodes["oracle:eth"][what] for what in SHEET] == [0.0, 0.0, 0.0]


def test_pools_with_a_common_token_are_joined(small: Callable[..., Scenario]) -> None:
    other = {"tokens": ["eth", "usdc"], "reserves": {"eth": 10.0, "usdc": 20_000.0}}
    graph = Market(small(pools={"small": other}), rng=1).exposure()
    assert list(graph["small"]["eth-usdc"]) == ["common"]
    assert graph["small"]["eth-usdc"]["common"]["weight"] == pytest.approx(40_000.0)


def test_removing_a_link_removes_its_edge(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(agents={"lenders": {"count": 0}}), rng=1)
    graph = market.exposure()
    assert "lenders" in graph
    assert not graph.has_edge("lenders", "bank")
    assert graph.nodes["eth-usdc"]["value"] == pytest.approx(4e6)


def test_a_metapool_has_a_claim_and_a_common_token(everything: Market) -> None:
    meta = everything.exposure()["meta"]["stable"]
    assert set(meta) == {"claim", "common"}
    pools = everything.pools
    held = pools["meta"].reserves["stable-share"] * everything.price("stable-share")
    assert meta["claim"]["weight"] == pytest.approx(held)
    dai = min(pools[name].reserves["dai"] for name in ("meta", "stable"))
    assert meta["common"]["weight"] == pytest.approx(dai * everything.price("dai"))
    assert set(everything.exposure()["stable"]["meta"]) == {"common"}


def test_agents_edges_sum_to_their_groups(everything: Market) -> None:
    each, groups = everything.exposure(by="account"), everything.exposure()
    of = {name: data["group"] for name, data in each.nodes(data=True) if "group" in data}
    assert set(of.values()) > {"borrowers", "lenders", "ranges", "lps", "hedged"}
    found, expected = edges(each, of), edges(groups)
    assert set(expected.index.get_level_values("channel")) == set(CHANNELS)
    assert list(found.index) == list(expected.index)
    assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-9)
    assert not set(everything.cohorts) & set(each)
    assert all(each.degree(name) > 0 for name in of)
    assert {data["kind"] for _, data in each.nodes(data=True)} == {
        "pool", "lending", "oracle", "venue", "account", "agent",
    }  # fmt: skip


@pytest.mark.parametrize("by", ["group", "account"])
def test_nodes_have_their_balance_sheets(everything: Market, by: str) -> None:
    graph = everything.exposure(by=by)
    sheets = everything.balance_sheets(by=by).set_index("entity")
    for name, data in graph.nodes(data=True):
        if data["kind"] != "oracle":
            assert sheets.loc[name, ["kind", *SHEET]].tolist() == [
                data["kind"], *(data[what] for what in SHEET),
            ]  # fmt: skip
    for name in everything.pools:
        assert graph.nodes[name]["value"] == pytest.approx(graph.nodes[name]["assets"])
    bank = graph.nodes["bank"]
    lent = sum(data["weight"] for *_, data in graph.edges("bank", data=True)
               if data["channel"] == "debt")  # fmt: skip
    assert bank["value"] == pytest.approx(bank["assets"] - lent)
    for data in (data for _, data in graph.nodes(data=True) if data["kind"] in ("cohort", "agent")):
        assert data["value"] == pytest.approx(data["equity"], rel=1e-9, abs=1e-6)


def test_only_the_channels_asked_for_are_kept(everything: Market) -> None:
    whole = everything.exposure()
    some = everything.exposure(channels=(name for name in ("debt", "source")))
    assert {key for *_, key in some.edges(keys=True)} == {"debt", "source"}
    expected = edges(whole).loc[:, :, ["debt", "source"]]
    assert edges(some).sort_index().equals(expected.sort_index())
    assert "holders" in whole and "holders" not in some  # nothing joins them any more
    assert {*everything.pools, *everything.cohorts, "bank", "oracle:eth"} <= set(some)
    assert everything.exposure(channels="claim").number_of_edges() > 0
    assert everything.exposure(channels=[]).number_of_edges() == 0
    with pytest.raises(ValueError, match=r"unknown channel 'dept'; did you mean 'debt'\? known: "
                       "claim, debt, price, source, common"):  # fmt: skip
        everything.exposure(channels=["claim", "dept"])
    with pytest.raises(ValueError, match="by must be"):
        everything.exposure(by="channel")


@pytest.mark.parametrize("by", ["group", "account"])
def test_a_graph_can_be_written_and_read_again(everything: Market, by: str) -> None:
    graph, file = everything.exposure(by=by), io.BytesIO()
    nx.write_graphml(graph, file)
    file.seek(0)
    again = nx.read_graphml(file, force_multigraph=True)
    assert dict(again.nodes(data=True)) == dict(graph.nodes(data=True))
    assert edges(again).sort_index().equals(edges(graph).sort_index())


def test_who_joined_by_himself_is_in_the_group_of_his_class(small: Callable[..., Scenario]) -> None:
    pool: dict[str, Any] = {"kind": "concentrated", "tokens": ["eth", "usdc"]}
    pool |= {"reserves": {"eth": 100.0, "usdc": 2e5}}
    market = Market(small(pools={"ranges": pool}), rng=1)
    ann, _ = (Idle(market, {"eth": 50.0, "usdc": 1e5}, name) for name in ("ann", "bob"))
    ann.add_liquidity("ranges", {"eth": 10.0, "usdc": 2e4}, prices=(1800.0, 2200.0))
    ann.deposit("bank", "eth", 10.0)
    ann.borrow("bank", "usdc", 1000.0)
    market.step()
    together = market.exposure()
    assert together.nodes["Idle"]["kind"] == "cohort"
    both = sum(market.wealth(name) for name in ("ann", "bob"))
    assert together.nodes["Idle"]["equity"] == pytest.approx(both)
    graph = market.exposure(by="account")
    assert graph.nodes["ann"]["kind"] == "agent"
    assert graph.nodes["ann"]["group"] == "Idle"
    assert "bob" not in graph  # who holds only base tokens depends on nobody
    assert together["Idle"]["bank"] == graph["ann"]["bank"]
    assert graph["bank"]["ann"]["debt"]["weight"] == pytest.approx(1000.0, rel=1e-6)
    assert graph["ann"]["bank"]["claim"]["weight"] == pytest.approx(20_000.0)
    ranges = market.pools["ranges"]
    assert isinstance(ranges, ConcentratedPool)
    held = ranges.positions().set_index("owner").loc["ann"]
    worth = held["eth"] * 2000.0 + held["usdc"]
    assert graph["ann"]["ranges"]["claim"]["weight"] == pytest.approx(worth)


def test_looking_changes_no_bit(lively: Callable[..., Scenario]) -> None:
    seen, alone = (Market(lively(measures={"every": 7}), rng=4) for _ in range(2))
    for _ in range(6):
        seen.run(10)
        seen.exposure()
        seen.balance_sheets(by="account")
        seen.exposure(by="account", channels=["claim"])
    alone.run(60)
    assert seen.ledger.balances.tobytes() == alone.ledger.balances.tobytes()
    assert seen.datacollector.table.tobytes() == alone.datacollector.table.tobytes()


def test_ten_thousand_agents_are_read_at_once(lively: Callable[..., Scenario]) -> None:
    many = {"borrowers": {"count": 3000, "equity": 100.0}, "lenders": {"count": 3000},
            "traders": {"count": 4000}}  # fmt: skip
    market = Market(lively(agents=many), rng=1)
    market.exposure(by="account")  # whatever has to be compiled
    start = time.perf_counter()
    graph = market.exposure(by="account")
    assert time.perf_counter() - start < 3.0  # 0.1 s on two quiet cores
    assert graph.number_of_edges() > 9000
