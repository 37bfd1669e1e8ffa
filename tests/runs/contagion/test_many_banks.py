"""Markets of many banks: as joined as asked for, and alike in all else."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest

from runs.contagion.many_banks import (
    FALLS,
    bank_of,
    coins,
    many_banks,
    others,
    standing,
    their_losses,
)
from sim import Market
from sim.errors import ScenarioError

BANKS = 5


@pytest.mark.parametrize("network", [0, 1, 7])
@pytest.mark.parametrize("degree", [1, 2, 5, 11, 12])
def test_each_stands_in_as_many_coins_and_each_coin_has_as_many(degree: int, network: int) -> None:
    where = standing(12, degree, network)
    assert [row[0] for row in where] == list(range(12))
    assert all(len(set(row)) == degree for row in where)
    assert set(Counter(a for row in where for a in row).values()) == {degree}


def test_a_drawn_network_is_no_ring_and_its_seed_is_all() -> None:
    assert standing(12, 3)[11] == [11, 0, 1]
    assert standing(12, 3, 4) == standing(12, 3, 4)
    assert len({str(standing(12, 3, n)) for n in range(5)}) == 5


@pytest.mark.parametrize("degree", [0, 13])
def test_more_links_than_coins_are_told(degree: int) -> None:
    with pytest.raises(ValueError, match="give 1 to 12"):
        standing(12, degree)


def test_an_unknown_family_or_path_is_told() -> None:
    with pytest.raises(ValueError, match="there are makers, funds"):
        many_banks({"keepers": 2}, BANKS)
    with pytest.raises(ScenarioError, match="stands for no field"):
        many_banks(banks=BANKS, changes={"agents.nobody-*.count": 2})


def opening(degree: int) -> tuple[pd.Series, pd.Series]:
    """What there is of each token, and the depth of each book, as the market opens."""
    market = Market(many_banks({"makers": degree, "liquidators": degree}, BANKS, fall=0.0), rng=3)
    names = market.ledger.tokens
    held = pd.Series({name: market.ledger.supply(name) for name in names})
    depth = pd.Series(
        {c: float(a["units"]) for c, a in zip(market.venue.names, market.world.assets, strict=True)}
    )
    market.close()
    return held, depth


def test_links_change_neither_what_there_is_nor_its_depth() -> None:
    held, depth = opening(1)
    for degree in (2, BANKS):
        more, deeper = opening(degree)
        pd.testing.assert_series_equal(held, more, rtol=1e-12)
        pd.testing.assert_series_equal(depth, deeper, rtol=1e-12)


def run(degree: int, fall: float) -> pd.DataFrame:
    setup = many_banks({"makers": degree}, BANKS, fall, changes={"blocks": 150})
    market = Market(setup, rng=2).run()
    frame: pd.DataFrame = market.datacollector.get_model_vars_dataframe()
    market.close()
    return frame


def of_others(frame: pd.DataFrame) -> pd.DataFrame:
    """Prices, depths and banks of coins that are not struck."""
    wanted = [
        name
        for name in frame
        for coin in coins(BANKS)
        if coin != FALLS and name.startswith((f"venue.{coin}.", f"lending.{bank_of(coin)}."))
    ]
    assert len(wanted) > 2 * (BANKS - 1)
    return frame[wanted]


def test_without_links_the_others_are_those_of_the_twin_to_the_bit() -> None:
    pd.testing.assert_frame_equal(of_others(run(1, 0.4)), of_others(run(1, 0.0)), check_exact=True)


def test_with_links_the_fall_reaches_the_books_of_whose_makers_stand_in_both() -> None:
    struck, calm = run(2, 0.4), run(2, 0.0)
    # On a ring of degree 2 the makers of coin 1 are its own, who also makes 2, and that of 5.
    fallen = {
        c: (struck[f"venue.{c}.depth"] / calm[f"venue.{c}.depth"]).min() for c in coins(BANKS)
    }
    assert fallen["coin2"] < 0.9 and fallen["coin5"] < 0.9
    assert fallen["coin3"] > 0.99 and fallen["coin4"] > 0.99


def test_all_but_the_struck_are_watched() -> None:
    assert list(others(4)) == ["coin2", "coin3", "coin4"]
    assert others(4)["coin2"] == "min(venue.coin2.price) < 80"
    assert their_losses(3) == {c: f"last(lending.bank-{c}.loss)" for c in ("coin2", "coin3")}
