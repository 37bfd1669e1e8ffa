"""What a scenario says of lending markets, and what contradicts itself there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sim import Scenario
from tests.sim.scenario import assert_answered


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        (
            {"lending": {"bank": {"reserves": {"eth": {"ltv": 0.9}}}}},
            "lending.bank.reserves.eth.threshold",
            "below the loan-to-value 0.9",
        ),
        (
            {"lending": {"bank": {"reserves": {"eth": {"oracle": "usdc"}}}}},
            "lending.bank.reserves.eth.oracle",
            "prices usdc, not eth",
        ),
        (
            {"lending": {"bank": {"reserves": {"usdc": {"supply_cap": 2.0}}}}},
            "lending.bank.reserves.usdc.cash",
            "above supply_cap",
        ),
        (
            {"blocks": 500_000, "lending": {"bank": {"reserves": {"usdc": {"slope1": 9e5}}}}},
            "lending.bank.reserves.usdc.slope1",
            "takes debts beyond exp(200)",
        ),
        (
            {
                "lending": {"other": {"reserves": {"bank-usdc-debt": {"oracle": "d"}}}},
                "oracles": {"d": {"token": "bank-usdc-debt", "source": "fixed", "price": 1.0}},
            },
            "lending.other.reserves.bank-usdc-debt",
            "is a debt",
        ),
        (
            {
                "shocks": [
                    {
                        "kind": "withdrawal",
                        "lending": "bank",
                        "token": "btc",
                        "share": 1.0,
                        "block": 3,
                    }
                ]
            },
            "shocks.0.token",
            "unknown",
        ),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)


def test_toxic_thresholds_are_warned_of(small: Callable[..., Scenario]) -> None:
    reserves = {"eth": {"threshold": 0.97, "bonus": 0.05}}
    (warning,) = small(lending={"bank": {"reserves": reserves}}).warnings()
    assert warning[0] == "lending.bank.reserves.eth.threshold"
