"""StableSwap beside Curve's contracts, in the integers of curvesim."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from protocols.stableswap import amount_out, one_for_shares, shares_for
from runs.dev.peers import quiet_logging


@pytest.fixture
def curve_pool() -> Iterator[Any]:
    """curvesim's pool; importing it turns on everybody's debug log, which is turned off again."""
    with quiet_logging():
        module = pytest.importorskip("curvesim.pool")
    yield module.CurvePool


def test_swaps_entries_and_exits_are_those_of_curves_contracts(curve_pool: Any) -> None:
    """Ten thousand random steps of each beside curvesim's integers."""
    rng = random.Random(5)
    unit = 10**18
    worst = 0.0
    for _ in range(200):
        n, a = rng.choice([2, 3, 4]), rng.choice([10, 50, 200, 2000])
        size = 10.0 ** rng.uniform(5.0, 8.0)
        whole = [int(size * 10.0 ** rng.uniform(-0.7, 0.7) * unit) for _ in range(n)]
        theirs = curve_pool(A=a, D=whole, n=n, fee=4 * 10**6, admin_fee=0)
        for _ in range(50):
            x = np.array([b / unit for b in theirs.balances])
            supply = theirs.tokens / unit
            i, j = rng.sample(range(n), 2)
            amount = int(size * 10.0 ** rng.uniform(-6.0, -0.5) * unit)
            step = rng.choice(["swap", "add", "one"])
            if step == "swap":
                ours = amount_out(x, float(a), i, j, amount / unit, 4e-4)
                right = theirs.exchange(i, j, amount)[0] / unit
            elif step == "add":
                amounts = [
                    int(amount * rng.random()) if rng.random() < 0.7 else 0 for _ in range(n)
                ]
                if not any(amounts):
                    continue
                given = np.array([v / unit for v in amounts])
                ours = shares_for(x, float(a), given, supply, 4e-4, 1.0)
                right = theirs.add_liquidity(amounts) / unit
            else:
                shares = int(theirs.tokens * 10.0 ** rng.uniform(-6.0, -1.0))
                ours = one_for_shares(x, float(a), shares / unit, supply, j, 4e-4, 1.0)
                right = theirs.remove_liquidity_one_coin(shares, j)[0] / unit
            worst = max(worst, abs(ours / right - 1.0))
    assert worst < 1e-9
