"""What contradicts itself at the outside venue."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.scenario import assert_answered, eth


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        (
            {"venue": {"correlation": {"eth:btc": 0.5}}},
            "venue.correlation.eth:btc",
            "two different assets",
        ),
        (
            {"venue": {"assets": {"eth": {"process": "garch", "alpha": 0.5, "beta": 0.5}}}},
            "venue.assets.eth.beta",
            "below 1",
        ),
        (
            {"venue": {"assets": {"eth": {"process": "bridge", "points": [[1.0, 5.0]]}}}},
            "venue.assets.eth.points",
            "two points",
        ),
        ({"venue": {"assets": {"eth": {"process": "replay"}}}}, "prices.file", "is missing"),
        (
            {
                "venue": {
                    "assets": {"btc": {"price": 1.0}},
                    "correlation": {"eth:btc": 0.2, "btc:eth": 0.5},
                }
            },
            "venue.correlation.eth:btc",
            "also given as btc:eth",
        ),
        (
            eth(process="gbm", volatility=100.0) | {"blocks": 10**7},
            "venue.assets.eth.volatility",
            "beyond exp(200)",
        ),
        (eth(process="jumps", jump_rate=1e9), "venue.assets.eth.jump_rate", "jumps a block"),
        (eth(process="heston", reversion=1e8), "venue.assets.eth.reversion", "reverts fully"),
        (
            eth(process="gbm", drift=1000.0) | {"blocks": 10**6},
            "venue.assets.eth.drift",
            "lower it",
        ),
        (
            eth(process="bridge", points=[[0, 5.0], [9, 5.0]]) | {"blocks": 10**8},
            "venue.assets.eth.process",
            "beforehand",
        ),
        (
            {"shocks": [{"kind": "price_jump", "asset": "eth", "size": 1e6, "block": 1}] * 20},
            "shocks.14.size",
            "beyond exp(200)",
        ),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)
