"""The outside venue: where prices come from, and what it costs to trade there.

A price is ``exp(x + permanent + transient)``: x moves by its own process, the two
others by what agents trade. The venue's depth is finite, thins when volatility
rises, and its maker's inventory is an account of the ledger like any other.

Impact. With Q the depth in token units per unit of log price, selling q moves the
log price by -q/Q and pays the integral of the price along the way,
``p Q (1 - exp(-q/Q))``; buying back the same amount costs exactly that, so no round
trip earns anything (the linear, permanent case of Huberman and Stanzl 2004). A
share of the impact stays, the rest decays exponentially (Obizhaeva and Wang 2013).

Depth is the venue's own, and what agents quote beside it (`QUOTE`): a trade is filled in
proportion, and the venue's account takes what they cannot. A price that is endogenous has no
process: it moves by the net orders that agents outside have posted in the block before
(`post_order`), at the depth that there is (the rule of Farmer, Joshi 2002; Kyle's lambda, 1985).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt
from numba import types
from numba.np import numpy_support

from sim.arrays import log as logs
from sim.codes import ALL, Kind, Reason
from sim.compiled import address_of, inner, jump, kernel
from sim.handles import Handle
from sim.ledger import DUST, Books, Ledger, begin, exchange, store, transfer
from sim.names import VENUE
from sim.randomness import block_key, normal, normal_quantile, uniform
from sim.registry import register_call
from sim.tasks import end_call

ONE_PER_CENT = math.log(1.01)
FARTHEST = 300.0
"""Log price, up or down, at which a process stands still: beyond lie no floats but 0 and inf."""

ASSET = np.dtype(
    [
        ("token", "i8"),
        ("step_at", "i8"),  # address of the process that moves it; 0: it is replayed
        ("path", "i8"),  # row in the paths that are replayed
        ("slot", "i8"),  # of its slots in the ledger's storage
        ("stream", "u8"),  # of its draws: keyed by its name, so that no other asset matters
        ("x", "f8"),  # log price without the agents' impact
        (
            "anchor",
            "f8",
        ),  # log price that one returns to, or value of an endogenous one
        ("news", "f8"),  # deviation of that value's steps
        ("drift", "f8"),  # of the price, per block, like all that follows
        ("sigma", "f8"),
        ("variance", "f8"),  # now, of Heston and GARCH
        ("jump_chance", "f8"),
        ("common", "f8"),  # share of the jumps that are common to all assets that have some
        ("common_stream", "u8"),  # of their times
        ("jump_mean", "f8"),
        ("jump_sd", "f8"),
        ("reversion", "f8"),
        ("vol_of_vol", "f8"),
        ("leverage", "f8"),  # correlation of variance and price
        ("alpha", "f8"),
        ("beta", "f8"),
        ("depth", "f8"),  # numeraire that moves the price one per cent, in normal times
        ("depth_exponent", "f8"),
        ("least_depth", "f8"),  # share of the depth that stays
        ("depth_multiple", "f8"),  # what shocks leave of it
        ("depth_until", "i8"),  # block at which that ends
        ("normal_variance", "f8"),  # a block's, which the depth is stated at
        ("seen_variance", "f8"),  # a block's, as lately seen
        ("memory", "f8"),  # weight of the last block in it
        ("permanent", "f8"),  # share of the impact
        ("decay", "f8"),  # of the rest, a block
        ("spread", "f8"),  # half of it, a share of the price
        ("price", "f8"),  # at the start of the block, numeraire per unit
        ("before", "f8"),  # and of the block before
        ("units", "f8"),  # Q at the start of the block; inf: no impact
        ("flow", "f8"),  # orders posted for the next block, bought less sold, token units
        ("filled", "f8"),  # price at which those of the last were filled, without the spread
    ]
)

QUOTE = np.dtype(
    [
        ("account", "i8"),  # of who quotes
        ("asset", "i8"),  # number at the venue
        ("units", "f8"),  # depth, token units per unit of log price
        ("weight", "f8"),  # of its capital that stands behind it
        ("target", "f8"),  # inventory that it returns to, token units
        ("first", "f8"),  # depth at the start, numeraire for one per cent
        ("until", "i8"),  # last block in which it holds
    ]
)
"""A quote of an agent at the venue, written in a block for the next."""

# Slots of an asset in the ledger's storage, from its `slot` on. Impacts are log prices.
PERMANENT, TRANSIENT, VOLUME = range(3)
ASSET_SLOTS = 3

# Positions of an asset's draws in its stream of a block.
_SHOCK, _VARIANCE, _JUMP, _JUMP_SIZE, _COMMON_SIZES = range(5)

_PSI = 1.5
"""Where the variance's law changes: Andersen (2008) has anything from 1 to 2 do."""
_FEW = 100.0
"""Mean number of jumps up to which they are counted one by one."""


