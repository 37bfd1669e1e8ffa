"""Measures: what a row of the results says, and the kernel that fills it.

A measure is a small record (a code and what it is about), so that only what a
scenario keeps is computed. Names are dotted: ``pool.eth-usdc.imbalance``.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from protocols import amm, concentrated, lending
from protocols.pool import BONDING_CURVE, CONCENTRATED, COUNTERS
from sim import venue
from sim.codes import Reason
from sim.compiled import ask_protocol, inner, kernel
from sim.ledger import column_sums
from sim.world import MEASURE

if TYPE_CHECKING:
    from sim.market import Market


class Code(IntEnum):
    """What is measured; `a`, `b` and `c` of a measure's record say of what."""

    VENUE_PRICE = auto()
    VENUE_DEPTH = auto()
    VENUE_VOLATILITY = auto()
    ORACLE_PRICE = auto()
    POOL_PRICE = auto()
    POOL_MISPRICING = auto()
    POOL_IMBALANCE = auto()
    POOL_VALUE = auto()
    POOL_DEPTH = auto()
    POOL_SLIPPAGE = auto()
    POOL_VOLUME = auto()
    POOL_FEES = auto()
    POOL_IMPERMANENT_LOSS = auto()
    POOL_RETURN = auto()
    POOL_LVR = auto()
    POOL_FEE = auto()
    POOL_FEE_YIELD = auto()
    POOL_EFFICIENCY = auto()
    POOL_CONCENTRATION = auto()
    POOL_HALTS = auto()
    POOL_SHARE = auto()
    POOLS_PRICE = auto()
    POOLS_DISPERSION = auto()
    POOLS_MISPRICING = auto()
    POOLS_VALUE = auto()
    POOLS_VOLUME = auto()
    RESERVE_UTILISATION = auto()
    RESERVE_BORROW_RATE = auto()
    RESERVE_SUPPLY_RATE = auto()
    RESERVE_DEPOSITS = auto()
    RESERVE_DEBTS = auto()
    RESERVE_CASH = auto()
    RESERVE_WITHDRAWABLE = auto()
    MARKET_LIQUIDATIONS = auto()
    MARKET_LIQUIDATED = auto()
    MARKET_BAD_DEBT = auto()
    MARKET_DEPOSITOR_LOSS = auto()
    MARKET_DEBT = auto()
    MARKET_COLLATERAL = auto()
    MARKET_LEVERAGE = auto()
    MARKET_DEBTORS = auto()
    MARKET_HEALTH = auto()
    MARKET_ENDANGERED = auto()
    MARKET_SHORTFALL = auto()
    GAS_PRICE = auto()
    GAS_MEAN = auto()
    GAS_BASE_FEE = auto()
    GAS_USED = auto()
    GAS_WAITING = auto()
    TRANSACTIONS = auto()
    CLASS_WEALTH = auto()
    CLASS_LOSS = auto()
    CLASS_RESULT = auto()
    ACCOUNT_WEALTH = auto()
    ACCOUNT_LOSS = auto()
    ACCOUNT_RESULT = auto()
    CLASS_EXTRACTED = auto()
    CLASS_TRADED = auto()
    CLASS_SLIPPAGE = auto()
    FUND_CLAIMED = auto()
    FUND_PAID = auto()
    PROTOCOL_VALUE = auto()
    PROTOCOL_STATE = auto()
    PROTOCOL_ASKED = auto()


_CLASS_CODES = (Code.CLASS_WEALTH, Code.CLASS_LOSS, Code.CLASS_RESULT)

FALL = 0.10
"""Fall of all collateral prices at which debts count as endangered."""


@inner
def _pool_worth(w, pool):
    worth = 0.0
    for i in range(pool.size):
        worth += w.books.balances[pool.account, pool.tokens[i]] * w.values[pool.tokens[i]]
    return worth


