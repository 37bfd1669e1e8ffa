"""Overriding: setting values at dotted paths, written as in TOML."""

from __future__ import annotations

from typing import Any

from sim import reading
from sim.errors import ScenarioError, did_you_mean, shown
from sim.scenario.load import merge


def set_value(content: dict[str, Any], path: str, value: Any) -> None:
    """Set a value at a dotted path; the tables on the way must exist."""
    if not all(part.strip() for part in path.split(".")):
        text = "is not a dotted path; give one such as pools.eth-usdc.fee"
        raise ScenarioError([(path if path.strip() else repr(path), text)])
    *parents, last = path.split(".")
    table: Any = content
    for i, key in enumerate(parents):
        table = _child(table, key, ".".join(parents[: i + 1]))
        if isinstance(table, int | float) and not isinstance(table, bool):
            break
    if isinstance(table, list):
        at = _list_index(table, last, path)
        table[at] = value
    elif isinstance(table, dict):
        table[last] = merge(table, {last: value})[last]
    else:
        raise ScenarioError([(path, f"{'.'.join(parents)} is a value, not a table")])


def _child(table: Any, key: str, path: str) -> Any:
    if isinstance(table, list):
        return table[_list_index(table, key, path)]
    if not isinstance(table, dict):
        raise ScenarioError([(path, "the path goes through a value, not a table")])
    if key not in table:
        # Tables that are optional are made; a misspelt one is caught when validated.
        if key in ("prices",):
            table[key] = {}
        else:
            raise ScenarioError([(path, f"no such field; {did_you_mean(key, table)}")])
    return table[key]


def _list_index(values: list[Any], key: str, path: str) -> int:
    # ASCII: a superscript two is a digit to Python, but no number.
    if not (key.isascii() and key.isdecimal() and len(key) < 10 and int(key) < len(values)):
        places = f"give 0 to {len(values) - 1}" if values else "it is empty"
        text = f"{shown(key)} is no place in a list of {len(values)}; {places}"
        raise ScenarioError([(path, text)])
    return int(key)


def toml_value(path: str, text: str) -> Any:
    """A value as in TOML; what is none stands for itself, so that texts need no quotes."""
    try:
        content = reading.toml(f"value = {text}")
    except reading.UnreadableError as error:
        if text[:1] in ("[", "{") or text[:1].isdigit():  # it was meant to be one
            raise ScenarioError([(path, f"{shown(text)} {error}")]) from None
        return text
    if len(content) > 1:
        raise ScenarioError([(path, f"{shown(text)} is more than one value; give one")])
    return content["value"]
