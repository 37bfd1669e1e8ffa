"""The report of a run: one page that needs nothing else, with its pictures inside."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib.dates as mdates
import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from runs.report.network import draw
from runs.report.page import (
    COLOURS,
    INK,
    MONEY,
    MUTED,
    SHARE,
    document,
    label,
    legend,
    money,
    new_figure,
    number,
    plain,
    sections,
    table,
)
from runs.results import BLOCKS, REPORT, SCENARIO, SUMMARY, write_whole
from sim import Scenario, reading, registry
from sim.errors import ScenarioError


def _time_axis(ax: Axes) -> None:
    locator = mdates.AutoDateLocator(minticks=4, maxticks=9)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))


def _mark_shocks(ax: Axes, shocks: list[Any]) -> None:
    for time in shocks:
        ax.axvline(time, color=MUTED, linestyle=":", linewidth=1.0)


class Pictures:
    """Draws the pictures of a run from its files."""

    def __init__(self, frame: pd.DataFrame, summary: dict[str, Any], setup: Scenario) -> None:
        """Draw from measures, a summary and the scenario."""
        self.frame = frame
        self.summary = summary
        self.setup = setup
        start = pd.Timestamp(setup.time_of(0)).tz_localize(None)
        seconds = pd.to_timedelta(frame["block"] * setup.block.seconds, unit="s")
        self.time = (start + seconds).to_numpy()
        self.shocks = [
            (start + pd.Timedelta(seconds=setup.block_of(s) * setup.block.seconds)).to_pydatetime()
            for s in setup.shocks
            if setup.block_of(s) <= setup.blocks
        ]

    def lines(self, ax: Axes, names: dict[str, str]) -> int:
        """Draw measures over time, by name and label; returns how many there were."""
        drawn = 0
        for name, text in names.items():
            if name in self.frame and not self.frame[name].isna().all():
                values = self.frame[name]
                colour = COLOURS[drawn % len(COLOURS)]
                ax.plot(self.time, values, label=plain(text), color=colour, linewidth=1.2)
                drawn += 1
        if drawn:
            _mark_shocks(ax, self.shocks)
            _time_axis(ax)
        return drawn

    def prices(self) -> Figure:
        """Prices in every venue, and how far the pools are out of balance."""
        s, unit = self.setup, self.setup.venue.numeraire
        volatile = [a for a, v in s.venue.assets.items() if v.process not in ("constant",)]
        figure, axes = new_figure(len(volatile) + 1)
        for ax, asset in zip(axes, volatile, strict=False):
            names = {f"venue.{asset}.price": "outside venue"}
            for oracle, o in s.oracles.items():
                if o.token == asset:
                    names[f"oracle.{oracle}.price"] = f"oracle {oracle}"
            for pool, p in s.pools.items():
                if p.tokens == [asset, unit]:
                    names[f"pool.{pool}.price"] = f"pool {pool}"
            label(ax, f"Price of {asset} ({unit})")
            legend(ax, self.lines(ax, names))
        names = {f"pool.{p}.imbalance": p for p in s.pools}
        label(axes[-1], "Imbalance of pools (value of the first token over the second's, share)")
        legend(axes[-1], self.lines(axes[-1], names))
        axes[-1].yaxis.set_major_formatter(SHARE)
        return figure

    def leverage(self) -> Figure:
        """Leverage and health of borrowers, and liquidations."""
        figure, axes = new_figure(3)
        markets = list(self.setup.lending)
        leverage = {f"lending.{m}.leverage": f"{m}: collateral over equity" for m in markets}
        label(axes[0], "Leverage of all positions (multiple)")
        legend(axes[0], self.lines(axes[0], leverage))
        quantiles = {
            f"lending.{m}.health_{q}": f"{m}: {text}"
            for m in markets
            for q, text in (
                ("min", "lowest"),
                ("q05", "5 %"),
                ("q25", "25 %"),
                ("median", "median"),
            )
        }
        label(axes[1], "Health factors (quantiles)")
        drawn = self.lines(axes[1], quantiles)
        legend(axes[1], drawn)
        if drawn:
            axes[1].axhline(1.0, color=INK, linewidth=0.8)
        sums = {}
        for m in markets:
            sums[f"lending.{m}.liquidated"] = f"{m}: debt liquidated since the start"
            sums[f"lending.{m}.bad_debt"] = f"{m}: bad debt since the start"
            sums[f"lending.{m}.endangered"] = f"{m}: debt that a fall of 10 % would endanger"
        label(axes[2], f"Liquidations ({self.setup.venue.numeraire})")
        legend(axes[2], self.lines(axes[2], sums))
        axes[2].yaxis.set_major_formatter(MONEY)
        return figure

    def cash(self) -> Figure:
        """Utilisation, and how much of the deposits could be withdrawn."""
        figure, axes = new_figure(3)
        pairs = [(m, t) for m, s in self.setup.lending.items() for t in s.reserves]
        for ax, what, text in (
            (axes[0], "utilisation", "Utilisation (share of deposits lent)"),
            (axes[1], "withdrawable", "Withdrawable cash (share of deposits)"),
            (axes[2], "borrow_rate", "Rate of borrowing (per year)"),
        ):
            names = {f"lending.{m}.{t}.{what}": f"{m}: {t}" for m, t in pairs}
            label(ax, text)
            legend(ax, self.lines(ax, names))
            ax.yaxis.set_major_formatter(SHARE)
        return figure

    def protocol(self, name: str) -> Figure | None:
        """The charts that a protocol of the scenario's own kind declares; None: it has none."""
        declared = registry.protocol(self.setup.protocols[name].kind).charts
        if not declared:
            return None
        figure, axes = new_figure(len(declared))
        for ax, (title, measures) in zip(axes, declared.items(), strict=True):
            label(ax, title)
            drawn = self.lines(ax, {f"protocol.{name}.{m}": m for m in measures})
            legend(ax, drawn if len(measures) > 1 else 0)
        return figure

    def gas(self) -> Figure:
        """What gas cost, and who had to wait."""
        figure, axes = new_figure(2)
        names = {"gas.mean": "mean paid by others", "gas.price": "least that got in"}
        label(axes[0], "Gas price (gwei, logarithmic)")
        legend(axes[0], self.lines(axes[0], names))
        if (self.frame.reindex(columns=list(names)) > 0.0).any(axis=None):  # gas may be free
            axes[0].set_yscale("log")
        axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        label(axes[1], "Calls waiting in the mempool (number)")
        self.lines(axes[1], {"gas.waiting": "waiting"})
        return figure

    def losses(self) -> Figure:
        """What each class has gained or lost, in all and against holding."""
        figure, axes = new_figure(1, 4.2)
        ax = axes[0]
        outside = ("venue", "holders")
        classes = [c for c, v in self.summary["loss"].items() if v is not None and c not in outside]
        losses = [-self.summary["loss"][c] for c in classes]
        results = [self.summary["result"].get(c) or 0.0 for c in classes]
        at = np.arange(len(classes))
        ax.barh(at - 0.2, losses, 0.38, color=COLOURS[0], label="change of wealth")
        ax.barh(at + 0.2, results, 0.38, color=COLOURS[2], label="against holding the start")
        ax.set_yticks(at, classes)
        ax.invert_yaxis()
        if classes:
            ax.axvline(0.0, color=INK, linewidth=0.8)
        ax.xaxis.set_major_formatter(MONEY)
        numeraire = self.summary["numeraire"]
        label(ax, f"Gains and losses by class ({numeraire}; without the venue and outside holders)")
        legend(ax, 2)
        return figure

    def network(self) -> Figure:
        """The exposure network at the end."""
        graph = nx.node_link_graph(self.summary["exposure"], edges="edges")
        figure, axes = new_figure(1, 6.4)
        unit = self.summary["numeraire"]
        label(axes[0], f"Exposures at the end ({unit}): who loses if the one pointed at fails")
        draw(figure, axes[0], graph, self.setup)
        return figure

    def all(self) -> dict[str, Figure]:
        """Every picture by its heading, but those of which nothing was measured."""
        pictures = {"Prices and imbalance": self.prices()}
        if self.setup.lending:
            pictures["Leverage and liquidations"] = self.leverage()
            pictures["Utilisation and withdrawable cash"] = self.cash()
        for name in self.setup.protocols:
            figure = self.protocol(name)
            if figure is not None:
                pictures[f"Protocol {name}"] = figure
        pictures["Gas"] = self.gas()
        pictures["Losses by class"] = self.losses()
        pictures = {
            heading: figure
            for heading, figure in pictures.items()
            if any(ax.has_data() for ax in figure.axes)
        }
        pictures["Exposure network"] = self.network()
        return pictures


