"""Oracles in a market's arrays, and what they publish first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from protocols import oracle as oracle_protocol
from protocols.lending import SUPPLY_INDEX
from protocols.oracle_settings import (
    OracleSettings,
    check_oracles,
    deposited,
    oracle_quote_token,
)
from sim.codes import NEVER
from sim.errors import Problem, ScenarioError
from sim.ledger import Ledger
from sim.mechanisms import Restore, all_of, set_now
from sim.parts import Part, register_part
from sim.registry import register_strike
from sim.units import YEAR

if TYPE_CHECKING:
    from sim.market import Market
    from sim.scenario import Content, Scenario
    from sim.shocks import Shocks
    from sim.world import World

MOVED_BY_AGENTS = (oracle_protocol.VENUE, oracle_protocol.POOL_SPOT, oracle_protocol.POOL_TWAP)
"""Sources whose prices agents can move."""


def _feeds(s: Scenario, ledger: Ledger) -> tuple[npt.NDArray[np.void], npt.NDArray[np.float64]]:
    feeds = np.zeros(len(s.oracles), oracle_protocol.FEED)
    names, assets, pools = list(s.oracles), list(s.venue.assets), list(s.pools)
    memory = 2
    for f, settings in enumerate(s.oracles.values()):
        r = feeds[f]
        r["token"] = ledger.token(settings.token)
        r["asset"], r["rate"] = oracle_protocol.NOWHERE, -1
        if settings.token in assets:
            r["asset"] = assets.index(settings.token)
        elif settings.token == s.venue.numeraire:
            r["asset"] = oracle_protocol.WORTH_ONE
        r["source"] = oracle_protocol.SOURCES[settings.source]
        r["pool"] = pools.index(settings.pool) if settings.pool else 0
        r["quote"] = names.index(settings.quote) if settings.quote else -1
        if settings.source == "share":
            tokens = s.pools[settings.pool or ""].tokens
            r["parts"][: len(tokens)] = [_feed_of(s, token) for token in tokens]
        if settings.source in ("pool_spot", "pool_twap"):
            inside = s.pools[settings.pool or ""].tokens
            against = oracle_quote_token(inside, settings.token, s.venue.numeraire)
            if settings.quote:
                against = s.oracles[settings.quote].token
            r["against"] = inside.index(against)
        r["lag"], r["heartbeat"] = settings.lag, settings.heartbeat
        r["live"] = settings.live
        r["deviation"], r["window"] = settings.deviation, settings.window
        r["hop"], r["most_move"], r["most_price"] = settings.hop, settings.most_move, math.inf
        if settings.most_price is not None:
            r["most_price"] = settings.most_price
        grows = math.inf if settings.most_growth is None else settings.most_growth
        r["most_growth"] = grows * s.block.seconds / YEAR
        if settings.source == "fixed":
            r["price"] = settings.price
        if settings.source == "receipt" and settings.token in deposited(s):
            r["quote"] = names.index(deposited(s)[settings.token])
        memory = max(memory, settings.lag + 1, settings.window + 1)
    return feeds, np.zeros((len(feeds), 2 * memory))


def _feed_of(s: Scenario, token: str) -> int:
    """The oracle that is called like a token, or else the first one of it."""
    namesake = s.oracles.get(token)
    if namesake is not None and namesake.token == token and namesake.source != "share":
        return list(s.oracles).index(token)
    for f, settings in enumerate(s.oracles.values()):
        if settings.token == token and settings.source != "share":
            return f
    raise ScenarioError([("oracles", f"a share's fair price needs an oracle of {token}; add one")])


def _cut_readings(world: World) -> Restore:
    restores = []
    for f in range(len(world.feeds)):
        feed = world.feeds[f : f + 1]
        if int(feed["source"][0]) in MOVED_BY_AGENTS:
            if not feed["exogenous"][0]:  # else it is cut already, and keeps what it does
                _keep_price(world, feed[0])
            restores += [set_now(feed["exogenous"], 1), set_now(feed["live"], 0)]
    return all_of(restores)


def _keep_price(world: World, feed: Any) -> None:
    """Note what a feed says now, for a token that has no price outside."""
    quoted = oracle_protocol.quoted_in(world.feeds, feed)
    if quoted > 0.0:  # before the first prices there is nothing to keep
        feed["kept"] = float(feed["price"]) / quoted


def _find_outside(world: World) -> None:
    """Say at which rate tokens are redeemed in something that the venue trades."""
    behind = {
        int(r["token"]): (int(r["rate_of"]), int(r["rate_slot"]))
        for r in world.issues if r["rate_of"] >= 0
    }  # fmt: skip
    behind |= {
        int(r["receipt"]): (int(r["token"]), int(r["slot"]) + SUPPLY_INDEX) for r in world.reserves
    }
    traded = {int(asset["token"]): a for a, asset in enumerate(world.assets)}
    traded[int(world.rules[0]["numeraire"])] = oracle_protocol.WORTH_ONE
    for feed in world.feeds:
        of, slot = behind.get(int(feed["token"]), (-1, -1))
        if feed["source"] == oracle_protocol.RECEIPT:
            feed["index"], feed["first_rate"] = slot, world.books.storage[slot]
        if feed["asset"] == oracle_protocol.NOWHERE and of in traded:
            feed["asset"], feed["rate"] = traded[of], slot


def _first_price(world: World, feed: Any) -> float:
    """What a feed's source says at the opening, numeraire."""
    source, books = int(feed["source"]), world.books
    if source == oracle_protocol.FIXED:
        return float(feed["price"])
    if source == oracle_protocol.SHARE:
        pool = world.pools[int(feed["pool"])]
        return float(oracle_protocol.fair_share_price(books, pool, world.feeds, feed))
    if source == oracle_protocol.RECEIPT:
        return float(oracle_protocol.receipt_price(books, world.feeds, feed, 0))
    if source == oracle_protocol.VENUE or feed["exogenous"]:
        a = int(feed["asset"])
        if a != oracle_protocol.NOWHERE:
            price = float(world.assets[a]["price"]) if a >= 0 else 1.0
            return price * float(books.storage[int(feed["rate"])]) if feed["rate"] >= 0 else price
    price = float(oracle_protocol.pool_price(books, world.pools, world.feeds, feed))
    if feed["exogenous"]:
        feed["kept"] = price / oracle_protocol.quoted_in(world.feeds, feed)
    return price


