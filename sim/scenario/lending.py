"""Lending markets, the oracles that they read, and the funds that insure."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from sim.distribution import NotNegative, Positive
from sim.scenario.fields import (
    MOST_ENTRIES,
    Blocks,
    Depth,
    Fee,
    Period,
    Share,
    Switch,
    Table,
    reach,
)

MOST_REMEMBERED = 1_000_000
"""Blocks of prices that an oracle keeps, so its lag and its window; each is a place in memory."""


class ReserveSettings(Table):
    """A reserve of a lending market."""

    collateral: bool = True
    borrowable: bool = True
    ltv: Share = Field(
        0.0,
        description="Value that may be borrowed against it.",
        json_schema_extra=reach("share", 0.0, 0.95),
    )
    threshold: Share = Field(
        0.0,
        description="Value at which it counts for the health factor.",
        json_schema_extra=reach("share", 0.0, 0.99),
    )
    bonus: NotNegative = Field(
        0.0, description="Of liquidators, share.", json_schema_extra=reach("share", 0.0, 0.2)
    )
    base_rate: NotNegative = Field(0.0, description="Per year.")
    slope1: NotNegative = Field(
        0.04,
        description="Per year, up to the optimum.",
        json_schema_extra=reach("per year", 0.0, 0.5),
    )
    slope2: NotNegative = Field(
        0.6,
        description="Per year, from there to full utilisation.",
        json_schema_extra=reach("per year", 0.0, 5.0),
    )
    optimal: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.8, description="Utilisation.", json_schema_extra=reach("utilisation", 0.3, 0.98)
    )
    reserve_factor: Share = Field(
        0.1, description="Treasury's share of interest.", json_schema_extra=reach("share", 0.0, 0.5)
    )
    supply_cap: Depth = Field(math.inf, description="Token units.")
    borrow_cap: Depth = Field(math.inf, description="Token units.")
    cash: NotNegative = Field(
        0.0, description="Deposited at the start by outside holders, token units."
    )
    utilisation: Annotated[float, Field(gt=0.0, le=1.0)] | None = Field(
        None,
        description="At the start: outside holders deposit what makes it so, in place of `cash`.",
        json_schema_extra=reach("share", 0.05, 1.0),
    )
    oracle: str | None = Field(None, description="Default: the one called like the token.")


class LendingSettings(Table):
    """A lending market."""

    close_factor: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.5,
        description="Share of a debt that one liquidation may repay.",
        json_schema_extra=reach("share", 0.05, 1.0),
    )
    full_close_below: NotNegative = Field(
        0.95, description="Health factor at and below which it may be all of it."
    )
    bonus_share: Share = Field(0.1, description="Protocol's share of the liquidation bonus.")
    flash_fee: Fee = Field(
        0.0005,
        description="Share of a flash loan, for depositors.",
        json_schema_extra=reach("share", 0.0, 0.01),
    )
    reserves: dict[str, ReserveSettings] = Field(min_length=1, max_length=MOST_ENTRIES)


class OracleSettings(Table):
    """An oracle of one token's price."""

    token: str
    source: Literal["venue", "pool_spot", "pool_twap", "fixed", "share"] = "venue"
    pool: str | None = Field(None, description="That it reads, or whose share it prices.")
    price: Positive | None = Field(
        None,
        description="Of a fixed one, numeraire.",
        json_schema_extra=reach("numeraire", 0.01, 100000.0, log=True),
    )
    quote: str | None = Field(
        None, description="Oracle of the pool's other token; default: that is worth one."
    )
    live: Switch = Field(
        False,
        description="Of a pool_spot: read by every loan in the moment it is made, so that its own "
        "transaction can move it.",
    )
    lag: Annotated[int, Field(ge=0, le=MOST_REMEMBERED)] = Field(
        0, description="Blocks.", json_schema_extra=reach("blocks", 0, 1000)
    )
    heartbeat: Blocks = Field(
        0,
        description="Longest time without an update, blocks; 0: none.",
        json_schema_extra=reach("blocks", 0, 5000),
    )
    deviation: NotNegative = Field(
        0.0,
        description="Move that makes it update, share.",
        json_schema_extra=reach("share", 0.0, 0.1),
    )
    window: Annotated[int, Field(ge=1, le=MOST_REMEMBERED)] = Field(
        30,
        description="Of a pool_twap, blocks.",
        json_schema_extra=reach("blocks", 1, 1000, log=True),
    )


class InsuranceSettings(Table):
    """A mutual fund that covers losses of pools and lending markets until it is empty."""

    token: str = Field(description="In which it holds its money and pays.")
    funds: NotNegative = Field(
        0.0,
        description="At the start, token units.",
        json_schema_extra=reach("tokens", 0.0, 100000000.0),
    )
    covers: list[str] = Field(
        min_length=1, max_length=MOST_ENTRIES, description="Pools and lending markets."
    )
    premium: Share = Field(
        0.0,
        description="Share of the protocol's part of the covered pools' fees that it gets.",
        json_schema_extra=reach("share of the fee", 0.0, 1.0),
    )
    deductible: Share = Field(
        0.0,
        description="Of a pool: loss of value against holding that its providers bear themselves, "
        "share.",
    )
    cover: Share = Field(
        1.0,
        description="Share of the rest, or of a bad debt, that it pays.",
        json_schema_extra=reach("share", 0.0, 1.0),
    )
    window: Period = Field(1, description="Time over which a pool's loss is stated, blocks.")
