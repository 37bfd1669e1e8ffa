"""The cascade of a run's last shock, event by event, as the network can show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs.contagion.cascades import cascades
from runs.contagion.links import DEFAULT, LIQUIDATION, SALE, SHOCK, WITHDRAWAL
from sim import Market, Scenario
from sim.errors import ScenarioError
from sim.names import VENUE
from sim.shown import money

MOST_STEPS = 80
"""Steps shown of a cascade: the largest, in their order."""
RERUNS = 8
"""Runs without a shock or a group that are made to name parents, those that the most ask for."""
_SAYS = {
    LIQUIDATION: "{who} liquidated in {where}",
    SALE: "{who} sell {token} in {where}",
    WITHDRAWAL: "{who} withdraw {token} from {where}",
    DEFAULT: "{who} default on {where}",
}


def last_cascade(setup: Scenario, rng: int, blocks: int) -> list[dict[str, Any]]:
    """Run again and trace what the last shock led to.

    Parents are those that `runs.contagion.cascades` names with a few runs of its own; what would
    ask for more is left out. Events of one block that are alike are one step.

    Args:
        setup: From `LiveMarket.as_scenario`.
        rng: Seed.
        blocks: How many blocks to make.

    Returns:
        Steps in order: block, node (of the network, where it happens), cause (node of the parent;
        "": none), text, and generation.

    Raises:
        ScenarioError: If no shock has struck, so that there is nothing to trace.
    """
    market = Market(setup.override({"measures.receipts": "all"}), rng=rng)
    try:
        market.run(blocks)
        if not market.shocks.struck:
            raise ScenarioError([("cascade", "no shock has struck yet; strike one and go on")])
        since = market.shocks.struck[-1][0]
        events = cascades(market, reruns=RERUNS, since=since).events
        unit = market.numeraire
    finally:
        market.close()
    rows = events.to_dict("records")
    roots = [r["event"] for r in rows if r["kind"] == SHOCK and r["block"] == since]
    node = {row["event"]: _node(row) for row in rows}
    steps: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        if row["root"] not in roots:
            continue
        who = row["group"] or row["entity"]
        key = (row["block"], row["kind"], who, row["protocol"], row["token"])
        step = steps.setdefault(
            key,
            {
                "block": int(row["block"]),
                "node": node[row["event"]],
                "cause": node.get(row["parent"], ""),
                "generation": int(row["generation"]),
                "size": 0.0,
                "count": 0,
            },
        )
        step["size"] += float(row["size"])
        step["count"] += 1
    for key, step in steps.items():
        step["text"] = _said(key, step["size"], step["count"], unit)
    largest = sorted(steps.values(), key=lambda s: -s["size"])
    shocks = [s for key, s in steps.items() if key[1] == SHOCK]
    chosen = {id(s) for s in [*shocks, *largest][:MOST_STEPS]}
    kept = [s for s in steps.values() if id(s) in chosen]
    return [{k: s[k] for k in ("block", "node", "cause", "text", "generation")} for s in kept]


def _node(row: Mapping[Any, Any]) -> str:
    """Where an event is seen: who is hit, or the place that is traded in or withdrawn from."""
    if row["kind"] in (LIQUIDATION, DEFAULT):
        return str(row["group"] or row["entity"])
    return str(row["protocol"] or VENUE)


def _said(key: tuple[Any, ...], size: float, count: int, unit: str) -> str:
    _, kind, who, where, token = key
    if kind == SHOCK:
        return f"shock: {who.replace('_', ' ')} at {where}"
    what = _SAYS[kind].format(who=who, where=where, token=token)
    return f"{what}, {f'{count} times, ' if count > 1 else ''}{money(size)} {unit}"
