"""What all kinds of pools do, one beside the other: price, quote, swap, entry and exit.

Each kind's mathematics is in a file of its own. Here it is applied to the ledger, so
that blocks, agents, oracles and measures need not know which kind a pool is.

A share entitles to its part of all reserves, but for two kinds: concentrated liquidity
has positions in its place, and what a bonding curve issues is its share.
"""

from __future__ import annotations

import math

import numpy as np

from protocols import bonding_curve, concentrated, constant_product, stableswap, weighted
from protocols.pool import (
    BONDING_CURVE,
    CONCENTRATED,
    CONSTANT_PRODUCT,
    STABLESWAP,
    WEIGHTED,
    count_fee,
    count_swap,
    position,
    settle_swap,
    take_fee,
)
from protocols.safeguards import beyond
from sim.codes import Reason
from sim.compiled import kernel
from sim.ledger import DUST, burn, mint, store_balance, store_supply, transfer

LEAST_LEFT = 1e-8
"""Share of a reserve that no swap takes. What is left is a difference that rounding makes up
beyond that, and the way back is priced by it. (Balancer's pools take no more than 30 %.)"""


@kernel
def reserves(books, pool):
    """What a pool holds, float64[n], in its order."""
    found = np.empty(pool.size)
    for k in range(pool.size):
        found[k] = books.balances[pool.account, pool.tokens[k]]
    return found


@kernel
def scaled(books, pool):
    """What a StableSwap holds, float64[n], in units of equal value."""
    found = reserves(books, pool)
    for k in range(pool.size):
        found[k] *= pool.rates[k]
    return found


@kernel
def spot_price(books, pool, i, o):
    """Marginal price of the i-th token in the o-th, without fee; NaN where one is empty."""
    if pool.kind == CONCENTRATED:
        price = concentrated.spot_price(books, pool)
        if not price > 0.0:
            return np.nan
        return price if i == 0 else 1.0 / price
    if pool.kind == BONDING_CURVE:
        supply, held = books.supply[pool.share], books.balances[pool.account, pool.tokens[1]]
        if not (supply > 0.0 and held > 0.0):
            return np.nan
        price = bonding_curve.spot_price(supply, held, pool.ratio)
        return price if i == 0 else 1.0 / price
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return np.nan
    if pool.kind == CONSTANT_PRODUCT:
        return y / x
    if pool.kind == WEIGHTED:
        return weighted.spot_price(x, pool.weights[i], y, pool.weights[o])
    price = stableswap.spot_price(scaled(books, pool), pool.amplification, i, o)
    return price * pool.rates[i] / pool.rates[o]


@kernel
def priced(books, pool, i, o, amount):
    """What a swap would give.

    Returns:
        (amount out, fee in the token paid in, fee in the token received).
    """
    if not amount > 0.0:
        return 0.0, 0.0, 0.0
    if pool.kind == CONCENTRATED:
        return concentrated.quote(books, pool, i, amount), amount * pool.fee, 0.0
    if pool.kind == BONDING_CURVE:
        supply, held = books.supply[pool.share], books.balances[pool.account, pool.tokens[1]]
        if not (supply > 0.0 and held > 0.0):
            return 0.0, 0.0, 0.0
        if i == 1:
            out = bonding_curve.issued(supply, held, pool.ratio, amount, pool.fee)
            return out, amount * pool.fee, 0.0
        if amount > supply:
            return 0.0, 0.0, 0.0
        out = bonding_curve.redeemed(supply, held, pool.ratio, amount, pool.fee)
        return out, 0.0, out * pool.fee / (1.0 - pool.fee)
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return 0.0, 0.0, 0.0
    if pool.kind == CONSTANT_PRODUCT:
        return constant_product.amount_out(x, y, amount, pool.fee), amount * pool.fee, 0.0
    if pool.kind == WEIGHTED:
        out = weighted.amount_out(x, pool.weights[i], y, pool.weights[o], amount, pool.fee)
        return out, amount * pool.fee, 0.0
    out, fee = stableswap.exchange(
        scaled(books, pool),
        pool.amplification,
        i,
        o,
        amount * pool.rates[i],
        pool.fee,
        pool.fee_multiplier,
    )
    return out / pool.rates[o], 0.0, fee / pool.rates[o]


