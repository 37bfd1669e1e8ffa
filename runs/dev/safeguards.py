"""What safeguards save in `two_banks` and cost in calm: ``python -m runs.dev.safeguards DIR``.

Makes the runs of docs/safeguards.md, prints its tables and draws its pictures; stopped, it goes on
where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from runs.contagion import Frontier, Plan, default_guards, safeguards
from runs.contagion.safeguards import FACTOR, NONE, Set, label, resolved
from sim import Scenario

SCENARIO, LOSS = "two_banks", "last(lending.*.loss)"
YEARS = 4 / 24 / 365
"""Of the scenario's four hours."""
COST = {"-last(result.*-traders)": 1.0, "-mean(lending.*.debt)": 0.08 * YEARS}
"""Traders' result, and eight per cent a year of what is not lent."""
CAPITAL = 0.1 * YEARS
"""Of a fund's money elsewhere, for its dollar."""
MAKING = ("arbitrageurs", "cyclic")
BOUNDS = (1e6, 8e5)
THOUSAND = 1e3
PARTS, EVERY = 10, 15
"""Of a fall over half an hour, and the blocks from one to the next."""
LATE = ("capped_oracles", "slower_oracles")


def many(times: float) -> Callable[[Scenario], Scenario]:
    """As many arbitrageurs of both kinds, times a number."""

    def change(setup: Scenario) -> Scenario:
        counts = {f"agents.{g}.count": round(setup.agents[g].count * times) for g in MAKING}
        return setup.override(counts)

    return change


def cash(times: float) -> Callable[[Scenario], Scenario]:
    """Arbitrageurs' and liquidators' cash, times a number."""
    groups = (*MAKING, "liquidators")
    factors = {f"{FACTOR}agents.{g}.wallet.usdc.value": times for g in groups}
    return lambda setup: setup.override(resolved(setup, "cash", factors))


def blocks(seconds: float) -> Callable[[Scenario], Scenario]:
    """Another time between blocks."""
    return lambda setup: setup.at_block_time(seconds)


VARIED: Mapping[str, Callable[[Scenario], Scenario]] = {
    "as it is": lambda setup: setup,
    "half as many arbitrageurs": many(0.5),
    "twice as many": many(2.0),
    "half of their and liquidators' cash": cash(0.5),
    "twice": cash(2.0),
    "blocks of 6 seconds": blocks(6.0),
    "of 24 seconds": blocks(24.0),
}


# Wide: the market, its seeds, and what is run of it.
def compared(
    setup: Scenario,
    seeds: int | Sequence[int],
    folder: Path,
    workers: int,
    exhaustive: bool = True,
    guards: Mapping[str, Any] | None = None,
) -> Frontier:
    """Default safeguards in a market; all sets, or each alone."""
    found = default_guards(setup) if guards is None else dict(guards)
    fund = found["insurance"]["insurance"]["safeguard"]["funds"] if "insurance" in found else 0.0
    prices = {"insurance": fund * CAPITAL} if fund else None
    plan = Plan(seeds=seeds, out=folder, workers=workers)
    if exhaustive:
        return safeguards(setup, LOSS, COST, prices, found, exhaustive=True, plan=plan)
    parts = []
    for name, guard in found.items():
        own = {k: v for k, v in (prices or {}).items() if k == name}
        parts.append(safeguards(setup, LOSS, COST, own, {name: guard}, exhaustive=True, plan=plan))
    return Frontier(
        tuple(found),
        {s: lost for part in parts for s, lost in part.crisis.items()},
        {s: lost for part in parts for s, lost in part.calm.items()},
        {n: {s: x for part in parts for s, x in part.made[n].items()} for n in parts[0].made},
        parts[0].seeds,
        exhaustive=False,
    )


def falls(setup: Scenario) -> dict[str, Scenario]:
    """The fall at once and over half an hour, as oracles of pools or of the exchange see it."""
    (jump,) = (shock.model_dump(exclude_none=True) for shock in setup.shocks)
    part = 1.0 - (1.0 + jump["size"]) ** (1.0 / PARTS)
    slow = [
        jump | {"size": -part, "block": jump["block"] + EVERY * n} for n in range(PARTS)
    ]  # fmt: skip
    outside = {f"oracles.{asset}": {"token": asset, "source": "venue"} for asset in ("eth", "btc")}
    return {
        f"{when}, {what}": setup.override({"shocks": shocks} | oracles)
        for what, oracles in (("pools", {}), ("the exchange", outside))
        for when, shocks in (("at once", [jump]), ("over half an hour", slow))
    }


