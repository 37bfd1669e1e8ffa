"""Early warnings: what a market shows before a crisis, how long before, and how often in vain.

Near a tipping point a system comes back more slowly, so that what it shows varies more and looks
more like itself a moment ago (Scheffer et al., Nature 461, 2009): variance and autocorrelation over
a window. Beside them stand levels: of debt that a further fall endangers, of the lowest health
factors, of a pool's imbalance, of who holds how much. Each is judged over whole runs, some of which
end in a crisis: the highest value before it against the highest of the others over as long a time,
by the area under the curve of hit against false-alarm rates (scikit-learn's), with Newcombe's
interval (Statistics in Medicine 25, 2006, method 5), which has a width at 1 too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import optimize, stats

from runs.contagion.evaluation import Event, evaluate_over_time, loaded
from runs.contagion.networks import Floats
from runs.contagion.plans import Plan
from runs.study.statistics import Interval, interval, rate
from sim import Scenario
from sim.errors import ScenarioError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["level", "change", "variance", "autocorrelation"]
KINDS = ("level", "change", "variance", "autocorrelation")


@dataclass(frozen=True)
class Indicator:
    """What is watched.

    Attributes:
        measure: Its name; with * or ?, the sum of all that it stands for.
        kind: level, the mean over a window; change, from its first to its last row; variance of its
            changes from row to row; autocorrelation of the measure with itself a row before.
        falling: Whether a low value warns, such as of a health factor.
        relative: Whether changes are of the logarithm, as prices' are.
    """

    measure: str
    kind: Kind = "level"
    falling: bool = False
    relative: bool = False

    def over(self, values: Floats, window: int) -> Floats:
        """What it shows at each row, of the rows up to it, float64[rows]; high warns.

        Args:
            values: The measure, float64[rows].
            window: Rows; before so many there is nothing.
        """
        x = np.asarray(values, np.float64)
        if self.relative:
            x = np.log(np.where(x > 0.0, x, np.nan))
        found = np.full(x.size, np.nan)
        if x.size < window:
            return found
        rows = np.lib.stride_tricks.sliding_window_view(x, window)
        if self.kind == "level":
            shown = rows.mean(axis=1)
        elif self.kind == "change":
            shown = rows[:, -1] - rows[:, 0]
        elif self.kind == "variance":
            shown = np.diff(rows, axis=1).var(axis=1, ddof=1)
        else:
            shown = _autocorrelation(rows)
        found[window - 1 :] = -shown if self.falling else shown
        return found


def _autocorrelation(rows: Floats) -> Floats:
    """Of each row's values with those one place before; 0 where they stand still."""
    a = rows[:, 1:] - rows[:, 1:].mean(axis=1, keepdims=True)
    b = rows[:, :-1] - rows[:, :-1].mean(axis=1, keepdims=True)
    size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.where(size > 0.0, (a * b).sum(axis=1) / np.where(size > 0.0, size, 1.0), 0.0)


