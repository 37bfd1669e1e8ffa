"""Liquid staking: a token for what is staked, and a queue for whoever wants it back.

A share stands for ``rate = pooled / supply`` of what is staked (Lido, "wstETH": the rate rises with
rewards and falls with slashing). Whoever wants out asks at the rate of that moment and waits:
requests are met first come first served, as validators leave, so much a day; what is staked
meanwhile meets them too (Lido, "Withdrawal queue": requests are finalised from the buffer and from
exits). While it waits a request earns nothing, and bears its part of what is slashed.

The share may trade below its rate when the queue is long or shut: nothing but the queue turns one
into what it stands for (in June 2022, before withdrawals, Lido's fell to 0.94 of its ether).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from protocols.interface import (
    Call,
    Event,
    Fact,
    Measure,
    Protocol,
    Rate,
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
from protocols.pegs import price_in_pool
from sim.codes import Reason
from sim.compiled import inner
from sim.distribution import MOST, NotNegative
from sim.errors import Problem
from sim.fields import Blocks, Names, Share, reach
from sim.ledger import burn, mint, transfer
from sim.names import HOLDERS
from sim.units import DAY, INTEREST_YEAR

OWNER, AMOUNT, CUT, SINCE = range(4)
WIDTH = 4
AT_ONCE = 200
"""Requests that one block meets at most."""


@inner
def rate_now(w, me):
    """What a share stands for, units of what is staked; 1 without any."""
    supply = w.books.supply[me.share]
    return read(w, me.pooled) / supply if supply > 0.0 else 1.0


@inner
def value(w, me):
    """Numeraire per share: its price in its pool, or what it stands for."""
    if me.pool >= 0:
        price = price_in_pool(w, me.pool, me.share)
        if 0.0 < price < np.inf:
            return price
    return rate_now(w, me) * w.values[me.asset]


@inner
def stake(w, me, call):
    """Stake an amount; gives shares at the rate."""
    if call.token_in != me.asset or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    pooled = read(w, me.pooled)
    if pooled + call.amount > me.cap:
        return Reason.CAP, 0.0
    if w.books.supply[me.share] > 0.0 and not pooled > 0.0:
        return Reason.EMPTY_POOL, 0.0  # all was slashed: no share has a price
    shares = call.amount / rate_now(w, me)
    if not 0.0 < shares < np.inf:
        return Reason.INVALID, 0.0
    if not shares >= call.limit:
        return Reason.LIMIT, 0.0
    if not transfer(w.books, call.sender, me.account, me.asset, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not mint(w.books, call.sender, me.share, shares):
        return Reason.INVALID, 0.0
    # What comes in meets who waits, before it is sent to validators.
    add(w, me.bucket, min(call.amount, max(read(w, me.queued) - read(w, me.bucket), 0.0)))
    if not write(w, me.pooled, pooled + call.amount):
        return Reason.TOO_LONG, 0.0
    return Reason.DONE, shares


@inner
def request(w, me, call):
    """Hand shares in; what they stand for now comes in its turn."""
    if call.token_in != me.share or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    if read(w, me.shut) > 0.0:
        return Reason.HALTED, 0.0
    amount = call.amount * rate_now(w, me)
    if not amount >= call.limit:
        return Reason.LIMIT, 0.0
    if not burn(w.books, call.sender, me.share, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    pooled, tail = read(w, me.pooled), int(read(w, me.tail))
    amount = min(amount, pooled)
    if tail - int(read(w, me.head)) >= me.queue_rows or not amount > 0.0:
        return Reason.TOO_LONG, 0.0
    row = tail % me.queue_rows
    write(w, cell(me.queue, row, WIDTH, OWNER), float(call.sender))
    write(w, cell(me.queue, row, WIDTH, AMOUNT), amount)
    write(w, cell(me.queue, row, WIDTH, CUT), read(w, me.cut))
    write(w, cell(me.queue, row, WIDTH, SINCE), float(w.chain[0].block))
    write(w, me.tail, float(tail + 1))
    add(w, me.queued, amount)
    # The last share takes rounding with it.
    rest = pooled - amount if w.books.supply[me.share] > 0.0 else 0.0
    if not write(w, me.pooled, rest):
        return Reason.TOO_LONG, 0.0
    return Reason.DONE, amount


@inner
def would_give(w, me, token_in, token_out, amount):
    """What staking an amount gives."""
    if token_in != me.asset or token_out != me.share or read(w, me.pooled) + amount > me.cap:
        return 0.0
    return amount / rate_now(w, me)


@inner
def _left(w, me, row):
    """What a request is still owed, after what was slashed."""
    cut = read(w, cell(me.queue, row, WIDTH, CUT))
    amount = read(w, cell(me.queue, row, WIDTH, AMOUNT))
    return amount * read(w, me.cut) / cut if cut > 0.0 else 0.0


@inner
def go_on(w, me):
    """Earn rewards, and meet requests that are due."""
    seconds = w.rules[0].seconds
    earned = w.books.balances[me.account, me.asset] * me.rewards * seconds / INTEREST_YEAR
    if earned > 0.0 and w.books.supply[me.share] > 0.0:
        mint(w.books, me.account, me.asset, earned * (1.0 - me.fee))
        mint(w.books, me.holders, me.asset, earned * me.fee)
        add(w, me.pooled, earned * (1.0 - me.fee))
    if read(w, me.shut) == 0.0:
        _meet(w, me)
    write(w, me.rate, rate_now(w, me))


@inner
def _meet(w, me):
    """Meet requests, the first first, as far as exits and what came in go."""
    exits = me.capacity * w.rules[0].seconds / DAY
    bucket = read(w, me.bucket)
    # Exits that nobody waits for are not begun: a day's at most are ready.
    bucket = max(bucket, min(bucket + exits, me.capacity))
    head, tail = int(read(w, me.head)), int(read(w, me.tail))
    last = w.chain[0].block - me.delay
    for _ in range(AT_ONCE):
        row = head % me.queue_rows
        if head >= tail or not bucket > 0.0:
            break
        if read(w, cell(me.queue, row, WIDTH, SINCE)) > last:
            break
        left = _left(w, me, row)
        paid = min(left, bucket, w.books.balances[me.account, me.asset])
        owner = int(read(w, cell(me.queue, row, WIDTH, OWNER)))
        if not transfer(w.books, me.account, owner, me.asset, paid):
            break
        bucket -= paid
        add(w, me.queued, -paid)
        if paid < left:
            write(w, cell(me.queue, row, WIDTH, AMOUNT), left - paid)
            write(w, cell(me.queue, row, WIDTH, CUT), read(w, me.cut))
            break
        head += 1
    write(w, me.bucket, bucket)
    write(w, me.head, float(head))
    if head == tail:
        write(w, me.queued, 0.0)  # what is left is rounding


@inner
def waits(w, me):
    """Note what requests are owed."""
    for n in range(int(read(w, me.head)), int(read(w, me.tail))):
        row = n % me.queue_rows
        owner = int(read(w, cell(me.queue, row, WIDTH, OWNER)))
        note_claim(w, owner, me.asset, _left(w, me, row))


@inner
def leak(w, me):
    """Gap between what it holds and what shares and requests stand for, relative."""
    due = read(w, me.pooled) + read(w, me.queued)
    listed = 0.0
    for n in range(int(read(w, me.head)), int(read(w, me.tail))):
        listed += _left(w, me, n % me.queue_rows)
    short = max(due - w.books.balances[me.account, me.asset], 0.0)
    return max(short, abs(listed - read(w, me.queued))) / max(due, read(w, me.most), 1.0)


@inner
def wait(w, me):
    """Days that a request made now would wait, if nobody stakes; no end while it is shut."""
    ready = read(w, me.bucket)
    ahead = max(read(w, me.queued) - ready, 0.0)
    if read(w, me.shut) > 0.0 or (me.capacity <= 0.0 and ready <= 0.0):
        return np.inf
    return ahead / me.capacity if me.capacity > 0.0 else (np.inf if ahead > 0.0 else 0.0)


@inner
def discount(w, me):
    """How far a share trades below what it stands for, share; NaN without a pool."""
    due = rate_now(w, me) * w.values[me.asset]
    if me.pool < 0 or not due > 0.0:
        return np.nan
    price = price_in_pool(w, me.pool, me.share)
    return 1.0 - (price if 0.0 < price < np.inf else 0.0) / due


class StakingSettings(Settings):
    """A staking pool."""

    asset: str = Field(description="Token to stake.")
    pool: Annotated[str | None, Names("pools")] = Field(
        None, description="Pool that prices its share; none: its redemption value."
    )
    rewards: Annotated[float, Field(ge=0.0, le=10.0)] = Field(
        0.04, description="Staking yield, per year.",
        json_schema_extra=reach("per year", 0.0, 0.2),
    )  # fmt: skip
    fee: Share = Field(0.1, description="Operators' share of rewards (Lido: a tenth).")
    capacity: NotNegative = Field(
        1_000.0,
        description="Withdrawal capacity per day, token units.",
        json_schema_extra=reach("tokens a day", 0.0, 1e6),
    )
    delay: Blocks = Field(0, description="Minimum waiting time of a request, blocks.")
    cap: NotNegative = Field(MOST, description="Cap on staked tokens, token units.")
    rows: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        4096, description="Maximum length of the queue."
    )
    staked: NotNegative = Field(
        0.0, description="Tokens staked by outside holders at the start, token units."
    )

    def problems(self, s: Any, name: str) -> list[Problem]:
        """Whether the pool holds what it should price."""
        pool = s.pools.get(self.pool or "")
        if pool is None or f"{name}-share" in pool.tokens:
            return []
        return [("pool", f"{self.pool} does not hold {name}-share; name one that does")]


@register("staking")
class Staking(Protocol):
    """A staking pool that issues a liquid share of the staked tokens."""

    Settings = StakingSettings
    tokens = ("asset",)
    outside = ("asset",)
    issues = (Token("share", Value(value), held=True, redeems=Rate("asset", "rate")),)
    state: ClassVar[Mapping[str, str]] = {
        "pooled": "What shares stand for together, token units",
        "queued": "What requests wait for, token units",
        "cut": "What slashing has left of a unit",
        "rate": "What a share stands for, as the last block ended",
        "bucket": "What can be paid out now, token units",
        "head": "First request that waits",
        "tail": "Requests since the start",
        "shut": "Above 0: no request is taken or met",
        "slashed": "Since the start, token units",
        "most": "Most that it stood for, token units",
    }
    tables: ClassVar[Mapping[str, Table]] = {
        "queue": Table(
            {
                "owner": "Row of an account",
                "amount": "Token units",
                "cut": "What slashing had left of a unit then",
                "since": "Block",
            },
            "rows",
        )
    }
    calls = (
        Call("stake", stake, gas=110_000.0, pays="asset", gives="share"),
        Call(
            "request",
            request,
            gas=190_000.0,
            pays="share",
            gives="asset",
            event="withdrawal",
            cause="fees",
        ),
    )
    quote = would_give
    trade = "stake"
    between_blocks = go_on
    claims = waits
    leak = leak
    measures = (
        Measure("rate", "asset per share", "Value of a share", "rate"),
        Measure("discount", "share", "Discount of the share to its redemption value", discount),
        Measure("queued", "token units", "Waiting requests", "queued"),
        Measure("wait", "days", "Waiting time of a new request", wait),
        Measure("slashed", "token units, since the start", "Slashed", "slashed"),
    )
    card = (
        Fact("value of a share", "rate", unit="{asset}"),
        Fact("discount to that value", "discount", "share", reduction="largest"),
        Fact("waiting requests", "queued", "money", "{asset}"),
        Fact("slashed", "slashed", "money", "{asset}"),
    )
    charts: ClassVar[dict[str, Sequence[str]]] = {
        "Discount of the share to its redemption value": ("discount",),
        "Requests that wait": ("queued",),
        "Days of waiting": ("wait",),
    }

    def start(self) -> None:
        """Let outside holders stake what the settings say."""
        for name in ("cut", "rate"):
            self.put(name, 1.0)
        amount = self.settings.staked  # type: ignore[attr-defined]
        if amount > 0.0:
            self.market.ledger.mint(HOLDERS, self.token("share"), amount)

    def begun(self) -> None:
        """Stake one for each share that is out, whoever holds it; a day's exits are ready."""
        ledger = self.market.ledger
        out = ledger.supply(self.token("share"))
        ledger.mint(self.name, self.token("asset"), out)
        self.put("pooled", out)
        self.put("most", out)
        self.put("bucket", float(self.record[0]["capacity"]))

    def is_slashed(self, size: float) -> None:
        """A share of all that is staked is gone."""
        amount = size * (self.value("pooled") + self.value("queued"))
        self.market.ledger.burn(self.name, self.token("asset"), min(amount, self.held("asset")))
        for name in ("pooled", "queued", "cut"):
            self.put(name, self.value(name) * (1.0 - size))
        if not self.value("cut") > 0.0:  # nobody who waits is owed anything; who comes later is
            self.put("head", self.value("tail"))
            self.put("queued", 0.0)
            self.put("cut", 1.0)
        self.put("slashed", self.value("slashed") + amount)

    def is_shut(self, size: float) -> Callable[[], None]:
        """No request is taken or met until it is over."""
        return self.raised("shut")

    events: ClassVar[Any] = (
        Event("slashed", "A share of the staked tokens is slashed", is_slashed),
        Event("queue_shut", "The withdrawal queue stops", is_shut),
    )

    @property
    def rate(self) -> float:
        """What a share stands for, units of what is staked; 1 without any."""
        supply = self.market.ledger.supply(self.token("share"))
        return self.value("pooled") / supply if supply > 0.0 else 1.0

    def waiting(self) -> list[tuple[str, float, int]]:
        """Requests that wait: (owner, token units, block), the first first."""
        rows, cut = self.rows("queue"), self.value("cut")
        found = []
        for n in range(int(self.value("head")), int(self.value("tail"))):
            owner, amount, then, since = rows[n % len(rows)]
            name = self.market.ledger.accounts[int(owner)]
            found.append((name, float(amount * cut / then), int(since)))
        return found
