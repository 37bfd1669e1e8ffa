"""What all pools have in common: their record, their counters, and the handle people hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.compiled import inlined, kernel
from sim.handles import Handle
from sim.ledger import Ledger, exchange, raise_three, store, transfer

MOST_TOKENS = 8
MOST_PARAMETERS = 8
"""Numbers of its own that a kind of pool may declare."""

ADDRESS = {
    name: f"{name}_at"
    for name in (
        "price",
        "priced",
        "slope",
        "to_rate",
        "trade",
        "swap",
        "enter",
        "leave",
        "fill",
        "shares_for",
        "one_for_shares",
        "held",
        "move",
        "follow",
        "relative_price",
        "depth",
        "exposure",
        "loss",
        "loss_since",
        "result",
        "fair",
        "rate_of_share",
        "claims",
        "claim",
    )
}
"""Field of a pool's record that holds the address of an operation, `protocols.operations`."""

POOL = np.dtype(
    [
        ("kind", "i8"),
        ("account", "i8"),  # row that holds the reserves
        ("treasury", "i8"),  # row that receives the protocol's part of the fee
        ("share", "i8"),  # column of the pool's share
        ("size", "i8"),  # number of tokens
        ("slot", "i8"),  # first of its slots in the ledger's storage
        ("tokens", "i8", (MOST_TOKENS,)),
        ("fee", "f8"),  # share of the amount that is paid in
        ("protocol_fee", "f8"),  # share of the fee
        ("volume", "f8"),  # since the start, numeraire at the time of each swap
        ("fees", "f8"),
        ("seen", "f8", (MOST_TOKENS,)),  # amounts paid in that `volume` has counted
        ("start", "f8", (MOST_TOKENS,)),  # reserves per share at the start
        ("seen_fees", "f8", (MOST_TOKENS,)),  # fees that `fees` has counted
        ("seen_out", "f8", (MOST_TOKENS,)),  # amounts paid out that `markout` has counted
        ("value_sum", "f8"),  # of its value after each block, numeraire
        ("markout", "f8"),  # since the start: paid in less paid out, at prices after the block
        # Of weighted pools and StableSwap; what moves does so between two blocks.
        ("weights", "f8", (MOST_TOKENS,)),  # now; they sum to one
        ("first_weights", "f8", (MOST_TOKENS,)),
        ("target_weights", "f8", (MOST_TOKENS,)),
        ("rule_strength", "f8"),  # of weights that follow prices; 0: they do not
        ("rule_memory", "f8"),  # blocks
        ("lowest_weight", "f8"),
        ("trends", "f8", (MOST_TOKENS,)),  # mean log returns a block
        ("last_logs", "f8", (MOST_TOKENS,)),  # log prices of the last block
        ("amplification", "f8"),  # now
        ("first_amplification", "f8"),
        ("target_amplification", "f8"),
        ("moves_from", "i8"),  # block
        ("moves_until", "i8"),
        ("fee_multiplier", "f8"),  # of the fee, far from balance
        ("rates", "f8", (MOST_TOKENS,)),  # of a StableSwap: worth of a unit of each token
        ("rate_pools", "i8", (MOST_TOKENS,)),  # pool whose share the token is, -1: none
        ("ratio", "f8"),  # of a bonding curve: reserve over what all tokens are worth
        # Of concentrated liquidity alone:
        ("extra", "i8"),  # first slot of its state, ticks and positions in the storage
        ("spacing", "i8"),  # ticks between two that may hold liquidity
        ("lowest", "i8"),  # the lowest of those, in units of the spacing
        ("width", "i8"),  # how many there are
        ("capacity", "i8"),  # positions that there is room for
        ("first_price", "f8"),  # at the start
        # Of safeguards:
        ("base_fee", "f8"),  # `fee` in calm times
        ("volatility_fee", "f8"),  # added per unit of volatility a block
        ("imbalance_fee", "f8"),  # added per unit of imbalance
        ("highest_fee", "f8"),
        ("fee_memory", "f8"),  # weight of the last block in the volatility
        ("variance", "f8"),  # a block's, as lately seen
        ("last_price", "f8"),
        ("guarded", "i8"),  # 1: it has a breaker
        ("most_move", "f8"),  # of the log of its prices in a window; 0: no limit
        ("most_imbalance", "f8"),
        ("most_outflow", "f8"),  # share of its value
        ("window", "i8"),  # blocks
        ("cool_down", "i8"),  # blocks
        ("window_began", "i8"),  # block
        ("window_value", "f8"),
        ("references", "f8", (MOST_TOKENS,)),  # prices as the window began
        ("worths", "f8", (MOST_TOKENS,)),  # values of its tokens at the end of the last block
        ("tripped", "i8"),  # 1: a call of this block went beyond a limit
        ("halted", "i8"),  # 1: no trade
        ("halted_until", "i8"),  # block
        ("halts", "i8"),  # since the start
        # Of its kind:
        ("parameters", "f8", (MOST_PARAMETERS,)),  # as its class declares them
        ("parted", "i8"),  # 1: a share is a part of all reserves
        ("balanced", "i8"),  # 1: it holds its tokens side by side, in some proportion
        ("ranges", "i8"),  # 1: its providers have positions between two ticks
        *((field, "i8") for field in ADDRESS.values()),
    ]
)

CONSTANT_PRODUCT, OTHER = 0, 1
"""`kind` of the one curve that is compiled into whoever asks, and of all others."""

COUNTERS = 3
"""Slots per token: paid in by swaps over the pool's life, fees, paid out; token units."""


