"""Criticality: where a shock stops being local, how large cascades get, what the multiplier says.

The critical value of a parameter is that at which half of the seeds have the event. It is looked
for by stochastic bisection: a logit of the event on the parameter is fitted, further values are
laid where they tell most of its middle, and so on. The fit is Firth's (Biometrika 80, 1993), finite
where the event separates perfectly. Seeds are common to all values, so outcomes of one seed hang
together; the interval therefore is of the jackknife over seeds, not of the fit's own likelihood,
and takes in the two values tried between which the rate is seen to cross.

The line that the literature predicts is that of fire sales (`spiral`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.ticker import NullLocator
from scipy import optimize, stats
from scipy.special import expit, logit

from runs.contagion.derived import System, derive
from runs.contagion.evaluation import (
    Event,
    Given,
    cube,
    evaluate,
    loaded,
    of_unit,
    ranges,
    settings_at,
    to_unit,
)
from runs.contagion.networks import Floats
from runs.contagion.plans import Plan
from runs.study.design import values_of
from runs.study.statistics import rate
from runs.study.study import Parameter
from sim import Market, Scenario
from sim.errors import ScenarioError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Hits = npt.NDArray[np.bool_]
Respond = Callable[[Sequence[float]], Hits]
"""Whether the event is there, bool[values, seeds], at values of a parameter; seeds are common."""
WIDENING = logit(0.8)
"""Log odds, off those looked for, at which further values are laid: near the two points that tell
most of a logit's middle and slope (D-optimal: Minkin, JASA 82, 1987)."""
PLATEAU = 0.97
"""A round that leaves more of the interval than this adds nothing; more seeds would."""


# Of one parameter


@dataclass(frozen=True)
class Critical:
    """The critical value of a parameter at which an event sets in.

    Attributes:
        name: Of the parameter.
        value: At which the event is there in `share` of the seeds.
        low: Of its interval.
        high: Of its interval.
        share: Looked for.
        level: Of the interval.
        sharpness: Log odds of the event per unit of `place`; below 0: it ceases as it rises.
        hits: At each value, bool[values, seeds].
        values: In order, float64[values].
        parameter: Its range.
        resolved: Whether the interval is as narrow as was asked for.
        rounds: Of evaluations.
    """

    name: str
    value: float
    low: float
    high: float
    share: float
    level: float
    sharpness: float
    hits: Hits
    values: Floats
    parameter: Parameter
    resolved: bool
    rounds: int

    @property
    def one_way(self) -> float:
        """Share of the seeds in which the event sets in once and stays, or ceases so."""
        change = np.diff(self.hits.astype(int), axis=0) * (1 if self.sharpness > 0.0 else -1)
        return float((change >= 0).all(axis=0).mean())

    @property
    def width(self) -> float:
        """From a tenth of the seeds with the event to nine tenths, share of the range."""
        return float(2.0 * logit(0.9) / abs(self.sharpness))

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """How often it is there at each value, with Wilson's interval."""
        rows = [rate(int(h.sum()), h.size, level) for h in self.hits]
        columns = {
            self.name: self.values, "runs": [h.size for h in self.hits],
            "rate": [r.estimate for r in rows], "low": [r.low for r in rows],
            "high": [r.high for r in rows],
        }  # fmt: skip
        return pd.DataFrame(columns)

    def rates(self, values: npt.ArrayLike) -> Floats:
        """What the fit says of how often the event is there."""
        middle = to_unit(self.parameter, self.value)
        off = to_unit(self.parameter, values) - middle
        return np.asarray(expit(logit(self.share) + self.sharpness * off))

    def plot(self) -> Figure:
        """Rates with their intervals, the fit, and the critical value with its own."""
        table = self.table(self.level)
        figure, axis = plt.subplots(figsize=(7.0, 4.0), layout="constrained")
        spread = [table["rate"] - table["low"], table["high"] - table["rate"]]
        axis.errorbar(table[self.name], table["rate"], np.abs(spread), fmt="o", color="black", ms=4)
        fine = of_unit(self.parameter, np.linspace(0.0, 1.0, 400))
        axis.plot(fine, self.rates(fine), color="tab:blue")
        axis.axvspan(self.low, self.high, color="tab:red", alpha=0.2, lw=0)
        axis.axvline(self.value, color="tab:red", label=f"critical: {self.value:.4g}")
        axis.axhline(self.share, color="grey", lw=0.8, ls=":")
        axis.set(xlabel=self.parameter.label or self.name, ylabel="share of seeds with the event")
        axis.set_xscale(self.parameter.scale)
        axis.set_ylim(-0.03, 1.03)
        axis.legend()
        axis.grid(alpha=0.3)
        return figure