@kernel
def quote(books, pool, i, o, amount):
    """Amount of the o-th token that a swap of an amount of the i-th would give now."""
    return priced(books, pool, i, o, amount)[0]


@kernel
def slope(books, pool, i, o, amount):
    """What a swap would give, and how that changes with the amount.

    Args:
        amount: Of the i-th token, >= 0.

    Returns:
        (amount out, out for a unit more, relative change of the latter per unit); the
        last two are 0 where the pool can take no more.
    """
    if pool.kind == CONCENTRATED:
        return concentrated.slope(books, pool, i, amount)
    keep = 1.0 - pool.fee
    if pool.kind == BONDING_CURVE:
        supply, held = books.supply[pool.share], books.balances[pool.account, pool.tokens[1]]
        if not (supply > 0.0 and held > 0.0) or (i == 0 and amount >= supply):
            return 0.0, 0.0, 0.0
        ratio = pool.ratio
        if i == 1:
            out = bonding_curve.issued(supply, held, ratio, amount, pool.fee)
            grown = held + keep * amount
            first = supply * ratio * keep / held * (grown / held) ** (ratio - 1.0)
            return out, first, (ratio - 1.0) * keep / grown
        out = bonding_curve.redeemed(supply, held, ratio, amount, pool.fee)
        left = 1.0 - amount / supply
        first = keep * held / (ratio * supply) * left ** (1.0 / ratio - 1.0)
        return out, first, -(1.0 / ratio - 1.0) / (supply - amount)
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return 0.0, 0.0, 0.0
    paid = x + keep * amount
    if pool.kind == CONSTANT_PRODUCT:
        return y * keep * amount / paid, keep * x * y / (paid * paid), -2.0 * keep / paid
    if pool.kind == WEIGHTED:
        power = pool.weights[i] / pool.weights[o]
        out = weighted.amount_out(x, pool.weights[i], y, pool.weights[o], amount, pool.fee)
        first = y * power * keep / paid * (x / paid) ** power
        return out, first, -(power + 1.0) * keep / paid
    # The fee of a StableSwap may change with the amount, so its slope is a difference.
    step = 1e-4 * max(amount, 1e-2 * x)
    here = priced(books, pool, i, o, amount)[0]
    up = priced(books, pool, i, o, amount + step)[0]
    if amount >= step:
        down = priced(books, pool, i, o, amount - step)[0]
        first = (up - down) / (2.0 * step)
        second = (up - 2.0 * here + down) / (step * step)
    else:
        far = priced(books, pool, i, o, amount + 2.0 * step)[0]
        first = (4.0 * up - far - 3.0 * here) / (2.0 * step)
        second = (far - 2.0 * up + here) / (step * step)
    return here, first, min(second, 0.0) / first


@kernel
def amount_to_rate(books, pool, i, o, rate):
    """Amount of the i-th token after which a unit more gives only `rate` of the o-th.

    This is the most profitable trade against a price outside: closed forms, but for
    StableSwap, where Newton's method within a bracket finds it.

    Args:
        rate: Units of the o-th token per unit of the i-th.

    Returns:
        Token units, fee included; 0 where not even the first unit gives as much.
    """
    keep = 1.0 - pool.fee
    if not rate > 0.0:
        return np.inf
    if pool.kind == CONCENTRATED:
        root = math.sqrt(rate / keep) if i == 0 else math.sqrt(keep / rate)
        now = math.sqrt(max(concentrated.spot_price(books, pool), 0.0))
        if (root >= now) if i == 0 else (root <= now):
            return 0.0
        return concentrated.walk(books, pool, i == 0, np.inf, root, False)[0]
    if pool.kind == BONDING_CURVE:
        supply, held = books.supply[pool.share], books.balances[pool.account, pool.tokens[1]]
        first = slope(books, pool, i, o, 0.0)[1]
        if first <= rate:
            return 0.0
        if pool.ratio >= 1.0:
            return np.inf if i == 1 else supply
        if i == 1:
            return held * ((rate / first) ** (1.0 / (pool.ratio - 1.0)) - 1.0) / keep
        return supply * (1.0 - (rate / first) ** (1.0 / (1.0 / pool.ratio - 1.0)))
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return 0.0
    if pool.kind == CONSTANT_PRODUCT:
        return constant_product.arbitrage(x, y, rate, pool.fee)[0]
    if pool.kind == WEIGHTED:
        return weighted.arbitrage(x, pool.weights[i], y, pool.weights[o], rate, pool.fee)[0]
    return _stable_amount_to_rate(books, pool, i, o, rate)


