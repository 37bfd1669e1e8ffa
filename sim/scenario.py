"""Scenarios: the starting state of a market, and the shocks from outside.

A scenario is a TOML file. It may extend another one, every field can be overridden
by its dotted path, and all of it is checked before anything runs: each problem is
reported with its field and a remedy.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)

from sim import reading, registry
from sim.distribution import MOST, Distribution, NotNegative, Positive
from sim.errors import ScenarioError, did_you_mean, shortened, shown

MOST_BLOCKS = 1_000_000_000
"""Of a run, and of any time stated in blocks: four centuries of Ethereum's."""
MOST_REMEMBERED = 1_000_000
"""Blocks of prices that an oracle keeps, so its lag and its window; each is a place in memory."""
MOST_RECORDED = 10_000_000
"""Blocks of a run that follows a path laid out beforehand; each is a place in memory."""
MOST_AGENTS = 1_000_000
"""In a group; each has an account, a row of numbers and an object."""
MOST_CELLS = 400_000_000
"""Of the ledger, a number for every account and token: three gigabytes."""
MOST_FRIENDS = 20_000_000
"""Edges of a social graph, which is drawn in Python."""
MOST_SEED = 2**63 - 1
MOST_LOG_PRICE = 200.0
"""How far the log of a price may be expected to go in a run. exp(200) is 7e86, and twice that
squared is still a number; an exponent above 709 is none."""
MOST_JUMPS = 100.0
"""Expected in a block."""
MOST_REVERSION = 36.0
"""Of a price or a variance, a block: exp(-36) is the last of the way that a float can see."""
FIRST_YEAR, LAST_START, LAST_YEAR = 1970, 2100, 2200
"""Of dates, of the start, and of the end of a run; tables count nanoseconds, up to 2262."""
LONGEST_NAME, LONGEST_TITLE, LONGEST_TEXT = 64, 200, 20_000
MOST_THINGS = 1000
"""Pools, lending markets, oracles, funds, groups: each."""
MOST_ENTRIES = 10_000
"""Of a list, or of a table whose names are the scenario's own."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Fee = Annotated[float, Field(ge=0.0, lt=1.0)]
Blocks = Annotated[int, Field(ge=0, le=MOST_BLOCKS)]
Period = Annotated[int, Field(ge=1, le=MOST_BLOCKS)]
"""A time that is at least a block."""
Exponent = Annotated[float, Field(ge=0.0, le=10.0)]
"""A power to which a ratio of volatilities is taken, which may be in the millions."""
Switch = bool


def _depth(value: float) -> float:
    if not math.isinf(value) and not 1.0 / MOST <= value <= MOST:
        raise ValueError(f"{value!r} is out of range; give {1.0 / MOST:g} to {MOST:g}, or inf")
    return value


Depth = Annotated[float, Field(gt=0.0), AfterValidator(_depth)]


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{shown(text)} is not one printable line; take out what cannot be read")
    return text


def _printable(text: str) -> str:
    if not all(line.replace("\t", "").isprintable() for line in text.splitlines()):
        raise ValueError("holds characters that cannot be read; take them out")
    return text


Line = Annotated[str, Field(max_length=LONGEST_TITLE), AfterValidator(_line)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_printable)]
_NAME = re.compile(r"[^\W_](?:\w|[ +-])*", re.ASCII)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or len(text) > LONGEST_NAME or text != text.strip():
        # Names are parts of dotted paths, of measures, of files and of pictures' labels.
        raise ValueError(
            f"{shown(text)} is no name; use letters, digits, -, _ and +, a letter or a digit "
            f"first, {LONGEST_NAME} at most"
        )
    return text


Name = Annotated[str, AfterValidator(_name)]
"""What a scenario calls something of its own."""


def _not_a_number(value: Any) -> Any:
    if isinstance(value, int | float):  # pydantic would count seconds since 1970
        raise ValueError("give a date, or a date and time: 2020-03-12T00:00:00Z")
    return value


def _utc(value: datetime) -> datetime:
    # First of all, since the ends of the calendar cannot be moved to another zone.
    if not FIRST_YEAR <= value.year < LAST_YEAR:
        raise ValueError(f"{value} is out of range; give a date from {FIRST_YEAR} to {LAST_YEAR}")
    # Afterwards, since texts and dates without a time become times without a zone too.
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Moment = Annotated[datetime, BeforeValidator(_not_a_number), AfterValidator(_utc)]
Hours = Annotated[float, Field(ge=0.0, le=876_600.0)]
"""Since the start, up to a century."""


def _kind_of_time(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "<hours>" if number else "<moment>"


# Told apart beforehand, so that an error speaks of the one that was meant.
Time = Annotated[
    Annotated[Hours, Tag("<hours>")] | Annotated[Moment, Tag("<moment>")],
    Discriminator(_kind_of_time),
]
"""A moment, or hours since the start."""
Volatility = Annotated[float, Field(ge=0.0, le=100.0)]
"""Per root year; a hundred is five per cent in twelve seconds."""


def _kind_of_point(value: Any) -> str:
    return "<three>" if isinstance(value, list | tuple) and len(value) == 3 else "<two>"


Point = Annotated[
    Annotated[tuple[Time, Positive], Tag("<two>")]
    | Annotated[tuple[Time, Positive, Volatility], Tag("<three>")],
    Discriminator(_kind_of_point),
]


def reach(unit: str, low: float, high: float, log: bool = False) -> dict[str, Any]:
    """What a form needs to offer a field: its unit, and the values that researchers try.

    Args:
        unit: Of the number.
        low: Least value offered; the field's own limits are wider.
        high: Greatest.
        log: Whether steps between are even in ratio.

    Returns:
        Extra content for the field in the scenario's JSON schema, under ``reach``.
    """
    return {"reach": {"unit": unit, "low": low, "high": high, "log": log}}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GasCosts(_Table):
    """Gas of each kind of call, units: typical receipts of Uniswap v2 and Aave v2 on Ethereum."""

    swap: NotNegative = 110_000.0
    add_liquidity: NotNegative = 160_000.0
    remove_liquidity: NotNegative = 170_000.0
    deposit: NotNegative = 220_000.0
    withdraw: NotNegative = 240_000.0
    borrow: NotNegative = 310_000.0
    repay: NotNegative = 200_000.0
    liquidate: NotNegative = 450_000.0
    venue: NotNegative = Field(0.0, description="The outside venue is not on the chain.")
    transfer: NotNegative = 50_000.0
    custom: NotNegative = 200_000.0
    flash_borrow: NotNegative = 80_000.0
    flash_repay: NotNegative = 60_000.0
    require: NotNegative = 3_000.0


class OutsideDemand(_Table):
    """Demand of the rest of the world for the block's gas.

    It watches the price of the token in which gas is paid.
    """

    gas: NotNegative = Field(
        0.5,
        description="At a price of zero, share of the limit.",
        json_schema_extra=reach("share of the limit", 0.0, 2.0),
    )
    bid_median: Positive = Field(
        20.0,
        description="Of its bids, gwei.",
        json_schema_extra=reach("gwei", 1.0, 500.0, log=True),
    )
    bid_sigma: Annotated[float, Field(gt=0.0, le=10.0)] = Field(
        1.0, description="Standard deviation of the log of its bids."
    )
    volatility_response: Exponent = Field(
        0.0,
        description="Elasticity of its bids to volatility over its normal.",
        json_schema_extra=reach("elasticity", 0.0, 5.0),
    )
    quantity_response: Exponent = Field(
        0.0, description="Elasticity of its quantity to volatility over its normal."
    )
    memory: Positive = Field(50.0, description="Time over which it notices, blocks.")


class BlockSettings(_Table):
    """The block and its fee market."""

    seconds: Annotated[float, Field(ge=0.001, le=604_800.0)] = Field(
        12.0, description="Between two blocks.", json_schema_extra=reach("seconds", 1.0, 60.0)
    )
    ordering: Literal["gas_auction", "random", "first_come", "arbitrage_first"] = "gas_auction"
    fee_market: Literal["eip1559", "first_price", "off"] = "eip1559"
    gas_limit: Positive = Field(
        30e6,
        description="Gas a block.",
        json_schema_extra=reach("gas", 1000000.0, 60000000.0, log=True),
    )
    gas_token: str = Field("eth", description="Token in which gas is paid.")
    base_fee: NotNegative = Field(
        20.0,
        description="At the start, gwei.",
        json_schema_extra=reach("gwei", 0.1, 500.0, log=True),
    )
    min_base_fee: NotNegative = Field(0.1, description="Gwei.")
    priority_fee: NotNegative = Field(
        1.5,
        description="Of eip1559: what a sender pays the producer over the base fee where there is "
        "room for all, gwei.",
        json_schema_extra=reach("gwei", 0.0, 10.0),
    )
    revert_gas: Share = Field(0.3, description="Share of its gas that a reverted transaction uses.")
    expiry: Period = Field(
        50, description="Life of a waiting transaction whose sender says nothing, blocks."
    )
    gas: GasCosts = GasCosts()
    outside: OutsideDemand = OutsideDemand()


class AssetSettings(_Table):
    """An asset of the outside venue.

    Processes hold however long a block is beside their memory: a price that returns moves in
    closed form (Ornstein, Uhlenbeck 1930), Heston's variance by Andersen's QE scheme (2008), and
    a block has a Poisson number of Merton's jumps. Draws are keyed by the asset's name.
    """

    price: Positive = Field(
        description="At the start, numeraire per unit.",
        json_schema_extra=reach("numeraire", 0.01, 100000.0, log=True),
    )
    process: Literal[
        "constant", "gbm", "jumps", "heston", "garch", "mean_reverting", "bridge", "replay"
    ] = "gbm"
    drift: Annotated[float, Field(ge=-1000.0, le=1000.0)] = Field(
        0.0, description="Per year.", json_schema_extra=reach("per year", -3.0, 3.0)
    )
    volatility: Volatility = Field(
        0.8,
        description="Normal one, per root year.",
        json_schema_extra=reach("per root year", 0.0, 3.0),
    )
    jump_rate: Annotated[float, Field(ge=0.0, le=1e9)] = Field(
        0.0, description="Per year.", json_schema_extra=reach("per year", 0.0, 500.0)
    )
    jump_mean: Annotated[float, Field(ge=-10.0, le=10.0)] = Field(
        0.0, description="Mean of the log of a jump."
    )
    jump_sd: Annotated[float, Field(ge=0.0, le=5.0)] = Field(
        0.0, description="Its standard deviation."
    )
    reversion: Annotated[float, Field(ge=0.0, le=1e9)] = Field(
        0.0, description="Of the variance (heston) or price (mean_reverting), per year."
    )
    vol_of_vol: Annotated[float, Field(ge=0.0, le=1000.0)] = Field(
        0.0, description="Heston's, per year."
    )
    leverage: Annotated[float, Field(ge=-1.0, le=1.0)] = Field(
        0.0, description="Heston's correlation of variance and price."
    )
    alpha: Share = Field(0.0, description="GARCH: weight of the last squared return.")
    beta: Share = Field(0.0, description="GARCH: weight of the last variance.")
    points: list[Point] = Field(
        default=[],
        max_length=MOST_ENTRIES,
        description="Of a bridge: time (or hours since the start), price, and if it is not the "
        "normal one the volatility on the way there.",
    )
    symbol: Line | None = Field(None, description="Its name in a price file.")
    depth: Depth = Field(
        math.inf,
        description="Sale that moves the price one per cent, numeraire; inf: none does.",
        json_schema_extra=reach("numeraire for 1 %", 10000.0, 1000000000.0, log=True),
    )
    depth_exponent: Exponent = Field(
        1.0,
        description="Depth falls as (normal volatility / volatility) to this power.",
        json_schema_extra=reach("exponent", 0.0, 3.0),
    )
    least_depth: Share = Field(
        0.05,
        description="Share of the depth that stays however much prices move.",
        json_schema_extra=reach("share", 0.0, 1.0),
    )
    volatility_memory: Positive = Field(100.0, description="Of the volatility seen, blocks.")
    permanent: Share = Field(
        0.3,
        description="Share of the impact that stays.",
        json_schema_extra=reach("share of the impact", 0.0, 1.0),
    )
    half_life: Positive = Field(
        50.0,
        description="Of the rest, blocks.",
        json_schema_extra=reach("blocks", 1.0, 5000.0, log=True),
    )
    spread: Fee = Field(
        0.0005,
        description="Half of it, share of the price.",
        json_schema_extra=reach("share", 0.0, 0.01),
    )
    inventory: NotNegative = Field(1e6, description="What the venue holds, token units.")


MOST_ASSETS = 200
"""At the venue; their correlations are a matrix that is factored."""


class VenueSettings(_Table):
    """The outside venue."""

    numeraire: Name = Field("usdc", description="Token that is worth one.")
    inventory: NotNegative = Field(1e9, description="What the venue holds of it.")
    assets: dict[Name, AssetSettings] = Field(min_length=1, max_length=MOST_ASSETS)
    correlation: dict[str, Annotated[float, Field(ge=-1.0, le=1.0)]] = Field(
        default={}, description='Of shocks, by "a:b".'
    )


POOL_KINDS = ("constant_product", "weighted", "stableswap", "concentrated", "bonding_curve")


class RangeSettings(_Table):
    """A position that outside holders have in a pool of concentrated liquidity at the start."""

    lower: Positive = Field(description="Its lower price, multiple of the price at the start.")
    upper: Positive = Field(description="Its upper price, multiple of the price at the start.")
    share: Positive = Field(1.0, description="Of the value; only the ratio of shares counts.")


class BreakerSettings(_Table):
    """A circuit breaker of a pool: what goes beyond a limit halts it."""

    move: NotNegative = Field(
        0.0,
        description="Of the log of its price in a window; 0: no such limit.",
        json_schema_extra=reach("log of the price", 0.0, 0.5),
    )
    imbalance: Share = Field(0.0, description="As the measure; 0: no such limit.")
    outflow: Fee = Field(
        0.0,
        description="Share of its value in a window; 0: no such limit.",
        json_schema_extra=reach("share", 0.0, 0.9),
    )
    window: Period = Field(300, description="Blocks.")
    cool_down: Period = Field(
        300,
        description="Blocks that it stays halted.",
        json_schema_extra=reach("blocks", 1, 5000, log=True),
    )

    @model_validator(mode="after")
    def _some_limit(self) -> BreakerSettings:
        if not (self.move or self.imbalance or self.outflow):
            raise ValueError("limits nothing; give move, imbalance or outflow")
        return self


class WeightRule(_Table):
    """Weights that follow prices: each in proportion to exp(strength x its recent return)."""

    strength: Annotated[float, Field(ge=-100.0, le=100.0)] = Field(
        description="Per unit of log return; positive: momentum, negative: against it."
    )
    memory: Annotated[float, Field(ge=1.0, le=1e9)] = Field(
        300.0, description="Time over which returns count, blocks."
    )
    lowest: Annotated[float, Field(ge=0.0, lt=0.5)] = Field(
        0.05, description="Weight below which none falls."
    )


class PoolSettings(_Table):
    """A pool."""

    kind: str = "constant_product"
    tokens: list[str] = Field(
        min_length=2,
        max_length=8,
        description="Assets, or shares of other pools; two of constant_product, concentrated and "
        "bonding_curve. A bonding curve's first is its own share, which it issues.",
    )
    reserves: dict[str, Positive] = Field(
        description="At the start, token units. Of a concentrated pool: their ratio is its price, "
        "their value what its ranges share."
    )
    fee: Fee = Field(
        0.003,
        description="Share of the amount paid in.",
        json_schema_extra=reach("share", 0.0, 0.02),
    )
    protocol_fee: Share = Field(
        0.0, description="Share of the fee.", json_schema_extra=reach("share of the fee", 0.0, 1.0)
    )
    volatility_fee: NotNegative = Field(
        0.0,
        description="Added to the fee per unit of volatility a block, as lately seen.",
        json_schema_extra=reach("share", 0.0, 10.0),
    )
    imbalance_fee: NotNegative = Field(
        0.0,
        description="Added to the fee per unit of imbalance.",
        json_schema_extra=reach("share", 0.0, 0.05),
    )
    highest_fee: Fee = Field(0.05, description="To which these two may raise it.")
    fee_memory: Positive = Field(50.0, description="Of the volatility that the fee sees, blocks.")
    breaker: BreakerSettings | None = None
    tick_spacing: Annotated[int, Field(ge=1, le=16_384)] = Field(
        60, description="Of a concentrated pool: ticks between two that may hold liquidity."
    )
    price_span: Annotated[float, Field(gt=1.0, le=1e15)] = Field(
        10_000.0,
        description="Of a concentrated pool: prices it allows, from the first one over this to it "
        "times this.",
    )
    ranges: list[RangeSettings] = Field(
        default=[],
        description="Of a concentrated pool: positions at the start; none: one over all prices.",
    )
    positions: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256, description="Of a concentrated pool: room for so many, beside those of its providers."
    )
    ratio: Annotated[float, Field(ge=0.01, le=1.0)] = Field(
        0.5, description="Of a bonding curve: reserve over what all tokens are worth at its price."
    )
    supply: Positive | None = Field(
        None, description="Of a bonding curve: tokens that holders have at the start."
    )
    rates: dict[str, Positive] | None = Field(
        None, description="Of a stableswap: worth of a unit of a token beside the others'."
    )
    weights: dict[str, Positive] | None = Field(
        None, description="Of a weighted pool, by token; only their ratio counts."
    )
    target_weights: dict[str, Positive] | None = Field(
        None, description="Towards which they move: liquidity bootstrapping."
    )
    weight_rule: WeightRule | None = None
    amplification: Annotated[float, Field(gt=0.0, le=1e6)] = Field(
        100.0,
        description="Of a stableswap, A as in the contracts.",
        json_schema_extra=reach("A", 1.0, 5000.0, log=True),
    )
    target_amplification: Annotated[float, Field(gt=0.0, le=1e6)] | None = Field(
        None, description="Towards which it ramps."
    )
    moves_from: Blocks = Field(0, description="Block in which the movement begins.")
    moves_until: Blocks = Field(0, description="Block in which it ends.")
    fee_multiplier: Annotated[float, Field(ge=1.0, le=1000.0)] = Field(
        1.0, description="Of a stableswap's fee, far from balance."
    )

    def shares_of_value(self) -> dict[str, float]:
        """Weights that sum to one, by token."""
        given = self.weights or dict.fromkeys(self.tokens, 1.0)
        total = sum(given.values())
        return {token: given.get(token, 1.0) / total for token in self.tokens}


class ReserveSettings(_Table):
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


class LendingSettings(_Table):
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


class OracleSettings(_Table):
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


class _Shock(_Table):
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
    blocks: Period = Field(json_schema_extra=reach("blocks", 1, 2000, log=True))


class OracleFreeze(_Shock):
    """An oracle publishes nothing."""

    kind: Literal["oracle_freeze"]
    oracle: str
    blocks: Period = Field(json_schema_extra=reach("blocks", 1, 2000, log=True))


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
    blocks: Period = Field(json_schema_extra=reach("blocks", 1, 2000, log=True))


class PoolHalt(_Shock):
    """A pool does not trade; its providers can leave in proportion."""

    kind: Literal["pool_halt"]
    pool: str
    blocks: Period = Field(json_schema_extra=reach("blocks", 1, 2000, log=True))


class AgentsStop(_Shock):
    """A group of agents sends nothing; what it has sent already goes on."""

    kind: Literal["agents_stop"]
    agents: str
    blocks: Period = Field(json_schema_extra=reach("blocks", 1, 2000, log=True))


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
    blocks: Period = Field(json_schema_extra=reach("blocks", 1, 2000, log=True))


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


class MeasureSettings(_Table):
    """What is measured, and how often."""

    every: Period = Field(1, description="Blocks between two rows.")
    keep: list[Line] = Field(
        ["*"], max_length=MOST_ENTRIES, description="Names, with * and ? as in file names."
    )
    receipts: Literal["all", "none"] = "all"
    trade_size: Positive = Field(10_000.0, description="The standard trade, numeraire.")


class AuditSettings(_Table):
    """How often the whole ledger is summed."""

    every: Blocks = Field(0, description="Blocks; 0: every block unless the ledger is large.")
    tolerance: Positive = Field(1e-9, description="Relative leak that passes as rounding.")


class Switches(_Table):
    """Mechanisms without which a spiral would not emerge; cut one as a control."""

    oracle_reads_market: Switch = Field(
        True, description="Oracles read prices that agents move; off: the venue's without impact."
    )
    liquidators_sell: Switch = Field(
        True, description="Liquidators sell what they seize; off: they keep it."
    )
    capital_is_finite: Switch = Field(
        True, description="Arbitrageurs and liquidators can run out of capital."
    )
    providers_leave: Switch = Field(True, description="Liquidity providers may leave.")
    lenders_leave: Switch = Field(True, description="Lenders may withdraw.")
    gas_binds: Switch = Field(True, description="Blocks have a capacity, and gas a price.")
    venue_depth_is_finite: Switch = Field(
        True, description="What agents trade outside moves the price there."
    )
    interconnected: Switch = Field(
        True,
        description="Agents use several pools: routes, cycles, migration, arbitrage where it pays "
        "most; off: each keeps to one.",
    )
    breakers: Switch = Field(True, description="Circuit breakers of pools act.")
    insurance: Switch = Field(True, description="Insurance funds pay.")


class InsuranceSettings(_Table):
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


class PriceSettings(_Table):
    """Recorded prices for the assets that replay them."""

    file: Annotated[str, Field(max_length=4096), AfterValidator(_line)]


def checked_seed(rng: int) -> int:
    """A seed that is given apart from a scenario.

    Raises:
        ScenarioError: If it is none.
    """
    try:
        number = int(rng)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if not 0 <= number <= MOST_SEED:
        text = f"{shown(rng)} is out of range; give a number from 0 to {MOST_SEED}"
        raise ScenarioError([("rng", text)])
    return number


def _time_in_blocks(at: datetime | float, start: datetime, seconds: float) -> float:
    if isinstance(at, datetime):
        return (at - start).total_seconds() / seconds
    return float(at) * 3600.0 / seconds


class Scenario(BaseModel):
    """A market's starting state, its agents and the shocks from outside."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Line
    description: Text = ""
    blocks: Period = Field(
        description="Length of a run.", json_schema_extra=reach("blocks", 100, 50000, log=True)
    )
    rng: Annotated[int, Field(ge=0, le=MOST_SEED)] = Field(
        1, description="Seed, where a run names no other."
    )
    start: Annotated[Moment, PlainSerializer(lambda value: value, return_type=datetime)] = datetime(
        2020, 1, 1, tzinfo=UTC
    )
    block: BlockSettings = BlockSettings()
    venue: VenueSettings
    pools: dict[Name, PoolSettings] = Field({}, max_length=MOST_THINGS)
    lending: dict[Name, LendingSettings] = Field({}, max_length=MOST_THINGS)
    oracles: dict[Name, OracleSettings] = Field({}, max_length=MOST_THINGS)
    insurance: dict[Name, InsuranceSettings] = Field({}, max_length=MOST_THINGS)
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
        description="Folders in which modules that a kind names are looked for; default: that "
        'of the file, if it names some ("module:Class").',
    )

    # Loading

    @staticmethod
    def names() -> list[str]:
        """Names of the scenarios that come with the package."""
        return sorted(_shipped())

    @staticmethod
    def titles() -> dict[str, str]:
        """Their titles, by name."""
        found = {}
        for name, path in sorted(_shipped().items()):
            found[name] = str(_resolve(path, ()).get("title", ""))
        return found

    @classmethod
    def load(cls, name_or_path: str | Path) -> Scenario:
        """Load a scenario by its name or from its file.

        Raises:
            ScenarioError: If it cannot be run.
        """
        return cls.from_dict(_resolve(_find(str(name_or_path), Path()), ()))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Scenario:
        """Make a scenario of the content of a file.

        Raises:
            ScenarioError: If it cannot be run.
        """
        if "extends" in content:
            content = _extend(dict(content), Path(), ())
        return cls._checked(content)

    @classmethod
    def _checked(cls, content: Mapping[str, Any]) -> Scenario:
        """Make a scenario of content in which nothing stands for a file any more."""
        if reading.depth(content) > reading.DEEPEST:
            text = f"is nested more than {reading.DEEPEST} deep; a scenario's tables are not"
            raise ScenarioError([("scenario", text)])
        folders = content.get("modules")
        if isinstance(folders, list):
            registry.look_in(folder for folder in folders if isinstance(folder, str))
        try:
            scenario = cls.model_validate(dict(content))
        except ValidationError as error:
            raise ScenarioError(problems_of(error, cls)) from None
        if problems := _check(scenario):
            raise ScenarioError(problems)
        return scenario

    def override(self, values: Mapping[str, Any]) -> Scenario:
        """A scenario with other values at dotted paths.

        Values are values: ``extends`` and ``remove`` are read in files alone.

        Raises:
            ScenarioError: If a path or the result makes no sense.
        """
        content = self.to_dict()
        for path, value in values.items():
            _set(content, path, value)
        return Scenario._checked(content)

    def with_overrides(self, items: Iterable[str]) -> Scenario:
        """A scenario with ``path=value`` items applied; values are written as in TOML.

        Raises:
            ScenarioError: If an item, a path or the result makes no sense.
        """
        values = {}
        for item in items:
            path, equals, text = item.partition("=")
            if not equals or not path.strip():
                text = "give path=value, as in pools.eth-usdc.fee=0.001"
                raise ScenarioError([(item or "--set", text)])
            values[path.strip()] = _toml_value(path.strip(), text.strip())
        return self.override(values)

    def with_prices(self, file: str | Path) -> Scenario:
        """A scenario in which every asset that has a symbol replays a price file.

        Raises:
            ScenarioError: If no asset has a symbol.
        """
        content = self.to_dict()
        replayed = [a for a in content["venue"]["assets"].values() if a.get("symbol")]
        if not replayed:
            text = "no asset has a symbol; set venue.assets.<name>.symbol to its name in the file"
            raise ScenarioError([("venue.assets", text)])
        for asset in replayed:
            asset["process"] = "replay"
        content["prices"] = {"file": str(Path(file).absolute())}
        return Scenario.from_dict(content)

    # Saving

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
        return max(1, math.ceil(_time_in_blocks(shock.at, self.start, self.block.seconds)))

    def bridge_points(
        self, asset: str
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Points that an asset's bridge goes through.

        Returns:
            Times in blocks, prices, and volatilities per root year on the way to each.
        """
        settings = self.venue.assets[asset]
        times = [_time_in_blocks(p[0], self.start, self.block.seconds) for p in settings.points]
        prices = [p[1] for p in settings.points]
        ways = [p[2] if len(p) > 2 else settings.volatility for p in settings.points]
        return np.array(times), np.array(prices), np.array(ways)

    def price_file(self) -> Path:
        """The file of recorded prices."""
        return Path(self.prices.file if self.prices else "")

    def time_of(self, block: int) -> datetime:
        """Time at which a block is made."""
        return datetime.fromtimestamp(self.start.timestamp() + block * self.block.seconds, UTC)

    def warnings(self) -> list[tuple[str, str]]:
        """What may be run but is unwise, as (field, text)."""
        found = []
        for name, market in self.lending.items():
            for token, r in market.reserves.items():
                if r.collateral and r.threshold * (1.0 + r.bonus) > 1.0:
                    field = f"lending.{name}.reserves.{token}.threshold"
                    text = (
                        "threshold x (1 + bonus) is above 1: liquidations at the threshold "
                        "leave bad debt (Warmuz, Chaudhary, Pinna 2022)"
                    )
                    found.append((field, text))
        return found


# Finding and merging files


@cache
def _shipped() -> dict[str, Path]:
    folder = resources.files("runs") / "scenarios"
    return {Path(str(f)).stem: Path(str(f)) for f in folder.iterdir() if f.name.endswith(".toml")}


def _find(name: str, beside: Path) -> Path:
    """File of a scenario: a name, or a path (relative to the file that names it)."""
    shipped = _shipped()
    if name in shipped:
        return shipped[name]
    path = beside / name
    if reading.is_file(path):
        return path
    if name.endswith(".toml") or "/" in name or "\\" in name:
        text = f"there is no file {shortened(str(path), 300)}; give the path of one"
        raise ScenarioError([(name, text)])
    raise ScenarioError(
        [(name, f"no such scenario; {did_you_mean(name, sorted(shipped))}, or the path of a file")]
    )


LONGEST_CHAIN = 50
"""Files that extend one another."""


def _resolve(path: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    """Content of a file with what it extends merged in."""
    path = path.resolve()
    if len(chain) >= LONGEST_CHAIN:
        text = f"goes through more than {LONGEST_CHAIN} files; merge some"
        raise ScenarioError([("extends", text)])
    if path in chain:
        names = " -> ".join(p.name for p in (*chain[chain.index(path) :], path))
        raise ScenarioError([("extends", f"goes in a circle: {names}; take one of them out")])
    try:
        content = reading.toml(reading.read_text(path))
    except reading.UnreadableError as error:
        raise ScenarioError([(path.name, str(error))]) from None
    prices = content.get("prices")
    if isinstance(prices, dict) and isinstance(prices.get("file"), str):
        prices["file"] = str(path.parent / prices["file"])
    folders = content.get("modules")
    if folders is None and _names_modules(content):
        content["modules"] = [str(path.parent)]
    elif isinstance(folders, list):  # of another form it is told where all is checked
        content["modules"] = [str(path.parent / f) if isinstance(f, str) else f for f in folders]
    return _extend(content, path.parent, (*chain, path))


def _names_modules(content: Mapping[str, Any]) -> bool:
    """Whether a file names kinds that are classes in a module."""
    kinds = [
        table.get("kind")
        for part in ("protocols", "agents")
        if isinstance(content.get(part), dict)
        for table in content[part].values()
        if isinstance(table, dict)
    ]
    return any(isinstance(k, str) and ":" in k for k in kinds)


def _extend(content: dict[str, Any], beside: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    parent_name = content.pop("extends", None)
    removed = content.pop("remove", [])
    if parent_name is None:
        if removed:
            raise ScenarioError([("remove", "only makes sense with extends; take it out")])
        return content
    if not isinstance(removed, list):
        raise ScenarioError([("remove", 'give a list of dotted paths: ["agents.whales"]')])
    if not isinstance(parent_name, str):
        raise ScenarioError([("extends", "give the name or the path of one scenario")])
    parent = _resolve(_find(parent_name, beside), chain)
    for path in removed:
        _remove(parent, str(path))
    merged = _merge(parent, content)
    theirs, own = parent.get("modules"), content.get("modules")
    if isinstance(theirs, list) and isinstance(own, list):  # each file's kinds lie beside it
        merged["modules"] = [*own, *(folder for folder in theirs if folder not in own)]
    return merged


def _merge(parent: dict[str, Any], child: Mapping[str, Any]) -> dict[str, Any]:
    """The child's values over the parent's, table by table.

    A table that says of what kind it is (a distribution) is replaced whole, since
    the parent's numbers would make no sense in it.
    """
    merged = dict(parent)
    for key, value in child.items():
        old = merged.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and "distribution" not in value:
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged


def _remove(content: dict[str, Any], path: str) -> None:
    *parents, last = path.split(".")
    table: Any = content
    for key in parents:
        table = table.get(key, {}) if isinstance(table, dict) else {}
    if not isinstance(table, dict) or last not in table:
        raise ScenarioError([("remove", f"there is no {path} in what it extends")])
    del table[last]


def _set(content: dict[str, Any], path: str, value: Any) -> None:
    """Set a value at a dotted path; the tables on the way must exist."""
    if not all(part.strip() for part in path.split(".")):
        text = "is no dotted path; give one as pools.eth-usdc.fee"
        raise ScenarioError([(path if path.strip() else repr(path), text)])
    *parents, last = path.split(".")
    table: Any = content
    for i, key in enumerate(parents):
        table = _child(table, key, ".".join(parents[: i + 1]))
        if isinstance(table, int | float) and not isinstance(table, bool):
            break
    if isinstance(table, list):
        at = _list_index(table, last, path)
        table[at] = value
    elif isinstance(table, dict):
        table[last] = _merge(table, {last: value})[last]
    else:
        raise ScenarioError([(path, f"{'.'.join(parents)} is a value, not a table")])


def _child(table: Any, key: str, path: str) -> Any:
    if isinstance(table, list):
        return table[_list_index(table, key, path)]
    if not isinstance(table, dict):
        raise ScenarioError([(path, "there is a value on the way, not a table")])
    if key not in table:
        # Tables that are optional are made; a misspelt one is caught when validated.
        if key in ("prices",):
            table[key] = {}
        else:
            raise ScenarioError([(path, f"no such field; {did_you_mean(key, table)}")])
    return table[key]


def _list_index(values: list[Any], key: str, path: str) -> int:
    # ASCII: a superscript two is a digit to Python, but no number.
    if not (key.isascii() and key.isdecimal() and len(key) < 10 and int(key) < len(values)):
        places = f"give 0 to {len(values) - 1}" if values else "it is empty"
        text = f"{shown(key)} is no place in a list of {len(values)}; {places}"
        raise ScenarioError([(path, text)])
    return int(key)


def _toml_value(path: str, text: str) -> Any:
    """A value as in TOML; what is none stands for itself, so that texts need no quotes."""
    try:
        content = reading.toml(f"value = {text}")
    except reading.UnreadableError as error:
        if text[:1] in ("[", "{") or text[:1].isdigit():  # it was meant to be one
            raise ScenarioError([(path, f"{shown(text)} {error}")]) from None
        return text
    if len(content) > 1:
        raise ScenarioError([(path, f"{shown(text)} is more than one value; give one")])
    return content["value"]


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_none(v) for v in value]
    return value


# Checking


def problems_of(error: ValidationError, root: Any) -> list[tuple[str, str]]:
    """What pydantic found in the content of a file, in words, by dotted field.

    Args:
        error: From the validation of `root`.
        root: The model of the whole file.
    """
    found = []
    for item in error.errors():
        path = [str(part) for part in item["loc"]]
        path = [p for i, p in enumerate(path) if not _is_internal(p, path[:i])]
        field = ".".join(path)
        kind, given, context = item["type"], item.get("input"), item.get("ctx", {})
        if kind == "extra_forbidden":
            text = f"unknown field; {did_you_mean(path[-1], _siblings(root, path[:-1]))}"
        elif kind == "missing":
            text = "is missing; give it"
        elif kind in ("union_tag_invalid", "union_tag_not_found"):
            expected = context.get("expected_tags", "")
            text = f"unknown kind; give one of {expected}"
            text = text if expected else "needs a kind"
        elif kind == "value_error":
            text = str(context.get("error", item["msg"]))
        elif kind.startswith(("less_than", "greater_than")):
            bound = ", ".join(f"{_BOUNDS[k]} {v:g}" for k, v in context.items() if k in _BOUNDS)
            text = f"{shown(given)} is out of range; give a number {bound}"
        elif kind == "finite_number":
            text = f"{shown(given)} is not a finite number; give one"
        else:
            text = f"{item['msg'][:1].lower()}{item['msg'][1:]} (given {shown(given)})"
        if kind != "value_error" and path and path[-1] in ("fee",):
            text += " (a share of the amount traded, below 1: 0.003 is 30 basis points)"
        found.append((field or root.__name__.lower(), text))
    return found


_BOUNDS = {"gt": "above", "ge": "of at least", "lt": "below", "le": "of at most"}
_OUR_TAGS = frozenset({"<hours>", "<moment>", "<two>", "<three>"})
_TAGS = frozenset(SHOCK_KINDS) | {
    "constant",
    "uniform",
    "normal",
    "lognormal",
    "pareto",
    "beta",
    "choice",
    "columns",
}


def _is_internal(part: str, before: list[str]) -> bool:
    """Whether a part of pydantic's path is not in the file: the tag of a union, our own table."""
    if part.startswith(("function-", "tagged-union", "constrained")) or part == "[key]":
        return True
    if part in _OUR_TAGS and before:
        return True
    if before[:1] == ["shocks"]:  # shocks.0.<tag>
        return part in _TAGS and len(before) == 2
    if before[:1] == ["agents"]:  # agents.<group>.columns.<column>.<tag>; all may be called alike
        return part in _TAGS and len(before) in (2, 4)
    return False


def _siblings(root: Any, path: list[str]) -> list[str]:
    """Fields that are known beside one, for a hint."""
    model: Any = root
    if (
        root is Scenario and path[:1] == ["agents"] and len(path) > 2
    ):  # a column, or an amount in a wallet
        kinds = get_args(get_args(Distribution)[0])
        return sorted({field for kind in kinds for field in kind.model_fields})
    for part in path:
        fields = getattr(model, "model_fields", None)
        if fields is None:
            return []
        if part in fields:
            model = model_of(fields[part].annotation)
        # else: a name in a dictionary of the same model
    return sorted(getattr(model, "model_fields", {}))


def model_of(annotation: Any) -> Any:
    """The model inside an annotation such as dict[str, Model]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        if (found := model_of(part)) is not None:
            return found
    return None


def _twice(names: Iterable[str]) -> list[str]:
    """Names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


def _check(s: Scenario) -> list[tuple[str, str]]:
    """All that pydantic cannot see: names that do not exist, numbers that contradict each other."""
    found: list[tuple[str, str]] = []

    def known(field: str, name: str | None, names: Iterable[str], what: str) -> None:
        names = list(names)
        if name is not None and name not in names:
            found.append((field, f"unknown {what} {name!r}; {did_you_mean(name, names)}"))

    base = [s.venue.numeraire, *s.venue.assets]
    issued = [f"{pool}-share" for pool in s.pools]
    for name, lender in s.lending.items():
        issued += [f"{name}-{t}{end}" for t in lender.reserves for end in ("", "-debt")]
    found += _check_protocols(s, base)
    for name, declared in s.protocols.items():
        with suppress(ScenarioError):
            issued += registry.protocol(declared.kind).token_names(name)
    tokens = [*base, *issued]
    names = ["venue", "producer", "holders", "treasury", *s.pools, *s.lending, *s.insurance]
    names += [*(f"{name}-treasury" for name in s.lending), *s.protocols]
    for name in _twice([*names, *s.agents]):
        found.append((name, "two things are called so; rename one"))
    for name in _twice(tokens):
        found.append((name, "two tokens are called so; rename a pool, market or asset"))
    for name in names:  # the accounts of a group are called after it
        first, _, number = name.rpartition("-")
        if first in s.agents and number.isdecimal() and int(number) < s.agents[first].count:
            text = f"is called like an agent of {first}; rename one of them"
            found.append((name, text))
    cells = (sum(group.count for group in s.agents.values()) + len(names)) * len(tokens)
    if cells > MOST_CELLS:
        text = f"with all tokens make a ledger of {cells:,} numbers; give fewer agents or tokens"
        found.append(("agents", f"{text}, {MOST_CELLS:,} at most"))
    found += _check_time(s)
    known("block.gas_token", s.block.gas_token, base, "token")
    found += _check_venue(s)
    for name, pool in s.pools.items():
        field = f"pools.{name}"
        known(f"{field}.kind", pool.kind, POOL_KINDS, "kind of pool")
        for token in pool.tokens:
            known(f"{field}.tokens", token, tokens, "token")
        found += _check_kind(name, pool)
        if len(set(pool.tokens)) < len(pool.tokens):
            found.append((f"{field}.tokens", "hold a token twice; give different ones"))
        elif set(pool.tokens) <= set(tokens):
            own = f"{name}-share"
            inside = [t for t in pool.tokens if t != own]
            if set(pool.reserves) != set(inside):
                text = f"must be of {' and '.join(inside)}, not {' and '.join(pool.reserves)}"
                found.append((f"{field}.reserves", text))
            shares = {f"{p}-share": p for p, other in s.pools.items() if _has_shares(other)}
            if strange := set(inside) - set(base) - set(shares):
                text = f"{', '.join(sorted(strange))} cannot be put in at the start; assets and "
                text += "shares of pools can, but of concentrated ones, which have none"
                found.append((f"{field}.tokens", text))
    if circle := _circle_of_shares(s):
        text = f"hold each other's shares in a circle: {' -> '.join(circle)}; break it"
        found.append((f"pools.{circle[0]}.tokens", text))
    for name, fund in s.insurance.items():
        known(f"insurance.{name}.token", fund.token, base, "token")
        for covered in fund.covers:
            coverable = [*s.pools, *s.lending]
            known(f"insurance.{name}.covers", covered, coverable, "pool or lending market")
            kind = s.pools[covered].kind if covered in s.pools else ""
            if kind in ("concentrated", "bonding_curve"):
                text = f"{covered} is {kind}; losses are stated of pools whose shares are alike"
                found.append((f"insurance.{name}.covers", text))
    for name, oracle in s.oracles.items():
        field = f"oracles.{name}"
        known(f"{field}.token", oracle.token, tokens, "token")
        known(f"{field}.pool", oracle.pool, s.pools, "pool")
        known(f"{field}.quote", oracle.quote, s.oracles, "oracle")
        if oracle.source in ("pool_spot", "pool_twap", "share") and oracle.pool is None:
            found.append((f"{field}.pool", f"is missing; source = {oracle.source!r} needs one"))
        if oracle.live and (oracle.source != "pool_spot" or oracle.lag or oracle.deviation):
            text = 'is only for source = "pool_spot" without lag and deviation; take one out'
            found.append((f"{field}.live", text))
        if oracle.source == "fixed" and oracle.price is None:
            found.append((f"{field}.price", 'is missing; source = "fixed" needs one'))
        if oracle.source == "venue" and oracle.token not in base:
            text = f"the venue does not trade {oracle.token}; use a pool, fixed or share"
            found.append((f"{field}.source", text))
        reads = s.pools.get(oracle.pool or "")
        if oracle.source in ("pool_spot", "pool_twap") and reads is not None:
            if oracle.token not in reads.tokens:
                text = f"{oracle.pool} does not hold {oracle.token}; name a pool that does"
                found.append((f"{field}.pool", text))
            elif oracle.quote is None and s.venue.numeraire not in reads.tokens:
                other = oracle_quote_token(reads.tokens, oracle.token, s.venue.numeraire)
                text = f"is missing; name an oracle of {other}, in which {oracle.pool} quotes"
                found.append((f"{field}.quote", text))
        if oracle.source == "share" and reads is not None and not _has_fair_price(reads):
            text = (
                f"has no fair price for {oracle.pool}, a {reads.kind} pool; only constant_product, "
            )
            found.append((f"{field}.source", text + "weighted and stableswap pools have one"))
        quoted = s.oracles[oracle.quote].token if oracle.quote in s.oracles else None
        if reads is not None and oracle.source in ("pool_spot", "pool_twap") and quoted:
            if quoted not in reads.tokens or quoted == oracle.token:
                text = f"prices {quoted}; name an oracle of a token that {oracle.pool} quotes in"
                found.append((f"{field}.quote", text))
        if circle := _circle_of_quotes(s, name):
            text = f"goes in a circle: {' -> '.join(circle)}; quote one of them in another"
            found.append((f"{field}.quote", text))
        share = f"{oracle.pool}-share"
        if oracle.source == "share" and reads is not None and oracle.token != share:
            found.append((f"{field}.token", f"is not {oracle.pool}'s share; give {share!r}"))
    debts = {f"{name}-{t}-debt" for name, lender in s.lending.items() for t in lender.reserves}
    for name, market in s.lending.items():
        for token, r in market.reserves.items():
            field = f"lending.{name}.reserves.{token}"
            known(field, token, [t for t in tokens if not t.startswith(f"{name}-")], "token")
            if token in debts:
                text = "is a debt, which nobody can hand over; take it out of the reserves"
                found.append((field, text))
            known(f"{field}.oracle", r.oracle or token, s.oracles, "oracle")
            feed = s.oracles.get(r.oracle or token)
            if feed is not None and feed.token != token:
                text = f"oracle {r.oracle or token!r} prices {feed.token}, not {token}"
                found.append((f"{field}.oracle", f"{text}; name one of {token}"))
            if r.collateral and r.threshold < r.ltv:
                text = (
                    f"{r.threshold} is below the loan-to-value {r.ltv}: positions could be "
                    "liquidated as soon as they are opened; raise it, or lower ltv"
                )
                found.append((f"{field}.threshold", text))
            if (r.cash > 0.0 or r.utilisation is not None) and token not in base:
                found.append((f"{field}.cash", f"only {', '.join(base)} can be put in"))
            if r.cash > r.supply_cap:
                text = f"{r.cash:g} is above supply_cap ({r.supply_cap:g}); lower it, or raise that"
                found.append((f"{field}.cash", text))
            if r.cash > 0.0 and r.utilisation is not None:
                text = "cannot stand beside cash; give one of them"
                found.append((f"{field}.utilisation", text))
    for name, group in s.agents.items():
        found += _check_group(s, name, group, tokens, base)
    for i, shock in enumerate(s.shocks):
        field = f"shocks.{i}"
        if shock.at is not None and _time_in_blocks(shock.at, s.start, s.block.seconds) < 0.0:
            found.append((f"{field}.at", f"is before the start ({s.start:%Y-%m-%dT%H:%M:%SZ})"))
        targets = {
            "asset": (s.venue.assets, "asset"),
            "token": (base, "token"),
            "pool": (s.pools, "pool"),
            "oracle": (s.oracles, "oracle"),
            "lending": (s.lending, "lending market"),
            "agents": (s.agents, "group of agents"),
            "target": (["venue", *s.pools], "place to sell"),
        }
        for attribute, (there, what) in targets.items():
            known(f"{field}.{attribute}", getattr(shock, attribute, None), there, what)
        if isinstance(shock, WhaleSale) and shock.target in s.pools:
            known(f"{field}.token", shock.token, s.pools[shock.target].tokens, "token of the pool")
        if isinstance(shock, Withdrawal) and shock.lending in s.lending:
            there = s.lending[shock.lending].reserves
            known(f"{field}.token", shock.token, there, "reserve")
    return found


def _check_protocols(s: Scenario, base: list[str]) -> list[tuple[str, str]]:
    """What is wrong with protocols that declare themselves, as their kinds say."""
    found: list[tuple[str, str]] = []
    for name, table in s.protocols.items():
        field = f"protocols.{name}"
        try:
            cls, settings = registry.protocol(table.kind), table.settings
        except ScenarioError as error:
            found.append((f"{field}.kind", error.problems[0][1]))
            continue
        except ValidationError as error:
            root = registry.protocol(table.kind).Settings
            whole = root.__name__.lower()
            told = problems_of(error, root)
            found += [(field if at == whole else f"{field}.{at}", text) for at, text in told]
            continue
        for key in cls.tokens:
            token = getattr(settings, key)
            if token not in base:
                text = f"unknown token {token!r}; {did_you_mean(str(token), base)}"
                found.append((f"{field}.{key}", text))
        calls = [call.name for call in cls.calls]
        for call in table.gas:
            if call not in calls:
                text = f"is no call of it; {did_you_mean(call, calls)}"
                found.append((f"{field}.gas.{call}", text))
    return found


def _check_time(s: Scenario) -> list[tuple[str, str]]:
    """Whether the run has dates."""
    if s.start.year >= LAST_START:
        return [("start", f"{s.start} is out of range; give a date before {LAST_START}")]
    seconds = s.blocks * s.block.seconds
    years = LAST_YEAR - s.start.year
    if seconds > years * 365 * 86_400:
        text = f"of {s.block.seconds:g} s go beyond the year {LAST_YEAR}; give fewer"
        return [("blocks", f"{s.blocks:,} {text}")]
    return []


def _check_process(s: Scenario, field: str, name: str, a: AssetSettings) -> list[tuple[str, str]]:
    """Whether the numbers of a price process leave prices that can be counted with."""
    found: list[tuple[str, str]] = []
    block = s.block.seconds / YEAR
    years = s.blocks * block
    if a.process in ("bridge", "replay"):
        if s.blocks > MOST_RECORDED:
            text = f"lays out {s.blocks:,} blocks beforehand; give blocks of {MOST_RECORDED:,}"
            found.append((f"{field}.process", f"{text} or fewer"))
        return found
    if a.process == "jumps" and a.jump_rate * block > MOST_JUMPS:
        text = f"{a.jump_rate:g} is {a.jump_rate * block:.4g} jumps a block; {MOST_JUMPS:g} are"
        found.append((f"{field}.jump_rate", f"{text} the most, lower it"))
    if a.process in ("heston", "mean_reverting") and a.reversion * block > MOST_REVERSION:
        text = f"{a.reversion:g} goes all of the way back within a block"
        found.append((f"{field}.reversion", f"{text}; give {MOST_REVERSION / block:.4g} or less"))
    if a.process == "constant":
        return found
    # What it goes by itself, and ten deviations either way.
    reaches = {
        "drift": abs(a.drift) * years,
        "volatility": 0.5 * a.volatility**2 * years + 10.0 * a.volatility * math.sqrt(years),
        "price": abs(math.log(a.price)),
    }
    if a.process == "mean_reverting":
        reaches["drift"] = 0.0
    if a.process == "jumps":
        count = a.jump_rate * years
        mean = math.expm1(a.jump_mean + 0.5 * a.jump_sd**2)  # which the drift makes up for
        size = math.hypot(a.jump_mean, a.jump_sd)
        reaches["jump_rate"] = count * (abs(a.jump_mean) + abs(mean)) + 10.0 * size * math.sqrt(
            count
        )
    if sum(reaches.values()) > MOST_LOG_PRICE:
        most = max(reaches, key=lambda key: reaches[key])
        text = (
            f"{getattr(a, most):g} takes the price of {name} beyond exp({MOST_LOG_PRICE:g}) in "
            f"{s.blocks:,} blocks; lower it, or blocks"
        )
        found.append((f"{field}.{most}", text))
    return found


YEAR = 365.25 * 86_400.0
"""Seconds of a year, as the venue counts it."""


def oracle_quote_token(tokens: list[str], token: str, numeraire: str) -> str:
    """Token of a pool in which an oracle reads the price of another: the numeraire if it can."""
    return numeraire if numeraire in tokens else next(t for t in tokens if t != token)


def _circle_of_quotes(s: Scenario, name: str) -> list[str]:
    """The oracles that one quotes in, if they lead back to it."""
    way = [name]
    while (quote := s.oracles[way[-1]].quote) in s.oracles and quote is not None:
        if quote == name:
            return [*way, name]
        if quote in way:
            return []  # a circle of others, which they tell
        way.append(quote)
    return []


def _has_fair_price(pool: PoolSettings) -> bool:
    return pool.kind in ("constant_product", "weighted", "stableswap")


def _has_shares(pool: PoolSettings) -> bool:
    return pool.kind != "concentrated"


def order_of_funding(scenario: Scenario) -> list[str]:
    """Pools such that each comes after those whose shares it holds; in a circle: all the same."""
    needs = _shares_held(scenario)
    order: list[str] = []
    waiting = list(scenario.pools)
    while waiting:
        there = set(waiting)
        ready = [name for name in waiting if not needs[name] & there]
        if not ready:
            return order + waiting
        order += ready
        waiting = [name for name in waiting if needs[name] & there]
    return order


def _shares_held(s: Scenario) -> dict[str, set[str]]:
    """The other pools whose shares each pool holds."""
    pools = {f"{name}-share": name for name in s.pools}
    return {
        name: {pools[t] for t in pool.tokens if t in pools} - {name}
        for name, pool in s.pools.items()
    }


def _circle_of_shares(s: Scenario) -> list[str]:
    order, needs = order_of_funding(s), _shares_held(s)
    at = {name: i for i, name in enumerate(order)}
    for name in order:
        later = [other for other in needs[name] if at[other] > at[name]]
        if later:
            return [name, min(later, key=lambda other: at[other])]
    return []


LEAST_WEIGHT = 1e-4
"""Share of a weighted pool's value; amounts are taken to the power of one weight over another."""
OF_KIND = {
    "ratio": "bonding_curve",
    "supply": "bonding_curve",
    "rates": "stableswap",
    "tick_spacing": "concentrated",
    "price_span": "concentrated",
    "ranges": "concentrated",
    "positions": "concentrated",
    "weights": "weighted",
    "target_weights": "weighted",
    "weight_rule": "weighted",
    "amplification": "stableswap",
    "target_amplification": "stableswap",
    "fee_multiplier": "stableswap",
}


def _check_kind(pool_name: str, pool: PoolSettings) -> list[tuple[str, str]]:
    """What is wrong with the fields that only some kinds of pool have."""
    found = []
    field = f"pools.{pool_name}"
    if len(pool.tokens) > 2 and pool.kind not in ("weighted", "stableswap"):
        text = f"are {len(pool.tokens)}; a {pool.kind} pool has two"
        found.append((f"{field}.tokens", text))
    own = f"{pool_name}-share"
    if pool.kind == "bonding_curve":
        if pool.tokens[0] != own:
            text = f"begin with {pool.tokens[0]!r}; the first is what it issues, {own!r}"
            found.append((f"{field}.tokens", text))
        if pool.supply is None:
            found.append((f"{field}.supply", "is missing; say how many tokens are out at first"))
    elif own in pool.tokens:
        found.append((f"{field}.tokens", f"hold {own}, its own share; only a bonding curve may"))
    for i, position in enumerate(pool.ranges):
        where = f"{field}.ranges.{i}"
        if position.lower >= position.upper:
            text = f"{position.upper:g} is not above lower ({position.lower:g}); raise it"
            found.append((f"{where}.upper", text))
        elif position.lower < 1.0 / pool.price_span or position.upper > pool.price_span:
            text = f"leaves the prices that the pool allows; raise price_span ({pool.price_span:g})"
            found.append((where, text))
    if pool.rates is not None and not set(pool.rates) <= set(pool.tokens):
        text = f"must be of {' and '.join(pool.tokens)}, not {' and '.join(pool.rates)}"
        found.append((f"{field}.rates", text))
    if pool.highest_fee < pool.fee and (pool.volatility_fee or pool.imbalance_fee):
        text = f"{pool.highest_fee:g} is below the fee ({pool.fee:g}); raise it"
        found.append((f"{field}.highest_fee", text))
    for name, kind in OF_KIND.items():
        is_default = getattr(pool, name) == PoolSettings.model_fields[name].default
        if not is_default and pool.kind != kind:
            found.append((f"{field}.{name}", f"is of a {kind} pool; this one is {pool.kind}"))
    for name in ("weights", "target_weights"):
        given = getattr(pool, name)
        if given is not None and set(given) != set(pool.tokens):
            text = f"must be of {' and '.join(pool.tokens)}, not {' and '.join(given)}"
            found.append((f"{field}.{name}", text))
        elif given is not None and min(given.values()) < LEAST_WEIGHT * sum(given.values()):
            text = f"make one of them less than {LEAST_WEIGHT:g} of all; raise it"
            found.append((f"{field}.{name}", text))
    if pool.weight_rule is not None:
        if pool.weight_rule.lowest * len(pool.tokens) >= 1.0:
            text = f"{pool.weight_rule.lowest:g} leaves nothing to move among {len(pool.tokens)} "
            found.append((f"{field}.weight_rule.lowest", text + "tokens; lower it"))
        if pool.target_weights is not None:
            text = "cannot stand beside target_weights; give one of them"
            found.append((f"{field}.weight_rule", text))
    moves = pool.target_weights is not None or pool.target_amplification is not None
    if moves and pool.moves_until <= pool.moves_from:
        text = f"is not after moves_from ({pool.moves_from}); say until when it moves"
        found.append((f"{field}.moves_until", text))
    if not moves and pool.moves_until:
        text = "moves nothing; give target_weights, or target_amplification"
        found.append((f"{field}.moves_until", text))
    return found


def _check_venue(s: Scenario) -> list[tuple[str, str]]:
    found = []
    assets = list(s.venue.assets)
    if s.venue.numeraire in assets:
        text = "is among the assets; it is worth one, take it out of them"
        found.append(("venue.numeraire", text))
    matrix = np.eye(len(assets))
    for pair, value in s.venue.correlation.items():
        first, _, second = pair.partition(":")
        if first not in assets or second not in assets or first == second:
            text = f'name two different assets as "a:b"; there are {", ".join(assets)}'
            found.append((f"venue.correlation.{pair}", text))
        elif f"{second}:{first}" in s.venue.correlation:
            text = f"is also given as {second}:{first}; give one of them"
            found.append((f"venue.correlation.{pair}", text))
        else:
            i, j = assets.index(first), assets.index(second)
            matrix[i, j] = matrix[j, i] = value
    if np.linalg.eigvalsh(matrix).min() <= 1e-10:
        text = "contradict each other (the matrix is not positive definite); bring them nearer to 0"
        found.append(("venue.correlation", text))
    for name, a in s.venue.assets.items():
        field = f"venue.assets.{name}"
        if a.process == "bridge":
            times = [_time_in_blocks(p[0], s.start, s.block.seconds) for p in a.points]
            if len(times) < 2 or any(x >= y for x, y in pairwise(times)):
                text = "a bridge needs two points or more, in the order of time"
                found.append((f"{field}.points", text))
        if a.process == "garch" and a.alpha + a.beta >= 1.0:
            text = f"alpha + beta is {a.alpha + a.beta:g}; below 1 the variance stays finite"
            found.append((f"{field}.beta", text))
        if a.process == "replay":
            if a.symbol is None:
                found.append((f"{field}.symbol", "is missing; give its name in the price file"))
            if s.prices is None:
                found.append(("prices.file", f"is missing; {name} replays one"))
        found += _check_process(s, field, name, a)
    jumps: dict[str, float] = {}
    for i, shock in enumerate(s.shocks):
        if isinstance(shock, PriceJump):
            jumps[shock.asset] = jumps.get(shock.asset, 0.0) + abs(math.log1p(shock.size))
            if jumps[shock.asset] > MOST_LOG_PRICE:
                text = f"takes {shock.asset} beyond exp({MOST_LOG_PRICE:g}) with those before it"
                found.append((f"shocks.{i}.size", f"{text}; make them smaller, or fewer"))
                break
    return found


_KEYS = {"pools": "pools", "lending": "lending", "collateral": "collateral", "debt": "debt"}


def _check_group(
    s: Scenario, name: str, group: AgentSettings, tokens: list[str], base: list[str]
) -> list[tuple[str, str]]:
    """What is wrong with a group of agents."""
    found: list[tuple[str, str]] = []
    field = f"agents.{name}"
    try:
        behaviour = registry.behaviour(group.kind)
    except ScenarioError as error:
        return [(f"{field}.kind", error.problems[0][1])]

    def known(key: str, value: str | None, names: Iterable[str], what: str) -> None:
        names = list(names)
        if value is not None and value not in names:
            found.append(
                (f"{field}.{key}", f"unknown {what} {value!r}; {did_you_mean(value, names)}")
            )

    settable = {n: c for n, c in behaviour.columns.items() if not c.state}
    for column, distribution in group.columns.items():
        if column not in settable:
            text = f"unknown field of a {group.kind}; {did_you_mean(column, settable)}"
            found.append((f"{field}.{column}", text))
            continue
        low, high = distribution.support()
        c = settable[column]
        if low < c.low or high > c.high:
            reach = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            text = (
                f"{reach} leaves the range {c.low:g} to {c.high:g} ({c.unit}); "
                f"{'change it' if low == high else 'set at_least or at_most'}"
            )
            found.append((f"{field}.{column}", text))
    for token, amount in group.wallet.items():
        known(f"wallet.{token}", token, base, "token")
        if amount.support()[0] < 0.0:
            text = "may be negative; set at_least = 0"
            found.append((f"{field}.wallet.{token}", text))
    kinds: frozenset[str] = getattr(behaviour, "pool_kinds", frozenset())
    most_tokens = getattr(behaviour, "most_tokens", 8)
    for pool in group.pools:
        known("pools", pool, s.pools, "pool")
        if kinds and pool in s.pools and s.pools[pool].kind not in kinds:
            text = f"{pool} is {s.pools[pool].kind}; a {group.kind} knows {', '.join(kinds)} only"
            found.append((f"{field}.pools", text))
        elif pool in s.pools and len(s.pools[pool].tokens) > most_tokens:
            text = f"{pool} holds {len(s.pools[pool].tokens)} tokens; a {group.kind} knows pools "
            found.append((f"{field}.pools", text + f"of {most_tokens} only"))
    known("lending", group.lending, s.lending, "lending market")
    known("route", group.route, ["venue", *s.pools], "place to trade")
    reserves = s.lending[group.lending].reserves if group.lending in s.lending else {}
    for key in ("collateral", "debt"):
        if group.lending in s.lending:
            known(key, getattr(group, key), [t for t in reserves if t in base], "reserve")
    if group.network != "none" and group.count * group.neighbours > MOST_FRIENDS:
        text = f"of {group.count:,} agents make a graph of more than {MOST_FRIENDS:,} edges"
        found.append((f"{field}.neighbours", f"{group.neighbours:,} {text}; give fewer"))
    for key in sorted(behaviour.needs):
        if not getattr(group, key):
            found.append((f"{field}.{key}", f"is missing; a {group.kind} needs it"))
    return found


SHOCKS: TypeAdapter[Any] = TypeAdapter(Shock)
"""Reads one shock as a scenario states it."""
