"""What coins that hold a peg have in common: their price in a pool, how far off it is, how long.

A coin is worth what a pool gives for it. Agents read two numbers of each such protocol, `price`
and `backing` of its `state`, as they stood at the end of the last block (`agents.coin_holder`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from protocols import amm
from protocols.interface import Protocol, add, read, write
from protocols.pool import position
from sim.compiled import inner, kernel

PEG_STATE: Mapping[str, str] = {
    "price": "Price of the coin in its pool as the last block ended, numeraire",
    "backing": "What stands behind a coin, at market prices",
    "gap": "Distance of that price from one",
    "cross": "Sum of products of that distance in two blocks, one after the other",
    "square": "Sum of squares of the earlier of those",
}
"""State of every kind that holds a peg; it begins with what agents read."""


@inner
def price_in_pool(w, place, token):
    """Price of a token in a pool, numeraire; NaN where the pool is empty or does not hold it.

    It is read against the numeraire where the pool holds that, else against the first other token.
    """
    pool = w.pools[place]
    i, o = position(pool, token), -1
    if i < 0:
        return np.nan
    for k in range(pool.size):
        if k != i and (o < 0 or pool.tokens[k] == w.rules[0].numeraire):
            o = k
    price = amm.spot_price(w.books, pool, i, o)
    if pool.tokens[o] == w.rules[0].numeraire:
        return price
    return price * w.values[pool.tokens[o]]


@inner
def coin_price(w, me):
    """Price of a protocol's coin in the pool that it names as its market."""
    return price_in_pool(w, me.market, me.coin)


@inner
def off_books(w, token, said):
    """How far what is out of a token is from what its issuer's books say, over the most ever."""
    return abs(w.books.supply[token] - said) / max(w.books.most[token], 1.0)


@inner
def price_in_pools(w, token, otherwise):
    """A token's price in the pool that holds most of it, numeraire.

    Args:
        token: Column.
        otherwise: Price where no pool has one, or what it trades against is worth nothing.
    """
    found, most = otherwise, 0.0
    for p in range(w.pools.size):
        pool = w.pools[p]
        held = w.books.balances[pool.account, token]
        if position(pool, token) < 0 or not held > most:
            continue
        price = price_in_pool(w, p, token)
        if 0.0 < price < np.inf:
            found, most = price, held
    return found


@inner
def note_peg(w, me, price, backing):
    """Note price and backing as a block ends, and what says how fast a distance from one goes."""
    if not 0.0 <= price < np.inf:
        price = read(w, me.price)
    if not 0.0 <= backing < np.inf:
        backing = 0.0
    before, now = read(w, me.gap), price - 1.0
    add(w, me.cross, before * now)
    add(w, me.square, before * before)
    write(w, me.gap, now)
    write(w, me.price, price)
    write(w, me.backing, backing)


@kernel
def half_life_of(cross, square):
    """Blocks in which half of a distance from the peg goes: ln 2 / -ln rho.

    rho is the coefficient of a distance on the one of a block before, without a constant (an
    autoregression of order one, least squares): cross / square.

    Args:
        cross: Sum of products of distances in two blocks, one after the other.
        square: Sum of squares of the earlier ones.

    Returns:
        Blocks; infinite where it does not go, 0 where it is gone within a block.
    """
    if not square > 0.0:
        return 0.0
    rho = cross / square
    if rho >= 1.0:
        return np.inf
    return math.log(2.0) / -math.log(rho) if rho > 0.0 else 0.0


@inner
def half_life(w, me):
    """Measure: blocks in which half of a distance from the peg has gone so far."""
    return half_life_of(read(w, me.cross), read(w, me.square))


def begin_peg(protocol: Protocol, backing: float) -> None:
    """Note what agents see before the first block.

    Args:
        protocol: With a token ``coin``.
        backing: What stands behind a coin.
    """
    price = protocol.market.price(protocol.token("coin"))
    protocol.put("price", price if 0.0 < price < math.inf else 1.0)
    protocol.put("gap", protocol.value("price") - 1.0)
    protocol.put("backing", backing if 0.0 <= backing < math.inf else 0.0)
