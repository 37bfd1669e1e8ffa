"""Arbitrageurs: the outside venue against pools, with capital that can run out.

Each is myopic: it takes the one trade that pays most now, at the size that pays
most (Angeris et al. 2019; Milionis, Moallemi, Roughgarden 2023), if it pays more
than its gas, and bids a share of the profit for its place (Daian et al. 2020).
All three legs are one transaction whose last one must return more than was put
in, so a race that is lost costs gas and nothing else. Its capital is what it
holds of the numeraire: a loss shrinks what it may do next (Shleifer, Vishny 1997).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from agents.base import Behaviour, Column
from agents.intents import OUTSIDE, THEN, Order, trade
from agents.targets import Pools, Targets
from agents.tools import (
    BUMP,
    TRIES,
    affordable,
    delay,
    gas_cost,
    pays,
    quote_at,
    rebid,
    refuel,
    share_bid,
    tries_out,
    worth_the_race,
)
from protocols import amm
from protocols.pool import COUNTERS
from sim.codes import PREVIOUS, Kind
from sim.compiled import inner
from sim.randomness import agent_uniform

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market


@inner
def round_trip(w, place, numeraire, base, quote, buys, money):
    """Numeraire that comes back when `money` goes around once.

    Args:
        buys: Whether the base token is bought in the pool and sold outside.
    """
    if buys:
        amount = money
        if quote != numeraire:
            amount = quote_at(w, OUTSIDE, numeraire, quote, amount)
        amount = quote_at(w, place, quote, base, amount)
        return quote_at(w, OUTSIDE, base, numeraire, amount)
    amount = quote_at(w, OUTSIDE, numeraire, base, money)
    amount = quote_at(w, place, base, quote, amount)
    if quote != numeraire:
        amount = quote_at(w, OUTSIDE, quote, numeraire, amount)
    return amount


@inner
def best_size(w, place, numeraire, base, quote, buys, most):
    """Money that earns most on a round trip, and the profit (golden-section search).

    The profit is concave in the money: every leg gives less for more.
    """
    ratio = 0.6180339887498949
    low, high = 0.0, most
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a = round_trip(w, place, numeraire, base, quote, buys, a) - a
    at_b = round_trip(w, place, numeraire, base, quote, buys, b) - b
    for _ in range(16):
        if at_a > at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = round_trip(w, place, numeraire, base, quote, buys, a) - a
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = round_trip(w, place, numeraire, base, quote, buys, b) - b
    top = round_trip(w, place, numeraire, base, quote, buys, most) - most
    if top > max(at_a, at_b):  # capital binds
        return most, top
    return (a, at_a) if at_a > at_b else (b, at_b)


@inner
def _edges(w, token):
    """(price outside when selling, when buying, whether impact must be reckoned with)."""
    for a in range(w.assets.size):
        asset = w.assets[a]
        if asset.token == token:
            sells = asset.price * (1.0 - asset.spread)
            return sells, asset.price * (1.0 + asset.spread), asset.units != np.inf
    return 1.0, 1.0, False


@inner
def opportunity(w, place, a, b, capital):
    """Most profitable round trip through a pool, of its a-th token (base) and b-th (quote).

    With a venue of infinite depth the size is where the pool's marginal price after the
    fee meets the outside one; a finite one makes it smaller, and then it is searched for
    below that.

    Returns:
        (money, profit, buys, capital from which on more of it changes nothing).
    """
    rules = w.rules[0]
    pool = w.pools[place]
    if pool.halted:
        return 0.0, 0.0, False, 0.0
    if capital <= 0.0:
        return 0.0, 0.0, False, np.inf
    base, quote = pool.tokens[a], pool.tokens[b]
    base_low, base_high, base_moves = _edges(w, base)
    quote_low, quote_high, quote_moves = _edges(w, quote)
    quote_in = amm.amount_to_rate(w.books, pool, b, a, quote_high / base_low)
    buys = quote_in > 0.0
    if buys:
        money = quote_in * quote_high
    else:
        base_in = amm.amount_to_rate(w.books, pool, a, b, base_high / quote_low)
        if not base_in > 0.0:
            return 0.0, 0.0, False, 0.0
        money = base_in * base_high
    most = min(money, capital)
    if base_moves or quote_moves:
        size, profit = best_size(w, place, rules.numeraire, base, quote, buys, most)
        return size, profit, buys, money
    back = round_trip(w, place, rules.numeraire, base, quote, buys, most)
    return most, back - most, buys, money


class RoundTrip(NamedTuple):
    """A trade in a pool and back outside.

    Attributes:
        place: Number of the pool, -1: none pays.
        base: Place of a token in the pool.
        quote: Place of the other.
        buys: Whether it buys the base in the pool.
        money: That goes in, numeraire.
        profit: That comes out more, before gas.
        enough: Capital from which on more of it changes nothing, whatever pair pays most.
    """

    place: int
    base: int
    quote: int
    buys: bool
    money: float
    profit: float
    enough: float


NO_TRIP = RoundTrip(-1, 0, 1, False, 0.0, 0.0, 0.0)
"""Where none pays."""


@inner
def best_pair(w, place, capital):
    """The `RoundTrip` that pays most, of all pairs of a pool's tokens."""
    size = w.pools[place].size
    money, profit, buys, enough = opportunity(w, place, 0, 1, capital)
    a, b = 0, 1
    for i in range(size):
        for j in range(max(i + 1, 2), size):
            m, p, s, wanted = opportunity(w, place, i, j, capital)
            enough = max(enough, wanted)
            if p > profit:
                money, profit, buys, a, b = m, p, s, i, j
    return RoundTrip(place, a, b, buys, money, profit, enough)


