"""Liquidators: they repay unhealthy debts for a bonus, and sell what they seize.

Each takes the reachable positions that pay most after gas, the slippage of the sale
and, if it holds what it seizes for a while, the risk of doing so (Qin et al. 2021;
Perez et al. 2021). Its capital is what it holds; it can be used again when the sale
is done. Races are won by the bid, a share of the profit.

Who `tries` sends what it has tried out on the state that it sees, with a least gain that pays
for its gas, or it reverts. All do so for a builder, where a race that is lost is free.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

from pydantic import Field

from agents.arbitrageur import give_limitless_capital
from agents.base import Behaviour, Column
from agents.intents import OUTSIDE, THEN, Order, liquidate, require, trade
from agents.issued import is_issued, quote_issued
from agents.leveraged_borrower import routes
from agents.targets import LendingName, Places, Routed, Targets
from agents.tools import (
    BUMP,
    TRIES,
    affordable,
    best_place,
    delay,
    deviation_of,
    find_route,
    follow_routes,
    gas_cost,
    going_bid,
    pays,
    quote_at,
    rebid,
    refuel,
    route_gas,
    share_bid,
    tries_out,
    worth_the_race,
)
from protocols import lending
from protocols.loans import bonus_now
from sim.codes import ALL, PREVIOUS, Kind
from sim.compiled import inner
from sim.measures import market_price
from sim.randomness import agent_uniform

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

MARKETS, FIRST = range(2)
"""Places: how many markets it works, and the first of them; then where it sells."""
ROUTED = -3
"""In place of a pool: a sale split over the best routes."""


class Plan(NamedTuple):
    """A liquidation that somebody might carry out.

    Attributes:
        profit: Before gas, numeraire.
        money: To spend, numeraire.
        repaid: Debt, token units.
        received: Collateral, token units.
        out: What its sale brings, token units.
        place: Of the sale.
        debt: Reserve.
        collateral: Reserve.
        gas: Of the transaction.
    """

    profit: float
    money: float
    repaid: float
    received: float
    out: float
    place: int
    debt: int
    collateral: int
    gas: float


SMALLER = 5
"""Times that a liquidation may be halved to make its sale pay."""


@inner
def _sales(me):
    """Where it sells what it seizes."""
    return me.places[FIRST + me.places[MARKETS] :]


@inner
def _pair(w, market, borrower):
    """The borrower's largest debt and largest collateral. Returns (debt, collateral) reserves."""
    d = c = -1
    most_d = most_c = 0.0
    alone = lending.isolated_by(w.books, market, w.reserves, borrower)
    for r in range(market.first, market.first + market.size):
        reserve = w.reserves[r]
        price = w.feeds[reserve.feed].price
        owed = lending.debt_of(w.books, reserve, borrower) * price
        secures = reserve.collateral
        if market.isolates:
            secures = lending.secures(w.reserves, r, alone)
        held = lending.deposit_of(w.books, reserve, borrower) * price if secures else 0.0
        if owed > most_d:
            d, most_d = r, owed
        if held > most_c:
            c, most_c = r, held
    return d, c


@inner
def _unit_cost(w, debt):
    """What a unit of a debt's token costs a liquidator, numeraire."""
    if debt == w.rules[0].numeraire:
        return 1.0
    # With the spread and a little of the price's movement until it is bought.
    return market_price(w, debt) * 1.002


@inner
def _discount(w, my, collateral):
    """What a liquidator that holds what it seizes takes off its price, share."""
    if my.risk_aversion > 0.0:  # who holds for ever and does not mind has none
        return min(my.risk_aversion * deviation_of(w, collateral, my.hold), 1.0)
    return 0.0


TINY = 1e-6
"""Value of a sale that is small enough to move no price, share of a reserve or of a unit."""


