"""The market in the browser, and its components for notebooks.

``from runs.app import ExposureNetwork, TimeChart, charts``: each component takes a market.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # Solara warns of a hook in Mesa 3.3.1's page that our pages never reach.
    warnings.simplefilter("ignore")
    import mesa.visualization  # noqa: F401

from runs.app.components import (
    AgentView,
    ClassTable,
    DifferenceChart,
    DifferenceTable,
    EndangeredTable,
    ExposureNetwork,
    HealthFactors,
    NodeView,
    TimeChart,
    refresh,
)
from runs.app.live import LiveMarket
from runs.app.views import Chart, charts

__all__ = [
    "AgentView",
    "Chart",
    "ClassTable",
    "DifferenceChart",
    "DifferenceTable",
    "EndangeredTable",
    "ExposureNetwork",
    "HealthFactors",
    "LiveMarket",
    "NodeView",
    "TimeChart",
    "charts",
    "refresh",
]