@kernel
def value_tokens(w):
    """Value every token in the numeraire, at the venue's prices.

    A share is worth its part of the reserves, a receipt its deposit, a debt token
    what is owed, negatively. Several passes, so that pools may hold shares of pools that
    do, and a receipt be of shares.
    """
    w.values[:] = 0.0
    w.values[w.chain[0].numeraire] = 1.0
    for a in range(w.assets.size):
        w.values[w.assets[a].token] = venue.price_now(w.books, w.assets[a])
    for _ in range(3 if w.chain[0].nested else 2):
        for p in range(w.pools.size):
            pool = w.pools[p]
            supply = w.books.supply[pool.share]
            w.values[pool.share] = _pool_worth(w, pool) / supply if supply > 0.0 else 0.0
        for r in range(w.reserves.size):
            reserve = w.reserves[r]
            value = w.values[reserve.token]
            slot = reserve.slot
            w.values[reserve.receipt] = value * w.books.storage[slot + lending.SUPPLY_INDEX]
            w.values[reserve.debt] = -value * w.books.storage[slot + lending.BORROW_INDEX]
        for n in range(w.issues.size):
            issue = w.issues[n]
            w.values[issue.token] = issue.sign * _value_of_issue(w, issue)


@inner
def _value_of_issue(w, issue):
    """What a token that a protocol issues stands for, in the numeraire."""
    if issue.of >= 0:
        return w.values[issue.of] * w.books.storage[issue.slot]
    supply = w.books.supply[issue.token]
    price = _holdings_worth(w, issue.account, issue.token) / supply if supply > 0.0 else 0.0
    return price if price < np.inf else 0.0  # of so little of it that a unit's is no number


@inner
def _holdings_worth(w, account, without):
    """Value of what an account holds, but of one token (-1: of all)."""
    worth = 0.0
    for token in range(w.values.size):
        if token != without:
            worth += w.books.balances[account, token] * w.values[token]
    return worth


@kernel
def sum_classes(w):
    """Sum the holdings of each class of agents, and of all other accounts.

    Returns:
        Whether all balances are numbers that are not negative.
    """
    w.sums[:] = 0.0
    sound = True
    last = w.cohorts.size
    at = 0
    for c in range(last):  # cohorts lie in the order of their accounts
        cohort = w.cohorts[c]
        sound &= column_sums(w.books, at, cohort.first, w.sums[last])
        at = cohort.first + cohort.size
        sound &= column_sums(w.books, cohort.first, at, w.sums[c])
    sound &= column_sums(w.books, at, w.books.balances.shape[0], w.sums[last])
    return sound


@kernel
def sum_claims(w):
    """Sum what positions of concentrated liquidity hold, by the class of their owners.

    Rows as of `World.start`: cohorts, then special accounts, whose accounts are the first.
    """
    if w.chain[0].ranges == 0:
        return
    w.claims[:] = 0.0
    classes = w.cohorts.size
    special = w.claims.shape[0] - classes
    for p in range(w.pools.size):
        pool = w.pools[p]
        if pool.kind != CONCENTRATED:
            continue
        for n in range(concentrated.places(w.books, pool)):
            owner, first, second = concentrated.position_tokens(w.books, pool, n)
            row = -1
            if 0 <= owner < special:
                row = classes + owner
            else:
                for c in range(classes):
                    if w.cohorts[c].first <= owner < w.cohorts[c].first + w.cohorts[c].size:
                        row = c
            if row >= 0:
                w.claims[row, pool.tokens[0]] += first
                w.claims[row, pool.tokens[1]] += second


@kernel
def add_claims(w, account, holdings):
    """Add what an account's positions of concentrated liquidity hold to its holdings."""
    for p in range(w.pools.size):
        pool = w.pools[p]
        if pool.kind != CONCENTRATED:
            continue
        for n in range(concentrated.places(w.books, pool)):
            owner, first, second = concentrated.position_tokens(w.books, pool, n)
            if owner == account:
                holdings[pool.tokens[0]] += first
                holdings[pool.tokens[1]] += second


