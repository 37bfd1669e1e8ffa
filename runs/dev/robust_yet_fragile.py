"""How often a fall turns systemic, and how far it goes: ``python -m runs.dev.robust_yet_fragile``.

Makes the runs of docs/robust_yet_fragile.md, prints its tables and draws its picture. The markets
are those of `runs.contagion.many_banks`; stopped, it goes on where it was.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from runs.contagion import Interconnection, Plan, gai_kapadia, interconnection
from runs.contagion.many_banks import (
    FAMILIES,
    MOST_FUND,
    STRUCK,
    many_banks,
    others,
    their_losses,
)
from sim import Scenario

BANKS = 20
DEGREES = (1, 2, 4, 6, 8, 10, 12, 14, 17, 20)
FEWER = (2, 8, 20)
"""Where assumptions are changed."""
LOCAL = 0.2
"""Share of the others hit up to which a stricter reading calls it local."""
NETWORKS = 1000
"""Drawn of the model beside it."""
Markets = Mapping[float, Scenario]


def markets(
    degrees: Sequence[int], families: Sequence[str] = ("makers",), **settings: Any
) -> Markets:
    """Markets in which firms of some families stand in so many coins."""
    return {
        float(z): many_banks(
            {f: min(z, MOST_FUND) if f == "funds" else z for f in families}, BANKS, **settings
        )
        for z in degrees
    }


def families() -> dict[str, tuple[Sequence[int], Sequence[str]]]:
    """Who stands in several coins, by what the page calls them: degrees and families."""
    return {
        "makers": (FEWER, ("makers",)),
        "funds": ((2, 3, MOST_FUND), ("funds",)),
        "liquidators": (FEWER, ("liquidators",)),
        "arbitrageurs": (FEWER, ("arbitrageurs",)),
        "makers and funds (up to 4)": (FEWER, ("makers", "funds")),
        "all four (funds up to 4)": (FEWER, FAMILIES),
    }


def timed(seconds: float) -> dict[str, Any]:
    """Changes for as long a time in blocks of other seconds; attention a block stays."""
    times = 12.0 / seconds
    return {
        "block.seconds": seconds,
        "blocks": round(600 * times),
        "shocks.0.block": round(STRUCK * times),
    }


def assumptions() -> dict[str, dict[str, Any]]:
    """What each row changes of the markets of shared makers, by what it says."""
    found: dict[str, dict[str, Any]] = {}
    for fall in (0.25, 0.6):
        found[f"the struck coin falls by {100.0 * fall:.0f} %"] = {"fall": fall}
    for equity in (0.9e6, 1.3e6):
        found[f"a fund's equity, millions: {equity / 1e6:g}"] = {
            "changes": {"agents.funds-*.equity": equity}
        }
    for cash in (1e6, 4e6):
        found[f"a maker's cash, millions: {cash / 1e6:g}"] = {
            "changes": {"agents.makers-*.wallet.usdc": cash}
        }
    for margin in (2.0, 4.0):
        found[f"makers' margin, deviations of a day: {margin:g}"] = {
            "changes": {"agents.makers-*.margin": margin}
        }
    for depth in (0.2e6, 0.5e6):
        found[f"depth without makers, millions for 1 %: {depth / 1e6:g}"] = {
            "changes": {"venue.assets.coin*.depth": depth}
        }
    for count in (1, 6):
        share = 2.0 / count
        found[f"arbitrageurs of a coin: {count}, the same purse in all"] = {
            "changes": {
                "agents.arbitrageurs-*.count": count,
                "agents.arbitrageurs-*.wallet.usdc": 500_000.0 * share,
                "agents.arbitrageurs-*.wallet.eth": 20.0 * share,
            }
        }
    for attention in (0.03, 0.3):
        found[f"funds' attention, a block: {attention:g}"] = {
            "changes": {"agents.funds-*.attention": attention}
        }
    for seconds in (6.0, 24.0):
        found[f"seconds between blocks, as long a time: {seconds:g}"] = {"changes": timed(seconds)}
    found["gas and full blocks bind"] = {"changes": {"switches.gas_binds": True}}
    found["who stands where is drawn, not a ring"] = {"network": 1}
    return found


def curve(found: Interconnection) -> str:
    """The table of the main curve, in Markdown."""
    strict = found.at(LOCAL).table()
    lines = [
        f"| degree | systemic: one of {len(found.nodes)} or more | then hit, of the others | "
        f"over a fifth hit | then hit | the others' banks lose, thousands | without the shock |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    rows = found.table().to_dict("records"), strict.to_dict("records")
    for row, more in zip(*rows, strict=True):
        cells = [
            f"{row['degree']:g}",
            _interval(row, "frequency"),
            _interval(row, "extent"),
            _interval(more, "frequency"),
            _interval(more, "extent"),
            "{:,.0f} ({:,.0f} to {:,.0f})".format(
                *(row[name] / 1e3 for name in ("lost", "lost_low", "lost_high"))
            ),
            f"{row['alone']:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _interval(row: Mapping[Hashable, float], name: str) -> str:
    if not math.isfinite(row[name]):
        return "–"
    ends = row[f"{name}_low"], row[f"{name}_high"]
    if not math.isfinite(ends[0]):
        return f"{row[name]:.2f}"
    return f"{row[name]:.2f} ({ends[0]:.2f} to {ends[1]:.2f})"


def short(found: Interconnection) -> list[str]:
    """Cells of a row: frequency and extent, over a fifth of the others."""
    cells = []
    for row in found.at(LOCAL).table().to_dict("records"):
        extent = f", {row['extent']:.2f}" if math.isfinite(row["extent"]) else ""
        cells.append(f"{row['frequency']:.2f}{extent}")
    return cells


def draw(found: Interconnection, path: Path) -> None:
    """The main curve, with the model of claims beside it."""
    beside = {
        z: gai_kapadia(z - 1.0, banks=BANKS, networks=NETWORKS) for z in found.degrees if z > 1.0
    }
    figure = found.plot(beside, f"Gai, Kapadia: {BANKS} banks of as many links")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Make the runs, print the tables, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="of the runs")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--fewer", type=int, default=10, help="seeds where assumptions change")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--picture", default="docs/robust_yet_fragile.png")
    options = parser.parse_args()
    folder = Path(options.folder)

    def run(name: str, made: Markets, seeds: int) -> Interconnection:
        plan = Plan(seeds=seeds, out=folder / name, workers=options.workers)
        return interconnection(made, others(BANKS), their_losses(BANKS), plan=plan)

    whole = run("curve", markets(DEGREES), options.seeds)
    print(curve(whole), end="\n\n", flush=True)
    draw(whole, Path(options.picture))
    told = {name: partial(markets, *of) for name, of in families().items()}
    told |= {name: partial(markets, FEWER, **changed) for name, changed in assumptions().items()}
    for name, make in told.items():
        found = run(re.sub(r"[^a-z0-9.]+", "-", name.lower()), make(), options.fewer)
        print(f"| {name} | {' | '.join(short(found))} |", flush=True)


if __name__ == "__main__":
    main()
