"""What savings and custodians have lent comes back as far as their market has cash."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from agents import MarketAgent
from protocols.lent import not_lent
from sim import Market, Scenario

KINDS = {
    "savings": {"kind": "savings", "deposits": 1_000.0},
    "custodian": {"kind": "custodian", "deposits": 1_000.0, "backing": 1.0},
}
COMMON: dict[str, Any] = {"asset": "usdc", "lending": "bank", "liquid": 0.25}


class Taker(MarketAgent):
    """Borrows what there is."""

    def step(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("kind", KINDS)
def test_it_lends_all_but_the_liquid_part_and_calls_back_what_is_there(
    small: Callable[..., Scenario], kind: str
) -> None:
    own = KINDS[kind] | COMMON
    lending = {"bank": {"reserves": {"usdc": {"cash": 0.0}}}}
    market = Market(small(protocols={"s": own}, lending=lending), rng=1)
    market.run(2)
    bank = market.lending["bank"]
    assert bank.deposits("usdc") == pytest.approx(750.0)
    assert market.ledger.balance("s", "usdc") == pytest.approx(250.0)
    taker = Taker(market, {"eth": 100.0}, "taker")
    taker.deposit("bank", "eth", 100.0)
    market.run(1)
    taker.borrow("bank", "usdc", 700.0)
    market.run(1)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["protocol.s.withdrawable"] == pytest.approx(300.0, rel=1e-3)
    token = "s-share" if kind == "savings" else "s-deposit"
    market.ledger.transfer("holders", "taker", token, 500.0)
    market.ledger.transfer("taker", "holders", "usdc", 700.0)
    for amount, left in ((400.0, "no_cash"), (280.0, "done")):
        taker.act("s", "leave", amount, token_in=token)
        market.run(1)
        assert market.receipts().iloc[-1]["reason"] == left
    assert taker.wallet["usdc"] == pytest.approx(280.0, rel=1e-3)
    market.protocols["s"].audit()  # type: ignore[attr-defined]


def test_a_market_that_does_not_lend_it_is_told() -> None:
    s = SimpleNamespace(lending={"bank": SimpleNamespace(reserves={"eth": None})})
    assert not_lent(s, "bank", "eth") == not_lent(s, None, "usdc") == []
    assert not_lent(s, "bank", "usdc") == [("lending", "bank does not lend usdc, but eth")]
