"""Liquidators take what pays, with the capital they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sim import Market, Scenario

FALL = {"kind": "price_jump", "asset": "eth", "size": -0.12, "block": 3}


def hunted(small: Callable[..., Scenario], group: dict[str, Any], **changes: Any) -> Market:
    agents = {
        "borrowers": {
            "kind": "leveraged_borrower",
            "count": 10,
            "lending": "bank",
            "collateral": "eth",
            "debt": "usdc",
            "pools": ["eth-usdc"],
            "leverage": 4.0,
            "equity": 5000.0,
            "attention": 0.0,
            "alarm": 0.0,
        },
        "liquidators": {
            "kind": "liquidator",
            "count": 1,
            "lending": "bank",
            "route": "venue",
            "wallet": {"usdc": 1e6},
        }
        | group,
    }
    return Market(small(agents=agents, shocks=[FALL], **changes), rng=1)


def done(market: Market, kind: str = "liquidate") -> Any:
    return market.receipts().query("kind == @kind and status == 'done'")


def test_it_liquidates_sells_and_earns_the_bonus(small: Callable[..., Scenario]) -> None:
    market = hunted(small, {"most": 10}).run(3)
    taken = done(market)
    assert len(taken) == 10
    assert (taken["possible"] == 0).all()
    repaid = taken["amount_in"].sum()
    # Half of each debt; 5 % of bonus, of which the protocol takes a tenth; half a spread.
    assert repaid == pytest.approx(10 * 7500.0, rel=1e-3)
    profit = market.ledger.balance("liquidators-0", "usdc") - 1e6
    assert profit == pytest.approx(repaid * (1.045 * 0.9995 - 1.0), rel=1e-3)
    assert market.ledger.balance("liquidators-0", "eth") == 0.0


def test_healthy_positions_are_left_alone(small: Callable[..., Scenario]) -> None:
    market = hunted(small, {}).run(2)
    assert market.receipts().empty


def test_capital_limits_what_it_takes(small: Callable[..., Scenario]) -> None:
    market = hunted(small, {"most": 10, "wallet": {"usdc": 10_000.0}}).run(3)
    assert done(market)["amount_in"].sum() <= 10_000.0 * 1.001
    market.run(10)  # the capital is used again once the sale is done
    assert done(market)["amount_in"].sum() > 30_000.0


def test_a_sale_that_costs_more_than_the_bonus_is_left(small: Callable[..., Scenario]) -> None:
    dear = {"eth-usdc": {"reserves": {"eth": 5.0, "usdc": 10_000.0}, "fee": 0.2}}
    market = hunted(small, {"route": "eth-usdc"}, pools=dear).run(10)
    assert done(market).empty


def test_a_sale_that_is_too_large_is_made_smaller(small: Callable[..., Scenario]) -> None:
    middling = {"eth-usdc": {"reserves": {"eth": 100.0, "usdc": 176_000.0}, "fee": 0.0}}
    market = hunted(small, {"route": "eth-usdc", "most": 1}, pools=middling).run(3)
    # 7,500 of debt could be repaid; selling that much costs more than the bonus earns.
    repaid = done(market)["amount_in"].iloc[0]
    assert 0.0 < repaid < 3800.0
    assert market.ledger.balance("liquidators-0", "usdc") > 1e6


def test_what_is_held_is_sold_later(small: Callable[..., Scenario]) -> None:
    market = hunted(small, {"hold": 5.0, "most": 1, "risk_aversion": 0.0}).run(3)
    assert len(done(market)) == 1
    assert market.ledger.balance("liquidators-0", "eth") > 0.0
    market.run(12)
    sold = done(market, "venue")
    assert len(sold) > 0
    assert sold["block"].iloc[0] >= 8


def test_a_debt_in_another_token_is_bought_first(small: Callable[..., Scenario]) -> None:
    venue = {"assets": {"dai": {"price": 1.0, "process": "constant", "inventory": 1e9}}}
    oracles = {"dai": {"token": "dai", "source": "venue"}}
    lending = {"bank": {"reserves": {"dai": {"collateral": False, "cash": 1e6}}}}
    base = hunted(small, {}, venue=venue, oracles=oracles, lending=lending).setup
    market = Market(base.override({"agents.borrowers.debt": "dai"}), rng=1).run(3)
    kinds = market.receipts()["kind"].astype(str).tolist()
    assert kinds[:3] == ["venue", "liquidate", "venue"]
    assert market.ledger.balance("liquidators-0", "usdc") > 1e6


def test_the_switch_makes_it_keep_what_it_seizes(small: Callable[..., Scenario]) -> None:
    market = hunted(small, {"most": 10}, switches={"liquidators_sell": False}).run(40)
    assert len(done(market)) >= 10
    assert done(market, "venue").empty
    assert market.ledger.balance("liquidators-0", "eth") > 10.0


@pytest.mark.parametrize("count", [2, 5])
def test_of_several_one_wins_each_position(small: Callable[..., Scenario], count: int) -> None:
    market = hunted(small, {"count": count, "most": 10}).run(3)
    tried = market.receipts().query("kind == 'liquidate'")
    borrowers = {f"borrowers-{i}" for i in range(10)}
    for borrower, races in tried.groupby(tried["counterparty"].astype(str)):
        borrowers.remove(str(borrower))
        assert races["sender"].nunique() == len(races) == count  # everybody is after it
        # Who comes first repays half, and so makes it healthy for all who come after.
        assert races["reason"].tolist() == ["done"] + ["not_liquidatable"] * (count - 1)
    assert not borrowers


def test_a_sale_split_over_the_network_earns_more(small: Callable[..., Scenario]) -> None:
    pools = {
        "other": {"tokens": ["eth", "usdc"], "reserves": {"eth": 900.0, "usdc": 1.6e6}},
        "third": {"tokens": ["eth", "usdc"], "reserves": {"eth": 900.0, "usdc": 1.6e6}},
        "eth-usdc": {"reserves": {"eth": 1000.0, "usdc": 1.76e6}},
    }
    here = {"most": 10, "route": None, "pools": ["eth-usdc"]}
    gains = []
    for routing in (False, True):
        market = hunted(small, here | {"routing": routing}, pools=pools).run(6)
        gains.append(market.ledger.balance("liquidators-0", "usdc") - 1e6)
        sold = market.receipts().query("kind == 'swap' and status == 'done'")
        places = set(sold[sold["sender"] == "liquidators-0"]["protocol"])
        assert places == ({"eth-usdc", "other", "third"} if routing else {"eth-usdc"})
        market.ledger.audit()
    assert gains[1] > gains[0] > 0.0


def test_a_split_sale_is_bid_for_with_all_its_gas(small: Callable[..., Scenario]) -> None:
    pools = {
        "other": {"tokens": ["eth", "usdc"], "reserves": {"eth": 900.0, "usdc": 1.6e6}},
        "third": {"tokens": ["eth", "usdc"], "reserves": {"eth": 900.0, "usdc": 1.6e6}},
        "eth-usdc": {"reserves": {"eth": 1000.0, "usdc": 1.76e6}},
    }
    group = {"most": 1, "route": None, "pools": ["eth-usdc"], "routing": True}
    group |= {"bid_share": 0.3, "margin": 0.0}
    wallet = {"wallet": {"usdc": 1e6, "eth": 5.0}}
    block = {"fee_market": "first_price", "outside": {"gas": 0.5, "bid_median": 5.0}}
    market = hunted(small, group | wallet, pools=pools, block=block).run(6)
    mine = market.receipts().query("sender == 'liquidators-0' and status == 'done'")
    first = mine[mine["transaction"] == mine["transaction"].iloc[0]]
    swaps = int((first["kind"] == "swap").sum())
    assert swaps > 1
    gas = float(first["gas"].iloc[0])
    costs = market.setup.block.gas
    assert gas == costs.liquidate + swaps * costs.swap + costs.require
    spent = gas * float(first["gas_price"].iloc[0]) * 1e-9 * market.price("eth")
    gained = sum(first[first["kind"] == "swap"]["amount_out"])
    gained -= float(first[first["kind"] == "liquidate"]["amount_in"].iloc[0])
    assert spent == pytest.approx(0.3 * gained, rel=0.01)


def into_a_pool(small: Callable[..., Scenario], reserve: float, **group: Any) -> Market:
    """Liquidations whose sales move a pool that is as deep as is said."""
    pools = {"eth-usdc": {"reserves": {"eth": reserve, "usdc": 1760.0 * reserve}}}
    group = {"route": "eth-usdc", "most": 10, "margin": 0.0, "slippage": 1.0} | group
    return hunted(small, group, pools=pools).run(12)


def test_who_tries_sends_nothing_that_loses(small: Callable[..., Scenario]) -> None:
    def gains(market: Market) -> Any:
        frame = market.receipts().query("status == 'done' and cohort == 'liquidators'")
        spent = frame[frame["kind"] == "liquidate"].groupby("transaction")["amount_in"].sum()
        return frame[frame["kind"] == "swap"].groupby("transaction")["amount_out"].sum() - spent

    # Each sale would pay alone, but it is sent beside others into the same pool.
    blind = gains(into_a_pool(small, 150.0))
    assert (blind < 0.0).any()
    market = into_a_pool(small, 150.0, tries=1.0)
    seen = gains(market)
    assert len(seen) > 0
    assert (seen > 0.0).all()
    assert (market.receipts().query("cohort == 'liquidators'")["status"] == "done").all()


def test_what_is_held_must_be_worth_more_than_it_cost(small: Callable[..., Scenario]) -> None:
    market = hunted(small, {"tries": 1.0, "hold": 5, "most": 3, "margin": 0.0}).run(3)
    taken = done(market)
    assert len(taken) > 0
    assert (taken["amount_out"] * market.price("eth") > taken["amount_in"]).all()


def test_one_purse_serves_all_markets_or_one_each(small: Callable[..., Scenario]) -> None:
    lender = {
        "reserves": {
            "eth": {"ltv": 0.8, "threshold": 0.83, "bonus": 0.05},
            "usdc": {"collateral": False, "cash": 1e6},
        }
    }
    borrower = {
        "kind": "leveraged_borrower", "count": 8, "collateral": "eth", "debt": "usdc",
        "equity": 5e3, "leverage": 3.5, "attention": 0.0, "alarm": 0.0,
    }  # fmt: skip
    agents = {
        "ones": borrower | {"lending": "bank"},
        "twos": borrower | {"lending": "two"},
        "liquidators": {
            "kind": "liquidator", "count": 2, "lending": ["bank", "two"], "most": 20,
            "route": "venue", "wallet": {"usdc": 3e5},
        },
    }  # fmt: skip
    fall = {"kind": "price_jump", "asset": "eth", "size": -0.15, "block": 2}

    def struck(**switches: bool) -> set[tuple[str, str]]:
        setup = small(lending={"two": lender}, agents=agents, shocks=[fall], switches=switches)
        done = Market(setup, rng=1).run(30).receipts()
        done = done[(done.kind == "liquidate") & (done.status == "done")]
        return set(zip(done.sender.astype(str), done.protocol.astype(str), strict=True))

    assert {market for _, market in struck()} == {"bank", "two"}
    assert {sender for sender, market in struck() if market == "two"} | {
        sender for sender, market in struck() if market == "bank"
    } == {"liquidators-0", "liquidators-1"}
    apart = struck(liquidators_share_capital=False)
    assert apart == {("liquidators-0", "bank"), ("liquidators-1", "two")}
