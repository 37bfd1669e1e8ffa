"""What the tests of scenarios share."""

from __future__ import annotations

from typing import Any

import pytest

from sim import Scenario
from sim.errors import ScenarioError
from tests.conftest import BASE, merged


def problems(changes: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_dict(merged(BASE, changes))
    return dict(caught.value.problems)


def assert_answered(changes: dict[str, Any], field: str, words: str) -> None:
    """See that bad input is answered with its field and a remedy."""
    found = problems(changes)
    assert field in found, found
    assert words in found[field]


def eth(**fields: Any) -> dict[str, Any]:
    return {"venue": {"assets": {"eth": fields}}}
