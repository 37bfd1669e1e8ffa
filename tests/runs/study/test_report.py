"""The report of a study."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runs.study.report import StudyPictures, number, study_rows, tables, write_study_report
from runs.study.store import read_definition, read_series, read_study
from runs.study.study import Study
from runs.study.sweeper import sweep
from sim.errors import ScenarioError

FEE = {"path": "pools.*.fee", "low": 0.001, "high": 0.02, "steps": 3, "scale": "log"}
DEPTH = {"multiply": "pools.*.reserves.*", "values": [1.0, 2.0], "label": "depth (multiple)"}
ORDER = {"path": "block.ordering", "values": ["random", "first_come"]}
SMALL: dict[str, Any] = {
    "name": "small",
    "title": "A <small> study",
    "scenario": "calm",
    "set": {"blocks": 20, "agents.*.count": 5, "agents.providers.stake": 1000.0},
    "variants": {"still": {"venue.assets.eth.process": "constant"}},
    "keep": {"low": "min(venue.eth.price)", "value": "last(pools.value)"},
    "derived": {"millions": "value / 1e6"},
    "seeds": 6,
    "report": {"labels": {"low": "low of ether (dollars)"}, "contours": {"value": [1e7, 2e7]}},
}


def pictures(folder: Path, **changes: Any) -> tuple[StudyPictures, dict[str, Any]]:
    study = Study.from_dict(SMALL | changes)
    drawn = StudyPictures(study, sweep(study, folder), folder)
    return drawn, drawn.all()


def test_a_report_needs_nothing_but_itself(tmp_path: Path) -> None:
    series = {"measures": ["venue.eth.price"], "every": 5}
    study = Study.from_dict(SMALL | {"parameters": {"fee": FEE, "depth": DEPTH}, "series": series})
    sweep(study, tmp_path)
    page = write_study_report(tmp_path)
    text = page.read_text()
    assert page == tmp_path / "studies/small/report.html"
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "A &lt;small&gt; study" in text
    assert text.count("<svg") == 3 + 4  # a map per measure, fans at four points
    assert len(list((page.parent / "figures").iterdir())) == 2 * 7
    assert "seeds 1 to 6" in text and "@software{undertow" in text
    assert "central 50 % and 90 % of runs" in text
    home = page.parent
    statistics = pd.read_csv(home / "statistics.csv")
    assert len(statistics) == 6 * 2 * 3 * 6  # points, variants, measures, statistics
    paired = pd.read_csv(home / "paired.csv")
    assert set(paired["variant"]) == {"still"}
    assert (paired.loc[paired["measure"] == "low", "difference"] > 0.0).all()
    again = read_definition(tmp_path)
    assert again.identity() == study.identity()
    assert study_rows(again, read_study(tmp_path))[1] == (
        "Runs",
        "72: 6 points, 2 variants, 6 seeds",
    )


def test_two_numbers_of_a_grid_make_phase_maps(tmp_path: Path) -> None:
    drawn, found = pictures(tmp_path, parameters={"depth": DEPTH, "fee": FEE})
    assert [name for name in found if "Phase map" in name] == [
        "Phase map: low of ether (dollars)",
        "Phase map: value",
        "Phase map: millions",
    ]
    across, up, cells = drawn.means("value", "depth", "fee", "base")
    assert across.tolist() == [1.0, 2.0]
    assert up == pytest.approx([0.001, 0.02**0.5 * 0.001**0.5, 0.02])
    assert cells.shape == (3, 2)
    assert cells[:, 1] == pytest.approx(2.0 * cells[:, 0], rel=0.01)
    axes = found["Phase map: value"].axes
    assert [ax.get_title(loc="left") for ax in axes[:3]] == ["base", "still", "base less still"]
    assert axes[0].get_yscale() == "log"


@pytest.mark.parametrize(
    ("parameters", "design", "headings"),
    [
        ({}, {}, ["Distributions over seeds"]),
        ({"fee": FEE}, {}, ["Against fee"]),
        ({"order": ORDER}, {}, ["Against order"]),
        (
            {"fee": FEE, "order": ORDER},
            {},
            [
                "Against fee, averaged over other parameters",
                "Against order, averaged over other parameters",
            ],
        ),
        (
            {"fee": {k: v for k, v in FEE.items() if k != "steps"}},
            {"method": "latin_hypercube", "points": 40},
            ["Against fee, averaged over other parameters"],
        ),
    ],
)
def test_each_design_has_its_pictures(
    tmp_path: Path, parameters: dict[str, Any], design: dict[str, Any], headings: list[str]
) -> None:
    _, found = pictures(tmp_path, parameters=parameters, design=design, seeds=2)
    assert list(found) == headings
    for figure in found.values():
        for ax in figure.axes:
            assert ax.get_title(loc="left")


def test_sobol_indices_find_what_decides(tmp_path: Path) -> None:
    pytest.importorskip("SALib")
    parameters = {
        "depth": {"multiply": "pools.*.reserves.*", "low": 1.0, "high": 3.0},
        "limit": {"path": "block.gas_limit", "low": 2e7, "high": 4e7},
    }
    drawn, found = pictures(
        tmp_path,
        parameters=parameters,
        design={"method": "sobol", "points": 16},
        seeds=1,
        variants={},
    )
    assert "Sensitivity: Sobol indices" in found
    indices = drawn.indices()
    assert indices is not None
    value = indices[(indices["measure"] == "value") & (indices["index"] == "total")]
    by_name = value.set_index("parameter")["estimate"]
    assert by_name["depth"] > 0.8
    assert by_name["limit"] < 0.1
    assert (write_study_report(tmp_path).parent / "sensitivity.csv").is_file()


def test_bands_over_seeds_are_the_middle_of_the_runs(tmp_path: Path) -> None:
    series = {"measures": ["venue.eth.price"], "every": 5}
    _, found = pictures(tmp_path, series=series, seeds=5, variants={})
    (ax,) = found["Over time"].axes
    wide, half = (band.get_paths()[0].vertices for band in ax.collections)
    frame = read_series(tmp_path, "small", point=0)
    last = frame[frame["block"] == 20]["venue.eth.price"]
    ends = [np.sort(shape[np.isclose(shape[:, 0], shape[:, 0].max()), 1]) for shape in (wide, half)]
    for end, (low, high) in zip(ends, ((0.05, 0.95), (0.25, 0.75)), strict=True):
        assert [end[0], end[-1]] == pytest.approx(last.quantile([low, high]).tolist())
    (line,) = ax.get_lines()
    assert line.get_ydata()[-1] == pytest.approx(last.median())


def test_failed_runs_are_left_out_and_told_of(tmp_path: Path) -> None:
    study = Study.from_dict(SMALL | {"parameters": {"fee": FEE}})
    frame = sweep(study, tmp_path)
    frame.loc[0, ["low", "value", "millions"]] = np.nan
    frame.loc[0, "status"] = "failed"
    found = tables(study, frame)["statistics.csv"]
    first = found[(found["fee"] == 0.001) & (found["variant"] == "base")]
    assert (first["runs"] == 5).all()
    rows = dict(study_rows(study, frame))
    assert rows["Failed"].startswith("1, 2.8 % (0.49 to 14 %)")


def test_each_variant_says_what_it_changes(tmp_path: Path) -> None:
    study = Study.from_dict(SMALL | {"parameters": {"fee": FEE}})
    frame = sweep(study, tmp_path)
    lines = dict(study_rows(study, frame))["low of ether (dollars)"].split("\n")
    assert lines[0].startswith("base: mean ")
    assert lines[0].endswith(" across all points")
    assert lines[1].startswith("still: +")
    both = frame.pivot_table(index=["point", "seed"], columns="variant", values="low")
    change = both["still"] - both["base"]
    assert f"+{number(change.mean())} (" in lines[1]
    assert lines[1].endswith(f"higher in {100 * (change > 0.0).mean():.0f} % of pairs")
    alone = Study.from_dict(SMALL | {"name": "alone", "variants": {}})
    text = dict(study_rows(alone, sweep(alone, tmp_path)))["value"]
    assert text.startswith("mean ")
    assert "\n" not in text


def test_a_definition_of_another_version_is_named(tmp_path: Path) -> None:
    study = Study.from_dict(SMALL)
    sweep(study, tmp_path)
    path = tmp_path / "studies/small/study.json"
    for content in ('{"study": {}}', "{", "[]"):
        path.write_text(content)
        with pytest.raises(ScenarioError, match=r"study\.json.*another version"):
            read_definition(tmp_path)


def test_numbers_are_short_and_exact_enough() -> None:
    shown = [number(v) for v in (2390.4, 1_234_567.0, 0.00123456, 12.3456, float("nan"))]
    assert shown == ["2,390", "1.235M", "0.001235", "12.35", "–"]
