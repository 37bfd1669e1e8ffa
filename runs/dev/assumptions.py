"""What the losses of `two_banks` hang on: ``python -m runs.dev.assumptions``.

Prints the table of docs/channels.md: one assumption changed at a time, all channels open.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from runs.dev.capital import SCENARIO, SEEDS, cash, lost, over_seeds, run
from sim import Scenario

Changes = Mapping[str, Any]


def by_count(assumption: str, path: str, values: Sequence[Any]) -> dict[str, Changes]:
    """Rows for the values of one setting."""
    return {f"{assumption}: {value:g}": {path: value} for value in values}


def timed(seconds: float) -> Changes:
    """Changes for as long a time in blocks of other seconds; attention a block stays."""
    scenario = Scenario.load(SCENARIO)
    times = scenario.block.seconds / seconds
    return {
        "block.seconds": seconds,
        "blocks": round(scenario.blocks * times),
        "shocks.0.block": round(scenario.shocks[0].block * times),
    }


def rows() -> dict[str, Changes]:
    """What each row of the table changes, by what it says."""
    found: dict[str, Changes] = {}
    for group, times in (
        ("makers", (0.25, 1.0, 2.0, 3.0, 4.0, 8.0)),
        ("liquidators", (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)),
    ):
        found |= {f"{group}' cash, times: {t:g}": cash(group, t) for t in times}
    for millions in (1.0, 1.5, 2.0, 3.0):
        depths = {f"venue.assets.{asset}.depth": millions * 1e6 for asset in ("eth", "btc")}
        found[f"depth outside without makers, dollars for 1 %: {millions:g} million"] = depths
    found |= by_count("arbitrageurs", "agents.arbitrageurs.count", (2, 8, 32))
    found |= by_count("funds' attention, a block", "agents.funds.attention", (0.02, 0.1, 0.5))
    found |= by_count(
        "liquidators hold what they seize, blocks", "agents.liquidators.hold", (0.0, 25.0, 100.0)
    )
    for window in (1, 10, 50):
        windows = {f"oracles.{asset}.window": window for asset in ("eth", "btc")}
        found[f"oracles' window, blocks: {window}"] = windows
    for seconds in (6.0, 12.0, 24.0):
        found[f"seconds between blocks, as long a time: {seconds:g}"] = timed(seconds)
    for fall in (0.1, 0.2, 0.3, 0.4, 0.5):
        found[f"fall of ether: {100.0 * fall:g} %"] = {"shocks.0.size": -fall}
    return found


def of_seed(seed: int) -> list[dict[str, Any]]:
    """Each row's losses and bitcoin's lowest price outside, for a seed."""
    found = []
    for name, changes in rows().items():
        frame = run(seed, changes)
        found.append({"row": name, "low": frame["venue.btc.price"].min()} | lost(frame))
    return found


def table(frame: pd.DataFrame) -> str:
    """Means with their standard errors, losses in thousands, in Markdown."""
    lines = ["| | second bank | first bank | bitcoin's low |", "|---|---:|---:|---:|"]
    for name, some in frame.groupby("row", sort=False):
        thousands = some[["two", "one"]].to_numpy(np.float64) / 1e3
        errors = thousands.std(axis=0, ddof=1) / math.sqrt(len(thousands))
        means = thousands.mean(axis=0)
        cells = [f"{m:,.0f} ± {e:,.0f}" for m, e in zip(means, errors, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} | {some['low'].mean():,.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Run all rows on all seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    print(table(over_seeds(of_seed, options.seeds, options.workers)))


if __name__ == "__main__":
    main()