def critical(
    scenario: Scenario | str | Path,
    parameter: Given,
    event: str | Event,
    share: float = 0.5,
    tolerance: float = 0.02,
    level: float = 0.95,
    rounds: int = 8,
    plan: Plan | None = None,
) -> Critical:
    """Find the parameter value at which a shock becomes systemic.

    Args:
        scenario: A scenario with its shocks, its name, or a path to its file.
        parameter: One, with its range, by name: ``{"agents.x.leverage.median": (1.5, 4.0)}``, or a
            table as of a study.
        event: ``last(lending.bank.loss) > 1e5``.
        share: Of the seeds that have it at the value looked for.
        tolerance: Half the width of the interval at which to stop, share of the range.
        level: Of the interval.
        rounds: Of evaluations at most; the first is of five values, the others of up to three.
        plan: Seeds, common to all values; folder, workers.

    Raises:
        ScenarioError: If the event does not set in within the range.
    """
    setup, given = loaded(scenario), ranges(parameter)
    if len(given) != 1:
        raise ScenarioError([("parameter", f"there are {len(given)}; give one")])
    ((name, what),) = given.items()
    seen = event if isinstance(event, Event) else Event.parse(event)
    made = plan or Plan()

    def respond(values: Sequence[float]) -> Hits:
        points = [{name: value} for value in values]
        frame = evaluate(setup, given, points, {"it": seen.measure}, made)
        return seen.happened(cube(frame, "it"))

    return locate(respond, name, what, share, tolerance, level, rounds)


# Wide: the search's own settings, each of which has a default.
def locate(
    respond: Respond,
    name: str,
    parameter: Parameter,
    share: float = 0.5,
    tolerance: float = 0.02,
    level: float = 0.95,
    rounds: int = 8,
    first: int = 5,
) -> Critical:
    """Find where an event sets in, of anything that says whether it is there.

    Args:
        respond: Says so, at values, for the same seeds each time.
        name: Of the parameter.
        parameter: Its range.
        share: Of seeds.
        tolerance: As of `critical`.
        level: Of the interval.
        rounds: At most.
        first: Values of the first round, from end to end.

    Raises:
        ScenarioError: If it does not set in within the range.
    """
    if not 0.0 < share < 1.0:
        raise ScenarioError([("share", f"is {share!r}; give one between 0 and 1")])
    places = np.linspace(0.0, 1.0, max(first, 2))
    hits = respond([float(v) for v in of_unit(parameter, places)])
    ends = hits[0].mean(), hits[-1].mean()
    if (ends[0] - share) * (ends[1] - share) > 0.0 or ends[0] == ends[1]:
        told = f"{ends[0]:.0%} of seeds have the event at its low end and {ends[1]:.0%} at its high"
        raise ScenarioError([(name, f"{told}; give a range over which that crosses {share:.0%}")])
    made, before = 1, np.inf
    while True:
        found = _middle(places, hits, share, level)
        half = (found[2] - found[1]) / 2.0
        if half <= tolerance or made >= rounds or (half > PLATEAU * before and made > 2):
            break
        more = _next(places, hits, share, tolerance)
        if not len(more):
            break
        hits = np.concatenate([hits, respond([float(v) for v in of_unit(parameter, more)])])
        places = np.concatenate([places, more])
        order = np.argsort(places, kind="stable")
        places, hits = places[order], hits[order]
        made, before = made + 1, half
    value, low, high = of_unit(parameter, found)
    slope = _logit(places, hits.sum(axis=1), hits.shape[1])[1]
    values = of_unit(parameter, places)
    ends_ = (float(value), float(low), float(high))
    return Critical(
        name, *ends_, share, level, float(slope), hits, values, parameter, half <= tolerance, made
    )  # fmt: skip


