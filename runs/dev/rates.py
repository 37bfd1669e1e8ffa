"""How fast interest rates clear a lending market: ``python -m runs.dev.rates``.

A market is lent out to 70 per cent. A third of its depositors, with 30 per cent of the deposits,
withdraw at once, so that next to nothing is left. The rate rises; borrowers repay what is dearer
than it earns them, and lenders come for the rate. Measured is the time until utilisation is back
below the optimum, by the second slope of the rate, over common seeds. Prints a table in
Markdown and draws a picture.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim import Market, Scenario

SLOPES = (0.2, 0.6, 1.0, 3.0)
"""Per year at full utilisation over that at the optimum; Aave v3 has 0.6 for USDC."""
OPTIMAL = 0.8
WARM_UP, LONGEST = 2000, 8000
"""Blocks before the withdrawal, and after it."""
DEPOSITS = 10e6
"""About; the scenario spells out whose they are."""
BORROWERS, LENDERS = 1000, 500


# Long: one scenario, written down as data.
def one_market(
    slope2: float, lenders: bool = True, borrowers: bool = True, aversion: float = 0.3
) -> Scenario:
    """A market that loses 30 per cent of its deposits.

    Args:
        slope2: Of its rate, per year.
        lenders: Whether allocators act; else they leave all as it is.
        borrowers: Likewise refinancers.
        aversion: Rate for which a lender would bear full fear, per year.
    """
    usdc = {
        "collateral": False,
        "slope1": 0.04,
        "slope2": slope2,
        "optimal": OPTIMAL,
        "cash": 0.23 * DEPOSITS,
    }
    eth = {"ltv": 0.8, "threshold": 0.83, "bonus": 0.05, "borrowable": False}
    shock = {"kind": "withdrawal", "lending": "bank", "token": "usdc", "agents": "leavers"}
    return Scenario.from_dict(
        {
            "title": f"a market that loses 30 per cent of its deposits, second slope {slope2:g}",
            "blocks": WARM_UP + LONGEST,
            "block": {"fee_market": "off"},
            "venue": {
                "inventory": 1e9,
                "assets": {"eth": {"price": 2000.0, "process": "constant", "inventory": 1e6}},
            },
            "oracles": {
                "eth": {"token": "eth", "source": "venue"},
                "usdc": {"token": "usdc", "source": "fixed", "price": 1.0},
            },
            "lending": {"bank": {"reserves": {"eth": eth, "usdc": usdc}}},
            "agents": {
                "leavers": {
                    "kind": "lender",
                    "count": 100,
                    "lending": "bank",
                    "debt": "usdc",
                    "deposit": 0.003 * DEPOSITS,
                    "attention": 0.0,
                },
                "lenders": {
                    "kind": "allocator",
                    "count": LENDERS,
                    "lending": ["bank"],
                    "token": "usdc",
                    "purse": DEPOSITS / LENDERS,
                    "kept": 0.65,
                    "outside_yield": 0.022,
                    "spread_sensitivity": 200.0,
                    "aversion": aversion,
                    "attention": 0.002 * lenders,
                    "size_attention": 0.0,
                },
                "borrowers": {
                    "kind": "refinancer",
                    "count": BORROWERS,
                    "lending": ["bank"],
                    "collaterals": ["eth"],
                    "debt": "usdc",
                    "equity": 0.7 * DEPOSITS / 0.4 / BORROWERS,
                    "loan": 0.4,
                    "reservation": {"distribution": "uniform", "low": 0.03, "high": 0.3},
                    "attention": 0.002 * borrowers,
                    "alarm": 0.002 * borrowers,
                },
            },
            "shocks": [shock | {"share": 1.0, "block": WARM_UP + 1}],
            "measures": {
                "keep": ["lending.bank.usdc.*"],
                "receipts": "none",
            },
        }
    )


def course(slope2: float, seed: int, **who: Any) -> np.ndarray:
    """Utilisation from the block before the withdrawal on, float64[LONGEST + 1]."""
    market = Market(one_market(slope2, **who), rng=seed).run()
    frame = market.datacollector.get_model_vars_dataframe()
    market.close()
    return frame["lending.bank.usdc.utilisation"].to_numpy()[WARM_UP - 1 :]


def time_to_clear(used: np.ndarray) -> float:
    """Blocks from the withdrawal until utilisation is below the optimum; inf if it never is.

    Args:
        used: From the block before the withdrawal on.
    """
    below = np.flatnonzero(used[1:] < OPTIMAL)
    return float(below[0] + 1) if below.size else math.inf


def times(
    slopes: Sequence[float], seeds: Sequence[int], **who: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Times to clear, float64[slopes, seeds], and median courses, float64[slopes, LONGEST + 1]."""
    courses = np.array([[course(slope, seed, **who) for seed in seeds] for slope in slopes])
    cleared = np.array([[time_to_clear(used) for used in row] for row in courses])
    return cleared, np.median(courses, axis=1)


