"""Sweeps: the same bytes wherever they run and whatever befalls them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runs.files import made_by
from runs.study.executors import Cluster, Processes, Serial
from runs.study.store import read_study
from runs.study.study import Study
from runs.study.sweeper import Progress, Sweep, SweepError, sweep
from runs.study.worker import Job, work
from sim.errors import ScenarioError

ROOT = Path(__file__).resolve().parents[3]
SMALL: dict[str, Any] = {
    "name": "small",
    "scenario": "calm",
    "set": {"blocks": 40, "agents.*.count": 5},
    "parameters": {"fee": {"path": "pools.*.fee", "values": [0.001, 0.01]}},
    "variants": {"cut": {"switches.liquidators_sell": False}},
    "keep": {"low": "min(venue.eth.price)", "volume": "last(pools.volume)"},
    "seeds": 12,
    "series": {"measures": ["venue.eth.price"], "every": 10},
    "chunk": 16,
}


def study(**changes: Any) -> Study:
    return Study.from_dict(SMALL | changes)


def digest(folder: Path) -> str:
    """Hash of the names and bytes of all that a sweep leaves but its log."""
    found = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name != "log.jsonl":
            found.update(str(file.relative_to(folder)).encode())
            found.update(file.read_bytes())
    return found.hexdigest()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    sweep(study(), folder)
    return folder


@pytest.mark.parametrize("workers", [1, 2])
def test_local_workers_leave_the_same_bytes(plain: Path, tmp_path: Path, workers: int) -> None:
    sweep(study(), tmp_path, workers=workers)
    assert digest(tmp_path) == digest(plain)


def test_a_local_cluster_leaves_the_same_bytes(plain: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with Cluster("local", 2) as cluster:
        Sweep(study(), tmp_path, cluster).run()
        assert digest(tmp_path) == digest(plain)


@pytest.mark.slow
def test_workers_of_a_cluster_that_die_cost_their_runs_alone(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    s = study(set={"blocks": 400}, seeds=30, series=None)
    killed: list[int] = []
    with Cluster("local", 2) as cluster:
        workers = list(cluster._client.run(os.getpid).values())

        def tell(progress: Progress) -> None:
            if progress.done >= 20 * (len(killed) + 1) and len(killed) < len(workers):
                killed.append(workers[len(killed)])
                os.kill(killed[-1], signal.SIGKILL)

        frame = Sweep(s, tmp_path / "a", cluster, on_progress=tell).run()
    assert len(killed) == 2
    assert (frame["status"] == "done").all()
    sweep(s, tmp_path / "b", workers=2)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_any_executor_will_do(plain: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as threads:
        sweep(study(), tmp_path, threads)
    assert digest(tmp_path) == digest(plain)


def test_a_finished_sweep_runs_nothing_again(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(plain)

    def never(*args: Any) -> None:
        raise AssertionError("a run was done again")

    monkeypatch.setattr("runs.study.sweeper.work", never)
    told: list[Progress] = []
    sweep(study(), plain, on_progress=lambda p: told.append(Progress(**vars(p))))
    assert (told[-1].done, told[-1].before, told[-1].total) == (48, 48, 48)
    assert digest(plain) == before


class HaltError(Exception):
    """Stands for whatever ends a driver between two tasks."""


class Frail(Serial):
    """Breaks down after some tasks."""

    def __init__(self, tasks: int) -> None:
        self.left = tasks

    def submit(self, *args: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise HaltError
        return super().submit(*args, **options)


def test_an_interrupted_sweep_goes_on_where_it_was(plain: Path, tmp_path: Path) -> None:
    for tasks in (1, 3, 7):
        with pytest.raises(HaltError):
            sweep(study(), tmp_path, Frail(tasks))
    done: list[int] = []
    sweep(study(), tmp_path, on_progress=lambda p: done.append(p.before))
    assert done[0] >= 11  # a task is a run or more
    assert digest(tmp_path) == digest(plain)


# Runs that fail

FAILING = """
import os, signal
from pathlib import Path
from runs import Study

def odd(market):
    if market.seed_number % 4 == 3 and not Path("MENDED").exists():
        raise ArithmeticError(f"seed {market.seed_number}")
    return float(market.seed_number)

