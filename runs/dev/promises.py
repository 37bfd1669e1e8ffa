"""Runs on promises: ``python -m runs.dev.promises WHAT DIR``, WHAT one of the studies below.

Reads the study `bank_holiday`, `death_spiral`, `staked_loop` or `auctions` out of a folder; prints
the tables of the page of that name and writes its picture. With ``--varied SEEDS`` in place of a
folder it runs the scenario of that name (or the study's) with one thing changed at a time, what
a finding should not hang on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from protocols import amm
from protocols.seigniorage import largest_survived
from runs.dev.channels import interval
from runs.study.statistics import rate
from runs.study.store import read_study
from runs.study.study import Study
from sim import Market, Scenario

DEAD = 0.5
"""Price of a coin at the end, dollars, below which it is dead."""
CASCADE = 0.1
"""Discount of staked ether that is called a cascade: at 0.11 a loop of three is liquidated."""
COMPOSITION = {"debt-backed coin": 0.219, "the coin": 0.765, "third coin": 0.016}
"""Of Curve's pool of three on 11 March 2023, as reported that day: DAI, USDC, USDT."""
LOW = 0.8774
"""USDC's low of that day, as CoinMarketCap tells it."""
Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def done(folder: str | Path) -> pd.DataFrame:
    """A study's runs that are done."""
    frame = read_study(folder)
    return frame[frame["status"] == "done"]


def markdown(table: Table) -> str:
    """A table as the pages have it: names left, numbers right."""
    head, rows = table
    rule = "|".join(["---", *["---:"] * (len(head) - 1)])
    lines = [f"| {' | '.join(head)} |", f"|{rule}|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def said(values: pd.Series, digits: int, scale: float = 1.0) -> str:
    """Mean and its interval at 95 %."""
    if values.nunique() == 1:
        return f"{values.iloc[0] * scale:,.{digits}f}"
    mean, low, high = (v * scale for v in interval(values.to_numpy(dtype=float)))
    return f"{mean:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def share(hits: pd.Series) -> str:
    """How many of how many, and the interval of that share in per cent (Wilson)."""
    found = rate(int(hits.sum()), int(hits.size))
    return f"{int(hits.sum())} of {hits.size} ({found.low:.0%} to {found.high:.0%})"


# --- a coin over a weekend -----------------------------------------------------------------------

HOLIDAY = {
    "base": "as it is",
    "no_module": "no peg module",
    "no_buyers": "nobody buys to wait",
    "open": "control: open all weekend",
    "sound": "control: nobody doubts the bank",
}


def holiday(folder: str | Path) -> str:
    """What the coin falls to, what is in the pool, who loses."""
    frame = done(folder)
    rows = []
    for variant, name in HOLIDAY.items():
        runs = frame[frame["variant"] == variant]
        rows.append(
            [
                name,
                said(runs["low"], 3),
                f"{runs['low'].min():.2f}",
                said(runs["sunday"], 3),
                said(runs["thirds"], 1, 100.0),
                said(runs["loss_large"], 0, 1e-3),
                said(runs["loss_small"], 0, 1e-3),
                said(runs["loss_desks"], 0, 1e-3),
            ]
        )
    head = ["", "lowest price, mean", "of all", "Sunday morning", "third coin, %"]
    head += ["large lose", "small lose", "buyers lose"]
    rows.append(
        ["record", f"{LOW:.2f}", "", "", f"{100 * COMPOSITION['third coin']:.1f}", *[""] * 3]
    )
    pool = [[HOLIDAY[v], *_composition(frame, v)] for v in ("base", "no_module")]
    pool.append(["record", *(f"{100.0 * part:.1f}" for part in COMPOSITION.values())])
    return "\n\n".join(
        [markdown((head, rows)), markdown((["Saturday, noon, %", *COMPOSITION], pool))]
    )


def _composition(frame: pd.DataFrame, variant: str) -> list[str]:
    runs = frame[frame["variant"] == variant]
    return [said(runs[k], 1, 100.0) for k in ("debt_backed", "coins", "thirds")]


def draw_holiday(folder: str | Path, path: Path) -> None:
    """Lowest prices of all runs, and compositions of the pool beside the record."""
    frame = done(folder)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.0), layout="constrained")
    names = list(HOLIDAY)
    _strips(left, [frame[frame["variant"] == v]["low"] for v in names], list(HOLIDAY.values()))
    left.axvline(LOW, color="black", ls="--", lw=1, label="record, 11 March 2023")
    left.set_xlabel("lowest price of the coin, of rows each ten minutes (dollars)")
    left.legend(fontsize=8)
    parts = {HOLIDAY[v]: frame[frame["variant"] == v] for v in ("base", "no_module")}
    bars = [[r[k].mean() for k in ("debt_backed", "coins", "thirds")] for r in parts.values()]
    bars.append(list(COMPOSITION.values()))
    bottom = np.zeros(len(bars))
    for k, name in enumerate(COMPOSITION):
        heights = np.array([bar[k] for bar in bars])
        right.bar([*parts, "record"], heights, bottom=bottom, label=name)
        bottom += heights
    right.set_ylabel("share of the pool, Saturday at noon")
    right.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _strips(axis: plt.Axes, values: Sequence[pd.Series], names: Sequence[str]) -> None:
    """A dot for each run, a row for each name."""
    rng = np.random.default_rng(1)
    for k, numbers in enumerate(values):
        axis.plot(numbers, k + rng.uniform(-0.25, 0.25, numbers.size), "o", ms=3, alpha=0.5)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.grid(alpha=0.3)


