"""Momentum traders."""

from __future__ import annotations

from typing import Any

import pytest

from sim import Market, Scenario
from tests.conftest import BASE, merged


def setup(**changes: Any) -> Scenario:
    agents = {
        "trend": {
            "kind": "momentum_trader",
            "count": 20,
            "pools": ["eth-usdc"],
            "span": 10.0,
            "attention": 0.5,
            "wallet": {"eth": 100.0, "usdc": 2e5},
        }
    }
    return Scenario.from_dict(merged(merged(BASE, {"agents": agents}), changes))


def sale(amount: float) -> dict[str, Any]:
    return {
        "kind": "whale_sale", "token": "eth", "amount": amount, "target": "eth-usdc",
        "block": 2, "blocks": 10,
    }  # fmt: skip


@pytest.mark.parametrize(("follows", "sign"), [(1.0, -1.0), (-1.0, 1.0)])
def test_they_sell_what_falls_or_buy_it(follows: float, sign: float) -> None:
    quiet = Market(setup(shocks=[sale(20.0)], agents={"trend": {"count": 0}}), rng=1).run(15)
    changes = {"trend": {"follows": follows}}
    market = Market(setup(shocks=[sale(20.0)], agents=changes), rng=1).run(15)
    moved = market.pools["eth-usdc"].spot_price() - quiet.pools["eth-usdc"].spot_price()
    assert sign * moved > 1.0
    held = market.cohorts["trend"].balances(market)[:, market.ledger.token("eth")].sum()
    assert sign * (held - 2000.0) > 0.0


def test_without_a_trend_nobody_trades() -> None:
    market = Market(setup(), rng=1).run(50)
    assert not len(market.receipts())
