"""What the page shows, as plain data read off a market: no browser, no widget."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from protocols.lending import standing
from runs.app.live import TRAIL, LiveMarket
from runs.app.past import Past, plain
from runs.report.cascade import GENERATIONS
from runs.report.network import HEADS, everybody, places
from runs.report.page import money
from sim import Market
from sim.measures import sum_classes, value_tokens

IMBALANCE = 0.1
"""Imbalance at which a pool has its full colour."""
_MISPRICED = 0.05
"""Gap to the venue's price that counts as full distress of an oracle."""
_X = (110.0, 400.0, 690.0, 920.0)
_ROW = 86.0
_LIGHT = {"cohort": "#66a182", "account": "#b8c1cc", "oracle": "#edae49", "venue": "#5c6b8a"}
_DARK = {"cohort": "#5b9c7b", "account": "#667380", "oracle": "#d99b34", "venue": "#7d8fb3"}


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


# The network


_LAYOUTS: WeakKeyDictionary[Market, dict[str, Any]] = WeakKeyDictionary()


def network_layout(market: Market) -> dict[str, Any]:
    """Places of the nodes, which depend on the opening state alone and then stay."""
    if market in _LAYOUTS:
        return _LAYOUTS[market]
    graph = everybody(market.exposure(), market.setup)
    place = places(graph, market.setup)
    filled = Counter(column for column, _ in place.values())
    rows = max(filled.values())
    nodes = [
        {
            "name": name,
            "label": name.removeprefix("oracle:"),
            "kind": data["kind"],
            "x": _X[place[name][0]],
            "y": round(46.0 + _ROW * rows * place[name][1], 1),
            "light": _LIGHT.get(data["kind"], "#c9d2da"),
            "dark": _DARK.get(data["kind"], "#51606c"),
        }
        for name, data in graph.nodes(data=True)
    ]
    heads = [{"text": t, "x": x} for t, x, c in zip(HEADS, _X, range(4), strict=True) if filled[c]]
    size = {"width": 1000.0, "height": 66.0 + _ROW * rows, "imbalance": IMBALANCE}
    _LAYOUTS[market] = size | {"nodes": nodes, "heads": heads}
    return _LAYOUTS[market]


def network_state(market: Market, flows: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """How the nodes and edges are now.

    Args:
        market: Any.
        flows: Value moved between two nodes since the last frame, numeraire.

    Returns:
        nodes by name (r in pixels, tone, distress in [0, 1], text, title) and edges
        (u, v, channel, weight, width in pixels, flash in [0, 1], title).
    """
    graph = everybody(market.exposure(), market.setup)
    unit = market.numeraire
    values = {n: abs(d["value"]) for n, d in graph.nodes(data=True) if d["kind"] != "venue"}
    largest = max((v for v in values.values() if v == v), default=0.0) or 1.0
    nodes = {}
    for name, data in graph.nodes(data=True):
        tone, distress, text, about = _node(market, name, data)
        share = min(values.get(name, 0.0) / largest, 1.0)
        radius = 16.0 if data["kind"] == "venue" else 7.0 + 17.0 * math.sqrt(share)
        label = name.removeprefix("oracle:")
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
            "width": round(1.0 + 8.0 * math.sqrt(weight / heaviest), 1),
            "title": f"{u} → {v}: {data['channel']}, {money(weight)} {unit}",
        }
    busiest = max(flows.values(), default=0.0)
    flash: dict[tuple[str, str, str], float] = {}
    for (u, v), amount in flows.items():
        if not amount > 0.0 or u not in graph or v not in graph:
            continue
        key = first.get((u, v)) or first.get((v, u))
        if key is None:
            key = first[u, v] = (u, v, "flow")
            edges[key] = {"channel": "flow", "weight": 0.0, "width": 1.0, "title": f"{u} → {v}"}
        flash[key] = flash.get(key, 0.0) + 0.25 + 0.7 * math.sqrt(amount / busiest)
    rows = [
        {"u": key[0], "v": key[1], "flash": round(min(flash.get(key, 0.0), 0.95), 2)} | edge
        for key, edge in edges.items()
    ]
    return {"nodes": nodes, "edges": rows}


