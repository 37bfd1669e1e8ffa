"""Lending markets as a block meets them: their calls, debtors, interest, and what is audited."""

from __future__ import annotations

from typing import Any

import numpy as np

from protocols import lending, oracle
from sim.codes import Kind, Reason
from sim.compiled import inner, kernel
from sim.ledger import has_left
from sim.registry import register_call
from sim.tasks import Stage, Task, note_leak, register_task

FLASHES = 4
"""Flash loans that one transaction may have at a time."""

# Calls


@inner
def _opened(w):
    """Whether the call under way names a market; oracles that loans read now have read."""
    call = w.mempool[w.chain[0].call_place]
    if not 0 <= call.protocol < w.markets.size:
        return False
    oracle.refresh(w.books, w.pools, w.feeds)
    return True


@inner
def deposit(w):
    """The call DEPOSIT."""
    if not _opened(w):
        return
    chain = w.chain[0]
    call = w.mempool[chain.call_place]
    market, sender, token = w.markets[call.protocol], np.int64(call.sender), np.int64(call.token_in)
    reason, out = lending.deposit(w.books, market, w.reserves, sender, token, chain.call_in)
    chain.call_reason, chain.call_in, chain.call_out = reason, out, out


@inner
def withdraw(w):
    """The call WITHDRAW."""
    if not _opened(w):
        return
    chain = w.chain[0]
    call = w.mempool[chain.call_place]
    market, sender, token = w.markets[call.protocol], np.int64(call.sender), np.int64(call.token_in)
    reason, out = lending.withdraw(
        w.books, market, w.reserves, w.feeds, sender, token, chain.call_in
    )
    chain.call_reason, chain.call_in, chain.call_out = reason, out, out


@inner
def borrow(w):
    """The call BORROW; its limit is the health that is to be left."""
    if not _opened(w):
        return
    chain = w.chain[0]
    call = w.mempool[chain.call_place]
    market, sender, token = w.markets[call.protocol], np.int64(call.sender), np.int64(call.token_in)
    reason, out = lending.borrow(
        w.books, market, w.reserves, w.feeds, sender, token, chain.call_in, call.limit
    )
    if reason == Reason.DONE:
        list_debtor(w, np.int64(call.protocol), sender)
    chain.call_reason, chain.call_out = reason, out


@inner
def repay(w):
    """The call REPAY, for oneself or another."""
    if not _opened(w):
        return
    chain = w.chain[0]
    call = w.mempool[chain.call_place]
    market, sender, token = w.markets[call.protocol], np.int64(call.sender), np.int64(call.token_in)
    debtor = np.int64(call.counterparty) if call.counterparty >= 0 else sender
    reason, out = lending.repay(w.books, market, w.reserves, sender, debtor, token, chain.call_in)
    chain.call_reason, chain.call_in, chain.call_out = reason, out, out


@inner
def liquidate(w):
    """The call LIQUIDATE."""
    chain = w.chain[0]
    call = w.mempool[chain.call_place]
    if not _opened(w) or not 0 <= call.counterparty < w.books.balances.shape[0]:
        return
    reason, out, amount = lending.liquidate(
        w.books,
        w.markets[call.protocol],
        w.reserves,
        w.feeds,
        np.int64(call.sender),
        np.int64(call.counterparty),
        np.int64(call.token_in),
        np.int64(call.token_out),
        chain.call_in,
        call.limit,
    )
    chain.call_reason, chain.call_in, chain.call_out = reason, amount, out
    if reason == Reason.DONE:
        since = w.since[call.protocol, call.counterparty]
        chain.call_possible = chain.block - max(since, 0)


@inner
def flash_borrow(w):
    """The call FLASH_BORROW: cash for the rest of the transaction."""
    if not _opened(w):
        return
    chain = w.chain[0]
    call = w.mempool[chain.call_place]
    if chain.flashes >= FLASHES:
        chain.call_reason = Reason.CAP
        return
    m, sender, token = np.int64(call.protocol), np.int64(call.sender), np.int64(call.token_in)
    amount = chain.call_in
    reason = lending.flash_out(w.books, w.markets[m], w.reserves, sender, token, amount)
    chain.call_reason = reason
    if reason != Reason.DONE:
        return
    n = chain.flashes
    chain.flash_market[n], chain.flash_token[n], chain.flash_amount[n] = m, token, amount
    chain.flashes = n + 1
    chain.call_out = amount


