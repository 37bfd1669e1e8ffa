"""What a kind of protocol declares of itself, so that nothing else has to know it.

A kind is a class in one file: its settings, what it stores, the tokens that it issues and how
they are valued, its calls, what happens between blocks, its own audit, its measures, and what it
owes or depends on that is no token.
Accounts, gas, receipts, wealth, the exposure network, results, report and page follow from that.

Kernels and plain Python declare the same. A kernel of a call is ``kernel(w, me, call)``: `w` is
the market (`sim.world.World`), `me` a record with a field for everything that the class names,
`call` the call under way (`sim.records.ORDER`); it returns ``(reason, amount out)``::

    @inner
    def deposit(w, me, call):
        if not transfer(w.books, call.sender, me.account, me.asset, call.amount):
            return Reason.INSUFFICIENT_BALANCE, 0.0
        ...

In plain Python the same call is a method, ``deposit(self, call)``, of an `Order`.

What `me` names: ``account`` (row), ``holders`` (the row of outside holders), each of `tokens` and
`issues` (column), each of `state` (its slot, for `read` and `write`), each number of the settings,
and the number of each oracle, pool, lending market or protocol that they name (-1: none). Of a
table of entries (`Each`) it has as many records as there may be, and their count:
``me.collaterals[k].token``, ``me.collaterals_count``. Of a table of rows (`Table`) it has the first
slot and the number of rows: ``me.auctions``, ``me.auctions_rows``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from protocols.custom import Holder
from protocols.layout import (
    ACCOUNTS,
    Each,
    Layout,
    Named,
    Part,
    Rate,
    Table,
    Token,
    Value,
    entry_model,
    laid_out,
    number_in,
    numbers_of,
    record_of,
    references_of,
    tokens_of,
)
from sim import registry
from sim.codes import ALL, Reason
from sim.compiled import kernel, record_at
from sim.declared import address, claims_on, is_kernel, leak_of
from sim.handles import Claim, Claims, Exposure
from sim.ledger import LedgerError, begin, store
from sim.measures import note_claim
from sim.names import HOLDERS
from sim.shown import FORMATS, REDUCTIONS, Chart, Declared, Fact, Look, Place, Scale, own_charts

if TYPE_CHECKING:
    from sim.market import Market
    from sim.measures import Measure as Measured


class Settings(BaseModel):
    """Base class for the settings of a kind of protocol; unknown fields are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Call:
    """A call that agents can send to a protocol.

    Attributes:
        name: As receipts and `MarketAgent.act` know it.
        function: A kernel ``(w, me, call) -> (reason, amount out)``, or a plain function
            ``(self, call)`` of the same.
        gas: Units.
        pays: Token that it takes, where a call does not say; "": the first of `tokens`.
        gives: Token that it gives out, likewise.
        cause: Under what ``market.losses()`` tells what it takes from whom and gives to whom: a
            trade at another price than outside ("price_impact", as of the call `trade`), what
            debts cost ("fees"), a liquidation or an auction ("run"); "": "other".
        event: What it is in a cascade: "liquidation" (of the counterparty, or of whoever is
            riskiest), "withdrawal", "sale" (of what it takes), or "" for none of them.
    """

    name: str
    function: Callable[..., Any]
    gas: float = 200_000.0
    pays: str = ""
    gives: str = ""
    cause: Literal["", "price_impact", "fees", "run", "other"] = ""
    event: Literal["", "liquidation", "withdrawal", "sale"] = ""


@dataclass(frozen=True)
class Measure:
    """A measure of a protocol, reported in the results as ``protocol.<its name>.<name>``.

    Attributes:
        name: The last part of its name.
        unit: Of the value.
        doc: What it says.
        function: A kernel ``(w, me) -> float``; the name of a number of `state`; or a plain
            function ``(self) -> float``, for which a run is stepped through in Python.
    """

    name: str
    unit: str
    doc: str
    function: Callable[..., Any] | str


