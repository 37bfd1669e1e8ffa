"""Pools of every kind as a person holds them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from protocols import (
    amm,
    bonding_curve,
    concentrated,
    constant_product,
    safeguards,
    stableswap,
    weighted,
)
from protocols.curve import Curve
from protocols.pool import MOST_PARAMETERS, Pool
from protocols.pool_settings import OwnPoolSettings, PoolSettings
from sim import registry
from sim.handles import Claims
from sim.ledger import Ledger
from sim.names import HOLDERS, share_name

if TYPE_CHECKING:
    from sim.world import World


class CurvedPool(Pool):
    """A pool as a person holds it; a kind of pool is a subclass that gives its curve.

    Attributes:
        curve: Kernels that answer for the kind.
        Settings: What a scenario says of a pool of the kind; without one of its own, what all
            kinds share, and `parameters`.
        parameters: Numbers of its own that a scenario sets in ``[pools.NAME.parameters]``;
            kernels read ``pool.parameters`` in this order, eight at most.
        most_tokens: How many tokens a pool of the kind may have.
    """

    curve: ClassVar[Curve]
    Settings: ClassVar[type[PoolSettings]] = OwnPoolSettings
    parameters: ClassVar[Mapping[str, registry.Column]] = {}
    most_tokens: ClassVar[int] = 2

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a kind with more parameters than a pool's record holds.

        Raises:
            TypeError: If it has.
        """
        super().__init_subclass__(**kwargs)
        if len(cls.parameters) > MOST_PARAMETERS:
            text = f"{cls.__name__} declares {len(cls.parameters)} parameters"
            raise TypeError(f"{text}; there is room for {MOST_PARAMETERS}")

    @classmethod
    def begin(
        cls, settings: PoolSettings, name: str, ledger: Ledger, world: World, place: int
    ) -> None:
        """Let outside holders, who hold what the settings say, fill a pool at the start.

        Args:
            settings: Of the pool.
            name: Of the pool, and of its account.
            ledger: Of the market.
            world: The market's arrays.
            place: Of the pool's record in them.

        Raises:
            ScenarioError: If it cannot be filled so.
        """
        amm.move(ledger.books, world.pools, place, 0)
        pool = world.pools[place]
        amounts = np.array([settings.reserves[token] for token in settings.tokens])
        amm.first_entry(ledger.books, pool, ledger.account(HOLDERS), amounts)
        pool["start"][: amounts.size] = amounts / ledger.supply(int(pool["share"]))

    def _place(self, token: str) -> int:
        if token not in self.tokens:
            raise ValueError(f"{self.name} holds {' and '.join(self.tokens)}, not {token!r}")
        return self.tokens.index(token)

    def _pair(self, token_in: str, token_out: str) -> tuple[int, int]:
        i, o = self._place(token_in), self._place(token_out)
        if i == o:
            raise ValueError(f"token_in and token_out must differ, both are {token_in!r}")
        return i, o

    def spot_price(self, base: str | None = None, quote: str | None = None) -> float:
        """Marginal price without fee, units of `quote` per unit of `base`.

        Raises:
            ValueError: If the pool does not hold one of them.
        """
        i, o = self._place(base or self.tokens[0]), self._place(quote or self.tokens[-1])
        price = amm.spot_price(self.ledger.books, self.record[0], i, o)
        return float(price) if math.isfinite(price) else math.nan

    def quote(self, token_in: str, token_out: str, amount: float) -> float:
        """Amount of `token_out` that a swap of `amount` of `token_in` would give now.

        Raises:
            ValueError: If the pool does not hold one of them, or the amount is negative.
        """
        if not amount >= 0.0:
            raise ValueError(f"amount must be >= 0, not {amount}")
        i, o = self._pair(token_in, token_out)
        return float(amm.quote(self.ledger.books, self.record[0], i, o, float(amount)))

    def depth_curve(
        self, falls: Iterable[float] = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1)
    ) -> npt.NDArray[np.float64]:
        """Amounts of the first token whose sale lowers its price in the last.

        Args:
            falls: Shares in (0, 1).

        Returns:
            float64[n], token units, fee included.
        """
        books, record = self.ledger.books, self.record[0]
        return np.array([amm.depth(books, record, float(fall)) for fall in falls])

    def slippage_curve(
        self,
        amounts: Iterable[float],
        token_in: str | None = None,
        token_out: str | None = None,
    ) -> npt.NDArray[np.float64]:
        """How much worse than the spot price swaps would be, fee included.

        Args:
            amounts: Of `token_in`, token units.
            token_in: Default: the pool's first token.
            token_out: Default: its last.

        Returns:
            float64[n], shares of the spot price.
        """
        i, o = self._pair(token_in or self.tokens[0], token_out or self.tokens[-1])
        books, record = self.ledger.books, self.record[0]
        spot = amm.spot_price(books, record, i, o)
        given = np.asarray(list(amounts), dtype=np.float64)
        got = np.array([amm.quote(books, record, i, o, float(amount)) for amount in given])
        return np.asarray(1.0 - got / (given * spot))

    def begin_window(self, block: int) -> None:
        """Let the limits of its breaker count from a block on."""
        safeguards.begin_window(self.ledger.books, self.record[0], block)

    @property
    def halted(self) -> bool:
        """Whether its circuit breaker does not let it trade."""
        return bool(self.record["halted"][0])


