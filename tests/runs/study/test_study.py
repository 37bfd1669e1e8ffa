"""Studies, as their files say them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runs.study.study import BASE, Study
from sim.errors import ScenarioError

LEAST: dict[str, Any] = {
    "name": "t",
    "scenario": "calm",
    "keep": {"low": "min(venue.eth.price)"},
}


def study(**changes: Any) -> Study:
    return Study.from_dict(LEAST | changes)


def test_a_file_names_its_study_and_its_scenario_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('extends = "calm"\nblocks = 123\n')
    file = tmp_path / "wide.toml"
    file.write_text('scenario = "mine.toml"\n[keep]\nlow = "min(venue.eth.price)"\n')
    s = Study.load(file)
    assert (s.name, s.base.blocks, s.file) == ("wide", 123, file.resolve())


def test_a_python_file_may_keep_what_a_function_says(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from runs import Study\n"
        "def agents(market):\n    return len(market.agents)\n"
        'study = Study(scenario="calm", keep={"agents": agents}, seeds={"count": 2})\n'
    )
    s = Study.load(file)
    assert s.name == "mine"
    assert list(s.functions) == ["agents"]
    assert s.base.measures.keep == ["*"]  # a function may look at all
    assert s.identity()["keep"] == {"agents": "python"}
    other = tmp_path / "other.py"
    other.write_text(file.read_text().replace("len(market.agents)", "1.0"))
    assert Study.load(other).identity()["source"] != s.identity()["source"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "makes no study"),
        ("1 / 0", "raises ZeroDivisionError"),
        ("from runs import Study\nstudy = Study(scenario='calm', keep={'a': 3})", "keep: a: give"),
        ("study = {'scenario': 'calm', 'keep': {'x': 'last(a)'}, 'seedz': 1}", "'seeds'"),
    ],
)
def test_python_files_that_make_none_are_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "bad.py"
    file.write_text(text)
    with pytest.raises(ScenarioError, match=says):
        Study.load(file)


def test_runs_measure_what_is_kept_and_no_more() -> None:
    s = study(series={"measures": ["gas.*"], "every": 10})
    assert s.base.measures.keep == ["gas.*", "venue.eth.price"]
    assert s.base.measures.receipts == "none"
    own = study(set={"measures.receipts": "all", "pools.*.fee": 0.01})
    assert own.base.measures.receipts == "all"
    assert {p.fee for p in own.base.pools.values()} == {0.01}


def test_seeds_come_in_rounds_where_a_rule_asks_for_more() -> None:
    assert study(seeds=3).seeds_of_round(0) == [1, 2, 3]
    assert study(seeds=3).seeds_of_round(1) == []
    assert study(seeds=[9, 4]).seeds_of_round(0) == [9, 4]
    assert study(seeds={"first": 100, "count": 2}).seeds_of_round(0) == [100, 101]
    more = study(seeds={"count": 4, "step": 3, "at_most": 9}, until="ci(low) < 1%")
    assert [more.seeds_of_round(i) for i in range(4)] == [[1, 2, 3, 4], [5, 6, 7], [8, 9], []]
    assert study(seeds=4, until="ci(low) < 1%").seeds_of_round(49) == [197, 198, 199, 200]
    assert study(seeds=4, until="ci(low) < 1%").seeds_of_round(50) == []


def test_an_identity_makes_the_study_again() -> None:
    s = study(
        title="A title",
        parameters={"fee": {"path": "pools.*.fee", "low": 0.001, "high": 0.01, "steps": 3}},
        variants={"cut": {"switches.liquidators_sell": False}},
        derived={"twice": "2 * low"},
        until="ci(low) < 1%",
        seeds=5,
        report={"labels": {"low": "Low of ether (dollars)"}},
    )
    again = Study.from_identity(s.identity(), s.presentation())
    assert again.identity() == s.identity()
    assert again.title == "A title"
    assert again.label("low") == "Low of ether (dollars)"
    assert again.variant_names == [BASE, "cut"]


def test_how_it_is_shown_is_no_part_of_its_identity() -> None:
    assert study().identity() == study(title="x", statistics={"level": 0.9}).identity()
    assert study().identity() != study(set={"blocks": 77}).identity()
    assert study().identity() != study(seeds=7).identity()


BAD: list[tuple[dict[str, Any], str]] = [
    ({"seedz": 3}, "did you mean 'seeds'"),
    ({"scenario": 3}, "name or the path of one scenario"),
    ({"name": "a/b"}, "cannot name a folder"),
    ({"keep": {}}, "keep"),
    ({"keep": {"run": "last(a)"}}, "meaning of its own"),
    ({"keep": {"a b": "last(a)"}}, "no name of a column"),
    ({"keep": {"x": "last"}}, "is no reduction"),
    ({"seeds": "many"}, "give how many"),
    ({"seeds": [1, 1]}, "different seeds"),
    ({"seeds": []}, "at least one"),
    ({"seeds": 0}, "seeds.count"),
    ({"until": "ci(high) < 5%"}, "'high' is not kept"),
    ({"until": "low < 5%"}, "is no rule"),
    ({"until": "ci(low) < 5%", "seeds": [1, 2]}, "seeds that can go on"),
    ({"variants": {"base": {"blocks": 3}}}, "cannot name a variant"),
    ({"variants": {"a": {}}}, "changes nothing"),
    ({"parameters": {"low": {"path": "blocks", "values": [1]}}}, "two columns"),
    ({"parameters": {"a": {"values": [1]}}}, "names no field"),
    ({"parameters": {"a": {"path": "blocks"}}}, "give one of values"),
    ({"parameters": {"a": {"path": "blocks", "low": 1}}}, "both low and high"),
    ({"parameters": {"a": {"path": "blocks", "low": 2, "high": 1}}}, "not below"),
    ({"parameters": {"a": {"path": "x", "low": 0, "high": 1, "scale": "log"}}}, "above 0"),
    ({"parameters": {"a": {"path": "x", "values": [1], "steps": 3}}}, "take steps out"),
    ({"parameters": {"a": {"multiply": "x", "values": ["y"]}}}, "needs numbers"),
    ({"parameters": {"a": {"path": "x", "values": [{"b": 1}]}}}, "give levels"),
    ({"design": {"method": "sobol"}}, "needs points"),
    ({"design": {"method": "grid", "points": 3}}, "take points out"),
    ({"design": {"method": "sobol", "points": 12}}, "power of two"),
    ({"design": {"method": "random", "points": 12}}, "needs parameters"),
    ({"report": {"measures": ["lo"]}}, "did you mean 'low'"),
    ({"report": {"contours": {"kappa": [1.0]}}}, "'kappa' is not kept"),
    ({"statistics": {"level": 95}}, "out of range"),
]


@pytest.mark.parametrize(("changes", "says"), BAD)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        study(**changes)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for name, content, says in (
        ("a.toml", b"x = = 1", "is not TOML"),
        ("a.json", b"{}", "neither .toml nor .py"),
        ("b.toml", b"\xff\xfe", "cannot be read"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ScenarioError, match=says):
            Study.load(tmp_path / name)
    with pytest.raises(ScenarioError, match="no such study; did you mean 'leverage_and_depth'"):
        Study.load("leverage_and_dept")


def test_an_unknown_field_of_the_scenario_is_named() -> None:
    with pytest.raises(ScenarioError, match="no such field"):
        _ = study(set={"pools.eth-usd.fee": 0.01}).base


@pytest.mark.parametrize("name", Study.names())
def test_shipped_studies_can_be_run(name: str) -> None:
    from runs.study.design import Overrides, points

    s = Study.load(name)
    assert s.title
    places, overrides = points(s), Overrides(s)
    for variant in s.variant_names:
        s.base.override(overrides.at(places[-1], variant))


@pytest.mark.parametrize("name", Study.names())
def test_a_study_is_shown_in_a_screenful(name: str) -> None:
    study = Study.load(name)
    lines = repr(study).splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
    assert lines[0] == f"Study({study.title!r})"
    assert any(line.split()[0] == "keep" for line in lines[1:])
    assert study._repr_html_().count("<tr>") == len(study.outline())
