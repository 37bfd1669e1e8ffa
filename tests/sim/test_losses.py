"""Who has lost what to what: by hand, and closed over random markets."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.base import MarketAgent
from runs.dev.stylised_facts import MARKET
from sim import Market, Scenario
from sim.codes import ALL
from sim.loss_book import LossBook
from sim.losses import CAUSES, TOTAL
from tests.agents.test_value_fund import FUND
from tests.conftest import BASE, merged
from tests.fuzz.generator import Draft, scenario
from tests.protocols.test_default import Actor, levered, two_banks
from tests.protocols.test_default import settings as defaulting

ACCOUNT = {"measures": {"losses": True}}


def opened(**changes: Any) -> Market:
    return Market(Scenario.from_dict(merged(merged(BASE, ACCOUNT), changes)), rng=1)


def by_entity(market: Market) -> pd.DataFrame:
    return market.losses().set_index("entity")


def adds_up(frame: pd.DataFrame) -> bool:
    """Whether the parts of each entity sum to its total, to rounding."""
    gap = (frame[CAUSES].sum(axis=1) - frame[TOTAL]).abs()
    return bool((gap <= 1e-9 * frame[CAUSES].abs().sum(axis=1)).all())


def test_a_worked_example() -> None:
    """The example of docs/losses.md, computed by hand.

    10 ether into a pool of 1,000 ether and 2,000,000 dollars at 30 basis points give
    19,743.160687941225 dollars; ether costs 2,000 outside, and then falls to 1,500.
    """
    market = opened(shocks=[{"kind": "price_jump", "asset": "eth", "size": -0.25, "block": 3}])
    Actor(market, {"eth": 10.0}, b1=lambda a: a.swap("eth-usdc", "eth", 10.0))
    market.run(1)
    out = 19743.160687941225
    fee = 0.003 * 10.0 * 2000.0
    impact = 10.0 * 2000.0 - out - fee
    traded = by_entity(market).loc["Actor"]
    assert traded["fees"] == pytest.approx(-fee, rel=1e-12) and fee == 60.0
    assert traded["price_impact"] == pytest.approx(-impact, rel=1e-9)
    assert impact == pytest.approx(196.839312, rel=1e-6)
    assert traded["revaluation"] == pytest.approx(0.0, abs=1e-6)
    assert traded[TOTAL] == pytest.approx(-fee - impact, rel=1e-9)
    market.run(2)
    frame = by_entity(market)
    actor, holders = frame.loc["Actor"], frame.loc["holders"]
    # It holds no ether any more, which has lost 500 each: it would have lost 5,000 by holding.
    assert actor["revaluation"] == pytest.approx(10.0 * 500.0, rel=1e-9)
    assert actor[TOTAL] == pytest.approx(5000.0 - fee - impact, rel=1e-9)
    assert actor[TOTAL] == pytest.approx(out - 10.0 * 1500.0, rel=1e-9)
    # Who owns the pool has the other side of each.
    for cause in ("revaluation", "price_impact", "fees"):
        assert holders[cause] == pytest.approx(-actor[cause], rel=1e-6)
    assert adds_up(frame)
    assert (frame[["gas", "bad_debt", "run"]] == 0.0).all(axis=None)
    assert frame["other"].abs().max() < 1e-6


def test_a_sale_outside_is_measured_against_the_price_before_it() -> None:
    market = opened(venue={"assets": {"eth": {"depth": 1e6, "permanent": 1.0}}})
    Actor(market, {"eth": 100.0}, b1=lambda a: a.trade_outside("eth", "usdc", 100.0))
    market.run(1)
    frame = by_entity(market)
    got = market.ledger.balance("Actor-1", "usdc")
    assert 0.0 < got < 200_000.0
    assert frame.loc["Actor", "price_impact"] == pytest.approx(got - 200_000.0, rel=1e-9)
    assert frame.loc["venue", "price_impact"] == pytest.approx(200_000.0 - got, rel=1e-9)
    # It has no ether left that the price it made could have hurt: holding would have cost it.
    fall = 2000.0 - market.price("eth")
    assert frame.loc["Actor", "revaluation"] == pytest.approx(100.0 * fall, rel=1e-9)
    assert adds_up(frame)


def test_a_default_by_hand() -> None:
    """As in tests/protocols/test_default.py, seen by those who bear it."""
    market = Market(Scenario.from_dict(defaulting(measures={"losses": True})), rng=1)
    lender = Actor(market, {"usdc": 9e5}, b1=lambda a: a.deposit("bank", "usdc", 9e5))

    class Debtor(Actor):
        """A group of its own."""

    Debtor(market, {"eth": 600.0}, b2=levered("bank", 600.0, 9e5))
    market.run(5)
    (row,) = market.defaults().to_dict("records")
    frame = by_entity(market)
    written = row["owed"] - row["recovered"]
    bearers = frame.loc[["Actor", "holders", "bank-treasury"], "bad_debt"]
    assert bearers.sum() == pytest.approx(-written, rel=1e-9)
    assert frame.loc["Debtor", "bad_debt"] == pytest.approx(written, rel=1e-9)
    # Depositors share what the treasury could not bear: nine parts of ten are the lender's.
    assert frame.loc["Actor", "bad_debt"] == pytest.approx(-0.9 * row["depositors"], rel=1e-5)
    assert lender.wealth == pytest.approx(9e5 - 0.9 * row["depositors"], rel=1e-5)
    # The forced sale fetched less than the market's price: that was the debtor's to lose.
    haste = 600.0 * 1000.0 - row["recovered"]
    assert frame.loc["Debtor", "run"] == pytest.approx(-haste, rel=1e-6)
    assert frame.loc["venue", "run"] == pytest.approx(haste, rel=1e-6)
    assert adds_up(frame)
    assert frame["other"].abs().max() < 1e-6 * written


def test_what_is_not_covered_is_lost_before_it_is_written_off() -> None:
    """Depositors' claims fall by what a write-off would take, and the ledger stays as it is."""
    changes = {"measures": {"losses": True}, "lending": {"bank": {"default": "none"}}}
    market = Market(Scenario.from_dict(defaulting(**changes)), rng=1)
    Actor(market, {"usdc": 9e5}, b1=lambda a: a.deposit("bank", "usdc", 9e5))

    class Debtor(Actor):
        """A group of its own."""

    debtor = Debtor(market, {"eth": 600.0}, b2=levered("bank", 600.0, 9e5))
    market.run(6)
    before = market.ledger.balances.copy()
    frame = by_entity(market)
    assert (market.ledger.balances == before).all()
    owed = market.lending["bank"].debt_of(debtor.account, "usdc")
    uncovered = owed - 600.0 * market.price("eth")
    assert frame.loc["Actor", "bad_debt"] == pytest.approx(-0.9 * uncovered, rel=1e-4)
    assert frame.loc["Debtor", "bad_debt"] == pytest.approx(uncovered, rel=1e-9)
    assert frame["bad_debt"].sum() == pytest.approx(0.0, abs=1e-6)
    # A debtor who walks away has lost its collateral and kept what it borrowed.
    assert frame.loc["Debtor", TOTAL] == pytest.approx(9e5 - 600.0 * 1000.0, rel=1e-5)
    assert adds_up(frame)


