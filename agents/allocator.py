"""Allocators: lenders with one purse for several markets.

When it looks, a lender compares what each market pays, less what it fears there, with what it
could earn outside, and wants its purse spread by a logit on that (McFadden 1974; as the intensity
of choice in Brock, Hommes 1998). The shares s* of a logit with sensitivity b are those that
maximise ``sum s x - sum s ln s / b``, a taste for variety beside yield (Anderson, de Palma, Thisse
1988), so being spread by s costs it ``sum s ln(s / s*) / b`` a year. It moves where what a move
gains of that within its horizon pays the gas.

Fear of a market is a lender's (`agents.lender.fear`). It lowers what the market seems to pay, and
where it then pays less than the outside fear is the chance to run: to take out all that there is.
A withdrawal is noticed for a hundred blocks, so it sets off about ``100 attention social`` others;
above one a run feeds itself whatever set it off. What happens in one market reaches others in
three ways, all of which the switch ``fear_spreads`` cuts:

- News. Fear of a market is heard of by those who lend to others with the same collateral, in
  proportion to the overlap (Jaccard) of what the markets take (King, Wadhwani 1990; Kodres,
  Pritsker 2002 on shared risks), and has everybody look more often.
- Cash. Who cannot get out of one market what it wants, or has lost there, takes it from the others
  (Allen, Gale 2000; Kodres, Pritsker 2002 on rebalancing): the same depositors stand in both.
- Its purse. What leaves one market may go into another.

While these are cut each part of its purse, a *sleeve*, keeps to its market and the outside:
no sleeve sees another's market or touches another's cash, to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from agents.base import Behaviour, Column, token_number
from agents.intents import THEN, Order, deposit, withdraw
from agents.lender import MEMORY, fear, kept, look_by_size, reserve_number
from agents.targets import LendingName, Targets, Token
from agents.tools import BUMP, gas_cost, going_bid, rebid, refuel
from protocols import lending
from protocols.loan_settings import LendingSettings
from sim.clock import ask_bounds, bound, look, must_bound, ring
from sim.codes import NEVER, PREVIOUS, Kind, Reason
from sim.compiled import inner, kernel
from sim.errors import Problem, ScenarioError
from sim.ledger import begin
from sim.measures import market_price
from sim.randomness import agent_uniform

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

MOST_MARKETS = 8
TOKEN, MARKETS = 0, 1
"""Places: the token, its markets, and their reserves of it."""
LEAST_HEAT = 0.02
"""Heat up to which bounds of the chances to look always hold."""
OUT = -1
"""In place of a market: its wallet."""


@kernel
def spread(rates, count, sensitivity, outside, shares):
    """Logit shares of options, into `shares`.

    Args:
        rates: Per year, less perceived risk; the first is the outside's. -inf: none wants it.
        count: Options.
        sensitivity: Of the log odds, per unit of rate.
        outside: Weight of the first option where that of others is one.
        shares: float64[count or more].
    """
    most = -np.inf
    for k in range(count):
        most = max(most, rates[k])
    total = 0.0
    for k in range(count):
        weight = outside if k == 0 else 1.0
        shares[k] = weight * math.exp(sensitivity * (rates[k] - most)) if rates[k] > -1e300 else 0.0
        total += shares[k]
    for k in range(count):
        shares[k] /= total


@kernel
def _variety(share, target):
    return share * math.log(share / target) if share > 0.0 and target > 0.0 else 0.0


@kernel
def gain_of_move(left, wanted, reached, aim, moved, sensitivity):
    """What moving a share towards a logit's is worth a year, over the purse.

    Args:
        left: Share of the option that is left.
        wanted: Its logit share; none: all of it is wanted out.
        reached: Share of the option that is moved to.
        aim: Its logit share.
        moved: Share that is moved, no more than `left`.
        sensitivity: Of the logit.
    """
    if wanted <= 0.0 or sensitivity <= 0.0:
        return np.inf
    before = _variety(left, wanted) + _variety(reached, aim)
    after = _variety(left - moved, wanted) + _variety(reached + moved, aim)
    return (before - after) / sensitivity


@kernel
def heard(own, overlap, count, k, news):
    """Fear of the k-th market with what is heard of others, at most 1.

    Args:
        own: float64[count or more], fear of each by itself.
        overlap: float64[MOST_MARKETS ** 2], what markets have in common, shares.
        count: Markets.
        k: Which.
        news: Weight of what is heard, share.
    """
    chance = own[k]
    for j in range(count):
        if j != k:
            chance += news * overlap[k * MOST_MARKETS + j] * own[j]
    return min(chance, 1.0)


@inner
def _count(me):
    return (me.places.size - MARKETS) // 2


@inner
def _reserve(w, me, k):
    return w.reserves[me.places[MARKETS + _count(me) + k]]


@inner
def _see(w, me):
    """Look at the markets: queues, losses, rates; and have bounds cover how often people look."""
    ours = me.memory
    hot = 0.0
    for k in range(_count(me)):
        reserve = _reserve(w, me, k)
        deposits, debts, cash = lending.totals(w.books, w.markets[me.places[MARKETS + k]], reserve)
        receipts = w.books.supply[reserve.receipt]
        gone = 1.0 - receipts / ours.receipts[k] if ours.receipts[k] > 0.0 else 0.0
        ours.flight[k] = max(ours.flight[k] * ours.keeps + gone, 0.0)  # who comes calms
        ours.receipts[k] = receipts
        ours.cash[k] = 0.999 * cash
        ours.room[k] = reserve.supply_cap - deposits
        used = debts / (debts + cash) if debts > 0.0 else 0.0
        ours.used[k] = used
        lost = w.books.storage[reserve.slot + lending.BAD_DEBT]
        losses = lost / (deposits + lost) if lost > 0.0 else 0.0
        ours.blow[k] = ours.blow[k] * ours.keeps + max(losses - ours.losses[k], 0.0)
        ours.losses[k] = losses
        index = w.books.storage[reserve.slot + lending.SUPPLY_INDEX]
        ours.peak[k] = index + max(ours.peak[k] - index, 0.0) * ours.feels
        ours.index[k] = index
        scarce = max(used - reserve.optimal, 0.0) / (1.0 - reserve.optimal)
        hot = max(hot, min(ours.flight[k] + ours.blow[k] + scarce, 1.0))
    ours.hot = hot
    if hot > ours.said or (ours.said > LEAST_HEAT and hot < 0.1 * ours.said):
        ours.said = max(min(2.0 * hot, 1.0), LEAST_HEAT)
        ask_bounds(w, me.clock)


@inner
def _chance(my, hot):
    """Chance to look while markets are so hot."""
    return min(my.attention * (1.0 + my.news * my.alarm * hot), 1.0)


@inner
def _own_fear(me, my, k):
    """Fear of the k-th market by itself."""
    ours = me.memory
    return fear(
        ours.used[k],
        my.fear,
        my.sensitivity,
        ours.flight[k],
        my.social,
        ours.losses[k],
        my.bad_debt_fear,
    )


@inner
def _pays(w, me, my, purse, gain, gas):
    """Whether a yearly gain over the purse pays the gas within the horizon."""
    money = purse * market_price(w, me.places[TOKEN])
    return gain * money * my.horizon / 365.0 > gas_cost(w, gas, w.chain[0].gas_price)


# Wide: who moves how much from where to where, and how much it hurries.
@inner
def _move(w, me, i, my, source, sink, amount, hurry):
    """Move money between markets and the wallet. Returns whether it was sent."""
    rules = w.rules[0]
    token = me.places[TOKEN]
    account = me.first + i
    gas = 0.0
    if source != OUT:
        gas += rules.gas_cost[Kind.WITHDRAW]
    if sink != OUT:
        gas += rules.gas_cost[Kind.DEPOSIT]
    if not refuel(w, account, me.ident, gas):
        return False
    bid = going_bid(w, account, gas, my.bid * (1.0 + hurry))
    order = Order(account, me.ident, bid, int(my.patience))
    if source == OUT:
        return deposit(w, order, me.places[MARKETS + sink], token, amount)
    sent = withdraw(w, order, me.places[MARKETS + source], token, amount)
    if sent and sink != OUT:
        deposit(w, THEN, me.places[MARKETS + sink], token, PREVIOUS)
    return sent


@inner
def _weigh(w, me, i, my):
    """What its purse is, and how it wants to spread it. Returns (purse, its cash, its losses)."""
    ours = me.memory
    account = me.first + i
    n = _count(me)
    cash = 0.99 * w.books.balances[account, me.places[TOKEN]]
    purse, lost = cash, 0.0
    for k in range(n):
        units = w.books.balances[account, _reserve(w, me, k).receipt]
        ours.worth[k] = units * ours.index[k]
        purse += ours.worth[k]
        lost += units * (ours.peak[k] - ours.index[k])
        ours.own[k] = _own_fear(me, my, k)
    ours.rates[0] = my.outside_yield
    for k in range(n):
        ours.afraid[k] = heard(ours.own, ours.overlap, n, k, my.news)
        rate = _reserve(w, me, k).supply_rate - my.aversion * ours.afraid[k]
        ours.rates[1 + k] = rate if ours.index[k] > 0.0 else -np.inf
    spread(ours.rates, n + 1, my.spread_sensitivity, 1.0, ours.shares)
    return purse, cash, lost


@inner
def _escape(w, me, i, my, purse, cash, lost):
    """Run from markets that it fears, and take from others what it cannot get there.

    What it then wants in its wallet goes into ``shares[0]``, and the others shrink.

    Returns:
        Whether it has sent something.
    """
    ours = me.memory
    n = _count(me)
    frozen, liquid = 0.0, 0.0
    acted = False
    for k in range(n):
        worth = ours.worth[k]
        there = min(worth, ours.cash[k])
        runs = worth > 0.0 and ours.rates[1 + k] < my.outside_yield
        runs = runs and agent_uniform(me.key, i, 1 + k) < ours.afraid[k]
        leaves = worth if runs else max(worth - ours.shares[1 + k] * purse, 0.0)
        frozen += max(leaves - ours.cash[k], 0.0) if leaves > my.band * purse else 0.0
        if runs and there > 0.01 * worth:
            acted |= _move(w, me, i, my, k, OUT, there, ours.afraid[k])
        ours.free[k] = 0.0 if runs else there
        liquid += ours.free[k]
    need = min(my.need * (frozen + lost), purse)
    if not need > 0.0:
        return acted
    short = ours.shares[0] * purse + need - cash
    if short > my.band * purse and liquid > 0.0:
        part = min(short / liquid, 1.0)
        for k in range(n):
            if part * ours.free[k] > 0.01 * my.band * purse:
                acted |= _move(w, me, i, my, k, OUT, part * ours.free[k], 0.0)
    kept = min(ours.shares[0] + need / purse, 1.0)
    rest = (1.0 - kept) / max(1.0 - ours.shares[0], 1e-300)
    for k in range(n):
        ours.shares[1 + k] *= rest
    ours.shares[0] = kept
    return acted


@inner
def _rebalance(w, me, i, my, purse, cash):
    """Move from where it has most too much to where it has most too little, if that pays."""
    ours = me.memory
    rules = w.rules[0]
    shares = ours.shares
    source, sink = OUT, OUT
    over, under = cash - shares[0] * purse, shares[0] * purse - cash
    for k in range(_count(me)):
        gap = ours.worth[k] - shares[1 + k] * purse
        if min(gap, ours.cash[k]) > over:
            source, over = k, min(gap, ours.cash[k])
        if min(-gap, ours.room[k]) > under:
            sink, under = k, min(-gap, ours.room[k])
    amount = min(over, under)
    if source == sink or not amount > my.band * purse:
        return False
    left = (cash if source == OUT else ours.worth[source]) / purse
    reached = (cash if sink == OUT else ours.worth[sink]) / purse
    gain = gain_of_move(
        left, shares[1 + source], reached, shares[1 + sink], amount / purse, my.spread_sensitivity
    )
    gas = 0.0
    if source != OUT:
        gas += rules.gas_cost[Kind.WITHDRAW]
    if sink != OUT:
        gas += rules.gas_cost[Kind.DEPOSIT]
    if not _pays(w, me, my, purse, gain, gas):
        return False
    return _move(w, me, i, my, source, sink, amount, 0.0)


@inner
def _settle(w, me, i, my, k):
    """Take what became of a sleeve's last order into its cash. Returns its receipts."""
    units = w.books.balances[me.first + i, _reserve(w, me, k).receipt]
    if my.asked[k] != 0.0:
        if units != my.units[k]:
            my.cash[k] = max(my.cash[k] - my.asked[k], 0.0)
        my.asked[k] = 0.0
    return units


