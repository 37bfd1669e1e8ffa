"""A bounded past."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runs.app.past import Past, plain


def rows(n: int) -> np.ndarray:
    blocks = np.arange(1.0, n + 1.0)
    return np.column_stack([blocks, np.sin(blocks), -blocks])


def test_few_rows_are_kept_as_they_are() -> None:
    past = Past(["a", "b"], 8)
    past.take(rows(5))
    assert len(past) == 5
    assert past.rows(["b"]) == [[float(b), -float(b), -float(b)] for b in range(1, 6)]
    assert past.last("b") == -5.0


def test_many_rows_become_few_points_that_lose_no_extreme() -> None:
    past = Past(["a", "b"], 8)
    table = rows(1000)
    table[333, 1] = 77.0  # a spike of one block
    past.take(table)
    assert len(past) <= 8
    points = past.rows(["a"])
    assert max(high for _, _, high in points) == 77.0
    assert points[-1][0] == 1000.0
    assert past.stride == 128


@given(st.integers(1, 400), st.lists(st.integers(1, 97), max_size=12))
def test_in_whatever_pieces_rows_come_the_points_are_the_same(n: int, cuts: list[int]) -> None:
    table = rows(n)
    whole, pieces = Past(["a", "b"], 16), Past(["a", "b"], 16)
    whole.take(table)
    at = 0
    for cut in [*cuts, n]:
        pieces.take(table[at : at + cut])
        at += cut
    assert whole.rows(["a", "b"]) == pieces.rows(["a", "b"])
    assert whole.epoch == pieces.epoch
    stride = whole.stride
    for i, (block, low, high) in enumerate(whole.rows(["b"])):
        first, last = i * stride + 1, min((i + 1) * stride, n)
        assert (block, low, high) == (last, -last, -first)


def test_an_epoch_ends_when_points_are_merged() -> None:
    past = Past(["a", "b"], 8)
    past.take(rows(8))
    assert past.epoch == 0
    past.take(rows(9)[8:])
    assert (past.epoch, len(past)) == (1, 5)


def test_an_unknown_measure_is_empty() -> None:
    past = Past(["a", "b"], 8)
    past.take(rows(2))
    assert past.rows(["x"]) == [[1.0, None, None], [2.0, None, None]]
    assert np.isnan(past.last("x"))
    assert "x" not in past and "a" in past


def test_a_gap_in_a_measure_does_not_spoil_its_point() -> None:
    past = Past(["a"], 4)
    past.take(np.array([[1.0, np.nan], [2.0, 5.0], [3.0, 1.0], [4.0, np.nan], [5.0, 2.0]]))
    assert past.rows(["a"]) == [[2.0, 5.0, 5.0], [4.0, 1.0, 1.0], [5.0, 2.0, 2.0]]


def test_numbers_are_short_and_what_is_none_is_none() -> None:
    table = np.array([[123456.789, 0.0, np.nan, np.inf, -1.23456789e-9]])
    assert plain(table) == [[123457.0, 0.0, None, None, -1.23457e-09]]


def test_a_measure_is_forgotten_and_begins_again() -> None:
    past = Past(["a", "b"], 8)
    past.take(rows(3))
    past.forget("b")
    past.take(rows(4)[3:])
    assert past.rows(["b"]) == [[1, None, None], [2, None, None], [3, None, None], [4, -4, -4]]
    assert past.last("a") == np.sin(4.0)