@inner
def _best_gain(w, me, my, d, c, bonus):
    """Most that a liquidation of a pair can gain on what it spends, before gas.

    A sale gives less a unit the larger it is, so the first unit's price bounds them
    all, and most positions need no closer look while liquidating does not pay.
    """
    rules = w.rules[0]
    owing, backing = w.reserves[d], w.reserves[c]
    debt, collateral = owing.token, backing.token
    if my.hold > 0.0:
        price = market_price(w, collateral) * (1.0 - _discount(w, my, collateral))
    else:
        price = 0.0
        if is_issued(w, collateral):
            out = quote_issued(w, collateral, debt, TINY)[1]
            price = out / TINY * market_price(w, debt)
        sales = _sales(me)
        for i in range(sales.size):
            for token in (debt, rules.numeraire):
                out = quote_at(w, sales[i], collateral, token, TINY)
                price = max(price, out / TINY * market_price(w, token))
    a_unit = w.feeds[owing.feed].price / w.feeds[backing.feed].price * (1.0 + bonus)
    # The last factor is for the rounding of so small a quote.
    return a_unit * price / _unit_cost(w, debt) * (1.0 + 1e-6) - 1.0


# Wide: as `best_plan`.
@inner
def assess(w, me, my, m, borrower, factor, capital, d, c):
    """What liquidating a position would pay.

    Args:
        factor: Its health factor.
        capital: Numeraire that can be spent.
        d: Reserve of its largest debt.
        c: Reserve of its largest collateral.

    Returns:
        A `Plan`.
    """
    chain = w.chain[0]
    rules = w.rules[0]
    one_swap = rules.gas_cost[Kind.LIQUIDATE] + rules.gas_cost[Kind.SWAP]
    gas = one_swap
    nothing = Plan(0.0, 0.0, 0.0, 0.0, 0.0, OUTSIDE, d, c, gas)
    market = w.markets[m]
    owing, backing = w.reserves[d], w.reserves[c]
    debt, collateral = owing.token, backing.token
    unit = _unit_cost(w, debt)
    most = capital / unit
    terms = (market.close_factor, market.full_close_below, market.bonus_share)
    repaid, _, received = lending.liquidation(
        lending.deposit_of(w.books, backing, borrower),
        w.feeds[backing.feed].price,
        lending.debt_of(w.books, owing, borrower),
        w.feeds[owing.feed].price,
        most,
        bonus_now(w, m, c, borrower),
        factor,
        terms,
    )
    cash = lending.cash_of(w.books, backing)
    if received > cash:  # the market cannot pay out more than it has
        repaid *= cash / received * 0.999
        received = cash * 0.999
    if repaid <= 0.0 or received <= 0.0:
        return nothing
    money = repaid * unit
    if my.hold > 0.0:
        if my.sell_at > 0.0 and my.selling != float(collateral):
            return nothing  # it holds one kind of inventory at a time
        worth = received * market_price(w, collateral) * (1.0 - _discount(w, my, collateral))
        return Plan(worth - money, money, repaid, received, worth, OUTSIDE, d, c, gas)
    place, out = best_place(w, _sales(me), collateral, debt, received)
    worth = out * market_price(w, debt)
    if w.cohorts[me.ident].routes:
        _, split = find_route(w, collateral, debt, received)
        more = route_gas(w) - rules.gas_cost[Kind.SWAP]
        gained = (split - out) * market_price(w, debt)
        if gained > gas_cost(w, more, chain.gas_price):
            place, out, gas = ROUTED, split, gas + more
            worth = out * market_price(w, debt)
    if debt != rules.numeraire:
        outside = best_place(w, _sales(me), collateral, rules.numeraire, received)
        if outside[1] > worth:
            place, out, worth = outside[0], outside[1], outside[1]
            gas = one_swap
    return Plan(worth - money, money, repaid, received, out, place, d, c, gas)


# Wide: what a plan is measured by; a record of it would be filled for every position.
@inner
def best_plan(w, me, my, m, borrower, factor, capital, d, c):
    """The most profitable of all that may be repaid and of smaller parts of it.

    A sale that is too large for its market costs more than the bonus; half of it,
    or an eighth, may still pay.
    """
    best = assess(w, me, my, m, borrower, factor, capital, d, c)
    money = best.money
    for _ in range(SMALLER):
        money *= 0.5
        if money <= 0.0:
            break
        plan = assess(w, me, my, m, borrower, factor, money, d, c)
        if plan.profit <= best.profit:
            break
        best = plan
    return best


