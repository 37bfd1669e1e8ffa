"""What the page shows, as plain data read off a market: no browser, no widget."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import networkx as nx
import numpy as np
import pandas as pd

from runs.app.live import LiveMarket
from runs.app.past import Past, plain
from runs.report.network import everybody, heads, looks, places
from runs.report.page import money
from runs.report.report import prices_of
from sim import Market
from sim.losses import CAUSES, TOTAL, accounted
from sim.measures import sum_classes, value_tokens
from sim.parts import parts
from sim.shown import (
    Chart,
    Histogram,
    Look,
    Scale,
    State,
    Table,
    Watched,
    all_shown,
    shown_by_node,
)

_X = (160.0, 335.0, 510.0, 655.0)
"""Columns of the network, as `sim.shown.Place` has them."""
_WIDTH = 720.0
_TOP = 34.0
_ROW, _ROW_OF_AGENTS = 86.0, 44.0
"""Agents have their names beside them, all others below."""
_LEAST_ROWS = 5


def number(value: float) -> str:
    """A number as a table shows it: five digits, large ones short."""
    if value != value:
        return "–"
    if abs(value) >= 1e6:
        return money(value)
    return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:,.5g}"


def plain_numbers(values: Sequence[float]) -> list[float | None]:
    """Numbers for JSON: six digits, and None for what is no finite number."""
    return plain(np.array([values]))[0] if values else []


def past_of(market: Market) -> Past:
    """The past of a market; of one that is not watched, from all its collected rows."""
    if isinstance(market, LiveMarket):
        return market.past
    collector = market.datacollector
    past = Past([m.name for m in collector.measures])
    past.take(collector.table)
    return past


def watched(market: Market) -> Watched:
    """A market with what is known of its measures, as kinds of protocol ask for it."""
    return Watched(
        market, lambda name: _now(market, name), lambda name: past_of(market).values(name)
    )


# The network


_LAYOUTS: WeakKeyDictionary[Market, dict[str, Any]] = WeakKeyDictionary()


def network_layout(market: Market) -> dict[str, Any]:
    """Places of the nodes, which depend on the opening state alone and then stay."""
    if market in _LAYOUTS:
        return _LAYOUTS[market]
    graph = everybody(market.exposure(), market.setup)
    place, look = places(graph, market.setup), looks(graph, market.setup)
    filled = Counter(column for column, _ in place.values())
    rows = {column: _ROW if column else _ROW_OF_AGENTS for column in filled}
    tall = max([filled[c] * rows[c] for c in filled] + [_ROW * _LEAST_ROWS])
    nodes = [
        {
            "name": name,
            "label": name.removeprefix(look[name].prefix),
            "kind": data["kind"],
            "scale": _scale(look[name]),
            "column": place[name][0],
            "x": _X[place[name][0]],
            "y": round(_TOP + tall * place[name][1] - (0 if place[name][0] == 0 else 14), 1),
            "light": look[name].light or look[name].colour,
            "dark": look[name].dark or look[name].light or look[name].colour,
        }
        for name, data in graph.nodes(data=True)
    ]
    above = [{"text": text, "x": _X[c]} for c, text in heads(look.values()).items()]
    scales = dict.fromkeys(one.scale for one in look.values() if one.scale is not None)
    legend = [_spoken(s) for s in scales]
    size = {"width": _WIDTH, "height": _TOP + tall}
    _LAYOUTS[market] = size | {"nodes": nodes, "heads": above, "scales": legend}
    return _LAYOUTS[market]


def _scale(look: Look) -> dict[str, Any] | None:
    """What the colour of a node says, for the page."""
    scale = look.scale
    return None if scale is None else {"most": scale.most, "diverging": scale.diverging}


def _spoken(scale: Scale) -> dict[str, Any]:
    """A scale as the legend has it: what it is, and what its ends and middle are."""
    most = f"{100.0 * scale.most:.0f}"
    if scale.diverging:
        ends = ["−100", f"−{most}", "0", f"+{most}", "+100 %"]
    else:
        ends = ["0", f"{most} %"]
    return {"text": scale.label, "diverging": scale.diverging, "ends": ends}


def network_state(market: Market, flows: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """How the nodes and edges are now.

    Args:
        market: Any.
        flows: Value moved between two nodes since the last frame, numeraire.

    Returns:
        nodes by name (r in pixels, tone, distress in [0, 1], text, title) and edges
        (u, v, channel, weight, width in pixels, flash in [0, 1], title).
    """
    states = node_states(market)
    graph, look, unit = _graph(market), _look(market), market.numeraire
    values = {n: abs(d["value"]) for n, d in graph.nodes(data=True) if d["kind"] != "venue"}
    largest = max((v for v in values.values() if v == v), default=0.0) or 1.0
    nodes = {}
    for name, (kind, (tone, distress, text, about)) in states.items():
        share = min(values.get(name, 0.0) / largest, 1.0)
        radius = 13.0 if kind == "venue" else 6.0 + 12.0 * math.sqrt(share)
        label = name.removeprefix(look[name].prefix)
        nodes[name] = {
            "r": round(radius, 1),
            "tone": None if tone is None else round(tone, 4),
            "distress": round(distress, 3),
            "text": text,
            "title": f"{label}: {about}",
        }
    edges: dict[tuple[str, str, str], dict[str, Any]] = {}
    first: dict[tuple[str, str], tuple[str, str, str]] = {}
    heaviest = max((d["weight"] for _, _, d in graph.edges(data=True)), default=1.0)
    for u, v, data in graph.edges(data=True):
        if data["channel"] == "common" and (v, u, "common") in edges:
            continue
        channel = "price" if data["channel"] == "source" else data["channel"]
        weight = float(data["weight"])
        first.setdefault((u, v), (u, v, data["channel"]))
        edges[u, v, data["channel"]] = {
            "channel": channel,
            "weight": weight,
            "width": round(1.0 + 7.0 * math.sqrt(weight / heaviest), 1),
            "title": f"{u} → {v}: {data['channel']}, {money(weight)} {unit}",
        }
    busiest = max(flows.values(), default=0.0)
    flash: dict[tuple[str, str, str], float] = {}
    moved: dict[tuple[str, str, str], list[str]] = {}
    along: dict[tuple[str, str, str], float] = {}
    for (u, v), amount in flows.items():
        if not amount > 0.0 or u not in graph or v not in graph:
            continue
        key = first.get((u, v)) or first.get((v, u))
        if key is None:
            key = first[u, v] = (u, v, "flow")
            edges[key] = {"channel": "flow", "weight": 0.0, "width": 1.0, "title": ""}
        flash[key] = flash.get(key, 0.0) + 0.25 + 0.7 * math.sqrt(amount / busiest)
        along[key] = along.get(key, 0.0) + (amount if (u, v) == key[:2] else -amount)
        moved.setdefault(key, []).append(f"{u} → {v}: {money(amount)} {unit} in the last frame")
    rows = [
        {
            "u": key[0],
            "v": key[1],
            "flash": round(min(flash.get(key, 0.0), 0.95), 2),
            "back": along.get(key, 0.0) < 0.0,
        }
        | edge
        | {"title": "\n".join(filter(None, [edge["title"], *moved.get(key, [])]))}
        for key, edge in edges.items()
    ]
    return {"nodes": nodes, "edges": rows}


def exposures_of(market: Market, node: str) -> list[dict[str, str]]:
    """Edges of a node: towards or from whom, by which channel, and how much; largest first."""
    node_states(market)
    graph, unit = _graph(market), market.numeraire
    edges = [(f"on {v}", d) for _, v, d in graph.out_edges(node, data=True)]
    edges += [(f"of {u}", d) for u, _, d in graph.in_edges(node, data=True)]
    edges.sort(key=lambda edge: -float(edge[1]["weight"]))
    return [
        {"whom": whom, "channel": d["channel"], "amount": f"{money(float(d['weight']))} {unit}"}
        for whom, d in edges
    ]


class _Moment(NamedTuple):
    """What was read of a market after a block, for all that show it."""

    block: int
    graph: nx.MultiDiGraph
    look: dict[str, Look]
    states: dict[str, tuple[str, State]]


_MOMENTS: WeakKeyDictionary[Market, _Moment] = WeakKeyDictionary()


def node_states(market: Market) -> dict[str, tuple[str, State]]:
    """Kind and state of each node of the network as it is now, by name."""
    known = _MOMENTS.get(market)
    if known is not None and known.block == market.block:
        return known.states
    graph = everybody(market.exposure(), market.setup)
    look, owners, seen = looks(graph, market.setup), shown_by_node(market.setup), watched(market)
    states = {}
    for name, data in graph.nodes(data=True):
        value, kind = float(data["value"]), str(data["kind"])
        if name in owners:
            states[name] = kind, owners[name].state(seen, name, value)
        else:
            states[name] = kind, _state(market, name, kind, value)
    _MOMENTS[market] = _Moment(market.block, graph, look, states)
    return states


def _graph(market: Market) -> nx.MultiDiGraph:
    return _MOMENTS[market].graph


def _look(market: Market) -> dict[str, Look]:
    return _MOMENTS[market].look


def _state(market: Market, name: str, kind: str, value: float) -> State:
    """How a node is that is no protocol of a kind."""
    unit = market.numeraire
    if kind == "cohort":
        cohort = market.cohorts[name]
        start = float(market.world.start_worth[cohort.ident])
        lost = max(1.0 - value / start, 0.0) if start > 0.0 and value == value else 0.0
        about = (
            f"{len(cohort):,} agents of kind {market.setup.agents[name].kind}, wealth "
            f"{money(value)} {unit}, distress: {100.0 * lost:.1f} % of wealth lost"
        )
        return State(None, min(lost, 1.0), f"{len(cohort):,} · {money(value)} {unit}", about)
    if kind == "venue":
        prices = ", ".join(f"{a} {market.price(a):,.4g}" for a in market.venue.names)
        return State(None, 0.0, "outside venue", f"outside venue, {prices} {unit}")
    return State(None, 0.0, f"{money(value)} {unit}", f"{money(value)} {unit}")


def _now(market: Market, measure: str) -> float:
    if isinstance(market, LiveMarket):
        return market.past.last(measure)
    if measure in market.datacollector.reporters:
        return float(market.datacollector.reporters[measure](market))
    table, names = market.datacollector.table, [m.name for m in market.measures]
    return float(table[-1, 1 + names.index(measure)]) if len(table) and measure in names else np.nan


# Charts


def charts(market: Market) -> list[Chart]:
    """The charts of a market, those first that are asked for first."""
    setup, unit = market.setup, market.numeraire
    found = []
    for asset, settings in setup.venue.assets.items():
        if settings.process != "constant":
            found.append(Chart(f"Price of {asset}", unit, prices_of(setup, asset)))
    for shown in all_shown():
        found += shown.charts(setup)
    lines = {"mean bid of others": "gas.mean", "base fee": "gas.base_fee"}
    if setup.switches.gas_binds:
        found.append(Chart("Gas price", "gwei", lines, log=True))
    lines = {c: f"loss.{c}" for c in setup.agents}
    if lines:
        found.append(Chart("Losses by class", f"{unit} since the start", lines, "money"))
    return found


def history_of(market: Market, node: str) -> list[Chart]:
    """Charts of one node of the network."""
    unit, name = market.numeraire, node
    owner = shown_by_node(market.setup).get(node)
    if owner is not None:
        return owner.history(market.setup, node)
    if node in market.cohorts:
        lines = {"wealth": f"wealth.{name}"}
        result = {"against holding": f"result.{name}"}
        return [
            Chart(f"{name}: wealth", unit, lines, "money"),
            Chart(f"{name}: result", f"{unit} since the start", result, "money"),
        ]
    if node == "venue":
        assets = market.venue.names
        lines = {a: f"venue.{a}.volatility" for a in assets}
        depths = {a: f"venue.{a}.depth" for a in assets}
        return [
            Chart("venue: depth", f"{unit} for 1 %", depths, "money"),
            Chart("venue: volatility", "per root year", lines),
        ]
    return [Chart(f"{name}: wealth", unit, {"wealth": f"wealth.{name}"}, "money")]


def marks(market: Market) -> list[dict[str, Any]]:
    """Where shocks have struck: block and label."""
    return [{"block": block, "label": spoken(shock)} for block, shock in market.shocks.struck]


def spoken(shock: Any) -> str:
    """A shock in words."""
    name = shock.kind.replace("_", " ")
    parts = []
    for field, value in shock:
        if field in ("kind", "block", "at") or value is None:
            continue
        if field == "blocks":
            parts.append(f"{value:,} blocks" if value > 1 else "")
        elif field in ("size", "share"):
            parts.append(f"{100.0 * value:+.0f} %" if field == "size" else f"{100.0 * value:.0f} %")
        elif field == "multiple":
            parts.append(f"x {value:g}")
        elif field == "target":
            parts.append(f"at {value}")
        else:
            parts.append(f"{value:,.4g}" if isinstance(value, float) else str(value))
    return " ".join([name, *filter(None, parts)])


# Agents


def histograms(market: Market) -> list[Histogram]:
    """The distributions that are shown of a market."""
    return [one for shown in all_shown() for one in shown.histograms(market.setup)]


def histogram(market: Market, about: Histogram) -> dict[str, Any]:
    """A distribution as it stands.

    Returns:
        edges float[n + 1] of the bins, count int[n] in them, the last bin open; total, and
        how many of them are below the limit.
    """
    values = about.values(market)
    edges = np.linspace(about.low, about.high, about.bins + 1)
    count, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return {
        "edges": [round(float(e), 3) for e in edges],
        "count": count.tolist(),
        "total": len(values),
        "below": int((values < about.limit).sum()),
    }


def tables(market: Market) -> list[Table]:
    """The tables of accounts that are shown of a market."""
    return [one for shown in all_shown() for one in shown.tables(market.setup)]


def classes(market: Market) -> list[dict[str, Any]]:
    """Each group of agents: how many, how wealthy, what they lost and how they did."""
    w = market.world
    value_tokens(w)
    sum_classes(w)
    found = []
    for name, cohort in market.cohorts.items():
        wealth = _now(market, f"wealth.{name}")
        if wealth != wealth:  # before the first block
            wealth = float(w.start_worth[cohort.ident])
        found.append(
            {
                "name": name,
                "kind": market.setup.agents[name].kind,
                "count": len(cohort),
                "wealth": wealth,
                "loss": _now(market, f"loss.{name}"),
                "result": _now(market, f"result.{name}"),
            }
        )
    return found


def losses(market: Market) -> list[dict[str, Any]]:
    """What every entity has gained or lost against holding, and what made it, largest first.

    Empty where no account of losses is kept (``measures.losses``).
    """
    if not accounted(market.world):
        return []
    frame = market.losses()
    frame = frame[frame[CAUSES].abs().sum(axis=1) > 0.0].copy()
    # What rounding has left of amounts that cancel is nothing.
    grain = 1e-9 * float(frame[CAUSES].abs().to_numpy().max(initial=0.0))
    frame[CAUSES] = frame[CAUSES].where(frame[CAUSES].abs() > grain, 0.0)
    order = frame[TOTAL].abs().sort_values(ascending=False, kind="stable").index
    return _records(frame.loc[order])


def may_default(market: Market) -> bool:
    """Whether anything in a market tells of accounts that fail."""
    return any(part.tells_defaults(market) for part in parts())


def defaults(market: Market) -> list[dict[str, Any]]:
    """Accounts that failed, the latest first; see `sim.market.Market.defaults`."""
    return _records(market.defaults().iloc[::-1])


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def agent_card(market: Market, account: str) -> dict[str, Any]:
    """All about one agent: wealth, wallet, positions, its numbers and its last receipts.

    Raises:
        KeyError: If there is no such account.
    """
    ledger, unit = market.ledger, market.numeraire
    row = ledger.account(account)
    cohort = next(
        (c for c in market.cohorts.values() if c.first <= row < c.first + len(c)),
        None,
    )
    facts = [("wealth", f"{money(market.wealth(row))} {unit}")]
    for shown in all_shown():
        facts += shown.of_account(market, row)
    held = ledger.balances[row]
    for i, token in enumerate(ledger.tokens):
        if held[i] != 0.0:
            value = abs(held[i] * market.world.values[i])
            facts.append((token, f"{number(held[i])} ({money(value)} {unit})"))
    numbers = []
    if cohort is not None:
        for column, about in cohort.columns.items():
            values = np.atleast_1d(cohort.number(row - cohort.first, column))
            text = ", ".join(number(float(value)) for value in values)
            numbers.append((column.replace("_", " "), text, about.unit, about.doc))
    receipts: list[list[Any]] = []
    if isinstance(market, LiveMarket) and market.followed == row and market.seen:
        seen = market.receipt_book.frame(np.array(list(market.seen)))
        for r in seen.iloc[::-1].to_dict("records"):
            what = f"{r['kind']} {r['protocol']}".replace("_", " ")
            if r["sender"] != account:
                what += f" by {r['sender']}"
            amounts = f"{number(r['amount_in'])} {r['token_in']} → "
            amounts += f"{number(r['amount_out'])} {r['token_out']}"
            status = r["status"] if r["status"] == "done" else r["reason"]
            receipts.append([int(r["block"]), what, amounts, str(status)])
    kind = market.setup.agents[cohort.name].kind if cohort is not None else "account"
    return {
        "account": account,
        "kind": kind,
        "facts": facts,
        "numbers": numbers,
        "receipts": receipts,
    }


def trail_of(market: Market, account: str) -> list[Chart]:
    """Charts of an agent since it is followed; none where it is not."""
    if not isinstance(market, LiveMarket) or market.followed != market.ledger.account(account):
        return []
    return [
        Chart(f"{account}: {t.title}", t.unit, {t.title: t.measure}, t.format)
        for t in market.trails
    ]


def title_of(market: Market, node: str) -> str:
    """A node's name as its card has it: oracle eth."""
    owner = shown_by_node(market.setup).get(node)
    prefix = owner.look_of(market.setup, node).prefix if owner is not None else ""
    return f"{prefix[:-1]} {node.removeprefix(prefix)}" if prefix else node


