"""What people have of real markets, understood and written as a market reads it.

Bars of exchanges, prices of data services, events of a concentrated pool, accounts of a lending
market: `understand` says what a file holds, `Understood.write` leaves what a scenario uses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from runs.files import write_whole
from sim import reading
from sim.errors import ScenarioError, shortened, shown
from sim.shown import number

PRICES, EVENTS, ACCOUNTS = "prices", "events", "accounts"
_NAMES: dict[str, tuple[str, ...]] = {
    "ts": ("ts", "time", "timestamp", "date", "datetime", "opentime", "unix", "snappedat", "t"),
    "symbol": ("symbol", "pair", "ticker", "market", "asset", "instrument"),
    "open": ("open", "o", "openprice"),
    "high": ("high", "h", "highprice"),
    "low": ("low", "l", "lowprice"),
    "close": ("close", "c", "closeprice", "last"),
    "price": ("price", "value", "priceusd", "rate"),
    "sqrt": ("sqrtpricex96", "sqrtprice"),
    "event": ("event", "eventname", "name", "type"),
    "amount0": ("amount0",),
    "amount1": ("amount1",),
    "collateral": ("collateral", "collateralvalue", "totalcollateral", "collateralusd"),
    "debt": ("debt", "debtvalue", "totaldebt", "debtusd", "borrowed"),
    "threshold": ("liqthreshold", "liquidationthreshold", "threshold", "lltv"),
}
"""How columns are called, without signs and in small letters."""
_ORDERS = {
    "time, open, high, low, close": (1, 2, 3, 4),
    "time, low, high, open, close": (3, 2, 1, 4),
    "time, open, close, high, low": (1, 3, 4, 2),
}
"""Orders of columns in files without a heading: places of open, high, low, close."""
_UNITS = ((1e17, "nanoseconds"), (1e14, "microseconds"), (1e11, "milliseconds"), (0.0, "seconds"))
_BAR = ("open", "high", "low", "close")
BINS = 10
"""Groups by leverage that accounts are put into."""


@dataclass
class Understood:
    """What a file holds.

    Attributes:
        file: Where it lies.
        kind: PRICES, EVENTS or ACCOUNTS.
        told: (what, text), as `undertow import` prints them.
        table: Prices as a market replays them (ts, symbol, and a bar or a price); of accounts
            collateral and debt; empty: none.
        fragment: Part of a scenario, as TOML; "": none.
        use: How to use what is written; {out} stands for it.
    """

    file: Path
    kind: str
    told: list[tuple[str, str]]
    table: pd.DataFrame
    fragment: str = ""
    use: list[str] = field(default_factory=list)

    def write(self, out: Path) -> list[Path]:
        """Leave what a scenario uses: prices as Parquet or CSV, by the ending, parts as TOML.

        Args:
            out: The file of prices; a part of a scenario lies beside it, as ``.toml``.

        Raises:
            ScenarioError: If it cannot be written, or would be the file that was read.
        """
        made: dict[Path, Callable[[Path], object]] = {}
        if self.kind != ACCOUNTS:
            parquet = out.suffix.lower() in (".parquet", ".pq")
            how = self.table.to_parquet if parquet else self.table.to_csv
            made[out] = partial(how, index=False)
        if self.fragment:
            part = out.with_suffix(".toml")
            made[part] = partial(Path.write_text, data=self.fragment, encoding="utf-8")
        for path, write in made.items():
            if path.exists() and path.samefile(self.file):
                text = "is the file that was read; give another with --out"
                raise ScenarioError([(str(path), text)])
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, write)
            except OSError as error:
                raise ScenarioError([(str(path), f"cannot be written ({error})")]) from None
        return list(made)


def understand(
    file: Path, symbol: str | None = None, seconds: float = 12.0, scale: float = 1.0
) -> Understood:
    """Find out what a file holds.

    Args:
        file: CSV, Parquet or JSON.
        symbol: What its prices are of, where it does not say; default: the file's name.
        seconds: Between two prices that are made of events: a block.
        scale: Numeraire in the unit of what accounts have: the price of ether, where they are told
            in ether.

    Raises:
        ScenarioError: If it is nothing that is known, or contradicts itself; it says where.
    """
    table, heading = _read(file)
    names = _columns(table) if heading else {}
    label = symbol or re.sub(r"\W+", "-", file.stem).strip("-").upper() or "ASSET"
    if {"collateral", "debt"} <= names.keys() and "ts" not in names:
        return _accounts(file, table, names, scale)
    if "sqrt" in names:
        return _events(file, table, names, label, seconds)
    if not heading:
        return _bare(file, table, label)
    return _prices(file, table, names, label)


# Reading


def _problem(file: Path, text: str) -> ScenarioError:
    return ScenarioError([(shortened(file.name, 200), text)])


def _read(file: Path) -> tuple[pd.DataFrame, bool]:
    """A file's table, and whether its columns have names."""
    if not reading.is_file(file):
        raise _problem(file, f"there is no file {file}; give a CSV, Parquet or JSON file")
    try:
        if file.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(file), True
        if file.suffix.lower() == ".json":
            return _from_json(file), True
        first = pd.read_csv(file, header=None, nrows=1, dtype=str).iloc[0]
        heading = not all(_is_number(value) for value in first.dropna().iloc[1:])
        heading |= not (_is_number(first.iloc[0]) or _is_date(first.iloc[0]))
        return pd.read_csv(file, header=0 if heading else None, low_memory=False), heading
    except (ValueError, OSError, KeyError, TypeError, pd.errors.ParserError) as error:
        what = (str(error).splitlines() or [""])[0]
        raise _problem(file, f"cannot be read ({shortened(what, 200)}); give another") from error


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _is_date(value: object) -> bool:
    return bool(re.match(r"\d{4}-\d{2}-\d{2}", str(value)))