@dataclass(frozen=True)
class Event:
    """What can strike a protocol from outside: a shock of the kind ``event`` names it.

    Attributes:
        name: As shocks know it.
        doc: What happens.
        method: ``(self, size)``, in plain Python; what it returns, if anything, is called when the
            shock is over and takes it back.
        unit: Of the size.
    """

    name: str
    doc: str
    method: Callable[..., Callable[[], None] | None]
    unit: str = "share"


@dataclass(frozen=True)
class Order:
    """A call as a protocol in plain Python takes it.

    Attributes:
        sender: Row of the account that calls.
        amount: Token units of `token_in`.
        token_in: Name.
        token_out: Name.
        limit: Least outcome that the sender accepts.
        counterparty: Row of an account that the call names, or -1.
        second: A second amount, where a call has two.
    """

    sender: int
    amount: float
    token_in: str
    token_out: str
    limit: float = 0.0
    counterparty: int = -1
    second: float = 0.0


@kernel
def read(w, slot):
    """A number of a protocol's state: ``read(w, me.<name>)``."""
    return w.books.storage[slot]


@kernel
def cell(table, row, width, field):
    """Slot of a number of a table's row: ``cell(me.auctions, row, WIDTH, LOT)``."""
    return table + row * width + field


@kernel
def add(w, slot, amount):
    """Add to a number of a protocol's state, so that a call that fails takes it back."""
    return store(w.books, slot, w.books.storage[slot] + amount)


@kernel
def write(w, slot, value):
    """Write a number of a protocol's state, so that a call that fails takes it back."""
    return store(w.books, slot, value)


def action_of(cls: type[Protocol], call: str) -> int:
    """Number of a call among a kind's own, as `agents.intents.ask` takes it.

    Raises:
        ValueError: If the kind has no such call.
    """
    return [each.name for each in cls.calls].index(call)


