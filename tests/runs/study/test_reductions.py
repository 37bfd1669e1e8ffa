"""Reductions: one number of a measure's course."""

from __future__ import annotations

import numpy as np
import pytest

from runs.study.reductions import PLAIN, WITH_NUMBER, Reduction

BLOCKS = np.array([5.0, 10.0, 15.0, 20.0])
NAMES = ["price", "pool.a.fees", "pool.b.fees"]
TABLE = np.array([[10.0, 1.0, 2.0], [8.0, 2.0, 3.0], [np.nan, 3.0, 4.0], [12.0, 4.0, 6.0]])


def apply(text: str) -> float:
    reduction = Reduction.parse(text)
    return reduction.apply(BLOCKS, TABLE, reduction.columns(NAMES))


CASES = [
    ("first(price)", 10.0),
    ("last(price)", 12.0),
    ("min(price)", 8.0),
    ("max(price)", 12.0),
    ("mean(price)", 10.0),
    ("sd(price)", 2.0),
    ("median(price)", 10.0),
    ("change(price)", 2.0),
    ("drawdown(price)", 0.2),
    ("block_of_min(price)", 10.0),
    ("block_of_max(price)", 20.0),
    ("quantile(price, 0.5)", 10.0),
    ("share_above(price, 9)", 2.0 / 3.0),
    ("share_below(price, 9)", 1.0 / 3.0),
    ("first_above(price, 11)", 20.0),
    ("first_below(price, 9)", 10.0),
    ("at_block(price, 16)", 8.0),
    (" last( price ) ", 12.0),
]


@pytest.mark.parametrize(("text", "value"), CASES)
def test_each_reads_the_values_that_are_numbers(text: str, value: float) -> None:
    assert apply(text) == pytest.approx(value)


def test_all_are_tested() -> None:
    assert {Reduction.parse(text).kind for text, _ in CASES} == {*PLAIN, *WITH_NUMBER}


def test_a_pattern_stands_for_the_sum_of_what_it_matches() -> None:
    assert apply("last(pool.*.fees)") == 10.0
    assert apply("max(pool.?.fees)") == 10.0


def test_what_never_happened_is_not_a_number() -> None:
    assert np.isnan(apply("first_above(price, 99)"))
    assert np.isnan(apply("at_block(price, 1)"))
    empty = Reduction("last", "price")
    assert np.isnan(empty.apply(BLOCKS, np.full((4, 1), np.nan), [0]))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("price", "is no reduction"),
        ("lsat(price)", "did you mean 'last'"),
        ("quantile(price)", r"write it as quantile\(price, 0.5\)"),
        ("last(price, 3)", r"write it as last\(price\)"),
        ("quantile(price, 1.5)", "from 0 to 1"),
        ("first_above(price, x)", "not a number"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Reduction.parse(text)


def test_an_unknown_measure_is_refused_with_the_closest() -> None:
    with pytest.raises(ValueError, match="did you mean 'price'"):
        Reduction.parse("last(prise)").columns(NAMES)
