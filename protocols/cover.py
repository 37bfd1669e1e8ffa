"""Cover of deposits in a lending market: underwriters pledge capital, depositors buy policies.

Whoever underwrites holds shares of the capital, takes part in its premiums and its claims, and may
leave only after notice, within a window, and only with capital that no policy needs (the cooldown
and window of Aave's Safety Module, "Staking"; locked capital as in Nexus Mutual's staking pools).
A policy covers an amount for a time. Its price rises as capacity is used up (Nexus Mutual, "Dynamic
pricing"): with p the price per year, low and high its ends, and u the share of the capacity K that
is sold, p(u) = low + (high - low) u; an amount c costs the mean over what it uses up::

    premium = T c (low + (high - low) (u + c / (2 K)))

T the time in years. A policy begins only after a wait (as covers on a market's default do), or
whoever sees a loan under water would buy cover of a loss that is there already. A claim pays what
the market's write-offs took from each unit since then, less a deductible, first come first served,
until there is no capital left; who claims need not be a depositor, as with a credit default swap.
So the insurer is a link: it fails with what it covers, and who relied on it is hit when it is gone.

What is lost is seen in the market's own books: bad debt over deposits, block by block. With L_t the
losses written to depositors in a block and D_t their deposits before, a unit held throughout has
kept S = prod (1 - L_t / D_t).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from protocols import lending
from protocols.interface import (
    ACCOUNTS,
    Call,
    Exposure,
    Fact,
    Measure,
    Part,
    Protocol,
    Settings,
    Table,
    Token,
    add,
    cell,
    read,
    register,
    write,
)
from sim.codes import Reason
from sim.compiled import inner, kernel
from sim.distribution import NotNegative, Positive
from sim.errors import Problem
from sim.fields import Names, Period, Share
from sim.ledger import burn, mint, transfer
from sim.names import HOLDERS
from sim.units import INTEREST_YEAR

AMOUNT, BEGINS, EXPIRES, KEPT, NOTICED, NOTICE = range(6)
WIDTH = 6
BUCKETS = 64
"""Dates at which policies begin and end that are remembered at a time."""


@kernel
def premium_of(amount, sold, capacity, low, high, years):
    """Premium of a policy: T c (low + (high - low) (u + c / (2 K))).

    Args:
        amount: c, token units covered.
        sold: u K, token units that other policies cover.
        capacity: K, token units.
        low: Price per year with no capacity used.
        high: With all of it used.
        years: T.
    """
    return years * amount * (low + (high - low) * (sold + 0.5 * amount) / capacity)


@kernel
def cover_for(premium, sold, capacity, low, high, years):
    """Amount that a premium covers: the root of `premium_of`; arguments as there."""
    steep = 0.5 * (high - low) / capacity
    flat = low + (high - low) * sold / capacity
    wanted = premium / years
    if steep <= 0.0:
        return wanted / flat if flat > 0.0 else np.inf
    root = np.sqrt(flat * flat + 4.0 * steep * wanted)
    return 2.0 * wanted / (flat + root)


@kernel
def claimable(amount, share, deductible):
    """What a policy pays: a share of what it covers, less the deductible.

    Args:
        amount: Covered, token units.
        share: Lost since it began, of each unit.
        deductible: Share of a loss that the holder bears.
    """
    return amount * share * (1.0 - deductible) if 0.0 < share <= 1.0 else 0.0


@inner
def _reserve(w, me):
    """Number of the reserve whose deposits it covers."""
    return lending.reserve_at(w.markets[me.lending], w.reserves, me.token)


@inner
def capital(w, me):
    """What there is to pay claims with, token units."""
    return w.books.balances[me.account, me.token]


@inner
def capacity(w, me):
    """Cover that can be sold in all, token units."""
    return capital(w, me) * me.leverage


@inner
def _length(me):
    """Blocks between two dates."""
    return (me.period + me.wait + BUCKETS - 4) // (BUCKETS - 3)


@inner
def _bucket(me, block):
    """Number of the date at which what ends in a block is taken off the books."""
    return block // _length(me) + 1


@inner
def underwrite(w, me, call):
    """Pledge capital; gives shares of it."""
    books = w.books
    if call.token_in != me.token or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    held, supply = capital(w, me), books.supply[me.share]
    if supply > 0.0 and not held > 0.0:
        return Reason.EMPTY_POOL, 0.0  # all was paid out: old shares are worth nothing for good
    shares = call.amount * supply / held if supply > 0.0 else call.amount
    if not 0.0 < shares < np.inf:
        return Reason.INVALID, 0.0
    if not shares >= call.limit:
        return Reason.LIMIT, 0.0
    if not transfer(books, call.sender, me.account, me.token, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not mint(books, call.sender, me.share, shares):
        return Reason.INVALID, 0.0
    return Reason.DONE, shares


@inner
def give_notice(w, me, call):
    """Say that one means to leave with so many shares; a second notice replaces the first."""
    if call.token_in != me.share or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    if not call.amount <= w.books.balances[call.sender, me.share]:
        return Reason.INSUFFICIENT_BALANCE, 0.0
    write(w, cell(me.people, call.sender, WIDTH, NOTICED), call.amount)
    done = write(w, cell(me.people, call.sender, WIDTH, NOTICE), float(w.chain[0].block))
    return (Reason.DONE if done else Reason.TOO_LONG), call.amount


@inner
def leave(w, me, call):
    """Take capital out, after notice and within the window, as far as no policy needs it."""
    books, block = w.books, w.chain[0].block
    noticed = cell(me.people, call.sender, WIDTH, NOTICED)
    waited = block - read(w, cell(me.people, call.sender, WIDTH, NOTICE))
    supply = books.supply[me.share]
    if call.token_in != me.share or not 0.0 < call.amount <= read(w, noticed):
        return Reason.INVALID, 0.0
    if waited < me.notice or waited > me.notice + me.window:
        return Reason.HALTED, 0.0
    out = capital(w, me) * min(call.amount / supply, 1.0)
    if capital(w, me) - out < read(w, me.sold) / me.leverage or not out >= call.limit:
        return Reason.LIMIT, 0.0
    if not burn(books, call.sender, me.share, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not transfer(books, me.account, call.sender, me.token, out):
        return Reason.INVALID, 0.0
    if not write(w, noticed, read(w, noticed) - call.amount):
        return Reason.TOO_LONG, 0.0
    return Reason.DONE, out


@inner
def buy(w, me, call):
    """Buy cover for a premium; what is left of an older policy is given up. Gives the amount."""
    books, block = w.books, w.chain[0].block
    if call.token_in != me.token or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    _end(w, me, call.sender)
    years = me.period * w.rules[0].seconds / INTEREST_YEAR
    most, sold = capacity(w, me), read(w, me.sold)
    if not most > 0.0:
        return Reason.EMPTY_POOL, 0.0
    amount = cover_for(call.amount, sold, most, me.low, me.high, years)
    if not sold + amount <= most:
        return Reason.CAP, 0.0
    if not amount >= call.limit:
        return Reason.LIMIT, 0.0
    if not transfer(books, call.sender, me.account, me.token, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    begins = _bucket(me, block + me.wait)
    expires = begins * _length(me) + me.period
    write(w, cell(me.people, call.sender, WIDTH, AMOUNT), amount)
    write(w, cell(me.people, call.sender, WIDTH, BEGINS), float(begins))
    write(w, cell(me.people, call.sender, WIDTH, EXPIRES), float(expires))
    write(w, cell(me.people, call.sender, WIDTH, KEPT), -1.0)
    add(w, me.ending + _bucket(me, expires) % BUCKETS, amount)
    add(w, me.premiums, call.amount)
    if not write(w, me.sold, sold + amount):
        return Reason.TOO_LONG, 0.0
    return Reason.DONE, amount


@inner
def _end(w, me, account):
    """End an account's policy, if one is in force."""
    amount = read(w, cell(me.people, account, WIDTH, AMOUNT))
    expires = int(read(w, cell(me.people, account, WIDTH, EXPIRES)))
    if amount > 0.0 and expires >= w.chain[0].block:
        _take_off(w, me, expires, amount)
    write(w, cell(me.people, account, WIDTH, AMOUNT), 0.0)


