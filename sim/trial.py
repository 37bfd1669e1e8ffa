"""Trying out: what a transaction would do now, before it is sent.

Searchers simulate what they send on the state that they see. Here the block's own kernels
carry the calls out, under the journal, and all is taken back: so a trial is as exact as the
state that it acts on.
"""

from __future__ import annotations

from sim.block import look_at_pledges, needs_python, perform
from sim.codes import Reason
from sim.compiled import inner
from sim.ledger import begin, overflowed, undo
from sim.measures import market_price

UNTRIED = -1
"""In place of a `Reason`: a call is carried out in Python, so nobody can tell beforehand."""

DONE, TOO_LONG, UNPAID = int(Reason.DONE), int(Reason.TOO_LONG), int(Reason.UNPAID)


@inner
def _carry_out(w, head):
    """Carry out the transaction at a place of the mempool. Returns how it ended."""
    under_way = w.under_way[0]
    mark = w.books.head[0]
    under_way.bundle_start = mark
    under_way.flashes = 0
    under_way.carrying = 0
    ended = DONE
    previous = 0.0
    for k in range(w.mempool[head].calls):
        if needs_python(w, w.mempool[head + k]):
            ended = UNTRIED
            break
        perform(w, head + k, previous)
        look_at_pledges(w)
        ended = under_way.call_reason
        if overflowed(w.books):
            ended = TOO_LONG
        if ended != DONE:
            break
        previous = under_way.call_out
    if ended == DONE and under_way.flashes > 0:
        ended = UNPAID
    if ended != DONE:
        undo(w.books, mark)
    return ended


@inner
def _worth(w, account):
    """Value of all that an account holds less what it owes, numeraire."""
    total = 0.0
    for token in range(w.books.supply.size):
        held = w.books.balances[account, token]
        if held != 0.0:
            total += held * market_price(w, token)
    return total


@inner
def try_out(w, first, head):
    """Carry out transactions of the mempool one after the other, and take all of it back.

    For use where agents decide, when no transaction is under way.

    Args:
        first: Place of the first; those before the last may fail.
        head: Place of the last.

    Returns:
        (how the last one ended: a `Reason`, or UNTRIED; what its sender gained by it before
        gas, in the numeraire at the prices of the block's start).
    """
    rules = w.rules[0]
    kept, rules.accounted = rules.accounted, 0  # what is taken back is nobody's loss
    begin(w.books)
    n = first
    while n < head:
        _carry_out(w, n)
        n += w.mempool[n].calls
    account = w.mempool[head].sender
    before = _worth(w, account)
    ended = _carry_out(w, head)
    gain = _worth(w, account) - before
    undo(w.books, 0)
    rules.accounted = kept
    w.under_way[0].bundle_start = 0
    return ended, gain
