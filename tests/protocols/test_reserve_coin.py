"""Par for those who are approved, banks' hours, what is stuck and what of it comes back."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import MarketAgent
from protocols.reserve_coin import DAY, HOUR, is_open, until_open
from sim import Market, Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def content(small: Make, settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A market whose coin has a pool, on a Friday; a block an hour."""
    found = small().to_dict() | {"start": "2023-03-10T12:00:00Z", "blocks": 200} | more
    found["block"]["seconds"] = HOUR
    found["protocols"] = {
        "circle": {"kind": "reserve_coin", "reserve": "usdc", "market": "coin-usdc"} | settings
    }
    found["pools"]["coin-usdc"] = {
        "tokens": ["circle-coin", "usdc"], "kind": "stableswap", "fee": 0.0,
        "reserves": {"circle-coin": 1e6, "usdc": 1e6},
    }  # fmt: skip
    found["audit"] = {"every": 1}
    return found


def opened(small: Make, settings: dict[str, Any], **more: Any) -> tuple[Market, Any, Idle]:
    market = Market(content(small, {"minimum": 0.0} | settings, **more), rng=1)
    return market, market.protocols["circle"], Idle(market, {"usdc": 1e5}, "ann")


def say(market: Market, ann: Idle, amount: float, mints: bool) -> str:
    pair = ("usdc", "circle-coin") if mints else ("circle-coin", "usdc")
    ann.act("circle", "convert", amount, token_in=pair[0], token_out=pair[1])
    market.run(1)
    last = market.receipts().query("protocol == 'circle'").iloc[-1]
    return "done" if last["status"] == "done" else str(last["reason"])


def test_it_mints_and_redeems_at_par_less_a_fee(small: Make) -> None:
    market, circle, ann = opened(small, {"mint_fee": 0.001, "redeem_fee": 0.002})
    assert say(market, ann, 1000.0, True) == "done"
    assert ann.wallet["circle-coin"] == pytest.approx(999.0)
    assert say(market, ann, 500.0, False) == "done"
    assert ann.wallet["usdc"] == pytest.approx(1e5 - 1000.0 + 499.0)
    assert circle.value("fees") == pytest.approx(2.0)
    assert circle.value("held") == pytest.approx(1e6 + 1000.0 - 499.0)


def test_only_those_who_are_approved_or_large(small: Make) -> None:
    market, circle, ann = opened(small, {"minimum": 10_000.0})
    assert say(market, ann, 9_999.0, True) == "invalid"
    assert say(market, ann, 10_000.0, True) == "done"
    assert say(market, ann, 5.0, False) == "invalid"
    circle.approve("ann")
    assert say(market, ann, 5.0, False) == "done"


def test_groups_are_approved(small: Make) -> None:
    whale = {
        "kind": "whale", "count": 2, "pools": ["coin-usdc"], "start": 1000,
        "wallet": {"circle-coin": 100.0},
    }  # fmt: skip
    settings = {"approved": ["desks"]}
    market = Market(content(small, settings, agents={"desks": whale, "others": whale}), rng=1)
    circle: Any = market.protocols["circle"]
    desks, others = (market.cohorts[g].accounts() for g in ("desks", "others"))
    assert circle.rows("approvals")[desks, 0].tolist() == [1.0, 1.0]
    assert not circle.rows("approvals")[others].any()
    # Wallets' coins have a reserve behind them.
    assert market.ledger.balance("circle", "usdc") == pytest.approx(1e6 + 400.0)


def test_banks_are_shut_at_weekends_and_at_night() -> None:
    monday = 9.5 * HOUR
    assert is_open(monday, 9.0, 17.0, 0) and not is_open(monday + 8 * HOUR, 9.0, 17.0, 0)
    assert is_open(monday + 4 * DAY, 9.0, 17.0, 0)
    assert not is_open(monday + 5 * DAY, 9.0, 17.0, 0)
    assert not is_open(monday + 6 * DAY, 0.0, 24.0, 0)
    assert is_open(monday + 6 * DAY, 0.0, 24.0, 1)
    assert is_open(monday + 7 * DAY, 9.0, 17.0, 0)


@given(
    seconds=st.floats(0.0, 30.0 * DAY),
    opens=st.floats(0.0, 23.0),
    lasts=st.floats(0.5, 24.0),
    weekends=st.integers(0, 1),
)
def test_it_opens_when_it_says(seconds: float, opens: float, lasts: float, weekends: int) -> None:
    closes = min(opens + lasts, 24.0)
    wait = until_open(seconds, opens, closes, weekends)
    assert (wait == 0.0) == is_open(seconds, opens, closes, weekends)
    assert 0.0 <= wait <= 3.0 * DAY
    assert is_open(seconds + wait + 1e-3, opens, closes, weekends)
    assert wait < 2e-3 or not is_open(seconds + wait - 1e-3, opens, closes, weekends)


