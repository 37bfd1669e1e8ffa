"""Runs random cases in processes of their own, so that a crash or a hang is a finding too.

A case is a function of (seed, number) that returns counts and findings; the number alone,
with the seed, makes it again. A process that dies, or is silent for too long, is replaced
by one that goes on with the next number.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection, wait
from typing import Any

from sim.compiled import on_compilation

PATIENCE = 120.0
"""Seconds without a word after which a process hangs; it says what it compiles."""


@dataclass
class Outcome:
    """What one case, or many, came to.

    Attributes:
        counts: What there was, by name: markets, blocks, transactions.
        findings: What must not be: the number of the case, and the text.
    """

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Take another's counts and findings over."""
        self.counts.update(other.counts)
        self.findings += other.findings


Case = Callable[[int, int], Outcome]


def guarded(case: Case, seed: int, number: int) -> Outcome:
    """Run a case; what it raises is its finding."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", ".*experimental.*", FutureWarning)
            return case(seed, number)
    except Exception:
        return Outcome(Counter(raised=1), [(number, raised())])


def raised() -> str:
    """The end of the traceback of what is being handled."""
    return traceback.format_exc(limit=-6)


def _work(place: str, seed: int, first: int, step: int, pipe: Connection) -> None:
    """Run cases first, first + step, ... and tell of each."""
    module, _, name = place.partition(":")
    case: Case = getattr(import_module(module), name)
    number = first
    with on_compilation(lambda name: pipe.send(name)):
        while True:
            pipe.send(number)
            pipe.send(guarded(case, seed, number))
            number += step


class _Worker:
    """A process that runs every `step`-th case."""

    def __init__(self, place: str, seed: int, first: int, step: int) -> None:
        self.place, self.seed, self.number, self.step = place, seed, first, step
        self._start(first)

    def _start(self, first: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe(False)
        self.process = context.Process(
            target=_work, args=(self.place, self.seed, first, self.step, theirs), daemon=True
        )
        self.process.start()
        theirs.close()
        self.since = time.monotonic()

    def hear(self) -> Outcome | None:
        """What it has to say: the end of a case, or (if it died) that."""
        try:
            said: Any = self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join(10.0)
            return self._fails(f"the process died ({self.process.exitcode})")
        self.since = time.monotonic()
        if isinstance(said, int):
            self.number = said
        return said if isinstance(said, Outcome) else None

    def check(self) -> Outcome | None:
        """Whether it hangs."""
        silent = time.monotonic() - self.since
        if silent < PATIENCE:
            return None
        return self._fails(f"no end after {silent:.0f} s")

    def _fails(self, text: str) -> Outcome:
        self.stop()
        self._start(self.number + self.step)
        return Outcome(Counter(failed=1), [(self.number, text)])

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join(10.0)
        self.pipe.close()


def run(
    place: str,
    seconds: float = 0.0,
    seed: int = 1,
    workers: int = 1,
    cases: int | None = None,
    told: Callable[[str], None] | None = None,
) -> Outcome:
    """Run cases until the time is over, or so many are done.

    Args:
        place: The case, as ``module:function``.
        seconds: How long, once the first case is done; 0: until `cases` are done.
        seed: Of all cases.
        workers: Processes.
        cases: How many at most.
        told: Takes a line of progress every few seconds, and each finding as it comes.

    Returns:
        All counts (with ``seconds``) and findings.
    """
    team = [_Worker(place, seed, k, workers) for k in range(workers)]
    total, started, last = Outcome(), time.monotonic(), time.monotonic()
    warm = False
    try:
        while True:
            for pipe in wait([w.pipe for w in team], timeout=1.0):
                worker = next(w for w in team if w.pipe is pipe)
                _take(total, worker.hear(), told)
            for worker in team:
                _take(total, worker.check(), told)
            now = time.monotonic()
            if not warm and total.counts["cases"]:
                warm, started = True, now
            if told and now - last > 10.0:
                last = now
                told(summary(total, now - started))
            if warm and seconds and now - started >= seconds:
                break
            if cases is not None and total.counts["cases"] >= cases:
                break
    finally:
        for worker in team:
            worker.stop()
    total.counts["seconds"] = max(round(time.monotonic() - started), 1)
    return total


def _take(total: Outcome, more: Outcome | None, told: Callable[[str], None] | None) -> None:
    if more is None:
        return
    total.add(more)
    total.counts["cases"] += 1
    for number, text in more.findings:
        if told:
            told(f"case {number}: {text.rstrip()}")


def summary(total: Outcome, seconds: float) -> str:
    """One line of progress."""
    counts = {k: n for k, n in sorted(total.counts.items()) if k.islower() and " " not in k}
    rate = ", ".join(
        f"{counts[k] / max(seconds, 1.0):,.1f} {k}/s"
        for k in ("markets", "transactions") if counts.get(k)
    )  # fmt: skip
    rest = ", ".join(f"{n:,} {k}" for k, n in counts.items())
    return f"{seconds:.0f} s: {rest}; {rate}; {len(total.findings)} findings"


def signature(text: str) -> str:
    """What findings of one cause have in common: where it was raised, and words, not numbers."""
    lines = text.strip().splitlines()
    frames = [line.split(", ", 1)[1] for line in lines if line.strip().startswith('File "')]
    words = re.sub(r"[-+]?\d[\d.e+-]*", "#", lines[-1])[:100]
    return f"{frames[-1]}: {words}" if frames else words


def main(place: str, what: str) -> int:
    """The command line of a kind of case: 1 where there are findings."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--case", type=int, help="run this one alone, here")
    given = parser.parse_args()
    if given.case is not None:
        module, _, name = place.partition(":")
        total = guarded(getattr(import_module(module), name), given.seed, given.case)
        for _, text in total.findings:
            print(text)
        print(dict(total.counts))
        return 1 if total.findings else 0
    total = run(
        place, given.seconds, given.seed, given.workers,
        told=lambda line: print(line, flush=True),
    )  # fmt: skip
    seconds = total.counts.pop("seconds")
    print(summary(total, seconds))
    for name, n in sorted(total.counts.items()):
        print(f"  {n:12,} {name}")
    alike: dict[str, list[int]] = {}
    for number, text in total.findings:
        alike.setdefault(signature(text), []).append(number)
    for text, numbers in sorted(alike.items(), key=lambda item: -len(item[1])):
        print(f"{len(numbers)} x {text}: --seed {given.seed} --case {min(numbers)}")
    return 1 if alike else 0
