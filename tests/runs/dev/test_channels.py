"""Tables of the study of channels: paired, with what is open together and alone."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runs.dev import channels
from runs.dev.channels import CHANNELS, differences, draw, interval, shown, tables


def study(_folder: Any) -> pd.DataFrame:
    """Channels carry 1,000 each, funds with makers 5,000 more; seeds differ by themselves."""
    every = tuple(CHANNELS)
    open_ = [(), *((n,) for n in every), *combinations(every, 2)]
    open_ += [tuple(o for o in every if o != n) for n in every] + [every]
    rows = []
    for names, variant, seed in product(open_, ("base", "calm"), range(12)):
        carried = 1000.0 * len(names) + (5000.0 if {"funds", "makers"} <= set(names) else 0.0)
        value = 77.0 * seed + (carried if variant == "base" else 0.0)
        row = {name: name in names for name in every} | {"seed": seed, "variant": variant}
        rows.append(row | {"status": "done", "loss_two": value, "liquidated_two": 2.0 * value})
    return pd.DataFrame(rows).sample(frac=1.0, random_state=1)


@pytest.fixture(autouse=True)
def no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "read_study", study)


def test_each_run_is_paired_with_its_twin() -> None:
    found = differences("anywhere", "loss_two")
    assert len(found) == 37
    assert found[()].tolist() == [0.0] * 12
    assert found[("gas",)].tolist() == [1000.0] * 12
    assert found[("funds", "makers")].tolist() == [7000.0] * 12


def test_an_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(3.0, 1.0, 400)
    mean, low, high = interval(values)
    assert low < mean < high
    assert high - low == pytest.approx(4.0 / 400**0.5, rel=0.15)
    assert shown(np.full(3, 2500.0)) == "2.5 (2.5 to 2.5)"


def test_the_tables_say_what_is_more_than_the_sum() -> None:
    text = tables("anywhere")
    assert "| the sum of each alone | 7.0 (7.0 to 7.0) | | |" in text
    assert "| all | 12.0 (12.0 to 12.0) | | |" in text
    assert "| all less that sum | 5.0 (5.0 to 5.0) | | |" in text
    assert "| funds, makers | 7.0 (7.0 to 7.0) | 5.0 (5.0 to 5.0) |" in text
    assert "fear, gas" not in text  # nothing more than the two alone


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw("anywhere", tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000