@inner
def settle_pools(w):
    """Value the swaps of the block just made, at the venue's prices of its start."""
    s = w.books.storage
    for p in range(w.pools.size):
        pool = w.pools[p]
        worth = 0.0
        for i in range(pool.size):
            slot = pool.slot + COUNTERS * i
            price = market_price(w, pool.tokens[i])
            worth += w.books.balances[pool.account, pool.tokens[i]] * price
            paid = s[slot] - pool.seen[i]
            if paid > 0.0:
                pool.volume += paid * price
                pool.markout += paid * price
                pool.seen[i] = s[slot]
            fee = s[slot + 1] - pool.seen_fees[i]
            if fee > 0.0:
                pool.fees += fee * price
                pool.seen_fees[i] = s[slot + 1]
            out = s[slot + 2] - pool.seen_out[i]
            if out > 0.0:
                pool.markout -= out * price
                pool.seen_out[i] = s[slot + 2]
        pool.value_sum += worth


@inner
def market_price(w, token):
    """Price of a base token at the start of the block; of another as last valued."""
    if token == w.chain[0].numeraire:
        return 1.0
    for a in range(w.assets.size):
        if w.assets[a].token == token:
            return w.assets[a].price
    return w.values[token]


@inner
def _pool_measure(w, pool, code, b, c):
    """One measure of a pool; `c` is a trade in the numeraire, or a fall; `b` a token's place."""
    last = pool.size - 1
    base = pool.tokens[0]
    price = amm.spot_price(w.books, pool, 0, last)
    if code == Code.POOL_PRICE:
        return price
    if code == Code.POOL_MISPRICING:
        return _mispricing(w, pool)
    if code == Code.POOL_IMBALANCE:
        return _imbalance(w, pool)
    if code == Code.POOL_VALUE:
        return _pool_worth(w, pool)
    if code == Code.POOL_DEPTH:  # base that must be sold for the spot price to fall
        return amm.depth(w.books, pool, c) * w.values[base]
    if code == Code.POOL_SLIPPAGE:
        if not (price > 0.0 and w.values[base] > 0.0):
            return np.nan
        amount = c / w.values[base]
        return 1.0 - amm.quote(w.books, pool, 0, last, amount) / (amount * price)
    if code == Code.POOL_VOLUME:
        return pool.volume
    if code == Code.POOL_FEES:
        return pool.fees
    if code == Code.POOL_IMPERMANENT_LOSS:
        return amm.impermanent_loss(w.books, pool, w.values)
    if code == Code.POOL_LVR:
        return pool.fees - pool.markout
    if code == Code.POOL_FEE:
        return pool.fee
    if code == Code.POOL_HALTS:
        return float(pool.halts)
    if code == Code.POOL_CONCENTRATION:
        return _herfindahl(w, pool)
    if code == Code.POOL_SHARE:
        worth = _pool_worth(w, pool)
        held = w.books.balances[pool.account, pool.tokens[b]] * w.values[pool.tokens[b]]
        return held / worth if worth > 0.0 else np.nan
    if code == Code.POOL_RETURN:
        if pool.kind == CONCENTRATED:
            return amm.range_result(w.books, pool, w.values, True)
        supply = w.books.supply[pool.share]
        held = 0.0
        for i in range(pool.size):
            held += pool.start[i] * w.values[pool.tokens[i]]
        return _pool_worth(w, pool) / supply / held - 1.0 if supply > 0.0 and held > 0.0 else np.nan
    days = w.chain[0].seconds / 86_400.0
    if code == Code.POOL_FEE_YIELD:
        return pool.fees / pool.value_sum / days * 365.25 if pool.value_sum > 0.0 else np.nan
    return pool.volume / pool.value_sum / days if pool.value_sum > 0.0 else np.nan  # efficiency


