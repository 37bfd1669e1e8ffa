"""What agents act on: one protocol per file."""

from __future__ import annotations

from protocols import (
    amm,
    bonding_curve,
    concentrated,
    constant_product,
    custom,
    insurance,
    interface,
    lending,
    oracle,
    pool,
    routing,
    safeguards,
    stableswap,
    vault,
    weighted,
)

__all__ = [
    "amm",
    "bonding_curve",
    "concentrated",
    "constant_product",
    "custom",
    "insurance",
    "interface",
    "lending",
    "oracle",
    "pool",
    "routing",
    "safeguards",
    "stableswap",
    "vault",
    "weighted",
]
