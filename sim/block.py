"""The block: a mempool, an order, a capacity with a price, and atomic execution.

Agents send transactions of one or more calls into the mempool. The block orders them, takes what
fits beside the rest of the world's demand, and executes one after the other: a
call that fails takes its whole transaction back, which pays its gas all the same
and leaves a receipt with the reason.

Where the order is a builder's, searchers send it sealed bundles past the public mempool. It
tries each out at its place, on the state that those before have left, and takes those that
hold by their bids, to the top of the block (Daian et al. 2020; Flashbots' first auction,
2021). One that fails is in no block: it pays nothing and takes no room. A bundle may carry
public transactions of other senders between its own calls.

The rest of the world is a demand curve: gas that others would buy at a price of at
least b is ``V limit Phi((ln m - ln b) / s)``, with bids lognormal around m. When
there is room for all, nobody of it pays more than the base fee asks; when there is not,
the lowest bids wait. EIP-1559 moves the base fee by up to an eighth a block (Buterin et
al. 2019): a sender pays the base fee and a tip, at most its bid. ``first_price`` is
Ethereum before August 2021: it pays its bid.
"""

from __future__ import annotations

import math

import numpy as np

from sim import venue
from sim.arrays import copy_into, float_bits
from sim.codes import ALL, PREVIOUS, Event, FeeMarket, Kind, Ordering, Reason
from sim.compiled import AHEAD, call_protocol, call_with, inner, kernel, prefetch
from sim.ledger import (
    DEBT,
    begin,
    burn,
    gained,
    mint,
    overflowed,
    transfer,
    undo,
)
from sim.measures import market_price
from sim.mempool import effective_bid, sealed
from sim.randomness import bits, normal_quantile
from sim.records import MOST_CARRIED
from sim.registry import register_call
from sim.tasks import Stage, end_call, run_stage, tell

GWEI = 1e-9
REASONS = len(Reason)
"""Ways in which a call may end."""
_EXPONENT_SHIFT = np.uint64(32)
_RANDOM_BITS = np.uint64(13)
_RANDOM_SHIFT = np.uint64(51)
_WIDE, _NARROW, _NOTHING = np.uint64(11), np.uint64(8), np.uint64(0)
_NINE_BITS = np.uint64(511)  # and 13 make two digits to sort by: few ties, less work
_TOP = np.uint64((1 << 31) - 1)
_FLAG = np.uint64(1 << 31)


@inner
def _bid_rank(bid):
    """31 bits that fall as the bid rises, to a relative precision of 1e-6."""
    return _TOP - min(float_bits(max(bid, 0.0)) >> _EXPONENT_SHIFT, _TOP)


@inner
def _sort(w, n):
    """Sort the first n of the queue by their keys, stably (a radix sort, but for few)."""
    if n <= 40:
        for i in range(1, n):
            key, item = w.keys[0, i], w.queue[i]
            j = i - 1
            while j >= 0 and w.keys[0, j] > key:
                w.keys[0, j + 1] = w.keys[0, j]
                w.queue[j + 1] = w.queue[j]
                j -= 1
            w.keys[0, j + 1] = key
            w.queue[j + 1] = item
        return
    half = w.queue.size // 2
    highest = w.keys[0, 0]
    for i in range(1, n):
        highest = max(highest, w.keys[0, i])
    # Wide digits take fewer passes, narrow ones less counting: few keys want narrow ones.
    width = _NARROW if n < 1024 else _WIDE
    buckets = 1 << int(width)
    mask = np.uint64(buckets - 1)
    digits = 0
    while highest > _NOTHING:
        highest >>= width
        digits += 1
    counts = np.zeros((max(digits, 1), buckets), np.int64)
    for i in range(n):
        key = w.keys[0, i]
        for d in range(digits):
            counts[d, key & mask] += 1
            key >>= width
    source = 0
    for d in range(digits):
        shift = np.uint64(d) * width
        total = 0
        for c in range(buckets):
            count = counts[d, c]
            counts[d, c] = total
            total += count
        target = 1 - source
        for i in range(n):
            key = w.keys[source, i]
            c = (key >> shift) & mask
            at = counts[d, c]
            counts[d, c] = at + 1
            w.keys[target, at] = key
            w.queue[target * half + at] = w.queue[source * half + i]
        source = target
    if source == 1:
        for i in range(n):
            w.queue[i] = w.queue[half + i]


