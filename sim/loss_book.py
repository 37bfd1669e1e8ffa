"""The account of who has lost what to what, as a person holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim import balance_sheets, build
from sim.losses import (
    CAUSES,
    CLAIMED,
    HELD,
    NOW,
    START,
    TOTAL,
    Cause,
    begin_account,
    book_outside,
    empty,
)
from sim.measures import value_tokens

if TYPE_CHECKING:
    from sim.market import Market


class LossBook:
    """The account of a market: its entities, and what they have lost to what.

    Attributes:
        names: Of the entities, as in `sim.market.Market.balance_sheets` by group.
        kinds: Of each.
    """

    def __init__(self, market: Market) -> None:
        """Keep the account of a market, if its scenario asks for it."""
        self.market = market
        self.kept = bool(market.setup.measures.losses)
        self.names: list[str] = []
        self.kinds: list[str] = []
        self._own = np.zeros((0, 0))
        self._worth = np.zeros(0)

    def begin(self) -> None:
        """Begin now: what everybody holds is the start."""
        if not self.kept:
            return
        self._map()
        begin_account(self.market.world)
        world = self.market.world
        for e in range(len(self.names)):
            behind = build.underlying(world, world.ledgered[HELD, e])
            world.ledgered[START, e] = behind + world.ledgered[CLAIMED, e]
        self._note_own()

    def _note_own(self) -> None:
        """Note what accounts that are new hold, in base tokens, and what that is worth."""
        market, known = self.market, len(self._own)
        balances = market.ledger.balances
        own = np.zeros_like(balances)
        own[:known, : self._own.shape[1]] = self._own
        for t in np.flatnonzero(balances[known:].any(axis=0)):
            unit = np.zeros(balances.shape[1])
            unit[t] = 1.0
            own[known:] += balances[known:, t, None] * build.underlying(market.world, unit)
        if not known:
            for handle in market.protocols.values():
                owners, tokens, amounts = handle.owed()
                if owners.size:
                    rows = np.broadcast_to(owners[:, None], amounts.shape)
                    np.add.at(own, (rows, tokens), amounts)
        self._own = own
        value_tokens(market.world)
        worth = (own * market.world.values).sum(axis=1)
        worth[:known] = self._worth
        self._worth = worth

    def _map(self) -> None:
        """Give every entity a row, those that had one with what is booked there."""
        market, ledger = self.market, self.market.ledger
        names, kinds, _, of = balance_sheets.members(market)
        old, were = market.world, self.names
        rows = {name: e for e, name in enumerate(names)}
        arrays = empty(len(ledger.accounts), len(names), len(ledger.tokens))
        arrays["whose"][:] = of
        arrays["brought"][: old.brought.size] = old.brought
        for t, issuer in enumerate(ledger.issuers.values()):
            if issuer:
                arrays["issued_by"][t] = rows[issuer]
                arrays["issues_claims"][rows[issuer]] = 1
        tokens = old.quoted.shape[1]
        arrays["quoted"][:, :tokens] = old.quoted
        for e, name in enumerate(were):
            if name in rows:
                arrays["ledgered"][:, rows[name], :tokens] = old.ledgered[:, e]
                arrays["lost"][:, rows[name]] = old.lost[:, e]
        self.names, self.kinds = names, kinds
        market.world = old._replace(**arrays)

    def grown(self) -> None:
        """Take in accounts, groups and tokens that are new."""
        if self.kept and self.names:
            self._map()
            self._note_own()
            self.sync()

    def sync(self) -> None:
        """Book what Python has done since the last look."""
        if self.kept and self.names:
            book_outside(self.market.world, self._start())

    def _start(self) -> npt.NDArray[np.float64]:
        """What each entity's results are counted from, as it stands: float64[entities, tokens]."""
        market, world = self.market, self.market.world
        found = world.ledgered[START].copy()
        rows = {name: e for e, name in enumerate(self.names)}
        for row, name in enumerate((*market.cohorts, *market.special_accounts)):
            found[rows[name]] = world.start[row]
        for name, group in market.joined.items():
            if name in rows:
                found[rows[name]] = 0.0
                found[rows[name], : group.start.size] = group.start
        return found

    def frame(self) -> pd.DataFrame:
        """The account as it stands; see `sim.market.Market.losses`."""
        market = self.market
        market._note_claims()
        self.sync()
        sheets = balance_sheets.balance_sheets(market)
        equity = sheets["equity"].to_numpy()
        uncovered = self._uncovered(equity)
        values = market.world.values
        frame = sheets[["entity", "kind"]].copy()
        if self.kept:
            # Every step is valued by itself; what rounding makes of them all together is other.
            booked = market.world.lost[NOW].copy()
            start = (market.world.ledgered[START] * values).sum(axis=-1)
            held = equity - start
            booked[:, Cause.OTHER] += held - booked.sum(axis=1)
            booked[:, Cause.BAD_DEBT] += uncovered
            frame[TOTAL] = booked.sum(axis=1)
            for cause in Cause:
                frame[CAUSES[cause]] = booked[:, cause]
            return frame
        starts = self._starts_of_classes(values)
        frame[TOTAL] = equity + uncovered - frame["entity"].map(starts).to_numpy(np.float64)
        for name in CAUSES:
            frame[name] = np.nan
        return frame.dropna(subset=[TOTAL]).reset_index(drop=True)

    def by_account(self) -> pd.DataFrame:
        """What each account has gained or lost; see `sim.market.Market.losses`.

        Raises:
            ValueError: If the scenario does not keep the account.
        """
        if not self.kept:
            raise ValueError(
                "losses by account are counted from what each held at the start; "
                "set measures.losses = true in the scenario"
            )
        market = self.market
        market._note_claims()
        self.sync()
        by = balance_sheets.ACCOUNT
        names, kinds, groups, of = balance_sheets.members(market, by)
        equity = balance_sheets.balance_sheets(market, by)["equity"].to_numpy()
        uncovered = self._uncovered(equity, by)
        values = market.world.values
        began = (self._own * values).sum(axis=1) + market.world.brought
        starts = np.bincount(of, began, len(names))
        rows = {name: e for e, name in enumerate(self.names)}
        for e, name in enumerate(names):  # what scripts and shocks move is noted of these
            if name in rows:
                starts[e] = (market.world.ledgered[START, rows[name]] * values).sum()
        return pd.DataFrame(
            {
                "entity": names,
                "kind": kinds,
                "group": groups,
                "began": np.bincount(of, self._worth + market.world.brought, len(names)),
                "start": starts,
                TOTAL: equity + uncovered - starts,
            }
        )

    def _starts_of_classes(self, values: npt.NDArray[np.float64]) -> dict[str, float]:
        """What groups' and special accounts' starts would be worth now, numeraire."""
        market = self.market
        classes = (*market.cohorts, *market.special_accounts)
        found = {
            n: float((market.world.start[row] * values).sum()) for row, n in enumerate(classes)
        }
        for name, group in market.joined.items():
            found[name] = float((group.start * values[: group.start.size]).sum())
        return found

    def _uncovered(
        self, equity: npt.NDArray[np.float64], by: str = balance_sheets.GROUP
    ) -> npt.NDArray[np.float64]:
        """What each entity would gain if all that is not covered were written off now.

        It is tried out on the ledger, by the rules of those who would write it off, and taken
        back: so what stands on a claim that falls, falls with it.
        """
        market, books = self.market, self.market.ledger.books
        kept = [array.copy() for array in (books.balances, books.supply, books.storage)]
        head = books.head.copy()
        value_tokens(market.world)
        any_written = False
        for handle in market.protocols.values():
            any_written |= handle.write_down(market.world.values)
            if any_written:
                value_tokens(market.world)
        for part in market._parts:
            any_written |= part.write_down(market, market.world.values)
        try:
            if not any_written:
                return np.zeros_like(equity)
            then = balance_sheets.balance_sheets(market, by)["equity"].to_numpy()
            return np.asarray(then - equity)
        finally:
            for array, was in zip((books.balances, books.supply, books.storage), kept, strict=True):
                array[:] = was
            books.head[:] = head
            value_tokens(market.world)
