"""Accounts that cannot pay: closed, sold out, written off, and who follows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from agents.base import MarketAgent
from sim import Market, Scenario
from sim.errors import ScenarioError
from tests.conftest import BASE, merged

DEPTH = 5e6
"""Of ether outside, numeraire for one per cent."""


def settings(**changes: Any) -> dict[str, Any]:
    """One bank that closes accounts, and a price of ether that halves in block 5."""
    content = merged(
        BASE,
        {
            "venue": {"assets": {"eth": {"depth": DEPTH, "permanent": 0.5}}},
            "lending": {"bank": {"default": "close", "reserves": {"usdc": {"cash": 1e5}}}},
        },
    )
    content["shocks"] = [{"kind": "price_jump", "asset": "eth", "size": -0.5, "block": 5}]
    return merged(content, changes)


def two_banks() -> dict[str, Any]:
    """Beside it a bank that takes receipts of the first one's dollars."""
    content = settings()
    one = content["lending"]["bank"]
    two = {
        "default": "close",
        "reserves": {
            "one-usdc": {"ltv": 0.8, "threshold": 0.85, "borrowable": False},
            "usdc": {"collateral": False, "cash": 1e6},
        },
    }
    content["lending"] = {"one": one, "two": two}
    content["oracles"]["one-usdc"] = {"token": "one-usdc", "source": "receipt"}
    return content


class Actor(MarketAgent):
    """Does in each block what a test says."""

    def __init__(self, market: Market, wallet: dict[str, float], **acts: Callable[..., Any]):
        """Join with a wallet; `acts` by block, as ``b2=...``, take the agent."""
        super().__init__(market, wallet)
        self.acts = acts

    def step(self) -> None:
        """Act."""
        act = self.acts.get(f"b{self.market.block}")
        if act is not None:
            act(self)


def levered(
    bank: str, paid: float, got: float, token: str = "eth", debt: str = "usdc"
) -> Callable[[Any], Any]:
    """Deposits an amount and borrows another, in one transaction."""

    def act(agent: Any) -> None:
        with agent.transaction():
            agent.deposit(bank, token, paid)
            agent.borrow(bank, debt, got)

    return act


def opened(content: dict[str, Any], eth: float = 600.0, usdc: float = 9e5) -> tuple[Market, Any]:
    """A market with a depositor of 900,000 dollars and a debtor of as many."""
    market = Market(Scenario.from_dict(content), rng=1)
    bank = next(iter(market.lending))
    Actor(market, {"usdc": 9e5}, b1=lambda a: a.deposit(bank, "usdc", 9e5))
    return market, Actor(market, {"eth": eth}, b2=levered(bank, eth, usdc))


def test_nothing_is_closed_unless_a_scenario_says_so() -> None:
    market, debtor = opened(settings(lending={"bank": {"default": "none"}}))
    market.run(10)
    assert market.lending["bank"].debt_of(debtor.account, "usdc") > 9e5
    assert market.defaults().empty and market.lending["bank"].defaults == 0
    # The loss is told all the same: what is owed less what 600 ether cost, 1,000 each.
    frame = market.datacollector.get_model_vars_dataframe()
    lost = market.lending["bank"].debt_of(debtor.account, "usdc") - 600.0 * market.price("eth")
    assert frame["lending.bank.loss"].iloc[-1] == pytest.approx(lost, rel=1e-12)
    assert lost == pytest.approx(3e5, rel=1e-5)
    assert frame["lending.bank.bad_debt"].iloc[-1] == 0.0


def test_a_default_by_hand() -> None:
    """600 ether against 900,000 dollars, at 1,000: sold with impact, the rest is written off."""
    market, debtor = opened(settings())
    market.run(4)
    owed = market.lending["bank"].debt_of(debtor.account, "usdc")
    total = market.lending["bank"].deposits("usdc")
    market.run(1)
    # Linear in units: one per cent of the price takes DEPTH, at the price of the block, 1,000.
    units = DEPTH / (math.log(1.01) * 1000.0)
    spread = 1.0 - float(market.world.assets[0]["spread"])
    proceeds = 1000.0 * spread * units * -math.expm1(-600.0 / units)
    (row,) = market.defaults().to_dict("records")
    assert row["block"] == 5 and row["protocol"] == "bank"
    assert row["entity"] == market.ledger.accounts[debtor.account]
    assert row["group"] == "Actor"
    assert row["owed"] == pytest.approx(owed, rel=1e-12)
    assert row["equity"] == pytest.approx(600.0 * 1000.0 - owed, rel=1e-9)
    assert row["recovered"] == pytest.approx(proceeds, rel=1e-9)
    assert row["treasury"] + row["depositors"] == pytest.approx(owed - proceeds, rel=1e-9)
    bank = market.lending["bank"]
    assert bank.debt_of(debtor.account, "usdc") == bank.deposit_of(debtor.account, "eth") == 0.0
    assert bank.deposits("usdc") == pytest.approx(total - (owed - proceeds), rel=1e-9)
    assert bank.bad_debt == pytest.approx(owed - proceeds, rel=1e-9)
    assert bank.defaults == 1
    assert bank.cash("usdc") == pytest.approx(1e5 + proceeds, rel=1e-9)
    assert market.venue.price("eth") == pytest.approx(1000.0 * math.exp(-600.0 / units), rel=1e-9)
    market.run(3)
    assert len(market.defaults()) == 1
    bank.audit()
    market.ledger.audit()


