"""The page in a real browser: what a visitor does, and what is seen of it."""

from __future__ import annotations

import io
import json
import re
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sim import Market, Scenario

pytestmark = pytest.mark.slow
Visit = Callable[..., Any]


def test_it_opens_plays_pauses_steps_and_resets(visit: Visit) -> None:
    page = visit()
    assert page.block == 0
    page.step(2)
    assert page.block == 2
    page.play(10)
    stopped = page.block
    assert stopped >= 12
    page.tab.wait_for_timeout(600)
    assert page.block == stopped
    page.button("Reset").click()
    page.until("() => document.querySelector('.ut-head').dataset.block === '0'")
    page.step(1)
    assert [block for block, _ in page.curve("Price of eth", "outside venue")] == [1]
    assert page.tab.get_by_text("Up to block").count() == 0


def test_blocks_of_a_frame(visit: Visit) -> None:
    page = visit()
    page.button("10×").click()
    page.until("() => document.querySelector('.ut-bar [aria-pressed=true]').textContent === '10×'")
    page.button("Step").click()
    page.reach(10)
    assert page.block == 10


def test_to_the_end_takes_seconds_and_its_frames_can_be_looked_at_again(visit: Visit) -> None:
    page = visit("?scenario=black_thursday&rng=1")
    page.step(1)
    begun = time.perf_counter()
    page.button("To the end").click()
    page.reach(14_400)
    assert time.perf_counter() - begun < 40.0  # 15 alone on two cores
    back = page.tab.get_by_label("Show an earlier block")
    back.fill("7200")
    assert page.tab.locator(".ut-bar .where").inner_text().startswith("7,200")
    assert page.tab.locator(".ut-chart-when").first.inner_text().startswith("block 7,2")
    assert page.block == 14_400
    page.button("Go on from here").click()
    page.until("() => document.querySelector('.ut-head').dataset.block === '7200'")
    page.step(1)
    assert page.block == 7201


def test_the_next_event(visit: Visit) -> None:
    page = visit()
    page.shock("price_jump", asset="eth", size="-0.4")
    page.button("Next event").click()
    page.reach(1)
    page.button("Play").wait_for()
    assert page.block == 1
    assert "price jump eth -40 % in block 1" in page.tab.locator(".ut-head .news").inner_text()


def test_keys_play_step_and_close(visit: Visit) -> None:
    page = visit()
    page.tab.keyboard.press(".")
    page.reach(1)
    page.tab.keyboard.press(" ")
    page.button("Pause").wait_for()
    page.tab.keyboard.press(" ")
    page.button("Play").wait_for()
    page.tab.locator('[data-node="bank"]').focus()
    page.tab.keyboard.press("Enter")
    page.tab.locator(".ut-pop").wait_for()
    page.tab.keyboard.press("Escape")
    page.tab.locator(".ut-pop").wait_for(state="detached")


@pytest.mark.parametrize(
    ("name", "block"),
    [("calm", 60), ("interconnected", 60), ("black_thursday", 8000)],  # many in distress by then
)
def test_the_first_screen_says_what_matters(visit: Visit, name: str, block: int) -> None:
    page = visit(f"?scenario={name}&rng=1&block={block}")
    page.tab.set_viewport_size({"width": 1280, "height": 800})
    page.tab.wait_for_timeout(500)

    def bottom(selector: str) -> float:
        box = page.tab.locator(selector).first.bounding_box()
        return float(box["y"] + box["height"])

    news = page.tab.locator(".ut-head .news")
    assert news.inner_text().startswith("eth ")
    assert news.bounding_box()["height"] < 24  # one line
    assert bottom(".ut-head") < 170
    assert bottom(".ut-chart-frame") < 800
    assert max(bottom(f'[data-node="{n}"]') for n in nodes(page)) < 800
    rows = page.tab.locator(".ut-head .figure").evaluate_all(
        "all => new Set(all.map(e => Math.round(e.getBoundingClientRect().top))).size"
    )
    assert rows == 1
    for tab, wanted in (("Cut", ".ut-switches"), ("Twin", ".ut-choice"), ("Shock", ".ut-form")):
        page.open_tab(tab)
        shown = page.tab.locator(f".ut-acts {wanted} >> visible=true")
        shown.first.wait_for()
        box = shown.first.bounding_box()
        assert box["y"] + min(box["height"], 100) < 800
    assert page.tab.get_by_role("button", name="Shock now").bounding_box()["y"] < 760
    assert page.tab.get_by_text(re.compile("Use Threads|Information|^Node$")).count() == 0


