"""Where the results of studies lie: a Parquet dataset that survives being interrupted.

    OUT/runs/study=NAME/00000.parquet        a row per run
    OUT/series/study=NAME/00000.parquet      a row per run and collected block, where asked for
    OUT/scenarios/study=NAME/scenarios.parquet   a resolved scenario per point and variant
    OUT/studies/NAME/                        what the study is, its journal, log and report

A file of the dataset holds a chunk of runs and is written whole, once all of them
are there. Until then each run that ends is appended to the chunk's journal, so a
driver that is killed loses only what was being run. All files but the log depend on
nothing but the study and the versions that ran it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple, overload

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runs import paths
from runs.files import SUMMARY, made_by, must_be_writable, to_json, write_whole
from runs.results import Results
from runs.study.design import Overrides
from runs.study.expression import arithmetic
from runs.study.study import BASE, Study
from runs.study.worker import Outcome
from runs.summary import Summary
from sim import Market, Scenario, reading
from sim.errors import ScenarioError
from sim.named import enumerated

RUNS, SERIES, SCENARIOS, STUDIES = "runs", "series", "scenarios", "studies"
IDENTITY, JOURNAL, LOG, LOCK = "study.json", "journal", "log.jsonl", "lock"
DONE, FAILED = "done", "failed"
_HEAD = struct.Struct("<IIII")  # lengths of the row and of the series, their CRC-32, rows
_ROW_GROUP = 4096


class Run(NamedTuple):
    """A run as it is planned.

    Attributes:
        number: In the order of the plan.
        point: Number of the point.
        variant: Number of the variant.
        seed: Of the market.
    """

    number: int
    point: int
    variant: int
    seed: int


class Runs(Sequence[Run]):
    """Runs of a round: points, then variants, then seeds; made when they are looked at."""

    def __init__(
        self,
        first: int,
        points: Sequence[int],
        variants: int,
        seeds: Sequence[int],
        window: range | None = None,
    ) -> None:
        """Runs numbered from `first`; `window` are the places of those meant, default all."""
        self.first, self.points, self.variants, self.seeds = first, points, variants, seeds
        self.window = window or range(len(points) * variants * len(seeds))

    def __len__(self) -> int:
        return len(self.window)

    @overload
    def __getitem__(self, at: int) -> Run: ...

    @overload
    def __getitem__(self, at: slice) -> Runs: ...

    def __getitem__(self, at: int | slice) -> Run | Runs:
        if isinstance(at, slice):
            part = self.window[at]
            return Runs(self.first, self.points, self.variants, self.seeds, part)
        return self._of(self.window[at])

    def __iter__(self) -> Iterator[Run]:
        return map(self._of, self.window)

    def _of(self, place: int) -> Run:
        rest, seed = divmod(place, len(self.seeds))
        point, variant = divmod(rest, self.variants)
        return Run(self.first + place, self.points[point], variant, self.seeds[seed])


@dataclass
class Chunk:
    """The runs of one file of results."""

    number: int
    runs: Sequence[Run]

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.number:05d}"

    @property
    def plan(self) -> str:
        """Hash of which runs it holds."""
        text = ";".join(f"{r.number},{r.point},{r.variant},{r.seed}" for r in self.runs)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class LockedError(RuntimeError):
    """Somebody else is at work in the folder."""


class Store:
    """The results of one study in a folder."""

    def __init__(self, out: Path, study: Study, points: Sequence[Mapping[str, Any]]) -> None:
        """Results of a study with these points; nothing is read or written yet."""
        self.out, self.study, self.points = out, study, points
        self.home = out / STUDIES / study.name
        self.runs = out / RUNS / f"study={study.name}"
        self.series = out / SERIES / f"study={study.name}"
        self.scenarios = out / SCENARIOS / f"study={study.name}"
        self._journals: dict[int, IO[bytes]] = {}
        self._lock: IO[str] | None = None
        self.series_names: list[str] = []
        metadata = {
            "undertow": json.dumps({"study": study.name, "made_by": made_by()}, sort_keys=True)
        }
        self._metadata = metadata

    # Opening

    def check(self, any_version: bool = False) -> bool:
        """Find out whether the folder is for this study, without writing.

        Args:
            any_version: Go on with results that other versions made.

        Returns:
            Whether there are results already.

        Raises:
            ScenarioError: If it holds results of something else, or cannot be written.
        """
        must_be_writable(self.out)
        if self.home.is_dir():
            must_be_writable(self.home)
        file = self.home / IDENTITY
        if not file.is_file():
            return False
        known = _identity(file)
        mine = self.study.identity()
        changed = [where for where in _differences(known["study"], mine) if where != "name"]
        if changed:
            text = (
                f"{self.out} holds another study of that name, which differs in "
                f"{', '.join(changed[:3])}; give another folder or name"
            )
            raise ScenarioError([("--out", text)])
        versions = _differences(known["made_by"], made_by())
        if versions and not any_version:
            text = (
                f"{self.out} was made by another {', '.join(versions)}; its bits may differ: give "
                "another folder, or go on all the same with --any-version"
            )
            raise ScenarioError([("--out", text)])
        return True

    def open(self) -> None:
        """Take the folder for this process, and say what the study is.

        Raises:
            LockedError: If another process has it.
            OSError: If it cannot be written.
        """
        for folder in (self.home / JOURNAL, self.runs, self.scenarios):
            folder.mkdir(parents=True, exist_ok=True)
        if self.study.series is not None:
            self.series.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        for folder in (self.home, self.home / JOURNAL, self.runs, self.series, self.scenarios):
            for left in folder.glob(".*.*"):  # what a killed driver was writing
                left.unlink(missing_ok=True)
        file = self.home / IDENTITY
        first = _identity(file)["made_by"] if file.is_file() else {}
        content = {
            "study": self.study.identity(),
            "shown": self.study.presentation(),  # which may change from session to session
            "made_by": first or made_by(),
        }
        write_whole(file, lambda beside: beside.write_text(to_json(content), encoding="utf-8"))

    def _take_lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: an open file is not locked, and two drivers not told apart
            return
        lock = (self.home / LOCK).open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            who = lock.read().strip() or "another process"
            lock.close()
            raise LockedError(f"{self.out}: {who} is at work on {self.study.name} there") from None
        lock.seek(0)
        lock.truncate()
        lock.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        lock.flush()
        self._lock = lock

    def close(self) -> None:
        """Give the folder back."""
        for journal in self._journals.values():
            with suppress(OSError):
                journal.close()
        self._journals.clear()
        if self._lock is not None:
            (self.home / LOCK).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def log(self, event: str, **what: Any) -> None:
        """Add a line to the log; a log that cannot be written stops nothing."""
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **what}
        with suppress(OSError), (self.home / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    # Scenarios

    @contextmanager
    def checked_scenarios(self, overrides: Overrides) -> Iterator[Callable[[], None]]:
        """Resolve the scenario of each point and variant, which checks them all.

        They are written elsewhere first, so that nothing is left where one is wrong.

        Yields:
            A function that puts them in their place.

        Raises:
            ScenarioError: If one cannot be run; the point is named.
            OSError: If they cannot be written.
        """
        file = self.scenarios / "scenarios.parquet"
        if file.is_file() and _rows_in(file) == len(self.points) * len(self.study.variant_names):
            yield lambda: None
            return
        schema = pa.schema(
            [("point", pa.int32()), ("variant", pa.string()), ("scenario", pa.string())],
            metadata=self._metadata,
        )
        with tempfile.TemporaryDirectory(prefix="undertow-") as folder:
            first = Path(folder) / file.name
            with pq.ParquetWriter(first, schema, compression="zstd") as writer:
                for rows in self._resolved(overrides):
                    writer.write_table(pa.Table.from_pylist(rows, schema))
            yield lambda: write_whole(file, lambda beside: shutil.copyfile(first, beside))

    def _resolved(self, overrides: Overrides) -> Iterator[list[dict[str, Any]]]:
        rows = []
        for number, point in enumerate(self.points):
            for variant in self.study.variant_names:
                setup = resolved(self.study, overrides, point, variant)
                row = {"point": number, "variant": variant, "scenario": paths.to_json(setup)}
                rows.append(row)
            if len(rows) >= _ROW_GROUP:
                yield rows
                rows = []
        if rows:
            yield rows

    # Runs

    def rows(self, chunk: Chunk) -> dict[int, Outcome] | None:
        """Outcomes of a chunk that is whole; None if it is not there.

        Raises:
            OSError: If it is there but cannot be read.
        """
        file = self.runs / f"{chunk.name}.parquet"
        if not file.is_file():
            return None
        try:
            table = pq.read_table(file, partitioning=None)
        except (pa.ArrowInvalid, OSError):
            self.log("unreadable", file=str(file))
            return None
        plan = json.loads((table.schema.metadata or {}).get(b"undertow", b"{}")).get("plan")
        if plan != chunk.plan:
            self.log("replanned", file=str(file))
            return None
        columns = [table[name].to_numpy() for name in self.study.keep]
        errors = table["error"].to_pylist()
        return {
            int(number): Outcome(int(number), [float(c[i]) for c in columns], errors[i] or "")
            for i, number in enumerate(table["run"].to_pylist())
        }

    def journaled(self, chunk: Chunk) -> dict[int, Outcome]:
        """Outcomes that a chunk's journal holds; a torn end is cut off."""
        file = self._journal(chunk.number)
        found: dict[int, Outcome] = {}
        if not file.is_file():
            return found
        data = file.read_bytes()
        at = 0
        while at + _HEAD.size <= len(data):
            row_length, series_length, check, rows = _HEAD.unpack_from(data, at)
            end = at + _HEAD.size + row_length + series_length
            body = data[at + _HEAD.size : end]
            if end > len(data) or zlib.crc32(body) != check:
                break
            at = end
            row = json.loads(body[:row_length])
            series = None
            if series_length:
                series = np.frombuffer(body[row_length:], "<f8").reshape(rows, -1)
            found[row["run"]] = Outcome(row["run"], row["values"], row["error"], series=series)
        if at < len(data):
            os.truncate(file, at)
        mine = {r.number for r in chunk.runs}
        return {number: outcome for number, outcome in found.items() if number in mine}

    def note(self, chunk: Chunk, outcomes: Iterable[Outcome]) -> None:
        """Add outcomes to a chunk's journal.

        Raises:
            OSError: If it cannot be written.
        """
        journal = self._journals.get(chunk.number)
        if journal is None:
            journal = self._journal(chunk.number).open("ab")
            self._journals[chunk.number] = journal
        for outcome in outcomes:
            row = {"run": outcome.run, "values": outcome.values, "error": outcome.error}
            text = json.dumps(row, separators=(",", ":")).encode()
            series, count = b"", 0
            if outcome.series is not None:
                series, count = outcome.series.astype("<f8").tobytes(), len(outcome.series)
            head = _HEAD.pack(len(text), len(series), zlib.crc32(text + series), count)
            journal.write(head + text + series)
        journal.flush()

    def finish(self, chunk: Chunk, outcomes: Mapping[int, Outcome]) -> None:
        """Write a chunk's files and forget its journal.

        Raises:
            OSError: If they cannot be written; the journal is kept then.
        """
        if self.study.series is not None:
            self._write_series(chunk, outcomes)
        content = json.loads(self._metadata["undertow"]) | {"plan": chunk.plan}
        metadata = {"undertow": json.dumps(content, sort_keys=True)}
        table = self.table(chunk, outcomes).replace_schema_metadata(metadata)
        file = self.runs / f"{chunk.name}.parquet"
        write_whole(file, lambda beside: pq.write_table(table, beside, compression="zstd"))
        journal = self._journals.pop(chunk.number, None)
        if journal is not None:
            journal.close()
        self._journal(chunk.number).unlink(missing_ok=True)

    def table(self, chunk: Chunk, outcomes: Mapping[int, Outcome]) -> pa.Table:
        """A chunk as a table: run, point, variant, seed, parameters, what is kept, status."""
        runs = chunk.runs
        names = self.study.variant_names
        columns: dict[str, pa.Array] = {
            "run": pa.array([r.number for r in runs], pa.int64()),
            "point": pa.array([r.point for r in runs], pa.int32()),
            "variant": pa.array([names[r.variant] for r in runs], pa.string()),
            "seed": pa.array([r.seed for r in runs], pa.int64()),
        }
        for name, kind in self.parameter_types.items():
            values = [self.points[r.point][name] for r in runs]
            if kind == pa.string():
                values = [str(v) for v in values]
            elif kind == pa.float64():
                values = [float(v) for v in values]  # Arrow refuses what it would round
            columns[name] = pa.array(values, kind)
        kept = np.array([outcomes[r.number].values for r in runs], dtype=np.float64)
        for i, name in enumerate(self.study.keep):
            columns[name] = pa.array(kept[:, i], pa.float64())
        errors = [outcomes[r.number].error for r in runs]
        columns["status"] = pa.array([FAILED if e else DONE for e in errors], pa.string())
        columns["error"] = pa.array([e or None for e in errors], pa.string())
        return pa.table(columns)

    @property
    def parameter_types(self) -> dict[str, pa.DataType]:
        """Type of each parameter's column: numbers, truths, or else texts."""
        found: dict[str, pa.DataType] = {}
        for name in self.study.parameters:
            values = [point[name] for point in self.points]
            if all(isinstance(v, bool) for v in values):
                found[name] = pa.bool_()
            elif all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
                found[name] = pa.float64()
            else:
                found[name] = pa.string()
        return found

    def _write_series(self, chunk: Chunk, outcomes: Mapping[int, Outcome]) -> None:
        names = self.study.variant_names
        kept = [(r, outcomes[r.number].series) for r in chunk.runs]
        there = [(r, s) for r, s in kept if s is not None and len(s)]
        lengths = [len(s) for _, s in there]
        values = np.concatenate([s for _, s in there]) if there else None

        def repeated(numbers: list[int], kind: pa.DataType) -> pa.Array:
            return pa.array(np.repeat(np.array(numbers, dtype=np.int64), lengths), pa.int64()).cast(
                kind
            )

        variants = pa.DictionaryArray.from_arrays(
            repeated([r.variant for r, _ in there], pa.int32()), pa.array(names, pa.string())
        )
        columns: dict[str, pa.Array] = {
            "run": repeated([r.number for r, _ in there], pa.int64()),
            "point": repeated([r.point for r, _ in there], pa.int32()),
            "variant": variants.cast(pa.string()),
            "seed": repeated([r.seed for r, _ in there], pa.int64()),
            "block": pa.array(
                values[:, 0].astype(np.int64) if values is not None else [], pa.int64()
            ),
        }
        for i, name in enumerate(self.series_names, start=1):
            columns[name] = pa.array(values[:, i] if values is not None else [], pa.float64())
        table = pa.table(columns).replace_schema_metadata(self._metadata)
        file = self.series / f"{chunk.name}.parquet"
        write_whole(file, lambda beside: pq.write_table(table, beside, compression="zstd"))

    def drop_after(self, chunks: int) -> None:
        """Forget files of chunks that the plan no longer has."""
        for folder in (self.runs, self.series):
            for file in folder.glob("*.parquet"):
                if int(file.stem) >= chunks:
                    file.unlink()
        for file in (self.home / JOURNAL).glob("*"):
            if int(file.name) >= chunks:
                file.unlink()

    def _journal(self, number: int) -> Path:
        return self.home / JOURNAL / f"{number:05d}"


