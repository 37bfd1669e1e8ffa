"""Pooled lending in Aave's manner: deposit, borrow, be liquidated.

A market holds several reserves. A deposit is a receipt token and a debt is a
debt token, both kept in scaled units: what they are worth is units times an
interest index that grows each block (Aave v1 white paper, section 3; Aave v2,
"aTokens and the scaled balance"). Symbols: U utilisation, R rate per year.

For each reserve the books must say: cash + debts = deposits (those of the
treasury included). Interest, the reserve factor, liquidations and the write-off
of bad debt keep that to rounding; `LendingMarket.audit` checks it.

Cash is what came in through the market's own calls, counted apart from what its account
holds (the "virtual underlying balance" of Aave v3.1). What somebody gives to the account
besides moves no rate and no index, so no attack can be built on it (as the donation to
Euler in 2023, or to empty Compound v2 markets); at the end of the block the treasury
receives it as receipts.

Where settings ask for it (all are off by default):

- **Isolation** (Aave v3): who has borrowed against an isolated token has no other collateral, and
  owes no more of other tokens than those that may be borrowed so; all such debts together have a
  ceiling, counted at the prices at which they were made. A *mark*, a token that is worth nothing,
  says of each account how much of the ceiling it takes.
- **Categories** (Aave v3's e-mode): while all that an account owes is of one category, its
  collateral of that category counts at the category's terms.
- **A pair** (Morpho Blue): one collateral, one loan, one loan-to-value up to which may be borrowed
  and from which it is liquidated, at a bonus that follows from it (`pair_bonus`).
- **The adaptive curve** (Morpho's AdaptiveCurveIRM, `curved` and `adapted`): the rate at the target
  rises for as long as utilisation is above it.
- **Auctions**: the bonus of a liquidation rises from nothing with the blocks since it became
  possible (in the manner of Euler's discount and of Dutch auctions).
- **Freezing**: a reserve takes no deposits and makes no loans.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.codes import ALL, Reason
from sim.compiled import inner, kernel
from sim.handles import Exposure, Handle
from sim.ledger import DUST, Ledger, LedgerError, begin, burn, mint, seize, store, transfer
from sim.units import INTEREST_YEAR

MARKET = np.dtype(
    [
        ("account", "i8"),
        ("treasury", "i8"),
        ("first", "i8"),  # its reserves are [first, first + size)
        ("size", "i8"),
        ("close_factor", "f8"),  # share of a debt that one liquidation may repay
        ("full_close_below", "f8"),  # health factor down from which it may be all of it
        ("bonus_share", "f8"),  # protocol's share of the liquidation bonus
        ("flash_fee", "f8"),  # share of a flash loan
        ("debtors", "i8"),  # how many accounts are listed as debtors
        ("closes", "i8"),  # 1: accounts that cannot pay are closed, `protocols.default`
        ("default_delay", "i8"),  # blocks that liquidators have before that
        ("slot", "i8"),  # first of its slots in the ledger's storage
        ("isolates", "i8"),  # 1: a reserve is isolated
        ("sorted", "i8"),  # 1: a reserve is in a category
        ("auction", "i8"),  # blocks in which the bonus rises to all of it, 0: it is all at once
    ]
)
RESERVE = np.dtype(
    [
        ("market", "i8"),
        ("token", "i8"),
        ("receipt", "i8"),
        ("debt", "i8"),
        ("feed", "i8"),
        ("collateral", "i8"),
        ("borrowable", "i8"),
        ("ltv", "f8"),
        ("threshold", "f8"),
        ("bonus", "f8"),
        ("base_rate", "f8"),  # per year, like the slopes
        ("slope1", "f8"),
        ("slope2", "f8"),
        ("optimal", "f8"),
        ("reserve_factor", "f8"),
        ("supply_cap", "f8"),  # token units
        ("borrow_cap", "f8"),
        ("slot", "i8"),
        ("borrow_rate", "f8"),  # per year, of the last block
        ("supply_rate", "f8"),
        ("highest", "f8"),  # most deposits that an audit saw or cash that came in, token units
        ("frozen", "i8"),  # 1: takes no deposits and makes no loans
        ("isolated", "i8"),  # 1: is collateral alone, or none
        ("mark", "i8"),  # token that counts debts against it, -1: it is not isolated
        ("ceiling", "f8"),  # most of those, numeraire
        ("in_isolation", "i8"),  # 1: may be borrowed against an isolated token
        ("category", "i8"),  # -1: none
        ("category_ltv", "f8"),
        ("category_threshold", "f8"),
        ("category_bonus", "f8"),
        ("adaptive", "i8"),  # 1: the adaptive curve, with `optimal` as the target
        ("steepness", "f8"),
        ("adjustment", "f8"),  # per year
        ("at_target", "f8"),  # rate per year at the target, now
    ]
)

# Slots of a reserve in the ledger's storage, from its `slot` on.
SUPPLY_INDEX, BORROW_INDEX, BAD_DEBT, LIQUIDATED, SEIZED, WRITTEN_TO_DEPOSITORS, CASH = range(7)
RESERVE_SLOTS = 7
# Slots of a market.
LIQUIDATIONS, LIQUIDATED_VALUE, BAD_DEBT_VALUE, DEPOSITOR_LOSS_VALUE, DEFAULTS = range(5)
MARKET_SLOTS = 5

NOTHING = 1e-9
"""Value in the numeraire below which a position counts as empty."""


@kernel
def borrow_rate(utilisation, base, slope1, slope2, optimal):
    """Two-slope rate: R0 + s1 U/Uo up to the optimum, then R0 + s1 + s2 (U - Uo)/(1 - Uo).

    Args:
        utilisation: U, debts over deposits, in [0, 1].
        base: R0, per year.
        slope1: s1, per year.
        slope2: s2, per year.
        optimal: Uo, in (0, 1).

    Returns:
        Rate per year that borrowers pay.
    """
    if utilisation <= optimal:
        return base + slope1 * utilisation / optimal
    return base + slope1 + slope2 * (utilisation - optimal) / (1.0 - optimal)


LEAST_AT_TARGET, MOST_AT_TARGET = 0.001, 2.0
"""Bounds of the adaptive curve's rate at the target, per year (Morpho's ConstantsLib)."""


@kernel
def off_target(utilisation, target):
    """Distance of utilisation from its target: (u - t) / (1 - t) above it, (u - t) / t below."""
    return (utilisation - target) / (1.0 - target if utilisation > target else target)


@kernel
def curved(at_target, distance, steepness):
    """Rate of the adaptive curve: r (1 + (C - 1) e) above the target, r (1 + (1 - 1/C) e) below.

    Args:
        at_target: r, rate at the target.
        distance: e, `off_target`.
        steepness: C, so that the rate goes from r / C when empty to C r when full.
    """
    slope = 1.0 - 1.0 / steepness if distance < 0.0 else steepness - 1.0
    return at_target * (1.0 + slope * distance)


@kernel
def adapted(at_target, distance, adjustment, years):
    """Rate at the target after a time off it: r exp(s e t), within its bounds.

    Args:
        at_target: r, per year.
        distance: e, `off_target`.
        adjustment: s, per year: 50 doubles it in five days when all is lent.
        years: t.
    """
    moved = at_target * math.exp(adjustment * distance * years)
    return min(max(moved, LEAST_AT_TARGET), MOST_AT_TARGET)


@kernel
def pair_bonus(lltv):
    """Bonus of a liquidation in a pair: min(1.15, 1 / (0.3 LLTV + 0.7)) - 1 (Morpho Blue)."""
    return min(1.15, 1.0 / (0.3 * lltv + 0.7)) - 1.0


@kernel
def rate_at(reserve, used):
    """Rate per year that borrowers of a reserve pay at a utilisation."""
    if reserve.adaptive:
        distance = off_target(used, reserve.optimal)
        return curved(reserve.at_target, distance, reserve.steepness)
    return borrow_rate(used, reserve.base_rate, reserve.slope1, reserve.slope2, reserve.optimal)


@kernel
def supply_rate(rate, utilisation, reserve_factor):
    """Rate per year that depositors earn: R U (1 - reserve factor)."""
    return rate * utilisation * (1.0 - reserve_factor)


@kernel
def health_factor(collateral_value, threshold, debt_value):
    """Collateral at its liquidation threshold over debt; inf without debt.

    Args:
        collateral_value: In the numeraire.
        threshold: Liquidation threshold, a share (of several, their weighted mean).
        debt_value: In the numeraire.
    """
    return collateral_value * threshold / debt_value if debt_value > 0.0 else np.inf


@kernel
def leverage(loan_to_value, loops):
    """Exposure over equity after n loops: (1 - l^(n + 1)) / (1 - l)."""
    return (1.0 - loan_to_value ** (loops + 1)) / (1.0 - loan_to_value)


@kernel
def liquidation(collateral, collateral_price, debt, debt_price, repay, bonus, health, rules):
    """What a liquidation repays and seizes (Aave v3, LiquidationLogic).

    Args:
        collateral: The borrower's, token units.
        collateral_price: Numeraire per unit.
        debt: The borrower's, token units.
        debt_price: Numeraire per unit.
        repay: What the liquidator offers to repay, token units.
        bonus: Share that a liquidator receives on top.
        health: The borrower's health factor.
        rules: (close factor, health factor at and below which all may be repaid,
            protocol's share of the bonus).

    Returns:
        (repaid, seized, to the liquidator), the first in units of the debt's token,
        the others in units of the collateral's.
    """
    close_factor, full_close_below, bonus_share = rules
    most = debt if health <= full_close_below else debt * close_factor
    repaid = min(repay, most)
    seized = repaid * debt_price / collateral_price * (1.0 + bonus)
    if seized > collateral:
        seized = collateral
        repaid = min(repaid, collateral * collateral_price / (debt_price * (1.0 + bonus)))
    protocol = (seized - seized / (1.0 + bonus)) * bonus_share
    return repaid, seized, seized - protocol


@kernel
def debt_of(books, reserve, account):
    """What an account owes of a reserve, token units."""
    return books.balances[account, reserve.debt] * books.storage[reserve.slot + BORROW_INDEX]


@kernel
def deposit_of(books, reserve, account):
    """What an account has deposited in a reserve, token units."""
    return books.balances[account, reserve.receipt] * books.storage[reserve.slot + SUPPLY_INDEX]


@kernel
def totals(books, market, reserve):
    """(deposits, debts, cash) of a reserve, token units."""
    deposits = books.supply[reserve.receipt] * books.storage[reserve.slot + SUPPLY_INDEX]
    debts = books.supply[reserve.debt] * books.storage[reserve.slot + BORROW_INDEX]
    return deposits, debts, cash_of(books, reserve)


@kernel
def cash_of(books, reserve):
    """What of a reserve can be withdrawn or borrowed, token units."""
    return books.storage[reserve.slot + CASH]


@kernel
def pay_in(books, market, reserve, sender, amount):
    """Take an amount of a reserve's token in as cash. Returns whether the sender could pay."""
    if not transfer(books, sender, market.account, reserve.token, amount):
        return False
    cash = cash_of(books, reserve) + amount
    reserve.highest = max(reserve.highest, cash)
    return store(books, reserve.slot + CASH, cash)


@kernel
def pay_out(books, market, reserve, receiver, amount):
    """Pay an amount of a reserve's token out of its cash. Returns whether there was as much."""
    cash = cash_of(books, reserve)
    if not amount <= cash or not transfer(books, market.account, receiver, reserve.token, amount):
        return False
    return store(books, reserve.slot + CASH, cash - amount)


@kernel
def enrich(books, market, reserve, source, amount):
    """Pay an amount into a reserve for its depositors, who share it through their index.

    Without depositors it stays as a gift. Returns whether the source could pay.
    """
    slot = reserve.slot + SUPPLY_INDEX
    index = books.storage[slot]
    deposits = books.supply[reserve.receipt] * index
    if not deposits > 0.0:
        return transfer(books, source, market.account, reserve.token, amount)
    if not pay_in(books, market, reserve, source, amount):
        return False
    return store(books, slot, index * (1.0 + amount / deposits))


@kernel
def leak(books, market, reserve):
    """Gap in cash + debts = deposits, relative to the most that there ever was of them.

    Where nearly all was withdrawn or written off, what rounding left of the millions
    before is no leak of the pennies after. Cash that the account does not hold is a leak too.
    """
    deposits, debts, cash = totals(books, market, reserve)
    reserve.highest = max(reserve.highest, deposits, 1.0)
    lacking = max(cash - books.balances[market.account, reserve.token], 0.0)
    return max(abs(cash + debts - deposits), lacking) / reserve.highest


@kernel
def utilisation(books, market, reserve):
    """Debts over debts and cash, in [0, 1]; 0 for an empty reserve."""
    _, debts, cash = totals(books, market, reserve)
    return debts / (debts + cash) if debts > 0.0 else 0.0


@kernel
def isolated_by(books, market, reserves, account):
    """The isolated reserve that an account has borrowed against; -1: none."""
    if market.isolates:
        for r in range(market.first, market.first + market.size):
            if reserves[r].isolated and books.balances[account, reserves[r].mark] > 0.0:
                return r
    return -1


@kernel
def category_of(books, market, reserves, account):
    """The category of all that an account owes; -1: of none, or of several."""
    found = -1
    if market.sorted:
        for r in range(market.first, market.first + market.size):
            if books.balances[account, reserves[r].debt] > 0.0:
                category = reserves[r].category
                if category < 0 or found not in (-1, category):
                    return -1
                found = category
    return found


@kernel
def secures(reserves, r, isolation):
    """Whether deposits in a reserve secure debts, of an account that `isolation` holds for."""
    if isolation >= 0:
        return r == isolation
    return reserves[r].collateral == 1 and reserves[r].isolated == 0


@kernel
def terms_for(backing, owing):
    """(loan-to-value, threshold) of a reserve for who owes of another one alone."""
    if backing.category >= 0 and backing.category == owing.category:
        return backing.category_ltv, backing.category_threshold
    return backing.ltv, backing.threshold


@kernel
def bonus_of(books, market, reserves, r, account, elapsed):
    """Bonus for collateral of an account in a reserve, a share.

    Args:
        elapsed: Blocks since its liquidation became possible.
    """
    reserve = reserves[r]
    bonus = reserve.bonus
    if reserve.category >= 0 and category_of(books, market, reserves, account) == reserve.category:
        bonus = reserve.category_bonus
    if market.auction > 0:
        bonus *= min(elapsed / market.auction, 1.0)
    return bonus


@kernel
def standing(books, market, reserves, feeds, account):
    """An account's position in a market, at the oracle's prices.

    Returns:
        (collateral value, value it may be borrowed against, value at the
        liquidation thresholds, debt value), all in the numeraire.
    """
    collateral = borrowable = threshold = debt = 0.0
    isolation = isolated_by(books, market, reserves, account)
    category = category_of(books, market, reserves, account)
    for r in range(market.first, market.first + market.size):
        reserve = reserves[r]
        price = feeds[reserve.feed].price
        if reserve.collateral and (market.isolates == 0 or secures(reserves, r, isolation)):
            value = deposit_of(books, reserve, account) * price
            ltv, limit = reserve.ltv, reserve.threshold
            if category >= 0 and reserve.category == category:
                ltv, limit = reserve.category_ltv, reserve.category_threshold
            collateral += value
            borrowable += value * ltv
            threshold += value * limit
        debt += debt_of(books, reserve, account) * price
    return collateral, borrowable, threshold, debt


@kernel
def standing_at(books, market, reserves, values, account):
    """An account's position at the market's prices, whatever oracles say.

    Args:
        values: float64[tokens], numeraire per unit of each token.

    Returns:
        (value of the deposits that are collateral, debt value), in the numeraire.
    """
    collateral = debt = 0.0
    for r in range(market.first, market.first + market.size):
        reserve = reserves[r]
        if reserve.collateral:
            collateral += deposit_of(books, reserve, account) * values[reserve.token]
        debt += debt_of(books, reserve, account) * values[reserve.token]
    return collateral, debt


@kernel
def health(books, market, reserves, feeds, account):
    """Health factor of an account, of its `standing`; inf without debt."""
    _, _, threshold, debt = standing(books, market, reserves, feeds, account)
    return threshold / debt if debt > 0.0 else np.inf


@inner
def find_healths(books, market, reserves, feeds, accounts, found):
    """Health factors of several accounts, as `health` has them one by one.

    Reserve by reserve: what is asked of a reserve is asked once, and not for every account.

    Args:
        accounts: int64[n], rows.
        found: float64[n], where they are written.
    """
    if market.isolates or market.sorted:  # whose terms depend on what else it has and owes
        for i in range(accounts.size):
            found[i] = health(books, market, reserves, feeds, accounts[i])
        return
    debts = np.zeros(accounts.size)
    found[:] = 0.0
    for r in range(market.first, market.first + market.size):
        reserve = reserves[r]
        price, threshold = feeds[reserve.feed].price, reserve.threshold
        receipt, debt = reserve.receipt, reserve.debt
        supply_index = books.storage[reserve.slot + SUPPLY_INDEX]
        borrow_index = books.storage[reserve.slot + BORROW_INDEX]
        if reserve.collateral:
            for i in range(accounts.size):
                value = books.balances[accounts[i], receipt] * supply_index * price
                found[i] += value * threshold
        for i in range(accounts.size):
            debts[i] += books.balances[accounts[i], debt] * borrow_index * price
    for i in range(accounts.size):
        found[i] = found[i] / debts[i] if debts[i] > 0.0 else np.inf


@kernel
def reserve_at(market, reserves, token):
    """Index of a market's reserve of a token, -1 where it has none."""
    for r in range(market.first, market.first + market.size):
        if reserves[r].token == token:
            return r
    return -1


@kernel
def deposit(books, market, reserves, sender, token, amount):
    """Deposit tokens for receipts. Returns (reason, amount)."""
    r = reserve_at(market, reserves, token)
    if amount == ALL:
        amount = books.balances[sender, token]
    if r < 0 or not amount > 0.0:
        return Reason.INVALID, 0.0
    reserve = reserves[r]
    if reserve.frozen:
        return Reason.HALTED, 0.0
    index = books.storage[reserve.slot + SUPPLY_INDEX]
    if index <= 0.0:  # the depositors have lost everything
        return Reason.EMPTY_POOL, 0.0
    if books.supply[reserve.receipt] * index + amount > reserve.supply_cap:
        return Reason.CAP, 0.0
    if not pay_in(books, market, reserve, sender, amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not mint(books, sender, reserve.receipt, amount / index):
        return Reason.INVALID, 0.0
    return Reason.DONE, amount


@kernel
def withdraw(books, market, reserves, feeds, sender, token, amount):
    """Give receipts back for tokens, as far as there is cash and the debt stays covered.

    Returns:
        (reason, amount).
    """
    r = reserve_at(market, reserves, token)
    if r < 0:
        return Reason.INVALID, 0.0
    reserve = reserves[r]
    index = books.storage[reserve.slot + SUPPLY_INDEX]
    held = books.balances[sender, reserve.receipt]
    units = held if amount == ALL else amount / index
    if amount == ALL:
        amount = held * index
    if not amount > 0.0:
        return Reason.INVALID, 0.0
    cash = cash_of(books, reserve)
    if cash < amount <= cash * (1.0 + DUST):  # the last to leave: rounding asks for a grain more
        amount = cash
    if amount > cash:
        return Reason.NO_CASH, 0.0
    if not burn(books, sender, reserve.receipt, units):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not pay_out(books, market, reserve, sender, amount):
        return Reason.NO_CASH, 0.0
    if health(books, market, reserves, feeds, sender) < 1.0:
        return Reason.UNHEALTHY, 0.0
    return Reason.DONE, amount


@kernel
def borrow(books, market, reserves, feeds, sender, token, amount, least_health):
    """Borrow against deposits, up to their loan-to-value. Returns (reason, amount).

    Args:
        least_health: Health factor below which the sender does not want to end.
    """
    r = reserve_at(market, reserves, token)
    if r < 0 or not amount > 0.0:
        return Reason.INVALID, 0.0
    reserve = reserves[r]
    if not reserve.borrowable:
        return Reason.NOT_BORROWABLE, 0.0
    if reserve.frozen:
        return Reason.HALTED, 0.0
    isolation = -1
    if market.isolates:
        isolation = isolated_by(books, market, reserves, sender)
        if isolation < 0:
            isolation = _would_isolate(books, market, reserves, feeds, sender)
    if books.storage[reserve.slot + SUPPLY_INDEX] <= 0.0:  # nobody is left to lend it
        return Reason.EMPTY_POOL, 0.0
    _, debts, cash = totals(books, market, reserve)
    if amount > cash:
        return Reason.NO_CASH, 0.0
    if debts + amount > reserve.borrow_cap:
        return Reason.CAP, 0.0
    if not mint(books, sender, reserve.debt, amount / books.storage[reserve.slot + BORROW_INDEX]):
        return Reason.INVALID, 0.0
    if not pay_out(books, market, reserve, sender, amount):
        return Reason.NO_CASH, 0.0
    if isolation >= 0:
        if not reserve.in_isolation:
            return Reason.NOT_BORROWABLE, 0.0
        mark = reserves[isolation].mark
        if not mint(books, sender, mark, amount * feeds[reserve.feed].price):
            return Reason.INVALID, 0.0
        if books.supply[mark] > reserves[isolation].ceiling:
            return Reason.CAP, 0.0
    _, borrowable, threshold, debt = standing(books, market, reserves, feeds, sender)
    if debt > borrowable or threshold < least_health * debt:
        return Reason.UNHEALTHY, 0.0
    return Reason.DONE, amount


@kernel
def _would_isolate(books, market, reserves, feeds, account):
    """The isolated reserve that an account's first debt would be against; -1: it needs none.

    It is against other collateral where there is some that may be borrowed against.
    """
    found, most = -1, 0.0
    for r in range(market.first, market.first + market.size):
        reserve = reserves[r]
        if books.balances[account, reserve.debt] > 0.0:
            return -1
        if not reserve.collateral:
            continue
        power = deposit_of(books, reserve, account) * feeds[reserve.feed].price * reserve.ltv
        if reserve.isolated == 0 and power > 0.0:
            return -1
        if reserve.isolated and power > most:
            found, most = r, power
    return found


@kernel
def release(books, market, reserves, feeds, reserve, account, repaid):
    """Take what is repaid of a reserve off the ceiling that an account's debts count against."""
    isolation = isolated_by(books, market, reserves, account)
    if isolation < 0:
        return True
    mark = reserves[isolation].mark
    counted = books.balances[account, mark]
    owes = False
    for r in range(market.first, market.first + market.size):
        owes |= books.balances[account, reserves[r].debt] > 0.0
    if owes:  # who still owes stays in isolation, with a grain at least
        counted = min(repaid * feeds[reserve.feed].price, counted * (1.0 - 1e-9))
    return burn(books, account, mark, counted)


@kernel
def repay(books, market, reserves, feeds, sender, debtor, token, amount):
    """Repay a debt, the sender's or another's, at most all of it. Returns (reason, amount)."""
    r = reserve_at(market, reserves, token)
    if r < 0:
        return Reason.INVALID, 0.0
    reserve = reserves[r]
    owed = debt_of(books, reserve, debtor)
    if owed <= 0.0:
        return Reason.NO_DEBT, 0.0
    if amount == ALL:
        amount = min(owed, books.balances[sender, token])
    if not amount > 0.0:
        return Reason.INVALID, 0.0
    if amount >= owed:
        amount, units = owed, books.balances[debtor, reserve.debt]
    else:
        units = amount / books.storage[reserve.slot + BORROW_INDEX]
    if not pay_in(books, market, reserve, sender, amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not burn(books, debtor, reserve.debt, units):
        return Reason.INVALID, 0.0
    if market.isolates and not release(books, market, reserves, feeds, reserve, debtor, amount):
        return Reason.INVALID, 0.0
    return Reason.DONE, amount


@kernel
def flash_out(books, market, reserves, sender, token, amount):
    """Hand out cash that the same transaction has to bring back. Returns a reason."""
    r = reserve_at(market, reserves, token)
    if r < 0 or not amount > 0.0:
        return Reason.INVALID
    if not pay_out(books, market, reserves[r], sender, amount):
        return Reason.NO_CASH
    return Reason.DONE


@kernel
def flash_back(books, market, reserves, sender, token, amount):
    """Take a flash loan back with its fee, which the depositors share through their index.

    Returns:
        (reason, amount with the fee).
    """
    reserve = reserves[reserve_at(market, reserves, token)]
    fee = amount * market.flash_fee
    if not pay_in(books, market, reserve, sender, amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not enrich(books, market, reserve, sender, fee):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    return Reason.DONE, amount + fee


@kernel
def write_off(books, market, reserves, feeds, debtor, share):
    """Write off a share of what an account owes: all of it where it has no collateral left.

    The treasury's deposits bear it first, then all depositors through the index
    of their receipts.
    """
    for r in range(market.first, market.first + market.size):
        reserve = reserves[r]
        owed = debt_of(books, reserve, debtor) * share
        if owed <= 0.0:
            continue
        price = feeds[reserve.feed].price
        slot = reserve.slot
        index = books.storage[slot + SUPPLY_INDEX]
        burn(books, debtor, reserve.debt, books.balances[debtor, reserve.debt] * share)
        borne = min(owed, books.balances[market.treasury, reserve.receipt] * index)
        burn(books, market.treasury, reserve.receipt, borne / index)
        rest = owed - borne
        if rest > 0.0:
            deposits = books.supply[reserve.receipt] * index
            store(books, slot + SUPPLY_INDEX, index * max(1.0 - rest / deposits, 0.0))
        store(books, slot + BAD_DEBT, books.storage[slot + BAD_DEBT] + owed)
        lost = slot + WRITTEN_TO_DEPOSITORS
        store(books, lost, books.storage[lost] + rest)
        total = market.slot + BAD_DEBT_VALUE
        store(books, total, books.storage[total] + owed * price)
        total = market.slot + DEPOSITOR_LOSS_VALUE
        store(books, total, books.storage[total] + rest * price)
        if market.isolates:
            release(books, market, reserves, feeds, reserve, debtor, owed)


# Wide: the arguments of the call in Aave's contract, and the books.
@kernel
def liquidate(
    books,
    market,
    reserves,
    feeds,
    sender,
    borrower,
    debt_token,
    collateral_token,
    amount,
    minimum,
    elapsed,
):
    """Repay part of an unhealthy debt and seize collateral with a bonus.

    Args:
        amount: To repay, units of `debt_token`; more than may be repaid is cut.
        minimum: Least collateral to receive.
        elapsed: Blocks since it became possible.

    Returns:
        (reason, collateral received, debt repaid).
    """
    d = reserve_at(market, reserves, debt_token)
    c = reserve_at(market, reserves, collateral_token)
    if d < 0 or c < 0 or sender == borrower:
        return Reason.INVALID, 0.0, 0.0
    owing, backing = reserves[d], reserves[c]
    if not backing.collateral:
        return Reason.NOT_COLLATERAL, 0.0, 0.0
    if market.isolates:
        if not secures(reserves, c, isolated_by(books, market, reserves, borrower)):
            return Reason.NOT_COLLATERAL, 0.0, 0.0
    factor = health(books, market, reserves, feeds, borrower)
    if not factor < 1.0:
        return Reason.NOT_LIQUIDATABLE, 0.0, 0.0
    owed = debt_of(books, owing, borrower)
    held = deposit_of(books, backing, borrower)
    if owed <= 0.0 or held <= 0.0:
        return Reason.NO_DEBT, 0.0, 0.0
    if amount == ALL:
        amount = books.balances[sender, debt_token]
    if not amount > 0.0:
        return Reason.INVALID, 0.0, 0.0
    price_c, price_d = feeds[backing.feed].price, feeds[owing.feed].price
    rules = (market.close_factor, market.full_close_below, market.bonus_share)
    bonus = bonus_of(books, market, reserves, c, borrower, elapsed)
    repaid, seized, received = liquidation(
        held, price_c, owed, price_d, amount, bonus, factor, rules
    )
    if not received >= minimum:
        return Reason.LIMIT, 0.0, 0.0
    if received > cash_of(books, backing):
        return Reason.NO_CASH, 0.0, 0.0
    reason, repaid = repay(books, market, reserves, feeds, sender, borrower, debt_token, repaid)
    if reason != Reason.DONE:
        return reason, 0.0, 0.0
    index = books.storage[backing.slot + SUPPLY_INDEX]
    units = books.balances[borrower, backing.receipt] if seized >= held else seized / index
    # The protocol's part stays deposited, as receipts of the treasury.
    part = (seized - received) / index
    taken = seize(books, borrower, market.treasury, backing.receipt, part)
    taken = taken and burn(books, borrower, backing.receipt, max(units - part, 0.0))
    if not taken or not pay_out(books, market, backing, sender, received):
        return Reason.INVALID, 0.0, 0.0

    slot = market.slot
    value = repaid * price_d
    store(books, slot + LIQUIDATIONS, books.storage[slot + LIQUIDATIONS] + 1.0)
    store(books, slot + LIQUIDATED_VALUE, books.storage[slot + LIQUIDATED_VALUE] + value)
    store(books, owing.slot + LIQUIDATED, books.storage[owing.slot + LIQUIDATED] + repaid)
    store(books, backing.slot + SEIZED, books.storage[backing.slot + SEIZED] + seized)
    left, _, _, debt = standing(books, market, reserves, feeds, borrower)
    if left <= NOTHING and debt > 0.0:
        write_off(books, market, reserves, feeds, borrower, 1.0)
    return Reason.DONE, received, repaid


@kernel
def _take_gift(books, market, reserve):
    """Deposit for the treasury what the account holds beyond its cash."""
    held = books.balances[market.account, reserve.token]
    gift = held - cash_of(books, reserve)
    index = books.storage[reserve.slot + SUPPLY_INDEX]
    if gift > DUST * held and index > 0.0:
        books.storage[reserve.slot + CASH] += gift
        books.balances[market.treasury, reserve.receipt] += gift / index
        books.supply[reserve.receipt] += gift / index


@kernel
def _adapt(reserve, used, years):
    """Move the rate at the target by a block. Returns the mean rate of the block.

    The mean over the block is by the trapezoid rule with its middle, as in Morpho's contract.
    """
    distance = off_target(used, reserve.optimal)
    began = reserve.at_target
    middle = adapted(began, distance, reserve.adjustment, 0.5 * years)
    reserve.at_target = adapted(began, distance, reserve.adjustment, years)
    mean = 0.25 * (began + reserve.at_target + 2.0 * middle)
    return curved(mean, distance, reserve.steepness)


@kernel
def accrue(books, market, reserves, seconds):
    """Charge a block's interest at the rate of the block's end.

    Borrowers' index grows by R dt. Of the interest, the reserve factor goes to
    the treasury as new receipts and the rest into the depositors' index. What was given
    to the market's account goes to the treasury, too.
    """
    dt = seconds / INTEREST_YEAR
    for r in range(market.first, market.first + market.size):
        reserve = reserves[r]
        _take_gift(books, market, reserve)
        deposits, debts, cash = totals(books, market, reserve)
        rate = 0.0
        if reserve.adaptive:
            rate = _adapt(reserve, debts / (debts + cash) if debts > 0.0 else 0.0, dt)
        if debts <= 0.0:
            reserve.borrow_rate = rate if reserve.adaptive else reserve.base_rate
            reserve.supply_rate = 0.0
            continue
        slot = reserve.slot
        if books.storage[slot + SUPPLY_INDEX] <= 0.0:
            # The depositors have lost everything: there is nobody to owe interest to.
            reserve.borrow_rate = reserve.supply_rate = 0.0
            continue
        used = debts / (debts + cash)
        if not reserve.adaptive:
            rate = rate_at(reserve, used)
        reserve.borrow_rate = rate
        reserve.supply_rate = supply_rate(rate, used, reserve.reserve_factor)
        interest = debts * rate * dt
        books.storage[slot + BORROW_INDEX] *= 1.0 + rate * dt
        earned = interest * (1.0 - reserve.reserve_factor) if deposits > 0.0 else 0.0
        if earned > 0.0:
            books.storage[slot + SUPPLY_INDEX] *= 1.0 + earned / deposits
        units = (interest - earned) / books.storage[slot + SUPPLY_INDEX]
        books.balances[market.treasury, reserve.receipt] += units
        books.supply[reserve.receipt] += units


class LendingMarket(Handle):
    """A lending market as a person holds it, reading the arrays that the kernels write."""

    family = "lending"

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        record: npt.NDArray[np.void],
        reserves: npt.NDArray[np.void],
        feeds: npt.NDArray[np.void],
        debtors: npt.NDArray[np.int64],
        oracles: Sequence[str] = (),
    ) -> None:
        """Hold a market.

        Args:
            name: As in the scenario.
            ledger: The books.
            record: MARKET[1], a view of the market's record.
            reserves: RESERVE[n], of all markets.
            feeds: FEED[n], of all oracles.
            debtors: int64[accounts], rows of the accounts that may have debts.
            oracles: Names of the feeds in the exposure network; without them it tells of no
                exposure to them.
        """
        self.name = name
        self.account = int(record["account"][0])
        self._oracles = oracles
        self.ledger = ledger
        self.record = record
        self._all = reserves
        self._feeds = feeds
        self._debtors = debtors
        first = int(record["first"][0])
        mine = reserves[first : first + int(record["size"][0])]
        self._index = {ledger.tokens[int(r["token"])]: first + i for i, r in enumerate(mine)}

    def __repr__(self) -> str:
        return f"<LendingMarket {self.name}: {', '.join(self._index)}>"

    @property
    def label(self) -> str:
        """What it is, in words."""
        return "lending market"

    def exposures(self) -> Iterator[Exposure]:
        """It values collateral by oracles."""
        for token in self.tokens if self._oracles else ():
            reserve = self.reserve(token)
            feed = int(reserve["feed"])
            if reserve["collateral"]:
                worth = self.deposits(token) * float(self._feeds[feed]["price"])
                yield Exposure(self.name, self._oracles[feed], worth, "price")

    @property
    def tokens(self) -> tuple[str, ...]:
        """Names of the tokens that have a reserve."""
        return tuple(self._index)

    def reserve(self, token: str) -> np.void:
        """Record of a token's reserve, a live view.

        Raises:
            ValueError: If the market has no such reserve.
        """
        if token not in self._index:
            raise ValueError(f"{self.name} has reserves of {', '.join(self._index)}, not {token!r}")
        return self._all[self._index[token]]

    def _totals(self, token: str) -> tuple[float, float, float]:
        return totals(self.ledger.books, self.record[0], self.reserve(token))

    def supply_index(self, token: str) -> float:
        """What a receipt is worth in the token: it grows with interest."""
        return float(self.ledger.books.storage[int(self.reserve(token)["slot"]) + SUPPLY_INDEX])

    def deposits(self, token: str) -> float:
        """All deposits of a token with their interest, token units."""
        return self._totals(token)[0]

    def debts(self, token: str) -> float:
        """All debts of a token with their interest, token units."""
        return self._totals(token)[1]

    def cash(self, token: str) -> float:
        """What is there to be withdrawn or borrowed, token units."""
        return self._totals(token)[2]

    def utilisation(self, token: str) -> float:
        """Debts over debts and cash, in [0, 1]."""
        return float(utilisation(self.ledger.books, self.record[0], self.reserve(token)))

    def borrow_rate(self, token: str) -> float:
        """What borrowers pay at the present utilisation, per year."""
        return float(rate_at(self.reserve(token), self.utilisation(token)))

    def supply_rate(self, token: str) -> float:
        """What depositors earn at the present utilisation, per year."""
        factor = self.reserve(token)["reserve_factor"]
        return float(supply_rate(self.borrow_rate(token), self.utilisation(token), factor))

    def deposit_of(self, account: str | int, token: str) -> float:
        """An account's deposit with its interest, token units."""
        return float(
            deposit_of(self.ledger.books, self.reserve(token), self.ledger.account(account))
        )

    def debt_of(self, account: str | int, token: str) -> float:
        """An account's debt with its interest, token units."""
        return float(debt_of(self.ledger.books, self.reserve(token), self.ledger.account(account)))

    def health_factor(self, account: str | int) -> float:
        """Health factor of an account at the oracle's prices; inf without debt."""
        row = self.ledger.account(account)
        return float(health(self.ledger.books, self.record[0], self._all, self._feeds, row))

    def positions(self) -> pd.DataFrame:
        """All accounts with a debt, most endangered first.

        Returns:
            A row per account: account, collateral_value, threshold_value, debt_value
            (numeraire, at the oracle's prices), health_factor, loan_to_value.
        """
        rows = []
        for row in sorted(set(self._debtors[: int(self.record["debtors"][0])].tolist())):
            value, _, threshold, debt = standing(
                self.ledger.books, self.record[0], self._all, self._feeds, row
            )
            if debt > 0.0:
                name = self.ledger.accounts[row]
                ratio = debt / value if value > 0.0 else np.inf
                rows.append((name, value, threshold, debt, threshold / debt, ratio))
        columns = [
            "account",
            "collateral_value",
            "threshold_value",
            "debt_value",
            "health_factor",
            "loan_to_value",
        ]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.sort_values("health_factor", kind="stable", ignore_index=True)

    def write_down(self, values: npt.NDArray[np.float64]) -> bool:
        """Write off what debts exceed collateral by, of each account, at some prices."""
        found = False
        books, market = self.ledger.books, self.record[0]
        for row in self._debtors[: int(self.record["debtors"][0])].tolist():
            collateral, debt = standing_at(books, market, self._all, values, row)
            if debt > collateral:
                begin(books)
                write_off(books, market, self._all, self._feeds, row, 1.0 - collateral / debt)
                found = True
        return found

    def watch(self, debtors: npt.NDArray[np.int64]) -> None:
        """Read the list of debtors from another array, after the books have grown."""
        self._debtors = debtors

    def _total(self, slot: int) -> float:
        return float(self.ledger.books.storage[int(self.record["slot"][0]) + slot])

    @property
    def liquidations(self) -> int:
        """Liquidations since the start."""
        return int(self._total(LIQUIDATIONS))

    @property
    def liquidated_value(self) -> float:
        """Debt repaid by liquidations since the start, numeraire at the oracle's prices."""
        return self._total(LIQUIDATED_VALUE)

    @property
    def bad_debt(self) -> float:
        """Debt written off since the start, numeraire at the oracle's prices."""
        return self._total(BAD_DEBT_VALUE)

    @property
    def defaults(self) -> int:
        """Accounts closed since the start because their debts exceeded what secured them."""
        return int(self._total(DEFAULTS))

    def audit(self, tolerance: float = 1e-9) -> float:
        """Check cash + debts = deposits for each reserve.

        Returns:
            The largest gap relative to the most deposits that there ever were.

        Raises:
            LedgerError: If a gap exceeds the tolerance.
        """
        worst = 0.0
        for token in self._index:
            gap = float(leak(self.ledger.books, self.record[0], self.reserve(token)))
            if not gap <= tolerance:
                deposits, debts, cash = self._totals(token)
                raise LedgerError(
                    f"{self.name} {token}: cash {cash!r} + debts {debts!r} != deposits {deposits!r}"
                )
            worst = max(worst, gap)
        return worst


def reserve_names(market: str, tokens: Sequence[str]) -> list[tuple[str, str]]:
    """(receipt, debt) token names of a market's reserves, in order."""
    return [(f"{market}-{token}", f"{market}-{token}-debt") for token in tokens]


def mark_name(market: str, token: str) -> str:
    """Name of the token that counts debts against an isolated one."""
    return f"{market}-{token}-isolated"
