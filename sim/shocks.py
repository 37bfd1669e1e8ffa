"""Shocks from outside: all that a scenario may say about the future.

What strikes the market itself is here; kinds of protocol register what strikes them
(`sim.registry.register_strike`).
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim import registry
from sim.codes import NEVER, Kind
from sim.mechanisms import cut_in_cohorts, cut_in_world, nothing
from sim.mempool import Call, Order, send
from sim.names import HOLDERS
from sim.randomness import generator
from sim.registry import register_strike
from sim.venue import depth_units

if TYPE_CHECKING:
    from sim.market import Market

TOP_BID = 1e6
"""Gwei per gas that a shock's own transactions bid, which puts them first."""
HOLDING: Mapping[str, str] = registry.holding()
"""Kinds of shock that hold something back for a while, and the field that names it."""


def held_by(shock: Any) -> tuple[str, str] | None:
    """What a shock holds back: its kind and the name; None of a shock that holds nothing."""
    field = HOLDING.get(shock.kind)
    return (shock.kind, getattr(shock, field)) if field else None


@dataclass
class _Hold:
    """Something that is held back, by one shock or by several at a time."""

    count: int
    restore: Callable[[], None]


class _Due(NamedTuple):
    """A shock that is to strike."""

    block: int
    shock: Any
    order: int
    """Of those that strike in a block, in that in which they were added."""
    left: int = 1
    """Blocks in which it is to strike, one after the other, this one included."""


class Shocks:
    """The shocks of a market, struck at the start of their blocks."""

    def __init__(self, market: Market) -> None:
        """Take the shocks of the market's scenario, in the order of their blocks."""
        self.market = market
        self.pending: list[_Due] = []
        self._added = 0
        self.ending: list[tuple[int, Any]] = []
        """Block at whose start a shock that holds something back is over, and the shock."""
        self.holds: dict[tuple[str, str], _Hold] = {}
        self.struck: list[tuple[int, Any]] = []
        for shock in market.setup.shocks:
            self.add(shock, market.setup.block_of(shock))

    def add(self, shock: Any, block: int) -> None:
        """Have a shock strike at the start of a block, after those that are due there already.

        Args:
            shock: A shock as a scenario states it (`sim.scenario.Shock`).
            block: A block that is not made yet.

        Raises:
            ValueError: If it is.
        """
        if block <= self.market.block:
            raise ValueError(f"block {block} is made already; give {self.market.block + 1} or more")
        left = shock.blocks if shock.kind == "whale_sale" else 1
        self._wait(_Due(block, shock, self._added, left))
        self._added += 1

    def _wait(self, due: _Due) -> None:
        insort(self.pending, due, key=lambda item: (item.block, item.order))

    def end(self, shock: Any) -> None:
        """Take a shock back at the start of the next block, as if it were to last until there.

        Args:
            shock: One that holds something back, as kinds of `HOLDING` do.

        Raises:
            ValueError: If it is of another kind.
        """
        if held_by(shock) is None:
            raise ValueError(f"a {shock.kind} cannot be taken back")
        block = self.market.block + 1
        self.ending = [(block if s is shock else at, s) for at, s in self.ending]

    def blocks_until_next(self, block: int) -> int:
        """Blocks that can be made after `block` before a shock has to strike."""
        due = [item.block for item in self.pending[:1]] + [at for at, _ in self.ending]
        return max(min(due) - block - 1, 1) if due else 2**62

    def strike(self, block: int) -> None:
        """Strike all shocks that are due at the start of a block; first end those that are over."""
        over = [shock for at, shock in self.ending if at <= block]
        self.ending = [item for item in self.ending if item[0] > block]
        for shock in over:
            self._let_go(shock)
        again = []
        while self.pending and self.pending[0].block <= block:
            due = self.pending.pop(0)
            self.now(due.shock, block)
            self.struck.append((due.block, due.shock))
            if due.left > 1:
                again.append(due._replace(block=due.block + 1, left=due.left - 1))
        for due in again:
            self._wait(due)

    def now(self, shock: Any, block: int) -> None:
        """Strike one shock at the start of a block, whether the scenario holds it or not.

        Args:
            shock: A shock as a scenario states it (`sim.scenario.Shock`).
            block: The block about to be made.
        """
        strike = registry.strike(shock.kind)
        held = held_by(shock)
        if held is None:
            strike(self, shock, block)
            return
        # What two shocks hold back works again when the later of them is over.
        if held in self.holds:
            self.holds[held].count += 1
        else:
            self.holds[held] = _Hold(1, strike(self, shock, block))
        self.ending.append((block + shock.blocks, shock))

    def _let_go(self, shock: Any) -> None:
        held = held_by(shock)
        assert held is not None
        hold = self.holds[held]
        hold.count -= 1
        if hold.count == 0:
            del self.holds[held]
            hold.restore()

    def holders(self, group: str | None, token: int | str) -> list[int]:
        """Accounts that hold a token.

        Args:
            group: Of agents; None: everybody but protocols.
            token: Name or column.

        Returns:
            Rows of the ledger, in their order.
        """
        market = self.market
        held = market.ledger.balances[:, market.ledger.token(token)] > 0.0
        if group is not None:
            rows = np.zeros_like(held)
            rows[market.cohorts[group].accounts()] = True
            held &= rows
        else:
            for handle in market.protocols.values():
                if handle.account >= 0:
                    held[handle.account] = False
        return [int(row) for row in np.flatnonzero(held)]

    # Wide: what a call asks for, as `sim.mempool.Call` has it.
    def send(
        self,
        block: int,
        sender: int,
        kind: Kind,
        protocol: int,
        token_in: int,
        token_out: int,
        amount: float,
        ticks: tuple[int, int] = (0, 0),
    ) -> None:
        """Send a transaction that takes no gas from the agents' blocks, and comes first.

        Args:
            block: The block about to be made.
            sender: Row of the account in whose name it is sent.
            kind: Of its call.
            protocol: As `kind` counts them (`sim.registry.register_call`).
            token_in: Column.
            token_out: Column.
            amount: Token units of `token_in`, or ALL.
            ticks: Lower and upper one, of a position.
        """
        market = self.market
        chain = market.world.chain[0]
        chain["block"] += 1  # it arrives in the block about to be made
        cohort = next(
            (c.ident for c in market.cohorts.values() if c.first <= sender < c.first + len(c)), -1
        )
        patience = NEVER // 2
        tokens = int(token_in), int(token_out)
        asked = Call(int(kind), protocol, *tokens, float(amount), 0.0, -1, 0.0, *ticks, 0)
        send(market.world, Order(sender, cohort, TOP_BID, patience), asked, np.inf)
        market.world.mempool[int(chain["bundle_head"])]["gas"] = 0.0
        chain["block"] -= 1

    def comes_from_outside(self, token: str, amount: float) -> None:
        """Count what a shock brings in as held from the start, so that it is nobody's gain."""
        world = self.market.world
        row = len(self.market.cohorts) + self.market.special_accounts.index(HOLDERS)
        world.start[row, self.market.ledger.token(token)] += amount
        world.start_worth[row] += amount * self.market.price(token)


