"""How fast a distance from a peg goes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from protocols.pegs import half_life_of


@pytest.mark.parametrize("blocks", [2.0, 30.0, 500.0])
def test_half_life_of_an_autoregression(blocks: float) -> None:
    """A distance that halves in so many blocks, with noise: found again to a tenth."""
    rho = 0.5 ** (1.0 / blocks)
    draws = np.random.default_rng(1).normal(size=400_000)
    gap = np.empty_like(draws)
    gap[0] = 0.0
    for n in range(1, len(draws)):
        gap[n] = rho * gap[n - 1] + draws[n]
    cross, square = float((gap[1:] * gap[:-1]).sum()), float((gap[:-1] ** 2).sum())
    assert half_life_of(cross, square) == pytest.approx(blocks, rel=0.1)


def test_half_life_without_noise_and_at_the_ends() -> None:
    gap = 0.05 * 0.5 ** (np.arange(200) / 20.0)
    cross, square = float((gap[1:] * gap[:-1]).sum()), float((gap[:-1] ** 2).sum())
    assert half_life_of(cross, square) == pytest.approx(20.0, rel=1e-9)
    assert half_life_of(0.0, 0.0) == 0.0
    assert half_life_of(-1.0, 1.0) == 0.0
    assert math.isinf(half_life_of(1.0, 1.0))
