"""Studies: many runs of one scenario, over parameters, variants and common seeds.

A study is a TOML file, or a Python file that makes a `Study` called ``study``. It
names a scenario, parameters by dotted path, seeds, and what is kept of each run;
all of it is checked before anything runs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import keyword
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from runs import paths
from runs.study.expression import arithmetic
from runs.study.reductions import Reduction
from runs.study.rule import Rule
from sim import Scenario, reading
from sim.compiled import cache_folder
from sim.distribution import Finite
from sim.errors import ScenarioError, did_you_mean, shown
from sim.named import enumerated, html_table, outlined
from sim.scenario import MOST_SEED, Line, Period, Text, problems_of

BASE = "base"
"""Name of the variant that changes nothing."""
_SHOWN = {"title", "description", "statistics", "report"}
RESERVED = frozenset({"study", "run", "point", "variant", "seed", "status", "error", "block"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SUFFIXES = (".toml", ".py")
MOST_POINTS = 1_000_000
"""Points, seeds, and values of a parameter: each a row that is laid out beforehand."""
LONGEST_NAME = 100
_Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
_Count = Annotated[int, Field(ge=1, le=MOST_POINTS)]


def _column(name: str) -> str:
    if not _COLUMN.fullmatch(name) or len(name) > LONGEST_NAME:
        raise ValueError(f"{shown(name)} is no name of a column; use letters, digits and _")
    if keyword.iskeyword(name):
        raise ValueError(f"{name!r} is a word of Python's; take another name")
    if name in RESERVED:
        raise ValueError(f"{name!r} has a meaning of its own in the results; take another name")
    return name


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _expression(text: str) -> str:
    arithmetic(text)  # which raises
    return text


Expression = Annotated[str, AfterValidator(_expression)]
ColumnName = Annotated[str, AfterValidator(_column)]
Paths = Annotated[list[str], BeforeValidator(_several)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Parameter(_Table):
    """A parameter of a study: a value for some fields, or a factor applied to them."""

    path: Paths = Field([], description="Dotted paths, with * and ?, that take the value.")
    multiply: Paths = Field(
        [], description="Dotted paths whose value in the scenario is multiplied by it."
    )
    values: list[Any] | None = Field(
        None, description="Values of the parameter.", min_length=1, max_length=MOST_POINTS
    )
    levels: dict[str, Any] | None = Field(
        None, description="Values with names, as for tables.", min_length=1, max_length=MOST_POINTS
    )
    low: Finite | None = Field(None, description="Lowest value of a range.")
    high: Finite | None = Field(None, description="Highest value of a range.")
    steps: Annotated[int, Field(ge=2, le=MOST_POINTS)] | None = Field(
        None, description="Number of values of a range, in a grid or a list."
    )
    scale: Literal["linear", "log"] = Field("linear", description="Scale of a range.")
    label: Line = Field("", description="Label in charts, with the unit.")

    @model_validator(mode="after")
    def _one_way(self) -> Parameter:
        if not (self.path or self.multiply):
            raise ValueError("names no field; give path, or multiply")
        ranged = self.low is not None and self.high is not None
        if (self.low is None) != (self.high is None):
            raise ValueError("needs both low and high")
        if sum((self.values is not None, self.levels is not None, ranged)) != 1:
            raise ValueError("give one of values, levels, and low with high")
        if ranged and not self.low < self.high:  # type: ignore[operator]
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        if ranged and self.scale == "log" and not self.low > 0.0:  # type: ignore[operator]
            raise ValueError("a log scale needs low above 0")
        if self.steps is not None and not ranged:
            raise ValueError("steps divide a range; give low and high, or take steps out")
        given = self.values if self.values is not None else [*(self.levels or {}).values()]
        if self.multiply and not all(_is_number(v) for v in given):
            raise ValueError("multiply needs numbers")
        if self.values is not None and not all(_is_scalar(v) for v in self.values):
            raise ValueError("values that are tables need names; give levels")
        return self

    @property
    def is_range(self) -> bool:
        """Whether it is a range of numbers."""
        return self.low is not None


class Design(_Table):
    """How points are chosen from the parameters."""

    method: Literal["grid", "list", "latin_hypercube", "sobol", "random"] = Field(
        "grid",
        description="grid: every combination; list: the values side by side; the others sample.",
    )
    points: _Count | None = Field(None, description="Number of points of a sample.")
    indices: bool = Field(
        True,
        description="sobol: add Saltelli's points, points x (parameters + 2) in all, from which "
        "the report reads sensitivity indices.",
    )
    rng: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(1, description="Seed of the sample.")

    @model_validator(mode="after")
    def _sampled(self) -> Design:
        sampled = self.method not in ("grid", "list")
        if sampled and self.points is None:
            raise ValueError(f"{self.method} needs points, a number")
        if not sampled and self.points is not None:
            raise ValueError(f"a {self.method} has as many points as its values; take points out")
        if self.method == "sobol" and self.points is not None and self.points & (self.points - 1):
            raise ValueError(f"sobol needs a power of two of points, not {self.points}")
        return self


class Seeds(_Table):
    """Seeds, common to all points and variants."""

    numbers: list[_Seed] | None = Field(
        None, description="Exactly these seeds; `seeds = [3, 5]`.", max_length=MOST_POINTS
    )
    first: Annotated[int, Field(ge=0, le=MOST_SEED // 2)] = Field(
        1, description="First seed; the others follow."
    )
    count: _Count = Field(20, description="Number of seeds in the first round.")
    step: _Count | None = Field(
        None,
        description="Seeds in each further round, where `until` asks for more; default: count.",
    )
    at_most: _Count | None = Field(
        None,
        description="Largest number of seeds, where `until` asks for more; default: 50 x count.",
    )


class Series(_Table):
    """Measures that are kept over time, for each run."""

    measures: list[Line] = Field(min_length=1, description="Names of measures, with * and ?.")
    every: Period = Field(1, description="Blocks between two rows.")


class StatisticsSettings(_Table):
    """How results are summarised."""

    level: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.95, description="Level of the intervals."
    )
    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = Field(
        2000, description="Number of bootstrap samples."
    )
    tail: Annotated[float, Field(gt=0.0, lt=0.5)] = Field(
        0.05, description="Share of runs that are the tail, for expected shortfall."
    )


class ReportSettings(_Table):
    """What the report shows."""

    measures: list[str] | None = Field(
        None, description="Measures to show, kept or derived; default: all."
    )
    labels: dict[str, Line] = Field({}, description="Labels of measures, with their unit.")
    contours: dict[str, list[Finite]] = Field(
        {}, description="Levels of a column drawn as contours on every phase map."
    )
    contours_of: str = Field(BASE, description="Variant from which that column is taken.")


class Study(_Table):
    """A study: many runs of one scenario over parameters, variants and seeds."""

    name: str = Field("", description="Name of its folder; default: that of the file.")
    title: Line = ""
    description: Text = ""
    scenario: Any = Field(
        description="Name, path relative to the study's file, or content with `extends`."
    )
    set: dict[str, Any] = Field({}, description="Values for all runs, by dotted path.")
    parameters: dict[ColumnName, Parameter] = {}
    design: Design = Design()
    variants: dict[str, dict[str, Any]] = Field(
        {}, description="Further runs at each point on the same seeds, with values by dotted path."
    )
    seeds: Seeds = Seeds()
    until: str | None = Field(
        None, description='When to stop adding seeds to a point: "ci(bad_debt) < 5%".'
    )
    keep: dict[ColumnName, Any] = Field(
        min_length=1, description='Numbers to keep of each run: "last(lending.bank.bad_debt)".'
    )
    derived: dict[ColumnName, Expression] = Field(
        {},
        description="Numbers computed from those on reading: arithmetic on columns, with exp, "
        "log, sqrt and so on.",
    )
    series: Series | None = None
    statistics: StatisticsSettings = StatisticsSettings()
    report: ReportSettings = ReportSettings()
    chunk: _Count = Field(256, description="Runs per file of results.")
    _source: str | None = PrivateAttr(None)  # text of its Python file
    _file: Path | None = PrivateAttr(None)  # where it was read from

    def __repr__(self) -> str:
        return f"Study({self.title or self.name!r})\n{outlined(self.outline(), 10)}"

    __str__ = __repr__

    def __rich_repr__(self) -> Iterator[str]:
        yield self.title or self.name

    def _repr_html_(self) -> str:
        """The same as a table, for notebooks."""
        return html_table(self.title or self.name, self.outline())

    def outline(self) -> list[tuple[str, str]]:
        """A short summary of the study as (label, text) pairs."""
        scenario = self.scenario if isinstance(self.scenario, str) else "given in it"
        many = self.seeds.numbers
        seeds = (
            f"{len(many)}" if many is not None else f"{self.seeds.count} from {self.seeds.first}"
        )
        told = [
            ("scenario", scenario),
            ("set", enumerated(f"{path} = {value!r}" for path, value in self.set.items())),
            ("parameters", enumerated(self.parameters)),
            ("design", self.design.method),
            ("variants", enumerated(self.variant_names, 330)),
            ("seeds", seeds + (f", more until {self.until}" if self.until else "")),
            ("keep", enumerated(self.keep, 330)),
            ("derived", enumerated(self.derived)),
            ("series", enumerated(self.series.measures) if self.series else ""),
        ]
        return [(what, text) for what, text in told if text]

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if name and not (_NAME.fullmatch(name) and len(name) <= LONGEST_NAME):
            raise ValueError(f"{shown(name)} cannot name a folder; use letters, digits, - and _")
        return name

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_of_seeds(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {"numbers": value}
        if not isinstance(value, dict | Seeds) and not _is_number(value):
            raise ValueError(f"give how many, a list, or a table, not {shown(value)}")
        return {"count": value} if _is_number(value) else value

    @field_validator("seeds")
    @classmethod
    def _different(cls, value: Seeds) -> Seeds:
        given = value.numbers
        if given is not None and (not given or len(set(given)) < len(given)):
            raise ValueError("give different seeds, at least one")
        return value

    @field_validator("scenario")
    @classmethod
    def _named_or_given(cls, value: Any) -> Any:
        if not isinstance(value, str | dict):
            raise ValueError(f"give the name or the path of one scenario, not {shown(value)}")
        return value

    @field_validator("variants")
    @classmethod
    def _other_names(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, changes in value.items():
            if name == BASE or not (_NAME.fullmatch(name) and len(name) <= LONGEST_NAME):
                raise ValueError(
                    f"{shown(name)} cannot name a variant; use letters, digits, - and _"
                )
            if not changes:
                raise ValueError(f"{name} changes nothing; give it values by dotted path")
        return value

    @field_validator("keep")
    @classmethod
    def _reductions(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, what in value.items():
            if isinstance(what, str):
                try:
                    Reduction.parse(what)
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
            elif not callable(what):
                raise ValueError(f"{name}: give a reduction, as in last(gas.mean), or a function")
        return value

    @model_validator(mode="after")
    def _agree(self) -> Study:
        columns = [*self.parameters, *self.keep, *self.derived]
        if twice := {c for c in columns if columns.count(c) > 1}:
            raise ValueError(f"two columns are called {sorted(twice)[0]!r}; rename one")
        if self.until is not None:
            rule = Rule.parse(self.until)
            for measure in rule.measures:
                if measure not in (*self.keep, *self.derived):
                    text = did_you_mean(measure, [*self.keep, *self.derived])
                    raise ValueError(f"until: {measure!r} is not kept; {text}")
            if self.seeds.numbers is not None:
                raise ValueError("until needs seeds that can go on; give {count = 20} or a number")
        known = [*self.keep, *self.derived]
        for measure in (*(self.report.measures or ()), *self.report.contours):
            if measure not in known:
                raise ValueError(f"report: {measure!r} is not kept; {did_you_mean(measure, known)}")
        if self.report.contours_of not in self.variant_names:
            text = did_you_mean(self.report.contours_of, self.variant_names)
            raise ValueError(f"report: no variant {self.report.contours_of!r}; {text}")
        if self.design.method not in ("grid", "list") and not self.parameters:
            raise ValueError(f"{self.design.method} needs parameters to sample")
        return self

    # Loading

    @staticmethod
    def names() -> list[str]:
        """Names of the studies shipped with the package."""
        return sorted(_shipped())

    @classmethod
    def load(cls, name_or_path: str | Path) -> Study:
        """Load a study by its name or from its file, TOML or Python.

        Raises:
            ScenarioError: If it cannot be run; it names the fields.
        """
        shipped = _shipped()
        path = shipped.get(str(name_or_path), Path(name_or_path))
        if not reading.is_file(path):
            known = did_you_mean(str(name_or_path), sorted(shipped))
            raise ScenarioError([(str(name_or_path), f"no such study; {known}, or give a file")])
        if path.suffix not in _SUFFIXES:
            raise ScenarioError([(path.name, "is neither .toml nor .py; give a study's file")])
        try:
            text = reading.read_text(path)
        except reading.UnreadableError as error:
            raise ScenarioError([(path.name, str(error))]) from None
        path = path.resolve()
        if path.suffix == ".py":
            return _of_module(load_module(text, path), path.name, text, path)
        try:
            content = reading.toml(text)
        except reading.UnreadableError as error:
            raise ScenarioError([(path.name, str(error))]) from None
        return cls.from_dict(content, path)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], file: Path | None = None) -> Study:
        """Build a study from the content of a file.

        Args:
            content: As in TOML.
            file: Where it came from: paths in it are relative to its folder.

        Raises:
            ScenarioError: If it makes no sense; it names the fields.
        """
        if problem := reading.senseless(content, "study"):
            raise ScenarioError([problem])
        content = dict(content)
        if file is not None:
            content.setdefault("name", file.stem)
        try:
            study = cls.model_validate(content)
        except ValidationError as error:
            raise ScenarioError(problems_of(error, cls)) from None
        study._file = file
        return study

    # What it says

    @property
    def source(self) -> str | None:
        """Text of its Python file, if it was read from one."""
        return self._source

    @property
    def file(self) -> Path | None:
        """Where it was read from."""
        return self._file

    @cached_property
    def base(self) -> Scenario:
        """The scenario with the study's own values set.

        Raises:
            ScenarioError: If it cannot be run.
        """
        folder = self._file.parent if self._file else Path()
        if isinstance(self.scenario, str):
            beside = folder / self.scenario
            named = self.scenario in Scenario.names() or not reading.is_file(beside)
            setup = Scenario.load(self.scenario if named else beside)
        else:
            setup = Scenario.from_dict(dict(self.scenario))
        return setup.override(self.kept_settings(setup) | paths.expand(setup, self.set, "set"))

    def kept_settings(self, setup: Scenario) -> dict[str, Any]:
        """The measures a run needs; all of them if a function is kept."""
        if self.functions:
            return {}
        wanted = [Reduction.parse(what).measure for what in self.keep.values()]
        wanted += self.series.measures if self.series else []
        return {"measures.keep": sorted(set(wanted)), "measures.receipts": "none"}

    @property
    def functions(self) -> dict[str, Callable[[Any], float]]:
        """Kept values computed by a function of the market."""
        return {name: what for name, what in self.keep.items() if callable(what)}

    @property
    def measures(self) -> list[str]:
        """Names of the numeric columns, kept and derived."""
        return [*self.keep, *self.derived]

    @property
    def variant_names(self) -> list[str]:
        """Names of the variants; the first is the unchanged base."""
        return [BASE, *self.variants]

    def seeds_of_round(self, number: int) -> list[int]:
        """Seeds of a round, numbered from 0; empty when there are no more."""
        s = self.seeds
        if s.numbers is not None:
            return s.numbers if number == 0 else []
        if number and self.until is None:
            return []
        step = s.step or s.count
        at_most = max(s.at_most or 50 * s.count, s.count)
        start = 0 if number == 0 else s.count + (number - 1) * step
        stop = min(s.count + number * step, at_most)
        return [s.first + i for i in range(start, stop)]

    def label(self, column: str) -> str:
        """Label of a column in charts."""
        if column in self.parameters and self.parameters[column].label:
            return self.parameters[column].label
        return self.report.labels.get(column, column.replace("_", " "))

    def identity(self) -> dict[str, Any]:
        """Everything that determines the results, as JSON-compatible data."""
        content = self.model_dump(exclude=_SHOWN)
        content["keep"] = {n: w if isinstance(w, str) else "python" for n, w in self.keep.items()}
        content["scenario"] = json.loads(paths.to_json(self.base))
        if self.until is not None:  # which then decide how many runs there are
            content["decided_by"] = self.statistics.model_dump()
        if self._source is not None:
            content["source"] = hashlib.sha256(self._source.encode()).hexdigest()
        return json.loads(json.dumps(content, default=str))

    def presentation(self) -> dict[str, Any]:
        """How the results are presented, as JSON-compatible data."""
        return self.model_dump(include=_SHOWN)

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any], shown: Mapping[str, Any]) -> Study:
        """Rebuild a study from `identity` and `presentation`; its functions cannot be called."""
        content = {k: v for k, v in identity.items() if k not in ("decided_by", "source")}
        keep = {n: _untold if w == "python" else w for n, w in content["keep"].items()}
        return cls.from_dict(content | {"keep": keep} | dict(shown))


def _untold(market: Any) -> float:
    """Stands for a function of a Python study where its file is not at hand."""
    raise NotImplementedError("this function is in the study's Python file")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, int | float | str | bool)


def _shipped() -> dict[str, Path]:
    folder = Path(__file__).parents[1] / "studies"
    return {f.stem: f for f in sorted(folder.glob("*")) if f.suffix in _SUFFIXES}


def _of_module(module: ModuleType, name: str, text: str, path: Path | None) -> Study:
    study = getattr(module, "study", None)
    if isinstance(study, Mapping):
        study = Study.from_dict(study, path)
    if not isinstance(study, Study):
        raise ScenarioError(
            [(name, "makes no study; end it with study = Study(scenario=..., ...)")]
        )
    named = study.model_copy(update={"name": study.name or Path(name).stem})
    named._source, named._file = text, path
    return named


_modules: dict[str, ModuleType] = {}


def load_module(text: str, path: Path | None) -> ModuleType:
    """Import the Python file of a study, here or where only its text has come to.

    Args:
        text: Its content.
        path: Where it lies, on the machine that read it.

    Raises:
        ScenarioError: If it raises.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    if digest in _modules:
        return _modules[digest]
    if path is None or not path.is_file() or path.read_text(encoding="utf-8") != text:
        # A worker elsewhere has the text alone; as a file its kernels can be cached.
        path = cache_folder() / f"study_{digest}.py"
        if not path.is_file():
            from runs.files import write_whole

            write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))
    name = f"undertow_study_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except ScenarioError:
        del sys.modules[name]
        raise
    except ValidationError as error:
        del sys.modules[name]
        raise ScenarioError(problems_of(error, Study)) from None
    except Exception as error:
        del sys.modules[name]
        text = f"raises {type(error).__name__}: {error}"
        raise ScenarioError([(path.name, text)]) from None
    _modules[digest] = module
    return module