@kernel
def position(pool, token):
    """Index of a token in a pool, -1 where the pool does not hold it.

    Of two tokens without a branch: which one it is, a processor could not foresee.
    """
    if pool.size == 2:
        return 0 if pool.tokens[0] == token else 1 if pool.tokens[1] == token else -1
    for i in range(pool.size):
        if pool.tokens[i] == token:
            return i
    return -1


@kernel
def count_fee(books, pool, o, fee):
    """Add a fee that is not part of what a swap paid in to the counter of the o-th token."""
    slot = pool.slot + COUNTERS * o + 1
    return store(books, slot, books.storage[slot] + fee)


@inlined
def count_swap(books, pool, i, o, amount, out, fee_in, fee_out):
    """Add a swap to the pool's counters; arguments as of `settle_swap`."""
    a, b = pool.slot + COUNTERS * i, pool.slot + COUNTERS * o
    fine = raise_three(books, a, a + 1, b + 2, amount, fee_in, out)
    if fee_out > 0.0:
        fine = fine and count_fee(books, pool, o, fee_out)
    return fine


@kernel
def take_fee(books, pool, i, fee):
    """Hand the protocol its part of a fee in the i-th token, out of the reserves."""
    if pool.protocol_fee > 0.0 and fee > 0.0:
        transfer(books, pool.account, pool.treasury, pool.tokens[i], fee * pool.protocol_fee)


# Wide: a swap whole, so that it is one move of the ledger.
@inlined
def settle_swap(books, pool, sender, i, o, amount, out, fee_in, fee_out):
    """Move the tokens of a swap, the protocol's part of its fee, and its counters.

    Args:
        amount: Of the i-th token, paid in.
        out: Of the o-th, received.
        fee_in: Fee in the i-th token.
        fee_out: Fee in the o-th, already taken off `out`.

    Returns:
        Whether the sender could pay, and the pool.
    """
    token_in, token_out = pool.tokens[i], pool.tokens[o]
    if not exchange(books, sender, pool.account, token_in, amount, token_out, out):
        return False
    take_fee(books, pool, i, fee_in)
    take_fee(books, pool, o, fee_out)
    count_swap(books, pool, i, o, amount, out, fee_in, fee_out)
    return True


class Pool(Handle):
    """A pool as a person holds it, reading the arrays that the kernels write.

    A kind of pool subclasses this and gives `spot_price` and `quote`.
    """

    family = "pool"
    kind = ""

    def __init__(
        self, name: str, ledger: Ledger, record: npt.NDArray[np.void], tokens: Sequence[str]
    ) -> None:
        """Hold a pool.

        Args:
            name: As in the scenario.
            ledger: The books its reserves are in.
            record: POOL[1], a view of the market's pools.
            tokens: Names, in the pool's order.
        """
        self.name = name
        self.ledger = ledger
        self.record = record
        self.account = int(record["account"][0])
        self.tokens = tuple(tokens)

    def __repr__(self) -> str:
        inside = ", ".join(f"{amount:.6g} {token}" for token, amount in self.reserves.items())
        return f"<{type(self).__name__} {self.name}: {inside}>"

    @property
    def fee(self) -> float:
        """Share of the amount paid in that stays with the providers (and the protocol)."""
        return float(self.record["fee"][0])

    @property
    def share(self) -> str:
        """Name of the token that is a share of the pool."""
        return self.ledger.tokens[int(self.record["share"][0])]

    @property
    def reserves(self) -> dict[str, float]:
        """What the pool holds, token units by name."""
        row = int(self.record["account"][0])
        return {token: self.ledger.balance(row, token) for token in self.tokens}

    def _reserve(self, token: str) -> float:
        if token not in self.tokens:
            raise ValueError(f"{self.name} holds {' and '.join(self.tokens)}, not {token!r}")
        return self.ledger.balance(int(self.record["account"][0]), token)

    @property
    def volume(self) -> dict[str, float]:
        """Amounts paid in by swaps since the start, token units by name."""
        return self._counter(0)

    @property
    def fees(self) -> dict[str, float]:
        """Fees paid by swaps since the start, token units by name."""
        return self._counter(1)

    @property
    def paid_out(self) -> dict[str, float]:
        """Amounts paid out by swaps since the start, token units by name."""
        return self._counter(2)

    def _counter(self, which: int) -> dict[str, float]:
        slot = int(self.record["slot"][0]) + which
        storage = self.ledger.books.storage
        return {token: float(storage[slot + COUNTERS * i]) for i, token in enumerate(self.tokens)}

    def begin_window(self, block: int) -> None:
        """Let the limits of its breaker count from a block on."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """What it is, in words."""
        return f"{self.kind.replace('_', ' ')} pool".strip()

    def traded(self) -> dict[str, float]:
        """Its reserves."""
        return self.reserves

    def positions(self) -> pd.DataFrame:
        """Its positions between two prices, where it has any."""
        raise NotImplementedError

    def spot_price(self, base: str | None = None, quote: str | None = None) -> float:
        """Marginal price without fee, units of `quote` per unit of `base`.

        Args:
            base: Default: the pool's first token.
            quote: Default: its last.

        Raises:
            ValueError: If the pool does not hold one of them.
        """
        raise NotImplementedError

    def quote(self, token_in: str, token_out: str, amount: float) -> float:
        """Amount of `token_out` that a swap of `amount` of `token_in` would give now.

        Raises:
            ValueError: If the pool does not hold one of them, or the amount is negative.
        """
        raise NotImplementedError
