"""Arbitrageurs take the gap that pays, at the size that pays most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocols.constant_product import arbitrage
from sim import Market, Scenario


def alone(small: Callable[..., Scenario], **changes: Any) -> Market:
    group = {
        "kind": "arbitrageur",
        "count": 1,
        "pools": ["eth-usdc"],
        "wallet": {"usdc": 1e7, "eth": 1.0},
    }
    group |= changes.pop("group", {})
    venue = {"assets": {"eth": {"spread": 0.0}}}
    return Market(small(agents={"arbs": group}, venue=venue, **changes), rng=1)


@pytest.mark.parametrize("size", [0.05, -0.05])
def test_the_size_is_the_closed_form_of_angeris(
    small: Callable[..., Scenario], size: float
) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": size, "block": 2}
    market = alone(small, shocks=[jump]).run(2)
    base_in, quote_in = arbitrage(1000.0, 2e6, 2000.0 * (1.0 + size), 0.003)
    swap = market.receipts().query("kind == 'swap'").iloc[0]
    assert swap["amount_in"] == pytest.approx(max(base_in, quote_in), rel=1e-9)
    profit = {0.05: 1075.7093, -0.05: 1138.1458}[size]  # VALIDATION 2
    assert market.ledger.balance("arbs-0", "usdc") - 1e7 == pytest.approx(profit, rel=1e-6)


def test_inside_the_fee_band_nothing_pays(small: Callable[..., Scenario]) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": 0.0029, "block": 2}
    assert alone(small, shocks=[jump]).run(5).receipts().empty


def test_a_finite_depth_makes_the_trade_smaller_and_it_still_pays(
    small: Callable[..., Scenario],
) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": 0.05, "block": 2}
    spent = []
    for depth in (1e12, 1e6, 1e5):
        changes = {"venue": {"assets": {"eth": {"depth": depth, "spread": 0.0}}}}
        group = {
            "kind": "arbitrageur",
            "count": 1,
            "pools": ["eth-usdc"],
            "wallet": {"usdc": 1e7},
        }
        market = Market(small(agents={"arbs": group}, shocks=[jump], **changes), rng=1).run(2)
        spent.append(market.receipts().query("kind == 'swap'")["amount_in"].iloc[0])
        assert market.ledger.balance("arbs-0", "usdc") > 1e7
    assert spent[0] == pytest.approx(46453.1183, rel=1e-3)
    assert spent[0] > spent[1] > spent[2] > 0.0


def test_capital_limits_the_trade(small: Callable[..., Scenario]) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": 0.05, "block": 2}
    market = alone(small, shocks=[jump], group={"wallet": {"usdc": 500.0}}).run(2)
    assert market.receipts()["amount_in"].iloc[0] == pytest.approx(500.0)


def test_a_profit_below_its_gas_is_left(small: Callable[..., Scenario]) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": 0.004, "block": 2}
    for base_fee, trades in ((0.0001, True), (500.0, False)):
        block = {
            "fee_market": "eip1559",
            "base_fee": base_fee,
            "min_base_fee": base_fee,
            "outside": {"gas": 0.0},
        }
        market = alone(small, shocks=[jump], block=block).run(2)
        assert (len(market.receipts()) > 0) == trades


def test_a_pool_between_two_volatile_tokens_takes_three_legs(
    small: Callable[..., Scenario],
) -> None:
    venue = {"assets": {"dai": {"price": 1.0, "process": "constant", "inventory": 1e9}}}
    pools = {"eth-dai": {"tokens": ["eth", "dai"], "reserves": {"eth": 500.0, "dai": 1.1e6}}}
    group = {"kind": "arbitrageur", "count": 1, "pools": ["eth-dai"], "wallet": {"usdc": 1e6}}
    market = Market(small(venue=venue, pools=pools, agents={"arbs": group}), rng=1).run(3)
    legs = market.receipts()
    assert legs["kind"].astype(str).tolist() == ["venue", "swap", "venue"]
    assert market.ledger.balance("arbs-0", "usdc") > 1e6
    assert market.pools["eth-dai"].spot_price() == pytest.approx(2000.0, rel=0.005)


def test_late_arrivals_lose(small: Callable[..., Scenario]) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": 0.05, "block": 2}
    market = alone(small, shocks=[jump], group={"count": 2, "wallet": {"usdc": 1e6}})
    market.cohorts["arbs"].column("latency")[:] = [3.0, 0.0]
    frame = market.run(8).receipts().query("call == 0")
    assert frame["sender"].astype(str).tolist() == ["arbs-1", "arbs-0"]
    assert frame["block"].tolist() == [2, 5]
    assert frame["reason"].astype(str).tolist() == ["done", "limit"]


def test_one_without_money_holds_up_nobody_after_it(small: Callable[..., Scenario]) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": 0.05, "block": 2}
    market = alone(small, shocks=[jump], group={"count": 2})
    market.ledger.transfer("arbs-0", "venue", "usdc", 1e7)
    receipts = market.run(2).receipts()
    assert set(receipts["sender"]) == {"arbs-1"}
    assert market.ledger.balance("arbs-1", "usdc") > 1e7


def test_a_search_that_capital_did_not_limit_holds_for_all_who_have_enough(
    small: Callable[..., Scenario],
) -> None:
    # What it takes is 46,453: the second has less than the first and enough, the third too little.
    jump = {"kind": "price_jump", "asset": "eth", "size": 0.05, "block": 2}
    market = alone(small, shocks=[jump], group={"count": 3})
    for name, money in (("arbs-1", 50_000.0), ("arbs-2", 30_000.0)):
        market.ledger.transfer(name, "venue", "usdc", 1e7 - money)
    swaps = market.run(2).receipts().query("kind == 'swap'").set_index("sender")["amount_in"]
    assert swaps["arbs-1"] == swaps["arbs-0"] == pytest.approx(46453.1183, rel=1e-6)
    assert swaps["arbs-2"] == 30_000.0