# --- a coin and its sister -----------------------------------------------------------------------

SALE = 5e6
"""Coins that are sold in the study."""
FEE = 0.0035 + 0.003
"""Least spread and the fee of the sister's pool."""


def largest_sale(market: Market) -> float:
    """Largest sale that `death_spiral` should survive, coins: of its start alone, no agent acts.

    What redemption can take before everybody leaves (`protocols.seigniorage.largest_survived`, at
    the least spread), and what the coin's own pool keeps at a price at which no redeemer gains.

    Args:
        market: Of the scenario, not yet run.
    """
    terra: Any = market.protocols["terra"]
    coins, behind = terra.value("coins"), terra.value("backing")
    depth = market.ledger.balance("sister-usdc", "usdc") / coins
    stakes, least = [], []
    for group in ("large", "small"):
        my = {n: np.array(market.cohorts[group].column(n)) for n in ("carry", "horizon", "calm")}
        bears = my["carry"] * my["horizon"] / 365.0 + my["calm"]
        stakes.append(np.array(market.cohorts[group].column("stake")))
        least.append(1.0 - bears / np.array(market.cohorts[group].column("doubt")))
    stake, wanted = np.concatenate(stakes), np.concatenate(least)

    def leaves(backing: float, _gone: float) -> float:
        return float(stake[wanted > backing].sum() / coins)

    # A sixth of all coins, the whale's and the pool's, is nobody's who could leave.
    redeemed = coins * largest_survived(leaves, behind, depth, FEE, end=0.5)
    w = market.world
    pool = w.pools[list(market.pools).index("coin-usdc")]
    kept = amm.amount_to_rate(w.books, pool, 0, 1, (1.0 - FEE - 0.0005) * (1.0 - 0.0004) ** 2)
    return float(redeemed + kept)


def with_derived(frame: pd.DataFrame) -> pd.DataFrame:
    """The study's runs, with `dead` and the sale that is derived for their start, `most`."""
    scenario, most = Scenario.load("death_spiral"), {}
    for covered, carry, seed in {tuple(k) for k in frame[["backing", "carry", "seed"]].to_numpy()}:
        changes = {f"agents.{group}.carry": carry for group in ("large", "small")}
        changes["protocols.terra.covered"] = covered
        market = Market(scenario.override(changes), rng=int(seed))
        most[covered, carry, seed] = largest_sale(market)
        market.close()
    keys = zip(frame["backing"], frame["carry"], frame["seed"], strict=True)
    return frame.assign(dead=frame["price"] < DEAD, most=[most[k] for k in keys])


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """Runs of the map, at the least spread."""
    return frame[frame["pools"] == 100.0]


