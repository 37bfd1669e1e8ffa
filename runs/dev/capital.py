"""Losses against liquidators' and makers' capital: ``python -m runs.dev.capital``.

Liquidators cover loans, and sell what they seize. The two are told apart in `two_banks`: prices
outside are recorded once, and then replayed in a venue that nobody's sales move, for liquidators of
any capital. On a given path what is left is what they cover; between paths, what their sales do.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim import Market, Scenario

TIMES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
MAKERS = (0.25, 1.0, 2.0, 4.0, 8.0)
"""Multiples of the cash in the scenario."""
RECORDED = (0.1, 1.0, 30.0)
"""Liquidators' capital in the markets whose prices are replayed."""
SEEDS = 20
SCENARIO = "two_banks"
BANKS = {"two": "second bank", "both": "both banks"}
Path = Mapping[str, npt.NDArray[np.float64]]


def run(seed: int, changes: Mapping[str, Any]) -> pd.DataFrame:
    """A row for each block of a run of the scenario with some changes."""
    more = {"measures.every": 1, "measures.receipts": "none"}
    market = Market(Scenario.load(SCENARIO).override(more | dict(changes)), rng=seed).run()
    frame: pd.DataFrame = market.datacollector.get_model_vars_dataframe()
    market.close()
    return frame


def cash(group: str, times: float) -> dict[str, float]:
    """A group's cash, as a multiple of what the scenario gives it."""
    first = Scenario.load(SCENARIO).agents[group].wallet["usdc"].value  # type: ignore[union-attr]
    return {f"agents.{group}.wallet.usdc": times * float(first)}


def path_of(frame: pd.DataFrame, lasting: bool) -> dict[str, npt.NDArray[np.float64]]:
    """Prices outside in each block, or (`lasting`) the lowest so far: a fall that is for good."""
    found = {}
    for asset in Scenario.load(SCENARIO).venue.assets:
        prices = frame[f"venue.{asset}.price"].to_numpy(np.float64)
        found[asset] = np.minimum.accumulate(prices) if lasting else prices
    return found


def replayed(path: Path) -> dict[str, Any]:
    """Changes that replay prices outside in a venue which no sale moves, without the shock."""
    scenario = Scenario.load(SCENARIO)
    changes: dict[str, Any] = {"shocks.0.size": 0.0}
    for asset, prices in path.items():
        hours = np.arange(1, prices.size + 1) * scenario.block.seconds / 3600.0
        points = [[0.0, scenario.venue.assets[asset].price]]
        points += [[float(hour), float(price)] for hour, price in zip(hours, prices, strict=True)]
        own = {"process": "bridge", "points": points, "depth": math.inf}
        changes |= {f"venue.assets.{asset}.{name}": value for name, value in own.items()}
    return changes


def lost(frame: pd.DataFrame) -> dict[str, float]:
    """What is written off or not covered at the end, by bank and of both, numeraire."""
    found = {bank: float(frame[f"lending.{bank}.loss"].iloc[-1]) for bank in ("one", "two")}
    return found | {"both": found["one"] + found["two"]}


def of_seed(seed: int) -> list[dict[str, Any]]:
    """All markets of a seed: a row each, with how it was made and what was lost."""
    rows: list[dict[str, Any]] = []

    def note(market: str, times: float, changes: Mapping[str, Any]) -> pd.DataFrame:
        frame = run(seed, changes)
        rows.append({"seed": seed, "market": market, "times": times} | lost(frame))
        return frame

    for times in MAKERS:
        note("makers", times, cash("makers", times))
    held = {"switches.liquidators_sell": False}
    whole = {f"venue.assets.{asset}.permanent": 1.0 for asset in ("eth", "btc")}
    frames = {}
    for times in TIMES:
        purse = cash("liquidators", times)
        frames[times] = note("as it ships", times, purse)
        note("12 hours", times, purse | {"blocks": 3600})
        note("all impact stays", times, purse | whole)
        note("they keep what they seize", times, purse | held)
    for source in RECORDED:
        for words, lasting in (("replayed", False), ("its lows", True)):
            changes = replayed(path_of(frames[source], lasting))
            for times in TIMES:
                note(f"path of {source:g}, {words}", times, cash("liquidators", times) | changes)
    return rows


def table(frame: pd.DataFrame, bank: str, times: Sequence[float]) -> str:
    """Mean loss and its standard error, thousands, by market and capital, in Markdown."""
    lines = [
        f"| {BANKS[bank]}, thousands | " + " | ".join(f"{t:g}" for t in times) + " | steps up |",
        "|---|" + "---:|" * (len(times) + 1),
    ]
    for market in dict.fromkeys(frame["market"]):
        rows = frame[frame["market"] == market].pivot(index="seed", columns="times", values=bank)
        if list(rows.columns) != list(times):
            continue
        means, errors = rows.mean() / 1e3, rows.sem() / 1e3
        cells = [f"{means[t]:,.0f} ± {errors[t]:,.0f}" for t in times]
        lines.append(f"| {market} | {' | '.join(cells)} | {len(rising(rows))} |")
    return "\n".join(lines)


def rising(rows: pd.DataFrame) -> list[tuple[float, float]]:
    """Steps at which a loss rises with capital by more than two standard errors, paired by seed."""
    found = []
    for less, more in pairwise(rows.columns):
        step = (rows[more] - rows[less]).to_numpy(np.float64)
        if step.mean() > 2.0 * step.std(ddof=1) / math.sqrt(step.size):
            found.append((float(less), float(more)))
    return found


def over_seeds(
    of_seed: Callable[[int], list[dict[str, Any]]], seeds: int, workers: int
) -> pd.DataFrame:
    """The rows of all seeds from 1 on, one after the other."""
    with ProcessPoolExecutor(workers) as pool:
        found = [row for rows in pool.map(of_seed, range(1, seeds + 1)) for row in rows]
    return pd.DataFrame(found)


def main() -> None:
    """Run all markets and print the tables of docs/channels.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    frame = over_seeds(of_seed, options.seeds, options.workers)
    for bank in BANKS:
        print(table(frame, bank, TIMES), table(frame, bank, MAKERS), sep="\n\n", end="\n\n")


if __name__ == "__main__":
    main()
