"""Who is exposed to whom and why: read off the ledger, and told by protocols where no token tells.

What everybody holds is the ledger's. What is no token, a protocol's handle says
(`sim.handles.Handle`), and nothing here knows a kind of protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from sim.balance_sheets import GROUP, Entities, assets_and_liabilities, read_entities
from sim.errors import did_you_mean

if TYPE_CHECKING:
    from sim.handles import Exposure
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

    - claim: u holds tokens that v issued (shares, receipts), or v owes it what no token
      tells of (a position);
    - debt: v owes u a debt that u issued;
    - price: u values something by v; the weight is what it values;
    - source: v is what u reads; the weight is what others value by u;
    - common: one can trade the same token in u and in v, so that arbitrage carries a price
      move from one to the other; the weight is the lesser of what both hold of it.

    A protocol may declare further channels (`sim.handles.Handle.channels`). Two nodes may be
    joined by several: a pool that holds another's share has a claim on it, and maybe a
    common token with it.

    Nodes are protocols (``kind`` says of which family, as `sim.handles.Handle.family`), the
    venue, and whoever acts: groups (cohort), accounts of the market's own (account: holders,
    treasuries, ...) and agents (agent). Each has ``assets``, ``liabilities`` and ``equity``,
    their difference, at the market's prices:

    - a protocol owns what its account holds and owes its tokens, or is owed them where they
      are debts, and owes the claims on it that are no tokens; what is left is rounding, and
      what somebody gave to its account besides. Of one that joined an open market tokens
      have no price here, and one without an account owns and owes nothing;
    - a group, account or agent owns what it holds and its claims, and owes its debts; the
      equity is its wealth;
    - the venue owns its inventory.

    ``value`` is what pictures size a node by: all that its account holds, less its debts, with
    its claims. Of a protocol that lends that is its cash, its assets less what is borrowed.

    Args:
        market: Any.
        by: "group": the agents of a group are one node; those who joined an open market by
            themselves are a group by their class.
            "account": each agent's account is a node, with its ``group``.
        channels: Which edges to keep, of `CHANNELS` and those that protocols declare;
            default: all.

    Returns:
        The graph; its attributes are the block and the numeraire. Protocols with an account
        and groups are always there, those without one where somebody depends on them,
        single accounts where they have an edge. All attributes are plain, so that it can be
        written as GraphML.

    Raises:
        ValueError: If `by` or a channel is unknown, or a protocol tells of an exposure of
            somebody who is not there, or through a channel that it does not declare.
    """
    known = _channels_of(market)
    kept = _known_channels(channels, known)
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
    _join_told(market, graph, entities, join)
    if "common" in kept:
        _join_traded(market, join)
    kinds = nx.get_node_attributes(graph, "kind")
    graph.remove_nodes_from([n for n in list(nx.isolates(graph)) if kinds[n] in _SINGLE])
    return graph


_SINGLE = ("account", "agent")
"""Kinds of nodes that are left out where nothing joins them."""


def _channels_of(market: Market) -> list[str]:
    """All channels that there may be in a market, each once."""
    declared = (handle.channels for handle in market.protocols.values())
    return list(dict.fromkeys(chain(CHANNELS, *declared)))


def _known_channels(channels: Iterable[str] | None, known: Iterable[str]) -> frozenset[str]:
    if channels is None:
        return frozenset(known)
    given = [channels] if isinstance(channels, str) else list(channels)
    for name in given:
        if name not in known:
            raise ValueError(f"unknown channel {name!r}; {did_you_mean(str(name), known)}")
    return frozenset(given)


def _add_nodes(market: Market, graph: nx.MultiDiGraph, entities: Entities) -> None:
    """Add everybody with what they own and owe."""
    assets, liabilities = assets_and_liabilities(market, entities)
    held = entities.worth.sum(axis=1) + entities.claims.sum(axis=1)
    columns = (held.tolist(), assets.tolist(), liabilities.tolist())
    rows = zip(entities.names, entities.kinds, entities.groups, *columns, strict=True)
    for name, kind, group, value, owned, owed in rows:
        sheet = {"value": value, "assets": owned, "liabilities": owed, "equity": owned - owed}
        graph.add_node(name, kind=kind, **sheet)
        if group:
            graph.nodes[name]["group"] = group


def _join_holders(market: Market, entities: Entities, join: Join) -> None:
    """Join who holds with who issued, and who lent with who owes."""
    issued: dict[str, list[int]] = {}
    for token, issuer in enumerate(market.ledger.issuers.values()):
        if issuer:
            issued.setdefault(issuer, []).append(token)
    for name in entities.owing:
        issued.setdefault(name, [])
    for issuer, tokens in issued.items():
        worth = entities.worth[:, tokens]
        claims = worth.clip(min=0.0).sum(axis=1)
        if issuer in entities.owing:
            claims += entities.claims[:, entities.owing.index(issuer)]
        debts = -worth.clip(max=0.0).sum(axis=1)
        for e in np.flatnonzero(claims > LEAST):
            join(entities.names[e], issuer, float(claims[e]), "claim")
        for e in np.flatnonzero(debts > LEAST):
            join(issuer, entities.names[e], float(debts[e]), "debt")


def _join_told(market: Market, graph: nx.MultiDiGraph, entities: Entities, join: Join) -> None:
    """Join what protocols tell of themselves: first what has a weight, then what passes it on."""
    valued: dict[str, float] = {}
    passed_on: list[Exposure] = []
    for handle in market.protocols.values():
        for edge in handle.exposures():
            if edge.channel not in CHANNELS and edge.channel not in handle.channels:
                text = f"tells of an exposure by {edge.channel!r}; list it in its channels"
                raise ValueError(f"{handle.node} {text}")
            if edge.weight is None:
                passed_on.append(edge)
                continue
            source, target = (
                _node_of(market, graph, entities, name) for name in (edge.source, edge.target)
            )
            if edge.channel == "price":
                valued[target] = valued.get(target, 0.0) + edge.weight
            join(source, target, edge.weight, edge.channel)
    for edge in passed_on:
        if weight := valued.get(edge.source, 0.0):
            target = _node_of(market, graph, entities, edge.target)
            join(edge.source, target, weight, edge.channel)


def _node_of(market: Market, graph: nx.MultiDiGraph, entities: Entities, name: str) -> str:
    """The node that somebody is in: itself or its group; a protocol without account is added.

    Raises:
        ValueError: If nobody is called so.
    """
    if name in graph:
        return name
    if name in market.protocols:
        nothing = dict.fromkeys(("value", "assets", "liabilities", "equity"), 0.0)
        graph.add_node(name, kind=market.protocols[name].family, **nothing)
        return name
    try:
        return entities.names[entities.of[market.ledger.account(name)]]
    except KeyError:
        raise ValueError(f"an exposure names {name!r}, which is no protocol or account") from None


def _join_traded(market: Market, join: Join) -> None:
    """Join those in which one can trade the same token, both ways."""
    values, ledger = market.world.values, market.ledger
    told = ((name, handle.traded()) for name, handle in market.protocols.items())
    reserves = {name: amounts for name, amounts in told if amounts}
    for u, mine in reserves.items():
        for v, theirs in reserves.items():
            if u != v:
                tokens = [t for t in mine if t in theirs]
                least = (min(mine[t], theirs[t]) * abs(values[ledger.token(t)]) for t in tokens)
                join(u, v, float(sum(least)), "common")
