"""A year is of one length for prices and of another for contracts."""

from __future__ import annotations

from sim.units import DAY, INTEREST_YEAR, YEAR


def test_years_are_of_days() -> None:
    assert DAY == 24 * 60 * 60
    assert YEAR / DAY == 365.25
    assert INTEREST_YEAR == 31_536_000  # as contracts have it
