"""Numbers that kernels use: what a call does, why it failed, and what a block calls."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """What a call does."""

    SWAP = 0
    ADD_LIQUIDITY = 1
    REMOVE_LIQUIDITY = 2
    DEPOSIT = 3
    WITHDRAW = 4
    BORROW = 5
    REPAY = 6
    LIQUIDATE = 7
    VENUE = 8
    TRANSFER = 9
    CUSTOM = 10
    """Handed to a protocol written in plain Python."""
    FLASH_BORROW = 11
    """Cash that the same transaction gives back, with a fee."""
    FLASH_REPAY = 12
    REQUIRE = 13
    """Fails unless the transaction has gained so much of a token until here."""
    PROTOCOL = 14
    """A call of a protocol that declares itself; its action says which."""
    CARRY = 15
    """In a sealed bundle: another's public transaction is carried out here."""


class Cause(IntEnum):
    """Why an entity has more or less than had it done nothing."""

    REVALUATION = 0
    PRICE_IMPACT = 1
    FEES = 2
    GAS = 3
    BAD_DEBT = 4
    RUN = 5
    OTHER = 6


class Reason(IntEnum):
    """How a call ended: done, or why its whole transaction was reverted."""

    DONE = 0
    INSUFFICIENT_BALANCE = 1
    LIMIT = 2
    """The outcome would have been worse than the sender's limit (slippage)."""
    UNHEALTHY = 3
    """The position would end below the health that is required."""
    NOT_LIQUIDATABLE = 4
    NO_CASH = 5
    """What is asked for is not there: it is lent out."""
    CAP = 6
    NOT_COLLATERAL = 7
    NOT_BORROWABLE = 8
    NO_DEBT = 9
    INVALID = 10
    """The call makes no sense: a negative amount, a token the protocol does not hold."""
    EMPTY_POOL = 11
    VENUE_EMPTY = 12
    EXPIRED = 13
    """It waited in the mempool longer than it was good for."""
    NO_GAS_MONEY = 14
    TOO_LONG = 15
    """It wrote more cells than the undo journal holds."""
    HALTED = 16
    """The pool's circuit breaker does not let it trade."""
    UNPAID = 17
    """It ended without giving back what it had borrowed for its duration."""
    BOUND = 18
    """The token cannot be given away: it is a debt, or a pledge that its issuer keeps."""
    DROPPED = 19
    """A sealed bundle failed where the builder tried it out: it is in no block and paid nothing."""
    REPLACED = 20
    """Its sender has sent it anew at a higher bid: the old one is void."""


PREVIOUS = -1.0
"""As an amount: what the call before, in the same transaction, gave out."""
ALL = -2.0
"""As an amount: all that the sender holds (or owes, when it repays)."""

MOST_ROUTES, MOST_HOPS = 6, 3
"""Routes that an amount is split over, and swaps of each, at most."""

NEVER = 2**31 - 1
"""A block that never comes."""


class Ordering(IntEnum):
    """How a block orders transactions."""

    GAS_AUCTION = 0
    RANDOM = 1
    FIRST_COME = 2
    ARBITRAGE_FIRST = 3
    BUILDER = 4
    """Sealed bundles of searchers by bid, those that hold; then the public mempool by bid."""


class Phase(IntEnum):
    """What a block calls through an address."""

    OUTSIDE = 0
    READ = 1
    EXECUTE = 2
    CLOSE = 3
    MEASURE = 4
    ROUTE = 5


class Event(IntEnum):
    """What happens in a block that an account of losses is kept of (`sim.losses`)."""

    PAID = 0
    """A transaction has paid its gas."""
    BEGUN = 1
    """Its calls are about to be carried out."""
    CALLED = 2
    """One of them was."""
    UNDONE = 3
    """It has failed, and what it did not use of its gas was given back."""
    CLOSED = 4
    """A protocol has closed an account that could not pay."""
    ACTED = 5
    """An agent has changed the ledger by itself, since the last `sim.ledger.begin`."""
    CARRIED = 6
    """The sender of a transaction that a sealed bundle carries has paid its gas."""
    FUNDED = 7
    """Investors outside have brought an agent money or taken some: its start has moved."""


class FeeMarket(IntEnum):
    """How gas is priced."""

    OFF = 0
    EIP1559 = 1
    FIRST_PRICE = 2
