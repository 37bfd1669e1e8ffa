"""Redeemers hold a coin to its peg, as far as their money and what they may do goes."""

from __future__ import annotations

from typing import Any

import pytest

from sim import Market, Scenario
from sim.errors import ScenarioError


def content(**settings: Any) -> dict[str, Any]:
    """The scenario of the death spiral without its holders, whale and traders."""
    found = Scenario.load("death_spiral").to_dict()
    found["agents"] = {"redeemers": found["agents"]["redeemers"] | settings}
    found["protocols"]["terra"] |= {"base_pool": 1e9, "outside_coins": 5e7}
    found["blocks"] = 30
    return found


def priced(found: dict[str, Any], coins: float) -> Market:
    """A market in whose pool there are so many coins for four million dollars."""
    found["pools"]["coin-usdc"]["reserves"]["terra-coin"] = coins
    return Market(found, rng=1)


@pytest.mark.parametrize("coins", [16e6, 1e6])
def test_they_bring_the_price_back(coins: float) -> None:
    market = priced(content(), coins)
    before = abs(market.price("terra-coin") - 1.0)
    wealth = sum(a.wealth for a in market.agents)
    market.run()
    after = abs(market.price("terra-coin") - 1.0)
    # What is left is what the spread and the fees cost (0.35 + 0.3 + 0.04 per cent, and a margin).
    assert before > 0.03 and after < 0.011
    terra: Any = market.protocols["terra"]
    assert (terra.value("redeemed") > 0.0) == (coins > 4e6)
    assert (terra.value("minted") > 0.0) == (coins < 4e6)
    assert sum(a.wealth for a in market.agents) > wealth


def test_their_money_is_what_they_can_do() -> None:
    found = content(wallet={"usdc": 1000.0})
    market = priced(found, 16e6)
    before = market.price("terra-coin")
    market.run(2)
    assert market.price("terra-coin") == pytest.approx(before, abs=0.002)
    assert 0.0 < market.protocols["terra"].value("redeemed") < 20_000.0


def test_they_let_a_coin_be_that_nobody_redeems() -> None:
    found = content()
    found["protocols"]["terra"]["redeemable"] = False
    market = priced(found, 16e6)
    market.run()
    assert market.receipts().empty


def test_who_bears_the_wait_buys_and_redeems_when_it_opens() -> None:
    found = content(hold=0.01, lot=0.2)
    found["shocks"] = [
        {"kind": "event", "protocol": "terra", "event": "shut", "block": 1, "blocks": 10}
    ]
    market = priced(found, 16e6)
    market.run(8)
    held = sum(a.wallet.get("terra-coin", 0.0) for a in market.agents)
    assert held > 1e5
    assert market.protocols["terra"].value("redeemed") == 0.0
    market.run(20)
    assert sum(a.wallet.get("terra-coin", 0.0) for a in market.agents) < 0.9 * held
    assert market.protocols["terra"].value("redeemed") >= 0.1 * held


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"pools": ["sister-usdc"]}, "does not trade"),
        ({"coin": "usdc"}, "does not redeem"),
        ({"protocol": None}, "neither coin nor protocol"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], word: str) -> None:
    with pytest.raises(ScenarioError, match=word):
        Market(content(**change), rng=1)
