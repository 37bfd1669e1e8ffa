"""All kinds of pools and all kinds of agents in one market: nothing leaks, and bits repeat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim import Market, Scenario
from sim.registry import behaviours

MORE: dict[str, Any] = {
    "extends": "interconnected",
    "blocks": 200,
    "audit": {"every": 1},
    "measures": {"every": 1},
    "oracles": {"btc": {"token": "btc"},
                "naive": {"token": "eth", "source": "pool_spot", "pool": "thin", "live": True}},
    "insurance": {
        "mutual": {"token": "usdc", "funds": 50_000.0, "covers": ["eth-usdc-old", "bank"],
                   "premium": 0.5, "deductible": 0.01, "window": 10},
    },
    "pools": {
        "eth-usdc-old": {"protocol_fee": 0.1, "volatility_fee": 0.5,
                         "breaker": {"move": 0.2, "window": 100, "cool_down": 10}},
        "meta": {"kind": "stableswap", "tokens": ["dai", "stable-share"], "fee": 0.0004,
                 "reserves": {"dai": 500_000.0, "stable-share": 500_000.0}},
        "curve": {"kind": "bonding_curve", "tokens": ["curve-share", "usdc"], "supply": 1e5,
                  "reserves": {"usdc": 2e5}, "ratio": 0.4, "fee": 0.01},
        "thin": {"tokens": ["eth", "usdc"], "reserves": {"eth": 100.0, "usdc": 240_000.0}},
        "moving": {"kind": "weighted", "tokens": ["btc", "dai"],
                   "reserves": {"btc": 10.0, "dai": 430_000.0},
                   "weight_rule": {"strength": 1.0}},
    },
    "lending": {"bank": {"reserves": {"usdc": {"collateral": True, "ltv": 0.8, "threshold": 0.85,
                                              "bonus": 0.05, "utilisation": 0.6}}},
                "naive": {"reserves": {"eth": {"ltv": 0.8, "threshold": 0.83, "bonus": 0.05,
                                               "oracle": "naive"},
                                       "usdc": {"collateral": False, "cash": 3e6}}}},
    "agents": {
        "lenders": {"kind": "lender", "count": 20, "lending": "bank", "debt": "usdc",
                    "attention": 0.05, "outside_yield": 0.2, "wallet": {"eth": 1.0}},
        "migrants": {"review": 20, "friction": 0.0005},
        "lps": {"kind": "liquidity_provider", "count": 6, "pools": ["eth-usdc-old", "stable"],
                "stake": 20_000.0, "review": 50, "wallet": {"eth": 1.0}},
        "jit": {"kind": "just_in_time_provider", "count": 2, "pools": ["eth-usdc"],
                "wallet": {"usdc": 1e6, "eth": 400.0}},
        "sandwich": {"kind": "sandwich_attacker", "count": 2, "wallet": {"usdc": 1e6, "eth": 300.0},
                     "pools": ["eth-usdc", "eth-usdc-old", "moving"]},
        "users": {"kind": "noise_trader", "count": 60, "rate": 0.05, "slippage": 0.03,
                  "pools": ["eth-usdc", "eth-usdc-old", "meta", "curve", "moving", "thin"],
                  "wallet": {"usdc": 50_000.0, "eth": 20.0, "btc": 1.0, "dai": 50_000.0}},
        "hedged": {"kind": "hedged_provider", "count": 3, "pools": ["eth-usdc-old"],
                   "lending": "bank", "collateral": "usdc", "debt": "eth", "stake": 20_000.0,
                   "attention": 0.2, "wallet": {"usdc": 25_000.0, "eth": 1.0}},
        "bots": {"kind": "rebalancer", "count": 5, "pools": ["eth-usdc-old"], "routing": True,
                 "band": 0.01, "attention": 0.2, "wallet": {"usdc": 50_000.0, "eth": 20.0}},
        "trend": {"kind": "momentum_trader", "count": 20, "pools": ["eth-dai"], "attention": 0.1,
                  "wallet": {"dai": 20_000.0, "eth": 8.0, "usdc": 1000.0}},
        "crowd": {"kind": "sentiment_trader", "count": 30, "pools": ["btc-usdc"], "rate": 0.2,
                  "noise": 0.1, "network": "scale_free",
                  "wallet": {"usdc": 20_000.0, "btc": 0.5, "eth": 1.0}},
        "whales": {"kind": "whale", "count": 1, "pools": ["eth-usdc-old", "eth-usdc"],
                   "whole": 60.0, "horizon": 80.0, "risk_aversion": 1e-6, "fear": 0.1,
                   "slippage": 0.1, "wallet": {"eth": 100.0}},
        "thieves": {"kind": "pool_drainer", "count": 1, "pools": ["thin"], "lending": "naive",
                    "collateral": "eth", "debt": "usdc", "wallet": {"eth": 1.0}},
    },
    "shocks": [
        {"kind": "price_jump", "asset": "eth", "size": -0.35, "block": 60},
        {"kind": "whale_sale", "token": "eth", "amount": 100.0, "target": "eth-usdc", "block": 90},
        {"kind": "provider_exit", "pool": "eth-usdc", "share": 0.3, "block": 110},
        {"kind": "provider_exit", "pool": "stable", "share": 0.2, "block": 120},
        {"kind": "gas_surge", "multiple": 3.0, "blocks": 20, "block": 130},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def setup() -> Scenario:
    return Scenario.from_dict(MORE)


def test_every_kind_of_agent_and_pool_is_there(setup: Scenario) -> None:
    ours = {k for k, b in behaviours().items() if b.__module__.startswith("agents.")}
    shipped = [Scenario.load(name) for name in Scenario.names()]  # test_shipped.py runs them
    there = {group.kind for s in (setup, *shipped) for group in s.agents.values()}
    assert there == ours
    assert len({pool.kind for pool in setup.pools.values()}) == 5


def test_nothing_leaks_and_everybody_acts(setup: Scenario) -> None:
    market = Market(setup, rng=3).run()  # the ledger is audited in every block
    receipts = market.receipts()
    assert set(receipts.query("status == 'done'")["cohort"]) - {""} == set(setup.agents)
    traded = set(receipts.query("status == 'done' and kind == 'swap'")["protocol"])
    assert traded == set(setup.pools)
    frame = market.datacollector.get_model_vars_dataframe()
    results = frame[[c for c in frame if c.startswith("result.")]].iloc[-1]
    assert np.isfinite(results).all()
    market.exposure()


def test_bits_repeat_block_by_block_and_in_one_go(setup: Scenario) -> None:
    whole = Market(setup, rng=5).run(150)
    single = Market(setup, rng=5)
    for _ in range(150):
        single.step()
    assert (whole.ledger.balances == single.ledger.balances).all()
    assert (whole.ledger.books.storage == single.ledger.books.storage).all()
    again = Market(setup, rng=5).run(150)
    assert again.receipts().equals(whole.receipts())


def test_who_is_taken_away_leaves_the_draws_of_others(setup: Scenario) -> None:
    alone = setup.override({f"agents.{name}.count": 0 for name in ("jit", "sandwich", "crowd")})
    first, second = Market(setup, rng=7), Market(alone, rng=7)
    for market in (first, second):
        market.run(1)
    sent = [
        m.receipts().query("cohort == 'users'")[["sender", "protocol"]] for m in (first, second)
    ]
    assert sent[0].reset_index(drop=True).equals(sent[1].reset_index(drop=True))


def test_for_a_builder_too_nothing_leaks_and_bits_repeat(setup: Scenario) -> None:
    searchers = [n for n, g in setup.agents.items() if behaviours()[g.kind].searcher]
    bumps = {
        f"agents.{name}.bump": 0.2
        for name, group in setup.agents.items()
        if "bump" in behaviours()[group.kind].columns
    }
    reasons = {"volume_elasticity": 1.0, "news": 2.0, "habit": 0.5, "informed": 0.2}
    flow = {f"agents.users.{name}": value for name, value in reasons.items()}
    sealed = setup.override({"block.ordering": "builder"} | bumps | flow)
    whole = Market(sealed, rng=5).run(150)  # the ledger is audited in every block
    single = Market(sealed, rng=5)
    for _ in range(150):
        single.step()
    assert (whole.ledger.balances == single.ledger.balances).all()
    assert (whole.ledger.books.storage == single.ledger.books.storage).all()
    receipts = whole.receipts()
    assert single.receipts().equals(receipts)
    ours = receipts[receipts["cohort"].isin(searchers)]
    assert set(ours["status"].astype(str)) <= {"done", "dropped", "expired"}
    assert (ours["status"] == "dropped").any()
    assert (ours.query("status == 'dropped'")["gas"] == 0.0).all()
