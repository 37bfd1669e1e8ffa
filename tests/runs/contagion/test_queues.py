"""Queues at a bank: Diamond and Dybvig's threshold, and who is paid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.contagion import diamond_dybvig, freeze_threshold, run_threshold


def test_the_threshold_of_the_model() -> None:
    assert run_threshold(2.0, 1.28) == pytest.approx(0.5625)
    assert run_threshold(2.0, 2.0) == 0.0 and run_threshold(2.0, 1.0) == 1.0
    assert freeze_threshold(0.8) == pytest.approx(0.2)


@given(st.floats(1.1, 5.0), st.floats(0.0, 1.0), st.floats(0.0, 0.99))
def test_waiting_pays_less_from_the_threshold_on(
    long_return: float, at: float, share: float
) -> None:
    early = 1.0 + at * (long_return - 1.0)
    limit = run_threshold(long_return, early)
    count = 1000
    leaves = np.zeros(count)
    leaves[: int(share * count)] = 1.0
    queue = diamond_dybvig(np.ones(count), leaves, early, long_return)
    waits = queue.paid[-1]
    if abs(leaves.mean() - limit) > 1e-6:
        assert (waits > early) == (leaves.mean() < limit)


def test_first_come_is_first_served() -> None:
    queue = diamond_dybvig(np.ones(4), np.ones(4), 1.5, 2.0)
    assert queue.paid == pytest.approx([1.5, 1.5, 1.0, 0.0])
    assert (queue.closed, queue.liquidated) == (2, 1.0)
    calm = diamond_dybvig(np.ones(4), np.zeros(4), 1.5, 2.0)
    assert calm.paid == pytest.approx([2.0] * 4) and calm.closed == 4


def test_selling_at_a_loss_hurts_who_stays() -> None:
    fair = diamond_dybvig(np.ones(4), [1.0, 0.0, 0.0, 0.0], 1.0, 2.0)  # type: ignore[arg-type]
    poor = diamond_dybvig(np.ones(4), [1.0, 0.0, 0.0, 0.0], 1.0, 2.0, salvage=0.5)  # type: ignore[arg-type]
    assert fair.paid[-1] == pytest.approx(2.0)
    assert poor.paid[-1] == pytest.approx(4.0 / 3.0)


@pytest.mark.parametrize(("long_return", "early"), [(1.0, 1.0), (2.0, 0.9), (2.0, 2.1)])
def test_what_makes_no_bank_is_told(long_return: float, early: float) -> None:
    with pytest.raises(ValueError, match="give"):
        run_threshold(long_return, early)
    with pytest.raises(ValueError, match="share"):
        freeze_threshold(1.5)
    with pytest.raises(ValueError, match="shares"):
        diamond_dybvig(np.ones(1), np.array([2.0]), 1.0, 2.0)
