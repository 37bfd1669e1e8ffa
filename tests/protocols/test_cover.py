"""Cover of deposits: its price, what a policy pays, and what underwriters bear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents import MarketAgent
from protocols.cover import claimable, cover_for, premium_of
from sim import Market, Scenario
from sim.codes import ALL
from sim.errors import ScenarioError
from sim.units import INTEREST_YEAR

Make = Callable[..., Scenario]
FUND: dict[str, Any] = {
    "kind": "cover", "token": "usdc", "lending": "bank", "capital": 1000.0, "wait": 2,
    "period": 100, "notice": 10, "window": 5, "deductible": 0.1,
}  # fmt: skip


PREMIUM = 1e-3


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def opened(small: Make, **changes: Any) -> Market:
    borrower = {
        "kind": "leveraged_borrower", "count": 1, "lending": "bank", "collateral": "eth",
        "debt": "usdc", "pools": ["eth-usdc"], "leverage": 3.0, "attention": 0.0, "alarm": 0.0,
        "equity": 50_000.0,
    }  # fmt: skip
    lending = {"bank": {"default": "close", "default_delay": 0}}
    content = small(protocols={"fund": FUND | changes}, agents={"b": borrower}, lending=lending)
    return Market(content, rng=1)


def fail(market: Market) -> float:
    """Let the borrower default; returns what depositors kept of each unit."""
    index = market.lending["bank"]
    before = index.deposits("usdc") / market.ledger.supply("bank-usdc")
    asset: Any = market.venue.asset("eth")
    asset["x"] -= 1.0
    asset["anchor"] -= 1.0
    market.run(3)
    return float(index.deposits("usdc") / market.ledger.supply("bank-usdc") / before)


@given(
    st.floats(1e-3, 1e6), st.floats(0.0, 0.9), st.floats(1e-6, 0.5), st.floats(1e-6, 2.0),
    st.floats(1e-3, 1.0),
)  # fmt: skip
def test_a_premium_buys_what_it_is_the_premium_of(
    amount: float, used: float, low: float, more: float, years: float
) -> None:
    most = 10.0 * amount
    premium = premium_of(amount, used * most, most, low, low + more, years)
    if premium > 0.0:
        found = cover_for(premium, used * most, most, low, low + more, years)
        assert found == pytest.approx(amount, rel=1e-9)


def test_the_price_rises_as_capacity_is_used() -> None:
    # 100 of 1,000 for a year at 2 % to 20 %: first 2 to 3.8 %, mean 2.9 %.
    assert premium_of(100.0, 0.0, 1000.0, 0.02, 0.2, 1.0) == pytest.approx(2.9)
    assert premium_of(100.0, 900.0, 1000.0, 0.02, 0.2, 1.0) == pytest.approx(19.1)
    assert claimable(100.0, 0.3, 0.1) == pytest.approx(27.0)
    assert claimable(100.0, 0.0, 0.1) == 0.0


def test_a_policy_pays_what_a_unit_has_lost_less_the_deductible(small: Make) -> None:
    market = opened(small)
    ann = Idle(market, {"usdc": 50.0, "eth": 1.0}, "ann")
    ann.act("fund", "buy", 1e-4)
    market.run(6)
    fund: Any = market.protocols["fund"]
    covered = fund.value("sold")
    years = 100 * market.setup.block.seconds / INTEREST_YEAR
    assert covered == pytest.approx(cover_for(1e-4, 0.0, 1000.0, 0.02, 0.2, years))
    kept = fail(market)
    assert 0.0 < kept < 0.999
    before = ann.wallet["usdc"]
    ann.act("fund", "claim", 0.0)
    market.run(1)
    paid = ann.wallet["usdc"] - before
    assert paid == pytest.approx(covered * (1.0 - kept) * 0.9, rel=1e-4)
    ann.act("fund", "claim", 0.0)  # the same loss is paid once
    market.run(1)
    assert ann.wallet["usdc"] - before == pytest.approx(paid)
    fund.audit()
    market.ledger.audit()


def test_who_buys_when_the_loss_is_near_is_not_covered(small: Make) -> None:
    market = opened(small, wait=50)
    ann = Idle(market, {"usdc": 50.0, "eth": 1.0}, "ann")
    ann.act("fund", "buy", 1e-4)
    market.run(2)
    assert market.protocols["fund"].value("sold") > 0.0  # type: ignore[attr-defined]
    assert fail(market) < 0.999
    ann.act("fund", "claim", 0.0)
    market.run(60)
    ann.act("fund", "claim", 0.0)
    market.run(1)
    assert (market.receipts().query("kind == 'claim'")["status"] == "reverted").all()


def test_underwriters_leave_after_notice_with_what_no_policy_needs(small: Make) -> None:
    market = opened(small, capital=0.0)
    ann = Idle(market, {"usdc": 100.0}, "ann")
    bob = Idle(market, {"usdc": 100.0}, "bob")
    ann.act("fund", "underwrite", ALL)
    market.run(1)
    assert market.price("fund-share") == pytest.approx(1.0)
    ann.act("fund", "leave", ALL)
    market.run(1)
    ann.act("fund", "give_notice", 100.0)
    bob.act("fund", "buy", 1e-5, minimum=1.0)
    market.run(11)
    sold = market.protocols["fund"].value("sold")  # type: ignore[attr-defined]
    assert 1.0 < sold < 100.0
    ann.act("fund", "leave", 100.0)  # what is sold must stay covered
    market.run(1)
    ann.act("fund", "leave", 100.0 - 1.01 * sold)
    market.run(1)
    status = list(market.receipts().query("kind == 'leave'")["status"])
    assert status == ["reverted", "reverted", "done"]
    assert ann.wallet["usdc"] == pytest.approx(100.0 - 1.01 * sold, rel=1e-4)
    market.run(10)  # the window is over
    ann.act("fund", "leave", 0.001)
    market.run(1)
    assert market.receipts().iloc[-1]["status"] == "reverted"


def test_claims_beyond_the_capital_are_not_paid(small: Make) -> None:
    market = opened(small, capital=1.0, leverage=500.0)
    ann = Idle(market, {"usdc": 50.0, "eth": 1.0}, "ann")
    ann.act("fund", "buy", PREMIUM)
    market.run(6)
    kept = fail(market)
    fund: Any = market.protocols["fund"]
    due = fund.value("sold") * (1.0 - kept) * 0.9
    assert due > 1.1
    ann.act("fund", "claim", 0.0)
    market.run(1)
    assert fund.value("paid") == pytest.approx(1.0 + PREMIUM)
    assert fund.value("unpaid") == pytest.approx(due - 1.0 - PREMIUM, rel=1e-3)
    assert fund.held("token") == 0.0
    bob = Idle(market, {"usdc": 50.0}, "bob")
    bob.act("fund", "underwrite", 10.0)  # its shares would be of nothing, beside the old
    market.run(1)
    assert bob.wallet["usdc"] == 50.0


def test_policies_come_off_the_books_when_they_end(small: Make) -> None:
    market = opened(small)
    ann = Idle(market, {"usdc": 50.0, "eth": 1.0}, "ann")
    ann.act("fund", "buy", 1e-4)
    market.run(3)
    fund: Any = market.protocols["fund"]
    assert fund.value("sold") > 0.0
    assert [(e.source, e.target, e.channel) for e in fund.exposures()] == [
        ("fund", "bank", "cover")
    ]
    market.run(110)
    assert fund.value("sold") == 0.0
    assert fund.audit() == 0.0


def test_what_makes_no_sense_is_refused(small: Make) -> None:
    for change, field in (
        ({"high": 0.01}, "high"), ({"token": "eur"}, "token"), ({"lending": "no"}, "lending")
    ):  # fmt: skip
        with pytest.raises(ScenarioError) as told:
            small(protocols={"fund": FUND | change})
        assert any(at == f"protocols.fund.{field}" for at, _ in told.value.problems)


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["underwrite", "give_notice", "leave", "buy", "claim", "fail", "wait"]),
        st.sampled_from([0, 1]),
        st.floats(0.0, 60.0),
    ),
    max_size=25,
)


@given(calls=CALLS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_books_close_whatever_is_called(small: Make, calls: list[tuple[str, int, float]]) -> None:
    market = opened(small, capital=20.0, leverage=3.0)
    people = [Idle(market, {"usdc": 100.0, "eth": 1.0}, name) for name in ("ann", "bob")]
    total = market.ledger.supply("usdc")
    for name, who, amount in calls:
        if name == "fail":
            fail(market)
        elif name == "wait":
            market.run(int(amount))
        else:
            scale = 1e-6 if name == "buy" else 1.0
            people[who].act("fund", name, scale * amount)
            market.run(1)
        fund: Any = market.protocols["fund"]
        fund.audit()
        assert fund.value("sold") <= 3.0 * fund.held("token") + 1e-9 or fund.value("paid") > 0.0
    market.ledger.audit()
    assert market.ledger.supply("usdc") == pytest.approx(total)
