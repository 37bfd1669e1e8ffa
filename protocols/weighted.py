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
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from protocols import amm, constant_product
from protocols.curve import (
    Curve,
    enter_by_amounts,
    enter_either_way,
    fill_by_amounts,
    relative_price_by_reserves,
)
from protocols.pool import CONSTANT_PRODUCT
from protocols.pool_settings import MovingSettings, PoolSettings
from sim.compiled import inner, kernel
from sim.distribution import Positive
from sim.errors import Problem
from sim.fields import Table

LEAST_WEIGHT = 1e-4
"""Share of a pool's value; amounts are taken to the power of one weight over another."""


class WeightRule(Table):
    """Dynamic weights: each in proportion to exp(strength x its recent return)."""

    strength: Annotated[float, Field(ge=-100.0, le=100.0)] = Field(
        description="Change of log weight per unit of log return; positive follows prices, "
        "negative leans against them."
    )
    memory: Annotated[float, Field(ge=1.0, le=1e9)] = Field(
        300.0, description="Time over which returns are measured, blocks."
    )
    lowest: Annotated[float, Field(ge=0.0, lt=0.5)] = Field(0.05, description="Lowest weight.")


class WeightedSettings(MovingSettings):
    """A weighted pool."""

    kind: Literal["weighted"] = "weighted"
    weights: dict[str, Positive] | None = Field(
        None, description="Weight of each token; only their ratio matters."
    )
    target_weights: dict[str, Positive] | None = Field(
        None, description="Target weights (liquidity bootstrapping)."
    )
    weight_rule: WeightRule | None = None

    @property
    def guarded(self) -> bool:
        """Whether it changes between two blocks with what has happened, as by its rule."""
        return super().guarded or self.weight_rule is not None

    @property
    def target(self) -> tuple[str, Any]:
        """Weights."""
        return "target_weights", self.target_weights

    def shares_of_value(self) -> dict[str, float]:
        """Weights at the start, which sum to one, by token."""
        return self._normal(self.weights)

    def _normal(self, weights: Mapping[str, float] | None) -> dict[str, float]:
        given = weights or dict.fromkeys(self.tokens, 1.0)
        total = sum(given.values())
        return {token: given.get(token, 1.0) / total for token in self.tokens}

    def problems(self, name: str) -> list[Problem]:
        """Whether weights, and the rule that they follow, leave each token some."""
        found = super().problems(name)
        for field in ("weights", "target_weights"):
            given = getattr(self, field)
            if given is not None and set(given) != set(self.tokens):
                text = f"must be of {' and '.join(self.tokens)}, not {' and '.join(given)}"
                found.append((field, text))
            elif given is not None and min(given.values()) < LEAST_WEIGHT * sum(given.values()):
                text = f"make one of them less than {LEAST_WEIGHT:g} of all; raise it"
                found.append((field, text))
        if self.weight_rule is not None:
            if self.weight_rule.lowest * len(self.tokens) >= 1.0:
                text = f"{self.weight_rule.lowest:g} leaves nothing to move among "
                found.append(("weight_rule.lowest", f"{text}{len(self.tokens)} tokens; lower it"))
            if self.target_weights is not None:
                text = "cannot stand beside target_weights; give one of them"
                found.append(("weight_rule", text))
        return found

    def write(self, record: Any, pools: Mapping[str, PoolSettings]) -> None:
        """Write where the weights move to, and their rule."""
        super().write(record, pools)
        if self.target_weights is not None:
            target = self._normal(self.target_weights)
            record["target_weights"][: len(target)] = list(target.values())
        if self.weight_rule is not None:
            record["rule_strength"] = self.weight_rule.strength
            record["rule_memory"] = self.weight_rule.memory
            record["lowest_weight"] = self.weight_rule.lowest


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


# Of a pool, as `protocols.curve.Curve` has them


@inner
def price_of_pool(books, pool, i, o):
    """`amm.spot_price`."""
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return np.nan
    return spot_price(x, pool.weights[i], y, pool.weights[o])


@inner
def priced_by_pool(books, pool, i, o, amount):
    """`amm.priced`."""
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return 0.0, 0.0, 0.0
    out = amount_out(x, pool.weights[i], y, pool.weights[o], amount, pool.fee)
    return out, amount * pool.fee, 0.0


@inner
def slope_of_pool(books, pool, i, o, amount):
    """`amm.slope`."""
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return 0.0, 0.0, 0.0
    keep = 1.0 - pool.fee
    paid = x + keep * amount
    power = pool.weights[i] / pool.weights[o]
    out = amount_out(x, pool.weights[i], y, pool.weights[o], amount, pool.fee)
    first = y * power * keep / paid * (x / paid) ** power
    return out, first, -(power + 1.0) * keep / paid


@inner
def to_rate_of_pool(books, pool, i, o, rate):
    """`amm.amount_to_rate`."""
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return 0.0
    return arbitrage(x, pool.weights[i], y, pool.weights[o], rate, pool.fee)[0]


