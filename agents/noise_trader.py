"""Noise traders: swaps for reasons of their own, in clusters, of all sizes.

Arrivals excite themselves (a discrete Hawkes process: Hawkes 1971; Bacry,
Mastromatteo, Muzy 2015): with heat h, the recent activity of all traders over
what their base rates alone would give, trader i acts in a block with probability
``rate_i (1 + branching_i h)``. Sizes are lognormal, a few with a Pareto tail
(Gabaix et al. 2003), sides a coin that a slow common mood weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from agents.base import Behaviour, Column
from agents.intents import Order, swap
from agents.targets import PoolsOrRoutes, Targets
from agents.tools import find_route, going_bid, quote_at, refuel, route_gas, send_routes
from sim.clock import ask_bounds, bound, everybody, look, must_bound, ring
from sim.codes import Kind
from sim.compiled import AHEAD, inner, prefetch
from sim.measures import market_price
from sim.randomness import agent_normal, agent_uniform, normal

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market

LEAST = 1e-6
"""Value in the numeraire below which nobody swaps."""
LEAST_HEAT = 0.1
"""For which bounds of chances are said, at least."""
# Draws of an agent in a block.
_ACT, _POOL, _SIDE, _SIZE, _TAIL, _FIRST, _SECOND = range(7)


@inner
def _chance(my, heat):
    """Chance to act in a block."""
    return my.rate * (1.0 + my.branching * heat)


@inner
def _ring(w, me):
    """Find who may act; bounds are of a heat somewhat above today's, and follow it."""
    ours = me.memory
    heat = ours.heat
    if ours.branching > 0.0:
        cool = heat < 0.5 * ours.most_heat and ours.most_heat > LEAST_HEAT
        if heat > ours.most_heat or cool:
            ours.most_heat = max(1.3 * heat, LEAST_HEAT)
            ask_bounds(w, me.clock)
    if must_bound(w, me.clock):
        for i in range(me.size):
            bound(w, me.clock, i, _chance(me.rows[i], ours.most_heat))
    return ring(w, me.clock)


# Long: the hottest loop of all; its parts share a dozen draws and numbers.
@inner
def decide(w, me):
    """Send this block's swaps."""
    rules = w.rules[0]
    ours = me.memory
    heat, mood = ours.heat, ours.mood
    pools = me.places.size
    routes = w.cohorts[me.ident].routes
    gas = rules.gas_cost[Kind.SWAP]
    # Who acts is found first and without branches, which a processor cannot foresee.
    rung = _ring(w, me)
    actors = np.empty(rung + 1, np.int64)
    acted = 0
    if everybody(w, me.clock):
        for i in range(me.size):
            actors[acted] = i
            acted += agent_uniform(me.key, i, _ACT) < _chance(me.rows[i], heat)
    else:
        for n in range(rung):
            if n + AHEAD < rung:
                prefetch(me.rows, me.actors[n + AHEAD])
            i = me.actors[n]
            actors[acted] = i
            acted += look(me, i, _ACT) < _chance(me.rows[i], heat)
    for j in range(acted):
        if j + AHEAD < acted:
            soon = actors[j + AHEAD]
            prefetch(me.rows, soon)
            prefetch(w.books.balances, me.first + soon)
            prefetch(w.senders, me.first + soon)
        i = actors[j]
        my = me.rows[i]
        place = me.places[min(int(agent_uniform(me.key, i, _POOL) * pools), pools - 1)]
        pool = w.pools[place]
        buys = agent_uniform(me.key, i, _SIDE) < 0.5 + 0.5 * my.herding * mood
        a, b = 0, 1
        if pool.size > 2:  # any two of its tokens
            a = min(int(agent_uniform(me.key, i, _FIRST) * pool.size), pool.size - 1)
            b = min(int(agent_uniform(me.key, i, _SECOND) * (pool.size - 1)), pool.size - 2)
            b += b >= a
        token_in, token_out = (
            (pool.tokens[b], pool.tokens[a]) if buys else (pool.tokens[a], pool.tokens[b])
        )
        money = my.size * math.exp(my.spread * agent_normal(me.key, i, _SIZE))
        if my.tail > 0.0:
            tail = agent_uniform(me.key, i, _TAIL)
            if tail < my.tail:
                money *= (tail / my.tail) ** (-1.0 / my.tail_shape)
        account = me.first + i
        price = market_price(w, token_in)
        # The last fiftieth of a wallet stays, for gas.
        amount = min(money / price, 0.98 * w.books.balances[account, token_in])
        if not amount * price >= LEAST or not refuel(w, account, me.ident, gas):
            continue
        if routes:
            count, out = find_route(w, token_in, token_out, amount)
            if count > 0:
                bid = going_bid(w, account, route_gas(w), my.bid)
                send_routes(w, account, me.ident, bid, out * (1.0 - my.slippage), 0)
            continue
        least = quote_at(w, place, token_in, token_out, amount) * (1.0 - my.slippage)
        bid = going_bid(w, account, gas, my.bid)
        order = Order(account, me.ident, bid, 0)
        swap(w, order, place, token_in, token_out, amount, least)
    if ours.expected > 0.0:
        # The heat is an average of recent activity, so that its mean is
        # 1 / (1 - branching) and the process is stable for branching below one.
        now = acted / ours.expected
        ours.heat += (1.0 - ours.decay) * (now - heat)
    if ours.mood_decay > 0.0:
        keep = ours.mood_decay
        fresh = normal(me.key, -1) * math.sqrt(1.0 - keep * keep) * 0.5
        ours.mood = min(max(keep * mood + fresh, -1.0), 1.0)


