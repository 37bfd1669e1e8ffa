"""Makes the market of a page go on: at a speed, to a block, to its end, or to the next event."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import solara

from runs.app.live import LiveMarket
from sim.ledger import LedgerError

SPEEDS = (1, 10, 100)
"""Blocks a frame that a visitor chooses among."""
PLAY, EVENT, END = "play", "event", "end"
"""What it may be at: at its speed, until something happens, or as fast as can be."""
_FRAME_SECONDS = 0.12
"""Time that the market is given for a frame where the speed is not the visitor's."""
_BEHIND = 2
"""Frames that the browser may be behind before the market waits for it."""
_PATIENCE = 1.0


class Pace:
    """Keeps the market from running away from the browser that draws it."""

    def __init__(self) -> None:
        """Nothing sent, nothing shown."""
        self.sent = 0
        self.shown = 0
        self._news = threading.Condition()

    def tell(self, frame: int) -> None:
        """Note that the browser has drawn a frame."""
        with self._news:
            self.shown = max(self.shown, frame)
            self._news.notify_all()

    def wait(self) -> None:
        """Wait until the browser is not far behind; not for ever, it may be gone."""
        with self._news:
            self._news.wait_for(lambda: self.sent - self.shown < _BEHIND, _PATIENCE)


class Player:
    """Plays one market at a time, in a thread of its own.

    Attributes:
        goal: `PLAY`, `EVENT` or `END`; empty while nothing plays.
        speed: Blocks a frame.
        market: What is played, or None.
        until: Block at which it stops, or None.
    """

    def __init__(
        self, pace: Pace, show: Callable[[], None], complain: Callable[[str], None]
    ) -> None:
        """Nothing to play.

        Args:
            pace: Of the browser.
            show: Shows a frame.
            complain: Told what went wrong.
        """
        self.goal = solara.reactive("")
        self.speed = solara.reactive(SPEEDS[0])
        self.market: LiveMarket | None = None
        self.until: int | None = None
        self._pace, self._show, self._complain = pace, show, complain
        self._lock = threading.Lock()
        self._at_work = False
        self._blocks: int | None = None
        self._then: Callable[[], None] | None = None

    def take(self, market: LiveMarket | None) -> None:
        """Play another market from now on, or none; what plays stops."""
        self.goal.set("")
        self.market = market

    def play(
        self,
        goal: str = PLAY,
        until: int | None = None,
        blocks: int | None = None,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Begin to play, or go on with another goal.

        Args:
            goal: `PLAY`, `EVENT` or `END`.
            until: Block at which to stop.
            blocks: Of a frame; None: as the speed says.
            then: Called when that block, or the end, is reached.
        """
        market = self.market
        if market is None or not market.running:
            return
        with self._lock:
            self.until, self._blocks, self._then = until, blocks, then
            begin = not self._at_work
            self._at_work = True
        self.goal.set(goal)
        if begin:
            threading.Thread(target=self._work, args=(market,), daemon=True).start()

    def pause(self) -> None:
        """Stop after the frame that is under way."""
        self._then = None
        self.goal.set("")

    def step(self) -> None:
        """Make the blocks of one frame."""
        if self.market is not None and not self.goal.peek():
            self.until = None
            self._advance(self.market, self.speed.peek())
            self._show()

    def _advance(self, market: LiveMarket, blocks: int) -> None:
        last = market.block + blocks
        if self.until is not None:
            last = min(last, self.until)
        if last == market.block + 1:
            market.step()
        else:
            market.advance(last)

    def _work(self, market: LiveMarket) -> None:
        blocks = 1
        try:
            while (goal := self.goal.peek()) and market is self.market and market.running:
                if self.until is not None and market.block >= self.until:
                    break
                self._pace.wait()
                begun = time.perf_counter()
                if goal == EVENT:
                    self._seek(market, begun)
                elif goal == END:
                    self._advance(market, blocks)
                    took = max(time.perf_counter() - begun, 1e-4)
                    blocks = max(round(blocks * min(_FRAME_SECONDS / took, 4.0)), 1)
                else:
                    self._advance(market, self._blocks or self.speed.peek())
                if market is self.market:
                    self._show()
        except (LedgerError, ArithmeticError, MemoryError) as error:
            self._complain(f"The market stopped: {error}")
        finally:
            with self._lock:
                self._at_work = False
                then, self._then = self._then, None
            if market is self.market:
                self.goal.set("")
                if then is not None:
                    then()

    def _seek(self, market: LiveMarket, begun: float) -> None:
        """Make single blocks for a frame's time, and stop where something happens."""
        before = market.happened
        while market.running and time.perf_counter() - begun < _FRAME_SECONDS:
            market.step()
            if market.happened != before:
                self.goal.set("")
            if not self.goal.peek():
                return
