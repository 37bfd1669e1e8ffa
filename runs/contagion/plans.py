"""How the laboratory's runs are made: every experiment is a study, which resumes anywhere."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runs.study.sweeper import Progress, sweep
from sim.errors import ScenarioError

if TYPE_CHECKING:
    import pandas as pd

    from runs.study.executors import Executor
    from runs.study.study import Study


@dataclass(frozen=True)
class Plan:
    """How runs are made.

    Attributes:
        seeds: How many, or which.
        out: Folder of the runs, where an interrupted plan goes on; None: they are not kept.
        workers: Local processes; 0: this one.
        executor: Where to run instead (`runs.study.executors`).
        blocks: Length of a run; None: the scenario's.
        on_progress: Called now and then with how far it is.
        shared: Whether runs of a seed that differ in shocks and cuts alone share what comes before
            the first (`runs.contagion.branches`), where the system copies processes and no executor
            is given. The bits are the same.
    """

    seeds: int | Sequence[int] = 20
    out: str | Path | None = None
    workers: int = 0
    executor: Executor | None = None
    blocks: int | None = None
    on_progress: Callable[[Progress], None] | None = None
    shared: bool = False

    @property
    def numbers(self) -> list[int]:
        """The seeds."""
        if isinstance(self.seeds, int):
            return list(range(1, self.seeds + 1))
        return [int(seed) for seed in self.seeds]

    def sweep(
        self,
        study: Study,
        folder: str | Path,
        where: Callable[[pd.Series], str],
        retry_failed: bool = False,
    ) -> pd.DataFrame:
        """Make all runs of a study.

        Args:
            study: The study.
            folder: Of the runs; what is there is not made again.
            where: Says in a word or two which run a row is of.
            retry_failed: Also make the runs again that have failed before.

        Returns:
            A row for each run.

        Raises:
            ScenarioError: If one has failed; it says which.
        """
        frame = sweep(
            study,
            folder,
            executor=self.executor,
            workers=self.workers,
            retry_failed=retry_failed,
            on_progress=self.on_progress,
        )
        failed = frame[frame["status"] != "done"]
        if len(failed):
            row = failed.iloc[0]
            raise ScenarioError([(where(row), str(row["error"]))])
        return frame


@contextmanager
def folder_of(out: str | Path | None, study: Study | None = None) -> Iterator[Path]:
    """A folder that stays, or one that does not.

    Args:
        out: The one that stays; None: none does.
        study: Where several share it, each has a folder in it, called after what decides its
            results.
    """
    if out is None:
        with tempfile.TemporaryDirectory(prefix="undertow-") as folder:
            yield Path(folder)
    elif study is None:
        yield Path(out)
    else:
        text = json.dumps(study.identity(), sort_keys=True)
        yield Path(out) / hashlib.sha256(text.encode()).hexdigest()[:16]


def signed(what: Any) -> tuple[float, Any]:
    """(1 or -1, what is kept): a minus before a reduction turns its sign."""
    if not isinstance(what, str):
        return 1.0, what
    text = what.strip()
    return (-1.0 if text.startswith("-") else 1.0), text.removeprefix("-").strip()
