"""A bridge: its queue, its limits, and what a theft leaves to whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents import MarketAgent
from sim import Market, Scenario
from sim.codes import ALL
from sim.ledger import LedgerError

Make = Callable[..., Scenario]


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def opened(small: Make, shocks: Any = (), **changes: Any) -> Market:
    bridge = {"kind": "bridge", "asset": "eth", "delay": 3} | changes
    return Market(small(protocols={"b": bridge}, shocks=list(shocks), blocks=400), rng=1)


def test_what_is_locked_comes_out_wrapped_after_the_delay(small: Make) -> None:
    market = opened(small)
    ann = Idle(market, {"eth": 10.0}, "ann")
    before = ann.wealth
    ann.act("b", "lock", 4.0)
    market.run(1)
    bridge: Any = market.protocols["b"]
    assert bridge.waiting() == [("ann", 4.0, 4, "in")]
    assert ann.wealth == pytest.approx(before, rel=0.02), "what waits is hers"
    market.run(2)
    assert "b-wrapped" not in ann.wallet
    market.run(1)
    assert ann.wallet == {"eth": 6.0, "b-wrapped": 4.0}
    assert market.price("b-wrapped") == pytest.approx(market.price("eth"))
    ann.act("b", "unlock", ALL)
    market.run(4)
    assert ann.wallet == {"eth": pytest.approx(10.0)}
    market.ledger.audit()


def test_so_much_a_day_goes_through_and_the_first_comes_first(small: Make) -> None:
    # Twelve seconds are 1/7200 of a day: 7.2 a day are 0.001 a block, on a full bucket of 7.2.
    market = opened(small, capacity=7.2, delay=0)
    ann, bob = Idle(market, {"eth": 10.0}, "ann"), Idle(market, {"eth": 10.0}, "bob")
    ann.act("b", "lock", 7.5)
    market.run(1)
    bob.act("b", "lock", 1.0)
    market.run(1)
    assert ann.wallet["b-wrapped"] == pytest.approx(7.2, abs=0.003)
    assert "b-wrapped" not in bob.wallet, "he waits behind her"
    market.run(200)
    assert ann.wallet["b-wrapped"] == pytest.approx(7.2 + 0.201, abs=0.003)
    assert market.protocols["b"].waiting()[0][0] == "ann"  # type: ignore[attr-defined]


def test_after_a_theft_the_first_are_paid_and_the_last_are_not(small: Make) -> None:
    theft = {"kind": "event", "protocol": "b", "event": "robbed", "size": 0.6, "block": 10}
    market = opened(small, [theft | {"blocks": 1}], delay=0)
    ann, bob = Idle(market, {"eth": 10.0}, "ann"), Idle(market, {"eth": 10.0}, "bob")
    for who in (ann, bob):
        who.act("b", "lock", 10.0)
    market.run(10)
    bridge: Any = market.protocols["b"]
    assert bridge.backing == pytest.approx(0.4)
    assert market.price("b-wrapped") == pytest.approx(0.4 * market.price("eth"))
    assert ann.wealth == pytest.approx(4.0 * market.price("eth"))
    ann.act("b", "unlock", ALL)
    market.run(2)
    assert ann.wallet == {"eth": pytest.approx(8.0)}, "all there was"
    assert bob.wealth == pytest.approx(0.0, abs=1e-9)
    assert ann.wealth == pytest.approx(8.0 * market.price("eth")), "the rest of hers waits in vain"
    bridge.audit()
    market.ledger.audit()


def test_roundings_of_what_was_once_locked_are_no_leak_of_the_rest(small: Make) -> None:
    market = opened(small, delay=0)
    ann = Idle(market, {"eth": 1e7}, "ann")
    bridge: Any = market.protocols["b"]
    for amount in (1e6 + 1.0 / 3.0, 2e6 / 7.0, 0.1):
        ann.act("b", "lock", amount)
        market.run(1)
        ann.act("b", "unlock", amount)
        market.run(1)
    assert bridge.value("most") > 1e6
    # What is missing is measured against the most that was owed, and by no more than that.
    market.ledger.mint("ann", "b-wrapped", 1e-4)
    assert 0.0 < bridge.audit() < 1e-9
    market.ledger.mint("ann", "b-wrapped", 1.0)
    with pytest.raises(LedgerError, match="off by"):
        bridge.audit()


def test_while_it_is_shut_nothing_moves(small: Make) -> None:
    shut = {"kind": "event", "protocol": "b", "event": "shut", "block": 3, "blocks": 20}
    market = opened(small, [shut], delay=0)
    ann = Idle(market, {"eth": 10.0}, "ann")
    market.run(3)
    ann.act("b", "lock", 1.0)
    market.run(1)
    assert ann.wallet == {"eth": 10.0}
    market.run(20)
    ann.act("b", "lock", 1.0)
    market.run(1)
    assert ann.wallet["b-wrapped"] == 1.0


def test_a_full_queue_and_a_cap_refuse(small: Make) -> None:
    market = opened(small, rows=1, cap=5.0)
    ann = Idle(market, {"eth": 10.0}, "ann")
    for amount in (6.0, 1.0, 1.0):
        ann.act("b", "lock", amount)
        market.run(1)
    found = market.receipts().query("sender == 'ann'")
    assert list(found["status"]) == ["reverted", "done", "reverted"]
    assert ann.wallet["eth"] == 9.0


def test_coins_that_start_wrapped_start_locked(small: Make) -> None:
    market = opened(small, locked=50.0)
    assert market.ledger.balance("b", "eth") == market.ledger.supply("b-wrapped") == 50.0


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["lock", "unlock", "robbed", "wait"]),
        st.sampled_from([0, 1]),
        st.floats(0.0, 8.0),
    ),
    max_size=20,
)


@given(calls=CALLS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_lost_is_what_was_stolen(small: Make, calls: list[tuple[str, int, float]]) -> None:
    market = opened(small, capacity=20.0, delay=1, rows=6)
    people = [Idle(market, {"eth": 20.0}, name) for name in ("ann", "bob")]
    bridge: Any = market.protocols["b"]
    for name, who, amount in calls:
        if name == "robbed":
            bridge.struck("robbed", amount / 8.0)
        elif name == "wait":
            market.run(int(amount))
        else:
            people[who].act("b", name, amount)
        market.run(1)
        bridge.audit()
        market.ledger.audit()
        have = sum(p.wealth for p in people) / market.price("eth")
        assert have == pytest.approx(40.0 - bridge.value("stolen"), rel=1e-9)
