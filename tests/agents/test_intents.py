"""What a behaviour asks for is what is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import ClassVar

import pytest

from agents import Behaviour, Column
from agents.intents import (
    OUTSIDE,
    THEN,
    Order,
    add_liquidity,
    borrow,
    buy_shares,
    close_range,
    deposit,
    flash_borrow,
    flash_repay,
    liquidate,
    open_range,
    repay,
    require,
    return_shares,
    swap,
    trade,
    withdraw,
)
from sim import Market, Scenario
from sim.codes import ALL, PREVIOUS
from sim.compiled import inner


@inner
def act(w, me):  # type: ignore[no-untyped-def]
    """Each sends another transaction, in the first block."""
    if w.chain[0].block > 1:
        return
    eth, usdc = w.pools[0].tokens[0], w.pools[0].tokens[1]
    for i in range(me.size):
        order = Order(me.first + i, me.ident, 1.0, 5)
        if i == 0:
            swap(w, order, 0, eth, usdc, 1.0, 1900.0)
            trade(w, THEN, OUTSIDE, usdc, eth, PREVIOUS, 0.0)
            require(w, THEN, eth, -0.1)
        elif i == 1:
            deposit(w, order, 0, eth, 10.0)
            borrow(w, THEN, 0, usdc, 1000.0, 2.0)
            repay(w, THEN, 0, usdc, 400.0)
            withdraw(w, THEN, 0, eth, 4.0)
        elif i == 2:
            flash_borrow(w, order, 0, usdc, 5000.0)
            trade(w, THEN, 0, usdc, eth, PREVIOUS, 0.0)
            trade(w, THEN, 0, eth, usdc, PREVIOUS, 0.0)
            flash_repay(w, THEN, 0, usdc)
        elif i == 3:
            add_liquidity(w, order, 0, eth, usdc, 1.0, 2100.0)
            buy_shares(w, THEN, 0, 1.0)
            return_shares(w, THEN, 0, 1.0)
        elif i == 4:
            open_range(w, order, 1, 1.0, 2000.0, -10_000_000, 10_000_000)
        elif i == 5:
            lower = w.pools[1].lowest * w.pools[1].spacing
            upper = lower + (w.pools[1].width - 1) * w.pools[1].spacing
            open_range(w, order, 1, 1.0, 2000.0, lower, upper)
            close_range(w, THEN, 1, lower, upper)
        else:
            liquidate(w, order, 0, me.first + 1, usdc, eth, 10.0, 0.0)
            w.chain[0].bundle_head = -1
            me.rows[i].alone = 1.0 - swap(w, THEN, 0, eth, usdc, ALL, 0.0)


class Actor(Behaviour):
    """Does one thing of each kind."""

    columns: ClassVar[Mapping[str, Column]] = {
        "alone": Column("Whether a call that follows none was refused", "0 or 1", state=True)
    }
    decide = staticmethod(act)


@pytest.fixture
def market(small: Callable[..., Scenario]) -> Market:
    sys.modules.setdefault(__name__, sys.modules[Actor.__module__])
    wallet = {"eth": 20.0, "usdc": 50_000.0}
    agents = {"actors": {"kind": f"{__name__}:Actor", "count": 7, "wallet": wallet}}
    ranges = {
        "kind": "concentrated",
        "tokens": ["eth", "usdc"],
        "reserves": {"eth": 1000.0, "usdc": 2e6},
        "tick_spacing": 10,
    }
    return Market(small(agents=agents, pools={"ranges": ranges}), rng=1).run(1)


def test_calls_are_sent_by_name_and_done_together(market: Market) -> None:
    frame = market.receipts().astype({"sender": str, "kind": str, "reason": str, "protocol": str})
    done = {
        sender.removeprefix("actors-"): [
            (r.kind, r.reason) for r in rows.sort_values("call").itertuples()
        ]
        for sender, rows in frame.groupby("sender")
    }
    fine = "done"
    assert done["0"] == [("swap", fine), ("venue", fine), ("require", fine)]
    assert done["1"] == [(k, fine) for k in ("deposit", "borrow", "repay", "withdraw")]
    assert done["2"] == [(k, fine) for k in ("flash_borrow", "swap", "swap", "flash_repay")]
    kinds = ("add_liquidity", "add_liquidity", "remove_liquidity")
    assert done["3"] == [(k, fine) for k in kinds]
    assert [reason for _, reason in done["4"]] == ["invalid"]  # ticks that there are not
    assert done["5"] == [("add_liquidity", fine), ("remove_liquidity", fine)]
    assert done["6"] == [("liquidate", "not_liquidatable")]
    assert market.cohorts["actors"].column("alone").tolist() == [0.0] * 6 + [1.0]


def test_amounts_limits_and_names_are_those_given(market: Market) -> None:
    frame = market.receipts().astype({"sender": str, "kind": str, "protocol": str})
    sold = frame.query("sender == 'actors-0' and kind == 'swap'").iloc[0]
    assert (sold["token_in"], sold["token_out"], sold["amount_in"]) == ("eth", "usdc", 1.0)
    bought = frame.query("sender == 'actors-0' and kind == 'venue'").iloc[0]
    assert bought["amount_in"] == sold["amount_out"] > 1900.0
    bank = market.lending["bank"]
    assert bank.deposit_of("actors-1", "eth") == pytest.approx(6.0)
    assert bank.debt_of("actors-1", "usdc") == pytest.approx(600.0)
    lent = frame.query("sender == 'actors-6'").iloc[0]
    assert (lent["protocol"], lent["counterparty"]) == ("bank", "actors-1")
    assert (lent["token_in"], lent["token_out"]) == ("usdc", "eth")
    market.ledger.audit()
