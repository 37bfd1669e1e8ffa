"""Just-in-time providers: liquidity for one swap, seen in the mempool.

They add a narrow position right before a large swap and take it out right after, so
that they earn most of its fee and bear the price for no longer than that (Capponi, Jia,
Zhu, "The paradox of just-in-time liquidity in decentralized exchanges", 2023; Wan,
Adams, "Just-in-time liquidity on the Uniswap protocol", 2022). What it pays is computed
by trying it out: what the position holds after the swap, at outside prices, less what
went in, less the gas of two transactions at the swap's own bid. To a builder they send both as
one sealed bundle with the swap between.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from agents.base import Behaviour, Column
from agents.intents import THEN, Order, carry, close_range, open_range
from agents.targets import Pools, Targets
from agents.tools import (
    AHEAD,
    affordable,
    even_out,
    gas_cost,
    has_builder,
    pays,
    refuel,
    share_bid,
    visible_swap,
)
from protocols import amm, concentrated
from protocols.pool import position
from sim.codes import Kind, Reason
from sim.compiled import inner
from sim.ledger import begin, undo
from sim.measures import market_price
from sim.mempool import effective_bid
from sim.randomness import agent_uniform


@inner
def largest_swap(w, me):
    """Place in the mempool of the swap that pays most in fees on the cohort's pools; -1: none."""
    best, most = -1, 0.0
    n = 0
    while n < w.chain[0].waiting:
        if visible_swap(w, n):
            call = w.mempool[n]
            for k in range(me.places.size):
                if call.protocol == me.places[k]:
                    pool = w.pools[call.protocol]
                    fee = call.amount * pool.fee * market_price(w, call.token_in)
                    if pool.ranges and fee > most and not pool.halted:
                        best, most = n, fee
        n += w.mempool[n].calls
    return best


@inner
def gain_of(w, p, account, lower, upper, liquidity, call):
    """What providing for one swap alone would gain, at outside prices and before gas."""
    pool = w.pools[p]
    base, quote = market_price(w, pool.tokens[0]), market_price(w, pool.tokens[1])
    i, o = position(pool, call.token_in), position(pool, call.token_out)
    if i < 0 or o < 0:
        return -1.0
    begin(w.books)
    reason, x, y = concentrated.change_liquidity(w.books, pool, account, lower, upper, liquidity)
    gain = -1.0
    if reason == Reason.DONE and amm.trade(w.books, pool, i, o, call.amount) >= call.limit:
        after_x, after_y = concentrated.tokens_of(w.books, pool, account, lower, upper)
        gain = (after_x - x) * base + (after_y - y) * quote
    undo(w.books, 0)
    return gain


