"""Controls: is calm calm, and what does each mechanism do? ``python -m runs.dev.controls``.

Writes two tables in Markdown: the calm scenario over common seeds, and `march_2020`
with one mechanism cut at a time, paired seed by seed.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from runs.files import write_whole
from sim import Market, Scenario
from sim.scenario import Switches

KEEP = [
    "venue.*.price",
    "oracle.*.price",
    "pool.*",
    "lending.*",
    "gas.mean",
    "result.*",
    "loss.*",
    "wealth.*",
]


def _market(scenario: Scenario, seed: int) -> Market:
    market = Market(scenario, rng=seed).run()
    market.close()
    return market


def gas_paid(receipts: pd.DataFrame, group: str, setup: Scenario, price: float) -> float:
    """What a group paid for gas, numeraire.

    Args:
        receipts: Of the run.
        group: Whose.
        setup: Of the run; says what of its gas a transaction that fails uses.
        price: Of what gas is paid in.
    """
    heads = receipts[(receipts["cohort"] == group) & (receipts["call"] == 0)]
    used = np.where(heads["status"] == "done", 1.0, setup.block.revert_gas)
    return float((heads["gas"] * heads["gas_price"] * 1e-9 * used).sum() * price)


def calm_figures(seed: int, changes: Mapping[str, Any] | None = None) -> dict[str, float]:
    """Figures of one calm run.

    Args:
        seed: Of the run.
        changes: To the scenario, as `Scenario.override` takes them.

    Returns:
        Shares per week of the pools' value where not said otherwise.
    """
    setup = Scenario.load("calm").override({"measures.keep": KEEP} | dict(changes or {}))
    market = _market(setup, seed)
    frame = market.datacollector.get_model_vars_dataframe()
    price = frame["venue.eth.price"].to_numpy()
    variance = np.diff(np.log(price)) ** 2
    value = np.sum([frame[f"pool.{p}.value"].to_numpy() for p in market.pools], axis=0)
    fees = float(sum(frame[f"pool.{p}.fees"].iloc[-1] for p in market.pools))
    lvr = float((variance / 8.0 * value[:-1]).sum())
    last = frame.iloc[-1]
    lost = float(sum(last[f"pool.{p}.loss_versus_rebalancing"] for p in market.pools))
    returns = sum(
        float(last[f"pool.{p}.provider_return"] * last[f"pool.{p}.value"]) for p in market.pools
    )
    receipts = market.receipts()
    mine = receipts[receipts["cohort"] == "arbitrageurs"]
    swaps = mine[(mine["kind"] == "swap") & (mine["status"] == "done")]
    paid = np.where(swaps["token_in"] == "eth", price.mean(), 1.0) * swaps["amount_in"] * 0.003
    gas = {
        group: gas_paid(receipts, group, setup, price.mean())
        for group in ("arbitrageurs", "traders")
    }
    outside = np.abs(np.concatenate([frame[f"pool.{p}.mispricing"] for p in market.pools]))
    total = float(value.mean())
    return {
        "liquidations": last["lending.bank.liquidations"],
        "bad_debt": last["lending.bank.bad_debt"],
        "beyond_band": float((outside > 0.0045).mean()),
        "fees": fees / total,
        "lvr": lvr / total,
        "lvr_of_trades": lost / total,
        "providers": returns / total,
        "arbitrage": last["result.arbitrageurs"] / total,
        "arbitrage_fees": float(paid.sum()) / total,
        "arbitrage_gas": gas["arbitrageurs"] / total,
        "traders_gas": gas["traders"] / total,
        "traders": last["result.traders"] / total,
        "borrowers": last["result.borrowers"] / last["wealth.borrowers"],
        "lenders": last["result.lenders"] / last["wealth.lenders"],
        "liquidators": last["result.liquidators"] / last["wealth.liquidators"],
    }


CALM_ROWS = (
    ("liquidations", "Liquidations", 1.0, ""),
    ("bad_debt", "Bad debt", 1.0, " $"),
    ("beyond_band", "Pool prices further than 1.5 fees from outside", 100.0, " % of the time"),
    ("fees", "Fees earned by pools", 1e4, " bp of value"),
    ("lvr", "Loss-versus-rebalancing, realised variance / 8", 1e4, " bp of value"),
    ("lvr_of_trades", "Loss-versus-rebalancing, of the pools' trades", 1e4, " bp of value"),
    ("providers", "Providers against holding", 1e4, " bp of value"),
    ("arbitrage", "Arbitrageurs against holding", 1e4, " bp of value"),
    ("arbitrage_fees", "Fees that arbitrageurs paid", 1e4, " bp of value"),
    ("arbitrage_gas", "Gas that arbitrageurs paid", 1e4, " bp of value"),
    ("traders", "Noise traders against holding", 1e4, " bp of value"),
    ("traders_gas", "Gas that noise traders paid", 1e4, " bp of value"),
    ("borrowers", "Borrowers against holding", 1e4, " bp of their wealth"),
    ("lenders", "Lenders against holding", 1e4, " bp of their wealth"),
    ("liquidators", "Liquidators against holding", 1e4, " bp of their wealth"),
)


def calm_table(figures: Sequence[dict[str, float]]) -> str:
    """Means, standard errors and extremes over seeds, as Markdown."""
    frame = pd.DataFrame(figures)
    lines = ["| a week of blocks | mean | s.e. | least | most | |", "|---|---:|---:|---:|---:|---|"]
    for key, label, scale, unit in CALM_ROWS:
        x = frame[key] * scale
        error = x.std(ddof=1) / math.sqrt(len(x)) if len(x) > 1 else math.nan
        numbers = " | ".join(f"{v:.2f}" for v in (x.mean(), error, x.min(), x.max()))
        lines.append(f"| {label} | {numbers} |{unit} |")
    return "\n".join(lines)


def thursday_figures(job: tuple[str, int]) -> dict[str, Any]:
    """Figures of one run of `march_2020` with one mechanism cut ("" cuts none)."""
    cut, seed = job
    changes: dict[str, Any] = {"measures.keep": KEEP, "measures.receipts": "none"}
    if cut:
        changes[f"switches.{cut}"] = False
    market = _market(Scenario.load("march_2020").override(changes), seed)
    frame = market.datacollector.get_model_vars_dataframe()
    bank = market.lending["bank"]
    return {
        "cut": cut,
        "seed": seed,
        "liquidated": bank.liquidated_value,
        "bad_debt": bank.bad_debt,
        "shortfall": frame["lending.bank.shortfall"].max(),
        "low": frame["venue.eth.price"].min(),
        "pool_low": frame["pool.eth-dai.price"].min(),
        "utilisation": frame["lending.bank.dai.utilisation"].max(),
        "dai": frame["venue.dai.price"].max(),
    }


def thursday_table(figures: Sequence[dict[str, Any]]) -> str:
    """What cutting each mechanism changes, paired on common seeds, as Markdown.

    Each cell is the mean change against the same seeds with nothing cut, with its
    standard error; the first line is the uncut mean. Cuts that change nothing are named below.
    """
    frame = pd.DataFrame(figures).set_index(["cut", "seed"])
    base = pd.DataFrame(frame.loc[""])
    columns = (
        ("liquidated", "liquidated, k$", 1e-3, 0),
        ("low", "low of ether, $", 1.0, 2),
        ("pool_low", "low in eth-dai, dai", 1.0, 2),
        ("bad_debt", "bad debt, k$", 1e-3, 1),
        ("shortfall", "largest shortfall, k$", 1e-3, 1),
        ("utilisation", "highest use of dai, %", 100.0, 1),
        ("dai", "high of dai, cents", 100.0, 2),
    )
    lines = ["| cut | " + " | ".join(label for _, label, _, _ in columns) + " |"]
    lines.append("|---|" + "---:|" * len(columns))
    cells = [f"{base[c].mean() * s:.{d}f}" for c, _, s, d in columns]
    lines.append("| nothing | " + " | ".join(cells) + " |")
    idle = []
    for cut in Switches.model_fields:
        if cut not in frame.index.get_level_values("cut"):
            continue
        change = pd.DataFrame(frame.loc[cut]) - base
        if not change.any(axis=None):
            idle.append(f"`{cut}`")
            continue
        cells = []
        for c, _, scale, digits in columns:
            x = change[c].to_numpy() * scale
            error = x.std(ddof=1) / math.sqrt(x.size) if x.size > 1 else math.nan
            cells.append(f"{x.mean():+.{digits}f} ± {error:.{digits}f}")
        lines.append(f"| `{cut}` | " + " | ".join(cells) + " |")
    if idle:
        lines += ["", f"Not a bit is changed by cutting {', '.join(idle)}."]
    return "\n".join(lines)


def main() -> None:
    """Run both studies and write their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="common seeds, from 1")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    jobs = [(cut, seed) for cut in ("", *Switches.model_fields) for seed in seeds]
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        calm = list(pool.map(calm_figures, seeds))
        thursday = []
        for n, figures in enumerate(pool.map(thursday_figures, jobs), start=1):
            thursday.append(figures)
            print(f"\r{n} of {len(jobs)} runs of march_2020", end="", file=sys.stderr)
    print(file=sys.stderr)
    text = (
        f"## Calm, {options.seeds} seeds\n\n{calm_table(calm)}\n\n"
        f"## `march_2020` with one mechanism cut, {options.seeds} common seeds\n\n"
        f"{thursday_table(thursday)}\n"
    )
    print(text)
    if options.out is not None:
        write_whole(options.out, lambda path: path.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