def _from_json(file: Path) -> pd.DataFrame:
    """Prices of a data service, ``{"prices": [[ms, price], ...]}``, or a list of rows."""
    content = json.loads(file.read_text(encoding="utf-8"))
    if isinstance(content, dict) and isinstance(content.get("prices"), list):
        return pd.DataFrame(content["prices"], columns=["ts", "price"])
    if isinstance(content, list) and content and isinstance(content[0], list):
        return pd.DataFrame(content, columns=["ts", *_BAR, *range(5, len(content[0]))])
    return pd.DataFrame(content)


def _columns(table: pd.DataFrame) -> dict[str, str]:
    """Names of the columns that are known, by what they are; the first that fits."""
    bare = {re.sub(r"[^a-z0-9]", "", str(name).lower()): str(name) for name in table.columns}
    table.columns = [str(name) for name in table.columns]
    found = {}
    for what, words in _NAMES.items():
        for word in words:
            if word in bare:
                found[what] = bare[word]
                break
    return found


def _clock(file: Path, column: pd.Series) -> tuple[pd.Series, str]:
    """Times in UTC, and how they were written.

    Raises:
        ScenarioError: If one is none.
    """
    values = pd.to_numeric(column, errors="coerce")
    if values.notna().all() and not pd.api.types.is_datetime64_any_dtype(column):
        size = float(values.abs().max())
        per, unit = next((s, name) for s, name in _UNITS if size >= s)
        scale = {1e17: 1e9, 1e14: 1e6, 1e11: 1e3, 0.0: 1.0}[per]
        when = pd.to_datetime((values / scale).round(3), unit="s", utc=True, errors="coerce")
        how = f"{unit} since 1970"
    else:
        written = column.astype(str).str.strip().str.replace(r"\s*UTC$", "", regex=True)
        when = pd.to_datetime(written, utc=True, errors="coerce", format="ISO8601")
        how = "ISO 8601, taken as UTC"
    wrong = np.flatnonzero(when.isna().to_numpy())
    if wrong.size:
        text = (
            f"row {wrong[0] + 1}: {shown(column.iloc[wrong[0]])} is not a time; give ISO 8601 "
            "(2020-03-12T00:00:00Z), or seconds or milliseconds since 1970"
        )
        raise _problem(file, text)
    return when, how


# Prices


def _bare(file: Path, table: pd.DataFrame, label: str) -> Understood:
    """Bars without a heading, in one of the usual orders, which the numbers themselves tell."""
    if table.shape[1] < 5:
        named = table.rename(columns={0: "ts", 1: "price"})
        if table.shape[1] == 2:
            return _prices(file, named, {"ts": "ts", "price": "price"}, label)
        text = (
            f"has {table.shape[1]} columns without a header; add one, such as "
            "ts,open,high,low,close"
        )
        raise _problem(file, text)
    fits = {}
    for told, places in _ORDERS.items():
        bars = table[list(places)].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        o, h, low, c = bars.T
        if np.all((h >= np.maximum(o, c)) & (low <= np.minimum(o, c))):
            fits[told] = bars
    if len(fits) != 1:
        known = "; ".join(_ORDERS)
        how = "none of the usual orders" if not fits else "more than one of the usual orders"
        text = f"its columns fit {how} ({known}); add a header, such as ts,open,high,low,close"
        raise _problem(file, text)
    ((told, bars),) = fits.items()
    named = pd.DataFrame(bars, columns=list(_BAR))
    named.insert(0, "ts", table[0])
    found = _prices(file, named, {name: name for name in named.columns}, label)
    found.told.insert(1, ("columns", f"no header; inferred from the numbers: {told}"))
    return found