def node_facts(market: Market, node: str) -> list[tuple[str, str]]:
    """The state of a node of the network, as (what, value)."""
    unit = market.numeraire
    owner = shown_by_node(market.setup).get(node)
    if owner is not None:
        return owner.facts(watched(market), node)
    if node in market.cohorts:
        row = next(c for c in classes(market) if c["name"] == node)
        facts = [("kind", row["kind"].replace("_", " ")), ("agents", f"{row['count']:,}")]
        facts += [(what, f"{money(row[what])} {unit}") for what in ("wealth", "loss")]
        facts.append(("against holding", f"{money(row['result'])} {unit}"))
        return facts
    if node == "venue":
        facts = []
        for asset in market.venue.names:
            depth = _now(market, f"venue.{asset}.depth")
            text = f"{market.price(asset):,.6g} {unit}"
            text += f", depth {money(depth)} {unit} for 1 %" if math.isfinite(depth) else ""
            facts.append((asset, text))
        return facts
    return [("wealth", f"{money(market.wealth(node))} {unit}")]


# At the top


IN_DANGER = 0.25
"""Distress from which on a node is named at the top."""
_NAMED = 2
_RECENT = 100
"""Blocks for which a shock is told of at the top."""


def news(market: Market) -> tuple[str, str]:
    """What is going on, and who is in danger, a sentence each; "": nobody is."""
    said = []
    first = next((a for a in market.venue.names), None)
    if first is not None:
        past = past_of(market).values(f"venue.{first}.price")
        price = market.price(first)
        said.append(f"{first} {price:,.4g} {market.numeraire}")
        if len(past) and past[0] > 0.0:
            moved = f"{100.0 * (price / past[0] - 1.0):+.1f} %"  # since the start
            said[-1] = f"{first} {moved} to {price:,.4g} {market.numeraire}"
    struck = market.shocks.struck
    recent = bool(struck) and market.block - struck[-1][0] < _RECENT
    counted = [f for shown in all_shown() for f in shown.headline(market)]
    told = [" ".join(filter(None, f[1:] + f[:1])) for f in counted if f.value != "0"]
    if recent:
        said.append(f"{spoken(struck[-1][1])} in block {struck[-1][0]:,}")
    else:
        said += told[:1]
    ranked = sorted(
        ((state.distress, name) for name, (_, state) in node_states(market).items()),
        key=lambda found: -found[0],
    )
    ill = [
        f"{title_of(market, name)} {100.0 * share:.0f} %"
        for share, name in ranked
        if share >= IN_DANGER
    ]
    more = f" and {len(ill) - _NAMED} more" if len(ill) > _NAMED else ""
    danger = f"In distress: {', '.join(ill[:_NAMED])}{more}." if ill else ""
    return "; ".join(said) + ".", danger


