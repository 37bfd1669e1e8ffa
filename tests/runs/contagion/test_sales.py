"""Fire sales against an explicit simulation, and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.contagion import fire_sales, threshold_sales


@given(st.integers(0, 10_000))
def test_vulnerability_is_that_of_explicit_deleveraging(seed: int) -> None:
    rng = np.random.default_rng(seed)
    holdings = rng.random((6, 4)) + 0.01
    total = holdings.sum(axis=1)
    lever = rng.uniform(1.0, 5.0, 6)
    equity = total / (1.0 + lever)
    impact = rng.random(4) * 1e-3
    shock = -0.02 * rng.random(4)
    found = fire_sales(holdings, equity, lever, impact, shock)
    # Greenwood, Landier, Thesmar 2015: 1' A M L M' B A M f / E.
    assets, weights = np.diag(total), holdings / total[:, None]
    chain = assets @ weights @ np.diag(impact) @ weights.T @ np.diag(lever) @ assets @ weights
    want = -(chain @ shock).sum() / equity.sum()
    assert found.aggregate_vulnerability == pytest.approx(want, rel=1e-12)
    # One by one: each sells what brings it back to its target, and prices fall by what is sold.
    prices = np.zeros(4)
    for i in range(6):
        lost = -(holdings[i] @ shock)
        debt = lever[i] * equity[i]
        must = debt - lever[i] * (equity[i] - lost)
        prices -= impact * must * weights[i]
    assert found.prices == pytest.approx(prices, rel=1e-12)
    assert found.indirect == pytest.approx(-holdings @ prices, rel=1e-12)


def test_nobody_sells_more_than_it_has() -> None:
    found = fire_sales([[10.0]], [0.5], [19.0], [0.01], [-0.9])
    assert found.sales.sum() == pytest.approx(10.0)
    assert found.indirect_vulnerability == pytest.approx([10.0 * 0.1 / 0.5])


def test_overlap_carries_the_loss_and_no_overlap_none() -> None:
    apart = fire_sales([[10.0, 0.0], [0.0, 10.0]], 1.0, 9.0, 0.01, [-0.05, 0.0])
    both = fire_sales([[10.0, 0.0], [5.0, 5.0]], 1.0, 9.0, 0.01, [-0.05, 0.0])
    assert apart.indirect[1] == 0.0 < both.indirect[1]


def test_a_data_frame_keeps_its_names() -> None:
    held = pd.DataFrame([[10.0, 0.0], [5.0, 5.0]], index=["fund", "bank"], columns=["eth", "btc"])
    found = fire_sales(held, {"fund": 1.0, "bank": 2.0}, 4.0, 0.01, {"eth": -0.1, "btc": 0.0})
    assert list(found.table().index) == ["fund", "bank"]
    assert found.table().loc["fund", "direct"] == pytest.approx(1.0)


def test_sales_by_hand_in_rounds() -> None:
    # Leverage 10 / 1, hit by 5 %: 9.5 / .5 = 19 > 12, and back to 10: sells 9.5 - 5 = 4.5.
    found = threshold_sales(
        [[10.0]], 0.0, [1.0], [-0.05], [1e9], highest_leverage=12.0, target_leverage=10.0
    )
    assert found.sales.sum() == pytest.approx(4.5, rel=1e-6)
    assert found.rounds == 1 and found.indirect.sum() == pytest.approx(0.0, abs=1e-6)
    shallow = threshold_sales(
        [[10.0], [10.0]], 0.0, [1.0, 2.0], [-0.05], [50.0], highest_leverage=12.0,
        target_leverage=10.0, floor=0.5,
    )  # fmt: skip
    assert shallow.rounds > 1 and shallow.indirect[1] > 0.0
    assert -0.45 < shallow.prices[0] < 0.0


def test_below_the_bound_nobody_sells() -> None:
    calm = threshold_sales([[10.0]], 0.0, [1.0], [-0.01], [10.0], highest_leverage=12.0)
    assert (calm.rounds, calm.sales.sum()) == (0, 0.0)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"equity": [0.0]}, "failed"), ({"holdings": [1.0]}, "row for each"),
        ({"shock": [-2.0]}, "-1"), ({"holdings": [[-1.0]]}, "0 or more"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told(change: dict[str, object], word: str) -> None:
    given = {"holdings": [[1.0]], "equity": [1.0], "leverage_target": 1.0, "impact": 0.1}
    with pytest.raises(ValueError, match=word):
        fire_sales(**(given | {"shock": [-0.1]} | change))  # type: ignore[arg-type]
