"""Shares of pools and receipts of deposits: held as collateral, seized and handed in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim import Market, Scenario
from sim.errors import ScenarioError
from tests.conftest import BASE, merged

SHARE, RECEIPT = "eth-usdc-share", "bank-usdc"
TWO = merged(
    BASE,
    {
        "oracles": {
            SHARE: {"token": SHARE, "source": "share", "pool": "eth-usdc"},
            RECEIPT: {"token": RECEIPT, "source": "receipt"},
        },
        "lending": {
            "two": {
                "reserves": {
                    SHARE: {"ltv": 0.7, "threshold": 0.75, "bonus": 0.1, "borrowable": False},
                    RECEIPT: {"ltv": 0.9, "threshold": 0.92, "bonus": 0.02, "borrowable": False},
                    "usdc": {"collateral": False, "cash": 2e6},
                }
            }
        },
    },
)
BORROWER = {
    "kind": "leveraged_borrower",
    "count": 3,
    "lending": "two",
    "debt": "usdc",
    "equity": 2e4,
    "leverage": 2.5,
    "attention": 0.0,
    "alarm": 0.0,
    "wallet": {"usdc": 100.0},
}
HUNTERS = {
    "kind": "liquidator",
    "count": 1,
    "lending": ["bank", "two"],
    "pools": ["eth-usdc"],
    "wallet": {"usdc": 1e5},
}
FALL = {"kind": "price_jump", "asset": "eth", "size": -0.4, "block": 3}
ARBITRAGEURS = {
    "kind": "arbitrageur",
    "count": 2,
    "pools": ["eth-usdc"],
    "wallet": {"usdc": 2e6, "eth": 10.0},
}


def backed(token: str, *shocks: dict[str, Any], **changes: Any) -> Market:
    agents = {"us": BORROWER | {"collateral": token}, "hunters": HUNTERS, "arbs": ARBITRAGEURS}
    agents = {n: g | changes.get(n, {}) for n, g in agents.items()}
    own = {"agents": agents, "shocks": list(shocks), "switches": changes.get("switches", {})}
    return Market(Scenario.from_dict(merged(TWO, own)), rng=1)


@pytest.mark.parametrize("token", [SHARE, RECEIPT])
def test_it_is_deposited_and_borrowed_against(token: str) -> None:
    market = backed(token)
    two = market.lending["two"]
    for n in range(3):
        assert two.deposit_of(f"us-{n}", token) * market.price(token) == pytest.approx(5e4)
        assert two.debt_of(f"us-{n}", "usdc") == pytest.approx(3e4)
    market.run(5)


def test_a_fall_of_what_is_behind_shares_has_them_seized_and_handed_in() -> None:
    market = backed(SHARE, FALL).run(40)
    done = market.receipts()
    done = done[(done.status == "done") & (done.sender == "hunters-0")]
    assert {"liquidate", "remove_liquidity"} <= set(done.kind)
    assert market.lending["two"].debts("usdc") < 9e4
    assert market.ledger.balance("hunters-0", SHARE) == 0.0


def test_who_borrows_against_shares_hands_some_in_to_stay_healthy() -> None:
    looks = {"us": {"attention": 1.0, "leverage": 2.0, "buffer": 1.45}}
    market = backed(SHARE, FALL | {"size": -0.15}, **looks).run(30)
    done = market.receipts()
    done = done[(done.status == "done") & done.sender.str.startswith("us-")]
    assert {"withdraw", "remove_liquidity", "repay"} <= set(done.kind)
    assert market.lending["two"].health_factor("us-0") > 1.4


def test_receipts_are_bought_by_deposits() -> None:
    looks = {"us": {"attention": 1.0, "leverage": 4.0, "buffer": 1.05, "equity": 1e4}}
    market = backed(RECEIPT, **looks)
    before = market.lending["two"].deposit_of("us-0", RECEIPT)
    market.cohorts["us"].column("leverage")[:] = 6.0
    market.run(30)
    assert market.lending["two"].deposit_of("us-0", RECEIPT) > 1.1 * before
    done = market.receipts()
    kinds = done[(done.status == "done") & (done.sender == "us-0")].kind
    assert list(kinds)[:3] == ["borrow", "deposit", "deposit"]


def test_claims_that_back_nothing_leave_nobody_indebted() -> None:
    market = backed(SHARE, switches={"claims_as_collateral": False})
    assert market.lending["two"].debts("usdc") == 0.0
    assert market.lending["two"].deposit_of("us-0", SHARE) == 0.0


def test_more_shares_than_there_are_is_refused() -> None:
    with pytest.raises(ScenarioError, match="outside holders"):
        backed(SHARE, us={"equity": 1e7})


def test_a_token_that_is_no_reserve_is_refused() -> None:
    with pytest.raises(ScenarioError, match="unknown reserve 'eth'"):
        backed("eth")


def test_it_is_all_conserved() -> None:
    for token in (SHARE, RECEIPT):
        market = backed(token, FALL)
        first = market.ledger.balances.sum(axis=0)[:2].copy()
        market.run(60)
        assert np.allclose(market.ledger.balances.sum(axis=0)[:2], first, rtol=1e-12)
