"""Default: what becomes of an account whose debts exceed all that secures them.

Without it such an account owes on for ever, since nobody liquidates it at a loss, and deposits
look whole that are not. Where a lending market says so (``default = "close"``), the account is
closed at the end of a block, if liquidators have left it alone for ``default_delay`` blocks:

1. Its collateral is redeemed by the market, as far as there is cash for it. A receipt of another
   lending market is redeemed there for what is behind it.
2. That is sold outside for what is owed, to each debt in proportion to its value: a forced sale
   at the depth and with the impact that the venue has in this block.
3. The creditors, who are the depositors of what is owed, are paid with the proceeds.
4. What is still owed then is written off, first against the treasury's deposits and then, through
   the index of the receipts, against all (`protocols.lending.write_off`).

Whoever has borrowed elsewhere against such receipts has less behind its debts, and may follow in
the same block (markets are gone through in the scenario's order) or in a later one. What cannot
be redeemed for lack of cash, or sold because the venue cannot pay, waits for a later block, and
nothing is written off before all is sold.

Solvency is told at the market's prices (`World.values`), not at the oracle's. It is the account's
in this market alone: what it owns elsewhere is out of reach, as for any pooled lending contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from protocols import lending
from sim import venue
from sim.codes import Event, Reason
from sim.compiled import inner
from sim.ledger import begin, burn, store, transfer, undo
from sim.measures import value_tokens
from sim.parts import Default
from sim.tasks import Stage, Task, register_task, tell

if TYPE_CHECKING:
    from sim.market import Market

DEFAULTED = np.dtype(
    [
        ("block", "i8"),
        ("market", "i8"),
        ("account", "i8"),
        ("equity", "f8"),  # numeraire, like the rest
        ("owed", "f8"),
        ("recovered", "f8"),
        ("treasury", "f8"),
        ("depositors", "f8"),
    ]
)
"""An account that was closed; of the first row ``account`` counts how many others there are."""
MOST_LOGGED = 16_384
"""Rows that a market keeps; of defaults beyond it only the number is known."""
EVEN = 1e-9
"""Share by which debts must exceed collateral: less is rounding."""


@inner
def _sellable(w, reserve, held):
    """What of a deposit can be redeemed now and turned into what the venue trades, token units."""
    amount = min(held, lending.cash_of(w.books, reserve))
    for r in range(w.reserves.size):
        behind = w.reserves[r]
        if behind.receipt == reserve.token:
            index = w.books.storage[behind.slot + lending.SUPPLY_INDEX]
            if index > 0.0:
                amount = min(amount, lending.cash_of(w.books, behind) / index)
    return amount


@inner
def _redeem(w, market, reserve, account, amount):
    """Take a deposit for the estate, which is the market's account beside its cash.

    Returns:
        (whether it was done, token, amount): a receipt of another market is redeemed there.
    """
    books = w.books
    held = lending.deposit_of(books, reserve, account)
    index = books.storage[reserve.slot + lending.SUPPLY_INDEX]
    units = books.balances[account, reserve.receipt] if amount >= held else amount / index
    cash = lending.cash_of(books, reserve) - amount
    done = burn(books, account, reserve.receipt, units)
    done = done and store(books, reserve.slot + lending.CASH, max(cash, 0.0))
    for r in range(w.reserves.size):
        behind = w.reserves[r]
        if done and behind.receipt == reserve.token:
            out = amount * books.storage[behind.slot + lending.SUPPLY_INDEX]
            if not out > 0.0:  # its depositors have lost everything
                return True, behind.token, 0.0
            other = w.markets[behind.market]
            reason, out = lending.withdraw(
                books, other, w.reserves, w.feeds, market.account, behind.token, out
            )
            return reason == Reason.DONE, behind.token, out
    return done, reserve.token, amount


@inner
def _repay(w, market, reserve, account, got):
    """Pay a debt with what the estate has got for it; too much is the account's. Returns paid."""
    books = w.books
    owed = lending.debt_of(books, reserve, account)
    paid = min(got, owed)
    units = books.balances[account, reserve.debt]
    if paid < owed:
        units = paid / books.storage[reserve.slot + lending.BORROW_INDEX]
    cash = lending.cash_of(books, reserve) + paid
    reserve.highest = max(reserve.highest, cash)
    done = burn(books, account, reserve.debt, units)
    done = done and store(books, reserve.slot + lending.CASH, cash)
    if done and market.isolates:
        done = lending.release(books, market, w.reserves, w.feeds, reserve, account, paid)
    if got > paid:
        done = done and transfer(books, market.account, account, reserve.token, got - paid)
    return paid if done else -1.0


@inner
def _sell_for(w, market, token, amount, wanted):
    """Sell for the estate at the venue. Returns what it got of a token, -1 if nothing is to be."""
    if token == wanted or not amount > 0.0:
        return max(amount, 0.0)
    rules = w.rules[0]
    reason, got = venue.trade(
        w.books,
        w.assets,
        w.quotes,
        rules.venue,
        rules.numeraire,
        market.account,
        token,
        wanted,
        amount,
        0.0,
    )
    return got if reason == Reason.DONE else -1.0


