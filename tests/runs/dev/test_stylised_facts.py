"""The statistics of the stylised facts, against series whose facts are known; and the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runs.dev.stylised_facts import (
    LEVERAGES,
    MARKET,
    aggregated,
    autocorrelation,
    draw,
    excess_kurtosis,
    facts,
    hill,
    with_funds,
)
from sim import Market, Scenario


def test_the_estimator_reads_a_t_of_three() -> None:
    """2.82 +- .17, as everybody's Hill estimator does of n = 10,000."""
    rng = np.random.default_rng(1)
    found = [hill(rng.standard_t(3, 10_000)) for _ in range(50)]
    assert np.mean(found) == pytest.approx(2.82, abs=0.1)
    assert np.std(found) == pytest.approx(0.17, abs=0.05)


def test_autocorrelation_and_kurtosis_of_what_is_known() -> None:
    rng = np.random.default_rng(2)
    shocks = rng.standard_normal(100_000)
    series = np.zeros_like(shocks)
    for t in range(1, series.size):
        series[t] = 0.6 * series[t - 1] + shocks[t]
    assert autocorrelation(series, 3) == pytest.approx(0.6**3, abs=0.02)
    assert excess_kurtosis(rng.laplace(size=100_000)) == pytest.approx(3.0, abs=0.2)
    sums = aggregated(rng.laplace(size=100_003), 10)
    assert sums.size == 10_000
    assert excess_kurtosis(sums) == pytest.approx(0.3, abs=0.15)  # of independent ones: a tenth


def test_normal_returns_have_none_of_the_facts() -> None:
    found = facts(np.random.default_rng(3).standard_normal(20_000))
    assert found["Hill exponent, top 2.5 %"] > 5.0
    limit = found["2 / sqrt(n)"] * 1.5
    assert abs(found["autocorrelation of absolute returns, lag 50"]) < limit


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    market = Market(Scenario.from_dict(MARKET | {"blocks": 1500}), rng=1).run()
    draw(market, np.ones((len(LEVERAGES), 2)), tmp_path / "facts.png")
    assert (tmp_path / "facts.png").stat().st_size > 10_000


def test_funds_get_the_leverage_that_is_asked_for() -> None:
    settings = with_funds(6.0).agents["funds"]
    assert settings.columns["most_leverage"].support() == (6.0, 6.0)
