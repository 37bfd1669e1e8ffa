"""The state of a market as kernels take it: one pointer to few, structured arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sim.ledger import Books
from sim.measures import MEASURE
from sim.parts import tables
from sim.records import ASKED, CALL, CHAIN, COHORT, RECEIPT, ROUTE, RULES, SENDER, UNDER_WAY
from sim.structure import Structure
from sim.venue import ASSET, QUOTE


class World(Structure):
    """Everything that happens, happens in these arrays.

    Those of protocols are of the parts that bring them (`sim.parts.Part.tables`).

    Attributes:
        books: The ledger.
        rules: RULES[1], settings of the block; `chain` CHAIN[1], the block and its price;
            `under_way` UNDER_WAY[1], the transaction that is carried out; `asked` ASKED[1],
            what one kernel asks of another through an address.
        assets: ASSET[n] of the venue; `cholesky` float64[n, n] correlates them and
            `paths` float64[rows, blocks + 1] are log prices that are replayed; `quotes` QUOTE[n]
            are those of agents there.
        pools: POOL[n].
        markets: MARKET[n]; `reserves` RESERVE[n] of all of them.
        feeds: FEED[n]; `rings` float64[n, length] is their memory.
        debtors: int64[markets, accounts], rows that may have a debt;
            `since` int64[markets, accounts], block since which an account can be
            liquidated, -1 while it cannot, -2 where it is not listed.
        health: float64[markets, accounts], health factors in the order of
            `debtors`, as of this block's feeds.
        insolvent: int64[markets, accounts], block since which an account's debts exceed its
            collateral, -1: they do not; `defaulted` DEFAULTED[n + 1] tells of those closed.
        senders: SENDER[accounts].
        mempool: CALL[n]; `queue` int64[n] and `keys` uint64[2, n] order it.
        receipts: RECEIPT[n].
        tally: int64[cohorts + 1, reasons], transactions by how they ended; the
            last row is of senders without a cohort.
        cohorts: COHORT[n].
        cells: float64, the cohorts' columns one after the other;
            `memory` float64 and `places` int64 likewise.
        values: float64[tokens], numeraire per unit, as last measured.
        prices: float64[tokens], numeraire per unit, as the block under way began.
        measures: MEASURE[n], what is measured; `table` float64[rows, n] the results
            and `rows` int64[2] how many rows are filled, and the blocks between two.
        sums: float64[cohorts + 1, tokens], holdings by class as last summed.
        start: float64[classes, tokens], what cohorts and then special accounts held
            at the start, in base tokens (a share as its part of the reserves);
            `start_worth` float64[classes] its value then.
        protocols: PROTOCOL[n], those that declare themselves; `actions` ACTION[n] are their
            calls and `issues` ISSUE[n] their tokens; `order` ORDER[1] is the call under way.
        claimers: int64[protocols] or none, addresses of what notes claims on each that are no
            tokens, 0: nothing; `noted` CLAIM[n] those told in plain Python, `listed` CLAIM[n]
            room to list those on one protocol (`sim.measures.list_claim`).
        calls: int64[kinds], addresses of what carries out each kind of call; 0: not compiled.
        tasks: int64[stages, n], addresses of what protocols do by themselves, `sim.tasks`.
        claimed: float64[tokens], claims of ``asked.claimant``.
        scratch: float64[n], for sorting.
        whose: int64[accounts], entities of the account of losses (`sim.losses`), of which
            `issued_by` int64[tokens] and `issues_claims` int64[entities] say who issues what;
            `ledgered` float64[layers, entities, tokens], `quoted` float64[layers, tokens] and
            `lost` float64[layers, entities, causes] are that account; `brought` float64[accounts]
            what investors outside have brought to each, numeraire.
    """

    fields: ClassVar[Mapping[str, Any]] = {
        "books": Books,
        "rules": (RULES, 1),
        "chain": (CHAIN, 1),
        "under_way": (UNDER_WAY, 1),
        "asked": (ASKED, 1),
        "assets": (ASSET, 1),
        "cholesky": ("f8", 2),
        "paths": ("f8", 2),
        "quotes": (QUOTE, 1),
        "senders": (SENDER, 1),
        "mempool": (CALL, 1),
        "queue": ("i8", 1),
        "keys": ("u8", 2),
        "receipts": (RECEIPT, 1),
        "tally": ("i8", 2),
        "cohorts": (COHORT, 1),
        "cells": ("f8", 1),
        "memory": ("f8", 1),
        "places": ("i8", 1),
        "values": ("f8", 1),
        "prices": ("f8", 1),
        "measures": (MEASURE, 1),
        "table": ("f8", 2),
        "rows": ("i8", 1),
        "sums": ("f8", 2),
        "start": ("f8", 2),
        "start_worth": ("f8", 1),
        "claims": ("f8", 2),
        "routes": (ROUTE, 1),
        "calls": ("i8", 1),
        "tasks": ("i8", 2),
        "claimed": ("f8", 1),
        "scratch": ("f8", 1),
        **tables(),
    }
    books: Books
    rules: npt.NDArray[np.void]
    chain: npt.NDArray[np.void]
    under_way: npt.NDArray[np.void]
    asked: npt.NDArray[np.void]
    assets: npt.NDArray[np.void]
    cholesky: npt.NDArray[np.float64]
    paths: npt.NDArray[np.float64]
    quotes: npt.NDArray[np.void]
    pools: npt.NDArray[np.void]
    markets: npt.NDArray[np.void]
    reserves: npt.NDArray[np.void]
    feeds: npt.NDArray[np.void]
    rings: npt.NDArray[np.float64]
    debtors: npt.NDArray[np.int64]
    since: npt.NDArray[np.int64]
    health: npt.NDArray[np.float64]
    insolvent: npt.NDArray[np.int64]
    defaulted: npt.NDArray[np.void]
    senders: npt.NDArray[np.void]
    mempool: npt.NDArray[np.void]
    queue: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]
    receipts: npt.NDArray[np.void]
    tally: npt.NDArray[np.int64]
    cohorts: npt.NDArray[np.void]
    cells: npt.NDArray[np.float64]
    memory: npt.NDArray[np.float64]
    places: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    prices: npt.NDArray[np.float64]
    measures: npt.NDArray[np.void]
    table: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]
    start: npt.NDArray[np.float64]
    start_worth: npt.NDArray[np.float64]
    claims: npt.NDArray[np.float64]
    routes: npt.NDArray[np.void]
    funds: npt.NDArray[np.void]
    margin: npt.NDArray[np.void]
    margin_failed: npt.NDArray[np.void]
    protocols: npt.NDArray[np.void]
    actions: npt.NDArray[np.void]
    issues: npt.NDArray[np.void]
    order: npt.NDArray[np.void]
    claimers: npt.NDArray[np.int64]
    noted: npt.NDArray[np.void]
    listed: npt.NDArray[np.void]
    calls: npt.NDArray[np.int64]
    tasks: npt.NDArray[np.int64]
    claimed: npt.NDArray[np.float64]
    scratch: npt.NDArray[np.float64]
    whose: npt.NDArray[np.int64]
    issued_by: npt.NDArray[np.int64]
    issues_claims: npt.NDArray[np.int64]
    ledgered: npt.NDArray[np.float64]
    quoted: npt.NDArray[np.float64]
    lost: npt.NDArray[np.float64]
    brought: npt.NDArray[np.float64]
