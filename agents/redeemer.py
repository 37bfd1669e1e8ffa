"""Redeemers: they hold a coin to its peg, with capital and access that are finite.

Below par one buys coins in a pool and redeems them, selling what that gives if it is not money;
above par one mints and sells (Lyons, Viswanath-Natraj 2023 on who does this for a stablecoin and
what it takes). All legs are one transaction that must gain what it was sent for. The size is the
one that pays most (golden-section search: each leg gives less for more), and no more than the
money that one has.

Where redemption is shut, one who bears the wait buys and redeems what it has when it opens; until
then its money is locked (limits of arbitrage: Shleifer, Vishny 1997). To it a coin is worth what it
expects to recover less what its money must earn while it waits,

    1 - doubt x (1 - backing) - required x wait / 365,

backing and wait (days) as the protocol says them at the end of the last block. It buys `hold` below
that and sells what it has `hold` above, each to the last coin that still pays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from agents.base import Behaviour, Column
from agents.intents import THEN, Order, require, trade
from agents.pegged import (
    COIN,
    FIRST,
    MONEY,
    PeggedTargets,
    mint_coins,
    minted,
    pegged_places,
    redeem,
    redeemed,
    sale_to_rate,
)
from agents.targets import Targets
from agents.tools import BUMP, affordable, gas_cost, quote_at, rebid, refuel, share_bid
from sim.clock import look, lookers
from sim.codes import PREVIOUS, Kind
from sim.compiled import inner, kernel
from sim.measures import market_price
from sim.units import DAY

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

RATIO = 0.6180339887498949
STEPS = 24
"""Of the golden-section search: to a hundred-thousandth of the money."""
HALVINGS = 8
"""Times that it halves what it redeems at once, so that it pays."""
LEAST = 1e-4
"""Share of the money with which one tries whether anything pays, and of it the least bought."""


@inner
def _back(w, me, place, money, below):
    """Money that comes back of a round trip through a pool and the protocol."""
    coin, cash = me.places[COIN], me.places[MONEY]
    if below:
        return redeemed(w, me, quote_at(w, place, cash, coin, money))
    coins = minted(w, me, money)
    return quote_at(w, place, coin, cash, coins) if coins > 0.0 else 0.0


@inner
def _best(w, me, place, most, below):
    """Money that pays most on a round trip, and what it gains (golden-section search)."""
    tried = LEAST * most
    if not _back(w, me, place, tried, below) > tried:
        return 0.0, 0.0
    low, high = 0.0, most
    a, b = high - RATIO * (high - low), low + RATIO * (high - low)
    at_a = _back(w, me, place, a, below) - a
    at_b = _back(w, me, place, b, below) - b
    for _ in range(STEPS):
        if at_a > at_b:
            high, b, at_b = b, a, at_a
            a = high - RATIO * (high - low)
            at_a = _back(w, me, place, a, below) - a
        else:
            low, a, at_a = a, b, at_b
            b = low + RATIO * (high - low)
            at_b = _back(w, me, place, b, below) - b
    whole = _back(w, me, place, most, below) - most
    if whole > max(at_a, at_b):
        return most, whole
    return (a, at_a) if at_a > at_b else (b, at_b)


@inner
def _send(w, me, order, place, money, below, least):
    """Send a round trip as one transaction that gains at least so much."""
    coin, cash = me.places[COIN], me.places[MONEY]
    if below:
        if not trade(w, order, place, cash, coin, money, 0.0):
            return
        redeem(w, me, THEN, PREVIOUS, least)
        return
    sent = mint_coins(w, me, order, money)
    if sent:
        trade(w, THEN, place, coin, cash, PREVIOUS, 0.0)
        require(w, THEN, cash, least)


@inner
def _unload(w, me, my, account, order):
    """Redeem coins that one holds, if that pays now. Returns whether it was sent."""
    held = w.books.balances[account, me.places[COIN]]
    for _ in range(HALVINGS):  # as much as the way out takes
        if not held > 1.0:
            return False
        worth = redeemed(w, me, held)
        if worth > (1.0 - my.hold) * held:
            return redeem(w, me, order, held, 0.999 * worth)
        held *= 0.5
    return False


@kernel
def expected(doubt, backing, required, wait):
    """What a coin that cannot be redeemed yet is worth to somebody who waits, share of par.

    Args:
        doubt: Chance that what is missing behind a coin will be lost.
        backing: What stands behind a coin, numeraire.
        required: What its money must earn, per year.
        wait: Time until redemption opens, days.
    """
    return 1.0 - doubt * min(max(1.0 - backing, 0.0), 1.0) - required * wait / 365.0


@inner
def _worth(w, me, my):
    """What a coin is worth to somebody who waits until it can be redeemed, share of par."""
    ours, backing, wait = me.memory, 1.0, 0.0
    if ours.backing_slot >= 0.0:
        backing = w.books.storage[int(ours.backing_slot)]
    if ours.wait_slot >= 0.0:
        wait = w.books.storage[int(ours.wait_slot)] * w.rules[0].seconds / DAY
    return expected(my.doubt, backing, my.required, wait)


@inner
def _stock(w, me, my, account, order, cash):
    """Buy coins below, or sell them above, what waiting is worth. Returns whether it was sent."""
    money, coin = me.places[MONEY], me.places[COIN]
    lot, held = my.lot * cash, w.books.balances[account, coin]
    if redeemed(w, me, max(lot, 1.0)) > 0.0:
        return False
    worth = _worth(w, me, my)
    place, amount = sale_to_rate(w, me, coin, money, held, worth + my.hold)
    if place >= 0 and amount > 1.0:
        out = quote_at(w, place, coin, money, amount)
        return trade(w, order, place, coin, money, amount, 0.999 * out)
    if not worth > my.hold:
        return False
    place, lot = sale_to_rate(w, me, money, coin, lot, 1.0 / (worth - my.hold))
    if place < 0 or not lot > LEAST * cash:
        return False
    out = quote_at(w, place, money, coin, lot)
    return trade(w, order, place, money, coin, lot, 0.999 * out)


@inner
def decide(w, me):
    """Send, for each who looks, the round trip that pays most."""
    rebid(w, me)
    chain, gas = w.chain[0], 3.0 * w.rules[0].gas_cost[Kind.SWAP]
    price = market_price(w, me.places[MONEY])
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if chain.block < my.busy or look(me, i, 0) >= my.attention or not price > 0.0:
            continue
        account, patience = me.first + i, int(my.patience)
        cash = w.books.balances[account, me.places[MONEY]]
        best, most, gain, down = -1, 0.0, 0.0, True
        for k in range(FIRST, me.places.size):
            for side in range(2):
                below = side == 0
                money, more = _best(w, me, me.places[k], 0.98 * cash, below)
                if more > gain:
                    best, most, gain, down = me.places[k], money, more, below
        profit = (gain - my.margin * most) * price
        bid = affordable(w, account, gas, share_bid(w, max(profit, 0.0), my.bid_share, gas))
        if not refuel(w, account, me.ident, gas):
            continue
        order = Order(account, me.ident, bid, patience)
        if my.hold < 1.0 and _unload(w, me, my, account, order):
            my.busy = chain.block + patience
        elif best >= 0 and profit > gas_cost(w, gas, bid):
            least = max(gas_cost(w, gas, bid) / price, 0.5 * gain)
            _send(w, me, order, best, most, down, least)
            my.trips += 1.0
            my.busy = chain.block + patience
        elif my.hold < 1.0 and _stock(w, me, my, account, order, cash):
            my.busy = chain.block + patience


class Redeemer(Behaviour):
    """Arbitrages a coin's peg: buys and redeems it below par, mints and sells it above."""

    columns: ClassVar[Mapping[str, Column]] = {
        "attention": Column("Chance per block that it checks the market", "share", 1.0, 0.0, 1.0),
        "margin": Column("Minimum gain, relative to the amount put in", "share", 0.0005, 0.0, 1.0),
        "bid_share": Column("Share of the expected gain bid for gas", "share", 0.3, 0.0, 1.0),
        "hold": Column(
            "Discount at which it buys to redeem later; 1: never", "share", 1.0, 0.0, 1.0
        ),
        "doubt": Column("Perceived chance that missing backing is lost", "share", 0.0, 0.0, 1.0),
        "required": Column("Required return on money locked while it waits", "per year", 0.0, 0.0),
        "lot": Column("Share of its money used for that at a time", "share", 0.1, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 1.0, 1.0, 1000.0),
        "bump": BUMP,
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "trips": Column("Round trips that it has sent", "times", state=True),
    }
    targets: ClassVar[type[Targets]] = PeggedTargets
    remembers: ClassVar[Mapping[str, Column]] = {
        "backing_slot": Column("Where the protocol's backing is, -1: nowhere", "slot"),
        "wait_slot": Column("Where its wait until it opens is, -1: nowhere", "slot"),
    }
    needs_wallet: ClassVar[bool] = True
    searcher: ClassVar[bool] = True
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Protocol, tokens and pools."""
        return pegged_places(scenario, settings)

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Know where the protocol says what stands behind a coin, and when it opens."""
        super().begin(market, cohort)
        named = cohort.settings.targets.protocol  # none: nobody redeems the coin
        for name in ("backing", "wait"):
            slot = -1.0
            if named is not None and name in market.protocols[named].state:
                slot = float(market.protocols[named].record[0][name])
            cohort.remembered[f"{name}_slot"] = slot