def resolved(
    study: Study, overrides: Overrides, point: Mapping[str, Any], variant: str
) -> Scenario:
    """The scenario of a point in a variant.

    Raises:
        ScenarioError: If it cannot be run; it names the point.
    """
    values = overrides.at(point, variant)
    with errors_at(point, variant):
        return study.base.override(values) if values else study.base


@contextmanager
def errors_at(point: Mapping[str, Any], variant: str) -> Iterator[None]:
    """Let errors of a scenario name the point and the variant that they are of."""
    try:
        yield
    except ScenarioError as error:
        where = ", ".join(f"{k} = {v}" for k, v in point.items())
        where = f" (at {where})" if where else ""
        where += f" (in variant {variant})" if variant != BASE else ""
        raise ScenarioError([(f, text + where) for f, text in error.problems]) from None


def read_made_by(folder: Path, study: str) -> dict[str, str]:
    """Versions with which a study's runs were begun, and the hash of the market's sources."""
    found: dict[str, str] = _identity(folder / STUDIES / study / IDENTITY)["made_by"]
    return found


def _identity(file: Path) -> dict[str, Any]:
    """What a file says of the study whose results lie beside it.

    Raises:
        ScenarioError: If it does not.
    """
    try:
        content = reading.json_value(reading.read_text(file))
    except reading.UnreadableError as error:
        raise ScenarioError([(str(file), f"{error}; give another folder")]) from None
    wanted = ("study", "made_by")
    if not isinstance(content, dict) or not all(isinstance(content.get(k), dict) for k in wanted):
        text = "does not say what the study is; give another folder"
        raise ScenarioError([(str(file), text)])
    return content


