"""What people are shown of protocols that declare themselves: what their classes declare."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sim import registry
from sim.codes import Kind
from sim.shown import (
    Chart,
    Fact,
    Look,
    Reduced,
    Shown,
    State,
    Watched,
    money,
    own_charts,
    register_shown,
)

if TYPE_CHECKING:
    from sim.market import Market
    from sim.scenario import Scenario


class DeclaredShown(Shown):
    """``[protocols]``."""

    order = 50
    kind = "protocol"
    look = Look("protocol", head="protocols")
    calls = (Kind.PROTOCOL,)

    def nodes(self, s: Scenario) -> list[str]:
        """The protocols."""
        return list(s.protocols)

    def look_of(self, s: Scenario, node: str) -> Look:
        """As its class says."""
        return _class(s, node).look if node in s.protocols else self.look

    def state(self, seen: Watched, node: str, value: float) -> State:
        """Tone and distress are the measures that its look names."""
        s, unit = seen.market.setup, seen.market.numeraire
        look = _class(s, node).look

        def of(measure: str) -> float:
            found = seen.last(f"protocol.{node}.{measure}") if measure else math.nan
            return found if math.isfinite(found) else 0.0

        tone, distress = of(look.tone), min(max(of(look.distress), 0.0), 1.0)
        told = [s.protocols[node].kind.rpartition(":")[2], f"{money(value)} {unit}"]
        told += [f"{what} {text}" for what, text in _told(seen, node, known=True)]
        if look.distress:
            told.append(f"distress: {100.0 * distress:.0f} %")
        own = tone if look.tone and look.scale is not None else None
        return State(own, distress, f"{money(value)} {unit}", ", ".join(told))

    def facts(self, seen: Watched, node: str) -> list[tuple[str, str]]:
        """Its kind, what it holds, and its card."""
        market = seen.market
        handle = market.protocols[node]
        facts = [("kind", market.setup.protocols[node].kind.replace("_", " "))]
        facts.append(("value", f"{money(market.wealth(node))} {market.numeraire}"))
        facts += [(f"holds, {token}", f"{n:,.2f}") for token, n in handle.holdings.items()]
        for token in (handle.token(token.name) for token in handle.issues):
            facts.append((f"issued, {token}", f"{market.ledger.supply(token):,.2f}"))
        return facts + _told(seen, node)

    def history(self, s: Scenario, node: str) -> list[Chart]:
        """Its charts, after the value of what it holds."""
        unit = s.venue.numeraire
        worth = {"value": f"protocol.{node}.value"}
        found = [Chart(f"{node}: value", unit, worth, "money")]
        found += [
            replace(chart, title=f"{node}: {chart.title}")
            for chart in _charts(s, node)
            if [*chart.lines.values()] != [*worth.values()]
        ]
        return found

    def charts(self, s: Scenario) -> list[Chart]:
        """The same, of all of them."""
        return [chart for node in s.protocols for chart in self.history(s, node)]

    def sections(self, s: Scenario) -> dict[str, list[Chart]]:
        """The charts that each declares."""
        found = {f"Protocol {node}": _charts(s, node) for node in s.protocols}
        return {heading: charts for heading, charts in found.items() if charts}

    def figures(self, market: Market) -> dict[str, dict[str, dict[str, Any]]]:
        """The card of each, with the reductions that it asks for."""
        s = market.setup
        found: dict[str, dict[str, Any]] = {}
        for node in s.protocols:
            value = Fact("value", "value", "money", market.numeraire)
            found[node] = {
                fact.label: {
                    fact.reduction: Reduced(f"protocol.{node}.{fact.measure}", fact.reduction),
                    "format": fact.format,
                    "unit": fact.unit,
                }
                for fact in (value, *_card(s, node))
            }
        return {"protocols": found} if found else {}

    def rows(self, summary: Mapping[str, Any]) -> list[tuple[str, str]]:
        """A line for each of which something was measured."""
        found = []
        for node, figures in summary.get("protocols", {}).items():
            told = [_sentence(label, figure) for label, figure in figures.items()]
            if any(told):
                found.append((f"Protocol {node}", "; ".join(filter(None, told))))
        return found


_WORDS = {"last": "", "largest": "at most ", "least": "at least "}
_SAYS_SO = ("lowest", "least", "highest", "largest", "most")
_ALWAYS = (", since the start", "since the start")
"""What a summary need not say of a unit: all of it is of the whole run."""


def _sentence(label: str, figure: Mapping[str, Any]) -> str:
    """A figure of the summary in words; "" where it is no number."""
    for reduction, words in _WORDS.items():
        value = figure.get(reduction)
        if value is not None and value == value:
            unit = figure["unit"]
            for end in _ALWAYS:
                unit = unit.removesuffix(end)
            unit = "" if unit and unit in label.split() else unit  # "auctions under way 3"
            words = "" if label.startswith(_SAYS_SO) else words
            return f"{label} {words}{Fact(label, '', figure['format'], unit).text(value)}"
    return ""


def _class(s: Scenario, node: str) -> Any:
    return registry.protocol(s.protocols[node].kind)


def _units(s: Scenario, node: str) -> dict[str, str]:
    """Units of its measures by name."""
    cls = _class(s, node)
    measures = {m.name: m.unit for m in cls.measures}
    for table, each in cls.each.items():
        entries = getattr(s.protocols[node].settings, table)
        measures |= {f"{m.name}.{entry}": m.unit for m in each.measures for entry in entries}
    return {"value": s.venue.numeraire} | measures


def _charts(s: Scenario, node: str) -> list[Chart]:
    """The charts that it declares, with the full names of its measures."""
    charts = own_charts(_class(s, node).charts, _units(s, node), f"protocol.{node}.")
    charts += _charts_of_entries(s, node)
    return [replace(chart, unit=_filled(s, node, chart.unit)) for chart in charts]


def _charts_of_entries(s: Scenario, node: str) -> list[Chart]:
    """One for each measure of the entries of a table, with a line for each entry."""
    found = []
    for table, each in _class(s, node).each.items():
        entries = list(getattr(s.protocols[node].settings, table))
        for m in each.measures if entries else ():
            lines = {entry: f"protocol.{node}.{m.name}.{entry}" for entry in entries}
            found.append(Chart(m.doc, m.unit, lines))
    return found


def _card(s: Scenario, node: str) -> Sequence[Fact]:
    """The card that it declares; of one that declares none, all its measures."""
    cls = _class(s, node)
    units = _units(s, node)
    told = cls.card or [Fact(m.name.replace("_", " "), m.name) for m in cls.measures]
    return [replace(fact, unit=_filled(s, node, fact.unit or units[fact.measure])) for fact in told]


def _filled(s: Scenario, node: str, unit: str) -> str:
    """A unit with the names of the tokens that the scenario gives, or that it issues."""
    unit = re.sub(r"\bnumeraire\b", s.venue.numeraire, unit)
    if any(token.name == "coin" for token in _class(s, node).issues):
        minted = getattr(s.protocols[node].settings, "mints", None)  # a token of the venue's
        unit = re.sub(r"\bcoins?\b", minted or f"{node}-coin", unit)
    if "{" in unit:
        for token in _class(s, node).tokens:
            unit = unit.replace(f"{{{token}}}", str(getattr(s.protocols[node].settings, token)))
    return unit


def _told(seen: Watched, node: str, known: bool = False) -> list[tuple[str, str]]:
    """What its card tells now; of `known` numbers alone, if it is asked for."""
    now = [
        (fact, seen.last(f"protocol.{node}.{fact.measure}"))
        for fact in _card(seen.market.setup, node)
    ]
    return [(f.label, f.text(value)) for f, value in now if value == value or not known]


register_shown(DeclaredShown())
