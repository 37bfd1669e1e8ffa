"""The attacks of the literature: what each would gain here, to the digit, and why that is right.

An attack that worked because a protocol read a price that its own transaction had moved, or
that somebody could afford to hold, works here too, where a scenario builds the protocol so;
its gain is a closed form, and somebody else's loss. One that worked because integers were
rounded, or because a check was missing, gains nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from agents import MarketAgent
from protocols import amm
from protocols.custom import CustomProtocol
from protocols.oracle import fair_share_price
from protocols.pool import Pool
from protocols.weighted import impermanent_loss
from sim import Market, Scenario
from sim.codes import ALL, PREVIOUS, Reason
from sim.ledger import begin
from tests.conftest import BASE, merged
from tests.protocols.test_amm import KINDS, SHARED
from tests.protocols.test_amm import setup as kind_setup

LTV, THRESHOLD = 0.8, 0.85
FLASH_FEE = 0.0005
GRAIN = 1.0 - 1e-9
"""A hair below what may be borrowed, for rounding."""


class Puppet(MarketAgent):
    """Does what the test tells it."""

    @property
    def worth(self) -> float:
        """All that it holds less what it owes, at the venue's prices: what an attack gained."""
        return self.market.wealth(self.account)


def reasons(market: Market) -> list[str]:
    return market.receipts()["reason"].astype(str).tolist()


def thin(depth: float, **oracle: Any) -> Scenario:
    """A token worth one, a pool of it `depth` deep on each side, a loan on it, a flash lender."""
    content = merged(
        BASE,
        {
            "venue": {
                "assets": {
                    "thin": {"price": 1.0, "process": "constant", "spread": 0.0, "inventory": 1e12}
                }
            },
            "oracles": {"thin": {"token": "thin"} | oracle},
        },
    )
    content["pools"] = {
        "thin-usdc": {
            "tokens": ["thin", "usdc"],
            "reserves": {"thin": depth, "usdc": depth},
            "fee": 0.0,
        }
    }
    still = {"slope1": 0.0, "slope2": 0.0}
    content["lending"] = {
        "bank": {
            "reserves": {
                "thin": {"ltv": LTV, "threshold": THRESHOLD, "bonus": 0.05},
                "usdc": {"collateral": False, "cash": 1e6} | still,
            }
        },
        "vault": {
            "flash_fee": FLASH_FEE,
            "reserves": {"usdc": {"collateral": False, "cash": 1e7} | still},
        },
    }
    return Scenario.from_dict(content)


# (a) The price of a loan, moved by the loan's own transaction: bZx, 18 February 2020.


def pump_and_borrow(depth: float, pump: float, **oracle: Any) -> tuple[Market, Puppet]:
    """Buy the thin token with a flash loan, borrow against it at the price it has then.

    Paying u times the depth into a constant product takes R u / (1 + u) out and leaves a
    price of (1 + u)^2 (VALIDATION 1): collateral that is "worth" u R (1 + u).
    """
    market = Market(thin(depth, **oracle), rng=1).run(3)
    ann = Puppet(market, name="ann")
    paid = pump * depth
    with ann.transaction():
        ann.flash_borrow("vault", "usdc", paid)
        ann.swap("thin-usdc", "usdc", paid)
        ann.deposit("bank", "thin", PREVIOUS)
        ann.borrow("bank", "usdc", LTV * paid * (1.0 + pump) * GRAIN)
        ann.flash_repay("vault", "usdc")
    market.run(1)
    return market, ann


@pytest.mark.parametrize("pump", [0.3, 1.0, 2.0])
def test_a_live_spot_price_is_borrowed_against_at_what_one_pays_oneself(pump: float) -> None:
    """Qin, Zhou, Livshits, Gervais 2021 on bZx: the borrower walks away from its collateral.

    Gain ``a (l (1 + u) - 1)`` less the flash fee, a = u R paid in; positive iff the pump
    exceeds 1 / l - 1. It is the bank's, less what the pool's providers got for their token.
    """
    depth = 1e5
    market, ann = pump_and_borrow(depth, pump, source="pool_spot", pool="thin-usdc", live=True)
    paid = pump * depth
    assert set(reasons(market)) == {"done"}
    gain = paid * (LTV * (1.0 + pump) * GRAIN - 1.0) - FLASH_FEE * paid
    assert ann.wallet["usdc"] == pytest.approx(gain, rel=1e-9)
    assert gain > 0.0
    # What everybody else lost, at the venue's prices, is that to the digit.
    bank, pool = market.lending["bank"], market.pools["thin-usdc"]
    lacking = bank.debt_of("ann", "usdc") - bank.deposit_of("ann", "thin")
    providers = sum(pool.reserves.values()) - 2.0 * depth
    assert lacking == pytest.approx(gain + providers + FLASH_FEE * paid, rel=1e-9)
    market.ledger.audit()


