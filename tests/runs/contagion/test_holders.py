"""Losses by size and by order: of planted holders, and in a run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from runs.contagion import holders
from runs.contagion.holders import STAYED, Holders
from sim import Market, Scenario
from sim.losses import TOTAL


def planted() -> Holders:
    """Eight holders: the large leave first and lose nothing, who stays loses half."""
    start = np.array([1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0])
    left = np.array([np.nan, np.nan, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0])
    lost = np.where(np.isnan(left), 0.5 * start, np.where(left > 7.0, 0.25 * start, 0.0))
    frame = pd.DataFrame(
        {"entity": list("abcdefgh"), "group": "g", "began": start, "lost": lost, "left": left}
    )
    frame["behind"] = 0.0
    return Holders(frame.assign(order=frame["left"].rank(method="first")), "first coin paid in")


def test_classes_of_size_hold_equally_many_and_all_of_the_loss() -> None:
    table = planted().by_size(4)
    assert list(table.index) == ["1", "2", "3", "4"] and (table["holders"] == 2).all()
    assert table["share"].tolist() == pytest.approx([0.5, 0.25, 0.0, 0.0])
    assert table["left"].tolist() == [0.0, 1.0, 1.0, 1.0]
    assert table["lost"].sum() == pytest.approx(planted().frame["lost"].sum())


def test_classes_of_order_put_who_stayed_last() -> None:
    table = planted().by_order(3)
    assert list(table.index) == ["1", "2", "3", STAYED]
    assert table["share"].tolist() == pytest.approx([0.0, 0.0, 0.25, 0.5])
    assert table["median_left"].tolist()[:3] == [4.5, 6.5, 8.5]
    nobody = Holders(planted().frame.assign(left=np.nan, order=np.nan), "")
    assert list(nobody.by_order().index) == [STAYED]


def test_more_classes_than_holders_are_told() -> None:
    with pytest.raises(ValueError, match="from 1 to 8"):
        planted().by_size(9)
    with pytest.raises(ValueError, match="at least 1"):
        planted().by_order(0)


def test_in_a_run_the_first_to_leave_lose_less_than_all() -> None:
    changes = {"measures.losses": True, "blocks": 1500}
    market = Market(Scenario.load("death_spiral").override(changes), rng=1).run()
    with pytest.raises(ValueError, match=r"no group 'larg'; did you mean 'large'"):
        holders(market, "larg", "terra-coin")
    found = holders(market, ("large", "small"), "terra-coin")
    sizes, orders = found.by_size(), found.by_order()
    total = market.losses().set_index("entity").loc[["large", "small"], TOTAL].sum()
    assert sizes["behind"].sum() == pytest.approx(-total, rel=1e-6)
    assert sizes["began"].sum() == pytest.approx(orders["began"].sum())
    first = found.frame.nsmallest(3, "order")
    assert (
        first["lost"].sum() / first["began"].sum()
        < 0.2
        < sizes["lost"].sum() / sizes["began"].sum()
    )
    assert first["behind"].max() < 0.0 and orders.loc[STAYED, "left"] == 0.0
    assert len(found.plot().axes) == 2


def test_what_is_missing_is_told() -> None:
    market = Market("calm", rng=1)
    with pytest.raises(ValueError, match=r"measures\.losses"):
        holders(market, "traders", "usdc")
    market = Market(Scenario.load("calm").override({"measures.receipts": "none"}), rng=1)
    with pytest.raises(ValueError, match=r"measures\.receipts"):
        holders(market, "traders", "usdc")
