"""Who attacks random markets: agents that call anything with anything.

Most calls make sense but for a field or two, since what is nonsense throughout is
refused at the door. A cohort of them is compiled, so that attacks are cheap; single
ones call what `MarketAgent` offers, whatever that is, and the block's own entrances.
"""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from agents.base import Behaviour, Column, MarketAgent
from protocols import lending
from protocols.custom import CustomProtocol
from protocols.interface import (
    Call,
    Event,
    Exposure,
    Measure,
    Order,
    Protocol,
    Rate,
    Settings,
    Token,
    note_claim,
    read,
    write,
)
from sim.codes import ALL, PREVIOUS, Kind, Reason
from sim.compiled import kernel
from sim.ledger import transfer
from sim.market import Market
from sim.mempool import Call as Asked
from sim.mempool import Order as Terms
from sim.mempool import add_call, call, replace, send
from sim.names import HOLDERS
from sim.randomness import mix, uniform
from sim.trial import try_out

NUMBERS = (
    0.0, -0.0, -1.0, -2.0, -3.0, 1.0, 5e-324, 1e-300, 1e-18, 1e-9, 1e18, 1e300, 1e308,
    -1e-9, -1e308, math.inf, -math.inf, math.nan,
)  # fmt: skip
"""Amounts, limits and bids that nobody means; among them PREVIOUS and ALL."""
_NUMBERS = np.array(NUMBERS)
_KINDS = len(Kind)
_KEY_STEP = np.uint64(0x9E3779B97F4A7C15)


@kernel
def _draw(state):
    """The next uniform draw of a stream whose place is ``state[0]``."""
    state[0] = mix(state[0] + _KEY_STEP)
    return uniform(state[0], 0)


@kernel
def _among(state, n):
    """A whole number in [0, n)."""
    return min(np.int64(_draw(state) * n), n - 1)


@kernel
def _amount(w, state, account, token, first, hostile):
    """What is held, a part of it, a power of ten, ALL, PREVIOUS, or nonsense."""
    if _draw(state) < hostile:
        return _NUMBERS[_among(state, _NUMBERS.size)]
    way = _draw(state)
    held = w.books.balances[account, token]
    if token == w.rules[0].gas_token:  # who gives all of it away can do nothing more
        return 0.1 * held * way
    if way < 0.15:
        return ALL
    if way < 0.3 and not first:
        return PREVIOUS
    if way < 0.6:
        return held * _draw(state)
    if way < 0.7:
        return held
    if way < 0.75:
        return held * 1.0000000000005
    return 10.0 ** (12.0 * _draw(state) - 6.0)


@kernel
def _kind(w, state):
    """A kind of call, mostly one that the market has something for."""
    if w.protocols.size and _draw(state) < 0.3:  # they have more calls than all others
        return np.int64(Kind.PROTOCOL)
    for _ in range(4):
        kind = _among(state, _KINDS)
        if kind == Kind.PROTOCOL:
            if w.protocols.size:
                return kind
        elif kind == Kind.CUSTOM or kind == Kind.REQUIRE or kind == Kind.CARRY:
            if _draw(state) < 0.2:
                return kind
        elif kind <= Kind.REMOVE_LIQUIDITY:
            if w.pools.size:
                return kind
        elif kind == Kind.VENUE or kind == Kind.TRANSFER or w.markets.size:
            return kind
    return Kind.TRANSFER


@kernel
def _needed(reserve, kind):
    """Token that a call of a lending market wants its sender to hold."""
    if kind == Kind.WITHDRAW:
        return reserve.receipt
    return reserve.debt if kind == Kind.REPAY else reserve.token


@kernel
def _loan(w, account, m, token):
    """About as much as an account may borrow."""
    market = w.markets[m]
    _, most, _, owed = lending.standing(w.books, market, w.reserves, w.feeds, account)
    r = lending.reserve_at(market, w.reserves, token)
    price = w.feeds[w.reserves[r].feed].price if r >= 0 else 0.0
    return (most - owed) / price if price > 0.0 and most > owed else 1.0