def test_on_friday_evening_it_waits_for_monday_morning() -> None:
    assert until_open(4 * DAY + 22 * HOUR, 13.0, 22.0, 0) == 2 * DAY + 15 * HOUR
    assert until_open(3 * DAY + 23 * HOUR, 13.0, 22.0, 0) == 14 * HOUR
    assert until_open(4 * DAY + 22 * HOUR, 13.0, 22.0, 1) == 15 * HOUR


def test_the_scenarios_clock_shuts_it(small: Make) -> None:
    """From noon on Friday 10 March 2023: 11 hours of Friday, then 48 without."""
    market, _, ann = opened(small, {"weekends": False})
    told = [say(market, ann, 1.0, True) for _ in range(64)]
    assert told == ["done"] * 11 + ["halted"] * 48 + ["done"] * 5


def test_a_day_pays_out_so_much(small: Make) -> None:
    market, _, ann = opened(small, {"daily": 300.0})
    say(market, ann, 2000.0, True)  # Friday 13:00
    assert [say(market, ann, 200.0, False) for _ in range(3)] == ["done", "cap", "cap"]
    market.run(12)
    assert [say(market, ann, 200.0, False) for _ in range(2)] == ["done", "cap"]


def failing(size: float, blocks: int = 5) -> dict[str, Any]:
    return {
        "kind": "event", "protocol": "circle", "event": "bank_fails", "size": size, "block": 2,
        "blocks": blocks,
    }  # fmt: skip


def test_what_is_stuck_is_not_paid_out(small: Make) -> None:
    market, circle, ann = opened(small, {}, shocks=[failing(0.999)])
    say(market, ann, 5_000.0, True)
    assert say(market, ann, 2_000.0, False) == "no_cash"
    assert say(market, ann, 1_000.0, False) == "done"
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["protocol.circle.backing"] == pytest.approx(1.0)
    assert row["protocol.circle.cash_ratio"] == pytest.approx(5.0 / 1_004_000.0, rel=1e-3)
    market.run(4)
    assert say(market, ann, 2_000.0, False) == "done"
    assert circle.value("stuck") == 0.0 and circle.value("lost") == 0.0


def test_a_haircut_is_somebodys_loss(small: Make) -> None:
    settings = {"recovery": 0.4, "recovery_chance": 0.0}
    market, circle, _ = opened(small, settings, shocks=[failing(0.08)])
    before = market.ledger.balance("holders", "usdc")
    market.run(10)
    assert circle.value("lost") == pytest.approx(0.6 * 0.08 * 1e6)
    assert market.ledger.balance("holders", "usdc") - before == pytest.approx(48_000.0)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["protocol.circle.backing"] == pytest.approx(0.952)


def test_the_chance_is_the_seeds(small: Make) -> None:
    settings = {"recovery": 0.0, "recovery_chance": 0.5}
    lost = []
    for seed in range(20):
        market = Market(content(small, settings, shocks=[failing(0.5, 1)]), rng=seed)
        market.run(4)
        lost.append(market.protocols["circle"].value("lost") > 0.0)  # type: ignore[attr-defined]
    assert 4 <= sum(lost) <= 16


def test_the_books_agree_in_all_weathers(small: Make) -> None:
    """Anything at any time, banks that fail twice at once; the audit after every block."""
    shocks = [failing(0.5, 20), failing(0.9, 30) | {"block": 10}]
    settings = {"recovery": 0.3, "recovery_chance": 0.3, "weekends": False, "mint_fee": 0.01}
    market, circle, ann = opened(small, settings, shocks=shocks)
    chance = random.Random(5)
    people = [ann] + [Idle(market, {"usdc": 1e5}, f"p{n}") for n in range(3)]
    for _ in range(100):
        for one in people:
            pair = ["usdc", "circle-coin"]
            chance.shuffle(pair)
            amount = chance.choice((-2.0, 1e3, 1e12, 1e-9, 3e4))
            one.act("circle", "convert", amount, token_in=pair[0], token_out=pair[1])
        market.run(1)
        circle.audit()
    done = market.receipts().query("status == 'done'")
    assert len(done) > 50


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"approved": ["nobody"]}, "protocols.circle.approved"),
        ({"opens": 9.0, "closes": 8.0}, "protocols.circle.closes"),
        ({"reserve": "moon"}, "protocols.circle.reserve"),
        ({"market": "nowhere"}, "protocols.circle.market"),
    ],
)
def test_what_is_wrong_is_named(small: Make, change: dict[str, Any], field: str) -> None:
    with pytest.raises(ScenarioError) as told:
        Market(content(small, change), rng=1)
    assert any(at == field for at, _ in told.value.problems), told.value
