"""All that a scenario says, and what that means in blocks and in dates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import tomli_w
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, create_model

from sim.distribution import Positive
from sim.fields import (
    MOST_ENTRIES,
    MOST_SEED,
    Blocks,
    Line,
    Moment,
    Name,
    Period,
    Switch,
    Table,
    Text,
    reach,
    time_in_blocks,
)
from sim.parts import sections
from sim.scenario.agents import AgentSettings, ProtocolSettings
from sim.scenario.block import BlockSettings
from sim.scenario.shocks import Shock
from sim.scenario.switches import Switches
from sim.scenario.venue import PriceSettings, VenueSettings

MOST_THINGS = 1000
"""In each section: so many of what it is of."""


class MeasureSettings(Table):
    """What is measured, and how often."""

    every: Period = Field(1, description="Blocks between two rows.")
    keep: list[Line] = Field(
        ["*"],
        max_length=MOST_ENTRIES,
        description="Names of the measures to keep, with * and ? as in file names.",
    )
    receipts: Literal["all", "none"] = "all"
    trade_size: Positive = Field(10_000.0, description="The standard trade, numeraire.")
    losses: Switch = Field(
        False,
        description="Keep an account of who has lost how much through what: `Market.losses()`. "
        "It costs some microseconds per transaction.",
    )


class AuditSettings(Table):
    """How often the whole ledger is summed."""

    every: Blocks = Field(0, description="Blocks; 0: every block unless the ledger is large.")
    tolerance: Positive = Field(1e-9, description="Relative leak that is accepted as rounding.")


class _Head(BaseModel):
    """What comes first: the run, its blocks, and the venue outside."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Line
    description: Text = ""
    blocks: Period = Field(
        description="Length of a run.", json_schema_extra=reach("blocks", 100, 50000, log=True)
    )
    rng: Annotated[int, Field(ge=0, le=MOST_SEED)] = Field(
        1, description="Seed, unless a run sets another."
    )
    start: Annotated[Moment, PlainSerializer(lambda value: value, return_type=datetime)] = datetime(
        2020, 1, 1, tzinfo=UTC
    )
    block: BlockSettings = BlockSettings()
    venue: VenueSettings


if TYPE_CHECKING:

    class _Sections(_Head):
        """That, and a table for each section that a part brings: settings by name."""

        def __getattr__(self, section: str) -> Mapping[str, Any]: ...

else:
    _Sections = create_model(
        "_Sections",
        __base__=_Head,
        __module__=__name__,
        **{
            part.section: (dict[Name, part.settings], Field({}, max_length=MOST_THINGS))
            for part in sections()
        },
    )


class Content(_Sections):
    """What a scenario says; `Scenario` is this, read and checked."""

    protocols: dict[Name, ProtocolSettings] = Field({}, max_length=MOST_THINGS)
    agents: dict[Name, AgentSettings] = Field({}, max_length=MOST_THINGS)
    shocks: list[Shock] = Field([], max_length=MOST_ENTRIES)
    measures: MeasureSettings = MeasureSettings()
    audit: AuditSettings = AuditSettings()
    switches: Switches = Switches()
    prices: PriceSettings | None = None
    modules: list[Line] = Field(
        [],
        max_length=100,
        description='Folders to search for modules that a kind names ("module:Class"); default: '
        "the folder of the file, if it names any.",
    )

    def to_dict(self) -> dict[str, Any]:
        """The content of a file that makes this scenario, defaults included."""
        return _without_none(self.model_dump())

    def to_toml(self) -> str:
        """A file that makes this scenario, defaults included."""
        return tomli_w.dumps(self.to_dict())

    # What it says of time

    def block_of(self, shock: Any) -> int:
        """Block in which a shock strikes."""
        if shock.block is not None:
            return int(shock.block)
        return max(1, math.ceil(time_in_blocks(shock.at, self.start, self.block.seconds)))

    def bridge_points(
        self, asset: str
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Points that an asset's bridge goes through.

        Returns:
            Times in blocks, prices, and volatilities per root year on the way to each.
        """
        settings = self.venue.assets[asset]
        times = [time_in_blocks(p[0], self.start, self.block.seconds) for p in settings.points]
        prices = [p[1] for p in settings.points]
        ways = [p[2] if len(p) > 2 else settings.volatility for p in settings.points]
        return np.array(times), np.array(prices), np.array(ways)

    def gas_points(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Times in blocks and recorded gas prices in gwei, of the block's path."""
        path = self.block.gas_path
        times = [time_in_blocks(p[0], self.start, self.block.seconds) for p in path]
        return np.array(times), np.array([p[1] for p in path])

    def price_file(self) -> Path:
        """The file of recorded prices."""
        return Path(self.prices.file if self.prices else "")

    def time_of(self, block: int) -> datetime:
        """Time at which a block is made."""
        return datetime.fromtimestamp(self.start.timestamp() + block * self.block.seconds, UTC)

    def warnings(self) -> list[tuple[str, str]]:
        """What may be run but is unwise, as (field, text)."""
        return [warning for part in sections() for warning in part.warnings(self)]


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_none(v) for v in value]
    return value
