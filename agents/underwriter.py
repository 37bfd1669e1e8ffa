"""Underwriters: they pledge capital that covers deposits, while premiums pay for what they fear.

Capital earns the premiums of what is sold, and bears its claims. With k cover sold per unit of
capital, p its mean price and e the loss that is expected of what is covered, a year, it earns
``k (p - e)``. An underwriter wants a return for capital that is at risk and cannot leave at once
(Froot, Stein 1998: what cannot be hedged is priced by the capital it binds): it enters above that,
and below it gives notice, waits, and takes what no policy needs. Expectations rise with what it has
seen lost, as insurers' do after a loss (Gron 1994; Froot, O'Connell 1999): capital is scarcest, and
cover dearest, just after it was needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from agents.base import Behaviour, Column, token_number
from agents.intents import Order, ask
from agents.targets import Targets
from agents.tools import BUMP, going_bid, rebid, refuel
from protocols import cover
from protocols.interface import action_of, read, record_at, record_of
from sim.clock import look, lookers
from sim.compiled import inner, kernel
from sim.fields import Names

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

COVER, TOKEN, SHARE = range(3)
RECORD = record_of(cover.Cover)
UNDERWRITE = action_of(cover.Cover, "underwrite")
NOTICE, LEAVE = action_of(cover.Cover, "give_notice"), action_of(cover.Cover, "leave")
ACTIONS = (UNDERWRITE, NOTICE, LEAVE)


@kernel
def earned(sold, capital, price, expected):
    """What a unit of capital earns a year: k (p - e).

    Args:
        sold: Cover in force, token units.
        capital: That bears it, token units.
        price: Of cover, per year.
        expected: Loss of what is covered, per year.
    """
    return sold / capital * (price - expected) if capital > 0.0 else 0.0


@inner
def _noticed(w, them, account, leaves):
    """How long ago it has said so that it leaves with all those shares; -1: it has not."""
    said = read(w, them.people + account * cover.WIDTH + cover.NOTICED)
    if said < 0.999 * leaves:
        return -1.0
    return w.chain[0].block - read(w, them.people + account * cover.WIDTH + cover.NOTICE)


@inner
def _go(w, me, my, them, account, held, order):
    """Give notice, or leave once it has passed. Returns whether something was sent."""
    p, share, token = me.places[COVER], me.places[SHARE], me.places[TOKEN]
    waited = _noticed(w, them, account, held)
    if waited < 0.0 or waited > them.notice + them.window:
        return ask(w, order, p, NOTICE, share, share, held, 0.0)
    if waited < them.notice:
        return False
    capital = cover.capital(w, them)
    free = capital - read(w, them.sold) / them.leverage
    part = min(0.999 * free / capital * w.books.supply[share], held) if capital > 0.0 else 0.0
    if part > 0.01 * held:
        return ask(w, order, p, LEAVE, share, token, part, 0.0)
    return False


@inner
def decide(w, me):
    """Pledge while it pays, give notice when it does not, and leave when one may."""
    rebid(w, me)
    p = me.places[COVER]
    them = record_at(w.protocols[p].record, RECORD)
    chain = w.chain[0]
    capital, sold = cover.capital(w, them), read(w, them.sold)
    at = sold / (capital * them.leverage) if capital > 0.0 else 0.0
    price = them.low + (them.high - them.low) * at
    lost = 1.0 - read(w, them.kept)
    gas = w.actions[w.protocols[p].first + LEAVE].gas
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if chain.block < my.busy or look(me, i, 0) >= my.attention:
            continue
        account = me.first + i
        held = w.books.balances[account, me.places[SHARE]]
        pays = earned(sold, capital, price, my.expected_loss + my.lesson * lost)
        # Cover that it could sell with what it adds is worth at least the price of the first unit.
        fresh = them.low - my.expected_loss - my.lesson * lost
        cash = w.books.balances[account, me.places[TOKEN]]
        wants = max(pays, fresh * them.leverage * my.hope) > my.required
        if not refuel(w, account, me.ident, gas):
            continue
        order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
        if wants and cash > 0.05 * my.capital:
            sent = ask(
                w, order, p, UNDERWRITE, me.places[TOKEN], me.places[SHARE], 0.99 * cash, 0.0
            )
        elif held > 0.0 and pays < my.required - my.patience_for_less:
            sent = _go(w, me, my, them, account, held, order)
        else:
            continue
        if sent:
            my.busy = chain.block + int(my.patience)


class UnderwriterTargets(Targets):
    """What it underwrites."""

    cover: Annotated[str, Names("protocols:cover")] = Field(
        description="Cover protocol that it underwrites."
    )


class Underwriter(Behaviour):
    """Underwrites cover for deposits with its capital."""

    columns: ClassVar[Mapping[str, Column]] = {
        "capital": Column("Initial capital", "token units", 100_000.0, 0.0),
        "pledged": Column("Share of it pledged at the start", "share", 0.8, 0.0, 1.0),
        "required": Column("Required return on capital", "per year", 0.05, 0.0),
        "patience_for_less": Column(
            "Shortfall of the return at which it leaves", "per year", 0.02, 0.0
        ),
        "expected_loss": Column("Expected loss on covered deposits", "per year", 0.01, 0.0),
        "lesson": Column(
            "Increase of the expected loss per share lost", "per year per 1", 2.0, 0.0
        ),
        "hope": Column("Share of its capacity that it expects to sell", "share", 0.5, 0.0, 1.0),
        "attention": Column("Chance per block that it checks the market", "share", 0.005, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 25.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = UnderwriterTargets
    without: ClassVar[Mapping[str, Mapping[str, float]]] = {"lenders_leave": {"attention": 0.0}}
    decide = staticmethod(decide)
    start_order: ClassVar[int] = -1

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """The fund, its token, and its share."""
        name = settings.targets.cover
        token = getattr(scenario.protocols[name].settings, "token", "")
        return [
            list(scenario.protocols).index(name),
            token_number(scenario, token),
            token_number(scenario, f"{name}-share"),
        ]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Pledge a part of what it has: shares are bought at what they stand for."""
        super().begin(market, cohort)
        ledger = market.ledger
        capital = cohort.column("capital")
        pledged = capital * cohort.column("pledged")
        token, share = int(cohort.places[TOKEN]), int(cohort.places[SHARE])
        fund = market.protocols[cohort.settings.targets.cover].account
        out, there = ledger.books.supply[share], ledger.balances[fund, token]
        ledger.endow(cohort.first, token, capital - pledged)
        ledger.endow(fund, token, [pledged.sum()])
        ledger.endow(cohort.first, share, pledged * (out / there if there > 0.0 else 1.0))
