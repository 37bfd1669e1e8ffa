"""What the results say of pools, against what their handles say."""

from __future__ import annotations

import numpy as np
import pytest

from sim import Market, Scenario
from sim.measures import catalogue
from tests.protocols.test_amm import KINDS, setup


@pytest.mark.parametrize("kind", [*KINDS, "bonding_curve"])
def test_measures_are_what_the_pool_says(kind: str) -> None:
    keep = ["*", "pool.pool.concentration"]
    market = Market(setup(kind, measures={"keep": keep, "every": 1}), rng=1)
    market.run(3)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    pool = market.pools["pool"]
    assert row["pool.pool.price"] == pytest.approx(pool.spot_price(), nan_ok=True)
    base = pool.tokens[0]
    depth = float(pool.depth_curve([0.01])[0]) * market.price(base)  # type: ignore[attr-defined]
    assert row["pool.pool.depth"] == pytest.approx(depth)
    worth = sum(amount * market.price(token) for token, amount in pool.reserves.items())
    assert row["pool.pool.value"] == pytest.approx(worth)
    assert row["pool.pool.fee"] == pool.fee
    if kind == "bonding_curve":
        assert np.isnan(row["pool.pool.imbalance"]) and np.isnan(row["pool.pool.mispricing"])
    else:
        outside = market.price(base) / market.price(pool.tokens[1])
        assert row["pool.pool.mispricing"] == pytest.approx(pool.spot_price() / outside - 1.0)
    assert row["pool.pool.concentration"] == pytest.approx(1.0)  # outside holders alone


def test_all_pools_together() -> None:
    market = Market(Scenario.load("interconnected"), rng=1)
    market.run(20)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    two = [
        name
        for name, pool in market.pools.items()
        if len(pool.tokens) == 2 and pool.tokens[1] == market.numeraire
    ]
    prices = [row[f"pool.{name}.price"] for name in two]
    assert row["pools.price"] == pytest.approx(np.mean(prices))
    assert row["pools.dispersion"] == pytest.approx(np.ptp(prices))
    assert row["pools.value"] == pytest.approx(sum(row[f"pool.{n}.value"] for n in market.pools))


def test_what_is_costly_is_kept_only_where_it_is_asked_for() -> None:
    market = Market(setup("weighted"), rng=1)
    assert "pool.pool.concentration" in {m.name for m in catalogue(market, 1e4)}
    assert "pool.pool.concentration" not in {m.name for m in market.measures}
