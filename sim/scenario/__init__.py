"""Scenarios: the starting state of a market, and the shocks from outside.

A scenario is a TOML file. It may extend another one, every field can be overridden
by its dotted path, and all of it is checked before anything runs: each problem is
reported with its field and a remedy.

The rooms. Each may import those above it, and none below; `tests/test_repository.py`
reads the order here and holds them to it.

    fields         what one field may be: limits, names, times, its place in a form
    block          the block, its gas, and the demand for gas of the rest of the world
    venue          the outside venue, its assets, recorded prices
    pools          pools, their breakers, ranges and weights
    lending        lending markets, oracles, insurance
    agents         groups of agents, and protocols that declare themselves
    shocks         what strikes from outside
    content        all of that together, with what is measured, audited and switched off
    load           finding and reading files, what they extend and remove
    override       setting values at dotted paths
    problems       what is wrong, in words
    check_venue    what contradicts itself outside
    check_pools    in pools, and in what insures them
    check_lending  in oracles and lending markets
    check_agents   in groups, and in protocols that declare themselves
    check          all of it, in order
    model          `Scenario`: content that was read and checked

What the rest of the code needs is here as well.
"""

from __future__ import annotations

from sim.scenario.agents import AgentSettings, ProtocolSettings
from sim.scenario.block import BlockSettings
from sim.scenario.check_lending import oracle_quote_token
from sim.scenario.check_pools import order_of_funding
from sim.scenario.content import MeasureSettings, Switches
from sim.scenario.fields import MOST_SEED, Line, Period, Text, checked_seed, reach
from sim.scenario.lending import (
    InsuranceSettings,
    LendingSettings,
    OracleSettings,
    ReserveSettings,
)
from sim.scenario.model import Scenario
from sim.scenario.pools import OF_KIND, PoolSettings
from sim.scenario.problems import model_of, problems_of
from sim.scenario.shocks import SHOCK_KINDS, Mechanism, Shock
from sim.scenario.venue import AssetSettings, VenueSettings

__all__ = [
    "MOST_SEED",
    "OF_KIND",
    "SHOCK_KINDS",
    "AgentSettings",
    "AssetSettings",
    "BlockSettings",
    "InsuranceSettings",
    "LendingSettings",
    "Line",
    "MeasureSettings",
    "Mechanism",
    "OracleSettings",
    "Period",
    "PoolSettings",
    "ProtocolSettings",
    "ReserveSettings",
    "Scenario",
    "Shock",
    "Switches",
    "Text",
    "VenueSettings",
    "checked_seed",
    "model_of",
    "oracle_quote_token",
    "order_of_funding",
    "problems_of",
    "reach",
]
