"""Soft liquidation: bands that convert collateral to the coin and back, little by little.

In the manner of crvUSD (Egorov, "Curve Stablecoin Design", 2022, and the contracts of LLAMMA and
its controller). Bands of prices are numbered downwards: band n is from
``p_up = base ((A - 1) / A)^n`` to ``p_down = p_up (A - 1) / A``. A loan's collateral lies in N of
them. Each holds x of the coin and y of the collateral, and trades with anybody on

    (x + f)(y + g) = p A^2 y0^2,   f = A y0 p^2 / p_up,   g = (A - 1) y0 p_up / p

at the oracle's price p, where y0 is the positive root of
``p A y0^2 - y0 (p_up (A - 1) x / p + p^2 A y / p_up) - x y = 0``. So a band's own price runs from
``p^3 / p_up^2`` when it is all collateral to ``p^3 / p_down^2`` when it is all coin: it moves three
times as far as the oracle's. When that falls through a band, whoever trades at the market's price
buys all of its collateral, and sells it back when it rises again, a little dearer each way: that
is what a soft liquidation costs its owner.

Health is what the bands would make of a loan's collateral if the price went down slowly, less a
discount, over the debt, less one. Below zero anybody may pay what the bands do not cover, and take
what is in them.

Departures: the fee on trades is all the bands'; the rate is set from the coin's price alone; what
borrowers owe in interest is minted to outside holders block by block.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from protocols import oracle
from protocols.interface import (
    ACCOUNTS,
    Call,
    Exposure,
    Fact,
    Look,
    Measure,
    Protocol,
    Rate,
    Settings,
    Table,
    Token,
    Value,
    add,
    cell,
    note_claim,
    read,
    record_of,
    register,
    write,
)
from protocols.pegs import price_in_pools
from sim.codes import Reason
from sim.compiled import inner, kernel
from sim.distribution import NotNegative
from sim.errors import ScenarioError
from sim.fields import Names, reach
from sim.ledger import DEBT, burn, mint, overflowed, transfer
from sim.names import HOLDERS
from sim.units import INTEREST_YEAR

BANDS = 800
"""Bands that there are."""
MOST_BANDS, LEAST_BANDS = 50, 4
"""Of a loan, as in crvUSD."""
X, Y, SHARES = range(3)
FIRST, COUNT, OWNER_AT, SHARE = range(4)
WIDTH = 3 + MOST_BANDS
"""Numbers of an account: its first band, how many it has, its place among owners, its shares."""


@kernel
def upper_price(base, amplification, band):
    """p_up of a band."""
    return base * ((amplification - 1.0) / amplification) ** band


@kernel
def root(x, y, price, p_up, amplification):
    """y0 of a band: what it holds if it is all collateral and the oracle says its upper price."""
    a = price * amplification
    b = p_up * (amplification - 1.0) * x / price + price * price / p_up * amplification * y
    return (b + math.sqrt(b * b + 4.0 * a * x * y)) / (2.0 * a)


@kernel
def virtual(y0, price, p_up, amplification):
    """(f, g) of a band."""
    f = amplification * y0 * price * price / p_up
    return f, (amplification - 1.0) * y0 * p_up / price


@kernel
def coin_in(x, y, price, p_up, amplification, amount):
    """Coins into a band, without a fee. Returns (taken, collateral out)."""
    y0 = root(x, y, price, p_up, amplification)
    f, g = virtual(y0, price, p_up, amplification)
    whole = (f + x) * (g + y)
    most = whole / g - f - x
    if amount >= most or not most > 0.0:
        return max(most, 0.0), y
    # y - (I / (f + x + in) - g), without the difference of large numbers.
    return amount, min((g + y) * amount / (f + x + amount), y)


@kernel
def collateral_in(x, y, price, p_up, amplification, amount):
    """Collateral into a band, without a fee. Returns (taken, coins out)."""
    y0 = root(x, y, price, p_up, amplification)
    f, g = virtual(y0, price, p_up, amplification)
    whole = (f + x) * (g + y)
    most = whole / f - g - y
    if amount >= most or not most > 0.0:
        return max(most, 0.0), x
    return amount, min((f + x) * amount / (g + y + amount), x)


@kernel
def band_down(x, y, price, p_up, amplification):
    """Coins that a band would be if the price went down through it slowly (`get_x_down`)."""
    p_down = p_up * (amplification - 1.0) / amplification
    middle = price * price / p_down * price / p_up
    if price > p_up:
        there = y if y > 0.0 else x / middle
        return there * math.sqrt(p_up * p_down)
    if price < p_down:
        return x if x > 0.0 else y * middle
    y0 = root(x, y, price, p_up, amplification)
    f, g = virtual(y0, price, p_up, amplification)
    whole = (f + x) * (g + y)
    y_then = max(math.sqrt(whole / price) - g, 0.0)
    x_then = max(whole / (g + y_then) - f, 0.0)
    return x_then + y_then * math.sqrt(p_down * price)


@kernel
def effective(collateral, bands, amplification, discount):
    """Collateral as it counts for a loan: times p_up of its first band, what may be borrowed.

    ``C (1 - d) / (N sqrt(A / (A - 1))) sum over k < N of ((A - 1) / A)^k`` (`get_y_effective`).
    """
    step = (amplification - 1.0) / amplification
    total = (1.0 - step**bands) / (1.0 - step)
    return collateral * (1.0 - discount) * math.sqrt(step) / bands * total


@inner
def band(w, me, n, field):
    """A number of a band."""
    return read(w, cell(me.bands_table, n, 3, field))


@inner
def _put(w, me, n, field, value):
    return write(w, cell(me.bands_table, n, 3, field), value)


@inner
def own(w, me, account, field):
    """A number of an account."""
    return read(w, cell(me.people, account, WIDTH, field))


@inner
def _set(w, me, account, field, value):
    return write(w, cell(me.people, account, WIDTH, field), value)


@inner
def price_of(w, me):
    """The collateral's price, numeraire; 0 where the oracle has none."""
    return oracle.price_now(w, me.oracle)


