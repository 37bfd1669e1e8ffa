"""Points of a study."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runs.study.design import Overrides, points, sobol_problem, unit_points
from runs.study.study import Study
from sim.errors import ScenarioError


def study(**changes: Any) -> Study:
    content = {"name": "t", "scenario": "calm", "keep": {"low": "min(venue.eth.price)"}}
    return Study.from_dict(content | changes)


FEE = {"path": "pools.*.fee", "low": 0.001, "high": 0.1, "scale": "log"}
DEPTH = {"multiply": "pools.*.reserves.*", "values": [0.5, 2.0]}
KIND = {"path": "block.ordering", "values": ["random", "first_come"]}


def test_a_grid_is_every_combination_in_order() -> None:
    s = study(parameters={"depth": DEPTH, "fee": FEE | {"steps": 3}})
    found = points(s)
    assert [p["depth"] for p in found] == [0.5] * 3 + [2.0] * 3
    assert [p["fee"] for p in found[:3]] == pytest.approx([0.001, 0.01, 0.1])
    assert points(study()) == [{}]


def test_a_list_puts_values_side_by_side() -> None:
    s = study(
        design={"method": "list"},
        parameters={"depth": DEPTH, "fee": {"path": "pools.*.fee", "values": [0.01]}, "o": KIND},
    )
    assert points(s) == [
        {"depth": 0.5, "fee": 0.01, "o": "random"},
        {"depth": 2.0, "fee": 0.01, "o": "first_come"},
    ]
    unequal = DEPTH | {"values": [1.0, 2.0, 3.0]}
    with pytest.raises(ScenarioError, match="has 2 values where another has 3"):
        points(study(design={"method": "list"}, parameters={"depth": unequal, "o": KIND}))


def test_a_grid_of_a_range_needs_steps() -> None:
    with pytest.raises(ScenarioError, match=r"parameters\.fee\.steps"):
        points(study(parameters={"fee": FEE}))


def test_a_latin_hypercube_has_one_point_in_each_slice() -> None:
    s = study(design={"method": "latin_hypercube", "points": 16}, parameters={"a": FEE, "b": DEPTH})
    slices = np.sort(np.floor(unit_points(s) * 16), axis=0)
    assert (slices == np.arange(16.0)[:, None]).all()
    found = points(s)
    assert all(0.001 <= p["a"] <= 0.1 for p in found)
    assert sorted(p["b"] for p in found) == [0.5] * 8 + [2.0] * 8
    assert points(s) == found
    other = study(
        design={"method": "latin_hypercube", "points": 16, "rng": 2},
        parameters={"a": FEE, "b": DEPTH},
    )
    assert points(other) != found


def test_sobol_points_fill_the_cube_evenly() -> None:
    two = {"a": FEE, "b": FEE | {"path": "pools.*.protocol_fee"}}
    plain = study(design={"method": "sobol", "points": 64, "indices": False}, parameters=two)
    unit = unit_points(plain)
    assert unit.shape == (64, 2)
    counts, *_ = np.histogram2d(unit[:, 0], unit[:, 1], bins=8, range=[[0, 1], [0, 1]])
    assert (counts == 1).all()  # a (0, 6, 2)-net
    saltelli = study(design={"method": "sobol", "points": 64}, parameters=two)
    assert unit_points(saltelli).shape == (64 * 4, 2)
    assert sobol_problem(saltelli)["names"] == ["a", "b"]


def test_random_points_are_those_of_their_seed() -> None:
    s = study(design={"method": "random", "points": 5}, parameters={"a": FEE})
    assert points(s) == points(s)
    assert len({p["a"] for p in points(s)}) == 5


def test_overrides_set_and_multiply() -> None:
    s = study(
        parameters={"depth": DEPTH, "fee": {"path": "pools.eth-usdc.fee", "values": [0.01]}},
        variants={"cut": {"switches.liquidators_sell": False}},
    )
    overrides = Overrides(s)
    found = overrides.at({"depth": 2.0, "fee": 0.01}, "base")
    assert found["pools.eth-usdc.reserves.eth"] == 2.0 * s.base.pools["eth-usdc"].reserves["eth"]
    assert found["pools.eth-usdc.fee"] == 0.01
    cut = overrides.at({"depth": 2.0, "fee": 0.01}, "cut")
    assert cut == found | {"switches.liquidators_sell": False}
    assert not s.base.override(cut).switches.liquidators_sell


def test_whole_numbers_stay_whole() -> None:
    many = {"multiply": "agents.traders.count", "values": [0.333]}
    count = {"path": "agents.lenders.count", "low": 10.2, "high": 20.4, "steps": 2}
    overrides = Overrides(study(parameters={"many": many, "count": count}))
    found = overrides.at({"many": 0.333, "count": 10.2}, "base")
    assert found == {"agents.traders.count": 333, "agents.lenders.count": 10}


def test_levels_are_values_with_names() -> None:
    levels = {
        "thin": {"distribution": "constant", "value": 1.2},
        "wide": {"distribution": "uniform", "low": 1.2, "high": 2.0},
    }
    s = study(parameters={"leverage": {"path": "agents.borrowers.leverage", "levels": levels}})
    assert points(s) == [{"leverage": "thin"}, {"leverage": "wide"}]
    setup = s.base.override(Overrides(s).at({"leverage": "wide"}, "base"))
    assert setup.agents["borrowers"].columns["leverage"].distribution == "uniform"


@pytest.mark.parametrize(
    ("parameter", "says"),
    [
        ({"multiply": "pols.*.fee", "values": [1.0]}, "stands for no field"),
        ({"multiply": "pools.eth-usdc.fees", "values": [1.0]}, "did you mean 'fee'"),
        ({"multiply": "block.ordering", "values": [1.0]}, "not a number"),
    ],
)
def test_paths_that_lead_nowhere_are_refused(parameter: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        Overrides(study(parameters={"a": parameter}))
