"""Cascade trees: which sale moved which price, and who which rate, that opened what.

What is opened are liquidations, defaults, withdrawals, flights and repayments.

Order tells the parent where only one event can have done it (`runs.contagion.links`). Where several
can, the market is run again on the same draws, each time with one group kept from choosing anything
in the one block in which it chose its sales, or without one shock: the parent is the one without
which the event comes latest, or never. Where it comes no later without any of them, it has come by
itself if it can (a price that moves outside too, a withdrawal); else, as where a pool's price was
moved by many, each was enough, and the largest is named.
"""

from __future__ import annotations

import hashlib
import json
import weakref
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from runs.contagion.links import (
    BORROWING,
    DEFAULT,
    EFFECTS,
    FLIGHT,
    LIQUIDATION,
    LIQUIDITY,
    NOBODY,
    REPAYMENT,
    SALE,
    SHOCK,
    WITHDRAWAL,
    Asked,
    Candidate,
    Links,
    done_receipts,
)
from runs.contagion.plans import Plan, folder_of
from runs.results import write_whole
from runs.study.study import Study
from sim.errors import ScenarioError
from sim.names import VENUE
from sim.shown import money

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sim.market import Market

ORDER, COUNTERFACTUAL, LARGEST = "order", "counterfactual", "largest"
"""How a parent is named: order leaves one; a run without it; by size, where several would each have
been enough, or no run was left to ask."""
OUTSIDE, UNTESTED = "outside", "untested"
"""Why there is none: no run without a candidate has it later; no run was left to ask."""
CAUSES = (SALE, BORROWING)
"""What is a cause alone, and no effect: a group's in one block counts as one."""
NEVER = 1e12
"""Stands for the block of what does not happen."""
ENOUGH = 0.5
"""Part of its size at which a sale counts as made."""
_COLOURS = {
    SHOCK: "#1d2733", SALE: "#edae49", LIQUIDATION: "#d1495b", DEFAULT: "#5b5f97",
    WITHDRAWAL: "#0b6e8f", FLIGHT: "#8f5aa8", REPAYMENT: "#2f7d4f", BORROWING: "#c47f2c",
}  # fmt: skip
_CHANNEL_COLOURS = {
    "inventory": "#66a182", "price": "#d1495b", "liquidity": "#0b6e8f", "debt": "#5b5f97",
    "rate": "#2f7d4f",
}  # fmt: skip
_COLUMNS = (
    "event", "block", "kind", "entity", "group", "actor", "protocol", "token", "amount", "size",
    "parent", "channel", "named", "candidates", "generation", "root",
)  # fmt: skip


