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


@pytest.mark.parametrize("name", Scenario.names())
def test_a_scenario_is_shown_in_a_screenful(name: str) -> None:
    setup = Scenario.load(name)
    lines = repr(setup).splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
    assert setup.title in lines[0]
    assert any(f"{setup.blocks:,} blocks" in line for line in lines)
    assert setup._repr_html_().count("<tr>") == len(setup.outline())
    assert [*setup.__rich_repr__()] == [setup.title]
