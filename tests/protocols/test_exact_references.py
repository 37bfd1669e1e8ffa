"""Ten thousand random swaps, deposits and exits per kind beside exact references.

StableSwap's is curvesim's, in test_stableswap. Here: constant product and concentrated
liquidity in integers, weighted pools and bonding curves in decimals.
"""

from __future__ import annotations

import math
import random
from decimal import Decimal, localcontext

import numpy as np
import pytest

from protocols import amm, bonding_curve, concentrated, weighted
from sim import Market
from sim.codes import Reason
from sim.ledger import begin
from tests.protocols.test_amm import setup
from tests.protocols.test_concentrated import Bench
from tests.reference.integers import PIPS, Q96, PairPool, TickPool, root_at

STEPS = 10_000
UNIT = 10**30
"""Integers of a token unit: so many that their rounding is far below a float's."""


def close(got: float, want: float, scale: float = 0.0) -> float:
    """Relative difference; `scale` is what a difference is small beside at the least."""
    return abs(got - want) / max(abs(want), scale, 1e-300)


def test_constant_product_beside_integers() -> None:
    market = Market(setup("constant_product"), rng=1)
    pool, ledger = market.world.pools[0], market.ledger
    who = ledger.open_account("who")
    for token in ("eth", "usdc"):
        ledger.mint(who, token, 1e15)
    books = ledger.books
    exact = PairPool(1000 * UNIT, 2_000_000 * UNIT, 3000)
    tokens = [int(t) for t in pool["tokens"][:2]]
    rng = random.Random(5)
    worst = 0.0
    for _ in range(STEPS):
        begin(books)
        what = rng.random()
        if what < 0.6:
            i = rng.randrange(2)
            held = float(books.balances[pool["account"], tokens[i]])
            amount = held * 10.0 ** rng.uniform(-9.0, -0.5)
            reason, out = amm.swap(books, pool, who, tokens[i], tokens[1 - i], amount, 0.0)
            want = exact.swap(i, round(Decimal(amount) * UNIT))
        elif what < 0.8:
            part = 10.0 ** rng.uniform(-6.0, -1.0)
            given = [part * float(books.balances[pool["account"], t]) for t in tokens]
            given[rng.randrange(2)] *= 1.3  # of one there is too much
            reason, out = amm.add(books, pool, who, *tokens, *given, 0.0, 0, 0)
            want = exact.add(*(round(Decimal(a) * UNIT) for a in given))
        else:
            share = int(pool["share"])
            shares = float(books.balances[who, share]) * rng.uniform(0.1, 0.9)
            if shares <= 0.0:
                continue
            reason, out = amm.remove(books, pool, who, share, shares, 0.0, 0, 0)
            want = exact.remove(round(Decimal(shares) * UNIT))[1]
        assert reason == Reason.DONE
        worst = max(worst, close(out, want / UNIT))
    assert worst < 1e-9
    held = [float(books.balances[pool["account"], t]) for t in tokens]
    assert held == pytest.approx([r / UNIT for r in exact.reserves], rel=1e-9)


def test_concentrated_liquidity_beside_integers() -> None:
    """Swaps across hundreds of ticks in both directions, with positions coming and going."""
    spacing, fee = 60, 0.003
    bench = Bench(1.0, fee, spacing, capacity=64)
    exact = TickPool(Q96, 0, round(fee * PIPS))
    rng = random.Random(11)
    open_ones: dict[tuple[int, int, int], float] = {}
    scale = 10**24
    worst = worst_price = worst_fee = 0.0
    crossed = 0

    def add(owner: int, lower: int, upper: int, liquidity: float) -> None:
        reason, first, second = bench.do("add", owner, lower, upper, liquidity)
        assert reason == Reason.DONE
        want = exact.change(owner, lower, upper, round(Decimal(liquidity) * scale))
        nonlocal worst
        for got, amount in zip((first, second), want, strict=True):
            # An end of a range that the price is at has a grain of one token.
            worst = max(worst, close(got, amount / scale, 1e-6 * liquidity))
        key = (owner, lower, upper)
        open_ones[key] = open_ones.get(key, 0.0) + liquidity

    add(2, -60_000, 60_000, 1e6)
    for step in range(STEPS):
        what = rng.random()
        if what < 0.75:
            down = rng.random() < 0.5
            if abs(exact.tick) > 12_000:  # back to the middle
                down = exact.tick > 0
            amount = 10.0 ** rng.uniform(-2.0, 6.0)
            before = exact.tick
            reason, out = bench.do("swap", 3, 1 - int(down), int(down), amount, 0.0)
            assert reason == Reason.DONE
            got = exact.swap(down, round(Decimal(amount) * scale))
            crossed += before != exact.tick
            worst = max(worst, close(out, got / scale))
        elif what < 0.88 and len(open_ones) < 40:
            middle = round(2.0 * math.log(exact.root / Q96) / math.log(1.0001) / spacing) * spacing
            lower = middle + spacing * rng.randrange(-60, 40)
            upper = lower + spacing * rng.randrange(1, 60)
            add(rng.choice([2, 3, 4]), lower, upper, 10.0 ** rng.uniform(3.0, 7.0))
        elif open_ones:
            key = rng.choice(list(open_ones))
            part = rng.choice([1.0, 0.5])
            if key == (2, -60_000, 60_000):
                continue
            liquidity = open_ones[key] * part
            reason, first, second = bench.do("remove", *key, liquidity)
            assert reason == Reason.DONE
            delta = round(Decimal(liquidity) * scale)
            if part == 1.0:
                delta = exact.held[key].liquidity
            worth = exact.change(*key, -delta)
            fees = exact.collect(*key)
            for got, amount, fee_part in zip((first, second), worth, fees, strict=True):
                want = (amount + fee_part) / scale
                worst_fee = max(worst_fee, close(got, want, 1e-6 * liquidity))
            if part == 1.0:
                del open_ones[key]
            else:
                open_ones[key] -= liquidity
        price = bench.state(concentrated.SQRT_PRICE)
        worst_price = max(worst_price, close(price, exact.root / Q96))
        if step % 100 == 0:
            assert bench.state(concentrated.LIQUIDITY) == pytest.approx(
                exact.liquidity / scale, rel=1e-9
            )
    assert crossed > 1000
    assert worst < 1e-9
    assert worst_fee < 1e-9
    assert worst_price < 1e-9
    assert root_at(0) == Q96
    bench.ledger.audit()