# Long: one provider's numbers, of which a part would need a dozen.
@inner
def decide(w, me):
    """Provide around the largest swap that waits, where that gains."""
    chain = w.chain[0]
    rules = w.rules[0]
    n = largest_swap(w, me)
    gas = rules.gas_cost[Kind.ADD_LIQUIDITY], rules.gas_cost[Kind.REMOVE_LIQUIDITY]
    for i in range(me.size):
        my = me.rows[i]
        account = me.first + i
        if my.raced > 0.0:
            pool = w.pools[me.places[0]]
            wealth = 0.0
            for k in range(2):
                token = pool.tokens[k]
                wealth += w.books.balances[account, token] * market_price(w, token)
            my.hits += my.learning * ((1.0 if wealth > my.wealth else 0.0) - my.hits)
            my.raced = 0.0
            even_out(w, account, me.ident, pool)
        if n < 0 or agent_uniform(me.key, i, 0) >= my.attention:
            continue
        call = w.mempool[n]
        p = int(call.protocol)
        pool = w.pools[p]
        paid = effective_bid(w, call)
        cost = gas_cost(w, gas[0] + gas[1], paid)
        price = concentrated.spot_price(w.books, pool)
        reach = int(my.width) * pool.spacing
        lower = concentrated.spaced(pool, price, False) - (int(my.width) - 1) * pool.spacing
        upper = lower + max(2 * reach - pool.spacing, pool.spacing)
        a, b = concentrated.sqrt_price_at_tick(lower), concentrated.sqrt_price_at_tick(upper)
        keep = 16.0 * gas[0] * max(chain.gas_price, 1.0) * 1e-9
        held_0 = w.books.balances[account, pool.tokens[0]]
        held_1 = w.books.balances[account, pool.tokens[1]]
        if pool.tokens[0] == rules.gas_token:
            held_0 = max(held_0 - keep, 0.0)
        liquidity = my.uses * concentrated.liquidity_for_amounts(
            held_0, held_1, math.sqrt(price), a, b
        )
        if not liquidity > 0.0:
            continue
        gain = gain_of(w, p, account, lower, upper, liquidity, call)
        begun = chain.waiting
        if has_builder(w):
            paid = share_bid(w, gain, my.bid_share, gas[0] + gas[1])
            cost = gas_cost(w, gas[0] + gas[1], paid)
        if gain - cost <= my.margin or not refuel(w, account, me.ident, gas[0] + gas[1]):
            continue
        chance = 1.0 if has_builder(w) else max(my.hits, 0.05)
        if chance * (gain - cost) <= (1.0 - chance) * cost:
            continue
        first = affordable(w, account, 2.0 * gas[0], paid * (1.0 + AHEAD))
        x, y = concentrated.amounts_for_liquidity(liquidity, math.sqrt(price), a, b)
        worth = held_0 * market_price(w, pool.tokens[0]) + held_1 * market_price(w, pool.tokens[1])
        if has_builder(w):
            bid = affordable(w, account, gas[0] + gas[1], paid)
            whole = Order(account, me.ident, bid, 1)
            if open_range(w, whole, p, x * (1.0 + 1e-9), y * (1.0 + 1e-9), lower, upper):
                carry(w, THEN, n)
                close_range(w, THEN, p, lower, upper)
                if pays(w, begun, gas_cost(w, gas[0] + gas[1], bid)):
                    my.raced, my.wealth = 1.0, worth
            continue
        before = Order(account, me.ident, first, 1)
        after = Order(account, me.ident, paid * (1.0 - AHEAD), 50)
        if open_range(w, before, p, x * (1.0 + 1e-9), y * (1.0 + 1e-9), lower, upper):
            close_range(w, after, p, lower, upper)
            my.raced, my.wealth = 1.0, worth


class JustInTimeProvider(Behaviour):
    """Provides just-in-time concentrated liquidity for one large swap at a time."""

    columns: ClassVar[Mapping[str, Column]] = {
        "attention": Column("Chance per block that it checks the market", "share", 1.0, 0.0, 1.0),
        "margin": Column("Minimum profit after gas", "numeraire", 0.0, 0.0),
        "width": Column("Half-width of its range", "tick spacings", 1.0, 1.0, 1000.0),
        "uses": Column("Share of its tokens that it commits", "share", 0.9, 0.0, 0.99),
        "bid_share": Column(
            "Share of the expected profit bid for gas, with a builder", "share", 0.6, 0.0, 1.0
        ),
        "learning": Column(
            "Weight of the latest race in its expected win rate", "share", 0.1, 0.0, 1.0
        ),
        "hits": Column("Share of recent races won", "share", 0.5, state=True),
        "wealth": Column("Holdings before the current race", "numeraire", 0.0, state=True),
        "raced": Column("Whether a race is under way", "0 or 1", 0.0, state=True),
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = Pools
    needs_wallet: ClassVar[bool] = True
    pool_kinds: ClassVar[frozenset[str]] = frozenset({"concentrated"})
    positions: ClassVar[int] = 4
    searcher: ClassVar[bool] = True
    watches: ClassVar[bool] = True
    decide = staticmethod(decide)