SPIRAL = {
    "base": "10 million, Terra's pools, as it ships",
    "shut": "control: it is not redeemed",
    "nobody_leaves": "control: others do not look",
}


def _ends(runs: pd.DataFrame) -> list[str]:
    numbers = [said(runs[k], 2) for k in ("low", "price", "backing_left")]
    return [share(runs["dead"]), *numbers]


def spiral(folder: str | Path, controls: str | Path | None = None) -> str:
    """Where it survives, beside what is derived; the spread; the shipped point and its controls.

    Args:
        folder: Of the study `death_spiral`.
        controls: Of the study `death_spiral_controls`.
    """
    frame = with_derived(done(folder))
    rows = []
    for (behind, carry), runs in _whole(frame).groupby(["backing", "carry"]):
        says = runs["most"] < SALE
        rows.append(
            [
                f"{behind:g}",
                f"{carry:.0%}",
                said(runs["most"], 2, 1e-6),
                f"{int(says.sum())}",
                share(runs["dead"]),
                f"{int((says == runs['dead']).sum())}",
            ]
        )
    head = [
        "behind a coin",
        "pays a year",
        "derived: it survives, millions",
        "of these below the sale",
    ]
    head += ["dead", "as derived"]
    points = []
    for pools, runs in frame[frame["pools"] < 100.0].groupby("pools"):
        points.append([f"5 million, {pools:g} times Terra's pools", *_ends(runs)])
    if controls is not None:
        shipped = done(controls)
        shipped = shipped.assign(dead=shipped["price"] < DEAD)
        for variant, name in SPIRAL.items():
            points.append([name, *_ends(shipped[shipped["variant"] == variant])])
    second = ["sale", "dead", "lowest price", "price at the end", "behind a coin at the end"]
    return "\n\n".join([markdown((head, rows)), markdown((second, points))])


def draw_spiral(folder: str | Path, path: Path) -> None:
    """Share of runs in which the coin dies, over backing and yield, and each run's derived sale."""
    frame = _whole(with_derived(done(folder)))
    table = frame.pivot_table(index="carry", columns="backing", values="dead", aggfunc="mean")
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
    left.imshow(table.to_numpy(), origin="lower", cmap="Reds", vmin=0.0, vmax=1.0, aspect="auto")
    below = frame.assign(says=frame["most"] < SALE)
    derived = below.pivot_table(index="carry", columns="backing", values="says", aggfunc="mean")
    for (i, j), value in np.ndenumerate(table.to_numpy()):
        text = f"{value:.0%} dead\n{derived.to_numpy()[i, j]:.0%} derived"
        text = text if np.isfinite(value) else "not run"
        left.text(j, i, text, ha="center", va="center", color="white" if value > 0.6 else "black")
    left.set_xticks(range(table.shape[1]), [f"{v:g}" for v in table.columns])
    left.set_yticks(range(table.shape[0]), [f"{v:.0%}" for v in table.index])
    left.set_xlabel("behind a coin at the start (dollars)")
    left.set_ylabel("what holding pays (per year)")
    left.set_title("five million coins are sold", fontsize=10)
    for dead, name in ((False, "survives"), (True, "dies")):
        runs = frame[frame["dead"] == dead]
        right.plot(runs["most"] / 1e6, runs["price"], "o", ms=3, alpha=0.5, label=name)
    right.axvline(SALE / 1e6, color="black", ls="--", lw=1, label="the sale")
    right.set_xlabel("largest sale survived, derived of the start (million coins)")
    right.set_ylabel("price of a coin at the end (dollars)")
    right.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


# --- staked ether that is looped -----------------------------------------------------------------


