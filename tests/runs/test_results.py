"""Results of a run: read, drawn, written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from runs.results import Results
from sim import Market, Scenario
from sim.errors import ScenarioError


@pytest.fixture
def crashed(lively: Callable[..., Scenario]) -> Market:
    jump = {"kind": "price_jump", "asset": "eth", "size": -0.35, "block": 20}
    return Market(lively(shocks=[jump]), rng=3).run(80)


@pytest.fixture
def kept(crashed: Market, tmp_path: Path) -> Results:
    """A run's results, saved and read back."""
    return Results.read(crashed.results.save(tmp_path / "kept"))


def test_results_are_by_clock_time_and_block(crashed: Market) -> None:
    frame = crashed.results.frame
    assert frame["block"].tolist() == list(range(1, 81))
    assert frame.index.name == "time"
    start = pd.Timestamp(crashed.setup.time_of(0))
    assert frame.index[9] == start + pd.Timedelta(seconds=10 * crashed.setup.block.seconds)
    hourly = frame["venue.eth.price"].resample("5min").last()  # which takes a clock
    assert len(hourly) == 4


def test_results_of_an_open_market_are_of_the_moment(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=3).run(5)
    results = market.results
    assert len(results.frame) == 5 and results.summary["blocks"] == 5
    market.run(5)
    assert len(results.frame) == 10 and results.summary["blocks"] == 10
    assert results.frame is results.frame  # made once a moment


def test_what_is_read_back_is_what_was_there(crashed: Market, kept: Results) -> None:
    here = crashed.results
    pd.testing.assert_frame_equal(kept.frame, here.frame)
    pd.testing.assert_frame_equal(kept.receipts, here.receipts)
    pd.testing.assert_frame_equal(kept.losses, here.losses, check_like=True)
    assert kept.units == here.units
    assert kept.units["venue.eth.price"] == "usdc"  # and not: numeraire
    assert repr(kept) == repr(here) and repr(kept.summary) == repr(here.summary)
    assert set(kept.exposure.edges) == set(here.exposure.edges)
    assert kept.market().run(80).datacollector.table.tobytes() == (
        crashed.datacollector.table.tobytes()
    )


def test_a_copy_of_what_was_read_back_is_the_same(kept: Results, tmp_path: Path) -> None:
    again = Results.read(kept.save(tmp_path / "again"))
    pd.testing.assert_frame_equal(again.frame, kept.frame)
    assert repr(again.summary) == repr(kept.summary)


def test_a_report_is_written_where_it_is_asked_for(crashed: Market, tmp_path: Path) -> None:
    out = crashed.results.save(tmp_path / "out", report=True)
    assert "At the worst block" in (out / "report.html").read_text()
    assert (out / "figures" / "exposure-network.svg").is_file()
    copy = Results.read(out).save(tmp_path / "copy", report=True)
    assert (copy / "report.html").read_bytes() == (out / "report.html").read_bytes()
    # Where a script has acted, the run cannot be made again, and nothing is made up.
    crashed.ledger.balances[0] *= 1.0 + 1e-12
    page = crashed.results.save(tmp_path / "other", report=True) / "report.html"
    assert "At the worst block" not in page.read_text() and "At the end" in page.read_text()


def test_a_folder_that_lacks_a_file_is_named(kept: Results, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"there is no blocks\.parquet"):
        Results.read(tmp_path)
    (tmp_path / "kept" / "blocks.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(ScenarioError, match="cannot be read"):
        _ = Results.read(tmp_path / "kept").frame


def test_a_measure_that_is_not_there_is_answered_with_the_closest(crashed: Market) -> None:
    with pytest.raises(KeyError, match=r"no measure called 'venue\.eth\.prise'; did you mean"):
        crashed.results["venue.eth.prise"]
    with pytest.raises(ScenarioError, match=r"none is called 'pool\.eth-usd\.price'; did you mean"):
        crashed.results.plot("pool.eth-usd.price")
    with pytest.raises(ScenarioError, match="none is named"):
        crashed.results.plot()


def test_a_window_is_of_clock_or_of_blocks(crashed: Market) -> None:
    results = crashed.results
    (ax,) = results.plot("venue.eth.price", start=20, end=39).axes
    (line,) = [x for x in ax.get_lines() if len(x.get_xdata()) > 2]
    assert list(line.get_ydata()) == results["venue.eth.price"].tolist()[19:39]
    clock = results.plot("venue.eth.price", start=results.frame.index[19], end="2020-01-01 00:08")
    (line,) = [x for x in clock.axes[0].get_lines() if len(x.get_xdata()) > 2]
    assert len(line.get_ydata()) == 40 - 19
    with pytest.raises(ScenarioError, match="no row lies between; there are 80 rows"):
        results.plot("venue.eth.price", start=500)


def test_the_shock_is_marked_where_it_struck(crashed: Market) -> None:
    (ax,) = crashed.results.plot("venue.eth.price").axes
    (mark,) = [line for line in ax.get_lines() if len(line.get_xdata()) == 2]
    (when,) = {pd.Timestamp(x) for x in mark.get_xdata()}
    assert when.tz_localize("UTC") == crashed.results.frame.index[19]


@pytest.mark.parametrize(
    ("name", "begins"), [("a.svg", b"<?xml"), ("a.pdf", b"%PDF"), ("a.png", b"\x89PNG")]
)
def test_a_figure_is_a_file_and_the_same_bytes(
    crashed: Market, tmp_path: Path, name: str, begins: bytes
) -> None:
    file = crashed.results.figure(tmp_path / "deep" / name, "pool.*.imbalance", "gas.*")
    content = file.read_bytes()
    assert content.startswith(begins)
    assert crashed.results.figure(file, "pool.*.imbalance", "gas.*").read_bytes() == content


def test_a_figure_of_no_known_kind_is_refused_before_it_is_drawn(
    crashed: Market, tmp_path: Path
) -> None:
    with pytest.raises(ScenarioError, match=r"give \.svg, \.pdf or \.png"):
        crashed.results.figure(tmp_path / "deep" / "a.jpg", "gas.*")
    assert list(tmp_path.iterdir()) == []


def test_a_market_under_a_page_has_the_results_of_what_was_watched(
    lively: Callable[..., Scenario],
) -> None:
    pytest.importorskip("solara")
    from runs.app.live import LiveMarket
    from runs.app.parameters import shock_of

    live = LiveMarket(lively(), 3)
    live.advance(10)
    jump = {"kind": "price_jump", "asset": "eth", "size": -0.2}
    live.strike(shock_of(live.asked, jump, live.block + 1))
    live.advance(15)
    results = live.results
    assert results.frame["block"].tolist() == list(range(1, 16))
    assert results["venue.eth.price"].iloc[-1] == live.price("eth")
    assert [kind for kind, _ in results.shocks] == ["price_jump"]
