"""The report of a run: one page that needs nothing else, with its pictures inside."""

from __future__ import annotations

import hashlib
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
from matplotlib.ticker import NullLocator

from runs.charts import Panel, apart, drawn, styled, time_axis
from runs.files import BLOCKS, REPORT, SCENARIO, SUMMARY, write_whole
from runs.report.methods import citation, methods_section, run_methods
from runs.report.network import draw_moments
from runs.report.page import (
    COLOURS,
    FIGURES,
    INK,
    MONEY,
    MUTED,
    SHARE,
    Section,
    beside,
    document,
    grid,
    label,
    new_figure,
    number,
    plain,
    sections,
    table,
)
from runs.summary import summary_rows, with_nan
from sim import Scenario, reading
from sim.errors import ScenarioError
from sim.losses import CAUSES, TOTAL
from sim.shown import PRICES, Chart, all_shown, money


class Pictures:
    """Draws the pictures of a run from its files."""

    def __init__(self, frame: pd.DataFrame, summary: dict[str, Any], setup: Scenario) -> None:
        """Draw from measures, a summary and the scenario."""
        self.summary = summary
        self.setup = setup
        start = pd.Timestamp(setup.time_of(0))
        seconds = pd.to_timedelta(frame["block"] * setup.block.seconds, unit="s")
        time = pd.DatetimeIndex(start + seconds, name="time")
        self.frame = frame.set_axis(time, axis=0)
        self.time = time.tz_localize(None).to_numpy()
        self.shocks: dict[Any, str] = {
            setup.time_of(setup.block_of(s)).replace(tzinfo=None): s.kind
            for s in setup.shocks
            if setup.block_of(s) <= setup.blocks
        }

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
            for time in self.shocks:
                ax.axvline(time, color=MUTED, linestyle=":", linewidth=1.0)
            time_axis(ax, self.time[0], self.time[-1])
        return drawn

    def drawn(self, charts: Sequence[Chart]) -> tuple[Figure | None, str]:
        """Charts above each other, each as small multiples in which all lines are seen to move.

        Returns:
            The figure, or None where nothing moved, and what is not drawn since it never changed.
        """
        shown, unmoved = [], []
        for chart in charts:
            lines = {name: text for text, name in chart.lines.items()}
            panel = Panel(chart.title, chart.unit, lines, chart.format, chart.log, chart.level)
            panels, still = apart(self.frame, panel)
            for each in panels:
                # A line alone is told in the title, where its name says more than the chart's.
                alone = next(iter(each.lines.values())) if len(each.lines) == 1 else ""
                said = alone and chart.legend and len(chart.lines) > 1
                shown.append(each._replace(title=f"{chart.title}: {alone}") if said else each)
            for name, value in still.items():
                which = f" ({name})" if len(chart.lines) > 1 else ""
                unmoved.append(f"{chart.title}{which}: {chart_value(chart, value)}")
        text = "Constant, not drawn: " + "; ".join(unmoved) + "." if unmoved else ""
        if not shown:
            return None, text
        seconds = self.setup.block.seconds
        return drawn(self.frame, shown, seconds, self.shocks, height=2.1), text

    def charts(self) -> dict[str, list[Chart]]:
        """Charts by heading: prices, then what kinds of protocol are shown by, then gas."""
        s, unit = self.setup, self.setup.venue.numeraire
        found: dict[str, list[Chart]] = {PRICES: []}
        for asset, settings in s.venue.assets.items():
            if settings.process != "constant":
                found[PRICES].append(Chart(f"Price of {asset}", unit, prices_of(s, asset)))
        for shown in all_shown():
            for heading, charts in shown.sections(s).items():
                found.setdefault(heading, []).extend(charts)
        gas = {"mean bid of others": "gas.mean", "lowest included bid": "gas.price"}
        waiting = {"waiting": "gas.waiting"}
        found["Gas"] = [
            Chart("Gas price", "gwei, logarithmic", gas, log=True),
            Chart("Pending calls in the mempool", "number", waiting, legend=False),
        ]
        return {heading: charts for heading, charts in found.items() if charts}

    def losses(self) -> Figure:
        """What each class has gained or lost against holding, and by what or beside what."""
        losses = self.summary["losses"]
        classes = [c for c in losses if c not in ("venue", "holders")]
        figure = new_figure(1, max(2.6, 0.9 + 0.34 * len(classes)))[0]
        figure.clear()
        left, right = figure.subplots(1, 2, sharey=True)
        for ax in (left, right):
            styled(ax)
            ax.xaxis.set_major_formatter(MONEY)
            ax.axvline(0.0, color=INK, linewidth=0.8)
        at = np.arange(len(classes))
        unit = self.summary["numeraire"]
        self._bars(left, at, [losses[c][TOTAL] for c in classes])
        label(left, f"Result against holding ({_scaled(left, unit)})")
        causes = [cause for cause in CAUSES if classes and cause in losses[classes[0]]]
        if causes:
            label(right, "Causes (share of gains and losses)")
            self._parts(right, at, classes, causes)
        else:
            loss = self.summary["loss"]
            self._bars(right, at, [-(loss.get(c) or 0.0) for c in classes])
            label(right, f"Change in wealth, including prices ({_scaled(right, unit)})")
        left.set_yticks(at, [plain(c) for c in classes])
        left.invert_yaxis()
        return figure

    def _bars(self, ax: Axes, at: Any, values: Sequence[float]) -> None:
        """Bars with their values: on a symmetric logarithm where they are of many sizes."""
        colours = [COLOURS[1] if value < 0.0 else COLOURS[3] for value in values]
        bars = ax.barh(at, values, 0.6, color=colours)
        sizes = sorted(abs(value) for value in values if value and math.isfinite(value))
        if sizes and sizes[-1] > 20.0 * sizes[0]:
            least = 10.0 ** math.floor(math.log10(max(sizes[0], 1e-4 * sizes[-1])))
            ax.set_xscale("symlog", linthresh=least, linscale=0.6)
            first, last = round(math.log10(least)), math.floor(math.log10(sizes[-1]))
            powers = {last, (first + last + 1) // 2} if last > first + 3 else {last}
            ticks = [10.0**power for power in powers]
            ax.set_xticks(sorted([*(-tick for tick in ticks), 0.0, *ticks]))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.xaxis.set_major_formatter(MONEY)
        texts = [money(value) for value in values]
        ax.bar_label(bars, texts, padding=3, fontsize=8, color=INK)
        ax.margins(x=0.22)

    def _parts(self, ax: Axes, at: Any, classes: Sequence[str], causes: Sequence[str]) -> None:
        """What each result is made of, losses to the left: as long for the small as for the big."""
        losses = self.summary["losses"]
        whole = np.array([sum(abs(losses[c][cause]) for cause in causes) or 1.0 for c in classes])
        before = np.zeros((2, len(classes)))  # of losses and of gains, one beside the other
        for n, cause in enumerate(causes):
            parts = np.array([losses[c][cause] for c in classes]) / whole
            begin = np.where(parts < 0.0, before[0], before[1])
            name = cause.replace("_", " ")
            ax.barh(at, parts, 0.6, begin, color=COLOURS[n % len(COLOURS)], label=name)
            before += np.array([parts.clip(max=0.0), parts.clip(min=0.0)])
        ax.xaxis.set_major_formatter(SHARE)
        ax.set_xlim(-1.05, 1.05)
        beside(ax, len(causes))

    def generations(self) -> Figure | None:
        """Liquidations and what they repaid, by generation; None where there were none."""
        told = self.summary.get("generations") or {}
        counts = [one["count"] for one in told.values()]
        if not any(counts):
            return None
        figure = new_figure(1, 2.6)[0]
        figure.clear()
        for ax, what, text in zip(
            figure.subplots(1, 2),
            ("count", "value"),
            ("Liquidations", f"Debt repaid ({self.summary['numeraire']})"),
            strict=True,
        ):
            styled(ax)
            values = [one[what] for one in told.values()]
            bars = ax.bar(list(told), values, 0.6, color=COLOURS[0])
            ax.bar_label(bars, [money(v) for v in values], padding=2, fontsize=8, color=INK)
            ax.yaxis.set_major_formatter(MONEY)
            ax.margins(y=0.15)
            label(ax, text)
        return figure

    def network(self) -> tuple[Figure, str]:
        """The exposure network before, at the worst block and after, and what worst means."""
        unit, blocks = self.summary["numeraire"], self.summary["blocks"]
        noted = {one["what"]: one for one in self.summary.get("moments") or []}
        moments = []
        if "start" in noted:
            moments.append((f"At the start (block {noted['start']['block']:,})", noted["start"]))
        text = "An arrow points from an entity to the one whose failure would cause it a loss."
        worst = noted.get("worst")
        if worst is not None and worst["block"] < blocks:
            moments.append((f"At the worst block ({worst['block']:,})", worst))
            fall = worst["equity"] - noted["start"]["equity"]
            text += (
                f" The worst block is the sampled block with the lowest total equity, excluding "
                f"the venue: {money(worst['equity'])} {unit}, {money(fall)} against the start."
            )
        elif worst is not None:
            text += " Total equity, excluding the venue, is lowest at the end."
        elif noted:
            text += " Total equity was never below its initial value in the sampled blocks."
        end = {"exposure": self.summary["exposure"]}
        moments.append((f"At the end (block {blocks:,})", end))
        graphs = [(t, nx.node_link_graph(m["exposure"], edges="edges")) for t, m in moments]
        text += f" Values in {unit}; positions, sizes and widths are comparable between panels."
        return draw_moments(graphs, self.setup), text

    def sections(self) -> list[Section]:
        """Every picture, but those of which nothing was measured."""
        found = [Section("Losses by class", self.losses(), more=loss_table(self.summary))]
        generations = self.generations()
        if generations is not None:
            text = (
                "Liquidations in lending markets. A liquidation is first-generation if no earlier "
                "one can have moved the price that triggered it; otherwise it is one generation "
                "after the latest one that can. This is the order that timing allows, not proof of "
                "causation."
            )
            found.append(Section("Generations of the cascade", generations, text))
        for heading, charts in self.charts().items():
            figure, text = self.drawn(charts)
            if figure is not None:
                found.append(Section(heading, figure, caption=text))
            elif text:
                found.append(Section(heading, text=text))
        figure, text = self.network()
        found.append(Section("Exposure network", figure, text))
        return found

    def all(self) -> dict[str, Figure]:
        """Every picture by its heading."""
        return {s.heading: s.figure for s in self.sections() if s.figure is not None}


def _scaled(ax: Axes, unit: str) -> str:
    """A unit, with how its axis is scaled."""
    return f"{unit}, logarithmic" if ax.get_xscale() == "symlog" else unit


def chart_value(chart: Chart, value: float) -> str:
    """A value as its chart's axis would tell it."""
    if chart.format == "share":
        return f"{100.0 * value:.3g} %"
    return money(value) if chart.format == "money" else number(value)


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
    return f"<h2>Losses by cause ({unit})</h2>" + grid(heads, rows)


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


def write_report(folder: Path, files: bool = True) -> Path:
    """Write the report of a run from the files in its folder.

    Args:
        folder: Where `runs.files.save_run` left them.
        files: Whether pictures are left as files too, in a folder beside the page.

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
        text = f"cannot be read ({(str(error).splitlines() or [''])[0]}); repeat the run"
        raise ScenarioError([(str(folder), text)]) from error
    setup = Scenario.load(folder / SCENARIO)
    digest = hashlib.sha256((folder / SCENARIO).read_bytes()).hexdigest()
    try:
        parts = Pictures(frame, summary, setup).sections()
        parts.insert(1, Section("", more=default_table(summary)))
        words = run_methods(summary, setup, digest)
        version = summary["versions"]["undertow"]
        text = document(
            setup.title,
            setup.description,
            table(summary_rows(summary))
            + sections(parts, folder if files else None)
            + methods_section(words, citation(version, summary.get("sources", ""))),
            f"Made {summary['made'][:16].replace('T', ' ')} UTC. Dotted lines mark external "
            "shocks; all other moves result from the agents."
            + (f" Figures as SVG and PDF in {FIGURES}, next to this page." if files else ""),
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        text = f"does not contain the results of a run ({error!r}); repeat the run"
        raise ScenarioError([(str(folder), text)]) from error
    path = folder / REPORT
    write_whole(path, lambda place: place.write_text(text, encoding="utf-8"))
    return path
