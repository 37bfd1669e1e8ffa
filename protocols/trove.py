"""Troves: a coin that anybody borrows against one collateral, redeemed at its face value.

Liquity's first version (its white paper "Liquity: Decentralized Borrowing Protocol" of 2021, and
its contracts). An owner locks collateral C and owes D of the coin; its ratio is C p / D at the
oracle's price p. Where that falls below the minimum (110 %) anybody may liquidate:

- The stability pool goes first: what is owed is burnt out of its deposits, which take the
  collateral. A deposit d of a moment with the product P0 and the sum S0 is ``d P / P0`` now and
  has gained ``d (S - S0) / P0`` of collateral. Each liquidation of debt q and collateral e, while
  D is in the pool, does ``S += e P / D`` and ``P *= (D - q) / D`` ("Scalable Reward Distribution
  with Compounding Stakes", Pardalis, Lauko 2021). A pool that is emptied begins a new epoch; a
  product below 1e-9 is multiplied by 1e9 in a new scale. Here both are eras, numbered together.
- What is left goes to all other troves, in proportion to their stakes: per unit of stake,
  `l_collateral` and `l_debt` rise. A stake is the collateral, corrected by what liquidations before
  have added to all (``C stakes / collateral`` as of the last one), so it needs no update then.
- Who liquidates gets the coins that each trove sets aside for it, and 0.5 % of the collateral.

Below 150 % in total, recovery mode: nobody may weaken the system, loans bear no fee, troves below
the total can be liquidated up to the minimum ratio, and one below 100 % is shared among all.

Anybody may hand in coins for collateral worth their face value, out of the riskiest troves first,
less a fee of 0.5 % and a base rate. That rises by half of the part of the supply that is redeemed,
decays with a half-life of 12 hours, and is in the fee for a loan, too.

Departures: time is continuous where the contracts count whole minutes; what is left of a trove
that is closed by others is paid to its owner at once, who would have to fetch it there; fees go to
outside holders, as to stakers there. What is shared among troves is theirs when it is shared, and
written to each as the block ends at the latest.
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
from sim.fields import Names, Share, reach
from sim.ledger import DEBT, begin, burn, mint, overflowed, seize, transfer
from sim.names import HOLDERS

COLLATERAL, STAKE, SEEN_COLLATERAL, SEEN_DEBT, OWNER_AT = range(5)
DEPOSIT, PRODUCT, SUM, ERA, GAIN, SAVER_AT = range(5, 11)
WIDTH = 11
"""Numbers of an account: of its trove, and of its deposit in the stability pool."""
ERA_SUM, FOLLOWS = range(2)
ERAS = 64
"""Eras that deposits may lie back; between blocks older ones are brought up to date."""
SCALE = 1e-9
"""Product below which a new scale begins, by so much."""
EMPTY = 1e-9
"""Coins in the stability pool that count as none."""
HOUR = 3600.0


@kernel
def decayed(base_rate, hours, half_life):
    """Base rate after a time without redemptions: b 2^(-t / half-life)."""
    return base_rate * math.exp2(-hours / half_life)


@kernel
def raised(base_rate, redeemed, supply, divisor):
    """Base rate after a redemption: b + redeemed / supply / divisor, at most 1.

    Args:
        base_rate: b, after its decay.
        redeemed: Coins.
        supply: Coins that were owed before.
        divisor: 2 in Liquity: half of the part that is redeemed.
    """
    return min(base_rate + redeemed / supply / divisor, 1.0)


@kernel
def ratio_of(collateral, price, debt):
    """Collateral ratio; inf without debt."""
    return collateral * price / debt if debt > 0.0 else np.inf


@inner
def own(w, me, account, field):
    """A number of an account."""
    return read(w, cell(me.people, account, WIDTH, field))


@inner
def put(w, me, account, field, value):
    """Write a number of an account."""
    return write(w, cell(me.people, account, WIDTH, field), value)


@inner
def price_of(w, me):
    """The collateral's price, numeraire; 0 where the oracle has none."""
    return oracle.price_now(w, me.oracle)


@inner
def total_ratio(w, me, price):
    """Collateral ratio of all troves together."""
    return ratio_of(read(w, me.locked), price, w.books.supply[me.debt])


@inner
def base_rate_now(w, me):
    """The base rate as it has decayed until now."""
    blocks = w.chain[0].block - read(w, me.since)
    return decayed(read(w, me.base_rate), blocks * w.rules[0].seconds / HOUR, me.half_life)


@inner
def loan_fee(w, me, price):
    """Fee on what is drawn now, a share; none in recovery mode."""
    if total_ratio(w, me, price) < me.critical_ratio:
        return 0.0
    return min(me.fee + base_rate_now(w, me), me.most_fee)


@inner
def standing(w, me, account):
    """(collateral, debt) of a trove with what was shared with it, token units."""
    stake = own(w, me, account, STAKE)
    more = stake * (read(w, me.l_collateral) - own(w, me, account, SEEN_COLLATERAL))
    owed = stake * (read(w, me.l_debt) - own(w, me, account, SEEN_DEBT))
    return (
        own(w, me, account, COLLATERAL) + more,
        w.books.balances[account, me.debt] + owed,
    )


@inner
def trove_ratio(w, me, account, price):
    """Collateral ratio of a trove with what was shared with it."""
    collateral, debt = standing(w, me, account)
    return ratio_of(collateral, price, debt)