def nodes(page: Any) -> list[str]:
    return list(
        page.tab.locator(".ut-net .node").evaluate_all("all => all.map(e => e.dataset.node)")
    )


def test_a_card_opens_where_the_node_is(visit: Visit) -> None:
    page = visit("?scenario=interconnected&rng=1&block=60")
    for name in ("borrowers", "bank", "eth-usdc", "venue"):
        page.tab.locator(f'[data-node="{name}"]').click()
        page.tab.locator(".ut-pop").get_by_text(name, exact=True).first.wait_for()
        card = page.tab.locator(".ut-pop").bounding_box()
        node = page.tab.locator(f'[data-node="{name}"] .body').bounding_box()
        middle = (node["x"] + node["width"] / 2, node["y"] + node["height"] / 2)
        across = max(card["x"] - middle[0], middle[0] - card["x"] - card["width"])
        assert 0 < across < 60, name
        assert card["y"] - 20 < middle[1] < card["y"] + card["height"] + 20, name
        page.tab.locator(".ut-pop").get_by_role("button", name="Close").click()
        page.tab.locator(".ut-pop").wait_for(state="detached")


def test_what_is_seen_is_what_the_market_does(visit: Visit) -> None:
    page = visit()
    page.play(40)
    every_block = Scenario.load("calm").override({"measures.every": 1})
    market = Market(every_block, rng=7).run(page.block)
    frame = market.datacollector.get_model_vars_dataframe()
    seen = page.curve("Price of eth", "pool eth-usdc")
    assert [block for block, _ in seen] == list(frame["block"])
    assert [price for _, price in seen] == pytest.approx(
        list(frame["pool.eth-usdc.price"]), rel=1e-5
    )


def test_another_scenario(visit: Visit) -> None:
    page = visit()
    page.choose("Scenario", "interconnected")
    page.until("() => document.querySelector('.ut-head .name').textContent.startsWith('Inter')")
    page.step(1)
    assert page.value("Price of btc", "outside venue") == pytest.approx(43_000.0, rel=0.01)
    assert page.tab.locator('[data-node="stable"]').count() == 1


def test_what_plays_stops_when_another_scenario_is_opened(visit: Visit) -> None:
    page = visit()
    page.button("Play").click()
    page.reach(page.block + 3)
    page.choose("Scenario", "interconnected")
    page.until("() => document.querySelector('.ut-head .name').textContent.startsWith('Inter')")
    page.button("Play").wait_for()
    page.tab.wait_for_timeout(1500)
    assert page.block == 0
    page.play(5)
    stopped = page.block
    page.tab.wait_for_timeout(1000)
    assert page.block == stopped
    page.button("Reset").click()
    page.until("() => document.querySelector('.ut-head').dataset.block === '0'")
    assert page.tab.locator(".ut-head .name").inner_text().startswith("Interconnected")


def turn(page: Any, path: str, text: str) -> Any:
    page.tab.get_by_label("Find a parameter").fill(path)
    row = page.tab.locator(f'[data-path="{path}"]')
    field = row.get_by_label(path, exact=True)
    field.fill(text)
    field.press("Enter")
    field.blur()
    return row


def test_another_parameter(visit: Visit) -> None:
    page = visit()
    turn(page, "agents.traders.count", "50")
    page.button("Apply and restart").click()
    page.tab.get_by_text("578 agents").wait_for()
    turn(page, "venue.assets.eth.price", "1000")
    page.button("Apply and restart").click()
    page.until("() => document.querySelector('.ut-head').textContent.includes('1,000 ')")
    page.step(1)
    assert page.value("Price of eth", "outside venue") == pytest.approx(1000.0, rel=0.01)
    assert "578 agents" in page.tab.locator(".ut-head").inner_text()


