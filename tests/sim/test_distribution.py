"""Distributions of agents' numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from sim.distribution import MOST, Distribution

READ: TypeAdapter[Any] = TypeAdapter(Distribution)
RNG = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("table", "median"),
    [
        (3.5, 3.5),
        ({"distribution": "uniform", "low": 1.0, "high": 3.0}, 2.0),
        ({"distribution": "normal", "mean": -1.0, "sd": 2.0}, -1.0),
        ({"distribution": "lognormal", "median": 5.0, "sigma": 1.0}, 5.0),
        ({"distribution": "pareto", "scale": 2.0, "shape": 1.0}, 4.0),
        ({"distribution": "beta", "a": 2.0, "b": 2.0, "low": 1.0, "high": 2.0}, 1.5),
        ({"distribution": "choice", "values": [1, 2, 9], "weights": [0, 1, 0]}, 2.0),
    ],
)
def test_draws_lie_where_they_should(table: Any, median: float) -> None:
    distribution = READ.validate_python(table)
    draws = distribution.draw(RNG, 20_000)
    low, high = distribution.support()
    assert draws.min() >= low
    assert draws.max() <= high
    assert np.median(draws) == pytest.approx(median, rel=0.05)
    assert READ.validate_python(distribution.model_dump()) == distribution


def test_bounds_are_kept_and_counted_in_the_support() -> None:
    table = {"distribution": "pareto", "scale": 1.0, "shape": 0.5, "at_most": 8.0}
    distribution = READ.validate_python(table)
    assert distribution.support() == (1.0, 8.0)
    assert distribution.draw(RNG, 1000).max() == 8.0


@pytest.mark.parametrize(
    "table",
    [
        {"median": 1.0},
        {"distribution": "cauchy"},
        {"distribution": "uniform", "low": 3.0, "high": 1.0},
        {"distribution": "choice", "values": [1.0], "weights": [1.0, 2.0]},
        {"distribution": "choice", "values": []},
        {"distribution": "pareto", "scale": -1.0, "shape": 1.0},
        "many",
        True,
        float("nan"),
    ],
)
def test_nonsense_is_refused(table: Any) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python(table)


@pytest.mark.parametrize(
    "given",
    [
        {"distribution": "lognormal", "median": 1e18, "sigma": 20.0},
        {"distribution": "normal", "mean": 1e18, "sd": 1e18},
        {"distribution": "pareto", "scale": 1e18, "shape": 0.001},
        {"distribution": "beta", "a": 0.001, "b": 0.001, "low": -1e18, "high": 1e18},
    ],
)
def test_no_draw_is_beyond_what_may_be_stated(given: dict) -> None:
    rng = np.random.Generator(np.random.Philox(1))
    drawn = TypeAdapter(Distribution).validate_python(given).draw(rng, 10_000)
    assert np.isfinite(drawn).all()
    assert np.abs(drawn).max() <= MOST


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"distribution": "lognormal", "median": 1.0, "sigma": 1e12}, "less than or equal to 20"),
        ({"distribution": "normal", "mean": 0.0, "sd": 1e308}, "less than or equal to 10"),
        ({"distribution": "constant", "value": 1.7e308}, "less than or equal to 10"),
        ({"distribution": "beta", "a": 1.0, "b": 1.0, "low": 2.0, "high": 1.0}, "swap them"),
        (
            {"distribution": "normal", "mean": 0.0, "sd": 1.0, "at_least": 2.0, "at_most": 1.0},
            "swap them",
        ),
    ],
)
def test_numbers_that_cannot_be_counted_with_are_refused(given: dict, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        TypeAdapter(Distribution).validate_python(given)
