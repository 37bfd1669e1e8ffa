"""Results of a run: the summary, and the files that are left behind, each written whole."""

from __future__ import annotations

import errno
import json
import math
import os
import platform
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from sim import Market, Scenario
from sim.codes import Reason
from sim.compiled import sources_hash
from sim.errors import ScenarioError, shortened
from sim.prices import load_prices
from sim.shown import Reduced, in_order_of_summary

BLOCKS, RECEIPTS, SUMMARY = "blocks.parquet", "receipts.parquet", "summary.json"
SCENARIO, REPORT, PRICES = "scenario.toml", "report.html", "prices.parquet"


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and move it there, so that nobody sees half of it.

    Args:
        path: Where.
        write: Writes to the path that it is given.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    beside = Path(name)
    try:
        write(beside)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.chmod(0o644)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def left_whole(out: Path) -> Iterator[Path]:
    """Leave files in a folder together, or none of them.

    Args:
        out: The folder; made if it is not there.

    Yields:
        A folder in it for the files, which are moved to their places at the end.

    Raises:
        OSError: If the folder cannot be written.
    """
    made = _make(out)
    try:
        with tempfile.TemporaryDirectory(dir=out, prefix=".undertow.") as name:
            yield Path(name)
            for file in sorted(Path(name).iterdir()):
                os.replace(file, out / file.name)
    except BaseException:
        _unmake(made)
        raise


def _make(folder: Path) -> list[Path]:
    """Make a folder with those above it; returns those that were made, the deepest first."""
    wanted = [p for p in (folder, *folder.parents) if not p.exists()]
    made: list[Path] = []
    try:
        for path in reversed(wanted):
            path.mkdir(exist_ok=True)
            made.insert(0, path)
    except BaseException:
        _unmake(made)
        raise
    return made


def _unmake(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # something else has come to lie there
            folder.rmdir()


def must_be_writable(out: Path) -> None:
    """Find out whether results can be left where they are wanted, by trying; nothing stays.

    Permissions do not tell: an administrator may do everything, and still cannot write
    where the system is read-only.

    Raises:
        ScenarioError: If they cannot.
    """
    shown_out = shortened(str(out), 200)
    try:
        if out.exists() and not out.is_dir():
            raise ScenarioError([("--out", f"{shown_out} is a file; give a folder")])
        made = _make(out)
        try:
            with tempfile.NamedTemporaryFile(dir=out, prefix=".probe."):
                pass
        finally:
            _unmake(made)
    except (OSError, ValueError) as error:
        if isinstance(error, ScenarioError):
            raise
        if getattr(error, "errno", None) == errno.ENOSPC:
            return  # a full disk is another trouble, told when it is written to
        why = getattr(error, "strerror", None) or str(error)
        text = f"{shown_out} cannot be written ({why}); give another folder"
        raise ScenarioError([("--out", text)]) from None


def _write_text(path: Path, text: str) -> None:
    write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))


@cache
def made_by() -> dict[str, str]:
    """All on which the bits of a result depend, besides the scenario and the seed."""
    sources = {"machine": platform.machine(), "sources": sources_hash()}
    return versions(("undertow", "mesa", "numpy", "numba", "pandas", "pyarrow")) | sources


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


def summarise(market: Market, seconds: float | None = None) -> dict[str, Any]:
    """The figures of a run that people ask for first.

    Args:
        market: After its run.
        seconds: That the run took.

    Returns:
        Plain numbers, texts and dictionaries of them, fit for JSON.
    """
    frame = measured(market)
    summary: dict[str, Any] = {
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
    summary["exposure"] = nx.node_link_data(market.exposure(), edges="edges")
    return summary


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


def to_json(value: Any) -> str:
    """JSON in which what is not a number is null."""

    def clean(v: Any) -> Any:
        if isinstance(v, dict):
            return {str(k): clean(w) for k, w in v.items()}
        if isinstance(v, list | tuple):
            return [clean(w) for w in v]
        if isinstance(v, float | np.floating):
            return float(v) if math.isfinite(v) else None
        return v.item() if isinstance(v, np.generic) else v

    return json.dumps(clean(value), indent=2) + "\n"


def save_run(market: Market, out: Path, summary: dict[str, Any]) -> None:
    """Leave a run's files in a folder.

    Args:
        market: After its run.
        out: The folder; made if it is not there.
        summary: From `summarise`.

    Raises:
        OSError: If the folder cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    frame = measured(market)
    write_whole(out / BLOCKS, lambda path: frame.to_parquet(path, index=False))
    receipts = market.receipts()
    write_whole(out / RECEIPTS, lambda path: receipts.to_parquet(path, index=False))
    _write_text(out / SUMMARY, to_json(summary))
    _write_text(out / SCENARIO, resolved(market, out).to_toml())


def resolved(market: Market, out: Path) -> Scenario:
    """The scenario that reproduces a run, with the recorded prices that it needs beside it."""
    setup = market.setup.override({"rng": market.seed_number})
    if setup.prices is None:
        return setup
    table = _recorded(setup)
    write_whole(out / PRICES, lambda path: table.to_parquet(path, index=False))
    # Relative, so that the folder can be moved; loading puts the folder before it.
    return setup.model_copy(update={"prices": setup.prices.model_copy(update={"file": PRICES})})


def _recorded(setup: Scenario) -> pd.DataFrame:
    """The rows of the price file that a run replays, and some around them."""
    table = load_prices(setup.price_file())
    symbols = {a.symbol for a in setup.venue.assets.values() if a.process == "replay"}
    table = table[table["symbol"].isin(symbols)]
    if pd.api.types.is_numeric_dtype(table["ts"]):
        return table.reset_index(drop=True)
    times = pd.to_datetime(table["ts"], utc=True, format="ISO8601")
    around = pd.Timedelta(days=1)
    first = pd.Timestamp(setup.time_of(0)) - around
    last = pd.Timestamp(setup.time_of(setup.blocks)) + around
    return table[(times >= first) & (times <= last)].reset_index(drop=True)