@kernel
def _stable_amount_to_rate(books, pool, i, o, rate):
    if slope(books, pool, i, o, 0.0)[1] <= rate:
        return 0.0
    low, high = 0.0, books.balances[pool.account, pool.tokens[i]]
    for _ in range(60):  # beyond the pool's own size where it is far from balance
        if slope(books, pool, i, o, high)[1] <= rate:
            break
        low, high = high, 4.0 * high
    at = 0.5 * (low + high)
    for _ in range(60):
        _, first, second = slope(books, pool, i, o, at)
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


@kernel
def trade(books, pool, i, o, amount):
    """Move a pool as a swap would, under the journal, with nobody on the other side.

    For trying out what several swaps would give one after the other: `undo` follows.
    What the trader would pay and receive appears and vanishes.

    Returns:
        Amount out.
    """
    if pool.kind == CONCENTRATED:
        _, out, _, _ = concentrated.walk(books, pool, i == 0, amount, 0.0, True)
        return out
    out, fee_in, fee_out = priced(books, pool, i, o, amount)
    into, from_ = pool.tokens[i], pool.tokens[o]
    x, y = books.balances[pool.account, into], books.balances[pool.account, from_]
    if pool.kind == BONDING_CURVE:
        money, token = pool.tokens[1], pool.tokens[0]
        held, supply = books.balances[pool.account, money], books.supply[token]
        issued = out if i == 1 else -amount
        paid = amount - fee_in * pool.protocol_fee if i == 1 else -out - fee_out * pool.protocol_fee
        store_balance(books, pool.account, money, held + paid)
        store_supply(books, token, supply + issued)
        return out
    store_balance(books, pool.account, into, x + amount - fee_in * pool.protocol_fee)
    store_balance(books, pool.account, from_, y - out - fee_out * pool.protocol_fee)
    return out


@kernel
def swap(books, pool, sender, token_in, token_out, amount, minimum):
    """Swap at a pool's price.

    Args:
        amount: Token units paid in, fee included.
        minimum: Least amount to receive, else the call fails.

    Returns:
        (reason, amount out).
    """
    i, o = position(pool, token_in), position(pool, token_out)
    if i < 0 or o < 0 or i == o or not (amount > 0.0 and amount < np.inf):
        return Reason.INVALID, 0.0
    if pool.halted:
        return Reason.HALTED, 0.0
    reason, out = _swap(books, pool, sender, i, o, amount, minimum)
    if reason == Reason.DONE and pool.guarded and beyond(books, pool):
        pool.tripped = 1
        return Reason.HALTED, 0.0
    return reason, out


@kernel
def _swap(books, pool, sender, i, o, amount, minimum):
    token_in, token_out = pool.tokens[i], pool.tokens[o]
    if pool.kind == CONCENTRATED:
        return concentrated.swap(books, pool, sender, token_in, token_out, amount, minimum)
    if pool.kind == BONDING_CURVE:
        return _issue_or_redeem(books, pool, sender, i, amount, minimum)
    if books.balances[pool.account, token_in] <= 0.0:
        return Reason.EMPTY_POOL, 0.0
    if books.balances[pool.account, token_out] <= 0.0:
        return Reason.EMPTY_POOL, 0.0
    out, fee_in, fee_out = priced(books, pool, i, o, amount)
    if not out >= minimum:
        return Reason.LIMIT, 0.0
    if out > books.balances[pool.account, token_out] * (1.0 - LEAST_LEFT):
        return Reason.EMPTY_POOL, 0.0
    if not settle_swap(books, pool, sender, i, o, amount, out, fee_in, fee_out):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    return Reason.DONE, out


