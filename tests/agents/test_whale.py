"""Whales: a schedule that balances impact and risk, or all at once for fear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agents import MarketAgent
from agents.whale import left_after, urgency
from sim import Market, Scenario


def setup(small: Callable[..., Scenario], **whale: Any) -> Scenario:
    group = {
        "kind": "whale",
        "count": 1,
        "pools": ["eth-usdc"],
        "whole": 100.0,
        "horizon": 20.0,
        "wallet": {"eth": 200.0, "usdc": 400_000.0},
    }
    # So deep that impact is linear.
    reserves = {"eth": 1e8, "usdc": 2e11}
    return small(agents={"whales": group | whale}, pools={"eth-usdc": {"reserves": reserves}})


def held(market: Market, blocks: int, token: str = "eth") -> np.ndarray:
    found = [market.ledger.balance("whales-0", token)]
    for _ in range(blocks):
        market.step()
        found.append(market.ledger.balance("whales-0", token))
    return np.array(found)


@pytest.mark.parametrize("k", [0.0, 1e-9, 0.05, 0.5, 5.0, 300.0])
def test_the_schedule_falls_from_all_to_nothing(k: float) -> None:
    left = np.array([left_after(float(j), 20.0, k) for j in range(21)])
    assert left[0] == 1.0
    assert left[-1] == 0.0
    assert (np.diff(left) <= 0.0).all()
    # Of any three in a row: x(j-1) + x(j+1) = 2 cosh(k) x(j), and so of sinh itself.
    if k <= 5.0:
        assert left[:-2] + left[2:] == pytest.approx(2.0 * np.cosh(k) * left[1:-1], rel=1e-6)
    assert left_after(25.0, 20.0, k) == 0.0


def test_urgency_is_none_without_risk_and_without_end_without_impact() -> None:
    assert urgency(0.0, 1.0, 1.0) == 0.0
    assert urgency(1.0, 0.0, 1.0) == 0.0
    assert urgency(1.0, 1.0, 0.0) == np.inf
    k = urgency(3.0, 0.5, 7.0)
    assert 2.0 * (np.cosh(k) - 1.0) == pytest.approx(3.0 * 0.5 / 7.0)


def test_at_no_risk_aversion_every_block_gets_the_same(small: Callable[..., Scenario]) -> None:
    path = held(Market(setup(small), rng=1), 25)
    assert path == pytest.approx(np.maximum(200.0 - 5.0 * np.arange(26), 100.0), rel=1e-9)


def test_it_holds_what_the_closed_form_says(small: Callable[..., Scenario]) -> None:
    risk = {"risk_aversion": 1e-4, "volatility": 0.01, "impact": 0.5}
    path = held(Market(setup(small, **risk), rng=1), 22)
    k = np.arccosh(1.0 + 0.5 * 1e-4 * (0.01 * 2000.0) ** 2 / 0.5)
    left = np.sinh(k * (20 - np.arange(21))) / np.sinh(k * 20)
    assert path[:21] == pytest.approx(100.0 + 100.0 * left, rel=1e-9)


def test_it_goes_to_another_pool_while_its_own_is_halted(small: Callable[..., Scenario]) -> None:
    content = setup(small).to_dict()
    content["agents"]["whales"]["pools"] = ["eth-usdc", "other"]
    other = {"tokens": ["eth", "usdc"], "reserves": {"eth": 1e6, "usdc": 1.9e9}}  # 5 % worse
    content["pools"]["other"] = other
    content["shocks"] = [{"kind": "pool_halt", "pool": "eth-usdc", "block": 5, "blocks": 5}]
    receipts = Market(Scenario.from_dict(content), rng=1).run(22).receipts()
    assert set(receipts["status"]) == {"done"}
    there = receipts[receipts["protocol"] == "other"]["block"]
    assert sorted(there) == [5, 6, 7, 8, 9]
    content["shocks"].append({"kind": "pool_halt", "pool": "other", "block": 5, "blocks": 5})
    receipts = Market(Scenario.from_dict(content), rng=1).run(22).receipts()
    assert not receipts["block"].between(5, 9).any()  # nothing is sent that would fail


def test_by_itself_it_reads_impact_off_the_pool(small: Callable[..., Scenario]) -> None:
    whale = {"risk_aversion": 1e-4, "volatility": 0.01}
    shallow = {"eth-usdc": {"reserves": {"eth": 10_000.0, "usdc": 2e7}, "fee": 0.0}}
    content = setup(small, **whale).to_dict() | {}
    content["pools"]["eth-usdc"] |= shallow["eth-usdc"]
    market = Market(Scenario.from_dict(content), rng=1)
    market.run(1)
    # A constant product loses p n / x of the price on n: eta is p / x, to the first order.
    k = urgency(1e-4, (0.01 * 2000.0) ** 2, 2000.0 / 10_000.0)
    assert market.cohorts["whales"].column("urgency")[0] == pytest.approx(k, rel=1e-3)


def test_it_buys_as_well(small: Callable[..., Scenario]) -> None:
    path = held(Market(setup(small, sells=0.0), rng=1), 25)
    bought = path[-1] - 200.0
    assert bought == pytest.approx(100.0, rel=0.005)  # at the outside price, less the fee
    assert path[11] - path[1] == pytest.approx(10.0 * bought / 20.0, rel=1e-3)


class Breaker(MarketAgent):
    """Takes a part off the price."""

    part = 0.0

    def step(self) -> None:
        if self.market.block == 5:
            self.market.venue.asset("eth")["x"] += np.log1p(-self.part)


@pytest.mark.parametrize(("part", "frightened"), [(0.03, False), (0.06, True)])
def test_it_sends_all_that_is_left_when_afraid(
    small: Callable[..., Scenario], part: float, frightened: bool
) -> None:
    market = Market(setup(small, fear=0.05, watch=10.0, horizon=1000.0, slippage=0.5), rng=1)
    Breaker(market).part = part
    path = held(market, 10)
    assert bool(path[-1] == pytest.approx(100.0)) is frightened
    assert market.cohorts["whales"].column("afraid")[0] == float(frightened)
    if frightened:
        assert path[6] == pytest.approx(100.0)
        assert path[5] == pytest.approx(200.0 - 0.5)


def test_a_fall_that_is_long_ago_frightens_nobody(small: Callable[..., Scenario]) -> None:
    market = Market(setup(small, fear=0.05, watch=3.0, start=12.0, horizon=1000.0), rng=1)
    Breaker(market).part = 0.06
    held(market, 20)
    assert market.cohorts["whales"].column("afraid")[0] == 0.0


def test_a_part_that_was_not_executed_is_made_up_for(small: Callable[..., Scenario]) -> None:
    market = Market(setup(small, slippage=0.0), rng=1)
    pool = market.world.pools[0]
    pool["halted"] = 1
    assert (held(market, 5) == 200.0).all()
    pool["halted"] = 0
    market.world.pools["halted"] = 0
    path = held(market, 20)
    assert path[1] == pytest.approx(200.0 - 5.0 * 6, rel=1e-9)
    assert path[-1] == pytest.approx(100.0)
