"""The state of a market as kernels take it: one pointer to few, structured arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from protocols.insurance import FUND
from protocols.lending import MARKET, RESERVE
from protocols.oracle import FEED
from protocols.pool import POOL
from sim.codes import MOST_HOPS
from sim.ledger import Books
from sim.measures import MEASURE
from sim.structure import Structure
from sim.venue import ASSET

PHASES = 8
"""Room for phases, `sim.codes.Phase`."""
KINDS = 16
"""Room for kinds of call in the table of gas costs."""

CHAIN = np.dtype(
    [
        ("block", "i8"),  # number of the block being made, from 1
        ("seconds", "f8"),  # between blocks
        ("numeraire", "i8"),  # token
        ("venue", "i8"),  # account
        ("producer", "i8"),  # account that receives priority fees
        ("gas_token", "i8"),
        ("ordering", "i8"),
        ("fee_market", "i8"),
        ("stream", "u8"),  # of the block's own draws
        ("key", "u8"),  # that stream in this block
        ("expiry", "i8"),  # blocks
        ("gas_limit", "f8"),  # gas a block
        ("revert_gas", "f8"),  # share of its gas that a reverted transaction uses
        ("base_fee", "f8"),  # gwei
        ("least_base_fee", "f8"),  # gwei
        ("priority_fee", "f8"),  # that a sender who says nothing pays the producer, gwei
        ("premium", "f8"),  # least bid that went in over the base fee of its block, gwei
        ("outside_gas", "f8"),  # demand of the rest of the world, share of the limit
        ("outside_median", "f8"),  # of its bids, gwei
        ("outside_sigma", "f8"),  # of the log of its bids
        ("price_response", "f8"),  # elasticity of its bids to volatility
        ("quantity_response", "f8"),
        ("stress_memory", "f8"),  # weight of the last block in what it notices
        ("stress", "f8"),  # log of volatility over normal, as it is noticed
        ("surge", "f8"),  # multiple that a shock puts on outside bids and quantity
        ("surge_until", "i8"),  # block
        ("gas_price", "f8"),  # least bid that went in, gwei
        ("mean_gas_price", "f8"),  # of what the rest of the world paid, gwei
        ("gas_used", "f8"),  # share of the limit
        ("waiting", "i8"),  # calls in the mempool
        ("next_number", "i8"),  # of the next transaction
        ("lost", "i8"),  # transactions refused because the mempool was full
        ("customs", "i8"),  # protocols in plain Python
        ("refused", "i8"),  # and because a number in them made no sense
        ("sent", "i8"),
        ("receipts", "i8"),  # rows used
        ("keep_receipts", "i8"),
        ("bundle_head", "i8"),  # where the transaction under execution starts
        ("bundle_call", "i8"),  # its call that waits for a plain protocol
        ("bundle_previous", "f8"),
        ("bundle_mark", "i8"),  # place in the journal where its present call began
        ("queue_at", "i8"),
        ("queue_length", "i8"),
        ("gas_bought", "f8"),  # by the transactions of this block
        ("gas_cost", "f8", (KINDS,)),  # gas of each kind of call
        ("phases", "i8", (PHASES,)),  # addresses of what a block calls, `sim.kernel.Phase`
        ("call_place", "i8"),  # of the call to carry out, in the mempool
        ("call_previous", "f8"),  # what the call before gave
        ("call_reason", "i8"),  # how it ended
        ("call_in", "f8"),
        ("call_out", "f8"),
        ("call_possible", "i8"),  # blocks since it first was possible, -1: not said
        ("claimant", "i8"),  # account whose claims are summed, -1: those of all classes
        ("summed", "i8"),  # 1: `sums` are of this row of measures
        ("leak", "f8"),  # largest that the audit under way has found, relative
        ("ask_in", "i8"),  # of a route: token
        ("ask_out", "i8"),
        ("ask_amount", "f8"),
        ("ask_cost", "f8"),  # of a swap, in units of `ask_out`
        ("routes", "i8"),  # found
        ("route_out", "f8"),  # what they give together
        ("flashes", "i8"),  # flash loans of the transaction under way
        ("flash_market", "i8", (4,)),
        ("flash_token", "i8", (4,)),
        ("flash_amount", "f8", (4,)),
        ("nested", "i8"),  # 1: a pool holds another's share, or a receipt
        ("interconnected", "i8"),  # 1: agents use several pools
        ("bundle_traded", "f8"),  # by swaps of the transaction under way, numeraire
        ("bundle_paid", "f8"),  # paid into them less received, numeraire
        ("guarded", "i8"),  # 1: a pool has safeguards, or something is insured
        ("ranges", "i8"),  # pools of concentrated liquidity
        ("stopped", "i8"),  # place of the call that waits for Python; -1: the block is executed
        ("plain_between", "i8"),  # 1: a protocol does something in Python between blocks
    ]
)

CALL = np.dtype(
    [
        ("number", "i8"),  # of the transaction
        ("stream", "u8"),  # of its sender's draws for places in a block
        ("nonce", "i4"),  # of the transaction among its sender's
        ("sender", "i4"),
        ("arrived", "i4"),  # block
        ("expires", "i4"),  # last block it is good for
        ("counterparty", "i4"),  # account: borrower, receiver
        ("protocol", "i4"),  # index among its kind
        ("cohort", "i2"),
        ("token_in", "i2"),
        ("token_out", "i2"),
        ("calls", "i2"),  # of the transaction, on its first call; 0 on the others
        ("kind", "i2"),
        ("action", "i2"),  # of a protocol that declares itself: which of its calls
        ("gone", "i4"),  # 1: leaves the mempool at the end of the block
        ("amount", "f8"),
        ("second", "f8"),  # a second amount, where a call has two
        ("limit", "f8"),
        ("gas", "f8"),  # units, on the first call: of the whole transaction
        ("bid", "f8"),  # most it pays, gwei per unit of gas
        ("tip", "f8"),  # most of that which goes to the producer
        ("lower", "i4"),  # ticks of a position
        ("upper", "i4"),
    ]
)
"""A call that waits; its numbers lie on their natural boundaries."""

SENDER = np.dtype(
    [
        ("stream", "u8"),  # of its draws for places in a block
        ("nonce", "i4"),  # transactions that it has sent
        ("retired", "i4"),  # 1: it may send nothing any more
    ]
)
"""An account, as the mempool knows it."""

PROTOCOL = np.dtype(
    [
        ("account", "i8"),
        ("first", "i8"),  # its calls are `actions` [first, first + calls)
        ("calls", "i8"),
        ("record", "i8"),  # address of what its kernels read as `me`
        ("between", "i8"),  # address of what it does between blocks, 0: nothing
        ("leak", "i8"),  # address of its own audit, 0: none
        ("plain", "i8"),  # 1: its calls are carried out in Python
    ]
)
"""A protocol that declares itself, as the block knows it."""

ACTION = np.dtype([("address", "i8"), ("gas", "f8")])
"""One of its calls; the address is 0 where Python carries it out."""

ISSUE = np.dtype(
    [
        ("token", "i8"),
        ("account", "i8"),  # of who issues it
        ("of", "i8"),  # token that it stands for; -1: a part of all that the account holds
        ("slot", "i8"),  # of how much of that, in storage
        ("sign", "f8"),  # -1: a debt
    ]
)
"""A token that a protocol issues, and how it is valued."""

ORDER = np.dtype(
    [
        ("sender", "i8"),
        ("token_in", "i8"),
        ("token_out", "i8"),
        ("counterparty", "i8"),
        ("amount", "f8"),
        ("second", "f8"),
        ("limit", "f8"),
    ]
)
"""A call as the kernel of a protocol takes it; it may lower `amount` to what it took."""

RECEIPT = np.dtype(
    [
        ("block", "i8"),
        ("number", "i8"),
        ("call", "i2"),
        ("calls", "i2"),
        ("cohort", "i2"),
        ("kind", "i2"),
        ("status", "i2"),
        ("token_in", "i2"),
        ("token_out", "i2"),
        ("sender", "i4"),
        ("counterparty", "i4"),
        ("protocol", "i4"),
        ("action", "i4"),
        ("waited", "i4"),  # blocks in the mempool
        ("possible", "i4"),  # of a liquidation: blocks since it first was possible
        ("amount_in", "f8"),
        ("amount_out", "f8"),
        ("gas", "f8"),
        ("gas_price", "f8"),
    ]
)

COHORT = np.dtype(
    [
        ("address", "i8"),  # of its compiled behaviour; 0: it acts in Python
        ("me", "i8"),  # address of the cohort as that behaviour takes it, `sim.cohort.Cohort`
        ("ident", "i8"),  # its number
        ("stream", "u8"),  # of its draws
        ("key", "u8"),  # that stream in this block
        ("first", "i8"),  # row of its first account
        ("size", "i8"),  # agents
        ("columns", "i8"),
        ("cells", "i8"),  # where its columns start
        ("memory", "i8"),  # where its common memory starts, and its length
        ("memory_size", "i8"),
        ("places", "i8"),  # where its list of places starts, and its length
        ("places_size", "i8"),
        ("searcher", "i8"),  # 1: goes first where the block puts arbitrage first
        ("watches", "i8"),  # 1: it decides last, and sees what the others have sent
        ("traded", "f8"),  # by swaps since the start, numeraire
        ("paid", "f8"),  # paid into swaps less received, numeraire at the venue's prices
        ("gas_spent", "f8"),  # since the start, numeraire
        ("routes", "i8"),  # 1: trades through the best routes of the whole network
    ]
)

ROUTE = np.dtype(
    [
        ("length", "i8"),  # swaps
        ("pools", "i8", (MOST_HOPS,)),
        ("tokens", "i8", (MOST_HOPS + 1,)),
        ("amount", "f8"),
    ]
)


class World(Structure):
    """Everything that happens, happens in these arrays.

    Attributes:
        books: The ledger.
        chain: CHAIN[1], the block and its fee market.
        assets: ASSET[n] of the venue; `cholesky` float64[n, n] correlates them and
            `paths` float64[rows, blocks + 1] are log prices that are replayed.
        pools: POOL[n].
        markets: MARKET[n], lending markets; `reserves` RESERVE[n] of all of them.
        feeds: FEED[n], oracles; `rings` float64[n, length] is their memory.
        debtors: int64[markets, accounts], rows that may have a debt;
            `since` int64[markets, accounts], block since which an account can be
            liquidated, -1 while it cannot, -2 where it is not listed.
        health: float64[markets, accounts], health factors in the order of
            `debtors`, as of this block's oracle prices.
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
        calls: int64[kinds], addresses of what carries out each kind of call; 0: not compiled.
        tasks: int64[stages, n], addresses of what protocols do by themselves, `sim.tasks`.
        claimed: float64[tokens], claims of ``chain.claimant``.
        scratch: float64[n], for sorting.
    """

    fields: ClassVar[Mapping[str, Any]] = {
        "books": Books,
        "chain": (CHAIN, 1),
        "assets": (ASSET, 1),
        "cholesky": ("f8", 2),
        "paths": ("f8", 2),
        "pools": (POOL, 1),
        "markets": (MARKET, 1),
        "reserves": (RESERVE, 1),
        "feeds": (FEED, 1),
        "rings": ("f8", 2),
        "debtors": ("i8", 2),
        "since": ("i8", 2),
        "health": ("f8", 2),
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
        "funds": (FUND, 1),
        "protocols": (PROTOCOL, 1),
        "actions": (ACTION, 1),
        "issues": (ISSUE, 1),
        "order": (ORDER, 1),
        "calls": ("i8", 1),
        "tasks": ("i8", 2),
        "claimed": ("f8", 1),
        "scratch": ("f8", 1),
    }
    books: Books
    chain: npt.NDArray[np.void]
    assets: npt.NDArray[np.void]
    cholesky: npt.NDArray[np.float64]
    paths: npt.NDArray[np.float64]
    pools: npt.NDArray[np.void]
    markets: npt.NDArray[np.void]
    reserves: npt.NDArray[np.void]
    feeds: npt.NDArray[np.void]
    rings: npt.NDArray[np.float64]
    debtors: npt.NDArray[np.int64]
    since: npt.NDArray[np.int64]
    health: npt.NDArray[np.float64]
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
    protocols: npt.NDArray[np.void]
    actions: npt.NDArray[np.void]
    issues: npt.NDArray[np.void]
    order: npt.NDArray[np.void]
    calls: npt.NDArray[np.int64]
    tasks: npt.NDArray[np.int64]
    claimed: npt.NDArray[np.float64]
    scratch: npt.NDArray[np.float64]
