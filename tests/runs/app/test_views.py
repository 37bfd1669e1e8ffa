"""What the page shows, as plain data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from runs.app import views
from runs.app.live import LiveMarket
from runs.app.parameters import shock_of
from runs.report.network import everybody
from sim import Market, Scenario
from tests.protocols.test_default import Actor, levered
from tests.protocols.test_default import settings as defaulting
from tests.science.test_everybody import MORE


@pytest.fixture
def live() -> LiveMarket:
    market = LiveMarket("calm", 3)
    market.advance(30)
    return market


def strike(market: LiveMarket, kind: str, **fields: Any) -> None:
    market.strike(shock_of(market.asked, {"kind": kind, **fields}, market.block + 1))


def node(market: LiveMarket, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = views.network_state(market, {})["nodes"][name]
    return found


# The network


@pytest.mark.parametrize("name", Scenario.names())
def test_everything_has_a_place_that_stays(name: str) -> None:
    market = LiveMarket(name, 1)
    layout = views.network_layout(market)
    names = {n["name"] for n in layout["nodes"]}
    assert names >= {*market.pools, *market.lending, *market.cohorts, "venue"}
    places = {(n["x"], n["y"]) for n in layout["nodes"]}
    assert len(places) == len(names)
    assert all(0 < n["x"] < layout["width"] for n in layout["nodes"])
    assert all(0 < n["y"] < layout["height"] for n in layout["nodes"])
    market.advance(100)
    assert views.network_layout(market) == layout
    assert names <= set(views.network_state(market, {})["nodes"])
    json.dumps([layout, views.network_state(market, market.flows)])


def test_size_is_value_and_width_is_exposure(live: LiveMarket) -> None:
    nodes = views.network_state(live, {})["nodes"]
    graph = live.exposure()
    values = {n: graph.nodes[n]["value"] for n in live.pools}
    larger, smaller = sorted(values, key=lambda n: -values[n])
    assert nodes[larger]["r"] > nodes[smaller]["r"]
    edges = views.network_state(live, {})["edges"]
    for edge in edges:
        (weight,) = (
            data["weight"]
            for channel, data in graph[edge["u"]][edge["v"]].items()
            if edge["channel"] == ("price" if channel == "source" else channel)
        )
        assert weight == edge["weight"]
    widths = sorted(edges, key=lambda e: e["weight"])
    assert [e["width"] for e in widths] == sorted(e["width"] for e in widths)


def test_colour_is_imbalance_or_utilisation(live: LiveMarket) -> None:
    imbalance = live.past.last("pool.eth-usdc.imbalance")
    assert node(live, "eth-usdc")["tone"] == pytest.approx(imbalance, abs=1e-4)
    used = live.lending["bank"].utilisation("usdc")
    assert node(live, "bank")["tone"] == pytest.approx(used, abs=1e-4)
    assert node(live, "traders")["tone"] is None


def test_the_ring_is_distress(live: LiveMarket) -> None:
    assert node(live, "eth-usdc")["distress"] < 0.1
    strike(live, "provider_exit", pool="eth-usdc", share=0.6)
    strike(live, "pool_halt", pool="eth-usdc-b", blocks=10)
    strike(live, "oracle_freeze", oracle="eth", blocks=10)
    strike(live, "price_jump", asset="eth", size=-0.3)
    live.step()
    assert node(live, "eth-usdc")["distress"] == pytest.approx(0.6, abs=0.1)
    assert (node(live, "eth-usdc-b")["distress"], node(live, "eth-usdc-b")["text"]) == (1, "halted")
    assert (node(live, "oracle:eth")["distress"], node(live, "oracle:eth")["text"]) == (1, "frozen")
    assert 0.0 < node(live, "borrowers")["distress"] < 1.0
    live.advance(60)
    assert node(live, "eth-usdc-b")["text"] != "halted"


def test_flows_flash_and_open_edges_where_there_is_no_exposure(live: LiveMarket) -> None:
    state = views.network_state(live, {("traders", "eth-usdc"): 500.0, ("lenders", "bank"): 5.0})
    edges = {(e["u"], e["v"]): e for e in state["edges"]}
    assert edges["traders", "eth-usdc"]["channel"] == "flow"
    assert edges["lenders", "bank"]["channel"] == "claim"
    assert 0 < edges["lenders", "bank"]["flash"] < edges["traders", "eth-usdc"]["flash"] < 1
    assert sum(e["flash"] > 0 for e in state["edges"]) == 2


def test_every_reason_has_its_edge() -> None:
    market = LiveMarket(Scenario.from_dict(MORE), 3)
    shown = views.network_state(market, {})["edges"]
    expected = {
        (u, v, "price" if channel == "source" else channel)
        for u, v, channel in everybody(market.exposure(), market.setup).edges(keys=True)
    }
    found = {(e["u"], e["v"], e["channel"]) for e in shown}
    assert len(shown) == len(found)
    assert ("meta", "stable", "claim") in found
    assert found < expected
    both = {(v, u, channel) for u, v, channel in found if channel == "common"}
    assert found | both == expected
    assert not found & both  # a common token joins both alike


# Charts


@pytest.mark.parametrize("name", Scenario.names())
def test_every_line_of_every_chart_is_a_measure(name: str) -> None:
    market = LiveMarket(name, 1)
    market.advance(5)
    found = views.charts(market)
    assert len({c.key for c in found}) == len(found)
    nodes = [n["name"] for n in views.network_layout(market)["nodes"]]
    for chart in [*found, *(c for n in nodes for c in views.history_of(market, n))]:
        assert chart.unit and chart.lines
        for measure in chart.lines.values():
            assert measure in market.past, (chart.title, measure)
    for n in nodes:
        facts = views.node_facts(market, n)
        assert facts and all(what and value for what, value in facts), n


def test_a_plain_market_has_charts_too() -> None:
    market = Market(Scenario.load("calm").override({"measures.every": 1}), rng=3).run(20)
    past, live = views.past_of(market), LiveMarket("calm", 3)
    live.advance(20)
    shown = {measure for chart in views.charts(market) for measure in chart.lines.values()}
    for measure in shown:
        assert (measure in past) == (not measure.startswith("liquidated."))  # only a live one's
    for measure in shown & set(past.names):
        assert past.rows([measure]) == live.past.rows([measure])


def test_shocks_are_marked_and_spoken(live: LiveMarket) -> None:
    strike(live, "price_jump", asset="eth", size=-0.25)
    strike(live, "gas_surge", multiple=4.0, blocks=30)
    strike(live, "withdrawal", lending="bank", token="usdc", share=0.1)
    live.step()
    assert views.marks(live) == [
        {"block": 31, "label": "price jump eth -25 %"},
        {"block": 31, "label": "gas surge x 4 30 blocks"},
        {"block": 31, "label": "withdrawal bank usdc 10 %"},
    ]


# Agents


def test_the_histogram_counts_every_debtor(live: LiveMarket) -> None:
    (about,) = views.histograms(live)
    shown = views.histogram(live, about)
    positions = live.lending["bank"].positions()
    assert sum(shown["count"]) == shown["total"] == len(positions)
    assert len(shown["edges"]) == len(shown["count"]) + 1
    factors = np.clip(positions["health_factor"], 0.8, 3.0)
    expected, _ = np.histogram(factors, shown["edges"])
    assert np.abs(np.array(shown["count"]) - expected).sum() <= 4  # one block's interest


def test_tables_name_accounts(live: LiveMarket) -> None:
    (table,) = views.tables(live)
    rows = table.rows(live)
    assert rows
    for row in rows:
        assert {key for key, *_ in table.columns} <= set(row)
        assert row["account"] in live.ledger.accounts


def test_classes_count_all_agents(live: LiveMarket) -> None:
    rows = views.classes(live)
    assert sum(r["count"] for r in rows) == len(live.agents)
    for r in rows:
        assert r["wealth"] == pytest.approx(live.past.last(f"wealth.{r['name']}"))


def test_an_agents_card_tells_what_it_holds_and_does(live: LiveMarket) -> None:
    live.follow("borrowers-5")
    strike(live, "price_jump", asset="eth", size=-0.35)
    live.advance(200)
    card = views.agent_card(live, "borrowers-5")
    assert card["kind"] == "leveraged_borrower"
    facts = dict(card["facts"])
    assert "wealth" in facts and "bank-eth" in facts
    assert {n for n, *_ in card["numbers"]} >= {"leverage", "buffer"}
    for block, what, amounts, status in card["receipts"]:
        assert 30 < block <= 200 and what and "→" in amounts and status
    json.dumps(card)
    with pytest.raises(KeyError):
        views.agent_card(live, "nobody-1")


def test_headline_figures_have_labels_and_units(live: LiveMarket) -> None:
    found = {f["label"]: (f["value"], f["unit"]) for f in views.headline(live)}
    assert found["gas"][1] == "gwei"
    assert found["value locked"][1] == "usdc"
    assert found["liquidations"] == ("0", "")


# The twin


def test_differences_are_this_run_less_its_twin(live: LiveMarket) -> None:
    assert views.differences(live) == []
    strike(live, "price_jump", asset="eth", size=-0.2)
    live.advance(50)
    live.compare("mine")
    rows = {d["what"]: d for d in views.differences(live)}
    price = rows["price of eth"]
    assert price["difference"] == price["here"] - price["twin"] < -200.0
    names = ["loss.borrowers", "loss.traders"]
    points = views.difference_rows(live, names, 0)
    assert len(points) == 50
    assert points[10][1:] == [0.0, 0.0, 0.0, 0.0]
    assert live.twin is not None
    gap = live.past.last("loss.borrowers") - live.twin.past.last("loss.borrowers")
    assert points[-1][1] == pytest.approx(gap, rel=1e-5)
    assert views.difference_rows(live, names, 45) == points[45:]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), "–"),
        (0.0, "0"),
        (0.00123456, "0.0012346"),
        (2400.5, "2,400.5"),
        (123_456.7, "123,457"),
        (2.5e6, "2.5M"),
    ],
)
def test_numbers_are_readable(value: float, text: str) -> None:
    assert views.number(value) == text


def test_losses_and_defaults_are_rows_the_largest_and_the_latest_first() -> None:
    market = Market(Scenario.from_dict(defaulting(measures={"losses": True})), rng=1)
    Actor(market, {"usdc": 9e5}, b1=lambda a: a.deposit("bank", "usdc", 9e5))
    Actor(market, {"eth": 600.0}, b2=levered("bank", 600.0, 9e5))
    market.run(5)
    rows = views.losses(market)
    results = [abs(row["result_against_holding"]) for row in rows]
    assert results == sorted(results, reverse=True) and results[0] > 1e4
    assert views.may_default(market)
    (row,) = views.defaults(market)
    assert (row["protocol"], row["entity"]) == ("bank", "Actor-2")
    plain = Market("calm", rng=1)
    assert views.losses(plain) == [] and not views.may_default(plain)


def test_the_headline_says_what_goes_on_and_who_is_in_distress() -> None:
    market = LiveMarket("calm", 3)
    market.advance(10)
    said, danger = views.news(market)
    assert re.match(r"eth [+-]\d\.\d % to 2,\d{3} usdc[;.]", said) and danger == ""
    crash = {"kind": "price_jump", "asset": "eth", "size": -0.5}
    market.strike(shock_of(market.asked, crash, market.block + 1))
    market.advance(20)
    said, danger = views.news(market)
    assert "price jump eth -50 % in block 11" in said
    states = {name: state.distress for name, (_, state) in views.node_states(market).items()}
    worst = max(states, key=lambda name: states[name])
    assert danger.startswith(f"In distress: {views.title_of(market, worst)} ")
    market.advance(200)
    assert "liquidations" in views.news(market)[0]
    market.close()
