"""What holders and redeemers of a pegged coin share: the ways out of it, and back into it.

A protocol with a `quote` exchanges its coin for something else: money, or a token (a sister, the
coin of somebody else) that a pool then takes for money. What these are is said by the call that
`trade` names: what it pays and what it gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from agents.base import token_number
from agents.intents import PROTOCOLS, THEN, require, trade
from agents.targets import Issued, PoolName, ProtocolName, Targets
from agents.tools import quote_at
from protocols import amm
from protocols.pool import position
from sim import registry
from sim.codes import ALL, PREVIOUS
from sim.compiled import inner
from sim.errors import ScenarioError

if TYPE_CHECKING:
    from sim.scenario import AgentSettings, Scenario

PROTOCOL, COIN, GIVEN, LEFTOVER, MONEY, SELLS, FIRST = range(7)
"""Places of a group: number of the protocol (-1: none), columns of the coin, of what redemption
gives and of what it gives besides (-1: nothing), of the money; the pool that takes what is given
(-1: none); and pools of the coin from FIRST on."""


ROUNDS = 6
"""Guesses at how money is split between two tokens that mint a coin."""
SPARE = 1.0005
"""Of the second of these, times what it takes, so that rounding is no failure."""


class PeggedTargets(Targets):
    """A pegged coin, and where it is traded."""

    pools: list[PoolName] = Field(description="Pools in which the coin trades against the money.")
    protocol: ProtocolName | None = Field(
        None, description="Protocol that redeems the coin; none: it cannot be redeemed."
    )
    coin: Issued | None = Field(None, description="The coin; none: the protocol's coin.")
    money: Issued | None = Field(
        None, description="Token that the coin is sold for and bought with; none: the numeraire."
    )
    sells: PoolName | None = Field(
        None, description="Pool in which redemption proceeds are sold, if they are not the money."
    )


def pegged_places(scenario: Scenario, settings: AgentSettings) -> list[int]:
    """Places of a group, in the order of PROTOCOL to FIRST.

    Raises:
        ScenarioError: If there is no coin, or the pools do not trade it for the money.
    """
    targets = settings.targets
    name, money = targets.protocol, targets.money or scenario.venue.numeraire
    coin, given, number = targets.coin, None, -1
    if name is not None:
        table = scenario.protocols[name]
        cls = registry.protocol(table.kind)
        if not cls.trade:
            raise ScenarioError([("agents", f"{name} redeems nothing; name another protocol")])
        call = next(c for c in cls.calls if c.name == cls.trade)
        full = [
            getattr(table.settings, t) if t in cls.tokens else f"{name}-{t}"
            for t in (call.pays, call.gives)
        ]
        number = list(scenario.protocols).index(name)
        coin, given = coin or full[0], full[1]
        if coin not in full:
            raise ScenarioError([("agents", f"{name} does not redeem {coin}, but {full[0]}")])
        if coin == full[1]:
            given = full[0]
    if coin is None:
        raise ScenarioError([("agents", "have neither coin nor protocol; name one")])
    for pool in targets.pools:
        tokens = scenario.pools[pool].tokens
        if coin not in tokens or money not in tokens:
            text = f"{pool} does not trade {coin} for {money}; name another pool, or money"
            raise ScenarioError([("agents", text)])
    leftover = given
    if targets.sells is not None:
        tokens = scenario.pools[targets.sells].tokens
        if money not in tokens:
            raise ScenarioError([("agents", f"{targets.sells} does not pay {money}")])
        if given == money or given not in tokens:
            leftover = next((t for t in tokens if t not in (money, coin)), None)

    def column(token: str | None) -> int:
        return -1 if token is None else token_number(scenario, token)

    pools = list(scenario.pools)
    sells = -1 if targets.sells is None else pools.index(targets.sells)
    kept = leftover if sells >= 0 else None
    found = [number, column(coin), column(given), column(kept), column(money), sells]
    return found + [pools.index(pool) for pool in targets.pools]


@inner
def redeemed(w, me, amount):
    """Money that coins bring by redemption now; 0 where it is shut, or what it gives unsaleable."""
    p, money = me.places[PROTOCOL], me.places[MONEY]
    if p < 0 or not amount > 0.0:
        return 0.0
    coin, given, other = me.places[COIN], me.places[GIVEN], me.places[LEFTOVER]
    out = 0.0
    if given == money:  # nothing, where a coin is redeemed for the other alone
        out = quote_at(w, PROTOCOLS + p, coin, given, amount)
    if other >= 0:
        more = quote_at(w, PROTOCOLS + p, coin, other, amount)
        out += quote_at(w, me.places[SELLS], other, money, more)
    return out


@inner
def redeem(w, me, order, amount, least):
    """Redeem coins and sell what that gives: as a transaction, or as a part of one (THEN)."""
    p, money = me.places[PROTOCOL], me.places[MONEY]
    coin, given, other = me.places[COIN], me.places[GIVEN], me.places[LEFTOVER]
    if not trade(w, order, PROTOCOLS + p, coin, given, amount, 0.0):
        return False
    if other >= 0:
        trade(w, THEN, me.places[SELLS], other, money, PREVIOUS if other == given else ALL, 0.0)
    return require(w, THEN, money, least)


@inner
def _beside(w, me, money_in):
    """Of money that mints coins, what buys the other token that this takes; 0 where it takes none.

    Both are taken in a fixed proportion, so many coins for a unit of each: at the price that the
    last guess met, both give as many coins (a fixed point: the price moves little).
    """
    p, money, coin, other = (
        me.places[PROTOCOL],
        me.places[MONEY],
        me.places[COIN],
        me.places[LEFTOVER],
    )
    if other < 0 or other == me.places[GIVEN]:
        return 0.0
    by_other = quote_at(w, PROTOCOLS + p, other, coin, 1.0)
    by_money = quote_at(w, PROTOCOLS + p, money, coin, 1.0)
    if not (by_other > 0.0 and by_money > 0.0):
        return 0.0
    spent = 1e-6 * money_in
    for _ in range(ROUNDS):
        bought = quote_at(w, me.places[SELLS], money, other, spent)
        if not bought > 0.0:
            return 0.0
        price = spent / bought
        spent = money_in * (price / by_other) / (price / by_other + 1.0 / by_money)
    return spent


@inner
def minted(w, me, money_in):
    """Coins that money brings by minting now."""
    p, money, given, coin = me.places[PROTOCOL], me.places[MONEY], me.places[GIVEN], me.places[COIN]
    if p < 0 or not money_in > 0.0:
        return 0.0
    if given != money:
        if me.places[SELLS] < 0 or position(w.pools[me.places[SELLS]], given) < 0:
            return 0.0
        money_in = quote_at(w, me.places[SELLS], money, given, money_in)
        return quote_at(w, PROTOCOLS + p, given, coin, money_in)
    spent = _beside(w, me, money_in)
    if not spent > 0.0:
        return quote_at(w, PROTOCOLS + p, given, coin, money_in)
    other = me.places[LEFTOVER]
    by_other = quote_at(w, me.places[SELLS], money, other, spent)
    out = quote_at(w, PROTOCOLS + p, other, coin, by_other)
    return min(out, quote_at(w, PROTOCOLS + p, given, coin, money_in - spent))


@inner
def mint_coins(w, me, order, money_in):
    """Mint coins for money: as a transaction, or as a part of one (THEN). Returns whether it is."""
    p, money, given, coin = me.places[PROTOCOL], me.places[MONEY], me.places[GIVEN], me.places[COIN]
    if given != money:
        sent = trade(w, order, me.places[SELLS], money, given, money_in, 0.0)
        return sent and trade(w, THEN, PROTOCOLS + p, given, coin, PREVIOUS, 0.0)
    spent = _beside(w, me, money_in)
    if not spent > 0.0:
        return trade(w, order, PROTOCOLS + p, money, coin, money_in, 0.0)
    # A little more of the other than it takes now: what is left is sold by the next round trip.
    if not trade(w, order, me.places[SELLS], money, me.places[LEFTOVER], spent * SPARE, 0.0):
        return False
    return trade(w, THEN, PROTOCOLS + p, money, coin, money_in - spent * SPARE, 0.0)


@inner
def sale_to_rate(w, me, token_in, token_out, most, rate):
    """What sells furthest at a rate or better, to the last unit.

    Args:
        token_in: Column of what is sold.
        token_out: Column of what is got.
        most: Most of it that is sold.
        rate: Least that the last unit sold may bring.

    Returns:
        (pool, amount): the pool of the coin that takes most of it, and that; (-1, 0) where not even
        the first unit brings as much.
    """
    best, found = -1, 0.0
    for k in range(FIRST, me.places.size):
        pool = w.pools[me.places[k]]
        i, o = position(pool, token_in), position(pool, token_out)
        amount = min(amm.amount_to_rate(w.books, pool, i, o, rate), most)
        if amount > found:
            best, found = me.places[k], amount
    return best, found


@inner
def best_sale(w, me, token_in, token_out, amount):
    """The pool of the coin that gives most for an amount. Returns (pool, what it gives)."""
    best, most = -1, 0.0
    for k in range(FIRST, me.places.size):
        out = quote_at(w, me.places[k], token_in, token_out, amount)
        if out > most:
            best, most = me.places[k], out
    return best, most
