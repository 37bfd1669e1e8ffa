"""What a coin is worth in pools, and how fast a distance from its peg goes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from protocols.pegs import half_life_of
from sim import Market, Scenario


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


def test_the_deepest_pool_says_it_and_face_value_where_there_is_none(
    small: Callable[..., Scenario],
) -> None:
    own = {"t": {"kind": "trove", "collateral": "eth", "oracle": "eth"}}
    market = Market(small(protocols=own), rng=1)
    assert market.price("t-coin") == 1.0
    pools = {
        "shallow": {"tokens": ["t-coin", "usdc"], "reserves": {"t-coin": 1e3, "usdc": 2e3}},
        "deep": {"tokens": ["eth", "t-coin"], "reserves": {"eth": 4.5, "t-coin": 1e4}},
    }
    market = Market(small(protocols=own, pools=pools), rng=1)
    assert market.price("t-coin") == pytest.approx(0.9)
