"""Oracles: what protocols believe a price is, and when they learn better.

A feed reads a source (the outside venue, a pool's spot price or its time-weighted
average, a pool share's fair value, what a deposit's receipt stands for), sees it `lag`
blocks late, and publishes it when it has moved by more than `deviation` or is older than
`heartbeat` blocks, as Chainlink's feeds do. A time-weighted average is the mean of the pool's
block-end prices over a window, as Uniswap v2's cumulative price gives it.

A feed may be held back. It publishes once in `hop` blocks at most (as Maker's OSM, which has an
hour), moves by `most_move` of its price each time at most, and says no more than `most_price`
(Aave's CAPO for coins pegged to a dollar). Of a receipt what it stands for counts as growing from
the opening by `most_growth` a year at most, in a straight line (CAPO for staked ether; there a
steward takes the snapshot anew now and then, here it stays). What is held back lags where prices
crash: that is what it costs.

Where `oracle_reads_market` is cut, a feed that reads the venue or a pool says what it would without
any price that agents move: the venue's without their impact where the venue trades the token, one
of the numeraire, and for what is redeemed at a rate in one of these (deposits' receipts, staked
tokens, savings) that rate times its price. Of any other token (coins, pools' shares) it keeps the
last price from before the cut, in what its pool quotes, whose own oracle goes on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from protocols import amm
from protocols.pool import MOST_TOKENS, position
from sim.compiled import inner, kernel
from sim.handles import Exposure, Handle
from sim.ledger import Ledger
from sim.measures import Measure
from sim.names import VENUE as VENUE_NAME
from sim.registry import register_measures
from sim.tasks import Stage, Task, register_task

if TYPE_CHECKING:
    from sim.market import Market

VENUE, POOL_SPOT, POOL_TWAP, FIXED, SHARE, RECEIPT = range(6)
SOURCES = {
    "venue": VENUE,
    "pool_spot": POOL_SPOT,
    "pool_twap": POOL_TWAP,
    "fixed": FIXED,
    "share": SHARE,
    "receipt": RECEIPT,
}

WORTH_ONE, NOWHERE = -1, -2
"""In place of an asset of the venue: the numeraire; nothing that has a price outside."""
_HALVING = math.log(2.0)
"""Of a price, which an oracle that moves by parts is given the time to follow (`Oracle.span`)."""

FEED = np.dtype(
    [
        ("token", "i8"),
        ("asset", "i8"),  # of the venue, of the token or what it stands for; WORTH_ONE or NOWHERE
        ("rate", "i8"),  # slot of how much of that asset it stands for, -1: it is that asset
        ("exogenous", "i8"),  # 1: reads no price that agents move
        ("kept", "f8"),  # of what is traded nowhere outside: price from before, in its quote
        ("source", "i8"),
        ("pool", "i8"),
        ("quote", "i8"),  # feed of the pool's other token, -1: that token is worth one; of a
        # receipt, feed of the token that it stands for
        ("index", "i8"),  # slot of how much of that a receipt stands for
        ("against", "i8"),  # place of the token in which the pool quotes
        ("parts", "i8", (MOST_TOKENS,)),  # feeds of the tokens of a share's pool
        ("live", "i8"),  # 1: read by every loan
        ("lag", "i8"),  # blocks
        ("heartbeat", "i8"),  # blocks
        ("deviation", "f8"),  # share
        ("hop", "i8"),  # blocks from one publication to the next, at least
        ("most_move", "f8"),  # share, of a publication; 0: any
        ("most_price", "f8"),  # numeraire per token; inf: any
        ("most_growth", "f8"),  # of what a receipt stands for, share of `first_rate` a block
        ("first_rate", "f8"),  # what a receipt stood for at the opening
        ("window", "i8"),  # blocks
        ("price", "f8"),  # what is published, numeraire per token
        ("cumulative", "f8"),  # sum of the pool's block-end prices
        ("reads", "i8"),
        ("updated", "i8"),  # block of the last publication
        ("frozen_until", "i8"),  # it publishes nothing before this block
    ]
)


@kernel
def fair_share_price(books, pool, feeds, feed):
    """Value of a pool's share that a swap cannot move, numeraire; NaN without a supply."""
    if books.supply[pool.share] <= 0.0:
        return np.nan
    prices = np.empty(pool.size)
    for k in range(pool.size):
        prices[k] = feeds[feed.parts[k]].price
    return amm.fair_share_price(books, pool, prices)


