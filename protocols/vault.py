"""A vault: its shares are parts of all of one asset that it holds (ERC-4626).

Entering mints shares at what they stand for, leaving burns them; a fee on leaving stays, for
those who stay. What somebody gives to the vault is its holders'.

Symbols of the standard: assets A held, shares S out, an offset v of virtual shares and assets,
so that ``shares = assets (S + v) / (A + v)``. It keeps whoever enters first from making the next
one's shares round to none, or from making them dear by a gift (OpenZeppelin, ERC4626, "inflation
attack"): with an offset of v it takes a gift of ``n v`` to be paid ``1 / n`` of it back at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from protocols.interface import (
    Call,
    Fact,
    Measure,
    Protocol,
    Settings,
    Token,
    read,
    register,
    write,
)
from sim.codes import Reason
from sim.compiled import inner, kernel
from sim.distribution import MOST, NotNegative
from sim.ledger import burn, mint, transfer


@kernel
def shares_for(assets, held, supply, offset):
    """Shares that assets buy: assets (S + v) / (A + v).

    Args:
        assets: Token units paid in.
        held: A, token units before.
        supply: S, shares before.
        offset: v, virtual shares and assets.
    """
    return assets * (supply + offset) / (held + offset)


@kernel
def assets_for(shares, held, supply, offset):
    """Assets that shares stand for: shares (A + v) / (S + v); arguments as of `shares_for`."""
    return shares * (held + offset) / (supply + offset)


@inner
def deposit(w, me, call):
    """Enter with assets; gives shares."""
    books = w.books
    held, supply = books.balances[me.account, me.asset], books.supply[me.share]
    if call.token_in != me.asset or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    if held + call.amount > me.cap:
        return Reason.CAP, 0.0
    if supply == 0.0 and held > 0.0 and me.offset == 0.0:
        return Reason.EMPTY_POOL, 0.0  # what is there is nobody's: no share has a price
    shares = call.amount
    if held > 0.0 or me.offset > 0.0:
        shares = shares_for(call.amount, held, supply, me.offset)
    if not shares >= call.limit:
        return Reason.LIMIT, 0.0
    if not shares > 0.0 or not shares < np.inf:
        return Reason.INVALID, 0.0
    if not transfer(books, call.sender, me.account, me.asset, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not mint(books, call.sender, me.share, shares):
        return Reason.INVALID, 0.0
    return Reason.DONE, shares


@inner
def withdraw(w, me, call):
    """Leave with shares; gives assets less the fee."""
    books = w.books
    held, supply = books.balances[me.account, me.asset], books.supply[me.share]
    if call.token_in != me.share or not call.amount > 0.0 or not supply > 0.0:
        return Reason.INVALID, 0.0
    worth = min(assets_for(call.amount, held, supply, me.offset), held)
    out = worth * (1.0 - me.exit_fee)
    if not out >= call.limit:
        return Reason.LIMIT, 0.0
    if not burn(books, call.sender, me.share, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not transfer(books, me.account, call.sender, me.asset, out):
        return Reason.INVALID, 0.0
    if not write(w, me.fees, read(w, me.fees) + worth - out):
        return Reason.TOO_LONG, 0.0
    return Reason.DONE, out


@inner
def price(w, me):
    """Assets per share; NaN without any."""
    supply = w.books.supply[me.share]
    if supply <= 0.0:
        return np.nan
    return assets_for(1.0, w.books.balances[me.account, me.asset], supply, me.offset)


class VaultSettings(Settings):
    """A vault for one asset."""

    asset: str
    exit_fee: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.0, description="Exit fee, share of the amount withdrawn that stays in the vault."
    )
    cap: NotNegative = Field(MOST, description="Cap on its holdings, token units.")
    offset: NotNegative = Field(
        1e-6, description="Virtual shares and assets, against inflation attacks."
    )
    deposits: NotNegative = Field(
        0.0, description="Deposits of outside holders at the start, token units."
    )


@register("vault")
class Vault(Protocol):
    """A vault for one asset, whose shares are proportional claims on it."""

    Settings = VaultSettings
    tokens = ("asset",)
    issues = (Token("share"),)
    state: ClassVar[dict[str, str]] = {"fees": "Exit fees so far, token units"}
    calls = (
        Call("enter", deposit, gas=120_000.0, pays="asset", gives="share", cause="fees"),
        Call(
            "leave",
            withdraw,
            gas=130_000.0,
            pays="share",
            gives="asset",
            event="withdrawal",
            cause="fees",
        ),
    )
    measures = (
        Measure("price", "asset per share", "Value of a share", price),
        Measure("fees", "token units, since the start", "Exit fees kept", "fees"),
    )
    card = (
        Fact("value of a share", "price", unit="{asset}"),
        Fact("exit fees", "fees", unit="{asset}"),
    )
    charts: ClassVar[dict[str, Sequence[str]]] = {
        "Value of a share": ("price",),
        "What it holds": ("value",),
    }

    def start(self) -> None:
        """Let outside holders enter with what the settings say."""
        amount = self.settings.deposits  # type: ignore[attr-defined]
        if amount > 0.0:
            ledger = self.market.ledger
            ledger.mint("holders", self.token("asset"), amount)
            ledger.transfer("holders", self.name, self.token("asset"), amount)
            ledger.mint("holders", self.token("share"), amount)

    @property
    def price(self) -> float:
        """Assets per share; NaN without any."""
        supply = self.market.ledger.supply(self.token("share"))
        offset = float(self.record[0]["offset"])
        held = self.held("asset")
        return float(assets_for(1.0, held, supply, offset)) if supply > 0.0 else float("nan")
