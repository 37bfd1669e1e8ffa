"""Plans: their seeds, their folders, and what they say of a run that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runs.contagion.plans import Plan, folder_of, signed
from runs.study.study import Study
from sim.errors import ScenarioError


def study(**more: Any) -> Study:
    content = {"name": "planned", "scenario": "calm", "seeds": 2, "set": {"blocks": 5}}
    return Study.from_dict(content | {"keep": {"gas": "last(gas.mean)"}} | more)


def test_seeds_are_counted_or_named() -> None:
    assert Plan(seeds=3).numbers == [1, 2, 3]
    assert Plan(seeds=(7, 4)).numbers == [7, 4]


def test_a_folder_stays_where_it_is_named_and_studies_do_not_meet_in_it(tmp_path: Path) -> None:
    with folder_of(tmp_path) as out:
        assert out == tmp_path
    with folder_of(tmp_path, study()) as one, folder_of(tmp_path, study(seeds=3)) as other:
        assert one.parent == other.parent == tmp_path and one != other
    with folder_of(tmp_path, study()) as again:
        assert again == one
    with folder_of(None) as passing:
        assert passing.is_dir()
    assert not passing.exists()


def test_a_minus_turns_the_sign() -> None:
    assert signed(" - last(loss) ") == (-1.0, "last(loss)")
    assert signed("last(loss)") == (1.0, "last(loss)")
    assert signed(max) == (1.0, max)


def test_all_runs_are_made_once(tmp_path: Path) -> None:
    frame = Plan().sweep(study(), tmp_path, lambda row: f"seed {row['seed']}")
    assert frame["seed"].tolist() == [1, 2]
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    again = Plan().sweep(study(), tmp_path, lambda row: "")
    assert made and again["gas"].tolist() == frame["gas"].tolist()
    assert made == {path: path.stat().st_mtime_ns for path in made}


def _stumble(market: Any) -> float:
    raise ValueError(f"nothing to see at seed {market.seed_number}")


def test_a_run_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as told:
        Plan().sweep(study(keep={"no": _stumble}), tmp_path, lambda row: f"seed {row['seed']}")
    ((where, text),) = told.value.problems
    assert where == "seed 1" and "nothing to see at seed 1" in text
