"""Ways out of a pegged coin, as settings say them."""

from __future__ import annotations

from agents.base import token_number
from agents.pegged import COIN, FIRST, GIVEN, LEFTOVER, MONEY, PROTOCOL, SELLS, pegged_places
from sim import Scenario


def test_places_of_a_sister_that_a_pool_takes() -> None:
    scenario = Scenario.load("death_spiral")
    places = pegged_places(scenario, scenario.agents["large"])
    pools = list(scenario.pools)
    assert places[PROTOCOL] == 0
    assert places[COIN] == token_number(scenario, "terra-coin")
    assert places[GIVEN] == places[LEFTOVER] == token_number(scenario, "terra-sister")
    assert places[MONEY] == token_number(scenario, "usdc")
    assert places[SELLS] == pools.index("sister-usdc")
    assert places[FIRST:] == [pools.index("coin-usdc")]


def test_places_of_money_and_of_another_coin() -> None:
    scenario = Scenario.load("bank_holiday")
    places = pegged_places(scenario, scenario.agents["desks"])
    assert places[GIVEN] == places[MONEY] == token_number(scenario, "usdt")
    assert places[LEFTOVER] == places[SELLS] == -1
    places = pegged_places(scenario, scenario.agents["pegs"])
    assert places[COIN] == token_number(scenario, "maker-coin")
    assert places[GIVEN] == places[MONEY] == token_number(scenario, "circle-coin")
