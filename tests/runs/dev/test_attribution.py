"""The page's experiments: each can be made, and its table says what was found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from runs.contagion import Attribution, Cuts
from runs.contagion.attribution import cut_of
from runs.contagion.strikes import striking
from runs.dev import attribution as page
from runs.study.reductions import Reduction
from sim import Market


@pytest.mark.parametrize("name", page.EXPERIMENTS)
def test_every_link_can_be_cut_and_every_loss_is_measured(name: str) -> None:
    experiment = page.EXPERIMENTS[name]
    setup = experiment.setup()
    strikes = striking(setup, experiment.shocks)
    assert 0 < strikes.block < setup.blocks
    for link in experiment.links:
        assert cut_of(setup, link, strikes.block)["block"] == strikes.block
    market = Market(setup, rng=1)
    measured = {measure.name for measure in market.measures}
    market.close()
    for text, _, _ in experiment.losses.values():
        assert Reduction.parse(text.removeprefix("-")).measure in measured


def test_the_shallow_pool_is_shallower() -> None:
    setup = page.EXPERIMENTS["staked_loop"].setup()
    assert setup.pools["curve"].reserves["eth"] == pytest.approx(page.SHALLOW * 30_000.0)


def test_the_table_sums_to_what_is_induced() -> None:
    experiment = page.Experiment(
        "two_banks", None, {"a": "first", "b": "second"}, {"it": ("last(x)", 1e3, 1)}, 2
    )
    worth = {
        frozenset(): np.array([0.0, 0.0]), frozenset("a"): np.array([1e3, 3e3]),
        frozenset("b"): np.array([0.0, 0.0]), frozenset("ab"): np.array([2e3, 6e3]),
    }  # fmt: skip
    found = Attribution(("a", "b"), {"it": worth})
    lines = page.table(experiment, found).splitlines()
    assert lines[0] == "| link | it, thousands |"
    assert [line.split("|")[1].strip() for line in lines[2:]] == [
        "first", "second", "together", "induced with all of these cut",
    ]  # fmt: skip
    assert lines[2].split("|")[2].strip().startswith("3.0 (")
    assert lines[4].split("|")[2].strip().startswith("4.0 (")
    assert lines[5].split("|")[2].strip() == "0.0 (0.0 to 0.0)"
    assert "first + second: 2.0" in page.pairs(experiment, found, "it")


def test_each_cut_stands_beside_what_is_induced_without_any() -> None:
    experiment = page.Experiment("two_banks", None, {}, {"it": ("last(x)", 1e3, 1)}, 2)
    found = Cuts(
        ("small", "large"), {"it": np.array([2e3, 4e3])},
        {"it": {"small": np.array([2e3, 4e3]), "large": np.array([1e3, 1e3])}},
    )  # fmt: skip
    lines = page.each_table(experiment, found).splitlines()
    assert lines[0] == "| cut | it, thousands |"
    assert lines[2].startswith("| nothing: induced | 3.0 (")
    assert lines[3].startswith("| `large` | 2.0 (1.0 to 3.0)")
    assert lines[4] == "| `small` | 0.0 (0.0 to 0.0) |"


def test_models_stand_by_whom_they_speak_of() -> None:
    row = {f"{what}{end}": 0.5 for what in ("rank", "size", "missed", "spared")
           for end in ("", "_low", "_high")}  # fmt: skip
    scores = pd.DataFrame({"fire_sales": row}).T
    lines = page.literature_table({"groups": scores, "accounts": scores}).splitlines()
    assert lines[0].startswith("| among groups |") and lines[4].startswith("| among accounts |")
    assert lines[2].startswith("| fire sales | 0.50 (0.50 to 0.50) |")
