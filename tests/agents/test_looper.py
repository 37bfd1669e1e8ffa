"""Loopers loop while it pays, and sell when it does not or the peg is feared for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents.looper import carry
from sim import Market, Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]


def looped(small: Make, staked: float = 5_000.0, rate: float = 0.02, **columns: Any) -> Market:
    lido = {
        "kind": "staking", "asset": "eth", "pool": "curve", "rewards": 0.05, "fee": 0.0,
        "staked": staked,
    }  # fmt: skip
    pool = {
        "tokens": ["lido-share", "eth"], "kind": "stableswap", "amplification": 50.0,
        "reserves": {"lido-share": 2_000.0, "eth": 2_000.0}, "fee": 0.0004,
    }  # fmt: skip
    oracle = {"token": "lido-share", "source": "receipt", "quote": "eth"}
    backing = {"ltv": 0.8, "threshold": 0.85, "bonus": 0.05, "oracle": "steth", "borrowable": False}
    lent = {"ltv": 0.8, "threshold": 0.85, "bonus": 0.05, "base_rate": rate, "slope1": 0.0,
            "slope2": 0.0, "cash": 2_000.0}  # fmt: skip
    group = {
        "kind": "looper", "count": 5, "lending": "loans", "collateral": "lido-share",
        "debt": "eth", "pools": ["curve"], "staking": "lido", "equity": 20_000.0,
        "leverage": 3.0, "attention": 1.0, "alarm": 1.0, "wallet": {"eth": 1.0},
    }  # fmt: skip
    return Market(
        small(
            protocols={"lido": lido},
            pools={"curve": pool},
            oracles={"steth": oracle},
            lending={"loans": {"reserves": {"lido-share": backing, "eth": lent}}},
            agents={"loops": group | columns},
        ),
        rng=1,
    )


def owed(market: Market) -> float:
    return float(market.ledger.supply("loans-eth-debt"))


def test_what_a_loop_earns() -> None:
    assert carry(3.0, 0.05, 0.02) == pytest.approx(0.11)
    assert carry(3.0, 0.05, 0.08) == pytest.approx(-0.01)


def test_while_it_pays_they_stay(small: Make) -> None:
    market = looped(small)
    first = owed(market)
    assert first == pytest.approx(5 * 2.0 * 20_000.0 / market.price("eth"), rel=0.02)
    market.run(20)
    assert owed(market) == pytest.approx(first, rel=0.05)


def test_where_borrowing_costs_more_they_unwind_into_the_pool(small: Make) -> None:
    market = looped(small, rate=0.2)
    first, price = owed(market), market.pools["curve"].spot_price("lido-share", "eth")
    market.run(40)
    assert owed(market) < 0.5 * first
    assert market.pools["curve"].spot_price("lido-share", "eth") < price
    market.ledger.audit()


def test_who_fears_for_the_peg_unwinds_too(small: Make) -> None:
    bold = looped(small, tolerance=0.5).run(40)
    shy = looped(small, tolerance=-0.5).run(40)
    assert owed(shy) < 0.5 * owed(bold)


def test_more_shares_than_there_are_is_told(small: Make) -> None:
    with pytest.raises(ScenarioError, match="takes over"):
        looped(small, staked=1.0)
