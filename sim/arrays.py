"""What kernels do with arrays of numbers, written out.

NumPy's own do the same, but each brings its error messages along, whose texts take longer to
compile than all of the block's execution.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sim.compiled import kernel


@intrinsic
def float_bits(typing_context, number):
    """The 64 bits of a float64, as an unsigned integer."""

    def codegen(context, builder, _signature, values):
        return builder.bitcast(values[0], ir.IntType(64))

    return types.uint64(types.float64), codegen


@kernel
def copy_into(target, source):
    """Copy an array into another of at least its length."""
    for n in range(source.size):
        target[n] = source[n]


@kernel
def least(values):
    """The least of an array's numbers; inf of none."""
    found = values[0] if values.size else float("inf")
    for n in range(1, values.size):
        if not values[n] >= found:
            found = values[n]
    return found


@kernel
def order_statistic(values, k):
    """The k-th smallest of an array's numbers, which are reordered: those after it are not less.

    Hoare's selection ("Algorithm 65: find", 1961), with the middle of three as pivot.

    Args:
        values: float64[n], without NaN.
        k: From 0.
    """
    low, high = 0, values.size - 1
    while low < high:
        a, b, c = values[low], values[(low + high) // 2], values[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return values[k]


# NumPy has exponentials and logarithms of its own for processors that take eight numbers at a
# time, which differ in the last bit from those of all others: the same scenario and seed would
# be another market there. The C library's, which kernels call too, are the same.


def exp(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The exponential of each number, the same bits on every processor."""
    return _each(_exp, values)


def log(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The natural logarithm of each number that is above 0, the same bits on every processor."""
    return _each(math.log, values)


def power(values: npt.ArrayLike, exponents: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Each number of 0 or more to a power, the same bits on every processor."""
    base, upper = np.broadcast_arrays(np.asarray(values, float), np.asarray(exponents, float))
    pairs = zip(base.ravel().tolist(), upper.ravel().tolist(), strict=True)
    return np.array([_power(b, e) for b, e in pairs], float).reshape(base.shape)


def _each(function: Callable[[float], float], values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    numbers = np.asarray(values, float)
    return np.array(list(map(function, numbers.ravel().tolist())), float).reshape(numbers.shape)


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except ValueError:  # nothing, to less than nothing
        return math.inf
