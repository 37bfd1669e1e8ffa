"""Receipts of all calls, with names instead of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim import registry
from sim.codes import Kind, Reason
from sim.handles import Handle
from sim.records import RECEIPT
from sim.world import World

if TYPE_CHECKING:
    from sim.market import Market


class ReceiptBook:
    """Keeps receipts as the kernels wrote them, until somebody asks."""

    def __init__(self, market: Market) -> None:
        """Keep the receipts of a market."""
        self.market = market
        self._chunks: list[npt.NDArray[np.void]] = []

    def take(self, world: World) -> None:
        """Take over what the kernels have written."""
        n = int(world.chain[0]["receipts"])
        if n:
            self._chunks.append(world.receipts[:n].copy())
            world.chain[0]["receipts"] = 0

    def records(self) -> npt.NDArray[np.void]:
        """All receipts so far, RECEIPT[n], in the order of execution."""
        if len(self._chunks) > 1:
            self._chunks = [np.concatenate(self._chunks)]
        return self._chunks[0] if self._chunks else np.zeros(0, RECEIPT)

    def drain(self) -> npt.NDArray[np.void]:
        """Give up the receipts since the last call: they are kept here no longer."""
        records, self._chunks = self.records(), []
        return records

    def frame(self, records: npt.NDArray[np.void] | None = None) -> pd.DataFrame:
        """All receipts so far, or those given, a row per call.

        Columns: block; transaction (its number) and call (place in it); sender,
        cohort (its group), kind, protocol, token_in, amount_in, token_out, amount_out,
        counterparty; gas (units, of the whole transaction) and gas_price (gwei);
        status ("done", "reverted", "expired", or "dropped": a sealed bundle that failed, for
        which nothing was paid), reason; waited (blocks in the
        mempool); possible (of a liquidation: blocks since it first was possible).
        """
        r = self.records() if records is None else records
        market = self.market
        accounts = np.array([*market.ledger.accounts, ""], dtype=object)
        tokens = np.array([*market.ledger.tokens, ""], dtype=object)
        cohorts = np.array([*market.cohorts, ""], dtype=object)[r["cohort"]]
        for name, group in market.joined.items():
            cohorts[np.isin(r["sender"], group.members)] = name
        status = np.where(
            r["status"] == Reason.DONE,
            "done",
            np.where(r["status"] == Reason.EXPIRED, "expired", "reverted"),
        )
        status[r["status"] == Reason.DROPPED] = "dropped"
        return pd.DataFrame(
            {
                "block": r["block"],
                "transaction": r["number"],
                "call": r["call"].astype(np.int64),
                "sender": pd.Categorical(accounts[r["sender"]]),
                "cohort": pd.Categorical(cohorts),
                "kind": pd.Categorical(self._kinds(r)),
                "protocol": pd.Categorical(self._protocols(r)),
                "token_in": pd.Categorical(tokens[r["token_in"]]),
                "amount_in": r["amount_in"],
                "token_out": pd.Categorical(tokens[r["token_out"]]),
                "amount_out": r["amount_out"],
                "counterparty": pd.Categorical(accounts[r["counterparty"]]),
                "gas": r["gas"],
                "gas_price": r["gas_price"],
                "status": pd.Categorical(status),
                "reason": pd.Categorical(_names(Reason)[r["status"]]),
                "waited": r["waited"].astype(np.int64),
                "possible": r["possible"].astype(np.int64),
            }
        )

    def _kinds(self, r: npt.NDArray[np.void]) -> npt.NDArray[np.object_]:
        """What each call did, in a word; protocols that declare themselves have their own."""
        names = _names(Kind)[r["kind"]]
        for n, protocol in enumerate(self.market.declared):
            among = (r["kind"] == Kind.PROTOCOL) & (r["protocol"] == n)
            if among.any():
                words = np.array([call.name for call in protocol.calls], dtype=object)
                names[among] = words[r["action"][among]]
        return names

    def _protocols(self, r: npt.NDArray[np.void]) -> npt.NDArray[np.object_]:
        """Name of what each call was sent to: its kind says which protocols its number counts."""
        names = np.full(r.size, "", dtype=object)
        for kind, of in registry.called().items():
            among = r["kind"] == kind
            if of and among.any():
                names[among] = self._instances(of, r["protocol"][among])
        return names

    def _instances(self, of: str, places: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
        """Names of some of the handles that an attribute of the market holds."""
        handles = getattr(self.market, of)
        if isinstance(handles, Handle):
            return np.full(places.size, handles.name, dtype=object)
        held = handles.values() if isinstance(handles, Mapping) else handles
        protocols = [handle.name for handle in held]
        # A call may name a protocol that is not there; it was refused.
        places = np.where(places < len(protocols), places, -1)
        return np.array([*protocols, ""], dtype=object)[places]


def _names(codes: type[Kind] | type[Reason]) -> npt.NDArray[np.object_]:
    return np.array([code.name.lower() for code in codes], dtype=object)
