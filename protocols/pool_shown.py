"""What people are shown of pools."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sim import registry
from sim.codes import Kind
from sim.shown import (
    PRICES,
    Chart,
    Look,
    Place,
    Reduced,
    Scale,
    Shown,
    State,
    Watched,
    money,
    register_shown,
    share,
)

if TYPE_CHECKING:
    from sim.market import Market
    from sim.scenario import Scenario

IMBALANCE = 0.1
"""Imbalance at which a pool has its full colour."""


class PoolsShown(Shown):
    """``[pools]``."""

    order = 30
    summary_order = 5
    kind = "pool"
    look = Look(
        "pool",
        head="pools",
        place=Place.TRADE,
        colour="#0b6e8f",
        scale=Scale("imbalance of a pool", most=IMBALANCE, diverging=True),
    )
    calls = (Kind.SWAP, Kind.ADD_LIQUIDITY, Kind.REMOVE_LIQUIDITY)
    carries = (Kind.SWAP,)
    words: ClassVar[Mapping[str, str]] = {
        "breakers": "circuit breakers",
    }

    def nodes(self, s: Scenario) -> list[str]:
        """The pools."""
        return list(s.pools)

    def linked(self, group: Any) -> Iterable[str]:
        """Those that it uses."""
        return tuple(group.named("pools"))

    def state(self, seen: Watched, node: str, value: float) -> State:
        """Imbalance as tone; the share of its first depth that is gone as distress."""
        market = seen.market
        off, unit = seen.last(f"pool.{node}.imbalance"), market.numeraire
        halted = bool(market.pools[node].record["halted"][0])
        gone = 1.0 if halted else max(1.0 - _depth_left(seen, node), 0.0)
        about = (
            f"{market.setup.pools[node].kind} pool, {money(value)} {unit}, "
            f"imbalance {100.0 * off:+.1f} %, distress: {100.0 * gone:.0f} % of its depth gone"
        )
        text = "halted" if halted else f"{money(value)} {unit}"
        return State(0.0 if off != off else off, gone, text, about)

    def facts(self, seen: Watched, node: str) -> list[tuple[str, str]]:
        """Reserves, price, depth, fees."""
        market = seen.market
        pool, settings, unit = market.pools[node], market.setup.pools[node], market.numeraire
        facts = [("kind", settings.kind), ("fee", f"{100.0 * float(pool.record['fee'][0]):.3g} %")]
        facts += [(t, f"{amount:,.2f}") for t, amount in pool.reserves.items()]
        facts.append((f"price of {pool.tokens[0]}", f"{pool.spot_price():,.6g} {pool.tokens[-1]}"))
        facts.append(("imbalance", share(seen.last(f"pool.{node}.imbalance"))))
        facts.append(("off the outside price", share(seen.last(f"pool.{node}.mispricing"))))
        facts.append(("depth, 1 %", f"{money(seen.last(f'pool.{node}.depth'))} {unit}"))
        facts.append(("volume", f"{money(float(pool.record['volume'][0]))} {unit}"))
        facts.append(("fees earned", f"{money(float(pool.record['fees'][0]))} {unit}"))
        facts.append(("impermanent loss", share(seen.last(f"pool.{node}.impermanent_loss"))))
        facts.append(("trading", "halted" if pool.record["halted"][0] else "open"))
        return facts

    def history(self, s: Scenario, node: str) -> list[Chart]:
        """Value, and how far it is off."""
        off = {"mispricing": f"pool.{node}.mispricing", "imbalance": f"pool.{node}.imbalance"}
        value = {"value": f"pool.{node}.value"}
        return [
            Chart(f"{node}: value locked", s.venue.numeraire, value, "money"),
            Chart(f"{node}: off the outside price", "share", off, "share"),
        ]

    def prices(self, s: Scenario, asset: str) -> dict[str, str]:
        """Those of pools that quote the asset in the numeraire."""
        pair = [asset, s.venue.numeraire]
        return {f"pool {n}": f"pool.{n}.price" for n, p in s.pools.items() if p.tokens == pair}

    def charts(self, s: Scenario) -> list[Chart]:
        """Imbalance, depth and impermanent loss, of those whose reserves can be in balance."""
        pools = [n for n, p in s.pools.items() if registry.pool(p.kind).curve.balanced]
        if not pools:
            return []

        def of_all(what: str) -> dict[str, str]:
            return {n: f"pool.{n}.{what}" for n in pools}

        fall = f"{s.venue.numeraire} for a fall of 1 %"
        loss = "Impermanent loss"
        return [
            Chart("Imbalance of pools", "share of value", of_all("imbalance"), "share"),
            Chart("Depth of pools", fall, of_all("depth"), "money", log=True),
            Chart(loss, "share of holding", of_all("impermanent_loss"), "share"),
        ]

    def sections(self, s: Scenario) -> dict[str, list[Chart]]:
        """Their imbalance, below the prices."""
        unit = "value of the first token over the second's, share"
        lines = {p: f"pool.{p}.imbalance" for p in s.pools}
        return {PRICES: [Chart("Imbalance of pools", unit, lines, "share")]} if lines else {}

    def compared(self, s: Scenario) -> list[tuple[str, str]]:
        """Volume, and the gap to the venue."""
        gap = "gap of pools to the venue, share"
        return [("volume of pools", "pools.volume"), (gap, "pools.mispricing")]

    def figures(self, market: Market) -> dict[str, dict[str, dict[str, Any]]]:
        """Price, imbalance, volume, and how providers did."""

        def of(name: str, what: str, reduction: str) -> Reduced:
            return Reduced(f"pool.{name}.{what}", reduction)

        found = {
            name: {
                "spot_price": pool.spot_price(),
                "largest_imbalance": of(name, "imbalance", "largest"),
                "largest_mispricing": of(name, "mispricing", "largest"),
                "volume": float(pool.record["volume"][0]),
                "fees": float(pool.record["fees"][0]),
                "impermanent_loss": of(name, "impermanent_loss", "last"),
                "provider_return": of(name, "provider_return", "last"),
            }
            for name, pool in market.pools.items()
        }
        return {"pools": found}

    def rows(self, summary: Mapping[str, Any]) -> list[tuple[str, str]]:
        """A line for each of which an imbalance was measured."""
        found = []
        for name, p in summary["pools"].items():
            told = [
                f"{what} {share(value)}{rest}"
                for what, value, rest in (
                    ("largest imbalance", p["largest_imbalance"], ""),
                    ("providers", p["provider_return"], " against holding"),
                )
                if value is not None and math.isfinite(value)
            ]
            unit = summary["numeraire"]
            told.insert(1, f"swapped {money(p['volume'])} {unit}, fees {money(p['fees'])} {unit}")
            if p["largest_imbalance"] is not None and math.isfinite(p["largest_imbalance"]):
                found.append((f"Pool {name}", ", ".join(told)))
        return found

    def cuts(self, s: Scenario) -> dict[str, tuple[str, str]]:
        """Each can be halted."""
        return {f"pool {name}": ("pool_halt", name) for name in s.pools}


def _depth_left(seen: Watched, pool: str) -> float:
    """Depth of a pool as a share of its depth after the first block; 1 where it has none."""
    depths = seen.values(f"pool.{pool}.depth")
    known = depths[np.isfinite(depths) & (depths > 0.0)]
    return float(min(depths[-1] / known[0], 1.0)) if len(known) and depths[-1] >= 0.0 else 1.0


register_shown(PoolsShown())