@inner
def _settle(w, me, account):
    """Write to a trove what was shared with it."""
    collateral, debt = standing(w, me, account)
    more = debt - w.books.balances[account, me.debt]
    put(w, me, account, SEEN_COLLATERAL, read(w, me.l_collateral))
    put(w, me, account, SEEN_DEBT, read(w, me.l_debt))
    put(w, me, account, COLLATERAL, collateral)
    if more > 0.0:  # the protocol keeps what is shared until it is somebody's
        there = w.books.balances[me.account, me.debt]
        seize(w.books, me.account, account, me.debt, min(more, there))


@inner
def _stake_anew(w, me, account):
    """Set a trove's stake by its collateral."""
    collateral = own(w, me, account, COLLATERAL)
    stakes, behind = read(w, me.stakes_then), read(w, me.collateral_then)
    if stakes > 0.0 and behind > 0.0:
        collateral *= stakes / behind
    put(w, me, account, STAKE, collateral)


@inner
def _join(w, me, account):
    """List a new owner, who has seen what was shared until now."""
    n = read(w, me.owned)
    write(w, me.owners + int(n), account)
    put(w, me, account, OWNER_AT, n + 1.0)
    put(w, me, account, SEEN_COLLATERAL, read(w, me.l_collateral))
    put(w, me, account, SEEN_DEBT, read(w, me.l_debt))
    write(w, me.owned, n + 1.0)


@inner
def _leave(w, me, account):
    """Take an owner off the list; the last takes its place."""
    at, last = own(w, me, account, OWNER_AT), read(w, me.owned)
    other = read(w, me.owners + int(last) - 1)
    write(w, me.owners + int(at) - 1, other)
    put(w, me, int(other), OWNER_AT, at)
    for field in (COLLATERAL, STAKE, OWNER_AT):
        put(w, me, account, field, 0.0)
    write(w, me.owned, last - 1.0)


@inner
def riskiest(w, me, price, floor):
    """The trove with the lowest ratio that is no lower than `floor`; (-1, inf) without any."""
    found, lowest = -1, np.inf
    for n in range(int(read(w, me.owned))):
        account = int(read(w, me.owners + n))
        ratio = trove_ratio(w, me, account, price)
        if floor <= ratio < lowest:
            found, lowest = account, ratio
    return found, lowest


