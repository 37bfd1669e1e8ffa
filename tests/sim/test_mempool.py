"""What enters the mempool: calls that can be meant, of senders that there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agents import MarketAgent
from sim import Market, Scenario
from sim.codes import ALL, Kind
from sim.mempool import Call, Order, add_call, send
from sim.mempool import call as asked

ETH, USDC = 1, 0


class Idle(MarketAgent):
    def step(self) -> None:
        pass


@pytest.fixture
def market(small: Callable[..., Scenario]) -> Market:
    return Market(small(block={"fee_market": "off"}, measures={"keep": []}), rng=1)


def test_nothing_that_cannot_be_meant_enters_the_mempool(market: Market) -> None:
    agent = Idle(market, {"eth": 10.0}, "a")
    w = market.world
    good = asked(int(Kind.TRANSFER), 0, ETH, ETH, 1.0, 0.0, 0)
    bad: list[dict[str, Any]] = [
        *({"amount": x} for x in (np.nan, np.inf, -np.inf, -0.5, -3.0)),
        *({"second": x} for x in (np.nan, np.inf, -1.0)),
        {"limit": np.nan},
        *({"kind": x} for x in (-1, len(Kind), 10**6)),
        *({"protocol": x} for x in (-1, 2**31, 2**40)),
        *({"token_in": x} for x in (-1, 7, 2**40)),
        *({"token_out": x} for x in (-1, 7, 2**40)),
        *({"counterparty": x} for x in (-2, len(market.ledger.accounts), 2**40, 2**63 - 1)),
        *({"lower": x} for x in (2**31 - 1, 2**33, -(2**33), 2**63 - 1, -(2**63))),
        *({"upper": x} for x in (2**31 - 1, 2**33, -(2**33), 2**63 - 1, -(2**63))),
    ]
    order = Order(agent.account, -1, 1.0, 0)
    for change in bad:
        assert not send(w, order, good._replace(**change))
    for sender, cohort, bid in (
        (-1, -1, 1.0),
        (10**6, -1, 1.0),
        (agent.account, 5, 1.0),
        (agent.account, -1, np.nan),
        (agent.account, -1, np.inf),
        (agent.account, -1, -1.0),
    ):
        assert not send(w, Order(sender, cohort, bid, 0), good)
    assert not send(w, order, good, np.nan)
    chain = w.chain[0]
    assert (chain["waiting"], chain["refused"]) == (0, len(bad) + 7)
    # One such call takes the whole of its transaction with it.
    for change in bad:
        assert send(w, order, good)
        assert not add_call(w, good._replace(**change))
        assert not add_call(w, good)
        assert chain["waiting"] == 0
    assert send(w, order, good)


def test_numbers_of_any_width_make_calls_of_one_type() -> None:
    # Each other type would have `send` compiled once more, into every agent that uses it.
    calls = (
        asked(Kind.SWAP, 0, ETH, USDC, 1.0, 0.5),
        asked(np.int16(0), np.int32(0), np.int64(ETH), USDC, 1, np.float32(0.5)),
    )
    for made in calls:
        assert made == Call(0, 0, ETH, USDC, 1.0, 0.5, -1, 0.0, 0, 0, 0)
        assert [type(number) for number in made] == [
            *[int] * 4,
            *[float] * 2,
            int,
            float,
            *[int] * 3,
        ]


def test_a_transaction_keeps_who_sent_it_and_counts_what_he_sent(market: Market) -> None:
    one, two = Idle(market, {"eth": 9.0}, "one"), Idle(market, {"eth": 9.0}, "two")
    w = market.world
    give = asked(Kind.TRANSFER, 0, ETH, ETH, ALL, 0.0, 0)
    for agent in (one, two, one):
        assert send(w, Order(agent.account, -1, 1.0, 0), give)
        assert add_call(w, give)
    calls = w.mempool[: w.chain[0]["waiting"]]
    assert calls["sender"].tolist() == [a.account for a in (one, one, two, two, one, one)]
    assert calls["nonce"].tolist() == [0, 0, 0, 0, 1, 1]
    assert calls["calls"].tolist() == [2, 0] * 3
    assert (calls["stream"] == w.senders["stream"][calls["sender"]]).all()
    assert w.senders["nonce"][[one.account, two.account]].tolist() == [2, 1]


def test_who_has_left_sends_nothing(market: Market) -> None:
    agent = Idle(market, {"eth": 9.0}, "a")
    agent.remove()
    assert not send(
        market.world,
        Order(agent.account, -1, 1.0, 0),
        asked(Kind.TRANSFER, 0, ETH, ETH, 1.0, 0.0, 0),
    )
    assert market.world.chain[0]["refused"] == market.world.chain[0]["waiting"] == 0


def test_a_mempool_that_is_full_takes_back_what_does_not_fit_whole(market: Market) -> None:
    agent = Idle(market, {"eth": 9.0}, "a")
    w = market.world
    chain, order = w.chain[0], Order(agent.account, -1, 1.0, 0)
    give = asked(Kind.TRANSFER, 0, ETH, ETH, 1.0, 0.0, 0)
    for _ in range(w.mempool.size - 1):
        assert send(w, order, give)
    assert send(w, order, give)
    assert not add_call(w, give)
    assert (chain["waiting"], chain["lost"]) == (w.mempool.size - 1, 1)
    assert send(w, order, give)
    assert not send(w, order, give)
    assert (chain["waiting"], chain["lost"]) == (w.mempool.size, 2)
