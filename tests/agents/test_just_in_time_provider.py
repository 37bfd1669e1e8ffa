"""Just-in-time providers."""

from __future__ import annotations

from typing import Any

import pytest

from agents import MarketAgent
from sim import Market, Scenario
from tests.conftest import BASE, merged


def setup(**changes: Any) -> Scenario:
    pool = {
        "kind": "concentrated",
        "tokens": ["eth", "usdc"],
        "reserves": {"eth": 1000.0, "usdc": 2e6},
        "tick_spacing": 10,
        "fee": 0.003,
    }
    agents = {
        "jit": {
            "kind": "just_in_time_provider",
            "count": 1,
            "pools": ["pool"],
            "wallet": {"usdc": 2e7, "eth": 1e4},
        }
    }
    content = BASE | {"pools": {"pool": pool}, "agents": agents}
    eth = {"venue": {"assets": {"eth": {"spread": 0.0}}}}
    return Scenario.from_dict(merged(merged(content, eth), changes))


class Trader(MarketAgent):
    """Waits for a block, so that others see the swap in the mempool."""

    size = 50_000.0

    def step(self) -> None:
        if self.market.block == 1:
            quoted = self.market.pools["pool"].quote("usdc", "eth", self.size)
            self.swap("pool", "usdc", self.size, minimum=0.99 * quoted, bid=20.0)


def slow(market: Market, size: float) -> Trader:
    trader = Trader(market, {"usdc": 1e6, "eth": 1.0})
    trader.size = size
    return trader


def run(size: float, **changes: Any) -> Market:
    # The swap is sent after the compiled agents have decided: it is seen once it waits.
    wait = {"fee_market": "eip1559", "base_fee": 25.0, "outside": {"gas": 0.3}, "expiry": 50}
    market = Market(setup(block=wait, **changes), rng=1)
    slow(market, size)
    return market.run(20)


def test_it_takes_most_of_a_large_swaps_fee_and_is_gone_after() -> None:
    market = run(50_000.0)
    kinds = market.receipts().query("status == 'done'")["kind"]
    assert list(kinds)[-3:] == ["add_liquidity", "swap", "remove_liquidity"]
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert 0.5 * 150.0 < row["extracted.jit"] < 151.0  # the fee, and a little price impact
    alone = run(50_000.0, agents={"jit": {"count": 0}})
    paid = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert paid["pool.pool.fees"] == pytest.approx(
        alone.datacollector.get_model_vars_dataframe().iloc[-1]["pool.pool.fees"]
    )
    bought = market.pools["pool"].paid_out["eth"]
    assert bought > alone.pools["pool"].paid_out["eth"]  # a better price for the swap
    market.ledger.audit()


def test_small_swaps_are_let_pass() -> None:
    market = run(500.0)
    assert "add_liquidity" not in set(market.receipts()["kind"])


def test_to_a_builder_it_sends_one_bundle_with_the_swap_between() -> None:
    wait = {"fee_market": "eip1559", "base_fee": 25.0, "outside": {"gas": 0.3}, "expiry": 50}
    market = Market(setup(block=wait | {"ordering": "builder"}), rng=1)
    slow(market, 50_000.0)
    market.run(20)
    done = market.receipts().query("status == 'done' and kind != 'venue'")
    assert list(done["kind"])[-4:] == ["add_liquidity", "carry", "remove_liquidity", "swap"]
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert 0.5 * 150.0 < row["extracted.jit"] < 151.0
    assert market.pools["pool"].positions().query("owner == 'jit-0'").empty
    market.ledger.audit()
