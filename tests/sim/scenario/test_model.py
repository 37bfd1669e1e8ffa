"""A scenario as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sim import Scenario
from sim.errors import ScenarioError
from tests.conftest import BASE


def test_what_is_nested_deep_is_refused_before_it_is_looked_at() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ScenarioError, match="nested more than 32 deep"):
        Scenario.from_dict(BASE | {"shocks": deep})


def test_prices_need_a_symbol(small: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError, match="no asset has a symbol"):
        small().with_prices("x.csv")
