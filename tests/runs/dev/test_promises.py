"""Tables and pictures of the studies of promises, of runs made up for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from runs.dev import promises
from sim import Market, Scenario


@pytest.fixture
def studies(monkeypatch: pytest.MonkeyPatch) -> dict[str, pd.DataFrame]:
    """Studies by folder, for `read_study` to find; the fourth seed of each has failed."""
    found: dict[str, pd.DataFrame] = {}
    monkeypatch.setattr(promises, "read_study", lambda folder: found[str(folder)])
    return found


def runs(keys: list[dict[str, Any]], numbers: dict[str, list[float]]) -> pd.DataFrame:
    """Three seeds of each key that are done, with the numbers by seed, and one that is not."""
    rows = []
    for key in keys:
        for seed in (1, 2, 3, 4):
            values = {name: by_seed[min(seed, 3) - 1] for name, by_seed in numbers.items()}
            rows.append(values | key | {"seed": seed, "status": "done" if seed < 4 else "failed"})
    return pd.DataFrame(rows)


def test_numbers_are_said_with_their_intervals() -> None:
    assert promises.said(pd.Series([2.0, 2.0]), 1, 100.0) == "200.0"
    text = promises.said(pd.Series([1.0, 2.0, 3.0]), 1)
    assert text.startswith("2.0 (1.") and text.endswith(")")
    assert promises.share(pd.Series([True, False, True, True])).startswith("3 of 4 (")
    assert promises.markdown((["", "a"], [["b", "1"]])) == "|  | a |\n|---|---:|\n| b | 1 |"


def test_a_weekend_is_told_beside_the_record(
    studies: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    numbers = {name: [0.9, 0.92, 0.94] for name in ("low", "sunday", "loss_large", "loss_small")}
    numbers |= {"loss_desks": [-1e3] * 3, "thirds": [0.02] * 3, "coins": [0.5] * 3}
    numbers |= {"debt_backed": [0.48] * 3}
    studies["x"] = runs([{"variant": name} for name in promises.HOLIDAY], numbers)
    text = promises.holiday("x")
    assert "| record | 0.88 |" in text and "| as it is | 48.0 | 50.0 | 2.0 |" in text
    promises.draw_holiday("x", tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_who_dies_is_told_beside_what_is_derived(
    studies: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    ends = {"price": [0.99, 0.99, 0.02], "backing_left": [0.5, 0.5, 0.0], "low": [0.9, 0.9, 0.0]}
    at = {"carry": 0.18, "variant": "base"}
    keys = [at | {"backing": b, "pools": p} for b, p in ((0.5, 100.0), (0.8, 100.0), (0.6, 1.0))]
    studies["x"] = runs(keys, ends)
    studies["y"] = runs([{"variant": name} for name in promises.SPIRAL], ends)
    frame = promises.with_derived(promises.done("x"))
    most = frame.groupby("backing")["most"].mean()
    assert most[0.5] < most[0.6] < most[0.8], "the more is behind it the larger a sale it survives"
    assert list(frame["dead"]) == [False, False, True] * 3
    text = promises.spiral("x", "y")
    below = int((frame[frame["backing"] == 0.8]["most"] < promises.SALE).sum())
    row = next(line for line in text.splitlines() if line.startswith("| 0.8 |"))
    assert f"| {below} | 1 of 3 (" in row
    assert text.count("1 of 3 (") == 6
    promises.draw_spiral("x", tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_what_is_derived_knows_the_fears_of_holders() -> None:
    shipped, most = Scenario.load("death_spiral"), []
    for carry in (0.27, 0.09):
        changes = {f"agents.{group}.carry": carry for group in ("large", "small")}
        most.append(promises.largest_sale(Market(shipped.override(changes), rng=1)))
    assert most[0] > most[1] >= 0.0


def test_loops_are_told_beside_their_twins(
    studies: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    numbers = {"discount": [0.02, 0.3, 0.9], "liquidated": [1e6] * 3, "loss": [0.0] * 3}
    keys = [
        {"variant": v, "depth": 0.7, "loops": high, "queue": 0.0}
        for high in (3.0, 1.03)
        for v in ("base", "calm")
    ]
    studies["x"] = runs(keys, numbers | {"rate": [1.08] * 3})
    text = promises.loop("x")
    assert "| depth 0.7, loops to 3, queue shut | 40.7 (" in text
    assert "depth 0.7, no loops" in text and text.count("2 of 3 (") == 4
    promises.draw_loop("x", tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_auctions_are_told_with_the_surge_and_without(
    studies: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    keys = [{"variant": v, "manner": m} for v in promises.SURGE for m in promises.MANNERS]
    studies["x"] = runs(keys, {name: [1e4, 2e4, 6e4] for name in promises.TAKEN})
    text = promises.auctions("x")
    assert text.count("| bad debt | 30 (") == 2
    promises.draw_auctions("x", tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000


@pytest.mark.parametrize("what", list(promises.VARIED))
def test_whatever_is_varied_is_another_scenario(what: str) -> None:
    shipped = promises.ships(what)
    told = [shipped.override(changes).to_dict() for changes in promises.VARIED[what].values()]
    assert all(told[k] not in told[:k] for k in range(len(told)))
