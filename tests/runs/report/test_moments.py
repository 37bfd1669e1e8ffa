"""The network on the way: before, worst, after; and a run that does not feel it."""

from __future__ import annotations

from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest

from runs.report.moments import equity_of, run_noting
from sim import Market, Scenario


def test_looking_changes_no_bit_and_the_worst_is_the_least_equity(
    lively: Callable[..., Scenario],
) -> None:
    fall = {"kind": "price_jump", "asset": "eth", "size": -0.35, "block": 20}
    rise = {"kind": "price_jump", "asset": "eth", "size": 0.9, "block": 45}
    setup = lively(shocks=[fall, rise])
    plain = Market(setup, rng=3).run(60)
    watched = Market(setup, rng=3)
    made: list[int] = []
    moments = run_noting(watched, 60, made.append)
    assert sum(made) == 60 and watched.block == 60
    assert np.array_equal(plain.ledger.balances, watched.ledger.balances)
    assert plain.datacollector.table.tobytes() == watched.datacollector.table.tobytes()
    start, worst = moments.noted
    assert (start["what"], start["block"], worst["what"]) == ("start", 0, "worst")
    assert 20 <= worst["block"] < 45
    assert worst["equity"] < start["equity"]
    graph = nx.node_link_graph(worst["exposure"], edges="edges")
    assert equity_of(graph) == pytest.approx(worst["equity"])
    again = Market(setup, rng=3).run(worst["block"])
    assert equity_of(again.exposure()) == pytest.approx(worst["equity"])


def test_where_nothing_is_worse_than_the_start_only_that_is_noted(
    small: Callable[..., Scenario],
) -> None:
    moments = run_noting(Market(small(), rng=1), 0)
    assert [one["what"] for one in moments.noted] == ["start"]
