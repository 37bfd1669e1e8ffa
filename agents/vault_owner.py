"""Vault owners: they draw a debt-backed coin against collateral, and buy it back when prices fall.

Each keeps its collateral over its debt around an aim, which rises with volatility (Adrian, Shin
2010). Above a band it draws more coins and buys collateral with them. Where the ratio is below its
floor, it brings it back: by coins that it has, collateral that it has, coins that it buys with its
money, or by selling collateral for coins, in that order; where coins cost more than one and the
penalty, which is what it would lose if it were bitten, it buys collateral instead.

Nobody else can retire the coins, so this buying lifts a debt-backed coin above one in a crash
(Klages-Mundt, Minca 2021), while new debt, which would bring it back, is what nobody wants then.
Debt costs the stability fee, and what a coin is short of one when it is drawn: who has a
`cost_response` owes less where that is dear, and buys back a coin that is cheap, which is what
holds it near one from below (Kozhan, Viswanath-Natraj 2021). Some sell the coin short: they draw
coins to sell where these are dear, and buy them back when they are not. Where a coin brings more
than its owner's ratio, which is never under the least that the protocol asks for, to draw it and to
lock what it brings raises the ratio: everybody does that, and so a coin costs hardly more than that
least ratio.

Who looks, looks by chance. One with `resolve` who has begun to save a vault goes on, order after
order, until that is above its floor.

It reckons with the lower of the venue's price and the oracle's: what a delayed oracle will say is
known before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from agents.base import Behaviour, Column
from agents.intents import OUTSIDE, THEN, Order, ask, trade
from agents.issued import NOWHERE
from agents.leveraged_borrower import routes, target_leverage, volatility_ratio_of
from agents.positions import refuse_more_than_there_is
from agents.targets import DebtPositions, Places, Targets, Token
from agents.tools import BUMP, best_place, fitting_place, going_bid, rebid, refuel
from protocols import cdp
from sim.clock import ask_bounds, bound, look, must_bound, ring
from sim.codes import PREVIOUS
from sim.compiled import inner, kernel, record_at
from sim.errors import ScenarioError
from sim.ledger import begin, transfer
from sim.measures import market_price
from sim.names import HOLDERS, VENUE
from sim.units import DAY, YEAR

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

PROTOCOL, LINE, ROUTES = range(3)
RECORD = cdp.RECORD
_CALLS = [call.name for call in cdp.CDP.calls]
LOCK, FREE, DRAW, WIPE = (_CALLS.index(name) for name in ("lock", "free", "draw", "wipe"))
GAS = 450_000.0
"""Of the dearest that it does: free, swap, wipe; for what it keeps to pay for it."""
ROOM = 1.005
"""Ratio over the least that is left while coins are drawn, so that interest does not undo it."""
DAYS = YEAR / DAY
LEAST_AIM = 1.01
"""Least collateral over debt that anybody aims at."""
LEAST_DRAW = 0.001
"""Least that is drawn at once, over what is locked."""
LEAST_PART = 0.02
"""Least that is bought at once, over what it needs: less is not worth its gas."""


@kernel
def aim_of(ratio, response, volatility_ratio):
    """Collateral over debt that it aims at: of the leverage r / (r - 1), which volatility shrinks.

    Args:
        ratio: In normal times, above one.
        response: How leverage shrinks (`leveraged_borrower.target_leverage`).
        volatility_ratio: Volatility over normal.
    """
    leverage = target_leverage(ratio / (ratio - 1.0), response, volatility_ratio)
    return leverage / (leverage - 1.0)


@kernel
def cost_of_debt(fee, price, years):
    """What a coin that is drawn now costs a year: f + (1 - p) / T.

    It brings what it trades at, and is bought back at one.

    Args:
        fee: f, stability fee, per year.
        price: p, of the coin.
        years: T, until it is expected at one.
    """
    return fee + (1.0 - price) / years


@kernel
def aim_at_cost(aim, response, cost, usual):
    """Its aim where debt costs more or less than it used to: r exp(k (c - u)), above one.

    Args:
        aim: r, collateral over debt at the usual cost.
        response: k, per unit of cost.
        cost: c, per year.
        usual: u, per year.
    """
    return max(aim * math.exp(response * (cost - usual)), LEAST_AIM)


@kernel
def sale_to_ratio(ink, owed, price, got, wanted):
    """Collateral to sell for coins that are paid back, so that the ratio becomes `wanted`.

    From ``(c - x) p = r (d - x g)``: x = (r d - c p) / (r g - p).

    Args:
        ink: c, collateral, token units.
        owed: d, coins.
        price: p, what the protocol counts a unit as.
        got: g, coins that a unit brings.
        wanted: r.
    """
    slope = wanted * got - price
    if not slope > 0.0:
        return np.inf
    return max((wanted * owed - ink * price) / slope, 0.0)


@inner
def _repay(w, me, i, my, order, need, coin_price, with_money):
    """Pay coins back that it has, or buys with its money. Returns whether it does."""
    p, k = me.places[PROTOCOL], me.places[LINE]
    protocol = record_at(w.protocols[p].record, RECORD)
    coin, debt = cdp.coin_of(protocol), protocol.collaterals[k].debt
    account, numeraire = me.first + i, w.rules[0].numeraire
    own = w.books.balances[account, coin]
    if own >= 0.2 * need:
        return ask(w, order, p, WIPE, coin, debt, min(need, own), 0.0)
    money = 0.98 * w.books.balances[account, numeraire]
    cost = need * coin_price * 1.01
    if not with_money or money < 0.2 * cost:
        return False
    least = (1.0 - my.slippage) / coin_price
    money = min(money, cost)
    place, money, out = fitting_place(w, me.places[ROUTES:], numeraire, coin, money, least)
    if place < OUTSIDE or out < LEAST_PART * need:
        return False
    if trade(w, order, place, numeraire, coin, money, out * (1.0 - my.slippage)):
        return ask(w, THEN, p, WIPE, coin, debt, PREVIOUS, 0.0)
    return False


@inner
def _sell(w, me, i, my, order, standing, wanted):
    """Take collateral out, sell it for coins and pay them back, as far as the ratio lets it."""
    p, k = me.places[PROTOCOL], me.places[LINE]
    protocol = record_at(w.protocols[p].record, RECORD)
    line, coin = protocol.collaterals[k], cdp.coin_of(protocol)
    ink, owed, price = standing
    believed = cdp.price_of(w, protocol, k)
    loose = ink - line.ratio * owed / believed * 1.0005
    probe = min(0.1 * ink, max(loose, 0.0))
    if not probe > 0.0:
        return False
    routes, numeraire, coin_price = me.places[ROUTES:], w.rules[0].numeraire, market_price(w, coin)
    fair = market_price(w, line.token) * (1.0 - my.slippage)
    place, out = best_place(w, routes, line.token, coin, probe)
    through = place < OUTSIDE or out * coin_price < fair * probe  # by the numeraire
    if through:
        place, out = best_place(w, routes, line.token, numeraire, probe)
        out /= coin_price
    if place < OUTSIDE or not out > 0.0:
        return False
    amount = min(sale_to_ratio(ink, owed, price, out / probe, wanted), loose)
    middle = numeraire if through else coin
    least = fair if through else fair / coin_price
    place, amount, out = fitting_place(w, routes, line.token, middle, amount, least)
    second, money, coins = NOWHERE, out, 0.0
    if through and place >= OUTSIDE:
        least = (1.0 - my.slippage) / coin_price
        second, money, coins = fitting_place(w, routes, numeraire, coin, out, least)
        amount *= money / out  # no more than what the second trade can take
    if place < OUTSIDE or (through and second < OUTSIDE) or not amount > 1e-4 * ink:
        return False
    if not ask(w, order, p, FREE, line.locked, line.token, amount, 0.0):
        return False
    trade(w, THEN, place, line.token, middle, PREVIOUS, money * (1.0 - my.slippage))
    if through:
        trade(w, THEN, second, numeraire, coin, PREVIOUS, coins * (1.0 - 2.0 * my.slippage))
    return ask(w, THEN, p, WIPE, coin, line.debt, PREVIOUS, 0.0)


@inner
def _add(w, me, i, my, order, more):
    """Buy collateral with its money, and lock it."""
    p, k = me.places[PROTOCOL], me.places[LINE]
    line, numeraire = record_at(w.protocols[p].record, RECORD).collaterals[k], w.rules[0].numeraire
    cost = more * market_price(w, line.token) * 1.01
    money = min(cost, 0.98 * w.books.balances[me.first + i, numeraire])
    if money < 0.2 * cost:
        return False
    place, out = best_place(w, me.places[ROUTES:], numeraire, line.token, money)
    if place < OUTSIDE or not out > 0.0:
        return False
    if trade(w, order, place, numeraire, line.token, money, out * (1.0 - my.slippage)):
        return ask(w, THEN, p, LOCK, line.token, line.locked, PREVIOUS, 0.0)
    return False


@inner
def save(w, me, i, my, standing, wanted, coin_price):
    """Bring the ratio back over the floor, by what means there are."""
    p, k = me.places[PROTOCOL], me.places[LINE]
    protocol = record_at(w.protocols[p].record, RECORD)
    token = protocol.collaterals[k].token
    ink, owed, price = standing
    account = me.first + i
    urgency = 1.0 + 4.0 * min(max(my.floor * owed / (ink * price) - 1.0, 0.0) / 0.1, 1.0)
    order = Order(account, me.ident, going_bid(w, account, GAS, my.bid * urgency), int(my.patience))
    need = owed - ink * price / wanted
    if w.books.balances[account, cdp.coin_of(protocol)] >= 0.2 * need:
        return _repay(w, me, i, my, order, need, coin_price, False)
    spare = w.books.balances[account, token]
    if token == w.rules[0].gas_token:
        spare *= 0.5  # the rest is for gas
    more = wanted * owed / price - ink
    if spare >= 0.2 * more:
        return ask(w, order, p, LOCK, token, protocol.collaterals[k].locked, min(more, spare), 0.0)
    # Coins that cost more than one and the penalty are worse than to be bitten: more is locked.
    dear = coin_price > 1.0 + protocol.collaterals[k].penalty
    if _repay(w, me, i, my, order, need, coin_price, not dear):
        return True
    if dear:
        return _add(w, me, i, my, order, more)
    return _sell(w, me, i, my, order, standing, wanted)


@inner
def _lever(w, me, i, my, amount, buys, ratio):
    """Draw coins and sell them: for collateral that is locked, or for money that it keeps.

    Args:
        buys: Whether for collateral.
        ratio: What is left between the draw and the lock, at least.
    """
    p, k = me.places[PROTOCOL], me.places[LINE]
    protocol = record_at(w.protocols[p].record, RECORD)
    line, coin, numeraire = protocol.collaterals[k], cdp.coin_of(protocol), w.rules[0].numeraire
    account = me.first + i
    routes, coin_price = me.places[ROUTES:], market_price(w, coin)
    wanted = line.token if buys else numeraire
    fair = coin_price * (1.0 - my.slippage)
    if not buys:  # who sells short sells for a premium
        fair = max(fair, 1.0)
    least = fair / market_price(w, line.token) if buys else fair
    place, drawn, out = fitting_place(w, routes, coin, wanted, amount, least)
    middle = place < OUTSIDE and buys
    if middle:
        place, drawn, out = fitting_place(w, routes, coin, numeraire, amount, fair)
    if place < OUTSIDE:
        return False
    order = Order(account, me.ident, going_bid(w, account, GAS, my.bid), int(my.patience))
    if not ask(w, order, p, DRAW, line.debt, coin, drawn, ratio):
        return False
    if not middle:
        trade(w, THEN, place, coin, wanted, PREVIOUS, out * (1.0 - my.slippage))
    else:
        trade(w, THEN, place, coin, numeraire, PREVIOUS, out * (1.0 - my.slippage))
        second, bought = best_place(w, routes, numeraire, line.token, out)
        if second < OUTSIDE:
            return False
        trade(w, THEN, second, numeraire, line.token, PREVIOUS, bought * (1.0 - 2.0 * my.slippage))
    if buys:
        ask(w, THEN, p, LOCK, line.token, line.locked, PREVIOUS, 0.0)
    return True


@inner
def _act(w, me, i, my, standing, aim, coin_price):
    """What it does with its vault, if anything. Returns whether it has sent something."""
    ink, owed, price = standing
    worth = ink * price
    ratio = worth / owed if owed > 0.0 else np.inf
    protocol = record_at(w.protocols[me.places[PROTOCOL]].record, RECORD)
    least = protocol.collaterals[me.places[LINE]].ratio
    # Coins that bring more collateral than they need: to draw them raises the ratio.
    if coin_price * (1.0 - my.slippage) > max(ratio, least):
        amount = worth / (least * ROOM) - owed
        if amount > LEAST_DRAW * worth and _lever(w, me, i, my, amount, True, least):
            return True
    if ratio < my.floor:
        return save(w, me, i, my, standing, max(aim, my.floor * 1.05), coin_price)
    dear = coin_price - 1.0 > my.premium
    if dear and ratio > my.floor * 1.2:  # to sell it short, as far as that is safe
        amount = min(worth / (my.floor * 1.1) - owed, my.step * worth)
        return _lever(w, me, i, my, amount, False, my.floor)
    if ratio < aim * (1.0 - my.band) and coin_price - 1.0 < 0.25 * my.premium:
        account = me.first + i
        bid = going_bid(w, account, GAS, my.bid)
        order = Order(account, me.ident, bid, int(my.patience))
        return _repay(w, me, i, my, order, owed - worth / aim, coin_price, True)
    if ratio > aim * (1.0 + my.band) and not dear:
        equity = worth - owed
        amount = min((worth - aim * owed) / (aim - 1.0), my.step * equity)
        amount = min(amount, worth / my.floor * 0.999 - owed)  # it is drawn before more is locked
        return amount > 0.01 * equity and _lever(w, me, i, my, amount, True, my.floor)
    return False


@inner
def _chance(my):
    """Most that its chance to look in a block may be, as things stand."""
    return max(my.attention, my.alarm, my.resolve if my.alert > 0.0 else 0.0)


@inner
def _lookers(w, me):
    """Find who may look in this block. Returns how many of ``me.actors`` these are."""
    if must_bound(w, me.clock):
        for i in range(me.size):
            bound(w, me.clock, i, _chance(me.rows[i]))
    return ring(w, me.clock)


@inner
def _alert(w, me, my, now):
    """Note whether it is at work on saving its vault."""
    if my.resolve > 0.0 and my.alert != now:
        my.alert = now
        ask_bounds(w, me.clock)


@inner
def decide(w, me):
    """Keep collateral over debt around the aim, and above the floor."""
    rebid(w, me)
    chain = w.chain[0]
    p, k = me.places[PROTOCOL], me.places[LINE]
    protocol = record_at(w.protocols[p].record, RECORD)
    token = protocol.collaterals[k].token
    coin_price = market_price(w, cdp.coin_of(protocol))
    price = min(market_price(w, token), cdp.price_of(w, protocol, k))
    restless = volatility_ratio_of(w, token)
    for n in range(_lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if chain.block < my.busy:
            continue
        drawn = look(me, i, 0)
        if drawn >= _chance(my):
            continue
        account = me.first + i
        ink, owed = cdp.vault(w, protocol, k, account)
        if not ink > 0.0 or not price > 0.0 or not coin_price > 0.0:
            continue
        # Below the floor an alarm may wake it more often than it looks by itself.
        calm = ink * price >= my.floor * owed
        if calm:
            _alert(w, me, my, 0.0)
        if drawn >= (my.attention if calm else _chance(my)):
            continue
        aim = aim_of(my.ratio, my.volatility_response, restless)
        cost = cost_of_debt(protocol.collaterals[k].fee, coin_price, my.horizon / DAYS)
        aim = aim_at_cost(aim, my.cost_response, cost, my.usual_cost)
        if not refuel(w, account, me.ident, GAS):
            continue
        if _act(w, me, i, my, (ink, owed, price), aim, coin_price):
            my.busy = chain.block + my.patience
            if not calm:
                _alert(w, me, my, 1.0)


class VaultTargets(DebtPositions, Places):
    """Where its vault is, of which collateral, and where it buys and sells."""

    collateral: Token = Field(description="Token that its vault holds.")


class VaultOwner(Behaviour):
    """Draws a debt-backed coin against collateral."""

    columns: ClassVar[Mapping[str, Column]] = {
        "equity": Column("What it owns at the start", "numeraire", 10_000.0, 0.0),
        "ratio": Column("Collateral over debt that it aims at", "multiple", 2.5, LEAST_AIM, 1e6),
        "floor": Column("Collateral over debt below which it acts", "multiple", 1.7, 1.0, 1e6),
        "band": Column("Ratio around the aim that it leaves alone", "share", 0.25, 0.0, 1.0),
        "attention": Column("Chance that it looks in a block", "share", 0.01, 0.0, 1.0),
        "alarm": Column("The same below the floor", "share", 0.02, 0.0, 1.0),
        "resolve": Column("The same once it has begun to save it", "share", 0.0, 0.0, 1.0),
        "premium": Column("Price of the coin over one that it sells it at", "share", 0.1, 0.0),
        "volatility_response": Column("How leverage shrinks", "per unit of ratio", 0.2, 0.0),
        "cost_response": Column("How its aim grows with what debt costs", "years", 0.0, 0.0, 1e3),
        "horizon": Column("Time until it expects the coin at one", "days", 90.0, 1.0, 1e5),
        "step": Column("Most that it draws at once, over what it owns", "share", 0.25, 0.0, 10.0),
        "slippage": Column("Worse outcome than quoted that it accepts", "share", 0.03, 0.0, 1.0),
        "patience": Column("Time after which an order lapses", "blocks", 25.0, 1.0, 10_000.0),
        "bid": Column("Gas bid over the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "busy": Column("Block until which it waits", "block", 0.0, state=True),
        "alert": Column("Whether it is at work on saving its vault", "0 or 1", 0.0, state=True),
        "usual_cost": Column("Cost of debt when it began", "per year", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = VaultTargets
    start_order: ClassVar[int] = 1
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Protocol, collateral, and where to trade.

        Raises:
            ScenarioError: If the protocol does not take the collateral.
        """
        return [*place_of_vault(scenario, settings), *routes(scenario, settings)]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Open the vaults: what they draw has been sold for a part of the collateral.

        Raises:
            ScenarioError: If the protocol or the seller does not allow them.
        """
        super().begin(market, cohort)
        _open(market, cohort)


def place_of_vault(scenario: Scenario, settings: AgentSettings) -> list[int]:
    """Number of a protocol of debt positions, and of the collateral that a group names.

    Raises:
        ScenarioError: If the protocol does not take it.
    """
    name, token = settings.targets.protocol, settings.targets.collateral
    lines = scenario.protocols[name].settings.collaterals  # type: ignore[attr-defined]
    for k, line in enumerate(lines.values()):
        if line.token == token:
            return [list(scenario.protocols).index(name), k]
    taken = ", ".join(line.token for line in lines.values())
    raise ScenarioError([("agents", f"{name} takes no {token}; it takes {taken}")])


def _open(market: Market, cohort: CohortTable) -> None:
    """Open the vaults of a group."""
    ledger, token = market.ledger, cohort.settings.targets.collateral
    protocol = market.protocols[cohort.settings.targets.protocol]
    k = int(cohort.places[LINE])
    name = list(protocol.settings.collaterals)[k]
    line = protocol.settings.collaterals[name]
    coin = protocol.token("mints")
    price, par = protocol.price(name), market.price(coin)
    if not 0.0 < price < np.inf:
        text = f"{token} has no price at the start, oracle {line.oracle} says {price:g}; mend it"
        raise ScenarioError([(f"agents.{cohort.name}.collateral", text)])
    equity = cohort.column("equity")
    par = par if 0.0 < par < 1.01 * line.ratio else 1.0  # of its own coin nobody knows a price yet
    ratio = np.maximum(cohort.column("ratio"), line.ratio * 1.02)
    ink = equity / (price * (1.0 - min(par, 1.0) / ratio))
    owed = ink * price / ratio
    owed[owed < line.dust] = 0.0
    own = np.where(owed > 0.0, equity / price, ink)
    ink = np.maximum(ink, own)
    bought = ink - own
    room = min(line.ceiling, protocol.settings.ceiling)
    if owed.sum() > room:
        text = f"all debts are {owed.sum():.6g} {coin} and the ceiling is {room:.6g}; raise it, or "
        raise ScenarioError([(f"agents.{cohort.name}", f"{text}lower equity or count")])
    refuse_more_than_there_is(market, cohort, ledger.token(token), bought, "ratio")
    ledger.endow(cohort.first, token, own)
    for agent, amount in zip(cohort.accounts(), bought, strict=True):
        begin(ledger.books)
        transfer(
            ledger.books, ledger.account(VENUE), int(agent), ledger.token(token), float(amount)
        )
    protocol.open_vaults(cohort.accounts(), name, ink, owed)
    cohort.column("usual_cost")[:] = line.fee
    seller = VENUE if protocol.settings.mints is not None else HOLDERS
    ledger.mint(seller, coin, float(owed.sum()))
