"""Agents found by gaps act as agents do who are asked one by one: whole markets, many seeds.

Who is asked one by one draws as before `sim.clock` came, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from sim import Market, Scenario

SEEDS = 200
CHANGES: dict[str, Any] = {
    "blocks": 400,
    "audit": {"every": 100},
    "measures": {"keep": [], "receipts": "none"},
    "venue": {"assets": {"eth": {"volatility": 4.0}}},
    "shocks": [{"kind": "price_jump", "asset": "eth", "size": -0.25, "block": 150}],
    "agents": {
        "traders": {
            "count": 150,
            "rate": {"distribution": "lognormal", "median": 0.01, "sigma": 1.0, "at_most": 1.0},
            "branching": 0.7,
            "memory": 20.0,
        },
        "lenders": {"count": 40, "attention": 0.02, "deposit": 20_000.0, "fear": 0.6},
        "borrowers": {"attention": 0.02, "alarm": 0.06},
        "rebalancers": {
            "kind": "rebalancer",
            "count": 20,
            "pools": ["eth-usdc"],
            "attention": 0.05,
            "wallet": {"eth": 10.0, "usdc": 20_000.0},
        },
    },
}


def numbers(market: Market) -> dict[str, float]:
    """What a run is judged by."""
    found: dict[str, float] = {}
    for name, cohort in market.cohorts.items():
        sent = market.world.senders["nonce"][cohort.accounts()]
        found[f"{name}: sent"] = float(sent.sum())
        found[f"{name}: by those who sent most"] = float(np.sort(sent)[-5:].sum())
        found[f"{name}: who sent"] = float((sent > 0).sum())
    found["price"] = market.pools["eth-usdc"].spot_price()
    bank = market.lending["bank"]
    found["liquidated"] = bank.liquidated_value
    found["used"] = bank.utilisation("usdc")
    found["heat"] = float(market.cohorts["traders"].remembered["heat"])
    return found


def outcomes(setup: Scenario, one_by_one: bool) -> dict[str, list[float]]:
    """Numbers of runs, one for each seed."""
    found: dict[str, list[float]] = {}
    for seed in range(SEEDS):
        market = Market(setup, rng=seed + SEEDS * one_by_one)
        for cohort in market.cohorts.values():
            cohort.ask_everybody(one_by_one)
        market.run()
        for name, value in numbers(market).items():
            found.setdefault(name, []).append(value)
        market.close()
    return found


@pytest.mark.slow
def test_markets_are_as_where_everybody_is_asked(lively: Callable[..., Scenario]) -> None:
    setup = lively(**CHANGES)
    found, asked = outcomes(setup, False), outcomes(setup, True)
    assert len(set(asked["liquidated"])) > 10  # there is something to compare
    assert len(set(asked["lenders: sent"])) > 5
    p = {name: ks_2samp(found[name], asked[name], method="asymp").pvalue for name in found}
    print("\n".join(f"{name:40} {value:.3f}" for name, value in p.items()))
    assert min(p.values()) > 0.01 / len(p), p


@pytest.mark.slow
def test_a_tenth_more_would_be_seen(lively: Callable[..., Scenario]) -> None:
    """The comparison has power: traders who act a tenth more often do not pass."""
    setup = lively(**CHANGES)
    more = setup.override({"agents.traders.rate.median": 0.011})
    found, asked = outcomes(more, False), outcomes(setup, True)
    assert ks_2samp(found["traders: sent"], asked["traders: sent"], method="asymp").pvalue < 1e-4