def _prices(file: Path, table: pd.DataFrame, names: dict[str, str], label: str) -> Understood:
    """Bars or prices, long or with a column for each asset."""
    if "ts" not in names:
        text = f"has no time column; it has {', '.join(map(str, table.columns[:12]))}"
        raise _problem(file, f"{text}; call one ts")
    when, how = _clock(file, table[names["ts"]])
    bar = [name for name in _BAR if name in names]
    if "close" in names:
        long = table[[names[name] for name in bar]].set_axis(bar, axis=1)
        about = f"{', '.join(bar)} of a bar, timestamped at its start"
    elif "price" in names:
        long = table[[names["price"]]].set_axis(["price"], axis=1)
        about = "price at its time"
    else:
        return _wide(file, table.drop(columns=names["ts"]), when, how)
    of = table[names["symbol"]].map(str) if "symbol" in names else label
    long = long.assign(ts=when, symbol=of)[["ts", "symbol", *long.columns]]
    told = [("file", f"{file.name}: {about}"), ("times", how)]
    if "symbol" not in names:
        told.append(("symbol", f"none in the file; called {label} (--symbol gives another)"))
    return _in_order(file, long, told)


def _wide(file: Path, table: pd.DataFrame, when: pd.Series, how: str) -> Understood:
    """A column of prices for each asset."""
    numbers = table.apply(pd.to_numeric, errors="coerce")
    kept = [str(name) for name in numbers if numbers[name].notna().any()]
    if not kept:
        text = f"has no prices; it has {', '.join(map(str, table.columns[:12]))}"
        raise _problem(file, f"{text}; call a column close, or price")
    parts = [
        pd.DataFrame({"ts": when, "symbol": name, "price": numbers[name]}).dropna() for name in kept
    ]
    told = [("file", f"{file.name}: a column of prices for each of {', '.join(kept)}")]
    return _in_order(file, pd.concat(parts, ignore_index=True), [*told, ("times", how)])


