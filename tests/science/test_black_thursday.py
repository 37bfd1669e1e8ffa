"""Black Thursday from the record: what vaults, keepers and gas make of it, and of no gas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from runs.dev.thursday import GAS, NO_LIMIT, PRICES, figures, limits, recorded
from sim import Market, Scenario

Shared = Callable[[str], Path]
SEEDS = (1, 2, 5, 7)


def run(setup: Scenario, seed: int) -> dict[str, float]:
    """Figures of a run."""
    market = Market(setup, rng=seed).run()
    try:
        market.ledger.audit()
        return figures(market)
    finally:
        market.close()


def replays(shared_data: Shared, **changes: Any) -> pd.DataFrame:
    """Figures of a few seeds of the record."""
    setup = recorded(shared_data(PRICES), shared_data(GAS)).override(changes)
    return pd.DataFrame([run(setup, seed) for seed in SEEDS])


RECORD: list[pd.DataFrame] = []


@pytest.fixture
def found(shared_data: Shared) -> pd.DataFrame:
    """The record as it was, replayed once."""
    if not RECORD:
        RECORD.append(replays(shared_data))
    return RECORD[0]


def test_dai_trades_above_one_for_hours_and_never_far_below(found: pd.DataFrame) -> None:
    assert (found["hours_above_1_06"] > 1.0).all()
    assert found["dai_high"].between(1.08, 1.45).all()
    assert (found["dai_low"] > 0.98).all()
    assert (found["dai_end"] < 1.07).all(), "and it comes back within the two days"


def test_auctions_are_won_for_nothing_while_gas_is_dear_and_hardly_when_it_is_free(
    shared_data: Shared, found: pd.DataFrame
) -> None:
    # Whom a limit keeps out leaves lots to a bid of nothing; where nobody has one there are none.
    kept_out = replays(shared_data, **limits(7.0, 70.0, 100.0))
    assert kept_out["zero_bid_share"].min() > 0.2
    assert kept_out["bad_debt"].mean() > found["bad_debt"].mean()
    assert kept_out["bad_debt"].max() > 1e6
    assert replays(shared_data, **limits(NO_LIMIT))["zero_bid_share"].max() < 0.05
    free = replays(shared_data, **{"switches.gas_binds": False})
    # Who has few coins spreads them over all lots, so none is left to a bid of nothing.
    assert (free["zero_bid_share"] < 0.005).all()
    assert (free["liquidations"] > 500).all()


def test_where_owners_never_look_far_more_is_auctioned_and_lost(
    shared_data: Shared, found: pd.DataFrame
) -> None:
    idle = {"agents.owners.attention": 0.0, "agents.owners.alarm": 0.0}
    without = replays(shared_data, **idle)
    assert (without["liquidations"] > 1.5 * found["liquidations"]).all()
    assert without["bad_debt_share"].mean() > 1.5 * found["bad_debt_share"].mean()


def test_without_the_record_the_bridge_says_the_same() -> None:
    told = run(Scenario.load("black_thursday"), 1)
    assert told["hours_above_1_06"] > 1.0 and told["liquidations"] > 300