def test_a_slider_moves_its_value_within_the_reach(visit: Visit) -> None:
    page = visit()
    page.tab.get_by_label("Find a parameter").fill("pools.eth-usdc.fee")
    page.tab.get_by_label("pools.eth-usdc.fee slider").fill("1000")
    page.until("() => document.querySelector('[data-path=\"pools.eth-usdc.fee\"].changed')")
    assert page.tab.get_by_label("pools.eth-usdc.fee", exact=True).input_value() == "0.02"


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("pools.eth-usdc.fee", "2", "is out of range; give a number below 1"),
        ("pools.eth-usdc.fee", "cheap", "number"),
        ("lending.bank.reserves.eth.threshold", "0.1", "is below the loan-to-value"),
        ("agents.traders.count", "9000000", "the page allows 100,000"),
    ],
)
def test_a_bad_value_is_said_beside_its_field(
    visit: Visit, path: str, text: str, said: str
) -> None:
    page = visit()
    row = turn(page, path, text)
    row.get_by_role("alert").wait_for()
    assert said in row.get_by_role("alert").inner_text()
    page.until(
        "() => [...document.querySelectorAll('.ut-button')]"
        ".find(b => b.textContent === 'Apply and restart').disabled"
    )
    page.step(1)  # the page lives on
    row.get_by_title("Back to the scenario's value").click()
    row.get_by_role("alert").wait_for(state="detached")


def test_a_bad_shock_is_said_beside_its_field(visit: Visit) -> None:
    page = visit()
    page.shock("price_jump", size="-2")
    alert = page.tab.locator(".ut-form [role=alert]")
    alert.wait_for()
    assert "give a number above -1" in alert.inner_text()
    page.shock("price_jump", size="-0.1")
    alert.wait_for(state="detached")


# Each kind of shock, and the curve that it moves


def around(page: Any, title: str, label: str, block: int) -> tuple[float, float]:
    """The value before a block's shock and the one now."""
    points = dict(page.curve(title, label))
    return points[block], points[max(points)]


def test_a_price_jump(visit: Visit) -> None:
    page = visit()
    page.step(3)
    page.shock("price_jump", asset="eth", size="-0.3")
    page.step(1)
    before, after = around(page, "Price of eth", "outside venue", 3)
    assert after < 0.9 * before  # arbitrage has taken a part of it to the pools at once
    marked = page.tab.evaluate("() => document.querySelector('.ut-chart').__vue__.marks")
    assert marked == [{"block": 4, "label": "price jump eth -30 %"}]


def test_a_whale_sale(visit: Visit) -> None:
    page = visit()
    page.step(3)
    page.shock("whale_sale", token="eth", amount="2000", target="eth-usdc", blocks="1")
    page.step(1)
    before, after = around(page, "Price of eth", "pool eth-usdc", 3)
    assert after < 0.75 * before


def test_a_provider_exit(visit: Visit) -> None:
    page = visit()
    page.step(3)
    page.shock("provider_exit", pool="eth-usdc", share="0.5")
    page.step(1)
    before, after = around(page, "Depth of pools", "eth-usdc", 3)
    assert after == pytest.approx(0.5 * before, rel=0.02)


def test_a_gas_surge(visit: Visit) -> None:
    page = visit()
    page.step(3)
    page.shock("gas_surge", multiple="20", blocks="50")
    page.step(2)
    before, after = around(page, "Gas price", "mean bid of others", 3)
    assert after > 5.0 * before


def test_an_oracle_freeze(visit: Visit) -> None:
    page = visit(linked_set("calm", {"oracles.eth.lag": 0, "oracles.eth.deviation": 0.001}))
    page.step(2)
    page.shock("oracle_freeze", oracle="eth", blocks="100")
    page.shock("price_jump", asset="eth", size="-0.3")
    page.step(6)
    before, after = around(page, "Price of eth", "oracle eth", 2)
    assert after == before
    outside = page.value("Price of eth", "outside venue")
    assert outside < 0.9 * before
    assert page.tab.locator('[data-node="oracle:eth"] .what').text_content() == "frozen"


def test_a_withdrawal(visit: Visit) -> None:
    page = visit()
    page.step(3)
    page.shock("withdrawal", lending="bank", token="usdc", share="0.4")
    page.step(1)
    title = "Utilisation and withdrawable cash"
    before, after = around(page, title, "usdc lent", 3)
    assert after > 1.3 * before


def test_a_depth_loss(visit: Visit) -> None:
    page = visit()
    page.step(3)
    page.tab.locator('[data-node="venue"]').click()
    page.shock("depth_loss", asset="eth", share="0.9", blocks="50")
    page.step(1)
    before, after = around(page, "venue: depth", "eth", 3)
    assert after == pytest.approx(0.1 * before, rel=0.1)


