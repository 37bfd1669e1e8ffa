"""Hedged providers."""

from __future__ import annotations

from typing import Any

import pytest

from sim import Market, Scenario
from tests.conftest import BASE, merged


def setup(**changes: Any) -> Scenario:
    agents = {
        "hedged": {
            "kind": "hedged_provider",
            "count": 2,
            "pools": ["eth-usdc"],
            "lending": "bank",
            "collateral": "usdc",
            "debt": "eth",
            "stake": 100_000.0,
            "attention": 1.0,
            "wallet": {"usdc": 110_000.0, "eth": 0.5},
        },
        "arbs": {
            "kind": "arbitrageur", "count": 1, "pools": ["eth-usdc"], "wallet": {"usdc": 1e8},
        },
    }  # fmt: skip
    lending = {
        "bank": {
            "reserves": {
                "usdc": {"collateral": True, "ltv": 0.8, "threshold": 0.85, "bonus": 0.05},
                "eth": {"cash": 1000.0},
            }
        }
    }
    eth = {"venue": {"assets": {"eth": {"spread": 0.0}}}}
    content = merged(BASE, {"agents": agents, "lending": lending} | eth)
    return Scenario.from_dict(merged(content, {"blocks": 200} | changes))


def test_they_owe_what_they_own_of_the_volatile_token() -> None:
    market = Market(setup(), rng=1).run(5)
    bank, pool = market.lending["bank"], market.pools["eth-usdc"]
    share = market.ledger.balance("hedged-0", pool.share) / market.ledger.supply(pool.share)
    owned, owed = share * pool.reserves["eth"], bank.debt_of("hedged-0", "eth")
    assert owed == pytest.approx(0.35 * 1e5 / 2000.0, rel=1e-3)
    assert owned == pytest.approx(owed, rel=1e-3)
    assert market.wealth("hedged-0") == pytest.approx(111_000.0, rel=1e-4)


def test_a_price_move_costs_them_far_less_than_it_costs_others() -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": -0.2, "block": 10}
    market = Market(setup(shocks=[jump]), rng=1).run(60)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    # Half of 70,000 in eth would have lost 7,000; the hedge leaves the gamma.
    bare = -0.2 * 2000.0  # their half eth of gas money
    assert row["loss.hedged"] == pytest.approx(-bare, abs=2 * 900.0)
    assert (market.cohorts["hedged"].column("trades") >= 1.0).all()
    bank, pool = market.lending["bank"], market.pools["eth-usdc"]
    share = market.ledger.balance("hedged-0", pool.share) / market.ledger.supply(pool.share)
    gap = share * pool.reserves["eth"] - bank.debt_of("hedged-0", "eth")
    assert abs(gap) * 1600.0 < 0.03 * 1e5
    market.ledger.audit()


def test_in_danger_they_take_everything_out_and_repay() -> None:
    rise = {"kind": "price_jump", "asset": "eth", "size": 0.6, "block": 10}
    market = Market(setup(shocks=[rise]), rng=1).run(60)
    assert (market.cohorts["hedged"].column("state") == 2.0).all()
    bank = market.lending["bank"]
    for i in range(2):
        assert bank.debt_of(f"hedged-{i}", "eth") == 0.0
        assert market.ledger.balance(f"hedged-{i}", "eth-usdc-share") == 0.0
        assert market.ledger.balance(f"hedged-{i}", "bank-usdc") == 0.0
        assert market.wealth(f"hedged-{i}") > 1e5
    market.ledger.audit()


def test_the_pool_must_hold_both_tokens() -> None:
    other = {"tokens": ["dai", "usdc"], "reserves": {"dai": 1e6, "usdc": 1e6}}
    dai = {"assets": {"dai": {"price": 1.0, "process": "constant"}}}
    with pytest.raises(ValueError, match="must hold usdc and eth"):
        Market(
            setup(venue=dai, pools={"other": other}, agents={"hedged": {"pools": ["other"]}}), rng=1
        )
