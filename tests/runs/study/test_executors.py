"""Where runs are done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import pytest

from runs.study.executors import (
    Cluster,
    Processes,
    Serial,
    TaskLostError,
    WorkerLostError,
    describe,
    memory_of_machine,
)
from sim.errors import ScenarioError


@pytest.fixture(scope="module")
def two() -> Iterator[Processes]:
    with Processes(2) as pool:
        yield pool


def test_this_process_does_a_task_at_once() -> None:
    with Serial() as executor:
        assert executor.submit(os.getpid).result() == os.getpid()
        assert isinstance(executor.submit(int, "x").exception(), ValueError)


def test_processes_share_tasks_and_pass_errors_on(two: Processes) -> None:
    assert isinstance(two, Executor)
    futures = [two.submit(time.sleep, 0.1) for _ in range(4)]
    assert [f.result() for f in futures] == [None] * 4
    workers = {two.submit(os.getpid).result() for _ in range(2)} | set(two.processes)
    assert len(workers) == 2
    assert os.getpid() not in workers
    assert isinstance(two.submit(int, "x").exception(), ValueError)


def test_a_death_is_laid_to_the_task_that_was_being_done(two: Processes) -> None:
    first = [two.submit(time.sleep, 1.0) for _ in range(2)]
    behind = [two.submit(time.sleep, 0.1) for _ in range(2)]
    time.sleep(0.3)
    os.kill(two.processes[0], signal.SIGKILL)
    errors = [f.exception() for f in (*first, *behind)]
    kinds = [type(e) for e in errors]
    assert kinds.count(WorkerLostError) == 1  # was being done
    assert kinds.count(TaskLostError) == 1  # waited behind it
    assert kinds.count(type(None)) == 2  # the other process noticed nothing
    lost = errors[0] or errors[1]
    assert isinstance(lost, WorkerLostError)
    assert lost.blame == pytest.approx(0.1)  # it may have been anybody
    assert two.submit(os.getpid).result() in two.processes


def test_a_crash_tells_more_against_a_task_than_a_kill(two: Processes) -> None:
    error = two.submit(os.abort).exception()
    assert isinstance(error, WorkerLostError)
    assert error.blame == pytest.approx(1.0 / 3.0)


def test_an_idle_worker_that_dies_is_replaced(two: Processes) -> None:
    two.submit(os.getpid).result()
    for pid in two.processes:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)
    assert two.submit(os.getpid).result() not in (0, os.getpid())


def grab(size: int) -> int:
    return len(bytearray(size))


def test_a_worker_has_no_more_than_its_memory() -> None:
    with Processes(1, memory=700 << 20) as pool:
        assert pool.submit(grab, 50 << 20).result() == 50 << 20
        assert isinstance(pool.submit(grab, 900 << 20).exception(), MemoryError)
        assert pool.submit(grab, 50 << 20).result() == 50 << 20  # and lives on


def test_what_is_given_is_shared_out() -> None:
    with Processes(4) as pool:
        assert pool.memory == int(0.8 * memory_of_machine() / 4)
        assert describe(pool)["workers"] == 4
    assert describe(Serial())["where"] == "this process"


DRIVER = """
import os, time
from runs.study.executors import Processes
if __name__ == "__main__":
    pool = Processes(2)
    for _ in range(2):
        pool.submit(time.sleep, 60.0)
    time.sleep(1.5)
    print(*pool.processes, flush=True)
    time.sleep(60.0)
"""


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")
def test_workers_do_not_outlive_a_driver_that_is_killed(tmp_path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    root = str(Path(__file__).resolve().parents[3])
    env = os.environ | {"PYTHONPATH": root}
    driver = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=env)
    assert driver.stdout is not None
    workers = [int(pid) for pid in driver.stdout.readline().split()]
    assert len(workers) == 2
    assert all(map(alive, workers))
    driver.kill()
    driver.wait()
    driver.stdout.close()
    until = time.time() + 10.0
    while any(map(alive, workers)) and time.time() < until:
        time.sleep(0.1)
    assert not any(map(alive, workers))


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(ScenarioError, match=r"nobody answers at .tcp://127\.0\.0\.1:9"):
        Cluster("tcp://127.0.0.1:9", timeout=1.0)
