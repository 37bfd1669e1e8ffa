"""A bounded past: what charts need of it, whatever the length of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

POINTS = 600
"""Most points kept of each measure; a chart is hardly wider in pixels."""


class Past:
    """Rows of measures, merged pairwise into fewer points as they become many.

    A point covers `stride` blocks and keeps the least, greatest and last value of each
    measure, so that no spike is lost. How rows are merged depends on their number
    alone: two markets of as many blocks have the same points.

    Attributes:
        names: Of the measures.
        stride: Rows a point covers.
        epoch: Grows with every merger; what was read before it is void.
    """

    def __init__(self, names: Sequence[str], points: int = POINTS) -> None:
        """Keep the past of some measures.

        Args:
            names: Of the measures.
            points: Most points, an even number.
        """
        self.names = list(names)
        self.stride = 1
        self.epoch = 0
        self._place = {name: i for i, name in enumerate(self.names)}
        self._n = 0
        self._filled = 0  # rows in the last point
        self._block = np.zeros(points, np.int64)
        self._low, self._high, self._last = (np.full((points, len(names)), np.nan) for _ in "lhl")

    def __len__(self) -> int:
        return self._n

    def __contains__(self, name: str) -> bool:
        return name in self._place

    def take(self, rows: npt.NDArray[np.float64]) -> None:
        """Take rows in order.

        Args:
            rows: float64[n, 1 + measures]; the first column is the block.
        """
        at = 0
        while at < len(rows):
            if self._n == 0 or self._filled >= self.stride:
                if self._n == len(self._block):
                    self._merge()
                self._n += 1
                self._filled = 0
                self._low[self._n - 1] = self._high[self._n - 1] = np.nan
            part = rows[at : at + self.stride - self._filled]
            p, values = self._n - 1, part[:, 1:]
            self._block[p] = part[-1, 0]
            self._low[p] = np.fmin(self._low[p], np.fmin.reduce(values))
            self._high[p] = np.fmax(self._high[p], np.fmax.reduce(values))
            self._last[p] = values[-1]
            self._filled += len(part)
            at += len(part)

    def _merge(self) -> None:
        half = self._n // 2
        self._block[:half] = self._block[1 : self._n : 2]
        self._low[:half] = np.fmin(self._low[0 : self._n : 2], self._low[1 : self._n : 2])
        self._high[:half] = np.fmax(self._high[0 : self._n : 2], self._high[1 : self._n : 2])
        self._last[:half] = self._last[1 : self._n : 2]
        self._n = half
        self.stride *= 2
        self.epoch += 1

    def forget(self, name: str) -> None:
        """Forget all values of a measure; later ones are taken as before."""
        for table in (self._low, self._high, self._last):
            table[:, self._place[name]] = np.nan

    def last(self, name: str, default: float = np.nan) -> float:
        """The latest value of a measure."""
        if self._n == 0 or name not in self._place:
            return default
        return float(self._last[self._n - 1, self._place[name]])

    def blocks(self) -> npt.NDArray[np.int64]:
        """The last block of each point, int64[points]."""
        return self._block[: self._n]

    def values(self, name: str) -> npt.NDArray[np.float64]:
        """The last value of a measure in each point, float64[points]; NaN if it is unknown."""
        if name not in self._place:
            return np.full(self._n, np.nan)
        return self._last[: self._n, self._place[name]]

    def rows(self, names: Sequence[str], start: int = 0) -> list[list[float | None]]:
        """Points from one on: block, then the least and greatest value of each measure.

        Args:
            names: Of the measures; an unknown one gives nothing but None.
            start: First point.

        Returns:
            Lists for JSON, six digits a number.
        """
        table = np.full((self._n - start, 1 + 2 * len(names)), np.nan)
        table[:, 0] = self._block[start : self._n]
        for i, name in enumerate(names):
            if name in self._place:
                table[:, 1 + 2 * i] = self._low[start : self._n, self._place[name]]
                table[:, 2 + 2 * i] = self._high[start : self._n, self._place[name]]
        return plain(table)


def plain(table: npt.NDArray[np.float64]) -> list[list[Any]]:
    """A table as lists for JSON: six digits, and None for what is no finite number."""
    finite = np.isfinite(table) & (table != 0.0)
    size = np.floor(np.log10(np.abs(table), where=finite, out=np.zeros_like(table)))
    scale = 10.0 ** (5.0 - size)
    short = np.where(finite, np.round(table * scale) / scale, table)
    return [
        [v if v - v == 0.0 else None for v in row]  # inf and nan are not zero away from themselves
        for row in short.tolist()
    ]