@inner
def shares_of_pool(books, pool, held, amounts, supply, fees):
    """Shares for amounts as they are; a constant product is one of even weights."""
    n = pool.size
    if supply <= 0.0:
        return invariant(held + amounts, pool.weights[:n])
    return entry(held, pool.weights[:n], amounts, supply, pool.fee, fees)


@inner
def one_of_pool(books, pool, o, shares):
    """The o-th token for shares, and its fee."""
    weight = pool.weights[o]
    held = books.balances[pool.account, pool.tokens[o]]
    out = one_for_shares(held, weight, shares, books.supply[pool.share], pool.fee)
    taken = (1.0 - weight) * pool.fee
    return out, out * taken / (1.0 - taken)


@inner
def move_pool(books, pools, p, block):
    """`amm.move`: weights on a schedule."""
    pool = pools[p]
    if pool.moves_until <= pool.moves_from:
        return
    n = pool.size
    weights_at(
        block,
        pool.first_weights[:n],
        pool.target_weights[:n],
        pool.moves_from,
        pool.moves_until,
        pool.weights[:n],
    )


@inner
def follow_pool(books, pool):
    """`amm.follow_prices`: weights by a rule."""
    n = pool.size
    weights_by_rule(
        pool.first_weights[:n],
        pool.worths[:n],
        pool.rule_strength,
        pool.rule_memory,
        pool.lowest_weight,
        pool.trends[:n],
        pool.last_logs[:n],
        pool.weights[:n],
    )


@inner
def loss_of_two(books, pool, values):
    """`amm.impermanent_loss` of two tokens whose weights stay."""
    first = spot_price(pool.start[0], pool.weights[0], pool.start[1], pool.weights[1])
    return amm.loss_since(books, pool, first, values[pool.tokens[0]], values[pool.tokens[1]])


@inner
def loss_of_pool(books, pool, values):
    """`amm.impermanent_loss`: a schedule, or a rule, sells by itself, and has none."""
    if pool.moves_until > pool.moves_from or pool.rule_strength != 0.0:
        return np.nan
    return _loss_of_many(books, pool, values) if pool.size > 2 else loss_of_two(books, pool, values)


@inner
def _loss_of_many(books, pool, values):
    """Of a pool of n: prod r_j ** w_j sum (w_i m_i / r_i) / sum (w_i m_i) - 1.

    r and m are prices over those at entry, the pool's own and the market's: along the
    invariant a balance is as ``prod r_j ** w_j / r_i``. At m = r it is the usual
    ``prod r_i ** w_i / sum w_i r_i - 1``.
    """
    n = pool.size
    last = values[pool.tokens[n - 1]]
    log_product, now, held = 0.0, 0.0, 0.0
    for k in range(n):
        price = price_of_pool(books, pool, k, n - 1) if k < n - 1 else 1.0
        first = spot_price(pool.start[k], pool.weights[k], pool.start[n - 1], pool.weights[n - 1])
        ratio = price / first
        market = values[pool.tokens[k]] / last / first
        log_product += pool.weights[k] * math.log(ratio)
        now += pool.weights[k] * market / ratio
        held += pool.weights[k] * market
    return math.exp(log_product) * now / held - 1.0


@inner
def loss_since_price(books, pool, first, value_0, value_1):
    """`amm.loss_since` of two tokens by their weights."""
    price = amm.spot_price(books, pool, 0, 1)
    return loss_at_market(price / first, value_0 / value_1 / first, pool.weights[0])


@inner
def fair_share_of_pool(books, pool, prices):
    """`amm.fair_share_price`: V / supply prod (p_i / w_i) ** w_i.

    The value of the reserves where outside prices would put them (the fair reserves of
    Alpha Homora and Balancer); of a constant product ``2 sqrt(x y p q) / supply``.
    """
    value = 1.0 / books.supply[pool.share]
    for k in range(pool.size):
        held, weight = books.balances[pool.account, pool.tokens[k]], pool.weights[k]
        value *= (held * prices[k] / weight) ** weight
    return value


CURVE = Curve(
    price=price_of_pool,
    priced=priced_by_pool,
    slope=slope_of_pool,
    to_rate=to_rate_of_pool,
    enter=enter_by_amounts,
    fill=fill_by_amounts,
    shares_for=shares_of_pool,
    one_for_shares=one_of_pool,
    move=move_pool,
    follow=follow_pool,
    relative_price=relative_price_by_reserves,
    loss=loss_of_pool,
    loss_since=loss_since_price,
    fair=fair_share_of_pool,
)
CONSTANT_PRODUCT_CURVE = Curve(
    kind=CONSTANT_PRODUCT,
    price=amm.spot_price,
    priced=amm.priced,
    slope=constant_product.slope_of_pool,
    to_rate=constant_product.to_rate_of_pool,
    enter=enter_either_way,
    shares_for=shares_of_pool,
    one_for_shares=one_of_pool,
    relative_price=relative_price_by_reserves,
    loss=loss_of_two,
    loss_since=loss_since_price,
    fair=fair_share_of_pool,
)
"""A weighted pool of two even weights, whose formulas are shorter."""
