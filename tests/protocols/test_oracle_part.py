"""What a market's arrays hold of oracles, and what they publish first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents import MarketAgent
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


SHARE = "eth-usdc-share"
OF_ALL_SOURCES: dict[str, Any] = {
    "protocols": {
        "lido": {"kind": "staking", "asset": "eth", "rewards": 0.5, "staked": 500.0},
        "safe": {"kind": "savings", "asset": "eth", "deposits": 200.0, "liquid": 1.0},
    },
    "pools": {
        "curve": {
            "tokens": ["lido-share", "eth"], "kind": "stableswap", "amplification": 50.0,
            "reserves": {"lido-share": 300.0, "eth": 100.0},
        },
        "savings": {
            "tokens": ["safe-share", "usdc"],
            "reserves": {"safe-share": 100.0, "usdc": 190_000.0},
        },
        "shares": {"tokens": [SHARE, "eth"], "reserves": {SHARE: 1.0, "eth": 2.0}},
    },
    "oracles": {
        "spot": {"token": "eth", "source": "pool_spot", "pool": "eth-usdc"},
        "mean": {"token": "eth", "source": "pool_twap", "pool": "eth-usdc", "window": 5},
        "dollar": {"token": "usdc", "source": "pool_spot", "pool": "eth-usdc", "quote": "eth"},
        "staked": {"token": "lido-share", "source": "pool_twap", "pool": "curve", "quote": "eth"},
        "rate": {"token": "lido-share", "source": "receipt", "quote": "spot"},
        "saved": {"token": "safe-share", "source": "pool_spot", "pool": "savings"},
        "sold": {"token": SHARE, "source": "pool_spot", "pool": "shares", "quote": "eth"},
        "fair": {"token": SHARE, "source": "share", "pool": "eth-usdc"},
    },
}  # fmt: skip
JUMP = {"kind": "price_jump", "asset": "eth", "size": 0.2, "block": 6}
CUT = {"kind": "mechanism_cut", "mechanism": "oracle_reads_market", "block": 5, "blocks": 5}


class Idle(MarketAgent):
    pass


def pushed(setup: Scenario) -> tuple[Market, dict[str, float]]:
    """A market in which all pools' prices are pushed, at block 8; what oracles said at block 4."""
    market = Market(setup, rng=1)
    ann = Idle(market, {"eth": 1000.0, "usdc": 1e6}, "ann")
    for pool, token in (("eth-usdc", "eth"), ("curve", "eth"), ("savings", "usdc")):
        ann.swap(pool, token, 20.0)
    market.run(4)
    before = {name: oracle.price for name, oracle in market.oracles.items()}
    ann.swap("eth-usdc", "eth", 200.0)
    ann.swap("shares", "eth", 1.0)
    market.run(4)
    return market, before


def test_cut_from_pools_it_says_what_is_known_without_them(
    small: Callable[..., Scenario],
) -> None:
    market, before = pushed(small(agents={}, shocks=[JUMP, CUT], **OF_ALL_SOURCES))
    says = {name: oracle.price for name, oracle in market.oracles.items()}
    lido: Any = market.protocols["lido"]
    # What the venue trades: its price, whatever the pools say; of the numeraire one.
    assert market.pools["eth-usdc"].spot_price() < 0.9 * 2400.0
    assert says["spot"] == says["mean"] == pytest.approx(2400.0)
    assert says["dollar"] == 1.0 and before["dollar"] != 1.0
    # What is redeemed at a rate: that rate, and the venue's price of what it stands for.
    assert lido.rate > 1.0
    assert says["staked"] == says["rate"] == pytest.approx(lido.rate * 2400.0, rel=3e-7)
    assert says["saved"] == pytest.approx(2400.0, rel=1e-6) and before["saved"] < 1950.0
    # What nothing outside prices: the pool's last price in ether, whose own oracle goes on.
    assert says["sold"] / 2400.0 == pytest.approx(before["sold"] / 2000.0, rel=1e-12)
    assert market.oracles["sold"].reads is None
    # A fair price hangs on those of the parts, which are cut.
    fair = market.pools["eth-usdc"].reserves
    worth = 2.0 * (fair["eth"] * fair["usdc"] * 2400.0) ** 0.5
    assert says["fair"] == pytest.approx(worth / market.ledger.supply(SHARE))
    market.run(3)
    assert market.oracles["spot"].price == pytest.approx(market.pools["eth-usdc"].spot_price())


def test_switched_off_from_the_start_it_keeps_the_first_price(
    small: Callable[..., Scenario],
) -> None:
    off = {"switches": {"oracle_reads_market": False}}
    market, before = pushed(small(agents={}, shocks=[JUMP], **off, **OF_ALL_SOURCES))
    assert before["sold"] == pytest.approx(2.0 * 2000.0)
    assert market.oracles["sold"].price == pytest.approx(2.0 * 2400.0)
    assert before["staked"] == pytest.approx(2000.0, rel=1e-5)
    assert market.oracles["saved"].price == pytest.approx(2400.0, rel=1e-6)