def _node(
    market: Market, name: str, data: Mapping[str, Any]
) -> tuple[float | None, float, str, str]:
    """Tone (None: the kind's own colour), distress, the line under its name, and the title."""
    unit, kind, value = market.numeraire, data["kind"], float(data["value"])
    if kind == "pool":
        off, depth = _now(market, f"pool.{name}.imbalance"), _depth_left(market, name)
        halted = bool(market.pools[name].record["halted"][0])
        gone = 1.0 if halted else max(1.0 - depth, 0.0)
        text = "halted" if halted else f"{money(value)} {unit}"
        about = (
            f"{market.setup.pools[name].kind} pool, {money(value)} {unit}, "
            f"imbalance {100.0 * off:+.1f} %, distress: {100.0 * gone:.0f} % of its depth gone"
        )
        return (0.0 if off != off else off), gone, text, about
    if kind == "lending":
        lender = market.lending[name]
        used = max((lender.utilisation(t) for t in lender.tokens if lender.debts(t)), default=0.0)
        debt = _now(market, f"lending.{name}.debt")
        endangered = _now(market, f"lending.{name}.endangered")
        risk = min(endangered / debt, 1.0) if debt > 0.0 and endangered == endangered else 0.0
        about = (
            f"{money(value)} {unit} of cash, utilisation {100.0 * used:.0f} %, "
            f"distress: {100.0 * risk:.0f} % of its debt endangered by a fall of 10 %"
        )
        return used, risk, f"{100.0 * used:.0f} % lent", about
    if kind == "oracle":
        name = name.removeprefix("oracle:")
        feed = market.oracles[name]
        price, outside = float(feed.record["price"][0]), market.price(feed.token)
        gap = price / outside - 1.0 if outside > 0.0 else 0.0
        frozen = market.block + 1 < int(feed.record["frozen_until"][0])
        distress = 1.0 if frozen else min(abs(gap) / _MISPRICED, 1.0)
        text = "frozen" if frozen else f"{price:,.4g} {unit}"
        about = f"oracle of {feed.token}, {price:,.6g} {unit}, {100 * gap:+.2f} % off the venue"
        return None, distress, text, about
    if kind == "cohort":
        cohort = market.cohorts[name]
        start = float(market.world.start_worth[cohort.ident])
        lost = max(1.0 - value / start, 0.0) if start > 0.0 and value == value else 0.0
        about = (
            f"{len(cohort):,} agents of kind {market.setup.agents[name].kind}, wealth "
            f"{money(value)} {unit}, distress: {100.0 * lost:.1f} % of their wealth lost"
        )
        return None, min(lost, 1.0), f"{len(cohort):,} · {money(value)} {unit}", about
    if kind == "venue":
        prices = ", ".join(f"{a} {market.price(a):,.4g}" for a in market.venue.names)
        return None, 0.0, "outside venue", f"outside venue, {prices} {unit}"
    return None, 0.0, f"{money(value)} {unit}", f"{money(value)} {unit}"


def _now(market: Market, measure: str) -> float:
    if isinstance(market, LiveMarket):
        return market.past.last(measure)
    table, names = market.datacollector.table, [m.name for m in market.measures]
    return float(table[-1, 1 + names.index(measure)]) if len(table) and measure in names else np.nan


def _depth_left(market: Market, pool: str) -> float:
    """Depth of a pool as a share of its depth after the first block; 1 where it has none."""
    depths = past_of(market).values(f"pool.{pool}.depth")
    known = depths[np.isfinite(depths) & (depths > 0.0)]
    return float(min(depths[-1] / known[0], 1.0)) if len(known) and depths[-1] >= 0.0 else 1.0


# Charts


@dataclass(frozen=True)
class Chart:
    """What a chart shows.

    Attributes:
        title: Above it.
        unit: Of its axis.
        lines: Measures by label.
        format: number, share or money.
        log: Whether its axis is logarithmic.
        zero: Whether its axis begins at zero.
    """

    title: str
    unit: str
    lines: Mapping[str, str]
    format: str = "number"
    log: bool = False
    zero: bool = False

    @property
    def key(self) -> str:
        """A name for it that stays the same from frame to frame."""
        return self.title


