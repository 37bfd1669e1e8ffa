"""A custodian: takes deposits at par, keeps a part liquid, and lends or invests the rest.

A unit of deposit stands for `promised` of the asset, on demand. What is not kept liquid is lent in
a lending market, or invested outside in tranches that mature after a term and have earned a share
by then; called back before that, a unit invested gives its salvage and nothing of what it would
have earned. Who comes first is paid in full while there is something: cash, what the lending
market has in cash, then tranches called back, the next to mature first. When nothing can be had it
suspends, until enough has matured. When its books show less than it owes (or than so large a part
of it as the settings say) it is bankrupt: all claims that are left are written down alike to what
is there.

Waiting pays or not by what others do (Diamond, Dybvig 1983). With cash C, investments I at cost
that are R at their term and give s when they are called early, and L promised, a share f of which
is asked for now, who waits gets per unit promised::

    waiting(f) = R (I - max(f L - C, 0) / s) / ((1 - f) L)    as long as f L > C, and s > 0,

at most what is promised at the term, unless the custodian is a mutual whose last depositors share
all there is. That falls below 1, what leaving gives, where f exceeds

    f* = (R (I + C / s) / L - 1) / (R / s - 1),

which for C = 0, s = 1, I / L = 1 / r1 is Diamond's and Dybvig's (R - r1) / (r1 (R - 1)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from protocols.interface import (
    Call,
    Event,
    Fact,
    Measure,
    Protocol,
    Settings,
    Table,
    Token,
    Value,
    add,
    cell,
    read,
    register,
    write,
)
from protocols.lent import call_back, callable_now, lend, lent, not_lent
from sim.codes import Reason
from sim.compiled import inner, kernel
from sim.distribution import MOST, NotNegative, Positive
from sim.errors import Problem
from sim.fields import Names, Period, Share, reach
from sim.ledger import burn, mint, transfer
from sim.names import HOLDERS
from sim.units import INTEREST_YEAR

AMOUNT, DUE = range(2)
WIDTH = 2
GRAIN = 1e-9
"""Of what is promised: rounding, and no cash."""


# Wide: the numbers of the formula.
@kernel
def waiting(leaving, cash, invested, promised, grown, salvage, most):
    """What a unit promised gets that stays, if a share of all leaves now.

    Args:
        leaving: f, share of what is promised that is asked for now.
        cash: C, token units that can be paid out without a loss.
        invested: I, token units at cost.
        promised: L, token units.
        grown: R, what a unit invested is at its term.
        salvage: s, what it gives before; 0: it cannot be called.
        most: What a unit gets at most; infinite: who stays shares all there is.

    Returns:
        Token units per unit promised, at the term.
    """
    if not promised > 0.0:
        return 1.0
    asked = min(leaving, 1.0) * promised
    short = max(asked - cash, 0.0)
    stay = promised - asked
    if salvage > 0.0:
        called = short / salvage
        if called > invested:
            return 0.0
        short = 0.0
        left = max(cash - asked, 0.0) + grown * (invested - called)
    else:
        left = max(cash - asked, 0.0) + grown * invested
    owed = stay + short  # who was not paid stays, too
    return min(left / owed, most) if owed > 0.0 else most


@kernel
def threshold(cash, invested, promised, grown, salvage):
    """Share f* of what is promised that may be asked for before waiting pays less than leaving.

    Args:
        cash: C, token units.
        invested: I, token units at cost.
        promised: L, token units.
        grown: R, at the term.
        salvage: s, above 0.

    Returns:
        f*, in [0, 1]; 1: nobody loses by waiting, whoever leaves.
    """
    if cash + grown * invested < promised:
        return 0.0
    if promised <= cash or grown <= salvage:
        return 1.0
    # Up to C / L nobody calls; beyond, what is called early is short of what it would have been.
    found = (grown * (invested + cash / salvage) / promised - 1.0) / (grown / salvage - 1.0)
    return min(max(found, 0.0), 1.0)


@kernel
def insolvency(cash, invested, promised, salvage):
    """Share of what is promised from which its books show less than it owes.

    What is called early loses 1 - s of each unit; all of the equity E = C + I - L is lost when
    ``(f L - C) (1 - s) / s = E``.

    Args:
        cash: C, token units.
        invested: I, token units at cost.
        promised: L, token units.
        salvage: s, above 0.

    Returns:
        The share f, in [0, 1]; 1: it stays solvent.
    """
    equity = cash + invested - promised
    if equity < 0.0 or not promised > 0.0:
        return 0.0
    if salvage >= 1.0:
        return 1.0
    return min((cash + equity * salvage / (1.0 - salvage)) / promised, 1.0)


@inner
def cash(w, me):
    """What it has at hand, token units."""
    return w.books.balances[me.account, me.asset] - read(w, me.invested)


@inner
def ready(w, me):
    """What can be paid out without a loss: cash, and what the market has of what is lent."""
    return cash(w, me) + callable_now(w, me)


@inner
def assets(w, me):
    """All it has, investments at cost, token units."""
    return w.books.balances[me.account, me.asset] + lent(w, me)


@inner
def liabilities(w, me):
    """All that is promised, token units."""
    return w.books.supply[me.deposit] * read(w, me.promised)


@inner
def withdrawable(w, me):
    """What could be paid out now, were all of it asked for, token units."""
    if read(w, me.shut) > 0.0 or read(w, me.suspended) > 0.0:
        return 0.0
    there = ready(w, me) + read(w, me.invested) * me.salvage
    return min(there, liabilities(w, me))


@inner
def backing(w, me):
    """Assets over liabilities, at cost; 1 without any."""
    owed = liabilities(w, me)
    return assets(w, me) / owed if owed > 0.0 else 1.0


@inner
def liquidity(w, me):
    """Withdrawable over promised; 1 without any."""
    owed = liabilities(w, me)
    return withdrawable(w, me) / owed if owed > 0.0 else 1.0


@inner
def liquid_share(w, me):
    """What can be paid out without a loss over all it has; 1 without any."""
    has = assets(w, me)
    return ready(w, me) / has if has > 0.0 else 1.0


@inner
def value(w, me):
    """Numeraire per unit of deposit: what it would get if all were shared."""
    return min(backing(w, me), 1.0) * read(w, me.promised) * w.values[me.asset]


@inner
def if_staying(w, me, leaving):
    """What a unit promised gets that stays, if a share of what is promised leaves now."""
    grown = 1.0 + me.earns
    most = np.inf if me.mutual > 0 else 1.0 + me.rate * me.term * w.rules[0].seconds / INTEREST_YEAR
    has = ready(w, me)
    stuck = assets(w, me) - has  # invested, or lent and not there
    return waiting(leaving, has, stuck, liabilities(w, me), grown, me.salvage, most)


@inner
def _invest(w, me, amount):
    """Lend an amount, or invest it in a tranche. Returns whether it was placed."""
    if me.lending >= 0:
        return lend(w, me, amount)
    head, tail = int(read(w, me.head)), int(read(w, me.tail))
    if tail - head >= me.tranches_rows:
        return False
    row = tail % me.tranches_rows
    write(w, cell(me.tranches, row, WIDTH, AMOUNT), amount)
    write(w, cell(me.tranches, row, WIDTH, DUE), float(w.chain[0].block + me.term))
    add(w, me.invested, amount)
    return bool(write(w, me.tail, float(tail + 1)))


@inner
def _call_early(w, me, amount):
    """Call tranches back for an amount, the next to mature first."""
    head, tail = int(read(w, me.head)), int(read(w, me.tail))
    while head < tail and amount > 0.0:
        row = head % me.tranches_rows
        there = read(w, cell(me.tranches, row, WIDTH, AMOUNT))
        called = min(amount / me.salvage, there)
        if not transfer(w.books, me.account, me.holders, me.asset, called * (1.0 - me.salvage)):
            return
        add(w, me.invested, -called)
        add(w, me.sacrificed, called * (1.0 - me.salvage))
        write(w, cell(me.tranches, row, WIDTH, AMOUNT), there - called)
        amount -= called * me.salvage
        if called < there:
            break
        head += 1
    write(w, me.head, float(head))
    if head == tail:
        write(w, me.invested, 0.0)  # what is left is rounding


@inner
def enter(w, me, call):
    """Pay in at par; gives deposit tokens."""
    if call.token_in != me.asset or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    if read(w, me.shut) > 0.0 or read(w, me.suspended) > 0.0 or read(w, me.failed) > 0.0:
        return Reason.HALTED, 0.0
    if liabilities(w, me) + call.amount > me.cap:
        return Reason.CAP, 0.0
    units = call.amount / read(w, me.promised)
    if not transfer(w.books, call.sender, me.account, me.asset, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not mint(w.books, call.sender, me.deposit, units):
        return Reason.INVALID, 0.0
    return Reason.DONE, units


@inner
def leave(w, me, call):
    """Hand deposit tokens in for what they promise, while there is something."""
    if call.token_in != me.deposit or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    if read(w, me.shut) > 0.0 or read(w, me.suspended) > 0.0:
        return Reason.HALTED, 0.0
    out = call.amount * read(w, me.promised)
    if not burn(w.books, call.sender, me.deposit, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if out > cash(w, me):
        call_back(w, me, out - cash(w, me))
    if out > cash(w, me) and me.salvage > 0.0:
        _call_early(w, me, out - cash(w, me))
    if out > cash(w, me) * (1.0 + GRAIN):
        return Reason.NO_CASH, 0.0
    out = min(out, cash(w, me))
    if not out >= call.limit:
        return Reason.LIMIT, 0.0
    if not transfer(w.books, me.account, call.sender, me.asset, out):
        return Reason.NO_CASH, 0.0
    if not add(w, me.paid, out):
        return Reason.TOO_LONG, 0.0
    return Reason.DONE, out


@inner
def _mature(w, me):
    """Take in what is due, with what it has earned."""
    head, tail = int(read(w, me.head)), int(read(w, me.tail))
    block = float(w.chain[0].block)
    while head < tail:
        row = head % me.tranches_rows
        if read(w, cell(me.tranches, row, WIDTH, DUE)) > block:
            break
        amount = read(w, cell(me.tranches, row, WIDTH, AMOUNT))
        mint(w.books, me.account, me.asset, amount * me.earns)
        add(w, me.invested, -amount)
        write(w, cell(me.tranches, row, WIDTH, AMOUNT), 0.0)
        head += 1
        if head == tail:
            write(w, me.invested, 0.0)
            if me.mutual > 0 and w.books.supply[me.deposit] > 0.0:
                write(w, me.promised, assets(w, me) / w.books.supply[me.deposit])
    write(w, me.head, float(head))


@inner
def _judge(w, me):
    """Suspend, resume, or be bankrupt, by the books."""
    owed = liabilities(w, me)
    if owed > 0.0 and backing(w, me) < me.fails * (1.0 - GRAIN):
        has = assets(w, me) * (1.0 - me.costs)
        call_back(w, me, has)
        fee = min(assets(w, me) * me.costs, max(cash(w, me), 0.0))
        transfer(w.books, me.account, me.holders, me.asset, fee)
        write(w, me.promised, assets(w, me) / w.books.supply[me.deposit])
        add(w, me.written_off, owed - liabilities(w, me))
        write(w, me.failed, 1.0)
        owed = liabilities(w, me)
    there = ready(w, me) + read(w, me.invested) * me.salvage
    if read(w, me.suspended) > 0.0:
        if there >= me.resumes * owed:
            write(w, me.suspended, 0.0)
    elif there <= GRAIN * owed and owed > 0.0:
        write(w, me.suspended, 1.0)


@inner
def go_on(w, me):
    """Take in what matures, owe interest, judge the books, and keep the liquid part."""
    _mature(w, me)
    if read(w, me.failed) == 0.0 and me.rate > 0.0:
        years = w.rules[0].seconds / INTEREST_YEAR
        write(w, me.promised, read(w, me.promised) * (1.0 + me.rate * years))
    _judge(w, me)
    if read(w, me.failed) > 0.0 or read(w, me.suspended) > 0.0 or me.mutual > 0:
        return
    has = assets(w, me)
    over = cash(w, me) - me.liquid * has
    if over > me.band * has:
        _invest(w, me, over)
    elif over < -me.band * has:
        call_back(w, me, -over)


@inner
def leak(w, me):
    """How far its tranches are from what it says is invested, or exceed what it has, relative."""
    total = 0.0
    for n in range(int(read(w, me.head)), int(read(w, me.tail))):
        total += read(w, cell(me.tranches, n % me.tranches_rows, WIDTH, AMOUNT))
    has = w.books.balances[me.account, me.asset]
    invested = read(w, me.invested)
    through = max(has, read(w, me.paid), 1.0)  # rounding is a part of what has gone through it
    return max(abs(total - invested), invested - has, 0.0) / through


class CustodianSettings(Settings):
    """A custodian of deposits, and how it invests them."""

    asset: str
    lending: Annotated[str | None, Names("lending")] = Field(
        None, description="Lending market in which it lends; none: it invests outside."
    )
    liquid: Share = Field(0.1, description="Target share of assets in cash.")
    band: Share = Field(0.02, description="Tolerated deviation from that target, share of assets.")
    term: Period = Field(7_200 * 30, description="Term of an investment, blocks.")
    earns: Annotated[float, Field(ge=0.0, le=100.0)] = Field(
        0.0,
        description="Return on an investment over its term, share.",
        json_schema_extra=reach("share", 0.0, 1.0),
    )
    salvage: Share = Field(
        0.0, description="Recovery on an investment called early, share; 0: it cannot be called."
    )
    ladder: Annotated[int, Field(ge=1, le=1_000)] = Field(
        1, description="Number of initial tranches, with maturities spread over one term."
    )
    rows: Annotated[int, Field(ge=1, le=10_000)] = Field(
        256, description="Maximum number of tranches."
    )
    promise: Positive = Field(
        1.0, description="Amount of the asset promised per unit of deposit at the start."
    )
    rate: Annotated[float, Field(ge=0.0, le=10.0)] = Field(
        0.0,
        description="Interest paid on deposits, per year.",
        json_schema_extra=reach("per year", 0.0, 0.5),
    )
    backing: Annotated[float, Field(ge=0.0, le=100.0)] = Field(
        1.05,
        description="Assets over liabilities at the start.",
        json_schema_extra=reach("share", 0.5, 2.0),
    )
    mutual: bool = Field(
        False,
        description="It invests once, and the depositors left when the last investment matures "
        "share all assets.",
    )
    fails: Share = Field(
        1.0, description="Assets over liabilities below which it goes bankrupt; 0: never."
    )
    costs: Share = Field(0.0, description="Cost of bankruptcy, share of assets.")
    resumes: Share = Field(
        0.05,
        description="Withdrawable over promised amount at which it resumes payments after a "
        "suspension.",
    )
    cap: NotNegative = Field(MOST, description="Cap on liabilities, token units.")
    deposits: NotNegative = Field(
        0.0, description="Deposits of outside holders at the start, units of deposit."
    )

    def problems(self, s: Any, name: str) -> list[Problem]:
        """Whether the market lends the asset, and the ladder has room."""
        found = not_lent(s, self.lending, self.asset)
        if self.ladder > self.rows:
            found.append(("ladder", f"{self.ladder} tranches need as many rows; raise rows"))
        if self.lending is not None and (self.mutual or self.earns or self.salvage):
            text = "what is lent has no term: leave mutual, earns and salvage out, or lending"
            found.append(("lending", text))
        return found


@register("custodian")
class Custodian(Protocol):
    """A custodian that takes deposits at par, and lends or invests part of them."""

    Settings = CustodianSettings
    tokens = ("asset",)
    outside = ("asset",)
    issues = (Token("deposit", Value(value), held=True),)
    state: ClassVar[Mapping[str, str]] = {
        "promised": "Of the asset per unit of deposit",
        "invested": "Outside, at cost, token units",
        "head": "First tranche that has not matured",
        "tail": "Tranches since the start",
        "paid": "To who left, since the start, token units",
        "sacrificed": "By calling investments early, since the start, token units",
        "lost": "Of investments, since the start, token units",
        "written_off": "Of claims, since the start, token units",
        "suspended": "1: it pays nothing until enough has matured",
        "failed": "1: it is bankrupt",
        "shut": "Above 0: somebody has shut it",
    }
    tables: ClassVar[Mapping[str, Table]] = {
        "tranches": Table({"amount": "At cost, token units", "due": "Block"}, "rows")
    }
    calls = (
        Call("enter", enter, gas=110_000.0, pays="asset", gives="deposit", cause="fees"),
        Call(
            "leave",
            leave,
            gas=200_000.0,
            pays="deposit",
            gives="asset",
            event="withdrawal",
            cause="fees",
        ),
    )
    between_blocks = go_on
    leak = leak
    measures = (
        Measure("liquid", "share", "Share of assets payable without a loss", liquid_share),
        Measure("liquidity", "share", "Withdrawable over promised amount", liquidity),
        Measure("withdrawable", "token units", "Amount that could be paid out now", withdrawable),
        Measure("owed", "token units", "Total liabilities", liabilities),
        Measure("backing", "ratio", "Assets (investments at cost) over liabilities", backing),
        Measure("paid", "token units, since the start", "Paid to depositors who left", "paid"),
        Measure(
            "sacrificed", "token units, since the start", "Loss from early calls", "sacrificed"
        ),
        Measure("written_off", "token units, since the start", "Claims written off", "written_off"),
        Measure("suspended", "0 or 1", "Whether it has suspended payments", "suspended"),
        Measure("failed", "0 or 1", "Whether it is bankrupt", "failed"),
    )
    card = (
        Fact("backed", "backing", "share"),
        Fact("withdrawable", "liquidity", "share"),
        Fact("paid out", "paid", "money", "{asset}"),
        Fact("written off", "written_off", "money", "{asset}"),
    )
    charts: ClassVar[dict[str, Sequence[str]]] = {
        "Promised and withdrawable": ("owed", "withdrawable"),
        "Assets over liabilities": ("backing",),
    }

    def start(self) -> None:
        """Promise what the settings say, to outside holders too."""
        s: Any = self.settings
        self.put("promised", s.promise)
        if s.deposits > 0.0:
            self.market.ledger.mint(HOLDERS, self.token("deposit"), s.deposits)

    def begun(self) -> None:
        """Put assets behind what is out, and invest all but the liquid part."""
        s: Any = self.settings
        ledger = self.market.ledger
        has = ledger.supply(self.token("deposit")) * s.promise * s.backing
        if not has > 0.0:
            return
        ledger.mint(self.name, self.token("asset"), has)
        rest = has * (1.0 - s.liquid)
        if s.lending is not None or not rest > 0.0:
            return  # it lends from the first block on
        rows = self.rows("tranches")
        for k in range(s.ladder):
            rows[k] = rest / s.ladder, max(round(s.term * (k + 1) / s.ladder), 1)
        self.put("invested", rest)
        self.put("tail", float(s.ladder))

    def has_lost(self, size: float) -> None:
        """A share of its investments, or of what it has lent, goes to the world outside."""
        ledger = self.market.ledger
        invested = self.value("invested")
        if invested > 0.0 and self.pay(self.name, HOLDERS, self.token("asset"), size * invested):
            self.rows("tranches")[:, AMOUNT] *= 1.0 - size
            self.put("invested", invested * (1.0 - size))
            self.put("lost", self.value("lost") + size * invested)
        market = self.settings.lending  # type: ignore[attr-defined]
        if market is not None:
            bank: Any = self.market.lending[market]
            asset = self.token("asset")
            lent = size * bank.deposit_of(self.name, asset)
            receipt = ledger.tokens[int(bank.reserve(asset)["receipt"])]
            if self.pay(self.name, HOLDERS, receipt, size * ledger.balance(self.name, receipt)):
                self.put("lost", self.value("lost") + lent)

    def is_shut(self, size: float) -> Callable[[], None]:
        """It takes and pays nothing until that is over."""
        return self.raised("shut")

    events: ClassVar[Any] = (
        Event("loss", "A share of its investments is lost", has_lost),
        Event("shut", "Deposits and withdrawals stop", is_shut),
    )

    def _lent(self) -> tuple[float, float]:
        """What it has lent, and what of that the market has in cash, token units."""
        name, asset = self.settings.lending, self.token("asset")  # type: ignore[attr-defined]
        if name is None:
            return 0.0, 0.0
        bank: Any = self.market.lending[name]
        lent = bank.deposit_of(self.name, asset)
        return lent, min(lent, bank.cash(asset))

    @property
    def liabilities(self) -> float:
        """All that is promised, token units."""
        return self.market.ledger.supply(self.token("deposit")) * self.value("promised")

    @property
    def backing(self) -> float:
        """Assets, investments at cost, over liabilities; 1 without any."""
        owed = self.liabilities
        return (self.held("asset") + self._lent()[0]) / owed if owed > 0.0 else 1.0

    @property
    def liquidity(self) -> float:
        """Withdrawable over promised; 1 without any."""
        owed, invested = self.liabilities, self.value("invested")
        if owed <= 0.0:
            return 1.0
        if self.value("shut") > 0.0 or self.value("suspended") > 0.0:
            return 0.0
        salvage = self.settings.salvage  # type: ignore[attr-defined]
        there = self.held("asset") - invested + self._lent()[1] + invested * salvage
        return min(there / owed, 1.0)

    def tranches(self) -> list[tuple[float, int]]:
        """Investments: (amount at cost, block in which it matures), the next first."""
        rows = self.rows("tranches")
        places = range(int(self.value("head")), int(self.value("tail")))
        return [(float(rows[n % len(rows)][0]), int(rows[n % len(rows)][1])) for n in places]
