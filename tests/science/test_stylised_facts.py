"""Stylised facts that nobody put in (VALIDATION 22; Cont 2001), over twenty seeds.

All draws are normal and independent between blocks; depth is constant. What is not normal, traders
make: by following each other (Lux, Marchesi 1999; Franke, Westerhoff 2012) or on margin (Thurner,
Farmer, Geanakoplos 2012).
"""

from __future__ import annotations

import copy

import numpy as np
import pytest

from runs.dev.stylised_facts import (
    MARKET,
    SEEDS,
    excess_kurtosis,
    facts,
    hill,
    kurtosis_by_leverage,
    returns_of,
    with_funds,
    with_traders,
)
from sim import Market, Scenario

DAYS = (1, 5, 20, 50)


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
    found = table["autocorrelation of absolute returns, lag 50"]
    assert (found > table["2 / sqrt(n)"]).all()
    assert (table["autocorrelation of absolute returns, lag 1"] > found).all()


def test_kurtosis_falls_as_days_are_added_up(table: dict[str, np.ndarray]) -> None:
    names = [f"excess kurtosis of returns over {d} day{'s' if d > 1 else ''}" for d in DAYS]
    found = np.array([table[name] for name in names])
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
