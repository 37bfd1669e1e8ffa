"""Weighted pools, against their value function to sixty digits."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import constant_product
from protocols.weighted import (
    amount_in,
    amount_out,
    arbitrage,
    impermanent_loss,
    invariant,
    loss_at_market,
    loss_versus_rebalancing,
    one_for_shares,
    shares_for,
    shares_for_one,
    spot_price,
    weights_at,
)
from tests.reference import decimals


def draws(count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray, random.Random]]:
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        n = rng.choice([2, 3, 4, 8])
        b = np.array([10.0 ** rng.uniform(0.0, 9.0) for _ in range(n)])
        w = np.array([rng.uniform(0.02, 1.0) for _ in range(n)])
        found.append((b, w / w.sum(), rng))
    return found


def test_swaps_are_the_formula_to_sixty_digits() -> None:
    worst = 0.0
    for b, w, rng in draws(2000, 1):
        amount = float(b[0]) * 10.0 ** rng.uniform(-12.0, 2.0)
        terms = (float(b[0]), float(w[0]), float(b[1]), float(w[1]), amount, 0.003)
        worst = max(worst, abs(amount_out(*terms) / decimals.weighted_out(*terms) - 1.0))
    assert worst < 1e-13


def test_entries_and_exits_are_the_formula_to_sixty_digits() -> None:
    worst = 0.0
    for b, w, rng in draws(1000, 2):
        supply = 10.0 ** rng.uniform(0.0, 8.0)
        amounts = np.array([float(v) * 10.0 ** rng.uniform(-9.0, 1.0) for v in b])
        amounts[rng.randrange(b.size)] = 0.0
        got = shares_for(b, w, amounts, supply, 0.003)
        right = decimals.weighted_shares(list(b), list(w), list(amounts), supply, 0.003)
        worst = max(worst, abs(got / right - 1.0))
        shares = supply * 10.0 ** rng.uniform(-9.0, -0.1)
        terms = (float(b[0]), float(w[0]), shares, supply, 0.003)
        worst = max(worst, abs(one_for_shares(*terms) / decimals.weighted_one(*terms) - 1.0))
    assert worst < 1e-12


def test_equal_weights_are_a_constant_product() -> None:
    for amount in (1e-6, 1.0, 1e4):
        ours = amount_out(1000.0, 0.5, 2e6, 0.5, amount, 0.003)
        assert ours == pytest.approx(constant_product.amount_out(1000.0, 2e6, amount, 0.003))
    for price in (1900.0, 2000.0, 2100.0):
        assert arbitrage(1000.0, 0.5, 2e6, 0.5, price, 0.003) == pytest.approx(
            constant_product.arbitrage(1000.0, 2e6, price, 0.003)
        )


@given(st.floats(0.02, 0.98), st.floats(0.2, 5.0), st.floats(0.0, 0.05), st.floats(1.0, 1e6))
def test_arbitrage_ends_where_the_price_after_the_fee_is_the_outside_one(
    w: float, move: float, fee: float, base: float
) -> None:
    quote = 2000.0 * base * (1.0 - w) / w
    price = 2000.0 * move
    base_in, quote_in = arbitrage(base, w, quote, 1.0 - w, price, fee)
    g = 1.0 - fee
    assert min(base_in, quote_in) == 0.0
    if quote_in > 0.0:
        got = amount_out(quote, 1.0 - w, base, w, quote_in, fee)
        # What is paid in counts with its fee, which stays in the pool but not in the curve.
        after = spot_price(base - got, w, quote + g * quote_in, 1.0 - w)
        assert after == pytest.approx(g * price, rel=1e-9)
    elif base_in > 0.0:
        got = amount_out(base, w, quote, 1.0 - w, base_in, fee)
        after = spot_price(base + g * base_in, w, quote - got, 1.0 - w)
        assert after == pytest.approx(price / g, rel=1e-9)
    else:
        assert g - 1e-12 <= move <= 1.0 / g + 1e-12


def test_no_other_size_of_arbitrage_pays_more() -> None:
    base, w, quote, price, fee = 1000.0, 0.8, 5e5, 2300.0, 0.003
    _, best = arbitrage(base, w, quote, 1.0 - w, price, fee)

    def profit(paid: float) -> float:
        return price * amount_out(quote, 1.0 - w, base, w, paid, fee) - paid

    assert best > 0.0
    assert all(profit(best) >= profit(best * k) for k in (0.5, 0.9, 0.999, 1.001, 1.1, 2.0))


@given(r=st.floats(0.01, 100.0), m=st.floats(0.01, 100.0), w=st.floats(0.05, 0.95))
def test_the_loss_at_a_market_price_is_that_of_the_balances(r: float, m: float, w: float) -> None:
    """Of a pool of one unit of each value: balances w r^(w - 1) and (1 - w) r^w, valued at m."""
    first, second = w * r ** (w - 1.0), (1.0 - w) * r**w
    # They lie on the invariant, at the price r.
    assert (first / w) ** w * (second / (1.0 - w)) ** (1.0 - w) == pytest.approx(1.0)
    assert spot_price(first, w, second, 1.0 - w) == pytest.approx(r)
    want = (m * first + second) / (m * w + 1.0 - w) - 1.0
    assert loss_at_market(r, m, w) == pytest.approx(want, abs=1e-12)
    assert loss_at_market(m, m, w) == pytest.approx(impermanent_loss(m, w), abs=1e-12)
    assert loss_at_market(r, m, w) >= impermanent_loss(m, w) - 1e-12  # the least is at the market's
    if w == 0.5:
        even = (m / math.sqrt(r) + math.sqrt(r)) / (1.0 + m) - 1.0
        assert loss_at_market(r, m, w) == pytest.approx(even, abs=1e-12)


def test_impermanent_loss_and_loss_versus_rebalancing() -> None:
    assert impermanent_loss(2.0, 0.5) == pytest.approx(-0.057191, abs=5e-7)
    assert impermanent_loss(2.0, 0.8) == pytest.approx(-0.032722, abs=5e-7)
    assert impermanent_loss(1.0, 0.3) == pytest.approx(0.0, abs=1e-15)
    assert loss_versus_rebalancing(0.05, 0.5) == pytest.approx(3.125e-4)
    assert loss_versus_rebalancing(0.05, 0.8) == pytest.approx(0.05**2 * 0.08)


def test_amount_in_undoes_amount_out() -> None:
    for b, w, rng in draws(300, 3):
        out = float(b[1]) * 10.0 ** rng.uniform(-9.0, -0.01)
        paid = amount_in(b[0], w[0], b[1], w[1], out, 0.01)
        if math.isfinite(paid):
            assert amount_out(b[0], w[0], b[1], w[1], paid, 0.01) == pytest.approx(out, rel=1e-9)
    assert amount_in(1.0, 0.5, 1.0, 0.5, 1.0, 0.0) == math.inf


def test_one_token_or_all_of_them() -> None:
    b, w = np.array([100.0, 50.0, 10.0]), np.array([0.5, 0.3, 0.2])
    assert shares_for(b, w, 0.1 * b, 70.0, 0.01) == pytest.approx(7.0, rel=1e-12)
    # With no fee a single-sided entry is the same by either road.
    one = shares_for(b, w, np.array([10.0, 0.0, 0.0]), 70.0, 0.0)
    assert shares_for_one(100.0, 0.5, 10.0, 70.0, 0.0) == pytest.approx(one, rel=1e-12)
    assert one_for_shares(100.0, 0.5, 70.0, 70.0, 0.0) == 0.0
    assert one_for_shares(100.0, 1.0, 70.0, 70.0, 0.0) == 100.0


@given(st.floats(0.02, 0.98), st.floats(1e-9, 10.0), st.floats(0.0, 0.1))
def test_no_entry_and_exit_pays(w: float, share: float, fee: float) -> None:
    amount = 100.0 * share
    shares = shares_for_one(100.0, w, amount, 1.0, fee)
    back = one_for_shares(100.0 + amount, w, shares, 1.0 + shares, fee)
    assert back <= amount * (1.0 + 1e-9)


@given(st.floats(0.02, 0.98), st.floats(1e-9, 10.0))
def test_a_swap_keeps_the_value_function(w: float, share: float) -> None:
    b, weights = np.array([100.0, 7.0]), np.array([w, 1.0 - w])
    out = amount_out(100.0, w, 7.0, 1.0 - w, 100.0 * share, 0.0)
    after = b + np.array([100.0 * share, -out])
    if after[1] > 1e-5:
        assert invariant(after, weights) == pytest.approx(invariant(b, weights), rel=1e-9)
    assert invariant(np.array([0.0, 1.0]), weights) == 0.0


def test_weights_move_along_a_line_and_sum_to_one() -> None:
    out = np.zeros(2)
    first, last = np.array([0.9, 0.1]), np.array([0.5, 0.5])
    for block, share in ((0, 0.9), (10, 0.9), (15, 0.7), (20, 0.5), (99, 0.5)):
        weights_at(block, first, last, 10, 20, out)
        assert out == pytest.approx([share, 1.0 - share])
    weights_at(5, np.array([3.0, 1.0]), last, 0, 0, out)
    assert out.tolist() == [0.75, 0.25]
