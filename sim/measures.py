"""Measures: what a row of the results says, and the kernels that fill it.

A measure is a small record: who says it (a kernel's address) and what of, so that only what a
scenario keeps is computed and compiled. Names are dotted: ``pool.eth-usdc.imbalance``.
Protocols register theirs with `sim.registry.register_measures`.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numba import typeof, types
from numba.extending import intrinsic

from sim import venue
from sim.arrays import copy_into
from sim.codes import Reason
from sim.compiled import address_of, ask_entry, ask_protocol, call_of, inner, kernel
from sim.ledger import column_sums
from sim.registry import register_measures, sections
from sim.tasks import Stage, run_stage
from sim.units import YEAR

if TYPE_CHECKING:
    from sim.market import Market
    from sim.world import World

MEASURE = np.dtype([("address", "i8"), ("code", "i8"), ("a", "i8"), ("b", "i8"), ("c", "f8")])
"""What is measured: who says it, and what of."""


@intrinsic
def ask_measure(typing_context, address, world, number):
    """Ask the kernel at `address` for the n-th measure: ``kernel(world, n) -> float``."""
    return call_of((world, types.int64), types.float64)


# Values


@kernel
def value_tokens(w):
    """Value every token in the numeraire, at the venue's prices.

    What a protocol issues it values itself (`sim.tasks.Stage.VALUE`), a debt negatively.
    Several passes, so that a token may stand for others that stand for others.
    """
    w.values[:] = 0.0
    w.values[w.rules[0].numeraire] = 1.0
    for a in range(w.assets.size):
        w.values[w.assets[a].token] = venue.price_now(w.books, w.assets[a])
    for _ in range(3 if w.rules[0].nested else 2):
        run_stage(w, Stage.VALUE)


@inner
def holdings_worth(w, account, without):
    """Value of what an account holds, but of one token (-1: of all)."""
    worth = 0.0
    for token in range(w.values.size):
        if token != without:
            worth += w.books.balances[account, token] * w.values[token]
    return worth


@kernel
def sum_classes(w):
    """Sum the holdings of each class of agents, and of all other accounts.

    Returns:
        Whether all balances are numbers that are not negative.
    """
    w.sums[:] = 0.0
    sound = True
    last = w.cohorts.size
    at = 0
    for c in range(last):  # cohorts lie in the order of their accounts
        cohort = w.cohorts[c]
        sound &= column_sums(w.books, at, cohort.first, w.sums[last])
        at = cohort.first + cohort.size
        sound &= column_sums(w.books, cohort.first, at, w.sums[c])
    sound &= column_sums(w.books, at, w.books.balances.shape[0], w.sums[last])
    return sound


ACCOUNTING = -3
"""As ``asked.claimant``: claims are added to `World.ledgered`, of who owes them negatively."""
CLAIMS_NOW = 9
"""Where in `World.ledgered` (`sim.losses.NEXT`)."""
LISTING = -2
"""As ``asked.claimant``: claims are written into `World.listed`, each by itself."""
CLAIM = np.dtype([("owner", "i8"), ("token", "i8"), ("amount", "f8"), ("owing", "i8")])
"""A claim that is no token: row, column, token units, and row of who owes it."""


@inner
def list_claim(listed, owner, token, amount):
    """Write a claim into a list, CLAIM[n], whose first row counts how many there are.

    What there is no room for is counted alone.
    """
    n = listed[0].owner + 1
    listed[0].owner = n
    if n < listed.size:
        listed[n].owner, listed[n].token, listed[n].amount = owner, token, amount


@kernel
def sum_claims(w):
    """Sum claims that are no tokens, by the class of their owners.

    Rows as of `World.start`: cohorts, then special accounts, whose accounts are the first.
    """
    if w.tasks[Stage.CLAIM, 0] == 0:
        return
    w.claims[:] = 0.0
    w.asked[0].claimant = -1
    run_stage(w, Stage.CLAIM)


@kernel
def add_claims(w, account, holdings):
    """Add an account's claims that are no tokens to its holdings."""
    copy_into(w.claimed, holdings)
    w.asked[0].claimant = account
    run_stage(w, Stage.CLAIM)
    copy_into(holdings, w.claimed)


