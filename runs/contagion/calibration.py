"""Calibration: parameters at which a scenario has the moments that were measured.

The method of simulated moments (McFadden, Econometrica 57, 1989; Duffie, Singleton, Econometrica
61, 1993): what is minimised is ``g' W g``, g the simulated means less the targets, W the inverse of
the covariance that g has by chance: of what was measured, and of a mean of so many seeds (their
bootstrap's, in the limit of its resamples). In two steps: W is that at the middle of the ranges,
then that at the best point so far, the same for all points, lest the noisiest fit best. The search
is optuna's, on common seeds, so that its surface is not shaken; other seeds judge what it found.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats

from runs.contagion.evaluation import Given, cube, evaluate, loaded, of_unit, ranges, to_unit
from runs.contagion.networks import Floats
from runs.contagion.plans import Plan
from runs.study.statistics import interval
from runs.study.study import Parameter
from sim import Scenario
from sim.errors import ScenarioError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Simulate = Callable[[Sequence[Mapping[str, float]]], Floats]
"""Moments at points, float64[points, seeds, moments], on the same seeds each time."""
SEED = 1
RIDGE = 1e-9
"""Added to the covariance, relative to its diagonal: moments may go wholly together."""


@dataclass(frozen=True)
class Calibration:
    """Result of a calibration.

    Attributes:
        names: Of the moments.
        target: Measured.
        error: Standard errors of what was measured.
        fitted: At the parameters found, on the seeds of the search, float64[seeds, moments].
        held_out: The same on other seeds; float64[0, moments] if there are none.
        parameters: Found, by name.
        distance: ``g' W g`` there, on the seeds of the search.
        judged: The same on the held-out seeds, with their own covariance.
        trials: Points that were tried, in order: parameters and ``distance``.
        spread: Interval of each parameter over resampled seeds: among the points tried, those
            that then are best.
        level: Of intervals.
    """

    names: tuple[str, ...]
    target: Floats
    error: Floats
    fitted: Floats
    held_out: Floats
    parameters: Mapping[str, float]
    distance: float
    judged: float
    trials: pd.DataFrame
    spread: Mapping[str, tuple[float, float]]
    level: float = 0.95

    @property
    def p(self) -> float:
        """Chance of a judged distance as large if the scenario were right (Hansen's J).

        Nothing was fitted to the held-out seeds, so there are as many degrees of freedom as
        moments; NaN without such seeds.
        """
        if not np.isfinite(self.judged):
            return np.nan
        return float(stats.chi2.sf(self.judged, len(self.names)))

    def table(self) -> pd.DataFrame:
        """A row for each moment: target, fitted, held-out with its interval.

        ``deviation`` is the held-out mean less the target, in standard errors of that difference;
        ``kept`` whether it is within the interval of the level.
        """
        judge = self.held_out if len(self.held_out) else self.fitted
        rows = []
        for m in range(len(self.names)):
            found = interval(judge[:, m], "mean", self.level)
            scatter = (
                float(judge[:, m].std(ddof=1)) / np.sqrt(len(judge)) if len(judge) > 1 else 0.0
            )
            error = float(np.hypot(scatter, self.error[m]))
            off = found.estimate - float(self.target[m])
            deviation = off / error if error else (0.0 if not off else np.copysign(np.inf, off))
            fitted = float(self.fitted[:, m].mean())
            measured = float(self.target[m]), float(self.error[m])
            rows.append((*measured, fitted, found.estimate, found.low, found.high, deviation))
        columns = ["target", "error", "fitted", "held_out", "low", "high", "deviation"]
        table = pd.DataFrame(rows, columns=columns, index=pd.Index(self.names, name="moment"))
        table["kept"] = table["deviation"].abs() <= stats.norm.ppf(0.5 + self.level / 2.0)
        return table

    def plot(self) -> Figure:
        """How far each moment is off its target, and how the search came there."""
        table = self.table()
        figure, (left, right) = plt.subplots(1, 2, figsize=(10.0, 4.0), layout="constrained")
        left.barh(table.index, table["deviation"], color="tab:blue", alpha=0.8)
        reach = float(stats.norm.ppf(0.5 + self.level / 2.0))
        left.axvspan(-reach, reach, color="grey", alpha=0.2, lw=0)
        left.axvline(0.0, color="black", lw=0.8)
        left.set_xlabel("held-out less target, standard errors")
        distance = self.trials["distance"].to_numpy(float)
        right.plot(distance, ".", color="grey", label="tried")
        right.plot(np.minimum.accumulate(distance), color="tab:red", label="best so far")
        right.set(xlabel="point", ylabel="distance", yscale="log")
        right.legend()
        right.grid(alpha=0.3)
        return figure


# Wide: the market, the data, and the search's own settings.
def calibrate(
    scenario: Scenario | str | Path,
    parameters: Given,
    moments: Mapping[str, Any],
    targets: Mapping[str, float | tuple[float, float]],
    trials: int = 60,
    batch: int = 6,
    held_out: int | Sequence[int] = 20,
    level: float = 0.95,
    plan: Plan | None = None,
) -> Calibration:
    """Calibrate a scenario's parameters to measured moments.

    Args:
        scenario: A scenario, its name, or a path to its file.
        parameters: What is sought, with ranges, by name.
        moments: Reductions by name.
        targets: What was measured, by moment, or with its standard error ``(value, error)``.
        trials: Points tried.
        batch: Points tried at once, whose runs an executor may do side by side.
        held_out: Seeds that judge: how many, beyond those of the plan, or which.
        level: Of intervals.
        plan: Seeds of the search; folder, workers. The same again goes on where it stopped.

    Raises:
        ScenarioError: If targets and moments do not go together, a held-out seed is one of the
            search, or something is not there.
    """
    setup, given, made = loaded(scenario), ranges(parameters), plan or Plan()
    value, error = read_targets(moments, targets)
    seeds = made.numbers
    if isinstance(held_out, int):
        judges = [max(seeds) + 1 + n for n in range(held_out)]
    else:
        judges = [int(seed) for seed in held_out]
    if shared := sorted({*seeds} & {*judges}):
        raise ScenarioError([("held_out", f"seed {shared[0]} is one of the search; take it out")])

    def simulate(points: Sequence[Mapping[str, float]], on: Sequence[int] = seeds) -> Floats:
        frame = evaluate(setup, given, points, moments, made, seeds=on)
        return np.stack([cube(frame, name) for name in moments], axis=-1)

    found = search(simulate, given, list(moments), value, error, trials, batch, level)
    if not judges:
        return found
    judged = simulate([found.parameters], judges)[0]
    gap = _distances(judged[None], value, _weights(judged, error))[0]
    return Calibration(**{**found.__dict__, "held_out": judged, "judged": float(gap)})


def read_targets(
    moments: Mapping[str, Any], targets: Mapping[str, float | tuple[float, float]]
) -> tuple[Floats, Floats]:
    """Values and standard errors of the targets, in the order of the moments.

    Raises:
        ScenarioError: If they do not go together.
    """
    for name in targets:
        if name not in moments:
            raise ScenarioError([(f"targets.{name}", did_you_mean(name, moments))])
    rows = []
    for name in moments:
        if name not in targets:
            raise ScenarioError([(f"targets.{name}", "is missing; say what was measured")])
        given = targets[name]
        value, error = given if isinstance(given, tuple | list) else (given, 0.0)
        if not (np.isfinite(value) and np.isfinite(error) and error >= 0.0):
            text = f"is {given!r}; give numbers, an error of 0 or more"
            raise ScenarioError([(f"targets.{name}", text)])
        rows.append((float(value), float(error)))
    found = np.array(rows, np.float64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


# Wide: what is searched, and the search's own settings.
def search(
    simulate: Simulate,
    parameters: Mapping[str, Parameter],
    names: Sequence[str],
    target: Floats,
    error: Floats,
    trials: int = 60,
    batch: int = 6,
    level: float = 0.95,
) -> Calibration:
    """Minimise the distance to targets, of anything that has moments.

    Args:
        simulate: Moments at points, on the same seeds each time.
        parameters: Ranges.
        names: Of the moments.
        target: Values, float64[moments].
        error: Standard errors, float64[moments].
        trials: Points.
        batch: Points at once.
        level: Of intervals.

    Raises:
        ScenarioError: If optuna is not there, or there are no points.
    """
    try:
        import optuna
    except ImportError:
        raise ScenarioError(
            [("calibrate", "needs optuna; pip install 'undertow[study]'")]
        ) from None
    if trials < 1 or batch < 1:
        raise ScenarioError([("trials", f"are {trials}, {batch} at once; give 1 or more")])
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    points: list[dict[str, float]] = []
    values: list[Floats] = []
    places = {n: optuna.distributions.FloatDistribution(0.0, 1.0) for n in parameters}
    weights, gaps = np.eye(len(names)), np.empty(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it calls experimental
        for step, until in enumerate((max(trials // 2, 1), trials)):
            study = optuna.create_study(
                sampler=optuna.samplers.TPESampler(
                    seed=SEED + step, multivariate=True, constant_liar=True,
                    n_startup_trials=max(10, trials // 4),
                )
            )  # fmt: skip
            if step:
                weights = _weights(values[_best(gaps)], error)
                gaps = _distances(np.array(values), target, weights)
                for point, gap in zip(points, gaps, strict=True):
                    at = {n: float(to_unit(parameters[n], v)) for n, v in point.items()}
                    study.add_trial(
                        optuna.trial.create_trial(params=at, distributions=places, value=_told(gap))
                    )
            else:
                study.enqueue_trial(dict.fromkeys(parameters, 0.5))
            while len(points) < until:
                asked = [study.ask(places) for _ in range(min(batch, until - len(points)))]
                new = [{n: float(of_unit(p, t.params[n])) for n, p in parameters.items()}
                       for t in asked]  # fmt: skip
                found = simulate(new)
                if not points:
                    weights = _weights(found[0], error)
                gained = _distances(found, target, weights)
                for trial, gap in zip(asked, gained, strict=True):
                    study.tell(trial, _told(gap))
                points, values = points + new, values + list(found)
                gaps = np.append(gaps, gained)
    tried, best = np.array(values), _best(gaps)
    table = pd.DataFrame(points).assign(distance=gaps)
    at_points = table[list(parameters)].to_numpy(float)
    spread = _spread(tried, at_points, target, error, weights, level)
    return Calibration(
        tuple(names), target, error, tried[best], np.empty((0, len(names))), points[best],
        float(gaps[best]), np.nan, table, dict(zip(parameters, spread, strict=True)), level,
    )  # fmt: skip


def _best(gaps: Floats) -> int:
    return int(np.argmin(gaps))


def _told(gap: float) -> float:
    """What the sampler hears: distances go over orders of magnitude."""
    return float(np.log(gap + 1e-300)) if np.isfinite(gap) else 1e3


def _weights(values: Floats, error: Floats) -> Floats:
    """W, float64[moments, moments], of what is by chance at a point.

    Args:
        values: float64[seeds, moments].
        error: Standard errors of what was measured, float64[moments].
    """
    by_chance = np.diag(error**2)
    if len(values) > 1 and np.isfinite(values).all():
        by_chance = by_chance + np.atleast_2d(np.cov(values.T, ddof=0)) / len(values)
    own = np.sqrt(np.diag(by_chance))
    # A moment that never moves here is no surer than the others, relative to its size.
    size = np.abs(values).mean(axis=0) + 1e-12
    relative = own / size
    least = float(np.median(relative[relative > 0.0])) if (relative > 0.0).any() else 1.0
    still = ~(own > 0.0) | ~np.isfinite(own)
    by_chance[still], by_chance[:, still] = 0.0, 0.0
    own = np.where(still, np.where(np.isfinite(size), least * size, 1.0), own)
    by_chance[np.diag_indices_from(by_chance)] = own**2 * (1.0 + RIDGE)
    # As correlations: moments may differ by many orders of magnitude.
    inverse = np.linalg.pinv(by_chance / np.outer(own, own), rcond=1e-8, hermitian=True)
    return np.asarray(inverse / np.outer(own, own))


def _distances(values: Floats, target: Floats, weights: Floats) -> Floats:
    """``g' W g`` of each point, float64[points]; inf where a moment is no number.

    Args:
        values: float64[points, seeds, moments].
        target: float64[moments].
        weights: float64[moments, moments].
    """
    gap = values.mean(axis=1) - target
    found = np.einsum("pi,ij,pj->p", gap, weights, gap)
    return np.where(np.isfinite(found), found, np.inf)


# Wide: as `search`, with what it has tried.
def _spread(
    values: Floats,
    points: Floats,
    target: Floats,
    error: Floats,
    weights: Floats,
    level: float,
    resamples: int = 200,
) -> list[tuple[float, float]]:
    """Intervals of parameters over resampled seeds and redrawn targets."""
    rng = np.random.Generator(np.random.Philox(values.shape[1]))
    if values.shape[1] < 2:
        return [(np.nan, np.nan)] * points.shape[1]
    picked = []
    for _ in range(resamples):
        drawn = values[:, rng.integers(values.shape[1], size=values.shape[1])]
        gaps = _distances(drawn, target + error * rng.standard_normal(target.size), weights)
        if np.isfinite(gaps).any():
            picked.append(points[int(np.argmin(gaps))])
    if not picked:
        return [(np.nan, np.nan)] * points.shape[1]
    ends = np.percentile(picked, [50.0 * (1.0 - level), 50.0 * (1.0 + level)], axis=0)
    return [(float(low), float(high)) for low, high in ends.T]