def test_a_pump_that_is_too_small_does_not_even_repay_its_flash_loan() -> None:
    spot = {"source": "pool_spot", "pool": "thin-usdc", "live": True}
    market, ann = pump_and_borrow(1e5, 1.0 / LTV - 1.0 - 0.01, **spot)
    assert reasons(market)[-1] == "insufficient_balance"
    assert ann.wallet == {}


@pytest.mark.parametrize(
    "oracle",
    [
        {"source": "venue"},
        {"source": "pool_spot", "pool": "thin-usdc"},
        {"source": "pool_twap", "pool": "thin-usdc", "window": 10},
    ],
    ids=["venue", "end_of_block", "mean"],
)
@pytest.mark.parametrize("pump", [0.5, 2.0, 20.0])
def test_a_price_that_is_not_read_within_the_transaction_lends_nothing_on_it(
    oracle: dict[str, Any], pump: float
) -> None:
    market, ann = pump_and_borrow(1e3, pump, **oracle)
    assert set(reasons(market)) == {"unhealthy"}
    assert ann.wallet == {}
    assert market.pools["thin-usdc"].reserves == {"thin": 1e3, "usdc": 1e3}


# (b) A price that is held up over several blocks: Mango Markets, 11 October 2022.

WINDOW, HELD, UP = 30, 10, 1.0


def hold_up(depth: float, collateral: float, arbitrage: bool) -> tuple[Market, float]:
    """Pump for HELD blocks, then borrow against own collateral at the mean price.

    Returns:
        The market, and what the attacker gained.
    """
    feed = {"source": "pool_twap", "pool": "thin-usdc", "window": WINDOW}
    market = Market(thin(depth, **feed), rng=1)
    eve = Puppet(market, {"usdc": 2e7, "thin": collateral}, "eve")
    arb = Puppet(market, {"thin": 1e9}, "arb")
    market.run(WINDOW + 3)
    start = eve.worth
    bought = depth * UP / (1.0 + UP)
    for block in range(HELD):
        if arbitrage and block > 0:  # sells what was bought from the pool back into it
            arb.swap("thin-usdc", "thin", bought, bid=20.0)
        if arbitrage or block == 0:
            before = eve.wallet["thin"]
            eve.swap("thin-usdc", "usdc", UP * depth, bid=10.0)
        market.run(1)
        if arbitrage or block == 0:
            assert eve.wallet["thin"] - before == pytest.approx(bought, rel=1e-6)
    loan = LTV * collateral * mean_price() * GRAIN
    with eve.transaction():
        eve.deposit("bank", "thin", collateral)
        eve.borrow("bank", "usdc", loan)
    market.run(1)
    assert market.oracles["thin"].price == pytest.approx(mean_price(), rel=1e-9)
    assert reasons(market)[-1] == "done"
    # It leaves the debt behind, and the collateral: worth one each.
    left = eve.worth + market.lending["bank"].debt_of("eve", "usdc") - collateral
    return market, left - start


def mean_price() -> float:
    """Of a window in which HELD of WINDOW readings are (1 + u)^2 and the rest one."""
    return 1.0 + HELD / WINDOW * ((1.0 + UP) ** 2 - 1.0)


@pytest.mark.parametrize("depth", [2e3, 2.4e4, 1e5])
def test_holding_up_a_mean_price_costs_in_proportion_to_depth(depth: float) -> None:
    """Each block the arbitrage takes ``R u^2 / (1 + u)``: what a is paid for less what it is worth.

    The gain is ``l C P - C`` less that times the blocks: with C = 200,000 at a mean of two,
    120,000 less five depths. Mackinga, Nadahalli, Wattenhofer 2022 have the same shape.
    """
    collateral = 2e5
    _, gain = hold_up(depth, collateral, arbitrage=True)
    cost = HELD * depth * UP**2 / (1.0 + UP)
    want = LTV * collateral * mean_price() * GRAIN - collateral - cost
    assert gain == pytest.approx(want, abs=1e-3)
    assert mean_price() == 2.0
    assert (gain > 1.0) == (depth < 2.4e4)


def test_where_nobody_trades_against_it_the_pump_is_paid_once() -> None:
    """As on Mango: the token's book was thin, and nobody stood against it for twenty minutes."""
    collateral, depth = 2e5, 1e5
    _, gain = hold_up(depth, collateral, arbitrage=False)
    cost = depth * UP**2 / (1.0 + UP)
    want = LTV * collateral * mean_price() * GRAIN - collateral - cost
    assert gain == pytest.approx(want, abs=1e-3)
    assert gain > 0.0
    # Who lends on the venue's price is not moved by any of it.
    honest = Market(thin(depth), rng=1)
    ann = Puppet(honest, {"usdc": 1e6, "thin": collateral}, "ann")
    for _ in range(HELD):
        ann.swap("thin-usdc", "usdc", UP * depth / HELD)
        honest.run(1)
    with ann.transaction():
        ann.deposit("bank", "thin", collateral)
        ann.borrow("bank", "usdc", LTV * collateral * 1.001)
    honest.run(1)
    assert reasons(honest)[-1] == "unhealthy"