@kernel
def _prey(w, state, m, debt, collateral):
    """A debtor, one under water if a few looks find one, and what it owes and has."""
    market = w.markets[m]
    other = w.debtors[m, _among(state, market.debtors)]
    for _ in range(6):
        if lending.health(w.books, market, w.reserves, w.feeds, other) < 1.0:
            break
        other = w.debtors[m, _among(state, market.debtors)]
    first = market.first + _among(state, market.size)
    for k in range(market.size):
        r = w.reserves[market.first + (first - market.first + k) % market.size]
        if lending.debt_of(w.books, r, other) > 0.0:
            debt = r.token
        if r.collateral and lending.deposit_of(w.books, r, other) > 0.0:
            collateral = r.token
    return other, debt, collateral


@kernel
def _call(w, state, account, cohort, bid, first, kind, hostile, places):
    """Send, or follow with, a call of a kind that mostly makes sense."""
    accounts, tokens = w.books.balances.shape
    place, second, limit = 0, 0.0, 0.0
    a, b = _among(state, tokens), _among(state, tokens)
    other, lower, upper, action = -1, 0, 0, 0
    alike = False
    if kind <= Kind.REMOVE_LIQUIDITY and w.pools.size:
        place = _among(state, w.pools.size)
        pool = w.pools[place]
        i = _among(state, pool.size)
        for _ in range(2):
            if w.books.balances[account, pool.tokens[i]] <= 0.0:
                i = _among(state, pool.size)
        a, b = pool.tokens[i], pool.tokens[(i + 1 + _among(state, pool.size - 1)) % pool.size]
        if (kind == Kind.REMOVE_LIQUIDITY and _draw(state) < 0.6) or (
            kind == Kind.ADD_LIQUIDITY and _draw(state) < 0.2
        ):
            a = b = pool.share
        if kind == Kind.ADD_LIQUIDITY and _draw(state) < 0.7:
            second = _amount(w, state, account, b, first, hostile)
        if pool.spacing > 0:
            middle = pool.lowest + pool.width // 2
            lower = (middle - _among(state, 4)) * pool.spacing
            upper = (middle + 1 + _among(state, 4)) * pool.spacing
            if _draw(state) < hostile:
                lower, upper = _among(state, 2000000) - 1000000, _among(state, 2000000) - 1000000
    elif kind == Kind.VENUE:
        a = w.assets[_among(state, w.assets.size)].token
        b = w.rules[0].numeraire
        if _draw(state) < 0.5:
            a, b = b, a
    elif kind == Kind.PROTOCOL and w.protocols.size:
        place = _among(state, w.protocols.size)
        protocol = w.protocols[place]
        action = _among(state, protocol.calls)
        other = _among(state, accounts) if _draw(state) < 0.3 else -1
        for _ in range(12):  # what it issues, or holds
            if w.books.balances[account, a] > 0.0:
                if w.books.balances[protocol.account, a] > 0.0:
                    break
                issues = False
                for n in range(w.issues.size):
                    mine = w.issues[n].account == protocol.account
                    issues |= mine and w.issues[n].token == a
                if issues:
                    break
            a = _among(state, tokens)
        if w.issues.size and _draw(state) < 0.5:  # another of what it issues
            n = _among(state, w.issues.size)
            for _ in range(4):
                if w.issues[n].account == protocol.account:
                    b = w.issues[n].token
                n = _among(state, w.issues.size)
        way = _draw(state)
        if way < 0.2:
            second = _amount(w, state, account, a, first, hostile)
        elif way < 0.45:  # a loan that its collateral is worth, and the other way round
            alike = True
        elif way < 0.7:  # the number of something: of an auction, of a place in a queue
            second = 1.0 + _among(state, 12)
        if _draw(state) < hostile:
            action = _among(state, 40) - 20
    elif kind == Kind.TRANSFER or kind == Kind.CUSTOM:
        other = _among(state, accounts)
        for _ in range(6):
            if w.books.balances[account, a] <= 0.0:
                a = _among(state, tokens)
    elif kind != Kind.REQUIRE and w.markets.size:
        place = _among(state, w.markets.size)
        market = w.markets[place]
        r = w.reserves[market.first + _among(state, market.size)]
        for _ in range(4):
            if w.books.balances[account, _needed(r, kind)] <= 0.0:
                r = w.reserves[market.first + _among(state, market.size)]
        a = r.token
        b = w.reserves[market.first + _among(state, market.size)].token
        other = _among(state, accounts) if _draw(state) < 0.3 else -1
        if kind == Kind.LIQUIDATE and market.debtors > 0 and _draw(state) < 0.9:
            other, a, b = _prey(w, state, place, a, b)
        if _draw(state) < 0.05:
            a = r.receipt if _draw(state) < 0.5 else r.debt
    amount = _amount(w, state, account, a, first, hostile)
    if alike and amount > 0.0 and w.values[a] > 0.0:  # most coins that are owed are worth one
        second = amount * w.values[a] * _draw(state)
    if kind == Kind.BORROW and w.markets.size and _draw(state) < 0.6:
        # Mostly to the limit, so that the next fall of a price takes it under water.
        part = 1.0 if _draw(state) < 0.5 else 0.5 + 0.6 * _draw(state)
        amount = _loan(w, account, place, a) * part
    if _draw(state) < hostile:
        limit = _NUMBERS[_among(state, _NUMBERS.size)]
    if _draw(state) < hostile:
        a, b = _among(state, tokens), _among(state, tokens)
    if _draw(state) < places:  # indices of things that are not there
        which, nowhere = _among(state, 4), _among(state, 40) - 20
        if which == 0:
            place = nowhere
        elif which == 1:
            other = accounts + nowhere
        elif which == 2:
            a = tokens + nowhere
        else:
            kind = nowhere
    asked = call(kind, place, a, b, amount, limit, other, second, lower, upper, action)
    if first:
        return send(w, Terms(account, cohort, bid, 0), asked)
    return add_call(w, asked)


