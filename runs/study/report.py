"""The report of a study: tables of statistics, and pictures that suit its design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, Colormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from runs.files import REPORT, write_whole
from runs.report.methods import citation, methods_section, scenario_hash, with_versions
from runs.report.page import (
    COLOURS,
    FIGURES,
    GRID,
    INK,
    MUTED,
    NUMBER,
    beside,
    document,
    label,
    new_figure,
    number,
    plain,
    sections,
    table,
)
from runs.study.design import sobol_problem
from runs.study.rule import FEWEST
from runs.study.statistics import Interval, interval, paired, rate, summary
from runs.study.store import (
    FAILED,
    STUDIES,
    read_definition,
    read_made_by,
    read_series,
    read_study,
)
from runs.study.study import BASE, Study
from sim.errors import ScenarioError

Array = npt.NDArray[np.float64]
STATISTICS, PAIRED, INDICES = "statistics.csv", "paired.csv", "sensitivity.csv"
_BINS = 8
_FANS = 4


def _short(value: Any) -> str:
    return number(float(value)) if isinstance(value, int | float | np.floating) else str(value)


BANDS = ((0.05, 0.95, 0.12), (0.25, 0.75, 0.22))
"""Shades of runs: from this share of them to that, and how dark."""
_SHADES = "shading: central 50 % and 90 % of runs"


@dataclass
class StudyPictures:
    """Draws the pictures of a study from its runs."""

    study: Study
    frame: pd.DataFrame
    out: Path | None = None

    def __post_init__(self) -> None:
        """Leave failed runs out, and find out which parameters are numbers."""
        self.good = self.frame[self.frame["status"] != FAILED]
        numeric = pd.api.types.is_numeric_dtype
        is_bool = pd.api.types.is_bool_dtype
        self.numbers = [
            name
            for name in self.study.parameters
            if numeric(self.good[name]) and not is_bool(self.good[name])
        ]
        self.level = self.study.statistics.level
        self.resamples = self.study.statistics.resamples

    @property
    def measures(self) -> list[str]:
        """What is shown."""
        return self.study.report.measures or self.study.measures

    def interval(self, values: Any, name: str = "mean") -> Interval:
        """A statistic with its interval, as the study states them."""
        return interval(values, name, self.level, self.resamples)

    def log_scale(self, name: str) -> bool:
        """Whether a parameter's values are spread evenly in their logarithm."""
        values = np.sort(self.good[name].unique())
        if self.study.parameters[name].scale == "log":
            return True
        if len(values) < 3 or not values[0] > 0.0:
            return False
        steps, ratios = np.diff(values), np.diff(np.log(values))
        return bool(np.std(ratios) / np.mean(ratios) < 0.5 * np.std(steps) / np.mean(steps))

    # One picture a design

    def all(self) -> dict[str, Figure]:
        """Every picture by its heading."""
        pictures: dict[str, Figure] = {}
        grid = self.study.design.method == "grid"
        varied = [n for n in self.study.parameters if self.good[n].nunique() > 1]
        if not len(self.good):
            return pictures
        if not varied:
            pictures["Distributions over seeds"] = self.distributions()
        elif grid and len(varied) == 2 and set(varied) <= set(self.numbers):
            for measure in self.measures:
                heading = f"Phase map: {self.study.label(measure)}"
                pictures[heading] = self.phase_map(measure, varied[0], varied[1])
        elif self.study.design.method in ("grid", "list") and len(varied) == 1:
            pictures[f"Against {self.study.label(varied[0])}"] = self.bands(varied[0])
        else:
            for name in varied:
                pictures[f"Against {self.study.label(name)}, averaged over other parameters"] = (
                    self.bands(name)
                )
        if self.study.design.method == "sobol" and self.study.design.indices:
            indices = self.indices()
            if indices is not None:
                pictures["Sensitivity: Sobol indices"] = self.index_bars(indices)
        if self.study.series is not None and self.out is not None:
            pictures.update(self.fans())
        return pictures

    def variants(self) -> list[str]:
        """Variants that have runs, the one that changes nothing first."""
        there = set(self.good["variant"])
        return [v for v in self.study.variant_names if v in there]

    def bands(self, name: str) -> Figure:
        """Each measure against a parameter: means with intervals, and the middle of the runs."""
        figure, axes = new_figure(len(self.measures), 2.4)
        numeric = name in self.numbers
        values = self.good[name]
        binned = numeric and values.nunique() > 2 * _BINS
        if binned:
            edges = np.quantile(values, np.linspace(0.0, 1.0, _BINS + 1))
            place = np.clip(np.searchsorted(edges, values, "right") - 1, 0, _BINS - 1)
            groups = pd.Series(place, index=values.index)
            at: Array = np.array([values[groups == b].mean() for b in range(_BINS)])
            keys: Sequence[Any] = list(range(_BINS))
        else:
            groups = values
            keys = sorted(values.unique())
            at = np.array(keys, dtype=float) if numeric else np.arange(len(keys), dtype=float)
        for ax, measure in zip(axes, self.measures, strict=True):
            for v, variant in enumerate(self.variants()):
                here = self.good["variant"] == variant
                parts = [self.good.loc[here & (groups == key), measure] for key in keys]
                self._band(ax, at, parts, COLOURS[v % len(COLOURS)], variant)
            label(ax, self.study.label(measure))
            ax.yaxis.set_major_formatter(NUMBER)
            beside(ax, len(self.variants()))
        if numeric and self.log_scale(name):
            axes[-1].set_xscale("log")
            axes[-1].xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        if not numeric:
            axes[-1].set_xticks(at, [plain(str(key)) for key in keys])
        axes[-1].set_xlabel(plain(self.study.label(name)), color=INK, fontsize=9)
        figure.supxlabel(
            f"Line and bars: mean with its {100 * self.level:g} % interval. "
            f"{_SHADES.capitalize()}.",
            fontsize=8,
            color=MUTED,
        )
        return figure

    def _band(
        self, ax: Axes, at: Array, parts: Sequence[pd.Series], colour: str, name: str
    ) -> None:
        found = [self.interval(part) for part in parts]
        mean = np.array([f.estimate for f in found])
        low = np.array([f.low for f in found])
        high = np.array([f.high for f in found])
        for bottom, top, dark in BANDS:
            ends = [part.quantile([bottom, top]) if len(part) else [np.nan] * 2 for part in parts]
            spread = np.array(ends, dtype=np.float64)
            ax.fill_between(at, spread[:, 0], spread[:, 1], color=colour, alpha=dark, linewidth=0)
        errors = np.clip(np.nan_to_num([mean - low, high - mean]), 0.0, None)
        ax.errorbar(
            at, mean, yerr=errors, color=colour, marker="o", markersize=3.5, linewidth=1.4,
            elinewidth=1.1, capsize=2.5, label=name,
        )  # fmt: skip

    def distributions(self) -> Figure:
        """Each measure over seeds: how many runs are at or below each value."""
        figure, axes = new_figure(len(self.measures), 2.2, share=False)
        for ax, measure in zip(axes, self.measures, strict=True):
            for v, variant in enumerate(self.variants()):
                x = self.good.loc[self.good["variant"] == variant, measure].dropna().sort_values()
                colour = COLOURS[v % len(COLOURS)]
                if not len(x):
                    continue
                ax.step(
                    np.append(x, x.iloc[-1]),
                    np.arange(len(x) + 1) / len(x),
                    where="post",
                    color=colour,
                    label=f"{variant} ({len(x)} runs)",
                )
                found = self.interval(x)
                ax.axvspan(found.low, found.high, color=colour, alpha=0.15, linewidth=0)
                ax.axvline(found.estimate, color=colour, linewidth=1.0, linestyle="--")
            label(ax, f"{self.study.label(measure)}: share of runs at or below")
            ax.xaxis.set_major_formatter(NUMBER)
            ax.set_ylim(0.0, 1.02)
            beside(ax, len(self.variants()))
        figure.supxlabel(
            f"Dashed: mean, with its {100 * self.level:g} % interval shaded.",
            fontsize=8,
            color=MUTED,
        )
        return figure

    # Phase maps

    def means(self, column: str, x: str, y: str, variant: str) -> tuple[Array, Array, Array]:
        """Means of a column over seeds on a grid.

        Returns:
            Values of x, values of y, and the means, float64[len(y), len(x)].
        """
        here = self.good[self.good["variant"] == variant]
        grid = here.pivot_table(index=y, columns=x, values=column, aggfunc="mean", sort=True)
        return grid.columns.to_numpy(float), grid.index.to_numpy(float), grid.to_numpy(float)

    def phase_map(self, measure: str, x: str, y: str) -> Figure:
        """A measure over two parameters, in each variant, and what the variants change."""
        variants = self.variants()
        others = [v for v in variants if v != BASE]
        panels = len(variants) + len(others)
        columns = min(panels, 3)
        lines = -(-panels // columns)
        figure = Figure(
            figsize=(3.6 * columns if columns > 1 else 6.0, 3.5 * lines + 0.3),
            layout="constrained",
            facecolor="white",
        )
        axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
        maps = {v: self.means(measure, x, y, v) for v in variants}
        top = max((float(np.nanmax(m[2])) for m in maps.values()), default=1.0)
        bottom = min((float(np.nanmin(m[2])) for m in maps.values()), default=0.0)
        norm: Normalize = Normalize(min(bottom, 0.0) if bottom >= 0.0 else bottom, top or 1.0)
        for ax, variant in zip(axes, variants, strict=False):
            self._map(figure, ax, maps[variant], norm, colormaps["YlGnBu"], x, y)
            ax.set_title(variant, loc="left", fontsize=10, color=INK)
            self._contours(ax, x, y)
        for ax, variant in zip(axes[len(variants) :], others, strict=False):
            change = maps[BASE][2] - maps[variant][2]
            most = float(np.nanmax(np.abs(change))) or 1.0
            cells = (maps[BASE][0], maps[BASE][1], change)
            self._map(figure, ax, cells, TwoSlopeNorm(0.0, -most, most), colormaps["RdBu_r"], x, y)
            ax.set_title(f"{BASE} less {variant}", loc="left", fontsize=10, color=INK)
            self._mark_certain(ax, measure, x, y, variant)
            self._contours(ax, x, y)
        for ax in axes[panels:]:
            ax.set_axis_off()
        figure.suptitle(
            plain(f"{self.study.label(measure)}: mean over seeds"), x=0.01, ha="left", fontsize=11,
            color=INK,
        )  # fmt: skip
        notes = []
        if others:
            notes.append(f"Dots: the {100 * self.level:g} % interval on common seeds excludes 0.")
        if self.study.report.contours:
            names = ", ".join(self.study.label(c) for c in self.study.report.contours)
            notes.append(f"Lines: {names}.")
        figure.supxlabel(
            plain("\n".join([self.study.label(x), " ".join(notes)])), fontsize=9, color=INK
        )
        figure.supylabel(plain(self.study.label(y)), fontsize=9, color=INK)
        return figure

    def _map(
        self,
        figure: Figure,
        ax: Axes,
        cells: tuple[Array, Array, Array],
        norm: Normalize | BoundaryNorm,
        colours: Colormap,
        x: str,
        y: str,
    ) -> None:
        across, up, values = cells
        ax.set_facecolor(GRID)
        for name, axis in ((x, "x"), (y, "y")):
            if self.log_scale(name):
                getattr(ax, f"set_{axis}scale")("log")
            ticks = across if axis == "x" else up
            shown = ticks if len(ticks) <= 7 else ticks[:: -(-len(ticks) // 7)]
            getattr(ax, f"set_{axis}ticks")(shown, [f"{t:.3g}" for t in shown], fontsize=8)
            getattr(ax, f"set_{axis}ticks")([], minor=True)
        edges_x = _edges(across, self.log_scale(x))
        edges_y = _edges(up, self.log_scale(y))
        mesh = ax.pcolormesh(edges_x, edges_y, values, norm=norm, cmap=colours, rasterized=True)
        bar = figure.colorbar(mesh, ax=ax, shrink=0.9, pad=0.02, format=NUMBER)
        bar.ax.tick_params(labelsize=8, colors=MUTED)
        bar.ax.yaxis.set_major_locator(MaxNLocator(5))
        bar.outline.set_visible(False)
        ax.tick_params(colors=MUTED)
        ax.set_xlim(edges_x[0], edges_x[-1])
        ax.set_ylim(edges_y[0], edges_y[-1])

    def _contours(self, ax: Axes, x: str, y: str) -> None:
        """Lines of the columns that the study wants drawn over every map."""
        for column, levels in self.study.report.contours.items():
            across, up, values = self.means(column, x, y, self.study.report.contours_of)
            if min(values.shape) < 2 or not np.isfinite(values).any():
                continue
            inside = [v for v in levels if np.nanmin(values) < v < np.nanmax(values)]
            if not inside:
                continue
            lines = ax.contour(
                across, up, values, levels=sorted(inside), colors=INK, linewidths=1.2
            )
            texts = ax.clabel(lines, fmt=lambda v: f"{v:g}", fontsize=8)
            around: list[AbstractPathEffect] = [withStroke(linewidth=2.6, foreground="white")]
            for drawn in (lines, *texts):
                drawn.set_path_effects(around)

    def _mark_certain(self, ax: Axes, measure: str, x: str, y: str, variant: str) -> None:
        both = self.good[self.good["variant"].isin([BASE, variant])]
        found = paired(both, "variant", BASE, [x, y], [measure], self.level, self.resamples)
        sure = found[(found["pairs"] >= FEWEST) & ((found["low"] > 0.0) | (found["high"] < 0.0))]
        ax.plot(sure[x], sure[y], ".", color=INK, markersize=2.5, linestyle="")

    # Sensitivity

    def indices(self) -> pd.DataFrame | None:
        """Sobol indices of each measure and parameter, with intervals; None if runs are missing.

        First-order and total indices by Saltelli (2010) and Jansen (1999), of the mean
        over seeds at each point.
        """
        from SALib.analyze import sobol

        rows = []
        problem = sobol_problem(self.study)
        count = (self.study.design.points or 0) * (len(self.study.parameters) + 2)
        for variant in self.variants():
            here = self.good[self.good["variant"] == variant]
            for measure in self.measures:
                mean = here.groupby("point")[measure].mean()
                if len(mean) != count or mean.isna().any() or np.ptp(mean.to_numpy()) == 0.0:
                    continue
                found = sobol.analyze(
                    problem,
                    mean.to_numpy(float),
                    calc_second_order=False,
                    num_resamples=200,
                    conf_level=self.level,
                    seed=self.study.design.rng,
                )
                for i, name in enumerate(problem["names"]):
                    for kind, letter in (("first", "S1"), ("total", "ST")):
                        value, error = found[letter][i], found[f"{letter}_conf"][i]
                        rows.append((variant, measure, name, kind, value, error))
        columns = ["variant", "measure", "parameter", "index", "estimate", "half_width"]
        return pd.DataFrame(rows, columns=columns) if rows else None

    def index_bars(self, indices: pd.DataFrame) -> Figure:
        """Sobol indices as bars."""
        shown = indices[indices["variant"] == indices["variant"].iloc[0]]
        measures = list(pd.unique(shown["measure"]))
        figure, axes = new_figure(len(measures), 2.0)
        names = list(self.study.parameters)
        at = np.arange(len(names))
        for ax, measure in zip(axes, measures, strict=True):
            for i, kind in enumerate(("first", "total")):
                here = shown[(shown["measure"] == measure) & (shown["index"] == kind)]
                ax.bar(
                    at + 0.2 * (2 * i - 1), here["estimate"], 0.36, yerr=here["half_width"],
                    color=COLOURS[2 * i], ecolor=INK, capsize=2.5,
                    label={"first": "first order", "total": "total (with\ninteractions)"}[kind],
                )  # fmt: skip
            ax.set_xticks(at, [plain(self.study.label(n)) for n in names], fontsize=8)
            ax.axhline(0.0, color=INK, linewidth=0.8)
            label(ax, f"{self.study.label(measure)}: share of variance")
            beside(ax, 2)
        return figure

    # Over time

    def fans(self) -> dict[str, Figure]:
        """Kept series over time: median, and the middle half and nine tenths of runs."""
        assert self.out is not None
        points = sorted(self.good["point"].unique())
        places = np.unique(np.linspace(0, len(points) - 1, min(_FANS, len(points))).astype(int))
        pictures = {}
        for place in places:
            point = int(points[place])
            frame = read_series(self.out, self.study.name, point=point)
            row = self.good[self.good["point"] == point].iloc[0]
            where = ", ".join(
                f"{self.study.label(p)} {_short(row[p])}" for p in self.study.parameters
            )
            pictures[f"Over time{': ' + where if where else ''}"] = self.fan(frame)
        return pictures

    def fan(self, frame: pd.DataFrame) -> Figure:
        """Series of one point over time, those of all its runs together."""
        names = [c for c in frame.columns if c not in ("run", "point", "variant", "seed", "block")]
        figure, axes = new_figure(len(names), 2.2)
        for ax, name in zip(axes, names, strict=True):
            for v, variant in enumerate(self.variants()):
                here = frame[frame["variant"] == variant].groupby("block")[name]
                middle, colour = here.median(), COLOURS[v % len(COLOURS)]
                kept = _thinned(len(middle))
                hours = middle.index.to_numpy()[kept] * self.study.base.block.seconds / 3600.0
                for bottom, top, dark in BANDS:
                    low, high = (here.quantile(q).to_numpy()[kept] for q in (bottom, top))
                    ax.fill_between(hours, low, high, color=colour, alpha=dark, linewidth=0)
                ax.plot(hours, middle.to_numpy()[kept], color=colour, linewidth=1.3, label=variant)
            for shock in self.study.base.shocks:
                when = self.study.base.block_of(shock) * self.study.base.block.seconds / 3600.0
                ax.axvline(when, color=MUTED, linestyle=":", linewidth=1.0)
            label(ax, self.study.label(name))
            ax.yaxis.set_major_formatter(NUMBER)
            beside(ax, len(self.variants()))
        axes[-1].set_xlabel(
            f"hours since the start (line: median; {_SHADES})", fontsize=9, color=MUTED
        )
        return figure


_MOST = 600
"""Points of a band over time."""


def _thinned(rows: int) -> npt.NDArray[np.int64]:
    """Some rows of many, evenly, the first and the last among them."""
    return np.unique(np.linspace(0, rows - 1, min(rows, _MOST)).astype(np.int64))


def study_methods(study: Study, frame: pd.DataFrame, made: Mapping[str, str]) -> str:
    """How a study was made.

    Args:
        study: It.
        frame: Its runs.
        made: Versions with which, and the hash of the sources (`runs.files.made_by`).
    """
    seeds = sorted(frame["seed"].unique())
    few = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
    design = study.design.method.replace("_", " ")
    points, variants = frame["point"].nunique(), len(study.variant_names)
    base = study.base
    return (
        f"{len(frame):,} runs of the scenario “{base.title}” (SHA-256 of its file "
        f"{scenario_hash(base)[:16]}…), {base.blocks:,} blocks of {base.block.seconds:g} s each: "
        f"{points:,} point{'' if points == 1 else 's'} (design: {design}), {variants} "
        f"variant{'' if variants == 1 else 's'} and seeds {few}; every seed is run at "
        "every point and variant, so that differences are paired on common random draws. "
        f"Intervals are {100 * study.statistics.level:g} % bootstrap intervals from "
        f"{study.statistics.resamples:,} resamples. Made with {with_versions(made)} (sources "
        f"{made['sources'][:12]})."
    )


def _edges(values: Array, log: bool) -> Array:
    """Edges of cells around values."""
    x = np.log(values) if log else values
    if len(x) == 1:
        edges = np.array([x[0] - 0.5, x[0] + 0.5])
    else:
        middle = (x[1:] + x[:-1]) / 2.0
        edges = np.concatenate([[2 * x[0] - middle[0]], middle, [2 * x[-1] - middle[-1]]])
    return np.exp(edges) if log else edges


def study_rows(study: Study, frame: pd.DataFrame) -> list[tuple[str, str]]:
    """A study's runs as (what, value) rows, for a terminal and for the page.

    A measure has a line for each variant: the mean with nothing changed, and what every
    other one changes on common seeds.
    """
    failed = int((frame["status"] == FAILED).sum())
    points, seeds = frame["point"].nunique(), frame["seed"].nunique()
    counts = ((points, "point"), (len(study.variant_names), "variant"), (seeds, "seed"))
    parts = [f"{n:,} {word}{'' if n == 1 else 's'}" for n, word in counts]
    text = f"{len(frame):,}: {', '.join(parts)}"
    rows = [("Study", study.title or study.name), ("Runs", text)]
    if failed:
        found = rate(failed, len(frame), study.statistics.level)
        share, low, high = (100 * v for v in (found.estimate, found.low, found.high))
        text = f"{failed:,}, {share:.2g} % ({low:.2g} to {high:.2g} %); see the column error"
        rows.append(("Failed", text))
    good = frame[frame["status"] != FAILED]
    base = good[good["variant"] == BASE]
    level, resamples = study.statistics.level, study.statistics.resamples
    measures = study.report.measures or study.measures
    changes = _changes(study, good, measures)
    for measure in measures:
        found = interval(base[measure], "mean", level, resamples)
        tail = interval(base[measure], "q95", level, resamples)
        text = f"mean {_with_interval(found)}, 95 % of runs below {number(tail.estimate)}"
        where = " across all points" if points > 1 else ""
        lines = [(f"{BASE}: " if changes else "") + text + where]
        for change in (c for c in changes if c["measure"] == measure):
            by = _with_interval(Interval(change["difference"], change["low"], change["high"]))
            sign = "+" if change["difference"] > 0.0 else ""
            often = f"higher in {100 * change['share_above']:.0f} % of pairs"
            lines.append(f"{change['variant']}: {sign}{by}, {often}")
        rows.append((study.label(measure), "\n".join(lines)))
    return rows


def _changes(study: Study, good: pd.DataFrame, measures: Sequence[str]) -> list[dict[str, Any]]:
    """What each variant changes on common seeds, over all points."""
    if good["variant"].nunique() < 2 or not (good["variant"] == BASE).any():
        return []
    pairs = good.assign(seed=good["point"].astype(str) + ":" + good["seed"].astype(str))
    settings = study.statistics
    found = paired(pairs, "variant", BASE, [], measures, settings.level, settings.resamples)
    return [{str(name): value for name, value in row.items()} for row in found.to_dict("records")]


def _with_interval(found: Interval) -> str:
    return f"{number(found.estimate)} ({number(found.low)} to {number(found.high)})"


def tables(study: Study, frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The statistics of a study: per point and variant, and paired on common seeds."""
    good = frame[frame["status"] != FAILED]
    settings = study.statistics
    names = list(study.parameters)
    tail = f"es{round(100 * (1.0 - settings.tail)):02d}"
    kinds = ("mean", "sd", "median", "q05", "q95", tail)
    arguments = (settings.level, settings.resamples)
    by = ["point", *names, "variant"]
    found = {STATISTICS: summary(good, by, study.measures, kinds, *arguments)}
    if study.variants and (good["variant"] == BASE).any():
        found[PAIRED] = paired(good, "variant", BASE, ["point", *names], study.measures, *arguments)
    return found


def write_study_report(out: Path, name: str | None = None) -> Path:
    """Write the report of a study, and its statistics, from its runs.

    Args:
        out: Folder of the sweep.
        name: Of the study; may be left out where there is one.

    Returns:
        The page.

    Raises:
        ScenarioError: If there are no runs.
    """
    study = read_definition(out, name)
    frame = read_study(out, study.name)
    home = out / STUDIES / study.name
    found = tables(study, frame)
    pictures = StudyPictures(study, frame, out)
    if study.design.method == "sobol" and study.design.indices:
        try:
            indices = pictures.indices()
        except ImportError:
            text = "needs SALib; pip install 'undertow[study]'"
            raise ScenarioError([("design.indices", text)]) from None
        if indices is not None:
            found[INDICES] = indices
    for file, content in found.items():
        write_whole(home / file, partial(content.to_csv, index=False))
    files = ", ".join(found)
    made = read_made_by(out, study.name)
    text = document(
        study.title or study.name,
        study.description,
        table(study_rows(study, frame))
        + sections(pictures.all(), home)
        + methods_section(
            study_methods(study, frame, made), citation(made["undertow"], made["sources"])
        ),
        f"Intervals by bootstrap, paired differences on common seeds; numbers in {files} and "
        f"figures as SVG and PDF in {FIGURES}, next to this page.",
    )
    path = home / REPORT
    write_whole(path, lambda place: place.write_text(text, encoding="utf-8"))
    return path
