"""Searchers as they are: they try out what they send, and for a builder a lost race is free."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim import Market, Scenario

SEEDS = (1, 2, 3, 4)


def crash(competitors: int, ordering: str, **liquidators: Any) -> Scenario:
    """A price that falls by a third in four hundred blocks, and the loans on it."""
    return Scenario.from_dict(
        {
            "title": "crash",
            "blocks": 400,
            "block": {
                "ordering": ordering,
                "base_fee": 60.0,
                "gas_limit": 5e6,
                "outside": {"gas": 1.2, "bid_median": 60.0},
            },
            "venue": {
                "inventory": 1e10,
                "assets": {
                    "eth": {
                        "price": 2000.0,
                        "process": "bridge",
                        "volatility": 3.0,
                        "points": [[0, 2000.0], [0.3, 1900.0], [1.2, 1350.0]],
                        "depth": 2e6,
                    }
                },
            },
            "pools": {
                "eth-usdc": {
                    "tokens": ["eth", "usdc"],
                    "reserves": {"eth": 5000.0, "usdc": 1e7},
                }
            },
            "oracles": {
                "eth": {"token": "eth", "source": "venue"},
                "usdc": {"token": "usdc", "source": "fixed", "price": 1.0},
            },
            "lending": {
                "bank": {
                    "reserves": {
                        "eth": {"ltv": 0.8, "threshold": 0.83, "bonus": 0.05},
                        "usdc": {"collateral": False, "cash": 2e7},
                    }
                }
            },
            "agents": {
                "borrowers": {
                    "kind": "leveraged_borrower",
                    "count": 150,
                    "lending": "bank",
                    "collateral": "eth",
                    "debt": "usdc",
                    "pools": ["eth-usdc"],
                    "equity": {"distribution": "lognormal", "median": 20_000.0, "sigma": 1.0},
                    "leverage": {"distribution": "uniform", "low": 1.5, "high": 4.0},
                    "attention": 0.0,
                    "alarm": 0.0,
                },
                "traders": {
                    "kind": "noise_trader",
                    "count": 60,
                    "pools": ["eth-usdc"],
                    "rate": 0.05,
                    "wallet": {"eth": 20.0, "usdc": 40_000.0},
                },
                "arbitrageurs": {
                    "kind": "arbitrageur",
                    "count": 3,
                    "pools": ["eth-usdc"],
                    "wallet": {"usdc": 1e6, "eth": 50.0},
                },
                "liquidators": {
                    "kind": "liquidator",
                    "count": competitors,
                    "lending": "bank",
                    "pools": ["eth-usdc"],
                    "margin": 0.0,
                    "bid_share": {"distribution": "uniform", "low": 0.4, "high": 0.95},
                    "wallet": {"usdc": 1e6, "eth": 100.0},
                }
                | liquidators,
            },
            "audit": {"every": 1},
        }
    )


def results(market: Market, before: np.ndarray) -> np.ndarray:
    """What each liquidator has gained or lost by what it did, after gas, numeraire."""
    group = market.cohorts["liquidators"]
    change = group.balances(market) - before
    prices = [market.price(token) for token in market.ledger.tokens]
    return np.asarray(change @ np.nan_to_num(prices))


def run(setup: Scenario, seed: int) -> tuple[Market, np.ndarray]:
    market = Market(setup, rng=seed)
    before = market.cohorts["liquidators"].balances(market).copy()
    market.run()
    return market, results(market, before)


def gains_before_gas(market: Market) -> pd.Series:
    """Of each liquidation that was done: what its sale brought over what was repaid, numeraire."""
    r = market.receipts()
    done = r[(r["status"] == "done") & (r["cohort"] == "liquidators")]
    whole = done[done["transaction"].isin(done.loc[done["kind"] == "liquidate", "transaction"])]
    spent = whole[whole["kind"] == "liquidate"].groupby("transaction")["amount_in"].sum()
    brought = whole[whole["token_out"] == "usdc"]
    brought = brought[brought["kind"].isin(["swap", "venue"])]
    return brought.groupby("transaction")["amount_out"].sum() - spent


@pytest.mark.parametrize("competitors", [1, 2, 5, 10, 20])
def test_no_liquidator_loses_in_a_builders_auction(competitors: int) -> None:
    done, dropped = 0, 0
    total = np.zeros(competitors)
    for seed in SEEDS:
        market, result = run(crash(competitors, "builder"), seed)
        gains = gains_before_gas(market)
        assert (gains > 0.0).all()
        total += result
        done += gains.size
        r = market.receipts()
        lost = r[r["status"] == "dropped"]
        assert (lost["gas"] == 0.0).all()
        assert (lost["gas_price"] == 0.0).all()
        ours = r[r["cohort"] == "liquidators"]
        assert set(ours["status"].astype(str)) <= {"done", "dropped", "expired"}
        dropped += (lost["cohort"] == "liquidators").sum()
        market.close()
    assert done > 100
    assert (total >= 0.0).all()
    if competitors > 1:
        assert dropped > 50  # they do race


def test_in_public_a_lost_race_costs_gas_that_no_builder_takes() -> None:
    public, sealed = 0.0, 0.0
    for seed in SEEDS:
        market, result = run(crash(20, "gas_auction", tries=1.0), seed)
        assert (gains_before_gas(market) > 0.0).all()
        r = market.receipts()
        ours = r[r["cohort"] == "liquidators"]
        assert (ours["status"] == "reverted").sum() > 20
        public += result.sum()
        market.close()
        sealed += run(crash(20, "builder"), seed)[1].sum()
    assert sealed > public
