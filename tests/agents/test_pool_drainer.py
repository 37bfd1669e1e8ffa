"""Pool drainers: only an oracle that believes the moment can be robbed."""

from __future__ import annotations

from typing import Any

import pytest

from sim import Market, Scenario
from sim.errors import ScenarioError
from tests.conftest import BASE, merged

LIVE = {"source": "pool_spot", "pool": "eth-usdc", "live": True}


def setup(oracle: dict[str, Any], **changes: Any) -> Scenario:
    agents = {
        "drainers": {
            "kind": "pool_drainer",
            "count": 1,
            "pools": ["eth-usdc"],
            "lending": "bank",
            "collateral": "eth",
            "debt": "usdc",
            "attention": 1.0,
            "wallet": {"eth": 1.0},
        }
    }
    lending = {"bank": {"reserves": {"usdc": {"cash": 2e7}}}}
    content = merged(BASE, {"agents": agents, "lending": lending, "oracles": {"eth": oracle}})
    return Scenario.from_dict(merged(content, {"blocks": 20} | changes))


def test_a_live_oracle_is_moved_and_the_lender_emptied() -> None:
    market = Market(setup(LIVE), rng=1).run()
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    done = market.receipts().query("status == 'done'")
    assert list(done["kind"])[:6] == [
        "flash_borrow", "swap", "deposit", "borrow", "flash_repay", "require",
    ]  # fmt: skip
    assert market.ledger.balance("drainers-0", "usdc") > 3e6
    bank = market.lending["bank"]
    left = bank.deposit_of("drainers-0", "eth") * market.venue.price("eth")
    assert bank.debt_of("drainers-0", "usdc") - left > 3e6  # which nobody will repay
    assert row["lending.bank.usdc.withdrawable"] < 0.7
    market.ledger.audit()


@pytest.mark.parametrize(
    "oracle",
    [
        {"source": "venue"},
        {"source": "pool_spot", "pool": "eth-usdc"},
        {"source": "pool_twap", "pool": "eth-usdc"},
    ],
)
def test_other_oracles_cannot_be_moved_within_a_transaction(oracle: dict[str, Any]) -> None:
    market = Market(setup(oracle), rng=1).run()
    assert not len(market.receipts())


def test_a_breaker_stops_the_move_and_cut_mechanisms_do() -> None:
    pool = {"eth-usdc": {"breaker": {"move": 0.1}}}
    market = Market(setup(LIVE, pools=pool), rng=1).run()
    assert not len(market.receipts().query("status == 'done'"))
    cut = {"switches": {"oracle_reads_market": False}}
    market = Market(setup(LIVE, **cut), rng=1).run()
    assert not len(market.receipts())


def test_live_is_for_a_pools_spot_price_alone() -> None:
    with pytest.raises(ScenarioError, match='only for source = "pool_spot"'):
        setup({"source": "venue", "live": True})
