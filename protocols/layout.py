"""What an instance of a kind has in a market, and where: tokens, numbers, entries and tables.

A kind declares it (`protocols.interface.Protocol`); its settings say how much of it there is. Its
kernels read all of it as one record, which is of the same type for every instance of the kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import numpy as np
from pydantic import BaseModel

from sim.fields import names_of
from sim.ledger import FREE

ACCOUNTS = "accounts"
"""As the rows of a `Table`: one for each account of the ledger, by its row."""
SECTIONS = ("oracles", "pools", "lending", "protocols")
"""Sections of a scenario whose entries settings may name; kernels read their numbers."""


@dataclass(frozen=True)
class Part:
    """A token that is a part of all that its issuer's account holds, as its supply divides it."""


@dataclass(frozen=True)
class Rate:
    """A token that stands for so much of another.

    Attributes:
        of: Name of a token of the protocol's `tokens` or `issues`, or of the entry's.
        number: Name of the number in its `state`, or in the entry's, that says how much.
        instead: Name of the token that takes its place where the settings leave `of` out.
    """

    of: str
    number: str
    instead: str = ""


@dataclass(frozen=True)
class Value:
    """A token that is worth what a kernel says, such as its price in a pool.

    Attributes:
        function: ``(w, me) -> float``, of an entry's token ``(w, me, k)``: numeraire per unit,
            of a debt per unit owed.
    """

    function: Callable[..., Any]


@dataclass(frozen=True)
class Token:
    """A token that a protocol issues; the market calls it ``<protocol>-<name>``.

    One that it issues for each entry of a table is ``<protocol>-<name>-<entry>``.

    Attributes:
        name: As the class's kernels read it.
        value: How it is valued.
        right: Whether it may be given away (`sim.ledger`: FREE, PLEDGE or DEBT); a debt is
            valued negatively.
        held: Whether wallets and pools may hold some from the start. Nobody has paid for that:
            the protocol sees what is out when agents have begun (`Protocol.begun`).
        redeems: What its protocol gives for one, where it may be worth something else; an oracle
            may read it (``source = "receipt"``). Of a `Rate` it is that.
    """

    name: str
    value: Part | Rate | Value = field(default_factory=Part)
    right: int = FREE
    held: bool = False
    redeems: Rate | None = None

    @property
    def rate(self) -> Rate | None:
        """What an oracle may read of it."""
        return self.value if isinstance(self.value, Rate) else self.redeems


@dataclass(frozen=True)
class Each:
    """What a protocol has of each entry of a table of its settings, such as each collateral.

    The table is a field of the settings: ``collaterals: dict[Name, Collateral]``. Kernels read
    ``me.collaterals[k]``, k below ``me.collaterals_count``.

    Attributes:
        most: Entries that there may be.
        tokens: Fields of an entry that name tokens which exist without the protocol.
        issues: Tokens that it issues for each.
        state: Numbers that it stores for each, by name, with what they are.
        measures: `protocols.interface.Measure` of each, ``protocol.<name>.<measure>.<entry>``;
            their kernels are ``(w, me, k) -> float``.
    """

    most: int
    tokens: Sequence[str] = ()
    issues: Sequence[Token] = ()
    state: Mapping[str, str] = field(default_factory=dict)
    measures: Sequence[Any] = ()


@dataclass(frozen=True)
class Table:
    """Rows of numbers that a protocol stores: auctions, a queue, positions by account.

    A call that fails takes back what it wrote. ``cell(me.auctions, row, WIDTH, field)`` is the
    slot of a number; `row_of` finds one of an account.

    Attributes:
        fields: Of a row, by name, with what they are; in the order of their numbers.
        rows: How many; or the name of the setting that says so; or ACCOUNTS.
    """

    fields: Mapping[str, str]
    rows: int | str


class Named(NamedTuple):
    """A token that an instance issues.

    Attributes:
        full: Name in the ledger.
        token: As its kind declares it.
        table: Table of entries that it is of; "": of the protocol itself.
        entry: Name of the entry.
        number: Of the entry.
    """

    full: str
    token: Token
    table: str = ""
    entry: str = ""
    number: int = -1


class Layout(NamedTuple):
    """Where the numbers of an instance are, from its first slot on.

    Attributes:
        state: Of each number.
        each: Of each number of each entry, by table and entry.
        tables: First slot and rows of each table.
        size: Slots in all.
    """

    state: Mapping[str, int]
    each: Mapping[str, Mapping[str, Mapping[str, int]]]
    tables: Mapping[str, tuple[int, int]]
    size: int


