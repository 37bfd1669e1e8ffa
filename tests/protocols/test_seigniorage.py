"""A coin and its sister: the documented example, the contracts' rule, the threshold, the books."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from agents import MarketAgent
from protocols.seigniorage import (
    backing_after,
    largest_survived,
    sister_price_after,
    spread_of,
)
from sim import Market, Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def content(small: Make, settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A market whose coin's pool is at one, and whose sister is worth a price in hers."""
    price = settings.pop("sister_at", 0.5)
    found = small().to_dict() | more
    found["protocols"] = {
        "terra": {
            "kind": "seigniorage", "market": "coin-usdc", "sister_market": "sister-usdc",
            "oracle": "sister", **settings,
        }
    }  # fmt: skip
    found["pools"] |= {
        "coin-usdc": {
            "tokens": ["terra-coin", "usdc"], "kind": "stableswap", "fee": 0.0004,
            "reserves": {"terra-coin": 1e6, "usdc": 1e6},
        },
        "sister-usdc": {
            "tokens": ["terra-sister", "usdc"], "fee": 0.0,
            "reserves": {"terra-sister": 1e6 / price, "usdc": 1e6},
        },
    }  # fmt: skip
    found["oracles"]["sister"] = {
        "token": "terra-sister", "source": "pool_spot", "pool": "sister-usdc",
    }  # fmt: skip
    found["audit"] = {"every": 1}
    return found


def opened(small: Make, **settings: Any) -> Market:
    return Market(content(small, settings), rng=1)


def with_coins(market: Market, name: str, amount: float) -> Idle:
    """An agent who has bought so many coins and some more (its books know all that are out)."""
    agent = Idle(market, {"usdc": 1.2 * amount}, name)
    agent.swap("coin-usdc", "usdc", 1.2 * amount)
    market.run(1)
    assert agent.wallet["terra-coin"] > amount
    return agent


# The documentation's example (Terra docs, "Market": virtual pools of 1000 SDR each, Luna at half an
# SDR, 100 SDT are offered)
EXAMPLE = {"base_pool": 1000.0, "least_spread": 0.0, "recovery": 1_000_000_000}


def test_the_documents_example(small: Make) -> None:
    """A hundred coins give 90.91 of worth, or 181.82 of the sister, at a spread of 9.09 %."""
    market = opened(small, **EXAMPLE)
    ann = with_coins(market, "ann", 100.0)
    ann.act("terra", "swap", 100.0, token_in="terra-coin", token_out="terra-sister")
    market.run(1)
    assert ann.wallet["terra-sister"] == pytest.approx(181.8181818, rel=1e-8)
    assert spread_of(100.0, 1000.0, 0.0, 0.0, True) == pytest.approx(1.0 / 11.0)
    terra = market.protocols["terra"]
    assert terra.value("taken") == pytest.approx(100.0 / 11.0)  # type: ignore[attr-defined]


def test_the_least_spread_is_charged_where_the_pools_say_less() -> None:
    """Two per cent, as the documents have it: one SDT gives 980 of 1000 KRT worth of Luna."""
    assert spread_of(1.0, 1e6, 0.0, 0.02, True) == 0.02
    assert spread_of(1e5, 1e6, 0.0, 0.02, True) == pytest.approx(1.0 / 11.0)


def test_the_virtual_pools_move_and_recover(small: Make) -> None:
    """delta goes up by coins paid in, and back by a part of it in every block."""
    market = opened(small, base_pool=1000.0, least_spread=0.0, recovery=4)
    ann = with_coins(market, "ann", 300.0)
    ann.act("terra", "swap", 100.0, token_in="terra-coin", token_out="terra-sister")
    terra: Any = market.protocols["terra"]
    seen = []
    for _ in range(3):
        market.run(1)
        seen.append(terra.value("delta"))
    assert seen == pytest.approx([75.0, 56.25, 42.1875])
    # Back again it costs less than nothing would have: the spread is for who goes the same way.
    assert spread_of(40.0, 1000.0, 42.0, -1.0, False) < 0.0
    assert spread_of(40.0, 1000.0, 42.0, -1.0, True) > 0.0
    assert spread_of(40.0, 1000.0, 42.0, 0.005, False) == 0.005


def test_there_and_back_gains_nothing(small: Make) -> None:
    market = opened(small, base_pool=1000.0, least_spread=0.001)
    ann = with_coins(market, "ann", 500.0)
    had = ann.wallet["terra-coin"]
    with ann.transaction():
        ann.act("terra", "swap", 500.0, token_in="terra-coin", token_out="terra-sister")
        ann.act("terra", "swap", -1.0, token_in="terra-sister", token_out="terra-coin")
    market.run(1)
    assert had - 500.0 < ann.wallet["terra-coin"] < had
    assert market.receipts()["status"].astype(str).tolist()[-1] == "done"


def test_what_is_shut_exchanges_nothing(small: Make) -> None:
    shock = {"kind": "event", "protocol": "terra", "event": "shut", "block": 3, "blocks": 2}
    market = Market(content(small, dict(EXAMPLE), shocks=[shock]), rng=1)
    ann = with_coins(market, "ann", 100.0)
    for _ in range(5):
        ann.act("terra", "swap", 1.0, token_in="terra-coin", token_out="terra-sister")
        market.run(1)
    told = market.receipts().query("protocol == 'terra'")
    assert told["status"].astype(str).tolist() == ["done", "reverted", "reverted", "done", "done"]
    assert set(told["reason"].astype(str)[1:3]) == {"halted"}


