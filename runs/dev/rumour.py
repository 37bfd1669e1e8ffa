"""How many must hear before all run: ``python -m runs.dev.rumour DIR``.

Reads the study `rumour` out of a folder; prints the tables of docs/rumour.md, writes its picture.
A run of depositors is one in which a tenth of what is promised leaves beyond the share that heard.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from protocols import custodian
from runs.dev.channels import interval
from runs.study.store import read_study
from sim import Scenario

BEYOND = 0.1
"""Share of what is promised that leaves though it has heard nothing, from which it is a run."""
VARIANTS = {"base": "who leaves is seen", "unseen": "it is not"}


def books_alone(scenario: Scenario, liquid: float) -> float:
    """Share that may leave before those go who see the books alone; 1: all may.

    The lesser of f*, where waiting pays less than leaving, and of where the books show a
    bankruptcy (`protocols.custodian`).
    """
    s: Any = scenario.protocols["house"].settings
    books = s.backing * liquid, s.backing * (1.0 - liquid), 1.0
    waits = custodian.threshold(*books, 1.0 + s.earns, s.salvage)
    return float(min(waits, custodian.insolvency(*books, s.salvage)))


def thresholds(frame: pd.DataFrame, outcome: str, by: list[str]) -> pd.DataFrame:
    """Least share that hears from which there is a run, for each of `by` and seed; inf: none.

    Args:
        frame: The study's runs, with `share` and the outcome: the share that left.
        outcome: Its column.
        by: Columns that tell points apart, beside the seed.
    """
    rows = []
    for key, runs in frame.groupby([*by, "seed"]):
        runs = runs.sort_values("share")
        ran = runs["share"][runs[outcome] > runs["share"] + BEYOND]
        rows.append((*key, float(ran.iloc[0]) if len(ran) else np.inf))
    return pd.DataFrame(rows, columns=[*by, "seed", "threshold"])


def spread(values: pd.Series) -> str:
    """Median threshold and the middle nine tenths; none: no run at any share."""
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], method="nearest")
    words = [f"{v:.2f}" if np.isfinite(v) else "none" for v in (middle, low, high)]
    return f"{words[0]} ({words[1]} to {words[2]})"


def tables(folder: str | Path) -> str:
    """The page's tables, in Markdown."""
    frame = read_study(folder)
    frame = frame[frame["status"] == "done"]
    scenario = Scenario.load("rumour")
    found = thresholds(frame, "left", ["variant", "liquid"])
    names = " | ".join(VARIANTS.values())
    lines = [f"| liquid | by the books alone | {names} |", "|---|---:|---:|---:|"]
    for liquid in sorted(frame["liquid"].unique()):
        at = found[found["liquid"] == liquid].set_index("variant")["threshold"]
        books = books_alone(scenario, liquid)
        cells = " | ".join(spread(at.loc[[variant]]) for variant in VARIANTS)
        lines.append(f"| {liquid:g} | {f'{books:.2f}' if books < 1.0 else 'none'} | {cells} |")
    lines += [
        "\n| share that hears | market: taken out, seen | unseen | not lent before (1 - U) |",
        "|---|---:|---:|---:|",
    ]
    for share, runs in frame.groupby("share"):
        parts = [
            interval(runs[runs["variant"] == v].groupby("seed")["withdrawn"].mean().to_numpy())
            for v in VARIANTS
        ]
        cells = " | ".join(f"{m:.2f} ({low:.2f} to {high:.2f})" for m, low, high in parts)
        lines.append(f"| {share:g} | {cells} | {1.0 - runs['used_before'].mean():.2f} |")
    return "\n".join(lines)


def draw(folder: str | Path, path: Path) -> None:
    """What leaves the custodian by the share that hears, for each liquid share; and the market."""
    frame = read_study(folder)
    frame = frame[frame["status"] == "done"]
    scenario = Scenario.load("rumour")
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), sharey=True, layout="constrained")
    colours = plt.get_cmap("viridis")
    liquids = sorted(frame["liquid"].unique())
    for axis, (variant, title) in zip(axes, VARIANTS.items(), strict=False):
        for k, liquid in enumerate(liquids):
            rows = frame[(frame["variant"] == variant) & (frame["liquid"] == liquid)]
            colour = colours(k / max(len(liquids) - 1, 1))
            mean = rows.groupby("share")["left"].mean()
            axis.plot(mean.index, mean, "o-", ms=3, color=colour, label=f"{liquid:g} liquid")
            if (books := books_alone(scenario, liquid)) < 1.0:
                axis.axvline(books, color=colour, ls=":", lw=1)
        axis.plot([0, 1], [0, 1], color="grey", lw=0.8)
        axis.set_title(f"custodian: {title}", fontsize=10)
    for variant, title in VARIANTS.items():
        mean = frame[frame["variant"] == variant].groupby("share")["withdrawn"].mean()
        axes[2].plot(mean.index, mean, "o-", ms=3, label=title)
    axes[2].axhline(1.0 - frame["used_before"].mean(), color="black", ls="--", lw=1, label="1 - U")
    axes[2].plot([0, 1], [0, 1], color="grey", lw=0.8)
    axes[2].set_title("lending market", fontsize=10)
    for axis in axes:
        axis.set_xlabel("share that hears")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("share of what was promised that left")
    axes[0].legend(fontsize=8)
    axes[2].legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Print the tables and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="of the study's results")
    parser.add_argument("--picture", default="docs/rumour.png")
    options = parser.parse_args()
    print(tables(options.folder))
    draw(options.folder, Path(options.picture))


if __name__ == "__main__":
    main()
