"""The report of a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from runs.report.page import money
from runs.report.report import Pictures, write_report
from runs.results import save_run
from runs.summary import summarise, summary_rows
from sim import Market, Scenario
from sim.errors import ScenarioError
from tests.protocols.test_default import Actor, levered
from tests.protocols.test_default import settings as defaulting


def test_a_report_needs_nothing_but_itself(lively: Callable[..., Scenario], tmp_path: Path) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": -0.35, "block": 20}
    market = Market(lively(shocks=[jump], title="a <test>"), rng=3).run(60)
    save_run(market, tmp_path, summarise(market, 1.0))
    page = write_report(tmp_path).read_text()
    assert page.count("<img") == 6
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "a &lt;test&gt;" in page
    for heading in ("Prices and imbalance", "Exposure network", "Losses by class"):
        assert heading in page


def test_pictures_show_every_series_with_its_unit(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=3).run(60)
    frame = market.datacollector.get_model_vars_dataframe()
    pictures = Pictures(frame, summarise(market, 1.0), market.setup).all()
    for figure in pictures.values():
        for ax in figure.axes:
            assert ax.get_title(loc="left")
    prices = pictures["Prices and imbalance"].axes[0]
    labels = [line.get_label() for line in prices.get_lines()]
    assert labels == ["outside venue", "oracle eth", "pool eth-usdc"]


def test_a_scenario_without_lending_has_its_report_too(
    small: Callable[..., Scenario], tmp_path: Path
) -> None:
    content = small().to_dict()
    del content["lending"], content["oracles"]
    market = Market(Scenario.from_dict(content), rng=1).run(5)
    save_run(market, tmp_path, summarise(market))
    assert write_report(tmp_path).read_text().count("<img") == 4


def test_what_was_not_measured_is_left_out(lively: Callable[..., Scenario], tmp_path: Path) -> None:
    kept = {"measures": {"keep": ["pool.*.imbalance", "lending.bank.bad_debt"]}}
    market = Market(lively(**kept), rng=3).run(30)
    save_run(market, tmp_path, summarise(market))
    page = write_report(tmp_path).read_text()
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == [
        "Losses by class",  # which are always known
        "Prices and imbalance",
        "Leverage and liquidations",
        "Exposure network",
    ]


@pytest.mark.parametrize("keep", [[], ["gas.used"]])
def test_a_run_that_kept_nothing_has_its_report_too(
    lively: Callable[..., Scenario], tmp_path: Path, keep: list[str]
) -> None:
    market = Market(lively(measures={"keep": keep, "receipts": "none"}), rng=3).run(30)
    save_run(market, tmp_path, summarise(market))
    assert "Exposure network" in write_report(tmp_path).read_text()


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"there is no blocks.parquet; give the folder"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (12.3456, "12.3"), (1234.0, "1.23k"), (-2.5e6, "-2.5M"), (3e9, "3B")],
)
def test_money_is_short(value: float, text: str) -> None:
    assert money(value) == text


def test_the_summary_is_told_in_rows(lively: Callable[..., Scenario]) -> None:
    rows = dict(summary_rows(summarise(Market(lively(), rng=3).run(30), 0.5)))
    assert "60 blocks a second" in rows["Run time"]
    assert "liquidations" in rows["Lending bank"]


def test_what_groups_lost_against_holding_comes_first(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(measures={"losses": True}), rng=3).run(30)
    rows = summary_rows(summarise(market, 0.5))
    names = [name for name, _ in rows]
    told = dict(rows)["Result of traders"]
    assert "fees -" in told and "price impact -" in told
    first = names.index("Result of traders")
    assert first < min(n for n, name in enumerate(names) if name.startswith("Price of"))
    pictures = Pictures(
        market.datacollector.get_model_vars_dataframe(), summarise(market), market.setup
    )
    assert next(iter(pictures.all())) == "Losses by class"


def test_losses_by_part_and_defaults_have_their_tables(tmp_path: Path) -> None:
    market = Market(Scenario.from_dict(defaulting(measures={"losses": True})), rng=1)
    Actor(market, {"usdc": 9e5}, b1=lambda a: a.deposit("bank", "usdc", 9e5))
    Actor(market, {"eth": 600.0}, b2=levered("bank", 600.0, 9e5))
    market.run(5)
    summary = summarise(market, 1.0)
    assert summary["defaults"]["count"] == 1
    assert "1 accounts owed" in dict(summary_rows(summary))["Defaults"]
    save_run(market, tmp_path, summary)
    page = write_report(tmp_path).read_text()
    for text in ("Losses by part (usdc)", "bad debt", "Defaults (usdc)", "Actor-2", "creditor"):
        assert text in page
    kept = Market(Scenario.from_dict(defaulting()), rng=1).run(1)
    (tmp_path / "none").mkdir()
    save_run(kept, tmp_path / "none", summarise(kept, 1.0))
    page = write_report(tmp_path / "none").read_text()
    assert "Losses by part" not in page and "Defaults" not in page
