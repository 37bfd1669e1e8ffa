"""Sizes of cascades: how much the loop adds, and how large cascades get.

Power laws are fitted as Clauset, Shalizi, Newman have it (SIAM Review 51, 2009), by `powerlaw`: the
exponent by maximum likelihood above a least size that is where the distance of Kolmogorov and
Smirnov is least; other laws are compared with it by the likelihood ratio and Vuong's test.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from runs.contagion.evaluation import cube, evaluate, loaded
from runs.contagion.networks import Floats
from runs.contagion.plans import Plan
from runs.study.statistics import RESAMPLES
from runs.study.study import BASE
from sim import Scenario
from sim.errors import ScenarioError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RIVALS = ("lognormal", "exponential", "stretched_exponential", "truncated_power_law")
LEAST_TAIL = 10
"""Sizes in the tail below which nothing is fitted."""
NESTED = frozenset({"truncated_power_law"})
"""Laws of which a power law is a case: Vuong's test gives way to the chi-squared one."""


# How much the loop adds


@dataclass(frozen=True)
class Amplification:
    """Losses induced by a shock with and without a feedback loop, on common seeds.

    Attributes:
        total: By loss, float64[seeds].
        direct: The same with the loop cut.
        level: Of intervals.
    """

    total: Mapping[str, Floats]
    direct: Mapping[str, Floats]
    level: float = 0.95

    def table(self) -> pd.DataFrame:
        """A row for each loss.

        ``amplification`` is the mean of the total over that of the direct; ``spiral`` is
        ``1 - direct / total``, the share of the loss that the loop makes, which is the gain of a
        geometric series of rounds of that amplification. Their intervals are of the bootstrap over
        seeds, in pairs. With nothing lost directly all of it is the loop's: infinite, and 1.
        """
        rows = {name: self._row(name) for name in self.total}
        columns = ["total", "direct", "amplification", "amplification_low", "amplification_high",
                   "spiral", "spiral_low", "spiral_high"]  # fmt: skip
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    def _row(self, name: str) -> tuple[float, ...]:
        total, direct = self.total[name], self.direct[name]
        rng = np.random.Generator(np.random.Philox(total.size))
        drawn = rng.integers(total.size, size=(RESAMPLES, total.size))
        ends = [50.0 * (1.0 - self.level), 50.0 * (1.0 + self.level)]
        t, d = total[drawn].mean(axis=1), direct[drawn].mean(axis=1)
        sure = total.size > 1
        # The one rises with the other, so that their ends are each other's.
        low, high = np.percentile(_share(t, d), ends) if sure else (np.nan, np.nan)
        whole = float(_share(total.mean(), direct.mean()))
        return (
            float(total.mean()), float(direct.mean()), _of_share(whole), _of_share(low),
            _of_share(high), whole, float(low), float(high),
        )  # fmt: skip


def _share(total: Any, direct: Any) -> Any:
    """Part of the total that is not direct; NaN where nothing is lost."""
    total, direct = np.asarray(total, np.float64), np.asarray(direct, np.float64)
    there = total != 0.0
    return np.where(there, 1.0 - direct / np.where(there, total, 1.0), np.nan)


def _of_share(share: float) -> float:
    """Amplification, whose loop makes a share of the loss."""
    return float(np.inf) if share >= 1.0 else float(1.0 / (1.0 - share))


def amplified(
    scenario: Scenario | str | Path,
    losses: Mapping[str, str],
    cut: Mapping[str, Any],
    shocks: Sequence[Mapping[str, Any]] | None = None,
    plan: Plan | None = None,
) -> Amplification:
    """Measure how much a feedback loop amplifies a shock.

    Args:
        scenario: A scenario, its name, or a path to its file.
        losses: What counts as lost, by name, as of `runs.contagion.attribute`.
        cut: What cuts the loop, values by dotted path:
            ``{"switches.venue_depth_is_finite": False, "agents.liquidators.route": "venue"}``.
        shocks: What strikes; default: all that the scenario states, which the twins are without.
        plan: Seeds, folder, workers.

    Raises:
        ScenarioError: If there is no shock, or something is not there.
    """
    setup, calm = _struck(loaded(scenario), shocks)
    variants = {
        "twin": {"shocks": calm},
        "cut": dict(cut),
        "cut_twin": {"shocks": calm} | dict(cut),
    }
    frame = evaluate(setup, {}, [], losses, plan or Plan(), variants=variants)

    def of(loss: str, variant: str) -> Floats:
        return cube(frame, loss, variant)[0]

    return Amplification(
        {loss: of(loss, BASE) - of(loss, "twin") for loss in losses},
        {loss: of(loss, "cut") - of(loss, "cut_twin") for loss in losses},
    )


# How large they get


