"""What people start: command line, scenarios, studies, reports.

>>> from runs import sweep, read_study
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runs.store import read_scenario, read_series, read_study
    from runs.study import Study
    from runs.sweeper import sweep

__all__ = ["Study", "read_scenario", "read_series", "read_study", "sweep"]

_HOMES = {
    "Study": "runs.study",
    "read_scenario": "runs.store",
    "read_series": "runs.store",
    "read_study": "runs.store",
    "sweep": "runs.sweeper",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: the command line starts without them.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'runs' has no attribute {name!r}")
