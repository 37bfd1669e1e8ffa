"""Names, times and shocks that no field can check by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import BASE, CROWD
from tests.sim.scenario import assert_answered, problems


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"block": {"gas_token": "sol"}}, "block.gas_token", "unknown token 'sol'"),
        (
            {"shocks": [{"kind": "whale_sale", "token": "sol", "amount": 1.0, "block": 3}]},
            "shocks.0.token",
            "unknown token",
        ),
        ({"start": "2150-01-01"}, "start", "before 2100"),
        ({"blocks": 10**9, "block": {"seconds": 1e4}}, "blocks", "beyond the year 2200"),
        ({"agents": {"eth-usdc": CROWD["traders"]}}, "eth-usdc", "this name is used twice"),
        (
            {"agents": {"x": CROWD["traders"]}, "pools": {"x-3": BASE["pools"]["eth-usdc"]}},
            "x-3",
            "like an agent of x",
        ),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)


def test_a_shock_in_the_past_is_refused() -> None:
    early = datetime(2019, 12, 31, tzinfo=UTC)
    jump = {"kind": "price_jump", "asset": "eth", "size": 0.1, "at": early}
    assert "is before the start" in problems({"shocks": [jump]})["shocks.0.at"]