def _loop_name(key: Any) -> str:
    depth, high, queue = key
    parts = [f"depth {depth:g}"]
    parts.append("no loops" if high < 1.1 else f"loops to {high:g}")
    parts.append(f"{queue:,.0f} a day" if queue else "queue shut")
    return ", ".join(parts)


LOOP = ["depth", "loops", "queue"]


def loop(folder: str | Path) -> str:
    """What a withdrawal does, and its twin."""
    rows = []
    for key, runs in done(folder).groupby(LOOP, sort=False):
        for variant, more in (("base", ""), ("calm", "twin: nobody withdraws")):
            these = runs[runs["variant"] == variant]
            rows.append(
                [
                    more or _loop_name(key),
                    said(these["discount"], 1, 100.0),
                    share(these["discount"] > CASCADE),
                    said(these["liquidated"], 1, 1e-6),
                    said(these["loss"], 1, 1e-6),
                    said(these["rate"], 0, 100.0),
                ]
            )
    head = ["", "greatest discount, %", "above a tenth", "liquidated, millions", "lost, millions"]
    return markdown(([*head, "highest rate, % a year"], rows))


def draw_loop(folder: str | Path, path: Path) -> None:
    """Greatest discounts of all runs."""
    frame = done(folder)
    values, names = [], []
    for key, runs in frame.groupby(LOOP, sort=False):
        for variant, name in (("base", _loop_name(key)), ("calm", "its twin: nobody withdraws")):
            values.append(runs[runs["variant"] == variant]["discount"])
            names.append(name)
    figure, axis = plt.subplots(figsize=(10, 0.5 * len(names) + 0.8), layout="constrained")
    _strips(axis, values, names)
    axis.set_xscale("log")
    axis.axvline(CASCADE, color="black", ls="--", lw=1)
    axis.set_xlabel("greatest discount of staked ether (share)")
    figure.savefig(path, dpi=110)
    plt.close(figure)


# --- manners of liquidation ----------------------------------------------------------------------

MANNERS = {"bonus": "bonus", "dutch": "Dutch", "english": "English"}
SURGE = {"base": "with the surge", "no_surge": "without it"}
TAKEN = {
    "liquidated": ("debt liquidated", 1e-3, 0),
    "bad_debt": ("bad debt", 1e-3, 0),
    "owners": ("owners of vaults, against holding", 1e-3, 0),
    "keepers": ("keepers, against holding", 1e-3, 0),
    "zero": ("won for nothing, % of auctions", 100.0, 1),
    "dilution": ("governance tokens minted, %", 100.0, 2),
}


def auctions(folder: str | Path) -> str:
    """Who pays under each manner, with the surge of gas and without it."""
    frame, texts = done(folder), []
    for variant, title in SURGE.items():
        rows = []
        for measure, (name, scale, digits) in TAKEN.items():
            at = frame[frame["variant"] == variant].groupby("manner")[measure]
            rows.append([name, *(said(at.get_group(m), digits, scale) for m in MANNERS)])
        texts.append(markdown(([title, *MANNERS.values()], rows)))
    return "\n\n".join(texts)


def draw_auctions(folder: str | Path, path: Path) -> None:
    """Bad debt, owners and keepers under each manner, with their intervals."""
    frame = done(folder)
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    for axis, measure in zip(axes, ("bad_debt", "owners", "keepers"), strict=True):
        for k, (variant, title) in enumerate(SURGE.items()):
            at = frame[frame["variant"] == variant].groupby("manner")[measure]
            found = np.array([interval(at.get_group(m).to_numpy()) for m in MANNERS]) / 1e3
            reach = [found[:, 0] - found[:, 1], found[:, 2] - found[:, 0]]
            where = np.arange(len(MANNERS)) + 0.2 * (k - 0.5)
            axis.errorbar(where, found[:, 0], yerr=reach, fmt="o", capsize=3, label=title)
        axis.axhline(0.0, color="grey", lw=0.8)
        axis.set_xticks(range(len(MANNERS)), MANNERS.values())
        axis.set_title(f"{TAKEN[measure][0]} (thousands)", fontsize=10)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