@inner
def _imbalance(w, pool):
    """Against the weights that the pool is made to have: even ones, but for weighted pools.

    Of two tokens with a sign, of more the spread between the most and the least held.
    """
    low, high, first = np.inf, -np.inf, 0.0
    for i in range(pool.size):
        token = pool.tokens[i]
        u = w.books.balances[pool.account, token] * w.values[token] / pool.weights[i]
        if i == 0:
            first = u
        low, high = min(low, u), max(high, u)
    if not high + low > 0.0 or pool.kind == BONDING_CURVE:
        return np.nan
    spread = (high - low) / (high + low)
    return -spread if pool.size == 2 and first < high else spread


@inner
def _mispricing(w, pool):
    """Price over the venue's less one; of more than two tokens the one furthest off."""
    last = pool.size - 1
    worst = 0.0
    if pool.kind == BONDING_CURVE:
        return np.nan
    for i in range(last):
        price = amm.spot_price(w.books, pool, i, last)
        off = price / (w.values[pool.tokens[i]] / w.values[pool.tokens[last]]) - 1.0
        if not abs(off) <= abs(worst):
            worst = off
    return worst


@inner
def _herfindahl(w, pool):
    """Sum of the squared shares of who provides: 1 if it is one, 1 / n of n alike."""
    total, squares = 0.0, 0.0
    if pool.kind == CONCENTRATED:
        held = np.zeros(w.books.balances.shape[0])
        for n in range(concentrated.places(w.books, pool)):
            owner, first, second = concentrated.position_tokens(w.books, pool, n)
            if owner >= 0:
                worth = first * w.values[pool.tokens[0]] + second * w.values[pool.tokens[1]]
                held[owner] += worth
        for account in range(held.size):
            total += held[account]
            squares += held[account] * held[account]
    else:
        for account in range(w.books.balances.shape[0]):
            shares = w.books.balances[account, pool.share]
            total += shares
            squares += shares * shares
    return squares / (total * total) if total > 0.0 else np.nan


@inner
def _pools_measure(w, code):
    """One measure over all pools that quote in the numeraire (values: over all)."""
    numeraire = w.chain[0].numeraire
    lowest, highest, total, gap, n = np.inf, -np.inf, 0.0, 0.0, 0
    for p in range(w.pools.size):
        pool = w.pools[p]
        if code == Code.POOLS_VALUE:
            total += _pool_worth(w, pool)
        elif code == Code.POOLS_VOLUME:
            total += pool.volume
        elif pool.size == 2 and pool.tokens[1] == numeraire and pool.kind != BONDING_CURVE:
            price = amm.spot_price(w.books, pool, 0, 1)
            lowest, highest = min(lowest, price), max(highest, price)
            gap = max(gap, abs(price / w.values[pool.tokens[0]] - 1.0))
            total += price
            n += 1
    if code == Code.POOLS_DISPERSION:
        return highest - lowest if n > 0 else np.nan
    if code == Code.POOLS_MISPRICING:
        return gap
    if code == Code.POOLS_PRICE:
        return total / n if n > 0 else np.nan
    return total


@inner
def _reserve_measure(w, reserve, code):
    deposits, debts, cash = lending.totals(w.books, w.markets[reserve.market], reserve)
    used = debts / (debts + cash) if debts > 0.0 else 0.0
    if code == Code.RESERVE_UTILISATION:
        return used
    if code == Code.RESERVE_DEPOSITS:
        return deposits
    if code == Code.RESERVE_DEBTS:
        return debts
    if code == Code.RESERVE_CASH:
        return cash
    if code == Code.RESERVE_WITHDRAWABLE:
        return min(cash / deposits, 1.0) if deposits > 0.0 else 1.0
    rate = lending.borrow_rate(
        used, reserve.base_rate, reserve.slope1, reserve.slope2, reserve.optimal
    )
    if code == Code.RESERVE_BORROW_RATE:
        return rate
    return lending.supply_rate(rate, used, reserve.reserve_factor)


