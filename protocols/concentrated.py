"""Concentrated liquidity: positions that provide between two prices, in one pool.

Symbols as in Adams, Zinsmeister, Salem, Keefer, Robinson, "Uniswap v3 core" (2021):
price P of token 0 in token 1, liquidity L, tick i with ``P = 1.0001 ** i``. Between two
ticks a pool is a constant product on virtual reserves: ``x = L / sqrt P``,
``y = L sqrt P``. The fee is taken from what is paid in and does not join the liquidity:
it is owed to the positions in range, by growth accumulators that are read as
"growth inside a range" (section 6.3).

Each tick's state is the liquidity that starts or ends there, and the growth on the
side of it where the price is not; crossing flips the latter. All of it lies in the
ledger's storage, under its journal, so a swap that fails halfway through a hundred
ticks leaves no trace. Ticks lie in a dense row over the range that the pool allows,
with a count for each 256 of them, so the next one with liquidity is found by a short walk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from protocols.curve import Curve, cannot_fill
from protocols.pool import position, settle_swap
from protocols.pool_settings import PoolSettings
from protocols.weighted import loss_since_price
from sim.codes import Reason
from sim.compiled import inner, kernel
from sim.distribution import Positive
from sim.errors import Problem, ScenarioError
from sim.fields import Table
from sim.ledger import DUST, Ledger, begin, store, transfer
from sim.names import HOLDERS

LOG_BASE = math.log1p(1e-4)  # of 1.0001, which itself is no float
MOST_TICK = 887_272
"""Ticks reach from minus this to this, as in Uniswap v3."""

# Slots of the pool's state, from `extra` on.
SQRT_PRICE, TICK, LIQUIDITY, GROWTH_0, GROWTH_1, PLACES = range(6)
HEAD = 6
# Slots of a tick.
GROSS, NET, OUTSIDE_0, OUTSIDE_1 = range(4)
TICK_SLOTS = 4
DIGIT = 1e-13
"""Relative error of a price and of a growth of fees that a few hundred swaps may leave."""
SEEN = 1e-9
"""Share of what others have in a pool that a rounding may cost them unasked."""
ALL = 1.0 - 1e-9
"""Share of a swap's amount that is all of it, but for rounding."""
GROUP = 256
"""Ticks that share a count of how many of them hold liquidity."""
# Slots of a position. An owner is an account, plus one; 0 is a free place.
OWNER, LOWER, UPPER, AMOUNT, INSIDE_0, INSIDE_1, OWED_0, OWED_1, ENTRY = range(9)
POSITION_SLOTS = 9
ENTRIES = 2
"""Entries of the index of positions, for each that there is room for."""


class RangeSettings(Table):
    """An initial position of outside holders in a pool of concentrated liquidity."""

    lower: Positive = Field(description="Lower price, multiple of the initial price.")
    upper: Positive = Field(description="Upper price, multiple of the initial price.")
    share: Positive = Field(
        1.0, description="Share of the pool's value; only the ratio between positions matters."
    )


class ConcentratedSettings(PoolSettings):
    """A pool of concentrated liquidity."""

    kind: Literal["concentrated"] = "concentrated"
    tick_spacing: Annotated[int, Field(ge=1, le=16_384)] = Field(
        60, description="Tick spacing: distance between usable ticks, ticks."
    )
    price_span: Annotated[float, Field(gt=1.0, le=1e15)] = Field(
        10_000.0,
        description="Allowed prices: from the initial price divided by this to the initial price "
        "times this.",
    )
    ranges: list[RangeSettings] = Field(
        default=[], description="Initial positions; none: one over the full range."
    )
    positions: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256,
        description="Room for further positions, beyond those of its providers.",
    )

    def problems(self, name: str) -> list[Problem]:
        """Whether the positions at the start are ranges of prices that the pool allows."""
        found = super().problems(name)
        for i, prices in enumerate(self.ranges):
            if prices.lower >= prices.upper:
                text = f"{prices.upper:g} is not above lower ({prices.lower:g}); raise it"
                found.append((f"ranges.{i}.upper", text))
            elif prices.lower < 1.0 / self.price_span or prices.upper > self.price_span:
                text = "leaves the prices that the pool allows; raise price_span "
                found.append((f"ranges.{i}", f"{text}({self.price_span:g})"))
        return found

    def ticks(self) -> tuple[int, int]:
        """(lowest tick in units of the spacing, number of ticks) that its prices allow."""
        first = self.reserves[self.tokens[1]] / self.reserves[self.tokens[0]]
        spans = (1 / self.price_span, self.price_span)
        ends = [math.log(first * span) / LOG_BASE for span in spans]
        low, high = (min(max(end, -MOST_TICK), MOST_TICK) for end in ends)
        lowest, highest = math.floor(low / self.tick_spacing), math.ceil(high / self.tick_spacing)
        most = MOST_TICK // self.tick_spacing
        lowest, highest = max(lowest, -most), min(highest, most)
        return lowest, highest - lowest + 1

    def slots(self, room: int) -> int:
        """Of its ticks and positions."""
        return slots(self.ticks()[1], room + self.positions + len(self.ranges))

    def write(self, record: Any, pools: Mapping[str, PoolSettings]) -> None:
        """Write where its ticks are, and how many positions there may be."""
        record["capacity"] += self.positions + len(self.ranges)
        record["spacing"] = self.tick_spacing
        record["lowest"], record["width"] = self.ticks()


