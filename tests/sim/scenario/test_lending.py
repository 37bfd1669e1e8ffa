"""Oracles and lending markets, number by number."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.scenario import assert_answered


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"oracles": {"eth": {"lag": 10**12}}}, "oracles.eth.lag", "of at most 1e+06"),
        ({"oracles": {"eth": {"window": 10**12}}}, "oracles.eth.window", "of at most 1e+06"),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)
