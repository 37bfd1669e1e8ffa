"""A protocol in plain Python takes its turn in a compiled block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents import MarketAgent
from protocols.custom import CustomProtocol
from sim import Market, Scenario
from sim.codes import PREVIOUS, Kind, Reason
from sim.mempool import Order, add_call, send
from sim.mempool import call as asked


class Wrapper(CustomProtocol):
    """Takes ether and gives as many wrapped ones, at most ten in all."""

    tokens = ("weth",)
    slots = 1

    def perform(self, call: Any, amount: float) -> tuple[Reason, float]:
        eth, weth = (self.market.ledger.token(t) for t in ("eth", "weth"))
        sender = int(call["sender"])
        if not self.pay(sender, self.account, eth, amount):
            return Reason.INSUFFICIENT_BALANCE, 0.0
        self.mint(sender, weth, amount)
        self.store(0, self.stored(0) + amount)
        if self.stored(0) > 10.0:
            return Reason.CAP, 0.0
        return Reason.DONE, amount


class Idle(MarketAgent):
    pass


@pytest.fixture
def wrapped(small: Callable[..., Scenario]) -> tuple[Market, Idle]:
    market = Market(small(), rng=1)
    market.add_protocol(Wrapper("wrapper"))
    return market, Idle(market, {"eth": 50.0, "usdc": 1e4}, "ann")


def test_it_moves_value_through_the_ledger(wrapped: tuple[Market, Idle]) -> None:
    market, ann = wrapped
    ann.call("wrapper", "eth", "weth", 4.0)
    market.run(1)
    assert ann.wallet == {"eth": 46.0, "usdc": 1e4, "weth": 4.0}
    assert market.ledger.balance("wrapper", "eth") == 4.0
    market.ledger.audit()
    receipt = market.receipts().iloc[0]
    assert (receipt["protocol"], receipt["status"]) == ("wrapper", "done")


def test_a_failure_takes_the_whole_transaction_back(wrapped: tuple[Market, Idle]) -> None:
    market, ann = wrapped
    with ann.transaction():
        ann.swap("eth-usdc", "usdc", 1000.0)
        ann.call("wrapper", "eth", "weth", 11.0)
    before = market.ledger.books.storage.tobytes(), dict(ann.wallet)
    market.run(1)
    assert (market.ledger.books.storage.tobytes(), ann.wallet) == before
    assert market.receipts()["reason"].astype(str).tolist() == ["cap", "cap"]


def test_the_block_goes_on_after_it(wrapped: tuple[Market, Idle]) -> None:
    market, ann = wrapped
    with ann.transaction():
        ann.swap("eth-usdc", "usdc", 1000.0)
        ann.call("wrapper", "eth", "weth", PREVIOUS)
        ann.transfer("holders", "weth", PREVIOUS)
    ann.swap("eth-usdc", "usdc", 500.0)
    market.run(1)
    frame = market.receipts()
    assert frame["status"].astype(str).tolist() == ["done"] * 4
    wrapped_amount = frame.loc[frame["kind"] == "custom", "amount_out"].iloc[0]
    assert wrapped_amount > 0.0
    assert market.ledger.balance("holders", "weth") == wrapped_amount
    market.ledger.audit()


def test_a_call_of_one_that_is_not_there_does_not_enter(small: Callable[..., Scenario]) -> None:
    """The compiled block once stopped at it for good: what had been flash-borrowed was kept."""
    market = Market(small(), rng=1)
    ann = Idle(market, {"eth": 50.0}, "ann")
    market._plain.clear()
    w, order = market.world, Order(ann.account, -1, 1.0, 0)
    for place in range(2):
        assert send(w, order, asked(int(Kind.FLASH_BORROW), 0, 0, 0, 1000.0))
        assert not add_call(w, asked(int(Kind.CUSTOM), place, 0, 0, 1.0))
    assert send(w, order, asked(int(Kind.FLASH_BORROW), 0, 0, 0, 1000.0))
    market.run(1)
    assert market.receipts()["reason"].astype(str).tolist() == ["unpaid"]
    assert ann.wallet == {"eth": 50.0}


def test_it_moves_only_its_own_and_its_callers(wrapped: tuple[Market, Idle]) -> None:
    market, ann = wrapped
    wrapper = market.custom[0]
    eth, bob = market.ledger.token("eth"), Idle(market, {"eth": 5.0}, "bob")
    with pytest.raises(ValueError, match="cannot move what bob holds"):
        wrapper.pay(bob.account, ann.account, eth, 1.0)
    with pytest.raises(ValueError, match="cannot move what ann holds"):  # between calls
        wrapper.pay(ann.account, wrapper.account, eth, 1.0)


def test_an_exception_in_it_leaves_the_books_as_they_were(small: Callable[..., Scenario]) -> None:
    class Broken(Wrapper):
        def perform(self, call: Any, amount: float) -> tuple[Reason, float]:
            super().perform(call, amount)
            raise RuntimeError("broken")

    market = Market(small(), rng=1)
    market.add_protocol(Broken("wrapper"))
    ann = Idle(market, {"eth": 50.0}, "ann")
    ann.call("wrapper", "eth", "weth", 4.0)
    with pytest.raises(RuntimeError, match="broken"):
        market.step()
    assert ann.wallet == {"eth": 50.0}
    market.ledger.audit()


def test_it_issues_only_its_own_tokens(wrapped: tuple[Market, Idle]) -> None:
    market, _ = wrapped
    with pytest.raises(ValueError, match="does not issue eth"):
        market.custom[0].mint(0, market.ledger.token("eth"), 1.0)
    with pytest.raises(ValueError, match="already"):
        market.add_protocol(Wrapper("wrapper"))
