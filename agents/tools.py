"""What behaviours share: quotes, gas in money, races, trials of what is sent, higher bids."""

from __future__ import annotations

import math

import numpy as np

from agents.base import Column
from agents.intents import OUTSIDE, PROTOCOLS, SHARES, THEN, Order, require, trade
from agents.issued import NOWHERE, is_issued, quote_issued, quote_protocol
from protocols import amm, oracle
from protocols.pool import position
from sim import venue
from sim.clock import bound, must_bound, ring
from sim.codes import PREVIOUS, FeeMarket, Kind, Ordering, Phase, Reason
from sim.compiled import call_with, inner
from sim.measures import market_price
from sim.mempool import replace, sealed, take_back
from sim.trial import UNTRIED, try_out

GWEI = 1e-9
HALVINGS = 12
"""Times that an amount may be halved until it does not move a price too far."""
BUMP = Column(
    "Increase of the bid when it resubmits a stuck order; 0: it waits", "share", 0.0, 0.0, 10.0
)
"""Of agents that wait for their orders (`rebid`); less than `block.replacement` is refused."""
TRIES = Column(
    "Whether it simulates transactions and makes them revert unless profitable",
    "0 or 1",
    0.0,
    0.0,
    1.0,
)
"""Of searchers (`pays`); for a builder all of them do."""


@inner
def gas_cost(w, gas, bid):
    """Cost of an amount of gas at a bid in gwei, in the numeraire."""
    rules = w.rules[0]
    if rules.fee_market == FeeMarket.OFF:
        return 0.0
    return gas * bid * GWEI * market_price(w, rules.gas_token)


@inner
def affordable(w, account, gas, bid):
    """A bid, or the highest that an account can pay for its gas, gwei."""
    rules = w.rules[0]
    if rules.fee_market == FeeMarket.OFF:
        return 0.0
    return min(bid, 0.9 * w.books.balances[account, rules.gas_token] / (gas * GWEI))


@inner
def going_bid(w, account, gas, multiple):
    """A bid that is a multiple of what got into the last block, gwei.

    Args:
        account: That must be able to pay it.
        gas: Of the transaction.
        multiple: Of the going price.
    """
    return affordable(w, account, gas, _going(w) * multiple)


@inner
def _going(w):
    chain = w.chain[0]
    # A base fee can rise by an eighth until the transaction is in.
    return max(chain.gas_price, chain.base_fee * 1.125)


@inner
def share_bid(w, profit, share, gas):
    """Bid that spends a share of a profit on gas, but never less than the going one, gwei."""
    rules = w.rules[0]
    if rules.fee_market == FeeMarket.OFF:
        return 0.0
    price = market_price(w, rules.gas_token)
    return max(profit * share / (gas * GWEI * price), _going(w))


@inner
def quote_at(w, place, token_in, token_out, amount):
    """What a pool, the outside venue, an issuer or a protocol would give; 0 where it cannot."""
    if place >= PROTOCOLS:
        return quote_protocol(w, place - PROTOCOLS, token_in, token_out, amount)
    if place >= SHARES:
        return quote_issued(w, token_in, token_out, amount)[1]
    if place == OUTSIDE:
        out = venue.quote(w.books, w.assets, w.rules[0].numeraire, token_in, token_out, amount)
        return out if out == out else 0.0
    pool = w.pools[place]
    i, o = position(pool, token_in), position(pool, token_out)
    if pool.halted or i < 0 or o < 0 or i == o:
        return 0.0
    return amm.quote(w.books, pool, i, o, amount)


