"""Shocks, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.scenario import assert_answered


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        (
            {"shocks": [{"kind": "price_jump", "asset": "eth", "size": -0.5}]},
            "shocks.0",
            "give either block",
        ),
        (
            {"shocks": [{"kind": "price_jmp", "asset": "eth", "size": -0.5, "block": 3}]},
            "shocks.0",
            "unknown kind",
        ),
        (
            {"shocks": [{"kind": "gas_surge", "multiple": 2.0, "blocks": 2**63, "block": 1}]},
            "shocks.0.blocks",
            "of at most 1e+09",
        ),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)
