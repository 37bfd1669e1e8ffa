"""The compiled block's own verdicts."""

from __future__ import annotations

from collections.abc import Callable

from sim import Market, Scenario
from sim.codes import Kind
from sim.kernel import FINE, LEAK, NEGATIVE, advance, audit
from sim.mempool import Order, add_call, send
from sim.mempool import call as asked


def test_an_audit_tells_a_leak_from_a_negative_balance(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    w = market.world
    assert audit(w, 1e-9) == FINE
    w.books.balances[10, 1] += 1.0
    assert audit(w, 1e-9) == LEAK
    w.books.balances[11, 1] -= 1.0
    w.books.balances[10, 0] -= 1e7
    w.books.balances[11, 0] += 1e7
    assert audit(w, 1e-9) == NEGATIVE


def test_an_audit_sees_a_market_that_owes_more_than_it_has(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    w = market.world
    w.books.storage[int(w.reserves[1]["slot"])] *= 1.001  # the depositors' index
    assert audit(w, 1e-9) == LEAK


def test_the_loop_stops_when_a_buffer_is_full(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    market.prepare()  # or the loop stops to compile a call
    made, verdict = advance(market.world, 10_000, 1, 1e-9, False)
    assert verdict == FINE
    assert 0 < made < 10_000
    assert market.world.rows[0] == market.world.table.shape[0]
    market._empty_buffers()
    more, _ = advance(market.world, 10, 1, 1e-9, False)
    assert more == 10


def test_a_call_that_no_plain_protocol_answers_takes_its_transaction_back(
    small: Callable[..., Scenario],
) -> None:
    one = {"kind": "rebalancer", "count": 1, "pools": ["eth-usdc"], "attention": 0.0}
    market = Market(small(agents={"one": one | {"wallet": {"usdc": 1.0}}}), rng=1)
    w, usdc = market.world, market.ledger.token("usdc")
    who = market.ledger.account("one-0")
    order = Order(who, 0, 1.0, 0)
    send(w, order, asked(int(Kind.FLASH_BORROW), 0, usdc, usdc, 1000.0))
    add_call(w, asked(int(Kind.CUSTOM), 0, usdc, usdc, 0.0))
    send(w, order, asked(int(Kind.TRANSFER), 0, usdc, usdc, 0.25, 0.0, 0))
    market.run(1)
    assert market.ledger.balance(who, usdc) == 0.75
