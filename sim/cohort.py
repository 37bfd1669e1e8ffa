"""A cohort: all agents of one group, their numbers in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.world import Cohort

if TYPE_CHECKING:
    from sim.market import Market
    from sim.scenario import AgentSettings


class CohortTable:
    """The agents of one group of a scenario, a row each.

    Attributes:
        name: As in the scenario; agent i is called ``<name>-<i>``.
        behaviour: The agents' class.
        settings: The group's table of the scenario.
        ident: Number among the market's cohorts.
        first: Account of its first agent.
        size: Number of agents.
        cells: float64[agents, columns], as kernels take them.
        memory: float64[n], what the cohort as a whole remembers.
        places: int64[n], the protocols that it knows.
    """

    def __init__(
        self,
        name: str,
        behaviour: Any,
        settings: AgentSettings,
        ident: int,
        first: int,
        cells: npt.NDArray[np.float64],
        memory: npt.NDArray[np.float64],
        places: npt.NDArray[np.int64],
    ) -> None:
        """Hold a cohort; the arrays are views of the market's."""
        self.name = name
        self.behaviour = behaviour
        self.settings = settings
        self.ident = ident
        self.first = first
        self.cells = cells
        self.memory = memory
        self.places = places
        self.columns: Mapping[str, Any] = behaviour.columns
        self._index = {column: i for i, column in enumerate(self.columns)}

    def __len__(self) -> int:
        return int(self.cells.shape[0])

    def __repr__(self) -> str:
        return f"<CohortTable {self.name}: {len(self)} of {self.behaviour.__name__}>"

    @property
    def size(self) -> int:
        """Number of agents."""
        return len(self)

    @property
    def rows(self) -> npt.NDArray[np.void]:
        """The table with its columns' names: a structured view, a row per agent."""
        kind = np.dtype([(column, "f8") for column in self.columns])
        return self.cells.view(kind).reshape(len(self))

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """A column, float64[agents], a live view."""
        return self.cells[:, self._index[name]]

    def kernel_view(self) -> Cohort:
        """The cohort as kernels take it, without a stream of draws."""
        return Cohort(self.cells, self.memory, self.places, self.first, self.ident, np.uint64(0))

    def accounts(self) -> npt.NDArray[np.int64]:
        """Rows of the agents' accounts in the ledger, int64[agents]."""
        return np.arange(self.first, self.first + len(self))

    def balances(self, market: Market) -> npt.NDArray[np.float64]:
        """What the agents hold, float64[agents, tokens], a live view."""
        return market.ledger.balances[self.first : self.first + len(self)]
