"""Charts in a real browser: clock time, a zoom and a cursor that all share, lines that hide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow
Visit = Callable[..., Any]


def asked(page: Any, title: str, question: str) -> Any:
    """What a chart says of itself; `c` is its component in the question."""
    return page.tab.evaluate(
        """([title, question]) => {
          const c = [...document.querySelectorAll('.ut-chart')].map(e => e.__vue__)
            .find(c => c.title === title);
          return new Function('c', 'return ' + question)(c);
        }""",
        [title, question],
    )


def frame(page: Any, title: str) -> Any:
    page.until(
        "t => [...document.querySelectorAll('.ut-chart')].some(e => e.__vue__.title === t "
        "&& e.__vue__.plot)",
        title,
    )
    return page.tab.locator(f'.ut-chart-frame[aria-label^="{title},"]')


def test_the_time_axis_has_the_clock_and_the_block(visit: Visit) -> None:
    page = visit("?scenario=black_thursday&rng=1&block=900")
    frame(page, "Price of eth")
    said = asked(page, "Price of eth", "c.clocks(0, 900, 400).map(c.label)")
    assert said == ["12 Mar\n0", "01:00\n300", "02:00\n600", "03:00\n900"]


def test_all_charts_share_the_zoom_and_the_cursor(visit: Visit) -> None:
    page = visit("?scenario=calm&rng=7&block=300")
    place = frame(page, "Price of eth")
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    page.tab.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 40)
    at = asked(page, "Price of eth", "c.at")
    assert at is not None
    assert asked(page, "Losses by class", "c.at") == at
    said = asked(page, "Losses by class", "c.told[0]")
    assert said == asked(page, "Losses by class", "c.show(c.points[c.at][2])")
    page.tab.mouse.down()
    page.tab.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 40, steps=4)
    page.tab.mouse.up()
    low, high = asked(page, "Price of eth", "c.reach()")
    assert 90 < low < 160 < 190 < high < 260
    assert asked(page, "Losses by class", "c.reach()") == [low, high]
    drawn = asked(page, "Price of eth", "[c.plot.scales.x.min, c.plot.scales.x.max]")
    assert drawn == [low, high]
    place.dblclick(position={"x": 120, "y": 40})
    assert asked(page, "Losses by class", "c.reach()") == [0, 300]


def test_the_cursor_and_the_zoom_go_by_keys(visit: Visit) -> None:
    page = visit("?scenario=calm&rng=7&block=100")
    place = frame(page, "Price of eth")
    place.focus()
    for _ in range(3):
        page.tab.keyboard.press("ArrowLeft")
    assert place.get_attribute("aria-valuenow") == "97"
    assert place.get_attribute("aria-valuetext").startswith("block 97, 05 Feb")
    assert asked(page, "Losses by class", "c.points[c.at][0]") == 97
    page.tab.keyboard.press("+")
    assert asked(page, "Losses by class", "c.reach()") == [72, 100]
    page.tab.keyboard.press("Escape")
    assert asked(page, "Losses by class", "c.reach()") == [0, 100]


def test_a_line_is_hidden_and_shown(visit: Visit) -> None:
    page = visit("?scenario=calm&rng=7&block=50&twin=mine")
    frame(page, "Price of eth")
    shown = "c.plot.series.slice(1).filter((s) => s.show).length"
    every = asked(page, "Price of eth", shown)
    chart = page.tab.locator(".ut-chart", has=page.tab.get_by_text("Price of eth", exact=True))
    name = chart.get_by_role("button", name="outside venue")
    name.click()
    assert name.get_attribute("aria-pressed") == "false"
    assert asked(page, "Price of eth", shown) == every - 6  # line and band, here and in the twin
    name.click()
    assert asked(page, "Price of eth", shown) == every


def test_nothing_but_zeros_is_folded_until_it_is_something(visit: Visit) -> None:
    page = visit("?scenario=calm&rng=7&block=5")
    title = "Liquidated, by generation"
    assert asked(page, title, "c.folded") is True
    chart = page.tab.locator(".ut-chart", has=page.tab.get_by_text(title, exact=True))
    chart.get_by_role("button", name="show").click()
    frame(page, title)
    chart.get_by_role("button", name="fold").click()
    page.until("() => document.querySelector('.ut-chart.flat')")
    page.shock("price_jump", asset="eth", size="-0.5")
    page.play(15)
    assert asked(page, title, "c.folded") is False
    assert page.value(title, "first") > 0.0