def test_liquidators_have_their_delay() -> None:
    market, debtor = opened(settings(lending={"bank": {"default_delay": 3}}))
    market.run(7)
    assert market.defaults().empty
    market.run(1)
    assert market.defaults()["block"].tolist() == [8]
    assert market.lending["bank"].debt_of(debtor.account, "usdc") == 0.0


def test_an_account_that_is_being_liquidated_is_not_left_alone() -> None:
    market, debtor = opened(settings(lending={"bank": {"default_delay": 3}}))
    bite: Any = lambda a: a.liquidate("bank", debtor.account, "usdc", "eth", 1e4)  # noqa: E731
    Actor(market, {"usdc": 1e5}, b7=bite)
    market.run(7)
    assert market.lending["bank"].liquidations == 1
    market.run(2)
    assert market.defaults().empty
    market.run(2)
    assert market.defaults()["block"].tolist() == [10]


def test_what_the_venue_cannot_pay_for_is_not_written_off() -> None:
    market, debtor = opened(settings(venue={"inventory": 1e5}))
    market.run(10)
    assert market.defaults().empty
    bank = market.lending["bank"]
    assert bank.deposit_of(debtor.account, "eth") == pytest.approx(600.0, rel=1e-12)
    assert bank.bad_debt == 0.0


def test_what_is_lent_out_waits() -> None:
    """Of 600 ether half are lent: half are sold, and the rest when they come back."""
    content = settings()
    content["lending"]["bank"]["reserves"]["usdc"] |= {"ltv": 0.8, "threshold": 0.85}
    content["lending"]["bank"]["reserves"]["usdc"]["collateral"] = True
    market, _ = opened(content)
    borrows = levered("bank", 2e6, 300.0, "usdc", "eth")
    Actor(market, {"usdc": 2e6}, b3=borrows, b8=lambda a: a.repay("bank", "eth", 300.0))
    market.run(5)
    first = market.defaults()
    assert first["recovered"].tolist() == [pytest.approx(3e5, rel=1e-3)]
    assert first["depositors"].tolist() == [0.0] and market.lending["bank"].defaults == 0
    market.run(3)
    rows = market.defaults()
    assert rows["block"].tolist() == [5, 8]
    # Interest keeps a grain of the ether lent, and what it secures open.
    assert rows["recovered"].iloc[-1] == pytest.approx(3e5, rel=2e-3)


def test_one_bank_falls_after_another() -> None:
    """Bank two takes receipts of bank one, whose debtor fails: its own debtor follows."""
    market, debtor = opened(two_banks())
    depositor = next(agent for agent in market.agents if agent is not debtor)
    depositor.acts["b3"] = levered("two", 9e5 * (1.0 - 1e-6), 6.5e5, "one-usdc")
    market.run(4)
    one, two = market.lending["one"], market.lending["two"]
    assert market.oracles["one-usdc"].price == pytest.approx(one.supply_index("usdc"), rel=1e-6)
    assert two.health_factor(depositor.account) == pytest.approx(0.85 * 9e5 / 6.5e5, rel=1e-4)
    holders = market.wealth("holders")
    market.run(1)
    rows = market.defaults()
    assert rows["protocol"].tolist() == ["one", "two"]
    assert rows["block"].tolist() == [5, 5]
    assert rows["entity"].tolist() == [
        market.ledger.accounts[agent.account] for agent in (debtor, depositor)
    ]
    assert one.supply_index("usdc") < 0.75 and two.supply_index("usdc") < 0.99
    # What depositors of two lost is what its debtor's receipts did not bring.
    second = rows.iloc[1]
    assert second["recovered"] + second["treasury"] + second["depositors"] == pytest.approx(
        second["owed"], rel=1e-9
    )
    assert market.wealth("holders") < holders - second["depositors"]
    market.run(1)
    assert market.oracles["one-usdc"].price == pytest.approx(one.supply_index("usdc"), rel=1e-12)
    market.ledger.audit()
    one.audit()
    two.audit()


def test_banks_that_stand_apart_do_not_fall_together() -> None:
    """The control: without the loan against receipts nobody follows."""
    market, _ = opened(two_banks())
    market.run(8)
    assert market.defaults()["protocol"].tolist() == ["one"]
    assert market.lending["two"].supply_index("usdc") == 1.0


def test_collateral_that_nobody_outside_buys_is_refused() -> None:
    content = two_banks()
    content["lending"] = dict(reversed(content["lending"].items()))
    with pytest.raises(ScenarioError, match=r"lending\.two\.default: .*one-usdc.*collateral"):
        Scenario.from_dict(content)
    content = two_banks()
    content["lending"]["two"]["reserves"]["one-usdc"]["borrowable"] = True
    with pytest.raises(ScenarioError, match=r"lending\.two\.default: .*borrowable"):
        Scenario.from_dict(content)


def test_a_market_of_sound_accounts_is_left_as_it_is() -> None:
    market, debtor = opened(settings(), usdc=4e5)
    market.run(4)
    market.run(6)
    assert market.defaults().empty
    assert market.lending["bank"].debt_of(debtor.account, "usdc") > 4e5
