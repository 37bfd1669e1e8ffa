"""Attribution by counterfactual: which link carried how much of a loss, and who lost where.

Every run has a twin without the shock, of the same seed; the loss that the shock induced is what
the one has lost more than the other. Links are then cut from the block of the shock on, in both.
What a set of open links is worth is the loss induced with these alone, and a link's share of the
whole is its Shapley value (`runs.contagion.shares`). All draws are keyed: nothing else differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from runs.contagion.branches import Branches, can_fork, run_branches
from runs.contagion.networks import Floats
from runs.contagion.plans import Plan, folder_of, signed
from runs.contagion.shares import (
    MOST_EXACT,
    Coalition,
    coalitions,
    interactions,
    intervals,
    joined,
    orders,
    shapley,
    shapley_of_orders,
)
from runs.contagion.strikes import FOREVER, striking
from runs.study.reductions import Reduction
from runs.study.study import Study
from sim import Scenario
from sim.errors import ScenarioError, did_you_mean
from sim.scenario.switches import FROM_THE_START
from sim.shown import money

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TWIN = "-twin"


@dataclass(frozen=True)
class Attribution:
    """Shares of induced losses by link.

    Attributes:
        links: Names, in order.
        worth: By loss and set of open links, what the shock induced, float64[seeds].
        drawn: Orders of joining that were sampled; empty: all sets were run.
        seeds: Of the runs.
    """

    links: tuple[str, ...]
    worth: Mapping[str, Mapping[Coalition, Floats]]
    drawn: tuple[tuple[str, ...], ...] = ()
    seeds: tuple[int, ...] = field(default=())

    @property
    def losses(self) -> list[str]:
        """Names of what was lost."""
        return list(self.worth)

    def total(self, loss: str) -> Floats:
        """What is induced with all links open beyond what is with none, float64[seeds]."""
        worth = self.worth[loss]
        return worth[frozenset(self.links)] - worth[frozenset()]

    def by_seed(self, loss: str) -> dict[str, Floats]:
        """Each link's share, float64[seeds]; they sum to `total`."""
        if self.drawn:
            return shapley_of_orders(self.links, self.worth[loss], self.drawn)[0]
        return shapley(self.links, self.worth[loss])

    def shares(self, loss: str, level: float = 0.95) -> pd.DataFrame:
        """Each link's share: mean, interval over seeds, part of the total.

        Where orders were sampled `sampling` is the standard error that comes of it.
        """
        found = self.by_seed(loss)
        table = intervals(found, level)
        total = float(self.total(loss).mean())
        table["part"] = table["mean"] / total if total else np.nan
        if self.drawn:
            by_order = shapley_of_orders(self.links, self.worth[loss], self.drawn)[1]
            # Orders come in pairs with their reverse, whose mean is one draw.
            pairs = {link: v.reshape(-1, 2).mean(axis=1) for link, v in by_order.items()}
            table["sampling"] = [
                float(pairs[link].std(ddof=1) / np.sqrt(pairs[link].size)) for link in table.index
            ]
        return table

    def interactions(self, loss: str, level: float = 0.95) -> pd.DataFrame:
        """What pairs add beyond the two alone; only where all sets were run.

        Raises:
            ValueError: If orders were sampled.
        """
        if self.drawn:
            raise ValueError(f"{len(self.links)} links were sampled; pairs need all sets")
        found = interactions(self.links, self.worth[loss])
        return intervals({f"{a} + {b}": v for (a, b), v in found.items()}, level)

    def table(self) -> pd.DataFrame:
        """Shares of every loss, a row for each loss and link."""
        return pd.concat({loss: self.shares(loss) for loss in self.losses}, names=["loss", "link"])

    def plot(self, loss: str | None = None) -> Figure:
        """Shares with their intervals, the largest first."""
        loss = self.losses[0] if loss is None else loss
        table = self.shares(loss).sort_values("mean")
        figure, axis = plt.subplots(figsize=(7.0, 1.2 + 0.4 * len(table)), layout="constrained")
        spread = [table["mean"] - table["low"], table["high"] - table["mean"]]
        axis.barh(table.index, table["mean"], xerr=spread, color="tab:blue", alpha=0.8)
        axis.axvline(0.0, color="black", lw=0.8)
        axis.set_xlabel(f"{loss}: share of the induced loss, mean and 95 % interval")
        axis.grid(axis="x", alpha=0.3)
        return figure


