"""Mesa's DataCollector over columns: a row of measures per collected block, cheaply.

Mesa's own collector calls a function and copies a value for every measure of
every step, about a microsecond each. Here the compiled loop writes the rows and
this class takes them over in blocks; what it gives back is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import mesa
import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.errors import nearest
from sim.measures import measure
from sim.named import UnknownNameError, not_there

if TYPE_CHECKING:
    from sim.market import Market
    from sim.measures import Measure
    from sim.world import World


class ByStep(Sequence[Any]):
    """Values of one name by Mesa's number of a step: what was collected last up to it.

    Step 0 makes block 1. Before the first row there is NaN.
    """

    def __init__(self, values: Sequence[Any], blocks: npt.NDArray[np.int64], steps: int) -> None:
        """Of values collected after some blocks, of so many steps."""
        self._values, self._blocks, self._steps = values, blocks, steps

    def __len__(self) -> int:
        return self._steps

    @overload
    def __getitem__(self, step: int) -> Any: ...

    @overload
    def __getitem__(self, step: slice) -> list[Any]: ...

    def __getitem__(self, step: int | slice) -> Any:
        if isinstance(step, slice):
            return [self[i] for i in range(*step.indices(self._steps))]
        place = step + self._steps if step < 0 else step
        if not 0 <= place < self._steps:
            raise IndexError(f"no step {step}; {self._steps} were made")
        row = int(np.searchsorted(self._blocks, place + 1, side="right")) - 1
        return self._values[row] if row >= 0 else math.nan


class _ByBlock(dict[int, list[Any]]):
    """What was collected of agents, by block; a step that was not collected has the last before."""

    def get(self, step: int, default: Any = None) -> Any:
        """What Mesa's `batch_run` asks for by a step, whose block has a number one higher."""
        return next((self[b] for b in reversed(self) if b <= step + 1), default)


def _asked(block: int, agents: Iterable[Any], reporters: Mapping[str, Any]) -> list[Any]:
    """What reporters say of each agent: (block, its number, ...), as Mesa keeps it."""
    return [(block, a.unique_id, *(ask(a) for ask in reporters.values())) for a in agents]


def _of_market(name: str, reporter: Any, market: Market) -> Callable[[Any], Any]:
    """A reporter in any form that Mesa knows, as a function of the market.

    Raises:
        AttributeError: If it is the name of an attribute that the market has not.
        TypeError: If it is none of those forms.
    """
    if isinstance(reporter, str):
        if not hasattr(type(market), reporter) and reporter not in vars(market):
            close = " or ".join(map(repr, nearest(reporter, dir(market))))
            hint = f"; did you mean {close}?" if close else ""
            raise AttributeError(f"reporters: {name!r}: a market has no {reporter!r}{hint}")
        return lambda m: getattr(m, reporter)
    if isinstance(reporter, list | tuple) and len(reporter) == 2 and callable(reporter[0]):
        function, arguments = reporter
        return lambda m: function(*arguments)
    if not callable(reporter):
        text = "is no function of a market, name of its attribute, or [function, [arguments]]"
        raise TypeError(f"reporters: {name!r}: {type(reporter).__name__} {text}")
    found: Callable[[Any], Any] = reporter
    return found


