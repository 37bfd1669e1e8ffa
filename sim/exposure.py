"""Who is exposed to whom and why, read off the ledger and never declared beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from sim.balance_sheets import GROUP, Entities, assets_and_liabilities, read_entities
from sim.errors import did_you_mean

if TYPE_CHECKING:
    from sim.market import Market

LEAST = 1e-6
"""Value in the numeraire below which an exposure is left out."""
CHANNELS = ("claim", "debt", "price", "source", "common")
"""Why somebody is exposed; see `exposure_network`."""

Join = Callable[[str, str, float, str], None]


def exposure_network(
    market: Market, by: str = GROUP, channels: Iterable[str] | None = None
) -> nx.MultiDiGraph:
    """The exposure network of a market as it stands, with one edge for each reason.

    An edge u -> v says that u loses if v fails; its ``weight`` is what u can lose, in
    the numeraire, and its ``channel``, which is also its key, says why:

    - claim: u holds tokens that v issued (shares, receipts), or a position in it;
    - debt: v owes u, a lending market;
    - price: u, a lending market, values collateral by oracle v; the weight is the
      collateral;
    - source: oracle u reads v; the weight is the collateral that hangs on it;
    - common: pools u and v trade the same token, so that arbitrage carries a price
      move from one to the other; the weight is the lesser of what both hold of it.

    Two nodes may be joined by several: a metapool has a claim on the pool whose share it
    holds, and a common token with it.

    Nodes are protocols (``kind`` pool, lending, protocol, custom, oracle), the venue, and whoever
    acts: groups (cohort), accounts of the market's own (account: holders, treasuries, ...)
    and agents (agent). Each has ``assets``, ``liabilities`` and ``equity``, their
    difference, at the market's prices:

    - a pool owns its reserves and owes them to the holders of its shares or positions;
      what is left is rounding, and what somebody gave to its account besides;
    - a lending market owns its cash and what is borrowed, and owes the receipts (those of
      its treasury too);
    - a group, account or agent owns what it holds and its positions, and owes its debts;
      the equity is its wealth;
    - a protocol that declares itself owns what it holds and owes its tokens, or is owed them
      where they are debts; of one that joined an open market tokens have no price here;
    - the venue owns its inventory; an oracle owns nothing and owes nothing.

    ``value`` is what pictures size a node by: a pool's assets, a lending market's cash (its
    assets less what is borrowed), the equity of whoever acts, the venue's inventory.

    Args:
        market: Any.
        by: "group": the agents of a group are one node, an agent of none its own.
            "account": each agent's account is a node, with its ``group``.
        channels: Which edges to keep, of `CHANNELS`; default: all.

    Returns:
        The graph; its attributes are the block and the numeraire. Protocols, groups and the
        oracles that value collateral are always there, single accounts where they have an
        edge. All attributes are plain, so that it can be written as GraphML.

    Raises:
        ValueError: If `by` or a channel is unknown.
    """
    kept = _known_channels(channels)
    entities = read_entities(market, by)
    graph = nx.MultiDiGraph(block=market.block, numeraire=market.numeraire)
    _add_nodes(market, graph, entities)

    def join(u: str, v: str, weight: float, channel: str) -> None:
        if channel not in kept or u == v or not weight > LEAST:
            return
        if graph.has_edge(u, v, channel):
            graph[u][v][channel]["weight"] += weight
        else:
            graph.add_edge(u, v, channel, weight=weight, channel=channel)

    _join_holders(market, entities, join)
    _join_oracles(market, graph, join)
    if "common" in kept:
        _join_pools(market, join)
    kinds = nx.get_node_attributes(graph, "kind")
    graph.remove_nodes_from([n for n in list(nx.isolates(graph)) if kinds[n] in _SINGLE])
    return graph


_SINGLE = ("account", "agent")
"""Kinds of nodes that are left out where nothing joins them."""


def _known_channels(channels: Iterable[str] | None) -> frozenset[str]:
    if channels is None:
        return frozenset(CHANNELS)
    given = [channels] if isinstance(channels, str) else list(channels)
    for name in given:
        if name not in CHANNELS:
            raise ValueError(f"unknown channel {name!r}; {did_you_mean(str(name), CHANNELS)}")
    return frozenset(given)


def _add_nodes(market: Market, graph: nx.MultiDiGraph, entities: Entities) -> None:
    """Add everybody with what they own and owe."""
    assets, liabilities = assets_and_liabilities(market, entities)
    held = entities.worth.sum(axis=1) + entities.positions.sum(axis=1)
    columns = (held.tolist(), assets.tolist(), liabilities.tolist())
    rows = zip(entities.names, entities.kinds, entities.groups, *columns, strict=True)
    for name, kind, group, value, owned, owed in rows:
        sheet = {"value": value, "assets": owned, "liabilities": owed, "equity": owned - owed}
        graph.add_node(name, kind=kind, **sheet)
        if group:
            graph.nodes[name]["group"] = group


def _join_holders(market: Market, entities: Entities, join: Join) -> None:
    """Join who holds with who issued, and who lent with who owes."""
    issued: dict[str, list[int]] = {name: [] for name in market.pools}
    for token, issuer in enumerate(market.ledger.issuers.values()):
        if issuer:
            issued.setdefault(issuer, []).append(token)
    for issuer, tokens in issued.items():
        worth = entities.worth[:, tokens]
        claims = worth.clip(min=0.0).sum(axis=1)
        if issuer in market.pools:
            claims += entities.positions[:, list(market.pools).index(issuer)]
        debts = -worth.clip(max=0.0).sum(axis=1)
        for e in np.flatnonzero(claims > LEAST):
            join(entities.names[e], issuer, float(claims[e]), "claim")
        for e in np.flatnonzero(debts > LEAST):
            join(issuer, entities.names[e], float(debts[e]), "debt")


def _join_oracles(market: Market, graph: nx.MultiDiGraph, join: Join) -> None:
    """Add the oracles: who trusts them, and what they read."""
    names = list(market.oracles)
    trusted = np.zeros(len(names))
    nothing = dict.fromkeys(("value", "assets", "liabilities", "equity"), 0.0)
    for name, lender in market.lending.items():
        for token in lender.tokens:
            reserve = lender.reserve(token)
            f = int(reserve["feed"])
            if reserve["collateral"]:
                weight = lender.deposits(token) * float(market.world.feeds[f]["price"])
                trusted[f] += weight
                graph.add_node(f"oracle:{names[f]}", kind="oracle", **nothing)
                join(name, f"oracle:{names[f]}", weight, "price")
    pools = list(market.pools)
    for f, (name, oracle) in enumerate(market.oracles.items()):
        if (place := oracle.reads) is not None:
            target = pools[place] if place >= 0 else "venue"
            join(f"oracle:{name}", target, float(trusted[f]), "source")


def _join_pools(market: Market, join: Join) -> None:
    """Join the pools that trade the same token, both ways."""
    values, ledger = market.world.values, market.ledger
    reserves = {name: pool.reserves for name, pool in market.pools.items()}
    for u, mine in reserves.items():
        for v, theirs in reserves.items():
            if u != v:
                tokens = [t for t in mine if t in theirs]
                least = (min(mine[t], theirs[t]) * abs(values[ledger.token(t)]) for t in tokens)
                join(u, v, float(sum(least)), "common")
