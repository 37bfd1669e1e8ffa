"""Queue arbitrageurs buy what is cheap for its wait, and no more than that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agents.queue_arbitrageur import gain_of_waiting
from sim import Market, Scenario

Make = Callable[..., Scenario]


def staked(small: Make, shares: float = 1_000.0, ether: float = 600.0, **changes: Any) -> Market:
    lido = {"kind": "staking", "asset": "eth", "pool": "curve", "rewards": 0.0}
    pool = {
        "tokens": ["lido-share", "eth"], "kind": "stableswap", "amplification": 10.0,
        "reserves": {"lido-share": shares, "eth": ether}, "fee": 0.0004,
    }  # fmt: skip
    group = {
        "kind": "queue_arbitrageur", "count": 3, "staking": "lido", "pool": "curve",
        "capital": 100.0, "required": 0.1, "attention": 1.0,
    }  # fmt: skip
    content = {
        "protocols": {"lido": lido | {"capacity": changes.pop("capacity", 1_000.0)}},
        "pools": {"curve": pool},
        "agents": {"q": group | changes},
    }
    return Market(small(**content), rng=1)


def done(market: Market, kind: str) -> int:
    return len(market.receipts().query(f"kind == '{kind}' and status == 'done'"))


def test_waiting_costs_what_capital_wants() -> None:
    assert gain_of_waiting(95.0, 100.0, 0.1, 0.0) == pytest.approx(5.0)
    # Half a year at 10 %: 100 then are 100 / 1.05 now.
    assert gain_of_waiting(95.0, 100.0, 0.1, 182.5) == pytest.approx(100.0 / 1.05 - 95.0)
    assert gain_of_waiting(95.0, 100.0, 0.1, np.inf) == -95.0


def test_they_buy_below_what_it_stands_for_and_hand_in(small: Make) -> None:
    market = staked(small)
    first = market.pools["curve"].spot_price("lido-share", "eth")
    assert first < 0.99
    market.run(20)
    assert done(market, "request") > 0
    assert first < market.pools["curve"].spot_price("lido-share", "eth") < 1.001
    gained = market.balance_sheets().set_index("entity")["equity"]["q"] / market.price("eth")
    assert gained > 300.0
    market.ledger.audit()


def test_a_shut_queue_is_worth_nothing(small: Make) -> None:
    market = staked(small, capacity=0.0).run(20)
    assert done(market, "request") == 0


def test_who_wants_more_buys_less(small: Make) -> None:
    # The queue lets a hundredth of the capital out a day: waiting takes months.
    eager = staked(small, capacity=3.0, required=0.0).run(20)
    choosy = staked(small, capacity=3.0, required=3.0).run(20)
    left = [m.pools["curve"].spot_price("lido-share", "eth") for m in (eager, choosy)]
    assert left[0] > left[1]


def test_above_what_it_stands_for_they_stake_and_sell(small: Make) -> None:
    market = staked(small, shares=600.0, ether=1_000.0)
    first = market.pools["curve"].spot_price("lido-share", "eth")
    assert first > 1.01
    market.run(20)
    assert done(market, "stake") > 0
    assert market.pools["curve"].spot_price("lido-share", "eth") < first
