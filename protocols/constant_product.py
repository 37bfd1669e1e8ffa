"""Constant product: a pool of two tokens in which ``x y = k`` holds but for the fee.

Symbols as in Angeris, Kao, Chiang, Noyes, Chitra, "An analysis of Uniswap
markets" (2019): reserves x (base) and y (quote), fee share f, g = 1 - f.
The fee is taken from what is paid in and stays in the pool, as in Uniswap v2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from protocols.pool_settings import PoolSettings
from sim.codes import Reason
from sim.compiled import inner, kernel
from sim.ledger import mint, transfer


class ConstantProductSettings(PoolSettings):
    """A constant-product pool."""

    kind: Literal["constant_product"] = "constant_product"


@kernel
def amount_out(reserve_in, reserve_out, amount_in, fee):
    """What a swap gives: y g d / (x + g d).

    Args:
        reserve_in: x, token units.
        reserve_out: y, token units.
        amount_in: d >= 0, token units.
        fee: f, share of the amount paid in.

    Returns:
        Token units, always less than `reserve_out`.
    """
    paid = amount_in * (1.0 - fee)
    return reserve_out * paid / (reserve_in + paid)


@kernel
def amount_in(reserve_in, reserve_out, amount_out, fee):
    """What must be paid in to receive an amount: x d / (g (y - d)); inf where d >= y."""
    if amount_out >= reserve_out:
        return np.inf
    return reserve_in * amount_out / ((reserve_out - amount_out) * (1.0 - fee))


@kernel
def arbitrage(reserve_base, reserve_quote, price, fee):
    """Most profitable trade against an outside price (Angeris et al. 2019, section 2.2).

    There is none while the outside price lies in ``[g y/x, y/(g x)]``. Above it,
    base is bought with ``(sqrt(g x y p) - y) / g`` of quote; below it,
    ``(sqrt(g x y / p) - x) / g`` of base is sold.

    Args:
        reserve_base: x, token units.
        reserve_quote: y, token units.
        price: p, outside, quote per base.
        fee: f.

    Returns:
        (base_in, quote_in), token units to pay in; one of them is 0.
    """
    g = 1.0 - fee
    quote_in = (math.sqrt(g * reserve_base * reserve_quote * price) - reserve_quote) / g
    if quote_in > 0.0:
        return 0.0, quote_in
    base_in = (math.sqrt(g * reserve_base * reserve_quote / price) - reserve_base) / g
    return max(base_in, 0.0), 0.0


def cycle(pools: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """Most profitable amount to send once around a cycle of pools.

    The pools are folded into one virtual pool ``(Ea, Eb)``:
    ``Ea <- Ea x / (x + g Eb)``, ``Eb <- g Eb y / (x + g Eb)``, and
    ``d* = (sqrt(g Ea Eb) - Ea) / g``.

    Args:
        pools: (reserve_in, reserve_out, fee) in the order of travel.

    Returns:
        (amount, profit) in units of the first token paid in; (0, 0) if none pays.

    Raises:
        ValueError: If there is no pool.
    """
    if not pools:
        raise ValueError("pools must hold at least one (reserve_in, reserve_out, fee)")
    first_in, first_out, first_fee = pools[0]
    g = 1.0 - first_fee
    ea, eb = first_in, first_out
    for reserve_in, reserve_out, fee in pools[1:]:
        keep = 1.0 - fee
        denominator = reserve_in + keep * eb
        ea, eb = ea * reserve_in / denominator, keep * eb * reserve_out / denominator
    amount = (math.sqrt(g * ea * eb) - ea) / g
    if amount <= 0.0:
        return 0.0, 0.0
    return amount, eb * g * amount / (ea + g * amount) - amount


def split(
    reserves_in: npt.ArrayLike, reserves_out: npt.ArrayLike, fees: npt.ArrayLike, amount: float
) -> npt.NDArray[np.float64]:
    """Split an amount over parallel pools so that the sum received is greatest.

    ``d_i = (sqrt(g_i x_i y_i) m - x_i) / g_i`` over the pools that are used, with
    ``m = (D + sum x_i / g_i) / sum sqrt(x_i y_i / g_i)``: marginal prices are equal.

    Args:
        reserves_in: x, float64[n], token units.
        reserves_out: y, float64[n], token units.
        fees: f, float64[n].
        amount: D >= 0, token units.

    Returns:
        float64[n], amounts that sum to D.

    Raises:
        ValueError: If the amount is negative.
    """
    if not amount >= 0.0:
        raise ValueError(f"amount must be >= 0, not {amount}")
    x, y, f = (np.asarray(a, dtype=np.float64) for a in (reserves_in, reserves_out, fees))
    g = 1.0 - f
    # A pool is used if its first marginal price beats the common one; take them
    # from the best on, so that each set tried holds the one before.
    order = np.argsort(-(g * y / x), kind="stable")
    parts = np.zeros(x.size)
    for used in range(x.size, 0, -1):
        chosen = order[:used]
        m = (amount + np.sum(x[chosen] / g[chosen])) / np.sum(
            np.sqrt(x[chosen] * y[chosen] / g[chosen])
        )
        d = (np.sqrt(g[chosen] * x[chosen] * y[chosen]) * m - x[chosen]) / g[chosen]
        if (d >= 0.0).all() or used == 1:
            parts[chosen] = d
            break
    return parts


@kernel
def impermanent_loss(price_ratio):
    """Value of the position over value of holding, less one: 2 sqrt(r) / (1 + r) - 1 <= 0.

    Args:
        price_ratio: r, price now over price at entry.
    """
    return 2.0 * math.sqrt(price_ratio) / (1.0 + price_ratio) - 1.0


@kernel
def add(books, pool, sender, amount_0, amount_1, minimum):
    """Add both tokens in the pool's proportion, at most the given amounts; receive shares.

    The first provider sets the proportion and receives sqrt(x y) shares.

    Returns:
        (reason, shares).
    """
    if not (amount_0 > 0.0 and amount_1 > 0.0):
        return Reason.INVALID, 0.0
    x = books.balances[pool.account, pool.tokens[0]]
    y = books.balances[pool.account, pool.tokens[1]]
    out = books.supply[pool.share]
    if out <= 0.0 or x <= 0.0 or y <= 0.0:
        shares = math.sqrt(amount_0 * amount_1)
    else:
        part = min(amount_0 / x, amount_1 / y)
        amount_0, amount_1, shares = part * x, part * y, part * out
    if not shares >= minimum or shares <= 0.0:
        return Reason.LIMIT, 0.0
    if not transfer(books, sender, pool.account, pool.tokens[0], amount_0):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not transfer(books, sender, pool.account, pool.tokens[1], amount_1):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    mint(books, sender, pool.share, shares)
    return Reason.DONE, shares


# Of a pool, as `protocols.curve.Curve` has them


@inner
def slope_of_pool(books, pool, i, o, amount):
    """`amm.slope`."""
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return 0.0, 0.0, 0.0
    keep = 1.0 - pool.fee
    paid = x + keep * amount
    return y * keep * amount / paid, keep * x * y / (paid * paid), -2.0 * keep / paid


@inner
def to_rate_of_pool(books, pool, i, o, rate):
    """`amm.amount_to_rate`."""
    x = books.balances[pool.account, pool.tokens[i]]
    y = books.balances[pool.account, pool.tokens[o]]
    if not (x > 0.0 and y > 0.0):
        return 0.0
    return arbitrage(x, y, rate, pool.fee)[0]
