"""The cascade of the last shock, step by step."""

from __future__ import annotations

import pytest

from runs.app import views
from runs.app.live import LiveMarket
from runs.app.replay import MOST_STEPS, last_cascade
from sim import Scenario
from sim.errors import ScenarioError

CRASH = {"kind": "price_jump", "asset": "eth", "size": -0.4, "block": 20}


def test_steps_are_what_the_shock_led_to_in_order() -> None:
    setup = Scenario.load("calm").override({"shocks": [CRASH]})
    steps = last_cascade(setup, 3, 80)
    assert steps[0] == {
        "block": 20,
        "node": "venue",
        "cause": "",
        "text": "shock: price jump at venue",
        "generation": 0,
    }
    assert [s["block"] for s in steps] == sorted(s["block"] for s in steps)
    liquidated = [s for s in steps if "liquidated in bank" in s["text"]]
    assert liquidated and all(s["node"] == "borrowers" for s in liquidated)
    assert "venue" in {s["cause"] for s in liquidated}
    assert any(" sell " in s["text"] and s["cause"] == "borrowers" for s in steps)
    assert len(steps) <= MOST_STEPS
    known = {n["name"] for n in views.network_layout(LiveMarket(setup, 3))["nodes"]}
    assert {s["node"] for s in steps} | {s["cause"] for s in steps} - {""} <= known | {""}


def test_what_happens_without_the_shock_as_well_is_no_step() -> None:
    nothing = CRASH | {"size": -1e-9}
    steps = last_cascade(Scenario.load("calm").override({"shocks": [nothing]}), 3, 80)
    assert [s["text"] for s in steps] == ["shock: price jump at venue"]
    twice = [CRASH, {"kind": "pool_halt", "pool": "eth-usdc", "block": 50, "blocks": 3}]
    steps = last_cascade(Scenario.load("calm").override({"shocks": twice}), 3, 60)
    assert steps[0]["node"] == "eth-usdc" and steps[0]["block"] == 50
    assert not any("liquidated" in s["text"] and s["block"] < 50 for s in steps)


def test_without_a_shock_there_is_nothing_to_trace() -> None:
    with pytest.raises(ScenarioError, match="no shock has occurred"):
        last_cascade(Scenario.load("calm"), 3, 5)
