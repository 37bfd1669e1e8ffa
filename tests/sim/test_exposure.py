"""Exposures are read off the ledger."""

from __future__ import annotations

from collections.abc import Callable

import networkx as nx
import pytest

from sim import Market, Scenario


def test_claims_and_debts_are_what_the_ledger_says(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    graph, bank = market.exposure(), market.lending["bank"]
    assert isinstance(graph, nx.DiGraph)
    deposits = sum(bank.deposit_of(f"lenders-{i}", "usdc") for i in range(20))
    assert graph["lenders"]["bank"]["weight"] == pytest.approx(deposits)
    owed = sum(bank.debt_of(f"borrowers-{i}", "usdc") for i in range(30))
    assert graph["bank"]["borrowers"]["weight"] == pytest.approx(owed)
    assert graph["bank"]["borrowers"]["channel"] == "debt"
    stakes = 6 * 50_000.0
    assert graph["providers"]["eth-usdc"]["weight"] == pytest.approx(stakes)


def test_oracles_join_lending_to_what_they_read(lively: Callable[..., Scenario]) -> None:
    feed = {"eth": {"source": "pool_twap", "pool": "eth-usdc", "window": 5}}
    market = Market(lively(oracles=feed), rng=1)
    graph = market.exposure()
    collateral = market.lending["bank"].deposits("eth") * market.oracles["eth"].price
    assert graph["bank"]["oracle:eth"]["weight"] == pytest.approx(collateral)
    assert graph["oracle:eth"]["eth-usdc"]["weight"] == pytest.approx(collateral)


def test_pools_with_a_common_token_are_joined(small: Callable[..., Scenario]) -> None:
    other = {"tokens": ["eth", "usdc"], "reserves": {"eth": 10.0, "usdc": 20_000.0}}
    graph = Market(small(pools={"small": other}), rng=1).exposure()
    assert graph["small"]["eth-usdc"]["weight"] == pytest.approx(40_000.0)
    assert graph["small"]["eth-usdc"]["channel"] == "common"


def test_removing_a_link_removes_its_edge(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(agents={"lenders": {"count": 0}}), rng=1)
    graph = market.exposure()
    assert not graph.has_edge("lenders", "bank")
    assert graph.nodes["eth-usdc"]["value"] == pytest.approx(4e6)
