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
from sim.ledger import Ledger
from sim.randomness import stream_key
from sim.units import YEAR
from sim.venue import ASSET, ASSET_SLOTS, bridge, foresee, move, poisson, step_of


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


def crowd_of(
    process: str, blocks: int, size: int = 1000, seed: int = 1, **fields: float
) -> tuple[np.ndarray, np.ndarray]:
    """(log prices, variances), float64[blocks + 1, size], of independent assets alike."""
    assets = np.zeros(size, ASSET)
    assets["step_at"] = step_of(process)
    assets["slot"] = ASSET_SLOTS * np.arange(size)
    assets["stream"] = [stream_key(seed, f"asset:{i}") for i in range(size)]
    assets["price"] = assets["before"] = assets["depth_multiple"] = assets["decay"] = 1.0
    assets["depth"] = math.inf
    for name, value in fields.items():
        assets[name] = value
    assets["price"] = assets["before"] = np.exp(assets["x"])
    books = Ledger(["venue"], ["usdc"], slots=ASSET_SLOTS * size).books
    x, v = [assets["x"].copy()], [assets["variance"].copy()]
    alone, none = np.eye(size), np.zeros((1, 1))
    for block in range(1, blocks + 1):
        move(books, assets, alone, none, block)
        x.append(assets["x"].copy())
        v.append(assets["variance"].copy())
    return np.array(x), np.array(v)


def test_a_mean_reverting_price_returns(small: Callable[..., Scenario]) -> None:
    r = path(small, 30_000, process="mean_reverting", price=1.0, volatility=0.1, reversion=50_000.0)
    log_price = np.cumsum(r)
    dt = 12.0 / YEAR
    assert log_price.std() == pytest.approx(0.1 / math.sqrt(2.0 * 50_000.0), rel=0.1)
    assert np.corrcoef(log_price[1:], log_price[:-1])[0, 1] == pytest.approx(
        math.exp(-50_000.0 * dt), abs=0.01
    )


@pytest.mark.parametrize("k", [1e-9, 0.01, 0.7, 2.0, 5.0, 1e6])
def test_mean_reversion_is_exact_however_fast(k: float) -> None:
    """Ornstein, Uhlenbeck: variance sigma^2 (1 - e^-2kt) / 2k, correlation e^-k; k = 5 was NaN."""
    sigma, blocks = 0.02, 30
    x, _ = crowd_of("mean_reverting", blocks, size=4000, reversion=k, sigma=sigma)
    want = sigma**2 * -math.expm1(-2.0 * k * blocks) / (2.0 * k)
    assert x[-1].var() == pytest.approx(want, rel=0.1)
    assert x[-1].mean() == pytest.approx(0.0, abs=4.0 * math.sqrt(want / 4000))
    late = x[10:]  # at k = 0.01 not stationary yet: the slope is, from the first block on
    slope = (late[1:] * late[:-1]).sum() / (late[:-1] ** 2).sum()
    assert slope == pytest.approx(math.exp(-k), abs=0.02)
    # From afar: the way back is e^-k a block, without a draw's help.
    far, _ = crowd_of("mean_reverting", 3, size=1, reversion=k, sigma=0.0, x=1.5)
    assert far[:, 0] == pytest.approx(1.5 * np.exp(-k * np.arange(4.0)), abs=1e-12)


def test_what_agents_have_moved_returns_too_and_at_once(small: Callable[..., Scenario]) -> None:
    asset = {"process": "mean_reverting", "volatility": 0.0, "permanent": 0.5, "half_life": 1.0}
    dt = 12.0 / YEAR
    for k in (0.2, 30.0):
        market, agent = deep(small, reversion=k / dt, **asset)
        agent.trade_outside("eth", "usdc", 5000.0)
        market.run(1)
        moved = math.log(market.venue.price("eth") / 2000.0)
        assert moved < -0.09
        market.run(1)  # half of the transient half is gone, then e^-k of what is left stays
        after = math.log(market.venue.price("eth") / 2000.0)
        assert after == pytest.approx(0.75 * moved * math.exp(-k), abs=1e-12)


