"""Critical values are found where they were planted, within their interval; lines cross there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from runs.contagion import Plan, fire_sales
from runs.contagion.criticality import Critical, PhaseMap, critical, locate, phase_map, spiral
from runs.contagion.derived import System
from runs.contagion.evaluation import Event
from runs.study.study import Parameter
from sim import Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
RANGE = Parameter(path=["blocks"], low=0.0, high=1.0)


def planted(rng: int, seeds: int, spread: float, noise: float) -> Callable[..., Any]:
    """Seeds whose event sets in at thresholds around 0.62, with noise of its own at each value."""
    random = np.random.default_rng(rng)
    at = 0.62 + spread * random.standard_normal(seeds)

    def respond(values: Sequence[float]) -> Any:
        off = (
            np.asarray(values)[:, None] - at + noise * random.standard_normal((len(values), seeds))
        )
        return off > 0.0

    return respond


@pytest.mark.parametrize(("spread", "noise"), [(0.08, 0.0), (0.0, 0.1), (0.06, 0.06), (0.2, 0.05)])
def test_a_planted_point_is_within_its_interval(spread: float, noise: float) -> None:
    found = [locate(planted(n, 20, spread, noise), "x", RANGE) for n in range(200)]
    inside = np.mean([c.low <= 0.62 <= c.high for c in found])
    assert inside >= 0.90
    width = np.mean([c.high - c.low for c in found])
    # An interval that is all of the range would be right as well.
    assert width < 6.0 * np.hypot(spread, noise) / np.sqrt(20)


def test_a_sharp_threshold_is_bisected() -> None:
    asked: list[float] = []

    def respond(values: Sequence[float]) -> Any:
        asked.extend(values)
        return np.repeat(np.asarray(values)[:, None] > 0.62, 5, axis=1)

    found = locate(respond, "x", RANGE, tolerance=0.005, rounds=12)
    assert found.low <= 0.62 <= found.high and found.high - found.low <= 0.01
    assert found.resolved and found.one_way == 1.0
    assert len(asked) < 30 and len(set(asked)) == len(asked)


def test_what_ceases_is_found_too_and_on_a_log_scale() -> None:
    parameter = Parameter(path=["blocks"], low=1.0, high=10_000.0, scale="log")

    def respond(values: Sequence[float]) -> Any:
        at = 100.0 * np.exp(np.linspace(-0.5, 0.5, 11))
        return np.asarray(values)[:, None] < at

    found = locate(respond, "x", parameter, rounds=10)
    assert found.low <= 100.0 <= found.high and found.low > 70.0 and found.high < 140.0
    assert found.sharpness < 0.0 and found.one_way == 1.0 and 0.0 < found.width < 0.3
    assert found.rates(found.value) == pytest.approx(0.5)
    assert (np.diff(found.rates([10.0, 100.0, 1000.0])) < 0.0).all()
    assert found.table()["rate"].iloc[[0, -1]].tolist() == [1.0, 0.0]
    assert found.plot().axes


def test_another_share_lies_elsewhere() -> None:
    at = 0.6 + 0.1 * logit(np.linspace(0.01, 0.99, 99))

    def respond(values: Sequence[float]) -> Any:
        return np.asarray(values)[:, None] > at

    low, high = (locate(respond, "x", RANGE, share=s).value for s in (0.25, 0.75))
    assert [low, high] == pytest.approx([0.6 - 0.11, 0.6 + 0.11], abs=0.01)
    with pytest.raises(ScenarioError, match="share"):
        locate(respond, "x", RANGE, share=1.0)


def test_outcomes_that_come_and_go_are_counted() -> None:
    def respond(values: Sequence[float]) -> Any:
        x = np.asarray(values)[:, None]
        return np.concatenate([x > 0.6, (x > 0.2) & (x < 0.4) | (x > 0.6)], axis=1)

    assert locate(respond, "x", RANGE).one_way == 0.5


def test_seeds_that_never_have_it_do_not_hide_where_the_others_do() -> None:
    at = np.where(np.arange(20) < 8, 2.0, 0.7)  # two fifths are out of reach

    def respond(values: Sequence[float]) -> Any:
        return np.asarray(values)[:, None] > at

    found = locate(respond, "x", RANGE)
    assert found.low <= 0.7 <= found.high


def test_where_nothing_sets_in_it_is_told() -> None:
    with pytest.raises(ScenarioError, match=r"0% of seeds.*range over which"):
        locate(lambda values: np.zeros((len(values), 4), bool), "x", RANGE)


# The line of fire sales


def system(held: Any, owed: Any, impact: Sequence[float]) -> System:
    held = np.asarray(held, float)
    n, k = held.shape
    claims = np.zeros((n + 1, n + 1, k))
    claims[n, :n, 0] = owed  # the last one has lent to all others
    names, tokens = [f"e{i}" for i in range(n + 1)], [f"a{j}" for j in range(k)]
    own = np.vstack([held, np.zeros(k)])
    per_value = pd.Series(impact, index=tokens)
    return System(names, tokens, claims, own, per_value, pd.Series(0.1, index=tokens))


def test_one_borrower_of_one_asset() -> None:
    # 200 held, 100 owed: at a fall of 1 % it sells 2, which moves the price by 2 x 0.003.
    assert spiral(system([[200.0]], [100.0], [0.003])) == pytest.approx(2.0 * 0.003 / 0.01)


def test_the_gain_is_that_of_the_next_round_of_fire_sales() -> None:
    held = np.array([[100.0, 50.0], [30.0, 90.0]])
    owed, impact = np.array([80.0, 60.0]), [1e-4, 3e-4]
    s = system(held, owed, impact)
    gain, fall = spiral(s), np.array([-0.01, -0.01])
    equity = held.sum(axis=1) - owed
    for _ in range(60):
        before = fall
        fall = fire_sales(held, equity, owed / equity, impact, fall).prices
        fall = 0.01 * fall / np.linalg.norm(fall)
    after = fire_sales(held, equity, owed / equity, impact, before).prices
    assert np.linalg.norm(after) / np.linalg.norm(before) == pytest.approx(gain, rel=1e-6)


def test_who_owes_nothing_or_has_failed_sells_nothing() -> None:
    assert spiral(system([[200.0]], [0.0], [0.003])) == 0.0
    assert spiral(system([[200.0]], [250.0], [0.003])) == 0.0
    assert spiral(system([[200.0]], [100.0], [0.0])) == 0.0


# Maps


def a_map() -> PhaseMap:
    x, y = np.linspace(0.0, 1.0, 9), np.linspace(1.0, 3.0, 3)
    at = np.array([0.3, 0.5, 2.0])  # in the last row it does not set in
    off = x[None, :, None] - at[:, None, None] + np.linspace(-0.1, 0.1, 11)
    said = np.exp(4.0 * (x[None, :] - at[:, None]))
    parameters = RANGE, Parameter(path=["blocks"], low=1.0, high=3.0)
    event = Event("last(lending.bank.loss)", 0.0)
    return PhaseMap(("x", "y"), parameters, (x, y), off > 0.0, off, said, event)


def test_the_lines_lie_where_they_were_planted() -> None:
    found = a_map()
    line = found.line()
    assert line["value"].iloc[:2].tolist() == pytest.approx([0.3, 0.5], abs=0.02)
    assert (line["low"].iloc[:2] <= [0.3, 0.5]).all() and (
        line["high"].iloc[:2] >= [0.3, 0.5]
    ).all()
    assert line["predicted"].iloc[:2].tolist() == pytest.approx([0.3, 0.5])
    assert line.iloc[2][["value", "predicted"]].isna().all()
    assert len(found.table()) == 27
    told = found.agreement()
    assert told["rank"] > 0.8 and told["right"] >= 0.9
    assert found.plot().axes


# A market


@pytest.fixture
def levered(small: Make) -> Scenario:
    """Borrowers of one leverage whose collateral is sold into a pool that the oracle reads."""
    borrowers = {
        "kind": "leveraged_borrower", "count": 12, "lending": "bank", "collateral": "eth",
        "debt": "usdc", "leverage": 2.0, "equity": 20_000.0, "attention": 0.0, "buffer": 1.02,
        "wallet": {"eth": 1.0},
    }  # fmt: skip
    liquidators = {
        "kind": "liquidator", "count": 2, "lending": "bank", "wallet": {"usdc": 1e6, "eth": 5.0},
    }  # fmt: skip
    drop = {"kind": "price_jump", "asset": "eth", "size": -0.2, "block": 5}
    crowd = {"borrowers": borrowers, "liquidators": liquidators}
    return small(agents=crowd, shocks=[drop], blocks=25)


LEVERAGE = {"path": "agents.borrowers.leverage", "low": 1.5, "high": 4.0}


def test_a_market_turns_where_its_threshold_says(levered: Scenario) -> None:
    # Health is t L / (L - 1); after a fall of a fifth it is below 1 where L > 1 / (1 - 0.8 t).
    threshold = levered.lending["bank"].reserves["eth"].threshold
    found = critical(
        levered, {"leverage": LEVERAGE}, "last(lending.bank.liquidations) > 0.5",
        tolerance=0.01, plan=Plan(seeds=4),
    )  # fmt: skip
    assert isinstance(found, Critical)
    assert found.value == pytest.approx(1.0 / (1.0 - 0.8 * threshold), rel=0.05)


def test_a_market_is_mapped(levered: Scenario) -> None:
    depth = {"path": "venue.assets.eth.depth", "low": 1e5, "high": 1e6, "steps": 2}
    found = phase_map(
        levered, {"leverage": LEVERAGE | {"steps": 4}, "depth": depth},
        "last(lending.bank.liquidations) > 0.5", plan=Plan(seeds=2),
    )  # fmt: skip
    assert found.hits.shape == (2, 4, 2)
    assert not found.hits[:, 0].any() and found.hits[:, -1].all()
    assert (np.diff(found.predicted, axis=1) > 0.0).all(), "more leverage, more gain"
    assert (found.predicted[0] > found.predicted[1]).all(), "more depth, less"
    later = phase_map(
        levered, {"leverage": LEVERAGE | {"steps": 4}, "depth": depth}, found.event, at=6,
        plan=Plan(seeds=1),
    )  # fmt: skip
    assert (later.predicted[:, :2] > found.predicted[:, :2]).all(), "a fall makes leverage"
    with pytest.raises(ScenarioError, match="steps"):
        phase_map(levered, {"leverage": LEVERAGE, "depth": depth}, found.event)
    with pytest.raises(ScenarioError, match="give two"):
        phase_map(levered, {"leverage": LEVERAGE}, found.event)
    with pytest.raises(ScenarioError, match="give one"):
        critical(levered, {"leverage": LEVERAGE, "depth": depth}, found.event)
