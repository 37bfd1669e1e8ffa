"""Whales: one large amount, split over time, or all at once for fear.

A sale in n parts pays impact, a slow one bears the price's risk. Almgren, Chriss, "Optimal
execution of portfolio transactions" (2001), minimise expected cost plus ``lambda`` times its
variance for impact that is linear in the rate of trading: what is left after j of N blocks is
``X sinh(k (N - j)) / sinh(k N)`` with ``2 (cosh k - 1) = lambda sigma^2 / eta`` (their
equations 16-18, blocks of length one and the permanent impact left out, which a pool does not
have beside its price). At no risk aversion that is the same amount in every block.

The temporary impact is what the whale says, or what its pool's depth makes of an even part.
Where the price has moved against it too far within some blocks it sends all that is left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from agents.base import Behaviour, Column
from agents.intents import Order, trade
from agents.targets import PoolsOrRoutes, Targets
from agents.tools import (
    best_place,
    find_route,
    going_bid,
    quote_at,
    refuel,
    route_gas,
    send_routes,
)
from protocols import amm
from protocols.pool import position
from sim.codes import Kind
from sim.compiled import inner, kernel
from sim.measures import market_price

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market

WATCHED = 256
"""Blocks of the price that are remembered."""
DONE = 1e-9
"""Share of the whole that counts as nothing left."""


@kernel
def urgency(risk_aversion, variance, impact):
    """The schedule's k, per block: ``2 (cosh k - 1) = lambda sigma^2 / eta``.

    Args:
        risk_aversion: lambda, per unit of the numeraire.
        variance: sigma^2 of the price's change in a block, numeraire squared.
        impact: eta, numeraire per unit and unit a block.
    """
    if not risk_aversion * variance > 0.0:
        return 0.0
    if not impact > 0.0:
        return np.inf
    half = 0.5 * math.sqrt(risk_aversion * variance / impact)
    return 2.0 * math.asinh(half)  # acosh(1 + 2 h^2), exact for small h too


@kernel
def left_after(blocks, horizon, k):
    """Part of the whole that is left: ``sinh(k (N - j)) / sinh(k N)``.

    Args:
        blocks: j, since the start.
        horizon: N, blocks.
        k: Urgency, per block.
    """
    rest = horizon - blocks
    if rest <= 0.0:
        return 0.0
    if blocks <= 0.0:
        return 1.0
    if k * horizon < 1e-6:
        return rest / horizon
    # With exponents below zero alone, so that none is too large.
    return math.exp(-k * blocks) * math.expm1(-2.0 * k * rest) / math.expm1(-2.0 * k * horizon)


@inner
def _variance(w, my, token, price):
    """Variance of a token's price in a block, numeraire squared."""
    if my.volatility > 0.0:
        return my.volatility * my.volatility * price * price
    for a in range(w.assets.size):
        if w.assets[a].token == token:
            return w.assets[a].seen_variance * price * price
    return 0.0


@inner
def _impact(w, me, my, base, quote, price):
    """Temporary impact, numeraire per unit and unit a block: of an even part, in its best pool."""
    if my.impact > 0.0:
        return my.impact
    part = my.whole / my.horizon
    least = np.inf
    for k in range(me.places.size):
        place = me.places[k]
        pool = w.pools[place]
        i, o = position(pool, base), position(pool, quote)
        if i < 0 or o < 0:
            continue
        spot = amm.spot_price(w.books, pool, i, o) * market_price(w, quote)
        got = quote_at(w, place, base, quote, part) * market_price(w, quote) / part
        if spot > 0.0 and got > 0.0:
            least = min(least, max(spot - got, 0.0) / part)
    return least


@inner
def _fear(me, my, block):
    """How far the price has moved against a whale within the blocks that it watches, share."""
    prices = me.memory.prices
    now = prices[block % WATCHED]
    worst = 0.0
    for back in range(1, min(int(my.watch), WATCHED - 1, block - 1) + 1):
        then = prices[(block - back) % WATCHED]
        if then > 0.0:
            move = 1.0 - now / then if my.sells >= 0.5 else now / then - 1.0
            worst = max(worst, move)
    return worst


@inner
def _settle(w, account, my):
    """Count the part that was sent last, if it was executed."""
    if my.sent <= 0.0:
        return
    held = w.books.balances[account, int(my.pays)]
    if my.before - held > 0.5 * my.sent:  # gas is a small part of it
        my.left = max(my.left - my.units, 0.0)
    my.sent = 0.0


