"""Recorded prices of gas that cannot be replayed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.scenario import assert_answered

PATH = [[0.0, 10.0], [1.0, 20.0]]


@pytest.mark.parametrize(
    ("block", "field", "words"),
    [
        ({"gas_path": PATH}, "block.gas_path", "raise block.outside.gas"),
        (
            {"gas_path": PATH, "fee_market": "first_price", "outside": {"gas": 0.9}},
            "block.gas_path",
            "demand above 1 of",
        ),
        ({"gas_path": PATH, "fee_market": "off"}, "block.gas_path", "needs a fee market"),
        ({"gas_path": PATH, "gas_symbol": "gas"}, "block.gas_path", "give one of them"),
        ({"gas_symbol": "gas", "outside": {"gas": 2.0}}, "prices.file", "is missing"),
        (
            {"gas_path": PATH[::-1], "outside": {"gas": 2.0}},
            "block.gas_path",
            "in increasing order of time",
        ),
        (
            {"gas_path": PATH, "outside": {"gas": 2.0, "volatility_response": 1.0}},
            "block.gas_path",
            "volatility_response",
        ),
        ({"gas_path": [[0.0, -1.0]]}, "block.gas_path.0.1", "above 0"),
    ],
)
def test_a_path_of_gas_that_makes_no_sense_is_refused(
    block: dict[str, Any], field: str, words: str
) -> None:
    assert_answered({"block": {"fee_market": "eip1559"} | block}, field, words)
