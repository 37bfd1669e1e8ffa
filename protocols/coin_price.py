"""What a coin that is borrowed is worth: its price where most of it trades."""

from __future__ import annotations

import numpy as np

from protocols import amm
from protocols.pool import position
from sim.compiled import inner


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
        at = position(pool, token)
        held = w.books.balances[pool.account, token]
        if at < 0 or not held > most:
            continue
        other = 0 if at > 0 else 1
        worth = w.values[pool.tokens[other]]
        price = amm.spot_price(w.books, pool, at, other) * worth
        if worth > 0.0 and 0.0 < price < np.inf:
            found, most = price, held
    return found
