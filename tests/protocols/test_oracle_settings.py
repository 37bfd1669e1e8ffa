"""What a scenario says of oracles, and what contradicts itself there."""

from __future__ import annotations

from typing import Any

import pytest

from sim import Scenario
from sim.errors import ScenarioError
from tests.sim.scenario import assert_answered


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"oracles": {"eth": {"lag": 10**12}}}, "oracles.eth.lag", "of at most 1e+06"),
        ({"oracles": {"eth": {"window": 10**12}}}, "oracles.eth.window", "of at most 1e+06"),
        ({"oracles": {"eth": {"source": "pool_twap"}}}, "oracles.eth.pool", "is missing"),
        (
            {"oracles": {"lp": {"token": "eth", "source": "share", "pool": "eth-usdc"}}},
            "oracles.lp.token",
            "give 'eth-usdc-share'",
        ),
        (
            {
                "oracles": {
                    n: {"token": "eth", "source": "pool_spot", "pool": "eth-usdc", "quote": q}
                    for n, q in (("eth", "b"), ("b", "eth"))
                }
            },
            "oracles.eth.quote",
            "goes in a circle: eth -> b -> eth",
        ),
        (
            {
                "pools": {"eth-usdc": {"kind": "concentrated"}},
                "oracles": {
                    "lp": {"token": "eth-usdc-share", "source": "share", "pool": "eth-usdc"}
                },
            },
            "oracles.lp.source",
            "only constant_product, weighted and stableswap pools have one",
        ),
        (
            {"oracles": {"deposit": {"token": "eth", "source": "receipt"}}},
            "oracles.deposit.token",
            "eth is no receipt of a lending market or protocol (bank-eth, bank-usdc); name one",
        ),
        ({"oracles": {"eth": {"most_move": 0.1}}}, "oracles.eth.hop", "is missing; say in how"),
        ({"oracles": {"eth": {"most_move": 1.0}}}, "oracles.eth.most_move", "below 1"),
        (
            {"oracles": {"eth": {"most_growth": 0.1}}},
            "oracles.eth.most_growth",
            "is only for source = \"receipt\", this is 'venue'; take it out",
        ),
        (
            {
                "oracles": {
                    "eth": {"source": "pool_spot", "pool": "eth-usdc", "live": True, "hop": 2}
                }
            },
            "oracles.eth.live",
            "take one out",
        ),
        (
            {"shocks": [{"kind": "oracle_freeze", "oracle": "etc", "block": 1, "blocks": 2}]},
            "shocks.0.oracle",
            "unknown oracle 'etc'",
        ),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)


def test_an_oracle_of_a_pool_of_one_token_stops_no_check() -> None:
    # It once ended in a StopIteration in place of what is wrong with the pool.
    with pytest.raises(ScenarioError) as found:
        Scenario.from_dict(
            {
                "title": "one token twice",
                "blocks": 1,
                "venue": {"assets": {"btc": {"price": 2.0}}},
                "pools": {"p": {"tokens": ["btc", "btc"], "reserves": {"btc": 1.0}}},
                "oracles": {"o": {"token": "btc", "source": "pool_spot", "pool": "p"}},
            }
        )
    assert [field for field, _ in found.value.problems] == ["block.gas_token", "pools.p.tokens"]
