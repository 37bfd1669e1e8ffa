"""A market that is watched: it takes shocks as they come and remembers a bounded past.

All that a visitor does is kept as a shock with its block, so the run that was watched
is a scenario: it can be saved, shared as a link, and done again to the same bits.
"""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runs.app.past import Past
from runs.files import save_run
from runs.report.moments import run_noting
from runs.report.report import write_report
from runs.summary import summarise
from sim import Market, Scenario
from sim.codes import Kind, Reason
from sim.errors import ScenarioError, did_you_mean
from sim.shocks import held_by
from sim.shown import Trail, all_shown, in_order_of_summary

_FOLLOWED = 12
"""Receipts shown of an agent that is followed."""


def trails(setup: Scenario) -> list[Trail]:
    """What is noted of the agent that is followed."""
    wealth = Trail("wealth", "wealth", setup.venue.numeraire, Market.wealth, "money")
    return [wealth, *(trail for shown in all_shown() for trail in shown.trails(setup))]


@dataclass
class Action:
    """A shock that a visitor gave, and the block at whose start it was taken back."""

    shock: Any
    ended: int | None = None

    @property
    def block(self) -> int:
        """Block at whose start it strikes."""
        return int(self.shock.block)

    def stated(self) -> dict[str, Any]:
        """As a scenario states it."""
        content: dict[str, Any] = self.shock.model_dump(exclude_none=True)
        if self.ended is not None:
            content["blocks"] = max(self.ended - self.block, 1)
        return content

    def in_force(self, block: int) -> bool:
        """Whether it holds after a block, if it is one that can be switched."""
        if held_by(self.shock) is None:
            return False
        until = self.ended if self.ended is not None else self.block + self.shock.blocks
        return self.block <= block and block + 1 < until


