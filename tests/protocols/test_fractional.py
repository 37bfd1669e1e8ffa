"""A partly backed coin: the documents' examples, the ratio's steps, the books."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from agents import MarketAgent
from protocols.fractional import minted_for, redeemed_for, stepped
from sim import Market, Scenario
from sim.codes import ALL
from sim.errors import ScenarioError

Make = Callable[..., Scenario]


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def content(small: Make, settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A market whose coin's pool has a price, and whose share has one."""
    share, coin = settings.pop("share_at", 4.0), settings.pop("coin_at", 1.0)
    found = small().to_dict() | more
    found["protocols"] = {
        "frax": {
            "kind": "fractional", "collateral": "usdc", "market": "frax-usdc",
            "share_market": "fxs-usdc", "oracle": "frax", "share_oracle": "fxs",
            "collateral_oracle": "usdc", **settings,
        }
    }  # fmt: skip
    found["pools"] |= {
        "frax-usdc": {
            "tokens": ["frax-coin", "usdc"], "fee": 0.0,
            "reserves": {"frax-coin": 1e6, "usdc": 1e6 * coin},
        },
        "fxs-usdc": {
            "tokens": ["frax-share", "usdc"], "fee": 0.0,
            "reserves": {"frax-share": 1e6, "usdc": 1e6 * share},
        },
    }  # fmt: skip
    found["oracles"] |= {
        "frax": {"token": "frax-coin", "source": "pool_spot", "pool": "frax-usdc"},
        "fxs": {"token": "frax-share", "source": "fixed", "price": share},
        "usdc": {"token": "usdc", "source": "fixed", "price": 1.0},
    }
    found["audit"] = {"every": 1}
    return found


def opened(small: Make, **settings: Any) -> Market:
    return Market(content(small, settings), rng=1)


def convert(market: Market, agent: MarketAgent, coins: bool, amount: float) -> None:
    """Redeem coins, or mint some."""
    pair = ("frax-coin", "usdc") if coins else ("usdc", "frax-coin")
    agent.act("frax", "convert", amount, token_in=pair[0], token_out=pair[1])
    market.run(1)


def bought(market: Market, token: str, amount: float) -> Idle:
    """An agent who has so much of a token, from its pool, and dollars."""
    pool = "frax-usdc" if token == "frax-coin" else "fxs-usdc"
    agent = Idle(market, {"usdc": 1e6}, f"{token}-holder")
    agent.swap(pool, "usdc", 9e5)
    market.run(1)
    assert agent.wallet[token] > amount
    return agent


# Examples of the documentation ("Minting and Redeeming"; "Buyback and Recollateralize")


@pytest.mark.parametrize(
    ("paid", "price", "share", "ratio", "shares", "coins"),
    [
        (200.0, 1.0, 2.0, 1.0, 0.0, 200.0),  # A
        (120.0, 1.0, 2.0, 0.8, 15.0, 150.0),  # B
        (220.0, 0.995, 3.5, 0.5, 62.54, 437.8),  # C, rounded there
    ],
)
def test_the_documents_mint(
    paid: float, price: float, share: float, ratio: float, shares: float, coins: float
) -> None:
    assert minted_for(paid, price, share, ratio) == pytest.approx((coins, shares), rel=1e-4)


def test_the_documents_redemption() -> None:
    """170 coins at 65 % and 3.75 dollars a share: 110.5 dollars, and 15.867 shares of 59.5."""
    assert redeemed_for(170.0, 1.0, 3.75, 0.65) == pytest.approx((110.5, 15.8667), rel=1e-5)


def test_a_mint_in_blocks(small: Make) -> None:
    """Example B in a market: 120 dollars and 15 shares at two make 150 coins."""
    market = opened(small, start_ratio=0.8, share_at=2.0, step=0.0)
    ann = bought(market, "frax-share", 100.0)
    had, shares = ann.wallet["usdc"], ann.wallet["frax-share"]
    convert(market, ann, False, 120.0)
    assert ann.wallet["frax-coin"] == pytest.approx(150.0)
    assert had - ann.wallet["usdc"] == pytest.approx(120.0)
    assert shares - ann.wallet["frax-share"] == pytest.approx(15.0)