def test_a_pool_halt(visit: Visit) -> None:
    page = visit()
    page.step(3)
    page.shock("pool_halt", pool="eth-usdc", blocks="5")
    page.shock("price_jump", asset="eth", size="-0.3")
    page.step(5)
    before, after = around(page, "Price of eth", "pool eth-usdc", 3)
    assert after == before
    page.step(8)
    assert page.value("Price of eth", "pool eth-usdc") < 0.9 * before


def test_agents_stop(visit: Visit) -> None:
    page = visit()
    page.step(3)
    for name in ("traders", "arbitrageurs", "providers", "liquidators"):
        page.shock("agents_stop", agents=name, blocks="500")
    page.shock("price_jump", asset="eth", size="-0.1")
    page.play(30)
    points = dict(page.curve("Price of eth", "pool eth-usdc"))
    assert len({price for block, price in points.items() if block >= 10}) == 1


def carried(page: Any) -> int:
    """Edges between pools over which something flowed in the last frame."""
    return int(
        page.tab.evaluate(
            """() => {
              const net = document.querySelector('.ut-net').__vue__;
              const pools = net.plan.nodes.filter(n => n.kind === 'pool').map(n => n.name);
              return net.now.edges.filter(
                e => pools.includes(e.u) && pools.includes(e.v) && e.flash > 0).length;
            }"""
        )
    )


def test_links_cut(visit: Visit) -> None:
    page = visit("?scenario=interconnected&rng=3&block=200")
    seen = []
    for _ in range(10):
        page.step(1)
        seen.append(carried(page))
    assert sum(seen) > 0
    page.shock("mechanism_cut", mechanism="interconnected", blocks="500")
    page.play(20)  # what was sent before the cut goes on
    late = []
    for _ in range(8):
        page.step(1)
        late.append(carried(page))
    assert sum(late) == 0


def test_cuts_hold_until_they_are_ticked_again(visit: Visit) -> None:
    page = visit()
    page.step(2)
    page.open_tab("Cut")
    pool = page.tab.get_by_label("pool eth-usdc", exact=True)
    pool.uncheck()
    page.shock("price_jump", asset="eth", size="-0.3")
    page.step(4)
    halted = page.value("Price of eth", "pool eth-usdc")
    assert halted == page.curve("Price of eth", "pool eth-usdc")[1][1]
    assert not pool.is_checked()
    page.open_tab("Cut")
    pool.check()
    page.step(6)
    assert page.value("Price of eth", "pool eth-usdc") < 0.9 * halted
    assert pool.is_checked()


def test_a_mechanism_is_cut_in_the_middle_of_a_run(visit: Visit) -> None:
    page = visit("?scenario=black_thursday&rng=1&block=200")
    assert page.value("Gas price", "mean bid of others") > 0.0
    page.open_tab("Cut")
    gas = page.tab.get_by_label("gas and full blocks", exact=True)
    gas.uncheck()
    page.step(2)
    assert page.value("Gas price", "mean bid of others") == 0.0
    gas.check()
    page.step(2)
    assert page.value("Gas price", "mean bid of others") > 0.0


# Comparing, saving, sharing


def test_the_twin_shows_what_the_shock_did(visit: Visit) -> None:
    page = visit("?scenario=calm&rng=7&block=20")
    page.open_tab("Twin")
    page.choose("Twin run", "without my shocks")
    page.tab.get_by_text("This run and its twin: without my shocks").wait_for()
    page.step(1)
    assert page.value("Loss difference, this run minus twin", "borrowers") == 0.0
    page.shock("price_jump", asset="eth", size="-0.2")
    page.play(20)
    assert page.value("Loss difference, this run minus twin", "borrowers") > 100_000.0
    assert page.value("Price of eth", "outside venue (twin)") == pytest.approx(2400.0, rel=0.02)
    assert page.value("Price of eth", "outside venue") < 2200.0
    page.open_tab("Twin")
    page.choose("Twin run", "none")
    page.tab.get_by_text("This run and its twin: without my shocks").wait_for(state="detached")


