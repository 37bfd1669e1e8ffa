"""A story: notes at blocks, and what is looked at, told as a talk over a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import solara

from runs.app.player import PLAY, Player
from sim.errors import ScenarioError, shown

MOST_NOTES = 100
MOST_TEXT = 600
"""Characters of a note: it is read from afar."""
_FRAMES_BETWEEN = 60
"""Frames in which a talk goes from one note to the next, about."""


@dataclass(frozen=True)
class Note:
    """What is said at a block, and what is looked at then.

    Attributes:
        block: After which the run waits.
        text: What is said.
        node: Of the network whose card is open; "": none.
        zoom: First and last block that the charts show; empty: all.
    """

    block: int
    text: str
    node: str = ""
    zoom: tuple[float, ...] = field(default=())

    def stated(self) -> dict[str, Any]:
        """As a link has it."""
        found: dict[str, Any] = {"block": self.block, "text": self.text}
        if self.node:
            found["node"] = self.node
        if self.zoom:
            found["zoom"] = [round(b) for b in self.zoom]
        return found


def note_of(content: Any) -> Note:
    """A note as somebody gave it, checked.

    Raises:
        ScenarioError: If it is none; it names the field.
    """
    if not isinstance(content, Mapping):
        raise ScenarioError([("note", f"{shown(str(content))} is not a note with block and text")])
    block, text = content.get("block"), content.get("text")
    node, zoom = content.get("node", ""), content.get("zoom") or ()
    problems = []
    if type(block) is not int or not 0 <= block < 10**9:
        problems.append(
            ("note.block", f"{shown(str(block))} is not a block; give a number of 0 or more")
        )
    if not isinstance(text, str) or not text.strip() or len(text) > MOST_TEXT:
        problems.append(("note.text", f"give 1 to {MOST_TEXT} characters"))
    if not isinstance(node, str) or len(node) > MOST_TEXT:
        problems.append(("note.node", "is not the name of a node"))
    numbers = isinstance(zoom, (list, tuple)) and all(
        isinstance(b, (int, float)) and 0 <= b < 10**9 for b in zoom
    )
    if not numbers or (zoom and not (len(zoom) == 2 and zoom[0] < zoom[1])):
        problems.append(("note.zoom", "give the first and the last block, or nothing"))
    if problems:
        raise ScenarioError(problems)
    assert isinstance(block, int) and isinstance(text, str)
    return Note(block, text.strip(), node, tuple(float(b) for b in zoom))


class Story:
    """Notes, and the talk that tells them.

    Attributes:
        notes: In order of their blocks.
        at: Number of the note that is told, -1 while nothing is; between two, the next one's.
        waiting: Whether the run stands at that note.
    """

    def __init__(self, player: Player, look: Callable[[str], None]) -> None:
        """No note.

        Args:
            player: Makes the run go on between notes.
            look: Opens a node's card; given "" it closes it.
        """
        self.notes: solara.Reactive[list[Note]] = solara.reactive([])
        self.at = solara.reactive(-1)
        self.waiting = solara.reactive(False)
        self._player, self._look = player, look

    def add(self, note: Note) -> None:
        """Add a note; of one block they stay in the order in which they were given."""
        self.notes.set(sorted([*self.notes.peek(), note], key=lambda n: n.block)[:MOST_NOTES])

    def remove(self, number: int) -> None:
        """Take a note out."""
        self.notes.set([n for i, n in enumerate(self.notes.peek()) if i != number])

    def begin(self) -> None:
        """Tell from the first note on; the market is to stand at its beginning."""
        if self.notes.peek():
            self._go(0)

    def next(self) -> None:
        """Go on to the next note, or end after the last."""
        at = self.at.peek()
        if 0 <= at < len(self.notes.peek()) - 1:
            self._go(at + 1)
        else:
            self.stop()

    def stop(self) -> None:
        """End the talk; the run stays where it is."""
        self._player.pause()
        self.waiting.set(False)
        self.at.set(-1)
        self._look("")

    def _go(self, number: int) -> None:
        market, note = self._player.market, self.notes.peek()[number]
        self.waiting.set(False)
        self.at.set(number)
        if market is None or market.block >= note.block or not market.running:
            self._arrive(number)
            return
        blocks = max(round((note.block - market.block) / _FRAMES_BETWEEN), 1)
        self._player.play(PLAY, note.block, blocks, lambda: self._arrive(number))

    def _arrive(self, number: int) -> None:
        if self.at.peek() == number:
            self._look(self.notes.peek()[number].node)
            self.waiting.set(True)
