"""Recorded prices, good and bad."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.errors import PriceFileError
from sim.prices import load_prices, read_prices

START = datetime(2020, 3, 12, tzinfo=UTC)


def frame(n: int = 13, **columns: object) -> pd.DataFrame:
    ts = pd.date_range(START, periods=n, freq="5min").strftime("%Y-%m-%dT%H:%M:%SZ")
    close = 100.0 + np.arange(n)
    return pd.DataFrame({"ts": ts, "symbol": "ETH", "close": close} | columns)


def read(table: pd.DataFrame, folder: Path, blocks: int = 300, name: str = "p.csv") -> np.ndarray:
    file = folder / name
    if name.endswith("csv"):
        table.to_csv(file, index=False)
    else:
        table.to_parquet(file, index=False)
    return read_prices(file, {"eth": "ETH"}, START, blocks, 12.0)["eth"]


def test_a_close_belongs_to_the_end_of_its_bar(tmp_path: Path) -> None:
    path = read(frame(), tmp_path)
    assert path.shape == (301,)
    assert path[25] == pytest.approx(100.0)
    assert path[50] == pytest.approx(101.0)
    assert path[37] == pytest.approx(100.0 * 1.01 ** (12 / 25), rel=1e-12)


def test_a_price_holds_at_its_own_time(tmp_path: Path) -> None:
    table = frame().rename(columns={"close": "price"})
    assert read(table, tmp_path)[25] == pytest.approx(101.0)


def test_bars_run_through_both_extremes(tmp_path: Path) -> None:
    table = frame(open=100.0, high=130.0, low=90.0).assign(close=105.0)
    path = read(table, tmp_path)
    assert path.max() > 128.0
    assert path.min() < 91.5
    assert np.argmin(path[:25]) < np.argmax(path[:25])  # a rising bar falls first


def test_bars_closer_than_most_end_where_the_next_begins(tmp_path: Path) -> None:
    table = frame(open=100.0, high=130.0, low=90.0).assign(close=100.0)
    early = START + pd.Timedelta(minutes=12)  # a bar of two minutes, then one of three
    table.loc[2.5] = [early.isoformat(), "ETH", 200.0, 200.0, 210.0, 190.0]
    path = read(table.sort_index(), tmp_path)
    assert path[60] == pytest.approx(200.0)  # 12 minutes after the start
    assert path[:60].max() < 131.0
    assert path[76:].max() < 131.0


def test_parquet_and_numeric_times_say_the_same(tmp_path: Path) -> None:
    table = frame()
    expected = read(table, tmp_path)
    assert (read(table, tmp_path, name="p.parquet") == expected).all()
    seconds = pd.to_datetime(table["ts"]).map(lambda t: int(t.timestamp()))
    assert read(table.assign(ts=seconds), tmp_path) == pytest.approx(expected)
    assert read(table.assign(ts=seconds * 1000), tmp_path) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t.drop(columns="close"), "lacks close (or price)"),
        (lambda t: t.rename(columns={"ts": "time"}), "lacks ts"),
        (lambda t: t.assign(symbol="BTC"), "no symbol 'ETH' for eth"),
        (lambda t: t.drop(index=[4, 5]), "nothing between 2020-03-12T00:15:00Z"),
        (lambda t: t.assign(close=t["close"].where(t.index != 3)), "row 5"),
        (lambda t: t.assign(close=t["close"].where(t.index != 3, -1.0)), "above 0"),
        (
            lambda t: t.assign(close=t["close"].astype(object).where(t.index != 3, "x")),
            "close is x",
        ),
        (lambda t: t.iloc[::-1], "is before"),
        (lambda t: pd.concat([t.iloc[:3], t.iloc[2:]]), "repeats"),
        (lambda t: t.iloc[:6], "covers 2020-03-12T00:00:00Z to 2020-03-12T00:30:00Z"),
        (lambda t: t.iloc[2:], "move start"),
        (lambda t: t.iloc[:0], "holds no rows"),
        (lambda t: t.assign(ts=t["ts"].where(t.index != 2, "soon")), "is not a time"),
    ],
)
def test_a_bad_file_is_named_with_its_row_and_a_remedy(
    spoil: Callable[[pd.DataFrame], pd.DataFrame], words: str, tmp_path: Path
) -> None:
    with pytest.raises(PriceFileError) as caught:
        read(spoil(frame()), tmp_path)
    assert words in str(caught.value)
    assert "p.csv" in str(caught.value)


def test_a_bar_upside_down_is_named(tmp_path: Path) -> None:
    table = frame(open=100.0, high=90.0, low=130.0)
    with pytest.raises(PriceFileError, match=r"row 2: ETH: high is below low"):
        read(table, tmp_path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match="there is no file"):
        read_prices(tmp_path / "none.csv", {"eth": "ETH"}, START, 10, 12.0)
    broken = tmp_path / "b.parquet"
    broken.write_bytes(b"no parquet")
    with pytest.raises(PriceFileError, match="cannot be read"):
        read_prices(broken, {"eth": "ETH"}, START, 10, 12.0)


def test_gaps_outside_the_window_do_not_matter(tmp_path: Path) -> None:
    assert read(frame(40).drop(index=[30, 31]), tmp_path).shape == (301,)


def test_the_record_of_black_thursday(shared_data: Callable[[str], Path]) -> None:
    file = shared_data("px_2020-03_black_thursday_5m.csv")
    path = read_prices(file, {"eth": "ETHUSDT"}, START, 14_400, 12.0)["eth"]
    assert path[0] == pytest.approx(194.61)
    assert 86.0 <= path.min() < 87.0
    outage = datetime(2020, 3, 4, tzinfo=UTC)
    with pytest.raises(PriceFileError, match="nothing between 2020-03-04T09:2"):
        read_prices(file, {"eth": "ETHUSDT"}, outage, 7200, 12.0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.assign(ts=1e300), "is not a time between 1900 and 2200"),
        (lambda t: t.assign(ts="-1"), "is not a time"),
        (lambda t: t.assign(ts=True), "ts"),
        (lambda t: t.assign(close=1e300), "give a number above 0"),
        (lambda t: t.assign(close=[[1]] * len(t)), "give a number above 0"),
    ],
)
def test_times_and_prices_out_of_bounds_are_told(
    change: Callable[[pd.DataFrame], pd.DataFrame], says: str, tmp_path: Path
) -> None:
    ts = pd.date_range("2020-03-12", periods=30, freq="5min").strftime("%Y-%m-%dT%H:%M:%SZ")
    table = pd.DataFrame({"ts": ts, "symbol": "ETH", "close": 150.0})
    change(table).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(PriceFileError, match=says):
        read_prices(
            tmp_path / "p.parquet", {"eth": "ETH"}, datetime(2020, 3, 12, tzinfo=UTC), 5, 12.0
        )


def test_symbols_may_be_numbers_and_texts(tmp_path: Path) -> None:
    ts = pd.date_range("2020-03-12", periods=30, freq="5min").strftime("%Y-%m-%dT%H:%M:%SZ")
    both = [pd.DataFrame({"ts": ts, "symbol": s, "close": 150.0}) for s in (7, "ETH")]
    pd.concat(both).to_csv(tmp_path / "p.csv", index=False)
    start = datetime(2020, 3, 12, tzinfo=UTC)
    found = read_prices(tmp_path / "p.csv", {"eth": "ETH", "seven": "7"}, start, 5, 12.0)
    assert (found["eth"] == found["seven"]).all()
    loaded = load_prices(tmp_path / "p.csv")
    assert set(loaded["symbol"]) == {"ETH", "7"}
    loaded.to_parquet(tmp_path / "again.parquet")  # which refuses columns of several types
