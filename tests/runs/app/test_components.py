"""Components outside the page: in a notebook, or in anybody's SolaraViz."""

from __future__ import annotations

import json
from typing import Any

import ipywidgets
import pytest
import solara

import runs.app as app
from runs.app.components import Bus, provide_bus
from sim import Market


def widgets_of(box: Any) -> list[Any]:
    found = [box]
    for child in getattr(box, "children", ()):
        if isinstance(child, ipywidgets.Widget):
            found += widgets_of(child)
    return found


def shown(box: Any, trait: str) -> list[Any]:
    return [w for w in widgets_of(box) if w.has_trait(trait)]


@pytest.fixture
def live() -> app.LiveMarket:
    market = app.LiveMarket("calm", 3)
    market.advance(20)
    return market


def test_every_component_takes_a_plain_market() -> None:
    market = Market("calm", rng=3).run(20)

    @solara.component
    def All() -> None:
        app.ExposureNetwork(market)
        for chart in app.charts(market):
            app.TimeChart(market, chart)
        app.Histograms(market)
        app.ClassTable(market)
        app.AccountTable(market, app.tables(market)[0])
        app.NodeView(market, "bank")
        app.AgentView(market, "borrowers-3")

    box, rc = solara.render(All(), handle_error=False)
    found = shown(box, "initial")
    assert len(found) > 15
    for widget in found:
        assert widget.channel == ""
        json.dumps(widget.initial)
    rc.close()


def test_a_chart_follows_its_market_by_what_is_new(live: app.LiveMarket) -> None:
    chart = next(c for c in app.charts(live) if c.title == "Price of eth")
    box, rc = solara.render(app.TimeChart(live, chart), handle_error=False)
    (widget,) = shown(box, "initial")
    assert (widget.initial["from"], len(widget.initial["rows"])) == (0, 20)
    live.step()
    app.refresh()
    assert widget.initial["from"] + len(widget.initial["rows"]) == 21
    assert len(widget.initial["rows"]) < 10
    live.advance(700)  # points have been merged: all anew
    app.refresh()
    assert widget.initial["from"] == 0
    price = live.past.last("venue.eth.price")  # the last value, not the highest of the last point
    assert widget.initial["last"][0] == pytest.approx(price, rel=1e-5)
    assert widget.initial["epoch"] == 1
    rc.close()


def test_a_chart_that_missed_something_asks_for_all(live: app.LiveMarket) -> None:
    chart = app.charts(live)[0]
    box, rc = solara.render(app.TimeChart(live, chart), handle_error=False)
    (widget,) = shown(box, "initial")
    live.step()
    app.refresh()
    assert widget.initial["from"] > 0
    widget.vue_resync({"epoch": None})
    assert widget.initial["from"] == 0
    rc.close()


def test_on_a_page_one_message_carries_what_all_components_show(live: app.LiveMarket) -> None:
    bus = Bus()

    @solara.component
    def Page() -> None:
        provide_bus(bus)
        app.ExposureNetwork(live)
        app.TimeChart(live, app.charts(live)[0])
        app.ClassTable(live)

    box, rc = solara.render(Page(), handle_error=False)
    found = shown(box, "initial")
    channels = [w.channel for w in found]
    assert len(set(channels)) == 3 and all(channels)
    before = [w.initial for w in found]
    live.step()
    app.refresh()
    assert [w.initial for w in found] == before  # nothing is sent to them one by one
    parts = bus.gather()
    assert set(parts) == set(channels)
    tail = next(p for p in parts.values() if isinstance(p, dict) and "rows" in p)
    assert tail["from"] + len(tail["rows"]) == 21
    rc.close()
    assert bus.gather() == {}


def test_a_node_that_is_clicked_is_told(live: app.LiveMarket) -> None:
    told: list[str] = []
    box, rc = solara.render(app.ExposureNetwork(live, "", told.append), handle_error=False)
    (widget,) = shown(box, "plan")
    widget.vue_select("bank")
    assert told == ["bank"]
    rc.close()
