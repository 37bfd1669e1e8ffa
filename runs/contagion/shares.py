"""Shares of a loss: Shapley values and interactions of what is open and what is cut.

Shapley, "A value for n-person games" (1953): the share of a player is what it adds on average over
all orders in which players may join. Interactions as in Grabisch, Roubens, International Journal of
Game Theory 28 (1999). Worths are paired by seed, so that a share has an interval over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from itertools import combinations

import numpy as np
import pandas as pd

from runs.contagion.networks import Floats
from runs.study.statistics import RESAMPLES, interval

Coalition = frozenset[str]
MOST_EXACT = 8
"""Players up to which all coalitions are looked at."""


def coalitions(players: Sequence[str]) -> list[Coalition]:
    """All subsets, from none to all of them."""
    return [frozenset(c) for k in range(len(players) + 1) for c in combinations(players, k)]


def orders(players: Sequence[str], count: int, rng: int = 1) -> list[tuple[str, ...]]:
    """Random orders of players, each followed by its reverse, which steadies the estimate.

    Args:
        players: Names.
        count: Orders wanted, in pairs.
        rng: Seed.
    """
    random = np.random.default_rng(rng)
    found: list[tuple[str, ...]] = []
    while len(found) < count:
        drawn = tuple(players[i] for i in random.permutation(len(players)))
        found += [drawn, drawn[::-1]]
    return found


def joined(order: Sequence[str]) -> list[Coalition]:
    """Coalitions that a sequence of joining goes through, from none to all."""
    return [frozenset(order[:k]) for k in range(len(order) + 1)]


def shapley(players: Sequence[str], worth: Mapping[Coalition, Floats]) -> dict[str, Floats]:
    """Exact shares, by seed.

    Args:
        players: Names.
        worth: Of each subset of them, float64[seeds].

    Returns:
        float64[seeds] of each player; together they are what all are worth beyond none.

    Raises:
        KeyError: If a subset has no worth.
    """
    n = len(players)
    found = {}
    for player in players:
        others = [p for p in players if p != player]
        total = np.zeros_like(worth[frozenset()])
        for subset in coalitions(others):
            weight = math.factorial(len(subset)) * math.factorial(n - len(subset) - 1)
            gain = worth[subset | {player}] - worth[subset]
            total = total + gain * (weight / math.factorial(n))
        found[player] = total
    return found


def shapley_of_orders(
    players: Sequence[str], worth: Mapping[Coalition, Floats], drawn: Iterable[Sequence[str]]
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Shares from a sample of orders.

    Args:
        players: Names.
        worth: Of each coalition that they go through (`joined`), float64[seeds].
        drawn: Orders.

    Returns:
        (float64[seeds] of each player, float64[orders] of each: its mean over seeds in each order).
    """
    gains: dict[str, list[Floats]] = {player: [] for player in players}
    for order in drawn:
        steps = joined(order)
        for k, player in enumerate(order):
            gains[player].append(worth[steps[k + 1]] - worth[steps[k]])
    by_seed = {player: np.mean(each, axis=0) for player, each in gains.items()}
    by_order = {player: np.array([g.mean() for g in each]) for player, each in gains.items()}
    return by_seed, by_order


def interactions(
    players: Sequence[str], worth: Mapping[Coalition, Floats]
) -> dict[tuple[str, str], Floats]:
    """What each pair adds beyond the two alone, on average over what else is open, by seed.

    Above 0: the two feed each other. Below: one does what the other would do.
    """
    n = len(players)
    found = {}
    for a, b in combinations(players, 2):
        others = [p for p in players if p not in (a, b)]
        total = np.zeros_like(worth[frozenset()])
        for subset in coalitions(others):
            weight = math.factorial(len(subset)) * math.factorial(n - len(subset) - 2)
            both = worth[subset | {a, b}] - worth[subset | {a}] - worth[subset | {b}]
            total = total + (both + worth[subset]) * (weight / math.factorial(n - 1))
        found[a, b] = total
    return found


def intervals(
    found: Mapping[str, Floats], level: float = 0.95, resamples: int = RESAMPLES
) -> pd.DataFrame:
    """Mean and interval over seeds, a row each (`runs.study.statistics.interval`).

    Args:
        found: float64[seeds] by name.
        level: Of the interval.
        resamples: Of the bootstrap.
    """
    rows = [(name, *astuple(interval(v, "mean", level, resamples))) for name, v in found.items()]
    return pd.DataFrame(rows, columns=["name", "mean", "low", "high"]).set_index("name")