@inner
def note_claim(w, owner, token, amount):
    """Note a claim of an account on an amount of a token, which no token stands for."""
    claimant = w.asked[0].claimant
    if claimant >= 0:
        if owner == claimant:
            w.claimed[token] += amount
        return
    if claimant == ACCOUNTING:
        if w.whose[owner] >= 0:
            w.ledgered[CLAIMS_NOW, w.whose[owner], token] += amount
            w.ledgered[CLAIMS_NOW, w.whose[w.asked[0].owing], token] -= amount
        return
    if claimant == LISTING:
        list_claim(w.listed, owner, token, amount)
        return
    classes = w.cohorts.size
    if 0 <= owner < w.claims.shape[0] - classes:
        w.claims[classes + owner, token] += amount
    elif owner >= 0:
        for c in range(classes):
            if w.cohorts[c].first <= owner < w.cohorts[c].first + w.cohorts[c].size:
                w.claims[c, token] += amount


@inner
def market_price(w, token):
    """Price of a base token at the start of the block; of another as last valued."""
    if token == w.rules[0].numeraire:
        return 1.0
    for a in range(w.assets.size):
        if w.assets[a].token == token:
            return w.assets[a].price
    return w.values[token]


@kernel
def worth_of(holdings, values):
    """Value of some holdings, summed in the tokens' order: one that is nil changes no bit."""
    total = 0.0
    for token in range(values.size):
        total += holdings[token] * values[token]
    return total


@inner
def _holdings_measure(w, holdings, row, what):
    """Wealth, loss since the start or result against holding of some holdings."""
    now = worth_of(holdings, w.values)
    if w.tasks[Stage.CLAIM, 0] != 0:
        now += worth_of(w.claims[row], w.values)
    if what == Of.WEALTH:
        return now
    if what == Of.LOSS:
        return w.start_worth[row] - now
    return now - worth_of(w.start[row], w.values)


# A row of the results


@kernel
def measure(w, block):
    """Write a row of measures."""
    value_tokens(w)
    sum_claims(w)
    w.asked[0].summed = 0
    row = w.table[w.rows[0]]
    w.rows[0] += 1
    row[0] = block
    for i in range(1, w.measures.size):
        row[i] = ask_measure(w.measures[i].address, w, i)


class Of(IntEnum):
    """What is measured of holdings."""

    WEALTH = 0
    LOSS = 1
    RESULT = 2
    EXTRACTED = 3


class _Gas(IntEnum):
    PRICE = 0
    MEAN = 1
    BASE_FEE = 2
    USED = 3
    WAITING = 4


class _Venue(IntEnum):
    PRICE = 0
    DEPTH = 1
    VOLATILITY = 2
    QUOTED = 3


@inner
def venue_measure(w, n):
    """Measures of an asset outside."""
    asset, code = w.assets[w.measures[n].a], w.measures[n].code
    if code == _Venue.PRICE:
        return w.values[asset.token]
    if code == _Venue.DEPTH:
        return asset.units * venue.ONE_PER_CENT * asset.price
    if code == _Venue.QUOTED:
        units = 0.0
        for q in range(w.quotes.size):
            if w.quotes[q].asset == w.measures[n].a:
                units += w.quotes[q].units
        return units * venue.ONE_PER_CENT * asset.price
    return math.sqrt(asset.seen_variance * YEAR / w.rules[0].seconds)


@inner
def gas_measure(w, n):
    """Measures of the block's price."""
    chain, code = w.chain[0], w.measures[n].code
    if code == _Gas.PRICE:
        return chain.gas_price
    if code == _Gas.MEAN:
        return chain.mean_gas_price
    if code == _Gas.BASE_FEE:
        return chain.base_fee
    if code == _Gas.USED:
        return chain.gas_used
    return float(chain.waiting)