@inner
def _send(w, me, i, base, quote, units):
    """Send a part of the whole, units of the base token."""
    my, account = me.rows[i], me.first + i
    sells = my.sells >= 0.5
    pays, gets = (base, quote) if sells else (quote, base)
    price = market_price(w, pays)
    if not price > 0.0:
        return
    amount = units if sells else units * market_price(w, base) / price
    held = w.books.balances[account, pays]
    amount = min(amount, 0.98 * held)  # the last fiftieth of a wallet stays, for gas
    gas = w.rules[0].gas_cost[Kind.SWAP]
    if not amount * price >= 1e-6 or not refuel(w, account, me.ident, gas):
        return
    if w.cohorts[me.ident].routes:
        count, out = find_route(w, pays, gets, amount)
        if count == 0:
            return
        bid = going_bid(w, account, route_gas(w), my.bid)
        sent = send_routes(w, account, me.ident, bid, out * (1.0 - my.slippage), 1)
    else:
        place, out = best_place(w, me.places, pays, gets, amount)
        if place < 0:
            return
        order = Order(account, me.ident, going_bid(w, account, gas, my.bid), 1)
        sent = trade(w, order, place, pays, gets, amount, out * (1.0 - my.slippage))
    if sent:
        my.pays, my.before, my.sent = float(pays), held, amount
        my.units = amount if sells else amount * price / market_price(w, base)


@inner
def decide(w, me):
    """Send this block's part of the schedule, or all that is left."""
    block = w.chain[0].block
    pool = w.pools[me.places[0]]
    base, quote = pool.tokens[0], pool.tokens[pool.size - 1]
    price = market_price(w, base)
    me.memory.prices[block % WATCHED] = price
    for i in range(me.size):
        my = me.rows[i]
        _settle(w, me.first + i, my)
        if block < my.start or my.left <= DONE * my.whole or not price > 0.0:
            continue
        if my.urgency < 0.0:  # it plans once, when it begins
            variance = _variance(w, my, base, price)
            impact = _impact(w, me, my, base, quote, price)
            my.urgency = urgency(my.risk_aversion, variance, impact)
        if my.fear > 0.0 and _fear(me, my, block) >= my.fear:
            my.afraid = 1.0
        passed = block - math.floor(my.start) + 1.0
        aim = 0.0 if my.afraid > 0.0 else my.whole * left_after(passed, my.horizon, my.urgency)
        if my.left - aim > DONE * my.whole:
            _send(w, me, i, base, quote, my.left - aim)


class Whale(Behaviour):
    """Sells or buys a large amount of a pool's first token against its last."""

    columns: ClassVar[Mapping[str, Column]] = {
        "whole": Column("Total amount to sell or buy", "token units", 100.0, 1e-9),
        "sells": Column("Side; 1: it sells, 0: it buys", "0 or 1", 1.0, 0.0, 1.0),
        "start": Column("Block in which it starts", "block", 1.0, 1.0),
        "horizon": Column("Time over which it splits the order", "blocks", 100.0, 1.0),
        "risk_aversion": Column(
            "Risk aversion: cost of a unit of variance", "1/numeraire", 0.0, 0.0
        ),
        "volatility": Column(
            "Price volatility per block; 0: as recently observed outside", "share", 0.0, 0.0, 10.0
        ),
        "impact": Column(
            "Temporary price impact; 0: from the pool's depth", "numeraire per unit^2", 0.0, 0.0
        ),
        "fear": Column(
            "Adverse move at which it sends the rest at once; 0: never", "share", 0.0, 0.0, 10.0
        ),
        "watch": Column("Window for that move", "blocks", 50.0, 1.0, 255.0),
        "slippage": Column("Slippage tolerance, relative to the quote", "share", 0.05, 0.0, 1.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "left": Column("Remaining amount", "token units", 0.0, state=True),
        "urgency": Column("k of its schedule; -1: none yet", "per block", -1.0, state=True),
        "afraid": Column("Whether it is sending the rest at once", "0 or 1", 0.0, state=True),
        "pays": Column("Token that it paid with last", "number", 0.0, state=True),
        "before": Column("What it held of that", "token units", 0.0, state=True),
        "sent": Column("What it offered of that, 0: nothing", "token units", 0.0, state=True),
        "units": Column("Part of the whole that this stood for", "token units", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = PoolsOrRoutes
    needs_wallet: ClassVar[bool] = True
    remembers: ClassVar[Mapping[str, Column]] = {
        "prices": Column("Of the token, by block", "numeraire", count=WATCHED),
    }
    decide = staticmethod(decide)

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """All of it is left."""
        super().begin(market, cohort)
        cohort.column("left")[:] = cohort.column("whole")