@kernel
def decayed(k):
    """Mean of exp(-k s) over s in [0, 1]: (1 - exp(-k)) / k, and 1 at k = 0."""
    return -math.expm1(-k) / k if k > 0.0 else 1.0


@kernel
def poisson(mean, u):
    """Quantile of a Poisson number, by inversion; of large means by Cornish and Fisher (1938).

    Args:
        mean: >= 0.
        u: Probability in (0, 1).
    """
    if mean > _FEW:
        z = normal_quantile(u)
        return max(math.floor(mean + math.sqrt(mean) * z + (z * z - 1.0) / 6.0 + 0.5), 0.0)
    number = 0.0
    term = math.exp(-mean)
    total = term
    while u > total:
        number += 1.0
        term *= mean / number
        if total + term == total:  # rounding keeps the sum below the largest u
            break
        total += term
    return number


@inner
def _heston(asset, shock, other):
    """Log return of a block of Heston's process, whose variance moves on.

    The variance after the block is Andersen's QE ("Simple and efficient simulation of the
    Heston stochastic volatility model", 2008, section 3.2): its mean m and variance s^2
    given V are exact, and it is never negative. With e = exp(-k), f = (1 - e) / k,
    ``m = theta + (V - theta) e`` and ``s^2 = eps^2 (V e f + theta k f^2 / 2)``.

    The price's shock has a part ``rho`` along the variance's. Andersen reads that part
    and the integral of V off the ends (his central weights, equation 33), which is good
    to the second order in k: at k = 5 it would make the price's variance 1.5 times what
    it is. Ours are the regressions on V' over the block, exact at every k and his for
    small k: with ``J = theta + (V - theta) f`` the mean integral and
    ``g = theta f + (V - theta) e``, the part is ``c (V' - m)``, ``c = eps g / s^2``, which
    explains the share ``c eps g / J`` of its variance; the rest goes to the independent
    normal. The drift is his martingale correction (section 4.3), so that the price's mean
    is exact, as are its variance and its covariance with V'.

    Args:
        asset: Its `variance` is V, `sigma` squared theta, `reversion` k, `vol_of_vol` eps,
            `leverage` rho, all a block's.
        shock: Normal of the price, which other assets may share.
        other: Independent normal.
    """
    k, eps, rho = asset.reversion, asset.vol_of_vol, asset.leverage
    theta, v = asset.sigma * asset.sigma, asset.variance
    e, f = math.exp(-k), decayed(k)
    m = theta + (v - theta) * e
    integral = theta + (v - theta) * f
    d = v * e * f + 0.5 * theta * k * f * f  # s^2 / eps^2
    psi = eps * eps * d / m / m if m > 0.0 else 0.0
    if not 1e-16 < psi < 1e30:  # the variance does not move, or there is none left
        asset.variance = m
        return asset.drift - 0.5 * integral + math.sqrt(integral) * shock

    flat = math.sqrt(1.0 - rho * rho)
    along = rho * shock + flat * other  # the variance's normal
    across = flat * shock - rho * other  # what of the price's is independent of it
    g = theta * f + (v - theta) * e
    # Slopes, on V', of the part along it and of the integral.
    part = g / (eps * d)
    if k > 1e-4:
        slope = (v * e * (1.0 - f) + theta * (f - e - 0.5 * k * f * f)) / (k * d)
    else:
        slope = (0.5 * v * e + theta * k / 6.0) / d
    explained = min(rho * rho * g * g / (d * integral), 1.0)  # of the price's variance, by V'
    tilt = rho * part - 0.5 * explained * slope
    if psi <= _PSI:
        two = 2.0 / psi
        b2 = two - 1.0 + math.sqrt(two) * math.sqrt(two - 1.0)
        a = m / (1.0 + b2)
        after = a * (math.sqrt(b2) + along) ** 2
        bound = 1.0 - 2.0 * tilt * a
        norm = tilt * b2 * a / bound - 0.5 * math.log(bound) if bound > 0.0 else np.nan
    else:
        chance = 2.0 / (psi + 1.0)  # of a variance above zero
        scale = m / chance  # its mean then: it is exponential
        tail = 0.5 * math.erfc(along / math.sqrt(2.0))
        after = scale * math.log(chance / tail) if tail < chance else 0.0
        bound = 1.0 - tilt * scale
        norm = math.log1p(chance * tilt * scale / bound) if bound > 0.0 else np.nan
    asset.variance = after
    if math.isnan(norm):  # no finite mean to correct: that of the logarithm is right
        norm = tilt * m + 0.5 * explained * integral
    ours = (1.0 - explained) * max(integral + slope * (after - m), 0.0)
    return asset.drift + tilt * after - norm + math.sqrt(ours) * across - 0.5 * ours


