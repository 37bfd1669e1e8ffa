"""Switches of mechanisms: those that the market has by itself, and those that its parts bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, create_model

from sim.fields import Switch, Table
from sim.parts import sections


class _OwnSwitches(Table):
    """Mechanisms without which a spiral would not emerge; cut one as a control."""

    liquidators_sell: Switch = Field(
        True, description="Liquidators sell what they seize; off: they keep it."
    )
    capital_is_finite: Switch = Field(
        True, description="Arbitrageurs and liquidators can run out of capital."
    )
    liquidators_share_capital: Switch = Field(
        True,
        description="Liquidators of several markets use the same capital for all; off: "
        "each serves one market.",
    )
    claims_as_collateral: Switch = Field(
        True,
        description="Pool shares and deposit receipts secure loans; off: nobody has borrowed "
        "against them.",
    )
    providers_leave: Switch = Field(True, description="Liquidity providers may leave.")
    lenders_leave: Switch = Field(True, description="Lenders may withdraw.")
    funds_sell_across: Switch = Field(
        True, description="Funds sell all their assets when one falls; off: only that one."
    )
    investors_redeem: Switch = Field(True, description="Funds' investors redeem after losses.")
    gas_binds: Switch = Field(True, description="Blocks have a capacity, and gas a price.")
    venue_depth_is_finite: Switch = Field(
        True, description="Agents' trades outside move the price there."
    )
    makers_capital_binds: Switch = Field(
        True,
        description="Market makers outside quote less when they lose; off: as much as at "
        "the start.",
    )
    interconnected: Switch = Field(
        True,
        description="Agents use several pools: routes, cycles, migration, arbitrage where it pays "
        "most; off: each uses one.",
    )


FROM_THE_START = frozenset({"capital_is_finite", "claims_as_collateral"})
"""Switches that cannot be cut for a while: capital without limit is given, and loans are made, at
the start alone."""

if TYPE_CHECKING:
    Mechanism = str

    class Switches(_OwnSwitches):
        """Those, and what parts bring."""

        def __getattr__(self, switch: str) -> bool: ...

else:
    _BROUGHT: dict[str, Any] = {
        name: (Switch, Field(True, description=text))
        for part in sections()
        for name, text in part.switches.items()
    }
    Switches = create_model(
        "Switches",
        __base__=_OwnSwitches,
        __module__=__name__,
        __doc__=_OwnSwitches.__doc__,
        **_BROUGHT,
    )
    Mechanism = Literal[tuple(n for n in Switches.model_fields if n not in FROM_THE_START)]
    """Switches that can also be cut for a while."""
