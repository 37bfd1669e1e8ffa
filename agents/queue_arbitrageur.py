"""Queue arbitrageurs: they buy a staked token below what it stands for, and wait for it.

A share that stands for R and costs P returns ``R / P - 1`` after the queue's time T. Who requires a
return k a year for capital that is bound buys while ``R / P > 1 + k T``, hands in, and waits; its
capital is back when the queue has paid it. Above what it stands for it stakes, and sells. So the
price can fall below its anchor by what waiting costs those with capital, and by any amount once
they have none (limits of arbitrage: Shleifer, Vishny 1997).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from agents.base import Behaviour, Column, token_number
from agents.intents import THEN, Order, ask, swap
from agents.targets import PoolName, Targets
from agents.tools import BUMP, gas_cost, going_bid, quote_at, rebid, refuel
from protocols import staking
from protocols.interface import action_of, read, record_at, record_of
from sim.clock import look, lookers
from sim.codes import PREVIOUS, Kind
from sim.compiled import inner, kernel
from sim.fields import Names
from sim.measures import market_price

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

STAKING, POOL, ASSET, SHARE = range(4)
RECORD = record_of(staking.Staking)
STAKE, REQUEST = action_of(staking.Staking, "stake"), action_of(staking.Staking, "request")
SIZES = 6
"""Sizes that are tried, each half of the one before."""


@kernel
def gain_of_waiting(paid, due, required, days):
    """What handing in gains over what waiting costs: due / (1 + k T) - paid.

    Args:
        paid: For the shares, units of the asset.
        due: What they stand for.
        required: k, per year.
        days: T; no end: nothing is worth it.
    """
    if not days < np.inf:
        return -paid
    return due / (1.0 + required * days / 365.0) - paid


@inner
def _buy(w, me, my, them, cash):
    """(Gain, size) of the best size to buy and hand in, units of the asset."""
    best, size = 0.0, 0.0
    amount = cash
    days = staking.wait(w, them)
    rate = staking.rate_now(w, them)
    for _ in range(SIZES):
        shares = quote_at(w, me.places[POOL], me.places[ASSET], me.places[SHARE], amount)
        # What it adds to the queue it waits for itself.
        more = amount / them.capacity if them.capacity > 0.0 else np.inf
        gain = gain_of_waiting(amount, shares * rate, my.required, days + more)
        if gain > best:
            best, size = gain, amount
        amount *= 0.5
    return best, size


@inner
def _sell(w, me, them, cash):
    """(Gain, size) of the best size to stake and sell, units of the asset."""
    best, size = 0.0, 0.0
    amount = cash
    for _ in range(SIZES):
        shares = staking.would_give(w, them, me.places[ASSET], me.places[SHARE], amount)
        back = quote_at(w, me.places[POOL], me.places[SHARE], me.places[ASSET], shares)
        if back - amount > best:
            best, size = back - amount, amount
        amount *= 0.5
    return best, size


@inner
def decide(w, me):
    """Buy what is cheap for its wait and hand it in; stake and sell what is dear."""
    rebid(w, me)
    p, pool = me.places[STAKING], me.places[POOL]
    asset, share = me.places[ASSET], me.places[SHARE]
    them = record_at(w.protocols[p].record, RECORD)
    gas = w.rules[0].gas_cost[Kind.SWAP] + w.actions[w.protocols[p].first + REQUEST].gas
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if w.chain[0].block < my.busy or look(me, i, 0) >= my.attention:
            continue
        account = me.first + i
        cash = w.books.balances[account, asset] * 0.98
        if not cash > 0.0 or not refuel(w, account, me.ident, gas):
            continue
        cost = gas_cost(w, gas, w.chain[0].gas_price) / max(market_price(w, asset), 1e-300)
        order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
        bought, size = 0.0, 0.0
        if read(w, them.shut) == 0.0:
            bought, size = _buy(w, me, my, them, cash)
        sold, other = _sell(w, me, them, cash)
        if bought > max(sold, cost + my.margin * size):
            least = size / staking.rate_now(w, them)  # never above what it stands for
            if swap(w, order, pool, asset, share, size, least):
                ask(w, THEN, p, REQUEST, share, asset, PREVIOUS, size)
        elif sold > cost + my.margin * other:
            if ask(w, order, p, STAKE, asset, share, other, 0.0):
                swap(w, THEN, pool, share, asset, PREVIOUS, other)
        else:
            continue
        my.busy = w.chain[0].block + int(my.patience)


class QueueArbitrageurTargets(Targets):
    """The staking pool, and where its share is traded."""

    staking: Annotated[str, Names("protocols:staking")] = Field(description="Staking pool.")
    pool: PoolName = Field(description="Pool in which its share trades against the asset.")


class QueueArbitrageur(Behaviour):
    """Buys a staked token below its redemption value and redeems it through the queue."""

    columns: ClassVar[Mapping[str, Column]] = {
        "capital": Column("Initial capital", "units of the asset", 100.0, 0.0),
        "required": Column("Required return on locked capital", "per year", 0.15, 0.0),
        "margin": Column(
            "Minimum gain after gas, relative to the amount traded", "share", 0.0005, 0.0, 1.0
        ),
        "attention": Column("Chance per block that it checks the market", "share", 0.1, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 10.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = QueueArbitrageurTargets
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Staking pool, pool, asset and share."""
        name, pool = settings.targets.staking, settings.targets.pool
        asset = getattr(scenario.protocols[name].settings, "asset", "")
        return [
            list(scenario.protocols).index(name),
            list(scenario.pools).index(pool),
            token_number(scenario, asset),
            token_number(scenario, f"{name}-share"),
        ]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Have its capital."""
        super().begin(market, cohort)
        market.ledger.endow(cohort.first, int(cohort.places[ASSET]), cohort.column("capital"))