@inner
def _take_off(w, me, expires, amount):
    """Take an amount of cover that was to end in a block off the books."""
    slot = me.ending + _bucket(me, expires) % BUCKETS
    write(w, slot, max(read(w, slot) - amount, 0.0))
    write(w, me.sold, max(read(w, me.sold) - amount, 0.0))


@inner
def _policy(w, me, account):
    """An account's policy in force: (amount, last block, S as it began); 0 of none."""
    block = w.chain[0].block
    amount = read(w, cell(me.people, account, WIDTH, AMOUNT))
    begins = int(read(w, cell(me.people, account, WIDTH, BEGINS)))
    expires = int(read(w, cell(me.people, account, WIDTH, EXPIRES)))
    if not amount > 0.0 or expires < block or begins * _length(me) > block:
        return 0.0, 0, 1.0
    kept = read(w, cell(me.people, account, WIDTH, KEPT))
    if kept < 0.0:
        kept = read(w, me.history + begins % BUCKETS)
    return amount, expires, kept


@inner
def due_to(w, me, account):
    """What an account's policy would pay now if there is capital, token units."""
    amount, _, before = _policy(w, me, account)
    share = 1.0 - _kept_now(w, me) / before if before > 0.0 else 0.0
    return claimable(amount, share, me.deductible)


