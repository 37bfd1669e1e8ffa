"""Blocks: order, capacity, price, and transactions that are done whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import MarketAgent
from sim import Market, Scenario
from sim.codes import ALL, PREVIOUS, Kind, Reason
from sim.kernel import audit
from sim.mempool import Order, add_call, send
from sim.mempool import call as asked

ETH, USDC, SHARE, RECEIPT_ETH, DEBT_ETH, RECEIPT_USDC, DEBT_USDC = 1, 0, 2, 3, 4, 5, 6


class Idle(MarketAgent):
    """Does what the test says and nothing by itself."""


def crowd(market: Market, names: str, **wallet: float) -> list[Idle]:
    return [Idle(market, wallet or {"eth": 10.0, "usdc": 20_000.0}, name) for name in names]


def make(market: Market) -> None:
    market._execute()


def senders(market: Market) -> list[str]:
    market.receipt_book.take(market.world)
    return market.receipts()["sender"].astype(str).tolist()


def with_gas(small: Callable[..., Scenario], **block: Any) -> Market:
    settings = {
        "fee_market": "first_price",
        "gas_limit": 10e6,
        "outside": {"gas": 0.0},
    } | block
    return Market(small(block=settings), rng=1)


def test_a_gas_auction_puts_the_highest_bid_first(small: Callable[..., Scenario]) -> None:
    market = with_gas(small)
    agents = crowd(market, "abcdef")
    for agent, bid in zip(agents, [3.0, 9.0, 1.0, 27.0, 2.9999, 3.0001], strict=True):
        agent.swap("eth-usdc", "eth", 0.1, bid=bid)
    make(market)
    assert senders(market) == ["d", "b", "f", "a", "e", "c"]


def test_a_long_auction_is_sorted_too(small: Callable[..., Scenario]) -> None:
    market = with_gas(small, gas_limit=1e9)
    (agent,) = crowd(market, "a", eth=1000.0)
    bids = np.random.default_rng(1).permutation(np.linspace(1.0, 50.0, 700))
    for bid in bids:
        agent.transfer("venue", "eth", 1e-6, bid=float(bid))
    make(market)
    market.receipt_book.take(market.world)
    prices = market.receipts()["gas_price"].to_numpy()
    assert prices.size == 700
    assert (np.diff(prices) < 0.0).all()


def test_first_come_ignores_the_bid(small: Callable[..., Scenario]) -> None:
    market = with_gas(small, ordering="first_come")
    early, late = crowd(market, "xy")
    early.swap("eth-usdc", "eth", 0.1, bid=1.0)
    market.world.chain[0]["block"] += 1
    late.swap("eth-usdc", "eth", 0.1, bid=100.0)
    make(market)
    assert senders(market) == ["x", "y"]


def test_a_random_order_is_another_in_another_block(small: Callable[..., Scenario]) -> None:
    market = with_gas(small, ordering="random")
    agents = crowd(market, "abcdefghij")
    orders = []
    for _ in range(3):
        for agent in agents:
            agent.swap("eth-usdc", "eth", 0.01)
        market.step()
        orders.append(tuple(senders(market)[-10:]))
    assert len(set(orders)) == 3
    assert all(sorted(order) == list("abcdefghij") for order in orders)


def test_arbitrage_first_puts_searchers_before_higher_bids(
    lively: Callable[..., Scenario],
) -> None:
    market = Market(lively(block={"ordering": "arbitrage_first"}), rng=1)
    trader = market.cohorts["traders"].first
    searcher = market.cohorts["arbitrageurs"].first
    for account, cohort, bid in ((trader, 0, 50.0), (searcher, 1, 1.0)):
        order = Order(account, cohort, bid, 9)
        send(market.world, order, asked(int(Kind.SWAP), 0, ETH, USDC, 0.01))
    make(market)
    assert senders(market) == ["arbitrageurs-0", "traders-0"]


def test_what_does_not_fit_waits_and_then_expires(small: Callable[..., Scenario]) -> None:
    # Room for two swaps of 110,000 gas in each block, and each is good for two blocks.
    market = with_gas(small, gas_limit=220_000.0, expiry=2)

    class Once(MarketAgent):
        """Swaps in the first block, and bids the less the later it joined."""

        def step(self) -> None:
            if self.market.block == 1:
                bid = 6.0 - "abcdef".index(self.name)
                self.swap("eth-usdc", "eth", 0.1, bid=bid)

    for name in "fdbeca":  # who joins first sends first
        Once(market, {"eth": 10.0}, name)
    for _ in range(3):
        market.step()
    frame = market.receipts()
    served, expired = np.split(frame["sender"].astype(str).to_numpy(), [4])
    assert served.tolist() == list("abcd")
    assert set(expired) == {"e", "f"}
    assert frame["status"].astype(str).tolist() == ["done"] * 4 + ["expired"] * 2
    assert frame["block"].tolist() == [1, 1, 2, 2, 2, 2]
    assert frame["waited"].tolist() == [0, 0, 1, 1, 1, 1]


def test_the_rest_of_the_world_crowds_low_bids_out(small: Callable[..., Scenario]) -> None:
    demand = {"gas": 3.0, "bid_median": 20.0, "bid_sigma": 0.5}
    market = with_gas(small, outside=demand)
    low, high = crowd(market, "lh")
    low.swap("eth-usdc", "eth", 0.1, bid=1.0)
    high.swap("eth-usdc", "eth", 0.1, bid=100.0)
    make(market)
    assert senders(market) == ["h"]
    chain = market.world.chain[0]
    # A third of demand is served: the price is the bid that two thirds are below.
    assert chain["gas_price"] == pytest.approx(20.0 * np.exp(0.5 * 0.4307273), rel=0.02)
    assert chain["gas_used"] == pytest.approx(1.0)


def test_the_base_fee_moves_by_an_eighth_and_is_burnt(small: Callable[..., Scenario]) -> None:
    full = {"gas": 5.0, "bid_median": 1000.0}
    market = with_gas(small, fee_market="eip1559", base_fee=10.0, outside=full)
    (agent,) = crowd(market, "a")
    agent.tip = np.inf
    agent.swap("eth-usdc", "usdc", 1.0, bid=5000.0)
    supply = market.ledger.supply("eth")
    make(market)
    chain = market.world.chain[0]
    assert chain["base_fee"] == pytest.approx(10.0 * 1.125)
    gas = 110_000.0 * 1e-9
    assert supply - market.ledger.supply("eth") == pytest.approx(gas * 10.0)
    assert market.ledger.balance("producer", "eth") == pytest.approx(gas * 4990.0)
    empty = with_gas(small, fee_market="eip1559", base_fee=10.0)
    make(empty)
    assert empty.world.chain[0]["base_fee"] == pytest.approx(10.0 * 0.875)


def test_a_revert_pays_a_part_of_its_gas_and_says_why(small: Callable[..., Scenario]) -> None:
    market = with_gas(small, revert_gas=0.25)
    (agent,) = crowd(market, "a")
    agent.swap("eth-usdc", "eth", 1.0, minimum=1e9, bid=8.0)
    make(market)
    market.receipt_book.take(market.world)
    receipt = market.receipts().iloc[0]
    assert (receipt["status"], receipt["reason"]) == ("reverted", "limit")
    assert agent.wallet["eth"] == pytest.approx(10.0 - 0.25 * 110_000 * 8e-9)
    assert agent.wallet["usdc"] == 20_000.0
    market.ledger.audit()


def test_who_cannot_pay_gas_is_not_executed(small: Callable[..., Scenario]) -> None:
    market = with_gas(small)
    (poor,) = crowd(market, "p", usdc=100.0)
    poor.swap("eth-usdc", "usdc", 50.0, bid=10.0)
    make(market)
    market.receipt_book.take(market.world)
    assert market.receipts()["reason"].astype(str).tolist() == ["no_gas_money"]
    assert poor.wallet == {"usdc": 100.0}


def test_calls_of_one_transaction_are_all_done_or_none(market: Market) -> None:
    agent, broken = crowd(market, "ab")
    with agent.transaction():
        agent.swap("eth-usdc", "usdc", 2000.0)
        agent.deposit("bank", "eth", PREVIOUS)
        agent.borrow("bank", "usdc", 500.0)
    with broken.transaction():
        broken.swap("eth-usdc", "usdc", 2000.0)
        broken.deposit("bank", "eth", PREVIOUS)
        broken.borrow("bank", "usdc", 5_000.0)
    before = market.ledger.balances[broken.account].tobytes()
    make(market)
    market.receipt_book.take(market.world)
    frame = market.receipts().set_index("sender")
    assert frame.loc["a", "status"].astype(str).tolist() == ["done"] * 3
    assert frame.loc["b", "reason"].astype(str).tolist() == ["unhealthy"] * 3
    assert market.ledger.balances[broken.account].tobytes() == before
    assert market.lending["bank"].debt_of("a", "usdc") == pytest.approx(500.0)
    market.ledger.audit()


def test_a_full_mempool_loses_whole_transactions(market: Market) -> None:
    agent = crowd(market, "a")[0]
    size = market.world.mempool.size
    for _ in range(size - 1):
        agent.transfer("venue", "eth", 1e-6)
    with agent.transaction():
        agent.transfer("venue", "eth", 1e-6)
        agent.transfer("venue", "eth", 1e-6)
    chain = market.world.chain[0]
    assert (chain["waiting"], chain["lost"]) == (size - 1, 1)
    agent.transfer("venue", "eth", 1e-6)
    agent.transfer("venue", "eth", 1e-6)
    assert (chain["waiting"], chain["lost"]) == (size, 2)
    make(market)
    assert chain["waiting"] == 0


AMOUNT = st.one_of(
    st.floats(0.0, 1e5),
    st.sampled_from([0.0, -5.0, PREVIOUS, ALL, np.inf, np.nan, 1e300, 1e-300]),
)
CALL = st.tuples(
    st.integers(0, int(Kind.TRANSFER)),  # kind
    st.integers(-1, 1),  # protocol, some of which do not exist
    st.integers(0, 6),  # token in
    st.integers(0, 6),  # token out
    AMOUNT,
    st.one_of(st.floats(0.0, 1e5), st.just(0.0), st.just(np.nan)),  # limit
    st.integers(-1, 12),  # counterparty
    AMOUNT,  # second
)
TRANSACTION = st.tuples(
    st.integers(0, 4), st.floats(0.0, 100.0), st.lists(CALL, min_size=1, max_size=4)
)


def prepared(small: Callable[..., Scenario], ordering: str, fee_market: str) -> Market:
    block = {
        "ordering": ordering,
        "fee_market": fee_market,
        "gas_limit": 8e6,
        "outside": {"gas": 0.9, "bid_median": 5.0},
    }
    market = Market(small(block=block), rng=1)
    for i, name in enumerate("abcde"):
        Idle(market, {"eth": 5.0 * i, "usdc": 8000.0 * i}, name)
    bank = market.lending["bank"]
    rich = market.agents.select(lambda a: a.name == "e")
    for agent in rich:
        with agent.transaction():
            agent.deposit("bank", "eth", 10.0, bid=1e3)
            agent.borrow("bank", "usdc", 14_000.0)
    market.step()
    assert bank.debt_of("e", "usdc") > 0.0
    return market


@pytest.mark.parametrize("ordering", ["gas_auction", "random", "first_come", "arbitrage_first"])
@pytest.mark.parametrize("fee_market", ["eip1559", "first_price", "off"])
@given(transactions=st.lists(TRANSACTION, min_size=1, max_size=30), fall=st.booleans())
@settings(max_examples=25)
def test_any_mix_of_transactions_conserves(
    small: Callable[..., Scenario],
    ordering: str,
    fee_market: str,
    transactions: list[tuple],
    fall: bool,
) -> None:
    market = prepared(small, ordering, fee_market)
    w = market.world
    if fall:  # so that there is something to liquidate, and bad debt
        market.venue.asset("eth")["x"] -= 0.4
    first = market.ledger.account("a")
    for sender, bid, calls in transactions:
        for n, (kind, protocol, t_in, t_out, amount, limit, who, second) in enumerate(calls):
            call = asked(kind, protocol, t_in, t_out, amount, limit, who, second)
            if n == 0:
                send(w, Order(first + sender, -1, float(bid), 0), call)
            else:
                add_call(w, call)
    for _ in range(3):
        market.step()
        assert audit(w, 1e-9) == 0
    market.ledger.audit()
    market.lending["bank"].audit()
    tally = w.tally.sum(axis=0)
    waiting = np.count_nonzero(w.mempool[: w.chain[0]["waiting"]]["calls"])
    # Each is done, reverted or expired, waits, or was refused; and so was the preparation.
    assert tally.sum() + waiting + w.chain[0]["refused"] == len(transactions) + 1


@given(calls=st.lists(CALL, min_size=1, max_size=4))
@settings(max_examples=200)
def test_a_revert_leaves_the_ledger_byte_identical(
    small: Callable[..., Scenario], calls: list[tuple]
) -> None:
    market = prepared(small, "gas_auction", "off")
    w, first = market.world, market.ledger.account("a")
    for n, (kind, protocol, t_in, t_out, amount, limit, who, second) in enumerate(calls):
        call = asked(kind, protocol, t_in, t_out, amount, limit, who, second)
        if n == 0:
            send(w, Order(first + 4, -1, 1.0, 0), call)
        else:
            add_call(w, call)
    add_call(w, asked(int(Kind.TRANSFER), 0, ETH, ETH, 1e12, 0.0, 0))  # nobody holds that much
    b = w.books
    was = b.balances.tobytes(), b.supply.tobytes(), b.storage.tobytes()
    make(market)
    assert (b.balances.tobytes(), b.supply.tobytes(), b.storage.tobytes()) == was
    assert w.tally[:, Reason.DONE].sum() == 1  # the preparation


def test_a_bid_of_nan_buys_no_gas(small: Callable[..., Scenario]) -> None:
    # It once swapped without gas money and, reverted, minted ether from nothing.
    market = with_gas(small, fee_market="eip1559", base_fee=10.0)
    (agent,) = crowd(market, "a", usdc=100.0)
    with pytest.raises(ValueError, match="bid nan makes no sense"):
        agent.swap("eth-usdc", "usdc", 1.0, bid=np.nan)
    supply = market.ledger.supply("eth")
    order = Order(agent.account, -1, np.nan, 0)
    send(market.world, order, asked(int(Kind.SWAP), 0, USDC, ETH, 1e3, 1e9))
    make(market)
    assert agent.wallet == {"usdc": 100.0}
    assert market.ledger.supply("eth") == supply
    market.ledger.audit()


def test_a_sender_pays_the_base_fee_and_a_tip(small: Callable[..., Scenario]) -> None:
    market = with_gas(small, fee_market="eip1559", base_fee=1.0, priority_fee=0.25)
    wallet, hasty, short = crowd(market, "whs")
    hasty.tip, short.tip = 7.0, 7.0
    wallet.swap("eth-usdc", "eth", 0.1, bid=100.0)
    hasty.swap("eth-usdc", "eth", 0.1, bid=100.0)
    short.swap("eth-usdc", "eth", 0.1, bid=2.0)
    make(market)
    market.receipt_book.take(market.world)
    frame = market.receipts()
    # The higher payment goes first; nobody pays its whole bid but who has to.
    assert frame["sender"].astype(str).tolist() == ["h", "s", "w"]
    assert frame["gas_price"].tolist() == [8.0, 2.0, 1.25]
    gas = 110_000.0 * 1e-9
    assert wallet.wallet["eth"] == pytest.approx(9.9 - gas * 1.25, rel=1e-14)
    assert market.ledger.balance("producer", "eth") == pytest.approx(gas * 8.25, rel=1e-12)


def test_a_reverted_transaction_is_refunded_at_what_it_paid(small: Callable[..., Scenario]) -> None:
    market = with_gas(small, fee_market="eip1559", base_fee=1.0, priority_fee=1.0, revert_gas=0.5)
    (agent,) = crowd(market, "a")
    supply = market.ledger.supply("eth")
    agent.swap("eth-usdc", "eth", 1.0, minimum=1e9, bid=50.0)
    make(market)
    gas = 110_000.0 * 1e-9
    assert agent.wallet["eth"] == pytest.approx(10.0 - 0.5 * gas * 2.0, rel=1e-14)
    assert supply - market.ledger.supply("eth") == pytest.approx(0.5 * gas, rel=1e-4)
    market.ledger.audit()


def test_after_a_full_block_wallets_offer_what_it_took(small: Callable[..., Scenario]) -> None:
    full = {"gas": 3.0, "bid_median": 20.0, "bid_sigma": 0.5}
    market = with_gas(small, fee_market="eip1559", base_fee=1.0, outside=full)
    (agent,) = crowd(market, "a")
    agent.swap("eth-usdc", "eth", 0.1, bid=500.0)  # nobody has told it that the block is full
    market.step()
    assert market.receipts().empty
    chain = market.world.chain[0]
    agent.swap("eth-usdc", "eth", 0.1, bid=2.0 * float(chain["gas_price"]))
    market.step()
    assert market.receipts()["status"].astype(str).tolist() == ["done"]
    assert market.receipts()["gas_price"][0] > float(chain["gas_price"])


def test_who_else_sends_does_not_change_a_place(small: Callable[..., Scenario]) -> None:
    def places(others: int) -> list[str]:
        market = with_gas(small, ordering="random", gas_limit=1e9)
        more = crowd(market, "0123456789"[:others]) if others else []
        mine = crowd(market, "abcdefgh")
        for agent in [*more, *mine]:
            agent.swap("eth-usdc", "eth", 0.01)
        make(market)
        return [name for name in senders(market) if name.isalpha()]

    assert places(0) == places(3) == places(10)
    assert places(0) != list("abcdefgh")