@inner
def _sleeve(w, me, i, my, k):
    """Decide for the k-th sleeve alone.

    Its chance to run, its logit, the costs and the draws are those of the whole purse; the
    outside counts as one option of the whole, so as a part of one for each sleeve.
    """
    ours = me.memory
    rules, block = w.rules[0], w.chain[0].block
    worth = _settle(w, me, i, my, k) * ours.index[k]
    cash = my.cash[k]
    purse = cash + worth
    if not purse > 0.0:
        return
    afraid = _own_fear(me, my, k)
    rate = _reserve(w, me, k).supply_rate - my.aversion * afraid
    ours.rates[0] = my.outside_yield
    ours.rates[1] = rate if ours.index[k] > 0.0 else -np.inf
    spread(ours.rates, 2, my.spread_sensitivity, 1.0 / _count(me), ours.shares)
    there = min(worth, ours.cash[k])
    amount, hurry = 0.0, 0.0
    runs = worth > 0.0 and ours.rates[1] < my.outside_yield
    if runs and agent_uniform(me.key, i, 1 + k) < afraid:
        amount, hurry = (-there if there > 0.01 * worth else 0.0), afraid
    else:
        gap = ours.shares[1] * purse - worth
        amount = min(gap, ours.room[k], cash) if gap > 0.0 else -min(-gap, there)
        moved = abs(amount) / purse
        out, inside = cash / purse, worth / purse
        if not moved > my.band:
            return
        if amount > 0.0:
            gas = rules.gas_cost[Kind.DEPOSIT]
            gain = gain_of_move(
                out, ours.shares[0], inside, ours.shares[1], moved, my.spread_sensitivity
            )
        else:
            gas = rules.gas_cost[Kind.WITHDRAW]
            gain = gain_of_move(
                inside, ours.shares[1], out, ours.shares[0], moved, my.spread_sensitivity
            )
        if not _pays(w, me, my, purse, gain, gas):
            return
    if amount == 0.0:
        return
    # Its place in the block hangs on the block and its market, not on what other sleeves sent.
    w.senders[me.first + i].nonce = (block * MOST_MARKETS + k) % NEVER
    source, sink = (OUT, k) if amount > 0.0 else (k, OUT)
    units = w.books.balances[me.first + i, _reserve(w, me, k).receipt]
    if _move(w, me, i, my, source, sink, abs(amount), hurry):
        my.asked[k], my.units[k] = amount, units
    my.until[k] = block + int(my.patience)


