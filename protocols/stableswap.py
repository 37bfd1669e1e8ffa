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
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from protocols import amm
from protocols.curve import Curve, enter_by_amounts, exposure_of_depth, fill_by_amounts
from protocols.pool_settings import MovingSettings, PoolSettings
from sim.arrays import least
from sim.compiled import inner, kernel
from sim.distribution import Positive
from sim.errors import Problem
from sim.fields import reach
from sim.names import share_name

ROUNDS = 255
"""Steps of Newton's method at most, as in the contracts; five or six are the rule."""
_CLOSE = 1e-16


class StableSwapSettings(MovingSettings):
    """A StableSwap pool."""

    kind: Literal["stableswap"] = "stableswap"
    rates: dict[str, Positive] | None = Field(
        None, description="Value of a unit of each token, relative to the others."
    )
    amplification: Annotated[float, Field(gt=0.0, le=1e6)] = Field(
        100.0,
        description="Amplification coefficient A, as in the contracts.",
        json_schema_extra=reach("A", 1.0, 5000.0, log=True),
    )
    target_amplification: Annotated[float, Field(gt=0.0, le=1e6)] | None = Field(
        None, description="A towards which it ramps."
    )
    fee_multiplier: Annotated[float, Field(ge=1.0, le=1000.0)] = Field(
        1.0, description="Multiple of the fee far from balance."
    )

    @property
    def target(self) -> tuple[str, Any]:
        """A."""
        return "target_amplification", self.target_amplification

    def problems(self, name: str) -> list[Problem]:
        """Whether rates are those of its tokens."""
        found = super().problems(name)
        if self.rates is not None and not set(self.rates) <= set(self.tokens):
            text = f"must be of {' and '.join(self.tokens)}, not {' and '.join(self.rates)}"
            found.append(("rates", text))
        return found

    def write(self, record: Any, pools: Mapping[str, PoolSettings]) -> None:
        """Write A, and what each token is worth beside the others: of a pool's share, by it."""
        super().write(record, pools)
        record["amplification"] = record["first_amplification"] = self.amplification
        record["target_amplification"] = self.target_amplification or self.amplification
        record["fee_multiplier"] = self.fee_multiplier
        record["rates"], record["rate_pools"] = 1.0, -1
        bases = {share_name(p): n for n, p in enumerate(pools) if pools[p].kind == self.kind}
        for i, token in enumerate(self.tokens):
            record["rates"][i] = (self.rates or {}).get(token, 1.0)
            record["rate_pools"][i] = bases.get(token, -1)


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


# Of a pool, as `protocols.curve.Curve` has them


@inner
def scaled(books, pool):
    """What a pool holds, float64[n], in units of equal value."""
    found = amm.reserves(books, pool)
    for k in range(pool.size):
        found[k] *= pool.rates[k]
    return found


@inner
def price_of_pool(books, pool, i, o):
    """`amm.spot_price`."""
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return np.nan
    price = spot_price(scaled(books, pool), pool.amplification, i, o)
    return price * pool.rates[i] / pool.rates[o]


@inner
def priced_by_pool(books, pool, i, o, amount):
    """`amm.priced`."""
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return 0.0, 0.0, 0.0
    out, fee = exchange(
        scaled(books, pool),
        pool.amplification,
        i,
        o,
        amount * pool.rates[i],
        pool.fee,
        pool.fee_multiplier,
    )
    return out / pool.rates[o], 0.0, fee / pool.rates[o]


@inner
def shares_of_pool(books, pool, held, amounts, supply, fees):
    """Shares for amounts as they are."""
    rates = pool.rates[: pool.size]
    shares = entry(
        held * rates,
        pool.amplification,
        amounts * rates,
        supply,
        pool.fee,
        pool.fee_multiplier,
        fees,
    )
    fees /= rates
    return shares


