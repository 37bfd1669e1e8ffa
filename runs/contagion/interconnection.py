"""Robust yet fragile: how often a local shock turns systemic, and how far it then goes.

The question is Gai's and Kapadia's (Proceedings of the Royal Society A 466, 2010; Haldane, May,
Nature 469, 2011): as links grow in number a shock is shared by more, so that fewer of them turn
into contagion, and what does reaches more. Here it is asked of any markets that differ in how much
they are joined (`runs.contagion.many_banks` makes some): the same seeds run each of them with and
without the shock, and whoever is hit with it, and not without, was hit by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.ticker import MaxNLocator

from runs.contagion.attribution import run_levels
from runs.contagion.evaluation import Event
from runs.contagion.networks import Floats
from runs.contagion.plans import Plan
from runs.contagion.strikes import striking
from runs.contagion.thresholds import SYSTEMIC, Extents
from runs.study.statistics import interval, rate
from sim import Scenario
from sim.errors import ScenarioError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Hits = npt.NDArray[np.bool_]
STRUCK, TWIN = "struck", "twin"


@dataclass(frozen=True)
class Interconnection:
    """Entities hit in markets with an increasing number of links.

    Attributes:
        degrees: How much each market is joined.
        nodes: Who may be hit.
        hit: By degree, bool[seeds, nodes]: hit with the shock, and not without.
        alone: By degree, likewise: hit without the shock.
        lost: By degree, float64[seeds]: what is lost with the shock less what is without.
        seeds: Of the runs.
        systemic: Share of the nodes beyond which a shock counts as systemic.
    """

    degrees: tuple[float, ...]
    nodes: tuple[str, ...]
    hit: Mapping[float, Hits]
    alone: Mapping[float, Hits]
    lost: Mapping[float, Floats]
    seeds: tuple[int, ...]
    systemic: float = SYSTEMIC

    def shares(self, degree: float) -> Floats:
        """Share of the nodes that the shock hit, float64[seeds]."""
        return np.asarray(self.hit[degree].mean(axis=1))

    def turned(self, degree: float) -> Hits:
        """Whether it turned systemic, bool[seeds]."""
        return np.asarray(self.shares(degree) > self.systemic)

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """By degree: how often it is systemic, how far it then goes, what it costs.

        Args:
            level: Of the intervals: Wilson's of a frequency, of the bootstrap over seeds of means.

        Returns:
            Columns ``frequency``, ``extent`` (mean share of nodes hit, where it is systemic; NaN
            where it never is) and ``lost``, each with ``_low`` and ``_high``; ``systemic``, a
            number of seeds; ``alone``, how often as many are hit without the shock.
        """
        rows = []
        for degree in self.degrees:
            shares, turned = self.shares(degree), self.turned(degree)
            often = rate(int(turned.sum()), turned.size, level)
            far = interval(shares[turned], "mean", level)
            cost = interval(self.lost[degree], "mean", level)
            alone = self.alone[degree].mean(axis=1) > self.systemic
            rows.append(
                {"degree": degree, "seeds": turned.size, "systemic": int(turned.sum()),
                 "frequency": often.estimate, "frequency_low": often.low,
                 "frequency_high": often.high,
                 "extent": far.estimate, "extent_low": far.low, "extent_high": far.high,
                 "lost": cost.estimate, "lost_low": cost.low, "lost_high": cost.high,
                 "alone": float(alone.mean())}
            )  # fmt: skip
        return pd.DataFrame(rows)

    def at(self, systemic: float) -> Interconnection:
        """The same runs, with another share that counts as systemic."""
        return replace(self, systemic=systemic)

    def plot(self, beside: Mapping[float, Extents] | None = None, told: str = "") -> Figure:
        """Frequency and extent by degree, with their intervals.

        Args:
            beside: What a model says of the same degrees, drawn in as lines.
            told: What model it is.
        """
        table = self.table()
        figure, axes = plt.subplots(1, 2, figsize=(10.0, 3.8), layout="constrained", sharex=True)
        what = (
            ("frequency", "share of seeds with a systemic event", "tab:blue"),
            ("extent", "share of others hit, if systemic", "tab:red"),
        )
        for axis, (name, text, colour) in zip(axes, what, strict=True):
            x, y = table["degree"], table[name]
            spread = np.abs([y - table[f"{name}_low"], table[f"{name}_high"] - y])
            axis.errorbar(x, y, np.nan_to_num(spread), fmt="o-", color=colour, ms=4, lw=1.2,
                          capsize=2, label=f"{name}, simulated, 95 %")  # fmt: skip
            if beside:
                said = [getattr(found, name) for found in beside.values()]
                axis.plot(list(beside), said, color="grey", lw=1.2, ls="--", label=told)
            axis.set(
                xlabel="degree: number of coins held by a firm", ylabel=text, ylim=(-0.03, 1.03)
            )
            axis.grid(alpha=0.3)
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        handles = [handle for axis in axes for handle in axis.get_legend_handles_labels()[0]]
        labels = [label for axis in axes for label in axis.get_legend_handles_labels()[1]]
        shown = dict(zip(labels, handles, strict=True))
        figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3)
        return figure


# Wide: markets, whom to watch, and how runs are made.
def interconnection(
    markets: Mapping[float, Scenario | str | Path],
    hit: Mapping[str, str],
    losses: Mapping[str, str],
    shocks: Sequence[Mapping[str, Any]] | None = None,
    systemic: float = SYSTEMIC,
    plan: Plan | None = None,
) -> Interconnection:
    """Shock markets that differ in their links, and count the entities hit.

    Args:
        markets: Scenarios, by how much they are joined.
        hit: Who may be hit besides whom the shock strikes, by name, and what that is:
            ``min(venue.btc.price) < 20000``.
        losses: What the others lose, by name: reductions, which are added up.
        shocks: What strikes, as of `attribute`; default: all that the scenarios state.
        systemic: Share of those named in `hit` beyond which the shock counts as systemic.
        plan: Seeds, common to all markets; folder, workers.

    Raises:
        ScenarioError: If a market has no shock, or something named is not there.
    """
    if not markets:
        raise ScenarioError([("markets", "there are none; give scenarios by how joined they are")])
    if not hit:
        raise ScenarioError([("hit", "there is nobody; say who may be hit, and when they are")])
    made = plan or Plan()
    events = {name: Event.parse(text) for name, text in hit.items()}
    numbers = {f"n{n}": event.measure for n, event in enumerate(events.values())}
    costs = {f"l{n}": text for n, text in enumerate(losses.values())}
    there: dict[float, Hits] = {}
    alone: dict[float, Hits] = {}
    lost: dict[float, Floats] = {}
    seeds: tuple[int, ...] = ()
    for degree, market in markets.items():
        setup = market if isinstance(market, Scenario) else Scenario.load(market)
        strikes = striking(setup, shocks)
        out = None if made.out is None else Path(made.out) / f"degree-{degree:g}"
        levels = {STRUCK: strikes.whole, TWIN: strikes.twin}
        found, seeds = run_levels(setup, levels, numbers | costs, replace(made, out=out))
        struck_hit, twin_hit = (
            np.column_stack(
                [
                    event.happened(found[n][level])
                    for n, event in zip(numbers, events.values(), strict=True)
                ]
            )
            for level in (STRUCK, TWIN)
        )
        there[degree], alone[degree] = struck_hit & ~twin_hit, twin_hit
        more = [found[n][STRUCK] - found[n][TWIN] for n in costs]
        lost[degree] = np.sum(more, axis=0) if more else np.zeros(len(seeds))
    return Interconnection(tuple(markets), tuple(hit), there, alone, lost, seeds, systemic)