# --- what a finding should not hang on -----------------------------------------------------------

POOL = {"eth": 30_000.0, "lido-share": 45_000.0}
STAKE: dict[str, Any] = {"distribution": "pareto", "scale": 200_000.0, "shape": 1.3, "at_most": 5e6}


def shallower(part: float, high: float = 3.0) -> dict[str, Any]:
    """`staked_loop` with a part of its pool, and loops up to a leverage."""
    return {
        "pools.curve.reserves": {token: part * held for token, held in POOL.items()},
        "agents.providers.stake": STAKE | {k: part * STAKE[k] for k in ("scale", "at_most")},
        "agents.loopers.leverage": {"distribution": "uniform", "low": 1.6, "high": high},
    }


Changes = dict[str, dict[str, Any]]
LOOPS_VARIED: Changes = {
    "a third of the liquidators": {"agents.liquidators.count": 2},
    "no liquidators": {"agents.liquidators.attention": 0.0},
    "loopers look half as often": {
        "agents.loopers.attention": {
            "distribution": "lognormal",
            "median": 0.0015,
            "sigma": 1.0,
            "at_most": 0.2,
        }
    },
    "withdrawals are noticed for ten minutes, not 20": {"agents.lenders.memory": 50.0},
    "withdrawals are noticed for 40 minutes": {"agents.lenders.memory": 200.0},
    "lenders look half as often": {"agents.lenders.attention": 0.002},
    "lenders look twice as often": {"agents.lenders.attention": 0.008},
    "lenders do not mind each other": {"agents.lenders.social": 0.0},
    "oracle of an hour": {"oracles.steth.window": 300},
    "oracle of one block": {"oracles.steth.window": 1},
    "queue of 1,000 a day": {"protocols.lido.capacity": 1_000.0},
    "queue of 3,000 a day": {"protocols.lido.capacity": 3_000.0},
    "a tenth is withdrawn": {"shocks.0.share": 0.1},
}
SPIRAL_VARIED: Changes = {
    "as it ships": {},
    "two redeemers, as much money": {
        "agents.redeemers.count": 2,
        "agents.redeemers.wallet.usdc": 5e6,
    },
    "twenty redeemers, as much money": {
        "agents.redeemers.count": 20,
        "agents.redeemers.wallet.usdc": 5e5,
    },
    "a tenth of the redeemers' money": {"agents.redeemers.wallet.usdc": 2e5},
    "redeemers look every ten minutes": {"agents.redeemers.attention": 0.1},
    "holders look half as often": {
        "agents.large.attention": 0.025,
        "agents.small.attention": 0.005,
    },
    "holders look twice as often": {
        "agents.large.attention": 0.1,
        "agents.small.attention": 0.02,
    },
    "oracle of half an hour": {"oracles.sister.window": 30},
    "sold within two days": {"agents.whale.horizon": 2880},
}
MAKER = "protocols.maker."
DUTCH = {MAKER + "auction": "dutch", MAKER + "collaterals.ether.lot": 1e6}
PROMPT = {"oracles.osm.lag": 0, "oracles.osm.heartbeat": 1}
"""An oracle without the delay of an hour, and published in every block."""
QUICK = {MAKER + "step": 1, MAKER + "tail": 100}
"""A price that falls seven times as fast: from 1.2 to one in 3.6 minutes, not in 25."""
SHALLOW: dict[str, Any] = {
    "venue.assets.eth.points": [
        [0.0, 194.61],
        [2.0, 192.0, 0.75],
        [4.0, 150.0, 6.0],
        [6.0, 145.0, 3.0],
        [12.0, 155.0, 1.5],
    ]
}
"""Half of the fall of `auctions`, in the same time."""
RICH: dict[str, Any] = {
    f"agents.keepers.wallet.{token}": {
        "distribution": "lognormal",
        "median": 10.0 * median,
        "sigma": 1.0,
    }
    for token, median in (("dai", 100_000.0), ("usdc", 50_000.0))
}
CALM_GAS = {"shocks.0.multiple": 1.0}