def summary_rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The summary as (what, value) rows, for a terminal and for the page."""
    unit = summary["numeraire"]
    rows = [
        ("Scenario", f"{summary['title']} (seed {summary['rng']})"),
        ("Blocks, agents", f"{summary['blocks']:,} blocks, {summary['agents']:,} agents"),
    ]
    if summary.get("seconds"):
        rate = summary["blocks"] / summary["seconds"]
        rows.append(("Run time", f"{summary['seconds']:.1f} s, {rate:,.0f} blocks a second"))
    for name, p in summary["prices"].items():
        low_at = p["low_at"][:16].replace("T", " ")
        text = (
            f"{number(p['first'])} → {number(p['last'])}, low {number(p['low'])} ({low_at} UTC), "
            f"high {number(p['high'])}"
        )
        rows.append((f"Price of {name} ({unit})", text))
    for name, p in summary["pools"].items():
        if p["largest_imbalance"] is None or p["largest_imbalance"] != p["largest_imbalance"]:
            continue
        text = (
            f"imbalance up to {100 * p['largest_imbalance']:+.2f} %, volume {money(p['volume'])}, "
            f"fees {money(p['fees'])}, return of providers "
            f"{100 * (p['provider_return'] or 0.0):+.2f} % against holding"
        )
        rows.append((f"Pool {name}", text))
    for name, m in summary["lending"].items():
        text = (
            f"{m['liquidations']:,} liquidations of {money(m['liquidated'])} {unit}, "
            f"bad debt {money(m['bad_debt'])}"
        )
        rows.append((f"Lending {name}", text))
        used = ", ".join(
            f"{token} {100 * value:.1f} %"
            for token, value in m["highest_utilisation"].items()
            if value
        )
        if used:
            rows.append(("Highest utilisation", used))
    chance = summary["liquidated_at_first_chance"]
    if chance.get("all") is not None and chance["all"] == chance["all"]:
        text = f"{100 * chance['all']:.0f} % of liquidations"
        parts = [
            f"{100 * chance[key]:.0f} % {when} the gas peak"
            for key, when in (("before_gas_peak", "before"), ("during_gas_peak", "during"))
            if chance.get(key) is not None and chance[key] == chance[key]
        ]
        rows.append(("At the first chance", text + (f" ({', '.join(parts)})" if parts else "")))
    if "gas" in summary:
        gas = summary["gas"]
        rows.append(("Gas", f"mean {gas['mean']:.3g} gwei, highest {gas['highest']:.3g} gwei"))
    done = summary["transactions"]
    failed = ", ".join(f"{k.replace('_', ' ')} {v:,}" for k, v in done.items() if k != "done")
    text = f"{done.get('done', 0):,} done" + (f"; reverted: {failed}" if failed else "")
    rows.append(("Transactions", text))
    return rows


def _with_nan(value: Any) -> Any:
    """What was no number, and so null in JSON, as the number that is none."""
    if isinstance(value, dict):
        return {k: _with_nan(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_nan(v) for v in value]
    return math.nan if value is None else value


def write_report(folder: Path) -> Path:
    """Write the report of a run from the files in its folder.

    Args:
        folder: Where `runs.results.save_run` left them.

    Returns:
        The page.

    Raises:
        ScenarioError: If a file is missing or cannot be read.
    """
    for name in (BLOCKS, SUMMARY, SCENARIO):
        if not reading.is_file(folder / name):
            text = f"there is no {name}; give the folder of a run (undertow run ... --out {folder})"
            raise ScenarioError([(str(folder), text)])
    try:
        frame = pd.read_parquet(folder / BLOCKS)
        summary = _with_nan(reading.json_value(reading.read_text(folder / SUMMARY)))
    except (OSError, ValueError) as error:
        text = f"cannot be read ({(str(error).splitlines() or [''])[0]}); make the run again"
        raise ScenarioError([(str(folder), text)]) from error
    setup = Scenario.load(folder / SCENARIO)
    try:
        pictures = Pictures(frame, summary, setup)
        made = ", ".join(f"{name} {v}" for name, v in summary["versions"].items())
        text = document(
            setup.title,
            setup.description,
            table(summary_rows(summary)) + sections(pictures.all()),
            f"Made {summary['made']} with {made}. Dotted lines are shocks from outside; "
            "everything else the agents did.",
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        text = f"does not hold what a run leaves ({error!r}); make the run again"
        raise ScenarioError([(str(folder), text)]) from error
    path = folder / REPORT
    write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))
    return path
