"""Refinancers: borrowers with collaterals and debts in several markets.

Each has a use for what it borrows that earns it its reservation rate, drawn for each. It keeps a
debt while that is no dearer, repays it else, and borrows where it would be cheaper by a margin. So
demand for credit falls with the rate as the distribution of reservation rates says: with a share
F(r) of them below r its elasticity is ``r f(r) / (1 - F(r))``. Uniform from 3 to 30 per cent that
is ``r / (0.3 - r)``: 0.2 at 5 per cent, 0.5 at 10, 1.1 at 16, 2 at 20. We found no measurement for
pooled lending. Elsewhere demand is flat at usual rates and steep above them (Karlan, Zinman 2008,
South Africa), with an elasticity of 1.1 within a year and 1.9 over 29 months (Karlan, Zinman 2013,
Mexico).

A debt moves, with collateral in proportion, to a cheaper market if the gap in rates over its
horizon pays gas and the fee of a flash loan, in one transaction: borrow in a flash, repay, take
collateral out, put it in there, borrow, give back. The rate there is taken as it will be after
that loan. That people refinance late, for costs and for want of attention, is a fact (Andersen,
Campbell, Nielsen, Ramadorai 2020).

Each market has a health factor of its own. The worst one that is below the buffer is raised by what
is in the wallet, by collateral that another of its markets can miss, or by selling the collateral
that loses least in the sale, in this order. Without the switch ``debts_move`` agent i keeps to
market i modulo their number, and no collateral moves between markets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from agents.allocator import MOST_MARKETS, check_several
from agents.base import Behaviour, Column, token_number
from agents.intents import (
    OUTSIDE,
    THEN,
    Order,
    borrow,
    deposit,
    flash_borrow,
    flash_repay,
    repay,
    trade,
    withdraw,
)
from agents.lender import reserve_number
from agents.leveraged_borrower import routes
from agents.positions import refusal, refuse_more_than_there_is
from agents.targets import LendingName, Places, Targets, Token
from agents.tools import BUMP, alarmed, best_place, gas_cost, going_bid, rebid, refuel
from protocols import lending
from protocols.loans import list_debtor
from sim.clock import look
from sim.codes import ALL, PREVIOUS, Kind, Reason
from sim.compiled import inner, kernel
from sim.errors import Problem, ScenarioError
from sim.ledger import DUST, begin
from sim.measures import market_price
from sim.names import VENUE

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

MOST_COLLATERALS = 4
DEBT, COUNT, COLLATERALS, LISTS = range(4)
"""Places: the debt, how many markets and collaterals there are; then the markets, their reserves
of the debt, the collaterals, their reserves in each market (-1: not taken), and where to trade."""
LEFT = 0.999
"""Part of a market's cash, or of what may leave, that is counted on."""
GRAIN = 1e-5
"""Share by which a flash loan exceeds a debt that is to be repaid whole: it grows by then."""
STUB = 0.002
"""Debt over collateral of which no account is taken, and least part of the collateral sold."""
CLEAR = 1.0005
"""Health factor that must be left when collateral is taken out."""


@inner
def _market(me, k):
    return me.places[LISTS + k]


@inner
def _owing(w, me, k):
    """Reserve of the debt in the k-th market."""
    return w.reserves[me.places[LISTS + me.places[COUNT] + k]]


@inner
def _token(me, c):
    return me.places[LISTS + 2 * me.places[COUNT] + c]


@inner
def _backing(me, k, c):
    """Number of the reserve of the c-th collateral in the k-th market, -1 where it is not taken."""
    n, many = me.places[COUNT], me.places[COLLATERALS]
    return me.places[LISTS + 2 * n + many + k * many + c]


@inner
def _routes(me):
    n, many = me.places[COUNT], me.places[COLLATERALS]
    return me.places[LISTS + 2 * n + many + n * many :]


