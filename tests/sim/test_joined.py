"""Agents of a script are groups by their classes, in results, receipts and the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agents import MarketAgent
from sim import Market, Scenario
from sim.joined import group_of


class Whale(MarketAgent):
    """Sells ether in every third block."""

    def step(self) -> None:
        """Sell."""
        if self.market.block % 3 == 0:
            self.swap("eth-usdc", "eth", 5.0)


class Holder(MarketAgent):
    """Holds."""

    group = "patient"


class Bank(Holder):
    """Is called like somebody else."""

    group = "bank"


RANGES: dict[str, Any] = {
    "kind": "concentrated",
    "tokens": ["eth", "usdc"],
    "reserves": {"eth": 100.0, "usdc": 2e5},
}


def test_a_group_is_called_as_its_class_or_as_the_class_says(
    small: Callable[..., Scenario],
) -> None:
    market = Market(small(), rng=1)
    agents = [Whale(market), Whale(market), Holder(market)]
    assert [group_of(agent) for agent in agents] == ["Whale", "Whale", "patient"]
    assert {name: len(group) for name, group in market.joined.items()} == {"Whale": 2, "patient": 1}
    assert "Whale: 2 agents" in repr(market.joined["Whale"])


def test_a_name_that_is_taken_is_refused_before_anybody_joins(
    small: Callable[..., Scenario],
) -> None:
    market = Market(small(), rng=1)
    accounts = list(market.ledger.accounts)
    with pytest.raises(ValueError, match="the name 'bank' is taken; give Bank another"):
        Bank(market)
    assert market.ledger.accounts == accounts
    assert market.joined == {}


def test_results_tell_of_a_class_from_the_block_on_in_which_it_joined(
    small: Callable[..., Scenario],
) -> None:
    market = Market(small(), rng=1).run(5)
    whales = [Whale(market, {"eth": 100.0}) for _ in range(2)]
    Holder(market, {"usdc": 500.0})
    market.run(10)
    frame = market.datacollector.get_model_vars_dataframe()
    assert frame["wealth.Whale"].isna().sum() == 5
    assert frame["wealth.Whale"].iloc[-1] == pytest.approx(sum(a.wealth for a in whales))
    # Both sell into a pool of their own making: what they lose, its providers and nobody else have.
    assert frame["loss.Whale"].iloc[-1] == pytest.approx(4e5 - frame["wealth.Whale"].iloc[-1])
    assert frame["loss.Whale"].iloc[-1] > 0.0
    assert (frame["loss.Whale"] + frame["result.Whale"])[5:].abs().max() < 1e-6  # prices stand
    assert frame["wealth.patient"].iloc[-1] == 500.0
    assert market.datacollector.units["wealth.Whale"] == "numeraire"


def test_a_result_is_against_holding_what_one_came_with(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1).run(5)
    Holder(market, {"eth": 10.0, "usdc": 100.0})
    before = 10.0 * market.price("eth") + 100.0
    market.run(20)
    after = 10.0 * market.price("eth") + 100.0
    last = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert abs(after - before) > 10.0
    assert last["loss.patient"] == pytest.approx(before - after)
    assert last["result.patient"] == pytest.approx(0.0, abs=1e-6)
    market.note_start()
    market.run(1)
    last = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert abs(last["loss.patient"]) < abs(after - before)


def test_claims_that_are_no_tokens_count(small: Callable[..., Scenario]) -> None:
    market = Market(small(pools={"ranges": RANGES}), rng=1)
    ann = Holder(market, {"eth": 50.0, "usdc": 1e5})
    ann.add_liquidity("ranges", {"eth": 10.0, "usdc": 2e4}, prices=(1800.0, 2200.0))
    market.run(3)
    last = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert market.ledger.balance(ann.account, "eth") < 41.0
    assert last["wealth.patient"] == pytest.approx(2e5, rel=1e-9)


def test_only_what_a_scenario_keeps_is_collected(small: Callable[..., Scenario]) -> None:
    market = Market(small(measures={"keep": ["wealth.*"]}), rng=1)
    Whale(market, {"eth": 1.0})
    frame = market.run(2).datacollector.get_model_vars_dataframe()
    assert {name for name in frame if "Whale" in name} == {"wealth.Whale"}


def test_receipts_name_the_group(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1)
    Whale(market, {"eth": 100.0})
    frame = market.run(7).receipts()
    assert frame["cohort"].tolist() == ["Whale"] * len(frame)
    assert len(frame) == 2  # in blocks 3 and 6


def test_groups_that_come_in_turns_keep_their_books_apart(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1)
    for n in range(6):
        (Whale if n % 2 else Holder)(market, {"usdc": 10.0 ** (n + 1)})
    sheets = market.balance_sheets().set_index("entity")["equity"]
    assert sheets["Whale"] == pytest.approx(100.0 + 1e4 + 1e6)
    assert sheets["patient"] == pytest.approx(10.0 + 1e3 + 1e5)
    graph = market.exposure()
    assert graph.nodes["Whale"]["kind"] == "cohort"
    by_account = market.balance_sheets(by="account")
    assert by_account["equity"].sum() == pytest.approx(market.balance_sheets()["equity"].sum())
    assert np.isfinite(by_account["equity"]).all()
