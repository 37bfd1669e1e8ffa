"""Depositors of a stability pool liquidate, learn what that brings, come and leave."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from agents.stability_depositor import averaged
from sim import Market, Scenario
from tests.agents.test_trove_owner import FALL, content, kinds

Make = Callable[..., Scenario]


def test_what_was_seen_long_ago_weighs_less() -> None:
    assert averaged(0.0, 1.0, 100.0, 100.0) == pytest.approx(1.0 - math.exp(-1.0))
    twice = averaged(averaged(0.3, 0.1, 50.0, 100.0), 0.1, 50.0, 100.0)
    assert twice == pytest.approx(averaged(0.3, 0.1, 100.0, 100.0))


def savers(**changes: Any) -> dict[str, Any]:
    saver = {
        "kind": "stability_depositor", "count": 3, "protocol": "liquity", "stake": 20_000.0,
        "pools": ["lusd-usdc", "eth-usdc"], "attention": 1.0, "patience": 1,
        "wallet": {"usdc": 1000.0},
    }  # fmt: skip
    return {"savers": saver | changes}


def test_depositors_liquidate_and_sell_what_they_gain(small: Make) -> None:
    """A trove that its owner leaves alone: liquidated, paid by the pool, its ether sold."""
    owners = {"attention": 0.0, "alarm": 0.0, "ratio": 1.6, "floor": 1.2}
    shock = FALL | {"size": -0.32}
    market = Market(content(small, owners, agents=savers(), shocks=[shock]), rng=1).run(20)
    found = kinds(market)
    assert "liquidate" in found and "leave" in found and "swap" in found
    liquity: Any = market.protocols["liquity"]
    assert liquity.trove("owners-0") == (0.0, 0.0)
    assert liquity.value("absorbed") > 0.0
    rates = market.cohorts["savers"].column("rate")
    assert (rates != 0.06 * 12.0 / (365.0 * 86_400.0)).all()  # they have learnt


@pytest.mark.parametrize(("coin_at", "leaves"), [(1.0, False), (3.0, True)])
def test_they_leave_for_a_premium_and_not_without(
    small: Make, coin_at: float, leaves: bool
) -> None:
    market = Market(content(small, {}, coin_at, agents=savers()), rng=1).run(5)
    assert ("leave" in kinds(market)) is leaves
    deposits = [market.protocols["liquity"].deposit(f"savers-{k}")[0] for k in range(3)]  # type: ignore[attr-defined]
    assert (max(deposits) < 1.0) is leaves


def test_who_is_out_comes_where_liquidations_pay(small: Make) -> None:
    """Their expectation is above what their money earns outside, so they buy coins and deposit."""
    group = savers(stake=5_000.0, expected=9.0, horizon=7200.0, wallet={"usdc": 20_000.0})
    setup = content(small, {}, agents=group)
    market = Market(setup, rng=1)
    for k in range(3):
        row = market.ledger.account(f"savers-{k}")
        assert market.protocols["liquity"].deposit(row)[0] == 5_000.0  # type: ignore[attr-defined]
    market.cohorts["savers"].column("stake")[:] = 15_000.0
    market.run(4)
    assert {"swap", "provide"} <= set(kinds(market))
    assert market.protocols["liquity"].deposit("savers-0")[0] > 10_000.0  # type: ignore[attr-defined]
