"""Weighted: a pool of n tokens in which the weighted geometric mean of reserves is kept.

Symbols as in Martinelli, Mushegian, "Balancer: a non-custodial portfolio manager"
(2019): balances B, normalised weights W that sum to one, value function
``V = prod B_i ** W_i``. The fee is taken from what is paid in and stays in the pool,
as in Balancer v2; on single-sided entries and exits it is taken from the part that
amounts to a swap.

Weights may move along a straight line between two blocks (a liquidity bootstrapping
pool), or by a rule that follows prices (temporal function market making).
"""

from __future__ import annotations

import math

import numpy as np

from sim.compiled import kernel


@kernel
def invariant(balances, weights):
    """V = prod B_i ** W_i; 0 where a balance is empty.

    Args:
        balances: B, float64[n], token units.
        weights: W, float64[n], that sum to one.
    """
    total = 0.0
    for i in range(balances.size):
        if not balances[i] > 0.0:
            return 0.0
        total += weights[i] * math.log(balances[i])
    return math.exp(total)


@kernel
def amount_out(balance_in, weight_in, balance_out, weight_out, amount_in, fee):
    """What a swap gives: B_o (1 - (B_i / (B_i + A_i (1 - f))) ** (W_i / W_o)).

    Args:
        balance_in: B_i, token units.
        weight_in: W_i; only the ratio of the weights counts.
        balance_out: B_o, token units.
        weight_out: W_o.
        amount_in: A_i >= 0, token units.
        fee: f, share of the amount paid in.

    Returns:
        Token units, always less than `balance_out`.
    """
    paid = amount_in * (1.0 - fee)
    # log1p and expm1 keep all digits of a small trade in a large pool.
    return -balance_out * math.expm1(-weight_in / weight_out * math.log1p(paid / balance_in))


@kernel
def amount_in(balance_in, weight_in, balance_out, weight_out, amount_out, fee):
    """What must be paid in to receive an amount; inf where it is all there is or more."""
    if amount_out >= balance_out:
        return np.inf
    grown = math.expm1(-weight_out / weight_in * math.log1p(-amount_out / balance_out))
    return balance_in * grown / (1.0 - fee)


@kernel
def spot_price(balance_base, weight_base, balance_quote, weight_quote):
    """Marginal price without fee, quote per base: (B_q / W_q) / (B_b / W_b)."""
    return balance_quote * weight_base / (weight_quote * balance_base)


@kernel
def arbitrage(balance_base, weight_base, balance_quote, weight_quote, price, fee):
    """Most profitable trade against an outside price.

    The trade ends where the pool's price after the fee is the outside one. With
    r = W_in / W_out, g = 1 - f and s the spot price of the token paid in, in units of
    what it is worth outside: ``(1 + g A / B) ** (1 + r) = g s``.

    Args:
        balance_base: Token units.
        weight_base: Its weight.
        balance_quote: Token units.
        weight_quote: Its weight.
        price: Outside, quote per base.
        fee: f.

    Returns:
        (base_in, quote_in), token units to pay in; one of them is 0.
    """
    g = 1.0 - fee
    spot = spot_price(balance_base, weight_base, balance_quote, weight_quote)
    up = g * price / spot
    if up > 1.0:
        grown = math.expm1(math.log(up) / (1.0 + weight_quote / weight_base))
        return 0.0, balance_quote * grown / g
    down = g * spot / price
    if down > 1.0:
        grown = math.expm1(math.log(down) / (1.0 + weight_base / weight_quote))
        return balance_base * grown / g, 0.0
    return 0.0, 0.0


@kernel
def shares_for_one(balance, weight, amount, supply, fee):
    """Shares for an entry with one token.

    The part 1 - W of the amount is as a swap into the other tokens and pays the fee:
    ``P (((B + A (1 - (1 - W) f)) / B) ** W - 1)``.

    Args:
        balance: B, of the token, token units.
        weight: W, of the token.
        amount: A, token units.
        supply: P, shares.
        fee: f.
    """
    paid = amount * (1.0 - (1.0 - weight) * fee)
    return supply * math.expm1(weight * math.log1p(paid / balance))


@kernel
def one_for_shares(balance, weight, shares, supply, fee):
    """What an exit into one token gives for shares; fee as in `shares_for_one`."""
    if shares >= supply:
        return balance if weight >= 1.0 else 0.0
    gross = -balance * math.expm1(math.log1p(-shares / supply) / weight)
    return gross * (1.0 - (1.0 - weight) * fee)


