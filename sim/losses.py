"""Who has lost what against holding, and to what: an account kept as the market runs.

The result of an entity is what it owns less what it owes now, less what its balance at the start
(in base tokens, a share as its part of the reserves) would be worth now had it done nothing. It
is the sum of all that has happened to it, each valued in the moment in which it happened:

- **revaluation**: what it holds otherwise than at the start, times how prices outside move. For
  each move ``(H - H0) (p' - p)``, with H its holdings in base tokens and H0 those of the start.
- **price impact**: what it paid in trades less what it got, without fees, at the outside prices
  just before the trade. The other side (the venue, a pool's providers) has the same with the
  other sign: of providers it is loss-versus-rebalancing as it comes.
- **fees**: swap fees, flash fees and interest, paid (-) and earned (+).
- **gas**: paid (-), and the producer's part of it (+). What is burnt is nobody's.
- **bad debt**: of those who have a claim, what was written off and what is not covered now; of
  debtors the same with the other sign, since they do not pay it.
- **run**: what it cost to leave under force or in haste: collateral seized over debt repaid in a
  liquidation, the discount of a forced sale in a default, and claims (shares, receipts) sold in
  a pool for less than they stand for in place of being redeemed. Who took them has the gain.
  What cannot be withdrawn is a claim still, and no loss before it is sold or written off.
- **other**: gifts, insurance, what a script does to the ledger by itself, and of protocols that
  declare themselves what happens between blocks and in calls that name no cause
  (`protocols.interface.Call`).

Money that investors outside bring to funds and makers, or take, is a deposit (`bring`): it moves
the start that results are counted from, and is in no part.

So price impact, fees, bad debt and run of all entities sum to nothing, and the results of all to
what was minted less what was burnt of base tokens, at the prices of now.

A kernel looks after every call that has changed the ledger, through the undo journal, at who has
more and who has less; agents that change it as they decide tell it (`sim.tasks.tell`). It costs
some microseconds a transaction and nothing where it is not asked for (``measures.losses = true``).
What a holder earns through another protocol (a share that lies in a pool or as collateral in a
lending market's receipt) is told whole as price impact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim import venue
from sim.arrays import copy_into
from sim.codes import Cause, Event, Kind
from sim.compiled import inner, kernel
from sim.ledger import BALANCE, DEBT, LEFT, SUPPLY, Ledger, begin, transfer
from sim.measures import ACCOUNTING
from sim.parts import Part, register_part
from sim.tasks import Stage, Task, register_task, run_stage, tell

if TYPE_CHECKING:
    from sim.scenario import Scenario


CAUSES = [cause.name.lower() for cause in Cause]
TOTAL = "result_against_holding"

HELD, CLAIMED, CHARGED, BORNE, START = range(5)
"""Of `World.ledgered`, float64[., entities, tokens]: what each holds (an issuer less all that is
out), claims that are no tokens, fees it has charged, bad debt it bears first, its start."""
BEFORE = 5
"""HELD to BORNE as of the last look."""
NEXT = 9
"""Claims, fees and bad debt as they are now."""
KEPT = 12
"""BEFORE as the transaction under way began."""
LAYERS = 16
PRICES, VALUES, NEXT_VALUES, SAVED, KEPT_PRICES, KEPT_VALUES = range(6)
"""Of `World.quoted`, float64[., tokens]."""
NOW, THEN, SHIFTS = range(3)
"""Of `World.lost`, float64[., entities, causes]: the account, as the transaction under way
began, and what each gained in the last step by moving something and without."""


# What protocols tell


@inner
def note_fees(w, account, token, amount):
    """Tell what a protocol has charged since the start in fees of a token (`Stage.COUNTERS`)."""
    w.ledgered[NEXT + 1, w.whose[account], token] += amount


@inner
def note_borne(w, account, token, amount):
    """Tell what an account has borne of bad debt since the start by giving up a claim."""
    w.ledgered[NEXT + 2, w.whose[account], token] += amount


@inner
def bring(w, group, account, amount):
    """Let investors outside bring an agent money, or take some: a deposit, and nobody's gain.

    It comes from the venue's account. What the agent's group held at the start grows by it, and
    what the venue held shrinks, so results against holding and losses stay as they were.

    Args:
        group: Number of the agent's cohort, ``me.ident``.
        account: Of the agent.
        amount: Numeraire; negative: taken.

    Returns:
        Whether it was there to be moved.
    """
    rules = w.rules[0]
    if amount == 0.0:
        return True
    begin(w.books)
    source, target = (rules.venue, account) if amount > 0.0 else (account, rules.venue)
    if not transfer(w.books, source, target, rules.numeraire, abs(amount)):
        return False
    outside = w.cohorts.size + rules.venue  # special accounts are the ledger's first
    w.start[group, rules.numeraire] += amount
    w.start[outside, rules.numeraire] -= amount
    w.start_worth[group] += amount
    w.start_worth[outside] -= amount
    if w.brought.size > 0:
        w.brought[account] += amount
        w.brought[rules.venue] -= amount
    tell(w, Event.FUNDED, account)
    return True


# Looking


@inner
def _holdings(w):
    """Read what everybody holds off the ledger; of cohorts only where others act for them."""
    books, held = w.books, w.ledgered[HELD]
    held[:] = 0.0
    for row in range(books.balances.shape[0]):
        e = w.whose[row]
        if e >= 0:
            for t in range(held.shape[1]):
                held[e, t] += books.balances[row, t]
    for t in range(held.shape[1]):
        if w.issued_by[t] >= 0:
            held[w.issued_by[t], t] -= books.supply[t]


@inner
def _apart(w):
    """Read anew what those hold who are in no cohort: interest is written without a journal."""
    books, held = w.books, w.ledgered[HELD]
    for way in range(2):
        at = 0
        for c in range(w.cohorts.size + 1):
            end = books.balances.shape[0] if c == w.cohorts.size else w.cohorts[c].first
            for row in range(at, end):
                e = w.whose[row]
                if e >= 0 and way == 0:
                    held[e] = 0.0
                elif e >= 0:
                    for t in range(held.shape[1]):
                        held[e, t] += books.balances[row, t]
            if c < w.cohorts.size:
                at = w.cohorts[c].first + w.cohorts[c].size
    for t in range(held.shape[1]):
        if w.issued_by[t] >= 0:
            held[w.issued_by[t], t] -= books.supply[t]


@inner
def _follow(w, first):
    """Take what the journal notes from an entry on over into what everybody holds."""
    books, held = w.books, w.ledgered[HELD]
    for n in range(first, books.head[0]):
        entry = books.journal[n]
        of_balance = entry.table == BALANCE or entry.table == LEFT
        if not of_balance and entry.table != SUPPLY:
            continue
        seen = False
        for k in range(first, n):  # only the first write of a cell knows what was there
            other = books.journal[k]
            if other.column == entry.column and other.row == entry.row:
                if of_balance:
                    seen = other.table == BALANCE or other.table == LEFT
                else:
                    seen = other.table == SUPPLY
                if seen:
                    break
        if seen:
            continue
        t = entry.column
        if of_balance:
            e = w.whose[entry.row]
            if e >= 0:
                held[e, t] += books.balances[entry.row, t] - entry.old
        elif w.issued_by[t] >= 0:
            held[w.issued_by[t], t] -= books.supply[t] - entry.old


@inner
def _look(w):
    """Value tokens at the prices kept, and ask protocols for claims and counters."""
    rules, quoted = w.rules[0], w.quoted
    copy_into(quoted[SAVED], w.values)
    w.values[:] = 0.0
    w.values[rules.numeraire] = 1.0
    for a in range(w.assets.size):
        w.values[w.assets[a].token] = quoted[PRICES, w.assets[a].token]
    for _ in range(3 if rules.nested else 2):
        run_stage(w, Stage.VALUE)
    copy_into(quoted[NEXT_VALUES], w.values)
    copy_into(w.values, quoted[SAVED])
    for layer in range(NEXT, NEXT + 3):
        w.ledgered[layer] = 0.0
    w.asked[0].claimant = ACCOUNTING
    run_stage(w, Stage.CLAIM)
    run_stage(w, Stage.COUNTERS)


@inner
def _settle(w):
    """What is now is what the next look starts from."""
    w.ledgered[CLAIMED] = w.ledgered[NEXT]
    w.ledgered[CHARGED] = w.ledgered[NEXT + 1]
    w.ledgered[BORNE] = w.ledgered[NEXT + 2]
    w.ledgered[BEFORE] = w.ledgered[HELD]
    w.quoted[VALUES] = w.quoted[NEXT_VALUES]


@inner
def _book(w, cause):
    """Look, and book what each entity has gained since the last look under a cause."""
    _look(w)
    held, was, claims, claimed = (
        w.ledgered[HELD],
        w.ledgered[BEFORE],
        w.ledgered[NEXT],
        w.ledgered[CLAIMED],
    )
    v, new = w.quoted[VALUES], w.quoted[NEXT_VALUES]
    for e in range(held.shape[0]):
        direct = passive = 0.0
        for t in range(v.size):
            direct += (held[e, t] - was[e, t]) * v[t]
            passive += held[e, t] * (new[t] - v[t])
            passive += (claims[e, t] - claimed[e, t]) * v[t] + claims[e, t] * (new[t] - v[t])
        w.lost[SHIFTS, e, 0], w.lost[SHIFTS, e, 1] = direct, passive
        w.lost[NOW, e, cause] += direct + passive


@inner
def _move(w, e, source, target, amount):
    w.lost[NOW, e, source] -= amount
    w.lost[NOW, e, target] += amount


@inner
def _part_deposit(w):
    """Count what was just brought or taken as held from the start."""
    for e in range(w.ledgered.shape[1]):
        w.lost[NOW, e, Cause.OTHER] -= w.lost[SHIFTS, e, 0]
        for t in range(w.ledgered.shape[2]):
            w.ledgered[START, e, t] += w.ledgered[HELD, e, t] - w.ledgered[BEFORE, e, t]


@inner
def _part_fees(w, cause, sender, token):
    """Book fees apart from the trade that they were paid in.

    The sender pays them. Who gets something handed in a trade of others (a treasury) gets its
    part of them; the rest is shared by those who have a claim on the pool: by what their
    positions got of the token paid in, or by the shares that they hold.
    """
    v, charged, was = w.quoted[VALUES], w.ledgered[NEXT + 1], w.ledgered[CHARGED]
    held, claims, claimed = w.ledgered[HELD], w.ledgered[NEXT], w.ledgered[CLAIMED]
    entities = held.shape[0]
    for p in range(entities):
        fees = 0.0
        for t in range(v.size):
            fees += (charged[p, t] - was[p, t]) * v[t]
        if not fees > 0.0:
            continue
        _move(w, sender, cause, Cause.FEES, -fees)
        weights = np.zeros(entities)
        handed = 0.0
        for e in range(entities):
            if e != sender and e != p and w.lost[SHIFTS, e, 0] > 0.0:
                handed += w.lost[SHIFTS, e, 0]
                _move(w, e, cause, Cause.FEES, w.lost[SHIFTS, e, 0])
            if e != p and token >= 0:
                weights[e] = max(claims[e, token] - claimed[e, token], 0.0)
        total = weights.sum()
        if not total > 0.0:
            for t in range(v.size):
                if w.issued_by[t] == p and w.books.rights[t] != DEBT:
                    for e in range(entities):
                        if e != p:
                            weights[e] += max(held[e, t], 0.0)
            total = weights.sum()
        for e in range(entities):
            share = 1.0 if e == p else 0.0
            if total > 0.0:
                share = weights[e] / total
            _move(w, e, cause, Cause.FEES, share * (fees - handed))


@inner
def _part_bad_debt(w, cause, debtor):
    """Book what was written off apart from what the debtor's collateral was taken for.

    Nothing else lowers the value of a claim there, so whoever lost without moving anything bears
    it; whoever bears it by giving up a claim says so. The debtor is relieved of as much.
    """
    v, borne, was = w.quoted[VALUES], w.ledgered[NEXT + 2], w.ledgered[BORNE]
    total = 0.0
    for e in range(borne.shape[0]):
        if w.issues_claims[e]:
            continue
        lost = w.lost[SHIFTS, e, 1]
        for t in range(v.size):
            lost -= (borne[e, t] - was[e, t]) * v[t]
        _move(w, e, cause, Cause.BAD_DEBT, lost)
        total += lost
    _move(w, debtor, cause, Cause.BAD_DEBT, -total)


@inner
def _revalue(w):
    """Let the prices kept be those of now, and book what that is worth to each entity."""
    moved = False
    for a in range(w.assets.size):
        price = venue.price_now(w.books, w.assets[a])
        if price != w.quoted[PRICES, w.assets[a].token]:
            w.quoted[PRICES, w.assets[a].token] = price
            moved = True
    if not moved:
        return
    _look(w)
    v, new = w.quoted[VALUES], w.quoted[NEXT_VALUES]
    for e in range(w.ledgered.shape[1]):
        gain = 0.0
        for t in range(v.size):
            more = w.ledgered[HELD, e, t] + w.ledgered[NEXT, e, t] - w.ledgered[START, e, t]
            gain += more * (new[t] - v[t])
        w.lost[NOW, e, Cause.REVALUATION] += gain
    _settle(w)


# When


@inner
def cause_of(w, call):
    """Why a call changes what anybody has."""
    kind = call.kind
    if kind == Kind.SWAP:
        t = call.token_in
        claim = w.issued_by[t] >= 0 and w.books.rights[t] != DEBT
        return Cause.RUN if claim else Cause.PRICE_IMPACT
    if kind == Kind.VENUE or kind == Kind.ADD_LIQUIDITY or kind == Kind.REMOVE_LIQUIDITY:
        return Cause.PRICE_IMPACT
    if kind == Kind.LIQUIDATE:
        return Cause.RUN
    if kind == Kind.PROTOCOL:
        return w.actions[w.protocols[call.protocol].first + call.action].cause
    loan = kind == Kind.DEPOSIT or kind == Kind.WITHDRAW
    loan = loan or kind == Kind.BORROW or kind == Kind.REPAY
    if loan or kind == Kind.FLASH_BORROW or kind == Kind.FLASH_REPAY:
        return Cause.FEES
    return Cause.OTHER


@inner
def account_for(w):
    """Book what has just happened in the block (`sim.codes.Event`)."""
    event = w.asked[0].event
    if event == Event.BEGUN:
        for layer in range(4):
            w.ledgered[KEPT + layer] = w.ledgered[HELD + layer]
        w.lost[THEN] = w.lost[NOW]
        w.quoted[KEPT_PRICES] = w.quoted[PRICES]
        w.quoted[KEPT_VALUES] = w.quoted[VALUES]
        return
    if event == Event.UNDONE:
        for layer in range(4):
            w.ledgered[HELD + layer] = w.ledgered[KEPT + layer]
        w.ledgered[BEFORE] = w.ledgered[HELD]
        w.lost[NOW] = w.lost[THEN]
        w.quoted[PRICES] = w.quoted[KEPT_PRICES]
        w.quoted[VALUES] = w.quoted[KEPT_VALUES]
    in_call = event == Event.CALLED or event == Event.CARRIED
    first = w.under_way[0].bundle_mark if in_call else 0
    if w.books.head[0] <= first:
        return
    _follow(w, first)
    if event == Event.PAID or event == Event.UNDONE or event == Event.CARRIED:
        _book(w, Cause.GAS)
    elif event == Event.ACTED:
        _book(w, w.asked[0].who)
    elif event == Event.FUNDED:
        _book(w, Cause.OTHER)
        _part_deposit(w)
    elif event == Event.CLOSED:
        _book(w, Cause.RUN)
        _part_bad_debt(w, Cause.RUN, w.whose[w.asked[0].who])
    else:
        place = w.asked[0].who
        if w.mempool[place].kind == Kind.CARRY:  # what it carries is what happens
            place = w.under_way[0].carried[w.under_way[0].carrying - 1]
        call = w.mempool[place]
        cause = cause_of(w, call)
        _book(w, cause)
        if call.kind == Kind.LIQUIDATE:
            _part_bad_debt(w, cause, w.whose[call.counterparty])
        elif cause == Cause.PRICE_IMPACT or cause == Cause.RUN:
            _part_fees(w, cause, w.whose[call.sender], np.int64(call.token_in))
    _settle(w)
    _revalue(w)


@inner
def move_prices(w):
    """Book what the block's first move of outside prices is worth."""
    _revalue(w)