def test_the_volatility_of_a_calm_mean_reverting_price_counts_as_normal(
    small: Callable[..., Scenario],
) -> None:
    """A block's change is ``sigma^2 (1 - e^-k) / k``: a fifth of sigma^2 at k = 5."""
    dt = 12.0 / YEAR
    asset = {"process": "mean_reverting", "reversion": 5.0 / dt, "volatility": 2.0}
    normal = Market(small(venue={"assets": {"eth": asset}})).venue.asset("eth")["normal_variance"]
    assert normal == pytest.approx(4.0 * dt * -math.expm1(-5.0) / 5.0)
    assert path(small, 20_000, **asset).var() == pytest.approx(normal, rel=0.05)


HARD = [  # reversion, long-run variance, volatility of variance, leverage: all a block's
    (0.076, 2.4e-7, 2.7e-4, -0.5),  # as ours are: Feller's condition is met by half
    (3.0, 1e-4, 0.1, -0.9),  # violated: 2 k theta / eps^2 is 0.06
    (3.0, 0.04, 1.0, 0.9),
    (10.0, 0.04, 2.0, -1.0),
    (50.0, 0.04, 3.0, 0.0),
    (1e5, 1e-3, 30.0, -0.7),
]


@pytest.mark.parametrize(("k", "theta", "eps", "rho"), HARD)
def test_heston_has_its_moments_whatever_its_parameters(
    k: float, theta: float, eps: float, rho: float
) -> None:
    """Andersen 2008: exact mean and variance of V, an exact mean of the price; never NaN."""
    start = 4.0 * theta
    fields = {"reversion": k, "sigma": math.sqrt(theta), "vol_of_vol": eps, "leverage": rho}
    x, v = crowd_of("heston", 60, size=3000, variance=start, **fields)
    assert np.isfinite(x).all()
    assert v.min() >= 0.0
    # One block from the start: Cox, Ingersoll, Ross 1985, equation 19.
    decay = math.exp(-k)
    mean = theta + (start - theta) * decay
    variance = eps**2 / k * (1.0 - decay) * (start * decay + 0.5 * theta * (1.0 - decay))
    error = math.sqrt(variance / 3000)
    assert v[1].mean() == pytest.approx(mean, abs=4.0 * error)
    assert v[1].var() == pytest.approx(variance, rel=0.25)
    # In the long run: blocks are correlated by e^-k.
    if k > 0.5:
        calm, long_run = v[30:], theta * eps**2 / (2.0 * k)
        assert calm.mean() == pytest.approx(theta, abs=5.0 * math.sqrt(long_run / calm.size))
        assert calm.var() == pytest.approx(long_run, rel=0.15)
    # The price is a martingale, its log's variance that of the integral of V.
    r = np.diff(x, axis=0)
    assert np.exp(r).mean() == pytest.approx(1.0, abs=4.0 * np.exp(r).std() / math.sqrt(r.size))
    integral = theta + (start - theta) * (1.0 - decay) / k
    assert r[0].mean() == pytest.approx(-0.5 * integral, abs=4.0 * math.sqrt(integral / 3000))
    if theta < 0.01:  # where the integral's own variance adds nothing to the log price's
        assert r[0].var() == pytest.approx(integral, rel=0.12)
    covariance = rho * eps * (theta * (1.0 - decay) / k + (start - theta) * decay)
    found = float(np.mean((r[0] - r[0].mean()) * (v[1] - v[1].mean())))
    noise = 4.0 * math.sqrt(r[0].var() * v[1].var() / 3000) * 2.0
    assert found == pytest.approx(covariance, abs=noise + 0.1 * abs(covariance))


