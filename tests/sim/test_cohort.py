"""A cohort's table is its agents."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from agents import Behaviour, Column
from sim import Market, Scenario
from sim.cohort import cohort_type
from sim.compiled import kernel
from sim.errors import ScenarioError


@kernel
def count(w, me):  # type: ignore[no-untyped-def]
    """Count blocks, in everything that a kernel may write."""
    me.memory.blocks += 1.0
    me.memory.two[1] += 2.0
    for i in range(me.size):
        my = me.rows[i]
        my.seen = me.memory.blocks + my.more
        my.pair[1] += 3.0


class Counter(Behaviour):
    """Counts blocks."""

    columns: ClassVar[Mapping[str, Column]] = {
        "more": Column("What it adds", "blocks", 10.0),
        "pair": Column("Three for each block", "number", 0.5, state=True, count=2),
        "seen": Column("Blocks seen, and more", "blocks", state=True),
    }
    remembers: ClassVar[Mapping[str, Column]] = {
        "two": Column("Twice the blocks", "number", count=2),
        "blocks": Column("Blocks seen", "blocks", 100.0),
    }
    decide = staticmethod(count)


class Turned(Counter):
    """The same behaviour, with its columns the other way round."""

    columns: ClassVar[Mapping[str, Column]] = dict(reversed(Counter.columns.items()))


@kernel
def misspell(w, me):  # type: ignore[no-untyped-def]
    """Name a column that is not there."""
    for i in range(me.size):
        me.rows[i].sen = 1.0


class Misspelt(Counter):
    """Declares another name than its kernel reads."""

    decide = staticmethod(misspell)


def known_as(**classes: type) -> dict[str, Any]:
    """Groups of agents of classes of this module, two of each."""
    sys.modules.setdefault(__name__, sys.modules[Counter.__module__])
    return {n: {"kind": f"{__name__}:{c.__name__}", "count": 2} for n, c in classes.items()}


def test_rows_columns_and_agents_are_one_memory(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    cohort = market.cohorts["traders"]
    cohort.rows["size"][7] = 123.0
    assert cohort.column("size")[7] == 123.0
    agent = next(a for a in market.agents if a.name == "traders-7")
    assert agent.size == 123.0
    assert np.shares_memory(cohort.cells, market.world.cells)
    assert np.shares_memory(cohort.balances(market), market.ledger.balances)
    assert cohort.accounts()[7] == agent.account
    assert (len(cohort), cohort.size) == (60, 60)


def test_numbers_are_drawn_from_their_distributions(lively: Callable[..., Scenario]) -> None:
    spread = {"distribution": "uniform", "low": 1.0, "high": 2.0}
    market = Market(lively(agents={"traders": {"count": 4000, "spread": spread}}), rng=1)
    drawn = market.cohorts["traders"].column("spread")
    assert 1.0 <= drawn.min() < 1.01
    assert 1.99 < drawn.max() <= 2.0


def test_kernels_read_and_write_what_is_declared_by_name(small: Callable[..., Scenario]) -> None:
    agents = known_as(counters=Counter, turned=Turned)
    agents["counters"]["more"] = 0.5
    market = Market(small(agents=agents), rng=1).run(3)
    for name, more in (("counters", 0.5), ("turned", 10.0)):
        cohort = market.cohorts[name]
        assert cohort.column("seen").tolist() == [103.0 + more] * 2
        assert cohort.memory.tolist() == [0.0, 6.0, 103.0]
        assert cohort.remembered["blocks"] == 103.0
        assert np.shares_memory(cohort.rows, market.world.cells)
        assert np.shares_memory(cohort.remembered, market.world.memory)
    assert [a.seen for a in market.agents if a.name == "turned-1"] == [113.0]


def test_a_column_that_is_not_declared_is_named(small: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError, match=r"Misspelt names 'sen'.*did you mean 'seen'.*more"):
        Market(small(agents=known_as(wrong=Misspelt)), rng=1)


def test_classes_that_declare_the_same_have_one_type_in_kernels() -> None:
    assert cohort_type(Counter) is cohort_type(Misspelt)
    assert cohort_type(Counter)._type == cohort_type(Misspelt)._type
    assert cohort_type(Counter)._type != cohort_type(Turned)._type


@pytest.mark.parametrize("name", ["two words", "lambda", ""])
def test_a_name_that_no_kernel_can_read_is_refused(name: str) -> None:
    for place in ("columns", "remembers"):
        with pytest.raises(TypeError, match="choose another"):
            type("Wrong", (Behaviour,), {place: {name: Column("Something", "number")}})


def test_a_state_may_have_several_numbers(small: Callable[..., Scenario]) -> None:
    market = Market(small(agents=known_as(counters=Counter)), rng=1).run(4)
    cohort = market.cohorts["counters"]
    assert cohort.column("pair").tolist() == [[0.5, 12.5]] * 2
    assert cohort.column("seen").tolist() == [114.0] * 2
    agent = next(a for a in market.agents if a.name == "counters-1")
    assert agent.pair.tolist() == cohort.number(1, "pair").tolist() == [0.5, 12.5]
    cohort.put("pair", 7.0, 0)
    assert cohort.numbers("pair").tolist() == [[7.0, 7.0], [0.5, 12.5]]


def test_a_column_that_a_scenario_sets_is_one_number() -> None:
    with pytest.raises(TypeError, match=r"\['many'\] have a count"):
        type("Wrong", (Behaviour,), {"columns": {"many": Column("Some", "number", count=3)}})
