"""Stylised facts (VALIDATION 22; Cont 2001), over twenty seeds.

Where traders outside make the price nobody put them in: all draws are normal and independent
between blocks; depth is constant. What is not normal, traders make: by following each other (Lux,
Marchesi 1999; Franke, Westerhoff 2012) or on margin (Thurner, Farmer, Geanakoplos 2012). In `calm`
the volatility of the outside price clusters, and its pools' prices inherit what fees and traders
let through.
"""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

from runs.dev.stylised_facts import (
    ALIKE,
    MARKET,
    MOVES_ALIKE,
    NO_REASONS,
    SEEDS,
    SQUARED_MEAN,
    STEADY,
    STEPS,
    calm_facts,
    excess_kurtosis,
    facts,
    hill,
    kurtosis_by_leverage,
    kurtosis_over,
    of_interval,
    outside_facts,
    returns_of,
    with_funds,
    with_traders,
)
from sim import Market, Scenario


@pytest.fixture(scope="module")
def table() -> dict[str, np.ndarray]:
    """Each fact, by its name, of all seeds."""
    rows = [facts(returns_of(Market(with_traders(), rng=seed).run())) for seed in SEEDS]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def test_tails_are_those_of_markets(table: dict[str, np.ndarray]) -> None:
    exponents = table["Hill exponent, top 2.5 %"]
    assert (exponents > 2.0).all()
    assert (exponents < 4.0).all()


def test_returns_do_not_tell_the_next(table: dict[str, np.ndarray]) -> None:
    """Of tails like these a sample's autocorrelation has an error of .02: the largest of sixteen
    lags and twenty seeds may pass .05, the bar of a lag."""
    largest = table["largest autocorrelation of returns, lags 5 to 20"]
    assert np.median(largest) < 0.05
    assert (largest < 0.05).mean() >= 0.8
    assert largest.max() < 0.08


def test_large_returns_follow_large_ones_for_months(table: dict[str, np.ndarray]) -> None:
    found = table[ALIKE]
    assert (found > table["2 / sqrt(n)"]).all()
    assert (table["autocorrelation of absolute returns, lag 1"] > found).all()


def test_kurtosis_falls_as_days_are_added_up(table: dict[str, np.ndarray]) -> None:
    found = np.array([table[kurtosis_over(days)] for days in STEPS])
    assert (np.diff(np.median(found, axis=1)) < 0.0).all()
    assert (found[0] > found[-1]).all()
    assert (found[0] > 5.0).all()


@pytest.mark.parametrize("chartists", [0.0, 1.0])
def test_traders_who_keep_to_their_rule_make_none_of_it(chartists: float) -> None:
    """A crowd of chartists alone loses its wealth within years: years are seen one by one."""
    content = copy.deepcopy(MARKET)
    content["agents"]["outside"] |= {"review": 0.0, "chartist": chartists}
    returns = returns_of(Market(Scenario.from_dict(content), rng=1).run(12_000))
    years = returns[:10_950].reshape(30, 365)
    alike = (years / years.std(axis=1, keepdims=True)).ravel()
    assert abs(excess_kurtosis(alike)) < 0.4
    assert hill(alike) > 5.0


def test_kurtosis_rises_with_the_leverage_that_is_permitted() -> None:
    """On common seeds, monotone within the error of the mean of logs."""
    logs = np.log(kurtosis_by_leverage())
    steps = np.diff(logs, axis=0)
    error = steps.std(axis=1) / np.sqrt(len(SEEDS))
    assert (steps.mean(axis=1) > -2.0 * error).all()
    assert (steps.mean(axis=1) > 2.0 * error).sum() >= 3
    assert np.exp(np.median(logs[0])) < 0.5
    assert np.exp(np.median(logs[-1])) > 5.0


def test_what_leverage_does_is_done_by_margin_calls() -> None:
    """Funds sell what falls only at their limit: in a fall they buy until there, and sell after."""
    market = Market(with_funds(8.0), rng=2).run()
    funds = market.cohorts["funds"]
    assert funds.numbers("ruins").sum() > 0.0
    calm = Market(with_funds(1.0), rng=2).run()
    assert calm.cohorts["funds"].numbers("ruins").sum() == 0.0
    assert hill(returns_of(market)) < hill(returns_of(calm)) - 1.0


# The scenario `outside`


