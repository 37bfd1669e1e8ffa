"""Who of the holders of a promise has lost: by size, and by the order in which they left.

A run on a coin, a bank or a queue pays the first and leaves the last with what is left.
`holders` joins each holder's losses (``market.losses(by="account")``) with the block in which it
first gave the token away, from the receipts. Who is large leaves first where size buys attention
(Liu, Makarov, Schoar, "Anatomy of a run: the Terra Luna crash", 2023).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sim.errors import did_you_mean
from sim.losses import TOTAL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sim import Market

STAYED = "stayed"
"""Class, by order, of those who gave nothing away."""


@dataclass(frozen=True)
class Holders:
    """Holders of a claim, with the loss of each.

    Attributes:
        frame: A row for each: entity, group, began (what it had at the start, at the prices of
            then), lost (what it has less now than began), behind (what it has less than had it
            held the same tokens; numeraire, gains negative), left (block of its first exit; NaN: it
            stayed) and order (its place among those who left, from 1).
        exits: What counts as leaving, in words.
    """

    frame: pd.DataFrame
    exits: str

    def by_size(self, classes: int = 4) -> pd.DataFrame:
        """Losses of equally many holders each, the smallest first.

        Args:
            classes: How many.

        Returns:
            By class ("1" is that of the smallest): holders, began, lost, behind, share (lost over
            began), left (share of them who did), median_left (block).

        Raises:
            ValueError: If there are fewer holders than classes, or no class.
        """
        if not 1 <= classes <= len(self.frame):
            raise ValueError(
                f"classes must be from 1 to {len(self.frame)} (holders), not {classes}"
            )
        # In the order of size; of equals the first in the ledger.
        ranks = self.frame["began"].rank(method="first").to_numpy()
        places = np.ceil(ranks * classes / len(ranks)).astype(int)
        return self._classes(pd.Series(places, self.frame.index).astype(str))

    def by_order(self, classes: int = 4) -> pd.DataFrame:
        """Losses of equally many of those who left, the first first, and of those who stayed.

        Args:
            classes: Of those who left; fewer where fewer did.

        Raises:
            ValueError: If `classes` is below 1.
        """
        if classes < 1:
            raise ValueError(f"classes must be at least 1, not {classes}")
        order = self.frame["order"]
        left = int(order.notna().sum())
        many = max(min(classes, left), 1)
        places = np.ceil(order.fillna(0.0) * many / max(left, 1)).astype(int)
        return self._classes(places.astype(str).where(order.notna(), STAYED))

    def _classes(self, of: pd.Series[Any]) -> pd.DataFrame:
        found = self.frame.groupby(of).agg(
            holders=("began", "size"),
            began=("began", "sum"),
            lost=("lost", "sum"),
            behind=("behind", "sum"),
            left=("left", lambda blocks: float(blocks.notna().mean())),
            median_left=("left", "median"),
        )
        found.insert(4, "share", found["lost"] / found["began"].where(found["began"] > 0.0))
        ranked = sorted(found.index, key=lambda name: (name == STAYED, len(name), name))
        return found.loc[ranked].rename_axis("class")

    def plot(self, classes: int = 4) -> Figure:
        """Share lost by size and by order, side by side."""
        figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.2), sharey=True, layout="constrained")
        tables = (self.by_size(min(classes, len(self.frame))), self.by_order(classes))
        words = ("holders by size, smallest first", "holders by exit, earliest first")
        for axis, table, text in zip(axes, tables, words, strict=True):
            axis.bar(table.index, 100.0 * table["share"], color="tab:blue")
            axis.axhline(0.0, color="black", lw=0.8)
            axis.set_xlabel(text)
            axis.grid(axis="y", alpha=0.3)
        axes[0].set_ylabel("loss, % of initial holding")
        return figure


def holders(market: Market, groups: Iterable[str] | str, tokens: Iterable[str] | str) -> Holders:
    """Losses and exit times of the holders of a claim.

    Args:
        market: After its run; ``measures.losses = true`` and receipts kept in its scenario.
        groups: Of the holders.
        tokens: Of the promise: the first done call in which a holder pays one in (a sale, a
            redemption, a request, a withdrawal) is its exit.

    Raises:
        ValueError: If a group, a token, the account of losses or the receipts are missing; it
            says which and what to do.
    """
    wanted = [groups] if isinstance(groups, str) else list(groups)
    named = [tokens] if isinstance(tokens, str) else list(tokens)
    known = [*market.cohorts, *market.joined]
    for group in wanted:
        if group not in known:
            raise ValueError(f"no group {group!r}; {did_you_mean(group, known)}")
    for token in named:
        if token not in market.ledger.tokens:
            raise ValueError(f"no token {token!r}; {did_you_mean(token, market.ledger.tokens)}")
    if not market.world.rules[0]["keep_receipts"]:
        raise ValueError('exits are read off the receipts; set measures.receipts = "all"')
    each = market.losses(by="account")
    each = each[each["group"].isin(wanted)].reset_index(drop=True)
    receipts = market.receipts()
    out = receipts[(receipts["status"] == "done") & receipts["token_in"].isin(named)]
    first = out.groupby("sender", observed=True)["block"].min()
    frame = each[["entity", "group", "began"]].copy()
    frame["lost"] = each["began"] - each["start"] - each[TOTAL]
    frame["behind"] = -each[TOTAL]
    frame["left"] = frame["entity"].map(first.astype(float).to_dict()).astype(float)
    frame["order"] = frame["left"].rank(method="first")
    return Holders(frame, f"first {' or '.join(named)} paid in")
