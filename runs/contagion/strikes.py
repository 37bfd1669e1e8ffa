"""What strikes a market, and the market without it: its twin.

A shock is one that a scenario can state, or a group of agents that acts: ``{"kind": "agents_act",
"agents": "whale", "block": 60}``. The group is in the market anyhow; its twin is the market in
which it sends nothing from that block on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim import Scenario
from sim.errors import ScenarioError, did_you_mean

ACTS = "agents_act"
"""Kind of the shock that is a group's acting."""
FOREVER = 1_000_000_000
"""Blocks for which a cut lasts."""
Shock = Mapping[str, Any]


@dataclass(frozen=True)
class Strikes:
    """What strikes a market.

    Attributes:
        struck: The shocks, as they were given.
        whole: Shocks of the market that is struck.
        twin: Shocks of the one that is not.
        block: In which the first strikes.
    """

    struck: list[dict[str, Any]]
    whole: list[Any]
    twin: list[Any]
    block: int


def striking(setup: Scenario, given: Sequence[Shock] | None) -> Strikes:
    """What strikes a market and what does not strike its twin.

    Args:
        setup: The scenario.
        given: Shocks; default: those that the scenario states, which the twin is without. Given,
            the scenario's own strike both.

    Raises:
        ScenarioError: If there is no shock, or one makes no sense.
    """
    own = [shock.model_dump(exclude_none=True) for shock in setup.shocks]
    if given is not None:
        own, struck = own, [dict(shock) for shock in given]
    else:
        own, struck = [], own
    if not struck:
        raise ScenarioError([("shocks", "there are none; give what strikes")])
    block = min(block_of(setup, shock) for shock in struck)
    come = [shock for shock in struck if shock.get("kind") != ACTS]
    stay = [stop_of(setup, shock) for shock in struck if shock.get("kind") == ACTS]
    return Strikes(struck, [*own, *come], [*own, *stay], block)


def stop_of(setup: Scenario, shock: Shock) -> dict[str, Any]:
    """What keeps a group from acting in the twin.

    Args:
        setup: The scenario.
        shock: The group's acting.

    Raises:
        ScenarioError: If there is no such group, or it says what it cannot.
    """
    group = shock.get("agents")
    if group not in setup.agents:
        told = did_you_mean(str(group), list(setup.agents))
        raise ScenarioError([("shocks.agents", f"there is no group {group!r}; {told}")])
    when = {name: shock[name] for name in ("block", "at") if name in shock}
    if other := sorted({*shock} - {"kind", "agents", *when}):
        text = f"{ACTS} knows agents, block and at; take it out"
        raise ScenarioError([(f"shocks.{other[0]}", text)])
    return {"kind": "agents_stop", "agents": group, "blocks": FOREVER} | when


def block_of(setup: Scenario, shock: Shock) -> int:
    """Block in which a shock strikes, checked with its scenario.

    Raises:
        ScenarioError: If it makes no sense.
    """
    stated = stop_of(setup, shock) if shock.get("kind") == ACTS else dict(shock)
    changed = Scenario.from_dict(setup.to_dict() | {"shocks": [stated]})
    return changed.block_of(changed.shocks[0])
