"""Ten thousand random swaps beside others' exact integers, where they are installed."""

from __future__ import annotations

import math
import random

import pytest

from protocols import weighted
from protocols.concentrated import swap_step
from runs.dev import peers

STEPS = 10_000
Q96 = 2**96
UNIT = 1e24
"""Integers of a token unit: their rounding must be far below a small fee."""


def test_weighted_swaps_beside_balancers_fixed_point_numbers() -> None:
    try:
        exact = peers.balancer_weighted()
    except ImportError as error:
        pytest.skip(str(error))
    rng = random.Random(4)
    worst = 0.0
    for _ in range(STEPS):
        x, y = (10.0 ** rng.uniform(3.0, 9.0) for _ in range(2))
        w = rng.choice([0.2, 0.5, 0.8, 0.05])
        amount = x * rng.uniform(0.001, 0.3)
        got = weighted.amount_out(x, w, y, 1.0 - w, amount, 0.0)
        whole = (round(v * 1e18) for v in (x, w, y, 1.0 - w, amount))
        want = exact.compute_out_given_exact_in(*whole) / 1e18
        # Their power function has an error of 1e-14 by design, rounded against the trader.
        worst = max(worst, abs(got / want - 1.0))
    assert worst < 1e-9


def test_steps_of_concentrated_swaps_beside_degenbots_integers() -> None:
    try:
        exact = peers.uniswap_step()
    except ImportError as error:
        pytest.skip(str(error))
    rng = random.Random(9)
    worst = 0.0
    reached = 0
    for _ in range(STEPS):
        root = math.exp(rng.uniform(-10.0, 10.0))
        target = root * math.exp(rng.choice([-1.0, 1.0]) * rng.uniform(1e-4, 0.05))
        liquidity = 10.0 ** rng.uniform(3.0, 9.0)
        fee = rng.choice([100, 500, 3000, 10_000])
        unit = liquidity * abs(target - root) / (root * target if target < root else 1.0)
        amount = unit * rng.uniform(0.01, 2.0)
        got = swap_step(root, target, liquidity, amount, fee / 1e6)
        whole = exact(
            round(root * Q96), round(target * Q96), round(liquidity * UNIT),
            round(amount * UNIT), fee,
        )  # fmt: skip
        want = (whole[0] / Q96, *(v / UNIT for v in whole[1:]))
        reached += got[0] == target
        for a, b in zip(got, want, strict=True):
            worst = max(worst, abs(a - b) / b)
    assert 0.2 < reached / STEPS < 0.8
    assert worst < 1e-9