@inner
def _order(w):
    """Put the waiting transactions into the block's order. Returns their number and gas."""
    chain = w.chain[0]
    rules = w.rules[0]
    n = 0
    gas = 0.0
    i = 0
    while i < chain.waiting:
        call = w.mempool[i]
        # Keyed by who sends and its own count: others that come or go change nothing.
        random = bits(chain.key ^ call.stream, call.nonce)
        draw = random >> _RANDOM_SHIFT
        if rules.ordering == Ordering.RANDOM:
            rank = (random >> _EXPONENT_SHIFT) & _NINE_BITS
        elif rules.ordering == Ordering.FIRST_COME:
            rank = np.uint64(call.arrived)
        else:
            rank = _bid_rank(effective_bid(w, call))
            if rules.ordering == Ordering.ARBITRAGE_FIRST:
                rank >>= np.uint64(1)
                if call.cohort < 0 or not w.cohorts[call.cohort].searcher:
                    rank |= _FLAG >> np.uint64(1)
            elif rules.ordering == Ordering.BUILDER:
                rank >>= np.uint64(1)
                if not sealed(w, call):
                    rank |= _FLAG >> np.uint64(1)
        w.keys[0, n] = (rank << _RANDOM_BITS) | draw
        w.queue[n] = i
        gas += call.gas
        n += 1
        i += call.calls
    _sort(w, n)
    return n, gas


@inner
def _phi(z):
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@inner
def recorded_gas(w, block):
    """Recorded price of gas in a block, gwei."""
    row = w.paths[w.rules[0].gas_row]
    return math.exp(row[min(block, row.size - 1)])


@kernel
def outside_demand(w):
    """(gas wanted at any price, median bid) of the rest of the world in this block."""
    rules, chain = w.rules[0], w.chain[0]
    surge = chain.surge if chain.block < chain.surge_until else 1.0
    wanted = rules.outside_gas * rules.gas_limit
    if rules.gas_row >= 0:  # what was recorded holds how the world had answered
        median = recorded_gas(w, chain.block) * math.exp(rules.gas_offset)
        return wanted * surge, median * surge
    wanted *= math.exp(rules.quantity_response * chain.stress) * surge
    median = rules.outside_median * math.exp(rules.price_response * chain.stress) * surge
    return wanted, median


@inner
def _wanted_above(bid, wanted, median, sigma):
    """Gas that others would buy at `bid` or more."""
    if wanted <= 0.0:
        return 0.0
    if bid <= 0.0:
        return wanted
    return wanted * _phi((math.log(median) - math.log(bid)) / sigma)


@kernel
def open_block(w):
    """Order the mempool and see what the rest of the world wants."""
    chain = w.chain[0]
    rules = w.rules[0]
    under_way = w.under_way[0]
    for a in range(w.assets.size):
        if w.assets[a].token == rules.gas_token:  # the price that the whole chain watches
            now = math.log(max(venue.volatility_ratio(w.assets[a]), 1.0))
            chain.stress += rules.stress_memory * (now - chain.stress)
    n, gas = _order(w)
    copy_into(w.prices, w.values)
    w.prices[rules.numeraire] = 1.0
    for a in range(w.assets.size):
        w.prices[w.assets[a].token] = w.assets[a].price
    chain.queue_at = 0
    chain.queue_length = n
    chain.gas_bought = 0.0
    under_way.bundle_call = -1
    chain.gas_used = gas  # wanted by the agents, until the block is closed