class Oracles(Part):
    """``[oracles]``."""

    order = 30
    section = "oracles"
    settings = OracleSettings
    word, what = "oracle", "oracle"
    switches = {  # noqa: RUF012
        "oracle_reads_market": "Oracles read prices that agents move; off: the venue's prices "
        "without impact, and for tokens that it does not trade the rate or the last price."
    }
    tables = {"feeds": (oracle_protocol.FEED, 1), "rings": ("f8", 2)}  # noqa: RUF012
    cuts = {"oracle_reads_market": _cut_readings}  # noqa: RUF012

    def check(self, s: Content, tokens: list[str], base: list[str]) -> list[Problem]:
        """Whether each can read what it should."""
        return check_oracles(s, tokens, base)

    def arrays(self, s: Scenario, ledger: Ledger, slot: int) -> dict[str, Any]:
        """Feeds, and their memory."""
        feeds, rings = _feeds(s, ledger)
        return {"feeds": feeds, "rings": rings}

    def first_prices(self, world: World) -> None:
        """Give every oracle the price that it starts with."""
        _find_outside(world)
        for _ in range(2):  # a pool's other token may be priced by a later feed
            for feed in world.feeds:
                feed["price"] = min(_first_price(world, feed), float(feed["most_price"]))

    def handles(self, market: Market, slot: int) -> dict[str, Any]:
        """`Market.oracles`."""
        w, ledger, pools = market.world, market.ledger, tuple(market.setup.pools)
        return {
            "oracles": {
                name: oracle_protocol.Oracle(name, ledger, w.feeds[f : f + 1], pools)
                for f, name in enumerate(market.setup.oracles)
            }
        }

    def works(self, s: Scenario) -> dict[str, bool]:
        """Whether an oracle reads what agents can move."""
        sources = (oracle_protocol.SOURCES[o.source] for o in s.oracles.values())
        return {"oracle_reads_market": any(source in MOVED_BY_AGENTS for source in sources)}


def _freeze(shocks: Shocks, shock: Any, block: int) -> Restore:
    """Let an oracle publish nothing."""
    record = shocks.market.oracles[shock.oracle].record
    record["frozen_until"] = NEVER

    def thaw() -> None:
        record["frozen_until"] = shocks.market.block + 1

    return thaw


register_part(Oracles())
register_strike("oracle_freeze", _freeze, holds="oracle")
