"""Fees that move, circuit breakers, flash loans and required gains."""

from __future__ import annotations

from typing import Any

import pytest

from agents import MarketAgent
from protocols import safeguards
from sim import Market
from sim.errors import ScenarioError
from tests.protocols.test_amm import setup


class Idle(MarketAgent):
    def step(self) -> None:
        pass


def guarded(kind: str = "constant_product", **breaker: Any) -> Market:
    return Market(setup(kind, pools={"pool": {"breaker": breaker}}), rng=1)


def last_status(market: Market) -> str:
    last = market.receipts().iloc[-1]
    return "done" if last["status"] == "done" else str(last["reason"])


@pytest.mark.parametrize("kind", ["constant_product", "weighted", "stableswap", "concentrated"])
def test_a_trade_beyond_the_limit_is_refused_and_halts_the_pool(kind: str) -> None:
    market = guarded(kind, move=0.02, cool_down=5)
    pool = market.pools["pool"]
    first, last = pool.tokens
    ann = Idle(market, {first: 1e7, last: 1e7}, "ann")
    price = pool.spot_price()
    much = 4.0 * float(pool.depth_curve([0.02])[0])  # type: ignore[attr-defined]
    ann.swap("pool", first, 0.1 * much)
    market.step()
    assert last_status(market) == "done"
    ann.swap("pool", first, much)
    market.step()
    assert last_status(market) == "halted"
    assert abs(pool.spot_price() / price - 1.0) < 0.02
    assert pool.halted  # type: ignore[attr-defined]
    assert pool.record["halts"][0] == 1
    for _ in range(5):
        assert pool.halted  # type: ignore[attr-defined]
        ann.swap("pool", last, 1.0)
        market.step()
    assert last_status(market) == "halted"
    ann.swap("pool", last, 1.0)
    market.step()
    assert last_status(market) == "done"
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["pool.pool.halts"] == 1.0
    market.ledger.audit()


def test_providers_leave_a_halted_pool_in_proportion_but_not_one_sided() -> None:
    market = guarded("weighted", move=0.02, cool_down=50)
    ann = Idle(market, {"eth": 1e4, "usdc": 1e7}, "ann")
    ann.add_liquidity("pool", shares=100.0)
    market.step()
    ann.swap("pool", "eth", 500.0)
    market.step()
    assert market.pools["pool"].halted  # type: ignore[attr-defined]
    ann.remove_liquidity("pool", 10.0, token="usdc")
    market.step()
    assert last_status(market) == "halted"
    ann.remove_liquidity("pool", 10.0)
    market.step()
    assert last_status(market) == "done"


def test_a_window_forgets_slow_moves() -> None:
    market = guarded(move=0.02, window=10)
    ann = Idle(market, {"eth": 1e4}, "ann")
    start = market.pools["pool"].spot_price()
    for _ in range(60):
        ann.swap("pool", "eth", 1.0)  # a fifth of a per cent a block: 2 % in ten
        market.run(2)
    assert not market.pools["pool"].record["halts"][0]
    assert market.pools["pool"].spot_price() / start < 0.9


def test_imbalance_and_outflow_have_limits_too() -> None:
    market = guarded("stableswap", imbalance=0.3)
    ann = Idle(market, {"dai": 1e7}, "ann")
    ann.swap("pool", "dai", 2.5e5)
    market.step()
    assert last_status(market) == "done"
    ann.swap("pool", "dai", 2e5)
    market.step()
    assert last_status(market) == "halted"
    market = guarded(outflow=0.3, window=100)
    pool = market.pools["pool"]
    leave = market.ledger.balance("holders", pool.share)
    market.ledger.transfer("holders", Idle(market, {"eth": 1.0}, "bob").account, pool.share, leave)
    bob = next(a for a in market.agents if a.name == "bob")  # type: ignore[attr-defined]
    bob.remove_liquidity("pool", 0.4 * leave)  # exits in proportion are never refused
    market.step()
    assert last_status(market) == "done"
    assert pool.halted  # type: ignore[attr-defined]


