"""Concentrated liquidity to forty digits, with no accumulators.

A list of positions; a swap goes from one end of a position to the next, and each step's
fee is handed to the positions in range in proportion to their liquidity, at once. Slow,
and with nothing to get wrong at a tick.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, localcontext

DIGITS = 40
BASE = Decimal("1.0001")


def sqrt_at(tick: int) -> Decimal:
    """Root of the price at a tick."""
    with localcontext() as context:
        context.prec = DIGITS
        return (BASE**tick).sqrt()


@dataclass
class Position:
    """Liquidity between two ticks, and what it is owed."""

    lower: int
    upper: int
    liquidity: Decimal = Decimal(0)
    owed: list[Decimal] = field(default_factory=lambda: [Decimal(0), Decimal(0)])


class RangePool:
    """A pool of positions."""

    def __init__(self, sqrt_price: float, fee: float) -> None:
        """A pool at a price."""
        self.root = Decimal(sqrt_price)
        self.fee = Decimal(fee)
        self.positions: dict[tuple[int, int, int], Position] = {}
        self.roots: dict[int, Decimal] = {}

    def at(self, tick: int) -> Decimal:
        """Root of the price at a tick, remembered."""
        if tick not in self.roots:
            self.roots[tick] = sqrt_at(tick)
        return self.roots[tick]

    @property
    def liquidity(self) -> Decimal:
        """Of all positions in range; at an end, of those above the price."""
        return sum(
            (
                p.liquidity
                for p in self.positions.values()
                if self.at(p.lower) <= self.root < self.at(p.upper)
            ),
            Decimal(0),
        )

    def change(self, owner: int, lower: int, upper: int, change: float) -> tuple[float, float]:
        """Change a position; returns what that is worth in tokens."""
        with localcontext() as context:
            context.prec = DIGITS
            p = self.positions.setdefault((owner, lower, upper), Position(lower, upper))
            p.liquidity += Decimal(change)
            if p.liquidity < Decimal("1e-6"):  # what floats left of all of it
                p.liquidity = Decimal(0)
            a, b = self.at(lower), self.at(upper)
            here = min(max(self.root, a), b)
            size = abs(Decimal(change))
            return float(size * (1 / here - 1 / b)), float(size * (here - a))

    def collect(self, owner: int, lower: int, upper: int) -> tuple[float, float]:
        """Take what a position is owed."""
        p = self.positions[owner, lower, upper]
        first, second = p.owed
        p.owed = [Decimal(0), Decimal(0)]
        return float(first), float(second)

    def owed(self) -> dict[tuple[int, int, int], list[Decimal]]:
        """What all positions are owed."""
        return {key: list(p.owed) for key, p in self.positions.items()}

    def forget(self, root: Decimal, owed: dict[tuple[int, int, int], list[Decimal]]) -> None:
        """Undo a swap."""
        self.root = root
        for key, p in self.positions.items():
            p.owed = owed[key]

    def swap(self, down: bool, amount: float) -> tuple[float, float]:
        """Pay an amount in; returns (what was taken of it, what came out)."""
        with localcontext() as context:
            context.prec = DIGITS
            left, out = Decimal(amount), Decimal(0)
            while left > 0:
                ends = {
                    t
                    for p in self.positions.values()
                    if p.liquidity > 0
                    for t in (p.lower, p.upper)
                }
                roots = [self.at(t) for t in ends]
                ahead = [r for r in roots if (r < self.root if down else r > self.root)]
                if not ahead:
                    break
                target = max(ahead) if down else min(ahead)
                middle = (self.root + target) / 2
                inside = [
                    p
                    for p in self.positions.values()
                    if self.at(p.lower) < middle < self.at(p.upper) and p.liquidity > 0
                ]
                whole = sum((p.liquidity for p in inside), Decimal(0))
                if whole == 0:
                    self.root = target
                    continue
                paid = left * (1 - self.fee)
                if down:
                    after = 1 / (1 / self.root + paid / whole)
                    after = max(after, target)
                    used = whole * (1 / after - 1 / self.root)
                    out += whole * (self.root - after)
                else:
                    after = min(self.root + paid / whole, target)
                    used = whole * (after - self.root)
                    out += whole * (1 / self.root - 1 / after)
                gross = left if after != target else used / (1 - self.fee)
                for p in inside:
                    p.owed[0 if down else 1] += (gross - used) * p.liquidity / whole
                left -= gross
                self.root = after
            return float(Decimal(amount) - left), float(out)