def told(cleared: np.ndarray) -> str:
    """Times of one case, as a cell of the table."""
    ended = cleared[np.isfinite(cleared)]
    if not ended.size:
        return f"not in {LONGEST}"
    part = "" if ended.size == cleared.size else f" ({ended.size} of {cleared.size})"
    error = f" ± {ended.std(ddof=1) / math.sqrt(ended.size):.0f}" if ended.size > 1 else ""
    return f"{ended.mean():.0f}{error}{part}"


CASES: Mapping[str, dict[str, Any]] = {
    "both": {},
    "borrowers alone": {"lenders": False},
    "lenders alone": {"borrowers": False},
    "both, lenders of more fear": {"aversion": 1.0},
}


def table(found: Mapping[str, np.ndarray]) -> str:
    """Mean times to clear with standard errors, as Markdown.

    Args:
        found: float64[slopes, seeds] of each case.
    """
    lines = [f"| second slope, a year | {' | '.join(found)} |", "|---:" * (len(found) + 1) + "|"]
    for s, slope in enumerate(SLOPES):
        lines.append(f"| {slope:g} | {' | '.join(told(c[s]) for c in found.values())} |")
    return "\n".join(lines)


def draw(courses: np.ndarray, file: Path) -> None:
    """Draw the median courses of utilisation.

    Args:
        courses: float64[slopes, blocks], from the block before the withdrawal on.
        file: Of the picture.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8.0, 4.5), dpi=120, layout="constrained")
    hours = np.arange(-1, courses.shape[1] - 1) * 12.0 / 3600.0
    for k, slope in enumerate(SLOPES):
        shade = str(0.75 - 0.75 * k / (len(SLOPES) - 1))
        axes.plot(hours, 100.0 * courses[k], color=shade, label=f"{slope:g}", linewidth=1.5)
    axes.axhline(100.0 * OPTIMAL, color="tab:red", linewidth=1.0, linestyle="--")
    axes.annotate("optimum", (1.5, 100.0 * OPTIMAL), (0, 3), textcoords="offset points", ha="right")
    axes.set_xlim(-0.05, 1.5)
    axes.set_xlabel("hours since 30 % of the deposits were withdrawn")
    axes.set_ylabel("utilisation, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(title="second slope, a year", frameon=False)
    figure.savefig(file)
    plt.close(figure)


def main() -> None:
    """Measure, draw the picture, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=16, help="common seeds")
    parser.add_argument("--out", default="docs", help="folder of the picture")
    options = parser.parse_args()
    seeds = list(range(1, options.seeds + 1))
    folder = Path(options.out)
    found = {}
    for case, who in CASES.items():
        found[case], courses = times(SLOPES, seeds, **who)
        if case == "both":
            draw(courses, folder / "rates.png")
    print(table(found))


if __name__ == "__main__":
    main()
