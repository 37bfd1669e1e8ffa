"""Holders of a coin: what they fear, how they leave and return."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.coin_holder import danger, queue
from sim import Market, Scenario

ALL_LOOK = {"attention": 1.0, "size_attention": 0.0, "slippage": 1.0}


def content(behind: float, **settings: Any) -> dict[str, Any]:
    """The scenario of the death spiral with its small holders alone, and so much behind a coin."""
    found = Scenario.load("death_spiral").to_dict()
    found["agents"] = {"small": found["agents"]["small"] | ALL_LOOK | settings}
    found["protocols"]["terra"] |= {"covered": behind, "outside_coins": 7e7, "base_pool": 1e9}
    found["blocks"] = 60
    return found


def test_danger_is_what_it_says() -> None:
    assert danger(0.5, 0.6, 0.0, 0.0, 0.0, 1.0) == pytest.approx(0.2)
    assert danger(0.5, 1.4, 0.1, 0.3, 0.2, 0.9) == pytest.approx(0.03 + 0.02)
    assert danger(0.5, 0.0, 0.0, 0.0, 1.0, -1.0) == pytest.approx(1.5)


def test_who_has_reason_leaves_and_nobody_else() -> None:
    market = Market(content(0.5, doubt={"distribution": "uniform", "low": 0.0, "high": 0.2}), rng=1)
    doubt = np.array(market.cohorts["small"].column("doubt"))
    market.run(1)
    bears = 0.18 * 60.0 / 365.0 + 0.01
    first = market.receipts()["sender"].astype(str)
    rows = {int(name.rsplit("-", 1)[1]) for name in first}
    assert rows == set(np.flatnonzero(doubt * 0.5 > bears))


def test_carry_keeps_them() -> None:
    """The yield is what holds a coin that is not covered; without it they go (Anchor)."""
    gone = []
    for carry in (0.0, 0.18, 0.6):
        market = Market(content(0.45, carry=carry), rng=1)
        market.run()
        gone.append(queue(market, "small")["left_at"].notna().sum())
    assert gone[0] == 400 > gone[1] > gone[2] == 0


def test_the_queue_tells_who_lost_what() -> None:
    market = Market(content(0.3), rng=1)
    market.run()
    table = queue(market, "small")
    out = table.dropna()
    assert len(out) > 100
    assert (out["loss"] > -0.02).all() and (out["order"] <= 1.0).all()
    stayed = table[table["left_at"].isna()]
    assert stayed["loss"].std() < 1e-9 or stayed.empty


def test_they_redeem_only_with_access() -> None:
    for access, some in ((0.0, False), (1.0, True)):
        found = content(0.4, access=access)
        found["pools"]["coin-usdc"]["reserves"]["terra-coin"] = 16e6  # redemption pays more
        market = Market(found, rng=1)
        market.run()
        terra: Any = market.protocols["terra"]
        assert (terra.value("redeemed") > 0.0) == some


def test_a_floor_is_kept() -> None:
    market = Market(content(0.2, floor=0.9, doubt=1.0, slippage=0.02), rng=1)
    market.run()
    sold = market.receipts().query("status == 'done'")
    assert len(sold) > 10
    assert (sold["amount_out"] >= 0.88 * sold["amount_in"]).all()


def test_nobody_sells_for_less_than_keeping_is_worth() -> None:
    """All expect 0.87 of keeping it: the pool stops there, where others would have emptied it."""
    lows = []
    for reservation in (0.0, 1.0):
        sure = {"reservation": reservation, "doubt": 0.8, "carry": 0.0, "calm": 0.03}
        market = Market(content(0.8, **sure), rng=1)
        market.run()
        sold = market.receipts().query("status == 'done'")
        assert len(sold) > 10
        lows.append(market.price("terra-coin"))
    assert lows[0] < 0.6
    # Who sells in the same block goes a little further: it keeps its mean price, not the last.
    assert lows[1] == pytest.approx(0.87, abs=0.006)


def test_they_come_back_when_it_is_calm() -> None:
    found = content(0.97, price_weight=1.0, doubt=0.0, calm=0.02, carry=0.0, wait=5.0, count=20)
    found["pools"]["coin-usdc"]["reserves"]["terra-coin"] = 16e6  # a discount of some per cent
    found["agents"]["redeemers"] = Scenario.load("death_spiral").to_dict()["agents"]["redeemers"]
    market = Market(found, rng=1)
    market.run(3)
    low = sum(a.wallet.get("terra-coin", 0.0) for a in market.agents)
    market.run()
    assert sum(a.wallet.get("terra-coin", 0.0) for a in market.agents) > low + 1e5
