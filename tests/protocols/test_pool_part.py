"""What a market's arrays hold of pools, and how they start."""

from __future__ import annotations

import numpy as np
import pytest

from protocols.pool import ADDRESS, COUNTERS, MOST_TOKENS
from protocols.pool_part import Pools
from sim import Market, Scenario
from sim.errors import ScenarioError
from tests.protocols.test_amm import KINDS, setup


@pytest.mark.parametrize("kind", [*KINDS, "bonding_curve"])
def test_a_pool_starts_with_its_reserves_and_its_price(kind: str) -> None:
    scenario = setup(kind)
    market = Market(scenario, rng=1)
    pool, settings = market.pools["pool"], scenario.pools["pool"]
    if kind != "concentrated":  # there they say the price
        assert {t: pool.reserves[t] for t in settings.reserves} == pytest.approx(settings.reserves)
    assert pool.spot_price() > 0.0
    record = market.world.pools[0]
    assert all(record[field] for field in ADDRESS.values())


def test_slots_hold_counters_ticks_and_positions() -> None:
    plain, ranged = setup("weighted"), setup("concentrated")
    assert Pools().slots(plain) == COUNTERS * MOST_TOKENS
    assert Pools().slots(ranged) > COUNTERS * MOST_TOKENS + 1000
    assert Pools().flags(ranged)["ranges"] == 1 and Pools().flags(plain)["ranges"] == 0


def test_a_pool_of_shares_is_filled_after_the_pool_whose_they_are() -> None:
    content = {
        "title": "meta",
        "blocks": 3,
        "block": {"fee_market": "off", "gas_token": "dai"},
        "venue": {"assets": {"dai": {"price": 1.0, "process": "constant"}}},
        "pools": {
            "meta": {
                "tokens": ["base-share", "usdc"],
                "reserves": {"base-share": 1000.0, "usdc": 1000.0},
            },
            "base": {"tokens": ["dai", "usdc"], "reserves": {"dai": 5000.0, "usdc": 5000.0}},
        },
    }
    market = Market(content, rng=1)
    assert market.pools["meta"].reserves["base-share"] == pytest.approx(1000.0)
    assert market.world.rules[0]["nested"] == 1
    content["pools"]["meta"]["reserves"]["base-share"] = 6000.0  # type: ignore[index]
    with pytest.raises(ScenarioError, match="of which holders have 5000 left"):
        Market(content, rng=1)


def test_a_share_is_its_part_of_the_reserves() -> None:
    market = Market(setup("weighted"), rng=1)
    found = np.zeros(len(market.ledger.tokens))
    supply = market.ledger.supply("pool-share")
    found[market.ledger.token("pool-share")] = 0.1 * supply
    Pools().behind(market.world, found)
    assert found[market.ledger.token("eth")] == pytest.approx(100.0)
    assert found[market.ledger.token("pool-share")] == 0.0


def test_what_works_can_be_cut() -> None:
    assert Pools().works(setup("weighted")) == {"interconnected": False, "breakers": False}
    both = Scenario.load("interconnected")
    assert Pools().works(both)["interconnected"]
    market = Market(setup("weighted", pools={"pool": {"breaker": {"move": 0.1}}}), rng=1)
    restore = Pools.cuts["breakers"](market.world)
    assert market.world.pools[0]["guarded"] == 0
    restore()
    assert market.world.pools[0]["guarded"] == 1
