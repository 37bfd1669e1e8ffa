"""The collector of cycles is put off while a market opens, and comes back as it was."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from sim import Market
from sim.collection import RARELY, collecting_rarely


@pytest.fixture(autouse=True)
def _threshold() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_restores_what_was_there() -> None:
    gc.set_threshold(321, 7, 5)
    with collecting_rarely():
        assert gc.get_threshold() == (RARELY, 7, 5)
        with collecting_rarely():
            assert gc.get_threshold()[0] == RARELY
        assert gc.get_threshold()[0] == RARELY
    assert gc.get_threshold() == (321, 7, 5)


def test_a_collector_that_is_off_or_rarer_stays_so() -> None:
    gc.set_threshold(0, 10, 10)
    with collecting_rarely():
        assert gc.get_threshold()[0] == 0
    gc.set_threshold(5 * RARELY, 10, 10)
    with collecting_rarely():
        assert gc.get_threshold()[0] == 5 * RARELY


def test_comes_back_after_an_error() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="said"), collecting_rarely():
        raise ValueError("said")
    assert gc.get_threshold() == before


def test_of_two_threads_the_last_one_restores() -> None:
    before = gc.get_threshold()
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with collecting_rarely():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with collecting_rarely():
        thread.start()
        assert entered.wait(10)
    assert gc.get_threshold()[0] == RARELY
    leave.set()
    thread.join()
    assert gc.get_threshold() == before


def test_an_open_market_is_collected_as_before() -> None:
    before = gc.get_threshold()
    Market("calm").close()
    assert gc.get_threshold() == before
