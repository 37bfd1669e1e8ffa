"""The figures of a run that people ask for first, and how a person reads them."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from protocols.cascade import GENERATIONS, Generations
from sim import Market
from sim.codes import Reason
from sim.compiled import sources_hash
from sim.losses import TOTAL
from sim.named import html_table
from sim.shown import Reduced, in_order_of_summary, money, number


def versions(
    packages: Iterable[str] = ("undertow", "mesa", "numpy", "numba", "pandas"),
) -> dict[str, str]:
    """Versions of Python and of what made a result."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a checkout that is not installed
            found[name] = "not installed"
    return found


class Summary(dict[str, Any]):
    """Figures of a run by name; printed, they are a line each."""

    def __repr__(self) -> str:
        rows = summary_rows(self)
        width = max(len(what) for what, _ in rows)
        return "\n".join(f"{what:<{width}}  {text}" for what, text in rows)

    def _repr_html_(self) -> str:
        return html_table(str(self["title"]), summary_rows(self))


def gas_peak(frame: pd.DataFrame) -> pd.Series:
    """Whether each row is in the gas peak: above half of the highest hourly median.

    Args:
        frame: Measures, with ``gas.mean``.

    Returns:
        bool per row; all False where gas never rose to twice its first level.
    """
    every = max(int(frame["block"].diff().median()), 1) if len(frame) > 1 else 1
    smooth = frame["gas.mean"].rolling(max(300 // every, 1), min_periods=1, center=True).median()
    if not smooth.max() > 2.0 * smooth.iloc[0]:
        return pd.Series(False, index=frame.index)
    return smooth > 0.5 * smooth.max()


def first_chance(market: Market, frame: pd.DataFrame) -> dict[str, float]:
    """Share of liquidations made in the block in which they first were possible.

    Returns:
        Shares overall, before the gas peak and during it; NaN where there were none.
    """
    r = market.receipt_book.records()
    done = r[(r["possible"] >= 0) & (r["status"] == Reason.DONE)]
    at_once = done["possible"] == 0
    found = {"all": _mean(at_once)}
    if "gas.mean" in frame and len(frame):
        peak = frame.loc[gas_peak(frame), "block"]
        first, last = (peak.min(), peak.max()) if len(peak) else (math.inf, math.inf)
        found["before_gas_peak"] = _mean(at_once[done["block"] < first])
        inside = (done["block"] >= first) & (done["block"] <= last)
        found["during_gas_peak"] = _mean(at_once[inside])
    return found


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else math.nan


def measured(market: Market) -> pd.DataFrame:
    """All rows of measures; of a run too short for one, that of its last block."""
    if not len(market.datacollector.table):
        market.datacollector.collect(market)
    return market.datacollector.get_model_vars_dataframe()


def summarise(
    market: Market, seconds: float | None = None, moments: Sequence[Mapping[str, Any]] = ()
) -> Summary:
    """The figures of a run that people ask for first.

    Args:
        market: After its run.
        seconds: That the run took.
        moments: Networks that were noted on the way (`runs.report.moments.Moments.noted`).

    Returns:
        Plain numbers, texts and dictionaries of them, fit for JSON.
    """
    frame = measured(market)
    summary = Summary()
    summary |= {
        "title": market.setup.title,
        "rng": market.seed_number,
        "blocks": market.block,
        "agents": len(market.agents),
        "start": market.setup.time_of(0).isoformat(),
        "end": market.setup.time_of(market.block).isoformat(),
        "numeraire": market.numeraire,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
        "versions": versions(),
        "sources": sources_hash(),
    }
    summary["groups"] = [*market.cohorts, *market.joined]
    summary["losses"] = against_holding(market)
    summary["defaults"] = failures(market)
    summary["prices"] = _prices(market, frame)
    for shown in in_order_of_summary():
        summary |= _reduced(shown.figures(market), frame)
    if "gas.mean" in frame:
        summary["gas"] = {
            "mean": float(frame["gas.mean"].mean()),
            "highest": _largest(frame, "gas.mean"),
        }
    summary["liquidated_at_first_chance"] = first_chance(market, frame)
    tally = market.world.tally.sum(axis=0)
    summary["transactions"] = {
        reason.name.lower(): int(tally[reason]) for reason in Reason if tally[reason]
    }
    classes = [*market.cohorts, *market.joined, *market.special_accounts]
    summary["loss"] = {c: _last(frame, f"loss.{c}") for c in classes if f"loss.{c}" in frame}
    summary["result"] = {c: _last(frame, f"result.{c}") for c in classes if f"result.{c}" in frame}
    summary["generations"] = generations(market)
    summary["exposure"] = nx.node_link_data(market.exposure(), edges="edges")
    summary["moments"] = list(moments)
    return summary


def generations(market: Market) -> dict[str, dict[str, float]]:
    """Liquidations by lending markets and debt repaid (numeraire, prices now), by generation."""
    lag = max((oracle.lag for oracle in market.setup.oracles.values()), default=0)
    found = Generations(lag)
    names = market.ledger.tokens
    worth = cache(lambda column: market.price(names[column]))
    found.take(market.receipt_book.records(), worth)
    rows = zip(GENERATIONS, found.count, found.value, strict=True)
    return {name: {"count": int(count), "value": float(value)} for name, count, value in rows}


def against_holding(market: Market) -> dict[str, dict[str, float]]:
    """Result against holding of each group of agents and special account, and what made it.

    The parts are there where the run kept an account of them (``measures.losses = true``).
    """
    frame = market.losses().set_index("entity").drop(columns="kind")
    classes = [*market.cohorts, *market.joined, *market.special_accounts]
    found = frame.loc[classes].dropna(axis=1)
    rows = found.to_dict("index").items()
    return {str(name): {str(k): float(v) for k, v in row.items()} for name, row in rows}


MOST_DEFAULTS = 50
"""Accounts that failed of which a summary tells one by one."""


def failures(market: Market) -> dict[str, Any]:
    """Accounts that failed: how many, what they owed and paid, and the first of them."""
    frame = market.defaults()
    return {
        "count": len(frame),
        "owed": float(frame["owed"].sum()),
        "recovered": float(frame["recovered"].sum()),
        "first": [
            {key: value if isinstance(value, str) else _plain(value) for key, value in row.items()}
            for row in frame.head(MOST_DEFAULTS).to_dict("records")
        ],
    }


def _plain(value: Any) -> int | float:
    """A number of NumPy's as JSON takes it."""
    return float(value) if isinstance(value, float) else int(value)


def _prices(market: Market, frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Where prices outside began, how far they went, and when they were lowest."""
    prices = {}
    for name in market.venue.names:
        column = frame.get(f"venue.{name}.price")
        if column is not None and not column.isna().all():
            low = int(np.nanargmin(column.to_numpy()))
            prices[name] = {
                "first": float(column.iloc[0]),
                "low": float(column.iloc[low]),
                "low_at": market.setup.time_of(int(frame["block"].iloc[low])).isoformat(),
                "high": float(column.max()),
                "last": float(column.iloc[-1]),
            }
    return prices


def _reduced(figures: Any, frame: pd.DataFrame) -> Any:
    """Figures with what is to be taken of measures taken."""
    if isinstance(figures, Reduced):
        return _REDUCTIONS[figures.reduction](frame, figures.measure)
    if isinstance(figures, Mapping):
        return {name: _reduced(figure, frame) for name, figure in figures.items()}
    return figures


def _largest(frame: pd.DataFrame, name: str) -> float:
    """The value that is furthest from zero, with its sign."""
    if name not in frame or frame[name].isna().all():
        return math.nan
    values = frame[name].to_numpy()
    return float(values[np.nanargmax(np.abs(values))])


def _least(frame: pd.DataFrame, name: str) -> float:
    return float(frame[name].min()) if name in frame else math.nan


def _last(frame: pd.DataFrame, name: str) -> float:
    return float(frame[name].iloc[-1]) if name in frame and len(frame) else math.nan


_REDUCTIONS = {"largest": _largest, "least": _least, "last": _last}


def loss_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What groups have gained or lost against holding, and the greatest parts of it."""
    groups = [c for c in summary["losses"] if c in summary["groups"]]
    rows, still = [], []
    for name in groups:
        parts = dict(summary["losses"][name])
        total = parts.pop(TOTAL)
        if total == 0.0 and not any(parts.values()):
            still.append(name)
            continue
        text = f"{money(total)} {summary['numeraire']}"
        size = sum(abs(value) for value in parts.values())
        told = [
            f"{c.replace('_', ' ')} {money(v)}" for c, v in parts.items() if abs(v) > 1e-6 * size
        ]
        text += " against holding"
        rows.append((f"Result of {name}", f"{text} ({', '.join(told)})" if told else text))
    if still:
        rows.append(
            ("Zero result", f"0 {summary['numeraire']} against holding: {', '.join(still)}")
        )
    return rows


def _chance_rows(chance: Mapping[str, float | None]) -> list[tuple[str, str]]:
    """How many liquidations were made in the first block in which they could be."""
    known = {k: v for k, v in chance.items() if v is not None and v == v}
    if "all" not in known:
        return []
    text = f"{100 * known['all']:.0f} % of liquidations came in the first possible block"
    parts = [
        f"{100 * known[key]:.0f} % {when} the gas peak"
        for key, when in (("before_gas_peak", "before"), ("during_gas_peak", "during"))
        if key in known
    ]
    return [("Liquidators' speed", text + (f" ({', '.join(parts)})" if parts else ""))]


def summary_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The summary as (what, value) rows, for a terminal and for the page."""
    unit = summary["numeraire"]
    rows = [
        ("Scenario", f"{summary['title']} (seed {summary['rng']})"),
        ("Size", f"{summary['blocks']:,} blocks, {summary['agents']:,} agents"),
    ]
    if (summary.get("seconds") or math.nan) > 0.0:
        rate = summary["blocks"] / summary["seconds"]
        rows.append(("Run time", f"{summary['seconds']:.1f} s, {rate:,.0f} blocks per second"))
    rows += loss_rows(summary)
    for name, p in summary["prices"].items():
        low_at = p["low_at"][:16].replace("T", " ")
        text = (
            f"{number(p['first'])} → {number(p['last'])}, low {number(p['low'])} ({low_at} UTC), "
            f"high {number(p['high'])}"
        )
        rows.append((f"Price of {name} ({unit})", text))
    for shown in in_order_of_summary():
        rows += shown.rows(summary)
    failed = summary.get("defaults", {})
    if failed.get("count"):
        text = f"{failed['count']:,} accounts owed {money(failed['owed'])} {unit}"
        rows.append(("Defaults", f"{text}, {money(failed['recovered'])} recovered"))
    rows += _chance_rows(summary["liquidated_at_first_chance"])
    gas = summary.get("gas", {})
    if gas.get("highest"):
        mean, highest = gas["mean"], gas["highest"]
        rows.append(("Gas price", f"mean {mean:.3g} gwei, highest {highest:.3g} gwei"))
    done = summary["transactions"]
    free = ("dropped", "replaced")  # which cost nothing
    reverted = {k: v for k, v in done.items() if k not in ("done", *free)}
    failed = ", ".join(f"{k.replace('_', ' ')} {v:,}" for k, v in reverted.items())
    text = f"{done.get('done', 0):,} done" + (f"; reverted: {failed}" if failed else "")
    text += "".join(f"; {k}: {done[k]:,}" for k in free if k in done)
    rows.append(("Transactions", text))
    return rows


def with_nan(value: Any) -> Any:
    """What was no number, and so null in JSON, as the number that is none."""
    if isinstance(value, dict):
        return {k: with_nan(v) for k, v in value.items()}
    if isinstance(value, list):
        return [with_nan(v) for v in value]
    return math.nan if value is None else value