# (c) The first depositor's inflated share: ERC-4626, empty Compound v2 markets (Hundred 2023).


def contract_shares(deposit: int, supply: int, assets: int) -> int:
    """Shares as a contract rounds them: down."""
    return deposit * supply // assets


@pytest.mark.parametrize("kind", SHARED)
def test_a_first_share_blown_up_by_a_gift_takes_nothing_from_the_next(kind: str) -> None:
    """One unit deposited, a fortune given, and the victim's shares round to none: in integers.

    Here a share is a real number, so the victim's is its part to a rounding of 1e-16, and
    the gift is the attacker's own: it takes it out again, and has lost nothing either.
    """
    fortune, stake = 10**10, 5 * 10**9
    assert contract_shares(stake, 1, 1 + fortune) == 0

    leave = {"kind": "provider_exit", "pool": "pool", "share": 1.0, "block": 1}
    still = {"venue": {"assets": {"dai": {"process": "constant"}}}}
    market = Market(kind_setup(kind, shocks=[leave], **still), rng=1).run(1)
    pool = market.pools["pool"]
    assert market.ledger.supply(pool.share) == 0.0
    first, second = pool.tokens
    weights = KINDS[kind].get("weights", {first: 1.0, second: 1.0})
    unit = {t: weights[t] / market.price(t) for t in pool.tokens}  # of the pool's proportion
    eve = Puppet(market, {t: 2.0 * fortune * unit[t] for t in unit}, "eve")
    vic = Puppet(market, {t: stake * unit[t] for t in unit}, "vic")
    start = eve.worth, vic.worth
    eve.add_liquidity("pool", {t: 1e-9 * unit[t] for t in unit})
    market.run(1)
    for token in unit:
        eve.transfer("pool", token, fortune * unit[token])
    market.run(1)
    vic.add_liquidity("pool", dict(vic.wallet))
    market.run(1)
    shares = market.ledger.balance("vic", pool.share)
    part = shares / market.ledger.supply(pool.share)
    assert part == pytest.approx(stake / (stake + fortune), rel=1e-9)
    for who in (eve, vic):
        who.remove_liquidity("pool")
    market.run(1)
    assert set(reasons(market)) == {"done"}
    assert vic.worth == pytest.approx(start[1], rel=1e-9)
    assert eve.worth == pytest.approx(start[0], rel=1e-9)
    market.ledger.audit()


def empty_bank() -> Market:
    """A lending market whose reserves nobody has put anything into yet."""
    content = merged(BASE, {})
    content["lending"] = {
        "bank": {
            "reserves": {
                "eth": {"ltv": LTV, "threshold": THRESHOLD},
                "usdc": {"ltv": LTV, "threshold": THRESHOLD},
            }
        }
    }
    return Market(Scenario.from_dict(content), rng=1)


def test_a_first_receipt_blown_up_by_a_gift_takes_nothing_from_the_next() -> None:
    """Hundred Finance, 15 April 2023: a donation to an empty market raised what a receipt is worth.

    Here a receipt is worth an index that a gift does not move (Aave's way): the victim has what
    it put in, the attacker its unit, and the treasury the gift.
    """
    fortune, stake, unit = 1e6, 5e5, 1e-6
    assert contract_shares(int(stake), 1, 1 + int(fortune)) == 0
    market = empty_bank()
    bank = market.lending["bank"]
    eve = Puppet(market, {"usdc": fortune + unit}, "eve")
    vic = Puppet(market, {"usdc": stake}, "vic")
    eve.deposit("bank", "usdc", unit)
    eve.transfer("bank", "usdc", fortune)
    market.run(1)
    vic.deposit("bank", "usdc", stake)
    market.run(1)
    assert bank.deposit_of("vic", "usdc") == pytest.approx(stake, rel=1e-12)
    assert bank.deposit_of("eve", "usdc") == pytest.approx(unit, rel=1e-9)
    # Nor may it borrow against what it gave away (its receipt was to count a fortune).
    eve.borrow("bank", "eth", 1.0)
    vic.withdraw("bank", "usdc", ALL)
    eve.withdraw("bank", "usdc", ALL)
    market.run(1)
    assert vic.wallet["usdc"] == pytest.approx(stake, rel=1e-12)
    assert eve.wallet["usdc"] == pytest.approx(unit, rel=1e-4)  # digits of a million
    assert bank.deposit_of("bank-treasury", "usdc") == pytest.approx(fortune, rel=1e-12)
    market.ledger.audit()


