"""Black Thursday beside its record: ``python -m runs.dev.thursday --prices FILE --gas FILE``.

Writes a table in Markdown: what `black_thursday` does over common seeds where the recorded prices
and gas are replayed, where gas is free, and by the bridge that ships, beside what happened. With
``--varied`` a second one: the same with one thing changed at a time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from runs.results import write_whole
from sim import Market, Scenario

PRICES = "px_2020-03_black_thursday_5m.csv"
GAS = "gas_eth_crash_days_stablesims.csv"
DAY, END = "2020-03-12", "2020-03-14T00:00:00Z"
NO_LIMIT = 1e6
"""Gwei for gas that nobody reaches."""
KEEPERS, KEEPERS_TOLD = (-1, 1, 2, 3, 12), ("0 or 1", "2", "3", "4 or more")
"""Keepers without a limit, in groups, and what these are called."""
DEAR = 100.0
"""Gwei from which gas is at its height: ten times an ordinary day's."""
MAKER = "protocol.maker."


def recorded(prices: Path, gas: Path) -> Scenario:
    """The scenario with recorded prices of ether, and of gas while they are known.

    The record of gas ends with the first day, after which its last price stands. What just gets
    in is taken to be the lowest percentile that is told, the thirtieth.

    Args:
        prices: Of ether, as `Scenario.with_prices` takes them.
        gas: With columns ``ts`` and ``gas_p30_gwei``.
    """
    table = pd.read_csv(gas)
    table = table[table["ts"].str.startswith(DAY)]
    path: list[list[Any]] = [
        [ts, float(gwei)] for ts, gwei in zip(table["ts"], table["gas_p30_gwei"], strict=True)
    ]
    path.append([END, path[-1][1]])
    outside = {"gas": 1.5, "volatility_response": 0.0, "quantity_response": 0.0}
    changes = {f"block.outside.{name}": value for name, value in outside.items()}
    setup = Scenario.load("black_thursday").with_prices(prices)
    return setup.override(changes | {"block.gas_path": path})


