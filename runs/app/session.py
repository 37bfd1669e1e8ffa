"""One visitor's page: what is chosen, the market, and what is under way."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import solara
from mesa.visualization.utils import force_update

from runs.app.link import Link, read_link
from runs.app.live import Action, LiveMarket, run_files
from runs.app.parameters import changed, parameters, shock_of, shocks_of
from runs.app.player import Pace, Player
from runs.app.replay import last_cascade
from runs.app.story import MOST_NOTES, Note, Story, note_of
from runs.app.work import Work
from sim import Scenario
from sim.compiled import on_compilation
from sim.errors import ScenarioError, did_you_mean, shown
from sim.ledger import LedgerError
from sim.mechanisms import present
from sim.shocks import HOLDING, held_by
from sim.shown import all_shown

SCENARIO_VARIABLE = "UNDERTOW_SCENARIO"
"""Environment variable: the scenario that a page opens with, a name or a file's path."""
SEED_VARIABLE = "UNDERTOW_RNG"
_FIRST = "calm"
_MECHANISMS = {
    "interconnected": "links between pools",
    "gas_binds": "gas and full blocks",
    "venue_depth_is_finite": "price impact at the outside venue",
    "liquidators_sell": "liquidators sell collateral",
    "liquidators_share_capital": "liquidators' shared capital",
    "funds_sell_across": "funds sell all that they hold",
    "investors_redeem": "funds' investors redeem",
    "providers_leave": "providers may leave",
    "lenders_leave": "lenders may leave",
    "makers_capital_binds": "market makers' capital limit",
    "fear_spreads": "fear spreads between markets",
    "debts_move": "debts move between markets",
}


@cache
def mechanisms() -> dict[str, str]:
    """What a visitor reads for a switch, by its name."""
    found = dict(_MECHANISMS)
    for kind in all_shown():
        found |= kind.words
    return found


@cache
def library() -> dict[str, str]:
    """Scenarios that a page offers: name or path by name."""
    found = {name: name for name in Scenario.names()}
    given = os.environ.get(SCENARIO_VARIABLE, "")
    if given and given not in found:
        found[Path(given).stem] = given
    return found


def first_scenario() -> str:
    """Name of the scenario that a page opens with."""
    given = os.environ.get(SCENARIO_VARIABLE, "") or _FIRST
    return given if given in library() else Path(given).stem


def load(name: str) -> Scenario:
    """A scenario that the page offers.

    Raises:
        ScenarioError: If it offers none of this name, or it cannot be run.
    """
    if name not in library():
        text = f"no such scenario; {did_you_mean(name, library())}"
        raise ScenarioError([("scenario", f"{shown(name)}: {text}")])
    return Scenario.load(library()[name])


