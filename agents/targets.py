"""What agents act on, as a scenario names it: fields that the classes' targets are made of.

A class of agents declares a `Targets`: the pools, markets and tokens that a scenario gives to
a group of them. A name is of a type that says what it is of, so that one that does not exist
is refused with what there is.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.distribution import Positive
from sim.fields import Names, Place, Switch, Table, Token

__all__ = [
    "AnyCredit",
    "Assets",
    "Credit",
    "DebtPositions",
    "Graph",
    "Issued",
    "LendingName",
    "Place",
    "Places",
    "PoolAndCredit",
    "PoolName",
    "Pools",
    "PoolsOrRoutes",
    "ProtocolName",
    "Routed",
    "Targets",
    "Token",
]

PoolName = Annotated[str, Names("pools")]
LendingName = Annotated[str, Names("lending")]
AssetName = Annotated[str, Names("asset")]
Issued = Annotated[str, Names("issued")]
"""A token of the venue, or one that a protocol issues."""
ProtocolName = Annotated[str, Names("protocols")]
"""A protocol that declares itself; ``Annotated[str, Names("protocols:cdp")]``: of one kind."""
MOST_NEIGHBOURS = 1_000_000


class Targets(Table):
    """Base of what a class of agents acts on; a required list is never empty."""


class Pools(Targets):
    """Pools."""

    pools: list[PoolName] = Field(description="Pools in which it acts.")


class Routed(Targets):
    """Pools, with optional routing through all pools."""

    routing: Switch = Field(
        False,
        description="Trades are split over the best routes through all pools; off: each trade uses "
        "one pool.",
    )


class PoolsOrRoutes(Routed, Pools):
    """Pools, or routes between their tokens."""


class Places(Targets):
    """Pools to trade in, or the outside venue."""

    pools: list[PoolName] = Field([], description="Pools to trade in; none: the outside venue.")
    route: Place | None = Field(
        None, description='A single place to trade, instead of `pools`: a pool or "venue".'
    )


class DebtPositions(Targets):
    """A protocol of debt positions."""

    protocol: Annotated[str, Names("protocols:cdp")] = Field(
        description="Protocol of debt positions."
    )


class Credit(Targets):
    """A lending market, with a token that is put in and one that is borrowed."""

    lending: LendingName = Field(description="Lending market.")
    collateral: Token = Field(description="Token deposited.")
    debt: Token = Field(description="Token borrowed.")


class AnyCredit(Targets):
    """The same, where shares of a pool and receipts of another market may be put in too."""

    lending: LendingName = Field(description="Lending market.")
    collateral: Issued = Field(
        description="Token deposited: an asset of the venue, a pool share or a lending market's "
        "receipt."
    )
    debt: Token = Field(description="Token borrowed.")


class PoolAndCredit(Credit, Pools):
    """A pool, and a market that lends one of its tokens against another."""


class Assets(Targets):
    """Assets of the venue, with weights."""

    assets: dict[AssetName, Positive] = Field(
        description="Assets of the venue, by name: those in which it makes markets, with the share "
        "of capital for each, or those that it trades (assigned to agents in turn)."
    )


class Graph(Targets):
    """The social graph of a group."""

    network: Literal["small_world", "scale_free", "random", "none"] = Field(
        "small_world", description="Kind of social graph."
    )
    neighbours: Annotated[int, Field(ge=0, le=MOST_NEIGHBOURS)] = Field(
        6, description="Mean number of neighbours on that graph."
    )
