"""Real records: rates and health factors as they were (VALIDATION 10 and 15)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from protocols.lending import borrow_rate, health_factor
from sim import Market, Scenario


def test_every_live_rate_of_aave_v3(shared_data: Callable[[str], Path]) -> None:
    table = pd.read_csv(shared_data("aave_v3_params_2025-03.csv"))
    found = [
        borrow_rate(r.util, r.base_rate, r.slope1, r.slope2, r.u_opt) for r in table.itertuples()
    ]
    assert len(found) == 77
    assert np.abs(np.array(found) - table["borrow_rate_now"].to_numpy()).max() < 0.0010


def test_every_health_factor_of_the_steth_borrowers(shared_data: Callable[[str], Path]) -> None:
    table = pd.read_csv(shared_data("aave_steth_borrowers_snapshot_2023-06.csv"))
    owing = table[table["debt"] > 0.0]
    found = [health_factor(r.collateral, r.liq_threshold, r.debt) for r in owing.itertuples()]
    np.testing.assert_allclose(found, owing["hf_recomputed"], rtol=1e-6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_replay_whose_impact_reverts_stays_with_its_record(
    shared_data: Callable[[str], Path], seed: int
) -> None:
    """What the agents sell is in the record already; counted twice it ran 4.6 % below."""
    file = shared_data("px_2020-03_black_thursday_5m.csv")
    replay = Scenario.load("black_thursday").with_prices(file)

    def off(impact: str) -> np.ndarray:
        market = Market(replay.override({"venue.assets.eth.impact": impact}), rng=seed).run()
        rows = market.datacollector.get_model_vars_dataframe()
        record = np.exp(market.world.paths[0][rows["block"].to_numpy().astype(int)])
        return rows["venue.eth.price"].to_numpy() / record - 1.0

    reverting = off("reverting")
    assert abs(reverting.mean()) < 0.01
    assert np.abs(reverting).mean() < 0.01
    assert reverting.min() < -0.01  # and still moves while they sell
    assert off("permanent").mean() < -0.03
