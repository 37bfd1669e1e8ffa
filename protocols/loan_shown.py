"""What people are shown of lending markets: loans, their health, and liquidations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from protocols.cascade import GENERATIONS, Generations
from protocols.lending import standing
from protocols.loan_measures import loss_of
from sim.codes import Kind
from sim.measures import value_tokens
from sim.shown import (
    Chart,
    Counter,
    Figure,
    Histogram,
    Look,
    Place,
    Reduced,
    Scale,
    Shown,
    State,
    Table,
    Trail,
    Watched,
    money,
    register_shown,
)

if TYPE_CHECKING:
    from sim.market import Market
    from sim.scenario import Scenario

_QUANTILES = (("min", "lowest"), ("q05", "5 %"), ("q25", "25 %"), ("median", "median"))
_LIQUIDATED = "liquidated."


class LoansShown(Shown):
    """``[lending]``."""

    order = 10
    kind = "lending"
    look = Look(
        "lending",
        head="lending",
        place=Place.CREDIT,
        colour="#d1495b",
        scale=Scale("utilisation"),
    )
    calls = (
        Kind.DEPOSIT,
        Kind.WITHDRAW,
        Kind.BORROW,
        Kind.REPAY,
        Kind.LIQUIDATE,
        Kind.FLASH_BORROW,
    )

    # In the network

    def nodes(self, s: Scenario) -> list[str]:
        """The markets."""
        return list(s.lending)

    def linked(self, group: Any) -> Iterable[str]:
        """Those where it borrows or lends."""
        return tuple(group.named("lending"))

    def state(self, seen: Watched, node: str, value: float) -> State:
        """Utilisation as tone; the share of its debt that is endangered as distress."""
        lender = seen.market.lending[node]
        used = max((lender.utilisation(t) for t in lender.tokens if lender.debts(t)), default=0.0)
        debt = seen.last(f"lending.{node}.debt")
        endangered = seen.last(f"lending.{node}.endangered")
        risk = min(endangered / debt, 1.0) if debt > 0.0 and endangered == endangered else 0.0
        about = (
            f"{money(value)} {seen.market.numeraire} of cash, utilisation {100.0 * used:.0f} %, "
            f"distress: {100.0 * risk:.0f} % of its debt endangered by a fall of 10 %"
        )
        return State(used, risk, f"{100.0 * used:.0f} % lent", about)

    def facts(self, seen: Watched, node: str) -> list[tuple[str, str]]:
        """Deposits, use and rates by token; liquidations."""
        lender, unit = seen.market.lending[node], seen.market.numeraire
        facts = []
        for token in lender.tokens:
            text = f"{money(lender.deposits(token))} deposited"
            if lender.debts(token):
                text += f", {100.0 * lender.utilisation(token):.1f} % lent"
                text += f" at {100.0 * lender.borrow_rate(token):.2f} % a year"
            facts.append((token, text))
        facts.append(("debtors", f"{int(lender.record['debtors'][0]):,}"))
        facts.append(("liquidations", f"{lender.liquidations:,}"))
        facts.append(("liquidated", f"{money(lender.liquidated_value)} {unit}"))
        facts.append(("bad debt", f"{money(lender.bad_debt)} {unit}"))
        lost = lost_by(seen.market, node)
        facts.append(("written off or not covered", f"{money(lost)} {unit}"))
        if lender.defaults:
            facts.append(("accounts closed", f"{lender.defaults:,}"))
        return facts

    def history(self, s: Scenario, node: str) -> list[Chart]:
        """Debt, collateral, and how much is lent."""
        owed = {"debt": f"lending.{node}.debt", "collateral": f"lending.{node}.collateral"}
        used = {t: f"lending.{node}.{t}.utilisation" for t in s.lending[node].reserves}
        title = f"{node}: debt and collateral"
        return [
            Chart(title, s.venue.numeraire, owed, "money", zero=True),
            Chart(f"{node}: utilisation", "share of deposits", used, "share"),
        ]

    # In time

    def charts(self, s: Scenario) -> list[Chart]:
        """Liquidations, debt at risk, health factors and cash."""
        if not s.lending:
            return []
        unit, risk, cash = s.venue.numeraire, {}, {}
        for m, lender in s.lending.items():
            risk[f"{m}: endangered by a fall of 10 %"] = f"lending.{m}.endangered"
            risk[f"{m}: bad debt"] = f"lending.{m}.bad_debt"
            risk[f"{m}: written off or not covered"] = f"lending.{m}.loss"
            where = f"{m}: " if len(s.lending) > 1 else ""
            for token, reserve in lender.reserves.items():
                if reserve.borrowable:
                    cash[f"{where}{token} lent"] = f"lending.{m}.{token}.utilisation"
                    cash[f"{where}{token} withdrawable"] = f"lending.{m}.{token}.withdrawable"
        generations = {text: _LIQUIDATED + text for text in GENERATIONS}
        since = f"{unit} since the start"
        return [
            Chart("Liquidated, by generation", since, generations, "money", zero=True),
            Chart("Debt at risk", unit, risk, "money", zero=True),
            Chart("Health factors", "quantiles", _health_lines(s)),
            Chart("Utilisation and withdrawable cash", "share of deposits", cash, "share"),
        ]

    def sections(self, s: Scenario) -> dict[str, list[Chart]]:
        """Leverage and liquidations; utilisation and cash."""
        if not s.lending:
            return {}
        leverage = {f"{m}: collateral over equity": f"lending.{m}.leverage" for m in s.lending}
        sums = {}
        for m in s.lending:
            sums[f"{m}: debt liquidated since the start"] = f"lending.{m}.liquidated"
            sums[f"{m}: bad debt since the start"] = f"lending.{m}.bad_debt"
            sums[f"{m}: written off or not covered"] = f"lending.{m}.loss"
            sums[f"{m}: debt that a fall of 10 % would endanger"] = f"lending.{m}.endangered"

        def of_reserves(what: str) -> dict[str, str]:
            pairs = [(m, token) for m, lender in s.lending.items() for token in lender.reserves]
            return {f"{m}: {token}": f"lending.{m}.{token}.{what}" for m, token in pairs}

        deposits, used = "share of deposits", of_reserves("utilisation")
        return {
            "Leverage and liquidations": [
                Chart("Leverage of all positions", "multiple", leverage),
                Chart("Health factors", "quantiles", _health_lines(s), level=1.0),
                Chart("Liquidations", s.venue.numeraire, sums, "money"),
            ],
            "Utilisation and withdrawable cash": [
                Chart("Utilisation", f"{deposits} lent", used, "share"),
                Chart("Withdrawable cash", deposits, of_reserves("withdrawable"), "share"),
                Chart("Borrow rate", "per year", of_reserves("borrow_rate"), "share"),
            ],
        }

    def compared(self, s: Scenario) -> list[tuple[str, str]]:
        """Liquidations and bad debt."""
        found = []
        for m in s.lending:
            found.append((f"liquidated in {m}", f"lending.{m}.liquidated"))
            found.append((f"bad debt in {m}", f"lending.{m}.bad_debt"))
            found.append((f"loss of {m}", f"lending.{m}.loss"))
        return found

    def counters(self, s: Scenario) -> list[Counter]:
        """Liquidations by generation; oracles are as late as the latest of them."""
        lag = max((o.lag for o in s.oracles.values()), default=0)
        return [LiquidationCounter(Generations(lag))] if s.lending else []

    # Of a run

    def figures(self, market: Market) -> dict[str, dict[str, dict[str, Any]]]:
        """Liquidations, bad debt, and how scarce cash was."""

        def of_reserves(name: str, what: str, reduction: str) -> dict[str, Reduced]:
            tokens = market.lending[name].tokens
            return {t: Reduced(f"lending.{name}.{t}.{what}", reduction) for t in tokens}

        found = {
            name: {
                "liquidations": lender.liquidations,
                "liquidated": lender.liquidated_value,
                "bad_debt": lender.bad_debt,
                "loss": lost_by(market, name),
                "defaults": lender.defaults,
                "shortfall": Reduced(f"lending.{name}.shortfall", "last"),
                "highest_utilisation": of_reserves(name, "utilisation", "largest"),
                "least_withdrawable": of_reserves(name, "withdrawable", "least"),
            }
            for name, lender in market.lending.items()
        }
        return {"lending": found}

    def rows(self, summary: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Liquidations and use of each."""
        found = []
        unit = summary["numeraire"]
        for name, m in summary["lending"].items():
            liquidated = "no liquidations"
            if m["liquidations"]:
                worth = f"together {money(m['liquidated'])} {unit}"
                liquidated = f"{m['liquidations']:,} liquidations, {worth}"
            text = (
                f"{liquidated}; "
                f"bad debt {money(m['bad_debt'])} {unit}; "
                f"written off or not covered {money(m['loss'])} {unit}"
            )
            if m["defaults"]:
                text += f"; {m['defaults']:,} accounts closed"
            found.append((f"Lending {name}", text))
            highest = m["highest_utilisation"].items()
            used = ", ".join(f"{token} {100 * value:.1f} %" for token, value in highest if value)
            if used:
                found.append((f"Lending {name}: highest utilisation", used))
        return found

    def headline(self, market: Market) -> list[Figure]:
        """Liquidations and bad debt of all of them."""
        lenders, unit = market.lending.values(), market.numeraire
        if not lenders:
            return []
        return [
            Figure("liquidations", f"{sum(m.liquidations for m in lenders):,}", ""),
            Figure("liquidated", money(sum(m.liquidated_value for m in lenders)), unit),
            Figure("bad debt", money(sum(m.bad_debt for m in lenders)), unit),
            Figure(
                "written off or not covered",
                money(sum(lost_by(market, m.name) for m in lenders)),
                unit,
            ),
        ]

    # Of agents

    def of_account(self, market: Market, row: int) -> list[tuple[str, str]]:
        """Its health factors."""
        factors = [(name, lender.health_factor(row)) for name, lender in market.lending.items()]
        return [(f"health factor in {n}", f"{f:.4f}") for n, f in factors if math.isfinite(f)]

    def trails(self, s: Scenario) -> list[Trail]:
        """The lowest health factor."""
        return [Trail("health", "health factor", "lowest", _lowest_health)] if s.lending else []

    def histograms(self, s: Scenario) -> list[Histogram]:
        """Health factors of all debtors, at the oracle's prices."""
        axis = "health factor (below 1 a position can be liquidated)"
        return [
            Histogram(
                f"Health factors in {name}", axis, "debtors", 0.8, 3.0, 44, 1.0, _health_of(m)
            )
            for m, name in enumerate(s.lending)
        ]

    def tables(self, s: Scenario) -> list[Table]:
        """The positions with the lowest health factors."""
        unit = s.venue.numeraire
        columns = (
            ("account", "account", "", False),
            ("market", "market", "", False),
            ("health", "health factor", "", True),
            ("debt", "debt", unit, True),
            ("collateral", "collateral", unit, True),
            ("ratio", "loan to value", "", True),
        )
        title, empty = "Most endangered positions", "nobody owes anything"
        return [Table(title, columns, _endangered_rows, empty)] if s.lending else []