@inner
def debt_of(w, me, account):
    """What an account owes with its interest, coins."""
    return w.books.balances[account, me.debt] * read(w, me.index)


@inner
def holding(w, me, account):
    """(coins, collateral) of a loan, token units."""
    coins = collateral = 0.0
    first = int(own(w, me, account, FIRST))
    for k in range(int(own(w, me, account, COUNT))):
        shares = band(w, me, first + k, SHARES)
        if shares > 0.0:
            part = own(w, me, account, SHARE + k) / shares
            coins += band(w, me, first + k, X) * part
            collateral += band(w, me, first + k, Y) * part
    return coins, collateral


@inner
def health(w, me, account, price):
    """Health of a loan: below 0 anybody may liquidate it; inf without debt."""
    owed = debt_of(w, me, account)
    if not owed > 0.0:
        return np.inf
    worth = 0.0
    first = int(own(w, me, account, FIRST))
    for k in range(int(own(w, me, account, COUNT))):
        n = first + k
        shares = band(w, me, n, SHARES)
        if shares > 0.0:
            p_up = upper_price(read(w, me.base), me.amplification, n)
            x, y = band(w, me, n, X), band(w, me, n, Y)
            all_of_it = band_down(x, y, price, p_up, me.amplification)
            worth += all_of_it * own(w, me, account, SHARE + k) / shares
    return worth * (1.0 - me.liquidation_discount) / owed - 1.0


# Trading


