"""What all kinds of pools do, one beside the other: price, quote, swap, entry and exit.

Each kind's mathematics is in a file of its own. Here it is applied to the ledger, so
that blocks, agents, oracles and measures need not know which kind a pool is.
"""

from __future__ import annotations

import math

import numpy as np

from protocols import constant_product, stableswap, weighted
from protocols.pool import CONSTANT_PRODUCT, STABLESWAP, WEIGHTED, count_fee, count_swap, position
from sim.codes import Reason
from sim.compiled import kernel
from sim.ledger import burn, mint, transfer


@kernel
def reserves(books, pool):
    """What a pool holds, float64[n], in its order."""
    found = np.empty(pool.size)
    for k in range(pool.size):
        found[k] = books.balances[pool.account, pool.tokens[k]]
    return found


@kernel
def spot_price(books, pool, i, o):
    """Marginal price of the i-th token in the o-th, without fee; NaN where one is empty."""
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return np.nan
    if pool.kind == CONSTANT_PRODUCT:
        return y / x
    if pool.kind == WEIGHTED:
        return weighted.spot_price(x, pool.weights[i], y, pool.weights[o])
    return stableswap.spot_price(reserves(books, pool), pool.amplification, i, o)


@kernel
def priced(books, pool, i, o, amount):
    """What a swap would give.

    Returns:
        (amount out, fee in the token paid in, fee in the token received).
    """
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0 and amount > 0.0):
        return 0.0, 0.0, 0.0
    if pool.kind == CONSTANT_PRODUCT:
        return constant_product.amount_out(x, y, amount, pool.fee), amount * pool.fee, 0.0
    if pool.kind == WEIGHTED:
        out = weighted.amount_out(x, pool.weights[i], y, pool.weights[o], amount, pool.fee)
        return out, amount * pool.fee, 0.0
    out, fee = stableswap.exchange(
        reserves(books, pool), pool.amplification, i, o, amount, pool.fee, pool.fee_multiplier
    )
    return out, 0.0, fee


@kernel
def quote(books, pool, i, o, amount):
    """Amount of the o-th token that a swap of an amount of the i-th would give now."""
    return priced(books, pool, i, o, amount)[0]


