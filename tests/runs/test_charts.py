"""Charts of measures: what is drawn, with which units, on paper and on screen."""

from __future__ import annotations

import math
import re
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runs import charts
from sim.errors import ScenarioError

UNITS = {
    "pool.a.price": "usdc",
    "pool.b.price": "usdc",
    "pool.a.imbalance": "share",
    "venue.eth.price": "usdc",
    "gas.used": "share of the limit",
}
NAMES = list(UNITS)


def frame(rows: int = 50) -> pd.DataFrame:
    time = pd.date_range("2020-03-12", periods=rows, freq="12s", tz="UTC", name="time")
    rng = np.random.default_rng(1)
    table = pd.DataFrame({n: rng.normal(100.0, 5.0, rows) for n in NAMES}, index=time)
    table.insert(0, "block", np.arange(1, rows + 1))
    return table


def test_a_pattern_has_a_panel_for_each_unit() -> None:
    found = charts.panels(["pool.*"], NAMES, UNITS)
    assert [p.unit for p in found] == ["usdc", "share"]
    assert found[0].title == "pool.*.price"
    assert found[0].lines == {"pool.a.price": "a", "pool.b.price": "b"}
    assert found[1].lines == {"pool.a.imbalance": "pool.a.imbalance"}


def test_a_list_has_one_panel_whatever_the_units() -> None:
    (panel,) = charts.panels([["pool.a.*", "gas.used"]], NAMES, UNITS)
    assert panel.unit == "usdc or share or share of the limit"
    assert list(panel.lines) == ["pool.a.price", "pool.a.imbalance", "gas.used"]


def test_what_matches_nothing_is_answered_with_what_is_close() -> None:
    with pytest.raises(ScenarioError, match=r"did you mean 'venue\.eth\.price'"):
        charts.chosen(NAMES, ["venue.eht.price"])
    with pytest.raises(ScenarioError, match=re.escape("results.names() lists them")):
        charts.chosen(NAMES, ["zzzz"])


def test_what_is_in_the_way_is_taken_out() -> None:
    (panel,) = charts.panels([["pool.*.price", "!pool.b.*"]], NAMES, UNITS)
    assert list(panel.lines) == ["pool.a.price"]


def test_small_numbers_have_an_axis_of_their_own_beside_large_ones() -> None:
    table = pd.DataFrame(
        {
            "large": [0.0, 5e6, 2e6, 4e6],
            "as.large": [1e6, 2e6, 3e6, 2e6],
            "small": [0.0, 10.0, 5.0, 8.0],
            "tiny": [0.0, 0.1, 0.0, 0.1],
            "none": [0.0] * 4,
            "par": [3e6] * 4,
            "far": [9e9] * 4,
            "unknown": [np.nan] * 4,
        }
    )
    panel = charts.Panel("what", "usdc", {name: name.upper() for name in table} | {"not": "NOT"})
    panels, still = charts.apart(table, panel)
    assert [list(p.lines) for p in panels] == [["large", "as.large", "par"], ["small"], ["tiny"]]
    assert [p.title for p in panels] == ["what"] + 2 * ["what, on a finer scale"]
    assert still == {"NONE": 0.0, "FAR": 9e9}
    together, _ = charts.apart(table[["large", "small"]], panel._replace(log=True))
    assert [list(p.lines) for p in together] == [["large", "small"]]


@pytest.mark.parametrize(("hours", "rows"), [(5, 60), (40, 60), (24 * 9, 60)])
def test_no_date_stands_twice_below_an_axis(hours: int, rows: int) -> None:
    time = pd.date_range("2024-02-05", periods=rows, freq=f"{hours * 60 // rows}min", name="time")
    table = pd.DataFrame({"block": range(rows), "a": range(rows)}, index=time.tz_localize("UTC"))
    figure = charts.drawn(table, [charts.Panel("a", "usdc", {"a": "a"})], 12.0)
    figure.canvas.draw()
    axis = figure.axes[0].xaxis
    texts = [label.get_text() for label in axis.get_ticklabels() if label.get_text()]
    beside = axis.get_offset_text().get_text()
    dates = [text for text in texts if "Feb" in text]
    assert len(set(dates)) == len(dates)
    assert beside == ("2024-02-05" if hours < 24 else "2024")
    assert not any("2024" in text for text in texts)
    assert bool(dates) == (hours > 24)


