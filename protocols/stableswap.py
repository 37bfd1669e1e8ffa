"""StableSwap: a pool of n tokens of like value, flat near balance and steep at the edge.

Symbols as in Egorov, "StableSwap: efficient mechanism for stablecoin liquidity"
(2019), with the amplification as in Curve's contracts, Ann = A n:

    Ann S + D = Ann D + D^(n+1) / (n^n prod x_i)

The fee is taken off the output. Entries and exits out of proportion pay half a fee,
``n / (4 (n - 1))`` of it, on what departs from the proportion, and the fee may grow with
imbalance (`dynamic_fee`, as in StableSwap-NG).
"""

from __future__ import annotations

import math

import numpy as np

from sim.compiled import kernel

ROUNDS = 255
"""Steps of Newton's method at most, as in the contracts; five or six are the rule."""
_CLOSE = 1e-16


@kernel
def invariant(balances, amplification):
    """D, by Newton's method on the invariant.

    Args:
        balances: x, float64[n], in units of equal value.
        amplification: A, as in the contracts.

    Returns:
        D; 0 where a balance is empty.
    """
    n = balances.size
    total = 0.0
    for i in range(n):
        if not balances[i] > 0.0:
            return 0.0
        total += balances[i]
    ann = amplification * n
    d = total
    for _ in range(ROUNDS):
        product = d
        for i in range(n):
            product *= d / (n * balances[i])
        before = d
        d = (ann * total + n * product) * d / ((ann - 1.0) * d + (n + 1.0) * product)
        if abs(d - before) <= _CLOSE * d:
            break
    return d


@kernel
def _product(balances, d):
    """D^(n+1) / (n^n prod x)."""
    n = balances.size
    product = d
    for k in range(n):
        product *= d / (n * balances[k])
    return product


@kernel
def _answer(x, ann, others, growth, delta, product):
    """Change of one balance that restores the invariant after the others, and D, have changed.

    The invariant before is subtracted from the one after, which leaves a quadratic in the
    change alone. So it keeps all its digits however small it is beside the balances;
    the contracts' difference of two roots does not, in floating point.

    Args:
        x: The balance, before.
        ann: Ann.
        others: Sum of the changes of the other balances.
        growth: D^(n+1) / prod of the other balances, after over before, less one.
        delta: Change of D.
        product: `_product` before.
    """
    gap = ann * others - (ann - 1.0) * delta - product * growth
    slope = ann * (x + others) - (ann - 1.0) * delta + product
    return -2.0 * x * gap / (slope + math.sqrt(slope * slope - 4.0 * ann * x * gap))


@kernel
def _grown(balances, ann, changes, d):
    """Change of D when balances change, to all its digits (Newton's method)."""
    n = balances.size
    total = added = logs = 0.0
    for k in range(n):
        total += balances[k]
        added += changes[k]
        logs += math.log1p(changes[k] / balances[k])
    product = _product(balances, d)
    delta = d * added / total
    for _ in range(ROUNDS):
        part = product * math.expm1((n + 1.0) * math.log1p(delta / d) - logs)
        gap = ann * added - (ann - 1.0) * delta - part
        step = gap / (ann - 1.0 + (n + 1.0) * (product + part) / (d + delta))
        delta += step
        if abs(step) <= 1e-15 * abs(delta):
            break
    return delta


@kernel
def dynamic_fee(x_i, x_j, fee, multiplier):
    """Fee of a swap between two balances, larger where they are apart (StableSwap-NG).

    ``m f / ((m - 1) 4 x_i x_j / (x_i + x_j)^2 + 1)``: f at balance, m f at the edge.

    Args:
        x_i: Mean balance over the swap of the token paid in.
        x_j: And of the one received.
        fee: f.
        multiplier: m; up to 1 the fee is f.
    """
    if multiplier <= 1.0:
        return fee
    total = x_i + x_j
    balance = 4.0 * x_i * x_j / (total * total)
    return multiplier * fee / ((multiplier - 1.0) * balance + 1.0)


@kernel
def exchange(balances, amplification, i, j, amount_in, fee, multiplier):
    """What a swap gives, and the fee that it paid.

    Args:
        balances: x, float64[n], in units of equal value.
        amplification: A, as in the contracts.
        i: Index of the token paid in.
        j: Index of the token received.
        amount_in: In the same units, >= 0.
        fee: Share of the output.
        multiplier: Of `dynamic_fee`.

    Returns:
        (net amount, fee), in the same units.
    """
    d = invariant(balances, amplification)
    ann = amplification * balances.size
    growth = -amount_in / (balances[i] + amount_in)
    gross = -_answer(balances[j], ann, amount_in, growth, 0.0, _product(balances, d))
    # Balances are means over the swap, as in StableSwap-NG.
    rate = dynamic_fee(balances[i] + amount_in / 2.0, balances[j] - gross / 2.0, fee, multiplier)
    return gross * (1.0 - rate), gross * rate


@kernel
def amount_out(balances, amplification, i, j, amount_in, fee):
    """What a swap gives, the fee taken off; arguments as of `exchange`.

    Returns:
        Net amount, in units of equal value.
    """
    return exchange(balances, amplification, i, j, amount_in, fee, 1.0)[0]