def _logit(places: Floats, hits: Floats, runs: int) -> Floats:
    """Firth's fits of log odds ``a + b u``, float64[..., 2].

    Args:
        places: float64[values].
        hits: Of so many seeds, float64[..., values]: a fit for each row.
        runs: Seeds.
    """
    counts = np.asarray(hits, np.float64)
    off = places - 0.5  # less entangled than from 0
    at = np.zeros((*counts.shape[:-1], 2))
    for _ in range(60):
        chance = expit(at[..., :1] + at[..., 1:] * off)
        weight = runs * chance * (1.0 - chance)
        w0, w1, w2 = (np.sum(weight * off**k, axis=-1, keepdims=True) for k in range(3))
        size = np.maximum(w0 * w2 - w1 * w1, 1e-300)
        lever = weight * (w2 - 2.0 * w1 * off + w0 * off**2) / size
        rest = counts - runs * chance + lever * (0.5 - chance)
        s0, s1 = (np.sum(rest * off**k, axis=-1, keepdims=True) for k in range(2))
        step = np.concatenate([w2 * s0 - w1 * s1, w0 * s1 - w1 * s0], axis=-1) / size
        # Beyond what is near, a step of Newton's may lead astray.
        step *= np.minimum(1.0, 5.0 / np.maximum(np.abs(step).max(axis=-1, keepdims=True), 1e-300))
        at = at + step
        if np.abs(step).max() < 1e-8:
            break
    at[..., 0] -= 0.5 * at[..., 1]
    return at


def _crossing(places: Floats, hits: Floats, runs: int, share: float) -> Floats:
    """Where the fits cross a share, float64[...]; as far as a range away from theirs."""
    fits = _logit(places, hits, runs)
    a, b = fits[..., 0], fits[..., 1]
    steep = np.where(b == 0.0, 1e-300, b)
    return np.clip((logit(share) - a) / steep, -1.0, 2.0)


def _bracket(places: Floats, rates: Floats) -> tuple[float, float]:
    """Between which values the event goes from nobody's to everybody's; the ends if it does not."""
    if rates[0] > rates[-1]:
        rates = 1.0 - rates
    none, every = np.flatnonzero(rates == 0.0), np.flatnonzero(rates == 1.0)
    first = every[every > none[-1]] if none.size else every
    low = places[none[-1]] if none.size else places[0]
    high = places[first[0]] if first.size else places[-1]
    return float(low), float(high)


def _middle(places: Floats, hits: Hits, share: float, level: float) -> tuple[float, float, float]:
    """The place looked for, with its interval, of Student's t and the jackknife over seeds."""
    runs, counts = hits.shape[1], hits.sum(axis=1).astype(float)
    value = float(_crossing(places, counts, runs, share))
    rates = counts / runs
    low = high = value
    if runs > 1:
        one_less = _crossing(places, counts - hits.T, runs - 1, share)
        error = np.sqrt((runs - 1) / runs * ((one_less - one_less.mean()) ** 2).sum())
        reach = stats.t.ppf(0.5 + level / 2.0, runs - 1) * error
        low, high = value - reach, value + reach
    if ((rates > 0.0) & (rates < 1.0)).sum() < 2:
        # Hardly any value at which seeds differ: all that is known is between which it lies.
        below, above = _bracket(places, rates)
        value = min(max(value, below), above)
        low, high = min(low, below), max(high, above)
    # Where some seeds never have it, however far, a logit is bent; what is seen holds without it.
    below, above = _cell(places, rates, share)
    low, high = min(low, below), max(high, above)
    return value, float(max(low, 0.0)), float(min(high, 1.0))


