"""A builder's auction: sealed bundles that hold or leave no trace, and what they carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agents import MarketAgent
from agents.intents import THEN, Order, carry, swap
from sim import Market, Scenario
from sim.codes import Kind, Reason
from sim.compiled import kernel
from sim.mempool import add_call, replace, send
from sim.mempool import call as asked
from sim.trial import try_out
from tests.conftest import BASE, merged

ETH, USDC = 1, 0
SEARCHERS, USERS = 0, 1
SWAP = 110_000.0


class Idle(MarketAgent):
    """Does what the test says and nothing by itself."""


def opened(prices: str = "", losses: bool = False, **block: Any) -> Market:
    quiet = {"pools": ["eth-usdc"], "wallet": {"eth": 50.0, "usdc": 100_000.0}}
    agents = {
        "searchers": quiet | {"kind": "arbitrageur", "count": 3, "attention": 0.0},
        "users": quiet | {"kind": "noise_trader", "count": 3, "rate": 0.0},
    }
    settings = {
        "ordering": "builder",
        "fee_market": "eip1559",
        "base_fee": 10.0,
        "gas_limit": 10e6,
        "outside": {"gas": 0.0},
    }
    content = merged(BASE | {"agents": agents}, {"block": settings | block})
    content = merged(content, {"measures": {"losses": losses}})
    if prices:
        content["prices"] = {"file": prices}
    return Market(Scenario.from_dict(content), rng=1)


def first(market: Market, group: str) -> int:
    return market.cohorts[group].first


def ask(market: Market, cohort: int, agent: int, bid: float, *calls: Any) -> None:
    names = list(market.cohorts)
    order = Order(first(market, names[cohort]) + agent, cohort, bid, 9)
    assert send(market.world, order, calls[0])
    for call in calls[1:]:
        assert add_call(market.world, call)


def sale(amount: float, least: float = 0.0) -> Any:
    return asked(int(Kind.SWAP), 0, ETH, USDC, amount, least)


def frame(market: Market) -> Any:
    market.receipt_book.take(market.world)
    return market.receipts()


def test_bundles_go_before_higher_public_bids_and_among_themselves_by_bid() -> None:
    market = opened()
    ask(market, USERS, 0, 90.0, sale(0.1))
    ask(market, SEARCHERS, 0, 20.0, sale(0.1))
    ask(market, SEARCHERS, 1, 30.0, sale(0.1))
    market._execute()
    assert list(frame(market)["sender"]) == ["searchers-1", "searchers-0", "users-0"]


def test_a_bundle_that_fails_is_free_and_a_public_transaction_is_not() -> None:
    market = opened()
    b = market.ledger.books
    ask(market, SEARCHERS, 0, 40.0, sale(0.1), sale(1.0, 1e9))
    was = b.balances.tobytes(), b.supply.tobytes(), b.storage.tobytes()
    market._execute()
    assert (b.balances.tobytes(), b.supply.tobytes(), b.storage.tobytes()) == was
    chain, tally = market.world.chain[0], market.world.tally
    assert chain["gas_bought"] == 0.0
    assert chain["waiting"] == 0
    assert tally[SEARCHERS, Reason.DROPPED] == 1
    assert market.world.cohorts[SEARCHERS]["gas_spent"] == 0.0
    receipts = frame(market)
    assert receipts["status"].astype(str).tolist() == ["dropped", "dropped"]
    assert (receipts[["gas", "gas_price", "amount_out"]] == 0.0).all(axis=None)
    ask(market, USERS, 0, 40.0, sale(1.0, 1e9))
    held = market.ledger.balances[first(market, "users"), ETH]
    market._execute()
    assert market.ledger.balances[first(market, "users"), ETH] < held
    assert frame(market)["status"].astype(str).tolist()[-1] == "reverted"


def test_the_winner_pays_its_bid_and_the_loser_nothing() -> None:
    market = opened()
    quoted = market.pools["eth-usdc"].quote("eth", "usdc", 10.0)
    for agent, bid in ((0, 20.0), (1, 35.0), (2, 25.0)):
        ask(market, SEARCHERS, agent, bid, sale(10.0, quoted * (1.0 - 1e-9)))
    supply = market.ledger.supply("eth")
    market._execute()
    receipts = frame(market).set_index("sender")
    assert receipts["status"].astype(str).to_dict() == {
        "searchers-0": "dropped",
        "searchers-1": "done",
        "searchers-2": "dropped",
    }
    assert supply - market.ledger.supply("eth") == pytest.approx(SWAP * 10.0e-9)
    assert market.ledger.balance("producer", "eth") == pytest.approx(SWAP * 25.0e-9)
    market.ledger.audit()


def test_what_is_dropped_takes_no_room() -> None:
    market = opened(gas_limit=120_000.0)  # for one swap
    ask(market, SEARCHERS, 0, 40.0, sale(1.0, 1e9))
    ask(market, USERS, 0, 12.0, sale(0.1))
    market._execute()
    assert frame(market)["status"].astype(str).tolist() == ["dropped", "done"]


def test_a_bundle_without_gas_money_is_dropped_too() -> None:
    market = opened()
    held = market.ledger.balance("searchers-0", "eth")
    market.ledger.burn("searchers-0", "eth", held)
    ask(market, SEARCHERS, 0, 40.0, asked(int(Kind.SWAP), 0, USDC, ETH, 100.0))
    market._execute()
    receipts = frame(market)
    assert receipts["status"].astype(str).tolist() == ["dropped"]
    assert receipts["gas"].tolist() == [0.0]


# What a bundle carries


@kernel
def sandwich(w, account, cohort, place, front, back, least, bid):
    """A purchase in front of a transaction, and a sale behind it."""
    if swap(w, Order(account, cohort, bid, 1), 0, 0, 1, front, 0.0):
        carry(w, THEN, place)
        swap(w, THEN, 0, 1, 0, back, least)


def sandwiched(least: float, limit: float = 0.0, bid: float = 20.0, losses: bool = False) -> Market:
    market = opened(losses=losses)
    ask(market, USERS, 0, 15.0, asked(int(Kind.SWAP), 0, USDC, ETH, 50_000.0, limit))
    pool = market.pools["eth-usdc"]
    bought = pool.quote("usdc", "eth", 60_000.0)
    account = first(market, "searchers")
    sandwich(market.world, account, SEARCHERS, 0, 60_000.0, bought, least, bid)
    market._execute()
    market.ledger.audit()
    return market


def test_a_bundle_carries_a_public_transaction_whose_sender_pays_for_its_gas() -> None:
    market = sandwiched(least=60_000.0)
    receipts = frame(market)
    assert receipts["kind"].astype(str).tolist() == ["swap", "carry", "swap", "swap"]
    assert receipts["sender"].astype(str).tolist() == ["searchers-0"] * 3 + ["users-0"]
    assert (receipts["status"] == "done").all()
    assert receipts["amount_out"].iloc[2] > 60_000.0  # of a purchase that moved the price
    user = market.ledger.balance("users-0", "eth")
    # Under EIP-1559 a wallet pays the base fee and its tip.
    assert user == pytest.approx(50.0 + receipts["amount_out"].iloc[3] - SWAP * 11.5e-9, rel=1e-12)
    w = market.world
    assert w.tally[USERS, Reason.DONE] == 1
    assert w.tally[SEARCHERS, Reason.DONE] == 1
    assert w.cohorts[USERS]["traded"] == pytest.approx(50_000.0)
    assert w.cohorts[SEARCHERS]["traded"] > 100_000.0
    assert w.chain[0]["waiting"] == 0


def test_a_bundle_that_fails_leaves_what_it_carried_in_the_mempool_and_it_is_done_later() -> None:
    market = sandwiched(least=1e9)
    receipts = frame(market)
    assert receipts["status"].astype(str).tolist() == ["dropped"] * 3 + ["done"]
    plain = opened().pools["eth-usdc"].quote("usdc", "eth", 50_000.0)
    assert receipts["amount_out"].iloc[3] == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize(("least", "held"), [(60_000.0, True), (1e9, False)])
def test_the_account_of_losses_tells_carried_gas_from_what_was_carried(
    least: float, held: bool
) -> None:
    market = sandwiched(least=least, losses=True)
    account = market.losses().set_index("entity")
    receipts = frame(market)
    paid = receipts["gas"] * receipts["gas_price"] * 1e-9 * market.price("eth")
    gas = paid.groupby(receipts["sender"].astype(str)).sum()
    assert account.loc["users", "gas"] == pytest.approx(-gas["users-0"], rel=1e-9)
    assert account.loc["users", "gas"] == pytest.approx(-SWAP * 11.5e-9 * 2000.0, rel=1e-9)
    assert account.loc["searchers", "gas"] == pytest.approx(-gas["searchers-0"], rel=1e-9)
    assert (account.loc["searchers", "price_impact"] != 0.0) == held
    for cause in ("price_impact", "fees", "run"):
        assert abs(account[cause].sum()) < 1e-6
    assert account["other"].abs().max() < 1e-6
    # Fees are those of three swaps, or of one, and no part of the gas.
    users = account.loc["users", "fees"]
    assert users == pytest.approx(-0.003 * 50_000.0, rel=1e-9)


@kernel
def tried(w, first, head):
    """A trial, as a searcher makes it."""
    return try_out(w, first, head)


def test_what_is_tried_out_is_nobodys_loss() -> None:
    market = opened(losses=True)
    ask(market, USERS, 0, 15.0, asked(int(Kind.SWAP), 0, USDC, ETH, 50_000.0))
    account = first(market, "searchers")
    sandwich(market.world, account, SEARCHERS, 0, 60_000.0, 28.0, 0.0, 20.0)
    ended, gain = tried(market.world, 1, 1)
    assert ended == Reason.DONE
    assert gain != 0.0
    assert (market.world.lost == 0.0).all()
    assert market.world.rules[0]["accounted"] == 1


def test_a_victim_that_would_revert_is_not_carried() -> None:
    market = opened()
    quoted = market.pools["eth-usdc"].quote("usdc", "eth", 50_000.0)
    market = sandwiched(least=0.0, limit=quoted)
    receipts = frame(market)
    assert receipts["status"].astype(str).tolist() == ["dropped"] * 2 + ["done"]
    assert receipts["amount_out"].iloc[2] == pytest.approx(quoted, rel=1e-12)


def test_nobody_carries_but_in_a_sealed_bundle() -> None:
    for ordering, cohort in (("builder", USERS), ("gas_auction", SEARCHERS)):
        market = opened(ordering=ordering)
        ask(market, USERS, 0, 15.0, sale(0.1))
        number = float(market.world.mempool[0]["number"])
        call = asked(int(Kind.CARRY), 0, 0, 0, number, 0.0, -1, 0.0)
        ask(market, cohort, 1, 20.0, sale(0.1), call)
        market.prepare()
        market._execute()
        status = frame(market).set_index("sender")["status"].astype(str)
        assert status["users-0"] == "done"
        assert set(status.drop("users-0")) == {"reverted"}


def test_a_bundle_carries_no_other_bundle_and_nothing_twice() -> None:
    market = opened()
    ask(market, SEARCHERS, 0, 15.0, sale(0.1))
    ask(market, USERS, 0, 15.0, sale(0.1))
    numbers = market.world.mempool["number"][:2].astype(float)
    sealed, public = (
        asked(int(Kind.CARRY), 0, 0, 0, numbers[n], 0.0, -1, float(n)) for n in (0, 1)
    )
    ask(market, SEARCHERS, 1, 30.0, sale(0.1), sealed)
    ask(market, SEARCHERS, 2, 40.0, sale(0.1), public, public)
    ask(market, SEARCHERS, 2, 50.0, sale(0.1), public)
    market._execute()
    receipts = frame(market)
    done = receipts[receipts["status"] == "done"]["sender"].astype(str).tolist()
    assert done == ["searchers-2", "searchers-2", "users-0", "searchers-0"]
    market.ledger.audit()


def test_a_bundle_carries_several_transactions_of_several_calls_in_its_order() -> None:
    market = opened(losses=True)
    buys = [asked(int(Kind.SWAP), 0, USDC, ETH, amount) for amount in (20_000.0, 10_000.0)]
    ask(market, USERS, 0, 15.0, *buys)
    ask(market, USERS, 1, 16.0, sale(1.0))
    numbers = market.world.mempool["number"][[0, 2]].astype(float)
    first_, second = (
        asked(int(Kind.CARRY), 0, 0, 0, number, 0.0, -1, float(place))
        for number, place in zip(numbers, (0, 2), strict=True)
    )
    ask(market, SEARCHERS, 0, 30.0, sale(0.1), first_, second, sale(0.2))
    market.prepare()
    market._execute()
    market.ledger.audit()
    receipts = frame(market)
    assert receipts["sender"].astype(str).tolist() == ["searchers-0"] * 4 + ["users-0"] * 2 + [
        "users-1"
    ]
    assert (receipts["status"].astype(str) == "done").all()
    theirs = receipts[receipts["sender"].astype(str) == "users-0"]
    assert theirs["transaction"].nunique() == 1
    assert theirs["gas"].tolist() == [2.0 * SWAP, 0.0]
    # As if they had been sent one by one in that order.
    pool = opened().pools["eth-usdc"]
    x, y = pool.reserves["eth"], pool.reserves["usdc"]
    for eth, usdc, got in zip(
        (0.1, 0.0, 0.0, 1.0, 0.2),
        (0.0, 20_000.0, 10_000.0, 0.0, 0.0),
        receipts["amount_out"].iloc[[0, 4, 5, 6, 3]],
        strict=True,
    ):
        kept = 0.997
        out = y * eth * kept / (x + eth * kept) if eth else x * usdc * kept / (y + usdc * kept)
        assert got == pytest.approx(out, rel=1e-9)
        x, y = (x + eth, y - out) if eth else (x - out, y + usdc)
    w = market.world
    assert w.tally[USERS, Reason.DONE] == 2
    assert w.cohorts[USERS]["traded"] == pytest.approx(32_000.0, rel=0.02)
    assert w.chain[0]["gas_bought"] == pytest.approx(receipts["gas"].sum())
    account = market.losses().set_index("entity")
    assert account["other"].abs().max() < 1e-6
    for cause in ("price_impact", "fees"):
        assert abs(account[cause].sum()) < 1e-6


def test_if_one_that_it_carries_fails_none_is_done_by_it() -> None:
    market = opened()
    b = market.ledger.books
    ask(market, USERS, 0, 15.0, sale(0.1))
    ask(market, USERS, 1, 15.0, sale(0.1), sale(1.0, 1e9))
    numbers = market.world.mempool["number"][[0, 1]].astype(float)
    carries = [
        asked(int(Kind.CARRY), 0, 0, 0, number, 0.0, -1, float(place))
        for number, place in zip(numbers, (0, 1), strict=True)
    ]
    ask(market, SEARCHERS, 0, 30.0, sale(0.1), *carries)
    held = b.balances[first(market, "searchers")].tobytes()
    market.prepare()
    market._execute()
    receipts = frame(market)
    status = receipts.groupby(receipts["sender"].astype(str))["status"].first().astype(str)
    assert status.to_dict() == {"searchers-0": "dropped", "users-0": "done", "users-1": "reverted"}
    assert b.balances[first(market, "searchers")].tobytes() == held
    market.ledger.audit()


# What plain agents send


def test_a_plain_agent_sends_a_sealed_bundle_that_holds_or_leaves_no_trace() -> None:
    market = opened()
    ann, bob = Idle(market, {"eth": 10.0, "usdc": 1e5}, "ann"), Idle(market, {"eth": 10.0}, "bob")
    bob.swap("eth-usdc", "eth", 1.0, bid=90.0)
    (public,) = ann.pending
    assert (public.sender, public.kind, public.amount) == ("bob", Kind.SWAP, 1.0)
    with ann.bundle():
        ann.swap("eth-usdc", "usdc", 20_000.0, bid=20.0)
        ann.carry(public.number)
        with ann.transaction():  # a part of it
            ann.swap("eth-usdc", "eth", 1.0)
    assert {each.sender for each in bob.pending} == {"bob"}  # nobody else sees it
    assert {each.sender for each in ann.pending} == {"ann", "bob"}
    market._execute()
    receipts = frame(market)
    assert receipts["sender"].astype(str).tolist() == ["ann"] * 3 + ["bob"]
    assert (receipts["status"].astype(str) == "done").all()
    held = market.ledger.balances[market.ledger.account("ann")].tobytes()
    with ann.bundle():
        ann.swap("eth-usdc", "eth", 1.0)
        ann.swap("eth-usdc", "eth", 1.0, 1e9)
    market._execute()
    receipts = frame(market)
    assert receipts["status"].astype(str).tolist()[-2:] == ["dropped"] * 2
    assert receipts["gas"].tolist()[-2:] == [0.0, 0.0]
    assert market.ledger.balances[market.ledger.account("ann")].tobytes() == held
    market.ledger.audit()


def test_bundles_want_a_builder_and_carry_what_is_public() -> None:
    market = opened()
    ann, bob = Idle(market, {"eth": 10.0}, "ann"), Idle(market, {"eth": 10.0}, "bob")
    with bob.bundle():
        bob.swap("eth-usdc", "eth", 1.0)
    hidden = bob.pending[0].number
    with pytest.raises(ValueError, match="only a bundle carries"):
        ann.carry(hidden)
    waiting = int(market.world.chain[0]["waiting"])
    with pytest.raises(KeyError, match="no public transaction"), ann.bundle():
        ann.swap("eth-usdc", "eth", 1.0)
        ann.carry(hidden)
    with pytest.raises(ValueError, match="begin it outside"), ann.transaction(), ann.bundle():
        pass
    assert int(market.world.chain[0]["waiting"]) == waiting
    ann.swap("eth-usdc", "eth", 1.0)
    assert ann.pending[-1].sender == "ann"
    assert not market.world.mempool["sealed"][waiting]  # what comes after is public again
    other = opened(ordering="gas_auction")
    with pytest.raises(ValueError, match=r"block\.ordering"), Idle(other, {}, "ann").bundle():
        pass


def test_a_plain_agent_replaces_what_waits_at_a_higher_bid() -> None:
    market = opened(ordering="gas_auction", outside={"gas": 5.0, "bid_median": 1000.0})
    ann, bob = Idle(market, {"eth": 10.0}, "ann"), Idle(market, {"eth": 10.0}, "bob")
    ann.swap("eth-usdc", "eth", 1.0, bid=12.0)
    (old,) = ann.pending
    with pytest.raises(KeyError, match="of bob waits"):
        bob.replace(old.number)
    with pytest.raises(ValueError, match="does not replace"):
        ann.replace(old.number, 12.5)
    with pytest.raises(ValueError, match="makes no sense"):
        ann.replace(old.number, float("nan"))
    new = ann.replace(old.number)
    (now,) = ann.pending
    assert now.number == new > old.number
    assert now.bid == pytest.approx(13.2)
    market._execute()  # crowded out
    assert [each.number for each in ann.pending] == [new]
    last = ann.replace(new, 5000.0)
    market._execute()
    receipts = frame(market)
    assert receipts["transaction"].tolist() == [last]
    assert receipts["status"].astype(str).tolist() == ["done"]
    with pytest.raises(KeyError):
        ann.replace(last)


# Replacement


def test_a_replacement_voids_the_old_one_and_bids_a_tenth_more_or_is_refused() -> None:
    market = opened(ordering="gas_auction", outside={"gas": 5.0, "bid_median": 1000.0})
    ask(market, USERS, 0, 12.0, sale(0.1), sale(0.2))
    w = market.world
    old = int(w.mempool[0]["number"])
    assert not replace(w, 0, 13.0)
    assert not replace(w, 0, np.inf)
    assert not replace(w, 0, np.nan)
    assert not replace(w, 1, 50.0)  # its second call
    assert not replace(w, 7, 50.0)
    assert w.mempool[0]["bid"] == 12.0
    assert replace(w, 0, 13.2 * (1.0 + 1e-12))
    assert (w.mempool["bid"][:2] == 13.2 * (1.0 + 1e-12)).all()
    assert (w.mempool["number"][:2] > old).all()
    assert w.chain[0]["waiting"] == 2
    assert w.tally[USERS, Reason.REPLACED] == 1
    market._execute()  # crowded out
    assert w.chain[0]["left"] == 2
    assert replace(w, 0, 5000.0)
    market._execute()
    receipts = frame(market)
    assert receipts["status"].astype(str).tolist() == ["done", "done"]
    assert old not in set(receipts["transaction"])
    assert w.chain[0]["left"] == 0


# Recorded gas


def path(market: Market) -> np.ndarray:
    return market.datacollector.get_model_vars_dataframe()["gas.price"].to_numpy()


@pytest.mark.parametrize("fee_market", ["eip1559", "first_price"])
def test_recorded_gas_is_replayed_where_the_agents_use_none(fee_market: str) -> None:
    points = [[0.0, 10.0], [0.1, 200.0], [0.2, 200.0], [0.3, 30.0]]
    market = opened(
        ordering="gas_auction", fee_market=fee_market, gas_path=points, outside={"gas": 1.7}
    )
    market.run(90)
    hours = np.arange(1, 91) * 12.0 / 3600.0
    recorded = np.exp(np.interp(hours, *np.array([(p[0], np.log(p[1])) for p in points]).T))
    assert path(market) == pytest.approx(recorded, rel=1e-6)


class Hungry(MarketAgent):
    """Uses a third of every block."""

    def step(self) -> None:
        for _ in range(30):
            self.swap("eth-usdc", "eth", 1e-6, bid=1e4)


@pytest.mark.parametrize("fee_market", ["eip1559", "first_price"])
def test_what_agents_use_comes_on_top_of_recorded_gas(fee_market: str) -> None:
    points = [[0.0, 10.0], [0.3, 30.0]]
    found = []
    for hungry in (False, True):
        market = opened(
            ordering="gas_auction", fee_market=fee_market, gas_path=points, outside={"gas": 1.7}
        )
        if hungry:
            Hungry(market, {"eth": 1e5})
        found.append(path(market.run(60)))
    over = found[1] / found[0]
    assert (over[1:] > 1.0).all()
    assert over[-1] > 1.2
    # It does not run away: the world buys less of what is dear.
    assert over[-1] == pytest.approx(over[-10], rel=0.05)


def test_recorded_gas_may_come_from_a_file_of_prices(tmp_path: Path) -> None:
    ts = pd.date_range("2020-01-01", periods=6, freq="5min", tz="UTC").strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    gwei = np.array([20.0, 40.0, 35.0, 80.0, 10.0, 15.0])
    file = tmp_path / "gas.csv"
    pd.DataFrame({"ts": ts, "symbol": "GAS", "price": gwei}).to_csv(file, index=False)
    block = {"ordering": "gas_auction", "gas_symbol": "GAS", "outside": {"gas": 2.0}}
    market = opened(prices=str(file), **block)
    market.run(100)
    recorded = np.exp(np.interp(np.arange(1, 101) * 12.0, np.arange(6) * 300.0, np.log(gwei)))
    assert path(market) == pytest.approx(recorded, rel=1e-9)
