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
    AccountTable,
    AgentView,
    ClassTable,
    DefaultTable,
    DifferenceChart,
    DifferenceTable,
    ExposureNetwork,
    Histograms,
    LossTable,
    NodeView,
    TimeChart,
    refresh,
)
from runs.app.live import LiveMarket
from runs.app.views import charts, tables
from sim.shown import Chart

__all__ = [
    "AccountTable",
    "AgentView",
    "Chart",
    "ClassTable",
    "DefaultTable",
    "DifferenceChart",
    "DifferenceTable",
    "ExposureNetwork",
    "Histograms",
    "LiveMarket",
    "LossTable",
    "NodeView",
    "TimeChart",
    "charts",
    "refresh",
    "tables",
]