@kernel
def _bundle(w, state, me, bid):
    """Have somebody's transaction carried by the last one, or try it out, or bid more for one."""
    place = _among(state, w.chain[0].waiting)
    if _draw(state) < 0.8:
        for _ in range(20):
            if w.mempool[place].calls == 1 and w.mempool[place].cohort != me.ident:
                break
            place = _among(state, w.chain[0].waiting)
        number = float(w.mempool[place].number)
        add_call(w, call(Kind.CARRY, 0, 0, 0, number, 0.0, -1, float(place)))
    if w.chain[0].bundle_head >= 0 and _draw(state) < 0.3:
        try_out(w, w.chain[0].bundle_head, w.chain[0].bundle_head)
    place = _among(state, w.chain[0].waiting)
    if w.mempool[place].cohort == me.ident and w.mempool[place].calls > 0:
        replace(w, place, bid * 2.0)


@kernel
def attack(w, me):
    """Send as many transactions as asked for, each of one to five calls."""
    state = np.empty(1, np.uint64)
    chain = w.chain[0]
    for i in range(me.size):
        my = me.rows[i]
        account = me.first + i
        for n in range(int(my.intents)):
            state[0] = me.key ^ np.uint64(i * 1000 + n)
            bid = 1.25 * max(chain.gas_price, chain.base_fee) + 1.0
            if _draw(state) < my.bids:
                bid = _NUMBERS[_among(state, _NUMBERS.size)]
            elif _draw(state) < 0.3:
                bid *= 3.0 * _draw(state)
            flash = w.markets.size > 0 and _draw(state) < 0.15
            calls = 1 if _draw(state) < 0.6 else 1 + _among(state, 4)
            token, m = 0, 0
            first = True
            if flash:
                m = _among(state, w.markets.size)
                token = w.reserves[w.markets[m].first].token
                cash = w.books.balances[w.markets[m].account, token]
                part = cash * _draw(state)
                order = Terms(account, me.ident, bid, 0)
                send(w, order, call(Kind.FLASH_BORROW, m, token, token, part))
                first = False
            for _ in range(calls):
                kind = _kind(w, state)
                _call(w, state, account, me.ident, bid, first, kind, my.hostile, my.nowhere)
                first = False
            if flash and _draw(state) < 0.8:
                add_call(w, call(Kind.FLASH_REPAY, m, token, token, ALL))
            if w.cohorts[me.ident].searcher == 1 and chain.waiting > 0:
                _bundle(w, state, me, bid)


