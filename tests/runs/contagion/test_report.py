"""The laboratory's report: whole, with its figures and numbers, and the same bytes each time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from runs.contagion import Plan
from runs.contagion.laboratory import Findings, investigate
from runs.contagion.report import methods, write_contagion_report
from sim import Scenario
from tests.conftest import CROWD

Make = Callable[..., Scenario]


@pytest.fixture
def findings(small: Make, tmp_path: Path) -> Findings:
    drop = {"kind": "price_jump", "asset": "eth", "block": 20, "size": -0.3}
    setup = small(agents=CROWD, blocks=40, shocks=[drop])
    return investigate(setup, tmp_path / "runs", None, ["liquidators"], Plan(seeds=2), reruns=5)


def bytes_of(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_all_is_there_and_the_same_again(findings: Findings, tmp_path: Path) -> None:
    page = write_contagion_report(findings, tmp_path / "one")
    text = page.read_text()
    assert text.startswith("<!doctype html>") and text.count("<svg") >= 6
    assert "http://" not in text and 'src="/' not in text, "it needs nothing else"
    files = bytes_of(tmp_path / "one")
    assert (tmp_path / "one" / "figures" / "loss-matrix.svg").is_file()
    assert "The worst block is the recorded block with the lowest total equity" in text
    figures = {name.removesuffix(".svg") for name in files if name.endswith(".svg")}
    assert figures >= {"channels-1", "loss-matrix", "cascades", "network", "network-over-time"}
    assert {name.removesuffix(".pdf") for name in files if name.endswith(".pdf")} == figures
    shares = pd.read_parquet(tmp_path / "one" / "shares.parquet")
    known = findings.attribution.table()["mean"]
    assert shares["mean"].tolist() == known.tolist()
    matrix = pd.read_parquet(tmp_path / "one" / "loss-matrix.parquet")
    assert set(matrix.columns) == {"shock", "loser", "mean", "low", "high"}
    assert Scenario.load(tmp_path / "one" / "scenario.toml").to_dict() == findings.setup.to_dict()
    assert "@software{undertow" in (tmp_path / "one" / "references.bib").read_text()
    write_contagion_report(findings, tmp_path / "two")
    assert bytes_of(tmp_path / "two") == files


def test_methods_state_seeds_and_sources(findings: Findings) -> None:
    words = methods(findings)
    assert "2 seeds (1 to 2)" in words and "exact over all 2 subsets" in words
    assert "undertow" in words and "numba" in words