class Protocol(Holder):
    """Base class for declarative protocols, defined by class attributes.

    An object is one instance of the kind in a market, for use in a script.

    Attributes:
        Settings: Its table in a scenario, ``[protocols.NAME]``, without `kind`.
        tokens: Fields of the settings that name existing tokens.
        issues: Tokens that it issues.
        owes: Fields of the settings that name tokens of the venue which it mints and burns; it
            owes their circulating supply to the holders.
        outside: Fields of the settings that name tokens of the venue which it may receive from
            outside or lose there: rewards, income, slashing. No other token may.
        state: Numbers that it stores, by name, with a description; zero at the start.
        each: Numbers and tokens for each entry of a table of its settings, by the table's name.
        tables: Rows of numbers that it stores, by name.
        calls: Its calls.
        quote: A kernel ``(w, me, token in, token out, amount) -> float``: the amount
            of the second token that the call `trade` would now give for the first (columns), 0
            where it cannot. Agents that trade anywhere can then trade here too.
        trade: Name of that call.
        events: External events that can strike it.
        between_blocks: A kernel ``(w, me)``, or a method, that runs once after each block.
        leak: A kernel ``(w, me) -> float``, or a method, that says how far its own books are
            from balanced, relative; the audit stops a run where that exceeds rounding.
        measures: Measures in the results, besides the value of its holdings.
        claims: Debts that no token represents: a kernel ``(w, me)`` that notes each claim
            (``note_claim(w, owner, token, amount)``: a row, a column, token units), or a method
            that gives a `Claim` for each; for the latter a run is stepped through in Python. A
            claim counts in its owner's wealth, and is a ``claim`` in the exposure network.
        exposures: A method that gives an `Exposure` for each one that no token or claim represents.
        channels: Channels of those exposures, besides `sim.exposure.CHANNELS`.
        traded: A method that lists what anybody can trade against; see `sim.handles.Handle`.
        charts: Names of measures drawn together, by the chart's title; or charts
            (`sim.shown.Chart`) whose lines name measures by label.
        card: Figures on its card on the page and in a run's summary; default: all its measures.
        look: Appearance of its node in the network.
        settings: Its checked settings.
        name: Name of the protocol and of its account.
    """

    Settings: ClassVar[type[BaseModel]] = Settings
    tokens: ClassVar[Sequence[str]] = ()
    issues: ClassVar[Sequence[Token]] = ()
    owes: ClassVar[Sequence[str]] = ()
    outside: ClassVar[Sequence[str]] = ()
    state: ClassVar[Mapping[str, str]] = {}
    each: ClassVar[Mapping[str, Each]] = {}
    tables: ClassVar[Mapping[str, Table]] = {}
    calls: ClassVar[Sequence[Call]] = ()
    quote: ClassVar[Any] = None
    trade: ClassVar[str] = ""
    events: ClassVar[Sequence[Event]] = ()
    between_blocks: ClassVar[Any] = None
    leak: ClassVar[Any] = None
    claims: ClassVar[Any] = None
    measures: ClassVar[Sequence[Measure]] = ()
    charts: ClassVar[Declared] = {}
    card: ClassVar[Sequence[Fact]] = ()
    look: ClassVar[Look] = Look("protocol", head="protocols")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a declaration that contradicts itself.

        Raises:
            TypeError: If it does; it says what and where.
        """
        super().__init_subclass__(**kwargs)
        check_declaration(cls)

    def __init__(self, name: str, settings: BaseModel) -> None:
        """Make an instance; the market opens it."""
        super().__init__(name)
        self.settings = settings
        self.number = -1
        self.record: npt.NDArray[np.void] = np.zeros(1, record_of(type(self)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def label(self) -> str:
        """Its kind in words: the name of its class."""
        return type(self).__name__

    # As the market opens it

    @classmethod
    def named_tokens(cls, name: str, settings: BaseModel) -> list[Named]:
        """Tokens that an instance issues, in the ledger's order."""
        return tokens_of(cls, name, settings)

    @classmethod
    def laid_out(cls, settings: BaseModel, accounts: int) -> Layout:
        """Where the numbers of an instance are, in a ledger of so many accounts."""
        return laid_out(cls, settings, accounts)

    def token(self, name: str) -> str:
        """Name in the ledger of a token that the class knows by another.

        Of an entry's tokens: ``self.token("collaterals.eth.debt")``.
        """
        table, _, rest = name.partition(".")
        if rest:
            entry, _, what = rest.rpartition(".")
            return self._token_of(table, entry, what)
        if name in self.tokens:
            return str(getattr(self.settings, name))
        if name in (token.name for token in self.issues):
            return f"{self.name}-{name}"
        known = [*self.tokens, *(token.name for token in self.issues)]
        raise KeyError(f"{self.name} knows no token {name!r}; it knows {', '.join(known)}")

    def _token_of(self, table: str, entry: str, what: str) -> str:
        """Name in the ledger of a token of an entry."""
        each = self.each[table]
        if what in each.tokens:
            return str(getattr(getattr(self.settings, table)[entry], what))
        if what in (token.name for token in each.issues):
            return f"{self.name}-{what}-{entry}"
        raise KeyError(f"{self.name} knows no token {what!r} of {table}.{entry}")

    def opens(self, market: Market, number: int, slot: int) -> None:
        """Take its place in a market: rows, columns and slots go into its record."""
        self.market, self.number, self.slot = market, number, slot
        self.account = market.ledger.account(self.name)
        self.layout = self.laid_out(self.settings, len(market.ledger.accounts))
        for field in self.owes:
            if (token := getattr(self.settings, field)) is not None:
                market.ledger.issuers[token] = self.name
        r = self.record[0]
        r["account"], r["holders"] = self.account, market.ledger.account(HOLDERS)
        issued = {n.token.name: n.full for n in self._named() if not n.entry}
        self._fill(r, self.settings, type(self), issued, self.layout.state)
        for table, each in self.each.items():
            given = getattr(self.settings, table)
            r[f"{table}_count"] = len(given)
            for k, (entry, settings) in enumerate(given.items()):
                issued = {
                    n.token.name: n.full
                    for n in self._named()
                    if n.table == table and n.entry == entry
                }
                places = self.layout.each[table][entry]
                self._fill(r[table][k], settings, each, issued, places)
        for table, (first, rows) in self.layout.tables.items():
            r[table], r[f"{table}_rows"] = slot + first, rows

    def _named(self) -> list[Named]:
        return tokens_of(type(self), self.name, self.settings)

    def _fill(
        self,
        r: Any,
        settings: BaseModel,
        declared: Any,
        issued: Mapping[str, str],
        places: Mapping[str, int],
    ) -> None:
        """Write one record: of the protocol, or of an entry."""
        ledger, model = self.market.ledger, type(settings)
        for name in declared.tokens:
            token = getattr(settings, name)
            r[name] = -1 if token is None else ledger.token(token)
        for name, full in issued.items():
            r[name] = ledger.token(full)
        for name, place in places.items():
            r[name] = self.slot + place
        for name, section in references_of(model).items():
            named = getattr(settings, name)
            there = list(getattr(self.market.setup, section))
            r[name] = -1 if named is None else there.index(named)
        for name in numbers_of(model):
            if name not in declared.tokens:
                r[name] = number_in(model, name, getattr(settings, name))

    def tables_of_accounts(self) -> dict[str, tuple[int, int, int]]:
        """Its tables that have a row for each account: first slot, rows and width of each."""
        r = self.record[0]
        return {
            name: (int(r[name]), int(r[f"{name}_rows"]), len(table.fields))
            for name, table in self.tables.items()
            if table.rows == ACCOUNTS
        }

    def moves(self, table: str, slot: int, rows: int) -> None:
        """Find a table elsewhere in the storage, with another number of rows."""
        self.record[0][table], self.record[0][f"{table}_rows"] = slot, rows

    def start(self) -> None:
        """Set up its initial balances, paid for by outside holders; does nothing by default."""

    def begun(self) -> None:
        """Settle what depends on agents' initial holdings, at the initial prices; nothing else."""

    def measured(self) -> list[Measured]:
        """Its measures, as the results take them; the plain ones are `reporters`."""
        from sim.measures import Measure as Measured
        from sim.measures import account_value, asked_of_protocol, stored

        found = [
            Measured(f"protocol.{self.name}.value", account_value, a=self.account, unit=_MONEY)
        ]
        for m in self.measures:
            full = f"protocol.{self.name}.{m.name}"
            if isinstance(m.function, str):
                slot = int(self.record[0][m.function])
                found.append(Measured(full, stored, a=slot, unit=m.unit))
            elif is_kernel(m.function):
                at = address(self.market.world, self, m.function, m.name)
                found.append(Measured(full, asked_of_protocol, a=at, b=self.number, unit=m.unit))
        return found + [each for table in self.each for each in self._measured_of(table)]

    def _measured_of(self, table: str) -> list[Measured]:
        """Measures of the entries of a table."""
        from sim.measures import Measure as Measured
        from sim.measures import asked_of_entry, stored

        found = []
        for m in self.each[table].measures:
            at = 0
            if not isinstance(m.function, str):
                at = address(self.market.world, self, m.function, m.name, entry=True)
            for k, entry in enumerate(getattr(self.settings, table)):
                full = f"protocol.{self.name}.{m.name}.{entry}"
                if isinstance(m.function, str):
                    slot = int(self.record[0][table][k][m.function])
                    found.append(Measured(full, stored, a=slot, unit=m.unit))
                else:
                    of = self.number
                    found.append(Measured(full, asked_of_entry, k, at, of, unit=m.unit))
        return found

    def reporters(self) -> dict[str, Callable[[Any], float]]:
        """Measures in plain Python, by their full names."""
        return {
            f"protocol.{self.name}.{m.name}": self._reporter(m.function)
            for m in self.measures
            if not isinstance(m.function, str) and not is_kernel(m.function)
        }

    def _reporter(self, function: Callable[..., Any]) -> Callable[[Any], float]:
        return lambda market: float(function(self))

    def raised(self, name: str) -> Callable[[], None]:
        """Raise a number of its state by one, as an event does that lasts.

        Returns:
            What takes it back: several that overlap hold until the last is over.
        """
        self.put(name, self.value(name) + 1.0)

        def lowered() -> None:
            self.put(name, self.value(name) - 1.0)

        return lowered

    # In a script

    def value(self, name: str) -> float:
        """A number of its state."""
        return float(self.market.ledger.books.storage[int(self.record[0][name])])

    def put(self, name: str, value: float) -> bool:
        """Write a number of its state; a call that fails takes it back."""
        return bool(store(self.market.ledger.books, int(self.record[0][name]), float(value)))

    @property
    def holdings(self) -> dict[str, float]:
        """Non-zero balances of its account, token units by name."""
        held = self.market.ledger.balances[self.account]
        names = self.market.ledger.tokens
        return {names[i]: float(held[i]) for i in np.flatnonzero(held)}

    def entry(self, table: str, name: str) -> Any:
        """The record of an entry of a table, as its kernels read it."""
        return self.record[0][table][list(getattr(self.settings, table)).index(name)]

    def rows(self, table: str) -> npt.NDArray[np.float64]:
        """A table that it stores, float64[rows, fields]; a view, not under the journal."""
        r, width = self.record[0], len(self.tables[table].fields)
        first, rows = int(r[table]), int(r[f"{table}_rows"])
        storage = self.market.ledger.books.storage
        return storage[first : first + rows * width].reshape(rows, width)

    def struck(self, event: str, size: float) -> Callable[[], None] | None:
        """Apply an external event. Returns what reverses it, if anything does."""
        declared = next(e for e in self.events if e.name == event)
        begin(self.market.ledger.books)
        self.caller = self.account
        try:
            return declared.method(self, size)
        finally:
            self.caller = -1

    def held(self, token: str) -> float:
        """Balance of its account in a token, by the class's name for it."""
        return self.market.ledger.balance(self.account, self.token(token))

    def owed(self) -> Claims:
        """What it owes that no token tells of, as it stands.

        Raises:
            ValueError: If a claim is of nobody, of no token, or no number of 0 or more.
        """
        if self.claims is not None and is_kernel(self.claims):
            return claims_on(self.market, self.number)
        return super().owed()

    def audit(self, tolerance: float = 1e-9) -> float:
        """Check its own books.

        Returns:
            How far they are from balanced, relative.

        Raises:
            LedgerError: If that exceeds the tolerance.
        """
        if self.leak is None:
            return 0.0
        kernel_says = is_kernel(self.leak)
        gap = leak_of(self.market.world, self.number) if kernel_says else float(self.leak())
        if not gap <= tolerance:
            raise LedgerError(f"{self.name}: its own audit is off by {gap:g}")
        return gap

    def after_block(self) -> None:
        """Run its work between blocks, in plain Python."""
        if self.between_blocks is not None and not is_kernel(self.between_blocks):
            begin(self.market.ledger.books)
            self.caller = self.account
            try:
                self.between_blocks()
            finally:
                self.caller = -1

    def carry_out(self, call: Any, amount: float) -> tuple[Reason, float]:
        """Carry out a call in plain Python.

        Args:
            call: A record of `sim.records.CALL`.
            amount: Token units, or ALL.

        Returns:
            How it ended, and the amount that it gave out.

        Raises:
            TypeError: If the class's function returns something else.
        """
        ledger = self.market.ledger
        paid, given = (ledger.tokens[int(call[name])] for name in ("token_in", "token_out"))
        sender = int(call["sender"])
        if amount == ALL:
            amount = ledger.balance(sender, paid)
        numbers = float(call["limit"]), int(call["counterparty"]), float(call["second"])
        declared = self.calls[int(call["action"])]
        found = declared.function(self, Order(sender, amount, paid, given, *numbers))
        try:
            reason, out = found
            return Reason(int(reason)), float(out)
        except (TypeError, ValueError):
            name = f"{type(self).__name__}.{declared.name}"
            text = f"{name} must return (reason, amount out), not {found!r}"
            raise TypeError(text) from None


