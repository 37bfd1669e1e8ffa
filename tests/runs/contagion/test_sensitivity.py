"""Sensitivity: Ishigami's function through the study engine, and a market whose order is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from runs.contagion import Plan
from runs.contagion.sensitivity import Sensitivity, sample, sensitivity
from sim import Market, Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
CARRIERS = {
    "one": {"path": "pools.eth-usdc.fee", "low": 0.0, "high": 0.02},
    "two": {"path": "venue.assets.eth.spread", "low": 0.0, "high": 0.02},
    "three": {"path": "venue.assets.eth.volatility", "low": 0.0, "high": 0.02},
}


def ishigami(market: Market) -> float:
    """Of three settings that nobody uses, as angles from -pi to pi (Ishigami, Homma 1990)."""
    asset = market.setup.venue.assets["eth"]
    pool: Any = market.setup.pools["eth-usdc"]
    x, y, z = ((v / 0.02 * 2.0 - 1.0) * np.pi for v in (pool.fee, asset.spread, asset.volatility))
    return float(np.sin(x) + 7.0 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x))


@pytest.mark.slow
def test_ishigami_by_sobol(small: Make) -> None:
    found = sensitivity(small(blocks=1), CARRIERS, {"it": ishigami}, "sobol", 128, plan=Plan([1]))
    table = found.table()
    # Of closed form, with 7 and 0.1.
    first = {"one": 0.3139, "two": 0.4424, "three": 0.0}
    total = {"one": 0.5576, "two": 0.4424, "three": 0.2437}
    for name in first:
        assert table.loc[name, "first"] == pytest.approx(first[name], abs=0.12)
        assert table.loc[name, "total"] == pytest.approx(total[name], abs=0.12)
        off = abs(table.loc[name, "total"] - total[name])
        assert off < 2.0 * table.loc[name, "total_conf"] + 0.02
    assert table.index[0] == "one", "in order"
    assert found.plot().axes


def linear(places: Any, seeds: int = 4) -> Any:
    values = places @ np.array([3.0, -1.0, 0.0])
    return values[:, None] + 0.01 * np.random.default_rng(1).standard_normal((len(values), seeds))


def test_morris_of_a_plane_is_its_slopes() -> None:
    places = sample(["a", "b", "c"], "morris", 8)
    found = Sensitivity("morris", places, {"y": linear(places)}, ("a", "b", "c"))
    table = found.table()
    assert table["mu"].to_dict() == pytest.approx({"a": 3.0, "b": -1.0, "c": 0.0}, abs=0.05)
    assert table["mu_star"].to_dict() == pytest.approx({"a": 3.0, "b": 1.0, "c": 0.0}, abs=0.05)
    assert (table["sigma"] < 0.05).all(), "effects are the same everywhere"
    assert found.noise() < 1e-3
    assert found.plot().axes


@pytest.mark.slow
def test_delta_tells_what_matters() -> None:
    places = sample(["a", "b", "c"], "delta", 600)  # of fewer, b and c are not told apart
    found = Sensitivity("delta", places, {"y": linear(places)}, ("a", "b", "c"))
    table = found.table()
    assert list(table.index[:2]) == ["a", "b"]
    assert table.loc["a", "first"] > 0.6 > table.loc["b", "first"]
    assert table.loc["c", "delta"] < 0.5 * table.loc["a", "delta"]
    assert found.plot().axes


def test_what_never_moves_and_what_is_all_noise() -> None:
    places = sample(["a", "b"], "morris", 4)
    still = Sensitivity("morris", places, {"y": np.ones((len(places), 3))}, ("a", "b"))
    assert (still.table() == 0.0).all().all() and np.isnan(still.noise())
    random = np.random.default_rng(2).standard_normal((len(places), 3))
    assert Sensitivity("morris", places, {"y": random}, ("a", "b")).noise() > 0.4
    lacking = Sensitivity("morris", places, {"y": np.full((len(places), 3), np.nan)}, ("a", "b"))
    with pytest.raises(ValueError, match="no number at"):
        lacking.table()


@pytest.mark.parametrize(
    ("method", "points", "word"),
    [("sobol", 6, "power of two"), ("morris", 1, "2 or more"), ("fast", 8, "morris, sobol, delta")],
)
def test_what_makes_no_sample_is_told(method: Any, points: int, word: str) -> None:
    with pytest.raises(ScenarioError, match=word):
        sample(["a"], method, points)


def test_a_market_hangs_on_what_it_is_made_of(small: Make) -> None:
    sale = {
        "kind": "whale_sale", "token": "eth", "amount": 100.0, "target": "eth-usdc", "block": 2,
    }  # fmt: skip
    setup = small(shocks=[sale], blocks=4)
    given = {
        "depth": {"multiply": "pools.eth-usdc.reserves.*", "low": 0.5, "high": 2.0},
        "venue.assets.eth.spread": (0.0, 0.01),
    }
    found = sensitivity(setup, given, {"low": "min(pool.eth-usdc.price)"}, points=4, plan=Plan(2))
    table = found.table()
    assert table.index[0] == "depth" and table.loc["depth", "mu"] > 0.0, "deeper falls less"
    assert table.loc["venue.assets.eth.spread", "mu_star"] == 0.0