@kernel
def _issue_or_redeem(books, pool, sender, i, amount, minimum):
    """Issue a bonding curve's token for the reserve's (i = 1), or redeem it (i = 0)."""
    token, money = pool.tokens[0], pool.tokens[1]
    if not (books.supply[token] > 0.0 and books.balances[pool.account, money] > 0.0):
        return Reason.EMPTY_POOL, 0.0
    out, fee_in, fee_out = priced(books, pool, i, 1 - i, amount)
    if not out >= minimum or not out > 0.0:
        return Reason.LIMIT, 0.0
    if i == 1:
        if not transfer(books, sender, pool.account, money, amount):
            return Reason.INSUFFICIENT_BALANCE, 0.0
        mint(books, sender, token, out)
        take_fee(books, pool, 1, fee_in)
    else:
        if not burn(books, sender, token, amount):
            return Reason.INSUFFICIENT_BALANCE, 0.0
        transfer(books, pool.account, sender, money, out)
        take_fee(books, pool, 1, fee_out)
    count_swap(books, pool, i, 1 - i, amount, out, fee_in, fee_out)
    return Reason.DONE, out


@kernel
def add(books, pool, sender, token_a, token_b, amount_a, amount_b, minimum, lower, upper):
    """Add tokens for shares.

    Three ways in: ``token_a`` is the pool's share, and so many shares are bought for all
    tokens in the pool's proportion, paying at most ``amount_b`` of its first (0: any
    amount); a constant-product pool takes two amounts in its proportion, at most those
    given; else the amounts are taken as they are, one of which may be 0, and what
    departs from the proportion pays a fee. A pool of concentrated liquidity opens or
    adds to the sender's position, with as much liquidity as both amounts are enough for.

    Args:
        token_a: A token of the pool, or its share.
        token_b: Another of its tokens.
        amount_a: Token units.
        amount_b: Token units.
        minimum: Least shares, or liquidity.
        lower: Lower tick of a position.
        upper: Upper tick.

    Returns:
        (reason, shares or liquidity).
    """
    if not (amount_a >= 0.0 and amount_b >= 0.0 and amount_a + amount_b > 0.0):
        return Reason.INVALID, 0.0
    if not amount_a + amount_b < np.inf or pool.kind == BONDING_CURVE:
        return Reason.INVALID, 0.0
    supply = books.supply[pool.share]
    if token_a == pool.share:
        return _add_in_proportion(books, pool, sender, amount_a, amount_b, supply)
    a, b = position(pool, token_a), position(pool, token_b)
    if a < 0 or b < 0 or a == b:
        return Reason.INVALID, 0.0
    if pool.kind == CONCENTRATED:
        if a != 0:
            amount_a, amount_b = amount_b, amount_a
        return _add_range(books, pool, sender, amount_a, amount_b, minimum, lower, upper)
    held = reserves(books, pool)
    amounts = np.zeros(pool.size)
    amounts[a] += amount_a
    amounts[b] += amount_b
    empty = supply <= 0.0 or not held.min() > 0.0
    if empty and not amounts.min() > 0.0:
        return Reason.INVALID, 0.0
    if pool.kind == CONSTANT_PRODUCT and amounts.min() > 0.0:
        return constant_product.add(books, pool, sender, amounts[0], amounts[1], minimum)
    if pool.halted:
        return Reason.HALTED, 0.0
    return _add_amounts(books, pool, sender, held, amounts, 0.0 if empty else supply, minimum)


@kernel
def _add_in_proportion(books, pool, sender, shares, most, supply):
    if supply <= 0.0 or pool.kind == CONCENTRATED:
        return Reason.INVALID, 0.0
    part = shares / supply
    for k in range(pool.size):
        amount = part * books.balances[pool.account, pool.tokens[k]]
        if k == 0 and most > 0.0 and amount > most:
            return Reason.LIMIT, 0.0
        if not transfer(books, sender, pool.account, pool.tokens[k], amount):
            return Reason.INSUFFICIENT_BALANCE, 0.0
    mint(books, sender, pool.share, shares)
    return Reason.DONE, shares


@kernel
def first_entry(books, pool, sender, amounts):
    """Fill an empty pool with amounts of all its tokens. Returns (reason, shares)."""
    if pool.kind == CONSTANT_PRODUCT:
        return constant_product.add(books, pool, sender, amounts[0], amounts[1], 0.0)
    return _add_amounts(books, pool, sender, reserves(books, pool), amounts, 0.0, 0.0)


