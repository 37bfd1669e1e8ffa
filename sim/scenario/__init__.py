"""Scenarios: the starting state of a market, and the shocks from outside.

A scenario is a TOML file. It may extend another one, every field can be overridden
by its dotted path, and all of it is checked before anything runs: each problem is
reported with its field and a remedy.

The rooms. Each may import those above it, and none below; `tests/test_repository.py`
reads the order here and holds them to it.

    block          the block, its gas, and the demand for gas of the rest of the world
    venue          the outside venue, its assets, recorded prices
    agents         groups of agents, and protocols that declare themselves
    block_time     what becomes of all that counts blocks where there are more of them in a time
    switches       mechanisms that can be cut
    shocks         what strikes from outside
    content        all of that together, with what is measured and audited, and a section for each
                   part that has one
    load           finding and reading files, what they extend and remove
    override       setting values at dotted paths
    problems       what is wrong, in words
    check_venue    what contradicts itself outside
    check_gas      in recorded prices of gas
    check_agents   in groups, and in protocols that declare themselves
    check          all of it, in order; each part checks its section
    model          `Scenario`: content that was read and checked

What a field may be is in `sim.fields`, and a section in `sim.parts`: whoever brings a section has
its settings and their checks beside it, and no room here knows of what kind it is.

What the rest of the code needs is here as well.
"""

from __future__ import annotations

from sim.fields import MOST_SEED, Line, Period, Text, checked_seed, reach
from sim.scenario.agents import AgentSettings, ProtocolSettings
from sim.scenario.block import BlockSettings
from sim.scenario.content import Content, MeasureSettings
from sim.scenario.model import Scenario
from sim.scenario.problems import model_of, problems_of
from sim.scenario.shocks import SHOCK_KINDS, SHOCKS_BY_KIND, Shock
from sim.scenario.switches import Mechanism, Switches
from sim.scenario.venue import AssetSettings, VenueSettings

__all__ = [
    "MOST_SEED",
    "SHOCKS_BY_KIND",
    "SHOCK_KINDS",
    "AgentSettings",
    "AssetSettings",
    "BlockSettings",
    "Content",
    "Line",
    "MeasureSettings",
    "Mechanism",
    "Period",
    "ProtocolSettings",
    "Scenario",
    "Shock",
    "Switches",
    "Text",
    "VenueSettings",
    "checked_seed",
    "model_of",
    "problems_of",
    "reach",
]
