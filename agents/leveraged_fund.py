"""Leveraged funds: several assets on one balance sheet, sold together when one of them falls.

A fund holds each asset as collateral in a lending market and owes the numeraire there; one market
may serve several assets. It keeps value at risk over equity, so its leverage is in proportion to
one over volatility (Adrian, Shin 2010). When losses or volatility bring leverage above its band, it
sells of *all* assets, in proportion to what it holds or the most liquid first (Greenwood, Landier,
Thesmar 2015; Cont, Schaanning 2017), and repays where it is closest to liquidation: so a fall of
one asset is carried to others, and to who lends against those. After losses investors take
money out, with a lag (Coval, Stafford 2007).

`across = 0` keeps each lending market's part by itself, as if it were a fund of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from agents.base import Behaviour, Column, token_number
from agents.intents import THEN, Order, borrow, deposit, give, repay, trade, withdraw
from agents.lender import reserve_number
from agents.leveraged_borrower import repayment_to_health, routes, volatility_ratio_of
from agents.positions import Sleeve, open_positions
from agents.targets import LendingName, Places, Targets, Token
from agents.tools import BUMP, best_place, going_bid, rebid, refuel
from protocols import lending
from sim.clock import look, lookers
from sim.codes import NEVER, PREVIOUS, Kind
from sim.compiled import inner
from sim.names import HOLDERS
from sim.parts import special_accounts

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.errors import Problem
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

MOST_ASSETS = 4
COUNT, DEBT, INVESTORS, SLEEVES = range(4)
WIDTH = 5
"""Places: how many assets, the debt's token, the investors' account, and of each asset these."""
MARKET, TOKEN, C_RESERVE, D_RESERVE, UNIT = range(WIDTH)


@inner
def _place(me, a, what):
    return me.places[SLEEVES + WIDTH * a + what]


@inner
def _sales(me):
    """Where it trades."""
    return me.places[SLEEVES + WIDTH * me.places[COUNT] :]


@inner
def _worth(w, me, account, a):
    """Value of an asset that it has deposited, as the lending market sees it."""
    reserve = w.reserves[_place(me, a, C_RESERVE)]
    return lending.deposit_of(w.books, reserve, account) * w.feeds[reserve.feed].price


@inner
def _owed(w, me, account, unit):
    """What it owes to one of its lending markets, numeraire."""
    for a in range(me.places[COUNT]):
        if _place(me, a, UNIT) == unit:
            reserve = w.reserves[_place(me, a, D_RESERVE)]
            return lending.debt_of(w.books, reserve, account) * w.feeds[reserve.feed].price
    return 0.0


@inner
def _unit(w, me, account, unit):
    """Its part in a lending market: (assets, assets that count as backing, debt), numeraire."""
    worth = backing = 0.0
    for a in range(me.places[COUNT]):
        if _place(me, a, UNIT) == unit:
            held = _worth(w, me, account, a)
            worth += held
            backing += held * w.reserves[_place(me, a, C_RESERVE)].threshold
    return worth, backing, _owed(w, me, account, unit)


@inner
def _restlessness(w, me, account, unit):
    """Volatility of what it holds over what is normal: the mean by value; of all: unit -1."""
    total = weighted = 0.0
    for a in range(me.places[COUNT]):
        if unit < 0 or _place(me, a, UNIT) == unit:
            held = _worth(w, me, account, a)
            total += held
            weighted += held * volatility_ratio_of(w, _place(me, a, TOKEN))
    return weighted / total if total > 0.0 else 1.0


@inner
def target(leverage, response, ratio):
    """Leverage at which value at risk over equity is what it is at the normal volatility.

    ``max(L ratio ** -k, 1)``: with k = 1 value at risk is constant (Adrian, Shin 2010).
    """
    return max(leverage * max(ratio, 1e-9) ** (-response), 1.0)


@inner
def _liquidity(w, token):
    """Depth of an asset outside, numeraire for one per cent; a great deal where it is endless."""
    for a in range(w.assets.size):
        if w.assets[a].token == token:
            return min(w.assets[a].units * w.assets[a].price, 1e15)
    return 0.0


@inner
def _part(w, me, my, account, a, unit):
    """Share of an asset in what is sold of a unit (all: -1)."""
    worth = depth = mine = deep = 0.0
    for b in range(me.places[COUNT]):
        if unit < 0 or _place(me, b, UNIT) == unit:
            held = _worth(w, me, account, b)
            liquid = _liquidity(w, _place(me, b, TOKEN)) if held > 0.0 else 0.0
            worth += held
            depth += liquid
            if b == a:
                mine, deep = held, liquid
    if worth <= 0.0:
        return 0.0
    by_depth = deep / depth if depth > 0.0 else 0.0
    return (1.0 - my.liquid_first) * mine / worth + my.liquid_first * by_depth


# Wide: who sells what for whom.
@inner
def _sell(w, me, i, my, a, value, to, gas):
    """Take an asset out, sell it, and repay a unit with what it gives, or pay investors (to -1)."""
    account = me.first + i
    backing = w.reserves[_place(me, a, C_RESERVE)]
    unit = _place(me, a, UNIT)
    _, covered, owed = _unit(w, me, account, unit)
    held = _worth(w, me, account, a)
    # It can be taken out only as far as the health factor stays above one.
    free = (covered - 1.0005 * owed) / backing.threshold if owed > 0.0 else held
    value = min(value, min(held, free))
    if not value > 0.001 * held or not value > 1.0:
        return False
    m, token, debt = _place(me, a, MARKET), _place(me, a, TOKEN), me.places[DEBT]
    amount = value / w.feeds[backing.feed].price
    place, out = best_place(w, _sales(me), token, debt, amount)
    if out <= 0.0 or not refuel(w, account, me.ident, gas):
        return False
    order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
    if not withdraw(w, order, m, token, amount):
        return False
    trade(w, THEN, place, token, debt, PREVIOUS, out * (1.0 - my.slippage))
    if to < 0:
        give(w, THEN, me.places[INVESTORS], debt, PREVIOUS)
        return True
    for b in range(me.places[COUNT]):
        if _place(me, b, UNIT) == to:
            repay(w, THEN, _place(me, b, MARKET), debt, PREVIOUS)
            break
    return True


@inner
def _units(me):
    """How many lending markets it uses."""
    most = 0
    for a in range(me.places[COUNT]):
        most = max(most, _place(me, a, UNIT) + 1)
    return most


@inner
def _weakest(w, me, account):
    """The lending market where its health factor is least. Returns (unit, health factor)."""
    found, least = 0, np.inf
    for unit in range(_units(me)):
        _, covered, owed = _unit(w, me, account, unit)
        if owed > 0.0 and covered / owed < least:
            found, least = unit, covered / owed
    return found, least


@inner
def _need(w, me, my, account, unit):
    """Value of sales that a unit needs: to its leverage, and to its health factor.

    Args:
        unit: A lending market's part, or -1: all together.
    """
    worth = owed = needed = 0.0
    for u in range(_units(me)):
        if unit >= 0 and u != unit:
            continue
        held, covered, debt = _unit(w, me, account, u)
        worth += held
        owed += debt
        if debt > 0.0 and covered < my.buffer * debt:
            wanted = max(my.buffer * 1.05, 1.02)
            threshold = covered / held if held > 0.0 else 0.0
            if wanted > threshold:
                needed += repayment_to_health(held, threshold, debt, wanted)
    if worth <= 0.0:
        return 0.0
    aim = target(my.leverage, my.volatility_response, _restlessness(w, me, account, unit))
    equity = worth - owed
    if equity <= 0.0:
        return worth
    if worth > aim * (1.0 + my.band) * equity:
        needed = max(needed, worth - aim * equity)
    return needed


@inner
def _inside(me, a, scope):
    """Whether an asset belongs to what is managed as one: a unit, or all (-1)."""
    return scope < 0 or _place(me, a, UNIT) == scope


@inner
def _shrink(w, me, i, my, scope, gas):
    """Sell until leverage and health factors are where they should be. Returns whether it sold."""
    account = me.first + i
    needed = _need(w, me, my, account, scope)
    if needed <= 0.0:
        return False
    weakest, factor = _weakest(w, me, account)
    sold = False
    for a in range(me.places[COUNT]):
        if not _inside(me, a, scope):
            continue
        to = _place(me, a, UNIT)
        if scope < 0 and (factor < my.buffer or _owed(w, me, account, to) <= 0.0):
            to = weakest
        value = needed * _part(w, me, my, account, a, scope)
        sold = _sell(w, me, i, my, a, value, to, gas) or sold
    return sold


@inner
def _weight(me, my, i, a):
    """Share of an asset that it wants: more of its own one, the less funds' holdings overlap."""
    count = me.places[COUNT]
    even = my.overlap / count
    return even + 1.0 - my.overlap if a == i % count else even


