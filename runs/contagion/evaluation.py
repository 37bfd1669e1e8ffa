"""What a scenario does at points of its parameters, as a study: it resumes, on any executor.

The methods of this room that ask where to look next (`criticality`, `sensitivity`, `calibration`,
`safeguards`) hand their points here. Each batch is a study of its own, whose folder is named after
all that decides its results: asked again, a method finds what it has done and goes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ValidationError

from runs import paths
from runs.contagion.networks import Floats
from runs.contagion.plans import Plan, folder_of, signed
from runs.study.design import Overrides
from runs.study.store import read_series
from runs.study.study import BASE, Parameter, Study
from sim import Scenario
from sim.errors import ScenarioError, did_you_mean
from sim.scenario import problems_of

Keep = Mapping[str, Any]
"""Numbers of a run by name: a reduction, with a minus before it to turn it, or a function."""
Given = Mapping[str, Any]
"""What is varied, by name: a `Parameter`, a table of its fields, or ``(low, high)`` of the name."""
_EVENT = re.compile(r"(.+\))\s*([<>])\s*([-+.\w]+)\s*")

_MOMENT = re.compile(r"([^\s()<>]+)\s*([<>])\s*([-+.\w]+)\s*")


@dataclass(frozen=True)
class Event:
    """That a number of a run is beyond a bound.

    Attributes:
        measure: A reduction.
        above: The bound.
        below: Whether it is there where the number is below it instead.
    """

    measure: str
    above: float
    below: bool = False

    @classmethod
    def parse(cls, text: str, reduced: bool = True) -> Event:
        """Read ``last(lending.bank.loss) > 1e5``.

        Args:
            text: As above; of a measure over time ``lending.bank.loss > 1e5``.
            reduced: Whether it is of a reduction.

        Raises:
            ScenarioError: If it is none.
        """
        found = (_EVENT if reduced else _MOMENT).fullmatch(text.strip())
        try:
            if found:
                return cls(found[1], float(found[3]), found[2] == "<")
        except ValueError:
            pass
        example = "last(lending.bank.loss) > 1e5" if reduced else "lending.bank.loss > 1e5"
        raise ScenarioError([("event", f"{text!r} is none; write it as {example}")])

    def happened(self, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether it did, by run."""
        x = np.asarray(values, np.float64)
        return x < self.above if self.below else x > self.above

    def __str__(self) -> str:
        return f"{self.measure} {'<' if self.below else '>'} {self.above:g}"


def loaded(scenario: Scenario | str | Path) -> Scenario:
    """A scenario, by its name or from its file, or as it is."""
    return scenario if isinstance(scenario, Scenario) else Scenario.load(scenario)


def ranges(given: Given) -> dict[str, Parameter]:
    """Parameters with a range, by name.

    Args:
        given: A `Parameter`, a table of its fields, or ``(low, high)``, of which the name is the
            dotted path.

    Raises:
        ScenarioError: If there is none, or one has no range.
    """
    found = {}
    for name, what in given.items():
        if isinstance(what, tuple | list) and len(what) == 2:
            what = {"path": name, "low": what[0], "high": what[1]}
        try:
            parameter = what if isinstance(what, Parameter) else Parameter.model_validate(what)
        except ValidationError as error:
            told = [(f"parameters.{name}.{at}", text) for at, text in problems_of(error, Parameter)]
            raise ScenarioError(told) from None
        if not parameter.is_range:
            raise ScenarioError([(f"parameters.{name}", "has no range; give low and high")])
        found[name] = parameter
    if not found:
        raise ScenarioError([("parameters", "there are none; say what is varied")])
    return found


def to_unit(parameter: Parameter, values: npt.ArrayLike) -> Floats:
    """Places in the range of a parameter: 0 at its low end, 1 at its high one."""
    low, high = float(parameter.low or 0.0), float(parameter.high or 0.0)
    x = np.asarray(values, np.float64)
    if parameter.scale == "log":
        return np.log(x / low) / np.log(high / low)
    return (x - low) / (high - low)


def of_unit(parameter: Parameter, places: npt.ArrayLike) -> Floats:
    """Values at places in the range of a parameter."""
    low, high = float(parameter.low or 0.0), float(parameter.high or 0.0)
    u = np.asarray(places, np.float64)
    if parameter.scale == "log":
        return low * (high / low) ** u
    return low + (high - low) * u


# Wide: what is run, where, and what is kept.
def evaluate(
    setup: Scenario,
    parameters: Mapping[str, Parameter],
    points: Sequence[Mapping[str, float]],
    keep: Keep,
    plan: Plan,
    seeds: Sequence[int] | None = None,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
) -> pd.DataFrame:
    """Run a scenario at points of its parameters, on common seeds.

    Args:
        setup: The scenario.
        parameters: What is varied; none: the scenario as it is.
        points: Values of all of them, by name.
        keep: Numbers of each run; "-" before a reduction turns its sign.
        plan: Seeds, folder, workers.
        seeds: In place of the plan's.
        variants: Further runs at each point, with values by dotted path; those of "base" are made
            without.

    Returns:
        A row for each run: ``point`` (place in points), ``variant``, ``seed``, the parameters, and
        what is kept.

    Raises:
        ScenarioError: If something is not there, or a run has failed.
    """
    names = {f"v{n}": name for n, name in enumerate(variants or {})}
    study = _study(setup, parameters, points, keep, plan, seeds, variants or {})
    with folder_of(plan.out, study) as out:
        frame = _swept(study, out, plan, [*names.values()])
    found = frame[["point", "variant", "seed"]].copy()
    found["variant"] = found["variant"].replace(names)
    for n, name in enumerate(parameters):
        found[name] = frame[f"p{n}"].astype(float)
    for n, (name, what) in enumerate(keep.items()):
        found[name] = frame[f"k{n}"] * signed(what)[0]
    return found.sort_values(["point", "variant", "seed"], ignore_index=True)


