"""The outside venue: processes, impact, depth."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import MarketAgent
from sim import Market, Scenario
from sim.venue import YEAR, bridge


def path(small: Callable[..., Scenario], blocks: int, seed: int = 1, **asset: Any) -> np.ndarray:
    setup = small(
        blocks=blocks,
        venue={"assets": {"eth": asset}},
        measures={"keep": ["venue.eth.price"]},
        pools={"eth-usdc": {"reserves": {"eth": 1.0, "usdc": 2000.0}}},
    )
    market = Market(setup, rng=seed).run()
    prices = market.datacollector.get_model_vars_dataframe()["venue.eth.price"].to_numpy()
    return np.diff(np.log(np.concatenate(([setup.venue.assets["eth"].price], prices))))


def per_year(returns: np.ndarray) -> float:
    return float(returns.std() * math.sqrt(YEAR / 12.0))


def test_gbm_has_its_volatility_and_its_drift(small: Callable[..., Scenario]) -> None:
    r = path(small, 40_000, process="gbm", volatility=0.8, drift=500.0)
    assert per_year(r) == pytest.approx(0.8, rel=0.02)
    expected = 500.0 - 0.8**2 / 2.0
    assert r.mean() * YEAR / 12.0 == pytest.approx(
        expected, abs=4.0 * 0.8 / math.sqrt(4e4 * 12 / YEAR)
    )


def test_jumps_are_rare_large_and_compensated(small: Callable[..., Scenario]) -> None:
    rate = 0.01 * YEAR / 12.0  # one in a hundred blocks
    r = path(small, 40_000, process="jumps", volatility=0.2, jump_rate=rate, jump_sd=0.02)
    large = np.abs(r) > 0.005
    assert large.mean() == pytest.approx(0.01 * 2 * (1 - 0.5987), rel=0.1)
    kurtosis = ((r - r.mean()) ** 4).mean() / r.var() ** 2
    assert kurtosis > 20.0
    assert np.exp(r).mean() == pytest.approx(1.0, abs=5e-5)


@pytest.mark.parametrize(
    "asset",
    [
        {
            "process": "heston",
            "reversion": 2e5,
            "vol_of_vol": 700.0,
            "leverage": -0.5,
            "volatility": 0.8,
        },
        {"process": "garch", "alpha": 0.08, "beta": 0.9, "volatility": 0.8},
    ],
)
def test_stochastic_volatility_clusters_around_the_normal_one(
    small: Callable[..., Scenario], asset: dict[str, Any]
) -> None:
    r = path(small, 60_000, **asset)
    assert per_year(r) == pytest.approx(0.8, rel=0.1)
    size = np.abs(r) - np.abs(r).mean()
    lagged = (size[5:] * size[:-5]).mean() / size.var()
    assert lagged > 4.0 / math.sqrt(r.size)
    assert abs(np.corrcoef(r[5:], r[:-5])[0, 1]) < 0.03


def test_a_mean_reverting_price_returns(small: Callable[..., Scenario]) -> None:
    r = path(small, 30_000, process="mean_reverting", price=1.0, volatility=0.1, reversion=50_000.0)
    log_price = np.cumsum(r)
    dt = 12.0 / YEAR
    assert log_price.std() == pytest.approx(0.1 / math.sqrt(2.0 * 50_000.0), rel=0.1)
    assert np.corrcoef(log_price[1:], log_price[:-1])[0, 1] == pytest.approx(
        1.0 - 50_000.0 * dt, abs=0.01
    )


def test_correlated_assets_correlate(small: Callable[..., Scenario]) -> None:
    setup = small(
        blocks=20_000,
        venue={
            "assets": {
                "eth": {"process": "gbm"},
                "btc": {"price": 40_000.0, "process": "gbm", "volatility": 0.6},
            },
            "correlation": {"btc:eth": 0.7},
        },
        measures={"keep": ["venue.*.price"]},
    )
    frame = Market(setup, rng=1).run().datacollector.get_model_vars_dataframe()
    r = np.diff(np.log(frame[["venue.eth.price", "venue.btc.price"]].to_numpy()), axis=0)
    assert np.corrcoef(r.T)[0, 1] == pytest.approx(0.7, abs=0.02)


def test_a_bridge_goes_through_its_points_with_its_volatilities() -> None:
    knots = np.array([0.0, 1000.0, 5000.0])
    prices = np.array([200.0, 100.0, 150.0])
    x = bridge(knots, prices, np.array([0.0, 0.001, 0.003]), 6000, np.random.default_rng(1))
    assert np.exp(x[[0, 1000, 5000, 6000]]) == pytest.approx([200.0, 100.0, 150.0, 150.0])
    assert np.diff(x[:1001]).std() == pytest.approx(0.001, rel=0.08)
    assert np.diff(x[1000:5001]).std() == pytest.approx(0.003, rel=0.08)


class Idle(MarketAgent):
    pass


def deep(small: Callable[..., Scenario], **asset: Any) -> tuple[Market, Idle]:
    market = Market(small(venue={"assets": {"eth": {"depth": 1e6, "spread": 0.0} | asset}}), rng=1)
    return market, Idle(market, {"eth": 1e5, "usdc": 1e8}, "a")


def test_a_sale_of_the_depth_moves_the_price_one_per_cent(small: Callable[..., Scenario]) -> None:
    market, agent = deep(small)
    assert market.venue.depth("eth") == pytest.approx(1e6)
    agent.trade_outside("eth", "usdc", 1e6 / 2000.0)
    before = market.venue.price("eth")
    market.run(1)
    assert market.venue.price("eth") == pytest.approx(before / 1.01)


@given(amount=st.floats(1.0, 20_000.0))
def test_a_round_trip_costs_the_spread_and_no_less(
    small: Callable[..., Scenario], amount: float
) -> None:
    for spread in (0.0, 0.001):
        market, agent = deep(small, spread=spread)
        money = market.ledger.balance("a", "usdc")
        agent.trade_outside("eth", "usdc", amount)
        market.run(1)
        got = market.ledger.balance("a", "usdc") - money
        # The impact of the first block's sale has begun to decay: buy back at once.
        market.world.assets[0]["decay"] = 1.0
        market, agent = deep(small, spread=spread)
        with agent.transaction():
            agent.trade_outside("eth", "usdc", amount)
            agent.trade_outside("usdc", "eth", got)
        market.run(1)
        left = market.ledger.balance("a", "eth")
        assert left <= 1e5 * (1.0 + 1e-12)
        # (After its own sale the price is lower, and so is what the spread takes of it.)
        assert left <= 1e5 - 0.75 * amount * 2.0 * spread + 1e-6
        assert left >= 1e5 - 1.01 * amount * 2.0 * spread - 1e-6


def test_a_part_of_the_impact_stays_and_the_rest_decays(small: Callable[..., Scenario]) -> None:
    market, agent = deep(small, permanent=0.25, half_life=10.0)
    agent.trade_outside("eth", "usdc", 5000.0)
    market.run(1)
    first = math.log(market.venue.price("eth") / 2000.0)
    market.run(10)
    assert math.log(market.venue.price("eth") / 2000.0) == pytest.approx(first * (0.25 + 0.375))
    market.run(400)
    assert math.log(market.venue.price("eth") / 2000.0) == pytest.approx(first * 0.25)


def test_depth_thins_as_volatility_rises(small: Callable[..., Scenario]) -> None:
    asset = {"process": "gbm", "volatility": 0.5, "volatility_memory": 50.0, "depth_exponent": 2.0}
    market, _ = deep(small, **asset)
    market.run(50)
    calm = market.venue.depth("eth")
    market.world.assets[0]["sigma"] *= 6.0
    market.run(300)
    assert market.venue.depth("eth") < calm / 8.0


@pytest.mark.parametrize("least", [0.0, 0.05, 0.5])
def test_a_crash_leaves_the_least_share_of_the_depth(
    small: Callable[..., Scenario], least: float
) -> None:
    asset = {"process": "gbm", "volatility": 0.5, "depth": 4e6, "least_depth": least}
    jump = {"kind": "price_jump", "asset": "eth", "size": -0.5, "block": 20}
    market = Market(small(venue={"assets": {"eth": asset}}, shocks=[jump]), rng=1).run(20)
    left = market.venue.depth("eth") / 4e6
    assert left == pytest.approx(least) if least else 0.0 < left < 0.01


def test_an_infinite_depth_is_not_moved(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1)
    agent = Idle(market, {"eth": 1e5}, "a")
    agent.trade_outside("eth", "usdc", 1e5)
    market.run(2)
    assert market.venue.price("eth") == pytest.approx(2000.0)
    assert market.venue.quote("eth", "usdc", 1.0) == pytest.approx(2000.0 * 0.9995)


def test_an_empty_venue_gives_nothing(small: Callable[..., Scenario]) -> None:
    market = Market(small(venue={"inventory": 100.0}), rng=1)
    agent = Idle(market, {"eth": 10.0}, "a")
    agent.trade_outside("eth", "usdc", 10.0)
    market.run(1)
    assert market.receipts()["reason"].astype(str).tolist() == ["venue_empty"]
    assert agent.wallet == {"eth": 10.0}
