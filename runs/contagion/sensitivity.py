"""Sensitivity: which parameters a result hangs on, by SALib, on runs of the study engine.

Morris's elementary effects (Technometrics 33, 1991; Campolongo, Cariboni, Saltelli 2007) screen
many parameters with few runs; Sobol's indices share out the variance (Saltelli et al., Computer
Physics Communications 181, 2010); Borgonovo's delta (Reliability Engineering and System Safety 92,
2007) compares whole distributions, of any sample. A point's result is its mean over the common
seeds, so their scatter is in no index; what is left of it in that mean is told as ``noise``.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from runs.contagion.evaluation import Given, cube, evaluate, loaded, of_unit, ranges
from runs.contagion.networks import Floats
from runs.contagion.plans import Plan
from sim import Scenario
from sim.errors import ScenarioError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Method = Literal["morris", "sobol", "delta"]
FIRST = {"morris": "mu_star", "sobol": "total", "delta": "delta"}
"""By which index parameters are put in order."""
LEVELS = 4
"""Of Morris's grid, as is usual."""
RESAMPLES = {"morris": 1000, "sobol": 1000, "delta": 25}
"""Of the bootstrap; each of delta's estimates a few dozen densities."""
SEED = 1


@dataclass(frozen=True)
class Sensitivity:
    """Sensitivity of a result to each parameter.

    Attributes:
        method: morris, sobol or delta.
        places: Of the sample on the unit cube, float64[points, parameters].
        results: By name, float64[points, seeds].
        names: Of the parameters.
        level: Of intervals.
    """

    method: Method
    places: Floats
    results: Mapping[str, Floats]
    names: tuple[str, ...]
    level: float = 0.95

    def table(self, result: str | None = None) -> pd.DataFrame:
        """A row for each parameter, the one that it hangs on most first.

        Args:
            result: Name; default: the first.

        Returns:
            Of Morris: ``mu`` and ``mu_star``, mean elementary effect over the range and its mean
            size, ``sigma``, its spread (effects that differ from place to place: not linear, or
            with others). Of Sobol: ``first``, the share of variance by the parameter alone, and
            ``total``, with others too. Of delta: ``delta``, how far knowing it moves the
            distribution, 0 to 1, and ``first``. Half-widths of intervals are called ``..._conf``.
            Indices of a result that never moves are 0 (Morris) or NaN.
        """
        y = self._means(result)
        problem = _problem(self.names)
        common: dict[str, Any] = {"conf_level": self.level, "seed": SEED}
        common["num_resamples"] = RESAMPLES[self.method]
        if np.ptp(y) == 0.0:
            return self._still()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own use of pandas and numpy
            if self.method == "morris":
                from SALib.analyze import morris

                found = morris.analyze(problem, self.places, y, num_levels=LEVELS, **common)
                columns = {k: found[k] for k in ("mu", "mu_star", "mu_star_conf", "sigma")}
            elif self.method == "sobol":
                from SALib.analyze import sobol

                found = sobol.analyze(problem, y, calc_second_order=False, **common)
                columns = {"first": found["S1"], "first_conf": found["S1_conf"],
                           "total": found["ST"], "total_conf": found["ST_conf"]}  # fmt: skip
            else:
                from SALib.analyze import delta

                found = delta.analyze(problem, self.places, y, **common)
                # SALib 1.6 tells Borgonovo's own estimate apart from one of balanced classes.
                raw = "delta" if "delta" in found else "delta_raw"
                columns = {
                    "delta": found[raw],
                    "delta_conf": found[f"{raw}_conf"],
                    "first": found["S1"],
                    "first_conf": found["S1_conf"],
                }
        table = pd.DataFrame({k: np.asarray(v, np.float64) for k, v in columns.items()})
        table.index = pd.Index(self.names, name="parameter")
        return table.sort_values(FIRST[self.method], ascending=False)

    def noise(self, result: str | None = None) -> float:
        """Share of the variance of points' means that is the seeds', not the parameters'.

        On common seeds this bounds it from above: what a seed does alike at all points cancels.
        """
        values = self.results[self._name(result)]
        between = float(values.mean(axis=1).var(ddof=1))
        if values.shape[1] < 2 or not between:
            return np.nan
        centred = values - values.mean(axis=0, keepdims=True)
        within = float(centred.var(axis=1, ddof=1).mean()) / values.shape[1]
        return min(within / between, 1.0)

    def plot(self, result: str | None = None) -> Figure:
        """Indices with their intervals, the largest first."""
        table = self.table(result).iloc[::-1]
        main = FIRST[self.method]
        figure, axis = plt.subplots(figsize=(7.0, 1.4 + 0.4 * len(table)), layout="constrained")
        places = np.arange(len(table))
        axis.barh(
            places, table[main], 0.5, xerr=table[f"{main}_conf"], label=main.replace("_", " ")
        )
        if "first" in table:
            axis.errorbar(table["first"], places, xerr=table["first_conf"], fmt="o", color="black",
                          ms=4, label="alone")  # fmt: skip
        if self.method == "morris":
            axis.plot(table["sigma"], places, "o", color="black", ms=4, label="spread of effects")
        axis.set_yticks(places, table.index)
        axis.set_xlabel(f"{self._name(result)}: {self.method}")
        axis.legend()
        axis.grid(axis="x", alpha=0.3)
        return figure

    def _name(self, result: str | None) -> str:
        return next(iter(self.results)) if result is None else result

    def _means(self, result: str | None) -> Floats:
        y = self.results[self._name(result)].mean(axis=1)
        if not np.isfinite(y).all():
            lacking = int((~np.isfinite(y)).sum())
            raise ValueError(
                f"{self._name(result)} is no number at {lacking} points; keep one that always is, "
                "such as share_below in place of first_below"
            )
        return np.asarray(y)

    def _still(self) -> pd.DataFrame:
        columns = {
            "morris": ["mu", "mu_star", "mu_star_conf", "sigma"],
            "sobol": ["first", "first_conf", "total", "total_conf"],
            "delta": ["delta", "delta_conf", "first", "first_conf"],
        }[self.method]
        value = 0.0 if self.method == "morris" else np.nan
        return pd.DataFrame(value, index=pd.Index(self.names, name="parameter"), columns=columns)


