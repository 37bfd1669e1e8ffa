"""What pydantic finds, in words."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.conftest import CROWD
from tests.sim.scenario import assert_answered, problems


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"blcks": 3}, "blcks", "did you mean 'blocks'"),
        ({"pools": {"eth-usdc": {"fees": 0.1}}}, "pools.eth-usdc.fees", "did you mean 'fee'"),
        ({"blocks": math.nan}, "blocks", "finite"),
        (
            {"agents": {"choice": CROWD["traders"] | {"size": {"distribution": "pareto"}}}},
            "agents.choice.size.scale",
            "is missing",
        ),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)


def test_all_problems_are_reported_together() -> None:
    changes = {"pools": {"eth-usdc": {"fee": 2.0}}, "blocks": 0, "colour": "red"}
    assert set(problems(changes)) == {"pools.eth-usdc.fee", "blocks", "colour"}
