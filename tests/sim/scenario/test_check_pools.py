"""What contradicts itself in pools, and the order in which they are funded."""

from __future__ import annotations

from typing import Any

import pytest

from sim import Scenario
from sim.scenario import order_of_funding
from tests.conftest import BASE, merged
from tests.sim.scenario import assert_answered


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        (
            {"pools": {"x": {"tokens": ["eth", "doge"], "reserves": {"eth": 1.0, "doge": 1.0}}}},
            "pools.x.tokens",
            "unknown token 'doge'",
        ),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)


def test_pools_are_funded_in_an_order_whatever_holds_what() -> None:
    pools = {
        f"p{i}": {
            "tokens": ["usdc", f"p{i + 1}-share" if i < 300 else "eth"],
            "reserves": {"usdc": 1.0, f"p{i + 1}-share" if i < 300 else "eth": 1.0},
        }
        for i in range(301)
    }
    setup = Scenario.from_dict(merged(BASE, {"pools": pools}))
    assert order_of_funding(setup)[:2] == ["eth-usdc", "p300"]
    assert order_of_funding(setup)[-1] == "p0"