@dataclass(frozen=True)
class Cascades:
    """Trees of events.

    Attributes:
        events: A row for each event, in the order of execution: event (its number), block, kind
            (liquidation, default, withdrawal, flight, repayment, sale, borrowing or shock), entity
            (the account that it befalls, else whose it is) and its group, actor (who sent the
            call), protocol (or venue), token and amount (seized, withdrawn, sold, owed), size (its
            worth in the block, numeraire), parent (an event's number, -1: none), channel
            (inventory: the parent brought or freed what is used; price; liquidity: cash that the
            parent took; rate: which the parent raised; debt: the parent left too little), named
            (how the parent was found, or why there is none: order, counterfactual, largest,
            outside, untested), candidates (how many there were), generation (effects, all but
            sales, borrowings and shocks, among its ancestors) and root (the first of its tree).
        seed: Of the run.
        reruns: Runs that were made to name parents.
        numeraire: In which sizes are.
    """

    events: pd.DataFrame
    seed: int
    reruns: int
    numeraire: str

    @cached_property
    def graph(self) -> nx.DiGraph:
        """Parent -> child, with the columns of `events` as attributes; fit for GraphML."""
        graph = nx.DiGraph(seed=self.seed, numeraire=self.numeraire)
        for row in self.events.to_dict("records"):
            told = {str(name): value for name, value in row.items()}
            graph.add_node(int(told.pop("event")), **told)
        for event, parent, channel in self.events[["event", "parent", "channel"]].itertuples(
            index=False
        ):
            if parent >= 0:
                graph.add_edge(int(parent), int(event), channel=channel)
        return graph

    @cached_property
    def effects(self) -> pd.DataFrame:
        """All but causes alone, with ``since``: blocks after the last effect before."""
        of = self.events.set_index("event")
        parent, block, kind = of["parent"].to_dict(), of["block"].to_dict(), of["kind"].to_dict()
        table = self.events[self.events["kind"].isin(EFFECTS)].copy()
        since = []
        for event in table["event"]:
            up = parent[event]
            while up >= 0 and kind[up] not in EFFECTS:
                up = parent[up]
            since.append(block[event] - block[up] if up >= 0 else np.nan)
        return table.assign(since=since)

    @property
    def branching_ratio(self) -> float:
        """Effects that another led to, over all: the mean number that one leads to; NaN: none."""
        effects = self.effects
        return float(effects["since"].notna().mean()) if len(effects) else np.nan

    @property
    def named_by_counterfactual(self) -> float:
        """Share of events with a parent, or asked for one, that a counterfactual has named."""
        asked = self.events[self.events["candidates"] > 0]
        told = (asked["named"] == COUNTERFACTUAL).sum()
        return float(told / len(asked)) if len(asked) else np.nan

    def sizes(self) -> pd.DataFrame:
        """Of each tree with an effect: root, its kind and block, effects, worth, deepest, last."""
        effects = self.effects
        found = effects.groupby("root").agg(
            effects=("event", "size"), worth=("size", "sum"), generations=("generation", "max"),
            last=("block", "max"),
        )  # fmt: skip
        roots = self.events.set_index("event").loc[found.index, ["block", "kind", "protocol"]]
        return roots.join(found).sort_values("worth", ascending=False)

    def by_generation(self) -> pd.DataFrame:
        """Effects, their worth, and blocks since the generation before (median), by generation."""
        return self.effects.groupby("generation").agg(
            effects=("event", "size"), worth=("size", "sum"), blocks_since=("since", "median")
        )

    def by_channel(self) -> pd.DataFrame:
        """Links by kind of parent and child and by channel: how many, and what they led to."""
        kind = self.events.set_index("event")["kind"]
        joined = self.events[self.events["parent"] >= 0]
        joined = joined.assign(parent_kind=joined["parent"].map(kind))
        keys = ["parent_kind", "channel", "kind"]
        return joined.groupby(keys).agg(links=("event", "size"), worth=("size", "sum"))

    def summary(self) -> pd.Series:
        """The trees in a few numbers."""
        effects, named = self.effects, Counter(self.events["named"])
        return pd.Series(
            {
                "events": len(self.events),
                "effects": len(effects),
                "liquidations": int((effects["kind"] == LIQUIDATION).sum()),
                "defaults": int((effects["kind"] == DEFAULT).sum()),
                "withdrawals": int((effects["kind"] == WITHDRAWAL).sum()),
                "flights": int((effects["kind"] == FLIGHT).sum()),
                "repayments": int((effects["kind"] == REPAYMENT).sum()),
                "branching_ratio": self.branching_ratio,
                "liquidations_led_to": float(
                    effects.loc[effects["kind"] == LIQUIDATION, "since"].notna().mean()
                ),
                "blocks_between_generations": float(effects["since"].median()),
                "generations": int(effects["generation"].max()) + 1 if len(effects) else 0,
                "largest_tree": int(self.sizes()["effects"].max()) if len(effects) else 0,
                "named_by_counterfactual": self.named_by_counterfactual,
                "named_by_size": named[LARGEST] / max(len(self.events), 1),
                "untested": named[UNTESTED] / max(len(self.events), 1),
                "reruns": self.reruns,
            }
        )

    def plot(self) -> Figure:
        """The trees over time: a lane for each place, links from parent to child."""
        return _drawn(self)

    def write(self, folder: str | Path, name: str = "cascades") -> list[Path]:
        """Leave the table as Parquet and the trees as GraphML.

        Returns:
            The files.
        """
        table, trees = Path(folder) / f"{name}.parquet", Path(folder) / f"{name}.graphml"
        write_whole(table, lambda path: self.events.to_parquet(path, index=False))
        write_whole(trees, lambda path: nx.write_graphml(self.graph, path))
        return [table, trees]