UNSAID = -1.0
"""In place of a least gain."""


@inner
def _strike(w, order, my, m, borrower, plan, gain):
    """Send a liquidation, with the purchase of the debt's token before and the sale after.

    Args:
        gain: Least gain, numeraire, without which it reverts; UNSAID: it says none.
    """
    chain = w.chain[0]
    rules = w.rules[0]
    debt, collateral = w.reserves[plan.debt].token, w.reserves[plan.collateral].token
    repaid, received, out, place = plan.repaid, plan.received, plan.out, plan.place
    least = received * 0.98
    if gain != UNSAID and my.hold > 0.0:
        least = max(least, (plan.money + gain) / market_price(w, collateral))
    if debt == rules.numeraire:
        sent = liquidate(w, order, m, borrower, debt, collateral, repaid, least)
    else:
        sent = trade(w, order, OUTSIDE, rules.numeraire, debt, plan.money, repaid)
        if sent:
            liquidate(w, THEN, m, borrower, debt, collateral, repaid, least)
    if not sent:
        return False
    if my.hold <= 0.0:
        # Sold for whichever pays more, the debt's token or the numeraire, and only
        # if it does not turn the profit into a loss.
        floor = out * (1.0 - my.slippage)
        target = debt
        if place == ROUTED:
            _sell_by_routes(w, collateral, debt, received, repaid, floor)
            return gain == UNSAID or require(w, THEN, rules.numeraire, gain)
        if quote_at(w, place, collateral, debt, received) < out * 0.999:
            target = rules.numeraire
        trade(w, THEN, place, collateral, target, PREVIOUS, floor)
        if target != rules.numeraire:
            trade(w, THEN, OUTSIDE, target, rules.numeraire, PREVIOUS, 0.0)
        if gain != UNSAID:
            require(w, THEN, rules.numeraire, gain)
    elif my.sell_at == 0.0:
        my.sell_at = chain.block + my.hold
        my.selling = float(collateral)
    return True


@inner
def _sell_by_routes(w, collateral, debt, received, repaid, floor):
    """Add the sale of what is seized by the best routes, which must gain more than is spent."""
    numeraire = w.rules[0].numeraire
    amount = received * (1.0 - 1e-9)  # rounding must not spoil the last swap
    find_route(w, collateral, debt, amount)
    follow_routes(w, 0)
    spent = repaid if debt == numeraire else 0.0  # the rest was bought in this transaction
    require(w, THEN, debt, floor - spent)
    if debt != numeraire:
        trade(w, THEN, OUTSIDE, debt, numeraire, PREVIOUS, 0.0)


@inner
def _sell_inventory(w, me, i, my):
    """Sell what was seized and held, at the best place."""
    chain = w.chain[0]
    rules = w.rules[0]
    token = int(my.selling)
    account = me.first + i
    held = w.books.balances[account, token]
    amount = ALL
    if token == rules.gas_token:  # some of it stays for gas
        keep = 16.0 * rules.gas_cost[Kind.LIQUIDATE] * max(chain.gas_price, 1.0) * 1e-9
        held = held - keep
        amount = held
    my.sell_at = 0.0
    if held <= 0.0:
        return
    place, _ = best_place(w, _sales(me), token, rules.numeraire, held)
    place = max(place, OUTSIDE)
    bid = going_bid(w, account, rules.gas_cost[Kind.SWAP], 1.1)
    order = Order(account, me.ident, bid, int(my.patience))
    trade(w, order, place, token, rules.numeraire, amount, 0.0)


@inner
def _unhealthy(w, m):
    """Positions of a market that may be liquidated."""
    found = 0
    for k in range(w.markets[m].debtors):
        found += w.health[m, k] < 1.0
    return found


@inner
def _liquidated(w, me):
    """Liquidations so far, of all of its markets."""
    done = 0.0
    for j in range(me.places[MARKETS]):
        done += w.books.storage[w.markets[me.places[FIRST + j]].slot + lending.LIQUIDATIONS]
    return done


