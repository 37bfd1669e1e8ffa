"""Whoever looks at a market, or measures it more often, does not change it."""

from __future__ import annotations

import pytest

from sim import Market, Scenario


def balances(market: Market) -> bytes:
    market.run(market.setup.blocks - market.block)
    found = market.ledger.balances.tobytes()
    market.close()
    return found


@pytest.mark.parametrize("name", ["two_banks", "march_2020", "bank_holiday", "staked_loop"])
def test_a_run_is_the_same_however_often_it_is_measured_and_looked_at(name: str) -> None:
    struck = {"two_banks": 260}.get(name, 150)
    setup = Scenario.load(name).override({"blocks": struck})
    plain = balances(Market(setup, rng=3))
    assert plain == balances(Market(setup.override({"measures.every": 1}), rng=3))
    assert plain == balances(Market(setup.override({"measures.every": 7}), rng=3))
    market = Market(setup, rng=3)
    while market.block < struck:
        market.run(min(11, struck - market.block))
        market.exposure()
        market.balance_sheets()
        market.price(market.setup.venue.numeraire)
    assert plain == balances(market)
