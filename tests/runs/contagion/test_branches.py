"""Runs that share what came before them: the same bits as whole runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runs.contagion import Plan, cut_each
from runs.contagion.branches import Branches, can_fork, forked, run_branches
from runs.study.sweeper import Progress
from sim import Scenario
from sim.errors import ScenarioError

pytestmark = pytest.mark.skipif(not can_fork(), reason="this system copies no processes")
EARLY = {"kind": "price_jump", "asset": "eth", "size": 0.05, "block": 4}
LATE = {"kind": "gas_surge", "multiple": 2.0, "block": 30, "blocks": 5}
DROP = {"kind": "price_jump", "asset": "eth", "size": -0.3, "block": 20}
LOSSES = {
    "bank": "last(lending.bank.loss)",
    "lenders": "-last(result.lenders)",
    "deepest": "-min(venue.eth.price)",
}
LINKS = ["gas_binds", "liquidators", "oracle:eth", "pool:eth-usdc"]


@pytest.fixture
def crowd(lively: Callable[..., Scenario]) -> Scenario:
    """All kinds of agents on a price that moves a lot, with shocks of its own on both sides."""
    return lively(blocks=60, shocks=[EARLY, LATE])


def test_the_bits_are_those_of_whole_runs(crowd: Scenario, tmp_path: Path) -> None:
    whole = cut_each(crowd, LINKS, LOSSES, [DROP], Plan(seeds=3))
    shared = cut_each(crowd, LINKS, LOSSES, [DROP], Plan(seeds=3, out=tmp_path, shared=True))
    for loss in LOSSES:
        assert np.array_equal(whole.whole[loss], shared.whole[loss])
        for link in LINKS:
            assert np.array_equal(whole.without[loss][link], shared.without[loss][link]), link
    assert any(np.ptp([*v.values()], axis=0).max() > 0.0 for v in shared.without.values())
    # Without the scenario's own shocks nothing is before them that all have.
    assert np.array_equal(
        cut_each(crowd, LINKS[:1], LOSSES, plan=Plan(seeds=2)).whole["bank"],
        cut_each(crowd, LINKS[:1], LOSSES, plan=Plan(seeds=2, shared=True)).whole["bank"],
    )


def test_they_part_where_the_first_differs(crowd: Scenario) -> None:
    levels: dict[str, list[Any]] = {"a": [EARLY, LATE], "b": [EARLY, LATE, DROP]}
    branches = Branches.of(crowd, levels, ["last(gas.mean)"])
    assert branches.block == 20 and len(branches.setup.shocks) == 2
    assert [block for _, block in branches.own["b"]] == [20] and branches.own["a"] == []
    other = Branches.of(crowd, levels, ["max(gas.mean)"])
    assert branches.identity != other.identity


def test_what_is_done_is_not_done_again(crowd: Scenario, tmp_path: Path) -> None:
    levels: dict[str, list[Any]] = {"a": [], "b": [DROP]}
    branches = Branches.of(crowd, levels, ["last(gas.mean)"])
    told: list[Progress] = []
    first = run_branches(branches, Plan(seeds=2, out=tmp_path))
    files = sorted(tmp_path.rglob("seed-*.json"))
    assert len(files) == 2
    before = [file.stat().st_mtime_ns for file in files]
    again = run_branches(branches, Plan(seeds=3, out=tmp_path, on_progress=told.append))
    assert [file.stat().st_mtime_ns for file in files] == before
    assert [(p.done, p.before, p.total) for p in told] == [(6, 4, 6)]
    assert np.array_equal(again["b"][:2], first["b"])


def test_a_run_that_fails_is_named(crowd: Scenario) -> None:
    levels: dict[str, list[Any]] = {"a": [], "b": [DROP]}
    with pytest.raises(ScenarioError, match=r"a: ValueError: no measure 'gas\.men'"):
        run_branches(Branches.of(crowd, levels, ["last(gas.men)"]), Plan(seeds=1))


def test_what_a_copy_does_stays_there() -> None:
    seen: list[int] = []

    def work() -> int:
        seen.append(1)
        return len(seen)

    def fails() -> None:
        raise KeyError("x")

    assert forked(work, "it") == 1 and seen == []
    with pytest.raises(RuntimeError, match="it: KeyError: 'x'"):
        forked(fails, "it")