@inner
def best_place(w, places, token_in, token_out, amount):
    """The place that gives most for an amount, gas in the account. Returns (place, amount out)."""
    best, most, highest = NOWHERE, 0.0, -np.inf
    price = market_price(w, token_out)
    if is_issued(w, token_in) or is_issued(w, token_out):
        best, most = quote_issued(w, token_in, token_out, amount)
        if most <= 0.0:
            best, most = NOWHERE, 0.0
        else:
            highest = most * price
    for i in range(places.size):
        out = quote_at(w, places[i], token_in, token_out, amount)
        if out <= 0.0:
            continue
        worth = out * price
        if places[i] != OUTSIDE:
            worth -= gas_cost(w, w.rules[0].gas_cost[Kind.SWAP], w.chain[0].gas_price)
        if worth > highest:
            best, most, highest = places[i], out, worth
    return best, most


# Wide: what `best_place` takes, and what is asked of it.
@inner
def fitting_place(w, places, token_in, token_out, amount, least):
    """The best place for as much of an amount as does not move its price too far.

    The amount is halved until it brings enough a unit.

    Args:
        least: Units of `token_out` that a unit must bring on average.

    Returns:
        (place, amount, what it gives); nowhere and nothing where no amount fits.
    """
    for _ in range(HALVINGS):
        place, out = best_place(w, places, token_in, token_out, amount)
        if place >= OUTSIDE and out > 0.0 and out >= least * amount:
            return place, amount, out
        amount *= 0.5
    return NOWHERE, 0.0, 0.0


@inner
def find_route(w, token_in, token_out, amount):
    """Find the best routes for an amount at the going price of gas, into `World.routes`.

    Returns:
        (how many there are, what they give together before gas).
    """
    rules = w.rules[0]
    asked = w.asked[0]
    cost = gas_cost(w, rules.gas_cost[Kind.SWAP], _going(w)) / market_price(w, token_out)
    asked.ask_in, asked.ask_out, asked.ask_amount = token_in, token_out, amount
    asked.ask_cost = cost
    call_with(rules.phases[Phase.ROUTE], w)
    return asked.routes, asked.route_out


@inner
def route_gas(w):
    """Gas of a transaction that takes the routes found last."""
    rules = w.rules[0]
    asked = w.asked[0]
    swaps = 0
    for r in range(asked.routes):
        swaps += w.routes[r].length
    return swaps * rules.gas_cost[Kind.SWAP] + rules.gas_cost[Kind.REQUIRE]


@inner
def follow_routes(w, first):
    """Add the swaps of the routes found last, from one on, to the transaction sent last."""
    for r in range(first, w.asked[0].routes):
        route = w.routes[r]
        for k in range(route.length):
            amount = route.amount if k == 0 else PREVIOUS
            trade(w, THEN, route.pools[k], route.tokens[k], route.tokens[k + 1], amount, 0.0)


@inner
def send_routes(w, account, cohort, bid, least, patience):
    """Send the swaps of the routes found last as a transaction that must gain so much."""
    route = w.routes[0]
    order = Order(account, cohort, bid, patience)
    first, second = route.tokens[0], route.tokens[1]
    if not trade(w, order, route.pools[0], first, second, route.amount, 0.0):
        return False
    for k in range(1, route.length):
        trade(w, THEN, route.pools[k], route.tokens[k], route.tokens[k + 1], PREVIOUS, 0.0)
    follow_routes(w, 1)
    return require(w, THEN, route.tokens[route.length], least)


@inner
def delay(w, blocks):
    """Let the transaction sent last arrive some blocks late."""
    head = w.chain[0].bundle_head
    if head >= 0 and blocks > 0:
        w.mempool[head].arrived += blocks
        w.mempool[head].expires += blocks


@inner
def refuel(w, account, cohort, gas):
    """Buy the gas token outside when less than four transactions' worth is left.

    Args:
        gas: Of a typical transaction.

    Returns:
        Whether it holds enough for one transaction now.
    """
    chain = w.chain[0]
    rules = w.rules[0]
    if rules.fee_market == FeeMarket.OFF:
        return True
    token = rules.gas_token
    need = gas * max(chain.gas_price, chain.base_fee) * GWEI
    held = w.books.balances[account, token]
    if held < 4.0 * need and token != rules.numeraire:
        money = 16.0 * need * market_price(w, token)
        if w.books.balances[account, rules.numeraire] >= money:
            order = Order(account, cohort, 0.0, 1)
            trade(w, order, OUTSIDE, rules.numeraire, token, money, 0.0)
    return held >= need


