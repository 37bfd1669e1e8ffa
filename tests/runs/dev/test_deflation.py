"""Tables and picture of the study of debt deflation."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from runs import Study
from runs.dev import deflation


@pytest.fixture
def frame(monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Two seeds of two variants, one of them failed."""
    rows = [
        {"pool": 1.0, "variant": v, "seed": s, "status": status, "peak": peak, "end": 1.0,
         "dear": 0.5, "repaid": 3.0, "liquidated": 2e6, "loss": -1e6}
        for v, s, status, peak in (
            ("base", 1, "done", 1.4), ("base", 2, "done", 1.6), ("calm", 1, "done", 1.0),
            ("calm", 2, "failed", 9.0),
        )
    ]  # fmt: skip
    found = pd.DataFrame(rows)
    monkeypatch.setattr(deflation, "read_study", lambda folder: found)
    return found


def test_the_table_has_a_row_a_variant_and_leaves_out_what_failed(frame: pd.DataFrame) -> None:
    lines = deflation.tables("anywhere").splitlines()
    base = next(line for line in lines if line.startswith("| as it is"))
    calm = next(line for line in lines if line.startswith("| ether does not fall"))
    assert "1.50 (1.40 to 1.60)" in base and "2.00 (2.00 to 2.00)" in base
    assert "1.00 (1.00 to 1.00)" in calm and "9.00" not in calm
    assert not any("keepers" in line for line in lines)


def test_the_picture_is_drawn(frame: pd.DataFrame, tmp_path: Path) -> None:
    deflation.draw("anywhere", tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5_000


def test_every_variant_of_the_study_has_a_name_and_every_outcome_is_kept() -> None:
    study = Study.load("debt_deflation")
    assert {"base", *study.variants} == set(deflation.NAMES)
    assert set(deflation.COLUMNS) <= {*study.keep, *study.derived}