@inner
def _stand(w, me, account):
    """See what it has and owes in each market. Returns the worst health factor's market, or -1."""
    ours = me.memory
    worst, least = -1, np.inf
    for k in range(me.places[COUNT]):
        worth, power, cover, debt = lending.standing(
            w.books, w.markets[_market(me, k)], w.reserves, w.feeds, account
        )
        ours.worth[k], ours.power[k], ours.cover[k], ours.debt[k] = worth, power, cover, debt
        ours.owed[k] = lending.debt_of(w.books, _owing(w, me, k), account)
        if debt > lending.NOTHING and cover / debt < least:
            worst, least = k, cover / debt
    return worst


@inner
def _price(w, reserve):
    return w.feeds[reserve.feed].price


@inner
def _room(w, me, k):
    """What the k-th market would lend, token units."""
    reserve = _owing(w, me, k)
    if reserve.borrowable == 0 or w.books.storage[reserve.slot + lending.SUPPLY_INDEX] <= 0.0:
        return 0.0
    _, debts, cash = lending.totals(w.books, w.markets[_market(me, k)], reserve)
    return max(min(LEFT * cash, LEFT * (reserve.borrow_cap - debts)), 0.0)


@inner
def _rate_after(w, me, k, more):
    """Borrow rate of the k-th market after a loan."""
    reserve = _owing(w, me, k)
    _, debts, cash = lending.totals(w.books, w.markets[_market(me, k)], reserve)
    if not debts + cash > 0.0:
        return np.inf
    used = min((debts + more) / (debts + cash), 1.0)
    return lending.rate_at(reserve, used)


@inner
def _order(w, me, i, my, gas, haste):
    account = me.first + i
    bid = going_bid(w, account, gas, my.bid * haste)
    return Order(account, me.ident, bid, int(my.patience))


# Health


@inner
def _sell(w, me, my, order, k, value):
    """Sell collateral for so much value, as far as it may leave, and repay. Returns if sent."""
    ours = me.memory
    account, debt = order.account, me.places[DEBT]
    best, most, least, score = -1, 0.0, 0.0, -np.inf
    place = OUTSIDE - 1
    for c in range(me.places[COLLATERALS]):
        r = _backing(me, k, c)
        if r < 0:
            continue
        reserve = w.reserves[r]
        price = _price(w, reserve)
        held = min(
            lending.deposit_of(w.books, reserve, account), LEFT * lending.cash_of(w.books, reserve)
        )
        sale = min(value, held * price)
        if reserve.threshold > 0.0:
            sale = min(sale, (ours.cover[k] - CLEAR * ours.debt[k]) / reserve.threshold)
        if not sale > 0.5 * STUB * ours.worth[k]:
            continue
        where, out = best_place(w, _routes(me), _token(me, c), debt, sale / price)
        got = out * _price(w, _owing(w, me, k))
        if where >= OUTSIDE and 2.0 * got - sale > score:  # the most, with the least loss
            best, most, least, score = c, sale / price, out * (1.0 - my.slippage), 2.0 * got - sale
            place = where
    if best < 0:
        return False
    if not withdraw(w, order, _market(me, k), _token(me, best), most):
        return False
    trade(w, THEN, place, _token(me, best), debt, PREVIOUS, least)
    return repay(w, THEN, _market(me, k), debt, PREVIOUS)


@inner
def _fetch(w, me, order, k, wanted):
    """Bring collateral that another market can miss. Returns whether it was sent."""
    ours = me.memory
    lack = wanted * ours.debt[k] - ours.cover[k]
    for j in range(me.places[COUNT]):
        slack = ours.cover[j] - wanted * ours.debt[j]
        if j == k or not slack > 0.0:
            continue
        for c in range(me.places[COLLATERALS]):
            a, b = _backing(me, j, c), _backing(me, k, c)
            if a < 0 or b < 0 or not w.reserves[b].threshold > 0.0:
                continue
            here, there = w.reserves[a], w.reserves[b]
            held = lending.deposit_of(w.books, here, order.account)
            held = min(held, LEFT * lending.cash_of(w.books, here))
            if here.threshold > 0.0:
                held = min(held, LEFT * slack / (here.threshold * _price(w, here)))
            add = lack / (there.threshold * _price(w, there))
            if held < 0.2 * add:
                continue
            sent = withdraw(w, order, _market(me, j), _token(me, c), min(held, add))
            return sent and deposit(w, THEN, _market(me, k), _token(me, c), PREVIOUS)
    return False


