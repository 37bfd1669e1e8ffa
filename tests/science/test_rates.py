"""Interest rates clear a lending market: supply meets demand where theory says, and in time.

A market loses 30 per cent of its deposits at once (`runs.dev.rates`). Nobody is told to bring it
back: borrowers repay what is dearer than it earns them, lenders come for the rate.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from protocols.lending import borrow_rate
from runs.dev.rates import (
    BORROWERS,
    DEPOSITS,
    LONGEST,
    OPTIMAL,
    SLOPES,
    WARM_UP,
    course,
    one_market,
    time_to_clear,
)
from sim import Market

SEEDS = range(1, 9)
IN_TIME = 200
"""Blocks, of 12 seconds, in which all clear: lenders and borrowers look once in 500, and lenders
up to 2.5 times as often while cash is short."""


@pytest.fixture(scope="module")
def courses() -> np.ndarray:
    """Utilisation, float64[slopes, seeds, blocks]."""
    return np.array([[course(slope, seed) for seed in SEEDS] for slope in SLOPES])


def test_it_clears_in_time_and_stays_so(courses: np.ndarray) -> None:
    assert np.abs(courses[:, :, 0] - 0.7).max() < 0.02
    assert courses[:, :, 1].min() > 0.97
    times = np.array([[time_to_clear(used) for used in row] for row in courses])
    assert times.max() <= IN_TIME
    assert courses[:, :, 1000:].max() < OPTIMAL


def test_a_steeper_rate_clears_sooner(courses: np.ndarray) -> None:
    times = np.array([[time_to_clear(used) for used in row] for row in courses])
    gains = times[:-1] - times[1:]  # on common seeds
    error = gains.std(axis=1, ddof=1) / len(SEEDS) ** 0.5
    assert (gains.mean(axis=1) > -2.0 * error).all()
    first_to_last = times[0] - times[-1]
    assert first_to_last.mean() > 5.0 * first_to_last.std(ddof=1) / len(SEEDS) ** 0.5
    assert times[0].mean() > 1.3 * times[-1].mean()


def test_where_nobody_acts_nothing_clears() -> None:
    used = course(3.0, 1, lenders=False, borrowers=False)
    assert used[1:].min() > 0.98
    assert time_to_clear(used) == np.inf


@pytest.mark.parametrize("slope2", [0.2, 0.6, 1.0])
def test_borrowers_alone_come_to_rest_where_demand_meets_what_is_left(slope2: float) -> None:
    market = Market(one_market(slope2, lenders=False), rng=1).run()
    bank = market.lending["bank"]
    supply, each = bank.deposits("usdc"), 0.7 * DEPOSITS / BORROWERS
    earned = market.cohorts["borrowers"].column("reservation")

    def crossing(margin: float) -> float:
        """Utilisation at which those who earn more than the rate and a margin owe as much."""

        def excess(used: float) -> float:
            rate = borrow_rate(used, 0.0, 0.04, slope2, OPTIMAL)
            return float(each * (earned > rate + margin).sum() - used * supply)

        return float(brentq(excess, 0.5, 1.5, xtol=1e-6))

    # Who earns more than the rate by less than the margin keeps a debt, and takes on none.
    least, most = crossing(0.005), crossing(0.0)
    assert least - 0.002 < bank.utilisation("usdc") < most + 0.002
    assert OPTIMAL < least < most < least + 0.02  # the market is short: the rate alone holds it


def test_a_rate_that_does_not_outbid_fear_clears_nothing() -> None:
    """A frozen market that is at rest: what it pays is less than what its lenders fear."""
    stuck = [time_to_clear(course(0.2, seed, aversion=1.0)) > LONGEST / 2 for seed in range(1, 5)]
    freed = [time_to_clear(course(1.0, seed, aversion=1.0)) < LONGEST / 8 for seed in range(1, 5)]
    assert sum(stuck) >= 3
    assert all(freed)
    assert WARM_UP > 1000