def _in_order(file: Path, long: pd.DataFrame, told: list[tuple[str, str]]) -> Understood:
    """Prices sorted, each row once, with what there is of each symbol."""
    values = [name for name in long.columns if name not in ("ts", "symbol")]
    long[values] = long[values].apply(pd.to_numeric, errors="coerce").astype(np.float64)
    numbers = long[values].to_numpy(np.float64)
    wrong = ~np.all(np.isfinite(numbers) & (numbers > 0.0), axis=1)
    if wrong.any():
        row = long[wrong].iloc[0]
        text = f"{row['symbol']} at {row['ts']:%Y-%m-%dT%H:%M:%SZ} has no price above 0"
        raise _problem(file, f"{text}; correct or remove the row")
    before = len(long)
    backwards = not long.groupby("symbol")["ts"].is_monotonic_increasing.all()
    long = long.drop_duplicates().sort_values(["symbol", "ts"], kind="stable")
    if backwards:
        told.append(("order", "not sorted by time; sorted"))
    if before > len(long):
        told.append(("rows", f"{before - len(long):,} duplicates removed"))
    twice = long[long.duplicated(["symbol", "ts"])]
    if len(twice):
        row = twice.iloc[0]
        text = f"{row['symbol']} has several prices at {row['ts']:%Y-%m-%dT%H:%M:%SZ}; keep one"
        raise _problem(file, text)
    last = values[-1]
    for symbol, rows in long.groupby("symbol", sort=True):
        told += _told(str(symbol), rows, last)
    first = str(long["symbol"].iloc[0])
    mine = long.loc[long["symbol"] == first, "ts"]
    whole = _longest(mine, float(mine.diff().dt.total_seconds().median()))
    long = long.assign(ts=long["ts"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).reset_index(drop=True)
    use = [
        "undertow run SCENARIO --prices {out}",
        f'where the scenario has symbol = "{first}" under the asset, as in [venue.assets.eth], and '
        f"start = {whole.iloc[0]:%Y-%m-%dT%H:%M:%SZ} or later",
    ]
    return Understood(file, PRICES, told, long, use=use)


def _told(symbol: str, rows: pd.DataFrame, last: str) -> list[tuple[str, str]]:
    """What there is of a symbol: how many, from when to when, and what is missing."""
    times = rows["ts"]
    step = times.diff().dropna().dt.total_seconds()
    length = float(step.median()) if len(step) else 0.0
    text = f"{len(rows):,} rows every {number(length)} s, {_span(times)}"
    low, high = rows[last].min(), rows[last].max()
    told = [(symbol, f"{text}; {last} {number(low)} to {number(high)}")]
    gaps = step[step > 1.5 * length]
    if len(gaps):
        at = times.loc[gaps.index[0]]
        begins = at - pd.Timedelta(seconds=float(gaps.iloc[0]))
        whole = _longest(times, length)
        text = f"{len(gaps):,}; the first {begins:%Y-%m-%d %H:%M} to {at:%Y-%m-%d %H:%M} UTC"
        told.append((f"{symbol}: gaps", f"{text}. A run must lie between two: {_span(whole)}"))
    return told


def _longest(times: pd.Series, length: float) -> pd.Series:
    """The longest stretch without a gap."""
    part = (times.diff().dt.total_seconds() > 1.5 * length).cumsum()
    return times[part == part.value_counts().idxmax()]


def _span(times: pd.Series) -> str:
    return f"{times.iloc[0]:%Y-%m-%d %H:%M} to {times.iloc[-1]:%Y-%m-%d %H:%M} UTC"


# Events of a concentrated pool


def _events(
    file: Path, table: pd.DataFrame, names: dict[str, str], label: str, seconds: float
) -> Understood:
    """Swaps of a pool as Uniswap v3 logs them: prices every block, and what trades are like."""
    for what in ("ts", "amount0", "amount1"):
        if what not in names:
            raise _problem(file, f"has events of a pool, but no column {what}; add it")
    when, how = _clock(file, table[names["ts"]])
    kinds = table[names["event"]].astype(str).str.lower() if "event" in names else None
    counts = kinds.value_counts().to_dict() if kinds is not None else {"swap": len(table)}
    swap = np.ones(len(table), bool) if kinds is None else kinds.eq("swap").to_numpy()
    roots = pd.to_numeric(table[names["sqrt"]], errors="coerce").to_numpy(np.float64)[swap]
    paid, got = (
        pd.to_numeric(table[names[n]], errors="coerce").to_numpy(np.float64)[swap]
        for n in ("amount0", "amount1")
    )
    good = np.isfinite(roots) & (roots > 0.0) & np.isfinite(paid) & np.isfinite(got)
    if not good.any():
        raise _problem(file, "has no swap with a price and both amounts; give the pool's log")
    raw = (roots[good] / 2.0**96) ** 2  # least units of token 1 for one of token 0
    price, decimals = _human(raw, paid[good], got[good])
    digits = f"its tokens' digits differ by {abs(decimals)}"
    if decimals == 0:
        digits = "in the pool's own units, without its tokens' digits; amounts in tokens tell them"
    inverted = float(np.median(price)) < 1.0
    price = 1.0 / price if inverted else price
    base, quote = ("1", "0") if inverted else ("0", "1")
    sizes = np.abs(paid if inverted else got)[good]
    clock = when[swap][good]
    series = pd.Series(price, index=pd.DatetimeIndex(clock)).sort_index(kind="stable")
    grid = series.groupby(level=0).last().resample(pd.Timedelta(seconds=seconds)).last().ffill()
    long = pd.DataFrame({"ts": grid.index, "symbol": label, "price": grid.to_numpy()})
    told = [
        ("file", f"{file.name}: events of a pool with sqrtPriceX96: "
         + ", ".join(f"{n:,} {kind}" for kind, n in counts.items())),
        ("times", how),
        ("price", f"token {base} in token {quote}, every {number(seconds)} s; {digits}"),
    ]  # fmt: skip
    found = _in_order(file, long, told)
    blocks = max(len(grid), 1)
    sigma = float(np.log(sizes[sizes > 0.0]).std())
    median = float(np.median(sizes[sizes > 0.0]))
    per_block = int(good.sum()) / blocks
    text = f"{per_block:.3g} a block; median {number(median)} of token {quote}, sigma {sigma:.2f}"
    found.told.append(("swaps", text))
    found.kind = EVENTS
    found.fragment = _traders(file.name, per_block, median, sigma)
    found.use.append("{part} has traders whose swaps are as many and as large")
    return found


def _human(
    raw: npt.NDArray[np.float64], paid: npt.NDArray[np.float64], got: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], int]:
    """Prices of token 0 in token 1 as the amounts count, and the power of ten between the two."""
    both = (paid != 0.0) & (got != 0.0)
    if not both.any():
        return raw, 0
    traded = np.abs(got[both] / paid[both])
    power = round(float(np.median(np.log10(raw[both] / traded))))
    return raw / 10.0**power, power