@inner
def flash_repay(w):
    """The call FLASH_REPAY: all that the transaction borrowed of a token, with the fee."""
    if not _opened(w):
        return
    call = w.mempool[w.chain[0].call_place]
    m, sender, token = np.int64(call.protocol), np.int64(call.sender), np.int64(call.token_in)
    reason, paid = _flash_repay(w, m, sender, token)
    w.chain[0].call_reason, w.chain[0].call_in, w.chain[0].call_out = reason, paid, paid


@inner
def _flash_repay(w, m, sender, token):
    chain = w.chain[0]
    paid = 0.0
    kept = 0
    for n in range(chain.flashes):
        owed = chain.flash_amount[n]
        if chain.flash_market[n] != m or chain.flash_token[n] != token:
            chain.flash_market[kept] = chain.flash_market[n]
            chain.flash_token[kept] = chain.flash_token[n]
            chain.flash_amount[kept] = owed
            kept += 1
            continue
        reason, back = lending.flash_back(w.books, w.markets[m], w.reserves, sender, token, owed)
        if reason != Reason.DONE:
            return reason, paid
        paid += back
    chain.flashes = kept
    return (Reason.DONE if paid > 0.0 else Reason.NO_DEBT), paid


for _kind, _call in (
    (Kind.DEPOSIT, deposit),
    (Kind.WITHDRAW, withdraw),
    (Kind.BORROW, borrow),
    (Kind.REPAY, repay),
    (Kind.LIQUIDATE, liquidate),
    (Kind.FLASH_BORROW, flash_borrow),
    (Kind.FLASH_REPAY, flash_repay),
):
    register_call(_kind, _call)

# Debtors


@inner
def list_debtor(w, m, account):
    """Put an account on a market's list of debtors, once."""
    if w.since[m, account] == -2:
        market = w.markets[m]
        w.debtors[m, market.debtors] = account
        market.debtors += 1
        w.since[m, account] = -1


@kernel
def watch_debtors(w):
    """Compute every debtor's health at this block's oracle prices; drop who owes nothing."""
    block = w.chain[0].block
    for m in range(w.markets.size):
        market = w.markets[m]
        kept = 0
        for i in range(market.debtors):
            account = w.debtors[m, i]
            factor = lending.health(w.books, market, w.reserves, w.feeds, account)
            if factor == np.inf:
                w.since[m, account] = -2
                continue
            w.debtors[m, kept] = account
            w.health[m, kept] = factor
            kept += 1
            if factor >= 1.0:
                w.since[m, account] = -1
            elif w.since[m, account] < 0:
                w.since[m, account] = block
        market.debtors = kept


@inner
def look_at_pledges(w):
    """Refuse a call after which those whose receipts have left are not covered any more.

    However they left: given, swapped, put into a pool or another market, taken by a plain
    protocol (Aave's finalizeTransfer does so for every transfer of an aToken).
    """
    books, chain = w.books, w.chain[0]
    oracle.refresh(books, w.pools, w.feeds)
    for n in range(chain.bundle_mark, books.head[0]):
        if not has_left(books, n):
            continue
        account, token = books.journal[n].row, books.journal[n].column
        for r in range(w.reserves.size):
            if w.reserves[r].receipt == token:
                market = w.markets[w.reserves[r].market]
                if lending.health(books, market, w.reserves, w.feeds, account) < 1.0:
                    chain.call_reason = Reason.UNHEALTHY
                    return


# Between blocks


@inner
def accrue_all(w):
    """Charge interest."""
    for m in range(w.markets.size):
        lending.accrue(w.books, w.markets[m], w.reserves, w.chain[0].seconds)


@inner
def value_receipts(w):
    """Value of a unit of each receipt and debt: what its index makes of it."""
    for r in range(w.reserves.size):
        reserve = w.reserves[r]
        value = w.values[reserve.token]
        slot = reserve.slot
        w.values[reserve.receipt] = value * w.books.storage[slot + lending.SUPPLY_INDEX]
        w.values[reserve.debt] = -value * w.books.storage[slot + lending.BORROW_INDEX]


@inner
def audit_reserves(w):
    """Cash and debts are deposits."""
    for r in range(w.reserves.size):
        reserve = w.reserves[r]
        note_leak(w, lending.leak(w.books, w.markets[reserve.market], reserve))


def _has_markets(w: Any) -> bool:
    return len(w.markets) > 0


register_task(Task(Stage.READ, 20, watch_debtors, _has_markets))
register_task(Task(Stage.PLEDGES, 10, look_at_pledges, _has_markets))
register_task(Task(Stage.CLOSE, 10, accrue_all, _has_markets))
register_task(Task(Stage.VALUE, 20, value_receipts, _has_markets))
register_task(Task(Stage.AUDIT, 10, audit_reserves, _has_markets))
