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

What `me` names: ``account`` (row), each of `tokens` and `issues` (column), each of `state` (its
slot, for `read` and `write`), and each number of the settings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from protocols.custom import Holder
from sim import registry
from sim.codes import ALL, Reason
from sim.compiled import kernel
from sim.declared import address, claims_on, is_kernel, leak_of
from sim.handles import Claim, Claims, Exposure
from sim.ledger import FREE, LedgerError, begin, store
from sim.measures import note_claim
from sim.shown import FORMATS, REDUCTIONS, Chart, Declared, Fact, Look, Place, Scale, own_charts

if TYPE_CHECKING:
    from sim.market import Market
    from sim.measures import Measure as Measured


class Settings(BaseModel):
    """Base of a kind's settings; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Part:
    """A token that is a part of all that its issuer's account holds, as its supply divides it."""


@dataclass(frozen=True)
class Rate:
    """A token that stands for so much of another.

    Attributes:
        of: Name of a token of the protocol's `tokens` or `issues`.
        number: Name of the number in its `state` that says how much.
    """

    of: str
    number: str


@dataclass(frozen=True)
class Token:
    """A token that a protocol issues; the market calls it ``<protocol>-<name>``.

    Attributes:
        name: As the class's kernels read it.
        value: How it is valued.
        right: Whether it may be given away (`sim.ledger`: FREE, PLEDGE or DEBT); a debt is
            valued negatively.
    """

    name: str
    value: Part | Rate = field(default_factory=Part)
    right: int = FREE


@dataclass(frozen=True)
class Call:
    """A call of a protocol.

    Attributes:
        name: As receipts and `MarketAgent.act` know it.
        function: A kernel ``(w, me, call) -> (reason, amount out)``, or a plain function
            ``(self, call)`` of the same.
        gas: Units.
        pays: Token that it takes, where a call does not say; "": the first of `tokens`.
        gives: Token that it gives out, likewise.
    """

    name: str
    function: Callable[..., Any]
    gas: float = 200_000.0
    pays: str = ""
    gives: str = ""


@dataclass(frozen=True)
class Measure:
    """A measure of a protocol, in the results as ``protocol.<its name>.<name>``.

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
def write(w, slot, value):
    """Write a number of a protocol's state, so that a call that fails takes it back."""
    return store(w.books, slot, value)


class Protocol(Holder):
    """Base of protocols that declare themselves.

    An object is one instance of the kind in a market: what a person holds in a script.

    Attributes:
        Settings: Its table in a scenario, ``[protocols.NAME]``, without `kind`.
        tokens: Fields of the settings that name tokens which exist without it.
        issues: Tokens that it issues.
        state: Numbers that it stores, by name, with what they are; zero at the start.
        calls: Its calls.
        between_blocks: A kernel ``(w, me)``, or a method, that runs once after each block.
        leak: A kernel ``(w, me) -> float``, or a method, that says how far its own books are
            from balanced, relative; the audit stops a run where that exceeds rounding.
        measures: What the results say of it, beside the value of what it holds.
        claims: What it owes that no token tells of: a kernel ``(w, me)`` that notes each claim
            (``note_claim(w, owner, token, amount)``: a row, a column, token units), or a method
            that gives a `Claim` for each; for the latter a run is stepped through in Python. A
            claim counts in its owner's wealth, and is a ``claim`` in the exposure network.
        exposures: A method that gives an `Exposure` for each that no token or claim tells of.
        channels: Reasons for those, beside `sim.exposure.CHANNELS`.
        traded: A method that tells what anybody can trade against; see `sim.handles.Handle`.
        charts: Names of measures that are drawn together, by the chart's title; or charts
            (`sim.shown.Chart`) whose lines name measures by label.
        card: What its card on the page and a run's summary tell; default: all its measures.
        look: How its node in the network looks.
        settings: Its own, checked.
        name: Of the protocol, and of its account.
    """

    Settings: ClassVar[type[BaseModel]] = Settings
    tokens: ClassVar[Sequence[str]] = ()
    issues: ClassVar[Sequence[Token]] = ()
    state: ClassVar[Mapping[str, str]] = {}
    calls: ClassVar[Sequence[Call]] = ()
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
        """What it is, in words: the name of its class."""
        return type(self).__name__

    # As the market opens it

    @classmethod
    def token_names(cls, name: str) -> list[str]:
        """Names in the ledger of the tokens that an instance issues."""
        return [f"{name}-{token.name}" for token in cls.issues]

    def token(self, name: str) -> str:
        """Name in the ledger of a token that the class knows by another."""
        if name in self.tokens:
            return str(getattr(self.settings, name))
        if name in (token.name for token in self.issues):
            return f"{self.name}-{name}"
        known = [*self.tokens, *(token.name for token in self.issues)]
        raise KeyError(f"{self.name} knows no token {name!r}; it knows {', '.join(known)}")

    def opens(self, market: Market, number: int, slot: int) -> None:
        """Take its place in a market: rows, columns and slots go into its record."""
        self.market, self.number, self.slot = market, number, slot
        self.account = market.ledger.account(self.name)
        r = self.record[0]
        r["account"] = self.account
        for name in (*self.tokens, *(token.name for token in self.issues)):
            r[name] = market.ledger.token(self.token(name))
        for n, name in enumerate(self.state):
            r[name] = slot + n
        for name in numbers_of(type(self)):
            r[name] = getattr(self.settings, name)

    def start(self) -> None:
        """Put into it what it starts with; outside holders pay. Nothing, unless a class says."""

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

    # In a script

    def value(self, name: str) -> float:
        """A number of its state."""
        return float(self.market.ledger.books.storage[int(self.record[0][name])])

    def put(self, name: str, value: float) -> bool:
        """Write a number of its state; a call that fails takes it back."""
        return bool(store(self.market.ledger.books, int(self.record[0][name]), float(value)))

    @property
    def holdings(self) -> dict[str, float]:
        """What its account holds, token units by name, without what it has none of."""
        held = self.market.ledger.balances[self.account]
        names = self.market.ledger.tokens
        return {names[i]: float(held[i]) for i in np.flatnonzero(held)}

    def held(self, token: str) -> float:
        """What its account holds of a token that the class names."""
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
        """Do in plain Python what it does between blocks."""
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


def numbers_of(cls: type[Protocol]) -> dict[str, str]:
    """Settings that are numbers, with the kind of number, as its record holds them."""
    found = {}
    for name, about in cls.Settings.model_fields.items():
        kind = about.annotation
        if name in cls.tokens:
            continue
        if kind in (bool, int):
            found[name] = "i8"
        elif kind is float:
            found[name] = "f8"
    return found


def record_of(cls: type[Protocol]) -> np.dtype[np.void]:
    """Type of the record that a kind's kernels read as `me`."""
    names = ["account", *cls.tokens, *(token.name for token in cls.issues), *cls.state]
    return np.dtype([(n, "i8") for n in names] + [*numbers_of(cls).items()])


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
    names = ["account", *cls.tokens, *issued, *cls.state, *numbers_of(cls)]
    for name in names:
        if not name.isidentifier():
            wrong(f"{name!r} cannot be a field of a record; use letters, digits and _")
        if names.count(name) > 1:
            wrong(f"{name!r} names two things; rename one")
    for token in cls.issues:
        if isinstance(token.value, Rate):
            if token.value.of not in (*cls.tokens, *issued) or token.value.of == token.name:
                wrong(f"{token.name} is worth some {token.value.of!r}, which it does not know")
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
    "ALL",
    "Call",
    "Chart",
    "Claim",
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
    "Token",
    "note_claim",
    "read",
    "register",
    "write",
]