@inner
def _positions_measure(w, m, code):
    """One measure over all positions of a lending market, at the oracle's prices."""
    market = w.markets[m]
    total = 0.0
    worth = 0.0
    owed = 0.0
    for i in range(market.debtors):
        collateral, _, threshold, debt = lending.standing(
            w.books, market, w.reserves, w.feeds, w.debtors[m, i]
        )
        worth += collateral
        owed += debt
        if code == Code.MARKET_SHORTFALL:
            total += max(debt - collateral, 0.0)
        elif code == Code.MARKET_ENDANGERED:
            total += debt if debt > 0.0 and threshold * (1.0 - FALL) < debt else 0.0
        elif code == Code.MARKET_DEBTORS:
            total += debt > 0.0
    if code == Code.MARKET_DEBT:
        return owed
    if code == Code.MARKET_COLLATERAL:
        return worth
    if code == Code.MARKET_LEVERAGE:
        return worth / (worth - owed) if worth > owed else np.nan
    return total


@inner
def _health_quantile(w, m, share):
    """Quantile of the health factors of a market's debtors as of this block; NaN without any.

    Linear between order statistics, as NumPy's default.
    """
    n = w.markets[m].debtors
    count = 0
    for i in range(n):
        factor = lending.health(w.books, w.markets[m], w.reserves, w.feeds, w.debtors[m, i])
        if factor < np.inf:
            w.scratch[count] = factor
            count += 1
    if count == 0:
        return np.nan
    if share == 0.0:
        return w.scratch[:count].min()
    w.scratch[:count].sort()
    at = share * (count - 1)
    low = math.floor(at)
    high = min(low + 1, count - 1)
    return w.scratch[low] + (at - low) * (w.scratch[high] - w.scratch[low])


@kernel
def worth_of(holdings, values):
    """Value of some holdings, summed in the tokens' order: one that is nil changes no bit."""
    total = 0.0
    for token in range(values.size):
        total += holdings[token] * values[token]
    return total


@inner
def _holdings_measure(w, holdings, row, kind):
    """Wealth (0), loss since the start (1) or result against holding (2) of some holdings."""
    now = worth_of(holdings, w.values)
    if w.chain[0].ranges > 0:
        now += worth_of(w.claims[row], w.values)
    if kind == 0:
        return now
    if kind == 1:
        return w.start_worth[row] - now
    return now - worth_of(w.start[row], w.values)


