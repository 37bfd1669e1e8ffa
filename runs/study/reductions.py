"""Reductions: one number of a measure's whole course, as in ``max(gas.mean)``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt

from sim.errors import did_you_mean

Array = npt.NDArray[np.float64]
_FORM = re.compile(r"\s*(\w+)\s*\(\s*([^\s,()]+)\s*(?:,\s*([-+.\w]+)\s*)?\)\s*")


def _first_where(blocks: Array, hit: npt.NDArray[np.bool_]) -> float:
    return float(blocks[np.argmax(hit)]) if hit.any() else np.nan


def _drawdown(values: Array) -> float:
    peak = np.maximum.accumulate(values)
    return float(np.max(1.0 - values / peak))


# Each takes the blocks, the values that are numbers, and the argument.
PLAIN: dict[str, Callable[[Array, Array], float]] = {
    "first": lambda b, v: float(v[0]),
    "last": lambda b, v: float(v[-1]),
    "min": lambda b, v: float(v.min()),
    "max": lambda b, v: float(v.max()),
    "mean": lambda b, v: float(v.mean()),
    "sd": lambda b, v: float(v.std(ddof=1)) if v.size > 1 else np.nan,
    "median": lambda b, v: float(np.median(v)),
    "change": lambda b, v: float(v[-1] - v[0]),
    "drawdown": lambda b, v: _drawdown(v),
    "block_of_min": lambda b, v: float(b[np.argmin(v)]),
    "block_of_max": lambda b, v: float(b[np.argmax(v)]),
}
WITH_NUMBER: dict[str, Callable[[Array, Array, float], float]] = {
    "quantile": lambda b, v, x: float(np.quantile(v, x)),
    "share_above": lambda b, v, x: float((v > x).mean()),
    "share_below": lambda b, v, x: float((v < x).mean()),
    "first_above": lambda b, v, x: _first_where(b, v > x),
    "first_below": lambda b, v, x: _first_where(b, v < x),
    "at_block": lambda b, v, x: float(v[b <= x][-1]) if (b <= x).any() else np.nan,
}


@dataclass(frozen=True)
class Reduction:
    """A number of a measure's course over a run.

    Attributes:
        kind: A name in `PLAIN` or `WITH_NUMBER`.
        measure: Its name; with * or ?, the sum of all that it stands for.
        number: What the kind takes, if it takes one.
    """

    kind: str
    measure: str
    number: float | None = None

    @classmethod
    def parse(cls, text: str) -> Reduction:
        """Read ``kind(measure)`` or ``kind(measure, number)``.

        Raises:
            ValueError: If it is neither.
        """
        found = _FORM.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is no reduction; write one as last(lending.bank.bad_debt)")
        kind, measure, number = found.groups()
        if kind not in PLAIN and kind not in WITH_NUMBER:
            known = did_you_mean(kind, [*PLAIN, *WITH_NUMBER])
            raise ValueError(f"unknown reduction {kind!r}; {known}")
        if (kind in WITH_NUMBER) != (number is not None):
            form = f"{kind}({measure}, 0.5)" if kind in WITH_NUMBER else f"{kind}({measure})"
            raise ValueError(f"write it as {form}")
        if number is None:
            return cls(kind, measure)
        try:
            x = float(number)
        except ValueError:
            raise ValueError(f"{number!r} is not a number") from None
        if kind == "quantile" and not 0.0 <= x <= 1.0:
            raise ValueError(f"a quantile is from 0 to 1, not {x:g}")
        return cls(kind, measure, x)

    def columns(self, names: Sequence[str]) -> list[int]:
        """Places of the measures that it reads.

        Raises:
            ValueError: If there is none.
        """
        there = [i for i, name in enumerate(names) if fnmatchcase(name, self.measure)]
        if not there:
            raise ValueError(f"no measure {self.measure!r}; {did_you_mean(self.measure, names)}")
        return there

    def apply(self, blocks: Array, table: Array, columns: Sequence[int]) -> float:
        """The number.

        Args:
            blocks: float64[rows].
            table: float64[rows, measures].
            columns: From `columns`.

        Returns:
            NaN where the measure never was a number.
        """
        values = table[:, columns[0]] if len(columns) == 1 else table[:, columns].sum(axis=1)
        there = np.isfinite(values)
        if not there.all():
            blocks, values = blocks[there], values[there]
        if not values.size:
            return np.nan
        if self.number is None:
            return PLAIN[self.kind](blocks, values)
        return WITH_NUMBER[self.kind](blocks, values, self.number)
