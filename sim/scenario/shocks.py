"""Shocks: what strikes the market from outside, and when; protocols bring kinds of their own."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field

from sim import registry
from sim.distribution import Positive
from sim.errors import Problem, ScenarioError, unknown
from sim.fields import (
    Lasting,
    Name,
    Names,
    Period,
    Share,
    ShockSettings,
    reach,
)
from sim.parts import places
from sim.scenario.switches import Mechanism


class PriceJump(ShockSettings):
    """The outside price of an asset jumps."""

    kind: Literal["price_jump"]
    asset: str
    size: Annotated[float, Field(gt=-1.0, le=1e6)] = Field(
        description="Size of the jump, share of the price.",
        json_schema_extra=reach("share", -0.9, 1.0),
    )


class WhaleSale(ShockSettings):
    """An outsider sells."""

    kind: Literal["whale_sale"]
    token: str
    amount: Positive = Field(
        description="Token units.", json_schema_extra=reach("tokens", 1.0, 10000000.0, log=True)
    )
    target: str = Field("venue", description='A pool, or "venue".')
    blocks: Period = Field(
        1,
        description="Blocks over which the sale is spread.",
        json_schema_extra=reach("blocks", 1, 2000, log=True),
    )

    def problems(self, s: Any) -> list[Problem]:
        """Whether the place where they sell trades the token."""
        traded = places(s).get(self.target)
        if traded is None:
            return []
        return unknown("token", self.token, traded, f"token of {self.target}")


class GasSurge(ShockSettings):
    """The rest of the world wants more gas and bids more for it."""

    kind: Literal["gas_surge"]
    multiple: Positive = Field(json_schema_extra=reach("times", 1.0, 50.0, log=True))
    blocks: Lasting


class DepthLoss(ShockSettings):
    """A share of the outside venue's depth vanishes."""

    kind: Literal["depth_loss"]
    asset: str
    share: Share = Field(json_schema_extra=reach("share", 0.0, 1.0))
    blocks: Lasting


class AgentsStop(ShockSettings):
    """A group of agents sends nothing; transactions that it has already sent go on."""

    kind: Literal["agents_stop"]
    agents: str
    blocks: Lasting


class MechanismCut(ShockSettings):
    """A mechanism is off for a while, as with its switch off."""

    kind: Literal["mechanism_cut"]
    mechanism: Mechanism = Field(description="Name of its switch.")
    blocks: Lasting


class ProtocolEvent(ShockSettings):
    """An external event strikes a protocol that declares it: its bank fails, its queue shuts."""

    kind: Literal["event"]
    protocol: Annotated[str, Names("protocols")]
    event: Name = Field(description="Name of the event, as the kind of protocol declares it.")
    size: Share = Field(
        1.0,
        description="Severity, share of what is affected.",
        json_schema_extra=reach("share", 0.0, 1.0),
    )
    blocks: Lasting

    @property
    def what(self) -> str:
        """What happens, and to whom."""
        return f"{self.protocol}: {self.event}"

    def problems(self, s: Any) -> list[Problem]:
        """Whether such a thing can happen to the protocol."""
        if self.protocol not in s.protocols:
            return unknown("protocol", self.protocol, s.protocols, "protocol")
        try:
            cls: Any = registry.protocol(s.protocols[self.protocol].kind)
        except ScenarioError:  # told elsewhere
            return []
        events = [event.name for event in cls.events]
        return unknown("event", self.event, events, f"event of {self.protocol}")


class News(ShockSettings):
    """Some of a group hear news, true or false; each of them decides what to believe."""

    kind: Literal["news"]
    agents: str
    share: Share = Field(
        description="Share of the group that hears it; a larger share includes everybody in a "
        "smaller one.",
        json_schema_extra=reach("share", 0.0, 1.0),
    )
    size: Share = Field(
        1.0,
        description="Strength, in the unit of the agents' column that it raises.",
        json_schema_extra=reach("share", 0.0, 1.0),
    )

    def problems(self, s: Any) -> list[Problem]:
        """Whether the group is there, and listens."""
        if self.agents not in s.agents:
            return []  # told elsewhere
        try:
            cls: Any = registry.behaviour(s.agents[self.agents].kind)
        except ScenarioError:  # told elsewhere
            return []
        if cls.hears:
            return []
        return [
            (
                "agents",
                f"{self.agents} are {s.agents[self.agents].kind}s, which do not react to news",
            )
        ]


_OURS = (PriceJump, WhaleSale, GasSurge, DepthLoss, AgentsStop, MechanismCut, ProtocolEvent, News)


def _kinds() -> dict[str, type[ShockSettings]]:
    ours = {get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in _OURS}
    return {**ours, **registry.shocks()}


SHOCKS_BY_KIND = _kinds()
"""Settings of each kind, by the word by which a scenario names it."""
SHOCK_KINDS = tuple(SHOCKS_BY_KIND)

if TYPE_CHECKING:
    Shock = Any
else:
    Shock = Annotated[reduce(or_, SHOCKS_BY_KIND.values()), Field(discriminator="kind")]
