"""Noise: clustered arrivals, many sizes, both sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sim import Market, Scenario


def traded(small: Callable[..., Scenario], blocks: int = 2000, **columns: Any) -> np.ndarray:
    group = {
        "kind": "noise_trader",
        "count": 500,
        "pools": ["eth-usdc"],
        "wallet": {"eth": 1e6, "usdc": 1e9},
        "rate": 0.01,
        "mood": 0.0,
        "tail": 0.0,
    } | columns
    reserves = {"eth": 1e9, "usdc": 2e12}
    setup = small(agents={"traders": group}, pools={"eth-usdc": {"reserves": reserves}})
    return Market(setup, rng=1).run(blocks).receipts()


def a_block(frame: Any, blocks: int = 2000) -> np.ndarray:
    return np.bincount(frame["block"], minlength=blocks + 1)[1:]


def test_base_rates_add_up(small: Callable[..., Scenario]) -> None:
    counts = a_block(traded(small, branching=0.0))
    assert counts.mean() == pytest.approx(5.0, rel=0.03)
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=0.1)  # Poisson


def test_branching_adds_trades_and_clusters_them(small: Callable[..., Scenario]) -> None:
    counts = a_block(traded(small, 6000, branching=0.6, memory=1.0), 6000)
    assert counts.mean() == pytest.approx(5.0 / (1.0 - 0.6), rel=0.05)
    # An integer GARCH(1,1) with a = 0.6 (1 - 1/e), b = 1/e (Ferland et al. 2006).
    a, b = 0.6 * (1.0 - np.exp(-1.0)), np.exp(-1.0)
    dispersion = 1.0 + a**2 / (1.0 - (a + b) ** 2)
    assert counts.var() / counts.mean() == pytest.approx(dispersion, rel=0.08)
    assert np.corrcoef(counts[1:], counts[:-1])[0, 1] > 0.2


def test_sizes_are_lognormal_with_the_stated_median(small: Callable[..., Scenario]) -> None:
    frame = traded(small, size=300.0, spread=0.8, branching=0.0)
    worth = np.where(frame["token_in"] == "eth", 2000.0, 1.0) * frame["amount_in"]
    assert np.median(worth) == pytest.approx(300.0, rel=0.05)
    assert np.log(worth).std() == pytest.approx(0.8, rel=0.05)


def test_the_tail_is_pareto(small: Callable[..., Scenario]) -> None:
    frame = traded(small, size=100.0, spread=0.0, tail=1.0, tail_shape=1.5, branching=0.0)
    worth = np.where(frame["token_in"] == "eth", 2000.0, 1.0) * frame["amount_in"]
    exponent = 1.0 / np.mean(np.log(worth / 100.0))
    assert exponent == pytest.approx(1.5, rel=0.05)


def test_sides_are_even_without_a_mood_and_swing_with_it(small: Callable[..., Scenario]) -> None:
    even = (traded(small, branching=0.0)["token_in"] == "eth").mean()
    assert even == pytest.approx(0.5, abs=0.02)
    frame = traded(small, branching=0.0, herding=1.0, mood=200.0)
    swings = (frame["token_in"] == "eth").groupby(frame["block"] // 100).mean()
    assert swings.std() > 0.1


def test_a_quote_that_moved_away_is_refused(small: Callable[..., Scenario]) -> None:
    group = {
        "kind": "noise_trader",
        "count": 50,
        "pools": ["eth-usdc"],
        "rate": 1.0,
        "branching": 0.0,
        "size": 50_000.0,
        "slippage": 0.001,
        "wallet": {"eth": 1e3, "usdc": 1e6},
    }
    frame = Market(small(agents={"traders": group}), rng=1).run(5).receipts()
    assert set(frame["reason"].astype(str)) == {"done", "limit"}


REASONS = {"volume_elasticity": 1.5, "news": 4.0, "news_memory": 20.0, "branching": 0.5}


def active(small: Callable[..., Scenario], seed: int, one_by_one: bool) -> np.ndarray:
    """Swaps a block of a group with reasons, at a price whose volatility comes and goes."""
    group = {
        "kind": "noise_trader",
        "count": 500,
        "pools": ["eth-usdc"],
        "wallet": {"eth": 1e6, "usdc": 1e9},
        "rate": {"distribution": "lognormal", "median": 0.002, "sigma": 1.0, "at_most": 1.0},
    }
    moves = {"process": "garch", "volatility": 1.0, "alpha": 0.1, "beta": 0.88}
    setup = small(
        agents={"traders": group | REASONS},
        pools={"eth-usdc": {"reserves": {"eth": 1e9, "usdc": 2e12}}},
        venue={"assets": {"eth": moves}},
    )
    market = Market(setup, rng=seed)
    if one_by_one:
        market.cohorts["traders"].ask_everybody()
    return a_block(market.run(1000).receipts(), 1000)


def test_reasons_keep_within_the_bounds_by_which_actors_are_found(
    small: Callable[..., Scenario],
) -> None:
    found = np.array([active(small, s, False) for s in range(1, 31)])
    asked = np.array([active(small, s, True) for s in range(1, 31)])
    # The same outside prices in each pair, other draws.
    gap = found.mean(axis=1) - asked.mean(axis=1)
    assert abs(gap.mean()) < 3.0 * gap.std(ddof=1) / np.sqrt(gap.size)
    assert abs(gap.mean()) < 0.06 * asked.mean()
    both = found + asked  # where bounds would bind first
    busy = both > np.quantile(both, 0.98)
    assert found[busy].mean() == pytest.approx(asked[busy].mean(), rel=0.1)


def test_reasons_that_weigh_nothing_change_no_bit(small: Callable[..., Scenario]) -> None:
    plain = traded(small, 300)
    silent = {"habit": 1.0, "informed": 0.0, "volume_elasticity": 0.0, "news": 0.0}
    assert traded(small, 300, **silent).equals(plain)
    # Draws of its own: what a swap is does not hang on where it goes.
    free = traded(small, 300, habit=0.0)
    assert free[["block", "sender", "amount_in"]].equals(plain[["block", "sender", "amount_in"]])
