"""Who is exposed to whom, read off the ledger and never declared beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from protocols import oracle
from protocols.handles import ConcentratedPool
from sim.measures import sum_claims, sum_classes, value_tokens

if TYPE_CHECKING:
    from sim.market import Market

LEAST = 1e-6
"""Value in the numeraire below which an exposure is left out."""


def exposure_network(market: Market) -> nx.DiGraph:
    """The exposure network of a market as it stands.

    Nodes are protocols (``kind`` pool, lending, venue, oracle) and classes of agents
    (``kind`` cohort, account), with ``value``: what a protocol holds, what a class owns.
    An edge u -> v says that u loses if v fails; its ``weight`` is what u can lose, in
    the numeraire, and its ``channel`` says why:

    - claim: u holds tokens that v issued (shares, receipts), or a position in it;
    - debt: v, a class, owes u, a lending market;
    - price: u, a lending market, values collateral by oracle v; the weight is the
      collateral;
    - source: oracle u reads v; the weight is the collateral that hangs on it;
    - common: pools u and v trade the same token, so that arbitrage carries a price
      move from one to the other; the weight is the lesser of what both hold of it.
    """
    w = market.world
    value_tokens(w)
    sum_classes(w)
    ledger, values = market.ledger, w.values
    graph = nx.DiGraph(block=market.block, numeraire=market.numeraire)

    def worth(row: int) -> float:
        return float(ledger.balances[row] @ values)

    for name in market.pools:
        graph.add_node(name, kind="pool", value=worth(ledger.account(name)))
    for name in market.lending:
        graph.add_node(name, kind="lending", value=worth(ledger.account(name)))
    graph.add_node("venue", kind="venue", value=worth(ledger.account("venue")))
    holders = [(name, "cohort", w.sums[c]) for c, name in enumerate(market.cohorts)]
    for name in market.special_accounts:
        if name != "venue":
            holders.append((name, "account", ledger.balances[ledger.account(name)]))
    holders += [(n, "", ledger.balances[ledger.account(n)]) for n in graph if n != "venue"]

    def join(u: str, v: str, weight: float, channel: str) -> None:
        if u == v or not weight > LEAST:
            return
        if graph.has_edge(u, v):
            graph[u][v]["weight"] += weight
        else:
            graph.add_edge(u, v, weight=weight, channel=channel)

    sum_claims(w)
    rows = [*market.cohorts, *market.special_accounts]
    for name, kind, holdings in holders:
        if kind:
            claims = w.claims[rows.index(name)]
            graph.add_node(name, kind=kind, value=float((holdings + claims) @ values))
        for token, issuer in ledger.issuers.items():
            if issuer:
                column = ledger.token(token)
                value = float(holdings[column] * values[column])
                if value < 0.0:
                    join(issuer, name, -value, "debt")
                else:
                    join(name, issuer, value, "claim")
    for pool in market.pools.values():
        if isinstance(pool, ConcentratedPool):
            for position in pool.positions().to_dict("records"):
                worth_now = sum(position[t] * float(values[ledger.token(t)]) for t in pool.tokens)
                join(_class_of(market, str(position["owner"])), pool.name, worth_now, "claim")
    _join_oracles(market, graph, join)
    for u, pool in market.pools.items():
        for v, other in market.pools.items():
            if u != v:
                common = 0.0
                for token in set(pool.tokens) & set(other.tokens):
                    least = min(pool.reserves[token], other.reserves[token])
                    common += least * abs(values[ledger.token(token)])
                join(u, v, common, "common")
    graph.remove_nodes_from([n for n in list(nx.isolates(graph)) if n in market.special_accounts])
    return graph


def _class_of(market: Market, account: str) -> str:
    """Node of an account: its cohort, or itself."""
    row = market.ledger.account(account)
    for name, cohort in market.cohorts.items():
        if cohort.first <= row < cohort.first + len(cohort):
            return name
    return account


def _join_oracles(market: Market, graph: nx.DiGraph, join: object) -> None:
    """Add the oracles: who trusts them, and what they read."""
    names = list(market.oracles)
    trusted = np.zeros(len(names))
    for name, lender in market.lending.items():
        for token in lender.tokens:
            reserve = lender.reserve(token)
            f = int(reserve["feed"])
            if reserve["collateral"]:
                weight = lender.deposits(token) * float(market.world.feeds[f]["price"])
                trusted[f] += weight
                graph.add_node(f"oracle:{names[f]}", kind="oracle", value=0.0)
                join(name, f"oracle:{names[f]}", weight, "price")  # type: ignore[operator]
    pools = list(market.pools)
    for f, name in enumerate(names):
        if trusted[f] > 0.0:
            feed = market.world.feeds[f]
            source = int(feed["source"])
            reads_pool = source in (oracle.POOL_SPOT, oracle.POOL_TWAP, oracle.SHARE)
            if reads_pool and not feed["exogenous"]:
                target = pools[int(feed["pool"])]
            else:
                target = "venue"
            if source != oracle.FIXED:
                join(f"oracle:{name}", target, trusted[f], "source")  # type: ignore[operator]
