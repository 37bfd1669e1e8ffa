"""What a kind of agents answers to the settings of a group."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import CROWD, merged
from tests.sim.scenario import assert_answered, problems


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"agents": {"x": CROWD["traders"] | {"kind": ":x"}}}, "agents.x.kind", "names no class"),
        (
            {"agents": {"x": CROWD["traders"] | {"kind": "pandas:DataFrame"}}},
            "agents.x.kind",
            "is not a Behaviour",
        ),
        (
            {
                "agents": {
                    "x": {
                        "kind": "sentiment_trader",
                        "count": 10**6,
                        "pools": ["eth-usdc"],
                        "neighbours": 1000,
                        "wallet": {"eth": 1.0},
                    }
                }
            },
            "agents.x.neighbours",
            "edges",
        ),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)


@pytest.mark.parametrize(
    ("group", "key", "value", "words"),
    [
        ("traders", "kind", "noise_tradr", "did you mean 'noise_trader'"),
        ("traders", "rat", 0.1, "did you mean 'rate'"),
        ("traders", "rate", 1.5, "leaves the range 0 to 1 (per block)"),
        ("traders", "rate", {"distribution": "lognormal", "median": 0.1, "sigma": 1.0}, "at_most"),
        ("traders", "rate", {"median": 0.1}, "a table needs distribution"),
        ("traders", "rate", "fast", "give a number"),
        ("traders", "pools", ["nowhere"], "unknown pool 'nowhere'"),
        ("traders", "pools", [], "is missing"),
        ("borrowers", "collateral", "doge", "unknown token 'doge'"),
        ("borrowers", "lending", "shark", "unknown lending market 'shark'"),
        ("arbitrageurs", "hits", 0.5, "unknown field"),
        ("traders", "count", -3, "out of range"),
    ],
)
def test_bad_agents_are_answered_too(group: str, key: str, value: Any, words: str) -> None:
    agents = merged(CROWD, {})
    agents[group][key] = value
    found = problems({"agents": agents})
    assert any(field.startswith(f"agents.{group}.{key}") for field in found), found
    assert words in " ".join(found.values())
