"""Files of a run: whole, together, and enough to make it again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runs.files import left_whole, must_be_writable, resolved, save_run, to_json, write_whole
from runs.summary import summarise
from sim import Market, Scenario
from sim.errors import ScenarioError


@pytest.fixture
def crashed(lively: Callable[..., Scenario]) -> Market:
    jump = {"kind": "price_jump", "asset": "eth", "size": -0.35, "block": 20}
    return Market(lively(shocks=[jump]), rng=3).run(80)


def test_a_run_leaves_files_that_reproduce_it(crashed: Market, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    save_run(crashed, out, summarise(crashed, 1.0))
    names = {"blocks.parquet", "receipts.parquet", "summary.json", "scenario.toml"}
    assert {p.name for p in out.iterdir()} == names
    again = Market(out / "scenario.toml")
    assert again.seed_number == 3
    save_run(again.run(80), tmp_path / "again", summarise(again))
    for name in ("blocks.parquet", "receipts.parquet", "scenario.toml"):
        assert (out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    other = Market(out / "scenario.toml", rng=4).run(80)
    save_run(other, tmp_path / "other", summarise(other))
    here, there = ((p / "blocks.parquet").read_bytes() for p in (out, tmp_path / "other"))
    assert here != there


def test_a_replayed_run_takes_its_prices_along(
    small: Callable[..., Scenario], tmp_path: Path
) -> None:
    ts = pd.date_range("2020-01-01", periods=40, freq="5min", tz="UTC")
    table = pd.DataFrame({"ts": ts.strftime("%Y-%m-%dT%H:%M:%SZ"), "symbol": "E"})
    table["close"] = 2000.0 + np.arange(40.0)
    table.to_csv(tmp_path / "p.csv", index=False)
    setup = small(venue={"assets": {"eth": {"symbol": "E"}}}).with_prices(tmp_path / "p.csv")
    market = Market(setup, rng=1).run()
    save_run(market, tmp_path / "out", summarise(market))
    (tmp_path / "p.csv").unlink()
    moved = tmp_path / "moved"
    (tmp_path / "out").rename(moved)
    again = Market(moved / "scenario.toml").run()
    assert again.datacollector.table.tobytes() == market.datacollector.table.tobytes()


def test_what_is_not_a_number_is_null() -> None:
    text = to_json({"a": math.nan, "b": [np.float64(1.5), np.int64(2)], "c": {"d": math.inf}})
    assert json.loads(text) == {"a": None, "b": [1.5, 2], "c": {"d": None}}


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("before")

    def fail(beside: Path) -> None:
        beside.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, fail)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_a_resolved_scenario_has_the_seed_of_the_run(crashed: Market, tmp_path: Path) -> None:
    assert resolved(crashed, tmp_path).rng == 3


def test_files_are_left_together_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    with pytest.raises(RuntimeError), left_whole(out) as folder:
        (folder / "one").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with left_whole(out) as folder:
        (folder / "one").write_text("1")
    assert [p.name for p in out.iterdir()] == ["one"]


@pytest.mark.parametrize("name", ["/proc/undertow", "x" * 300, "a\0b", "file", "file/deeper"])
def test_a_folder_is_tried_before_it_is_needed(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ScenarioError, match="--out: "):
        must_be_writable(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_is_tried_is_not_left(tmp_path: Path) -> None:
    must_be_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


# Read back
