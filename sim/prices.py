"""Recorded prices, read so that a block can replay them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.arrays import exp, log
from sim.distribution import LEAST, MOST
from sim.errors import PriceFileError, did_you_mean, shortened, shown
from sim.reading import is_file

FIRST, LAST = pd.Timestamp("1900-01-01", tz="UTC"), pd.Timestamp("2200-01-01", tz="UTC")
"""Of the times in a file: what lies beyond is a slip, and soon no time at all."""
_BAR = ("open", "high", "low", "close")


def read_prices(
    path: str | Path, symbols: Mapping[str, str], start: datetime, blocks: int, seconds: float
) -> dict[str, npt.NDArray[np.float64]]:
    """Read the prices of some assets at every block's boundary.

    A file has the columns ``ts`` (ISO 8601, or seconds or milliseconds since 1970;
    UTC; of a bar its open), ``symbol``, and ``close`` or ``price``. With ``open``,
    ``high`` and ``low`` as well, the path inside a bar runs through both extremes,
    the one against the bar's direction first; without, it is log-linear from close
    to close, each close at the end of its bar. A ``price`` holds at its own time.

    Args:
        path: CSV or Parquet.
        symbols: Symbol in the file of each asset.
        start: Time of block 0 (UTC).
        blocks: How many.
        seconds: Between two.

    Returns:
        For each asset float64[blocks + 1], numeraire per unit.

    Raises:
        PriceFileError: If the file cannot be replayed over that window.
    """
    file = Path(path)
    table = load_prices(file)
    times = _times(file, table)
    grid = start.timestamp() + seconds * np.arange(blocks + 1, dtype=np.float64)
    found = {}
    there = sorted(set(table["symbol"]))
    for asset, symbol in symbols.items():
        rows = np.flatnonzero((table["symbol"] == symbol).to_numpy())
        if rows.size == 0:
            text = f"no symbol {symbol!r} for {asset}; {did_you_mean(symbol, there)}"
            raise PriceFileError([(file.name, text)])
        mine = table.iloc[rows]
        found[asset] = _path(file, mine, times[rows], rows, symbol, np.asarray(grid))
    return found


def load_prices(file: Path) -> pd.DataFrame:
    """The columns of a file of recorded prices that are read, symbols as text.

    Raises:
        PriceFileError: If it cannot be read, or lacks one.
    """
    if not is_file(file):
        raise PriceFileError([(file.name, f"there is no file {file}; give a CSV or Parquet file")])
    try:
        parquet = file.suffix.lower() in (".parquet", ".pq")
        # In one piece: in several, a column of numbers and texts gets a type in each.
        table = pd.read_parquet(file) if parquet else pd.read_csv(file, low_memory=False)
    except MemoryError:
        raise
    except Exception as error:  # pandas and pyarrow raise a dozen kinds
        what = (str(error).splitlines() or [""])[0]
        text = f"cannot be read as CSV or Parquet ({type(error).__name__}: {what})"
        raise PriceFileError([(file.name, f"{text}; give another file")]) from error
    table.columns = [str(name) for name in table.columns]
    missing = [c for c in ("ts", "symbol") if c not in table]
    if "close" not in table and "price" not in table:
        missing.append("close (or price)")
    if missing:
        text = f"lacks {', '.join(missing)}; it has {', '.join(table.columns)}"
        raise PriceFileError([(file.name, f"{text}; rename or add columns")])
    table = table[[name for name in table.columns if name in ("ts", "symbol", *_BAR, "price")]]
    if twice := sorted(table.columns[table.columns.duplicated()]):
        text = f"has several columns called {twice[0]}; take all but one out"
        raise PriceFileError([(file.name, text)])
    if table.empty:
        raise PriceFileError([(file.name, "holds no rows; give a file that does")])
    return table.assign(symbol=table["symbol"].map(str).astype(object))


def _row(file: Path, index: int) -> str:
    return f"{file.name} row {index + 2}"  # as an editor counts, under a header


def _times(file: Path, table: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Seconds since 1970 of every row."""
    ts = table["ts"]
    if pd.api.types.is_numeric_dtype(ts) and not pd.api.types.is_bool_dtype(ts):
        seconds = ts.to_numpy(dtype=float, na_value=np.nan)
        finite = np.abs(seconds[np.isfinite(seconds)])
        if finite.size and finite.max() > 1e11:  # after the year 5000: milliseconds
            seconds = seconds / 1000.0
    else:
        try:
            parsed = pd.to_datetime(ts, utc=True, errors="coerce", format="ISO8601")
            # What lies beyond the calendar of nanoseconds cannot be subtracted from.
            parsed = parsed.where((parsed >= FIRST) & (parsed <= LAST))
        except (TypeError, ValueError, OverflowError) as error:
            text = f"ts are no times ({error}); give ISO 8601 or seconds since 1970, UTC"
            raise PriceFileError([(file.name, text)]) from None
        since = (parsed - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
        seconds = since.to_numpy(dtype=float)
    with np.errstate(invalid="ignore"):
        good = (seconds >= FIRST.timestamp()) & (seconds <= LAST.timestamp())
    bad = np.flatnonzero(~good)
    if bad.size:
        text = (
            f"ts {shown(ts.iloc[bad[0]])} is not a time between {FIRST.year} and {LAST.year}; "
            "give ISO 8601 or seconds since 1970, UTC"
        )
        raise PriceFileError([(_row(file, int(bad[0])), text)])
    return seconds


def _path(
    file: Path,
    table: pd.DataFrame,
    times: npt.NDArray[np.float64],
    rows: npt.NDArray[np.intp],
    symbol: str,
    grid: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Prices of one symbol at the times of the grid."""
    step = np.diff(times)
    wrong = np.flatnonzero(step <= 0.0)
    if wrong.size:
        i = int(wrong[0]) + 1
        what = "repeats" if step[i - 1] == 0.0 else "is before"
        text = f"{symbol}: {_iso(times[i])} {what} {_iso(times[i - 1])}; sort by ts, one row a time"
        raise PriceFileError([(_row(file, int(rows[i])), text)])
    names = [c for c in (*_BAR, "price") if c in table]
    values = np.column_stack([_numbers(table[name]) for name in names])
    bad = np.argwhere(~(np.isfinite(values) & (values >= LEAST) & (values <= MOST)))
    if bad.size:
        i, j = (int(n) for n in bad[0])
        given = shortened(str(table[names[j]].iloc[i]))
        text = f"{symbol}: {names[j]} is {given}; give a number above 0, or take the row out"
        raise PriceFileError([(_row(file, int(rows[i])), text)])
    if {"high", "low"} <= set(names):
        upside_down = np.flatnonzero(values[:, names.index("high")] < values[:, names.index("low")])
        if upside_down.size:
            text = f"{symbol}: high is below low; swap the columns, or take the row out"
            raise PriceFileError([(_row(file, int(rows[upside_down[0]])), text)])
    length = float(np.median(step)) if step.size else 0.0
    bars = "close" in names
    end = times[-1] + (length if bars else 0.0)
    if times[0] > grid[0] or end < grid[-1]:
        text = (
            f"{symbol} covers {_iso(times[0])} to {_iso(end)}, the run needs {_iso(grid[0])} to "
            f"{_iso(grid[-1])}; move start, lower blocks, or give a longer file"
        )
        raise PriceFileError([(file.name, text)])
    inside = (times[1:] > grid[0]) & (times[:-1] < grid[-1])
    gaps = np.flatnonzero(inside & (step > 1.5 * length))
    if gaps.size:
        i = int(gaps[0])
        text = (
            f"{symbol}: nothing between {_iso(times[i])} and {_iso(times[i + 1])}, where rows are "
            f"{length:g} s apart; fill the gap or choose another window"
        )
        raise PriceFileError([(_row(file, int(rows[i])), text)])
    if not bars:
        return exp(np.interp(grid, times, log(values[:, names.index("price")])))
    # A bar that is followed early ends there, so that times never run backwards.
    lengths = np.minimum(length, np.append(step, length))
    if all(name in names for name in _BAR):
        knots, prices = _through_extremes(times, lengths, values[:, :4])
    else:
        close = values[:, names.index("close")]
        first = values[0, names.index("open")] if "open" in names else close[0]
        knots = np.concatenate(([times[0]], times + lengths))
        prices = np.concatenate(([first], close))
    return exp(np.interp(grid, knots, log(prices)))


def _numbers(column: pd.Series) -> npt.NDArray[np.float64]:
    """A column as numbers, NaN where there is none."""
    try:
        found = pd.to_numeric(column, errors="coerce")
        return found.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError, OverflowError):  # lists, dates
        return np.full(len(column), np.nan)


def _through_extremes(
    times: npt.NDArray[np.float64],
    lengths: npt.NDArray[np.float64],
    bars: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Times and prices of a path through open, both extremes and close of every bar."""
    opens, highs, lows, closes = bars.T
    rising = closes >= opens
    points = np.column_stack(
        [opens, np.where(rising, lows, highs), np.where(rising, highs, lows), closes]
    )
    # The close is put a little before the next open, so that both are seen.
    at = times[:, None] + lengths[:, None] * np.array([0.0, 1.0 / 3.0, 2.0 / 3.0, 0.999])
    return at.ravel(), points.ravel()


def _iso(seconds: float) -> str:
    return pd.Timestamp(seconds, unit="s", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