def charts(market: Market) -> list[Chart]:
    """The charts of a market, those first that are asked for first."""
    setup, unit = market.setup, market.numeraire
    found = []
    for asset, settings in setup.venue.assets.items():
        if settings.process == "constant":
            continue
        lines = {"outside venue": f"venue.{asset}.price"}
        lines |= {
            f"oracle {n}": f"oracle.{n}.price" for n, o in setup.oracles.items() if o.token == asset
        }
        lines |= {
            f"pool {n}": f"pool.{n}.price"
            for n, p in setup.pools.items()
            if p.tokens == [asset, unit]
        }
        found.append(Chart(f"Price of {asset}", unit, lines))
    pools = {n: p for n, p in setup.pools.items() if p.kind != "bonding_curve"}
    if setup.lending:
        lines = {f"{text}": f"liquidated.{text}" for text in GENERATIONS}
        found.append(
            Chart("Liquidated, by generation", f"{unit} since the start", lines, "money", zero=True)
        )
        lines = {}
        for m in setup.lending:
            lines[f"{m}: endangered by a fall of 10 %"] = f"lending.{m}.endangered"
            lines[f"{m}: bad debt"] = f"lending.{m}.bad_debt"
        found.append(Chart("Debt at risk", unit, lines, "money", zero=True))
        lines = {}
        for m in setup.lending:
            quantiles = (("min", "lowest"), ("q05", "5 %"), ("q25", "25 %"), ("median", "median"))
            for q, text in quantiles:
                lines[f"{m}: {text}"] = f"lending.{m}.health_{q}"
        found.append(Chart("Health factors", "quantiles", lines))
        lines = {}
        for m, lender in setup.lending.items():
            where = f"{m}: " if len(setup.lending) > 1 else ""
            for token, r in lender.reserves.items():
                if r.borrowable:
                    lines[f"{where}{token} lent"] = f"lending.{m}.{token}.utilisation"
                    lines[f"{where}{token} withdrawable"] = f"lending.{m}.{token}.withdrawable"
        title = "Utilisation and withdrawable cash"
        found.append(Chart(title, "share of deposits", lines, "share"))
    if pools:
        lines = {n: f"pool.{n}.imbalance" for n in pools}
        found.append(Chart("Imbalance of pools", "share of value", lines, "share"))
        lines = {n: f"pool.{n}.depth" for n in pools}
        title = f"{unit} for a fall of 1 %"
        found.append(Chart("Depth of pools", title, lines, "money", log=True))
        lines = {n: f"pool.{n}.impermanent_loss" for n in pools}
        found.append(Chart("Impermanent loss", "share of holding", lines, "share"))
    for protocol in market.declared:
        found += _charts_of(protocol)
    lines = {"mean paid outside": "gas.mean", "base fee": "gas.base_fee"}
    if setup.switches.gas_binds:
        found.append(Chart("Gas price", "gwei", lines, log=True))
    lines = {c: f"loss.{c}" for c in setup.agents}
    if lines:
        found.append(Chart("Losses by class", f"{unit} since the start", lines, "money"))
    return found


def _charts_of(protocol: Any) -> list[Chart]:
    """The charts that a protocol declares, and the value of what it holds."""
    name, units = protocol.name, {m.name: m.unit for m in protocol.measures}
    unit = protocol.market.numeraire
    found = [Chart(f"{name}: value", unit, {"value": f"protocol.{name}.value"}, "money")]
    for title, drawn in protocol.charts.items():
        lines = {m: f"protocol.{name}.{m}" for m in drawn}
        if [*drawn] != ["value"]:
            found.append(Chart(f"{name}: {title}", units.get(drawn[0], unit), lines))
    return found