@kernel
def pool_price(books, pools, feeds, feed):
    """Price of a feed's token in its pool, in the numeraire."""
    pool = pools[feed.pool]
    base = position(pool, feed.token)
    price = amm.spot_price(books, pool, base, feed.against)
    return price * feeds[feed.quote].price if feed.quote >= 0 else price


@kernel
def receipt_price(books, feeds, feed, block):
    """Price of a receipt: that of its token, times what it stands for, as far as that may grow."""
    rate = books.storage[feed.index]
    if feed.most_growth < np.inf:
        rate = min(rate, feed.first_rate * (1.0 + feed.most_growth * block))
    return feeds[feed.quote].price * rate


@kernel
def quoted_in(feeds, feed):
    """Price of what a feed's pool quotes in, numeraire."""
    return feeds[feed.quote].price if feed.quote >= 0 else 1.0


@kernel
def price_outside(books, assets, feeds, feed):
    """Price of a feed's token at the venue; of one that is cut off, without any agent's impact."""
    a = feed.asset
    if a == NOWHERE:
        return feed.kept * quoted_in(feeds, feed)
    price = 1.0
    if a >= 0:
        price = math.exp(assets[a].x) if feed.exogenous else assets[a].price
    return price * books.storage[feed.rate] if feed.rate >= 0 else price


@kernel
def _reading(books, pools, feeds, feed, ring, outside, block):
    """What the source says now; NaN where it says nothing."""
    if feed.source == VENUE:
        return outside
    if feed.source == FIXED:
        return feed.price
    if feed.source == SHARE:
        return fair_share_price(books, pools[feed.pool], feeds, feed)
    if feed.source == RECEIPT:
        return receipt_price(books, feeds, feed, block)
    price = pool_price(books, pools, feeds, feed)
    if feed.source == POOL_SPOT:
        return outside if feed.exogenous else price
    if math.isnan(price):  # an emptied pool goes on at the last published price
        price = feed.price
    # The ring holds cumulative prices, one a block; slot `ring.size // 2` onwards is
    # for the lag. A window that is not full yet averages what there is.
    half = ring.size // 2
    feed.cumulative += price
    ring[feed.reads % half] = feed.cumulative
    if feed.exogenous:  # the mean goes on, for when it is read again
        return outside
    if feed.reads < feed.window:
        return feed.cumulative / (feed.reads + 1)
    return (feed.cumulative - ring[(feed.reads - feed.window) % half]) / feed.window


@kernel
def read(books, pools, feeds, f, ring, outside, block):
    """Let a feed see its source, and publish if it is time.

    Args:
        feeds: FEED[n]; `f` is the one that reads.
        ring: float64, the feed's memory; its halves hold at least ``window + 1``
            cumulative prices and ``lag + 1`` readings.
        outside: Price of the feed's token at the venue (`price_outside`).
        block: Number of the block about to be made.
    """
    feed = feeds[f]
    reading = _reading(books, pools, feeds, feed, ring, outside, block)
    half = ring.size // 2
    ring[half + feed.reads % half] = reading
    seen = ring[half + (feed.reads - min(feed.lag, feed.reads)) % half]
    feed.reads += 1
    if math.isnan(seen) or block < feed.frozen_until or block - feed.updated < feed.hop:
        return
    seen = min(seen, feed.most_price)
    moved = abs(seen / feed.price - 1.0) if feed.price > 0.0 else np.inf
    stale = feed.heartbeat > 0 and block - feed.updated >= feed.heartbeat
    if moved > feed.deviation or stale:
        if feed.most_move > 0.0 and feed.price > 0.0:
            low, high = 1.0 - feed.most_move, 1.0 + feed.most_move
            seen = min(max(seen, low * feed.price), high * feed.price)
        feed.price = seen
        feed.updated = block


