"""Traders outside, whose orders alone move an endogenous price.

Each follows one of two rules. Fundamentalists buy what is below its value and sell what is above;
chartists buy what has risen against its average over their own horizon. Both trade besides on what
they hear: chartists, who look at the same charts and at each other, hear partly the same, with the
weight `crowding` (in Franke, Westerhoff 2012 all of it is the same). Orders are shares of a
trader's wealth, so whoever gains weighs more.

At times a trader reviews its rule, and takes the chartists' with the chance 1 / (1 + exp(-a)),
``a = bias + fashion (c - f) - caution gap^2 + greed (gain_c - gain_f)``: c and f are the shares of
both, gap the log of the value over the price, and gains the mean growth of wealth under each rule,
as lately seen (discrete choice: Brock, Hommes 1998; herding: Kirman 1993, Lux, Marchesi 1999;
misalignment: Franke, Westerhoff 2012, "Structural stochastic volatility in asset pricing
dynamics"). All draws are normal: that returns are not, and that their size comes in clusters, is
the share of chartists, which wanders.

Orders are filled in the next block at one price (`sim.venue.post_order`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from agents.base import Behaviour, Column
from agents.targets import Assets, Targets
from sim.clock import look, lookers
from sim.codes import Cause, Event
from sim.compiled import inner
from sim.randomness import agent_normal, agent_uniform, block_key, normal
from sim.tasks import tell
from sim.venue import post_order, settle_order

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

_CROWD = 1000
"""Place of what all hear in a block's stream; below are those of `sim.clock`."""


@inner
def asset_of(me, i):
    """Number of the asset that agent i of a group trades: they are dealt out in turn."""
    return me.places[i % me.places.size]


@inner
def _settle(w, me):
    """Settle the orders of the last block; count who is a chartist."""
    rules = w.rules[0]
    chartists = 0.0
    for i in range(me.size):
        my = me.rows[i]
        chartists += my.chartist
        if my.order == 0.0:
            continue
        a = asset_of(me, i)
        account = me.first + i
        settle_order(
            w.books, w.assets, w.quotes, rules.venue, rules.numeraire, account, a, my.order
        )
        tell(w, Event.ACTED, Cause.PRICE_IMPACT)
        my.order = 0.0
    me.memory.chartists = chartists / max(me.size, 1)


@inner
def _compare(me, my, wealth):
    """See what wealth has done since the last look, under the rule of the time."""
    ours = me.memory
    if my.wealth > 0.0 and wealth > 0.0:
        growth = math.log(wealth / my.wealth)
        weight = min(1.0 / (my.horizon * my.attention * me.size), 1.0)
        if my.chartist > 0.0:
            ours.gain_chartists += weight * (growth - ours.gain_chartists)
        else:
            ours.gain_fundamentalists += weight * (growth - ours.gain_fundamentalists)
    my.wealth = wealth


@inner
def _signal(me, my, i, gap, trend, heard):
    """Share of its wealth that a trader wants to buy for; negative: to sell."""
    own = agent_normal(me.key, i, 3)
    if my.chartist == 0.0:
        return my.value_response * gap + my.value_noise * own
    noise = math.sqrt(1.0 - my.crowding) * own + math.sqrt(my.crowding) * heard
    return my.trend_response * trend + my.trend_noise * noise


