"""What the results say of pools."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from protocols import amm
from sim.compiled import inner
from sim.measures import Measure
from sim.registry import register_measures

if TYPE_CHECKING:
    from sim.market import Market


class Pool(IntEnum):
    """What is measured of a pool."""

    PRICE = 0
    MISPRICING = 1
    IMBALANCE = 2
    VALUE = 3
    DEPTH = 4
    SLIPPAGE = 5
    VOLUME = 6
    FEES = 7
    IMPERMANENT_LOSS = 8
    RETURN = 9
    LVR = 10
    FEE = 11
    FEE_YIELD = 12
    EFFICIENCY = 13
    HALTS = 14
    SHARE = 15


class Pools(IntEnum):
    """What is measured of all pools together."""

    PRICE = 0
    DISPERSION = 1
    MISPRICING = 2
    VALUE = 3
    VOLUME = 4


@inner
def _imbalance(w, pool):
    """Against the weights that the pool is made to have: even ones, but for weighted pools.

    Of two tokens with a sign, of more the spread between the most and the least held.
    """
    low, high, first = np.inf, -np.inf, 0.0
    for i in range(pool.size):
        token = pool.tokens[i]
        u = w.books.balances[pool.account, token] * w.values[token] / pool.weights[i]
        if i == 0:
            first = u
        low, high = min(low, u), max(high, u)
    if not high + low > 0.0 or not pool.balanced:
        return np.nan
    spread = (high - low) / (high + low)
    return -spread if pool.size == 2 and first < high else spread


@inner
def _mispricing(w, pool):
    """Price over the venue's less one; of more than two tokens the one furthest off."""
    last = pool.size - 1
    worst = 0.0
    if not pool.balanced:
        return np.nan
    for i in range(last):
        price = amm.spot_price(w.books, pool, i, last)
        off = price / (w.values[pool.tokens[i]] / w.values[pool.tokens[last]]) - 1.0
        if not abs(off) <= abs(worst):
            worst = off
    return worst


@inner
def pool_measure(w, n):
    """Measures of a pool; `c` is a trade in the numeraire, or a fall; `b` a token's place."""
    pool, code = w.pools[w.measures[n].a], w.measures[n].code
    b, c = w.measures[n].b, w.measures[n].c
    last = pool.size - 1
    base = pool.tokens[0]
    price = amm.spot_price(w.books, pool, 0, last)
    if code == Pool.PRICE:
        return price
    if code == Pool.MISPRICING:
        return _mispricing(w, pool)
    if code == Pool.IMBALANCE:
        return _imbalance(w, pool)
    if code == Pool.VALUE:
        return amm.worth(w.books, pool, w.values)
    if code == Pool.DEPTH:  # base that must be sold for the spot price to fall
        return amm.depth(w.books, pool, c) * w.values[base]
    if code == Pool.SLIPPAGE:
        if not (price > 0.0 and w.values[base] > 0.0):
            return np.nan
        amount = c / w.values[base]
        return 1.0 - amm.quote(w.books, pool, 0, last, amount) / (amount * price)
    if code == Pool.VOLUME:
        return pool.volume
    if code == Pool.FEES:
        return pool.fees
    if code == Pool.IMPERMANENT_LOSS:
        return amm.impermanent_loss(w.books, pool, w.values)
    if code == Pool.LVR:
        return pool.fees - pool.markout
    if code == Pool.FEE:
        return pool.fee
    if code == Pool.HALTS:
        return float(pool.halts)
    if code == Pool.SHARE:
        worth = amm.worth(w.books, pool, w.values)
        held = w.books.balances[pool.account, pool.tokens[b]] * w.values[pool.tokens[b]]
        return held / worth if worth > 0.0 else np.nan
    if code == Pool.RETURN:
        return amm.provider_result(w.books, pool, w.values)
    days = w.rules[0].seconds / 86_400.0
    if code == Pool.FEE_YIELD:
        return pool.fees / pool.value_sum / days * 365.25 if pool.value_sum > 0.0 else np.nan
    return pool.volume / pool.value_sum / days if pool.value_sum > 0.0 else np.nan  # efficiency