# (d) Donations: Euler, 13 March 2023, and gifts to a market.


def euler() -> tuple[Market, Puppet, Puppet]:
    """Ann at the most that she may borrow against ten ether; bob is her other account."""
    lending = {"bank": {"reserves": {"usdc": {"slope1": 0.0, "slope2": 0.0}}}}
    market = Market(Scenario.from_dict(merged(BASE, {"lending": lending})), rng=1)
    ann, bob = Puppet(market, {"eth": 10.0}, "ann"), Puppet(market, {"usdc": 1e5}, "bob")
    with ann.transaction():
        ann.deposit("bank", "eth", 10.0)
        ann.borrow("bank", "usdc", 16_000.0 * GRAIN)
    market.run(1)
    assert reasons(market) == ["done", "done"]
    return market, ann, bob


@pytest.mark.parametrize("receiver", ["bank-treasury", "bob", "bank"])
@pytest.mark.parametrize("part", [0.1, 1.0])
def test_nobody_gives_away_the_receipts_that_secure_a_loan(receiver: str, part: float) -> None:
    """Euler's `donateToReserves` forgot to ask whether the donor stayed healthy.

    The donor made itself unhealthy on purpose and liquidated itself from a second account,
    whose discount was more than what it had given. Here receipts leave only as far as the
    loan stays covered: ten per cent of them is already too much of a loan at the most.
    """
    market, ann, bob = euler()
    together = ann.worth + bob.worth
    ann.transfer(receiver, "bank-eth", part * ann.wallet["bank-eth"])
    with bob.transaction():
        bob.liquidate("bank", "ann", "usdc", "eth", ALL)
    market.run(1)
    assert sorted(reasons(market)[-2:]) == ["not_liquidatable", "unhealthy"]
    assert market.lending["bank"].health_factor("ann") == pytest.approx(0.83 / 0.8, rel=1e-8)
    assert ann.worth + bob.worth == pytest.approx(together, rel=1e-12)


def test_receipts_that_a_loan_does_not_need_may_be_given_and_are_lost_to_the_giver() -> None:
    market, ann, bob = euler()
    spare = 10.0 * (1.0 - 0.8 / 0.83) * 0.999
    together = ann.worth + bob.worth
    ann.transfer("bank-treasury", "bank-eth", spare)
    market.run(1)
    assert reasons(market)[-1] == "done"
    assert ann.worth + bob.worth == pytest.approx(together - spare * 2000.0, rel=1e-9)
    bob.liquidate("bank", "ann", "usdc", "eth", ALL)
    market.run(1)
    assert reasons(market)[-1] == "not_liquidatable"


@pytest.mark.parametrize("token", ["usdc", "eth"])
def test_a_gift_to_a_market_is_a_deposit_of_its_treasury_and_nothing_else(token: str) -> None:
    """Beside a twin in which the same is deposited: index, rate, debts, all but whose it is.

    In Compound v2 a donation is cash of which everybody's receipt has a part: what a receipt
    is worth jumps, and with it what may be borrowed. Here no index moves at all, and within
    its block the gift is not even cash.
    """
    gift = 1e5
    lives = []
    for given in (True, False):
        market = Market(Scenario.from_dict(BASE), rng=1)
        ann = Puppet(market, {"eth": 10.0}, "ann")
        eve = Puppet(market, {token: gift}, "eve")
        with ann.transaction():
            ann.deposit("bank", "eth", 10.0)
            ann.borrow("bank", "usdc", 10_000.0)
        market.run(1)
        bank = market.lending["bank"]
        slot = int(bank.reserve(token)["slot"])
        before = market.ledger.books.storage[slot]
        if given:
            eve.transfer("bank", token, gift)
        else:
            eve.deposit("bank", token, gift)
        market.run(1)
        assert reasons(market)[-1] == "done"
        index = market.ledger.books.storage[slot : slot + 2].copy()
        assert index[0] / before - 1.0 < 1e-8  # a block's interest
        owner = "bank-treasury" if given else "eve"
        assert bank.deposit_of(owner, token) == pytest.approx(gift, abs=1e-2)
        seen = [bank.utilisation(token), bank.borrow_rate(token), bank.health_factor("ann")]
        lives.append([*index, bank.debt_of("ann", "usdc"), bank.deposit_of("ann", "eth"), *seen])
        market.run(5)
        bank.audit()
        market.ledger.audit()
    assert lives[0] == pytest.approx(lives[1], rel=1e-14)


# (e) A share's price read in the middle of a transaction: Warp 2020, Sentiment 2023, Curve.


