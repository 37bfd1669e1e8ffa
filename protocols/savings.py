"""Savings: a vault whose shares earn what it lends, or what it promises while a reserve lasts.

Shares and assets exchange as ERC-4626 has it, with virtual shares against inflation attacks
(`protocols.vault`). What comes in is lent in a lending market but for a part that is kept liquid.
Without a promise a share earns what is earned. With one (Anchor, 2021-22: 19.5 per cent), deposits
grow at the promised rate while what it has covers that; what is earned beyond goes into the
reserve, what lacks comes out of it. Once the reserve has run dry a share earns what is earned::

    pooled' = min(pooled (1 + r dt), cash + lent)

and the reserve is what is left, ``cash + lent - pooled``; it bears first what the market writes
off. Who leaves is paid out of cash, and out of what the lending market has in cash: what is
promised is more than what can be withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from protocols.interface import (
    Call,
    Fact,
    Measure,
    Protocol,
    Rate,
    Settings,
    Token,
    read,
    register,
    write,
)
from protocols.lent import call_back, callable_now, lend, lent, not_lent
from protocols.vault import assets_for, shares_for
from sim.codes import Reason
from sim.compiled import inner
from sim.distribution import MOST, NotNegative
from sim.errors import Problem
from sim.fields import Names, Share, reach
from sim.ledger import burn, mint, transfer
from sim.names import HOLDERS
from sim.units import INTEREST_YEAR


@inner
def cash(w, me):
    """What it has at hand, token units."""
    return w.books.balances[me.account, me.asset]


@inner
def withdrawable(w, me):
    """What could be paid out now, token units."""
    return min(cash(w, me) + callable_now(w, me), read(w, me.pooled))


@inner
def left(w, me):
    """What it has beyond what shares stand for, token units."""
    return cash(w, me) + lent(w, me) - read(w, me.pooled)


@inner
def liquidity(w, me):
    """What could be paid out over what shares stand for; 1 without any."""
    pooled = read(w, me.pooled)
    return withdrawable(w, me) / pooled if pooled > 0.0 else 1.0


@inner
def enter(w, me, call):
    """Enter with assets; gives shares."""
    books, pooled = w.books, read(w, me.pooled)
    supply = books.supply[me.share]
    if call.token_in != me.asset or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    if pooled + call.amount > me.cap:
        return Reason.CAP, 0.0
    if supply > 0.0 and not pooled > 0.0:
        return Reason.EMPTY_POOL, 0.0  # all is lost: no share has a price
    shares = call.amount
    if supply + me.offset > 0.0:
        shares = shares_for(call.amount, pooled, supply, me.offset)
    if not shares >= call.limit:
        return Reason.LIMIT, 0.0
    if not shares > 0.0 or not shares < MOST * MOST:
        return Reason.INVALID, 0.0
    if not transfer(books, call.sender, me.account, me.asset, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not mint(books, call.sender, me.share, shares):
        return Reason.INVALID, 0.0
    if not write(w, me.pooled, pooled + call.amount):
        return Reason.TOO_LONG, 0.0
    return Reason.DONE, shares


@inner
def leave(w, me, call):
    """Leave with shares; gives assets, if there are as much in cash."""
    books, pooled = w.books, read(w, me.pooled)
    supply = books.supply[me.share]
    if call.token_in != me.share or not call.amount > 0.0 or not supply > 0.0:
        return Reason.INVALID, 0.0
    out = min(assets_for(call.amount, pooled, supply, me.offset), pooled)
    if not out >= call.limit:
        return Reason.LIMIT, 0.0
    if not burn(books, call.sender, me.share, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if out > cash(w, me):
        call_back(w, me, out - cash(w, me))
        if out > cash(w, me) * (1.0 + 1e-9):
            return Reason.NO_CASH, 0.0
    if not transfer(books, me.account, call.sender, me.asset, min(out, cash(w, me))):
        return Reason.NO_CASH, 0.0
    if not write(w, me.pooled, pooled - out):
        return Reason.TOO_LONG, 0.0
    return Reason.DONE, out


@inner
def go_on(w, me):
    """Let shares earn what is promised or earned, and keep the liquid part."""
    pooled, has = read(w, me.pooled), cash(w, me) + lent(w, me)
    if w.books.supply[me.share] > 0.0:
        if me.promised == me.promised:
            grown = pooled * (1.0 + me.promised * w.rules[0].seconds / INTEREST_YEAR)
            pooled = min(grown, has)
        else:
            pooled = has
    write(w, me.pooled, pooled)
    if me.lending >= 0:
        wanted = me.liquid * has
        if cash(w, me) > wanted + me.band * has:
            lend(w, me, cash(w, me) - wanted)
        elif cash(w, me) < wanted - me.band * has:
            call_back(w, me, wanted - cash(w, me))
    supply = w.books.supply[me.share]
    if supply + me.offset > 0.0:
        write(w, me.rate, assets_for(1.0, read(w, me.pooled), supply, me.offset))


@inner
def leak(w, me):
    """How far shares stand for more than there is, relative."""
    pooled = read(w, me.pooled)
    return max(pooled - cash(w, me) - lent(w, me), 0.0) / max(pooled, 1.0)


class SavingsSettings(Settings):
    """A savings vault for one asset, which lends it and may promise a rate."""

    asset: str
    lending: Annotated[str | None, Names("lending")] = Field(
        None, description="Lending market in which it lends; none: it keeps everything in cash."
    )
    liquid: Share = Field(0.1, description="Target share in cash.")
    band: Share = Field(0.02, description="Tolerated deviation from that target, share.")
    promised: Annotated[float, Field(ge=0.0, le=10.0)] | None = Field(
        None,
        description="Promised rate, per year; none: shares earn what the vault earns.",
        json_schema_extra=reach("per year", 0.0, 0.5),
    )
    reserve: NotNegative = Field(
        0.0, description="Initial reserve beyond the value of shares, token units."
    )
    cap: NotNegative = Field(MOST, description="Cap on the value of all shares, token units.")
    offset: NotNegative = Field(
        1e-6, description="Virtual shares and assets, against inflation attacks."
    )
    deposits: NotNegative = Field(
        0.0, description="Deposits of outside holders at the start, token units."
    )

    def problems(self, s: Any, name: str) -> list[Problem]:
        """Whether the market lends the asset."""
        return not_lent(s, self.lending, self.asset)


@register("savings")
class Savings(Protocol):
    """A savings vault whose shares earn from lending or from a reserve."""

    Settings = SavingsSettings
    tokens = ("asset",)
    issues = (Token("share", Rate("asset", "rate"), held=True),)
    state: ClassVar[Mapping[str, str]] = {
        "pooled": "What shares stand for together, token units",
        "rate": "What a share stands for, as the last block ended",
    }
    calls = (
        Call("enter", enter, gas=130_000.0, pays="asset", gives="share", cause="fees"),
        Call(
            "leave",
            leave,
            gas=220_000.0,
            pays="share",
            gives="asset",
            event="withdrawal",
            cause="fees",
        ),
    )
    between_blocks = go_on
    leak = leak
    measures = (
        Measure("rate", "asset per share", "Value of a share", "rate"),
        Measure("pooled", "token units", "Value of all shares", "pooled"),
        Measure("reserve", "token units", "Reserve beyond that value", left),
        Measure("withdrawable", "token units", "Amount that could be paid out now", withdrawable),
        Measure("liquidity", "share", "Withdrawable over promised amount", liquidity),
    )
    card = (
        Fact("value of a share", "rate", unit="{asset}"),
        Fact("promised", "pooled", "money", "{asset}"),
        Fact("withdrawable", "liquidity", "share"),
        Fact("reserve", "reserve", "money", "{asset}"),
    )
    charts: ClassVar[dict[str, Sequence[str]]] = {
        "Value of a share": ("rate",),
        "Promised and withdrawable": ("pooled", "withdrawable"),
        "Reserve": ("reserve",),
    }

    def start(self) -> None:
        """Let outside holders enter with what the settings say."""
        self.put("rate", 1.0)
        amount = self.settings.deposits  # type: ignore[attr-defined]
        if amount > 0.0:
            self.market.ledger.mint(HOLDERS, self.token("share"), amount)

    def begun(self) -> None:
        """Put one behind each share that is out, and the reserve besides."""
        ledger = self.market.ledger
        out = ledger.supply(self.token("share"))
        reserve = self.settings.reserve  # type: ignore[attr-defined]
        ledger.mint(self.name, self.token("asset"), out + reserve)
        self.put("pooled", out)

    @property
    def rate(self) -> float:
        """What a share stands for, units of the asset; 1 without any."""
        return self.value("rate")