def test_a_liquidation_is_a_run_for_whom_it_takes_from() -> None:
    market = opened(shocks=[{"kind": "price_jump", "asset": "eth", "size": -0.2, "block": 4}])
    Actor(market, {"eth": 100.0}, b2=levered("bank", 100.0, 1.5e5))

    class Liquidator(Actor):
        """A group of its own."""

    Liquidator(
        market,
        {"usdc": 1e5},
        b4=lambda a: a.liquidate("bank", market.ledger.account("Actor-1"), "usdc", "eth", 5e4),
    )
    market.run(4)
    assert market.lending["bank"].liquidations == 1
    frame = by_entity(market)
    taken = 5e4 * 0.05  # the bonus, at the market's prices
    assert frame.loc["Actor", "run"] == pytest.approx(-taken, rel=1e-6)
    assert frame.loc["Liquidator", "run"] == pytest.approx(0.9 * taken, rel=1e-6)
    assert frame.loc["bank-treasury", "run"] == pytest.approx(0.1 * taken, rel=1e-6)
    assert (frame["bad_debt"].abs() < 1e-6).all() and adds_up(frame)


def borrowing(**fund: Any) -> Market:
    """A fund outside that buys with what it owes the venue, at a price that it does not move."""
    content = merged(MARKET, {"measures": {"losses": True}, "agents": {"fund": FUND | fund}})
    content["venue"]["assets"]["token"] |= {"value_volatility": 0.0, "depth": 1e12}
    del content["agents"]["outside"]
    market = Market(Scenario.from_dict(content), rng=1)
    market.venue.asset("token")["anchor"] += 0.6
    return market


