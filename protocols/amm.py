"""What pools do, whatever their kind: price, quote, swap, entry and exit.

Blocks, agents, routers, oracles and measures ask here. What a kind answers lies behind an
address in the pool's record (`protocols.operations`, `protocols.curve`). One curve alone is
compiled into whoever asks: the constant product, whose formula takes less time than a jump.
"""

from __future__ import annotations

import numpy as np

from protocols import constant_product
from protocols.operations import (
    ask_amount,
    ask_claim,
    ask_count,
    ask_depth,
    ask_enter,
    ask_fill,
    ask_held,
    ask_leave,
    ask_number,
    ask_price,
    ask_since,
    ask_swap,
    ask_three,
    ask_valued,
    let_follow,
    let_move,
)
from protocols.pool import CONSTANT_PRODUCT, position, settle_swap
from protocols.safeguards import beyond
from sim.codes import Reason
from sim.compiled import inlined, inner, kernel
from sim.ledger import DUST, mint, transfer

LEAST_LEFT = 1e-8
"""Share of a reserve that no swap takes. What is left is a difference that rounding makes up
beyond that, and the way back is priced by it. (Balancer's pools take no more than 30 %.)"""


@kernel
def worth(books, pool, values):
    """Value of what a pool holds.

    Args:
        values: float64[tokens], of a unit of each token, numeraire.
    """
    total = 0.0
    for k in range(pool.size):
        total += books.balances[pool.account, pool.tokens[k]] * values[pool.tokens[k]]
    return total


@kernel
def reserves(books, pool):
    """What a pool holds, float64[n], in its order."""
    found = np.empty(pool.size)
    for k in range(pool.size):
        found[k] = books.balances[pool.account, pool.tokens[k]]
    return found


# Asking


@kernel
def spot_price(books, pool, i, o):
    """Marginal price of the i-th token in the o-th, without fee; NaN where one is empty."""
    if pool.kind != CONSTANT_PRODUCT:
        return ask_price(pool.price_at, books, pool, i, o)
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    return y / x if x > 0.0 and y > 0.0 else np.nan


@kernel
def priced(books, pool, i, o, amount):
    """What a swap would give.

    Returns:
        (amount out, fee in the token paid in, fee in the token received).
    """
    if not amount > 0.0:
        return 0.0, 0.0, 0.0
    if pool.kind != CONSTANT_PRODUCT:
        return ask_three(pool.priced_at, books, pool, i, o, amount)
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return 0.0, 0.0, 0.0
    return constant_product.amount_out(x, y, amount, pool.fee), amount * pool.fee, 0.0


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
    return ask_three(pool.slope_at, books, pool, i, o, amount)


@kernel
def amount_to_rate(books, pool, i, o, rate):
    """Amount of the i-th token after which a unit more gives only `rate` of the o-th.

    This is the most profitable trade against a price outside.

    Args:
        rate: Units of the o-th token per unit of the i-th.

    Returns:
        Token units, fee included; 0 where not even the first unit gives as much.
    """
    return ask_amount(pool.to_rate_at, books, pool, i, o, rate) if rate > 0.0 else np.inf


@kernel
def trade(books, pool, i, o, amount):
    """Move a pool as a swap would, under the journal, with nobody on the other side.

    For trying out what several swaps would give one after the other: `undo` follows.
    What the trader would pay and receive appears and vanishes.

    Returns:
        Amount out; 0 where a swap would fail.
    """
    return ask_amount(pool.trade_at, books, pool, i, o, amount)


@kernel
def depth(books, pool, fall):
    """Amount of the first token whose sale lowers its price in the last by a share.

    Args:
        fall: Share, such as 0.01.
    """
    return ask_depth(pool.depth_at, books, pool, fall)


@kernel
def exposure_to_price(books, pool):
    """Value of the first token sold per unit that its log price rises, over the pool's value.

    With it, loss-versus-rebalancing is half the variance times this, for any curve
    (Milionis, Moallemi, Roughgarden, Zhang 2022, theorem 1): 1/4 for constant product.
    Of pools of two tokens, at their own price; NaN where one is empty.
    """
    return ask_number(pool.exposure_at, books, pool)


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
    return ask_valued(pool.loss_at, books, pool, values)


