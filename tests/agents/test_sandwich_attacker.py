"""Sandwich attackers."""

from __future__ import annotations

from typing import Any

import pytest

from agents import MarketAgent
from protocols.constant_product import amount_out
from sim import Market, Scenario
from tests.conftest import BASE, merged

POOL = {"tokens": ["eth", "usdc"], "reserves": {"eth": 1000.0, "usdc": 2e6}, "fee": 0.0005}
SIZE = 40_000.0


def setup(**changes: Any) -> Scenario:
    agents = {
        "attackers": {
            "kind": "sandwich_attacker",
            "count": 1,
            "pools": ["pool"],
            "wallet": {"usdc": 5e6, "eth": 2500.0},
        }
    }
    wait = {"fee_market": "eip1559", "base_fee": 25.0, "outside": {"gas": 0.3}, "expiry": 50}
    content = BASE | {"pools": {"pool": POOL}, "agents": agents, "block": wait}
    eth = {"venue": {"assets": {"eth": {"spread": 0.0}}}}
    return Scenario.from_dict(merged(merged(content, eth), changes))


class Victim(MarketAgent):
    tolerance = 0.01

    def step(self) -> None:
        if self.market.block == 1:
            quoted = self.market.pools["pool"].quote("usdc", "eth", SIZE)
            least = quoted * (1.0 - self.tolerance)
            self.swap("pool", "usdc", SIZE, minimum=least, bid=20.0)


def run(tolerance: float, **changes: Any) -> Market:
    market = Market(setup(**changes), rng=1)
    victim = Victim(market, {"usdc": 1e6, "eth": 1.0}, "victim")
    victim.tolerance = tolerance
    return market.run(20)


def test_the_victim_gets_just_its_limit_and_the_attacker_the_rest() -> None:
    market = run(0.01)
    done = market.receipts().query("status == 'done' and kind == 'swap'")
    assert list(done["sender"]) == ["attackers-0", "victim", "attackers-0"]
    quoted = amount_out(2e6, 1000.0, SIZE, 0.0005)
    assert done["amount_out"].iloc[1] == pytest.approx(0.99 * quoted, rel=1e-6)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    front = done["amount_in"].iloc[0]
    assert row["extracted.attackers"] > 0.0
    assert done["amount_out"].iloc[2] - front == pytest.approx(row["extracted.attackers"], rel=1e-6)
    # No more than what the victim lost.
    assert row["extracted.attackers"] < 0.01 * SIZE
    market.ledger.audit()


def test_a_tight_limit_protects() -> None:
    market = run(0.0001)
    assert list(market.receipts().query("kind == 'swap'")["sender"]) == ["victim"]
    loose, tight = run(0.01), run(0.003)
    gains = [
        m.datacollector.get_model_vars_dataframe().iloc[-1]["extracted.attackers"]
        for m in (loose, tight)
    ]
    assert gains[0] > gains[1] > 0.0


def test_what_cannot_be_bought_cannot_be_sandwiched() -> None:
    market = run(0.01, agents={"attackers": {"wallet": {"usdc": 0.0, "eth": 1.0}}})
    assert list(market.receipts().query("kind == 'swap'")["sender"]) == ["victim"]


def test_to_a_builder_a_sandwich_is_one_bundle_and_who_loses_the_race_pays_nothing() -> None:
    builder = {"ordering": "builder"}
    market = run(0.01, block=builder, agents={"attackers": {"count": 2}})
    receipts = market.receipts()
    done = receipts.query("status == 'done' and kind in ('swap', 'carry')")
    winner = str(done["sender"].iloc[0])
    assert list(done["sender"]) == [winner] * 3 + ["victim"]
    assert list(done["kind"]) == ["swap", "carry", "swap", "swap"]
    quoted = amount_out(2e6, 1000.0, SIZE, 0.0005)
    assert done["amount_out"].iloc[3] == pytest.approx(0.99 * quoted, rel=1e-6)
    assert done["amount_out"].iloc[2] > done["amount_in"].iloc[0]
    lost = receipts.query("status == 'dropped'")
    assert set(lost["sender"]) == {"attackers-0", "attackers-1"} - {winner}
    assert (lost["gas"] == 0.0).all()
    (loser,) = set(lost["sender"])
    assert market.ledger.balance(str(loser), "usdc") == 5e6
    assert market.ledger.balance(str(loser), "eth") == 2500.0
    market.ledger.audit()


def test_sealed_bundles_are_seen_by_nobody() -> None:
    # An arbitrageur's swap alone would be one to sandwich, were it public.
    apart = {"eth": 1000.0, "usdc": 1.9e6}
    agents = {
        "arbitrageurs": {
            "kind": "arbitrageur",
            "count": 1,
            "pools": ["pool"],
            "wallet": {"usdc": 1e6, "eth": 10.0},
        }
    }
    market = Market(
        setup(block={"ordering": "builder"}, pools={"pool": {"reserves": apart}}, agents=agents),
        rng=1,
    ).run(10)
    receipts = market.receipts()
    assert set(receipts["sender"]) == {"arbitrageurs-0"}
    assert (receipts["status"] == "done").all()
