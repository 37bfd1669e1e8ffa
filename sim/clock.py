"""Who acts in a block, found in time that hangs on how many do.

Agents look now and then, each with a chance of its own that may change from block to block. A
draw for every agent in every block costs most where nothing happens: of a million traders who
act once in a thousand blocks, 999 in 1,000 draws say no.

So each agent has a bound on its chance, the least power of two that is no less. Who *may* act is
found bound by bound, and each of these acts with its chance over its bound (thinning: Lewis,
Shedler 1979): all in all with just its chance, independently of all others and of other blocks.

- Bounds of 1/2 to 1/128: 64 agents at a time. A word of random bits has each with chance 1/2,
  and k words joined by `and` have each with chance 2 ** -k.
- Smaller bounds: by the gaps between those who are found, which are geometric (Devroye 1986,
  chapter X.2): a draw for each that is found, none for those between.

Whom they find depends on the block, the bound and the agent's row alone. What the others' chances
are, and how many agents come after, changes nobody's draws.

A behaviour whose chance is its column `attention`::

    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if look(me, i, 0) >= my.attention:
            continue
        ...

Another one says its bounds itself to its `me.clock`, where `must_bound` asks for them, and takes
`ring`. It asks by `ask_bounds` for new ones when its chances have risen above them. None writes
`me.actors`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from sim.compiled import inner
from sim.randomness import agent_uniform, bits, block_key, uniform
from sim.structure import Structure

LEVELS = 64
"""Bounds that there are: level k is of bound 2 ** -k."""
WORDS = 8
"""Levels below this one are found by words of bits, the others by gaps."""
NEVER = 255
"""Level of an agent whose chance is zero."""
OFTEN = WORDS
"""Place in ``me.marks`` of all that are found by words, in one."""

BOUNDS = 2.0 ** -np.arange(LEVELS)
"""Bound of each level, float64[LEVELS]."""
GAPS = np.zeros(LEVELS)
"""One over the log of the chance that a bound does not find an agent, float64[LEVELS]."""
GAPS[1:] = [1.0 / math.log1p(-bound) for bound in BOUNDS[1:]]

_ZERO, _ONE = np.uint64(0), np.uint64(1)
_ALL = np.uint64(2**64 - 1)
_WORD = 64


class Clock(Structure):
    """What is known of the chances of a cohort's agents; of one type for all classes.

    Attributes:
        size: Agents.
        ident: The cohort's number.
        key: Its stream of draws in this block.
        actors: int64[size], rows of those who have been found in this block.
        levels: uint8[size], of the agents' bounds.
        marks: uint64[WORDS + 1, words], a bit for each agent where its bound is large.
        found: uint64[words], a bit for each who is found by gaps.
    """

    fields: ClassVar[Mapping[str, Any]] = {
        "size": ("i8", 0),
        "ident": ("i8", 0),
        "key": ("u8", 0),
        "actors": ("i8", 1),
        "levels": ("u1", 1),
        "marks": ("u8", 2),
        "found": ("u8", 1),
    }


def new_clock(
    size: int, numbers: Mapping[str, npt.NDArray[Any]], actors: npt.NDArray[np.int64]
) -> Clock:
    """The clock of a cohort; nobody acts before bounds are said.

    Args:
        size: Agents.
        numbers: Its `size`, `ident` and `key`, live views.
        actors: int64[size].
    """
    words = -(-size // _WORD)
    return Clock(
        **numbers,
        actors=actors,
        levels=np.full(size, NEVER, np.uint8),
        marks=np.zeros((WORDS + 1, words), np.uint64),
        found=np.zeros(words, np.uint64),
    )


@intrinsic
def lowest_bit(typing_context, word):
    """Place of the lowest bit of a word that is not zero."""

    def codegen(context, builder, signature, values):
        return builder.cttz(values[0], context.get_constant(types.boolean, True))

    return types.uint64(types.uint64), codegen


@inner
def level_of(chance):
    """Level of the least bound that is no less than a chance; above one it is that of one."""
    if not chance > 0.0:
        return NEVER
    _, exponent = math.frexp(chance)  # chance = m 2 ** exponent, m in [1/2, 1)
    level = -int(exponent)
    if level < 0:
        return 0
    if level + 1 < LEVELS and BOUNDS[level + 1] >= chance:  # a power of two
        return level + 1
    return min(level, LEVELS - 1)


@inner
def ask_bounds(w, clock):
    """Have the bounds said anew."""
    w.cohorts[clock.ident].stale = 1


@inner
def must_bound(w, clock):
    """Whether bounds are to be said now, by `bound` for every agent; those that were are gone."""
    cohort = w.cohorts[clock.ident]
    if cohort.stale == 0:
        return False
    cohort.stale = 0
    cohort.asked = 0
    cohort.gaps = _ZERO
    for k in range(clock.marks.shape[0]):
        for j in range(clock.marks.shape[1]):
            clock.marks[k, j] = _ZERO
    return True


@inner
def bound(w, clock, i, chance):
    """Say what the chance of agent i does not exceed until bounds are said again."""
    level = 0 if w.cohorts[clock.ident].always == 1 else level_of(chance)
    clock.levels[i] = level
    clock.actors[i] = i
    if level == 0:
        w.cohorts[clock.ident].asked += 1
    if level < WORDS:
        bit = _ONE << np.uint64(i % _WORD)
        clock.marks[level, i // _WORD] |= bit
        if level > 0:
            clock.marks[OFTEN, i // _WORD] |= bit
    elif level != NEVER:
        w.cohorts[clock.ident].gaps |= _ONE << np.uint64(level)


@inner
def _walk(clock, level):
    """Mark the agents of a level whom its bound finds by gaps."""
    key = block_key(clock.key, level)
    i = 0
    draw = 0
    while True:
        gap = math.log(uniform(key, draw)) * GAPS[level]
        draw += 1
        if gap >= clock.size - i:
            return
        i += int(gap)
        if clock.levels[i] == level:
            clock.found[i // _WORD] |= _ONE << np.uint64(i % _WORD)
        i += 1


@inner
def _by_words(clock, key, j):
    """Those of the j-th 64 agents whom bounds find by words of bits."""
    often = clock.marks[OFTEN, j]
    still = _ALL
    found = _ZERO
    for level in range(1, WORDS):
        still &= bits(key, j * WORDS + level)
        found |= still & clock.marks[level, j]
        if still & often == _ZERO:
            break
    return found


@inner
def everybody(w, clock):
    """Whether every agent is asked, so that ``me.actors`` are all rows."""
    return w.cohorts[clock.ident].asked == clock.size


@inner
def ring(w, clock):
    """Find who may act in this block.

    Returns:
        How many; the first so many of ``me.actors`` are their rows, in ascending order. Each
        acts where its draw (`look`) is below its chance.
    """
    if everybody(w, clock):
        return clock.size
    levels = w.cohorts[clock.ident].gaps
    while levels != _ZERO:
        _walk(clock, np.int64(lowest_bit(levels)))
        levels &= levels - _ONE
    key = block_key(clock.key, 0)
    n = 0
    for j in range(clock.found.size):
        found = clock.found[j] | clock.marks[0, j]
        clock.found[j] = _ZERO
        if clock.marks[OFTEN, j] != _ZERO:
            found |= _by_words(clock, key, j)
        while found != _ZERO:
            clock.actors[n] = j * _WORD + np.int64(lowest_bit(found))
            n += 1
            found &= found - _ONE
    return n


@inner
def look(me, i, draw):
    """An agent's `draw`-th draw in this block, given that `ring` has found it.

    Returns:
        Uniform between 0 and the agent's bound.
    """
    return agent_uniform(me.key, i, draw) * BOUNDS[me.clock.levels[i]]


@inner
def lookers(w, me):
    """Find who may look in this block, of agents whose chance is their `attention`; see `ring`."""
    if must_bound(w, me.clock):
        for i in range(me.size):
            bound(w, me.clock, i, me.rows[i].attention)
    return ring(w, me.clock)