def test_a_pool_beside_traders_outside_shows_the_facts_and_funds_that_borrow_undo_some() -> None:
    """Funds buy what fell and sell at their limit, so that returns turn around."""
    seeds = range(1, 9)
    without = pd.DataFrame([outside_facts({"agents.funds.count": 0}, seed) for seed in seeds])
    exponents = without["Hill exponent, top 2.5 %"]
    assert ((exponents > 2.0) & (exponents < 4.0)).all()
    assert without["largest autocorrelation of returns, lags 5 to 20"].median() < 0.05
    clustered = without[ALIKE]
    assert (clustered > without["2 / sqrt(n)"]).all()
    assert (without[kurtosis_over(1)] > without[kurtosis_over(50)]).all()
    assert (without["volume and volatility, 20 days"] > 0.3).all()
    shipped = pd.DataFrame([outside_facts({}, seed) for seed in seeds])
    assert shipped["Hill exponent, top 2.5 %"].median() < exponents.median()
    assert shipped["autocorrelation of returns, lag 1"].median() < -0.1


# The scenario `calm`


@pytest.fixture(scope="module")
def calm_week() -> pd.DataFrame:
    """What each of twenty weeks shows."""
    return pd.DataFrame([calm_facts({}, seed) for seed in SEEDS])


@pytest.mark.slow
def test_tails_of_a_minute_in_a_calm_pool_are_those_of_markets(calm_week: pd.DataFrame) -> None:
    """Of a block they are fatter, of five minutes thinner: most blocks move nothing."""
    hills = {n: of_interval(calm_week, n)["Hill exponent, top 2.5 %"] for n in (1, 5, 25)}
    assert ((hills[5] > 2.0) & (hills[5] < 4.0)).all()
    assert (hills[1] < hills[5]).all()
    assert (hills[5] < hills[25]).all()


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 5])
def test_returns_in_a_calm_pool_do_not_tell_the_next(calm_week: pd.DataFrame, every: int) -> None:
    found = of_interval(calm_week, every)
    assert (found["largest autocorrelation of returns, lags 5 to 20"] < 0.05).all()
    # What a large swap moves, arbitrageurs take back.
    assert (found["autocorrelation of returns, lag 1"] < 0.0).all()


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 5])
def test_kurtosis_in_a_calm_pool_falls_with_time(calm_week: pd.DataFrame, every: int) -> None:
    found = of_interval(calm_week, every)
    medians = np.array([found[kurtosis_over(steps)].median() for steps in STEPS])
    assert (np.diff(medians) < 0.0).all()
    assert (found[kurtosis_over(1)] > 5.0).all()
    assert (found[kurtosis_over(1)] > found[kurtosis_over(50)]).all()


@pytest.mark.slow
def test_volume_in_a_calm_pool_follows_outside_volatility(calm_week: pd.DataFrame) -> None:
    """Because traders have that reason: without it, or without a volatility that moves, less so."""
    for window, most in (("75", 0.2), ("300", 0.3)):
        name = f"volume and volatility, {window} blocks"
        assert calm_week[name].median() > 0.3
        assert (calm_week[name] > 0.1).all()
        for cut in (NO_REASONS, STEADY):
            without = [calm_facts(cut, seed)[name] for seed in range(1, 6)]
            assert np.median(without) < most


@pytest.mark.slow
def test_sizes_in_a_calm_pool_cluster_less_than_a_week_can_tell(calm_week: pd.DataFrame) -> None:
    """The fact that fails: whether the pool moves clusters, how far it moves buries it."""
    found = of_interval(calm_week, 1)
    size = found[ALIKE]
    assert size.mean() > 3.0 * size.std(ddof=1) / np.sqrt(size.size)  # of all weeks together
    assert (size > found["2 / sqrt(n)"]).mean() < 0.5
    moves = found[MOVES_ALIKE]
    assert moves.median() > 2.0 * found["2 / sqrt(n)"].iloc[0]
    assert (found[f"{ALIKE}, outside"] > 0.05).all()
    # As a share of the mean the pool's sizes are as alike as the outside's; it is spread more.
    shares = (
        size / found[SQUARED_MEAN],
        found[f"{ALIKE}, outside"] / found[f"{SQUARED_MEAN}, outside"],
    )
    assert shares[0].mean() > 0.8 * shares[1].mean()
    assert (found[SQUARED_MEAN] < 0.2 * found[f"{SQUARED_MEAN}, outside"]).all()


@pytest.mark.slow
def test_how_many_arbitrageurs_there_are_changes_no_fact(calm_week: pd.DataFrame) -> None:
    few = pd.DataFrame([calm_facts({"agents.arbitrageurs.count": 4}, seed) for seed in (1, 2, 3)])
    name = "5: Hill exponent, top 2.5 %"
    assert few[name].to_numpy() == pytest.approx(calm_week[name].to_numpy()[:3], rel=0.02)