def lost_by(market: Market, name: str) -> float:
    """What a lending market has written off or is not covered for now, numeraire.

    As the measure ``lending.<market>.loss``, at the prices of this moment.
    """
    value_tokens(market.world)
    return float(loss_of(market.world, list(market.lending).index(name)))


def _health_lines(s: Scenario) -> dict[str, str]:
    """Quantiles of the health factors in each market: measures by label."""
    return {f"{m}: {text}": f"lending.{m}.health_{q}" for m in s.lending for q, text in _QUANTILES}


def _health_of(m: int) -> Callable[[Market], npt.NDArray[np.float64]]:
    def read(market: Market) -> npt.NDArray[np.float64]:
        debtors = int(market.world.markets[m]["debtors"])
        return np.asarray(market.world.health[m, :debtors])

    return read


def _lowest_health(market: Market, row: int) -> float:
    """Lowest health factor of an account; NaN without a debt."""
    lowest = min((m.health_factor(row) for m in market.lending.values()), default=math.inf)
    return lowest if math.isfinite(lowest) else math.nan


def endangered(market: Market, most: int = 8) -> list[dict[str, Any]]:
    """The positions with the lowest health factors, over all lending markets.

    Args:
        market: Any.
        most: How many at most.

    Returns:
        Of each: account, market, health (factor), debt and collateral (numeraire, at the
        oracle's prices) and their ratio.
    """
    found = []
    w = market.world
    for m, name in enumerate(market.lending):
        factors = _health_of(m)(market)
        for place in np.argsort(factors, kind="stable")[:most]:
            row = int(w.debtors[m, place])
            value, _, threshold, debt = standing(w.books, w.markets[m], w.reserves, w.feeds, row)
            if not debt > 0.0:
                continue
            found.append(
                {
                    "account": market.ledger.accounts[row],
                    "market": name,
                    "health": threshold / debt,
                    "debt": debt,
                    "collateral": value,
                    "ratio": debt / value if value > 0.0 else math.inf,
                }
            )
    found.sort(key=lambda position: position["health"])
    return found[:most]


