"""What makes the market of a page go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from runs.app.live import LiveMarket
from runs.app.player import END, EVENT, PLAY, Pace, Player
from sim import Scenario

CRASH = {"kind": "price_jump", "asset": "eth", "size": -0.4, "block": 40}


@pytest.fixture
def market() -> Iterator[LiveMarket]:
    shocks = [CRASH, {"kind": "pool_halt", "pool": "eth-usdc", "block": 700, "blocks": 2}]
    found = LiveMarket(Scenario.load("calm").override({"shocks": shocks, "blocks": 900}), 3)
    yield found
    found.close()


class Seen:
    """A page: notes the block of each frame."""

    def __init__(self, market: LiveMarket) -> None:
        self.blocks: list[int] = []
        self.said: list[str] = []
        self.pace = Pace()
        self.player = Player(self.pace, lambda: self.blocks.append(market.block), self.said.append)
        self.player.take(market)

    def rest(self) -> None:
        until = time.time() + 60.0
        while self.player.goal.value and time.time() < until:
            time.sleep(0.01)
        assert not self.player.goal.value


def test_a_frame_has_as_many_blocks_as_the_speed_says(market: LiveMarket) -> None:
    page = Seen(market)
    page.player.step()
    page.player.speed.set(10)
    page.player.step()
    assert page.blocks == [1, 11]
    page.player.play(PLAY)
    while market.block < 100:
        time.sleep(0.005)
    page.player.pause()
    time.sleep(0.3)
    stopped = market.block
    assert stopped % 10 == 1
    time.sleep(0.2)
    assert market.block == stopped


def test_to_the_end_makes_all_blocks_in_few_frames(market: LiveMarket) -> None:
    page = Seen(market)
    page.player.play(END)
    page.rest()
    assert market.block == 900 and page.blocks[-1] == 900
    assert len(page.blocks) < 300
    page.player.play(PLAY)  # there is nothing left
    assert page.player.goal.value == ""


def test_the_next_event_is_the_block_in_which_something_happens(market: LiveMarket) -> None:
    page = Seen(market)
    page.player.play(EVENT)
    page.rest()
    assert market.block == 40
    assert [block for block, _ in market.shocks.struck] == [40]
    page.player.play(EVENT)
    page.rest()
    liquidated = [c for counter in market.counters for c in counter.names]
    assert 40 < market.block < 700
    assert sum(market.past.last(name) for name in liquidated) > 0.0
    again = LiveMarket(market.asked, 3)
    again.advance(market.block - 1)  # and no block before it was one
    assert sum(again.past.last(name) for name in liquidated) == 0.0
    again.close()


def test_it_stops_at_a_block(market: LiveMarket) -> None:
    page = Seen(market)
    page.player.speed.set(100)
    page.player.play(PLAY, until=250)
    page.rest()
    assert market.block == 250
    page.player.play(END, until=333)
    page.rest()
    assert market.block == 333


def test_another_market_stops_what_plays(market: LiveMarket) -> None:
    page = Seen(market)
    page.player.play(PLAY)
    page.player.take(None)
    time.sleep(0.3)
    stopped = market.block
    time.sleep(0.2)
    assert market.block == stopped and market.block < 900
    page.player.play(PLAY)
    page.player.step()
    assert page.player.goal.value == "" and market.block == stopped


def test_what_goes_wrong_is_told(market: LiveMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ArithmeticError("no number")

    page = Seen(market)
    monkeypatch.setattr(market, "step", broken)
    page.player.play(PLAY)
    page.rest()
    assert page.said == ["The market stopped: no number"]


# The pace


def test_the_market_waits_for_a_page_that_is_behind() -> None:
    pace = Pace()
    pace.sent = 2
    pace.tell(1)
    begun = time.perf_counter()
    pace.wait()  # one frame behind is fine
    assert time.perf_counter() - begun < 0.5
    pace.sent = 4
    threading.Timer(0.05, pace.tell, [3]).start()
    pace.wait()
    assert pace.shown == 3


def test_the_market_does_not_wait_for_ever() -> None:
    pace = Pace()
    pace.sent = 99
    begun = time.perf_counter()
    pace.wait()
    assert 0.5 < time.perf_counter() - begun < 20.0