# What strikes the market itself


def _price_jump(shocks: Shocks, shock: Any, block: int) -> None:
    asset: Any = shocks.market.venue.asset(shock.asset)
    asset["x"] += math.log1p(shock.size)
    asset["anchor"] += math.log1p(shock.size)


def _depth_loss(shocks: Shocks, shock: Any, block: int) -> None:
    asset: Any = shocks.market.venue.asset(shock.asset)
    asset["depth_multiple"] = max(1.0 - shock.share, 1e-9)
    asset["depth_until"] = block + shock.blocks
    asset["units"] = depth_units(asset, block)


def _gas_surge(shocks: Shocks, shock: Any, block: int) -> None:
    chain = shocks.market.world.chain[0]
    chain["surge"] = shock.multiple
    chain["surge_until"] = block + shock.blocks


def _agents_stop(shocks: Shocks, shock: Any, block: int) -> Callable[[], None]:
    market = shocks.market
    cohort = market.cohorts[shock.agents]
    record = market.world.cohorts[cohort.ident]
    address = int(record["address"])
    plain = [a for a in market._plain if getattr(a, "cohort", None) is cohort]
    record["address"] = 0
    for agent in plain:
        market._plain.remove(agent)

    def resume() -> None:
        record["address"] = address
        for agent in plain:
            market.join(agent)

    return resume


def _event(shocks: Shocks, shock: Any, block: int) -> Callable[[], None]:
    protocol: Any = shocks.market.protocols[shock.protocol]
    return protocol.struck(shock.event, shock.size) or nothing


def _mechanism_cut(shocks: Shocks, shock: Any, block: int) -> Callable[[], None]:
    market = shocks.market
    if not getattr(market.setup.switches, shock.mechanism):
        return nothing  # it is cut from the start, and stays so
    in_world = cut_in_world(market.world, shock.mechanism)
    in_cohorts = cut_in_cohorts(market.cohorts.values(), shock.mechanism)

    def restore() -> None:
        in_world()
        in_cohorts()

    return restore


def _news(shocks: Shocks, shock: Any, block: int) -> None:
    """Raise what some of a group believe; who hears a smaller share's news hears a larger one's."""
    market = shocks.market
    cohort = market.cohorts[shock.agents]
    column: str = cohort.behaviour.hears
    draws = generator(market.seed_number, f"{cohort.name}:news:{block}").random(len(cohort))
    hears = draws < shock.share
    believed = cohort.column(column)
    believed[hears] = np.maximum(believed[hears], shock.size)
    cohort.column(f"{column}_at")[hears] = block


def _whale_sale(shocks: Shocks, shock: Any, block: int) -> None:
    """Mint the whale's part of this block and sell it where the shock says."""
    market = shocks.market
    whale = market.ledger.account(HOLDERS)
    amount = shock.amount / shock.blocks
    market.ledger.mint(whale, shock.token, amount)
    shocks.comes_from_outside(shock.token, amount)
    kind, protocol, other = market.sale(shock.target, shock.token)
    tokens = market.ledger.token(shock.token), market.ledger.token(other)
    shocks.send(block, whale, kind, protocol, *tokens, amount)


register_strike("price_jump", _price_jump)
register_strike("depth_loss", _depth_loss)
register_strike("gas_surge", _gas_surge)
register_strike("whale_sale", _whale_sale)
register_strike("agents_stop", _agents_stop, holds="agents")
register_strike("mechanism_cut", _mechanism_cut, holds="mechanism")
register_strike("event", _event, holds="what")
register_strike("news", _news)
