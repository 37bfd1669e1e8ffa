"""What a behaviour may ask for, by name and with only the arguments that it has.

A transaction is one call or several, done together or not at all. Its first call is made
by an `Order`, which says who pays what for it; the others follow with `THEN`::

    order = Order(account, me.ident, bid, patience)
    if borrow(w, order, m, debt, amount, 1.2):
        swap(w, THEN, pool, debt, collateral, PREVIOUS, least)
        deposit(w, THEN, m, collateral, PREVIOUS)

All return whether the mempool took the call. Amounts are token units, or PREVIOUS (what the
call before gave) or ALL (`sim.codes`).
"""

from __future__ import annotations

from typing import NamedTuple

from sim.block import follow, send
from sim.codes import ALL, Kind
from sim.compiled import inner

OUTSIDE = -1
"""The outside venue, in a list of places to trade."""


class Order(NamedTuple):
    """Who sends a transaction, and on what terms.

    Attributes:
        account: Of the sender.
        cohort: Its group, ``me.ident``.
        bid: Most that it pays for a unit of gas, gwei.
        patience: Blocks it is good for; 0: as long as the scenario says.
    """

    account: int
    cohort: int
    bid: float
    patience: int


THEN = Order(-1, -1, 0.0, 0)
"""In place of an order: the call belongs to the transaction that was sent last."""


@inner
def _call(w, order, kind, place, token_in, token_out, amount, limit, other, second, lower, upper):
    """Send a call as a transaction, or add it to the last one; `sim.block.follow` tells all."""
    if order.account < 0:
        return follow(
            w, kind, place, token_in, token_out, amount, limit, other, second, lower, upper
        )
    return send(
        w,
        order.account,
        order.cohort,
        order.bid,
        kind,
        place,
        token_in,
        token_out,
        amount,
        limit,
        other,
        second,
        order.patience,
        lower,
        upper,
    )


@inner
def trade(w, order, place, token_in, token_out, amount, least):
    """Swap in a pool or with the outside venue for at least so much."""
    kind = Kind.VENUE if place == OUTSIDE else Kind.SWAP
    return _call(w, order, kind, max(place, 0), token_in, token_out, amount, least, -1, 0.0, 0, 0)


@inner
def swap(w, order, pool, token_in, token_out, amount, least):
    """Swap in a pool for at least so much."""
    return _call(w, order, Kind.SWAP, pool, token_in, token_out, amount, least, -1, 0.0, 0, 0)


@inner
def add_liquidity(w, order, pool, token, other, amount, second):
    """Give a pool two tokens, at most so much of each, for shares."""
    kind = Kind.ADD_LIQUIDITY
    return _call(w, order, kind, pool, token, other, amount, 0.0, -1, second, 0, 0)


@inner
def buy_shares(w, order, pool, shares):
    """Give a pool all of its tokens in proportion for so many shares."""
    share = w.pools[pool].share
    return _call(w, order, Kind.ADD_LIQUIDITY, pool, share, share, shares, 0.0, -1, 0.0, 0, 0)


@inner
def return_shares(w, order, pool, shares):
    """Give shares back to a pool for all of its tokens in proportion."""
    share = w.pools[pool].share
    return _call(w, order, Kind.REMOVE_LIQUIDITY, pool, share, share, shares, 0.0, -1, 0.0, 0, 0)


@inner
def open_range(w, order, pool, amount, second, lower, upper):
    """Provide at most so much of a concentrated pool's two tokens between two ticks."""
    base, quote = w.pools[pool].tokens[0], w.pools[pool].tokens[1]
    kind = Kind.ADD_LIQUIDITY
    return _call(w, order, kind, pool, base, quote, amount, 0.0, -1, second, lower, upper)


@inner
def close_range(w, order, pool, lower, upper):
    """Take all liquidity and fees out of a position between two ticks."""
    share = w.pools[pool].share
    kind = Kind.REMOVE_LIQUIDITY
    return _call(w, order, kind, pool, share, share, ALL, 0.0, -1, 0.0, lower, upper)


@inner
def deposit(w, order, market, token, amount):
    """Deposit with a lending market."""
    return _call(w, order, Kind.DEPOSIT, market, token, token, amount, 0.0, -1, 0.0, 0, 0)


@inner
def withdraw(w, order, market, token, amount):
    """Take a deposit out."""
    return _call(w, order, Kind.WITHDRAW, market, token, token, amount, 0.0, -1, 0.0, 0, 0)


@inner
def borrow(w, order, market, token, amount, health):
    """Borrow from a lending market, if the health factor is at least so much afterwards."""
    return _call(w, order, Kind.BORROW, market, token, token, amount, health, -1, 0.0, 0, 0)


@inner
def repay(w, order, market, token, amount):
    """Repay what is owed of a token."""
    return _call(w, order, Kind.REPAY, market, token, token, amount, 0.0, -1, 0.0, 0, 0)


@inner
def liquidate(w, order, market, borrower, debt, collateral, amount, least):
    """Repay an amount of somebody's debt for at least so much of the collateral."""
    kind = Kind.LIQUIDATE
    return _call(w, order, kind, market, debt, collateral, amount, least, borrower, 0.0, 0, 0)


@inner
def flash_borrow(w, order, market, token, amount):
    """Borrow cash that the same transaction gives back by `flash_repay`."""
    return _call(w, order, Kind.FLASH_BORROW, market, token, token, amount, 0.0, -1, 0.0, 0, 0)


@inner
def flash_repay(w, order, market, token):
    """Give a flash loan back, with its fee."""
    return _call(w, order, Kind.FLASH_REPAY, market, token, token, ALL, 0.0, -1, 0.0, 0, 0)


@inner
def require(w, order, token, gain):
    """Fail unless the transaction has gained so much of a token until here."""
    return _call(w, order, Kind.REQUIRE, 0, token, token, 0.0, gain, -1, 0.0, 0, 0)