def sensitivity(
    scenario: Scenario | str | Path,
    parameters: Given,
    keep: Mapping[str, Any],
    method: Method = "morris",
    points: int = 16,
    level: float = 0.95,
    plan: Plan | None = None,
) -> Sensitivity:
    """Determine which parameters drive the results.

    Args:
        scenario: A scenario, its name, or a path to its file.
        parameters: What is varied, with ranges, by name: ``{"agents.x.leverage": (1.5, 4.0)}``.
        keep: Results: reductions by name.
        method: morris, sobol or delta.
        points: Of Morris, paths, each of parameters + 1 points; of Sobol, a power of two, times
            parameters + 2; of delta, points of a Latin hypercube.
        level: Of intervals.
        plan: Seeds, common to all points; folder, workers.

    Raises:
        ScenarioError: If a parameter has no range, or something is not there.
    """
    setup, given = loaded(scenario), ranges(parameters)
    places = sample(list(given), method, points)
    columns = {name: of_unit(p, places[:, i]) for i, (name, p) in enumerate(given.items())}
    rows = [{name: float(columns[name][n]) for name in given} for n in range(len(places))]
    frame = evaluate(setup, given, rows, keep, plan or Plan())
    results = {name: cube(frame, name) for name in keep}
    return Sensitivity(method, places, results, tuple(given), level)


def sample(names: list[str], method: Method, points: int) -> Floats:
    """A method's sample on the unit cube, float64[points, parameters].

    Raises:
        ScenarioError: If there is no such method, or it cannot have so many points.
    """
    if method not in FIRST:
        raise ScenarioError([("method", f"{method!r} is none; there are {', '.join(FIRST)}")])
    if points < 2:
        raise ScenarioError([("points", f"are {points}; give 2 or more")])
    try:
        from SALib.sample import latin, sobol
        from SALib.sample import morris as paths_of
    except ImportError:
        raise ScenarioError([("method", "needs SALib; pip install 'undertow[study]'")]) from None
    problem = _problem(names)
    if method == "morris":
        found = paths_of.sample(problem, points, num_levels=LEVELS, seed=SEED)
    elif method == "sobol":
        if points & (points - 1):
            raise ScenarioError([("points", f"are {points}; sobol needs a power of two")])
        found = sobol.sample(problem, points, calc_second_order=False, seed=SEED)
    else:
        found = latin.sample(problem, points, seed=SEED)
    return np.asarray(found, np.float64)


def _problem(names: Any) -> dict[str, Any]:
    """Parameters on the unit cube, as SALib takes them."""
    count = len(names)
    return {"num_vars": count, "names": list(names), "bounds": [[0.0, 1.0]] * count}
