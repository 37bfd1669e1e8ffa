"""Borrowers keep a band, and save themselves by what means they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.leveraged_borrower import repayment_to_health, target_leverage
from sim import Market, Scenario
from sim.errors import ScenarioError


def borrowed(small: Callable[..., Scenario], group: dict[str, Any], **changes: Any) -> Market:
    base = {
        "kind": "leveraged_borrower",
        "count": 1,
        "lending": "bank",
        "collateral": "eth",
        "debt": "usdc",
        "pools": ["eth-usdc"],
        "leverage": 3.0,
        "attention": 1.0,
        "buffer": 1.15,
        "slippage": 0.5,
    }
    return Market(small(agents={"b": base | group}, **changes), rng=1)


def standing(market: Market) -> tuple[float, float]:
    """(leverage, health factor) of the only borrower."""
    row = market.lending["bank"].positions().iloc[0]
    own = row["collateral_value"] - row["debt_value"]
    return row["collateral_value"] / own, row["health_factor"]


def test_it_starts_at_its_leverage(small: Callable[..., Scenario]) -> None:
    leverage, factor = standing(borrowed(small, {}))
    assert leverage == pytest.approx(3.0)
    assert factor == pytest.approx(0.83 * 3.0 / 2.0)


def test_what_the_loan_to_value_forbids_is_cut(small: Callable[..., Scenario]) -> None:
    leverage, _ = standing(borrowed(small, {"leverage": 20.0, "attention": 0.0, "alarm": 0.0}))
    assert leverage == pytest.approx(1.0 / (1.0 - 0.98 * 0.8))


FALL = {"kind": "price_jump", "asset": "eth", "size": -0.15, "block": 3}


def test_it_repays_from_its_wallet_first(small: Callable[..., Scenario]) -> None:
    market = borrowed(small, {"wallet": {"usdc": 1e5, "eth": 100.0}}, shocks=[FALL]).run(5)
    assert market.receipts()["kind"].astype(str).tolist() == ["repay"]
    assert standing(market)[1] > 1.15


def test_then_it_adds_collateral(small: Callable[..., Scenario]) -> None:
    market = borrowed(small, {"wallet": {"eth": 100.0}}, shocks=[FALL]).run(5)
    assert market.receipts()["kind"].astype(str).tolist() == ["deposit"]
    assert standing(market)[1] > 1.15


def test_then_it_sells_collateral(small: Callable[..., Scenario]) -> None:
    market = borrowed(small, {"patience": 1}, shocks=[FALL])
    before = market.ledger.balance("eth-usdc", "eth")
    market.run(30)
    kinds = market.receipts()["kind"].astype(str).tolist()
    assert kinds[:3] == ["withdraw", "swap", "repay"]
    assert market.ledger.balance("eth-usdc", "eth") > before
    assert standing(market)[1] > 1.15


def test_who_does_not_look_does_nothing(small: Callable[..., Scenario]) -> None:
    group = {"attention": 0.0, "alarm": 0.0, "wallet": {"usdc": 1e5}}
    assert borrowed(small, group, shocks=[FALL]).run(10).receipts().empty


def test_rising_prices_make_it_loop_up(small: Callable[..., Scenario]) -> None:
    jump = FALL | {"size": 0.5}
    market = borrowed(small, {"patience": 1, "step": 1.0, "band": 0.1}, shocks=[jump]).run(30)
    frame = market.receipts()
    assert frame["kind"].astype(str).tolist()[:3] == ["borrow", "swap", "deposit"]
    assert standing(market)[0] == pytest.approx(3.0, rel=0.12)


def test_volatility_shrinks_the_target() -> None:
    assert target_leverage(3.0, 0.5, 1.0) == 3.0
    assert target_leverage(3.0, 0.5, 3.0) == pytest.approx(2.0)
    assert target_leverage(3.0, 0.5, 0.2) == 3.0


@given(
    collateral=st.floats(1.0, 1e6),
    ratio=st.floats(0.1, 0.95),
    health=st.floats(1.05, 2.0),
)
def test_the_repayment_reaches_the_health_it_aims_at(
    collateral: float, ratio: float, health: float
) -> None:
    debt, threshold = ratio * collateral, 0.83
    x = repayment_to_health(collateral, threshold, debt, health)
    if collateral * threshold >= health * debt:  # healthy enough already
        assert x == 0.0
    else:  # with less debt than collateral there always is a way
        assert 0.0 <= x < debt
        assert (collateral - x) * threshold / (debt - x) == pytest.approx(health)


def test_a_purchase_that_the_venue_cannot_fill_is_told(lively: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError, match=r"agents\.borrowers\.equity: buys .* raise venue"):
        Market(lively(agents={"borrowers": {"equity": 1e18}}), rng=1)


def test_collateral_without_a_price_is_told(lively: Callable[..., Scenario]) -> None:
    share = {"tokens": ["eth-usdc-share", "usdc"], "reserves": {"eth-usdc-share": 1.0, "usdc": 1.0}}
    oracles = {"eth": {"source": "pool_spot", "pool": "eth-usdc", "quote": "far"}}
    # Three oracles on top of each other: the first has not heard of the last at the start.
    far = {"token": "usdc", "source": "pool_spot", "pool": "top", "quote": "farther"}
    farther = {"token": "eth-usdc-share", "source": "pool_spot", "pool": "top", "quote": "farthest"}
    farthest = {"token": "usdc", "source": "fixed", "price": 1.0}
    oracles |= {"far": far, "farther": farther, "farthest": farthest}
    with pytest.raises(ScenarioError, match="no price at the start, oracle eth says 0"):
        Market(lively(oracles=oracles, pools={"top": share}), rng=1)
