"""The market: ledger, block, venue, randomness, exposure, measures, scenario, Market."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sim.collection import collecting_rarely

if TYPE_CHECKING:
    from sim.ledger import Ledger, LedgerError
    from sim.market import Market
    from sim.scenario import Scenario

__all__ = ["Ledger", "LedgerError", "Market", "Scenario"]

_HOMES = {
    "Ledger": "sim.ledger",
    "LedgerError": "sim.ledger",
    "Market": "sim.market",
    "Scenario": "sim.scenario",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    # Late, so that protocols can import the ledger while the market imports them.
    if name in _HOMES:
        with collecting_rarely():
            return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sim' has no attribute {name!r}")
