"""Troves against Liquity's own examples, a naive recomputation, and hostile calls."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import MarketAgent
from protocols.trove import COLLATERAL, Trove, decayed, raised
from sim import Market, Scenario
from sim.codes import ALL
from tests.conftest import BASE, merged

Make = Callable[..., Scenario]
ORACLE = {"token": "eth", "source": "fixed", "price": 1000.0}


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


class Room:
    """A market with troves, whose oracle says what the test wants."""

    def __init__(self, **settings: Any) -> None:
        own = {"kind": "trove", "collateral": "eth", "oracle": "eth"} | settings
        changes = {"protocols": {"t": own}, "oracles": {"eth": ORACLE}, "lending": {}}
        content = merged(BASE, changes) | {"lending": {}}
        content["oracles"] = {"eth": ORACLE}
        self.market = Market(Scenario.from_dict(content), rng=1)
        self.trove: Any = self.market.protocols["t"]
        assert isinstance(self.trove, Trove)

    def price(self, price: float) -> None:
        """Have the oracle say so."""
        self.market.world.feeds[0]["price"] = price

    def who(self, name: str, wallet: Mapping[str, float] | None = None) -> Idle:
        return Idle(self.market, wallet or {}, name)

    def owner(self, name: str, eth: float, coins: float) -> Idle:
        """Somebody who opens a trove."""
        agent = self.who(name, {"eth": eth})
        assert self.does(agent, "open", eth, second=coins) == "done", self.reason
        return agent

    def does(self, agent: Idle, call: str, amount: float, **more: Any) -> str:
        """How a call ends."""
        agent.act("t", call, amount, **more)
        self.market.run(1)
        self.trove.audit()
        self.market.ledger.audit()
        last = self.market.receipts().iloc[-1]
        self.reason = str(last["reason"])
        return str(last["status"])


def test_a_loan_as_the_documentation_has_it() -> None:
    """4,000 LUSD at a fee of 0.5 % are a debt of 4,220: with 20 of fee and 200 of reserve."""
    room = Room()
    ann = room.owner("ann", 10.0, 4000.0)
    assert room.trove.trove("ann") == (10.0, pytest.approx(4220.0))
    assert ann.wallet["t-coin"] == 4000.0
    assert room.market.ledger.balance("holders", "t-coin") == pytest.approx(20.0)


def test_a_redemption_as_the_documentation_has_it() -> None:
    """At a fee of 1 % and 500 dollars an ether, 100 LUSD give 0.198 ether."""
    # Half of the part redeemed is next to nothing here, so that the fee is the one of the example.
    room = Room(fee=0.01, divisor=1e6)
    room.price(500.0)
    ann = room.owner("ann", 40.0, 8000.0)
    assert room.does(ann, "redeem", 100.0) == "done"
    assert ann.wallet["eth"] == pytest.approx(0.198, rel=1e-6)


def test_the_base_rate_rises_by_half_of_what_is_redeemed_and_decays() -> None:
    assert raised(0.0, 10.0, 100.0, 2.0) == 0.05
    assert raised(0.98, 10.0, 100.0, 2.0) == 1.0
    assert decayed(0.05, 12.0, 12.0) == pytest.approx(0.025)
    # MINUTE_DECAY_FACTOR of the contract: 0.999037758833783000 a minute.
    assert decayed(1.0, 1.0 / 60.0, 12.0) == pytest.approx(0.999037758833783, rel=1e-15)
    room = Room()
    ann = room.owner("ann", 100.0, 20_000.0)
    debt = room.trove.trove("ann")[1]
    assert room.does(ann, "redeem", 1000.0) == "done"
    assert room.trove.value("base_rate") == pytest.approx(1000.0 / debt / 2.0)
    # And with it the fee for a loan: 0.5 % and the base rate, which has decayed for a block.
    before = room.market.ledger.balance("holders", "t-coin")
    rate = decayed(1000.0 / debt / 2.0, 12.0 / 3600.0, 12.0)
    assert room.does(ann, "draw", 1000.0) == "done"
    fee = room.market.ledger.balance("holders", "t-coin") - before
    assert fee == pytest.approx(1000.0 * (0.005 + rate), rel=1e-9)


def test_a_liquidation_as_the_documentation_has_it() -> None:
    """A tenth of a pool of 1,000,000 bears a tenth of 200,000, and gets 40 of 400 ether."""
    room = Room(gas_share=0.0, reserve=0.0, fee=0.0, most_fee=0.0)
    room.price(2000.0)
    rich = room.owner("rich", 10_000.0, 1_000_000.0)
    room.owner("poor", 400.0, 200_000.0)
    mine = room.who("mine", {"t-coin": 0.0})
    rich.transfer("mine", "t-coin", 100_000.0)
    room.market.run(1)
    assert room.does(rich, "provide", 900_000.0) == "done"
    assert room.does(mine, "provide", 100_000.0) == "done"
    room.price(545.0)
    assert room.does(mine, "liquidate", 0.0, counterparty="poor") == "done"
    assert room.trove.deposit("mine") == (pytest.approx(80_000.0), pytest.approx(40.0))
    assert pytest.approx(1800.0) == 40.0 * 545.0 - 20_000.0
    assert room.does(mine, "leave", ALL) == "done"
    assert room.does(mine, "leave", 1e6) == "done" or room.reason == "invalid"


def test_what_the_pool_cannot_bear_is_shared_by_collateral() -> None:
    """The paper's redistribution: in proportion to the collateral of those who are left."""
    room = Room(gas_share=0.0, reserve=0.0, fee=0.0, most_fee=0.0)
    room.price(2000.0)
    ann = room.owner("ann", 300.0, 10_000.0)
    room.owner("bob", 100.0, 10_000.0)
    room.owner("poor", 20.0, 20_000.0)
    assert room.does(ann, "provide", 4000.0) == "done"
    room.price(1050.0)
    assert room.does(ann, "liquidate", 0.0) == "done"
    # 4,000 of 20,000 are paid by the pool, with a fifth of the ether; the rest goes 3 : 1.
    assert room.trove.deposit("ann") == (pytest.approx(0.0), pytest.approx(4.0))
    assert room.trove.trove("ann") == (pytest.approx(312.0), pytest.approx(22_000.0))
    assert room.trove.trove("bob") == (pytest.approx(104.0), pytest.approx(14_000.0))