@inner
def transactions_measure(w, n):
    """Measure: how many transactions have ended in one way."""
    total = 0
    for row in range(w.tally.shape[0]):
        total += w.tally[row, w.measures[n].a]
    return float(total)


@inner
def class_measure(w, n):
    """Measures of all that a group holds."""
    c, code = w.measures[n].a, w.measures[n].code
    if w.cohorts[c].size <= 256:  # few accounts: no need to sum all of them
        w.sums[c] = 0.0
        first = w.cohorts[c].first
        column_sums(w.books, first, first + w.cohorts[c].size, w.sums[c])
    elif w.asked[0].summed == 0:
        sum_classes(w)
        w.asked[0].summed = 1
    if code == Of.EXTRACTED:
        return _holdings_measure(w, w.sums[c], c, Of.RESULT) + w.cohorts[c].gas_spent
    return _holdings_measure(w, w.sums[c], c, code)


@inner
def account_measure(w, n):
    """Measures of all that a special account holds."""
    m = w.measures[n]
    return _holdings_measure(w, w.books.balances[m.a], m.b, m.code)


@inner
def traded_measure(w, n):
    """Measure: what a group has swapped."""
    return w.cohorts[w.measures[n].a].traded


@inner
def slippage_measure(w, n):
    """Measure: what its swaps have cost a group, as a share of them."""
    cohort = w.cohorts[w.measures[n].a]
    return cohort.paid / cohort.traded if cohort.traded > 0.0 else np.nan


@inner
def account_value(w, n):
    """Measure: value of what an account holds."""
    return holdings_worth(w, w.measures[n].a, -1)


@inner
def stored(w, n):
    """Measure: a number in the ledger's storage."""
    return w.books.storage[w.measures[n].a]


@inner
def asked_of_protocol(w, n):
    """Measure: what a kernel of a protocol that declares itself says."""
    m = w.measures[n]
    return ask_protocol(m.a, w, w.protocols[m.b].record)


@inner
def asked_of_entry(w, n):
    """Measure: what such a kernel says of an entry of a table."""
    m = w.measures[n]
    return ask_entry(m.a, w, w.protocols[m.b].record, m.code)


@dataclass(frozen=True)
class Measure:
    """A measure with its name.

    Attributes:
        name: Dotted, as in the results.
        kernel: Says it, ``(w, n) -> float``; the n-th of `World.measures` says of what.
        code: Which of several that the kernel says.
        a: Index of what it is of (an account, a slot, the address of a kernel).
        b: A second index.
        c: A number: a quantile, a trade's size.
        unit: Of the value.
        costly: Whether it is kept only where a pattern other than * asks for it.
    """

    name: str
    kernel: Any
    code: int = 0
    a: int = 0
    b: int = 0
    c: float = 0.0
    unit: str = ""
    costly: bool = False


CLASSES = (("wealth", Of.WEALTH), ("loss", Of.LOSS), ("result", Of.RESULT))
_VENUE = (
    ("price", _Venue.PRICE, "numeraire"),
    ("depth", _Venue.DEPTH, "numeraire"),
    ("volatility", _Venue.VOLATILITY, "per root year"),
)
_GAS = (
    ("price", _Gas.PRICE, "gwei"),
    ("mean", _Gas.MEAN, "gwei"),
    ("base_fee", _Gas.BASE_FEE, "gwei"),
    ("used", _Gas.USED, "share of the limit"),
    ("waiting", _Gas.WAITING, "calls"),
)


