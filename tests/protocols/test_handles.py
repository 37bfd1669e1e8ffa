"""Pools as a person holds them."""

from __future__ import annotations

import pytest

from protocols.handles import CurvedPool, StableSwapPool, WeightedPool
from sim import Market, registry
from tests.protocols.test_amm import setup


def test_every_kind_has_its_handle() -> None:
    for kind in registry.pools():
        assert registry.pool(kind).kind == kind
        assert isinstance(Market(setup(kind), rng=1).pools["pool"], registry.pool(kind))
    assert {registry.pool("weighted"), registry.pool("stableswap")} == {
        WeightedPool,
        StableSwapPool,
    }


@pytest.mark.parametrize("kind", ["weighted", "stableswap"])
def test_what_a_pool_does_not_hold_is_refused(kind: str) -> None:
    pool = Market(setup(kind), rng=1).pools["pool"]
    assert isinstance(pool, CurvedPool)
    first, second = pool.tokens
    assert pool.spot_price(first, second) * pool.spot_price(second, first) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="not 'btc'"):
        pool.spot_price("btc")
    with pytest.raises(ValueError, match="must differ"):
        pool.quote(first, first, 1.0)
    with pytest.raises(ValueError, match=">= 0"):
        pool.quote(first, second, -1.0)
    assert pool.quote(first, second, 0.0) == 0.0
    assert kind.replace("swap", "") in repr(pool).lower()
