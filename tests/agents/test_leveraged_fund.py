"""Leveraged funds: value at risk over equity, sales across assets, investors who leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agents.leveraged_fund import target
from sim import Market, Scenario
from sim.compiled import kernel
from sim.errors import ScenarioError
from tests.conftest import BASE, merged

TWO = merged(
    BASE,
    {
        "venue": {
            "assets": {
                "btc": {"price": 40_000.0, "process": "constant", "inventory": 1e5, "depth": 1e6},
                "eth": {"depth": 1e6},
            }
        },
        "oracles": {"btc": {"token": "btc", "source": "venue"}},
        "lending": {
            "two": {
                "reserves": {
                    "btc": {"ltv": 0.8, "threshold": 0.83, "bonus": 0.05},
                    "usdc": {"collateral": False, "cash": 1e6},
                }
            }
        },
    },
)
FUND = {
    "kind": "leveraged_fund",
    "count": 1,
    "assets": ["eth", "btc"],
    "lending": ["bank", "two"],
    "debt": "usdc",
    "equity": 1e5,
    "leverage": 2.0,
    "attention": 1.0,
    "flow": 0.0,
    "wallet": {"usdc": 100.0},
}
FALL = {"kind": "price_jump", "asset": "eth", "size": -0.3, "block": 3}


def funded(*shocks: dict[str, Any], switches: dict[str, bool] | None = None, **fund: Any) -> Market:
    changes = {"agents": {"funds": FUND | fund}, "shocks": list(shocks)}
    changes["switches"] = switches or {}
    return Market(Scenario.from_dict(merged(TWO, changes)), rng=1)


def standing(market: Market, agent: str = "funds-0") -> dict[str, float]:
    """What a fund has deposited and owes, by market, numeraire."""
    found = {}
    for name, token in (("bank", "eth"), ("two", "btc")):
        lender = market.lending[name]
        found[f"{name} worth"] = lender.deposit_of(agent, token) * market.price(token)
        found[f"{name} owed"] = lender.debt_of(agent, "usdc")
    return found


@kernel
def aim(leverage, response, ratio):  # type: ignore[no-untyped-def]
    return target(leverage, response, ratio)


def test_value_at_risk_over_equity_is_kept() -> None:
    assert aim(4.0, 1.0, 2.0) * 2.0 == pytest.approx(aim(4.0, 1.0, 1.0) * 1.0)
    assert aim(4.0, 0.0, 3.0) == 4.0
    assert aim(2.0, 1.0, 5.0) == 1.0


def test_it_begins_with_its_leverage_spread_over_its_assets() -> None:
    has = standing(funded())
    assert has["bank worth"] == pytest.approx(1e5)
    assert has["two worth"] == pytest.approx(1e5)
    assert has["bank owed"] == pytest.approx(5e4)
    assert has["two owed"] == pytest.approx(5e4)


@pytest.mark.parametrize(("overlap", "own"), [(0.0, 1.0), (0.5, 0.75), (1.0, 0.5)])
def test_holdings_overlap_as_much_as_is_said(overlap: float, own: float) -> None:
    market = funded(count=2, overlap=overlap)
    for agent, lender in (("funds-0", "bank"), ("funds-1", "two")):
        has = standing(market, agent)
        total = has["bank worth"] + has["two worth"]
        assert has[f"{lender} worth"] / total == pytest.approx(own)


def test_a_fall_of_one_asset_sells_the_other_too() -> None:
    # Worth 170,000 and 100,000 owed: 2.43 times the equity, more than 2.2.
    market = funded(FALL).run(12)
    has = standing(market)
    assert has["two worth"] < 0.9e5
    assert has["bank worth"] < 0.63e5
    equity = sum(v if "worth" in k else -v for k, v in has.items())
    leverage = (has["bank worth"] + has["two worth"]) / equity
    assert leverage == pytest.approx(2.0, rel=0.05)
    assert market.price("btc") < 40_000.0


def test_it_sells_in_proportion_to_what_it_holds() -> None:
    market = funded(FALL | {"size": -0.22}).run(12)
    left = [
        market.lending[name].deposit_of("funds-0", token) * price
        for name, token, price in (("bank", "eth", 2000.0), ("two", "btc", 40_000.0))
    ]
    assert left[0] == pytest.approx(left[1], rel=0.01)
    assert left[0] < 0.95e5


def test_without_the_switch_it_sells_what_fell_alone() -> None:
    market = funded(FALL, switches={"funds_sell_across": False}).run(12)
    calm = funded(switches={"funds_sell_across": False}).run(12)
    has, twin = standing(market), standing(calm)
    assert has["bank worth"] < 0.63e5
    assert has["two worth"] == twin["two worth"] == pytest.approx(1e5)
    assert has["two owed"] == twin["two owed"]
    assert market.price("btc") == calm.price("btc") == pytest.approx(40_000.0)


def test_it_can_sell_the_most_liquid_first() -> None:
    deep = {"venue": {"assets": {"btc": {"depth": 9e6}}}}
    changes = {"agents": {"funds": FUND | {"liquid_first": 1.0}}, "shocks": [FALL]}
    market = Market(Scenario.from_dict(merged(merged(TWO, deep), changes)), rng=1).run(12)
    has = standing(market)
    assert 1e5 - has["two worth"] > 5.0 * (0.7e5 - has["bank worth"])


def test_in_one_market_for_all_it_owes_once() -> None:
    both = {
        "lending": {"bank": {"reserves": {"btc": {"ltv": 0.8, "threshold": 0.83, "bonus": 0.05}}}},
        "agents": {"funds": FUND | {"lending": "bank"}},
    }
    market = Market(Scenario.from_dict(merged(TWO, both)), rng=1)
    assert market.lending["bank"].debt_of("funds-0", "usdc") == pytest.approx(1e5)
    market.run(12)
    assert market.lending["bank"].debt_of("funds-0", "usdc") == pytest.approx(1e5, rel=1e-3)


def test_investors_leave_after_a_loss_and_not_before() -> None:
    still = {"flow": 2.0, "review": 5.0, "leverage": 1.0}
    calm = funded(**still).run(30)
    assert calm.cohorts["funds"].column("redeemed")[0] == 0.0
    market = funded(FALL, **still).run(30)
    # A loss of 15 per cent, twice of which leaves.
    assert market.cohorts["funds"].column("redeemed")[0] == pytest.approx(0.3 * 0.85e5, rel=0.02)
    paid = market.ledger.balance("holders", "usdc") - calm.ledger.balance("holders", "usdc")
    assert paid == pytest.approx(0.3 * 0.85e5, rel=0.05)
    none = funded(FALL, switches={"investors_redeem": False}, **still).run(30)
    assert none.cohorts["funds"].column("redeemed")[0] == 0.0


def test_it_buys_back_when_there_is_room() -> None:
    rise = FALL | {"size": 0.3}
    market = funded(rise).run(25)
    has = standing(market)
    owed = has["bank owed"] + has["two owed"]
    assert owed > 1.05e5


@pytest.mark.parametrize(
    ("fund", "field", "words"),
    [
        ({"lending": ["bank"]}, "lending", "1 markets for 2 assets"),
        ({"assets": ["eth", "eth"]}, "assets", "twice"),
        ({"assets": ["eth", "doge"]}, "assets", "unknown token 'doge'"),
        ({"assets": []}, "assets", "is missing"),
    ],
)
def test_what_makes_no_sense_is_refused(fund: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        funded(**fund)
    found = dict(caught.value.problems)
    assert words in found[f"agents.funds.{field}"]


def test_what_the_banks_cannot_bear_is_refused() -> None:
    with pytest.raises(ScenarioError, match="the cash is out"):
        funded(count=100)


def test_everything_is_conserved(small: Callable[..., Scenario]) -> None:
    market = funded(FALL, count=6, flow=1.0, review=5.0)
    first = market.ledger.balances.sum(axis=0)[:3].copy()
    market.run(60)
    assert np.allclose(market.ledger.balances.sum(axis=0)[:3], first, rtol=1e-12)
