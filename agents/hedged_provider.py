"""Hedged providers: the volatile half is borrowed, so that its price is somebody else's.

Each deposits a part of its stake with a lending market, borrows the pool's volatile
token against it, and provides both. What it owns of the token in the pool it owes to the
market: its position has no delta, only the gamma that loss-versus-rebalancing is the
price of (Milionis, Moallemi, Roughgarden, Zhang 2022; Khakhar, Chen, "Delta hedging
liquidity positions on automated market makers", 2022). When the two have drifted apart
by more than a threshold it borrows and sells more, or buys and repays. When its health
is in danger it takes everything out and repays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from agents.base import Behaviour, Column, token_number
from agents.intents import (
    THEN,
    Order,
    add_liquidity,
    borrow,
    deposit,
    repay,
    return_shares,
    withdraw,
)
from agents.targets import PoolAndCredit, Targets
from agents.tools import going_bid, refuel, trade_towards
from protocols import lending
from protocols.pool import position
from sim.clock import look, lookers
from sim.codes import ALL, Kind
from sim.compiled import inner
from sim.errors import ScenarioError
from sim.measures import market_price

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

OUT, IN, GONE = 0.0, 1.0, 2.0


@inner
def _enter(w, me, i, my, m, p, collateral, debt):
    """Deposit, borrow and provide, in one transaction."""
    chain = w.chain[0]
    rules = w.rules[0]
    pool = w.pools[p]
    account = me.first + i
    gas = rules.gas_cost[Kind.DEPOSIT] + rules.gas_cost[Kind.BORROW]
    gas += rules.gas_cost[Kind.ADD_LIQUIDITY]
    price, unit = market_price(w, debt), market_price(w, collateral)
    stake = min(my.stake, 0.98 * w.books.balances[account, collateral] * unit)
    if stake <= 0.0 or not refuel(w, account, me.ident, gas):
        return
    borrowed = (1.0 - my.share) * stake / price
    own = borrowed * w.books.balances[pool.account, collateral]
    own /= w.books.balances[pool.account, debt]
    order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
    if deposit(w, order, m, collateral, my.share * stake / unit):
        borrow(w, THEN, m, debt, borrowed, my.buffer)
        add_liquidity(w, THEN, p, debt, collateral, borrowed, own)
    my.busy = chain.block + order.patience


# Wide: both legs of a hedge, on chain and outside.
@inner
def _leave(w, me, i, my, m, p, collateral, debt, inside, owed):
    """Take everything out, repay and withdraw, in one transaction."""
    chain = w.chain[0]
    rules = w.rules[0]
    account = me.first + i
    gas = rules.gas_cost[Kind.REMOVE_LIQUIDITY] + rules.gas_cost[Kind.REPAY]
    gas += rules.gas_cost[Kind.WITHDRAW]
    if not refuel(w, account, me.ident, gas):
        return
    order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
    if not return_shares(w, order, p, ALL):
        return
    # A little more than is owed, for the interest until then.
    trade_towards(w, order, True, debt, inside * (1.0 - 1e-9), owed * 1.001)
    repay(w, THEN, m, debt, ALL)
    withdraw(w, THEN, m, collateral, ALL)
    my.busy = chain.block + order.patience


@inner
def _adjust(w, me, i, my, m, debt, gap):
    """Borrow and sell (gap > 0), or buy and repay, so that it owes what it owns."""
    chain = w.chain[0]
    rules = w.rules[0]
    account = me.first + i
    gas = rules.gas_cost[Kind.BORROW if gap > 0.0 else Kind.REPAY]
    if not refuel(w, account, me.ident, gas):
        return False
    order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
    my.busy = chain.block + order.patience
    my.trades += 1.0
    if gap > 0.0:
        sent = borrow(w, order, m, debt, gap, my.buffer)
        return trade_towards(w, order, sent, debt, gap, 0.0)
    money = -gap * market_price(w, debt) * 1.005
    if w.books.balances[account, rules.numeraire] < money:
        return False
    if trade_towards(w, order, False, debt, 0.0, -gap):
        return repay(w, THEN, m, debt, -gap)
    return repay(w, order, m, debt, -gap)


@inner
def decide(w, me):
    """Enter, keep the hedge, and leave in danger."""
    chain = w.chain[0]
    m, p, collateral, debt = me.places[0], me.places[1], me.places[2], me.places[3]
    market, pool = w.markets[m], w.pools[p]
    r = lending.reserve_at(market, w.reserves, debt)
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if my.state == GONE or chain.block < my.busy:
            continue
        if look(me, i, 0) >= my.attention:
            continue
        account = me.first + i
        shares = w.books.balances[account, pool.share]
        if shares <= 0.0:
            if my.state == IN:
                my.state = GONE
            else:
                _enter(w, me, i, my, m, p, collateral, debt)
            continue
        my.state = IN
        inside = shares / w.books.supply[pool.share] * w.books.balances[pool.account, debt]
        owed = lending.debt_of(w.books, w.reserves[r], account)
        factor = lending.health(w.books, market, w.reserves, w.feeds, account)
        if factor < my.buffer or owed <= 0.0:
            _leave(w, me, i, my, m, p, collateral, debt, inside, owed)
            continue
        gap = my.hedge * inside - owed
        if abs(gap) * market_price(w, debt) > my.threshold * my.stake:
            if not _adjust(w, me, i, my, m, debt, gap):
                _leave(w, me, i, my, m, p, collateral, debt, inside, owed)


class HedgedProvider(Behaviour):
    """Provides liquidity and hedges it by borrowing the volatile token."""

    columns: ClassVar[Mapping[str, Column]] = {
        "stake": Column("Initial stake", "numeraire", 100_000.0, 0.0),
        "share": Column("Share of the stake posted as collateral", "share", 0.65, 0.01, 0.99),
        "hedge": Column("Hedge ratio: debt over holdings of the token", "share", 1.0, 0.0, 2.0),
        "threshold": Column("Tolerated hedge mismatch", "share of the stake", 0.02, 0.0),
        "buffer": Column("Health factor at which it exits", "health factor", 1.1, 1.0),
        "attention": Column("Chance per block that it checks the market", "share", 0.05, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 10.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "state": Column("0: not in yet, 1: in, 2: has left", "number", 0.0, state=True),
        "trades": Column("How often it has adjusted its hedge", "times", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = PoolAndCredit
    needs_wallet: ClassVar[bool] = True
    pool_kinds: ClassVar[frozenset[str]] = frozenset({"constant_product"})
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """The market, the pool, the collateral's token and the one that is borrowed."""
        return [
            list(scenario.lending).index(settings.targets.lending),
            list(scenario.pools).index(settings.targets.pools[0]),
            token_number(scenario, settings.targets.collateral),
            token_number(scenario, settings.targets.debt),
        ]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """See that its pool holds both tokens.

        Raises:
            ScenarioError: If it does not.
        """
        super().begin(market, cohort)
        pool = market.world.pools[int(cohort.places[1])]
        places = [position(pool, np.int64(t)) for t in cohort.places[2:4]]
        if min(places) < 0:
            name = cohort.settings.targets.pools[0]
            targets = cohort.settings.targets
            text = f"must hold {targets.collateral} and {targets.debt}; it does not"
            raise ScenarioError([(f"agents.{cohort.name}.pools", f"{name} {text}")])
