"""Constant product against its closed forms (Angeris et al. 2019; VALIDATION 1-5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import MarketAgent
from protocols.constant_product import (
    amount_in,
    amount_out,
    arbitrage,
    cycle,
    impermanent_loss,
    split,
)
from sim import Market, Scenario

RESERVE = st.floats(1.0, 1e9)
AMOUNT = st.floats(1e-6, 1e9)
FEE = st.floats(0.0, 0.1)


def test_the_stated_swap() -> None:
    assert amount_out(1000.0, 2e6, 10.0, 0.003) == pytest.approx(19743.160687941225, rel=1e-15)


@given(x=RESERVE, y=RESERVE, s=st.floats(1e-6, 10.0))
def test_a_sale_without_fee_slips_by_its_share(x: float, y: float, s: float) -> None:
    out = amount_out(x, y, s * x, 0.0)
    assert out / (s * x) / (y / x) == pytest.approx(1.0 / (1.0 + s))
    assert ((y - out) / (x + s * x)) / (y / x) == pytest.approx((1.0 + s) ** -2)


@given(x=RESERVE, y=RESERVE, share=st.floats(1e-9, 1e6), fee=FEE)
def test_the_product_never_falls_and_the_pool_is_never_emptied(
    x: float, y: float, share: float, fee: float
) -> None:
    d = share * x
    out = amount_out(x, y, d, fee)
    assert 0.0 <= out <= y
    # y - out cancels: its rounding is that of y.
    assert (x + d) * (y - out) >= x * y * (1.0 - 1e-15 * (2.0 + share))


@given(x=RESERVE, y=RESERVE, d=AMOUNT, fee=FEE)
def test_a_round_trip_is_no_free_lunch(x: float, y: float, d: float, fee: float) -> None:
    out = amount_out(x, y, d, fee)
    back = amount_out(y - out, x + d, out, fee)
    assert back <= d * (1.0 + 1e-9) + 1e-9 * x


@given(x=RESERVE, y=RESERVE, share=st.floats(1e-6, 0.9), fee=FEE)
def test_amount_in_inverts_amount_out(x: float, y: float, share: float, fee: float) -> None:
    need = amount_in(x, y, share * y, fee)
    assert amount_out(x, y, need, fee) == pytest.approx(share * y, rel=1e-9)
    assert amount_in(x, y, y, fee) == math.inf


def test_the_stated_arbitrages() -> None:
    g, x, y = 0.997, 1000.0, 2e6
    base_in, quote_in = arbitrage(x, y, 2100.0, 0.003)
    assert (base_in, quote_in) == (0.0, pytest.approx(46453.1183, abs=5e-5))
    profit = amount_out(y, x, quote_in, 0.003) * 2100.0 - quote_in
    assert profit == pytest.approx(1075.7093, abs=5e-5)
    assert profit == pytest.approx(x * 2100.0 * (1.0 - math.sqrt(y / (g * x * 2100.0))) ** 2)
    base_in, quote_in = arbitrage(x, y, 1900.0, 0.003)
    assert (base_in, quote_in) == (pytest.approx(24.511764, abs=5e-7), 0.0)
    profit = amount_out(x, y, base_in, 0.003) - base_in * 1900.0
    assert profit == pytest.approx(1138.1458, abs=5e-5)


@given(x=RESERVE, y=RESERVE, fee=FEE, ratio=st.floats(0.5, 2.0))
def test_no_other_size_earns_more(x: float, y: float, fee: float, ratio: float) -> None:
    price = y / x * ratio
    base_in, quote_in = arbitrage(x, y, price, fee)
    assert min(base_in, quote_in) == 0.0
    g = 1.0 - fee
    if g * y / x <= price <= y / (g * x):
        assert max(base_in, quote_in) <= 1e-9 * max(x, y)
    for factor in (0.9, 1.1):
        if quote_in > 0.0:
            earn = [amount_out(y, x, q, fee) * price - q for q in (quote_in, factor * quote_in)]
        else:
            earn = [amount_out(x, y, b, fee) - b * price for b in (base_in, factor * base_in)]
        assert earn[0] >= earn[1] - 1e-9 * abs(earn[1]) - 1e-9 * y


def test_the_stated_cycle() -> None:
    amount, profit = cycle([(2e6, 1000.0, 0.003), (500.0, 1.03e6, 0.003)])
    assert amount == pytest.approx(7935.9582, abs=5e-5)
    assert profit == pytest.approx(93.9974, abs=5e-5)
    assert cycle([(2e6, 1000.0, 0.003), (500.0, 1.0e6, 0.003)]) == (0.0, 0.0)
    with pytest.raises(ValueError, match="at least one"):
        cycle([])


def test_the_stated_split() -> None:
    x, y, g = [1000.0, 400.0, 250.0], [2e6, 810e3, 495e3], [0.997, 0.9995, 0.99]
    fees = [1.0 - v for v in g]
    parts = split(x, y, fees, 50.0)
    assert parts == pytest.approx([29.7596, 14.9611, 5.2793], abs=5e-5)
    out = sum(amount_out(*pool, d, f) for *pool, d, f in zip(x, y, parts, fees, strict=True))
    assert out == pytest.approx(96957.1337, abs=5e-5)
    with pytest.raises(ValueError, match="amount must be"):
        split(x, y, fees, -1.0)


@given(
    pools=st.lists(
        st.tuples(st.floats(10.0, 1e4), st.floats(0.5, 2.0), FEE), min_size=2, max_size=3
    ),
    amount=st.floats(0.1, 1e4),
)
def test_a_split_beats_every_grid_alternative(
    pools: list[tuple[float, float, float]], amount: float
) -> None:
    x = np.array([p[0] for p in pools])
    y = x * np.array([p[1] for p in pools])
    fees = np.array([p[2] for p in pools])
    parts = split(x, y, fees, amount)
    assert parts.sum() == pytest.approx(amount)
    assert (parts >= 0.0).all()

    def out(d: np.ndarray) -> float:
        return sum(amount_out(x[i], y[i], d[i], fees[i]) for i in range(x.size))

    best = out(parts)
    steps = np.linspace(0.0, 1.0, 11)
    for shares in product(steps, repeat=x.size - 1):
        if sum(shares) <= 1.0:
            grid = np.array([*shares, 1.0 - sum(shares)]) * amount
            assert best >= out(grid) - 1e-9 * best


def test_the_stated_impermanent_losses() -> None:
    assert impermanent_loss(2.0) == pytest.approx(-0.0571909584, abs=1e-9)
    assert impermanent_loss(1.0) == 0.0


@given(r=st.floats(1e-3, 1e3))
def test_impermanent_loss_is_a_loss_and_symmetric(r: float) -> None:
    assert impermanent_loss(r) <= 1e-15
    assert impermanent_loss(r) == pytest.approx(impermanent_loss(1.0 / r), abs=1e-12)


class Idle(MarketAgent):
    pass


@given(
    amounts=st.lists(
        st.tuples(st.sampled_from(["eth", "usdc", "add", "remove"]), st.floats(1e-3, 0.9)),
        max_size=12,
    )
)
def test_a_pool_is_never_worth_less_per_share(
    small: Callable[..., Scenario], amounts: list[tuple[str, float]]
) -> None:
    """However it is used, sqrt(x y) per share never falls: nobody drains it."""
    market = Market(small(), rng=1)
    ann = Idle(market, {"eth": 1e4, "usdc": 2e7}, "ann")
    pool = market.pools["eth-usdc"]

    def worth() -> float:
        return math.sqrt(math.prod(pool.reserves.values())) / market.ledger.supply(pool.share)

    before = worth()
    for kind, part in amounts:
        if kind == "add":
            ann.add_liquidity("eth-usdc", {t: part * ann.wallet.get(t, 0.0) for t in pool.tokens})
        elif kind == "remove":
            ann.remove_liquidity("eth-usdc", part * ann.wallet.get(pool.share, 0.0))
        else:
            ann.swap("eth-usdc", kind, part * ann.wallet.get(kind, 0.0))
        market.run(1)
        assert worth() >= before * (1.0 - 1e-12)
        before = worth()
    market.ledger.audit()


def test_the_protocols_part_of_the_fee_goes_to_the_treasury(
    small: Callable[..., Scenario],
) -> None:
    market = Market(small(pools={"eth-usdc": {"protocol_fee": 0.25}}), rng=1)
    Idle(market, {"eth": 10.0}, "ann").swap("eth-usdc", "eth", 10.0)
    market.run(1)
    assert market.ledger.balance("treasury", "eth") == pytest.approx(10.0 * 0.003 * 0.25)
    assert market.pools["eth-usdc"].fees == pytest.approx({"eth": 0.03, "usdc": 0.0})
    assert market.pools["eth-usdc"].volume == {"eth": 10.0, "usdc": 0.0}
