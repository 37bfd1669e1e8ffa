"""What buying debt back does to a coin: ``python -m runs.dev.deflation DIR``.

Reads the study `debt_deflation` out of a folder; prints the tables of docs/debt_deflation.md,
writes its picture. Each figure is a mean over seeds with the 95 % interval of a bootstrap.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from runs.dev.channels import interval
from runs.study.store import read_study

NAMES = {
    "base": "as it is",
    "peg_module": "dollars repay as well (peg module)",
    "nobody_buys_back": "owners do not look",
    "nobody_buys": "nor does anybody bid",
    "calm": "ether does not fall",
    "arbitrageurs": "four times the arbitrageurs",
    "attentive": "owners look three times as often",
    "rich_keepers": "keepers with ten times the money",
    "short_blocks": "blocks of six seconds",
    "at_once": "one fall instead of two",
}
"""Variants, in the order of the tables."""
COLUMNS = {
    "peak": ("highest price", 1.0),
    "end": ("price at the end", 1.0),
    "dear": ("time above 1.05", 1.0),
    "repaid": ("debt gone, millions", 1.0),
    "liquidated": ("liquidated, millions", 1e-6),
    "loss": ("owners' loss, millions", 1e-6),
}
"""Outcomes: heading, and factor."""


def runs_of(folder: str | Path) -> pd.DataFrame:
    """All runs of the study that are done."""
    frame = read_study(folder)
    return frame[frame["status"] == "done"]


def tables(folder: str | Path) -> str:
    """The page's tables, in Markdown: one for each pool."""
    frame, lines = runs_of(folder), []
    for pool, at in frame.groupby("pool"):
        seeds = at["seed"].nunique()
        lines.append(f"\nPool of {pool:g} million dollars a side, {seeds} seeds\n")
        lines.append("| | " + " | ".join(name for name, _ in COLUMNS.values()) + " |")
        lines.append("|---|" + "---:|" * len(COLUMNS))
        for variant, name in NAMES.items():
            rows = at[at["variant"] == variant]
            if rows.empty:
                continue
            cells = []
            for column, (_, factor) in COLUMNS.items():
                mean, low, high = (factor * v for v in interval(rows[column].to_numpy()))
                cells.append(f"{mean:.2f} ({low:.2f} to {high:.2f})")
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(folder: str | Path, path: Path) -> None:
    """The coin's highest price in each run, by variant and pool."""
    frame = runs_of(folder)
    shown = [variant for variant in NAMES if (frame["variant"] == variant).any()]
    figure, axis = plt.subplots(figsize=(9, 0.5 + 0.42 * len(shown)), layout="constrained")
    colours = ("#2f6690", "#d1495b")
    for k, (pool, at) in enumerate(frame.groupby("pool")):
        for n, variant in enumerate(shown):
            peaks = at.loc[at["variant"] == variant, "peak"]
            if peaks.empty:
                continue
            height = [n + 0.16 * (2 * k - 1)] * len(peaks)
            label = f"pool of {pool:g} million a side" if n == 0 else None
            axis.plot(peaks, height, ".", color=colours[k % 2], alpha=0.5, label=label)
            axis.plot([peaks.mean()], height[:1], "|", color=colours[k % 2], ms=14, mew=2)
    axis.set_yticks(range(len(shown)), [NAMES[variant] for variant in shown])
    axis.invert_yaxis()
    axis.axvline(1.0, color="grey", lw=0.8)
    axis.set_xlabel("highest price of the coin (dollars); a dot a run, a bar their mean")
    axis.grid(axis="x", alpha=0.3)
    axis.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Print the tables and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="of the study's results")
    parser.add_argument("--picture", default="docs/debt_deflation.png")
    options = parser.parse_args()
    print(tables(options.folder))
    draw(options.folder, Path(options.picture))


if __name__ == "__main__":
    main()
