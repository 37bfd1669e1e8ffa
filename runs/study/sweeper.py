"""Sweeps: do all runs of a study that are missing, on any executor, and survive anything."""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from runs.files import made_by
from runs.study.design import Overrides, points
from runs.study.executors import (
    Cluster,
    Processes,
    SchedulerLostError,
    Serial,
    TaskLostError,
    WorkerLostError,
    describe,
)
from runs.study.rule import Rule
from runs.study.store import (
    Chunk,
    LockedError,
    Run,
    Runs,
    Store,
    errors_at,
    read_study,
    resolved,
    with_derived,
)
from runs.study.study import BASE, Study
from runs.study.worker import Job, Outcome, Report, pack, series_columns, unpack, work
from sim import Market
from sim.errors import ScenarioError

BATCH_SECONDS = 0.4
"""Time that one task is meant to take: short enough to lose, long enough to be worth sending."""
MOST_RUNS = 256
"""Runs in one task at most."""
RECONNECT_SECONDS = 300.0
"""How long a sweep waits for a scheduler to come back."""


class SweepError(RuntimeError):
    """The sweep cannot go on now; started again it does what is missing."""


@dataclass
class Progress:
    """How far a sweep is.

    Attributes:
        round: Number of the round of seeds, from 0.
        total: Runs planned so far.
        done: Runs finished, those of earlier sessions included.
        before: Of them, runs finished in earlier sessions.
        failed: Runs that raised.
        seconds: Since this session began.
        peak: Most memory that any worker held, bytes.
        message: Something to tell, "" if nothing.
    """

    round: int = 0
    total: int = 0
    done: int = 0
    before: int = 0
    failed: int = 0
    seconds: float = 0.0
    peak: int = 0
    message: str = ""


@dataclass
class _Task:
    """A task that is under way, or to be sent again."""

    jobs: list[Job]
    blame: float = 0.0
    """What the deaths of its workers tell against it; at 1 it is given up."""

    @property
    def runs(self) -> int:
        return sum(len(job.runs) for job in self.jobs)

    def alone(self) -> Iterator[_Task]:
        """Each of its runs in a task of its own."""
        for job in self.jobs:
            for run in job.runs:
                yield _Task([Job(job.overrides, [run])])


