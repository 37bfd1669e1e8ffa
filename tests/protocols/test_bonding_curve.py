"""A bonding curve, against the integral of its price."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from protocols.bonding_curve import (
    issued,
    ratio_for_power,
    redeemed,
    reserve_for,
    spot_price,
)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_issuance_costs_the_integral_of_the_price(power: float) -> None:
    supply, scale = 1000.0, 2.0 / 1000.0**power
    ratio = ratio_for_power(power)
    reserve = scale * supply ** (power + 1.0) / (power + 1.0)  # of all issued so far
    assert spot_price(supply, reserve, ratio) == pytest.approx(2.0)
    assert reserve_for(supply, 2.0, ratio) == pytest.approx(reserve)
    tokens = issued(supply, reserve, ratio, 500.0, 0.0)
    cost, _ = quad(lambda s: scale * s**power, supply, supply + tokens)
    assert cost == pytest.approx(500.0)
    back, _ = quad(lambda s: scale * s**power, supply - 100.0, supply)
    assert redeemed(supply, reserve, ratio, 100.0, 0.0) == pytest.approx(back)


def test_small_amounts_keep_their_digits() -> None:
    with localcontext() as context:
        context.prec = 60
        amount, ratio = 1e-6, 0.3
        grown = (1 + Decimal(amount) / 500_000_000) ** Decimal(ratio) - 1
        right = float(1_000_000_000 * grown)
    assert issued(1e9, 5e8, ratio, amount, 0.0) == pytest.approx(right, rel=1e-13)


@given(
    st.floats(1e-3, 1e9), st.floats(1e-3, 1e9), st.floats(0.01, 1.0), st.floats(1e-9, 1e3),
    st.floats(0.0, 0.1),
)  # fmt: skip
def test_no_way_there_and_back_pays(
    supply: float, reserve: float, ratio: float, share: float, fee: float
) -> None:
    amount = reserve * share
    tokens = issued(supply, reserve, ratio, amount, fee)
    back = redeemed(supply + tokens, reserve + amount, ratio, tokens, fee)
    # What the fee left behind is in the reserve: those who stay gain, who goes does not.
    assert back <= amount * (1.0 + 1e-9)
    if fee == 0.0:
        assert back == pytest.approx(amount, rel=1e-6)


def test_the_last_token_takes_the_reserve_and_never_more() -> None:
    assert redeemed(10.0, 70.0, 0.5, 10.0, 0.0) == 70.0
    assert redeemed(10.0, 70.0, 0.5, 11.0, 0.1) == pytest.approx(63.0)
    assert redeemed(10.0, 70.0, 0.5, 10.0 - 1e-12, 0.0) <= 70.0
    assert issued(10.0, 70.0, 0.5, 0.0, 0.0) == 0.0


def test_the_price_after_a_purchase_is_the_one_that_the_curve_says() -> None:
    tokens = issued(1000.0, 500.0, 0.5, 60.0, 0.0)
    after = spot_price(1000.0 + tokens, 560.0, 0.5)
    before = spot_price(1000.0, 500.0, 0.5)
    assert after / before == pytest.approx((1.0 + tokens / 1000.0) ** (1.0 / 0.5 - 1.0))
    assert math.isfinite(after)