@kernel
def measure(w, block):
    """Write a row of measures."""
    value_tokens(w)
    sum_claims(w)
    chain = w.chain[0]
    row = w.table[w.rows[0]]
    w.rows[0] += 1
    row[0] = block
    summed = False
    for i in range(1, w.measures.size):
        code, a, b, c = w.measures[i].code, w.measures[i].a, w.measures[i].b, w.measures[i].c
        value = np.nan
        if code >= Code.PROTOCOL_VALUE:
            if code == Code.PROTOCOL_VALUE:
                value = _holdings_worth(w, a, -1)
            elif code == Code.PROTOCOL_STATE:
                value = w.books.storage[a]
            else:
                value = ask_protocol(a, w, w.protocols[b].record)
        elif code <= Code.VENUE_VOLATILITY:
            asset = w.assets[a]
            if code == Code.VENUE_PRICE:
                value = w.values[asset.token]
            elif code == Code.VENUE_DEPTH:
                value = asset.units * venue.ONE_PER_CENT * asset.price
            else:
                value = math.sqrt(asset.seen_variance * venue.YEAR / chain.seconds)
        elif code == Code.ORACLE_PRICE:
            value = w.feeds[a].price
        elif code <= Code.POOL_SHARE:
            value = _pool_measure(w, w.pools[a], code, b, c)
        elif code <= Code.POOLS_VOLUME:
            value = _pools_measure(w, code)
        elif code <= Code.RESERVE_WITHDRAWABLE:
            value = _reserve_measure(w, w.reserves[a], code)
        elif code <= Code.MARKET_DEPOSITOR_LOSS:
            value = w.books.storage[w.markets[a].slot + code - Code.MARKET_LIQUIDATIONS]
        elif code == Code.MARKET_HEALTH:
            value = _health_quantile(w, a, c)
        elif code <= Code.MARKET_SHORTFALL:
            value = _positions_measure(w, a, code)
        elif code == Code.GAS_PRICE:
            value = chain.gas_price
        elif code == Code.GAS_MEAN:
            value = chain.mean_gas_price
        elif code == Code.GAS_BASE_FEE:
            value = chain.base_fee
        elif code == Code.GAS_USED:
            value = chain.gas_used
        elif code == Code.GAS_WAITING:
            value = float(chain.waiting)
        elif code == Code.TRANSACTIONS:
            value = float(w.tally[:, a].sum())
        elif code <= Code.CLASS_RESULT or code == Code.CLASS_EXTRACTED:
            if w.cohorts[a].size <= 256:  # few accounts: no need to sum all of them
                w.sums[a] = 0.0
                first = w.cohorts[a].first
                column_sums(w.books, first, first + w.cohorts[a].size, w.sums[a])
            elif not summed:
                sum_classes(w)
                summed = True
            if code == Code.CLASS_EXTRACTED:
                value = _holdings_measure(w, w.sums[a], a, 2) + w.cohorts[a].gas_spent
            else:
                value = _holdings_measure(w, w.sums[a], a, code - Code.CLASS_WEALTH)
        elif code == Code.CLASS_TRADED:
            value = w.cohorts[a].traded
        elif code == Code.CLASS_SLIPPAGE:
            value = w.cohorts[a].paid / w.cohorts[a].traded if w.cohorts[a].traded > 0.0 else np.nan
        elif code >= Code.FUND_CLAIMED:
            value = 0.0
            for n in range(w.funds.size):
                if w.funds[n].account == a:
                    claimed = code == Code.FUND_CLAIMED
                    value += w.funds[n].claimed if claimed else w.funds[n].paid
        else:
            value = _holdings_measure(w, w.books.balances[a], b, code - Code.ACCOUNT_WEALTH)
        row[i] = value


@dataclass(frozen=True)
class Measure:
    """A measure with its name.

    Attributes:
        name: Dotted, as in the results.
        code: What is measured.
        a: Index of what it is of (an account, a slot, the address of a kernel).
        b: Row of a special account among the starts.
        c: A number: a quantile, a trade's size.
        unit: Of the value.
    """

    name: str
    code: Code
    a: int = 0
    b: int = 0
    c: float = 0.0
    unit: str = ""


