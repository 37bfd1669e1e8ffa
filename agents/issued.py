"""What is issued by a protocol and traded by asking it: shares of pools, receipts of deposits.

Whoever holds some can hand them in for what is behind them. To agents that is a place to trade
like a pool or the outside venue: the pool `p` is ``SHARES + p``, the lending market `m` is
``RECEIPTS + m``, the protocol `p` that says what it would give ``PROTOCOLS + p``
(`agents.intents.trade`).
"""

from __future__ import annotations

from agents.intents import RECEIPTS, SHARES
from protocols import lending
from protocols.operations import ask_one
from protocols.pool import position
from sim.compiled import ask_quote, inner, kernel
from sim.measures import market_price

NOWHERE = -2
"""No place to trade."""


@kernel
def issuer_of(w, token):
    """The place where a token is handed in; NOWHERE for one that no pool or bank issues."""
    for p in range(w.pools.size):
        if w.pools[p].share == token:
            return SHARES + p
    for m in range(w.markets.size):
        market = w.markets[m]
        for r in range(market.first, market.first + market.size):
            if w.reserves[r].receipt == token:
                return RECEIPTS + m
    return NOWHERE


@inner
def is_issued(w, token):
    """Whether a token is none of those that the venue trades, which come first."""
    return token > w.assets.size


@inner
def _of_shares(w, pool, token_in, token_out, amount):
    """What shares give of a token of the pool, or about how many shares a token gives."""
    if token_in == pool.share:
        o = position(pool, token_out)
        return ask_one(pool.one_for_shares_at, w.books, pool, o, amount)[0] if o >= 0 else 0.0
    if position(pool, token_in) < 0 or not w.values[pool.share] > 0.0:
        return 0.0
    # As its value is, less the fee on what must be swapped in the pool.
    worth = amount * market_price(w, token_in) / w.values[pool.share]
    return worth * (1.0 - pool.fee * (1.0 - 1.0 / pool.size))


@inner
def _of_receipts(w, m, token_in, token_out, amount):
    """What receipts give as far as there is cash, or how many a deposit gives."""
    market = w.markets[m]
    for r in range(market.first, market.first + market.size):
        reserve = w.reserves[r]
        index = w.books.storage[reserve.slot + lending.SUPPLY_INDEX]
        if reserve.receipt == token_in and reserve.token == token_out:
            out = amount * index
            return out if out <= lending.cash_of(w.books, reserve) else 0.0
        if reserve.receipt == token_out and reserve.token == token_in and index > 0.0:
            return amount / index
    return 0.0


@inner
def quote_protocol(w, p, token_in, token_out, amount):
    """What a protocol that anybody trades with would give; 0 where it gives nothing."""
    protocol = w.protocols[p]
    if protocol.quote == 0 or not amount > 0.0:
        return 0.0
    return ask_quote(protocol.quote, w, protocol.record, token_in, token_out, amount)


@inner
def quote_issued(w, token_in, token_out, amount):
    """Where one of two tokens is issued or handed in for the other, and what that gives.

    Returns:
        (place, token units; 0 where it cannot be done).
    """
    place = issuer_of(w, token_in if is_issued(w, token_in) else token_out)
    if place >= RECEIPTS:
        return place, _of_receipts(w, place - RECEIPTS, token_in, token_out, amount)
    if place >= SHARES:
        return place, _of_shares(w, w.pools[place - SHARES], token_in, token_out, amount)
    return place, 0.0