@inner
def one_of_pool(books, pool, o, shares):
    """The o-th token for shares, and its fee."""
    out, fee = exit_to_one(
        scaled(books, pool),
        pool.amplification,
        shares,
        books.supply[pool.share],
        o,
        pool.fee,
        pool.fee_multiplier,
    )
    return out / pool.rates[o], fee / pool.rates[o]


@inner
def virtual_price(books, pool):
    """What a share is worth in the pool's tokens: D / supply, as in Curve."""
    supply = books.supply[pool.share]
    if supply <= 0.0:
        return 1.0
    return invariant(scaled(books, pool), pool.amplification) / supply


@inner
def move_pool(books, pools, p, block):
    """`amm.move`: rates of other pools' shares, and the ramp of A."""
    pool = pools[p]
    for k in range(pool.size):
        base = pool.rate_pools[k]
        if base >= 0:
            pool.rates[k] = amm.rate_of_share(books, pools[base])
    if pool.moves_until > pool.moves_from:
        pool.amplification = amplification_at(
            block,
            pool.first_amplification,
            pool.target_amplification,
            pool.moves_from,
            pool.moves_until,
        )


@inner
def relative_price_of_pool(books, pool, k):
    """The price that breakers and fees watch."""
    held = scaled(books, pool)
    return spot_price(held, pool.amplification, 0, k) if least(held) > 0.0 else 0.0


@inner
def depth_of_pool(books, pool, fall):
    """`amm.depth`: the fee is taken off what is received, and is no part of the price."""
    last = pool.size - 1
    price = amm.spot_price(books, pool, 0, last)
    if not price > 0.0:
        return np.nan
    fee, multiplier = pool.fee, pool.fee_multiplier
    pool.fee, pool.fee_multiplier = 0.0, 1.0
    found = amm.amount_to_rate(books, pool, 0, last, price * (1.0 - fall))
    pool.fee, pool.fee_multiplier = fee, multiplier
    return found


@inner
def exposure_of_pool(books, pool):
    """`amm.exposure_to_price`: the depth is without a fee."""
    return exposure_of_depth(books, pool, 1.0)


@inner
def loss_of_pool(books, pool, values):
    """`amm.impermanent_loss`, of any number of tokens: reserves per D, now over the start's.

    The invariant is homogeneous, so reserves over D are what a curve of D = 1 holds at
    the same prices: fees raise D and fall out.
    """
    n = pool.size
    held = scaled(books, pool)
    start = pool.start[:n] * pool.rates[:n]
    if not least(held) > 0.0:
        return np.nan
    now = then = 0.0
    for k in range(n):
        value = values[pool.tokens[k]] / pool.rates[k]
        now += held[k] * value
        then += start[k] * value
    now /= invariant(held, pool.amplification)
    then /= invariant(start, pool.amplification)
    return now / then - 1.0


@inner
def loss_since_price(books, pool, first, value_0, value_1):
    """`amm.loss_since`: of the balances at both prices."""
    price = amm.spot_price(books, pool, 0, 1)
    turn = pool.rates[1] / pool.rates[0]
    then = balances_at(first * turn, pool.amplification)
    now = balances_at(price * turn, pool.amplification)
    market = value_0 / value_1 * turn
    return (now[0] * market + now[1]) / (then[0] * market + then[1]) - 1.0


@inner
def fair_share_of_pool(books, pool, prices):
    """`amm.fair_share_price`: virtual price times the least of the prices, as Curve's oracles."""
    least = np.inf
    for k in range(pool.size):
        least = min(least, prices[k] / pool.rates[k])
    return virtual_price(books, pool) * least


CURVE = Curve(
    price=price_of_pool,
    priced=priced_by_pool,
    enter=enter_by_amounts,
    fill=fill_by_amounts,
    shares_for=shares_of_pool,
    one_for_shares=one_of_pool,
    move=move_pool,
    relative_price=relative_price_of_pool,
    depth=depth_of_pool,
    exposure=exposure_of_pool,
    loss=loss_of_pool,
    loss_since=loss_since_price,
    fair=fair_share_of_pool,
    rate_of_share=virtual_price,
)