def characteristic(
    u: float, time: float, k: float, theta: float, eps: float, rho: float, v: float
) -> complex:
    """E exp(i u log(S_t / S_0)) of Heston (1993), as Albrecher et al. (2007) write it."""
    root = np.sqrt((rho * eps * 1j * u - k) ** 2 + eps**2 * (1j * u + u * u))
    low, high = k - rho * eps * 1j * u - root, k - rho * eps * 1j * u + root
    shrunk = np.exp(-root * time)
    g = low / high
    level = k * theta / eps**2 * (low * time - 2.0 * np.log((1.0 - g * shrunk) / (1.0 - g)))
    return complex(np.exp(level + v * low / eps**2 * (1.0 - shrunk) / (1.0 - g * shrunk)))


@pytest.mark.parametrize(
    ("k", "theta", "eps", "rho", "blocks", "off"),
    [
        (0.076, 2.4e-7, 2.7e-4, -0.5, 40, 0.0),
        (0.1, 1e-4, 0.01, -0.9, 40, 0.0),  # Feller's condition violated: 0.2
        (3.0, 1e-4, 0.1, -0.9, 40, 0.015),  # a block is three times the variance's memory
        (50.0, 0.04, 3.0, -1.0, 20, 0.02),
    ],
)
def test_hestons_log_price_has_its_characteristic_function(
    k: float, theta: float, eps: float, rho: float, blocks: int, off: float
) -> None:
    """`off`: what a single step over a block as long as that misses, beyond the sample's error."""
    fields = {"reversion": k, "sigma": math.sqrt(theta), "vol_of_vol": eps, "leverage": rho}
    x, _ = crowd_of("heston", blocks, size=4000, variance=theta, **fields)
    for times in (0.5, 1.0, 2.0):
        u = times / math.sqrt(theta * blocks)
        want = characteristic(u, float(blocks), k, theta, eps, rho, theta)
        found = np.exp(1j * u * x[-1]).mean()
        assert abs(found - want) < 3.0 / math.sqrt(4000) + off


def test_a_variance_that_does_not_move_is_gbm() -> None:
    """Without a volatility of variance, or with next to none, Heston's price is lognormal."""
    fields = {"reversion": 0.3, "sigma": 0.02, "variance": 0.02**2, "leverage": -1.0}
    gbm, _ = crowd_of("gbm", 50, size=20, sigma=0.02)
    still, v = crowd_of("heston", 50, size=20, **fields)
    assert v == pytest.approx(0.02**2)
    assert still == pytest.approx(gbm, abs=1e-14)
    fields["reversion"] = 0.0
    nearly, _ = crowd_of("heston", 50, size=20, vol_of_vol=1e-8, **fields)
    assert nearly == pytest.approx(gbm, abs=1e-5)


@pytest.mark.parametrize("rho", [-1.0, -0.5, 0.3])
def test_hestons_price_follows_the_shock_that_other_assets_share(rho: float) -> None:
    """The shock is the price's, whatever the leverage; the variance takes its part of it."""
    level = {"reversion": 0.05, "sigma": 0.02, "variance": 0.02**2, "vol_of_vol": 1e-3}
    gbm, _ = crowd_of("gbm", 20, size=2000, sigma=0.02)
    heston, v = crowd_of("heston", 20, size=2000, leverage=rho, **level)
    mine, shock = np.diff(heston, axis=0).ravel(), np.diff(gbm, axis=0).ravel()
    assert np.corrcoef(mine, shock)[0, 1] > 0.99
    assert np.corrcoef(np.diff(v, axis=0).ravel(), shock)[0, 1] == pytest.approx(rho, abs=0.03)


@pytest.mark.parametrize("mean", [0.01, 0.7, 3.0, 30.0, 500.0])
def test_the_jumps_of_a_block_are_a_poisson_number(mean: float) -> None:
    """Merton's process had at most one, whatever its rate."""
    x, _ = crowd_of("jumps", 20, size=2000, jump_chance=mean, jump_mean=0.01, jump_sd=0.0)
    step = mean * math.expm1(0.01)
    number = (np.diff(x, axis=0) + step) / 0.01
    assert number == pytest.approx(np.round(number), abs=1e-6)
    assert number.mean() == pytest.approx(mean, abs=4.0 * math.sqrt(mean / number.size))
    assert number.var() == pytest.approx(mean, rel=0.04 + 4.0 / math.sqrt(mean * number.size))
    share = (number < 0.5).mean()
    assert share == pytest.approx(math.exp(-mean), abs=4.0 * math.sqrt(0.25 / number.size))


