"""Mesa's DataCollector over columns: a row of measures per collected block, cheaply.

Mesa's own collector calls a function and copies a value for every measure of
every step, about a microsecond each. Here the compiled loop writes the rows and
this class takes them over in blocks; what it gives back is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import mesa
import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.measures import measure

if TYPE_CHECKING:
    from sim.market import Market
    from sim.measures import Measure
    from sim.world import World


class BlockCollector(mesa.DataCollector):
    """A `mesa.DataCollector` whose model variables are the market's measures."""

    def __init__(
        self,
        market: Market,
        measures: Sequence[Measure],
        reporters: Mapping[str, Callable[[Any], float]],
    ) -> None:
        """Collect measures, and what `reporters` return when called with the market."""
        super().__init__()
        self.market = market
        self.measures = list(measures)
        self.reporters = dict(reporters)
        self.model_reporters = {m.name: m.name for m in measures} | self.reporters
        self._units: dict[str, str] = {}
        self._chunks: list[npt.NDArray[np.float64]] = []
        self._reported: dict[str, list[Any]] = {name: [] for name in self.reporters}

    @property
    def units(self) -> dict[str, str]:
        """Unit of each measure by name."""
        return {m.name: m.unit for m in self.measures} | self._units

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
    def model_vars(self) -> dict[str, list[Any]]:
        """Collected values by name, as Mesa keeps them."""
        table = self.table
        found: dict[str, list[Any]] = {"block": table[:, 0].astype(np.int64).tolist()}
        for i, m in enumerate(self.measures, start=1):
            found[m.name] = table[:, i].tolist()
        return found | self._reported

    @model_vars.setter
    def model_vars(self, value: Mapping[str, Any]) -> None:
        """Mesa's own constructor sets an empty one."""

    def get_model_vars_dataframe(self) -> pd.DataFrame:
        """All rows: the block's number, then a column per measure, then per reporter."""
        table = self.table
        frame = pd.DataFrame(table[:, 1:], columns=[m.name for m in self.measures])
        frame.insert(0, "block", table[:, 0].astype(np.int64))
        for name, values in self._reported.items():
            frame[name] = values
        return frame