class Watcher(CustomProtocol):
    """Notes what a share is said to be worth, in the middle of a transaction.

    What a contract that is called in between would read: the fair price, and the naive one,
    reserves at the oracles' prices over the supply.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.seen: list[tuple[float, float]] = []

    def perform(self, call: Any, amount: float) -> tuple[Reason, float]:
        self.seen.append(share_prices(self.market))
        return Reason.DONE, amount


def share_prices(market: Market) -> tuple[float, float]:
    """(fair, naive) price of the pool's share."""
    pool, world = market.pools["pool"], market.world
    feed = list(market.oracles).index("share")
    fair = fair_share_price(market.ledger.books, world.pools[0], world.feeds, world.feeds[feed])
    worth = sum(amount * market.oracles[token].price for token, amount in pool.reserves.items())
    return float(fair), worth / market.ledger.supply(pool.share)


def watched(kind: str, fee: float) -> tuple[Market, Watcher, Puppet]:
    """A pool, a loan on its share at the fair price, and somebody who reads in between."""
    oracles = {
        "dai": {"token": "dai"},
        "share": {"token": "pool-share", "source": "share", "pool": "pool"},
    }
    reserve = {"pool-share": {"ltv": LTV, "threshold": THRESHOLD, "oracle": "share"}}
    still = {"slope1": 0.0, "slope2": 0.0, "cash": 1e8}
    changes = {
        "venue": {"assets": {"dai": {"process": "constant"}}},
        "pools": {"pool": {"fee": fee}},
        "oracles": oracles,
        "lending": {"bank": {"reserves": reserve | {"usdc": still}}},
    }
    market = Market(kind_setup(kind, **changes), rng=1)
    watcher = Watcher("watcher")
    market.add_protocol(watcher)
    pool = market.pools["pool"]
    amounts = {t: 0.5 * amount for t, amount in pool.reserves.items()}
    ann = Puppet(market, amounts | {"usdc": 1e9}, "ann")
    ann.add_liquidity("pool", amounts)
    market.run(1)
    return market, watcher, ann


@pytest.mark.parametrize("kind", SHARED)
@pytest.mark.parametrize("fee", [0.0, 0.004])
def test_no_step_of_a_transaction_makes_a_fair_share_dearer_than_its_fees_did(
    kind: str, fee: float
) -> None:
    """Read-only reentrancy reads a share between two halves of one step, where supply has gone
    and reserves have not (Sentiment on Balancer, 4 April 2023; Curve's virtual price, 2022).

    Here a call is whole or has not begun, so what can be read in between is a pool's true
    state; the fair price of that is the same, but for what fees have added, however far
    swaps and lopsided exits have pushed it. Naive prices are far off in the same moments.
    """
    market, watcher, ann = watched(kind, fee)
    fair, naive = share_prices(market)
    pool = market.pools["pool"]
    first, second = pool.tokens
    held = ann.wallet["pool-share"]
    shoved = 3.0 * pool.reserves[second]
    with ann.transaction():
        ann.swap("pool", second, shoved)
        ann.call("watcher", first, second, 1.0)
        ann.remove_liquidity("pool", 0.5 * held, token=second)
        ann.call("watcher", first, second, 1.0)
        ann.swap("pool", first, 0.2 * pool.reserves[first])
        ann.call("watcher", first, second, 1.0)
        ann.remove_liquidity("pool", 0.25 * held)
        ann.call("watcher", first, second, 1.0)
    market.run(1)
    assert set(reasons(market)) == {"done"}
    seen = np.array(watcher.seen)
    assert len(seen) == 4
    if fee == 0.0:
        assert seen[:, 0] == pytest.approx(fair, rel=1e-9)
    else:
        assert (np.diff(seen[:, 0], prepend=fair) >= -1e-12 * fair).all()
    # Never more than the reserves are worth outside: what is lent on it is covered.
    assert (seen[:, 0] <= seen[:, 1] * (1.0 + 1e-9)).all()
    if kind != "stableswap":  # near its peg a StableSwap's reserves are worth about the same
        assert np.abs(seen[:, 1] / naive - 1.0).max() > 0.2


@pytest.mark.parametrize("kind", SHARED)
def test_a_loan_on_a_fair_share_is_as_large_after_a_flash_swap_as_before(kind: str) -> None:
    for shoved in (0.0, 3.0):
        for much, ends in ((1.0 - 1e-6, "done"), (1.0 + 1e-6, "unhealthy")):
            market, _, ann = watched(kind, 0.0)
            fair, _ = share_prices(market)
            second = market.pools["pool"].tokens[1]
            shares = ann.wallet["pool-share"]
            with ann.transaction():
                if shoved:
                    ann.swap("pool", second, shoved * market.pools["pool"].reserves[second])
                ann.deposit("bank", "pool-share", shares)
                ann.borrow("bank", "usdc", much * LTV * shares * fair)
            market.run(1)
            assert reasons(market)[-1] == ends


