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
    Name,
    Share,
    ShockSettings,
    Switch,
    Table,
    named_in,
    reach,
)
from sim.units import INTEREST_YEAR

if TYPE_CHECKING:
    from sim.scenario import AgentSettings, Content

MOST_LOG_DEBT = 200.0
"""How far the log of a debt may grow in a run; an exponent above 709 is no number."""


class ReserveSettings(Table):
    """A reserve of a lending market."""

    collateral: bool = True
    borrowable: bool = True
    ltv: Share = Field(
        0.0,
        description="Loan-to-value: share of its value that may be borrowed against it.",
        json_schema_extra=reach("share", 0.0, 0.95),
    )
    threshold: Share = Field(
        0.0,
        description="Liquidation threshold: share of its value that counts for the health factor.",
        json_schema_extra=reach("share", 0.0, 0.99),
    )
    bonus: NotNegative = Field(
        0.0, description="Liquidation bonus, share.", json_schema_extra=reach("share", 0.0, 0.2)
    )
    base_rate: NotNegative = Field(0.0, description="Borrow rate at zero utilisation, per year.")
    slope1: NotNegative = Field(
        0.04,
        description="Rise of the rate up to the optimal utilisation, per year.",
        json_schema_extra=reach("per year", 0.0, 0.5),
    )
    slope2: NotNegative = Field(
        0.6,
        description="Rise of the rate from there to full utilisation, per year.",
        json_schema_extra=reach("per year", 0.0, 5.0),
    )
    optimal: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.8, description="Optimal utilisation.", json_schema_extra=reach("utilisation", 0.3, 0.98)
    )
    reserve_factor: Share = Field(
        0.1, description="Treasury's share of interest.", json_schema_extra=reach("share", 0.0, 0.5)
    )
    supply_cap: Depth = Field(math.inf, description="Largest total deposits, token units.")
    borrow_cap: Depth = Field(math.inf, description="Largest total debt, token units.")
    cash: NotNegative = Field(0.0, description="Initial deposits of outside holders, token units.")
    utilisation: Annotated[float, Field(gt=0.0, le=1.0)] | None = Field(
        None,
        description="Initial utilisation: outside holders deposit what produces it, instead of "
        "`cash`.",
        json_schema_extra=reach("share", 0.05, 1.0),
    )
    oracle: str | None = Field(
        None, description="Oracle that prices it; default: the one named like the token."
    )
    curve: Literal["kinked", "adaptive"] = Field(
        "kinked",
        description="Interest rate curve. kinked: two slopes; adaptive: a curve whose rate at "
        "`optimal` moves for as long as utilisation differs from it.",
    )
    rate_at_target: Annotated[float, Field(ge=0.001, le=2.0)] = Field(
        0.04,
        description="Adaptive curve: initial rate at the optimal utilisation, per year.",
        json_schema_extra=reach("per year", 0.001, 1.0, log=True),
    )
    steepness: Annotated[float, Field(ge=1.0, le=1000.0)] = Field(
        4.0,
        description="Adaptive curve: factor by which the rate is higher at full utilisation, and "
        "lower at zero.",
        json_schema_extra=reach("multiple", 1.5, 20.0),
    )
    adjustment: Annotated[float, Field(ge=0.0, le=10_000.0)] = Field(
        50.0,
        description="Adaptive curve: speed at which the rate moves at full utilisation, per year.",
        json_schema_extra=reach("per year", 5.0, 500.0, log=True),
    )
    isolated: Switch = Field(
        False,
        description="Whether it can secure a debt only as the sole collateral (Aave's isolation "
        "mode).",
    )
    debt_ceiling: Depth = Field(
        math.inf, description="For an isolated token: largest total debt against it, numeraire."
    )
    in_isolation: Switch = Field(
        False, description="Whether it may be borrowed against an isolated token."
    )
    category: str | None = Field(
        None,
        description="Category of tokens that move together (Aave's e-mode): one of the market's.",
    )


