"""Pooled lending against Aave's figures (VALIDATION 10-13) and its own books."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import MarketAgent
from protocols.custom import CustomProtocol
from protocols.lending import (
    CASH,
    SUPPLY_INDEX,
    accrue,
    adapted,
    borrow,
    borrow_rate,
    curved,
    health_factor,
    leverage,
    liquidation,
    off_target,
    pair_bonus,
    pay_in,
    pay_out,
    supply_rate,
)
from sim import LedgerError, Market, Scenario
from sim.codes import ALL, Reason
from sim.errors import ScenarioError
from sim.ledger import begin
from sim.units import INTEREST_YEAR
from tests.conftest import BASE, merged


@pytest.mark.parametrize(
    ("u", "rate"), [(0.0, 0.0), (0.45, 0.02), (0.9, 0.04), (0.95, 0.34), (1.0, 0.64)]
)
def test_the_stated_rates(u: float, rate: float) -> None:
    assert borrow_rate(u, 0.0, 0.04, 0.6, 0.9) == pytest.approx(rate)
    assert supply_rate(rate, u, 0.1) == pytest.approx(rate * u * 0.9)


@given(u=st.floats(0.0, 1.0), v=st.floats(0.0, 1.0))
def test_rates_rise_with_utilisation(u: float, v: float) -> None:
    low, high = sorted((u, v))
    rates = [borrow_rate(x, 0.01, 0.04, 0.6, 0.8) for x in (low, high)]
    assert rates[0] <= rates[1] + 1e-15


def test_the_stated_leverage_of_a_loop() -> None:
    assert leverage(0.8, 5) == pytest.approx(3.6893, abs=5e-5)
    assert leverage(0.8, 1000) == pytest.approx(5.0)


def test_health_without_debt_is_infinite() -> None:
    assert health_factor(10.0, 0.8, 0.0) == math.inf
    assert health_factor(100.0, 0.8, 50.0) == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("ltv", "before", "after"), [(0.94, 0.8511, 0.8621), (0.96, 0.8333, 0.8267)]
)
def test_the_stated_toxic_liquidations(ltv: float, before: float, after: float) -> None:
    """Warmuz, Chaudhary, Pinna 2022: it helps iff LTV < 1 / (1 + b)."""
    collateral, debt = 1000.0, 1000.0 * ltv
    factor = health_factor(collateral, 0.8, debt)
    assert factor == pytest.approx(before, abs=5e-5)
    repaid, seized, _ = liquidation(
        collateral, 1.0, debt, 1.0, debt * 0.5, 0.05, factor, (0.5, 0.0, 0.0)
    )
    left = health_factor(collateral - seized, 0.8, debt - repaid)
    assert left == pytest.approx(after, abs=5e-5)
    repaid, seized, _ = liquidation(collateral, 1.0, debt, 1.0, debt, 0.05, factor, (1.0, 0.0, 0.0))
    bad = debt - repaid if seized >= collateral else 0.0
    assert bad == pytest.approx(max(0.0, debt - collateral / 1.05))


def test_the_stated_bad_debt() -> None:
    assert pytest.approx(7.6190, abs=5e-5) == 960.0 - 1000.0 / 1.05


@given(
    ltv=st.floats(0.81, 1.5),
    bonus=st.floats(0.0, 0.2),
    part=st.floats(0.01, 0.5),
)
def test_a_liquidation_helps_iff_the_loan_is_below_one_over_one_plus_bonus(
    ltv: float, bonus: float, part: float
) -> None:
    if abs(ltv * (1.0 + bonus) - 1.0) < 1e-6:
        return
    factor = health_factor(1.0, 0.8, ltv)
    rules = (0.5, 0.0, 0.0)
    repaid, seized, _ = liquidation(1.0, 1.0, ltv, 1.0, part * ltv, bonus, factor, rules)
    if seized < 1.0:
        helped = health_factor(1.0 - seized, 0.8, ltv - repaid) > factor
        assert helped == (ltv < 1.0 / (1.0 + bonus))


class Idle(MarketAgent):
    pass


def aave(small: Callable[..., Scenario], price: float) -> tuple[Market, Idle, Idle]:
    """The position of VALIDATION 13: 1 WETH against 1900 DAI, opened at a high price."""
    reserves = {
        "eth": {"ltv": 0.805, "threshold": 0.83, "bonus": 0.05},
        "usdc": {"collateral": False, "cash": 1e6, "slope1": 0.0, "slope2": 0.0},
    }
    venue = {"assets": {"eth": {"price": 3000.0}}}
    pools = {"eth-usdc": {"reserves": {"eth": 1000.0, "usdc": 3e6}}}
    lending = {"bank": {"reserves": reserves, "bonus_share": 0.1}}
    market = Market(small(venue=venue, pools=pools, lending=lending), rng=1)
    ann, bob = Idle(market, {"eth": 1.0}, "ann"), Idle(market, {"usdc": 1e4}, "bob")
    with ann.transaction():
        ann.deposit("bank", "eth", 1.0)
        ann.borrow("bank", "usdc", 1900.0)
    market.run(1)
    market.venue.asset("eth")["x"] = math.log(price)
    market.run(1)
    return market, ann, bob


def test_the_contracts_own_liquidation(small: Callable[..., Scenario]) -> None:
    market, _, _ = aave(small, 2300.0)
    assert market.lending["bank"].health_factor("ann") == pytest.approx(1.0047368421, abs=1e-10)
    market, _, bob = aave(small, 2290.0)
    bob.liquidate("bank", "ann", "usdc", "eth", ALL)
    market.run(1)
    assert market.receipts()["reason"].astype(str).iloc[-1] == "not_liquidatable" or (
        market.lending["bank"].health_factor("ann") < 1.0
    )
    market, _, bob = aave(small, 2150.0)
    assert market.lending["bank"].health_factor("ann") < 0.95
    bob.liquidate("bank", "ann", "usdc", "eth", ALL)
    market.run(1)
    assert bob.wallet["usdc"] == pytest.approx(1e4 - 1900.0)
    assert bob.wallet["eth"] == pytest.approx(0.9234883721, abs=1e-10)
    assert market.lending["bank"].debt_of("ann", "usdc") == 0.0
    market.lending["bank"].audit()


@pytest.mark.parametrize(
    ("health", "closed"), [(0.95, 1.0), (np.nextafter(0.95, 1.0), 0.5), (0.5, 1.0), (0.99, 0.5)]
)
def test_all_of_a_debt_may_be_closed_at_095_itself(health: float, closed: float) -> None:
    """Aave v3 halves what may be closed only above: `healthFactor > CLOSE_FACTOR_HF_THRESHOLD`."""
    rules = (0.5, 0.95, 0.1)
    repaid, _, _ = liquidation(10.0, 200.0, 1000.0, 1.0, math.inf, 0.05, health, rules)
    assert repaid == 1000.0 * closed


def test_half_of_a_debt_closes_above_095(small: Callable[..., Scenario]) -> None:
    market, _, bob = aave(small, 2200.0)
    factor = market.lending["bank"].health_factor("ann")
    assert 0.95 < factor < 1.0
    bob.liquidate("bank", "ann", "usdc", "eth", ALL)
    market.run(1)
    assert market.lending["bank"].debt_of("ann", "usdc") == pytest.approx(950.0)


def test_interest_is_what_the_rate_says(small: Callable[..., Scenario]) -> None:
    reserves = {"usdc": {"cash": 1e5, "slope1": 0.08, "optimal": 0.8, "reserve_factor": 0.2}}
    market = Market(small(lending={"bank": {"reserves": reserves}}), rng=1)
    ann = Idle(market, {"eth": 100.0}, "ann")
    with ann.transaction():
        ann.deposit("bank", "eth", 100.0)
        ann.borrow("bank", "usdc", 40_000.0)
    bank = market.lending["bank"]
    market.run(1)
    owed, deposits = bank.debt_of("ann", "usdc"), bank.deposits("usdc")
    assert bank.borrow_rate("usdc") == pytest.approx(0.04, rel=1e-4)
    market.run(1000)
    interest = 40_000.0 * 0.04 * 1000 * 12.0 / INTEREST_YEAR
    assert bank.debt_of("ann", "usdc") - owed == pytest.approx(interest, rel=1e-3)
    assert bank.deposits("usdc") - deposits == pytest.approx(interest, rel=1e-3)
    treasury = bank.deposit_of("bank-treasury", "usdc")
    assert treasury == pytest.approx(0.2 * interest, rel=2e-3)
    bank.audit()


def broken(small: Callable[..., Scenario], treasury: float) -> Market:
    """A market in which a debt of 1500 is left when its ether is worth nothing much."""
    market = Market(small(lending={"bank": {"reserves": {"usdc": {"cash": 1e5}}}}), rng=1)
    ann, bob = Idle(market, {"eth": 1.0}, "ann"), Idle(market, {"usdc": 1e4}, "bob")
    with ann.transaction():
        ann.deposit("bank", "eth", 1.0)
        ann.borrow("bank", "usdc", 1500.0)
    if treasury:
        market.ledger.mint("bank-treasury", "usdc", treasury)
        rich = Idle(market, {"usdc": treasury}, "rich")
        rich.deposit("bank", "usdc", treasury)
        market.ledger.burn("bank-treasury", "usdc", treasury)
    market.run(1)
    if treasury:
        held = market.ledger.balance("rich", "bank-usdc")
        market.ledger.transfer("rich", "bank-treasury", "bank-usdc", held)
    market.venue.asset("eth")["x"] = math.log(1000.0)
    market.run(1)
    bob.liquidate("bank", "ann", "usdc", "eth", ALL)
    market.run(1)
    return market


def test_bad_debt_is_borne_by_depositors(small: Callable[..., Scenario]) -> None:
    market = broken(small, 0.0)
    bank = market.lending["bank"]
    bad = 1500.0 - 1000.0 / 1.05
    assert bank.bad_debt == pytest.approx(bad, rel=1e-5)
    assert bank.deposit_of("holders", "usdc") == pytest.approx(1e5 - bad, rel=1e-6)
    assert bank.positions().empty
    bank.audit()
    market.ledger.audit()


def test_the_treasury_bears_it_first(small: Callable[..., Scenario]) -> None:
    market = broken(small, 10_000.0)
    bank = market.lending["bank"]
    bad = 1500.0 - 1000.0 / 1.05
    assert bank.deposit_of("bank-treasury", "usdc") == pytest.approx(10_000.0 - bad, rel=1e-5)
    assert bank.deposit_of("holders", "usdc") == pytest.approx(1e5, rel=1e-6)
    bank.audit()


@pytest.mark.parametrize(
    ("reserves", "act", "reason"),
    [
        ({}, lambda a: a.borrow("bank", "usdc", 20_000.0), "unhealthy"),
        ({}, lambda a: a.borrow("bank", "usdc", 1e7), "no_cash"),
        ({"usdc": {"borrow_cap": 100.0}}, lambda a: a.borrow("bank", "usdc", 101.0), "cap"),
        (
            {"usdc": {"borrowable": False}},
            lambda a: a.borrow("bank", "usdc", 1.0),
            "not_borrowable",
        ),
        ({"eth": {"supply_cap": 12.0}}, lambda a: a.deposit("bank", "eth", 3.0), "cap"),
        (
            {"eth": {"cash": 50.0}},
            lambda a: a.withdraw("bank", "eth", 10.1),
            "insufficient_balance",
        ),
        ({}, lambda a: a.repay("bank", "usdc", 1.0), "no_debt"),
        ({}, lambda a: a.deposit("bank", "eth", -1.0), "invalid"),
        ({}, lambda a: a.liquidate("bank", "ann", "usdc", "eth", 1.0), "invalid"),
        ({}, lambda a: a.liquidate("bank", "bob", "usdc", "usdc", 1.0), "not_collateral"),
    ],
)
def test_what_cannot_be_done_says_why(
    small: Callable[..., Scenario],
    reserves: dict[str, Any],
    act: Callable[[Idle], None],
    reason: str,
) -> None:
    market = Market(small(lending={"bank": {"reserves": reserves}}), rng=1)
    ann = Idle(market, {"eth": 20.0, "usdc": 100.0}, "ann")
    Idle(market, {"eth": 20.0, "usdc": 100.0}, "bob")
    ann.deposit("bank", "eth", 10.0)
    market.run(1)
    act(ann)
    market.run(1)
    assert market.receipts()["reason"].astype(str).tolist() == ["done", reason]
    market.lending["bank"].audit()


def test_who_withdraws_more_than_the_cash_gets_nothing(small: Callable[..., Scenario]) -> None:
    """Withdrawals freeze once demand exceeds 1 - U (VALIDATION 20)."""
    market = Market(small(lending={"bank": {"reserves": {"usdc": {"cash": 0.0}}}}), rng=1)
    lender, ann = Idle(market, {"usdc": 1000.0}, "lender"), Idle(market, {"eth": 10.0}, "ann")
    lender.deposit("bank", "usdc", 1000.0)
    market.run(1)
    with ann.transaction():
        ann.deposit("bank", "eth", 10.0)
        ann.borrow("bank", "usdc", 800.0)
    market.run(1)
    lender.withdraw("bank", "usdc", 300.0)
    market.run(1)
    lender.withdraw("bank", "usdc", 199.0)
    market.run(1)
    assert market.receipts()["reason"].astype(str).tolist()[-2:] == ["no_cash", "done"]
    assert market.lending["bank"].utilisation("usdc") > 0.99


ACT = st.tuples(
    st.sampled_from(["deposit", "withdraw", "borrow", "repay", "liquidate", "move"]),
    st.sampled_from(["ann", "bob", "cat"]),
    st.sampled_from(["eth", "usdc"]),
    st.floats(1e-6, 1.0),
)


@given(acts=st.lists(ACT, min_size=1, max_size=40))
@settings(max_examples=60)
def test_cash_and_debts_are_deposits_whatever_happens(
    small: Callable[..., Scenario], acts: list[tuple[str, str, str, float]]
) -> None:
    setup = small(
        lending={"bank": {"reserves": {"usdc": {"collateral": True, "ltv": 0.5, "threshold": 0.6}}}}
    )
    market = Market(setup, rng=1)
    agents = {
        name: Idle(market, {"eth": 50.0, "usdc": 1e5}, name) for name in ("ann", "bob", "cat")
    }
    bank, rng = market.lending["bank"], np.random.default_rng(1)
    for kind, who, token, part in acts:
        agent = agents[who]
        if kind == "move":
            market.venue.asset("eth")["x"] += (part - 0.5) * 1.5
        elif kind == "liquidate":
            other = [name for name in agents if name != who][int(rng.integers(2))]
            seized = "usdc" if token == "eth" else "eth"
            agent.liquidate("bank", other, token, seized, part * agent.wallet.get(token, 0.0))
        elif kind == "deposit":
            agent.deposit("bank", token, part * agent.wallet.get(token, 0.0))
        elif kind == "withdraw":
            agent.withdraw("bank", token, part * bank.deposit_of(who, token))
        elif kind == "borrow":
            agent.borrow("bank", token, part * bank.cash(token))
        else:
            agent.repay("bank", token, part * bank.debt_of(who, token))
        market.run(1)
        assert bank.audit() <= 1e-9
        for t in bank.tokens:
            assert 0.0 <= bank.utilisation(t) <= 1.0 + 1e-12
    market.ledger.audit()


def test_the_handle_tells_positions_and_mistakes(market: Market) -> None:
    bank = market.lending["bank"]
    assert bank.positions().empty
    assert bank.tokens == ("eth", "usdc")
    assert bank.health_factor("holders") == math.inf
    assert repr(bank) == "<LendingMarket bank: eth, usdc>"
    with pytest.raises(ValueError, match="reserves of eth, usdc, not 'dai'"):
        bank.utilisation("dai")
    market.ledger.books.storage[int(bank.reserve("usdc")["slot"])] *= 1.01
    with pytest.raises(LedgerError, match="!= deposits"):
        bank.audit()


def test_what_rounding_left_of_millions_is_no_leak_of_pennies(market: Market) -> None:
    bank = market.lending["bank"]
    bank.audit()  # sees a million
    reserve = bank.reserve("usdc")
    assert reserve["highest"] == pytest.approx(1e6)
    books, row = market.ledger.books, market.ledger.account("bank")
    left = 0.999999 * bank.deposits("usdc")
    books.supply[reserve["receipt"]] *= 1e-6
    cash = int(reserve["slot"]) + CASH
    books.storage[cash] -= left * (1.0 - 1e-12)
    assert 0.0 < bank.audit() < 1e-9
    books.storage[cash] += 0.01
    with pytest.raises(LedgerError, match="usdc"):
        bank.audit()
    books.storage[cash] -= 0.01
    books.balances[row, reserve["token"]] = books.storage[cash] - 0.01
    with pytest.raises(LedgerError, match="usdc"):  # cash that is not there
        bank.audit()


def test_cash_that_comes_and_goes_between_two_audits_leaves_no_leak(market: Market) -> None:
    bank, books = market.lending["bank"], market.ledger.books
    record, reserve = bank.record[0], bank.reserve("usdc")
    whale = market.ledger.account("holders")
    market.ledger.mint("holders", "usdc", 1e15)
    for amount in (0.1, 1e15 / 3.0, 1e14 / 7.0):
        begin(books)
        assert pay_in(books, record, reserve, whale, amount)
        assert pay_out(books, record, reserve, whale, amount)
    # Rounding of 1e15 is no leak; a dollar in a thousand million is.
    assert 0.0 <= bank.audit() < 1e-14
    books.storage[int(reserve["slot"]) + CASH] += 1e7
    with pytest.raises(LedgerError, match="usdc"):
        bank.audit()


def test_a_reserve_whose_depositors_lost_all_lends_no_more_and_charges_nothing(
    market: Market,
) -> None:
    ann = Idle(market, {"eth": 10.0}, "ann")
    with ann.transaction():
        ann.deposit("bank", "eth", 10.0)
        ann.borrow("bank", "usdc", 1_000.0)
    market.run(1)
    bank, books = market.lending["bank"], market.ledger.books
    record, reserves, feeds = bank.record[0], market.world.reserves, market.world.feeds
    reserve, owed = bank.reserve("usdc"), bank.debt_of("ann", "usdc")
    accrue(books, record, reserves, 86_400.0)
    assert bank.debt_of("ann", "usdc") > owed
    owed = bank.debt_of("ann", "usdc")
    books.storage[int(reserve["slot"]) + SUPPLY_INDEX] = 0.0  # as a write-off of all leaves it
    accrue(books, record, reserves, 86_400.0)
    assert bank.debt_of("ann", "usdc") == owed
    assert float(reserve["borrow_rate"]) == float(reserve["supply_rate"]) == 0.0
    begin(books)
    token = market.ledger.token("usdc")
    wanted = (books, record, reserves, feeds, ann.account, token, 1.0, 1.0)
    assert borrow(*wanted) == (Reason.EMPTY_POOL, 0.0)


class Taker(CustomProtocol):
    """Takes a token from whoever calls it."""

    def perform(self, call: Any, amount: float) -> tuple[Reason, float]:
        paid = self.pay(int(call["sender"]), self.account, int(call["token_in"]), amount)
        return (Reason.DONE if paid else Reason.INSUFFICIENT_BALANCE), amount


@pytest.fixture
def indebted(small: Callable[..., Scenario]) -> tuple[Market, Idle, Idle]:
    """Ann owes 14,000 against ten ether in one bank; another bank takes the first's receipts."""
    second = {"reserves": {"bank-eth": {"ltv": 0.5, "threshold": 0.6}, "usdc": {"cash": 1e5}}}
    oracle = {"bank-eth": {"token": "bank-eth", "source": "fixed", "price": 2000.0}}
    market = Market(small(lending={"second": second}, oracles=oracle), rng=1)
    ann, mule = Idle(market, {"eth": 10.0}, "ann"), Idle(market, {}, "mule")
    with ann.transaction():
        ann.deposit("bank", "eth", 10.0)
        ann.borrow("bank", "usdc", 14_000.0)
    market.run(1)
    market.add_protocol(Taker("taker"))
    return market, ann, mule