class NaiveLender(CustomProtocol):
    """Lends dollars on a pool's share at its reserves' worth over its supply, as Warp did."""

    def perform(self, call: Any, amount: float) -> tuple[Reason, float]:
        ledger, sender = self.market.ledger, int(call["sender"])
        share, usdc = ledger.token("pool-share"), ledger.token("usdc")
        _, naive = share_prices(self.market)
        if not self.pay(sender, self.account, share, amount):
            return Reason.INSUFFICIENT_BALANCE, 0.0
        loan = LTV * amount * naive
        return (
            (Reason.DONE, loan)
            if self.pay(self.account, sender, usdc, loan)
            else (
                Reason.NO_CASH,
                0.0,
            )
        )


@pytest.mark.parametrize("pump", [0.5, 1.0, 4.0])
def test_a_naive_share_price_is_worth_what_a_flash_swap_makes_of_it(pump: float) -> None:
    """Warp Finance, 17 December 2020: reserves at outside prices rise as a swap unbalances them.

    Paying u times one side in leaves 1 / (1 + u) of the other: worth (1 + u + 1 / (1 + u)) / 2
    of what it was. All of the swap is undone after the loan, so the gain is the loan less the
    share: ``S (l (1 + u + 1 / (1 + u)) / 2 - 1)``, whatever the depth.
    """
    market, _, ann = watched("constant_product", 0.0)
    lender = NaiveLender("naive")
    market.add_protocol(lender)
    market.ledger.mint("naive", "usdc", 1e8)
    fair, naive = share_prices(market)
    assert fair == pytest.approx(naive)
    shares, start = ann.wallet["pool-share"], ann.worth
    paid = pump * market.pools["pool"].reserves["usdc"]
    bought = market.pools["pool"].quote("usdc", "eth", paid)
    with ann.transaction():
        ann.swap("pool", "usdc", paid)
        ann.call("naive", "pool-share", "usdc", shares)
        ann.swap("pool", "eth", bought)
    market.run(1)
    assert set(reasons(market)) == {"done"}
    stake = shares * fair
    risen = (1.0 + pump + 1.0 / (1.0 + pump)) / 2.0
    assert ann.worth - start == pytest.approx(stake * (LTV * risen - 1.0), abs=1e-2)
    # The lender has lost as much: a share that it paid too much for.
    assert market.ledger.balance("naive", "usdc") - 1e8 + stake == pytest.approx(
        -(ann.worth - start), abs=1e-2
    )


# (f) All providers leave, and somebody comes back.


@pytest.mark.parametrize("kind", SHARED)
def test_the_last_provider_out_leaves_nothing_and_the_first_one_in_can_refill(kind: str) -> None:
    """Nobody is stranded in a pool; its price is what the next provider says."""
    feeds = {} if kind == "stableswap" else {
        "spot": {"token": "eth", "source": "pool_spot", "pool": "pool"},
        "mean": {"token": "eth", "source": "pool_twap", "pool": "pool", "window": 4},
    }  # fmt: skip
    leave = {"kind": "provider_exit", "pool": "pool", "share": 1.0, "block": 3}
    still = {"venue": {"assets": {"dai": {"process": "constant"}}}}
    market = Market(kind_setup(kind, shocks=[leave], oracles=feeds, **still), rng=1)
    pool = market.pools["pool"]
    first, second = pool.tokens
    reserves = dict(pool.reserves)
    price = pool.spot_price()
    wallet = {t: 0.6 * a for t, a in reserves.items()}
    ann = Puppet(market, wallet, "ann")
    ann.add_liquidity("pool", {t: 0.3 * a for t, a in reserves.items()})
    market.run(3)
    # All have left in block three, ann among them; rounding of the supply is nobody's share.
    assert market.ledger.supply(pool.share) == 0.0
    assert pool.reserves == {first: 0.0, second: 0.0}
    assert ann.wallet[first] == pytest.approx(wallet[first], rel=1e-12)
    assert ann.wallet[second] == pytest.approx(wallet[second], rel=1e-12)
    # Nothing can be swapped, and nothing is said that is no number where one is expected.
    ann.swap("pool", first, 1.0)
    market.run(5)
    assert reasons(market)[-1] == "empty_pool"
    assert math.isnan(pool.spot_price())
    for name in feeds:
        assert market.oracles[name].price == pytest.approx(price)
    # The first one in sets a price of its own.
    twice = {first: 0.2 * reserves[first], second: 0.4 * reserves[second]}
    if kind == "stableswap":
        twice = {t: 0.2 * a for t, a in reserves.items()}
    ann.add_liquidity("pool", twice)
    market.run(2)
    assert reasons(market)[-1] == "done"
    again = pool.spot_price()
    assert again == pytest.approx(price if kind == "stableswap" else 2.0 * price)
    if feeds:
        assert market.oracles["spot"].price == pytest.approx(again)
        assert price < market.oracles["mean"].price < again
    ann.swap("pool", first, 1.0)
    market.run(1)
    assert reasons(market)[-1] == "done"
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["pool.pool.value"] > 0.0
    market.ledger.audit()


