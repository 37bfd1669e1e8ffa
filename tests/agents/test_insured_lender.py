"""Insured lenders buy cover worth its price, claim, and run less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents.insured_lender import wanted_cover
from sim import Market, Scenario

Make = Callable[..., Scenario]


def insured(
    small: Make, fund: dict[str, Any] | None = None, equity: float = 95_000.0, **columns: Any
) -> Market:
    cover = {
        "kind": "cover", "token": "usdc", "lending": "bank", "capital": 500_000.0, "wait": 2,
        "period": 2_000, "low": 0.01, "high": 0.02,
    }  # fmt: skip
    group = {
        "kind": "insured_lender", "count": 20, "lending": "bank", "debt": "usdc",
        "cover": "fund", "deposit": 10_000.0, "attention": 0.5, "expected_loss": 0.05,
        "social": 0.0, "wallet": {"eth": 1.0},
    }  # fmt: skip
    borrower = {
        "kind": "leveraged_borrower", "count": 1, "lending": "bank", "collateral": "eth",
        "debt": "usdc", "pools": ["eth-usdc"], "leverage": 3.0, "attention": 0.0, "alarm": 0.0,
        "equity": equity,
    }  # fmt: skip
    lending = {
        "bank": {"default": "close", "default_delay": 0, "reserves": {"usdc": {"cash": 0.0}}}
    }
    content = small(
        protocols={"fund": cover | (fund or {})},
        agents={"lenders": group | columns, "borrower": borrower},
        lending=lending,
    )
    return Market(content, rng=1)


def test_cover_is_bought_up_to_what_it_is_worth() -> None:
    # Worth 1.8 % to who bears a tenth; at 2 times aversion nobody pays more than 5.4 %.
    assert wanted_cover(0.018, 0.02, 2.0, 0.1) == 1.0
    assert wanted_cover(0.036, 0.02, 2.0, 0.1) == pytest.approx(0.5)
    assert wanted_cover(0.06, 0.02, 2.0, 0.1) == 0.0


def test_they_cover_their_deposits_once(small: Make) -> None:
    market = insured(small, fear=1.0).run(60)
    bought = market.receipts().query("kind == 'buy' and status == 'done'")
    assert len(bought) == 20
    assert market.protocols["fund"].value("sold") == pytest.approx(200_000.0, rel=0.05)  # type: ignore[attr-defined]


def test_dear_cover_is_not_bought(small: Make) -> None:
    market = insured(small, {"low": 0.5, "high": 1.0}, fear=1.0).run(60)
    assert market.receipts().query("kind == 'buy'").empty


def test_they_claim_what_was_lost(small: Make) -> None:
    market = insured(small, fear=1.0, sensitivity=0.0).run(60)
    asset: Any = market.venue.asset("eth")
    asset["x"] -= 1.0
    asset["anchor"] -= 1.0
    market.run(30)
    fund: Any = market.protocols["fund"]
    lost = 1.0 - fund.value("kept")
    assert lost > 0.1
    assert fund.value("paid") == pytest.approx(200_000.0 * lost * 0.9, rel=0.1)


def left(market: Market) -> int:
    return len(market.receipts().query("kind == 'withdraw' and status == 'done'"))


def test_who_is_covered_does_not_run(small: Make) -> None:
    # 60 % of the deposits are lent: who is not covered is afraid.
    running = {"equity": 60_000.0, "fear": 0.4, "sensitivity": 0.5}
    alone = insured(small, {"low": 0.5, "high": 1.0}, **running).run(60)
    covered = insured(small, {"deductible": 0.0}, **running).run(60)
    assert left(alone) >= 4
    assert left(covered) < left(alone)