def history_of(market: Market, node: str) -> list[Chart]:
    """Charts of one node of the network."""
    unit, name = market.numeraire, node.removeprefix("oracle:")
    if node in market.pools:
        return [
            Chart(f"{name}: value locked", unit, {"value": f"pool.{name}.value"}, "money"),
            Chart(
                f"{name}: off the outside price",
                "share",
                {"mispricing": f"pool.{name}.mispricing", "imbalance": f"pool.{name}.imbalance"},
                "share",
            ),
        ]
    if node in market.lending:
        lines = {"debt": f"lending.{name}.debt", "collateral": f"lending.{name}.collateral"}
        tokens = market.lending[name].tokens
        used = {t: f"lending.{name}.{t}.utilisation" for t in tokens}
        return [
            Chart(f"{name}: debt and collateral", unit, lines, "money", zero=True),
            Chart(f"{name}: utilisation", "share of deposits", used, "share"),
        ]
    if node.startswith("oracle:"):
        token = market.oracles[name].token
        lines = {f"oracle {name}": f"oracle.{name}.price"}
        if token in market.venue.names:
            lines["outside venue"] = f"venue.{token}.price"
        return [Chart(f"Oracle {name}", unit, lines)]
    for protocol in market.declared:
        if protocol.name == node:
            return _charts_of(protocol)
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


def health_histogram(market: Market, lending: str) -> dict[str, Any]:
    """Debtors by health factor, at the oracle's prices.

    Returns:
        edges float[n + 1] of the bins, count int[n] of debtors in them, the last bin
        open; debtors and unhealthy (below one) in all.
    """
    factors = _health(market, lending)
    edges = np.linspace(0.8, 3.0, 45)
    count, _ = np.histogram(np.clip(factors, edges[0], edges[-1]), edges)
    return {
        "edges": [round(float(e), 3) for e in edges],
        "count": count.tolist(),
        "debtors": len(factors),
        "unhealthy": int((factors < 1.0).sum()),
    }


def _health(market: Market, lending: str) -> np.ndarray:
    m = list(market.lending).index(lending)
    n = int(market.world.markets[m]["debtors"])
    return np.asarray(market.world.health[m, :n])


def endangered(market: Market, most: int = 8) -> list[dict[str, Any]]:
    """The positions with the lowest health factors, over all lending markets."""
    found = []
    w = market.world
    for m, (name, lender) in enumerate(market.lending.items()):
        factors = _health(market, name)
        for place in np.argsort(factors, kind="stable")[:most]:
            row = int(w.debtors[m, place])
            value, _, threshold, debt = standing(w.books, w.markets[m], w.reserves, w.feeds, row)
            if not debt > 0.0:
                continue
            found.append(
                {
                    "account": market.ledger.accounts[row],
                    "market": lender.name,
                    "health": threshold / debt,
                    "debt": debt,
                    "collateral": value,
                    "ratio": debt / value if value > 0.0 else math.inf,
                }
            )
    found.sort(key=lambda position: position["health"])
    return found[:most]


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
    for name, lender in market.lending.items():
        factor = lender.health_factor(row)
        if math.isfinite(factor):
            facts.append((f"health factor in {name}", f"{factor:.4f}"))
    held = ledger.balances[row]
    for i, token in enumerate(ledger.tokens):
        if held[i] != 0.0:
            value = abs(held[i] * market.world.values[i])
            facts.append((token, f"{number(held[i])} ({money(value)} {unit})"))
    numbers = []
    if cohort is not None:
        for column, about in cohort.columns.items():
            value = float(cohort.cells[row - cohort.first, cohort._index[column]])
            numbers.append((column.replace("_", " "), number(value), about.unit, about.doc))
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
    wealth, health = TRAIL
    found = [Chart(f"{account}: wealth", market.numeraire, {"wealth": wealth}, "money")]
    if market.lending:
        found.append(Chart(f"{account}: health factor", "lowest", {"health factor": health}))
    return found


