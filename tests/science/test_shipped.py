"""Every mechanism stands in a scenario that ships, and acts there together with the others."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest

from runs import Study
from runs.study.design import points
from sim import Market, Scenario, registry
from sim.mechanisms import present
from sim.parts import sections
from sim.scenario.block import BlockSettings
from sim.scenario.venue import AssetSettings

SEEDS = (1, 2, 3)
SHIPPED: Mapping[str, Scenario] = {name: Scenario.load(name) for name in Scenario.names()}
RECORDED = {"replay"}
"""Prices of a record, which whoever runs a scenario brings (``--prices``)."""


def choices(settings: Any, field: str) -> set[str]:
    """All values that a field may have."""
    return set(typing.get_args(settings.model_fields[field].annotation))


def ours(registered: Mapping[str, type]) -> set[str]:
    """Kinds that come with the simulator; tests register others."""
    return {kind for kind, c in registered.items() if c.__module__.startswith(("agents", "prot"))}


def kinds(section: str) -> set[str]:
    """Kinds that entries of a section have in any scenario."""
    return {e.kind for s in SHIPPED.values() for e in getattr(s, section).values()}


def assets() -> Iterable[AssetSettings]:
    return (asset for s in SHIPPED.values() for asset in s.venue.assets.values())


@pytest.mark.parametrize(
    ("section", "registered"),
    [
        ("agents", registry.behaviours),
        ("pools", registry.pools),
        ("protocols", registry.protocols),
    ],
)
def test_every_kind_stands_in_a_scenario(section: str, registered: Any) -> None:
    assert ours(registered()) - kinds(section) == set()


def test_every_section_of_a_part_stands_in_a_scenario() -> None:
    there = {p.section for p in sections() for s in SHIPPED.values() if getattr(s, p.section)}
    assert {part.section for part in sections()} == there
    assert {"pools", "lending", "oracles", "insurance"} <= there


def test_every_process_of_a_price_stands_in_a_scenario() -> None:
    assert choices(AssetSettings, "process") - {a.process for a in assets()} == RECORDED
    # What a record would take the place of is named.
    assert any(asset.process == "bridge" and asset.symbol for asset in assets())


def test_every_fee_market_and_ordering_stands_in_a_scenario_or_a_study_of_it() -> None:
    blocks = [s.block for s in SHIPPED.values()]
    assert choices(BlockSettings, "fee_market") == {block.fee_market for block in blocks}
    study = Study.load("orderings")
    studied = {point["ordering"] for point in points(study)}
    assert choices(BlockSettings, "ordering") == studied
    assert study.parameters["ordering"].path == ["block.ordering"]


def test_every_shock_and_every_mechanism_stands_in_a_scenario() -> None:
    struck = {shock.kind for s in SHIPPED.values() for shock in s.shocks}
    brought = set(registry.shocks())
    assert brought - struck == set()
    own = {"price_jump", "whale_sale", "gas_surge", "depth_loss", "agents_stop", "mechanism_cut"}
    own |= {"news"}
    assert own - struck == set()
    works = {name for s in SHIPPED.values() for name in present(s)}
    missing = set(type(SHIPPED["calm"].switches).model_fields) - works
    assert missing <= {"capital_is_finite", "claims_as_collateral"}  # from the start alone


def test_every_dial_of_pools_is_turned_in_a_scenario() -> None:
    pools = [pool for s in SHIPPED.values() for pool in s.pools.values()]
    for dial in ("protocol_fee", "volatility_fee", "imbalance_fee", "breaker"):
        assert any(getattr(pool, dial) for pool in pools), dial
    assert any(getattr(pool, "weight_rule", None) for pool in pools)
    assert any(getattr(pool, "fee_multiplier", 1.0) > 1.0 for pool in pools)


def holdings(market: Market, group: str) -> np.ndarray:
    """What a group's agents hold of each token, token units."""
    return market.ledger.balances[market.cohorts[group].accounts()].copy()


def on_the_chain(setup: Scenario) -> set[str]:
    """Groups that send transactions; makers and endogenous prices' traders meet outside."""
    return {
        name
        for name, group in setup.agents.items()
        if not (c := registry.behaviour(group.kind)).makes_markets and c.process != "endogenous"
    }


@pytest.fixture(scope="module", params=["bazaar", "outside"])
def runs(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """What each of three runs of a scenario was like."""
    found = []
    for seed in SEEDS:
        market = Market(request.param, rng=seed)
        before = {group: holdings(market, group) for group in market.cohorts}
        market.run()
        market.ledger.audit()
        done = market.receipts().query("status == 'done'")
        moved = {g for g in before if not np.array_equal(before[g], holdings(market, g))}
        measures = market.datacollector.get_model_vars_dataframe()
        found.append({"setup": market.setup, "done": done, "moved": moved, "measures": measures})
        market.close()
    return found


def test_every_group_acts(runs: list[dict[str, Any]]) -> None:
    setup = runs[0]["setup"]
    sent = {str(group) for run in runs for group in run["done"]["cohort"].unique()}
    assert on_the_chain(setup) - sent == set()
    assert set(setup.agents) - {group for run in runs for group in run["moved"]} == set()


def test_every_pool_and_market_is_used(runs: list[dict[str, Any]]) -> None:
    setup = runs[0]["setup"]
    used = {str(name) for run in runs for name in run["done"]["protocol"].unique()}
    assert {*setup.pools, *setup.lending} - used == set()


def test_what_only_acts_beside_others_acts(runs: list[dict[str, Any]]) -> None:
    """Fees move, the breaker halts, the fund pays, who cannot pay is closed, and so on."""
    setup = runs[0]["setup"]

    def ever(name: str, over: float = 0.0) -> bool:
        return any((run["measures"][name] > over).any() for run in runs)

    for name, pool in setup.pools.items():
        if pool.volatility_fee or pool.imbalance_fee:
            assert ever(f"pool.{name}.fee", pool.fee * 1.1), name
        if pool.breaker is not None:
            assert ever(f"pool.{name}.halts"), name
    for name in setup.insurance:
        assert ever(f"insurance.{name}.paid"), name
    if setup.lending:
        assert any(ever(f"lending.{name}.defaults") for name in setup.lending)
        assert any(ever(f"lending.{name}.liquidations") for name in setup.lending)
        assert ever("venue.uni.volatility", 2.0 * setup.venue.assets["uni"].volatility)  # a jump
