"""Routing: the best way through the whole network of pools, split over parallel routes.

A route is a chain of swaps, each in another pool. Splitting an amount over routes is a
concave problem (Angeris, Evans, Chitra, Boyd, "Optimal routing for constant function
market makers", 2022): at the best split the marginal price of all routes in use is the
same, and no other route begins above it. Routes are added one by one, the one with the
best first unit first, as long as it gains more than the gas of its swaps.

Between two routes' amounts every route is taken for the constant product that has its
marginal price and slope there, for which the best split is a closed form. A chain of
constant-product pools is one itself, so for them the first step is exact; for other
kinds the steps converge as Newton's do. What a split gives is always computed by trying
it out on the pools themselves, under the journal, so routes may share pools. Those are gone
through one after the other, in the order in which they were added, and the problem is no
longer concave: another order, or other routes, may give a few ten-thousandths more, and
some thousandths where an amount is many times what the pools hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from protocols import amm
from protocols.pool import position
from sim.arrays import copy_into
from sim.codes import MOST_HOPS, MOST_ROUTES, Phase
from sim.compiled import inner, kernel
from sim.ledger import begin, undo
from sim.registry import register_phase, register_planner

if TYPE_CHECKING:
    from sim.market import Market

HOPS = MOST_HOPS
"""Swaps of a route, at most."""
ROUTES = MOST_ROUTES
"""Routes that an amount is split over, at most."""
CANDIDATES = 96
"""Routes that are looked at, at most; the shorter ones come first."""
_STEPS = 60
_SWEEPS = 200  # over all pairs of routes; most markets need two


class Routes(NamedTuple):
    """Routes that share an amount.

    Attributes:
        legs: int64[routes, hops], pools of each; what is behind a route's length means nothing.
        tokens: int64[routes, hops + 1], columns: the first and what each leg gives.
        lengths: int64[routes], legs.
        amounts: float64[routes], token units that each takes.
        out: What they give together, before gas.
    """

    legs: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    amounts: npt.NDArray[np.float64]
    out: float


class Cycle(NamedTuple):
    """A way around through pools, back to the token that it begins with.

    Attributes:
        legs: int64[hops], pools.
        tokens: int64[hops + 1], columns.
        length: Legs; 0: there is none.
        amount: That is sent, token units.
        gain: That comes back more, before gas.
    """

    legs: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]
    length: int
    amount: float
    gain: float


@kernel
def candidates(pools, token_in, token_out, hops, legs, tokens, lengths):
    """All routes between two tokens, or around from one to itself, shorter ones first.

    Args:
        pools: POOL[n].
        token_in: Column.
        token_out: Column.
        hops: Swaps at most.
        legs: int64[c, hops], written: pools of each route.
        tokens: int64[c, hops + 1], written: tokens of each, from first to last.
        lengths: int64[c], written: swaps of each.

    Returns:
        How many there are, at most c.
    """
    count = 0
    at = np.empty(hops + 1, np.int64)
    used = np.empty(hops, np.int64)
    pool_at = np.empty(hops, np.int64)
    token_at = np.empty(hops, np.int64)
    for length in range(1, hops + 1):
        at[0] = token_in
        d = 0
        pool_at[0], token_at[0] = 0, 0
        while d >= 0:
            p = pool_at[d]
            if p >= pools.size:
                d -= 1
                continue
            pool = pools[p]
            k = token_at[d]
            if k == 0 and (pool.halted or position(pool, at[d]) < 0):
                k = pool.size
            if k >= pool.size:
                pool_at[d], token_at[d] = p + 1, 0
                continue
            token_at[d] = k + 1
            token = pool.tokens[k]
            last = d == length - 1
            fresh = token != at[d] and (token == token_out) == last
            for e in range(d):
                fresh = fresh and used[e] != p
            for e in range(d + 1):
                fresh = fresh and (last or at[e] != token)
            if not fresh:
                continue
            used[d], at[d + 1] = p, token
            if not last:
                d += 1
                pool_at[d], token_at[d] = 0, 0
                continue
            if count >= lengths.size:
                return count
            legs[count, :length] = used[:length]
            tokens[count, : length + 1] = at[: length + 1]
            lengths[count] = length
            count += 1
    return count


@kernel
def route_slope(books, pools, legs, tokens, length, amount):
    """What a route would give for an amount, and how that changes.

    Returns:
        (amount out, out for a unit more, relative change of the latter per unit).
    """
    rate, bend = 1.0, 0.0
    for k in range(length):
        pool = pools[legs[k]]
        i, o = position(pool, tokens[k]), position(pool, tokens[k + 1])
        out, first, second = amm.slope(books, pool, i, o, amount)
        bend += second * rate
        rate *= first
        amount = out
    return amount, rate, bend


@kernel
def _send_through(books, pools, legs, tokens, length, amount):
    """Try a route out: it moves the pools, until `undo`. Returns the amount out."""
    for k in range(length):
        if not amount > 0.0:
            return 0.0
        pool = pools[legs[k]]
        i, o = position(pool, tokens[k]), position(pool, tokens[k + 1])
        amount = amm.trade(books, pool, i, o, amount)
    return amount


@kernel
def outcome(books, pools, legs, tokens, lengths, amounts):
    """What amounts sent through routes one after the other would give together."""
    begin(books)
    total = 0.0
    for r in range(amounts.size):
        total += _send_through(books, pools, legs[r], tokens[r], lengths[r], amounts[r])
    undo(books, 0)
    return total


@kernel
def _shares_pools(legs, lengths):
    for r in range(lengths.size):
        for q in range(r):
            for k in range(lengths[r]):
                for j in range(lengths[q]):
                    if legs[r, k] == legs[q, j]:
                        return True
    return False


# Wide: as `_next_route`.
@kernel
def _slopes(books, pools, legs, tokens, lengths, amounts, shared, rates, bends):
    """Marginal price and its slope of each route, with the amounts of all others in."""
    for r in range(amounts.size):
        if shared:
            begin(books)
            for q in range(amounts.size):
                if q != r and amounts[q] > 0.0:
                    _send_through(books, pools, legs[q], tokens[q], lengths[q], amounts[q])
        _, rates[r], bends[r] = route_slope(
            books, pools, legs[r], tokens[r], lengths[r], amounts[r]
        )
        if shared:
            undo(books, 0)


@kernel
def _even_out(amounts, rates, bends, total, found):
    """Best split over constant products that have these marginal prices and slopes."""
    n = amounts.size
    roots, backs = np.zeros(n), np.zeros(n)
    active = np.zeros(n, np.bool_)
    for r in range(n):
        if rates[r] > 0.0:
            width = -2.0 / bends[r] if bends[r] < 0.0 else np.inf
            width = min(width, 1e9 * total)
            roots[r] = math.sqrt(rates[r]) * width
            backs[r] = width - amounts[r]
            active[r] = True
    for _ in range(n):
        top, bottom = total, 0.0
        for r in range(n):
            if active[r]:
                top += backs[r]
                bottom += roots[r]
        if bottom <= 0.0:
            return False
        again = False
        for r in range(n):
            found[r] = roots[r] * (top / bottom) - backs[r] if active[r] else 0.0
            if found[r] < 0.0:
                active[r], again = False, True
        if not again:
            break
    # Rounding must not lose a part of the amount.
    most, given = 0, 0.0
    for r in range(n):
        found[r] = max(found[r], 0.0)
        given += found[r]
        if found[r] > found[most]:
            most = r
    found[most] = max(found[most] + total - given, 0.0)
    return True


@kernel
def split(books, pools, legs, tokens, lengths, total, amounts):
    """Find the split of an amount over given routes that gives most.

    Args:
        legs: int64[r, hops]; `tokens` int64[r, hops + 1] and `lengths` int64[r]: the routes.
        total: Amount, token units.
        amounts: float64[r], the split to begin with, improved in place.

    Returns:
        What it gives.
    """
    n = amounts.size
    best = outcome(books, pools, legs, tokens, lengths, amounts)
    if n == 1:
        return best
    shared = _shares_pools(legs, lengths)
    rates, bends, new = np.empty(n), np.empty(n), np.empty(n)
    for _ in range(_STEPS):
        _slopes(books, pools, legs, tokens, lengths, amounts, shared, rates, bends)
        if not _even_out(amounts, rates, bends, total, new):
            break
        furthest = 0.0
        for r in range(n):
            furthest = max(furthest, abs(new[r] - amounts[r]))
        if furthest <= 1e-13 * total:
            break
        improved = False
        for _ in range(40):  # a step too long is halved
            gives = outcome(books, pools, legs, tokens, lengths, new)
            if gives > best:
                improved = True
                break
            for r in range(n):
                new[r] = 0.5 * (new[r] + amounts[r])
            furthest *= 0.5
            if furthest <= 1e-14 * total:
                break
        if not improved:
            break
        best = gives
        for r in range(n):
            amounts[r] = new[r]
    if shared or not _is_even(books, pools, legs, tokens, lengths, amounts, shared, rates, bends):
        best = _polish(books, pools, legs, tokens, lengths, amounts, best)
    return best


# Wide: as `_next_route`.
@kernel
def _is_even(books, pools, legs, tokens, lengths, amounts, shared, rates, bends):
    """Whether all routes in use have one marginal price, and no other a better one."""
    _slopes(books, pools, legs, tokens, lengths, amounts, shared, rates, bends)
    low, high = np.inf, 0.0
    for r in range(amounts.size):
        high = max(high, rates[r])
        if amounts[r] > 0.0:
            low = min(low, rates[r])
    return high - low <= 1e-6 * high


@kernel
def _polish(books, pools, legs, tokens, lengths, amounts, best):
    """Move amounts between pairs of routes as long as that gains (golden-section search).

    Where a price jumps (between two ranges of liquidity), or pools are shared, the
    steps before may stop short of the best.
    """
    ratio = 0.6180339887498949
    n = amounts.size
    trial = amounts.copy()
    for _ in range(_SWEEPS):
        before = best
        for r in range(n):
            for q in range(r):
                both = amounts[r] + amounts[q]
                if both <= 0.0:
                    continue
                low, high = 0.0, both
                a, b = high - ratio * (high - low), low + ratio * (high - low)
                copy_into(trial, amounts)
                trial[r], trial[q] = a, both - a
                at_a = outcome(books, pools, legs, tokens, lengths, trial)
                trial[r], trial[q] = b, both - b
                at_b = outcome(books, pools, legs, tokens, lengths, trial)
                for _ in range(48):
                    if at_a > at_b:
                        high, b, at_b = b, a, at_a
                        a = high - ratio * (high - low)
                        trial[r], trial[q] = a, both - a
                        at_a = outcome(books, pools, legs, tokens, lengths, trial)
                    else:
                        low, a, at_a = a, b, at_b
                        b = low + ratio * (high - low)
                        trial[r], trial[q] = b, both - b
                        at_b = outcome(books, pools, legs, tokens, lengths, trial)
                for part in (a, b, 0.0, both):
                    trial[r], trial[q] = part, both - part
                    gives = outcome(books, pools, legs, tokens, lengths, trial)
                    if gives > best:
                        best = gives
                        amounts[r], amounts[q] = part, both - part
        if best <= before * (1.0 + 1e-12):
            break
    return best


@kernel
def best_route(books, pools, token_in, token_out, amount, swap_cost, hops, most):
    """The routes that give most for an amount, gas in the account.

    Args:
        books: The ledger; it is left as it was.
        pools: POOL[n]; halted ones are left out.
        token_in: Column.
        token_out: Column.
        amount: Of `token_in`, token units.
        swap_cost: Cost of one more swap, in units of `token_out`.
        hops: Swaps of a route, at most.
        most: Routes, at most.

    Returns:
        `Routes`; none where there is no way.
    """
    legs = np.full((CANDIDATES, hops), -1, np.int64)
    tokens = np.full((CANDIDATES, hops + 1), -1, np.int64)
    lengths = np.zeros(CANDIDATES, np.int64)
    count = candidates(pools, token_in, token_out, hops, legs, tokens, lengths)
    chosen = np.full(most, -1, np.int64)
    amounts = np.zeros(most)
    best, used = 0.0, 0
    highest = 0.0
    for c in range(count):
        out = route_slope(books, pools, legs[c], tokens[c], lengths[c], amount)[0]
        if out - lengths[c] * swap_cost > highest:  # nothing where a pool does not take it
            best, highest, used, chosen[0] = out, out - lengths[c] * swap_cost, 1, c
    tried = np.zeros(CANDIDATES, np.bool_)
    if used == 0:  # none is worth its gas, or none takes all of it and several together may
        for c in range(count):
            rate = route_slope(books, pools, legs[c], tokens[c], lengths[c], 0.0)[1]
            if rate > highest:
                highest, used, chosen[0] = rate, 1, c
        if used == 0:
            return _picked(legs, tokens, lengths, chosen, amounts, 0, 0.0)
        c = chosen[0]
        best = route_slope(books, pools, legs[c], tokens[c], lengths[c], amount)[0]
    tried[chosen[0]] = True
    amounts[0] = amount
    for _ in range(2 * most):
        if used >= most:
            break
        new = _next_route(books, pools, legs, tokens, lengths, count, chosen, amounts, used, tried)
        if new < 0:
            break
        tried[new] = True
        chosen[used] = new
        trial = np.zeros(used + 1)
        if best > 0.0:
            copy_into(trial, amounts[:used])
        else:  # what no route takes alone is tried in equal parts
            trial[:] = amount / trial.size
        some = chosen[: used + 1]
        gives = split(books, pools, legs[some], tokens[some], lengths[some], amount, trial)
        if gives - best > lengths[new] * swap_cost:
            best = gives
            used += 1
            copy_into(amounts, trial)
            kept = 0
            for r in range(used):  # routes that the new one has made idle
                if amounts[r] > 1e-15 * amount:
                    chosen[kept], amounts[kept] = chosen[r], amounts[r]
                    kept += 1
            used = kept
    if not best > 0.0:
        used = 0
    return _picked(legs, tokens, lengths, chosen, amounts, used, best)


@kernel
def _picked(legs, tokens, lengths, chosen, amounts, used, best):
    some = chosen[:used]
    return Routes(legs[some], tokens[some], lengths[some], amounts[:used], best)


# Wide: the search's state is arrays; a record of them cannot be passed in a kernel.
@kernel
def _next_route(books, pools, legs, tokens, lengths, count, chosen, amounts, used, tried):
    """The untried route whose first unit is best once the others are in; -1: none gains."""
    least = np.inf
    begin(books)
    for r in range(used):
        c = chosen[r]
        _send_through(books, pools, legs[c], tokens[c], lengths[c], amounts[r])
    for r in range(used):
        c = chosen[r]
        if amounts[r] > 0.0:
            rate = route_slope(books, pools, legs[c], tokens[c], lengths[c], 0.0)[1]
            least = min(least, rate)
    found, highest = -1, least * (1.0 + 1e-12)
    for c in range(count):
        if not tried[c]:
            rate = route_slope(books, pools, legs[c], tokens[c], lengths[c], 0.0)[1]
            if rate > highest:
                found, highest = c, rate
    undo(books, 0)
    return found


@kernel
def best_size(books, pools, legs, tokens, length, most):
    """Amount that gains most on the way around a cycle, and the gain.

    ``d*`` is where one unit more gives back just one. For a cycle of constant products
    the step is exact: Ea, Eb of the virtual pool and ``(sqrt(g Ea Eb) - Ea) / g``.

    Args:
        most: That may be sent.

    Returns:
        (amount, gain), units of the cycle's token; (0, 0) if none pays.
    """
    out, rate, bend = route_slope(books, pools, legs, tokens, length, 0.0)
    if rate <= 1.0:
        return 0.0, 0.0
    low, high = 0.0, most
    at, gain = 0.0, 0.0
    for _ in range(_STEPS):
        width = -2.0 / bend if bend < 0.0 else np.inf
        new = at + width * (math.sqrt(rate) - 1.0) if rate > 0.0 else np.inf
        if not low < new < high:
            new = high if new >= high and gain == 0.0 else 0.5 * (low + high)
        out, rate, bend = route_slope(books, pools, legs, tokens, length, new)
        if out - new > gain:
            gain = out - new
        if abs(new - at) <= 1e-12 * new or (new >= most and rate >= 1.0):
            at = new
            break
        at = new
        if rate > 1.0:
            low = max(low, at)
        else:
            high = min(high, at)
    return at, outcome_of(books, pools, legs, tokens, length, at) - at


@kernel
def outcome_of(books, pools, legs, tokens, length, amount):
    """What an amount sent through one route would give."""
    begin(books)
    out = _send_through(books, pools, legs, tokens, length, amount)
    undo(books, 0)
    return out


@kernel
def best_cycle(books, pools, token, most, swap_cost, hops):
    """The cycle through pools that gains most, gas in the account.

    Args:
        token: Column, with which it begins and ends.
        most: That may be sent around, token units.
        swap_cost: Of one swap, in units of the token.
        hops: Swaps at most.

    Returns:
        `Cycle`; of length 0 where none gains.
    """
    legs = np.full((CANDIDATES, hops), -1, np.int64)
    tokens = np.full((CANDIDATES, hops + 1), -1, np.int64)
    lengths = np.zeros(CANDIDATES, np.int64)
    count = candidates(pools, token, token, hops, legs, tokens, lengths)
    best, amount, gain, net = 0, 0.0, 0.0, 0.0
    for c in range(count):
        d, g = best_size(books, pools, legs[c], tokens[c], lengths[c], most)
        if g - swap_cost * lengths[c] > net:
            best, amount, gain, net = c, d, g, g - swap_cost * lengths[c]
    return Cycle(legs[best], tokens[best], lengths[best] if net > 0.0 else 0, amount, gain)


@inner
def find(w):
    """Find the best routes for what ``asked.ask_*`` asks, and write them into `World.routes`."""
    asked = w.asked[0]
    best = best_route(
        w.books,
        w.pools,
        asked.ask_in,
        asked.ask_out,
        asked.ask_amount,
        asked.ask_cost,
        HOPS,
        ROUTES,
    )
    asked.routes = best.lengths.size
    asked.route_out = best.out
    for r in range(best.lengths.size):
        found = w.routes[r]
        found.length = best.lengths[r]
        found.amount = best.amounts[r]
        for k in range(best.lengths[r]):
            found.pools[k] = best.legs[r, k]
        for k in range(best.lengths[r] + 1):
            found.tokens[k] = best.tokens[r, k]


register_phase(Phase.ROUTE, find)


@dataclass(frozen=True)
class Route:
    """A chain of swaps and the part of the amount that goes through it.

    Attributes:
        pools: Names, in the order of travel.
        tokens: From the first to the last; one more than pools.
        amount: Of the first token, token units.
    """

    pools: tuple[str, ...]
    tokens: tuple[str, ...]
    amount: float


@dataclass(frozen=True)
class Plan:
    """The best split of an amount over routes.

    Attributes:
        routes: Those in use; none where there is no way.
        amount_out: What they give together, token units, before gas.
    """

    routes: tuple[Route, ...]
    amount_out: float


def plan(
    market: Market,
    token_in: str,
    token_out: str,
    amount: float,
    swap_cost: float = 0.0,
    hops: int = HOPS,
    most: int = ROUTES,
) -> Plan:
    """The best routes through a market's pools as they stand.

    Args:
        market: Where.
        token_in: Name.
        token_out: Name.
        amount: Token units.
        swap_cost: Cost of a swap in units of `token_out`.
        hops: Swaps of a route, at most.
        most: Routes, at most.

    Raises:
        ValueError: If the amount is not positive and finite, the tokens are the same, or
            hops or most are below one.
    """
    if not (amount > 0.0 and math.isfinite(amount)):
        raise ValueError(f"amount must be above 0 and finite, not {amount}")
    if token_in == token_out:
        raise ValueError(f"token_in and token_out must differ, both are {token_in!r}")
    if hops < 1 or most < 1:
        raise ValueError(f"hops and most must be at least 1, not {hops} and {most}")
    columns = market.ledger.token(token_in), market.ledger.token(token_out)
    best = best_route(
        market.ledger.books,
        market.world.pools,
        *columns,
        float(amount),
        float(swap_cost),
        hops,
        most,
    )
    names: Sequence[str] = list(market.pools)
    routes = tuple(
        Route(
            tuple(names[p] for p in best.legs[r, :length]),
            tuple(market.ledger.tokens[t] for t in best.tokens[r, : length + 1]),
            float(best.amounts[r]),
        )
        for r, length in enumerate(best.lengths)
    )
    return Plan(routes, float(best.out))


register_planner(plan)
