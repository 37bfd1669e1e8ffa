"""Losses against capital: what is replayed, and what the tables count."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from runs.dev import capital
from sim import Scenario


def test_a_path_is_replayed_by_nobodys_sale_and_may_be_for_good() -> None:
    assets = Scenario.load(capital.SCENARIO).venue.assets
    rows = {f"venue.{a}.price": s.price * np.array([0.9, 0.5, 0.7]) for a, s in assets.items()}
    path = capital.path_of(pd.DataFrame(rows), lasting=False)
    low = capital.path_of(pd.DataFrame(rows), lasting=True)
    assert (path["btc"] / assets["btc"].price).tolist() == [0.9, 0.5, 0.7]
    assert (low["btc"] / assets["btc"].price).tolist() == [0.9, 0.5, 0.5]
    changed = Scenario.load(capital.SCENARIO).override(capital.replayed(low))
    assert changed.shocks[0].size == 0.0  # type: ignore[union-attr]
    eth = changed.venue.assets["eth"]
    assert (eth.process, eth.depth, len(eth.points)) == ("bridge", math.inf, 4)
    assert eth.points[2][0] * 3600.0 == pytest.approx(24.0)


def test_capital_is_a_multiple_of_the_scenarios() -> None:
    assert capital.cash("liquidators", 3.0) == {"agents.liquidators.wallet.usdc": 450_000.0}
    assert capital.cash("makers", 0.25) == {"agents.makers.wallet.usdc": 1e6}


def test_steps_that_rise_are_those_beyond_two_errors_paired_by_seed() -> None:
    seeds = np.arange(20.0)
    rows = [
        {"seed": seed, "market": "one", "times": t, "two": 1e5 * seed + value, "both": 0.0}
        for seed in seeds
        for t, value in ((1.0, 2e3), (2.0, 5e3 + seed), (4.0, 4e3))
    ]
    frame = pd.DataFrame(rows)
    wide = frame.pivot(index="seed", columns="times", values="two")
    assert capital.rising(wide) == [(1.0, 2.0)]
    text = capital.table(frame, "two", (1.0, 2.0, 4.0))
    assert text.splitlines()[0].startswith("| second bank, thousands | 1 | 2 | 4 |")
    assert text.splitlines()[2].startswith("| one | 952 ± 132 |")
    assert text.endswith("| 1 |")
