"""Mechanisms that can be cut: what each switch stops, from the start or for a while.

What agents do without a mechanism, their behaviours say (`Behaviour.without`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from protocols import oracle, safeguards
from sim.codes import NEVER, FeeMarket
from sim.venue import depth_units

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sim.cohort import CohortTable
    from sim.scenario import Scenario
    from sim.world import World

MOVED_BY_AGENTS = (oracle.VENUE, oracle.POOL_SPOT, oracle.POOL_TWAP)
"""Sources whose price agents can move."""

Restore = Callable[[], None]


def cut_in_world(world: World, name: str) -> Restore:
    """Stop what a mechanism does outside the agents.

    Args:
        world: The market's arrays.
        name: Of a switch.

    Returns:
        What lets it work again as it did before.
    """
    change = _IN_WORLD.get(name)
    return change(world) if change is not None else nothing


def cut_in_cohorts(cohorts: Iterable[CohortTable], name: str) -> Restore:
    """Have agents act as they do without a mechanism; see `cut_in_world`."""
    restores = []
    for cohort in cohorts:
        for column, value in cohort.behaviour.without.get(name, {}).items():
            restores.append(_set(cohort.column(column), value))
    return _all(restores)


def present(setup: Scenario) -> list[str]:
    """Mechanisms that work in a scenario and can be cut while it runs, in the switches' order."""
    from sim.registry import behaviour

    acting: Mapping[str, bool] = {
        "oracle_reads_market": any(
            oracle.SOURCES[o.source] in MOVED_BY_AGENTS for o in setup.oracles.values()
        ),
        "gas_binds": setup.block.fee_market != "off",
        "venue_depth_is_finite": any(math.isfinite(a.depth) for a in setup.venue.assets.values()),
        "interconnected": len(setup.pools) > 1,
        "breakers": any(pool.breaker is not None for pool in setup.pools.values()),
        "insurance": bool(setup.insurance),
    }
    theirs = {name for group in setup.agents.values() for name in behaviour(group.kind).without}
    return [
        name
        for name, works in setup.switches
        if works and (acting.get(name, False) or name in theirs)
    ]


def nothing() -> None:
    """There was nothing to cut."""


def _all(restores: list[Restore]) -> Restore:
    def restore() -> None:
        for one in restores:
            one()

    return restore


def _set(values: npt.NDArray[Any], value: float) -> Restore:
    """Set a live view of numbers; return what sets them back."""
    before = values.copy()
    values[:] = value

    def restore() -> None:
        values[:] = before

    return restore


def _gas_binds(world: World) -> Restore:
    chain = world.chain
    prices = [_set(chain[field], 0.0) for field in ("base_fee", "gas_price", "mean_gas_price")]
    return _all([_set(chain["fee_market"], FeeMarket.OFF), *prices])


def _venue_depth_is_finite(world: World) -> Restore:
    back = _set(world.assets["depth"], math.inf)
    _count_units(world)

    def restore() -> None:
        back()
        _count_units(world)

    return restore


def _count_units(world: World) -> None:
    for asset in world.assets:
        asset["units"] = depth_units(asset, int(world.chain[0]["block"]))


def _oracle_reads_market(world: World) -> Restore:
    restores = []
    for feed in _views(world.feeds):
        if int(feed["source"][0]) in MOVED_BY_AGENTS:
            restores += [_set(feed["exogenous"], 1), _set(feed["live"], 0)]
    return _all(restores)


def _interconnected(world: World) -> Restore:
    return _all([_set(world.chain["interconnected"], 0), _set(world.cohorts["routes"], 0)])


def _breakers(world: World) -> Restore:
    back = _set(world.pools["guarded"], 0)
    for pool in world.pools:
        pool["tripped"] = 0
        if pool["halted_until"] < NEVER:  # a shock halts it for ever
            pool["halted"] = 0

    def restore() -> None:
        back()
        for pool in world.pools:
            if pool["guarded"]:  # what happened meanwhile counts for no limit
                safeguards.begin_window(world.books, pool, int(world.chain[0]["block"]) + 1)

    return restore


def _insurance(world: World) -> Restore:
    return _all([_set(world.funds["cover"], 0.0), _set(world.funds["premium"], 0.0)])


def _views(records: npt.NDArray[np.void]) -> list[npt.NDArray[np.void]]:
    return [records[i : i + 1] for i in range(len(records))]


_IN_WORLD: Mapping[str, Callable[[World], Restore]] = {
    "oracle_reads_market": _oracle_reads_market,
    "gas_binds": _gas_binds,
    "venue_depth_is_finite": _venue_depth_is_finite,
    "interconnected": _interconnected,
    "breakers": _breakers,
    "insurance": _insurance,
}