# Mathematics


@kernel
def sqrt_price_at_tick(tick):
    """Root of the price at a tick: 1.0001 ** (i / 2)."""
    return math.exp(0.5 * LOG_BASE * tick)


@kernel
def tick_at_sqrt_price(sqrt_price):
    """The largest tick whose price is not above the given one."""
    tick = math.floor(2.0 * math.log(sqrt_price) / LOG_BASE)
    # The logarithm may be a rounding off at a tick itself.
    if sqrt_price_at_tick(tick + 1) <= sqrt_price:
        return np.int64(tick + 1)
    if sqrt_price_at_tick(tick) > sqrt_price:
        return np.int64(tick - 1)
    return np.int64(tick)


@kernel
def amounts_for_liquidity(liquidity, sqrt_price, sqrt_lower, sqrt_upper):
    """Token amounts of a position: L (1 / sqrt P - 1 / sqrt Pb), L (sqrt P - sqrt Pa).

    Args:
        liquidity: L.
        sqrt_price: sqrt P; outside the range the nearer end of it counts.
        sqrt_lower: sqrt Pa.
        sqrt_upper: sqrt Pb.

    Returns:
        (amount of token 0, of token 1), token units.
    """
    at = min(max(sqrt_price, sqrt_lower), sqrt_upper)
    return liquidity * (sqrt_upper - at) / (at * sqrt_upper), liquidity * (at - sqrt_lower)


@kernel
def liquidity_for_amounts(amount_0, amount_1, sqrt_price, sqrt_lower, sqrt_upper):
    """Largest liquidity that two amounts are enough for.

    Args:
        amount_0: Of token 0, token units.
        amount_1: Of token 1.
        sqrt_price: sqrt P.
        sqrt_lower: sqrt Pa.
        sqrt_upper: sqrt Pb.
    """
    if sqrt_price <= sqrt_lower:
        return amount_0 * sqrt_lower * sqrt_upper / (sqrt_upper - sqrt_lower)
    if sqrt_price >= sqrt_upper:
        return amount_1 / (sqrt_upper - sqrt_lower)
    first = amount_0 * sqrt_price * sqrt_upper / (sqrt_upper - sqrt_price)
    return min(first, amount_1 / (sqrt_price - sqrt_lower))


@kernel
def swap_step(sqrt_price, sqrt_target, liquidity, amount_remaining, fee):
    """One step of a swap, to a target price or until the amount is used up.

    Args:
        sqrt_price: Now.
        sqrt_target: Not to be passed; below the price token 0 is paid in, above it token 1.
        liquidity: L on the way.
        amount_remaining: Still to be paid in, fee included; if negative, still to be
            received.
        fee: Share of what is paid in.

    Returns:
        (sqrt price after, amount in without the fee, amount out, fee), token units.
    """
    down = sqrt_target < sqrt_price
    if down:
        full_in = liquidity * (sqrt_price - sqrt_target) / (sqrt_price * sqrt_target)
        full_out = liquidity * (sqrt_price - sqrt_target)
    else:
        full_in = liquidity * (sqrt_target - sqrt_price)
        full_out = liquidity * (sqrt_target - sqrt_price) / (sqrt_price * sqrt_target)
    if amount_remaining >= 0.0:
        paid = amount_remaining * (1.0 - fee)
        if paid >= full_in:
            return sqrt_target, full_in, full_out, full_in * fee / (1.0 - fee)
        # Rounding must take the price neither past the target, where nearly all that the step
        # takes is paid, nor back: beyond a tick another range's liquidity is to be traded.
        # What comes out is written without a difference of prices, which would lose a
        # small trade's digits.
        if down:
            moved = liquidity + paid * sqrt_price
            after = min(max(sqrt_price * liquidity / moved, sqrt_target), sqrt_price)
            return after, paid, paid * sqrt_price * after, amount_remaining - paid
        after = min(sqrt_price + paid / liquidity, sqrt_target)
        return after, paid, paid / (sqrt_price * after), amount_remaining - paid
    wanted = -amount_remaining
    if wanted >= full_out:
        return sqrt_target, full_in, full_out, full_in * fee / (1.0 - fee)
    if down:
        after = max(sqrt_price - wanted / liquidity, sqrt_target)
        paid = wanted / (sqrt_price * after)
    else:
        moved = sqrt_price * liquidity / (liquidity - wanted * sqrt_price)
        after = max(min(moved, sqrt_target), sqrt_price)
        paid = wanted * sqrt_price * after
    return after, paid, wanted, paid * fee / (1.0 - fee)


@kernel
def impermanent_loss(price_ratio, lower, upper):
    """Value of a position over value of holding, less one, while the price is in its range.

    ``IL50 / (1 - (sqrt(Pa / P0) + r sqrt(P0 / Pb)) / (1 + r))``, IL50 that of a pool
    over all prices.

    Args:
        price_ratio: r, price now over price at entry.
        lower: Pa / P0.
        upper: Pb / P0.
    """
    whole = 2.0 * math.sqrt(price_ratio) / (1.0 + price_ratio) - 1.0
    spared = (math.sqrt(lower) + price_ratio / math.sqrt(upper)) / (1.0 + price_ratio)
    return whole / (1.0 - spared)


