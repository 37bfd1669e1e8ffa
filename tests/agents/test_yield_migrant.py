"""Yield migrants."""

from __future__ import annotations

import math
from typing import Any

import pytest

from agents.yield_migrant import MOST_POOLS
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


def restless(**migrants: Any) -> Market:
    """Two pools with fees; the first has twice as many, and its ether moves."""
    content = {"migrants": {"pools": ["busy", "calm"], "hurdle": 0.0, **migrants}}
    calm = {"tokens": ["dai", "usdc"], "reserves": {"dai": 2e6, "usdc": 2e6}}
    traders = {"kind": "noise_trader", "count": 50, "pools": ["calm"], "rate": 0.2, "size": 5.0}
    traders |= {"herding": 0.0, "wallet": {"dai": 2e5, "usdc": 2e5, "eth": 1.0}}
    busy = {"rate": 0.4, "size": 5.0}
    venue = {"assets": {"eth": {"process": "gbm", "volatility": 3.0}}}
    agents = content | {"others": traders, "traders": busy}
    return Market(setup(pools={"calm": calm}, agents=agents, venue=venue, blocks=400), rng=1)


def test_who_weighs_losses_sees_half_the_squared_returns_times_the_exposure() -> None:
    memory = 50.0
    market = restless(loss_weight=1.0, memory=memory, count=2)
    weight, seen, last = -math.expm1(-1.0 / memory), 0.0, 0.0
    for _ in range(60):
        market.step()
        price = float(market.world.prices[market.ledger.token("eth")])
        if last:
            seen += weight * (math.log(price / last) ** 2 / 8.0 - seen)
        last = price
    found = market.cohorts["migrants"].memory[2 * MOST_POOLS :]  # after fees and yields
    assert found[0] == pytest.approx(seen, rel=0.05)  # an eighth where both parts are even
    assert found[0] > 0.0 == found[1]


def test_who_weighs_losses_leaves_the_pool_that_loses_more_than_it_earns() -> None:
    held = {}
    for weight in (0.0, 1.0):
        market = restless(loss_weight=weight, memory=100.0, review=20, horizon=1e6).run()
        share = market.ledger.token("calm-share")
        held[weight] = int((market.cohorts["migrants"].balances(market)[:, share] > 0.0).sum())
        market.ledger.audit()
    assert held[1.0] == 10
    assert held[0.0] < 10


def test_quick_to_go_out_and_slow_to_come() -> None:
    only = {"pools": ["busy"], "loss_weight": 1.0, "memory": 50.0, "review": 100}
    market = restless(**only, tolerance=0.0, hurdle=1e3).run()
    cohort = market.cohorts["migrants"]
    shares = cohort.balances(market)[:, market.ledger.token("busy-share")]
    assert (shares == 0.0).all() and (cohort.column("out") == 1.0).all()
    assert (cohort.balances(market)[:, market.ledger.token("usdc")] > 40_000.0).all()
    kinds = market.receipts().query("sender.str.startswith('migrants')")["kind"].astype(str)
    assert "venue" in set(kinds) and "add_liquidity" not in set(kinds)  # no such hurdle is passed
    stays = restless(**only).run()  # without a tolerance it bears what there is
    assert stays.cohorts["migrants"].column("out").sum() == 0.0
    both = {"pools": ["busy", "calm"], "review": 20, "horizon": 1e6, "memory": 50.0}
    back = restless(**both, loss_weight=1.0, tolerance=0.0).run()
    cohort = back.cohorts["migrants"]
    shares = cohort.balances(back)[:, back.ledger.token("calm-share")]
    assert (shares > 0.0).all() and (cohort.column("out") == 0.0).all()
    back.ledger.audit()


def test_a_sticky_one_lets_most_reviews_pass() -> None:
    there = {}
    for stickiness in (0.0, 0.9):
        chosen = {"pools": ["idle", "busy"], "stickiness": stickiness, "count": 40, "stake": 5e3}
        market = Market(setup(agents={"migrants": chosen}, blocks=120), rng=1).run()
        held = market.cohorts["migrants"].balances(market)
        there[stickiness] = int((held[:, market.ledger.token("busy-share")] > 0.0).sum())
    assert there[0.0] == 40
    assert 20 < there[0.9] < 36


def test_a_move_into_what_has_to_be_bought_orders_what_it_can_pay() -> None:
    """At half a per cent over the price for all of it, 0.3 % of friction is too little."""
    dai = {"tokens": ["dai", "usdc"], "reserves": {"dai": 4e6, "usdc": 2e4}, "kind": "weighted"}
    dai |= {"weights": {"dai": 0.995, "usdc": 0.005}}
    agents = {
        "migrants": {"pools": ["idle", "third"], "wallet": {"usdc": 0.0, "eth": 1.0}},
        "traders": {"pools": ["third"], "wallet": {"dai": 2e5, "usdc": 2e5}},
    }
    market = Market(setup(pools={"third": dai}, agents=agents), rng=1).run()
    mine = market.receipts().query("sender.str.startswith('migrants')")
    assert (mine["kind"].astype(str) == "add_liquidity").sum() >= 5
    late = mine[mine["status"].astype(str) != "done"]
    assert len(late[late["kind"].astype(str) == "venue"]) == 0