def shown(found: Frontier, most: int = 2) -> str:
    """Sets of up to so many, and those that nothing beats, in Markdown, thousands."""
    table = found.table().sort_values("loss", ascending=False)
    columns = ["loss", "saved", "cost", *found.made]
    heads = ["loss in the crisis", "saved", "cost in calm", *(f"{n} foregone" for n in found.made)]
    lines = [f"| | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    rows: list[Any] = table.to_dict("records")
    for row in rows:
        if row["size"] <= most or row["best"]:
            cells = [told(row, name) for name in columns]
            name = f"**{row['set']}**" if row["best"] else row["set"]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def told(row: Mapping[str, Any], name: str) -> str:
    """A mean with its interval, thousands."""
    mean, low, high = (float(row[f"{name}{end}"]) / THOUSAND for end in ("", "_low", "_high"))
    digits = 0 if max(abs(low), abs(high)) >= 100.0 else 1
    if low == high:
        return f"{mean:,.3g}"
    return f"{mean:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def choices(found: Frontier) -> str:
    """The cheapest set under each bound, and how sure that is."""
    lines = []
    for bound in BOUNDS:
        try:
            choice = found.cheapest(bound)
        except ValueError as error:
            lines.append(f"under {bound:,.0f}: {error}")
            continue
        lines.append(
            f"under {bound:,.0f}: {label(choice.chosen)}, loss {choice.loss:,.0f}, kept "
            f"{choice.kept:.2f}, none {choice.none:.2f}, "
            f"{ {k: round(v, 2) for k, v in list(choice.picks.items())[:3]} }"
        )
    return "\n".join(lines)


def varied(found: Mapping[str, Frontier]) -> str:
    """What each safeguard saves, and the volume that it costs, by market, thousands."""
    guards = next(iter(found.values())).guards
    lines = [f"| | loss without | {' | '.join(guards)} |", "|---|" + "---:|" * (len(guards) + 1)]
    for name, of in found.items():
        table: dict[Any, Any] = of.table().set_index("set").to_dict("index")
        cells = [told(table[label(NONE)], "loss")]
        for guard in guards:
            row = table.get(label(Set({guard})))
            cells.append(
                f"{told(row, 'saved')}; {float(row['volume']) / THOUSAND:,.0f}" if row else ""
            )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def pictures(found: Frontier, folder: Path) -> None:
    """Frontiers by cost and by volume."""
    for against, name in (("cost", "safeguards"), ("volume", "safeguards_volume")):
        figure = found.plot(against, THOUSAND, "thousands of dollars")
        figure.savefig(folder / f"{name}.png", dpi=100)
        plt.close(figure)


def main() -> None:
    """Make the runs, print the tables, draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="of the runs")
    parser.add_argument("--seeds", type=int, default=40, help="of all sets")
    parser.add_argument("--varied", type=int, default=20, help="seeds of each varied market")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--pictures", default="docs", help="folder of the pictures")
    options = parser.parse_args()
    folder, setup = Path(options.folder), Scenario.load(SCENARIO)
    found = compared(setup, options.seeds, folder / f"all-{options.seeds}", options.workers)
    table: pd.DataFrame = found.table()
    table.to_csv(folder / "sets.csv", index=False)
    print(shown(found), choices(found), sep="\n\n", end="\n\n", flush=True)
    pictures(found, Path(options.pictures))
    if options.varied:
        each = {}
        for name, change in VARIED.items():
            out = folder / f"varied-{options.varied}" / name.replace(" ", "-")
            each[name] = compared(change(setup), options.varied, out, options.workers, False)
            print(name, "done", flush=True)
        print(varied(each), end="\n\n")
        late = {}
        for name, fallen in falls(setup).items():
            out = folder / f"falls-{options.varied}" / name.replace(" ", "-").replace(",", "")
            own = {guard: default_guards(setup)[guard] for guard in LATE}
            late[name] = compared(fallen, options.varied, out, options.workers, False, own)
        print(varied(late))


if __name__ == "__main__":
    main()
