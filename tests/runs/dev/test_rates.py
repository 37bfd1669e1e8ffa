"""The study of rates: its market, its clock, its table and its picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runs.dev import rates
from runs.dev.rates import SLOPES, draw, one_market, table, time_to_clear


def test_time_is_counted_from_the_withdrawal() -> None:
    assert time_to_clear(np.array([0.7, 0.99, 0.9, 0.79, 0.85, 0.7])) == 3.0
    assert time_to_clear(np.array([0.7, 0.99, 0.9])) == np.inf


def test_one_side_can_be_left_out() -> None:
    setup = one_market(0.6, lenders=False)
    assert setup.agents["lenders"].columns["attention"].support() == (0.0, 0.0)
    assert setup.agents["borrowers"].columns["attention"].support() == (0.002, 0.002)
    assert setup.lending["bank"].reserves["usdc"].slope2 == 0.6


def test_the_table_says_what_never_cleared() -> None:
    found = {
        "a": np.full((len(SLOPES), 2), 3.0),
        "b": np.array([[np.inf, np.inf], *[[1, np.inf]] * 3]),
    }
    lines = table(found).splitlines()
    assert lines[0] == "| second slope, a year | a | b |"
    assert lines[2] == "| 0.2 | 3 ± 0 | not in 8000 |"
    assert lines[3].endswith("| 1 (1 of 2) |")


def test_it_prints_a_table_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rates, "course", lambda slope, seed, **who: np.array([0.7, 1.0, 0.75]))
    monkeypatch.setattr("sys.argv", ["rates", "--seeds", "2", "--out", str(tmp_path)])
    rates.main()
    assert "| 3 | 2 ± 0 | 2 ± 0 |" in capsys.readouterr().out
    assert (tmp_path / "rates.png").stat().st_size > 5000


def test_courses_of_any_length_are_drawn(tmp_path: Path) -> None:
    draw(np.linspace(1.0, 0.7, 4 * 10).reshape(4, 10), tmp_path / "one.png")
    assert (tmp_path / "one.png").is_file()
