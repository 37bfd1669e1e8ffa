"""What is cut for a while acts as with its switch off, and then as before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest

from sim import Market, Scenario
from sim.errors import ScenarioError
from sim.mechanisms import present
from sim.scenario import Mechanism, Switches
from sim.shocks import HOLDING, held_by

MECHANISMS = get_args(Mechanism)
ALL_OF_THEM: dict[str, Any] = {
    "venue": {"assets": {"btc": {"price": 40_000.0, "volatility": 1.0, "inventory": 1e5}}},
    "oracles": {
        "eth": {"source": "pool_twap", "pool": "eth-usdc", "window": 5},
        "btc": {"token": "btc"},
    },
    "lending": {
        "two": {
            "reserves": {
                "btc": {"ltv": 0.8, "threshold": 0.83},
                "eth": {"ltv": 0.8, "threshold": 0.83},
                "usdc": {"collateral": False, "cash": 1e6},
            }
        }
    },
    "pools": {
        "eth-usdc": {"protocol_fee": 0.2, "breaker": {"move": 0.03, "window": 20, "cool_down": 4}},
        "other": {"tokens": ["eth", "usdc"], "reserves": {"eth": 500.0, "usdc": 1e6}},
    },
    "insurance": {
        "fund": {"token": "usdc", "funds": 1e4, "covers": ["eth-usdc", "bank"], "premium": 0.5}
    },
    "agents": {
        "traders": {"pools": ["eth-usdc", "other"], "routing": True, "wallet": {"eth": 40}},
        "funds": {
            "kind": "leveraged_fund",
            "count": 4,
            "assets": ["eth", "btc"],
            "debt": "usdc",
            "lending": ["bank", "two"],
            "equity": 2e4,
            "leverage": 2.5,
            "band": 0.01,
            "flow": 5.0,
            "attention": 1.0,
            "review": 15.0,
            "wallet": {"eth": 1.0, "usdc": 100.0},
        },
        "makers": {
            "kind": "market_maker",
            "count": 2,
            "assets": {"eth": 1.0},
            "wallet": {"eth": 20.0, "usdc": 1e5},
        },
        "allocators": {
            "kind": "allocator",
            "count": 10,
            "lending": ["bank", "two"],
            "token": "usdc",
            "attention": 0.2,
            "horizon": 1e5,
            "wallet": {"eth": 1.0},
        },
        "refinancers": {
            "kind": "refinancer",
            "count": 10,
            "lending": ["bank", "two"],
            "collaterals": ["eth"],
            "debt": "usdc",
            "pools": ["eth-usdc"],
            "attention": 0.2,
            "horizon": 1e5,
            "wallet": {"eth": 1.0},
        },
    },
}


def cut(mechanism: str, block: int, blocks: int) -> dict[str, Any]:
    return {
        "kind": "mechanism_cut",
        "mechanism": mechanism,
        "block": block,
        "blocks": blocks,
    }


def same_bits(one: Market, other: Market) -> bool:
    return bool(
        np.array_equal(one.ledger.balances, other.ledger.balances)
        and np.array_equal(one.world.cells, other.world.cells)
        and one.receipts().equals(other.receipts())
    )


def test_every_switch_but_those_of_the_start_can_be_cut_for_a_while() -> None:
    at_the_start = {"capital_is_finite", "claims_as_collateral"}
    assert set(MECHANISMS) == set(Switches.model_fields) - at_the_start


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_what_is_cut_all_the_time_is_what_its_switch_cuts(
    lively: Callable[..., Scenario], mechanism: str
) -> None:
    content = ALL_OF_THEM | {"blocks": 120}
    as_it_is = Market(lively(**content), rng=4).run()
    for_a_while = Market(lively(**content, shocks=[cut(mechanism, 1, 500)]), rng=4).run()
    off = Market(lively(**content, switches={mechanism: False}), rng=4).run()
    assert same_bits(for_a_while, off)
    assert not same_bits(for_a_while, as_it_is)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_it_works_again_as_before(lively: Callable[..., Scenario], mechanism: str) -> None:
    content = ALL_OF_THEM | {"blocks": 60}
    market = Market(lively(**content, shocks=[cut(mechanism, 20, 20)]), rng=4)
    fields = {
        "rules": ["fee_market", "interconnected"],
        "assets": ["depth"],
        "feeds": ["exogenous", "live"],
        "pools": ["guarded"],
        "funds": ["cover", "premium"],
        "cohorts": ["routes"],
    }
    columns = {
        "liquidators": ["hold", "risk_aversion", "everywhere"],
        "funds": ["across", "flow"],
        "providers": ["tolerance", "volatility"],
        "lenders": ["attention"],
        "makers": ["binds"],
        "allocators": ["attention", "news", "alone"],
        "refinancers": ["stays"],
    }

    def rules() -> list[Any]:
        world = [
            getattr(market.world, table)[f].tolist() for table, fs in fields.items() for f in fs
        ]
        return world + [
            market.cohorts[group].column(name).tolist()
            for group, ns in columns.items()
            for name in ns
        ]

    before = rules()
    market.run(19)
    assert rules() == before
    market.run(1)
    assert rules() != before
    market.run(19)
    assert rules() != before
    market.run(1)
    assert rules() == before
    market.run()
    stepped = Market(lively(**content, shocks=[cut(mechanism, 20, 20)]), rng=4)
    for _ in range(60):
        stepped.step()
    assert same_bits(market, stepped)


def test_what_two_shocks_cut_works_again_after_the_later(lively: Callable[..., Scenario]) -> None:
    shocks = [cut("gas_binds", 10, 20), cut("gas_binds", 20, 20), cut("gas_binds", 60, 5)]
    market = Market(lively(blocks=70, shocks=shocks), rng=4)
    free = []
    for _ in range(70):
        market.step()
        free.append(int(market.world.rules[0]["fee_market"]) == 0)
    assert [block + 1 for block in range(70) if free[block]] == [*range(10, 40), *range(60, 65)]


def test_two_halts_hold_until_the_later_is_over(small: Callable[..., Scenario]) -> None:
    long = {"kind": "pool_halt", "pool": "eth-usdc", "block": 3, "blocks": 20}
    market = Market(small(shocks=[long, long | {"block": 8, "blocks": 2}]), rng=1).run(22)
    assert market.pools["eth-usdc"].halted
    market.step()
    assert not market.pools["eth-usdc"].halted


def test_two_freezes_and_two_stops_hold_until_the_later_is_over(
    lively: Callable[..., Scenario],
) -> None:
    freeze = {"kind": "oracle_freeze", "oracle": "eth", "block": 3, "blocks": 20}
    stop = {"kind": "agents_stop", "agents": "traders", "block": 3, "blocks": 20}
    short = {"block": 8, "blocks": 2}
    market = Market(lively(shocks=[freeze, stop, freeze | short, stop | short]), rng=1).run(60)
    receipts = market.receipts().query("cohort == 'traders'")
    sent = receipts["block"] - receipts["waited"]
    assert not sent.between(3, 22).any()
    assert (sent >= 23).any()
    price = market.datacollector.get_model_vars_dataframe()["oracle.eth.price"]
    assert price[2:22].nunique() == 1
    assert price[22:].nunique() > 10


def test_a_halt_does_not_end_what_a_breaker_holds(lively: Callable[..., Scenario]) -> None:
    breaker = {"move": 0.01, "window": 5, "cool_down": 50}
    halts = {"kind": "pool_halt", "pool": "eth-usdc", "blocks": 3}
    market = Market(lively(blocks=200, pools={"eth-usdc": {"breaker": breaker}}), rng=1)
    pool = market.pools["eth-usdc"]
    while not pool.halted:
        market.step()
    until = int(pool.record["halted_until"][0])
    halt = lively(shocks=[halts | {"block": market.block + 1}]).shocks[0]
    market.shocks.add(halt, market.block + 1)
    market.run(10)
    assert pool.halted
    assert int(pool.record["halted_until"][0]) == until


def test_a_breaker_that_is_cut_lets_go_and_begins_anew(lively: Callable[..., Scenario]) -> None:
    breaker = {"move": 0.1, "window": 1000, "cool_down": 5000}
    market = Market(lively(blocks=900, pools={"eth-usdc": {"breaker": breaker}}), rng=1)
    pool = market.pools["eth-usdc"]
    while not pool.halted:
        market.step()
    shocks = lively(
        shocks=[
            cut("breakers", market.block + 1, 10),
            {"kind": "price_jump", "asset": "eth", "size": 0.5, "block": market.block + 2},
        ]
    ).shocks
    for shock in shocks:
        market.shocks.add(shock, shock.block)
    before = pool.spot_price()
    for _ in range(10):
        market.step()
        assert not pool.halted
    assert abs(pool.spot_price() / before - 1.0) > 0.1
    market.step()
    assert int(pool.record["guarded"][0]) == 1
    assert not pool.halted


def test_a_mean_price_that_was_not_read_is_no_stale_one(lively: Callable[..., Scenario]) -> None:
    content = ALL_OF_THEM | {"blocks": 60, "shocks": [cut("oracle_reads_market", 10, 30)]}
    market = Market(lively(**content), rng=4)
    pool, seen = market.pools["eth-usdc"], []
    for _ in range(45):
        seen.append(pool.spot_price())
        market.step()
    assert market.oracles["eth"].price == pytest.approx(np.mean(seen[-5:]), rel=1e-12)


def test_a_cut_of_what_is_switched_off_does_not_switch_it_on(
    lively: Callable[..., Scenario],
) -> None:
    off = {"switches": {"gas_binds": False}}
    market = Market(lively(**off, shocks=[cut("gas_binds", 5, 5)]), rng=1).run(20)
    assert same_bits(market, Market(lively(**off), rng=1).run(20))


def test_only_what_works_is_present(
    small: Callable[..., Scenario], lively: Callable[..., Scenario]
) -> None:
    assert present(small()) == ["oracle_reads_market"]
    assert present(lively(**ALL_OF_THEM)) == [m for m in Switches.model_fields if m in MECHANISMS]
    assert "gas_binds" not in present(lively(switches={"gas_binds": False}))


def test_an_unknown_mechanism_is_named(small: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError, match=r"shocks\.0\.mechanism.*gas_binds"):
        small(shocks=[cut("gas_bind", 1, 1)])
    with pytest.raises(ScenarioError, match=r"shocks\.0\.mechanism"):
        small(shocks=[cut("capital_is_finite", 1, 1)])


def test_shocks_that_hold_say_what(small: Callable[..., Scenario]) -> None:
    shocks = small(
        shocks=[
            cut("gas_binds", 1, 1),
            {"kind": "gas_surge", "multiple": 2.0, "block": 1, "blocks": 1},
        ]
    ).shocks
    assert [held_by(shock) for shock in shocks] == [("mechanism_cut", "gas_binds"), None]
    assert set(HOLDING) == {
        "mechanism_cut", "oracle_freeze", "agents_stop", "pool_halt", "event",
    }  # fmt: skip