def _of_venue(market: Market, trade_size: float) -> list[Measure]:
    quoted = {int(asset) for asset in market.world.quotes["asset"]}
    found = []
    for a, name in enumerate(market.venue.names):
        for what, code, unit in _VENUE:
            found.append(Measure(f"venue.{name}.{what}", venue_measure, code, a, unit=unit))
        if a in quoted:  # what market makers show of the depth, as of the next block
            full = f"venue.{name}.quoted"
            found.append(Measure(full, venue_measure, _Venue.QUOTED, a, unit="numeraire"))
    return found


def _of_declared(market: Market, trade_size: float) -> list[Measure]:
    return [measure for protocol in market.declared for measure in protocol.measured()]


def _of_blocks(market: Market, trade_size: float) -> list[Measure]:
    found = [Measure(f"gas.{what}", gas_measure, code, unit=unit) for what, code, unit in _GAS]
    for reason in Reason:
        if not _may_end(market, reason):
            continue
        full = f"transactions.{reason.name.lower()}"
        found.append(Measure(full, transactions_measure, a=int(reason), unit="since the start"))
    return found


def _may_end(market: Market, reason: Reason) -> bool:
    """Whether transactions of a market can end in a way that only some markets have."""
    if reason == Reason.DROPPED:
        return market.setup.block.ordering == "builder"
    if reason == Reason.REPLACED:
        return any("bump" in group.columns for group in market.setup.agents.values())
    return True


def _of_classes(market: Market, trade_size: float) -> list[Measure]:
    found = []
    for c, (name, cohort) in enumerate(market.cohorts.items()):
        if cohort.behaviour.searcher:
            unit = "numeraire before gas, since the start"
            found.append(Measure(f"extracted.{name}", class_measure, Of.EXTRACTED, c, unit=unit))
    for c, name in enumerate(market.cohorts):
        unit = "numeraire swapped in pools, since the start"
        found.append(Measure(f"traded.{name}", traded_measure, a=c, unit=unit))
        unit = "share of what it swapped, at the venue's prices, since the start"
        found.append(Measure(f"slippage.{name}", slippage_measure, a=c, unit=unit))
    for what, code in CLASSES:
        for c, name in enumerate(market.cohorts):
            found.append(Measure(f"{what}.{name}", class_measure, code, c, unit="numeraire"))
        for row, name in enumerate(market.special_accounts, start=len(market.cohorts)):
            account = market.ledger.account(name)
            full = f"{what}.{name}"
            found.append(Measure(full, account_measure, code, account, row, unit="numeraire"))
    return found


register_measures(10, _of_venue)
register_measures(50, _of_declared)
register_measures(60, _of_blocks)
register_measures(80, _of_classes)


def catalogue(market: Market, trade_size: float) -> list[Measure]:
    """Every measure that a market has, in the order of the results' columns."""
    return [measure for section in sections() for measure in section(market, trade_size)]


def matching(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """The names that match one of the patterns (`*` and `?` as in file names), in order."""
    wanted = list(patterns)
    return [n for n in names if any(fnmatch.fnmatchcase(n, p) for p in wanted)]


def chosen(measures: Sequence[Measure], patterns: Iterable[str]) -> list[Measure]:
    """The measures whose names match one of the patterns."""
    given = list(patterns)
    wanted = set(matching((m.name for m in measures), given))
    asked = set(matching((m.name for m in measures), [p for p in given if p != "*"]))
    return [m for m in measures if m.name in (asked if m.costly else wanted)]


def records(measures: Sequence[Measure], world: World) -> npt.NDArray[np.void]:
    """MEASURE[n + 1], as the kernel takes them; the first is the block's number.

    What says them is compiled here, or found in the cache.
    """
    signature = typeof(world), types.int64
    addresses = {m.kernel: 0 for m in measures}
    for dispatcher in addresses:
        addresses[dispatcher] = address_of(dispatcher, signature)
    table = np.zeros(len(measures) + 1, MEASURE)
    for i, m in enumerate(measures, start=1):
        table[i] = (addresses[m.kernel], m.code, m.a, m.b, m.c)
    return table
