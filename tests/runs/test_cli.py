"""The command line, as a person uses it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
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
    assert [line.split()[0] for line in lines] == [
        "bank_holiday",
        "bazaar",
        "black_thursday",
        "calm",
        "death_spiral",
        "debt_deflation",
        "everything",
        "governed_peg",
        "interconnected",
        "march_2020",
        "outside",
        "rumour",
        "staked_loop",
        "two_banks",
    ]
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
        "figures",
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
    (["run", "calm", "--rng", "-1"], "rng: -1 is out of range"),
    (["run", "calm", "--out", "/proc/x"], "--out: /proc/x cannot be written"),
    (["run", "calm", "--set", 'title="[/b]"', "--set", "blocks=0"], "blocks: 0 is out of range"),
    (["run", "calm", "--set", "[/b]=1"], "[/b]: unknown field"),
    (["run", "x" * 5000], "no such scenario"),
    (["scenario", ".", "0"], "holds no results of a study"),
    (["app", "calm", "--host", "x" * 300, "--no-open"], "--host: there is no"),
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


def test_a_run_shorter_than_its_measures_tells_its_last_block(tmp_path: Path) -> None:
    words = ["--set", 'title="[/b] $\\\\frac{"', "--out", "[b]out"]
    done = undertow("run", "calm", "--blocks", "3", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "[/b] $\\frac{" in done.stdout
    assert "Results in [b]out" in done.stderr
    assert pd.read_parquet(tmp_path / "[b]out" / "blocks.parquet")["block"].tolist() == [3]
    names = sorted(path.name for path in (tmp_path / "[b]out").iterdir())
    assert len(names) == 6 and {"blocks.parquet", "figures", "report.html"} <= set(names)


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


# Sweeps

STUDY = """
scenario = "calm"
seeds = 3
[set]
blocks = 20
"agents.*.count" = 5
[parameters.fee]
path = "pools.*.fee"
values = [0.001, 0.01]
[keep]
low = "min(venue.eth.price)"
"""


def swept(folder: Path, *words: str, text: str = STUDY) -> subprocess.CompletedProcess[str]:
    (folder / "mine.toml").write_text(text)
    return undertow("sweep", "mine.toml", "--out", "o", *words, cwd=folder)


def test_a_sweep_prints_its_statistics_and_leaves_a_report(tmp_path: Path) -> None:
    done = swept(tmp_path, "--workers", "1", "--memory", "2GiB")
    assert done.returncode == 0, done.stderr
    assert "6: 2 points, 1 variant, 3 seeds" in done.stdout
    assert "1 worker, local processes, each at most 2.0 GiB of data" in done.stderr
    assert "Peak memory per worker" in done.stderr
    home = tmp_path / "o" / "studies" / "mine"
    assert {p.name for p in home.iterdir()} == {
        "journal",
        "log.jsonl",
        "figures",
        "report.html",
        "statistics.csv",
        "study.json",
    }
    again = swept(tmp_path, "--workers", "0")
    assert "Resuming from existing results" in again.stderr
    assert again.stdout == done.stdout
    page = undertow("report", "o", cwd=tmp_path)
    assert page.stdout.strip().endswith("studies/mine/report.html")
    one = undertow("scenario", "o", "4", cwd=tmp_path)
    (tmp_path / "one.toml").write_text(one.stdout)
    assert "rng = 2" in one.stdout
    run = undertow("run", "one.toml", "--out", "o", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "seed 2" in run.stdout
    both = undertow("report", "o", cwd=tmp_path).stdout.split()
    assert both == ["o/studies/mine/report.html", "o/report.html"]


@pytest.mark.slow
def test_a_sweep_on_a_cluster_that_it_starts(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    done = swept(tmp_path, "--scheduler", "local", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "dask at tcp://127.0.0.1:" in done.stderr


def test_failed_runs_are_told_a_line_each(tmp_path: Path) -> None:
    text = STUDY.replace('path = "pools.*.fee"', 'path = "agents.providers.stake"')
    text = text.replace("[0.001, 0.01]", "[1000.0, 1e12]")
    done = swept(tmp_path, "--workers", "0", text=text)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("run ")]
    assert len(lines) == 3
    assert lines[0].startswith("run 3 failed (fee 1e+12, seed 1): ScenarioError: agents.providers")
    assert "3, 50 %" in done.stdout


def test_studies_are_listed_a_line_each() -> None:
    lines = undertow("studies").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "auctions",
        "bank_holiday",
        "channels",
        "death_spiral",
        "death_spiral_controls",
        "debt_deflation",
        "governed_peg",
        "isolated_vs_interconnected",
        "leverage_and_depth",
        "orderings",
        "rumour",
        "rumour_market",
        "staked_loop",
    ]


@pytest.mark.parametrize(
    ("words", "text", "says"),
    [
        (["--memory", "lots"], STUDY, "--memory"),
        (["--memory", "10MiB"], STUDY, "256 MiB"),
        (["--scheduler", "tcp://127.0.0.1:9", "--workers", "2"], STUDY, "--workers"),
        ([], STUDY.replace("seeds", "seedz"), "did you mean 'seeds'"),
        ([], STUDY.replace("values", "valuez"), "parameters.fee.valuez"),
        ([], STUDY.replace("0.01]", "1.5]"), "(at fee = 1.5)"),
        ([], STUDY.replace("eth.price", "eth.prise"), "keep.low"),
        ([], "scenario = [", "is not TOML"),
    ],
)
def test_bad_studies_leave_with_code_2_and_nothing_written(
    tmp_path: Path, words: list[str], text: str, says: str
) -> None:
    done = swept(tmp_path, *words, text=text)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "o").exists()


def test_a_sweep_that_cannot_write_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(STUDY)
    done = undertow("sweep", "mine.toml", "--out", "/proc/nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be written (No such file or directory); give another folder" in done.stderr
    nothing = undertow("scenario", "o", "4", cwd=tmp_path)
    assert nothing.returncode == 2
    assert "holds no results of a study" in nothing.stderr


QUICK = ("--seeds", "3", "--reruns", "4", "--workers", "0", "--links", "makers,funds")


def test_contagion_says_which_field_is_wrong(tmp_path: Path) -> None:
    out = ("--out", str(tmp_path))
    for words, field in (
        (("calm", *out), "shocks"),
        (("two_banks", *out, "--links", "gossip"), "links"),
        (("two_banks", *out, "--by", "town"), "by"),
        (("two_banks", *out, "--shock", "price_jump"), "--shock"),
        (("two_banks", *out, "--set", "blocks=many"), "blocks"),
    ):
        found = undertow("contagion", *words)
        assert found.returncode == 2, found.stderr
        assert f"error: {field}" in found.stderr


@pytest.mark.slow
@pytest.mark.long
def test_contagion_killed_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """A run is killed while it attributes, and goes on; its report is that of one that was not."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = ("contagion", "two_banks", "--set", "blocks=500", *QUICK, "--out")
    assert undertow(*words, str(whole)).returncode == 0
    root = Path(__file__).resolve().parents[2]
    started = subprocess.Popen(
        [sys.executable, "-m", "runs.cli", *words, str(killed)],
        env=dict(os.environ) | {"PYTHONPATH": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.time() + 300
    journal = killed / "runs" / "attribution" / "studies" / "contagion" / "journal"
    while time.time() < until and not any(journal.glob("*")):
        time.sleep(0.02)
    started.kill()
    started.wait()
    assert journal.is_dir() and not (killed / "report.html").exists()
    assert undertow(*words, str(killed)).returncode == 0
    for file in sorted(file for file in whole.iterdir() if file.is_file()):
        assert (killed / file.name).read_bytes() == file.read_bytes(), file.name


# To begin with


def test_new_says_which_files_it_wrote_and_how_to_run_them(tmp_path: Path) -> None:
    done = undertow("new", "scenario", "mine", cwd=tmp_path)
    assert done.stdout.splitlines() == ["mine.toml", "To run it: undertow run mine.toml"]
    again = undertow("new", "scenario", "mine", cwd=tmp_path)
    assert again.returncode == 2
    assert again.stderr.strip() == (
        "error: mine.toml: already exists; give another name, or move it away"
    )
    elsewhere = undertow("new", "agent", "mine", "--in", str(tmp_path), cwd=tmp_path)
    assert elsewhere.returncode == 0 and (tmp_path / "mine.py").is_file()


def test_a_shell_completes_commands_and_names(tmp_path: Path) -> None:
    (tmp_path / "calm_of_mine.toml").write_text("")
    root = Path(__file__).resolve().parents[2]
    asked = {"_UNDERTOW_COMPLETE": "complete_bash", "PYTHONPATH": str(root)}
    code = (
        "import sys; sys.argv[0] = 'undertow'; from runs.cli import app; app(prog_name='undertow')"
    )

    def completed(words: str, number: int) -> list[str]:
        env = dict(os.environ) | asked | {"COMP_WORDS": words, "COMP_CWORD": str(number)}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env
        )
        return done.stdout.split()

    assert completed("undertow wa", 1) == ["warm"]
    assert completed("undertow run ca", 2) == ["calm", "calm_of_mine.toml"]
    assert "leverage_and_depth" in completed("undertow sweep l", 2)
    assert completed("undertow new pro", 2) == ["protocol"]


PLAIN_AGENT = """
from agents import MarketAgent
from sim import Market

market = Market("calm", rng=7)
agent = MarketAgent(market, wallet={"usdc": 1000.0})
agent.trade_outside("usdc", "eth", 100.0)
market.run(3)
assert agent.wallet["eth"] > 0.0 and agent.wealth > 0.0
"""


@pytest.mark.slow
def test_warm_says_what_it_compiled_and_the_next_time_that_all_is_there() -> None:
    undertow("warm", "calm")
    done = undertow("warm", "calm")
    assert done.returncode == 0, done.stderr
    assert "calm (1 of 1): already compiled" in done.stderr
    assert "0 kernels compiled in" in done.stderr
    agent = subprocess.run(
        [sys.executable, "-c", PLAIN_AGENT], capture_output=True, text=True, check=True,
        env=dict(os.environ) | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )  # fmt: skip
    assert "Compiling" not in agent.stderr  # what a script's own agents ask is there, too
    wrong = undertow("warm", "clam")
    assert wrong.returncode == 2 and "did you mean 'calm'" in wrong.stderr


def test_import_says_what_it_understood_and_the_run_replays_it(tmp_path: Path) -> None:
    first = 1_707_091_200_000  # 5 February 2024, as `calm` begins
    rows = [f"{first + 300_000 * n},2300,2310,{2290 - n},2305,1" for n in range(30)]
    (tmp_path / "bars.csv").write_text("\n".join(rows))
    done = undertow("import", "bars.csv", "--symbol", "ETHUSDT", "--dry", cwd=tmp_path)
    assert "30 rows every 300 s" in done.stdout and "milliseconds since 1970" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["bars.csv"]
    done = undertow("import", "bars.csv", "--symbol", "ETHUSDT", cwd=tmp_path)
    assert "bars-undertow.parquet" in done.stdout
    words = ["--prices", "bars-undertow.parquet", "--blocks", "50"]
    symbol = ["--set", 'venue.assets.eth.symbol="ETHUSDT"']
    done = undertow("run", "calm", *words, *symbol, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"Price of eth \(usdc\) +2,29\d → ", done.stdout)  # on the way to the low
    wrong = undertow("import", "nothing.csv", cwd=tmp_path)
    assert wrong.returncode == 2 and "there is no file" in wrong.stderr