# Processes: the log return of one block, given the asset's correlated shock


@inner
def stand(books, asset, shock, key):
    """Constant."""
    return 0.0


@inner
def diffuse(books, asset, shock, key):
    """Geometric Brownian motion."""
    return asset.drift - 0.5 * asset.sigma**2 + asset.sigma * shock


@inner
def return_to_mean(books, asset, shock, key):
    """Ornstein, Uhlenbeck (1930), in closed form.

    The whole price returns, with what agents have moved it: somebody outside sells what is
    dear and buys what is cheap.
    """
    k = asset.reversion
    way = -math.expm1(-k) * (asset.anchor - math.log(price_now(books, asset)))
    return way + asset.sigma * math.sqrt(decayed(2.0 * k)) * shock


@inner
def heston(books, asset, shock, key):
    """Heston (1993)."""
    return _heston(asset, shock, normal(key, _VARIANCE))


@inner
def garch(books, asset, shock, key):
    """GARCH(1,1) with the long-run variance sigma^2 (Bollerslev 1986)."""
    v = asset.variance
    e = math.sqrt(v) * shock
    asset.variance = (
        asset.sigma**2 * (1.0 - asset.alpha - asset.beta) + asset.alpha * e * e + asset.beta * v
    )
    return asset.drift - 0.5 * v + e


@inner
def jump_and_diffuse(books, asset, shock, key):
    """Merton (1976): a Poisson number of normal jumps, compensated so that the drift is its own.

    Jumps that are common to several assets come on top (`common_jumps`).
    """
    step = diffuse(books, asset, shock, key)
    number = poisson((1.0 - asset.common) * asset.jump_chance, uniform(key, _JUMP))
    if number > 0.0:
        size = asset.jump_sd * math.sqrt(number) * normal(key, _JUMP_SIZE)
        step += number * asset.jump_mean + size
    return step - asset.jump_chance * math.expm1(asset.jump_mean + 0.5 * asset.jump_sd**2)


@inner
def follow_orders(books, asset, shock, key):
    """Move by the net orders of the block before; the value follows news, a random walk.

    All of them are filled at the mean price on the way, so that those who buy and those who
    sell meet at one price, and the venue takes what is left.
    """
    asset.anchor += asset.news * shock
    step = asset.flow / asset.units if asset.units > 0.0 else 0.0
    asset.flow = 0.0
    asset.filled = price_now(books, asset)
    if step != 0.0:
        asset.filled *= math.expm1(step) / step
    return step


