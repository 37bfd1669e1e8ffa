"""StableSwap, against its invariant to sixty digits and Curve's contracts."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.stableswap import (
    amount_out,
    amplification_at,
    dynamic_fee,
    exchange,
    invariant,
    one_for_shares,
    shares_for,
    spot_price,
)
from tests.reference import decimals

Draw = tuple[np.ndarray, float, int, int, random.Random]


def draws(count: int, seed: int) -> list[Draw]:
    """Pools of two to five tokens, from balanced to hopeless."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        n = rng.choice([2, 2, 3, 4, 5])
        size = 10.0 ** rng.uniform(2.0, 9.0)
        x = np.array([size * 10.0 ** rng.uniform(-1.5, 1.5) for _ in range(n)])
        i, j = rng.sample(range(n), 2)
        found.append((x, rng.choice([1.0, 10.0, 50.0, 100.0, 2000.0]), i, j, rng))
    return found


@pytest.mark.parametrize(("share", "spot"), [(0.683, 0.9812), (0.784, 0.9542), (0.7572, 0.9643)])
def test_spot_prices_of_the_steth_pool_in_may_and_june_2022(share: float, spot: float) -> None:
    balances = np.array([share, 1.0 - share])
    assert spot_price(balances, 50.0, 0, 1) == pytest.approx(spot, abs=5e-5)


def test_the_steth_pool_follows_the_market_on_recorded_days(shared_data) -> None:
    days = pd.read_csv(shared_data("curve_steth_daily.csv"))
    spots = [spot_price(np.array([row.stETH, row.ETH]), 50.0, 0, 1) for row in days.itertuples()]
    assert len(spots) > 250
    assert 0.93 < min(spots) < 0.98  # the days of June 2022
    assert max(spots) < 1.01
    assert np.median(spots) == pytest.approx(1.0, abs=0.01)


def test_an_amplification_is_as_in_the_contracts() -> None:
    # Ann = A n: with A n^n the price of the same pool would be nearer to one.
    balances = np.array([0.784, 0.216])
    assert spot_price(balances, 50.0, 0, 1) < 0.96 < spot_price(balances, 100.0, 0, 1)


def test_swaps_are_the_invariant_to_sixty_digits() -> None:
    worst = 0.0
    for x, a, i, j, rng in draws(1000, 1):
        amount = float(x[i]) * 10.0 ** rng.uniform(-10.0, 1.0)
        fee, m = rng.choice([0.0, 4e-4]), rng.choice([1.0, 5.0])
        got = exchange(x, a, i, j, amount, fee, m)[0]
        worst = max(worst, abs(got / decimals.stable_out(list(x), a, i, j, amount, fee, m) - 1.0))
    assert worst < 1e-13


def test_entries_are_the_invariant_to_sixty_digits() -> None:
    worst = 0.0
    for x, a, _, _, rng in draws(1000, 2):
        amounts = np.array(
            [float(v) * 10.0 ** rng.uniform(-8.0, 0.5) * rng.choice([0, 1, 1]) for v in x]
        )
        if not amounts.any():
            continue
        supply, m = 10.0 ** rng.uniform(0.0, 8.0), rng.choice([1.0, 5.0])
        got = shares_for(x, a, amounts, supply, 4e-4, m)
        right = decimals.stable_shares(list(x), a, list(amounts), supply, 4e-4, m)
        worst = max(worst, abs(got / right - 1.0))
    assert worst < 1e-11


def test_exits_into_one_token_are_the_invariant_to_sixty_digits() -> None:
    worst = 0.0
    for x, a, _, j, rng in draws(1000, 3):
        supply, m = 10.0 ** rng.uniform(0.0, 8.0), rng.choice([1.0, 5.0])
        shares = supply * 10.0 ** rng.uniform(-8.0, -0.1)
        got = one_for_shares(x, a, shares, supply, j, 4e-4, m)
        right = decimals.stable_one(list(x), a, shares, supply, j, 4e-4, m)
        worst = max(worst, abs(got / right - 1.0))
    assert worst < 1e-11


def test_a_swap_leaves_the_invariant() -> None:
    for x, a, i, j, rng in draws(200, 4):
        before = invariant(x, a)
        amount = float(x[i]) * rng.random()
        after = x.copy()
        after[i] += amount
        after[j] -= amount_out(x, a, i, j, amount, 0.0)
        assert invariant(after, a) == pytest.approx(before, rel=1e-13)


def test_a_proportional_entry_pays_no_fee() -> None:
    x = np.array([100.0, 300.0, 50.0])
    assert shares_for(x, 80.0, 0.25 * x, 1000.0, 4e-4, 1.0) == pytest.approx(250.0, rel=1e-12)
    assert shares_for(x, 80.0, np.array([9.0, 0.0, 0.0]), 0.0, 4e-4, 1.0) == invariant(
        x + np.array([9.0, 0.0, 0.0]), 80.0
    )


def test_spot_is_the_price_of_a_tiny_swap() -> None:
    for x, a, i, j, _ in draws(200, 6):
        tiny = float(x[i]) * 1e-9
        assert amount_out(x, a, i, j, tiny, 0.0) / tiny == pytest.approx(
            spot_price(x, a, i, j), rel=1e-6
        )


def test_a_fee_that_grows_with_imbalance() -> None:
    assert dynamic_fee(100.0, 100.0, 1e-3, 5.0) == pytest.approx(1e-3)
    assert dynamic_fee(1e9, 1.0, 1e-3, 5.0) == pytest.approx(5e-3, rel=1e-6)
    assert dynamic_fee(3.0, 1.0, 1e-3, 1.0) == 1e-3


def test_an_amplification_ramps_along_a_line() -> None:
    found = [amplification_at(b, 100.0, 200.0, 10, 20) for b in (0, 10, 15, 20, 99)]
    assert found == [100.0, 100.0, 150.0, 200.0, 200.0]
    assert amplification_at(5, 100.0, 200.0, 0, 0) == 100.0


amounts = st.floats(1e-3, 1e3)


@given(st.lists(st.floats(1.0, 1e6), min_size=2, max_size=5), st.floats(1.0, 5000.0), amounts)
def test_no_round_trip_pays(x: list[float], a: float, amount: float) -> None:
    before = np.array(x)
    out = amount_out(before, a, 0, 1, amount, 0.0)
    assert 0.0 <= out < before[1]
    after = before.copy()
    after[0] += amount
    after[1] -= out
    if after[1] > 0.0:
        assert amount_out(after, a, 1, 0, out, 0.0) <= amount * (1.0 + 1e-9)


@given(
    st.lists(st.floats(1.0, 1e6), min_size=2, max_size=4),
    st.floats(1.0, 5000.0),
    st.floats(1e-6, 10.0),
    st.booleans(),
)
def test_no_entry_and_exit_pays(x: list[float], a: float, share: float, dynamic: bool) -> None:
    before = np.array(x)
    m = 4.0 if dynamic else 1.0
    given = np.zeros(before.size)
    given[0] = share * before[0]
    shares = shares_for(before, a, given, 1e6, 4e-4, m)
    back = one_for_shares(before + given, a, shares, 1e6 + shares, 0, 4e-4, m)
    assert back <= given[0] * (1.0 + 1e-9)


def test_an_empty_or_drained_pool_gives_nothing() -> None:
    assert invariant(np.array([0.0, 5.0]), 10.0) == 0.0
    x = np.array([5.0, 5.0])
    assert amount_out(x, 10.0, 0, 1, 1e12, 0.0) <= 5.0
    assert one_for_shares(x, 10.0, 7.0, 7.0, 0, 0.0, 1.0) == 0.0
