"""Distress along claims: closed forms, the papers' rules, and what they have in common."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.contagion import amplification, debtrank, eisenberg_noe, furfine, neva

PAIR = [[0.0, 2.0], [1.0, 0.0]]
"""0 has lent 2 to 1, and 1 has lent 1 to 0."""


def test_two_banks_by_hand() -> None:
    # Equities 10 + 2 - 1 - 3 = 8 and 10 + 1 - 2 - 5 = 4; 1 loses 2 of 4: h = (0, .5).
    # Then 0 loses 2 * .5 = 1 of 8; then 1 loses 1 * .125 of 4; then 2 * .03125 of 8; ...
    found = debtrank([10.0, 10.0], [3.0, 5.0], PAIR, [0.0, 2.0])
    share = 0.25 * 0.25  # of a round trip
    assert found == pytest.approx([0.125 / (1.0 - share), 0.5 / (1.0 - share)])
    once = debtrank([10.0, 10.0], [3.0, 5.0], PAIR, [0.0, 2.0], propagation="once")
    assert once == pytest.approx([0.125, 0.5 + 0.25 * 0.125])
    late = debtrank([10.0, 10.0], [3.0, 5.0], PAIR, [0.0, 2.0], propagation="threshold")
    assert late == pytest.approx([0.0, 0.5]), "1 has not failed"
    failed = debtrank([10.0, 10.0], [3.0, 5.0], PAIR, [0.0, 5.0], propagation="threshold")
    assert failed == pytest.approx([0.25, 1.0])


@given(st.integers(0, 10_000))
def test_below_one_it_is_the_inverse_until_a_cap_binds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    claims = rng.random((5, 5)) * (rng.random((5, 5)) < 0.6)
    np.fill_diagonal(claims, 0.0)
    debts = rng.random(5)
    assets = debts + claims.sum(axis=0) + 4.0
    equity = assets - debts + claims.sum(axis=1) - claims.sum(axis=0)
    shock = 0.02 * rng.random(5)
    lever = claims / equity[:, None]
    assert amplification(claims, equity) < 1.0
    want = np.linalg.solve(np.eye(5) - lever, shock / equity)
    assert want.max() < 1.0
    assert debtrank(assets, debts, claims, shock) == pytest.approx(want, rel=1e-9)


def test_above_one_a_small_shock_takes_all() -> None:
    claims = np.array([[0.0, 3.0], [3.0, 0.0]])
    for gap, lost in ((0.5, 1.0), (4.0, None)):
        equity = np.full(2, gap)
        found = debtrank([gap, gap], 0.0, claims, [1e-3, 0.0])
        assert (amplification(claims, equity) > 1.0) == (lost is not None)
        if lost is not None:
            assert found == pytest.approx([1.0, 1.0])
        else:
            assert found.max() < 1e-2


def test_who_has_failed_already_passes_on_nothing_new() -> None:
    claims = [[0.0, 2.0], [0.0, 0.0]]
    found = debtrank([10.0, 1.0], [0.0, 5.0], claims, 0.0)
    assert found == pytest.approx([0.0, 1.0])


def test_defaults_by_furfines_rule() -> None:
    claims = np.zeros((4, 4))
    claims[1, 0], claims[2, 1], claims[3, 2] = 5.0, 4.0, 1.0
    assert list(furfine(claims, [1.0, 4.0, 3.0, 2.0], [0])) == [0, 1, 2, -1]
    assert list(furfine(claims, [1.0, 4.0, 3.0, 2.0], [0], 0.5)) == [0, -1, -1, -1]
    graph = nx.DiGraph()
    graph.add_edge("b", "a", weight=5.0)
    found = furfine(graph, {"a": 1.0, "b": 4.0}, ["a"])
    assert isinstance(found, pd.Series) and found.to_dict() == {"b": 1, "a": 0}
    with pytest.raises(ValueError, match="no node"):
        furfine(claims, 1.0, [7])


@given(st.integers(0, 10_000))
def test_without_uncertainty_values_clear_as_eisenberg_and_noe_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    claims = rng.random((5, 5)) * (rng.random((5, 5)) < 0.7)
    np.fill_diagonal(claims, 0.0)
    assets = 2.0 * rng.random(5)
    equity = neva(assets, 0.0, claims)
    paid = eisenberg_noe(claims.T, assets)
    owed = claims.sum(axis=0)
    parts = np.divide(claims, owed, out=np.zeros_like(claims), where=owed > 0)
    assert equity == pytest.approx(assets + parts @ paid - owed, abs=1e-6)


def test_uncertainty_costs_before_anybody_fails() -> None:
    claims = [[0.0, 2.0], [0.0, 0.0]]
    sure = neva([5.0, 4.0], [3.0, 1.0], claims)
    unsure = neva([5.0, 4.0], [3.0, 1.0], claims, volatility=0.3)
    wild = neva([5.0, 4.0], [3.0, 1.0], claims, volatility=0.6)
    assert sure == pytest.approx([4.0, 1.0])
    assert sure[0] > unsure[0] > wild[0] and unsure[1] == pytest.approx(1.0)


def test_the_value_of_a_debt_is_that_of_many_draws() -> None:
    # One debtor: assets 4, 1 owed outside first, then 2 to the bank.
    rng = np.random.default_rng(5)
    sigma = 0.5
    later = 4.0 * np.exp(sigma * rng.standard_normal(2_000_000) - sigma**2 / 2.0)
    for recovery in (1.0, 0.4):
        short = later < 3.0
        paid = np.where(short, recovery * np.clip(later - 1.0, 0.0, 2.0), 2.0)
        claims = [[0.0, 2.0], [0.0, 0.0]]
        found = neva([5.0, 4.0], [0.0, 1.0], claims, volatility=[0.0, sigma], recovery=recovery)
        assert found[0] == pytest.approx(5.0 + paid.mean(), rel=2e-3)


def test_nobody_and_one_have_answers() -> None:
    assert debtrank([1.0], [0.5], np.zeros((1, 1)), [0.25]) == pytest.approx([0.5])
    assert debtrank([], [], np.zeros((0, 0)), []).size == 0
    assert amplification(np.zeros((0, 0)), []) == 0.0
    with pytest.raises(ValueError, match="no equity"):
        amplification([[0.0, 1.0], [1.0, 0.0]], [1.0, 0.0])
