"""A kind of pool: the kernels that answer for its curve, and what they are where it is silent.

A kind must say its price and what a swap gives. All else has an answer that follows from
those two, found by differences and Newton's method; a kind that knows better says so.
A share entitles to its part of all reserves, unless a kind has it otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from protocols import amm, constant_product
from protocols.operations import ask_one, ask_shares
from protocols.pool import OTHER, count_fee, take_fee
from protocols.safeguards import beyond
from sim.arrays import least
from sim.codes import Reason
from sim.compiled import inner
from sim.ledger import burn, mint, store_balance, store_supply, transfer

# What follows from the price


@inner
def slope_by_differences(books, pool, i, o, amount):
    """`amm.slope` of any curve, by central differences."""
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return 0.0, 0.0, 0.0
    step = 1e-4 * max(amount, 1e-2 * x)
    here = amm.priced(books, pool, i, o, amount)[0]
    up = amm.priced(books, pool, i, o, amount + step)[0]
    if amount >= step:
        down = amm.priced(books, pool, i, o, amount - step)[0]
        first = (up - down) / (2.0 * step)
        second = (up - 2.0 * here + down) / (step * step)
    else:
        far = amm.priced(books, pool, i, o, amount + 2.0 * step)[0]
        first = (4.0 * up - far - 3.0 * here) / (2.0 * step)
        second = (far - 2.0 * up + here) / (step * step)
    return here, first, min(second, 0.0) / first


@inner
def to_rate_by_newton(books, pool, i, o, rate):
    """`amm.amount_to_rate` of any curve: Newton's method within a bracket."""
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return 0.0
    if amm.slope(books, pool, i, o, 0.0)[1] <= rate:
        return 0.0
    low, high = 0.0, x
    for _ in range(60):  # beyond the pool's own size where it is far from balance
        if amm.slope(books, pool, i, o, high)[1] <= rate:
            break
        low, high = high, 4.0 * high
    at = 0.5 * (low + high)
    for _ in range(60):
        _, first, second = amm.slope(books, pool, i, o, at)
        if first > rate:
            low = at
        else:
            high = at
        # Newton's step on the logarithm of the slope, which is nearly straight.
        step = (math.log(rate) - math.log(max(first, 1e-300))) / second if second < 0.0 else np.inf
        new = at + step
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - at) <= 1e-13 * high:
            return new
        at = new
    return at


@inner
def trade_by_price(books, pool, i, o, amount):
    """`amm.trade` of what holds its tokens side by side."""
    out, fee_in, fee_out = amm.priced(books, pool, i, o, amount)
    into, from_ = pool.tokens[i], pool.tokens[o]
    x, y = books.balances[pool.account, into], books.balances[pool.account, from_]
    store_balance(books, pool.account, into, x + amount - fee_in * pool.protocol_fee)
    store_balance(books, pool.account, from_, y - out - fee_out * pool.protocol_fee)
    return out


@inner
def relative_price_by_price(books, pool, k):
    """The price that breakers and fees watch: the spot price."""
    return amm.spot_price(books, pool, 0, k)


@inner
def relative_price_by_reserves(books, pool, k):
    """The same where it is the ratio of reserves, up to a constant."""
    first, other = pool.tokens[0], pool.tokens[k]
    return books.balances[pool.account, first] / books.balances[pool.account, other]


@inner
def depth_by_rate(books, pool, fall):
    """`amm.depth` where the fee is a share of what is paid in."""
    last = pool.size - 1
    price = amm.spot_price(books, pool, 0, last)
    if not price > 0.0:
        return np.nan
    return amm.amount_to_rate(books, pool, 0, last, price * (1.0 - fall) * (1.0 - pool.fee))


@inner
def exposure_by_depth(books, pool):
    """`amm.exposure_to_price` from the depth near the price, where that includes the fee."""
    return exposure_of_depth(books, pool, 1.0 - pool.fee)


@inner
def exposure_of_depth(books, pool, kept):
    """`amm.exposure_to_price`, of what a depth is, the share that trades."""
    price = amm.spot_price(books, pool, 0, 1)
    if pool.size != 2 or not price > 0.0:
        return np.nan
    small = 1e-4
    sold = amm.depth(books, pool, small) * kept
    held = amm.reserves(books, pool)
    return sold / -math.log1p(-small) * price / (held[0] * price + held[1])


# Shares


@inner
def fill_in_proportion(books, pool, sender, amounts):
    """`amm.first_entry` of two tokens, whose shares are the root of their product."""
    return constant_product.add(books, pool, sender, amounts[0], amounts[1], 0.0)