def test_axes_say_clock_time_and_blocks() -> None:
    table = frame()
    figure = charts.drawn(table, charts.panels(["pool.*"], NAMES, UNITS), 12.0)
    first, second = figure.axes
    assert first.get_ylabel() == "usdc" and second.get_xlabel() == "time, UTC"
    (top,) = first.child_axes
    assert top.get_xlabel() == "block"
    figure.canvas.draw()
    low, high = top.get_xlim()
    drawn = first.get_xlim()
    days = (drawn[1] - drawn[0]) * 86_400.0 / 12.0
    assert high - low == pytest.approx(days)  # a block is twelve seconds
    assert low < 1.0 < 50.0 < high
    legend = first.get_legend()
    assert [t.get_text() for t in legend.get_texts()] == ["a", "b"]
    assert second.get_legend() is None
    box = legend.get_window_extent()
    assert box.x0 >= first.get_window_extent().x1  # beside the lines, not on them


def test_a_notebook_is_shown_a_picture() -> None:
    figure = charts.drawn(frame(), charts.panels(["gas.*"], NAMES, UNITS), 12.0)
    assert isinstance(figure, charts.Picture)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_text_in_a_file_stays_text(tmp_path: Path) -> None:
    figure = charts.drawn(frame(), charts.panels(["pool.*.price"], NAMES, UNITS), 12.0)
    charts.written(figure, tmp_path / "a.svg")
    content = (tmp_path / "a.svg").read_text()
    assert ">pool.*.price</text>" in content
    assert "dc:date" not in content


def test_thinning_keeps_extremes_and_the_ends() -> None:
    table = frame(20_000)
    table.iloc[7_777, 1] = 1e6
    table.iloc[12_345, 1] = -1e6
    table.iloc[500:900, 2] = math.nan
    thin = charts.thinned(table, ["pool.a.price", "pool.b.price"], 300)
    assert len(thin) <= 300
    assert {1, 20_000, 7_778, 12_346} <= set(thin["block"])
    assert charts.thinned(table.head(300), NAMES, 300).equals(table.head(300))


def test_an_interactive_chart_takes_long_runs_and_zooms_all_panels() -> None:
    chart = charts.interactive(frame(20_000), charts.panels(["pool.*"], NAMES, UNITS))
    content = chart.to_dict()
    assert len(content["vconcat"]) == 2
    rows = [row for data in _values(content) for row in data]
    assert 1_000 < len(rows) < 10_000
    assert {"time", "block", "value", "line"} == set(rows[0])
    assert any(p.get("bind") == "scales" for p in content["params"])
    lines, points = content["vconcat"][0]["layer"]
    assert points["mark"]["opacity"] == 0.0 and "data" not in points  # one copy of the rows
    tips = points["encoding"]["tooltip"]
    assert tips == lines["encoding"]["tooltip"]
    assert [t["field"] for t in tips] == ["line", "block", "time", "value"]


def test_an_interactive_chart_marks_shocks_and_says_the_day_once() -> None:
    pytest.importorskip("altair")
    table = frame()
    when = table.index[20].tz_localize(None).to_pydatetime()
    marks = {when: "price_jump", datetime(2031, 1, 1): "later"}
    found = charts.interactive(table, charts.panels(["pool.*"], NAMES, UNITS), marks).to_dict()
    assert found["resolve"]["scale"]["color"] == "independent"  # each panel names its own lines
    for panel in found["vconcat"]:
        rule = panel["layer"][-1]
        (mark,) = rule["data"].get("values") or found["datasets"][rule["data"]["name"]]
        assert pd.Timestamp(mark["time"]) == table.index[20] and mark["shock"] == "price_jump"
        across = panel["layer"][0]["encoding"]["x"]
        assert across["title"] == "time, UTC, 2020-03-12" and "%H:%M" in across["axis"]["labelExpr"]


def _values(content: dict) -> list[list[dict]]:
    found = [panel["data"]["values"] for panel in content["vconcat"] if "values" in panel["data"]]
    return found or list(content["datasets"].values())