def headline(market: Market) -> list[dict[str, str]]:
    """The figures at the top of the page: label, value, unit."""
    unit = market.numeraire
    value_tokens(market.world)
    locked = 0.0
    for handle in market.protocols.values():
        if handle.account >= 0 and handle.name not in market.special_accounts:
            held = market.ledger.balances[handle.account]
            locked += float(held @ market.world.values)
    found = [{"label": "value locked", "value": money(locked), "unit": unit}]
    first = next((a for a in market.venue.names), None)
    if first is not None:
        price = f"{market.price(first):,.6g}"
        found.insert(0, {"label": f"price of {first}", "value": price, "unit": unit})
    for shown in all_shown():
        found += [figure._asdict() for figure in shown.headline(market)]
    if market.setup.switches.gas_binds:
        gas = float(market.world.chain[0]["mean_gas_price"])
        found.append({"label": "gas", "value": f"{gas:,.3g}", "unit": "gwei"})
        waiting = int(market.world.chain[0]["waiting"])
        found.append({"label": "pending", "value": f"{waiting:,}", "unit": "calls"})
    return found


# The twin


def differences(market: LiveMarket) -> list[dict[str, Any]]:
    """Headline measures of a market and its twin, with their differences."""
    twin = market.twin
    if twin is None:
        return []
    names: list[tuple[str, str]] = []
    names += [(f"price of {a}", f"venue.{a}.price") for a in market.venue.names[:2]]
    for shown in all_shown():
        names += shown.compared(market.setup)
    names += [(f"loss of {c}", f"loss.{c}") for c in market.cohorts]
    rows = []
    for text, name in names:
        here, there = market.past.last(name), twin.past.last(name)
        if here == here or there == there:
            rows.append({"what": text, "here": here, "twin": there, "difference": here - there})
    return rows


def difference_chart(market: LiveMarket) -> Chart:
    """Losses by class: those here less those in the twin."""
    lines = {c: f"loss.{c}" for c in market.cohorts}
    return Chart("Loss difference, this run minus twin", market.numeraire, lines, "money")


def difference_rows(
    market: LiveMarket, names: Sequence[str], start: int
) -> list[list[float | None]]:
    """Points of the differences between a market and its twin, as `Past.rows`."""
    twin = market.twin
    if twin is None:
        return []
    n = min(len(market.past), len(twin.past))
    table = np.full((n - start, 1 + 2 * len(names)), np.nan)
    table[:, 0] = market.past.blocks()[start:n]
    for i, name in enumerate(names):
        gap = market.past.values(name)[start:n] - twin.past.values(name)[start:n]
        table[:, 1 + 2 * i] = table[:, 2 + 2 * i] = gap
    return plain(table)