def test_a_redemption_in_blocks(small: Make) -> None:
    market = opened(small, start_ratio=0.65, share_at=3.75, step=0.0)
    ann = bought(market, "frax-coin", 200.0)
    had = ann.wallet["usdc"]
    convert(market, ann, True, 170.0)
    assert ann.wallet["usdc"] - had == pytest.approx(110.5)
    assert ann.wallet["frax-share"] == pytest.approx(15.8666667)
    frax: Any = market.protocols["frax"]
    # What is redeemed at the ratio leaves the ratio's part behind all others.
    assert frax.value("held") == pytest.approx(0.65 * market.ledger.supply("frax-coin"))


def test_the_documents_recollateralisation(small: Make) -> None:
    """100 million coins, a step from 50 to 50.25 %: 250,000 dollars, a bonus of 0.2 %, 3.80 each.

    The documents count 65,921.05 shares.
    """
    settings = {"outside_coins": 99e6, "start_ratio": 0.5, "covered": 1.0, "bonus": 0.002}
    market = opened(small, share_at=3.8, coin_at=0.99, epoch=12.0, **settings)
    frax: Any = market.protocols["frax"]
    while frax.value("ratio") == 0.5:
        market.run(1)
    assert frax.value("ratio") == pytest.approx(0.5025)
    ann = Idle(market, {"usdc": 1e6}, "ann")
    frax.put("epochs", 1e9)  # it stays there
    ann.act("frax", "recollateralise", 4e5, token_in="usdc", token_out="frax-share")
    market.run(1)
    assert 1e6 - ann.wallet["usdc"] == pytest.approx(250_000.0)
    assert ann.wallet["frax-share"] == pytest.approx(65_921.05, abs=0.01)
    assert frax.value("held") == pytest.approx(0.5025 * 1e8)
    ann.act("frax", "recollateralise", 1e3, token_in="usdc", token_out="frax-share")
    market.run(1)
    assert str(market.receipts()["reason"].iloc[-1]) == "cap"


def test_the_documents_buyback(small: Make) -> None:
    """150 million coins at 50 %, 76 million behind them: a million is to be had for shares."""
    settings = {"outside_coins": 149e6, "start_ratio": 0.5, "covered": 76.0 / 75.0, "step": 0.0}
    market = opened(small, share_at=4.2, **settings)
    ann = Idle(market, {"usdc": 2.5e6}, "ann")
    ann.swap("fxs-usdc", "usdc", 2.5e6)
    market.run(1)
    had = ann.wallet["frax-share"]
    assert had > 238_096.0
    ann.act("frax", "buy_back", had, token_in="frax-share", token_out="usdc")
    market.run(1)
    assert had - ann.wallet["frax-share"] == pytest.approx(238_095.238, rel=1e-8)
    assert ann.wallet["usdc"] == pytest.approx(1e6)


def test_the_ratio_moves_by_the_price_and_within_its_ends(small: Make) -> None:
    assert stepped(0.5, 1.006, 0.005, 0.0025) == 0.4975
    assert stepped(0.5, 0.994, 0.005, 0.0025) == 0.5025
    assert stepped(0.5, 1.004, 0.005, 0.0025) == stepped(0.5, 0.996, 0.005, 0.0025) == 0.5
    assert stepped(0.001, 2.0, 0.005, 0.0025) == 0.0 and stepped(0.999, 0.5, 0.005, 0.0025) == 1.0
    market = opened(small, start_ratio=0.5, coin_at=1.02, epoch=36.0)
    seen = []
    for _ in range(9):
        market.run(1)
        seen.append(market.protocols["frax"].value("ratio"))  # type: ignore[attr-defined]
    assert len(set(seen)) in (3, 4)  # a step in three blocks of 12 seconds
    assert seen[-1] == pytest.approx(0.4925) and seen == sorted(seen, reverse=True)


