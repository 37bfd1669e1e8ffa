"""Tables and picture of the study of late votes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from runs.dev import governed, promises
from sim import Market, Scenario


@pytest.fixture
def frame(monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Two seeds at each of two delays and three steps; the third has failed."""
    rows = [
        {"delay": delay, "step": step, "seed": seed, "status": "done" if seed < 3 else "failed",
         "off": 5.0 if step == 0.0 else seed * delay / 72.0 * (1.0 + step), "low": 0.9,
         "most_fee": 0.3, "grown": 0.2}
        for delay in (72.0, 432.0) for step in (0.0, 0.01, 0.5) for seed in (1, 2, 3)
    ]  # fmt: skip
    found = pd.DataFrame(rows)
    monkeypatch.setattr(promises, "read_study", lambda folder: found)
    return found


def test_a_line_for_each_delay_and_a_column_for_each_step(frame: pd.DataFrame) -> None:
    lines = governed.tables("anywhere").splitlines()
    assert lines[0] == "Nobody votes: 5.00 % off, lowest price 0.900, debt grows by 20 %."
    assert "| effect after | 1 points | 50 points |" in lines
    assert (
        next(x for x in lines if x.startswith("| 0.5 days | 1.5")).count("1.52 (1.01 to 2.02)") == 1
    )
    assert next(x for x in lines if x.startswith("| 3 days | 9"))
    assert len(governed.unvoted(promises.done("x"))) == 2


def test_the_picture_is_drawn(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Scenario.load("governed_peg").override({"blocks": 60})
    monkeypatch.setattr(Scenario, "load", lambda name: short)
    governed.draw("anywhere", tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000


@pytest.mark.slow
def test_the_fee_rises_while_ether_does_and_holds_the_coin() -> None:
    ends = {}
    for name, step in (("votes", 0.02), ("none", 0.0)):
        changes = {"blocks": 9_000, "agents.voters.step": step, "measures.receipts": "none"}
        market = Market(Scenario.load("governed_peg").override(changes), rng=1).run()
        ends[name] = market.datacollector.get_model_vars_dataframe().iloc[-1]
        market.close()
    assert ends["votes"][governed.FEE] > 0.05 and ends["none"][governed.FEE] == 0.005
    assert 1.01 > ends["votes"][governed.PRICE] > ends["none"][governed.PRICE] + 0.01
