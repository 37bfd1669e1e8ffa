"""The exposure network over time: recorded every so many blocks, measured, and drawn in place.

Measures are networkx's: PageRank, which passes from who is exposed to whom they are exposed to;
betweenness over the inverse of weights; core numbers of the graph without directions. A portfolio
is what an entity holds of every base token, those who pass everything on looked through
(`runs.contagion.derived`). The overlap of two is the cosine of theirs, one where all that they hold
is in the same proportions (compare Cont and Schaanning, "Monitoring indirect contagion", Journal of
Banking & Finance 104, 2019, who weigh it by how illiquid each asset is).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd

from runs.contagion.derived import THIN, derive
from runs.report.network import draw
from runs.report.page import new_figure
from runs.results import write_whole
from sim import Market, Scenario

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from runs.contagion.networks import Floats

_SHEET = ("kind", "value", "assets", "liabilities", "equity")


@dataclass(frozen=True)
class Networks:
    """Exposure networks of one run.

    Attributes:
        nodes: block, node, kind, value, assets, liabilities, equity (numeraire) and group.
        edges: block, source, target, channel, weight (numeraire).
        overlaps: block, one, other, overlap: cosine of two portfolios, of pairs above 0.
        setup: The scenario.
        numeraire: In which values are.
    """

    nodes: pd.DataFrame
    edges: pd.DataFrame
    overlaps: pd.DataFrame
    setup: Scenario
    numeraire: str

    @property
    def blocks(self) -> list[int]:
        """Blocks at whose end it was recorded."""
        return [int(block) for block in self.nodes["block"].unique()]

    def at(self, block: int) -> nx.MultiDiGraph:
        """The network at the end of a block, or of the last recorded one before.

        Raises:
            ValueError: If the first was recorded later.
        """
        known = [b for b in self.blocks if b <= block]
        if not known:
            raise ValueError(
                f"nothing was recorded up to block {block}; the first is {self.blocks[0]}"
            )
        at = known[-1]
        graph = nx.MultiDiGraph(block=at, numeraire=self.numeraire)
        for row in _of_block(self.nodes, at):
            name, group = row.pop("node"), row.pop("group")
            graph.add_node(name, **row, **({"group": group} if group else {}))
        for row in _of_block(self.edges, at):
            u, v, channel = row.pop("source"), row.pop("target"), row["channel"]
            graph.add_edge(u, v, channel, **row)
        return graph

    def measures(self) -> pd.DataFrame:
        """The network as a whole, a row for each block.

        Returns:
            Index block; nodes, edges, weight (of all exposures), density (of pairs that are
            joined), concentration (Herfindahl index of what hangs on each node), largest (share
            that hangs on one), core (nodes of the highest core number) and core_weight (share of
            exposures among them), reciprocity, overlap (mean over all pairs of holders) and
            leverage (assets over equity of all but the venue and those who pass everything on).
        """
        rows = {block: self._measured(block) for block in self.blocks}
        return pd.DataFrame(rows).T.rename_axis("block")

    def _measured(self, block: int) -> dict[str, float]:
        plain = simple(self.at(block))
        total = plain.size("weight")
        hanging = np.array([d for _, d in plain.in_degree(weight="weight")])
        shares = hanging / total if total else hanging
        core = core_of(plain)
        inside = sum(d["weight"] for u, v, d in plain.edges(data=True) if u in core and v in core)
        sheet = self.nodes[(self.nodes["block"] == block) & (self.nodes["kind"] != "venue")]
        able = sheet[sheet["equity"] > THIN * sheet["assets"]]
        pairs = self.overlaps[self.overlaps["block"] == block]
        holders = len(set(pairs["one"]) | set(pairs["other"]))
        return {
            "nodes": plain.number_of_nodes(),
            "edges": plain.number_of_edges(),
            "weight": total,
            "density": nx.density(plain),
            "concentration": float((shares**2).sum()),
            "largest": float(shares.max()) if shares.size else np.nan,
            "core": len(core),
            "core_weight": inside / total if total else np.nan,
            "reciprocity": nx.overall_reciprocity(plain) if plain.size() else np.nan,
            "overlap": 2 * pairs["overlap"].sum() / max(holders * (holders - 1), 1),
            "leverage": float(able["assets"].sum() / able["equity"].sum()) if len(able) else np.nan,
        }

    def centralities(self) -> pd.DataFrame:
        """Each node in each block.

        Returns:
            Index block and node; hanging (numeraire that others lose if it fails), exposed (that it
            loses if all others do), pagerank (of those who depend on it, and on them in turn),
            betweenness (share of shortest ways, an edge as long as its exposure is small), core
            (number) and in_core.
        """
        found = []
        for block in self.blocks:
            plain = simple(self.at(block))
            long = {(u, v): 1.0 / d["weight"] for u, v, d in plain.edges(data=True)}
            nx.set_edge_attributes(plain, long, "length")
            core = core_of(plain)
            table = pd.DataFrame(
                {
                    "hanging": dict(plain.in_degree(weight="weight")),
                    "exposed": dict(plain.out_degree(weight="weight")),
                    "pagerank": nx.pagerank(plain) if plain.size() else 0.0,
                    "betweenness": nx.betweenness_centrality(plain, weight="length"),
                    "core": nx.core_number(plain.to_undirected()),
                },
                index=pd.Index(list(plain), name="node"),
            )
            found.append(table.assign(in_core=[node in core for node in table.index]))
        return pd.concat(found, keys=self.blocks, names=["block"])

    def plot(self, blocks: Sequence[int] | None = None) -> Figure:
        """The network at some blocks, above each other: nodes stay where they are.

        Args:
            blocks: Default: the first, that with the least equity among those that are no venue,
                and the last.
        """
        chosen = list(blocks) if blocks is not None else self.telling()
        graphs = [self.at(block) for block in chosen]
        tall = max(5.0, 0.62 * len(self.setup.agents))  # inches: groups stand in one column
        figure, axes = new_figure(len(chosen), tall)
        for ax, graph in zip(axes, self._alike(graphs), strict=True):
            draw(figure, ax, graph, self.setup)
            ax.set_title(f"after block {graph.graph['block']:,}", loc="left", fontsize=10)
        for legend in figure.legends[:-1]:
            legend.remove()
        return figure

    def telling(self) -> list[int]:
        """The first block, the worst (least equity beside the venue's), and the last."""
        worst = worst_block(self.nodes)
        return sorted({self.blocks[0], worst, self.blocks[-1]})

    def _alike(self, graphs: Sequence[nx.MultiDiGraph]) -> list[nx.MultiDiGraph]:
        """The same with all nodes in each, and edges of no weight, so that places are the same."""
        nodes: dict[str, str] = {}
        for graph in graphs:
            nodes |= dict(graph.nodes(data="kind"))
        found = []
        for graph in graphs:
            whole = nx.MultiDiGraph(**graph.graph)
            for name, kind in nodes.items():
                blank: dict[str, Any] = {"kind": kind, "value": 0.0}
                whole.add_node(name, **(blank | graph.nodes.get(name, {})))
            joined = {(u, v, k) for other in graphs for u, v, k in other.edges(keys=True)}
            for u, v, k in sorted(joined):
                there = graph.get_edge_data(u, v, k)
                whole.add_edge(u, v, k, **(there or {"weight": 0.0, "channel": k}))
            found.append(whole)
        return found

    def write(self, folder: str | Path, name: str = "network") -> list[Path]:
        """Leave tables as Parquet, and the networks of `telling` blocks as GraphML.

        Returns:
            The files.
        """
        tables = {"nodes": self.nodes, "edges": self.edges, "overlaps": self.overlaps}
        files = []
        for what, table in tables.items():
            files.append(Path(folder) / f"{name}-{what}.parquet")
            write_whole(files[-1], partial(table.to_parquet, index=False))
        for block in self.telling():
            files.append(Path(folder) / f"{name}-{block}.graphml")
            write_whole(files[-1], partial(nx.write_graphml, self.at(block)))
        return files


def record_networks(
    market: Market, every: int = 100, by: str = "group", channels: Iterable[str] | None = None
) -> Networks:
    """Run a market to its end and record its exposure network along the way.

    The run is that of the same market without a record, to the bit.

    Args:
        market: Where it stands; what it stands at is recorded first.
        every: Blocks between two records; the last block is recorded too.
        by: "group" or "account".
        channels: Of exposures, those to keep; default: all.

    Returns:
        The networks.

    Raises:
        ValueError: If `every` is below 1, or `by` or a channel is unknown.
    """
    if every < 1:
        raise ValueError(f"every must be 1 block or more, not {every}")
    kept = None if channels is None else list(channels)
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    overlaps: list[pd.DataFrame] = []
    end = market.setup.blocks
    values = market.world.values
    while True:
        # Agents read values of tokens as the last block that measured left them: looking at the
        # market values them anew, and must leave them as they were.
        known = values.copy()
        graph = market.exposure(by, kept)
        block = market.block
        for name, data in graph.nodes(data=True):
            told = {key: data[key] for key in _SHEET}
            nodes.append({"block": block, "node": name, **told, "group": data.get("group", "")})
        for u, v, data in graph.edges(data=True):
            edges.append({"block": block, "source": u, "target": v, **data})
        overlaps.append(overlap(derive(market, by).looked_through().holdings).assign(block=block))
        values[:] = known
        if block >= end:
            break
        market.run(min(every, end - block))
    columns = ["block", "source", "target", "channel", "weight"]
    pairs = pd.concat(overlaps, ignore_index=True)[["block", "one", "other", "overlap"]]
    return Networks(
        pd.DataFrame(nodes), pd.DataFrame(edges, columns=columns), pairs, market.setup,
        market.numeraire,
    )  # fmt: skip


def simple(graph: nx.MultiDiGraph) -> nx.DiGraph:
    """One edge from each node to each, as heavy as those of all channels together."""
    found = nx.DiGraph(**graph.graph)
    found.add_nodes_from(graph.nodes(data=True))
    for u, v, weight in graph.edges(data="weight"):
        before = found[u][v]["weight"] if found.has_edge(u, v) else 0.0
        found.add_edge(u, v, weight=before + weight)
    return found


def core_of(graph: nx.DiGraph) -> set[str]:
    """Nodes of the highest core number: the core; all others are the periphery.

    A k-core is the largest part in which each has k links or more (Seidman, "Network structure and
    minimum degree", Social Networks 5(3), 1983).
    """
    if not graph.size():
        return set()
    return set(nx.k_core(graph.to_undirected()))


def overlap(holdings: pd.DataFrame) -> pd.DataFrame:
    """Cosine of each two portfolios that share something.

    Args:
        holdings: H[i, k], a row for each holder, what it holds of each asset; debts do not count.

    Returns:
        one, other, overlap in (0, 1], each pair once.
    """
    held: Floats = holdings.to_numpy(np.float64).clip(min=0.0)
    size = np.sqrt((held**2).sum(axis=1))
    able = np.flatnonzero(size > 0.0)
    unit = held[able] / size[able, None]
    cosine = unit @ unit.T
    one, other = np.nonzero(np.triu(cosine, 1) > 0.0)
    names = holdings.index.to_numpy(object)[able]
    return pd.DataFrame(
        {"one": names[one], "other": names[other], "overlap": cosine[one, other].clip(max=1.0)}
    )


def worst_block(nodes: pd.DataFrame) -> int:
    """The recorded block with the least equity of all but the venue."""
    inside = nodes[nodes["kind"] != "venue"]
    equity = inside.groupby("block")["equity"].sum()
    return int(equity.index[int(equity.to_numpy().argmin())])


def _of_block(table: pd.DataFrame, block: int) -> list[Any]:
    """Rows of a block without it."""
    found: list[Any] = table[table["block"] == block].drop(columns="block").to_dict("records")
    return found
