"""Pools of every kind as a person holds them."""

from __future__ import annotations

import math

from protocols import amm
from protocols.constant_product import ConstantProductPool
from protocols.pool import Pool


class CurvedPool(Pool):
    """A pool whose price is read as the kernels read it."""

    def _place(self, token: str) -> int:
        if token not in self.tokens:
            raise ValueError(f"{self.name} holds {' and '.join(self.tokens)}, not {token!r}")
        return self.tokens.index(token)

    def spot_price(self, base: str | None = None, quote: str | None = None) -> float:
        """Marginal price without fee, units of `quote` per unit of `base`."""
        i, o = self._place(base or self.tokens[0]), self._place(quote or self.tokens[-1])
        price = amm.spot_price(self.ledger.books, self.record[0], i, o)
        return float(price) if math.isfinite(price) else math.nan

    def quote(self, token_in: str, token_out: str, amount: float) -> float:
        """Amount of `token_out` that a swap of `amount` of `token_in` would give now."""
        if not amount >= 0.0:
            raise ValueError(f"amount must be >= 0, not {amount}")
        i, o = self._place(token_in), self._place(token_out)
        if i == o:
            raise ValueError(f"token_in and token_out must differ, both are {token_in!r}")
        return float(amm.quote(self.ledger.books, self.record[0], i, o, float(amount)))


class WeightedPool(CurvedPool):
    """A weighted pool as a person holds it."""

    kind = "weighted"

    @property
    def weights(self) -> dict[str, float]:
        """Weights now, by token; they sum to one."""
        return {t: float(self.record["weights"][0][i]) for i, t in enumerate(self.tokens)}


class StableSwapPool(CurvedPool):
    """A StableSwap pool as a person holds it."""

    kind = "stableswap"

    @property
    def amplification(self) -> float:
        """A now, as in Curve's contracts."""
        return float(self.record["amplification"][0])


_HANDLES: dict[str, type[Pool]] = {
    kind.kind: kind for kind in (ConstantProductPool, WeightedPool, StableSwapPool)
}


def handle(kind: str) -> type[Pool]:
    """Class of the handle of a kind of pool."""
    return _HANDLES[kind]