@pytest.mark.parametrize("mean", [0.0, 0.3, 20.0, 99.0])
def test_poisson_quantiles_are_those_of_the_sum(mean: float) -> None:
    total, term, n = 0.0, math.exp(-mean), 0
    while total < 1.0 - 1e-6:
        total += term
        if total < 1.0 - 1e-9:
            assert poisson(mean, total - 1e-12) <= n <= poisson(mean, total + 1e-12)
        n += 1
        term *= mean / n
    assert poisson(mean, 1.0 - 2.0**-54) < mean + 12.0 * math.sqrt(mean) + 30.0


@pytest.mark.parametrize("mean", [101.0, 1e4, 1e12])
def test_many_jumps_are_counted_to_a_fraction_of_their_spread(mean: float) -> None:
    u = (np.arange(4000) + 0.5) / 4000
    n = np.array([poisson(mean, p) for p in u])
    assert n.mean() == pytest.approx(mean, abs=0.02 * math.sqrt(mean))
    assert n.var() == pytest.approx(mean, rel=0.01)
    skew = ((n - n.mean()) ** 3).mean() / n.std() ** 3
    assert skew == pytest.approx(1.0 / math.sqrt(mean), abs=0.01)


def test_jumps_of_any_rate_are_compensated() -> None:
    fields = {"jump_chance": 2.5, "jump_mean": -0.02, "jump_sd": 0.05, "sigma": 0.01, "drift": 1e-3}
    x, _ = crowd_of("jumps", 100, size=1000, **fields)
    r = np.exp(np.diff(x, axis=0))
    assert r.mean() == pytest.approx(math.exp(1e-3), abs=4.0 * r.std() / math.sqrt(r.size))
    assert np.diff(x, axis=0).var() == pytest.approx(1e-4 + 2.5 * (0.02**2 + 0.05**2), rel=0.02)


EXTREMES: list[tuple[str, dict[str, float]]] = [
    ("constant", {"sigma": 1e3}),
    ("gbm", {"sigma": 50.0, "drift": 20.0}),
    ("jumps", {"sigma": 0.1, "jump_chance": 1e9, "jump_mean": -0.5, "jump_sd": 1.0}),
    ("jumps", {"jump_chance": 1e-300, "jump_mean": 5.0, "jump_sd": 3.0}),
    ("heston", {"sigma": 0.3, "variance": 0.09, "reversion": 1e9, "vol_of_vol": 1e6}),
    ("heston", {"sigma": 1e-9, "variance": 0.09, "reversion": 1e-12, "vol_of_vol": 50.0}),
    ("heston", {"sigma": 0.0, "variance": 0.0, "reversion": 0.1, "vol_of_vol": 0.1}),
    ("heston", {"sigma": 0.0, "variance": 1.0, "reversion": 800.0, "vol_of_vol": 0.1}),
    ("heston", {"sigma": 2.0, "variance": 4.0, "vol_of_vol": 9.0, "leverage": 1.0}),
    ("heston", {"sigma": 2.0, "variance": 4.0, "vol_of_vol": 1e-300, "leverage": -1.0}),
    ("garch", {"sigma": 0.5, "variance": 0.25, "alpha": 0.5, "beta": 0.4999999999}),
    ("garch", {"sigma": 0.5, "variance": 0.25, "alpha": 0.9999999999}),
    ("garch", {"sigma": 0.5, "variance": 0.25, "beta": 0.9999999999}),
    ("mean_reverting", {"sigma": 5.0, "reversion": 1e300}),
    ("mean_reverting", {"sigma": 5.0, "x": 200.0, "reversion": 3.0}),
]


