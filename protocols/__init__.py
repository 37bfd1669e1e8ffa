"""What agents act on: one protocol per file; `protocols.builtin` knows them all."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = [
    "amm",
    "auctions",
    "bonding_curve",
    "bridge",
    "cascade",
    "cdp",
    "concentrated",
    "constant_product",
    "cover",
    "curve",
    "custodian",
    "custom",
    "declared_shown",
    "default",
    "fractional",
    "handles",
    "insurance",
    "insurance_part",
    "insurance_settings",
    "insurance_shown",
    "interface",
    "layout",
    "lending",
    "lent",
    "loan_measures",
    "loan_part",
    "loan_settings",
    "loan_shown",
    "loans",
    "margin",
    "operations",
    "oracle",
    "oracle_part",
    "oracle_settings",
    "oracle_shown",
    "peg_module",
    "pegs",
    "pool",
    "pool_measures",
    "pool_part",
    "pool_settings",
    "pool_shown",
    "pools",
    "reserve_coin",
    "routing",
    "safeguards",
    "savings",
    "seigniorage",
    "soft",
    "stableswap",
    "staking",
    "trove",
    "vault",
    "weighted",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    # Late, so that a market's arrays can be laid out from one protocol's records alone.
    if name in __all__:
        return import_module(f"protocols.{name}")
    raise AttributeError(f"module 'protocols' has no attribute {name!r}")
