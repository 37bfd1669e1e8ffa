"""Depositors of a stability pool: they burn coins for collateral, as long as that is worth it.

A deposit pays for troves that are liquidated and takes their collateral (`protocols.trove`): for a
coin burnt about the minimum ratio less what the liquidator gets, at the price of the collateral. So
what staying brings over one's horizon is

    stay = liquidated per block, over the pool
           x (collateral for a coin - the coin's price) x horizon,

each as it has seen it since it last looked, averaged over the time it remembers: from its own
deposit while it has one, from the pool's books if not. It leaves, sells its coins and what it has
gained where that is less than its outside yield and the coin's premium over par together, and
comes back where it is more, by its `tolerance` each way. Where liquidated collateral falls short of
the coins burnt it has seen losses, and that drives it out, too: a pool that is empty when it is
needed most.

Whoever looks and sees a trove below the minimum liquidates it, for the coins set aside for that;
nobody can leave before. Collateral gained is fetched and sold for money once it is worth the
trouble: that is the sale into a fall that a stability pool makes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from agents.base import Behaviour, Column
from agents.intents import OUTSIDE, THEN, Order, ask, trade
from agents.targets import Targets
from agents.tools import BUMP, best_place, gas_cost, going_bid, rebid, refuel
from agents.trove_owner import TroveTargets, places_of
from protocols import trove
from protocols.interface import action_of
from sim.clock import look, lookers
from sim.compiled import inner, kernel, record_at
from sim.measures import market_price
from sim.units import INTEREST_YEAR

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

PROTOCOL, ROUTES = range(2)
TROVE = trove.TROVE
LIQUIDATE, PROVIDE, LEAVE = (
    action_of(trove.Trove, name) for name in ("liquidate", "provide", "leave")
)
GAS = 600_000.0
"""Of the dearest that it does: leave and two swaps."""


@kernel
def staying(rate, blocks):
    """What a deposit brings over a time, share: the rate seen, for as long."""
    return rate * blocks


@kernel
def averaged(rate, seen, elapsed, memory):
    """A rate after what was seen over a time: the old weighs exp(-time / memory)."""
    keep = math.exp(-elapsed / memory)
    return keep * rate + (1.0 - keep) * seen


@inner
def _learn(w, my, record, account, price, coin_price):
    """Note what a coin in the pool has brought since it last looked, per block."""
    block = w.chain[0].block
    elapsed = block - my.looked
    coins, gain = trove.deposit_of(w, record, account)
    absorbed = w.books.storage[record.absorbed]
    if elapsed > 0.0:
        seen = 0.0
        if my.coins > 0.0:
            burnt, gained = my.coins - coins, gain - my.gained
            seen = (gained * price - burnt * coin_price) / my.coins
        elif absorbed > my.absorbed:  # what it would have brought
            margin = record.minimum_ratio * (1.0 - record.gas_share) - coin_price
            pool = w.books.storage[record.stability] + absorbed - my.absorbed
            seen = (absorbed - my.absorbed) / pool * margin
        my.rate = averaged(my.rate, seen / elapsed, elapsed, my.memory)
    my.looked, my.coins, my.gained, my.absorbed = block, coins, gain, absorbed
    return coins, gain


@inner
def _fetch(w, me, i, my, record, amount, gain):
    """Take coins out, or none, and sell the collateral gained. Returns whether it was sent."""
    account, token, numeraire = me.first + i, record.collateral, w.rules[0].numeraire
    order = Order(account, me.ident, going_bid(w, account, GAS, my.bid), int(my.patience))
    p = me.places[PROTOCOL]
    if not ask(w, order, p, LEAVE, record.coin, record.coin, amount, 0.0):
        return False
    if gain > 0.0:
        sold = gain * (1.0 - 1e-9)
        place, out = best_place(w, me.places[ROUTES:], token, numeraire, sold)
        if place >= OUTSIDE and out > 0.0:
            trade(w, THEN, place, token, numeraire, sold, out * (1.0 - my.slippage))
    if amount > 0.0:
        place, out = best_place(w, me.places[ROUTES:], record.coin, numeraire, amount)
        if place >= OUTSIDE and out > 0.0:
            least = out * (1.0 - my.slippage)
            trade(w, THEN, place, record.coin, numeraire, amount, least)
    my.coins, my.gained = 0.0, 0.0  # what it fetches is no loss of the deposit
    return True


@inner
def _enter(w, me, i, my, record, coin_price):
    """Deposit the coins that it has, and coins for its money. Returns whether it was sent."""
    account, coin, numeraire = me.first + i, record.coin, w.rules[0].numeraire
    held = w.books.balances[account, coin]
    order = Order(account, me.ident, going_bid(w, account, GAS, my.bid), int(my.patience))
    p = me.places[PROTOCOL]
    if held > 0.01 * my.stake:
        my.coins = 0.0
        return ask(w, order, p, PROVIDE, coin, coin, held, 0.0)
    money = min(0.9 * w.books.balances[account, numeraire], my.stake * coin_price)
    place, out = best_place(w, me.places[ROUTES:], numeraire, coin, money)
    if place < OUTSIDE or not out > 0.01 * my.stake:
        return False
    if money > out * (coin_price + my.tolerance):  # buying as many would make them too dear
        return False
    if not trade(w, order, place, numeraire, coin, money, out * (1.0 - my.slippage)):
        return False
    my.coins = 0.0
    return ask(w, THEN, p, PROVIDE, coin, coin, out * (1.0 - my.slippage), 0.0)


@inner
def _rescue(w, me, i, my, record, price):
    """Liquidate the riskiest trove, if it can be. Returns whether it was sent."""
    worst, ratio = trove.riskiest(w, record, price, 0.0)
    if worst < 0:
        return False
    _, debt = trove.standing(w, record, worst)
    if not trove.can_be_liquidated(w, record, ratio, debt, price):
        return False
    account = me.first + i
    bid = going_bid(w, account, GAS, my.bid)
    collateral, _ = trove.standing(w, record, worst)
    reward = record.reserve * market_price(w, record.coin)
    reward += record.gas_share * collateral * market_price(w, record.collateral)
    if not reward > gas_cost(w, GAS, bid):
        return False
    order = Order(account, me.ident, bid, int(my.patience))
    p, coin = me.places[PROTOCOL], record.coin
    return ask(w, order, p, LIQUIDATE, coin, record.collateral, 0.0, 0.0, worst)


@inner
def decide(w, me):
    """Liquidate what is below the minimum; leave or come by what staying brings."""
    rebid(w, me)
    block = w.chain[0].block
    record = record_at(w.protocols[me.places[PROTOCOL]].record, TROVE)
    believed = trove.price_of(w, record)
    price = market_price(w, record.collateral)
    coin_price = market_price(w, record.coin)
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if block < my.busy or look(me, i, 0) >= my.attention:
            continue
        if not (price > 0.0 and coin_price > 0.0 and believed > 0.0):
            continue
        account = me.first + i
        if not refuel(w, account, me.ident, GAS):
            continue
        coins, gain = _learn(w, my, record, account, price, coin_price)
        sent = _rescue(w, me, i, my, record, believed)
        if not sent:
            stay = staying(my.rate, my.horizon)
            other = (
                my.outside_yield * my.horizon * w.rules[0].seconds / INTEREST_YEAR
                + coin_price
                - 1.0
            )
            if coins > 0.0 and stay + my.tolerance < other:
                sent = _fetch(w, me, i, my, record, coins * (1.0 - 1e-9), gain)
            elif gain * price > my.harvest * my.stake:
                sent = _fetch(w, me, i, my, record, 0.0, gain)
            elif coins < 0.5 * my.stake and stay > other + my.tolerance:
                sent = _enter(w, me, i, my, record, coin_price)
        if sent:
            my.busy = block + my.patience


class StabilityDepositor(Behaviour):
    """Deposits coins in a stability pool while the expected return is worth it."""

    columns: ClassVar[Mapping[str, Column]] = {
        "stake": Column("Initial deposit in the stability pool", "coins", 10_000.0, 0.0),
        "outside_yield": Column("Yield available elsewhere", "per year", 0.03, 0.0, 10.0),
        "horizon": Column("Planning horizon", "blocks", 7200.0, 1.0),
        "memory": Column("Averaging time for observed returns", "blocks", 7200.0, 1.0),
        "expected": Column(
            "Return on staying that it expects at the start", "per year", 0.06, 0.0, 10.0
        ),
        "tolerance": Column("Tolerated difference before it moves", "share", 0.005, 0.0, 1.0),
        "harvest": Column(
            "Gain, relative to its stake, at which it claims and sells collateral",
            "share",
            0.02,
            0.0,
        ),
        "attention": Column("Chance per block that it checks the market", "share", 0.01, 0.0, 1.0),
        "slippage": Column("Slippage tolerance, relative to the quote", "share", 0.02, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 10.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "rate": Column("Observed return of a coin", "share per block", 0.0, state=True),
        "looked": Column("Block in which it last checked", "block", 0.0, state=True),
        "coins": Column("Its deposit then", "coins", 0.0, state=True),
        "gained": Column("Collateral that this had gained then", "token units", 0.0, state=True),
        "absorbed": Column("Coins that the pool had burnt then", "coins", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = TroveTargets
    start_order: ClassVar[int] = 1
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Protocol, and where to trade."""
        return places_of(scenario, settings)

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Deposit the stakes."""
        super().begin(market, cohort)
        protocol = market.protocols[cohort.settings.targets.protocol]
        for row, stake in zip(cohort.accounts(), cohort.column("stake"), strict=True):
            if stake > 0.0:
                protocol.begin_deposit(int(row), float(stake))
        cohort.column("coins")[:] = cohort.column("stake")
        seconds = market.setup.block.seconds
        cohort.column("rate")[:] = np.asarray(cohort.column("expected")) * seconds / INTEREST_YEAR
