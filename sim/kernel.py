"""The compiled block: the phases of `sim.market.Market.step`, and a loop over them."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import block, registry, venue
from sim.codes import Phase
from sim.compiled import call_at, call_with, inner, kernel
from sim.ledger import worst_leak
from sim.measures import measure, sum_classes, value_tokens
from sim.randomness import block_key
from sim.structure import structure_at
from sim.tasks import Stage, run_stage
from sim.world import World

FINE, LEAK, NEGATIVE, WAITING = range(4)


@kernel
def move_outside_prices(w):
    """Start the next block and move the venue's prices."""
    chain = w.chain[0]
    rules = w.rules[0]
    chain.block += 1
    chain.key = block_key(rules.stream, chain.block)
    venue.move(w.books, w.assets, w.cholesky, w.paths, chain.block)
    if w.quotes.size > 0:
        venue.add_quotes(w.assets, w.quotes, chain.block)


@kernel
def read(w):
    """Let protocols read prices, and see what is in danger."""
    run_stage(w, Stage.READ)


@kernel
def let_agents_decide(w):
    """Let every compiled cohort send its transactions; those that watch the mempool last."""
    number = w.chain[0].block
    watchers = False
    for n in range(2 * w.cohorts.size):
        late = n >= w.cohorts.size
        if late and not watchers:
            return
        c = n - w.cohorts.size if late else n
        cohort = w.cohorts[c]
        if cohort.address == 0 or cohort.size == 0:
            continue
        watchers = watchers or cohort.watches == 1
        if (cohort.watches == 1) != late:
            continue
        cohort.key = block_key(cohort.stream, number)
        call_at(cohort.address, w, structure_at(cohort.me))


@kernel
def close(w):
    """Charge interest, value the block's swaps, and let protocols move on for the next block."""
    rules = w.rules[0]
    run_stage(w, Stage.CLOSE)
    if rules.nested or rules.guarded:
        value_tokens(w)
        run_stage(w, Stage.GUARD)


@kernel
def take_measures(w):
    """Write a row of measures if this block is one of those that are collected."""
    number = w.chain[0].block
    if w.rows[0] < w.table.shape[0] and number % w.rows[1] == 0:
        measure(w, number)


@kernel
def audit(w, tolerance):
    """Check the books. Returns FINE, LEAK or NEGATIVE."""
    sound = sum_classes(w)
    sums = np.zeros(w.books.supply.size)
    for c in range(w.sums.shape[0]):
        sums += w.sums[c]
    gap, _ = worst_leak(w.books, sums, w.rules[0].venue)
    if not gap <= tolerance:
        return LEAK
    if not sound:
        return NEGATIVE
    w.asked[0].leak = 0.0
    run_stage(w, Stage.AUDIT)
    if not w.asked[0].leak <= tolerance:
        return LEAK
    return FINE


@kernel
def advance(w, blocks, audit_every, tolerance, executed):
    """Make blocks until so many are made, or Python has something to do.

    That is to empty a buffer, or to carry out the calls of a plain protocol: then the
    block is made as far as its execution, and `chain.stopped` says where it waits.

    Args:
        blocks: Most blocks to make.
        audit_every: Blocks between two sums over the whole ledger.
        tolerance: Relative leak that passes as rounding.
        executed: Whether the first of them has been executed, after it had waited.

    Returns:
        (blocks made, how the last audit ended, or WAITING).
    """
    chain = w.chain[0]
    rules = w.rules[0]
    for made in range(blocks):
        if not executed:
            full = chain.receipts + w.mempool.size > w.receipts.size and rules.keep_receipts
            if full or w.rows[0] >= w.table.shape[0]:
                return made, FINE
            call_with(rules.phases[Phase.OUTSIDE], w)
            call_with(rules.phases[Phase.READ], w)
            let_agents_decide(w)
            call_with(rules.phases[Phase.EXECUTE], w)
            if chain.stopped >= 0 or rules.plain_between:
                return made, WAITING
        executed = False
        call_with(rules.phases[Phase.CLOSE], w)
        call_with(rules.phases[Phase.MEASURE], w)
        if chain.block % audit_every == 0:
            verdict = audit(w, tolerance)
            if verdict != FINE:
                return made + 1, verdict
    return blocks, FINE


@inner
def execute_all(w):
    """Order and execute the block's transactions, as far as Python is not needed for it."""
    block.open_block(w)
    w.chain[0].stopped = block.execute(w, 0, 0.0)
    if w.chain[0].stopped < 0:
        block.close_block(w)


PHASES = {
    Phase.OUTSIDE: move_outside_prices,
    Phase.READ: read,
    Phase.EXECUTE: execute_all,
    Phase.CLOSE: close,
    Phase.MEASURE: take_measures,
}
"""What is called through an address, so that it is compiled once and not into every caller."""


def needed(w: World) -> dict[Phase, Any]:
    """The phases that a market has: what nobody uses is not compiled."""
    found = dict(PHASES)
    if w.cohorts["routes"].any():
        found |= registry.phases()
    return found
