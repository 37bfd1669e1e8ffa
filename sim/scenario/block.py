"""The block: its time, its gas, and the demand for gas of the rest of the world."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.distribution import NotNegative, Positive
from sim.fields import MOST_ENTRIES, Exponent, Line, Period, Share, Table, Time, reach


class GasCosts(Table):
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
    carry: NotNegative = Field(0.0, description="What a bundle carries pays for its own.")


class OutsideDemand(Table):
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


class BlockSettings(Table):
    """The block and its fee market."""

    seconds: Annotated[float, Field(ge=0.001, le=604_800.0)] = Field(
        12.0, description="Between two blocks.", json_schema_extra=reach("seconds", 1.0, 60.0)
    )
    ordering: Literal["gas_auction", "random", "first_come", "arbitrage_first", "builder"] = Field(
        "gas_auction",
        description="builder: searchers send sealed bundles, of which those that hold go to the "
        "top by their bids; one that fails there costs nothing.",
    )
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
    replacement: Share = Field(
        0.1,
        description="Least rise of its bid at which a transaction replaces one that waits, of the "
        "same sender; geth asks for a tenth.",
    )
    gas_path: list[tuple[Time, Positive]] = Field(
        default=[],
        max_length=MOST_ENTRIES,
        description="Recorded prices of gas: time (or hours since the start) and gwei. Of eip1559 "
        "the base fee, of first_price the bid that just gets in, as the rest of the world alone "
        "would have them; what agents use adds to them.",
    )
    gas_symbol: Line | None = Field(
        None, description="In place of a path: name of recorded gas prices, gwei, in a price file."
    )
    revert_gas: Share = Field(0.3, description="Share of its gas that a reverted transaction uses.")
    expiry: Period = Field(
        50, description="Life of a waiting transaction whose sender says nothing, blocks."
    )
    gas: GasCosts = GasCosts()
    outside: OutsideDemand = OutsideDemand()

    @property
    def replays_gas(self) -> bool:
        """Whether recorded prices of gas are replayed."""
        return bool(self.gas_path) or self.gas_symbol is not None
