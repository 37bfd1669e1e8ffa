"""What the results say of lending markets."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from protocols import lending
from sim.arrays import least, order_statistic
from sim.compiled import inner, kernel
from sim.measures import Measure, stored
from sim.registry import register_measures

if TYPE_CHECKING:
    from sim.market import Market

FALL = 0.10
"""Fall of all collateral prices at which debts count as endangered."""


class Reserve(IntEnum):
    """What is measured of a reserve."""

    UTILISATION = 0
    BORROW_RATE = 1
    SUPPLY_RATE = 2
    DEPOSITS = 3
    DEBTS = 4
    CASH = 5
    WITHDRAWABLE = 6


class Positions(IntEnum):
    """What is measured of all positions of a market."""

    DEBT = 0
    COLLATERAL = 1
    LEVERAGE = 2
    DEBTORS = 3
    ENDANGERED = 4
    SHORTFALL = 5


@inner
def reserve_measure(w, n):
    """Measures of a reserve."""
    reserve, code = w.reserves[w.measures[n].a], w.measures[n].code
    deposits, debts, cash = lending.totals(w.books, w.markets[reserve.market], reserve)
    used = debts / (debts + cash) if debts > 0.0 else 0.0
    if code == Reserve.UTILISATION:
        return used
    if code == Reserve.DEPOSITS:
        return deposits
    if code == Reserve.DEBTS:
        return debts
    if code == Reserve.CASH:
        return cash
    if code == Reserve.WITHDRAWABLE:
        return min(cash / deposits, 1.0) if deposits > 0.0 else 1.0
    rate = lending.rate_at(reserve, used)
    if code == Reserve.BORROW_RATE:
        return rate
    return lending.supply_rate(rate, used, reserve.reserve_factor)


@inner
def positions_measure(w, n):
    """Measures over all positions of a lending market, at the oracle's prices."""
    m, code = w.measures[n].a, w.measures[n].code
    market = w.markets[m]
    total = 0.0
    worth = 0.0
    owed = 0.0
    for i in range(market.debtors):
        collateral, _, threshold, debt = lending.standing(
            w.books, market, w.reserves, w.feeds, w.debtors[m, i]
        )
        worth += collateral
        owed += debt
        if code == Positions.SHORTFALL:
            total += max(debt - collateral, 0.0)
        elif code == Positions.ENDANGERED:
            total += debt if debt > 0.0 and threshold * (1.0 - FALL) < debt else 0.0
        elif code == Positions.DEBTORS:
            total += debt > 0.0
    if code == Positions.DEBT:
        return owed
    if code == Positions.COLLATERAL:
        return worth
    if code == Positions.LEVERAGE:
        return worth / (worth - owed) if worth > owed else np.nan
    return total


@kernel
def loss_of(w, m):
    """What a lending market has lost, in the numeraire: written off, and not covered now.

    What is written off counts at the oracle's prices of its block. What is not covered is the
    sum over all debtors of what their debts exceed their collateral by, both at the prices at
    which the market values tokens (`World.values`): an oracle that is late or wrong hides none.
    """
    market = w.markets[m]
    total = w.books.storage[market.slot + lending.BAD_DEBT_VALUE]
    for i in range(market.debtors):
        collateral, debt = lending.standing_at(
            w.books, market, w.reserves, w.values, w.debtors[m, i]
        )
        total += max(debt - collateral, 0.0)
    return total


@inner
def loss_measure(w, n):
    """Measure: what a lending market has lost."""
    return loss_of(w, w.measures[n].a)


@inner
def health_quantile(w, n):
    """Quantile of the health factors of a market's debtors as of this block; NaN without any.

    Linear between order statistics, as NumPy's default.
    """
    m, share = w.measures[n].a, w.measures[n].c
    market = w.markets[m]
    listed, factors = w.debtors[m][: market.debtors], w.scratch[: market.debtors]
    lending.find_healths(w.books, market, w.reserves, w.feeds, listed, factors)
    count = 0
    for factor in factors:
        if factor < np.inf:
            w.scratch[count] = factor
            count += 1
    if count == 0:
        return np.nan
    if share == 0.0:
        return least(w.scratch[:count])
    at = share * (count - 1)
    low = int(at)
    below = order_statistic(w.scratch[:count], low)
    above = least(w.scratch[low + 1 : count]) if low + 1 < count else below
    return below + (at - low) * (above - below)


_OF_RESERVE = (
    ("utilisation", Reserve.UTILISATION, "share"),
    ("borrow_rate", Reserve.BORROW_RATE, "per year"),
    ("supply_rate", Reserve.SUPPLY_RATE, "per year"),
    ("deposits", Reserve.DEPOSITS, "token units"),
    ("debts", Reserve.DEBTS, "token units"),
    ("cash", Reserve.CASH, "token units"),
    ("withdrawable", Reserve.WITHDRAWABLE, "share of deposits"),
)
_STORED = (
    ("liquidations", lending.LIQUIDATIONS, "since the start"),
    ("liquidated", lending.LIQUIDATED_VALUE, "numeraire, since the start"),
    ("bad_debt", lending.BAD_DEBT_VALUE, "numeraire, since the start"),
    ("depositor_loss", lending.DEPOSITOR_LOSS_VALUE, "numeraire, since the start"),
    ("defaults", lending.DEFAULTS, "accounts closed, since the start"),
)
_OF_POSITIONS = (
    ("debt", Positions.DEBT, "numeraire"),
    ("collateral", Positions.COLLATERAL, "numeraire"),
    ("leverage", Positions.LEVERAGE, "collateral over equity"),
    ("debtors", Positions.DEBTORS, "accounts"),
    ("endangered", Positions.ENDANGERED, "numeraire of debt, at -10 %"),
    ("shortfall", Positions.SHORTFALL, "numeraire"),
)
QUANTILES = (("min", 0.0), ("q05", 0.05), ("q25", 0.25), ("median", 0.5))


def _measures(market: Market, trade_size: float) -> list[Measure]:
    found = []
    r = 0
    for m, (name, lender) in enumerate(market.lending.items()):
        for token in lender.tokens:
            for what, code, unit in _OF_RESERVE:
                full = f"lending.{name}.{token}.{what}"
                found.append(Measure(full, reserve_measure, code, r, unit=unit))
            r += 1
        slot = int(market.world.markets[m]["slot"])
        for what, number, unit in _STORED:
            found.append(Measure(f"lending.{name}.{what}", stored, a=slot + number, unit=unit))
        unit = "numeraire, written off or not covered"
        found.append(Measure(f"lending.{name}.loss", loss_measure, a=m, unit=unit))
        for what, each, unit in _OF_POSITIONS:
            full = f"lending.{name}.{what}"
            found.append(Measure(full, positions_measure, each, m, unit=unit))
        for what, share in QUANTILES:
            full, unit = f"lending.{name}.health_{what}", "health factor"
            found.append(Measure(full, health_quantile, a=m, c=share, unit=unit))
    return found


register_measures(40, _measures)
