"""Random networks: robust yet fragile, as published."""

from __future__ import annotations

import numpy as np
import pytest

from runs.contagion import gai_kapadia, overlapping_portfolios


@pytest.mark.parametrize(
    ("degree", "frequency", "extent"),
    [(1.5, 0.511, 0.58), (3.0, 0.797, 0.94), (5.0, 0.488, 0.993), (7.0, 0.018, 0.999)],
)
def test_contagion_is_rarer_and_larger_with_more_links(
    degree: float, frequency: float, extent: float
) -> None:
    # Gai, Kapadia 2010: 1000 banks, 20 % interbank assets, 4 % capital, no recovery.
    found = gai_kapadia(degree, networks=600, rng=7)
    assert found.frequency == pytest.approx(frequency, abs=0.03 + 2.0 * found.error)
    assert found.extent == pytest.approx(extent, abs=0.03)


def test_outside_the_window_there_is_none() -> None:
    for degree in (0.0, 0.5, 9.0):
        found = gai_kapadia(degree, networks=100, rng=7)
        assert found.frequency == 0.0 and np.isnan(found.extent)


def test_recovery_and_capital_stop_it() -> None:
    assert gai_kapadia(3.0, recovery=0.9, networks=50).frequency == 0.0
    assert gai_kapadia(3.0, capital=0.25, networks=50).frequency == 0.0


def test_the_same_seed_draws_the_same_networks() -> None:
    one, two = (gai_kapadia(3.0, banks=100, networks=20, rng=4).failed for _ in range(2))
    assert (one == two).all()


def test_common_assets_carry_it_where_leverage_is_high() -> None:
    # Caccioli et al. 2014: stable below a leverage, a window of diversification above it.
    size = {"banks": 200, "assets": 200, "networks": 60, "rng": 3}
    low = overlapping_portfolios(5.0, 3.0, **size)  # type: ignore[arg-type]
    high = overlapping_portfolios(5.0, 20.0, **size)  # type: ignore[arg-type]
    wide = overlapping_portfolios(60.0, 20.0, **size)  # type: ignore[arg-type]
    assert low.frequency < 0.05 < 0.5 < high.frequency
    assert wide.frequency < high.frequency


@pytest.mark.parametrize("degree", [-1.0, 5.0])
def test_what_is_no_network_is_told(degree: float) -> None:
    with pytest.raises(ValueError, match="give 0 to 4"):
        gai_kapadia(degree, banks=5)
    with pytest.raises(ValueError, match="diversification"):
        overlapping_portfolios(0.0, 5.0)
    with pytest.raises(ValueError, match="leverage"):
        overlapping_portfolios(2.0, 0.5)
