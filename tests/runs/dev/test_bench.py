"""The benchmark's market is the peer's."""

from __future__ import annotations

import pytest

from runs.dev.bench import (
    MEASURES,
    beside_market_run,
    driver_alone,
    load_peer,
    many_lenders_and_borrowers,
    rare_lookers,
    same_market,
)
from sim import Market
from tests.conftest import SHARED


def test_the_market_has_the_peers_agents_pools_and_measures() -> None:
    market = Market(same_market(200), rng=1).run(300)
    sizes = {name: len(cohort) for name, cohort in market.cohorts.items()}
    assert sizes == {"noise": 200, "arbitrageurs": 10, "borrowers": 50, "liquidators": 5}
    frame = market.datacollector.get_model_vars_dataframe()
    assert list(frame) == ["block", *sorted(MEASURES, key=list(frame).index)]
    assert len(MEASURES) == 10
    swaps = market.world.tally[0].sum() / 300
    assert swaps == pytest.approx(0.2 * 200, rel=0.05)


def test_a_peer_that_is_not_there_is_none() -> None:
    assert load_peer(SHARED / "nowhere.py") is None


def test_a_sweep_is_timed_beside_a_plain_loop() -> None:
    ours, plain = beside_market_run("calm", 5, 2)
    assert ours > 0.0
    assert plain > 0.0
    assert driver_alone(100) > 0.0


def test_lenders_and_borrowers_are_timed_by_how_often_they_look() -> None:
    market = many_lenders_and_borrowers(40).run(300)
    assert {name: len(c) for name, c in market.cohorts.items()} == {
        "allocators": 20,
        "refinancers": 20,
    }
    assert market.world.tally.sum() > 10
    assert min(rare_lookers(40, [0.1, 0.0])) > 0.0