@inner
def _sleeves(w, me, i, my):
    """Decide for each sleeve; at first part what cash there is evenly."""
    n = _count(me)
    if my.parted == 0.0:
        if w.chain[0].block < my.busy:
            return
        my.parted = 1.0
        for k in range(n):
            my.cash[k] = 0.99 * w.books.balances[me.first + i, me.places[TOKEN]] / n
            my.asked[k] = 0.0
            my.until[k] = 0.0
    for k in range(n):
        if w.chain[0].block >= my.until[k]:
            _sleeve(w, me, i, my, k)


@inner
def decide(w, me):
    """Run from what is feared, find cash for what is stuck, and spread the rest by rates."""
    rebid(w, me)
    _see(w, me)
    chain = w.chain[0]
    if must_bound(w, me.clock):
        for i in range(me.size):
            bound(w, me.clock, i, _chance(me.rows[i], me.memory.said))
    for n in range(ring(w, me.clock)):
        i = me.actors[n]
        my = me.rows[i]
        if look(me, i, 0) >= _chance(my, me.memory.hot):
            continue
        if my.alone > 0.0:
            _sleeves(w, me, i, my)
            continue
        my.parted = 0.0
        if chain.block < my.busy:
            continue
        purse, cash, lost = _weigh(w, me, i, my)
        if not purse > 0.0:
            continue
        acted = _escape(w, me, i, my, purse, cash, lost)
        if acted or _rebalance(w, me, i, my, purse, cash):
            my.busy = chain.block + int(my.patience)


