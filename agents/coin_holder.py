"""Holders of a pegged coin, by size: they watch it and each other, leave in turn, and return.

Whoever looks reckons what staying may cost,

    danger = doubt x (1 - backing) + social x flight + price_weight x (1 - price),

backing and price as the protocol stood at the end of the last block and flight what others have
taken out of the coin lately (a share of all; in pools and by redemption, where all can see it). It
leaves when that exceeds what staying pays, ``carry x horizon / 365 + calm``: a threshold rule with
thresholds that differ (Diamond, Dybvig 1983; Goldstein, Pauzner 2005; Granovetter 1978). Large
ones look more often, and are gone first (Liu, Makarov, Schoar 2023 on Terra).

It leaves by whatever gives more, a pool or redemption where it has access, in parts if the whole
would bring less than its `floor` a coin. One with a `reservation` price sells in a pool only as
far as the last coin brings more than keeping it is worth by its own reckoning,
``1 - danger + carry x horizon / 365 + calm``: below that it waits for buyers. Once the danger is
below half of its threshold and the price is back, it comes back, after a while.

Each notes how much had been taken out before it, and what it got: losses by size and by place in
the queue (`queue`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from agents.base import Behaviour, Column
from agents.intents import Order, trade
from agents.lender import kept, look_by_size
from agents.pegged import (
    COIN,
    FIRST,
    MONEY,
    PeggedTargets,
    best_sale,
    pegged_places,
    redeem,
    redeemed,
    sale_to_rate,
)
from agents.targets import Targets
from agents.tools import BUMP, going_bid, quote_at, rebid, refuel
from protocols.pegs import price_in_pool
from sim.clock import look, lookers
from sim.codes import Kind
from sim.compiled import inner, kernel

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

HALVINGS = 7
"""Times that it halves what it sells, so as to get its floor."""
LEAST = 1e-4
"""Share of its stake below which it sells nothing."""


@kernel
def danger(doubt, backing, social, flight, weight, price):
    """What staying may cost, share of a coin.

    Args:
        doubt: Chance that what is missing behind a coin will be lost.
        backing: What stands behind a coin, numeraire.
        social: Per share of all coins that others have taken out lately.
        flight: That share.
        weight: Per unit of discount.
        price: Of a coin, numeraire.
    """
    missing = min(max(1.0 - backing, 0.0), 1.0)
    return doubt * missing + social * flight + weight * min(max(1.0 - price, 0.0), 1.0)


@inner
def _observe(w, me):
    """Read price, backing and flight. Returns (price, backing)."""
    ours = me.memory
    coin = me.places[COIN]
    if ours.price_slot >= 0.0:
        price = w.books.storage[int(ours.price_slot)]
        backing = w.books.storage[int(ours.backing_slot)]
    else:
        price, backing = price_in_pool(w, me.places[FIRST], coin), 1.0
    loose = w.books.supply[coin]
    for k in range(FIRST, me.places.size):
        loose -= w.books.balances[w.pools[me.places[k]].account, coin]
    gone = 0.0
    if ours.loose > 0.0:
        gone = max(ours.loose - loose, 0.0) / ours.loose
    ours.flight = ours.flight * ours.keeps + gone
    ours.loose = loose
    return (price if price == price else 0.0), backing


@inner
def _sell(w, me, i, held, keeps):
    """Sell what brings more than `keeps` to the last coin. Returns whether it was sent."""
    my, account = me.rows[i], me.first + i
    coin, money = me.places[COIN], me.places[MONEY]
    place, amount = sale_to_rate(w, me, coin, money, held, max(keeps, 1e-6))
    if place < 0 or not amount > LEAST * my.stake:
        return False
    gas = w.rules[0].gas_cost[Kind.SWAP]
    if not refuel(w, account, me.ident, gas):
        return False
    order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
    # Others may sell before it in the block: it takes no less than what keeping is worth.
    least = (1.0 - my.slippage) * quote_at(w, place, coin, money, amount)
    return trade(w, order, place, coin, money, amount, max(least, keeps * amount))


@inner
def _leave(w, me, i, held, keeps):
    """Sell or redeem coins. Returns whether it was sent."""
    my, account = me.rows[i], me.first + i
    coin, money = me.places[COIN], me.places[MONEY]
    if my.reservation >= 0.5 and not (my.access >= 0.5 and redeemed(w, me, held) > keeps * held):
        return _sell(w, me, i, held, keeps)
    gas = 3.0 * w.rules[0].gas_cost[Kind.SWAP]
    if not refuel(w, account, me.ident, gas):
        return False
    amount = held
    for _ in range(HALVINGS):
        place, out = best_sale(w, me, coin, money, amount)
        by_protocol = redeemed(w, me, amount) if my.access >= 0.5 else 0.0
        if max(out, by_protocol) >= my.floor * amount:
            order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
            if by_protocol > out:
                return redeem(w, me, order, amount, by_protocol * (1.0 - my.slippage))
            if place < 0:
                return False
            return trade(w, order, place, coin, money, amount, out * (1.0 - my.slippage))
        amount *= 0.5
    return False


@inner
def _count(w, me, i):
    """Count what the order that was sent last has brought, and who was before."""
    my, account = me.rows[i], me.first + i
    if my.sent <= 0.0:
        return
    held = w.books.balances[account, me.places[COIN]]
    sold = my.before - held
    if sold > 1e-9 * my.before:
        my.got += max(w.books.balances[account, me.places[MONEY]] - my.money, 0.0)
        my.sold += sold
        if my.order < 0.0:
            my.order = me.memory.left
            my.left_at = w.chain[0].block
        me.memory.left += sold
    my.sent = 0.0


@inner
def decide(w, me):
    """Leave for fear, and come back when it is calm."""
    rebid(w, me)
    block = w.chain[0].block
    coin, money = me.places[COIN], me.places[MONEY]
    price, backing = _observe(w, me)
    flight = me.memory.flight
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if block < my.busy or look(me, i, 0) >= my.attention:
            continue
        account = me.first + i
        _count(w, me, i)
        held = w.books.balances[account, coin]
        fear = danger(my.doubt, backing, my.social, flight, my.price_weight, price)
        bears = my.carry * my.horizon / 365.0 + my.calm
        if fear > bears:
            if held > 1e-6 * my.stake and held > 0.0:
                my.before, my.money = held, w.books.balances[account, money]
                if _leave(w, me, i, held, 1.0 - fear + bears):
                    my.sent = 1.0
                    my.busy = block + my.patience
        elif my.sold > 0.0 and fear < 0.5 * bears and held < 0.5 * my.stake:
            if block < my.left_at + my.wait or price < 1.0 - my.calm:
                continue
            cash = min(0.98 * w.books.balances[account, money], my.stake - held)
            # What somebody else may mint at par is worth no more than that to who reckons.
            pays = 1.0 if my.reservation >= 0.5 else 1.0 + my.calm
            place, out = best_sale(w, me, money, coin, cash)
            for _ in range(HALVINGS):  # as much as there is at a price that it calls calm
                if out * pays >= cash:
                    break
                cash *= 0.5
                place, out = best_sale(w, me, money, coin, cash)
            gas = w.rules[0].gas_cost[Kind.SWAP]
            dear = not out * pays >= cash
            if place < 0 or dear or not refuel(w, account, me.ident, gas):
                continue
            order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
            trade(w, order, place, money, coin, cash, out * (1.0 - my.slippage))
            my.busy = block + my.wait


class CoinHolder(Behaviour):
    """Holds a pegged coin and sells or redeems it when it fears a loss."""

    columns: ClassVar[Mapping[str, Column]] = {
        "stake": Column("Initial holding", "coins", 10_000.0, 0.0),
        "doubt": Column("Perceived chance that missing backing is lost", "share", 0.2, 0.0, 1.0),
        "social": Column(
            "Perceived danger per share of coins recently withdrawn", "share per 1", 0.0, 0.0
        ),
        "price_weight": Column(
            "Perceived danger per unit of discount to par", "share per 1", 0.0, 0.0
        ),
        "carry": Column("Yield of holding over the alternative", "per year", 0.0, 0.0),
        "horizon": Column("Horizon over which it counts that yield", "days", 30.0, 0.0),
        "calm": Column("Danger that it tolerates beyond that", "share", 0.01, 0.0, 1.0),
        "floor": Column("Lowest price at which it sells a coin", "numeraire", 0.0, 0.0),
        "reservation": Column(
            "Whether it sells only above its own valuation of holding", "0 or 1", 0.0, 0.0, 1.0
        ),
        "access": Column("Whether it may redeem", "0 or 1", 0.0, 0.0, 1.0),
        "attention": Column("Chance per block that it checks the market", "share", 0.02, 0.0, 1.0),
        "size_attention": Column(
            "Elasticity of attention with respect to size", "elasticity", 0.3, 0.0
        ),
        "memory": Column("Memory of withdrawals", "blocks", 300.0, 1.0),
        "wait": Column("Minimum time before it returns", "blocks", 600.0, 1.0),
        "slippage": Column("Slippage tolerance, relative to the quote", "share", 0.02, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 5.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "sent": Column("Whether an order to leave is under way", "0 or 1", 0.0, state=True),
        "before": Column("Coins that it had before that", "coins", 0.0, state=True),
        "money": Column("Money that it had before that", "token units", 0.0, state=True),
        "sold": Column("Coins that it has left with so far", "coins", 0.0, state=True),
        "got": Column("Money that it got for them", "token units", 0.0, state=True),
        "order": Column(
            "Coins of the group that had left before; -1: none", "coins", -1.0, state=True
        ),
        "left_at": Column("Block in which it left first", "block", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = PeggedTargets
    remembers: ClassVar[Mapping[str, Column]] = {
        "price_slot": Column("Where the protocol's price is, -1: nowhere", "slot"),
        "backing_slot": Column("Where its backing is, -1: nowhere", "slot"),
        "loose": Column("Coins outside pools in the last block", "coins"),
        "flight": Column("Recent withdrawals, decaying", "share"),
        "keeps": Column("Part of it that is left after a block", "share"),
        "left": Column("Coins that the group has left with so far", "coins"),
    }
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Protocol, tokens and pools."""
        return pegged_places(scenario, settings)

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Hold the stake, and know where the protocol says what stands behind it."""
        super().begin(market, cohort)
        ours, protocol = cohort.remembered, None
        ours["price_slot"] = ours["backing_slot"] = -1.0
        ours["keeps"] = kept(cohort, "memory")
        if (name := cohort.settings.targets.protocol) is not None:
            protocol = market.protocols[name]
            if "backing" in protocol.state and "price" in protocol.state:
                ours["price_slot"] = float(protocol.record[0]["price"])
                ours["backing_slot"] = float(protocol.record[0]["backing"])
        stakes = cohort.column("stake")
        market.ledger.endow(cohort.first, market.ledger.tokens[int(cohort.places[COIN])], stakes)
        look_by_size(cohort, stakes)


def queue(market: Market, group: str) -> pd.DataFrame:
    """Who of a group left when, after whom, and for what.

    Args:
        market: A market that has run.
        group: Name of a group of coin holders.

    Returns:
        A row for each: `stake` (coins), `left_at` (block, NaN: stayed), `order` (share of the
        group's coins that had left before, NaN), `loss` (share of the stake, what it
        got and what it still holds at the last price counted).
    """
    cohort = market.cohorts[group]
    stake = np.array(cohort.column("stake"))
    gone = np.array(cohort.column("order")) >= 0.0
    coin = market.ledger.tokens[int(cohort.places[COIN])]
    held = market.ledger.balances[cohort.accounts(), market.ledger.token(coin)]
    money = market.ledger.tokens[int(cohort.places[MONEY])]
    worth = held * market.price(coin)
    worth += np.array(cohort.column("got")) * market.price(money)
    covered = held + np.array(cohort.column("sold"))
    return pd.DataFrame(
        {
            "stake": stake,
            "left_at": np.where(gone, cohort.column("left_at"), np.nan),
            "order": np.where(gone, cohort.column("order") / stake.sum(), np.nan),
            "loss": 1.0 - worth / np.maximum(covered, 1e-300),
        }
    )