# Long: one loop for both ways through the bands.
@inner
def _walk(w, me, price, buys, amount, does):
    """Trade through the bands from the active one on.

    Args:
        buys: Whether coins come in for collateral; else collateral for coins.
        amount: That comes in, with the fee.
        does: Whether to write what it does.

    Returns:
        (what could not be placed, what goes out, the last band).
    """
    n, left, out = int(read(w, me.active)), amount, 0.0
    last = n
    if buys:
        n = max(n, 0)
    step = 1 if buys else -1
    while left > 0.0 and 0 <= n < me.bands_table_rows:
        x, y = band(w, me, n, X), band(w, me, n, Y)
        if (y if buys else x) > 0.0:
            p_up = upper_price(read(w, me.base), me.amplification, n)
            net = left * (1.0 - me.fee)
            if buys:
                taken, given = coin_in(x, y, price, p_up, me.amplification, net)
            else:
                taken, given = collateral_in(x, y, price, p_up, me.amplification, net)
            gross = taken / (1.0 - me.fee) if taken < net else left
            if does:
                _put(w, me, n, X, x + gross if buys else max(x - given, 0.0))
                _put(w, me, n, Y, max(y - given, 0.0) if buys else y + gross)
            left, out, last = left - gross, out + given, n
            if taken >= net:
                break
        n += step
    return max(left, 0.0), out, last