def test_interest_on_a_margin_debt_is_paid_to_the_venue() -> None:
    market = borrowing(rate=0.5)
    market.run(2)  # it holds four times its 1,000 and owes the rest, for no time yet
    assert market.ledger.balance("fund-0", "margin-debt") == pytest.approx(3000.0)
    assert by_entity(market)["fees"].abs().max() < 1e-6
    market.run(1)
    frame = by_entity(market)
    interest = 3000.0 * math.expm1(0.5 / 365.25)
    assert frame.loc["fund", "fees"] == pytest.approx(-interest, rel=1e-9)
    assert frame.loc["venue", "fees"] == pytest.approx(interest, rel=1e-6)
    market.run(20)
    frame = by_entity(market)
    assert abs(frame["fees"].sum()) < 1e-6 and adds_up(frame)
    assert frame["other"].abs().max() < 1e-6


def test_what_a_ruined_fund_owes_is_the_venues_bad_debt() -> None:
    market = borrowing(reentry=10.0)
    market.run(3)
    market.venue.asset("token")["x"] += math.log(0.6)  # more than a quarter, its equity
    market.run(3)
    owed = market.ledger.balance("fund-0", "margin-debt")
    market.venue.asset("token")["anchor"] -= 2.0
    # What nothing covers is told before it is written off, and the ledger stays as it is.
    before = by_entity(market)
    lacking = -market.wealth("fund-0")
    assert market.ledger.balance("fund-0", "margin-debt") == owed
    assert before.loc["fund", "bad_debt"] == pytest.approx(lacking, rel=1e-9)
    assert before.loc["venue", "bad_debt"] == pytest.approx(-lacking, rel=1e-9)
    market.run(20)
    frame = by_entity(market)
    assert market.ledger.balance("fund-0", "margin-debt") == 0.0 < 100.0 < owed
    assert frame.loc["fund", "bad_debt"] == pytest.approx(owed, rel=1e-9)
    assert frame.loc["venue", "bad_debt"] == pytest.approx(-owed, rel=1e-9)
    # What opens in its place has the money of new investors.
    assert market.wealth("fund-0") == pytest.approx(1000.0)
    assert frame["other"].abs().max() < 1e-6  # a deposit, and nobody's gain
    assert frame.loc["fund", TOTAL] == pytest.approx(before.loc["fund", TOTAL], abs=1e-6)
    assert market.cohorts["fund"].column("ruins")[0] == 1.0
    (row,) = market.defaults().to_dict("records")
    assert (row["protocol"], row["entity"], row["group"]) == ("venue", "fund-0", "fund")
    assert row["equity"] < 0.0 < row["owed"]
    assert row["depositors"] == pytest.approx(owed, rel=1e-9)
    assert row["recovered"] == pytest.approx(row["owed"] - owed, rel=1e-9)
    assert adds_up(frame)