study = Study(
    scenario="calm", seeds={"count": 8}, chunk=4, keep={"odd": odd},
    set={"blocks": 3, "agents.*.count": 5},
)
"""


def failing(folder: Path, text: str = FAILING) -> Study:
    """A study some of whose runs fail until a file called mended is there."""
    file = folder / "failing.py"
    file.write_text(text.replace("MENDED", str(folder / "mended")))
    return Study.load(file)


def test_runs_that_fail_are_recorded_and_can_be_retried(
    tmp_path: Path,
) -> None:
    s, out = failing(tmp_path), tmp_path / "out"
    told: list[str] = []
    frame = sweep(s, out, on_progress=lambda p: told.append(p.message))
    failed = frame[frame["status"] == "failed"]
    assert failed["seed"].tolist() == [3, 7]
    assert failed["odd"].isna().all()
    assert failed["error"].iloc[0].startswith("ArithmeticError: seed 3 (at ")
    assert frame["odd"].notna().sum() == 6
    lines = [line for line in told if line]
    assert len(lines) == 2
    assert lines[0].startswith("run 2 failed (seed 3): ArithmeticError: seed 3")
    before = digest(out)
    sweep(s, out)  # failed runs count as done
    assert digest(out) == before
    (tmp_path / "mended").touch()
    assert sweep(s, out, retry_failed=True)["odd"].tolist() == list(range(1, 9))
    sweep(s, tmp_path / "whole")
    assert digest(out) == digest(tmp_path / "whole")


def test_a_retry_of_runs_with_series_ends_whole(
    tmp_path: Path,
) -> None:
    text = FAILING.replace("chunk=4", 'chunk=4, series={"measures": ["venue.eth.price"]}')
    s, out = failing(tmp_path, text), tmp_path / "out"
    sweep(s, out)
    (tmp_path / "mended").touch()
    sweep(s, out, retry_failed=True)
    sweep(s, tmp_path / "whole")
    assert digest(out) == digest(tmp_path / "whole")


@pytest.mark.parametrize(("how", "deaths"), [("SIGKILL", 10), ("SIGSEGV", 3)])
def test_a_run_that_takes_its_workers_along_is_given_up_alone(
    tmp_path: Path, how: str, deaths: int
) -> None:
    text = FAILING.replace("raise ArithmeticError", f"os.kill(os.getpid(), signal.{how})  #")
    s = failing(tmp_path, text)
    told: list[str] = []
    frame = sweep(s, tmp_path / "out", workers=2, on_progress=lambda p: told.append(p.message))
    assert frame.loc[frame["status"] == "failed", "seed"].tolist() == [3, 7]
    assert frame["error"].dropna().str.startswith("WorkerLostError: worker after worker").all()
    assert any("a worker died in run 2 (" in line for line in told)
    lines = (tmp_path / "out/studies/failing/log.jsonl").read_text().splitlines()
    log = [json.loads(line) for line in lines]
    assert sum(line["event"] == "died" and line["runs"] == [2] for line in log) == deaths


def test_a_run_that_wants_too_much_memory_fails_alone(
    tmp_path: Path,
) -> None:
    text = FAILING.replace("raise ArithmeticError", "bytearray(2 << 30)  #")
    s = failing(tmp_path, text)
    with Processes(1, memory=1 << 30) as pool:
        frame = sweep(s, tmp_path / "out", pool)
    assert frame.loc[frame["status"] == "failed", "seed"].tolist() == [3, 7]
    assert frame["error"].dropna().str.startswith("MemoryError").all()


# When enough seeds have run


def test_seeds_are_added_until_the_rule_holds(tmp_path: Path) -> None:
    calm = {"venue.assets.eth.volatility": {"levels": {"still": 0.01, "wild": 2.0}}}
    parameter = {"path": "venue.assets.eth.volatility", **calm["venue.assets.eth.volatility"]}
    s = study(
        parameters={"volatility": parameter},
        variants={},
        until="ci(low) < 0.2%",
        seeds={"count": 6, "step": 4, "at_most": 18},
        chunk=5,
        series=None,
    )
    frame = sweep(s, tmp_path / "a")
    counts = frame.groupby("volatility")["seed"].count()
    assert counts["still"] == 6  # narrow at once
    assert counts["wild"] == 18  # never narrow enough: all that are allowed
    assert frame[frame["volatility"] == "wild"]["seed"].tolist() == list(range(1, 19))
    sweep(s, tmp_path / "b", workers=2)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    for tasks in (2, 9):
        with pytest.raises(HaltError):
            sweep(s, tmp_path / "c", Frail(tasks))
    sweep(s, tmp_path / "c")
    assert digest(tmp_path / "a") == digest(tmp_path / "c")


# Bad input


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"keep": {"low": "min(venue.ether.price)"}}, r"keep\.low: no measure.*did you mean"),
        ({"derived": {"x": "low +"}}, r"derived\.x: cannot be computed"),
        ({"derived": {"x": "lo + 1"}}, r"derived\.x: cannot be computed.*lo"),
        ({"series": {"measures": ["venue.ether.*"]}}, r"series\.measures"),
        ({"set": {"blocks": -1}}, "blocks"),
        ({"name": ""}, "name: is missing"),
        ({"variants": {"cut": {"switches.liquidators_cell": False}}}, "liquidators_cell"),
    ],
)
def test_bad_studies_are_refused_before_anything_is_written(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ScenarioError, match=says):
        sweep(study(**changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_worker_that_runs_other_code_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(payload: bytes, jobs: list[Job]) -> Any:
        report = work(payload, jobs)
        report.made_by = made_by() | {"sources": "elsewhere"}
        return report

    monkeypatch.setattr("runs.study.sweeper.work", other)
    with pytest.raises(SweepError, match="runs another sources elsewhere"):
        sweep(study(), tmp_path)


# Killed


WITNESS = """
import os
from runs import Study

