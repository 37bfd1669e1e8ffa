"""Leveraged value funds: what they hold and owe, and what a margin call makes them do."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

from protocols.margin import TOKEN
from runs.dev.stylised_facts import MARKET
from sim import Market, Scenario

FUND: dict[str, Any] = {
    "kind": "value_fund",
    "count": 1,
    "assets": {"token": 1.0},
    "wallet": {"usdc": 1000.0},
    "aggressiveness": 10.0,
    "most_leverage": 4.0,
    "speed": 1.0,
}


def opened(**fund: Any) -> Market:
    """A fund alone, in a market so deep that it does not move it."""
    content = copy.deepcopy(MARKET)
    content["venue"]["assets"]["token"] |= {"value_volatility": 0.0, "depth": 1e12}
    content["agents"] = {"fund": FUND | fund}
    return Market(Scenario.from_dict(content), rng=1)


def position(market: Market) -> tuple[float, float]:
    """Value of what the fund holds, and what it owes."""
    ledger = market.ledger
    held = ledger.balance("fund-0", "token") * market.price("token")
    return held, ledger.balance("fund-0", TOKEN)


def test_it_holds_so_much_of_what_is_below_its_value_and_nothing_of_what_is_above() -> None:
    market = opened()
    market.venue.asset("token")["anchor"] += 0.05
    market.run(2)
    assert position(market) == pytest.approx((500.0, 0.0), rel=1e-6)
    market.venue.asset("token")["anchor"] += 0.15
    market.run(2)
    assert position(market) == pytest.approx((2000.0, 1000.0), rel=1e-6)
    market.venue.asset("token")["anchor"] -= 0.25
    market.run(2)
    assert position(market) == pytest.approx((0.0, 0.0), abs=1e-6)
    assert market.wealth("fund-0") == pytest.approx(1000.0, rel=1e-6)
    market.ledger.audit()


def test_at_its_limit_it_sells_what_falls() -> None:
    """A margin call: below the limit a fall has it buy, at the limit it has it sell."""

    def bought(gap: float) -> float:
        market = opened()
        market.venue.asset("token")["anchor"] += gap
        market.run(3)
        before = market.ledger.balance("fund-0", "token")
        market.venue.asset("token")["x"] += math.log(0.97)
        market.run(3)
        assert position(market)[0] <= 4.0 * market.wealth("fund-0") * (1.0 + 1e-6)
        return market.ledger.balance("fund-0", "token") - before

    assert bought(0.1) > 0.0
    assert bought(0.6) < 0.0


def test_interest_makes_the_debt_grow() -> None:
    market = opened(rate=0.5)
    market.venue.asset("token")["anchor"] += 0.6
    market.run(2)
    before = market.wealth("fund-0")
    market.run(30)
    paid = before - market.wealth("fund-0")
    assert paid == pytest.approx(3.0 * before * 0.5 * 30.0 / 365.25, rel=0.08)
    market.ledger.audit()


def test_a_fund_that_is_ruined_sells_all_and_another_opens() -> None:
    market = opened(reentry=10.0)
    market.venue.asset("token")["anchor"] += 0.6
    market.run(3)
    venue = market.wealth("venue")
    market.venue.asset("token")["x"] += math.log(0.6)  # more than a quarter, its equity
    market.run(3)
    fund = market.cohorts["fund"]
    assert fund.numbers("ruins")[0] == 1.0
    held, owed = position(market)
    assert held == pytest.approx(0.0, abs=1e-9)
    assert owed > 100.0  # what it could not pay
    assert market.wealth("venue") < venue
    market.venue.asset("token")["anchor"] -= 2.0
    market.run(20)
    assert position(market)[1] == 0.0
    assert market.wealth("fund-0") == pytest.approx(1000.0)
    assert fund.numbers("opens")[0] == 0.0
    market.ledger.audit()


def test_investors_bring_money_after_gains_and_take_it_after_losses() -> None:
    def capital(move: float, flow: float, largest: float = 10.0) -> float:
        market = opened(flow=flow, memory=5.0, largest=largest)
        market.venue.asset("token")["anchor"] += 0.2
        market.run(3)
        for _ in range(10):
            market.venue.asset("token")["x"] += move
            market.venue.asset("token")["anchor"] += move
            market.run(1)
        return market.wealth("fund-0")

    assert capital(0.01, 5.0) > capital(0.01, 0.0) > 1000.0
    assert capital(-0.01, 5.0) < capital(-0.01, 0.0) < 1000.0
    assert capital(0.01, 5.0, largest=1.2) < 1.3 * 1000.0


def test_many_funds_keep_the_books_balanced() -> None:
    content = copy.deepcopy(MARKET)
    content["agents"]["funds"] = FUND | {"count": 30, "most_leverage": 12.0, "rate": 0.1}
    content["audit"] = {"every": 1}
    market = Market(Scenario.from_dict(content | {"blocks": 1500}), rng=2).run()
    assert (market.ledger.balances >= 0.0).all()
    assert np.isfinite(market.ledger.balances).all()