@inner
def book_interest(w):
    """Book a block's interest."""
    _apart(w)
    _book(w, Cause.FEES)
    _settle(w)


@inner
def book_rest(w):
    """Book what protocols that declare themselves and funds have done between blocks."""
    if w.protocols.size > 0:
        _holdings(w)
    else:
        _apart(w)
    _book(w, Cause.OTHER)
    _settle(w)


@kernel
def book_outside(w, start):
    """Book what Python has done to the ledger since the last look, and the start that it moved.

    Args:
        start: float64[entities, tokens], from now on.
    """
    _holdings(w)
    _book(w, Cause.OTHER)
    for e in range(start.shape[0]):
        for t in range(start.shape[1]):
            moved = start[e, t] - w.ledgered[START, e, t]
            w.lost[NOW, e, Cause.OTHER] -= moved * w.quoted[NEXT_VALUES, t]
            w.ledgered[START, e, t] = start[e, t]
    _settle(w)
    _revalue(w)


@kernel
def begin_account(w):
    """Begin at what everybody holds and at the prices of now."""
    w.lost[:] = 0.0
    for a in range(w.assets.size):
        w.quoted[PRICES, w.assets[a].token] = venue.price_now(w.books, w.assets[a])
    _holdings(w)
    _look(w)
    _settle(w)