def reasons_of(market: Market) -> list[str]:
    return market.receipts()["reason"].astype(str).tolist()


def test_a_debt_cannot_be_given_away(indebted: tuple[Market, Idle, Idle]) -> None:
    market, ann, _ = indebted
    bank = market.lending["bank"]
    before = bank.debt_of("ann", "usdc")
    for amount in (ALL, 1.0, 1e-9):
        ann.transfer("mule", "bank-usdc-debt", amount)
        ann.trade_outside("bank-usdc-debt", "eth", amount)
    ann.call("taker", "bank-usdc-debt", "eth", 1.0)
    ann.withdraw("bank", "eth", ALL)
    market.run(1)
    found = reasons_of(market)[2:]
    assert "done" not in found
    assert (found.count("bound"), found.count("unhealthy")) == (3, 1)
    assert bank.debt_of("ann", "usdc") >= before
    assert bank.debt_of("mule", "usdc") == bank.debt_of("taker", "usdc") == 0.0
    with pytest.raises(ValueError, match="a debt cannot be given away"):
        market.ledger.transfer("ann", "mule", "bank-usdc-debt", 1.0)


@pytest.mark.parametrize("way", ["transfer", "deposit", "custom", "in a flash loan"])
def test_what_secures_a_loan_leaves_only_as_far_as_the_loan_stays_covered(
    indebted: tuple[Market, Idle, Idle], way: str
) -> None:
    market, ann, _ = indebted

    def leave(amount: float) -> None:
        if way == "transfer":
            ann.transfer("mule", "bank-eth", amount)
        elif way == "deposit":
            ann.deposit("second", "bank-eth", amount)
        elif way == "custom":
            ann.call("taker", "bank-eth", "bank-eth", amount)
        else:
            with ann.transaction():
                ann.flash_borrow("bank", "usdc", 1000.0)
                ann.transfer("mule", "bank-eth", amount)
                ann.flash_repay("bank", "usdc")

    # Ten ether at 2,000 and a threshold of 0.83 cover 14,000 down to 8.434 ether.
    leave(1.6)
    market.run(1)
    assert "unhealthy" in reasons_of(market)[2:]
    assert market.ledger.balance("ann", "bank-eth") == pytest.approx(10.0)
    n = len(reasons_of(market))
    leave(1.5)
    market.run(1)
    assert set(reasons_of(market)[n:]) == {"done"}
    assert market.lending["bank"].health_factor("ann") > 1.0
    market.ledger.audit()