class NoiseTrader(Behaviour):
    """Swaps for reasons that the model does not know."""

    columns: ClassVar[Mapping[str, Column]] = {
        "rate": Column("Swaps that it starts by itself", "per block", 0.01, 0.0, 1.0),
        "branching": Column("Swaps that a swap of others sets off", "share", 0.4, 0.0, 0.95),
        "memory": Column("Time over which activity is noticed", "blocks", 50.0, 1.0),
        "size": Column("Median size of a swap", "numeraire", 1000.0, 0.0),
        "spread": Column("Standard deviation of the log of sizes", "log", 1.0, 0.0, 5.0),
        "tail": Column("Share of swaps whose size has a Pareto tail", "share", 0.02, 0.0, 1.0),
        "tail_shape": Column("Exponent of that tail", "exponent", 1.6, 1.01),
        "herding": Column("How far the common mood weights the side", "share", 0.1, 0.0, 1.0),
        "mood": Column("Time that the common mood lasts", "blocks", 1000.0, 0.0),
        "slippage": Column("Worse outcome than quoted that it accepts", "share", 0.02, 0.0, 1.0),
        "bid": Column("Gas bid over the going price", "multiple", 1.1, 0.0),
    }
    targets: ClassVar[type[Targets]] = PoolsOrRoutes
    needs_wallet: ClassVar[bool] = True
    remembers: ClassVar[Mapping[str, Column]] = {
        "heat": Column("Recent activity over what base rates alone would give", "multiple"),
        "most_heat": Column("Heat up to which bounds of chances hold", "multiple"),
        "expected": Column("Swaps that base rates alone would give", "per block"),
        "decay": Column("Part of the heat that is left after a block", "share"),
        "branching": Column("Mean branching", "share"),
        "mood": Column("Common mood, from -1 to 1", "mood"),
        "mood_decay": Column("Part of the mood that is left after a block", "share"),
    }
    decide = staticmethod(decide)

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Start at the activity that the base rates have in the long run."""
        super().begin(market, cohort)
        if not len(cohort):
            return
        ours = cohort.remembered
        rate, branching = cohort.column("rate"), cohort.column("branching")
        ours["expected"] = rate.sum()
        if ours["expected"] > 0.0:
            ours["branching"] = (rate * branching).sum() / ours["expected"]
        ours["heat"] = 1.0 / (1.0 - ours["branching"]) if ours["branching"] else 1.0
        ours["decay"] = math.exp(-1.0 / cohort.column("memory").mean())
        mood = cohort.column("mood").mean()
        ours["mood_decay"] = math.exp(-1.0 / mood) if mood > 0.0 else 0.0
