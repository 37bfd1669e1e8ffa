"""Sandwich attackers: they buy before a swap that waits, and sell after it.

A swap's slippage tolerance says how far its price may be pushed before it fails
(Zhou, Qin, Torres, Le, Gervais, "High-frequency trading on decentralized on-chain
exchanges", 2021; Daian et al. 2020). The largest amount in front is the one with which
the swap still goes through; the best one is found by trying it out on the pool. The two
transactions bid just above and just below the swap. To a builder it sends both as one
sealed bundle with the swap between, which is in the block as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from agents.base import Behaviour, Column
from agents.intents import THEN, Order, carry, swap
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
from protocols import amm
from protocols.pool import position
from sim.codes import Kind
from sim.compiled import inner
from sim.ledger import begin, undo
from sim.measures import market_price
from sim.mempool import effective_bid
from sim.randomness import agent_uniform


@inner
def outcome(w, pool, i, o, front, amount, limit):
    """What a sandwich would gain, in the token it begins with, and what it buys in front.

    Returns:
        (gain or -1 where the swap between would fail, amount bought).
    """
    begin(w.books)
    bought = amm.trade(w.books, pool, i, o, front)
    gain = -1.0
    if amm.trade(w.books, pool, i, o, amount) >= limit:
        gain = amm.trade(w.books, pool, o, i, bought) - front
    undo(w.books, 0)
    return gain, bought


@inner
def best_front(w, pool, i, o, capital, amount, limit):
    """Amount in front that gains most. Returns (amount, gain, bought)."""
    low, high = 0.0, capital
    if outcome(w, pool, i, o, high, amount, limit)[0] == -1.0:
        for _ in range(40):  # the most with which the swap still goes through
            middle = 0.5 * (low + high)
            if outcome(w, pool, i, o, middle, amount, limit)[0] == -1.0:
                high = middle
            else:
                low = middle
        high = low
    ratio = 0.6180339887498949
    top = high
    low = 0.0
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a = outcome(w, pool, i, o, a, amount, limit)[0]
    at_b = outcome(w, pool, i, o, b, amount, limit)[0]
    for _ in range(24):
        if at_a > at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = outcome(w, pool, i, o, a, amount, limit)[0]
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = outcome(w, pool, i, o, b, amount, limit)[0]
    best = a if at_a > at_b else b
    gain, bought = outcome(w, pool, i, o, best, amount, limit)
    at_top, bought_top = outcome(w, pool, i, o, top, amount, limit)
    if at_top > gain:  # tolerance or capital binds
        return top, at_top, bought_top
    return best, gain, bought


@inner
def _knows(me, p):
    known = False
    for k in range(me.places.size):
        known = known or me.places[k] == p
    return known


@inner
def _bundle(w, me, i, victim, plan, begun):
    """Send a sandwich to a builder, where it gains more than it bids. Returns whether it did."""
    front, bought, gross = plan
    my, account = me.rows[i], me.first + i
    gas = 2.0 * w.rules[0].gas_cost[Kind.SWAP]
    bid = affordable(w, account, gas, share_bid(w, gross, my.bid_share, gas))
    cost = gas_cost(w, gas, bid)
    if gross - cost <= my.margin:
        return False
    call = w.mempool[victim]
    token_in, token_out, p = int(call.token_in), int(call.token_out), int(call.protocol)
    least = front + cost / market_price(w, token_in)
    order = Order(account, me.ident, bid, 1)
    if not swap(w, order, p, token_in, token_out, front, bought * (1.0 - 1e-6)):
        return False
    carry(w, THEN, victim)
    swap(w, THEN, p, token_out, token_in, bought, least)
    return pays(w, begun, cost)


@inner
def decide(w, me):
    """Sandwich the swap that pays most."""
    chain = w.chain[0]
    rules = w.rules[0]
    gas = rules.gas_cost[Kind.SWAP]
    for i in range(me.size):
        my = me.rows[i]
        account = me.first + i
        if my.raced > 0.0:
            wealth = _tokens_worth(w, me, account)
            my.hits += my.learning * ((1.0 if wealth > my.wealth else 0.0) - my.hits)
            my.raced = 0.0
            even_out(w, account, me.ident, w.pools[me.places[0]])
        if agent_uniform(me.key, i, 0) >= my.attention:
            continue
        best, most, front, bought = -1, 0.0, 0.0, 0.0
        n = 0
        while n < chain.waiting:
            call = w.mempool[n]
            if (
                visible_swap(w, n)
                and call.limit > 0.0
                and _knows(me, call.protocol)
                and not w.pools[call.protocol].halted
            ):
                pool = w.pools[call.protocol]
                a, b = position(pool, call.token_in), position(pool, call.token_out)
                price = market_price(w, call.token_in)
                capital = my.uses * w.books.balances[account, call.token_in]
                # No more can be had than the victim's tolerance; most swaps need no look.
                slack = amm.quote(w.books, pool, a, b, call.amount) - call.limit
                cost = gas_cost(w, 2.0 * gas, effective_bid(w, call))
                bound = slack * market_price(w, call.token_out)
                if a >= 0 and b >= 0 and capital > 0.0 and bound > cost + my.margin:
                    size, gain, gets = best_front(w, pool, a, b, capital, call.amount, call.limit)
                    if gain * price - cost > most:
                        best, most, front, bought = n, gain * price - cost, size, gets
            n += call.calls
        begun = chain.waiting
        if best < 0 or most <= my.margin or not refuel(w, account, me.ident, 2.0 * gas):
            continue
        call = w.mempool[best]
        paid = effective_bid(w, call)
        if has_builder(w):
            my.wealth = _tokens_worth(w, me, account)
            gross = most + gas_cost(w, 2.0 * gas, paid)
            my.raced = 1.0 if _bundle(w, me, i, best, (front, bought, gross), begun) else 0.0
            continue
        cost = gas_cost(w, 2.0 * gas, paid)
        chance = max(my.hits, 0.05)
        if chance * most <= (1.0 - chance) * cost:
            continue
        ahead = affordable(w, account, 2.0 * gas, paid * (1.0 + AHEAD))
        before = Order(account, me.ident, ahead, 1)
        after = Order(account, me.ident, paid * (1.0 - AHEAD), 10)
        token_in, token_out, p = int(call.token_in), int(call.token_out), int(call.protocol)
        my.wealth = _tokens_worth(w, me, account)
        if swap(w, before, p, token_in, token_out, front, bought * (1.0 - 1e-6)):
            swap(w, after, p, token_out, token_in, bought, 0.0)
            my.raced = 1.0


@inner
def _tokens_worth(w, me, account):
    """Value of what it holds of its pools' tokens."""
    total = 0.0
    for k in range(me.places.size):
        pool = w.pools[me.places[k]]
        for t in range(pool.size):
            seen = False
            for j in range(k):
                seen = seen or position(w.pools[me.places[j]], pool.tokens[t]) >= 0
            if not seen:
                token = pool.tokens[t]
                total += w.books.balances[account, token] * market_price(w, token)
    return total


class SandwichAttacker(Behaviour):
    """Sandwiches pending swaps: trades before and after them."""

    columns: ClassVar[Mapping[str, Column]] = {
        "attention": Column("Chance per block that it checks the market", "share", 1.0, 0.0, 1.0),
        "margin": Column("Minimum profit after gas", "numeraire", 0.0, 0.0),
        "uses": Column("Share of its tokens that it commits", "share", 0.9, 0.0, 0.99),
        "bid_share": Column(
            "Share of the expected profit bid for gas, with a builder", "share", 0.6, 0.0, 1.0
        ),
        "learning": Column(
            "Weight of the latest race in its expected win rate", "share", 0.1, 0.0, 1.0
        ),
        "hits": Column("Share of recent races won", "share", 0.5, state=True),
        "raced": Column("Whether a race is under way", "0 or 1", 0.0, state=True),
        "wealth": Column("Holdings before the current race", "numeraire", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = Pools
    needs_wallet: ClassVar[bool] = True
    searcher: ClassVar[bool] = True
    watches: ClassVar[bool] = True
    decide = staticmethod(decide)
