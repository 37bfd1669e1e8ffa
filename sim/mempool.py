"""The mempool: how a transaction enters it, and what it offers the block's producer.

A transaction is one call or several, done together or not at all. `send` begins it and
`add_call` goes on. What they ask for is checked once, here: nothing that is not a number, no
negative amount, no account, token or tick that cannot be.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.codes import ALL, NEVER, PREVIOUS, FeeMarket, Kind, Ordering, Reason
from sim.compiled import inlined, inner, kernel

WALLET = -1.0
"""As a tip: what a wallet would offer."""
CALLS = len(Kind)


class Order(NamedTuple):
    """Who sends a transaction, and on what terms.

    Attributes:
        account: Of the sender.
        cohort: Its group, ``me.ident``, or -1.
        bid: Most that it pays for a unit of gas, gwei.
        patience: Blocks it is good for; 0: as long as the scenario says.
    """

    account: int
    cohort: int
    bid: float
    patience: int


class Call(NamedTuple):
    """What one call of a transaction asks for; `call` fills in what it does not need.

    Attributes:
        kind: A `Kind`.
        protocol: Index among those whose call it is (`sim.registry.register_call`).
        token_in: Token paid, deposited, withdrawn, borrowed, repaid (then the debt's).
        token_out: Token received (of a liquidation: the collateral).
        amount: Units of `token_in`, or PREVIOUS or ALL.
        limit: Least outcome that the sender accepts: amount out of a swap or a
            liquidation, shares of an entry, health factor after a borrowing.
        counterparty: Account of the borrower, or of a transfer's receiver; -1: none.
        second: Amount of `token_out`, of an entry.
        lower: Lower tick of a position between two prices.
        upper: Its upper tick.
        action: Of a protocol that declares itself: which of its calls.
    """

    kind: int
    protocol: int
    token_in: int
    token_out: int
    amount: float
    limit: float
    counterparty: int
    second: float
    lower: int
    upper: int
    action: int


# Wide: fills a `Call` in, whose fields these are.
@kernel
def call(
    kind,
    protocol,
    token_in,
    token_out,
    amount,
    limit=0.0,
    counterparty=-1,
    second=0.0,
    lower=0,
    upper=0,
    action=0,
):
    """A `Call` of one type, whatever the types of the numbers given, so that all share `send`."""
    return Call(
        int(np.int64(kind)),  # of a member of `Kind`, too
        int(protocol),
        int(token_in),
        int(token_out),
        float(amount),
        float(limit),
        int(counterparty),
        float(second),
        int(lower),
        int(upper),
        int(action),
    )


@inlined
def _makes_sense(w, asked):
    """Whether a call's numbers can be meant. NaN is nothing of what is asked here.

    Every call of every agent comes through: what is alike is asked at once. None of some
    integers is negative where their union is not.
    """
    amount = asked.amount
    if not (0.0 <= amount < np.inf or amount in (PREVIOUS, ALL)):
        return False
    if not (0.0 <= asked.second < np.inf and asked.limit == asked.limit):
        return False
    accounts, tokens = w.books.balances.shape
    token_in, token_out, other = asked.token_in, asked.token_out, asked.counterparty + 1
    if (asked.kind | asked.protocol | token_in | token_out | other) < 0:
        return False
    known = (token_in < tokens) & (token_out < tokens) & (other <= accounts)
    if not known & (asked.kind < CALLS) & (asked.protocol < NEVER):
        return False
    if not (-NEVER < asked.lower < NEVER and -NEVER < asked.upper < NEVER):
        return False
    if asked.kind == Kind.CUSTOM:  # the block stops for it, so it must be there to go on
        return asked.protocol < w.rules[0].customs
    if asked.kind == Kind.PROTOCOL:
        if asked.protocol >= w.protocols.size:
            return False
        return 0 <= asked.action < w.protocols[asked.protocol].calls
    return True


@inlined
def _write_call(entry, asked):
    """Write what a call does into its place in the mempool."""
    entry.kind = asked.kind
    entry.protocol = asked.protocol
    entry.token_in = asked.token_in
    entry.token_out = asked.token_out
    entry.amount = asked.amount
    entry.limit = asked.limit
    entry.counterparty = asked.counterparty
    entry.second = asked.second
    entry.lower = asked.lower
    entry.upper = asked.upper
    entry.action = asked.action
    entry.gone = 0


@inlined
def _gas_of(w, asked):
    """Gas that a call takes, units."""
    if asked.kind == Kind.PROTOCOL:
        return w.actions[w.protocols[asked.protocol].first + asked.action].gas
    return w.rules[0].gas_cost[asked.kind]


@kernel
def send(w, order, asked, tip=WALLET):
    """Send a transaction of one call; `add_call` adds more calls to it.

    Args:
        order: An `Order`: who sends it, and on what terms.
        asked: A `Call`.
        tip: Most of the bid that goes to the producer, gwei; it counts under EIP-1559.
            WALLET: what a wallet offers, of a searcher all of the bid.

    Returns:
        Whether the mempool took it.
    """
    chain = w.chain[0]
    rules = w.rules[0]
    n = chain.waiting
    chain.bundle_head = -1
    sender, cohort, bid, patience = order
    sound = 0 <= sender < w.senders.size and -1 <= cohort < w.cohorts.size
    sound = sound and 0.0 <= bid < np.inf and tip == tip and patience < NEVER // 2 + 1
    if not sound or not _makes_sense(w, asked):
        chain.refused += 1
        return False
    who = w.senders[sender]
    if who.retired:
        return False
    if n >= w.mempool.size:
        chain.lost += 1
        return False
    entry = w.mempool[n]
    entry.number = chain.next_number
    entry.stream = who.stream
    entry.nonce = who.nonce
    entry.sender = sender
    entry.cohort = cohort
    entry.arrived = chain.block
    entry.expires = chain.block + (patience if patience > 0 else rules.expiry) - 1
    entry.calls = 1
    entry.gas = _gas_of(w, asked)
    entry.bid = bid
    entry.tip = _wallet_tip(w, cohort, bid) if tip < 0.0 else tip
    entry.sealed = 0
    _write_call(entry, asked)
    chain.bundle_head = n
    chain.waiting = n + 1
    chain.next_number += 1
    who.nonce += 1
    chain.sent += 1
    return True


@kernel
def add_call(w, asked):
    """Add a `Call` to the transaction that was sent last.

    Returns:
        Whether the mempool took it; else it has none of the transaction.
    """
    chain = w.chain[0]
    n = chain.waiting
    head = chain.bundle_head
    if head < 0:
        return False
    sound = _makes_sense(w, asked)
    if not sound or n >= w.mempool.size:  # the transaction cannot be whole: take it back
        chain.waiting = head
        chain.bundle_head = -1
        chain.lost += sound
        chain.refused += not sound
        return False
    first = w.mempool[head]
    entry = w.mempool[n]
    entry.number = first.number
    entry.stream = first.stream
    entry.nonce = first.nonce
    entry.sender = first.sender
    entry.cohort = first.cohort
    entry.arrived = first.arrived
    entry.expires = first.expires
    entry.calls = 0
    entry.gas = 0.0
    entry.bid = first.bid
    entry.tip = first.tip
    entry.sealed = first.sealed
    _write_call(entry, asked)
    first.calls += 1
    first.gas += _gas_of(w, asked)
    chain.waiting = n + 1
    return True


@inlined
def _wallet_tip(w, cohort, bid):
    """Tip that a sender offers who says nothing of it, gwei.

    A searcher offers all it bids: it bids for its place. Others offer the scenario's
    priority fee and, where the last block was full, as much of what it took to get in
    over the base fee as their bid is of the going price.
    """
    chain = w.chain[0]
    rules = w.rules[0]
    if rules.fee_market != FeeMarket.EIP1559 or (cohort >= 0 and w.cohorts[cohort].searcher):
        return np.inf
    if chain.premium <= 0.0:
        return rules.priority_fee
    return rules.priority_fee + chain.premium * bid / max(chain.gas_price, chain.base_fee)


@kernel
def seal(w):
    """Have the transaction that was sent last shown to the builder alone, as a searcher's is.

    Returns:
        Whether there is one, and a builder to show it to.
    """
    head = w.chain[0].bundle_head
    if head < 0 or w.rules[0].ordering != Ordering.BUILDER:
        return False
    for k in range(w.mempool[head].calls):
        w.mempool[head + k].sealed = 1
    return True


@kernel
def take_back(w):
    """Take the transaction that was sent last out of the mempool, as if it had not been sent."""
    chain = w.chain[0]
    if chain.bundle_head >= 0:
        chain.waiting = chain.bundle_head
        chain.bundle_head = -1
        chain.sent -= 1


@kernel
def replace(w, place, bid):
    """Void a transaction that waits, and send the same at a higher bid in its place.

    The new one has the nonce of the old, so that only one of them can ever be executed. Nodes
    take it only where it pays enough more that nobody can flood them for nothing: geth asks
    for a tenth more of the bid and of the tip (``--txpool.pricebump``).

    Args:
        place: Of its first call, in the mempool.
        bid: Gwei per gas.

    Returns:
        Whether the mempool took it; if not, the old one waits on.
    """
    chain = w.chain[0]
    if not 0 <= place < chain.waiting:
        return False
    first = w.mempool[place]
    if first.calls < 1 or first.gone == 1 or w.senders[first.sender].retired:
        return False
    rise = 1.0 + w.rules[0].replacement
    if not first.bid * rise <= bid < np.inf or not bid > first.bid:
        return False
    tip = max(first.tip * rise, _wallet_tip(w, first.cohort, bid))
    for k in range(first.calls):
        entry = w.mempool[place + k]
        entry.number = chain.next_number
        entry.arrived = chain.block
        entry.bid = bid
        entry.tip = tip
    chain.next_number += 1
    chain.sent += 1
    w.tally[first.cohort, Reason.REPLACED] += 1
    return True


@inner
def sealed(w, entry):
    """Whether a transaction is a searcher's or another's bundle, which only the builder sees."""
    if w.rules[0].ordering != Ordering.BUILDER:
        return False
    if entry.sealed == 1:
        return True
    return entry.cohort >= 0 and w.cohorts[entry.cohort].searcher == 1


@inner
def effective_bid(w, entry):
    """What a transaction pays for a unit of gas if it is in the block under way, gwei."""
    if w.rules[0].fee_market != FeeMarket.EIP1559:
        return entry.bid
    return min(entry.bid, w.chain[0].base_fee + entry.tip)