@inner
def worth_the_race(w, profit, share, gas, hits):
    """Whether a profit is worth bidding for, when some races are lost.

    A race won pays the profit less the bid; one that is lost costs the gas of a
    revert. The chance to win is what the agent has seen lately, and never below
    one in twenty: who never tries never learns.

    Args:
        profit: Before gas, in the numeraire.
        share: Of the profit that is bid.
        gas: Of the transaction.
        hits: Share of its races that the agent has won lately.
    """
    rules = w.rules[0]
    if rules.fee_market == FeeMarket.OFF:
        return profit > 0.0
    cost = gas_cost(w, gas, share_bid(w, profit, share, gas))
    if rules.ordering == Ordering.BUILDER:  # a race that is lost is free
        return profit > cost
    chance = max(hits, 0.05)
    return chance * (profit - cost) > (1.0 - chance) * cost * rules.revert_gas


@inner
def deviation_of(w, token, blocks):
    """Standard deviation of the log price over some blocks, as volatility lately was."""
    for a in range(w.assets.size):
        if w.assets[a].token == token:
            return math.sqrt(w.assets[a].seen_variance * blocks)
    return 0.0


@inner
def has_builder(w):
    """Whether searchers send sealed bundles to a builder."""
    return w.rules[0].ordering == Ordering.BUILDER


@inner
def tries_out(w, my):
    """Whether a searcher tries out what it sends."""
    return my.tries >= 0.5 or has_builder(w)


@inner
def pays(w, first, least):
    """Whether the transaction sent last gains so much on the state seen; else it is taken back.

    Args:
        first: Place in the mempool of the first one that the same agent has sent in this
            block: what it has done before counts.
        least: Gain before gas, numeraire; it must be positive besides.
    """
    head = w.chain[0].bundle_head
    if head < 0:
        return False
    ended, gain = try_out(w, first, head)
    oracle.refresh(w.books, w.pools, w.feeds)  # some have read what was only tried
    if ended == UNTRIED or (ended == Reason.DONE and gain > 0.0 and gain >= least):
        return True
    take_back(w)
    return False


@inner
def alarmed(w, me):
    """Find who may look in a block, by attention or by the alarm that something is wrong.

    Returns:
        How many of ``me.actors`` these are; each is to compare its draw with its chance.
    """
    if must_bound(w, me.clock):
        for i in range(me.size):
            bound(w, me.clock, i, max(me.rows[i].attention, me.rows[i].alarm))
    return ring(w, me.clock)


@inner
def _bumps(me):
    """Whether anybody of a group sends what is stuck anew."""
    found = False
    for i in range(me.size):
        found = found or me.rows[i].bump > 0.0
    return found


@inner
def rebid(w, me):
    """Replace the group's orders that the going price has left behind by higher bids.

    A searcher looks first whether its order still gains more than that.
    """
    chain = w.chain[0]
    if me.size < chain.left and not _bumps(me):  # fewer of them than of orders to look through
        return
    n = 0
    while n < chain.left:
        call = w.mempool[n]
        place = n
        n += call.calls
        if call.cohort != me.ident or call.gone == 1 or call.arrived >= chain.block:
            continue
        my = me.rows[call.sender - me.first]
        if my.bump <= 0.0 or call.gas <= 0.0 or call.bid >= _going(w):
            continue
        # Of nothing no share makes anything: it starts at the going price.
        higher = call.bid * (1.0 + my.bump) if call.bid > 0.0 else _going(w)
        bid = affordable(w, call.sender, call.gas, higher)
        if w.cohorts[me.ident].searcher == 1:
            ended, gain = try_out(w, place, place)
            oracle.refresh(w.books, w.pools, w.feeds)
            if ended != UNTRIED and (ended != Reason.DONE or gain <= gas_cost(w, call.gas, bid)):
                continue
        replace(w, place, bid)