def test_receipts_without_a_loan_go_where_their_holder_likes(market: Market) -> None:
    ann, bob = Idle(market, {"eth": 10.0}, "ann"), Idle(market, {}, "bob")
    ann.deposit("bank", "eth", 10.0)
    market.run(1)
    ann.transfer("bob", "bank-eth", ALL)
    market.run(1)
    bob.withdraw("bank", "eth", ALL)
    market.run(1)
    assert bob.wallet["eth"] == pytest.approx(10.0)


def test_a_liquidator_may_give_receipts_away_while_the_borrower_is_unhealthy(
    indebted: tuple[Market, Idle, Idle],
) -> None:
    market, _, mule = indebted
    market.ledger.mint("mule", "usdc", 5000.0)
    market.ledger.mint("mule", "eth", 1.0)
    mule.deposit("bank", "eth", 1.0)
    market.venue.asset("eth")["x"] -= 0.3
    market.run(1)
    with mule.transaction():
        mule.liquidate("bank", "ann", "usdc", "eth", 1000.0)
        mule.transfer("holders", "bank-eth", 0.5)
    market.run(1)
    assert reasons_of(market)[-2:] == ["done", "done"]
    assert market.lending["bank"].health_factor("ann") < 1.0


def test_a_gift_to_a_market_is_its_treasurys(market: Market) -> None:
    bank = market.lending["bank"]
    ann = Idle(market, {"eth": 10.0, "usdc": 5e5}, "ann")
    with ann.transaction():
        ann.deposit("bank", "eth", 10.0)
        ann.borrow("bank", "usdc", 10_000.0)
    market.run(1)
    rates = bank.borrow_rate("usdc"), bank.utilisation("usdc")
    deposits, held = bank.deposits("usdc"), bank.deposit_of("holders", "usdc")
    own = bank.deposit_of("bank-treasury", "usdc")
    with ann.transaction():
        ann.transfer("bank", "usdc", 250_000.0)
        ann.borrow("bank", "usdc", 1.0)
    block = market.block
    market.run(1)
    assert market.block == block + 1  # and the audit found nothing
    assert bank.deposit_of("bank-treasury", "usdc") - own == pytest.approx(250_000.0, rel=1e-6)
    assert bank.deposits("usdc") - deposits == pytest.approx(250_000.0, rel=1e-6)
    assert bank.deposit_of("holders", "usdc") / held - 1.0 < 1e-7  # a block's interest
    assert bank.utilisation("usdc") < rates[1] * 0.81
    market.run(20)
    bank.audit()


