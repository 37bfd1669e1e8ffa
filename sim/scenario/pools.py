"""Pools: their kinds, fees, breakers, ranges and weights."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from sim.distribution import NotNegative, Positive
from sim.scenario.fields import Blocks, Fee, Period, Share, Table, reach

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


class RangeSettings(Table):
    """A position that outside holders have in a pool of concentrated liquidity at the start."""

    lower: Positive = Field(description="Its lower price, multiple of the price at the start.")
    upper: Positive = Field(description="Its upper price, multiple of the price at the start.")
    share: Positive = Field(1.0, description="Of the value; only the ratio of shares counts.")


class BreakerSettings(Table):
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


class WeightRule(Table):
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


class PoolSettings(Table):
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
    parameters: dict[str, float] = Field(
        default={}, description="Of a kind of your own: numbers that its class declares."
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
