"""The README's picture is drawn from a run's files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runs.dev import picture
from runs.results import save_run, summarise
from sim import Market


def test_the_overview_shows_five_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    market = Market("black_thursday").run(100)
    save_run(market, tmp_path, summarise(market))
    file = tmp_path / "p.png"
    monkeypatch.setattr(sys, "argv", ["picture", str(tmp_path), str(file)])
    picture.main()
    assert file.read_bytes()[:4] == b"\x89PNG"