def test_who_liquidates_gets_the_reserve_and_half_a_per_cent() -> None:
    room = Room()
    room.owner("rich", 1000.0, 20_000.0)
    room.owner("poor", 20.0, 9000.0)
    keeper = room.who("keeper")
    assert room.does(keeper, "liquidate", 0.0) == "reverted" and room.reason == "not_liquidatable"
    room.price(500.0)
    assert room.does(keeper, "liquidate", 0.0) == "done"
    assert keeper.wallet == {"eth": pytest.approx(0.1), "t-coin": pytest.approx(200.0)}
    assert room.trove.value("owned") == 1.0
    room.price(10.0)  # the last trove is left alone
    assert room.does(keeper, "liquidate", 0.0) == "reverted"


def test_recovery_mode() -> None:
    """Nobody weakens it; who is below the total loses the minimum ratio's worth and no more."""
    room = Room(fee=0.0, most_fee=0.0)
    ann = room.owner("ann", 30.0, 15_000.0)  # ratio 1.974 at 1000
    bob = room.owner("bob", 30.0, 18_000.0)  # 1.648
    assert room.does(ann, "provide", 15_000.0) == "done"
    assert room.does(bob, "provide", 18_000.0) == "done"
    room.price(800.0)  # total 48,000 / 33,400 = 1.437
    assert room.does(ann, "take_out", 1.0) == "reverted" and room.reason == "halted"
    assert room.does(ann, "draw", 1.0) == "reverted"
    assert room.does(ann, "close", ALL) == "reverted"
    assert room.does(ann, "put_in", 0.0) == "reverted"
    owed, there = room.trove.trove("bob")[1], 30.0
    assert room.does(ann, "liquidate", 0.0, counterparty="ann") == "reverted"  # above the total
    assert room.does(ann, "liquidate", 0.0, counterparty="bob") == "done"
    capped = 1.1 * owed / 800.0
    assert bob.wallet["eth"] == pytest.approx(there - capped)
    left = room.trove.deposit("ann")[0] + room.trove.deposit("bob")[0]
    assert left == pytest.approx(33_000.0 - owed)
    gained = room.trove.deposit("ann")[1] + room.trove.deposit("bob")[1]
    assert gained == pytest.approx(capped * 0.995)