@inner
def _save(w, me, i, my, k, gas):
    """Bring a health factor back over the buffer by what means there are. Returns if sent."""
    ours = me.memory
    rules = w.rules[0]
    factor = ours.cover[k] / ours.debt[k]
    wanted = my.buffer * 1.05
    haste = 1.0 + 4.0 * max(1.1 - factor, 0.0) / 0.1  # as of a leveraged borrower
    order = _order(w, me, i, my, gas, min(haste, 5.0))
    debt = me.places[DEBT]
    price = _price(w, _owing(w, me, k))
    own = 0.99 * w.books.balances[order.account, debt] * price
    cash = ours.debt[k] - ours.cover[k] / wanted
    if own >= 0.2 * cash and ours.owed[k] > 0.0:
        return repay(w, order, _market(me, k), debt, min(cash, own) / price)
    for c in range(me.places[COLLATERALS]):
        r = _backing(me, k, c)
        if r < 0 or not w.reserves[r].threshold > 0.0:
            continue
        reserve, token = w.reserves[r], _token(me, c)
        add = (wanted * ours.debt[k] - ours.cover[k]) / reserve.threshold / _price(w, reserve)
        spare = w.books.balances[order.account, token]
        if token == rules.gas_token:
            spare *= 0.5  # the rest is for gas
        if spare >= 0.2 * add:
            return deposit(w, order, _market(me, k), token, min(add, spare))
    if my.stays == 0.0 and _fetch(w, me, order, k, wanted):
        return True
    if factor < 1.0:
        return False
    # From (C - x) LT / (D - x) = h with all that it has there at its mean threshold.
    mean = ours.cover[k] / ours.worth[k]
    sale = (wanted * ours.debt[k] - ours.cover[k]) / (max(wanted, mean * 1.01) - mean)
    return _sell(w, me, my, order, k, min(sale, ours.debt[k]))


# Rates


@inner
def _movable(w, me, my, account, k, j):
    """What of a debt can go from market k to j with its collateral.

    Returns:
        (token units, whether j lends them in a flash; else k does).
    """
    ours = me.memory
    owed = ours.owed[k]
    room = _room(w, me, j)
    fees = w.markets[_market(me, j)].flash_fee, w.markets[_market(me, k)].flash_fee
    by_new = room / (2.0 + fees[0])  # it gives the flash loan and the loan
    by_old = min(LEFT * lending.cash_of(w.books, _owing(w, me, k)), room / (1.0 + fees[1]))
    new = by_new >= min(by_old, owed) / (1.0 + GRAIN)
    amount = min(owed, (by_new if new else by_old) / (1.0 + GRAIN))
    if not amount > 0.05 * owed:
        return 0.0, new
    part = amount / owed
    power, cover = ours.power[j], ours.cover[j]
    for c in range(me.places[COLLATERALS]):
        units = _portable(w, me, account, k, j, c, part)
        if units > 0.0:
            there = w.reserves[_backing(me, j, c)]
            power += units * _price(w, there) * there.ltv
            cover += units * _price(w, there) * there.threshold
    fee = fees[0] if new else fees[1]
    debt = ours.debt[j] + amount * (1.0 + GRAIN) * (1.0 + fee) * _price(w, _owing(w, me, j))
    if power < 1.001 * debt or cover < 1.02 * my.buffer * debt:
        return 0.0, new
    return amount, new


