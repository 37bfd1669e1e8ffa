"""Auctions of a protocol of debt positions: English, Dutch, of its surplus and of its deficit.

The arithmetic is that of the Maker protocol's contracts (dss: Flipper, Clipper, Flapper, Flopper,
Cat, Dog). Amounts are token units, times blocks.

English (``flip``): a lot of collateral is for sale for a debt with its penalty, the tab T. Bids
rise by at least a share `increment` until one reaches T (*tend*); from there on bidders ask for
less and less of the lot, by at least the same share (*dent*), and what they leave goes back to the
debtor. The last bidder has the lot when nobody has outbid it for `bid_duration`, or when the
auction's `auction_length` is over.

Dutch (``clip``): the price starts at the oracle's times `buf` and falls by `cut` every `step`;
anybody takes as much as he likes at the price of the moment. After `tail`, or below the share
`cusp` of the first price, it has to be started anew.

Surplus (``flap``): coins are sold for the governance token, which is burnt. Deficit (``flop``): the
governance token is minted for as few units as somebody takes for a fixed amount of coins.

All lie in one table of rows, ``me.auctions``; the n-th auction has the row ``n % rows``.
"""

from __future__ import annotations

import math

from protocols.interface import cell
from sim.compiled import inner, kernel

FLIP, CLIP, FLAP, FLOP = 1, 2, 3, 4
"""Kinds of auction; 0 is a row that is free."""
FIELDS = {
    "kind": "Of auction; 0: none",
    "serial": "Its number, from 1",
    "line": "Collateral, by its place in the settings",
    "lot": "What is for sale, token units",
    "bid": "Highest bid, token units; of a Dutch one what was paid so far",
    "tab": "What is to be raised, coins",
    "owed": "Debt of which that is, without the penalty, coins",
    "owner": "Row of the debtor, who has what is left",
    "bidder": "Row of the highest bidder; -1: none",
    "expires": "Last block in which the bid may be outbid; 0: there is none",
    "ends": "Last block of the auction; of a Dutch one the block in which it began",
    "top": "First price of a Dutch one, coins",
    "began": "Block",
    "bids": "Made so far",
}
KIND, SERIAL, LINE, LOT, BID, TAB, OWED, OWNER, BIDDER, EXPIRES, ENDS, TOP, BEGAN, BIDS = range(14)
WIDTH = len(FIELDS)
QUEUE_FIELDS = {"owner": "Row of the debtor", "line": "Collateral, by its place"}
WHO, WHAT = range(2)


@kernel
def portion(ink, owed, lot):
    """Collateral and debt that one auction takes of a position: at most a lot (``Cat.bite``).

    Args:
        ink: Collateral of the position, token units.
        owed: Its debt, coins.
        lot: Most that is auctioned at once, token units.

    Returns:
        (collateral, debt).
    """
    if ink <= lot:
        return ink, owed
    return lot, owed * lot / ink


@kernel
def least_bid(bid, increment, tab):
    """Least bid that outbids another: by the increment, or all that is to be raised (``tend``)."""
    return min(bid * (1.0 + increment), tab)


@kernel
def most_lot(lot, increment):
    """Most of a lot that whoever asks for less may ask for (``dent``): lot / (1 + increment)."""
    return lot / (1.0 + increment)


@kernel
def dutch_price(top, elapsed, cut, step):
    """Price after a time: top cut^floor(t / step) (``StairstepExponentialDecrease``).

    Args:
        top: First price.
        elapsed: Since the start; same unit as `step`.
        cut: Share of the price that a step leaves.
        step: Time between two cuts.
    """
    return top * cut ** math.floor(elapsed / step)


@kernel
def is_over(top, price, elapsed, tail, cusp):
    """Whether a Dutch auction must be started anew (``Clipper.status``)."""
    return elapsed > tail or price < cusp * top


# Wide: the contract's own arguments.
@kernel
def dutch_slice(lot, tab, price, amount, least):
    """What a taker gets and pays, of as much as it wants (``Clipper.take``).

    No more than the tab is raised, and no more is left of it than nothing or `least`, unless
    the lot is taken whole.

    Args:
        lot: For sale, token units.
        tab: To be raised, coins.
        price: Of the moment, coins.
        amount: Wanted, token units.
        least: Least tab that may be left, coins.

    Returns:
        (token units, coins); (0, 0) where what would be left is too little.
    """
    part = min(lot, amount)
    owe = part * price
    if owe > tab:
        return (tab / price, tab)
    if owe < tab and part < lot and tab - owe < least:
        if tab <= least:
            return (0.0, 0.0)
        owe = tab - least
        part = owe / price
    return part, owe


@inner
def slot_of(me, row, field):
    """Slot of a number of an auction."""
    return cell(me.auctions, row, WIDTH, field)


@inner
def number(w, me, row, field):
    """A number of an auction."""
    return w.books.storage[cell(me.auctions, row, WIDTH, field)]


@inner
def row_of(w, me, serial):
    """Row of the auction of a number; -1 where there is none of it."""
    if not 1.0 <= serial < 9e15 or serial != math.floor(serial):
        return -1
    row = int(serial) % me.auctions_rows
    if number(w, me, row, KIND) == 0.0 or number(w, me, row, SERIAL) != serial:
        return -1
    return row


@inner
def price_now(w, me, row):
    """Price of a Dutch auction in the block under way, and whether it must be started anew."""
    top = number(w, me, row, TOP)
    elapsed = w.chain[0].block - number(w, me, row, ENDS)
    price = dutch_price(top, elapsed, me.cut, me.step)
    return price, is_over(top, price, elapsed, me.tail, me.cusp)


@inner
def is_settled(w, me, row):
    """Whether the highest bidder of an English auction may have what it has won."""
    block, expires = w.chain[0].block, number(w, me, row, EXPIRES)
    return expires > 0.0 and (expires < block or number(w, me, row, ENDS) < block)


@inner
def takes_bids(w, me, row):
    """Whether an English auction, of whatever kind, still takes bids."""
    block, expires = w.chain[0].block, number(w, me, row, EXPIRES)
    return number(w, me, row, ENDS) >= block and (expires == 0.0 or expires >= block)
