"""The handle of a pool."""

from __future__ import annotations

import pytest

from protocols.constant_product import amount_out
from sim import Market


def test_a_pool_tells_its_reserves_prices_and_quotes(market: Market) -> None:
    pool = market.pools["eth-usdc"]
    assert pool.reserves == pytest.approx({"eth": 1000.0, "usdc": 2e6})
    assert pool.spot_price() == pytest.approx(2000.0)
    assert pool.spot_price("usdc", "eth") == pytest.approx(1.0 / 2000.0)
    assert pool.quote("eth", "usdc", 10.0) == amount_out(1000.0, 2e6, 10.0, 0.003)
    assert (pool.fee, pool.share, pool.tokens) == (0.003, "eth-usdc-share", ("eth", "usdc"))
    assert pool.volume == {"eth": 0.0, "usdc": 0.0}
    assert repr(pool) == "<ConstantProductPool eth-usdc: 1000 eth, 2e+06 usdc>"


def test_mistakes_are_named(market: Market) -> None:
    pool = market.pools["eth-usdc"]
    with pytest.raises(ValueError, match="holds eth and usdc, not 'dai'"):
        pool.spot_price("dai", "usdc")
    with pytest.raises(ValueError, match="must differ"):
        pool.quote("eth", "eth", 1.0)
    with pytest.raises(ValueError, match="amount must be >= 0"):
        pool.quote("eth", "usdc", -1.0)
