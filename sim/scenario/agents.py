"""Groups of agents, and protocols that declare themselves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_serializer,
    model_validator,
)

from sim import registry
from sim.distribution import Distribution, NotNegative
from sim.errors import ScenarioError
from sim.fields import Line, Switch, reach

MOST_AGENTS = 1_000_000
"""In a group; each has an account, a row of numbers and an object."""


class AgentSettings(BaseModel):
    """A group of agents; every field that is not listed here is a column of its class."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    count: Annotated[int, Field(ge=0, le=MOST_AGENTS)] = Field(
        json_schema_extra=reach("agents", 0, 10000)
    )
    wallet: dict[str, Distribution] = {}
    pools: list[str] = []
    lending: str | None = None
    collateral: str | None = None
    debt: str | None = Field(None, description="Token borrowed; of lenders: token lent.")
    route: str | None = Field(None, description='Where to trade: a pool or "venue".')
    routing: Switch = Field(
        False, description="They trade by the best routes of all pools, split; off: in one pool."
    )
    network: Literal["small_world", "scale_free", "random", "none"] = Field(
        "small_world", description="Social graph of a group that has one."
    )
    neighbours: Annotated[int, Field(ge=0, le=MOST_AGENTS)] = Field(
        6,
        description="On average, of each on that graph.",
        json_schema_extra=reach("agents", 0, 50),
    )
    columns: dict[str, Distribution] = {}

    @model_validator(mode="before")
    @classmethod
    def _columns_apart(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "columns" in data:
            return data
        own = {k: v for k, v in data.items() if k in cls.model_fields}
        return own | {"columns": {k: v for k, v in data.items() if k not in cls.model_fields}}

    @model_serializer(mode="plain")
    def _flat(self) -> dict[str, Any]:
        names = ["kind", "count", "pools", "lending", "collateral", "debt", "route", "routing"]
        names += ["network", "neighbours"]
        own = {name: getattr(self, name) for name in names}
        own["wallet"] = {k: v.model_dump() for k, v in self.wallet.items()}
        return own | {k: v.model_dump() for k, v in self.columns.items()}


class ProtocolSettings(BaseModel):
    """A protocol that declares itself; what is not listed here are the settings of its kind."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Line
    gas: dict[str, NotNegative] = Field({}, description="Of its calls, where it is another.")

    @property
    def settings(self) -> BaseModel:
        """Its settings, checked by its kind.

        Raises:
            ScenarioError: If there is no such kind.
            ValidationError: If they are not those of the kind.
        """
        checked: BaseModel = registry.protocol(self.kind).Settings.model_validate(self._given)
        return checked

    @property
    def _given(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    @model_serializer(mode="plain")
    def _flat(self) -> dict[str, Any]:
        try:
            own = self.settings.model_dump()
        except (ScenarioError, ValidationError):  # told where the whole is checked
            own = self._given
        return {"kind": self.kind, "gas": dict(self.gas)} | own
