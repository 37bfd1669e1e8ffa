"""Runs of agents in blocks start where Diamond and Dybvig, and the cash of a market, say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agents import MarketAgent
from runs.contagion.queues import freeze_threshold, run_threshold
from sim import Market, Scenario

Make = Callable[..., Scenario]
COUNT = 600
ALONE: dict[str, Any] = {
    "kind": "depositor",
    "count": COUNT,
    "deposit": 100.0,
    "attention": 0.2,
    "noise": 0.0,
    "tolerance": 0.0,
    "contagion": 0.0,
    "public": 0.0,
    "returns": 0.0,
    "half_life": 1e9,
    "size_attention": 0.0,
    "network": "none",
}


def news(share: float) -> dict[str, Any]:
    return {"kind": "news", "agents": "people", "share": share, "size": 1.0, "block": 2}


def gone(market: Market, token: str) -> np.ndarray:
    """What share of its deposit each has taken out."""
    cohort = market.cohorts["people"]
    held = market.ledger.balances[cohort.accounts(), market.ledger.token(token)]
    return 1.0 - held / cohort.column("units")


@pytest.mark.parametrize(("early", "long_return"), [(1.28, 2.0), (1.1, 1.5), (1.3, 1.5)])
@pytest.mark.parametrize("side", [-0.05, 0.05])
def test_a_run_starts_iff_the_threshold_is_passed(
    small: Make, early: float, long_return: float, side: float
) -> None:
    """Who hears leaves; the others see nothing but the books, and leave iff it was too many."""
    at = run_threshold(long_return, early)
    keeper = {
        "kind": "custodian",
        "asset": "usdc",
        "mutual": True,
        "liquid": 0.0,
        "promise": early,
        "backing": 1.0 / early,
        "earns": long_return - 1.0,
        "salvage": 1.0,
        "fails": 0.0,
        "term": 300,
    }
    people = ALONE | {"custodian": "c", "deposit": 100.0 * early}
    content = small(
        protocols={"c": keeper}, agents={"people": people}, shocks=[news(at + side)], blocks=400
    )
    market = Market(content, rng=3)
    market.run(200)
    told = np.mean(market.cohorts["people"].column("heard") > 0.0)
    out = gone(market, "c-deposit") > 0.99
    assert (told > at) == (side > 0.0), "the draw is on its side"
    liquidity = market.protocols["c"].liquidity  # type: ignore[attr-defined]
    market.run(200)
    wallets = market.ledger.balances[
        market.cohorts["people"].accounts(), market.ledger.token("usdc")
    ]
    bank: Any = market.protocols["c"]
    if side < 0.0:
        assert out.mean() == pytest.approx(told), "the others wait"
        waited = long_return * (1.0 - early * told) / (1.0 - told)
        assert bank.value("promised") == pytest.approx(waited)
        assert waited > early
    else:
        assert out.mean() == pytest.approx(1.0 / early, abs=0.02), "as many as can be paid"
        assert wallets.sum() == pytest.approx(100.0 * COUNT, rel=0.01)
        assert liquidity < 0.02
    market.ledger.audit()


class Borrower(MarketAgent):
    """Borrows once."""

    wants = 0.0

    def step(self) -> None:
        """Deposit ether, and borrow on it."""
        if self.wants > 0.0:
            self.deposit("bank", "eth", 900.0)
            self.borrow("bank", "usdc", self.wants)
            self.wants = 0.0


@pytest.mark.parametrize("used", [0.4, 0.7, 0.9])
@pytest.mark.parametrize("times", [0.7, 1.5])
def test_withdrawals_freeze_once_demand_exceeds_what_is_not_lent(
    small: Make, used: float, times: float
) -> None:
    share = freeze_threshold(used) * times
    people = ALONE | {"lending": "bank", "debt": "usdc"}
    still = {"slope1": 0.0, "slope2": 0.0, "collateral": False, "cash": 0.0}
    content = small(
        lending={"bank": {"reserves": {"usdc": still}}},
        agents={"people": people},
        shocks=[news(min(share, 1.0)) | {"block": 10}],
        blocks=400,
    )
    market = Market(content, rng=3)
    borrower = Borrower(market, {"eth": 1_000.0}, "borrower")
    borrower.wants = used * 100.0 * COUNT
    market.run(200)
    bank = market.lending["bank"]
    assert bank.debts("usdc") == pytest.approx(used * 100.0 * COUNT)
    told = np.mean(market.cohorts["people"].column("heard") > 0.0)
    out = gone(market, "bank-usdc")
    if told > 1.0 - used:
        assert out.mean() == pytest.approx(1.0 - used, abs=0.01), "cash is out"
        assert bank.utilisation("usdc") == pytest.approx(1.0, abs=0.03)
    else:
        assert out.mean() == pytest.approx(told)
        assert bank.cash("usdc") > 0.0
    assert (told > 1.0 - used) == (times > 1.0)