def _endangered_rows(market: Market) -> list[dict[str, Any]]:
    return [
        {
            "account": p["account"],
            "market": p["market"],
            "health": f"{p['health']:.3f}",
            "debt": money(p["debt"]),
            "collateral": money(p["collateral"]),
            "ratio": f"{100.0 * p['ratio']:.1f} %",
            "bad": p["health"] < 1.0,
        }
        for p in endangered(market)
    ]


class LiquidationCounter(Counter):
    """Debt liquidated since the start, numeraire, by generation.

    Attributes:
        generations: What counts.
    """

    names: Sequence[str] = [_LIQUIDATED + text for text in GENERATIONS]

    def __init__(self, generations: Generations) -> None:
        """Begin without any."""
        self.generations = generations

    def fill(
        self,
        receipts: npt.NDArray[np.void],
        blocks: npt.NDArray[np.float64],
        worth: Callable[[int], float],
    ) -> npt.NDArray[np.float64]:
        """Value liquidated by generation up to each block, float64[n, generations]."""
        out = np.empty((len(blocks), len(GENERATIONS)))
        liquidations = receipts[receipts["kind"] == Kind.LIQUIDATE]
        if not len(liquidations):
            out[:] = self.generations.value
            return out
        before = 0
        for i, end in enumerate(np.searchsorted(liquidations["block"], blocks, side="right")):
            self.generations.take(liquidations[before:end], worth)
            before = end
            out[i] = self.generations.value
        return out


register_shown(LoansShown())
