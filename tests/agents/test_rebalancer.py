"""Rebalancing bots."""

from __future__ import annotations

from typing import Any

import pytest

from sim import Market, Scenario
from tests.conftest import BASE, merged


def setup(**changes: Any) -> Scenario:
    agents = {
        "bots": {
            "kind": "rebalancer",
            "count": 4,
            "pools": ["eth-usdc"],
            "attention": 1.0,
            "target": 0.5,
            "wallet": {"eth": 5.0, "usdc": 10_000.0},
        }
    }
    return Scenario.from_dict(merged(merged(BASE, {"agents": agents}), changes))


def share(market: Market) -> list[float]:
    eth = market.cohorts["bots"].column("target") * 0.0
    held = market.cohorts["bots"].balances(market)
    eth = held[:, market.ledger.token("eth")] * market.venue.price("eth")
    return list(eth / (eth + held[:, market.ledger.token("usdc")]))


def test_inside_the_band_they_let_be_and_outside_they_trade_back() -> None:
    market = Market(setup(), rng=1).run(5)
    assert not len(market.receipts())
    jump = {"kind": "price_jump", "asset": "eth", "size": 0.5, "block": 2}
    market = Market(setup(shocks=[jump]), rng=1)
    market.step()
    market.run(10)
    assert share(market) == pytest.approx([0.5] * 4, abs=0.06)
    sold = market.receipts().query("status == 'done'")
    assert set(sold["token_in"]) == {"eth"}


def test_they_may_use_the_whole_network() -> None:
    other = {"tokens": ["eth", "usdc"], "reserves": {"eth": 1000.0, "usdc": 2e6}}
    jump = {"kind": "price_jump", "asset": "eth", "size": 0.5, "block": 2}
    routed = {"bots": {"routing": True, "wallet": {"eth": 50.0, "usdc": 1e5}}}
    market = Market(setup(shocks=[jump], agents=routed, pools={"other": other}), rng=1).run(4)
    assert set(market.receipts()["protocol"]) >= {"eth-usdc", "other"}
    cut = setup(
        shocks=[jump], agents=routed, pools={"other": other}, switches={"interconnected": False}
    )
    market = Market(cut, rng=1).run(4)
    assert set(market.receipts()["protocol"]) == {"eth-usdc"}
