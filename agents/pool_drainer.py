"""Pool drainers: a flash loan, a price that it moves, and a lender that believes it.

The attack on bZx (February 2020), Harvest, Cream and many since: borrow cash for one
transaction, buy a token with it in a pool, deposit the token with a lending market whose
oracle reads that pool in the same moment, borrow more against it than the cash was, and
give the cash back (Qin, Zhou, Livshits, Gervais, "Attacking the DeFi ecosystem with
flash loans for fun and profit", 2021). Sizes are tried out, whole, under the journal. An
oracle that is late, averages, or reads the outside venue leaves nothing to gain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from agents.base import Behaviour, Column, token_number
from agents.intents import (
    THEN,
    Order,
    borrow,
    deposit,
    flash_borrow,
    flash_repay,
    require,
    swap,
)
from agents.targets import PoolAndCredit, Targets
from agents.tools import affordable, gas_cost, going_bid, refuel
from protocols import amm, lending, oracle
from sim.clock import look, lookers
from sim.codes import PREVIOUS, Kind, Reason
from sim.compiled import inner
from sim.ledger import begin, gained, undo
from sim.measures import market_price

if TYPE_CHECKING:
    from sim.scenario import AgentSettings, Scenario

SIZES = 48
SAFE = 0.999
"""Part of what may be borrowed that is, so that rounding does not spoil it."""


@inner
def attack(w, m, p, account, token, collateral, cash):
    """What an attack with so much borrowed cash would gain, tried out.

    Args:
        m: Lending market.
        p: Pool.
        token: That is borrowed, and paid into the pool.
        collateral: That is bought and deposited.
        cash: Token units.

    Returns:
        (gain in token units, -1 where it fails; amount to borrow against the collateral).
    """
    books, market, pool = w.books, w.markets[m], w.pools[p]
    begin(books)
    gain, debt = -1.0, 0.0
    if lending.flash_out(books, market, w.reserves, account, token, cash) == Reason.DONE:
        reason, out = amm.swap(books, pool, account, token, collateral, cash, 0.0)
        if reason == Reason.DONE:
            reason, _ = lending.deposit(books, market, w.reserves, account, collateral, out)
        if reason == Reason.DONE:
            oracle.refresh(books, w.pools, w.feeds)
            _, borrowable, _, owed = lending.standing(books, market, w.reserves, w.feeds, account)
            reserve = w.reserves[lending.reserve_at(market, w.reserves, token)]
            price = w.feeds[reserve.feed].price
            debt = SAFE * min((borrowable - owed) / price, lending.cash_of(books, reserve))
            reason, _ = lending.borrow(
                books, market, w.reserves, w.feeds, account, token, debt, 0.0
            )
        if reason == Reason.DONE:
            reason, _ = lending.flash_back(books, market, w.reserves, account, token, cash)
        if reason == Reason.DONE:
            gain = gained(books, account, token)
    undo(books, 0)
    oracle.refresh(books, w.pools, w.feeds)
    return gain, debt


@inner
def decide(w, me):
    """Attack where that gains."""
    chain = w.chain[0]
    rules = w.rules[0]
    m, p, token, collateral = me.places[0], me.places[1], me.places[2], me.places[3]
    gas = rules.gas_cost[Kind.FLASH_BORROW] + rules.gas_cost[Kind.SWAP]
    gas += rules.gas_cost[Kind.DEPOSIT] + rules.gas_cost[Kind.BORROW]
    gas += rules.gas_cost[Kind.FLASH_REPAY] + rules.gas_cost[Kind.REQUIRE]
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if chain.block < my.busy or look(me, i, 0) >= my.attention:
            continue
        account = me.first + i
        # The same cash is lent for the transaction and against the collateral.
        lent = w.reserves[lending.reserve_at(w.markets[m], w.reserves, token)]
        most = 0.5 * lending.cash_of(w.books, lent)
        best, size, debt = 0.0, 0.0, 0.0
        for k in range(SIZES):
            cash = most * math.exp(-0.25 * k)
            gain, borrowed = attack(w, m, p, account, token, collateral, cash)
            if gain > best:
                best, size, debt = gain, cash, borrowed
        bid = going_bid(w, account, gas, 2.0)
        worth = best * market_price(w, token) - gas_cost(w, gas, bid)
        if worth <= my.margin or not refuel(w, account, me.ident, gas):
            continue
        order = Order(account, me.ident, affordable(w, account, gas, bid), 2)
        if flash_borrow(w, order, m, token, size):
            swap(w, THEN, p, token, collateral, size, 0.0)
            deposit(w, THEN, m, collateral, PREVIOUS)
            borrow(w, THEN, m, token, debt, 0.0)
            flash_repay(w, THEN, m, token)
            require(w, THEN, token, 0.5 * best)
            my.busy = chain.block + 2.0
            my.attacks += 1.0


class PoolDrainer(Behaviour):
    """Drains a lending market by manipulating its oracle price."""

    columns: ClassVar[Mapping[str, Column]] = {
        "attention": Column("Chance per block that it checks the market", "share", 0.1, 0.0, 1.0),
        "margin": Column("Minimum gain after gas", "numeraire", 1000.0, 0.0),
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "attacks": Column("Attacks that it has sent", "times", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = PoolAndCredit
    needs_wallet: ClassVar[bool] = True
    searcher: ClassVar[bool] = True
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """The market, the pool, the token that is borrowed and the one that is deposited."""
        return [
            list(scenario.lending).index(settings.targets.lending),
            list(scenario.pools).index(settings.targets.pools[0]),
            token_number(scenario, settings.targets.debt),
            token_number(scenario, settings.targets.collateral),
        ]
