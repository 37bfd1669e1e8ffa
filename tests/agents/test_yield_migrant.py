"""Yield migrants."""

from __future__ import annotations

from typing import Any

import pytest

from sim import Market, Scenario
from tests.conftest import BASE, merged

THIRD: dict[str, Any] = {
    "kind": "weighted",
    "tokens": ["eth", "dai", "usdc"],
    "reserves": {"eth": 300.0, "dai": 6e5, "usdc": 6e5},
}


def setup(**changes: Any) -> Scenario:
    pools = {
        "busy": {"tokens": ["eth", "usdc"], "reserves": {"eth": 1000.0, "usdc": 2e6}},
        "idle": {"tokens": ["eth", "usdc"], "reserves": {"eth": 1000.0, "usdc": 2e6}},
    }
    agents = {
        "migrants": {
            "kind": "yield_migrant",
            "count": 10,
            "pools": ["idle"],
            "stake": 50_000.0,
            "review": 20,
            "memory": 50.0,
            "wallet": {"usdc": 1000.0},
        },
        "traders": {
            "kind": "noise_trader",
            "count": 50,
            "pools": ["busy"],
            "rate": 0.2,
            "herding": 0.0,
            "wallet": {"eth": 100.0, "usdc": 2e5},
        },
    }
    dai = {"venue": {"assets": {"dai": {"price": 1.0, "process": "constant"}}}}
    content = merged(BASE, dai) | {"pools": pools, "agents": agents}
    return Scenario.from_dict(merged(content, {"blocks": 200} | changes))


def test_they_move_to_where_the_fees_are() -> None:
    market = Market(setup(agents={"migrants": {"pools": ["idle", "busy"]}}), rng=1)
    before = market.wealth("migrants-0")
    share = {name: market.ledger.token(market.pools[name].share) for name in market.pools}
    held = market.cohorts["migrants"].balances(market)
    assert (held[:, share["idle"]] > 0.0).sum() == (held[:, share["busy"]] > 0.0).sum() == 5
    market.run(200)
    held = market.cohorts["migrants"].balances(market)
    assert (held[:, share["busy"]] > 0.0).all()
    assert (held[:, share["idle"]] == 0.0).all()
    assert market.cohorts["migrants"].column("moves").sum() == 5.0
    assert market.wealth("migrants-0") == pytest.approx(before, rel=0.02)
    market.ledger.audit()


def test_a_pool_of_other_tokens_is_entered_in_its_proportion() -> None:
    both = {"migrants": {"pools": ["idle", "third"]}, "traders": {"pools": ["third"]}}
    market = Market(setup(pools={"third": THIRD}, agents=both), rng=1).run()
    held = market.cohorts["migrants"].balances(market)
    assert (held[:, market.ledger.token("third-share")] > 0.0).all()
    # Somebody who trades in between may spoil the proportion: then it tries again.
    done = market.receipts().query("kind == 'add_liquidity' and status == 'done'")
    assert len(done) == 5


def test_what_does_not_pay_for_the_way_is_left() -> None:
    slow = {"migrants": {"pools": ["idle", "busy"], "horizon": 10.0}}
    market = Market(setup(agents=slow), rng=1).run()
    assert not market.receipts()["sender"].str.startswith("migrants").any()
    cut = setup(
        agents={"migrants": {"pools": ["idle", "busy"]}}, switches={"providers_leave": False}
    )
    market = Market(cut, rng=1).run()
    assert not market.receipts()["sender"].str.startswith("migrants").any()