@inner
def common_jumps(assets, cholesky, a, block):
    """Sum of an asset's jumps in a block that others share: common Poisson shocks.

    All events of a unit Poisson process in [0, r) are the asset's, r being its own mean number of
    common jumps. So its jumps stay Poisson, of two assets the one that jumps less often jumps
    only together with the other as far as jumps are common, and the numbers of two have the
    correlation ``common min(a, b) / sqrt(a b)`` of rates a and b, however long a block is
    (Marshall, Olkin 1967; Lindskog, McNeil 2003; for prices Das, Uppal 2004). Sizes are
    correlated as shocks are. Which assets there are beside changes nothing.

    Args:
        assets: ASSET[n].
        cholesky: float64[n, n], as in `move`.
        a: Number of the asset.
        block: Number of the block.
    """
    asset = assets[a]
    key = block_key(asset.common_stream, block)
    mean = asset.common * asset.jump_chance
    at = -math.log(uniform(key, 0))
    found = 0.0
    n = 0
    while at < mean:
        shock = 0.0
        for b in range(a + 1):
            if cholesky[a, b] != 0.0:
                own = normal(block_key(assets[b].stream, block), _COMMON_SIZES + n)
                shock += cholesky[a, b] * own
        found += asset.jump_mean + asset.jump_sd * shock
        n += 1
        at -= math.log(uniform(key, n))
    return found


_STEP = (
    types.float64,
    Books._type,
    numpy_support.from_dtype(ASSET),
    types.float64,
    types.uint64,
)
_ask_step = jump(*_STEP)
PROCESSES = {
    "constant": stand,
    "gbm": diffuse,
    "jumps": jump_and_diffuse,
    "heston": heston,
    "garch": garch,
    "mean_reverting": return_to_mean,
    "endogenous": follow_orders,
    "bridge": None,
    "replay": None,
}
"""What moves a price; None: a path that is known."""


@cache
def step_of(process: str) -> int:
    """Address of the kernel of a process, for `ASSET`."""
    step = PROCESSES[process]
    return 0 if step is None else address_of(step, _STEP[1:])


@inner
def _step(books, assets, cholesky, paths, block, a):
    """Log return of an asset's process in a block; the process moves on."""
    asset = assets[a]
    if asset.step_at == 0:
        row = paths[asset.path]
        last = row.size - 1
        return row[min(block, last)] - row[min(block - 1, last)]
    shock = 0.0
    for b in range(a + 1):
        if cholesky[a, b] != 0.0:
            own = normal(block_key(assets[b].stream, block), _SHOCK)
            shock += cholesky[a, b] * own
    key = block_key(asset.stream, block)
    change = _ask_step(asset.step_at, books, asset, shock, key)
    if asset.common > 0.0:
        change += common_jumps(assets, cholesky, a, block)
    return change


@kernel
def foresee(books, assets, cholesky, paths, block, a):
    """Log return that an asset's process will have in a coming block; nothing changes.

    Draws are keyed by the block, so the next one's can be had before. What agents do until then
    is not foreseen, which moves a price beside its process, or where one returns to a mean.

    Args:
        block: Number of the block, the next one; the others are those of `move`.
        a: Number of the asset.
    """
    asset = assets[a]
    # All that a process remembers beside the price.
    variance, anchor = asset.variance, asset.anchor
    flow, filled = asset.flow, asset.filled
    change = _step(books, assets, cholesky, paths, block, a)
    asset.variance, asset.anchor = variance, anchor
    asset.flow, asset.filled = flow, filled
    return change


@kernel
def move(books, assets, cholesky, paths, block):
    """Move all outside prices by one block, let impact decay, and set the depth.

    Args:
        assets: ASSET[n].
        cholesky: float64[n, n], lower factor of the shocks' correlation.
        paths: float64[rows, blocks + 1], log prices that are replayed.
        block: Number of the block, from 1; row 0 of a path is the start.
    """
    for a in range(assets.size):
        asset = assets[a]
        books.storage[asset.slot + TRANSIENT] *= asset.decay
        asset.x += _step(books, assets, cholesky, paths, block, a)
        asset.x = min(max(asset.x, -FARTHEST), FARTHEST)
        mark(books, asset)
        change = math.log(asset.price / asset.before)
        asset.seen_variance += asset.memory * (change * change - asset.seen_variance)
        asset.units = depth_units(asset, block)


@kernel
def mark(books, asset):
    """Set the asset's price of the block."""
    asset.before = asset.price
    asset.price = price_now(books, asset)


@kernel
def price_now(books, asset):
    """Mid price, with all impact until now, numeraire per unit."""
    slot = asset.slot
    return math.exp(asset.x + books.storage[slot + PERMANENT] + books.storage[slot + TRANSIENT])