def test_breakers_are_a_switch_and_need_a_limit() -> None:
    cut = setup(
        "weighted", pools={"pool": {"breaker": {"move": 0.01}}}, switches={"breakers": False}
    )
    market = Market(cut, rng=1)
    ann = Idle(market, {"eth": 1e4}, "ann")
    ann.swap("pool", "eth", 500.0)
    market.step()
    assert last_status(market) == "done"
    with pytest.raises(ScenarioError, match="limits nothing"):
        guarded()


def test_a_fee_rises_with_volatility_and_comes_back() -> None:
    fees = {"volatility_fee": 1.0, "fee_memory": 10.0, "highest_fee": 0.02}
    market = Market(setup("constant_product", pools={"pool": fees}), rng=1)
    pool = market.pools["pool"]
    ann = Idle(market, {"eth": 1e5, "usdc": 1e8}, "ann")
    for _ in range(10):
        ann.swap("pool", "eth", 10.0)
        market.step()
        ann.swap("pool", "usdc", 20_000.0)
        market.step()
    stormy = pool.fee
    assert 0.003 + 0.015 * 0.5 < stormy <= 0.02  # a block moves the price by two per cent
    assert pool.quote("eth", "usdc", 1.0) == pytest.approx(
        pool.spot_price() * (1.0 - stormy), rel=2e-3
    )
    market.run(200)
    assert pool.fee == pytest.approx(0.003, abs=1e-4)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["pool.pool.fee"] == pytest.approx(pool.fee)


def test_a_fee_rises_with_imbalance() -> None:
    fees = {"imbalance_fee": 0.01, "highest_fee": 0.02}
    market = Market(setup("stableswap", pools={"pool": fees}), rng=1)
    ann = Idle(market, {"dai": 1e7}, "ann")
    ann.swap("pool", "dai", 5e5)
    market.step()
    pool = market.pools["pool"]
    off = safeguards.imbalance(market.ledger.books, pool.record[0])
    assert pool.fee == pytest.approx(0.0004 + 0.01 * off)
    assert pool.fee > 0.004
    with pytest.raises(ScenarioError, match=r"is below the fee \(0.0004\)"):
        setup("stableswap", pools={"pool": {"imbalance_fee": 0.01, "highest_fee": 1e-5}})


def test_a_flash_loan_is_paid_back_with_its_fee_or_nothing_happened() -> None:
    market = Market(setup("constant_product"), rng=1)
    ann = Idle(market, {"usdc": 1000.0}, "ann")
    with ann.transaction():
        ann.flash_borrow("bank", "usdc", 1e6)
        ann.flash_repay("bank", "usdc")
    market.step()
    assert last_status(market) == "done"
    assert market.ledger.balance("ann", "usdc") == pytest.approx(1000.0 - 500.0)
    assert market.wealth("holders") == pytest.approx(1e6 + 500.0 + 4e6, rel=1e-9)
    before = market.ledger.balances.copy()
    with ann.transaction():
        ann.flash_borrow("bank", "usdc", 5e5)
        ann.swap("pool", "usdc", 5e5)
    market.step()
    assert last_status(market) == "unpaid"
    assert (market.ledger.balances == before).all()
    with ann.transaction():
        ann.flash_borrow("bank", "usdc", 1e9)
        ann.flash_repay("bank", "usdc")
    market.step()
    assert last_status(market) in ("unpaid", "no_cash")
    ann.flash_repay("bank", "usdc")
    market.step()
    assert last_status(market) == "no_debt"
    market.run(2)
    market.ledger.audit()


def test_a_transaction_may_require_a_gain() -> None:
    market = Market(setup("constant_product"), rng=1)
    ann = Idle(market, {"eth": 10.0}, "ann")
    quoted = market.pools["pool"].quote("eth", "usdc", 1.0)
    for least, status in ((quoted * 1.001, "limit"), (quoted * 0.999, "done")):
        with ann.transaction():
            ann.swap("pool", "eth", 1.0)
            ann.require("usdc", least)
        market.step()
        assert last_status(market) == status
