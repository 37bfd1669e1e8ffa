"""Borrowers in bands, and who trades against the bands and liquidates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents.band_borrower import repayment_to
from sim import Market, Scenario
from sim.errors import ScenarioError
from tests.agents.test_trove_owner import kinds

Make = Callable[..., Scenario]


def fall(size: float) -> dict[str, Any]:
    return {"kind": "price_jump", "asset": "eth", "size": size, "block": 3}


def content(small: Make, group: dict[str, Any], coin_at: float = 1.0, **changes: Any) -> Any:
    """A market with a loan of 10,000 dollars' equity at a ratio of 1.5, and what is changed."""
    borrower = {
        "kind": "band_borrower", "count": 1, "protocol": "bands", "equity": 10_000.0,
        "pools": ["coin-usdc", "eth-usdc"], "ratio": 1.5, "attention": 1.0, "patience": 1,
    }  # fmt: skip
    others = changes.pop("agents", {})
    setup = small(**changes).to_dict()
    setup["protocols"] = {"bands": {"kind": "soft", "collateral": "eth", "oracle": "eth"}}
    setup["pools"]["coin-usdc"] = {
        "kind": "stableswap", "tokens": ["bands-coin", "usdc"], "amplification": 50.0,
        "fee": 0.0004, "reserves": {"bands-coin": 1e6, "usdc": 1e6 * coin_at},
    }  # fmt: skip
    setup["agents"] = {"owners": borrower | group} | others
    setup["audit"] = {"every": 1}
    return setup


DESKS = {
    "desks": {
        "kind": "redeemer", "count": 1, "protocol": "bands", "pools": ["coin-usdc"],
        "sells": "eth-usdc", "wallet": {"usdc": 50_000.0},
    }
}  # fmt: skip


def test_a_repayment_brings_health_to_what_is_wanted() -> None:
    paid = repayment_to(100.0, -0.1, 0.2)
    assert 90.0 / (100.0 - paid) == pytest.approx(1.2)
    assert repayment_to(100.0, 0.3, 0.2) == 0.0


def test_it_begins_with_its_loan_and_leaves_it(small: Make) -> None:
    market = Market(content(small, {}), rng=1).run(3)
    coins, collateral, owed = market.protocols["bands"].loan("owners-0")  # type: ignore[attr-defined]
    assert owed == pytest.approx(20_000.0, rel=1e-4) and coins == 0.0
    assert collateral * market.price("eth") == pytest.approx(30_000.0)
    assert market.receipts().empty


def test_arbitrageurs_convert_the_bands_of_a_fall(small: Make) -> None:
    """Generic redeemers trade against the bands by their quote; nobody tells them when."""
    idle = {"attention": 0.0, "alarm": 0.0}
    market = Market(content(small, idle, agents=DESKS, shocks=[fall(-0.27)]), rng=1).run(15)
    coins, _, _ = market.protocols["bands"].loan("owners-0")  # type: ignore[attr-defined]
    assert coins > 0.0
    assert market.protocols["bands"].value("coins_in") > 0.0  # type: ignore[attr-defined]
    assert market.wealth("desks-0") > 50_000.0


def test_who_is_impatient_pays_all_back_when_its_collateral_converts(small: Make) -> None:
    group = {"wallet": {"usdc": 40_000.0}, "bears": 0.01, "wait": 1e6}
    found = content(small, group, agents=DESKS, shocks=[fall(-0.27)])
    market = Market(found, rng=1).run(25)
    assert {"swap", "repay"} <= set(kinds(market))
    assert market.protocols["bands"].loan("owners-0") == (0.0, 0.0, 0.0)  # type: ignore[attr-defined]


def test_where_the_coin_is_cheap_it_pays_all_back(small: Make) -> None:
    group = {"wallet": {"usdc": 40_000.0}, "wait": 1e6}
    market = Market(content(small, group, coin_at=0.3), rng=1).run(5)
    assert kinds(market)[:2] == ["swap", "repay"]
    assert market.ledger.balance("owners-0", "bands-debt") == 0.0


def test_it_borrows_anew_after_a_while(small: Make) -> None:
    group = {"equity": 0.0, "wallet": {"eth": 100.0}, "wait": 3}
    market = Market(content(small, group), rng=1).run(10)
    assert kinds(market)[:2] == ["borrow", "swap"]


def test_another_liquidates_what_is_under_water(small: Make) -> None:
    """Nobody converted the bands: all is collateral, which pays who brings the coins."""
    idle = {"attention": 0.0, "alarm": 0.0}
    other = {
        "others": {
            "kind": "band_borrower", "count": 1, "protocol": "bands", "equity": 0.0,
            "pools": ["coin-usdc", "eth-usdc"], "attention": 1.0, "patience": 1,
            "wallet": {"usdc": 60_000.0},
        }
    }  # fmt: skip
    market = Market(content(small, idle, agents=other, shocks=[fall(-0.3)]), rng=1).run(8)
    assert "liquidate" in kinds(market)
    assert market.protocols["bands"].loan("owners-0") == (0.0, 0.0, 0.0)  # type: ignore[attr-defined]
    assert market.wealth("others-0") > 60_000.0


def test_who_would_owe_too_much_is_refused(small: Make) -> None:
    with pytest.raises(ScenarioError, match="raise the ratio"):
        Market(content(small, {"ratio": 1.05}), rng=1)