@inner
def _portable(w, me, account, k, j, c, part):
    """Units of its c-th collateral that can go from market k to j with a part of its debt."""
    a, b = _backing(me, k, c), _backing(me, j, c)
    if a < 0 or b < 0:
        return 0.0
    here, there = w.reserves[a], w.reserves[b]
    units = part * lending.deposit_of(w.books, here, account)
    index = w.books.storage[there.slot + lending.SUPPLY_INDEX]
    taken = w.books.supply[there.receipt] * index + units * (1.0 + GRAIN) <= there.supply_cap
    there_is = units * (1.0 - DUST) <= lending.cash_of(w.books, here)
    return units if there_is and taken and index > 0.0 else 0.0


# Wide: which debt goes where, how much of it, and by whose flash loan.
@inner
def _send_move(w, me, my, order, k, j, amount, new):
    """Send the transaction that moves a debt and its collateral. Returns whether it was sent."""
    debt = me.places[DEBT]
    old, there = _market(me, k), _market(me, j)
    whole = amount >= me.memory.owed[k]
    part = amount / me.memory.owed[k]
    flash = amount * (1.0 + GRAIN) if whole else amount
    source = there if new else old
    if not flash_borrow(w, order, source, debt, flash):
        return False
    repay(w, THEN, old, debt, ALL if whole else flash)
    for c in range(me.places[COLLATERALS]):
        units = _portable(w, me, order.account, k, j, c, part)
        if units > 0.0:
            withdraw(w, THEN, old, _token(me, c), ALL if whole else units)
            deposit(w, THEN, there, _token(me, c), PREVIOUS)
    fee = w.markets[source].flash_fee
    borrow(w, THEN, there, debt, flash * (1.0 + fee), my.buffer)
    return flash_repay(w, THEN, source, debt)


@inner
def _refinance(w, me, i, my, k):
    """Move a debt to where that gains most within the horizon, if it pays. Returns if sent."""
    rules = w.rules[0]
    account = me.first + i
    money = market_price(w, me.places[DEBT])
    rate = _rate_after(w, me, k, 0.0)
    swaps = 0
    for c in range(me.places[COLLATERALS]):
        swaps += _backing(me, k, c) >= 0
    gas = rules.gas_cost[Kind.FLASH_BORROW] + rules.gas_cost[Kind.FLASH_REPAY]
    gas += rules.gas_cost[Kind.REPAY] + rules.gas_cost[Kind.BORROW]
    gas += swaps * (rules.gas_cost[Kind.WITHDRAW] + rules.gas_cost[Kind.DEPOSIT])
    best, most, amount, flashed = -1, gas_cost(w, gas, w.chain[0].gas_price), 0.0, False
    for j in range(me.places[COUNT]):
        if j == k:
            continue
        units, new = _movable(w, me, my, account, k, j)
        if not units > 0.0:
            continue
        after = _rate_after(w, me, j, units)
        fee = w.markets[_market(me, j if new else k)].flash_fee
        gain = units * money * ((rate - after) * my.horizon / 365.0 - fee)
        if after < my.reservation and gain > most:
            best, most, amount, flashed = j, gain, units, new
    if best < 0 or not refuel(w, account, me.ident, gas):
        return False
    return _send_move(w, me, my, _order(w, me, i, my, gas, 1.0), k, best, amount, flashed)


@inner
def _quit(w, me, i, my, k, gas):
    """Repay a debt that is dearer than what it earns, as far as that goes. Returns if sent."""
    ours = me.memory
    order = _order(w, me, i, my, gas, 1.0)
    debt, owed = me.places[DEBT], ours.owed[k]
    own = w.books.balances[order.account, debt]
    if debt == w.rules[0].gas_token:
        own *= 0.98
    if own >= owed * (1.0 + GRAIN):
        return repay(w, order, _market(me, k), debt, owed * (1.0 + GRAIN))
    if own > 0.05 * owed:
        return repay(w, order, _market(me, k), debt, own)
    value = owed * _price(w, _owing(w, me, k)) * (1.0 + my.slippage)
    return _sell(w, me, my, order, k, max(value, STUB * ours.worth[k]))


