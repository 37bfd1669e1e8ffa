"""Insurance funds in a market's arrays, and what they start with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from protocols.insurance import FUND, InsuranceFund, records
from protocols.insurance_settings import InsuranceSettings, check_funds
from sim.errors import Problem
from sim.ledger import Ledger
from sim.mechanisms import Restore, all_of, set_now
from sim.parts import Part, register_part

if TYPE_CHECKING:
    from sim.market import Market
    from sim.scenario import Content, Scenario
    from sim.world import World


def _cut_cover(world: World) -> Restore:
    return all_of([set_now(world.funds["cover"], 0.0), set_now(world.funds["premium"], 0.0)])


class Insurance(Part):
    """``[insurance]``."""

    order = 40
    section = "insurance"
    settings = InsuranceSettings
    what = "insurance fund"
    switches = {"insurance": "Insurance funds pay."}  # noqa: RUF012
    tables = {"funds": (FUND, 1)}  # noqa: RUF012
    fund_order = 15
    cuts = {"insurance": _cut_cover}  # noqa: RUF012

    def check(self, s: Content, tokens: list[str], base: list[str]) -> list[Problem]:
        """Whether they cover what can be covered."""
        return check_funds(s, base)

    def special(self, s: Content) -> list[str]:
        """One for each fund."""
        return list(s.insurance)

    def arrays(self, s: Scenario, ledger: Ledger, slot: int) -> dict[str, Any]:
        """What each fund covers."""
        return {"funds": records(s, ledger)}

    def flags(self, s: Scenario) -> dict[str, int]:
        """Whether something is insured."""
        return {"guarded": int(bool(s.insurance))}

    def fund(self, s: Scenario, ledger: Ledger, world: World) -> None:
        """Give each its money."""
        for fund, insurance in s.insurance.items():
            ledger.mint(fund, insurance.token, insurance.funds)

    def handles(self, market: Market, slot: int) -> dict[str, Any]:
        """`Market.insurance`."""
        found, first = {}, 0
        for name, settings in market.setup.insurance.items():
            rows = market.world.funds[first : first + len(settings.covers)]
            found[name] = InsuranceFund(name, market.ledger, rows, settings.covers)
            first += len(settings.covers)
        return {"insurance": found}

    def works(self, s: Scenario) -> dict[str, bool]:
        """Whether a fund could pay."""
        return {"insurance": bool(s.insurance)}


register_part(Insurance())