def entries(cls: Any, settings: BaseModel, table: str) -> dict[str, BaseModel]:
    """Entries of one of a kind's tables of entries."""
    return dict(getattr(settings, table))


def tokens_of(cls: Any, name: str, settings: BaseModel) -> list[Named]:
    """Tokens that an instance issues, in the ledger's order."""
    found = [Named(f"{name}-{token.name}", token) for token in cls.issues]
    for table, each in cls.each.items():
        for k, entry in enumerate(entries(cls, settings, table)):
            for token in each.issues:
                found.append(Named(f"{name}-{token.name}-{entry}", token, table, entry, k))
    return found


def laid_out(cls: Any, settings: BaseModel, accounts: int) -> Layout:
    """Where the numbers of an instance are.

    Args:
        cls: The kind.
        settings: Of the instance.
        accounts: Of the ledger.
    """
    at = len(cls.state)
    state = {name: n for n, name in enumerate(cls.state)}
    each: dict[str, dict[str, dict[str, int]]] = {}
    for table, one in cls.each.items():
        each[table] = {}
        for entry in entries(cls, settings, table):
            each[table][entry] = {name: at + n for n, name in enumerate(one.state)}
            at += len(one.state)
    tables = {}
    for name, table in cls.tables.items():
        rows = rows_of(table, settings, accounts)
        tables[name] = (at, rows)
        at += rows * len(table.fields)
    return Layout(state, each, tables, at)


def rows_of(table: Table, settings: BaseModel, accounts: int) -> int:
    """Rows that a table has."""
    if table.rows == ACCOUNTS:
        return accounts
    return int(getattr(settings, table.rows) if isinstance(table.rows, str) else table.rows)


def numbers_of(model: type[BaseModel]) -> dict[str, str]:
    """Fields that are numbers, with the kind of number, as a record holds them.

    A choice of words is the number of the word; a number that may be missing is NaN without.
    """
    found = {}
    for name, about in model.model_fields.items():
        kind = about.annotation
        given = [_plain(part) for part in get_args(kind) if part is not NoneType]
        if kind in (bool, int) or get_origin(kind) is Literal:
            found[name] = "i8"
        elif kind is float or (given == [float] and len(get_args(kind)) == 2):
            found[name] = "f8"
    return found


def _plain(kind: Any) -> Any:
    """A type without what limits it."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def number_in(model: type[BaseModel], name: str, value: Any) -> float:
    """A field that is a number, as a record holds it."""
    kind = model.model_fields[name].annotation
    if get_origin(kind) is Literal:
        return get_args(kind).index(value)
    return math.nan if value is None else value


def references_of(model: type[BaseModel]) -> dict[str, str]:
    """Fields that name an entry of one of `SECTIONS`, with the section."""
    found = {}
    for name, about in model.model_fields.items():
        section = names_of(about).partition(":")[0]
        if section in SECTIONS and about.annotation in (str, str | None):
            found[name] = section
    return found


def entry_model(cls: Any, table: str) -> type[BaseModel]:
    """Model of an entry of one of a kind's tables of entries."""
    model: type[BaseModel] = get_args(cls.Settings.model_fields[table].annotation)[1]
    return model


def entry_record(cls: Any, table: str) -> np.dtype[np.void]:
    """Type of the record of an entry."""
    each, model = cls.each[table], entry_model(cls, table)
    return np.dtype(_fields(each.tokens, each.issues, each.state, model))


def record_of(cls: Any) -> np.dtype[np.void]:
    """Type of the record that a kind's kernels read as `me`."""
    found: list[Any] = [("account", "i8"), ("holders", "i8")]
    found += _fields(cls.tokens, cls.issues, cls.state, cls.Settings)
    for table, each in cls.each.items():
        found.append((f"{table}_count", "i8"))
        found.append((table, entry_record(cls, table), (each.most,)))
    for table in cls.tables:
        found += [(table, "i8"), (f"{table}_rows", "i8")]
    return np.dtype(found)


def _fields(
    tokens: Sequence[str],
    issues: Sequence[Token],
    state: Mapping[str, str],
    model: type[BaseModel],
) -> list[tuple[str, str]]:
    """Fields of a record: columns, slots, numbers of other protocols, and settings."""
    columns = [*tokens, *(token.name for token in issues), *state]
    found = [(name, "i8") for name in (*columns, *references_of(model))]
    numbers = numbers_of(model).items()
    return found + [(name, kind) for name, kind in numbers if name not in tokens]
