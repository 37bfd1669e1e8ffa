"""Calm is calm, and tables say what was measured."""

from __future__ import annotations

import pytest

from runs.dev.controls import CALM_ROWS, calm_figures, calm_table, thursday_table


def mean(figures: list[dict[str, float]]) -> dict[str, float]:
    return {k: sum(f[k] for f in figures) / len(figures) for k in figures[0]}


@pytest.mark.slow
def test_calm_is_calm() -> None:
    """A week on five seeds; twenty are in docs/controls.md."""
    figures = [calm_figures(seed) for seed in range(1, 6)]
    for f in figures:
        assert f["liquidations"] == 0
        assert f["bad_debt"] == 0.0
        assert f["beyond_band"] < 0.05
        assert f["traders"] < 0.0
        assert abs(f["liquidators"]) < 1e-9
        assert -1e-3 < f["borrowers"] <= 0.0
        assert 0.0 <= f["lenders"] < 1e-3
        assert f["arbitrage"] > 0.0
        assert f["providers"] > 0.0
    found = mean(figures)
    assert found["providers"] == pytest.approx(found["fees"] - found["lvr"], rel=0.1)


@pytest.mark.slow
def test_arbitrageurs_earn_what_providers_lose_less_fees_and_gas() -> None:
    """Where nobody else trades, so that no gap but the outside price's is there to be closed.

    A twentieth goes to the venue at which they hedge: its half-spread.
    """
    alone = {"agents.traders.count": 0}
    figures = [calm_figures(seed, alone) for seed in range(1, 6)]
    free = [calm_figures(seed, alone | {"venue.assets.eth.spread": 0.0}) for seed in range(1, 6)]

    def earned(f: dict[str, float]) -> float:
        whole = f["arbitrage"] + f["arbitrage_fees"] + f["arbitrage_gas"]
        return whole / f["lvr_of_trades"]

    assert all(0.9 < earned(f) < 1.0 for f in figures)
    assert all(earned(f) == pytest.approx(1.0, abs=0.02) for f in free)
    found = mean(figures)
    assert found["lvr_of_trades"] == pytest.approx(found["lvr"], rel=0.15)
    assert found["arbitrage_fees"] == pytest.approx(found["fees"], rel=0.05)


def test_tables_are_markdown() -> None:
    row = {key: 0.001 for key, *_ in CALM_ROWS}
    assert calm_table([row, row]).count("\n") == 16
    figures = [
        {
            "cut": cut,
            "seed": seed,
            "liquidated": 1e6 * (1 + (cut != "gas_binds")),
            "bad_debt": 0.0,
            "shortfall": 0.0,
            "low": 86.0,
            "pool_low": 80.0,
            "utilisation": 1.0,
            "dai": 1.1,
        }
        for cut in ("", "gas_binds", "breakers")
        for seed in (1, 2)
    ]
    table = thursday_table(figures)
    assert "| nothing | 2000 |" in table
    assert "| `gas_binds` | -1000 ± 0 |" in table
    assert table.endswith("Not a bit is changed by cutting `breakers`.")