def node_facts(market: Market, node: str) -> list[tuple[str, str]]:
    """The state of a node of the network, as (what, value)."""
    unit, name = market.numeraire, node.removeprefix("oracle:")

    def share(value: float) -> str:
        return "–" if value != value else f"{100.0 * value:+.2f} %"

    if node in market.pools:
        pool, settings = market.pools[node], market.setup.pools[node]
        facts = [("kind", settings.kind), ("fee", f"{100.0 * float(pool.record['fee'][0]):.3g} %")]
        facts += [(t, f"{amount:,.2f}") for t, amount in pool.reserves.items()]
        facts.append((f"price of {pool.tokens[0]}", f"{pool.spot_price():,.6g} {pool.tokens[-1]}"))
        facts.append(("imbalance", share(_now(market, f"pool.{name}.imbalance"))))
        facts.append(("off the outside price", share(_now(market, f"pool.{name}.mispricing"))))
        facts.append(("depth, 1 %", f"{money(_now(market, f'pool.{name}.depth'))} {unit}"))
        facts.append(("volume", f"{money(float(pool.record['volume'][0]))} {unit}"))
        facts.append(("fees earned", f"{money(float(pool.record['fees'][0]))} {unit}"))
        facts.append(("impermanent loss", share(_now(market, f"pool.{name}.impermanent_loss"))))
        facts.append(("trading", "halted" if pool.record["halted"][0] else "open"))
        return facts
    if node in market.lending:
        lender = market.lending[node]
        facts = []
        for token in lender.tokens:
            text = f"{money(lender.deposits(token))} deposited"
            if lender.debts(token):
                text += f", {100.0 * lender.utilisation(token):.1f} % lent"
                text += f" at {100.0 * lender.borrow_rate(token):.2f} % a year"
            facts.append((token, text))
        facts.append(("debtors", f"{int(lender.record['debtors'][0]):,}"))
        facts.append(("liquidations", f"{lender.liquidations:,}"))
        facts.append(("liquidated", f"{money(lender.liquidated_value)} {unit}"))
        facts.append(("bad debt", f"{money(lender.bad_debt)} {unit}"))
        return facts
    if node.startswith("oracle:"):
        feed, settings_ = market.oracles[name], market.setup.oracles[name]
        frozen = int(feed.record["frozen_until"][0])
        price, outside = float(feed.record["price"][0]), market.price(feed.token)
        facts = [("token", feed.token), ("source", settings_.source.replace("_", " "))]
        if settings_.pool:
            facts.append(("pool", settings_.pool))
        facts.append(("price", f"{price:,.6g} {unit}"))
        facts.append(("at the outside venue", f"{outside:,.6g} {unit}"))
        facts.append(("lag", f"{settings_.lag:,} blocks"))
        facts.append(("publishes", "nothing" if market.block + 1 < frozen else "yes"))
        return facts
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


def headline(market: Market) -> list[dict[str, str]]:
    """The figures at the top of the page: label, value, unit."""
    unit = market.numeraire
    value_tokens(market.world)
    locked = 0.0
    for name in (*market.pools, *market.lending):
        held = market.ledger.balances[market.ledger.account(name)]
        locked += float(held @ market.world.values)
    found = [{"label": "value locked", "value": money(locked), "unit": unit}]
    first = next((a for a in market.venue.names), None)
    if first is not None:
        price = f"{market.price(first):,.6g}"
        found.insert(0, {"label": f"price of {first}", "value": price, "unit": unit})
    if market.lending:
        count = sum(m.liquidations for m in market.lending.values())
        value = sum(m.liquidated_value for m in market.lending.values())
        bad = sum(m.bad_debt for m in market.lending.values())
        found.append({"label": "liquidations", "value": f"{count:,}", "unit": ""})
        found.append({"label": "liquidated", "value": money(value), "unit": unit})
        found.append({"label": "bad debt", "value": money(bad), "unit": unit})
    if market.setup.switches.gas_binds:
        gas = float(market.world.chain[0]["mean_gas_price"])
        found.append({"label": "gas", "value": f"{gas:,.3g}", "unit": "gwei"})
        waiting = int(market.world.chain[0]["waiting"])
        found.append({"label": "waiting", "value": f"{waiting:,}", "unit": "calls"})
    return found


# The twin


def differences(market: LiveMarket) -> list[dict[str, Any]]:
    """Headline measures of a market and its twin, with their differences."""
    twin = market.twin
    if twin is None:
        return []
    names: list[tuple[str, str]] = []
    names += [(f"price of {a}", f"venue.{a}.price") for a in market.venue.names[:2]]
    for m in market.lending:
        names.append((f"liquidated in {m}", f"lending.{m}.liquidated"))
        names.append((f"bad debt in {m}", f"lending.{m}.bad_debt"))
    names.append(("volume of pools", "pools.volume"))
    names.append(("gap of pools to the venue, share", "pools.mispricing"))
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
    return Chart("Losses, this run less its twin", market.numeraire, lines, "money")


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
