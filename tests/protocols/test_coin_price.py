"""A coin's price is that of the pool that holds most of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sim import Market, Scenario


def test_the_deepest_pool_says_it_and_face_value_where_there_is_none(
    small: Callable[..., Scenario],
) -> None:
    own = {"t": {"kind": "trove", "collateral": "eth", "oracle": "eth"}}
    market = Market(small(protocols=own), rng=1)
    assert market.price("t-coin") == 1.0
    pools = {
        "shallow": {"tokens": ["t-coin", "usdc"], "reserves": {"t-coin": 1e3, "usdc": 2e3}},
        "deep": {"tokens": ["eth", "t-coin"], "reserves": {"eth": 4.5, "t-coin": 1e4}},
    }
    market = Market(small(protocols=own, pools=pools), rng=1)
    assert market.price("t-coin") == pytest.approx(0.9)