@dataclass
class _Round:
    """The runs of one round of seeds: what is planned, and what is known of it."""

    chunks: list[Chunk]
    known: dict[int, dict[int, Outcome]] = field(default_factory=dict)
    """Outcomes by chunk and run, of the chunks that are not written yet."""

    def chunk_of(self, run: int) -> Chunk:
        """The chunk that a run belongs to, by its number."""
        first, size = self.chunks[0].runs[0].number, len(self.chunks[0].runs)
        return self.chunks[(run - first) // size]


class Sweep:
    """All runs of a study, into a folder."""

    def __init__(
        self,
        study: Study,
        out: str | Path,
        executor: Executor | None = None,
        retry_failed: bool = False,
        any_version: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        patience: float = RECONNECT_SECONDS,
    ) -> None:
        """Check a study and its folder; nothing is written yet.

        Args:
            study: What to run.
            out: Folder of the results; those that are there are kept.
            executor: Where to run; default: in this process.
            retry_failed: Also repeat failed runs.
            any_version: Resume results of another version.
            on_progress: Called regularly with the progress of the sweep.
            patience: How long to wait for a lost scheduler, seconds.

        Raises:
            ScenarioError: If the study or the folder cannot be used.
        """
        if not study.name:
            raise ScenarioError([("name", "is missing; give the study one")])
        self.study = study
        self.points = points(study)
        self.overrides = Overrides(study)
        self.executor = executor or Serial()
        self.retry_failed = retry_failed
        self.on_progress = on_progress or (lambda progress: None)
        self.patience = patience
        self.progress = Progress()
        self.interrupted = False
        """Set by whoever catches Ctrl-C: Python loses it where it falls into a finalizer."""
        self.store = Store(Path(out), study, self.points)
        self.resumes = self.store.check(any_version)
        self._rule = Rule.parse(study.until) if study.until else None
        self._seconds_a_run = 0.0
        self._had_workers = True
        self._check_columns()

    def _check_columns(self) -> None:
        """Open the market once: it names unknown measures, and compiles what all workers use."""
        from sim.measures import catalogue

        first = self.points[0]
        setup = resolved(self.study, self.overrides, first, BASE)
        with errors_at(first, BASE):
            market = Market(setup, rng=1)
        every = [m.name for m in catalogue(market, setup.measures.trade_size)]
        payload = unpack(pack(self.study))
        for name, what in payload.reductions:
            try:
                if not callable(what):
                    what.columns(every)
            except ValueError as error:
                raise ScenarioError([(f"keep.{name}", str(error))]) from None
        if self.study.series is not None:
            there = [m.name for m in market.measures]
            places = series_columns(there, self.study.series.measures)
            if not places:
                text = f"{', '.join(self.study.series.measures)}: no such measure"
                raise ScenarioError([("series.measures", text)])
            self.store.series_names = [there[i] for i in places]
        probe = {name: [1.0] for name in self.study.keep} | {"status": ["done"]}
        for name, kind in self.store.parameter_types.items():
            probe[name] = [self.points[0][name]] if str(kind) != "string" else [""]
        with_derived(pd.DataFrame(probe), self.study.derived)
        market.run(1)
        market.close()

    # Going through it

    def run(self) -> pd.DataFrame:
        """Do all runs that are missing.

        Returns:
            All runs, as `runs.study.store.read_study` reads them.

        Raises:
            SweepError: If it cannot continue; finished runs are saved.
            ScenarioError: If a point's scenario cannot be run.
        """
        self._started = time.perf_counter()
        try:
            with self.store.checked_scenarios(self.overrides) as place_scenarios:
                self.store.open()
                place_scenarios()
            return self._go_through()
        except LockedError as error:
            raise SweepError(str(error)) from None
        except OSError as error:
            raise SweepError(self._cannot_write(error)) from None
        finally:
            self.store.close()

    def _go_through(self) -> pd.DataFrame:
        """Round after round of seeds."""
        self.store.log("start", made_by=made_by(), **describe(self.executor))
        self._payload = pack(self.study)
        number = chunks = 0
        active = list(range(len(self.points)))
        for index in itertools.count():
            seeds = self.study.seeds_of_round(index)
            if not seeds or not active:
                break
            plan = self._plan(active, seeds, number, chunks)
            number += sum(len(c.runs) for c in plan)
            chunks += len(plan)
            self.progress.round = index
            self._do(_Round(plan))
            if self._rule is not None:
                active = self._still_wide(active)
        self.store.drop_after(chunks)
        self._tell()
        self.store.log("end", runs=self.progress.done, failed=self.progress.failed)
        return read_study(self.store.out, self.study.name)

    def _cannot_write(self, error: OSError) -> str:
        why = error.strerror or str(error)
        return (
            f"{self.store.out}: cannot be written ({why}); what is done is safe: make room or give "
            "it back, and start the sweep again"
        )

    def _plan(self, active: Sequence[int], seeds: Sequence[int], run: int, chunk: int) -> list:
        """The chunks of a round: points, then variants, then seeds."""
        runs = Runs(run, active, len(self.study.variant_names), seeds)
        size = self.study.chunk
        starts = range(0, len(runs), size)
        return [Chunk(chunk + i, runs[s : s + size]) for i, s in enumerate(starts)]

    def _still_wide(self, active: Sequence[int]) -> list[int]:
        """Points of which some variant's intervals are not narrow enough yet."""
        assert self._rule is not None
        frame = read_study(self.store.out, self.study.name)
        settings = self.study.statistics
        wide = []
        for point in active:
            here = frame[frame["point"] == point]
            for _, group in here.groupby("variant"):
                columns = {m: group[m].to_numpy() for m in self._rule.measures}
                if not self._rule.holds(columns, settings.level, settings.resamples):
                    wide.append(point)
                    break
        return wide

    def _do(self, plan: _Round) -> None:
        """Do what is missing of a round."""
        missing: list[Sequence[Run]] = []
        for chunk in plan.chunks:
            self.progress.total += len(chunk.runs)
            written = self.store.rows(chunk)
            known = self.store.journaled(chunk)
            if written is not None:
                failed = [n for n, o in written.items() if o.error]
                if not (failed and self.retry_failed):
                    self._count(written.values(), before=True)
                    continue
                if self.study.series is not None:
                    written = {}  # the series of those that are done are in a file: once more
                known = {n: o for n, o in written.items() if not o.error} | known
            if self.retry_failed:
                known = {n: o for n, o in known.items() if not o.error}
            self._count(known.values(), before=True)
            plan.known[chunk.number] = known
            left = [run for run in chunk.runs if run.number not in known] if known else chunk.runs
            if left:
                missing.append(left)
            else:
                self.store.finish(chunk, plan.known.pop(chunk.number))
        self._tell()
        self._send(plan, missing)

    def _count(self, outcomes: Any, before: bool = False) -> None:
        for outcome in outcomes:
            self.progress.done += 1
            self.progress.before += before
            self.progress.failed += bool(outcome.error)

    def _tell(self, message: str = "") -> None:
        self.progress.seconds = time.perf_counter() - self._started
        self.progress.message = message
        self.on_progress(self.progress)
        self.progress.message = ""

    # Sending tasks

    def _tasks(self, missing: Sequence[Sequence[Run]]) -> Iterator[_Task]:
        """Tasks of a round, each sized when it is asked for: by what runs have taken so far."""
        names = self.study.variant_names
        left = sum(map(len, missing))
        jobs: list[Job] = []
        count = 0

        def size() -> int:
            known = self._seconds_a_run > 0.0
            by_time = int(BATCH_SECONDS / self._seconds_a_run) if known else 1
            share = math.ceil(left / (2 * max(self._capacity(), 1)))  # for an even end
            return max(1, min(by_time, share, MOST_RUNS))

        overrides: Mapping[str, Any] = {}
        runs_of_one_point: list[tuple[int, int]] = []
        where: tuple[int, int] | None = None
        for run in itertools.chain.from_iterable(missing):
            here = (run.point, run.variant)
            moved = here != where
            if moved:
                where = here
                overrides = self.overrides.at(self.points[run.point], names[run.variant])
            if moved or not jobs:
                runs_of_one_point = []
                jobs.append(Job(overrides, runs_of_one_point))
            runs_of_one_point.append((run.number, run.seed))
            count += 1
            left -= 1
            if count >= size():
                yield _Task(jobs)
                jobs, count = [], 0
        if count:
            yield _Task(jobs)

    def _capacity(self) -> int:
        return int(getattr(self.executor, "capacity", 4))

    def _send(self, plan: _Round, missing: Sequence[Sequence[Run]]) -> None:
        """Keep the executor supplied, and note what comes back."""
        tasks = self._tasks(missing)
        again: deque[_Task] = deque()
        under_way: dict[Future, _Task] = {}
        exhausted = False
        reported = time.perf_counter()
        try:
            while True:
                if self.interrupted:
                    raise KeyboardInterrupt
                while len(under_way) < self._capacity():
                    task = again.popleft() if again else next(tasks, None)
                    if task is None:
                        exhausted = True
                        break
                    try:
                        future = self.executor.submit(work, self._payload, task.jobs)
                    except BrokenExecutor as error:
                        raise SweepError(f"the executor broke ({error}); start again") from None
                    under_way[future] = task
                if exhausted and not under_way and not again:
                    return
                exhausted = False
                done, _ = wait(under_way, timeout=1.0, return_when=FIRST_COMPLETED)
                lost = False
                for future in done:
                    task = under_way.pop(future)
                    lost |= self._received(plan, task, future, again)
                if lost or (isinstance(self.executor, Cluster) and not self.executor.alive):
                    again.extendleft(under_way.values())
                    under_way.clear()
                    self._reconnect()
                if time.perf_counter() - reported > 0.1:
                    reported = time.perf_counter()
                    self._tell(self._no_workers())
        except BaseException:
            for future in under_way:
                future.cancel()
            raise

    def _received(
        self,
        plan: _Round,
        task: _Task,
        future: Future,
        again: deque[_Task],
    ) -> bool:
        """Note what came of a task.

        Returns:
            Whether the scheduler is lost.
        """
        try:
            report: Report = future.result()
        except TaskLostError:
            again.append(task)
        except WorkerLostError as error:
            self._handle_lost_worker(plan, task, again, error)
        except SchedulerLostError:
            again.append(task)
            return True
        except BrokenExecutor as error:
            raise SweepError(
                f"the executor broke ({error}); what is done is safe: start the sweep again"
            ) from None
        else:
            self._check_worker(report)
            took = report.seconds / max(len(report.outcomes), 1)
            old = self._seconds_a_run
            self._seconds_a_run = took if old == 0.0 else 0.8 * old + 0.2 * took
            self.progress.peak = max(self.progress.peak, report.peak)
            self._note(plan, report.outcomes)
        return False

    def _check_worker(self, report: Report) -> None:
        mine = made_by()
        if report.made_by != mine:
            other = [k for k in mine if report.made_by.get(k) != mine[k]]
            text = ", ".join(f"{k} {report.made_by.get(k)} against {mine[k]}" for k in other)
            raise SweepError(
                f"worker {report.worker} runs another {text} here; its bits may differ: install "
                "the same there, and start the sweep again"
            )

    def _note(self, plan: _Round, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes: in the journal, and in a file once their chunk is whole."""
        fresh: dict[int, list[Outcome]] = {}
        for outcome in outcomes:
            number = plan.chunk_of(outcome.run).number
            known = plan.known.get(number)
            if known is not None and outcome.run not in known:
                known[outcome.run] = outcome
                fresh.setdefault(number, []).append(outcome)
        for number, new in fresh.items():
            chunk = plan.chunk_of(new[0].run)
            self.store.note(chunk, new)
            self._count(new)
            for outcome in new:
                if outcome.error:
                    self._tell_failure(chunk, outcome)
            if len(plan.known[number]) == len(chunk.runs):
                self.store.finish(chunk, plan.known.pop(number))

    def _tell_failure(self, chunk: Chunk, outcome: Outcome) -> None:
        run = next(r for r in chunk.runs if r.number == outcome.run)
        where = [
            f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}"
            for k, v in self.points[run.point].items()
        ]
        where += [self.study.variant_names[run.variant]] if run.variant else []
        text = f"run {run.number} failed ({', '.join([*where, f'seed {run.seed}'])})"
        self.store.log(
            "failed", run=run.number, seed=run.seed, error=outcome.error, trace=outcome.trace
        )
        self._tell(f"{text}: {outcome.error}")

    def _handle_lost_worker(
        self,
        plan: _Round,
        task: _Task,
        again: deque[_Task],
        error: WorkerLostError,
    ) -> None:
        """A worker died of a task: find out which run it was, and give that one up in the end."""
        numbers = [number for job in task.jobs for number, _ in job.runs]
        self.store.log("died", runs=numbers, text=str(error), blame=error.blame)
        if task.runs > 1:
            again.extend(task.alone())
            self._tell(f"a worker died; its {task.runs} runs are done again, one by one")
            return
        task.blame += error.blame
        if task.blame < 1.0 - 1e-9:
            self._tell(f"a worker died in run {numbers[0]} ({error}); it is done again")
            again.append(task)
            return
        text = "WorkerLostError: worker after worker died in this run (out of memory, or a crash)"
        nothing = [float("nan")] * len(self.study.keep)
        self._note(plan, [Outcome(numbers[0], nothing, text, str(error))])

    def _no_workers(self) -> str:
        """Says so, once each time, when a cluster has no workers: a sweep waits for them."""
        if not isinstance(self.executor, Cluster):
            return ""
        had, self._had_workers = self._had_workers, self.executor.threads > 0
        if had and not self._had_workers:
            return f"the cluster at {self.executor.address} has no workers; waiting for some"
        return ""

    def _reconnect(self) -> None:
        """Wait for a scheduler to come back.

        Raises:
            SweepError: If it does not.
        """
        cluster = self.executor
        assert isinstance(cluster, Cluster)
        self.store.log("scheduler lost", address=cluster.address)
        text = f"the scheduler at {cluster.address} is gone"
        self._tell(f"{text}; waiting for it for {self.patience:.0f} s")
        until = time.perf_counter() + self.patience
        while time.perf_counter() < until:
            if cluster.connect(timeout=min(5.0, self.patience)):
                self.store.log("scheduler back", address=cluster.address)
                self._tell("the scheduler is back; going on")
                return
            time.sleep(0.5)
        raise SweepError(f"{text}; what is done is safe: start the sweep again when it is back")


def sweep(
    study: Study | str | Path,
    out: str | Path,
    executor: Executor | None = None,
    workers: int = 0,
    retry_failed: bool = False,
    any_version: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> pd.DataFrame:
    """Run a study: make all runs that are missing in a folder.

    Args:
        study: A study, its name or its file.
        out: Folder of the results.
        executor: Executor for the runs; default: local processes, or this one.
        workers: Number of local processes; 0: none, run in this process.
        retry_failed: Also repeat failed runs.
        any_version: Resume results of another version.
        on_progress: Called regularly with the progress of the sweep.

    Returns:
        One row per run: parameters, variant, seed, kept values, status and error.

    Raises:
        ScenarioError: If the study or the folder cannot be used.
        SweepError: If it cannot continue; finished runs are saved.
    """
    if not isinstance(study, Study):
        study = Study.load(study)
    job = Sweep(study, out, executor, retry_failed, any_version, on_progress)
    if executor is not None or workers == 0:
        return job.run()
    with Processes(workers) as pool:
        job.executor = pool
        return job.run()
