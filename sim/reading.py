"""Reading what people give: files, TOML and JSON that may hold anything.

Whatever is given is either read or refused in one line that says what to do. Python's own
readers raise `RecursionError` where brackets are nested deep, a plain `ValueError` where a
number has thousands of digits, and `OSError` where a name is too long to be a file's.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DEEPEST = 32
"""Tables and lists inside each other; a scenario's own are six deep."""


class UnreadableError(ValueError):
    """What was given cannot be read; the text says why and what to do."""


def is_file(path: Path) -> bool:
    """Whether there is a file; also of a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def exists(path: Path) -> bool:
    """Whether there is something; also of a name that nothing can have."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def read_text(path: Path) -> str:
    """Text of a file.

    Raises:
        UnreadableError: If there is none that can be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"cannot be read: it is not text in UTF-8 ({error.reason})") from None
    except (OSError, ValueError) as error:
        raise UnreadableError(f"cannot be read: {error}") from None


def toml(text: str) -> dict[str, Any]:
    """Content of TOML.

    Raises:
        UnreadableError: If it is not TOML, or too deep or too long to make sense.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableError(f"is not TOML: {error}") from None
    except RecursionError:
        raise UnreadableError(_TOO_DEEP) from None
    except (ValueError, OverflowError) as error:
        raise UnreadableError(f"is not TOML: {_first_part(error)}") from None
    return _not_too_deep(content)


def json_value(text: str) -> Any:
    """A value in JSON; NaN and infinities are none.

    Raises:
        UnreadableError: If it is not JSON, or too deep or too long to make sense.
    """
    if _brackets(text) > DEEPEST:  # a parser in C may end the process where it ends the stack
        raise UnreadableError(_TOO_DEEP)
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise UnreadableError(_TOO_DEEP) from None
    except ValueError as error:
        raise UnreadableError(f"is not JSON: {_first_part(error)}") from None
    return _not_too_deep(value)


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?')


def _brackets(text: str) -> int:
    """How deep brackets and braces lie inside each other in a text, outside its strings."""
    deepest = now = 0
    for sign in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        now += 1 if sign in "[{" else -1
        deepest = max(deepest, now)
    return deepest


def depth(value: Any, most: int = DEEPEST) -> int:
    """How many tables and lists lie inside each other; looks no deeper than one beyond `most`."""
    layer, found = [value], 0
    while found <= most:
        holders = [item for item in layer if isinstance(item, Mapping | list | tuple)]
        if not holders:
            break
        found += 1
        layer = [
            inner
            for item in holders
            for inner in (item.values() if isinstance(item, Mapping) else item)
        ]
    return found


def senseless(value: Any, field: str) -> tuple[str, str] | None:
    """What is wrong with content whose values may be of any kind: its field, and what to do.

    Args:
        value: Nested tables and lists.
        field: What to call the whole.

    Returns:
        None if it is nested as deep as makes sense, and its whole numbers fit into 64 bits.
    """
    if depth(value) > DEEPEST:
        return field, _TOO_DEEP
    items: list[tuple[str, Any]] = [("", value)]
    while items:
        where, item = items.pop()
        if isinstance(item, Mapping):
            items += [(f"{where}.{key}" if where else str(key), v) for key, v in item.items()]
        elif isinstance(item, list | tuple):
            items += [(f"{where}.{i}", v) for i, v in enumerate(item)]
        elif isinstance(item, int) and not -(2**63) <= item < 2**63:
            return where or field, "is a number of more than 64 bits; give a smaller one"
    return None


_TOO_DEEP = f"is nested more than {DEEPEST} deep; give fewer tables and lists inside each other"


def _not_too_deep(value: Any) -> Any:
    if depth(value) > DEEPEST:
        raise UnreadableError(_TOO_DEEP)
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _first_part(error: Exception) -> str:
    """What an error says, without the advice to Python's programmers behind the semicolon."""
    return str(error).partition(";")[0]