def seen(market):
    with open(os.environ["WITNESS"], "a") as file:
        file.write(f"{market.seed_number}\\n")
    return 0.0

study = Study(
    scenario="calm", seeds={"count": 400}, chunk=64,
    keep={"seen": seen, "price": "last(venue.eth.price)"},
    set={"blocks": 400, "measures.keep": ["venue.eth.price"], "measures.receipts": "none"},
)
"""


def recorded(out: Path) -> set[int]:
    """Seeds of the runs that files or journals hold."""
    seeds: set[int] = set()
    with contextlib.suppress(ScenarioError):
        seeds |= set(read_study(out)["seed"])
    for journal in (out / "studies/witness/journal").glob("*"):
        for part in journal.read_bytes().split(b'{"run":')[1:]:
            seeds.add(int(part.split(b",")[0]) + 1)  # seeds are the numbers of runs, plus one
    return seeds


def children(pid: int) -> list[int]:
    """Processes below one, where the system tells."""
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *children(int(child))]
    return found


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")
def test_killed_twenty_times_it_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(7)
    witness, file, out = tmp_path / "witness", tmp_path / "witness.py", tmp_path / "out"
    file.write_text(WITNESS)
    env = os.environ | {"PYTHONPATH": str(ROOT), "WITNESS": str(witness)}
    words = [sys.executable, "-m", "runs.cli", "sweep", str(file), "--out", str(out)]
    words += ["--workers", "2"]

    def start() -> subprocess.Popen[bytes]:
        with log.open("a") as said:
            return subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=said)

    log = tmp_path / "log"
    kills = drivers = 0
    driver = start()
    spared: list[tuple[set[int], int]] = []
    until = time.time() + 400.0
    while kills < 20 and time.time() < until:
        before = len(recorded(out))
        wait = time.time() + 30.0  # for some progress, so that there is something to spoil
        while len(recorded(out)) <= before and driver.poll() is None and time.time() < wait:
            time.sleep(0.05)
        if driver.poll() is not None:
            break
        time.sleep(rng.uniform(0.0, 0.15))
        if drivers < 6 and rng.random() < 0.35:
            driver.kill()
            driver.wait()
            drivers += 1
            time.sleep(0.3)  # the workers end with it
            spared.append((recorded(out), len(witness.read_text().split())))
            driver = start()
        else:
            below = children(driver.pid)
            if not below:
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(below), signal.SIGKILL)
        kills += 1
    assert driver.wait(timeout=300) == 0, log.read_text()
    assert kills == 20, log.read_text()
    assert drivers >= 3
    frame = read_study(out)
    assert frame["seed"].tolist() == list(range(1, 401))  # none twice, none lost
    assert frame["error"].dropna().tolist() == []
    runs = [int(seed) for seed in witness.read_text().split()]
    for kept, so_far in spared:  # what was recorded before a driver's death is not done again
        assert not kept & set(runs[so_far:])
    # What was done twice is what was under way at a kill: a few runs each time.
    assert len(runs) - 400 <= 20 * 4 * 16
    monkeypatch.setenv("WITNESS", str(tmp_path / "other"))
    plain = tmp_path / "plain"
    sweep(file, plain)
    for part in sorted(plain.rglob("*.parquet")):
        assert (out / part.relative_to(plain)).read_bytes() == part.read_bytes()


def test_a_driver_that_is_interrupted_says_how_to_go_on(tmp_path: Path) -> None:
    file = tmp_path / "witness.py"
    file.write_text(WITNESS)
    env = os.environ | {"PYTHONPATH": str(ROOT), "WITNESS": str(tmp_path / "seen")}
    words = [sys.executable, "-m", "runs.cli", "sweep", str(file), "--out", str(tmp_path / "o")]
    driver = subprocess.Popen(
        [*words, "--workers", "1"], env=env, stderr=subprocess.PIPE, text=True
    )
    until = time.time() + 120.0
    while not (tmp_path / "seen").exists() and time.time() < until:
        time.sleep(0.05)
    driver.send_signal(signal.SIGINT)
    try:
        _, said = driver.communicate(timeout=60)
    finally:
        driver.kill()
    assert driver.returncode == 130
    assert "repeat the command to resume" in said
    assert "Traceback" not in said


def test_an_interruption_that_python_has_lost_is_seen_all_the_same(tmp_path: Path) -> None:
    study = Study(
        name="lost",
        scenario="calm",
        seeds={"count": 4},
        chunk=1,
        set={"blocks": 2},
        keep={"price": "last(venue.eth.price)"},
    )

    def told(progress: Progress) -> None:
        job.interrupted = True

    job = Sweep(study, tmp_path, on_progress=told)
    with pytest.raises(KeyboardInterrupt):
        job.run()
    assert job.progress.done < 4


# A cluster that comes and goes


@pytest.mark.slow
def test_a_scheduler_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with contextlib.closing(__import__("socket").socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    env = os.environ | {"PYTHONPATH": str(ROOT)}

    def begin(what: str, *words: str) -> subprocess.Popen[bytes]:
        module = f"distributed.cli.dask_{what}"
        return subprocess.Popen([sys.executable, "-m", module, *words], env=env, **quiet)

    def scheduler() -> subprocess.Popen[bytes]:
        return begin("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")

    def worker() -> subprocess.Popen[bytes]:
        return begin("worker", address, "--nthreads", "1", "--no-dashboard")

    s = study(set={"blocks": 400}, seeds=60)
    begun = [scheduler(), worker()]
    told: list[str] = []
    struck = False

    def tell(progress: Progress) -> None:
        nonlocal struck
        if progress.message:
            told.append(progress.message)
        if progress.done >= 20 and not struck:
            struck = True
            begun[0].kill()
            begun[0].wait()
        if "is gone" in progress.message:
            begun.append(scheduler())
        if "is back" in progress.message:
            begun[1].terminate()  # dask's workers end some time after their scheduler
            begun.append(worker())

    try:
        with Cluster(address) as cluster:
            Sweep(s, tmp_path / "a", cluster, on_progress=tell).run()
    finally:
        for process in begun:
            process.kill()
            process.wait()
    assert any("is gone; waiting" in line for line in told)
    assert any("is back; going on" in line for line in told)
    sweep(s, tmp_path / "b", workers=2)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


@pytest.mark.slow
def test_a_scheduler_that_stays_away_stops_the_sweep(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    s = study(set={"blocks": 200}, seeds=40)
    local = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    )
    gone = False

    def tell(progress: Progress) -> None:
        nonlocal gone
        if progress.done >= 10 and not gone:
            gone = True
            local.close()

    gone_for_good = pytest.raises(SweepError, match="is gone; what is done is safe")
    with Cluster(local.scheduler_address) as cluster, gone_for_good:
        Sweep(s, tmp_path / "a", cluster, on_progress=tell, patience=1.0).run()
    sweep(s, tmp_path / "a")
    sweep(s, tmp_path / "b")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


# Memory


@pytest.mark.slow
@pytest.mark.long
def test_thousands_of_short_runs_leave_no_growing_memory(tmp_path: Path) -> None:
    """Ten thousand runs of five blocks on two workers, and four here: memory stays flat."""
    script = tmp_path / "many.py"
    script.write_text(
        "import json, resource, sys\n"
        "from runs import Study, sweep\n"
        "from runs.study.worker import peak_memory\n"
        "def memory(path='/proc/self/statm'):\n"
        "    return int(open(path).read().split()[1]) * resource.getpagesize()\n"
        "if __name__ == '__main__':\n"
        "    held, most = [], [0]\n"
        "    def told(p):\n"
        "        if p.done >= 1000 * (len(held) + 1): held.append(memory())\n"
        "        most[0] = max(most[0], p.peak)\n"
        "    s = Study(name='many', scenario='calm', seeds={'count': int(sys.argv[3])},\n"
        "              keep={'low': 'min(venue.eth.price)'},\n"
        "              set={'blocks': 5, 'agents.*.count': 3})\n"
        "    frame = sweep(s, sys.argv[1], workers=int(sys.argv[2]), on_progress=told)\n"
        "    print(json.dumps([len(frame), held, peak_memory(), most[0]]))\n"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    for workers, runs in (("0", "4000"), ("2", "10000")):
        words = [sys.executable, str(script), str(tmp_path / workers), workers, runs]
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
        count, held, peak, most = json.loads(done.stdout)
        assert count == int(runs)
        assert peak < 1 << 30
        assert most < 1 << 30
        assert held[-1] - held[1] < 40 << 20, [h >> 20 for h in held]


def test_values_are_numbers_of_numpy_to_the_bit(plain: Path) -> None:
    frame = read_study(plain)
    assert frame["low"].dtype == np.float64
    assert pd.api.types.is_string_dtype(frame["variant"])
    assert frame["seed"].dtype == np.int64
