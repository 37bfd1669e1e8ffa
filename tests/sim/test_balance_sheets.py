"""Everybody's books are read off the ledger, and all of them together own the base tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

from agents import MarketAgent
from protocols.custom import CustomProtocol
from protocols.handles import ConcentratedPool
from sim import Market, Scenario
from sim.balance_sheets import read_entities
from sim.codes import Reason
from tests.science.test_everybody import MORE


class Idle(MarketAgent):
    """Does what the test says and nothing by itself."""


class Vault(CustomProtocol):
    """Takes ether and gives nothing for it."""

    def perform(self, call: Any, amount: float) -> tuple[Reason, float]:
        given = self.pay(int(call["sender"]), self.account, int(call["token_in"]), amount)
        return (Reason.DONE if given else Reason.INSUFFICIENT_BALANCE), amount


@pytest.fixture(scope="module")
def everything() -> Iterator[Market]:
    """A market with every kind of pool and agent, a vault in Python, and somebody of no group."""
    market = Market(MORE, rng=3)
    market.add_protocol(Vault("vault"))
    ann = Idle(market, {"eth": 100.0, "usdc": 1e5}, "ann")
    ann.call("vault", "eth", "eth", 3.0)
    ann.add_liquidity("eth-usdc", {"eth": 10.0, "usdc": 2e4}, prices=(2000.0, 3000.0))
    ann.deposit("bank", "usdc", 5000.0)
    yield market.run(100)


def sheets(market: Market, by: str = "group") -> pd.DataFrame:
    return market.balance_sheets(by).set_index("entity")


@pytest.mark.parametrize("by", ["group", "account"])
def test_equities_sum_to_the_base_tokens(everything: Market, by: str) -> None:
    market = everything
    kinds = {pool.kind for pool in market.setup.pools.values()}
    assert len(kinds) == 5 and market.setup.insurance
    owned = {"all": 0.0, "all but the venue": 0.0}  # whose inventory would hide what is lost
    for token, issuer in market.ledger.issuers.items():
        if not issuer:
            amount = market.ledger.balances[:, market.ledger.token(token)].sum()
            owned["all"] += amount * market.price(token)
            amount -= market.ledger.balance("venue", token)
            owned["all but the venue"] += amount * market.price(token)
    equity = sheets(market, by)["equity"]
    assert equity.sum() == pytest.approx(owned["all"], rel=1e-9)
    assert equity.drop("venue").sum() == pytest.approx(owned["all but the venue"], rel=1e-9)


def test_pools_owe_their_reserves(everything: Market) -> None:
    market, found = everything, sheets(everything)
    for name, pool in market.pools.items():
        reserves = sum(a * market.price(t) for t, a in pool.reserves.items())
        assert found.at[name, "kind"] == "pool"
        assert found.at[name, "assets"] == pytest.approx(reserves, rel=1e-12)
        assert found.at[name, "liabilities"] == pytest.approx(reserves, rel=1e-9)
    ranges = market.pools["eth-usdc"]
    assert isinstance(ranges, ConcentratedPool)
    held = ranges.positions()
    worth = sum(held[t].sum() * market.price(t) for t in ranges.tokens)
    assert found.at["eth-usdc", "liabilities"] == pytest.approx(worth, rel=1e-12)


def test_lending_markets_owe_their_receipts(everything: Market) -> None:
    market, bank = everything, everything.lending["bank"]
    row = sheets(market).loc["bank"]
    deposits = sum(bank.deposits(t) * market.price(t) for t in bank.tokens)
    debts = sum(bank.debts(t) * market.price(t) for t in bank.tokens)
    cash = sum(market.ledger.balance("bank", t) * market.price(t) for t in bank.tokens)
    assert debts > 0.0
    assert row["assets"] == pytest.approx(cash + debts, rel=1e-12)
    assert row["liabilities"] == pytest.approx(deposits, rel=1e-12)
    assert row["equity"] == pytest.approx(0.0, abs=1e-9 * deposits)


def test_equity_of_a_group_is_its_wealth(everything: Market) -> None:
    market = everything
    last = market.datacollector.get_model_vars_dataframe().iloc[-1]
    groups, each = sheets(market), sheets(market, "account")
    members = read_entities(market, "account")
    of = pd.Series(members.groups, members.names)
    for name in (*market.cohorts, *market.special_accounts):
        wealth = last[f"wealth.{name}"]
        assert groups.at[name, "equity"] == pytest.approx(wealth, rel=1e-9)
    for name in market.cohorts:
        for column in ("assets", "liabilities", "equity"):
            together = each.loc[of.index[of == name], column].sum()
            assert together == pytest.approx(groups.at[name, column], rel=1e-9)
    owing = groups.loc["borrowers"]
    assert owing["assets"] - owing["liabilities"] == owing["equity"] > 0.0
    debts = sum(
        everything.lending["bank"].debt_of(f"borrowers-{i}", "usdc") * market.price("usdc")
        for i in range(len(market.cohorts["borrowers"]))
    )
    assert owing["liabilities"] == pytest.approx(debts, rel=1e-9)


def test_who_joined_by_himself_has_books(everything: Market) -> None:
    market = everything
    for by in ("group", "account"):
        found = sheets(market, by)
        assert found.index.is_unique
        name, kind = ("Idle", "cohort") if by == "group" else ("ann", "agent")
        assert found.at[name, "kind"] == kind
        assert found.at[name, "equity"] == pytest.approx(market.wealth("ann"), rel=1e-9)
        assert found.at[name, "assets"] > 70.0 * market.price("eth")
        assert found.at["vault", "kind"] == "custom"
        assert found.at["vault", "equity"] == pytest.approx(3.0 * market.price("eth"))
        assert found.at["mutual", "kind"] == "account"
        assert found.at["mutual", "equity"] == pytest.approx(market.wealth("mutual"))
    assert len(sheets(market, "account")) == len(market.ledger.accounts)


def test_a_gift_is_the_pools_own(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1)
    Idle(market, {"eth": 5.0, "usdc": 1000.0}, "ann")
    market.ledger.transfer("ann", "bank", "usdc", 1000.0)
    market.ledger.mint("eth-usdc", "bank-usdc", 10.0)  # no token of its: it owes it to nobody
    found = sheets(market)
    assert found.at["bank", "equity"] == pytest.approx(1000.0 - 10.0)
    assert found.at["eth-usdc", "equity"] == pytest.approx(10.0)
    assert found.at["Idle", "equity"] == pytest.approx(10_000.0)


def test_groups_without_agents_have_books_too(lively: Callable[..., Scenario]) -> None:
    found = sheets(Market(lively(agents={"lenders": {"count": 0}}), rng=1))
    assert found.loc["lenders", ["assets", "liabilities", "equity"]].tolist() == [0.0, 0.0, 0.0]


def test_another_grouping_is_refused(small: Callable[..., Scenario]) -> None:
    with pytest.raises(ValueError, match="by must be 'group' or 'account', not 'agent'"):
        Market(small(), rng=1).balance_sheets(by="agent")
