"""Lending markets as a block meets them: their calls, debtors, interest, and what is audited."""

from __future__ import annotations

from typing import Any

import numpy as np

from protocols import lending, oracle
from sim.codes import Kind, Reason
from sim.compiled import inner, kernel
from sim.ledger import has_left
from sim.losses import accounted, note_borne
from sim.registry import register_call
from sim.tasks import Stage, Task, end_call, note_leak, register_task

FLASHES = 4
"""Flash loans that one transaction may have at a time."""

# Calls


@inner
def _asked(w):
    """Market, sender and token of the call under way; a market of -1 where there is none.

    Oracles that loans read now have read.
    """
    call = w.mempool[w.under_way[0].call_place]
    m = np.int64(call.protocol)
    if not 0 <= m < w.markets.size:
        m = np.int64(-1)
    else:
        oracle.refresh(w.books, w.pools, w.feeds)
    return m, np.int64(call.sender), np.int64(call.token_in)


@inner
def deposit(w):
    """The call DEPOSIT."""
    m, sender, token = _asked(w)
    if m >= 0:
        amount = w.under_way[0].call_in
        reason, out = lending.deposit(w.books, w.markets[m], w.reserves, sender, token, amount)
        end_call(w, reason, out, out)


@inner
def withdraw(w):
    """The call WITHDRAW."""
    m, sender, token = _asked(w)
    if m >= 0:
        amount = w.under_way[0].call_in
        reason, out = lending.withdraw(
            w.books, w.markets[m], w.reserves, w.feeds, sender, token, amount
        )
        end_call(w, reason, out, out)


@inner
def borrow(w):
    """The call BORROW; its limit is the health that is to be left."""
    m, sender, token = _asked(w)
    if m >= 0:
        amount, limit = w.under_way[0].call_in, w.mempool[w.under_way[0].call_place].limit
        reason, out = lending.borrow(
            w.books, w.markets[m], w.reserves, w.feeds, sender, token, amount, limit
        )
        if reason == Reason.DONE:
            list_debtor(w, m, sender)
        end_call(w, reason, amount, out)


@inner
def repay(w):
    """The call REPAY, for oneself or another."""
    m, sender, token = _asked(w)
    if m >= 0:
        amount, other = w.under_way[0].call_in, w.mempool[w.under_way[0].call_place].counterparty
        debtor = np.int64(other) if other >= 0 else sender
        reason, out = lending.repay(
            w.books, w.markets[m], w.reserves, w.feeds, sender, debtor, token, amount
        )
        end_call(w, reason, out, out)


@inner
def possible_for(w, m, account):
    """Blocks since an account's liquidation became possible, as was seen as a block began."""
    return w.chain[0].block - w.since[m, account] if w.since[m, account] >= 0 else 0


@inner
def bonus_now(w, m, r, account):
    """Bonus for collateral of an account in a reserve of a market, as it is in this block."""
    elapsed = possible_for(w, m, account)
    return lending.bonus_of(w.books, w.markets[m], w.reserves, r, account, elapsed)


@inner
def liquidate(w):
    """The call LIQUIDATE."""
    m, sender, token = _asked(w)
    chain = w.chain[0]
    under_way = w.under_way[0]
    call = w.mempool[under_way.call_place]
    if m < 0 or not 0 <= call.counterparty < w.books.balances.shape[0]:
        return
    debtor = np.int64(call.counterparty)
    reason, out, amount = lending.liquidate(
        w.books,
        w.markets[m],
        w.reserves,
        w.feeds,
        sender,
        debtor,
        token,
        np.int64(call.token_out),
        under_way.call_in,
        call.limit,
        possible_for(w, m, debtor),
    )
    end_call(w, reason, amount, out)
    if reason == Reason.DONE:
        under_way.call_possible = chain.block - max(w.since[m, debtor], 0)
        w.insolvent[m, debtor] = -1  # not left alone


