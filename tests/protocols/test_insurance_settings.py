"""What a scenario says of insurance funds, and what cannot be covered."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.scenario import assert_answered


def fund(**fields: Any) -> dict[str, Any]:
    return {"insurance": {"mutual": {"token": "usdc", "covers": ["bank"]} | fields}}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        (fund(token="sol"), "insurance.mutual.token", "unknown token 'sol'"),
        (fund(covers=["bnak"]), "insurance.mutual.covers", "did you mean 'bank'"),
        (fund(covers=[]), "insurance.mutual.covers", "at least 1"),
        (fund(premium=1.5), "insurance.mutual.premium", "out of range"),
        (
            fund(covers=["eth-usdc"]) | {"pools": {"eth-usdc": {"kind": "concentrated"}}},
            "insurance.mutual.covers",
            "eth-usdc is concentrated; losses are stated of pools whose shares are alike",
        ),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)
