"""Safeguards that can be put on any pool: fees that move, and circuit breakers.

A fee may grow with the pool's own recent volatility (as Trader Joe's Liquidity Book and
the fee that is optimal against arbitrage, which is proportional to volatility: Milionis,
Moallemi, Roughgarden 2023) and with its imbalance.

A breaker watches the move of the pool's prices, the imbalance, or the value that has
flowed out, each against the start of a window. A call that would go beyond a limit is
refused and halts the pool; what has gone beyond by the end of a block (proportional
exits are never refused) halts it too. A halted pool trades again after a cool-down, with
a fresh window; until then its providers can still leave in proportion.
"""

from __future__ import annotations

import math

import numpy as np

from protocols.operations import ask_relative
from sim.compiled import kernel


@kernel
def holding(books, pool, k):
    """What a pool holds of its k-th token; nothing of the one that it issues and trades."""
    if k == 0 and not pool.balanced:
        return 0.0
    return books.balances[pool.account, pool.tokens[k]]


@kernel
def value(books, pool):
    """Value of what a pool holds, at the token values of the last block, numeraire."""
    total = 0.0
    for k in range(pool.size):
        total += holding(books, pool, k) * pool.worths[k]
    return total


@kernel
def imbalance(books, pool):
    """How far a pool is from the proportion it is made to have, in [0, 1].

    With u the value of each token over its weight: (max u - min u) / (max u + min u).
    """
    low, high = np.inf, 0.0
    for k in range(pool.size):
        u = holding(books, pool, k) * pool.worths[k] / pool.weights[k]
        low, high = min(low, u), max(high, u)
    return (high - low) / (high + low) if high > 0.0 else 0.0


@kernel
def relative_price(books, pool, k):
    """A pool's price of its first token in its k-th, or of the k-th, up to a constant."""
    return ask_relative(pool.relative_price_at, books, pool, k)


@kernel
def moved(books, pool):
    """Largest move of the log of a pool's prices since its window began."""
    most = 0.0
    for k in range(1, pool.size):
        now, then = relative_price(books, pool, k), pool.references[k]
        if now > 0.0 and then > 0.0:
            most = max(most, abs(math.log(now / then)))
        elif then > 0.0:
            most = np.inf
    return most


@kernel
def beyond(books, pool):
    """Whether a pool is beyond one of its limits now."""
    if pool.most_move > 0.0 and moved(books, pool) > pool.most_move:
        return True
    if pool.most_imbalance > 0.0 and imbalance(books, pool) > pool.most_imbalance:
        return True
    if pool.most_outflow > 0.0:
        return value(books, pool) < (1.0 - pool.most_outflow) * pool.window_value
    return False


@kernel
def begin_window(books, pool, block):
    """Let a pool's limits count from now on."""
    for k in range(1, pool.size):
        pool.references[k] = relative_price(books, pool, k)
    pool.window_value = value(books, pool)
    pool.window_began = block


@kernel
def watch(books, pool, values, block):
    """Set a pool's fee and its breakers for a block.

    Args:
        values: float64[tokens], numeraire per unit.
        block: The block about to be made.
    """
    for k in range(pool.size):
        pool.worths[k] = values[pool.tokens[k]]
    if pool.volatility_fee > 0.0 or pool.imbalance_fee > 0.0:
        _set_fee(books, pool)
    if not pool.guarded:
        return
    if pool.halted and block >= pool.halted_until:
        pool.halted = 0
        begin_window(books, pool, block)
    elif not pool.halted:
        if pool.tripped or beyond(books, pool):
            pool.halted = 1
            pool.halts += 1
            pool.halted_until = block + pool.cool_down
        elif block - pool.window_began >= pool.window:
            begin_window(books, pool, block)
    pool.tripped = 0


@kernel
def _set_fee(books, pool):
    now = relative_price(books, pool, 1)
    if now > 0.0 and pool.last_price > 0.0:
        change = math.log(now / pool.last_price)
        pool.variance += pool.fee_memory * (change * change - pool.variance)
    pool.last_price = now
    fee = pool.base_fee + pool.volatility_fee * math.sqrt(pool.variance)
    if pool.imbalance_fee > 0.0:
        fee += pool.imbalance_fee * imbalance(books, pool)
    pool.fee = min(fee, max(pool.highest_fee, pool.base_fee))
