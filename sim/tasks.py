"""What protocols do in a block by themselves: kernels by stage, through addresses.

Whoever has such a task registers it here. A market compiles those that it needs, and its
`World.tasks` holds their addresses, in their order: the block knows no protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.compiled import address_of, call_with, inner
from sim.registry import load_protocols


class Stage(IntEnum):
    """When a task is done."""

    READ = 0
    """Before agents decide: prices are read, what is watched is looked at."""
    PLEDGES = 1
    """After a call in which a token that may secure a debt has left an account."""
    CLOSE = 2
    """After the block's execution: interest, fees, movements."""
    GUARD = 3
    """After that, at fresh values, where a market has something that needs them."""
    VALUE = 4
    """Whenever tokens are valued, in each pass: the value of what a protocol issues."""
    CLAIM = 5
    """Whenever holdings are valued: claims that are no tokens (`sim.measures.note_claim`)."""
    AUDIT = 6
    """At an audit: own books, by `note_leak`."""
    ACCOUNT = 7
    """Where an account of losses is kept: after what `sim.codes.Event` names."""
    COUNTERS = 8
    """Then: what was charged and borne since the start, by the notes of `sim.losses`."""


ROOM = 8
"""Tasks of one stage at most."""


@dataclass(frozen=True)
class Task:
    """Something that is done in every block.

    Attributes:
        stage: When.
        order: Among the tasks of a stage; what is lower comes first.
        kernel: Does it, ``(w)``, and returns nothing.
        needed: Whether a `World` needs it.
    """

    stage: Stage
    order: int
    kernel: Any
    needed: Callable[[Any], bool]


_tasks: list[Task] = []


def register_task(task: Task) -> None:
    """Have something done in the blocks of every market that needs it."""
    _tasks.append(task)


def no_tasks() -> npt.NDArray[np.int64]:
    """Room for the addresses of tasks, int64[stages, ROOM]."""
    return np.zeros((len(Stage), ROOM), np.int64)


def address_tasks(world: Any) -> None:
    """Compile the tasks that a market needs, or find them in the cache, and note where they are.

    Raises:
        ValueError: If a stage has more than there is room for.
    """
    load_protocols()  # where they register
    for stage in Stage:
        found = [t for t in _tasks if t.stage == stage and t.needed(world)]
        if len(found) > ROOM:
            raise ValueError(f"{len(found)} tasks of {stage.name}; there is room for {ROOM}")
        for n, task in enumerate(sorted(found, key=lambda t: t.order)):
            world.tasks[stage, n] = address_of(task.kernel, (type(world)._type,))


@inner
def end_call(w, reason, amount, out):
    """Say how the call under way has ended: what it took, and what it gave."""
    under_way = w.under_way[0]
    under_way.call_reason, under_way.call_in, under_way.call_out = reason, amount, out


@inner
def run_stage(w, stage):
    """Do all tasks of a stage."""
    for n in range(w.tasks.shape[1]):
        address = w.tasks[stage, n]
        if address == 0:
            return
        call_with(address, w)


@inner
def tell(w, event, who):
    """Tell who keeps an account of losses, if somebody does, what has happened.

    Args:
        event: One of `sim.codes.Event`.
        who: Of a call its place in the mempool, of an account that was closed its row; of what an
            agent has done by itself the `sim.codes.Cause`.
    """
    if w.rules[0].accounted:
        w.asked[0].event, w.asked[0].who = event, who
        run_stage(w, Stage.ACCOUNT)


@inner
def note_leak(w, leak):
    """Say how far books are from balanced, relative; what is no number is the worst."""
    if not leak <= w.asked[0].leak:
        w.asked[0].leak = leak if leak == leak else np.inf
