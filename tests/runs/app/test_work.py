"""Long work of a page, in turn."""

from __future__ import annotations

import threading
import time

import pytest

from runs.app.work import Work


def ended(work: Work) -> None:
    until = time.time() + 20.0
    while work.shown.value and time.time() < until:
        time.sleep(0.001)
    assert not work.shown.value


def test_what_is_asked_for_meanwhile_comes_after() -> None:
    work, going = Work(), threading.Event()
    done: list[str] = []

    def first() -> None:
        assert going.wait(20)
        done.append("first")

    work.start("first", first)
    for name in ("second", "third", "second"):
        work.start(name, lambda name=name: done.append(name))  # type: ignore[misc]
    assert work.shown.value == "first"
    going.set()
    ended(work)
    assert done == ["first", "third", "second"]


def test_what_is_said_is_shown_until_the_end() -> None:
    work, seen = Work(), list[str]()

    def job() -> None:
        seen.append(work.shown.value)
        work.say("half")
        seen.append(work.shown.value)

    work.do("start", job)
    assert seen == ["start", "half"]
    assert work.shown.value == ""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_that_nobody_expects_leaves_the_page_free() -> None:
    work, done = Work(), []

    def fail() -> None:
        raise RuntimeError("said")

    with pytest.raises(RuntimeError, match="said"):
        work.do("fail", fail)
    assert work.shown.value == ""
    work.do("after", lambda: done.append(1))
    assert done == [1]


def test_many_threads_end_in_rest() -> None:
    work, count = Work(), [0]

    def add() -> None:
        count[0] += 1

    threads = [threading.Thread(target=work.start, args=(f"{k}", add)) for k in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended(work)
    time.sleep(0.05)
    assert count == [50] and work.shown.value == ""
