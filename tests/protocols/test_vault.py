"""The vault against the standard's arithmetic, and the attacks on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import MarketAgent
from protocols.vault import assets_for, shares_for
from sim import Market, Scenario
from sim.codes import ALL

Make = Callable[..., Scenario]


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def opened(small: Make, **settings: Any) -> Market:
    return Market(small(protocols={"v": {"kind": "vault", "asset": "eth"} | settings}), rng=1)


@given(
    st.floats(1e-6, 1e9), st.floats(1e-6, 1e9), st.floats(1e-6, 1e9), st.floats(0.0, 1e3)
)  # fmt: skip
def test_in_and_out_is_never_more(assets: float, held: float, supply: float, offset: float) -> None:
    shares = shares_for(assets, held, supply, offset)
    back = assets_for(shares, held + assets, supply + shares, offset)
    assert back == pytest.approx(assets, rel=1e-9)


def test_the_standards_worked_numbers() -> None:
    # 100 shares on 150 assets: 30 assets are 20 shares, and 20 shares are 30 assets.
    assert shares_for(30.0, 150.0, 100.0, 0.0) == 20.0
    assert assets_for(20.0, 150.0, 100.0, 0.0) == 30.0
    # With one virtual share and asset: 30 * 101 / 151.
    assert shares_for(30.0, 150.0, 100.0, 1.0) == pytest.approx(30.0 * 101.0 / 151.0)


def test_a_fee_on_leaving_is_for_those_who_stay(small: Make) -> None:
    market = opened(small, exit_fee=0.1, deposits=10.0, offset=0.0)
    ann = Idle(market, {"eth": 10.0}, "ann")
    ann.act("v", "enter", 10.0)
    market.run(1)
    ann.act("v", "leave", ALL)
    market.run(1)
    vault = market.protocols["v"]
    assert ann.wallet == {"eth": pytest.approx(9.0)}
    assert (vault.price, vault.value("fees")) == (pytest.approx(1.1), pytest.approx(1.0))
    assert market.price("v-share") == pytest.approx(1.1 * market.price("eth"))


def test_limits_and_the_cap(small: Make) -> None:
    market = opened(small, cap=5.0, deposits=1.0, offset=0.0)
    ann = Idle(market, {"eth": 10.0}, "ann")
    ann.act("v", "enter", 4.1)
    ann.act("v", "enter", 2.0, minimum=2.1)
    ann.act("v", "enter", 2.0, minimum=2.0)
    market.run(1)
    ann.act("v", "leave", 1.0, minimum=1.1)
    market.run(1)
    assert sorted(market.receipts()["reason"].astype(str)) == ["cap", "done", "limit", "limit"]


@pytest.mark.parametrize(("offset", "most"), [(0.0, 1.0 + 1e-9), (1e-6, 1e-3), (1.0, 1.1e-9)])
def test_inflation_attack_costs_its_author(small: Make, offset: float, most: float) -> None:
    """Enter with a grain, give a fortune, and wait for the next one's shares to round to none.

    Shares are numbers with sixteen digits here and not whole, so nothing rounds away: the
    victim's share is what it paid. With virtual shares, a part of the gift is theirs, too,
    and so nobody's: the attack is a loss, as OpenZeppelin's note says.
    """
    market = opened(small, offset=offset)
    thief = Idle(market, {"eth": 1001.0}, "thief")
    victim = Idle(market, {"eth": 100.0}, "victim")
    thief.act("v", "enter", 1e-9)
    market.run(1)
    thief.transfer("v", "eth", 1000.0)
    market.run(1)
    victim.act("v", "enter", 100.0)
    market.run(1)
    thief.act("v", "leave", ALL)
    market.run(1)
    victim.act("v", "leave", ALL)
    market.run(1)
    assert market.receipts()["reason"].astype(str).tolist() == ["done"] * 5
    assert thief.wallet["eth"] <= 1001.0 * (1.0 + 1e-12)
    kept = (thief.wallet["eth"] - 1.0) / 1000.0
    assert kept <= most
    # The price that the victim enters and leaves at is the same, whoever holds what.
    assert victim.wallet["eth"] == pytest.approx(100.0, rel=1e-6)
    market.ledger.audit()


def test_what_was_given_before_anybody_entered_buys_no_shares(small: Make) -> None:
    market = opened(small, offset=0.0)
    ann = Idle(market, {"eth": 10.0}, "ann")
    ann.transfer("v", "eth", 1.0)
    market.run(1)
    ann.act("v", "enter", 1.0)
    market.run(1)
    assert market.receipts()["reason"].astype(str).tolist() == ["done", "empty_pool"]


def test_the_least_share_there_is_has_no_price(small: Make) -> None:
    market = opened(small, offset=1e9)
    ann = Idle(market, {"eth": 10.0}, "ann")
    market.ledger.transfer("ann", "v", "eth", 5.0)
    market.ledger.mint("ann", "v-share", 5e-324)
    assert market.price("v-share") == 0.0
    assert ann.wealth == pytest.approx(5.0 * market.price("eth"))
    assert market.exposure(by="account").nodes["v"]["equity"] == pytest.approx(ann.wealth)
