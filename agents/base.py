"""Agents: real `mesa.Agent` objects, written plainly or as a compiled cohort.

Plain: subclass `MarketAgent`, write ``step()``, call ``self.swap(...)``.
Cohort: subclass `Behaviour`, declare `columns` and a compiled ``decide(world, me)``
that sends transactions for all rows at once. Both send the same transactions.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import mesa
import numpy as np

from agents.targets import Targets
from protocols.handles import ConcentratedPool
from sim.codes import ALL, PREVIOUS, Kind, Ordering
from sim.cohort import record_of
from sim.errors import nearest
from sim.ledger import LedgerError
from sim.mempool import WALLET, Call, Order, add_call, replace, seal, send
from sim.named import UnknownNameError, not_there
from sim.parts import issued_tokens
from sim.registry import Column

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.errors import Problem
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

__all__ = ["ALL", "PREVIOUS", "Behaviour", "Column", "MarketAgent", "Pending"]


class _Waiting(NamedTuple):
    """A call that waits for the rest of its transaction."""

    bid: float
    asked: Call


class Pending(NamedTuple):
    """The first call of a transaction that waits in the mempool, as an agent sees it.

    Attributes:
        number: Of the transaction; `MarketAgent.carry` and `MarketAgent.replace` ask for it.
        sender: Name of its account.
        kind: Of the call.
        calls: How many the transaction has.
        token_in: Name of the token that is paid.
        token_out: Name of the token that is received.
        amount: Token units; PREVIOUS or ALL stand for themselves.
        limit: Least outcome that the sender accepts.
        bid: Most that it pays for a unit of gas, gwei.
        since: Block in which it was sent.
    """

    number: int
    sender: str
    kind: Kind
    calls: int
    token_in: str
    token_out: str
    amount: float
    limit: float
    bid: float
    since: int


class _Numbers:
    """Numbers agents of each model from 1, as Mesa does, and keeps no model alive by it."""

    def __init__(self) -> None:
        self._counts: WeakKeyDictionary[Any, Iterator[int]] = WeakKeyDictionary()

    def __getitem__(self, model: Any) -> Iterator[int]:
        return self._counts.setdefault(model, count(1))

    def pop(self, model: Any, default: Any = None) -> Any:
        """Forget a model, as Mesa's own clean-up asks."""
        return self._counts.pop(model, default)


def _number(what: str, value: float, most: float = sys.float_info.max) -> float:
    """A number of a call as a float.

    Raises:
        ValueError: If it is negative, not a number, or too great.
    """
    if not 0.0 <= value <= most:
        raise ValueError(f"{what} {value!r} makes no sense; give a finite number of 0 or more")
    return float(value)


def _check_books_bear(market: Market, token: str, amount: float) -> None:
    """Refuse a claim on somebody whose books would no longer agree if it came from nowhere.

    Raises:
        ValueError: If they would not.
    """
    ledger, issuer = market.ledger, market.ledger.issuers.get(token, "")
    kept: Any = market.lending.get(issuer) or market.protocols.get(issuer)
    if kept is None or not hasattr(kept, "audit"):
        return
    books, column = ledger.books, ledger.token(token)
    before = books.supply[column]
    books.supply[column] += amount
    try:
        kept.audit()
    except LedgerError as error:
        raise ValueError(
            f"wallet: {token} is issued by {issuer}, whose books would not agree if it came from "
            "outside; give what it is issued for, and deposit, mint or buy it in the market"
        ) from error
    finally:
        books.supply[column] = before