class Attacker(Behaviour):
    """Sends transactions of random calls, by the hundred."""

    columns: ClassVar[Mapping[str, Column]] = {
        "intents": Column("Transactions that it sends", "per block", 3.0, 0.0),
        "hostile": Column("Chance that a field is nonsense", "share", 0.05, 0.0, 1.0),
        "bids": Column("Chance that a bid is", "share", 0.02, 0.0, 1.0),
        "nowhere": Column("Chance that a thing is not there", "share", 0.02, 0.0, 1.0),
    }
    decide = staticmethod(attack)


class Bundler(Attacker):
    """Sends a builder sealed bundles of random calls, with others' transactions among them."""

    searcher: ClassVar[bool] = True
    watches: ClassVar[bool] = True


@kernel
def rest(w, me):
    """Do nothing."""


class Idler(Behaviour):
    """Holds what it has, and never acts."""

    decide = staticmethod(rest)


# One by one, in Python


def calls_of(agent: type[MarketAgent] = MarketAgent) -> dict[str, inspect.Signature]:
    """All that an agent can be told to do: its own public methods, but leaving and stepping."""
    return {
        name: inspect.signature(method, eval_str=True)
        for name, method in vars(agent).items()
        if inspect.isfunction(method) and not name.startswith("_")
        and name not in ("remove", "step", "transaction", "bundle")
    }  # fmt: skip


CALLS = calls_of()


class BreakOffError(Exception):
    """Raised by a puppet in the middle of its transaction."""