@inner
def claim(w, me, call):
    """Be paid for what has been lost since one's policy began. Gives what was paid."""
    amount, expires, _ = _policy(w, me, call.sender)
    due = due_to(w, me, call.sender)
    if call.token_in != me.token or not due > 0.0:
        return Reason.INVALID, 0.0
    paid = min(due, capital(w, me))
    if not paid >= call.limit:
        return Reason.LIMIT, 0.0
    if not transfer(w.books, me.account, call.sender, me.token, paid):
        return Reason.INVALID, 0.0
    _take_off(w, me, expires, due)
    write(w, cell(me.people, call.sender, WIDTH, AMOUNT), amount - due)
    write(w, cell(me.people, call.sender, WIDTH, KEPT), _kept_now(w, me))
    add(w, me.unpaid, due - paid)
    if not add(w, me.paid, paid):
        return Reason.TOO_LONG, 0.0
    call.amount = 0.0
    return Reason.DONE, paid


@inner
def _kept_now(w, me):
    """S, with what was written off since the last block."""
    reserve = w.reserves[_reserve(w, me)]
    written = w.books.storage[reserve.slot + lending.WRITTEN_TO_DEPOSITORS]
    lost = written - read(w, me.seen)
    kept = read(w, me.kept)
    if lost > 0.0:
        deposits = lending.totals(w.books, w.markets[me.lending], reserve)[0]
        kept *= max(1.0 - lost / (deposits + lost), 0.0)
    return kept


@inner
def look_at_losses(w, me):
    """Note what was written off, and take policies off the books that have ended."""
    reserve = w.reserves[_reserve(w, me)]
    written = w.books.storage[reserve.slot + lending.WRITTEN_TO_DEPOSITORS]
    if written != read(w, me.seen):
        write(w, me.kept, _kept_now(w, me))
        write(w, me.seen, written)
    block = w.chain[0].block + 1  # that comes
    if block % _length(me) == 0 or block == 1:
        date = block // _length(me)
        write(w, me.history + date % BUCKETS, read(w, me.kept))
        ended = read(w, me.ending + date % BUCKETS)
        write(w, me.ending + date % BUCKETS, 0.0)
        write(w, me.sold, max(read(w, me.sold) - ended, 0.0))


@inner
def leak(w, me):
    """Gap between the cover that is sold and that which is to end, relative."""
    total = 0.0
    for k in range(BUCKETS):
        total += read(w, me.ending + k)
    return abs(total - read(w, me.sold)) / max(read(w, me.sold), total, 1.0)


@inner
def used(w, me):
    """Share of the capacity that is sold; NaN without any."""
    most = capacity(w, me)
    return read(w, me.sold) / most if most > 0.0 else np.nan


@inner
def price(w, me):
    """Price of the next unit of cover, per year; NaN without capacity."""
    return me.low + (me.high - me.low) * used(w, me)


