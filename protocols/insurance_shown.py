"""What people are shown of insurance funds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from sim.shown import Chart, Shown, Watched, money, register_shown

if TYPE_CHECKING:
    from sim.scenario import Scenario

_MEASURES = ("claimed", "paid")


class InsuranceShown(Shown):
    """``[insurance]``; in the network a fund is an account like others."""

    order = 40
    words: ClassVar[Mapping[str, str]] = {"insurance": "insurance pays"}

    def nodes(self, s: Scenario) -> list[str]:
        """The funds."""
        return list(s.insurance)

    def facts(self, seen: Watched, node: str) -> list[tuple[str, str]]:
        """What it has, what it covers, and what it has paid."""
        unit = seen.market.numeraire
        facts = [("wealth", f"{money(seen.market.wealth(node))} {unit}")]
        facts.append(("covers", ", ".join(seen.market.setup.insurance[node].covers)))
        for what in _MEASURES:
            facts.append((what, f"{money(seen.last(f'insurance.{node}.{what}'))} {unit}"))
        return facts

    def history(self, s: Scenario, node: str) -> list[Chart]:
        """Its wealth; claims and payments."""
        unit, paid = s.venue.numeraire, {what: f"insurance.{node}.{what}" for what in _MEASURES}
        since = f"{unit} since the start"
        return [
            Chart(f"{node}: wealth", unit, {"wealth": f"wealth.{node}"}, "money"),
            Chart(f"{node}: claimed and paid", since, paid, "money", zero=True),
        ]


register_shown(InsuranceShown())