_MONEY = "numeraire"


def check_declaration(cls: type[Protocol]) -> None:
    """Refuse a kind whose declaration contradicts itself.

    Raises:
        TypeError: If it does.
    """

    def wrong(text: str) -> None:
        raise TypeError(f"{cls.__name__}: {text}")

    fields = cls.Settings.model_fields
    for name in cls.tokens:
        if name not in fields:
            wrong(f"tokens names {name!r}, which is no field of its Settings; add one")
    issued = [token.name for token in cls.issues]
    numbers = [n for n in numbers_of(cls.Settings) if n not in cls.tokens]
    own = [
        "account",
        "holders",
        *cls.tokens,
        *issued,
        *cls.state,
        *references_of(cls.Settings),
        *numbers,
    ]
    for name in (*cls.owes, *cls.outside):
        if name not in cls.tokens:
            wrong(f"owes or outside names {name!r}, which is not in its tokens; add it there")
    _check_names([*own, *cls.each, *(f"{table}_count" for table in cls.each), *cls.tables], wrong)
    _check_each(cls, wrong)
    _check_tables(cls, wrong)
    for token in cls.issues:
        if isinstance(token.value, Rate):
            if token.value.of not in (*cls.tokens, *issued) or token.value.of == token.name:
                wrong(f"{token.name} is worth some {token.value.of!r}, which it does not know")
            if token.value.instead not in ("", *issued):
                wrong(
                    f"{token.name} is worth some {token.value.instead!r}, which it does not issue"
                )
            if token.value.number not in cls.state:
                wrong(f"{token.name} is worth {token.value.number!r}, which is not in its state")
    actions = [call.name for call in cls.calls]
    for call in cls.calls:
        if actions.count(call.name) > 1:
            wrong(f"two calls are named {call.name!r}; rename one")
        if not 0.0 <= call.gas < math.inf:
            wrong(f"{call.name} takes {call.gas} gas; give a number of 0 or more")
        for name in (call.pays, call.gives):
            if name and name not in (*cls.tokens, *issued):
                wrong(f"{call.name} pays or gives {name!r}, which it does not know")
    if cls.claims is not None and not callable(cls.claims):
        wrong("claims must be a kernel (w, me), or a method that gives a Claim for each")
    if isinstance(cls.channels, str) or not all(c.isidentifier() for c in cls.channels):
        wrong(f"channels are {cls.channels!r}; give a tuple of names of letters, digits and _")
    if len({is_kernel(call.function) for call in cls.calls}) > 1:
        wrong("some calls are kernels and some are not; make them all alike")
    for measure in cls.measures:
        if isinstance(measure.function, str) and measure.function not in cls.state:
            wrong(f"measure {measure.name} reads {measure.function!r}, which is not in its state")
    _check_shown(cls, wrong)


