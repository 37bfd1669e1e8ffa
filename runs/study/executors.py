"""Where runs are done: in this process, in local ones, or on a cluster of dask's.

All three are `concurrent.futures.Executor`s, and so is whatever else a sweep is
given. Two things they tell in a way of their own: that the worker died which had a
task (`WorkerLostError`), and that a task must be sent again through no fault of its own
(`TaskLostError`).
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, get_all_start_methods, get_context, parent_process
from typing import Any

from sim.errors import ScenarioError, shown

_ASK_SECONDS = 1.0  # how often a cluster is asked for its workers
_STARTS = 5  # times that a process is tried to be started


class WorkerLostError(RuntimeError):
    """The worker that had this task died.

    Attributes:
        blame: How much this tells against the task, 1 being enough. A crash tells
            more than a kill, which may have come from anywhere.
    """

    def __init__(self, text: str, blame: float) -> None:
        """Tell what happened, and how much it tells against the task."""
        super().__init__(text)
        self.blame = blame


_CRASHES = frozenset(
    -getattr(signal, name)
    for name in ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL")
    if hasattr(signal, name)
)
_CRASHED, _KILLED, _KILLED_BY_DASK = 1.0 / 3.0, 0.1, 0.5


class TaskLostError(RuntimeError):
    """The task was lost through no fault of its own."""


class SchedulerLostError(RuntimeError):
    """The cluster's scheduler no longer answers."""


class Serial(Executor):
    """Does each task in this process, as it is submitted."""

    capacity = 1

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Do a task."""
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


# Local processes


def memory_of_machine() -> int:
    """Memory that this process may use, bytes: the machine's, or its container's."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return 8 << 30
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError), open(file, encoding="ascii") as limit:
            total = min(total, int(limit.read()))
    return total