@inner
def concentration(w, n):
    """Sum of the squared shares of who provides: 1 if it is one, 1 / n of n alike."""
    pool = w.pools[w.measures[n].a]
    total, squares = 0.0, 0.0
    if pool.ranges:
        held = np.zeros(w.books.balances.shape[0])
        for k in range(amm.claims(w.books, pool)):
            owner, first, second = amm.claim(w.books, pool, k)
            if owner >= 0:
                worth = first * w.values[pool.tokens[0]] + second * w.values[pool.tokens[1]]
                held[owner] += worth
        for account in range(held.size):
            total += held[account]
            squares += held[account] * held[account]
    else:
        for account in range(w.books.balances.shape[0]):
            shares = w.books.balances[account, pool.share]
            total += shares
            squares += shares * shares
    return squares / (total * total) if total > 0.0 else np.nan


@inner
def pools_measure(w, n):
    """One measure over all pools that quote in the numeraire (values: over all)."""
    numeraire, code = w.rules[0].numeraire, w.measures[n].code
    lowest, highest, total, gap, count = np.inf, -np.inf, 0.0, 0.0, 0
    for p in range(w.pools.size):
        pool = w.pools[p]
        if code == Pools.VALUE:
            total += amm.worth(w.books, pool, w.values)
        elif code == Pools.VOLUME:
            total += pool.volume
        elif pool.size == 2 and pool.tokens[1] == numeraire and pool.balanced:
            price = amm.spot_price(w.books, pool, 0, 1)
            lowest, highest = min(lowest, price), max(highest, price)
            gap = max(gap, abs(price / w.values[pool.tokens[0]] - 1.0))
            total += price
            count += 1
    if code == Pools.DISPERSION:
        return highest - lowest if count > 0 else np.nan
    if code == Pools.MISPRICING:
        return gap
    if code == Pools.PRICE:
        return total / count if count > 0 else np.nan
    return total


_OF_POOL = (
    ("price", Pool.PRICE, "quote per base"),
    ("mispricing", Pool.MISPRICING, "share"),
    ("imbalance", Pool.IMBALANCE, "share"),
    ("value", Pool.VALUE, "numeraire"),
    ("volume", Pool.VOLUME, "numeraire, since the start"),
    ("fees", Pool.FEES, "numeraire, since the start"),
    ("impermanent_loss", Pool.IMPERMANENT_LOSS, "share"),
    ("provider_return", Pool.RETURN, "share, against holding"),
    ("loss_versus_rebalancing", Pool.LVR, "numeraire, since the start"),
    ("fee", Pool.FEE, "share"),
    ("fee_yield", Pool.FEE_YIELD, "per year, since the start"),
    ("efficiency", Pool.EFFICIENCY, "volume over value locked, per day, since the start"),
    ("halts", Pool.HALTS, "since the start"),
)
DEPTHS = (("depth", 0.01), ("depth_2", 0.02), ("depth_5", 0.05), ("depth_10", 0.10))
"""Falls of the price whose sale is measured."""
SIZES = (("slippage", 1.0), ("slippage_10x", 10.0), ("slippage_100x", 100.0))
"""Multiples of the standard trade whose slippage is measured."""
_OF_POOLS = (
    ("price", Pools.PRICE, "numeraire"),
    ("dispersion", Pools.DISPERSION, "numeraire"),
    ("mispricing", Pools.MISPRICING, "share"),
    ("value", Pools.VALUE, "numeraire"),
    ("volume", Pools.VOLUME, "numeraire, since the start"),
)


def _measures(market: Market, trade_size: float) -> list[Measure]:
    found = []
    for p, name in enumerate(market.pools):
        for what, code, unit in _OF_POOL:
            found.append(Measure(f"pool.{name}.{what}", pool_measure, code, p, unit=unit))
        full, unit = f"pool.{name}.concentration", "Herfindahl index of providers"
        found.append(Measure(full, concentration, a=p, unit=unit, costly=True))
        for what, fall in DEPTHS:
            full, unit = f"pool.{name}.{what}", f"numeraire, for a fall of {fall:.0%}"
            found.append(Measure(full, pool_measure, Pool.DEPTH, p, c=fall, unit=unit))
        for what, times in SIZES:
            full = f"pool.{name}.{what}"
            unit = f"share, of {times:g} x `measures.trade_size`"
            size = trade_size * times
            found.append(Measure(full, pool_measure, Pool.SLIPPAGE, p, c=size, unit=unit))
        pool = market.pools[name]
        if len(pool.tokens) > 2:
            for i, token in enumerate(pool.tokens):
                full, unit = f"pool.{name}.{token}.share", "share of its value"
                found.append(Measure(full, pool_measure, Pool.SHARE, p, i, unit=unit))
    if market.pools:
        for what, every, unit in _OF_POOLS:
            found.append(Measure(f"pools.{what}", pools_measure, every, unit=unit))
    return found


register_measures(30, _measures)
