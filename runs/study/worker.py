"""What a worker does: some runs of a study, and what is kept of each.

Nothing here knows where it runs. A job arrives with the study as bytes, which are
read once; an error in a run is an outcome like any other.
"""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runs.files import made_by
from runs.study.reductions import Reduction
from runs.study.study import Study, load_module
from sim import Market, Scenario
from sim.measures import matching


@dataclass(frozen=True)
class Job:
    """Some runs at one point in one variant.

    Attributes:
        overrides: Values by dotted path.
        runs: Number and seed of each run.
    """

    overrides: Mapping[str, Any]
    runs: Sequence[tuple[int, int]]


@dataclass
class Outcome:
    """What is kept of a run.

    Attributes:
        run: Its number.
        values: A number per kept column; NaN if it failed.
        error: What it raised, "" if nothing.
        trace: Where.
        series: float64[rows, 1 + measures], the first column the block; None if none is kept.
    """

    run: int
    values: list[float]
    error: str = ""
    trace: str = ""
    series: npt.NDArray[np.float64] | None = None


@dataclass
class Report:
    """What a worker says after some jobs."""

    outcomes: list[Outcome]
    seconds: float
    worker: str
    made_by: dict[str, str]
    peak: int = 0
    """Most memory that the worker ever held, bytes; 0 where it cannot be known."""


@dataclass
class Payload:
    """A study as it travels to workers."""

    keep: dict[str, Any]
    base: Scenario
    series: tuple[tuple[str, ...], int] | None


def pack(study: Study) -> bytes:
    """A study as bytes for `work`.

    Raises:
        ValueError: If a function in it cannot travel.
    """
    series = (tuple(study.series.measures), study.series.every) if study.series else None
    keep, source = dict(study.keep), None
    if study.source is not None:
        # The file travels as text and is run there, so its functions need not.
        keep = {name: what if isinstance(what, str) else None for name, what in keep.items()}
        source = (study.source, str(study.file or ""))
    try:
        return pickle.dumps((source, pickle.dumps(Payload(keep, study.base, series))))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        text = f"a function in keep cannot travel to workers ({error}); put it in a study's file"
        raise ValueError(text) from None


@dataclass
class _Unpacked:
    payload: Payload
    reductions: list[tuple[str, Reduction | Callable[[Any], float]]]
    overrides: Mapping[str, Any] | None = None
    setup: Scenario | None = None
    places: dict[Any, Any] = field(default_factory=dict)

    def scenario(self, overrides: Mapping[str, Any]) -> Scenario:
        """The scenario of a job; the last one is kept, since seeds come one after another."""
        if self.setup is None or overrides != self.overrides:
            base = self.payload.base
            self.setup = base.override(overrides) if overrides else base
            self.overrides = overrides
        return self.setup


_unpacked: dict[str, _Unpacked] = {}
# Threads of one worker take turns: kernels hold the interpreter's lock anyhow, and
# compilation and Mesa's registry are not made for two at a time.
_turn = threading.Lock()


def unpack(payload: bytes) -> _Unpacked:
    """Read a study from bytes, once."""
    key = hashlib.sha256(payload).hexdigest()
    if key not in _unpacked:
        _unpacked.clear()
        source, inner = pickle.loads(payload)
        functions: Mapping[str, Any] = {}
        if source is not None:  # first, since it may register what the scenario names
            text, path = source
            study = load_module(text, Path(path) if path else None).study
            functions = study["keep"] if isinstance(study, Mapping) else study.keep
        content: Payload = pickle.loads(inner)
        reductions: list[tuple[str, Any]] = []
        for name, what in content.keep.items():
            what = functions[name] if what is None else what
            reductions.append((name, Reduction.parse(what) if isinstance(what, str) else what))
        _unpacked[key] = _Unpacked(content, reductions)
    return _unpacked[key]


def _kept(study: _Unpacked, market: Market) -> tuple[list[float], Any]:
    """What is kept of a finished run."""
    collector = market.datacollector
    table = collector.table
    names = tuple(m.name for m in collector.measures)
    blocks, measured = table[:, 0], table[:, 1:]
    values = []
    for name, what in study.reductions:
        if isinstance(what, Reduction):
            place = (name, names)
            if place not in study.places:
                study.places[place] = what.columns(names)
            values.append(what.apply(blocks, measured, study.places[place]))
        else:
            values.append(float(what(market)))
    if study.payload.series is None:
        return values, None
    patterns, every = study.payload.series
    place = ("series", names)
    if place not in study.places:
        study.places[place] = series_columns(names, patterns)
    rows = blocks % every == 0
    columns = [0, *(1 + i for i in study.places[place])]
    return values, np.ascontiguousarray(table[np.ix_(rows, columns)])


def series_columns(names: Sequence[str], patterns: Sequence[str]) -> list[int]:
    """Places of the measures that are kept over time, in their order."""
    wanted = set(matching(names, patterns))
    return [i for i, name in enumerate(names) if name in wanted]


def one_run(study: _Unpacked, overrides: Mapping[str, Any], run: int, seed: int) -> Outcome:
    """Run once; whatever it raises is the outcome."""
    market = None
    try:
        market = Market(study.scenario(overrides), rng=seed)
        market.run()
        values, series = _kept(study, market)
        return Outcome(run, values, series=series)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(f"{type(error).__name__}: {error}".split())
        where = f" (at {Path(place.filename).name}:{place.lineno})"
        nothing = [float("nan")] * len(study.reductions)
        return Outcome(run, nothing, text + where, traceback.format_exc())
    finally:
        if market is not None:
            market.close()


_COLLECT_SECONDS = 0.5
_clock = 0.0


def _tidy(seconds: float) -> None:
    """Free finished markets: they are in cycles that nobody but the collector breaks.

    What was there before the first run is frozen, so that the collector looks at
    markets alone: milliseconds in place of a tenth of a second. It is called about
    twice a second of running, not after each short run.
    """
    global _clock
    _clock += seconds
    if _clock >= _COLLECT_SECONDS:
        _clock = 0.0
        gc.collect()


def peak_memory() -> int:
    """Most memory that this process ever held, bytes; 0 where it cannot be known.

    On Linux what `getrusage` tells begins with what the process held that started this
    one, until it ran a program of its own; the system's own file does not.
    """
    with suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


_frozen = False


def work(payload: bytes, jobs: Sequence[Job]) -> Report:
    """Do some jobs.

    Args:
        payload: The study, from `pack`.
        jobs: To be done in order.
    """
    global _frozen
    with _turn:
        started = time.perf_counter()
        study = unpack(payload)
        if not _frozen:
            gc.collect()
            gc.freeze()
            _frozen = True
        outcomes = []
        for job in jobs:
            for run, seed in job.runs:
                before = time.perf_counter()
                outcomes.append(one_run(study, job.overrides, run, seed))
                _tidy(time.perf_counter() - before)
        return Report(
            outcomes,
            time.perf_counter() - started,
            f"{socket.gethostname()}:{os.getpid()}",
            made_by(),
            peak_memory(),
        )
