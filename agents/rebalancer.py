"""Rebalancing bots: a portfolio with a target, and a band around it.

Each holds a pool's two outer tokens and keeps the first at a share of their value. When
it has drifted out of the band it trades back to the target: the constant mix of Perold,
Sharpe, "Dynamic strategies for asset allocation" (1988), which sells what has risen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from agents.base import Behaviour, Column
from agents.targets import PoolsOrRoutes, Targets
from agents.tools import trade_pool
from sim.clock import look, lookers
from sim.compiled import inner
from sim.measures import market_price


@inner
def decide(w, me):
    """Trade back to the target where the share has left its band."""
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if look(me, i, 0) >= my.attention:
            continue
        place = me.places[i % me.places.size]
        pool = w.pools[place]
        base, quote = pool.tokens[0], pool.tokens[pool.size - 1]
        account = me.first + i
        risky = w.books.balances[account, base] * market_price(w, base)
        worth = risky + w.books.balances[account, quote] * market_price(w, quote)
        if worth <= 0.0:
            continue
        gap = my.target - risky / worth
        if abs(gap) > my.band:
            money = abs(gap) * worth
            trade_pool(w, account, me.ident, place, gap > 0.0, money, my.slippage, my.bid)


class Rebalancer(Behaviour):
    """Keeps a token at a fixed share of its portfolio."""

    columns: ClassVar[Mapping[str, Column]] = {
        "attention": Column("Chance per block that it checks the market", "share", 0.02, 0.0, 1.0),
        "target": Column("Target share of the pool's first token", "share", 0.5, 0.0, 1.0),
        "band": Column("Tolerated deviation from the target", "share", 0.05, 0.0, 1.0),
        "slippage": Column("Slippage tolerance, relative to the quote", "share", 0.01, 0.0, 1.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.1, 0.0),
    }
    targets: ClassVar[type[Targets]] = PoolsOrRoutes
    needs_wallet: ClassVar[bool] = True
    decide = staticmethod(decide)
