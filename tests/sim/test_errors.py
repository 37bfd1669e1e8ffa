"""Errors say where and what to do."""

from __future__ import annotations

import pickle

from sim.errors import ScenarioError, did_you_mean, shown


def test_an_error_is_a_line_per_problem() -> None:
    error = ScenarioError([("a.b", "too big; make it less"), ("c", "missing")])
    assert str(error) == "a.b: too big; make it less\nc: missing"


def test_an_error_comes_whole_through_a_pickle() -> None:
    error = pickle.loads(pickle.dumps(ScenarioError([("a.b", "too big")])))
    assert error.problems == [("a.b", "too big")]


def test_a_hint_names_the_closest_and_all() -> None:
    assert did_you_mean("fe", ["fee", "kind"]) == "did you mean 'fee'? known: fee, kind"
    assert did_you_mean("zzz", ["fee"]) == "known: fee"
    assert did_you_mean("zzz", []) == "there are none"


def test_values_are_shown_short_and_in_one_line() -> None:
    assert shown(1.5) == "1.5"
    assert shown(10**5000) == "a long int"
    assert len(shown("x" * 10_000)) <= 100
    error = ScenarioError([("a\nb", "c\x1b[2Jd"), ("  ", "e")])
    assert error.problems == [("a\\nb", "c\\x1b[2Jd"), ("'  '", "e")]