def accounted(w: Any) -> bool:
    """Whether an account is kept in a market."""
    return bool(w.rules[0]["accounted"])


register_task(Task(Stage.READ, 0, move_prices, accounted))
register_task(Task(Stage.ACCOUNT, 0, account_for, accounted))
register_task(Task(Stage.CLOSE, 12, book_interest, accounted))
register_task(Task(Stage.CLOSE, 99, book_rest, accounted))
register_task(Task(Stage.GUARD, 99, book_rest, accounted))


class Losses(Part):
    """The arrays of the account."""

    order = 90
    tables = {  # noqa: RUF012
        "whose": ("i8", 1),  # entity that each account is of, -1: none yet
        "issued_by": ("i8", 1),  # entity that issues each token, -1: nobody
        "issues_claims": ("i8", 1),  # by entity, 1: it issues a token
        "ledgered": ("f8", 3),
        "quoted": ("f8", 2),
        "lost": ("f8", 3),
        "brought": ("f8", 1),  # by account, what investors outside have, numeraire
    }

    def arrays(self, s: Scenario, ledger: Ledger, slot: int) -> dict[str, Any]:
        """None before the market is open; then `LossBook` makes them."""
        return empty(0, 0, 0)

    def flags(self, s: Scenario) -> dict[str, int]:
        """Whether it is kept."""
        return {"accounted": int(s.measures.losses)}


def empty(accounts: int, entities: int, tokens: int) -> dict[str, Any]:
    """Arrays of an account in which nothing is booked."""
    return {
        "whose": np.full(accounts, -1, np.int64),
        "issued_by": np.full(tokens, -1, np.int64),
        "issues_claims": np.zeros(entities, np.int64),
        "ledgered": np.zeros((LAYERS, entities, tokens)),
        "quoted": np.zeros((6, tokens)),
        "lost": np.zeros((3, entities, len(Cause))),
        "brought": np.zeros(accounts),
    }


register_part(Losses())
