"""A bonding curve: a token that is issued and redeemed against a reserve.

Symbols as in Rosenfeld, "Formulas for Bancor system" (2017): supply S, reserve R, constant
reserve ratio F; the price is ``P = R / (S F)``, so that R is F of what all tokens would be
worth at it. With ``F = 1 / (n + 1)`` the price grows as the n-th power of the supply
(Zargham, Shorish, Paruch 2019); with F = 1 it stays where it is.

The fee is taken from what is paid, in the reserve's token, and joins the reserve: it
raises the price for those who stay.
"""

from __future__ import annotations

import math

from sim.compiled import kernel


@kernel
def spot_price(supply, reserve, ratio):
    """Marginal price without fee, reserve per token: R / (S F)."""
    return reserve / (supply * ratio)


@kernel
def issued(supply, reserve, ratio, amount, fee):
    """Tokens issued for an amount paid: S ((1 + (1 - f) E / R) ** F - 1).

    Args:
        supply: S, tokens.
        reserve: R, units of the reserve's token.
        ratio: F, in (0, 1].
        amount: E >= 0, units of the reserve's token.
        fee: f, share of what is paid.
    """
    return supply * math.expm1(ratio * math.log1p(amount * (1.0 - fee) / reserve))


@kernel
def redeemed(supply, reserve, ratio, tokens, fee):
    """What tokens are redeemed for: (1 - f) R (1 - (1 - T / S) ** (1 / F)).

    Args:
        supply: S, tokens.
        reserve: R, units of the reserve's token.
        ratio: F, in (0, 1].
        tokens: T, at most S.
        fee: f, share of what is paid out.
    """
    if tokens >= supply:
        return reserve * (1.0 - fee)
    return -reserve * math.expm1(math.log1p(-tokens / supply) / ratio) * (1.0 - fee)


@kernel
def reserve_for(supply, price, ratio):
    """Reserve with which a supply has a price: P S F."""
    return price * supply * ratio


@kernel
def ratio_for_power(power):
    """Reserve ratio at which the price grows as a power of the supply: 1 / (n + 1)."""
    return 1.0 / (power + 1.0)