class BlockCollector(mesa.DataCollector):
    """A `mesa.DataCollector` whose model variables are the market's measures."""

    def __init__(
        self,
        market: Market,
        measures: Sequence[Measure],
        reporters: Mapping[str, Any],
        agent_reporters: Mapping[str, Any] | None = None,
        agenttype_reporters: Mapping[type, Mapping[str, Any]] | None = None,
        tables: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Collect measures, and what reporters return.

        Args:
            market: Whose.
            measures: That kernels write.
            reporters: Called with the market, in any form that Mesa knows.
            agent_reporters: Likewise with each agent.
            agenttype_reporters: Likewise with each agent of a class.
            tables: Columns by name of tables that a script fills.

        Raises:
            AttributeError: If the market has no attribute that a reporter names.
        """
        self._rows_are_told = False
        super().__init__(
            agent_reporters=agent_reporters, agenttype_reporters=agenttype_reporters, tables=tables
        )
        if not self._rows_are_told:
            self._agent_records = _ByBlock()
        self._named = {n: r for n, r in (agent_reporters or {}).items() if isinstance(r, str)}
        self.market = market
        self.measures = list(measures)
        self.reporters = {name: _of_market(name, r, market) for name, r in reporters.items()}
        self.model_reporters = {m.name: m.name for m in measures} | self.reporters
        self._units: dict[str, str] = {}
        self._chunks: list[npt.NDArray[np.float64]] = []
        self._reported: dict[str, list[Any]] = {name: [] for name in self.reporters}

    @property
    def units(self) -> dict[str, str]:
        """Unit of each measure by name."""
        return {m.name: m.unit for m in self.measures} | self._units

    @property
    def _collection_steps(self) -> list[int]:
        """Steps of the rows, as `mesa.batch_run` asks for them from Mesa 3.5 on."""
        steps: list[int] = self.table[:, 0].astype(np.int64).tolist()
        return steps

    @_collection_steps.setter
    def _collection_steps(self, value: Sequence[int]) -> None:
        self._rows_are_told = True  # Mesa's own constructor sets an empty one, if it knows them

    @property
    def asks(self) -> bool:
        """Whether Python has to be asked at each collected block."""
        return bool(self.reporters or self.agent_reporters or self.agenttype_reporters)

    def add(self, name: str, reporter: Callable[[Any], float], unit: str = "") -> None:
        """Collect from now on what a function of the market returns; NaN in the rows before."""
        self.take(self.market.world)
        self.reporters[name] = reporter
        self.model_reporters[name] = reporter
        self._reported[name] = [math.nan] * len(self.table)
        if unit:
            self._units[name] = unit

    def take(self, world: World) -> None:
        """Take over the rows that the kernels have written, and call the reporters."""
        n = int(world.rows[0])
        if n == 0:
            return
        self._chunks.append(world.table[:n].copy())
        world.rows[0] = 0
        for name, reporter in self.reporters.items():
            self._reported[name].append(reporter(self.market))
        if self.agent_reporters or self.agenttype_reporters:
            self._ask_agents()

    def _ask_agents(self) -> None:
        """Note what is collected of each agent now, as Mesa keeps it."""
        block = self.market.block
        if self.agent_reporters:
            self._check_attributes()
            self._agent_records[block] = _asked(block, self.market.agents, self.agent_reporters)
        by_type = {}
        for kind, reporters in self.agenttype_reporters.items():
            agents = [a for a in self.market.agents if isinstance(a, kind)]
            by_type[kind] = _asked(block, agents, reporters)
        if by_type:
            self._agenttype_records[block] = by_type

    def _check_attributes(self) -> None:
        """Let no name of an attribute pass that no agent has: Mesa would collect None for it."""
        agents = list(self.market.agents)
        for name, attribute in self._named.items():
            there = any(hasattr(type(a), attribute) or attribute in vars(a) for a in agents)
            if agents and not there:
                kinds = {type(a): a for a in agents}.values()
                known = {n for a in kinds for n in dir(a) if not n.startswith("_")}
                close = " or ".join(map(repr, nearest(attribute, sorted(known))))
                hint = f"; did you mean {close}?" if close else ""
                text = f"no agent has an attribute {attribute!r}{hint}"
                raise AttributeError(f"agent_reporters: {name!r}: {text}")
        self._named = {}

    def drain(self) -> npt.NDArray[np.float64]:
        """Give up the rows collected since the last call: they are kept here no longer.

        Returns:
            float64[rows, 1 + measures + reporters], as `table` with what the reporters said.
        """
        table, self._chunks = self.table, []
        if not self.reporters:
            return table
        said = np.array([self._reported[name] for name in self.reporters], np.float64)
        self._reported = {name: [] for name in self.reporters}
        return np.hstack([table, said.reshape(len(self.reporters), len(table)).T])

    def collect(self, model: Market) -> None:
        """Collect a row for the present block, besides those collected by the block."""
        self.take(model.world)
        measure(model.world, model.block)
        self.take(model.world)

    @property
    def table(self) -> npt.NDArray[np.float64]:
        """Rows collected so far, float64[rows, 1 + measures]; the first column is the block."""
        if len(self._chunks) > 1:
            self._chunks = [np.concatenate(self._chunks)]
        return self._chunks[0] if self._chunks else np.zeros((0, 1 + len(self.measures)))

    @property
    def model_vars(self) -> dict[str, Sequence[Any]]:
        """Collected values by name, as Mesa keeps them: of each step in turn.

        Where not every block is collected, a step has what was collected last. Mesa 3.5 asks for
        rows, whose steps are in `_collection_steps`.
        """
        table = self.table
        blocks = table[:, 0].astype(np.int64)
        found: dict[str, Sequence[Any]] = {"block": blocks.tolist()}
        for i, m in enumerate(self.measures, start=1):
            found[m.name] = table[:, i].tolist()
        found |= self._reported
        if self._rows_are_told or np.array_equal(blocks, np.arange(1, blocks.size + 1)):
            return found
        return {name: ByStep(values, blocks, self.market.block) for name, values in found.items()}

    @model_vars.setter
    def model_vars(self, value: Mapping[str, Any]) -> None:
        """Mesa's own constructor sets an empty one."""

    def get_agent_vars_dataframe(self) -> pd.DataFrame:
        """What was collected of each agent: a row for each (Step, AgentID), a column a reporter.

        Raises:
            ValueError: If nothing is collected of agents.
        """
        if not self.agent_reporters:
            raise ValueError(
                "no agent data is collected; open the market with Market(..., "
                'agent_reporters={"wealth": "wealth"}), or read market.agents now'
            )
        frame: pd.DataFrame = super().get_agent_vars_dataframe()
        return frame

    def get_table_dataframe(self, table_name: str) -> pd.DataFrame:
        """A table that a script has filled with `add_table_row`.

        Raises:
            KeyError: If there is no such table.
        """
        if table_name not in self.tables:
            text = not_there("table", table_name, self.tables)
            raise UnknownNameError(f"{text}; declare it with Market(..., tables={{name: columns}})")
        frame: pd.DataFrame = super().get_table_dataframe(table_name)
        return frame

    def get_model_vars_dataframe(self) -> pd.DataFrame:
        """All rows: the block's number, then a column per measure, then per reporter."""
        table = self.table
        frame = pd.DataFrame(table[:, 1:], columns=[m.name for m in self.measures])
        frame.insert(0, "block", table[:, 0].astype(np.int64))
        for name, values in self._reported.items():
            frame[name] = values
        return frame