def test_makers_have_their_part_of_a_trade_and_of_its_impact() -> None:
    makers = {"kind": "market_maker", "count": 2, "assets": {"eth": 1.0}, "margin": 0.0}
    makers |= {"wallet": {"usdc": 1e6, "eth": 500.0}, "unwind": 5.0, "recovery": 1.0}
    market = opened(
        agents={"makers": makers},
        venue={"assets": {"eth": {"depth": 1e6, "permanent": 0.5, "spread": 0.0}}},
    )
    depth = market.world.quotes["units"].sum() / float(market.venue.asset("eth")["units"])
    Actor(market, {"eth": 100.0}, b1=lambda a: a.trade_outside("eth", "usdc", 100.0))
    market.run(1)
    frame = by_entity(market)
    impact = frame.loc["Actor", "price_impact"]
    assert impact < -1.0 and 0.01 < depth < 1.0
    assert frame.loc["makers", "price_impact"] == pytest.approx(-depth * impact, rel=1e-6)
    assert frame.loc["venue", "price_impact"] == pytest.approx((depth - 1.0) * impact, rel=1e-6)
    assert frame["other"].abs().max() < 1e-6
    market.run(30)
    frame = by_entity(market)
    # What they unwind are trades with the venue; what investors replace is a gift.
    assert abs(frame["price_impact"].sum()) < 1e-4 and adds_up(frame)
    brought = market.world.start[0, 0] - 2e6  # moves the start, so it is nobody's gain
    assert abs(brought) > 1.0
    assert frame["other"].abs().max() < 1e-6
    assert frame[TOTAL].sum() == pytest.approx(0.0, abs=1e-3)
    assert (frame["fees"].abs() < 1e-6).all()


def test_a_claim_sold_in_haste_is_a_run() -> None:
    """Shares sold in another pool for less than they stand for, in place of being redeemed."""
    each = 4e6 / math.sqrt(1000.0 * 2e6)
    share = "eth-usdc-share"
    exit_ = {"tokens": ["usdc", share], "reserves": {"usdc": 1000.0 * each, share: 1000.0}}
    market = opened(pools={"exit": exit_})
    Actor(market, {}, b1=lambda a: a.swap("exit", share, 100.0))
    market.ledger.transfer("holders", "Actor-1", share, 100.0)  # a gift, by a script
    market.run(1)
    frame = by_entity(market)
    got, worth = market.ledger.balance("Actor-1", "usdc"), 100.0 * each
    fee = 0.003 * worth
    assert frame.loc["Actor", "other"] == pytest.approx(worth, rel=1e-9)
    assert frame.loc["holders", "other"] == pytest.approx(-worth, rel=1e-6)
    assert frame.loc["Actor", "fees"] == pytest.approx(-fee, rel=1e-9)
    assert frame.loc["Actor", "run"] == pytest.approx(got + fee - worth, rel=1e-9)
    assert frame.loc["holders", "run"] == pytest.approx(worth - got - fee, rel=1e-6)
    assert frame.loc["Actor", "price_impact"] == 0.0 and adds_up(frame)


def test_keeping_the_account_changes_no_bit(lively: Callable[..., Scenario]) -> None:
    plain, kept = (Market(lively(measures={"losses": on}), rng=3).run(60) for on in (False, True))
    assert (plain.ledger.balances == kept.ledger.balances).all()
    pd.testing.assert_frame_equal(plain.receipts(), kept.receipts())
    # What is told without it are the totals of groups.
    totals = plain.losses().set_index("entity")[TOTAL]
    frame = by_entity(kept)
    assert {"traders", "borrowers", "holders", "venue"} <= set(totals.index)
    size = kept.balance_sheets()["assets"].sum()
    assert np.abs(totals - frame.loc[totals.index, TOTAL]).max() <= 1e-9 * size
    assert plain.losses()[CAUSES].isna().all(axis=None)
    measured = kept.datacollector.get_model_vars_dataframe().iloc[-1]
    gap = measured["result.traders"] - totals["traders"]
    assert abs(gap) <= 1e-9 * size
    assert frame.loc["traders", "fees"] < 0.0 < frame.loc["holders", "fees"]
    assert adds_up(frame)
    assert isinstance(kept._losses, LossBook) and frame["other"].abs().max() <= 1e-9 * size


