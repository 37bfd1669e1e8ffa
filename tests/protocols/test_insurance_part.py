"""What a market's arrays hold of insurance, and what it starts with."""

from __future__ import annotations

from collections.abc import Callable

from protocols.insurance_part import Insurance
from sim import Market, Scenario


def test_a_fund_starts_with_its_money_and_can_be_cut(small: Callable[..., Scenario]) -> None:
    fund = {"token": "usdc", "funds": 5e4, "covers": ["bank", "eth-usdc"], "cover": 0.8}
    setup = small(agents={}, insurance={"mutual": fund})
    market = Market(setup, rng=1)
    assert market.ledger.balance("mutual", "usdc") == 5e4
    assert len(market.world.funds) == 2 and market.world.rules[0]["guarded"] == 1
    assert Insurance().special(setup) == ["mutual"] and Insurance().works(setup)["insurance"]
    restore = Insurance.cuts["insurance"](market.world)
    assert not market.world.funds["cover"].any()
    restore()
    assert (market.world.funds["cover"] == 0.8).all()


def test_without_one_nothing_is_guarded(small: Callable[..., Scenario]) -> None:
    market = Market(small(agents={}), rng=1)
    assert len(market.world.funds) == 0 and market.world.rules[0]["guarded"] == 0
    assert not Insurance().works(market.setup)["insurance"]
