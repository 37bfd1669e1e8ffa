"""Speed, side by side: ``pytest tests/benchmarks --benchmark-enable``.

Nothing is asserted of times; `make bench` prints the ratios.
"""

from __future__ import annotations

from typing import Any

import pytest

from runs.app import LiveMarket, views
from runs.dev.bench import ledger_swaps, load_peer, peer_of, same_market
from sim import Market, Scenario, registry
from tests.conftest import SHARED


@pytest.mark.parametrize("noise", [100, 1000])
@pytest.mark.benchmark(group="blocks")
def test_blocks(benchmark: Any, noise: int) -> None:
    market = Market(same_market(noise), rng=1).run(50)
    benchmark(market.run, 50)
    assert market.block >= 100


@pytest.mark.parametrize("noise", [100, 1000])
@pytest.mark.benchmark(group="blocks")
def test_blocks_of_plain_mesa(benchmark: Any, noise: int) -> None:
    peer = load_peer(SHARED.parent / "bench" / "plain_mesa.py")
    if peer is None:
        pytest.skip("no peer here")
    model = peer.DefiModel(noise, rng=1)

    def fifty() -> None:
        for _ in range(50):
            model.step()

    benchmark(fifty)
    assert model.steps >= 50


@pytest.mark.parametrize("kind", registry.pools())
@pytest.mark.benchmark(group="swaps")
def test_swaps(benchmark: Any, kind: str) -> None:
    assert benchmark(ledger_swaps(kind, 20_000)) > 0.0


@pytest.mark.parametrize("kind", registry.pools())
@pytest.mark.benchmark(group="swaps")
def test_swaps_of_a_peer(benchmark: Any, kind: str) -> None:
    try:
        _, swaps = peer_of(kind, 2_000)
    except ImportError as error:
        pytest.skip(str(error))
    assert benchmark(swaps) > 0.0


def crowded() -> Scenario:
    """Calm, with ten thousand agents."""
    return Scenario.load("calm").override({"agents.traders.count": 9472, "measures.every": 1})


@pytest.mark.benchmark(group="a watched block, 10,000 agents")
def test_a_block_that_nobody_watches(benchmark: Any) -> None:
    market = Market(crowded(), rng=1).run(20)
    benchmark(market.step)
    assert len(market.agents) == 10_000


@pytest.mark.benchmark(group="a watched block, 10,000 agents")
def test_a_block_that_is_watched(benchmark: Any) -> None:
    market = LiveMarket(crowded(), 1)
    market.advance(20)
    benchmark(market.step)
    assert len(market.past) > 20


@pytest.mark.benchmark(group="a watched block, 10,000 agents")
def test_all_that_a_frame_shows(benchmark: Any) -> None:
    market = LiveMarket(crowded(), 1)
    market.advance(1000)
    names = [list(chart.lines.values()) for chart in views.charts(market)]

    def frame() -> list[Any]:
        parts: list[Any] = [market.past.rows(lines, len(market.past) - 6) for lines in names]
        parts += [views.network_state(market, market.flows), views.headline(market)]
        tables = [table.rows(market) for table in views.tables(market)]
        bars = [views.histogram(market, about) for about in views.histograms(market)]
        return [*parts, views.classes(market), *tables, *bars]

    assert benchmark(frame)
