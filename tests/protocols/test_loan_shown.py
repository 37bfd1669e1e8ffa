"""What is shown of lending markets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from protocols.loan_shown import LoansShown, endangered
from sim import Market
from sim.scenario import Scenario

SHOWN = LoansShown()


@pytest.fixture(scope="module")
def market() -> Market:
    return Market("calm", rng=3).run(30)


def test_the_endangered_are_those_of_the_positions(market: Market) -> None:
    rows = endangered(market, 5)
    positions = market.lending["bank"].positions().head(5)
    assert [r["account"] for r in rows] == list(positions["account"])
    assert [r["health"] for r in rows] == pytest.approx(list(positions["health_factor"]))
    assert [r["debt"] for r in rows] == pytest.approx(list(positions["debt_value"]))


def test_the_table_tells_the_same_in_words(market: Market) -> None:
    (table,) = SHOWN.tables(market.setup)
    for row, position in zip(table.rows(market), endangered(market), strict=True):
        assert float(row["health"]) == pytest.approx(position["health"], abs=1e-3)
        assert row["bad"] == (position["health"] < 1.0)


def test_the_histogram_reads_every_debtor(market: Market) -> None:
    (about,) = SHOWN.histograms(market.setup)
    factors = np.sort(about.values(market))
    expected = market.lending["bank"].positions()["health_factor"].to_numpy()
    assert factors == pytest.approx(expected, rel=1e-3)  # one block's interest


def test_an_account_tells_its_health(market: Market) -> None:
    row = market.ledger.account("borrowers-5")
    (trail,) = SHOWN.trails(market.setup)
    factor = market.lending["bank"].health_factor(row)
    assert trail.read(market, row) == factor
    assert SHOWN.of_account(market, row) == [("health factor in bank", f"{factor:.4f}")]
    venue = market.ledger.account("venue")
    assert math.isnan(trail.read(market, venue)) and SHOWN.of_account(market, venue) == []


def test_a_counter_starts_with_nothing(market: Market) -> None:
    (counter,) = SHOWN.counters(market.setup)
    none = market.receipt_book.records()[:0]
    assert (counter.fill(none, np.array([1.0, 2.0]), lambda token: 1.0) == 0.0).all()


def test_a_scenario_without_lending_shows_nothing_of_it() -> None:
    content = Scenario.load("calm").to_dict()
    content["lending"], content["oracles"], content["agents"], content["shocks"] = {}, {}, {}, []
    setup = Scenario.from_dict(content)
    for hook in ("charts", "sections", "compared", "counters", "trails", "histograms", "tables"):
        assert not getattr(SHOWN, hook)(setup)