@kernel
def swap(books, pool, sender, token_in, token_out, amount, minimum):
    """Swap at a pool's price.

    Args:
        amount: Token units paid in, fee included.
        minimum: Least amount to receive, else the call fails.

    Returns:
        (reason, amount out).
    """
    i, o = position(pool, token_in), position(pool, token_out)
    if i < 0 or o < 0 or i == o or not amount > 0.0:
        return Reason.INVALID, 0.0
    x, y = books.balances[pool.account, token_in], books.balances[pool.account, token_out]
    if x <= 0.0 or y <= 0.0:
        return Reason.EMPTY_POOL, 0.0
    out, fee_in, fee_out = priced(books, pool, i, o, amount)
    if not out >= minimum:
        return Reason.LIMIT, 0.0
    if not transfer(books, sender, pool.account, token_in, amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    transfer(books, pool.account, sender, token_out, out)
    if pool.protocol_fee > 0.0:
        token, fee = (token_in, fee_in) if fee_in > 0.0 else (token_out, fee_out)
        transfer(books, pool.account, pool.treasury, token, fee * pool.protocol_fee)
    count_swap(books, pool, i, amount, fee_in)
    if fee_out > 0.0:
        count_fee(books, pool, o, fee_out)
    return Reason.DONE, out


@kernel
def add(books, pool, sender, amount_0, amount_1, minimum):
    """Add tokens for shares.

    A constant-product pool takes both in its proportion, at most the given amounts. The
    other kinds take the amounts as they are, one of which may be 0, and what departs
    from the proportion pays a fee.

    Returns:
        (reason, shares).
    """
    if pool.kind == CONSTANT_PRODUCT:
        return constant_product.add(books, pool, sender, amount_0, amount_1, minimum)
    if not (amount_0 >= 0.0 and amount_1 >= 0.0 and amount_0 + amount_1 > 0.0):
        return Reason.INVALID, 0.0
    supply = books.supply[pool.share]
    held = reserves(books, pool)
    amounts = np.zeros(pool.size)
    amounts[0], amounts[1] = amount_0, amount_1
    empty = supply <= 0.0 or not (held[0] > 0.0 and held[1] > 0.0)
    if empty and not (amount_0 > 0.0 and amount_1 > 0.0):
        return Reason.INVALID, 0.0
    if pool.kind == WEIGHTED:
        if empty:
            shares = weighted.invariant(held + amounts, pool.weights[: pool.size])
        else:
            shares = weighted.shares_for(held, pool.weights[: pool.size], amounts, supply, pool.fee)
    else:
        shares = stableswap.shares_for(
            held,
            pool.amplification,
            amounts,
            0.0 if empty else supply,
            pool.fee,
            pool.fee_multiplier,
        )
    if not shares >= minimum or not shares > 0.0:
        return Reason.LIMIT, 0.0
    for k in range(pool.size):
        if amounts[k] > 0.0 and not transfer(
            books, sender, pool.account, pool.tokens[k], amounts[k]
        ):
            return Reason.INSUFFICIENT_BALANCE, 0.0
    mint(books, sender, pool.share, shares)
    return Reason.DONE, shares


@kernel
def remove(books, pool, sender, token, shares, minimum):
    """Give shares back, for a part of all reserves or for one token.

    Args:
        token: The one to receive; one that the pool does not hold (its share, say): all.
        minimum: Least amount to receive, of that token or of the pool's first.

    Returns:
        (reason, amount of that token, or of the pool's last).
    """
    o = position(pool, token)
    if o < 0 or pool.kind == CONSTANT_PRODUCT:
        return constant_product.remove(books, pool, sender, shares, minimum)
    supply = books.supply[pool.share]
    if not shares > 0.0 or supply <= 0.0:
        return Reason.INVALID, 0.0
    held = reserves(books, pool)
    if pool.kind == WEIGHTED:
        out = weighted.one_for_shares(held[o], pool.weights[o], shares, supply, pool.fee)
    else:
        out = stableswap.one_for_shares(
            held, pool.amplification, shares, supply, o, pool.fee, pool.fee_multiplier
        )
    if not out >= minimum or not out > 0.0:
        return Reason.LIMIT, 0.0
    if not burn(books, sender, pool.share, shares):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    transfer(books, pool.account, sender, token, out)
    return Reason.DONE, out


@kernel
def move(pool, block):
    """Let weights and amplification be what their schedule says for a block."""
    if pool.moves_until <= pool.moves_from:
        return
    if pool.kind == WEIGHTED:
        n = pool.size
        weighted.weights_at(
            block,
            pool.first_weights[:n],
            pool.target_weights[:n],
            pool.moves_from,
            pool.moves_until,
            pool.weights[:n],
        )
    elif pool.kind == STABLESWAP:
        pool.amplification = stableswap.amplification_at(
            block,
            pool.first_amplification,
            pool.target_amplification,
            pool.moves_from,
            pool.moves_until,
        )


@kernel
def depth(books, pool, fall):
    """Amount of the first token whose sale lowers the price by a share.

    Args:
        fall: Share, such as 0.01.
    """
    x = books.balances[pool.account, pool.tokens[0]]
    kept = 1.0 - fall
    if pool.kind == CONSTANT_PRODUCT:
        return x * (1.0 / math.sqrt(kept) - 1.0) / (1.0 - pool.fee)
    if pool.kind == WEIGHTED:
        power = 1.0 / (1.0 + pool.weights[0] / pool.weights[1])
        return x * math.expm1(-power * math.log(kept)) / (1.0 - pool.fee)
    held = reserves(books, pool)
    target = stableswap.spot_price(held, pool.amplification, 0, 1) * kept
    low, high = 0.0, x + held[1]
    for _ in range(50):  # the price falls as more is sold
        sold = 0.5 * (low + high)
        after = held.copy()
        after[0] += sold
        after[1] -= stableswap.amount_out(held, pool.amplification, 0, 1, sold, 0.0)
        if after[1] > 0.0 and stableswap.spot_price(after, pool.amplification, 0, 1) > target:
            low = sold
        else:
            high = sold
    return 0.5 * (low + high)


@kernel
def impermanent_loss(books, pool):
    """Value of the reserves at the pool's price over that of holding, less one, without fees."""
    price = spot_price(books, pool, 0, 1)
    if pool.kind == CONSTANT_PRODUCT:
        return constant_product.impermanent_loss(price / (pool.start[1] / pool.start[0]))
    if pool.kind == WEIGHTED:
        if pool.moves_until > pool.moves_from:
            return np.nan  # a schedule sells by itself; provider_return has all of it
        first = weighted.spot_price(pool.start[0], pool.weights[0], pool.start[1], pool.weights[1])
        return weighted.impermanent_loss(price / first, pool.weights[0])
    start = pool.start[:2].copy()
    now = stableswap.balances_at(price, pool.first_amplification)
    now *= stableswap.invariant(start, pool.first_amplification)
    return (now[0] * price + now[1]) / (start[0] * price + start[1]) - 1.0