@inner
def _spare(w, me, account, c):
    """What of its c-th collateral lies in the wallet; that for gas does not count."""
    token = _token(me, c)
    return 0.0 if token == w.rules[0].gas_token else w.books.balances[account, token]


@inner
def _idle(w, me, my, account, k, j, c):
    """Units of its c-th collateral in market k that secure nothing and can go to market j."""
    ours = me.memory
    if k == j or my.stays > 0.0 or ours.debt[k] > STUB * ours.cover[k]:
        return 0.0
    return _portable(w, me, account, k, j, c, 1.0 if ours.debt[k] <= 0.0 else 0.99)


@inner
def _usable(w, me, my, account, j, c):
    """Units of its c-th collateral that it can bring to market j, from wallet and idle markets."""
    b = _backing(me, j, c)
    if b < 0:
        return 0.0
    units = _spare(w, me, account, c)
    for k in range(me.places[COUNT]):
        units += _idle(w, me, my, account, k, j, c)
    return units


@inner
def _most_wanted(w, me, my, account, j):
    """What it would borrow in market j with all that it can use there, token units."""
    ours = me.memory
    worth, power, cover = ours.worth[j], ours.power[j], ours.cover[j]
    for c in range(me.places[COLLATERALS]):
        units = _usable(w, me, my, account, j, c)
        if units > 0.0:
            reserve = w.reserves[_backing(me, j, c)]
            value = units * _price(w, reserve)
            worth += value
            power += value * reserve.ltv
            cover += value * reserve.threshold
    aim = min(my.loan * worth, 0.98 * power, cover / (1.05 * my.buffer))
    more = (aim - ours.debt[j]) / _price(w, _owing(w, me, j))
    if not more * _price(w, _owing(w, me, j)) > my.band * aim:
        return 0.0
    return min(more, _room(w, me, j))


@inner
def _borrow_more(w, me, i, my, gas):
    """Borrow where that is cheap enough, and gains most. Returns whether it was sent."""
    account = me.first + i
    n = me.places[COUNT]
    money = market_price(w, me.places[DEBT])
    best, amount = -1, 0.0
    most = gas_cost(w, gas, w.chain[0].gas_price)
    for j in range(n):
        if my.stays > 0.0 and j != i % n:
            continue
        units = _most_wanted(w, me, my, account, j)
        if not units > 0.0:
            continue
        rate = _rate_after(w, me, j, units)
        gain = units * money * (my.reservation - rate) * my.horizon / 365.0
        if rate < my.reservation - my.margin and gain > most:
            best, amount, most = j, units, gain
    if best < 0 or not refuel(w, account, me.ident, gas):
        return False
    return _send_loan(w, me, i, my, best, amount, gas)


@inner
def _send_loan(w, me, i, my, j, amount, gas):
    """Gather collateral in market j and borrow there. Returns whether it was sent."""
    order = _order(w, me, i, my, gas, 1.0)
    account, there = order.account, _market(me, j)
    for c in range(me.places[COLLATERALS]):
        if _backing(me, j, c) < 0:
            continue
        token = _token(me, c)
        spare = _spare(w, me, account, c)
        if spare > 0.0:
            deposit(w, order, there, token, spare)
            order = Order(-1, me.ident, 0.0, 0)  # what follows belongs to it
        for k in range(me.places[COUNT]):
            units = _idle(w, me, my, account, k, j, c)
            if not units > 0.0:
                continue
            whole = me.memory.debt[k] <= 0.0
            withdraw(w, order, _market(me, k), token, ALL if whole else units)
            deposit(w, THEN, there, token, PREVIOUS)
            order = Order(-1, me.ident, 0.0, 0)
    debt = me.places[DEBT]
    if not borrow(w, order, there, debt, amount, my.buffer):
        return False
    if my.loops >= 0.5:
        return _buy(w, me, my, account, j, amount)
    return True


