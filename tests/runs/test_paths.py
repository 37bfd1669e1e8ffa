"""Dotted paths into a scenario, and scenarios as JSON."""

from __future__ import annotations

import json

import pytest

from runs import paths
from sim import Scenario
from sim.errors import ScenarioError

CONTENT = {"pools": {"a": {"fee": 1, "reserves": {"x": 2.0}}, "b": {"fee": 3}}, "list": [5, 6]}


def test_patterns_stand_for_all_that_is_there() -> None:
    assert paths.matches(CONTENT, "pools.*.fee") == ["pools.a.fee", "pools.b.fee"]
    assert paths.matches(CONTENT, "pools.*.reserves.*") == ["pools.a.reserves.x"]
    assert paths.matches(CONTENT, "list.?") == ["list.0", "list.1"]
    assert paths.matches(CONTENT, "pools.c.fee") == ["pools.c.fee"]  # no pattern: taken as it is
    assert paths.matches(CONTENT, "pool?.z.fee") == []


def test_values_are_found_by_path() -> None:
    assert paths.get(CONTENT, "pools.a.reserves.x") == 2.0
    assert paths.get(CONTENT, "list.1") == 6
    with pytest.raises(KeyError, match="did you mean 'fee'"):
        paths.get(CONTENT, "pools.a.fees")
    with pytest.raises(KeyError):
        paths.get(CONTENT, "list.2")


def test_a_pattern_for_nothing_is_refused() -> None:
    setup = Scenario.load("calm")
    found = paths.expand(setup, {"pools.*.fee": 0.01, "blocks": 3}, "set")
    assert found == {"pools.eth-usdc.fee": 0.01, "pools.eth-usdc-b.fee": 0.01, "blocks": 3}
    with pytest.raises(ScenarioError, match=r"set\.pols\.\*\.fee"):
        paths.expand(setup, {"pols.*.fee": 0.01}, "set")


@pytest.mark.parametrize("name", Scenario.names())
def test_a_scenario_goes_through_json_whole(name: str) -> None:
    setup = Scenario.load(name)
    text = paths.to_json(setup)
    assert "Infinity" not in text  # which is no JSON
    assert Scenario.from_dict(json.loads(text)) == setup
