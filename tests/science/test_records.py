"""Real records: rates and health factors as they were (VALIDATION 10 and 15)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import curve_fit
from scipy.special import gamma

from protocols.lending import borrow_rate, health_factor
from runs.dev.stylised_facts import (
    aggregated,
    autocorrelation,
    excess_kurtosis,
    hill,
    volume_follows_volatility,
)
from sim import Market, Scenario


def test_every_live_rate_of_aave_v3(shared_data: Callable[[str], Path]) -> None:
    table = pd.read_csv(shared_data("aave_v3_params_2025-03.csv"))
    found = [
        borrow_rate(r.util, r.base_rate, r.slope1, r.slope2, r.u_opt) for r in table.itertuples()
    ]
    assert len(found) == 77
    assert np.abs(np.array(found) - table["borrow_rate_now"].to_numpy()).max() < 0.0010


def test_every_health_factor_of_the_steth_borrowers(shared_data: Callable[[str], Path]) -> None:
    table = pd.read_csv(shared_data("aave_steth_borrowers_snapshot_2023-06.csv"))
    owing = table[table["debt"] > 0.0]
    found = [health_factor(r.collateral, r.liq_threshold, r.debt) for r in owing.itertuples()]
    np.testing.assert_allclose(found, owing["hf_recomputed"], rtol=1e-6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_replay_whose_impact_reverts_stays_with_its_record(
    shared_data: Callable[[str], Path], seed: int
) -> None:
    """What the agents sell is in the record already; counted twice it ran 4.6 % below."""
    file = shared_data("px_2020-03_black_thursday_5m.csv")
    replay = Scenario.load("black_thursday").with_prices(file)

    def off(impact: str) -> np.ndarray:
        market = Market(replay.override({"venue.assets.eth.impact": impact}), rng=seed).run()
        rows = market.datacollector.get_model_vars_dataframe()
        record = np.exp(market.world.paths[0][rows["block"].to_numpy().astype(int)])
        return rows["venue.eth.price"].to_numpy() / record - 1.0

    reverting = off("reverting")
    assert abs(reverting.mean()) < 0.01
    assert np.abs(reverting).mean() < 0.01
    assert reverting.min() < -0.01  # and still moves while they sell
    assert off("permanent").mean() < -0.03


# What `calm` takes from the week before: its volatility's time and spread, and order flow's reasons


def quiet_week(file: Path, symbol: str = "ETHUSDT") -> tuple[np.ndarray, np.ndarray]:
    """Five-minute log returns of 1-7 March 2020, and what was traded in each, dollars."""
    bars = pd.read_csv(file)
    bars = bars[(bars["symbol"] == symbol) & (bars["ts"] >= "2020-03-01")]
    bars = bars[bars["ts"] < "2020-03-08"]
    traded = (bars["volume"] * bars["close"]).to_numpy()
    return np.diff(np.log(bars["close"].to_numpy())), traded[1:]


def test_volatility_in_calm_comes_and_goes_as_in_the_quiet_week(
    shared_data: Callable[[str], Path],
) -> None:
    """Heston's variance has a gamma law in the long run and forgets exponentially."""
    returns, _ = quiet_week(shared_data("px_2020-03_black_thursday_5m.csv"))
    size = np.abs(returns)
    lags = np.arange(1, 145)
    found = [autocorrelation(size, int(lag)) * size.var() / size.mean() ** 2 for lag in lags]
    (level, hours), _ = curve_fit(
        lambda x, a, t: a * np.exp(-x / t), lags / 12.0, found, (0.1, 3.0)
    )
    eth = Scenario.load("calm").venue.assets["eth"]
    assert 8766.0 / eth.reversion == pytest.approx(hours, rel=0.05)
    shape = 2.0 * eth.reversion * eth.volatility**2 / eth.vol_of_vol**2
    # Of sizes that are proportional to the root of a gamma variance.
    assert shape * (gamma(shape) / gamma(shape + 0.5)) ** 2 - 1.0 == pytest.approx(level, rel=0.05)


def test_volume_has_the_elasticity_that_calms_traders_have(
    shared_data: Callable[[str], Path],
) -> None:
    file = shared_data("px_2020-03_black_thursday_5m.csv")
    least, most = Scenario.load("calm").agents["traders"].columns["volume_elasticity"].support()
    for symbol in ("ETHUSDT", "BTCUSDT"):
        returns, traded = quiet_week(file, symbol)
        hourly = np.sqrt(aggregated(returns**2, 12))
        elasticity = np.polyfit(np.log(hourly), np.log(aggregated(traded, 12)), 1)[0]
        assert least - 0.05 < elasticity < most + 0.05


def test_news_keeps_volume_up_for_as_long_as_in_calm(shared_data: Callable[[str], Path]) -> None:
    """Over the hour before, after a move of four deviations in five minutes."""
    file = shared_data("px_2020-03_black_thursday_5m.csv")
    after = []
    for symbol in ("ETHUSDT", "BTCUSDT"):
        returns, traded = quiet_week(file, symbol)
        seen = float((returns[:100] ** 2).mean())
        for i, move in enumerate(returns):
            if 24 < i < returns.size - 13 and move**2 > 16.0 * seen:
                after.append(traded[i + 1 : i + 13] / traded[i - 12 : i].mean())
            seen += (move**2 - seen) / 12.0
    assert len(after) == 23
    median = np.median(after, axis=0)
    columns = Scenario.load("calm").agents["traders"].columns
    news, memory = (columns[name].support()[0] for name in ("news", "news_memory"))
    ours = 1.0 + news * np.exp(-np.arange(1, 13) * 25.0 / memory)
    assert median[:3].mean() == pytest.approx(ours[:3].mean(), rel=0.25)
    assert median[3:6].mean() == pytest.approx(ours[3:6].mean(), rel=0.25)


def test_a_real_pools_day_shows_what_calm_shows_and_fails_where_it_fails(
    shared_data: Callable[[str], Path],
) -> None:
    """The figures that docs/stylised_facts.md has beside those of `calm`."""
    file = shared_data("univ3_usdc_weth_5bp_events_2025-06-01.csv")
    swaps = pd.read_csv(file, dtype={"sqrtPriceX96": str}).query("event == 'swap'")
    price = 1e12 * (2.0**96 / swaps["sqrtPriceX96"].astype(float)) ** 2
    blocks = np.arange(swaps["block"].min(), swaps["block"].max() + 1)
    of_block = price.groupby(swaps["block"]).last().reindex(blocks).ffill().to_numpy()
    returns = np.diff(np.log(of_block))
    assert (returns == 0.0).mean() == pytest.approx(0.57, abs=0.01)
    assert hill(returns) == pytest.approx(2.56, abs=0.01)
    minutes = np.diff(np.log(of_block[::5]))
    assert hill(minutes) == pytest.approx(2.81, abs=0.01)
    for series, found in ((returns, 0.018), (minutes, -0.022)):
        clustered = autocorrelation(np.abs(series), 50)
        assert clustered == pytest.approx(found, abs=0.001)
        assert clustered < 2.0 / np.sqrt(series.size)
    falling = [excess_kurtosis(aggregated(returns, steps)) for steps in (1, 5, 20, 50)]
    assert falling == pytest.approx([164.1, 34.3, 15.1, 1.1], abs=0.1)
    volume = swaps["amount0"].abs().groupby(swaps["block"]).sum().reindex(blocks).fillna(0.0)
    follows = volume_follows_volatility(of_block, np.cumsum(volume.to_numpy()), 75)
    assert follows == pytest.approx(0.86, abs=0.01)
