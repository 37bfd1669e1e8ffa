"""Depositors: they stay while waiting pays, and leave while leaving still does.

Each expects a share of what is promised to be asked for, f: of what it has heard (news, which wears
off), of its neighbours on a social graph who have left, of what has left lately that all can see,
and of noise of its own, as private signals are (Goldstein, Pauzner 2005)::

    f = max(heard 2^(-age / half-life), contagion (neighbours gone), public (left lately)) + noise e

By the books of who holds its money it reckons what a unit gets that stays if so many leave
(`protocols.custodian.waiting`: Diamond, Dybvig 1983), less what being stuck costs where not all of
them can be paid. It leaves if that is less than what leaving gives now, by more than it tolerates.
So there is a threshold of each, which moves with the books as others leave: a cascade on a graph
(Watts 2002) whose thresholds follow from liquidity. With all of it liquid none of them is reached.

In a lending market, or where the custodian lends, a share above 1 - U cannot be paid at once. Large
depositors look more often (Liu, Makarov, Schoar 2023). Who has left comes back when it expects next
to nobody to leave, and all could be paid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from agents.base import Behaviour, Column
from agents.intents import Order, ask, deposit, withdraw
from agents.lender import MEMORY, kept, look_by_size, reserve_number
from agents.sentiment_trader import MOST_FRIENDS, graph_of
from agents.targets import Graph, LendingName, Targets, Token
from agents.tools import BUMP, going_bid, rebid, refuel
from protocols import custodian, lending, savings
from protocols.interface import action_of, read, record_at, record_of
from sim.clock import look, lookers
from sim.codes import ALL, Kind, Reason
from sim.compiled import inner, kernel
from sim.errors import Problem, ScenarioError
from sim.fields import Names
from sim.ledger import begin
from sim.randomness import agent_normal, agent_uniform, generator

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market
    from sim.scenario import AgentSettings, Scenario

WHERE, NUMBER, ASSET, CLAIM, RESERVE, GRAPH = range(6)
"""Places: what holds their money, its number, the asset, what they hold of it, its reserve; then
where each agent's neighbours begin, and the neighbours."""
CUSTODIAN, MARKET, SAVINGS = range(3)
RECORD, VAULT = record_of(custodian.Custodian), record_of(savings.Savings)
ENTER = action_of(custodian.Custodian, "enter"), action_of(savings.Savings, "enter")
LEAVE = action_of(custodian.Custodian, "leave"), action_of(savings.Savings, "leave")
"""Of a custodian, and of a savings vault."""
GONE = 0.5
"""Of its deposit: who holds less has left, as others see it."""


@kernel
def expected(heard, age, half_life, contagion, around, public, flight, noise):
    """Share of what is promised that a depositor expects to be asked for, in [0, 1].

    Args:
        heard: What it has heard, share.
        age: Blocks since then.
        half_life: Of news, blocks.
        contagion: Weight of neighbours.
        around: Share of the neighbours who have left.
        public: Weight of what all can see.
        flight: Share that has left lately.
        noise: Its own error, share.
    """
    believed = heard * math.exp(-math.log(2.0) * age / half_life) if heard > 0.0 else 0.0
    believed = max(believed, contagion * around, public * flight)
    return min(max(believed + noise, 0.0), 1.0)


@inner
def if_staying(w, me, leaving, stuck):
    """What a unit promised is worth to who stays, if a share of all leaves now."""
    number = me.places[NUMBER]
    if me.places[WHERE] == CUSTODIAN:
        them = record_at(w.protocols[number].record, RECORD)
        worth = custodian.if_staying(w, them, leaving)
        owed = custodian.liabilities(w, them)
        there = custodian.withdrawable(w, them)
    elif me.places[WHERE] == SAVINGS:
        vault = record_at(w.protocols[number].record, VAULT)
        worth, owed, there = 1.0, read(w, vault.pooled), savings.withdrawable(w, vault)
    else:
        worth = 1.0
        owed, _, there = lending.totals(w.books, w.markets[number], w.reserves[me.places[RESERVE]])
    if leaving * owed > there:
        worth *= 1.0 - stuck
    return worth


