"""Keyed randomness: every draw is a pure function of who draws it and when.

A stream is keyed by (seed, name, block); inside it, a draw by (agent, draw).
Taking a cohort, a pool or a link out of a scenario therefore leaves all other
draws as they were, and two runs differ only by what was changed.

Kernels use SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom
number generators"): the value at position n of the stream with seed s is
``mix(s + (n + 1) * GOLDEN)``, so any position is reached without the ones before.
Outside kernels NumPy's Philox generator is keyed the same way.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt

from sim.compiled import kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_ONE = np.uint64(1)
_UNIT = 2.0**-53

DRAWS = 16
"""Draws that one agent may take from one stream, that is in one block."""


@kernel
def mix(z):
    """SplitMix64's finaliser: a bijection on 64 bits in which every input bit counts."""
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


@kernel
def bits(key, position):
    """The 64 bits at a position (from 0) of the SplitMix64 stream with seed `key`."""
    return mix(key + (np.uint64(position) + _ONE) * GOLDEN)


@kernel
def block_key(key, block):
    """Key of a component's stream in one block."""
    return mix(bits(key, block) ^ GOLDEN)


@kernel
def uniform(key, position):
    """A uniform double in (0, 1), never 0 nor 1, at a position of a stream."""
    return (np.float64(bits(key, position) >> _S11) + 0.5) * _UNIT


@kernel
def agent_uniform(key, agent, draw):
    """Uniform in (0, 1) of an agent's `draw`-th draw (below `DRAWS`) in a block's stream."""
    return uniform(key, agent * DRAWS + draw)


@kernel
def normal_quantile(p):
    """Standard normal quantile, relative error below 1.2e-9 (Acklam's rational approximation).

    Args:
        p: Probability in (0, 1).
    """
    if p < 0.02425 or p > 0.97575:
        tail = p if p < 0.5 else 1.0 - p
        q = math.sqrt(-2.0 * math.log(tail))
        x = (
            (
                (
                    (
                        (-7.784894002430293e-03 * q - 3.223964580411365e-01) * q
                        - 2.400758277161838e00
                    )
                    * q
                    - 2.549732539343734e00
                )
                * q
                + 4.374664141464968e00
            )
            * q
            + 2.938163982698783e00
        ) / (
            (
                ((7.784695709041462e-03 * q + 3.224671290700398e-01) * q + 2.445134137142996e00) * q
                + 3.754408661907416e00
            )
            * q
            + 1.0
        )
        return x if p < 0.5 else -x
    q = p - 0.5
    r = q * q
    return (
        (
            (
                (
                    ((-3.969683028665376e01 * r + 2.209460984245205e02) * r - 2.759285104469687e02)
                    * r
                    + 1.383577518672690e02
                )
                * r
                - 3.066479806614716e01
            )
            * r
            + 2.506628277459239e00
        )
        * q
        / (
            (
                (
                    ((-5.447609879822406e01 * r + 1.615858368580409e02) * r - 1.556989798598866e02)
                    * r
                    + 6.680131188771972e01
                )
                * r
                - 1.328068155288572e01
            )
            * r
            + 1.0
        )
    )


@kernel
def normal(key, position):
    """A standard normal draw at a position of a stream."""
    return normal_quantile(uniform(key, position))


@kernel
def agent_normal(key, agent, draw):
    """Standard normal of an agent's `draw`-th draw in a block's stream."""
    return normal_quantile(agent_uniform(key, agent, draw))


def stream_key(seed: int, name: str) -> np.uint64:
    """Key of a component's streams: 64 bits of BLAKE2 over the seed and the name."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def stream_keys(seed: int, name: str, n: int) -> npt.NDArray[np.uint64]:
    """Keys of the streams of a component's n members, uint64[n]."""
    return _positions(stream_key(seed, name), n)


@kernel
def _positions(key, n):
    found = np.empty(n, np.uint64)
    for i in range(n):
        found[i] = bits(key, i)
    return found


def generator(seed: int, name: str) -> np.random.Generator:
    """NumPy generator (Philox) of a component, for what is drawn once at the start."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
