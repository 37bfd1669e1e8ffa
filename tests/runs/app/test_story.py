"""Stories: notes that are checked, kept in links, and told in their blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runs.app.link import Link, read_link
from runs.app.live import LiveMarket
from runs.app.player import Pace, Player
from runs.app.session import Session
from runs.app.story import MOST_NOTES, MOST_TEXT, Note, Story, note_of
from sim.errors import ScenarioError

Visit = Callable[..., Any]


def test_a_note_is_checked_field_by_field() -> None:
    whole = note_of({"block": 3, "text": " look ", "node": "bank", "zoom": [1, 9]})
    assert whole == Note(3, "look", "bank", (1.0, 9.0))
    assert note_of(whole.stated()) == whole
    for content, field in (
        ({"block": -1, "text": "x"}, "note.block"),
        ({"block": True, "text": "x"}, "note.block"),
        ({"block": 1, "text": "  "}, "note.text"),
        ({"block": 1, "text": "x" * (MOST_TEXT + 1)}, "note.text"),
        ({"block": 1, "text": "x", "node": 7}, "note.node"),
        ({"block": 1, "text": "x", "zoom": [9, 1]}, "note.zoom"),
        ({"block": 1, "text": "x", "zoom": "ab"}, "note.zoom"),
        ("x", "note"),
    ):
        with pytest.raises(ScenarioError) as caught:
            note_of(content)
        assert [name for name, _ in caught.value.problems] == [field]


def test_a_link_keeps_the_notes() -> None:
    notes = [Note(0, "Calm & still"), Note(40, "It falls", "bank", (10.0, 60.0))]
    link = Link("calm", 3, 50, notes=notes)
    assert read_link(link.query()).notes == notes
    with pytest.raises(ScenarioError, match="note"):
        read_link("?scenario=calm&note=nothing")
    many = Link("calm", notes=[Note(1, "x")] * (MOST_NOTES + 1))
    with pytest.raises(ScenarioError, match="more than"):
        read_link(many.query())


@pytest.fixture
def told() -> Iterator[tuple[Story, LiveMarket, list[str]]]:
    market, opened = LiveMarket("calm", 3), list[str]()
    player = Player(Pace(), lambda: None, opened.append)
    player.take(market)
    yield Story(player, opened.append), market, opened
    player.take(None)
    market.close()


def waits(story: Story) -> None:
    until = time.time() + 60.0
    while not story.waiting.value and time.time() < until:
        time.sleep(0.01)
    assert story.waiting.value


def test_a_story_goes_from_note_to_note_and_waits(
    told: tuple[Story, LiveMarket, list[str]],
) -> None:
    story, market, opened = told
    for note in (Note(200, "late", "bank"), Note(0, "first"), Note(70, "then", "eth-usdc")):
        story.add(note)
    assert [n.block for n in story.notes.value] == [0, 70, 200]
    story.begin()
    waits(story)
    assert (market.block, story.at.value) == (0, 0)
    story.next()
    waits(story)
    assert (market.block, story.at.value, opened[-1]) == (70, 1, "eth-usdc")
    story.next()
    waits(story)
    assert (market.block, opened[-1]) == (200, "bank")
    story.next()
    assert (story.at.value, story.waiting.value, opened[-1]) == (-1, False, "")
    story.remove(1)
    assert [n.text for n in story.notes.value] == ["first", "late"]


def test_what_was_done_is_done_again_in_its_block() -> None:
    session = Session("?scenario=calm&rng=4")
    session.open_first()
    market = session.market
    assert market is not None
    market.advance(10)
    session.strike({"kind": "price_jump", "asset": "eth", "size": -0.3})
    session.note({"text": "it falls"})
    market.advance(60)
    session.chosen.set("bank")
    session.note({"text": "and then", "zoom": [5, 60]})
    end = market.ledger.balances.copy()
    again = read_link(session.link())
    assert [n.stated() for n in again.notes] == [
        {"block": 10, "text": "it falls"},
        {"block": 60, "text": "and then", "node": "bank", "zoom": [5, 60]},
    ]
    session.tell()
    for _ in range(2):
        waits(session.story)
        block = session.market.block if session.market is not None else -1
        session.story.next()
    assert block == 60
    assert session.market is not None and session.market is not market
    assert (session.market.ledger.balances == end).all()
    session.note({"text": ""})
    assert "note.text" in session.notice.value


@pytest.mark.slow
def test_a_talk_in_the_browser(visit: Visit) -> None:
    page = visit()
    page.step(2)
    page.shock("price_jump", asset="eth", size="-0.4")
    page.open_tab("Story")
    page.tab.get_by_label("Note", exact=True).fill("Here the price falls")
    page.button("Note at this block").click()
    page.tab.locator(".ut-story li").wait_for()
    page.play(30)
    page.tab.locator('[data-node="bank"]').click()
    page.tab.get_by_label("Note", exact=True).fill("Here it spreads")
    page.button("Note at this block").click()
    page.tab.locator(".ut-story li").nth(1).wait_for()
    page.button("Tell the story").click()
    said = page.tab.locator(".ut-caption p")
    page.until(
        "() => (document.querySelector('.ut-caption p') || {}).innerText === 'Here the price falls'"
    )
    assert page.block == 2
    page.tab.keyboard.press("PageDown")
    page.until("() => document.querySelector('.ut-caption p').innerText === 'Here it spreads'")
    page.tab.locator(".ut-pop").wait_for()
    assert page.block >= 32
    assert page.value("Price of eth", "outside venue") < 1600.0
    page.button("End").click()
    said.wait_for(state="detached")