def test_the_files_are_those_of_the_run(visit: Visit) -> None:
    page = visit()
    page.step(2)
    page.shock("price_jump", asset="eth", size="-0.2")
    page.step(9)
    page.open_tab("Save")
    page.button("Prepare result files").click()
    files = {}
    for name in ("blocks.parquet", "receipts.parquet", "report.html", "scenario.toml"):
        link = page.tab.locator(f'a[download="{name}"]')
        link.wait_for()
        with page.tab.expect_download() as download:
            link.click()
        assert download.value.suggested_filename == name
        files[name] = Path(download.value.path()).read_bytes()
    frame = pd.read_parquet(io.BytesIO(files["blocks.parquet"]))
    assert list(frame["block"]) == [5, 10]
    seen = dict(page.curve("Price of eth", "outside venue"))
    assert [seen[5], seen[10]] == pytest.approx(list(frame["venue.eth.price"]), rel=1e-5)
    assert len(pd.read_parquet(io.BytesIO(files["receipts.parquet"]))) > 0
    assert b"<html" in files["report.html"]
    setup = Scenario.from_dict(tomllib.loads(files["scenario.toml"].decode()))
    assert setup.rng == 7
    again = Market(setup).run(11).datacollector.get_model_vars_dataframe()
    pd.testing.assert_frame_equal(again, frame)


def test_a_reload_and_the_link_bring_everything_back(visit: Visit) -> None:
    page = visit(linked_set("calm", {"pools.eth-usdc.fee": 0.001}))
    page.step(3)
    page.shock("price_jump", asset="eth", size="-0.2")
    page.step(5)
    page.open_tab("Cut")
    page.tab.get_by_label("pool eth-usdc-b", exact=True).uncheck()
    page.step(2)
    page.tab.wait_for_timeout(1500)  # the address follows twice a second
    link = page.tab.url
    assert page.tab.get_by_label("link to this state").input_value() == link
    head = page.tab.locator(".ut-head").inner_text()
    curve = page.curve("Price of eth", "pool eth-usdc")
    page.tab.reload()
    page.ready()
    other = visit(link.split("/", 3)[3])
    for restored in (page, other):
        assert restored.block == 10
        assert restored.tab.locator(".ut-head").inner_text() == head
        assert restored.curve("Price of eth", "pool eth-usdc") == curve
        assert not restored.tab.get_by_label("pool eth-usdc-b", exact=True).is_checked()
    page.step(3)
    other.step(3)
    assert page.curve("Price of eth", "pool eth-usdc") == other.curve(
        "Price of eth", "pool eth-usdc"
    )


def test_two_tabs_do_not_disturb_each_other(visit: Visit) -> None:
    first, second = visit(), visit()
    first.step(2)
    first.shock("price_jump", asset="eth", size="-0.5")
    first.step(2)
    second.step(1)
    assert (first.block, second.block) == (4, 1)
    assert second.value("Price of eth", "outside venue") == pytest.approx(2400.0, rel=0.01)
    assert second.tab.locator(".ut-side").get_by_text("price jump eth").count() == 0
    first.button("Play").click()
    second.step(2)
    assert second.block == 3
    first.button("Pause").click()


def test_a_tab_that_is_closed_while_it_plays_leaves_the_server_in_peace(visit: Visit) -> None:
    page, other = visit(), visit()
    page.button("Play").click()
    page.reach(page.block + 3)
    page.tab.close()
    other.tab.wait_for_timeout(1500)
    other.step(2)
    assert other.block == 2  # and the server's log is read when it stops


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?scenario=nowhere", "no such scenario"),
        ("?scenario=/etc/passwd", "no such scenario"),
        ("?scenario=calm&set=prices.file=%22/etc/passwd%22", "the page reads no files"),
        ("?scenario=calm&set=agents.traders.kind=%22os:path%22", "cannot be changed here"),
        (
            "?scenario=calm&set=agents.traders={%22kind%22:%22os:path%22}",
            "cannot be changed here",
        ),
        ("?scenario=calm&block=1e9", "is not a number"),
        ("?scenario=calm&do={%22kind%22:%22bang%22,%22block%22:1}", "unknown kind"),
        ("?scenario=calm&twin=agents.nobody", "unknown choice"),
    ],
)
def test_a_link_that_makes_no_sense_says_so_and_opens(visit: Visit, query: str, said: str) -> None:
    page = visit(query)
    assert said in page.tab.locator(".ut-notice").inner_text()
    page.step(1)
    assert page.block == 1


def test_no_code_can_be_typed_into_the_page(visit: Visit) -> None:
    page = visit()
    assert page.tab.get_by_text(re.compile("console", re.I)).count() == 0
    assert page.tab.locator("textarea").count() == 0


# Agents


