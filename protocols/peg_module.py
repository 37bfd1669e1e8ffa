"""A peg module in Maker's manner: two coins are exchanged one for one, less a fee, up to a ceiling.

Whoever brings `asset` gets `coin` for it, less `fee_in` (Maker: ``tin``); whoever brings the coin
gets the asset, less `fee_out` (``tout``). It may hold so much of the asset as `ceiling` says.

It mints nothing: no protocol can mint another's coin here, and a token of the venue is nobody's to
mint. It gives what it holds, as Maker's newer module does whose coins are minted beforehand
(MCD_LITE_PSM): `coins` at the start, behind which their issuer puts what it puts behind any coin.
A coin that it holds and has not given out is behind nothing. So

    coins + assets held = what it began with + fees

whatever is exchanged (`leak`). One coin falls below the other only when the module is out of the
dearer one; then what is left in it is the cheaper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from protocols.interface import (
    Call,
    Chart,
    Event,
    Fact,
    Look,
    Measure,
    Protocol,
    Settings,
    add,
    read,
    register,
)
from sim.codes import Reason
from sim.compiled import inner
from sim.distribution import MOST, NotNegative
from sim.fields import Fee, Names, Switch, reach
from sim.ledger import transfer


@inner
def quote(w, me, token_in, token_out, amount):
    """What an amount of the one gives of the other now."""
    if me.active == 0 or read(w, me.shut) > 0.0 or not amount > 0.0:
        return 0.0
    if token_in == me.asset and token_out == me.coin:
        out = amount * (1.0 - me.fee_in)
        fits = read(w, me.stock) + amount <= me.ceiling
        return out if fits and out <= read(w, me.held) else 0.0
    if token_in == me.coin and token_out == me.asset:
        out = amount * (1.0 - me.fee_out)
        return out if out <= read(w, me.stock) else 0.0
    return 0.0


@inner
def swap(w, me, call):
    """Give one coin for the other."""
    brings = call.token_in == me.asset and call.token_out == me.coin
    if not brings and (call.token_in != me.coin or call.token_out != me.asset):
        return Reason.INVALID, 0.0
    if not call.amount > 0.0:
        return Reason.INVALID, 0.0
    if me.active == 0 or read(w, me.shut) > 0.0:
        return Reason.HALTED, 0.0
    out = call.amount * (1.0 - (me.fee_in if brings else me.fee_out))
    if not out >= call.limit:
        return Reason.LIMIT, 0.0
    if brings and read(w, me.stock) + call.amount > me.ceiling:
        return Reason.CAP, 0.0
    if out > (read(w, me.held) if brings else read(w, me.stock)):
        return Reason.NO_CASH, 0.0
    if not transfer(w.books, call.sender, me.account, call.token_in, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not transfer(w.books, me.account, call.sender, call.token_out, out):
        return Reason.INVALID, 0.0
    if brings:
        add(w, me.stock, call.amount)
        add(w, me.held, -out)
        add(w, me.brought, call.amount)
    else:
        add(w, me.held, call.amount)
        add(w, me.stock, -out)
        add(w, me.taken, out)
    add(w, me.fees, call.amount - out)
    return Reason.DONE, out


@inner
def leak(w, me):
    """How far both coins together are from what it began with and fees, relative."""
    held, assets = read(w, me.held), read(w, me.stock)
    began = read(w, me.began)
    scale = max(began, read(w, me.brought), read(w, me.taken), 1.0)
    worst = abs(held + assets - began - read(w, me.fees)) / scale
    missing = held - w.books.balances[me.account, me.coin]
    missing = max(missing, assets - w.books.balances[me.account, me.asset])
    return max(worst, missing / scale)


@inner
def share_of_asset(w, me):
    """Of what it holds, the asset."""
    both = read(w, me.held) + read(w, me.stock)
    return read(w, me.stock) / both if both > 0.0 else 0.0


class PegModuleSettings(Settings):
    """Two coins exchanged one to one."""

    coin: Annotated[str, Names("issued")] = Field(
        description="Coin whose peg it supports: issued by another protocol, or an asset of the "
        "venue."
    )
    asset: Annotated[str, Names("issued")] = Field(
        description="Coin that it exchanges for it one to one."
    )
    coins: NotNegative = Field(
        0.0, description="Initial holding of the coin, available to be paid out."
    )
    assets: NotNegative = Field(0.0, description="Initial holding of the asset, token units.")
    ceiling: NotNegative = Field(
        MOST,
        description="Ceiling on its holding of the asset, token units.",
        json_schema_extra=reach("token units", 1e3, 1e10, log=True),
    )
    fee_in: Fee = Field(
        0.0,
        description="Fee on asset paid in, share.",
        json_schema_extra=reach("share", 0.0, 0.02),
    )
    fee_out: Fee = Field(
        0.0,
        description="Fee on coin paid in, share.",
        json_schema_extra=reach("share", 0.0, 0.02),
    )
    active: Switch = Field(True, description="The module is open; off: as if it did not exist.")

    @model_validator(mode="after")
    def _apart(self) -> PegModuleSettings:
        if self.coin == self.asset:
            raise ValueError(f"coin and asset are both {self.coin!r}; choose two")
        if self.assets > self.ceiling:
            raise ValueError(f"assets are {self.assets:g}, above the ceiling; lower one")
        return self

    def problems(self, s: Any, name: str) -> list[tuple[str, str]]:
        """Whether there may be some of both at the start."""
        from sim.parts import held_at_start

        there = [s.venue.numeraire, *s.venue.assets, *held_at_start(s)]
        return [
            (field, f"{getattr(self, field)!r} cannot be held from the start; name a coin")
            for field in ("coin", "asset")
            if getattr(self, field) not in there
        ]


@register("peg_module")
class PegModule(Protocol):
    """A peg stability module: exchanges two coins one to one from its holdings."""

    Settings = PegModuleSettings
    tokens = ("coin", "asset")
    state: ClassVar[Mapping[str, str]] = {
        "held": "Of the coin, by its books",
        "stock": "Of the asset, by its books",
        "began": "Both together at the start",
        "fees": "Kept, of either, since the start",
        "brought": "Of the asset, since the start",
        "taken": "Of the asset taken out, since the start",
        "shut": "1: an event has shut it",
    }
    calls = (Call("swap", swap, gas=90_000.0, pays="coin", gives="asset", event="sale"),)
    quote = quote
    trade = "swap"
    leak = leak
    measures = (
        Measure("coins", "token units", "Holding of the coin, available to be paid out", "held"),
        Measure("assets", "token units", "Holding of the asset", "stock"),
        Measure("asset_share", "share", "Share of the asset in its holdings", share_of_asset),
        Measure("brought", "token units, since the start", "Asset paid in", "brought"),
        Measure("taken", "token units, since the start", "Asset paid out", "taken"),
        Measure("fees", "token units, since the start", "Fees kept, in either coin", "fees"),
    )
    charts = (
        Chart("Holdings of the module", "token units", {"coins": "coins", "assets": "assets"}),
    )
    card = (
        Fact("the asset's share", "asset_share", "share"),
        Fact("brought", "brought", unit="{asset}"),
        Fact("paid out", "taken", unit="{asset}"),
        Fact("fees", "fees", unit="of both coins"),
    )
    look = Look("peg module", head="peg modules", colour="#5c7f3a")

    def start(self) -> None:
        """Hold what it begins with: what is issued is backed by its issuer, as all that is out."""
        settings: Any = self.settings
        ledger = self.market.ledger
        ledger.mint(self.name, settings.coin, settings.coins)
        ledger.mint(self.name, settings.asset, settings.assets)
        self.put("held", settings.coins)
        self.put("stock", settings.assets)
        self.put("began", settings.coins + settings.assets)

    def closed(self, size: float) -> Callable[[], None]:
        """Exchange nothing."""
        return self.raised("shut")

    events = (Event("shut", "Exchange stops", closed),)