# Wide: the signature of all entries, `protocols.operations`.
@inner
def enter_in_proportion(books, pool, sender, a, b, amount_a, amount_b, minimum, lower, upper):
    """`amm.add` with two tokens in the pool's proportion, at most the given amounts."""
    first, second = (amount_a, amount_b) if a == 0 else (amount_b, amount_a)
    return constant_product.add(books, pool, sender, first, second, minimum)


@inner
def fill_by_amounts(books, pool, sender, amounts):
    """`amm.first_entry` with amounts as they are."""
    return _add_amounts(books, pool, sender, amm.reserves(books, pool), amounts, 0.0, 0.0)


# Wide: the signature of all entries, `protocols.operations`.
@inner
def enter_by_amounts(books, pool, sender, a, b, amount_a, amount_b, minimum, lower, upper):
    """`amm.add` with two amounts as they are."""
    supply = books.supply[pool.share]
    held = amm.reserves(books, pool)
    amounts = np.zeros(pool.size)
    amounts[a] += amount_a
    amounts[b] += amount_b
    empty = supply <= 0.0 or not least(held) > 0.0
    if empty and not least(amounts) > 0.0:
        return Reason.INVALID, 0.0
    if pool.halted:
        return Reason.HALTED, 0.0
    return _add_amounts(books, pool, sender, held, amounts, 0.0 if empty else supply, minimum)


# Wide: the signature of all entries, `protocols.operations`.
@inner
def enter_either_way(books, pool, sender, a, b, amount_a, amount_b, minimum, lower, upper):
    """`amm.add` in proportion where two amounts are given, else with the one as it is."""
    if amount_a > 0.0 and amount_b > 0.0:
        return enter_in_proportion(
            books, pool, sender, a, b, amount_a, amount_b, minimum, lower, upper
        )
    return enter_by_amounts(books, pool, sender, a, b, amount_a, amount_b, minimum, lower, upper)


@inner
def _add_amounts(books, pool, sender, held, amounts, supply, minimum):
    n = pool.size
    fees = np.zeros(n)
    shares = ask_shares(pool.shares_for_at, books, pool, held, amounts, supply, fees)
    if not shares >= minimum or not (shares > 0.0 and shares < np.inf):
        return Reason.LIMIT, 0.0
    for k in range(n):
        token = pool.tokens[k]
        if amounts[k] > 0.0 and not transfer(books, sender, pool.account, token, amounts[k]):
            return Reason.INSUFFICIENT_BALANCE, 0.0
        if fees[k] > 0.0:
            take_fee(books, pool, k, fees[k])
            count_fee(books, pool, k, fees[k])
    mint(books, sender, pool.share, shares)
    if pool.guarded and supply > 0.0 and beyond(books, pool):
        pool.tripped = 1
        return Reason.HALTED, 0.0
    return Reason.DONE, shares


@inner
def leave_by_shares(books, pool, sender, o, shares, minimum, lower, upper):
    """`amm.remove` for a part of all reserves, or (o >= 0) for one token."""
    supply = books.supply[pool.share]
    if not shares > 0.0 or supply <= 0.0:
        return Reason.INVALID, 0.0
    if o >= 0 and amm.nobody_else(books, pool, sender, shares):
        return Reason.LIMIT, 0.0  # the other tokens would be nobody's
    if o < 0:
        return _remove_in_proportion(books, pool, sender, shares, supply, minimum)
    if pool.halted:
        return Reason.HALTED, 0.0
    out, fee = ask_one(pool.one_for_shares_at, books, pool, o, shares)
    if not out >= minimum or not out > 0.0:
        return Reason.LIMIT, 0.0
    if not burn(books, sender, pool.share, shares):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    transfer(books, pool.account, sender, pool.tokens[o], out)
    take_fee(books, pool, o, fee)
    count_fee(books, pool, o, fee)
    if pool.guarded and beyond(books, pool):
        pool.tripped = 1
        return Reason.HALTED, 0.0
    return Reason.DONE, out


@inner
def _remove_in_proportion(books, pool, sender, shares, supply, minimum):
    # The last one out takes all. A grain of each token left behind would have a price, and
    # rounding would have made it: the next provider would have to enter at that.
    last = amm.nobody_else(books, pool, sender, shares)
    part = 1.0 if last else shares / supply
    if not part * books.balances[pool.account, pool.tokens[0]] >= minimum:
        return Reason.LIMIT, 0.0
    if not burn(books, sender, pool.share, shares):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    out = 0.0
    for k in range(pool.size):
        out = part * books.balances[pool.account, pool.tokens[k]]
        transfer(books, pool.account, sender, pool.tokens[k], out)
    if last:
        store_supply(books, pool.share, 0.0)
    return Reason.DONE, out


@inner
def shares_held(books, pool, account, lower, upper):
    """`amm.held` of shares."""
    return books.balances[account, pool.share]