def test_redemptions_take_the_riskiest_first_and_close_whom_they_empty() -> None:
    room = Room(fee=0.0, most_fee=0.0, divisor=1e6)
    rich = room.owner("rich", 100.0, 20_000.0)
    poor = room.owner("poor", 5.0, 2000.0)
    middle = room.owner("middle", 10.0, 3000.0)
    assert room.does(rich, "redeem", 2500.0) == "done"
    # The poor owe nobody but for their reserve, which is burnt, and keep what is left of theirs.
    assert room.trove.trove("poor") == (0.0, 0.0)
    assert poor.wallet["eth"] == pytest.approx(5.0 - 2.0)
    assert room.trove.trove("middle") == (pytest.approx(9.5), pytest.approx(2700.0))
    assert middle.wallet.get("eth", 0.0) == 0.0
    assert room.trove.trove("rich")[0] == 100.0
    # What would leave a trove with less than the least debt stops there.
    assert room.does(rich, "redeem", 1000.0) == "reverted"


def test_what_is_out_at_the_start_is_owed() -> None:
    content = merged(
        BASE,
        {
            "protocols": {"t": {"kind": "trove", "collateral": "eth", "oracle": "eth"}},
            "pools": {
                "t-usdc": {"tokens": ["t-coin", "usdc"], "reserves": {"t-coin": 5e4, "usdc": 4e4}}
            },
        },
    )
    market = Market(Scenario.from_dict(content), rng=1)
    trove: Any = market.protocols["t"]
    collateral, debt = trove.trove("holders")
    assert debt == pytest.approx(50_200.0) and collateral * 2000.0 == pytest.approx(2.5 * debt)
    assert market.price("t-coin") == pytest.approx(0.8)
    assert market.price("t-debt") == pytest.approx(-0.8)
    market.run(2)
    trove.audit()
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["protocol.t.deviation"] == pytest.approx(-0.2)
    sheets = market.balance_sheets()
    assert sheets["equity"].sum() == pytest.approx(
        sum(market.ledger.supply(t) * market.price(t) for t in ("eth", "usdc"))
    )


def test_an_oracle_of_something_else_is_refused(small: Make) -> None:
    with pytest.raises(Exception, match=r"protocols\.t\.oracle"):
        Market(
            small(protocols={"t": {"kind": "trove", "collateral": "usdc", "oracle": "eth"}}), rng=1
        )


class Naive:
    """Deposits and troves as one would compute them with no product, sum or stake to save work.

    What is shared among troves goes to each at once, in proportion to its collateral, which is
    what stakes stand for.
    """

    def __init__(self) -> None:
        self.troves: dict[str, list[float]] = {}
        self.deposits: dict[str, float] = {}
        self.gains: dict[str, float] = {}

    def liquidate(self, who: str, offset: float, seized: float) -> None:
        """Burn `offset` of who's debt out of deposits; share the rest of what is seized."""
        collateral, debt = self.troves.pop(who)
        assert collateral == pytest.approx(seized, rel=1e-9)
        pool = sum(self.deposits.values())
        for name, deposit in self.deposits.items() if offset > 0.0 else ():
            self.gains[name] += seized * offset / debt * deposit / pool
            self.deposits[name] = deposit * (pool - offset) / pool if pool > offset else 0.0
        rest, owed = seized * (1.0 - offset / debt), debt - offset
        whole = sum(c for c, _ in self.troves.values())
        for trove in self.troves.values():
            part = trove[0] / whole
            trove[0] += rest * part
            trove[1] += owed * part


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_it_is_what_a_naive_recomputation_says(seed: int) -> None:
    """Many deposits, many liquidations, in all orders; epochs and scales among them."""
    rng = random.Random(seed)
    room = Room(gas_share=0.0, reserve=0.0, fee=0.0, most_fee=0.0, least_debt=0.0)
    naive = Naive()
    room.price(2000.0)
    whale = room.owner("whale", 1e7, 1e9)
    naive.troves["whale"] = [1e7, 1e9]
    people = {name: room.who(name) for name in "abcde"}
    for name in people:
        whale.transfer(name, "t-coin", 1e7)
        naive.deposits[name] = naive.gains[name] = 0.0
    room.market.run(1)
    for n in range(25):
        way = rng.random()
        name = rng.choice("abcde")
        if way < 0.45:
            amount = 10.0 ** rng.uniform(0.0, 5.5)
            assert room.does(people[name], "provide", amount) == "done"
            naive.deposits[name] += amount
            naive.gains[name] = 0.0
        elif way < 0.6 and naive.deposits[name] > 1e-6:
            amount = naive.deposits[name] * rng.random()
            assert room.does(people[name], "leave", amount) == "done", room.reason
            naive.deposits[name] -= amount
            naive.gains[name] = 0.0
        else:
            victim = f"v{n}"
            pool = sum(naive.deposits.values())
            # Now a grain of the pool, now all but a grain of it, now more than all.
            part = rng.choice((rng.random(), 1.0 - 1e-5 * rng.random(), 1.0 + rng.random()))
            debt = max(pool * part, 1.0)
            eth = debt / 1000.0
            room.owner(victim, eth, debt)
            naive.troves[victim] = [eth, debt]
            room.price(1050.0)
            offset = min(pool, debt)
            seized = room.trove.trove(victim)[0]
            assert room.does(people["a"], "liquidate", 0.0, counterparty=victim) == "done"
            room.price(2000.0)
            naive.liquidate(victim, offset if pool > 1e-9 else 0.0, seized)
        for other in naive.deposits:
            coins, gain = room.trove.deposit(other)
            # What a pool that is nearly emptied has left is as exact as it was before.
            assert coins == pytest.approx(naive.deposits[other], rel=1e-6, abs=1e-6)
            assert gain == pytest.approx(naive.gains[other], rel=1e-7, abs=1e-9)
        for other, (collateral, debt) in naive.troves.items():
            there = room.trove.trove(other)
            assert there == (pytest.approx(collateral, rel=1e-7), pytest.approx(debt, rel=1e-7))