_POOL_MEASURES = (
    ("price", Code.POOL_PRICE, "quote per base"),
    ("mispricing", Code.POOL_MISPRICING, "share"),
    ("imbalance", Code.POOL_IMBALANCE, "share"),
    ("value", Code.POOL_VALUE, "numeraire"),
    ("volume", Code.POOL_VOLUME, "numeraire, since the start"),
    ("fees", Code.POOL_FEES, "numeraire, since the start"),
    ("impermanent_loss", Code.POOL_IMPERMANENT_LOSS, "share"),
    ("provider_return", Code.POOL_RETURN, "share, against holding"),
    ("loss_versus_rebalancing", Code.POOL_LVR, "numeraire, since the start"),
    ("fee", Code.POOL_FEE, "share"),
    ("fee_yield", Code.POOL_FEE_YIELD, "per year, since the start"),
    ("efficiency", Code.POOL_EFFICIENCY, "volume over value locked, per day, since the start"),
    ("halts", Code.POOL_HALTS, "since the start"),
    ("concentration", Code.POOL_CONCENTRATION, "Herfindahl index of providers"),
)
DEPTHS = (("depth", 0.01), ("depth_2", 0.02), ("depth_5", 0.05), ("depth_10", 0.10))
"""Falls of the price whose sale is measured."""
SIZES = (("slippage", 1.0), ("slippage_10x", 10.0), ("slippage_100x", 100.0))
"""Multiples of the standard trade whose slippage is measured."""
COSTLY = frozenset({Code.POOL_CONCENTRATION})
"""Measures that look at every account: kept only where a pattern other than * asks for them."""
_POOLS_MEASURES = (
    ("price", Code.POOLS_PRICE, "numeraire"),
    ("dispersion", Code.POOLS_DISPERSION, "numeraire"),
    ("mispricing", Code.POOLS_MISPRICING, "share"),
    ("value", Code.POOLS_VALUE, "numeraire"),
    ("volume", Code.POOLS_VOLUME, "numeraire, since the start"),
)
_RESERVE_MEASURES = (
    ("utilisation", Code.RESERVE_UTILISATION, "share"),
    ("borrow_rate", Code.RESERVE_BORROW_RATE, "per year"),
    ("supply_rate", Code.RESERVE_SUPPLY_RATE, "per year"),
    ("deposits", Code.RESERVE_DEPOSITS, "token units"),
    ("debts", Code.RESERVE_DEBTS, "token units"),
    ("cash", Code.RESERVE_CASH, "token units"),
    ("withdrawable", Code.RESERVE_WITHDRAWABLE, "share of deposits"),
)
_MARKET_MEASURES = (
    ("liquidations", Code.MARKET_LIQUIDATIONS, "since the start"),
    ("liquidated", Code.MARKET_LIQUIDATED, "numeraire, since the start"),
    ("bad_debt", Code.MARKET_BAD_DEBT, "numeraire, since the start"),
    ("depositor_loss", Code.MARKET_DEPOSITOR_LOSS, "numeraire, since the start"),
    ("debt", Code.MARKET_DEBT, "numeraire"),
    ("collateral", Code.MARKET_COLLATERAL, "numeraire"),
    ("leverage", Code.MARKET_LEVERAGE, "collateral over equity"),
    ("debtors", Code.MARKET_DEBTORS, "accounts"),
    ("endangered", Code.MARKET_ENDANGERED, "numeraire of debt, at -10 %"),
    ("shortfall", Code.MARKET_SHORTFALL, "numeraire"),
)
_GAS_MEASURES = (
    ("price", Code.GAS_PRICE, "gwei"),
    ("mean", Code.GAS_MEAN, "gwei"),
    ("base_fee", Code.GAS_BASE_FEE, "gwei"),
    ("used", Code.GAS_USED, "share of the limit"),
    ("waiting", Code.GAS_WAITING, "calls"),
)
QUANTILES = (("min", 0.0), ("q05", 0.05), ("q25", 0.25), ("median", 0.5))
CLASSES = (
    ("wealth", Code.CLASS_WEALTH, Code.ACCOUNT_WEALTH),
    ("loss", Code.CLASS_LOSS, Code.ACCOUNT_LOSS),
    ("result", Code.CLASS_RESULT, Code.ACCOUNT_RESULT),
)


