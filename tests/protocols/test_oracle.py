"""Oracles: what they read, how late, and when they publish."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import MarketAgent
from protocols.lending import SUPPLY_INDEX
from sim import Market, Scenario


class Idle(MarketAgent):
    pass


def fed(small: Callable[..., Scenario], jumps: dict[int, float], **feed: Any) -> np.ndarray:
    """Prices that the oracle of ether publishes, block by block."""
    shocks = [
        {"kind": "price_jump", "asset": "eth", "size": s, "block": b} for b, s in jumps.items()
    ]
    setup = small(oracles={"eth": feed}, shocks=shocks, measures={"keep": ["oracle.eth.price"]})
    market = Market(setup, rng=1).run(20)
    return market.datacollector.get_model_vars_dataframe()["oracle.eth.price"].to_numpy()


def test_it_follows_the_venue_at_once_by_default(small: Callable[..., Scenario]) -> None:
    assert fed(small, {5: 0.5}) == pytest.approx([2000.0] * 4 + [3000.0] * 16)


def test_it_lags(small: Callable[..., Scenario]) -> None:
    assert fed(small, {5: 0.5}, lag=3) == pytest.approx([2000.0] * 7 + [3000.0] * 13)


def test_small_moves_are_published_only_when_stale(small: Callable[..., Scenario]) -> None:
    jumps = {3: 0.004, 10: 0.1}
    assert fed(small, jumps, deviation=0.01)[:9] == pytest.approx(2000.0)
    assert fed(small, jumps, deviation=0.01)[9:] == pytest.approx(2000.0 * 1.004 * 1.1)
    late = fed(small, {3: 0.004}, deviation=0.01, heartbeat=8)
    assert late[6] == pytest.approx(2000.0)
    assert late[7:] == pytest.approx(2008.0)


def test_held_back_it_moves_by_parts(small: Callable[..., Scenario]) -> None:
    held = {"most_move": 0.1, "hop": 3, "deviation": 1e-6}
    down = [2000.0] * 4 + [1800.0] * 3 + [1620.0] * 3 + [1500.0] * 10
    assert fed(small, {5: -0.25}, **held) == pytest.approx(down)
    up = [2000.0] * 4 + [2200.0] * 3 + [2300.0] * 13
    assert fed(small, {5: 0.15}, **held) == pytest.approx(up)
    # A fall that is made good within the hop is never published beyond its first part.
    assert fed(small, {5: -0.5, 7: 1.0}, **held).min() == pytest.approx(1800.0)
    slow = fed(small, {5: -0.25}, hop=10, deviation=1e-6)
    assert slow == pytest.approx([2000.0] * 9 + [1500.0] * 11)


def test_it_says_no_more_than_its_cap(small: Callable[..., Scenario]) -> None:
    said = fed(small, {5: 0.5, 9: -0.4}, most_price=2100.0)
    assert said == pytest.approx([2000.0] * 4 + [2100.0] * 4 + [1800.0] * 12)
    assert Market(small(oracles={"eth": {"most_price": 1900.0}})).oracles["eth"].price == 1900.0


def test_what_a_receipt_stands_for_grows_no_faster_than_its_cap(
    small: Callable[..., Scenario],
) -> None:
    receipt = {"token": "bank-eth", "source": "receipt"}
    oracles = {"free": receipt, "capped": receipt | {"most_growth": 0.1}}
    market = Market(small(oracles=oracles, block={"seconds": 86_400.0}), rng=1)
    reserve = next(r for r in market.world.reserves if r["token"] == market.ledger.token("eth"))
    slot = int(reserve["slot"]) + SUPPLY_INDEX
    for index, blocks, most in ((1.5, 73, 1.0 + 0.1 * 73 / 365.25), (0.8, 1, 0.8)):
        market.world.books.storage[slot] = index
        market.run(blocks)
        assert market.oracles["free"].price == pytest.approx(2000.0 * index, rel=1e-9)
        assert market.oracles["capped"].price == pytest.approx(2000.0 * most, rel=1e-9)


def test_a_time_weighted_price_is_the_mean_of_a_window(small: Callable[..., Scenario]) -> None:
    feed = {"eth": {"source": "pool_twap", "pool": "eth-usdc", "window": 5}}
    market = Market(small(oracles=feed), rng=1)
    ann = Idle(market, {"eth": 1e4}, "ann")
    spots = []
    rng = np.random.default_rng(1)
    for _ in range(23):
        # The oracle reads before the block's trades, so it sees the block before.
        spots.append(market.pools["eth-usdc"].spot_price())
        ann.swap("eth-usdc", "eth", float(rng.uniform(1.0, 50.0)))
        market.run(1)
        seen = spots[-5:]
        assert market.oracles["eth"].price == pytest.approx(np.mean(seen), rel=1e-9)


def test_a_pool_that_quotes_in_another_token_needs_its_price(
    small: Callable[..., Scenario],
) -> None:
    venue = {"assets": {"dai": {"price": 1.05, "process": "constant"}}}
    pools = {"eth-dai": {"tokens": ["eth", "dai"], "reserves": {"eth": 100.0, "dai": 190_000.0}}}
    oracles = {
        "dai": {"token": "dai"},
        "eth": {"source": "pool_spot", "pool": "eth-dai", "quote": "dai"},
    }
    market = Market(small(venue=venue, pools=pools, oracles=oracles), rng=1).run(2)
    assert market.oracles["eth"].price == pytest.approx(1900.0 * 1.05)


def test_an_emptied_pool_leaves_the_last_price(small: Callable[..., Scenario]) -> None:
    for source in ("pool_spot", "pool_twap"):
        feed = {"eth": {"source": source, "pool": "eth-usdc", "window": 3}}
        leave = {"kind": "provider_exit", "pool": "eth-usdc", "share": 1.0, "block": 3}
        market = Market(small(oracles=feed, shocks=[leave]), rng=1).run(10)
        assert market.oracles["eth"].price == pytest.approx(2000.0)


@given(sale=st.floats(1.0, 5000.0))
def test_a_fair_share_price_is_not_moved_by_a_swap(
    small: Callable[..., Scenario], sale: float
) -> None:
    share = {"token": "eth-usdc-share", "source": "share", "pool": "eth-usdc"}
    market = Market(small(oracles={"share": share}, pools={"eth-usdc": {"fee": 0.0}}), rng=1)
    ann = Idle(market, {"eth": 1e4}, "ann")
    before = market.oracles["share"].price
    assert before == pytest.approx(4e6 / market.ledger.supply("eth-usdc-share"))
    ann.swap("eth-usdc", "eth", sale)
    market.run(2)
    assert market.oracles["share"].price == pytest.approx(before, rel=1e-12)


def test_the_fair_price_is_twice_the_geometric_mean(small: Callable[..., Scenario]) -> None:
    share = {"token": "eth-usdc-share", "source": "share", "pool": "eth-usdc"}
    market = Market(small(oracles={"share": share}), rng=1)
    supply = market.ledger.supply("eth-usdc-share")
    want = 2.0 * math.sqrt(1000.0 * 2e6 * 2000.0) / supply
    assert market.oracles["share"].price == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("kind", ["weighted", "stableswap"])
def test_fair_prices_of_other_shares(small: Callable[..., Scenario], kind: str) -> None:
    """Worth of the reserves in balance; a swap moves neither."""
    venue = {"assets": {"dai": {"price": 1.0, "process": "constant"}}}
    oracles: dict[str, dict[str, object]] = {
        "dai": {"token": "dai", "source": "fixed", "price": 0.99},
        "share": {"token": "p-share", "source": "share", "pool": "p"},
    }
    if kind == "weighted":
        pool: dict[str, object] = {
            "tokens": ["eth", "usdc"],
            "reserves": {"eth": 400.0, "usdc": 2e5},
            "weights": {"eth": 4.0, "usdc": 1.0},
        }
        want = 400.0 * 2000.0 + 2e5
    else:
        pool = {"tokens": ["dai", "usdc"], "reserves": {"dai": 1e6, "usdc": 1e6}}
        want = 2e6 * 0.99
    setup = small(venue=venue, pools={"p": pool | {"kind": kind, "fee": 0.0}}, oracles=oracles)
    market = Market(setup, rng=1)
    assert market.oracles["share"].price * market.ledger.supply("p-share") == pytest.approx(want)
    first = market.pools["p"].tokens[0]
    ann = Idle(market, {first: 1e5}, "ann")
    ann.swap("p", first, 300.0)
    market.run(2)
    assert market.oracles["share"].price * market.ledger.supply("p-share") == pytest.approx(want)


def test_the_handle_tells_what_it_knows(market: Market) -> None:
    oracle = market.run(3).oracles["eth"]
    assert (oracle.token, oracle.price) == ("eth", pytest.approx(2000.0))
    assert oracle.updated <= 3
    assert repr(oracle) == "<Oracle eth: eth at 2000>"


@pytest.mark.parametrize(
    ("feed", "span"),
    [
        ({}, (0, 1)),
        ({"lag": 3}, (3, 1)),
        ({"source": "pool_twap", "pool": "eth-usdc", "window": 5, "lag": 2}, (2, 5)),
        ({"heartbeat": 8, "deviation": 0.01}, (0, 8)),
        ({"hop": 300, "lag": 1}, (1, 300)),
        (
            {"hop": 3, "most_move": 0.5, "source": "pool_twap", "pool": "eth-usdc", "window": 5},
            (0, 8),
        ),
    ],
)
def test_it_says_how_far_back_it_looks(
    small: Callable[..., Scenario], feed: dict[str, Any], span: tuple[int, int]
) -> None:
    assert Market(small(oracles={"eth": feed})).oracles["eth"].span == span
