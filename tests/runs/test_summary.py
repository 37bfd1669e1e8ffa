"""The figures of a run that people ask for first."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from runs.files import to_json
from runs.summary import first_chance, gas_peak, summarise, summary_rows
from sim import Market, Scenario


@pytest.fixture
def crashed(lively: Callable[..., Scenario]) -> Market:
    jump = {"kind": "price_jump", "asset": "eth", "size": -0.35, "block": 20}
    return Market(lively(shocks=[jump]), rng=3).run(80)


def test_the_summary_says_what_happened(crashed: Market) -> None:
    summary = summarise(crashed, 2.0)
    bank = crashed.lending["bank"]
    assert summary["lending"]["bank"]["liquidations"] == bank.liquidations > 0
    assert summary["lending"]["bank"]["liquidated"] == bank.liquidated_value
    assert summary["prices"]["eth"]["low"] < 1500.0
    assert summary["blocks"] == 80
    assert summary["agents"] == len(crashed.agents)
    assert summary["transactions"]["done"] > 0
    assert {"undertow", "mesa", "python"} <= set(summary["versions"])
    assert set(summary["loss"]) == {*crashed.cohorts, *crashed.special_accounts}
    parsed = json.loads(to_json(summary))
    assert parsed["exposure"]["nodes"]


def test_the_gas_peak_is_the_upper_half_of_a_rise() -> None:
    mean = np.concatenate([np.full(1000, 10.0), np.full(500, 200.0), np.full(1000, 12.0)])
    frame = pd.DataFrame({"block": np.arange(1, mean.size + 1), "gas.mean": mean})
    peak = frame.loc[gas_peak(frame), "block"]
    assert peak.min() == pytest.approx(1000, abs=5)
    assert peak.max() == pytest.approx(1500, abs=5)
    assert not gas_peak(frame.assign(**{"gas.mean": 10.0})).any()


def test_liquidations_at_the_first_chance_are_counted(crashed: Market) -> None:
    frame = crashed.receipts()
    done = frame[(frame["kind"] == "liquidate") & (frame["status"] == "done")]
    found = first_chance(crashed, crashed.datacollector.get_model_vars_dataframe())
    assert found["all"] == pytest.approx((done["possible"] == 0).mean())


def test_the_summary_begins_with_who_lost_what_to_what(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(measures={"losses": True}), rng=3).run(30)
    summary = summarise(market, 1.0)
    losses = summary["losses"]
    assert set(losses) == {*market.cohorts, *market.special_accounts}
    for parts in losses.values():
        total = parts["result_against_holding"]
        rest = sum(value for cause, value in parts.items() if cause != "result_against_holding")
        assert rest == pytest.approx(total, rel=1e-9, abs=1e-6)
    assert losses["traders"]["fees"] < 0.0 < losses["holders"]["fees"]
    # Without the account there is the total alone, and it is the same.
    plain = summarise(Market(lively(), rng=3).run(30), 1.0)["losses"]
    assert list(plain["traders"]) == ["result_against_holding"]
    assert plain["traders"]["result_against_holding"] == pytest.approx(
        losses["traders"]["result_against_holding"], rel=1e-6
    )


def test_a_summary_is_printed_a_line_each(crashed: Market) -> None:
    summary = summarise(crashed, 2.0)
    lines = repr(summary).splitlines()
    assert len(lines) == len(summary_rows(summary))
    assert lines[0].startswith("Scenario ")
    page = summary._repr_html_()
    assert page.count("<tr>") == len(lines)


def test_no_line_tells_what_is_no_number(crashed: Market) -> None:
    """As `interconnected` once said: providers +nan % against holding."""
    summary = summarise(crashed)
    summary["pools"]["eth-usdc"]["provider_return"] = math.nan
    summary["liquidated_at_first_chance"]["before_gas_peak"] = math.nan
    text = repr(summary)
    assert "nan" not in text
    assert "Pool eth-usdc" in text and "of liquidations came in the first possible block" in text


def test_gas_that_costs_nothing_is_not_told(small: Callable[..., Scenario]) -> None:
    assert "Gas price" not in dict(summary_rows(summarise(Market(small(), rng=1).run(3))))


def test_lenders_tell_their_use_apart(small: Callable[..., Scenario]) -> None:
    reserves = {"usdc": {"collateral": False, "cash": 1e6}}
    lending = {"two": {"reserves": reserves}, "one": {"reserves": reserves}}
    summary = summarise(Market(small(lending=lending), rng=1).run(2))
    for lender in summary["lending"].values():
        lender["highest_utilisation"] = {"usdc": 0.5}
    rows = dict(summary_rows(summary))
    used = [name for name in rows if name.endswith("highest utilisation")]
    assert sorted(used) == [f"Lending {n}: highest utilisation" for n in ("bank", "one", "two")]