class AllocatorTargets(Targets):
    """The markets and the token that it lends."""

    lending: list[LendingName] = Field(description="Lending markets that it lends to.")
    token: Token = Field(description="Token lent.")


class Allocator(Behaviour):
    """Lends one token to several markets, weighing yield against perceived risk."""

    columns: ClassVar[Mapping[str, Column]] = {
        "purse": Column("Initial capital", "token units", 10_000.0, 0.0),
        "kept": Column("Share of the purse not lent at the start", "share", 0.1, 0.0, 1.0),
        "outside_yield": Column("Outside yield", "per year", 0.01, 0.0),
        "spread_sensitivity": Column(
            "Sensitivity of log odds to a rate differential", "per 1 a year", 50.0, 0.0
        ),
        "aversion": Column("Extra yield that would compensate for full fear", "per year", 0.3, 0.0),
        "fear": Column("Utilisation above which it becomes fearful", "share", 0.9, 0.0, 1.0),
        "sensitivity": Column("Chance of running at full utilisation", "share", 0.5, 0.0, 1.0),
        "social": Column(
            "Chance of running per share recently withdrawn", "chance per 1", 0.3, 0.0
        ),
        "bad_debt_fear": Column("Chance of running per share lost", "chance per 1", 20.0, 0.0),
        "memory": MEMORY,
        "loss_memory": Column("Memory of losses", "blocks", 7_200.0, 1.0),
        "news": Column(
            "Weight of fear in markets with the same collateral", "share", 0.5, 0.0, 1.0
        ),
        "alarm": Column(
            "Increase of attention while markets are short of cash", "times", 3.0, 0.0, 1000.0
        ),
        "need": Column(
            "Share of stuck funds that it withdraws from other markets", "share", 1.0, 0.0, 1.0
        ),
        "horizon": Column("Time in which a move must recover its gas cost", "days", 14.0, 0.0),
        "band": Column("Smallest move, as a share of its purse", "share", 0.02, 0.0, 1.0),
        "attention": Column("Chance per block that it checks the market", "share", 0.01, 0.0, 1.0),
        "size_attention": Column(
            "Elasticity of attention with respect to size", "elasticity", 0.3, 0.0
        ),
        "patience": Column("Time until a pending order expires", "blocks", 25.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
        "alone": Column("Whether each market is judged alone", "0 or 1", 0.0, state=True),
        "parted": Column("Whether its cash is divided for that", "0 or 1", 0.0, state=True),
        "cash": Column("Cash of each sleeve", "token units", state=True, count=MOST_MARKETS),
        "asked": Column("What it deposits", "token units", state=True, count=MOST_MARKETS),
        "units": Column("Its receipts then", "token units", state=True, count=MOST_MARKETS),
        "until": Column(
            "Block until which it waits for an order", "block", state=True, count=MOST_MARKETS
        ),
    }
    targets: ClassVar[type[Targets]] = AllocatorTargets
    remembers: ClassVar[Mapping[str, Column]] = {
        "hot": Column("Stress of a market: shortage of cash and losses", "share"),
        "said": Column("Stress up to which the bounds on chances hold", "share"),
        "overlap": Column("Overlap of accepted collateral", "share", count=MOST_MARKETS**2),
        "receipts": Column("Receipts in the last block", "token units", count=MOST_MARKETS),
        "flight": Column("Recent withdrawals, decaying", "share", count=MOST_MARKETS),
        "blow": Column("Recent losses, decaying", "share", count=MOST_MARKETS),
        "keeps": Column("Part of both that is left after a block", "share"),
        "feels": Column("Part of a fall from the peak that is left after a block", "share"),
        "losses": Column("Losses since the start", "share", count=MOST_MARKETS),
        "used": Column("Utilisation", "share", count=MOST_MARKETS),
        "cash": Column("Available cash", "token units", count=MOST_MARKETS),
        "room": Column("Deposits up to the cap", "token units", count=MOST_MARKETS),
        "index": Column("Value of a receipt", "token units", count=MOST_MARKETS),
        "peak": Column("Its peak, decaying", "token units", count=MOST_MARKETS),
        "worth": Column("Deposits of the deciding agent", "token units", count=MOST_MARKETS),
        "free": Column("Withdrawable part of them", "token units", count=MOST_MARKETS),
        "own": Column("Its fear of each market", "share", count=MOST_MARKETS),
        "afraid": Column("Its fear of each market, with news", "share", count=MOST_MARKETS),
        "rates": Column("Perceived yield of each option", "per year", count=MOST_MARKETS + 1),
        "shares": Column("Target allocation to each", "share", count=MOST_MARKETS + 1),
    }
    without: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "lenders_leave": {"attention": 0.0},
        "fear_spreads": {"news": 0.0, "need": 0.0, "alone": 1.0},
    }
    decide = staticmethod(decide)

    @classmethod
    def check(cls, settings: AgentSettings) -> list[Problem]:
        """Whether the markets are different ones, and not too many."""
        return check_several(settings.targets.lending)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """Token, markets and reserves."""
        names, token = settings.targets.lending, settings.targets.token
        there = list(scenario.lending)
        return [
            token_number(scenario, token),
            *(there.index(name) for name in names),
            *(reserve_number(scenario, name, token) for name in names),
        ]

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Deposit.

        Raises:
            ScenarioError: If a lending market does not take the deposits.
        """
        super().begin(market, cohort)
        targets = cohort.settings.targets
        cohort.remembered["keeps"] = kept(cohort, "memory")
        cohort.remembered["feels"] = kept(cohort, "loss_memory")
        token = int(cohort.places[TOKEN])
        n = len(targets.lending)
        purses = cohort.column("purse")
        market.ledger.endow(cohort.first, token, purses)
        settings = [market.setup.lending[name] for name in targets.lending]
        cohort.remembered["overlap"][:] = overlaps(settings).ravel()
        w = market.world
        each = purses * (1.0 - cohort.column("kept")) / n
        for k, m in enumerate(cohort.places[MARKETS : MARKETS + n]):
            for account, amount in zip(cohort.accounts(), each, strict=True):
                if amount <= 0.0:
                    continue
                begin(w.books)
                reason, _ = lending.deposit(
                    w.books, w.markets[m], w.reserves, int(account), token, float(amount)
                )
                if reason != Reason.DONE:
                    name, what = targets.lending[k], Reason(reason).name.lower()
                    text = f"{amount:.6g} {targets.token} cannot be deposited in {name} ({what}); "
                    text += f"lower it, or raise lending.{name}.reserves.{targets.token}.supply_cap"
                    raise ScenarioError([(f"agents.{cohort.name}.purse", text)])
        look_by_size(cohort, purses)


def check_several(names: Sequence[str]) -> list[Problem]:
    """Whether named lending markets are different ones, and no more than are known."""
    if len(set(names)) < len(names):
        return [("lending", "names a market twice; take one out")]
    if len(names) > MOST_MARKETS:
        return [("lending", f"names {len(names)} markets; {MOST_MARKETS} at most")]
    return []


def overlaps(markets: Sequence[LendingSettings]) -> npt.NDArray[np.float64]:
    """What markets take as collateral in common over all that either takes (Jaccard).

    Returns:
        float64[MOST_MARKETS, MOST_MARKETS], zero where there is no market.
    """
    taken = [
        {token for token, r in market.reserves.items() if r.collateral and r.threshold > 0.0}
        for market in markets
    ]
    found = np.zeros((MOST_MARKETS, MOST_MARKETS))
    for j, one in enumerate(taken):
        for k, other in enumerate(taken):
            found[j, k] = len(one & other) / max(len(one | other), 1)
    return found
