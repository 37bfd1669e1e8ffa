"""How late votes on a stability fee may be: ``python -m runs.dev.governed DIR``.

Reads the study `governed_peg` out of a folder; prints the tables of docs/governed_peg.md and draws
its picture, for which four markets run. What the finding hangs on:
``python -m runs.dev.promises governed_peg --varied SEEDS``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from runs.dev.promises import done, markdown, said
from sim import Market, Scenario
from sim.units import DAY

SCENARIO = "governed_peg"
PRICE, FEE = "pool.coin-usdc.price", "protocol.maker.fee.ether"
DELAY, STEP = "agents.voters.delay", "agents.voters.step"
SHOWN: Mapping[str, Mapping[str, Any]] = {
    "nobody votes": {STEP: 0.0},
    "as it ships: 2 points, after three days": {},
    "2 points, after two weeks": {DELAY: 2_016},
    "8 points, after two weeks": {DELAY: 2_016, STEP: 0.08},
}
"""What the picture shows of one seed."""


def days(blocks: float) -> float:
    """Days of so many blocks of the scenario."""
    return blocks * Scenario.load(SCENARIO).block.seconds / DAY


def _cells(frame: pd.DataFrame, measure: str, digits: int, scale: float = 1.0) -> str:
    """A line for each delay, a column for each step."""
    steps = sorted(set(frame["step"]) - {0.0})
    rows = []
    for delay, at in frame.groupby("delay"):
        cells = [said(at[at["step"] == step][measure], digits, scale) for step in steps]
        rows.append([f"{days(float(delay)):g} days", *cells])  # type: ignore[arg-type]
    return markdown((["effect after", *(f"{100 * step:g} points" for step in steps)], rows))


def unvoted(frame: pd.DataFrame) -> pd.DataFrame:
    """Runs in which nobody votes; the delay of what is not done changes nothing."""
    none = frame[frame["step"] == 0.0]
    return none[none["delay"] == none["delay"].min()]


def tables(folder: str | Path) -> str:
    """Distance from one, lowest price and highest fee over delay and step, as Markdown."""
    frame = done(folder)
    none = unvoted(frame)
    text = [
        f"Nobody votes: {said(none['off'], 2)} % off, lowest price {said(none['low'], 3)}, "
        f"debt grows by {said(none['grown'], 0, 100.0)} %.",
        "Distance from one, root mean square, %",
        _cells(frame, "off", 2),
        "Lowest price",
        _cells(frame, "low", 3),
        "Highest stability fee, % a year",
        _cells(frame, "most_fee", 0, 100.0),
    ]
    return "\n\n".join(text)


def draw(folder: str | Path, path: Path, seed: int = 1) -> None:
    """Prices and fees of four markets of one seed; the distance from one over delay and step."""
    figure, (prices, fees, off) = plt.subplots(1, 3, figsize=(15, 4.4), layout="constrained")
    for name, changes in SHOWN.items():
        market = Market(Scenario.load(SCENARIO).override(dict(changes)), rng=seed).run()
        found = market.datacollector.get_model_vars_dataframe()
        market.close()
        time = found["block"].to_numpy(dtype=float) * days(1.0)
        prices.plot(time, found[PRICE].rolling(24, min_periods=1).mean(), lw=1.2, label=name)
        fees.plot(time, 100.0 * found[FEE], lw=1.2, label=name)
    prices.set(xlabel="days", ylabel="price of the coin, mean of a day (dollars)")
    prices.axhline(1.0, color="black", lw=0.6)
    prices.legend(fontsize=8, loc="lower left")
    fees.set(xlabel="days", ylabel="stability fee (% a year)")
    frame = done(folder)
    table = frame[frame["step"] > 0.0].pivot_table(index="delay", columns="step", values="off")
    shown = off.imshow(table.to_numpy(), origin="lower", cmap="Reds", vmin=0.0, aspect="auto")
    for (i, j), value in np.ndenumerate(table.to_numpy()):
        colour = "white" if value > 0.6 * table.to_numpy().max() else "black"
        off.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour)
    off.set_xticks(range(table.shape[1]), [f"{100 * step:g}" for step in table.columns])
    off.set_yticks(range(table.shape[0]), [f"{days(float(delay)):g}" for delay in table.index])
    off.set(xlabel="change of the fee by one vote (points)", ylabel="takes effect after (days)")
    figure.colorbar(shown, ax=off, label="distance from one, root mean square (%)")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Print the tables and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", help="of the study's results")
    parser.add_argument("--picture", default="docs/governed_peg.png")
    options = parser.parse_args()
    print(tables(options.folder))
    draw(options.folder, Path(options.picture))


if __name__ == "__main__":
    main()
