"""Tasks that protocols register are done in their stage and order, by markets that need them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from sim import Market, Scenario, tasks
from sim.compiled import inner
from sim.kernel import LEAK, audit
from sim.tasks import ROOM, Stage, Task, address_tasks, no_tasks, note_leak, register_task


@inner
def add_one(w):  # type: ignore[no-untyped-def]
    w.claimed[0] += 1.0


@inner
def double(w):  # type: ignore[no-untyped-def]
    w.claimed[0] *= 2.0


@pytest.fixture
def registered() -> Iterator[list[Task]]:
    before = list(tasks._tasks)
    yield tasks._tasks
    tasks._tasks[:] = before


def test_what_a_market_has_not_is_not_compiled(small: Callable[..., Scenario]) -> None:
    eth = {"price": 2000.0, "process": "constant"}
    bare = Market({"title": "bare", "blocks": 3, "venue": {"assets": {"eth": eth}}}, rng=1).world
    assert not bare.tasks.any()
    full = Market(small(), rng=1).world
    assert full.tasks[Stage.VALUE, :2].all() and full.tasks[Stage.READ, :2].all()
    assert not full.tasks[Stage.CLAIM].any()  # no pool has positions


def test_tasks_of_a_stage_are_done_in_order(
    small: Callable[..., Scenario], registered: list[Task]
) -> None:
    register_task(Task(Stage.READ, 98, add_one, lambda w: True))
    register_task(Task(Stage.READ, 99, double, lambda w: True))
    market = Market(small(agents={}), rng=1)
    market.world.claimed[0] = 3.0
    market.run(1)
    assert market.world.claimed[0] == 8.0


@inner
def lose_count(w):  # type: ignore[no-untyped-def]
    note_leak(w, np.nan)


@inner
def be_fine(w):  # type: ignore[no-untyped-def]
    note_leak(w, 1e-12)


def test_a_leak_that_is_no_number_is_not_forgotten_for_a_later_one(
    small: Callable[..., Scenario], registered: list[Task]
) -> None:
    register_task(Task(Stage.AUDIT, 98, lose_count, lambda w: True))
    register_task(Task(Stage.AUDIT, 99, be_fine, lambda w: True))
    assert audit(Market(small(agents={}), rng=1).world, 1e-9) == LEAK


def test_a_stage_has_room_for_so_many(
    small: Callable[..., Scenario], registered: list[Task]
) -> None:
    market = Market(small(), rng=1)
    for n in range(ROOM + 1):
        register_task(Task(Stage.GUARD, n, add_one, lambda w: True))
    with pytest.raises(ValueError, match="of GUARD; there is room for 8"):
        address_tasks(market.world)
    assert no_tasks().shape == (len(Stage), ROOM)