@inner
def flash_borrow(w):
    """The call FLASH_BORROW: cash for the rest of the transaction."""
    m, sender, token = _asked(w)
    if m < 0:
        return
    under_way = w.under_way[0]
    if under_way.flashes >= FLASHES:
        under_way.call_reason = Reason.CAP
        return
    amount = under_way.call_in
    reason = lending.flash_out(w.books, w.markets[m], w.reserves, sender, token, amount)
    if reason == Reason.DONE:
        n = under_way.flashes
        under_way.flash_market[n], under_way.flash_token[n], under_way.flash_amount[n] = (
            m,
            token,
            amount,
        )
        under_way.flashes = n + 1
    end_call(w, reason, amount, amount if reason == Reason.DONE else 0.0)


@inner
def flash_repay(w):
    """The call FLASH_REPAY: all that the transaction borrowed of a token, with the fee."""
    m, sender, token = _asked(w)
    if m >= 0:
        reason, paid = _flash_repay(w, m, sender, token)
        end_call(w, reason, paid, paid)


@inner
def _flash_repay(w, m, sender, token):
    under_way = w.under_way[0]
    paid = 0.0
    kept = 0
    for n in range(under_way.flashes):
        owed = under_way.flash_amount[n]
        if under_way.flash_market[n] != m or under_way.flash_token[n] != token:
            under_way.flash_market[kept] = under_way.flash_market[n]
            under_way.flash_token[kept] = under_way.flash_token[n]
            under_way.flash_amount[kept] = owed
            kept += 1
            continue
        reason, back = lending.flash_back(w.books, w.markets[m], w.reserves, sender, token, owed)
        if reason != Reason.DONE:
            return reason, paid
        paid += back
    under_way.flashes = kept
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
    register_call(_kind, _call, of="lending")

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
        listed, factors = w.debtors[m][: market.debtors], w.health[m][: market.debtors]
        lending.find_healths(w.books, market, w.reserves, w.feeds, listed, factors)
        kept = 0
        for i in range(market.debtors):
            account, factor = listed[i], factors[i]
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
    books, under_way = w.books, w.under_way[0]
    oracle.refresh(books, w.pools, w.feeds)
    for n in range(under_way.bundle_mark, books.head[0]):
        if not has_left(books, n):
            continue
        account, token = books.journal[n].row, books.journal[n].column
        for r in range(w.reserves.size):
            if w.reserves[r].receipt == token:
                market = w.markets[w.reserves[r].market]
                if lending.health(books, market, w.reserves, w.feeds, account) < 1.0:
                    under_way.call_reason = Reason.UNHEALTHY
                    return


# Between blocks


@inner
def accrue_all(w):
    """Charge interest."""
    for m in range(w.markets.size):
        lending.accrue(w.books, w.markets[m], w.reserves, w.rules[0].seconds)


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


@inner
def tell_borne(w):
    """Bad debt that treasuries have borne by giving up deposits."""
    for r in range(w.reserves.size):
        reserve = w.reserves[r]
        s, slot = w.books.storage, reserve.slot
        borne = s[slot + lending.BAD_DEBT] - s[slot + lending.WRITTEN_TO_DEPOSITORS]
        note_borne(w, w.markets[reserve.market].treasury, reserve.token, borne)


def _has_markets(w: Any) -> bool:
    return len(w.markets) > 0


register_task(Task(Stage.READ, 20, watch_debtors, _has_markets))
register_task(Task(Stage.PLEDGES, 10, look_at_pledges, _has_markets))
register_task(Task(Stage.CLOSE, 10, accrue_all, _has_markets))
register_task(Task(Stage.VALUE, 20, value_receipts, _has_markets))
register_task(Task(Stage.COUNTERS, 20, tell_borne, lambda w: _has_markets(w) and accounted(w)))
register_task(Task(Stage.AUDIT, 10, audit_reserves, _has_markets))