# Long: one loop of leverage, with all that limits it.
@inner
def _grow(w, me, i, my, scope, gas):
    """Borrow and buy of the asset that it has least of, as measured by its weights."""
    account = me.first + i
    worth = owed = 0.0
    for unit in range(_units(me)):
        if scope < 0 or unit == scope:
            held, _, debt = _unit(w, me, account, unit)
            worth += held
            owed += debt
    equity = worth - owed
    if equity <= 0.0:
        return False
    aim = target(my.leverage, my.volatility_response, _restlessness(w, me, account, scope))
    if worth >= aim * (1.0 - my.band) * equity:
        return False
    best, most = -1, 0.0
    for a in range(me.places[COUNT]):
        if not _inside(me, a, scope) or _weight(me, my, i, a) <= 0.0:
            continue
        short = _weight(me, my, i, a) * worth - _worth(w, me, account, a)
        if best < 0 or short > most:
            best, most = a, short
    if best < 0:
        return False
    held, covered, debt = _unit(w, me, account, _place(me, best, UNIT))
    value = min(aim * equity - worth, my.step * equity)
    backing = w.reserves[_place(me, best, C_RESERVE)]
    owing = w.reserves[_place(me, best, D_RESERVE)]
    price = w.feeds[owing.feed].price
    value = min(value, held * backing.ltv * 0.98 - debt)
    if covered + value * backing.threshold < my.buffer * 1.05 * (debt + value):
        return False
    m, token, borrowed = _place(me, best, MARKET), _place(me, best, TOKEN), me.places[DEBT]
    _, _, cash = lending.totals(w.books, w.markets[m], owing)
    if value <= 0.01 * equity or value / price > cash:
        return False
    place, out = best_place(w, _sales(me), borrowed, token, value / price)
    if out <= 0.0 or not refuel(w, account, me.ident, gas):
        return False
    order = Order(account, me.ident, going_bid(w, account, gas, my.bid), int(my.patience))
    if borrow(w, order, m, borrowed, value / price, 1.0):
        trade(w, THEN, place, borrowed, token, PREVIOUS, out * (1.0 - my.slippage))
        deposit(w, THEN, m, token, PREVIOUS)
    return True