def figures(market: Market) -> dict[str, float]:
    """What is compared with the record, of a market that has run."""
    frame = market.datacollector.get_model_vars_dataframe()
    dai, last = frame["venue.dai.price"], frame.iloc[-1]
    hours = market.setup.blocks * market.setup.block.seconds / 3600.0
    dear = (frame["gas.price"] > DEAR).to_numpy()[1:]
    settled = np.diff(frame[f"{MAKER}settled"].to_numpy())[dear].sum()
    nothing = np.diff(frame[f"{MAKER}for_nothing"].to_numpy())[dear].sum()
    over = frame[f"{MAKER}settled"]
    bad = float(last[f"{MAKER}bad_debt"])
    return {
        "dai_high": float(dai.max()),
        "dai_low": float(dai.min()),
        "dai_end": float(dai.iloc[-1]),
        "hours_above_1_03": float((dai > 1.03).mean() * hours),
        "hours_above_1_06": float((dai > 1.06).mean() * hours),
        "ether_low": float(frame["venue.eth.price"].min()),
        "gas_high": float(frame["gas.price"].max()),
        "liquidations": float(last[f"{MAKER}settled"]),
        "first_day": float(over.iloc[over.size // 2] / over.iloc[-1]) if over.iloc[-1] else np.nan,
        "liquidated": float(last[f"{MAKER}liquidated"]),
        "zero_bid_share": float(last[f"{MAKER}zero_bid_share"]),
        "zero_bid_share_dear": nothing / settled if settled else np.nan,
        "for_nothing_worth": float(last[f"{MAKER}for_nothing_worth"]),
        "bad_debt": bad,
        "bad_debt_share": bad / market.ledger.supply("dai"),
        "debt_change": float(last[f"{MAKER}debt"] / frame[f"{MAKER}debt"].iloc[0] - 1.0),
        **{f"free_{group}": _without_limit(market, group) for group in ("keepers", "starters")},
    }


def _without_limit(market: Market, group: str) -> int:
    """How many of a group pay any price for gas."""
    return int((np.asarray(market.cohorts[group].column("most_gas")) >= NO_LIMIT).sum())


ROWS = (
    ("dai_high", "dai: highest price", 1.0, 3, "1.129"),
    ("dai_low", "dai: lowest price", 1.0, 3, "0.999"),
    ("dai_end", "dai: price at the end", 1.0, 3, "1.008"),
    ("hours_above_1_03", "dai: hours above 1.03", 1.0, 1, "25"),
    ("hours_above_1_06", "dai: hours above 1.06", 1.0, 1, "4"),
    ("liquidations", "auctions", 1.0, 0, "3,994"),
    ("first_day", "of these over after one day, %", 100.0, 0, ""),
    ("liquidated", "debt liquidated, millions", 1e-6, 2, ""),
    ("zero_bid_share", "won for nothing, % of all", 100.0, 1, "36"),
    ("zero_bid_share_dear", "the same while gas is above 100 gwei", 100.0, 1, ""),
    ("for_nothing_worth", "collateral won for nothing, millions", 1e-6, 2, "8.32"),
    ("bad_debt", "bad debt, millions of dai", 1e-6, 2, "5.67"),
    ("bad_debt_share", "bad debt, % of the dai that are out", 100.0, 2, "4 to 5"),
    ("debt_change", "all debt after two days, %", 100.0, 1, ""),
    ("ether_low", "ether: lowest price", 1.0, 1, "86.0"),
    ("gas_high", "gas: highest price that just got in", 1.0, 0, "200"),
)
"""Figure, label, scale, digits, and what happened."""
TOLD = {key: (label, scale, digits) for key, label, scale, digits, _ in ROWS}
"""How a figure is told, by its name."""


def table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Means over seeds and their range beside the record, as Markdown."""
    head = "| | " + " | ".join(found) + " | happened |"
    lines = [head, "|---|" + "---:|" * (len(found) + 1)]
    for key, label, scale, digits, happened in ROWS:
        cells = []
        for runs in found.values():
            x = np.array([figures[key] for figures in runs]) * scale
            x = x[~np.isnan(x)]
            if x.size == 0:  # gas was never dear, say
                cells.append("-")
                continue
            numbers = [f"{value:,.{digits}f}" for value in (x.mean(), x.min(), x.max())]
            cells.append(f"{numbers[0]} ({numbers[1]} to {numbers[2]})")
        lines.append(f"| {label} | " + " | ".join([*cells, happened]) + " |")
    return "\n".join(lines)


def _mean(values: npt.NDArray[np.float64], digits: int) -> str:
    """A mean with its standard error."""
    error = values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else np.nan
    return f"{values.mean():,.{digits}f} ± {error:,.{digits}f}"


def by_draws(runs: Sequence[Mapping[str, float]]) -> str:
    """Means by how many start and how many bid at any price for gas, as Markdown.

    A cell has the share won for nothing and bad debt over the dai that are out, in per cent, and
    how many runs these are of.
    """
    frame = pd.DataFrame(runs)
    bidders = pd.cut(frame["free_keepers"], KEEPERS, labels=list(KEEPERS_TOLD))
    heads = " | ".join(f"{told} bid so" for told in KEEPERS_TOLD)
    lines = [f"| start at any price | {heads} |"]
    lines.append("|---|" + "---:|" * len(KEEPERS_TOLD))
    for starters in sorted(frame["free_starters"].unique()):
        cells = []
        for told in KEEPERS_TOLD:
            some = frame[(frame["free_starters"] == starters) & (bidders == told)]
            shares = [100.0 * some[key].mean() for key in ("zero_bid_share", "bad_debt_share")]
            text = f"{shares[0]:.0f}, {shares[1]:.1f} ({len(some)})"
            cells.append(text if len(some) else "-")
        lines.append(f"| {starters:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


BARS = {
    "zero_bid_share_dear": (0.1, 0.6),
    "bad_debt_share": (0.01, 0.08),
    "dai_low": (0.98, np.inf),
}
"""Between which a figure was to be, before anything was run."""


def overall(runs: Sequence[Mapping[str, float]]) -> str:
    """Mean with its standard error, median, and how many runs lie within the bars, as Markdown."""
    frame = pd.DataFrame(runs)
    lines = ["| | mean | median | middle half | asked for | runs within |", "|---|" + "---:|" * 5]
    for key, (low, high) in BARS.items():
        label, scale, digits = TOLD[key]
        x = frame[key].dropna().to_numpy(dtype=float) * scale
        low, high = low * scale, high * scale
        first, third = np.quantile(x, [0.25, 0.75])
        asked = f"{low:g} to {high:g}" if high < np.inf else f"from {low:g}"
        cells = [
            _mean(x, digits),
            f"{np.median(x):.{digits}f}",
            f"{first:.{digits}f} to {third:.{digits}f}",
            asked,
            f"{int(((low <= x) & (x <= high)).sum())} of {x.size}",
        ]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def limits(*gwei: float) -> dict[str, Any]:
    """Of keepers' programs for gas, each as likely."""
    return {"agents.keepers.most_gas": {"distribution": "choice", "values": list(gwei)}}


def _cash(multiple: float) -> dict[str, Any]:
    """Keepers' dai and dollars, times the scenario's."""
    wallet = Scenario.load("black_thursday").agents["keepers"].wallet
    return {
        f"agents.keepers.wallet.{token}": {
            **wallet[token].model_dump(exclude_none=True),
            "median": wallet[token].median * multiple,  # type: ignore[union-attr]
        }
        for token in ("dai", "usdc")
    }


def _times(group: str, column: str, multiple: float) -> dict[str, Any]:
    """A group's distribution of a column, times the scenario's, by its median or scale."""
    settings = Scenario.load("black_thursday").agents[group]
    wallet = column.startswith("wallet.")
    given = settings.wallet[column[7:]] if wallet else settings.columns[column]
    content = given.model_dump(exclude_none=True)
    for name in {"median", "scale", "at_most"} & set(content):
        content[name] = content[name] * multiple
    if not wallet and "at_most" in content:
        content["at_most"] = min(content["at_most"], 1.0)
    return {f"agents.{group}.{column}": content}


def _visitors() -> dict[str, dict[str, Any]]:
    """Those from outside who open vaults: none, and a quarter to four times of them."""
    never = {"agents.visitors.attention": 0.0, "agents.visitors.alarm": 0.0}
    found: dict[str, dict[str, Any]] = {"nobody from outside opens a vault": never}
    for multiple, word in ((0.25, "a quarter"), (4.0, "four times")):
        count = int(Scenario.load("black_thursday").agents["visitors"].count * multiple)
        found[f"outside: {word} as many"] = {"agents.visitors.count": count}
        found[f"outside: {word} of the ether each"] = _times("visitors", "wallet.eth", multiple)
        found[f"outside: they look {word} as often"] = {
            **_times("visitors", "attention", multiple),
            **_times("visitors", "alarm", multiple),
        }
    return found


def _votes(hours: float, **columns: float) -> dict[str, Any]:
    """Holders of the governance token whose votes take effect after so many hours.

    Lots become ten times as large and auctions last 36 times as long, as in the week after.
    """
    delay = hours * 3600.0 / Scenario.load("black_thursday").block.seconds
    council = {"kind": "governor", "count": 1, "protocol": "maker", "delay": delay, "rest": delay}
    return {"agents.council": council | columns | {"wallet": {"eth": 1.0}}}


def variations() -> dict[str, dict[str, Any]]:
    """What is changed, by what it is called in the table."""
    return {
        "as it ships": {},
        "keepers' limits for gas: not 7 gwei": limits(70.0, 100.0, NO_LIMIT),
        "keepers' limits for gas: not 70 gwei": limits(7.0, 100.0, NO_LIMIT),
        "keepers' limits for gas: not 100 gwei": limits(7.0, 70.0, NO_LIMIT),
        "keepers' limits for gas: nobody without": limits(7.0, 70.0, 100.0),
        "keepers' limits for gas: none": limits(NO_LIMIT),
        "keepers' limits for gas: any, around 70 gwei": {
            "agents.keepers.most_gas": {"distribution": "lognormal", "median": 70.0, "sigma": 1.15}
        },
        "a stuck order holds later ones for three hours": {"agents.keepers.patience": 900.0},
        "keepers: 4": {"agents.keepers.count": 4},
        "keepers: 36": {"agents.keepers.count": 36},
        "keepers have 0.3 times the cash": _cash(0.3),
        "keepers have 10 times the cash": _cash(10.0),
        "keepers send 3 bids at once, not 16": {"agents.keepers.most": 3.0},
        "keepers do not ration": {"agents.keepers.rations": 0.0},
        "keepers trade in pools alone": {"agents.keepers.exchange": False},
        "keepers look in a tenth of blocks": {"agents.keepers.attention": 0.1},
        "keepers start auctions, nobody else": {
            "agents.keepers.starts": 1.0,
            "agents.starters.starts": 0.0,
        },
        "who starts pays 100 gwei at most": {"agents.starters.most_gas": 100.0},
        "who starts pays any price for gas": {"agents.starters.most_gas": NO_LIMIT},
        "one program starts auctions, not three": {"agents.starters.count": 1},
        "ten programs start auctions": {"agents.starters.count": 10},
        **_visitors(),
        "owners never look": {"agents.owners.attention": 0.0, "agents.owners.alarm": 0.0},
        "owners do not go on until they are safe": {"agents.owners.resolve": 0.0},
        "owners' ratio, median: 3, not 3.35": {
            "agents.owners.ratio": Scenario.load("black_thursday")
            .agents["owners"]
            .columns["ratio"]
            .model_copy(update={"median": 3.0})
            .model_dump(exclude_none=True)
        },
        "owners: 1,500, who owe half": {"agents.owners.count": 1500},
        "votes that take effect after an hour": _votes(1.0),
        "the same, larger lots alone": _votes(1.0, longer=1.0),
        "the same, longer auctions alone": _votes(1.0, larger=1.0),
        "votes that take effect after six hours": _votes(6.0),
        "votes that take effect after a day": _votes(24.0),
        "arbitrageurs: four times as many": {
            "agents.arbitrageurs.count": 4
            * Scenario.load("black_thursday").agents["arbitrageurs"].count
        },
    }


HANGS = (
    "zero_bid_share",
    "bad_debt_share",
    "liquidations",
    "dai_high",
    "hours_above_1_06",
    "dai_end",
)
"""Figures of the second table."""


def hangs(found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Means with standard errors, a line for each change, as Markdown."""
    lines = ["| | " + " | ".join(TOLD[key][0] for key in HANGS) + " |"]
    lines.append("|---|" + "---:|" * len(HANGS))
    for name, runs in found.items():
        cells = []
        for key in HANGS:
            _, scale, digits = TOLD[key]
            x = np.array([figures[key] for figures in runs]) * scale
            cells.append(_mean(x, digits))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def run_all(setups: Mapping[str, Scenario], seeds: int) -> dict[str, list[dict[str, float]]]:
    """Figures of each over common seeds, from 1."""
    found: dict[str, list[dict[str, float]]] = {}
    for name, setup in setups.items():
        found[name] = []
        for seed in range(1, seeds + 1):
            market = Market(setup, rng=seed).run()
            found[name].append(figures(market))
            market.close()
        print(name, file=sys.stderr)
    return found


def main() -> None:
    """Run all and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--prices", type=Path, required=True, help="recorded prices of ether")
    parser.add_argument("--gas", type=Path, required=True, help="recorded prices of gas")
    parser.add_argument("--seeds", type=int, default=20, help="common seeds, from 1")
    parser.add_argument(
        "--varied", type=int, default=0, help="seeds of runs with one thing changed"
    )
    parser.add_argument("--drawn", type=int, default=0, help="seeds of the table by what was drawn")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    record = recorded(options.prices, options.gas)
    setups = {
        "record": record,
        "record, gas free": record.override({"switches.gas_binds": False}),
        "bridge, as it ships": Scenario.load("black_thursday"),
    }
    found = run_all(setups, options.seeds)
    text = table(found) + "\n"
    if options.varied:
        changed = {name: record.override(changes) for name, changes in variations().items()}
        text += "\n" + hangs(run_all(changed, options.varied)) + "\n"
    if options.drawn:
        drawn = run_all({"drawn": record}, options.drawn)["drawn"]
        text += "\n" + overall(drawn) + "\n\n" + by_draws(drawn) + "\n"
    print(text)
    if options.out is not None:
        write_whole(options.out, lambda path: path.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
