"""What agents act on: one protocol per file."""

from __future__ import annotations

from protocols import (
    amm,
    bonding_curve,
    concentrated,
    constant_product,
    custom,
    insurance,
    lending,
    oracle,
    pool,
    routing,
    safeguards,
    stableswap,
    weighted,
)

__all__ = [
    "amm",
    "bonding_curve",
    "concentrated",
    "constant_product",
    "custom",
    "insurance",
    "lending",
    "oracle",
    "pool",
    "routing",
    "safeguards",
    "stableswap",
    "weighted",
]
