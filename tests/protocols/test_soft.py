"""Bands against their own limits, a slow recomputation in decimals, and hostile calls."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import MarketAgent
from protocols.soft import (
    Y,
    band_down,
    coin_in,
    collateral_in,
    effective,
    root,
    upper_price,
    virtual,
)
from sim import Market, Scenario
from sim.codes import ALL
from tests.conftest import BASE, merged

ORACLE = {"token": "eth", "source": "fixed", "price": 1000.0}
A = 100.0


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


class Room:
    """A market with soft loans, whose oracle says what the test wants."""

    def __init__(self, **more: Any) -> None:
        own = {"kind": "soft", "collateral": "eth", "oracle": "eth", "rate": 0.0} | more
        content = merged(BASE, {"protocols": {"s": own}}) | {"lending": {}}
        content["oracles"] = {"eth": ORACLE}
        self.market = Market(Scenario.from_dict(content), rng=1)
        self.soft: Any = self.market.protocols["s"]
        self.trader = self.who("trader", {"eth": 1e5})
        self.reason = ""

    def price(self, price: float) -> None:
        self.market.world.feeds[0]["price"] = price

    def who(self, name: str, wallet: Mapping[str, float] | None = None) -> Idle:
        return Idle(self.market, wallet or {}, name)

    def does(self, agent: Idle, call: str, amount: float, **more: Any) -> str:
        agent.act("s", call, amount, **more)
        self.market.run(1)
        self.soft.audit()
        self.market.ledger.audit()
        last = self.market.receipts().iloc[-1]
        self.reason = str(last["reason"])
        return str(last["status"])

    def arbitrage(self) -> None:
        """Trade once to where the bands' own price is the oracle's."""
        bands, n = self.soft.rows("bands_table"), max(int(self.soft.value("active")), 0)
        base, price = self.soft.value("base"), float(self.market.world.feeds[0]["price"])
        coins, there = 0.0, n
        while n < len(bands):  # down: coins buy collateral that is too cheap
            x, y = bands[n, :2]
            up = upper_price(base, A, n)
            f, g = virtual(root(x, y, price, up, A), price, up, A)
            if y > 0.0:
                if (f + x) / (g + y) >= price:
                    break
                after = max(math.sqrt((f + x) * (g + y) / price) - g, 0.0)
                coins += (f + x) * (g + y) / (g + after) - f - x
                if after > 0.0:
                    break
            n += 1
        if coins > 0.0:
            self.trader.act("s", "swap", coins, token_in="s-coin", token_out="eth")
            self.market.run(1)
            return
        n, eth = there, 0.0
        while n >= 0:  # up: collateral sold back for coins that are too cheap
            x, y = bands[n, :2]
            up = upper_price(base, A, n)
            f, g = virtual(root(x, y, price, up, A), price, up, A)
            if x > 0.0:
                if (f + x) / (g + y) <= price:
                    break
                after = max(math.sqrt((f + x) * (g + y) * price) - f, 0.0)
                eth += (f + x) * (g + y) / (f + after) - g - y
                if after > 0.0:
                    break
            n -= 1
        if eth > 0.0:
            self.trader.act("s", "swap", eth, token_in="eth", token_out="s-coin")
            self.market.run(1)


prices = st.floats(0.5, 2.0)
amounts = st.floats(1e-3, 1e6)


def test_a_bands_own_price_runs_from_one_end_to_the_other() -> None:
    up = 1000.0
    down = up * (A - 1.0) / A
    for price in (990.0, 995.0, 1000.0, 1200.0, 700.0):
        f, g = virtual(root(0.0, 5.0, price, up, A), price, up, A)
        assert f / (g + 5.0) == pytest.approx(price**3 / up**2)
        f, g = virtual(root(5000.0, 0.0, price, up, A), price, up, A)
        assert (f + 5000.0) / g == pytest.approx(price**3 / down**2)
    # So it is all collateral where the oracle says its upper price, and all coin at its lower.
    f, g = virtual(root(0.0, 5.0, up, up, A), up, up, A)
    assert f / (g + 5.0) == pytest.approx(up)
    f, g = virtual(root(5000.0, 0.0, down, up, A), down, up, A)
    assert (f + 5000.0) / g == pytest.approx(down)


@given(amounts, amounts, prices, st.floats(1e-6, 1e7), st.booleans())
@settings(max_examples=200)
def test_a_trade_is_what_fifty_digits_say(
    x: float, y: float, ratio: float, amount: float, buys: bool
) -> None:
    price, up = 1000.0 * ratio, 1000.0
    trade = coin_in if buys else collateral_in
    taken, out = trade(x, y, price, up, A, amount)
    with localcontext() as c:
        c.prec = 50
        dx, dy, p, u, a = (Decimal(v) for v in (x, y, price, up, A))
        b = u * (a - 1) * dx / p + p * p / u * a * dy
        y0 = (b + (b * b + 4 * p * a * dx * dy).sqrt()) / (2 * p * a)
        f, g = a * y0 * p * p / u, (a - 1) * y0 * u / p
        whole = p * a * a * y0 * y0
        assert abs((f + dx) * (g + dy) / whole - 1) < Decimal("1e-40"), "the stated invariant"
        given_in = Decimal(amount)
        if buys:
            most = whole / g - f - dx
            wanted = dy if given_in >= most else g + dy - whole / (f + dx + given_in)
        else:
            most = whole / f - g - dy
            wanted = dx if given_in >= most else f + dx - whole / (g + dy + given_in)
        assert taken == pytest.approx(float(min(most, given_in)), rel=1e-9, abs=1e-12 * (x + y))
        assert out == pytest.approx(float(wanted), rel=1e-9, abs=1e-12 * (x + y))


@given(amounts, amounts, prices)
def test_no_round_trip_in_a_band_pays(x: float, y: float, ratio: float) -> None:
    price, up, amount = 1000.0 * ratio, 1000.0, 0.3 * x
    taken, out = coin_in(x, y, price, up, A, amount)
    _, back = collateral_in(x + taken, y - out, price, up, A, out)
    # A grain of the band is lost in differences of what it holds.
    assert back <= taken * (1.0 + 1e-9) + 1e-12 * (x + 1000.0 * y)


def test_what_a_band_becomes_is_what_slow_trading_makes_of_it() -> None:
    """`get_x_down` of a band of collateral is y times the middle of its prices."""
    up, down = 1000.0, 990.0
    assert band_down(0.0, 3.0, 1100.0, up, A) == pytest.approx(3.0 * math.sqrt(up * down))
    assert band_down(3000.0, 0.0, 900.0, up, A) == 3000.0
    # In small steps, each at the oracle's price of its moment.
    x, y, n = 0.0, 3.0, 20_000
    for k in range(n):
        price = up * (down / up) ** ((k + 1) / n)
        for _ in range(3):  # to the band's own price being the oracle's
            f, g = virtual(root(x, y, price, up, A), price, up, A)
            whole = (f + x) * (g + y)
            after = max(math.sqrt(whole / price) - g, 0.0)
            if after < y:
                taken = min(whole / (g + after) - f - x, whole / g - f - x)
                x, y = x + taken, after
    assert y == pytest.approx(0.0, abs=1e-3)
    assert x == pytest.approx(3.0 * math.sqrt(up * down), rel=1e-4)


def test_what_may_be_borrowed() -> None:
    # The sum of the contract, step by step.
    step = (A - 1.0) / A
    slow = sum(step**k for k in range(10)) * math.sqrt(step) / 10 * 5.0 * 0.91
    assert effective(5.0, 10.0, A, 0.09) == pytest.approx(slow)
    room = Room()
    ann = room.who("ann", {"eth": 10.0})
    assert room.does(ann, "borrow", 10.0, second=8800.0) == "reverted"
    assert room.reason == "unhealthy"
    assert room.does(ann, "borrow", 10.0, second=8500.0) == "done"
    assert room.soft.loan("ann") == (0.0, pytest.approx(10.0), pytest.approx(8500.0))
    assert room.soft.health_of("ann") > 0.0
    assert room.does(ann, "repay", ALL) == "done"
    assert ann.wallet == {"eth": pytest.approx(10.0)}


def test_a_fall_converts_bands_and_a_rise_brings_them_back_with_a_loss() -> None:
    losses = []
    for low in (950.0, 870.0, 800.0):
        room = Room(fee=0.0)
        ann = room.who("ann", {"eth": 100.0})
        whale = room.who("whale", {"eth": 1e4})
        assert room.does(whale, "borrow", 1e4, second=1e6) == "done"
        whale.transfer("trader", "s-coin", 1e6)
        room.market.run(1)
        assert room.does(ann, "borrow", 100.0, second=80_000.0) == "done"
        path = np.linspace(1000.0, low, 60)
        for price in path:
            room.price(float(price))
            room.arbitrage()
        coins, collateral, _ = room.soft.loan("ann")
        if low == 950.0:
            assert coins == 0.0, "above its bands nothing is sold"
        if low == 800.0:
            assert collateral < 1e-3 * 100.0, "below them all is"
            assert room.soft.health_of("ann") > 0.0, "and it is still no loan to liquidate"
        for price in path[::-1]:
            room.price(float(price))
            room.arbitrage()
        coins, collateral, _ = room.soft.loan("ann")
        losses.append(1.0 - (coins / 1000.0 + collateral) / 100.0)
    assert losses[0] == pytest.approx(0.0, abs=1e-9)
    assert 1e-4 < losses[1] < losses[2] < 0.2


def test_a_jump_leaves_a_loan_to_be_liquidated() -> None:
    room = Room()
    ann, keeper = room.who("ann", {"eth": 10.0}), room.who("keeper", {"eth": 1000.0})
    assert room.does(keeper, "borrow", 1000.0, second=100_000.0) == "done"
    assert room.does(ann, "borrow", 10.0, second=8500.0) == "done"
    assert room.does(keeper, "liquidate", 0.0, counterparty="ann") == "reverted"
    assert room.reason == "not_liquidatable"
    room.price(820.0)
    assert room.soft.health_of("ann") < 0.0
    assert room.does(keeper, "liquidate", 0.0, counterparty="ann") == "done"
    assert keeper.wallet["eth"] == pytest.approx(10.0)
    assert keeper.wallet["s-coin"] == pytest.approx(100_000.0 - 8500.0)
    assert room.soft.loan("ann") == (0.0, 0.0, 0.0)


def test_interest_is_minted_to_who_is_outside_and_rises_as_the_coin_falls() -> None:
    pool = {"s-usdc": {"tokens": ["s-coin", "usdc"], "reserves": {"s-coin": 1e5, "usdc": 1e5}}}
    own = {"kind": "soft", "collateral": "eth", "oracle": "eth", "rate": 0.1}
    found = []
    for usdc in (1e5, 0.98e5):
        pool["s-usdc"]["reserves"]["usdc"] = usdc  # type: ignore[index, call-overload]
        market = Market(Scenario.from_dict(merged(BASE, {"protocols": {"s": own}, "pools": pool})))
        soft: Any = market.protocols["s"]
        market.run(100)
        soft.audit()
        years = 100 * 12.0 / (365.0 * 86_400.0)
        found.append((soft.value("index") - 1.0) / years)
    assert found[0] == pytest.approx(0.1, rel=1e-4)
    assert found[1] == pytest.approx(0.1 * math.e, rel=1e-4), "two per cent below: e times"


CALLS = ("borrow", "repay", "liquidate", "swap", "swap", "swap")


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_no_sequence_of_calls_unbalances_it(seed: int) -> None:
    rng = random.Random(seed)
    room = Room(rate=0.1, fee=rng.choice((0.0, 0.006)), bands=rng.choice((4, 10, 50)))
    people = [room.who(f"p{n}", {"eth": 1000.0}) for n in range(5)]
    price = 1000.0
    for _ in range(40):
        price *= float(np.exp(rng.gauss(0.0, 0.08)))
        room.price(price)
        for _ in range(6):
            agent, call = rng.choice(people), rng.choice(CALLS)
            coins = agent.wallet.get("s-coin", 0.0)
            if call == "borrow":
                eth = rng.uniform(0.0, 100.0)
                agent.act("s", call, eth, second=eth * price / rng.uniform(1.0, 3.0))
            elif call == "swap" and rng.random() < 0.5:
                agent.act("s", call, rng.uniform(0.0, 30.0), token_in="eth", token_out="s-coin")
            else:
                agent.act("s", call, coins * rng.random(), token_out="eth")
        room.market.run(1)
        room.soft.audit()
        room.market.ledger.audit()
        assert (room.soft.rows("bands_table")[:, : Y + 1] >= 0.0).all()
    done = room.market.receipts().query("status == 'done'")
    assert len(done) > 20
    sheets = room.market.balance_sheets()
    owned = sum(room.market.ledger.supply(t) * room.market.price(t) for t in ("eth", "usdc"))
    assert abs(sheets["equity"].sum() / owned - 1.0) < 1e-9