def test_blocks_one_by_one_tell_the_same(lively: Callable[..., Scenario]) -> None:
    run, stepped = (Market(lively(measures={"losses": True}), rng=3) for _ in range(2))
    run.run(40)
    for _ in range(40):
        stepped.step()
    size = run.balance_sheets()["assets"].sum()
    gap = by_entity(run)[CAUSES] - by_entity(stepped)[CAUSES]
    assert gap.abs().max(axis=None) <= 1e-11 * size


class Borrower(MarketAgent):
    """Borrows all it can against each token in two blocks."""

    def step(self) -> None:
        """Borrow."""
        market = self.market
        if market.block not in (1, 3):
            return
        for bank, lender in market.lending.items():
            reserves = market.setup.lending[bank].reserves
            for paid, backing in reserves.items():
                held = 0.3 * market.ledger.balance(self.account, paid)
                worth = held * market.oracles[backing.oracle or paid].price
                for debt, owing in reserves.items():
                    price = market.oracles[owing.oracle or debt].price
                    if not (backing.ltv > 0.05 and owing.borrowable and held > 0.0 and price > 0.0):
                        continue
                    most = min(0.99 * backing.ltv * worth / price, 0.5 * lender.cash(debt))
                    if math.isfinite(most) and debt != paid:
                        levered(bank, held, most, paid, debt)(self)


class Vulture(MarketAgent):
    """Liquidates whom it can, every other block."""

    def step(self) -> None:
        """Liquidate."""
        market = self.market
        for bank, lender in market.lending.items() if market.block % 2 == 0 else ():
            for row in lender.positions().head(2).to_dict("records"):
                debtor = market.ledger.account(str(row["account"]))
                for debt in lender.tokens if row["health_factor"] < 1.0 else ():
                    owed = lender.debt_of(debtor, debt)
                    for token in lender.tokens:
                        if owed > 0.0 and lender.deposit_of(debtor, token) > 0.0:
                            self.liquidate(bank, debtor, debt, token, 0.4 * owed)


def strained(number: int) -> tuple[Market | None, dict[str, float]]:
    """A random market whose prices fall, with debtors, liquidators and who calls anything."""
    rng = random.Random(f"losses:{number}")
    content = Draft(rng).content
    content["measures"]["losses"] = True
    content["block"]["fee_market"] = rng.choice(("off", "eip1559"))
    for bank in content["lending"].values():
        bank["default"] = rng.choice(("none", "close", "close"))
        bank["default_delay"] = rng.randint(0, 1)
    assets = content["venue"]["assets"]
    for asset in list(assets)[: rng.randint(1, 2)]:
        fall = {"kind": "price_jump", "asset": asset, "size": -0.8}
        content["shocks"].append(fall | {"block": min(5, content["blocks"])})
    prices = {"usd": 1.0} | {name: asset["price"] for name, asset in assets.items()}
    wallet = {token: 1e6 / price for token, price in prices.items()}
    if rng.random() < 0.5:
        content["agents"]["attackers"] = {
            "kind": "tests.fuzz.puppets:Attacker", "count": 2, "wallet": wallet,
            "intents": 8.0, "hostile": 0.02, "bids": 0.02, "nowhere": 0.02,
        }  # fmt: skip
        if content["block"]["ordering"] == "builder":  # sealed bundles that carry others' calls
            bundlers = {"kind": "tests.fuzz.puppets:Bundler"}
            content["agents"]["bundlers"] = content["agents"]["attackers"] | bundlers
    market, _ = scenario(content, lambda setup: Market(setup, rng=number))
    return market, wallet


