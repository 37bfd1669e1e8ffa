"""Underwriters pledge while it pays, and leave after a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents.underwriter import earned
from sim import Market, Scenario

Make = Callable[..., Scenario]


def covered(small: Make, **columns: Any) -> Market:
    fund = {
        "kind": "cover", "token": "usdc", "lending": "bank", "capital": 1_000.0, "wait": 2,
        "period": 400, "notice": 10, "window": 200, "low": 0.05, "high": 0.3,
    }  # fmt: skip
    group = {
        "kind": "underwriter", "count": 10, "cover": "fund", "capital": 1_000.0, "attention": 0.5,
        "wallet": {"eth": 1.0},
    }  # fmt: skip
    return Market(small(protocols={"fund": fund}, agents={"u": group | columns}), rng=1)


def test_what_capital_earns() -> None:
    assert earned(80.0, 100.0, 0.1, 0.025) == pytest.approx(0.06)
    assert earned(80.0, 0.0, 0.1, 0.025) == 0.0


def test_it_begins_with_a_part_pledged(small: Make) -> None:
    market = covered(small, attention=0.0)
    assert market.ledger.balance("fund", "usdc") == 1_000.0 + 8_000.0
    assert market.ledger.balance("u-0", "fund-share") == pytest.approx(800.0)
    assert market.price("fund-share") == pytest.approx(1.0)


def test_it_pledges_more_where_cover_would_sell_dear(small: Make) -> None:
    market = covered(small, required=0.01, expected_loss=0.0).run(20)
    done = market.receipts().query("kind == 'underwrite' and status == 'done'")
    assert len(done) == 10
    assert market.ledger.balance("fund", "usdc") > 10_900.0


def test_it_leaves_after_notice_where_nothing_is_earned(small: Make) -> None:
    market = covered(small, required=0.06, patience_for_less=0.0, expected_loss=0.1).run(80)
    kinds = market.receipts().query("status == 'done'")["kind"].value_counts()
    assert kinds["give_notice"] == 10 and kinds["leave"] == 10
    assert market.ledger.balance("fund", "usdc") < 1_100.0
    first = market.receipts().query("kind == 'leave'")["block"].min()
    noticed = market.receipts().query("kind == 'give_notice'")["block"].min()
    assert first - noticed >= 10
