"""Pools as a block meets them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agents import MarketAgent
from sim import Market, Scenario
from sim.codes import ALL, Kind, Reason
from sim.mempool import Order, send
from sim.mempool import call as asked


class Idle(MarketAgent):
    """Does what the test says and nothing by itself."""


def test_calls_are_compiled_when_one_is_made(small: Callable[..., Scenario]) -> None:
    market = Market(small(agents={}), rng=1)
    ann = Idle(market, {"eth": 10.0, "usdc": 20_000.0}, "ann")
    assert not market.world.calls.any()
    market.run(3)
    assert not market.world.calls.any()
    ann.swap("eth-usdc", "eth", 1.0)
    market.run(1)
    assert market.world.calls[Kind.SWAP] != 0
    assert [k for k in Kind if market.world.calls[k]] == [Kind.SWAP]
    assert ann.wallet["eth"] == pytest.approx(9.0, abs=0.01)


def test_or_all_of_them_beforehand(small: Callable[..., Scenario]) -> None:
    market = Market(small(agents={}), rng=1)
    market.prepare()
    assert [k for k in Kind if not market.world.calls[k]] == [Kind.CUSTOM]
    before = market.world.calls.copy()
    market.prepare()
    assert (market.world.calls == before).all()


@pytest.mark.parametrize("kind", [Kind.SWAP, Kind.ADD_LIQUIDITY, Kind.REMOVE_LIQUIDITY])
def test_a_call_to_a_pool_that_is_not_there(small: Callable[..., Scenario], kind: Kind) -> None:
    market = Market(small(agents={}), rng=1)
    ann = Idle(market, {"usdc": 10.0}, "ann")
    usdc = market.ledger.token("usdc")
    before = ann.wallet
    send(market.world, Order(ann.account, -1, 1.0, 0), asked(int(kind), 9, usdc, usdc, 1.0))
    market.run(1)
    assert market.world.tally[-1, Reason.INVALID] == 1
    assert ann.wallet == before


def test_swaps_are_counted_at_the_prices_of_their_block(small: Callable[..., Scenario]) -> None:
    market = Market(small(agents={}), rng=1)
    ann = Idle(market, {"eth": 10.0, "usdc": 20_000.0}, "ann")
    ann.swap("eth-usdc", "eth", 2.0)
    market.run(1)
    price = market.world.prices[market.ledger.token("eth")]
    pool = market.world.pools[0]
    assert pool["volume"] == pytest.approx(2.0 * price)
    assert pool["fees"] == pytest.approx(2.0 * price * pool["fee"])
    got = 20_000.0 - ann.wallet["usdc"]
    assert pool["markout"] == pytest.approx(2.0 * price + got)


def test_all_of_what_one_has_can_be_given_back(small: Callable[..., Scenario]) -> None:
    market = Market(small(agents={}), rng=1)
    ann = Idle(market, {"eth": 10.0, "usdc": 20_000.0}, "ann")
    ann.add_liquidity("eth-usdc", {"eth": 1.0, "usdc": 2000.0})
    market.run(1)
    assert ann.wallet["eth-usdc-share"] > 0.0
    ann.remove_liquidity("eth-usdc", ALL)
    market.run(1)
    assert ann.wallet.get("eth-usdc-share", 0.0) == 0.0
    assert ann.wealth == pytest.approx(10.0 * market.price("eth") + 20_000.0, rel=1e-3)
