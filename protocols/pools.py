"""Pools as a block meets them: their calls, what they do between blocks, what they are worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from protocols import amm, safeguards
from protocols.pool import COUNTERS
from sim.codes import ALL, PREVIOUS, Kind
from sim.compiled import inner
from sim.losses import accounted, note_fees
from sim.measures import market_price, note_claim
from sim.registry import register_call
from sim.tasks import Stage, Task, end_call, register_task

# Calls


@inner
def _asked(w):
    """Place of the pool, sender and both tokens of the call under way; a place of -1: no pool.

    One width of integers everywhere, or every callee would be compiled for each.
    """
    call = w.mempool[w.under_way[0].call_place]
    place = np.int64(call.protocol)
    if not 0 <= place < w.pools.size:
        place = np.int64(-1)
    return place, np.int64(call.sender), np.int64(call.token_in), np.int64(call.token_out)


@inner
def swap(w):
    """The call SWAP."""
    place, sender, token_in, token_out = _asked(w)
    if place < 0:
        return
    under_way = w.under_way[0]
    call = w.mempool[under_way.call_place]
    amount = under_way.call_in
    if amount == ALL:
        amount = w.books.balances[sender, token_in]
    pool = w.pools[place]
    reason, out = amm.swap(w.books, pool, sender, token_in, token_out, amount, call.limit)
    end_call(w, reason, amount, out)
    worth = amount * w.prices[token_in]  # what a route passes on cancels out
    under_way.bundle_paid += worth - out * w.prices[token_out]
    if call.amount != PREVIOUS:
        under_way.bundle_traded += worth


@inner
def add_liquidity(w):
    """The call ADD_LIQUIDITY."""
    place, sender, token_in, token_out = _asked(w)
    if place < 0:
        return
    call = w.mempool[w.under_way[0].call_place]
    amount = w.under_way[0].call_in
    reason, out = amm.add(
        w.books,
        w.pools[place],
        sender,
        token_in,
        token_out,
        amount,
        call.second,
        call.limit,
        np.int64(call.lower),
        np.int64(call.upper),
    )
    end_call(w, reason, amount, out)


@inner
def remove_liquidity(w):
    """The call REMOVE_LIQUIDITY."""
    place, sender, _, token_out = _asked(w)
    if place < 0:
        return
    pool, call = w.pools[place], w.mempool[w.under_way[0].call_place]
    lower, upper = np.int64(call.lower), np.int64(call.upper)
    amount = w.under_way[0].call_in
    if amount == ALL:
        amount = amm.held(w.books, pool, sender, lower, upper)
    reason, out = amm.remove(w.books, pool, sender, token_out, amount, call.limit, lower, upper)
    end_call(w, reason, amount, out)


register_call(Kind.SWAP, swap, of="pools")
register_call(Kind.ADD_LIQUIDITY, add_liquidity, of="pools")
register_call(Kind.REMOVE_LIQUIDITY, remove_liquidity, of="pools")

# Between blocks


@inner
def value_shares(w):
    """Value of a unit of each pool's share: its part of the reserves."""
    for p in range(w.pools.size):
        pool = w.pools[p]
        supply = w.books.supply[pool.share]
        w.values[pool.share] = amm.worth(w.books, pool, w.values) / supply if supply > 0.0 else 0.0


@inner
def settle_pools(w):
    """Value the swaps of the block just made, at the venue's prices of its start."""
    s = w.books.storage
    for p in range(w.pools.size):
        pool = w.pools[p]
        worth = 0.0
        for i in range(pool.size):
            slot = pool.slot + COUNTERS * i
            price = market_price(w, pool.tokens[i])
            worth += w.books.balances[pool.account, pool.tokens[i]] * price
            paid = s[slot] - pool.seen[i]
            if paid > 0.0:
                pool.volume += paid * price
                pool.markout += paid * price
                pool.seen[i] = s[slot]
            fee = s[slot + 1] - pool.seen_fees[i]
            if fee > 0.0:
                pool.fees += fee * price
                pool.seen_fees[i] = s[slot + 1]
            out = s[slot + 2] - pool.seen_out[i]
            if out > 0.0:
                pool.markout -= out * price
                pool.seen_out[i] = s[slot + 2]
        pool.value_sum += worth


@inner
def move_pools(w):
    """Let pools move on for the next block."""
    for p in range(w.pools.size):
        amm.move(w.books, w.pools, p, w.chain[0].block + 1)


@inner
def guard_pools(w):
    """Set fees, breakers and weights of the next block."""
    for p in range(w.pools.size):
        safeguards.watch(w.books, w.pools[p], w.values, w.chain[0].block + 1)
        amm.follow_prices(w.books, w.pools[p])


@inner
def claim_positions(w):
    """What positions hold that are no tokens."""
    for p in range(w.pools.size):
        pool = w.pools[p]
        w.asked[0].owing = pool.account
        for n in range(amm.claims(w.books, pool)):
            owner, first, second = amm.claim(w.books, pool, n)
            note_claim(w, owner, pool.tokens[0], first)
            note_claim(w, owner, pool.tokens[1], second)


@inner
def tell_fees(w):
    """Fees of all pools since the start."""
    for p in range(w.pools.size):
        pool = w.pools[p]
        for i in range(pool.size):
            fees = w.books.storage[pool.slot + COUNTERS * i + 1]
            note_fees(w, pool.account, pool.tokens[i], fees)


def _has_pools(w: Any) -> bool:
    return len(w.pools) > 0


def _is_guarded(w: Any) -> bool:
    rules = w.rules[0]
    return _has_pools(w) and bool(rules["nested"] or rules["guarded"])


def _has_ranges(w: Any) -> bool:
    return bool(w.rules[0]["ranges"])


register_task(Task(Stage.VALUE, 10, value_shares, _has_pools))
register_task(Task(Stage.COUNTERS, 10, tell_fees, lambda w: _has_pools(w) and accounted(w)))
register_task(Task(Stage.CLOSE, 30, settle_pools, _has_pools))
register_task(Task(Stage.CLOSE, 40, move_pools, _has_pools))
register_task(Task(Stage.GUARD, 20, guard_pools, _is_guarded))
register_task(Task(Stage.CLAIM, 10, claim_positions, _has_ranges))
