"""A coin that is partly backed, in the manner of Frax's first version.

A part of each coin, the collateral ratio c, is backed by collateral, the rest by a share token. A
coin is minted for c dollars of collateral and 1 - c dollars of the share, which is burnt, and
redeemed for the same; of coins F, collateral Y at a price p and shares Z at a price q ("Minting and
Redeeming", Frax Finance documentation, version 1):

    F = Y p + Z q,    (1 - c) Y p = c Z q.

Once in an epoch the ratio goes a step down where the coin's price is above a band around one, and a
step up where it is below (``FRAX.sol``, ``refreshCollateralRatio``). After a step up collateral is
missing: anybody may bring what is, for shares of its worth and a bonus (recollateralisation). After
a step down there is too much: anybody may have it for shares, which are burnt (buyback).

The protocol holds the collateral and nothing else. What stands behind a coin is that and what all
of the share is worth, which a redemption makes cheaper:

    backing = (collateral + price of the share x all of it) / coins out.

Departures: the ratio moves as the epoch ends, where somebody has to call; what is redeemed is paid
at once, where it is fetched two blocks later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, cast

import numpy as np
from pydantic import Field

from protocols.interface import (
    Call,
    Chart,
    Event,
    Fact,
    Look,
    Measure,
    Protocol,
    Settings,
    Token,
    Value,
    add,
    read,
    register,
    write,
)
from protocols.pegs import (
    PEG_STATE,
    begin_peg,
    coin_price,
    half_life,
    note_peg,
    off_books,
    price_in_pool,
)
from sim.codes import Reason
from sim.compiled import inner, kernel
from sim.distribution import MOST, NotNegative, Positive
from sim.errors import Problem
from sim.fields import Fee, Names, Share, Switch, reach
from sim.ledger import burn, mint, transfer
from sim.names import HOLDERS


@kernel
def minted_for(collateral, price, share_price, ratio):
    """Coins that collateral mints, and shares that are burnt beside it, before the fee.

    Args:
        collateral: Y, token units.
        price: p, of the collateral, numeraire.
        share_price: q, of the share, numeraire.
        ratio: c, above 0.

    Returns:
        (F = Y p / c, Z = (1 - c) F / q).
    """
    coins = collateral * price / ratio
    return coins, (1.0 - ratio) * coins / share_price


@kernel
def redeemed_for(coins, price, share_price, ratio):
    """Collateral and shares that coins are redeemed for, before the fee: (c F / p, (1 - c) F / q).

    Args:
        coins: F.
        price: p, of the collateral, numeraire.
        share_price: q, of the share, numeraire.
        ratio: c.
    """
    return coins * ratio / price, coins * (1.0 - ratio) / share_price


@kernel
def stepped(ratio, price, band, step):
    """Collateral ratio after an epoch: a step down above one and the band, a step up below."""
    if price > 1.0 + band:
        return max(ratio - step, 0.0)
    if price < 1.0 - band:
        return min(ratio + step, 1.0)
    return ratio


@inner
def _prices(w, me):
    """(price of the collateral, of the share) as the oracles say; 0 where one says nothing."""
    price, share = w.feeds[me.collateral_oracle].price, w.feeds[me.share_oracle].price
    if not (0.0 < price < np.inf and 0.0 < share < np.inf):
        return 0.0, 0.0
    return price, share


@inner
def gap_of(w, me, price):
    """What collateral is worth above what the ratio asks for, numeraire; below 0: missing."""
    return read(w, me.held) * price - read(w, me.ratio) * w.books.supply[me.coin]


@inner
def is_shut(w, me):
    """Whether nothing is minted or redeemed."""
    return read(w, me.shut) > 0.0 or me.redeemable == 0


@inner
def quote(w, me, token_in, token_out, amount):
    """What an amount gives: coins for collateral or shares, beside enough of the other; or back."""
    price, share = _prices(w, me)
    if is_shut(w, me) or not price > 0.0 or not amount > 0.0:
        return 0.0
    ratio = read(w, me.ratio)
    if token_out == me.coin:
        coins = 0.0
        if token_in == me.collateral and ratio > 0.0:
            coins = amount * price / ratio
        elif token_in == me.share and ratio < 1.0:
            coins = amount * share / (1.0 - ratio)
        if coins * ratio / price + read(w, me.held) > me.most_collateral:
            return 0.0
        return coins * (1.0 - me.mint_fee)
    if token_in != me.coin:
        return 0.0
    collateral, shares = redeemed_for(amount * (1.0 - me.redeem_fee), price, share, ratio)
    if collateral > read(w, me.held):
        return 0.0
    if token_out == me.collateral:
        return collateral
    return shares if token_out == me.share else 0.0


@inner
def _mint(w, me, call, price, share):
    """Mint coins for collateral (all of `amount`) and as many shares as that takes."""
    ratio, books = read(w, me.ratio), w.books
    if not ratio > 0.0:
        return Reason.INVALID, 0.0
    coins, shares = minted_for(call.amount, price, share, ratio)
    out = coins * (1.0 - me.mint_fee)
    if not 0.0 < out < np.inf:
        return Reason.INVALID, 0.0
    if read(w, me.held) + call.amount > me.most_collateral:
        return Reason.CAP, 0.0
    if not out >= call.limit:
        return Reason.LIMIT, 0.0
    if not transfer(books, call.sender, me.account, me.collateral, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if shares > 0.0 and not burn(books, call.sender, me.share, shares):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not mint(books, call.sender, me.coin, out):
        return Reason.INVALID, 0.0
    add(w, me.held, call.amount)
    add(w, me.coins, out)
    add(w, me.shares, -shares)
    add(w, me.minted, out)
    return Reason.DONE, out


@inner
def _redeem(w, me, call, price, share):
    """Redeem coins for collateral, which it gives, and shares, which come beside it."""
    books = w.books
    ratio, worth = read(w, me.ratio), call.amount * (1.0 - me.redeem_fee)
    collateral, shares = redeemed_for(worth, price, share, ratio)
    if not collateral >= call.limit:
        return Reason.LIMIT, 0.0
    if not collateral <= read(w, me.held):
        return Reason.NO_CASH, 0.0
    if not burn(books, call.sender, me.coin, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not transfer(books, me.account, call.sender, me.collateral, collateral):
        return Reason.INVALID, 0.0
    if not mint(books, call.sender, me.share, shares):
        return Reason.INVALID, 0.0
    add(w, me.held, -collateral)
    add(w, me.coins, -call.amount)
    add(w, me.shares, shares)
    add(w, me.shares_minted, shares)
    add(w, me.redeemed, call.amount)
    return Reason.DONE, collateral


@inner
def convert(w, me, call):
    """Mint coins for collateral and shares, or redeem them, at the collateral ratio."""
    mints = call.token_in == me.collateral and call.token_out == me.coin
    if not mints and (call.token_in != me.coin or call.token_out != me.collateral):
        return Reason.INVALID, 0.0
    price, share = _prices(w, me)
    if not call.amount > 0.0 or not price > 0.0:
        return Reason.INVALID, 0.0
    if is_shut(w, me):
        return Reason.HALTED, 0.0
    if mints:
        reason, out = _mint(w, me, call, price, share)
    else:
        reason, out = _redeem(w, me, call, price, share)
    return reason, out


@inner
def recollateralise(w, me, call):
    """Bring collateral that is missing, at most that, for shares of its worth and a bonus."""
    price, share = _prices(w, me)
    if call.token_in != me.collateral or not call.amount > 0.0 or not price > 0.0:
        return Reason.INVALID, 0.0
    missing = -gap_of(w, me, price) / price
    amount = min(call.amount, missing)
    if not amount > 0.0:
        return Reason.CAP, 0.0
    shares = amount * price * (1.0 + me.bonus) / share
    if not shares >= call.limit:
        return Reason.LIMIT, 0.0
    if not transfer(w.books, call.sender, me.account, me.collateral, amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not mint(w.books, call.sender, me.share, shares):
        return Reason.INVALID, 0.0
    add(w, me.held, amount)
    add(w, me.shares, shares)
    add(w, me.shares_minted, shares)
    add(w, me.brought, amount)
    call.amount = amount
    return Reason.DONE, shares


@inner
def buy_back(w, me, call):
    """Burn shares for collateral that is too much, at most for that."""
    price, share = _prices(w, me)
    if call.token_in != me.share or not call.amount > 0.0 or not price > 0.0:
        return Reason.INVALID, 0.0
    excess = gap_of(w, me, price)
    shares = min(call.amount, excess / share)
    if not shares > 0.0:
        return Reason.CAP, 0.0
    out = min(shares * share / price * (1.0 - me.buyback_fee), read(w, me.held))
    if not out >= call.limit:
        return Reason.LIMIT, 0.0
    if not burn(w.books, call.sender, me.share, shares):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not transfer(w.books, me.account, call.sender, me.collateral, out):
        return Reason.INVALID, 0.0
    add(w, me.held, -out)
    add(w, me.shares, -shares)
    add(w, me.bought_back, shares)
    call.amount = shares
    return Reason.DONE, out


@inner
def share_price(w, me):
    """Price of the share in its pool."""
    return price_in_pool(w, me.share_market, me.share)


@inner
def cover(w, me):
    """Collateral behind a coin at market prices, numeraire."""
    coins = w.books.supply[me.coin]
    return read(w, me.held) * w.values[me.collateral] / coins if coins > 0.0 else 0.0


@inner
def backing(w, me):
    """Collateral and all of the share behind a coin at market prices, numeraire."""
    coins = w.books.supply[me.coin]
    if not coins > 0.0:
        return 0.0
    return cover(w, me) + share_price(w, me) * w.books.supply[me.share] / coins


@inner
def between(w, me):
    """Move the ratio as an epoch ends, and note where the peg is."""
    seconds = w.chain[0].block * w.rules[0].seconds
    epoch = seconds // me.epoch
    if epoch > read(w, me.epochs):
        write(w, me.epochs, epoch)
        price = w.feeds[me.oracle].price
        if 0.0 < price < np.inf:
            write(w, me.ratio, stepped(read(w, me.ratio), price, me.band, me.step))
    note_peg(w, me, coin_price(w, me), backing(w, me))


@inner
def leak(w, me):
    """How far tokens out and collateral are from what its own books say, relative."""
    books = w.books
    coins = off_books(w, me.coin, read(w, me.coins))
    shares = off_books(w, me.share, read(w, me.shares))
    # What somebody gives to its account is not of its books; what is missing is.
    missing = read(w, me.held) - books.balances[me.account, me.collateral]
    return max(coins, shares, missing / max(books.most[me.collateral], 1.0))


@inner
def gap(w, me):
    """What collateral is worth above what the ratio asks for, over coins out, by the oracle."""
    coins, price = w.books.supply[me.coin], _prices(w, me)[0]
    return gap_of(w, me, price) / coins if coins > 0.0 and price > 0.0 else 0.0


@inner
def dilution(w, me):
    """Share of all of the share token that was minted since the start."""
    supply = w.books.supply[me.share]
    return min(read(w, me.shares_minted) / supply, 1.0) if supply > 0.0 else 0.0


class FractionalSettings(Settings):
    """A fractionally backed coin; defaults are those of Frax v1."""

    collateral: str = Field(description="Token that partly backs the coin.")
    market: Annotated[str, Names("pools")] = Field(description="Pool that prices the coin.")
    share_market: Annotated[str, Names("pools")] = Field(
        description="Pool that prices the share token."
    )
    oracle: Annotated[str, Names("oracles")] = Field(
        description="Oracle of the coin's price, which drives the collateral ratio."
    )
    share_oracle: Annotated[str, Names("oracles")] = Field(
        description="Oracle of the share token's price for minting and burning."
    )
    collateral_oracle: Annotated[str, Names("oracles")] = Field(
        description="Oracle of the collateral's price."
    )
    start_ratio: Share = Field(
        1.0,
        description="Initial collateral ratio.",
        json_schema_extra=reach("share", 0.0, 1.0),
    )
    step: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.0025,
        description="Change of the ratio per epoch; 0: it stays fixed.",
        json_schema_extra=reach("share", 0.0, 0.05),
    )
    band: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.005,
        description="Deviation of the coin's price from one that triggers a step.",
        json_schema_extra=reach("share", 0.0, 0.05),
    )
    epoch: Positive = Field(
        3600.0,
        description="Length of an epoch, seconds.",
        json_schema_extra=reach("seconds", 12.0, 86_400.0, log=True),
    )
    bonus: Share = Field(
        0.0075,
        description="Bonus in shares for recollateralising, share of the collateral paid in.",
        json_schema_extra=reach("share", 0.0, 0.05),
    )
    mint_fee: Fee = Field(0.0, description="Fee on minted coins, share.")
    redeem_fee: Fee = Field(0.0, description="Fee on redeemed coins, share.")
    buyback_fee: Fee = Field(0.0, description="Fee on collateral bought back with shares, share.")
    most_collateral: NotNegative = Field(
        MOST, description="Collateral cap for minting, token units."
    )
    redeemable: Switch = Field(
        True, description="Minting and redemption are open; off: the coin floats."
    )
    covered: Annotated[float, Field(ge=0.0, le=2.0)] = Field(
        1.0,
        description="Initial collateral over the amount required by the ratio.",
        json_schema_extra=reach("share", 0.0, 2.0),
    )
    outside_coins: NotNegative = Field(0.0, description="Coins held by passive outside holders.")
    outside_shares: NotNegative = Field(
        0.0, description="Share tokens held by passive outside holders, token units."
    )

    def problems(self, s: Any, name: str) -> list[Problem]:
        """Whether each oracle prices what it should."""
        should = {
            "oracle": f"{name}-coin",
            "share_oracle": f"{name}-share",
            "collateral_oracle": self.collateral,
        }
        found = []
        for field, token in should.items():
            named = s.oracles.get(getattr(self, field))
            if named is not None and named.token != token:
                found.append((field, f"prices {named.token}, not {token}; name one of that"))
        return found


@register("fractional")
class Fractional(Protocol):
    """A coin backed partly by collateral and partly by a share token that is minted and burnt."""

    Settings = FractionalSettings
    tokens = ("collateral",)
    issues = (
        Token("coin", Value(coin_price), held=True),
        Token("share", Value(share_price), held=True),
    )
    state: ClassVar[Mapping[str, str]] = {
        **PEG_STATE,
        "ratio": "Collateral ratio",
        "epochs": "Epochs that have ended",
        "shut": "1: an event has shut it",
        "held": "Collateral, by its books, token units",
        "coins": "Coins out, by its books",
        "shares": "Of the share out, by its books",
        "minted": "Coins minted since the start",
        "redeemed": "Coins redeemed since the start",
        "shares_minted": "Shares minted since the start",
        "bought_back": "Shares burnt for collateral that was too much, since the start",
        "brought": "Collateral brought for shares since the start, token units",
        "lost": "Collateral lost to events since the start, token units",
    }
    calls = (
        Call("convert", convert, gas=220_000.0, pays="coin", gives="collateral"),
        Call("recollateralise", recollateralise, gas=180_000.0, pays="collateral", gives="share"),
        Call("buy_back", buy_back, gas=180_000.0, pays="share", gives="collateral"),
    )
    quote = quote
    trade = "convert"
    between_blocks = between
    leak = leak
    measures = (
        Measure("price", "numeraire", "Price of the coin in its pool", "price"),
        Measure("share_price", "numeraire", "Price of the share token in its pool", share_price),
        Measure("deviation", "share", "Deviation of the coin's price from one", "gap"),
        Measure("half_life", "blocks", "Half-life of that deviation", half_life),
        Measure("ratio", "share", "Collateral ratio", "ratio"),
        Measure("cover", "numeraire per coin", "Collateral per coin", cover),
        Measure("backing", "numeraire per coin", "Collateral and share tokens per coin", "backing"),
        Measure(
            "gap", "numeraire per coin", "Collateral above the amount required by the ratio", gap
        ),
        Measure("supply", "coins", "Coins in circulation", "coins"),
        Measure("minted", "coins, since the start", "Minted", "minted"),
        Measure("redeemed", "coins, since the start", "Redeemed", "redeemed"),
        Measure("dilution", "share", "Share tokens minted since the start", dilution),
        Measure(
            "bought_back",
            "shares, since the start",
            "Share tokens burnt for collateral",
            "bought_back",
        ),
        Measure(
            "brought",
            "token units, since the start",
            "Collateral paid in for share tokens",
            "brought",
        ),
        Measure("lost", "token units, since the start", "Collateral lost to events", "lost"),
    )
    charts = (
        Chart(
            "Price and backing of the coin", "numeraire", {"price": "price", "behind it": "backing"}
        ),
        Chart("Collateral", "share", {"ratio": "ratio", "behind a coin": "cover"}),
        Chart(
            "Coins in circulation", "coins", {"out": "supply", "redeemed": "redeemed"}, zero=True
        ),
    )
    card = (
        Fact("price", "price"),
        Fact("lowest price", "price", reduction="least"),
        Fact("collateral ratio", "ratio", "share"),
        Fact("collateral per coin", "cover"),
        Fact("coins in circulation", "supply"),
        Fact("share tokens minted", "dilution", "share"),
    )
    look = Look("fractional coin", head="coins", colour="#8a6f2a")

    def start(self) -> None:
        """Give outside holders what they keep."""
        settings = cast(FractionalSettings, self.settings)
        ledger = self.market.ledger
        ledger.mint(HOLDERS, self.token("coin"), settings.outside_coins)
        ledger.mint(HOLDERS, self.token("share"), settings.outside_shares)
        self.put("ratio", settings.start_ratio)

    def begun(self) -> None:
        """Put collateral behind the coins that are out."""
        settings, ledger = cast(FractionalSettings, self.settings), self.market.ledger
        coins, price = ledger.supply(self.token("coin")), self.market.price(settings.collateral)
        held = settings.covered * settings.start_ratio * coins / price if price > 0.0 else 0.0
        ledger.mint(self.name, settings.collateral, held)
        self.put("held", held)
        self.put("coins", coins)
        shares = ledger.supply(self.token("share"))
        self.put("shares", shares)
        worth = held * price + self.market.price(self.token("share")) * shares
        begin_peg(self, worth / coins if coins > 0.0 else 0.0)

    def closed(self, size: float) -> Callable[[], None]:
        """Mint and redeem nothing."""
        return self.raised("shut")

    def robbed(self, size: float) -> None:
        """Lose a share of the collateral for good; who has it is outside."""
        amount = min(size * self.value("held"), self.held("collateral"))
        self.market.ledger.transfer(self.name, HOLDERS, self.token("collateral"), amount)
        self.put("held", self.value("held") - amount)
        self.put("lost", self.value("lost") + amount)

    events = (
        Event("shut", "Minting and redemption stop", closed),
        Event("lost", "A share of the collateral is lost", robbed),
    )