@kernel
def volatility_ratio(asset):
    """Volatility as lately seen over the normal one; 1 for an asset that has none."""
    if asset.normal_variance <= 0.0:
        return 1.0
    return math.sqrt(asset.seen_variance / asset.normal_variance)


@kernel
def depth_units(asset, block):
    """Q, token units per unit of log price.

    Depth in the numeraire is the stated one times
    ``(normal volatility / volatility lately seen) ** exponent``, never above the stated one
    and never below its least share: books empty in a crash, but they are not gone. It is
    stated at the price without the agents' impact: were Q greater at a price that a sale has
    pushed down, buying back there would cost less than the sale brought.
    """
    value = asset.depth
    if block < asset.depth_until:
        value *= asset.depth_multiple
    if value == np.inf:
        return np.inf
    thinner = max(volatility_ratio(asset), 1.0) ** asset.depth_exponent
    return max(value / thinner, value * asset.least_depth) / (ONE_PER_CENT * math.exp(asset.x))


@kernel
def add_quotes(assets, quotes, block):
    """Add to the depth of each asset what agents quote beside the venue's own.

    A quote that nobody has renewed is gone.
    """
    for n in range(quotes.size):
        if quotes[n].until < block:
            quotes[n].units = 0.0
        assets[quotes[n].asset].units += quotes[n].units


@inner
def _leaves(books, asset, bought):
    """Whether buying an amount there would take its price beyond all that is a number."""
    if asset.units == np.inf:
        return False
    slot = asset.slot
    change = bought / asset.units
    after = asset.x + books.storage[slot + PERMANENT] + books.storage[slot + TRANSIENT] + change
    return not (abs(after) <= FARTHEST or after * change < 0.0)


@inner
def _impact(books, asset, log_change):
    slot = asset.slot
    lasting = log_change * asset.permanent
    store(books, slot + PERMANENT, books.storage[slot + PERMANENT] + lasting)
    store(books, slot + TRANSIENT, books.storage[slot + TRANSIENT] + log_change - lasting)


@kernel
def proceeds(books, asset, amount):
    """What selling an amount there would pay now, in the numeraire."""
    price = price_now(books, asset) * (1.0 - asset.spread)
    if asset.units == np.inf:
        return price * amount
    return price * asset.units * -math.expm1(-amount / asset.units)


@kernel
def purchase(books, asset, money):
    """How much an amount of the numeraire would buy there now, token units."""
    price = price_now(books, asset) * (1.0 + asset.spread)
    if asset.units == np.inf:
        return money / price
    return asset.units * math.log1p(money / (price * asset.units))


@inner
def _asset_of(assets, token):
    for a in range(assets.size):
        if assets[a].token == token:
            return a
    return -1


@kernel
def quote(books, assets, numeraire, token_in, token_out, amount):
    """What a trade at the venue would give now, token units; NaN for an unknown token."""
    money = amount
    if token_in != numeraire:
        a = _asset_of(assets, token_in)
        if a < 0:
            return np.nan
        money = proceeds(books, assets[a], amount)
    if token_out == numeraire:
        return money
    a = _asset_of(assets, token_out)
    return purchase(books, assets[a], money) if a >= 0 else np.nan


# Wide: a trade, and who takes part in it.
@inner
def _let_quotes_fill(books, assets, quotes, venue, numeraire, a, amount, money):
    """Have those who quote take their part of a trade that the venue's account has made.

    Each takes what its depth is of the whole, at the trade's own price, as far as it holds what
    it has to pay; the rest stays with the venue.

    Args:
        a: Number of the asset.
        amount: Token units that the venue has bought; negative: sold.
        money: What it has paid for them, numeraire; negative: got.
    """
    asset = assets[a]
    for n in range(quotes.size):
        quote = quotes[n]
        if quote.asset != a or not quote.units > 0.0 or asset.units == np.inf:
            continue
        share = quote.units / asset.units
        units, paid = share * amount, share * money
        account = quote.account
        if amount > 0.0:
            held = books.balances[account, numeraire]
            part = min(held / paid, 1.0) if paid > 0.0 else 1.0
            exchange(books, venue, account, asset.token, units * part, numeraire, paid * part)
        else:
            held = books.balances[account, asset.token]
            part = min(held / -units, 1.0)
            exchange(books, account, venue, asset.token, -units * part, numeraire, -paid * part)


