"""Sentiment traders: moods that spread on a social graph, and swaps that follow them.

Each agent's mood, in [-1, 1], is caught from its neighbours, lifted by rising prices and
pressed by falling ones, shaken by noise, and forgotten:
``m <- tanh(keep m + contagion (mean of neighbours) + trend z + noise e)`` with z the
pool's last return over its own deviation. Contagion of opinion and trend together make
booms and busts (Lux, Marchesi 1999); with ``keep + contagion`` above one a mood feeds on
itself, and all fall into the same, as spins do (Brock, Durlauf 2001). Who is in the mood,
trades: it buys with a chance that grows with m, and sells with one that grows with -m.
The graph is networkx's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import networkx as nx
import numpy as np

from agents.base import Behaviour, Column
from agents.targets import Graph, PoolsOrRoutes, Targets
from agents.tools import trade_pool
from protocols import amm
from sim.compiled import inner
from sim.randomness import agent_normal, agent_uniform, generator

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.errors import Problem
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

WEIGHT = 0.02
"""Of the last return in the variance that everybody sees."""
# Places: number of pools, the pools, where each agent's neighbours begin, the neighbours.


@inner
def decide(w, me):
    """Let moods spread, and trade on them."""
    pools = me.places[0]
    n = me.size
    begins = 1 + pools
    neighbours = begins + n + 1
    first = w.pools[me.places[1]]
    price = amm.spot_price(w.books, first, 0, first.size - 1)
    ours = me.memory
    z = 0.0
    if price > 0.0:
        now = math.log(price)
        if ours.last != 0.0:
            change = now - ours.last
            if ours.variance > 0.0:
                z = change / math.sqrt(ours.variance)
            ours.variance += WEIGHT * (change * change - ours.variance)
        ours.last = now
    old = me.rows.mood.copy()
    total = 0.0
    for i in range(n):
        my = me.rows[i]
        low, high = me.places[begins + i], me.places[begins + i + 1]
        around = 0.0
        if high > low:
            for k in range(low, high):
                around += old[me.places[neighbours + k]]
            around /= high - low
        drive = my.keep * old[i] + my.contagion * around + my.trend * z
        if my.noise > 0.0:
            drive += my.noise * agent_normal(me.key, i, 0)
        my.mood = math.tanh(drive)
        total += my.mood
        if agent_uniform(me.key, i, 1) < my.rate * abs(my.mood):
            k = min(int(agent_uniform(me.key, i, 2) * pools), pools - 1)
            money = my.size * abs(my.mood)
            account, place, buys = me.first + i, me.places[1 + k], my.mood > 0.0
            trade_pool(w, account, me.ident, place, buys, money, my.slippage, my.bid)
    ours.mean_mood = total / max(n, 1)


MOST_FRIENDS = 20_000_000
"""Edges of a social graph, which is drawn in Python."""


def graph_of(kind: str, count: int, degree: int, seed: Any) -> nx.Graph:
    """A social graph whose number of edges does not depend on the draws.

    Args:
        kind: "small_world" (Watts, Strogatz 1998), "scale_free" (Barabasi, Albert 1999),
            "random" (Erdos, Renyi 1959) or "none".
        count: Agents.
        degree: Neighbours of each, on average; made even for a small world.
        seed: Of networkx's draws.
    """
    half = max(min(degree, count - 1) // 2, 1)
    if kind == "none" or count < 3:
        return nx.empty_graph(count)
    if kind == "small_world":
        return nx.watts_strogatz_graph(count, 2 * half, 0.1, seed=seed)
    if kind == "scale_free":
        return nx.barabasi_albert_graph(count, half, seed=seed)
    return nx.gnm_random_graph(count, half * count, seed=seed)


class SentimentTargets(Graph, PoolsOrRoutes):
    """Pools, and the social graph."""


class SentimentTrader(Behaviour):
    """Trades on a mood that spreads through a social graph."""

    columns: ClassVar[Mapping[str, Column]] = {
        "keep": Column("Share of mood kept after a block", "share", 0.9, 0.0, 1.0),
        "contagion": Column("Weight of neighbours' mean mood", "share", 0.08, 0.0, 2.0),
        "trend": Column("Change of mood per standard deviation of return", "mood", 0.01, 0.0),
        "noise": Column("Standard deviation of its own news", "mood a block", 0.02, 0.0),
        "rate": Column("Rate of swaps at the strongest mood", "per block", 0.02, 0.0, 1.0),
        "size": Column("Size of a swap at the strongest mood", "numeraire", 2000.0, 0.0),
        "slippage": Column("Slippage tolerance, relative to the quote", "share", 0.02, 0.0, 1.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.1, 0.0),
        "mood": Column("Mood, from -1 (fear) to 1 (greed)", "mood", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = SentimentTargets
    needs_wallet: ClassVar[bool] = True
    remembers: ClassVar[Mapping[str, Column]] = {
        "last": Column("Log price of the first pool in the last block", "log"),
        "variance": Column("Common estimate of the variance of its returns", "a block"),
        "mean_mood": Column("Mean mood", "mood"),
    }
    decide = staticmethod(decide)

    @classmethod
    def check(cls, settings: AgentSettings) -> list[Problem]:
        """Whether the graph can be drawn."""
        count, each = settings.count, settings.targets.neighbours
        if settings.targets.network == "none" or count * each <= MOST_FRIENDS:
            return []
        text = f"of {count:,} agents make a graph of more than {MOST_FRIENDS:,} edges"
        return [("neighbours", f"{each:,} {text}; give fewer")]

    @classmethod
    def places_size(cls, scenario: Scenario, settings: AgentSettings) -> int:
        """Pools, and both directions of every edge."""
        graph = graph_of(settings.targets.network, settings.count, settings.targets.neighbours, 0)
        return 2 + len(settings.targets.pools) + settings.count + 2 * graph.number_of_edges()

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Draw the graph."""
        settings = cohort.settings
        rng = generator(market.seed_number, f"{cohort.name}:graph")
        seed = int(rng.integers(2**31))
        graph = graph_of(settings.targets.network, len(cohort), settings.targets.neighbours, seed)
        pools = [list(market.setup.pools).index(pool) for pool in settings.targets.pools]
        begins, neighbours = [0], []
        for i in range(len(cohort)):
            neighbours += sorted(int(j) for j in graph.neighbors(i))
            begins.append(len(neighbours))
        cohort.places[:] = np.array([len(pools), *pools, *begins, *neighbours], np.int64)
