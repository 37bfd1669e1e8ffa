"""Measures say what they say they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from protocols.loan_measures import FALL, QUANTILES
from sim import Market, Scenario


def last(market: Market) -> dict[str, float]:
    market.datacollector.collect(market)
    return market.datacollector.get_model_vars_dataframe().iloc[-1].to_dict()


def test_measures_agree_with_the_handles(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=3).run(80)
    row, pool, bank = last(market), market.pools["eth-usdc"], market.lending["bank"]
    price = market.venue.price("eth")
    x, y = pool.reserves["eth"], pool.reserves["usdc"]
    expected = {
        "venue.eth.price": price,
        "pool.eth-usdc.price": y / x,
        "pool.eth-usdc.mispricing": y / x / price - 1.0,
        "pool.eth-usdc.imbalance": (x * price - y) / (x * price + y),
        "pool.eth-usdc.value": x * price + y,
        "pool.eth-usdc.slippage": 1.0
        - pool.quote("eth", "usdc", 1e4 / price) / (1e4 / price * y / x),
        "lending.bank.usdc.utilisation": bank.utilisation("usdc"),
        "lending.bank.usdc.borrow_rate": bank.borrow_rate("usdc"),
        "lending.bank.usdc.supply_rate": bank.supply_rate("usdc"),
        "lending.bank.usdc.withdrawable": bank.cash("usdc") / bank.deposits("usdc"),
        "lending.bank.liquidations": bank.liquidations,
        "lending.bank.liquidated": bank.liquidated_value,
        "lending.bank.bad_debt": bank.bad_debt,
        "wealth.traders": sum(market.wealth(f"traders-{i}") for i in range(60)),
    }
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_positions_are_measured_as_they_stand(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=3).run(30)
    row, positions = last(market), market.lending["bank"].positions()
    factors = positions["health_factor"].to_numpy()
    for name, share in QUANTILES:
        value = row[f"lending.bank.health_{name}"]
        assert value == pytest.approx(np.quantile(factors, share))
    debt = positions["debt_value"]
    at_risk = debt[factors * (1.0 - FALL) < 1.0].sum()
    assert row["lending.bank.endangered"] == pytest.approx(at_risk)
    assert row["lending.bank.debt"] == pytest.approx(debt.sum())
    assert row["lending.bank.debtors"] == len(positions)
    own = positions["collateral_value"].sum()
    assert row["lending.bank.leverage"] == pytest.approx(own / (own - debt.sum()))
    shortfall = (debt - positions["collateral_value"]).clip(lower=0.0).sum()
    assert row["lending.bank.shortfall"] == pytest.approx(shortfall)


def test_the_depth_is_the_sale_that_moves_the_price_one_per_cent(market: Market) -> None:
    row, pool = last(market), market.pools["eth-usdc"]
    amount = row["pool.eth-usdc.depth"] / 2000.0
    x, y = pool.reserves["eth"], pool.reserves["usdc"]
    out = pool.quote("eth", "usdc", amount)
    kept = amount * (1.0 - pool.fee)
    assert (y - out) / (x + kept) == pytest.approx(0.99 * y / x)


def test_volume_and_fees_are_valued_when_they_are_paid(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=3)
    worth = 0.0
    for _ in range(40):
        before = market.pools["eth-usdc"].volume
        market.step()
        price = float(market.venue.asset("eth")["price"])
        after = market.pools["eth-usdc"].volume
        worth += (after["eth"] - before["eth"]) * price + after["usdc"] - before["usdc"]
    row = last(market)
    assert worth > 0.0
    assert row["pool.eth-usdc.volume"] == pytest.approx(worth)
    assert row["pool.eth-usdc.fees"] == pytest.approx(worth * 0.003)
    assert row["pools.volume"] == pytest.approx(worth)


def test_without_trades_providers_have_lost_and_earned_nothing(market: Market) -> None:
    row = last(market.run(3))
    assert row["pool.eth-usdc.impermanent_loss"] == pytest.approx(0.0, abs=1e-12)
    assert row["pool.eth-usdc.provider_return"] == pytest.approx(0.0, abs=1e-12)


def test_only_what_is_kept_is_measured(small: Callable[..., Scenario]) -> None:
    keep = ["gas.*", "pool.*.price"]
    market = Market(small(measures={"keep": keep, "every": 3}), rng=1).run(10)
    frame = market.datacollector.get_model_vars_dataframe()
    assert frame["block"].tolist() == [3, 6, 9]
    assert set(frame) == {"block", "pool.eth-usdc.price"} | {
        f"gas.{what}" for what in ("price", "mean", "base_fee", "used", "waiting")
    }


def test_losses_are_counted_from_the_start(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=3)
    start = {name: last(market)[f"wealth.{name}"] for name in market.cohorts}
    market.run(50)
    row = last(market)
    for name, wealth in start.items():
        assert row[f"loss.{name}"] == pytest.approx(wealth - row[f"wealth.{name}"], abs=1e-4)


def test_every_measure_has_a_name_of_its_own_and_a_unit(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    names = [m.name for m in market.measures]
    assert len(set(names)) == len(names)
    assert all(market.datacollector.units[name] for name in names)


def test_what_pools_cost_and_earn_is_measured(small: Callable[..., Scenario]) -> None:
    traders = {
        "kind": "noise_trader", "count": 30, "pools": ["eth-usdc"], "rate": 0.3,
        "wallet": {"eth": 100.0, "usdc": 2e5},
    }  # fmt: skip
    keep = {"keep": ["*", "pool.*.concentration"]}
    market = Market(small(agents={"traders": traders}, measures=keep, blocks=50), rng=1).run()
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    pool = market.pools["eth-usdc"]
    paid = {t: pool.volume[t] - pool.paid_out[t] for t in pool.tokens}
    markout = paid["eth"] * 2000.0 + paid["usdc"]
    assert row["pool.eth-usdc.loss_versus_rebalancing"] == pytest.approx(
        row["pool.eth-usdc.fees"] - markout
    )
    # Nobody else trades: what they paid is what the pool gained.
    assert row["slippage.traders"] * row["traded.traders"] == pytest.approx(markout)
    assert row["traded.traders"] == pytest.approx(row["pool.eth-usdc.volume"])
    assert row["result.traders"] == pytest.approx(-markout, rel=1e-9)
    days = 50 * 12.0 / 86_400.0
    value = 4e6
    assert row["pool.eth-usdc.efficiency"] == pytest.approx(
        row["pool.eth-usdc.volume"] / value / days, rel=0.02
    )
    assert row["pool.eth-usdc.fee_yield"] == pytest.approx(
        row["pool.eth-usdc.fees"] / value / days * 365.25, rel=0.02
    )
    assert row["pool.eth-usdc.concentration"] == 1.0  # the outside holders are one
    depths = [row[f"pool.eth-usdc.{name}"] for name in ("depth", "depth_2", "depth_5", "depth_10")]
    assert depths == sorted(depths)
    slips = [row[f"pool.eth-usdc.{n}"] for n in ("slippage", "slippage_10x", "slippage_100x")]
    assert slips == sorted(slips)


def test_costly_measures_are_kept_only_where_they_are_asked_for(
    small: Callable[..., Scenario],
) -> None:
    names = [m.name for m in Market(small(), rng=1).measures]
    assert "pool.eth-usdc.value" in names
    assert "pool.eth-usdc.concentration" not in names
    share = {"pool.eth-usdc.concentration"}
    market = Market(small(measures={"keep": ["pool.*.concentration"]}), rng=1)
    assert {m.name for m in market.measures} == share
    market.ledger.transfer(
        "holders", "venue", "eth-usdc-share", market.ledger.supply("eth-usdc-share") / 4
    )
    row = market.run(1).datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["pool.eth-usdc.concentration"] == pytest.approx(0.75**2 + 0.25**2)