@inner
def _learn(w, me, i, my):
    """See whether it has won the race that it was in, or would have won one that it let pass."""
    if my.raced > 0.0:
        won = 1.0 if _holdings(w, me.first + i) > my.held_before else 0.0
        my.hits += my.learning * (won - my.hits)
        my.raced = 0.0
    if my.passed > 0.0 and my.passed == _liquidated(w, me) + 1.0:
        # Nobody has liquidated since it let a position pass, so it would have won.
        my.hits += my.learning * (1.0 - my.hits)
    my.passed = 0.0


# Long: one pass over the positions in danger of a market.
@inner
def _hunt(w, me, i, my, j, begun, capital, sent):
    """Liquidate what pays in its j-th market.

    Args:
        j: Number of the market among its own.
        begun: Place in the mempool of the first that it sends in this block.
        capital: That it has left, numeraire.
        sent: How many it has sent.

    Returns:
        (capital left, how many it has sent).
    """
    rules = w.rules[0]
    m = me.places[FIRST + j]
    market = w.markets[m]
    account = me.first + i
    gas = rules.gas_cost[Kind.LIQUIDATE] + rules.gas_cost[Kind.SWAP]
    start = int(agent_uniform(me.key, i, 1 + j) * market.debtors)
    last_d = last_c = -1
    gain = last_bonus = 0.0
    trying = tries_out(w, my)
    for step in range(market.debtors):
        if sent >= my.most or capital <= 0.0:
            break
        k = (start + step) % market.debtors
        factor = w.health[m, k]
        if not factor < 1.0:
            continue
        d, c = _pair(w, market, w.debtors[m, k])
        if d < 0 or c < 0:
            continue
        bonus = bonus_now(w, m, c, w.debtors[m, k])
        if d != last_d or c != last_c or bonus != last_bonus:
            last_d, last_c, last_bonus = d, c, bonus
            gain = _best_gain(w, me, my, d, c, bonus) - my.margin
        if gain <= 0.0:
            continue
        owed = lending.debt_of(w.books, w.reserves[d], w.debtors[m, k])
        most = gain * min(capital, owed * _unit_cost(w, w.reserves[d].token))
        if not worth_the_race(w, most, my.bid_share, gas, 1.0):
            continue
        plan = best_plan(w, me, my, m, w.debtors[m, k], factor, capital, d, c)
        profit, money, needs = plan.profit, plan.money, plan.gas
        profit -= my.margin * money
        if trying:
            needs += rules.gas_cost[Kind.REQUIRE]
        if profit <= 0.0:
            continue
        if not worth_the_race(w, profit, my.bid_share, needs, my.hits):
            if worth_the_race(w, profit, my.bid_share, needs, 1.0):
                my.passed = _liquidated(w, me) + 1.0
            continue
        bid = affordable(w, account, needs, share_bid(w, profit, my.bid_share, needs))
        cost = gas_cost(w, needs, bid)
        if my.hold <= 0.0 and cost > profit:
            continue
        order = Order(account, me.ident, bid, int(my.patience))
        sell_at, selling = my.sell_at, my.selling
        least = cost if trying else UNSAID
        if _strike(w, order, my, m, w.debtors[m, k], plan, least):
            if trying and not pays(w, begun, cost):
                my.sell_at, my.selling = sell_at, selling
                continue
            delay(w, int(my.latency))
            capital -= money
            sent += 1
    return capital, sent


