"""Things by their names, which answer for a name that is not there."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Mapping
from typing import TypeVar

from sim.errors import did_you_mean, nearest, shown

Thing = TypeVar("Thing")

MOST_ROWS = 20
"""Things that a repr shows."""
MOST_NAMES = 30
"""Names that an error lists; of more it tells the closest, and how many there are."""


class UnknownNameError(KeyError):
    """A name that nothing has, with those that there are."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class Named(dict[str, Thing]):
    """A dictionary by names: shown a line a thing, with an error that knows the names.

    Attributes:
        what: What these are, for errors: as the attribute that holds them is called.
    """

    def __init__(self, what: str, things: Mapping[str, Thing] | None = None) -> None:
        """Hold things by their names."""
        super().__init__(things or {})
        self.what = what

    def __missing__(self, name: object) -> Thing:
        raise UnknownNameError(not_there(self.what.removesuffix("s"), name, self))

    def __repr__(self) -> str:
        if not self:
            return f"{self.what}: none"
        rows = [f"  {name!r}: {thing!r}" for name, thing in [*self.items()][:MOST_ROWS]]
        more = len(self) - len(rows)
        return "\n".join([f"{self.what}:", *rows, *([f"  and {more:,} more"] if more > 0 else [])])

    def _repr_html_(self) -> str:
        """The same as a table, for notebooks."""
        rows = [(name, repr(thing)) for name, thing in [*self.items()][:MOST_ROWS]]
        more = len(self) - len(rows)
        return html_table(self.what, [*rows, *([("", f"and {more:,} more")] if more > 0 else [])])


def not_there(what: str, name: object, known: Iterable[str]) -> str:
    """The message of a name that nothing has.

    Args:
        what: What was looked for.
        name: As given.
        known: Names of what is there.
    """
    names = list(known)
    if len(names) <= MOST_NAMES:
        return f"no {what} called {shown(name)}; {did_you_mean(str(name), names)}"
    close = nearest(str(name), names)
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"no {what} called {shown(name)}; {hint}there are {len(names):,}"


def outlined(outline: Iterable[tuple[str, str]], column: int) -> str:
    """What there is in something, in a screenful: two columns, the second in several lines.

    Args:
        outline: (what, text).
        column: Width of the first.
    """
    rest = " " * (column + 3)
    return "\n".join(
        textwrap.fill(f"{what:<{column}} {text}", 96, initial_indent="  ", subsequent_indent=rest)
        for what, text in outline
    )


def html_table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """A table of two columns for notebooks, whose own style it takes."""
    body = "".join(
        f'<tr><th style="text-align:left;vertical-align:top">{html.escape(what)}</th>'
        f'<td style="text-align:left">{html.escape(text)}</td></tr>'
        for what, text in rows
    )
    return f"<table><caption>{html.escape(title)}</caption><tbody>{body}</tbody></table>"


def enumerated(names: Iterable[str], width: int = 84) -> str:
    """Names with commas, as many as go into a line, and how many more there are."""
    given = list(names)
    text = ""
    for place, name in enumerate(given):
        longer = f"{text}, {name}" if text else name
        left = len(given) - place - 1
        if len(longer) + (len(f" and {left:,} more") if left else 0) > width and text:
            return f"{text} and {left + 1:,} more"
        text = longer
    return text