@inner
def _review(w, me, i, my, scope, paid):
    """Let investors see what it has earned: after a loss some ask for their money.

    The share that leaves is `flow` times the loss since the last review; they are paid at the
    next one: that is their notice.

    Args:
        scope: The unit that is seen by itself, or -1: all.
        paid: Whether what is due has been sent.
    """
    account = me.first + i
    now = before = 0.0
    for unit in range(_units(me)):
        if scope < 0 or unit == scope:
            worth, _, owed = _unit(w, me, account, unit)
            now += max(worth - owed - my.due[unit], 0.0)
            before += my.nav[unit]
    share = min(my.flow * max(1.0 - now / before, 0.0), 1.0) if before > 0.0 else 0.0
    for unit in range(_units(me)):
        if scope < 0 or unit == scope:
            worth, _, owed = _unit(w, me, account, unit)
            due = my.due[unit]
            equity = max(worth - owed - due, 0.0)
            my.nav[unit] = equity * (1.0 - share)
            my.due[unit] = share * equity + (0.0 if paid else due)


@inner
def _redeem(w, me, i, my, scope, gas):
    """Sell what investors who gave notice are to get. Returns whether it sold."""
    account = me.first + i
    total = 0.0
    for unit in range(_units(me)):
        if scope < 0 or unit == scope:
            total += my.due[unit]
    if total <= 0.0:
        return False
    sold = False
    for a in range(me.places[COUNT]):
        if _inside(me, a, scope):
            value = total * _part(w, me, my, account, a, scope)
            sold = _sell(w, me, i, my, a, value, -1, gas) or sold
    my.redeemed += total if sold else 0.0
    return sold


@inner
def decide(w, me):
    """Keep value at risk in its budget, and pay investors who leave."""
    chain = w.chain[0]
    rules = w.rules[0]
    rebid(w, me)
    gas = rules.gas_cost[Kind.WITHDRAW] + rules.gas_cost[Kind.SWAP] + rules.gas_cost[Kind.REPAY]
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if look(me, i, 0) >= my.attention:
            continue
        whole = my.across >= 0.5
        # Units that are managed apart wait apart, so that none knows of another.
        for u in range(1 if whole else _units(me)):
            if chain.block < my.busy[u]:
                continue
            scope = -1 if whole else u
            if not whole:
                # Orders of equal bids are drawn by their number; each unit counts its own.
                count = chain.block * MOST_ASSETS + u
                w.senders[me.first + i].nonce = count % NEVER
            acted = False
            if chain.block >= my.next[u]:
                if my.next[u] > 0.0:
                    acted = _redeem(w, me, i, my, scope, gas)
                _review(w, me, i, my, scope, acted)
                my.next[u] = chain.block + my.review
            acted = acted or _shrink(w, me, i, my, scope, gas)
            acted = acted or _grow(w, me, i, my, scope, gas)
            if acted:
                my.busy[u] = chain.block + my.patience


class FundTargets(Places):
    """Its assets, their lending markets, its debt, and where it trades."""

    assets: Annotated[list[Token], Field(min_length=1, max_length=MOST_ASSETS)] = Field(
        description="Tokens held."
    )
    lending: LendingName | Annotated[list[LendingName], Field(min_length=1)] = Field(
        description="Lending market of each token, in the same order; or one for all."
    )
    debt: Token = Field(description="Token borrowed.")


