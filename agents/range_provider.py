"""Range providers: liquidity around the price, moved after it.

Each keeps one position in a pool of concentrated liquidity, from the price over
``1 + width`` to the price times it. When the price has gone a stated part of the way
out, and it looks, it takes the position out, trades back to even halves outside and
opens a new one around the price: the recentring strategies of Fan, Marmolejo-Cossio,
Moroz, Neuder, Rao, Parkes, "Strategic liquidity provision in Uniswap v3" (2023). It
leaves when it has lost more than it tolerates against holding what it came with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from agents.base import Behaviour, Column
from agents.intents import THEN, Order, close_range, open_range
from agents.targets import Pools, Targets
from agents.tools import going_bid, refuel, trade_towards
from protocols import concentrated
from sim.clock import look, lookers
from sim.codes import Kind, Reason
from sim.compiled import inner, kernel
from sim.errors import ScenarioError
from sim.ledger import begin
from sim.measures import market_price

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market


@kernel
def range_around(pool, price, width):
    """Ticks from a price over ``1 + width`` to it times that, as near as the spacing allows."""
    lower = concentrated.spaced(pool, price / (1.0 + width), False)
    upper = concentrated.spaced(pool, price * (1.0 + width), True)
    return lower, max(upper, lower + pool.spacing)


@inner
def _move(w, me, i, my, x, y, price):
    """Take the position out and open a new one around the price, in one transaction."""
    chain = w.chain[0]
    rules = w.rules[0]
    pool = w.pools[int(my.pool)]
    place, account = int(my.pool), me.first + i
    base, quote = pool.tokens[0], pool.tokens[1]
    gas = rules.gas_cost[Kind.REMOVE_LIQUIDITY] + rules.gas_cost[Kind.ADD_LIQUIDITY]
    if not refuel(w, account, me.ident, gas):
        return
    lower, upper = range_around(pool, price, my.width)
    if lower == my.lower and upper == my.upper:
        return
    a, b = concentrated.sqrt_price_at_tick(lower), concentrated.sqrt_price_at_tick(upper)
    unit_x, unit_y = concentrated.amounts_for_liquidity(1.0, math.sqrt(price), a, b)
    value = x * market_price(w, base) + y * market_price(w, quote)
    per_unit = unit_x * market_price(w, base) + unit_y * market_price(w, quote)
    liquidity = 0.99 * value / per_unit  # the rest pays for the trade
    order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
    if not close_range(w, order, place, int(my.lower), int(my.upper)):
        return
    # First what is sold, so that there is money for what is bought.
    wants = (liquidity * unit_x, liquidity * unit_y)
    if x > wants[0]:
        trade_towards(w, order, True, base, x, wants[0])
        trade_towards(w, order, True, quote, y, wants[1])
    else:
        trade_towards(w, order, True, quote, y, wants[1])
        trade_towards(w, order, True, base, x, wants[0])
    open_range(w, THEN, place, wants[0], wants[1], lower, upper)
    my.new_lower, my.new_upper = float(lower), float(upper)
    my.busy = chain.block + order.patience


@inner
def _leave(w, me, i, my):
    """Take everything out and stay away."""
    chain = w.chain[0]
    rules = w.rules[0]
    account = me.first + i
    gas = rules.gas_cost[Kind.REMOVE_LIQUIDITY]
    if not refuel(w, account, me.ident, gas):
        return
    order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
    close_range(w, order, int(my.pool), int(my.lower), int(my.upper))
    my.busy = chain.block + int(my.patience)


@inner
def decide(w, me):
    """Recentre where the price has gone too far, and leave where too much is lost."""
    chain = w.chain[0]
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if my.gone > 0.0 or chain.block < my.busy:
            continue
        if look(me, i, 0) >= my.attention:
            continue
        pool = w.pools[int(my.pool)]
        price = concentrated.spot_price(w.books, pool)
        account = me.first + i
        if my.new_upper > my.new_lower:  # what there is tells whether it has moved
            ticks = int(my.new_lower), int(my.new_upper)
            if concentrated.liquidity_of(w.books, pool, account, ticks[0], ticks[1]) > 0.0:
                my.lower, my.upper = my.new_lower, my.new_upper
                my.moves += 1.0
            my.new_upper = my.new_lower
        x, y = concentrated.tokens_of(w.books, pool, account, int(my.lower), int(my.upper))
        base, quote = market_price(w, pool.tokens[0]), market_price(w, pool.tokens[1])
        value = x * base + y * quote
        if value <= 0.0:
            my.gone = 1.0
            continue
        held = my.held_base * base + my.held_quote * quote
        if value < held * (1.0 - my.tolerance):
            _leave(w, me, i, my)
            continue
        middle = 0.5 * (my.lower + my.upper) * concentrated.LOG_BASE
        half = 0.5 * (my.upper - my.lower) * concentrated.LOG_BASE
        if abs(math.log(price) - middle) > my.recentre * half:
            _move(w, me, i, my, x, y, price)


class RangeProvider(Behaviour):
    """Provides concentrated liquidity in a range around the price."""

    columns: ClassVar[Mapping[str, Column]] = {
        "stake": Column("Initial stake", "numeraire", 100_000.0, 0.0),
        "width": Column("Half-width of its range", "share of the price", 0.1, 1e-4, 100.0),
        "recentre": Column(
            "Distance from the centre at which it moves, relative to the half-width",
            "share",
            1.0,
            0.0,
            100.0,
        ),
        "tolerance": Column("Loss against holding at which it exits", "share", 0.2, 0.0),
        "attention": Column("Chance per block that it checks the market", "share", 0.05, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 5.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "pool": Column("Its pool", "number", 0.0, state=True),
        "lower": Column("Its lower tick", "tick", 0.0, state=True),
        "upper": Column("Its upper tick", "tick", 0.0, state=True),
        "held_base": Column("Amount put in", "token units", 0.0, state=True),
        "held_quote": Column("Amount put in", "token units", 0.0, state=True),
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "gone": Column("Whether it has left for good", "0 or 1", 0.0, state=True),
        "moves": Column("How often it has moved its range", "times", 0.0, state=True),
        "new_lower": Column("Lower tick of the move under way", "tick", 0.0, state=True),
        "new_upper": Column("Upper tick of the move under way", "tick", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = Pools
    pool_kinds: ClassVar[frozenset[str]] = frozenset({"concentrated"})
    positions: ClassVar[int] = 4
    without: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "providers_leave": {"tolerance": math.inf}
    }
    decide = staticmethod(decide)

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Open each agent's position with tokens from outside.

        Raises:
            ScenarioError: If a pool cannot take it.
        """
        super().begin(market, cohort)
        if not len(cohort):
            return
        ledger, books = market.ledger, market.ledger.books
        cohort.column("pool")[:] = cohort.places[np.arange(len(cohort)) % len(cohort.places)]
        for i in range(len(cohort)):
            p = int(cohort.column("pool")[i])
            pool = market.world.pools[p]
            account = cohort.first + i
            price = float(concentrated.spot_price(books, pool))
            lower, upper = range_around(pool, price, float(cohort.column("width")[i]))
            ends = concentrated.sqrt_price_at_tick(lower), concentrated.sqrt_price_at_tick(upper)
            x, y = concentrated.amounts_for_liquidity(1.0, math.sqrt(price), *ends)
            names = [ledger.tokens[int(t)] for t in pool["tokens"][:2]]
            # Also of a share of another pool, which the venue does not trade.
            worth = x * market.price(names[0]) + y * market.price(names[1])
            if not 0.0 < worth < math.inf:
                name = list(market.pools)[p]
                text = f"{name} holds what is worth nothing at the start; choose another"
                raise ScenarioError([(f"agents.{cohort.name}.pools", text)])
            liquidity = float(cohort.column("stake")[i]) / worth
            if liquidity <= 0.0:
                cohort.column("gone")[i] = 1.0
                continue
            for name, amount in zip(names, (x * liquidity, y * liquidity), strict=True):
                ledger.mint(account, name, amount * (1.0 + 1e-12))
            begin(books)
            reason, _, _ = concentrated.add(books, pool, account, int(lower), int(upper), liquidity)
            if reason != Reason.DONE:
                text = f"{list(market.pools)[p]} takes no position of this width and stake "
                text += f"({Reason(reason).name.lower()}); change width, or the pool's price_span"
                raise ScenarioError([(f"agents.{cohort.name}.width", text)])
            cohort.column("lower")[i], cohort.column("upper")[i] = lower, upper
            cohort.column("held_base")[i] = x * liquidity
            cohort.column("held_quote")[i] = y * liquidity
