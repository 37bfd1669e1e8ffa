"""The block: its time, its gas, and the demand for gas of the rest of the world."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.distribution import NotNegative, Positive
from sim.fields import MOST_ENTRIES, Exponent, Line, Period, Share, Table, Time, reach


class GasCosts(Table):
    """Gas of each kind of call, from typical receipts of Uniswap v2 and Aave v2 on Ethereum."""

    swap: NotNegative = 110_000.0
    add_liquidity: NotNegative = 160_000.0
    remove_liquidity: NotNegative = 170_000.0
    deposit: NotNegative = 220_000.0
    withdraw: NotNegative = 240_000.0
    borrow: NotNegative = 310_000.0
    repay: NotNegative = 200_000.0
    liquidate: NotNegative = 450_000.0
    venue: NotNegative = Field(
        0.0, description="Trades at the outside venue; zero, since it is off-chain."
    )
    transfer: NotNegative = 50_000.0
    custom: NotNegative = 200_000.0
    flash_borrow: NotNegative = 80_000.0
    flash_repay: NotNegative = 60_000.0
    require: NotNegative = 3_000.0
    carry: NotNegative = Field(
        0.0, description="A transaction that a bundle carries pays for its own gas."
    )


class OutsideDemand(Table):
    """The rest of the world's demand for the block's gas.

    It responds to the price of the token in which gas is paid.
    """

    gas: NotNegative = Field(
        0.5,
        description="Demand at a price of zero, share of the gas limit.",
        json_schema_extra=reach("share of the limit", 0.0, 2.0),
    )
    bid_median: Positive = Field(
        20.0,
        description="Median of its bids, gwei.",
        json_schema_extra=reach("gwei", 1.0, 500.0, log=True),
    )
    bid_sigma: Annotated[float, Field(gt=0.0, le=10.0)] = Field(
        1.0, description="Standard deviation of the log of its bids."
    )
    volatility_response: Exponent = Field(
        0.0,
        description="Elasticity of its bids to volatility relative to normal.",
        json_schema_extra=reach("elasticity", 0.0, 5.0),
    )
    quantity_response: Exponent = Field(
        0.0, description="Elasticity of its quantity to volatility relative to normal."
    )
    memory: Positive = Field(50.0, description="Time over which it measures volatility, blocks.")


class BlockSettings(Table):
    """The block and its fee market."""

    seconds: Annotated[float, Field(ge=0.001, le=604_800.0)] = Field(
        12.0, description="Time between two blocks.", json_schema_extra=reach("seconds", 1.0, 60.0)
    )
    ordering: Literal["gas_auction", "random", "first_come", "arbitrage_first", "builder"] = Field(
        "gas_auction",
        description="builder: searchers send sealed bundles; those that succeed go to the top of "
        "the block, ordered by bid, and one that fails costs nothing.",
    )
    fee_market: Literal["eip1559", "first_price", "off"] = "eip1559"
    gas_limit: Positive = Field(
        30e6,
        description="Gas per block.",
        json_schema_extra=reach("gas", 1000000.0, 60000000.0, log=True),
    )
    gas_token: str = Field("eth", description="Token in which gas is paid.")
    base_fee: NotNegative = Field(
        20.0,
        description="Initial base fee, gwei.",
        json_schema_extra=reach("gwei", 0.1, 500.0, log=True),
    )
    min_base_fee: NotNegative = Field(0.1, description="Lowest base fee, gwei.")
    priority_fee: NotNegative = Field(
        1.5,
        description="With eip1559: tip above the base fee when the block has room for everyone, "
        "gwei.",
        json_schema_extra=reach("gwei", 0.0, 10.0),
    )
    replacement: Share = Field(
        0.1,
        description="Smallest relative increase of the bid with which a transaction replaces a "
        "waiting one of the same sender; geth requires a tenth.",
    )
    gas_path: list[tuple[Time, Positive]] = Field(
        default=[],
        max_length=MOST_ENTRIES,
        description="Recorded gas prices: time (or hours since the start) and gwei. With eip1559 "
        "the base fee, with first_price the lowest bid that is included, as the "
        "rest of the world alone would set them; the agents' gas adds to them.",
    )
    gas_symbol: Line | None = Field(
        None, description="Instead of a path: name of recorded gas prices, gwei, in a price file."
    )
    revert_gas: Share = Field(0.3, description="Share of its gas that a reverted transaction uses.")
    expiry: Period = Field(
        50, description="Lifetime of a waiting transaction whose sender sets none, blocks."
    )
    gas: GasCosts = GasCosts()
    outside: OutsideDemand = OutsideDemand()

    @property
    def replays_gas(self) -> bool:
        """Whether recorded prices of gas are replayed."""
        return bool(self.gas_path) or self.gas_symbol is not None