# Wide: a trade, and who takes part in it.
@inner
def _clear(
    books, assets, quotes, venue, numeraire, sender, token_in, token_out, amount, money, out
):
    """Exchange through the venue's account, with those who quote taking their parts of each leg.

    Returns:
        Whether the sender and the venue could pay.
    """
    if not transfer(books, sender, venue, token_in, amount):
        return False
    if token_in != numeraire:
        a = _asset_of(assets, token_in)
        _let_quotes_fill(books, assets, quotes, venue, numeraire, a, amount, money)
    if token_out != numeraire:
        a = _asset_of(assets, token_out)
        _let_quotes_fill(books, assets, quotes, venue, numeraire, a, -out, -money)
    return transfer(books, venue, sender, token_out, out)


@inner
def post_order(assets, a, amount):
    """Post an order for the next block at an asset whose price is endogenous.

    Args:
        a: Number of the asset.
        amount: Token units to buy; negative: to sell.

    Returns:
        The amount, as `settle_order` takes it a block later.
    """
    assets[a].flow += amount
    return amount


# Wide: an order, and who takes part in it.
@inner
def settle_order(books, assets, quotes, venue, numeraire, account, a, amount):
    """Settle an order that was posted in the block before, at the price that all of them made.

    What the account cannot pay of it is left, and nothing is done where the venue cannot.

    Args:
        account: Row of who posted it.
        a: Number of the asset.
        amount: As posted.

    Returns:
        What was bought, token units; negative: sold.
    """
    asset = assets[a]
    begin(books)
    if amount > 0.0:
        price = asset.filled * (1.0 + asset.spread)
        amount = min(amount, books.balances[account, numeraire] / price)
        money = amount * price
        done = exchange(books, account, venue, numeraire, money, asset.token, amount)
    else:
        price = asset.filled * (1.0 - asset.spread)
        amount = -min(-amount, books.balances[account, asset.token])
        money = amount * price
        done = exchange(books, account, venue, asset.token, -amount, numeraire, -money)
    if not done:
        return 0.0
    if quotes.size > 0:
        _let_quotes_fill(books, assets, quotes, venue, numeraire, a, -amount, -money)
    return amount


# Wide: the arguments of a call, the books and the venue.
@kernel
def trade(books, assets, quotes, venue, numeraire, sender, token_in, token_out, amount, minimum):
    """Trade at the venue, moving its prices.

    Args:
        quotes: QUOTE[n], of agents beside it.
        venue: Its account.
        numeraire: Token in which it quotes; a trade of two others goes through it.
        minimum: Least amount to receive.

    Returns:
        (reason, amount out).
    """
    if token_in == token_out or not amount > 0.0:
        return Reason.INVALID, 0.0
    out = quote(books, assets, numeraire, token_in, token_out, amount)
    if math.isnan(out):
        return Reason.INVALID, 0.0
    if not out >= minimum:
        return Reason.LIMIT, 0.0
    if token_in != numeraire and _leaves(books, assets[_asset_of(assets, token_in)], -amount):
        return Reason.VENUE_EMPTY, 0.0
    if token_out != numeraire and _leaves(books, assets[_asset_of(assets, token_out)], out):
        return Reason.VENUE_EMPTY, 0.0
    paid = amount <= books.balances[sender, token_in] * (1.0 + DUST)
    if quotes.size == 0:
        done = exchange(books, sender, venue, token_in, amount, token_out, out)
    else:
        money = amount
        if token_in != numeraire:
            money = proceeds(books, assets[_asset_of(assets, token_in)], amount)
        done = _clear(
            books, assets, quotes, venue, numeraire, sender, token_in, token_out, amount, money, out
        )
    if not done:
        return (Reason.VENUE_EMPTY if paid else Reason.INSUFFICIENT_BALANCE), 0.0
    if token_in != numeraire:
        asset = assets[_asset_of(assets, token_in)]
        _count(books, asset, amount)
        if asset.units != np.inf:
            _impact(books, asset, -amount / asset.units)
    if token_out != numeraire:
        asset = assets[_asset_of(assets, token_out)]
        _count(books, asset, out)
        if asset.units != np.inf:
            _impact(books, asset, out / asset.units)
    return Reason.DONE, out