@inner
def _included(w, call, crowded, wanted, median):
    """Whether a transaction gets into the block."""
    rules, chain = w.rules[0], w.chain[0]
    if rules.fee_market == FeeMarket.OFF or call.gas <= 0.0:  # nothing of it is on the chain
        return True
    if not call.bid >= chain.base_fee:
        return False
    if not crowded:
        return True
    if rules.ordering != Ordering.RANDOM and rules.ordering != Ordering.FIRST_COME:
        bid = effective_bid(w, call)
        others = _wanted_above(bid, wanted, median, rules.outside_sigma)
    else:  # no bid helps: the rest of the world is in the queue in its proportion
        others = _wanted_above(chain.base_fee, wanted, median, rules.outside_sigma)
        others = rules.gas_limit * others / (others + chain.gas_used)
    return chain.gas_bought + call.gas + others <= rules.gas_limit


@inner
def _take_gas(w, call):
    """Charge a transaction's gas: the base fee is burnt, the rest is the producer's.

    Returns:
        What it paid, gas token; -1 where the sender does not hold as much as it bids, as the
        chain asks: then it pays nothing.
    """
    chain = w.chain[0]
    rules = w.rules[0]
    token = rules.gas_token
    if not call.gas * call.bid * GWEI <= w.books.balances[call.sender, token]:
        return -1.0
    due = call.gas * effective_bid(w, call) * GWEI
    if due <= 0.0:
        return 0.0
    mark = w.books.head[0]
    burnt = call.gas * chain.base_fee * GWEI
    paid = burn(w.books, call.sender, token, burnt)
    paid = paid and transfer(w.books, call.sender, rules.producer, token, max(due - burnt, 0.0))
    if not paid:
        undo(w.books, mark)
        return -1.0
    return due


@inner
def _pay_gas(w, call):
    """Charge a transaction's gas, and count it. Returns whether it was paid."""
    due = _take_gas(w, call)
    if due > 0.0 and call.cohort >= 0:
        w.cohorts[call.cohort].gas_spent += due * market_price(w, w.rules[0].gas_token)
    return due >= 0.0


@inner
def _note_gas(w, call):
    """Note what a sealed bundle's gas will change, so that it can be as if it had not been."""
    rules, under_way = w.rules[0], w.under_way[0]
    token = rules.gas_token
    under_way.gas_held = w.books.balances[call.sender, token]
    under_way.gas_earned = w.books.balances[rules.producer, token]
    under_way.gas_supply = w.books.supply[token]
    if call.cohort >= 0:
        under_way.gas_counted = w.cohorts[call.cohort].gas_spent


@inner
def _drop(w, call, receipts):
    """Leave no trace of a sealed bundle that has failed, but receipts that say so."""
    rules, chain, under_way = w.rules[0], w.chain[0], w.under_way[0]
    if rules.fee_market != FeeMarket.OFF:
        token = rules.gas_token
        w.books.balances[call.sender, token] = under_way.gas_held
        w.books.balances[rules.producer, token] = under_way.gas_earned
        w.books.supply[token] = under_way.gas_supply
        if call.cohort >= 0:
            w.cohorts[call.cohort].gas_spent = under_way.gas_counted
        chain.gas_bought -= call.gas
    _fail_receipts(w, receipts, Reason.DROPPED)
    _make_free(w, receipts)


@inner
def _make_free(w, receipts):
    """Have the last receipts say that nothing was used and nothing paid."""
    chain = w.chain[0]
    if w.rules[0].keep_receipts:
        for n in range(max(chain.receipts - receipts, 0), chain.receipts):
            w.receipts[n].gas = 0.0
            w.receipts[n].gas_price = 0.0


@inner
def _refund_gas(w, call):
    """Give back the gas that a reverted transaction did not come to use."""
    chain = w.chain[0]
    rules = w.rules[0]
    unused = call.gas * (1.0 - rules.revert_gas)
    if rules.fee_market == FeeMarket.OFF or unused <= 0.0:
        return
    paid = effective_bid(w, call)
    tip = max(unused * (paid - chain.base_fee) * GWEI, 0.0)
    mint(w.books, call.sender, rules.gas_token, unused * chain.base_fee * GWEI)
    transfer(w.books, rules.producer, call.sender, rules.gas_token, tip)
    if call.cohort >= 0:
        back = unused * paid * GWEI * market_price(w, rules.gas_token)
        w.cohorts[call.cohort].gas_spent -= back
    chain.gas_bought -= unused


