"""What a run leaves behind."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runs.results import (
    first_chance,
    gas_peak,
    left_whole,
    must_be_writable,
    resolved,
    save_run,
    summarise,
    to_json,
    write_whole,
)
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


def test_the_summary_says_what_happened(crashed: Market) -> None:
    summary = summarise(crashed, 2.0)
    bank = crashed.lending["bank"]
    assert summary["lending"]["bank"]["liquidations"] == bank.liquidations > 0
    assert summary["lending"]["bank"]["liquidated"] == bank.liquidated_value
    assert summary["prices"]["eth"]["low"] < 1500.0
    assert summary["blocks"] == 80
    assert summary["agents"] == len(crashed.agents)
    assert summary["transactions"]["done"] > 0
    assert {"undertow", "mesa", "python"} <= set(summary["versions"])
    assert set(summary["loss"]) == {*crashed.cohorts, *crashed.special_accounts}
    parsed = json.loads(to_json(summary))
    assert parsed["exposure"]["nodes"]


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


def test_the_gas_peak_is_the_upper_half_of_a_rise() -> None:
    mean = np.concatenate([np.full(1000, 10.0), np.full(500, 200.0), np.full(1000, 12.0)])
    frame = pd.DataFrame({"block": np.arange(1, mean.size + 1), "gas.mean": mean})
    peak = frame.loc[gas_peak(frame), "block"]
    assert peak.min() == pytest.approx(1000, abs=5)
    assert peak.max() == pytest.approx(1500, abs=5)
    assert not gas_peak(frame.assign(**{"gas.mean": 10.0})).any()


def test_liquidations_at_the_first_chance_are_counted(crashed: Market) -> None:
    frame = crashed.receipts()
    done = frame[(frame["kind"] == "liquidate") & (frame["status"] == "done")]
    found = first_chance(crashed, crashed.datacollector.get_model_vars_dataframe())
    assert found["all"] == pytest.approx((done["possible"] == 0).mean())


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


def test_the_summary_begins_with_who_lost_what_to_what(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(measures={"losses": True}), rng=3).run(30)
    summary = summarise(market, 1.0)
    losses = summary["losses"]
    assert set(losses) == {*market.cohorts, *market.special_accounts}
    for parts in losses.values():
        total = parts["result_against_holding"]
        rest = sum(value for cause, value in parts.items() if cause != "result_against_holding")
        assert rest == pytest.approx(total, rel=1e-9, abs=1e-6)
    assert losses["traders"]["fees"] < 0.0 < losses["holders"]["fees"]
    # Without the account there is the total alone, and it is the same.
    plain = summarise(Market(lively(), rng=3).run(30), 1.0)["losses"]
    assert list(plain["traders"]) == ["result_against_holding"]
    assert plain["traders"]["result_against_holding"] == pytest.approx(
        losses["traders"]["result_against_holding"], rel=1e-6
    )
