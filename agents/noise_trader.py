"""Noise traders: swaps for reasons of their own, in clusters, of all sizes.

As a group they may also have reasons that the outside gives them: volatility, with which
volume rises (Karpoff 1987), and news, which is a move of an outside price far beyond its
volatility and wears off. Both raise the rate at which they start by themselves, which others
then follow. Some swap where they get most, some keep to their pools; and some know a part of
the next outside move and trade on it where that pays more than the fee (Glosten, Milgrom 1985).

Arrivals excite themselves (a discrete Hawkes process: Hawkes 1971; Bacry,
Mastromatteo, Muzy 2015): with heat h, the recent activity of all traders over
what their base rates alone would give, trader i acts in a block with probability
``rate_i (1 + branching_i h)``; reasons from outside stand in place of the 1. Sizes are
lognormal, a few with a Pareto tail (Gabaix et al. 2003), sides a coin that a slow common mood
weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from agents.base import Behaviour, Column
from agents.intents import Order, swap
from agents.targets import PoolsOrRoutes, Targets
from agents.tools import (
    best_place,
    find_route,
    gas_cost,
    going_bid,
    quote_at,
    refuel,
    route_gas,
    send_routes,
)
from protocols.pool import position
from sim import venue
from sim.clock import ask_bounds, bound, everybody, look, must_bound, ring
from sim.codes import Kind
from sim.compiled import AHEAD, FAR_AHEAD, inner, prefetch
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
_ACT, _POOL, _SIDE, _SIZE, _TAIL, _FIRST, _SECOND, _HABIT, _KNOWS = range(9)


@inner
def _chance(my, reasons, heat, excitement, news):
    """Chance to act in a block.

    Args:
        reasons: Whether any of the group has reasons from outside.
        heat: Recent activity over what base rates alone would give.
        excitement: Log of volatility now over its long-run level.
        news: Pieces of news, each as far as it has not worn off.
    """
    if reasons == 0.0:
        return my.rate * (1.0 + my.branching * heat)
    reason = math.exp(my.volume_elasticity * excitement) * (1.0 + my.news * news)
    return my.rate * (reason + my.branching * heat)


@inner
def _hear(w, me):
    """Note how volatile the outside prices of the group's tokens are, and what is news."""
    ours = me.memory
    ratio, heard, number = 0.0, 0.0, 0
    for a in range(w.assets.size):
        asset = w.assets[a]
        for k in range(me.places.size):
            if position(w.pools[me.places[k]], asset.token) >= 0:
                number += 1
                ratio += venue.volatility_ratio(asset)
                change = math.log(asset.price / asset.before)
                # As it was seen before this move.
                usual = asset.seen_variance - asset.memory * change * change
                usual = max(usual / max(1.0 - asset.memory, 1e-12), 0.0)
                if usual > 0.0 and change * change > ours.news_size * ours.news_size * usual:
                    heard = 1.0
                break
    ours.excitement = math.log(max(ratio / number, 1e-9)) if number > 0 else 0.0
    ours.news = ours.news_decay * ours.news + heard


@inner
def _follow_reasons(w, me):
    """Keep bounds of reasons from outside somewhat above what they are."""
    ours = me.memory
    _hear(w, me)
    above = ours.excitement > ours.most_excitement or ours.news > ours.most_news
    calm = ours.excitement < ours.most_excitement - 1.0
    calm = calm or (ours.news < 0.25 * ours.most_news and ours.most_news > 0.1)
    if above or calm:
        ours.most_excitement = ours.excitement + 0.25
        ours.most_news = max(1.3 * ours.news, 0.1)
        ask_bounds(w, me.clock)


@inner
def _ring(w, me):
    """Find who may act; bounds are of a heat somewhat above today's, and follow it."""
    ours = me.memory
    heat = ours.heat
    if ours.reasons > 0.0:
        _follow_reasons(w, me)
    if ours.branching > 0.0:
        cool = heat < 0.5 * ours.most_heat and ours.most_heat > LEAST_HEAT
        if heat > ours.most_heat or cool:
            ours.most_heat = max(1.3 * heat, LEAST_HEAT)
            ask_bounds(w, me.clock)
    if must_bound(w, me.clock):
        for i in range(me.size):
            most = _chance(
                me.rows[i], ours.reasons, ours.most_heat, ours.most_excitement, ours.most_news
            )
            bound(w, me.clock, i, most)
    return ring(w, me.clock)