@dataclass(frozen=True)
class EarlyWarnings:
    """Performance of indicators in predicting runs that end in a crisis.

    Attributes:
        blocks: Of the rows, float64[rows].
        shown: By indicator, float64[runs, rows]; high warns.
        crisis: Block of the crisis of each run, NaN if there is none, float64[runs].
        begin: Block from which is watched.
        level: Of intervals.
    """

    blocks: Floats
    shown: Mapping[str, Floats]
    crisis: Floats
    begin: float = 0.0
    level: float = 0.95

    def scores(self, name: str, lead: float = 0.0) -> Floats:
        """The highest that an indicator shows in each run, float64[runs].

        Up to `lead` blocks before the crisis; in a run without one up to where that is in one of
        those with, in turn: else the others would have had longer to show something high.

        Args:
            name: Of the indicator.
            lead: Blocks before the crisis at which watching ends.
        """
        ends = self._ends() - lead
        found = np.full(self.crisis.size, np.nan)
        for run, values in enumerate(self.shown[name]):
            seen = values[(self.blocks >= self.begin) & (self.blocks < ends[run])]
            seen = seen[np.isfinite(seen)]
            if seen.size:
                found[run] = seen.max()
        return found

    def _ends(self) -> Floats:
        struck = np.flatnonzero(np.isfinite(self.crisis))
        ends = self.crisis.copy()
        calm = np.flatnonzero(~np.isfinite(self.crisis))
        ends[calm] = self.crisis[struck[np.arange(calm.size) % struck.size]]
        return ends

    def curve(self, name: str, lead: float = 0.0) -> pd.DataFrame:
        """Rates at each threshold: ``false_alarms``, ``hits``, ``threshold``."""
        from sklearn.metrics import roc_curve

        scores = self.scores(name, lead)
        there = np.isfinite(scores)
        false, hits, at = roc_curve(np.isfinite(self.crisis)[there], scores[there])
        return pd.DataFrame({"false_alarms": false, "hits": hits, "threshold": at})

    def auc(self, name: str, lead: float = 0.0) -> Interval:
        """Area under that curve: 0.5 tells nothing, 1 everything; with Newcombe's interval."""
        from sklearn.metrics import roc_auc_score

        scores = self.scores(name, lead)
        there = np.isfinite(scores)
        struck = np.isfinite(self.crisis)[there]
        if not struck.any() or struck.all():
            return Interval(np.nan, np.nan, np.nan)
        area = float(roc_auc_score(struck, scores[there]))
        return newcombe(area, int(struck.sum()), int((~struck).sum()), self.level)

    def threshold(self, name: str, false_alarms: float = 0.1) -> float:
        """The lowest threshold that so many runs without a crisis pass at most."""
        calm = self.scores(name)[~np.isfinite(self.crisis)]
        calm = np.sort(calm[np.isfinite(calm)])
        if not calm.size:
            return np.nan
        allowed = int(np.floor(false_alarms * calm.size + 1e-9))
        return float(calm[calm.size - 1 - allowed]) if allowed < calm.size else -np.inf

    def leads(self, name: str, false_alarms: float = 0.1) -> Floats:
        """Blocks from the first alarm to the crisis, NaN if there was none, float64[crises]."""
        at = self.threshold(name, false_alarms)
        found = []
        for run in np.flatnonzero(np.isfinite(self.crisis)):
            values = self.shown[name][run]
            watched = (self.blocks >= self.begin) & (self.blocks < self.crisis[run])
            hit = np.flatnonzero(watched & (values > at))
            found.append(self.crisis[run] - self.blocks[hit[0]] if hit.size else np.nan)
        return np.array(found)

    def table(self, false_alarms: float = 0.1) -> pd.DataFrame:
        """A row for each indicator, the one that tells most first.

        Args:
            false_alarms: Share of the runs without a crisis in which it may warn.

        Returns:
            ``auc`` with its interval; at the threshold of that share ``hits``, share of crises
            before which it warns, with Wilson's interval; ``false_alarms``, as it came out; and
            ``lead``, the median of blocks before the crisis, of hits, with its interval.
        """
        rows = {}
        for name in self.shown:
            area = self.auc(name)
            leads = self.leads(name, false_alarms)
            hit = rate(int(np.isfinite(leads).sum()), leads.size, self.level)
            before = interval(leads, "median", self.level)
            at, calm = self.threshold(name, false_alarms), ~np.isfinite(self.crisis)
            scores = self.scores(name)[calm]
            vain = float((scores > at).mean()) if calm.any() else np.nan
            rows[name] = (area.estimate, area.low, area.high, hit.estimate, hit.low, hit.high, vain,
                          before.estimate, before.low, before.high)  # fmt: skip
        columns = ["auc", "auc_low", "auc_high", "hits", "hits_low", "hits_high", "false_alarms",
                   "lead", "lead_low", "lead_high"]  # fmt: skip
        table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        return table.sort_values("auc", ascending=False)

    def plot(self) -> Figure:
        """Hit against false-alarm rates of each indicator."""
        figure, axis = plt.subplots(figsize=(6.5, 5.5), layout="constrained")
        for name, row in self.table().iterrows():
            curve = self.curve(str(name))
            text = f"{name}: {row['auc']:.2f} ({row['auc_low']:.2f} to {row['auc_high']:.2f})"
            axis.step(curve["false_alarms"], curve["hits"], where="post", label=text)
        axis.plot([0.0, 1.0], [0.0, 1.0], color="grey", lw=0.8, ls=":")
        axis.set(xlabel="false alarms, share of runs without a crisis",
                 ylabel="hits, share of runs with one")  # fmt: skip
        axis.legend(fontsize=8, title="area under the curve")
        axis.grid(alpha=0.3)
        return figure


