"""Momentum traders: they buy what has risen and sell what has fallen, or the reverse.

The trend is an exponential average of a pool's log returns, as the trend followers of
Chiarella, Iori, Perello (2009) and Brock, Hommes (1998) see it, over its own deviation.
Beyond a threshold each trades in proportion to it; a negative `follows` fades it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from agents.base import Behaviour, Column
from agents.targets import PoolsOrRoutes, Targets
from agents.tools import trade_pool
from protocols import amm
from sim.compiled import inner
from sim.randomness import agent_uniform


@inner
def decide(w, me):
    """Update what each sees of the trend, and trade on it."""
    for i in range(me.size):
        my = me.rows[i]
        pool = w.pools[me.places[int(my.pool) % me.places.size]]
        price = amm.spot_price(w.books, pool, 0, pool.size - 1)
        if not price > 0.0:
            continue
        now = math.log(price)
        if my.last == 0.0:
            my.last = now
            continue
        change = now - my.last
        my.last = now
        weight = 1.0 / my.span
        my.trend += weight * (change - my.trend)
        my.variance += weight * (change * change - my.variance)
        if agent_uniform(me.key, i, 0) >= my.attention or my.variance <= 0.0:
            continue
        # The average of n independent returns has 1 / (2 n) of their variance.
        signal = my.trend / math.sqrt(0.5 * weight * my.variance)
        if abs(signal) < my.threshold:
            continue
        strength = min(abs(signal), 4.0)
        place = me.places[int(my.pool) % me.places.size]
        buys = signal * my.follows > 0.0
        money = my.size * strength * abs(my.follows)
        trade_pool(w, me.first + i, me.ident, place, buys, money, my.slippage, my.bid)


class MomentumTrader(Behaviour):
    """Trades with or against the trend of a pool's price."""

    columns: ClassVar[Mapping[str, Column]] = {
        "attention": Column("Chance per block that it checks the market", "share", 0.02, 0.0, 1.0),
        "span": Column("Time over which it measures the trend", "blocks", 100.0, 2.0),
        "threshold": Column("Trend at which it trades", "standard deviations", 1.0, 0.0),
        "size": Column("Size of a swap per standard deviation of trend", "numeraire", 1000.0, 0.0),
        "follows": Column("1: with the trend, -1: against it", "multiple", 1.0, -10.0, 10.0),
        "slippage": Column("Slippage tolerance, relative to the quote", "share", 0.02, 0.0, 1.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.1, 0.0),
        "pool": Column("Which of its pools it watches", "number", 0.0, 0.0),
        "last": Column("Last observed log price", "log", 0.0, state=True),
        "trend": Column("Estimated mean return", "log a block", 0.0, state=True),
        "variance": Column("Estimated variance of returns", "a block", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = PoolsOrRoutes
    needs_wallet: ClassVar[bool] = True
    decide = staticmethod(decide)