@inner
def _knows_side(w, my, place, a, b, money):
    """Which way a trader gains who knows a part of the next outside move.

    Args:
        place: Number of the pool; a and b are places of two tokens in it.
        money: That it trades with, numeraire.

    Returns:
        1 where it buys a with b, 0 where it sells a for b, -1 where neither pays for fee and gas.
    """
    pool = w.pools[place]
    first, second = pool.tokens[a], pool.tokens[b]
    gas = gas_cost(w, w.rules[0].gas_cost[Kind.SWAP], w.chain[0].gas_price)
    side, most = -1, 0.0
    for buys in range(2):
        pays, gets = (second, first) if buys == 1 else (first, second)
        price = market_price(w, pays)
        if not price > 0.0:
            continue
        out = quote_at(w, place, pays, gets, money / price)
        later = market_price(w, gets) * math.exp(my.sees * _next_move(w, gets))
        gain = out * later - money * math.exp(my.sees * _next_move(w, pays)) - gas
        if gain > most:
            side, most = buys, gain
    return side


@inner
def _next_move(w, token):
    """Log return of a token outside in the next block; 0 of what has no price there."""
    for a in range(w.assets.size):
        if w.assets[a].token == token:
            block = w.chain[0].block + 1
            return venue.foresee(w.books, w.assets, w.cholesky, w.paths, block, a)
    return 0.0


@inner
def _wishes(me, actors, acted, mood):
    """What each of the first so many `actors` would do: of all of them before anybody does it.

    These are draws, of which none hangs on another: so a processor has several under way.

    Returns:
        (number of the pool, whether it buys there, and its money, numeraire), each [acted].
    """
    pools = me.places.size
    places, buys = np.empty(acted, np.int64), np.empty(acted, np.bool_)
    money = np.empty(acted)
    for j in range(acted):
        if j + FAR_AHEAD < acted:
            prefetch(me.rows, actors[j + FAR_AHEAD])
        i = actors[j]
        my = me.rows[i]
        places[j] = me.places[min(int(agent_uniform(me.key, i, _POOL) * pools), pools - 1)]
        buys[j] = agent_uniform(me.key, i, _SIDE) < 0.5 + 0.5 * my.herding * mood
        money[j] = my.size * math.exp(my.spread * agent_normal(me.key, i, _SIZE))
        if my.tail > 0.0:
            tail = agent_uniform(me.key, i, _TAIL)
            if tail < my.tail:
                money[j] *= (tail / my.tail) ** (-1.0 / my.tail_shape)
    return places, buys, money


