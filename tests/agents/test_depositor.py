"""Depositors: what they expect, when waiting pays, and who runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agents import MarketAgent
from agents.depositor import expected
from sim import Market, Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]

KEEPER: dict[str, Any] = {
    "kind": "custodian",
    "asset": "usdc",
    "liquid": 0.2,
    "backing": 1.1,
    "salvage": 0.8,
    "term": 20_000,
    "band": 1.0,
}
PEOPLE: dict[str, Any] = {
    "kind": "depositor",
    "count": 200,
    "custodian": "c",
    "deposit": 100.0,
    "attention": 0.2,
    "noise": 0.0,
    "returns": 0.0,
    "half_life": 1e6,
}


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def opened(small: Make, keeper: Any = (), news: Any = (), **people: Any) -> Market:
    heard = [{"kind": "news", "agents": "people", "block": 5} | dict(news)] if news else []
    content = small(
        protocols={"c": KEEPER | dict(keeper)},
        agents={"people": PEOPLE | people},
        shocks=heard,
        blocks=400,
    )
    return Market(content, rng=1)


def left(market: Market) -> float:
    """Share of the depositors that have nothing left there."""
    held = market.ledger.balances[market.cohorts["people"].accounts()]
    return float(np.mean(held[:, market.ledger.token("c-deposit")] < 1.0))


def test_what_is_expected_by_hand() -> None:
    assert expected(0.8, 10.0, 10.0, 1.0, 0.3, 1.0, 0.1, 0.05) == pytest.approx(0.45)
    assert expected(0.0, 1e9, 1.0, 2.0, 0.3, 1.0, 0.1, 0.0) == pytest.approx(0.6)
    assert expected(0.0, 0.0, 1.0, 0.0, 1.0, 3.0, 0.2, -0.1) == pytest.approx(0.5)
    assert expected(1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.3) == 1.0


def test_all_deposits_are_backed_and_nobody_leaves_for_nothing(small: Make) -> None:
    market = opened(small)
    market.run(100)
    assert left(market) == 0.0
    assert market.protocols["c"].value("paid") == 0.0  # type: ignore[attr-defined]
    assert market.ledger.balance("c", "usdc") == pytest.approx(200 * 100.0 * 1.1)


def test_who_hears_leaves_and_a_weak_rumour_moves_nobody(small: Make) -> None:
    # C = .22 and I = .88 of what is promised: f* = ((.88 + .22 / .8) - 1) / (1 / .8 - 1) = .62.
    alone = {"contagion": 0.0, "public": 0.0, "tolerance": 0.0}
    for size, leaves in ((0.6, False), (0.64, True)):
        market = opened(small, news={"share": 0.1, "size": size}, **alone)
        market.run(60)
        heard = np.mean(market.cohorts["people"].column("heard") > 0.0)
        assert 0.0 < heard < 0.2
        assert left(market) == (pytest.approx(heard) if leaves else 0.0)


def test_a_rumour_spreads_on_the_graph_and_not_without(small: Make) -> None:
    news, keeper = {"share": 0.3, "size": 1.0}, {"liquid": 0.0, "backing": 1.02}
    dense = {"neighbours": 10, "public": 0.0}
    spread = opened(small, keeper, news, **dense)
    cut = opened(small, keeper, news, **dense, network="none")
    for market in (spread, cut):
        market.run(200)
        market.ledger.audit()
    assert left(cut) == pytest.approx(np.mean(cut.cohorts["people"].column("heard") > 0.0))
    assert left(spread) > left(cut) + 0.2


def test_with_all_liquid_nobody_runs_whatever_is_heard(small: Make) -> None:
    market = opened(small, {"liquid": 1.0}, {"share": 0.8, "size": 1.0})
    market.run(100)
    assert left(market) == 0.0


def test_who_has_left_comes_back_when_it_is_calm(small: Make) -> None:
    calm = {"half_life": 5.0, "returns": 0.5, "contagion": 0.0, "public": 0.0}
    market = opened(small, {}, {"share": 0.2, "size": 1.0}, **calm)
    market.run(20)
    assert left(market) > 0.05
    market.run(100)
    assert left(market) == 0.0


def test_in_a_savings_vault_they_leave_while_its_market_has_cash(small: Make) -> None:
    vault = {"kind": "savings", "asset": "usdc", "lending": "bank", "liquid": 0.2}
    people = PEOPLE | {"contagion": 0.0, "public": 0.0, "tolerance": 0.0}
    del people["custodian"]
    for stuck, leaves in ((0.0, False), (0.05, True)):
        content = small(
            protocols={"v": vault},
            lending={"bank": {"reserves": {"usdc": {"cash": 0.0}}}},
            agents={"people": people | {"savings": "v", "stuck": stuck}},
            shocks=[{"kind": "news", "agents": "people", "block": 50, "share": 0.5, "size": 1.0}],
            blocks=400,
        )
        market = Market(content, rng=1)
        borrower = Idle(market, {"eth": 100.0}, "borrower")
        market.run(3)
        with borrower.transaction():
            borrower.deposit("bank", "eth", 100.0)
            borrower.borrow("bank", "usdc", 12_000.0)
        market.run(80)
        held = market.ledger.balances[market.cohorts["people"].accounts()]
        wallets = held[:, market.ledger.token("usdc")]
        # 20,000 put in, 12,000 of them lent: 8,000 can be had, and half want theirs.
        assert wallets.sum() == (pytest.approx(8_000.0, rel=0.02) if leaves else 0.0)
        market.ledger.audit()


def test_large_ones_leave_first(small: Make) -> None:
    sizes = {"distribution": "pareto", "scale": 50.0, "shape": 1.2}
    people = {"deposit": sizes, "attention": 0.01, "size_attention": 1.0, "count": 400}
    market = opened(small, {"liquid": 0.3}, {"share": 1.0, "size": 1.0}, **people)
    market.run(25)
    cohort = market.cohorts["people"]
    held = market.ledger.balances[cohort.accounts(), market.ledger.token("c-deposit")]
    gone = held < 0.5 * cohort.column("deposit")
    assert 20 < gone.sum() < 380
    assert cohort.column("deposit")[gone].mean() > 1.5 * cohort.column("deposit")[~gone].mean()


@pytest.mark.parametrize(
    ("targets", "field"),
    [
        ({"lending": "bank"}, "custodian"),
        ({"custodian": None}, "custodian"),
        ({"custodian": None, "lending": "bank"}, "debt"),
        ({"debt": "usdc"}, "debt"),
    ],
)
def test_one_holds_their_money(small: Make, targets: dict[str, Any], field: str) -> None:
    with pytest.raises(ScenarioError, match=rf"agents\.people\.{field}"):
        opened(small, **targets)


def test_news_is_for_those_who_listen(small: Make) -> None:
    deaf = {"kind": "news", "agents": "traders", "share": 0.5, "block": 5}
    traders = {"kind": "noise_trader", "count": 2, "pools": ["eth-usdc"], "wallet": {"eth": 1.0}}
    with pytest.raises(ScenarioError, match="do not react to news"):
        Market(small(agents={"traders": traders}, shocks=[deaf]), rng=1)


def test_a_larger_share_holds_all_of_a_smaller_one(small: Make) -> None:
    heard = []
    for share in (0.2, 0.5):
        market = opened(small, news={"share": share, "size": 0.1})
        market.run(6)
        heard.append(market.cohorts["people"].column("heard") > 0.0)
    assert (heard[1] | ~heard[0]).all() and heard[1].sum() > heard[0].sum() > 0