@inner
def open_trove(w, me, call):
    """Lock collateral (`amount`) and draw coins (`second`); the limit is the least ratio then."""
    books, price = w.books, price_of(w, me)
    if call.token_in != me.collateral or price == 0.0 or own(w, me, call.sender, OWNER_AT) > 0.0:
        return Reason.INVALID, 0.0
    if not (call.amount > 0.0 and call.second >= 0.0):
        return Reason.INVALID, 0.0
    rate = loan_fee(w, me, price)
    fee = call.second * rate
    debt = call.second + fee + me.reserve
    if not debt > 0.0 or call.second + fee < me.least_debt:
        return Reason.INVALID, 0.0
    ratio, total = ratio_of(call.amount, price, debt), total_ratio(w, me, price)
    after = ratio_of(read(w, me.locked) + call.amount, price, books.supply[me.debt] + debt)
    if not ratio >= max(me.minimum_ratio, call.limit):
        return Reason.UNHEALTHY, 0.0
    if total < me.critical_ratio:
        if not ratio >= me.critical_ratio:
            return Reason.UNHEALTHY, 0.0
    elif not after >= me.critical_ratio:
        return Reason.CAP, 0.0
    if not transfer(books, call.sender, me.account, me.collateral, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    add(w, me.locked, call.amount)
    _join(w, me, call.sender)
    put(w, me, call.sender, COLLATERAL, call.amount)
    _stake_anew(w, me, call.sender)
    if not (_lend(w, me, call.sender, call.second, fee) and _set_aside(w, me, call.sender)):
        return Reason.INVALID, 0.0
    return (Reason.TOO_LONG if overflowed(books) else Reason.DONE), call.second


@inner
def _lend(w, me, account, amount, fee):
    """Give coins, and note the debt with its fee, which goes to stakers."""
    books = w.books
    rate = base_rate_now(w, me)
    write(w, me.base_rate, rate)
    write(w, me.since, w.chain[0].block)
    add(w, me.fees, fee)
    done = mint(books, account, me.debt, amount + fee) and mint(books, account, me.coin, amount)
    return done and mint(books, me.holders, me.coin, fee)


@inner
def _set_aside(w, me, account):
    """Have a trove set coins aside for who may liquidate it."""
    done = mint(w.books, account, me.debt, me.reserve)
    return done and mint(w.books, me.account, me.coin, me.reserve)


# Long: one check for all that an owner may change, as in Liquity's adjustTrove.
@inner
def _adjust(w, me, call, collateral, coins):
    """Change a trove by collateral and coins: above 0 put in and drawn, below taken and repaid.

    Returns:
        (reason, amount).
    """
    books, price, account = w.books, price_of(w, me), call.sender
    if price == 0.0:
        return Reason.INVALID, 0.0
    if not own(w, me, account, OWNER_AT) > 0.0:
        return Reason.NO_DEBT, 0.0
    _settle(w, me, account)
    held, owed = own(w, me, account, COLLATERAL), books.balances[account, me.debt]
    if coins < 0.0:  # the last of it is repaid by closing the trove
        most = owed - me.reserve - me.least_debt
        if not most > 0.0:
            return Reason.CAP, 0.0
        coins = -min(-coins, most)
    if not -collateral <= held:
        return Reason.INSUFFICIENT_BALANCE, 0.0
    before, total = ratio_of(held, price, owed), total_ratio(w, me, price)
    fee = loan_fee(w, me, price) * max(coins, 0.0)
    ratio = ratio_of(held + collateral, price, owed + coins + fee)
    after = ratio_of(read(w, me.locked) + collateral, price, books.supply[me.debt] + coins + fee)
    if not ratio >= call.limit:
        return Reason.UNHEALTHY, 0.0
    if total < me.critical_ratio:
        if collateral < 0.0:
            return Reason.HALTED, 0.0
        if coins > 0.0 and not (ratio >= me.critical_ratio and ratio >= before):
            return Reason.UNHEALTHY, 0.0
    elif not ratio >= me.minimum_ratio:
        return Reason.UNHEALTHY, 0.0
    elif not after >= me.critical_ratio:
        return Reason.CAP, 0.0
    done = True
    if collateral > 0.0:
        done = transfer(books, account, me.account, me.collateral, collateral)
    elif collateral < 0.0:
        done = transfer(books, me.account, account, me.collateral, -collateral)
    if coins > 0.0:
        done = _lend(w, me, account, coins, fee)
    elif coins < 0.0:
        done = burn(books, account, me.coin, -coins) and burn(books, account, me.debt, -coins)
    if not done:
        return Reason.INSUFFICIENT_BALANCE, 0.0
    put(w, me, account, COLLATERAL, held + collateral)
    add(w, me.locked, collateral)
    _stake_anew(w, me, account)
    reason = Reason.TOO_LONG if overflowed(books) else Reason.DONE
    return reason, abs(collateral) + abs(coins)


@inner
def put_in(w, me, call):
    """Lock more collateral."""
    if call.token_in != me.collateral or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    reason, amount = _adjust(w, me, call, call.amount, 0.0)
    return reason, amount


@inner
def take_out(w, me, call):
    """Take collateral out; the limit is the least ratio then."""
    if call.token_in != me.collateral or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    reason, amount = _adjust(w, me, call, -call.amount, 0.0)
    return reason, amount


@inner
def draw(w, me, call):
    """Borrow more coins; the limit is the least ratio then."""
    if call.token_in != me.coin or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    reason, amount = _adjust(w, me, call, 0.0, call.amount)
    return reason, amount


@inner
def repay(w, me, call):
    """Pay coins back, but for the least debt that a trove must have."""
    if call.token_in != me.coin or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    reason, amount = _adjust(w, me, call, 0.0, -call.amount)
    if reason == Reason.DONE:
        call.amount = amount
    return reason, amount


@inner
def close(w, me, call):
    """Pay all back and take all collateral out. Gives the collateral."""
    books, price, account = w.books, price_of(w, me), call.sender
    if call.token_in != me.coin or price == 0.0:
        return Reason.INVALID, 0.0
    if not own(w, me, account, OWNER_AT) > 0.0:
        return Reason.NO_DEBT, 0.0
    _settle(w, me, account)
    held, owed = own(w, me, account, COLLATERAL), books.balances[account, me.debt]
    if read(w, me.owned) < 2.0 or total_ratio(w, me, price) < me.critical_ratio:
        return Reason.HALTED, 0.0
    left, debt = read(w, me.locked) - held, books.supply[me.debt] - owed
    if not ratio_of(left, price, debt) >= me.critical_ratio:
        return Reason.CAP, 0.0
    if not held >= call.limit:
        return Reason.LIMIT, 0.0
    paid = max(owed - me.reserve, 0.0)
    if call.amount < paid or not burn(books, account, me.coin, paid):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not _end(w, me, account, owed, held):
        return Reason.INVALID, 0.0
    call.amount = paid
    return (Reason.TOO_LONG if overflowed(books) else Reason.DONE), held


@inner
def _end(w, me, account, owed, rest):
    """Strike a trove out whose debt but for its reserve is paid; the rest goes to its owner."""
    books = w.books
    aside = min(me.reserve, owed)
    add(w, me.locked, -own(w, me, account, COLLATERAL))
    _leave(w, me, account)
    done = burn(books, account, me.debt, owed) and burn(books, me.account, me.coin, aside)
    return done and transfer(books, me.account, account, me.collateral, rest)


# Redemption


# Long: the loop over troves, with what is known after it.
@inner
def redeem(w, me, call):
    """Hand coins in for collateral worth their face value, out of the riskiest troves."""
    books, price = w.books, price_of(w, me)
    if call.token_in != me.coin or not call.amount > 0.0 or price == 0.0:
        return Reason.INVALID, 0.0
    if w.chain[0].block <= me.closed_until or total_ratio(w, me, price) < me.minimum_ratio:
        return Reason.HALTED, 0.0
    if not books.balances[call.sender, me.coin] >= call.amount:
        return Reason.INSUFFICIENT_BALANCE, 0.0
    supply, left, drawn = books.supply[me.debt], call.amount, 0.0
    for _ in range(me.most_redeemed):
        account, _ = riskiest(w, me, price, me.minimum_ratio)
        if account < 0 or not left > 0.0:
            break
        _settle(w, me, account)
        held, owed = own(w, me, account, COLLATERAL), books.balances[account, me.debt]
        most = owed - me.reserve
        part = min(left, most)
        given = min(part / price, held)
        if part >= most:
            if read(w, me.owned) < 2.0 or not _end(w, me, account, owed, held - given):
                break
        elif most - part < me.least_debt or not burn(books, account, me.debt, part):
            break
        else:
            put(w, me, account, COLLATERAL, held - given)
            add(w, me.locked, -given)
            _stake_anew(w, me, account)
        left -= part
        drawn += given
    redeemed = call.amount - left
    if not redeemed > 0.0:
        return Reason.NO_DEBT, 0.0
    rate = raised(base_rate_now(w, me), redeemed, supply, me.divisor)
    write(w, me.base_rate, rate)
    write(w, me.since, w.chain[0].block)
    add(w, me.redeemed, redeemed)
    fee = drawn * min(me.fee + rate, 1.0)
    if not drawn - fee >= call.limit:
        return Reason.LIMIT, 0.0
    paid = burn(books, call.sender, me.coin, redeemed)
    paid = paid and transfer(books, me.account, call.sender, me.collateral, drawn - fee)
    if not paid or not transfer(books, me.account, me.holders, me.collateral, fee):
        return Reason.INVALID, 0.0
    call.amount = redeemed
    return (Reason.TOO_LONG if overflowed(books) else Reason.DONE), drawn - fee


@inner
def would_redeem(w, me, token_in, token_out, amount):
    """What coins would give: collateral of their face value, less the fee."""
    price = w.feeds[me.oracle].price
    if token_in != me.coin or token_out != me.collateral or not price > 0.0:
        return 0.0
    supply, blocked = w.books.supply[me.debt], w.chain[0].block <= me.closed_until
    if blocked or not amount < supply or total_ratio(w, me, price) < me.minimum_ratio:
        return 0.0
    rate = raised(base_rate_now(w, me), amount, supply, me.divisor)
    return amount / price * max(1.0 - me.fee - rate, 0.0)


# Liquidation


@inner
def can_be_liquidated(w, me, ratio, debt, price):
    """Whether a trove of a ratio and debt can be liquidated now."""
    if read(w, me.owned) < 2.0:
        return False
    if ratio < me.minimum_ratio:
        return True
    total = total_ratio(w, me, price)
    return total < me.critical_ratio and ratio < total and read(w, me.stability) >= debt


# Long: what is seized is divided step by step.
@inner
def liquidate(w, me, call):
    """Liquidate a trove: the counterparty's, or the riskiest. Gives collateral, and its reserve."""
    books, price = w.books, price_of(w, me)
    account = call.counterparty
    if price == 0.0 or account >= books.balances.shape[0]:
        return Reason.INVALID, 0.0
    if account < 0:
        account, _ = riskiest(w, me, price, 0.0)
    if account < 0 or not own(w, me, account, OWNER_AT) > 0.0:
        return Reason.NO_DEBT, 0.0
    _settle(w, me, account)
    held, owed = own(w, me, account, COLLATERAL), books.balances[account, me.debt]
    ratio, total = ratio_of(held, price, owed), total_ratio(w, me, price)
    if not owed > 0.0 or not can_be_liquidated(w, me, ratio, owed, price):
        return Reason.NOT_LIQUIDATABLE, 0.0
    there = read(w, me.stability)
    offset = min(there, owed) if there > EMPTY else 0.0
    seized = held
    if ratio >= me.minimum_ratio:  # recovery mode: its owner keeps what is above the minimum
        seized = min(owed * me.minimum_ratio / price, held)
    elif total < me.critical_ratio and ratio <= 1.0:
        offset = 0.0
    part = seized * me.gas_share
    if not part >= call.limit:
        return Reason.LIMIT, 0.0
    add(w, me.locked, -held)
    _leave(w, me, account)
    aside = min(me.reserve, owed)
    done = transfer(books, me.account, call.sender, me.collateral, part)
    done = done and transfer(books, me.account, call.sender, me.coin, aside)
    done = done and transfer(books, me.account, account, me.collateral, held - seized)
    done = done and burn(books, account, me.debt, offset)
    rest = books.balances[account, me.debt]
    done = done and seize(books, account, me.account, me.debt, rest)
    to_pool = (seized - part) * (offset / owed)
    if not done or not _offset(w, me, offset, to_pool):
        return Reason.INVALID, 0.0
    if not _share_out(w, me, seized - part - to_pool, rest):
        return Reason.INVALID, 0.0
    add(w, me.liquidations, 1.0)
    add(w, me.liquidated, owed)
    return (Reason.TOO_LONG if overflowed(books) else Reason.DONE), part


@inner
def _offset(w, me, debt, collateral):
    """Burn debt out of the stability pool, whose depositors take collateral for it."""
    if not debt > 0.0:
        return True
    there, product, era = read(w, me.stability), read(w, me.product), int(read(w, me.era))
    add(w, cell(me.eras, era, 2, ERA_SUM), collateral * product / there)
    left = there - debt
    product *= left / there
    if not left > EMPTY or product < SCALE:
        if era + 1 >= me.eras_rows:
            return False
        follows = left > EMPTY
        write(w, cell(me.eras, era + 1, 2, ERA_SUM), 0.0)
        write(w, cell(me.eras, era + 1, 2, FOLLOWS), 1.0 if follows else 0.0)
        write(w, me.era, era + 1)
        product = product / SCALE if follows else 1.0
        left = left if follows else 0.0
    write(w, me.product, product)
    write(w, me.stability, left)
    add(w, me.gains, collateral)
    add(w, me.absorbed, debt)
    return burn(w.books, me.account, me.coin, debt)


@inner
def _share_out(w, me, collateral, debt):
    """Share collateral and debt among all troves that are left, by their stakes."""
    stakes = 0.0
    for n in range(int(read(w, me.owned))):
        stakes += own(w, me, int(read(w, me.owners + n)), STAKE)
    if debt > 0.0:
        if not stakes > 0.0:
            return False
        add(w, me.l_collateral, collateral / stakes)
        add(w, me.l_debt, debt / stakes)
        add(w, me.locked, collateral)
        add(w, me.shared, debt)
    write(w, me.stakes_then, stakes)
    write(w, me.collateral_then, read(w, me.locked))
    return True


# The stability pool


@inner
def deposit_of(w, me, account):
    """(coins, collateral gained) of a deposit in the stability pool, token units."""
    deposit = own(w, me, account, DEPOSIT)
    gain = own(w, me, account, GAIN)
    if not deposit > 0.0:
        return 0.0, gain
    began, era = int(own(w, me, account, ERA)), int(read(w, me.era))
    per_unit = read(w, cell(me.eras, began, 2, ERA_SUM)) - own(w, me, account, SUM)
    follows = False
    if era > began:
        follows = read(w, cell(me.eras, began + 1, 2, FOLLOWS)) > 0.0
        if follows:
            per_unit += read(w, cell(me.eras, began + 1, 2, ERA_SUM)) * SCALE
    product = own(w, me, account, PRODUCT)
    gain += deposit * per_unit / product
    if era == began:
        return deposit * read(w, me.product) / product, gain
    if era == began + 1 and follows:
        return deposit * read(w, me.product) * SCALE / product, gain
    return 0.0, gain


@kernel
def _deposit_told(w, me, account):
    """`deposit_of`, for a script."""
    return deposit_of(w, me, account)


@inner
def _settle_deposit(w, me, account):
    """Bring a deposit up to date. Returns it and what it has gained."""
    coins, gain = deposit_of(w, me, account)
    era = int(read(w, me.era))
    put(w, me, account, DEPOSIT, coins)
    put(w, me, account, GAIN, gain)
    put(w, me, account, PRODUCT, read(w, me.product))
    put(w, me, account, SUM, read(w, cell(me.eras, era, 2, ERA_SUM)))
    put(w, me, account, ERA, era)
    return coins, gain


@inner
def _pay_gain(w, me, account, gain):
    """Pay a depositor the collateral that it has gained."""
    paid = min(gain, read(w, me.gains), w.books.balances[me.account, me.collateral])
    put(w, me, account, GAIN, 0.0)
    add(w, me.gains, -paid)
    return transfer(w.books, me.account, account, me.collateral, paid)


@inner
def provide(w, me, call):
    """Deposit coins in the stability pool; pays out the collateral gained until now."""
    account = call.sender
    if call.token_in != me.coin or not call.amount > 0.0:
        return Reason.INVALID, 0.0
    coins, gain = _settle_deposit(w, me, account)
    if not transfer(w.books, account, me.account, me.coin, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if own(w, me, account, SAVER_AT) == 0.0:
        n = read(w, me.saved)
        write(w, me.savers + int(n), account)
        put(w, me, account, SAVER_AT, n + 1.0)
        write(w, me.saved, n + 1.0)
    put(w, me, account, DEPOSIT, coins + call.amount)
    add(w, me.stability, call.amount)
    if not _pay_gain(w, me, account, gain):
        return Reason.INVALID, 0.0
    return (Reason.TOO_LONG if overflowed(w.books) else Reason.DONE), call.amount


@inner
def leave(w, me, call):
    """Take coins out of the stability pool (none: collateral alone), and what was gained."""
    account, price = call.sender, price_of(w, me)
    at = own(w, me, account, SAVER_AT)
    if call.token_in != me.coin or not call.amount >= 0.0 or at == 0.0:
        return Reason.INVALID, 0.0
    if call.amount > 0.0:  # nobody leaves ahead of a loss that all can see
        worst, _ = riskiest(w, me, price, 0.0)
        if worst >= 0 and trove_ratio(w, me, worst, price) < me.minimum_ratio:
            return Reason.HALTED, 0.0
    coins, gain = _settle_deposit(w, me, account)
    out = min(call.amount, coins, read(w, me.stability))
    put(w, me, account, DEPOSIT, coins - out)
    add(w, me.stability, -out)
    if not transfer(w.books, me.account, account, me.coin, out):
        return Reason.INVALID, 0.0
    if not _pay_gain(w, me, account, gain):
        return Reason.INVALID, 0.0
    if coins - out <= 0.0:
        last = read(w, me.saved)
        other = read(w, me.savers + int(last) - 1)
        write(w, me.savers + int(at) - 1, other)
        put(w, me, int(other), SAVER_AT, at)
        put(w, me, account, SAVER_AT, 0.0)
        write(w, me.saved, last - 1.0)
    call.amount = out
    return (Reason.TOO_LONG if overflowed(w.books) else Reason.DONE), out


# Between blocks


@inner
def settle_all(w, me):
    """Write to troves what was shared, and to deposits of old eras what is left of them."""
    if read(w, me.l_debt) > 0.0 or read(w, me.l_collateral) > 0.0:
        for n in range(int(read(w, me.owned))):
            begin(w.books)
            account = int(read(w, me.owners + n))
            _settle(w, me, account)
            put(w, me, account, SEEN_COLLATERAL, 0.0)
            put(w, me, account, SEEN_DEBT, 0.0)
        begin(w.books)
        write(w, me.l_collateral, 0.0)
        write(w, me.l_debt, 0.0)
    era = int(read(w, me.era))
    if era >= me.eras_rows // 2:
        for n in range(int(read(w, me.saved))):
            begin(w.books)
            account = int(read(w, me.savers + n))
            _settle_deposit(w, me, account)
            put(w, me, account, ERA, 0.0)
        begin(w.books)
        write(w, me.eras, read(w, cell(me.eras, era, 2, ERA_SUM)))
        write(w, me.era, 0.0)


@inner
def claims(w, me):
    """Whose the collateral and the stability pool's coins are."""
    for n in range(int(read(w, me.owned))):
        account = int(read(w, me.owners + n))
        note_claim(w, account, me.collateral, own(w, me, account, COLLATERAL))
    for n in range(int(read(w, me.saved))):
        account = int(read(w, me.savers + n))
        coins, gain = deposit_of(w, me, account)
        note_claim(w, account, me.coin, coins)
        note_claim(w, account, me.collateral, gain)


@inner
def leak(w, me):
    """Gap between what it holds or is owed and what it owes, relative to the most there was.

    Collateral is the troves' and what depositors have gained; coins out are what is owed; coins
    held are the stability pool's and the troves' reserves.
    """
    books = w.books
    locked, saved, gained, owed = 0.0, 0.0, 0.0, books.balances[me.account, me.debt]
    for n in range(int(read(w, me.owned))):
        account = int(read(w, me.owners + n))
        locked += standing(w, me, account)[0]
        owed += books.balances[account, me.debt]
    for n in range(int(read(w, me.saved))):
        coins, gain = deposit_of(w, me, int(read(w, me.savers + n)))
        saved += coins
        gained += gain
    of_collateral = max(books.most[me.collateral], books.supply[me.collateral], 1.0)
    of_coins = max(books.most[me.coin], books.supply[me.coin], 1.0)
    aside = me.reserve * read(w, me.owned)
    gap = max(abs(locked - read(w, me.locked)), abs(gained - read(w, me.gains)))
    gap = max(gap, locked + gained - books.balances[me.account, me.collateral]) / of_collateral
    coins = max(abs(saved - read(w, me.stability)), abs(owed - books.supply[me.debt]))
    coins = max(coins, saved + aside - books.balances[me.account, me.coin])
    coins = max(coins, abs(books.supply[me.coin] - books.supply[me.debt]))
    return max(gap, coins / of_coins)


# Values and measures


@inner
def coin_price(w, me):
    """The coin's price in the pool that holds most of it, numeraire; 1 without one."""
    return price_in_pools(w, me.coin, 1.0)


@inner
def ratio_now(w, me):
    """Collateral ratio of all troves; NaN without debt."""
    ratio = total_ratio(w, me, w.feeds[me.oracle].price)
    return ratio if ratio < np.inf else np.nan


@inner
def least_ratio(w, me):
    """Ratio of the riskiest trove; NaN without any."""
    lowest = riskiest(w, me, w.feeds[me.oracle].price, 0.0)[1]
    return lowest if lowest < np.inf else np.nan


@inner
def recovering(w, me):
    """1 in recovery mode."""
    return 1.0 if total_ratio(w, me, w.feeds[me.oracle].price) < me.critical_ratio else 0.0


@inner
def coverage(w, me):
    """Coins in the stability pool over all debt."""
    debt = w.books.supply[me.debt]
    return read(w, me.stability) / debt if debt > 0.0 else np.nan


@inner
def endangered(w, me):
    """Share of all debt in troves below the minimum ratio."""
    price, found = w.feeds[me.oracle].price, 0.0
    for n in range(int(read(w, me.owned))):
        collateral, debt = standing(w, me, int(read(w, me.owners + n)))
        if ratio_of(collateral, price, debt) < me.minimum_ratio:
            found += debt
    return found / w.books.supply[me.debt] if found > 0.0 else 0.0


@inner
def debt_of_all(w, me):
    """Coins owed by all troves."""
    return w.books.supply[me.debt]


@inner
def base_rate_measure(w, me):
    """The base rate as it has decayed until now."""
    return base_rate_now(w, me)


@inner
def deviation(w, me):
    """The coin's price over its face value, less one."""
    return coin_price(w, me) - 1.0


class TroveSettings(Settings):
    """A coin borrowed against one collateral; defaults follow Liquity."""

    collateral: str
    oracle: Annotated[str, Names("oracles")]
    minimum_ratio: Annotated[float, Field(ge=1.0, le=100.0)] = Field(
        1.1,
        description="Collateral ratio below which a trove can be liquidated.",
        json_schema_extra=reach("ratio", 1.02, 2.0),
    )
    critical_ratio: Annotated[float, Field(ge=1.0, le=100.0)] = Field(
        1.5,
        description="Collateral ratio of all troves together below which recovery mode begins.",
        json_schema_extra=reach("ratio", 1.1, 3.0),
    )
    reserve: NotNegative = Field(
        200.0,
        description="Liquidation reserve that each trove sets aside, coins.",
        json_schema_extra=reach("coins", 0.0, 1000.0),
    )
    least_debt: NotNegative = Field(
        1800.0,
        description="Minimum debt of a trove, excluding the reserve, coins.",
        json_schema_extra=reach("coins", 0.0, 10_000.0),
    )
    gas_share: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.005, description="Liquidator's share of a trove's collateral."
    )
    fee: Share = Field(
        0.005,
        description="Minimum fee for a loan or a redemption, on top of the base rate.",
        json_schema_extra=reach("share", 0.0, 0.05),
    )
    most_fee: Share = Field(0.05, description="Highest fee for a loan.")
    half_life: Annotated[float, Field(gt=0.0, le=1e6)] = Field(
        12.0,
        description="Half-life of the base rate, hours.",
        json_schema_extra=reach("hours", 1.0, 100.0, log=True),
    )
    divisor: Annotated[float, Field(gt=0.0, le=1e6)] = Field(
        2.0,
        description="A redemption raises the base rate by the redeemed share of supply over this.",
    )
    closed_until: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(
        0, description="Block until which redemptions are closed (two weeks in Liquity)."
    )
    most_redeemed: Annotated[int, Field(ge=1, le=100)] = Field(
        50, description="Maximum number of troves per redemption."
    )
    deposits: NotNegative = Field(
        0.0, description="Outside holders' initial deposit in the stability pool, coins."
    )
    start_ratio: Annotated[float, Field(ge=1.0, le=1000.0)] = Field(
        2.5,
        description="Collateral ratio of the outside holders' trove, which owes the initial supply "
        "that nobody else owes.",
        json_schema_extra=reach("ratio", 1.5, 5.0),
    )


@register("trove")
class Trove(Protocol):
    """A coin borrowed against one collateral and redeemable at face value."""

    Settings = TroveSettings
    tokens = ("collateral",)
    issues = (Token("coin", Value(coin_price), held=True), Token("debt", Rate("coin", "par"), DEBT))
    state: ClassVar[Mapping[str, str]] = {
        "par": "Coins of a unit of debt",
        "owned": "Troves",
        "saved": "Depositors in the stability pool",
        "locked": "Collateral of all troves, token units",
        "l_collateral": "Collateral shared since the last block, per unit of stake",
        "l_debt": "Debt shared since the last block, per unit of stake",
        "stakes_then": "Stakes of all troves after the last liquidation",
        "collateral_then": "Collateral of all troves after it",
        "stability": "Coins in the stability pool",
        "product": "P of its deposits",
        "era": "Era of its deposits",
        "gains": "Collateral that its depositors have not fetched",
        "base_rate": "As of `since`",
        "since": "Block of the last loan or redemption",
        "fees": "Fees for loans since the start, coins",
        "redeemed": "Coins redeemed since the start",
        "liquidations": "Troves liquidated since the start",
        "liquidated": "Debt of these, coins",
        "absorbed": "Of that, paid by the stability pool",
        "shared": "Of that, shared among other troves",
    }
    tables: ClassVar[Mapping[str, Table]] = {
        "people": Table(
            {
                "collateral": "Of its trove, token units",
                "stake": "Of its trove",
                "seen_collateral": "l_collateral that it has had",
                "seen_debt": "l_debt that it has had",
                "owner_at": "Place among the owners, from 1; 0: no trove",
                "deposit": "In the stability pool, coins as of the next three",
                "product": "P then",
                "sum": "S then",
                "era": "Era then",
                "gain": "Collateral gained before then",
                "saver_at": "Place among the depositors, from 1; 0: none",
            },
            ACCOUNTS,
        ),
        "owners": Table({"account": "Row"}, ACCOUNTS),
        "savers": Table({"account": "Row"}, ACCOUNTS),
        "eras": Table({"sum": "S", "follows": "1: the scale after another, 0: a new epoch"}, ERAS),
    }
    calls = (
        Call("open", open_trove, gas=400_000.0, pays="collateral", gives="coin", cause="fees"),
        Call("put_in", put_in, gas=250_000.0, pays="collateral", cause="fees"),
        Call(
            "take_out", take_out, gas=280_000.0, pays="collateral", gives="collateral", cause="fees"
        ),
        Call("draw", draw, gas=300_000.0, pays="coin", gives="coin", cause="fees"),
        Call("repay", repay, gas=250_000.0, pays="coin", cause="fees"),
        Call("close", close, gas=300_000.0, pays="coin", gives="collateral", cause="fees"),
        Call(
            "redeem",
            redeem,
            gas=500_000.0,
            pays="coin",
            gives="collateral",
            event="sale",
            cause="price_impact",
        ),
        Call(
            "liquidate",
            liquidate,
            gas=450_000.0,
            pays="coin",
            gives="collateral",
            event="liquidation",
            cause="run",
        ),
        Call("provide", provide, gas=250_000.0, pays="coin", cause="fees"),
        Call(
            "leave",
            leave,
            gas=300_000.0,
            pays="coin",
            gives="coin",
            event="withdrawal",
            cause="fees",
        ),
    )
    quote = would_redeem
    trade = "redeem"
    between_blocks = settle_all
    claims = claims
    leak = leak
    measures = (
        Measure("price", "numeraire", "Price of the coin in its largest pool", coin_price),
        Measure("deviation", "share", "The coin's price less its face value", deviation),
        Measure(
            "ratio", "collateral over debt", "Collateral ratio of all troves together", ratio_now
        ),
        Measure(
            "least_ratio",
            "collateral over debt",
            "Collateral ratio of the riskiest trove",
            least_ratio,
        ),
        Measure("recovery", "0 or 1", "Whether recovery mode is on", recovering),
        Measure(
            "endangered", "share of debt", "Debt of troves below the minimum ratio", endangered
        ),
        Measure("debt", "coins", "Debt of all troves", debt_of_all),
        Measure("troves", "troves", "Number of troves", "owned"),
        Measure("stability", "coins", "Deposits in the stability pool", "stability"),
        Measure("coverage", "share of debt", "Deposits in the stability pool", coverage),
        Measure("base_rate", "share", "Base rate after decay", base_rate_measure),
        Measure("redeemed", "coins, since the start", "Coins redeemed", "redeemed"),
        Measure("liquidations", "troves, since the start", "Troves liquidated", "liquidations"),
        Measure("liquidated", "coins, since the start", "Debt liquidated", "liquidated"),
        Measure("absorbed", "coins, since the start", "Paid by the stability pool", "absorbed"),
        Measure("shared", "coins, since the start", "Shared among other troves", "shared"),
    )
    charts: ClassVar[dict[str, Sequence[str]]] = {
        "The coin's price": ("price",),
        "Collateral ratio": ("ratio", "least_ratio"),
        "Debt and stability pool": ("debt", "stability"),
        "Liquidated and redeemed": ("liquidated", "redeemed"),
    }
    card = (
        Fact("price of the coin", "price", reduction="largest"),
        Fact("collateral over debt", "ratio", unit="times", reduction="least"),
        Fact("stability pool over debt", "coverage", "share"),
        Fact("liquidated", "liquidated"),
        Fact("redeemed", "redeemed"),
    )
    look = Look("trove", head="debt-backed coins", colour="#2e5bff", distress="endangered")

    def start(self) -> None:
        """Let outside holders deposit.

        Raises:
            ScenarioError: If the oracle prices something else than the collateral.
        """
        settings: Any = self.settings
        prices = self.market.setup.oracles[settings.oracle].token
        if prices != settings.collateral:
            text = f"prices {prices}, not {settings.collateral}; name one of that"
            raise ScenarioError([(f"protocols.{self.name}.oracle", text)])
        self.put("par", 1.0)
        self.put("product", 1.0)
        if settings.deposits > 0.0:
            self.begin_deposit(HOLDERS, settings.deposits)

    def begin_trove(self, account: str | int, collateral: float, debt: float) -> None:
        """Have an account begin with a trove; what it has drawn is with who has coins.

        Args:
            account: Row or name, without a trove.
            collateral: Token units, which come from outside.
            debt: Coins that it has drawn; the reserve comes on top.
        """
        ledger, reserve = self.market.ledger, float(self.record[0]["reserve"])
        row = ledger.account(account)
        ledger.mint(self.name, self.token("collateral"), collateral)
        ledger.mint(row, self.token("debt"), debt + reserve)
        ledger.mint(self.name, self.token("coin"), reserve)
        people, n = self.rows("people"), int(self.value("owned"))
        people[row, [COLLATERAL, STAKE, OWNER_AT]] = collateral, collateral, n + 1.0
        self.rows("owners")[n] = row
        self.put("owned", n + 1.0)
        self.put("locked", self.value("locked") + collateral)

    def begin_deposit(self, account: str | int, amount: float) -> None:
        """Have an account begin with a deposit in the stability pool, of coins that are out."""
        row = self.market.ledger.account(account)
        self.market.ledger.mint(self.name, self.token("coin"), amount)
        people, n = self.rows("people"), int(self.value("saved"))
        people[row, [DEPOSIT, PRODUCT, SAVER_AT]] = amount, 1.0, n + 1.0
        self.rows("savers")[n] = row
        self.put("saved", n + 1.0)
        self.put("stability", self.value("stability") + amount)

    def begun(self) -> None:
        """Have outside holders owe what is out and nobody owes, or hold what nobody else holds."""
        ledger = self.market.ledger
        gap = ledger.supply(self.token("coin")) - ledger.supply(self.token("debt"))
        if gap > 0.0:
            price = float(self.market.world.feeds[int(self.record[0]["oracle"])]["price"])
            if not price > 0.0:
                raise ValueError("its oracle does not price the collateral; choose one that does")
            owed = gap + float(self.record[0]["reserve"])
            ratio = float(self.record[0]["start_ratio"])
            self.begin_trove(HOLDERS, owed * ratio / price, gap)
        elif gap < 0.0:
            ledger.mint(HOLDERS, self.token("coin"), -gap)

    def exposures(self) -> Iterator[Exposure]:
        """It values collateral by an oracle."""
        settings: Any = self.settings
        feed = self.market.protocols[f"oracle:{settings.oracle}"]
        yield Exposure(self.name, feed.node, self.value("locked") * feed.price, "price")

    def trove(self, account: str | int) -> tuple[float, float]:
        """(collateral, debt) of an account's trove, token units, as the last block left it."""
        row = self.market.ledger.account(account)
        debt = self.market.ledger.balance(row, self.token("debt"))
        return float(self.rows("people")[row, COLLATERAL]), debt

    def deposit(self, account: str | int) -> tuple[float, float]:
        """(coins, collateral gained) of an account in the stability pool, token units."""
        row = self.market.ledger.account(account)
        coins, gain = _deposit_told(self.market.world, self.record[0], row)
        return float(coins), float(gain)


TROVE = record_of(Trove)
"""Type of its record, for others' kernels."""
