"""Redeemers hold a coin to its peg, as far as their money and what they may do goes."""

from __future__ import annotations

from typing import Any

import pytest

from agents.redeemer import expected
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
    assert held > 1e4
    assert market.protocols["terra"].value("redeemed") == 0.0
    market.run(20)
    assert sum(a.wallet.get("terra-coin", 0.0) for a in market.agents) < 0.9 * held
    assert market.protocols["terra"].value("redeemed") >= 0.1 * held


def weekend(coins: float, money: float, **settings: Any) -> Market:
    """Buyers of a coin of which a tenth is missing, two days before redemption opens."""
    found = Scenario.load("bank_holiday").to_dict()
    desks = found["agents"]["desks"] | {"doubt": 0.5, "required": 1.0, "hold": 0.01, "lot": 0.5}
    found["agents"] = {"desks": desks | settings}
    found["start"] = "2023-03-11T13:00:00Z"
    found["pools"]["three"]["reserves"] |= {"circle-coin": coins, "usdt": money}
    found["shocks"] = []
    found["protocols"]["circle"] |= {"covered": 0.9}
    found["blocks"] = 60
    return Market(found, rng=1)


def test_a_coin_that_waits_is_worth_what_is_expected_of_it() -> None:
    assert expected(0.5, 0.9, 0.0, 2.0) == pytest.approx(0.95)
    assert expected(0.5, 1.2, 0.73, 2.0) == pytest.approx(1.0 - 0.73 * 2.0 / 365.0)
    assert expected(1.0, -3.0, 0.0, 0.0) == 0.0


def test_they_buy_up_to_what_waiting_is_worth_and_no_further() -> None:
    market = weekend(1_000_000.0, 15_000.0)
    assert market.price("circle-coin") < 0.9
    market.run()
    worth = expected(0.5, 0.9, 1.0, 2.0 - 60.0 / 1440.0)
    assert market.price("circle-coin") == pytest.approx(worth - 0.01, abs=0.002)
    held = sum(a.wallet.get("circle-coin", 0.0) for a in market.agents)
    assert held > 1e4


def test_they_sell_above_it() -> None:
    """The pool is short of coins, so theirs are worth more to it than to them."""
    market = weekend(20_000.0, 165_000.0, wallet={"usdt": 1000.0, "circle-coin": 200_000.0})
    assert market.price("circle-coin") > 1.0
    market.run()
    worth = expected(0.5, 0.9, 1.0, 2.0 - 60.0 / 1440.0)
    assert market.price("circle-coin") == pytest.approx(worth + 0.01, abs=0.002)


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
