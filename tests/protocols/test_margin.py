"""Margin debts: tokens of the ledger that count negatively."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from protocols.margin import TOKEN
from runs.dev.stylised_facts import MARKET, with_funds
from sim import Market, Scenario
from sim.build import underlying


def opened(**funds: Any) -> Market:
    content = copy.deepcopy(MARKET)
    content["agents"]["funds"] = {
        "kind": "value_fund",
        "count": 2,
        "assets": {"token": 1.0},
        "wallet": {"usdc": 1000.0},
        "speed": 1.0,
    } | funds
    content["shocks"] = [{"kind": "price_jump", "asset": "token", "size": -0.1, "block": 1}]
    return Market(Scenario.from_dict(content), rng=1)


def test_there_is_none_where_nobody_borrows() -> None:
    market = Market(Scenario.from_dict(MARKET), rng=1)
    assert TOKEN not in market.ledger.tokens
    assert market.world.margin.size == 0


def test_a_debt_counts_negatively_and_is_the_venues_asset() -> None:
    market = Market(with_funds(5.0), rng=1)
    ledger, debt = market.ledger, market.ledger.token(TOKEN)
    row = 0
    for _ in range(3000):
        market.step()
        row = int(np.argmax(ledger.balances[:, debt]))
        if ledger.balances[row, debt] > 10.0:
            break
    owed = ledger.balances[row, debt]
    assert owed > 10.0
    assert market.price(TOKEN) == -1.0
    held = ledger.balances[row]
    worth = held[ledger.token("usdc")] + held[ledger.token("token")] * market.price("token")
    assert market.wealth(row) == pytest.approx(worth - owed)
    behind = underlying(market.world, held)
    assert behind[debt] == 0.0
    assert behind[ledger.token("usdc")] == pytest.approx(held[ledger.token("usdc")] - owed)
    sheets = market.balance_sheets().set_index("entity")
    total = ledger.supply("usdc") + ledger.supply("token") * market.price("token")
    assert sheets["equity"].sum() == pytest.approx(total, rel=1e-12)
    assert sheets.loc["funds", "liabilities"] == pytest.approx(ledger.supply(TOKEN))
    with pytest.raises(ValueError, match="cannot be given away"):
        ledger.transfer(row, "venue", TOKEN, 1.0)
    assert "debt" in {channel for *_, channel in market.exposure().edges(keys=True)}