@inner
def send_round_trip(w, order, trip, least):
    """Send the legs of a round trip as one transaction."""
    rules = w.rules[0]
    place, money = trip.place, trip.money
    pool = w.pools[place]
    base, quote, numeraire = pool.tokens[trip.base], pool.tokens[trip.quote], rules.numeraire
    if trip.buys:
        if quote == numeraire:
            sent = trade(w, order, place, quote, base, money, 0.0)
        else:
            sent = trade(w, order, OUTSIDE, numeraire, quote, money, 0.0)
            if sent:
                trade(w, THEN, place, quote, base, PREVIOUS, 0.0)
        if sent:
            trade(w, THEN, OUTSIDE, base, numeraire, PREVIOUS, least)
        return
    if not trade(w, order, OUTSIDE, numeraire, base, money, 0.0):
        return
    if quote == numeraire:
        trade(w, THEN, place, base, quote, PREVIOUS, least)
    else:
        trade(w, THEN, place, base, quote, PREVIOUS, 0.0)
        trade(w, THEN, OUTSIDE, quote, numeraire, PREVIOUS, least)


@inner
def _traded(w, place):
    """What has been paid into a pool so far: it changes when anybody trades there."""
    slot = w.pools[place].slot
    return w.books.storage[slot] + w.books.storage[slot + COUNTERS]


@inner
def decide(w, me):
    """Send, for each agent that is free and looks, the round trip that pays most."""
    rebid(w, me)
    chain = w.chain[0]
    rules = w.rules[0]
    gas = rules.gas_cost[Kind.SWAP]
    best = NO_TRIP
    alone = not rules.interconnected  # each keeps to one pool
    enough = np.inf  # capital with which the search would end as it did
    for i in range(me.size):
        my = me.rows[i]
        if chain.block < my.busy:
            continue
        account = me.first + i
        cash = w.books.balances[account, rules.numeraire]
        if my.raced > 0.0:  # what it holds tells whether it won
            won = 1.0 if cash > my.cash else 0.0
            my.hits += my.learning * (won - my.hits)
            my.raced = 0.0
        if my.attention < 1.0 and agent_uniform(me.key, i, 0) >= my.attention:
            continue
        if alone or cash < enough:
            # All see the same state: whom capital does not limit in any pool need not search
            # again after another whom it did not.
            best = NO_TRIP
            enough = 0.0
            for k in range(me.places.size):
                if alone and k != i % me.places.size:
                    continue
                trip = best_pair(w, me.places[k], cash)
                enough = max(enough, trip.enough)
                if trip.profit > best.profit:
                    best = trip
            if enough > cash:  # it would go on with more
                enough = np.inf
        if my.passed > 0.0:
            # Nobody has traded in the pool it let pass, so it would have won.
            if _traded(w, int(my.passed) - 1) == my.traded:
                my.hits += my.learning * (1.0 - my.hits)
            my.passed = 0.0
        if best.place < 0:
            continue
        profit = best.profit - my.margin * best.money
        if not worth_the_race(w, profit, my.bid_share, gas, my.hits):
            if worth_the_race(w, profit, my.bid_share, gas, 1.0):
                my.passed = best.place + 1.0
                my.traded = _traded(w, best.place)
            continue
        bid = affordable(w, account, gas, share_bid(w, profit, my.bid_share, gas))
        begun = chain.waiting
        if not refuel(w, account, me.ident, gas):
            continue
        least = best.money + min(gas_cost(w, gas, bid), profit)
        order = Order(account, me.ident, bid, int(my.patience))
        send_round_trip(w, order, best, least)
        if tries_out(w, my) and not pays(w, begun, least - best.money):
            continue
        delay(w, int(my.latency))
        my.busy = chain.block + max(int(my.patience) + int(my.latency), 1)
        my.cash = cash
        my.raced = 1.0


class Arbitrageur(Behaviour):
    """Arbitrages pools against the outside venue."""

    columns: ClassVar[Mapping[str, Column]] = {
        "attention": Column("Chance per block that it checks the market", "share", 1.0, 0.0, 1.0),
        "bid_share": Column("Share of the expected profit bid for gas", "share", 0.6, 0.0, 1.0),
        "margin": Column("Minimum profit, relative to the amount put in", "share", 0.0, 0.0, 1.0),
        "latency": Column("Delay from decision to mempool", "blocks", 0.0, 0.0, 100.0),
        "patience": Column("Time until a pending order expires", "blocks", 1.0, 1.0, 1000.0),
        "learning": Column(
            "Weight of the latest race in its expected win rate", "share", 0.1, 0.0, 1.0
        ),
        "tries": TRIES,
        "bump": BUMP,
        "hits": Column("Share of recent races won", "share", 0.5, state=True),
        "cash": Column("Numeraire held before the current race", "numeraire", 0.0, state=True),
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "raced": Column("Whether a race is under way", "0 or 1", 0.0, state=True),
        "passed": Column("Pool that it passed over, plus one", "number", 0.0, state=True),
        "traded": Column("Amount paid into that pool by then", "token units", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = Pools
    needs_wallet: ClassVar[bool] = True
    searcher: ClassVar[bool] = True
    decide = staticmethod(decide)

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Without the limit of capital, give each more than it can use."""
        super().begin(market, cohort)
        if not market.setup.switches.capital_is_finite:
            give_limitless_capital(market, cohort)


def give_limitless_capital(market: Market, cohort: CohortTable) -> None:
    """Endow each agent with as much numeraire as all pools and lending markets hold."""
    ledger = market.ledger
    rows = [ledger.account(name) for name in (*market.pools, *market.lending)]
    total = sum(
        float(ledger.balances[row, ledger.token(token)]) * market.venue.price(token)
        for row in rows
        for token in (market.numeraire, *market.venue.names)
    )
    ledger.endow(cohort.first, market.numeraire, [total] * len(cohort))