def cascades(
    market: Market,
    plan: Plan | None = None,
    memory: int = 50,
    least: float = 0.05,
    reruns: int = 200,
    since: int = 0,
    watched: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> Cascades:
    """Trace a run's liquidations, defaults, withdrawals and exits back to their causes.

    Args:
        market: After its run, of a scenario that keeps receipts.
        plan: Folder, workers or executor of the runs that name parents; its seeds are not used.
        memory: Blocks that a cause can lie back, beyond what an oracle waits.
        least: Share of all that was sold, or withdrawn, in that time, below which a group's part in
            one block is no cause.
        reruns: Runs to make at most, those that the most events ask for first; 0: order alone.
        since: Block from which on events are traced.
        watched: By group what it watches: places, and a token there,
            ``{"holders": [("coin-usdc", "coin")], "debtors": [("bank", "usdc")]}``. Of a pool or
            the venue that is the price at which the token is sold: the group's sales of what they
            had are flights, effects too. Of a lending market it is the token's rate: its
            repayments there are effects too, and its withdrawals elsewhere may follow who raised
            it.

    Returns:
        The trees.

    Raises:
        ScenarioError: If no receipts are kept.
        ValueError: If the market is not one that its scenario and seed make again, or a group or
            place of `watched` is not there.
    """
    if market.setup.measures.receipts != "all":
        text = 'no receipts are kept, and trees are read off them; set it to "all"'
        raise ScenarioError([("measures.receipts", text)])
    if reruns and (market.custom or market.joined):
        text = "somebody joined this market by hand, so its scenario does not make it again"
        raise ValueError(f"{text}; give reruns=0")
    links = Links(market, memory, least, watched)
    return _Tracer(market, plan or Plan(), links, reruns).trace(since)


class _Key(NamedTuple):
    """Names an event in any run of the scenario."""

    kind: str
    protocol: str
    entity: str
    token: str
    number: int
    """Of an effect: among those alike, from 0. Of a sale or borrowing: the block."""
    amount: float


@dataclass(frozen=True)
class When:
    """In which block of a run an event happens, as a study keeps it.

    Attributes:
        key: Of the event.
    """

    key: _Key

    def __call__(self, market: Market) -> float:
        """The block; `NEVER` if it does not happen."""
        key, happened = self.key, _happened(market)
        if key.kind in CAUSES:
            sold = happened.sold.get((key.entity, key.protocol, key.token, key.number), 0.0)
            return float(key.number) if sold >= ENOUGH * key.amount else NEVER
        blocks = happened.blocks.get((key.kind, key.protocol, key.entity, key.token), [])
        return float(blocks[key.number]) if key.number < len(blocks) else NEVER


class _Happened(NamedTuple):
    blocks: dict[tuple[str, str, str, str], list[int]]
    sold: dict[tuple[str, str, str, int], float]


_last: list[tuple[weakref.ref[Any], _Happened]] = []


def _happened(market: Market) -> _Happened:
    """All that happened in a market, read once."""
    if _last and _last[0][0]() is market:
        return _last[0][1]
    blocks: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
    sold: dict[tuple[str, str, str, int], float] = defaultdict(float)
    calls: list[Any] = done_receipts(market, all_calls=False).to_dict("records")
    for call in calls:
        if call["role"] in EFFECTS:
            where = (call["role"], call["protocol"], _befallen(call), call["token_out"])
            blocks[where].append(call["block"])
        elif call["role"] in CAUSES:
            side = _side(call)
            one = (call["sender"], call["protocol"], call[f"token_{side}"], call["block"])
            sold[one] += call[f"amount_{side}"]
    closed: list[Any] = list(market.defaults().itertuples(index=False))
    for row in closed:
        blocks[DEFAULT, row.protocol, row.entity, ""].append(row.block)
    found = _Happened(dict(blocks), dict(sold))
    _last[:] = [(weakref.ref(market), found)]
    return found


def _side(call: Mapping[str, Any]) -> str:
    """Which of a call's amounts is that of the event: of what is sold the one given."""
    return "in" if call["role"] == SALE else "out"


def _befallen(call: Mapping[str, Any]) -> str:
    """Whom a call befalls."""
    return str((call["counterparty"] if call["role"] == LIQUIDATION else "") or call["sender"])


@dataclass
class _Node:
    """An event that is being traced: a receipt, a default or a shock."""

    block: int
    order: int
    asked: Asked
    key: _Key | None = None
    parent: Candidate | None = None
    named: str = ""
    row: Any = None


class _Tracer:
    """Finds parents: by order first, then a round of runs for each depth of what is still asked."""

    def __init__(self, market: Market, plan: Plan, links: Links, reruns: int) -> None:
        self.market, self.plan, self.links = market, plan, links
        self.left = reruns
        self.made = 0
        self.nodes: dict[tuple[str, int], _Node] = {}
        self.defaults: list[Any] = list(market.defaults().itertuples(index=False))
        self.keys: dict[int, _Key] = {}

    def trace(self, since: int) -> Cascades:
        """Trace everything since a block."""
        fresh = self._effects(since)
        fresh += self._sales_of_effects(since)
        while fresh:
            self._by_order(fresh)
            asked = [n for n in fresh if not n.named and n.asked.candidates]
            self._by_counterfactual(asked)
            fresh = self._parents_of(fresh)
        return self._told()

    # Events

    def _effects(self, since: int) -> list[_Node]:
        seen: Counter[tuple[str, str, str, str]] = Counter()
        fresh = []
        for row, call in enumerate(self.links.rows):
            if self.links.is_flight(row) and call["block"] >= since:
                fresh.append(self._add(row, self._cause(row)))
            if call["role"] not in EFFECTS:
                continue
            where = (call["role"], call["protocol"], _befallen(call), call["token_out"])
            number, seen[where] = seen[where], seen[where] + 1
            key = _Key(where[0], where[1], where[2], where[3], number, call["amount_out"])
            self.keys[row] = key
            if call["role"] == REPAYMENT and not self.links.is_repayment(row):
                continue
            if call["block"] >= since:
                fresh.append(self._add(row, key))
        for n, default in enumerate(self.defaults):
            where = (DEFAULT, default.protocol, default.entity, "")
            number, seen[where] = seen[where], seen[where] + 1
            if default.block >= since:
                key = _Key(DEFAULT, default.protocol, default.entity, "", number, default.owed)
                asked = self.links.defaulted(default.protocol, default.entity, default.block)
                node = _Node(default.block, len(self.links.rows) + n, asked, key)
                self.nodes[DEFAULT, n] = node
                fresh.append(node)
        return fresh

    def _sales_of_effects(self, since: int) -> list[_Node]:
        """Sales of what a liquidation or withdrawal brought: they are in its tree, if barren."""
        rows = self.links.rows
        return [
            self._add(row, self._cause(row))
            for row, source in enumerate(self.links.sources)
            if source >= 0
            and rows[row]["role"] == SALE
            and rows[row]["block"] >= since
            and rows[int(source)]["role"] in EFFECTS
        ]

    def _cause(self, row: int) -> _Key:
        call = self.links.rows[row]
        side = _side(call)
        return _Key(
            call["role"], call["protocol"], call["sender"], call[f"token_{side}"], call["block"],
            call[f"amount_{side}"],
        )  # fmt: skip

    def _add(self, row: int, key: _Key) -> _Node:
        call = self.links.rows[row]
        node = _Node(call["block"], row, self.links.of(row), key, row=row)
        self.nodes["receipt", row] = node
        return node

    def _parents_of(self, fresh: Iterable[_Node]) -> list[_Node]:
        """Parents that are not traced yet."""
        found = []
        for node in fresh:
            parent = node.parent
            if parent is None:
                continue
            if parent.row < 0:
                block, _ = self.links.shocks[parent.shock]
                self.nodes.setdefault((SHOCK, parent.shock), _Node(block, -1, NOBODY, named=ORDER))
            elif ("receipt", parent.row) not in self.nodes:
                # An effect that is not there yet is from before what is traced.
                key = self.keys.get(parent.row) or self._cause(parent.row)
                found.append(self._add(parent.row, key))
        return found

    # Parents

    def _by_order(self, fresh: Iterable[_Node]) -> None:
        for node in fresh:
            asked = node.asked
            if not asked.candidates:
                node.named = OUTSIDE if asked.outside else ORDER
            elif len(asked.candidates) == 1 and not asked.outside:
                node.parent, node.named = asked.candidates[0], ORDER

    def _by_counterfactual(self, asked: Sequence[_Node]) -> None:
        """Ask what would have been without each.

        First come the cuts on which most events hang whose price somebody moved, as there are many
        more withdrawals. A round takes half of the runs that are left: what led to the causes is
        asked next.
        """
        moved: Counter[tuple[str, int, int]] = Counter()
        wanted: Counter[tuple[str, int, int]] = Counter()
        for node in asked:
            cuts = {_cut(c) for c in node.asked.candidates if c.group or c.shock >= 0}
            wanted.update(cuts)
            if node.asked.channel != LIQUIDITY:
                moved.update(cuts)
        order = sorted(wanted, key=lambda cut: (-moved[cut], -wanted[cut], cut))
        chosen = order[: (self.left + 1) // 2]
        self.left -= len(chosen)
        self.made += len(chosen)
        late = self._lateness(asked, chosen) if chosen else {}
        for n, node in enumerate(asked):
            tried = [c for c in node.asked.candidates if _cut(c) in late]
            best = max(tried, key=lambda c: late[_cut(c)][n], default=None)
            if best is not None and late[_cut(best)][n] > 0.0:
                node.parent, node.named = best, COUNTERFACTUAL
            elif node.asked.outside:
                node.named = OUTSIDE if tried else UNTESTED
            else:
                node.parent, node.named = node.asked.candidates[0], LARGEST

    def _lateness(
        self, asked: Sequence[_Node], cuts: Sequence[tuple[str, int, int]]
    ) -> dict[tuple[str, int, int], list[float]]:
        """By how many blocks each event comes later without each."""
        own = [shock for _, shock in self.links.shocks]
        levels: dict[str, list[Any]] = {"whole": own}
        for n, (group, block, shock) in enumerate(cuts):
            stop = {"kind": "agents_stop", "agents": group, "block": max(block, 1), "blocks": 1}
            rest = [one for k, one in enumerate(own) if k != shock]
            levels[f"without{n}"] = rest if shock >= 0 else [*own, stop]
        keys = [node.key for node in asked if node.key is not None]
        found = _run(self.market, levels, keys, self.plan)
        blocks = np.array([node.block for node in asked], np.float64)
        if not (found["whole"] == blocks).all():
            raise ValueError(
                "the scenario does not make this market again: it was changed by hand, or is "
                "another version's; give reruns=0"
            )
        return {cut: list(found[f"without{n}"] - blocks) for n, cut in enumerate(cuts)}

    # The table

    def _told(self) -> Cascades:
        ordered = sorted(self.nodes.items(), key=lambda item: (item[1].block, item[1].order))
        number = {name: n for n, (name, _) in enumerate(ordered)}
        price = _Prices(self.market)
        groups = _groups(self.market)
        rows: list[dict[str, Any]] = []
        for n, (name, node) in enumerate(ordered):
            up = -1
            if node.parent is not None:
                row, shock = node.parent.row, node.parent.shock
                up = number[(SHOCK, shock) if row < 0 else ("receipt", row)]
            told = self._what(name, node, price, groups)
            above = rows[up] if 0 <= up < n else None
            depth = (above["generation"] + (above["kind"] in EFFECTS)) if above else 0
            rows.append(
                told
                | {
                    "event": n, "block": node.block, "parent": up if above else -1,
                    "channel": self._channel(node) if above else "", "named": node.named,
                    "candidates": len(node.asked.candidates) + int(node.asked.outside),
                    "generation": depth, "root": above["root"] if above else n,
                }
            )  # fmt: skip
        events = pd.DataFrame(rows, columns=list(_COLUMNS))
        return Cascades(events, self.market.seed_number, self.made, self.market.numeraire)

    @staticmethod
    def _channel(node: _Node) -> str:
        """By which the parent has reached it."""
        own = node.parent.channel if node.parent is not None else ""
        return own or node.asked.channel

    def _what(
        self, name: tuple[str, int], node: _Node, price: _Prices, groups: Mapping[str, str]
    ) -> dict[str, Any]:
        """What an event is, beside its place in a tree."""
        kind, n = name
        if kind == SHOCK:
            shock = self.links.shocks[n][1]
            words = [str(v) for k, v in shock.items() if isinstance(v, str) and k != "kind"]
            names = [word for word in words if word in self.market.protocols]
            place = names[0] if names else VENUE
            amount = float(shock.get("size") or shock.get("share") or 0.0)
            return {
                "kind": SHOCK, "entity": shock["kind"], "group": "", "actor": "",
                "protocol": place, "token": "", "amount": amount, "size": 0.0,
            }  # fmt: skip
        if kind == DEFAULT:
            row = self.defaults[n]
            return {
                "kind": DEFAULT, "entity": row.entity, "group": row.group, "actor": row.protocol,
                "protocol": row.protocol, "token": "", "amount": float(row.owed),
                "size": float(row.owed),
            }  # fmt: skip
        call = self.links.rows[node.row]
        entity = _befallen(call)
        side = _side(call)
        token, amount = call[f"token_{side}"], float(call[f"amount_{side}"])
        kind = FLIGHT if self.links.is_flight(node.row) else call["role"]
        return {
            "kind": kind, "entity": entity, "group": groups.get(entity, ""),
            "actor": call["sender"], "protocol": call["protocol"], "token": token,
            "amount": amount, "size": amount * price(token, node.block),
        }  # fmt: skip


def _cut(candidate: Candidate) -> tuple[str, int, int]:
    """What is left out to ask what would have been without: a group in a block, or a shock."""
    if candidate.shock >= 0:
        return "", 0, candidate.shock
    return candidate.group, candidate.decided, -1


def _groups(market: Market) -> dict[str, str]:
    """Group of each account that has one."""
    accounts = market.ledger.accounts
    found = {accounts[row]: name for name, c in market.cohorts.items() for row in c.accounts()}
    return found | {accounts[row]: name for name, g in market.joined.items() for row in g.members}


class _Prices:
    """Worth of tokens by block: as the venue's was measured, else as the run has ended."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.table = market.datacollector.get_model_vars_dataframe()
        self.end: dict[str, float] = {}

    def __call__(self, token: str, block: int) -> float:
        column = f"venue.{token}.price"
        if column in self.table:
            at = int(np.searchsorted(self.table["block"].to_numpy(), block))
            return float(self.table[column].iloc[min(at, len(self.table) - 1)])
        if token not in self.end:
            self.end[token] = self.market.price(token) if token else 0.0
        return self.end[token]


def _run(
    market: Market, levels: Mapping[str, list[Any]], keys: Sequence[_Key], plan: Plan
) -> dict[str, np.ndarray]:
    """When some events happen in runs with other shocks.

    Returns:
        By level float64[events], blocks.
    """
    scenario = market.setup.to_dict()
    what = json.dumps([scenario, dict(levels), keys], default=str, sort_keys=True)
    asset = next(iter(market.venue.names), "")
    content: dict[str, Any] = {
        "name": f"cascades-{hashlib.sha256(what.encode()).hexdigest()[:12]}",
        "scenario": scenario,
        "seeds": [market.seed_number],
        "keep": {f"e{n}": When(key) for n, key in enumerate(keys)},
        # Functions look at receipts and at nothing that is measured.
        "set": {"measures.keep": [f"venue.{asset}.price" if asset else "gas.mean"],
                "measures.receipts": "all"},
        "parameters": {"cut": {"path": "shocks", "levels": dict(levels)}},
    }  # fmt: skip
    study = Study.from_dict(content)
    with folder_of(plan.out) as out:
        frame = plan.sweep(study, out, lambda row: f"cascades, {row['cut']}")
    columns = [f"e{n}" for n in range(len(keys))]
    table = frame.set_index("cut")[columns]
    return {level: table.loc[level].to_numpy(np.float64) for level in levels}


# The picture


def _drawn(found: Cascades) -> Figure:
    events, alone = _in_trees(found.events)
    lanes = list(dict.fromkeys(events["protocol"]))
    lanes.sort(key=lambda lane: (-(events["protocol"] == lane).sum(), lane))
    height = max(3.0, 1.0 + 1.15 * len(lanes))
    figure, axis = plt.subplots(figsize=(11.0, height), layout="constrained")
    x, y = _places(events, lanes)
    joined = events[events["parent"] >= 0]
    for channel, colour in _CHANNEL_COLOURS.items():
        among = joined[joined["channel"] == channel]
        ends = [
            [(x[p], y[p]), (x[e], y[e])]
            for p, e in zip(among["parent"], among["event"], strict=True)
        ]
        alpha = min(0.6, max(0.08, 60.0 / max(len(joined), 1)))
        axis.add_collection(LineCollection(ends, colors=colour, linewidths=0.9, alpha=alpha))
    largest = float(events["size"].max()) if len(events) else 0.0
    for kind, colour in _COLOURS.items():
        rows = np.flatnonzero(events["kind"] == kind)
        if rows.size:
            area = 7.0 + 140.0 * events["size"].to_numpy()[rows] / (largest or 1.0)
            marker = "*" if kind == SHOCK else "o"
            size = np.full(rows.size, 160.0) if kind == SHOCK else area
            axis.scatter(
                x[rows], y[rows], s=size, color=colour, marker=marker, alpha=0.75, lw=0.3,
                edgecolors="white", zorder=3,
            )  # fmt: skip
    axis.set_yticks(range(len(lanes)), lanes)
    axis.set_ylim(max(len(lanes), 1) - 0.4, -0.6)
    axis.set_xlabel("block")
    axis.grid(axis="x", alpha=0.3)
    _explain(figure, events, joined)
    axis.set_title(
        f"{len(events):,} events in trees ({alone:,} isolated events not drawn);\nbranching "
        f"ratio {found.branching_ratio:.2f}; area: size, at most "
        f"{money(largest)} {found.numeraire}; generations downwards within a lane",
        loc="left", fontsize=9,
    )  # fmt: skip
    return figure


def _in_trees(events: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Events that are linked with another, numbered anew, and how many are not."""
    linked = (events["parent"] >= 0) | events["event"].isin(events["parent"])
    kept = events[linked].reset_index(drop=True)
    number = {int(event): n for n, event in enumerate(kept["event"])} | {-1: -1}
    kept = kept.assign(event=range(len(kept)), parent=kept["parent"].map(number))
    return kept, int((~linked).sum())


def _places(events: pd.DataFrame, lanes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Where events are drawn: their block, and by generation within the lane of their place."""
    x = events["block"].to_numpy(np.float64)
    lane = events["protocol"].map({name: n for n, name in enumerate(lanes)}).to_numpy(np.float64)
    deepest = max(int(events["generation"].max()) if len(events) else 0, 1)
    return x, lane - 0.38 + 0.76 * events["generation"].to_numpy(np.float64) / deepest


def _explain(figure: Figure, events: pd.DataFrame, joined: pd.DataFrame) -> None:
    marks = [
        Line2D([], [], color=colour, marker="*" if kind == SHOCK else "o", ls="", label=kind)
        for kind, colour in _COLOURS.items()
        if (events["kind"] == kind).any()
    ]
    marks += [
        Line2D([], [], color=colour, lw=2, label=f"by {channel}")
        for channel, colour in _CHANNEL_COLOURS.items()
        if (joined["channel"] == channel).any()
    ]
    if marks:
        figure.legend(handles=marks, frameon=False, fontsize=8, ncols=8, loc="outside lower center")
