"""Insured lenders: depositors who buy cover of their deposit, claim, and run less for it.

A lender that is averse to loss buys cover while it costs less than the loss it expects and what
bearing that is worth to it (Mossin 1968: full cover at a fair price, less as the price rises above
it). What is covered it need not run for: its fear counts for the part that it bears itself, as
deposit insurance takes the reason to run away (Diamond, Dybvig 1983) as far as the insurer can pay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from agents.base import Column, token_number
from agents.intents import Order, ask, withdraw
from agents.lender import MEMORY, Lender, fear, reserve_number
from agents.targets import LendingName, Targets, Token
from agents.tools import BUMP, going_bid, rebid, refuel
from protocols import cover, lending
from protocols.interface import action_of, read, record_at, record_of
from sim.clock import look, lookers
from sim.codes import ALL, Kind
from sim.compiled import inner, kernel
from sim.fields import Names
from sim.randomness import agent_uniform
from sim.units import INTEREST_YEAR

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

MARKET, TOKEN, RESERVE, COVER = range(4)
RECORD = record_of(cover.Cover)
BUY, CLAIM = action_of(cover.Cover, "buy"), action_of(cover.Cover, "claim")


@kernel
def wanted_cover(price, expected, aversion, deductible):
    """Part of a deposit that is worth covering, in [0, 1].

    All of it up to the expected loss, none from ``(1 + aversion)`` times as much on; in between it
    falls linearly, as demand does for a risk that is small beside the purse (Mossin 1968).

    Args:
        price: Of cover, per year.
        expected: Loss, per year.
        aversion: What bearing it is worth, over the loss itself.
        deductible: Share of a loss that stays with the holder.
    """
    worth = expected * (1.0 - deductible)
    if price <= worth:
        return 1.0
    most = worth * (1.0 + aversion)
    return (most - price) / (most - worth) if price < most else 0.0


@inner
def _insure(w, me, my, them, account, deposit, order):
    """Buy cover where it lacks and is worth it. Returns whether something was sent."""
    begun = read(w, them.people + account * cover.WIDTH + cover.EXPIRES)
    covered = read(w, them.people + account * cover.WIDTH + cover.AMOUNT)
    if covered > 0.0 and begun - w.chain[0].block > my.renew:
        return False
    price = cover.price(w, them)
    part = wanted_cover(price, my.expected_loss, my.aversion, them.deductible)
    amount = part * deposit
    most, sold = cover.capacity(w, them), read(w, them.sold)
    amount = min(amount, 0.98 * (most - sold))
    if not amount > 0.01 * deposit:
        return False
    years = them.period * w.rules[0].seconds / INTEREST_YEAR
    premium = cover.premium_of(amount, sold, most, them.low, them.high, years)
    token, p = me.places[TOKEN], me.places[COVER]
    if not premium <= w.books.balances[account, token]:
        return False
    return ask(w, order, p, BUY, token, token, premium, 0.9 * amount)


@inner
def _covered(w, them, account, deposit):
    """Part of a deposit that the fund would make good if all of it were lost now."""
    amount, _, _ = cover._policy(w, them, account)
    sold, capital = read(w, them.sold), cover.capital(w, them)
    if not (amount > 0.0 and deposit > 0.0 and sold > 0.0):
        return 0.0
    return min(amount / deposit, 1.0) * min(capital / sold, 1.0) * (1.0 - them.deductible)


@inner
def _see(w, me):
    """(Utilisation, share lost, cash) of the market; what was withdrawn lately is remembered."""
    reserve = w.reserves[me.places[RESERVE]]
    deposits, debts, cash = lending.totals(w.books, w.markets[me.places[MARKET]], reserve)
    receipts, ours = w.books.supply[reserve.receipt], me.memory
    gone = max(ours.receipts - receipts, 0.0) / ours.receipts if ours.receipts > 0.0 else 0.0
    ours.flight = ours.flight * ours.keeps + gone
    ours.receipts = receipts
    lost = w.books.storage[reserve.slot + lending.BAD_DEBT]
    used = debts / (debts + cash) if debts > 0.0 else 0.0
    return used, lost / (deposits + lost) if lost > 0.0 else 0.0, cash


@inner
def decide(w, me):
    """Claim what is due, insure what is not, and leave for fear of the rest."""
    rebid(w, me)
    chain, m, token = w.chain[0], me.places[MARKET], me.places[TOKEN]
    p = me.places[COVER]
    them = record_at(w.protocols[p].record, RECORD)
    used, losses, cash = _see(w, me)
    gas = w.rules[0].gas_cost[Kind.WITHDRAW]
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if chain.block < my.busy or look(me, i, 0) >= my.attention:
            continue
        account = me.first + i
        deposit = lending.deposit_of(w.books, w.reserves[me.places[RESERVE]], account)
        due = cover.due_to(w, them, account)
        if not (deposit > 0.0 or due > 0.0) or not refuel(w, account, me.ident, gas):
            continue
        bid = going_bid(w, account, gas, my.bid)
        order = Order(account, me.ident, bid, int(my.patience))
        afraid = fear(used, my.fear, my.sensitivity, me.memory.flight, my.social, losses, 20.0)
        afraid *= 1.0 - _covered(w, them, account, deposit)
        if due > 0.001 * my.deposit and cover.capital(w, them) > 0.0:
            sent = ask(w, order, p, CLAIM, token, token, 0.0, 0.0)
        elif agent_uniform(me.key, i, 1) < afraid:
            amount = ALL if deposit <= cash else 0.999 * cash
            if amount != ALL and amount < 0.01 * deposit:
                continue
            sent = withdraw(w, order, m, token, amount)
        else:
            sent = _insure(w, me, my, them, account, deposit, order)
        if sent:
            my.busy = chain.block + int(my.patience)


class InsuredLenderTargets(Targets):
    """The market, the token and the cover protocol."""

    lending: LendingName = Field(description="Lending market.")
    debt: Token = Field(description="Token lent.")
    cover: Annotated[str, Names("protocols:cover")] = Field(
        description="Cover protocol that insures the deposits."
    )


class InsuredLender(Lender):
    """Deposits in a lending market, and buys cover when it is worth the premium."""

    columns: ClassVar[Mapping[str, Column]] = {
        "deposit": Column("Initial deposit", "token units", 10_000.0, 0.0),
        "spare": Column("Cash for premiums", "share of the deposit", 0.05, 0.0),
        "expected_loss": Column("Expected loss on deposits", "per year", 0.02, 0.0),
        "aversion": Column("Risk loading accepted on top of the expected loss", "times", 2.0, 0.0),
        "renew": Column("Time before expiry in which it renews", "blocks", 1_000.0, 0.0),
        "fear": Column("Utilisation above which it becomes fearful", "share", 0.9, 0.0, 1.0),
        "sensitivity": Column("Chance of leaving at full utilisation", "share", 0.5, 0.0, 1.0),
        "social": Column(
            "Chance of leaving per share recently withdrawn", "chance per 1", 1.0, 0.0
        ),
        "memory": MEMORY,
        "attention": Column("Chance per block that it checks the market", "share", 0.01, 0.0, 1.0),
        "size_attention": Column(
            "Elasticity of attention with respect to size", "elasticity", 0.3, 0.0
        ),
        "patience": Column("Time until a pending order expires", "blocks", 25.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = InsuredLenderTargets
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Market, token, reserve, and the fund."""
        targets = settings.targets
        return [
            list(scenario.lending).index(targets.lending),
            token_number(scenario, targets.debt),
            reserve_number(scenario, targets.lending, targets.debt),
            list(scenario.protocols).index(targets.cover),
        ]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Deposit, and keep something to pay premiums with."""
        super().begin(market, cohort)
        spare = cohort.column("deposit") * cohort.column("spare")
        market.ledger.endow(cohort.first, int(cohort.places[TOKEN]), spare)
