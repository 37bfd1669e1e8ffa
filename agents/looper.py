"""Loopers: they borrow what is staked to stake more of it, while that pays.

A looper puts a staked token in, borrows the asset, buys more of the staked token, and so on: with a
leverage L it earns ``L y - (L - 1) r``, y what staking pays and r what borrowing costs. It keeps
that as any leveraged borrower does (`agents.leveraged_borrower`), until it earns less than it
wants, or the staked token trades so far below what it stands for that it fears to be caught: then
it sells what it holds and repays. All who do so sell into one pool, which moves the price that the
others look at, and the rate of what they have borrowed (the looped stETH of June 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from agents.base import Column
from agents.leveraged_borrower import D_RESERVE, BorrowerTargets, LeveragedBorrower
from agents.leveraged_borrower import decide as keep_leverage
from agents.targets import Targets
from protocols import staking
from protocols.interface import record_at, record_of
from sim.compiled import inner, kernel
from sim.fields import Names

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market

UNWOUND = 1.02
"""Leverage that it goes back to when it does not pay."""
RECORD = record_of(staking.Staking)


@kernel
def carry(leverage, pays, costs):
    """What a loop earns on its equity: L y - (L - 1) r.

    Args:
        leverage: L, collateral over equity.
        pays: y, of staking, per year.
        costs: r, of borrowing, per year.
    """
    return leverage * pays - (leverage - 1.0) * costs


@inner
def decide(w, me):
    """Loop while that pays, unwind when it does not or the peg is feared for."""
    them = record_at(w.protocols[int(me.memory.staking)].record, RECORD)
    pays = them.rewards * (1.0 - them.fee)
    costs = w.reserves[me.places[D_RESERVE]].borrow_rate
    below = staking.discount(w, them)
    for i in range(me.size):
        my = me.rows[i]
        leaves = carry(my.wanted, pays, costs) < my.required or below > my.tolerance
        my.leverage = UNWOUND if leaves else my.wanted
    keep_leverage(w, me)


class LooperTargets(BorrowerTargets):
    """The lending market, the staking pool, and where it trades."""

    staking: Annotated[str, Names("protocols:staking")] = Field(description="Staking pool.")


class Looper(LeveragedBorrower):
    """Loops a staking position: borrows the asset against the staked token, and stakes it again."""

    columns: ClassVar[Mapping[str, Column]] = {
        **LeveragedBorrower.columns,
        "required": Column("Required return on equity", "per year", 0.0),
        "tolerance": Column(
            "Discount of the staked token that it tolerates", "share", 0.05, -1.0, 1.0
        ),
        "wanted": Column("Target leverage while the loop pays", "multiple", state=True),
    }
    targets: ClassVar[type[Targets]] = LooperTargets
    remembers: ClassVar[Mapping[str, Column]] = {
        "staking": Column("Number of the staking pool", "index")
    }
    decide = staticmethod(decide)

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Open the positions, and remember the leverage that it aims at."""
        super().begin(market, cohort)
        cohort.column("wanted")[:] = cohort.column("leverage")
        name = cohort.settings.targets.staking
        cohort.remembered["staking"] = list(market.setup.protocols).index(name)