@inner
def decide(w, me):
    """Settle what was ordered, review the rule, and order."""
    rules = w.rules[0]
    ours = me.memory
    block = w.chain[0].block
    _settle(w, me)
    crowd = block_key(me.key, _CROWD)
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if look(me, i, 0) >= my.attention:
            continue
        a = asset_of(me, i)
        asset = w.assets[a]
        now = math.log(asset.price)
        if my.seen == 0.0:
            my.average = now
        my.average -= math.expm1((my.seen - block) / my.horizon) * (now - my.average)
        my.seen = block
        money = w.books.balances[me.first + i, rules.numeraire]
        held = w.books.balances[me.first + i, asset.token] * asset.price
        wealth = money + held
        if not wealth > 0.0:
            continue
        _compare(me, my, wealth)
        gap = asset.anchor - now
        if my.review > 0.0 and agent_uniform(me.key, i, 1) < my.review:
            drawn = my.bias + my.fashion * (2.0 * ours.chartists - 1.0) - my.caution * gap * gap
            drawn += my.greed * (ours.gain_chartists - ours.gain_fundamentalists)
            follows = agent_uniform(me.key, i, 2) < 1.0 / (1.0 + math.exp(-drawn))
            my.chartist = 1.0 if follows else 0.0
        # By its place among the group's own: others at the venue do not matter.
        heard = normal(crowd, i % me.places.size)
        order = wealth * _signal(me, my, i, gap, now - my.average, heard)
        order += my.rebalance * (my.home * wealth - held)
        order = min(max(order, -held), money / (1.0 + asset.spread))
        my.order = post_order(w.assets, a, order / asset.price)


class OutsideTrader(Behaviour):
    """Trades at the outside venue, switching between a fundamentalist and a chartist rule."""

    columns: ClassVar[Mapping[str, Column]] = {
        "attention": Column("Chance per block that it checks the market", "share", 0.2, 0.0, 1.0),
        "chartist": Column("Initial rule; 1: chartist, 0: fundamentalist", "flag", 0.0, 0, 1),
        "horizon": Column("Averaging time for the trend", "blocks", 10.0, 1.0),
        "value_response": Column(
            "Order for a price one log unit below its value", "share of wealth", 0.00075, 0.0, 10.0
        ),
        "trend_response": Column(
            "Order for a price one log unit above its average", "share of wealth", 0.001, 0.0, 10.0
        ),
        "value_noise": Column(
            "Standard deviation of a fundamentalist's random orders",
            "share of wealth",
            0.002,
            0.0,
            10.0,
        ),
        "trend_noise": Column(
            "Standard deviation of a chartist's random orders", "share of wealth", 0.033, 0.0, 10.0
        ),
        "crowding": Column("Common part of chartists' random orders", "share", 0.5, 0.0, 1.0),
        "review": Column(
            "Chance of reviewing its rule when it checks the market", "share", 0.5, 0.0, 1.0
        ),
        "bias": Column("Bias towards the chartists' rule", "log odds", 0.2, -100.0, 100.0),
        "fashion": Column("Herding: pull of the more popular rule", "log odds", 1.8, 0.0, 100.0),
        "caution": Column(
            "Push towards fundamentals per squared gap between value and price",
            "log odds per squared log",
            30.0,
            0.0,
        ),
        "greed": Column("Pull of the rules' past returns", "log odds per log", 0.0, 0.0),
        "home": Column("Target share of wealth in the asset", "share", 0.5, 0.0, 1.0),
        "rebalance": Column(
            "Part of the gap to the target closed at each check", "share", 0.01, 0.0, 1.0
        ),
        "order": Column("Posted in this block", "token units", state=True),
        "average": Column("Average of the log price", "log", state=True),
        "seen": Column("When it looked last", "block", state=True),
        "wealth": Column("What it had then", "numeraire", state=True),
    }
    remembers: ClassVar[Mapping[str, Column]] = {
        "chartists": Column("Share of chartists", "share"),
        "gain_chartists": Column("Growth of their wealth between two looks", "log"),
        "gain_fundamentalists": Column("Growth of the others' wealth", "log"),
    }
    targets: ClassVar[type[Targets]] = Assets
    needs_wallet: ClassVar[bool] = True
    process: ClassVar[str] = "endogenous"
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Numbers of the assets that they trade."""
        return [list(scenario.venue.assets).index(name) for name in settings.targets.assets]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Make each wholly a chartist, or wholly none."""
        super().begin(market, cohort)
        cohort.put("chartist", (cohort.numbers("chartist") >= 0.5).astype(float))