@inner
def trade_towards(w, order, began, token, have, want):
    """Buy or sell a token outside until there will be as much as is wanted.

    Args:
        order: Of a transaction that has not begun.
        began: Whether the trade belongs to a transaction that has begun.
        have: What there will be of it by then, token units.
        want: Token units.

    Returns:
        Whether there is a transaction now.
    """
    numeraire = w.rules[0].numeraire
    if token == numeraire:
        return began
    if have < want * (1.0 - 1e-9):
        pays, gets, amount = numeraire, token, (want - have) * market_price(w, token) * 1.005
    elif have > want * (1.0 + 1e-9):
        pays, gets, amount = token, numeraire, have - want
    else:
        return began
    if began:
        trade(w, THEN, OUTSIDE, pays, gets, amount, 0.0)
        return True
    return trade(w, order, OUTSIDE, pays, gets, amount, 0.0)


@inner
def even_out(w, account, cohort, pool):
    """Trade outside towards even parts of a pool's tokens, once they are far apart."""
    worth = 0.0
    for t in range(pool.size):
        worth += w.books.balances[account, pool.tokens[t]] * market_price(w, pool.tokens[t])
    for t in range(pool.size):
        token = pool.tokens[t]
        held, price = w.books.balances[account, token], market_price(w, token)
        share = held * price / max(worth, 1e-300) * pool.size
        if share > 1.5 or share < 0.5:
            want = worth / pool.size / price
            trade_towards(w, Order(account, cohort, 0.0, 1), False, token, held, want)


@inner
def visible_swap(w, n):
    """Whether the n-th call of the mempool is a public swap alone that this block may execute."""
    call, chain = w.mempool[n], w.chain[0]
    if sealed(w, call) or call.kind != Kind.SWAP or call.calls != 1 or not call.amount > 0.0:
        return False
    pays = w.rules[0].fee_market == FeeMarket.OFF or call.bid >= chain.base_fee
    return pays and call.arrived <= chain.block <= call.expires


AHEAD = 1e-4
"""Share by which a bid is set above another to go before it, or below it to go after."""


@inner
def trade_pool(w, account, cohort, place, buys, money, slippage, bid):
    """Swap for an amount of money in a pool, or by the best routes where the group routes.

    Args:
        place: The pool; its first token is bought with its last, or sold for it.
        buys: Which of the two.
        money: In the numeraire, at most what the agent has.
        slippage: Worse outcome than quoted that is accepted, share.
        bid: Gas bid, multiple of the going price.

    Returns:
        Whether it was sent.
    """
    rules = w.rules[0]
    pool = w.pools[place]
    base, quote = pool.tokens[0], pool.tokens[pool.size - 1]
    token_in, token_out = (quote, base) if buys else (base, quote)
    gas = rules.gas_cost[Kind.SWAP]
    price = market_price(w, token_in)
    if not price > 0.0:
        return False
    # The last fiftieth of a wallet stays, for gas.
    amount = min(money / price, 0.98 * w.books.balances[account, token_in])
    if not amount * price >= 1e-6 or not refuel(w, account, cohort, gas):
        return False
    if w.cohorts[cohort].routes:
        count, out = find_route(w, token_in, token_out, amount)
        if count == 0:
            return False
        offered = going_bid(w, account, route_gas(w), bid)
        return send_routes(w, account, cohort, offered, out * (1.0 - slippage), 0)
    out = quote_at(w, place, token_in, token_out, amount)
    if not out > 0.0:  # it is halted, say
        return False
    least = out * (1.0 - slippage)
    order = Order(account, cohort, going_bid(w, account, gas, bid), 0)
    return trade(w, order, place, token_in, token_out, amount, least)
