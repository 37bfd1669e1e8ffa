"""What a market's arrays hold of oracles, and what they publish first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocols.oracle_part import Oracles
from sim import Market, Scenario


@pytest.fixture
def market(small: Callable[..., Scenario]) -> Market:
    spot = {"token": "eth", "source": "pool_spot", "pool": "eth-usdc"}
    share = {"token": "eth-usdc-share", "source": "share", "pool": "eth-usdc"}
    return Market(small(agents={}, oracles={"spot": spot, "share": share}), rng=1)


def test_first_prices_are_those_of_the_sources(market: Market) -> None:
    assert market.oracles["eth"].price == pytest.approx(2000.0)
    assert market.oracles["usdc"].price == 1.0
    assert market.oracles["spot"].price == pytest.approx(market.pools["eth-usdc"].spot_price())
    fair = 2.0 * 2e6 / market.ledger.supply("eth-usdc-share")
    assert market.oracles["share"].price == pytest.approx(fair)


def test_what_each_reads(market: Market) -> None:
    reads = {name: oracle.reads for name, oracle in market.oracles.items()}
    assert reads == {"eth": -1, "usdc": None, "spot": 0, "share": 0}


def test_cut_from_the_market_it_reads_the_price_without_agents(market: Market) -> None:
    assert Oracles().works(market.setup) == {"oracle_reads_market": True}
    restore = Oracles.cuts["oracle_reads_market"](market.world)
    assert market.world.feeds["exogenous"].tolist() == [1, 0, 1, 0]
    restore()
    assert not market.world.feeds["exogenous"].any()