@pytest.mark.parametrize(("process", "fields"), EXTREMES)
def test_no_parameters_make_a_price_that_is_no_number(
    process: str, fields: dict[str, float]
) -> None:
    x, v = crowd_of(process, 500, size=20, **fields)
    assert np.isfinite(x).all()
    assert np.isfinite(v).all()
    assert (v >= 0.0).all()
    assert (np.exp(x) > 0.0).all()


def test_garch_near_one_forgets_slowly_and_keeps_its_level() -> None:
    """alpha + beta = 0.999: the mean of the variance stays, shocks fade by that a block."""
    x, v = crowd_of("garch", 200, size=4000, sigma=0.01, variance=4e-4, alpha=0.02, beta=0.979)
    want = 1e-4 + 3e-4 * 0.999 ** np.arange(201)
    assert v.mean(axis=1) == pytest.approx(want, rel=0.04)
    r = np.diff(x, axis=0)
    assert np.exp(r).mean() == pytest.approx(1.0, abs=4.0 * r.std() / math.sqrt(r.size))


EVERY_KIND: dict[str, dict[str, Any]] = {
    "eth": {"process": "gbm"},
    "gone": {"price": 3.0, "process": "jumps", "jump_rate": 1e6, "jump_sd": 0.01},
    "btc": {"price": 40_000.0, "process": "heston", "reversion": 1e5, "vol_of_vol": 900.0},
    "sol": {"price": 150.0, "process": "jumps", "jump_rate": 1e5, "jump_sd": 0.02},
    "dai": {"price": 1.0, "process": "mean_reverting", "reversion": 1e5, "volatility": 0.1},
    "lido": {"price": 1900.0, "process": "garch", "alpha": 0.1, "beta": 0.85},
}


def test_taking_an_asset_away_leaves_the_others_paths_to_the_bit(
    small: Callable[..., Scenario],
) -> None:
    """Draws were keyed by the asset's place: all after it had another's luck."""

    def prices(names: list[str], **changes: Any) -> dict[str, np.ndarray]:
        assets = {n: EVERY_KIND[n] for n in names}
        correlation = {"btc:eth": 0.7, "sol:eth": 0.5, "sol:btc": 0.6, "lido:eth": 0.4}
        setup = small(
            blocks=200,
            venue={"assets": assets, "correlation": correlation},
            measures={"keep": ["venue.*.price"]},
            **changes,
        )
        frame = Market(setup, rng=3).run().datacollector.get_model_vars_dataframe()
        return {n: frame[f"venue.{n}.price"].to_numpy() for n in names}

    everybody = prices(list(EVERY_KIND))
    left = prices([n for n in EVERY_KIND if n != "gone"])
    for name, series in left.items():
        assert series.tobytes() == everybody[name].tobytes(), name
        assert np.unique(series).size > 150
    # In another order only what is factored differently moves: those that correlate.
    turned = prices(["eth", "lido", "dai", "gone", "btc", "sol"])
    for name in ("eth", "dai", "gone"):
        assert turned[name].tobytes() == everybody[name].tobytes()


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


def jumps_of(
    small: Callable[..., Scenario], common: float, rates: dict[str, float], **more: Any
) -> dict[str, np.ndarray]:
    """Log returns of assets that jump and do nothing else, rates in jumps a block."""
    assets = {
        name: {
            "price": 100.0,
            "process": "jumps",
            "volatility": 0.0,
            "jump_rate": rate * YEAR / 12.0,
            "jump_sd": 0.05,
        }
        for name, rate in rates.items()
    }
    setup = small(
        blocks=40_000,
        venue={"assets": {"eth": {"process": "constant"}} | assets, "jump_correlation": common}
        | more,
        measures={"keep": ["venue.*.price"]},
    )
    frame = Market(setup, rng=5).run().datacollector.get_model_vars_dataframe()
    return {n: np.diff(np.log(frame[f"venue.{n}.price"].to_numpy())) for n in rates}


