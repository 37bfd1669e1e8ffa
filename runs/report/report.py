"""The report of a run: one page that needs nothing else, with its pictures inside."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatter

from runs.charts import time_axis
from runs.report.network import draw
from runs.report.page import (
    COLOURS,
    INK,
    MONEY,
    MUTED,
    SHARE,
    document,
    grid,
    label,
    legend,
    new_figure,
    plain,
    sections,
    table,
)
from runs.results import BLOCKS, REPORT, SCENARIO, SUMMARY, write_whole
from runs.summary import summary_rows, with_nan
from sim import Scenario, reading
from sim.errors import ScenarioError
from sim.losses import CAUSES, TOTAL
from sim.shown import PRICES, Chart, all_shown, money

_FORMATS = {"money": MONEY, "share": SHARE}


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
            time_axis(ax)
        return drawn

    def drawn(self, charts: Sequence[Chart]) -> Figure:
        """Charts above each other."""
        figure, axes = new_figure(len(charts))
        for ax, chart in zip(axes, charts, strict=True):
            label(ax, f"{chart.title} ({chart.unit})" if chart.unit else chart.title)
            drawn = self.lines(ax, {name: text for text, name in chart.lines.items()})
            legend(ax, drawn if chart.legend else 0)
            if drawn and chart.level is not None:
                ax.axhline(chart.level, color=INK, linewidth=0.8)
            if chart.format in _FORMATS:
                ax.yaxis.set_major_formatter(_FORMATS[chart.format])
            if chart.log:
                values = self.frame.reindex(columns=list(chart.lines.values()))
                if (values > 0.0).any(axis=None):  # gas may be free
                    ax.set_yscale("log")
                ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                # Between the powers of ten, as far as there is room.
                ax.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2.0, 0.4)))
        return figure

    def sections(self) -> dict[str, list[Chart]]:
        """Charts by heading: prices, then what kinds of protocol are shown by, then gas."""
        s, unit = self.setup, self.setup.venue.numeraire
        found: dict[str, list[Chart]] = {PRICES: []}
        for asset, settings in s.venue.assets.items():
            if settings.process != "constant":
                found[PRICES].append(Chart(f"Price of {asset}", unit, prices_of(s, asset)))
        for shown in all_shown():
            for heading, charts in shown.sections(s).items():
                found.setdefault(heading, []).extend(charts)
        gas = {"mean paid by others": "gas.mean", "least that got in": "gas.price"}
        waiting = {"waiting": "gas.waiting"}
        found["Gas"] = [
            Chart("Gas price", "gwei, logarithmic", gas, log=True),
            Chart("Calls waiting in the mempool", "number", waiting, legend=False),
        ]
        return {heading: charts for heading, charts in found.items() if charts}

    def losses(self) -> Figure:
        """What each class has gained or lost against holding, by what if that is known; in all."""
        figure, axes = new_figure(1, 4.2)
        ax = axes[0]
        outside = ("venue", "holders")
        losses = self.summary["losses"]
        classes = [c for c in losses if c not in outside]
        at = np.arange(len(classes))
        results = [losses[c][TOTAL] for c in classes]
        ax.barh(at - 0.2, results, 0.38, color=COLOURS[2], label="against holding the start")
        causes = [cause for cause in CAUSES if classes and cause in losses[classes[0]]]
        before = np.zeros((2, len(classes)))  # of losses and of gains, one beside the other
        for n, cause in enumerate(causes):
            parts = np.array([losses[c][cause] for c in classes])
            left = np.where(parts < 0.0, before[0], before[1])
            colour = COLOURS[n % len(COLOURS)]
            ax.barh(at + 0.2, parts, 0.38, left, color=colour, label=cause.replace("_", " "))
            before += np.array([parts.clip(max=0.0), parts.clip(min=0.0)])
        if not causes and self.summary["loss"]:
            changes = [-(self.summary["loss"].get(c) or 0.0) for c in classes]
            ax.barh(at + 0.2, changes, 0.38, color=COLOURS[0], label="change of wealth")
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
        pictures = {"Losses by class": self.losses()}
        pictures |= {heading: self.drawn(charts) for heading, charts in self.sections().items()}
        pictures = {
            heading: figure
            for heading, figure in pictures.items()
            if any(ax.has_data() for ax in figure.axes)
        }
        pictures["Exposure network"] = self.network()
        return pictures


def prices_of(setup: Scenario, asset: str) -> dict[str, str]:
    """Lines in the chart of an asset's price: measures by label, the outside price first."""
    lines = {"outside venue": f"venue.{asset}.price"}
    for shown in all_shown():
        lines |= shown.prices(setup, asset)
    return lines


def _told(value: float, grain: float) -> str:
    """An amount of money; less than a grain is what rounding has left, and nothing."""
    if value != value:
        return "–"
    return money(value) if abs(value) > grain else "0"


def loss_table(summary: dict[str, Any]) -> str:
    """Results against holding of all classes and the parts that they are the sum of, as HTML.

    Nothing where the run kept no account of them (``measures.losses``).
    """
    losses = summary["losses"]
    causes = [cause for cause in CAUSES if any(cause in parts for parts in losses.values())]
    if not causes:
        return ""
    heads = ["", "against holding", *(cause.replace("_", " ") for cause in causes)]
    grain = 1e-9 * max(abs(value) for parts in losses.values() for value in parts.values())
    rows = [
        [name, *(_told(parts.get(key, math.nan), grain) for key in (TOTAL, *causes))]
        for name, parts in losses.items()
    ]
    unit = html.escape(summary["numeraire"])
    return f"<h2>Losses by part ({unit})</h2>" + grid(heads, rows)


def default_table(summary: dict[str, Any]) -> str:
    """Accounts that failed, in order, as HTML; nothing where none did."""
    told = summary.get("defaults", {})
    if not told.get("count"):
        return ""
    amounts = ("equity", "owed", "recovered", "treasury", "depositors")
    rows = [
        [str(row["entity"]), f"{row['block']:,}", str(row["protocol"])]
        + [money(row[key]) for key in amounts]
        for row in told["first"]
    ]
    unit = html.escape(summary["numeraire"])
    more = told["count"] - len(rows)
    rest = f'<p class="sub">and {more:,} more</p>' if more > 0 else ""
    heads = ["", "block", "creditor", *amounts]
    return f"<h2>Defaults ({unit})</h2>" + grid(heads, rows) + rest


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
        summary = with_nan(reading.json_value(reading.read_text(folder / SUMMARY)))
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
            table(summary_rows(summary))
            + loss_table(summary)
            + default_table(summary)
            + sections(pictures.all()),
            f"Made {summary['made']} with {made}. Dotted lines are shocks from outside; "
            "everything else the agents did.",
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        text = f"does not hold what a run leaves ({error!r}); make the run again"
        raise ScenarioError([(str(folder), text)]) from error
    path = folder / REPORT
    write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))
    return path
