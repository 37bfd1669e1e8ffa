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

from protocols import lending
from sim.codes import ALL, Kind
from sim.compiled import inner
from sim.mempool import Order, add_call, call, send

OUTSIDE = -1
"""The outside venue, in a list of places to trade."""
SHARES, RECEIPTS, PROTOCOLS = 1_000_000, 2_000_000, 3_000_000
"""Of places where shares of a pool, or receipts of a lending market, are issued and handed in
(`agents.issued`), and of protocols that anybody can trade with (`Protocol.quote`): added to the
number of the pool, market or protocol."""


THEN = Order(-1, -1, 0.0, 0)
"""In place of an order: the call belongs to the transaction that was sent last."""


@inner
def _enter(w, order, asked):
    """Send a call as a transaction, or add it to the last one."""
    if order.account < 0:
        return add_call(w, asked)
    return send(w, order, asked)


@inner
def trade(w, order, place, token_in, token_out, amount, least):
    """Swap in a pool or with the outside venue for at least so much.

    Where the place is an issuer, its shares or receipts are handed in for another token, or
    bought with one; of receipts all that the sender holds.
    """
    if place >= SHARES:
        return _ask_issuer(w, order, place, token_in, token_out, amount, least)
    kind = Kind.VENUE if place == OUTSIDE else Kind.SWAP
    return _enter(w, order, call(kind, max(place, 0), token_in, token_out, amount, least))


@inner
def _ask_issuer(w, order, place, token_in, token_out, amount, least):
    """As `trade`, where the place issues one of the tokens, or is a protocol."""
    if place >= PROTOCOLS:
        p = place - PROTOCOLS
        return ask(w, order, p, w.protocols[p].trade, token_in, token_out, amount, least)
    if place >= RECEIPTS:
        m = place - RECEIPTS
        if lending.reserve_at(w.markets[m], w.reserves, token_in) >= 0:
            return deposit(w, order, m, token_in, amount)
        return withdraw(w, order, m, token_out, ALL)
    pool = w.pools[place - SHARES]
    if pool.share == token_in:
        kind = Kind.REMOVE_LIQUIDITY
        asked = call(kind, place - SHARES, token_in, token_out, amount, least)
    else:
        other = pool.tokens[1] if pool.tokens[0] == token_in else pool.tokens[0]
        asked = call(Kind.ADD_LIQUIDITY, place - SHARES, token_in, other, amount, least)
    return _enter(w, order, asked)


# Wide: all that a call of any protocol may say.
@inner
def ask(
    w,
    order,
    protocol,
    action,
    token_in,
    token_out,
    amount,
    least,
    counterparty=-1,
    second=0.0,
):
    """Call a protocol that declares itself: `action` is the number of the call among its own."""
    asked = call(
        Kind.PROTOCOL,
        protocol,
        token_in,
        token_out,
        amount,
        least,
        counterparty,
        second,
        action=action,
    )
    return _enter(w, order, asked)


@inner
def swap(w, order, pool, token_in, token_out, amount, least):
    """Swap in a pool for at least so much."""
    return _enter(w, order, call(Kind.SWAP, pool, token_in, token_out, amount, least))


@inner
def add_liquidity(w, order, pool, token, other, amount, second):
    """Give a pool two tokens, at most so much of each, for shares."""
    kind = Kind.ADD_LIQUIDITY
    return _enter(w, order, call(kind, pool, token, other, amount, second=second))


@inner
def buy_shares(w, order, pool, shares):
    """Give a pool all of its tokens in proportion for so many shares."""
    share = w.pools[pool].share
    return _enter(w, order, call(Kind.ADD_LIQUIDITY, pool, share, share, shares))


@inner
def return_shares(w, order, pool, shares):
    """Give shares back to a pool for all of its tokens in proportion."""
    share = w.pools[pool].share
    return _enter(w, order, call(Kind.REMOVE_LIQUIDITY, pool, share, share, shares))


@inner
def open_range(w, order, pool, amount, second, lower, upper):
    """Provide at most so much of a concentrated pool's two tokens between two ticks."""
    base, quote = w.pools[pool].tokens[0], w.pools[pool].tokens[1]
    kind = Kind.ADD_LIQUIDITY
    return _enter(
        w, order, call(kind, pool, base, quote, amount, second=second, lower=lower, upper=upper)
    )


@inner
def close_range(w, order, pool, lower, upper):
    """Take all liquidity and fees out of a position between two ticks."""
    share = w.pools[pool].share
    kind = Kind.REMOVE_LIQUIDITY
    return _enter(w, order, call(kind, pool, share, share, ALL, lower=lower, upper=upper))


@inner
def deposit(w, order, market, token, amount):
    """Deposit with a lending market."""
    return _enter(w, order, call(Kind.DEPOSIT, market, token, token, amount))


@inner
def withdraw(w, order, market, token, amount):
    """Take a deposit out."""
    return _enter(w, order, call(Kind.WITHDRAW, market, token, token, amount))


@inner
def borrow(w, order, market, token, amount, health):
    """Borrow from a lending market, if the health factor is at least so much afterwards."""
    return _enter(w, order, call(Kind.BORROW, market, token, token, amount, health))


@inner
def repay(w, order, market, token, amount):
    """Repay what is owed of a token."""
    return _enter(w, order, call(Kind.REPAY, market, token, token, amount))


@inner
def liquidate(w, order, market, borrower, debt, collateral, amount, least):
    """Repay an amount of somebody's debt for at least so much of the collateral."""
    kind = Kind.LIQUIDATE
    return _enter(
        w, order, call(kind, market, debt, collateral, amount, least, counterparty=borrower)
    )


@inner
def flash_borrow(w, order, market, token, amount):
    """Borrow cash that the same transaction gives back by `flash_repay`."""
    return _enter(w, order, call(Kind.FLASH_BORROW, market, token, token, amount))


@inner
def flash_repay(w, order, market, token):
    """Give a flash loan back, with its fee."""
    return _enter(w, order, call(Kind.FLASH_REPAY, market, token, token, ALL))


@inner
def carry(w, order, place):
    """Have a public transaction of the mempool carried out here, as a part of a sealed bundle."""
    number = float(w.mempool[place].number)
    return _enter(w, order, call(Kind.CARRY, 0, 0, 0, number, second=float(place)))


@inner
def give(w, order, account, token, amount):
    """Give an account an amount of a token."""
    return _enter(w, order, call(Kind.TRANSFER, 0, token, token, amount, counterparty=account))


@inner
def require(w, order, token, gain):
    """Fail unless the transaction has gained so much of a token until here."""
    return _enter(w, order, call(Kind.REQUIRE, 0, token, token, 0.0, gain))
