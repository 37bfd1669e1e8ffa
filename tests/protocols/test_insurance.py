"""Insurance funds: what they pay, from what, and until when."""

from __future__ import annotations

import numpy as np
import pytest

from agents import MarketAgent
from sim import Market
from sim.errors import ScenarioError
from tests.protocols.test_amm import setup


class Idle(MarketAgent):
    def step(self) -> None:
        pass


FUND = {"token": "usdc", "funds": 3000.0, "covers": ["pool"], "deductible": 0.0005, "window": 2}


def test_a_fund_pays_what_a_pool_has_lost_until_it_is_empty() -> None:
    """Somebody buys eth far below its price outside: holders lose against holding."""
    market = Market(setup("constant_product", insurance={"fund": FUND}), rng=1)
    pool = market.pools["pool"]
    ann = Idle(market, {"eth": 1e4}, "ann")
    market.run(3)
    assert market.ledger.balance("fund", "usdc") == 3000.0
    market.venue.asset("eth")["x"] -= 0.2
    market.step()
    market.step()
    ann.swap("pool", "eth", 95.0)  # at what is now too high a price
    value = sum(a * market.venue.price(t) for t, a in pool.reserves.items())
    market.run(3)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["insurance.fund.claimed"] > 3000.0
    assert row["insurance.fund.paid"] == pytest.approx(3000.0)
    assert market.ledger.balance("fund", "usdc") == 0.0
    after = sum(a * market.venue.price(t) for t, a in pool.reserves.items())
    assert after < value
    assert row["result.fund"] == pytest.approx(-3000.0)
    market.ledger.audit()


def test_a_fund_is_fed_by_premiums_and_may_be_switched_off() -> None:
    rich = {"premium": 0.5, "funds": 0.0}
    fee = {"pool": {"protocol_fee": 0.5}}
    market = Market(setup("constant_product", insurance={"fund": FUND | rich}, pools=fee), rng=1)
    ann = Idle(market, {"eth": 1e4}, "ann")
    ann.swap("pool", "eth", 10.0)
    market.run(2)
    assert market.ledger.balance("fund", "eth") == pytest.approx(10.0 * 0.003 * 0.5 * 0.5)
    off = {"switches": {"insurance": False}}
    market = Market(setup("constant_product", insurance={"fund": FUND | rich}, pools=fee, **off), 1)
    Idle(market, {"eth": 1e4}, "ann").swap("pool", "eth", 10.0)
    market.run(2)
    assert market.ledger.balance("fund", "eth") == 0.0


def test_a_fund_makes_depositors_whole_after_bad_debt() -> None:
    def depositors(funds: float) -> tuple[float, float, Market]:
        fund = {"fund": {"token": "usdc", "funds": funds, "covers": ["bank"]}}
        market = Market(setup("constant_product", insurance=fund), rng=1)
        ann = Idle(market, {"eth": 100.0}, "ann")
        with ann.transaction():
            ann.deposit("bank", "eth", 100.0)
            ann.borrow("bank", "usdc", 150_000.0)
        market.step()
        market.venue.asset("eth")["x"] -= 0.5  # a debt beyond its collateral
        market.step()
        bob = Idle(market, {"usdc": 1e6}, "bob")
        bob.liquidate("bank", "ann", "usdc", "eth", 1e6)
        market.run(2)
        lost = float(
            market.datacollector.get_model_vars_dataframe()["lending.bank.depositor_loss"].iloc[-1]
        )
        return market.wealth("holders"), lost, market

    bare, lost, _ = depositors(0.0)
    whole, same, market = depositors(1e6)
    assert lost == same > 1000.0
    assert whole - bare == pytest.approx(lost, rel=1e-6)
    assert market.ledger.balance("fund", "usdc") == pytest.approx(1e6 - lost)
    half, _, market = depositors(lost / 2.0)
    assert half - bare == pytest.approx(lost / 2.0, rel=1e-6)
    assert market.ledger.balance("fund", "usdc") == 0.0
    market.run(3)


def test_what_cannot_be_insured_is_refused() -> None:
    with pytest.raises(ScenarioError, match="losses are stated of pools whose shares are alike"):
        setup("concentrated", insurance={"fund": FUND})
    with pytest.raises(ScenarioError, match="unknown pool or lending market 'pol'"):
        setup("weighted", insurance={"fund": FUND | {"covers": ["pol"]}})


def test_pushing_an_insured_pool_away_and_back_is_paid_nothing() -> None:
    """Who owns nearly all of a pool pushes it, lets a window begin, and takes it back.

    Pushed by a half, the pool is worth (1.5 + 1 / 1.5) / 2 - 1 = 8.3 % more at the outside
    price, all of it the pusher's own money. Counted as a loss once it is taken back, beyond
    a deductible of 0.05 %, it would empty the fund.
    """
    rich = {"fund": FUND | {"funds": 1e5, "window": 1}}
    market = Market(setup("constant_product", insurance=rich), rng=1)
    pool = market.pools["pool"]
    ann = Idle(market, {"eth": 1e4, "usdc": 1e8}, "ann")
    market.run(2)
    ann.add_liquidity("pool", {"eth": 9000.0, "usdc": 1e8})
    market.run(2)
    start = ann.wealth
    for _ in range(3):
        eth = pool.reserves["eth"]
        ann.swap("pool", "eth", 0.5 * eth)
        market.run(2)
        usdc = pool.reserves["usdc"]
        ann.swap("pool", "usdc", 0.5 * usdc)
        market.run(2)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["insurance.fund.claimed"] == 0.0
    assert ann.wealth < start


def test_a_window_begins_anew_once_arbitrage_has_brought_the_pool_back() -> None:
    market = Market(setup("constant_product", insurance={"fund": FUND | {"window": 1}}), rng=1)
    ann = Idle(market, {"eth": 1e4, "usdc": 1e7}, "ann")
    market.run(3)
    ann.swap("pool", "eth", 20.0)
    market.run(1)
    record = market.world.funds[0]
    assert int(record["since"]) == 3
    market.venue.asset("eth")["x"] = float(np.log(market.pools["pool"].spot_price()))
    market.run(1)
    assert int(record["since"]) == 5