class Puppet(MarketAgent):
    """Calls anything, with anything.

    Attributes:
        refused: Calls that raised ValueError or KeyError, which is their right.
        made: Calls that did not.
        others: Puppets that may call while this one is in the middle of a transaction.
        wrong: What it saw that must not be.
    """

    def __init__(
        self, market: Market, wallet: Mapping[str, float], seed: str, hostile: float, bids: float,
        places: float,
    ) -> None:  # fmt: skip
        super().__init__(market, wallet, name=f"puppet-{seed}")
        self.draw = random.Random(seed)
        self.hostile, self.bids, self.nowhere = hostile, bids, places
        self.refused = self.made = 0
        self.others: list[Puppet] = [self]
        self.wrong: list[str] = []

    def step(self) -> None:
        """Make a few calls, in transactions or not."""
        rng = self.draw
        if self.market.world.senders["retired"][self.account]:
            return
        for _ in range(rng.randint(0, 4)):
            way = rng.random()
            if way < 0.5:
                self._guarded(self._method)
            elif way < 0.75:
                self._guarded(self._bundle)
            elif way < 0.98 or len(self.market.agents) < 3:
                self._guarded(self._entrance)
            elif way > 0.998:
                self.remove()
                return

    def _guarded(self, act: Callable[[], None]) -> None:
        """Act; refusals are fine. See that it did so in its own name and in nobody else's."""
        chain = self.market.world.chain[0]
        before, lost = int(chain["waiting"]), int(chain["lost"])
        try:
            act()
            self.made += 1
        except (ValueError, KeyError):
            self.refused += 1
        calls = self.market.world.mempool[before : int(chain["waiting"])]
        if int(chain["waiting"]) < before and int(chain["lost"]) == lost:
            self.wrong.append(f"{self.name} took away what others sent")
        strange = set(calls["sender"].tolist()) - {p.account for p in self.others}
        if strange:
            self.wrong.append(f"{self.name} called in the name of accounts {strange}")

    def _method(self) -> None:
        """One of the calls that every agent has, with arguments by their names and types."""
        rng = self.draw
        name = rng.choice(list(CALLS))
        given = {}
        for key, parameter in list(CALLS[name].parameters.items())[1:]:
            if parameter.default is not inspect.Parameter.empty and rng.random() < 0.5:
                continue
            given[key] = self._argument(key, str(parameter.annotation))
        before = int(self.market.world.chain[0]["waiting"])
        getattr(self, name)(**given)
        mine = self.market.world.mempool[before : int(self.market.world.chain[0]["waiting"])]
        if set(mine["sender"].tolist()) - {self.account}:
            self.wrong.append(f"{self.name}.{name} was sent by {set(mine['sender'].tolist())}")

    def _argument(self, key: str, kind: str) -> Any:
        rng, market = self.draw, self.market
        if "None" in kind and rng.random() < 0.3:
            return None
        if "Mapping" in kind:
            tokens = rng.sample(market.ledger.tokens, min(rng.randint(0, 3), 2))
            if market.pools and rng.random() < 0.7:
                inside = rng.choice(list(market.pools.values())).tokens
                tokens = rng.sample(list(inside), min(rng.randint(1, 2), len(inside)))
            return {token: self._number(token) for token in tokens}
        if "tuple" in kind:
            return tuple(self._number("") for _ in range(2))
        if "float" in kind:
            if key == "bid" and not rng.random() < self.bids:
                return None
            return self._number("")
        if key == "number":
            chain = market.world.chain[0]
            waits = market.world.mempool["number"][: int(chain["waiting"])].tolist()
            return rng.choice([*waits, -1, rng.randint(0, 100)])
        if "int" in kind:
            return rng.randint(-3, 100)
        if rng.random() < 0.3 * self.hostile:
            return rng.choice(["", "nobody", *market.ledger.accounts])
        if key == "pool":
            return rng.choice([*market.pools, "nobody"])
        if key == "lending":
            return rng.choice([*market.lending, "nobody"])
        if key == "protocol":
            return rng.choice([*(p.name for p in (*market.custom, *market.declared)), "nobody"])
        if key == "name":
            return rng.choice([*(c.name for p in market.declared for c in p.calls), "nothing"])
        if key in ("receiver", "borrower", "counterparty"):
            return rng.choice(market.ledger.accounts)
        return rng.choice(market.ledger.tokens)

    def _number(self, token: str) -> float:
        rng = self.draw
        if rng.random() < self.hostile:
            return rng.choice(NUMBERS)
        wallet = self.wallet
        held = wallet.get(token) or rng.choice([*wallet.values(), 1.0])
        ways = (held, held * rng.random(), 10.0 ** rng.uniform(-6, 6), ALL, PREVIOUS, 0.0)
        return rng.choice(ways)

    def _bundle(self) -> None:
        """Several calls as one transaction; sometimes it breaks off, or another calls amid it."""
        rng = self.draw
        chain = self.market.world.chain[0]
        before = int(chain["waiting"])
        breaks = rng.random() < 0.2
        theirs = 0
        try:
            sealed = self.market.setup.block.ordering == "builder" and rng.random() < 0.6
            with self.bundle() if sealed else self.transaction():
                for _ in range(rng.randint(0, 4)):
                    other = rng.choice(self.others)
                    if other is not self and rng.random() < 0.3:
                        then = int(chain["waiting"])
                        other._guarded(other._method)
                        theirs += int(chain["waiting"]) - then
                    else:
                        self._guarded(self._method)
                if breaks:
                    raise BreakOffError
        except BreakOffError:
            if int(chain["waiting"]) - before > theirs:
                self.wrong.append(f"{self.name} left half of a transaction that it broke off")

    def _entrance(self) -> None:
        """The block's own entrances, as compiled agents take them."""
        rng, market = self.draw, self.market
        w, ledger = market.world, market.ledger
        bid = 1.25 * max(float(w.chain[0]["gas_price"]), float(w.chain[0]["base_fee"]))
        if rng.random() < self.bids:
            bid = rng.choice(NUMBERS)
        most = [len(market.pools), len(market.lending), len(market.custom), len(market.declared), 1]
        for n in range(rng.randint(1, 4)):
            numbers = [
                rng.randrange(len(Kind)), rng.randrange(max(*most)),
                rng.randrange(len(ledger.tokens)), rng.randrange(len(ledger.tokens)),
            ]  # fmt: skip
            other = rng.randrange(-1, len(ledger.accounts))
            if rng.random() < self.nowhere:
                numbers[rng.randrange(4)] = rng.choice([-1, -7, 63, 1000, 40_000, 2**31, 2**40])
            amount, limit = self._number(""), 0.0 if n % 2 else self._number("")
            ticks = rng.randrange(-100, 100), rng.randrange(-100, 100)
            second = self._number("")
            action = rng.choice((0, 0, 1, 2, -1, 2**40))
            amounts = float(amount), float(limit), other, float(second)
            asked = Asked(*numbers, *amounts, *ticks, action)
            if n == 0:
                send(w, Terms(self.account, -1, float(bid), 0), asked)
            else:
                add_call(w, asked)