class ConstantProductPool(CurvedPool):
    """A constant-product pool as a person holds it."""

    kind = "constant_product"
    Settings = constant_product.ConstantProductSettings
    curve = weighted.CONSTANT_PRODUCT_CURVE


class WeightedPool(CurvedPool):
    """A weighted pool as a person holds it."""

    kind = "weighted"
    Settings = weighted.WeightedSettings
    curve = weighted.CURVE
    most_tokens = 8

    @property
    def weights(self) -> dict[str, float]:
        """Weights now, by token; they sum to one."""
        return {t: float(self.record["weights"][0][i]) for i, t in enumerate(self.tokens)}


class StableSwapPool(CurvedPool):
    """A StableSwap pool as a person holds it."""

    kind = "stableswap"
    Settings = stableswap.StableSwapSettings
    curve = stableswap.CURVE
    most_tokens = 8

    @property
    def amplification(self) -> float:
        """A now, as in Curve's contracts."""
        return float(self.record["amplification"][0])

    @property
    def virtual_price(self) -> float:
        """What a share is worth in the pool's tokens at balance: D / supply."""
        return float(amm.rate_of_share(self.ledger.books, self.record[0]))


class ConcentratedPool(CurvedPool):
    """A pool of concentrated liquidity as a person holds it."""

    kind = "concentrated"
    Settings = concentrated.ConcentratedSettings
    curve = concentrated.CURVE

    @classmethod
    def begin(
        cls, settings: PoolSettings, name: str, ledger: Ledger, world: World, place: int
    ) -> None:
        """Open the positions that outside holders have at the start."""
        assert isinstance(settings, concentrated.ConcentratedSettings)
        concentrated.open_ranges(settings, name, ledger, world.pools[place])

    @property
    def tick(self) -> int:
        """The largest tick whose price is not above the pool's."""
        return int(self.ledger.books.storage[int(self.record["extra"][0]) + concentrated.TICK])

    @property
    def liquidity(self) -> float:
        """L at the present price."""
        at = int(self.record["extra"][0]) + concentrated.LIQUIDITY
        return float(self.ledger.books.storage[at])

    def ticks(self, lower_price: float, upper_price: float) -> tuple[int, int]:
        """The nearest ticks that may hold liquidity, around two prices.

        Raises:
            ValueError: If the prices are not positive and rising.
        """
        if not 0.0 < lower_price < upper_price:
            raise ValueError(f"give 0 < lower < upper, not {lower_price} and {upper_price}")
        record = self.record[0]
        lower = concentrated.spaced(record, float(lower_price), False)
        return int(lower), int(concentrated.spaced(record, float(upper_price), True))

    def owed(self) -> Claims:
        """What all positions hold, fees included; a row for each, in both tokens."""
        books, record = self.ledger.books, self.record[0]
        count = int(concentrated.places(books, record))
        owners, amounts = np.zeros(count, np.int64), np.zeros((count, 2))
        concentrated.list_tokens(books, record, owners, amounts)
        tokens = self.record["tokens"][0][:2].astype(np.int64)
        return Claims(owners[owners >= 0], tokens, amounts[owners >= 0])

    def positions(self) -> pd.DataFrame:
        """All positions: owner, prices, liquidity, and what they hold, fees included."""
        books, record = self.ledger.books, self.record[0]
        rows = []
        for n in range(int(concentrated.places(books, record))):
            owner, lower, upper, liquidity = concentrated.position_at(books, record, n)
            if owner < 0:
                continue
            _, first, second = concentrated.position_tokens(books, record, n)
            if liquidity > 0.0 or first > 0.0 or second > 0.0:
                prices = (float(concentrated.sqrt_price_at_tick(t)) ** 2 for t in (lower, upper))
                name = self.ledger.accounts[int(owner)]
                rows.append((name, *prices, int(lower), int(upper), liquidity, first, second))
        names = ["owner", "lower", "upper", "lower_tick", "upper_tick", "liquidity", *self.tokens]
        return pd.DataFrame(rows, columns=names)


class BondingCurvePool(CurvedPool):
    """A bonding curve as a person holds it."""

    kind = "bonding_curve"
    Settings = bonding_curve.BondingCurveSettings
    curve = bonding_curve.CURVE

    @classmethod
    def begin(
        cls, settings: PoolSettings, name: str, ledger: Ledger, world: World, place: int
    ) -> None:
        """Let holders have the tokens that are out, and the pool what is behind them."""
        assert isinstance(settings, bonding_curve.BondingCurveSettings)
        money, supply = settings.tokens[1], settings.supply or 0.0  # checked: there are some
        ledger.transfer(HOLDERS, name, money, settings.reserves[money])
        ledger.mint(HOLDERS, share_name(name), supply)
        world.pools[place]["start"][1] = settings.reserves[money] / supply

    @property
    def supply(self) -> float:
        """Tokens that are out."""
        return self.ledger.supply(self.share)


for _kind in (
    ConstantProductPool,
    WeightedPool,
    StableSwapPool,
    ConcentratedPool,
    BondingCurvePool,
):
    registry.register_pool(_kind.kind, _kind)
