"""The arithmetic of auctions against the contracts' own tests (dss: Clipper, Cat, abaci)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.auctions import dutch_price, dutch_slice, is_over, least_bid, most_lot, portion


def test_a_price_that_falls_by_a_hundredth_a_second_halves_in_69() -> None:
    # abaci's own remark: cut = 0.99 and step = 1 halve the price about every 69 seconds.
    assert dutch_price(100.0, 69, 0.99, 1) == pytest.approx(50.0, rel=1e-3)
    assert dutch_price(100.0, 0, 0.99, 1) == 100.0
    # It falls in stairs: at step = 90 nothing moves for 89 seconds.
    assert dutch_price(100.0, 89, 0.99, 90) == 100.0
    assert dutch_price(100.0, 90, 0.99, 90) == pytest.approx(99.0)
    assert dutch_price(100.0, 181, 0.99, 90) == pytest.approx(98.01)


def test_when_it_must_be_started_anew() -> None:
    assert not is_over(5.0, 2.0, 3600, 3600, 0.3)
    assert is_over(5.0, 2.0, 3601, 3600, 0.3)
    assert is_over(5.0, 1.49, 10, 3600, 0.3)


@pytest.mark.parametrize(
    ("wanted", "price", "part", "owe"),
    [
        (25.0, 5.0, 22.0, 110.0),  # more than the tab: as much as it is worth, the rest goes back
        (22.0, 5.0, 22.0, 110.0),  # at the tab
        (11.0, 5.0, 11.0, 55.0),  # under it
        (40.0, 2.5, 40.0, 100.0),  # the whole lot for less than the tab
        (30.0, 3.0, 30.0, 90.0),  # at the edge: what is left is more than the least
    ],
)
def test_takes_of_the_clippers_own_tests(
    wanted: float, price: float, part: float, owe: float
) -> None:
    """A lot of 40 for a tab of 110, of a vault with a debt of 100 and a penalty of a tenth."""
    assert dutch_slice(40.0, 110.0, price, wanted, 20.0) == pytest.approx((part, owe))


def test_no_dust_is_left() -> None:
    # 21 of 110 would be left, and the least is 22: only 88 are taken.
    part, owe = dutch_slice(40.0, 110.0, 5.0, 17.8, 22.0)
    assert (part, owe) == (pytest.approx(17.6), pytest.approx(88.0))
    # A tab that is no more than the least is taken whole or not at all.
    assert dutch_slice(40.0, 20.0, 5.0, 1.0, 22.0) == (0.0, 0.0)
    assert dutch_slice(40.0, 20.0, 5.0, 4.0, 22.0) == (4.0, 20.0)


@given(
    st.floats(1e-3, 1e6), st.floats(1e-3, 1e9), st.floats(1e-6, 1e6), st.floats(1e-6, 1e7),
    st.floats(0.0, 1e3),
)  # fmt: skip
def test_nobody_gets_more_than_there_is_or_pays_another_price(
    lot: float, tab: float, price: float, wanted: float, least: float
) -> None:
    part, owe = dutch_slice(lot, tab, price, wanted, least)
    assert 0.0 <= part <= lot * (1 + 1e-12) and 0.0 <= owe <= tab * (1 + 1e-12)
    assert owe == pytest.approx(part * price, rel=1e-9)
    if 0.0 < part < lot * (1 - 1e-9) and owe < tab * (1 - 1e-9):
        assert tab - owe >= least * (1 - 1e-9)


def test_a_lot_takes_its_part_of_the_debt() -> None:
    # 120 ether and a debt of 6000: three auctions of 50, 50 and 20 ether.
    assert portion(120.0, 6000.0, 50.0) == (50.0, 2500.0)
    assert portion(70.0, 3500.0, 50.0) == (50.0, 2500.0)
    assert portion(20.0, 1000.0, 50.0) == (20.0, 1000.0)


def test_bids_are_better_by_the_increment() -> None:
    assert least_bid(1.0, 0.05, 50.0) == pytest.approx(1.05)
    assert least_bid(49.0, 0.05, 50.0) == 50.0  # but the whole tab is always enough
    assert most_lot(100.0, 0.05) == pytest.approx(95.238, rel=1e-4)