@cache
def _keepers() -> dict[str, Any]:
    """Those of `black_thursday`, as its file has them."""
    return dict(Scenario.load("black_thursday").to_dict()["agents"]["keepers"])


def newcomers(margin: float) -> dict[str, Any]:
    """Who comes for cheap lots: as many keepers again, with 20 times the dollars, who look rarely.

    Capital that moves slowly (Duffie 2010): it wants more for its trouble than those who are there.

    Args:
        margin: Share of what a lot is worth that they want.
    """
    dollars = {"distribution": "lognormal", "median": 1e6, "sigma": 1.0}
    group = _keepers() | {
        "margin": margin,
        "attention": 0.02,
        "wallet": {"usdc": dollars, "eth": 40.0},
    }
    return {"agents.newcomers": group}


AUCTIONS_VARIED: Changes = {
    "Dutch": DUTCH,
    "Dutch, from a price 5 % above the oracle, not 20": DUTCH | {MAKER + "buf": 1.05},
    "Dutch, falls seven times as fast": DUTCH | QUICK,
    "Dutch, oracle without delay": DUTCH | PROMPT,
    "Dutch, oracle without delay, falls seven times as fast": DUTCH | PROMPT | QUICK,
    "Dutch, lots of 50 ether": DUTCH | {MAKER + "collaterals.ether.lot": 50.0},
    "Dutch, half of the fall": DUTCH | SHALLOW,
    "English": {},
    "English, oracle without delay": PROMPT,
    "English, half of the fall": SHALLOW,
    "Dutch, keepers have ten times the cash": DUTCH | RICH,
    "English, keepers have ten times the cash": RICH,
    "English, keepers do not ration": {"agents.keepers.rations": 0.0},
    "English, keepers send 3 bids at once, not 16": {"agents.keepers.most": 3.0},
    "English, Maker's own program alone starts them": {"agents.starters.count": 1},
    "English, without the surge": CALM_GAS,
    "English, without the surge, half of the fall": CALM_GAS | SHALLOW,
    "English, without the surge, keepers have ten times the cash": CALM_GAS | RICH,
    "English, others come for a tenth": newcomers(0.1),
    "English, others come for a third": newcomers(1.0 / 3.0),
    "English, without the surge, others come for a tenth": CALM_GAS | newcomers(0.1),
    "English, without the surge, others come for a third": CALM_GAS | newcomers(1.0 / 3.0),
    "Dutch, others come for a third": DUTCH | newcomers(1.0 / 3.0),
    "English, bids for an hour": {MAKER + "bid_duration": 300, MAKER + "auction_length": 300},
}
BASES: dict[str, dict[str, Any]] = {
    "auctions": DUTCH,
    "staked_loop": {"blocks": 1500, **shallower(0.7)},
    "death_spiral": {"agents.whale.whole": 1e7},
}
"""Where one thing at a time is changed, if not as it ships."""
VARIED: dict[str, Changes] = {
    "auctions": AUCTIONS_VARIED,
    "bank_holiday": {
        "as it ships": {},
        "half as many buyers, as much money": {
            "agents.desks.count": 2,
            "agents.desks.wallet.usdt": 2e6,
        },
        "three times as many, as much money": {
            "agents.desks.count": 12,
            "agents.desks.wallet.usdt": 1e6 / 3.0,
        },
        "a tenth of the buyers' money": {"agents.desks.wallet.usdt": 1e5},
        "holders look half as often": {
            "agents.large.attention": 0.025,
            "agents.small.attention": 0.005,
        },
        "holders look twice as often": {
            "agents.large.attention": 0.1,
            "agents.small.attention": 0.02,
        },
        "buyers ask twice as much for the wait": {
            "agents.desks.required": {"distribution": "uniform", "low": 0.4, "high": 2.0}
        },
        "buyers and holders doubt half as much": {
            f"agents.{group}.doubt": {"distribution": "uniform", "low": 0.1, "high": 0.5}
            for group in ("large", "small", "desks")
        },
        "a pool twice as deep": {
            "pools.three.reserves": dict.fromkeys(("maker-coin", "circle-coin", "usdt"), 330_000.0)
        },
    },
    "staked_loop": {
        f"depth {part:g}, loops to {high:g}": {"blocks": 1500, **shallower(part, high)}
        for high in (2.2, 2.6, 3.0)
        for part in (0.5, 0.7, 0.85, 1.0)
    }
    | {
        "depth 0.7, " + name: {**BASES["staked_loop"], **changes}
        for name, changes in LOOPS_VARIED.items()
    },
    "death_spiral": {
        name: {**BASES["death_spiral"], **changes} for name, changes in SPIRAL_VARIED.items()
    },
    "debt_deflation": {
        "as it ships": {},
        "four times as many arbitrageurs": {"agents.arbitrageurs.count": 24},
        "two keepers, as much money": {
            "agents.keepers.count": 2,
            "agents.keepers.wallet.usdc": 800_000.0,
            "agents.keepers.wallet.maker-coin": 200_000.0,
        },
        "auctions fall to three fifths, not two": {"protocols.maker.cusp": 0.6},
        "auctions fall to a fifth": {"protocols.maker.cusp": 0.2},
        "vaults need 1.3 times their debt, not 1.5": {
            "protocols.maker.collaterals.ether.ratio": 1.3
        },
        "holders have ten times the coins": {
            "agents.portfolios.wallet.maker-coin": {
                "distribution": "lognormal",
                "median": 200_000.0,
                "sigma": 0.8,
            }
        },
    },
}
GOVERNED: Changes = {
    "as it ships": {},
    "owners do not mind what debt costs": {"agents.owners.cost_response": 0.0},
    "owners mind it half as much": {"agents.owners.cost_response": 1.8},
    "owners mind it twice as much": {"agents.owners.cost_response": 7.2},
    "they expect it at one in a month": {"agents.owners.horizon": 30.0},
    "they expect it at one in a year": {"agents.owners.horizon": 365.0},
    "a pool of half the size": {
        "pools.coin-usdc.reserves": dict.fromkeys(("maker-coin", "usdc"), 2_500_000.0)
    },
    "a pool of twice the size": {
        "pools.coin-usdc.reserves": dict.fromkeys(("maker-coin", "usdc"), 10_000_000.0)
    },
    "nobody rebalances": {"agents.portfolios.attention": 0.0},
    "four times the arbitrageurs": {"agents.arbitrageurs.count": 24},
    "owners look twice as often": {
        "agents.owners.attention": {
            "distribution": "lognormal",
            "median": 0.006,
            "sigma": 1.0,
            "at_most": 0.2,
        }
    },
    "votes bear one per cent": {"agents.voters.band": 0.01},
    "votes look at the mean of a day": {"agents.voters.memory": 144.0},
    "ether does not move": {"venue.assets.eth.process": "constant"},
}
VARIED["governed_peg"] = GOVERNED | {
    f"{name}, nobody votes": changes | {"agents.voters.step": 0.0}
    for name, changes in GOVERNED.items()
    if not name.startswith("votes")
}
OUTCOMES: Mapping[str, Mapping[str, Callable[[pd.DataFrame], float]]] = {
    "auctions": {
        "liquidated, millions": lambda f: float(f["protocol.maker.liquidated"].iloc[-1]) / 1e6,
        "bad debt, % of it": lambda f: float(
            100.0 * f["protocol.maker.bad_debt"].iloc[-1] / f["protocol.maker.liquidated"].iloc[-1]
        ),
        "won for nothing, %": lambda f: 100.0 * float(f["protocol.maker.zero_bid_share"].iloc[-1]),
        "highest price of dai": lambda f: float(f["venue.dai.price"].max()),
    },
    "bank_holiday": {
        "lowest price": lambda f: float(f["protocol.circle.price"].min()),
        "Sunday morning": lambda f: float(f["protocol.circle.price"].iloc[250]),
        "third coin, least": lambda f: float(f["pool.three.usdt.share"].min()),
    },
    "staked_loop": {
        "greatest discount": lambda f: float(f["protocol.lido.discount"].max()),
        "liquidated, millions": lambda f: float(f["lending.bank.liquidated"].iloc[-1]) / 1e6,
    },
    "debt_deflation": {
        "highest price": lambda f: float(f["pool.coin-usdc.price"].max()),
        "debt gone, millions": lambda f: float(
            (f["protocol.maker.debt"].iloc[0] - f["protocol.maker.debt"].iloc[-1]) / 1e6
        ),
        "liquidated, millions": lambda f: float(f["protocol.maker.liquidated"].iloc[-1]) / 1e6,
    },
    "governed_peg": {
        "distance from one, %": lambda f: (
            100.0 * float(np.sqrt(((f["pool.coin-usdc.price"] - 1.0) ** 2).mean()))
        ),
        "lowest price": lambda f: float(f["pool.coin-usdc.price"].min()),
        "highest fee, %": lambda f: 100.0 * float(f["protocol.maker.fee.ether"].max()),
    },
    "death_spiral": {
        "price at the end": lambda f: float(f["protocol.terra.price"].iloc[-1]),
        "behind a coin": lambda f: float(f["protocol.terra.backing"].iloc[-1]),
    },
}


