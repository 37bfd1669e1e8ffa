"""Leveraged value funds outside: they buy what is below its value, with what they may borrow.

A fund holds ``min(aggressiveness gap, most_leverage)`` times its wealth of an asset whose price is
endogenous, gap being the log of the value over the price, and nothing where it is above (Thurner,
Farmer, Geanakoplos 2012, "Leverage causes fat tails and clustered volatility"). At a time
it buys no more than would by itself take the price to the value. What it lacks it borrows from the
venue against a margin debt (`protocols.margin`). While the gap is small it buys what falls, which
calms the price. At its limit it must sell what falls, to stay within it: that is the margin call,
and the same orders that calmed the price before now push it.

Investors bring and take money as the fund has lately done against `benchmark`; what it has no cash
for it borrows, and sells then to be within its limit again. A fund that has lost
all but the share `ruin` of its first capital sells all, owes what is left no more, which the venue
bears, and opens again with new capital after `reentry` blocks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from agents.base import Behaviour, Column
from agents.outside_trader import OutsideTrader, asset_of
from agents.targets import Assets, Targets
from protocols.margin import note_failure
from sim.codes import Cause, Event
from sim.compiled import inner
from sim.ledger import begin, burn, mint, transfer
from sim.losses import bring
from sim.tasks import tell
from sim.units import YEAR
from sim.venue import post_order, settle_order

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario


@inner
def _borrow(w, account, amount):
    """Take an amount of the numeraire up from the venue, as far as it has some."""
    rules = w.rules[0]
    debt = w.margin[0].debt
    begin(w.books)
    if transfer(w.books, rules.venue, account, rules.numeraire, amount):
        mint(w.books, account, debt, amount)
        tell(w, Event.ACTED, Cause.FEES)  # a loan, as others: it costs nothing yet


@inner
def _repay(w, account, amount):
    """Give an amount back, as far as the account has it and owes it."""
    rules = w.rules[0]
    books = w.books
    debt = w.margin[0].debt
    amount = min(amount, books.balances[account, rules.numeraire], books.balances[account, debt])
    if amount > 0.0:
        begin(books)
        transfer(books, account, rules.venue, rules.numeraire, amount)
        burn(books, account, debt, amount)
        tell(w, Event.ACTED, Cause.FEES)


@inner
def _settle(w, me, i):
    """Settle the order of the last block, borrowing what it takes and repaying what it gives."""
    my = me.rows[i]
    rules = w.rules[0]
    a = asset_of(me, i)
    asset = w.assets[a]
    account = me.first + i
    if my.order > 0.0:
        price = asset.filled * (1.0 + asset.spread)
        lacking = my.order * price - w.books.balances[account, rules.numeraire]
        if lacking > 0.0:
            _borrow(w, account, lacking)
    if my.order != 0.0:
        settle_order(
            w.books, w.assets, w.quotes, rules.venue, rules.numeraire, account, a, my.order
        )
        tell(w, Event.ACTED, Cause.PRICE_IMPACT)
        my.order = 0.0
    _repay(w, account, math.inf)


@inner
def _flow(w, me, my, account, wealth):
    """Let investors bring or take money; return what the fund has then."""
    rules = w.rules[0]
    if my.wealth > 0.0 and wealth > 0.0:
        growth = math.log(wealth / my.wealth)
        my.performance += (growth - my.performance) / my.memory
    years = rules.seconds / YEAR
    gap = my.performance - my.benchmark * years
    moved = max(my.flow * gap, -1.0) * wealth
    if moved > 0.0:
        moved = min(moved, my.largest * my.first - wealth)
    if moved < 0.0:
        lacking = -moved - w.books.balances[account, rules.numeraire]
        if lacking > 0.0:
            _borrow(w, account, lacking)
        moved = -min(-moved, w.books.balances[account, rules.numeraire])
    if not bring(w, me.ident, account, moved):
        moved = 0.0
    return wealth + moved


@inner
def _close(w, me, my, account, held, block):
    """Sell all; when that is done, what is still owed is lost to the venue, and all begins anew."""
    rules = w.rules[0]
    debt = w.margin[0].debt
    books = w.books
    if held > 0.0 or block < my.opens:
        return
    owed = books.balances[account, debt]
    if owed > 0.0:
        note_failure(w, account, my.equity, max(my.due, owed), owed)
        begin(books)
        burn(books, account, debt, owed)
        tell(w, Event.ACTED, Cause.BAD_DEBT)
    new = my.first - books.balances[account, rules.numeraire]
    if new <= 0.0 or bring(w, me.ident, account, new):
        my.opens = 0.0
        my.wealth = my.first
        my.performance = 0.0


@inner
def decide(w, me):
    """Settle, mark to market, let investors decide, and order what the leverage asks for."""
    rules = w.rules[0]
    books = w.books
    block = w.chain[0].block
    debt = w.margin[0].debt
    for i in range(me.size):
        my = me.rows[i]
        account = me.first + i
        a = asset_of(me, i)
        asset = w.assets[a]
        # For the block that has passed, on what was owed in it: what is borrowed now costs later.
        if my.rate > 0.0 and books.balances[account, debt] > 0.0:
            owed = books.balances[account, debt]
            begin(books)
            mint(books, account, debt, owed * math.expm1(my.rate * rules.seconds / YEAR))
            tell(w, Event.ACTED, Cause.FEES)
        _settle(w, me, i)
        held = books.balances[account, asset.token]
        owned = books.balances[account, rules.numeraire] + held * asset.price
        wealth = owned - books.balances[account, debt]
        if my.opens == 0.0 and not wealth > my.ruin * my.first:
            my.opens = block + my.reentry
            my.ruins += 1.0
            my.due, my.equity = books.balances[account, debt], wealth
        if my.opens > 0.0:
            my.leverage = 0.0
            if held > 0.0:
                my.order = post_order(w.assets, a, -held)
            _close(w, me, my, account, held, block)
            continue
        wealth = _flow(w, me, my, account, wealth)
        my.wealth = wealth
        gap = asset.anchor - math.log(asset.price)
        wanted = min(max(my.aggressiveness * gap, 0.0), my.most_leverage) * wealth
        my.leverage = held * asset.price / wealth
        order = my.speed * (wanted / asset.price - held)
        order = min(order, asset.units * max(gap, 0.0))  # which alone takes the price to its value
        my.order = post_order(w.assets, a, max(order, -held))


class ValueFund(Behaviour):
    """Buys undervalued assets at the outside venue, on margin."""

    columns: ClassVar[Mapping[str, Column]] = {
        "aggressiveness": Column(
            "Leverage for a price one log unit below its value", "multiple", 20.0, 0.0, 1e4
        ),
        "most_leverage": Column(
            "Maximum leverage allowed by its lender", "multiple", 5.0, 0.0, 100.0
        ),
        "speed": Column("Share of the gap to its target ordered at once", "share", 0.2, 0.0, 1.0),
        "rate": Column("Interest rate on its debt", "per year", 0.0, 0.0, 10.0),
        "memory": Column("Investors' memory of its performance", "blocks", 10.0, 1.0),
        "flow": Column("Inflow per unit of growth above the benchmark", "multiple", 0.0, 0.0, 1e3),
        "benchmark": Column(
            "Benchmark growth, at which no money flows", "per year", 0.0, -10.0, 10.0
        ),
        "largest": Column("Size limit for inflows", "multiple of initial capital", 10.0, 1.0),
        "ruin": Column("Share of initial capital below which it closes", "share", 0.1, 0.0, 1.0),
        "reentry": Column("Time until a new fund replaces it", "blocks", 100.0, 1.0),
        "first": Column("Capital at the start", "numeraire", state=True),
        "wealth": Column("Wealth in the last block", "numeraire", state=True),
        "performance": Column("Recent growth", "log a block", state=True),
        "leverage": Column("Leverage: holdings over wealth", "multiple", state=True),
        "order": Column("Posted in this block", "token units", state=True),
        "opens": Column("When it opens again; 0: it is open", "block", state=True),
        "ruins": Column("Number of closures", "times", state=True),
        "due": Column("Debt when it last closed", "numeraire", state=True),
        "equity": Column("Wealth when it last closed", "numeraire", state=True),
    }
    targets: ClassVar[type[Targets]] = Assets
    needs_wallet: ClassVar[bool] = True
    process: ClassVar[str] = "endogenous"
    borrows_outside: ClassVar[bool] = True
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Numbers of the assets that they trade."""
        return OutsideTrader.places(scenario, settings)

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Take what each has as its first capital."""
        super().begin(market, cohort)
        numeraire = market.ledger.token(market.numeraire)
        names = list(cohort.settings.targets.assets)
        held = cohort.balances(market)
        wealth = held[:, numeraire].copy()
        for i in range(len(cohort)):
            name = names[i % len(names)]
            wealth[i] += held[i, market.ledger.token(name)] * market.venue.price(name)
        cohort.put("first", wealth)
        cohort.put("wealth", wealth)
