"""Risk stewards act after their delay, on what alarmed them, and thaw when it is calm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents import MarketAgent
from sim import Market, Scenario


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def watched(small: Callable[..., Scenario], **group: Any) -> Market:
    steward = {"kind": "risk_steward", "count": 1, "lending": "bank", "delay": 10.0} | group
    oracles = {"eth": {"token": "eth", "source": "fixed", "price": 2000.0}}
    content = small(agents={"steward": steward}).to_dict()
    content["oracles"] |= oracles
    return Market(Scenario.from_dict(content), rng=1)


def fall(market: Market, price: float) -> None:
    market.world.feeds[[*market.oracles].index("eth")]["price"] = price


def test_it_does_nothing_while_it_is_calm(small: Callable[..., Scenario]) -> None:
    market = watched(small).run(50)
    reserve = market.lending["bank"].reserve("eth")
    assert (reserve["frozen"], reserve["ltv"], reserve["threshold"]) == (0, 0.8, 0.83)


def test_a_fall_is_answered_a_delay_later_and_thawed(small: Callable[..., Scenario]) -> None:
    market = watched(small, fall=0.2, rest=1000.0, thaw=20.0, forgets=0.02).run(3)
    fall(market, 1500.0)
    reserve = market.lending["bank"].reserve("eth")
    frozen = []
    for _ in range(80):
        market.run(1)
        frozen.append(int(reserve["frozen"]))
    assert frozen.index(1) == 10, "ten blocks after it saw the fall"
    assert reserve["ltv"] == pytest.approx(0.72) and reserve["threshold"] == pytest.approx(0.7885)
    assert frozen[-1] == 0, "its memory of the peak has faded"
    assert market.cohorts["steward"].column("steps").tolist() == [1.0]
    assert not market.lending["bank"].reserve("usdc")["frozen"]


def test_a_lower_threshold_makes_positions_liquidatable(small: Callable[..., Scenario]) -> None:
    market = watched(small, fall=0.05, threshold_cut=0.5, cut=0.5)
    ann = Idle(market, {"eth": 1.0}, "ann")
    ann.deposit("bank", "eth", 1.0)
    market.run(1)
    ann.borrow("bank", "usdc", 1000.0)
    market.run(1)
    fall(market, 1800.0)
    market.run(9)
    assert market.lending["bank"].health_factor("ann") > 1.0
    market.run(3)
    assert market.lending["bank"].health_factor("ann") < 1.0


def test_caps_follow_what_is_there(small: Callable[..., Scenario]) -> None:
    market = watched(small, used=0.0, fall=1.0, cap=1.0, freezes=0.0, cut=0.0, threshold_cut=0.0)
    ann = Idle(market, {"eth": 1.0, "usdc": 10.0}, "ann")
    ann.deposit("bank", "eth", 1.0)
    market.run(1)
    ann.borrow("bank", "usdc", 500.0)
    market.run(20)
    reserve = market.lending["bank"].reserve("usdc")
    assert reserve["borrow_cap"] == pytest.approx(500.0, rel=1e-5)
    ann.deposit("bank", "usdc", 10.0)
    market.run(1)
    assert market.receipts().iloc[-1]["reason"] == "cap"