class Session:
    """The state of one page; every visitor, and every tab, has its own.

    Attributes:
        name: Of the scenario that is open.
        changes: What was turned in it, by path; applied or not yet.
        pace: Of the browser that shows the market.
        player: Makes the market go on.
        story: Notes, and the talk that tells them.
        cascade: Steps of the last shock's cascade, once it was asked for.
        version: Grows whenever another scenario is opened.
        errors: Problems of parameters by path.
        shock_errors: Problems of the last shock by field.
        notice: A message for the top of the page.
        tasks: What is under way, and what waits for it.
        files: Content by name, once they were asked for, and `files_block` theirs.
        acts: Grows with all that is done to the market.
        twins: Grows when a twin comes or goes.
        chosen: Node of the network that is looked at.
        followed: Account that is followed.
    """

    def __init__(self, query: str | None) -> None:
        """Begin with what a link says."""
        self.pace = Pace()
        self.player = Player(self.pace, force_update, self._complain)
        self.story = Story(self.player, lambda node: self.chosen.set(node))
        self.cascade: solara.Reactive[list[dict[str, Any]]] = solara.reactive([])
        self.applied: dict[str, Any] = {}
        self.files_block = -1
        self.name = solara.reactive(first_scenario())
        self.changes: solara.Reactive[dict[str, Any]] = solara.reactive({})
        self._market: LiveMarket | None = None
        self.version = solara.reactive(0)
        self.errors: solara.Reactive[dict[str, str]] = solara.reactive({})
        self.shock_errors: solara.Reactive[dict[str, str]] = solara.reactive({})
        self.notice = solara.reactive("")
        self.tasks = Work()
        self.files: solara.Reactive[dict[str, bytes]] = solara.reactive({})
        self.acts = solara.reactive(0)
        self.twins = solara.reactive(0)
        self.chosen = solara.reactive("")
        self.followed = solara.reactive("")
        self.base: Scenario = load(self.name.value)
        self._query = query
        self._seen: tuple[int, tuple[str, ...]] = (0, ())

    @property
    def busy(self) -> solara.Reactive[str]:
        """What is under way; empty if nothing is."""
        return self.tasks.shown

    @property
    def market(self) -> LiveMarket | None:
        """The market, None while the first one opens."""
        self.version.get()  # whoever asks is to ask again when another one is opened
        return self._market

    def _complain(self, text: str) -> None:
        self.notice.set(text)

    # Opening

    def open_first(self) -> None:
        """Open what the link says; where it makes no sense, the scenario alone, and say so."""
        self.tasks.do("Opening the market", self._open_first)

    def _open_first(self) -> None:
        seed = os.environ.get(SEED_VARIABLE)
        try:
            link = read_link(self._query)
        except ScenarioError as error:
            link = Link()
            self.notice.set(f"The link could not be read. {_said(error)}")
        link.scenario = link.scenario or self.name.value
        if link.rng is None and seed is not None:
            link.rng = int(seed)
        try:
            self._open(link)
        except (
            LedgerError,
            ValueError,
            MemoryError,
            OSError,
        ) as error:  # a ScenarioError is a value's
            self.notice.set(f"The link could not be opened. {_said(error)}")
            self._open(Link(first_scenario(), link.rng))

    def _open(self, link: Link) -> None:
        base = load(link.scenario)
        setup = changed(base, link.changes)
        actions = shocks_of(setup, link.actions)
        if link.block > setup.blocks:
            text = f"{link.block:,} is beyond the run, which has {setup.blocks:,}; give fewer"
            raise ScenarioError([("block", text)])
        with on_compilation(lambda name: self.tasks.say(f"Compiling, once: {name}")):
            market = LiveMarket(setup, link.rng)
            market.prepare()  # here it is said; a page that plays would stand still
            if link.block:
                self.tasks.say(f"Going to block {link.block:,}")
            market.restore(actions, link.block)
            if link.twin:
                market.compare(link.twin)
        self.base = base
        if link.scenario != self.name.value:
            self.chosen.set("")
        self.applied = dict(link.changes)
        self.name.set(link.scenario)
        self.changes.set(dict(link.changes))
        self.errors.set({})
        self.files.set({})
        if self.followed.value in market.ledger.accounts:
            market.follow(self.followed.value)
        else:
            self.followed.set("")
        self._market = market
        self.cascade.set([])
        self.story.notes.set(list(link.notes))
        self.story.at.set(-1)
        self.player.take(market)
        self.version.set(self.version.value + 1)

    def work(self, text: str, function: Callable[[], None], beside: bool = False) -> None:
        """Do something long in a thread of its own, and show what is being done.

        What is asked for while something else is under way comes after it.

        Args:
            text: What is being done.
            function: Does it.
            beside: Whether problems are also said beside the parameters that they name.
        """

        def do() -> None:
            try:
                function()
            except ScenarioError as error:
                if beside:
                    self.errors.set(dict(error.problems))
                self.notice.set(_said(error))
            except (LedgerError, MemoryError, OSError) as error:
                self.notice.set(f"An error occurred: {error}")
            finally:
                force_update()

        self.tasks.start(text, do)

    def leave(self) -> None:
        """Let go of the market: its tab is gone."""
        self.player.take(None)
        market, self._market = self._market, None
        if market is not None:
            with market.lock:
                market.close()

    # Choosing

    def choose(self, name: str) -> None:
        """Open another scenario, as it is."""
        self.notice.set("")
        self.work(f"Opening {name}", lambda: self._open(Link(name)))

    def turn(self, path: str, value: Any) -> None:
        """Turn a parameter; a value that makes no sense is said beside it.

        The page sends what its fields hold, but whoever speaks to the server sends
        what they like: what is offered nowhere is not kept.
        """
        if path not in {p.path for p in parameters(self.base)}:
            self.notice.set(f"{shown(path)}: no such parameter")
            return
        self.changes.set({**self.changes.value, path: value})
        self._check()

    def turn_back(self, path: str) -> None:
        """Give a parameter the scenario's value again."""
        self.changes.set({p: v for p, v in self.changes.value.items() if p != path})
        self._check()

    def _check(self) -> None:
        try:
            changed(self.base, self.changes.value)
        except ScenarioError as error:
            self.errors.set(dict(error.problems))
        else:
            self.errors.set({})

    @property
    def unapplied(self) -> bool:
        """Whether something was turned that the open market does not have."""
        return self.changes.value != self.applied

    def apply(self) -> None:
        """Open the scenario anew with what was turned."""
        self._check()
        if self.errors.value:
            return
        market = self.market
        rng = market.seed_number if market is not None else None
        notes = self.story.notes.value
        link = Link(self.name.value, rng, 0, dict(self.changes.value), notes=notes)
        self.notice.set("")

        def open_changed() -> None:
            if self.unapplied:  # a second click has nothing left to do
                self._open(link)

        self.work("Opening the market", open_changed, beside=True)

    def reset(self, rng: int | None = None) -> None:
        """Open the market anew, from its first block.

        Args:
            rng: Seed; None: the same.
        """
        market = self.market
        if market is not None:
            rng = market.seed_number if rng is None else rng
            notes = self.story.notes.value
            link = Link(self.name.value, rng, 0, dict(self.applied), notes=notes)
            self.player.pause()
            self.work("Opening the market", lambda: self._open(link))

    def rewind(self, block: int) -> None:
        """Go back to a block, to go on from there: what was done later is undone."""
        market = self.market
        if market is None or not 0 <= block < market.block:
            return
        self.player.pause()
        with market.lock:
            actions = [a.stated() for a in market.actions if a.block <= block]
            rng, twin = market.seed_number, market.twin_choice
        notes = self.story.notes.value
        link = Link(self.name.value, rng, block, dict(self.applied), actions, twin, notes)
        self.work("Going back", lambda: self._open(link))

    # Telling

    def note(self, content: Any) -> None:
        """Note something at this block, with the card that is open; say what is wrong with it."""
        market = self.market
        if market is None or not isinstance(content, Mapping):
            return
        here = {"block": market.block, "node": self.chosen.value}
        if len(self.story.notes.value) >= MOST_NOTES:
            self.notice.set(f"A story has at most {MOST_NOTES} notes; remove one.")
            return
        try:
            self.story.add(note_of({**content, **here}))
        except ScenarioError as error:
            self.notice.set(_said(error))
        force_update()  # the address has it too

    def unnote(self, number: int) -> None:
        """Take a note out."""
        self.story.remove(number)
        force_update()

    def tell(self) -> None:
        """Tell the story from the beginning: all that was done is done again in its block."""
        market = self.market
        if market is None or not self.story.notes.value:
            return
        self.player.pause()
        with market.lock:
            actions = [a.stated() for a in market.actions]
            rng, twin = market.seed_number, market.twin_choice
        notes: list[Note] = self.story.notes.value
        link = Link(self.name.value, rng, 0, dict(self.applied), actions, twin, notes)

        def begin() -> None:
            self._open(link)
            self.story.begin()

        self.work("Going to the beginning", begin)

    def _as_it_stands(self) -> tuple[Scenario, int, int] | None:
        """Scenario, seed and block by which the market is made again; None where there is none."""
        market = self.market
        if market is None:
            return None
        with market.lock:
            return market.as_scenario(), market.seed_number, market.block

    def trace(self) -> None:
        """Trace what the last shock led to, in a run of its own."""
        if (stands := self._as_it_stands()) is None:
            return
        setup, rng, block = stands

        def make() -> None:
            steps = last_cascade(setup, rng, block)
            self.cascade.set(steps)
            if len(steps) < 2:
                self.notice.set("The last shock triggered nothing that can be traced.")

        self.work("Tracing the cascade", make)

    # Acting

    def strike(self, content: Mapping[str, Any]) -> None:
        """Strike a shock in the next block, or say beside its fields what is wrong."""
        market = self.market
        if market is None or not isinstance(content, Mapping):
            return
        with market.lock:
            if not market.running:
                self.shock_errors.set({"": "the run has ended; reset it, or make it longer"})
                return
            try:
                shock = shock_of(market.asked, content, market.block + 1)
            except ScenarioError as error:
                self.shock_errors.set(dict(error.problems))
                return
            market.strike(shock)
        self.shock_errors.set({})
        self.acts.set(self.acts.value + 1)
        force_update()

    def cuts(self) -> dict[str, tuple[dict[str, Any], Action | None]]:
        """What can be cut: the shock that does it, and the action that holds, by label."""
        market = self.market
        if market is None:
            return {}
        words = mechanisms()
        found = {words[m]: ("mechanism_cut", m) for m in present(market.asked)}
        for kind in all_shown():
            found |= kind.cuts(market.setup)
        found |= {name: ("agents_stop", name) for name in market.cohorts}
        holding: dict[tuple[str, str], Action] = {}
        for action in market.actions:
            held = held_by(action.shock)
            holds = action.in_force(market.block) or action.block > market.block
            if held is not None and holds and action.ended is None:
                holding[held] = action
        return {
            label: ({"kind": held[0], HOLDING[held[0]]: held[1]}, holding.get(held))
            for label, held in found.items()
        }

    def look(self) -> None:
        """Note when a cut has ended by itself, or a reset has undone what was done."""
        holding = tuple(label for label, (_, action) in self.cuts().items() if action is not None)
        market = self.market
        now = (id(market), holding)
        if now != self._seen:
            self._seen = now
            self.acts.set(self.acts.value + 1)

    def switch(self, label: str, off: bool) -> None:
        """Cut something from the next block on, or let it work again."""
        market = self.market
        if market is None or label not in (cuts := self.cuts()):
            return
        cut, action = cuts[label]
        if off and action is None:
            self.strike(cut | {"blocks": max(market.setup.blocks - market.block, 1)})
        elif not off and action is not None:
            market.take_back(action)
            self.acts.set(self.acts.value + 1)
            force_update()

    def compare(self, choice: str) -> None:
        """Open a twin, or close it."""

        def compare() -> None:
            market = self.market  # the one that is open by then
            if market is not None:
                market.compare(choice)
                self.twins.set(self.twins.value + 1)

        self.work("Running the twin" if choice else "Closing the twin", compare)

    def follow(self, account: str) -> None:
        """Follow an agent."""
        market = self.market
        if market is not None and account in market.ledger.accounts:
            market.follow(account)
            self.followed.set(account)

    # Leaving

    def link(self) -> str:
        """The query that brings this page back."""
        market = self.market
        if market is None:
            return ""
        with market.lock:
            actions = [a.stated() for a in market.actions]
            rng, block = market.seed_number, market.block
            twin = market.twin_choice
        notes = self.story.notes.value
        return Link(self.name.value, rng, block, self.applied, actions, twin, notes).query()

    def prepare_files(self) -> None:
        """Do the run again, apart from the page, for the files that it leaves."""
        if (stands := self._as_it_stands()) is None:
            return
        setup, rng, block = stands

        def make() -> None:
            self.files.set(run_files(setup, rng, block))
            self.files_block = block

        self.work("Making the files", make)


def _said(error: Exception) -> str:
    if isinstance(error, ScenarioError):
        return "; ".join(f"{field}: {text}" for field, text in error.problems)
    return str(error)