def _rows_in(file: Path) -> int:
    """Rows of a table; -1 where it cannot be read."""
    try:
        # All of it: the end of a file tells how long it was meant to be, not what is in it.
        return int(pq.read_table(file, partitioning=None).num_rows)
    except (pa.ArrowException, OSError, ValueError):
        return -1


def _table(file: Path, **what: Any) -> pa.Table:
    """A table of results.

    Raises:
        ScenarioError: If it cannot be read.
    """
    try:
        return pq.read_table(file, partitioning=None, **what)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        text = (
            f"cannot be read ({(str(error).splitlines() or [''])[0]}); sweep again, which mends it"
        )
        raise ScenarioError([(str(file), text)]) from None


def _differences(known: Any, now: Any, where: str = "") -> list[str]:
    """Dotted paths at which two tables differ."""
    if isinstance(known, dict) and isinstance(now, dict):
        found = []
        for key in [*known, *(k for k in now if k not in known)]:
            path = f"{where}.{key}" if where else key
            found += _differences(known.get(key), now.get(key), path)
        return found
    return [] if known == now else [where]


# Reading back


def studies_in(out: str | Path) -> list[str]:
    """Names of the studies whose results lie in a folder."""
    try:
        return sorted(f.parent.name for f in (Path(out) / STUDIES).glob(f"*/{IDENTITY}"))
    except (OSError, ValueError):  # no folder has such a name
        return []