@inner
def payable(w, me):
    """What could be paid out now, token units of the asset."""
    number = me.places[NUMBER]
    if me.places[WHERE] == CUSTODIAN:
        return custodian.withdrawable(w, record_at(w.protocols[number].record, RECORD))
    if me.places[WHERE] == SAVINGS:
        return savings.withdrawable(w, record_at(w.protocols[number].record, VAULT))
    return lending.cash_of(w.books, w.reserves[me.places[RESERVE]])


@inner
def unit(w, me):
    """What a unit of what they hold promises, token units of the asset."""
    number = me.places[NUMBER]
    if me.places[WHERE] == CUSTODIAN:
        return read(w, record_at(w.protocols[number].record, RECORD).promised)
    if me.places[WHERE] == SAVINGS:
        return read(w, record_at(w.protocols[number].record, VAULT).rate)
    return w.books.storage[w.reserves[me.places[RESERVE]].slot + lending.SUPPLY_INDEX]


@inner
def takes(w, me):
    """Whether it takes deposits now."""
    number = me.places[NUMBER]
    if me.places[WHERE] == CUSTODIAN:
        them = record_at(w.protocols[number].record, RECORD)
        closed = read(w, them.shut) + read(w, them.suspended) + read(w, them.failed)
        return closed == 0.0
    return True


@inner
def _around(w, me, i):
    """Share of an agent's neighbours who have left."""
    first = GRAPH + me.size + 1
    low, high = me.places[GRAPH + i], me.places[GRAPH + i + 1]
    gone = 0
    for k in range(low, high):
        j = me.places[first + k]
        held = w.books.balances[me.first + j, me.places[CLAIM]]
        if held < GONE * me.rows[j].units:
            gone += 1
    return gone / (high - low) if high > low else 0.0


@inner
def _remember(w, me):
    """See what share of all claims has left in the last block."""
    ours = me.memory
    there = w.books.supply[me.places[CLAIM]]
    left = max(ours.claims - there, 0.0) / ours.claims if ours.claims > 0.0 else 0.0
    ours.flight = min(ours.flight * ours.keeps + left, 1.0)
    ours.claims = there


@inner
def _go(w, me, my, account, units, each, bid):
    """Take out all, or what there is. Returns whether something was sent."""
    order = Order(account, me.ident, bid, int(my.patience))
    there = payable(w, me)
    amount = ALL
    if units * each > there:
        amount = 0.999 * there
        if amount < 0.01 * units * each:
            return False
    number, asset, claim = me.places[NUMBER], me.places[ASSET], me.places[CLAIM]
    if me.places[WHERE] != MARKET:
        sold = ALL if amount == ALL else amount / each
        action = LEAVE[0] if me.places[WHERE] == CUSTODIAN else LEAVE[1]
        return ask(w, order, number, action, claim, asset, sold, 0.0)
    return withdraw(w, order, number, asset, amount)


@inner
def _come(w, me, my, account, bid):
    """Pay in again what it had. Returns whether something was sent."""
    order = Order(account, me.ident, bid, int(my.patience))
    number, asset, claim = me.places[NUMBER], me.places[ASSET], me.places[CLAIM]
    amount = min(my.deposit, 0.99 * w.books.balances[account, asset])
    if not amount > GONE * my.deposit:
        return False
    if me.places[WHERE] != MARKET:
        action = ENTER[0] if me.places[WHERE] == CUSTODIAN else ENTER[1]
        return ask(w, order, number, action, asset, claim, amount, 0.0)
    return deposit(w, order, number, asset, amount)