class MarketAgent(mesa.Agent):
    """Base class for an agent with an account; subclass it and write ``step()``.

    Attributes:
        market: The market it lives in (Mesa's `model`).
        name: Of its account.
        account: Row of its account in the ledger.
        group: Group under which the results report wealth and losses; default: the class's name.
        tip: Most of a bid that goes to the block's producer under EIP-1559, gwei; infinite:
            all of it, which is what a race is won by. None: what a wallet offers.
    """

    group: ClassVar[str] = ""
    tip: float | None = None
    _ids: ClassVar[Any] = _Numbers()  # Mesa 3.3 has a table of its own, which keeps all models

    def __init__(
        self, market: Market, wallet: Mapping[str, float] | None = None, name: str | None = None
    ) -> None:
        """Join a market.

        Args:
            market: Where.
            wallet: What it starts with, token units by name; it comes from outside.
            name: Of its account; default: the class's name and the agent's number.

        Raises:
            ValueError: If the name is taken, an amount is not finite and >= 0, or a token is a
                claim on somebody whose books would no longer agree.
            KeyError: If there is no such token.
        """
        for token, amount in (wallet or {}).items():
            _check_books_bear(market, token, amount)
        super().__init__(market)
        self.market = market
        self.name = name or f"{type(self).__name__}-{self.unique_id}"
        self.account = market.open_account(self, self.name)
        self._cohort = -1
        self._gathered: list[_Waiting] | None = None
        self._sealing = False
        for token, amount in (wallet or {}).items():
            market.ledger.mint(self.account, token, amount)
        market.count_in(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        kind = type(self)
        close = " or ".join(map(repr, nearest(name, [n for n in dir(kind) if n[0] != "_"])))
        hint = f"; did you mean {close}?" if close else ""
        text = f"{kind.__name__} has no {name!r}{hint}"
        raise AttributeError(
            f"{text} (market.agents.select(agent_type=...) chooses agents of a class)"
        )

    @property
    def wallet(self) -> dict[str, float]:
        """Its non-zero balances, token units by name."""
        ledger = self.market.ledger
        held = ledger.balances[self.account]
        return {token: float(held[i]) for i, token in enumerate(ledger.tokens) if held[i] != 0.0}

    @property
    def wealth(self) -> float:
        """Net worth (holdings less debts), in the numeraire."""
        return self.market.wealth(self.account)

    def remove(self) -> None:
        """Stop acting; the account and its balances stay."""
        self.market.release(self)
        super().remove()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Send all calls inside as one atomic transaction: all succeed, or all revert.

        They are sent together at the end; where an exception leaves the block, none is.
        One inside another is a part of it.
        """
        if self._gathered is not None:
            yield
            return
        self._gathered = []
        try:
            yield
            calls = self._gathered
        finally:
            self._gathered = None
        self._send(calls)

    @contextmanager
    def bundle(self) -> Iterator[None]:
        """Send all calls inside as one sealed bundle, visible only to the block builder.

        They are done in their order, all or none, with the public transactions of others that
        the bundle carries (`carry`) among them. A bundle that fails leaves no trace and pays
        nothing; one that holds is in the block before all that is public, by its bid (of its first
        call) among other bundles. Transactions inside it are parts of it. Where an exception leaves
        it, nothing is sent.

        Raises:
            ValueError: If no builder orders the block, or a transaction or bundle is under way.
        """
        if self.market.world.rules[0]["ordering"] != Ordering.BUILDER:
            raise ValueError('no builder takes bundles; set block.ordering = "builder"')
        if self._gathered is not None:
            raise ValueError("a bundle cannot be a part of what is under way; begin it outside")
        self._sealing = True
        try:
            with self.transaction():
                yield
        finally:
            self._sealing = False

    def carry(self, number: int) -> None:
        """In a `bundle`: include somebody else's public transaction here, at its own gas.

        Args:
            number: Of a transaction of `pending`.

        Raises:
            ValueError: If no bundle is under way.
            KeyError: If no public transaction of that number waits.
        """
        if not self._sealing:
            raise ValueError("only a bundle carries; call this in `with self.bundle():`")
        mempool = self.market.world.mempool
        for place in self._places(number):
            if not _hidden(self.market.world, mempool[place]):
                money = self.market.numeraire
                found = Kind.CARRY, 0, money, money, float(number)
                self._call(*found, second=float(place))
                return
        raise KeyError(f"no public transaction {number} waits")

    @property
    def pending(self) -> list[Pending]:
        """Pending transactions in the mempool: all public ones and its own."""
        world, ledger = self.market.world, self.market.ledger
        waiting = world.mempool[: int(world.chain[0]["waiting"])]
        found = []
        for place in np.flatnonzero((waiting["calls"] > 0) & (waiting["gone"] == 0)):
            call = waiting[place]
            if call["sender"] != self.account and _hidden(world, call):
                continue
            found.append(
                Pending(
                    int(call["number"]),
                    ledger.accounts[int(call["sender"])],
                    Kind(int(call["kind"])),
                    int(call["calls"]),
                    ledger.tokens[int(call["token_in"])],
                    ledger.tokens[int(call["token_out"])],
                    float(call["amount"]),
                    float(call["limit"]),
                    float(call["bid"]),
                    int(call["arrived"]),
                )
            )
        return found

    def replace(self, number: int, bid: float | None = None) -> int:
        """Replace one of its own pending transactions by the same one at a higher bid.

        Args:
            number: Of the transaction, as in `pending`.
            bid: Gwei per gas; default: the least that nodes take in place of the old one,
                which is `block.replacement` more.

        Returns:
            The number of the new one.

        Raises:
            KeyError: If no transaction of its own has that number and waits.
            ValueError: If the bid is not so much higher.
        """
        world = self.market.world
        own = [p for p in self._places(number) if world.mempool[p]["sender"] == self.account]
        if not own:
            raise KeyError(f"no transaction {number} of {self.name} waits")
        old = float(world.mempool[own[0]]["bid"])
        least = max(
            old * (1.0 + float(world.rules[0]["replacement"])), math.nextafter(old, math.inf)
        )
        raised = least if bid is None else _number("bid", bid)
        new = int(world.chain[0]["next_number"])
        if not replace(world, int(own[0]), raised):
            raise ValueError(f"a bid of {raised:g} does not replace one of {old:g}; {least:g} does")
        return new

    def _places(self, number: int) -> list[int]:
        """Where in the mempool a transaction of a number waits: one place, or none."""
        world = self.market.world
        waiting = world.mempool[: int(world.chain[0]["waiting"])]
        here = (waiting["number"] == number) & (waiting["calls"] > 0) & (waiting["gone"] == 0)
        return [int(place) for place in np.flatnonzero(here)]

    def _send(self, calls: Sequence[_Waiting]) -> None:
        """Send calls as one transaction."""
        world = self.market.world
        for i, call in enumerate(calls):
            if i == 0:
                tip = WALLET if self.tip is None else _number("tip", self.tip, math.inf)
                send(world, Order(self.account, self._cohort, call.bid, 0), call.asked, tip)
            else:
                add_call(world, call.asked)
        if self._sealing:
            seal(world)

    # Wide: fills a call in; who calls it names the few that matter.
    def _call(
        self,
        kind: Kind,
        protocol: int,
        token_in: str,
        token_out: str,
        amount: float,
        limit: float = 0.0,
        bid: float | None = None,
        counterparty: int = -1,
        second: float = 0.0,
        ticks: tuple[int, int] = (0, 0),
        action: int = 0,
    ) -> None:
        market = self.market
        tokens = market.ledger.token(token_in), market.ledger.token(token_out)
        if bid is None:
            chain = market.world.chain[0]
            bid = 1.25 * max(float(chain["gas_price"]), float(chain["base_fee"]))
        if math.isnan(limit):
            raise ValueError("the least outcome is not a number; give one")
        asked = Call(
            int(kind),
            protocol,
            *tokens,
            float(amount) if amount in (PREVIOUS, ALL) else _number("amount", amount),
            float(limit),
            counterparty,
            _number("amount", second),
            *ticks,
            action,
        )
        call = _Waiting(_number("bid", bid), asked)
        if self._gathered is None:
            self._send([call])
        else:
            self._gathered.append(call)

    def swap(
        self,
        pool: str,
        token_in: str,
        amount: float,
        minimum: float = 0.0,
        bid: float | None = None,
        token_out: str | None = None,
    ) -> None:
        """Swap in a pool.

        Args:
            pool: Name.
            token_in: Token to pay.
            amount: Token units; PREVIOUS: what the call before gave; ALL: everything held.
            minimum: Least amount to receive, else the transaction reverts.
            bid: Gwei per gas; default: a quarter above the last block's price.
            token_out: Default: the pool's other token.

        Raises:
            KeyError: If there is no such pool or token.
            ValueError: If the pool does not hold the token.
        """
        tokens = self.market.pools[pool].tokens
        if token_in not in tokens:
            raise ValueError(f"{pool} holds {' and '.join(tokens)}, not {token_in!r}")
        out = token_out or next(token for token in tokens if token != token_in)
        self._call(Kind.SWAP, _place(self.market.pools, pool), token_in, out, amount, minimum, bid)

    def swap_best(
        self,
        token_in: str,
        token_out: str,
        amount: float,
        slippage: float = 0.01,
        bid: float | None = None,
    ) -> None:
        """Swap over the best split of routes through all pools, in one transaction.

        Args:
            token_in: Token to pay.
            token_out: Token to receive.
            amount: Token units.
            slippage: How much worse than now it may come out, share.
            bid: Gwei per gas; default: a quarter above the last block's price.

        Raises:
            ValueError: If there is no way, or the amount is not positive.
        """
        chain = self.market.world.chain[0]
        rules = self.market.world.rules[0]
        price = float(chain["gas_price"]) if rules["fee_market"] else 0.0
        plan = self.market.route(token_in, token_out, amount, price)
        if not plan.routes:
            raise ValueError(
                f"no route through pools from {token_in} to {token_out} for {amount:g}"
            )
        with self.transaction():
            for route in plan.routes:
                part = route.amount
                for pool, first, second in zip(
                    route.pools, route.tokens, route.tokens[1:], strict=False
                ):
                    self.swap(pool, first, part, bid=bid, token_out=second)
                    part = PREVIOUS
            self.require(token_out, plan.amount_out * (1.0 - slippage))

    def add_liquidity(
        self,
        pool: str,
        amounts: Mapping[str, float] | None = None,
        minimum: float = 0.0,
        bid: float | None = None,
        shares: float | None = None,
        prices: tuple[float, float] | None = None,
    ) -> None:
        """Add liquidity to a pool for shares, or open a concentrated position.

        Args:
            pool: Name.
            amounts: Of one or two of its tokens, by name. A constant-product pool takes
                two in its proportion, at most those; others take them as they are.
            minimum: Least shares (or liquidity) to receive.
            bid: Gwei per gas.
            shares: In place of amounts: buy so many shares with all tokens in the
                pool's proportion.
            prices: Of a concentrated pool: between which to provide.

        Raises:
            KeyError: If there is no such pool or token.
            ValueError: If what is given makes no sense for the pool.
        """
        held = self.market.pools[pool]
        place = _place(self.market.pools, pool)
        if shares is not None:
            share = held.share
            self._call(Kind.ADD_LIQUIDITY, place, share, share, shares, minimum, bid)
            return
        given = dict(amounts or {})
        if not 1 <= len(given) <= 2 or not set(given) <= set(held.tokens):
            names = " and ".join(held.tokens)
            raise ValueError(f"give amounts of one or two of {names}, or shares, to {pool}")
        if len(given) == 1:
            given[next(t for t in held.tokens if t not in given)] = 0.0
        first, second = sorted(given, key=held.tokens.index)
        amount, other = float(given[first]), float(given[second])
        ticks = (0, 0)
        if isinstance(held, ConcentratedPool):
            if prices is None:
                raise ValueError(f"{pool} is concentrated: give prices=(lower, upper)")
            ticks = held.ticks(*prices)
        call = (Kind.ADD_LIQUIDITY, place, first, second, amount, minimum, bid)
        self._call(*call, second=other, ticks=ticks)

    def remove_liquidity(
        self,
        pool: str,
        shares: float = ALL,
        minimum: float = 0.0,
        bid: float | None = None,
        token: str | None = None,
        prices: tuple[float, float] | None = None,
    ) -> None:
        """Redeem pool shares, or withdraw liquidity from a concentrated position.

        Args:
            pool: Name.
            shares: How many, or how much liquidity (0: collect the fees alone).
            minimum: Least to receive, of `token` or of the pool's first.
            bid: Gwei per gas.
            token: Receive this one alone.
            prices: Of a concentrated pool: those that the position was opened with.
        """
        held = self.market.pools[pool]
        place = _place(self.market.pools, pool)
        ticks = (0, 0)
        if isinstance(held, ConcentratedPool):
            if prices is None:
                raise ValueError(f"{pool} is concentrated: give prices=(lower, upper)")
            ticks = held.ticks(*prices)
        call = (Kind.REMOVE_LIQUIDITY, place, held.share, token or held.share, shares, minimum, bid)
        self._call(*call, ticks=ticks)

    def flash_borrow(
        self, lending: str, token: str, amount: float, bid: float | None = None
    ) -> None:
        """Take a flash loan, repaid in the same `transaction` with `flash_repay`."""
        self._lend(Kind.FLASH_BORROW, lending, token, amount, 0.0, bid)

    def flash_repay(self, lending: str, token: str) -> None:
        """Repay the transaction's flash loan of a token, with the fee."""
        self._lend(Kind.FLASH_REPAY, lending, token, ALL, 0.0, None)

    def require(self, token: str, gain: float) -> None:
        """Make the transaction revert unless it has gained at least this much of a token so far."""
        self._call(Kind.REQUIRE, 0, token, token, 0.0, gain)

    def deposit(self, lending: str, token: str, amount: float, bid: float | None = None) -> None:
        """Deposit in a lending market."""
        self._lend(Kind.DEPOSIT, lending, token, amount, 0.0, bid)

    def withdraw(self, lending: str, token: str, amount: float, bid: float | None = None) -> None:
        """Withdraw a deposit from a lending market."""
        self._lend(Kind.WITHDRAW, lending, token, amount, 0.0, bid)

    def borrow(
        self,
        lending: str,
        token: str,
        amount: float,
        least_health: float = 1.0,
        bid: float | None = None,
    ) -> None:
        """Borrow against deposits; reverts if the health factor would end below `least_health`."""
        self._lend(Kind.BORROW, lending, token, amount, least_health, bid)

    def repay(self, lending: str, token: str, amount: float, bid: float | None = None) -> None:
        """Repay a debt."""
        self._lend(Kind.REPAY, lending, token, amount, 0.0, bid)

    def _lend(
        self, kind: Kind, lending: str, token: str, amount: float, limit: float, bid: float | None
    ) -> None:
        place = _place(self.market.lending, lending)
        self._call(kind, place, token, token, amount, limit, bid)

    def liquidate(
        self,
        lending: str,
        borrower: str,
        debt: str,
        collateral: str,
        amount: float,
        minimum: float = 0.0,
        bid: float | None = None,
    ) -> None:
        """Repay part of an unhealthy account's debt and seize collateral."""
        row = self.market.ledger.account(borrower)
        place = _place(self.market.lending, lending)
        self._call(Kind.LIQUIDATE, place, debt, collateral, amount, minimum, bid, row)

    def trade_outside(
        self, token_in: str, token_out: str, amount: float, minimum: float = 0.0
    ) -> None:
        """Trade at the outside venue; this costs no gas."""
        self._call(Kind.VENUE, 0, token_in, token_out, amount, minimum, 0.0)

    def transfer(self, receiver: str, token: str, amount: float, bid: float | None = None) -> None:
        """Send tokens to another account."""
        row = self.market.ledger.account(receiver)
        self._call(Kind.TRANSFER, 0, token, token, amount, 0.0, bid, row)

    def call(
        self,
        protocol: str,
        token_in: str,
        token_out: str,
        amount: float,
        limit: float = 0.0,
        bid: float | None = None,
    ) -> None:
        """Call a protocol that was added to an open market (`Market.add_protocol`)."""
        names = [p.name for p in self.market.custom]
        if protocol not in names:
            raise UnknownNameError(not_there("plain protocol", protocol, names))
        self._call(Kind.CUSTOM, names.index(protocol), token_in, token_out, amount, limit, bid)

    # Wide: any call of any protocol; all but two have defaults.
    def act(
        self,
        protocol: str,
        name: str,
        amount: float,
        minimum: float = 0.0,
        bid: float | None = None,
        token_in: str | None = None,
        token_out: str | None = None,
        counterparty: str | None = None,
        second: float = 0.0,
    ) -> None:
        """Call a declarative protocol by name.

        Args:
            protocol: Name.
            name: Of one of its calls.
            amount: Token units; PREVIOUS: what the call before gave; ALL: everything held.
            minimum: Least outcome, else the transaction reverts.
            bid: Gwei per gas; default: a quarter above the last block's price.
            token_in: Token to pay; default: what the call says.
            token_out: Token to receive; default: what the call says.
            counterparty: Account that the call is about.
            second: A second amount, where the call has two.

        Raises:
            KeyError: If there is no such protocol, call, token or account.
        """
        market = self.market
        place = _place({p.name: p for p in market.declared}, protocol)
        held = market.declared[place]
        action = _place({call.name: call for call in held.calls}, name)
        call = held.calls[action]
        known = [*held.tokens, *(token.name for token in held.issues)]
        paid = token_in or (held.token(call.pays or known[0]) if known else market.numeraire)
        given = token_out or (held.token(call.gives) if call.gives else paid)
        row = -1 if counterparty is None else market.ledger.account(counterparty)
        what = Kind.PROTOCOL, place, paid, given, amount, minimum, bid, row, second
        self._call(*what, action=action)


def _place(protocols: Mapping[str, Any], name: str) -> int:
    try:
        return list(protocols).index(name)
    except ValueError:
        raise UnknownNameError(not_there("protocol", name, protocols)) from None


def _hidden(world: Any, call: Any) -> bool:
    """`sim.mempool.sealed`, of a call that Python looks at."""
    if world.rules[0]["ordering"] != Ordering.BUILDER:
        return False
    group = int(call["cohort"])
    return bool(call["sealed"] or (group >= 0 and world.cohorts[group]["searcher"]))


class _Step(float):
    """A column called ``step``, which Mesa's habit would call as a method."""

    def __call__(self) -> None:
        raise RuntimeError(TOGETHER)


TOGETHER = (
    "agents of a compiled cohort decide together, in market.step(): call that, or "
    "market.run(blocks); your own MarketAgents step in it as well"
)


class _ColumnValue:
    """An agent's own number of a column, as an attribute."""

    def __init__(self, column: str) -> None:
        self.column = column

    def __get__(self, agent: Any, owner: type) -> Any:
        if agent is None:
            return self
        found = agent.cohort.number(agent.row, self.column)
        return _Step(found) if self.column == "step" else found

    def __set__(self, agent: Any, value: float) -> None:
        agent.cohort.put(self.column, value, agent.row)


class Behaviour(MarketAgent):
    """Base class for agents whose numbers are stored in a table shared by their group.

    Attributes:
        cohort: The table.
        row: Its row there.

    A subclass declares ``columns`` (each then is an attribute of the agent) and one
    of: a compiled ``decide(world, me)`` that acts for all rows, or a plain ``step()``.
    Kernels read columns by their names, ``me.rows[i].slippage``, and what the class
    ``remembers`` likewise, ``me.memory.heat`` (`sim.cohort.Cohort`).
    """

    columns: ClassVar[Mapping[str, Column]] = {}
    targets: ClassVar[type[Targets]] = Targets
    """What a scenario says that they act on."""
    needs_wallet: ClassVar[bool] = False
    """Whether they can do nothing without a wallet."""
    pool_kinds: ClassVar[frozenset[str]] = frozenset()
    """Kinds of pool that it knows; empty: all."""
    most_tokens: ClassVar[int] = 8
    """Tokens that a pool of its may hold."""
    remembers: ClassVar[Mapping[str, Column]] = {}
    """Numbers that the cohort as a whole remembers; no scenario sets them."""
    searcher: ClassVar[bool] = False
    """Whether a block that puts arbitrage first puts these first; a builder takes their bundles."""
    watches: ClassVar[bool] = False
    """Whether it decides after all others, and sees what they have sent in the block."""
    positions: ClassVar[int] = 0
    """Positions of concentrated liquidity that each of them may have at a time."""
    without: ClassVar[Mapping[str, Mapping[str, float]]] = {}
    """Value that a column has for all of them while a mechanism is cut, by switch and column."""
    makes_markets: ClassVar[bool] = False
    """Whether each quotes at the venue, in all `assets` of its group (`sim.venue.QUOTE`)."""
    process: ClassVar[str] = ""
    """Process of the price of all `assets` of its group; empty: any."""
    borrows_outside: ClassVar[bool] = False
    """Whether they may owe the venue a margin debt (`protocols.margin`)."""
    hears: ClassVar[str] = ""
    """State column that a shock of the kind ``news`` raises; it writes the block into the one of
    the same name with ``_at``. Empty: they hear nothing."""
    start_order: ClassVar[int] = 0
    """Place in the order in which cohorts open their positions: lenders before borrowers."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make every column an attribute.

        Raises:
            TypeError: If kernels could not read a column by its name, or it has more numbers
                than one though a scenario sets it.
        """
        super().__init_subclass__(**kwargs)
        record_of(cls.columns)
        record_of(cls.remembers)
        given = [name for name, column in cls.columns.items() if not column.state]
        several = [name for name in given if cls.columns[name].count != 1]
        if several:
            text = "a column that a scenario sets is one number"
            raise TypeError(f"{cls.__name__}: {text}; {several} have a count")
        for name in cls.columns:
            setattr(cls, name, _ColumnValue(name))

    def __init__(self, market: Market, cohort: CohortTable, row: int) -> None:
        """Stand for a row of a cohort; `populate` makes them."""
        mesa.Agent.__init__(self, market)
        self.market = market
        self.cohort = cohort
        self.row = row
        self._cohort = cohort.ident
        self._gathered = None
        self._sealing = False

    def step(self) -> None:
        """Act on its own; not used by agents with a compiled ``decide``.

        Raises:
            RuntimeError: If it is one of those.
        """
        if getattr(type(self), "decide", None) is not None:
            raise RuntimeError(TOGETHER)

    @property
    def account(self) -> int:  # type: ignore[override]
        """Row of its account in the ledger."""
        return self.cohort.first + self.row

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of its account."""
        return f"{self.cohort.name}-{self.row}"

    @classmethod
    def check(cls, settings: AgentSettings) -> list[Problem]:
        """Problems with a group's settings, by field, beyond unknown names."""
        return []

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Numbers of the protocols and tokens that the cohort knows, as `decide` takes them."""
        return [list(scenario.pools).index(pool) for pool in settings.named("pools")]

    @classmethod
    def places_size(cls, scenario: Scenario, settings: AgentSettings) -> int:
        """How many `places` there are."""
        return len(cls.places(scenario, settings))

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Fill the cohort's places and open initial positions."""
        cohort.places[:] = cls.places(market.setup, cohort.settings)
        if any(cohort.column(name).any() for name in ("tries", "bump") if name in cls.columns):
            market.prepare()  # what is tried out must not hang on who has made a call before

    @classmethod
    def populate(cls, market: Market, cohort: CohortTable) -> None:
        """Make an agent for every row."""
        plain = getattr(cls, "decide", None) is None
        for row in range(len(cohort)):
            agent = cls(market, cohort, row)
            if plain:
                market.join(agent)


def token_number(scenario: Scenario, token: str) -> int:
    """Column of a token in the ledger: those that the venue trades, then those issued."""
    base = [scenario.venue.numeraire, *scenario.venue.assets]
    if token in base:
        return base.index(token)
    return len(base) + [each.token for each in issued_tokens(scenario)].index(token)
