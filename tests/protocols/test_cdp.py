"""Vaults, fees and auctions against the contracts' own tests (dss); the books in all weathers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from agents import MarketAgent
from protocols.cdp import CDP, CDPSettings, growth
from sim import Market, Scenario
from sim.codes import ALL
from sim.errors import ScenarioError
from sim.units import YEAR

Make = Callable[..., Scenario]
EVERYTHING = ("lock", "free", "draw", "wipe", "bite", "bid", "settle", "restart", "take")


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def opened(small: Make, line: dict[str, Any] | None = None, **settings: Any) -> Market:
    """A market whose coin is backed by ether, at a price that tests write by hand."""
    ether = {"token": "eth", "oracle": "told", "dust": 0.0, "penalty": 0.0} | (line or {})
    cdp = {"kind": "cdp", "collaterals": {"ether": ether}} | settings
    told = {"token": "eth", "source": "fixed", "price": 2000.0}
    return Market(
        small(protocols={"maker": cdp}, oracles={"told": told}, audit={"every": 1}), rng=1
    )


def tell(market: Market, price: float) -> None:
    """Have the oracle say something else."""
    market.world.feeds[list(market.oracles).index("told")]["price"] = price


def maker(market: Market) -> CDP:
    found = market.protocols["maker"]
    assert isinstance(found, CDP)
    return found


def with_vault(market: Market, name: str, ink: float, owed: float, spare: float = 0.0) -> Idle:
    """An agent with a vault, whose coins are in its wallet."""
    agent = Idle(market, {"eth": ink + spare}, name)
    with agent.transaction():
        agent.act("maker", "lock", ink, token_in="eth")
        agent.act("maker", "draw", owed, token_in="maker-debt-ether")
    market.run(1)
    assert agent.wallet["maker-coin"] == owed
    return agent


def reasons(market: Market) -> list[str]:
    return market.receipts()["reason"].astype(str).tolist()


def last(market: Market) -> str:
    return reasons(market)[-1]


def say(market: Market, agent: Idle, name: str, amount: float = 0.0, **more: Any) -> str:
    """Make one call, and tell how it ended."""
    agent.act("maker", name, amount, **more)
    market.run(1)
    return last(market)


# Vaults


def test_what_can_be_drawn_is_collateral_over_ratio(small: Make) -> None:
    market = opened(small)
    ann = Idle(market, {"eth": 10.0}, "ann")
    before = ann.wealth
    assert say(market, ann, "lock", ALL, token_in="eth") == "done"
    # 10 ether at 2000 and a ratio of 1.5 are good for 13,333.33 coins.
    assert say(market, ann, "draw", 13_333.4, token_in="maker-debt-ether") == "unhealthy"
    assert say(market, ann, "draw", 13_333.3, token_in="maker-debt-ether") == "done"
    assert maker(market).vault("ann", "ether") == (10.0, pytest.approx(13_333.3))
    assert ann.wealth == pytest.approx(before)
    assert say(market, ann, "free", 0.1, token_in="maker-locked-ether") == "unhealthy"
    assert say(market, ann, "wipe", 10_000.0, token_out="maker-debt-ether") == "done"
    assert say(market, ann, "free", 7.4, token_in="maker-locked-ether") == "done"
    assert ann.wallet["eth"] == pytest.approx(7.4)
    assert market.ledger.supply("maker-coin") == pytest.approx(3333.3)


def test_a_limit_asks_for_more_than_the_ratio(small: Make) -> None:
    market = opened(small)
    ann = Idle(market, {"eth": 10.0}, "ann")
    say(market, ann, "lock", ALL, token_in="eth")
    draw = {"token_in": "maker-debt-ether"}
    assert say(market, ann, "draw", 10_100.0, minimum=2.0, **draw) == "unhealthy"
    assert say(market, ann, "draw", 9_900.0, minimum=2.0, **draw) == "done"


def test_ceilings_and_dust(small: Make) -> None:
    market = opened(small, {"ceiling": 1500.0, "dust": 500.0}, ceiling=1200.0)
    ann = Idle(market, {"eth": 10.0}, "ann")
    draw = {"token_in": "maker-debt-ether"}
    say(market, ann, "lock", ALL, token_in="eth")
    assert say(market, ann, "draw", 400.0, **draw) == "limit"
    assert say(market, ann, "draw", 1600.0, **draw) == "cap"
    assert say(market, ann, "draw", 1300.0, **draw) == "cap"  # of all collaterals
    assert say(market, ann, "draw", 1000.0, **draw) == "done"
    # A debt of 300 must not be left: only 500 are taken.
    assert say(market, ann, "wipe", 700.0, token_out="maker-debt-ether") == "done"
    assert maker(market).vault("ann", "ether")[1] == pytest.approx(500.0)
    assert say(market, ann, "wipe", 100.0, token_out="maker-debt-ether") == "limit"
    assert say(market, ann, "wipe", ALL, token_out="maker-debt-ether") == "done"
    assert maker(market).vault("ann", "ether")[1] == 0.0


def test_the_stability_fee_of_a_year(small: Make) -> None:
    assert growth(0.05, YEAR) == pytest.approx(1.05, rel=1e-12)
    market = opened(small, {"fee": 0.08})
    with_vault(market, "ann", 10.0, 1000.0)
    began = market.block
    market.run(200)
    years = (market.block - began + 1) * market.setup.block.seconds / YEAR
    owed = maker(market).vault("ann", "ether")[1]
    assert owed == pytest.approx(1000.0 * 1.08**years, rel=1e-12)
    assert maker(market).value("surplus") == pytest.approx(owed - 1000.0, rel=1e-6)
    assert market.ledger.supply("maker-coin") == pytest.approx(owed)


def test_a_pledge_cannot_be_given_away(small: Make) -> None:
    market = opened(small)
    ann = with_vault(market, "ann", 10.0, 1000.0)
    Idle(market, {}, "bob")
    ann.transfer("bob", "maker-locked-ether", 1.0)
    ann.transfer("bob", "maker-debt-ether", 1.0)
    market.run(1)
    assert reasons(market)[-2:] == ["bound", "bound"]
    assert maker(market).vault("ann", "ether") == (10.0, pytest.approx(1000.0))


# English auctions: flip.t.sol has a lot of 100 for a tab of 50, and an increment of a twentieth


def flipping(small: Make, **settings: Any) -> tuple[Market, Idle, Idle, Idle]:
    """An auction of 100 for 50, and two who can bid."""
    flip = {"increment": 0.05, "bid_duration": 3, "auction_length": 12} | settings
    market = opened(small, {"lot": 1000.0}, **flip)
    tell(market, 1.0)
    debtor = with_vault(market, "debtor", 100.0, 50.0)
    ali, bob = (with_vault(market, name, 1000.0, 200.0) for name in ("ali", "bob"))
    tell(market, 0.7)
    assert say(market, ali, "bite", counterparty="debtor", token_in="maker-debt-ether") == "done"
    return market, debtor, ali, bob


def test_bite_takes_the_vault_and_leaves_its_debt_to_all(small: Make) -> None:
    market, debtor, _, _ = flipping(small)
    assert maker(market).vault("debtor", "ether") == (0.0, 0.0)
    assert maker(market).value("sin") == pytest.approx(50.0)
    auction = maker(market).auctions_now()[0]
    assert (auction["lot"], auction["tab"], auction["bid"]) == (100.0, pytest.approx(50.0), 0.0)
    assert debtor.wallet["maker-coin"] == 50.0  # he keeps the coins that he has drawn


def test_a_safe_vault_is_not_bitten(small: Make) -> None:
    market = opened(small)
    ann = with_vault(market, "ann", 10.0, 10_000.0)
    told = say(market, ann, "bite", counterparty="ann", token_in="maker-debt-ether")
    assert told == "not_liquidatable"


def test_bids_rise_by_the_increment_and_give_the_last_one_back(small: Make) -> None:
    market, _, ali, bob = flipping(small)
    assert say(market, ali, "bid", 1.0, second=1.0) == "done"
    assert ali.wallet["maker-coin"] == pytest.approx(199.0)
    assert say(market, bob, "bid", 1.01, second=1.0) == "limit"  # less than a twentieth more
    assert say(market, bob, "bid", 1.07, second=1.0) == "done"
    assert ali.wallet["maker-coin"] == pytest.approx(200.0)
    assert say(market, ali, "bid", 49.0, second=1.0) == "done"
    assert say(market, bob, "bid", 50.0, second=1.0) == "done"  # the tab is always enough
    assert bob.wallet["maker-coin"] == pytest.approx(150.0)
    assert maker(market).value("sin") == pytest.approx(0.0)  # the bids have covered it


def test_once_all_is_bid_less_and_less_of_the_lot_is_asked_for(small: Make) -> None:
    market, debtor, ali, bob = flipping(small)
    say(market, ali, "bid", 50.0, second=1.0)
    assert say(market, bob, "bid", 50.0, second=1.0, minimum=100.0) == "limit"
    assert say(market, bob, "bid", 50.0, second=1.0, minimum=99.0) == "limit"
    assert say(market, bob, "bid", 50.0, second=1.0, minimum=95.0) == "done"
    assert debtor.wallet["eth"] == pytest.approx(5.0)  # what he left goes back
    assert (ali.wallet["maker-coin"], bob.wallet["maker-coin"]) == (200.0, pytest.approx(150.0))
    market.run(4)
    assert say(market, ali, "settle", second=1.0) == "done"
    assert bob.wallet["eth"] == pytest.approx(95.0)
    assert maker(market).value("bad_debt") == 0.0 and maker(market).auctions_now() == []


def test_who_is_not_outbid_has_the_lot(small: Make) -> None:
    market, _, ali, bob = flipping(small)
    assert say(market, bob, "settle", second=1.0) == "limit"  # nobody has bid
    say(market, ali, "bid", 1e-3, second=1.0)
    assert say(market, bob, "settle", second=1.0) == "limit"  # it may still be outbid
    market.run(3)
    assert say(market, bob, "bid", 10.0, second=1.0) == "expired"
    assert say(market, bob, "settle", second=1.0) == "done"
    assert ali.wallet["eth"] == pytest.approx(100.0)
    cdp = maker(market)
    assert cdp.value("bad_debt") == pytest.approx(50.0 - 1e-3)
    assert cdp.value("for_nothing") == cdp.value("settled") == 1.0
    assert cdp.value("for_nothing_worth") == pytest.approx(100.0 * market.price("eth"))
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["protocol.maker.zero_bid_share"] == 1.0
    assert row["protocol.maker.coverage"] == pytest.approx(1e-3 / 50.0)
    assert row["protocol.maker.deficit"] == pytest.approx(50.0 - 1e-3)


def test_an_auction_without_bids_is_started_anew(small: Make) -> None:
    market, _, ali, _ = flipping(small)
    assert say(market, ali, "restart", second=1.0) == "limit"
    market.run(14)
    assert say(market, ali, "bid", 1.0, second=1.0) == "expired"
    assert say(market, ali, "restart", second=1.0) == "done"
    assert say(market, ali, "bid", 1.0, second=1.0) == "done"


def test_a_large_vault_goes_lot_by_lot(small: Make) -> None:
    market = opened(small, {"lot": 50.0, "penalty": 0.13})
    ann = with_vault(market, "ann", 120.0, 120_000.0)
    tell(market, 1400.0)  # 168,000 for 120,000: less than 1.5
    told = [
        say(market, ann, "bite", counterparty="ann", token_in="maker-debt-ether") for _ in range(4)
    ]
    assert told == ["done"] * 3 + ["not_liquidatable"]
    auctions = maker(market).auctions_now()
    assert [a["lot"] for a in auctions] == pytest.approx([50.0, 50.0, 20.0])
    assert [a["owed"] for a in auctions] == pytest.approx([50_000.0, 50_000.0, 20_000.0])
    assert [a["tab"] for a in auctions] == pytest.approx([56_500.0, 56_500.0, 22_600.0])


# Dutch auctions: clip.t.sol has a lot of 40 for a tab of 110, and a first price of 5


def clipping(small: Make, **settings: Any) -> tuple[Market, Idle, Idle]:
    clip = {"auction": "dutch", "buf": 1.25, "cut": 0.99, "step": 1, "tail": 80, "cusp": 0.3}
    line = {"lot": 1000.0, "ratio": 2.0, "penalty": 0.1}
    market = opened(small, line, **(clip | settings))
    tell(market, 5.0)
    debtor = with_vault(market, "debtor", 40.0, 100.0)
    ali = with_vault(market, "ali", 1000.0, 1000.0)
    tell(market, 4.0)
    assert say(market, ali, "bite", counterparty="debtor", token_in="maker-debt-ether") == "done"
    return market, debtor, ali


def test_a_dutch_auction_starts_above_the_price_and_falls(small: Make) -> None:
    market, debtor, ali = clipping(small)
    auction = maker(market).auctions_now()[0]
    assert (auction["lot"], auction["top"]) == (40.0, pytest.approx(5.0))
    assert auction["tab"] == pytest.approx(110.0)
    market.run(29)
    # 30 blocks on the price is 5 x 0.99^30 = 3.6985: 110 coins buy 29.74, the rest goes back.
    assert say(market, ali, "take", 1000.0, second=1.0) == "done"
    price = 5.0 * 0.99**30
    assert ali.wallet["eth"] == pytest.approx(110.0 / price)
    assert debtor.wallet["eth"] == pytest.approx(40.0 - 110.0 / price)
    assert ali.wallet["maker-coin"] == pytest.approx(890.0)
    assert maker(market).value("surplus") == pytest.approx(10.0)  # the penalty
    assert maker(market).auctions_now() == []


def test_several_take_parts_at_their_own_prices(small: Make) -> None:
    market, debtor, ali = clipping(small)
    assert say(market, ali, "take", 1000.0, second=1.0, minimum=10.0) == "done"
    first = 10.0 * 5.0 * 0.99
    auction = maker(market).auctions_now()[0]
    assert (auction["lot"], auction["tab"]) == (30.0, pytest.approx(110.0 - first))
    market.run(29)
    assert say(market, ali, "take", 1000.0, second=1.0) == "done"
    second = (110.0 - first) / (5.0 * 0.99**31)
    assert ali.wallet["eth"] == pytest.approx(10.0 + second)
    assert debtor.wallet["eth"] == pytest.approx(30.0 - second)
    cdp = maker(market)
    worth = (10.0 + second) * market.price("eth") - 110.0 * market.price("maker-coin")
    assert cdp.value("takings") == pytest.approx(worth)


def test_a_lot_that_goes_for_less_leaves_bad_debt(small: Make) -> None:
    market, _, ali = clipping(small)
    market.run(69)
    assert say(market, ali, "take", 1000.0, second=1.0) == "done"
    paid = 40.0 * 5.0 * 0.99**70
    assert ali.wallet["eth"] == pytest.approx(40.0)
    assert maker(market).value("bad_debt") == pytest.approx(100.0 - paid) and paid < 100.0


def test_a_stale_dutch_auction_takes_nobody_before_it_is_started_anew(small: Make) -> None:
    market, _, ali = clipping(small, tip=2.0, chip=0.01)
    coins = ali.wallet["maker-coin"]
    assert coins == pytest.approx(1000.0 + 2.0 + 1.1)  # who started it was paid for that
    assert maker(market).value("sin") == pytest.approx(103.1)
    market.run(81)
    assert say(market, ali, "take", 1000.0, second=1.0) == "expired"
    tell(market, 2.0)
    assert say(market, ali, "restart", second=1.0) == "done"
    assert maker(market).auctions_now()[0]["top"] == pytest.approx(2.5)
    assert say(market, ali, "take", 1000.0, second=1.0) == "done"


# A fixed bonus


def test_a_fixed_bonus(small: Make) -> None:
    market = opened(small, auction="bonus", bonus=0.05, close_factor=0.5)
    with_vault(market, "ann", 10.0, 12_000.0)
    ali = with_vault(market, "ali", 1000.0, 50_000.0)
    pay = {"counterparty": "ann", "token_out": "maker-locked-ether"}
    assert say(market, ali, "liquidate", 1000.0, **pay) == "not_liquidatable"
    tell(market, 1700.0)
    assert say(market, ali, "liquidate", 10_000.0, **pay) == "done"
    assert ali.wallet["maker-coin"] == pytest.approx(44_000.0)  # half of the debt
    assert ali.wallet["eth"] == pytest.approx(6000.0 * 1.05 / 1700.0)
    told = say(market, ali, "bite", counterparty="ann", token_in="maker-debt-ether")
    assert told == "invalid"  # there are no auctions


def test_what_collateral_cannot_pay_is_bad_debt(small: Make) -> None:
    market = opened(small, auction="bonus", bonus=0.05)
    with_vault(market, "ann", 10.0, 12_000.0)
    ali = with_vault(market, "ali", 1000.0, 50_000.0)
    tell(market, 1050.0)
    pay = {"counterparty": "ann", "token_out": "maker-locked-ether"}
    assert say(market, ali, "liquidate", ALL, **pay) == "done"
    assert ali.wallet["maker-coin"] == pytest.approx(40_000.0)  # 10 x 1050 / 1.05
    assert maker(market).vault("ann", "ether") == (0.0, 0.0)
    assert maker(market).value("bad_debt") == pytest.approx(2000.0)
    assert maker(market).value("sin") == pytest.approx(2000.0)


# Surplus and deficit


def test_a_surplus_buys_governance_tokens_and_burns_them(small: Make) -> None:
    more = {"surplus_buffer": 1.0, "surplus_lot": 5.0}
    market = opened(small, {"fee": 10.0}, **more)
    ali = with_vault(market, "ali", 1000.0, 500_000.0)
    bob = Idle(market, {"maker-stake": 100.0}, "bob")
    assert say(market, bob, "sell_surplus") == "limit"
    market.run(30)
    assert maker(market).value("surplus") > 6.0
    assert say(market, bob, "sell_surplus") == "done"
    bid = {"token_in": "maker-stake", "second": 1.0}
    assert say(market, ali, "bid", 1.0, **bid) == "insufficient_balance"
    assert say(market, bob, "bid", 10.0, **bid) == "done"
    assert say(market, bob, "bid", 10.1, **bid) == "limit"
    assert say(market, bob, "bid", 20.0, **bid) == "done"
    assert bob.wallet["maker-stake"] == pytest.approx(80.0)
    market.run(51)
    assert say(market, ali, "settle", second=1.0) == "done"
    assert bob.wallet["maker-coin"] == pytest.approx(5.0)
    assert market.ledger.supply("maker-stake") == pytest.approx(80.0)


def test_a_deficit_that_lasts_is_sold_as_dilution(small: Make) -> None:
    more = {"deficit_lot": 1000.0, "deficit_offer": 100.0, "deficit_delay": 5, "bonus": 0.05}
    market = opened(small, auction="bonus", **more)
    with_vault(market, "ann", 10.0, 12_000.0)
    ali = with_vault(market, "ali", 1000.0, 50_000.0)
    Idle(market, {"maker-stake": 400.0}, "old")
    tell(market, 1050.0)
    say(market, ali, "liquidate", ALL, counterparty="ann", token_out="maker-locked-ether")
    assert say(market, ali, "sell_deficit") == "limit"  # it has not lasted
    market.run(5)
    assert say(market, ali, "sell_deficit") == "done"
    assert say(market, ali, "sell_deficit") == "done"
    assert say(market, ali, "sell_deficit") == "limit"  # two lots cover it
    assert say(market, ali, "bid", 1000.0, second=1.0, minimum=99.0) == "limit"
    assert say(market, ali, "bid", 1000.0, second=1.0, minimum=90.0) == "done"
    assert say(market, ali, "bid", 1000.0, second=1.0, minimum=80.0) == "done"
    market.run(51)
    assert say(market, ali, "settle", second=1.0) == "done"
    assert ali.wallet["maker-stake"] == pytest.approx(80.0)
    assert maker(market).value("sin") == pytest.approx(1000.0)
    assert say(market, ali, "restart", second=2.0) == "done"
    assert maker(market).auctions_now()[0]["lot"] == pytest.approx(150.0)  # half as many more
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["protocol.maker.dilution"] == pytest.approx(80.0 / 400.0)


# Of the venue, and from the start


def test_it_may_mint_a_token_of_the_venue(small: Make) -> None:
    dai = {"price": 1.0, "process": "constant", "inventory": 1e6}
    content = small(
        venue={"assets": {"dai": dai}},
        protocols={
            "maker": {
                "kind": "cdp", "mints": "dai", "backing": 3.0,
                "collaterals": {"ether": {"token": "eth", "oracle": "eth"}},
            }
        },
    )  # fmt: skip
    market = Market(content, rng=1)
    cdp = maker(market)
    # Behind the coins that are out stand vaults of outside holders.
    ink, owed = cdp.vault("holders", "ether")
    assert owed == pytest.approx(1e6) and ink == pytest.approx(3e6 / 2000.0)
    sheets = market.balance_sheets().set_index("entity")
    assert sheets.loc["maker", "equity"] == pytest.approx(0.0, abs=1e-3)
    ann = Idle(market, {"eth": 10.0}, "ann")
    ann.act("maker", "lock", ALL, token_in="eth")
    market.run(1)
    ann.act("maker", "draw", 5000.0, token_in="maker-debt-ether")
    market.run(1)
    assert ann.wallet["dai"] == 5000.0 and market.ledger.supply("dai") == 1_005_000.0
    sheets = market.balance_sheets()
    base = sum(market.ledger.supply(token) * market.price(token) for token in ("eth", "usdc"))
    assert sheets["equity"].sum() == pytest.approx(base, rel=1e-9)
    graph = market.exposure()
    assert graph.has_edge("venue", "maker")  # whoever holds the coin has a claim on it
    market.ledger.audit()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"mints": "eth"}, "collateral too"),
        ({"mints": "dai", "governance": "dai"}, "choose two"),
        ({"collaterals": {}}, "at least 1"),
        ({"collaterals": {c: {"token": "eth", "oracle": "o"} for c in "abcdefghi"}}, "8 at most"),
    ],
)
def test_settings_that_contradict_themselves(change: dict[str, Any], word: str) -> None:
    base = {"collaterals": {"a": {"token": "eth", "oracle": "o"}}}
    with pytest.raises(ValidationError, match=word):
        CDPSettings.model_validate(base | change)


def test_an_oracle_that_is_not_there_is_named(small: Make) -> None:
    with pytest.raises(ScenarioError, match="moon"):
        opened(small, {"oracle": "moon"})


# In all weathers


LIQUIDATIONS = {
    "english": {"bite", "bid", "settle", "restart"},
    "dutch": {"bite", "take"},
    "bonus": {"liquidate"},
}


@pytest.mark.parametrize("manner", list(LIQUIDATIONS))
def test_books_agree_in_every_block_whatever_is_called(small: Make, manner: str) -> None:
    """Anybody calls anything; the price falls, is lost, comes back. Nothing is lost or made."""
    done = set().union(*(in_all_weathers(small, manner, seed) for seed in range(4)))
    assert {"lock", "draw", "free", "wipe"} | LIQUIDATIONS[manner] <= done


def in_all_weathers(small: Make, manner: str, seed: int) -> set[str]:
    """Run a market of random calls, audited in every block. Returns the calls that were done."""
    draw = random.Random(seed)
    market = opened(
        small,
        {"fee": 5.0, "penalty": 0.13, "lot": 7.0, "dust": 10.0},
        auction=manner, most_auctions=12, bid_duration=3, auction_length=8, step=1, tail=12,
        tip=1.0, chip=0.01, surplus_buffer=1.0, surplus_lot=5.0, deficit_lot=20.0,
        deficit_delay=2, deficit_offer=4.0, close_factor=0.7,
    )  # fmt: skip
    cdp = maker(market)
    wallet = {"eth": 200.0, "maker-stake": 50.0}
    people = [Idle(market, wallet, f"p{n}") for n in range(5)]
    price, done = 2000.0, set[str]()
    base = sum(market.ledger.supply(t) * market.price(t) for t in ("eth", "usdc"))
    for _ in range(150):
        price = max(price * draw.choice((1.0, 1.0, 1.03, 0.93)), 150.0)
        if price < 300.0 and draw.random() < 0.1:
            price = 2500.0
        tell(market, draw.choice((price, price, price, price, 0.0, np.nan)))
        for who in people:
            name = draw.choice(tuple(call.name for call in cdp.calls))
            coins = who.wallet.get("maker-coin", 0.0)
            amounts = [ALL, draw.random() * 100.0, draw.random() * coins, 0.0]
            given: dict[str, Any] = {"counterparty": draw.choice(people).name}
            if name in ("lock", "draw", "free"):
                token = {"lock": "eth", "draw": "maker-debt-ether", "free": "maker-locked-ether"}
                given["token_in"] = token[name]
                if name == "draw":
                    ink, owed = cdp.vault(who.name, "ether")
                    amounts = [max(ink * price / 1.5 - owed, 1.0) * draw.random() ** 0.2]
            elif name in ("wipe", "liquidate"):
                given["token_out"] = "maker-debt-ether"
            elif name == "bite":
                given["token_in"] = "maker-debt-ether"
            elif name in ("bid", "settle", "restart", "take"):
                given["second"] = float(draw.randint(0, int(cdp.value("latest")) + 1))
                if name == "bid":
                    given["token_in"] = draw.choice(("maker-coin", "maker-coin", "maker-stake"))
                    given["minimum"] = draw.choice((0.0, 1e-3, draw.random() * 7.0))
            who.act("maker", name, draw.choice(amounts), **given)
        market.run(1)  # audited: coins and collateral agree to 1e-9
        receipts = market.receipts().query("status == 'done'")
        done |= set(receipts["kind"].astype(str))
    sheets = market.balance_sheets()
    assert sheets["equity"].sum() == pytest.approx(base, rel=1e-9)
    assert cdp.audit() < 1e-9
    return done


def test_what_is_locked_hangs_on_its_oracle(small: Make) -> None:
    market = opened(small)
    with_vault(market, "debtor", 100.0, 50.0)
    tell(market, 1500.0)
    edge = market.exposure()["maker"]["oracle:told"]["price"]
    assert edge["weight"] == pytest.approx(100.0 * 1500.0)
