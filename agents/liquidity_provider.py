"""Liquidity providers: in for the fees, out on loss or volatility.

Each has one pool. At a review it compares the pool's fee yield over the time since
the last one with the expected loss-versus-rebalancing of its curve (``sigma^2 / 8`` a
year for constant product: Milionis et al. 2022), and its hurdle: it comes if the yield
beats both (Lehar, Parlour 2021; Hasbrouck, Rivera, Saleh 2022), and goes if it falls
short of the loss alone. Between reviews it goes at once when it has lost more than it tolerates
against holding, or volatility is so many times the normal one (Heimbach, Wang,
Wattenhofer 2021: slow to come, quick to go).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from agents.base import Behaviour, Column
from agents.intents import OUTSIDE, THEN, Order, add_liquidity, return_shares, trade
from agents.targets import Pools, Targets
from agents.tools import going_bid, refuel
from protocols import amm
from protocols.pool import CONSTANT_PRODUCT
from sim import venue
from sim.codes import ALL, Kind
from sim.compiled import inner
from sim.errors import ScenarioError
from sim.measures import market_price
from sim.names import HOLDERS
from sim.randomness import agent_uniform, generator
from sim.units import YEAR

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market


NEGLIGIBLE = 1e-6
"""Yield per year that nobody leaves for."""


@inner
def pool_stress(w, pool):
    """(variance a year, volatility over normal) of a pool's relative price.

    Each token moves by itself: variances add, and the worse ratio counts.
    """
    rules = w.rules[0]
    variance, ratio = 0.0, 1.0
    for i in range(pool.size):
        for a in range(w.assets.size):
            asset = w.assets[a]
            if asset.token == pool.tokens[i]:
                variance += asset.seen_variance * YEAR / rules.seconds
                ratio = max(ratio, venue.volatility_ratio(asset))
    return variance, ratio


@inner
def first_part(w, pool):
    """Part of the value of an entry in proportion that is of the pool's first token."""
    if pool.kind == CONSTANT_PRODUCT:
        return 0.5
    x = w.books.balances[pool.account, pool.tokens[0]] * market_price(w, pool.tokens[0])
    y = w.books.balances[pool.account, pool.tokens[1]] * market_price(w, pool.tokens[1])
    return x / (x + y)


@inner
def expected_loss(w, pool, variance):
    """Loss-versus-rebalancing of the pool's curve, a share of its value for a variance."""
    if pool.kind == CONSTANT_PRODUCT:
        return variance / 8.0
    return 0.5 * variance * amm.exposure_to_price(w.books, pool)


@inner
def _leave(w, me, i, my, place):
    """Take everything out, and sell a part of the volatile token outside."""
    pool = w.pools[place]
    account = me.first + i
    chain = w.chain[0]
    rules = w.rules[0]
    gas = rules.gas_cost[Kind.REMOVE_LIQUIDITY]
    if not refuel(w, account, me.ident, gas):
        return
    shares = w.books.balances[account, pool.share]
    base = pool.tokens[0]
    out = shares / w.books.supply[pool.share] * w.books.balances[pool.account, base]
    bid = going_bid(w, account, gas, my.bid)
    patience = int(my.patience)
    sent = return_shares(w, Order(account, me.ident, bid, patience), place, ALL)
    if sent and my.sells > 0.0 and base != rules.numeraire:
        # What comes out is known only then: a little less is sold for sure.
        trade(w, THEN, OUTSIDE, base, rules.numeraire, out * my.sells * 0.98, 0.0)
    my.busy = chain.block + patience
    my.next = chain.block + patience + int(my.review)


@inner
def _enter(w, me, i, my, place):
    """Turn the stake into both tokens outside, and add them."""
    chain = w.chain[0]
    rules = w.rules[0]
    pool = w.pools[place]
    account = me.first + i
    gas = rules.gas_cost[Kind.ADD_LIQUIDITY]
    if not refuel(w, account, me.ident, gas):
        return
    patience = int(my.patience)
    order = Order(account, me.ident, going_bid(w, account, gas, my.bid), patience)
    amounts = np.zeros(2)
    short = 0.0
    first = first_part(w, pool)
    parts = (first, 1.0 - first)
    for k in range(2):
        token = pool.tokens[k]
        price = market_price(w, token)
        amounts[k] = parts[k] * my.stake / price
        if token != rules.numeraire:
            lacks = max(amounts[k] - 0.99 * w.books.balances[account, token], 0.0)
            short += lacks * price * 1.01
    own = 0.0
    for k in range(2):
        if pool.tokens[k] == rules.numeraire:
            own = parts[k] * my.stake
    cash = w.books.balances[account, rules.numeraire]
    if cash < (short + own) * 1.001:  # it has lost some of its stake
        scale = cash / ((short + own) * 1.001) if short + own > 0.0 else 0.0
        if scale < 0.1:
            my.next = chain.block + int(my.review)
            return
        amounts *= scale
    began = False
    for k in range(2):
        token = pool.tokens[k]
        if token == rules.numeraire:
            continue
        lacks = max(amounts[k] - 0.99 * w.books.balances[account, token], 0.0)
        money = lacks * market_price(w, token) * 1.01
        if money > 0.0:
            if began:
                trade(w, THEN, OUTSIDE, rules.numeraire, token, money, 0.0)
            else:
                began = trade(w, order, OUTSIDE, rules.numeraire, token, money, 0.0)
    base, quote = pool.tokens[0], pool.tokens[1]
    last = THEN if began else order
    add_liquidity(w, last, place, base, quote, amounts[0] * 0.99, amounts[1] * 0.99)
    my.busy = chain.block + patience
    my.next = chain.block + patience + int(my.review)


