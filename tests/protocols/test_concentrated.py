"""Concentrated liquidity: formulas, a slow reference without accumulators, and a real day."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import concentrated, constant_product
from protocols.concentrated import (
    GROSS,
    GROWTH_0,
    LIQUIDITY,
    MOST_TICK,
    SQRT_PRICE,
    TICK,
    amounts_for_liquidity,
    liquidity_for_amounts,
    next_tick,
    slots,
    sqrt_price_at_tick,
    swap_step,
    tick_at_sqrt_price,
    whole_range,
)
from protocols.pool import COUNTERS, POOL
from sim.codes import Reason
from sim.ledger import Ledger, begin, undo
from tests.reference.ranges import RangePool, sqrt_at

OWNERS = 4


class Bench:
    """A pool of two tokens alone in a ledger, with some rich accounts."""

    def __init__(
        self,
        sqrt_price: float = 1.0,
        fee: float = 0.003,
        spacing: int = 60,
        protocol_fee: float = 0.0,
        capacity: int = 256,
        rich: float = 1e15,
    ) -> None:
        names = ["pool", "treasury", *(f"owner-{i}" for i in range(OWNERS))]
        lowest, width = whole_range(spacing)
        first = 2 * COUNTERS
        self.ledger = Ledger(
            names, ["a", "b"], {}, slots=first + slots(width, capacity), tolerance=1e-9
        )
        self.books = self.ledger.books
        self.pool = np.zeros(1, POOL)
        record = self.pool[0]
        record["treasury"], record["size"] = 1, 2
        record["tokens"][:2] = [0, 1]
        record["fee"], record["protocol_fee"] = fee, protocol_fee
        record["extra"], record["spacing"] = first, spacing
        record["lowest"], record["width"], record["capacity"] = lowest, width, capacity
        for owner in names[2:]:
            for token in ("a", "b"):
                self.ledger.mint(owner, token, rich)
        begin(self.books)
        assert concentrated.initialise(self.books, record, sqrt_price)

    def state(self, what: int) -> float:
        return float(self.books.storage[int(self.pool[0]["extra"]) + what])

    def do(self, what: str, *args: Any) -> tuple[Any, ...]:
        """A transaction: undone if it fails, as the block does."""
        begin(self.books)
        before = self.books.balances.tobytes(), self.books.storage.tobytes()
        found = getattr(concentrated, what)(self.books, self.pool[0], *args)
        if found[0] != Reason.DONE:
            undo(self.books, 0)
            assert (self.books.balances.tobytes(), self.books.storage.tobytes()) == before
        self.ledger.audit()
        return found


# Formulas


@pytest.mark.parametrize("tick", [-MOST_TICK, -200_000, -1, 0, 1, 60, 197_962, MOST_TICK])
def test_prices_at_ticks_are_powers_to_sixty_digits(tick: int) -> None:
    assert sqrt_price_at_tick(tick) == pytest.approx(float(sqrt_at(tick)), rel=1e-13)
    assert tick_at_sqrt_price(sqrt_price_at_tick(tick)) == tick
    assert tick_at_sqrt_price(sqrt_price_at_tick(tick) * (1.0 - 1e-9)) == tick - 1


@given(st.floats(1e-6, 1e6))
def test_a_price_lies_at_or_above_its_tick_and_below_the_next(root: float) -> None:
    tick = tick_at_sqrt_price(root)
    assert sqrt_price_at_tick(tick) <= root < sqrt_price_at_tick(tick + 1)


def test_a_position_holds_what_the_paper_says() -> None:
    # x = L (1 / sqrt P - 1 / sqrt Pb), y = L (sqrt P - sqrt Pa)
    assert amounts_for_liquidity(10.0, 2.0, 1.0, 4.0) == pytest.approx((2.5, 10.0))
    assert amounts_for_liquidity(10.0, 0.5, 1.0, 4.0) == pytest.approx((7.5, 0.0))
    assert amounts_for_liquidity(10.0, 9.0, 1.0, 4.0) == pytest.approx((0.0, 30.0))
    for root in (0.5, 1.0, 2.0, 4.0, 9.0):
        held = amounts_for_liquidity(10.0, root, 1.0, 4.0)
        assert liquidity_for_amounts(*held, root, 1.0, 4.0) == pytest.approx(10.0)


def test_impermanent_loss_of_a_range() -> None:
    assert concentrated.impermanent_loss(2.0, 0.25, 4.0) == pytest.approx(-0.114382, abs=5e-7)
    wide = concentrated.impermanent_loss(2.0, 1e-12, 1e12)
    assert wide == pytest.approx(constant_product.impermanent_loss(2.0), rel=1e-5)


@given(
    st.floats(0.1, 10.0),
    st.floats(1.0, 1e6),
    st.floats(1e-9, 1e3),
    st.floats(0.0, 0.1),
    st.booleans(),
)
def test_a_step_is_a_constant_product_on_virtual_reserves(
    root: float, liquidity: float, amount: float, fee: float, down: bool
) -> None:
    far = 1e-9 if down else 1e9
    after, paid, out, charged = swap_step(root, far, liquidity, amount, fee)
    x, y = liquidity / root, liquidity * root
    pair = (x, y) if down else (y, x)
    assert out == pytest.approx(constant_product.amount_out(*pair, amount, fee), rel=1e-12)
    assert paid + charged == pytest.approx(amount, rel=1e-12)
    # And backwards: to ask for that output takes that input.
    back = swap_step(root, far, liquidity, -out, fee)
    assert back[0] == pytest.approx(after, rel=1e-9)
    assert back[1] + back[3] == pytest.approx(amount, rel=1e-6)


def test_a_step_ends_at_its_target() -> None:
    after, paid, out, charged = swap_step(1.0, 0.5, 100.0, 1e9, 0.01)
    assert (after, paid, out) == (0.5, 100.0, 50.0)
    assert charged == pytest.approx(100.0 / 0.99 - 100.0)


@given(
    st.floats(0.1, 10.0), st.floats(1e-9, 0.5), st.floats(1.0, 1e9), st.floats(0.0, 0.1),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_a_step_that_nearly_ends_at_its_target_does_not_pass_it(
    root: float, gap: float, liquidity: float, fee: float, down: bool, wanted: bool
) -> None:
    target = root * (1.0 - gap) if down else root * (1.0 + gap)
    _, paid, out, charged = swap_step(root, target, liquidity, 1e30, fee)
    amount = out if wanted else paid + charged
    for _ in range(8):  # rounding, one grain after the other
        amount = np.nextafter(amount, 0.0)
        after = swap_step(root, target, liquidity, -amount if wanted else amount, fee)[0]
        assert after >= target if down else after <= target
    for grain in (1e-30, 1e-18 * amount, 1e-17 * amount, 1e-16 * amount, 1e-15 * amount):
        after = swap_step(root, target, liquidity, -grain if wanted else grain, fee)[0]
        assert after <= root if down else after >= root


# The pool


@pytest.mark.parametrize("wanted", [False, True])
def test_beyond_the_end_of_a_range_nothing_of_it_is_traded(wanted: bool) -> None:
    """Pools with a gap between two ranges, where swaps end within a grain of its edge."""
    rng = random.Random(7)
    for _ in range(100):
        edge = 60 * rng.randint(1, 2000)
        root = float(sqrt_at(edge)) * (1.0 + 10.0 ** rng.uniform(-12.0, -4.0))
        bench = Bench(root, rng.choice((0.0, 0.003)), rich=1e18)
        liquidity = 10.0 ** rng.uniform(2.0, 6.0)
        bench.do("add", 2, edge, edge + 600, liquidity)
        bench.do("add", 3, -600, 0, 0.1 * liquidity)
        for back in range(8):
            price, record = bench.state(SQRT_PRICE), bench.pool[0]
            target = sqrt_price_at_tick(edge)
            if price <= target:
                break
            _, paid, _, charged = swap_step(price, target, liquidity, 1e300, float(record["fee"]))
            amount = paid + charged
            for _ in range(back):
                amount = np.nextafter(amount, 0.0)
            bench.do("swap", 4, 0, 1, amount, 0.0)
            if back > 4:  # a grain more, at the very edge, and then the other way
                bench.do("swap", 4, 0, 1, 10.0 ** rng.uniform(-18.0, -8.0), 0.0)
                bench.do("swap", 4, 1, 0, 10.0 ** rng.uniform(-6.0, 1.0), 0.0)
            if wanted:
                bench.do("swap", 4, 1, 0, 1e-9 * liquidity, 0.0)
            held = np.zeros(2)
            for n in range(int(concentrated.places(bench.books, record))):
                owner, first, second = concentrated.position_tokens(bench.books, record, n)
                held += (first, second) if owner >= 0 else (0.0, 0.0)
            there = [bench.ledger.balance("pool", token) for token in ("a", "b")]
            grain = 1e-14 * liquidity * np.array((1.0, target))
            assert (held <= np.array(there) + grain).all()


def test_a_pool_over_all_prices_is_a_constant_product() -> None:
    bench = Bench(spacing=1, capacity=8)
    assert bench.do("add", 2, -MOST_TICK, MOST_TICK, 1e6)[0] == Reason.DONE
    x = y = 1e6
    for token, amount in ((0, 1e3), (1, 2e4), (0, 5e5), (1, 1.0)):
        _, out = bench.do("swap", 3, token, 1 - token, amount, 0.0)
        pair = (x, y) if token == 0 else (y, x)
        assert out == pytest.approx(constant_product.amount_out(*pair, amount, 0.003), rel=1e-9)
        net = amount * 0.997  # the fee does not join the liquidity
        x, y = (x + net, y - out) if token == 0 else (x - out, y + net)


@pytest.mark.parametrize("seed", range(4))
def test_random_swaps_entries_and_exits_beside_a_pool_without_accumulators(
    seed: int,
) -> None:
    rng = random.Random(seed)
    spacing = rng.choice([1, 10, 60])
    start = math.exp(rng.uniform(-3.0, 3.0))
    fee = rng.choice([1e-4, 5e-4, 3e-3, 1e-2])
    bench, slow = Bench(start, fee, spacing), RangePool(start, fee)
    middle = round(2.0 * math.log(start) / math.log(1.0001) / spacing)
    worst = 0.0

    def differ(ours: float, right: float, scale: float) -> None:
        nonlocal worst
        worst = max(worst, abs(ours - right) / max(abs(right), scale))

    for _ in range(250):
        known = [key for key, p in slow.positions.items() if p.liquidity > 0]
        step = rng.random()
        if step < 0.1 or len(known) < 3:
            a, b = sorted(rng.sample(range(middle - 40, middle + 40), 2))
            owner, size = 2 + rng.randrange(OWNERS), 10.0 ** rng.uniform(2.0, 6.0)
            found = bench.do("add", owner, a * spacing, b * spacing, size)
            right = slow.change(owner, a * spacing, b * spacing, size)
            assert found[0] == Reason.DONE
            differ(found[1], right[0], 1e-3)
            differ(found[2], right[1], 1e-3)
        elif step < 0.18:
            owner, a, b = rng.choice(known)
            whole = float(slow.positions[owner, a, b].liquidity)
            size = rng.choice([0.5 * whole, whole, 0.0])
            found = bench.do("remove", owner, a, b, min(size, whole))
            assert found[0] == Reason.DONE
            right = slow.change(owner, a, b, -size) if size else (0.0, 0.0)
            fees = slow.collect(owner, a, b)
            differ(found[1], right[0] + fees[0], 1e-3)
            differ(found[2], right[1] + fees[1], 1e-3)
        else:
            down = rng.random() < 0.5
            amount = 10.0 ** rng.uniform(-3.0, 4.0)
            quoted = concentrated.quote(bench.books, bench.pool[0], 0 if down else 1, amount)
            before, saved = slow.root, slow.owed()
            taken, right_out = slow.swap(down, amount)
            reason, out = bench.do("swap", 2, 0 if down else 1, 1 if down else 0, amount, 0.0)
            if taken < amount * (1.0 - 1e-9):  # no liquidity left that way
                assert reason == Reason.EMPTY_POOL
                slow.forget(before, saved)
                continue
            assert reason == Reason.DONE
            assert out == pytest.approx(quoted, rel=1e-12)
            differ(out, right_out, 1e-6)
        differ(bench.state(SQRT_PRICE), float(slow.root), 1e-9)
        differ(bench.state(LIQUIDITY), float(slow.liquidity), 1.0)
    assert worst < 1e-9


def test_the_same_ticks_may_be_crossed_any_number_of_times() -> None:
    bench = Bench(1.0, 0.003, 60)
    for owner, a, b, size in ((2, -600, 600, 1e5), (3, -60, 60, 5e5), (4, 120, 240, 3e5)):
        bench.do("add", owner, a, b, size)
    paid = {0: 0.0, 1: 0.0}
    for turn in range(200):
        token = turn % 2
        _, out = bench.do("swap", 5, token, 1 - token, 2500.0, 0.0)
        paid[token] += 2500.0 * 0.003
        assert out > 0.0
    earned = {0: 0.0, 1: 0.0}
    for owner, a, b in ((2, -600, 600), (3, -60, 60), (4, 120, 240)):
        _, first, second = bench.do("remove", owner, a, b, 0.0)
        earned[0] += first
        earned[1] += second
    # Every fee went to somebody, and to nobody twice.
    assert earned[0] == pytest.approx(paid[0], rel=1e-9)
    assert earned[1] == pytest.approx(paid[1], rel=1e-9)


def test_fees_go_to_positions_in_range_in_proportion() -> None:
    bench = Bench()
    bench.do("add", 2, -600, 600, 1e6)
    bench.do("add", 3, -600, 600, 3e6)
    bench.do("add", 4, 600, 1200, 9e6)  # above the price: nothing for it
    bench.do("swap", 5, 0, 1, 1000.0, 0.0)
    assert bench.do("remove", 2, -600, 600, 0.0)[1] == pytest.approx(0.75)
    assert bench.do("remove", 3, -600, 600, 0.0)[1] == pytest.approx(2.25)
    assert bench.do("remove", 4, 600, 1200, 0.0)[1:] == (0.0, 0.0)
    assert bench.do("remove", 2, -600, 600, 0.0)[1:] == (0.0, 0.0)  # and not twice


def test_a_protocols_part_of_the_fee() -> None:
    bench = Bench(protocol_fee=0.25)
    bench.do("add", 2, -600, 600, 1e6)
    bench.do("swap", 3, 0, 1, 1000.0, 0.0)
    assert bench.ledger.balance("treasury", "a") == pytest.approx(0.75)
    assert bench.do("remove", 2, -600, 600, 0.0)[1] == pytest.approx(2.25)


def test_a_single_sided_range_takes_one_token_and_turns_into_the_other() -> None:
    bench = Bench(fee=0.0)
    bench.do("add", 2, -600, 600, 1e6)
    _, first, second = bench.do("add", 3, 60, 120, 1e6)
    assert first > 0.0
    assert second == 0.0
    bench.do("swap", 4, 1, 0, 20_000.0, 0.0)
    assert bench.state(TICK) > 120
    _, back_first, back_second = bench.do("remove", 3, 60, 120, 1e6)
    assert back_first == pytest.approx(0.0, abs=1e-9)
    # Sold at the geometric mean of its two prices, as by a limit order.
    assert back_second / first == pytest.approx(1.0001**90, rel=1e-9)


def test_what_cannot_be_is_refused() -> None:
    bench = Bench(capacity=2)
    assert bench.do("swap", 2, 0, 1, 10.0, 0.0)[0] == Reason.EMPTY_POOL
    bench.do("add", 2, -60, 60, 1e4)
    for args, reason in (
        ((2, 60, -60, 1e4), Reason.INVALID),
        ((2, -61, 60, 1e4), Reason.INVALID),
        ((2, -60, 60, -1.0), Reason.INVALID),
        ((2, -60, 60, math.nan), Reason.INVALID),
        ((2, -60, 60, math.inf), Reason.INVALID),
        ((2, -60, 60, 1e30), Reason.INSUFFICIENT_BALANCE),
        ((2, -900_000, 60, 1.0), Reason.INVALID),
    ):
        assert bench.do("add", *args)[0] == reason
    assert bench.do("remove", 2, -60, 60, 2e4)[0] == Reason.INSUFFICIENT_BALANCE
    assert bench.do("remove", 3, -60, 60, 1.0)[0] == Reason.INVALID
    bench.do("add", 2, -120, 120, 1.0)
    assert bench.do("add", 2, -180, 180, 1.0)[0] == Reason.CAP  # no room for a third
    assert bench.do("swap", 2, 0, 1, 1e9, 0.0)[0] == Reason.EMPTY_POOL
    assert bench.do("swap", 2, 0, 1, 1.0, 2.0)[0] == Reason.LIMIT
    assert bench.do("swap", 2, 0, 0, 1.0, 0.0)[0] == Reason.INVALID
    assert bench.do("swap", 2, 0, 1, math.nan, 0.0)[0] == Reason.INVALID
    assert concentrated.quote(bench.books, bench.pool[0], 0, 1e9) == 0.0


def test_a_position_of_which_nothing_is_left_is_none_whoever_took_its_place() -> None:
    for another in (False, True):
        bench = Bench(capacity=1)
        bench.do("add", 2, -60, 60, 1e4)
        assert bench.do("remove", 2, -60, 60, 1e4)[0] == Reason.DONE
        if another:
            bench.do("add", 3, -60, 60, 1e4)
        assert bench.do("remove", 2, -60, 60, 0.0)[0] == Reason.INVALID


def test_positions_lie_in_the_order_in_which_they_were_opened_whoever_did() -> None:
    ranges = [(-60, 60), (-120, 60), (-60, 180), (0, 60), (-180, -60), (60, 600)]
    orders = []
    for shift, capacity in ((0, 8), (1, 8), (2, 64)):  # other accounts, other room
        bench = Bench(capacity=capacity)
        owners = [2 + (i + shift) % OWNERS for i in range(len(ranges))]
        for owner, (a, b) in zip(owners, ranges, strict=True):
            assert bench.do("add", owner, a, b, 1e4)[0] == Reason.DONE
        assert bench.do("remove", owners[1], *ranges[1], 1e4)[0] == Reason.DONE
        assert bench.do("add", owners[5], -600, 600, 1e4)[0] == Reason.DONE  # in its place
        pool, found = bench.pool[0], []
        for n in range(concentrated.places(bench.books, pool)):
            _, lower, upper, _ = concentrated.position_at(bench.books, pool, n)
            found.append((int(lower), int(upper)))
        orders.append(found)
    assert orders[0] == orders[1] == orders[2]
    assert orders[0] == [ranges[0], (-600, 600), *ranges[2:]]


def test_places_are_given_again_and_again_and_every_position_is_found() -> None:
    rng = random.Random(5)
    bench = Bench(capacity=6)
    there: set[tuple[int, int, int]] = set()
    full = 0
    for _ in range(4000):
        key = 2 + rng.randrange(OWNERS), -60 * rng.randint(1, 6), 60 * rng.randint(1, 6)
        if key in there:
            assert bench.do("remove", *key, 1e4)[0] == Reason.DONE
            there.remove(key)
        elif len(there) < 6:
            assert bench.do("add", *key, 1e4)[0] == Reason.DONE
            there.add(key)
        else:
            assert bench.do("add", *key, 1e4)[0] == Reason.CAP
            full += 1
        for owner, a, b in there:
            held = concentrated.liquidity_of(bench.books, bench.pool[0], owner, a, b)
            assert held == pytest.approx(1e4)
    assert full > 100


def test_when_all_have_left_the_pool_holds_a_grain_at_most() -> None:
    rng = random.Random(3)
    bench = Bench()
    ranges = [(2 + i % OWNERS, -60 * (i + 1), 60 * (i + 2)) for i in range(12)]
    for owner, a, b in ranges:
        bench.do("add", owner, a, b, 10.0 ** rng.uniform(2.0, 6.0))
    sizes = {}
    for _ in range(300):
        token = rng.randrange(2)
        bench.do("swap", 2, token, 1 - token, 10.0 ** rng.uniform(0.0, 3.5), 0.0)
    for owner, a, b in ranges:
        slot = concentrated.find_position(
            bench.books,
            bench.pool[0],
            owner,
            a // 60 - bench.pool[0]["lowest"],
            b // 60 - bench.pool[0]["lowest"],
        )
        sizes[owner, a, b] = float(bench.books.storage[slot + concentrated.AMOUNT])
        assert bench.do("remove", owner, a, b, sizes[owner, a, b])[0] == Reason.DONE
    assert bench.state(LIQUIDITY) == pytest.approx(0.0, abs=1e-6)
    for token in ("a", "b"):
        assert bench.ledger.balance("pool", token) < 1e-6
    assert next_tick(bench.books, bench.pool[0], bench.pool[0]["width"], True) == -1
    extra = int(bench.pool[0]["extra"])
    ticks = bench.books.storage[extra + concentrated.HEAD :][: 4 * int(bench.pool[0]["width"])]
    assert (ticks.reshape(-1, 4)[:, GROSS] == 0.0).all()


@given(st.lists(st.tuples(st.booleans(), st.floats(1e-6, 1e4)), min_size=1, max_size=12))
def test_no_way_there_and_back_pays(swaps: list[tuple[bool, float]]) -> None:
    bench = Bench(fee=0.0)
    for owner, a, b, size in ((3, -6000, 6000, 1e5), (3, -120, 120, 1e5), (3, 180, 240, 1e6)):
        bench.do("add", owner, a, b, size)
    start = bench.ledger.balance("owner-0", "a"), bench.ledger.balance("owner-0", "b")
    got = []
    for down, amount in swaps:
        reason, out = bench.do("swap", 2, 0 if down else 1, 1 if down else 0, amount, 0.0)
        if reason == Reason.DONE:
            got.append((down, amount, out))
    for down, _, out in reversed(got):
        bench.do("swap", 2, 1 if down else 0, 0 if down else 1, out, 0.0)
    now = bench.ledger.balance("owner-0", "a"), bench.ledger.balance("owner-0", "b")
    assert now[0] <= start[0] * (1.0 + 1e-12)
    assert now[1] <= start[1] * (1.0 + 1e-12)


@given(
    st.floats(1.0, 1e3),
    st.floats(1e8, 1e11),
    st.lists(st.tuples(st.booleans(), st.floats(1e-3, 1e6)), min_size=1, max_size=8),
    st.lists(st.floats(0.0, 1.0), max_size=3),
)
def test_much_liquidity_that_leaves_takes_its_rounding_with_it(
    root: float, much: float, swaps: list[tuple[bool, float]], parts: list[float]
) -> None:
    """Of 4e10 in one tick the price's last digit is half a cent: who stays keeps what is its."""
    bench = Bench(sqrt_price=root, spacing=1, fee=0.001)
    tick = int(bench.state(TICK))
    bench.do("add", 2, tick - 300, tick + 10_000, 3.0)
    bench.do("add", 3, tick, tick + 1, much)
    for down, amount in swaps:
        bench.do("swap", 4, 0 if down else 1, 1 if down else 0, amount, 0.0)
    left = much
    for part in [*parts, 1.0]:
        assert bench.do("remove", 3, tick, tick + 1, left * part)[0] == Reason.DONE
        left -= left * part
        if left <= 0.0:
            break
    _, *claims = concentrated.position_tokens(bench.books, bench.pool[0], 0)
    for token, claim in zip(("a", "b"), claims, strict=True):
        assert claim <= bench.ledger.balance("pool", token) + 1e-9 * claim


