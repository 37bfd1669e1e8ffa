"""Writing an agent plainly."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable

import pytest

from agents import MarketAgent
from sim import Market, Scenario
from sim.codes import ALL


class Idle(MarketAgent):
    pass


def reasons(market: Market) -> list[str]:
    return market.receipts()["reason"].astype(str).tolist()


def test_every_call_does_what_it_says(market: Market) -> None:
    ann = Idle(market, {"eth": 100.0, "usdc": 1e6}, "ann")
    bank, pool = market.lending["bank"], market.pools["eth-usdc"]
    ann.deposit("bank", "eth", 50.0)
    market.run(1)
    assert bank.deposit_of("ann", "eth") == pytest.approx(50.0)
    ann.borrow("bank", "usdc", 40_000.0, least_health=1.5)
    ann.borrow("bank", "usdc", 40_000.0, least_health=1.5)
    market.run(1)
    assert bank.debt_of("ann", "usdc") == pytest.approx(40_000.0)
    ann.repay("bank", "usdc", 10_000.0)
    ann.withdraw("bank", "eth", 10.0)
    market.run(1)
    assert bank.debt_of("ann", "usdc") == pytest.approx(30_000.0)
    assert bank.deposit_of("ann", "eth") == pytest.approx(40.0)
    ann.add_liquidity("eth-usdc", {"eth": 10.0, "usdc": 1e5})
    market.run(1)
    assert pool.reserves == pytest.approx({"eth": 1010.0, "usdc": 2.02e6})
    ann.remove_liquidity("eth-usdc")
    ann.trade_outside("eth", "usdc", 1.0)
    ann.transfer("holders", "usdc", 5.0)
    market.run(1)
    assert pool.reserves == pytest.approx({"eth": 1000.0, "usdc": 2e6})
    ann.repay("bank", "usdc", ALL)
    market.run(1)
    assert bank.debt_of("ann", "usdc") == 0.0
    assert sorted(set(reasons(market))) == ["done", "unhealthy"]
    assert reasons(market).count("unhealthy") == 1
    market.ledger.audit()
    bank.audit()


def test_an_agent_liquidates_another(market: Market) -> None:
    ann, bob = Idle(market, {"eth": 10.0}, "ann"), Idle(market, {"usdc": 1e5}, "bob")
    with ann.transaction():
        ann.deposit("bank", "eth", 10.0)
        ann.borrow("bank", "usdc", 15_900.0)
    market.run(1)
    bob.liquidate("bank", "ann", "usdc", "eth", 5000.0)
    market.run(1)
    assert reasons(market)[-1] == "not_liquidatable"
    market.venue.asset("eth")["x"] -= 0.06
    market.run(1)
    bob.liquidate("bank", "ann", "usdc", "eth", 5000.0)
    market.run(1)
    price = market.venue.price("eth")
    gross = 5000.0 / price * 1.05
    assert bob.wallet["eth"] == pytest.approx(gross - 0.1 * (gross - gross / 1.05))


def test_mistakes_are_named(market: Market) -> None:
    ann = Idle(market, {"eth": 1.0}, "ann")
    with pytest.raises(KeyError, match="nowhere"):
        ann.swap("nowhere", "eth", 1.0)
    with pytest.raises(ValueError, match="holds eth and usdc, not 'dai'"):
        ann.swap("eth-usdc", "dai", 1.0)
    with pytest.raises(KeyError, match="no protocol called 'shark'"):
        ann.deposit("shark", "eth", 1.0)
    with pytest.raises(KeyError, match="no plain protocol"):
        ann.call("nothing", "eth", "eth", 1.0)
    with pytest.raises(ValueError, match="already"):
        Idle(market, name="ann")
    with pytest.raises(KeyError, match="no token"):
        Idle(market, {"doge": 1.0}, "bob")


def test_nobody_brings_a_claim_that_nothing_stands_behind(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    joined, supply = len(market.agents), market.ledger.supply("bank-usdc")
    with pytest.raises(ValueError, match="wallet: bank-usdc is issued by bank, whose books"):
        MarketAgent(market, {"eth": 1.0, "bank-usdc": 1_000.0})
    assert len(market.agents) == joined and market.ledger.supply("bank-usdc") == supply
    market.run(2)


def test_a_default_bid_gets_in(small: Callable[..., Scenario]) -> None:
    block = {"fee_market": "eip1559", "base_fee": 30.0, "outside": {"gas": 0.5}}
    market = Market(small(block=block), rng=1)
    ann = Idle(market, {"eth": 10.0}, "ann")
    ann.swap("eth-usdc", "eth", 1.0)
    market.run(1)
    assert reasons(market) == ["done"]


def test_another_agent_that_sends_meanwhile_sends_for_itself(market: Market) -> None:
    ann = Idle(market, {"eth": 10.0, "usdc": 1e5}, "ann")
    bob = Idle(market, {"eth": 10.0}, "bob")
    with ann.transaction():
        ann.swap("eth-usdc", "usdc", 1000.0)
        bob.transfer("holders", "eth", 3.0)
        with bob.transaction():
            bob.transfer("holders", "eth", 1.0)
            ann.transfer("holders", "usdc", 500.0)
            bob.transfer("holders", "eth", 2.0)
    market.run(1)
    frame = market.receipts()
    sent = frame.groupby("transaction")["sender"].agg(lambda names: sorted({*names.astype(str)}))
    assert sorted(map(tuple, sent)) == [("ann",), ("bob",), ("bob",)]
    assert bob.wallet == {"eth": 4.0}
    assert ann.wallet["usdc"] == 98_500.0


def test_a_transaction_that_an_exception_leaves_sends_nothing(market: Market) -> None:
    ann = Idle(market, {"eth": 10.0}, "ann")
    with pytest.raises(RuntimeError), ann.transaction():
        ann.transfer("holders", "eth", 1.0)
        raise RuntimeError
    ann.transfer("holders", "eth", 2.0)
    market.run(1)
    assert ann.wallet == {"eth": 8.0}
    assert len(market.receipts()) == 1


def test_a_transaction_inside_another_is_a_part_of_it(market: Market) -> None:
    ann = Idle(market, {"eth": 10.0}, "ann")
    with ann.transaction():
        ann.transfer("holders", "eth", 1.0)
        with ann.transaction():
            ann.transfer("holders", "eth", 2.0)
        ann.transfer("holders", "eth", 100.0)  # which it does not have
    market.run(1)
    assert ann.wallet == {"eth": 10.0}
    assert market.receipts()["transaction"].nunique() == 1


@pytest.mark.parametrize("amount", [math.nan, math.inf, -math.inf, -0.5, -3.0])
def test_an_amount_that_makes_no_sense_is_refused_at_once(market: Market, amount: float) -> None:
    ann = Idle(market, {"eth": 10.0}, "ann")
    with pytest.raises(ValueError, match=r"amount .* makes no sense; give a finite number"):
        ann.swap("eth-usdc", "eth", amount)
    with pytest.raises(ValueError, match=r"bid .* makes no sense"):
        ann.swap("eth-usdc", "eth", 1.0, bid=amount)
    with pytest.raises(ValueError, match="not a number"):
        ann.swap("eth-usdc", "eth", 1.0, minimum=math.nan)
    assert market.world.chain[0]["waiting"] == 0


def test_a_market_that_nobody_holds_is_freed(small: Callable[..., Scenario]) -> None:
    def made() -> weakref.ref[Market]:
        market = Market(small(), rng=1)
        Idle(market, {"eth": 1.0}, "ann")
        market.run(2)
        return weakref.ref(market.ledger)

    there = [made() for _ in range(3)]
    gc.collect()
    assert [ref() for ref in there] == [None] * 3


def test_agents_are_numbered_from_one_in_each_market(small: Callable[..., Scenario]) -> None:
    for _ in range(2):
        market = Market(small(), rng=1)
        assert [Idle(market).unique_id for _ in range(3)] == [1, 2, 3]
