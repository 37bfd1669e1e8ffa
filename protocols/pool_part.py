"""Pools in a market's arrays, and what they start with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from protocols import operations, safeguards
from protocols.pool import COUNTERS, MOST_TOKENS, POOL
from protocols.pool_settings import (
    AnyPool,
    PoolSettings,
    check_group,
    check_pools,
    order_of_funding,
)
from sim import registry
from sim.codes import NEVER, Kind
from sim.errors import Problem, ScenarioError
from sim.ledger import FREE, Ledger, begin
from sim.mechanisms import Restore, set_now
from sim.names import HOLDERS, TREASURY, share_name
from sim.parts import Issued, Part, held_at_start, register_part
from sim.registry import register_strike

if TYPE_CHECKING:
    from sim.market import Market
    from sim.scenario import AgentSettings, Content, Scenario
    from sim.shocks import Shocks
    from sim.world import World


_SLOTS = COUNTERS * MOST_TOKENS
"""Numbers that each pool keeps, beside those of its kind."""


def _room(s: Scenario, name: str) -> int:
    """Positions that the providers of a pool may open: a few each."""
    found = 0
    for group in s.agents.values():
        each = int(getattr(registry.behaviour(group.kind), "positions", 0))
        # In this order: what a group names takes longer to find out.
        if each and name in group.named("pools"):
            found += group.count * each
    return found


def _own_slots(s: Scenario, name: str) -> int:
    return int(s.pools[name].slots(_room(s, name)))


def _pools(s: Scenario, ledger: Ledger, first_slot: int) -> npt.NDArray[np.void]:
    pools = np.zeros(len(s.pools), POOL)
    extra = first_slot + len(s.pools) * _SLOTS
    for p, (name, settings) in enumerate(s.pools.items()):
        r = pools[p]
        curve = registry.pool(settings.kind).curve
        r["kind"] = curve.kind
        for field in ("parted", "balanced", "ranges"):
            r[field] = getattr(curve, field)
        for field, address in operations.addresses(curve).items():
            r[field] = address
        r["account"] = ledger.account(name)
        r["treasury"] = ledger.account(TREASURY)
        r["share"] = ledger.token(share_name(name))
        r["size"] = len(settings.tokens)
        r["slot"] = first_slot + p * _SLOTS
        r["tokens"][: len(settings.tokens)] = [ledger.token(t) for t in settings.tokens]
        r["fee"] = settings.fee
        r["protocol_fee"] = settings.protocol_fee
        shares = list(settings.shares_of_value().values())
        for field in ("first_weights", "weights", "target_weights"):
            r[field][: len(shares)] = shares
        r["extra"], r["capacity"] = extra, _room(s, name)
        extra += _own_slots(s, name)
        settings.write(r, s.pools)
        _guard(settings, r)
    return pools


def _guard(settings: PoolSettings, r: Any) -> None:
    """Write a pool's safeguards into its record."""
    r["base_fee"] = settings.fee
    r["volatility_fee"], r["imbalance_fee"] = settings.volatility_fee, settings.imbalance_fee
    r["highest_fee"] = settings.highest_fee
    r["fee_memory"] = 1.0 - math.exp(-1.0 / settings.fee_memory)
    if settings.breaker is None:
        return
    r["guarded"] = 1
    r["most_move"] = settings.breaker.move
    r["most_imbalance"] = settings.breaker.imbalance
    r["most_outflow"] = settings.breaker.outflow
    r["window"], r["cool_down"] = settings.breaker.window, settings.breaker.cool_down


def _fund_pool(s: Scenario, ledger: Ledger, world: World, p: int, holders: int) -> None:
    """Let outside holders fill a pool; shares of others they take from those they hold."""
    name, settings = list(s.pools.items())[p]
    base = (s.venue.numeraire, *s.venue.assets, *held_at_start(s))
    for token, amount in settings.reserves.items():
        if token in base:
            ledger.mint(holders, token, amount)
        elif amount > ledger.balance(holders, token):
            left = ledger.balance(holders, token)
            text = f"holds {amount:g} {token}, of which holders have {left:g} left; lower it"
            raise ScenarioError([(f"pools.{name}.reserves.{token}", text)])
    begin(ledger.books)
    registry.pool(settings.kind).begin(settings, name, ledger, world, p)


def _cut_breakers(world: World) -> Restore:
    back = set_now(world.pools["guarded"], 0)
    for pool in world.pools:
        pool["tripped"] = 0
        if pool["halted_until"] < NEVER:  # a shock halts it for ever
            pool["halted"] = 0

    def restore() -> None:
        back()
        for pool in world.pools:
            if pool["guarded"]:  # what happened meanwhile counts for no limit
                safeguards.begin_window(world.books, pool, int(world.chain[0]["block"]) + 1)

    return restore


