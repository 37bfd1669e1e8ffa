"""Mechanisms that can be cut: what each switch stops, from the start or for a while.

What agents do without a mechanism, their behaviours say (`Behaviour.without`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sim.codes import FeeMarket
from sim.parts import parts
from sim.venue import depth_units

if TYPE_CHECKING:
    import numpy.typing as npt

    from sim.cohort import CohortTable
    from sim.scenario import Scenario
    from sim.world import World

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
    changes = [cuts[name] for cuts in (_IN_WORLD, *(p.cuts for p in parts())) if name in cuts]
    return all_of([change(world) for change in changes])


def cut_in_cohorts(cohorts: Iterable[CohortTable], name: str) -> Restore:
    """Have agents act as they do without a mechanism; see `cut_in_world`."""
    restores = []
    for cohort in cohorts:
        for column, value in cohort.behaviour.without.get(name, {}).items():
            restores.append(_put_now(cohort, column, value))
    return all_of(restores)


def _put_now(cohort: CohortTable, column: str, value: float) -> Restore:
    """Set a column of a cohort; return what sets it back."""
    before = cohort.numbers(column)
    cohort.put(column, value)
    return lambda: cohort.put(column, before)


def present(setup: Scenario) -> list[str]:
    """Mechanisms that work in a scenario and can be cut while it runs, in the switches' order."""
    from sim.registry import behaviour

    acting: dict[str, bool] = {
        "gas_binds": setup.block.fee_market != "off",
        "venue_depth_is_finite": any(math.isfinite(a.depth) for a in setup.venue.assets.values()),
    }
    for part in parts():
        acting |= part.works(setup)
    theirs = {name for group in setup.agents.values() for name in behaviour(group.kind).without}
    return [
        name
        for name, works in setup.switches
        if works and (acting.get(name, False) or name in theirs)
    ]


def nothing() -> None:
    """There was nothing to cut."""


def all_of(restores: list[Restore]) -> Restore:
    """What lets all of several things work again."""

    def restore() -> None:
        for one in restores:
            one()

    return restore


def set_now(values: npt.NDArray[Any], value: float) -> Restore:
    """Set a live view of numbers; return what sets them back."""
    before = values.copy()
    values[:] = value

    def restore() -> None:
        values[:] = before

    return restore


def _gas_binds(world: World) -> Restore:
    chain = world.chain
    prices = [set_now(chain[field], 0.0) for field in ("base_fee", "gas_price", "mean_gas_price")]
    return all_of([set_now(world.rules["fee_market"], FeeMarket.OFF), *prices])


def _venue_depth_is_finite(world: World) -> Restore:
    back = set_now(world.assets["depth"], math.inf)
    _count_units(world)

    def restore() -> None:
        back()
        _count_units(world)

    return restore


def _count_units(world: World) -> None:
    for asset in world.assets:
        asset["units"] = depth_units(asset, int(world.chain[0]["block"]))


def _interconnected(world: World) -> Restore:
    return all_of([set_now(world.rules["interconnected"], 0), set_now(world.cohorts["routes"], 0)])


_IN_WORLD: Mapping[str, Callable[[World], Restore]] = {
    "gas_binds": _gas_binds,
    "venue_depth_is_finite": _venue_depth_is_finite,
    "interconnected": _interconnected,
}
