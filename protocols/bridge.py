"""A bridge: lock a token here, and a wrapped one is minted there, after a while and so much a day.

Both ways go through one queue, first come first served: what is locked waits for its wrapped
token, what is handed in waits for what is locked. So much a day is let through, as rate limits of
bridges have it (Chainlink CCIP, "Rate limits"; Wormhole, "Governor"): a token bucket of capacity C
that fills with C a day. What is wrapped is backed by what is locked. If that is stolen (Wormhole,
Ronin and Nomad in 2022) each unit of wrapped tokens and of what waits is worth

    backing = min(1, locked / (wrapped + waiting)),

and who comes first is still paid in full, until there is nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from protocols.interface import (
    Call,
    Event,
    Fact,
    Measure,
    Protocol,
    Settings,
    Table,
    Token,
    Value,
    add,
    cell,
    note_claim,
    read,
    register,
    write,
)
from sim.codes import Reason
from sim.compiled import inner
from sim.distribution import MOST, NotNegative, Positive
from sim.fields import Blocks, Names
from sim.ledger import burn, mint, transfer
from sim.names import HOLDERS
from sim.units import DAY

OWNER, AMOUNT, DUE, WAY = range(4)
WIDTH = 4
IN, OUT = 0.0, 1.0
"""Ways through the queue: to be wrapped, and to be given back."""
AT_ONCE = 200
"""Places of the queue that one block serves at most."""


@inner
def locked(w, me):
    """What is locked, token units."""
    return w.books.balances[me.account, me.asset]


@inner
def owed(w, me):
    """What wrapped tokens and the queue stand for in all, token units."""
    return w.books.supply[me.wrapped] + read(w, me.waiting)


@inner
def backing(w, me):
    """What a unit owed is backed by, at most 1."""
    due = owed(w, me)
    return min(locked(w, me) / due, 1.0) if due > 0.0 else 1.0


@inner
def value(w, me):
    """Numeraire per wrapped token: its part of what is locked."""
    return backing(w, me) * w.values[me.asset]


@inner
def _enqueue(w, me, owner, amount, way):
    """Put something at the end of the queue. Returns whether there is room."""
    tail, head = int(read(w, me.tail)), int(read(w, me.head))
    if tail - head >= me.queue_rows:
        return False
    row = tail % me.queue_rows
    due = w.chain[0].block + me.delay
    write(w, cell(me.queue, row, WIDTH, OWNER), float(owner))
    write(w, cell(me.queue, row, WIDTH, AMOUNT), amount)
    write(w, cell(me.queue, row, WIDTH, DUE), float(due))
    write(w, cell(me.queue, row, WIDTH, WAY), way)
    add(w, me.waiting, amount)
    return bool(write(w, me.tail, float(tail + 1)))


@inner
def lock(w, me, call):
    """Lock an amount; its wrapped tokens come later."""
    if call.token_in != me.asset or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    if owed(w, me) + call.amount > me.cap:
        return Reason.CAP, 0.0
    if read(w, me.shut) > 0.0:
        return Reason.HALTED, 0.0
    if not transfer(w.books, call.sender, me.account, me.asset, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not _enqueue(w, me, call.sender, call.amount, IN):
        return Reason.TOO_LONG, 0.0
    if not write(w, me.most, max(read(w, me.most), owed(w, me))):
        return Reason.TOO_LONG, 0.0
    return Reason.DONE, call.amount


@inner
def unlock(w, me, call):
    """Hand wrapped tokens in; what is locked comes later."""
    if call.token_in != me.wrapped or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    if read(w, me.shut) > 0.0:
        return Reason.HALTED, 0.0
    if not burn(w.books, call.sender, me.wrapped, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not _enqueue(w, me, call.sender, call.amount, OUT):
        return Reason.TOO_LONG, 0.0
    return Reason.DONE, call.amount


@inner
def _serve(w, me, row, amount):
    """Let an amount of a place in the queue through. Returns how much went."""
    owner = int(read(w, cell(me.queue, row, WIDTH, OWNER)))
    if read(w, cell(me.queue, row, WIDTH, WAY)) == IN:
        if not mint(w.books, owner, me.wrapped, amount):
            return 0.0
    else:
        amount = min(amount, locked(w, me))
        if not amount > 0.0:
            return 0.0
        if not transfer(w.books, me.account, owner, me.asset, amount):
            return 0.0
    add(w, me.waiting, -amount)
    return amount


@inner
def serve(w, me):
    """Let the queue through: what is due, as far as the bucket and what is locked go."""
    rate = me.capacity * w.rules[0].seconds / DAY
    bucket = min(read(w, me.bucket) + rate, me.capacity)
    block = float(w.chain[0].block)
    head, tail = int(read(w, me.head)), int(read(w, me.tail))
    served = 0
    while head < tail and served < AT_ONCE and read(w, me.shut) == 0.0:
        row = head % me.queue_rows
        left = read(w, cell(me.queue, row, WIDTH, AMOUNT))
        if read(w, cell(me.queue, row, WIDTH, DUE)) > block or not bucket > 0.0:
            break
        went = _serve(w, me, row, min(left, bucket))
        bucket -= went
        write(w, cell(me.queue, row, WIDTH, AMOUNT), left - went)
        if went < left:
            break  # who is next waits for him
        head += 1
        served += 1
    write(w, me.bucket, bucket)
    write(w, me.head, float(head))
    if head == tail:
        write(w, me.waiting, 0.0)  # what is left is rounding


@inner
def waits(w, me):
    """Note what the queue is owed, as far as it is backed."""
    part = backing(w, me)
    for n in range(int(read(w, me.head)), int(read(w, me.tail))):
        row = n % me.queue_rows
        owner = int(read(w, cell(me.queue, row, WIDTH, OWNER)))
        note_claim(w, owner, me.asset, part * read(w, cell(me.queue, row, WIDTH, AMOUNT)))


@inner
def leak(w, me):
    """How far what is owed exceeds what is locked and stolen, relative to the most ever owed."""
    due = owed(w, me)
    gap = due - locked(w, me) - read(w, me.stolen)
    return max(gap, 0.0) / max(due, read(w, me.most), 1.0)


@inner
def oldest(w, me):
    """Blocks that whoever is first in the queue has waited since it was due; 0: nobody has."""
    head = int(read(w, me.head))
    if head >= int(read(w, me.tail)):
        return 0.0
    due = read(w, cell(me.queue, head % me.queue_rows, WIDTH, DUE))
    return max(float(w.chain[0].block) - due, 0.0)


class BridgeSettings(Settings):
    """A bridge for one token."""

    asset: Annotated[str, Names("issued")] = Field(description="Token to lock.")
    delay: Blocks = Field(
        75, description="Delay until the other side is notified, blocks (finality: 15 min)."
    )
    capacity: Positive = Field(
        MOST, description="Daily capacity, both directions together, token units."
    )
    cap: NotNegative = Field(MOST, description="Cap on wrapped tokens, token units.")
    rows: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        4096, description="Maximum length of the queue."
    )
    locked: NotNegative = Field(
        0.0, description="Tokens locked by outside holders at the start, token units."
    )


@register("bridge")
class Bridge(Protocol):
    """A bridge that locks a token and issues a wrapped one."""

    Settings = BridgeSettings
    tokens = ("asset",)
    issues = (Token("wrapped", Value(value), held=True),)
    state: ClassVar[Mapping[str, str]] = {
        "head": "First place of the queue that waits",
        "tail": "Places taken since the start",
        "waiting": "What waits, token units",
        "bucket": "What may be let through now, token units",
        "stolen": "Since the start, token units",
        "most": "Most that it ever owed, token units",
        "shut": "Above 0: nothing moves",
    }
    tables: ClassVar[Mapping[str, Table]] = {
        "queue": Table(
            {
                "owner": "Row of an account",
                "amount": "Token units",
                "due": "Block from which it may go",
                "way": "0: to be wrapped, 1: to be given back",
            },
            "rows",
        )
    }
    calls = (
        Call("lock", lock, gas=120_000.0, pays="asset", gives="wrapped"),
        Call("unlock", unlock, gas=110_000.0, pays="wrapped", gives="asset", event="withdrawal"),
    )
    between_blocks = serve
    claims = waits
    leak = leak
    measures = (
        Measure("backing", "share", "Backing per unit owed", backing),
        Measure("waiting", "token units", "Amount in the queue", "waiting"),
        Measure("late", "blocks", "Extra waiting time of the first in the queue", oldest),
        Measure("stolen", "token units, since the start", "Stolen", "stolen"),
    )
    card = (
        Fact("backed", "backing", "share"),
        Fact("waiting", "waiting", "money", "{asset}"),
        Fact("stolen", "stolen", "money", "{asset}"),
    )
    charts: ClassVar[dict[str, Sequence[str]]] = {
        "Backing per unit": ("backing",),
        "In the queue": ("waiting",),
    }

    def start(self) -> None:
        """Let outside holders lock what the settings say; the bucket is full."""
        self.put("bucket", min(self.settings.capacity, MOST))  # type: ignore[attr-defined]
        amount = self.settings.locked  # type: ignore[attr-defined]
        if amount > 0.0:
            self.market.ledger.mint(HOLDERS, self.token("wrapped"), amount)

    def begun(self) -> None:
        """Lock as much as is wrapped, whoever holds it.

        Raises:
            ValueError: If that is another protocol's to issue.
        """
        ledger = self.market.ledger
        asset, out = self.token("asset"), ledger.supply(self.token("wrapped"))
        if out > 0.0 and ledger.issuers[asset]:
            text = f"{out:g} {self.token('wrapped')} are out, and only {ledger.issuers[asset]} "
            raise ValueError(f"{text}issues {asset} to lock for them; bridge a token of the venue")
        ledger.mint(self.name, asset, out)
        self.put("most", out)

    def is_robbed(self, size: float) -> None:
        """A share of what is locked goes to the world outside."""
        amount = size * self.held("asset")
        if self.pay(self.name, HOLDERS, self.token("asset"), amount):
            self.put("stolen", self.value("stolen") + amount)

    def is_shut(self, size: float) -> Callable[[], None]:
        """Nothing moves until it is over."""
        return self.raised("shut")

    events: ClassVar[Any] = (
        Event("robbed", "A share of the locked tokens is stolen", is_robbed),
        Event("shut", "Transfers stop", is_shut),
    )

    @property
    def backing(self) -> float:
        """What a unit owed is backed by, at most 1."""
        due = self.market.ledger.supply(self.token("wrapped")) + self.value("waiting")
        return min(self.held("asset") / due, 1.0) if due > 0.0 else 1.0

    def waiting(self) -> list[tuple[str, float, int, str]]:
        """The queue: (owner, amount, block from which it may go, way), the first first."""
        rows = self.rows("queue")
        found = []
        for n in range(int(self.value("head")), int(self.value("tail"))):
            owner, amount, due, way = rows[n % len(rows)]
            name = self.market.ledger.accounts[int(owner)]
            found.append((name, float(amount), int(due), "out" if way else "in"))
        return found
