"""The cascade of a run's last shock, event by event, as the network can show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from runs.contagion.cascades import cascades
from runs.contagion.links import DEFAULT, LIQUIDATION, SALE, SHOCK, WITHDRAWAL
from sim import Market, Scenario
from sim.errors import ScenarioError
from sim.names import VENUE
from sim.shown import all_shown, money

MOST_STEPS = 80
"""Steps shown of a cascade: the largest, in their order."""
_SAYS = {
    LIQUIDATION: "{who} liquidated in {where}",
    SALE: "{who} sell {token} in {where}",
    WITHDRAWAL: "{who} withdraw {token} from {where}",
    DEFAULT: "{who} default on {where}",
}


def last_cascade(setup: Scenario, rng: int, blocks: int) -> list[dict[str, Any]]:
    """Run twice more, with and without the last shock, and tell what it has led to.

    An event belongs to the cascade if it does not happen without the shock, or later: the draws
    are the same, so nothing else differs. Its cause is the parent that order names
    (`runs.contagion.cascades`); where that leaves several, the shock itself stands for them.
    Events of one block that are alike are one step.

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
    setup = setup.override({"measures.receipts": "all"})
    market = Market(setup, rng=rng)
    try:
        market.run(blocks)
        if not market.shocks.struck:
            raise ScenarioError([("cascade", "no shock has occurred yet; apply one and continue")])
        since, shock = market.shocks.struck[-1]
        events = cascades(market, reruns=0, since=since).events.to_dict("records")
        unit = market.numeraire
    finally:
        market.close()
    content = setup.to_dict()
    last = max(i for i, one in enumerate(setup.shocks) if one == shock)
    del content["shocks"][last]
    twin = Market(Scenario.from_dict(content), rng=rng)
    try:
        twin.run(blocks)
        without = cascades(twin, reruns=0, since=since).events.to_dict("records")
    finally:
        twin.close()
    place = next((v for _, v in shock if isinstance(v, str) and v in _places(setup)), VENUE)
    return _steps(_only_with(events, without), since, shock, place, unit)


def _places(setup: Scenario) -> set[str]:
    """Names that a shock may have and that are nodes of the network."""
    return {node for shown in all_shown() for node in shown.nodes(setup)} | {*setup.agents}


def _only_with(
    events: Sequence[Mapping[Any, Any]], without: Sequence[Mapping[Any, Any]]
) -> list[Mapping[Any, Any]]:
    """Events that do not happen in another run, or later: the n-th of those alike by the n-th."""
    there: dict[tuple[Any, ...], list[int]] = {}
    for row in without:
        there.setdefault(_alike(row), []).append(row["block"])
    seen: Counter[tuple[Any, ...]] = Counter()
    kept = []
    for row in events:
        key = _alike(row)
        others = there.get(key, [])
        if row["kind"] != SHOCK and (seen[key] >= len(others) or others[seen[key]] > row["block"]):
            kept.append(row)
        seen[key] += 1
    return kept


def _alike(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    return row["kind"], row["entity"], row["protocol"], row["token"]


def _steps(
    rows: Sequence[Mapping[Any, Any]], since: int, shock: Any, place: str, unit: str
) -> list[dict[str, Any]]:
    """The shock, and then the largest of what it led to, in order."""
    node = {row["event"]: _node(row) for row in rows}
    steps: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        who = row["group"] or row["entity"]
        key = (row["block"], row["kind"], who, row["protocol"], row["token"])
        first = {"block": int(row["block"]), "node": node[row["event"]], "size": 0.0, "count": 0}
        first |= {
            "cause": node.get(row["parent"], place),
            "generation": int(row["generation"]) + 1,
        }
        step = steps.setdefault(key, first)
        step["size"] += float(row["size"])
        step["count"] += 1
    for key, step in steps.items():
        step["text"] = _said(key, step["size"], step["count"], unit)
    largest = sorted(steps.values(), key=lambda s: -s["size"])
    chosen = {id(s) for s in largest[: MOST_STEPS - 1]}
    told = {"block": since, "node": place, "cause": "", "generation": 0}
    told["text"] = f"shock: {shock.kind.replace('_', ' ')} at {place}"
    return [told] + [
        {k: s[k] for k in ("block", "node", "cause", "generation", "text")}
        for s in steps.values()
        if id(s) in chosen
    ]


def _node(row: Mapping[Any, Any]) -> str:
    """Where an event is seen: who is hit, or the place that is traded in or withdrawn from."""
    if row["kind"] in (LIQUIDATION, DEFAULT):
        return str(row["group"] or row["entity"])
    return str(row["protocol"] or VENUE)


def _said(key: tuple[Any, ...], size: float, count: int, unit: str) -> str:
    _, kind, who, where, token = key
    what = _SAYS[kind].format(who=who, where=where, token=token)
    return f"{what}, {f'{count} times, ' if count > 1 else ''}{money(size)} {unit}"