def test_all_positions_may_be_closed_and_opened_again() -> None:
    """Of concentrated liquidity: the price stands where it was, and liquidity comes back to it."""
    leave = {"kind": "provider_exit", "pool": "pool", "share": 1.0, "block": 2}
    mean = {"mean": {"token": "eth", "source": "pool_twap", "pool": "pool", "window": 4}}
    market = Market(kind_setup("concentrated", shocks=[leave], oracles=mean), rng=1).run(4)
    pool = market.pools["pool"]
    assert all(amount < 1e-6 for amount in pool.reserves.values())
    ann = Puppet(market, {"eth": 100.0, "usdc": 2e5}, "ann")
    ann.swap("pool", "eth", 1.0)
    market.run(1)
    assert reasons(market)[-1] == "empty_pool"
    ann.add_liquidity("pool", {"eth": 50.0, "usdc": 1e5}, prices=(1600.0, 2500.0))
    ann.swap("pool", "eth", 1.0)
    market.run(1)
    assert reasons(market)[-2:] == ["done", "done"]
    assert 1900.0 < pool.spot_price() < 2000.0
    assert market.oracles["mean"].price == pytest.approx(2000.0)
    ann.remove_liquidity("pool", prices=(1600.0, 2500.0))
    market.run(1)
    # The fee of its own swap is its own: it has what it had.
    assert ann.wallet["eth"] == pytest.approx(100.0, rel=1e-9)
    assert ann.wallet["usdc"] == pytest.approx(2e5, rel=1e-9)
    market.ledger.audit()


# (g) Liquidating oneself.

BONUS, BONUS_SHARE = 0.05, 0.1


def underwater(loan_to_value: float, close_factor: float) -> tuple[Market, Puppet, Puppet, float]:
    """Ann, whose ten ether have fallen to where her debt is so much of them, and her other self.

    Returns:
        The market, ann, bob, and ether's price.
    """
    lending = {
        "bank": {
            "close_factor": close_factor,
            "full_close_below": 0.0,
            "bonus_share": BONUS_SHARE,
            "reserves": {
                "eth": {"ltv": 0.8, "threshold": 0.8, "bonus": BONUS},
                "usdc": {"slope1": 0.0, "slope2": 0.0},
            },
        }
    }
    spread = {"venue": {"assets": {"eth": {"spread": 0.0}}}}
    market = Market(Scenario.from_dict(merged(BASE, spread | {"lending": lending})), rng=1)
    ann, bob = Puppet(market, {"eth": 10.0}, "ann"), Puppet(market, {"usdc": 1e5}, "bob")
    with ann.transaction():
        ann.deposit("bank", "eth", 10.0)
        ann.borrow("bank", "usdc", 15_000.0)
    market.run(1)
    price = 15_000.0 / (10.0 * loan_to_value)
    market.venue.asset("eth")["x"] = math.log(price)
    market.run(1)
    return market, ann, bob, price


@pytest.mark.parametrize("loan_to_value", [0.85, 0.94])
def test_liquidating_oneself_pays_the_protocols_share_of_the_bonus(loan_to_value: float) -> None:
    """The bonus goes from one pocket to the other, but for a tenth of it (Aave v3)."""
    market, ann, bob, price = underwater(loan_to_value, close_factor=0.5)
    together = ann.worth + bob.worth
    bob.liquidate("bank", "ann", "usdc", "eth", ALL)
    market.run(1)
    assert reasons(market)[-1] == "done"
    repaid = 1e5 - bob.wallet["usdc"]
    assert repaid == pytest.approx(7500.0)
    lost = together - (ann.worth + bob.worth)
    assert lost == pytest.approx(repaid * BONUS * BONUS_SHARE, rel=1e-6)
    treasury = market.lending["bank"].deposit_of("bank-treasury", "eth") * price
    assert lost == pytest.approx(treasury, rel=1e-6)


