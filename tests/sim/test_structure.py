"""A bundle of arrays is one pointer to kernels."""

from __future__ import annotations

import pickle
from typing import Any, ClassVar

import numpy as np
import pytest
from numba import njit

from sim.structure import Structure


class Inner(Structure):
    fields: ClassVar[Any] = {"x": ("f8", 2)}


class Outer(Structure):
    fields: ClassVar[Any] = {"inner": Inner, "n": ("i8", 1)}


POINT = np.dtype([("x", "f8"), ("many", "f8", (2,))])


class Single(Structure):
    fields: ClassVar[Any] = {"point": (POINT, 0), "number": ("u8", 0)}


@njit
def shift(single):  # type: ignore[no-untyped-def]
    single.point.x += 1.0
    single.point.many[1] = 7.0
    return single.number


@njit
def touch(outer):  # type: ignore[no-untyped-def]
    outer.inner.x[1, 2] += outer.n[0]
    return outer.inner.x.sum(), outer.inner.x.shape[0]


def bundle() -> Outer:
    return Outer(inner=Inner(x=np.ones((2, 3))), n=np.array([5]))


def test_a_kernel_reads_and_writes_the_arrays_themselves() -> None:
    outer = bundle()
    assert touch(outer) == (11.0, 2)
    assert outer.inner.x[1, 2] == 6.0


def test_a_replaced_field_is_another_bundle() -> None:
    outer = bundle()
    other = outer._replace(n=np.array([7]))
    touch(other)
    assert outer.inner.x[1, 2] == 8.0
    assert other.address != outer.address


def test_a_field_without_dimensions_is_one_record_or_number() -> None:
    points, numbers = np.zeros(3, POINT), np.array([1, 2**64 - 1], np.uint64)
    single = Single(point=points[2:].reshape(()), number=numbers[1:].reshape(()))
    assert shift(single) == 2**64 - 1
    assert points["x"].tolist() == [0.0, 0.0, 1.0]
    assert points["many"].ravel().tolist() == [0.0] * 5 + [7.0]
    numbers[1] = 5
    assert shift(single) == 5


def test_a_pickled_bundle_is_bundled_anew() -> None:
    outer = pickle.loads(pickle.dumps(bundle()))
    assert touch(outer) == (11.0, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"inner": None, "n": np.array([1])},
        {"inner": Inner(x=np.ones((2, 3))), "n": np.array([1.0])},
        {"inner": Inner(x=np.ones((2, 3)))},
        {"inner": Inner(x=np.ones((2, 3))), "n": np.array([1]), "more": np.array([1])},
    ],
)
def test_a_wrong_field_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Outer(**fields)


def test_arrays_must_be_contiguous() -> None:
    with pytest.raises(TypeError, match="contiguous"):
        Inner(x=np.ones((3, 2)).T)
