"""Codes are numbers that arrays can hold and that mean one thing."""

from __future__ import annotations

from sim.codes import ALL, PREVIOUS, Kind, Reason


def test_codes_count_from_zero_without_a_gap() -> None:
    for codes in (Kind, Reason):
        assert [int(code) for code in codes] == list(range(len(codes)))


def test_special_amounts_are_no_amounts() -> None:
    assert PREVIOUS < 0.0
    assert ALL < 0.0
    assert PREVIOUS != ALL


def test_nothing_went_wrong_is_zero() -> None:
    assert Reason.DONE == 0
