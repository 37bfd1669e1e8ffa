"""Shocks from outside do what they say, when they say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sim import Market, Scenario, registry
from sim.codes import Kind
from sim.scenario import SHOCK_KINDS
from sim.shocks import HOLDING


def shocked(make: Callable[..., Scenario], blocks: int, *shocks: dict[str, Any]) -> Market:
    return Market(make(shocks=list(shocks)), rng=1).run(blocks)


def column(market: Market, name: str) -> np.ndarray:
    return market.datacollector.get_model_vars_dataframe()[name].to_numpy()


def test_every_kind_of_shock_has_what_strikes_it() -> None:
    for kind in SHOCK_KINDS:
        assert callable(registry.strike(kind))
    assert set(HOLDING) < set(SHOCK_KINDS)


def test_what_protocols_hold_stays_where_everybody_leaves(small: Callable[..., Scenario]) -> None:
    shocks = [
        {"kind": "provider_exit", "pool": "eth-usdc", "share": 1.0, "block": 2},
        {"kind": "withdrawal", "lending": "bank", "token": "usdc", "share": 1.0, "block": 2},
    ]
    own = {"v": {"kind": "vault", "asset": "eth"}}
    market = Market(small(agents={}, protocols=own, shocks=shocks), rng=1)
    for token in ("eth-usdc-share", "bank-usdc"):
        market.ledger.transfer("holders", "v", token, 5.0)
    market.run(3)
    assert set(market.receipts()["sender"].astype(str)) == {"holders"}
    assert market.ledger.balance("v", "eth-usdc-share") == 5.0
    assert market.ledger.balance("v", "bank-usdc") == 5.0


def test_a_sale_needs_somebody_who_buys(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1)
    assert market.sale("venue", "eth") == (Kind.VENUE, 0, "usdc")
    assert market.sale("eth-usdc", "usdc") == (Kind.SWAP, 0, "eth")
    with pytest.raises(ValueError, match="'bank' buys nothing"):
        market.sale("bank", "eth")


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


def test_a_halted_pool_does_not_trade_until_it_is_over(lively: Callable[..., Scenario]) -> None:
    shock = {"kind": "pool_halt", "pool": "eth-usdc", "block": 20, "blocks": 15}
    market = Market(lively(shocks=[shock]), rng=1).run(60)
    swaps = market.receipts().query("kind == 'swap'")
    during = swaps.query("20 <= block < 35")
    assert set(during["reason"]) == {"halted"}
    done = swaps.query("status == 'done'")["block"]
    assert (done < 20).any()
    assert (done >= 35).any()


def test_a_stopped_group_sends_nothing_and_goes_on_after(lively: Callable[..., Scenario]) -> None:
    shock = {"kind": "agents_stop", "agents": "traders", "block": 20, "blocks": 15}
    runs = [Market(lively(shocks=[shock]), rng=1), Market(lively(shocks=[shock]), rng=1)]
    runs[0].run(60)
    for _ in range(60):
        runs[1].step()
    assert (runs[0].ledger.balances == runs[1].ledger.balances).all()
    theirs = runs[0].receipts().query("cohort == 'traders'")
    sent = theirs["block"] - theirs["waited"]
    assert not ((sent >= 20) & (sent < 35)).any()
    assert (sent < 20).any()
    assert (sent >= 35).any()


def test_links_are_cut_for_a_while() -> None:
    shock = {"kind": "mechanism_cut", "mechanism": "interconnected", "block": 20, "blocks": 20}
    setup = Scenario.load("interconnected").override({"shocks": [shock], "blocks": 60})
    market = Market(setup, rng=1).run()
    receipts = market.receipts().query("cohort == 'traders' or cohort == 'cyclic'")
    routed = receipts.query("kind == 'require'")
    assert not routed["block"].between(20, 39).any()
    assert (routed["block"] < 20).any()
    assert (routed["block"] >= 40).any()
    alone = receipts.query("20 <= block < 40 and kind == 'swap'")
    assert (alone.groupby(["block", "transaction"]).size() == 1).all()


@pytest.mark.parametrize(
    ("shock", "words"),
    [
        ({"kind": "pool_halt", "pool": "eth-usd", "blocks": 3}, "did you mean 'eth-usdc'"),
        ({"kind": "agents_stop", "agents": "trader", "blocks": 3}, "unknown group of agents"),
        ({"kind": "mechanism_cut", "mechanism": "breakers", "blocks": 0}, "of at least 1"),
    ],
)
def test_mistakes_in_what_is_stopped_are_named(
    lively: Callable[..., Scenario], shock: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        lively(shocks=[shock | {"block": 2}])


def test_a_shock_that_is_added_strikes_as_if_the_scenario_held_it(
    small: Callable[..., Scenario],
) -> None:
    sale = {"kind": "whale_sale", "token": "eth", "amount": 30.0, "target": "eth-usdc"}
    stated = small(shocks=[sale | {"blocks": 3, "block": 4}])
    with_it = Market(stated, rng=1).run(10)
    added = Market(small(), rng=1).run(2)
    added.shocks.add(stated.shocks[0], 4)
    added.run(8)
    assert np.array_equal(with_it.ledger.balances, added.ledger.balances)
    assert [block for block, _ in added.shocks.struck] == [4, 5, 6]


def test_nothing_can_be_added_to_the_past(small: Callable[..., Scenario]) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": -0.1, "block": 9}
    shock = small(shocks=[jump]).shocks[0]
    market = Market(small(), rng=1).run(5)
    with pytest.raises(ValueError, match="made already; give 6 or more"):
        market.shocks.add(shock, 5)


def test_only_what_holds_can_be_taken_back(small: Callable[..., Scenario]) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": -0.1, "block": 3}
    market = Market(small(shocks=[jump]), rng=1).run(5)
    with pytest.raises(ValueError, match="price_jump cannot be taken back"):
        market.shocks.end(market.setup.shocks[0])


def test_what_is_taken_back_ends_with_the_next_block(small: Callable[..., Scenario]) -> None:
    halt = {"kind": "pool_halt", "pool": "eth-usdc", "block": 3, "blocks": 50}
    freeze = {"kind": "oracle_freeze", "oracle": "eth", "block": 3, "blocks": 50}
    market = Market(small(shocks=[halt, freeze]), rng=1).run(5)
    assert market.pools["eth-usdc"].record["halted"][0] == 1
    for shock in market.setup.shocks:
        market.shocks.end(shock)
    market.step()
    assert market.pools["eth-usdc"].record["halted"][0] == 0
    assert market.oracles["eth"].record["frozen_until"][0] == 6


def test_a_long_whale_sale_waits_in_one_place(small: Callable[..., Scenario]) -> None:
    long = {"kind": "whale_sale", "token": "eth", "amount": 1e6, "block": 2, "blocks": 10**9}
    short = long | {"amount": 5.0, "blocks": 2, "block": 3}
    market = Market(small(shocks=[long, short]), rng=1)
    assert len(market.shocks.pending) == 2
    market.run(5)
    assert [(at, s.blocks) for at, s in market.shocks.struck] == [
        (2, 10**9), (3, 10**9), (3, 2), (4, 10**9), (4, 2), (5, 10**9)
    ]  # fmt: skip
    assert len(market.shocks.pending) == 1
