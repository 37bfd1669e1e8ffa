"""What a scenario says of lending markets, and whether it makes sense."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sim import registry
from sim.distribution import NotNegative
from sim.errors import Problem, unknown
from sim.fields import (
    MOST_ENTRIES,
    Blocks,
    Depth,
    Fee,
    Share,
    ShockSettings,
    Table,
    named_in,
    reach,
)

if TYPE_CHECKING:
    from sim.scenario import AgentSettings, Content

MOST_LOG_DEBT = 200.0
"""How far the log of a debt may grow in a run; an exponent above 709 is no number."""
YEAR = 365.0 * 86_400.0
"""Seconds of a year, as interest counts it."""


class ReserveSettings(Table):
    """A reserve of a lending market."""

    collateral: bool = True
    borrowable: bool = True
    ltv: Share = Field(
        0.0,
        description="Value that may be borrowed against it.",
        json_schema_extra=reach("share", 0.0, 0.95),
    )
    threshold: Share = Field(
        0.0,
        description="Value at which it counts for the health factor.",
        json_schema_extra=reach("share", 0.0, 0.99),
    )
    bonus: NotNegative = Field(
        0.0, description="Of liquidators, share.", json_schema_extra=reach("share", 0.0, 0.2)
    )
    base_rate: NotNegative = Field(0.0, description="Per year.")
    slope1: NotNegative = Field(
        0.04,
        description="Per year, up to the optimum.",
        json_schema_extra=reach("per year", 0.0, 0.5),
    )
    slope2: NotNegative = Field(
        0.6,
        description="Per year, from there to full utilisation.",
        json_schema_extra=reach("per year", 0.0, 5.0),
    )
    optimal: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.8, description="Utilisation.", json_schema_extra=reach("utilisation", 0.3, 0.98)
    )
    reserve_factor: Share = Field(
        0.1, description="Treasury's share of interest.", json_schema_extra=reach("share", 0.0, 0.5)
    )
    supply_cap: Depth = Field(math.inf, description="Token units.")
    borrow_cap: Depth = Field(math.inf, description="Token units.")
    cash: NotNegative = Field(
        0.0, description="Deposited at the start by outside holders, token units."
    )
    utilisation: Annotated[float, Field(gt=0.0, le=1.0)] | None = Field(
        None,
        description="At the start: outside holders deposit what makes it so, in place of `cash`.",
        json_schema_extra=reach("share", 0.05, 1.0),
    )
    oracle: str | None = Field(None, description="Default: the one called like the token.")


class LendingSettings(Table):
    """A lending market."""

    close_factor: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.5,
        description="Share of a debt that one liquidation may repay.",
        json_schema_extra=reach("share", 0.05, 1.0),
    )
    full_close_below: NotNegative = Field(
        0.95, description="Health factor at and below which it may be all of it."
    )
    bonus_share: Share = Field(0.1, description="Protocol's share of the liquidation bonus.")
    flash_fee: Fee = Field(
        0.0005,
        description="Share of a flash loan, for depositors.",
        json_schema_extra=reach("share", 0.0, 0.01),
    )
    default: Literal["none", "close"] = Field(
        "none",
        description="Of an account whose debts exceed its collateral at market prices: nothing, "
        "or its collateral is sold outside, its creditors paid, and the rest written off.",
    )
    default_delay: Blocks = Field(
        0,
        description="Blocks that an account must have been so, without a liquidation.",
        json_schema_extra=reach("blocks", 0, 1000),
    )
    reserves: dict[str, ReserveSettings] = Field(min_length=1, max_length=MOST_ENTRIES)


class Withdrawal(ShockSettings):
    """Depositors withdraw a share of their deposits."""

    kind: Literal["withdrawal"]
    lending: str
    token: str
    share: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        json_schema_extra=reach("share", 0.01, 1.0)
    )
    agents: str | None = Field(None, description="Of this group only.")

    def problems(self, s: Content) -> list[Problem]:
        """Whether the market lends the token."""
        if self.lending not in s.lending:
            return []
        return unknown("token", self.token, s.lending[self.lending].reserves, "reserve")


registry.register_shock("withdrawal", Withdrawal)


def check_markets(s: Content, tokens: list[str], base: list[str]) -> list[Problem]:
    """What is wrong with the reserves of lending markets.

    Args:
        s: All of the scenario.
        tokens: All that there are.
        base: Those that the venue trades.
    """
    found: list[Problem] = []
    debts = {f"{name}-{t}-debt" for name, lender in s.lending.items() for t in lender.reserves}
    for name, market in s.lending.items():
        for token, reserve in market.reserves.items():
            field = f"lending.{name}.reserves.{token}"
            others = [t for t in tokens if not t.startswith(f"{name}-")]
            found += unknown(field, token, others, "token")
            if token in debts:
                text = "is a debt, which nobody can hand over; take it out of the reserves"
                found.append((field, text))
            found += _check_reserve(s, field, token, reserve, base)
        if market.default == "close":
            found += _check_close(s, name, market, base)
    return found


def receipts_before(s: Content, market: str, base: list[str]) -> dict[str, str]:
    """Receipts of base tokens by the lending markets above one: what is behind each, by name."""
    found: dict[str, str] = {}
    for name, lender in s.lending.items():
        if name == market:
            break
        found |= {f"{name}-{token}": token for token in lender.reserves if token in base}
    return found


def _check_close(s: Content, name: str, market: LendingSettings, base: list[str]) -> list[Problem]:
    """Whether what secures debts can be sold outside for what is owed."""
    found = []
    sold = [*base, *receipts_before(s, name, base)]
    for token, reserve in market.reserves.items():
        field = f"lending.{name}.default"
        if reserve.collateral and token not in sold:
            text = f'is "close", but nobody outside buys {token}; take it out of the collateral,'
            found.append((field, f'{text} or give "none"'))
        elif reserve.borrowable and token not in base:
            text = f'is "close", but nobody outside sells {token}; set its borrowable to false,'
            found.append((field, f'{text} or give "none"'))
    return found


def _check_reserve(
    s: Content, field: str, token: str, r: ReserveSettings, base: list[str]
) -> list[Problem]:
    """Whether a reserve has its oracle, and numbers that do not contradict each other."""
    found = unknown(f"{field}.oracle", r.oracle or token, s.oracles, "oracle")
    feed = s.oracles.get(r.oracle or token)
    if feed is not None and feed.token != token:
        text = f"oracle {r.oracle or token!r} prices {feed.token}, not {token}"
        found.append((f"{field}.oracle", f"{text}; name one of {token}"))
    if r.collateral and r.threshold < r.ltv:
        text = (
            f"{r.threshold} is below the loan-to-value {r.ltv}: positions could be "
            "liquidated as soon as they are opened; raise it, or lower ltv"
        )
        found.append((f"{field}.threshold", text))
    if (r.cash > 0.0 or r.utilisation is not None) and token not in base:
        found.append((f"{field}.cash", f"only {', '.join(base)} can be put in"))
    if r.cash > r.supply_cap:
        text = f"{r.cash:g} is above supply_cap ({r.supply_cap:g}); lower it, or raise that"
        found.append((f"{field}.cash", text))
    if r.cash > 0.0 and r.utilisation is not None:
        text = "cannot stand beside cash; give one of them"
        found.append((f"{field}.utilisation", text))
    rates = {name: getattr(r, name) for name in ("base_rate", "slope1", "slope2")}
    if s.blocks * math.log1p(sum(rates.values()) * s.block.seconds / YEAR) > MOST_LOG_DEBT:
        most = max(rates, key=lambda name: rates[name])
        text = f"{rates[most]:g} takes debts beyond exp({MOST_LOG_DEBT:g}) in {s.blocks:,} blocks"
        found.append((f"{field}.{most}", f"{text}; lower it, or blocks"))
    return found


def check_group(
    field: str, markets: Mapping[str, LendingSettings], group: AgentSettings, known: list[str]
) -> list[Problem]:
    """Whether the markets of a group of agents lend what the group uses.

    Args:
        field: Of the group.
        markets: By name.
        group: Its settings.
        known: Tokens that there are.
    """
    found: list[Problem] = []
    there = {t for m in group.named("lending") if m in markets for t in markets[m].reserves}
    for key, of, token in named_in(group.targets) if there else ():
        if of not in ("token", "issued") or token not in known:
            continue
        found += unknown(f"{field}.{key}", token, sorted(there & set(known)), "reserve")
        # One of several tokens may be in some of the markets; one that stands alone is in all.
        lacking = [m for m in group.named("lending") if m in markets]
        lacking = [m for m in lacking if token not in markets[m].reserves]
        if token in there and lacking and isinstance(getattr(group.targets, key), str):
            text = f"{', '.join(lacking)} has no reserve of {token}; take it out of the list, or"
            found.append((f"{field}.lending", f"{text} give lending.{lacking[0]} one"))
    return found


def warnings(markets: Mapping[str, LendingSettings]) -> list[Problem]:
    """What may be run but is unwise, by dotted field of the scenario."""
    found: list[Problem] = []
    for name, market in markets.items():
        for token, r in market.reserves.items():
            if r.collateral and r.threshold * (1.0 + r.bonus) > 1.0:
                text = (
                    "threshold x (1 + bonus) is above 1: liquidations at the threshold "
                    "leave bad debt (Warmuz, Chaudhary, Pinna 2022)"
                )
                found.append((f"lending.{name}.reserves.{token}.threshold", text))
    return found
