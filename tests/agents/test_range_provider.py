"""Range providers."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.handles import ConcentratedPool
from sim import Market, Scenario
from tests.conftest import BASE, merged


def setup(**changes: Any) -> Scenario:
    pool = {
        "kind": "concentrated",
        "tokens": ["eth", "usdc"],
        "reserves": {"eth": 1000.0, "usdc": 2e6},
        "tick_spacing": 10,
    }
    agents = {
        "ranges": {
            "kind": "range_provider",
            "count": 3,
            "pools": ["pool"],
            "stake": 100_000.0,
            "width": 0.05,
            "attention": 1.0,
            "wallet": {"usdc": 2000.0, "eth": 1.0},
        },
        "arbs": {
            "kind": "arbitrageur", "count": 1, "pools": ["pool"], "wallet": {"usdc": 1e8},
        },
    }  # fmt: skip
    content = BASE | {"pools": {"pool": pool}, "agents": agents}
    eth = {"venue": {"assets": {"eth": {"spread": 0.0}}}}
    return Scenario.from_dict(merged(merged(content, eth), changes))


def test_positions_are_opened_around_the_price_with_the_stake() -> None:
    market = Market(setup(), rng=1)
    pool = market.pools["pool"]
    assert isinstance(pool, ConcentratedPool)
    mine = pool.positions().query("owner.str.startswith('ranges')")
    assert len(mine) == 3
    assert (mine["eth"] * 2000.0 + mine["usdc"]).to_numpy() == pytest.approx(1e5, rel=1e-6)
    assert mine["lower"].max() == pytest.approx(2000.0 / 1.05, rel=2e-3)
    assert mine["upper"].min() == pytest.approx(2000.0 * 1.05, rel=2e-3)
    market.run(20)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["wealth.ranges"] == pytest.approx(3 * (1e5 + 2000.0 + 2000.0), rel=1e-6)
    assert not market.receipts()["sender"].str.startswith("ranges").any()


def test_ranges_follow_the_price_and_value_is_kept() -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": 0.15, "block": 5}
    market = Market(setup(shocks=[jump]), rng=1).run(40)
    pool = market.pools["pool"]
    assert isinstance(pool, ConcentratedPool)
    mine = pool.positions().query("owner.str.startswith('ranges')")
    assert len(mine) == 3
    assert ((mine["lower"] < pool.spot_price()) & (mine["upper"] > pool.spot_price())).all()
    assert (market.cohorts["ranges"].column("moves") == 1.0).all()
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    # They sold eth on the way up, and bought half of it back at the top.
    assert 0.02 < -row["result.ranges"] / 3e5 < 0.08
    # Only what moving leaves over stays in the wallets.
    value = mine["eth"] * 2300.0 + mine["usdc"]
    assert value.min() > 0.95e5
    market.ledger.audit()


def test_who_has_lost_too_much_leaves_unless_that_is_cut() -> None:
    fall = {"kind": "price_jump", "asset": "eth", "size": -0.3, "block": 5}
    shy = {"ranges": {"tolerance": 0.02}}
    market = Market(setup(shocks=[fall], agents=shy), rng=1).run(30)
    assert (market.cohorts["ranges"].column("gone") == 1.0).all()
    pool = market.pools["pool"]
    assert isinstance(pool, ConcentratedPool)
    assert not pool.positions()["owner"].str.startswith("ranges").any()
    cut = {"switches": {"providers_leave": False}}
    market = Market(setup(shocks=[fall], agents=shy, **cut), rng=1).run(30)
    assert (market.cohorts["ranges"].column("gone") == 0.0).all()


def test_only_concentrated_pools_will_do() -> None:
    pool = {"kind": "constant_product", "tick_spacing": 60}
    with pytest.raises(ValueError, match="a range_provider knows concentrated only"):
        setup(pools={"pool": pool})


def test_a_pool_of_another_pools_share_is_provided_to() -> None:
    pools = {
        "eth-usdc": BASE["pools"]["eth-usdc"],
        "on-top": {
            "kind": "concentrated",
            "tokens": ["eth-usdc-share", "usdc"],
            "reserves": {"eth-usdc-share": 100.0, "usdc": 9000.0},
        },
    }
    group = {"kind": "range_provider", "count": 2, "pools": ["on-top"], "stake": 1000.0}
    market = Market(Scenario.from_dict(BASE | {"pools": pools, "agents": {"lps": group}}), rng=1)
    assert market.wealth("lps-0") == pytest.approx(1000.0, rel=0.01)
    market.run(5)
