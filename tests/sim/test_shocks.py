"""Shocks from outside do what they say, when they say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sim import Market, Scenario


def shocked(make: Callable[..., Scenario], blocks: int, *shocks: dict[str, Any]) -> Market:
    return Market(make(shocks=list(shocks)), rng=1).run(blocks)


def column(market: Market, name: str) -> np.ndarray:
    return market.datacollector.get_model_vars_dataframe()[name].to_numpy()


def test_a_price_jumps_in_its_block(small: Callable[..., Scenario]) -> None:
    shock = {"kind": "price_jump", "asset": "eth", "size": -0.3, "block": 4}
    prices = column(shocked(small, 6, shock), "venue.eth.price")
    assert prices == pytest.approx([2000.0] * 3 + [1400.0] * 3)


def test_a_whale_sells_over_its_blocks(small: Callable[..., Scenario]) -> None:
    shock = {
        "kind": "whale_sale",
        "token": "eth",
        "amount": 100.0,
        "target": "eth-usdc",
        "block": 2,
        "blocks": 4,
    }
    market = shocked(small, 8, shock)
    sold = market.receipts()
    assert sold["block"].tolist() == [2, 3, 4, 5]
    assert sold["amount_in"].tolist() == [25.0] * 4
    assert market.pools["eth-usdc"].reserves["eth"] == pytest.approx(1100.0)
    # The whale's tokens are nobody's gain, and its slippage is the holders' of the pool.
    assert column(market, "result.holders")[-1] == pytest.approx(0.0, abs=1e-3)


def test_a_whale_may_sell_outside(small: Callable[..., Scenario]) -> None:
    shock = {"kind": "whale_sale", "token": "eth", "amount": 1000.0, "block": 2}
    market = Market(small(venue={"assets": {"eth": {"depth": 1e6}}}, shocks=[shock]), rng=1)
    assert market.run(3).venue.price("eth") < 1990.0


def test_providers_leave(lively: Callable[..., Scenario]) -> None:
    shock = {"kind": "provider_exit", "pool": "eth-usdc", "share": 0.5, "block": 3}
    market = Market(lively(shocks=[shock], agents={"providers": {"count": 0}}), rng=1)
    before = market.ledger.supply("eth-usdc-share")
    market.run(3)
    assert market.ledger.supply("eth-usdc-share") == pytest.approx(before / 2.0)


def test_only_the_named_group_leaves(lively: Callable[..., Scenario]) -> None:
    shock = {
        "kind": "provider_exit",
        "pool": "eth-usdc",
        "share": 1.0,
        "block": 2,
        "agents": "providers",
    }
    market = Market(lively(shocks=[shock]), rng=1)
    market.run(2)
    share = market.ledger.token("eth-usdc-share")
    assert market.cohorts["providers"].balances(market)[:, share].max() == 0.0
    assert market.ledger.balance("holders", "eth-usdc-share") > 0.0


def test_gas_surges_and_calms_down(small: Callable[..., Scenario]) -> None:
    block = {"fee_market": "first_price", "outside": {"gas": 0.5}}
    shock = {"kind": "gas_surge", "multiple": 10.0, "block": 5, "blocks": 5}
    market = Market(small(block=block, shocks=[shock]), rng=1).run(12)
    gas = column(market, "gas.mean")
    assert gas[4:9].min() > 9.0 * gas[3]
    assert gas[10] == pytest.approx(gas[3])


def test_an_oracle_freezes_and_thaws(small: Callable[..., Scenario]) -> None:
    freeze = {"kind": "oracle_freeze", "oracle": "eth", "block": 3, "blocks": 4}
    jump = {"kind": "price_jump", "asset": "eth", "size": -0.5, "block": 4}
    prices = column(shocked(small, 9, freeze, jump), "oracle.eth.price")
    assert prices == pytest.approx([2000.0] * 6 + [1000.0] * 3)


def test_depositors_withdraw(lively: Callable[..., Scenario]) -> None:
    shock = {"kind": "withdrawal", "lending": "bank", "token": "usdc", "share": 0.5, "block": 2}
    market = Market(lively(shocks=[shock]), rng=1)
    before = market.lending["bank"].deposits("usdc")
    market.run(2)
    assert market.lending["bank"].deposits("usdc") == pytest.approx(before / 2.0, rel=0.05)


def test_depth_vanishes_for_a_while(small: Callable[..., Scenario]) -> None:
    shock = {"kind": "depth_loss", "asset": "eth", "share": 0.9, "block": 3, "blocks": 3}
    setup = small(venue={"assets": {"eth": {"depth": 1e6}}}, shocks=[shock])
    depth = column(Market(setup, rng=1).run(8), "venue.eth.depth")
    assert depth == pytest.approx([1e6] * 2 + [1e5] * 3 + [1e6] * 3)


def test_shocks_of_one_block_all_strike(small: Callable[..., Scenario]) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": 1.0, "block": 2}
    market = shocked(small, 3, jump, jump, jump)
    assert market.venue.price("eth") == pytest.approx(16_000.0)
    assert len(market.shocks.struck) == 3
