"""Assets of the outside venue, number by number."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.sim.scenario import assert_answered, eth


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"venue": {"assets": {"eth": {"price": math.nan}}}}, "venue.assets.eth.price", "nan"),
        (eth(volatility=1e308), "venue.assets.eth.volatility", "of at most 100"),
        (
            eth(process="bridge", points=[[0, -5.0], [9, 5.0]]),
            "venue.assets.eth.points.0.1",
            "above 0",
        ),
        (eth(process="bridge", points=[["x", 5.0]]), "venue.assets.eth.points.0.0", "datetime"),
        (eth(process="bridge", points=[[1, 2, 3, 4]]), "venue.assets.eth.points.0", "at most 2"),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)
