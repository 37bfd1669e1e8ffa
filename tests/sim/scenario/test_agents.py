"""Groups of agents, number by number."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import CROWD
from tests.sim.scenario import assert_answered


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        (
            {"agents": {"choice": {"kind": "noise_trader", "count": -1}}},
            "agents.choice.count",
            "out of range",
        ),
        (
            {"agents": {"x": CROWD["traders"] | {"count": 10**9}}},
            "agents.x.count",
            "of at most 1e+06",
        ),
        (
            {"agents": {"x": CROWD["borrowers"] | {"equity": 1e30}}},
            "agents.x.equity.value",
            "of at most 1e+18",
        ),
        (
            {"agents": {"x": CROWD["traders"] | {"wallet": {"eth": 1.7e308}}}},
            "agents.x.wallet.eth.value",
            "of at most 1e+18",
        ),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)