def _check_names(names: Sequence[str], wrong: Callable[[str], None]) -> None:
    """Refuse names that cannot be fields of one record."""
    for name in names:
        if not name.isidentifier():
            wrong(f"{name!r} cannot be a field of a record; use letters, digits and _")
        if names.count(name) > 1:
            wrong(f"{name!r} names two things; rename one")


def _check_each(cls: type[Protocol], wrong: Callable[[str], None]) -> None:
    """Refuse entries of a table that the settings do not have, or that contradict themselves."""
    for table, each in cls.each.items():
        if table not in cls.Settings.model_fields:
            wrong(f"each names {table!r}, which is no field of its Settings; add one")
        model = entry_model(cls, table)
        for name in each.tokens:
            if name not in model.model_fields:
                wrong(f"{table} has tokens {name!r}, which is no field of {model.__name__}")
        issued = [token.name for token in each.issues]
        numbers = [n for n in numbers_of(model) if n not in each.tokens]
        _check_names([*each.tokens, *issued, *each.state, *references_of(model), *numbers], wrong)
        for token in each.issues:
            known = (*each.tokens, *issued, *cls.tokens, *(t.name for t in cls.issues))
            if isinstance(token.value, Rate) and (
                token.value.of not in known or token.value.number not in {*each.state, *cls.state}
            ):
                wrong(f"{token.name} is worth {token.value}, of which it does not know something")
        for measure in each.measures:
            if isinstance(measure.function, str) and measure.function not in each.state:
                wrong(f"measure {measure.name} reads {measure.function!r}, not in {table}'s state")


