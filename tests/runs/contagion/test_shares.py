"""Shares of a loss: games with known values, and planted effects under noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.contagion.shares import (
    coalitions,
    interactions,
    intervals,
    joined,
    orders,
    shapley,
    shapley_of_orders,
)

PLAYERS = ("a", "b", "c")


def test_the_glove_game() -> None:
    # One left glove, two right ones: a pair is worth 1. Shapley values 2/3, 1/6, 1/6.
    worth = {s: np.array([1.0 if "a" in s and len(s) > 1 else 0.0]) for s in coalitions(PLAYERS)}
    found = shapley(PLAYERS, worth)
    assert [float(found[p][0]) for p in PLAYERS] == pytest.approx([2 / 3, 1 / 6, 1 / 6])
    pairs = interactions(PLAYERS, worth)
    assert pairs["a", "b"][0] == pytest.approx(0.5)
    assert pairs["b", "c"][0] == pytest.approx(-0.5)


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_shares_sum_to_all(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    players = [f"p{k}" for k in range(count)]
    worth = {s: rng.normal(size=4) for s in coalitions(players)}
    found = shapley(players, worth)
    total = worth[frozenset(players)] - worth[frozenset()]
    assert sum(found.values()) == pytest.approx(total)
    drawn = orders(players, 6, rng=seed)
    by_seed, by_order = shapley_of_orders(players, worth, drawn)
    assert sum(by_seed.values()) == pytest.approx(total), "in every order, so in their mean"
    assert all(values.shape == (len(drawn),) for values in by_order.values())


def test_who_carries_nothing_has_exactly_nothing() -> None:
    worth = {s: np.array([7.25, 3.5]) * ("a" in s) for s in coalitions(PLAYERS)}
    found = shapley(PLAYERS, worth)
    assert (found["b"] == 0.0).all() and (found["c"] == 0.0).all()
    assert found["a"] == pytest.approx([7.25, 3.5])


def test_all_orders_give_the_exact_shares() -> None:
    rng = np.random.default_rng(2)
    worth = {s: rng.normal(size=3) for s in coalitions(PLAYERS)}
    exact = shapley(PLAYERS, worth)
    from itertools import permutations

    by_seed, _ = shapley_of_orders(PLAYERS, worth, list(permutations(PLAYERS)))
    for player in PLAYERS:
        assert by_seed[player] == pytest.approx(exact[player])


def test_orders_come_with_their_reverse() -> None:
    drawn = orders(["a", "b", "c", "d"], 10, rng=3)
    assert len(drawn) == 10 and all(
        one == two[::-1] for one, two in zip(drawn[::2], drawn[1::2], strict=True)
    )
    assert joined(("b", "a")) == [frozenset(), frozenset("b"), frozenset("ab")]


def test_planted_effects_are_recovered_in_95_of_100_repetitions() -> None:
    rng = np.random.default_rng(11)
    hits, want = 0, {"a": 3.0, "b": 1.0, "c": 0.5}
    for _ in range(200):
        noise = rng.gamma(2.0, 0.5, 40)  # the market's mood, which no channel carries
        mine = {p: want[p] * rng.gamma(4.0, 0.25, 40) for p in PLAYERS}
        worth = {s: noise + sum((mine[p] for p in s), np.zeros(40)) for s in coalitions(PLAYERS)}
        table = intervals(shapley(PLAYERS, worth), resamples=500)
        hits += sum(table.loc[p, "low"] <= want[p] <= table.loc[p, "high"] for p in PLAYERS)
    assert 0.92 <= hits / 600 <= 0.98


def test_an_interval_is_of_the_mean() -> None:
    table = intervals({"x": np.full(30, 2.0)})
    assert table.loc["x"].tolist() == [2.0, 2.0, 2.0]
    assert intervals({}).empty
