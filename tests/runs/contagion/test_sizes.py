"""Sizes of cascades: laws that were planted are told apart, and loops of known gain measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from runs.contagion import Plan
from runs.contagion.sizes import Amplification, amplified, cascade_sizes, size_distribution
from sim import Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
SALE = {"kind": "whale_sale", "token": "eth", "amount": 400.0, "target": "one", "block": 5}


def test_a_planted_power_law_is_found() -> None:
    inside = better = 0
    for seed in range(20):
        sizes = 2.0 * (1.0 - np.random.default_rng(seed).random(400)) ** (-1.0 / 1.5)
        found = size_distribution(sizes, xmin=2.0)
        low, high = found.interval()
        inside += low <= 2.5 <= high
        better += found.rivals.loc["exponential", "better"] == "power_law"
        assert found.rivals.loc["exponential", "ratio"] > 0.0
    assert inside >= 17  # of 19 expected
    assert better >= 15  # Vuong's test is cautious where a few sizes decide


def test_a_lognormal_is_not_taken_for_one() -> None:
    sizes = np.exp(np.random.default_rng(1).standard_normal(3_000))
    found = size_distribution(sizes, xmin=0.2)
    assert found.rivals.loc["lognormal", "better"] == "lognormal"
    exponential = size_distribution(np.random.default_rng(1).exponential(size=3_000), xmin=0.1)
    assert exponential.rivals.loc["exponential", "better"] == "exponential"


def test_the_tail_is_where_the_law_begins() -> None:
    random = np.random.default_rng(3)
    tail = 10.0 * (1.0 - random.random(1_000)) ** (-1.0 / 1.5)
    sizes = np.concatenate([random.uniform(0.1, 10.0, 1_000), tail, np.zeros(7)])
    found = size_distribution(sizes)
    assert 7.0 < found.xmin < 25.0 and found.alpha == pytest.approx(2.5, abs=0.25)
    assert found.nothing == 7 and found.tail <= 1_300 and found.plot().axes


def test_counts_are_fitted_as_counts() -> None:
    sizes = np.random.default_rng(2).zipf(2.5, 2_000)
    assert size_distribution(sizes, discrete=True, xmin=1).alpha == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize("sizes", [[], [0.0] * 50, [1.0] * 50, [-1.0, 2.0], [np.nan, 1.0]])
def test_what_cannot_be_fitted_is_told(sizes: list[float]) -> None:
    with pytest.raises(ValueError, match=r"cascades above 0|numbers of 0 or more"):
        size_distribution(sizes)


def test_a_loop_of_known_gain() -> None:
    random = np.random.default_rng(1)
    direct = random.uniform(1.0, 2.0, 50)
    total = direct / (1.0 - 0.6) + 0.01 * random.standard_normal(50)
    row = Amplification({"x": total}, {"x": direct}).table().loc["x"]
    assert row["amplification"] == pytest.approx(2.5, rel=0.01)
    assert row["spiral"] == pytest.approx(0.6, abs=0.01)
    assert row["spiral_low"] <= row["spiral"] <= row["spiral_high"] < 1.0
    assert row["amplification_low"] <= 2.5 <= row["amplification_high"]


def test_a_loop_that_does_all_of_it_or_nothing() -> None:
    table = Amplification(
        {"all": np.ones(5), "none": np.ones(5), "nothing": np.zeros(5)},
        {"all": np.zeros(5), "none": np.ones(5), "nothing": np.zeros(5)},
    ).table()
    assert table.loc["all", "amplification"] == np.inf and table.loc["all", "spiral"] == 1.0
    assert table.loc["none", "amplification"] == 1.0 and table.loc["none", "spiral"] == 0.0
    assert np.isnan(table.loc["nothing", "spiral"])


@pytest.fixture
def pair(small: Make) -> Scenario:
    """Two pools of one pair, joined by arbitrage."""
    pool = {"tokens": ["eth", "usdc"], "reserves": {"eth": 1_000.0, "usdc": 2e6}}
    links = {"kind": "cyclic_arbitrageur", "count": 3, "wallet": {"usdc": 1e6, "eth": 500.0}}
    return small(pools={"one": pool, "two": pool}, agents={"links": links}, blocks=20)


def test_what_joins_two_pools_carries_all_of_the_loss(pair: Scenario) -> None:
    drop = {"two": "-last(pool.two.price)"}
    cut = {"switches.interconnected": False}
    found = amplified(pair, drop, cut, [SALE], Plan(seeds=3))
    assert (found.direct["two"] == 0.0).all() and (found.total["two"] > 0.0).all()
    assert found.table().loc["two", "spiral"] == 1.0
    sizes = cascade_sizes(pair, drop["two"], [SALE], Plan(seeds=3))
    assert sizes == pytest.approx(found.total["two"])
    struck = Scenario.from_dict(pair.to_dict() | {"shocks": [SALE]})
    assert cascade_sizes(struck, drop["two"], plan=Plan(seeds=3)) == pytest.approx(sizes)
    with pytest.raises(ScenarioError, match="there are none"):
        cascade_sizes(pair, drop["two"])
