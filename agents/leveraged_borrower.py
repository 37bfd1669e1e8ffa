"""Leveraged borrowers: they hold more of an asset than they own, within a band.

Each keeps its leverage (collateral over equity) in a band around a target that
shrinks as volatility rises, so that falling prices make it sell (Adrian, Shin 2010;
Aymanns, Farmer 2015). It looks only now and then. When its health factor is below
its buffer it repays from its wallet, adds collateral from its wallet, or sells
collateral into a pool, in that order, each as far as it goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from agents.base import Behaviour, Column, token_number
from agents.intents import (
    OUTSIDE,
    RECEIPTS,
    SHARES,
    THEN,
    Order,
    borrow,
    deposit,
    repay,
    trade,
    withdraw,
)
from agents.issued import is_issued, issuer_of
from agents.lender import reserve_number
from agents.positions import Sleeve, open_positions
from agents.targets import AnyCredit, Places, Targets
from agents.tools import BUMP, alarmed, best_place, going_bid, rebid, refuel
from protocols import lending
from sim import venue
from sim.clock import look
from sim.codes import ALL, PREVIOUS, Kind
from sim.compiled import inner, kernel
from sim.names import VENUE

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

MARKET, COLLATERAL, DEBT, C_RESERVE, D_RESERVE, ROUTES = range(6)


@kernel
def target_leverage(leverage, response, volatility_ratio):
    """Target that shrinks with volatility: 1 + (L - 1) / (1 + k (ratio - 1)), ratio >= 1."""
    return 1.0 + (leverage - 1.0) / (1.0 + response * max(volatility_ratio - 1.0, 0.0))


@kernel
def repayment_to_health(collateral, threshold, debt, health):
    """Value of collateral to sell and repay so that the health factor becomes `health`.

    From ``(C - x) LT / (D - x) = h``: x = (h D - C LT) / (h - LT), at most D.

    Args:
        collateral: C, numeraire.
        threshold: LT, a share.
        debt: D, numeraire.
        health: h > LT.
    """
    return min(max((health * debt - collateral * threshold) / (health - threshold), 0.0), debt)


@inner
def volatility_ratio_of(w, token):
    """Volatility of a token over what is normal; of what is issued: of what is behind it."""
    if is_issued(w, token):  # as restless as the most restless of what is behind it
        place = issuer_of(w, token)
        most = 1.0
        if SHARES <= place < RECEIPTS:
            pool = w.pools[place - SHARES]
            for k in range(pool.size):
                for a in range(w.assets.size):
                    if w.assets[a].token == pool.tokens[k]:
                        most = max(most, venue.volatility_ratio(w.assets[a]))
        return most
    for a in range(w.assets.size):
        if w.assets[a].token == token:
            return venue.volatility_ratio(w.assets[a])
    return 1.0


@inner
def _save(w, me, i, my, prices, standing, gas):
    """Bring the health factor back over the buffer, by what means there are."""
    rules = w.rules[0]
    m, collateral, debt = me.places[MARKET], me.places[COLLATERAL], me.places[DEBT]
    price_c, price_d = prices
    worth, threshold, owed, wanted = standing
    account = me.first + i
    factor = worth * threshold / owed
    urgency = 1.0 + 4.0 * max(1.1 - factor, 0.0) / 0.1  # up to five times, at the edge
    bid = going_bid(w, account, gas, my.bid * min(urgency, 5.0))
    order = Order(account, me.ident, bid, int(my.patience))
    sale = repayment_to_health(worth, threshold, owed, wanted)
    own = w.books.balances[account, debt] * price_d
    cash = (wanted * owed - worth * threshold) / wanted  # to repay without selling
    spare = w.books.balances[account, collateral] * price_c
    if collateral == rules.gas_token:
        spare *= 0.5  # the rest is for gas
    add = (wanted * owed - worth * threshold) / threshold
    if own >= 0.2 * cash:
        repay(w, order, m, debt, min(cash, own) / price_d)
        return
    if spare >= 0.2 * add:
        deposit(w, order, m, collateral, min(add, spare) / price_c)
        return
    # Collateral can be taken out only as far as the health factor stays above one.
    free = worth - owed / threshold * 1.0005
    value = min(sale, free)
    if value <= 0.001 * worth:
        return
    amount = value / price_c
    place, out = best_place(w, me.places[ROUTES:], collateral, debt, amount)
    if place < OUTSIDE:
        return
    least = out * (1.0 - my.slippage)
    if withdraw(w, order, m, collateral, amount):
        trade(w, THEN, place, collateral, debt, PREVIOUS, least)
        repay(w, THEN, m, debt, PREVIOUS)


@inner
def _lever(w, me, i, my, price_d, value, gas):
    """Borrow, buy collateral, deposit it: one loop."""
    m, collateral, debt = me.places[MARKET], me.places[COLLATERAL], me.places[DEBT]
    amount = value / price_d
    place, out = best_place(w, me.places[ROUTES:], debt, collateral, amount)
    if place < OUTSIDE:
        return
    account = me.first + i
    order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
    if borrow(w, order, m, debt, amount, 1.0):
        trade(w, THEN, place, debt, collateral, PREVIOUS, out * (1.0 - my.slippage))
        # A deposit tells its amount, not the receipts that it gave.
        deposit(w, THEN, m, collateral, ALL if place >= RECEIPTS else PREVIOUS)


@inner
def decide(w, me):
    """Keep leverage in its band, and the health factor above the buffer."""
    rebid(w, me)
    chain = w.chain[0]
    rules = w.rules[0]
    m = me.places[MARKET]
    market = w.markets[m]
    backing, owing = w.reserves[me.places[C_RESERVE]], w.reserves[me.places[D_RESERVE]]
    price_c, price_d = w.feeds[backing.feed].price, w.feeds[owing.feed].price
    ltv, threshold = lending.terms_for(backing, owing)
    ratio = volatility_ratio_of(w, me.places[COLLATERAL])
    _, _, cash = lending.totals(w.books, market, owing)
    # The dearest of what it may do: take out or borrow, trade, put in.
    gas = rules.gas_cost[Kind.BORROW] + rules.gas_cost[Kind.SWAP] + rules.gas_cost[Kind.DEPOSIT]
    for n in range(alarmed(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if chain.block < my.busy:
            continue
        draw = look(me, i, 0)
        if draw >= max(my.attention, my.alarm):
            continue
        account = me.first + i
        worth = lending.deposit_of(w.books, backing, account) * price_c
        owed = lending.debt_of(w.books, owing, account) * price_d
        if worth <= 0.0:
            continue
        factor = worth * threshold / owed if owed > 0.0 else np.inf
        # Below the buffer an alarm may wake it more often than it looks by itself.
        looks = my.attention if factor >= my.buffer else max(my.attention, my.alarm)
        if draw >= looks:
            continue
        aim = target_leverage(my.leverage, my.volatility_response, ratio)
        leverage = worth / (worth - owed) if worth > owed else np.inf
        busy = my.busy
        if factor < my.buffer or (leverage > aim * (1.0 + my.band) and owed > 0.0):
            wanted = my.buffer * 1.05
            if worth > owed and aim > 1.0:
                # Health factor at the target leverage, where that is the safer aim.
                wanted = max(wanted, threshold * aim / (aim - 1.0))
            wanted = max(wanted, threshold * 1.01)
            if factor < 1.0 or not refuel(w, account, me.ident, gas):
                continue
            standing = (worth, threshold, owed, wanted)
            _save(w, me, i, my, (price_c, price_d), standing, gas)
            busy = chain.block + my.patience
        elif leverage < aim * (1.0 - my.band):
            equity = worth - owed
            value = min((aim - leverage) * equity, my.step * equity)
            value = min(value, worth * ltv * 0.98 - owed)
            if (worth + value) * threshold < my.buffer * 1.05 * (owed + value):
                continue
            if (
                value > 0.01 * equity
                and value / price_d <= cash
                and refuel(w, account, me.ident, gas)
            ):
                _lever(w, me, i, my, price_d, value, gas)
                busy = chain.block + my.patience
        my.busy = busy


class BorrowerTargets(Places, AnyCredit):
    """The lending market, collateral and debt, and where it trades them."""


class LeveragedBorrower(Behaviour):
    """Borrows one token against another to hold a leveraged position."""

    columns: ClassVar[Mapping[str, Column]] = {
        "equity": Column("Initial equity", "numeraire", 10_000.0, 0.0),
        "leverage": Column("Target leverage: collateral over equity", "multiple", 1.5, 1.0, 20.0),
        "band": Column("Tolerated deviation from the target leverage", "share", 0.2, 0.0, 1.0),
        "buffer": Column(
            "Health factor below which it deleverages", "health factor", 1.2, 1.0, 10.0
        ),
        "attention": Column("Chance per block that it checks the market", "share", 0.01, 0.0, 1.0),
        "alarm": Column(
            "Chance per block that it checks the market below the buffer", "share", 0.02, 0.0, 1.0
        ),
        "volatility_response": Column(
            "Reduction of the target as volatility rises", "per unit of ratio", 0.2, 0.0
        ),
        "step": Column("Largest single loan, relative to equity", "share", 0.25, 0.0, 10.0),
        "slippage": Column("Slippage tolerance, relative to the quote", "share", 0.03, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 25.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = BorrowerTargets
    start_order: ClassVar[int] = 1
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Market, collateral, debt, their reserves, and where to trade them."""
        name = settings.targets.lending
        collateral, debt = settings.targets.collateral, settings.targets.debt
        return [
            list(scenario.lending).index(name),
            token_number(scenario, collateral),
            token_number(scenario, debt),
            reserve_number(scenario, name, collateral),
            reserve_number(scenario, name, debt),
            *routes(scenario, settings),
        ]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Open the positions: collateral of which a part is bought with what is borrowed.

        Raises:
            ScenarioError: If the lending market cannot bear the loans.
        """
        super().begin(market, cohort)
        sleeve = Sleeve(*(int(place) for place in cohort.places[:ROUTES]))
        equity, leverage = cohort.column("equity"), cohort.column("leverage")
        open_positions(market, cohort, sleeve, equity, leverage)


def routes(scenario: Scenario, settings: AgentSettings) -> list[int]:
    """Where a group may trade: its pools, the outside venue if it says so or has no pools."""
    targets = settings.targets
    pools = [list(scenario.pools).index(pool) for pool in targets.pools]
    if targets.route == VENUE:
        return [OUTSIDE]
    if targets.route is not None:
        return [list(scenario.pools).index(targets.route)]
    return pools or [OUTSIDE]
