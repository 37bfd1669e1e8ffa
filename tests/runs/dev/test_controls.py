"""Calm is calm, and tables say what was measured."""

from __future__ import annotations

import pytest

from runs.dev.controls import CALM_ROWS, calm_figures, calm_table, thursday_table


@pytest.mark.slow
def test_calm_is_calm() -> None:
    """A day of blocks on three seeds; the week on twenty is in docs/controls.md."""
    figures = [calm_figures(seed, blocks=7200) for seed in (1, 2, 3)]
    for f in figures:
        assert f["liquidations"] == 0
        assert f["bad_debt"] == 0.0
        assert f["beyond_band"] < 0.05
        assert f["traders"] < 0.0
        assert abs(f["liquidators"]) < 1e-9
        assert -1e-3 < f["borrowers"] <= 0.0
        assert 0.0 <= f["lenders"] < 1e-3
    mean = {k: sum(f[k] for f in figures) / len(figures) for k in figures[0]}
    assert mean["arbitrage"] > -1e-4
    assert mean["providers"] == pytest.approx(mean["fees"] - mean["lvr"], abs=5e-4)


def test_tables_are_markdown() -> None:
    row = {key: 0.001 for key, *_ in CALM_ROWS}
    assert calm_table([row, row]).count("\n") == 14
    figures = [
        {
            "cut": cut,
            "seed": seed,
            "liquidated": 1e6 * (1 + (cut == "")),
            "bad_debt": 0.0,
            "shortfall": 0.0,
            "low": 86.0,
            "pool_low": 80.0,
            "utilisation": 1.0,
            "dai": 1.1,
        }
        for cut in ("", "gas_binds")
        for seed in (1, 2)
    ]
    table = thursday_table(figures)
    assert "| nothing | 2000 |" in table
    assert "| `gas_binds` | -1000 ± 0 |" in table