@kernel
def refresh(books, pools, feeds):
    """Let the feeds that loans read in their own moment see their pools' prices now."""
    for f in range(feeds.size):
        feed = feeds[f]
        if feed.live:
            price = pool_price(books, pools, feeds, feed)
            if price > 0.0:
                feed.price = price


@inner
def price_now(w, f):
    """What a feed says in this moment, numeraire; 0 where it says nothing."""
    refresh(w.books, w.pools, w.feeds)
    price = w.feeds[f].price
    return price if 0.0 < price < np.inf else 0.0


@inner
def read_all(w):
    """Let every oracle read its source."""
    for f in range(w.feeds.size):
        outside = price_outside(w.books, w.assets, w.feeds, w.feeds[f])
        read(w.books, w.pools, w.feeds, f, w.rings[f], outside, w.chain[0].block)


register_task(Task(Stage.READ, 10, read_all, lambda w: len(w.feeds) > 0))


@inner
def price_measure(w, n):
    """Measure: what an oracle says."""
    return w.feeds[w.measures[n].a].price


def _measures(market: Market, trade_size: float) -> list[Measure]:
    return [
        Measure(f"oracle.{name}.price", price_measure, a=f, unit="numeraire")
        for f, name in enumerate(market.oracles)
    ]


register_measures(20, _measures)


def node_of(name: str) -> str:
    """Name of an oracle among all protocols."""
    return f"oracle:{name}"


class Oracle(Handle):
    """A feed as a person holds it. It has no account: it owns and owes nothing."""

    family = "oracle"

    def __init__(
        self, name: str, ledger: Ledger, record: np.ndarray, pools: Sequence[str] = ()
    ) -> None:
        """Hold a feed.

        Args:
            name: As in the scenario.
            ledger: The books.
            record: FEED[1], a view of the market's feeds.
            pools: Names of all pools, in the order in which feeds count them.
        """
        self.name = name
        self.ledger = ledger
        self.record = record
        self._pools = pools

    def __repr__(self) -> str:
        return f"<Oracle {self.name}: {self.token} at {self.price:.6g}>"

    @property
    def token(self) -> str:
        """Token whose price this is."""
        return self.ledger.tokens[int(self.record["token"][0])]

    @property
    def price(self) -> float:
        """Price that protocols see, numeraire per token."""
        return float(self.record["price"][0])

    @property
    def reads(self) -> int | None:
        """Place of the pool that it reads, -1 for the venue, None where it reads neither."""
        feed = self.record[0]
        if feed["source"] in (FIXED, RECEIPT) or (feed["exogenous"] and feed["asset"] == NOWHERE):
            return None
        in_pool = feed["source"] in (POOL_SPOT, POOL_TWAP, SHARE)
        return int(feed["pool"]) if in_pool and not feed["exogenous"] else -1

    @property
    def span(self) -> tuple[int, int]:
        """Blocks whose ends tell in what it says: how late, and how many before that.

        What it says changes with what has happened since it last spoke: in a window where it
        averages, and at most since the heartbeat or the hop before where it waits for one. Where it
        moves by parts, it is given the time in which it follows a price that has halved.
        """
        feed = self.record[0]
        averaged = int(feed["window"]) if feed["source"] == POOL_TWAP else 1
        since = max(averaged, int(feed["heartbeat"]), int(feed["hop"]))
        if feed["most_move"] > 0.0:
            parts = math.ceil(_HALVING / -math.log1p(-float(feed["most_move"])))
            since = max(since, averaged + parts * int(feed["hop"]))
        return int(feed["lag"]), since

    @property
    def node(self) -> str:
        """``oracle:NAME``: an oracle may be called like a pool, and often like its token."""
        return node_of(self.name)

    @property
    def label(self) -> str:
        """What it is, in words."""
        return f"oracle of {self.token}"

    def exposures(self) -> Iterator[Exposure]:
        """On what it reads hangs all that others value by it."""
        if self.record["source"][0] == RECEIPT:
            yield Exposure(self.node, self.ledger.issuers[self.token], None, "source")
        if (place := self.reads) is not None:
            read = self._pools[place] if place >= 0 else VENUE_NAME
            yield Exposure(self.node, read, None, "source")

    @property
    def updated(self) -> int:
        """Block of the last publication."""
        return int(self.record["updated"][0])