def test_weighted_pools_beside_decimals() -> None:
    weights = [Decimal("0.5"), Decimal("0.3"), Decimal("0.2")]
    floats = np.array([0.5, 0.3, 0.2])
    balances = np.array([1e6, 2e3, 5e8])
    supply = float(weighted.invariant(balances, floats))
    fee = 0.0025
    rng = random.Random(7)
    worst = 0.0
    with localcontext() as context:
        context.prec = 40
        exact = [Decimal(b) for b in balances]
        total = Decimal(supply)
        for _ in range(STEPS):
            what = rng.random()
            f = Decimal(fee)
            i, o = rng.sample(range(3), 2)
            if what < 0.5:
                amount = float(balances[i]) * 10.0 ** rng.uniform(-9.0, -0.6)
                out = weighted.amount_out(
                    balances[i], floats[i], balances[o], floats[o], amount, fee
                )
                paid = Decimal(amount) * (1 - f)
                ratio = (exact[i] / (exact[i] + paid)) ** (weights[i] / weights[o])
                want = exact[o] * (1 - ratio)
                balances[i] += amount
                balances[o] -= out
                exact[i] += Decimal(amount)
                exact[o] -= want
            elif what < 0.75:
                amount = float(balances[i]) * 10.0 ** rng.uniform(-9.0, -0.6)
                out = weighted.shares_for_one(balances[i], floats[i], amount, supply, fee)
                paid = Decimal(amount) * (1 - (1 - weights[i]) * f)
                want = total * ((1 + paid / exact[i]) ** weights[i] - 1)
                balances[i] += amount
                exact[i] += Decimal(amount)
                supply += out
                total += want
            else:
                shares = supply * 10.0 ** rng.uniform(-9.0, -1.0)
                out = weighted.one_for_shares(balances[i], floats[i], shares, supply, fee)
                gross = exact[i] * (1 - (1 - Decimal(shares) / total) ** (1 / weights[i]))
                want = gross * (1 - (1 - weights[i]) * f)
                balances[i] -= out
                exact[i] -= want
                supply -= shares
                total -= Decimal(shares)
            worst = max(worst, close(out, float(want)))
        assert balances == pytest.approx([float(b) for b in exact], rel=1e-9)
    assert worst < 1e-9


def test_bonding_curves_beside_decimals() -> None:
    supply, reserve, ratio, fee = 1e6, 5e5, 0.35, 0.01
    rng = random.Random(3)
    worst = 0.0
    with localcontext() as context:
        context.prec = 40
        s, r = Decimal(supply), Decimal(reserve)
        f, g = Decimal(ratio), 1 - Decimal(fee)
        for step in range(STEPS):
            if step % 50 == 0:  # a curve this steep blows any difference up
                s, r = Decimal(supply), Decimal(reserve)
            if rng.random() < 0.5:
                amount = reserve * 10.0 ** rng.uniform(-9.0, -0.5)
                out = bonding_curve.issued(supply, reserve, ratio, amount, fee)
                want = s * ((1 + g * Decimal(amount) / r) ** f - 1)
                supply += out
                reserve += amount
                s += want
                r += Decimal(amount)
            else:
                amount = supply * 10.0 ** rng.uniform(-9.0, -0.5)
                out = bonding_curve.redeemed(supply, reserve, ratio, amount, fee)
                want = r * (1 - (1 - Decimal(amount) / s) ** (1 / f)) * g
                supply -= amount
                reserve -= out
                s -= Decimal(amount)
                r -= want
            worst = max(worst, close(out, float(want)))
    assert worst < 1e-9