@kernel
def entry(balances, weights, amounts, supply, fee, fees):
    """Shares for an entry with any amounts of the tokens, and the fees that it paid.

    What a token is in excess of the weighted mean growth is as a swap, and pays the
    fee (Balancer v2, exact tokens in).

    Args:
        balances: B, float64[n], token units.
        weights: W, float64[n].
        amounts: float64[n], token units.
        supply: P, shares.
        fee: f.
        fees: float64[n], written: the fee in each token.
    """
    ideal = 0.0  # mean growth
    for i in range(balances.size):
        ideal += weights[i] * amounts[i] / balances[i]
    total = 0.0
    for i in range(balances.size):
        fees[i] = max(amounts[i] - balances[i] * ideal, 0.0) * fee
        total += weights[i] * math.log1p((amounts[i] - fees[i]) / balances[i])
    return supply * math.expm1(total)


@kernel
def shares_for(balances, weights, amounts, supply, fee):
    """Shares for an entry with any amounts of the tokens; arguments as of `entry`."""
    return entry(balances, weights, amounts, supply, fee, np.empty(balances.size))


@kernel
def weights_at(block, weights, targets, starts, ends, out):
    """Weights on a straight line between two blocks, normalised.

    Args:
        block: Number of the block.
        weights: float64[n], at and before `starts`.
        targets: float64[n], at and after `ends`.
        starts: Block.
        ends: Block; the weights stay as they are where it is not after `starts`.
        out: float64[n], written.
    """
    if ends <= starts or block <= starts:
        share = 0.0
    elif block >= ends:
        share = 1.0
    else:
        share = (block - starts) / (ends - starts)
    total = 0.0
    for i in range(weights.size):
        out[i] = weights[i] + share * (targets[i] - weights[i])
        total += out[i]
    for i in range(weights.size):
        out[i] /= total


@kernel
def weights_by_rule(first, prices, strength, memory, lowest, trends, last, out):
    """Weights that follow recent prices: ``w_i ~ w0_i exp(strength r_i)``, normalised.

    r is each token's log return over about the last ``memory`` blocks, as an exponential
    average sees it: momentum for a positive strength, its reverse for a negative one
    (temporal function market making: Willetts, Harrington 2024).

    Args:
        first: w0, float64[n].
        prices: float64[n], of the block; all positive.
        strength: Per unit of log return.
        memory: Blocks.
        lowest: Weight below which none falls; below 1 / n.
        trends: float64[n], mean log return a block; updated.
        last: float64[n], log prices of the block before, 0 at the start; updated.
        out: float64[n], written.
    """
    n = first.size
    total = 0.0
    for i in range(n):
        now = math.log(prices[i])
        if last[i] != 0.0:
            trends[i] += (now - last[i] - trends[i]) / memory
        last[i] = now
        out[i] = first[i] * math.exp(strength * trends[i] * memory)
        total += out[i]
    for i in range(n):
        # Mixed with even shares so that the least is `lowest` and the sum one.
        out[i] = lowest + (1.0 - n * lowest) * out[i] / total


@kernel
def impermanent_loss(price_ratio, weight):
    """Value of the position over value of holding, less one: r ** w / (w r + 1 - w) - 1 <= 0.

    Args:
        price_ratio: r, price now of the token of weight w over its price at entry.
        weight: w.
    """
    return price_ratio**weight / (weight * price_ratio + 1.0 - weight) - 1.0


@kernel
def loss_at_market(price_ratio, market_ratio, weight):
    """As `impermanent_loss`, where the market's price is another than the pool's.

    Along the invariant the balances are as ``r ** (w - 1)`` and ``r ** w``; valued at the
    market's price they are ``(w m r ** (w - 1) + (1 - w) r ** w) / (w m + 1 - w) - 1``.
    At m = r, where arbitrage takes a pool, that is `impermanent_loss`, the least over r.

    Args:
        price_ratio: r, the pool's own price now over that at entry.
        market_ratio: m, the market's price now over the pool's at entry.
        weight: w, of the token that is priced.
    """
    rest = 1.0 - weight
    now = weight * market_ratio * price_ratio ** (weight - 1.0) + rest * price_ratio**weight
    return now / (weight * market_ratio + rest) - 1.0


@kernel
def loss_versus_rebalancing(volatility, weight):
    """Share of the pool's value lost to arbitrage per unit of time: sigma^2 w (1 - w) / 2.

    Milionis, Moallemi, Roughgarden, Zhang (2022); sigma^2 / 8 at one half.

    Args:
        volatility: sigma, per root of the unit of time.
        weight: w, of the volatile token.
    """
    return 0.5 * volatility * volatility * weight * (1.0 - weight)