class LiveMarket(Market):
    """A market under a page: a step is a block, also of the twin if there is one.

    Attributes:
        actions: What the visitor did.
        past: A bounded past of all measures, of what is counted and of who is followed.
        counters: What counts something of the receipts.
        trails: What is noted of the agent that is followed.
        twin: A second market that differs in one thing, or None.
        twin_choice: Which thing; empty without a twin.
        happened: Grows where a shock strikes and where something is counted, as liquidations.
    """

    def __init__(self, setup: Scenario | str = "calm", rng: int | None = None) -> None:
        """Open a market to be watched.

        Args:
            setup: A scenario or its name.
            rng: Seed; default: the scenario's.

        Raises:
            ScenarioError: If the scenario cannot be run; it names the fields.
        """
        self.asked = setup if isinstance(setup, Scenario) else Scenario.load(setup)
        self.lock = threading.RLock()
        self.actions: list[Action] = []
        self.twin: LiveMarket | None = None
        self.twin_choice = ""
        self.followed: int | None = None
        self.seen: deque[np.void] = deque(maxlen=_FOLLOWED)
        self.flows: dict[tuple[str, str], float] = {}
        self.happened = 0
        self._counted = (0, 0.0)
        measured = {"measures.every": 1, "measures.keep": ["*"], "measures.receipts": "all"}
        super().__init__(self.asked.override(measured), rng)
        self.counters = [c for shown in all_shown() for c in shown.counters(self.setup)]
        self.trails = trails(self.setup)
        names = [*self.datacollector.model_reporters]
        self._measured = 1 + len(names)  # with the block; who joins later is not in the past
        names += [name for counter in self.counters for name in counter.names]
        self.past = Past([*names, *(trail.measure for trail in self.trails)])
        self.running = self.block < self.setup.blocks

    # What happens

    def step(self) -> None:
        """Make one block, and the twin's."""
        with self.lock:
            super().step()
            if self.twin is not None:
                self.twin.step()
            self.running = self.block < self.setup.blocks

    def advance(self, block: int) -> None:
        """Make all blocks up to one in the compiled loop, and the twin's."""
        with self.lock:
            block = min(block, self.setup.blocks)
            self.run(max(block - self.block, 0))
            if self.twin is not None:
                self.twin.advance(block)
            self.running = self.block < self.setup.blocks

    def _empty_buffers(self) -> None:
        """Take the rows and receipts into the bounded past; the market keeps none of them."""
        super()._empty_buffers()
        receipts = self.receipt_book.drain()
        rows = self.datacollector.drain()[:, : self._measured]
        measured, all_of_them = self._measured, 1 + len(self.past.names)
        wide = np.full((len(rows), all_of_them), np.nan)
        wide[:, :measured] = rows
        at = measured
        for counter in self.counters:
            upto = at + len(counter.names)
            wide[:, at:upto] = counter.fill(receipts, rows[:, 0], self._worth)
            at = upto
        if len(rows):
            counted = len(self.shocks.struck), float(np.nansum(wide[-1, measured:at]))
            self.happened += counted != self._counted
            self._counted = counted
        if self.followed is not None and len(rows):
            wide[-1, at:] = [trail.read(self, self.followed) for trail in self.trails]
        self.past.take(wide)
        if len(receipts):
            self._note_flows(receipts)
            if self.followed is not None:
                mine = (receipts["sender"] == self.followed) | (
                    receipts["counterparty"] == self.followed
                )
                self.seen.extend(receipts[mine][-_FOLLOWED:])

    def _worth(self, token: int) -> float:
        return abs(float(self.world.values[token]))

    def _note_flows(self, receipts: npt.NDArray[np.void]) -> None:
        """Sum what was done between whom, by value, since the page last looked."""
        done = receipts[receipts["status"] == Reason.DONE]
        if not len(done):
            return
        worth = np.abs(self.world.values[done["token_in"]]) * np.abs(done["amount_in"])
        kinds = done["kind"]
        place, carries = np.full(len(done), -1), np.zeros(len(done), bool)
        names: list[str] = []
        for shown in in_order_of_summary():
            if not shown.calls or not (nodes := shown.nodes(self.setup)):
                continue
            among = np.isin(kinds, shown.calls)
            place[among] = len(names) + done["protocol"][among]
            if shown.carries:
                carries |= np.isin(kinds, shown.carries)
            names += nodes
        place[kinds == Kind.VENUE] = len(names)
        names.append("venue")
        cohorts = [*self.cohorts, "holders"]
        known = place >= 0
        keys = done["cohort"][known].astype(np.int64) * len(names) + place[known]
        for key in np.unique(keys):
            amount = float(worth[known][keys == key].sum())
            self._flow(cohorts[key // len(names)], names[key % len(names)], amount)
        # Swaps one after the other in a transaction carry value from pool to pool.
        joined = (
            carries[1:]
            & carries[:-1]
            & (done["number"][1:] == done["number"][:-1])
            & (place[1:] != place[:-1])
            & (done["token_in"][1:] == done["token_out"][:-1])
        )
        for i in np.flatnonzero(joined):
            self._flow(names[place[i]], names[place[i + 1]], float(worth[i + 1]))

    def _flow(self, u: str, v: str, amount: float) -> None:
        self.flows[u, v] = self.flows.get((u, v), 0.0) + amount

    # What a visitor does

    def strike(self, shock: Any) -> Action:
        """Have a shock strike in the next block, here and in the twin.

        Args:
            shock: With `block` set to the next one.
        """
        with self.lock:
            action = Action(shock)
            self.actions.append(action)
            self.shocks.add(shock, action.block)
            if self.twin is not None and self.twin_choice not in ("shocks", "mine"):
                if _still_there(shock, self.twin.setup):
                    self.twin.strike(shock)
            return action

    def take_back(self, action: Action) -> None:
        """Take back a shock that holds, at the start of the next block."""
        with self.lock:
            action.ended = self.block + 1
            if action.block > self.block:  # it has not struck yet
                self.actions.remove(action)
                self.shocks.pending = [
                    p for p in self.shocks.pending if p.shock is not action.shock
                ]
            else:
                self.shocks.end(action.shock)
            if self.twin is not None:
                for other in self.twin.actions[:]:
                    if other.shock is action.shock:
                        self.twin.take_back(other)

    def restore(self, actions: list[Any], block: int) -> None:
        """Do again what a visitor did, up to a block.

        Args:
            actions: Shocks with their blocks.
            block: The last one to make.
        """
        with self.lock:
            for shock in actions:
                self.actions.append(Action(shock))
                self.shocks.add(shock, shock.block)
            self.advance(block)
            self.flows.clear()  # a page shows what flows now, not what has flowed

    def follow(self, account: str) -> None:
        """Note what an agent does from now on, here and in the twin.

        Raises:
            KeyError: If there is no such account.
        """
        with self.lock:
            self.followed = self.ledger.account(account)
            self.seen.clear()
            for trail in self.trails:
                self.past.forget(trail.measure)
            if self.twin is not None and account in self.twin.ledger.accounts:
                self.twin.follow(account)

    def as_scenario(self) -> Scenario:
        """The scenario that does again all that was watched, to the bit."""
        with self.lock:
            content = self.asked.to_dict()
            content["rng"] = self.seed_number
            content["shocks"] = content.get("shocks", []) + [a.stated() for a in self.actions]
            return Scenario.from_dict(content)

    # Comparing

    def compare(self, choice: str) -> None:
        """Open a twin that differs in one thing from the start, and bring it to this block.

        Args:
            choice: One of `twin_choices`; empty closes the twin.

        Raises:
            ScenarioError: If there is no such choice, or the twin cannot be run.
        """
        with self.lock:
            if self.twin is not None:
                self.twin.close()
            self.twin, self.twin_choice = None, ""
            if not choice:
                return
            setup, actions = self._without(choice)
            twin = LiveMarket(setup, self.seed_number)
            twin.restore(actions, self.block)
            followed = self.ledger.accounts[self.followed] if self.followed is not None else ""
            if followed in twin.ledger.accounts:
                twin.follow(followed)
            self.twin, self.twin_choice = twin, choice

    def _without(self, choice: str) -> tuple[Scenario, list[Any]]:
        """The scenario and the actions of a twin."""
        if choice not in twin_choices(self.asked):
            known = did_you_mean(choice, twin_choices(self.asked))
            raise ScenarioError([("twin", f"unknown choice {choice!r}; {known}")])
        # Those that were taken back are stated as ended; the others stay the same objects,
        # so that taking them back later reaches the twin too.
        whole = self.as_scenario()
        mine = whole.shocks[len(self.asked.shocks) :]
        actions = [
            a.shock if a.ended is None else s for a, s in zip(self.actions, mine, strict=True)
        ]
        content = self.asked.to_dict()
        if choice in ("shocks", "mine"):
            actions = []
            if choice == "shocks":
                content["shocks"] = []
        elif choice.startswith("switches."):
            name = choice.removeprefix("switches.")
            content["switches"][name] = not content["switches"][name]
        elif choice.startswith("idle."):
            idle = {"kind": "agents_stop", "agents": choice.removeprefix("idle."), "block": 1}
            content["shocks"] = [idle | {"blocks": self.asked.blocks}, *content.get("shocks", [])]
        else:
            del content["agents"][choice.removeprefix("agents.")]
        setup = Scenario.from_dict(
            content | {"shocks": [s for s in content.get("shocks", []) if _still_there(s, content)]}
        )
        return setup, [s for s in actions if _still_there(s, setup)]

    def close(self) -> None:
        """Let go of all agents, and of the twin."""
        if self.twin is not None:
            self.twin.close()
        super().close()


def _still_there(shock: Any, setup: Any) -> bool:
    """Whether the group that a shock names is in a scenario."""
    group = shock.get("agents") if isinstance(shock, Mapping) else getattr(shock, "agents", None)
    agents = setup.get("agents", {}) if isinstance(setup, Mapping) else setup.agents
    return group is None or group in agents


def twin_choices(setup: Scenario) -> dict[str, str]:
    """What a twin may differ in, by choice, in words."""
    found = {"shocks": "without any shock", "mine": "without my shocks"}
    for name, value in setup.switches:
        found[f"switches.{name}"] = f"{name.replace('_', ' ')}: {'off' if value else 'on'}"
    for name in setup.agents:
        found[f"agents.{name}"] = f"without {name}"
        found[f"idle.{name}"] = f"{name} never act"
    return found


# Files


def run_files(setup: Scenario, rng: int, blocks: int) -> dict[str, bytes]:
    """Do a run again and return the files that `undertow run --out` leaves.

    Args:
        setup: From `LiveMarket.as_scenario`.
        rng: Seed.
        blocks: How many blocks to make.

    Returns:
        Content by name: measures and receipts as Parquet, summary, scenario, report.
    """
    market = Market(setup, rng=rng)
    moments = run_noting(market, blocks)
    with tempfile.TemporaryDirectory(prefix="undertow-") as name:
        folder = Path(name)
        save_run(market, folder, summarise(market, moments=moments.noted))
        write_report(folder, files=False)
        market.close()
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
