"""Yield migrants: liquidity that moves to where the fees are.

All see the fee yield of each of their pools: fees over value, as an exponential average.
At a review each compares its own pool's with the best and moves everything if the
difference, over its horizon, is more than gas and the cost of trading into the other
pool's proportion (migration as in Lehar, Parlour, Zoican, "Fragmentation and optimal
liquidity supply on decentralized exchanges", 2022; Augustin, Chen-Zhang, Shin, 2022).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from agents.base import Behaviour, Column
from agents.intents import THEN, Order, buy_shares, return_shares
from agents.liquidity_provider import begin_with_shares
from agents.targets import Pools, Targets
from agents.tools import gas_cost, going_bid, refuel, trade_towards
from sim import venue
from sim.codes import ALL, Kind
from sim.compiled import inner
from sim.measures import market_price

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market

MOST_POOLS = 32


@inner
def pool_value(w, pool):
    """Value of a pool's reserves at the venue's prices."""
    total = 0.0
    for k in range(pool.size):
        token = pool.tokens[k]
        total += w.books.balances[pool.account, token] * market_price(w, token)
    return total


@inner
def _see_yields(w, me, weight):
    fees, yields = me.memory.fees, me.memory.yields
    for k in range(me.places.size):
        pool = w.pools[me.places[k]]
        value = pool_value(w, pool)
        now = (pool.fees - fees[k]) / value if value > 0.0 else 0.0
        fees[k] = pool.fees
        yields[k] += weight * (now - yields[k])


@inner
def _place_of(me, p):
    for k in range(me.places.size):
        if me.places[k] == p:
            return k
    return 0


@inner
def _move(w, me, i, my, old, new):
    """Take everything out of one pool and put it into another, in one transaction."""
    chain = w.chain[0]
    rules = w.rules[0]
    account = me.first + i
    here, there = w.pools[old], w.pools[new]
    gas = rules.gas_cost[Kind.REMOVE_LIQUIDITY] + rules.gas_cost[Kind.ADD_LIQUIDITY]
    if not refuel(w, account, me.ident, gas):
        return
    order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
    part = w.books.balances[account, here.share] / w.books.supply[here.share]
    value = part * pool_value(w, here)
    target = pool_value(w, there)
    if not (value > 0.0 and target > 0.0):
        return
    grow = value * (1.0 - my.friction) / target
    if not return_shares(w, order, old, ALL):
        return
    # First what is sold, so that there is money for what is bought.
    for buying in range(2):
        for side in range(2):
            pool = here if side == 0 else there
            for k in range(pool.size):
                token = pool.tokens[k]
                have, want, seen = 0.0, 0.0, False
                for j in range(here.size):
                    if here.tokens[j] == token:
                        have = part * w.books.balances[here.account, token] * (1.0 - 1e-9)
                        seen = side == 1
                for j in range(there.size):
                    if there.tokens[j] == token:
                        want = grow * w.books.balances[there.account, token]
                if not seen and (want > have) == (buying == 1):
                    trade_towards(w, order, True, token, have, want)
    buy_shares(w, THEN, new, grow * w.books.supply[there.share] * (1.0 - 1e-9))
    my.busy = chain.block + order.patience


@inner
def decide(w, me):
    """Look at yields, and move where that pays."""
    chain = w.chain[0]
    rules = w.rules[0]
    if me.size == 0:
        return
    _see_yields(w, me, 1.0 - math.exp(-1.0 / me.rows[0].memory))
    yields = me.memory.yields
    year = venue.YEAR / rules.seconds
    best, most = -1, -np.inf
    for k in range(me.places.size):
        if yields[k] > most and not w.pools[me.places[k]].halted:
            best, most = k, yields[k]
    gas = rules.gas_cost[Kind.REMOVE_LIQUIDITY] + rules.gas_cost[Kind.ADD_LIQUIDITY]
    for i in range(me.size):
        my = me.rows[i]
        if chain.block < my.busy or chain.block < my.next:
            continue
        my.next = chain.block + int(my.review)
        old = int(my.pool)
        account = me.first + i
        if not w.books.balances[account, w.pools[old].share] > 0.0:
            for k in range(me.places.size):  # it has moved since
                if w.books.balances[account, w.pools[me.places[k]].share] > 0.0:
                    my.pool = float(me.places[k])
                    my.moves += 1.0
            old = int(my.pool)
        here = w.pools[old]
        held = w.books.balances[account, here.share]
        if best < 0 or me.places[best] == old or not (held > 0.0 and rules.interconnected):
            continue
        value = held / w.books.supply[here.share] * pool_value(w, here)
        more = most - yields[_place_of(me, old)]
        cost = gas_cost(w, gas, chain.gas_price) + my.friction * value
        if more * year > my.hurdle and more * my.horizon * value > cost:
            _move(w, me, i, my, old, me.places[best])


class YieldMigrant(Behaviour):
    """Provides liquidity to the pool that pays the most fees."""

    columns: ClassVar[Mapping[str, Column]] = {
        "stake": Column("What it puts in", "numeraire", 100_000.0, 0.0),
        "review": Column("Time between two reviews", "blocks", 300.0, 1.0),
        "horizon": Column("Time over which a move must pay", "blocks", 50_000.0, 1.0),
        "friction": Column("Part lost to trading on the way", "share", 0.003, 0.0, 0.5),
        "hurdle": Column("Yield that it wants beyond its own pool's", "per year", 0.02, 0.0),
        "memory": Column("Time over which yields are seen (of the first)", "blocks", 1000.0, 1.0),
        "patience": Column("Time after which an order lapses", "blocks", 10.0, 1.0, 10_000.0),
        "bid": Column("Gas bid over the going price", "multiple", 1.2, 0.0),
        "pool": Column("Its pool", "number", 0.0, state=True),
        "next": Column("Block of its next review", "block", 0.0, state=True),
        "busy": Column("Block until which it waits", "block", 0.0, state=True),
        "moves": Column("How often it has moved", "times", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = Pools
    pool_kinds: ClassVar[frozenset[str]] = frozenset({"constant_product", "weighted", "stableswap"})
    remembers: ClassVar[Mapping[str, Column]] = {
        "fees": Column("Fees of each pool so far", "numeraire", count=MOST_POOLS),
        "yields": Column("Yield of each, as it is seen", "a block", count=MOST_POOLS),
    }
    without: ClassVar[Mapping[str, Mapping[str, float]]] = {"providers_leave": {"next": math.inf}}
    decide = staticmethod(decide)

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Take the stakes over from the outside holders of the pools' shares.

        Raises:
            ScenarioError: If the stakes exceed what outside holders have of a pool.
        """
        super().begin(market, cohort)
        begin_with_shares(market, cohort)