def test_within_its_block_a_gift_is_no_cash(market: Market) -> None:
    ann = Idle(market, {"eth": 1000.0, "usdc": 1e6}, "ann")
    ann.deposit("bank", "eth", 1000.0)
    market.run(1)
    with ann.transaction():
        ann.transfer("bank", "usdc", 1e6)
        ann.borrow("bank", "usdc", 1.1e6)  # of a cash of 1e6
    with ann.transaction():
        ann.transfer("bank", "usdc", 1e6)
        ann.flash_borrow("bank", "usdc", 1.1e6)
        ann.flash_repay("bank", "usdc")
    market.run(1)
    assert reasons_of(market).count("no_cash") >= 2
    assert ann.wallet["usdc"] == 1e6


# In full: isolation, categories, pairs, the adaptive curve, auctions, freezing


@pytest.mark.parametrize(
    ("u", "rate"), [(0.0, 0.01), (0.45, 0.025), (0.9, 0.04), (0.95, 0.1), (1.0, 0.16)]
)
def test_the_adaptive_curve_as_its_documentation_has_it(u: float, rate: float) -> None:
    """Four times the rate at the target when full, a quarter of it when empty."""
    assert curved(0.04, off_target(u, 0.9), 4.0) == pytest.approx(rate)


def test_the_adaptive_curve_doubles_in_five_days() -> None:
    """Morpho: at 100 % the rate at the target doubles in about five days, at 0 % it halves."""
    days = math.log(2.0) / 50.0 * 365.0
    assert days == pytest.approx(5.06, abs=0.01)
    assert adapted(0.04, 1.0, 50.0, days / 365.0) == pytest.approx(0.08)
    assert adapted(0.04, -1.0, 50.0, days / 365.0) == pytest.approx(0.02)
    assert adapted(0.04, 0.0, 50.0, 1.0) == 0.04
    assert adapted(0.04, 1.0, 50.0, 1.0) == 2.0 and adapted(0.04, -1.0, 50.0, 1.0) == 0.001


