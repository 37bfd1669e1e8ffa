"""Lenders: they compare rates when calm, and run when they fear for their cash.

A lender looks now and then, a large one more often (Liu, Makarov, Schoar 2023 on
who ran first from UST). When it looks, it leaves with a chance that rises with how
far utilisation is above its fear threshold, with withdrawals it has seen, and with
bad debt: a first come, first served queue in which leaving is right if others leave
(Diamond, Dybvig 1983; Goldstein, Pauzner 2005). A withdrawal takes what cash there
is. Calm lenders move for yield, slowly, and some withdraw to sell when what they
lent is dear outside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from agents.base import Behaviour, Column, token_number
from agents.intents import OUTSIDE, THEN, Order, deposit, trade, withdraw
from agents.targets import LendingName, Targets, Token
from agents.tools import BUMP, HALVINGS, going_bid, quote_at, rebid, refuel
from protocols import lending
from sim.arrays import power
from sim.clock import look, lookers
from sim.codes import ALL, PREVIOUS, Kind, Reason
from sim.compiled import inner, kernel
from sim.errors import ScenarioError
from sim.ledger import begin
from sim.measures import market_price
from sim.randomness import agent_uniform

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

MARKET, TOKEN, RESERVE = range(3)
MEMORY = Column("Memory of withdrawals", "blocks", 100.0, 1.0)


@kernel
def fear(used, threshold, sensitivity, flight, social, losses, bad_debt_fear):
    """Chance to leave when looking.

    Args:
        used: Utilisation.
        threshold: Utilisation from which it is afraid.
        sensitivity: Chance at full utilisation.
        flight: Share of deposits withdrawn lately.
        social: Chance per share withdrawn.
        losses: Bad debt over deposits.
        bad_debt_fear: Chance per share of deposits lost.
    """
    chance = 0.0
    if used > threshold:
        chance += sensitivity * (used - threshold) / max(1.0 - threshold, 1e-9)
    return min(chance + social * flight + bad_debt_fear * losses, 1.0)


@inner
def _worth_selling(w, token, amount, least):
    """As much of an amount as brings outside at least a price to its last part.

    By halves; the last part is a tenth.
    """
    if not least > 0.0:
        return amount
    money = w.rules[0].numeraire
    for _ in range(HALVINGS):
        before = quote_at(w, OUTSIDE, token, money, 0.9 * amount)
        if quote_at(w, OUTSIDE, token, money, amount) - before >= least * 0.1 * amount:
            return amount
        amount *= 0.5
    return 0.0


# Long: what the market is like, and then each lender by it.
@inner
def decide(w, me):
    """Withdraw for fear or yield, and come back when it is calm."""
    rebid(w, me)
    chain, rules = w.chain[0], w.rules[0]
    m, token = me.places[MARKET], me.places[TOKEN]
    reserve = w.reserves[me.places[RESERVE]]
    market = w.markets[m]
    deposits, debts, cash = lending.totals(w.books, market, reserve)
    used = debts / (debts + cash) if debts > 0.0 else 0.0
    rate = reserve.supply_rate
    receipts = w.books.supply[reserve.receipt]
    ours = me.memory
    gone = 0.0
    if ours.receipts > 0.0:
        gone = max(ours.receipts - receipts, 0.0) / ours.receipts
    ours.flight = ours.flight * ours.keeps + gone
    ours.receipts = receipts
    lost = w.books.storage[reserve.slot + lending.BAD_DEBT]
    losses = lost / (deposits + lost) if lost > 0.0 else 0.0
    gas = rules.gas_cost[Kind.WITHDRAW]
    # What is lent may be worth more outside than the market that lends it thinks.
    premium = 0.0
    if token != rules.numeraire and w.feeds[reserve.feed].price > 0.0:
        premium = max(market_price(w, token) / w.feeds[reserve.feed].price - 1.0, 0.0)
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if chain.block < my.busy or look(me, i, 0) >= my.attention:
            continue
        account = me.first + i
        held = w.books.balances[account, reserve.receipt]
        afraid = fear(
            used,
            my.fear,
            my.sensitivity,
            ours.flight,
            my.social,
            losses,
            my.bad_debt_fear,
        )
        draw = agent_uniform(me.key, i, 1)
        patience = int(my.patience)
        if held > 0.0:
            for_yield = my.yield_response * max(my.outside_yield - rate, 0.0)
            to_sell = my.premium_response * premium
            chance = min(afraid + for_yield + to_sell, 1.0)
            if draw >= chance or not refuel(w, account, me.ident, gas):
                continue
            worth = held * w.books.storage[reserve.slot + lending.SUPPLY_INDEX]
            # It takes what there is; the rest stays behind with those who were late.
            amount = ALL if worth <= cash else cash * 0.999
            sells = draw >= afraid + for_yield
            there = min(worth, cash * 0.999)
            part = _worth_selling(w, token, there, my.least_price) if sells else there
            if part < there:
                amount = part
            if amount == ALL or amount > 0.01 * worth:
                bid = going_bid(w, account, gas, my.bid * (1.0 + afraid))
                sent = withdraw(w, Order(account, me.ident, bid, patience), m, token, amount)
                if sent and sells:
                    least = my.least_price * (worth if amount == ALL else amount)
                    trade(w, THEN, OUTSIDE, token, rules.numeraire, PREVIOUS, least)
                my.busy = chain.block + patience
        elif afraid < 0.01 and draw < my.yield_response * max(rate - my.outside_yield, 0.0):
            amount = min(my.deposit, w.books.balances[account, token] * 0.99)
            if amount > 0.0 and refuel(w, account, me.ident, gas):
                bid = going_bid(w, account, gas, my.bid)
                deposit(w, Order(account, me.ident, bid, patience), m, token, amount)
                my.busy = chain.block + patience


class LenderTargets(Targets):
    """The market and the token that it lends."""

    lending: LendingName = Field(description="Lending market.")
    debt: Token = Field(description="Token lent.")


class Lender(Behaviour):
    """Deposits in a lending market for the rate, and withdraws when it fears a run or a loss."""

    columns: ClassVar[Mapping[str, Column]] = {
        "deposit": Column("Initial deposit", "token units", 10_000.0, 0.0),
        "outside_yield": Column("Yield available elsewhere", "per year", 0.01, 0.0),
        "yield_response": Column(
            "Chance of moving per unit of yield difference", "chance per 1", 2.0, 0.0
        ),
        "fear": Column("Utilisation above which it becomes fearful", "share", 0.9, 0.0, 1.0),
        "sensitivity": Column("Chance of leaving at full utilisation", "share", 0.5, 0.0, 1.0),
        "social": Column(
            "Chance of leaving per share recently withdrawn", "chance per 1", 1.0, 0.0
        ),
        "bad_debt_fear": Column("Chance of leaving per share lost", "chance per 1", 20.0, 0.0),
        "attention": Column("Chance per block that it checks the market", "share", 0.01, 0.0, 1.0),
        "size_attention": Column(
            "Elasticity of attention with respect to size", "elasticity", 0.3, 0.0
        ),
        "memory": MEMORY,
        "premium_response": Column(
            "Chance of leaving to sell, per unit of premium", "chance per 1", 0.0, 0.0
        ),
        "least_price": Column(
            "Lowest price at which it sells for a premium", "numeraire", 0.0, 0.0
        ),
        "patience": Column("Time until a pending order expires", "blocks", 25.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = LenderTargets
    remembers: ClassVar[Mapping[str, Column]] = {
        "receipts": Column("Receipts outstanding in the last block", "token units"),
        "flight": Column("Recent withdrawals, decaying", "share"),
        "keeps": Column("Part of it that is left after a block", "share"),
    }
    without: ClassVar[Mapping[str, Mapping[str, float]]] = {"lenders_leave": {"attention": 0.0}}
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Market, token and reserve."""
        name, token = settings.targets.lending, settings.targets.debt
        return [
            list(scenario.lending).index(name),
            token_number(scenario, token),
            reserve_number(scenario, name, token),
        ]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Deposit.

        Raises:
            ScenarioError: If the lending market does not take the deposits.
        """
        super().begin(market, cohort)
        cohort.remembered["keeps"] = kept(cohort, "memory")
        m, token = (int(place) for place in cohort.places[:RESERVE])
        deposits = cohort.column("deposit")
        market.ledger.endow(cohort.first, token, deposits)
        w = market.world
        for account, amount in zip(cohort.accounts(), deposits, strict=True):
            if amount > 0.0:
                begin(w.books)
                reason, _ = lending.deposit(
                    w.books, w.markets[m], w.reserves, int(account), token, float(amount)
                )
                if reason != Reason.DONE:
                    raise ScenarioError([_refusal(cohort, float(amount), Reason(reason))])
        look_by_size(cohort, deposits)


def kept(cohort: CohortTable, column: str) -> float:
    """What is left after a block of what a group notices for some blocks, by its mean: e^(-1/m)."""
    return math.exp(-1.0 / cohort.column(column).mean()) if len(cohort) else 0.0


def look_by_size(cohort: CohortTable, sizes: npt.NDArray[np.float64]) -> None:
    """Have large ones look more often: attention (s / mean) ** size_attention, at most 1."""
    attention = cohort.column("attention")
    if sizes.size and sizes.mean() > 0.0:
        size = np.maximum(sizes / sizes.mean(), 1e-3)
        attention[:] = np.minimum(attention * power(size, cohort.column("size_attention")), 1.0)


def _refusal(cohort: CohortTable, amount: float, reason: Reason) -> tuple[str, str]:
    """Field and message of a deposit that could not be made at the start."""
    targets = cohort.settings.targets
    name, token = targets.lending, targets.debt
    advice = {
        Reason.CAP: f"the cap is reached; raise lending.{name}.reserves.{token}.supply_cap, or "
        "lower deposit or count",
    }
    text = advice.get(reason, reason.name.lower().replace("_", " ") + "; give another deposit")
    return f"agents.{cohort.name}.deposit", f"{amount:.6g} {token} cannot be deposited: {text}"


def reserve_number(scenario: Scenario, lending_name: str, token: str) -> int:
    """Index of a market's reserve among all reserves."""
    at = 0
    for name, settings in scenario.lending.items():
        if name == lending_name:
            return at + list(settings.reserves).index(token)
        at += len(settings.reserves)
    raise KeyError(lending_name)
