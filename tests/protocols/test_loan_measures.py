"""What the results say of lending markets, against what their handles say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from agents import MarketAgent
from protocols.loan_measures import QUANTILES
from sim import Market, Scenario


class Idle(MarketAgent):
    """Does what the test says and nothing by itself."""


def test_measures_are_what_the_market_says(small: Callable[..., Scenario]) -> None:
    market = Market(small(agents={}, measures={"every": 1}), rng=1)
    bank = market.lending["bank"]
    people = [Idle(market, {"eth": 10.0}, f"p{n}") for n in range(7)]
    for person in people:
        person.deposit("bank", "eth", 10.0)
    market.run(1)
    for n, person in enumerate(people):
        person.borrow("bank", "usdc", 4000.0 + 1500.0 * n)
    market.run(3)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    healths = np.array([bank.health_factor(person.account) for person in people])
    for name, share in QUANTILES:
        want = np.quantile(healths, share)
        assert row[f"lending.bank.health_{name}"] == pytest.approx(want, rel=1e-5)
    assert row["lending.bank.debtors"] == 7
    owed = sum(4000.0 + 1500.0 * n for n in range(7))
    assert row["lending.bank.debt"] == pytest.approx(owed, rel=1e-5)
    collateral = row["lending.bank.collateral"]
    assert collateral == pytest.approx(70.0 * market.oracles["eth"].price, rel=1e-6)
    assert row["lending.bank.leverage"] == pytest.approx(collateral / (collateral - owed), rel=1e-4)
    assert row["lending.bank.liquidations"] == 0.0
    used = row["lending.bank.usdc.utilisation"]
    debts, cash = row["lending.bank.usdc.debts"], row["lending.bank.usdc.cash"]
    assert used == pytest.approx(debts / (debts + cash))


def test_without_debtors_there_is_no_health(small: Callable[..., Scenario]) -> None:
    market = Market(small(agents={}, measures={"every": 1}), rng=1)
    market.run(1)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert np.isnan(row["lending.bank.health_median"]) and row["lending.bank.debtors"] == 0


def test_a_loss_is_what_is_written_off_and_what_is_not_covered(
    small: Callable[..., Scenario],
) -> None:
    """At market prices: an oracle that stands still hides nothing. No sum nets two accounts."""
    stuck = {"eth": {"source": "fixed", "price": 2000.0}}
    falls = [{"kind": "price_jump", "asset": "eth", "size": -0.4, "block": 3}]
    market = Market(small(agents={}, oracles=stuck, shocks=falls), rng=1)
    bank = market.lending["bank"]
    people = [Idle(market, {"eth": 10.0}, f"p{n}") for n in range(3)]
    for person in people:
        person.deposit("bank", "eth", 10.0)
    market.run(1)
    for person, debt in zip(people, (15_000.0, 14_000.0, 1_000.0), strict=True):
        person.borrow("bank", "usdc", debt)
    market.run(1)
    frame = market.datacollector.get_model_vars_dataframe()
    assert frame["lending.bank.loss"].iloc[-1] == 0.0
    market.run(1)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    price = market.price("eth")
    assert price == pytest.approx(1200.0)
    owed = [bank.debt_of(person.account, "usdc") for person in people]
    want = sum(max(debt - 10.0 * price, 0.0) for debt in owed)
    assert row["lending.bank.loss"] == pytest.approx(want, rel=1e-9)
    assert want == pytest.approx(5_000.0, rel=1e-3)
    assert row["lending.bank.bad_debt"] == row["lending.bank.shortfall"] == 0.0
