"""Liquid staking: the rate, the queue of a Lido-like pool by hand, slashing, and its oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents import MarketAgent
from sim import Market, Scenario
from sim.codes import ALL
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
YEAR_OF_BLOCKS = 365 * 7200


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def opened(small: Make, shocks: Any = (), more: Any = None, **changes: Any) -> Market:
    pool = {"kind": "staking", "asset": "eth", "rewards": 0.0, "capacity": 7.2} | changes
    content = {"protocols": {"lido": pool}, "shocks": list(shocks), "blocks": 2000} | (more or {})
    return Market(small(**content), rng=1)


def test_a_share_stands_for_what_is_staked_and_earned(small: Make) -> None:
    market = opened(small, rewards=0.05, fee=0.1, staked=1000.0)
    ann = Idle(market, {"eth": 10.0}, "ann")
    lido: Any = market.protocols["lido"]
    market.run(100)
    earned = 1000.0 * 0.05 * 0.9 * 100 / YEAR_OF_BLOCKS
    assert lido.rate == pytest.approx(1.0 + earned / 1000.0, rel=1e-6)
    ann.act("lido", "stake", ALL)
    market.run(1)
    assert ann.wallet["lido-share"] == pytest.approx(10.0 / lido.rate, rel=1e-6)
    assert market.price("lido-share") == pytest.approx(lido.rate * market.price("eth"))
    # A tenth of the rewards is theirs who run it.
    assert market.ledger.balance("holders", "eth") == pytest.approx(earned / 9.0, rel=0.02)
    market.ledger.audit()


def test_requests_by_hand(small: Make) -> None:
    # 7.2 a day leave: .001 a block, and a day's exits are ready. Ann asks for 7, Bob for 1: of
    # Bob's 0.2 are paid at once, and 0.001 in each block from then on; Cid stakes 0.5: at once.
    market = opened(small)
    ann, bob, cid = (Idle(market, {"eth": 10.0}, n) for n in ("ann", "bob", "cid"))
    for who in (ann, bob):
        who.act("lido", "stake", ALL)
    market.run(1)
    ann.act("lido", "request", 7.0)
    market.run(1)
    bob.act("lido", "request", 1.0)
    market.run(1)
    lido: Any = market.protocols["lido"]
    assert ann.wallet["eth"] == pytest.approx(7.0)
    assert bob.wallet["eth"] == pytest.approx(0.2 + 0.001, abs=2e-3)
    name, left, since = lido.waiting()[0]
    assert (name, since) == ("bob", 3) and left == pytest.approx(0.8, abs=2e-3)
    assert bob.wealth == pytest.approx(10.0 * market.price("eth")), "what waits is his"
    market.run(100)
    assert bob.wallet["eth"] == pytest.approx(0.3, abs=2e-3)
    cid.act("lido", "stake", 0.5)
    market.run(1)
    assert bob.wallet["eth"] == pytest.approx(0.8, abs=3e-3)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["protocol.lido.wait"] == pytest.approx(lido.value("queued") / 7.2, rel=0.01)


def test_slashing_takes_a_part_of_shares_and_of_what_waits(small: Make) -> None:
    slash = {"kind": "event", "protocol": "lido", "event": "slashed", "size": 0.1, "block": 5}
    market = opened(small, [slash | {"blocks": 1}], capacity=0.0)
    ann, bob = Idle(market, {"eth": 10.0}, "ann"), Idle(market, {"eth": 10.0}, "bob")
    for who in (ann, bob):
        who.act("lido", "stake", ALL)
    market.run(1)
    bob.act("lido", "request", ALL)
    market.run(5)
    lido: Any = market.protocols["lido"]
    assert lido.rate == pytest.approx(0.9)
    assert lido.waiting()[0][1] == pytest.approx(9.0)
    assert ann.wealth == pytest.approx(bob.wealth) == pytest.approx(9.0 * market.price("eth"))
    assert lido.held("asset") == pytest.approx(18.0)
    lido.audit()
    market.ledger.audit()


def test_after_all_was_slashed_who_asks_later_is_owed_again(small: Make) -> None:
    slash = {"kind": "event", "protocol": "lido", "event": "slashed", "size": 1.0, "block": 5}
    market = opened(small, [slash | {"blocks": 1}], capacity=7.2)
    ann, bob = Idle(market, {"eth": 10.0}, "ann"), Idle(market, {"eth": 10.0}, "bob")
    lido: Any = market.protocols["lido"]
    ann.act("lido", "stake", ALL)
    market.run(1)
    ann.act("lido", "request", ALL)
    market.run(5)
    assert lido.waiting() == [] and lido.value("queued") == 0.0
    for call, amount in (("stake", 4.0), ("request", 1.0)):
        bob.act("lido", call, amount)
        market.run(1)
    assert bob.wealth == pytest.approx(10.0 * market.price("eth"), rel=1e-3)
    lido.audit()
    market.ledger.audit()


def test_a_shut_queue_takes_and_meets_nothing(small: Make) -> None:
    shut = {"kind": "event", "protocol": "lido", "event": "queue_shut", "block": 3, "blocks": 10}
    market = opened(small, [shut])
    ann = Idle(market, {"eth": 10.0}, "ann")
    ann.act("lido", "stake", ALL)
    market.run(2)
    ann.act("lido", "request", 1.0)
    market.run(1)
    assert "eth" not in ann.wallet
    market.run(10)
    ann.act("lido", "request", 1.0)
    market.run(1)
    assert ann.wallet["eth"] == pytest.approx(1.0)


def with_pool(**more: Any) -> dict[str, Any]:
    pool = {
        "tokens": ["lido-share", "eth"], "kind": "stableswap", "amplification": 50.0,
        "reserves": {"lido-share": 300.0, "eth": 100.0},
    }  # fmt: skip
    oracle = {"token": "lido-share", "source": "receipt", "quote": "eth"}
    return {"pools": {"curve": pool}, "oracles": {"steth": oracle}} | more


def test_it_trades_below_what_it_stands_for_and_its_oracle_says_the_rate(small: Make) -> None:
    market = opened(small, more=with_pool(), pool="curve", staked=50.0)
    lido: Any = market.protocols["lido"]
    market.run(1)
    eth = market.price("eth")
    assert lido.value("pooled") == pytest.approx(350.0)
    assert market.price("lido-share") == pytest.approx(
        eth * market.pools["curve"].spot_price("lido-share", "eth")
    )
    assert market.price("lido-share") < 0.99 * eth
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["protocol.lido.discount"] == pytest.approx(1.0 - market.price("lido-share") / eth)
    assert market.oracles["steth"].price == pytest.approx(lido.rate * eth, rel=0.01)
    lido.struck("slashed", 0.2)
    market.run(2)
    assert market.oracles["steth"].price == pytest.approx(0.8 * market.price("eth"), rel=0.01)


def test_it_backs_loans(small: Make) -> None:
    reserve = {"ltv": 0.8, "threshold": 0.85, "bonus": 0.05, "oracle": "steth", "borrowable": False}
    more = with_pool(lending={"bank": {"reserves": {"lido-share": reserve}}})
    market = opened(small, more=more, staked=50.0)
    ann = Idle(market, {"lido-share": 10.0}, "ann")
    ann.deposit("bank", "lido-share", 10.0)
    market.run(1)
    ann.borrow("bank", "usdc", 100.0)
    market.run(1)
    assert ann.wallet["usdc"] == pytest.approx(100.0)
    assert market.lending["bank"].health_factor("ann") > 1.0


@pytest.mark.parametrize(
    ("more", "field"),
    [
        (with_pool(oracles={"x": {"token": "lido-share", "source": "receipt"}}), "oracles.x.quote"),
        (
            with_pool(oracles={"x": {"token": "lido-share", "source": "receipt", "quote": "usdc"},
                               "usdc": {"token": "usdc", "source": "fixed", "price": 1.0}}),
            "oracles.x.quote",
        ),
    ],
)  # fmt: skip
def test_an_oracle_without_its_asset_is_told(small: Make, more: Any, field: str) -> None:
    with pytest.raises(ScenarioError) as told:
        opened(small, more=more)
    assert any(at == field for at, _ in told.value.problems), told.value
    with pytest.raises(ScenarioError, match="does not hold"):
        opened(small, pool="eth-usdc")


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["stake", "request", "slashed", "queue_shut", "wait"]),
        st.sampled_from([0, 1]),
        st.floats(0.0, 8.0),
    ),
    max_size=20,
)


@given(calls=CALLS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_lost_is_what_was_slashed(small: Make, calls: list[tuple[str, int, float]]) -> None:
    market = opened(small, rows=5)
    people = [Idle(market, {"eth": 20.0}, name) for name in ("ann", "bob")]
    lido: Any = market.protocols["lido"]
    opens = []
    for name, who, amount in calls:
        if name == "slashed":
            lido.struck(name, amount / 8.0)
        elif name == "queue_shut":
            opens.append(lido.struck(name, 1.0))
        elif name == "wait":
            if opens:
                opens.pop()()
            market.run(int(amount))
        else:
            people[who].act("lido", name, amount)
        market.run(1)
        lido.audit()
        market.ledger.audit()
        have = sum(p.wealth for p in people) / market.price("eth")
        assert have == pytest.approx(40.0 - lido.value("slashed"), rel=1e-9)