# A real day


def test_every_event_of_a_real_day(shared_data) -> None:
    """The USDC/WETH pool of 5 bp on 1 June 2025, in raw units.

    The positions of before that day are not in the record. What they put at a tick is
    learnt when the price crosses it alone for the first time, from the liquidity that
    the record gives after; from then on nothing is learnt any more, and prices and
    liquidity must come out by themselves, over every later crossing, mint and burn.
    """
    day = pd.read_csv(
        shared_data("univ3_usdc_weth_5bp_events_2025-06-01.csv"),
        dtype={"sqrtPriceX96": str, "liquidity": str},
    )
    spacing, fee = 10, 5e-4
    swaps = day[day["event"] == "swap"]
    first = swaps.iloc[0]
    root = int(first["sqrtPriceX96"]) / 2**96
    bench = Bench(root, fee, spacing, capacity=4096, rich=1e40)
    record, books = bench.pool[0], bench.books
    lowest = int(record["lowest"])
    extra = int(record["extra"])
    everywhere = (-MOST_TICK // spacing + 1) * spacing, MOST_TICK // spacing * spacing
    assert bench.do("add", 2, *everywhere, float(int(first["liquidity"])))[0] == Reason.DONE
    known: set[int] = set()  # boundaries whose liquidity is known
    prices: list[float] = []
    liquidities: list[float] = []
    crossed = unknown = edges = 0

    def reset(row: Any) -> None:
        """Take price and active liquidity from the record where they cannot be known."""
        at = int(row["sqrtPriceX96"]) / 2**96
        begin(books)
        concentrated.initialise(books, record, at)
        books.storage[extra + LIQUIDITY] = float(int(row["liquidity"]))

    def boundaries(before: int, after: int) -> list[int]:
        low, high = sorted((before, after))
        return [t for t in range(low // spacing * spacing, high + 1, spacing) if low < t <= high]

    for _, row in day.iloc[1:].iterrows():
        if row["event"] in ("mint", "burn"):
            size = float(int(row["liquidity"]))
            if size == 0.0:
                continue
            a, b = int(row["tick_lower"]), int(row["tick_upper"])
            a, b = max(a, everywhere[0]), min(b, everywhere[1])
            sign = 1.0 if row["event"] == "mint" else -1.0
            # A burn may be of a position of before: its ticks change all the same.
            begin(books)
            s = books.storage
            tick = int(s[extra + TICK])
            for t, up in ((a, 1.0), (b, -1.0)):
                slot = extra + concentrated.HEAD + 4 * (t // spacing - lowest)
                s[slot + concentrated.NET] += sign * up * size
                if s[slot + GROSS] == 0.0:
                    s[extra + concentrated.HEAD + 4 * int(record["width"])
                      + (t // spacing - lowest) // concentrated.GROUP] += 1.0  # fmt: skip
                s[slot + GROSS] += size
            if a <= tick < b:
                s[extra + LIQUIDITY] += sign * size
                moved = amounts_for_liquidity(
                    size, s[extra + SQRT_PRICE], sqrt_price_at_tick(a), sqrt_price_at_tick(b)
                )
                for amount, decimals, name in ((moved[0], 6, "amount0"), (moved[1], 18, "amount1")):
                    assert amount == pytest.approx(
                        float(row[name]) * 10.0**decimals, rel=1e-4, abs=10.0 ** (decimals - 5)
                    )
            continue
        if row["event"] != "swap":
            continue
        tick, after = int(books.storage[extra + TICK]), int(row["tick"])
        way = boundaries(tick, after)
        strange = [t for t in way if t not in known]
        if strange:
            unknown += 1
            if len(way) == 1:
                # One tick alone: what lies there is the difference that the record shows.
                (t,) = way
                up = after >= t
                change = float(int(row["liquidity"])) - books.storage[extra + LIQUIDITY]
                slot = extra + concentrated.HEAD + 4 * (t // spacing - lowest)
                net = change if up else -change
                s = books.storage
                if s[slot + GROSS] == 0.0:
                    s[extra + concentrated.HEAD + 4 * int(record["width"])
                      + (t // spacing - lowest) // concentrated.GROUP] += 1.0  # fmt: skip
                s[slot + GROSS] = max(abs(net), 1.0)
                s[slot + concentrated.NET] = net
                known.add(t)
            reset(row)
            continue
        down = float(row["amount0"]) > 0.0
        paid = float(row["amount0"]) * 1e6 if down else float(row["amount1"]) * 1e18
        begin(books)
        taken, *_ = concentrated.walk(books, record, down, paid, 0.0, True)
        assert taken == pytest.approx(paid, rel=1e-9)
        right = int(row["sqrtPriceX96"]) / 2**96
        prices.append((bench.state(SQRT_PRICE) / right) ** 2 - 1.0)
        nearest = sqrt_price_at_tick(round(after / spacing) * spacing)
        if abs(right / nearest - 1.0) < 1e-9:
            # It ended at a tick: the digits that the record leaves out decide on which side.
            edges += 1
            reset(row)
            continue
        liquidities.append(bench.state(LIQUIDITY) / float(int(row["liquidity"])) - 1.0)
        crossed += bool(way)
    assert len(prices) > 4000
    assert crossed > 300
    assert unknown + edges < 100
    assert np.max(np.abs(prices)) < 1e-6
    assert np.max(np.abs(liquidities)) < 1e-12
    assert bench.state(GROWTH_0) > 0.0
