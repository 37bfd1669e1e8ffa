"""When enough seeds have run: ``ci(bad_debt) < 5% and ci(q95(liquidated)) < 2e4``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runs.study.statistics import interval, statistic

_TERM = re.compile(
    r"\s*ci\(\s*(?:(\w+)\(\s*(\w+)\s*\)|(\w+))\s*\)\s*<\s*([-+.\deE]+)\s*(%?)\s*", re.ASCII
)
FEWEST = 5
"""Runs below which no interval is believed."""


@dataclass(frozen=True)
class Term:
    """Half the width of an interval, below a bound.

    Attributes:
        measure: A kept or derived column.
        statistic: Of it, as `runs.study.statistics.statistic` knows it.
        bound: Largest half-width.
        relative: Whether the bound is a share of the estimate.
    """

    measure: str
    statistic: str
    bound: float
    relative: bool


@dataclass(frozen=True)
class Rule:
    """Terms that must all hold."""

    terms: tuple[Term, ...]

    @property
    def measures(self) -> list[str]:
        """Columns that it reads."""
        return [term.measure for term in self.terms]

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read a rule.

        Raises:
            ValueError: If it makes no sense.
        """
        terms = []
        for part in re.split(r"\band\b", text):
            found = _TERM.fullmatch(part)
            if not found:
                form = 'write it as "ci(bad_debt) < 5%" or "ci(q95(bad_debt)) < 1000"'
                raise ValueError(f"until: {part.strip()!r} is no rule; {form}")
            name, inside, plain, number, percent = found.groups()
            statistic(name or "mean")
            try:
                bound = float(number)
            except ValueError:
                raise ValueError(f"until: {number!r} is not a number") from None
            if not bound > 0.0:
                raise ValueError(f"until: no interval is narrower than {number}; give more")
            terms.append(
                Term(
                    inside or plain,
                    name or "mean",
                    bound / 100.0 if percent else bound,
                    bool(percent),
                )
            )
        return cls(tuple(terms))

    def holds(
        self,
        columns: Mapping[str, npt.ArrayLike],
        level: float = 0.95,
        resamples: int = 2000,
    ) -> bool:
        """Whether the intervals of a sample are narrow enough.

        Args:
            columns: Values by measure, a number per run; failed runs are NaN.
            level: Of the intervals.
            resamples: Of the bootstrap.
        """
        for term in self.terms:
            x = np.asarray(columns[term.measure], dtype=np.float64)
            if np.isfinite(x).sum() < FEWEST:
                return False
            found = interval(x, term.statistic, level, resamples)
            bound = term.bound * abs(found.estimate) if term.relative else term.bound
            if found.half_width > bound:
                return False
        return True
