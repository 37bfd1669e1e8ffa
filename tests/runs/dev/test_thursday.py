"""The table of Black Thursday: means and ranges beside what happened."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from runs.dev.thursday import (
    MAKER,
    ROWS,
    by_draws,
    figures,
    hangs,
    overall,
    recorded,
    table,
    variations,
)
from sim import Market, Scenario


def test_a_row_for_each_figure_with_mean_and_range() -> None:
    runs = [{key: float(n) for key, *_ in ROWS} for n in (1, 3)]
    runs[0]["zero_bid_share_dear"] = runs[1]["zero_bid_share_dear"] = float("nan")
    text = table({"here": runs})
    assert len(text.splitlines()) == 2 + len(ROWS)
    assert "| dai: highest price | 2.000 (1.000 to 3.000) | 1.129 |" in text
    assert "| the same while gas is above 100 gwei | - |  |" in text


def test_recorded_gas_takes_the_place_of_the_worlds_own(tmp_path: Path) -> None:
    times = pd.date_range("2020-03-12", "2020-03-14 00:05", freq="5min", tz="UTC")
    prices, gas = tmp_path / "prices.csv", tmp_path / "gas.csv"
    frame = pd.DataFrame({"ts": times.strftime("%Y-%m-%dT%H:%M:%SZ"), "symbol": "ETHUSDT"})
    frame.assign(close=100.0).to_csv(prices, index=False)
    hours = [f"2020-03-12T{h:02d}:00:00Z" for h in range(24)]
    rows = pd.DataFrame({"ts": hours, "gas_p30_gwei": [10.0] * 12 + [200.0] * 12})
    rows.to_csv(gas, index=False)
    setup = recorded(prices, gas)
    assert len(setup.block.gas_path) == 25 and setup.block.gas_path[-1][1] == 200.0
    assert setup.venue.assets["eth"].process == "replay"
    assert setup.block.outside.volatility_response == 0.0


def test_figures_are_read_off_the_measures() -> None:
    market = Market(Scenario.load("black_thursday"), rng=1).run(50)
    told, last = figures(market), market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert told["liquidations"] == last[f"{MAKER}settled"] == 0.0
    assert told["dai_high"] >= told["dai_low"] > 0.9
    assert told["bad_debt_share"] == 0.0
    limits = market.cohorts["keepers"].column("most_gas")
    assert set(limits) <= {7.0, 70.0, 100.0, 1e6} and 0 <= told["free_starters"] <= 3
    assert told["free_keepers"] == (limits == 1e6).sum()
    market.close()


def test_each_change_is_one_that_the_scenario_takes() -> None:
    ships = Scenario.load("black_thursday")
    for name, changes in variations().items():
        assert (ships.override(changes) == ships) == (name == "as it ships"), name


def test_a_line_for_each_change_with_its_standard_error() -> None:
    runs = [{key: float(n) for key, *_ in ROWS} for n in (1, 3)]
    text = hangs({"as it ships": runs, "once": runs[:1]})
    assert "| as it ships | 200.0 ± 100.0 |" in text and "| once | 100.0 ± nan |" in text


def test_runs_are_told_apart_by_who_pays_any_price_for_gas() -> None:
    drawn = ((0, 0, 0.2), (1, 0, 0.4), (2, 0, 0.8), (7, 2, 1.0))
    runs = [
        {"free_keepers": k, "free_starters": s, "zero_bid_share": x, "bad_debt_share": x / 10.0}
        for k, s, x in drawn
    ]
    lines = by_draws(runs).splitlines()
    assert lines[2] == "| 0 | 30, 3.0 (2) | 80, 8.0 (1) | - | - |"
    assert lines[3] == "| 2 | - | - | - | 100, 10.0 (1) |"


def test_runs_within_what_was_asked_for_are_counted() -> None:
    shares = (0.02, 0.04, 0.12, float("nan"))
    runs = [{"zero_bid_share_dear": x, "bad_debt_share": x, "dai_low": 1.0 - x} for x in shares]
    lines = overall(runs).splitlines()
    assert len(lines) == 5
    assert lines[2].endswith("| 6.0 ± 3.1 | 4.0 | 3.0 to 8.0 | 10 to 60 | 1 of 3 |")
    assert lines[3].endswith("| 6.00 ± 3.06 | 4.00 | 3.00 to 8.00 | 1 to 8 | 2 of 3 |")
    assert lines[4].endswith("| from 0.98 | 1 of 3 |")
