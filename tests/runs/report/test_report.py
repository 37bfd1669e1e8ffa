"""The report of a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runs.files import save_run
from runs.report.moments import run_noting
from runs.report.page import money
from runs.report.report import Pictures, write_report
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
    assert not re.search(r'(src|href)="(?!data:|#)|https?://|<script|<link|@import', page)
    assert "a &lt;test&gt;" in page
    named = {path.name for path in (tmp_path / "figures").iterdir()}
    assert len(named) == 2 * page.count("<svg")
    assert {"prices-and-imbalance.svg", "exposure-network.pdf", "losses-by-class.pdf"} <= named
    for text in ("Generations of the cascade", "Methods", "@software{undertow", "seed 3", "numba"):
        assert text in page
    anchors, ids = re.findall(r'<a href="#([^"]+)"', page), re.findall(r'<h2 id="([^"]+)"', page)
    assert anchors == ids


def test_the_network_is_shown_before_at_the_worst_and_after(
    lively: Callable[..., Scenario],
) -> None:
    fall = {"kind": "price_jump", "asset": "eth", "size": -0.35, "block": 20}
    rise = {"kind": "price_jump", "asset": "eth", "size": 0.9, "block": 45}
    market = Market(lively(shocks=[fall, rise]), rng=3)
    summary = summarise(market, 1.0, run_noting(market, 60).noted)
    frame = market.datacollector.get_model_vars_dataframe()
    figure, text = Pictures(frame, summary, market.setup).network()
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert [title.split(" (")[0] for title in titles] == [
        "At the start", "At the worst block", "At the end",
    ]  # fmt: skip
    assert "lowest total equity, excluding the venue" in text and "against the start" in text


def test_what_never_changes_is_told_and_not_drawn(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=3).run(30)
    frame = market.datacollector.get_model_vars_dataframe()
    frame["lending.bank.bad_debt"] = 0.0
    frame["lending.bank.liquidated"] = np.linspace(0.0, 1e6, len(frame))
    frame["lending.bank.loss"] = np.linspace(0.0, 1e2, len(frame))
    frame["lending.bank.endangered"] = np.linspace(9e5, 0.0, len(frame))
    drawn = Pictures(frame, summarise(market), market.setup)
    charts = drawn.charts()["Leverage and liquidations"]
    figure, text = drawn.drawn([chart for chart in charts if chart.title == "Liquidations"])
    assert figure is not None and "bank: bad debt since the start): 0" in text
    large, small = figure.axes
    assert len([line for line in large.get_lines() if "bank" in str(line.get_label())]) == 2
    assert small.get_title(loc="left") == "Liquidations: bank: written off or not covered"
    assert drawn.drawn([])[0] is None


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
    page = write_report(tmp_path, files=False).read_text()
    assert page.count("<svg") == 2 and "Constant, not drawn: " in page
    assert not (tmp_path / "figures").exists()


def test_what_was_not_measured_is_left_out(lively: Callable[..., Scenario], tmp_path: Path) -> None:
    kept = {"measures": {"keep": ["pool.*.imbalance", "lending.bank.bad_debt"]}}
    market = Market(lively(**kept), rng=3).run(30)
    save_run(market, tmp_path, summarise(market))
    page = write_report(tmp_path).read_text()
    headings = re.findall(r"<h2 id=[^>]*>(.*?)</h2>", page)
    assert headings == [
        "Losses by class",  # which are always known
        "Prices and imbalance",
        "Leverage and liquidations",
        "Exposure network",
        "Methods",
        "Citation",
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
    assert "60 blocks per second" in rows["Run time"]
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
    for text in ("Losses by cause (usdc)", "bad debt", "Defaults (usdc)", "Actor-2", "creditor"):
        assert text in page
    kept = Market(Scenario.from_dict(defaulting()), rng=1).run(1)
    (tmp_path / "none").mkdir()
    save_run(kept, tmp_path / "none", summarise(kept, 1.0))
    page = write_report(tmp_path / "none").read_text()
    assert "Losses by cause" not in page and "Defaults" not in page


LUMINANCE = """(text) => {
  const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const [r, g, b] = text.match(/[0-9.]+/g).map((v) => linear(v / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}"""
CONTRASTS = f"""() => {{
  const luminance = {LUMINANCE}, style = getComputedStyle;
  const over = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  return [...document.querySelectorAll('figure svg text')].map((e) => [e.textContent, over(
    luminance(style(e).fill), luminance(style(e.closest('figure')).backgroundColor))]);
}}"""


@pytest.mark.slow
def test_a_report_is_read_by_day_by_night_and_on_paper(
    lively: Callable[..., Scenario], chromium: Any, tmp_path: Path
) -> None:
    jump = {"kind": "price_jump", "asset": "eth", "size": -0.35, "block": 20}
    market = Market(lively(shocks=[jump], measures={"losses": True}), rng=3)
    moments = run_noting(market, 60)
    save_run(market, tmp_path, summarise(market, 1.0, moments.noted))
    page = write_report(tmp_path, files=False).resolve().as_uri()
    told: list[str] = []
    with chromium.new_context() as context:
        tab = context.new_page()
        tab.on("console", lambda message: told.append(message.text))
        tab.on("request", lambda request: told.append(request.url) if request.url != page else None)
        for media, scheme, width in (
            ("screen", "light", 1280), ("screen", "dark", 1920), ("print", "dark", 720),
        ):  # fmt: skip
            tab.set_viewport_size({"width": width, "height": 900})
            tab.emulate_media(media=media, color_scheme=scheme)
            tab.goto(page)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            contrasts = tab.evaluate(CONTRASTS)
            assert len(contrasts) > 50
            assert [name for name, contrast in contrasts if contrast < 4.5] == [], (media, scheme)
            night = media == "screen" and scheme == "dark"
            body = tab.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (body == "rgb(13, 17, 23)") == night
    assert told == []
