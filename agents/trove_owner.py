"""Trove owners: they borrow a coin against collateral, keep a buffer, and repay when that is cheap.

Each keeps its collateral over its debt around an aim, which rises with volatility (Adrian, Shin
2010). Above a band around it one draws more coins and sells them; below its floor one brings the
ratio back: by coins that it has, collateral that it has, coins that it buys with its money, or by
selling collateral for coins, in that order. In recovery mode no collateral leaves a trove, so the
last way is shut then.

Where the coin is below par by its `discount`, debt is cheap: who has the money buys coins and
closes its trove, and nobody draws any. That is the other side of redemption, which takes from the
riskiest at par (Liquity's white paper, 2021): it makes owners keep more or pay back first. Whoever
has no trove, as it closed it or it was redeemed or liquidated, opens one after a while with the
collateral it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from agents.base import Behaviour, Column
from agents.intents import OUTSIDE, THEN, Order, ask, trade
from agents.leveraged_borrower import routes, volatility_ratio_of
from agents.targets import Places, Targets
from agents.tools import BUMP, alarmed, best_place, going_bid, rebid, refuel
from agents.vault_owner import aim_of, sale_to_ratio
from protocols import trove
from protocols.interface import action_of
from sim.clock import look
from sim.codes import ALL, PREVIOUS
from sim.compiled import inner, record_at
from sim.errors import ScenarioError
from sim.fields import Names
from sim.measures import market_price

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

PROTOCOL, ROUTES = range(2)
TROVE = trove.TROVE
OPEN, PUT_IN, TAKE_OUT, DRAW, REPAY, CLOSE = (
    action_of(trove.Trove, name)
    for name in ("open", "put_in", "take_out", "draw", "repay", "close")
)
GAS = 600_000.0
"""Of the dearest that it does: take out, swap, repay."""
SPARE = 1.001
"""Coins that it buys to close, over what it owes: rounding is no failure."""


@inner
def _sell_coins(w, me, my, coin, amount):
    """Sell the coins that the transaction has drawn, for money. Returns whether it will."""
    numeraire = w.rules[0].numeraire
    place, out = best_place(w, me.places[ROUTES:], coin, numeraire, amount)
    if place < OUTSIDE or not out > 0.0:
        return False
    return trade(w, THEN, place, coin, numeraire, PREVIOUS, out * (1.0 - my.slippage))


@inner
def _can_sell(w, me, coin, amount):
    """Whether any place takes coins."""
    place, out = best_place(w, me.places[ROUTES:], coin, w.rules[0].numeraire, amount)
    return place >= OUTSIDE and out > 0.0


@inner
def _buy(w, me, my, order, account, coin, wanted, price):
    """Buy coins with its money, as many as are wanted or it can pay. Returns whether it does."""
    numeraire = w.rules[0].numeraire
    money = min(0.98 * w.books.balances[account, numeraire], wanted * price * 1.01)
    if not money > 0.0:
        return False
    place, out = best_place(w, me.places[ROUTES:], numeraire, coin, money)
    if place < OUTSIDE or not out > 0.0:
        return False
    return trade(w, order, place, numeraire, coin, money, out * (1.0 - my.slippage))


@inner
def _save(w, me, i, my, record, standing, aim, coin_price):
    """Bring the ratio back over the floor, by what means there are. Returns whether it was sent."""
    p, account, numeraire = me.places[PROTOCOL], me.first + i, w.rules[0].numeraire
    collateral, owed, price = standing
    token, coin = record.collateral, record.coin
    order = Order(account, me.ident, going_bid(w, account, GAS, my.bid), int(my.patience))
    need = owed - collateral * price / aim
    own = w.books.balances[account, coin]
    if own >= 0.2 * need:
        return ask(w, order, p, REPAY, coin, coin, min(need, own), 0.0)
    spare = w.books.balances[account, token]
    if token == w.rules[0].gas_token:
        spare *= 0.5  # the rest is for gas
    more = aim * owed / price - collateral
    if spare >= 0.2 * more:
        return ask(w, order, p, PUT_IN, token, token, min(more, spare), 0.0)
    if w.books.balances[account, numeraire] >= 0.2 * need * coin_price:
        if _buy(w, me, my, order, account, coin, need, coin_price):
            return ask(w, THEN, p, REPAY, coin, coin, PREVIOUS, 0.0)
        return False
    believed = trove.price_of(w, record)
    if trove.total_ratio(w, record, believed) < record.critical_ratio:
        return False  # recovery mode: nothing leaves a trove
    loose = collateral - record.minimum_ratio * owed / believed * 1.0005
    probe = min(0.1 * collateral, max(loose, 0.0))
    if not probe > 0.0:
        return False
    place, money = best_place(w, me.places[ROUTES:], token, numeraire, probe)
    if place < OUTSIDE or not money > 0.0:
        return False
    second, coins = best_place(w, me.places[ROUTES:], numeraire, coin, money)
    if second < OUTSIDE or not coins > 0.0:
        return False
    amount = min(sale_to_ratio(collateral, owed, price, coins / probe, aim), loose)
    if not amount > 1e-4 * collateral:
        return False
    # The limit is on the ratio, which falls until the coins are paid back.
    if not ask(w, order, p, TAKE_OUT, token, token, amount, 0.0):
        return False
    least = 1.0 - my.slippage
    trade(w, THEN, place, token, numeraire, amount, amount * money / probe * least)
    trade(w, THEN, second, numeraire, coin, PREVIOUS, amount * coins / probe * least * least)
    return ask(w, THEN, p, REPAY, coin, coin, PREVIOUS, 0.0)


@inner
def _close(w, me, i, my, record, owed, coin_price):
    """Buy what coins it lacks, and close the trove. Returns whether it was sent."""
    account, coin = me.first + i, record.coin
    lacks = (owed - record.reserve) * SPARE - w.books.balances[account, coin]
    order = Order(account, me.ident, going_bid(w, account, GAS, my.bid), int(my.patience))
    p = me.places[PROTOCOL]
    if lacks <= 0.0:
        return ask(w, order, p, CLOSE, coin, record.collateral, ALL, 0.0)
    numeraire = w.rules[0].numeraire
    money = 0.98 * w.books.balances[account, numeraire]
    place, out = best_place(w, me.places[ROUTES:], numeraire, coin, money)
    if place < OUTSIDE or not out >= lacks:
        return False
    # About what that takes: a curve gives more for less, so this is enough.
    money *= min(lacks / out * 1.005, 1.0)
    place, out = best_place(w, me.places[ROUTES:], numeraire, coin, money)
    if place < OUTSIDE or not out >= lacks or money > lacks * (1.0 - my.discount) * 1.01:
        return False
    if not trade(w, order, place, numeraire, coin, money, lacks):
        return False
    return ask(w, THEN, p, CLOSE, coin, record.collateral, ALL, 0.0)


@inner
def _open(w, me, i, my, record, price, aim):
    """Open a trove with the collateral that it has. Returns whether it was sent."""
    account, token, coin = me.first + i, record.collateral, record.coin
    amount = w.books.balances[account, token]
    if token == w.rules[0].gas_token:
        amount *= 0.9  # the rest is for gas
    fee = trove.loan_fee(w, record, price)
    drawn = (amount * price / max(aim, my.floor) - record.reserve) / (1.0 + fee)
    if not drawn > record.least_debt or fee > my.most_fee or not _can_sell(w, me, coin, drawn):
        return False
    order = Order(account, me.ident, going_bid(w, account, GAS, my.bid), int(my.patience))
    if not ask(w, order, me.places[PROTOCOL], OPEN, token, coin, amount, my.floor, -1, drawn):
        return False
    return _sell_coins(w, me, my, coin, drawn)


@inner
def _act(w, me, i, my, record, standing, aim, coin_price):
    """What it does with its trove, if anything. Returns whether it has sent something."""
    collateral, owed, price = standing
    cheap = coin_price < 1.0 - my.discount
    account = me.first + i
    if not trove.own(w, record, account, trove.OWNER_AT) > 0.0:
        if my.gone == 0.0:
            my.gone = w.chain[0].block  # it sees now that others have closed it
        if cheap or w.chain[0].block < my.gone + my.wait:
            return False
        return _open(w, me, i, my, record, price, aim)
    my.gone = 0.0
    ratio = collateral * price / owed
    if ratio < my.floor:
        return _save(w, me, i, my, record, standing, max(aim, my.floor * 1.05), coin_price)
    if cheap:
        return _close(w, me, i, my, record, owed, coin_price)
    if ratio > aim * (1.0 + my.band):
        fee = trove.loan_fee(w, record, price)
        amount = (collateral * price / aim - owed) / (1.0 + fee)
        if fee > my.most_fee or not _can_sell(w, me, record.coin, amount):
            return False
        order = Order(account, me.ident, going_bid(w, account, GAS, my.bid), int(my.patience))
        if ask(w, order, me.places[PROTOCOL], DRAW, record.coin, record.coin, amount, my.floor):
            return _sell_coins(w, me, my, record.coin, amount)
    return False


@inner
def decide(w, me):
    """Keep collateral over debt above the floor, and debt only while the coin is not cheap."""
    rebid(w, me)
    block = w.chain[0].block
    record = record_at(w.protocols[me.places[PROTOCOL]].record, TROVE)
    coin_price = market_price(w, record.coin)
    price = min(market_price(w, record.collateral), trove.price_of(w, record))
    restless = volatility_ratio_of(w, record.collateral)
    for n in range(alarmed(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if block < my.busy or not price > 0.0 or not coin_price > 0.0:
            continue
        drawn = look(me, i, 0)
        if drawn >= max(my.attention, my.alarm):
            continue
        account = me.first + i
        collateral, owed = trove.standing(w, record, account)
        # Below the floor an alarm may wake it more often than it looks by itself.
        if drawn >= my.attention and collateral * price >= my.floor * owed:
            continue
        if not refuel(w, account, me.ident, GAS):
            continue
        aim = aim_of(my.ratio, my.volatility_response, restless)
        if _act(w, me, i, my, record, (collateral, owed, price), aim, coin_price):
            my.busy = block + my.patience


class TroveTargets(Places):
    """Where its trove is, and where it buys and sells."""

    protocol: Annotated[str, Names("protocols:trove")] = Field(description="Trove protocol.")


class TroveOwner(Behaviour):
    """Borrows a coin against collateral in a trove."""

    columns: ClassVar[Mapping[str, Column]] = {
        "equity": Column("Initial equity: collateral less debt", "numeraire", 10_000.0, 0.0),
        "ratio": Column("Target collateral ratio", "multiple", 2.5, 1.01, 1e6),
        "floor": Column("Collateral ratio below which it acts", "multiple", 1.5, 1.0, 1e6),
        "band": Column("Tolerated excess over the target ratio", "share", 0.25, 0.0, 1.0),
        "discount": Column("Discount to par at which it buys back debt", "share", 0.01, 0.0, 1.0),
        "most_fee": Column("Highest fee at which it borrows", "share", 0.02, 0.0, 1.0),
        "attention": Column("Chance per block that it checks the market", "share", 0.01, 0.0, 1.0),
        "alarm": Column(
            "Chance per block that it checks the market below the floor", "share", 0.02, 0.0, 1.0
        ),
        "wait": Column("Time before it opens another trove", "blocks", 300.0, 0.0),
        "volatility_response": Column(
            "Reduction of leverage as volatility rises", "per unit of ratio", 0.2, 0.0
        ),
        "slippage": Column("Slippage tolerance, relative to the quote", "share", 0.03, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 25.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "gone": Column(
            "Block in which it found its trove gone; 0: it has one", "block", state=True
        ),
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
        """Open the troves; what they have drawn is with who has coins.

        Raises:
            ScenarioError: If the collateral has no price at the start.
        """
        super().begin(market, cohort)
        protocol, price = protocol_and_price(market, cohort)
        record = protocol.record[0]
        reserve, least = float(record["reserve"]), float(record["least_debt"])
        ratio = np.maximum(cohort.column("ratio"), 1.02 * float(record["minimum_ratio"]))
        equity = np.asarray(cohort.column("equity"))
        for row, own, wanted in zip(cohort.accounts(), equity, ratio, strict=True):
            debt = own / (wanted - 1.0) - reserve
            if debt >= max(least, 1e-9):
                protocol.begin_trove(int(row), (debt + reserve) * wanted / price, debt)
            else:  # too small for a trove
                market.ledger.endow(int(row), int(record["collateral"]), [own / price])


def places_of(scenario: Scenario, settings: AgentSettings) -> list[int]:
    """Places of who borrows a protocol's coin: number of the protocol, and where to trade.

    Raises:
        ScenarioError: If none of its pools trades the coin.
    """
    name = settings.targets.protocol
    coin = f"{name}-coin"
    pools = settings.targets.pools
    if not any(coin in scenario.pools[pool].tokens for pool in pools):
        text = f"trade no {coin}, so it cannot be sold or bought; name a pool that does"
        raise ScenarioError([("agents", f"pools {text}")])
    return [list(scenario.protocols).index(name), *routes(scenario, settings)]


def protocol_and_price(market: Market, cohort: CohortTable) -> tuple[Any, float]:
    """The protocol that a group borrows from, and what that believes its collateral is worth.

    Raises:
        ScenarioError: If its oracle has no price at the start.
    """
    name = cohort.settings.targets.protocol
    protocol = market.protocols[name]
    price = float(market.world.feeds[int(protocol.record[0]["oracle"])]["price"])
    if not 0.0 < price < np.inf:
        text = f"{name}'s oracle has no price at the start; fix it"
        raise ScenarioError([(f"agents.{cohort.name}.protocol", text)])
    return protocol, price