@inner
def decide(w, me):
    """Stay, leave or come back, by what waiting is expected to give."""
    rebid(w, me)
    _remember(w, me)
    chain, ours = w.chain[0], me.memory
    gas = w.rules[0].gas_cost[Kind.WITHDRAW]
    each = unit(w, me)
    for n in range(lookers(w, me)):
        i = me.actors[n]
        my = me.rows[i]
        if chain.block < my.busy or look(me, i, 0) >= my.attention:
            continue
        account = me.first + i
        units = w.books.balances[account, me.places[CLAIM]]
        error = my.noise * agent_normal(me.key, i, 1) if my.noise > 0.0 else 0.0
        age = chain.block - my.heard_at
        around = _around(w, me, i) if my.contagion > 0.0 else 0.0
        leaving = expected(
            my.heard, age, my.half_life, my.contagion, around, my.public, ours.flight, error
        )
        stays = if_staying(w, me, leaving, my.stuck)
        draw = agent_uniform(me.key, i, 3)
        sent = False
        if units > 0.01 * my.units:
            if draw < my.needs or stays < 1.0 - my.tolerance:
                if refuel(w, account, me.ident, gas):
                    hurry = my.bid * (1.0 + leaving)
                    sent = _go(w, me, my, account, units, each, going_bid(w, account, gas, hurry))
        elif leaving < my.calm and stays >= 1.0 and draw < my.returns and takes(w, me):
            if refuel(w, account, me.ident, gas):
                bid = going_bid(w, account, gas, my.bid)
                sent = _come(w, me, my, account, bid)
        if sent:
            my.busy = chain.block + int(my.patience)


class DepositorTargets(Graph, Targets):
    """The holder of their deposits, and the social graph."""

    custodian: Annotated[str | None, Names("protocols:custodian")] = Field(
        None,
        description="Custodian that holds their deposits; alternatively a savings vault or a "
        "lending market.",
    )
    savings: Annotated[str | None, Names("protocols:savings")] = Field(
        None, description="Savings vault that holds their deposits."
    )
    lending: LendingName | None = Field(
        None, description="Lending market that holds their deposits."
    )
    debt: Token | None = Field(None, description="Token deposited in that lending market.")


class Depositor(Behaviour):
    """Keeps a demand deposit, and withdraws when staying no longer pays."""

    columns: ClassVar[Mapping[str, Column]] = {
        "deposit": Column("Initial deposit", "token units", 10_000.0, 0.0),
        "contagion": Column(
            "Share expected to leave, per share of its neighbours who have left", "times", 1.0, 0.0
        ),
        "public": Column(
            "Share expected to leave, per share that has left recently", "times", 1.0, 0.0
        ),
        "memory": MEMORY,
        "noise": Column(
            "Standard deviation of its error about that share", "share", 0.05, 0.0, 1.0
        ),
        "half_life": Column("Half-life of news", "blocks", 1_800.0, 1.0),
        "stuck": Column("Cost of waiting where not everyone can be paid", "share", 0.05, 0.0, 1.0),
        "tolerance": Column("Loss from waiting that it tolerates", "share", 0.005, 0.0, 1.0),
        "needs": Column("Chance of needing the money when it checks", "share", 0.0, 0.0, 1.0),
        "calm": Column("Share expected to leave below which it may return", "share", 0.02, 0.0),
        "returns": Column("Chance of returning then, when it checks", "share", 0.02, 0.0, 1.0),
        "attention": Column("Chance per block that it checks the market", "share", 0.01, 0.0, 1.0),
        "size_attention": Column(
            "Elasticity of attention with respect to size", "elasticity", 0.3, 0.0
        ),
        "patience": Column("Time until a pending order expires", "blocks", 25.0, 1.0, 10_000.0),
        "bid": Column("Gas bid, relative to the going price", "multiple", 1.2, 0.0),
        "bump": BUMP,
        "units": Column("Size of its deposit in the claim that it holds", "units", 0.0, state=True),
        "heard": Column("Share that will leave, according to news", "share", 0.0, state=True),
        "heard_at": Column("Block of that news", "block", 0.0, state=True),
        "busy": Column("Block until which it waits for an order", "block", 0.0, state=True),
    }
    targets: ClassVar[type[Targets]] = DepositorTargets
    remembers: ClassVar[Mapping[str, Column]] = {
        "claims": Column("Claims outstanding in the last block", "units"),
        "flight": Column("Share of them that left recently, decaying", "share"),
        "keeps": Column("Part of it that is left after a block", "share"),
    }
    hears: ClassVar[str] = "heard"
    without: ClassVar[Mapping[str, Mapping[str, float]]] = {"lenders_leave": {"attention": 0.0}}
    decide = staticmethod(decide)

    @classmethod
    def check(cls, settings: AgentSettings) -> list[Problem]:
        """Whether one holds their money, and the graph can be drawn."""
        t = settings.targets
        found: list[Problem] = []
        if sum(place is not None for place in (t.custodian, t.savings, t.lending)) != 1:
            text = "give one of custodian, savings, and a lending market with debt"
            found.append(("custodian", text))
        elif (t.lending is None) != (t.debt is None):
            found.append(("debt", "give the token that they lend, with a lending market alone"))
        if t.network != "none" and settings.count * t.neighbours > MOST_FRIENDS:
            text = f"of {settings.count:,} agents make a graph of more than {MOST_FRIENDS:,} edges"
            found.append(("neighbours", f"{t.neighbours:,} {text}; give fewer"))
        return found

    @classmethod
    def places_size(cls, scenario: Scenario, settings: AgentSettings) -> int:
        """What holds their money, and both directions of every edge."""
        graph = graph_of(settings.targets.network, settings.count, settings.targets.neighbours, 0)
        return GRAPH + settings.count + 1 + 2 * graph.number_of_edges()

    @classmethod
    def begin(cls, market: Market, cohort: CohortTable) -> None:
        """Draw the graph, and deposit.

        Raises:
            ScenarioError: If the lending market does not take the deposits.
        """
        t = cohort.settings.targets
        seed = int(generator(market.seed_number, f"{cohort.name}:graph").integers(2**31))
        graph = graph_of(t.network, len(cohort), t.neighbours, seed)
        begins, neighbours = [0], []
        for i in range(len(cohort)):
            neighbours += sorted(int(j) for j in graph.neighbors(i))
            begins.append(len(neighbours))
        deposits = cohort.column("deposit")
        if t.custodian is not None:
            head = _to_custodian(market, cohort, t.custodian)
        elif t.savings is not None:
            head = _to_vault(market, cohort, t.savings)
        else:
            head = _to_market(market, cohort, t.lending, t.debt)
        cohort.places[:] = np.array([*head, *begins, *neighbours], np.int64)
        cohort.remembered["keeps"] = kept(cohort, "memory")
        ledger = market.ledger
        cohort.column("units")[:] = ledger.balances[cohort.accounts(), head[CLAIM]]
        look_by_size(cohort, deposits)
        if cohort.column("bump").any():
            market.prepare()