class CoverSettings(Settings):
    """Capital that covers deposits of one token in one lending market."""

    token: str
    lending: Annotated[str, Names("lending")] = Field(
        description="Lending market whose deposits it covers."
    )
    capital: NotNegative = Field(
        0.0, description="Capital of outside underwriters at the start, token units."
    )
    leverage: Positive = Field(
        1.0, description="Cover that may be sold per unit of capital (Nexus Mutual: capacity)."
    )
    low: NotNegative = Field(0.02, description="Price of cover with no capacity used, per year.")
    high: NotNegative = Field(0.2, description="Price of cover with all capacity used, per year.")
    period: Period = Field(50_400, description="Duration of a policy, blocks.")
    notice: Period = Field(50_400, description="Notice period of underwriters, blocks.")
    window: Period = Field(14_400, description="Withdrawal window after notice, blocks.")
    wait: Period = Field(7_200, description="Waiting time until a policy takes effect, blocks.")
    deductible: Share = Field(
        0.1, description="Deductible: share of a loss that the policyholder bears."
    )

    def problems(self, s: Any, name: str) -> list[Problem]:
        """Whether the market lends what it covers, and prices rise."""
        found: list[Problem] = []
        market = s.lending.get(self.lending)
        if market is not None and self.token not in market.reserves:
            have = ", ".join(market.reserves)
            found.append(("token", f"is not lent by {self.lending}; it lends {have}"))
        if self.high < self.low:
            found.append(("high", f"is below low ({self.low:g}); give at least as much"))
        return found


@register("cover")
class Cover(Protocol):
    """A cover protocol: underwriters' capital backs policies on deposits."""

    Settings = CoverSettings
    tokens = ("token",)
    issues = (Token("share", Part()),)
    state: ClassVar[Mapping[str, str]] = {
        "kept": "What a unit deposited since the start has kept, share",
        "seen": "Losses of depositors that are looked at, token units",
        "sold": "Cover in force, token units",
        "premiums": "Since the start, token units",
        "paid": "Claims paid since the start, token units",
        "unpaid": "Claims that there was no capital for, token units",
    }
    tables: ClassVar[Mapping[str, Table]] = {
        "people": Table(
            {
                "amount": "Covered, token units",
                "begins": "Date at which the policy begins",
                "expires": "Last block of it",
                "kept": "S as it began, or as last paid; -1: as history has it",
                "noticed": "Shares that it means to leave with",
                "notice": "Block in which it said so",
            },
            ACCOUNTS,
        ),
        "ending": Table({"amount": "Cover that ends at a date, token units"}, BUCKETS),
        "history": Table({"kept": "S at a date"}, BUCKETS),
    }
    calls = (
        Call("underwrite", underwrite, gas=150_000.0, pays="token", gives="share"),
        Call("give_notice", give_notice, gas=60_000.0, pays="share", gives="share"),
        Call("leave", leave, gas=140_000.0, pays="share", gives="token", event="withdrawal"),
        Call("buy", buy, gas=180_000.0, pays="token", gives="token"),
        Call("claim", claim, gas=160_000.0, pays="token", gives="token"),
    )
    between_blocks = look_at_losses
    leak = leak
    measures = (
        Measure("sold", "token units", "Cover in force", "sold"),
        Measure("used", "share of the capacity", "Capacity used", used),
        Measure("price", "per year", "Price of the next unit of cover", price),
        Measure("premiums", "token units, since the start", "Premiums", "premiums"),
        Measure("paid", "token units, since the start", "Claims paid", "paid"),
        Measure(
            "unpaid", "token units, since the start", "Claims unpaid for lack of capital", "unpaid"
        ),
    )
    card = (
        Fact("cover sold", "sold", "money", "{token}"),
        Fact("price of cover per year", "price", "share"),
        Fact("claims paid", "paid", "money", "{token}"),
        Fact("claims unpaid", "unpaid", "money", "{token}"),
    )
    charts: ClassVar[dict[str, Sequence[str]]] = {
        "Cover in force": ("sold",),
        "Claims": ("paid", "unpaid"),
        "Price of cover": ("price",),
    }
    channels = ("cover",)

    def start(self) -> None:
        """Let outside underwriters pledge what the settings say; nothing is lost yet."""
        self.put("kept", 1.0)
        amount = self.settings.capital  # type: ignore[attr-defined]
        if amount > 0.0:
            ledger = self.market.ledger
            ledger.mint(HOLDERS, self.token("token"), amount)
            ledger.transfer(HOLDERS, self.name, self.token("token"), amount)
            ledger.mint(HOLDERS, self.token("share"), amount)

    def exposures(self) -> Iterator[Exposure]:
        """It loses what it covers if the market fails, as far as it has capital."""
        held = min(self.value("sold"), self.held("token"))
        price = self.market.price(self.token("token"))
        yield Exposure(self.name, self.settings.lending, held * price, "cover")  # type: ignore[attr-defined]
