"""What a scenario says of insurance funds, and whether they cover what can be covered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from sim import registry
from sim.distribution import NotNegative
from sim.errors import Problem, unknown
from sim.fields import MOST_ENTRIES, Period, Share, Table, reach

if TYPE_CHECKING:
    from sim.scenario import Content


class InsuranceSettings(Table):
    """A mutual fund that covers losses of pools and lending markets until it is empty."""

    token: str = Field(description="Token in which it holds its funds and pays.")
    funds: NotNegative = Field(
        0.0,
        description="Initial funds, token units.",
        json_schema_extra=reach("tokens", 0.0, 100000000.0),
    )
    covers: list[str] = Field(
        min_length=1,
        max_length=MOST_ENTRIES,
        description="Pools and lending markets that it covers.",
    )
    premium: Share = Field(
        0.0,
        description="Share of the covered pools' protocol fees that it receives.",
        json_schema_extra=reach("share of the fee", 0.0, 1.0),
    )
    deductible: Share = Field(
        0.0,
        description="For a pool: deductible, the loss against holding that providers bear "
        "themselves, share.",
    )
    cover: Share = Field(
        1.0,
        description="Share of the rest, or of a bad debt, that it pays.",
        json_schema_extra=reach("share", 0.0, 1.0),
    )
    window: Period = Field(1, description="Time over which a pool's loss is measured, blocks.")


def check_funds(s: Content, base: list[str]) -> list[Problem]:
    """Whether insurance funds cover what can be covered.

    Args:
        s: All of the scenario.
        base: Tokens that the venue trades.
    """
    found: list[Problem] = []
    for name, fund in s.insurance.items():
        field = f"insurance.{name}"
        found += unknown(f"{field}.token", fund.token, base, "token")
        for covered in fund.covers:
            coverable = [*s.pools, *s.lending]
            found += unknown(f"{field}.covers", covered, coverable, "pool or lending market")
            kind = s.pools[covered].kind if covered in s.pools else ""
            if kind and not registry.pool(kind).curve.parted:
                text = f"{covered} is {kind}; losses are stated of pools whose shares are alike"
                found.append((f"{field}.covers", text))
    return found
