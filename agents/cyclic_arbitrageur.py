"""Cyclic arbitrageurs: around through two or more pools and back, of any kinds.

Each looks for the cycle that gains most, at the size at which one unit more gives back
just one (for constant products the closed form of Wang, Chen, Wu, Deng, Zhou, "Cyclic
arbitrage in decentralized exchanges", 2022), if that is more than its gas. All swaps are
one transaction that must gain; capital is what it holds, or a flash loan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from agents.base import Behaviour, Column
from agents.intents import THEN, Order, flash_borrow, flash_repay, require, swap
from agents.targets import LendingName, Targets
from agents.tools import (
    BUMP,
    TRIES,
    affordable,
    delay,
    gas_cost,
    pays,
    rebid,
    refuel,
    share_bid,
    tries_out,
    worth_the_race,
)
from protocols import routing
from sim.codes import PREVIOUS, Kind
from sim.compiled import inner
from sim.randomness import agent_uniform

if TYPE_CHECKING:
    from sim.scenario import AgentSettings, Scenario

NOBODY = -1


@inner
def _send_cycle(w, order, m, cycle, least):
    """Send a cycle as one transaction; m is the market that lends the amount, or nobody."""
    legs, tokens, amount = cycle.legs, cycle.tokens, cycle.amount
    token = tokens[0]
    if m == NOBODY:
        sent = swap(w, order, legs[0], token, tokens[1], amount, 0.0)
    else:
        sent = flash_borrow(w, order, m, token, amount)
        if sent:
            swap(w, THEN, legs[0], token, tokens[1], amount, 0.0)
    if not sent:
        return
    for k in range(1, cycle.length):
        swap(w, THEN, legs[k], tokens[k], tokens[k + 1], PREVIOUS, 0.0)
    if m != NOBODY:
        flash_repay(w, THEN, m, token)
    require(w, THEN, token, least)


@inner
def decide(w, me):
    """Send, for each agent that is free and looks, the cycle that gains most."""
    rebid(w, me)
    chain = w.chain[0]
    rules = w.rules[0]
    if not rules.interconnected:
        return
    token = rules.numeraire
    m = me.places[0]
    swap_gas = rules.gas_cost[Kind.SWAP]
    known = -1.0  # capital that the last search was for
    bound = True
    cycle = routing.Cycle(np.zeros(1, np.int64), np.zeros(1, np.int64), 0, 0.0, 0.0)
    for i in range(me.size):
        my = me.rows[i]
        if chain.block < my.busy:
            continue
        account = me.first + i
        cash = w.books.balances[account, token]
        if my.raced > 0.0:
            won = 1.0 if cash > my.cash else 0.0
            my.hits += my.learning * (won - my.hits)
            my.raced = 0.0
        if my.attention < 1.0 and agent_uniform(me.key, i, 0) >= my.attention:
            continue
        lender = m if my.flash > 0.0 else NOBODY
        capital, fee = cash, 0.0
        if lender != NOBODY:
            market = w.markets[lender]
            capital, fee = 0.99 * w.books.balances[market.account, token], market.flash_fee
        if capital <= 0.0:
            continue
        if capital < known or (bound and capital != known):
            cost = gas_cost(w, swap_gas, chain.gas_price)
            cycle = routing.best_cycle(w.books, w.pools, token, capital, cost, routing.HOPS)
            known, bound = capital, cycle.amount >= 0.999 * capital
        if cycle.length == 0:
            continue
        gas = cycle.length * swap_gas + rules.gas_cost[Kind.REQUIRE]
        if lender != NOBODY:
            gas += rules.gas_cost[Kind.FLASH_BORROW] + rules.gas_cost[Kind.FLASH_REPAY]
        profit = cycle.gain - (fee + my.margin) * cycle.amount
        if not worth_the_race(w, profit, my.bid_share, gas, my.hits):
            continue
        bid = affordable(w, account, gas, share_bid(w, profit, my.bid_share, gas))
        begun = chain.waiting
        if not refuel(w, account, me.ident, gas):
            continue
        least = min(gas_cost(w, gas, bid), profit)
        patience = int(my.patience)
        order = Order(account, me.ident, bid, patience)
        _send_cycle(w, order, lender, cycle, least)
        if tries_out(w, my) and not pays(w, begun, least):
            continue
        delay(w, int(my.latency))
        my.busy = chain.block + max(patience + int(my.latency), 1)
        my.cash = cash
        my.raced = 1.0


class CyclicTargets(Targets):
    """All pools, and the market that funds it with flash loans."""

    lending: LendingName | None = Field(None, description="Lending market for flash loans.")


class CyclicArbitrageur(Behaviour):
    """Arbitrages cycles of pools."""

    columns: ClassVar[Mapping[str, Column]] = {
        "attention": Column("Chance per block that it checks the market", "share", 1.0, 0.0, 1.0),
        "bid_share": Column("Share of the expected profit bid for gas", "share", 0.6, 0.0, 1.0),
        "margin": Column("Minimum profit, relative to the amount traded", "share", 0.0, 0.0, 1.0),
        "latency": Column("Delay from decision to mempool", "blocks", 0.0, 0.0, 100.0),
        "patience": Column("Time until a pending order expires", "blocks", 1.0, 1.0, 1000.0),
        "learning": Column(
            "Weight of the latest race in its expected win rate", "share", 0.1, 0.0, 1.0
        ),
        "tries": TRIES,
        "bump": BUMP,
        "flash": Column(
            "Whether it is funded by a flash loan from `lending`", "0 or 1", 0.0, 0.0, 1.0
        ),
        "hits": Column("Share of recent races won", "share", 0.5, state=True),
        "cash": Column("Numeraire held before the current race", "numeraire", 0.0, state=True),
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "raced": Column("Whether a race is under way", "0 or 1", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = CyclicTargets
    needs_wallet: ClassVar[bool] = True
    searcher: ClassVar[bool] = True
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """The market that lends for a moment, or -1."""
        markets = list(scenario.lending)
        return [markets.index(name) if (name := settings.targets.lending) else NOBODY]
