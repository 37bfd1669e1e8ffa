"""The exposure network before, at the worst block, and after, noted while a run is made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import networkx as nx

from sim import Market

STRETCHES = 60
"""How often a run is looked at, evenly."""


class Moments:
    """Notes a market's exposure network: at the start, and where equity is least.

    The worst block is the one, among those that are looked at, with the least equity of all
    entities but the venue. Looking changes nothing: the run is the same to the bit.

    Attributes:
        noted: The networks, each with ``what`` ("start" or "worst"), ``block``, ``equity``
            (numeraire) and ``exposure`` (node-link data, fit for JSON).
    """

    def __init__(self, market: Market) -> None:
        """Note the start of a market that has made no block yet, or where it stands."""
        self.noted: list[dict[str, Any]] = []
        self._least = math.inf
        self.note(market)

    def note(self, market: Market) -> None:
        """Look at the market where it stands."""
        # Agents read values of tokens as the last block that measured left them; looking at
        # the market values them anew, so they are put back.
        values = market.world.values
        known = values.copy()
        graph = market.exposure()
        values[:] = known
        equity = equity_of(graph)
        if not self.noted:
            self.noted.append(_told("start", market, graph, equity))
        elif equity < self._least:
            self.noted[1:] = [_told("worst", market, graph, equity)]
        self._least = min(self._least, equity)


def equity_of(graph: nx.MultiDiGraph) -> float:
    """Equity of all entities but the venue, numeraire."""
    return math.fsum(
        data["equity"]
        for _, data in graph.nodes(data=True)
        if data["kind"] != "venue" and data["equity"] == data["equity"]
    )


def _told(what: str, market: Market, graph: nx.MultiDiGraph, equity: float) -> dict[str, Any]:
    exposure = nx.node_link_data(graph, edges="edges")
    return {"what": what, "block": market.block, "equity": equity, "exposure": exposure}


def run_noting(
    market: Market, blocks: int | None = None, advanced: Callable[[int], object] | None = None
) -> Moments:
    """Run a market, and note its network on the way.

    Args:
        market: Where it stands.
        blocks: How many to make; default: up to the scenario's.
        advanced: Told how many were made, now and then.
    """
    moments = Moments(market)
    left = max(market.setup.blocks - market.block, 0) if blocks is None else blocks
    stretch = max(-(-left // STRETCHES), 1)
    while left > 0:
        made = min(stretch, left)
        market.run(made)
        left -= made
        moments.note(market)
        if advanced is not None:
            advanced(made)
    return moments