class Rogue(CustomProtocol):
    """A protocol in plain Python that pays, mints, burns and answers anything."""

    slots = 2

    def __init__(self, name: str, seed: str, hostile: float) -> None:
        """Issue one token; `hostile` is the chance that a number is nonsense."""
        super().__init__(name)
        self.tokens = (f"{name}-coin",)
        self.draw = random.Random(seed)
        self.hostile = hostile

    def perform(self, call: Any, amount: float) -> tuple[Reason, float]:
        """Do some of what a protocol may do, and say that it is done, or not."""
        rng = self.draw
        ledger = self.market.ledger
        coin = ledger.token(self.tokens[0])
        for _ in range(rng.randint(0, 4)):
            number = rng.choice(NUMBERS) if rng.random() < self.hostile else amount * rng.random()
            token = rng.choice((coin, int(call["token_in"]), rng.randrange(len(ledger.tokens))))
            ways = (int(call["sender"]), self.account)
            source, target = rng.choice((ways, ways[::-1], (ways[0],) * 2))
            try:
                act = rng.randrange(4)
                if act == 0:
                    self.pay(source, target, token, number)
                elif act == 1:
                    self.mint(target, token, number)
                elif act == 2:
                    self.burn(source, token, number)
                else:
                    self.store(rng.randrange(2), number)
            except ValueError:  # others' tokens are not its to mint
                continue
        out = rng.choice(NUMBERS) if rng.random() < self.hostile else amount
        done = rng.random() < 0.8
        return (Reason.DONE if done else rng.choice(list(Reason))), out


class LockerSettings(Settings):
    """What a locker keeps."""

    coin: str