@inner
def decide(w, me):
    """Liquidate what pays, and sell what was held long enough."""
    chain = w.chain[0]
    rules = w.rules[0]
    count = me.places[MARKETS]
    unhealthy = 0
    for j in range(count):
        unhealthy += _unhealthy(w, me.places[FIRST + j])
    rebid(w, me)
    gas = rules.gas_cost[Kind.LIQUIDATE] + rules.gas_cost[Kind.SWAP]
    for i in range(me.size):
        my = me.rows[i]
        account = me.first + i
        if my.sell_at > 0.0 and chain.block >= my.sell_at and chain.block >= my.busy:
            _sell_inventory(w, me, i, my)
            my.busy = chain.block + my.patience
            continue
        if unhealthy == 0 or chain.block < my.busy:
            continue
        if my.attention < 1.0 and agent_uniform(me.key, i, 0) >= my.attention:
            continue
        first, last = 0, count
        if my.everywhere < 0.5:  # its capital serves one of them alone
            first = i % count
            last = first + 1
            if _unhealthy(w, me.places[FIRST + first]) == 0:
                continue
        capital = w.books.balances[account, rules.numeraire]
        _learn(w, me, i, my)
        begun = chain.waiting
        if not refuel(w, account, me.ident, gas):
            continue
        sent = 0
        # The same capital for all of them: whichever it looks at first has the first of it.
        turn = int(agent_uniform(me.key, i, 1 + count) * count) if last - first > 1 else 0
        for n in range(last - first):
            j = first + (turn + n) % (last - first)
            capital, sent = _hunt(w, me, i, my, j, begun, capital, sent)
        if sent > 0:
            my.busy = chain.block + my.patience + my.latency
            my.raced = 1.0
            my.held_before = _holdings(w, account)


@inner
def _holdings(w, account):
    """Value of the base tokens that an account holds, at the venue's prices."""
    total = w.books.balances[account, w.rules[0].numeraire]
    for a in range(w.assets.size):
        total += w.books.balances[account, w.assets[a].token] * w.assets[a].price
    return total


class LiquidatorTargets(Routed, Places):
    """The markets whose positions it liquidates, and where it sells what it seizes."""

    lending: LendingName | Annotated[list[LendingName], Field(min_length=1)] = Field(
        description="Lending market, or a list of markets that share its capital."
    )


class Liquidator(Behaviour):
    """Liquidates unhealthy positions in one or several lending markets."""

    columns: ClassVar[Mapping[str, Column]] = {
        "attention": Column("Chance per block that it checks the market", "share", 1.0, 0.0, 1.0),
        "margin": Column("Minimum profit, relative to the amount spent", "share", 0.005, 0.0, 1.0),
        "bid_share": Column("Share of the expected profit bid for gas", "share", 0.4, 0.0, 1.0),
        "hold": Column("Holding time of seized collateral", "blocks", 0.0, 0.0),
        "risk_aversion": Column(
            "Discount per standard deviation of the collateral's price", "multiple", 0.5, 0.0
        ),
        "most": Column("Positions that it liquidates at once", "number", 3.0, 1.0),
        "latency": Column("Delay from decision to mempool", "blocks", 0.0, 0.0, 100.0),
        "patience": Column("Time until a pending order expires", "blocks", 2.0, 1.0, 1000.0),
        "learning": Column(
            "Weight of the latest race in its expected win rate", "share", 0.1, 0.0, 1.0
        ),
        "slippage": Column("Slippage tolerance when it sells", "share", 0.02, 0.0, 1.0),
        "tries": TRIES,
        "bump": BUMP,
        "everywhere": Column(
            "Whether its capital serves all markets or only one", "0 or 1", 1.0, 0, 1
        ),
        "hits": Column("Share of recent races won", "share", 0.5, state=True),
        "raced": Column("Whether a race is under way", "0 or 1", 0.0, state=True),
        "held_before": Column("Holdings before that race", "numeraire", 0.0, state=True),
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "sell_at": Column("Block at which it sells what it holds", "block", 0.0, state=True),
        "selling": Column("Token that it holds for sale", "number", 0.0, state=True),
        "passed": Column(
            "Liquidations when it last passed one over, plus one", "number", 0.0, state=True
        ),
    }
    targets: ClassVar[type[Targets]] = LiquidatorTargets
    needs_wallet: ClassVar[bool] = True
    searcher: ClassVar[bool] = True
    without: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "liquidators_sell": {"hold": math.inf, "risk_aversion": 0.0},
        "liquidators_share_capital": {"everywhere": 0.0},
    }
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """How many markets, which, and where to sell."""
        markets = [list(scenario.lending).index(name) for name in settings.named("lending")]
        return [len(markets), *markets, *routes(scenario, settings)]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Without the limit of capital, give each more than it can use."""
        super().begin(market, cohort)
        if not market.setup.switches.capital_is_finite:
            give_limitless_capital(market, cohort)