@inner
def _buy(w, me, my, account, j, amount):
    """Spend what was borrowed on the collateral of which it buys most value, and deposit it."""
    debt = me.places[DEBT]
    best, place, least, worth = -1, OUTSIDE, 0.0, 0.0
    for c in range(me.places[COLLATERALS]):
        r = _backing(me, j, c)
        if r < 0:
            continue
        where, out = best_place(w, _routes(me), debt, _token(me, c), amount)
        if where >= OUTSIDE and out * _price(w, w.reserves[r]) > worth:
            best, place, least = c, where, out * (1.0 - my.slippage)
            worth = out * _price(w, w.reserves[r])
    if best < 0:
        return True
    trade(w, THEN, place, debt, _token(me, best), PREVIOUS, least)
    return deposit(w, THEN, _market(me, j), _token(me, best), PREVIOUS)


@inner
def _act(w, me, i, my, worst, gas):
    """Do the first of these that is called for: save, move, repay, borrow. Returns if sent."""
    ours = me.memory
    account = me.first + i
    if worst >= 0 and ours.cover[worst] < my.buffer * ours.debt[worst]:
        return refuel(w, account, me.ident, gas) and _save(w, me, i, my, worst, gas)
    dearest, rate = -1, -np.inf
    for k in range(me.places[COUNT]):
        if ours.owed[k] * _price(w, _owing(w, me, k)) > lending.NOTHING:
            here = _rate_after(w, me, k, 0.0)
            if here > rate:
                dearest, rate = k, here
    if dearest >= 0 and my.stays == 0.0 and _refinance(w, me, i, my, dearest):
        return True
    money = ours.owed[max(dearest, 0)] * market_price(w, me.places[DEBT])
    saved = money * (rate - my.reservation) * my.horizon / 365.0
    if dearest >= 0 and saved > gas_cost(w, gas, w.chain[0].gas_price):
        return refuel(w, account, me.ident, gas) and _quit(w, me, i, my, dearest, gas)
    return _borrow_more(w, me, i, my, gas)


