"""Clearing vectors against the papers' examples, plain iteration, and networks of no shape."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.contagion import eisenberg_noe, losses_of, rogers_veraart


def iterated(
    owed_to: np.ndarray, assets: np.ndarray, alpha: float, beta: float, least: bool
) -> np.ndarray:
    """The same fixed point, by doing what the papers' map says over and over."""
    total = owed_to.sum(axis=1)
    parts = np.divide(owed_to, total[:, None], out=np.zeros_like(owed_to), where=total[:, None] > 0)
    paid = np.zeros_like(total) if least else total.copy()
    for _ in range(20_000):
        inflow = parts.T @ paid
        able = assets + inflow >= total * (1.0 - 1e-12)
        paid = np.where(able, total, np.minimum(alpha * assets + beta * inflow, total))
    return paid


def test_two_who_owe_each_other_and_belief_decides() -> None:
    # Rogers, Veraart 2013: mutual debts of 2.2, assets (1, 1), half is recovered.
    debts = [[0.0, 2.2], [2.2, 0.0]]
    assert rogers_veraart(debts, [1.0, 1.0], 0.5, 0.5, least=True) == pytest.approx([1.0, 1.0])
    assert rogers_veraart(debts, [1.0, 1.0], 0.5, 0.5) == pytest.approx([2.2, 2.2])
    for least in (False, True):  # without costs of default there is one vector
        found = rogers_veraart(debts, [1.0, 1.0], 1.0, 1.0, least=least)
        assert found == pytest.approx([2.2, 2.2])


def test_a_chain_of_defaults() -> None:
    # 0 owes 10 to 1 and has 4; 1 owes 8 to 2 and has 2; 2 owes nothing.
    debts = np.zeros((3, 3))
    debts[0, 1], debts[1, 2] = 10.0, 8.0
    paid = eisenberg_noe(debts, [4.0, 2.0, 0.0])
    assert paid == pytest.approx([4.0, 6.0, 0.0])
    shortfall, equity = losses_of(debts, [4.0, 2.0, 0.0], paid)
    assert shortfall == pytest.approx([0.0, 6.0, 2.0])
    assert equity == pytest.approx([0.0, 0.0, 6.0])
    costly = rogers_veraart(debts, [4.0, 2.0, 0.0], 0.5, 0.5)
    assert costly == pytest.approx([2.0, 2.0, 0.0])  # 1 recovers half of 2 and half of 2


def test_a_graph_is_answered_by_its_names() -> None:
    graph = nx.DiGraph()
    graph.add_edge("a", "b", weight=10.0)
    graph.add_edge("b", "c", weight=8.0)
    paid = eisenberg_noe(graph, {"a": 4.0, "b": 2.0, "c": 0.0})
    assert isinstance(paid, pd.Series)
    assert paid.to_dict() == pytest.approx({"a": 4.0, "b": 6.0, "c": 0.0})
    twice = nx.MultiDiGraph([("a", "b", {"weight": 4.0}), ("a", "b", {"weight": 6.0})])
    assert eisenberg_noe(twice, {"a": 4.0, "b": 0.0})["a"] == pytest.approx(4.0)


@given(
    st.integers(0, 10_000),
    st.sampled_from([(1.0, 1.0), (0.7, 0.7), (0.5, 0.9), (0.0, 0.0), (1.0, 0.4)]),
    st.booleans(),
)
def test_every_network_clears_as_iteration_does(
    seed: int, shares: tuple[float, float], least: bool
) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    debts = rng.exponential(1.0, (n, n)) * (rng.random((n, n)) < 0.5)
    np.fill_diagonal(debts, 0.0)
    assets = rng.exponential(0.7, n)
    found = rogers_veraart(debts, assets, *shares, least=least)
    want = iterated(debts, assets, *shares, least)
    assert found == pytest.approx(want, abs=1e-6)


def test_the_least_is_no_more_than_the_greatest() -> None:
    rng = np.random.default_rng(3)
    apart = 0
    for _ in range(200):
        debts = rng.exponential(1.0, (5, 5))
        np.fill_diagonal(debts, 0.0)
        assets = rng.exponential(1.0, 5)
        low = rogers_veraart(debts, assets, 0.3, 0.5, least=True)
        high = rogers_veraart(debts, assets, 0.3, 0.5)
        assert (low <= high + 1e-9).all()
        apart += bool((high - low).max() > 1e-6)
    assert apart > 10


def test_a_ring_without_assets_pays_as_believed() -> None:
    ring = [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    assert eisenberg_noe(ring, 0.0) == pytest.approx([1.0, 1.0, 1.0])
    low = rogers_veraart(ring, 0.0, 1.0, 1.0, least=True)
    assert low == pytest.approx([0.0, 0.0, 0.0])


def test_networks_of_no_shape_have_answers() -> None:
    assert eisenberg_noe(np.zeros((1, 1)), [3.0]) == pytest.approx([0.0])
    assert eisenberg_noe(np.zeros((4, 4)), 1.0) == pytest.approx([0.0] * 4)
    assert eisenberg_noe(np.zeros((0, 0)), []).size == 0


@pytest.mark.parametrize(
    ("debts", "assets", "word"),
    [
        ([[0.0, 1.0]], [1.0], "square"),
        ([[0.0, -1.0], [0.0, 0.0]], [1.0, 1.0], "0 or more"),
        ([[1.0, 1.0], [0.0, 0.0]], [1.0, 1.0], "itself"),
        ([[0.0, 1.0], [0.0, 0.0]], [1.0], "one number for each"),
        ([[0.0, 1.0], [0.0, 0.0]], [1.0, np.nan], "finite"),
        ([[0.0, 1.0], [0.0, 0.0]], {0: 1.0}, "nothing of 1"),
    ],
)
def test_what_is_no_network_is_told(debts: object, assets: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        eisenberg_noe(debts, assets)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="alpha"):
        rogers_veraart([[0.0]], [1.0], 1.5, 0.5)
