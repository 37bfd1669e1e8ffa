"""What is shown of protocols that declare themselves, in the summary, the report and the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents import MarketAgent
from protocols.interface import Chart, Fact, Look, Measure, Place, Scale
from runs.app import views
from runs.app.live import LiveMarket
from runs.report.network import heads, looks
from runs.report.report import Pictures
from runs.summary import measured, summarise, summary_rows
from sim import Market, Scenario
from tests.fuzz.puppets import Till


class Pot(Till):
    """A till that says how full it is, and how it wants to be shown."""

    measures = (
        Measure("full", "share", "How full it is", lambda pot: pot.market.block / 10.0),
        Measure("coins", "usdc", "What is in it", lambda pot: pot.held("coin")),
    )
    charts = (Chart("How full", "share", {"of coins": "full"}, "share", zero=True),)
    card = (
        Fact("full", "full", "share", reduction="largest"),
        Fact("coins", "coins", "money"),
    )
    look = Look(
        "pot", "pots", Place.CREDIT, "#123456", scale=Scale("fullness"), tone="full",
        distress="full",
    )  # fmt: skip


@pytest.fixture
def setup(small: Callable[..., Scenario]) -> Scenario:
    return small(protocols={"pot": {"kind": f"{__name__}:Pot", "coin": "usdc"}}, blocks=5)


def test_the_page_shows_its_charts_card_and_node(setup: Scenario) -> None:
    live = LiveMarket(setup, 1)
    live.advance(5)
    charts = {chart.title: chart for chart in views.charts(live) if "pot" in chart.title}
    assert list(charts) == ["pot: value", "pot: How full"]
    assert charts["pot: How full"].lines == {"of coins": "protocol.pot.full"}
    assert charts["pot: How full"].format == "share"
    assert views.history_of(live, "pot") == list(charts.values())
    assert list(live.past.values("protocol.pot.full")) == [0.1, 0.2, 0.3, 0.4, 0.5]
    facts = dict(views.node_facts(live, "pot"))
    assert facts["full"] == "50.00 %" and facts["coins"] == "0 usdc"
    assert facts["kind"].endswith("Pot") and facts["value"] == "0 usdc"
    node = views.network_state(live, {})["nodes"]["pot"]
    assert (node["tone"], node["distress"]) == (0.5, 0.5)
    assert "full 50.00 %" in node["title"] and "distress: 50 %" in node["title"]
    layout = views.network_layout(live)
    (placed,) = (n for n in layout["nodes"] if n["name"] == "pot")
    assert placed["scale"] == {"most": 1.0, "diverging": False}
    assert "fullness" in [s["text"] for s in layout["scales"]]


def test_before_the_first_block_its_node_tells_nothing_unknown(setup: Scenario) -> None:
    title = views.network_state(LiveMarket(setup, 1), {})["nodes"]["pot"]["title"]
    assert "–" not in title


def test_the_summary_and_the_report_tell_its_card(setup: Scenario) -> None:
    market = Market(setup, rng=1).run()
    summary = summarise(market)
    assert summary["protocols"]["pot"]["full"] == {
        "largest": 0.5, "format": "share", "unit": "share",
    }  # fmt: skip
    rows = dict(summary_rows(summary))
    assert rows["Protocol pot"] == "value 0 usdc; full at most 50.00 %; coins 0 usdc"
    figure = Pictures(measured(market), summary, setup).all()["Protocol pot"]
    (ax,) = figure.axes
    assert (ax.get_title(loc="left"), ax.get_ylabel()) == ("How full", "share")
    assert [line.get_label() for line in ax.get_lines()] == ["of coins"]
    graph = market.exposure()
    look = looks(graph, setup)
    assert look["pot"] == Pot.look
    assert heads(look.values())[Place.CREDIT] == "lending, oracles and pots"


def test_what_declares_no_card_tells_all_that_it_measures(small: Callable[..., Scenario]) -> None:
    class_: dict[str, Any] = {"kind": "tests.fuzz.puppets:Till", "coin": "usdc"}
    live = LiveMarket(small(protocols={"till": class_}), 1)
    live.advance(2)
    told = [what for what, _ in views.node_facts(live, "till")]
    assert [m.name.replace("_", " ") for m in Till.measures] == told[-len(Till.measures) :]


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def test_flows_reach_it(small: Callable[..., Scenario]) -> None:
    live = LiveMarket(small(protocols={"v": {"kind": "vault", "asset": "eth"}}), 1)
    Idle(live, {"eth": 5.0}, "ann").act("v", "enter", 1.0)
    live.step()
    assert live.flows["holders", "v"] == pytest.approx(live.price("eth"), rel=0.01)
