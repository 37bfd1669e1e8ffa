"""What behaviours share, seen through what agents do with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim import Market, Scenario


def test_sales_go_where_they_bring_most(lively: Callable[..., Scenario]) -> None:
    deep = {"tokens": ["eth", "usdc"], "reserves": {"eth": 1e5, "usdc": 2e8}}
    agents = {
        "borrowers": {"pools": ["eth-usdc", "deep"], "attention": 1.0, "buffer": 1.6},
        "traders": {"count": 0},  # they would make now one pool and now the other dearer
    }
    still = {"assets": {"eth": {"process": "constant"}}}
    setup = lively(pools={"deep": deep}, agents=agents, venue=still, block={"fee_market": "off"})
    market = Market(setup, rng=1)
    frame = market.run(60).receipts()
    mine = frame.query("cohort == 'borrowers' and kind == 'swap' and status == 'done'")
    assert len(mine) > 20
    assert (mine["protocol"] == "deep").mean() > 0.9


def test_who_runs_out_of_gas_buys_some(lively: Callable[..., Scenario]) -> None:
    group = {"wallet": {"eth": 1e-6, "usdc": 40_000.0}, "rate": 0.5}
    block = {"gas_limit": 30e6, "outside": {"gas": 2.0, "bid_median": 5.0}}
    market = Market(lively(agents={"traders": group}, block=block), rng=1).run(40)
    frame = market.receipts().query("cohort == 'traders'")
    refuelled = frame.query("kind == 'venue' and status == 'done'")
    assert len(refuelled) >= 30
    assert (frame.query("kind == 'swap'")["status"] == "done").sum() > 20


def test_nobody_bids_more_than_he_can_pay(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1)
    poor = market.cohorts["arbitrageurs"]
    column = market.ledger.token("eth")
    market.ledger.books.supply[column] -= poor.balances(market)[:, column].sum() - 0.08
    poor.balances(market)[:, column] = 0.02
    frame = market.run(60).receipts().query("cohort == 'arbitrageurs' and call == 0")
    assert len(frame) > 10
    paid = frame["gas"] * frame["gas_price"] * 1e-9
    assert (frame["reason"] == "no_gas_money").mean() < 0.05
    assert paid.max() < 1.0


def test_lost_races_teach_to_race_less(lively: Callable[..., Scenario]) -> None:
    changes = {"arbitrageurs": {"count": 12, "bid_share": 0.6}, "traders": {"rate": 0.5}}
    block = {"gas_limit": 30e6}
    races = []
    for seed in range(1, 9):  # one path alone may have its best races first
        market = Market(lively(agents=changes, block=block), rng=seed).run(300)
        frame = market.receipts()
        races.append(frame.query("cohort == 'arbitrageurs' and call == 0 and kind == 'swap'"))
    raced = pd.concat(races)
    early, late = (raced[raced["block"].between(a, a + 50)] for a in (1, 250))
    won = (raced["status"] == "done").groupby(raced["block"] > 50).mean()
    assert len(late) < 0.7 * len(early)
    assert won[True] > won[False] + 0.1
    assert market.cohorts["arbitrageurs"].column("hits").max() <= 1.0


@pytest.mark.parametrize("count", [1, 6])
def test_a_gap_is_closed_whoever_wins(lively: Callable[..., Scenario], count: int) -> None:
    market = Market(lively(agents={"arbitrageurs": {"count": count}}), rng=1).run(200)
    frame = market.datacollector.get_model_vars_dataframe()
    assert frame["pool.eth-usdc.mispricing"].abs().median() < 0.01


def crowded_out(small: Callable[..., Scenario], bump: float, **block: Any) -> Market:
    """Lenders who want to leave, while the rest of the world bids more and more for the block."""
    path = {"gas_path": [[0.0, 20.0], [0.02, 20.0], [0.1, 120.0]], "outside": {"gas": 2.0}}
    agents = {
        "lenders": {
            "kind": "lender",
            "count": 5,
            "lending": "bank",
            "debt": "usdc",
            "attention": 1.0,
            "outside_yield": 0.5,
            "yield_response": 100.0,
            "patience": 100,
            "bid": 0.3,
            "wallet": {"eth": 10.0},
        }
        | ({"bump": bump} if bump else {}),
    }
    setup = small(block={"fee_market": "first_price"} | path | block, agents=agents)
    return Market(setup, rng=1).run(80)


def test_a_stuck_order_is_sent_anew_at_a_higher_bid_until_it_is_in(
    small: Callable[..., Scenario],
) -> None:
    waits = crowded_out(small, 0.0)
    assert waits.receipts().empty
    assert "transactions.replaced" not in waits.datacollector.get_model_vars_dataframe()
    bids = crowded_out(small, 0.25)
    frame = bids.receipts()
    assert len(frame) == 5
    assert (frame["status"] == "done").all()
    rises = np.log(frame["gas_price"] / 6.0) / np.log(1.25)  # from 0.3 times 20 gwei
    assert rises.to_numpy() == pytest.approx(np.round(rises), abs=1e-9)
    row = bids.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["transactions.replaced"] == pytest.approx(rises.sum())
    assert row["transactions.done"] == 5.0
    # One nonce each: nobody has withdrawn twice.
    assert bids.world.senders["nonce"][bids.cohorts["lenders"].accounts()].tolist() == [1] * 5
    bids.ledger.audit()


def test_a_rise_that_nodes_refuse_replaces_nothing(small: Callable[..., Scenario]) -> None:
    assert crowded_out(small, 0.09).receipts().empty
    assert len(crowded_out(small, 0.09, replacement=0.05).receipts()) == 5
