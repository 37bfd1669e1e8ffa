"""Lending markets as a block meets them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from agents import MarketAgent
from protocols.loans import FLASHES, list_debtor, watch_debtors
from sim import Market, Scenario
from sim.codes import ALL, Kind, Reason
from sim.mempool import Order, add_call, send
from sim.mempool import call as asked


class Idle(MarketAgent):
    """Does what the test says and nothing by itself."""


@pytest.fixture
def market(small: Callable[..., Scenario]) -> Market:
    return Market(small(agents={}), rng=1)


def test_debtors_are_listed_once_watched_and_forgotten(market: Market) -> None:
    ann = Idle(market, {"eth": 10.0, "usdc": 100.0}, "ann")
    w = market.world
    ann.deposit("bank", "eth", 10.0)
    market.run(1)
    ann.borrow("bank", "usdc", 5000.0)
    market.run(2)  # it is listed in its block, and watched from the next on
    assert w.markets[0]["debtors"] == 1 and w.debtors[0, 0] == ann.account
    assert w.health[0, 0] == pytest.approx(
        market.lending["bank"].health_factor(ann.account), rel=1e-2
    )
    ann.borrow("bank", "usdc", 100.0)
    market.run(1)
    assert market.world.markets[0]["debtors"] == 1
    ann.repay("bank", "usdc", ALL)
    market.run(2)
    assert market.world.markets[0]["debtors"] == 0
    assert market.world.since[0, ann.account] == -2


def test_an_account_in_danger_is_dated(market: Market) -> None:
    ann = Idle(market, {"eth": 10.0}, "ann")
    ann.deposit("bank", "eth", 10.0)
    market.run(1)
    ann.borrow("bank", "usdc", 10_000.0)
    market.run(1)
    w = market.world
    for feed in w.feeds:
        feed["price"] = feed["price"] * 0.5 if feed["asset"] >= 0 else feed["price"]
    watch_debtors(w)
    assert w.health[0, 0] < 1.0 and w.since[0, ann.account] == market.block


def test_more_flash_loans_than_there_is_room_for(market: Market) -> None:
    ann = Idle(market, {"usdc": 10.0}, "ann")
    w, usdc = market.world, market.ledger.token("usdc")
    flash = asked(int(Kind.FLASH_BORROW), 0, usdc, usdc, 1.0)
    send(w, Order(ann.account, -1, 1.0, 0), flash)
    for _ in range(FLASHES):
        add_call(w, flash)
    add_call(w, asked(int(Kind.FLASH_REPAY), 0, usdc, usdc, 0.0))
    before = market.ledger.balances.copy()
    market.run(1)
    assert w.tally[-1, Reason.CAP] == 1
    usdc_of = before[:, usdc].sum()
    assert market.ledger.balances[:, usdc].sum() == pytest.approx(usdc_of, rel=1e-9)


@pytest.mark.parametrize(
    "kind", [Kind.DEPOSIT, Kind.WITHDRAW, Kind.BORROW, Kind.REPAY, Kind.LIQUIDATE, Kind.FLASH_REPAY]
)
def test_a_call_to_a_market_that_is_not_there(market: Market, kind: Kind) -> None:
    ann = Idle(market, {"usdc": 10.0}, "ann")
    usdc = market.ledger.token("usdc")
    before = ann.wallet
    send(market.world, Order(ann.account, -1, 1.0, 0), asked(int(kind), 7, usdc, usdc, 1.0))
    market.run(1)
    assert market.world.tally[-1, Reason.INVALID] == 1
    assert ann.wallet == before


def test_listing_twice_changes_nothing(market: Market) -> None:
    ann = Idle(market, {"usdc": 10.0}, "ann")
    from sim.compiled import kernel

    @kernel
    def twice(w, m, account):  # type: ignore[no-untyped-def]
        list_debtor(w, m, account)
        list_debtor(w, m, account)

    twice(market.world, 0, ann.account)
    assert market.world.markets[0]["debtors"] == 1
    assert np.count_nonzero(market.world.debtors[0] == ann.account) == 1
