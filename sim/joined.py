"""Agents that join an open market by themselves, by class: a group like those of the scenario.

A group of the scenario is a run of accounts, known when the market opens. Agents of a script come
one by one, and each class of them is a group from the first that joins on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.build import underlying
from sim.measures import CLASSES, Of, add_claims, value_tokens, worth_of

if TYPE_CHECKING:
    from sim.market import Market


def group_of(agent: Any) -> str:
    """Name of the group that an agent is in: what its class says, else the class's name."""
    return str(getattr(type(agent), "group", "") or type(agent).__name__)


class JoinedGroup:
    """All agents of a class that have joined a market by themselves.

    Attributes:
        name: Of the group.
        members: Rows of their accounts in the ledger, in the order in which they joined.
        since: Block after which the first joined.
    """

    def __init__(self, name: str, since: int) -> None:
        """Be the group of a class; nobody is in it."""
        self.name = name
        self.since = since
        self.members: list[int] = []
        self._start = np.zeros(0)
        self._start_worth = 0.0

    def __repr__(self) -> str:
        return f"<JoinedGroup {self.name}: {len(self.members)} agents>"

    def __len__(self) -> int:
        return len(self.members)

    @property
    def start(self) -> npt.NDArray[np.float64]:
        """What its results are counted from, base tokens: float64[tokens when it began]."""
        return self._start

    def holdings(self, market: Market) -> npt.NDArray[np.float64]:
        """What its agents hold together, float64[tokens], with claims that are no tokens."""
        balances = market.ledger.balances
        held = np.zeros(balances.shape[1])
        for row in self.members:
            own = balances[row].copy()
            add_claims(market.world, row, own)
            held += own
        return held

    def add(self, market: Market, account: int) -> None:
        """Take an agent in; what it holds now is what its results are counted from."""
        self.members.append(account)
        own = market.ledger.balances[account].copy()
        self._count_from(market, own)

    def note_start(self, market: Market) -> None:
        """Count results from what all of them hold now."""
        self._start, self._start_worth = np.zeros(0), 0.0
        self._count_from(market, self.holdings(market))

    def _count_from(self, market: Market, holdings: npt.NDArray[np.float64]) -> None:
        """Add holdings to those that results are counted from."""
        w = market.world
        value_tokens(w)
        more = underlying(w, holdings)
        more[: self._start.size] += self._start
        self._start = more
        self._start_worth += worth_of(holdings, w.values)

    def says(self, market: Market, what: Of) -> float:
        """Wealth, loss since the start or result against holding, in the numeraire."""
        values = market.world.values
        now = worth_of(self.holdings(market), values)
        if what == Of.WEALTH:
            return float(now)
        if what == Of.LOSS:
            return float(self._start_worth - now)
        return float(now - worth_of(self._start, values[: self._start.size]))

    def reporters(self) -> dict[str, Callable[[Market], float]]:
        """Its measures by name: ``wealth.<name>``, ``loss.<name>`` and ``result.<name>``."""
        return {f"{what}.{self.name}": self._reporter(code) for what, code in CLASSES}

    def _reporter(self, what: Of) -> Callable[[Market], float]:
        return lambda market: self.says(market, what)
