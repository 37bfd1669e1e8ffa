"""The outside venue: its assets, their price processes, and files of recorded prices."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sim.distribution import NotNegative, Positive
from sim.fields import (
    MOST_ENTRIES,
    Depth,
    Exponent,
    Fee,
    Line,
    Name,
    Point,
    Share,
    Table,
    Volatility,
    one_line,
    reach,
)


class AssetSettings(Table):
    """An asset of the outside venue.

    The processes are valid however long a block is relative to their memory: a mean-reverting
    price moves in closed form (Ornstein, Uhlenbeck 1930), Heston's variance by Andersen's QE
    scheme (2008), and a block has a Poisson number of Merton's jumps. Draws are keyed by the
    asset's name. An endogenous price is moved only by the orders of agents outside.
    """

    price: Positive = Field(
        description="Initial price, numeraire per unit.",
        json_schema_extra=reach("numeraire", 0.01, 100000.0, log=True),
    )
    process: Literal[
        "constant",
        "gbm",
        "jumps",
        "heston",
        "garch",
        "mean_reverting",
        "bridge",
        "replay",
        "endogenous",
    ] = "gbm"
    drift: Annotated[float, Field(ge=-1000.0, le=1000.0)] = Field(
        0.0, description="Drift, per year.", json_schema_extra=reach("per year", -3.0, 3.0)
    )
    volatility: Volatility = Field(
        0.8,
        description="Normal volatility, per square root of a year.",
        json_schema_extra=reach("per root year", 0.0, 3.0),
    )
    jump_rate: Annotated[float, Field(ge=0.0, le=1e9)] = Field(
        0.0,
        description="Number of jumps per year.",
        json_schema_extra=reach("per year", 0.0, 500.0),
    )
    jump_mean: Annotated[float, Field(ge=-10.0, le=10.0)] = Field(
        0.0, description="Mean of the log of a jump."
    )
    jump_sd: Annotated[float, Field(ge=0.0, le=5.0)] = Field(
        0.0, description="Standard deviation of the log of a jump."
    )
    reversion: Annotated[float, Field(ge=0.0, le=1e9)] = Field(
        0.0,
        description="Speed of mean reversion of the variance (heston) or price "
        "(mean_reverting), per year.",
    )
    vol_of_vol: Annotated[float, Field(ge=0.0, le=1000.0)] = Field(
        0.0, description="Heston's volatility of variance, per year."
    )
    leverage: Annotated[float, Field(ge=-1.0, le=1.0)] = Field(
        0.0, description="Heston's correlation between variance and price."
    )
    alpha: Share = Field(0.0, description="GARCH: weight of the last squared return.")
    beta: Share = Field(0.0, description="GARCH: weight of the last variance.")
    value_volatility: Volatility = Field(
        0.3,
        description="For an endogenous price: volatility of the value that agents outside see in "
        "the asset, per square root of a year.",
        json_schema_extra=reach("per root year", 0.0, 3.0),
    )
    points: list[Point] = Field(
        default=[],
        max_length=MOST_ENTRIES,
        description="For a bridge: time (or hours since the start), price, and, if it is not the "
        "normal one, the volatility on the way there.",
    )
    symbol: Line | None = Field(None, description="Its name (symbol) in a price file.")
    depth: Depth = Field(
        math.inf,
        description="Size of a sale that moves the price by one per cent, numeraire; inf: no "
        "price impact.",
        json_schema_extra=reach("numeraire for 1 %", 10000.0, 1000000000.0, log=True),
    )
    depth_exponent: Exponent = Field(
        1.0,
        description="Depth falls as (normal volatility / volatility) to this power.",
        json_schema_extra=reach("exponent", 0.0, 3.0),
    )
    least_depth: Share = Field(
        0.05,
        description="Share of the depth that remains however volatile prices are.",
        json_schema_extra=reach("share", 0.0, 1.0),
    )
    volatility_memory: Positive = Field(
        100.0, description="Time over which volatility is measured, blocks."
    )
    permanent: Share = Field(
        0.3,
        description="Permanent share of the price impact.",
        json_schema_extra=reach("share of the impact", 0.0, 1.0),
    )
    impact: Literal["permanent", "reverting"] = Field(
        "permanent",
        description="Impact of agents on a recorded price (bridge, replay). reverting: none of "
        "it is permanent, since the record already contains such sales; it decays "
        "with the half-life.",
    )
    half_life: Positive = Field(
        50.0,
        description="Half-life of the temporary impact, blocks.",
        json_schema_extra=reach("blocks", 1.0, 5000.0, log=True),
    )
    spread: Fee = Field(
        0.0005,
        description="Half-spread, share of the price.",
        json_schema_extra=reach("share", 0.0, 0.01),
    )
    inventory: NotNegative = Field(1e6, description="The venue's holdings, token units.")


MOST_ASSETS = 200
"""At the venue; their correlations are a matrix that is factored."""


class VenueSettings(Table):
    """The outside venue."""

    numeraire: Name = Field(
        "usdc", description="Token in which everything is valued; its price is 1."
    )
    inventory: NotNegative = Field(1e9, description="The venue's holdings of the numeraire.")
    assets: dict[Name, AssetSettings] = Field(min_length=1, max_length=MOST_ASSETS)
    correlation: dict[str, Annotated[float, Field(ge=-1.0, le=1.0)]] = Field(
        default={}, description='Correlation of price shocks, keyed by "a:b".'
    )
    jump_correlation: Share = Field(
        0.0,
        description="For assets with equal jump rates: share of each asset's jumps that is "
        "common to all (Marshall, Olkin 1967), with sizes correlated as the shocks "
        "are.",
    )


class PriceSettings(Table):
    """Recorded prices for the assets that replay them."""

    file: Annotated[str, Field(max_length=4096), AfterValidator(one_line)]