@pytest.mark.parametrize("loan_to_value", [0.96, 1.0, 1.3])
def test_beyond_one_over_one_plus_bonus_it_leaves_the_rest_to_depositors(
    loan_to_value: float,
) -> None:
    """Warmuz, Chaudhary, Pinna 2022 (VALIDATION 12): ``D - C / (1 + b)``, and not a grain more.

    It is the toxic region: a loan that collateral would have covered, below one, costs
    depositors something only because a bonus was paid, to the debtor's own second account.
    """
    market, ann, bob, price = underwater(loan_to_value, close_factor=1.0)
    assert loan_to_value > 1.0 / (1.0 + BONUS)
    bank = market.lending["bank"]
    holders = bank.deposit_of("holders", "usdc")
    collateral = 10.0 * price
    together = ann.worth + bob.worth
    bob.liquidate("bank", "ann", "usdc", "eth", ALL)
    market.run(1)
    bad = 15_000.0 - collateral / (1.0 + BONUS)
    assert bank.bad_debt == pytest.approx(bad, rel=1e-9)
    assert holders - bank.deposit_of("holders", "usdc") == pytest.approx(bad, rel=1e-6)
    # To the debtor: what depositors lost, less the protocol's part of the bonus.
    cut = collateral * BONUS / (1.0 + BONUS) * BONUS_SHARE
    assert ann.worth + bob.worth - together == pytest.approx(bad - cut, rel=1e-6)
    assert bank.positions().empty
    bank.audit()
    # Walking away instead would have given it D - C: less, below a loan-to-value of one over
    # 1 - b share / (1 + b), and what depositors lose more is that bonus.
    assert bad - max(15_000.0 - collateral, 0.0) <= collateral * BONUS / (1.0 + BONUS) + 1e-9


def test_below_that_region_nobody_but_the_debtor_pays() -> None:
    market, _, bob, _ = underwater(0.94, close_factor=1.0)
    bank = market.lending["bank"]
    holders = bank.deposit_of("holders", "usdc")
    bob.liquidate("bank", "ann", "usdc", "eth", ALL)
    market.run(1)
    assert bank.bad_debt == 0.0
    assert bank.deposit_of("holders", "usdc") == pytest.approx(holders, rel=1e-12)
    assert bank.deposit_of("ann", "eth") > 0.0


# (h) Sandwiches and just-in-time liquidity: tests/agents have those; here that no round trip pays.


@pytest.mark.parametrize("kind", [*KINDS, "bonding_curve"])
def test_no_round_trip_through_an_entry_and_an_exit_pays(kind: str) -> None:
    """Swap, enter, swap back, leave, within one transaction: never more than went in."""
    still = {"venue": {"assets": {"dai": {"process": "constant"}}}}
    for fee in (0.0, 0.003):
        market = Market(kind_setup(kind, pools={"pool": {"fee": fee}}, **still), rng=1)
        pool: Pool = market.pools["pool"]
        second = pool.tokens[1]
        ann = Puppet(market, {t: 1e7 for t in pool.tokens if not t.endswith("-share")}, "ann")
        start = dict(ann.wallet)
        size = 0.4 * pool.reserves[second]
        bought = pool.quote(second, pool.tokens[0], size)
        with ann.transaction():
            ann.swap("pool", second, size)
            if kind == "concentrated":
                ann.add_liquidity("pool", {pool.tokens[0]: 50.0, second: 1e5}, prices=(1e3, 9e3))
            elif kind != "bonding_curve":
                ann.add_liquidity("pool", {t: 0.3 * a for t, a in pool.reserves.items()})
            ann.swap("pool", pool.tokens[0], bought)
            if kind == "concentrated":
                ann.remove_liquidity("pool", prices=(1e3, 9e3))
            elif kind != "bonding_curve":
                ann.remove_liquidity("pool")
        market.run(1)
        assert set(reasons(market)) == {"done"}
        after = ann.wallet
        worth = sum((after.get(t, 0.0) - a) * market.price(t) for t, a in start.items())
        assert worth <= 1e-6
        market.ledger.audit()


def test_the_first_to_know_the_market_takes_the_providers_impermanent_loss_and_no_more() -> None:
    """An arbitrage gains what providers lose: their impermanent loss of what holding is worth."""
    ratio = 0.25
    spread = {"venue": {"assets": {"eth": {"spread": 0.0}}}, "pools": {"eth-usdc": {"fee": 0.0}}}
    market = Market(Scenario.from_dict(merged(BASE, spread)), rng=1)
    ann = Puppet(market, {"eth": 1e4}, "ann")
    market.venue.asset("eth")["x"] = math.log(2000.0 * ratio)
    market.run(1)
    start = ann.worth
    books, pool = market.ledger.books, market.world.pools[0]
    begin(books)
    ann.swap("eth-usdc", "eth", float(amm.amount_to_rate(books, pool, 0, 1, 2000.0 * ratio)))
    market.run(1)
    holding = 1000.0 * 2000.0 * ratio + 2e6
    assert ann.worth - start == pytest.approx(-impermanent_loss(ratio, 0.5) * holding, rel=1e-9)
