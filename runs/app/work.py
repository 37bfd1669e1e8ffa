"""Long work of a page: one thing at a time, and what is asked for meanwhile comes after it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import solara


class Work:
    """What a page has under way, done in turn by one thread.

    A market is seen a moment before the work that opened it ends, and what a visitor asks for
    in that moment is not lost: it waits. Of two things of one name only the later waits, so
    that a double click does not do it twice more.

    Attributes:
        shown: What is under way; empty if nothing is.
    """

    def __init__(self) -> None:
        """Nothing to do."""
        self.shown = solara.reactive("")
        self._doing = ""
        self._at_work = False
        self._waiting: dict[str, Callable[[], None]] = {}
        self._lock = threading.Lock()

    def start(self, text: str, function: Callable[[], None]) -> None:
        """Do something in a thread, now or after what is under way."""
        if self._enter(text, function):
            threading.Thread(target=self._work_off, daemon=True).start()

    def do(self, text: str, function: Callable[[], None]) -> None:
        """Do something in this thread, or leave it to the thread that is at work."""
        if self._enter(text, function):
            self._work_off()

    def say(self, text: str) -> None:
        """Show how far the work is."""
        with self._lock:
            self._doing = text
        self._show()

    def _enter(self, text: str, function: Callable[[], None]) -> bool:
        """Note what is to be done, and whether who asks is the one to do it."""
        with self._lock:
            self._waiting.pop(text, None)
            self._waiting[text] = function
            if self._at_work:
                return False
            self._at_work = True
            self._doing = text
        self._show()
        return True

    def _work_off(self) -> None:
        try:
            while (function := self._next()) is not None:
                function()
        except BaseException:
            with self._lock:
                self._waiting.clear()
                self._at_work, self._doing = False, ""
            raise
        finally:
            self._show()

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if not self._waiting:
                self._at_work, self._doing = False, ""
                return None
            text = next(iter(self._waiting))
            function = self._waiting.pop(text)
            self._doing = text
        self._show()
        return function

    def _show(self) -> None:
        # Outside the lock: what is set is drawn at once, by a thread that may wait for another
        # one. Whoever sets looks again, so that the last word is the one that holds.
        while self.shown.peek() != self._doing:
            self.shown.set(self._doing)