def jumped(r: np.ndarray) -> np.ndarray:
    return np.abs(r - np.median(r)) > 1e-9


def test_jumps_come_together_as_often_as_their_correlation_says(
    small: Callable[..., Scenario],
) -> None:
    """Common Poisson shocks (Marshall, Olkin 1967): each asset jumps as often as alone."""
    common, often, seldom = 0.6, 0.02, 0.005
    rates = {"a": often, "b": often, "c": seldom}
    r = jumps_of(small, common, rates, correlation={"a:b": 0.8})
    hit = {name: jumped(each) for name, each in r.items()}
    for name, rate in rates.items():
        mean, error = -math.expm1(-rate), math.sqrt(rate / 4e4)
        assert hit[name].mean() == pytest.approx(mean, abs=4.0 * error)
        assert r[name].std() == pytest.approx(0.05 * math.sqrt(rate), rel=0.15)
    share = (hit["a"] & hit["b"]).sum() / hit["a"].sum()
    assert share == pytest.approx(common, abs=4.0 * math.sqrt(common * (1 - common) / 800))
    # The one that jumps less often: as far as jumps are common, it jumps only with the other.
    share = (hit["a"] & hit["c"]).sum() / hit["c"].sum()
    assert share == pytest.approx(common + (1 - common) * often, abs=0.14)
    counts = np.corrcoef(hit["a"], hit["c"])[0, 1]
    assert counts == pytest.approx(common * math.sqrt(seldom / often), abs=0.06)
    both = hit["a"] & hit["b"]
    assert np.corrcoef(r["a"][both], r["b"][both])[0, 1] == pytest.approx(0.8, abs=0.07)
    both = hit["a"] & hit["c"]
    assert abs(np.corrcoef(r["a"][both], r["c"][both])[0, 1]) < 0.35


def test_without_it_jumps_are_independent(small: Callable[..., Scenario]) -> None:
    r = jumps_of(small, 0.0, {"a": 0.02, "b": 0.02}, correlation={"a:b": 0.8})
    a, b = jumped(r["a"]), jumped(r["b"])
    assert (a & b).sum() < 40  # 16 are expected, 480 where three in five are common


def test_common_jumps_are_an_assets_own_whoever_is_beside(small: Callable[..., Scenario]) -> None:
    alone = jumps_of(small, 0.5, {"a": 0.01})["a"]
    beside = jumps_of(small, 0.5, {"z": 0.3, "a": 0.01})["a"]
    assert alone.tobytes() == beside.tobytes()


@pytest.mark.parametrize("impact", ["permanent", "reverting"])
def test_impact_on_a_recorded_price_goes_where_it_reverts(
    small: Callable[..., Scenario], impact: str
) -> None:
    bridged = {
        "process": "bridge",
        "points": [[0.0, 2000.0], [10.0, 2000.0]],
        "volatility": 0.0,
        "permanent": 0.5,
        "half_life": 5.0,
        "impact": impact,
    }
    market, agent = deep(small, **bridged)
    agent.trade_outside("eth", "usdc", 1e6 / 2000.0)
    market.run(1)
    assert market.venue.price("eth") == pytest.approx(2000.0 / 1.01)
    market.run(5)
    left = 0.5 if impact == "reverting" else 0.75
    assert market.venue.price("eth") == pytest.approx(2000.0 * 1.01**-left)
    market.run(200)
    left = 0.0 if impact == "reverting" else 0.5
    assert market.venue.price("eth") == pytest.approx(2000.0 * 1.01**-left)


def test_a_process_that_is_drawn_keeps_what_stays_of_an_impact(
    small: Callable[..., Scenario],
) -> None:
    market, _ = deep(small, process="gbm", permanent=0.4, impact="reverting")
    assert market.venue.asset("eth")["permanent"] == 0.4


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


