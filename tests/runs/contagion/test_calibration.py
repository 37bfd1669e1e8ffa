"""Calibration: planted parameters are found, and seeds that were held out judge them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runs.contagion import Plan
from runs.contagion.calibration import Calibration, calibrate, read_targets, search
from runs.study.study import Parameter
from sim import Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
RANGES = {
    "a": Parameter(path=["blocks"], low=0.0, high=4.0),
    "b": Parameter(path=["blocks"], low=0.1, high=10.0, scale="log"),
}


def simulated(rng: int, seeds: int = 10) -> Callable[..., Any]:
    """Moments a + b, a b, and one that is noise alone, with errors that go together."""
    own = np.random.default_rng(rng).standard_normal((seeds, 3)) @ np.array(
        [[0.1, 0.08, 0.0], [0.0, 0.05, 0.0], [0.0, 0.0, 5.0]]
    )

    def simulate(points: Sequence[Mapping[str, float]]) -> Any:
        means = np.array([[p["a"] + p["b"], p["a"] * p["b"], 0.0] for p in points])
        return means[:, None, :] + own

    return simulate


def test_planted_parameters_are_found() -> None:
    target, error = np.array([3.0, 2.0, 0.0]), np.array([0.03, 0.03, 1.0])
    found = search(simulated(1), RANGES, ["sum", "product", "noise"], target, error, trials=120)
    # a + b = 3 and a b = 2 have two solutions, (1, 2) and (2, 1).
    a, b = found.parameters["a"], found.parameters["b"]
    assert sorted((a, b)) == pytest.approx([1.0, 2.0], abs=0.25)
    table = found.table()
    assert table.loc[["sum", "product"], "fitted"].tolist() == pytest.approx([3.0, 2.0], abs=0.15)
    assert found.distance == found.trials["distance"].min()
    assert len(found.trials) == 120 and np.isnan(found.judged) and np.isnan(found.p)
    for name, (low, high) in found.spread.items():
        assert low <= found.parameters[name] <= high
    assert found.plot().axes


def test_the_noisiest_moment_counts_least() -> None:
    def simulate(points: Sequence[Mapping[str, float]]) -> Any:
        own = np.random.default_rng(3).standard_normal((8, 2)) * [0.01, 10.0]
        means = np.array([[p["a"], 5.0 - p["a"]] for p in points])  # they pull apart
        return means[:, None, :] + own

    given = {"a": RANGES["a"]}
    found = search(simulate, given, ["sure", "unsure"], np.array([1.0, 1.0]), np.zeros(2), 60)
    assert found.parameters["a"] == pytest.approx(1.0, abs=0.1)


def test_a_point_without_a_moment_is_no_answer() -> None:
    def simulate(points: Sequence[Mapping[str, float]]) -> Any:
        means = np.array([[p["a"] if p["a"] < 2.0 else np.nan] for p in points])
        return np.repeat(means[:, None, :], 3, axis=1)

    given = {"a": RANGES["a"]}
    found = search(simulate, given, ["it"], np.array([1.9]), np.array([0.1]), 40)
    assert found.parameters["a"] == pytest.approx(1.9, abs=0.2)


@pytest.mark.parametrize(
    ("targets", "word"),
    [
        ({"x": 1.0}, "missing"),
        ({"x": 1.0, "y": 2.0, "z": 3.0}, "targets.z"),
        ({"x": 1.0, "y": (2.0, -1.0)}, "error of 0 or more"),
        ({"x": float("nan"), "y": 2.0}, "give numbers"),
    ],
)
def test_targets_that_do_not_fit_are_told(targets: dict[str, Any], word: str) -> None:
    with pytest.raises(ScenarioError, match=word):
        read_targets({"x": "", "y": ""}, targets)


# A market


@pytest.fixture
def traded(small: Make) -> Scenario:
    traders = {
        "kind": "noise_trader", "count": 40, "pools": ["eth-usdc"], "rate": 0.05,
        "size": {"distribution": "constant", "value": 2_000.0},
        "wallet": {"eth": 50.0, "usdc": 100_000.0},
    }  # fmt: skip
    return small(agents={"traders": traders}, blocks=40)


MOMENTS = {"volume": "last(pools.volume)", "trades": "last(transactions.done)"}
SOUGHT = {
    "rate": {"path": "agents.traders.rate", "low": 0.01, "high": 0.2},
    "size": {"path": "agents.traders.size.value", "low": 500.0, "high": 8_000.0, "scale": "log"},
}


def test_a_market_is_given_back_what_it_was(traded: Scenario, tmp_path: Path) -> None:
    from runs.contagion.evaluation import cube, evaluate

    seeds = list(range(101, 131))
    frame = evaluate(traded, {}, [], MOMENTS, Plan(seeds=seeds))
    measured = {name: cube(frame, name)[0] for name in MOMENTS}
    targets = {n: (float(v.mean()), float(v.std() / len(v) ** 0.5)) for n, v in measured.items()}
    plan = Plan(seeds=8, out=tmp_path)
    found = calibrate(traded, SOUGHT, MOMENTS, targets, trials=40, held_out=10, plan=plan)
    assert isinstance(found, Calibration)
    assert found.held_out.shape == (10, 2)
    assert found.parameters["rate"] == pytest.approx(0.05, rel=0.25)
    assert found.parameters["size"] == pytest.approx(2_000.0, rel=0.25)
    table = found.table()
    assert table["held_out"].to_numpy() == pytest.approx(table["target"].to_numpy(), rel=0.25)
    assert 0.0 <= found.p <= 1.0
    # Elsewhere the judge says so.
    wrong = {name: (2.0 * value, error) for name, (value, error) in targets.items()}
    narrow = {"rate": SOUGHT["rate"] | {"high": 0.06}}
    off = calibrate(traded, narrow, MOMENTS, wrong, trials=8, held_out=6, plan=Plan(seeds=2))
    assert off.p < 0.01 and not off.table()["kept"].all()
    again = calibrate(traded, SOUGHT, MOMENTS, targets, trials=40, held_out=10, plan=plan)
    assert again.parameters == found.parameters and (again.held_out == found.held_out).all()


def test_judges_are_others(traded: Scenario) -> None:
    targets = {"volume": 1.0, "trades": 1.0}
    with pytest.raises(ScenarioError, match="seed 2 is one of the search"):
        calibrate(traded, SOUGHT, MOMENTS, targets, held_out=[2, 9], plan=Plan(seeds=3))
    with pytest.raises(ScenarioError, match="trials"):
        calibrate(traded, SOUGHT, MOMENTS, targets, trials=0, plan=Plan(seeds=1))
