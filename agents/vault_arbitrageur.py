"""Vault arbitrageurs: they draw a debt-backed coin to sell it where it is dear, and buy it back.

Each has collateral of its own that is in no vault. When it looks, it reckons what a coin costs
that is drawn, sold, and bought back once it is near par again: that price, the stability fee for as
long as it expects to wait, what it may lose by being bitten before it looks again, and what it
wants for its trouble. Where the last coin of a sale brings more, it locks collateral, draws and
sells in one transaction, which fails where the price has gone. The money is kept to buy the coins
back. Nobody who holds the coin can be made to sell it, and owners of vaults buy it when collateral
falls (`vault_owner`): this selling is what brings a coin back that stands above one
(Klages-Mundt, Minca 2021), as far and as fast as there is collateral outside, and somebody looks.

Between the two it looks after its vault as owners do: below its floor it locks what it has spare,
buys coins back, or sells collateral.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from agents.base import Behaviour, Column
from agents.intents import OUTSIDE, THEN, Order, ask, trade
from agents.issued import NOWHERE
from agents.leveraged_borrower import routes as routes_of
from agents.targets import Targets
from agents.tools import (
    BUMP,
    HALVINGS,
    alarmed,
    best_place,
    deviation_of,
    gas_cost,
    going_bid,
    quote_at,
    rebid,
    refuel,
)
from agents.vault_owner import (
    GAS,
    LINE,
    PROTOCOL,
    ROUTES,
    VaultTargets,
    place_of_vault,
    save,
)
from protocols import cdp
from protocols.interface import read
from sim.clock import look
from sim.codes import PREVIOUS
from sim.compiled import inner, kernel, record_at
from sim.errors import ScenarioError
from sim.measures import market_price
from sim.units import YEAR

if TYPE_CHECKING:
    from sim.scenario import AgentSettings, Scenario

RECORD = cdp.RECORD
_CALLS = [call.name for call in cdp.CDP.calls]
LOCK, FREE, DRAW, WIPE = (_CALLS.index(name) for name in ("lock", "free", "draw", "wipe"))
LAST = 0.1
"""Part of a sale that is its last: what that brings decides how much is sold."""
LEAST_PART = 0.02
"""Least that is bought back at once, over what is owed: less is not worth its gas."""


@kernel
def chance_to_fall(ratio, least, deviation):
    """Chance that collateral over debt touches the least ratio: erfc(ln(r / l) / (s sqrt 2)).

    Of a Brownian log price without drift (reflection principle).

    Args:
        ratio: r, collateral over debt now.
        least: l, at which the vault is bitten.
        deviation: s, of the log price until somebody looks again.
    """
    if ratio <= least:
        return 1.0
    if not deviation > 0.0:
        return 0.0
    return math.erfc(math.log(ratio / least) / (deviation * math.sqrt(2.0)))


@kernel
def cost_of_a_coin(close, fee, years, loss, margin):
    """What a coin costs that is drawn now and bought back later, numeraire.

    Args:
        close: Premium over one at which it is bought back.
        fee: Stability fee, per year.
        years: Until then.
        loss: Expected, of being bitten, a coin.
        margin: Wanted for it, a coin.
    """
    return (1.0 + close) * math.exp(math.log1p(fee) * years) + loss + margin


@inner
def _worth_trading(w, places, token_in, token_out, amount, least):
    """As much of an amount as brings so much a unit to its last part, by halves.

    Returns:
        (place, amount, what it gives); nowhere and nothing where no amount does.
    """
    for _ in range(HALVINGS):
        place, out = best_place(w, places, token_in, token_out, amount)
        if place >= OUTSIDE and out > 0.0:
            before = quote_at(w, place, token_in, token_out, (1.0 - LAST) * amount)
            if out - before >= least * LAST * amount:
                return place, amount, out
        amount *= 0.5
    return NOWHERE, 0.0, 0.0


@inner
def _least(w, me, i, my, protocol):
    """Price of the coin from which this one sells, numeraire."""
    line = protocol.collaterals[me.places[LINE]]
    blocks = 1.0 / max(my.attention, my.alarm, 1e-9)
    chance = chance_to_fall(my.ratio, line.ratio, deviation_of(w, line.token, blocks))
    years = my.horizon * w.rules[0].seconds / YEAR
    return cost_of_a_coin(my.close, line.fee, years, line.penalty * chance, my.margin)


@inner
def _open(w, me, i, my, standing, spare):
    """Lock collateral, draw coins and sell them, as far as that pays. Returns whether it does."""
    p, k = me.places[PROTOCOL], me.places[LINE]
    protocol = record_at(w.protocols[p].record, RECORD)
    line, coin, numeraire = protocol.collaterals[k], cdp.coin_of(protocol), w.rules[0].numeraire
    ink, owed, price = standing
    least = _least(w, me, i, my, protocol)
    room = min(
        line.ceiling - w.books.supply[line.debt] * read(w, line.rate),
        protocol.ceiling - cdp.debts(w, protocol),
    )
    amount = min((ink + spare) * price / my.ratio - owed, room)
    if market_price(w, coin) < least or not amount > 0.0:
        return False
    place, amount, out = _worth_trading(w, me.places[ROUTES:], coin, numeraire, amount, least)
    account = me.first + i
    bid = going_bid(w, account, GAS, my.bid)
    # It pays for its gas twice: to open, and to close.
    if place < OUTSIDE or out - least * amount <= 2.0 * gas_cost(w, GAS, bid):
        return False
    if owed + amount < line.dust * 1.001:
        return False
    order = Order(account, me.ident, bid, int(my.patience))
    lacks = min(my.ratio * (owed + amount) / price - ink, spare)
    if lacks > 0.0:
        if not ask(w, order, p, LOCK, line.token, line.locked, lacks, 0.0):
            return False
        ask(w, THEN, p, DRAW, line.debt, coin, amount, my.floor)
    elif not ask(w, order, p, DRAW, line.debt, coin, amount, my.floor):
        return False
    asked = max(out * (1.0 - my.slippage), least * amount)
    return trade(w, THEN, place, coin, numeraire, PREVIOUS, asked)


@inner
def _close(w, me, i, my, ink, owed):
    """Buy coins back near par and pay them in; free the collateral once nothing is owed."""
    p, k = me.places[PROTOCOL], me.places[LINE]
    protocol = record_at(w.protocols[p].record, RECORD)
    line, coin, numeraire = protocol.collaterals[k], cdp.coin_of(protocol), w.rules[0].numeraire
    account = me.first + i
    order = Order(account, me.ident, going_bid(w, account, GAS, my.bid), int(my.patience))
    if not owed > 0.0:
        return ask(w, order, p, FREE, line.locked, line.token, ink, 0.0)
    own = w.books.balances[account, coin]
    if own >= owed:
        if not ask(w, order, p, WIPE, coin, line.debt, min(own, owed * 1.001), 0.0):
            return False
        return ask(w, THEN, p, FREE, line.locked, line.token, ink, 0.0)
    dearest = 1.0 + my.close
    money = min((owed * 1.001 - own) * dearest, 0.98 * w.books.balances[account, numeraire])
    routes = me.places[ROUTES:]
    place, money, out = _worth_trading(w, routes, numeraire, coin, money, 1.0 / dearest)
    if place < OUTSIDE or own + out < LEAST_PART * owed:
        return False
    # It may have become a little dearer, and no more than that.
    if not trade(w, order, place, numeraire, coin, money, min(out, money / dearest)):
        return False
    # Of what there will be; what is too much is not taken.
    whole = own + money / dearest >= owed * (1.0 + 1e-6)
    ask(w, THEN, p, WIPE, coin, line.debt, own + min(out, money / dearest), 0.0)
    if whole:
        ask(w, THEN, p, FREE, line.locked, line.token, ink, 0.0)
    return True


@inner
def _act(w, me, i, my, standing, token, coin_price):
    """Look after a vault, close it, or sell more. Returns whether something was sent."""
    ink, owed, price = standing
    if owed > 0.0 and ink * price < my.floor * owed:
        return save(w, me, i, my, standing, max(my.ratio, my.floor * 1.05), coin_price)
    if ink > 0.0 and (coin_price <= 1.0 + my.close or not owed > 0.0):
        return _close(w, me, i, my, ink, owed)
    spare = max(w.books.balances[me.first + i, token] - my.kept, 0.0)
    return _open(w, me, i, my, standing, spare)


@inner
def decide(w, me):
    """Sell the coin where it is dear, buy it back where it is not, and keep the vault safe."""
    rebid(w, me)
    chain = w.chain[0]
    p, k = me.places[PROTOCOL], me.places[LINE]
    protocol = record_at(w.protocols[p].record, RECORD)
    token = protocol.collaterals[k].token
    coin_price = market_price(w, cdp.coin_of(protocol))
    price = min(market_price(w, token), cdp.price_of(w, protocol, k))
    for n in range(alarmed(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if chain.block < my.busy:
            continue
        drawn = look(me, i, 0)
        if drawn >= max(my.attention, my.alarm):
            continue
        account = me.first + i
        ink, owed = cdp.vault(w, protocol, k, account)
        calm = ink * price >= my.floor * owed
        if drawn >= (my.attention if calm else max(my.attention, my.alarm)):
            continue
        if not price > 0.0 or not coin_price > 0.0:
            continue
        if my.kept < 0.0:
            my.kept = my.reserve * w.books.balances[account, token]
        if not refuel(w, account, me.ident, GAS):
            continue
        if _act(w, me, i, my, (ink, owed, price), token, coin_price):
            my.busy = chain.block + my.patience


class VaultArbitrageur(Behaviour):
    """Draws a coin from a vault and sells it above par, and buys it back near par."""

    columns: ClassVar[Mapping[str, Column]] = {
        "ratio": Column("Collateral ratio at which it draws", "multiple", 3.0, 1.01, 1e6),
        "floor": Column("Collateral ratio below which it acts", "multiple", 1.7, 1.0, 1e6),
        "margin": Column("Required gain per coin drawn and bought back", "share", 0.02, 0.0),
        "close": Column("Premium over one at which it buys back", "share", 0.005, 0.0),
        "horizon": Column("Expected time until it buys back", "blocks", 200_000.0, 0.0),
        "reserve": Column("Share of its collateral kept as a reserve", "share", 0.1, 0.0, 1.0),
        "attention": Column("Chance per block that it checks the market", "share", 0.001, 0.0, 1.0),
        "alarm": Column(
            "Chance per block that it checks the market below the floor", "share", 0.02, 0.0, 1.0
        ),
        "slippage": Column("Slippage tolerance, relative to the quote", "share", 0.03, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 25.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "kept": Column("Collateral kept as a reserve", "token units", -1.0, state=True),
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = VaultTargets
    needs_wallet: ClassVar[bool] = True
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Protocol, collateral, and where to trade.

        Raises:
            ScenarioError: If the protocol does not take the collateral, or its wallet has none.
        """
        token = settings.targets.collateral
        if token not in settings.wallet:
            raise ScenarioError(
                [("agents", f"vault_arbitrageur has no {token} to lock; give its wallet some")]
            )
        return [*place_of_vault(scenario, settings), *routes_of(scenario, settings)]