@inner
def swap(w, me, call):
    """Buy collateral with coins, or coins with collateral, all or nothing."""
    price = price_of(w, me)
    buys = call.token_in == me.coin and call.token_out == me.collateral
    sells = call.token_in == me.collateral and call.token_out == me.coin
    if not (buys or sells) or not call.amount > 0.0 or price == 0.0:
        return Reason.INVALID, 0.0
    left, out, last = _walk(w, me, price, buys, call.amount, True)
    if left > 1e-12 * call.amount or not out > 0.0:
        return Reason.EMPTY_POOL, 0.0
    if not out >= call.limit:
        return Reason.LIMIT, 0.0
    write(w, me.active, last)
    add(w, me.coins_in if buys else me.coins_out, call.amount if buys else out)
    if not transfer(w.books, call.sender, me.account, call.token_in, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not transfer(w.books, me.account, call.sender, call.token_out, out):
        return Reason.INVALID, 0.0
    return (Reason.TOO_LONG if overflowed(w.books) else Reason.DONE), out


@inner
def would_swap(w, me, token_in, token_out, amount):
    """What `swap` gives; 0 where it cannot be done."""
    price = w.feeds[me.oracle].price
    buys = token_in == me.coin and token_out == me.collateral
    sells = token_in == me.collateral and token_out == me.coin
    if not (buys or sells) or not amount > 0.0 or not 0.0 < price < np.inf:
        return 0.0
    left, out, _ = _walk(w, me, price, buys, amount, False)
    return 0.0 if left > 1e-12 * amount else out


# Loans


@inner
def first_band(w, me, collateral, debt, price):
    """The first band of a loan, -1 where it may not owe as much (`_calculate_debt_n1`)."""
    counts = effective(collateral, float(me.bands), me.amplification, me.loan_discount)
    ratio = counts * read(w, me.base) / debt
    if not 1.0 <= ratio < np.inf:
        return -1
    steps = math.log(ratio) / math.log(me.amplification / (me.amplification - 1.0))
    n = np.int64(math.floor(steps))
    # It lies below the market, or the loan would be in liquidation from the start.
    if upper_price(read(w, me.base), me.amplification, n) >= price:
        return -1
    return n if n + me.bands <= me.bands_table_rows else me.bands_table_rows - me.bands


@inner
def _place(w, me, account, n, collateral):
    """Put collateral into the bands of a loan. Returns whether no coins were in the way."""
    active = int(read(w, me.active))
    while active >= n:
        if band(w, me, active, X) > 0.0:
            return False
        active -= 1
    write(w, me.active, active)
    each = collateral / me.bands
    _set(w, me, account, FIRST, n)
    _set(w, me, account, COUNT, me.bands)
    for k in range(me.bands):
        shares, there = band(w, me, n + k, SHARES), band(w, me, n + k, Y)
        if shares > 0.0 and not there > 0.0:
            return False
        mine = each * shares / there if shares > 0.0 else each
        _put(w, me, n + k, SHARES, shares + mine)
        _put(w, me, n + k, Y, there + each)
        _set(w, me, account, SHARE + k, mine)
    return True


@inner
def _take(w, me, account):
    """Take all of a loan out of its bands. Returns (coins, collateral)."""
    coins = collateral = 0.0
    first = int(own(w, me, account, FIRST))
    for k in range(int(own(w, me, account, COUNT))):
        n = first + k
        shares, mine = band(w, me, n, SHARES), own(w, me, account, SHARE + k)
        x, y = band(w, me, n, X), band(w, me, n, Y)
        part = 1.0 if mine >= shares * (1.0 - 1e-12) else mine / shares
        coins += x * part
        collateral += y * part
        _put(w, me, n, X, x * (1.0 - part))
        _put(w, me, n, Y, y * (1.0 - part))
        _put(w, me, n, SHARES, shares - mine if part < 1.0 else 0.0)
        _set(w, me, account, SHARE + k, 0.0)
    _set(w, me, account, COUNT, 0.0)
    return coins, collateral


@inner
def _join(w, me, account):
    n = read(w, me.owned)
    write(w, me.owners + int(n), account)
    _set(w, me, account, OWNER_AT, n + 1.0)
    write(w, me.owned, n + 1.0)


@inner
def _leave(w, me, account):
    at, last = own(w, me, account, OWNER_AT), read(w, me.owned)
    other = read(w, me.owners + int(last) - 1)
    write(w, me.owners + int(at) - 1, other)
    _set(w, me, int(other), OWNER_AT, at)
    _set(w, me, account, OWNER_AT, 0.0)
    write(w, me.owned, last - 1.0)


@inner
def borrow(w, me, call):
    """Borrow coins (`second`) against collateral (`amount`), or more against more."""
    books, price, account = w.books, price_of(w, me), call.sender
    if call.token_in != me.collateral or price == 0.0:
        return Reason.INVALID, 0.0
    if not (call.amount >= 0.0 and call.second >= 0.0 and call.amount + call.second > 0.0):
        return Reason.INVALID, 0.0
    collateral = call.amount
    if own(w, me, account, OWNER_AT) > 0.0:
        coins, there = _take(w, me, account)
        if coins > 0.0:
            return Reason.HALTED, 0.0  # in soft liquidation only debt is repaid
        collateral += there
    else:
        _join(w, me, account)
    owed = debt_of(w, me, account) + call.second
    if not collateral > 0.0 or not owed > 0.0:
        return Reason.INVALID, 0.0
    n = first_band(w, me, collateral, owed, price)
    if n < 0:
        return Reason.UNHEALTHY, 0.0
    if not _place(w, me, account, n, collateral):
        return Reason.HALTED, 0.0
    if not transfer(books, account, me.account, me.collateral, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    done = mint(books, account, me.debt, call.second / read(w, me.index))
    if not done or not mint(books, account, me.coin, call.second):
        return Reason.INVALID, 0.0
    if not health(w, me, account, price) >= max(call.limit, 0.0):
        return Reason.UNHEALTHY, 0.0
    return (Reason.TOO_LONG if overflowed(books) else Reason.DONE), call.second


@inner
def repay(w, me, call):
    """Repay a debt; who repays all of it gets what is in its bands."""
    books, price, account = w.books, price_of(w, me), call.sender
    owed = debt_of(w, me, account)
    if call.token_in != me.coin or not call.amount > 0.0 or price == 0.0:
        return Reason.INVALID, 0.0
    if not own(w, me, account, OWNER_AT) > 0.0 or not owed > 0.0:
        return Reason.NO_DEBT, 0.0
    paid = min(call.amount, owed)
    units = books.balances[account, me.debt]
    if paid < owed:
        units = paid / read(w, me.index)
    if not burn(books, account, me.coin, paid) or not burn(books, account, me.debt, units):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    call.amount = paid
    coins, collateral = holding(w, me, account)
    if paid >= owed:
        coins, collateral = _take(w, me, account)
        _leave(w, me, account)
        done = transfer(books, me.account, account, me.coin, coins)
        if not done or not transfer(books, me.account, account, me.collateral, collateral):
            return Reason.INVALID, 0.0
    elif not coins > 0.0:  # further from the market
        n = first_band(w, me, collateral, owed - paid, price)
        if n > own(w, me, account, FIRST):
            _, collateral = _take(w, me, account)
            if not _place(w, me, account, n, collateral):
                return Reason.HALTED, 0.0
    return (Reason.TOO_LONG if overflowed(books) else Reason.DONE), paid


@inner
def worst(w, me, price):
    """The loan with the least health, and that; (-1, inf) without any."""
    found, least = -1, np.inf
    for k in range(int(read(w, me.owned))):
        account = int(read(w, me.owners + k))
        now = health(w, me, account, price)
        if now < least:
            found, least = account, now
    return found, least


@inner
def liquidate(w, me, call):
    """Pay what a loan's bands do not cover, and take what is in them; -1: the worst loan."""
    books, price, account = w.books, price_of(w, me), call.counterparty
    if price == 0.0 or account >= books.balances.shape[0]:
        return Reason.INVALID, 0.0
    if account < 0:
        account, _ = worst(w, me, price)
    if account < 0 or not own(w, me, account, OWNER_AT) > 0.0:
        return Reason.NO_DEBT, 0.0
    if not health(w, me, account, price) < 0.0:
        return Reason.NOT_LIQUIDATABLE, 0.0
    owed = debt_of(w, me, account)
    coins, collateral = _take(w, me, account)
    _leave(w, me, account)
    if not collateral >= call.limit:
        return Reason.LIMIT, 0.0
    lacks = owed - coins
    done = burn(books, account, me.debt, books.balances[account, me.debt])
    if lacks > 0.0:
        if not burn(books, call.sender, me.coin, lacks):
            return Reason.INSUFFICIENT_BALANCE, 0.0
        done = done and burn(books, me.account, me.coin, coins)
    else:
        done = done and burn(books, me.account, me.coin, owed)
        done = done and transfer(books, me.account, call.sender, me.coin, -lacks)
    if not done or not transfer(books, me.account, call.sender, me.collateral, collateral):
        return Reason.INVALID, 0.0
    add(w, me.liquidated, owed)
    call.amount = max(lacks, 0.0)
    return (Reason.TOO_LONG if overflowed(books) else Reason.DONE), collateral


# Between blocks, values and measures


@inner
def rate_now(w, me):
    """Rate per year: r exp((1 - price of the coin) / sigma), at most a hundredfold."""
    gap = (1.0 - w.values[me.coin]) / me.sigma if w.values[me.coin] > 0.0 else 0.0
    return me.rate * math.exp(min(max(gap, -4.6), 4.6))


@inner
def accrue(w, me):
    """Charge a block's interest; outside holders get it as coins."""
    before = read(w, me.index)
    owed = w.books.supply[me.debt] * before
    more = rate_now(w, me) * w.rules[0].seconds / INTEREST_YEAR
    if owed > 0.0 and more > 0.0:
        write(w, me.index, before * (1.0 + more))
        mint(w.books, me.holders, me.coin, owed * more)


@inner
def claims(w, me):
    """Whose the collateral and coins in the bands are."""
    for k in range(int(read(w, me.owned))):
        account = int(read(w, me.owners + k))
        coins, collateral = holding(w, me, account)
        note_claim(w, account, me.coin, coins)
        note_claim(w, account, me.collateral, collateral)


@inner
def leak(w, me):
    """Gap between what it holds, its bands, and what they owe, relative to the most there was."""
    books, x, y, owed_x, owed_y = w.books, 0.0, 0.0, 0.0, 0.0
    for n in range(me.bands_table_rows):
        x += band(w, me, n, X)
        y += band(w, me, n, Y)
    for k in range(int(read(w, me.owned))):
        coins, collateral = holding(w, me, int(read(w, me.owners + k)))
        owed_x += coins
        owed_y += collateral
    of_collateral = max(books.most[me.collateral], books.supply[me.collateral], 1.0)
    of_coins = max(books.most[me.coin], books.supply[me.coin], 1.0)
    gap = max(abs(y - owed_y), y - books.balances[me.account, me.collateral]) / of_collateral
    coins = max(abs(x - owed_x), x - books.balances[me.account, me.coin])
    out = abs(books.supply[me.coin] - books.supply[me.debt] * read(w, me.index))
    return max(gap, max(coins, out) / of_coins)


@inner
def coin_price(w, me):
    """The coin's price in the pool that holds most of it; 1 without one."""
    return price_in_pools(w, me.coin, 1.0)


@inner
def deviation(w, me):
    """That, less one."""
    return price_in_pools(w, me.coin, 1.0) - 1.0


@inner
def debt_now(w, me):
    """What all owe with interest."""
    return w.books.supply[me.debt] * read(w, me.index)


@inner
def converted(w, me):
    """Share of what the bands hold that is coin, at the oracle's price."""
    x = y = 0.0
    for n in range(me.bands_table_rows):
        x += band(w, me, n, X)
        y += band(w, me, n, Y) * w.feeds[me.oracle].price
    return x / (x + y) if x + y > 0.0 else np.nan


@inner
def least_health(w, me):
    """Health of the worst loan; NaN without any."""
    least = worst(w, me, w.feeds[me.oracle].price)[1]
    return least if least < np.inf else np.nan


@inner
def own_price(w, me):
    """The active band's own price; NaN where it is empty."""
    n, price = int(read(w, me.active)), w.feeds[me.oracle].price
    if not 0 <= n < me.bands_table_rows:
        return np.nan
    x, y = band(w, me, n, X), band(w, me, n, Y)
    if not x + y > 0.0:
        return np.nan
    p_up = upper_price(read(w, me.base), me.amplification, n)
    f, g = virtual(root(x, y, price, p_up, me.amplification), price, p_up, me.amplification)
    return (f + x) / (g + y)


class SoftSettings(Settings):
    """A coin borrowed against collateral in bands; defaults follow crvUSD's markets."""

    collateral: str
    oracle: Annotated[str, Names("oracles")]
    amplification: Annotated[float, Field(ge=2.0, le=10_000.0)] = Field(
        100.0,
        description="A: the relative width of a band is 1 / A.",
        json_schema_extra=reach("bands", 20, 500),
    )
    bands: Annotated[int, Field(ge=LEAST_BANDS, le=MOST_BANDS)] = Field(
        10,
        description="Number of bands over which a loan is spread.",
        json_schema_extra=reach("bands", 4, 50),
    )
    fee: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.006,
        description="Fee on trades, paid to the bands, share.",
        json_schema_extra=reach("share", 0.0, 0.02),
    )
    loan_discount: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.09,
        description="Discount on collateral when a loan is opened, share.",
        json_schema_extra=reach("share", 0.02, 0.3),
    )
    liquidation_discount: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.06,
        description="Discount on collateral in the health of a loan, share.",
        json_schema_extra=reach("share", 0.01, 0.2),
    )
    rate: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.05,
        description="Interest rate when the coin trades at one, per year.",
        json_schema_extra=reach("per year", 0.0, 0.3),
    )
    sigma: Annotated[float, Field(ge=1e-4, le=1e6)] = Field(
        0.02, description="Fall of the coin's price that multiplies the rate by e."
    )
    headroom: Annotated[float, Field(ge=1.1, le=100.0)] = Field(
        4.0,
        description="Upper price of the first band over the collateral's initial price, multiple.",
    )
    start_ratio: Annotated[float, Field(ge=1.2, le=1000.0)] = Field(
        2.5,
        description="Collateral ratio of the outside holders' loan, which owes the initial supply "
        "that nobody else owes.",
        json_schema_extra=reach("ratio", 1.3, 5.0),
    )
    deposits: NotNegative = Field(
        0.0, description="Further coins held by outside holders at the start."
    )