def catalogue(market: Market, trade_size: float) -> list[Measure]:
    """Every measure that a market has, in the order of the results' columns."""
    found = []
    for a, name in enumerate(market.venue.names):
        found += [
            Measure(f"venue.{name}.price", Code.VENUE_PRICE, a, unit="numeraire"),
            Measure(f"venue.{name}.depth", Code.VENUE_DEPTH, a, unit="numeraire"),
            Measure(f"venue.{name}.volatility", Code.VENUE_VOLATILITY, a, unit="per root year"),
        ]
    for f, name in enumerate(market.oracles):
        found.append(Measure(f"oracle.{name}.price", Code.ORACLE_PRICE, f, unit="numeraire"))
    for p, name in enumerate(market.pools):
        for what, code, unit in _POOL_MEASURES:
            found.append(Measure(f"pool.{name}.{what}", code, p, unit=unit))
        for what, fall in DEPTHS:
            full, unit = f"pool.{name}.{what}", f"numeraire, for a fall of {fall:.0%}"
            found.append(Measure(full, Code.POOL_DEPTH, p, c=fall, unit=unit))
        for what, times in SIZES:
            full = f"pool.{name}.{what}"
            unit = f"share, of {times:g} x `measures.trade_size`"
            found.append(Measure(full, Code.POOL_SLIPPAGE, p, c=trade_size * times, unit=unit))
        pool = market.pools[name]
        if len(pool.tokens) > 2:
            for i, token in enumerate(pool.tokens):
                full = f"pool.{name}.{token}.share"
                found.append(Measure(full, Code.POOL_SHARE, p, i, unit="share of its value"))
    if market.pools:
        found += [Measure(f"pools.{what}", code, unit=unit) for what, code, unit in _POOLS_MEASURES]
    r = 0
    for m, (name, lender) in enumerate(market.lending.items()):
        for token in lender.tokens:
            for what, code, unit in _RESERVE_MEASURES:
                found.append(Measure(f"lending.{name}.{token}.{what}", code, r, unit=unit))
            r += 1
        for what, code, unit in _MARKET_MEASURES:
            found.append(Measure(f"lending.{name}.{what}", code, m, unit=unit))
        for what, share in QUANTILES:
            full = f"lending.{name}.health_{what}"
            found.append(Measure(full, Code.MARKET_HEALTH, m, c=share, unit="health factor"))
    for protocol in market.declared:
        found += protocol.measured()
    found += [Measure(f"gas.{what}", code, unit=unit) for what, code, unit in _GAS_MEASURES]
    for reason in Reason:
        full = f"transactions.{reason.name.lower()}"
        found.append(Measure(full, Code.TRANSACTIONS, int(reason), unit="since the start"))
    for name in market.setup.insurance:
        fund = market.ledger.account(name)
        for what, code in (("claimed", Code.FUND_CLAIMED), ("paid", Code.FUND_PAID)):
            unit = "numeraire, since the start"
            found.append(Measure(f"insurance.{name}.{what}", code, fund, unit=unit))
    for c, (name, cohort) in enumerate(market.cohorts.items()):
        if cohort.behaviour.searcher:
            unit = "numeraire before gas, since the start"
            found.append(Measure(f"extracted.{name}", Code.CLASS_EXTRACTED, c, unit=unit))
    for c, name in enumerate(market.cohorts):
        unit = "numeraire swapped in pools, since the start"
        found.append(Measure(f"traded.{name}", Code.CLASS_TRADED, c, unit=unit))
        unit = "share of what it swapped, at the venue's prices, since the start"
        found.append(Measure(f"slippage.{name}", Code.CLASS_SLIPPAGE, c, unit=unit))
    for what, of_class, of_account in CLASSES:
        for c, name in enumerate(market.cohorts):
            found.append(Measure(f"{what}.{name}", of_class, c, unit="numeraire"))
        for row, name in enumerate(market.special_accounts, start=len(market.cohorts)):
            account = market.ledger.account(name)
            found.append(Measure(f"{what}.{name}", of_account, account, row, unit="numeraire"))
    return found


def matching(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """The names that match one of the patterns (`*` and `?` as in file names), in order."""
    wanted = list(patterns)
    return [n for n in names if any(fnmatch.fnmatchcase(n, p) for p in wanted)]


def chosen(measures: Sequence[Measure], patterns: Iterable[str]) -> list[Measure]:
    """The measures whose names match one of the patterns."""
    given = list(patterns)
    wanted = set(matching((m.name for m in measures), given))
    asked = set(matching((m.name for m in measures), [p for p in given if p != "*"]))
    return [m for m in measures if m.name in (asked if m.code in COSTLY else wanted)]


def records(measures: Sequence[Measure]) -> npt.NDArray[np.void]:
    """MEASURE[n + 1], as the kernel takes them; the first is the block's number."""
    table = np.zeros(len(measures) + 1, MEASURE)
    for i, m in enumerate(measures, start=1):
        table[i] = (m.code, m.a, m.b, m.c)
    return table