def _cell(places: Floats, rates: Floats, share: float) -> tuple[float, float]:
    """Between which values that were tried rates cross a share, made monotone."""
    if rates[0] > rates[-1]:
        rates, share = 1.0 - rates, 1.0 - share
    rising = optimize.isotonic_regression(rates).x
    below, above = np.flatnonzero(rising < share), np.flatnonzero(rising > share)
    low = places[below[-1]] if below.size else places[0]
    high = places[above[0]] if above.size else places[-1]
    return float(low), float(high)


def _next(places: Floats, hits: Hits, share: float, tolerance: float) -> Floats:
    """Where to look next: at the middle of the fit and on both sides of it, not twice."""
    counts, runs = hits.sum(axis=1).astype(float), hits.shape[1]
    a, b = _logit(places, counts, runs)
    wanted = (logit(share) + np.array([0.0, -WIDENING, WIDENING]) - a) / b
    rates = counts / runs
    if ((rates > 0.0) & (rates < 1.0)).sum() < 2:
        wanted = np.append(np.mean(_bracket(places, rates)), wanted)
    found: list[float] = []
    for place in np.clip(wanted, 0.0, 1.0):
        known = np.append(places, found)
        if np.abs(known - place).min() > tolerance / 4.0:
            found.append(float(place))
    return np.array(found[:3])


# Over two parameters


def spiral(system: System) -> float:
    """Gain of a fire sale: the further price fall per unit of price fall; self-sustaining at 1.

    A fall f of prices costs i ``sum_k H[i, k] f_k``; back at its debt over equity B_i it sells B_i
    times that, in proportion W to what it holds, and prices fall by L per value sold (Greenwood,
    Landier, Thesmar 2015, as `runs.contagion.fire_sales`): round by round ``f <- L W' B H f``. This
    is the largest eigenvalue of that matrix. All rounds together multiply the first fall by
    ``1 / (1 - gain)``.

    Args:
        system: As `derive` reads it; who passes everything on is looked through, and who has no
            equity or owes nothing sells nothing.
    """
    s = system.looked_through()
    holdings, equity = s.held, s.equity.to_numpy()
    debts = s.claims.sum(axis=0).to_numpy()
    total = holdings.sum(axis=1)
    sells = (equity > 0.0) & (total > 0.0) & (debts > 0.0)
    if not sells.any():
        return 0.0
    h, lever = holdings[sells], debts[sells] / equity[sells]
    weights = h / total[sells, None]
    gain = s.impact.to_numpy()[:, None] * ((weights * lever[:, None]).T @ h)
    return float(np.abs(np.linalg.eigvals(gain)).max())