@pytest.mark.parametrize("part", [0.01, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("first", ["sell", "buy"])
@pytest.mark.parametrize("wait", [1, 10, 300])
def test_no_way_there_and_back_over_several_blocks_pays(
    small: Callable[..., Scenario], part: float, first: str, wait: int
) -> None:
    """A depth stated at the price that a sale had pushed down paid for selling and buying back."""
    asset = {"depth": 1e6, "spread": 0.0, "inventory": 1e9}
    market = Market(small(blocks=1000, venue={"inventory": 1e13, "assets": {"eth": asset}}), rng=1)
    amount = part * float(market.venue.asset("eth")["units"])
    rich = 1e12
    ann = Idle(market, {"eth": 2.0 * amount, "usdc": rich}, "ann")
    numbers = market.ledger.token("eth"), market.ledger.token("usdc")

    def buy(tokens: float) -> None:
        """What the tokens cost, by bisection over what is quoted."""
        low, high = 0.0, rich
        for _ in range(200):
            money = 0.5 * (low + high)
            got = market.venue.quote("usdc", "eth", money)
            low, high = (money, high) if got < tokens else (low, money)
        ann.trade_outside("usdc", "eth", high)
        market.run(1)

    def sell(tokens: float) -> None:
        ann.trade_outside("eth", "usdc", tokens)
        market.run(1)

    there, back = (sell, buy) if first == "sell" else (buy, sell)
    there(amount)
    market.run(wait - 1)
    back(amount)
    assert set(market.receipts()["status"].astype(str)) == {"done"}
    eth, usdc = (float(market.ledger.balances[ann.account, n]) for n in numbers)
    # The price has moved on since it was quoted, so a little more or less is bought.
    assert eth == pytest.approx(2.0 * amount, rel=0.02)
    assert usdc - rich + (eth - 2.0 * amount) * 2000.0 < 1e-9 * rich


@pytest.mark.parametrize(
    "asset",
    [
        {"process": "constant"},
        {"process": "gbm"},
        {"process": "jumps", "jump_rate": 1e6, "jump_sd": 0.01},
        {"process": "heston", "reversion": 1e4, "vol_of_vol": 100.0, "leverage": -0.5},
        {"process": "garch", "alpha": 0.1, "beta": 0.8},
        {"process": "mean_reverting", "reversion": 1e4},
        {"process": "bridge", "points": [[0.0, 2000.0], [0.2, 1500.0]]},
    ],
)
def test_the_next_move_can_be_foreseen_and_comes_all_the_same(
    small: Callable[..., Scenario], asset: dict[str, Any]
) -> None:
    btc = {"price": 3e4, "process": "gbm"}
    content = small(venue={"assets": {"btc": btc, "eth": asset}}).to_dict()
    content["venue"]["assets"] = {n: content["venue"]["assets"][n] for n in ("btc", "eth")}
    content["venue"]["correlation"] = {"btc:eth": 0.7}
    setup = Scenario.from_dict(content)
    market, other = Market(setup, rng=3), Market(setup, rng=3)
    w = market.world
    for block in range(1, 41):
        before = float(w.assets[1]["x"])
        was = w.assets.tobytes()
        told = foresee(w.books, w.assets, w.cholesky, w.paths, block, 1)
        assert w.assets.tobytes() == was
        market.step()
        other.step()
        assert float(w.assets[1]["x"]) - before == pytest.approx(told, abs=1e-12)
        assert w.assets["price"].tobytes() == other.world.assets["price"].tobytes()


def test_no_sale_takes_a_price_beyond_all_numbers(small: Callable[..., Scenario]) -> None:
    market = Market(small(venue={"assets": {"eth": {"depth": 1.0}}}), rng=1)
    seller = MarketAgent(market, {"eth": 1e6})
    seller.trade_outside("eth", "usdc", 5e5)
    market.step()
    (last,) = market.receipts().tail(1).itertuples()
    assert (last.status, last.reason) == ("reverted", "venue_empty")
    assert market.price("eth") == pytest.approx(2000.0)
    seller.trade_outside("eth", "usdc", 0.01)
    market.step()
    assert market.receipts().status.iloc[-1] == "done"
