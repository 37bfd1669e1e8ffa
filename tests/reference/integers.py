"""Uniswap's pools in exact integers, as its white papers and contracts define them.

Version 2: reserves and shares. Version 3: prices as Q64.96, growth of fees as Q128.128,
ticks with net liquidity and growth outside, rounding always against the trader.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from functools import cache
from math import floor, isqrt, log

Q96, Q128 = 1 << 96, 1 << 128
PIPS = 1_000_000


class PairPool:
    """Version 2: a constant product of two tokens."""

    def __init__(self, reserve_0: int, reserve_1: int, fee_pips: int) -> None:
        self.reserves = [reserve_0, reserve_1]
        self.keep = PIPS - fee_pips
        self.supply = isqrt(reserve_0 * reserve_1)

    def swap(self, i: int, amount: int) -> int:
        x, y = self.reserves[i], self.reserves[1 - i]
        paid = amount * self.keep
        out = paid * y // (x * PIPS + paid)
        self.reserves[i] += amount
        self.reserves[1 - i] -= out
        return out

    def add(self, amount_0: int, amount_1: int) -> int:
        given = amount_0, amount_1
        shares = min(a * self.supply // r for a, r in zip(given, self.reserves, strict=True))
        for k in (0, 1):  # only what the shares are worth is taken
            self.reserves[k] += -(-shares * self.reserves[k] // self.supply)
        self.supply += shares
        return shares

    def remove(self, shares: int) -> tuple[int, int]:
        out = tuple(shares * r // self.supply for r in self.reserves)
        self.reserves = [r - o for r, o in zip(self.reserves, out, strict=True)]
        self.supply -= shares
        return out[0], out[1]


@cache
def root_at(tick: int) -> int:
    """sqrt(1.0001 ** tick) as Q64.96."""
    with localcontext() as context:
        context.prec = 60
        return int((Decimal("1.0001") ** tick).sqrt() * Q96)


def up(a: int, b: int, c: int) -> int:
    """a b / c, rounded up."""
    return -(-a * b // c)


def amount_0(low: int, high: int, liquidity: int, round_up: bool) -> int:
    low, high = min(low, high), max(low, high)
    top = liquidity * Q96 * (high - low)
    if round_up:
        return up(1, up(1, top, high), low)
    return top // high // low


def amount_1(low: int, high: int, liquidity: int, round_up: bool) -> int:
    gap = abs(high - low)
    return up(liquidity, gap, Q96) if round_up else liquidity * gap // Q96


@dataclass
class Tick:
    gross: int = 0
    net: int = 0
    outside: list[int] = field(default_factory=lambda: [0, 0])


@dataclass
class Held:
    liquidity: int = 0
    inside: list[int] = field(default_factory=lambda: [0, 0])
    owed: list[int] = field(default_factory=lambda: [0, 0])


class TickPool:
    """Version 3: positions between ticks."""

    def __init__(self, root: int, tick: int, fee_pips: int) -> None:
        self.root, self.tick, self.fee = root, tick, fee_pips
        self.liquidity = 0
        self.growth = [0, 0]
        self.ticks: dict[int, Tick] = {}
        self.held: dict[tuple[int, int, int], Held] = {}

    def next_tick(self, down: bool) -> int | None:
        if down:
            return max((t for t in self.ticks if t <= self.tick), default=None)
        return min((t for t in self.ticks if t > self.tick), default=None)

    def swap(self, down: bool, amount: int) -> int:
        """Swap an exact amount in; what the liquidity does not take is left."""
        left, out = amount, 0
        while left > 0:
            tick = self.next_tick(down)
            if tick is None:
                break
            target = root_at(tick)
            after, paid, gained, fee = self._step(target, left, down)
            left -= paid + fee
            out += gained
            if self.liquidity > 0:
                self.growth[0 if down else 1] += fee * Q128 // self.liquidity
            self.root = after
            if after == target:
                self._cross(tick, down)
            else:
                self._find_tick()
        return out

    def _step(self, target: int, left: int, down: bool) -> tuple[int, int, int, int]:
        if self.liquidity == 0:
            return target, 0, 0, 0
        net = left * (PIPS - self.fee) // PIPS
        need = (amount_0 if down else amount_1)(target, self.root, self.liquidity, True)
        if net >= need:
            after, paid = target, need
            fee = up(paid, self.fee, PIPS - self.fee)
        else:
            if down:  # rounded so that the price does not go too far
                numerator = self.liquidity * Q96
                after = up(numerator, self.root, numerator + net * self.root)
            else:
                after = self.root + net * Q96 // self.liquidity
            paid = (amount_0 if down else amount_1)(after, self.root, self.liquidity, True)
            fee = left - paid
        gained = (amount_1 if down else amount_0)(after, self.root, self.liquidity, False)
        return after, paid, gained, fee

    def _cross(self, tick: int, down: bool) -> None:
        crossed = self.ticks[tick]
        crossed.outside = [g - o for g, o in zip(self.growth, crossed.outside, strict=True)]
        self.liquidity += -crossed.net if down else crossed.net
        self.tick = tick - 1 if down else tick

    def _find_tick(self) -> None:
        tick = floor(2.0 * log(self.root / Q96) / log(1.0001))
        while root_at(tick + 1) <= self.root:
            tick += 1
        while root_at(tick) > self.root:
            tick -= 1
        self.tick = tick

    def inside(self, lower: int, upper: int) -> list[int]:
        found = []
        for k in (0, 1):
            below = self.ticks[lower].outside[k]
            if self.tick < lower:
                below = self.growth[k] - below
            above = self.ticks[upper].outside[k]
            if self.tick >= upper:
                above = self.growth[k] - above
            found.append(self.growth[k] - below - above)
        return found

    def change(self, owner: int, lower: int, upper: int, delta: int) -> tuple[int, int]:
        """Change a position's liquidity; what it is worth in tokens, both unsigned."""
        for tick, sign in ((lower, 1), (upper, -1)):
            t = self.ticks.get(tick)
            if t is None:
                t = self.ticks[tick] = Tick()
                if self.tick >= tick:
                    t.outside = list(self.growth)
            t.gross += delta
            t.net += sign * delta
        held = self.held.setdefault((owner, lower, upper), Held(inside=self.inside(lower, upper)))
        now = self.inside(lower, upper)
        for k in (0, 1):
            held.owed[k] += held.liquidity * (now[k] - held.inside[k]) // Q128
        held.inside = now
        held.liquidity += delta
        low, high, at = root_at(lower), root_at(upper), self.root
        at = min(max(at, low), high)
        if lower <= self.tick < upper:
            self.liquidity += delta
        size, round_up = abs(delta), delta > 0
        worth = amount_0(at, high, size, round_up), amount_1(low, at, size, round_up)
        for tick in (lower, upper):
            if self.ticks[tick].gross == 0:
                del self.ticks[tick]
        return worth

    def collect(self, owner: int, lower: int, upper: int) -> tuple[int, int]:
        held = self.held[owner, lower, upper]
        out = held.owed[0], held.owed[1]
        held.owed = [0, 0]
        if held.liquidity == 0:
            del self.held[owner, lower, upper]
        return out
