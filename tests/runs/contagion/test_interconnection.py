"""Robust yet fragile: how often, how far, beyond what happens without the shock."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from runs.contagion import Interconnection, Plan, gai_kapadia, interconnection, many_banks
from runs.contagion.many_banks import others, their_losses
from sim.errors import ScenarioError

NOBODY = np.zeros((4, 10), bool)


def planted() -> Interconnection:
    """Of four seeds none turns systemic without links, and two of them with one."""
    some = NOBODY.copy()
    some[0, :6] = some[1, :2] = True
    alone = NOBODY.copy()
    alone[3, :5] = True
    lost = {1.0: np.zeros(4), 2.0: np.array([6.0, 2.0, 0.0, 0.0])}
    nodes = tuple(f"n{n}" for n in range(10))
    return Interconnection(
        (1.0, 2.0), nodes, {1.0: NOBODY, 2.0: some}, {1.0: NOBODY, 2.0: alone}, lost, (1, 2, 3, 4)
    )


def test_frequency_and_extent_are_counted_apart() -> None:
    none, some = planted().table().to_dict("records")
    assert none["frequency"] == 0.0 and np.isnan(none["extent"])
    assert some["systemic"] == 2 and some["frequency"] == 0.5
    assert some["extent"] == pytest.approx(0.4)  # of the two, six and two tenths
    assert some["lost"] == pytest.approx(2.0) and some["alone"] == 0.25
    assert some["frequency_low"] < 0.5 < some["frequency_high"]
    assert some["extent_low"] <= 0.4 <= some["extent_high"]


def test_what_counts_as_systemic_is_a_matter_of_reading() -> None:
    strict = planted().at(0.2).table().to_dict("records")[1]
    assert strict["systemic"] == 1 and strict["extent"] == pytest.approx(0.6)


def test_the_picture_has_both_curves_and_a_model_beside() -> None:
    figure = planted().plot({2.0: gai_kapadia(1.0, banks=10, networks=5)}, "a model")
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(told) == 3 and "a model" in told
    assert all(len(axis.lines) >= 2 for axis in figure.axes)
    plt.close(figure)


def test_links_carry_a_fall_and_none_without_them(tmp_path: Path) -> None:
    # A crowded market: funds of twice the size sell into the books that makers leave.
    changes = {"agents.funds-*.equity": 1.6e6, "blocks": 300}
    made = {z: many_banks({"makers": z}, 4, 0.6, changes=changes) for z in (1, 2)}
    plan = Plan(seeds=3, out=tmp_path)
    found = interconnection(made, others(4), their_losses(4), plan=plan)
    assert found.seeds == (1, 2, 3) and found.nodes == ("coin2", "coin3", "coin4")
    assert not found.hit[1].any() and not found.lost[1].any()
    assert found.hit[2].any()
    assert not (found.hit[2] & found.alone[2]).any()
    again = interconnection(made, others(4), their_losses(4), plan=plan)
    assert all((again.hit[z] == found.hit[z]).all() for z in made)


@pytest.mark.parametrize(
    ("markets", "hit", "text"),
    [
        ({}, {"a": "min(venue.coin2.price) < 80"}, "markets"),
        ({1: many_banks(banks=2)}, {}, "say who may be hit"),
        ({1: many_banks(banks=2, fall=0.0)}, {"a": "min(venue.coin2.price) < 80"}, "shocks"),
        ({1: many_banks(banks=2)}, {"a": "cheap"}, "write it as"),
    ],
)
def test_what_makes_no_sense_is_told(markets: dict, hit: dict, text: str) -> None:
    with pytest.raises(ScenarioError, match=text):
        interconnection(markets, hit, {}, plan=Plan(seeds=1))