# State in the ledger's storage


def slots(width: int, capacity: int) -> int:
    """Slots of storage for a pool.

    Args:
        width: Ticks that may hold liquidity.
        capacity: Positions.
    """
    positions = (POSITION_SLOTS + ENTRIES) * capacity
    return HEAD + TICK_SLOTS * width + -(-width // GROUP) + positions


def whole_range(spacing: int) -> tuple[int, int]:
    """(lowest tick in units of the spacing, number of ticks) over all prices."""
    most = MOST_TICK // spacing
    return -most, 2 * most + 1


@kernel
def _tick_slot(pool, k):
    return pool.extra + HEAD + TICK_SLOTS * k


@kernel
def _group_slot(pool, k):
    return pool.extra + HEAD + TICK_SLOTS * pool.width + k // GROUP


@kernel
def _position_slot(pool, n):
    groups = (pool.width + GROUP - 1) // GROUP
    return pool.extra + HEAD + TICK_SLOTS * pool.width + groups + POSITION_SLOTS * n


@kernel
def initialise(books, pool, sqrt_price):
    """Give an empty pool its price. Returns whether the storage took it."""
    return store(books, pool.extra + SQRT_PRICE, sqrt_price) and store(
        books, pool.extra + TICK, float(tick_at_sqrt_price(sqrt_price))
    )


@kernel
def next_tick(books, pool, k, down):
    """Place of the next tick with liquidity, at or below `k`, or above it; -1: none.

    Args:
        k: Place in the row of ticks, of the one that the price is at or above.
        down: Which way.
    """
    if down:
        k = min(k, pool.width - 1)
        while k >= 0:
            if books.storage[_group_slot(pool, k)] > 0.0:
                end = k - k % GROUP
                while k >= end:
                    if books.storage[_tick_slot(pool, k) + GROSS] > 0.0:
                        return k
                    k -= 1
            else:
                k = k - k % GROUP - 1
        return -1
    k = max(k + 1, 0)
    while k < pool.width:
        if books.storage[_group_slot(pool, k)] > 0.0:
            end = min(k - k % GROUP + GROUP, pool.width)
            while k < end:
                if books.storage[_tick_slot(pool, k) + GROSS] > 0.0:
                    return k
                k += 1
        else:
            k = k - k % GROUP + GROUP
    return -1


@kernel
def _place(pool, tick):
    """Place in the row of the largest tick with liquidity allowed that is not above one."""
    return tick // pool.spacing - pool.lowest


@kernel
def walk(books, pool, down, amount, sqrt_limit, write):
    """Go along the price until an amount is used up, or no liquidity is left.

    Args:
        down: Whether token 0 is paid in.
        amount: To be paid in, fee included; negative: to be received.
        sqrt_limit: Price not to be passed; 0: none.
        write: Whether to leave the pool there.

    Returns:
        (amount in with the fee, amount out, fee, whether the storage took all of it).
    """
    s = books.storage
    at = pool.extra
    price, tick, liquidity = s[at + SQRT_PRICE], np.int64(s[at + TICK]), s[at + LIQUIDITY]
    growth = s[at + (GROWTH_0 if down else GROWTH_1)]
    kept = 1.0 - pool.protocol_fee
    total_in = total_out = total_fee = 0.0
    left = amount
    fine = True
    while left != 0.0:
        k = next_tick(books, pool, _place(pool, tick), down)
        if k < 0:
            break
        boundary = (pool.lowest + k) * pool.spacing
        target = sqrt_price_at_tick(boundary)
        if sqrt_limit > 0.0:
            target = max(target, sqrt_limit) if down else min(target, sqrt_limit)
        reached = target
        if liquidity > 0.0 and target != price:
            reached, paid, out, fee = swap_step(price, target, liquidity, left, pool.fee)
            total_in += paid + fee
            total_out += out
            total_fee += fee
            growth += fee * kept / liquidity
            if reached != target:
                left = 0.0
            elif left > 0.0:
                left = max(left - paid - fee, 0.0)
            else:
                left = min(left + out, 0.0)
        start, price = price, reached
        if reached == sqrt_price_at_tick(boundary):
            slot = _tick_slot(pool, k)
            net = s[slot + NET]
            if write:
                other = s[at + (GROWTH_1 if down else GROWTH_0)]
                first, second = (growth, other) if down else (other, growth)
                fine &= store(books, slot + OUTSIDE_0, first - s[slot + OUTSIDE_0])
                fine &= store(books, slot + OUTSIDE_1, second - s[slot + OUTSIDE_1])
            liquidity = max(liquidity - net if down else liquidity + net, 0.0)
            tick = boundary - 1 if down else boundary
            if next_tick(books, pool, _place(pool, tick), down) < 0:
                liquidity = 0.0  # what rounding left of positions that all have ended
        else:
            # A grain that moves no price leaves a tick that was just crossed downwards behind.
            if price != start:
                tick = tick_at_sqrt_price(price)
            break
    if write:
        fine &= store(books, at + SQRT_PRICE, price)
        if float(tick) != s[at + TICK]:
            fine &= store(books, at + TICK, float(tick))
        if liquidity != s[at + LIQUIDITY]:
            fine &= store(books, at + LIQUIDITY, liquidity)
        fine &= store(books, at + (GROWTH_0 if down else GROWTH_1), growth)
    return total_in, total_out, total_fee, fine


@kernel
def swap(books, pool, sender, token_in, token_out, amount, minimum):
    """Swap along the price.

    Args:
        amount: Token units paid in, fee included; more than the liquidity takes fails.
        minimum: Least amount to receive, else the call fails.

    Returns:
        (reason, amount out).
    """
    i, o = position(pool, token_in), position(pool, token_out)
    if i < 0 or o < 0 or i == o or not amount > 0.0 or not amount < np.inf:
        return Reason.INVALID, 0.0
    return swap_of_pool(books, pool, sender, i, o, amount, minimum)


@inner
def swap_of_pool(books, pool, sender, i, o, amount, minimum):
    """`amm.swap`, along the price."""
    paid, out, fee, fine = walk(books, pool, i == 0, amount, 0.0, True)
    if not fine:
        return Reason.TOO_LONG, 0.0
    if paid < amount * ALL or out <= 0.0:
        return Reason.EMPTY_POOL, 0.0
    # Rounding may have the curve promise a grain more than there is.
    out = min(out, books.balances[pool.account, pool.tokens[o]])
    if not out >= minimum:
        return Reason.LIMIT, 0.0
    if not settle_swap(books, pool, sender, i, o, amount, out, fee, 0.0):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    return Reason.DONE, out


@kernel
def growth_inside(books, pool, lower, upper):
    """Fees per unit of liquidity ever earned between two ticks, as the accumulators tell.

    Args:
        lower: Place of the lower tick in the row.
        upper: Of the upper one.

    Returns:
        (of token 0, of token 1); only differences of it over time have a meaning.
    """
    s = books.storage
    at = pool.extra
    tick = np.int64(s[at + TICK])
    a, b = _tick_slot(pool, lower), _tick_slot(pool, upper)
    below_0, below_1 = s[a + OUTSIDE_0], s[a + OUTSIDE_1]
    if tick < (pool.lowest + lower) * pool.spacing:
        below_0, below_1 = s[at + GROWTH_0] - below_0, s[at + GROWTH_1] - below_1
    above_0, above_1 = s[b + OUTSIDE_0], s[b + OUTSIDE_1]
    if tick >= (pool.lowest + upper) * pool.spacing:
        above_0, above_1 = s[at + GROWTH_0] - above_0, s[at + GROWTH_1] - above_1
    return s[at + GROWTH_0] - below_0 - above_0, s[at + GROWTH_1] - below_1 - above_1


@kernel
def places(books, pool):
    """How many places for positions have ever been taken; those beyond are free."""
    return np.int64(books.storage[pool.extra + PLACES])


@kernel
def _first_entry(pool, owner, lower, upper):
    """Where in the index a position is looked for first."""
    mixed = np.uint64(owner + 1) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= np.uint64(lower) * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= np.uint64(upper) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.int64(mixed % np.uint64(ENTRIES * pool.capacity))


@kernel
def find_position(books, pool, owner, lower, upper):
    """Slot of a position, through an index by open addressing.

    Positions themselves lie in the order in which they were opened, whoever opened them:
    sums over them are then the same to the bit whatever else a market holds.

    Args:
        owner: Account.
        lower: Place of its lower tick.
        upper: Of its upper one.

    Returns:
        The slot; -1 if it is not there.
    """
    s = books.storage
    index, size = _position_slot(pool, pool.capacity), ENTRIES * pool.capacity
    start = _first_entry(pool, owner, lower, upper)
    for step in range(size):
        entry = s[index + (start + step) % size]
        if entry == 0.0:
            return -1
        slot = _position_slot(pool, np.int64(entry) - 1)
        owned = s[slot + OWNER] == owner + 1.0
        if owned and s[slot + LOWER] == lower and s[slot + UPPER] == upper:
            return slot
    return -1


@kernel
def _is_left(books, slot):
    """Whether the owner of a position has taken everything out: another may have its place."""
    s = books.storage
    return s[slot + AMOUNT] == 0.0 and not s[slot + OWED_0] + s[slot + OWED_1] > 0.0


@kernel
def _open_position(books, pool, owner, lower, upper):
    """Slot of a new position in the first place that is free; -1 where there is no room."""
    s = books.storage
    known = places(books, pool)
    n = 0
    while n < known and not _is_left(books, _position_slot(pool, n)):
        n += 1
    if n >= pool.capacity:
        return -1
    slot = _position_slot(pool, n)
    index, size = _position_slot(pool, pool.capacity), ENTRIES * pool.capacity
    at = _first_entry(pool, owner, lower, upper)
    # An entry that its position has left for another is free. There are two for each place.
    while s[index + at] > 0.0:
        other = _position_slot(pool, np.int64(s[index + at]) - 1)
        if other == slot or s[other + ENTRY] != at:
            break
        at = (at + 1) % size
    fine = store(books, index + at, n + 1.0)
    fine &= store(books, slot + ENTRY, float(at))
    fine &= store(books, slot + OWNER, owner + 1.0)
    fine &= store(books, slot + LOWER, float(lower))
    fine &= store(books, slot + UPPER, float(upper))
    inside_0, inside_1 = growth_inside(books, pool, lower, upper)
    fine &= store(books, slot + INSIDE_0, inside_0)
    fine &= store(books, slot + INSIDE_1, inside_1)
    if n == known:
        fine &= store(books, pool.extra + PLACES, n + 1.0)
    return slot if fine else -1


@kernel
def _settle(books, pool, slot, lower, upper):
    """Add what a position has earned since it was last looked at to what it is owed."""
    s = books.storage
    inside_0, inside_1 = growth_inside(books, pool, lower, upper)
    amount = s[slot + AMOUNT]
    # Rounding may have the sums of accumulators go back by a grain.
    earned_0 = max(amount * (inside_0 - s[slot + INSIDE_0]), 0.0)
    earned_1 = max(amount * (inside_1 - s[slot + INSIDE_1]), 0.0)
    fine = store(books, slot + OWED_0, s[slot + OWED_0] + earned_0)
    fine &= store(books, slot + OWED_1, s[slot + OWED_1] + earned_1)
    fine &= store(books, slot + INSIDE_0, inside_0)
    return fine & store(books, slot + INSIDE_1, inside_1)


@kernel
def _move_tick(books, pool, k, change, upper):
    """Add liquidity that starts (or, `upper`, ends) at a tick."""
    s = books.storage
    slot = _tick_slot(pool, k)
    before = s[slot + GROSS]
    after = before + change
    if after <= 1e-12 * before:  # rounding of the last one to go
        after = 0.0
    fine = True
    if before == 0.0 and after > 0.0:
        group = _group_slot(pool, k)
        fine &= store(books, group, s[group] + 1.0)
        # All growth so far counts as below a tick that the price is at or above.
        tick = (pool.lowest + k) * pool.spacing
        if np.int64(s[pool.extra + TICK]) >= tick:
            fine &= store(books, slot + OUTSIDE_0, s[pool.extra + GROWTH_0])
            fine &= store(books, slot + OUTSIDE_1, s[pool.extra + GROWTH_1])
        else:
            fine &= store(books, slot + OUTSIDE_0, 0.0)
            fine &= store(books, slot + OUTSIDE_1, 0.0)
    if before > 0.0 and after == 0.0:
        group = _group_slot(pool, k)
        fine &= store(books, group, s[group] - 1.0)
        fine &= store(books, slot + NET, 0.0)
    else:
        net = s[slot + NET] - change if upper else s[slot + NET] + change
        fine &= store(books, slot + NET, net)
    return fine & store(books, slot + GROSS, after)


@kernel
def change_liquidity(books, pool, owner, lower, upper, change):
    """Change the liquidity of a position, moving no tokens.

    Args:
        owner: Account.
        lower: Lower tick, a multiple of the spacing.
        upper: Upper tick.
        change: Of L; not below what the position has.

    Returns:
        (reason, amount of token 0, of token 1): what the change is worth in tokens.
    """
    spacing = pool.spacing
    if lower >= upper or lower % spacing != 0 or upper % spacing != 0 or change == 0.0:
        return Reason.INVALID, 0.0, 0.0
    a, b = lower // spacing - pool.lowest, upper // spacing - pool.lowest
    if a < 0 or b >= pool.width:
        return Reason.INVALID, 0.0, 0.0
    s = books.storage
    at = pool.extra
    slot = find_position(books, pool, owner, a, b)
    if slot < 0 and change < 0.0:
        return Reason.INSUFFICIENT_BALANCE, 0.0, 0.0
    if change < 0.0 and s[slot + AMOUNT] < -change:
        if s[slot + AMOUNT] * (1.0 + DUST) < -change:
            return Reason.INSUFFICIENT_BALANCE, 0.0, 0.0
        change = -s[slot + AMOUNT]  # all of it, but for rounding
    fine = _move_tick(books, pool, a, change, False)
    fine &= _move_tick(books, pool, b, change, True)
    if slot < 0:  # once its ticks are there, inside which it counts from now
        slot = _open_position(books, pool, owner, a, b)
        if slot < 0:
            return Reason.CAP, 0.0, 0.0
    fine &= _settle(books, pool, slot, a, b)
    fine &= store(books, slot + AMOUNT, s[slot + AMOUNT] + change)
    tick = np.int64(s[at + TICK])
    if lower <= tick < upper:
        fine &= store(books, at + LIQUIDITY, max(s[at + LIQUIDITY] + change, 0.0))
    first, second = amounts_for_liquidity(
        abs(change), s[at + SQRT_PRICE], sqrt_price_at_tick(lower), sqrt_price_at_tick(upper)
    )
    return (Reason.DONE if fine else Reason.TOO_LONG), first, second


@kernel
def add(books, pool, sender, lower, upper, liquidity):
    """Open a position or add to it, paying what its liquidity needs at the present price.

    Returns:
        (reason, amount of token 0, of token 1) paid.
    """
    if not liquidity > 0.0 or not liquidity < np.inf:
        return Reason.INVALID, 0.0, 0.0
    reason, first, second = change_liquidity(books, pool, sender, lower, upper, liquidity)
    if reason != Reason.DONE:
        return reason, 0.0, 0.0
    if first > 0.0 and not transfer(books, sender, pool.account, pool.tokens[0], first):
        return Reason.INSUFFICIENT_BALANCE, 0.0, 0.0
    if second > 0.0 and not transfer(books, sender, pool.account, pool.tokens[1], second):
        return Reason.INSUFFICIENT_BALANCE, 0.0, 0.0
    return Reason.DONE, first, second


@kernel
def _spared(books, pool, amount, first, second):
    """What of a claim is paid out, so that those of all others stay covered.

    A pool's price and the growth of its fees are kept to their last digit, of which much
    liquidity makes so many tokens: of 4e10 in a range of one tick at a root of 1,000 it is half
    a cent. Who has it bears that, and not those who stay. Where it is too little to be seen in what
    the others have, nobody asks them.

    Args:
        amount: Liquidity that the position had.
        first: Claim in token 0, token units.
        second: In token 1.
    """
    s, at = books.storage, pool.extra
    x = books.balances[pool.account, pool.tokens[0]]
    y = books.balances[pool.account, pool.tokens[1]]
    root = s[at + SQRT_PRICE]
    grain_0 = DIGIT * amount * (1.0 / root + s[at + GROWTH_0])
    grain_1 = DIGIT * amount * (root + s[at + GROWTH_1])
    coarse = first > 0.0 and grain_0 > SEEN * (x - first)
    if coarse or (second > 0.0 and grain_1 > SEEN * (y - second)):
        theirs_0 = theirs_1 = 0.0
        for n in range(places(books, pool)):
            owner, claim_0, claim_1 = position_tokens(books, pool, n)
            if owner >= 0:
                theirs_0 += claim_0
                theirs_1 += claim_1
        # A grain less, since a difference of balances is rounded too.
        spare_0 = (x - theirs_0) * (1.0 - 4e-16 * (theirs_0 > 0.0))
        spare_1 = (y - theirs_1) * (1.0 - 4e-16 * (theirs_1 > 0.0))
        first, second = min(first, max(spare_0, 0.0)), min(second, max(spare_1, 0.0))
    # The last to leave takes what rounding left of the sums before it.
    return min(first, x), min(second, y)


@kernel
def remove(books, pool, sender, lower, upper, liquidity):
    """Take liquidity out of a position, with all the fees that it is owed.

    Args:
        liquidity: 0 to collect the fees alone.

    Returns:
        (reason, amount of token 0, of token 1) received.
    """
    s = books.storage
    a, b = lower // pool.spacing - pool.lowest, upper // pool.spacing - pool.lowest
    slot = find_position(books, pool, sender, a, b)
    if slot < 0 or not liquidity >= 0.0:
        return Reason.INVALID, 0.0, 0.0
    if _is_left(books, slot):
        return Reason.INVALID, 0.0, 0.0  # as if somebody else had its place already
    first = second = 0.0
    if liquidity > 0.0:
        reason, first, second = change_liquidity(books, pool, sender, lower, upper, -liquidity)
        if reason != Reason.DONE:
            return reason, 0.0, 0.0
    elif not _settle(books, pool, slot, a, b):
        return Reason.TOO_LONG, 0.0, 0.0
    first += s[slot + OWED_0]
    second += s[slot + OWED_1]
    if not (store(books, slot + OWED_0, 0.0) and store(books, slot + OWED_1, 0.0)):
        return Reason.TOO_LONG, 0.0, 0.0
    first, second = _spared(books, pool, s[slot + AMOUNT] + liquidity, first, second)
    if first > 0.0:
        transfer(books, pool.account, sender, pool.tokens[0], first)
    if second > 0.0:
        transfer(books, pool.account, sender, pool.tokens[1], second)
    return Reason.DONE, first, second


@kernel
def position_tokens(books, pool, n):
    """What the n-th place for a position holds: amounts with the fees that it is owed.

    Returns:
        (owner's account or -1, amount of token 0, of token 1), token units.
    """
    slot = _position_slot(pool, n)
    owner = np.int64(books.storage[slot + OWNER]) - 1
    if owner < 0:
        return owner, 0.0, 0.0
    first, second = _tokens_in(books, pool, slot)
    return owner, first, second


@kernel
def list_tokens(books, pool, owners, amounts):
    """What all places for positions hold, as `position_tokens` has it.

    Args:
        owners: int64[places], to be filled.
        amounts: float64[places, 2], likewise.
    """
    for n in range(owners.size):
        owners[n], amounts[n, 0], amounts[n, 1] = position_tokens(books, pool, n)


@kernel
def tokens_of(books, pool, owner, lower, upper):
    """What an account's position between two ticks holds: as `position_tokens`, (x, y)."""
    a, b = lower // pool.spacing - pool.lowest, upper // pool.spacing - pool.lowest
    slot = find_position(books, pool, owner, a, b)
    if slot < 0:
        return 0.0, 0.0
    return _tokens_in(books, pool, slot)


@kernel
def _tokens_in(books, pool, slot):
    s = books.storage
    amount = s[slot + AMOUNT]
    first, second = s[slot + OWED_0], s[slot + OWED_1]
    if amount > 0.0:
        a, b = np.int64(s[slot + LOWER]), np.int64(s[slot + UPPER])
        inside_0, inside_1 = growth_inside(books, pool, a, b)
        first += max(amount * (inside_0 - s[slot + INSIDE_0]), 0.0)
        second += max(amount * (inside_1 - s[slot + INSIDE_1]), 0.0)
        x, y = amounts_for_liquidity(
            amount,
            s[pool.extra + SQRT_PRICE],
            sqrt_price_at_tick((pool.lowest + a) * pool.spacing),
            sqrt_price_at_tick((pool.lowest + b) * pool.spacing),
        )
        first += x
        second += y
    return first, second


@kernel
def position_at(books, pool, n):
    """The n-th place for a position: (owner's account or -1, lower tick, upper tick, liquidity)."""
    s = books.storage
    slot = _position_slot(pool, n)
    owner = np.int64(s[slot + OWNER]) - 1
    lower = (pool.lowest + np.int64(s[slot + LOWER])) * pool.spacing
    upper = (pool.lowest + np.int64(s[slot + UPPER])) * pool.spacing
    return owner, lower, upper, s[slot + AMOUNT]


@kernel
def liquidity_of(books, pool, owner, lower, upper):
    """Liquidity of a position; 0 where there is none."""
    a, b = lower // pool.spacing - pool.lowest, upper // pool.spacing - pool.lowest
    slot = find_position(books, pool, owner, a, b)
    return books.storage[slot + AMOUNT] if slot >= 0 else 0.0


@kernel
def spaced(pool, price, up):
    """Nearest tick that may hold liquidity, at or below a price, or (`up`) at or above it."""
    tick = tick_at_sqrt_price(math.sqrt(price))
    k = tick // pool.spacing
    if up and sqrt_price_at_tick(k * pool.spacing) < math.sqrt(price):
        k += 1
    return min(max(k, pool.lowest), pool.lowest + pool.width - 1) * pool.spacing


@kernel
def slope(books, pool, i, amount):
    """What a swap of an amount of the i-th token would give, and how that changes.

    Returns:
        (amount out, out per unit more, relative change of the latter per unit); nothing
        where the liquidity does not take the amount.
    """
    down = i == 0
    price, liquidity, out, fine = reach(books, pool, down, amount)
    if not fine or liquidity <= 0.0:
        return out if fine else 0.0, 0.0, 0.0
    keep = 1.0 - pool.fee
    if down:
        return out, keep * price * price, -2.0 * keep * price / liquidity
    return out, keep / (price * price), -2.0 * keep / (liquidity * price)


@kernel
def reach(books, pool, down, amount):
    """Where a swap would end, without a trace.

    Returns:
        (sqrt price, liquidity there, amount out, whether all of the amount was taken).
    """
    s = books.storage
    at = pool.extra
    price, tick, liquidity = s[at + SQRT_PRICE], np.int64(s[at + TICK]), s[at + LIQUIDITY]
    out = 0.0
    left = amount
    while True:
        k = next_tick(books, pool, _place(pool, tick), down)
        if k < 0:
            return price, 0.0, out, left <= 0.0
        boundary = (pool.lowest + k) * pool.spacing
        target = sqrt_price_at_tick(boundary)
        if liquidity > 0.0 and target != price:
            reached, paid, gained, fee = swap_step(price, target, liquidity, left, pool.fee)
            out += gained
            left = max(left - paid - fee, 0.0)
            if reached != target:
                return reached, liquidity, out, True
        if left <= 0.0 and liquidity > 0.0:
            return price, liquidity, out, True
        price = target
        net = s[_tick_slot(pool, k) + NET]
        liquidity = max(liquidity - net if down else liquidity + net, 0.0)
        tick = boundary - 1 if down else boundary


@kernel
def quote(books, pool, i, amount):
    """What a swap of an amount of the i-th token would give now; 0 where it cannot be taken."""
    if not (amount > 0.0 and amount < np.inf):
        return 0.0
    _, _, out, fine = reach(books, pool, i == 0, amount)
    return out if fine else 0.0


@kernel
def spot_price(books, pool):
    """Marginal price without fee, of token 0 in token 1."""
    root = books.storage[pool.extra + SQRT_PRICE]
    return root * root


# Of a pool, as `protocols.curve.Curve` has them


@inner
def price_of_pool(books, pool, i, o):
    """`amm.spot_price`."""
    price = spot_price(books, pool)
    if not price > 0.0:
        return np.nan
    return price if i == 0 else 1.0 / price


@inner
def priced_by_pool(books, pool, i, o, amount):
    """`amm.priced`."""
    return quote(books, pool, i, amount), amount * pool.fee, 0.0


@inner
def slope_of_pool(books, pool, i, o, amount):
    """`amm.slope`."""
    return slope(books, pool, i, amount)


@inner
def to_rate_of_pool(books, pool, i, o, rate):
    """`amm.amount_to_rate`: a walk to the price at which the rate is reached."""
    keep = 1.0 - pool.fee
    root = math.sqrt(rate / keep) if i == 0 else math.sqrt(keep / rate)
    now = math.sqrt(max(spot_price(books, pool), 0.0))
    if (root >= now) if i == 0 else (root <= now):
        return 0.0
    return walk(books, pool, i == 0, np.inf, root, False)[0]


@inner
def trade_of_pool(books, pool, i, o, amount):
    """`amm.trade`; nothing where the liquidity takes less than all, as a swap would fail."""
    paid, out, _, fine = walk(books, pool, i == 0, amount, 0.0, True)
    return 0.0 if not fine or paid < amount * ALL else out


# Wide: the signature of all entries, `protocols.operations`.
@inner
def enter_range(books, pool, sender, a, b, amount_a, amount_b, minimum, lower, upper):
    """`amm.add`: a position with as much liquidity as both amounts are enough for."""
    if lower >= upper:
        return Reason.INVALID, 0.0
    amount_0, amount_1 = (amount_a, amount_b) if a == 0 else (amount_b, amount_a)
    liquidity = liquidity_for_amounts(
        amount_0,
        amount_1,
        math.sqrt(spot_price(books, pool)),
        sqrt_price_at_tick(lower),
        sqrt_price_at_tick(upper),
    )
    if not liquidity >= minimum or not liquidity > 0.0:
        return Reason.LIMIT, 0.0
    reason, _, _ = add(books, pool, sender, lower, upper, liquidity)
    return reason, liquidity


@inner
def leave_range(books, pool, sender, o, liquidity, minimum, lower, upper):
    """`amm.remove`: liquidity of a position, with its fees."""
    reason, first, second = remove(books, pool, sender, lower, upper, liquidity)
    if reason == Reason.DONE and not first >= minimum:
        return Reason.LIMIT, 0.0
    return reason, second


@inner
def loss_of_pool(books, pool, values):
    """`amm.impermanent_loss`."""
    return range_result(books, pool, values, False)


@inner
def result_of_pool(books, pool, values):
    """`amm.provider_result`."""
    return range_result(books, pool, values, True)


@inner
def range_result(books, pool, values, with_fees):
    """Value of a pool's positions over that of holding, less one; NaN without any.

    They hold what their liquidity says at the pool's price (beyond all ranges that stands
    where the last one ended, and they hold one token alone). Held instead would have been
    what the same liquidity said at the pool's first price. The market values both.

    Args:
        values: float64[tokens], of a unit of each token, numeraire.
        with_fees: Whether what they are still owed in fees counts.
    """
    price = spot_price(books, pool)
    if not price > 0.0:
        return np.nan
    value_0, value_1 = values[pool.tokens[0]], values[pool.tokens[1]]
    now, held = 0.0, 0.0
    for n in range(places(books, pool)):
        owner, lower, upper, liquidity = position_at(books, pool, n)
        if owner < 0 or liquidity <= 0.0:
            continue
        a, b = sqrt_price_at_tick(lower), sqrt_price_at_tick(upper)
        if with_fees:
            _, x, y = position_tokens(books, pool, n)
        else:
            x, y = amounts_for_liquidity(liquidity, math.sqrt(price), a, b)
        now += x * value_0 + y * value_1
        x, y = amounts_for_liquidity(liquidity, math.sqrt(pool.first_price), a, b)
        held += x * value_0 + y * value_1
    return now / held - 1.0 if held > 0.0 else np.nan


CURVE = Curve(
    price=price_of_pool,
    priced=priced_by_pool,
    slope=slope_of_pool,
    to_rate=to_rate_of_pool,
    trade=trade_of_pool,
    swap=swap_of_pool,
    enter=enter_range,
    leave=leave_range,
    fill=cannot_fill,
    held=liquidity_of,
    loss=loss_of_pool,
    loss_since=loss_since_price,
    result=result_of_pool,
    claims=places,
    claim=position_tokens,
    parted=False,
    ranges=True,
)


def open_ranges(settings: ConcentratedSettings, name: str, ledger: Ledger, pool: Any) -> None:
    """Open the positions that outside holders have in a pool at the start.

    Args:
        settings: Of the pool.
        name: Of the pool.
        ledger: Holders have the reserves in it; of what ranges need more, more is made.
        pool: POOL.

    Raises:
        ScenarioError: If one cannot be opened.
    """
    holders = ledger.account(HOLDERS)
    base, quote = (settings.reserves[token] for token in settings.tokens)
    price = quote / base
    initialise(ledger.books, pool, math.sqrt(price))
    pool["first_price"] = price
    whole = [(1.0 / settings.price_span, settings.price_span, 1.0)]
    ranges = [(r.lower, r.upper, r.share) for r in settings.ranges] or whole
    total = sum(share for _, _, share in ranges)
    for i, (low, high, share) in enumerate(ranges):
        lower = int(spaced(pool, price * low, False))
        upper = int(spaced(pool, price * high, True))
        ends = sqrt_price_at_tick(lower), sqrt_price_at_tick(upper)
        x, y = amounts_for_liquidity(1.0, math.sqrt(price), *ends)
        liquidity = share / total * 2.0 * quote / (x * price + y)
        needs = x * liquidity, y * liquidity
        for token, need in zip(settings.tokens, needs, strict=True):
            lacks = need * (1.0 + 1e-12) - ledger.balance(holders, token)
            if lacks > 0.0:  # ranges that are not centred need more of one token
                ledger.mint(holders, token, lacks)
        begin(ledger.books)
        reason, _, _ = add(ledger.books, pool, holders, lower, upper, liquidity)
        if reason != Reason.DONE:
            text = f"cannot be opened ({Reason(reason).name.lower()}); move its prices apart"
            raise ScenarioError([(f"pools.{name}.ranges.{i}", text)])