class CategorySettings(Table):
    """Terms of collateral while all debt is in its category (Aave's e-mode)."""

    ltv: Share = Field(
        0.9,
        description="Loan-to-value: share of its value that may be borrowed against it.",
        json_schema_extra=reach("share", 0.5, 0.98),
    )
    threshold: Share = Field(
        0.93,
        description="Liquidation threshold: share of its value that counts for the health factor.",
        json_schema_extra=reach("share", 0.5, 0.99),
    )
    bonus: NotNegative = Field(
        0.01, description="Liquidation bonus, share.", json_schema_extra=reach("share", 0.0, 0.1)
    )


class LendingSettings(Table):
    """A lending market."""

    lltv: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        None,
        description="For an isolated pair (Morpho Blue): loan-to-value of its one collateral, "
        "both the borrowing limit and the liquidation threshold; the bonus follows "
        "from it.",
        json_schema_extra=reach("share", 0.3, 0.98),
    )
    auction: Blocks = Field(
        0,
        description="Blocks over which the liquidation bonus rises from zero; 0: the full bonus "
        "at once.",
        json_schema_extra=reach("blocks", 0, 300),
    )
    categories: dict[Name, CategorySettings] = Field(
        default_factory=dict,
        max_length=MOST_ENTRIES,
        description="Categories of tokens that move together (Aave's e-mode).",
    )

    close_factor: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.5,
        description="Share of a debt that one liquidation may repay.",
        json_schema_extra=reach("share", 0.05, 1.0),
    )
    full_close_below: NotNegative = Field(
        0.95, description="Health factor at and below which it may repay the whole debt."
    )
    bonus_share: Share = Field(0.1, description="Protocol's share of the liquidation bonus.")
    flash_fee: Fee = Field(
        0.0005,
        description="Fee of a flash loan, paid to depositors, share of the loan.",
        json_schema_extra=reach("share", 0.0, 0.01),
    )
    default: Literal["none", "close"] = Field(
        "none",
        description="What happens to an account whose debts exceed its collateral at market "
        "prices. none: nothing; close: its collateral is sold outside, its creditors "
        "are paid, and the rest is written off.",
    )
    default_delay: Blocks = Field(
        0,
        description="Time for which that must have been the case without a liquidation, blocks.",
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
    agents: str | None = Field(None, description="Only providers or depositors in this group.")

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
        found += _check_special(f"lending.{name}", market)
    return found


def _check_special(field: str, market: LendingSettings) -> list[Problem]:
    """Whether a pair is one, and categories and isolated tokens are what they say."""
    found: list[Problem] = []
    for name, terms in market.categories.items():
        if terms.threshold < terms.ltv:
            text = f"{terms.threshold} is below its loan-to-value {terms.ltv}; raise it, or lower"
            found.append((f"{field}.categories.{name}.threshold", f"{text} ltv"))
    for token, r in market.reserves.items():
        of = f"{field}.reserves.{token}"
        if r.category is not None:
            found += unknown(f"{of}.category", r.category, market.categories, "category")
        if r.isolated and not r.collateral:
            found.append(
                (f"{of}.isolated", "is true, but the token is no collateral; set collateral = true")
            )
        if not r.isolated and r.debt_ceiling < math.inf:
            text = "is of no use where isolated is false; leave it out, or set that"
            found.append((f"{of}.debt_ceiling", text))
    if market.lltv is None:
        return found
    sides = [(r.collateral, r.borrowable) for r in market.reserves.values()]
    if sorted(sides) != [(False, True), (True, False)]:
        text = "makes a pair: give two reserves, one with borrowable = false, one with collateral ="
        found.append((f"{field}.lltv", f"{text} false"))
    for token, r in market.reserves.items():
        for name in ("ltv", "threshold", "bonus"):
            if r.collateral and getattr(r, name) > 0.0:
                text = "follows from lltv; leave it out"
                found.append((f"{field}.reserves.{token}.{name}", text))
        if r.isolated or r.category is not None:
            text = "cannot stand beside a reserve that is isolated or of a category"
            found.append((f"{field}.lltv", text))
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
    if r.curve == "adaptive":  # at most twice a year's debt at the target (`lending.adapted`)
        rates = {"steepness": 2.0 * r.steepness}
    if s.blocks * math.log1p(sum(rates.values()) * s.block.seconds / INTEREST_YEAR) > MOST_LOG_DEBT:
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