def _the_study(out: Path, study: str | None) -> str:
    there = studies_in(out)
    if study is None and len(there) == 1:
        return there[0]
    if study not in there:
        text = "holds no results of a study" if not there else f"holds {', '.join(there)}"
        raise ScenarioError([(str(out), f"{text}; {'name one' if there else 'give its folder'}")])
    return study


def read_definition(out: str | Path, study: str | None = None) -> Study:
    """The study whose results lie in a folder, as far as it is needed to show them.

    Args:
        out: Folder of a sweep.
        study: Name of the study; may be left out where there is one.

    Raises:
        ScenarioError: If there is none, or another version wrote it.
    """
    name = _the_study(Path(out), study)
    path = Path(out) / STUDIES / name / IDENTITY
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Study.from_identity(content["study"], content["shown"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, ScenarioError):
            raise
        text = "is damaged, or another version of undertow wrote it; sweep into a new folder"
        raise ScenarioError([(str(path), f"{text} ({error!r})")]) from error


def read_study(out: str | Path, study: str | None = None) -> pd.DataFrame:
    """All runs of a study so far: parameters, seeds, variants and kept values.

    Args:
        out: Folder of a sweep.
        study: Name of the study; may be left out where there is one.

    Returns:
        A row per run in the order of the plan: run, point, variant, seed, a column per
        parameter, per kept and derived number, then status ("done", "failed") and error.

    Raises:
        ScenarioError: If there are none.
    """
    out = Path(out)
    name = _the_study(out, study)
    files = sorted((out / RUNS / f"study={name}").glob("*.parquet"))
    if not files:
        raise ScenarioError([(str(out), f"has no finished chunk of {name} yet; go on sweeping")])
    table = pa.concat_tables([_table(f) for f in files])
    frame = table.replace_schema_metadata(None).to_pandas()
    identity = _identity(out / STUDIES / name / IDENTITY)["study"]
    return with_derived(frame, identity.get("derived", {}))


def with_derived(frame: pd.DataFrame, derived: Mapping[str, str]) -> pd.DataFrame:
    """Runs with derived columns, before the status.

    Raises:
        ScenarioError: If one cannot be computed.
    """
    for name, text in derived.items():
        try:
            values = frame.eval(arithmetic(text), engine="python")
        except Exception as error:  # pandas raises whatever its parser finds
            said = str(error).removeprefix("cannot be computed: ")
            raise ScenarioError([(f"derived.{name}", f"cannot be computed: {said}")]) from None
        frame.insert(
            list(frame.columns).index("status"), name, np.asarray(values, dtype=np.float64)
        )
    return frame


def read_series(
    out: str | Path,
    study: str | None = None,
    columns: Sequence[str] | None = None,
    point: int | None = None,
) -> pd.DataFrame:
    """Time series of a study's runs, if the study keeps them.

    Args:
        out: Folder of a sweep.
        study: Name of the study; may be left out where there is one.
        columns: Measures; default: all.
        point: Of this point only.

    Returns:
        A row per run and collected block: run, point, variant, seed, block, measures.

    Raises:
        ScenarioError: If there are none.
    """
    out = Path(out)
    name = _the_study(out, study)
    files = sorted((out / SERIES / f"study={name}").glob("*.parquet"))
    if not files:
        raise ScenarioError([(str(out), f"{name} keeps no series; give it a [series]")])
    wanted = None if columns is None else ["run", "point", "variant", "seed", "block", *columns]
    filters = None if point is None else pc.field("point") == point
    tables = [_table(f, columns=wanted, filters=filters) for f in files]
    return pa.concat_tables(tables).replace_schema_metadata(None).to_pandas()


def read_scenario(out: str | Path, run: int, study: str | None = None) -> Scenario:
    """The resolved scenario of a run, with its seed; `Market(...)` repeats the run.

    Args:
        out: Folder of a sweep.
        run: Number of the run.
        study: Name of the study; may be left out where there is one.

    Raises:
        ScenarioError: If there is no such run.
    """
    out = Path(out)
    name = _the_study(out, study)
    where = pc.field("run") == run
    for file in sorted((out / RUNS / f"study={name}").glob("*.parquet")):
        found = _table(file, columns=["point", "variant", "seed"], filters=where).to_pylist()
        if found:
            break
    else:
        raise ScenarioError([(f"run {run}", f"is not among the finished runs of {name}")])
    point, variant, seed = (found[0][k] for k in ("point", "variant", "seed"))
    here = (pc.field("point") == point) & (pc.field("variant") == variant)
    file = out / SCENARIOS / f"study={name}" / "scenarios.parquet"
    rows = _table(file, filters=here)["scenario"].to_pylist()
    try:
        content = reading.json_value(rows[0])
    except (reading.UnreadableError, IndexError):
        text = f"does not hold point {point}, variant {variant}; sweep again, which mends it"
        raise ScenarioError([(str(file), text)]) from None
    return Scenario.from_dict(content | {"rng": seed})


def read_results(folder: str | Path, run: int | None = None, study: str | None = None) -> Results:
    """Read the results of a run, or of one run of a sweep, from a folder.

    Args:
        folder: Where ``undertow run --out``, `Results.save` or the page left a run, or a sweep.
        run: Number of the run, of a sweep.
        study: Name of the study; may be left out where there is one.

    Raises:
        ScenarioError: If there are none, or no run is named where there are many.
    """
    folder = Path(folder)
    if run is not None:
        return _OfSweep(folder, run, _the_study(folder, study))
    if not reading.is_file(folder / SUMMARY) and (there := studies_in(folder)):
        text = f"holds a sweep ({', '.join(there)}); name one of its runs, as run=0"
        raise ScenarioError([(str(folder), text)])
    return Results.read(folder)


class _OfSweep(Results):
    """Results of a run of a sweep: what the study keeps."""

    def __init__(self, folder: Path, run: int, study: str) -> None:
        setup = read_scenario(folder, run, study)
        super().__init__(setup, setup.rng)
        self._folder, self._run, self._study = folder, run, study
        self._told: dict[str, str] | None = None

    def _lacks(self, what: str) -> ScenarioError:
        text = f"a sweep keeps no {what}; .market().run() makes the run again, and has all"
        return ScenarioError([(f"run {self._run} of {self._study}", text)])

    def _rows(self) -> pd.DataFrame:
        where = pc.field("run") == self._run
        files = sorted((self._folder / SERIES / f"study={self._study}").glob("*.parquet"))
        for file in files:
            found = _table(file, filters=where)
            if found.num_rows:
                frame = found.replace_schema_metadata(None).to_pandas()
                rows: pd.DataFrame = frame.drop(columns=["run", "point", "variant", "seed"])
                return rows
        raise self._lacks("rows of this study, which has no [series]")

    def _units(self) -> dict[str, str]:
        if self._told is None:  # a market of it knows them, and is open in a second
            setup = self.setup.override({"measures.keep": self.names()})
            self._told = Market(setup).datacollector.units
        return self._told

    def market(self) -> Market:
        """A market that makes the run again, to the bit, and keeps all measures and receipts."""
        keep = list(dict.fromkeys(["*", *self.setup.measures.keep]))
        everything = {"measures.keep": keep, "measures.receipts": "all"}
        return Market(self.setup.override(everything), rng=self.rng)

    @property
    def receipts(self) -> pd.DataFrame:
        raise self._lacks("receipts")

    @property
    def kept(self) -> dict[str, Any]:
        """The run's line of `read_study`: point, variant, parameters, and what was kept."""
        runs = read_study(self._folder, self._study)
        (row,) = runs[runs["run"] == self._run].to_dict("records")
        return {str(name): value for name, value in row.items()}

    @property
    def summary(self) -> Summary:
        raise self._lacks("summary; `kept` has its numbers")

    def save(self, folder: str | Path, report: bool = False) -> Path:
        raise self._lacks("files of single runs")

    def _outline(self) -> list[tuple[str, str]]:
        numbers = (f"{name} {value:.6g}" for name, value in self.kept.items() if _number(value))
        kept = ("kept", enumerated(numbers, 330))
        try:
            return [kept, *super()._outline()]
        except ScenarioError:  # no rows
            return [kept, ("seed", str(self.rng)), ("does", "kept, market")]


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
