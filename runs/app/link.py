"""Links that reopen a page: what was chosen, what was done, and the block reached."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from runs.app.story import MOST_NOTES, Note, note_of
from sim import reading
from sim.errors import ScenarioError, shown

MOST_CHARACTERS = 200_000
MOST_WORDS = 2_000
"""Of a link: with them a long session comes back; more is somebody's joke."""


@dataclass
class Link:
    """All that brings a page back.

    Attributes:
        scenario: Name.
        rng: Seed; None: the scenario's.
        block: Last block made.
        changes: Values by path, of `runs.app.parameters.changed`.
        actions: Shocks as a scenario states them, each with its block.
        twin: What the twin differs in; empty: there is none.
        notes: Of the story.
    """

    scenario: str = ""
    rng: int | None = None
    block: int = 0
    changes: Mapping[str, Any] = field(default_factory=dict)
    actions: list[dict[str, Any]] = field(default_factory=list)
    twin: str = ""
    notes: list[Note] = field(default_factory=list)

    def query(self) -> str:
        """The link's part from the question mark on."""
        words: list[tuple[str, str]] = [("scenario", self.scenario)]
        if self.rng is not None:
            words.append(("rng", str(self.rng)))
        words += [("set", f"{path}={json.dumps(value)}") for path, value in self.changes.items()]
        words += [("do", json.dumps(a, separators=(",", ":"))) for a in self.actions]
        words += [("note", json.dumps(n.stated(), separators=(",", ":"))) for n in self.notes]
        if self.twin:
            words.append(("twin", self.twin))
        if self.block:
            words.append(("block", str(self.block)))
        return "?" + urlencode(words)


def read_link(query: str | None) -> Link:
    """Read a link's query.

    Raises:
        ScenarioError: If it makes no sense; it names the words.
    """
    link = Link()
    changes: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    text = (query or "").removeprefix("?")
    if len(text) > MOST_CHARACTERS:
        raise ScenarioError(
            [("link", f"is longer than {MOST_CHARACTERS:,} characters; shorten it")]
        )
    try:
        words = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_WORDS)
    except ValueError:
        raise ScenarioError(
            [("link", f"holds more than {MOST_WORDS:,} words; shorten it")]
        ) from None
    for word, text in words:
        if word == "scenario":
            link.scenario = text
        elif word in ("rng", "block"):
            if not (text.isascii() and text.isdecimal()) or len(text) > 18:
                problems.append((word, f"{shown(text)} is not a number of 0 or more"))
            else:
                setattr(link, word, int(text))
        elif word == "set":
            path, _, value = text.partition("=")
            path = path if path.strip() else repr(path)
            try:
                changes[path] = reading.json_value(value)
            except reading.UnreadableError:
                text = f"{shown(value)} is not a value; write numbers, true or false"
                problems.append((path, text))
        elif word == "do":
            try:
                action = reading.json_value(text)
            except reading.UnreadableError:
                action = None
            if isinstance(action, dict) and type(action.get("block")) is int:
                link.actions.append(action)
            else:
                problems.append(("do", f"{shown(text)} is not a shock with its block"))
        elif word == "twin":
            link.twin = text
        elif word == "note":
            try:
                link.notes.append(note_of(reading.json_value(text)))
            except reading.UnreadableError:
                problems.append(("note", f"{shown(text)} is not a note with block and text"))
            except ScenarioError as error:
                problems += error.problems
    if len(link.notes) > MOST_NOTES:
        problems.append(("note", f"there are more than {MOST_NOTES}; leave some out"))
    if problems:
        raise ScenarioError(problems)
    link.changes = changes
    return link