@kernel
def _add_amounts(books, pool, sender, held, amounts, supply, minimum):
    """Add amounts as they are; a constant-product pool is a weighted one of even weights."""
    n = pool.size
    fees = np.zeros(n)
    rates = pool.rates[:n]
    if pool.kind == STABLESWAP:
        shares = stableswap.entry(
            held * rates,
            pool.amplification,
            amounts * rates,
            supply,
            pool.fee,
            pool.fee_multiplier,
            fees,
        )
        fees /= rates
    elif supply <= 0.0:
        shares = weighted.invariant(held + amounts, pool.weights[:n])
    else:
        shares = weighted.entry(held, pool.weights[:n], amounts, supply, pool.fee, fees)
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


@kernel
def _add_range(books, pool, sender, amount_0, amount_1, minimum, lower, upper):
    if lower >= upper:
        return Reason.INVALID, 0.0
    liquidity = concentrated.liquidity_for_amounts(
        amount_0,
        amount_1,
        math.sqrt(concentrated.spot_price(books, pool)),
        concentrated.sqrt_price_at_tick(lower),
        concentrated.sqrt_price_at_tick(upper),
    )
    if not liquidity >= minimum or not liquidity > 0.0:
        return Reason.LIMIT, 0.0
    reason, _, _ = concentrated.add(books, pool, sender, lower, upper, liquidity)
    return reason, liquidity


@kernel
def remove(books, pool, sender, token, shares, minimum, lower, upper):
    """Give shares back, for a part of all reserves or for one token.

    Args:
        token: The one to receive; one that the pool does not hold (its share, say): all.
        shares: Of the pool; of concentrated liquidity: of the sender's position, and 0
            collects its fees alone.
        minimum: Least amount to receive, of that token or of the pool's first.
        lower: Lower tick of a position.
        upper: Upper tick.

    Returns:
        (reason, amount of that token, or of the pool's last).
    """
    if pool.kind == CONCENTRATED:
        reason, first, second = concentrated.remove(books, pool, sender, lower, upper, shares)
        if reason == Reason.DONE and not first >= minimum:
            return Reason.LIMIT, 0.0
        return reason, second
    supply = books.supply[pool.share]
    if not shares > 0.0 or supply <= 0.0 or pool.kind == BONDING_CURVE:
        return Reason.INVALID, 0.0
    o = position(pool, token)
    if o >= 0 and nobody_else(books, pool, sender, shares):  # the other tokens would be nobody's
        return Reason.LIMIT, 0.0
    if o < 0:
        return _remove_in_proportion(books, pool, sender, shares, supply, minimum)
    if pool.halted:
        return Reason.HALTED, 0.0
    if pool.kind == STABLESWAP:
        out, fee = stableswap.exit_to_one(
            scaled(books, pool),
            pool.amplification,
            shares,
            supply,
            o,
            pool.fee,
            pool.fee_multiplier,
        )
        out /= pool.rates[o]
        fee /= pool.rates[o]
    else:
        weight = pool.weights[o]
        held = books.balances[pool.account, token]
        out = weighted.one_for_shares(held, weight, shares, supply, pool.fee)
        taken = (1.0 - weight) * pool.fee
        fee = out * taken / (1.0 - taken)
    if not out >= minimum or not out > 0.0:
        return Reason.LIMIT, 0.0
    if not burn(books, sender, pool.share, shares):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    transfer(books, pool.account, sender, token, out)
    take_fee(books, pool, o, fee)
    count_fee(books, pool, o, fee)
    if pool.guarded and beyond(books, pool):
        pool.tripped = 1
        return Reason.HALTED, 0.0
    return Reason.DONE, out


@kernel
def nobody_else(books, pool, sender, shares):
    """Whether a sender's shares are all that there are, but for rounding.

    The supply may be off by what rounding left of millions that are gone. That is no
    provider, but a small provider may be as small: where the supply alone does not tell,
    the others' shares are summed.
    """
    supply = books.supply[pool.share]
    rest = supply - shares
    if rest <= DUST * supply:
        return True
    if rest > DUST * books.most[pool.share]:
        return False
    others = max(books.balances[sender, pool.share] - shares, 0.0)
    for account in range(books.balances.shape[0]):
        if account != sender:
            others += books.balances[account, pool.share]
    return others <= DUST * shares


@kernel
def _remove_in_proportion(books, pool, sender, shares, supply, minimum):
    # The last one out takes all. A grain of each token left behind would have a price, and
    # rounding would have made it: the next provider would have to enter at that.
    last = nobody_else(books, pool, sender, shares)
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


