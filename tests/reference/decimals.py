"""StableSwap and weighted pools to sixty digits, straight from their invariants.

Nothing here is clever: each new balance is the root of the invariant itself, and
what a trade gives is the difference of two balances, which sixty digits can afford.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

DIGITS = 60


def invariant(x: Sequence[Decimal], a: Decimal) -> Decimal:
    """D of Ann S + D = Ann D + D^(n+1) / (n^n prod x), Ann = A n."""
    n = len(x)
    ann = a * n
    d = sum(x)
    for _ in range(300):
        product = d
        for v in x:
            product *= d / (n * v)
        before = d
        d = (ann * sum(x) + n * product) * d / ((ann - 1) * d + (n + 1) * product)
        if abs(d - before) < d * Decimal(10) ** (5 - DIGITS):
            return d
    raise ArithmeticError("no invariant")


def balance(x: Sequence[Decimal], a: Decimal, j: int, d: Decimal) -> Decimal:
    """x_j at which the invariant is D."""
    n = len(x)
    ann = a * n
    c, others = d, Decimal(0)
    for k, v in enumerate(x):
        if k != j:
            others += v
            c *= d / (n * v)
    c *= d / (n * ann)
    b = others + d / ann - d
    return ((b * b + 4 * c).sqrt() - b) / 2


def dynamic_fee(xi: Decimal, xj: Decimal, fee: Decimal, m: Decimal) -> Decimal:
    """Fee of StableSwap-NG."""
    if m <= 1:
        return fee
    return m * fee / ((m - 1) * 4 * xi * xj / (xi + xj) ** 2 + 1)


def exact(values: Sequence[float]) -> list[Decimal]:
    """Floats as the numbers that they are."""
    return [Decimal(v) for v in values]


def stable_out(
    x: Sequence[float], a: float, i: int, j: int, dx: float, fee: float, m: float = 1.0
) -> float:
    """Net output of a swap."""
    with localcontext() as context:
        context.prec = DIGITS
        xs, big = exact(x), Decimal(a)
        d = invariant(xs, big)
        after = list(xs)
        after[i] += Decimal(dx)
        y = balance(after, big, j, d)
        mean_i, mean_j = (xs[i] + after[i]) / 2, (xs[j] + y) / 2
        rate = dynamic_fee(mean_i, mean_j, Decimal(fee), Decimal(m))
        return float((xs[j] - y) * (1 - rate))


def stable_shares(
    x: Sequence[float], a: float, amounts: Sequence[float], supply: float, fee: float, m: float
) -> float:
    """Shares for an entry."""
    with localcontext() as context:
        context.prec = DIGITS
        xs, big, n = exact(x), Decimal(a), len(x)
        after = [v + w for v, w in zip(xs, exact(amounts), strict=True)]
        d0, d1 = invariant(xs, big), invariant(after, big)
        base = Decimal(fee) * n / (4 * (n - 1))
        counted = list(after)
        for k in range(n):
            ideal = d1 * xs[k] / d0
            rate = dynamic_fee(xs[k] + after[k], (d0 + d1) / n, base, Decimal(m))
            counted[k] -= rate * abs(ideal - after[k])
        return float(Decimal(supply) * (invariant(counted, big) - d0) / d0)


def stable_one(
    x: Sequence[float], a: float, shares: float, supply: float, j: int, fee: float, m: float
) -> float:
    """Net output of an exit into one token."""
    with localcontext() as context:
        context.prec = DIGITS
        xs, big, n = exact(x), Decimal(a), len(x)
        d0 = invariant(xs, big)
        d1 = d0 - Decimal(shares) * d0 / Decimal(supply)
        y = balance(xs, big, j, d1)
        base = Decimal(fee) * n / (4 * (n - 1))
        reduced = list(xs)
        for k in range(n):
            expected = xs[k] * d1 / d0 - y if k == j else xs[k] - xs[k] * d1 / d0
            mean = (xs[k] + y) / 2 if k == j else xs[k]
            reduced[k] -= dynamic_fee(mean, (d0 + d1) / (2 * n), base, Decimal(m)) * expected
        return float(reduced[j] - balance(reduced, big, j, d1))


def weighted_out(bi: float, wi: float, bo: float, wo: float, amount: float, fee: float) -> float:
    """Output of a swap in a weighted pool."""
    with localcontext() as context:
        context.prec = DIGITS
        b, paid = Decimal(bi), Decimal(amount) * (1 - Decimal(fee))
        return float(Decimal(bo) * (1 - (b / (b + paid)) ** (Decimal(wi) / Decimal(wo))))


def weighted_shares(
    b: Sequence[float], w: Sequence[float], amounts: Sequence[float], supply: float, fee: float
) -> float:
    """Shares for an entry into a weighted pool (Balancer v2, exact tokens in)."""
    with localcontext() as context:
        context.prec = DIGITS
        bs, ws, fs = exact(b), exact(w), exact(amounts)
        ws = [x / sum(ws) for x in ws]  # floats sum to one but for their last bit
        ratios = [(v + f) / v for v, f in zip(bs, fs, strict=True)]
        ideal = sum(x * r for x, r in zip(ws, ratios, strict=True))
        grown = Decimal(1)
        for v, x, f, r in zip(bs, ws, fs, ratios, strict=True):
            if r > ideal:
                free = v * (ideal - 1)
                f = free + (f - free) * (1 - Decimal(fee))
            grown *= ((v + f) / v) ** x
        return float(Decimal(supply) * (grown - 1))


def weighted_one(b: float, w: float, shares: float, supply: float, fee: float) -> float:
    """Output of an exit into one token of a weighted pool."""
    with localcontext() as context:
        context.prec = DIGITS
        left = (1 - Decimal(shares) / Decimal(supply)) ** (1 / Decimal(w))
        gross = Decimal(b) * (1 - left)
        return float(gross * (1 - (1 - Decimal(w)) * Decimal(fee)))
