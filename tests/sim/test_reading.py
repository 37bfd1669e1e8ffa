"""What people give is read, or refused in a line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sim import reading


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = " + "[" * 100_000, "nested more than 32 deep"),
        ("x = " + "[" * 40 + "]" * 40, "nested more than 32 deep"),
        ("x = " + "9" * 5000, "is not TOML: Exceeds the limit"),
        ("x = 2020-99-99", "is not TOML"),
        ("= 3", "is not TOML"),
    ],
)
def test_toml_that_makes_no_sense_is_refused(text: str, says: str) -> None:
    with pytest.raises(reading.UnreadableError, match=says):
        reading.toml(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested more than 32 deep"),
        ('{"a":' * 40 + "1" + "}" * 40, "nested more than 32 deep"),
        ("9" * 5000, "is not JSON: Exceeds the limit"),
        ("NaN", "no number of JSON"),
        ("-Infinity", "no number of JSON"),
        ("{", "is not JSON"),
    ],
)
def test_json_that_makes_no_sense_is_refused(text: str, says: str) -> None:
    with pytest.raises(reading.UnreadableError, match=says):
        reading.json_value(text)


def test_what_makes_sense_is_read() -> None:
    assert reading.toml("a = [[1], {b = 2}]") == {"a": [[1], {"b": 2}]}
    assert reading.json_value('{"a": [1.5, true]}') == {"a": [1.5, True]}


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_name_that_no_file_can_have_is_no_file(name: str) -> None:
    assert not reading.is_file(Path(name))
    assert not reading.exists(Path(name))
    with pytest.raises(reading.UnreadableError, match="cannot be read"):
        reading.read_text(Path(name))


def test_depth_counts_tables_and_lists_and_stops_beyond_the_most() -> None:
    endless: list = []
    endless.append(endless)
    assert [reading.depth(v) for v in (1, [], {"a": {}}, [[1], {"b": [2]}])] == [0, 1, 2, 3]
    assert reading.depth(endless) == reading.DEEPEST + 1


def test_a_number_of_more_than_64_bits_is_told_with_its_place() -> None:
    assert reading.senseless({"a": [1, {"b": 2**63}]}, "study") == (
        "a.1.b",
        "is a number of more than 64 bits; give a smaller one",
    )
    assert reading.senseless({"a": [1, -(2**63)]}, "study") is None


def test_nesting_is_seen_before_a_parser_could_end_its_stack() -> None:
    """In a process whose recursion limit somebody has raised, Python's parser ends the process."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)
    try:
        for text in ("[" * 100_000, '{"a":' * 100_000, '"[" [' + "[" * 33 + "]" * 34):
            with pytest.raises(reading.UnreadableError, match="nested more than 32 deep"):
                reading.json_value(text)
    finally:
        sys.setrecursionlimit(limit)
    assert reading.json_value('"' + "[" * 100 + '"') == "[" * 100
    assert reading.json_value('["\\"", "' + "{" * 100 + '"]')[1] == "{" * 100
