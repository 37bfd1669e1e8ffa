"""The statistics of the stylised facts, against series whose facts are known; and the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runs.dev.stylised_facts import (
    LEVERAGES,
    MARKET,
    aggregated,
    at_block_time,
    autocorrelation,
    band,
    calm,
    calm_facts,
    draw,
    draw_calm,
    excess_kurtosis,
    facts,
    hill,
    kurtosis_over,
    measured,
    of_interval,
    table,
    varied,
    volume_follows_volatility,
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


def test_volume_that_follows_volatility_is_told_from_volume_that_does_not() -> None:
    rng = np.random.default_rng(4)
    sigma = np.repeat(np.exp(0.5 * rng.standard_normal(400)), 50)
    prices = np.exp(np.cumsum(1e-3 * sigma * rng.standard_normal(sigma.size)))
    alike = volume_follows_volatility(prices, np.cumsum(sigma), 50)
    other = np.cumsum(np.repeat(np.exp(0.5 * rng.standard_normal(400)), 50))
    assert alike > 0.95
    assert abs(volume_follows_volatility(prices, other, 50)) < 0.15


def test_blocks_of_another_length_leave_the_clock_as_it_is() -> None:
    """Half as long, twice as many, each with half of the chance, and as much volume in a week."""
    assert at_block_time(12.0)["agents.traders.rate"]["median"] == 0.0002
    changes = at_block_time(6.0)
    assert changes["blocks"] == 2 * 50_400
    assert changes["agents.traders.memory"]["value"] == 100.0
    assert changes["agents.traders.rate"]["median"] == 0.0001
    assert changes["agents.traders.rate"]["sigma"] == 1.0
    assert changes["block.gas_limit"] == 15e6
    assert changes["oracles.eth.heartbeat"] == 600
    day = calm({"blocks": 7200}), calm(changes | {"blocks": 14_400})
    name = "pool.eth-usdc.volume"
    swapped = [
        np.mean([measured(Market(s, rng=seed).run(), name)[-1] for seed in range(1, 11)])
        for s in day
    ]
    assert swapped[1] == pytest.approx(swapped[0], rel=0.2)


def test_the_tables_hold_what_was_found() -> None:
    found = pd.DataFrame([calm_facts({"blocks": 12_000}, seed) for seed in (1, 2)])
    minute = of_interval(found, 5)
    assert minute["2 / sqrt(n)"].iloc[0] == pytest.approx(2.0 / np.sqrt(4800 // 5), rel=0.01)
    whole = table({"calm": minute, "none": minute[["2 / sqrt(n)"]]}, [kurtosis_over(1)])
    assert band(minute[kurtosis_over(1)]) in whole
    assert whole.endswith("|  |")
    assert "| as it is |" in varied({"as it is": found}, 5)
    assert (
        varied({"as it is": found.drop(columns=list(found.filter(like="1: ")))}, 1).count("\n") == 1
    )
    assert band([1.0] * 5) == "1 (1 to 1)"


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    market = Market(Scenario.from_dict(MARKET | {"blocks": 1500}), rng=1).run()
    draw(market, np.ones((len(LEVERAGES), 2)), tmp_path / "facts.png")
    assert (tmp_path / "facts.png").stat().st_size > 10_000


def test_funds_get_the_leverage_that_is_asked_for() -> None:
    settings = with_funds(6.0).agents["funds"]
    assert settings.columns["most_leverage"].support() == (6.0, 6.0)


def test_the_picture_of_calm_is_drawn(tmp_path: Path) -> None:
    draw_calm(Market(calm({"blocks": 9000}), rng=1).run(), tmp_path / "calm.png")
    assert (tmp_path / "calm.png").stat().st_size > 10_000