def closed(number: int) -> tuple[int, int]:
    """Run a random market and see that its losses close; how many liquidations and defaults."""
    market, wallet = strained(number)
    if market is None:
        return 0, 0
    issued = {token for token in wallet if market.ledger.issuers[token]}  # a coin of a protocol's
    wallet = {token: amount for token, amount in wallet.items() if token not in issued}
    if market.lending:
        for _ in range(3):
            Borrower(market, wallet)
        if number % 3:
            Vulture(market, wallet)
    base = [token for token in (market.numeraire, *market.venue.names) if token not in issued]
    first = {token: market.ledger.supply(token) for token in base}
    size = 1.0
    while market.block < market.setup.blocks:
        market.run(1)
        size = max(size, float(market.balance_sheets()["assets"].sum()))
    frame = market.losses()
    # Within a block a price can be out of all bounds too: what was booked then tells of it.
    booked = float(np.abs(frame[CAUSES].to_numpy()).max())
    if not (size < 1e15 and booked < 1e15):  # such a price leaves only rounding
        return 0, 0
    size = max(size, booked)
    for _, shock in market.shocks.struck:
        if getattr(shock, "amount", None) and getattr(shock, "token", "") in base:
            first[shock.token] += shock.amount / shock.blocks
    burnt = sum((first[t] - market.ledger.supply(t)) * market.price(t) for t in base)
    assert abs(frame[TOTAL].sum() + burnt) <= 1e-9 * size
    kinds = {settings.kind for settings in market.setup.protocols.values()}
    for cause in ("price_impact", "fees", "bad_debt", "run", "other"):
        if cause == "other" and kinds & {"staking"}:
            continue  # its rewards come from outside, and what is slashed goes there
        assert abs(frame[cause].sum()) <= 1e-9 * size, cause
    assert (frame[CAUSES].sum(axis=1) - frame[TOTAL]).abs().max() <= 1e-9 * size
    setup, groups = market.setup, {group.kind for group in market.setup.agents.values()}
    quiet = not (setup.protocols or setup.insurance or "attackers" in market.cohorts)
    quiet &= not groups & {"value_fund", "market_maker", "leveraged_fund"}  # by their investors
    if quiet:  # nobody gives anything away: all that happens has a name
        assert frame["other"].abs().max() <= 1e-9 * size
    lenders = market.lending.values()
    found = sum(m.liquidations for m in lenders), sum(m.defaults for m in lenders)
    market.close()
    return found


@settings(max_examples=60)
@given(st.integers(0, 2000))
def test_losses_close_in_random_markets(number: int) -> None:
    """Nobody's loss is nobody's gain, but for what is burnt: to 1e-9 of all that there is."""
    closed(number)


def test_they_close_where_loans_are_liquidated_and_closed() -> None:
    """The same, until some markets have had both: a fuzz without them would prove little."""
    liquidations = defaults = 0
    for number in range(3000, 3400):  # it stops as soon as it has seen enough
        more = closed(number)
        liquidations, defaults = liquidations + more[0], defaults + more[1]
        if liquidations > 20 and defaults > 3:
            break
    assert liquidations > 20 and defaults > 3


def test_a_loss_goes_through_a_claim_on_a_claim() -> None:
    """Bank two takes receipts of bank one: its depositors bear what reaches them, nobody twice."""
    content = two_banks() | {"measures": {"losses": True}}
    market = Market(Scenario.from_dict(content), rng=1)
    Actor(
        market,
        {"usdc": 9e5},
        b1=lambda a: a.deposit("one", "usdc", 9e5),
        b3=levered("two", 9e5 * (1.0 - 1e-6), 6.5e5, "one-usdc"),
    )

    class Debtor(Actor):
        """A group of its own."""

    class Saver(Actor):
        """A group of its own, in bank two."""

    Debtor(market, {"eth": 600.0}, b2=levered("one", 600.0, 9e5))
    Saver(market, {"usdc": 1e6}, b1=lambda a: a.deposit("two", "usdc", 1e6))
    market.run(6)
    first, second = market.defaults().to_dict("records")
    assert (first["protocol"], second["protocol"]) == ("one", "two")
    frame = by_entity(market)
    # Half of bank two's deposits are the saver's.
    assert frame.loc["Saver", "bad_debt"] == pytest.approx(-0.5 * second["depositors"], rel=1e-4)
    written = first["owed"] - first["recovered"]
    # Who stood between them lost its part of the first bank's loss, and left some to the second.
    left = second["owed"] - second["recovered"]
    assert frame.loc["Actor", "bad_debt"] == pytest.approx(-0.9 * written + left, rel=1e-4)
    assert frame.loc["Debtor", "bad_debt"] == pytest.approx(written, rel=1e-9)
    assert frame.loc[["one", "two"], TOTAL].abs().max() < 1.0
    assert abs(frame["bad_debt"].sum()) < 1e-6 * written and adds_up(frame)