def test_a_node_tells_its_state_and_history(visit: Visit) -> None:
    page = visit("?scenario=calm&rng=7&block=30")
    page.tab.locator('[data-node="bank"]').click()
    page.tab.get_by_text("bank: debt and collateral").wait_for()
    assert page.value("bank: debt and collateral", "debt") > 0.0
    exposed = page.tab.locator("[aria-label='Exposures of bank'] tbody").inner_text()
    assert "of borrowers" in exposed and "on borrowers" in exposed and "debt" in exposed
    page.tab.keyboard.press("Escape")
    page.tab.locator(".ut-pop").wait_for(state="detached")
    page.tab.locator('[data-node="eth-usdc"]').click()
    page.tab.get_by_text("constant_product", exact=True).wait_for()
    assert len(page.curve("eth-usdc: value locked", "value")) == 30


def test_an_agent_is_followed(visit: Visit) -> None:
    page = visit("?scenario=calm&rng=7&block=20")
    page.tab.locator("[aria-label='Most endangered positions'] tbody tr").first.click()
    page.tab.locator("[aria-label='Settings and state']").wait_for()
    shown = page.tab.locator(".ut-stack").last.inner_text()
    assert "health factor in bank" in shown
    assert "Collateral" not in shown  # its columns are called as the agent's file calls them
    name = page.tab.get_by_label(re.compile("^Account name"))
    name.fill("nobody-7")
    name.press("Enter")
    page.tab.get_by_text("There is no nobody-7").wait_for()
    name.fill("traders-234")  # who swaps in blocks 53 and 57
    name.press("Enter")
    page.tab.get_by_text("traders-234, ").wait_for()
    page.play(60)
    assert page.value("traders-234: wealth", "wealth") > 0.0
    calls = page.tab.locator("[aria-label='Latest calls'] tbody")
    assert "swap" in calls.inner_text()


# What it looks like


SEEN = ("calm", "interconnected", "black_thursday")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in SEEN else pytest.mark.long) for n in Scenario.names()],
)
def test_nothing_overlaps_and_nothing_is_cut(visit: Visit, name: str) -> None:
    page = visit(f"?scenario={name}&rng=1&block=50&twin=mine")
    page.tab.locator(".ut-net .node").first.click()
    for width in (1280, 1920):
        for scheme in ("light", "dark"):
            page.tab.set_viewport_size({"width": width, "height": 900})
            page.tab.emulate_media(color_scheme=scheme)
            page.tab.wait_for_timeout(700)
            assert faults(page) == [], (width, scheme)
            dark = "() => document.querySelector('.ut-chart').classList.contains('dark')"
            assert page.tab.evaluate(dark) == (scheme == "dark")


def faults(page: Any) -> list[str]:
    """What leaves the screen or its card, and nodes that overlap or are cut."""
    found = page.tab.evaluate(
        """() => [...document.querySelectorAll('.ut-card, .ut-side')]
             .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.innerText.slice(0, 80))"""
    )
    if not page.tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth"):
        found.append("the page is wider than the screen")
    return list(found) + page.tab.evaluate(
        """() => {
          const found = [];
          const box = e => {
            const parts = [...e.querySelectorAll('.body, text')];
            const all = parts.map(x => x.getBoundingClientRect());
            const least = side => Math.min(...all.map(r => r[side]));
            const most = side => Math.max(...all.map(r => r[side]));
            return [e.dataset.node, least('left'), least('top'), most('right'), most('bottom')];
          };
          const boxes = [...document.querySelectorAll('.ut-net .node')].map(box);
          for (let i = 0; i < boxes.length; i++) for (let j = 0; j < i; j++) {
            const [a, b] = [boxes[i], boxes[j]];
            const x = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
            const y = Math.min(a[4], b[4]) - Math.max(a[2], b[2]);
            if (x > 1 && y > 1) found.push(a[0] + ' and ' + b[0]);
          }
          const svg = document.querySelector('.ut-net svg').getBoundingClientRect();
          for (const b of boxes) {
            if (b[1] < svg.left || b[3] > svg.right || b[2] < svg.top || b[4] > svg.bottom) {
              found.push(b[0] + ' is cut');
            }
          }
          return found;
        }"""
    )


def linked_set(scenario: str, values: dict[str, Any]) -> str:
    words = [f"set={path}={json.dumps(value)}" for path, value in values.items()]
    return "&".join([f"?scenario={scenario}&rng=7", *words])
