"""Points of a study: which values its parameters take together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import qmc

from runs import paths
from runs.study.study import MOST_POINTS, Parameter, Study
from sim.errors import ScenarioError

Array = npt.NDArray[np.float64]


def values_of(parameter: Parameter) -> list[Any]:
    """Values of a parameter in a grid or a list: numbers, texts, or names of levels."""
    if parameter.values is not None:
        return list(parameter.values)
    if parameter.levels is not None:
        return list(parameter.levels)
    low, high = float(parameter.low or 0.0), float(parameter.high or 0.0)
    steps = parameter.steps or 0
    if parameter.scale == "log":
        return [float(v) for v in np.geomspace(low, high, steps)]
    return [float(v) for v in np.linspace(low, high, steps)]


def from_unit(parameter: Parameter, unit: Array) -> list[Any]:
    """Values of a parameter at places in [0, 1), as a sample gives them."""
    if not parameter.is_range:
        values = values_of(parameter)
        return [values[min(int(u * len(values)), len(values) - 1)] for u in unit]
    low, high = float(parameter.low or 0.0), float(parameter.high or 0.0)
    if parameter.scale == "log":
        return [float(v) for v in low * (high / low) ** unit]
    return [float(v) for v in low + (high - low) * unit]


def sobol_problem(study: Study) -> dict[str, Any]:
    """The study's parameters on the unit cube, as SALib takes them."""
    names = list(study.parameters)
    return {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}


def unit_points(study: Study) -> Array:
    """Points of a sampled design on the unit cube, float64[points, parameters].

    Latin hypercube: McKay, Beckman, Conover (1979). Sobol: scrambled (Owen 1998),
    with Saltelli's (2010) extension where indices are wanted.

    Raises:
        ScenarioError: If what it needs is not installed.
    """
    design, size = study.design, len(study.parameters)
    count = design.points or 0
    rng = np.random.Generator(np.random.Philox(design.rng))
    if design.method == "random":
        return rng.random((count, size))
    if design.method == "latin_hypercube":
        return qmc.LatinHypercube(size, rng=rng).random(count)
    if not design.indices:
        return qmc.Sobol(size, rng=rng).random(count)
    try:
        from SALib.sample import sobol
    except ImportError:
        text = "needs SALib; pip install 'undertow[study]', or set indices = false"
        raise ScenarioError([("design.indices", text)]) from None
    sample = sobol.sample(sobol_problem(study), count, calc_second_order=False, seed=design.rng)
    return np.asarray(sample, dtype=np.float64)


def points(study: Study) -> list[dict[str, Any]]:
    """All points of a study, in order: the value of each parameter by name.

    Raises:
        ScenarioError: If they cannot be laid out.
    """
    names = list(study.parameters)
    if not names:
        return [{}]
    if study.design.method in ("grid", "list"):
        for name, parameter in study.parameters.items():
            if parameter.is_range and parameter.steps is None:
                text = f"is missing; a {study.design.method} takes so many values of the range"
                raise ScenarioError([(f"parameters.{name}.steps", text)])
        columns = [values_of(p) for p in study.parameters.values()]
        if study.design.method == "grid":
            count = math.prod(map(len, columns))
            if count > MOST_POINTS:
                text = f"make {count:,} points; take values out, {MOST_POINTS:,} at most"
                raise ScenarioError([("parameters", text)])
            return [dict(zip(names, row, strict=True)) for row in itertools.product(*columns)]
        longest = max(map(len, columns))
        for name, column in zip(names, columns, strict=True):
            if len(column) not in (1, longest):
                text = f"has {len(column)} values where another has {longest}; a list pairs them"
                raise ScenarioError([(f"parameters.{name}.values", text)])
        columns = [c * longest if len(c) == 1 else c for c in columns]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    unit = unit_points(study)
    columns = [from_unit(p, unit[:, i]) for i, p in enumerate(study.parameters.values())]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


class Overrides:
    """Turns points and variants into values by dotted path."""

    def __init__(self, study: Study) -> None:
        """Find what the study's paths stand for in its scenario.

        Raises:
            ScenarioError: If a path stands for nothing.
        """
        self.study = study
        content = study.base.to_dict()
        self._takes: dict[str, list[tuple[str, Any]]] = {}
        for name, parameter in study.parameters.items():
            takes: list[tuple[str, Any]] = []
            for pattern in parameter.path:
                field = f"parameters.{name}.path"
                takes += [(p, _old(content, p)) for p in _there(content, pattern, field)]
            self._takes[name] = takes
        self._factors = {
            name: [
                (path, _number(content, path, f"parameters.{name}.multiply"))
                for pattern in parameter.multiply
                for path in _there(content, pattern, f"parameters.{name}.multiply")
            ]
            for name, parameter in study.parameters.items()
        }
        self._variants = {
            name: paths.expand(study.base, changes, f"variants.{name}")
            for name, changes in study.variants.items()
        }

    def at(self, point: Mapping[str, Any], variant: str) -> dict[str, Any]:
        """Values by dotted path at a point in a variant."""
        found: dict[str, Any] = {}
        for name, value in point.items():
            parameter = self.study.parameters[name]
            if parameter.levels is not None:
                value = parameter.levels[value]
            for path, old in self._takes[name]:
                found[path] = _like(old, value) if parameter.is_range else value
            for path, old in self._factors[name]:
                found[path] = _like(old, found.get(path, old) * value)
        return found | self._variants.get(variant, {})


def _there(content: Mapping[str, Any], pattern: str, field: str) -> Sequence[str]:
    found = paths.matches(content, pattern)
    if not found:
        raise ScenarioError([(field, f"{pattern} stands for no field of the scenario")])
    return found


def _old(content: Mapping[str, Any], path: str) -> Any:
    """What a field is now; None where it has no value yet, which setting it will tell."""
    try:
        return paths.get(content, path)
    except KeyError:
        return None


def _number(content: Mapping[str, Any], path: str, field: str) -> float | int:
    try:
        value = paths.get(content, path)
    except KeyError as error:
        raise ScenarioError([(field, f"{path}: {error.args[0]}")]) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScenarioError([(field, f"{path} is {value!r}, not a number; it has no multiple")])
    return value


def _like(old: Any, value: Any) -> Any:
    """A number as the field takes it: whole where it was whole."""
    whole = isinstance(old, int) and not isinstance(old, bool) and isinstance(value, int | float)
    return round(value) if whole else value
