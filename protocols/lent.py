"""What a protocol that keeps others' money has lent in a market, and how it gets it back.

Its settings have the fields ``asset`` and ``lending``; without a market it lends nothing.
"""

from __future__ import annotations

from typing import Any

from protocols import lending
from sim.codes import Reason
from sim.compiled import inner
from sim.errors import Problem


@inner
def _reserve(w, me):
    """Number of the reserve that it lends to; -1: it lends nothing."""
    if me.lending < 0:
        return -1
    return lending.reserve_at(w.markets[me.lending], w.reserves, me.asset)


@inner
def lent(w, me):
    """What it has lent, token units."""
    r = _reserve(w, me)
    return lending.deposit_of(w.books, w.reserves[r], me.account) if r >= 0 else 0.0


@inner
def callable_now(w, me):
    """What of that the market has in cash, token units."""
    r = _reserve(w, me)
    return min(lent(w, me), lending.cash_of(w.books, w.reserves[r])) if r >= 0 else 0.0


@inner
def lend(w, me, amount):
    """Lend an amount. Returns whether the market took it."""
    market = w.markets[me.lending]
    reason, _ = lending.deposit(w.books, market, w.reserves, me.account, me.asset, amount)
    return reason == Reason.DONE


@inner
def call_back(w, me, amount):
    """Take an amount of what is lent out of the market, as far as it has cash."""
    there = min(amount, callable_now(w, me))
    if there > 0.0:
        market = w.markets[me.lending]
        lending.withdraw(w.books, market, w.reserves, w.feeds, me.account, me.asset, there)


def not_lent(s: Any, name: str | None, asset: str) -> list[Problem]:
    """What is wrong where a lending market that settings name does not lend their asset.

    Args:
        s: All of the scenario.
        name: Of the market; None: there is none.
        asset: Token.
    """
    market = s.lending.get(name or "")
    if market is None or asset in market.reserves:
        return []
    return [("lending", f"{name} does not lend {asset}, but {', '.join(market.reserves)}")]
