"""Runs of a seed that share what came before: one market, which forks where they begin to differ.

Runs with and without a shock, each with and without some link, are the same market until the shock.
So it is made once; at the block in which they part the process forks for each of them, and the copy
strikes what is its own and goes on to the end. The bits are those of whole runs. What is done lies
in the plan's folder seed by seed, so what was interrupted goes on.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import pickle
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from runs.contagion.networks import Floats
from runs.contagion.plans import Plan, folder_of
from runs.results import write_whole
from runs.study.reductions import Reduction
from runs.study.sweeper import Progress
from sim import Market, Scenario
from sim.compiled import cache_folder
from sim.errors import ScenarioError


@dataclass(frozen=True)
class Branches:
    """Runs of a scenario that differ in their shocks alone.

    Attributes:
        setup: The scenario, with the shocks that all of them have before their own.
        own: The others of each run, as its own scenario states them, with their blocks.
        block: First block in which any of them strikes.
        keep: Reductions of what is kept of each.
    """

    setup: Scenario
    own: Mapping[str, Sequence[tuple[Any, int]]]
    block: int
    keep: tuple[str, ...]

    @classmethod
    def of(
        cls, setup: Scenario, levels: Mapping[str, Sequence[Any]], keep: Sequence[str]
    ) -> Branches:
        """What lists of shocks have in common, and where they part.

        Raises:
            ScenarioError: If one makes no sense.
        """
        lists = [list(shocks) for shocks in levels.values()]
        same = 0
        while all(len(one) > same and one[same] == lists[0][same] for one in lists):
            same += 1
        base = setup.override({"shocks": lists[0][:same]})
        own = {}
        for name, shocks in levels.items():
            full = setup.override({"shocks": list(shocks)})
            own[name] = [(shock, full.block_of(shock)) for shock in full.shocks[same:]]
        blocks = [block for each in own.values() for _, block in each]
        return cls(base, own, min(blocks, default=setup.blocks), tuple(keep))

    def run(self, seed: int) -> dict[str, list[float]]:
        """What is kept of each run of a seed.

        Raises:
            RuntimeError: If one of them fails; it names the run.
        """
        market = Market(self.setup, rng=seed)
        try:
            if self.block > 1:
                market.run(self.block - 1)
            gc.collect()
            gc.freeze()  # else each fork's collector would touch, and so copy, all that there is
            return {name: forked(partial(self._end, market, name), name) for name in self.own}
        finally:
            gc.unfreeze()
            market.close()

    def _end(self, market: Market, name: str) -> list[float]:
        """Go on to the end with a run's own shocks."""
        for shock, block in self.own[name]:
            market.shocks.add(shock, block)
        market.run()
        names = tuple(measure.name for measure in market.datacollector.measures)
        table = market.datacollector.table
        found = []
        for text in self.keep:
            one = Reduction.parse(text)
            found.append(one.apply(table[:, 0], table[:, 1:], one.columns(names)))
        return found

    @property
    def identity(self) -> str:
        """Names all that decides the results."""
        own = {
            name: [[shock.model_dump(mode="json"), block] for shock, block in each]
            for name, each in self.own.items()
        }
        what = [cache_folder().name, self.setup.to_dict(), own, self.keep]
        text = json.dumps(what, default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def can_fork() -> bool:
    """Whether the system copies processes: Linux and macOS do."""
    return hasattr(os, "fork")


def forked(work: Callable[[], Any], what: str) -> Any:
    """What some work returns that is done in a copy of this process, which then is gone.

    Args:
        work: It leaves nothing behind here but what it returns, which is pickled.
        what: It is, for errors.

    Raises:
        RuntimeError: If it fails, or the copy dies.
    """
    read, write = os.pipe()
    with warnings.catch_warnings():
        # Threads of numerical libraries stand still here and are never asked for in the copy.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _in_the_copy(work, write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    if not said:
        raise RuntimeError(f"{what}: the process that ran it died; is there memory left?")
    done, found = pickle.loads(said)
    if not done:
        raise RuntimeError(f"{what}: {found}")
    return found


def _in_the_copy(work: Callable[[], Any], write: int) -> None:
    """Do the work, say what it found, and end without any of the first process's endings."""
    try:
        gc.disable()  # it ends soon, and what a collector touches is copied
        try:
            said = pickle.dumps((True, work()))
        except BaseException as error:
            said = pickle.dumps((False, f"{type(error).__name__}: {error}"))
        with os.fdopen(write, "wb") as pipe:
            pipe.write(said)
    finally:
        os._exit(0)


def run_branches(branches: Branches, plan: Plan) -> dict[str, Floats]:
    """Run all of a plan's seeds.

    Args:
        branches: The runs.
        plan: Seeds, folder, local workers; its executor is not used.

    Returns:
        By run float64[seeds, kept].

    Raises:
        ScenarioError: If a run fails.
    """
    with folder_of(plan.out) as out:
        folder = Path(out) / branches.identity
        folder.mkdir(parents=True, exist_ok=True)
        files = {seed: folder / f"seed-{seed}.json" for seed in plan.numbers}
        there = {seed: _kept(file) for seed, file in files.items() if file.is_file()}
        began, before, runs = time.monotonic(), len(there), len(branches.own)
        for seed, found in _made(branches, [s for s in files if s not in there], plan.workers):
            text = json.dumps(found)
            write_whole(files[seed], partial(_write, text))
            there[seed] = found
            if plan.on_progress is not None:
                plan.on_progress(
                    Progress(
                        total=runs * len(files), done=runs * len(there), before=runs * before,
                        seconds=time.monotonic() - began,
                    )
                )  # fmt: skip
    return {
        name: np.array([there[seed][name] for seed in files], np.float64) for name in branches.own
    }


def _write(text: str, file: Path) -> None:
    file.write_text(text)


def _kept(file: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = json.loads(file.read_text())
    return found


def _made(
    branches: Branches, seeds: Sequence[int], workers: int
) -> Iterator[tuple[int, dict[str, list[float]]]]:
    """Seeds and what is kept of their runs, as they come."""
    try:
        if workers < 1 or len(seeds) < 2:
            yield from ((seed, branches.run(seed)) for seed in seeds)
            return
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            jobs = {pool.submit(branches.run, seed): seed for seed in seeds}
            for job in as_completed(jobs):
                yield jobs[job], job.result()
    except RuntimeError as error:
        raise ScenarioError([("contagion", str(error))]) from error
