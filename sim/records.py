"""Records of what every market has: the block, calls, senders, receipts, groups."""

from __future__ import annotations

import numpy as np

from sim.codes import MOST_HOPS

PHASES = 8
"""Room for phases, `sim.codes.Phase`."""
KINDS = 16
"""Room for kinds of call in the table of gas costs."""

RULES = np.dtype(
    [
        ("seconds", "f8"),  # between blocks
        ("numeraire", "i8"),  # token
        ("venue", "i8"),  # account
        ("producer", "i8"),  # account that receives priority fees
        ("gas_token", "i8"),
        ("ordering", "i8"),
        ("fee_market", "i8"),
        ("stream", "u8"),  # of the block's own draws
        ("expiry", "i8"),  # blocks
        ("gas_limit", "f8"),  # gas a block
        ("revert_gas", "f8"),  # share of its gas that a reverted transaction uses
        ("least_base_fee", "f8"),  # gwei
        ("priority_fee", "f8"),  # that a sender who says nothing pays the producer, gwei
        ("replacement", "f8"),  # least rise of a bid that replaces one that waits, share
        ("gas_row", "i8"),  # row in `World.paths` of the log of recorded gas prices; -1: none
        ("gas_offset", "f8"),  # log of the outside bids' median over the recorded price
        ("outside_gas", "f8"),  # demand of the rest of the world, share of the limit
        ("outside_median", "f8"),  # of its bids, gwei
        ("outside_sigma", "f8"),  # of the log of its bids
        ("price_response", "f8"),  # elasticity of its bids to volatility
        ("quantity_response", "f8"),
        ("stress_memory", "f8"),  # weight of the last block in what it notices
        ("customs", "i8"),  # protocols in plain Python
        ("accounted", "i8"),  # 1: an account of losses is kept, `sim.losses`
        ("keep_receipts", "i8"),
        ("gas_cost", "f8", (KINDS,)),  # gas of each kind of call
        ("phases", "i8", (PHASES,)),  # addresses of what a block calls, `sim.kernel.Phase`
        ("nested", "i8"),  # 1: what protocols issue is traded or pledged: valued every block
        ("interconnected", "i8"),  # 1: agents use several pools
        ("guarded", "i8"),  # 1: something is guarded at fresh values (`Stage.GUARD`)
        ("ranges", "i8"),  # protocols with positions that are no tokens
        ("plain_between", "i8"),  # 1: a protocol does something in Python between blocks
    ]
)
"""Settings of the block, which a run leaves as they are but for mechanisms that are cut."""

CHAIN = np.dtype(
    [
        ("block", "i8"),  # number of the block being made, from 1
        ("key", "u8"),  # that stream in this block
        ("base_fee", "f8"),  # gwei
        ("premium", "f8"),  # least bid that went in over the base fee of its block, gwei
        ("stress", "f8"),  # log of volatility over normal, as it is noticed
        ("surge", "f8"),  # multiple that a shock puts on outside bids and quantity
        ("surge_until", "i8"),  # block
        ("gas_price", "f8"),  # least bid that went in, gwei
        ("mean_gas_price", "f8"),  # of what the rest of the world paid, gwei
        ("gas_used", "f8"),  # share of the limit
        ("waiting", "i8"),  # calls in the mempool
        ("left", "i8"),  # of those, the first so many were left over by the last block
        ("next_number", "i8"),  # of the next transaction
        ("lost", "i8"),  # transactions refused because the mempool was full
        ("refused", "i8"),  # and because a number in them made no sense
        ("sent", "i8"),
        ("receipts", "i8"),  # rows used
        ("bundle_head", "i8"),  # where the transaction under execution starts
        ("queue_at", "i8"),
        ("queue_length", "i8"),
        ("gas_bought", "f8"),  # by the transactions of this block
        ("stopped", "i8"),  # place of the call that waits for Python; -1: the block is executed
    ]
)
"""The block being made, its queue and its price."""

MOST_CARRIED = 16
"""Calls of others' transactions that one sealed bundle may carry."""

