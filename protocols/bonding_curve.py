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
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from protocols import amm
from protocols.curve import Curve, cannot_enter, cannot_fill, cannot_leave, no_number
from protocols.pool import count_swap, take_fee
from protocols.pool_settings import PoolSettings
from protocols.weighted import loss_since_price
from sim.codes import Reason
from sim.compiled import inner, kernel
from sim.distribution import Positive
from sim.errors import Problem
from sim.ledger import burn, mint, store_balance, store_supply, transfer


class BondingCurveSettings(PoolSettings):
    """A bonding curve."""

    kind: Literal["bonding_curve"] = "bonding_curve"
    ratio: Annotated[float, Field(ge=0.01, le=1.0)] = Field(
        0.5, description="Reserve ratio: reserve over the value of all tokens at the curve's price."
    )
    supply: Positive | None = Field(
        None, description="Initial supply, held by outside holders, token units."
    )

    def problems_of_share(self, own: str) -> list[Problem]:
        """Whether its own share is the first of its tokens, and some are out."""
        found: list[Problem] = []
        if self.tokens[0] != own:
            text = f"begin with {self.tokens[0]!r}; the first is what it issues, {own!r}"
            found.append(("tokens", text))
        if self.supply is None:
            found.append(("supply", "is missing; give the initial supply"))
        return found

    def write(self, record: Any, pools: Mapping[str, PoolSettings]) -> None:
        """Write its ratio."""
        record["ratio"] = self.ratio


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


# Of a pool, as `protocols.curve.Curve` has them; its tokens are its share, and the reserve's


@inner
def _is_empty(books, pool):
    supply, held = books.supply[pool.share], books.balances[pool.account, pool.tokens[1]]
    return not (supply > 0.0 and held > 0.0)


@inner
def price_of_pool(books, pool, i, o):
    """`amm.spot_price`."""
    if _is_empty(books, pool):
        return np.nan
    supply, held = books.supply[pool.share], books.balances[pool.account, pool.tokens[1]]
    price = spot_price(supply, held, pool.ratio)
    return price if i == 0 else 1.0 / price


@inner
def priced_by_pool(books, pool, i, o, amount):
    """`amm.priced`."""
    if _is_empty(books, pool):
        return 0.0, 0.0, 0.0
    supply, held = books.supply[pool.share], books.balances[pool.account, pool.tokens[1]]
    if i == 1:
        out = issued(supply, held, pool.ratio, amount, pool.fee)
        return out, amount * pool.fee, 0.0
    if amount > supply:
        return 0.0, 0.0, 0.0
    out = redeemed(supply, held, pool.ratio, amount, pool.fee)
    return out, 0.0, out * pool.fee / (1.0 - pool.fee)


@inner
def slope_of_pool(books, pool, i, o, amount):
    """`amm.slope`."""
    supply, held = books.supply[pool.share], books.balances[pool.account, pool.tokens[1]]
    if _is_empty(books, pool) or (i == 0 and amount >= supply):
        return 0.0, 0.0, 0.0
    keep, ratio = 1.0 - pool.fee, pool.ratio
    if i == 1:
        out = issued(supply, held, ratio, amount, pool.fee)
        grown = held + keep * amount
        first = supply * ratio * keep / held * (grown / held) ** (ratio - 1.0)
        return out, first, (ratio - 1.0) * keep / grown
    out = redeemed(supply, held, ratio, amount, pool.fee)
    left = 1.0 - amount / supply
    first = keep * held / (ratio * supply) * left ** (1.0 / ratio - 1.0)
    return out, first, -(1.0 / ratio - 1.0) / (supply - amount)


@inner
def to_rate_of_pool(books, pool, i, o, rate):
    """`amm.amount_to_rate`."""
    supply, held = books.supply[pool.share], books.balances[pool.account, pool.tokens[1]]
    first = slope_of_pool(books, pool, i, o, 0.0)[1]
    if first <= rate:
        return 0.0
    if pool.ratio >= 1.0:
        return np.inf if i == 1 else supply
    if i == 1:
        return held * ((rate / first) ** (1.0 / (pool.ratio - 1.0)) - 1.0) / (1.0 - pool.fee)
    return supply * (1.0 - (rate / first) ** (1.0 / (1.0 / pool.ratio - 1.0)))


@inner
def trade_of_pool(books, pool, i, o, amount):
    """`amm.trade`."""
    out, fee_in, fee_out = amm.priced(books, pool, i, o, amount)
    money, token = pool.tokens[1], pool.tokens[0]
    held, supply = books.balances[pool.account, money], books.supply[token]
    issued_now = out if i == 1 else -amount
    paid = amount - fee_in * pool.protocol_fee if i == 1 else -out - fee_out * pool.protocol_fee
    store_balance(books, pool.account, money, held + paid)
    store_supply(books, token, supply + issued_now)
    return out


@inner
def swap_of_pool(books, pool, sender, i, o, amount, minimum):
    """Issue the token for the reserve's (i = 1), or redeem it (i = 0)."""
    token, money = pool.tokens[0], pool.tokens[1]
    if _is_empty(books, pool):
        return Reason.EMPTY_POOL, 0.0
    out, fee_in, fee_out = amm.priced(books, pool, i, 1 - i, amount)
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


@inner
def relative_price_of_pool(books, pool, k):
    """The price that breakers and fees watch, up to a constant."""
    return books.balances[pool.account, pool.tokens[1]] / books.supply[pool.share]


CURVE = Curve(
    price=price_of_pool,
    priced=priced_by_pool,
    slope=slope_of_pool,
    to_rate=to_rate_of_pool,
    trade=trade_of_pool,
    swap=swap_of_pool,
    enter=cannot_enter,
    leave=cannot_leave,
    fill=cannot_fill,
    relative_price=relative_price_of_pool,
    exposure=no_number,
    loss_since=loss_since_price,
    parted=False,
    balanced=False,
)
