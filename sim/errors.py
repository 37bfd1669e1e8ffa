"""Errors that a person can act on: each names a field and says what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

Problem = tuple[str, str]
"""A dotted field, and what is wrong with it."""


class ScenarioError(ValueError):
    """Raised for a scenario, study or folder that cannot be used.

    Attributes:
        problems: All problems found, as (dotted field, what is wrong and how to fix it).
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Report problems, a line each."""
        self.problems = [
            (shortened(f, 200) if f.strip() or not f else repr(f), shortened(t, 4000))
            for f, t in problems
        ]
        super().__init__("\n".join(f"{field}: {text}" for field, text in self.problems))

    def __reduce__(self) -> tuple[type[ScenarioError], tuple[list[Problem]]]:
        """Go through a pickle whole, as from a worker's process to its driver."""
        return type(self), (self.problems,)


class PriceFileError(ScenarioError):
    """A price file that cannot be replayed; the fields are the file and the place in it."""


LONGEST_SHOWN = 80
"""Characters of a value that an error repeats; the person knows what was given."""


def shown(value: object) -> str:
    """A value as an error repeats it: in one line, and short."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or endless lists
        text = f"a long {type(value).__name__}"
    return shortened(text)


def shortened(text: str, most: int = LONGEST_SHOWN) -> str:
    """A text in one printable line, without its middle where it is long."""
    if len(text) > most:
        text = f"{text[: most - 20]} ... {text[-15:]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The known words, the closest first if one is close; for the end of a message."""
    names = [str(name) for name in known]
    if not names:
        return "there are none"
    close = difflib.get_close_matches(word[:LONGEST_SHOWN], names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names)}"


MOST_COMPARED = 5_000
"""Names that a word is compared with; more take seconds, and the market's own come first."""


def nearest(word: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The known words that are close to one, the closest first."""
    names = [str(name) for name in known]
    return difflib.get_close_matches(word[:LONGEST_SHOWN], names[:MOST_COMPARED], n=most)


def unknown(field: str, name: str | None, names: Iterable[str], what: str) -> list[Problem]:
    """The problem of a name that is none of those there, if it is given at all.

    Args:
        field: Where it stands.
        name: As given.
        names: Those there.
        what: What it should be the name of.
    """
    names = list(names)
    if name is None or name in names:
        return []
    return [(field, f"unknown {what} {name!r}; {did_you_mean(name, names)}")]
