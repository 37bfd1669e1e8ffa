"""What kernels do with arrays of numbers is what NumPy does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import arrays
from sim.arrays import copy_into, float_bits, least, order_statistic
from sim.compiled import kernel

numbers = st.lists(
    st.floats(allow_nan=False, allow_infinity=True) | st.sampled_from([0.0, 1.0, 2.0]), min_size=1
)


@kernel
def bits_of(number):  # type: ignore[no-untyped-def]
    return float_bits(number)


@given(st.floats(allow_nan=False))
def test_bits(number: float) -> None:
    assert bits_of(number) == np.float64(number).view(np.uint64)


@given(numbers, st.data())
def test_order_statistics_are_those_of_a_sorted_array(
    values: list[float], data: st.DataObject
) -> None:
    k = data.draw(st.integers(0, len(values) - 1))
    array = np.array(values)
    assert order_statistic(array, k) == sorted(values)[k]
    assert sorted(array) == sorted(values)
    assert all(other >= array[k] for other in array[k + 1 :])
    assert all(other <= array[k] for other in array[:k])


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_order_statistics_of_what_is_sorted_or_all_the_same(size: int) -> None:
    for array in (np.arange(size, dtype=float), np.arange(size, dtype=float)[::-1], np.ones(size)):
        want = np.sort(array)[size // 2]
        assert order_statistic(np.ascontiguousarray(array), size // 2) == want


@given(numbers)
def test_least(values: list[float]) -> None:
    assert least(np.array(values)) == min(values)


def test_least_of_none() -> None:
    assert least(np.zeros(0)) == np.inf


def test_copy_into_a_longer_one() -> None:
    target = np.full(4, 9.0)
    copy_into(target, np.array([1.0, 2.0]))
    assert target.tolist() == [1.0, 2.0, 9.0, 9.0]


def test_functions_of_arrays_are_those_of_the_c_library() -> None:
    rng = np.random.default_rng(1)
    numbers, upper = rng.uniform(0.01, 30.0, (40, 5)), rng.uniform(-3.0, 3.0, 5)
    assert arrays.exp(numbers).tolist() == [[math.exp(x) for x in row] for row in numbers]
    assert arrays.log(numbers).tolist() == [[math.log(x) for x in row] for row in numbers]
    found = arrays.power(numbers, upper)
    assert found.tolist() == [
        [math.pow(x, y) for x, y in zip(r, upper, strict=True)] for r in numbers
    ]
    assert arrays.exp([]).shape == (0,)


def test_what_is_too_great_is_infinite() -> None:
    assert arrays.exp([710.0, -1e4]).tolist() == [math.inf, 0.0]
    assert arrays.power([0.0, 1e300], [-1.0, 2.0]).tolist() == [math.inf, math.inf]