def test_a_new_scale_and_old_eras() -> None:
    """A pool that loses all but a billionth twice goes on; deposits lie in old eras meanwhile."""
    room = Room(gas_share=0.0, reserve=0.0, fee=0.0, most_fee=0.0, least_debt=0.0)
    room.price(2000.0)
    whale = room.owner("whale", 1e9, 1e11)
    old = room.who("old")
    whale.transfer("old", "t-coin", 1e8)
    room.market.run(1)
    assert room.does(old, "provide", 1e8) == "done"
    for n in range(4):
        pool = room.trove.value("stability")
        if n > 0:
            assert room.does(whale, "provide", 1e8 - pool) == "done"
        debt = 1e8 * (1.0 - 1e-5)
        room.owner(f"v{n}", debt / 1000.0, debt)
        room.price(1050.0)
        assert room.does(whale, "liquidate", 0.0, counterparty=f"v{n}") == "done"
        room.price(2000.0)
        assert room.trove.deposit("old")[0] == pytest.approx(
            1e8 * 1e-5 ** (n + 1), rel=1e-5, abs=1e-9
        )
        gained = 1e5 * sum(1e-5**k for k in range(n + 1)) * (1.0 - 1e-5)
        assert room.trove.deposit("old")[1] == pytest.approx(gained, rel=1e-9)
    assert room.trove.value("era") == 2.0
    for n in range(70):  # epochs, more than it keeps
        assert room.does(whale, "provide", 1000.0) == "done"
        room.owner(f"x{n}", 2.0, 2000.0)
        room.price(1050.0)
        assert room.does(whale, "liquidate", 0.0, counterparty=f"x{n}") == "done"
        room.price(2000.0)
    assert room.trove.value("era") < 64.0
    assert room.trove.deposit("old")[0] == 0.0


CALLS = ("open", "put_in", "take_out", "draw", "repay", "close", "redeem", "liquidate",
         "provide", "leave")  # fmt: skip


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=12)
def test_no_sequence_of_calls_unbalances_it(seed: int) -> None:
    """Random calls by several, at prices that jump: it audits after each block."""
    rng = random.Random(seed)
    room = Room(least_debt=rng.choice((0.0, 1800.0)), reserve=rng.choice((0.0, 200.0)))
    people = [room.who(f"p{n}", {"eth": 1000.0}) for n in range(5)]
    price = 1000.0
    for _ in range(40):
        price *= float(np.exp(rng.gauss(0.0, 0.15)))
        room.price(price)
        for _ in range(6):
            agent, call = rng.choice(people), rng.choice(CALLS)
            if call == "open":
                eth = rng.uniform(5.0, 100.0)
                agent.act("t", call, eth, second=eth * price / rng.uniform(1.1, 3.0))
            else:
                coins = agent.wallet.get("t-coin", 0.0)
                amount = coins * rng.random() if rng.random() < 0.8 else rng.uniform(0.0, 50.0)
                if call in ("put_in", "take_out"):
                    amount = rng.uniform(0.0, 20.0)
                agent.act("t", call, amount)
        room.market.run(1)
        room.trove.audit()
        room.market.ledger.audit()
        troves = room.trove.rows("people")[:, COLLATERAL]
        assert (troves >= 0.0).all()
    done = room.market.receipts().query("status == 'done'")
    assert len(done) > 20
    assert abs(room.market.balance_sheets()["equity"].sum() / _base(room.market) - 1.0) < 1e-9


def _base(market: Market) -> float:
    return sum(market.ledger.supply(t) * market.price(t) for t in ("eth", "usdc"))