@dataclass(frozen=True)
class SizeDistribution:
    """Cascade sizes and the distributions fitted to their tail.

    Attributes:
        sizes: Above 0, in order.
        nothing: Cascades of size 0, which no law tells of.
        alpha: Exponent of the power law's density.
        error: Its standard error.
        xmin: Least size of the tail.
        distance: Of Kolmogorov and Smirnov, of the tail from the power law.
        tail: Sizes in it.
        rivals: A row for each other law: ``ratio``, log likelihood of the power law less its own
            (above 0: the power law fits better), normalised; ``p``, of there being no difference;
            and ``better``, which of the two fits better at 5 %, "neither" if none.
        discrete: Whether they are counts.
    """

    sizes: Floats
    nothing: int
    alpha: float
    error: float
    xmin: float
    distance: float
    tail: int
    rivals: pd.DataFrame
    discrete: bool = False

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Of the exponent, given the least size."""
        reach = float(stats.norm.ppf(0.5 + level / 2.0)) * self.error
        return self.alpha - reach, self.alpha + reach

    def plot(self) -> Figure:
        """Share of cascades of at least a size, with the power law."""
        figure, axis = plt.subplots(figsize=(6.5, 4.5), layout="constrained")
        share = 1.0 - np.arange(self.sizes.size) / self.sizes.size
        axis.plot(self.sizes, share, ".", color="black", ms=4, label="cascades")
        if np.isfinite(self.alpha):
            inside = self.sizes >= self.xmin
            x = np.geomspace(self.xmin, self.sizes[-1], 100)
            low, high = self.interval()
            axis.plot(
                x, inside.mean() * (x / self.xmin) ** (1.0 - self.alpha), color="tab:red",
                label=f"power law, exponent {self.alpha:.2f} ({low:.2f} to {high:.2f})",
            )  # fmt: skip
        axis.set(xscale="log", yscale="log", xlabel="size", ylabel="share of at least that size")
        axis.legend()
        axis.grid(alpha=0.3)
        return figure


def size_distribution(
    sizes: npt.ArrayLike, discrete: bool = False, xmin: float | None = None
) -> SizeDistribution:
    """Fit candidate distributions to cascade sizes.

    Args:
        sizes: Of each cascade, 0 or more; those of 0 are counted apart.
        discrete: Whether they are counts.
        xmin: Least size of the tail; default: where a power law fits best.

    Raises:
        ValueError: If a size is no number or below 0, or too few are left to fit.
    """
    import powerlaw

    given = np.asarray(sizes, np.float64).ravel()
    if not np.isfinite(given).all() or (given < 0.0).any():
        raise ValueError("sizes must be numbers of 0 or more")
    x = np.sort(given[given > 0.0])
    if np.unique(x).size < 2 or x.size < LEAST_TAIL:
        raise ValueError(f"{x.size} cascades above 0; give {LEAST_TAIL} or more, of several sizes")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # its searches step outside of what they may
        fit = powerlaw.Fit(x, discrete=discrete, xmin=xmin, verbose=0)
        law = fit.power_law
        rows = {}
        for rival in RIVALS:
            nested = rival in NESTED
            ratio, p = fit.distribution_compare(
                "power_law", rival, nested=nested, normalized_ratio=True
            )
            better = "neither" if not p < 0.05 else "power_law" if ratio > 0.0 else rival
            rows[rival] = {"ratio": float(ratio), "p": float(p), "better": better}
        least = float(fit.xmin)
        found = float(law.alpha), float(law.sigma), least, float(law.D)
    tail = int((x >= least).sum())
    rivals = pd.DataFrame.from_dict(rows, orient="index")
    return SizeDistribution(x, int((given == 0.0).sum()), *found, tail, rivals, discrete)


def cascade_sizes(
    scenario: Scenario | str | Path,
    measure: str,
    shocks: Sequence[Mapping[str, Any]] | None = None,
    plan: Plan | None = None,
) -> Floats:
    """Sizes of the losses induced by a shock, one per seed.

    Args:
        scenario: A scenario, its name, or a path to its file.
        measure: A reduction: ``last(lending.bank.liquidated)``.
        shocks: What strikes; default: all that the scenario states, which the twins are without.
        plan: Seeds, folder, workers.

    Returns:
        A run's less its twin's, 0 where that is below, float64[seeds].

    Raises:
        ScenarioError: If there is no shock, or something is not there.
    """
    setup, calm = _struck(loaded(scenario), shocks)
    twins = {"twin": {"shocks": calm}}
    frame = evaluate(setup, {}, [], {"size": measure}, plan or Plan(), variants=twins)
    return np.maximum(cube(frame, "size")[0] - cube(frame, "size", "twin")[0], 0.0)


def _struck(
    setup: Scenario, shocks: Sequence[Mapping[str, Any]] | None
) -> tuple[Scenario, list[Any]]:
    """A scenario with all that strikes it, and the shocks of its twin."""
    own = [shock.model_dump(exclude_none=True) for shock in setup.shocks]
    if not (shocks or own):
        raise ScenarioError([("shocks", "there are none; give what strikes")])
    if shocks is None:
        return setup, []
    return setup.override({"shocks": [*own, *map(dict, shocks)]}), own
