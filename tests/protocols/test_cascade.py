"""Generations of liquidations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocols.cascade import Generations
from sim.codes import Kind, Reason
from sim.records import RECEIPT


def receipts(*liquidations: tuple[int, int]) -> npt.NDArray[np.void]:
    """Receipts of liquidations: block made, and blocks since it first was possible."""
    rows = np.zeros(len(liquidations), RECEIPT)
    rows["kind"] = Kind.LIQUIDATE
    rows["status"] = Reason.DONE
    rows["block"] = [block for block, _ in liquidations]
    rows["possible"] = [waited for _, waited in liquidations]
    rows["amount_in"] = 100.0
    return rows


def test_those_that_fail_at_once_are_of_the_first_generation() -> None:
    g = Generations()
    assert list(g.take(receipts((10, 0), (10, 0), (12, 2)), lambda t: 1.0)) == [0, 0, 0]
    assert list(g.count) == [3, 0, 0, 0]


def test_who_fails_after_a_liquidation_comes_one_later() -> None:
    g = Generations()
    found = g.take(receipts((10, 0), (11, 0), (12, 0), (13, 2)), lambda t: 1.0)
    assert list(found) == [0, 1, 2, 1]  # the last one failed in 11 and waited


def test_a_late_oracle_can_only_pass_on_what_it_has_read() -> None:
    g = Generations(lag=5)
    assert list(g.take(receipts((10, 0), (15, 0), (16, 0)), lambda t: 1.0)) == [0, 0, 1]


def test_a_quiet_time_ends_a_cascade() -> None:
    g = Generations(lag=0, quiet=25)
    assert list(g.take(receipts((10, 0), (11, 0), (60, 0), (61, 0)), lambda t: 1.0)) == [0, 1, 0, 1]


def test_values_add_up_and_the_last_place_takes_all_later_ones() -> None:
    g = Generations()
    for block in range(10, 20):  # in pieces, as a page takes them
        g.take(receipts((block, 0)), lambda token: 2.0)
    assert list(g.count) == [1, 1, 1, 7]
    assert list(g.value) == [200.0, 200.0, 200.0, 1400.0]


def test_others_and_failures_do_not_count() -> None:
    g = Generations()
    rows = receipts((10, 0), (10, 0))
    rows["status"][0] = Reason.NOT_LIQUIDATABLE
    rows["kind"][1] = Kind.SWAP
    assert len(g.take(rows, lambda t: 1.0)) == 0
    assert g.value.sum() == 0.0