@dataclass(frozen=True)
class PhaseMap:
    """Frequency of an event over two parameters.

    Attributes:
        names: Of the parameter along, and of that upwards.
        parameters: Their ranges.
        values: Of each, in order.
        hits: bool[upwards, along, seeds].
        sizes: What the event is read of, float64[upwards, along, seeds].
        predicted: What is predicted at each point, float64[upwards, along]; NaN: nothing.
        event: What is counted.
        level: Of intervals.
        threshold: Of the prediction, at which its line is drawn.
    """

    names: tuple[str, str]
    parameters: tuple[Parameter, Parameter]
    values: tuple[Floats, Floats]
    hits: Hits
    sizes: Floats
    predicted: Floats
    event: Event
    level: float = 0.95
    threshold: float = 1.0

    def table(self) -> pd.DataFrame:
        """A row for each point: rate with Wilson's interval, mean size, what is predicted."""
        rows = []
        for j, up in enumerate(self.values[1]):
            for i, along in enumerate(self.values[0]):
                h = self.hits[j, i]
                found = rate(int(h.sum()), h.size, self.level)
                size = float(self.sizes[j, i].mean())
                rows.append((along, up, h.size, found.estimate, found.low, found.high, size,
                             self.predicted[j, i]))  # fmt: skip
        columns = [*self.names, "runs", "rate", "low", "high", "size", "predicted"]
        return pd.DataFrame(rows, columns=columns)

    def line(self, share: float = 0.5) -> pd.DataFrame:
        """The critical line: along each row, where the event is there in a share of the seeds.

        Returns:
            A row for each value upwards: ``value``, ``low``, ``high``, and ``predicted``, where the
            prediction crosses its threshold; NaN where it does not cross within the range.
        """
        rows = []
        places = to_unit(self.parameters[0], self.values[0])
        for j, up in enumerate(self.values[1]):
            h = self.hits[j]
            rates = h.mean(axis=1)
            found: Any = (np.nan, np.nan, np.nan)
            if (rates[0] - share) * (rates[-1] - share) < 0.0:
                found = of_unit(self.parameters[0], _middle(places, h, share, self.level))
            rows.append((up, *found, self._crossed(places, self.predicted[j])))
        return pd.DataFrame(rows, columns=[self.names[1], "value", "low", "high", "predicted"])

    def _crossed(self, places: Floats, said: Floats) -> float:
        """Where a prediction crosses its threshold along a row; between points by its logarithm."""
        there = np.isfinite(said) & (said > 0.0)
        over = np.where(there, np.log(np.where(there, said, 1.0) / self.threshold), np.nan)
        for i in np.flatnonzero(over[:-1] * over[1:] <= 0.0):
            if over[i] == over[i + 1]:
                continue
            part = over[i] / (over[i] - over[i + 1])
            place = places[i] + part * (places[i + 1] - places[i])
            return float(of_unit(self.parameters[0], place))
        return np.nan

    def agreement(self) -> dict[str, float]:
        """How well the prediction tells where the event is.

        Returns:
            ``rank``, Spearman's correlation of rate and prediction over points; ``right``, share of
            points on whose side of its threshold the event is (or is not) in most seeds.
        """
        rates, said = self.hits.mean(axis=2).ravel(), self.predicted.ravel()
        there = np.isfinite(said)
        rates, said = rates[there], said[there]
        dull = rates.size < 2 or np.ptp(rates) == 0.0 or np.ptp(said) == 0.0
        rank = np.nan if dull else float(stats.spearmanr(rates, said).statistic)
        right = ((said > self.threshold) == (rates > 0.5)).mean() if rates.size else np.nan
        return {"rank": rank, "right": float(right)}

    def plot(self) -> Figure:
        """Rates as a map, the critical line with its interval, and the predicted line."""
        figure, axis = plt.subplots(figsize=(7.5, 5.0), layout="constrained")
        along, up = self.values
        rates = self.hits.mean(axis=2)
        image = axis.pcolormesh(
            _edges(self.parameters[0], along), _edges(self.parameters[1], up), rates,
            cmap="Greys", vmin=0.0, vmax=1.0,
        )  # fmt: skip
        figure.colorbar(image, label=f"share of seeds with {self.event}")
        line = self.line()
        axis.plot(line["value"], line[self.names[1]], color="tab:red", marker="o", ms=4,
                  label="critical line, simulated")  # fmt: skip
        axis.fill_betweenx(
            line[self.names[1]].to_numpy(float), line["low"].to_numpy(float),
            line["high"].to_numpy(float), color="tab:red", alpha=0.25, lw=0,
            label=f"its {self.level:.0%} interval",
        )  # fmt: skip
        self._draw_prediction(axis)
        for side, name, parameter, values in zip(
            "xy", self.names, self.parameters, self.values, strict=True
        ):
            label = parameter.label or name
            axis.set(**{f"{side}label": label, f"{side}scale": parameter.scale})
            if parameter.scale == "log":  # powers of ten say little over so short a range
                shown = [f"{v:.3g}" for v in values]
                axis.set(**{f"{side}ticks": values, f"{side}ticklabels": shown})
                (axis.xaxis if side == "x" else axis.yaxis).set_minor_locator(NullLocator())
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncol=3, frameon=False)
        return figure

    def _draw_prediction(self, axis: Axes) -> None:
        said = self.predicted
        if not np.isfinite(said).any():
            return
        top = float(np.nanmax(said))
        steps = 2.0 ** np.arange(-6, 4) * self.threshold
        levels = [float(v) for v in steps if float(np.nanmin(said)) < v < top]
        if not levels:
            return
        colours = ["tab:blue" if v == self.threshold else "tab:cyan" for v in levels]
        widths = [2.5 if v == self.threshold else 1.0 for v in levels]
        drawn = axis.contour(*self.values, said, levels=levels, colors=colours, linewidths=widths)
        axis.clabel(drawn, fmt="%.3g", fontsize=8)
        if self.threshold in levels:
            axis.plot([], [], color="tab:blue", lw=2.5, label=f"predicted line: {self.threshold:g}")


