"""Real data: what a file holds is said, and what is written a market replays."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runs.recorded import ACCOUNTS, EVENTS, PRICES, Understood, told_lines, understand
from sim import Market, Scenario
from sim.errors import ScenarioError
from tests.conftest import BASE, merged

START = pd.Timestamp("2024-02-05", tz="UTC")


def bars(rows: int = 20) -> pd.DataFrame:
    """Bars of five minutes whose extremes are strict, so that no two columns can be confused."""
    rng = np.random.default_rng(1)
    close = 2000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, rows)))
    opened = np.append(2000.0, close[:-1])
    return pd.DataFrame(
        {
            "ts": START + pd.to_timedelta(300 * np.arange(rows), unit="s"),
            "open": opened,
            "high": np.maximum(opened, close) * 1.001,
            "low": np.minimum(opened, close) * 0.999,
            "close": close,
        }
    )


def milliseconds(table: pd.DataFrame) -> pd.Series:
    return (table["ts"] - pd.Timestamp(0, tz="UTC")) // pd.Timedelta("1ms")


def said(found: Understood) -> str:
    return "\n".join(f"{what}: {text}" for what, text in found.told)


def replayed(file: Path, symbol: str, blocks: int = 100) -> Any:
    """What a market makes of a file."""
    content = merged(BASE, {"start": START.isoformat(), "blocks": blocks})
    content["venue"]["assets"]["eth"]["symbol"] = symbol
    market = Market(Scenario.from_dict(content).with_prices(file), rng=1).run()
    return market.results["venue.eth.price"]


@pytest.mark.parametrize(
    ("order", "told"),
    [
        (["open", "high", "low", "close"], "time, open, high, low, close"),
        (["low", "high", "open", "close"], "time, low, high, open, close"),
        (["open", "close", "high", "low"], "time, open, close, high, low"),
    ],
)
@pytest.mark.parametrize("per", [1e-3, 1.0, 1e3, 1e6])
def test_bars_without_a_heading_are_told_by_their_numbers(
    tmp_path: Path, order: list[str], told: str, per: float
) -> None:
    table = bars()
    raw = table[order].assign(volume=1.0, more=2.0)
    raw.insert(0, "ms", (milliseconds(table) * per).astype("int64"))
    raw.to_csv(tmp_path / "ETHUSDT-5m.csv", header=False, index=False)
    found = understand(tmp_path / "ETHUSDT-5m.csv", symbol="ETHUSDT")
    unit = {1e-3: "seconds", 1.0: "milliseconds", 1e3: "microseconds", 1e6: "nanoseconds"}[per]
    assert found.kind == PRICES and told in said(found) and f"{unit} since 1970" in said(found)
    for name in ("open", "high", "low", "close"):
        np.testing.assert_allclose(found.table[name], table[name])
    assert list(found.table["ts"])[1] == "2024-02-05T00:05:00Z"


def test_what_is_imported_is_replayed(tmp_path: Path) -> None:
    table = bars()
    renamed = table.assign(ts=milliseconds(table)).rename(
        columns={"ts": "Open time", "open": "Open", "high": "High", "low": "Low", "close": "Close"}
    )
    renamed.iloc[::-1].to_csv(tmp_path / "a.csv", index=False)  # the newest first
    found = understand(tmp_path / "a.csv", symbol="E")
    assert "not sorted by time; sorted" in said(found)
    for name in ("b.parquet", "b.csv"):
        (file,) = found.write(tmp_path / name)
        prices = replayed(file, "E")
        # Bars end where the next begins: the first at block 25, the second at block 50.
        assert prices.iloc[[24, 49]].to_numpy() == pytest.approx(table["close"][:2], rel=1e-3)


@pytest.mark.parametrize("form", ["json", "csv"])
def test_hourly_prices_of_a_data_service(tmp_path: Path, form: str) -> None:
    hours = START + pd.to_timedelta(np.arange(5), unit="h")
    prices = [2000.0, 2010.0, 1990.0, 2005.0, 2020.0]
    file = tmp_path / f"ethereum.{form}"
    if form == "json":
        ms = [int(t.timestamp() * 1000) + 137 for t in hours]  # never on the hour
        content = {"prices": list(zip(ms, prices, strict=True)), "market_caps": []}
        file.write_text(json.dumps(content))
    else:
        text = hours.strftime("%Y-%m-%d %H:%M:%S UTC")
        pd.DataFrame({"snapped_at": text, "price": prices, "market_cap": 1.0}).to_csv(
            file, index=False
        )
    found = understand(file)
    assert found.table["price"].tolist() == prices
    assert set(found.table["symbol"]) == {"ETHEREUM"}
    assert "5 rows every 3,600 s" in said(found) and "price 1,990 to 2,020" in said(found)


def test_a_column_for_each_asset(tmp_path: Path) -> None:
    times = ["2022-01-01T00:00:00Z", "2022-01-01T01:00:00Z", "2022-01-01T02:00:00Z"]
    table = pd.DataFrame({"ts": times, "USDC": [1.0, 1.01, 0.99], "DAI": [1.0, np.nan, 1.02]})
    table.to_csv(tmp_path / "a.csv", index=False)
    found = understand(tmp_path / "a.csv")
    assert "a column of prices for each of USDC, DAI" in said(found)
    dai = found.table[found.table["symbol"] == "DAI"]
    assert dai["price"].tolist() == [1.0, 1.02]  # what is not there is not made up


def test_gaps_are_told_and_where_a_run_can_lie(tmp_path: Path) -> None:
    table = bars(60).drop(index=range(10, 20))
    table = pd.concat([table, table.tail(1)])
    table.assign(symbol="E").to_csv(tmp_path / "a.csv", index=False)
    found = understand(tmp_path / "a.csv")
    text = said(found)
    assert "E: gaps: 1; the first 2024-02-05 00:45 to 2024-02-05 01:40 UTC" in text
    assert "A run must lie between two: 2024-02-05 01:40 to 2024-02-05 04:55 UTC" in text
    assert "1 duplicates removed" in text
    assert any("start = 2024-02-05T01:40:00Z" in line for line in found.use)


def log_of_a_pool(swaps: int = 200) -> pd.DataFrame:
    """A pool of a dollar of six digits and an ether of eighteen, as its contract logs it."""
    rng = np.random.default_rng(2)
    price = 2500.0 * np.exp(np.cumsum(rng.normal(0.0, 0.001, swaps)))  # dollars
    ether = rng.lognormal(-1.0, 0.5, swaps) * rng.choice([-1.0, 1.0], swaps)
    root = np.sqrt(1.0 / price * 10.0 ** (18 - 6)) * 2.0**96
    times = START + pd.to_timedelta(np.sort(rng.uniform(0.0, 2400.0, swaps)), unit="s")
    table = pd.DataFrame({"ts": times.floor("s"), "event": "Swap", "amount0": -ether * price})
    table["amount1"], table["sqrtPriceX96"] = ether, [f"{r:.0f}" for r in root]
    extra = table.head(3).assign(event="mint", sqrtPriceX96=np.nan)
    return pd.concat([table, extra])


@pytest.mark.parametrize("raw", [False, True], ids=["in tokens", "in least units"])
def test_events_of_a_pool_become_prices_and_traders(tmp_path: Path, raw: bool) -> None:
    table = log_of_a_pool()
    if raw:
        table["amount0"] *= 1e6
        table["amount1"] *= 1e18
    table.to_csv(tmp_path / "pool.csv", index=False)
    found = understand(tmp_path / "pool.csv", symbol="ETH")
    assert found.kind == EVENTS and "200 swap, 3 mint" in said(found)
    if raw:  # nobody has said how many digits tokens have
        assert "in the pool's own units, without its tokens' digits" in said(found)
        return
    assert "token 1 in token 0" in said(found) and "digits differ by 12" in said(found)
    assert found.table["price"].between(2200.0, 2800.0).all()
    files = found.write(tmp_path / "out.parquet")
    assert [f.name for f in files] == ["out.parquet", "out.toml"]
    group = tomllib.loads(files[1].read_text())["agents"]["traders"]
    assert group["rate"] * group["count"] == pytest.approx(200 / len(found.table), rel=1e-3)
    assert group["size"]["sigma"] == pytest.approx(0.5, abs=0.1)


def test_accounts_become_borrowers_with_their_leverage_and_equity(
    tmp_path: Path, small: Callable[..., Scenario]
) -> None:
    rng = np.random.default_rng(3)
    equity = rng.lognormal(2.0, 1.0, 200)  # ether
    leverage = rng.uniform(1.2, 3.0, 200)
    table = pd.DataFrame({"account": range(200), "collateral": equity * leverage})
    table["debt"] = table["collateral"] - equity
    table.loc[200] = [200, 5.0, 7.0]  # under water
    table.loc[201] = [201, 5.0, 0.0]  # owes nothing
    table.to_csv(tmp_path / "accounts.csv", index=False)
    found = understand(tmp_path / "accounts.csv", scale=2000.0)
    assert found.kind == ACCOUNTS and "200 with a debt" in said(found)
    assert "1 whose debt exceeds their collateral" in said(found)
    (part,) = found.write(tmp_path / "out.parquet")
    groups = tomllib.loads(part.read_text())["agents"]
    assert len(groups) == 10 and sum(g["count"] for g in groups.values()) == 200
    cash = {"lending": {"bank": {"reserves": {"usdc": {"cash": 1e9}}}}}
    content = merged(BASE, {"agents": groups, **cash, "venue": {"inventory": 1e12}})
    market = Market(Scenario.from_dict(content), rng=1)
    debts = sum(float(p) for p in market.lending["bank"].positions()["debt_value"])
    # Equities are drawn from those of a group, so the sum is about that of the file.
    assert debts == pytest.approx(2000.0 * float((equity * (leverage - 1.0)).sum()), rel=0.35)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ts,close\n2020-01-01,1\nsoon,2\n", "row 2: 'soon' is not a time"),
        ("ts,close\n2020-01-01,1\n2020-01-02,-2\n", "at 2020-01-02T00:00:00Z has no price above 0"),
        ("ts,close\n2020-01-01,1\n2020-01-01,2\n", "has several prices at 2020-01-01T00:00:00Z"),
        ("when,close\n2020-01-01,1\n", "has no time column; it has when, close"),
        ("ts,colour\n2020-01-01,red\n", "has no prices; it has colour"),
        ("1,2,2,2,2\n2,2,2,2,2\n", "fit more than one of the usual orders"),
        ("1,5,1,9,4\n", "fit none of the usual orders"),
        ("1,2,3\n", "has 3 columns without a header"),
        ("sqrtPriceX96,tick\n1,2\n", "no column ts"),
        ("account,collateral,debt\n1,5,9\n", "no account whose collateral exceeds"),
        ("", "cannot be read"),
    ],
)
def test_what_cannot_be_understood_is_said(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ScenarioError) as error:
        understand(tmp_path / "a.csv")
    assert told in str(error.value)


def test_the_file_that_was_read_is_not_written_over(tmp_path: Path) -> None:
    bars().to_csv(tmp_path / "a.csv", index=False)
    before = (tmp_path / "a.csv").read_bytes()
    found = understand(tmp_path / "a.csv")
    with pytest.raises(ScenarioError, match="is the file that was read"):
        found.write(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == before
    with pytest.raises(ScenarioError, match="there is no file"):
        understand(tmp_path / "b.csv")


def test_what_is_printed_names_the_files(tmp_path: Path) -> None:
    bars().to_csv(tmp_path / "a.csv", index=False)
    found = understand(tmp_path / "a.csv")
    out = tmp_path / "b.parquet"
    lines = told_lines(found, out, found.write(out))
    assert ("written", str(out)) in lines
    assert ("use", f"undertow run SCENARIO --prices {out}") in lines


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("px_2020-03_black_thursday_5m.csv", PRICES, "ETHUSDT: 8,833 rows every 300 s"),
        ("px_1h_stables_2020_2022.csv", PRICES, "each of USDC, USDT, DAI"),
        ("aave_steth_borrowers_snapshot_2023-06.csv", ACCOUNTS, "1,810 with a debt"),
        ("univ3_usdc_weth_5bp_events_2025-06-01.csv", EVENTS, "4,316 swap, 116 burn"),
    ],
)
def test_real_records_are_understood(
    shared_data: Callable[[str], Path], name: str, kind: str, told: str
) -> None:
    found = understand(shared_data(name))
    assert found.kind == kind and told in said(found)
