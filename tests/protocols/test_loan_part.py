"""What a market's arrays hold of lending markets, and how they start."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from agents import MarketAgent
from protocols.loan_part import Loans
from sim import Market, Scenario
from sim.errors import ScenarioError
from sim.ledger import DEBT, PLEDGE


def test_a_market_starts_with_its_cash_and_its_rules(small: Callable[..., Scenario]) -> None:
    setup = small(agents={})
    market = Market(setup, rng=1)
    bank = market.lending["bank"]
    assert bank.cash("usdc") == pytest.approx(1e6) and bank.debts("usdc") == 0.0
    assert bank.reserve("eth")["ltv"] == 0.8 and bank.supply_index("eth") == 1.0
    assert [each.token for each in Loans().issues(setup)] == [
        "bank-eth",
        "bank-eth-debt",
        "bank-usdc",
        "bank-usdc-debt",
    ]
    assert [each.right for each in Loans().issues(setup)][:2] == [PLEDGE, DEBT]
    assert Loans().special(setup) == ["bank-treasury"]


def test_more_cash_than_the_cap_is_refused(small: Callable[..., Scenario]) -> None:
    usdc = {"collateral": False, "cash": 1e6, "supply_cap": 1e5}
    with pytest.raises(ScenarioError) as told:
        Market(small(lending={"bank": {"reserves": {"usdc": usdc}}}), rng=1)
    assert told.value.problems[0][0].startswith("lending.bank.reserves.usdc")


def test_debtors_have_room_for_who_comes_later(small: Callable[..., Scenario]) -> None:
    market = Market(small(agents={}), rng=1)
    before = market.world.since.shape[1]
    late = MarketAgent(market, {"eth": 1.0}, "late")
    assert market.world.since.shape[1] == before + 1
    assert market.world.since[0, late.account] == -2
    assert market.world.debtors.shape == market.world.health.shape == market.world.since.shape


def test_receipts_are_deposits_and_debts_are_owed(small: Callable[..., Scenario]) -> None:
    market = Market(small(agents={}), rng=1)
    ledger = market.ledger
    found = np.zeros(len(ledger.tokens))
    found[ledger.token("bank-eth")] = 3.0
    found[ledger.token("bank-eth-debt")] = 1.0
    Loans().behind(market.world, found)
    assert found[ledger.token("eth")] == pytest.approx(2.0)
