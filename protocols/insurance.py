"""A mutual insurance fund: it pays for stated losses until it is empty.

Of a lending market it covers bad debt: it pays a share of what depositors lost into the
market, which raises what every receipt is worth. Of a pool it covers a fall of its value
per share against holding the same tokens, over a stated number of blocks and beyond a
deductible: an exploit, a drained reserve, a sale far below value. It pays in its own
token; where the pool does not hold that one, it pays nothing.

A window begins with what the pool holds while its price is the market's, within its fee.
A pool that somebody has pushed away from the market is worth more there for a while, and
less again once it is pushed back: that is no loss, and counted from the wrong moment it
would pay whoever pushes.

Its money is what it started with, and a share of the protocol's part of the covered
pools' fees (Nexus Mutual and Aave's safety module are of this kind).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from protocols.amm import spot_price
from protocols.lending import DEPOSITOR_LOSS_VALUE, SUPPLY_INDEX, enrich, reserve_at
from protocols.pool import COUNTERS, MOST_TOKENS, position
from sim.compiled import inner, kernel
from sim.handles import Handle
from sim.ledger import begin, transfer
from sim.measures import Measure
from sim.registry import register_measures
from sim.tasks import Stage, Task, register_task

if TYPE_CHECKING:
    from sim.ledger import Ledger
    from sim.market import Market
    from sim.scenario import Scenario

NEAR = 1e-4
"""Least distance from the market at which a pool counts as being there, share."""

FUND = np.dtype(
    [
        ("account", "i8"),
        ("token", "i8"),
        ("pool", "i8"),  # that this row covers, -1: none
        ("market", "i8"),  # or lending market
        ("premium", "f8"),  # share of the treasury's income from the pool
        ("deductible", "f8"),
        ("cover", "f8"),
        ("window", "i8"),  # blocks
        ("since", "i8"),  # block in which the window began
        ("held", "f8", (MOST_TOKENS,)),  # reserves a share as the window began
        ("known", "f8"),  # depositors' loss that has been looked at
        ("income", "f8", (MOST_TOKENS,)),  # fees that premiums have been paid of
        ("claimed", "f8"),  # since the start, numeraire
        ("paid", "f8"),
    ]
)
"""One row for each thing that a fund covers; rows of one fund share its account."""


def records(scenario: Scenario, ledger: Ledger) -> npt.NDArray[np.void]:
    """FUND[n], a row for each fund and what it covers."""
    pools, markets = list(scenario.pools), list(scenario.lending)
    rows: list[Any] = []
    for name, settings in scenario.insurance.items():
        for covered in settings.covers:
            row = np.zeros(1, FUND)[0]
            row["account"], row["token"] = ledger.account(name), ledger.token(settings.token)
            row["pool"] = pools.index(covered) if covered in pools else -1
            row["market"] = markets.index(covered) if covered in markets else -1
            row["premium"], row["cover"] = settings.premium, settings.cover
            row["deductible"], row["window"] = settings.deductible, settings.window
            rows.append(row)
    return np.array(rows, FUND)


class InsuranceFund(Handle):
    """An insurance fund as a person holds it.

    Attributes:
        covers: Names of what it covers, as in the scenario.
    """

    family = "account"

    def __init__(
        self, name: str, ledger: Ledger, rows: npt.NDArray[np.void], covers: Sequence[str]
    ) -> None:
        """Hold a fund.

        Args:
            name: As in the scenario.
            ledger: The books.
            rows: FUND[n], a view of the rows of all that it covers.
            covers: Their names, in the same order.
        """
        self.name = name
        self.ledger = ledger
        self.account = ledger.account(name)
        self.covers = tuple(covers)
        self._rows = rows

    def __repr__(self) -> str:
        return f"<InsuranceFund {self.name}: {self.balance:.6g} {self.token}>"

    @property
    def label(self) -> str:
        """What it is, in words."""
        return "insurance fund"

    @property
    def token(self) -> str:
        """Name of the token that it pays in."""
        return self.ledger.tokens[int(self._rows["token"][0])]

    @property
    def balance(self) -> float:
        """What it has left to pay with, token units."""
        return self.ledger.balance(self.account, self.token)

    @property
    def claimed(self) -> float:
        """What it was asked for since the start, in the numeraire."""
        return float(self._rows["claimed"].sum())

    @property
    def paid(self) -> float:
        """What it has paid since the start, in the numeraire."""
        return float(self._rows["paid"].sum())


@kernel
def settle(books, pools, markets, reserves, funds, values, block):
    """Collect premiums, look at losses, and pay.

    Args:
        values: float64[tokens], numeraire per unit.
        block: The block just made.
    """
    for n in range(funds.size):
        fund = funds[n]
        if fund.market >= 0:
            _cover_market(books, markets[fund.market], reserves, fund, values)
        else:
            pool = pools[fund.pool]
            _collect(books, pool, fund)
            if block - fund.since >= fund.window:
                paid = fund.since > 0 and _cover_pool(books, pool, fund, values)
                if paid or _at_market(books, pool, values):
                    fund.since = block
                    for k in range(pool.size):
                        held = books.balances[pool.account, pool.tokens[k]]
                        fund.held[k] = held / max(books.supply[pool.share], 1e-300)


@inner
def settle_all(w):
    """Let every fund collect and pay."""
    begin(w.books)
    settle(w.books, w.pools, w.markets, w.reserves, w.funds, w.values, w.chain[0].block)


register_task(Task(Stage.GUARD, 10, settle_all, lambda w: len(w.funds) > 0))


@inner
def fund_measure(w, n):
    """Measures: what a fund was asked for (code 0), and what it has paid (1)."""
    value = 0.0
    for k in range(w.funds.size):
        if w.funds[k].account == w.measures[n].a:
            value += w.funds[k].claimed if w.measures[n].code == 0 else w.funds[k].paid
    return value


def _measures(market: Market, trade_size: float) -> list[Measure]:
    return [
        Measure(
            f"insurance.{name}.{what}",
            fund_measure,
            code,
            market.ledger.account(name),
            unit="numeraire, since the start",
        )
        for name in market.setup.insurance
        for code, what in enumerate(("claimed", "paid"))
    ]


register_measures(70, _measures)


@kernel
def _collect(books, pool, fund):
    """Move the premium on what the protocol has earned with a pool since the last block."""
    for k in range(pool.size):
        fees = books.storage[pool.slot + COUNTERS * k + 1]
        due = (fees - fund.income[k]) * pool.protocol_fee * fund.premium
        fund.income[k] = fees
        if due > 0.0:
            token = pool.tokens[k]
            most = books.balances[pool.treasury, token]
            transfer(books, pool.treasury, fund.account, token, min(due, most))


@kernel
def _payable(books, fund, claim, values):
    """As much of a claim in the numeraire as the fund can pay, token units."""
    fund.claimed += claim
    price = values[fund.token]
    return min(claim / price, books.balances[fund.account, fund.token]) if price > 0.0 else 0.0


@kernel
def _at_market(books, pool, values):
    """Whether a pool's prices are the market's, as near as its fee has arbitrage bring them."""
    last = pool.size - 1
    for k in range(last):
        price = spot_price(books, pool, k, last) * values[pool.tokens[last]]
        if not abs(price - values[pool.tokens[k]]) <= max(pool.fee, NEAR) * price:
            return False
    return True


@kernel
def _cover_pool(books, pool, fund, values):
    """Pay for a loss since the window began. Returns whether there was one to be paid."""
    supply = books.supply[pool.share]
    if supply <= 0.0 or position(pool, fund.token) < 0:
        return False
    then, now = 0.0, 0.0
    for k in range(pool.size):
        value = values[pool.tokens[k]]
        then += fund.held[k] * value
        now += books.balances[pool.account, pool.tokens[k]] / supply * value
    loss = (then * (1.0 - fund.deductible) - now) * supply * fund.cover
    if not loss > 0.0:
        return False
    amount = _payable(books, fund, loss, values)
    if transfer(books, fund.account, pool.account, fund.token, amount):
        fund.paid += amount * values[fund.token]
    return True


@kernel
def _cover_market(books, market, reserves, fund, values):
    lost = books.storage[market.slot + DEPOSITOR_LOSS_VALUE]
    claim = (lost - fund.known) * fund.cover
    fund.known = lost
    if claim <= 0.0:
        return
    r = reserve_at(market, reserves, fund.token)
    if r < 0:
        return
    reserve = reserves[r]
    if books.supply[reserve.receipt] * books.storage[reserve.slot + SUPPLY_INDEX] <= 0.0:
        return
    amount = _payable(books, fund, claim, values)
    if enrich(books, market, reserve, fund.account, amount):
        fund.paid += amount * values[fund.token]