@dataclass(frozen=True)
class Cuts:
    """Losses induced by a shock with all links open, and with each link cut alone.

    Attributes:
        links: Names, in order.
        whole: By loss, what the shock induced with nothing cut, float64[seeds].
        without: By loss and link, the same with that link cut, float64[seeds].
        seeds: Of the runs.
    """

    links: tuple[str, ...]
    whole: Mapping[str, Floats]
    without: Mapping[str, Mapping[str, Floats]]
    seeds: tuple[int, ...] = field(default=())

    def carried(self, loss: str, level: float = 0.95) -> pd.DataFrame:
        """What is induced less without each link: mean, interval over seeds, part of the whole.

        What two carry only together counts for both, what either would for none: `attribute` shares
        it out.
        """
        less = {link: self.whole[loss] - self.without[loss][link] for link in self.links}
        table = intervals(less, level)
        total = float(self.whole[loss].mean())
        table["part"] = table["mean"] / total if total else np.nan
        return table


@dataclass(frozen=True)
class LossMatrix:
    """Losses of each entity under a shock to each place.

    Attributes:
        induced: By shock and loser, float64[seeds], loss beyond the twin's.
    """

    induced: Mapping[str, Mapping[str, Floats]]

    def mean(self) -> pd.DataFrame:
        """A row for each shock, a column for each loser."""
        return pd.DataFrame(
            {s: {who: float(v.mean()) for who, v in row.items()} for s, row in self.induced.items()}
        ).T

    def interval(self, level: float = 0.95) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Ends of the intervals of the means, over seeds."""
        tables = {shock: intervals(row, level) for shock, row in self.induced.items()}
        low = pd.DataFrame({shock: table["low"] for shock, table in tables.items()}).T
        high = pd.DataFrame({shock: table["high"] for shock, table in tables.items()}).T
        return low, high

    def plot(self) -> Figure:
        """The means as a map, each cell with its number."""
        mean = self.mean()
        low, high = self.interval()
        figure, axis = plt.subplots(
            figsize=(2.0 + 1.1 * mean.shape[1], 1.5 + 0.5 * mean.shape[0]), layout="constrained"
        )
        most = float(np.abs(mean.to_numpy()).max()) or 1.0
        image = axis.imshow(mean, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
        for i, shock in enumerate(mean.index):
            for j, who in enumerate(mean.columns):
                sure = low.loc[shock, who] > 0.0 or high.loc[shock, who] < 0.0
                value = mean.loc[shock, who]
                colour = "white" if abs(value) > 0.6 * most else "black"
                weight = "bold" if sure else "normal"
                text = money(value) if value else "0"
                axis.text(j, i, text, ha="center", va="center", color=colour, weight=weight)
        axis.set_xticks(range(mean.shape[1]), mean.columns, rotation=30, ha="right")
        axis.set_yticks(range(mean.shape[0]), mean.index)
        axis.set_xlabel("who loses (bold: the interval excludes 0)")
        axis.set_ylabel("what is shocked")
        figure.colorbar(image, label="induced loss, numeraire")
        return figure


def attribute(
    scenario: Scenario | str | Path,
    links: Sequence[str],
    losses: Mapping[str, str],
    shocks: Sequence[Mapping[str, Any]] | None = None,
    samples: int = 0,
    plan: Plan | None = None,
) -> Attribution:
    """Attribute the loss induced by a shock to the links that carry it (Shapley values).

    Args:
        scenario: A scenario, its name, or a path to its file.
        links: What is cut from the block of the first shock on: switches of mechanisms, groups of
            agents, ``pool:NAME``, ``oracle:NAME``.
        losses: What counts as lost, by name: a reduction of a measure, ``last(lending.bank.loss)``;
            with a minus before it for what is gained, ``-last(result.lenders)``.
        shocks: What strikes (`runs.contagion.strikes`); default: all that the scenario states,
            which the twin then is without. Given, the scenario's own strike both.
        samples: Orders of joining to sample; 0: all sets of up to 8 links, 200 orders beyond.
        plan: Seeds, folder, workers.

    Returns:
        Shares with their intervals.

    Raises:
        ScenarioError: If a link cannot be cut, there is no shock, or a measure is not there.
    """
    setup = scenario if isinstance(scenario, Scenario) else Scenario.load(scenario)
    plan = plan or Plan()
    strikes = striking(setup, shocks)
    cuts = {link: cut_of(setup, link, strikes.block) for link in links}
    count = samples or (0 if len(links) <= MOST_EXACT else 200)
    drawn = orders(links, count) if count else []
    sets = {s for order in drawn for s in joined(order)} if drawn else set(coalitions(links))
    names = {s: _name(s, links) for s in sets}
    levels: dict[str, list[Any]] = {}
    for s, name in sorted(names.items(), key=lambda item: item[1]):
        closed = [cuts[link] for link in links if link not in s]
        levels[name] = [*strikes.whole, *closed]
        levels[name + TWIN] = [*strikes.twin, *closed]
    found, seeds = run_levels(setup, levels, losses, plan)
    worth = {
        loss: {s: found[loss][name] - found[loss][name + TWIN] for s, name in names.items()}
        for loss in losses
    }
    return Attribution(tuple(links), worth, tuple(drawn), seeds)


def cut_each(
    scenario: Scenario | str | Path,
    links: Sequence[str],
    losses: Mapping[str, str],
    shocks: Sequence[Mapping[str, Any]] | None = None,
    plan: Plan | None = None,
) -> Cuts:
    """Cut links one at a time: two runs per seed and link, where `attribute` needs all subsets.

    Args:
        scenario: A scenario, its name, or a path to its file.
        links: As of `attribute`.
        losses: Likewise.
        shocks: Likewise.
        plan: Seeds, folder, workers.

    Raises:
        ScenarioError: If a link cannot be cut, there is no shock, or a measure is not there.
    """
    setup = scenario if isinstance(scenario, Scenario) else Scenario.load(scenario)
    strikes = striking(setup, shocks)
    levels: dict[str, list[Any]] = {"whole": strikes.whole, "twin": strikes.twin}
    for n, link in enumerate(links):
        cut = cut_of(setup, link, strikes.block)
        levels[f"c{n}"], levels[f"t{n}"] = [*strikes.whole, cut], [*strikes.twin, cut]
    found, seeds = run_levels(setup, levels, losses, plan or Plan())
    return Cuts(
        tuple(links),
        {loss: v["whole"] - v["twin"] for loss, v in found.items()},
        {
            loss: {link: v[f"c{n}"] - v[f"t{n}"] for n, link in enumerate(links)}
            for loss, v in found.items()
        },
        seeds,
    )


def loss_matrix(
    scenario: Scenario | str | Path,
    shocks: Mapping[str, Mapping[str, Any] | Sequence[Mapping[str, Any]]],
    losses: Mapping[str, str],
    plan: Plan | None = None,
) -> LossMatrix:
    """Shock each place separately and record who loses.

    Args:
        scenario: A scenario, its name, or a path to its file; its own shocks strike all runs.
        shocks: What strikes, by name: a shock as a scenario states it, or several.
        losses: What counts as lost, as of `attribute`.
        plan: Seeds, folder, workers.

    Raises:
        ScenarioError: If a shock or a measure makes no sense.
    """
    setup = scenario if isinstance(scenario, Scenario) else Scenario.load(scenario)
    levels: dict[str, list[Any]] = {}
    twins: list[list[Any]] = []
    pairs: dict[str, tuple[str, str]] = {}
    for number, (name, given) in enumerate(shocks.items()):
        found = striking(setup, [given] if isinstance(given, Mapping) else given)
        if found.twin not in twins:
            twins.append(found.twin)
        twin = f"twin{twins.index(found.twin)}"
        levels |= {twin: found.twin, f"s{number}": found.whole}
        pairs[name] = f"s{number}", twin
    lost, _ = run_levels(setup, levels, losses, plan or Plan())
    return LossMatrix(
        {
            name: {loss: lost[loss][whole] - lost[loss][twin] for loss in losses}
            for name, (whole, twin) in pairs.items()
        }
    )


def cut_of(setup: Scenario, link: str, block: int) -> dict[str, Any]:
    """The shock that cuts a link from a block on.

    Args:
        setup: The scenario.
        link: A switch of mechanisms, a group of agents, ``pool:NAME`` or ``oracle:NAME``.
        block: When.

    Raises:
        ScenarioError: If there is no such thing to cut.
    """
    what, _, name = link.partition(":")
    lasting = {"block": block, "blocks": FOREVER}
    if what == "pool" and name in setup.pools:
        return {"kind": "pool_halt", "pool": name} | lasting
    if what == "oracle" and name in setup.oracles:
        return {"kind": "oracle_freeze", "oracle": name} | lasting
    if link in FROM_THE_START:
        text = f"{link!r} holds from the start on alone, and cannot be cut at a block"
        raise ScenarioError([("links", f"{text}; leave it out")])
    if link in dict(setup.switches):
        return {"kind": "mechanism_cut", "mechanism": link} | lasting
    if link in setup.agents:
        return {"kind": "agents_stop", "agents": link} | lasting
    cuttable = [name for name in dict(setup.switches) if name not in FROM_THE_START]
    known = [*cuttable, *setup.agents, *(f"pool:{p}" for p in setup.pools)]
    known += [f"oracle:{oracle}" for oracle in setup.oracles]
    raise ScenarioError([("links", f"{link!r} cannot be cut; {did_you_mean(link, known)}")])


def _name(s: Coalition, links: Sequence[str]) -> str:
    """A set of open links as a word: a bit for each."""
    return "b" + "".join("1" if link in s else "0" for link in links)


def run_levels(
    setup: Scenario, levels: Mapping[str, list[Any]], losses: Mapping[str, str], plan: Plan
) -> tuple[dict[str, dict[str, Floats]], tuple[int, ...]]:
    """Run a scenario with each list of shocks on common seeds.

    Returns:
        By loss and level float64[seeds]; and the seeds.
    """
    if not losses:
        raise ScenarioError([("losses", "there are none; say what counts as lost")])
    read = [signed(text) for text in losses.values()]
    keep = {f"l{n}": text for n, (_, text) in enumerate(read)}
    measures = sorted(
        {_measure_of(name, text) for name, text in zip(losses, keep.values(), strict=True)}
    )
    changes: dict[str, Any] = {"measures.keep": measures, "measures.receipts": "none"}
    if plan.blocks is not None:
        changes["blocks"] = plan.blocks
    blocks = plan.blocks or setup.blocks
    ends = all(Reduction.parse(text).kind == "last" for text in keep.values())
    if ends and blocks % setup.measures.every == 0:
        changes["measures.every"] = blocks  # no row is read but the last
    if plan.shared and plan.executor is None and can_fork():
        branches = Branches.of(setup.override(changes), levels, list(keep.values()))
        each = run_branches(branches, plan)
        return {
            loss: {level: sign * each[level][:, n] for level in levels}
            for n, (loss, (sign, _)) in enumerate(zip(losses, read, strict=True))
        }, tuple(plan.numbers)
    seeds = plan.seeds if isinstance(plan.seeds, int) else list(plan.seeds)
    content: dict[str, Any] = {
        "name": "contagion", "scenario": setup.to_dict(), "seeds": seeds, "keep": keep,
        "set": changes, "parameters": {"links": {"path": "shocks", "levels": dict(levels)}},
    }  # fmt: skip
    study = Study.from_dict(content)
    with folder_of(plan.out) as out:
        frame = plan.sweep(study, out, lambda row: f"{row['links']}, seed {row['seed']}")
    found: dict[str, dict[str, Floats]] = {}
    for n, (loss, (sign, _)) in enumerate(zip(losses, read, strict=True)):
        wide = frame.pivot_table(index="seed", columns="links", values=f"l{n}", dropna=False)
        found[loss] = {level: sign * wide[level].to_numpy(np.float64) for level in levels}
    return found, tuple(int(seed) for seed in sorted(frame["seed"].unique()))


def _measure_of(loss: str, text: str) -> str:
    """The measure that a loss is read from."""
    try:
        return Reduction.parse(text).measure
    except ValueError as error:
        raise ScenarioError([(f"losses.{loss}", str(error))]) from None