@kernel
def virtual_price(books, pool):
    """What a share of a StableSwap is worth in its tokens: D / supply, as in Curve."""
    supply = books.supply[pool.share]
    if supply <= 0.0:
        return 1.0
    return stableswap.invariant(scaled(books, pool), pool.amplification) / supply


@kernel
def move(books, pools, p, block):
    """Let a pool's weights, amplification and rates be those of a block.

    The rate of another pool's share is that pool's virtual price at the end of the last
    block, as Curve's metapools remember it for ten minutes.
    """
    pool = pools[p]
    n = pool.size
    if pool.kind == STABLESWAP:
        for k in range(n):
            base = pool.rate_pools[k]
            if base >= 0:
                pool.rates[k] = virtual_price(books, pools[base])
    if pool.moves_until <= pool.moves_from:
        return
    if pool.kind == WEIGHTED:
        weighted.weights_at(
            block,
            pool.first_weights[:n],
            pool.target_weights[:n],
            pool.moves_from,
            pool.moves_until,
            pool.weights[:n],
        )
    elif pool.kind == STABLESWAP:
        pool.amplification = stableswap.amplification_at(
            block,
            pool.first_amplification,
            pool.target_amplification,
            pool.moves_from,
            pool.moves_until,
        )


@kernel
def follow_prices(pool):
    """Let weights that have a rule follow the values of the last block."""
    if pool.rule_strength == 0.0:
        return
    n = pool.size
    weighted.weights_by_rule(
        pool.first_weights[:n],
        pool.worths[:n],
        pool.rule_strength,
        pool.rule_memory,
        pool.lowest_weight,
        pool.trends[:n],
        pool.last_logs[:n],
        pool.weights[:n],
    )


@kernel
def depth(books, pool, fall):
    """Amount of the first token whose sale lowers its price in the last by a share.

    Args:
        fall: Share, such as 0.01.
    """
    last = pool.size - 1
    price = spot_price(books, pool, 0, last)
    if not price > 0.0:
        return np.nan
    if pool.kind == STABLESWAP:
        fee, multiplier = pool.fee, pool.fee_multiplier
        pool.fee, pool.fee_multiplier = 0.0, 1.0  # its fee is no part of the price
        found = amount_to_rate(books, pool, 0, last, price * (1.0 - fall))
        pool.fee, pool.fee_multiplier = fee, multiplier
        return found
    return amount_to_rate(books, pool, 0, last, price * (1.0 - fall) * (1.0 - pool.fee))


@kernel
def exposure_to_price(books, pool):
    """Value of the first token sold per unit that its log price rises, over the pool's value.

    With it, loss-versus-rebalancing is half the variance times this, for any curve
    (Milionis, Moallemi, Roughgarden, Zhang 2022, theorem 1): 1/4 for constant product.
    Of pools of two tokens, at their own price; NaN where one is empty.
    """
    price = spot_price(books, pool, 0, 1)
    if pool.size != 2 or pool.kind == BONDING_CURVE or not price > 0.0:
        return np.nan
    small = 1e-4
    sold = depth(books, pool, small) * (1.0 - (0.0 if pool.kind == STABLESWAP else pool.fee))
    held = reserves(books, pool)
    return sold / -math.log1p(-small) * price / (held[0] * price + held[1])


@kernel
def impermanent_loss(books, pool, values):
    """Value of what was put in over that of holding it, less one, without fees.

    What a share holds is where the curve puts it at the pool's own price; both are
    valued at the market's prices, which may be others. Of shares since the start; of
    concentrated liquidity, of the positions that there are, had they been there since.
    NaN for what has no such thing: bonding curves, and weights on a schedule or a rule.

    Args:
        values: float64[tokens], of a unit of each token, numeraire.
    """
    if pool.kind == CONCENTRATED:
        return range_result(books, pool, values, False)
    # A schedule, or a rule, sells by itself.
    moving = pool.moves_until > pool.moves_from or pool.rule_strength != 0.0
    if pool.kind == BONDING_CURVE or (pool.kind == WEIGHTED and moving):
        return np.nan
    n = pool.size
    if pool.kind == STABLESWAP:
        return _stable_loss(books, pool, values)
    if n > 2:
        return _many_loss(books, pool, values)
    first = weighted.spot_price(pool.start[0], pool.weights[0], pool.start[1], pool.weights[1])
    return loss_since(books, pool, first, values[pool.tokens[0]], values[pool.tokens[1]])


