"""A cohort: all agents of one group, their numbers in one table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from sim.clock import Clock, new_clock
from sim.errors import did_you_mean
from sim.structure import Structure

if TYPE_CHECKING:
    from sim.market import Market
    from sim.registry import Column
    from sim.scenario import AgentSettings


class Cohort(Structure):
    """A cohort as its compiled behaviour takes it: ``me`` in ``decide(world, me)``.

    Each class of agents has a type of its own, whose records have the names that the class
    declares: ``me.rows[i].slippage`` is agent i's column, ``me.memory.heat`` a number that
    the cohort remembers. Both are views of the market's own numbers, and can be written.

    Attributes:
        size: Agents.
        rows: A record for each agent, of its columns; not there where there are none.
        memory: A record of what the cohort as a whole remembers; likewise.
        places: int64[n], the protocols it knows; what they mean is the behaviour's.
        first: Account of its first agent; agent i has account ``first + i``.
        ident: Its number.
        key: Its stream of draws in this block.
        actors: int64[size], rows of those whom `sim.clock` has found in this block.
        clock: What `sim.clock` knows of the agents' chances to act.
    """

    fields: ClassVar[Mapping[str, Any]] = {
        "size": ("i8", 0),
        "places": ("i8", 1),
        "first": ("i8", 0),
        "ident": ("i8", 0),
        "key": ("u8", 0),
        "actors": ("i8", 1),
        "clock": Clock,
    }


def cells_of(numbers: Mapping[str, Column]) -> int:
    """How many numbers declared ones are together."""
    return sum(number.count for number in numbers.values())


def record_of(numbers: Mapping[str, Column]) -> np.dtype[np.void]:
    """The record of declared numbers, in their order.

    Raises:
        TypeError: If kernels could not read one by its name.
    """
    for name in numbers:
        if not name.isidentifier() or iskeyword(name):
            raise TypeError(f"{name!r} is no name that a kernel can read; choose another")
    return np.dtype([(name, "f8", () if n.count == 1 else n.count) for name, n in numbers.items()])


def cohort_type(behaviour: Any) -> type[Cohort]:
    """The type in kernels of a cohort of a class of agents."""
    return _cohort_type(record_of(behaviour.columns), record_of(behaviour.remembers))


@cache
def _cohort_type(row: np.dtype[np.void], memory: np.dtype[np.void]) -> type[Cohort]:
    fields = dict(Cohort.fields)
    if row.names:
        fields["rows"] = (row, 1)
    if memory.names:
        fields["memory"] = (memory, 0)
    # Numba tells types apart by their names alone.
    counts = [
        [f"{name}{list(record[name].shape) or ''}" for name in record.names or ()]
        for record in (row, memory)
    ]
    name = f"Cohort: {'; '.join(', '.join(names) for names in counts)}"
    return type(name, (Cohort,), {"fields": fields})


class CohortTable:
    """The agents of one group of a scenario, a row each.

    Attributes:
        name: As in the scenario; agent i is called ``<name>-<i>``.
        behaviour: The agents' class.
        settings: The group's table of the scenario.
        ident: Number among the market's cohorts.
        first: Account of its first agent.
        size: Number of agents.
        cells: float64[agents, columns], as kernels take them, a live view.
        memory: float64[n], what the cohort as a whole remembers.
        places: int64[n], the protocols that it knows.
    """

    def __init__(
        self,
        name: str,
        behaviour: Any,
        settings: AgentSettings,
        record: npt.NDArray[np.void],
        cells: npt.NDArray[np.float64],
        memory: npt.NDArray[np.float64],
        places: npt.NDArray[np.int64],
    ) -> None:
        """Hold a cohort; the arrays are views of the market's, `record` its COHORT[1]."""
        self.name = name
        self.behaviour = behaviour
        self.settings = settings
        self.ident = int(record["ident"][0])
        self.first = int(record["first"][0])
        self._cells = cells
        self._record = record
        self.memory = memory
        self.places = places
        self.columns: Mapping[str, Any] = behaviour.columns
        self._index: dict[str, int | slice] = {}
        at = 0
        for column, about in self.columns.items():
            self._index[column] = at if about.count == 1 else slice(at, at + about.count)
            at += about.count
        self._row = record_of(self.columns)
        self._memory = record_of(behaviour.remembers)
        self._view = self._kernel_view(record)
        record["me"] = self._view.address

    def __len__(self) -> int:
        return int(self._cells.shape[0])

    def __repr__(self) -> str:
        return f"<CohortTable {self.name}: {len(self)} of {self.behaviour.__name__}>"

    @property
    def size(self) -> int:
        """Number of agents."""
        return len(self)

    # Whoever has a live view may write there without our notice. From then on bounds of chances
    # are said anew each time that Python has had its turn.

    @property
    def cells(self) -> npt.NDArray[np.float64]:
        """All numbers, float64[agents, columns], a live view."""
        self._record["shown"] = self._record["stale"] = 1
        return self._cells

    @property
    def rows(self) -> npt.NDArray[np.void]:
        """The table with its columns' names: a structured live view, a row per agent."""
        return self.cells.view(self._row).reshape(len(self))

    @property
    def remembered(self) -> np.void:
        """What the cohort as a whole remembers, by name: a record, a live view."""
        return self.memory.view(self._memory)[0]

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """A column, float64[agents], a live view; of several numbers float64[agents, count]."""
        return self.cells[:, self._index[name]]

    def number(self, row: int, column: str) -> Any:
        """An agent's number; a copy of all of a column of several, float64[count]."""
        found = self._cells[row, self._index[column]]
        return found.copy() if isinstance(found, np.ndarray) else float(found)

    def put(self, column: str, values: float | npt.NDArray[np.float64], row: int = -1) -> None:
        """Write a column, or an agent's number where a row is given."""
        where = slice(None) if row < 0 else row
        self._cells[where, self._index[column]] = values
        self._record["stale"] = 1

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """A column as it is now, a copy; see `column`."""
        return self._cells[:, self._index[column]].copy()

    def ask_everybody(self, always: bool = True) -> None:
        """Have every agent draw in every block whether it acts, as far as `sim.clock` finds them.

        Chances are the same; only the draws are others. This is what it is compared with.
        """
        self._record["always"] = always
        self._record["stale"] = 1

    def opened(self) -> None:
        """Note that the market is open: views of its opening are not used any more."""
        self._record["shown"] = 0
        self._record["stale"] = 1

    def kernel_view(self) -> Cohort:
        """The cohort as kernels take it."""
        return self._view

    def _kernel_view(self, record: npt.NDArray[np.void]) -> Cohort:
        values: dict[str, Any] = {
            n: record[n].reshape(()) for n in ("size", "first", "ident", "key")
        }
        values["places"] = self.places
        values["actors"] = np.zeros(len(self), np.int64)
        known = {n: values[n] for n in ("size", "ident", "key")}
        values["clock"] = new_clock(len(self), known, values["actors"])
        if self._row.names:
            values["rows"] = self._cells.view(self._row).reshape(len(self))
        if self._memory.names:
            values["memory"] = self.memory.view(self._memory).reshape(())
        return cohort_type(self.behaviour)(**values)

    def lacks(self, name: str) -> tuple[str, str]:
        """Field and message of a behaviour that names what no record in its kernels has."""
        declared = [*self.columns, *self.behaviour.remembers]
        text = f"{self.behaviour.__name__} names {name!r}, which no record has that it reads or "
        text += f"writes; {did_you_mean(name, declared)}, or declare it as a column"
        return f"agents.{self.name}.kind", text

    def accounts(self) -> npt.NDArray[np.int64]:
        """Rows of the agents' accounts in the ledger, int64[agents]."""
        return np.arange(self.first, self.first + len(self))

    def balances(self, market: Market) -> npt.NDArray[np.float64]:
        """What the agents hold, float64[agents, tokens], a live view."""
        return market.ledger.balances[self.first : self.first + len(self)]
