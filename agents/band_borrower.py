"""Borrowers in bands: they borrow a coin against collateral that converts little by little.

Each draws as much as its aim allows and sells it. While its collateral converts (`protocols.soft`)
nothing but debt can be paid back: one does so where its health is below its floor, out of coins
that it has or buys. Who has lost patience, as more of its collateral is coin than it bears, pays
all back and takes out what is left; so does, with the money for it, whoever sees the coin below par
by its `discount`. After a while one borrows anew with the collateral it has.

Whoever looks and sees a loan of negative health liquidates it if that pays: it buys the coins that
the bands lack, takes what is in them and sells it, all in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from agents.base import Behaviour, Column
from agents.intents import OUTSIDE, THEN, Order, ask, require, trade
from agents.targets import Places, Targets
from agents.tools import BUMP, alarmed, best_place, gas_cost, going_bid, rebid, refuel
from agents.trove_owner import places_of, protocol_and_price
from protocols import soft
from protocols.interface import action_of
from sim.clock import look
from sim.codes import ALL, PREVIOUS
from sim.compiled import inner, kernel, record_at
from sim.errors import ScenarioError
from sim.fields import Names
from sim.measures import market_price

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

PROTOCOL, ROUTES = range(2)
SOFT = soft.SOFT
BORROW, REPAY, LIQUIDATE = (action_of(soft.Soft, name) for name in ("borrow", "repay", "liquidate"))
GAS = 1_000_000.0
"""Of the dearest that it does: buy coins, liquidate, sell."""
SPARE = 1.001
"""Coins that it buys over what it owes: interest until the block is made, and rounding."""


@kernel
def repayment_to(owed, health, wanted):
    """Coins to pay back so that health becomes `wanted`, what is in the bands being the same.

    From ``worth = (1 + h) d = (1 + w) (d - x)``: x = d (w - h) / (1 + w).
    """
    return max(owed * (wanted - health) / (1.0 + wanted), 0.0)


@inner
def _buy(w, me, my, order, account, coin, wanted, price):
    """Buy coins with its money, all that are wanted or none. Returns whether it does."""
    numeraire = w.rules[0].numeraire
    money = min(0.98 * w.books.balances[account, numeraire], wanted * price * 1.02)
    place, out = best_place(w, me.places[ROUTES:], numeraire, coin, money)
    if place < OUTSIDE or not out >= wanted:
        return False
    return trade(w, order, place, numeraire, coin, money, wanted)


@inner
def _pay(w, me, i, my, record, amount, whole, coin_price):
    """Pay a debt back, in part or whole. Returns whether it was sent."""
    account, coin = me.first + i, record.coin
    order = Order(account, me.ident, going_bid(w, account, GAS, my.bid), int(my.patience))
    p = me.places[PROTOCOL]
    lacks = amount * (SPARE if whole else 1.0) - w.books.balances[account, coin]
    paid = ALL if whole else amount
    if lacks <= 0.0:
        return ask(w, order, p, REPAY, coin, record.collateral, paid, 0.0)
    if not _buy(w, me, my, order, account, coin, lacks, coin_price):
        return False
    return ask(w, THEN, p, REPAY, coin, record.collateral, paid, 0.0)


@inner
def _borrow(w, me, i, my, record, collateral, amount):
    """Borrow coins and sell them. Returns whether it was sent."""
    account, coin, numeraire = me.first + i, record.coin, w.rules[0].numeraire
    place, out = best_place(w, me.places[ROUTES:], coin, numeraire, amount)
    if place < OUTSIDE or not out > 0.0:
        return False
    order = Order(account, me.ident, going_bid(w, account, GAS, my.bid), int(my.patience))
    p, token = me.places[PROTOCOL], record.collateral
    if not ask(w, order, p, BORROW, token, coin, collateral, my.floor, -1, amount):
        return False
    return trade(w, THEN, place, coin, numeraire, PREVIOUS, out * (1.0 - my.slippage))


@inner
def _liquidate(w, me, i, my, record, coin_price):
    """Liquidate the worst loan, if that pays. Returns whether it was sent."""
    believed = soft.price_of(w, record)
    worst, health = soft.worst(w, record, believed)
    account = me.first + i
    if worst < 0 or worst == account or not health < 0.0:
        return False
    coins, collateral = soft.holding(w, record, worst)
    lacks = max(soft.debt_of(w, record, worst) - coins, 0.0) * SPARE
    coin, token, numeraire = record.coin, record.collateral, w.rules[0].numeraire
    place, out = best_place(w, me.places[ROUTES:], token, numeraire, collateral)
    bid = going_bid(w, account, GAS, my.bid)
    least = lacks * coin_price * my.margin + gas_cost(w, GAS, bid)
    gain = out - lacks * coin_price * 1.02
    if place < OUTSIDE or not gain > least:
        return False
    order = Order(account, me.ident, bid, int(my.patience))
    p = me.places[PROTOCOL]
    if lacks > w.books.balances[account, coin]:
        if not _buy(w, me, my, order, account, coin, lacks, coin_price):
            return False
        ask(w, THEN, p, LIQUIDATE, coin, token, lacks, 0.0, worst)
    elif not ask(w, order, p, LIQUIDATE, coin, token, lacks, 0.0, worst):
        return False
    trade(w, THEN, place, token, numeraire, PREVIOUS, out * (1.0 - my.slippage))
    if lacks > w.books.balances[account, coin]:
        require(w, THEN, numeraire, least)
    return True


@inner
def _act(w, me, i, my, record, price, coin_price):
    """What it does with its loan, if anything. Returns whether it has sent something."""
    account, block = me.first + i, w.chain[0].block
    cheap = coin_price < 1.0 - my.discount
    if not soft.own(w, record, account, soft.OWNER_AT) > 0.0:
        if my.gone == 0.0:
            my.gone = block  # it sees now that it has none
        own = w.books.balances[account, record.collateral]
        if record.collateral == w.rules[0].gas_token:
            own *= 0.9  # the rest is for gas
        drawn = own * price / my.ratio
        if cheap or block < my.gone + my.wait or not drawn > my.least:
            return False
        return _borrow(w, me, i, my, record, own, drawn)
    my.gone = 0.0
    owed = soft.debt_of(w, record, account)
    coins, collateral = soft.holding(w, record, account)
    health = soft.health(w, record, account, soft.price_of(w, record))
    worth = coins + collateral * price
    if coins > my.bears * worth or cheap:
        if _pay(w, me, i, my, record, owed, True, coin_price):
            return True
    if health < my.floor:
        amount = repayment_to(owed, health, 2.0 * my.floor)
        return _pay(w, me, i, my, record, amount, False, coin_price)
    if coins == 0.0 and not cheap and collateral * price > my.ratio * owed * (1.0 + my.band):
        amount = collateral * price / my.ratio - owed
        return _borrow(w, me, i, my, record, 0.0, amount)
    return False


@inner
def decide(w, me):
    """Liquidate what pays, then see to one's own loan."""
    rebid(w, me)
    block = w.chain[0].block
    record = record_at(w.protocols[me.places[PROTOCOL]].record, SOFT)
    coin_price = market_price(w, record.coin)
    price = min(market_price(w, record.collateral), soft.price_of(w, record))
    for n in range(alarmed(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if block < my.busy or not price > 0.0 or not coin_price > 0.0:
            continue
        drawn = look(me, i, 0)
        if drawn >= max(my.attention, my.alarm):
            continue
        account = me.first + i
        # While its collateral converts an alarm may wake it more often than it looks by itself.
        if drawn >= my.attention and soft.holding(w, record, account)[0] == 0.0:
            continue
        if not refuel(w, account, me.ident, GAS):
            continue
        sent = _liquidate(w, me, i, my, record, coin_price)
        if sent or _act(w, me, i, my, record, price, coin_price):
            my.busy = block + my.patience


class BandTargets(Places):
    """Where its loan is, and where it buys and sells."""

    protocol: Annotated[str, Names("protocols:soft")] = Field(
        description="Soft-liquidation protocol (loans in bands)."
    )


class BandBorrower(Behaviour):
    """Borrows a coin against collateral in soft-liquidation bands."""

    columns: ClassVar[Mapping[str, Column]] = {
        "equity": Column("Initial equity: collateral less debt", "numeraire", 10_000.0, 0.0),
        "ratio": Column("Target collateral ratio", "multiple", 1.6, 1.01, 1e6),
        "floor": Column("Health below which it repays", "share", 0.02, 0.0, 10.0),
        "bears": Column(
            "Share of its collateral converted to the coin at which it repays in full",
            "share",
            0.5,
            0.0,
            1.0,
        ),
        "band": Column("Tolerated excess over the target ratio", "share", 0.25, 0.0, 1.0),
        "discount": Column("Discount to par at which it buys back debt", "share", 0.01, 0.0, 1.0),
        "least": Column("Minimum loan", "coins", 100.0, 0.0),
        "margin": Column(
            "Minimum gain of a liquidation, relative to the amount put in", "share", 0.005, 0.0
        ),
        "attention": Column("Chance per block that it checks the market", "share", 0.01, 0.0, 1.0),
        "alarm": Column(
            "Chance per block that it checks while its collateral converts", "share", 0.02, 0.0, 1.0
        ),
        "wait": Column("Time before it borrows again", "blocks", 300.0, 0.0),
        "slippage": Column("Slippage tolerance, relative to the quote", "share", 0.03, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 25.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "gone": Column("Block in which it found its loan gone; 0: it has one", "block", state=True),
    }
    targets: ClassVar[type[Targets]] = BandTargets
    start_order: ClassVar[int] = 1
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Protocol, and where to trade."""
        return places_of(scenario, settings)

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Open the loans; what they have borrowed is with who has coins.

        Raises:
            ScenarioError: If the collateral has no price, or so much cannot be borrowed.
        """
        super().begin(market, cohort)
        protocol, price = protocol_and_price(market, cohort)
        equity, ratio = (np.asarray(cohort.column(c)) for c in ("equity", "ratio"))
        for row, own, wanted in zip(cohort.accounts(), equity, ratio, strict=True):
            if not own > 0.0:
                continue
            debt = float(own / (wanted - 1.0))
            try:
                protocol.begin_loan(int(row), debt * float(wanted) / price, debt)
            except ValueError as error:
                text = f"{error}; or raise the ratio"
                raise ScenarioError([(f"agents.{cohort.name}.ratio", text)]) from None