@inner
def decide(w, me):
    """Review, enter and leave."""
    chain = w.chain[0]
    rules = w.rules[0]
    for i in range(me.size):
        my = me.rows[i]
        if chain.block < my.busy:
            continue
        review = chain.block >= my.next
        if not review and agent_uniform(me.key, i, 0) >= my.attention:
            continue
        place = int(my.pool)
        pool = w.pools[place]
        account = me.first + i
        holds = w.books.balances[account, pool.share] > 0.0
        x = w.books.balances[pool.account, pool.tokens[0]]
        y = w.books.balances[pool.account, pool.tokens[1]]
        if not (x > 0.0 and y > 0.0):
            continue
        variance, ratio = pool_stress(w, pool)
        if holds and my.inside == 0.0:  # its entry has gone through
            my.inside = 1.0
            my.entry = amm.spot_price(w.books, pool, 0, 1)
        my.inside = 1.0 if holds else 0.0
        if holds:
            worth_0, worth_1 = market_price(w, pool.tokens[0]), market_price(w, pool.tokens[1])
            loss = -amm.loss_since(w.books, pool, my.entry, worth_0, worth_1)
            if loss > my.tolerance or ratio > my.volatility:
                _leave(w, me, i, my, place)
                continue
        if not review:
            continue
        worth = 2.0 * y * market_price(w, pool.tokens[1])
        if pool.kind != CONSTANT_PRODUCT:
            worth = 0.5 * worth + x * market_price(w, pool.tokens[0])
        span = (chain.block - my.fees_at) * rules.seconds / YEAR
        earned = (pool.fees - my.fees) / worth / span if span > 0.0 and worth > 0.0 else 0.0
        my.fees, my.fees_at = pool.fees, chain.block
        my.next = chain.block + int(my.review)
        excess = earned - expected_loss(w, pool, variance)
        if holds and excess < -NEGLIGIBLE:
            _leave(w, me, i, my, place)
        elif not holds and excess > my.hurdle and ratio < 0.5 * (1.0 + my.volatility):
            _enter(w, me, i, my, place)


class LiquidityProvider(Behaviour):
    """Provides liquidity to one pool while it is profitable."""

    columns: ClassVar[Mapping[str, Column]] = {
        "stake": Column("Initial stake", "numeraire", 100_000.0, 0.0),
        "hurdle": Column("Required yield over the expected loss", "per year", 0.05),
        "tolerance": Column("Loss against holding at which it exits", "share", 0.1, 0.0),
        "volatility": Column(
            "Volatility, relative to normal, at which it exits", "multiple", 6.0, 1.0
        ),
        "review": Column("Time between reviews", "blocks", 1000.0, 1.0),
        "attention": Column(
            "Chance per block of checking between reviews", "share", 0.05, 0.0, 1.0
        ),
        "patience": Column("Time until a pending order expires", "blocks", 25.0, 1.0, 10_000.0),
        "sells": Column("Share of the volatile token sold on exit", "share", 0.3, 0.0, 1.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "pool": Column("Its pool", "number", 0.0, state=True),
        "inside": Column("Whether it is in", "0 or 1", 1.0, state=True),
        "next": Column("Block of its next review", "block", 0.0, state=True),
        "entry": Column("Pool's price when it entered", "quote per base", 0.0, state=True),
        "fees": Column("Pool's fees at its last review", "numeraire", 0.0, state=True),
        "fees_at": Column("Block of its last review", "block", 0.0, state=True),
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = Pools
    pool_kinds: ClassVar[frozenset[str]] = frozenset({"constant_product", "weighted", "stableswap"})
    most_tokens: ClassVar[int] = 2
    without: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "providers_leave": {"tolerance": math.inf, "volatility": math.inf, "next": math.inf}
    }
    decide = staticmethod(decide)

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Take the stakes over from the outside holders of the pools' shares.

        Raises:
            ScenarioError: If the stakes exceed what outside holders have of a pool.
        """
        super().begin(market, cohort)
        begin_with_shares(market, cohort)
        for p, pool in enumerate(market.pools.values()):
            cohort.column("entry")[cohort.column("pool") == p] = pool.spot_price()


def begin_with_shares(market: Market, cohort: CohortTable) -> None:
    """Give each agent a pool, shares of it for its stake, and the time of its first review.

    The shares are taken over from outside holders.

    Raises:
        ScenarioError: If the stakes exceed what outside holders have of a pool.
    """
    n = len(cohort)
    if n == 0:
        return
    cohort.column("pool")[:] = cohort.places[np.arange(n) % len(cohort.places)]
    phase = generator(market.seed_number, f"{cohort.name}:phase").random(n)
    cohort.column("next")[:] = np.ceil(cohort.column("review") * phase)
    ledger = market.ledger
    holders = ledger.account(HOLDERS)
    for p, pool in enumerate(market.pools.values()):
        mine = np.flatnonzero(cohort.column("pool") == p)
        if not mine.size:
            continue
        worth = sum(a * market.price(t) for t, a in pool.reserves.items())
        shares = cohort.column("stake")[mine] / worth * ledger.supply(pool.share)
        column = ledger.token(pool.share)
        if shares.sum() > ledger.balances[holders, column]:
            total = cohort.column("stake")[mine].sum()
            text = (
                f"stakes of {total:.4g} exceed what is left of {pool.name}, which is worth "
                f"{worth:.4g}; lower the stake or the count, or raise pools.{pool.name}.reserves"
            )
            raise ScenarioError([(f"agents.{cohort.name}.stake", text)])
        ledger.balances[cohort.first + mine, column] += shares
        ledger.balances[holders, column] -= shares.sum()