@inner
def _sell_all(w, market, account, debt):
    """Sell an account's collateral, and pay its debts in proportion to their value.

    Args:
        debt: All that it owes, numeraire.

    Returns:
        Value that its creditors got, numeraire; -1 if something could not be done.
    """
    recovered = 0.0
    last = market.first + market.size
    shares = np.zeros(market.size)
    for d in range(market.first, last):
        owed = lending.debt_of(w.books, w.reserves[d], account)
        shares[d - market.first] = owed * w.values[w.reserves[d].token] / debt
    for c in range(market.first, last):
        reserve = w.reserves[c]
        held = lending.deposit_of(w.books, reserve, account)
        if not reserve.collateral or not held > 0.0:
            continue
        amount = _sellable(w, reserve, held)
        if not amount > 0.0:
            continue
        done, token, amount = _redeem(w, market, reserve, account, amount)
        if not done:
            return -1.0
        for d in range(market.first, last):
            if shares[d - market.first] > 0.0:
                owing = w.reserves[d]
                part = amount * shares[d - market.first]
                got = _sell_for(w, market, token, part, owing.token)
                paid = _repay(w, market, owing, account, got) if got >= 0.0 else -1.0
                if paid < 0.0:
                    return -1.0
                recovered += paid * w.values[owing.token]
    return recovered


@inner
def _log(w, m, account, collateral, debt, recovered):
    """Note that an account was closed; returns its row, 0 where there is no room."""
    n = w.defaulted[0].account + 1
    if n >= w.defaulted.size:
        return 0
    w.defaulted[0].account = n
    row = w.defaulted[n]
    row.block, row.market, row.account = w.chain[0].block, m, account
    row.equity, row.owed, row.recovered = collateral - debt, debt, recovered
    row.treasury = row.depositors = 0.0
    return n


@inner
def close_account(w, m, account, collateral, debt):
    """Close an account: sell what it has, pay what can be paid, write off the rest.

    Args:
        collateral: Numeraire, at the market's prices, as `debt`.
    """
    books, market = w.books, w.markets[m]
    begin(books)
    recovered = _sell_all(w, market, account, debt)
    if recovered < 0.0:
        undo(books, 0)
        return
    left, _ = lending.standing_at(books, market, w.reserves, w.values, account)
    over = not left > EVEN * collateral + lending.NOTHING
    if not over and not recovered > 0.0:
        return
    n = _log(w, m, account, collateral, debt, recovered)
    if not over:
        tell(w, Event.CLOSED, account)
        return
    total = market.slot + lending.DEFAULTS
    store(books, total, books.storage[total] + 1.0)
    lost = np.zeros((market.size, 2))
    for r in range(market.first, market.first + market.size):
        slot = w.reserves[r].slot
        lost[r - market.first, 0] = books.storage[slot + lending.BAD_DEBT]
        lost[r - market.first, 1] = books.storage[slot + lending.WRITTEN_TO_DEPOSITORS]
    lending.write_off(books, market, w.reserves, w.feeds, account, 1.0)
    for r in range(market.first, market.first + market.size):
        slot, value = w.reserves[r].slot, w.values[w.reserves[r].token]
        written = books.storage[slot + lending.BAD_DEBT] - lost[r - market.first, 0]
        borne = books.storage[slot + lending.WRITTEN_TO_DEPOSITORS] - lost[r - market.first, 1]
        if n > 0:
            w.defaulted[n].depositors += borne * value
            w.defaulted[n].treasury += (written - borne) * value
    tell(w, Event.CLOSED, account)


@inner
def close_defaults(w):
    """Close the accounts that cannot pay and that liquidators have left alone for long enough."""
    block = w.chain[0].block
    value_tokens(w)
    for m in range(w.markets.size):
        market = w.markets[m]
        if market.closes == 0:
            continue
        for i in range(market.debtors):
            account = w.debtors[m, i]
            collateral, debt = lending.standing_at(w.books, market, w.reserves, w.values, account)
            if not debt > collateral * (1.0 + EVEN) + lending.NOTHING:
                w.insolvent[m, account] = -1
                continue
            if w.insolvent[m, account] < 0:
                w.insolvent[m, account] = block
            if block - w.insolvent[m, account] >= market.default_delay:
                close_account(w, m, account, collateral, debt)
                value_tokens(w)  # what was sold and written off is worth less to the next


register_task(Task(Stage.CLOSE, 5, close_defaults, lambda w: bool(w.markets["closes"].any())))


def logged(market: Market) -> list[Default]:
    """The accounts that were closed since the start, in order."""
    table: Any = market.world.defaulted
    names, accounts = list(market.lending), market.ledger.accounts
    return [
        Default(
            int(row["block"]),
            names[int(row["market"])],
            accounts[int(row["account"])],
            *(float(row[f]) for f in ("equity", "owed", "recovered", "treasury", "depositors")),
        )
        for row in table[1 : int(table[0]["account"]) + 1]
    ]
