"""What behaviours share, seen through what agents do with it."""

from __future__ import annotations

from collections.abc import Callable

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
