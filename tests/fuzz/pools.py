"""A kind of pool of somebody's own, for random markets: it says its price and swap, and no more."""

from __future__ import annotations

import math

import numpy as np

from protocols.curve import Curve
from protocols.handles import CurvedPool
from sim.compiled import inner
from sim.registry import Column


@inner
def price(books, pool, i, o):  # type: ignore[no-untyped-def]
    """(y / x) ** (1 - q)."""
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return np.nan
    return (y / x) ** (1.0 - pool.parameters[0])


@inner
def priced(books, pool, i, o, amount):  # type: ignore[no-untyped-def]
    """What keeps x ** q + y ** q."""
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return 0.0, 0.0, 0.0
    q, paid = pool.parameters[0], amount * (1.0 - pool.fee)
    # y - (x^q + y^q - (x + paid)^q)^(1/q), written so that a small trade keeps its digits.
    taken = (x / y) ** q * math.expm1(q * math.log1p(paid / x))
    if taken >= 1.0:
        return 0.0, 0.0, 0.0
    return -y * math.expm1(math.log1p(-taken) / q), amount * pool.fee, 0.0


class PowerPool(CurvedPool):
    """A pool of two tokens with x ** q + y ** q = k, as docs/new_pool.md has it."""

    kind = "tests.fuzz.pools:PowerPool"
    curve = Curve(price=price, priced=priced)
    parameters = {"q": Column("Exponent", "", default=0.5, low=0.05, high=0.3)}  # noqa: RUF012