# Calls that are of no protocol


@inner
def transfer_token(w):
    """The call TRANSFER: a gift."""
    under_way = w.under_way[0]
    call = w.mempool[under_way.call_place]
    sender, receiver = np.int64(call.sender), np.int64(call.counterparty)
    token = np.int64(call.token_in)
    amount = under_way.call_in
    if amount == ALL:
        amount = w.books.balances[sender, token]
    under_way.call_in = amount
    if w.books.rights[token] == DEBT:
        under_way.call_reason = Reason.BOUND
    elif amount > 0.0 and 0 <= receiver < w.books.balances.shape[0]:
        moved = transfer(w.books, sender, receiver, token, amount)
        under_way.call_reason = Reason.DONE if moved else Reason.INSUFFICIENT_BALANCE
        under_way.call_out = amount


@inner
def require(w):
    """The call REQUIRE: the transaction has gained so much of a token until here."""
    under_way = w.under_way[0]
    call = w.mempool[under_way.call_place]
    since = under_way.bundle_start
    out = gained(w.books, np.int64(call.sender), np.int64(call.token_out), since)
    under_way.call_reason = Reason.DONE if out >= call.limit else Reason.LIMIT
    under_way.call_out = out


@inner
def _may_be_carried(w, place, number):
    """Whether a place in the mempool has a public transaction that a bundle can carry now."""
    chain, under_way = w.chain[0], w.under_way[0]
    if not 0 <= place < chain.waiting:
        return False
    call = w.mempool[place]
    if call.number != number or call.calls < 1 or call.gone == 1 or sealed(w, call):
        return False
    if under_way.carrying + call.calls > MOST_CARRIED:
        return False
    for n in range(under_way.carrying):
        if under_way.carried[n] == place:  # it is in this bundle already
            return False
    for k in range(call.calls):
        if w.mempool[place + k].kind == Kind.CARRY or needs_python(w, w.mempool[place + k]):
            return False
    pays = w.rules[0].fee_market == FeeMarket.OFF or call.bid >= chain.base_fee
    return pays and call.arrived <= chain.block


@inner
def carry(w):
    """The call CARRY: another's transaction, for whose gas its own sender pays.

    All of its calls are carried out, or the bundle fails; a bundle may carry several
    transactions. They count as executed once it holds (`_keep_carried`), and wait on if not.
    """
    under_way = w.under_way[0]
    mine = under_way.call_place
    asked = w.mempool[mine]
    place = int(asked.second)
    if not sealed(w, asked) or not _may_be_carried(w, place, int(under_way.call_in)):
        return
    other = w.mempool[place]
    gas = 0.0
    if w.rules[0].fee_market != FeeMarket.OFF:
        gas = _take_gas(w, other)
        if gas < 0.0:
            under_way.call_reason = Reason.NO_GAS_MONEY
            return
        tell(w, Event.CARRIED, place)
    start, flashes = under_way.bundle_start, under_way.flashes
    under_way.bundle_start = w.books.head[0]
    previous = 0.0
    for k in range(other.calls):
        traded, paid = under_way.bundle_traded, under_way.bundle_paid
        perform(w, place + k, previous)
        previous = under_way.call_out
        n = under_way.carrying
        under_way.carrying = n + 1
        under_way.carried[n] = place + k
        under_way.carried_in[n], under_way.carried_out[n] = under_way.call_in, previous
        under_way.carried_gas[n] = gas if k == 0 else 0.0
        under_way.carried_traded[n] = under_way.bundle_traded - traded
        under_way.carried_paid[n] = under_way.bundle_paid - paid
        under_way.bundle_traded, under_way.bundle_paid = traded, paid
        if k + 1 < other.calls:  # after the last one the block does it
            look_at_pledges(w)
            if under_way.call_reason == Reason.DONE:
                tell(w, Event.CALLED, place + k)
        if under_way.call_reason != Reason.DONE:
            break
    if under_way.flashes > flashes and under_way.call_reason == Reason.DONE:
        under_way.call_reason = Reason.UNPAID
    under_way.bundle_start, under_way.call_place = start, mine


