"""The contagion laboratory: attribution of losses, and models from the literature."""

from __future__ import annotations

from runs.contagion.attribution import (
    Attribution,
    Cuts,
    LossMatrix,
    attribute,
    cut_each,
    loss_matrix,
)
from runs.contagion.calibration import Calibration, calibrate
from runs.contagion.cascades import Cascades, cascades
from runs.contagion.clearing import eisenberg_noe, losses_of, rogers_veraart
from runs.contagion.criticality import Critical, PhaseMap, critical, phase_map, spiral
from runs.contagion.derived import System, derive, foretold, score
from runs.contagion.distress import amplification, debtrank, furfine, neva
from runs.contagion.early_warnings import EarlyWarnings, Indicator, early_warnings
from runs.contagion.holders import Holders, holders
from runs.contagion.interconnection import Interconnection, interconnection
from runs.contagion.many_banks import many_banks
from runs.contagion.over_time import Networks, record_networks
from runs.contagion.plans import Plan
from runs.contagion.queues import diamond_dybvig, freeze_threshold, run_threshold
from runs.contagion.safeguards import Choice, Frontier, default_guards, safeguards
from runs.contagion.sales import FireSales, fire_sales, threshold_sales
from runs.contagion.sensitivity import Sensitivity, sensitivity
from runs.contagion.sizes import (
    Amplification,
    SizeDistribution,
    amplified,
    cascade_sizes,
    size_distribution,
)
from runs.contagion.thresholds import Extents, gai_kapadia, overlapping_portfolios

__all__ = [
    "Amplification",
    "Attribution",
    "Calibration",
    "Cascades",
    "Choice",
    "Critical",
    "Cuts",
    "EarlyWarnings",
    "Extents",
    "FireSales",
    "Frontier",
    "Holders",
    "Indicator",
    "Interconnection",
    "LossMatrix",
    "Networks",
    "PhaseMap",
    "Plan",
    "Sensitivity",
    "SizeDistribution",
    "System",
    "amplification",
    "amplified",
    "attribute",
    "calibrate",
    "cascade_sizes",
    "cascades",
    "critical",
    "cut_each",
    "debtrank",
    "default_guards",
    "derive",
    "diamond_dybvig",
    "early_warnings",
    "eisenberg_noe",
    "fire_sales",
    "foretold",
    "freeze_threshold",
    "furfine",
    "gai_kapadia",
    "holders",
    "interconnection",
    "loss_matrix",
    "losses_of",
    "many_banks",
    "neva",
    "overlapping_portfolios",
    "phase_map",
    "record_networks",
    "rogers_veraart",
    "run_threshold",
    "safeguards",
    "score",
    "sensitivity",
    "size_distribution",
    "spiral",
    "threshold_sales",
]
