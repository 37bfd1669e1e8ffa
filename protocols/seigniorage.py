"""A coin that a sister token stands behind, in Terra's manner: each is minted by burning the other.

A coin is exchanged for a dollar of the sister at the oracle's price of it, and back, less a spread.
Virtual pools make the spread (Terra core, x/market, "Concepts"): of coins and of the sister, both
counted in dollars and as large as `base_pool` at rest,

    coins = base + delta,    sister = base^2 / coins.

An exchange of a worth v moves along their product, gives ``ask - base^2 / (offer + v)``, and so
costs a share of ``1 - given / v``, at least `least_spread`. What the spread takes is not minted
(it is burnt). delta rises by what is paid in coins, falls by what is given out in coins, and
goes back to nothing by ``delta / recovery`` in every block. So the spread widens with what is
exchanged, and ``base_pool / recovery`` a block is the capacity.

The protocol holds nothing. What stands behind a coin is what its sister is worth:

    backing = price of the sister x all of it / coins out.

If R coins are exchanged without pause for a sister that is sold at once into a constant-product
pool with Y dollars in it, its price there falls as ``p = p0 (1 - r/y)^2`` (`sister_price_after`)
and the backing as `backing_after` says: r and y are R and Y over all coins. From that and from the
backing at which holders leave follows how large a first redemption may be (`largest_survived`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
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
from sim.distribution import NotNegative, Positive
from sim.fields import Fee, Names, Period, Switch, reach
from sim.ledger import burn, mint
from sim.names import HOLDERS


@kernel
def spread_of(worth, base, delta, least, pays_coins):
    """Share of a worth that an exchange costs (Terra core, x/market/keeper, ``ComputeSwap``).

    Args:
        worth: Of what is paid in, dollars.
        base: Size of both virtual pools at rest, dollars.
        delta: What the pool of coins has more than that, dollars, above ``-base``.
        least: Least spread, share.
        pays_coins: Whether coins are paid in; else the sister.
    """
    coins = base + delta
    sister = base * base / coins
    offer, ask = (coins, sister) if pays_coins else (sister, coins)
    given = ask * worth / (offer + worth)  # ask - base^2 / (offer + worth), without cancelling
    return max(1.0 - given / worth, least) if worth > 0.0 else least


def sister_price_after(redeemed: float, depth: float, fee: float = 0.0) -> float:
    """Price of the sister over its first, after a redemption that was sold into its pool.

    Of R coins exchanged little by little, each dollar gives 1/p of the sister, which is sold at p
    less the pool's fee: dollars R leave the pool of Y, so its price, quadratic in them, falls as
    ``(1 - R/Y)^2`` (constant product; the fee, which stays in the pool, is left out of the price
    but lowers what leaves).

    Args:
        redeemed: R over all coins out, before the spread is taken off.
        depth: Y over all coins out.
        fee: Spread and pool's fee together, share.
    """
    left = 1.0 - redeemed * (1.0 - fee) / depth
    return left * left if left > 0.0 else 0.0


def backing_after(redeemed: float, backing: float, depth: float, fee: float = 0.0) -> float:
    """What stands behind each coin that is left after a redemption.

    With r of all coins redeemed, y the dollars in the sister's pool over all coins, and B the
    backing before, the sister of the start is worth B (1 - r/y)^2, the one minted
    ``s p = Y s X / (X + s)^2 = r (1 - r/y)`` where ``r = y s / (X + s)``; over 1 - r coins:

        (B (1 - r/y)^2 + r (1 - r/y)) / (1 - r)

    Args:
        redeemed: r, share of all coins.
        backing: B.
        depth: y.
        fee: Share that spread and fee take of what is redeemed, which is minted by so much less.
    """
    if redeemed >= 1.0:
        return np.inf  # nobody is left to be paid
    sold = redeemed * (1.0 - fee)
    left = 1.0 - sold / depth
    if left <= 0.0:
        return 0.0
    return (backing * left * left + sold * left) / (1.0 - redeemed)


def largest_survived(
    leaves: Callable[[float, float], float],
    backing: float,
    depth: float,
    fee: float = 0.0,
    end: float = 1.0,
    steps: int = 2000,
) -> float:
    """Largest first redemption after which not everybody leaves, share of all coins.

    Others see what is left behind a coin and leave if that is too little: once r are redeemed,
    ``leaves(backing, r)`` of those who were not first want to. A first redemption r0 is survived
    where some r below all of them is not passed by ``r0 + (1 - r0) leaves(backing_after(r), r)``:
    the run stops at the smallest such r (the fixed point of a threshold model, Granovetter 1978;
    with a backing that falls with r it is a bank run's, Diamond, Dybvig 1983).

    Args:
        leaves: Share of holders who leave at a backing once r is redeemed.
        backing: At the start.
        depth: Dollars in the sister's pool over all coins.
        fee: Share that spread and fee take.
        end: Share of all coins that counts as all of them: some may have nobody who leaves.
        steps: Of the grid on which r and r0 are looked at.

    Returns:
        A share from 0 (nothing is survived) to 1.
    """
    grid = end * np.arange(steps) / steps
    wants = np.array([leaves(backing_after(r, backing, depth, fee), r) for r in grid])
    # r0 stops at r if r0 + (1 - r0) wants(r) <= r; the largest r0 for which some r does.
    stops: npt.NDArray[np.float64] = np.where(
        wants < 1.0, (grid - wants) / np.maximum(1.0 - wants, 1e-12), 0.0
    )
    return float(max(stops.max(), 0.0))


@inner
def _price(w, me):
    """Price of the sister as the protocol knows it; 0 where it knows none."""
    price = w.feeds[me.oracle].price
    return price if 0.0 < price < np.inf else 0.0


@inner
def quote(w, me, token_in, token_out, amount):
    """What an amount of the one gives of the other now."""
    price = _price(w, me)
    if read(w, me.shut) > 0.0 or me.redeemable == 0 or not price > 0.0 or not amount > 0.0:
        return 0.0
    if token_in == me.coin and token_out == me.sister:
        spread = spread_of(amount, me.base_pool, read(w, me.delta), me.least_spread, True)
        return amount * (1.0 - spread) / price
    if token_in == me.sister and token_out == me.coin:
        worth = amount * price
        spread = spread_of(worth, me.base_pool, read(w, me.delta), me.least_spread, False)
        return worth * (1.0 - spread)
    return 0.0


@inner
def swap(w, me, call):
    """Burn coins for their worth of the sister, or the sister for its worth of coins."""
    coins = call.token_in == me.coin and call.token_out == me.sister
    if not coins and (call.token_in != me.sister or call.token_out != me.coin):
        return Reason.INVALID, 0.0
    if not call.amount > 0.0:
        return Reason.INVALID, 0.0
    if read(w, me.shut) > 0.0 or me.redeemable == 0:
        return Reason.HALTED, 0.0
    out = quote(w, me, call.token_in, call.token_out, call.amount)
    if not out > 0.0 or not out < np.inf:
        return Reason.INVALID, 0.0
    if not out >= call.limit:
        return Reason.LIMIT, 0.0
    if not burn(w.books, call.sender, call.token_in, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not mint(w.books, call.sender, call.token_out, out):
        return Reason.INVALID, 0.0
    if coins:
        add(w, me.delta, call.amount)
        add(w, me.redeemed, call.amount)
        add(w, me.sisters_minted, out)
        add(w, me.coins, -call.amount)
        add(w, me.sisters, out)
        add(w, me.taken, call.amount - out * _price(w, me))
    else:
        add(w, me.delta, -out)
        add(w, me.minted, out)
        add(w, me.coins, out)
        add(w, me.sisters, -call.amount)
        add(w, me.taken, call.amount * _price(w, me) - out)
    return Reason.DONE, out


@inner
def sister_price(w, me):
    """Price of the sister in its pool."""
    return price_in_pool(w, me.sister_market, me.sister)


@inner
def backing(w, me):
    """What all of the sister is worth at its pool's price, over all coins."""
    coins = w.books.supply[me.coin]
    return sister_price(w, me) * w.books.supply[me.sister] / coins if coins > 0.0 else 0.0


@inner
def between(w, me):
    """Let the virtual pools recover, and note where the peg is."""
    write(w, me.delta, read(w, me.delta) * (1.0 - 1.0 / me.recovery))
    note_peg(w, me, coin_price(w, me), backing(w, me))


@inner
def leak(w, me):
    """How far what is out of both tokens is from what its own books say, relative."""
    coins = off_books(w, me.coin, read(w, me.coins))
    return max(coins, off_books(w, me.sister, read(w, me.sisters)))


@inner
def used(w, me):
    """How far the virtual pools are from rest, over their size: above 0 coins were redeemed."""
    return read(w, me.delta) / me.base_pool


@inner
def spread_now(w, me):
    """What the next coin redeemed costs, share."""
    return spread_of(me.base_pool * 1e-9, me.base_pool, read(w, me.delta), me.least_spread, True)


@inner
def dilution(w, me):
    """Share of all of the sister that was minted for coins since the start."""
    supply = w.books.supply[me.sister]
    return min(read(w, me.sisters_minted) / supply, 1.0) if supply > 0.0 else 0.0


class SeigniorageSettings(Settings):
    """A coin and its sister token."""

    market: Annotated[str, Names("pools")] = Field(description="Pool that prices the coin.")
    sister_market: Annotated[str, Names("pools")] = Field(
        description="Pool that prices the sister token."
    )
    oracle: Annotated[str, Names("oracles")] = Field(
        description="Oracle of the sister token's price for exchanges."
    )
    base_pool: Positive = Field(
        50e6,
        description="Size of the virtual pools in equilibrium (Terra: BasePool), numeraire.",
        json_schema_extra=reach("numeraire", 1e4, 1e9, log=True),
    )
    recovery: Period = Field(
        36,
        description="Recovery time of the virtual pools, blocks (Terra: PoolRecoveryPeriod).",
        json_schema_extra=reach("blocks", 1, 20_000, log=True),
    )
    least_spread: Fee = Field(
        0.005,
        description="Minimum spread (Terra: MinStabilitySpread), share.",
        json_schema_extra=reach("share", 0.0, 0.1),
    )
    redeemable: Switch = Field(True, description="The exchange is open; off: the coin floats.")
    outside_coins: NotNegative = Field(0.0, description="Coins held by passive outside holders.")
    outside_sisters: NotNegative = Field(
        0.0, description="Sister tokens held by passive outside holders, token units."
    )
    covered: Annotated[float, Field(ge=0.0, le=1e6)] = Field(
        0.0,
        description="Minimum initial backing per coin, numeraire: outside holders keep as "
        "many more sister tokens as that takes.",
        json_schema_extra=reach("numeraire", 0.0, 3.0),
    )


@register("seigniorage")
class Seigniorage(Protocol):
    """A coin and a sister token, each minted by burning the other."""

    Settings = SeigniorageSettings
    issues = (
        Token("coin", Value(coin_price), held=True),
        Token("sister", Value(sister_price), held=True),
    )
    state: ClassVar[Mapping[str, str]] = {
        **PEG_STATE,
        "delta": "What the virtual pool of coins has above its size at rest, numeraire",
        "shut": "1: an event has shut it",
        "coins": "Coins out, by its books",
        "sisters": "Of the sister out, by its books",
        "redeemed": "Coins burnt for the sister, since the start",
        "minted": "Coins minted for the sister, since the start",
        "sisters_minted": "Of the sister minted for coins, since the start",
        "taken": "Worth that the spread has taken, numeraire",
    }
    calls = (Call("swap", swap, gas=150_000.0, pays="coin", gives="sister", event="sale"),)
    quote = quote
    trade = "swap"
    between_blocks = between
    leak = leak
    measures = (
        Measure("price", "numeraire", "Price of the coin in its pool", "price"),
        Measure("sister_price", "numeraire", "Price of the sister token in its pool", sister_price),
        Measure("deviation", "share", "Deviation of the coin's price from one", "gap"),
        Measure("half_life", "blocks", "Half-life of that deviation", half_life),
        Measure("backing", "numeraire per coin", "Backing per coin", "backing"),
        Measure("supply", "coins", "Coins in circulation", "coins"),
        Measure(
            "redeemed", "coins, since the start", "Coins burnt for the sister token", "redeemed"
        ),
        Measure("minted", "coins, since the start", "Coins minted for the sister token", "minted"),
        Measure(
            "used",
            "share of the virtual pools",
            "Distance of the virtual pools from equilibrium",
            used,
        ),
        Measure("spread", "share", "Cost of redeeming the next coin", spread_now),
        Measure("taken", "numeraire, since the start", "Revenue from the spread", "taken"),
        Measure("dilution", "share", "Sister tokens minted for coins", dilution),
    )
    charts = (
        Chart(
            "Price and backing of the coin", "numeraire", {"price": "price", "behind it": "backing"}
        ),
        Chart("Cost of an exchange", "share", {"spread": "spread"}, zero=True),
        Chart(
            "Coins in circulation", "coins", {"out": "supply", "redeemed": "redeemed"}, zero=True
        ),
    )
    card = (
        Fact("price", "price"),
        Fact("lowest price", "price", reduction="least"),
        Fact("backing per coin", "backing"),
        Fact("coins in circulation", "supply"),
        Fact("redeemed", "redeemed"),
        Fact("sister tokens minted", "dilution", "share"),
    )
    look = Look("seigniorage coin", head="coins", colour="#a05195")

    def start(self) -> None:
        """Give outside holders what they keep."""
        settings: Any = self.settings
        ledger = self.market.ledger
        ledger.mint(HOLDERS, self.token("coin"), settings.outside_coins)
        ledger.mint(HOLDERS, self.token("sister"), settings.outside_sisters)

    def begun(self) -> None:
        """Count what is out of both."""
        ledger, settings = self.market.ledger, cast(SeigniorageSettings, self.settings)
        coins, price = ledger.supply(self.token("coin")), self.market.price(self.token("sister"))
        more = settings.covered * coins - price * ledger.supply(self.token("sister"))
        if more > 0.0 and price > 0.0:
            ledger.mint(HOLDERS, self.token("sister"), more / price)
        self.put("coins", coins)
        self.put("sisters", ledger.supply(self.token("sister")))
        worth = price * self.value("sisters")
        begin_peg(self, worth / coins if coins > 0.0 else 0.0)

    def closed(self, size: float) -> Callable[[], None]:
        """Exchange nothing."""
        return self.raised("shut")

    events = (Event("shut", "Exchange stops", closed),)