@pytest.mark.parametrize(
    ("lltv", "factor"),
    [(0.385, 1.15), (0.625, 1.12676), (0.77, 1.07411), (0.86, 1.04384), (0.915, 1.02617),
     (0.945, 1.01678), (0.965, 1.01061)],
)  # fmt: skip
def test_a_pairs_incentive_as_its_documentation_has_it(lltv: float, factor: float) -> None:
    assert 1.0 + pair_bonus(lltv) == pytest.approx(factor, abs=1e-5)


class Saver(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


def _of(small: Callable[..., Scenario], bank: dict[str, Any], **more: Any) -> Market:
    content = small(
        venue={"assets": {
            "dai": {"price": 1.0, "process": "constant"},
            "uni": {"price": 10.0, "process": "constant"},
        }},
        oracles={
            "eth": {"token": "eth", "source": "fixed", "price": 2000.0},
            "dai": {"token": "dai", "source": "fixed", "price": 1.0},
            "uni": {"token": "uni", "source": "fixed", "price": 10.0},
        },
    ).to_dict()  # fmt: skip
    content["oracles"]["eth"] = {"token": "eth", "source": "fixed", "price": 2000.0}
    content["lending"] = {"bank": bank}
    return Market(Scenario.from_dict(content | more), rng=1)


def _last(market: Market) -> str:
    return str(market.receipts().iloc[-1]["reason"]).replace("nan", "done")


ISOLATED = {
    "reserves": {
        "uni": {
            "ltv": 0.5,
            "threshold": 0.6,
            "bonus": 0.1,
            "isolated": True,
            "debt_ceiling": 1000.0,
        },
        "eth": {"ltv": 0.8, "threshold": 0.83, "bonus": 0.05, "cash": 100.0},
        "usdc": {"collateral": False, "cash": 1e6, "in_isolation": True},
        "dai": {"collateral": False, "cash": 1e6},
    }
}


def test_in_isolation_a_token_secures_alone_what_may_be_owed_so(
    small: Callable[..., Scenario],
) -> None:
    """Aave v3: only listed debts, up to a ceiling; other deposits are no collateral."""
    market = _of(small, ISOLATED)
    bank = market.lending["bank"]
    ann = Saver(market, {"uni": 300.0, "eth": 1.0, "usdc": 1000.0}, "ann")
    bob = Saver(market, {"uni": 300.0}, "bob")
    for agent in (ann, bob):
        agent.deposit("bank", "uni", 300.0)
    market.run(1)
    ann.borrow("bank", "dai", 100.0)  # not against an isolated token
    market.run(1)
    assert _last(market) == "not_borrowable"
    ann.borrow("bank", "usdc", 800.0)
    market.run(1)
    assert market.ledger.supply("bank-uni-isolated") == pytest.approx(800.0)
    bob.borrow("bank", "usdc", 300.0)  # the ceiling of 1000 is everybody's
    market.run(1)
    assert _last(market) == "cap" and bank.debt_of("bob", "usdc") == 0.0
    ann.deposit("bank", "eth", 1.0)  # earns, and secures nothing
    market.run(1)
    assert bank.health_factor("ann") == pytest.approx(3000.0 * 0.6 / 800.0, rel=1e-6)
    ann.withdraw("bank", "eth", 1.0)
    market.run(1)
    ann.repay("bank", "usdc", 500.0)
    market.run(1)
    assert market.ledger.supply("bank-uni-isolated") == pytest.approx(300.0)
    bob.borrow("bank", "usdc", 300.0)
    market.run(1)
    ann.repay("bank", "usdc", ALL)
    market.run(1)
    assert market.ledger.balance("ann", "bank-uni-isolated") == 0.0
    market.ledger.audit()


def test_a_gift_takes_nobody_out_of_isolation_or_into_it(small: Callable[..., Scenario]) -> None:
    market = _of(small, ISOLATED)
    bank = market.lending["bank"]
    ann = Saver(market, {"uni": 300.0}, "ann")
    bob = Saver(market, {"eth": 2.0, "uni": 1.0}, "bob")
    ann.deposit("bank", "uni", 300.0)
    bob.deposit("bank", "eth", 2.0)
    bob.deposit("bank", "uni", 1.0)
    market.run(1)
    ann.borrow("bank", "usdc", 900.0)
    bob.borrow("bank", "dai", 1000.0)  # against ether: the isolated token is none then
    market.run(1)
    before = bank.health_factor("ann"), bank.health_factor("bob")
    assert before[1] == pytest.approx(4000.0 * 0.83 / 1000.0, rel=1e-6)
    bob.transfer("ann", "bank-eth", 0.001)
    market.run(1)
    assert bank.health_factor("ann") == pytest.approx(before[0], rel=1e-5)
    ann.transfer("bob", "bank-uni", 1.0)
    market.run(1)
    assert bank.health_factor("bob") == pytest.approx(before[1], rel=1e-3)


def test_a_category_has_its_terms_while_all_debts_are_of_it(
    small: Callable[..., Scenario],
) -> None:
    bank = {
        "categories": {"dollars": {"ltv": 0.95, "threshold": 0.97, "bonus": 0.01}},
        "close_factor": 1.0, "bonus_share": 0.0,
        "reserves": {
            "dai": {"ltv": 0.7, "threshold": 0.75, "bonus": 0.05, "category": "dollars"},
            "usdc": {"collateral": False, "cash": 1e6, "category": "dollars"},
            "eth": {"collateral": False, "cash": 100.0},
        },
    }  # fmt: skip
    market = _of(small, bank)
    ann = Saver(market, {"dai": 1000.0}, "ann")
    bob = Saver(market, {"usdc": 5000.0}, "bob")
    ann.deposit("bank", "dai", 1000.0)
    market.run(1)
    ann.borrow("bank", "usdc", 940.0)
    market.run(1)
    lender = market.lending["bank"]
    assert lender.health_factor("ann") == pytest.approx(970.0 / 940.0, rel=1e-6)
    ann.borrow("bank", "eth", 0.001)  # a debt outside it takes its terms away
    market.run(1)
    assert _last(market) == "unhealthy"
    market.world.feeds[[*market.oracles].index("dai")]["price"] = 0.96
    bob.liquidate("bank", "ann", "usdc", "dai", 500.0)
    market.run(1)
    seized = 500.0 / 0.96 * 1.01  # at the category's bonus
    assert bob.wallet["dai"] == pytest.approx(seized, rel=1e-6)


def test_a_pair_is_borrowed_and_liquidated_at_one_loan_to_value(
    small: Callable[..., Scenario],
) -> None:
    reserves = {"eth": {"borrowable": False}, "usdc": {"collateral": False, "cash": 1e6}}
    market = _of(small, {"lltv": 0.86, "reserves": reserves})
    ann, bob = Saver(market, {"eth": 1.0}, "ann"), Saver(market, {"usdc": 5000.0}, "bob")
    ann.deposit("bank", "eth", 1.0)
    market.run(1)
    ann.borrow("bank", "usdc", 1720.1)
    market.run(1)
    assert _last(market) == "unhealthy"
    ann.borrow("bank", "usdc", 1719.9)
    market.run(1)
    market.world.feeds[[*market.oracles].index("eth")]["price"] = 1900.0
    bob.liquidate("bank", "ann", "usdc", "eth", 1000.0)
    market.run(1)
    assert bob.wallet["eth"] == pytest.approx(1000.0 / 1900.0 / (0.3 * 0.86 + 0.7), rel=1e-6)
    with pytest.raises(ScenarioError, match="lltv"):
        _of(small, {"lltv": 0.86, "reserves": {"eth": {}, "usdc": {}}})


def test_the_bonus_of_an_auction_rises_block_by_block(small: Callable[..., Scenario]) -> None:
    reserves = {
        "eth": {"ltv": 0.8, "threshold": 0.83, "bonus": 0.1},
        "usdc": {"collateral": False, "cash": 1e6},
    }
    got = []
    for wait in (0, 2, 5, 9):
        market = _of(small, {"auction": 5, "bonus_share": 0.0, "reserves": reserves})
        ann, bob = Saver(market, {"eth": 1.0}, "ann"), Saver(market, {"usdc": 5000.0}, "bob")
        ann.deposit("bank", "eth", 1.0)
        market.run(1)
        ann.borrow("bank", "usdc", 1590.0)
        market.run(1)
        market.world.feeds[[*market.oracles].index("eth")]["price"] = 1900.0
        market.run(wait)
        bob.liquidate("bank", "ann", "usdc", "eth", 100.0)
        market.run(1)
        got.append(bob.wallet["eth"] * 1900.0 / 100.0 - 1.0)
    assert got == pytest.approx([0.0, 0.04, 0.1, 0.1], abs=1e-9)


def test_the_adaptive_rate_moves_while_utilisation_is_off_its_target(
    small: Callable[..., Scenario],
) -> None:
    curve = {"curve": "adaptive", "optimal": 0.9, "adjustment": 5000.0}
    reserves = {
        "eth": {"ltv": 0.8, "threshold": 0.83},
        "usdc": {"collateral": False, "cash": 1000.0} | curve,
    }
    market = _of(small, {"reserves": reserves})
    ann = Saver(market, {"eth": 10.0}, "ann")
    ann.deposit("bank", "eth", 10.0)
    market.run(1)
    lender = market.lending["bank"]
    before = float(lender.reserve("usdc")["at_target"])
    assert before < 0.04, "nothing is lent"
    ann.borrow("bank", "usdc", 1000.0)
    market.run(50)
    years = 50 * 12.0 / INTEREST_YEAR
    now = float(lender.reserve("usdc")["at_target"])
    assert now == pytest.approx(before * math.exp(5000.0 * years), rel=1e-6)
    assert lender.borrow_rate("usdc") == pytest.approx(4.0 * now)
    lender.audit()


def test_what_is_frozen_is_repaid_and_withdrawn_alone(small: Callable[..., Scenario]) -> None:
    market = _of(small, ISOLATED)
    ann = Saver(market, {"eth": 2.0}, "ann")
    ann.deposit("bank", "eth", 1.0)
    market.run(1)
    ann.borrow("bank", "usdc", 100.0)
    market.run(1)
    for token in ("eth", "usdc"):
        market.lending["bank"].reserve(token)["frozen"] = 1
    for act in (
        lambda: ann.deposit("bank", "eth", 0.5),
        lambda: ann.borrow("bank", "usdc", 1.0),
    ):
        act()
        market.run(1)
        assert _last(market) == "halted"
    ann.repay("bank", "usdc", 50.0)
    ann.withdraw("bank", "eth", 0.1)
    market.run(1)
    assert list(market.receipts()["status"].tail(2)) == ["done", "done"]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_a_mark_is_there_exactly_where_something_is_owed_in_isolation(seed: int) -> None:
    """Random calls at prices that jump: marks need debts, and books balance."""
    rng = np.random.default_rng(seed)
    content = merged(BASE, {
        "venue": {"assets": {n: {"price": p, "process": "constant"}
                             for n, p in (("dai", 1.0), ("uni", 10.0))}},
        "oracles": {"dai": {"token": "dai", "source": "fixed", "price": 1.0},
                    "uni": {"token": "uni", "source": "fixed", "price": 10.0}},
    })  # fmt: skip
    content["oracles"]["eth"] = {"token": "eth", "source": "fixed", "price": 2000.0}
    market = Market(Scenario.from_dict(content | {"lending": {"bank": ISOLATED}}), rng=1)
    wallet = {"eth": 10.0, "uni": 2000.0, "usdc": 5000.0, "dai": 5000.0}
    people = [Saver(market, wallet, f"p{n}") for n in range(4)]
    feeds = [*market.oracles]
    for _ in range(30):
        market.world.feeds[feeds.index("uni")]["price"] *= float(np.exp(rng.normal(0.0, 0.1)))
        for agent in people:
            token = str(rng.choice(["eth", "uni", "usdc", "dai"]))
            size = float(rng.uniform(0.0, 500.0)) / (2000.0 if token == "eth" else 1.0)
            way = rng.integers(0, 6)
            if way == 0:
                agent.deposit("bank", token, size)
            elif way == 1:
                agent.withdraw("bank", token, size)
            elif way in (2, 3):
                agent.borrow("bank", str(rng.choice(["usdc", "dai"])), float(rng.uniform(1, 400)))
            elif way == 4:
                agent.repay("bank", token, ALL if rng.random() < 0.5 else size)
            else:
                other = people[int(rng.integers(0, 4))]
                if other is not agent:
                    agent.liquidate("bank", other.name, "usdc", "uni", 100.0)
        market.run(1)
        bank = market.lending["bank"]
        bank.audit()
        market.ledger.audit()
        for agent in people:
            owes = any(bank.debt_of(agent.name, t) > 0.0 for t in bank.tokens)
            marked = market.ledger.balance(agent.name, "bank-uni-isolated") > 0.0
            assert owes or not marked
            if marked:
                assert bank.debt_of(agent.name, "dai") == 0.0
    assert market.ledger.supply("bank-uni-isolated") <= 1000.0 * (1.0 + 1e-9)