def test_backing_and_wealth_are_at_market_prices(small: Make) -> None:
    market = opened(small, outside_sisters=1e6, outside_coins=2e6, sister_at=0.5)
    terra: Any = market.protocols["terra"]
    # Of the sister there are 2e6 in the pool and 1e6 outside, at a half: 1.5e6 behind 3e6 coins.
    assert terra.value("backing") == pytest.approx(0.5)
    market.run(1)
    assert terra.value("backing") == pytest.approx(0.5)
    assert market.price("terra-coin") == pytest.approx(1.0)
    assert market.price("terra-sister") == pytest.approx(0.5)


def test_the_derived_backing_is_what_a_redemption_leaves(small: Make) -> None:
    """200 small redemptions, each sold at once: the closed form, of infinitely many, to 1 %."""
    settings = {"outside_coins": 9e6, "outside_sisters": 10e6, "sister_at": 0.5}
    market = opened(small, base_pool=1e15, least_spread=0.0, **settings)
    terra: Any = market.protocols["terra"]
    ann = with_coins(market, "ann", 5e5)
    start, coins = terra.value("backing"), terra.value("coins")
    for _ in range(200):
        with ann.transaction():
            ann.act("terra", "swap", 2500.0, token_in="terra-coin", token_out="terra-sister")
            ann.swap("sister-usdc", "terra-sister", -1.0)
        market.run(1)
    left = market.ledger.supply("terra-coin")
    assert left == pytest.approx(coins - 5e5, rel=1e-9)
    y, r = 1e6 / coins, 5e5 / coins
    price = market.pools["sister-usdc"].spot_price("terra-sister", "usdc") / 0.5
    assert price == pytest.approx(sister_price_after(r, y), rel=1e-2)
    worth = market.price("terra-sister") * market.ledger.supply("terra-sister") / left
    assert worth == pytest.approx(backing_after(r, start, y), rel=1e-2)


def test_the_threshold_is_where_a_run_stops() -> None:
    """Against the run itself, step by step: who is left looks, and goes or stays."""
    fears = [0.1 + 0.4 * i / 400 for i in range(400)]

    def leaves(backing: float, _gone: float) -> float:
        return sum(f > backing for f in fears) / len(fears)

    for backing, depth in ((0.6, 0.3), (0.6, 0.6), (1.5, 0.3), (0.35, 0.5)):
        most = largest_survived(leaves, backing, depth)

        def ends(first: float, backing: float = backing, depth: float = depth) -> float:
            r = first
            for _ in range(100_000):
                wants = first + (1.0 - first) * leaves(backing_after(r, backing, depth), r)
                if wants <= r + 1e-12:
                    return r
                r = wants
                if r > 0.999:
                    return 1.0
            return r

        if most > 0.02:
            assert ends(most - 0.01) < 0.95, (backing, depth)
        assert ends(min(most + 0.01, 0.999)) > 0.95, (backing, depth)


def test_deeper_and_better_backed_coins_survive_more() -> None:
    def leaves(backing: float, _gone: float) -> float:
        return min(max((0.5 - backing) / 0.4, 0.0), 1.0)

    by_depth = [largest_survived(leaves, 0.6, depth) for depth in (0.1, 0.2, 0.4, 0.8)]
    by_backing = [largest_survived(leaves, b, 0.3) for b in (0.4, 0.6, 0.8, 1.2)]
    assert by_depth == sorted(by_depth) and by_depth[0] < 0.5 * by_depth[-1]
    assert by_backing == sorted(by_backing) and by_backing[0] < 0.5 * by_backing[-1]


def test_the_books_agree_in_all_weathers(small: Make) -> None:
    """Anything at any time; the audit after every block, and shut in between."""
    shocks = [{"kind": "event", "protocol": "terra", "event": "shut", "block": 20, "blocks": 5}]
    market = Market(content(small, {"base_pool": 1e5}, shocks=shocks), rng=1)
    chance = random.Random(3)
    people = [Idle(market, {"usdc": 1e5}, f"p{n}") for n in range(4)]
    for _ in range(60):
        for one in people:
            what = chance.choice(("coin", "sister"))
            pool, token = f"{what}-usdc", f"terra-{what}"
            if chance.random() < 0.5:
                one.swap(pool, "usdc", chance.uniform(0.0, 2e4))
            else:
                one.swap(pool, token, -2.0)
            pair = ["terra-coin", "terra-sister"]
            chance.shuffle(pair)
            amount = chance.choice((-2.0, 1e3, 1e12, 1e-9))
            one.act("terra", "swap", amount, token_in=pair[0], token_out=pair[1])
        market.run(1)
        market.protocols["terra"].audit()
    assert (market.receipts()["status"] == "done").sum() > 100


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"market": "nowhere"}, "protocols.terra.market"),
        ({"oracle": "moon"}, "protocols.terra.oracle"),
        ({"base_pool": 0.0}, "protocols.terra.base_pool"),
        ({"least_spread": 1.0}, "protocols.terra.least_spread"),
    ],
)
def test_what_is_wrong_is_named(small: Make, change: dict[str, Any], field: str) -> None:
    with pytest.raises(ScenarioError) as told:
        Market(content(small, change), rng=1)
    assert any(at == field for at, _ in told.value.problems), told.value
