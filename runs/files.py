"""What a run leaves behind: its files, each written whole, together or not at all."""

from __future__ import annotations

import errno
import json
import math
import os
import platform
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from runs.summary import measured, versions
from sim import Market, Scenario
from sim.compiled import sources_hash
from sim.errors import ScenarioError, shortened
from sim.prices import load_prices

BLOCKS, RECEIPTS, SUMMARY = "blocks.parquet", "receipts.parquet", "summary.json"
SCENARIO, REPORT, PRICES = "scenario.toml", "report.html", "prices.parquet"
UNITS = b"undertow.units"
"""Where `BLOCKS` says the unit of each measure."""


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
        A folder in it for the files, which are moved to their places at the end, those in folders
        within it too.

    Raises:
        OSError: If the folder cannot be written.
    """
    made = _make(out)
    try:
        with tempfile.TemporaryDirectory(dir=out, prefix=".undertow.") as name:
            yield Path(name)
            for file in sorted(path for path in Path(name).rglob("*") if path.is_file()):
                place = out / file.relative_to(name)
                place.parent.mkdir(exist_ok=True)
                os.replace(file, place)
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
    table = pa.Table.from_pandas(measured(market), preserve_index=False)
    told = {UNITS: json.dumps(market.datacollector.units).encode()}
    table = table.replace_schema_metadata((table.schema.metadata or {}) | told)
    write_whole(out / BLOCKS, lambda path: pq.write_table(table, path))
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