def newcombe(area: float, struck: int, calm: int, level: float = 0.95) -> Interval:
    """Interval of an area under the curve, that is of a Mann-Whitney statistic over its most.

    Newcombe 2006, method 5: the areas from which this one is not further off than the normal
    quantile times the error that they would have (Hanley, McNeil 1982, with both groups taken to be
    of their mean size).
    """
    z = float(stats.norm.ppf(0.5 + level / 2.0))
    mean = (struck + calm) / 2.0 - 1.0

    def error(a: float) -> float:
        spread = 1.0 + mean * ((1.0 - a) / (2.0 - a) + a / (1.0 + a))
        return float(np.sqrt(a * (1.0 - a) * spread / (struck * calm)))

    def end(sign: float, edge: float) -> float:
        if area == edge:
            return edge
        # At 0 and 1 itself there is no error: a root, but not the end that is looked for.
        low, high = sorted((min(max(area, 1e-9), 1.0 - 1e-9), edge))
        return float(optimize.brentq(lambda a: area - a - sign * z * error(a), low, high))

    return Interval(area, end(1.0, 0.0), end(-1.0, 1.0))


def early_warnings(
    scenario: Scenario | str | Path,
    crisis: str | Event,
    indicators: Mapping[str, Indicator],
    window: int = 20,
    begin: int | None = None,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    level: float = 0.95,
    plan: Plan | None = None,
) -> EarlyWarnings:
    """Evaluate early-warning indicators over runs, some of which end in a crisis.

    Args:
        scenario: A scenario, its name, or a path to its file.
        crisis: When it is there: ``lending.bank.loss > 1e5``; its first block counts.
        indicators: What is watched, by name.
        window: Rows over which each is taken, one row every `measures.every` blocks.
        begin: Block from which is watched; default: as soon as a window is full.
        variants: Further runs on the same seeds, with values by dotted path: where crises are
            rare or certain, some with and without are needed.
        level: Of intervals.
        plan: Seeds, folder, workers.

    Raises:
        ScenarioError: If nothing is watched, or no run has a crisis, or all have.
    """
    setup = loaded(scenario)
    if not indicators:
        raise ScenarioError([("indicators", "there are none; say what is watched")])
    if window < 3:
        raise ScenarioError([("window", f"is {window} rows; give 3 or more")])
    for name, one in indicators.items():
        if one.kind not in KINDS:
            text = f"{one.kind!r} is none; there are {', '.join(KINDS)}"
            raise ScenarioError([(f"indicators.{name}.kind", text)])
    seen = crisis if isinstance(crisis, Event) else Event.parse(crisis, reduced=False)
    patterns = [one.measure for one in indicators.values()]
    blocks, found = evaluate_over_time(
        setup, [seen.measure, *patterns], plan or Plan(), variants or {}
    )
    happened = seen.happened(found[0])
    first = np.where(happened.any(axis=1), blocks[happened.argmax(axis=1)], np.nan)
    there = int(np.isfinite(first).sum())
    if there in (0, first.size):
        text = (
            f"{there} of {first.size} runs have one; vary what decides it (variants), or the event"
        )
        raise ScenarioError([("crisis", text)])
    shown = {
        name: np.array([one.over(run, window) for run in found[1 + n]])
        for n, (name, one) in enumerate(indicators.items())
    }
    start = float(blocks[min(window, blocks.size) - 1]) if begin is None else float(begin)
    return EarlyWarnings(blocks, shown, first, start, level)
