"""The command line, as a person uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest


def undertow(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[2]
    env = dict(os.environ) | {"PYTHONPATH": str(root), "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "runs.cli", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
    )


def test_scenarios_are_listed_a_line_each() -> None:
    lines = undertow("scenarios").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["black_thursday", "calm"]
    assert all(len(line.split()) > 2 for line in lines)


def test_a_run_prints_its_summary_and_leaves_its_files(tmp_path: Path) -> None:
    done = undertow("run", "calm", "--blocks", "200", "--rng", "5", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Lending bank" in done.stdout
    assert "seed 5" in done.stdout
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "blocks.parquet",
        "receipts.parquet",
        "summary.json",
        "scenario.toml",
        "report.html",
    }
    assert pd.read_parquet(tmp_path / "out" / "blocks.parquet")["block"].max() == 200
    again = undertow("report", "out", cwd=tmp_path)
    assert again.stdout.strip().endswith("report.html")


def test_fields_are_set_from_the_command_line(tmp_path: Path) -> None:
    words = ["--set", "pools.eth-usdc.fee=0.01", "--set", "agents.traders.count=5"]
    done = undertow("run", "calm", "--blocks", "50", *words, "--out", "o", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "o" / "scenario.toml").read_text()
    assert "fee = 0.01" in text
    assert "count = 5" in text


BAD = [
    (["run", "clam"], "did you mean 'calm'"),
    (["run", "calm", "--set", "pools.eth-usdc.fee=1.5"], "pools.eth-usdc.fee: 1.5 is out of range"),
    (["run", "calm", "--set", "pools.eth-usdc.reserves.eth=-1"], "give a number above 0"),
    (["run", "calm", "--set", "colour=1"], "colour: unknown field"),
    (
        ["run", "calm", "--set", "lending.bank.reserves.eth.threshold=0.1"],
        "below the loan-to-value",
    ),
    (["run", "calm", "--set", 'pools.eth-usdc.tokens=["eth", "doge"]'], "unknown token 'doge'"),
    (["run", "calm", "--blocks", "0"], "blocks: 0 is out of range"),
    (["run", "calm", "--prices", "none.csv"], "no asset has a symbol"),
    (["run", "black_thursday", "--prices", "none.csv"], "there is no file"),
    (["run", "black_thursday", "--prices", "nan.csv"], "nan.csv row 4"),
    (["run", "black_thursday", "--prices", "gap.csv"], "nothing between"),
    (["run", "black_thursday", "--prices", "wrong.csv"], "lacks"),
    (["run", "black_thursday", "--prices", "unsorted.csv"], "is before"),
    (["run", "circle.toml"], "goes in a circle"),
    (["run", "broken.toml"], "is not TOML"),
    (["run", "calm", "--out", "nan.csv"], "is a file; give a folder"),
    (["report", "."], "there is no blocks.parquet"),
]


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    ts = pd.date_range("2020-03-12", periods=600, freq="5min").strftime("%Y-%m-%dT%H:%M:%SZ")
    good = pd.DataFrame({"ts": ts, "symbol": "ETHUSDT", "close": 150.0})
    good.assign(close=good["close"].where(good.index != 2)).to_csv(folder / "nan.csv", index=False)
    good.drop(index=range(50, 60)).to_csv(folder / "gap.csv", index=False)
    good.rename(columns={"close": "last"}).to_csv(folder / "wrong.csv", index=False)
    good.iloc[::-1].to_csv(folder / "unsorted.csv", index=False)
    (folder / "circle.toml").write_text('extends = "circle.toml"')
    (folder / "broken.toml").write_text("= 3")
    return folder


@pytest.mark.parametrize(("words", "answer"), BAD, ids=[" ".join(w) for w, _ in BAD])
def test_bad_input_gets_one_clear_error_and_nothing_is_written(
    words: list[str], answer: str, bad_files: Path
) -> None:
    before = sorted(p.name for p in bad_files.iterdir())
    if words[0] == "run" and "--out" not in words:
        words = [*words, "--out", "results"]
    done = undertow(*words, cwd=bad_files)
    assert done.returncode == 2
    assert answer in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert sorted(p.name for p in bad_files.iterdir()) == before


def test_a_folder_that_cannot_be_written_is_told_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = undertow("run", "calm", "--out", "file/deeper", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


@pytest.mark.slow
def test_the_real_record_of_black_thursday_runs(
    shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    file = shared_data("px_2020-03_black_thursday_5m.csv")
    done = undertow(
        "run", "black_thursday", "--prices", str(file), "--rng", "7", "--out", "o", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    frame = pd.read_parquet(tmp_path / "o" / "blocks.parquet")
    # The record's low is 86.00; agents may push the venue a little further.
    assert frame["venue.eth.price"].min() == pytest.approx(86.0, rel=0.08)
    assert frame["lending.bank.liquidated"].iloc[-1] > 1e6
    assert frame["gas.mean"].max() > 5.0 * frame["gas.mean"].iloc[0]
    assert (tmp_path / "o" / "prices.parquet").is_file()