@inner
def trade_call(w):
    """The call VENUE."""
    rules = w.rules[0]
    under_way = w.under_way[0]
    call = w.mempool[under_way.call_place]
    sender = np.int64(call.sender)
    token_in, token_out = np.int64(call.token_in), np.int64(call.token_out)
    amount = under_way.call_in
    if amount == ALL:
        amount = w.books.balances[sender, token_in]
    reason, out = trade(
        w.books,
        w.assets,
        w.quotes,
        rules.venue,
        rules.numeraire,
        sender,
        token_in,
        token_out,
        amount,
        call.limit,
    )
    end_call(w, reason, amount, out)


register_call(Kind.VENUE, trade_call, of="venue")


@inner
def _count(books, asset, amount):
    store(books, asset.slot + VOLUME, books.storage[asset.slot + VOLUME] + amount)


def bridge(
    knots: npt.NDArray[np.float64],
    prices: npt.NDArray[np.float64],
    sigmas: npt.NDArray[np.float64],
    blocks: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Log price path through stated points, a Brownian bridge between each two.

    Args:
        knots: float64[n], times of the points in blocks since the start, rising;
            before the first and after the last the price is theirs.
        prices: float64[n], prices at the points.
        sigmas: float64[n], standard deviation of a block's log return on the way to
            each point.
        blocks: Length of the path.
        rng: Draws the bridge.

    Returns:
        float64[blocks + 1], log prices at block boundaries.
    """
    grid = np.arange(blocks + 1, dtype=np.float64)
    way = np.minimum(np.searchsorted(knots, grid[1:], side="left"), knots.size - 1)
    walk = np.concatenate(([0.0], np.cumsum(rng.standard_normal(blocks) * sigmas[way])))
    at = np.clip(knots, 0.0, float(blocks))
    # A walk less its own line through the knots is zero at each of them.
    loose = walk - np.interp(grid, at, np.interp(at, grid, walk))
    loose[(grid < at[0]) | (grid > at[-1])] = 0.0
    return np.asarray(np.interp(grid, knots, logs(prices)) + loose)


class Venue(Handle):
    """The outside venue as a person holds it."""

    family = "venue"
    name = VENUE

    def __init__(
        self, ledger: Ledger, assets: npt.NDArray[np.void], account: int, numeraire: int
    ) -> None:
        """Hold the venue; `assets` is ASSET[n], the market's own array."""
        self.ledger = ledger
        self.assets = assets
        self.account = account
        self.numeraire = numeraire
        self._row = {ledger.tokens[int(a["token"])]: i for i, a in enumerate(assets)}

    def __repr__(self) -> str:
        prices = ", ".join(f"{name} {self.price(name):.6g}" for name in self._row)
        return f"<Venue: {prices}>"

    @property
    def names(self) -> tuple[str, ...]:
        """Tokens that have a price of their own here."""
        return tuple(self._row)

    def asset(self, token: str) -> np.void:
        """Record of an asset, a live view.

        Raises:
            ValueError: If the venue does not trade it.
        """
        if token not in self._row:
            raise ValueError(f"the venue trades {', '.join(self._row)}, not {token!r}")
        return self.assets[self._row[token]]

    def price(self, token: str) -> float:
        """Mid price with all impact until now, numeraire per unit; 1 for the numeraire."""
        if self.ledger.token(token) == self.numeraire:
            return 1.0
        return float(price_now(self.ledger.books, self.asset(token)))

    def depth(self, token: str) -> float:
        """Sale that would now move the price by one per cent, in the numeraire."""
        asset = self.asset(token)
        return float(asset["units"] * ONE_PER_CENT * asset["price"])

    def quote(self, token_in: str, token_out: str, amount: float) -> float:
        """What a trade would give now, token units."""
        tokens = self.ledger.token(token_in), self.ledger.token(token_out)
        return float(quote(self.ledger.books, self.assets, self.numeraire, *tokens, float(amount)))