@kernel
def spot_price(balances, amplification, i, j):
    """Marginal price of token i in units of token j, without fee.

    ``(Ann + c / x_i) / (Ann + c / x_j)``, ``c = D^(n+1) / (n^n prod x)``.

    Args:
        balances: x, float64[n], in units of equal value.
        amplification: A.
        i: Index of the token that is priced.
        j: Index of the token in which.
    """
    ann = amplification * balances.size
    c = _product(balances, invariant(balances, amplification))
    return (ann + c / balances[i]) / (ann + c / balances[j])


@kernel
def _imbalance_fee(fee, n):
    return fee * n / (4.0 * (n - 1.0))


@kernel
def entry(balances, amplification, amounts, supply, fee, multiplier, fees):
    """Shares for an entry with any amounts, and the fees that it paid.

    What departs from the proportion of the pool pays the imbalance fee.

    Args:
        balances: x before, float64[n], in units of equal value.
        amplification: A.
        amounts: float64[n], in the same units.
        supply: Shares that there are; 0: the first entry, which receives D.
        fee: Share, of a swap.
        multiplier: Of `dynamic_fee`.
        fees: float64[n], written: the imbalance fee in each token.
    """
    n = balances.size
    fees[:] = 0.0
    if supply <= 0.0:
        return invariant(balances + amounts, amplification)
    ann = amplification * n
    d0 = invariant(balances, amplification)
    delta = _grown(balances, ann, amounts, d0)
    base = _imbalance_fee(fee, n)
    mean = (2.0 * d0 + delta) / n
    counted = amounts.copy()
    for k in range(n):
        off = amounts[k] - delta * balances[k] / d0
        part = dynamic_fee(2.0 * balances[k] + amounts[k], mean, base, multiplier)
        fees[k] = part * abs(off)
        counted[k] -= fees[k]
    return supply * _grown(balances, ann, counted, d0) / d0


@kernel
def shares_for(balances, amplification, amounts, supply, fee, multiplier):
    """Shares for an entry with any amounts; arguments as of `entry`."""
    fees = np.empty(balances.size)
    return entry(balances, amplification, amounts, supply, fee, multiplier, fees)


@kernel
def exit_to_one(balances, amplification, shares, supply, j, fee, multiplier):
    """What an exit into one token gives for shares, and its fee.

    Args:
        balances: x, float64[n], in units of equal value.
        amplification: A.
        shares: Given back.
        supply: That there are.
        j: Index of the token.
        fee: Share, of a swap.
        multiplier: Of `dynamic_fee`.

    Returns:
        (net amount, fee), in the same units; nothing for all the shares there are, of
        which one token cannot be the proceeds.
    """
    if shares >= supply:
        return 0.0, 0.0
    n = balances.size
    ann = amplification * n
    d0 = invariant(balances, amplification)
    product = _product(balances, d0)
    given = shares / supply
    delta = -given * d0
    shrunk = (n + 1.0) * math.log1p(-given)
    free = -_answer(balances[j], ann, 0.0, math.expm1(shrunk), delta, product)
    base = _imbalance_fee(fee, n)
    mean = (2.0 * d0 + delta) / (2.0 * n)
    others = 0.0
    logs = shrunk
    kept = 0.0
    for k in range(n):
        if k == j:
            part = dynamic_fee(balances[k] - free / 2.0, mean, base, multiplier)
            kept = part * (free - given * balances[k])
        else:
            part = dynamic_fee(balances[k], mean, base, multiplier)
            change = -part * given * balances[k]
            others += change
            logs -= math.log1p(change / balances[k])
    out = -_answer(balances[j], ann, others, math.expm1(logs), delta, product) - kept
    out = max(out, 0.0)
    return out, max(free - out, 0.0)


@kernel
def one_for_shares(balances, amplification, shares, supply, j, fee, multiplier):
    """What an exit into one token gives for shares, net; arguments as of `exit_to_one`."""
    return exit_to_one(balances, amplification, shares, supply, j, fee, multiplier)[0]


@kernel
def balances_at(price, amplification):
    """Balances of a pool of two tokens at which the first has a price, and D is one.

    The price falls as the first token's share grows, so that share is found by halving.
    """
    low, high = 0.0, 1.0
    found = np.empty(2)
    for _ in range(100):
        share = 0.5 * (low + high)
        found[0], found[1] = share, 1.0 - share
        if not (found[0] > 0.0 and found[1] > 0.0):
            break
        if spot_price(found, amplification, 0, 1) > price:
            low = share
        else:
            high = share
    return found / invariant(found, amplification)


@kernel
def amplification_at(block, first, target, starts, ends):
    """A on a straight line between two blocks, as the contracts ramp it.

    Args:
        block: Number of the block.
        first: A at and before `starts`.
        target: A at and after `ends`.
        starts: Block.
        ends: Block; A stays as it is where it is not after `starts`.
    """
    if ends <= starts or block <= starts:
        return first
    if block >= ends:
        return target
    return first + (target - first) * (block - starts) / (ends - starts)
