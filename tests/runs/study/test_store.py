"""Where results lie, and what is left of them after anything."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from runs.study.design import Overrides, points
from runs.study.store import (
    Chunk,
    LockedError,
    Run,
    Store,
    read_results,
    read_scenario,
    read_series,
    read_study,
    studies_in,
)
from runs.study.study import Study
from runs.study.sweeper import Sweep, sweep
from runs.study.worker import Outcome
from sim import Market
from sim.errors import ScenarioError

SMALL: dict[str, Any] = {
    "name": "small",
    "scenario": "calm",
    "set": {"blocks": 20, "agents.*.count": 5},
    "parameters": {
        "fee": {"path": "pools.*.fee", "values": [0.001, 0.01]},
        "order": {"path": "block.ordering", "values": ["random", "first_come"]},
    },
    "variants": {"still": {"venue.assets.eth.process": "constant"}},
    "keep": {"low": "min(venue.eth.price)", "high": "max(venue.eth.price)"},
    "derived": {"span": "high - low"},
    "seeds": 3,
    "series": {"measures": ["venue.eth.price", "pools.value"], "every": 5},
    "chunk": 10,
}


def study(**changes: Any) -> Study:
    return Study.from_dict(SMALL | changes)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    sweep(study(), folder)
    return folder


def test_reading_back_is_one_call(out: Path) -> None:
    frame = read_study(out)
    assert list(frame.columns) == [
        *("run", "point", "variant", "seed", "fee", "order"),
        *("low", "high", "span", "status", "error"),
    ]
    assert frame["run"].tolist() == list(range(24))
    assert (
        frame.groupby(["fee", "order", "variant"])["seed"].apply(list).tolist() == [[1, 2, 3]] * 8
    )
    assert (frame["span"] == frame["high"] - frame["low"]).all()
    assert (frame.loc[frame["variant"] == "still", "span"] == 0.0).all()
    assert (frame["status"] == "done").all()


def test_a_run_can_be_made_again_from_what_is_kept(out: Path) -> None:
    row = read_study(out).iloc[16]
    setup = read_scenario(out, 16)
    assert setup.rng == row["seed"]
    assert setup.pools["eth-usdc"].fee == row["fee"]
    frame = Market(setup).run().datacollector.get_model_vars_dataframe()
    assert frame["venue.eth.price"].min() == row["low"]
    with pytest.raises(ScenarioError, match="run 99"):
        read_scenario(out, 99)


def test_series_are_kept_for_each_run(out: Path) -> None:
    series = read_series(out, columns=["venue.eth.price"])
    assert list(series.columns) == ["run", "point", "variant", "seed", "block", "venue.eth.price"]
    assert series.groupby("run")["block"].apply(list).tolist() == [[5, 10, 15, 20]] * 24
    low = series.groupby("run")["venue.eth.price"].min()
    assert (low >= read_study(out).set_index("run")["low"]).all()
    assert set(read_series(out, point=2)["point"]) == {2}


def test_other_tools_read_it_as_it_lies(out: Path) -> None:
    table = pq.read_table(out / "runs")  # hive partitions are found by themselves
    assert table.num_rows == 24
    assert set(table["study"].to_pylist()) == {"small"}
    assert pd.read_parquet(out / "runs")["low"].notna().all()
    made = json.loads(pq.read_schema(out / "runs/study=small/00000.parquet").metadata[b"undertow"])
    assert {"numpy", "mesa", "sources"} <= made["made_by"].keys()


def test_two_studies_share_a_folder(tmp_path: Path) -> None:
    sweep(study(name="a", seeds=1, series=None), tmp_path)
    sweep(study(name="b", seeds=1, series=None, parameters={}), tmp_path)
    assert studies_in(tmp_path) == ["a", "b"]
    assert len(read_study(tmp_path, "b")) == 2
    with pytest.raises(ScenarioError, match="holds a, b; name one"):
        read_study(tmp_path)
    with pytest.raises(ScenarioError, match="keeps no series"):
        read_series(tmp_path, "a")
    with pytest.raises(ScenarioError, match="holds no results"):
        read_study(tmp_path / "runs")


def test_a_folder_of_another_study_is_refused(out: Path) -> None:
    other = study(parameters={"fee": {"path": "pools.*.fee", "values": [0.5]}})
    with pytest.raises(ScenarioError, match=r"differs in parameters\.fee"):
        sweep(other, out)
    with pytest.raises(ScenarioError, match=r"differs in scenario\.blocks"):
        sweep(study(set={"blocks": 21, "agents.*.count": 5}), out)


def test_results_of_other_versions_are_not_added_to_unasked(tmp_path: Path) -> None:
    sweep(study(seeds=1), tmp_path)
    file = tmp_path / "studies/small/study.json"
    file.write_text(file.read_text().replace('"numpy": "', '"numpy": "0.'))
    with pytest.raises(ScenarioError, match="made by another numpy"):
        sweep(study(seeds=1), tmp_path)
    assert len(sweep(study(seeds=1), tmp_path, any_version=True)) == 8


def test_two_drivers_do_not_share_a_study(tmp_path: Path) -> None:
    s = study()
    one, two = (Store(tmp_path, s, points(s)) for _ in range(2))
    one.open()
    with pytest.raises(LockedError, match="is at work on small"):
        two.open()
    one.close()
    two.open()
    two.close()


def outcomes(numbers: range) -> list[Outcome]:
    rng = np.random.default_rng(1)
    return [
        Outcome(n, rng.normal(size=2).tolist(), series=rng.normal(size=(3, 3))) for n in numbers
    ]


def opened(folder: Path) -> tuple[Store, Chunk]:
    s = study()
    store = Store(folder, s, points(s))
    store.series_names = ["pools.value", "venue.eth.price"]
    store.open()
    return store, Chunk(0, [Run(i, 0, 0, i) for i in range(6)])


def test_a_journal_gives_back_what_it_was_told_to_the_bit(tmp_path: Path) -> None:
    store, chunk = opened(tmp_path)
    told = outcomes(range(6))
    told[2] = Outcome(2, [np.nan, np.inf], error="ValueError: é")
    store.note(chunk, told[:2])
    store.note(chunk, told[2:])
    store.close()
    found = store.journaled(chunk)
    assert list(found) == list(range(6))
    for outcome in told:
        again = found[outcome.run]
        assert np.array_equal(again.values, outcome.values, equal_nan=True)
        assert again.error == outcome.error
        if outcome.run == 2:  # which failed
            assert again.series is None
        else:
            assert again.series is not None and outcome.series is not None
            assert again.series.tobytes() == outcome.series.tobytes()


@pytest.mark.parametrize("cut", [1, 10, 17, 60, 200])
def test_a_journal_that_was_torn_loses_its_last_run_alone(tmp_path: Path, cut: int) -> None:
    store, chunk = opened(tmp_path)
    store.note(chunk, outcomes(range(5)))
    store.close()
    file = tmp_path / "studies/small/journal/00000"
    os.truncate(file, file.stat().st_size - cut)
    kept = list(store.journaled(chunk))
    assert kept == list(range(len(kept)))
    assert 3 <= len(kept) < 5
    store.note(chunk, outcomes(range(len(kept), 6)))  # goes on behind what is whole
    store.close()
    assert list(store.journaled(chunk)) == list(range(6))


def test_a_journal_with_a_flipped_bit_is_believed_up_to_there(tmp_path: Path) -> None:
    store, chunk = opened(tmp_path)
    store.note(chunk, outcomes(range(5)))
    store.close()
    file = tmp_path / "studies/small/journal/00000"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert list(store.journaled(chunk)) in ([0, 1], [0, 1, 2])


def test_a_file_of_results_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, chunk = opened(tmp_path)
    told = {o.run: o for o in outcomes(range(6))}
    store.note(chunk, told.values())

    def full(table: Any, where: Path, **options: Any) -> None:
        where.write_bytes(b"PAR1")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("runs.study.store.pq.write_table", full)
        with pytest.raises(OSError, match="No space left"):
            store.finish(chunk, told)
    assert list((tmp_path / "runs/study=small").iterdir()) == []
    assert len(store.journaled(chunk)) == 6
    store.finish(chunk, told)
    assert store.rows(chunk) is not None
    assert not (tmp_path / "studies/small/journal/00000").exists()
    store.close()


def test_a_file_that_cannot_be_read_or_is_of_another_plan_is_done_again(out: Path) -> None:
    s = study()
    store = Store(out, s, points(s))
    chunk = Chunk(0, [Run(i, 0, 0, i) for i in range(10)])
    assert store.rows(chunk) is None  # these are not the runs that it holds
    frame = read_study(out)
    file = out / "runs/study=small/00001.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert sweep(s, out).equals(frame)
    assert file.read_bytes() == whole


def test_what_a_killed_driver_was_writing_is_removed(out: Path) -> None:
    left = out / "runs/study=small/.00000.parquet.abc"
    left.touch()
    sweep(study(), out)
    assert not left.exists()


@pytest.mark.parametrize("where", ["file", "proc"])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_runs(
    tmp_path: Path, where: str
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" if where == "file" else Path("/proc/nowhere")
    with pytest.raises(ScenarioError, match="--out"):
        sweep(study(), folder)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB, where this machine lets one be made."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_stops_a_sweep_and_spoils_nothing(tiny_disk: Path, tmp_path: Path) -> None:
    from runs.study.sweeper import SweepError

    s = study(seeds=40)
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(b"\0" * (150 << 10))
    with pytest.raises(SweepError, match=r"No space left on device.*start the sweep again"):
        sweep(s, tiny_disk)
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", str(tiny_disk)], check=True)
    sweep(s, tiny_disk)
    sweep(s, tmp_path / "plain")
    for file in sorted((tmp_path / "plain").rglob("*.parquet")):
        same = tiny_disk / file.relative_to(tmp_path / "plain")
        assert same.read_bytes() == file.read_bytes()


def test_a_disk_that_turns_read_only_stops_a_sweep(tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    with pytest.raises(ScenarioError, match=r"cannot be written \(.*\); give another folder"):
        sweep(study(), tiny_disk / "out")


def test_a_point_that_cannot_be_run_is_named_before_anything_runs(tmp_path: Path) -> None:
    bad = study(parameters={"fee": {"path": "pools.*.fee", "values": [0.001, 1.5]}})
    with pytest.raises(ScenarioError, match=r"fee.*below 1.*\(at fee = 1.5\)"):
        sweep(bad, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert Overrides(bad).at({"fee": 1.5}, "base")["pools.eth-usdc.fee"] == 1.5


def test_scenarios_that_were_torn_are_told_and_mended(tmp_path: Path) -> None:
    small = study(variants={}, seeds=1)
    Sweep(small, tmp_path).run()
    file = tmp_path / "scenarios" / f"study={small.name}" / "scenarios.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ScenarioError, match="sweep again, which mends it"):
        read_scenario(tmp_path, 0)
    Sweep(small, tmp_path).run()
    assert read_scenario(tmp_path, 0).rng == 1


def test_runs_that_were_torn_are_told(tmp_path: Path) -> None:
    small = study(variants={}, seeds=1)
    Sweep(small, tmp_path).run()
    file = next((tmp_path / "runs" / f"study={small.name}").glob("*.parquet"))
    file.write_bytes(b"PAR1")
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_study(tmp_path)


# One run of a sweep, as results


def test_a_run_of_a_sweep_is_read_back_as_results(out: Path) -> None:
    results = read_results(out, run=4)
    assert results.names() == ["venue.eth.price", "pools.value"]
    assert results.units == {"venue.eth.price": "usdc", "pools.value": "usdc"}
    assert results.frame["block"].tolist() == [5, 10, 15, 20]
    market = results.market().run()
    again = market.results.frame
    assert "gas.mean" in again and market.setup.measures.receipts == "all"
    kept = again.loc[results.frame.index, "venue.eth.price"]
    assert kept.tolist() == results["venue.eth.price"].tolist()
    (ax, _) = results.plot("venue.*", "pools.value").axes
    assert ax.get_ylabel() == "usdc"
    assert "low" in repr(results) and "fee 0.001" in repr(results)


def test_what_a_sweep_does_not_keep_is_said(out: Path, tmp_path: Path) -> None:
    results = read_results(out, run=0)
    for ask in ("receipts", "summary"):
        with pytest.raises(ScenarioError, match=r"run 0 of small: a sweep keeps no"):
            getattr(results, ask)
    with pytest.raises(ScenarioError, match=r"holds a sweep \(small\); name one of its runs"):
        read_results(out)
    with pytest.raises(ScenarioError, match=r"is not among the finished runs"):
        read_results(out, run=999)
    sweep(Study.from_dict({k: v for k, v in SMALL.items() if k != "series"}), tmp_path)
    plain = read_results(tmp_path, run=0)
    assert "high" in repr(plain)
    with pytest.raises(ScenarioError, match="no rows of this study"):
        _ = plain.frame
