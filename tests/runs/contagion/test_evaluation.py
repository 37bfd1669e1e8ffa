"""Points of parameters run as studies: as they are said, and not twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runs.contagion import Plan
from runs.contagion.evaluation import (
    Event,
    cube,
    evaluate,
    of_unit,
    ranges,
    settings_at,
    to_unit,
)
from sim import Market, Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
DROP = {"kind": "price_jump", "asset": "eth", "size": -0.3, "block": 5}
DEPTH = {"depth": {"path": "venue.assets.eth.depth", "low": 1e5, "high": 1e7, "scale": "log"}}


def depth_of(market: Market) -> float:
    return market.setup.venue.assets["eth"].depth


def fails(market: Market) -> float:
    raise RuntimeError("no")


def test_an_event_is_read() -> None:
    event = Event.parse("last(lending.bank.loss) > 1e5")
    assert event == Event("last(lending.bank.loss)", 1e5)
    assert event.happened([1e5, 2e5, np.nan]).tolist() == [False, True, False]
    assert Event.parse("first_below(a.b, 3)<-2").happened([-3.0, 0.0]).tolist() == [True, False]
    assert str(event) == "last(lending.bank.loss) > 100000"


@pytest.mark.parametrize("text", ["lost", "last(a.b)", "last(a.b) > much", "a > 3"])
def test_what_is_no_event_is_told(text: str) -> None:
    with pytest.raises(ScenarioError, match="event"):
        Event.parse(text)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({}, "there are none"),
        ({"x": {"path": "blocks", "values": [1]}}, "no range"),
        ({"x": (2.0, 1.0)}, "not below"),
        ({"x": {"path": "blocks", "low": 0.0, "high": 1.0, "scale": "log"}}, "above 0"),
        ({"x": {"low": 0.0, "high": 1.0}}, "names no field"),
    ],
)
def test_what_is_no_range_is_told(given: dict[str, Any], word: str) -> None:
    with pytest.raises(ScenarioError, match=word):
        ranges(given)


def test_places_and_values_are_each_others() -> None:
    found = ranges({"blocks": (10.0, 30.0)} | DEPTH)
    assert found["blocks"].path == ["blocks"]
    assert to_unit(found["blocks"], [10.0, 20.0]).tolist() == [0.0, 0.5]
    assert of_unit(found["depth"], 0.5) == pytest.approx(1e6)
    assert to_unit(found["depth"], of_unit(found["depth"], 0.3)) == pytest.approx(0.3)


def test_each_point_is_run_with_its_values(small: Make) -> None:
    setup = small(blocks=20, shocks=[DROP])
    given = ranges({"blocks": (8.0, 30.0)} | DEPTH)
    points = [{"blocks": 9.6, "depth": 2e5}, {"blocks": 20.0, "depth": 4e6}]
    keep = {
        "low": "min(venue.eth.price)",
        "fall": "-min(venue.eth.price)",
        "blocks": "block_of_max(gas.base_fee)",
        "depth": depth_of,
    }
    variants = {"without a shock": {"shocks": []}}
    with pytest.raises(ScenarioError, match="blocks"):
        evaluate(setup, given, points, keep, Plan(seeds=[3, 5]), variants=variants)
    found = evaluate(
        setup, {"long": given["blocks"], "depth": given["depth"]},
        [{"long": p["blocks"], "depth": p["depth"]} for p in points],
        {k: v for k, v in keep.items() if k != "depth"} | {"seen": keep["depth"]},
        Plan(seeds=[3, 5]), variants=variants,
    )  # fmt: skip
    assert len(found) == 8 and set(found["variant"]) == {"base", "without a shock"}
    assert (found["long"] == found["point"].map({0: 10.0, 1: 20.0})).all(), "whole where whole"
    assert (found["seen"] == found["depth"]).all()
    assert (found["fall"] == -found["low"]).all()
    assert (cube(found, "low") < cube(found, "low", "without a shock")).all()
    assert cube(found, "low").shape == (2, 2)


def test_what_is_done_is_not_done_again(small: Make, tmp_path: Path) -> None:
    setup = small(blocks=5)
    given, points = ranges(DEPTH), [{"depth": 3e5}]
    keep = {"low": "min(venue.eth.price)"}
    first = evaluate(setup, given, points, keep, Plan(seeds=2, out=tmp_path))
    done = sorted(p for p in tmp_path.rglob("*.parquet"))
    again = evaluate(setup, given, points, keep, Plan(seeds=2, out=tmp_path))
    assert first.equals(again)
    assert sorted(p for p in tmp_path.rglob("*.parquet")) == done
    evaluate(setup, given, [{"depth": 4e5}], keep, Plan(seeds=2, out=tmp_path))
    assert len(list(tmp_path.iterdir())) == 2, "another batch, another folder"


def test_settings_are_those_of_the_runs(small: Make) -> None:
    found = settings_at(small(), ranges(DEPTH), [{"depth": 3e5}, {"depth": 5e5}])
    assert [setup.venue.assets["eth"].depth for setup in found] == [3e5, 5e5]


def test_failures_are_told(small: Make) -> None:
    with pytest.raises(ScenarioError, match="nothing to keep"):
        evaluate(small(), {}, [], {}, Plan(seeds=1))
    with pytest.raises(ScenarioError, match=r"seed 1.*RuntimeError: no"):
        evaluate(small(blocks=2), {}, [], {"it": fails}, Plan(seeds=1))
