"""Draws are pure functions of who draws and when."""

from __future__ import annotations

import numpy as np
from scipy import stats

from sim.randomness import (
    agent_uniform,
    bits,
    block_key,
    generator,
    normal_quantile,
    stream_key,
    uniform,
)


def test_bits_are_the_published_stream_of_splitmix64() -> None:
    # Vigna's reference implementation, seed 1234567.
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [int(bits(np.uint64(1234567), n)) for n in range(5)] == published


def test_generator_is_philox_and_keyed_by_name() -> None:
    first = generator(7, "venue").random(3)
    assert (generator(7, "venue").random(3) == first).all()
    assert (generator(7, "other").random(3) != first).all()
    assert (generator(8, "venue").random(3) != first).all()


def test_uniforms_are_uniform_and_independent_along_each_axis() -> None:
    key = stream_key(3, "agents:a")
    along_agents = [agent_uniform(np.uint64(block_key(key, 5)), i, 0) for i in range(4000)]
    along_blocks = [agent_uniform(np.uint64(block_key(key, b)), 0, 0) for b in range(4000)]
    along_draws = [
        agent_uniform(np.uint64(block_key(key, b)), 1, d) for b in range(250) for d in range(16)
    ]
    for draws in (along_agents, along_blocks, along_draws):
        assert stats.kstest(draws, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.06


def test_uniform_is_never_zero_nor_one() -> None:
    draws = np.array([uniform(np.uint64(n), 0) for n in range(10_000)])
    assert draws.min() > 0.0
    assert draws.max() < 1.0


def test_normal_quantile_is_the_inverse_of_the_normal_distribution() -> None:
    p = np.concatenate([np.logspace(-12, -0.31, 200), 1.0 - np.logspace(-12, -0.31, 200)])
    found = np.array([normal_quantile(x) for x in p])
    np.testing.assert_allclose(found, stats.norm.ppf(p), rtol=3e-9, atol=2e-9)