@kernel
def lock(w, me, call):
    """Keep coins in the caller's name, while it is free or the caller's."""
    kept = read(w, me.kept)
    if call.token_in != me.coin or (kept > 0.0 and read(w, me.owner) != call.sender):
        return Reason.INVALID, 0.0
    if not transfer(w.books, call.sender, me.account, me.coin, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not (write(w, me.owner, call.sender) and write(w, me.kept, kept + call.amount)):
        return Reason.TOO_LONG, 0.0
    return Reason.DONE, call.amount


@kernel
def unlock(w, me, call):
    """Give all of them back."""
    kept = read(w, me.kept)
    if not kept > 0.0 or read(w, me.owner) != call.sender:
        return Reason.INVALID, 0.0
    if not transfer(w.books, me.account, call.sender, me.coin, kept):
        return Reason.INVALID, 0.0
    return (Reason.DONE if write(w, me.kept, 0.0) else Reason.TOO_LONG), kept


@kernel
def locked(w, me):
    """Note whose coins it keeps."""
    note_claim(w, int(read(w, me.owner)), me.coin, read(w, me.kept))


class Locker(Protocol):
    """Keeps coins for one account at a time, and no token tells whose they are."""

    Settings = LockerSettings
    tokens = ("coin",)
    state: ClassVar[Mapping[str, str]] = {"owner": "Row of an account", "kept": "Its coins"}
    calls = (
        Call("lock", lock, gas=70_000.0, pays="coin", gives="coin"),
        Call("unlock", unlock, gas=60_000.0, pays="coin", gives="coin"),
    )
    claims = locked
    channels = ("trust",)

    def burgled(self, size: float) -> None:
        """A share of what it keeps goes to the world outside."""
        kept = self.value("kept")
        if self.pay(self.name, HOLDERS, self.token("coin"), size * kept):
            self.put("kept", kept - size * kept)

    events = (Event("burgled", "A share of what it keeps is stolen", burgled),)

    def exposures(self) -> Iterator[Exposure]:
        """Whom it keeps for trusts it; and it watches what the coin is worth outside."""
        worth = self.value("kept") * abs(self.market.price(self.settings.coin))  # type: ignore[attr-defined]
        owner = self.market.ledger.accounts[int(self.value("owner"))]
        yield Exposure(owner, self.name, worth, "trust")
        yield Exposure(self.name, "venue", worth, "price")


class TillSettings(Settings):
    """What a till takes."""

    coin: str


class Till(Protocol):
    """A protocol in plain Python that declares itself: a receipt for a coin, one for one.

    It counts what it does between blocks, and audits that each receipt has its coin.
    """

    Settings = TillSettings
    tokens = ("coin",)
    issues = (Token("receipt", Rate("coin", "par")), Token("ticket"))
    state: ClassVar[Mapping[str, str]] = {"par": "Coins of a receipt", "turns": "Blocks seen"}

    def start(self) -> None:
        """A receipt stands for one coin."""
        self.put("par", 1.0)

    def put_in(self, call: Order) -> tuple[Reason, float]:
        """Take coins, give receipts."""
        if call.token_in != self.token("coin") or not call.amount > 0.0:
            return Reason.INVALID, 0.0
        if not self.pay(call.sender, self.name, call.token_in, call.amount):
            return Reason.INSUFFICIENT_BALANCE, 0.0
        done = self.mint(call.sender, self.token("receipt"), call.amount)
        return (Reason.DONE if done else Reason.INVALID), call.amount

    def take_out(self, call: Order) -> tuple[Reason, float]:
        """Take receipts, give coins."""
        if call.token_in != self.token("receipt") or not call.amount > 0.0:
            return Reason.INVALID, 0.0
        if not self.burn(call.sender, call.token_in, call.amount):
            return Reason.INSUFFICIENT_BALANCE, 0.0
        paid = self.pay(self.name, call.sender, self.token("coin"), call.amount)
        return (Reason.DONE if paid else Reason.INVALID), call.amount

    def between_blocks(self) -> None:
        """Count blocks."""
        self.put("turns", self.value("turns") + 1.0)

    def leak(self) -> float:
        """Receipts that have no coin, over all coins there ever were."""
        out = self.market.ledger.supply(self.token("receipt"))
        column = self.market.ledger.token(self.token("receipt"))
        most = max(float(self.market.ledger.books.most[column]), 1.0)
        return max(out - self.held("coin"), 0.0) / most

    calls = (
        Call("put_in", put_in, gas=90_000.0, pays="coin", gives="receipt"),
        Call("take_out", take_out, gas=90_000.0, pays="receipt", gives="coin"),
    )
    measures = (Measure("turns", "blocks", "Blocks seen", "turns"),)
