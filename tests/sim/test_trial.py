"""Trying out: as exact as the block itself, and nothing is left of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agents import MarketAgent
from sim import Market, Scenario
from sim.codes import PREVIOUS, Reason
from sim.compiled import kernel
from sim.trial import UNTRIED, try_out


@kernel
def tried(w, first, head):
    return try_out(w, first, head)


class Idle(MarketAgent):
    """Does what the test says and nothing by itself."""


@pytest.fixture
def market(small: Callable[..., Scenario]) -> Market:
    market = Market(small(), rng=1)
    market.prepare()
    return market


def test_a_trial_says_what_the_block_then_does_and_leaves_no_trace(market: Market) -> None:
    agent = Idle(market, {"eth": 10.0, "usdc": 20_000.0}, "a")
    with agent.transaction():
        agent.swap("eth-usdc", "eth", 5.0)
        agent.trade_outside("usdc", "eth", PREVIOUS)
    b = market.world.books
    was = b.balances.tobytes(), b.supply.tobytes(), b.storage.tobytes()
    ended, gain = tried(market.world, 0, 0)
    assert ended == Reason.DONE
    assert (b.balances.tobytes(), b.supply.tobytes(), b.storage.tobytes()) == was
    before = market.wealth("a")
    market._execute()
    assert market.wealth("a") - before == pytest.approx(gain, rel=1e-9)
    assert gain < -20.0  # a fee, and what it moved the price


def test_what_one_has_sent_before_counts(market: Market) -> None:
    agent = Idle(market, {"usdc": 20_000.0}, "a")
    agent.swap("eth-usdc", "usdc", 10_000.0)
    agent.transfer("venue", "eth", 4.0)  # which it buys first
    assert tried(market.world, 1, 1)[0] == Reason.INSUFFICIENT_BALANCE
    assert tried(market.world, 0, 1)[0] == Reason.DONE
    with agent.transaction():
        agent.swap("eth-usdc", "usdc", 1000.0)
        agent.require("eth", 3.0)  # of this transaction alone
    assert tried(market.world, 0, 2)[0] == Reason.LIMIT


def test_nobody_can_tell_what_has_not_been_compiled(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1)
    agent = Idle(market, {"usdc": 20_000.0}, "a")
    agent.swap("eth-usdc", "usdc", 10_000.0)
    assert tried(market.world, 0, 0)[0] == UNTRIED
