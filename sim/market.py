"""The market: a Mesa model in which a step is a block."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mesa
import networkx as nx
import numpy as np
import pandas as pd
from numba import typeof

from sim import balance_sheets, block, build, declared, kernel, registry
from sim.codes import PREVIOUS, Kind, Reason
from sim.cohort import CohortTable
from sim.collection import collecting_rarely
from sim.collector import BlockCollector
from sim.compiled import FirstStart, address_of, on_compilation
from sim.errors import ScenarioError
from sim.exposure import exposure_network
from sim.handles import Handle
from sim.joined import JoinedGroup, group_of
from sim.ledger import Ledger, LedgerError, undo
from sim.loss_book import LossBook
from sim.measures import (
    add_claims,
    catalogue,
    chosen,
    matching,
    records,
    sum_claims,
    sum_classes,
    value_tokens,
    worth_of,
)
from sim.mechanisms import cut_in_cohorts
from sim.named import Named, html_table
from sim.names import VENUE
from sim.parts import Default, parts, wider
from sim.randomness import generator
from sim.receipts import ReceiptBook
from sim.scenario import Scenario, checked_seed
from sim.shocks import Shocks
from sim.tasks import address_tasks
from sim.venue import Venue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.base import MarketAgent
    from protocols.custom import CustomProtocol
    from protocols.lending import LendingMarket
    from protocols.oracle import Oracle
    from protocols.pool import Pool
    from protocols.routing import Plan

CHUNK = 512
"""Blocks that the compiled loop makes before Python looks up."""
_CELLS_A_BLOCK = 32_768
"""Cells of the ledger that the automatic audit sums per block, on average."""


class Market(mesa.Model):
    """A market: interconnected protocols, their agents and the outside venue.

    Attributes:
        setup: The scenario, fully resolved.
        seed_number: The seed of every stream of draws.
        ledger: Balances of all accounts.
        protocols: The handle of every protocol (`sim.handles.Handle`): of each section of the
            scenario, those that joined the open market, and the venue outside. Keys are names
            of nodes of the exposure network: a protocol's own name, which is its account's
            and so no other's; ``oracle:NAME`` of an oracle, which has no account and may be
            called like anything else.
        venue: The outside venue.
        pools: A view of `protocols`: pools by name.
        lending: Likewise what lends.
        oracles: Likewise oracles, by their own names, without ``oracle:``.
        declared: Likewise those that declare themselves, in the scenario's order.
        custom: Likewise those that joined the open market, in their order.
        cohorts: Groups of agents by name, their numbers in tables.
        joined: Groups of agents that joined by themselves, by name: that of their class.
        datacollector: One row of measures per collected block.
    """

    protocols: dict[str, Any]  # handles, with methods of their own
    pools: dict[str, Pool]
    lending: dict[str, LendingMarket]
    oracles: dict[str, Oracle]
    declared: list[Any]

    @collecting_rarely()
    def __init__(
        self,
        setup: Scenario | str | Path | Mapping[str, Any] = "calm",
        rng: int | None = None,
        reporters: Mapping[str, Any] | None = None,
        agent_reporters: Mapping[str, Any] | None = None,
        agenttype_reporters: Mapping[type, Mapping[str, Any]] | None = None,
        tables: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Open a market.

        Args:
            setup: A scenario, its name, a path to its file, or its content.
            rng: Seed; default: the scenario's.
            reporters: Further measures, by name: functions of the market, names of its
                attributes, or ``[function, [arguments]]``, as Mesa's ``model_reporters``.
            agent_reporters: What is collected of each agent, as Mesa's of the same name. They
                ask every agent at each collected block, which takes Python's time.
            agenttype_reporters: The same by class of agents.
            tables: Columns of tables that a script fills, by name, as Mesa's.

        Raises:
            ScenarioError: If the scenario cannot be run; it names the fields.
            AttributeError: If a reporter names an attribute that is not there.
        """
        setup = _scenario(setup)
        self.seed_number = setup.rng if rng is None else checked_seed(rng)
        super().__init__(rng=self.seed_number)
        self.setup = setup
        self._parts = parts()
        layout = build.Layout(setup)
        self.ledger = Ledger(
            layout.accounts,
            layout.tokens,
            layout.issuers,
            slots=build.slots(setup),
            tolerance=setup.audit.tolerance,
            apart=VENUE,
            rights=layout.rights,
        )
        self.world = build.build_world(setup, self.ledger, layout, self.seed_number)
        self.special_accounts = list(layout.special)
        self.custom: list[CustomProtocol] = []
        self._hold_protocols()
        build.fund(setup, self.ledger, self.world)
        declared.address_values(self.world, self.declared)
        declared.start_all(self.declared)
        for part in self._parts:
            part.first_prices(self.world)
        value_tokens(self.world)
        for part in self._parts:
            part.valued(self.world)
        self.cohorts = self._gather_cohorts()
        self.joined: dict[str, JoinedGroup] = Named("joined groups")
        self._losses = LossBook(self)
        self._plain: list[MarketAgent] = []
        self._begin()
        self.receipt_book = ReceiptBook(self)
        self.measures = chosen(catalogue(self, setup.measures.trade_size), setup.measures.keep)
        plain = self._plain_measures(setup.measures.keep) | dict(reporters or {})
        self._collector = BlockCollector(
            self, self.measures, plain, agent_reporters, agenttype_reporters, tables
        )
        self._resize_table()
        self.shocks = Shocks(self)
        self._audit_every = setup.audit.every or max(
            1, math.ceil(self.ledger.balances.size / _CELLS_A_BLOCK)
        )

    def __repr__(self) -> str:
        return (
            f"<Market {self.setup.title!r}: block {self.block} of {self.setup.blocks}, "
            f"{len(self.agents)} agents, {len(self.protocols)} protocols>"
        )

    def _repr_html_(self) -> str:
        """What there is, as a table for notebooks."""
        agents = [f"{len(c):,} {name} ({c.behaviour.__name__})" for name, c in self.cohorts.items()]
        agents += [f"{len(group):,} {name}" for name, group in self.joined.items()]
        rows = [
            ("block", f"{self.block:,} of {self.setup.blocks:,}"),
            ("time", f"{self.setup.time_of(self.block):%Y-%m-%d %H:%M:%S} UTC"),
            ("seed", str(self.seed_number)),
            ("numeraire", self.numeraire),
            ("agents", ", ".join(agents)),
            ("protocols", ", ".join(self.protocols)),
        ]
        return html_table(self.setup.title, rows)

    # What there is

    @property
    def datacollector(self) -> BlockCollector:
        """Mesa's data collector: a row of measures per collected block."""
        return self._collector

    @datacollector.setter
    def datacollector(self, collector: BlockCollector) -> None:
        if not isinstance(collector, BlockCollector):
            raise TypeError(
                "a market collects by its own DataCollector, whose rows the compiled loop writes; "
                "give Market(reporters=..., agent_reporters=..., tables=...) what yours would ask"
            )
        self._collector = collector

    @property
    def results(self) -> Any:
        """Results so far, as a `runs.results.Results`: frame, units, plots, files."""
        return registry.results_of(self)

    @property
    def block(self) -> int:
        """Number of the last completed block; 0 before the first."""
        return int(self.world.chain[0]["block"])

    @property
    def numeraire(self) -> str:
        """Token in which all values are expressed."""
        return self.setup.venue.numeraire

    def price(self, token: str) -> float:
        """Price of a token at the venue, numeraire per unit (negative for a debt)."""
        value_tokens(self.world)
        return float(self.world.values[self.ledger.token(token)])

    def wealth(self, account: str | int) -> float:
        """Net worth of an account (holdings less debts), in the numeraire."""
        value_tokens(self.world)
        self._note_claims()
        row = self.ledger.account(account)
        holdings = self.ledger.balances[row].copy()
        add_claims(self.world, row, holdings)
        return float(worth_of(holdings, self.world.values))

    def receipts(self) -> pd.DataFrame:
        """All receipts so far, one row per call, in order of execution."""
        return self.receipt_book.frame()

    def exposure(self, by: str = "group", channels: Iterable[str] | None = None) -> nx.MultiDiGraph:
        """Exposure network read off the ledger, with an edge for each channel.

        Args:
            by: "group", or "account" for a node for each agent.
            channels: Of claim, debt, price, source, common and those that protocols
                declare, the ones to keep; default: all.

        Returns:
            Edges with their channel as key and their weight in the numeraire, nodes with
            their balance sheets; `sim.exposure.exposure_network` says what each means.

        Raises:
            ValueError: If `by` or a channel is unknown.
        """
        return exposure_network(self, by, channels)

    def balance_sheets(self, by: str = "group") -> pd.DataFrame:
        """Balance sheets of all entities at market prices, in the numeraire.

        Args:
            by: "group", or "account" for a row for each agent.

        Returns:
            entity, kind, assets, liabilities and equity, their difference: what the nodes of
            `exposure` have, and of those too that nothing joins. The equities sum to the value
            of all base tokens, since every claim is one's asset and another's liability.

        Raises:
            ValueError: If `by` is neither.
        """
        return balance_sheets.balance_sheets(self, by)

    def losses(self, by: str = "group") -> pd.DataFrame:
        """Gain or loss of each entity against holding its initial balance, split by cause.

        The parts are known where a scenario keeps the account (``measures.losses = true``) and
        sum to the total; `sim.losses` says what each is. Without it the totals alone are told, of
        groups and special accounts, and the parts are NaN.

        Args:
            by: "group", or "account" for a row for each agent.

        Returns:
            A row for each entity of `balance_sheets`: entity, kind, result_against_holding (wealth
            now, claims that nothing covers written down, less what the balance at the start would
            be worth now), revaluation, price_impact, fees, gas, bad_debt, run, other; numeraire,
            losses negative. By account: entity, kind, group, began (what its balance was worth at
            the start), start (what that would be worth now) and result_against_holding.

        Raises:
            ValueError: If `by` is neither, or "account" where the account is not kept.
        """
        if by not in (balance_sheets.GROUP, balance_sheets.ACCOUNT):
            raise ValueError(f"by must be 'group' or 'account', not {by!r}")
        return self._losses.frame() if by == balance_sheets.GROUP else self._losses.by_account()

    def defaults(self) -> pd.DataFrame:
        """Accounts that defaulted since the start: their debts exceeded their collateral.

        Lending markets close such accounts where a scenario says ``default = "close"``.

        Returns:
            A row for each time that an account was closed, in order: block, protocol (its
            creditor), entity (its account) and group; equity (what secured the debts less the
            debts), owed, recovered, and who lost the rest, treasury and depositors; amounts in
            the numeraire, at the market's prices before the close.
        """
        rows = [row for part in self._parts for row in part.defaults(self)]
        rows.sort(key=lambda row: row.block)
        frame = pd.DataFrame(rows, columns=Default._fields)
        groups = {n: name for name, g in self.joined.items() for n in g.members}
        for name, cohort in self.cohorts.items():
            groups |= dict.fromkeys(cohort.accounts(), name)
        found = [groups.get(self.ledger.account(name), "") for name in frame["entity"]]
        frame.insert(3, "group", found)
        return frame

    def route(self, token_in: str, token_out: str, amount: float, gas_price: float = 0.0) -> Plan:
        """The best split of an amount over routes through all pools, at current prices.

        Args:
            token_in: Name.
            token_out: Name.
            amount: Token units.
            gas_price: Gwei per gas; a route must gain more than its swaps cost.

        Raises:
            ValueError: If the amount is not positive and finite, or the tokens are the same.
        """
        rules = self.world.rules[0]
        gas = float(rules["gas_cost"][Kind.SWAP]) * gas_price * 1e-9
        gas *= self.price(self.ledger.tokens[int(rules["gas_token"])])
        price = self.price(token_out)
        # What is worth nothing pays for no gas.
        cost = gas / price if price > 0.0 else math.inf if gas > 0.0 else 0.0
        found: Plan = registry.planner()(self, token_in, token_out, amount, cost)
        return found

    # What happens in a block

    def step(self) -> None:
        """Run one block."""
        self.shocks.strike(self.block + 1)
        self._losses.sync()
        kernel.move_outside_prices(self.world)
        kernel.read(self.world)
        self._let_agents_decide()
        self._execute()
        kernel.close(self.world)
        self._note_claims()
        kernel.take_measures(self.world)
        self._audit()
        self._empty_buffers()

    def _let_agents_decide(self) -> None:
        self._had_its_turn()
        kernel.let_agents_decide(self.world)
        for agent in list(self._plain):
            agent.step()

    def _execute(self) -> None:
        block.open_block(self.world)
        place = block.execute(self.world, 0, 0.0)
        self._go_on(place)

    def _go_on(self, place: int) -> None:
        """Carry out the calls of plain protocols, from the one that the block waits for on."""
        while place >= 0:
            reason, out = self._call_plain(place) if not self._now_compiled(place) else _READY
            place = block.execute(self.world, int(reason), out)
        block.close_block(self.world)
        self._let_plain_protocols()

    def prepare(self) -> None:
        """Compile the kernels of all kinds of calls now, so that no block waits for them.

        Without it a kind is compiled when somebody first sends a call of it.
        """
        for kind in registry.calls():
            self._compile_call(kind)

    def _now_compiled(self, place: int) -> bool:
        """Compile what carries out a call, where nobody has made one of its kind before."""
        return self._compile_call(int(self.world.mempool[place]["kind"]))

    def _compile_call(self, kind: int) -> bool:
        carries_out = registry.calls().get(kind)
        if self.world.calls[kind] != 0 or carries_out is None:
            return False
        self.world.calls[kind] = address_of(carries_out, (typeof(self.world),))
        return True

    def _let_plain_protocols(self) -> None:
        """What protocols in plain Python do between blocks."""
        if self.world.rules[0]["plain_between"]:
            for protocol in self.declared:
                protocol.after_block()
            self._note_claims()
            self._losses.sync()

    def _note_claims(self) -> None:
        """Have kernels know what is claimed of protocols that tell it in plain Python."""
        if self._claimants:
            declared.note_claims(self, self._claimants)

    def _audit(self) -> None:
        if self.block % self._audit_every == 0:
            self._raise_if(kernel.audit(self.world, self.ledger.tolerance))

    def run(self, blocks: int | None = None, progress: bool = False) -> Market:
        """Run the market for the given number of blocks, or to the end of the scenario.

        Where every agent and protocol is compiled, all phases run in one compiled
        loop; the results are the same to the bit.

        Args:
            blocks: How many; default: up to the scenario's.
            progress: Show a progress bar on standard error.

        Returns:
            The market itself.

        Raises:
            LedgerError: If an audit finds a leak.
            ValueError: If `blocks` is negative.
        """
        if blocks is None:
            blocks = max(self.setup.blocks - self.block, 0)
        if blocks < 0:
            raise ValueError(f"blocks must be >= 0, not {blocks}")
        last = self.block + blocks
        with _bar(progress, blocks, self.setup.title) as advanced:
            while self.block < last:
                before = self.block
                self._make_blocks(min(last - self.block, CHUNK))
                advanced(self.block - before)
        self._raise_if(kernel.audit(self.world, self.ledger.tolerance))
        return self

    def close(self) -> None:
        """Release all agents, so that the memory of a finished run is freed at once.

        A market that nobody holds is freed without it, unless it has agents that are no
        `agents.MarketAgent`: Mesa 3.3 keeps every model of those in a table of its own.
        """
        numbers = getattr(mesa.Agent, "_ids", None)
        if numbers is not None:
            numbers.pop(self, None)
        self._plain.clear()

    def _make_blocks(self, most: int) -> None:
        """Make some blocks: in the compiled loop where nothing needs Python, else one by one."""
        plain = self._plain or self._claimants or self.datacollector.asks
        if plain or self._mesa_events():
            for _ in range(most):
                self.step()
            return
        self.shocks.strike(self.block + 1)
        self._losses.sync()
        most = min(most, self.shocks.blocks_until_next(self.block))
        done, executed = 0, False
        self._had_its_turn()
        while done < most:
            how = self._audit_every, self.ledger.tolerance, executed
            made, verdict = kernel.advance(self.world, most - done, *how)
            done += made
            self._count_steps(made)
            executed = verdict == kernel.WAITING
            if not executed:
                break
            chain = self.world.chain[0]
            if chain["stopped"] >= 0:
                self._go_on(int(chain["stopped"]))
            else:
                self._let_plain_protocols()
            chain["stopped"] = -1
        self._raise_if(verdict)
        self._empty_buffers()

    def _had_its_turn(self) -> None:
        """Python may have written agents' numbers, where it has a view of them (`sim.clock`)."""
        self.world.cohorts["stale"] |= self.world.cohorts["shown"]

    def _raise_if(self, verdict: int) -> None:
        for protocol in self.declared:
            protocol.audit(self.ledger.tolerance)
        if verdict == kernel.FINE:
            return
        self.ledger.audit()
        for protocol in self.protocols.values():
            if hasattr(protocol, "audit"):
                protocol.audit(self.ledger.tolerance)
        raise LedgerError(f"block {self.block} failed its audit")  # pragma: no cover

    def _empty_buffers(self) -> None:
        self.datacollector.take(self.world)
        self.receipt_book.take(self.world)
        self.running = self.block < self.setup.blocks  # which ends Mesa's own runs

    def _count_steps(self, made: int) -> None:
        """Tell Mesa of steps that the compiled loop made."""
        self.steps += made
        schedule = getattr(self, "_default_schedule", None)
        if schedule is not None and made:  # Mesa 3.5 keeps a clock of its own
            self._move_clock(schedule, made)

    def _move_clock(self, schedule: Any, made: int) -> None:
        """Move Mesa 3.5's clock on, and its schedule of steps with it."""
        from mesa.time import Schedule

        schedule.stop()
        self.time += float(made)
        fresh = type(schedule)(
            self, self._do_step, Schedule(interval=1.0, start=self.time + 1.0), schedule.priority
        )
        self._default_schedule = fresh.start()

    def _mesa_events(self) -> bool:
        """Whether somebody has scheduled events of Mesa's between blocks."""
        events = getattr(self, "_event_list", None)
        return events is not None and len(events) > 1

    # Making it

    def _hold_protocols(self) -> None:
        """Make the handles of all protocols: one table, and the parts' views of it."""
        w, s = self.world, self.setup
        self.protocols = Named("protocols")
        self.venue = Venue(
            self.ledger, w.assets, self.ledger.account(VENUE), int(w.rules[0]["numeraire"])
        )
        for part, slot in build.first_slots(s).items():
            for view, handles in part.handles(self, slot).items():
                named = isinstance(handles, Mapping)
                setattr(self, view, Named(view, handles) if named else handles)
                for handle in handles.values() if isinstance(handles, Mapping) else handles:
                    if isinstance(handle, Handle):
                        self.protocols[handle.node] = handle
        self.protocols[self.venue.node] = self.venue
        self._claimants = declared.claimants(self)

    def sale(self, name: str, token: str) -> tuple[Kind, int, str]:
        """How to sell a token at the venue or a protocol.

        Args:
            name: Of either.
            token: What is sold, by name.

        Returns:
            Kind of the call, number of the protocol, and name of the token that it gives.

        Raises:
            ValueError: If nothing of that name buys anything.
        """
        if name == VENUE:
            return Kind.VENUE, 0, self.numeraire
        for part in self._parts:
            if found := part.sale(self, name, token):
                return found
        raise ValueError(f"{name!r} buys nothing; name the venue or a pool")

    def _plain_measures(self, patterns: Sequence[str]) -> dict[str, Callable[[Any], float]]:
        """Measures that protocols declare in plain Python, as far as they are kept."""
        found: dict[str, Callable[[Any], float]] = {}
        for protocol in self.declared:
            found |= protocol.reporters()
        return {name: found[name] for name in matching(found, patterns)}

    def _gather_cohorts(self) -> dict[str, CohortTable]:
        w = self.world
        cohorts: Named[CohortTable] = Named("cohorts")
        for c, (name, settings) in enumerate(self.setup.agents.items()):
            behaviour: Any = registry.behaviour(settings.kind)
            r = w.cohorts[c]
            size, columns, start = (int(r[n]) for n in ("size", "columns", "cells"))
            cells = w.cells[start : start + size * columns].reshape(size, columns)
            cells[:] = build.draw_columns(
                behaviour.columns, settings.columns, size, self.seed_number, name
            )
            memory = w.memory[int(r["memory"]) :][: int(r["memory_size"])]
            places = w.places[int(r["places"]) :][: int(r["places_size"])]
            memory[:] = build.first_memory(behaviour.remembers)
            record = w.cohorts[c : c + 1]
            cohorts[name] = CohortTable(name, behaviour, settings, record, cells, memory, places)
            for token, distribution in settings.wallet.items():
                rng = generator(self.seed_number, f"{name}:wallet:{token}")
                self.ledger.endow(int(r["first"]), token, distribution.draw(rng, size))
        return cohorts

    def _begin(self) -> None:
        """Let each cohort open its positions, register its agents, and note the start."""
        order = sorted(self.cohorts.values(), key=lambda c: c.behaviour.start_order)
        for cohort in order:
            cohort.behaviour.begin(self, cohort)
        for name, works in self.setup.switches:
            if not works:
                cut_in_cohorts(order, name)
        for part in self._parts:
            part.begun(self.setup, self.ledger, self.world)
        value_tokens(self.world)
        declared.begun_all(self.declared)
        value_tokens(self.world)
        for cohort in self.cohorts.values():
            cohort.behaviour.populate(self, cohort)
        for part in self._parts:
            part.populated(self.world)
        for cohort in self.cohorts.values():
            cohort.opened()
        self._address_behaviours()
        self.note_start()

    def note_start(self) -> None:
        """Reset the starting point of losses and results to current holdings."""
        self._note_claims()
        w = self.world
        value_tokens(w)
        sum_classes(w)
        sum_claims(w)
        classes = [*w.sums[: len(self.cohorts)]]
        classes += [w.books.balances[self.ledger.account(n)] for n in self.special_accounts]
        for row, holdings in enumerate(classes):
            w.start[row] = build.underlying(w, holdings) + w.claims[row]
            w.start_worth[row] = worth_of(w.start[row], w.values)
        for group in self.joined.values():
            group.note_start(self)
        self._losses.begin()

    def _address_behaviours(self) -> None:
        """Compile the behaviours, or find them in the cache, and note their addresses.

        Raises:
            ScenarioError: If one names a column that it does not declare.
        """
        for phase, function in kernel.needed(self.world).items():
            address = address_of(function, (typeof(self.world),))
            self.world.rules[0]["phases"][phase] = address
        for cohort in self.cohorts.values():
            decide = getattr(cohort.behaviour, "decide", None)
            if decide is None:
                continue
            try:
                address = address_of(decide, (typeof(self.world), typeof(cohort.kernel_view())))
            except KeyError as error:  # as Numba says of a record that lacks a field
                raise ScenarioError([cohort.lacks(str(error.args[0]))]) from error
            self.world.cohorts[cohort.ident]["address"] = address
        if self.setup.block.ordering == "builder":
            self.prepare()  # bundles are tried out before anybody has made a call of a kind
        declared.address_all(self.world, self.declared)

    def _resize_table(self) -> None:
        rows = CHUNK // self.setup.measures.every + 2
        table = records(self.measures, self.world)
        self.world = self.world._replace(measures=table, table=np.zeros((rows, table.size)))

    # Growing it

    def open_account(self, agent: MarketAgent, name: str) -> int:
        """Open an account for an agent that joins on its own, and let it act in every block.

        Returns:
            The account's row.

        Raises:
            ValueError: If the name is taken, or that of the agent's group.
        """
        group = group_of(agent)
        if group in (*self.cohorts, *self.special_accounts, *self.protocols):
            kind = type(agent).__name__
            raise ValueError(f"the name {group!r} is taken; give {kind} another `group`")
        row = self._open_row(name)
        self.join(agent)
        return row

    def count_in(self, agent: MarketAgent) -> None:
        """Count an agent that has joined by itself, and what it holds now, into its group."""
        name = group_of(agent)
        if name not in self.joined:
            self.joined[name] = JoinedGroup(name, self.block)
            found = self.joined[name].reporters()
            for kept in matching(found, self.setup.measures.keep):
                self.datacollector.add(kept, found[kept], "numeraire")
        self.joined[name].add(self, agent.account)
        self._losses.grown()

    def _open_row(self, name: str) -> int:
        """Add an account to the ledger and to all arrays that have a row or column for each."""
        row = self.ledger.open_account(name)
        w = self.world
        grown: dict[str, Any] = {
            "books": self.ledger.books,
            "scratch": np.zeros(len(self.ledger.accounts)),
            "senders": np.append(w.senders, build.senders(self.seed_number, [name])),
        }
        if self._losses.kept:
            grown["whose"] = np.append(w.whose, -1)
        for part in self._parts:
            grown |= part.widened(w)
        self.world = w._replace(**grown)
        for part in self._parts:
            part.widened_handles(self)
        return row

    def join(self, agent: MarketAgent) -> None:
        """Let an agent act in every block, after the compiled ones."""
        self._plain.append(agent)

    def release(self, agent: MarketAgent) -> None:
        """Stop an agent from acting; its holdings and debts stay."""
        self.world.senders["retired"][agent.account] = 1
        if agent in self._plain:
            self._plain.remove(agent)

    def add_protocol(self, protocol: CustomProtocol) -> None:
        """Add a protocol written in plain Python, with its account and tokens.

        Raises:
            ValueError: If its name or one of its tokens' is taken.
        """
        if protocol.node in self.protocols:
            raise ValueError(f"a protocol called {protocol.node!r} already exists")
        row = self._open_row(protocol.name)
        w = self.world
        slot = w.books.storage.size
        storage = np.append(w.books.storage, np.zeros(protocol.slots))
        self.ledger.books = self.ledger.books._replace(storage=storage)
        for token in protocol.tokens:
            self.ledger.add_token(token, issuer=protocol.name)
        more = len(protocol.tokens)
        self.world = w._replace(
            books=self.ledger.books,
            values=np.append(w.values, np.zeros(more)),
            prices=np.append(w.prices, np.zeros(more)),
            sums=wider(w.sums, more),
            start=wider(w.start, more),
            claims=wider(w.claims, more),
            claimed=np.append(w.claimed, np.zeros(more)),
        )
        protocol.market, protocol.account, protocol.slot = self, row, slot
        self.custom.append(protocol)
        self.protocols[protocol.node] = protocol
        self.world.rules[0]["customs"] = len(self.custom)
        self._claimants = declared.claimants(self)
        if protocol.claims is not None:
            self._note_claims()
            address_tasks(self.world)
        self._losses.grown()

    def _call_plain(self, place: int) -> tuple[int, float]:
        """Let a protocol in plain Python carry out its call."""
        call = self.world.mempool[place]
        amount = float(call["amount"])
        if amount == PREVIOUS:
            amount = float(self.world.under_way[0]["bundle_previous"])
        custom = int(call["kind"]) == Kind.CUSTOM
        protocol: Any = (self.custom if custom else self.declared)[int(call["protocol"])]
        protocol.caller = int(call["sender"])
        try:
            if custom:
                reason, out = protocol.perform(call, amount)
            else:
                reason, out = protocol.carry_out(call, amount)
        except Exception:
            undo(self.ledger.books, 0)
            raise
        finally:
            protocol.caller = -1
        if not math.isfinite(out):  # it would be the next call's PREVIOUS
            return Reason.INVALID, 0.0
        return int(reason), float(out)


_READY = block.READY, 0.0


def _scenario(setup: Any) -> Scenario:
    """What a market is opened with, as a scenario.

    Raises:
        ScenarioError: If it is none.
    """
    if isinstance(setup, Scenario):
        return setup
    if isinstance(setup, Mapping):
        return Scenario.from_dict(dict(setup))
    if isinstance(setup, str | Path):
        return Scenario.load(setup)
    text = f"{type(setup).__name__} is not a scenario; give a Scenario, a name, a path or a dict"
    if isinstance(setup, tuple):  # a scenario's fields, one by one
        text += "; mesa.batch_run goes through what it is given, so put a Scenario into a list"
    raise ScenarioError([("setup", text)])


@contextmanager
def _bar(show: bool, blocks: int, title: str) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; says so while kernels compile."""
    if not show:
        yield lambda n: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns: Sequence[Any] = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("blocks"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(title, total=blocks)
        start = FirstStart()

        def report(name: str) -> None:
            start.started()
            bar.update(task, description=f"compiling, once: {start}")

        def advanced(n: int) -> None:
            bar.update(task, advance=n, description=title)

        with on_compilation(report):
            yield advanced
