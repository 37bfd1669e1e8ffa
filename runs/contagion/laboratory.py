"""All that the laboratory says of a scenario and a shock, in one go that resumes.

Attribution by channels, the loss matrix, the cascade trees and the networks of the first seed, and
the literature's models beside the simulated losses. Every run is a study's, in a folder that stays,
so what was interrupted goes on and ends with the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from runs.contagion.attribution import (
    Attribution,
    LossMatrix,
    attribute,
    cut_of,
    loss_matrix,
    run_levels,
)
from runs.contagion.cascades import Cascades, cascades
from runs.contagion.derived import derive, foretold, score
from runs.contagion.networks import Floats
from runs.contagion.over_time import Networks, record_networks
from runs.contagion.plans import Plan
from runs.contagion.shares import MOST_EXACT, intervals
from runs.contagion.strikes import Strikes, striking
from sim import Market, Scenario
from sim.errors import ScenarioError
from sim.scenario.switches import FROM_THE_START

SCREENED = 2
"""Seeds on which links are tried where none are named."""
ACCOUNTS = 10
"""Seeds of which models foretell the loss of each account."""
RECORDS = 60
"""Networks that are recorded over a run."""
FALL = -0.2
"""Return of each asset that the loss matrix shocks by itself."""
SHOCK = "the shock"
BY = ("group", "protocol")
_PROTOCOLS = ("lending.*.loss", "protocol.*.bad_debt")
"""Measures of what protocols have lost."""


@dataclass(frozen=True)
class Findings:
    """What was found of a scenario and a shock.

    Attributes:
        setup: The scenario.
        struck: Shocks that are attributed.
        links: Links, by what they were chosen: their names.
        screened: Largest change of any loss that a cut alone made on the first seeds, numeraire,
            by link; None where links were named.
        attribution: Shares of losses by link.
        matrix: Losses by shock and loser.
        trees: Cascades of the first seed.
        networks: Of the first seed.
        told: Losses of the first seed's entities that models foretell, with ``simulated`` beside;
            empty where the shock moves no outside price at once.
        scores: Of each model: rank, size, missed, spared: means over seeds and ends of intervals.
        among_accounts: The same with every account a node, of the first seeds.
        returns: Of each asset in the block of the shock, beyond the twin's.
        seeds: Of the runs.
    """

    setup: Scenario
    struck: list[dict[str, Any]]
    links: tuple[str, ...]
    screened: pd.Series | None
    attribution: Attribution
    matrix: LossMatrix
    trees: Cascades
    networks: Networks
    told: pd.DataFrame
    scores: pd.DataFrame
    among_accounts: pd.DataFrame
    returns: pd.Series
    seeds: tuple[int, ...]

    def headline(self, most: int = 3) -> list[str]:
        """Losses with the largest mean that links carry: protocols' first, then groups'."""
        size = {loss: abs(float(self.attribution.total(loss).mean())) for loss in self.losses}
        found = sorted(size, key=lambda loss: (loss in self.setup.agents, -size[loss]))
        return [loss for loss in found if size[loss] > 0.0][:most] or found[:1]

    @property
    def losses(self) -> list[str]:
        """Names of what was lost."""
        return self.attribution.losses


# Wide: what a person may say of an experiment.
def investigate(
    scenario: Scenario | str | Path,
    out: str | Path,
    shocks: Sequence[Mapping[str, Any]] | None = None,
    links: Sequence[str] | None = None,
    plan: Plan | None = None,
    by: str = "group",
    samples: int = 0,
    reruns: int = 200,
    tell: Callable[[str], None] = lambda stage: None,
    losses: Mapping[str, str] | None = None,
) -> Findings:
    """Investigate what a shock does in a scenario, and by which links.

    Args:
        scenario: A scenario, its name, or a path to its file.
        out: Folder of the runs, where an interrupted investigation goes on.
        shocks: What strikes beside the scenario's own (`runs.contagion.strikes`); default: the
            scenario's own.
        links: What is cut (`attribute`); default: switches of mechanisms whose cut changes any loss
            on the first seeds, the eight that change most.
        plan: Seeds and where to run; its folder is not used.
        by: "group": who loses is a group of agents or a protocol; "protocol": a protocol alone.
        samples: Orders of links to sample; 0: all sets of up to 8 links.
        reruns: Runs at most that name parents in the trees.
        tell: Called with the name of each stage as it begins.
        losses: What counts as lost, as of `attribute`; default: `losses_of_everybody`.

    Raises:
        ScenarioError: If the scenario, a shock, a link or a setting makes no sense.
    """
    setup = scenario if isinstance(scenario, Scenario) else Scenario.load(scenario)
    plan, folder = plan or Plan(), Path(out)
    if by not in BY:
        raise ScenarioError([("by", f"{by!r} is unknown; give one of {', '.join(BY)}")])
    if setup.measures.receipts != "all":
        setup = setup.override({"measures.receipts": "all"})
    strikes = striking(setup, shocks)
    first = strikes.block
    losses = losses_of_everybody(setup, by) if losses is None else losses
    seeds = plan.numbers
    plan = replace(plan, seeds=seeds)

    def kept(what: str) -> Plan:
        return replace(plan, out=folder / what)

    screened = None
    if links is None:
        tell("screening links")
        few = replace(kept("screening"), seeds=seeds[:SCREENED])
        screened = _screen(setup, strikes, losses, few)
        links = screened[screened > 0.0].index[:MOST_EXACT].tolist()
        if not links:
            text = "no mechanism's cut changes a loss on the first seeds; name links to cut"
            raise ScenarioError([("links", text)])
    tell("attribution")
    shares = attribute(
        setup, links, losses, strikes.struck if shocks else None, samples, kept("attribution")
    )
    tell("loss matrix")
    base = setup.override({"shocks": strikes.twin})
    rest = setup if shocks else base
    matrix = loss_matrix(rest, _places(setup, strikes), losses, kept("matrix"))
    tell("cascade trees and networks")
    whole = setup.override({"shocks": strikes.whole})
    market = Market(whole, rng=seeds[0])
    networks = record_networks(market, max(1, setup.blocks // RECORDS))
    trees = cascades(market, kept("trees"), reruns=reruns)
    tell("models from the literature")
    told, scores, returns = among_groups(whole, base, first, kept("literature"))
    accounts = among_accounts(whole, base, first, seeds[:ACCOUNTS] if len(told) else [])
    return Findings(
        whole, strikes.struck, tuple(links), screened, shares, matrix, trees, networks, told,
        scores, accounts, returns, tuple(seeds),
    )  # fmt: skip


def losses_of_everybody(setup: Scenario, by: str = "group") -> dict[str, str]:
    """Reductions of what each loses: protocols their own measure, groups against holding."""
    there = Market(setup.override({"measures.keep": list(_PROTOCOLS)})).measures
    names = [measure.name for measure in there]
    found = {}
    for name in names:
        if any(fnmatch(name, pattern) for pattern in _PROTOCOLS):
            found[name.split(".")[1]] = f"last({name})"
    if by == "group":
        found |= {group: f"-last(result.{group})" for group in setup.agents}
    if not found:
        text = "nobody is there whose losses are known; give agents or a lending market"
        raise ScenarioError([("by", text)])
    return found


def _screen(setup: Scenario, strikes: Strikes, losses: Mapping[str, str], plan: Plan) -> pd.Series:
    """What cutting each mechanism alone changes at most, the largest first."""
    switches = [
        name for name, on in dict(setup.switches).items() if on and name not in FROM_THE_START
    ]
    levels: dict[str, list[Any]] = {"whole": strikes.whole, "twin": strikes.twin}
    for n, name in enumerate(switches):
        cut = cut_of(setup, name, strikes.block)
        levels[f"c{n}"], levels[f"t{n}"] = [*strikes.whole, cut], [*strikes.twin, cut]
    found, _ = run_levels(setup, levels, losses, plan)
    change = {}
    for n, name in enumerate(switches):
        differences = [(v[f"c{n}"] - v[f"t{n}"]) - (v["whole"] - v["twin"]) for v in found.values()]
        change[name] = float(max(np.abs(d).mean() for d in differences))
    table = pd.Series(change, dtype=np.float64)
    return table.iloc[np.lexsort((table.index, -table.to_numpy()))]


def _places(setup: Scenario, strikes: Strikes) -> dict[str, Any]:
    """Shocks of the matrix: the one that is attributed, and a fall of each asset."""
    found: dict[str, Any] = {SHOCK: strikes.struck}
    for asset in setup.venue.assets:
        fall = {"kind": "price_jump", "asset": asset, "size": FALL, "block": strikes.block}
        found[f"{asset} {100 * FALL:+.0f} %"] = fall
    return found


def among_groups(
    whole: Scenario, base: Scenario, block: int, plan: Plan
) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """What models foretell from the network before the shock, beside the wealth that was lost.

    They are told the return of each asset in the block of the shock, less the twin's.

    Args:
        whole: The scenario with the shock.
        base: Without.
        block: Of the shock.
        plan: Seeds, folder, workers.

    Returns:
        (losses of the first seed's groups by model, with ``simulated``; scores of the models with
        their intervals; the returns that they were told, of the first seed).
    """
    levels = {
        name: [shock.model_dump(exclude_none=True) for shock in setup.shocks]
        for name, setup in (("whole", whole), ("twin", base))
    }
    # They speak of wealth: what a fall itself takes counts, as it does not against holding.
    wealth = {group: f"last(loss.{group})" for group in whole.agents}
    if not wealth:
        return pd.DataFrame(), pd.DataFrame(), pd.Series(dtype=np.float64)
    found, seeds = run_levels(whole, levels, wealth, plan)
    lost = {group: v["whole"] - v["twin"] for group, v in found.items()}
    by_seed: dict[str, dict[str, list[float]]] = {}
    first: tuple[pd.DataFrame, pd.Series] | None = None
    for n, seed in enumerate(seeds):
        before = Market(base, rng=seed).run(block - 1)
        moved = _moved(before, whole, base, seed)
        system = derive(before)
        told = foretold(system, {str(asset): float(move) for asset, move in moved.items()})
        simulated = pd.Series({name: float(v[n]) for name, v in lost.items()})
        here = [name for name in told.index if name in simulated.index]
        told = told.loc[here]
        if first is None:
            first = (told.assign(simulated=simulated.reindex(here)), moved)
        if moved.abs().max() == 0.0 or not here:
            continue
        _note(by_seed, score(told, simulated, least=1.0))
    assert first is not None
    told, moved = first
    if moved.abs().max() == 0.0:
        told = told.iloc[:0]
    return told, _scores(by_seed), moved


def among_accounts(
    whole: Scenario, base: Scenario, block: int, seeds: Sequence[int]
) -> pd.DataFrame:
    """How well models foretell what each account loses, of agents and whoever else is there.

    Args:
        whole: The scenario with the shock.
        base: Without.
        block: Of the shock.
        seeds: Of the runs.

    Returns:
        Scores of the models (`score`): means over seeds and ends of their intervals.
    """
    by_seed: dict[str, dict[str, list[float]]] = {}
    for seed in seeds:
        before = Market(base, rng=seed).run(block - 1)
        moved = {str(a): float(move) for a, move in _moved(before, whole, base, seed).items()}
        told = foretold(derive(before, by="account"), moved)
        ends = []
        for setup in (whole, base):
            sheets = Market(setup, rng=seed).run().balance_sheets("account")
            ends.append(sheets.set_index("entity")["equity"])
        there = before.balance_sheets("account").set_index("entity")["kind"]
        agents = there.index[there == "agent"]
        _note(by_seed, score(told, (ends[1] - ends[0]).reindex(agents), least=1.0))
    return _scores(by_seed)


def _note(by_seed: dict[str, dict[str, list[float]]], scored: pd.DataFrame) -> None:
    """Add a seed's scores."""
    for model, row in scored.iterrows():
        for what, value in row.items():
            by_seed.setdefault(str(model), {}).setdefault(str(what), []).append(value)


def _scores(by_seed: Mapping[str, Mapping[str, list[float]]]) -> pd.DataFrame:
    """Means over seeds with their intervals, a row for each model."""
    rows = {}
    for model, columns in by_seed.items():
        arrays: dict[str, Floats] = {what: np.array(v, float) for what, v in columns.items()}
        table = intervals(arrays)
        rows[model] = {
            name: table.loc[what, end]
            for what in table.index
            for name, end in ((what, "mean"), (f"{what}_low", "low"), (f"{what}_high", "high"))
        }
    return pd.DataFrame(rows).T


def _moved(before: Market, whole: Scenario, base: Scenario, seed: int) -> pd.Series:
    """Return of each asset in the next block with the shock, less that without."""
    tokens = list(before.venue.names)
    after = []
    for setup in (whole, base):
        market = Market(setup, rng=seed).run(before.block + 1)
        after.append(np.array([market.price(token) for token in tokens]))
    start = np.array([before.price(token) for token in tokens])
    return pd.Series((after[0] - after[1]) / start, index=tokens)