def _traders(name: str, per_block: float, median: float, sigma: float) -> str:
    count = 200
    return f"""# Of {name}: how many swaps there are, and how large. Paste it into a scenario.

[agents.traders]
kind = "noise_trader"
count = {count}
pools = ["POOL"]                     # the name of your pool
rate = {per_block / count:.6g}       # of each trader a block; {per_block:.4g} a block in all
size = {{ distribution = "lognormal", median = {median:.6g}, sigma = {sigma:.4g} }}  # numeraire
wallet = {{ eth = 100.0, usdc = 250_000.0 }}   # token units by name, enough for those
"""


# Accounts of a lending market


def _accounts(file: Path, table: pd.DataFrame, names: dict[str, str], scale: float) -> Understood:
    """Borrowers of a lending market at one time, as groups of leveraged borrowers."""
    both = [names["collateral"], names["debt"]]
    worth = scale * table[both].apply(pd.to_numeric, errors="coerce")
    worth = worth.set_axis(["collateral", "debt"], axis=1)
    whole = worth.notna().all(axis=1)
    solvent = whole & (worth["collateral"] > worth["debt"]) & (worth["debt"] > 0.0)
    kept = worth[solvent]
    if kept.empty:
        text = "has no account whose collateral exceeds a debt above 0; give value of both"
        raise _problem(file, text)
    equity = kept["collateral"] - kept["debt"]
    leverage = kept["collateral"] / equity
    most = 20.0  # of `agents.LeveragedBorrower`
    steep = int((leverage > most).sum())
    kept, equity, leverage = (
        kept[leverage <= most],
        equity[leverage <= most],
        leverage[leverage <= most],
    )
    told = [
        ("file", f"{file.name}: {len(table):,} accounts of a lending market"),
        ("borrowers", f"{len(kept):,} with a debt that their collateral exceeds"),
        ("values", f"the file's times {scale:g} (--scale), which should be the numeraire"),
        ("collateral", f"{number(kept['collateral'].sum())} in all"),
        ("debt", f"{number(kept['debt'].sum())} in all"),
        ("leverage", f"median {leverage.median():.3g}, a tenth above {leverage.quantile(0.9):.3g}"),
    ]
    bad = int((whole & (worth["collateral"] <= worth["debt"]) & (worth["debt"] > 0.0)).sum())
    if bad or steep:
        text = (
            f"{bad:,} whose debt exceeds their collateral, {steep:,} of a leverage above {most:g}"
        )
        told.append(("left out", text))
    groups = _binned(leverage, equity)
    told.append(("groups", f"{len(groups)}, by leverage"))
    fragment = _borrowers(file.name, groups)
    use = ["{part} has them as groups of leveraged borrowers, to paste into a scenario"]
    return Understood(file, ACCOUNTS, told, kept, fragment, use)


def _binned(leverage: pd.Series, equity: pd.Series) -> list[tuple[pd.Series, pd.Series]]:
    """Accounts in groups of about as many, by leverage, so that both numbers stay together."""
    order = leverage.sort_values(kind="stable").index
    parts = np.array_split(np.asarray(order), min(BINS, len(order)))
    return [(leverage.loc[part], equity.loc[part]) for part in parts]


def _borrowers(name: str, groups: Sequence[tuple[pd.Series, pd.Series]]) -> str:
    """Groups of a scenario, each with the equities of its accounts and their median leverage."""
    text = f"""# Borrowers of {name}: groups by leverage, the equities of each as they were.
# Paste them into a scenario with a lending market, and name it, its tokens and a pool.
"""
    for place, (leverage, equity) in enumerate(groups, start=1):
        values = ", ".join(f"{value:.6g}" for value in equity)
        text += f"""
[agents.borrowers-{place}]
kind = "leveraged_borrower"
count = {len(equity)}
lending = "bank"                     # the name of your lending market
collateral = "eth"
debt = "usdc"
pools = ["eth-usdc"]
leverage = {{ distribution = "uniform", low = {leverage.min():.6g}, high = {leverage.max():.6g} }}
equity = {{ distribution = "choice", values = [{values}] }}
wallet = {{ eth = 1.0 }}              # for gas
"""
    return text


def told_lines(found: Understood, out: Path, written: Sequence[Path]) -> list[tuple[str, str]]:
    """What `undertow import` prints: what was understood, what was written, how to use it."""
    lines: list[tuple[str, Any]] = list(found.told)
    lines += [("written", str(path)) for path in written]
    part = out.with_suffix(".toml")
    lines += [("use", line.format(out=out, part=part)) for line in found.use]
    return lines
