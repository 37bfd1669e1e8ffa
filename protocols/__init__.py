"""What agents act on: one protocol per file; `protocols.builtin` knows them all."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = [
    "amm",
    "bonding_curve",
    "concentrated",
    "constant_product",
    "curve",
    "custom",
    "handles",
    "insurance",
    "insurance_part",
    "insurance_settings",
    "interface",
    "lending",
    "loan_measures",
    "loan_part",
    "loan_settings",
    "loans",
    "operations",
    "oracle",
    "oracle_part",
    "oracle_settings",
    "pool",
    "pool_measures",
    "pool_part",
    "pool_settings",
    "pools",
    "routing",
    "safeguards",
    "stableswap",
    "vault",
    "weighted",
]


def __getattr__(name: str) -> Any:
    # Late, so that a market's arrays can be laid out from one protocol's records alone.
    if name in __all__:
        return import_module(f"protocols.{name}")
    raise AttributeError(f"module 'protocols' has no attribute {name!r}")