_EACH: Any = {"state": True, "count": MOST_ASSETS}


class LeveragedFund(Behaviour):
    """Holds a leveraged portfolio of assets, and sells all of them when one falls."""

    columns: ClassVar[Mapping[str, Column]] = {
        "equity": Column("Capital invested at the start", "numeraire", 1_000_000.0, 0.0),
        "leverage": Column(
            "Target leverage (assets over equity) at normal volatility", "multiple", 2.0, 1.0, 20.0
        ),
        "volatility_response": Column(
            "Elasticity of target leverage with respect to volatility", "power", 1.0, 0.0, 4.0
        ),
        "band": Column("Tolerated deviation from the target leverage", "share", 0.1, 0.0, 1.0),
        "buffer": Column(
            "Health factor below which it deleverages", "health factor", 1.1, 1.0, 10.0
        ),
        "overlap": Column("0: its own asset alone, 1: all evenly", "share", 1.0, 0.0, 1.0),
        "across": Column(
            "Whether it manages all holdings on one balance sheet", "0 or 1", 1.0, 0.0, 1.0
        ),
        "liquid_first": Column(
            "Part of a sale allocated by liquidity, not by holdings", "share", 0.0, 0.0, 1.0
        ),
        "flow": Column(
            "Share of investors who redeem, per unit of loss", "multiple", 0.5, 0.0, 10.0
        ),
        "review": Column("Time between investors' reviews", "blocks", 1800.0, 1.0),
        "attention": Column("Chance per block that it checks the market", "share", 0.1, 0.0, 1.0),
        "step": Column("Largest single loan, relative to equity", "share", 0.25, 0.0, 10.0),
        "slippage": Column("Slippage tolerance, relative to the quote", "share", 0.05, 0.0, 1.0),
        "patience": Column("Time until a pending order expires", "blocks", 5.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.3, 0.0),
        "bump": BUMP,
        "redeemed": Column("Paid out to investors so far", "numeraire", 0.0, state=True),
        "busy": Column("Block until which each waits; the first: all", "block", **_EACH),
        "next": Column("Block of the next review, likewise", "block", **_EACH),
        "nav": Column("Equity by lending market when last reviewed", "numeraire", **_EACH),
        "due": Column("What investors are to get of each", "numeraire", **_EACH),
    }
    targets: ClassVar[type[Targets]] = FundTargets
    start_order: ClassVar[int] = 1
    without: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "funds_sell_across": {"across": 0.0},
        "investors_redeem": {"flow": 0.0},
    }
    decide = staticmethod(decide)

    @classmethod
    def check(cls, settings: AgentSettings) -> list[Problem]:
        """Whether there is a lending market for each asset."""
        assets, lent = settings.targets.assets, settings.targets.lending
        if isinstance(lent, list) and len(lent) != len(assets):
            text = f"names {len(lent)} markets for {len(assets)} assets; give one each, or one name"
            return [("lending", text)]
        if len(set(assets)) != len(assets):
            return [("assets", "names one twice; give each once")]
        return []

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """How many assets, the debt, the investors; each asset's market, token and reserves."""
        targets = settings.targets
        assets, lent = targets.assets, targets.lending
        markets = lent if isinstance(lent, list) else [lent] * len(assets)
        units = list(dict.fromkeys(markets))
        found = [len(assets), token_number(scenario, targets.debt), _account(scenario, HOLDERS)]
        for asset, name in zip(assets, markets, strict=True):
            found += [
                list(scenario.lending).index(name),
                token_number(scenario, asset),
                reserve_number(scenario, name, asset),
                reserve_number(scenario, name, targets.debt),
                units.index(name),
            ]
        return [*found, *routes(scenario, settings)]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Open the positions: each asset bought in part with what is borrowed against it.

        Raises:
            ScenarioError: If the lending markets cannot bear the loans.
        """
        super().begin(market, cohort)
        count = int(cohort.places[COUNT])
        equity, overlap = cohort.column("equity"), cohort.column("overlap")
        own = np.arange(len(cohort)) % count
        table: Any = cohort.places[SLEEVES : SLEEVES + WIDTH * count].reshape(count, WIDTH)
        debt = int(cohort.places[DEBT])
        for a, (m, token, c, d, _) in enumerate(table.tolist()):
            weight = overlap / count + np.where(own == a, 1.0 - overlap, 0.0)
            sleeve = Sleeve(m, token, debt, c, d)
            open_positions(market, cohort, sleeve, equity * weight, cohort.column("leverage"), True)


def _account(scenario: Scenario, name: str) -> int:
    """Row of one of the accounts that every market has."""
    return special_accounts(scenario).index(name)