def ships(what: str) -> Scenario:
    """What is varied: a shipped scenario, or that of a shipped study."""
    return Scenario.load(what) if what in Scenario.names() else Study.load(what).base


def varied(what: str, seeds: int) -> str:
    """Runs with one thing changed at a time: mean outcome and its range over seeds.

    Args:
        what: Name of the scenario, or of the study.
        seeds: How many, from 1 on.
    """
    rows = []
    shipped = ships(what).override({"measures.receipts": "none"})
    setups = {name: shipped.override(changes) for name, changes in VARIED[what].items()}
    base = shipped.override(BASES.get(what, {}))
    for words, part in (("half", 0.5), ("twice", 2.0)):
        setups[f"blocks of {words} the time"] = base.at_block_time(part * base.block.seconds)
    for name, scenario in setups.items():
        found = []
        for seed in range(1, seeds + 1):
            market = Market(scenario, rng=seed)
            market.run()
            frame = market.datacollector.get_model_vars_dataframe()
            found.append([reads(frame) for reads in OUTCOMES[what].values()])
            market.close()
        cells = np.array(found).T
        rows.append([name, *(f"{c.mean():.3f} ({c.min():.3f} to {c.max():.3f})" for c in cells)])
        print(rows[-1], flush=True)
    return markdown((["", *OUTCOMES[what]], rows))


PAGES: Mapping[str, tuple[Callable[..., str], Callable[..., None]]] = {
    "bank_holiday": (holiday, draw_holiday),
    "death_spiral": (spiral, draw_spiral),
    "staked_loop": (loop, draw_loop),
    "auctions": (auctions, draw_auctions),
}


def main() -> None:
    """Print the tables and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=sorted(PAGES.keys() | VARIED.keys()))
    parser.add_argument("folder", nargs="?", help="of the study's results")
    parser.add_argument("--controls", help="of the study death_spiral_controls")
    parser.add_argument("--varied", type=int, help="seeds of runs with one thing changed")
    parser.add_argument("--picture", help="default: docs/WHAT.png")
    options = parser.parse_args()
    if options.varied:
        print(varied(options.what, options.varied))
    if options.folder:
        tables, draw = PAGES[options.what]
        more = (options.controls,) if options.controls else ()
        print(tables(options.folder, *more))
        draw(options.folder, Path(options.picture or f"docs/{options.what}.png"))


if __name__ == "__main__":
    main()
