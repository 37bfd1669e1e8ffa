"""Owners of troves keep their ratio, and close where the coin is cheap; redeemers come then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sim import Market, Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
FALL = {"kind": "price_jump", "asset": "eth", "size": -0.25, "block": 3}


def content(
    small: Make, owners: dict[str, Any], coin_at: float = 1.0, **changes: Any
) -> dict[str, Any]:
    """A market with a trove of 50,000 dollars' equity at a ratio of 2.5, and what is changed."""
    owner = {
        "kind": "trove_owner", "count": 1, "protocol": "liquity",
        "pools": ["lusd-usdc", "eth-usdc"], "equity": 50_000.0, "ratio": 2.5, "floor": 1.9,
        "attention": 1.0, "patience": 1, "volatility_response": 0.0,
    }  # fmt: skip
    others = changes.pop("agents", {})
    setup = small(**changes).to_dict()
    setup["protocols"] = {
        "liquity": {
            "kind": "trove", "collateral": "eth", "oracle": "eth",
            **changes.get("liquity", {}),
        }
    }  # fmt: skip
    setup["pools"]["lusd-usdc"] = {
        "kind": "stableswap", "tokens": ["liquity-coin", "usdc"], "amplification": 50.0,
        "fee": 0.0004,
        "reserves": {"liquity-coin": 1e6, "usdc": 1e6 * coin_at},
    }  # fmt: skip
    setup["agents"] = {"owners": owner | owners} | others
    setup["audit"] = {"every": 1}
    return setup


def kinds(market: Market) -> list[str]:
    told = market.receipts()
    return told[told["status"] == "done"]["kind"].astype(str).tolist()


def ratio(market: Market, account: str = "owners-0") -> float:
    collateral, debt = market.protocols["liquity"].trove(account)  # type: ignore[attr-defined]
    return float(collateral * market.price("eth") / debt)


def test_it_begins_at_its_ratio_and_owns_its_equity(small: Make) -> None:
    market = Market(content(small, {}), rng=1).run(2)
    assert ratio(market) == pytest.approx(2.5)
    assert market.receipts().empty
    _, debt = market.protocols["liquity"].trove("owners-0")  # type: ignore[attr-defined]
    assert debt == pytest.approx(50_000.0 / 1.5)


@pytest.mark.parametrize(
    ("wallet", "wanted"),
    [
        ({"liquity-coin": 30_000.0}, ["repay"]),
        ({"eth": 1000.0}, ["put_in"]),
        ({"usdc": 30_000.0}, ["swap", "repay"]),
        ({}, ["take_out", "swap", "swap", "repay"]),
    ],
)
def test_when_ether_falls_it_restores_its_ratio_by_what_it_has(
    small: Make, wallet: dict[str, float], wanted: list[str]
) -> None:
    group = {"wallet": wallet, "band": 1.0}
    market = Market(content(small, group, shocks=[FALL | {"size": -0.3}]), rng=1).run(12)
    assert kinds(market)[: len(wanted)] == wanted
    assert ratio(market) > 2.3


def test_where_the_coin_is_cheap_it_buys_its_debt_back_and_closes(small: Make) -> None:
    found = content(small, {"wallet": {"usdc": 60_000.0}, "wait": 1e6}, coin_at=0.3)
    market = Market(found, rng=1).run(4)
    assert kinds(market)[:2] == ["swap", "close"]
    assert market.protocols["liquity"].trove("owners-0") == (0.0, 0.0)  # type: ignore[attr-defined]
    assert market.wealth("owners-0") > 110_000.0  # what it saved, too


def test_who_closed_opens_anew_after_a_while_when_the_coin_is_dear(small: Make) -> None:
    group = {"equity": 2_000.0, "wallet": {"eth": 500.0}, "wait": 5}
    market = Market(content(small, group), rng=1).run(15)
    assert kinds(market)[:2] == ["open", "swap"]
    assert ratio(market) == pytest.approx(2.5, rel=0.02)


def test_redeemers_bring_a_coin_below_par_to_the_troves(small: Make) -> None:
    """Generic redeemers: they buy the coin, redeem it for ether, and sell that."""
    redeemers = {
        "desks": {
            "kind": "redeemer", "count": 1, "protocol": "liquity", "pools": ["lusd-usdc"],
            "sells": "eth-usdc", "wallet": {"usdc": 50_000.0},
        }
    }  # fmt: skip
    idle = {"attention": 0.0, "alarm": 0.0}
    market = Market(content(small, idle, 0.3, agents=redeemers), rng=1).run(4)
    assert kinds(market)[:3] == ["swap", "redeem", "swap"]
    assert market.protocols["liquity"].value("redeemed") > 0.0  # type: ignore[attr-defined]
    assert market.wealth("desks-0") > 50_000.0


def test_pools_without_the_coin_are_refused(small: Make) -> None:
    with pytest.raises(ScenarioError, match="name a pool that does"):
        Market(content(small, {"pools": ["eth-usdc"]}), rng=1)