class Pools(Part):
    """``[pools]``."""

    order = 10
    section = "pools"
    settings = AnyPool
    word, what = "pool", "pool"
    switches = {"breakers": "Circuit breakers of pools act."}  # noqa: RUF012
    cuts = {"breakers": _cut_breakers}  # noqa: RUF012
    tables = {"pools": (POOL, 1)}  # noqa: RUF012

    def check(self, s: Content, tokens: list[str], base: list[str]) -> list[Problem]:
        """Whether each makes sense, and what they hold of each other."""
        return check_pools(s, tokens, base)

    def check_group(self, s: Content, field: str, group: AgentSettings) -> list[Problem]:
        """Whether the pools that it uses are of kinds that it knows."""
        return check_group(field, s.pools, group)

    def places(self, s: Content) -> dict[str, list[str]]:
        """All of them."""
        return {name: pool.tokens for name, pool in s.pools.items()}

    def accounts(self, s: Content) -> list[str]:
        """One for each pool."""
        return list(s.pools)

    def issues(self, s: Content) -> list[Issued]:
        """Shares."""
        return [Issued(share_name(pool), pool, FREE) for pool in s.pools]

    def slots(self, s: Scenario) -> int:
        """Counters, ticks and positions."""
        return len(s.pools) * _SLOTS + sum(_own_slots(s, name) for name in s.pools)

    def arrays(self, s: Scenario, ledger: Ledger, slot: int) -> dict[str, Any]:
        """The pools' records."""
        return {"pools": _pools(s, ledger, slot)}

    def flags(self, s: Scenario) -> dict[str, int]:
        """Whether there are positions, safeguards, or tokens that others issue."""
        base = {s.venue.numeraire, *s.venue.assets}
        return {
            "ranges": sum(registry.pool(pool.kind).curve.ranges for pool in s.pools.values()),
            "guarded": int(any(pool.guarded for pool in s.pools.values())),
            "nested": int(any(set(pool.tokens) - base for pool in s.pools.values())),
        }

    def fund(self, s: Scenario, ledger: Ledger, world: World) -> None:
        """Let outside holders fill them, those first whose shares others hold."""
        names = list(s.pools)
        for name in order_of_funding(s):
            _fund_pool(s, ledger, world, names.index(name), ledger.account(HOLDERS))

    def valued(self, world: World) -> None:
        """Let the limits of circuit breakers count from the start."""
        if not world.rules[0]["guarded"]:
            return
        for pool in world.pools:
            safeguards.watch(world.books, pool, world.values, 1)
            safeguards.begin_window(world.books, pool, 0)

    def behind(self, world: World, found: npt.NDArray[np.float64]) -> None:
        """A share is its part of the reserves."""
        for pool in world.pools:
            share = int(pool["share"])
            if pool["ranges"]:
                continue
            part, found[share] = found[share] / max(world.books.supply[share], 1e-300), 0.0
            for i in range(int(pool["size"])):
                token = int(pool["tokens"][i])
                if token == share:  # a bonding curve's own
                    continue
                found[token] += part * world.books.balances[int(pool["account"]), token]

    def handles(self, market: Market, slot: int) -> dict[str, Any]:
        """`Market.pools`."""
        w, ledger = market.world, market.ledger
        return {
            "pools": {
                name: registry.pool(pool.kind)(name, ledger, w.pools[p : p + 1], pool.tokens)
                for p, (name, pool) in enumerate(market.setup.pools.items())
            }
        }

    def sale(self, market: Market, name: str, token: str) -> tuple[Kind, int, str] | None:
        """A swap for the pool's other token, the first of several."""
        if name not in market.pools:
            return None
        other = next(t for t in market.pools[name].tokens if t != token)
        return Kind.SWAP, list(market.pools).index(name), other

    def works(self, s: Scenario) -> dict[str, bool]:
        """Breakers, and links between several pools."""
        return {
            "interconnected": len(s.pools) > 1,
            "breakers": any(pool.breaker is not None for pool in s.pools.values()),
        }


def _halt(shocks: Shocks, shock: Any, block: int) -> Restore:
    """Let a pool trade no more."""
    pool = shocks.market.pools[shock.pool]
    record = pool.record
    until = int(record["halted_until"][0]) if record["halted"][0] else 0
    record["halted"], record["halted_until"] = 1, NEVER

    def resume() -> None:
        block = shocks.market.block + 1
        record["halted_until"] = until
        if until <= block or not record["guarded"][0]:  # no breaker holds it any longer
            record["halted"] = 0
            pool.begin_window(block)

    return resume


def _exit(shocks: Shocks, shock: Any, block: int) -> None:
    """Holders of a pool's share, or of positions in it, take a part of it out."""
    market = shocks.market
    pool = market.pools[shock.pool]
    column = market.ledger.token(pool.share)
    p = list(market.pools).index(shock.pool)
    if pool.record["ranges"][0]:
        for position in pool.positions().to_dict("records"):
            row = market.ledger.account(str(position["owner"]))
            if shock.agents is None or row in market.cohorts[shock.agents].accounts():
                ticks = int(position["lower_tick"]), int(position["upper_tick"])
                amount = float(position["liquidity"]) * shock.share
                shocks.send(block, row, Kind.REMOVE_LIQUIDITY, p, column, column, amount, ticks)
        return
    for row in shocks.holders(shock.agents, column):
        shares = float(market.ledger.balances[row, column]) * shock.share
        shocks.send(block, row, Kind.REMOVE_LIQUIDITY, p, column, column, shares)


register_part(Pools())
register_strike("pool_halt", _halt, holds="pool")
register_strike("provider_exit", _exit)