def _edges(parameter: Parameter, values: Floats) -> Floats:
    """Edges of cells around values."""
    places = to_unit(parameter, values)
    middle = (places[1:] + places[:-1]) / 2.0
    ends = [2.0 * places[0] - middle[0]], [2.0 * places[-1] - middle[-1]]
    return of_unit(parameter, np.concatenate([ends[0], middle, ends[1]]))


def phase_map(
    scenario: Scenario | str | Path,
    parameters: Given,
    event: str | Event,
    predict: Callable[[Market], float] | None = None,
    at: int = 0,
    level: float = 0.95,
    plan: Plan | None = None,
) -> PhaseMap:
    """Map the frequency of an event over two parameters, and compare it with predictions.

    Args:
        scenario: A scenario with its shocks, its name, or a path to its file.
        parameters: The one along and the one upwards, ranges with `steps`, by name.
        event: As of `critical`.
        predict: Of a market at a point; default: `spiral` of what `derive` reads, account by
            account.
        at: Block at which it is read, of the first seed; 0: as the market opens.
        level: Of intervals.
        plan: Seeds, common to all points; folder, workers.

    Raises:
        ScenarioError: If a parameter has no steps, or a measure is not there.
    """
    setup, given = loaded(scenario), ranges(parameters)
    if len(given) != 2:
        raise ScenarioError([("parameters", f"there are {len(given)}; give two")])
    for name, parameter in given.items():
        if parameter.steps is None:
            raise ScenarioError([(f"parameters.{name}.steps", "is missing; say how many values")])
    seen = event if isinstance(event, Event) else Event.parse(event)
    (x, along), (y, up) = given.items()
    values = np.array(values_of(along)), np.array(values_of(up))
    points = [{x: float(a), y: float(b)} for b in values[1] for a in values[0]]
    made = plan or Plan()
    frame = evaluate(setup, given, points, {"it": seen.measure}, made)
    sizes = cube(frame, "it").reshape(len(values[1]), len(values[0]), -1)
    said = [(predict or _gain)(market) for market in _opened(setup, given, points, made, at)]
    predicted = np.array(said).reshape(len(values[1]), len(values[0]))
    return PhaseMap(
        (x, y), (along, up), values, seen.happened(sizes), sizes, predicted, seen, level
    )


def _gain(market: Market) -> float:
    return spiral(derive(market, by="account"))


def _opened(
    setup: Scenario,
    given: Mapping[str, Parameter],
    points: Sequence[Mapping[str, float]],
    plan: Plan,
    at: int,
) -> Iterator[Market]:
    """Markets at each point, of the first seed, as they open or at a block."""
    for changed in settings_at(setup, given, points):
        market = Market(changed, rng=plan.numbers[0])
        try:
            yield market.run(at) if at else market
        finally:
            market.close()