@kernel
def loss_since(books, pool, first, value_0, value_1):
    """Impermanent loss of a share of a pool of two tokens since its own price was `first`.

    Args:
        first: Of token 0 in token 1.
        value_0: Of a unit of token 0, at the market's price.
        value_1: Of a unit of token 1, in the same.
    """
    return ask_since(pool.loss_since_at, books, pool, first, value_0, value_1)


@kernel
def provider_result(books, pool, values):
    """Value of what was put in, with its fees, over that of holding it, less one; or NaN.

    Args:
        values: float64[tokens], of a unit of each token, numeraire.
    """
    return ask_valued(pool.result_at, books, pool, values)


@kernel
def fair_share_price(books, pool, prices):
    """Value of a share that a swap cannot move, numeraire; NaN where there is no such thing.

    Args:
        prices: float64[tokens of the pool], outside prices in its order.
    """
    return ask_valued(pool.fair_at, books, pool, prices)


@kernel
def rate_of_share(books, pool):
    """What a share is worth in units of what the pool's tokens stand for: of a metapool's base."""
    return ask_number(pool.rate_of_share_at, books, pool)


@kernel
def claims(books, pool):
    """Places of claims on the pool that are no tokens."""
    return ask_count(pool.claims_at, books, pool)


@kernel
def claim(books, pool, n):
    """Claim at the n-th place: (owner's account or -1, amount of token 0, of token 1)."""
    return ask_claim(pool.claim_at, books, pool, n)


# Doing


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
    if pool.kind == CONSTANT_PRODUCT:
        reason, out = swap_by_price(books, pool, sender, i, o, amount, minimum)
    else:
        reason, out = ask_swap(pool.swap_at, books, pool, sender, i, o, amount, minimum)
    if reason == Reason.DONE and pool.guarded and beyond(books, pool):
        pool.tripped = 1
        return Reason.HALTED, 0.0
    return reason, out


@inlined
def swap_by_price(books, pool, sender, i, o, amount, minimum):
    """The swap of a kind that has nothing of its own to say but the price."""
    token_in, token_out = pool.tokens[i], pool.tokens[o]
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


# Wide: the arguments of a call, and the books.
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
    if not amount_a + amount_b < np.inf:
        return Reason.INVALID, 0.0
    if token_a == pool.share:
        return _add_in_proportion(books, pool, sender, amount_a, amount_b)
    a, b = position(pool, token_a), position(pool, token_b)
    if a < 0 or b < 0 or a == b:
        return Reason.INVALID, 0.0
    return ask_enter(
        pool.enter_at, books, pool, sender, a, b, amount_a, amount_b, minimum, lower, upper
    )


@inner
def _add_in_proportion(books, pool, sender, shares, most):
    supply = books.supply[pool.share]
    if supply <= 0.0 or not pool.parted:
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
    return ask_fill(pool.fill_at, books, pool, sender, amounts)


@kernel
def held(books, pool, account, lower, upper):
    """What an account can give back: shares of a pool, or the liquidity of a position."""
    return ask_held(pool.held_at, books, pool, account, lower, upper)


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
    o = position(pool, token)
    return ask_leave(pool.leave_at, books, pool, sender, o, shares, minimum, lower, upper)


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


# Between blocks


@kernel
def move(books, pools, p, block):
    """Let a pool's weights, amplification and rates be those of a block.

    The rate of another pool's share is that pool's virtual price at the end of the last
    block, as Curve's metapools remember it for ten minutes.
    """
    let_move(pools[p].move_at, books, pools, p, block)


@kernel
def follow_prices(books, pool):
    """Let weights that have a rule follow the values of the last block."""
    if pool.rule_strength != 0.0:
        let_follow(pool.follow_at, books, pool)