def _check_tables(cls: type[Protocol], wrong: Callable[[str], None]) -> None:
    """Refuse tables of no known length, trades of no call, and events named twice."""
    for name, table in cls.tables.items():
        rows = table.rows
        if isinstance(rows, str) and rows != ACCOUNTS and rows not in numbers_of(cls.Settings):
            wrong(f"table {name} has {rows!r} rows, which is no number of its Settings")
        if not table.fields:
            wrong(f"table {name} has no fields")
    if (cls.quote is None) != (not cls.trade):
        wrong("quote and trade belong together: a kernel, and the name of a call")
    if cls.trade and cls.trade not in [call.name for call in cls.calls]:
        wrong(f"trade names {cls.trade!r}, which is no call of it")
    events = [event.name for event in cls.events]
    for name in events:
        if events.count(name) > 1:
            wrong(f"two events are named {name!r}; rename one")


def _check_shown(cls: type[Protocol], wrong: Callable[[str], None]) -> None:
    """Refuse charts, cards and looks that name what is not measured."""
    known = {"value", *(measure.name for measure in cls.measures)}
    for chart in own_charts(cls.charts, {}):
        for name in chart.lines.values():
            if name not in known:
                wrong(f"chart {chart.title!r} draws {name!r}, which is no measure of it")
        if chart.format not in FORMATS:
            wrong(f"chart {chart.title!r} is of format {chart.format!r}; know {FORMATS}")
    for fact in cls.card:
        if fact.measure not in known:
            wrong(f"card tells {fact.measure!r}, which is no measure of it")
        if fact.format not in FORMATS or fact.reduction not in REDUCTIONS:
            text = f"{fact.format!r} and {fact.reduction!r}; know {FORMATS} and {REDUCTIONS}"
            wrong(f"card tells {fact.label!r} by {text}")
    for what, name in (("tone", cls.look.tone), ("distress", cls.look.distress)):
        if name and name not in known:
            wrong(f"look has {what} {name!r}, which is no measure of it")


def register(kind: str) -> Callable[[type[Protocol]], type[Protocol]]:
    """Make a class of protocols known by a name that scenarios use."""

    def note(cls: type[Protocol]) -> type[Protocol]:
        registry.register_protocol(kind, cls)
        return cls

    return note


__all__ = [
    "ACCOUNTS",
    "ALL",
    "Call",
    "Chart",
    "Claim",
    "Each",
    "Event",
    "Exposure",
    "Fact",
    "Look",
    "Measure",
    "Order",
    "Part",
    "Place",
    "Protocol",
    "Rate",
    "Reason",
    "Scale",
    "Settings",
    "Table",
    "Token",
    "Value",
    "action_of",
    "add",
    "cell",
    "note_claim",
    "read",
    "record_at",
    "record_of",
    "register",
    "write",
]
