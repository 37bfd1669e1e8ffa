"""Lenders leave for yield, for fear, and to sell what is dear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents.lender import fear
from sim import Market, Scenario
from sim.errors import ScenarioError


def lent(small: Callable[..., Scenario], group: dict[str, Any], **changes: Any) -> Market:
    base = {
        "kind": "lender",
        "count": 50,
        "lending": "bank",
        "debt": "usdc",
        "deposit": 10_000.0,
        "outside_yield": 0.0,
        "attention": 0.5,
        "wallet": {"eth": 1.0},
    }
    borrower = {
        "kind": "leveraged_borrower",
        "count": 1,
        "lending": "bank",
        "collateral": "eth",
        "debt": "usdc",
        "pools": ["eth-usdc"],
        "leverage": 3.0,
        "attention": 0.0,
        "alarm": 0.0,
        "equity": changes.pop("equity", 1000.0),
    }
    lending = {"bank": {"reserves": {"usdc": {"cash": 0.0}}}}
    agents = {"lenders": base | group, "borrowers": borrower}
    return Market(small(agents=agents, lending=lending, **changes), rng=1)


def withdrawals(market: Market) -> Any:
    return market.receipts().query("kind == 'withdraw' and status == 'done'")


def test_a_calm_bank_keeps_its_deposits(small: Callable[..., Scenario]) -> None:
    assert withdrawals(lent(small, {}).run(50)).empty


def test_a_better_yield_elsewhere_draws_them_away_slowly(small: Callable[..., Scenario]) -> None:
    group = {"outside_yield": 0.05, "yield_response": 0.5, "social": 0.0}
    market = lent(small, group).run(50)
    assert 5 < len(withdrawals(market)) < 45


def test_fear_feeds_on_itself_until_the_cash_is_out(small: Callable[..., Scenario]) -> None:
    # 96 % of the deposits are lent: those who look leave, and those who are late cannot.
    group = {"fear": 0.9, "sensitivity": 0.2, "social": 5.0}
    market = lent(small, group, equity=240_000.0).run(60)
    bank = market.lending["bank"]
    assert bank.utilisation("usdc") > 0.99
    assert len(withdrawals(market)) > 0
    assert bank.deposits("usdc") > 0.95 * 480_000.0
    bank.audit()


def test_the_longer_withdrawals_are_noticed_the_more_follow(small: Callable[..., Scenario]) -> None:
    group = {"outside_yield": 0.05, "yield_response": 0.5, "social": 1.0}
    gone = [len(withdrawals(lent(small, group | {"memory": m}).run(60))) for m in (1.0, 100.0)]
    assert gone[0] < gone[1]


def test_without_the_switch_there_is_no_run(small: Callable[..., Scenario]) -> None:
    group = {"fear": 0.9, "sensitivity": 1.0}
    market = lent(small, group, equity=240_000.0, switches={"lenders_leave": False}).run(60)
    assert withdrawals(market).empty


def test_large_lenders_look_more_often(small: Callable[..., Scenario]) -> None:
    sizes = {"distribution": "choice", "values": [1000.0, 100_000.0]}
    market = lent(small, {"deposit": sizes, "attention": 0.05, "size_attention": 0.5})
    cohort = market.cohorts["lenders"]
    attention = dict(zip(cohort.column("deposit"), cohort.column("attention"), strict=True))
    assert attention[100_000.0] / attention[1000.0] == pytest.approx(10.0, rel=0.01)


@pytest.mark.parametrize(
    ("used", "flight", "losses", "expected"),
    [
        (0.5, 0.0, 0.0, 0.0),
        (0.95, 0.0, 0.0, 0.25),
        (1.0, 0.0, 0.0, 0.5),
        (0.5, 0.1, 0.0, 0.2),
        (0.5, 0.0, 0.02, 0.4),
        (1.0, 1.0, 1.0, 1.0),
    ],
)
def test_fear_adds_up(used: float, flight: float, losses: float, expected: float) -> None:
    assert fear(used, 0.9, 0.5, flight, 2.0, losses, 20.0) == pytest.approx(expected)


def test_who_lent_what_is_dear_withdraws_and_sells_it(small: Callable[..., Scenario]) -> None:
    venue = {
        "assets": {"dai": {"price": 1.2, "process": "constant", "depth": 1e6, "inventory": 1e9}}
    }
    oracles = {"dai": {"token": "dai", "source": "fixed", "price": 1.0}}
    lending = {"bank": {"reserves": {"dai": {"collateral": False}}}}
    group = {
        "kind": "lender",
        "count": 50,
        "lending": "bank",
        "debt": "dai",
        "premium_response": 0.5,
        "outside_yield": 0.0,
        "attention": 0.5,
        "wallet": {"eth": 1.0},
    }
    setup = small(venue=venue, oracles=oracles, lending=lending, agents={"lenders": group})
    market = Market(setup, rng=1).run(40)
    sold = market.receipts().query("kind == 'venue' and status == 'done'")
    assert len(sold) > 10
    assert market.venue.price("dai") < 1.2


@pytest.mark.parametrize("least", [0.0, 1.0])
def test_who_sells_what_is_dear_stops_at_its_least_price(
    small: Callable[..., Scenario], least: float
) -> None:
    # One lender has far more than what takes the price to one.
    dai = {"price": 1.1, "process": "constant", "depth": 1e4, "inventory": 1e9, "spread": 0.0}
    dai |= {"permanent": 1.0, "impact": "permanent"}
    group = {
        "kind": "lender", "count": 1, "lending": "bank", "debt": "dai", "deposit": 1e6,
        "premium_response": 10.0, "least_price": least, "outside_yield": 0.0, "attention": 1.0,
        "wallet": {"eth": 1.0},
    }  # fmt: skip
    setup = small(
        venue={"assets": {"dai": dai}},
        oracles={"dai": {"token": "dai", "source": "fixed", "price": 1.0}},
        lending={"bank": {"reserves": {"dai": {"collateral": False}}}},
        agents={"lenders": group},
    )
    market = Market(setup, rng=1).run(2)
    sold = market.receipts().query("kind == 'venue' and status == 'done'")
    assert len(sold) == 1
    if least:
        assert 1.0 <= market.price("dai") < 1.05 and sold["amount_in"].iloc[0] < 2e5
    else:
        assert market.price("dai") < 0.5 and sold["amount_in"].iloc[0] == pytest.approx(1e6)


def test_a_cap_that_the_lenders_exceed_is_told(lively: Callable[..., Scenario]) -> None:
    capped = {"bank": {"reserves": {"usdc": {"cash": 1.0, "supply_cap": 2.0}}}}
    with pytest.raises(ScenarioError, match=r"agents\.lenders\.deposit: .* the cap is reached"):
        Market(lively(lending=capped), rng=1)


def test_a_utilisation_stands_beside_a_cap(lively: Callable[..., Scenario]) -> None:
    def setup(cap: float) -> Scenario:
        reserve = {"cash": 0.0, "utilisation": 0.5, "supply_cap": cap}
        return lively(lending={"bank": {"reserves": {"usdc": reserve}}})

    market = Market(setup(1e9), rng=1)
    assert market.lending["bank"].utilisation("usdc") == pytest.approx(0.5, rel=0.02)
    assert market.lending["bank"].reserve("usdc")["supply_cap"] == 1e9
    with pytest.raises(ScenarioError, match=r"supply_cap: .* is below the deposits of the start"):
        Market(setup(3.0), rng=1)