@kernel
def loss_since(books, pool, first, value_0, value_1):
    """Impermanent loss of a share of a pool of two tokens since its own price was `first`.

    Args:
        first: Of token 0 in token 1.
        value_0: Of a unit of token 0, at the market's price.
        value_1: Of a unit of token 1, in the same.
    """
    price = spot_price(books, pool, 0, 1)
    if pool.kind != STABLESWAP:
        weight = 0.5 if pool.kind == CONSTANT_PRODUCT else pool.weights[0]
        return weighted.loss_at_market(price / first, value_0 / value_1 / first, weight)
    turn = pool.rates[1] / pool.rates[0]
    then = stableswap.balances_at(first * turn, pool.amplification)
    now = stableswap.balances_at(price * turn, pool.amplification)
    market = value_0 / value_1 * turn
    return (now[0] * market + now[1]) / (then[0] * market + then[1]) - 1.0


@kernel
def _stable_loss(books, pool, values):
    """Of a StableSwap of any number of tokens: reserves per D, now over the start's.

    The invariant is homogeneous, so reserves over D are what a curve of D = 1 holds at
    the same prices: fees raise D and fall out.
    """
    n = pool.size
    held = scaled(books, pool)
    start = pool.start[:n] * pool.rates[:n]
    if not held.min() > 0.0:
        return np.nan
    now = then = 0.0
    for k in range(n):
        value = values[pool.tokens[k]] / pool.rates[k]
        now += held[k] * value
        then += start[k] * value
    now /= stableswap.invariant(held, pool.amplification)
    then /= stableswap.invariant(start, pool.amplification)
    return now / then - 1.0


@kernel
def _many_loss(books, pool, values):
    """Of a weighted pool of n: prod r_j ** w_j sum (w_i m_i / r_i) / sum (w_i m_i) - 1.

    r and m are prices over those at entry, the pool's own and the market's: along the
    invariant a balance is as ``prod r_j ** w_j / r_i``. At m = r it is the usual
    ``prod r_i ** w_i / sum w_i r_i - 1``.
    """
    n = pool.size
    last = values[pool.tokens[n - 1]]
    log_product, now, held = 0.0, 0.0, 0.0
    for k in range(n):
        price = spot_price(books, pool, k, n - 1) if k < n - 1 else 1.0
        first = weighted.spot_price(
            pool.start[k], pool.weights[k], pool.start[n - 1], pool.weights[n - 1]
        )
        ratio = price / first
        market = values[pool.tokens[k]] / last / first
        log_product += pool.weights[k] * math.log(ratio)
        now += pool.weights[k] * market / ratio
        held += pool.weights[k] * market
    return math.exp(log_product) * now / held - 1.0


@kernel
def range_result(books, pool, values, with_fees):
    """Value of a concentrated pool's positions over that of holding, less one; NaN without any.

    They hold what their liquidity says at the pool's price (beyond all ranges that stands
    where the last one ended, and they hold one token alone). Held instead would have been
    what the same liquidity said at the pool's first price. The market values both.

    Args:
        values: float64[tokens], of a unit of each token, numeraire.
        with_fees: Whether what they are still owed in fees counts.
    """
    price = concentrated.spot_price(books, pool)
    if not price > 0.0:
        return np.nan
    value_0, value_1 = values[pool.tokens[0]], values[pool.tokens[1]]
    now, held = 0.0, 0.0
    for n in range(concentrated.places(books, pool)):
        owner, lower, upper, liquidity = concentrated.position_at(books, pool, n)
        if owner < 0 or liquidity <= 0.0:
            continue
        a, b = concentrated.sqrt_price_at_tick(lower), concentrated.sqrt_price_at_tick(upper)
        if with_fees:
            _, x, y = concentrated.position_tokens(books, pool, n)
        else:
            x, y = concentrated.amounts_for_liquidity(liquidity, math.sqrt(price), a, b)
        now += x * value_0 + y * value_1
        x, y = concentrated.amounts_for_liquidity(liquidity, math.sqrt(pool.first_price), a, b)
        held += x * value_0 + y * value_1
    return now / held - 1.0 if held > 0.0 else np.nan
