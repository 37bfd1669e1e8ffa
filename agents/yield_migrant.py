"""Yield migrants: liquidity that moves to where it earns.

All see the fee yield of each of their pools: fees over value, as an exponential average over
`memory`, and by the same average its loss-versus-rebalancing: of a block, half the squared log
return of its tokens' relative price outside times the exposure of its curve to it (Milionis,
Moallemi, Roughgarden, Zhang 2022, theorem 1), which is the realised variance over 8 for a
constant product. `loss_weight` of it is taken off the fees: 0 goes by fees alone.

At a review each compares its own pool's yield with the best and moves everything if the
difference, over its horizon, is more than gas and the cost of trading into the other
pool's proportion (migration as in Lehar, Parlour, Zoican, "Fragmentation and optimal
liquidity supply on decentralized exchanges", 2022; Augustin, Chen-Zhang, Shin, 2022).
It is slow to come: `hurdle` is what it wants beyond its own pool's yield, or beyond nothing while
it is out, and at some reviews it does not care to (`stickiness`). It is quick to go: it looks in
every block whether its pool loses more than its `tolerance`, takes all out then, sells it for the
numeraire and waits for a pool that passes the hurdle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from agents.base import Behaviour, Column
from agents.intents import OUTSIDE, THEN, Order, buy_shares, return_shares, trade
from agents.liquidity_provider import begin_with_shares
from agents.targets import Pools, Targets
from agents.tools import gas_cost, going_bid, quote_at, refuel, trade_towards
from protocols import amm
from protocols.pool import CONSTANT_PRODUCT, position
from sim.codes import ALL, Kind
from sim.compiled import inner
from sim.measures import market_price
from sim.randomness import agent_uniform
from sim.units import YEAR

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market

MOST_POOLS = 32
MOST_TOKENS = 8
SLACK = 0.005
"""Share of a price by which a trade outside may come out worse than it: its spread and impact."""


@inner
def pool_value(w, pool):
    """Value of a pool's reserves at the venue's prices."""
    total = 0.0
    for k in range(pool.size):
        token = pool.tokens[k]
        total += w.books.balances[pool.account, token] * market_price(w, token)
    return total


@inner
def _lost(w, me, k, value):
    """Loss-versus-rebalancing of the k-th pool in the last block, a share of its value.

    Half the variance of the tokens' returns about their mean, each by its part of the value: of
    a geometric mean of tokens, which a weighted pool is, that is exact for any number of them.
    Of two tokens it is half the squared return of their relative price by the product of their
    parts, for which other curves have an exposure of their own.
    """
    pool, prices = w.pools[me.places[k]], me.memory.prices
    mean = square = 0.0
    apart = 1.0
    seen = value > 0.0
    for t in range(pool.size):
        token, at = pool.tokens[t], k * MOST_TOKENS + t
        price = market_price(w, token)
        if price > 0.0 and prices[at] > 0.0 and seen:
            share = w.books.balances[pool.account, token] * price / value
            change = math.log(price / prices[at])
            mean += share * change
            square += share * change * change
            apart *= share
        else:
            seen = False
        prices[at] = price
    if not seen:
        return 0.0
    lost = 0.5 * max(square - mean * mean, 0.0)
    if pool.kind != CONSTANT_PRODUCT and pool.size == 2 and apart > 0.0:
        exposure = amm.exposure_to_price(w.books, pool)
        if exposure >= 0.0:
            lost *= exposure / apart
    return lost


@inner
def _see_yields(w, me, weight):
    fees, yields, losses = me.memory.fees, me.memory.yields, me.memory.losses
    weighs = False
    for i in range(me.size):
        weighs |= me.rows[i].loss_weight > 0.0
    for k in range(me.places.size):
        pool = w.pools[me.places[k]]
        value = pool_value(w, pool)
        now = (pool.fees - fees[k]) / value if value > 0.0 else 0.0
        fees[k] = pool.fees
        yields[k] += weight * (now - yields[k])
        if weighs:
            losses[k] += weight * (_lost(w, me, k, value) - losses[k])


@inner
def _net(me, my, k):
    """What a pool earns as an agent sees it, a block: a share of what is put in."""
    return me.memory.yields[k] - my.loss_weight * me.memory.losses[k]


@inner
def _have_and_want(w, here, there, token, part, grow):
    """Units of a token that come out of one pool, and that go into the other."""
    have, want = 0.0, 0.0
    if position(here, token) >= 0:
        have = part * w.books.balances[here.account, token] * (1.0 - 1e-9)
    if position(there, token) >= 0:
        want = grow * w.books.balances[there.account, token]
    return have, want


@inner
def _affordable(w, account, here, there, part, grow):
    """Part of a pool's reserves that what comes out of another will pay for.

    Args:
        here: The pool that is left.
        there: The one that is entered.
        part: Of the first that is the agent's.
        grow: Part of the other that it would have.

    Returns:
        `grow`, or as much less as money is lacking for what has to be bought.
    """
    numeraire = w.rules[0].numeraire
    money = w.books.balances[account, numeraire]
    for side in range(2):
        pool = here if side == 0 else there
        for k in range(pool.size):
            token = pool.tokens[k]
            if side == 1 and position(here, token) >= 0:
                continue
            have, want = _have_and_want(w, here, there, token, part, grow)
            if token == numeraire:
                money += have - want
            elif have > want:
                sold = quote_at(w, OUTSIDE, token, numeraire, have - want)
                money += min(sold, (have - want) * market_price(w, token)) * (1.0 - SLACK)
            else:
                money -= (want - have) * market_price(w, token) * (1.0 + SLACK)
    if money < 0.0:  # a unit less of the pool saves its value at least, less that slack
        grow += money / (pool_value(w, there) * (1.0 - SLACK))
    return max(grow, 0.0)


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
    grow = _affordable(w, account, here, there, part, value * (1.0 - my.friction) / target)
    if not grow > 0.0:
        return
    if not return_shares(w, order, old, ALL):
        return
    # First what is sold, so that there is money for what is bought.
    for buying in range(2):
        for side in range(2):
            pool = here if side == 0 else there
            for k in range(pool.size):
                token = pool.tokens[k]
                if side == 1 and position(here, token) >= 0:
                    continue
                have, want = _have_and_want(w, here, there, token, part, grow)
                if (want > have) == (buying == 1):
                    trade_towards(w, order, True, token, have, want)
    buy_shares(w, THEN, new, grow * w.books.supply[there.share] * (1.0 - 1e-9))
    my.busy = chain.block + order.patience


@inner
def _go_out(w, me, i, my, old):
    """Take everything out of a pool and sell it for the numeraire, in one transaction."""
    chain, rules = w.chain[0], w.rules[0]
    account, here = me.first + i, w.pools[old]
    gas = rules.gas_cost[Kind.REMOVE_LIQUIDITY]
    if not refuel(w, account, me.ident, gas):
        return
    order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
    part = w.books.balances[account, here.share] / w.books.supply[here.share]
    if not return_shares(w, order, old, ALL):
        return
    for k in range(here.size):
        token = here.tokens[k]
        if token != rules.numeraire:  # what comes out is known only then: a little less, for sure
            out = part * w.books.balances[here.account, token] * (1.0 - SLACK)
            trade(w, THEN, OUTSIDE, token, rules.numeraire, out, 0.0)
    my.busy = chain.block + order.patience
    my.out = 1.0
    my.next = chain.block + my.review


@inner
def _come_in(w, me, i, my, new):
    """Buy shares of a pool for the stake that was taken out, in one transaction."""
    chain, rules = w.chain[0], w.rules[0]
    account, there = me.first + i, w.pools[new]
    gas = rules.gas_cost[Kind.ADD_LIQUIDITY]
    if not refuel(w, account, me.ident, gas):
        return
    target = pool_value(w, there)
    cash = min(my.stake, w.books.balances[account, rules.numeraire])
    if not (cash > 0.0 and target > 0.0):
        return
    grow = cash * (1.0 - max(my.friction, SLACK)) / (1.0 + SLACK) / target
    order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
    began = False
    for k in range(there.size):
        want = grow * w.books.balances[there.account, there.tokens[k]]
        began = trade_towards(w, order, began, there.tokens[k], 0.0, want)
    last = THEN if began else order
    buy_shares(w, last, new, grow * w.books.supply[there.share] * (1.0 - 1e-9))
    my.busy = chain.block + order.patience


@inner
def _is_out(w, me, i, my):
    """Find the pool that an agent has shares of, and note a move; whether there is none."""
    account, old = me.first + i, int(my.pool)
    if w.books.balances[account, w.pools[old].share] > 0.0:
        my.out = 0.0
        return False
    for k in range(me.places.size):  # it has moved since
        if w.books.balances[account, w.pools[me.places[k]].share] > 0.0:
            my.pool = float(me.places[k])
            my.moves += 1.0
            my.out = 0.0
    return not w.books.balances[account, w.pools[int(my.pool)].share] > 0.0


@inner
def _best(w, me, my):
    """The pool that earns most as an agent sees it, -1 if none is open, and what it earns."""
    best, most = -1, -np.inf
    for k in range(me.places.size):
        earned = _net(me, my, k)
        if earned > most and not w.pools[me.places[k]].halted:
            best, most = k, earned
    return best, most


@inner
def decide(w, me):
    """Look at yields, move where that pays, and go out of what loses."""
    chain = w.chain[0]
    rules = w.rules[0]
    if me.size == 0:
        return
    _see_yields(w, me, 1.0 - math.exp(-1.0 / me.rows[0].memory))
    year = YEAR / rules.seconds
    gas = rules.gas_cost[Kind.REMOVE_LIQUIDITY] + rules.gas_cost[Kind.ADD_LIQUIDITY]
    for i in range(me.size):
        my = me.rows[i]
        if chain.block < my.busy or my.next == np.inf:
            continue
        account = me.first + i
        if my.tolerance < np.inf and not _is_out(w, me, i, my):
            k = _place_of(me, int(my.pool))
            if _net(me, my, k) * year < -my.tolerance and not w.pools[me.places[k]].halted:
                _go_out(w, me, i, my, int(my.pool))
                continue
        if chain.block < my.next:
            continue
        my.next = chain.block + int(my.review)
        if my.stickiness > 0.0 and agent_uniform(me.key, i, 0) < my.stickiness:
            continue
        nowhere = _is_out(w, me, i, my)
        best, most = _best(w, me, my)
        if best < 0 or not rules.interconnected:
            continue
        cost = gas_cost(w, gas, chain.gas_price)
        if nowhere:
            cash = min(my.stake, w.books.balances[account, rules.numeraire])
            cost += my.friction * cash
            pays = most * my.horizon * cash > cost
            if my.out == 1.0 and most * year > my.hurdle and pays:
                _come_in(w, me, i, my, me.places[best])
            continue
        old = int(my.pool)
        if me.places[best] == old:
            continue
        here = w.pools[old]
        value = w.books.balances[account, here.share] / w.books.supply[here.share]
        value *= pool_value(w, here)
        more = most - _net(me, my, _place_of(me, old))
        cost += my.friction * value
        if more * year > my.hurdle and more * my.horizon * value > cost:
            _move(w, me, i, my, old, me.places[best])


class YieldMigrant(Behaviour):
    """Moves its liquidity to the pool with the highest yield."""

    columns: ClassVar[Mapping[str, Column]] = {
        "stake": Column("Initial stake", "numeraire", 100_000.0, 0.0),
        "review": Column("Time between reviews", "blocks", 300.0, 1.0),
        "horizon": Column("Time in which a move must pay off", "blocks", 50_000.0, 1.0),
        "friction": Column("Cost of moving, as a share of the amount", "share", 0.003, 0.0, 0.5),
        "hurdle": Column("Required yield above its own pool's", "per year", 0.02, 0.0),
        "memory": Column(
            "Averaging time for yields (the first agent's applies to all)", "blocks", 1000.0, 1.0
        ),
        "loss_weight": Column(
            "Weight of loss-versus-rebalancing deducted from fees", "multiple", 0.0, 0.0, 10.0
        ),
        "tolerance": Column("Loss rate of its pool at which it exits", "per year", math.inf, 0.0),
        "stickiness": Column("Chance of skipping a review", "share", 0.0, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 10.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "pool": Column("Its pool", "number", 0.0, state=True),
        "next": Column("Block of its next review", "block", 0.0, state=True),
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "moves": Column("How often it has moved", "times", 0.0, state=True),
        "out": Column("Whether it is out of all pools", "0 or 1", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = Pools
    pool_kinds: ClassVar[frozenset[str]] = frozenset({"constant_product", "weighted", "stableswap"})
    remembers: ClassVar[Mapping[str, Column]] = {
        "fees": Column("Fees of each pool so far", "numeraire", count=MOST_POOLS),
        "yields": Column("Observed yield of each pool", "a block", count=MOST_POOLS),
        "losses": Column("Observed loss of each pool", "a block", count=MOST_POOLS),
        "prices": Column("Of its tokens, last seen", "numeraire", count=MOST_POOLS * MOST_TOKENS),
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
