"""Risk stewards: they change a lending market's caps and terms, and freeze it, but late.

A steward watches each reserve of its market: the price that the market's oracle says against its
peak lately, and utilisation. Where one is beyond what it bears, it decides; what it has decided
takes effect only after a delay (a vote, a timelock, a risk council's two or three days), whatever
has happened since. Then the reserve is frozen, its caps are cut to what is there, and its
loan-to-value and threshold are lowered by a part. A lower threshold makes positions liquidatable
that were not: so a steward that is late can do in the trough what nobody needs any more. After a
time without alarm it thaws what it has frozen; terms stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from agents.base import Behaviour, Column
from agents.targets import LendingName, Targets
from protocols import lending
from sim.compiled import inner

if TYPE_CHECKING:
    from sim.scenario import AgentSettings, Scenario

MOST = 32
"""Reserves that a steward watches."""


@inner
def _act(w, my, market, reserve):
    """Freeze a reserve, cut its caps to what is there, and lower its terms."""
    deposits, debts, _ = lending.totals(w.books, market, reserve)
    if my.freezes >= 0.5:
        reserve.frozen = 1
    if my.cap > 0.0:
        # A cap of nothing would be none that a scenario may have.
        reserve.supply_cap = min(reserve.supply_cap, max(deposits * my.cap, 1e-9))
        reserve.borrow_cap = min(reserve.borrow_cap, max(debts * my.cap, 1e-9))
    reserve.ltv *= 1.0 - my.cut
    reserve.threshold *= 1.0 - my.threshold_cut
    reserve.ltv = min(reserve.ltv, reserve.threshold)
    if reserve.category >= 0:
        reserve.category_ltv *= 1.0 - my.cut
        reserve.category_threshold *= 1.0 - my.threshold_cut
        reserve.category_ltv = min(reserve.category_ltv, reserve.category_threshold)
    my.steps += 1.0


@inner
def decide(w, me):
    """Watch each reserve, decide, and do what was decided a delay ago."""
    block = w.chain[0].block
    market = w.markets[me.places[0]]
    for i in range(me.size):
        my = me.rows[i]
        for k in range(min(market.size, MOST)):
            reserve = w.reserves[market.first + k]
            price = w.feeds[reserve.feed].price
            my.peak[k] = max(my.peak[k] * (1.0 - my.forgets), price)
            used = lending.utilisation(w.books, market, reserve)
            alarm = price < my.peak[k] * (1.0 - my.fall) or used > my.used
            if alarm:
                my.alarmed[k] = block
            elif reserve.frozen and block - my.alarmed[k] >= my.thaw:
                reserve.frozen = 0
            if my.due[k] > 0.0:
                if block >= my.due[k]:
                    _act(w, my, market, reserve)
                    my.due[k] = 0.0
                    my.rests[k] = block + my.rest
            elif alarm and block >= my.rests[k]:
                my.due[k] = block + max(my.delay, 1.0)


class StewardTargets(Targets):
    """The lending market that it manages."""

    lending: LendingName = Field(description="Lending market.")


class RiskSteward(Behaviour):
    """Changes the caps and risk parameters of a lending market, with a delay."""

    columns: ClassVar[Mapping[str, Column]] = {
        "fall": Column("Price fall from its peak that triggers action", "share", 0.2, 0.0, 1.0),
        "forgets": Column("Share of the peak forgotten per block", "share", 1e-4, 0.0, 1.0),
        "used": Column("Utilisation that triggers action", "share", 0.95, 0.0, 1.0),
        "delay": Column("Delay from decision to effect", "blocks", 300.0, 1.0, 10_000_000.0),
        "rest": Column(
            "Minimum time between decisions on a reserve", "blocks", 300.0, 0.0, 10_000_000.0
        ),
        "freezes": Column("Whether it freezes a reserve", "0 or 1", 1.0, 0.0, 1.0),
        "thaw": Column(
            "Time without alarm after which it unfreezes a reserve",
            "blocks",
            300.0,
            0.0,
            10_000_000.0,
        ),
        "cap": Column(
            "New caps, relative to current amounts; 0: caps stay", "multiple", 1.0, 0.0, 100.0
        ),
        "cut": Column("Relative cut of the loan-to-value", "share", 0.1, 0.0, 1.0),
        "threshold_cut": Column(
            "Relative cut of the liquidation threshold", "share", 0.05, 0.0, 1.0
        ),
        "steps": Column("Number of actions", "times", state=True),
        "peak": Column("Recent peak of each price", "numeraire", state=True, count=MOST),
        "due": Column("Block in which the decision takes effect", "block", state=True, count=MOST),
        "rests": Column("Block until which it decides nothing", "block", state=True, count=MOST),
        "alarmed": Column("Last alarm", "block", state=True, count=MOST),
    }
    targets: ClassVar[type[Targets]] = StewardTargets
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """The market."""
        return [list(scenario.lending).index(settings.targets.lending)]