def test_there_and_back_gains_nothing(small: Make) -> None:
    market = opened(small, start_ratio=0.7, step=0.0, mint_fee=0.001)
    ann = bought(market, "frax-share", 1e4)
    worth = ann.wallet["usdc"] + 4.0 * ann.wallet["frax-share"]
    convert(market, ann, False, 1000.0)
    made = ann.wallet["frax-coin"]
    convert(market, ann, True, made)
    assert ann.wallet.get("frax-coin", 0.0) == 0.0
    assert ann.wallet["usdc"] + 4.0 * ann.wallet["frax-share"] == pytest.approx(
        worth - 0.001 * 1000.0 / 0.7, rel=1e-9
    )


def test_what_is_lost_is_outside_and_leaves_the_rest_first_come(small: Make) -> None:
    shock = {
        "kind": "event",
        "protocol": "frax",
        "event": "lost",
        "size": 0.5,
        "block": 3,
        "blocks": 1,
    }
    market = Market(content(small, {"start_ratio": 0.9}, shocks=[shock]), rng=1)
    ann = bought(market, "frax-coin", 3e5)
    before = sum(market.ledger.balances.sum(axis=0)[[market.ledger.token("usdc")]])
    market.run(4)
    frax: Any = market.protocols["frax"]
    assert frax.value("lost") == pytest.approx(0.9e6 / 2.0)
    assert sum(market.ledger.balances.sum(axis=0)[[market.ledger.token("usdc")]]) == before
    convert(market, ann, True, 400_000.0)
    assert frax.value("held") == pytest.approx(0.45e6 - 0.9 * 400_000.0)
    convert(market, ann, True, 73_000.0 / 0.9 * 1.5)
    told = market.receipts()["reason"].astype(str).tolist()
    assert "no_cash" in told[-1] or "insufficient" in told[-1]


def test_the_books_agree_in_all_weathers(small: Make) -> None:
    """Anything at any time, the ratio moving, shut and robbed in between; audited each block."""
    shocks = [
        {"kind": "event", "protocol": "frax", "event": "shut", "block": 20, "blocks": 5},
        {
            "kind": "event",
            "protocol": "frax",
            "event": "lost",
            "size": 0.3,
            "block": 40,
            "blocks": 1,
        },
    ]
    settings = {"start_ratio": 0.8, "epoch": 24.0, "step": 0.03, "covered": 1.05}
    market = Market(content(small, settings, shocks=shocks), rng=1)
    chance = random.Random(3)
    people = [Idle(market, {"usdc": 3e5}, f"p{n}") for n in range(4)]
    for one in people:
        one.swap("fxs-usdc", "usdc", 1e5)
    market.run(1)
    for _ in range(60):
        for one in people:
            amount = chance.choice((ALL, 1e3, 3e3, 1e12, 1e-9))
            call = chance.choice(("convert", "convert", "recollateralise", "buy_back"))
            pair = ["frax-coin", "usdc"]
            if call == "convert":
                chance.shuffle(pair)
            elif call == "recollateralise":
                pair = ["usdc", "frax-share"]
            else:
                pair = ["frax-share", "usdc"]
            one.act("frax", call, amount, token_in=pair[0], token_out=pair[1])
            if chance.random() < 0.3:
                pool = chance.choice(("frax-usdc", "fxs-usdc"))
                one.swap(pool, "usdc", chance.uniform(0.0, 1e4))
            elif chance.random() < 0.3:
                one.swap("frax-usdc", "frax-coin", ALL)  # below one, so that the ratio rises
        market.run(1)
        market.protocols["frax"].audit()
    done = market.receipts().query("status == 'done'")["kind"].astype(str)
    assert {"convert", "recollateralise", "buy_back"} <= set(done)
    assert len(done) > 100


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"market": "nowhere"}, "protocols.frax.market"),
        ({"oracle": "fxs"}, "protocols.frax.oracle"),
        ({"collateral": "moon"}, "protocols.frax.collateral"),
        ({"start_ratio": 1.5}, "protocols.frax.start_ratio"),
    ],
)
def test_what_is_wrong_is_named(small: Make, change: dict[str, Any], field: str) -> None:
    with pytest.raises(ScenarioError) as told:
        Market(content(small, change), rng=1)
    assert any(at == field for at, _ in told.value.problems), told.value
