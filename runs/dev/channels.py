"""What each channel carries to the second bank: ``python -m runs.dev.channels DIR``.

Reads the study `channels` out of a folder; prints the tables of docs/channels.md and writes its
picture. Everything is paired: each run less its twin, in which ether does not fall.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd

from runs.study.store import read_study

CHANNELS = {
    "funds": "funds sell all that they hold",
    "makers": "makers' capital is shared",
    "fear": "depositors' fear spreads",
    "liquidators": "liquidators have one purse",
    "claims": "shares and receipts are collateral",
    "pools": "arbitrage around the pools",
    "gas": "gas and full blocks",
}
MEASURES = {"loss_two": "second bank's loss", "liquidated_two": "debt liquidated there"}
Floats = npt.NDArray[np.float64]


def differences(folder: str | Path, measure: str) -> dict[tuple[str, ...], Floats]:
    """What a run has more than its twin, by the channels that are open, in the seeds' order."""
    frame = read_study(folder)
    frame = frame[frame["status"] == "done"].sort_values("seed")
    found: dict[tuple[str, ...], Floats] = {}
    for values, rows in frame.groupby(list(CHANNELS)):
        open_ = tuple(name for name, on in zip(CHANNELS, values, strict=True) if on)
        wide = rows.pivot_table(index="seed", columns="variant", values=measure)
        found[open_] = (wide["base"] - wide["calm"]).to_numpy()
    return found


def interval(values: Floats, seed: int = 1) -> tuple[float, float, float]:
    """Mean, and the ends of its bootstrap interval at 95 %."""
    rng = np.random.default_rng(seed)
    means = rng.choice(values, (4000, values.size)).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def shown(values: Floats) -> str:
    """Thousands, with their interval."""
    mean, low, high = interval(values)
    return f"{mean / 1e3:,.1f} ({low / 1e3:,.1f} to {high / 1e3:,.1f})"


def tables(folder: str | Path) -> str:
    """The page's tables, in Markdown."""
    lines = []
    every = tuple(CHANNELS)
    for measure, title in MEASURES.items():
        d = differences(folder, measure)
        lines += [
            f"\n| {title}, thousands | alone | all but this one | added to all others |",
            "|---|---:|---:|---:|",
        ]
        for name, words in CHANNELS.items():
            rest = tuple(other for other in every if other != name)
            last = shown(d[every] - d[rest])
            lines.append(f"| {words} | {shown(d[(name,)])} | {shown(d[rest])} | {last} |")
        alone = np.sum([d[(name,)] for name in every], axis=0)
        lines += [
            f"| none | {shown(d[()])} | | |",
            f"| the sum of each alone | {shown(alone)} | | |",
            f"| all | {shown(d[every])} | | |",
            f"| all less that sum | {shown(d[every] - alone)} | | |",
            f"\n| pairs: {title}, thousands | together | less the two alone |",
            "|---|---:|---:|",
        ]
        for a, b in combinations(every, 2):
            extra = d[(a, b)] - d[(a,)] - d[(b,)]
            _, low, high = interval(extra)
            if low > 0.0 or high < 0.0:
                lines.append(f"| {a}, {b} | {shown(d[(a, b)])} | {shown(extra)} |")
    return "\n".join(lines)


def draw(folder: str | Path, path: Path) -> None:
    """Each channel alone, and all but it, beside all together."""
    every = tuple(CHANNELS)
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="constrained")
    for axis, (measure, title) in zip(axes, MEASURES.items(), strict=True):
        d = differences(folder, measure)
        rest = {n: tuple(o for o in every if o != n) for n in every}
        _bars(axis, [d[(n,)] for n in every], "alone", "tab:blue", -0.2)
        _bars(axis, [d[rest[n]] for n in every], "all but this one", "tab:orange", 0.2)
        axis.axvline(d[every].mean() / 1e3, color="black", lw=1, ls="--", label="all")
        axis.set_title(f"{title} beside the twin", fontsize=10)
        axis.set_xlabel("thousand dollars, mean and 95 % interval")
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(every)), list(CHANNELS.values()))
    axes[0].invert_yaxis()
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _bars(axis: plt.Axes, values: Sequence[Floats], label: str, colour: str, shift: float) -> None:
    found = pd.DataFrame([interval(v) for v in values], columns=["mean", "low", "high"]) / 1e3
    at = np.arange(len(values)) + shift
    spread = [found["mean"] - found["low"], found["high"] - found["mean"]]
    axis.barh(at, found["mean"], 0.36, xerr=spread, color=colour, label=label, alpha=0.8)


def main() -> None:
    """Print the tables and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="of the study's results")
    parser.add_argument("--picture", default="docs/channels.png")
    options = parser.parse_args()
    print(tables(options.folder))
    draw(options.folder, Path(options.picture))


if __name__ == "__main__":
    main()
