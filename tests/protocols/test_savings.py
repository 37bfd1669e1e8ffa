"""Savings: what shares earn, what can be withdrawn, and a reserve that runs dry."""

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
BLOCKS_A_YEAR = 365 * 7200


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def opened(small: Make, leverage: float = 2.0, **changes: Any) -> Market:
    borrower = {
        "kind": "leveraged_borrower", "count": 1, "lending": "bank", "collateral": "eth",
        "debt": "usdc", "pools": ["eth-usdc"], "leverage": leverage, "attention": 0.0,
        "alarm": 0.0, "equity": 50_000.0,
    }  # fmt: skip
    vault = {"kind": "savings", "asset": "usdc"} | changes
    content = small(protocols={"s": vault}, agents={"b": borrower}, blocks=2000)
    return Market(content, rng=1)


def test_shares_are_as_the_standard_has_it(small: Make) -> None:
    market = opened(small, offset=0.0)
    ann, bob = Idle(market, {"usdc": 100.0}, "ann"), Idle(market, {"usdc": 30.0}, "bob")
    ann.act("s", "enter", ALL)
    market.run(1)
    market.ledger.mint("s", "usdc", 50.0)  # earned: a share stands for 1.5
    market.run(1)
    bob.act("s", "enter", ALL)
    market.run(1)
    assert ann.wallet["s-share"] == 100.0 and bob.wallet["s-share"] == pytest.approx(20.0)
    bob.act("s", "leave", ALL)
    market.run(1)
    assert bob.wallet == {"usdc": pytest.approx(30.0)}


def test_a_gift_does_not_rob_who_enters_next(small: Make) -> None:
    market = opened(small, offset=1.0)
    ann, bob = Idle(market, {"usdc": 2000.0}, "ann"), Idle(market, {"usdc": 100.0}, "bob")
    ann.act("s", "enter", 1e-6)
    market.run(1)
    ann.transfer("s", "usdc", 1000.0)
    market.run(1)
    bob.act("s", "enter", ALL)
    market.run(1)
    bob.act("s", "leave", ALL)
    market.run(1)
    assert bob.wallet["usdc"] > 99.9


def test_what_is_lent_earns_for_the_shares(small: Make) -> None:
    market = opened(small, lending="bank", liquid=0.2, deposits=10_000.0)
    bank = market.lending["bank"]
    market.run(1)
    assert market.ledger.balance("s", "usdc") == pytest.approx(2_000.0)
    rate = bank.supply_rate("usdc")
    assert rate > 0.0
    saved: Any = market.protocols["s"]
    before = saved.rate
    market.run(100)
    assert saved.rate / before - 1.0 == pytest.approx(0.8 * rate * 100 / BLOCKS_A_YEAR, rel=0.05)
    saved.audit()


def test_a_promise_is_kept_until_the_reserve_is_dry(small: Make) -> None:
    # 20 % a year on 10,000 are 0.0761 in each block: a reserve of 3.805 lasts fifty.
    per_block = 10_000.0 * 0.2 / BLOCKS_A_YEAR
    market = opened(small, promised=0.2, deposits=10_000.0, reserve=50.0 * per_block)
    saved: Any = market.protocols["s"]
    market.run(40)
    assert saved.rate == pytest.approx(1.0 + 0.2 * 40 / BLOCKS_A_YEAR, rel=1e-9)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["protocol.s.reserve"] == pytest.approx(10.0 * per_block, rel=1e-3)
    market.run(60)
    assert saved.rate == pytest.approx(1.0 + 0.2 * 50 / BLOCKS_A_YEAR, rel=1e-7)
    saved.audit()


def test_more_is_promised_than_can_be_withdrawn(small: Make) -> None:
    market = opened(small, leverage=2.5, lending="bank", liquid=0.1)
    bank = market.lending["bank"]
    ann = Idle(market, {"usdc": 50_000.0}, "ann")
    ann.act("s", "enter", ALL)
    market.run(3)
    taker = Idle(market, {"eth": 1_000.0}, "taker")
    taker.deposit("bank", "eth", 1_000.0)
    market.run(1)
    taker.borrow("bank", "usdc", 0.999 * bank.cash("usdc"))
    market.run(1)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["protocol.s.liquidity"] < 0.5
    ann.act("s", "leave", ALL)
    market.run(1)
    assert market.receipts().iloc[-1]["reason"] == "no_cash"
    ann.act("s", "leave", 4_000.0)
    market.run(1)
    assert ann.wallet["usdc"] == pytest.approx(4_000.0, rel=1e-4)
    market.protocols["s"].audit()  # type: ignore[attr-defined]
    market.ledger.audit()


def test_a_market_that_does_not_lend_it_is_told(small: Make) -> None:
    with pytest.raises(ScenarioError, match="does not lend"):
        opened(small, asset="eur", lending="bank")


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "leave", "gift", "wait"]),
        st.sampled_from([0, 1]),
        st.floats(0.0, 60.0),
    ),
    max_size=20,
)


@given(calls=CALLS, promised=st.sampled_from([None, 0.0, 5.0]))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_shares_never_stand_for_more_than_there_is(
    small: Make, calls: list[tuple[str, int, float]], promised: float | None
) -> None:
    changes = {} if promised is None else {"promised": promised, "reserve": 5.0}
    market = opened(small, lending="bank", **changes)
    people = [Idle(market, {"usdc": 100.0}, name) for name in ("ann", "bob")]
    for name, who, amount in calls:
        if name == "wait":
            market.run(int(amount))
        elif name == "gift":
            people[who].transfer("s", "usdc", amount)
        else:
            people[who].act("s", name, amount)
        market.run(1)
        market.protocols["s"].audit()  # type: ignore[attr-defined]
        market.ledger.audit()
