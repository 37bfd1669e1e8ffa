"""Statistics of many runs: intervals by bootstrap, tails, and differences on common seeds.

Intervals of means are BCa (Efron 1987: bias-corrected and accelerated), which hold
their level for skewed figures such as bad debt better than percentiles do;
those of quantiles and tails are percentile intervals, since the acceleration of a
quantile is not defined. All are drawn from one seed, so that the same results
give the same intervals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

Array = npt.NDArray[np.float64]
RESAMPLES = 2000
_QUANTILE = re.compile(r"q(\d{1,2})")
_SHORTFALL = re.compile(r"es(\d{1,2})")
NAMED = ("mean", "median", "sd")


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval."""

    estimate: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2.0


def statistic(name: str) -> Callable[..., Any]:
    """A statistic by its name, as a function of values and an axis.

    Args:
        name: mean, median, sd; qNN, a quantile; esNN, expected shortfall: the mean of
            what is at or above the quantile NN.

    Raises:
        ValueError: If there is none of that name.
    """
    if name == "mean":
        return lambda values, axis=-1: np.mean(values, axis=axis)
    if name == "median":
        return lambda values, axis=-1: np.median(values, axis=axis)
    if name == "sd":
        return lambda values, axis=-1: np.std(values, axis=axis, ddof=1)
    if found := _QUANTILE.fullmatch(name):
        share = int(found[1]) / 100.0
        return lambda values, axis=-1: np.quantile(values, share, axis=axis)
    if found := _SHORTFALL.fullmatch(name):
        return _shortfall(int(found[1]) / 100.0)
    raise ValueError(f"unknown statistic {name!r}; there are {', '.join(NAMED)}, q95 and es95")


def _shortfall(level: float) -> Callable[..., Array]:
    """Expected shortfall as a weighted mean of order statistics (Acerbi, Tasche 2002).

    The sample's upper tail of mass 1 - level, the value at its edge weighted by the
    part of it that belongs to the tail: coherent also for small samples.
    """

    def shortfall(values: Array, axis: int = -1) -> Array:
        x = np.sort(np.moveaxis(np.asarray(values), axis, -1), axis=-1)
        n = x.shape[-1]
        tail = (1.0 - level) * n
        whole = int(np.floor(tail + 1e-12))
        total = x[..., n - whole :].sum(axis=-1)
        if whole < n:
            total = total + max(tail - whole, 0.0) * x[..., n - whole - 1]
        return total / tail

    return shortfall


def interval(
    values: npt.ArrayLike,
    name: str = "mean",
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval:
    """A statistic of a sample with its bootstrap interval.

    Args:
        values: float[n]; what is not a number is left out.
        name: See `statistic`.
        level: Of the interval.
        resamples: Of the bootstrap.

    Returns:
        NaN for the ends of the interval with fewer than two values, and for all with none.
    """
    x = np.asarray(values, dtype=np.float64)
    x = x[np.isfinite(x)]
    if x.size == 0:
        return Interval(np.nan, np.nan, np.nan)
    if x.size == 1:
        estimate = np.nan if name == "sd" else float(x[0])
        return Interval(estimate, np.nan, np.nan)
    function = statistic(name)
    estimate = float(function(x))
    if np.ptp(x) == 0.0:  # all alike: no resample differs
        return Interval(estimate, estimate, estimate)
    found = stats.bootstrap(
        (x,),
        function,
        confidence_level=level,
        n_resamples=resamples,
        vectorized=True,
        method="BCa" if name == "mean" else "percentile",
        rng=np.random.Generator(np.random.Philox(x.size)),
    ).confidence_interval
    return Interval(estimate, float(found.low), float(found.high))


def rate(hits: int, runs: int, level: float = 0.95) -> Interval:
    """How often something happened, with Wilson's interval.

    A bootstrap of a rate of 0 or 1 has no width; Wilson's (1927) has.
    """
    if runs == 0:
        return Interval(np.nan, np.nan, np.nan)
    found = stats.binomtest(hits, runs).proportion_ci(level, "wilson")
    return Interval(hits / runs, float(found.low), float(found.high))


DEFAULT = ("mean", "sd", "median", "q05", "q95", "es95")


def summary(
    frame: pd.DataFrame,
    by: Sequence[str],
    measures: Iterable[str],
    statistics: Sequence[str] = DEFAULT,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Statistics of measures in each group of runs.

    Args:
        frame: A row per run.
        by: Columns whose values make the groups, such as parameters and "variant".
        measures: Columns of numbers.
        statistics: See `statistic`.
        level: Of the intervals.
        resamples: Of the bootstrap.

    Returns:
        A row per group, measure and statistic: the group, measure, statistic, runs
        (with a number), estimate, low, high.
    """
    rows = []
    for key, group in _groups(frame, by):
        for measure in measures:
            x = group[measure].to_numpy(dtype=np.float64)
            n = int(np.isfinite(x).sum())
            for name in statistics:
                found = interval(x, name, level, resamples)
                rows.append((*key, measure, name, n, found.estimate, found.low, found.high))
    columns = [*by, "measure", "statistic", "runs", "estimate", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def paired(
    frame: pd.DataFrame,
    factor: str,
    baseline: object,
    by: Sequence[str],
    measures: Iterable[str],
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Differences against a baseline, run by run on common seeds.

    Args:
        frame: A row per run, with "seed".
        factor: Column whose values are compared, such as "variant" or a parameter.
        baseline: Its value that the others are compared with.
        by: Columns that are alike in a pair, besides the seed.
        measures: Columns of numbers.
        level: Of the intervals.
        resamples: Of the bootstrap.

    Returns:
        A row per group, other value of the factor, and measure: mean difference
        (value less baseline) with its BCa interval, number of pairs, share of pairs in
        which it is above zero, and p of a two-sided sign test (Dixon, Mood 1946; pairs
        that are alike do not count).

    Raises:
        ValueError: If the factor never is at the baseline.
    """
    measures = list(measures)
    if not (frame[factor] == baseline).any():
        raise ValueError(f"{factor} never is {baseline!r}; give one of {set(frame[factor])}")
    rows = []
    for key, group in _groups(frame, by):
        base = group[group[factor] == baseline].set_index("seed")[measures]
        for value in pd.unique(group[factor]):
            if value == baseline:
                continue
            other = group[group[factor] == value].set_index("seed")[measures]
            change = (other - base).reindex(base.index.intersection(other.index))
            for measure in measures:
                d = change[measure].to_numpy(dtype=np.float64)
                d = d[np.isfinite(d)]
                found = interval(d, "mean", level, resamples)
                up, down = int((d > 0.0).sum()), int((d < 0.0).sum())
                p = stats.binomtest(up, up + down).pvalue if up + down else 1.0
                share = up / d.size if d.size else np.nan
                rows.append(
                    (
                        *key,
                        value,
                        measure,
                        d.size,
                        found.estimate,
                        found.low,
                        found.high,
                        share,
                        float(p),
                    )
                )
    names = [factor, "measure", "pairs", "difference", "low", "high", "share_above", "p_sign"]
    return pd.DataFrame(rows, columns=[*by, *names])


def _groups(frame: pd.DataFrame, by: Sequence[str]) -> Iterable[tuple[tuple, pd.DataFrame]]:
    if not by:
        return [((), frame)]
    return frame.groupby(list(by), sort=True, dropna=False)