def settings_at(
    setup: Scenario, parameters: Mapping[str, Parameter], points: Sequence[Mapping[str, float]]
) -> list[Scenario]:
    """The scenario at each point, as `evaluate` runs it, with all its measures.

    Raises:
        ScenarioError: If a path is not there, or a value makes no sense.
    """
    study = _study(setup, parameters, points, {"block": "last(gas.mean)"}, Plan(), [1], {})
    found = Overrides(study)
    rows = [{f"p{n}": _taken(setup, parameters[name], float(point[name]))
             for n, name in enumerate(parameters)} for point in points]  # fmt: skip
    return [setup.override(found.at(row, BASE)) for row in rows]


# Wide: as `evaluate`.
def _study(
    setup: Scenario,
    parameters: Mapping[str, Parameter],
    points: Sequence[Mapping[str, float]],
    keep: Keep,
    plan: Plan,
    seeds: Sequence[int] | None,
    variants: Mapping[str, Mapping[str, Any]],
) -> Study:
    """The study that makes these runs."""
    if not keep:
        raise ScenarioError([("keep", "there is nothing to keep; name a reduction of a measure")])
    if twice := sorted({"point", "variant", "seed", *parameters} & {*keep}):
        raise ScenarioError([(f"keep.{twice[0]}", "is a column already; take another name")])
    if seeds is None and not isinstance(plan.seeds, int):
        seeds = plan.numbers
    content: dict[str, Any] = {
        "name": "contagion", "scenario": setup.to_dict(),
        "seeds": plan.seeds if seeds is None else [int(seed) for seed in seeds],
        "variants": {f"v{n}": dict(changes) for n, changes in enumerate(variants.values())},
        "keep": {f"k{n}": signed(what)[1] for n, what in enumerate(keep.values())},
    }  # fmt: skip
    if plan.blocks is not None:
        content["set"] = {"blocks": plan.blocks}
    if parameters:
        content["design"] = {"method": "list"}
        content["parameters"] = {
            f"p{n}": {
                "path": parameter.path,
                "multiply": parameter.multiply,
                "values": [_taken(setup, parameter, float(point[name])) for point in points],
            }
            for n, (name, parameter) in enumerate(parameters.items())
        }
    return Study.from_dict(content)


def _swept(study: Study, out: Path, plan: Plan, names: Sequence[str]) -> pd.DataFrame:
    """All runs of a study.

    Raises:
        ScenarioError: If one has failed.
    """
    called = {f"v{n}": name for n, name in enumerate(names)}

    def where(row: pd.Series) -> str:
        return f"point {row['point']}, {called.get(row['variant'], BASE)}, seed {row['seed']}"

    return plan.sweep(study, out, where, retry_failed=True)


def cube(frame: pd.DataFrame, column: str, variant: str = BASE) -> Floats:
    """What was kept, float64[points, seeds], of what `evaluate` returns."""
    rows = frame[frame["variant"] == variant]
    wide = rows.pivot_table(index="point", columns="seed", values=column, dropna=False)
    return wide.to_numpy(np.float64)


def _taken(setup: Scenario, parameter: Parameter, value: float) -> float | int:
    """A value as the fields take it: whole where all of them hold whole numbers."""
    content, old = setup.to_dict(), []
    for pattern in parameter.path:
        for path in paths.matches(content, pattern):
            try:
                old.append(paths.get(content, path))
            except KeyError:
                old.append(None)  # it has no value yet
    whole = [isinstance(v, int) and not isinstance(v, bool) for v in old]
    return round(value) if old and all(whole) and not parameter.multiply else value


def evaluate_over_time(
    setup: Scenario,
    measures: Sequence[str],
    plan: Plan,
    variants: Mapping[str, Mapping[str, Any]],
) -> tuple[Floats, list[Floats]]:
    """Run a scenario and its variants, and keep the course of measures.

    Args:
        setup: The scenario.
        measures: Names; with * or ?, the sum of all that one stands for.
        plan: Seeds, folder, workers.
        variants: Further runs, with values by dotted path.

    Returns:
        (blocks of the rows, float64[rows]; of each measure, float64[runs, rows], runs in the order
        of variant and seed).

    Raises:
        ScenarioError: If a measure is not there, or a run has failed.
    """
    keep = {"length": f"last({measures[0]})"}
    study = _study(setup, {}, [], keep, plan, None, variants)
    study = Study.from_dict(study.model_dump(exclude_unset=True) | {
        "series": {"measures": sorted(set(measures)), "every": setup.measures.every}
    })  # fmt: skip
    with folder_of(plan.out, study) as out:
        _swept(study, out, plan, [*variants])
        frame = read_series(out).sort_values(["variant", "seed", "block"])
    names = [str(c) for c in frame if c not in ("run", "point", "variant", "seed", "block")]
    runs = frame.groupby(["variant", "seed"], sort=True).ngroups
    blocks = frame["block"].to_numpy(np.float64).reshape(runs, -1)[0]
    found = []
    for measure in measures:
        there = [c for c in names if fnmatchcase(c, measure)]
        if not there:
            raise ScenarioError(
                [("measures", f"{measure!r} is none; {did_you_mean(measure, names)}")]
            )
        total = frame[there].sum(axis=1, skipna=False).to_numpy(np.float64)
        found.append(total.reshape(runs, -1))
    return blocks, found