UNDER_WAY = np.dtype(
    [
        ("bundle_call", "i8"),  # its call that waits for a plain protocol
        ("bundle_previous", "f8"),
        ("bundle_mark", "i8"),  # place in the journal where its present call began
        ("call_place", "i8"),  # of the call to carry out, in the mempool
        ("call_reason", "i8"),  # how it ended
        ("call_in", "f8"),
        ("call_out", "f8"),
        ("call_possible", "i8"),  # blocks since it first was possible, -1: not said
        ("flashes", "i8"),  # borrowed for the transaction under way, and not given back yet
        ("flash_market", "i8", (4,)),
        ("flash_token", "i8", (4,)),
        ("flash_amount", "f8", (4,)),
        ("bundle_traded", "f8"),  # by swaps of the transaction under way, numeraire
        ("bundle_paid", "f8"),  # paid into them less received, numeraire
        ("bundle_start", "i8"),  # place in the journal where it began
        ("gas_held", "f8"),  # of a sealed bundle, before it paid gas: the sender's gas token,
        ("gas_earned", "f8"),  # the producer's,
        ("gas_supply", "f8"),  # all there was,
        ("gas_counted", "f8"),  # and what its group had spent, numeraire
        ("carrying", "i8"),  # calls of others' transactions that it has carried so far
        ("carried", "i8", (MOST_CARRIED,)),  # their places in the mempool
        ("carried_in", "f8", (MOST_CARRIED,)),  # what each took
        ("carried_out", "f8", (MOST_CARRIED,)),  # and gave
        ("carried_gas", "f8", (MOST_CARRIED,)),  # paid for it, gas token, with the first call
        ("carried_traded", "f8", (MOST_CARRIED,)),  # by its swap, numeraire
        ("carried_paid", "f8", (MOST_CARRIED,)),
    ]
)
"""The transaction that the block carries out, and its call of the moment."""

ASKED = np.dtype(
    [
        ("claimant", "i8"),  # account whose claims are summed, -1: those of all classes
        ("summed", "i8"),  # 1: `sums` are of this row of measures
        ("leak", "f8"),  # largest that the audit under way has found, relative
        ("ask_in", "i8"),  # of a route: token
        ("ask_out", "i8"),
        ("ask_amount", "f8"),
        ("ask_cost", "f8"),  # of a swap, in units of `ask_out`
        ("routes", "i8"),  # found
        ("route_out", "f8"),  # what they give together
        ("event", "i8"),  # of `sim.codes.Event`, and whom it is of
        ("who", "i8"),
        ("owing", "i8"),  # account that owes the claims that are noted
    ]
)
"""What one kernel asks of another that it calls through an address, and what that says."""

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
        ("gone", "i2"),  # 1: leaves the mempool at the end of the block
        ("sealed", "i2"),  # 1: its sender shows it to the builder alone, whatever its group is
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
        ("quote", "i8"),  # address of what says what a trade with it gives, 0: nobody trades so
        ("trade", "i8"),  # which of its calls is that trade
        ("plain", "i8"),  # 1: its calls are carried out in Python
    ]
)
"""A protocol that declares itself, as the block knows it."""

ACTION = np.dtype([("address", "i8"), ("gas", "f8"), ("cause", "i8")])
"""One of its calls; the address is 0 where Python carries it out."""

ISSUE = np.dtype(
    [
        ("token", "i8"),
        ("account", "i8"),  # of who issues it
        ("of", "i8"),  # token that it stands for; -1: a part of all that the account holds
        ("slot", "i8"),  # of how much of that, in storage
        ("asks", "i8"),  # address of what says its value, 0: it is one of those
        ("protocol", "i8"),  # number of who issues it
        ("entry", "i8"),  # that it is of; -1: of the protocol itself
        ("rate_of", "i8"),  # token that it is redeemed for; -1: at no rate
        ("rate_slot", "i8"),  # of the rate, in storage
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
        ("stale", "i8"),  # 1: bounds of its agents' chances are to be said anew, `sim.clock`
        ("always", "i8"),  # 1: all are, whatever their chances
        ("asked", "i8"),  # agents who are asked in every block whether they act
        ("gaps", "u8"),  # a bit for each bound that is found by gaps
        ("shown", "i8"),  # 1: somebody in Python has a view of its numbers and may write there
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
