"""Market makers outside: depth from capital that is finite, and shared over all they make.

Each quotes depth at the venue in its group's `assets`. A position takes margin, a multiple of the
asset's volatility (as a value at risk: Brunnermeier, Pedersen 2009), and what its capital leaves
free of that stands behind its quotes: ``depth = free weight / (risk_aversion volatility)``,
in the numeraire for one per cent. Trades at the venue are filled from its account, in proportion
to its depth (`sim.venue`), and what it holds is marked to market in each block. So a loss in one
asset, or more volatility in it, takes depth away in all (Kyle, Xiong 2001), which is what moves
the next price further.

Depth is quick to go and slow to come: it falls with the free capital at once and returns at
`rebuild`, so that nobody can push a price, have its makers gain by that, and get out on the depth
that this has bought. Inventory goes back to what it was at the start at `unwind`, with the rest
of the world on the other side (the venue's account), at the price without the part of the impact
that is passing. `recovery` is the part of a lost capital that investors outside replace in a day;
they take gains out likewise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from agents.base import Behaviour, Column
from agents.targets import Assets, Targets
from sim import venue
from sim.build import first_quote
from sim.codes import Cause, Event
from sim.compiled import inner, kernel
from sim.ledger import begin, exchange
from sim.losses import bring
from sim.tasks import tell
from sim.units import DAY, YEAR

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.errors import Problem
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

# Places: number of the group's first quote, and of quotes of each maker.


@kernel
def volatility_of(asset, least, seconds):
    """Volatility that a maker reckons with, per root year.

    Args:
        asset: ASSET.
        least: Of it, per root year.
        seconds: Of a block.
    """
    seen = max(asset.seen_variance, asset.normal_variance)
    return max(math.sqrt(seen * YEAR / seconds), least)


# Wide: the books, the venue and one of its makers.
@kernel
def capital_of(books, assets, quotes, numeraire, account, first, number, my, seconds):
    """What a maker has, and what of that its positions leave free, in the numeraire.

    Args:
        account: Its row of the ledger.
        first: Number of its first quote.
        number: Of its quotes.
        my: Its record.
        seconds: Of a block.

    Returns:
        (capital, free capital).
    """
    capital = books.balances[account, numeraire]
    tied = 0.0
    for q in range(first, first + number):
        asset = assets[quotes[q].asset]
        worth = books.balances[account, asset.token] * asset.price
        capital += worth
        daily = volatility_of(asset, my.least_volatility, seconds) * math.sqrt(DAY / YEAR)
        tied += my.margin * daily * worth
    return capital, max(capital - tied, 0.0)


@kernel
def depth_of(quote, asset, my, free, seconds):
    """Depth that an amount of free capital stands for, numeraire for one per cent."""
    reckoned = volatility_of(asset, my.least_volatility, seconds)
    return free * quote.weight / (my.risk_aversion * reckoned)


@inner
def _unwind(w, account, quote, part):
    """Trade a part of the way back to the target with the rest of the world."""
    books = w.books
    rules = w.rules[0]
    asset = w.assets[quote.asset]
    excess = (books.balances[account, asset.token] - quote.target) * part
    price = math.exp(asset.x + books.storage[asset.slot + venue.PERMANENT])
    begin(books)
    if excess > 0.0:
        money = excess * price
        exchange(books, account, rules.venue, asset.token, excess, rules.numeraire, money)
    elif excess < 0.0:
        money = min(-excess * price, books.balances[account, rules.numeraire])
        exchange(books, account, rules.venue, rules.numeraire, money, asset.token, money / price)
    tell(w, Event.ACTED, Cause.PRICE_IMPACT)


@inner
def decide(w, me):
    """Mark to market, unwind, get or give capital, and quote for the next block."""
    books = w.books
    rules = w.rules[0]
    number = me.places[1]
    days = rules.seconds / DAY
    for i in range(me.size):
        my = me.rows[i]
        account = me.first + i
        first = me.places[0] + i * number
        back = -math.expm1(-my.unwind * days)
        if back > 0.0:
            for q in range(first, first + number):
                _unwind(w, account, w.quotes[q], back)
        found = capital_of(
            books, w.assets, w.quotes, rules.numeraire, account, first, number, my, rules.seconds
        )
        gap = -math.expm1(-my.recovery * days) * (my.first - found[0])
        if gap != 0.0:
            bring(w, me.ident, account, max(gap, -books.balances[account, rules.numeraire]))
        my.capital, free = found
        if free > my.shown:
            my.shown += -math.expm1(-my.rebuild * days) * (free - my.shown)
        else:
            my.shown = free
        for q in range(first, first + number):
            quote = w.quotes[q]
            asset = w.assets[quote.asset]
            depth = quote.first
            if my.binds > 0.0:
                depth = depth_of(quote, asset, my, my.shown, rules.seconds)
            # At the price without the agents' impact, as the venue's own depth.
            quote.units = depth / (venue.ONE_PER_CENT * math.exp(asset.x))
            quote.until = w.chain[0].block + 1


MOST_QUOTES = 500
"""Of a group: a trade at the venue asks all of them, within its journal."""


class MarketMaker(Behaviour):
    """Quotes depth at the outside venue, limited by its capital."""

    columns: ClassVar[Mapping[str, Column]] = {
        "risk_aversion": Column(
            "Depth is free capital over this times volatility", "root years", 10.0, 1e-3, 1e9
        ),
        "margin": Column(
            "Margin on a position, in multiples of its daily volatility",
            "deviations of a day",
            3.0,
            0.0,
        ),
        "least_volatility": Column(
            "Lowest volatility that it assumes", "per root year", 0.05, 1e-3
        ),
        "unwind": Column("Speed of reversion to its initial inventory", "per day", 5.0, 0.0),
        "rebuild": Column("Speed at which depth adjusts to capital", "per day", 1.0, 0.0),
        "recovery": Column("Speed of recapitalisation by outside funding", "per day", 0.0, 0.0),
        "first": Column("Capital at the start", "numeraire", state=True),
        "capital": Column("Capital, marked to market", "numeraire", state=True),
        "shown": Column("Free capital behind its quotes", "numeraire", state=True),
        "binds": Column("0: depth stays as at the start", "flag", 1.0, state=True),
    }
    targets: ClassVar[type[Targets]] = Assets
    needs_wallet: ClassVar[bool] = True
    makes_markets: ClassVar[bool] = True
    without: ClassVar[Mapping[str, Mapping[str, float]]] = {"makers_capital_binds": {"binds": 0.0}}
    decide = staticmethod(decide)

    @classmethod
    def check(cls, settings: AgentSettings) -> list[Problem]:
        """Whether a trade at the venue can ask all of them."""
        number = len(settings.targets.assets)
        if settings.count * number <= MOST_QUOTES:
            return []
        text = f"makers in {number} assets make too many quotes; give fewer,"
        return [
            ("count", f"{settings.count:,} {text} so that makers x assets is {MOST_QUOTES} at most")
        ]

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Number of the first quote, and of quotes of each; the first is known as it begins."""
        return [0, len(settings.targets.assets)]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Take the first inventory and capital as what they return to, and show the first depth."""
        settings = cohort.settings
        names, number = list(settings.targets.assets), len(settings.targets.assets)
        first = first_quote(market.setup, cohort.name)
        cohort.places[:] = [first, number]
        w, ledger = market.world, market.ledger
        rules = w.rules[0]
        total = sum(settings.targets.assets.values())
        here = [market.venue.names.index(name) for name in names]
        for i, account in enumerate(cohort.accounts()):
            at = first + i * number
            quotes = w.quotes[at : at + number]
            quotes["account"], quotes["asset"] = account, here
            quotes["until"] = 1
            quotes["weight"] = [part / total for part in settings.targets.assets.values()]
            quotes["target"] = [ledger.balance(int(account), name) for name in names]
            my = cohort.rows[i]
            numbers = int(rules["numeraire"]), int(account), at, number, my, rules["seconds"]
            capital, free = capital_of(w.books, w.assets, w.quotes, *numbers)
            my["first"], my["capital"], my["shown"] = capital, capital, free
            for quote in quotes:
                asset = w.assets[quote["asset"]]
                quote["first"] = depth_of(quote, asset, my, free, rules["seconds"])
                price = math.exp(asset["x"])
                quote["units"] = quote["first"] / (venue.ONE_PER_CENT * price)
                asset["units"] += quote["units"]
