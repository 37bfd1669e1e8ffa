"""What people start: command line, scenarios, studies, reports.

>>> from runs import sweep, read_study

The rooms. Each may import those above it, and none below; `tests/test_repository.py`
reads the order here and holds them to it.

    paths     dotted paths into a scenario
    summary   the figures of a run, and how they are read
    charts    measures over time, on paper and on screen
    files     what a run leaves behind, each file written whole
    report    what people read of a run: its page, pictures, the network
    results   `Results` of an open market or a folder: frame, plots, files
    study     many runs: plan, design, stopping rule, statistics; sweep, workers, store, report
    contagion  the laboratory: counterfactuals, cascades, the literature's models, its report
    new       files to begin with, that run as they stand
    recorded  what people have of real markets, understood and written as a market reads it
    app       the page in the browser
    cli       the command line
    face      the package `undertow`: what scripts import, under one name
    dev       for developers alone: benchmarks beside peers, and what docs are made with

What people import by hand is here as well, and comes from the rooms when asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runs.results import Results
    from runs.study.store import read_results, read_scenario, read_series, read_study
    from runs.study.study import Study
    from runs.study.sweeper import sweep

__all__ = [
    "Results",
    "Study",
    "read_results",
    "read_scenario",
    "read_series",
    "read_study",
    "sweep",
]

_HOMES = {
    "Results": "runs.results",
    "Study": "runs.study.study",
    "read_results": "runs.study.store",
    "read_scenario": "runs.study.store",
    "read_series": "runs.study.store",
    "read_study": "runs.study.store",
    "sweep": "runs.study.sweeper",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    # Imported when asked for: the command line starts without them.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'runs' has no attribute {name!r}")