@inner
def _keep_carried(w):
    """Count the transactions that a bundle has carried as executed."""
    under_way, rules = w.under_way[0], w.rules[0]
    head = 0
    for n in range(under_way.carrying):
        place = under_way.carried[n]
        call = w.mempool[place]
        if call.calls > 0:  # the first of a transaction
            head = place
            call.gone = 1
            w.chain[0].gas_bought += call.gas
            w.tally[call.cohort, Reason.DONE] += 1
        if call.cohort >= 0:
            cohort = w.cohorts[call.cohort]
            cohort.traded += under_way.carried_traded[n]
            cohort.paid += under_way.carried_paid[n]
            cohort.gas_spent += under_way.carried_gas[n] * market_price(w, rules.gas_token)
        calls = w.mempool[head].calls
        took, gave = under_way.carried_in[n], under_way.carried_out[n]
        _write_receipt(w, call, place - head, calls, Reason.DONE, took, gave)


@inner
def call_declared(w):
    """The call PROTOCOL: of one that declares itself."""
    under_way = w.under_way[0]
    call = w.mempool[under_way.call_place]
    protocol, order = w.protocols[call.protocol], w.order[0]
    order.sender, order.counterparty = call.sender, call.counterparty
    order.token_in, order.token_out = call.token_in, call.token_out
    order.second, order.limit = call.second, call.limit
    amount = under_way.call_in
    order.amount = w.books.balances[call.sender, call.token_in] if amount == ALL else amount
    address = w.actions[protocol.first + call.action].address
    reason, out = call_protocol(address, w, protocol.record, order)
    if 0 <= reason < REASONS and abs(out) < np.inf and abs(order.amount) < np.inf:
        end_call(w, reason, order.amount, out)


register_call(Kind.TRANSFER, transfer_token)
# It is no protocol's; receipts have always said the venue, and files keep it.
register_call(Kind.REQUIRE, require, of="venue")
register_call(Kind.PROTOCOL, call_declared, of="declared")
register_call(Kind.CUSTOM, None, of="custom")
register_call(Kind.CARRY, carry, of="venue")


@inner
def perform(w, place, previous):
    """Carry out a call, and write how it ended into the chain.

    Args:
        place: Of the call, in the mempool.
        previous: What the call before gave.
    """
    under_way = w.under_way[0]
    call = w.mempool[place]
    under_way.bundle_mark = w.books.head[0]
    under_way.call_place = place
    under_way.call_in = previous if call.amount == PREVIOUS else call.amount
    under_way.call_out = 0.0
    under_way.call_possible = -1
    under_way.call_reason = Reason.INVALID
    call_with(w.calls[call.kind], w)


@inner
def look_at_pledges(w):
    """Look after a call whether those whose pledges it has moved are still covered."""
    if w.under_way[0].call_reason == Reason.DONE and w.books.head[2] != 0:
        run_stage(w, Stage.PLEDGES)
    w.books.head[2] = 0


@inner
def _write_receipt(w, call, index, calls, reason, amount_in, amount_out):
    chain = w.chain[0]
    rules = w.rules[0]
    under_way = w.under_way[0]
    if not rules.keep_receipts or chain.receipts >= w.receipts.size:
        return
    r = w.receipts[chain.receipts]
    chain.receipts += 1
    r.block = chain.block
    r.number = call.number
    r.call = index
    r.calls = calls
    r.cohort = call.cohort
    r.kind = call.kind
    r.status = reason
    r.token_in = call.token_in
    r.token_out = call.token_out
    r.sender = call.sender
    r.counterparty = call.counterparty
    r.protocol = call.protocol
    r.action = call.action
    r.waited = chain.block - call.arrived
    r.possible = -1
    r.amount_in = amount_in
    r.amount_out = amount_out
    r.gas = call.gas
    r.gas_price = effective_bid(w, call) if rules.fee_market != FeeMarket.OFF else 0.0
    if reason == Reason.DONE:
        r.possible = under_way.call_possible


