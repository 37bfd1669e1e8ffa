"""Generations of liquidations: who could have been pushed over by whom."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sim.codes import Kind, Reason

GENERATIONS = ("first", "second", "third", "fourth and later")
QUIET = 25
"""Blocks without a liquidation, beyond the oracle's lag, after which a cascade is over."""


class Generations:
    """Counts liquidations by the longest chain that can have led to them.

    A liquidation can have pushed over a position if it was made in a block whose
    prices the oracle had read when that position first could be liquidated. A
    position that nobody can have pushed is of the first generation; any other comes
    one after the latest generation among those that can have pushed it. This is the
    order that time allows, not a proof of cause; a twin run without a link is that.

    Attributes:
        value: float64[4], debt repaid since the start by generation, numeraire.
        count: int64[4], liquidations.
    """

    def __init__(self, lag: int = 0, quiet: int = QUIET) -> None:
        """Begin without any.

        Args:
            lag: Blocks that the oracles are late.
            quiet: Blocks beyond the lag without a liquidation that end a cascade.
        """
        self.lag = lag
        self.quiet = quiet
        self.value = np.zeros(len(GENERATIONS))
        self.count = np.zeros(len(GENERATIONS), np.int64)
        self._blocks: list[int] = []
        self._latest: list[int] = []
        """The latest generation up to each of these blocks, of the cascade under way."""

    def take(
        self, receipts: npt.NDArray[np.void], worth: Callable[[int], float]
    ) -> npt.NDArray[np.int64]:
        """Take the receipts of blocks that follow those taken before.

        Args:
            receipts: `sim.records.RECEIPT`, in the order of execution.
            worth: Numeraire per unit of a token, by its column.

        Returns:
            int64[n], the generation of each liquidation among them, from 0.
        """
        done = receipts[(receipts["kind"] == Kind.LIQUIDATE) & (receipts["status"] == Reason.DONE)]
        found = np.empty(len(done), np.int64)
        for i, receipt in enumerate(done):
            block = int(receipt["block"])
            generation = self._generation(block, max(int(receipt["possible"]), 0))
            found[i] = generation
            place = min(generation, len(GENERATIONS) - 1)
            self.value[place] += receipt["amount_in"] * worth(int(receipt["token_in"]))
            self.count[place] += 1
        return found

    def _generation(self, block: int, waited: int) -> int:
        failed = block - waited
        if self._blocks and failed - self._blocks[-1] > self.lag + self.quiet:
            self._blocks, self._latest = [], []
        before = bisect_right(self._blocks, failed - 1 - self.lag)
        generation = self._latest[before - 1] + 1 if before else 0
        if self._blocks and self._blocks[-1] == block:
            self._latest[-1] = max(self._latest[-1], generation)
        else:
            latest = self._latest[-1] if self._latest else 0
            self._blocks.append(block)
            self._latest.append(max(latest, generation))
        return generation