@register("soft")
class Soft(Protocol):
    """A coin borrowed against collateral in soft-liquidation bands."""

    Settings = SoftSettings
    tokens = ("collateral",)
    issues = (
        Token("coin", Value(coin_price), held=True),
        Token("debt", Rate("coin", "index"), DEBT),
    )
    state: ClassVar[Mapping[str, str]] = {
        "index": "Coins of a unit of debt",
        "base": "Upper price of the first band, numeraire",
        "active": "The band where the bands' own price is",
        "owned": "Loans",
        "coins_in": "Coins that bought collateral since the start",
        "coins_out": "Coins sold for collateral since the start",
        "liquidated": "Debt of loans that were liquidated since the start, coins",
    }
    tables: ClassVar[Mapping[str, Table]] = {
        "bands_table": Table({"x": "Coins", "y": "Collateral", "shares": "Of all loans"}, BANDS),
        "people": Table(
            {"first": "Band", "count": "Bands", "owner_at": "Place among the owners, from 1"}
            | {f"share{k}": "In its k-th band" for k in range(MOST_BANDS)},
            ACCOUNTS,
        ),
        "owners": Table({"account": "Row"}, ACCOUNTS),
    }
    calls = (
        Call("borrow", borrow, gas=600_000.0, pays="collateral", gives="coin", cause="fees"),
        Call("repay", repay, gas=400_000.0, pays="coin", gives="collateral", cause="fees"),
        Call(
            "liquidate",
            liquidate,
            gas=500_000.0,
            pays="coin",
            gives="collateral",
            event="liquidation",
            cause="run",
        ),
        Call(
            "swap",
            swap,
            gas=250_000.0,
            pays="coin",
            gives="collateral",
            event="sale",
            cause="price_impact",
        ),
    )
    quote = would_swap
    trade = "swap"
    between_blocks = accrue
    claims = claims
    leak = leak
    measures = (
        Measure("price", "numeraire", "Price of the coin in its largest pool", coin_price),
        Measure("deviation", "share", "The coin's price less its face value", deviation),
        Measure("debt", "coins", "Total debt", debt_now),
        Measure("loans", "loans", "Number of loans", "owned"),
        Measure("converted", "share", "Share of the bands' value converted to the coin", converted),
        Measure("band_price", "numeraire", "Price of the active band", own_price),
        Measure("least_health", "share", "Health of the riskiest loan", least_health),
        Measure("rate", "per year", "Borrow rate", rate_now),
        Measure("coins_in", "coins, since the start", "Coins paid in for collateral", "coins_in"),
        Measure(
            "coins_out", "coins, since the start", "Coins paid out for collateral", "coins_out"
        ),
        Measure("liquidated", "coins, since the start", "Debt liquidated in full", "liquidated"),
    )
    charts: ClassVar[dict[str, Sequence[str]]] = {
        "The coin's price": ("price",),
        "Share of the bands converted to the coin": ("converted",),
    }
    card = (
        Fact("price of the coin", "price", reduction="largest"),
        Fact("bands converted to the coin", "converted", "share", reduction="largest"),
        Fact("lowest health", "least_health", "share", reduction="least"),
        Fact("liquidated", "liquidated"),
    )
    look = Look("soft", head="debt-backed coins", colour="#c0392b", distress="converted")

    def start(self) -> None:
        """Lay the bands around the oracle's price.

        Raises:
            ScenarioError: If the oracle prices something else than the collateral.
        """
        settings: Any = self.settings
        prices = self.market.setup.oracles[settings.oracle].token
        if prices != settings.collateral:
            text = f"prices {prices}, not {settings.collateral}; name one of that"
            raise ScenarioError([(f"protocols.{self.name}.oracle", text)])
        self.put("index", 1.0)
        self.put("active", -1.0)
        if settings.deposits > 0.0:
            self.market.ledger.mint(HOLDERS, self.token("coin"), settings.deposits)

    def _price(self) -> float:
        price = float(self.market.world.feeds[int(self.record[0]["oracle"])]["price"])
        if not 0.0 < price < math.inf:
            raise ValueError("its oracle does not price the collateral; choose one that does")
        if self.value("base") == 0.0:
            self.put("base", price * float(self.record[0]["headroom"]))
        return price

    def begin_loan(self, account: str | int, collateral: float, debt: float) -> None:
        """Have an account begin with a loan; what it has borrowed is with who has coins.

        Args:
            account: Row or name, without a loan.
            collateral: Token units, which come from outside.
            debt: Coins.

        Raises:
            ValueError: If so much cannot be borrowed against the collateral.
        """
        ledger, r, price = self.market.ledger, self.record[0], self._price()
        row, count, a = ledger.account(account), int(r["bands"]), float(r["amplification"])
        counts = effective(collateral, float(count), a, float(r["loan_discount"]))
        n = math.floor(math.log(counts * self.value("base") / debt) / math.log(a / (a - 1.0)))
        n = min(n, BANDS - count)
        if n < 0 or upper_price(self.value("base"), a, n) >= price:
            raise ValueError(
                f"{debt:.6g} coins cannot be borrowed against {collateral:.6g}; lower what is owed"
            )
        ledger.mint(self.name, self.token("collateral"), collateral)
        ledger.mint(row, self.token("debt"), debt)
        bands, people, owned = self.rows("bands_table"), self.rows("people"), self.value("owned")
        bands[n : n + count, [Y, SHARES]] += collateral / count
        people[row, [FIRST, COUNT, OWNER_AT]] = n, count, owned + 1.0
        people[row, SHARE : SHARE + count] = collateral / count
        self.rows("owners")[int(owned)] = row
        self.put("owned", owned + 1.0)
        lowest = self.value("active")
        self.put("active", n - 1.0 if owned == 0.0 else min(lowest, n - 1.0))

    def begun(self) -> None:
        """Have outside holders owe what is out and nobody owes, or hold what nobody else holds."""
        ledger, price = self.market.ledger, self._price()
        gap = ledger.supply(self.token("coin")) - ledger.supply(self.token("debt"))
        if gap > 0.0:
            ratio = float(self.record[0]["start_ratio"])
            self.begin_loan(HOLDERS, gap * ratio / price, gap)
        elif gap < 0.0:
            ledger.mint(HOLDERS, self.token("coin"), -gap)

    def exposures(self) -> Iterator[Exposure]:
        """It values collateral by an oracle."""
        settings: Any = self.settings
        feed = self.market.protocols[f"oracle:{settings.oracle}"]
        yield Exposure(self.name, feed.node, self.held("collateral") * feed.price, "price")

    def traded(self) -> dict[str, float]:
        """Its bands."""
        bands = self.rows("bands_table")
        return {
            self.token("coin"): float(bands[:, X].sum()),
            self.token("collateral"): float(bands[:, Y].sum()),
        }

    def loan(self, account: str | int) -> tuple[float, float, float]:
        """(coins, collateral, debt) of an account's loan, token units."""
        row = self.market.ledger.account(account)
        coins, collateral = _holding_told(self.market.world, self.record[0], row)
        owed = self.market.ledger.balance(row, self.token("debt")) * self.value("index")
        return float(coins), float(collateral), owed

    def health_of(self, account: str | int) -> float:
        """Health of an account's loan; inf without debt."""
        row = self.market.ledger.account(account)
        return float(_health_told(self.market.world, self.record[0], row))


@kernel
def _holding_told(w, me, account):
    """`holding`, for a script."""
    return holding(w, me, account)


@kernel
def _health_told(w, me, account):
    """`health` at the oracle's price, for a script."""
    return health(w, me, account, w.feeds[me.oracle].price)


SOFT = record_of(Soft)
"""Type of its record, for others' kernels."""