@inner
def _fail_receipts(w, calls, reason):
    """Mark the receipts that a transaction has left so far as reverted."""
    chain = w.chain[0]
    rules = w.rules[0]
    if rules.keep_receipts:
        for n in range(max(chain.receipts - calls, 0), chain.receipts):
            w.receipts[n].status = reason
            w.receipts[n].amount_out = 0.0


@inner
def needs_python(w, call):
    """Whether Python carries out a call, or has to compile what does."""
    if call.kind == Kind.PROTOCOL and w.protocols[call.protocol].plain == 1:
        return True
    return w.calls[call.kind] == 0


READY = -1
"""To `execute`, as how a call ended: it has not been carried out, but now it can be."""


# Long: the block's one loop; its half dozen numbers would go through memory between parts.
@kernel
def execute(w, reason, amount_out):
    """Execute the block's transactions in order.

    A call of a protocol that is written in Python is carried out there, and one that nobody
    has made before is compiled there: the loop stops and returns its place in the mempool,
    with the amount in ``under_way.bundle_previous``. Called again with how that ended, it goes on.

    Args:
        reason: How the call that stopped the loop ended, or READY.
        amount_out: What it gave.

    Returns:
        Place of the call in the mempool, or -1 when the block is done.
    """
    chain = w.chain[0]
    rules = w.rules[0]
    under_way = w.under_way[0]
    wanted, median = outside_demand(w)
    floor = chain.base_fee
    demand = chain.gas_used + _wanted_above(floor, wanted, median, rules.outside_sigma)
    crowded = demand > rules.gas_limit
    resumed = under_way.bundle_call >= 0
    while chain.queue_at < chain.queue_length:
        if chain.queue_at + AHEAD < chain.queue_length:
            prefetch(w.mempool, w.queue[chain.queue_at + AHEAD])
            soon = w.mempool[w.queue[chain.queue_at + AHEAD // 2]]
            prefetch(w.books.balances, np.int64(soon.sender))
        head = w.queue[chain.queue_at]
        first = w.mempool[head]
        calls = first.calls
        k = 0
        previous = 0.0
        ended = Reason.DONE
        if resumed:
            k = under_way.bundle_call
            previous = under_way.bundle_previous
        else:
            gone = first.gone == 1 or first.arrived > chain.block
            if gone or not _included(w, first, crowded, wanted, median):
                chain.queue_at += 1
                continue
            first.gone = 1
            if rules.fee_market != FeeMarket.OFF:
                begin(w.books)
                if sealed(w, first):
                    _note_gas(w, first)
                    tell(w, Event.BEGUN, head)  # what is dropped has not paid either
                if not _pay_gas(w, first):
                    ended = Reason.DROPPED if sealed(w, first) else Reason.NO_GAS_MONEY
                    w.tally[first.cohort, ended] += 1
                    _write_receipt(w, first, 0, calls, ended, first.amount, 0.0)
                    if ended == Reason.DROPPED:
                        _make_free(w, 1)
                    chain.queue_at += 1
                    continue
                chain.gas_bought += first.gas
                tell(w, Event.PAID, head)
            begin(w.books)
            if rules.fee_market == FeeMarket.OFF or not sealed(w, first):
                tell(w, Event.BEGUN, head)
            under_way.flashes = 0
            under_way.bundle_start = 0
            under_way.carrying = 0
            under_way.bundle_traded = under_way.bundle_paid = 0.0
        while k < calls:
            call = w.mempool[head + k]
            if resumed and reason != READY:
                amount_in = previous if call.amount == PREVIOUS else call.amount
                out = amount_out
                under_way.call_reason = reason
                under_way.call_possible = -1
            elif needs_python(w, call):
                under_way.bundle_call = k
                under_way.bundle_previous = previous
                under_way.bundle_mark = w.books.head[0]
                return head + k
            else:
                perform(w, head + k, previous)
                amount_in, out = under_way.call_in, under_way.call_out
            resumed = False
            under_way.bundle_call = -1
            look_at_pledges(w)
            ended = under_way.call_reason
            if overflowed(w.books):
                ended = Reason.TOO_LONG
            if ended == Reason.DONE:
                tell(w, Event.CALLED, head + k)
            _write_receipt(w, call, k, calls, ended, amount_in, out)
            k += 1
            if k == calls and ended == Reason.DONE and under_way.flashes > 0:
                ended = Reason.UNPAID
            if ended != Reason.DONE:
                undo(w.books, 0)
                if sealed(w, first):
                    _drop(w, first, k)
                    ended = Reason.DROPPED
                    tell(w, Event.UNDONE, head)
                else:
                    _refund_gas(w, first)
                    tell(w, Event.UNDONE, head)
                    _fail_receipts(w, k, ended)
                break
            previous = out
        if ended == Reason.DONE and first.cohort >= 0:
            w.cohorts[first.cohort].traded += under_way.bundle_traded
            w.cohorts[first.cohort].paid += under_way.bundle_paid
        if ended == Reason.DONE and under_way.carrying > 0:
            _keep_carried(w)
        w.tally[first.cohort, ended] += 1
        chain.queue_at += 1
    return -1


@kernel
def close_block(w):
    """Move the base fee, note what gas cost, and drop what was done or has expired."""
    chain = w.chain[0]
    rules = w.rules[0]
    if rules.fee_market != FeeMarket.OFF:
        _price_gas(w)
    else:
        chain.gas_used = 0.0
    kept = 0
    i = 0
    while i < chain.waiting:
        calls = w.mempool[i].calls
        head = w.mempool[i]
        if not head.gone and chain.block >= head.expires:
            head.gone = 1
            w.tally[head.cohort, Reason.EXPIRED] += 1
            _write_receipt(w, head, 0, calls, Reason.EXPIRED, head.amount, 0.0)
        if not head.gone:
            if kept != i:
                for k in range(calls):
                    w.mempool[kept + k] = w.mempool[i + k]
            kept += calls
        i += calls
    chain.waiting = kept
    chain.left = kept
    chain.bundle_head = -1


@inner
def _price_gas(w):
    """Price of the block's gas, and the next base fee."""
    rules, chain = w.rules[0], w.chain[0]
    wanted, median = outside_demand(w)
    sigma = rules.outside_sigma
    left = max(rules.gas_limit - chain.gas_bought, 0.0)
    taking = _wanted_above(chain.base_fee, wanted, median, sigma)
    price = chain.base_fee
    if taking > left:
        # The lowest bid that got in leaves just this much demand above it.
        share = min(max(left / wanted, 1e-12), 1.0 - 1e-12)
        price = max(price, median * math.exp(-sigma * normal_quantile(share)))
        taking = left
    chain.gas_price = price
    chain.premium = price - chain.base_fee
    chain.gas_used = (chain.gas_bought + taking) / rules.gas_limit
    chain.mean_gas_price = price
    if wanted > 0.0 and rules.fee_market == FeeMarket.FIRST_PRICE:  # who bids more, pays it
        z = (math.log(price) - math.log(median)) / sigma if price > 0.0 else -np.inf
        above = _phi(-z)
        if above > 1e-300:
            # Mean of a lognormal above a point.
            mean = median * math.exp(0.5 * sigma * sigma) * _phi(sigma - z) / above
            chain.mean_gas_price = max(mean, price)
    if rules.fee_market == FeeMarket.EIP1559:
        change = (2.0 * chain.gas_used - 1.0) / 8.0
        if rules.gas_row >= 0:  # what the rest of the world did, and what was added to it
            change += 1.0
            change *= recorded_gas(w, chain.block + 1) / recorded_gas(w, chain.block)
            change -= 1.0
        chain.base_fee = max(chain.base_fee * (1.0 + change), rules.least_base_fee)
