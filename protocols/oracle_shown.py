"""What people are shown of oracles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from sim.shown import Chart, Look, Place, Shown, State, Watched, register_shown

if TYPE_CHECKING:
    from sim.scenario import Scenario

_PREFIX = "oracle:"
_MISPRICED = 0.05
"""Gap to the venue's price that counts as full distress."""


class OraclesShown(Shown):
    """``[oracles]``."""

    order = 20
    kind = "oracle"
    look = Look(
        "oracle",
        head="oracles",
        place=Place.CREDIT,
        colour="#edae49",
        light="#edae49",
        dark="#d99b34",
        prefix=_PREFIX,
    )
    words: ClassVar[Mapping[str, str]] = {"oracle_reads_market": "oracles see what agents do"}

    def nodes(self, s: Scenario) -> list[str]:
        """The oracles, as the network names them."""
        return [_PREFIX + name for name in s.oracles]

    def state(self, seen: Watched, node: str, value: float) -> State:
        """The gap to the venue's price as distress, which is full where it is frozen."""
        market = seen.market
        feed = market.oracles[node.removeprefix(_PREFIX)]
        price, outside = float(feed.record["price"][0]), market.price(feed.token)
        gap = price / outside - 1.0 if outside > 0.0 else 0.0
        frozen = market.block + 1 < int(feed.record["frozen_until"][0])
        unit = market.numeraire
        text = "frozen" if frozen else f"{price:,.4g} {unit}"
        about = f"oracle of {feed.token}, {price:,.6g} {unit}, {100 * gap:+.2f} % off the venue"
        return State(None, 1.0 if frozen else min(abs(gap) / _MISPRICED, 1.0), text, about)

    def facts(self, seen: Watched, node: str) -> list[tuple[str, str]]:
        """What it reads, and what it says."""
        market, name = seen.market, node.removeprefix(_PREFIX)
        feed, settings, unit = market.oracles[name], market.setup.oracles[name], market.numeraire
        frozen = market.block + 1 < int(feed.record["frozen_until"][0])
        facts = [("token", feed.token), ("source", settings.source.replace("_", " "))]
        if settings.pool:
            facts.append(("pool", settings.pool))
        facts.append(("price", f"{float(feed.record['price'][0]):,.6g} {unit}"))
        facts.append(("at the outside venue", f"{market.price(feed.token):,.6g} {unit}"))
        facts.append(("lag", f"{settings.lag:,} blocks"))
        if settings.most_move:
            text = f"{100 * settings.most_move:g} % in {settings.hop:,} blocks"
            facts.append(("moves at most", text))
        facts.append(("publishes", "nothing" if frozen else "yes"))
        return facts

    def history(self, s: Scenario, node: str) -> list[Chart]:
        """What it says, beside the outside price."""
        name = node.removeprefix(_PREFIX)
        token, lines = s.oracles[name].token, {f"oracle {name}": f"oracle.{name}.price"}
        if token in s.venue.assets:
            lines["outside venue"] = f"venue.{token}.price"
        return [Chart(f"Oracle {name}", s.venue.numeraire, lines)]

    def prices(self, s: Scenario, asset: str) -> dict[str, str]:
        """Those of the asset."""
        mine = [name for name, oracle in s.oracles.items() if oracle.token == asset]
        return {f"oracle {name}": f"oracle.{name}.price" for name in mine}

    def cuts(self, s: Scenario) -> dict[str, tuple[str, str]]:
        """Each can be frozen."""
        return {f"oracle {name}": ("oracle_freeze", name) for name in s.oracles}


register_shown(OraclesShown())