@inner
def decide(w, me):
    """Keep health factors above the buffer, debts where they are cheap, and only those that pay."""
    rebid(w, me)
    chain, rules = w.chain[0], w.rules[0]
    # The dearest of what is common: take out or borrow, trade, put in.
    gas = rules.gas_cost[Kind.BORROW] + rules.gas_cost[Kind.SWAP] + rules.gas_cost[Kind.DEPOSIT]
    for n in range(alarmed(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if chain.block < my.busy:
            continue
        draw = look(me, i, 0)
        if draw >= max(my.attention, my.alarm):
            continue
        worst = _stand(w, me, me.first + i)
        safe = worst < 0 or me.memory.cover[worst] >= my.buffer * me.memory.debt[worst]
        if draw >= (my.attention if safe else max(my.attention, my.alarm)):
            continue
        if _act(w, me, i, my, worst, gas):
            my.busy = chain.block + int(my.patience)


@kernel
def _open(w, me, held, debts):
    """Deposit each agent's collaterals at home, and borrow there.

    Args:
        held: float64[agents, collaterals], token units.
        debts: float64[agents], token units.

    Returns:
        Row of the first agent that could not, and the reason; -1 if all could.
    """
    n = me.places[COUNT]
    for i in range(me.size):
        k = i % n
        m, account = _market(me, k), me.first + i
        reason = Reason.DONE
        begin(w.books)
        for c in range(me.places[COLLATERALS]):
            if held[i, c] > 0.0 and reason == Reason.DONE:
                reason, _ = lending.deposit(
                    w.books, w.markets[m], w.reserves, account, _token(me, c), held[i, c]
                )
        if reason == Reason.DONE and debts[i] > 0.0:
            reason, _ = lending.borrow(
                w.books, w.markets[m], w.reserves, w.feeds, account, me.places[DEBT], debts[i], 0.0
            )
            list_debtor(w, m, account)
        if reason != Reason.DONE:
            return i, reason
    return -1, Reason.DONE


class RefinancerTargets(Places):
    """The lending markets, collaterals and debt, and where it trades."""

    lending: list[LendingName] = Field(description="Lending markets that it borrows from.")
    collaterals: list[Token] = Field(description="Tokens deposited.")
    debt: Token = Field(description="Token borrowed.")


class Refinancer(Behaviour):
    """Borrows in several markets, where and when the rate is low enough."""

    columns: ClassVar[Mapping[str, Column]] = {
        "equity": Column("Initial equity", "numeraire", 10_000.0, 0.0),
        "loan": Column("Target loan-to-value while it borrows", "share", 0.4, 0.0, 0.95),
        "reservation": Column(
            "Return on borrowed funds: the highest rate it pays", "per year", 0.1, 0.0
        ),
        "margin": Column("Margin below that rate at which it borrows", "per year", 0.005, 0.0),
        "loops": Column(
            "Whether it buys collateral with the loan; 0: it keeps the loan",
            "0 or 1",
            0.0,
            0.0,
            1.0,
        ),
        "horizon": Column("Time in which a move must pay off", "days", 14.0, 0.0),
        "band": Column("Tolerated deviation from the target loan", "share", 0.1, 0.0, 1.0),
        "buffer": Column(
            "Health factor below which it deleverages", "health factor", 1.2, 1.0, 10.0
        ),
        "attention": Column("Chance per block that it checks the market", "share", 0.01, 0.0, 1.0),
        "alarm": Column(
            "Chance per block that it checks the market below the buffer", "share", 0.02, 0.0, 1.0
        ),
        "slippage": Column("Slippage tolerance, relative to the quote", "share", 0.03, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 25.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "stays": Column("Whether it keeps to one market", "0 or 1", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = RefinancerTargets
    remembers: ClassVar[Mapping[str, Column]] = {
        "worth": Column("Collateral of who decides", "numeraire", count=MOST_MARKETS),
        "power": Column("What may be borrowed on it", "numeraire", count=MOST_MARKETS),
        "cover": Column("The same at the thresholds", "numeraire", count=MOST_MARKETS),
        "debt": Column("All its debts there", "numeraire", count=MOST_MARKETS),
        "owed": Column("Of the token borrowed", "token units", count=MOST_MARKETS),
    }
    without: ClassVar[Mapping[str, Mapping[str, float]]] = {"debts_move": {"stays": 1.0}}
    start_order: ClassVar[int] = 1
    decide = staticmethod(decide)

    @classmethod
    def check(cls, settings: AgentSettings) -> list[Problem]:
        """Whether markets and collaterals are different ones, and not too many."""
        targets = settings.targets
        found = check_several(targets.lending)
        tokens = targets.collaterals
        if len(set(tokens)) < len(tokens):
            found.append(("collaterals", "names a token twice; take one out"))
        if len(tokens) > MOST_COLLATERALS:
            text = f"names {len(tokens)} tokens; {MOST_COLLATERALS} at most"
            found.append(("collaterals", text))
        if targets.debt in tokens:
            text = f"has {targets.debt}, which is what it borrows; take it out"
            found.append(("collaterals", text))
        return found

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """As `LISTS` says."""
        targets = settings.targets
        markets = [list(scenario.lending).index(name) for name in targets.lending]
        backing = []
        for name in targets.lending:
            reserves = scenario.lending[name].reserves
            for token in targets.collaterals:
                taken = token in reserves and reserves[token].collateral
                backing.append(reserve_number(scenario, name, token) if taken else -1)
        return [
            token_number(scenario, targets.debt),
            len(markets),
            len(targets.collaterals),
            *markets,
            *(reserve_number(scenario, name, targets.debt) for name in targets.lending),
            *(token_number(scenario, token) for token in targets.collaterals),
            *backing,
            *routes(scenario, settings),
        ]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Open the positions, agent i's in market i modulo their number.

        What it owns is in even parts of what that market takes. Who loops has more of it, bought
        outside with what it borrows.

        Raises:
            ScenarioError: If a lending market cannot bear the loans.
        """
        super().begin(market, cohort)
        held, debts = _positions(market, cohort)
        row, reason = _open(market.world, cohort.kernel_view(), held, debts)
        if row >= 0:
            targets, n = cohort.settings.targets, len(cohort.settings.targets.lending)
            lender, total = targets.lending[row % n], float(debts[row % n :: n].sum())
            refused = refusal(
                cohort, row, Reason(reason), lender, targets.debt, total, "loan", True
            )
            raise ScenarioError([refused])
        loops = cohort.column("loops") >= 0.5
        for account, debt in zip(cohort.accounts()[loops], debts[loops], strict=True):
            market.ledger.transfer(int(account), VENUE, int(cohort.places[DEBT]), float(debt))


def _positions(market: Market, cohort: CohortTable) -> tuple[np.ndarray, np.ndarray]:
    """Give each agent its collateral; what it deposits and borrows, token units.

    Raises:
        ScenarioError: If a market takes none of the collaterals, something has no price, or the
            venue has not what is to be bought.
    """
    w, targets = market.world, cohort.settings.targets
    n, many = len(targets.lending), len(targets.collaterals)
    lists = cohort.places[LISTS:]
    tokens = lists[2 * n : 2 * n + many]
    backing = lists[2 * n + many : 2 * n + many + n * many].reshape(n, many)
    held, debts, bought = (np.zeros((len(cohort), size)) for size in (many, 1, many))
    for k, name in enumerate(targets.lending):
        taken = np.flatnonzero(backing[k] >= 0)
        if not taken.size:
            text = f"{name} takes none of {', '.join(targets.collaterals)}; name one that it does"
            raise ScenarioError([(f"agents.{cohort.name}.collaterals", text)])
        reserves = w.reserves[backing[k][taken]]
        owing = w.reserves[int(lists[n + k])]
        prices = w.feeds["price"][[int(owing["feed"]), *(int(r["feed"]) for r in reserves)]]
        for token, price in zip(["debt", *taken], prices, strict=True):
            if not 0.0 < price < math.inf:
                what = targets.debt if token == "debt" else targets.collaterals[token]
                text = f"{what} has no price in {name} at the start; fix its oracle"
                raise ScenarioError([(f"agents.{cohort.name}.lending", text)])
        mine = np.arange(k, len(cohort), n)
        # No more than the loan-to-value lets it borrow, with a little to spare.
        loan = np.minimum(cohort.column("loan")[mine], 0.98 * float(reserves["ltv"].mean()))
        spent = np.where(cohort.column("loops")[mine] >= 0.5, loan, 0.0)
        worth = cohort.column("equity")[mine] / (1.0 - spent)
        debts[mine, 0] = loan * worth / prices[0]
        units = worth[:, None] / taken.size / prices[1:]
        held[np.ix_(mine, taken)] = units
        bought[np.ix_(mine, taken)] = units * spent[:, None]
    for c, token in enumerate(tokens):
        market.ledger.endow(cohort.first, int(token), held[:, c] - bought[:, c])
        refuse_more_than_there_is(market, cohort, int(token), bought[:, c], "loan")
        for i in np.flatnonzero(bought[:, c] > 0.0):
            account = cohort.first + int(i)
            market.ledger.transfer(VENUE, account, int(token), float(bought[i, c]))
    return held, debts[:, 0]