@inner
def result_of_share(books, pool, values):
    """`amm.provider_result` of a share since the start."""
    supply = books.supply[pool.share]
    held = 0.0
    for i in range(pool.size):
        held += pool.start[i] * values[pool.tokens[i]]
    if not (supply > 0.0 and held > 0.0):
        return np.nan
    return amm.worth(books, pool, values) / supply / held - 1.0


# What a kind may not have


@inner
def no_shares_for(books, pool, held, amounts, supply, fees):
    """Shares of a kind that takes tokens in proportion alone: none, so that it refuses."""
    return np.nan


@inner
def nothing_for_shares(books, pool, o, shares):
    """One token for shares of a kind that gives back in proportion alone: it refuses."""
    return 0.0, 0.0


# Wide: the signature of all entries, `protocols.operations`.
@inner
def cannot_enter(books, pool, sender, a, b, amount_a, amount_b, minimum, lower, upper):
    """`amm.add` of a kind that nobody enters."""
    return Reason.INVALID, 0.0


@inner
def cannot_leave(books, pool, sender, o, shares, minimum, lower, upper):
    """`amm.remove` of a kind that nobody leaves."""
    return Reason.INVALID, 0.0


@inner
def cannot_fill(books, pool, sender, amounts):
    """`amm.first_entry` of a kind that begins otherwise."""
    return Reason.INVALID, 0.0


@inner
def unmoved(books, pools, p, block):
    """`amm.move` of what stays as it is."""


@inner
def unled(books, pool):
    """`amm.follow_prices` of what follows none."""


@inner
def no_number(books, pool):
    """What a kind has no number for."""
    return np.nan


@inner
def not_valued(books, pool, values):
    """What a kind has no value for."""
    return np.nan


@inner
def no_loss_since(books, pool, first, value_0, value_1):
    """`amm.loss_since` of a kind that has no closed form of it: no provider leaves for it."""
    return np.nan


@inner
def at_par(books, pool):
    """`amm.rate_of_share` of what is no base of a metapool."""
    return 1.0


@inner
def no_claims(books, pool):
    """`amm.claims` of a kind whose claims are all tokens."""
    return 0


@inner
def no_claim(books, pool, n):
    """`amm.claim` of a kind whose claims are all tokens."""
    return -1, 0.0, 0.0


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What a kind of pool answers; each field but the last four is a kernel.

    Their arguments and results are in `protocols.operations.SIGNATURES`; what each is for
    says the function of `protocols.amm` that asks it.

    Attributes:
        price: Marginal price of one token in another, without fee.
        priced: What a swap would give, and its fees.
        slope: That, and how it changes with the amount.
        to_rate: The amount after which a unit more gives so much.
        trade: Moves the pool as a swap would, with nobody on the other side.
        swap: Swaps.
        enter: Adds tokens.
        leave: Gives shares back.
        fill: The first entry.
        shares_for: Shares for amounts as they are, and the fees in each token.
        one_for_shares: One token for shares, and its fee.
        held: What an account can give back.
        move: Lets what moves by a schedule move, between two blocks.
        follow: Lets it follow prices.
        relative_price: The price that breakers and fees watch, up to a constant.
        depth: What lowers the price by a share.
        exposure: As of loss-versus-rebalancing.
        loss: Impermanent loss since the start.
        loss_since: Impermanent loss since a price.
        result: Of a provider against holding, with fees.
        fair: Value of a share that a swap cannot move.
        rate_of_share: Of a base of metapools.
        claims: Places of claims that are no tokens.
        claim: One of them.
        parted: Whether a share is a part of all reserves.
        balanced: Whether it holds its tokens side by side, in some proportion.
        ranges: Whether its providers have positions between two ticks.
        kind: CONSTANT_PRODUCT for that alone.
    """

    price: Any
    priced: Any
    slope: Any = slope_by_differences
    to_rate: Any = to_rate_by_newton
    trade: Any = trade_by_price
    swap: Any = amm.swap_by_price
    enter: Any = enter_in_proportion
    leave: Any = leave_by_shares
    fill: Any = fill_in_proportion
    shares_for: Any = no_shares_for
    one_for_shares: Any = nothing_for_shares
    held: Any = shares_held
    move: Any = unmoved
    follow: Any = unled
    relative_price: Any = relative_price_by_price
    depth: Any = depth_by_rate
    exposure: Any = exposure_by_depth
    loss: Any = not_valued
    loss_since: Any = no_loss_since
    result: Any = result_of_share
    fair: Any = not_valued
    rate_of_share: Any = at_par
    claims: Any = no_claims
    claim: Any = no_claim
    parted: bool = True
    balanced: bool = True
    ranges: bool = False
    kind: int = OTHER
