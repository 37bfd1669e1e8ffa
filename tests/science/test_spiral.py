"""The liquidity spiral: the cascade multiplier of a constant-product pool.

A sale of value v moves the log price of a fee-free pool by 2 v / X, X the value on
its collateral side. If liquidators sell V of collateral per unit of log price that
falls, each fall causes kappa = 2 V / X of itself, and a shock ends 1 / (1 - kappa)
times as large. Borrowers and liquidators are the ones that everybody uses; only the
borrowers' loans are laid out so that kappa is constant.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from agents import LeveragedBorrower
from sim import Market, Scenario
from sim.registry import register

RESERVE, PRICE = 10_000.0, 2000.0
THRESHOLD, BONUS = 0.8, 0.05
POSITIONS, SPACING = 2400, 2.5e-6
QUIET = 0.03  # fall of the log price before the first position is in danger


class EvenBorrower(LeveragedBorrower):
    """Borrowers of equal collateral whose liquidation prices are evenly spaced."""

    collateral_value = 0.0

    @classmethod
    def begin(cls, market: Market, cohort: Any) -> None:
        i = np.arange(len(cohort))
        debt = cls.collateral_value * THRESHOLD * np.exp(-(QUIET + (i + 0.5) * SPACING))
        equity = cls.collateral_value - debt
        cohort.column("equity")[:] = equity
        cohort.column("leverage")[:] = cls.collateral_value / equity
        super().begin(market, cohort)


register("even_borrower", EvenBorrower)


def spiral(kappa: float, shock: float, cut: bool) -> float:
    """Total fall of the log price over the fall that the first sale causes."""
    # kappa = 2 (value sold per position / spacing) / X, at the price where it starts.
    worth = RESERVE * PRICE * math.exp(-QUIET / 2.0)
    sold = kappa * worth * SPACING / 2.0
    EvenBorrower.collateral_value = sold * math.exp(QUIET) / (THRESHOLD * (1.0 + BONUS))
    quiet_sale = RESERVE * (math.exp(QUIET / 2.0) - 1.0)
    first_sale = RESERVE * math.exp(QUIET / 2.0) * (math.exp(shock / 2.0) - 1.0)
    setup = Scenario.from_dict(
        {
            "title": "spiral",
            "blocks": 400,
            "block": {"fee_market": "off"},
            "venue": {
                "inventory": 1e10,
                "assets": {"eth": {"price": PRICE, "process": "constant", "inventory": 1e8}},
            },
            "pools": {
                "eth-usdc": {
                    "tokens": ["eth", "usdc"],
                    "reserves": {"eth": RESERVE, "usdc": RESERVE * PRICE},
                    "fee": 0.0,
                }
            },
            "oracles": {
                "eth": {"token": "eth", "source": "pool_spot", "pool": "eth-usdc"},
                "usdc": {"token": "usdc", "source": "fixed", "price": 1.0},
            },
            "lending": {
                "bank": {
                    "close_factor": 1.0,
                    "bonus_share": 0.0,
                    "reserves": {
                        "eth": {"ltv": 0.8, "threshold": THRESHOLD, "bonus": BONUS},
                        "usdc": {"collateral": False, "cash": 1e8, "slope1": 0.0, "slope2": 0.0},
                    },
                }
            },
            "agents": {
                "borrowers": {
                    "kind": "even_borrower",
                    "count": POSITIONS,
                    "lending": "bank",
                    "collateral": "eth",
                    "debt": "usdc",
                    "pools": ["eth-usdc"],
                    "attention": 0.0,
                    "alarm": 0.0,
                },
                "liquidators": {
                    "kind": "liquidator",
                    "count": 2,
                    "lending": "bank",
                    "route": "venue" if cut else "eth-usdc",
                    "most": 1e6,
                    "margin": 0.0,
                    "patience": 1,
                    "wallet": {"usdc": 1e9},
                },
            },
            "shocks": [
                {
                    "kind": "whale_sale",
                    "token": "eth",
                    "amount": s,
                    "target": "eth-usdc",
                    "block": b,
                }
                for s, b in ((quiet_sale, 2), (first_sale, 10))
            ],
            "audit": {"every": 1},
        }
    )
    market = Market(setup, rng=1)
    pool = market.pools["eth-usdc"]
    market.run(9)
    assert market.lending["bank"].liquidations == 0
    before = math.log(pool.spot_price())
    market.run()
    assert market.lending["bank"].liquidations > 0
    left = market.lending["bank"].positions()
    assert (left["health_factor"] >= 1.0).all()
    return (before - math.log(pool.spot_price())) / shock


@pytest.mark.parametrize("kappa", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("shock", [5e-4, 1e-3])
def test_a_fall_ends_one_over_one_minus_kappa_times_as_large(kappa: float, shock: float) -> None:
    assert spiral(kappa, shock, cut=False) == pytest.approx(1.0 / (1.0 - kappa), rel=0.01)


@pytest.mark.parametrize("kappa", [0.5, 0.8])
def test_with_the_loop_cut_it_stays_as_it_was(kappa: float) -> None:
    assert spiral(kappa, 5e-4, cut=True) == pytest.approx(1.0, rel=1e-9)


def test_above_one_it_runs_away() -> None:
    # All positions go, which is what there is to go.
    assert spiral(1.3, 5e-4, cut=False) > 12.0
