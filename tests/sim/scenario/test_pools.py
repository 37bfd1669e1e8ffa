"""Pools, number by number."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.scenario import assert_answered


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"pools": {"eth-usdc": {"fee": 1.5}}}, "pools.eth-usdc.fee", "1.5 is out of range"),
        (
            {"pools": {"eth-usdc": {"reserves": {"eth": -1.0}}}},
            "pools.eth-usdc.reserves.eth",
            "-1.0 is out of range; give a number above 0",
        ),
        (
            {"pools": {"eth-usdc": {"reserves": {"eth": 2e203}}}},
            "pools.eth-usdc.reserves.eth",
            "1e+18",
        ),
        (
            {"pools": {"eth-usdc": {"reserves": {"eth": 1e-300}}}},
            "pools.eth-usdc.reserves.eth",
            "1e-18",
        ),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)