# Long: the hottest loop of all; its parts share a dozen draws and numbers.
@inner
def decide(w, me):
    """Send this block's swaps."""
    rules = w.rules[0]
    ours = me.memory
    heat, mood = ours.heat, ours.mood
    routes = w.cohorts[me.ident].routes
    gas = rules.gas_cost[Kind.SWAP]
    # Who acts is found first and without branches, which a processor cannot foresee.
    rung = _ring(w, me)
    reasons, excitement, news = ours.reasons, ours.excitement, ours.news
    actors = np.empty(rung + 1, np.int64)
    acted = 0
    if everybody(w, me.clock):
        for i in range(me.size):
            actors[acted] = i
            chance = _chance(me.rows[i], reasons, heat, excitement, news)
            acted += agent_uniform(me.key, i, _ACT) < chance
    else:
        for n in range(rung):
            if n + FAR_AHEAD < rung:
                prefetch(me.rows, me.actors[n + FAR_AHEAD])
            i = me.actors[n]
            actors[acted] = i
            chance = _chance(me.rows[i], reasons, heat, excitement, news)
            acted += look(me, i, _ACT) < chance
    places, sides, sizes = _wishes(me, actors, acted, mood)
    for j in range(acted):
        if j + AHEAD < acted:
            soon = actors[j + AHEAD]
            prefetch(me.rows, soon)
            prefetch(w.books.balances, me.first + soon)
            prefetch(w.senders, me.first + soon)
        i = actors[j]
        my = me.rows[i]
        place, buys, money = places[j], sides[j], sizes[j]
        pool = w.pools[place]
        a, b = 0, 1
        if pool.size > 2:  # any two of its tokens
            a = min(int(agent_uniform(me.key, i, _FIRST) * pool.size), pool.size - 1)
            b = min(int(agent_uniform(me.key, i, _SECOND) * (pool.size - 1)), pool.size - 2)
            b += b >= a
        if my.informed > 0.0 and agent_uniform(me.key, i, _KNOWS) < my.informed:
            side = _knows_side(w, my, place, a, b, money)
            if side < 0:
                continue
            buys = side == 1
        token_in, token_out = (
            (pool.tokens[b], pool.tokens[a]) if buys else (pool.tokens[a], pool.tokens[b])
        )
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
        if my.habit < 1.0 and agent_uniform(me.key, i, _HABIT) >= my.habit:
            most, _ = best_place(w, me.places, token_in, token_out, amount)
            place = most if most >= 0 else place
        out = quote_at(w, place, token_in, token_out, amount)
        if not out > 0.0:  # it is halted, say
            continue
        bid = going_bid(w, account, gas, my.bid)
        order = Order(account, me.ident, bid, 0)
        swap(w, order, place, token_in, token_out, amount, out * (1.0 - my.slippage))
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
    """Swaps for exogenous reasons."""

    columns: ClassVar[Mapping[str, Column]] = {
        "rate": Column("Base rate of swaps", "per block", 0.01, 0.0, 1.0),
        "branching": Column(
            "Swaps triggered by each swap of others (branching ratio)", "share", 0.4, 0.0, 0.95
        ),
        "memory": Column("Memory of recent activity", "blocks", 50.0, 1.0),
        "size": Column("Median size of a swap", "numeraire", 1000.0, 0.0),
        "spread": Column("Standard deviation of the log of sizes", "log", 1.0, 0.0, 5.0),
        "tail": Column("Share of swaps whose size has a Pareto tail", "share", 0.02, 0.0, 1.0),
        "tail_shape": Column("Exponent of the Pareto tail", "exponent", 1.6, 1.01),
        "herding": Column("Influence of the common mood on direction", "share", 0.1, 0.0, 1.0),
        "mood": Column("Persistence of the common mood", "blocks", 1000.0, 0.0),
        "volume_elasticity": Column(
            "Elasticity of its rate with respect to outside volatility, relative to its "
            "long-run level",
            "elasticity",
            0.0,
            0.0,
            5.0,
        ),
        "news": Column(
            "Increase of its rate on news, relative to the base rate", "multiple", 0.0, 0.0
        ),
        "news_size": Column(
            "Outside move in a block that counts as news, relative to volatility",
            "deviations",
            4.0,
            0.1,
        ),
        "news_memory": Column("Decay time of news", "blocks", 100.0, 1.0),
        "habit": Column(
            "Share of its swaps sent to a random pool; the rest take the best quote",
            "share",
            1.0,
            0.0,
            1.0,
        ),
        "informed": Column(
            "Share of its swaps informed about the next outside move", "share", 0.0, 0.0, 1.0
        ),
        "sees": Column("Part of that move known in advance", "share", 1.0, 0.0, 1.0),
        "slippage": Column("Slippage tolerance, relative to the quote", "share", 0.02, 0.0, 1.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.1, 0.0),
    }
    targets: ClassVar[type[Targets]] = PoolsOrRoutes
    needs_wallet: ClassVar[bool] = True
    remembers: ClassVar[Mapping[str, Column]] = {
        "heat": Column("Recent activity over what base rates alone would give", "multiple"),
        "most_heat": Column("Heat up to which bounds of chances hold", "multiple"),
        "expected": Column("Swaps that base rates alone would give", "per block"),
        "decay": Column("Part of the heat that is left after a block", "share"),
        "branching": Column("Mean branching", "share"),
        "reasons": Column("Whether any of them has reasons from outside", "0 or 1"),
        "excitement": Column("Outside volatility over its long-run level", "log"),
        "most_excitement": Column("The same, up to which bounds of chances hold", "log"),
        "news": Column("Pieces of news, as far as they have not worn off", "number"),
        "most_news": Column("The same, up to which bounds of chances hold", "number"),
        "news_size": Column("Move that is news, mean", "deviations"),
        "news_decay": Column("Part of the news that is left after a block", "share"),
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
        reasons = cohort.column("volume_elasticity").any() or cohort.column("news").any()
        ours["reasons"] = float(reasons)
        ours["news_size"] = cohort.column("news_size").mean()
        ours["news_decay"] = math.exp(-1.0 / cohort.column("news_memory").mean())
        ours["heat"] = 1.0 / (1.0 - ours["branching"]) if ours["branching"] else 1.0
        ours["decay"] = math.exp(-1.0 / cohort.column("memory").mean())
        mood = cohort.column("mood").mean()
        ours["mood_decay"] = math.exp(-1.0 / mood) if mood > 0.0 else 0.0
