"""Shocks: what strikes the market from outside, and when."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from sim.distribution import Positive
from sim.scenario.fields import Period, Share, Table, Time, reach

Lasting = Annotated[Period, Field(json_schema_extra=reach("blocks", 1, 2000, log=True))]


class _Shock(Table):
    block: Period | None = None
    at: Time | None = Field(None, description="Time, or hours since the start.")

    @model_validator(mode="after")
    def _one_time(self) -> _Shock:
        if (self.block is None) == (self.at is None):
            raise ValueError("give either block (a number) or at (a time, or hours)")
        return self


class PriceJump(_Shock):
    """The outside price of an asset jumps."""

    kind: Literal["price_jump"]
    asset: str
    size: Annotated[float, Field(gt=-1.0, le=1e6)] = Field(
        description="Share.", json_schema_extra=reach("share", -0.9, 1.0)
    )


class WhaleSale(_Shock):
    """Somebody from outside sells."""

    kind: Literal["whale_sale"]
    token: str
    amount: Positive = Field(
        description="Token units.", json_schema_extra=reach("tokens", 1.0, 10000000.0, log=True)
    )
    target: str = Field("venue", description='A pool, or "venue".')
    blocks: Period = Field(
        1,
        description="Over which it is spread.",
        json_schema_extra=reach("blocks", 1, 2000, log=True),
    )


class ProviderExit(_Shock):
    """Providers take a share of what they have out of a pool."""

    kind: Literal["provider_exit"]
    pool: str
    share: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        json_schema_extra=reach("share", 0.01, 1.0)
    )
    agents: str | None = Field(None, description="Of this group only.")


class GasSurge(_Shock):
    """The rest of the world wants more gas and bids more for it."""

    kind: Literal["gas_surge"]
    multiple: Positive = Field(json_schema_extra=reach("times", 1.0, 50.0, log=True))
    blocks: Lasting


class OracleFreeze(_Shock):
    """An oracle publishes nothing."""

    kind: Literal["oracle_freeze"]
    oracle: str
    blocks: Lasting


class Withdrawal(_Shock):
    """Depositors withdraw a share of their deposits."""

    kind: Literal["withdrawal"]
    lending: str
    token: str
    share: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        json_schema_extra=reach("share", 0.01, 1.0)
    )
    agents: str | None = Field(None, description="Of this group only.")


class DepthLoss(_Shock):
    """A share of the outside venue's depth vanishes."""

    kind: Literal["depth_loss"]
    asset: str
    share: Share = Field(json_schema_extra=reach("share", 0.0, 1.0))
    blocks: Lasting


class PoolHalt(_Shock):
    """A pool does not trade; its providers can leave in proportion."""

    kind: Literal["pool_halt"]
    pool: str
    blocks: Lasting


class AgentsStop(_Shock):
    """A group of agents sends nothing; what it has sent already goes on."""

    kind: Literal["agents_stop"]
    agents: str
    blocks: Lasting


Mechanism = Literal[
    "oracle_reads_market",
    "liquidators_sell",
    "providers_leave",
    "lenders_leave",
    "gas_binds",
    "venue_depth_is_finite",
    "interconnected",
    "breakers",
    "insurance",
]
"""Switches that can also be cut for a while; capital without limit is given at the start alone."""


class MechanismCut(_Shock):
    """A mechanism does not work for a while, as with its switch off."""

    kind: Literal["mechanism_cut"]
    mechanism: Mechanism = Field(description="Name of its switch.")
    blocks: Lasting


Shock = Annotated[
    PriceJump
    | WhaleSale
    | ProviderExit
    | GasSurge
    | OracleFreeze
    | Withdrawal
    | DepthLoss
    | PoolHalt
    | AgentsStop
    | MechanismCut,
    Field(discriminator="kind"),
]
SHOCK_KINDS = tuple(
    get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(get_args(Shock)[0])
)
"""The word by which a scenario names each."""