def _to_custodian(market: Market, cohort: CohortTable, name: str) -> list[int]:
    """Let them hold deposits of a custodian from the start, which puts assets behind them."""
    keeper = market.protocols[name]
    claim = market.ledger.token(keeper.token("deposit"))
    units = cohort.column("deposit") / keeper.settings.promise
    market.ledger.endow(cohort.first, claim, units)
    asset = market.ledger.token(keeper.token("asset"))
    return [CUSTODIAN, list(market.setup.protocols).index(name), asset, claim, -1]


def _to_vault(market: Market, cohort: CohortTable, name: str) -> list[int]:
    """Let them hold shares of a savings vault from the start, which puts assets behind them."""
    vault = market.protocols[name]
    share, asset = (market.ledger.token(vault.token(each)) for each in ("share", "asset"))
    market.ledger.endow(cohort.first, share, cohort.column("deposit"))
    return [SAVINGS, list(market.setup.protocols).index(name), asset, share, -1]


def _to_market(market: Market, cohort: CohortTable, name: str, token: str) -> list[int]:
    """Deposit in a lending market.

    Raises:
        ScenarioError: If it does not take a deposit.
    """
    w, ledger = market.world, market.ledger
    m, r = list(market.setup.lending).index(name), reserve_number(market.setup, name, token)
    column, deposits = ledger.token(token), cohort.column("deposit")
    ledger.endow(cohort.first, column, deposits)
    for account, amount in zip(cohort.accounts(), deposits, strict=True):
        if amount > 0.0:
            begin(w.books)
            reason, _ = lending.deposit(
                w.books, w.markets[m], w.reserves, int(account), column, float(amount)
            )
            if reason != Reason.DONE:
                why = Reason(reason).name.lower().replace("_", " ")
                text = (
                    f"{amount:.6g} {token} cannot be deposited: {why}; lower it, or raise the cap"
                )
                raise ScenarioError([(f"agents.{cohort.name}.deposit", text)])
    return [MARKET, m, column, int(w.reserves[r]["receipt"]), r]
