"""The page's runs: each row changes what it says, and the tables say what was found."""

from __future__ import annotations

import numpy as np

from runs.contagion import Interconnection
from runs.dev import robust_yet_fragile as page


def test_every_row_makes_a_market_that_differs() -> None:
    plain = page.markets((2,))[2.0].to_dict()
    rows = page.assumptions()
    made = {name: page.markets((2,), **changed)[2.0].to_dict() for name, changed in rows.items()}
    assert len(made) > 15
    assert all(found != plain for found in made.values())


def test_purses_of_more_arbitrageurs_are_the_same_in_all() -> None:
    def purse(setup: dict) -> float:
        group = setup["agents"]["arbitrageurs-coin1"]
        return float(group["count"] * group["wallet"]["usdc"]["value"])

    rows = {n: c for n, c in page.assumptions().items() if n.startswith("arbitrageurs")}
    assert len(rows) == 2
    plain = purse(page.markets((2,))[2.0].to_dict())
    for changed in rows.values():
        assert purse(page.markets((2,), **changed)[2.0].to_dict()) == plain


def test_blocks_of_other_seconds_last_as_long() -> None:
    for seconds in (6.0, 24.0):
        changed = page.timed(seconds)
        assert changed["blocks"] * seconds == 7200.0
        assert changed["shocks.0.block"] * seconds == 600.0


def test_tables_show_frequency_and_extent() -> None:
    hit = np.zeros((4, 10), bool)
    hit[0, :6] = True
    found = Interconnection(
        (2.0,), tuple(map(str, range(10))), {2.0: hit}, {2.0: hit & False}, {2.0: np.zeros(4)},
        (1, 2, 3, 4),
    )  # fmt: skip
    assert page.short(found) == ["0.25, 0.60"]
    assert page.curve(found).splitlines()[2].startswith("| 2 | 0.25 (")