class Keeper(Actor):
    """A group of its own."""


def test_calls_of_declared_protocols_tell_under_what_they_stand(small: Any) -> None:
    """A module's fee is price impact; what a vault gives above what is repaid is a run."""
    price = {"process": "constant", "spread": 0.0}
    assets = {"eth": price | {"price": 2000.0}, "gem": price | {"price": 1.0}}
    maker = {
        "kind": "cdp",
        "auction": "bonus",
        "bonus": 0.08,
        "close_factor": 1.0,
        "collaterals": {"ether": {"token": "eth", "oracle": "told", "dust": 0.0, "penalty": 0.0}},
    }
    module = {"kind": "peg_module", "coin": "usdc", "asset": "gem", "fee_in": 0.01, "coins": 1e6}
    market = Market(
        small(
            venue={"assets": assets},
            protocols={"maker": maker, "psm": module},
            oracles={"told": {"token": "eth", "source": "fixed", "price": 2000.0}},
            measures={"losses": True},
        ),
        rng=1,
    )

    def vault(agent: Actor) -> None:
        with agent.transaction():
            agent.act("maker", "lock", 10.0, token_in="eth")
            agent.act("maker", "draw", 13_000.0, token_in="maker-debt-ether")

    def give(agent: Actor) -> None:
        agent.transfer(keeper.name, "maker-coin", ALL)

    ann = Actor(market, {"eth": 10.0}, b1=vault, b3=give)
    keeper = Keeper(
        market,
        {"gem": 1000.0},
        b1=lambda a: a.act("psm", "swap", 1000.0, token_in="gem", token_out="usdc"),
        b5=lambda a: a.act(
            "maker", "liquidate", 6500.0, token_out="maker-locked-ether", counterparty=ann.name
        ),
    )
    market.run(4)
    market.world.feeds[list(market.oracles).index("told")]["price"] = 1900.0
    market.run(2)
    assert set(market.receipts()["status"]) == {"done"}
    frame = by_entity(market)
    assert frame.loc["Keeper", "price_impact"] == pytest.approx(-10.0)
    # 6,500 coins for 6,500 x 1.08 / 1,900 ether, which is worth 2,000 outside.
    gained = 6500.0 * 1.08 / 1900.0 * 2000.0 - 6500.0
    assert frame.loc["Keeper", "run"] == pytest.approx(gained)
    assert frame.loc["Actor", "run"] == pytest.approx(-gained)
    assert frame.loc["Keeper", "other"] == pytest.approx(13_000.0)  # the gift
    assert abs(frame["run"].sum()) < 1e-6 and adds_up(frame)


def test_losses_by_account_sum_to_those_of_groups() -> None:
    """Of a random market's groups; and a large holder's is told beside a small one's."""
    found = 0
    for number in range(4000, 4040):
        market, wallet = strained(number)
        if market is None:
            continue
        issued = {token for token in wallet if market.ledger.issuers[token]}
        for _ in range(2):
            Borrower(market, {t: a for t, a in wallet.items() if t not in issued})
        market.run(market.setup.blocks)
        size = float(market.balance_sheets()["assets"].sum())
        groups, each = market.losses(), market.losses(by="account")
        if size < 1e15 and market.losses()[CAUSES].abs().to_numpy().max() < 1e15:
            within = each[each["group"] != ""].groupby("group")[TOTAL].sum()
            for name, total in within.items():
                told = groups.set_index("entity")[TOTAL][name]
                assert total == pytest.approx(told, abs=1e-9 * size), (number, name)
            found += len(within)
        market.close()
    assert found > 30


def test_losses_by_account_need_the_account() -> None:
    market = Market("calm")
    with pytest.raises(ValueError, match=r"measures\.losses"):
        market.losses(by="account")
    with pytest.raises(ValueError, match="by must be"):
        market.losses(by="size")
