"""Cyclic arbitrageurs."""

from __future__ import annotations

from typing import Any

import pytest

from agents import MarketAgent
from protocols import routing
from sim import Market, Scenario
from tests.conftest import BASE, merged

POOLS: dict[str, Any] = {
    "a": {"tokens": ["eth", "usdc"], "reserves": {"eth": 1000.0, "usdc": 2e6}},
    "b": {"tokens": ["eth", "usdc"], "reserves": {"eth": 500.0, "usdc": 1.03e6}},
    "w": {
        "kind": "weighted",
        "tokens": ["eth", "dai", "usdc"],
        "reserves": {"eth": 300.0, "dai": 612e3, "usdc": 6e5},
    },
    "s": {
        "kind": "stableswap",
        "tokens": ["dai", "usdc"],
        "reserves": {"dai": 1e6, "usdc": 1e6},
        "fee": 0.0004,
    },
}


def setup(pools: tuple[str, ...] = ("a", "b"), **changes: Any) -> Scenario:
    dai = {"venue": {"assets": {"dai": {"price": 1.0, "process": "constant"}}}}
    content = merged(BASE, dai) | {"pools": {name: POOLS[name] for name in pools}}
    agents = {
        "cyclic": {"kind": "cyclic_arbitrageur", "count": 2, "wallet": {"usdc": 1e6, "eth": 1.0}}
    }
    return Scenario.from_dict(merged(merged(content, {"agents": agents}), changes))


def test_a_cycle_is_traded_at_the_size_of_validation_3() -> None:
    market = Market(setup(agents={"cyclic": {"count": 1}}), rng=1)
    market.step()
    assert market.ledger.balance("cyclic-0", "usdc") == pytest.approx(1e6 + 93.9974, abs=1e-3)
    receipts = market.receipts()
    assert list(receipts["status"]) == ["done", "done", "done"]
    assert receipts["amount_in"].iloc[0] == pytest.approx(7935.9582, abs=1e-3)
    market.run(20)
    assert len(market.receipts()) == 3  # nothing is left to gain


def test_all_kinds_of_pools_end_without_a_cycle_that_gains() -> None:
    market = Market(setup(("a", "b", "w", "s")), rng=1).run(40)
    usdc = market.ledger.token("usdc")
    books, pools = market.ledger.books, market.world.pools
    assert routing.best_cycle(books, pools, usdc, 1e6, 0.0, 3)[4] < 0.01
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["extracted.cyclic"] == pytest.approx(row["result.cyclic"])
    assert row["result.cyclic"] > 94.0
    market.ledger.audit()


def test_a_flash_loan_is_capital_for_who_has_none() -> None:
    poor = {"count": 1, "flash": 1.0, "lending": "bank", "wallet": {"usdc": 0.0, "eth": 1.0}}
    market = Market(setup(agents={"cyclic": poor}), rng=1)
    market.run(3)
    fee = 7935.9582 * 0.0005
    assert market.ledger.balance("cyclic-0", "usdc") == pytest.approx(93.9974 - fee, abs=1e-2)
    assert {"flash_borrow", "flash_repay", "require"} <= set(market.receipts()["kind"])


def test_gas_that_costs_more_than_the_gain_keeps_it_away() -> None:
    dear = {"fee_market": "eip1559", "base_fee": 500.0, "outside": {"gas": 0.0}}
    market = Market(setup(block=dear), rng=1).run(3)
    assert not len(market.receipts())


def test_a_lost_race_reverts_whole_and_costs_gas_alone() -> None:
    class Rival(MarketAgent):
        def step(self) -> None:
            if self.market.block == 1:
                with self.transaction():
                    self.swap("a", "usdc", 8000.0, bid=1e4)

    market = Market(setup(agents={"cyclic": {"count": 1}}), rng=1)
    Rival(market, {"usdc": 1e5})
    market.step()
    before = market.receipts().query("sender == 'cyclic-0'")
    assert set(before["status"]) in ({"done"}, {"reverted"})
    assert market.ledger.balance("cyclic-0", "usdc") >= 1e6
