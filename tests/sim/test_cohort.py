"""A cohort's table is its agents."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim import Market, Scenario


def test_rows_columns_and_agents_are_one_memory(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    cohort = market.cohorts["traders"]
    cohort.rows["size"][7] = 123.0
    assert cohort.column("size")[7] == 123.0
    agent = next(a for a in market.agents if a.name == "traders-7")
    assert agent.size == 123.0
    assert np.shares_memory(cohort.cells, market.world.cells)
    assert np.shares_memory(cohort.balances(market), market.ledger.balances)
    assert cohort.accounts()[7] == agent.account
    assert (len(cohort), cohort.size) == (60, 60)


def test_numbers_are_drawn_from_their_distributions(lively: Callable[..., Scenario]) -> None:
    spread = {"distribution": "uniform", "low": 1.0, "high": 2.0}
    market = Market(lively(agents={"traders": {"count": 4000, "spread": spread}}), rng=1)
    drawn = market.cohorts["traders"].column("spread")
    assert 1.0 <= drawn.min() < 1.01
    assert 1.99 < drawn.max() <= 2.0