def _prepare(memory: int) -> None:
    """Begin a worker's life: bound its memory, and end it with its driver's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver hears it, and stops its workers
    if memory:
        with suppress(ImportError, ValueError, OSError):  # not on Windows; unheeded on macOS
            import resource

            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (memory, hard))
    driver = parent_process()
    if driver is not None:
        # A pool's workers wait on a pipe that they hold open themselves, so that a
        # driver that is killed would leave them waiting for ever.
        def end_with_driver() -> None:
            driver.join()
            os._exit(1)

        threading.Thread(target=end_with_driver, daemon=True).start()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let linear algebra start no threads of its own in workers."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Processes(Executor):
    """Local processes, each of which may die without taking another's task along.

    The standard pool breaks as a whole when one of its processes dies. This one is
    made of pools of one process each: it is known which task a process died of, and
    only that process is started anew.
    """

    def __init__(self, count: int, memory: int = 0) -> None:
        """Start processes as tasks come.

        Args:
            count: Of processes.
            memory: Most data that each may hold, bytes; 0: four fifths of the
                machine's, shared out.
        """
        self.count = count
        self.memory = memory or int(0.8 * memory_of_machine() / count)
        if "forkserver" in get_all_start_methods():
            # A server that has imported all there is makes a worker in milliseconds.
            self._context: Any = get_context("forkserver")
            self._context.set_forkserver_preload(["runs.study.worker"])
            with _one_thread_each():
                forkserver.ensure_running()
        else:  # pragma: no cover - Windows
            self._context = get_context("spawn")
        self._lock = threading.RLock()
        self._closed = False
        self._pools = [self._pool() for _ in range(count)]
        self._blamed: weakref.WeakSet[ProcessPoolExecutor] = weakref.WeakSet()
        self._tasks: list[list[Future]] = [[] for _ in range(count)]

    @property
    def capacity(self) -> int:
        """Tasks that are worth having under way: one at work and one waiting, each."""
        return 2 * self.count

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, self._context, _prepare, (self.memory,))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Give a task to the process that has the fewest."""
        outer: Future = Future()
        outer.set_running_or_notify_cancel()
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot submit after shutdown")
            place = min(range(self.count), key=lambda i: len(self._tasks[i]))
            self._tasks[place].append(outer)
        # Not under the lock: a pool that breaks tells its tasks under a lock of its own,
        # which its submit takes too.
        for attempt in range(_STARTS):
            pool = self._pools[place]
            try:
                inner = pool.submit(fn, *args, **kwargs)
                break
            except (BrokenProcessPool, EOFError, ConnectionError):
                # It died with nothing to do, or the server that starts it did.
                if attempt + 1 == _STARTS:
                    with self._lock:
                        self._tasks[place].remove(outer)
                    raise
                time.sleep(0.1 * attempt)
                with self._lock:
                    self._renew(place, pool)
        # The pool forgets its process as it breaks; it tells what it died of.
        worker = next(iter((pool._processes or {}).values()), None)
        inner.add_done_callback(lambda done: self._ended(place, pool, worker, outer, done))
        return outer

    def _renew(self, place: int, broken: ProcessPoolExecutor) -> None:
        # A broken pool ends by itself, and to shut it down from its own thread would wait
        # for that thread.
        if self._pools[place] is broken:
            self._pools[place] = self._pool()

    def _ended(
        self, place: int, pool: ProcessPoolExecutor, worker: Any, outer: Future, done: Future
    ) -> None:
        with self._lock:
            self._tasks[place].remove(outer)
            error = CancelledError() if done.cancelled() else done.exception()
            if isinstance(error, BrokenProcessPool) and not self._closed:
                # Those in its queue are told in their order: the first was being done.
                error = TaskLostError("the worker died of another task")
                if pool not in self._blamed:
                    self._blamed.add(pool)
                    crashed = worker is not None and worker.exitcode in _CRASHES
                    error = WorkerLostError(
                        "its worker crashed" if crashed else "its worker was killed",
                        _CRASHED if crashed else _KILLED,
                    )
                self._renew(place, pool)
        if error is not None:
            outer.set_exception(error)
        else:
            outer.set_result(done.result())

    @property
    def processes(self) -> list[int]:
        """Numbers of the processes at work."""
        with self._lock:
            return [pid for pool in self._pools for pid in (pool._processes or {})]

    def kill(self) -> None:
        """Kill the processes, waiting for no lock and no thread."""
        for pool in list(self._pools):
            for number in list(pool._processes or {}):
                with suppress(OSError):
                    os.kill(number, getattr(signal, "SIGKILL", signal.SIGTERM))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes; with `cancel_futures` also in the midst of a task."""
        with self._lock:
            self._closed = True
            pools = list(self._pools)
            numbers = self.processes if cancel_futures else []
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=cancel_futures)
        if cancel_futures:
            for number in numbers:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGTERM)
        if wait:
            for pool in pools:
                pool.shutdown(wait=True)


# A cluster


class Cluster(Executor):
    """Workers of a dask.distributed cluster, which come and go as they please."""

    def __init__(
        self, address: str, workers: int = 2, memory: int = 0, timeout: float = 30.0
    ) -> None:
        """Connect to a scheduler.

        Args:
            address: Of the scheduler; "local" starts one here, with workers of its own.
            workers: Of a local one.
            memory: Most that each of them may hold, bytes; 0: dask decides.
            timeout: How long to wait for an answer, seconds.

        Raises:
            ScenarioError: If dask is not installed, or nobody answers.
        """
        try:
            import distributed
        except ImportError:
            text = "needs dask.distributed; pip install 'undertow[study]'"
            raise ScenarioError([("--scheduler", text)]) from None
        self._distributed = distributed
        # The sweep tells of a lost scheduler, in a line.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        self._own: Any = None
        if address == "local":
            self._own = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # another cluster may be here
                host="127.0.0.1",
                memory_limit=memory or "auto",
            )
            address = self._own.scheduler_address
        self.address = address
        self._asked, self._threads = 0.0, 0
        self._client: Any = None
        if not self.connect(timeout):
            self.shutdown()
            raise ScenarioError(
                [("--scheduler", f"nobody answers at {shown(address)}; start it first")]
            )

    def connect(self, timeout: float = 5.0) -> bool:
        """Connect, again if need be.

        Returns:
            Whether the scheduler answered.
        """
        self._disconnect()
        try:
            self._client = self._distributed.Client(
                self.address, timeout=timeout, set_as_default=False
            )
        except (OSError, TimeoutError, ValueError, TypeError):
            return False
        self._executor = self._client.get_executor(pure=False, retries=0)
        return True

    def _disconnect(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            with suppress(Exception):  # there may be nobody left to take leave of
                client.close(timeout=2.0)

    @property
    def alive(self) -> bool:
        """Whether the scheduler is connected."""
        return self._client is not None and self._client.status == "running"

    @property
    def threads(self) -> int:
        """Tasks that all workers together can do at once, now."""
        now = time.monotonic()
        if not self.alive:
            self._asked = 0.0
            return 0
        if now - self._asked > _ASK_SECONDS:
            with suppress(OSError, TimeoutError):
                self._threads = sum(self._client.ncores().values())
            self._asked = now
        return self._threads

    @property
    def capacity(self) -> int:
        """Tasks that are worth having under way."""
        return max(2 * self.threads, 1)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Give a task to the scheduler."""
        outer: Future = Future()
        outer.set_running_or_notify_cancel()
        try:
            inner = self._executor.submit(fn, *args, **kwargs)
        except Exception as error:  # of many kinds, as the connection breaks
            outer.set_exception(SchedulerLostError(str(error)))
            return outer
        inner.add_done_callback(lambda done: self._ended(outer, done))
        return outer

    def _ended(self, outer: Future, done: Future) -> None:
        if outer.done():
            return
        error = CancelledError() if done.cancelled() else done.exception()
        if isinstance(error, self._distributed.scheduler.KilledWorker):
            error = WorkerLostError("worker after worker died of it", _KILLED_BY_DASK)
        elif isinstance(error, CancelledError):
            error = SchedulerLostError("the scheduler forgot the task")
        with suppress(Exception):  # the sweep may have given it up meanwhile
            if error is not None:
                outer.set_exception(error)
            else:
                outer.set_result(done.result())

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; one that was started here ends."""
        self._disconnect()
        if self._own is not None:
            with suppress(Exception):
                self._own.close(timeout=5.0)
            self._own = None


def describe(executor: Executor) -> Mapping[str, Any]:
    """What an executor is, for people and logs."""
    if isinstance(executor, Processes):
        return {"workers": executor.count, "memory": executor.memory, "where": "local processes"}
    if isinstance(executor, Cluster):
        return {"workers": executor.threads, "where": f"dask at {executor.address}"}
    if isinstance(executor, Serial):
        return {"workers": 1, "where": "this process"}
    return {"where": type(executor).__name__}
