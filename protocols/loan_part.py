"""Lending markets in a market's arrays, and what they start with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from protocols import lending as lending_protocol
from protocols.default import DEFAULTED, MOST_LOGGED, logged
from protocols.loan_settings import (
    LendingSettings,
    ReserveSettings,
    check_group,
    check_markets,
    warnings,
)
from protocols.loans import watch_debtors
from protocols.oracle import node_of
from sim.codes import ALL, Kind, Reason
from sim.errors import Problem, ScenarioError
from sim.ledger import DEBT, FREE, PLEDGE, Ledger, begin
from sim.names import HOLDERS
from sim.parts import Default, Issued, Part, issued_tokens, register_part, wider
from sim.registry import register_strike

if TYPE_CHECKING:
    from sim.market import Market
    from sim.scenario import AgentSettings, Content, Scenario
    from sim.shocks import Shocks
    from sim.world import World

AMPLE = 1e10
"""Cash for the first loans where a utilisation is asked for; the rest is taken back."""


def _treasury(market: str) -> str:
    return f"{market}-treasury"


def _markets(
    s: Scenario, ledger: Ledger, slot: int
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void]]:
    markets = np.zeros(len(s.lending), lending_protocol.MARKET)
    reserves = np.zeros(sum(len(m.reserves) for m in s.lending.values()), lending_protocol.RESERVE)
    at = 0
    feeds = list(s.oracles)
    for m, (name, settings) in enumerate(s.lending.items()):
        r = markets[m]
        r["account"] = ledger.account(name)
        r["treasury"] = ledger.account(_treasury(name))
        r["first"], r["size"] = at, len(settings.reserves)
        r["close_factor"] = settings.close_factor
        r["full_close_below"] = settings.full_close_below
        r["bonus_share"] = settings.bonus_share
        r["flash_fee"] = settings.flash_fee
        r["closes"], r["default_delay"] = settings.default == "close", settings.default_delay
        r["slot"] = slot
        slot += lending_protocol.MARKET_SLOTS
        names = lending_protocol.reserve_names(name, list(settings.reserves))
        for (token, t), (receipt, debt) in zip(settings.reserves.items(), names, strict=True):
            v = reserves[at]
            v["market"] = m
            v["token"], v["receipt"] = ledger.token(token), ledger.token(receipt)
            v["debt"] = ledger.token(debt)
            v["feed"] = feeds.index(t.oracle or token)
            v["collateral"], v["borrowable"] = t.collateral, t.borrowable
            for field in ("ltv", "threshold", "bonus", "base_rate", "slope1", "slope2"):
                v[field] = getattr(t, field)
            for field in ("optimal", "reserve_factor", "supply_cap", "borrow_cap"):
                v[field] = getattr(t, field)
            v["slot"] = slot
            ledger.books.storage[slot + lending_protocol.SUPPLY_INDEX] = 1.0
            ledger.books.storage[slot + lending_protocol.BORROW_INDEX] = 1.0
            slot += lending_protocol.RESERVE_SLOTS
            _special(v, r, settings, t, (name, token), ledger)
            at += 1
    return markets, reserves


def _special(
    v: npt.NDArray[np.void],
    r: npt.NDArray[np.void],
    market: LendingSettings,
    reserve: ReserveSettings,
    names: tuple[str, str],
    ledger: Ledger,
) -> None:
    """Write what few reserves have: isolation, a category, a pair's terms, the adaptive curve.

    Args:
        v: The reserve's record.
        r: The market's record.
        market: Its settings.
        reserve: The reserve's settings.
        names: Of the market and the token.
        ledger: With all tokens.
    """
    r["auction"] = market.auction
    v["isolated"], v["mark"], v["ceiling"] = reserve.isolated, -1, reserve.debt_ceiling
    v["in_isolation"], v["category"] = reserve.in_isolation, -1
    if reserve.isolated:
        r["isolates"] = 1
        v["mark"] = ledger.token(lending_protocol.mark_name(*names))
    if reserve.category is not None:
        terms, r["sorted"] = market.categories[reserve.category], 1
        v["category"] = list(market.categories).index(reserve.category)
        for field in ("ltv", "threshold", "bonus"):
            v[f"category_{field}"] = getattr(terms, field)
    v["adaptive"] = reserve.curve == "adaptive"
    v["steepness"], v["adjustment"] = reserve.steepness, reserve.adjustment
    v["at_target"] = reserve.rate_at_target
    if market.lltv is not None:
        r["close_factor"], r["bonus_share"] = 1.0, 0.0
        if reserve.collateral:
            v["ltv"] = v["threshold"] = market.lltv
            v["bonus"] = lending_protocol.pair_bonus(market.lltv)


def trim_cash(scenario: Scenario, ledger: Ledger, world: World) -> None:
    """Leave outside holders deposits that make the utilisation the one asked for.

    Where other depositors hold more than that already, they are left with none.

    Raises:
        ScenarioError: If what is left exceeds the cap on deposits.
    """
    r = 0
    for m, (name, market) in enumerate(scenario.lending.items()):
        for token, reserve in market.reserves.items():
            if reserve.utilisation is not None:
                record = world.reserves[r]
                totals = lending_protocol.totals(ledger.books, world.markets[m], record)
                own = ledger.balance(HOLDERS, int(record["receipt"]))  # the indices are one
                wanted = float(totals[1]) / reserve.utilisation
                excess = min(own, max(float(totals[0]) - wanted, 0.0))
                ledger.burn(HOLDERS, int(record["receipt"]), excess)
                ledger.burn(int(world.markets[m]["account"]), token, excess)
                ledger.books.storage[int(record["slot"]) + lending_protocol.CASH] -= excess
                record["supply_cap"] = reserve.supply_cap
                if float(totals[0]) - excess > reserve.supply_cap:
                    field = f"lending.{name}.reserves.{token}.supply_cap"
                    text = f"{reserve.supply_cap:g} is below the deposits of the start"
                    text += f" ({float(totals[0]) - excess:g}); raise it"
                    raise ScenarioError([(field, text)])
                _settle_rounding(ledger, world.markets[m], record)
            r += 1


def _settle_rounding(ledger: Ledger, market: Any, record: Any) -> None:
    """Let a reserve's books say what is there, after so much has come and gone.

    The rounding of `AMPLE` would be a leak of the little that may be left.
    """
    for column in (int(record["token"]), int(record["receipt"])):
        ledger.books.supply[column] = math.fsum(ledger.balances[:, column])
    deposits, debts, cash = lending_protocol.totals(ledger.books, market, record)
    lacks = float(deposits - debts - cash)
    if lacks > 0.0:
        ledger.mint(int(market["account"]), int(record["token"]), lacks)
    else:
        ledger.burn(int(market["account"]), int(record["token"]), min(-lacks, float(cash)))
    ledger.books.storage[int(record["slot"]) + lending_protocol.CASH] = deposits - debts


class Loans(Part):
    """``[lending]``."""

    order = 20
    section = "lending"
    settings = LendingSettings
    word, what = "lending", "lending market"
    switches = {  # noqa: RUF012
        "fear_spreads": "Lenders' fear of one market spreads to others; off: each is judged alone.",
        "debts_move": "Borrowers move debts between markets; off: each keeps to one.",
    }
    tables = {  # noqa: RUF012
        "markets": (lending_protocol.MARKET, 1),
        "reserves": (lending_protocol.RESERVE, 1),
        "debtors": ("i8", 2),
        "since": ("i8", 2),
        "health": ("f8", 2),
        "insolvent": ("i8", 2),
        "defaulted": (DEFAULTED, 1),
    }

    def check(self, s: Content, tokens: list[str], base: list[str]) -> list[Problem]:
        """Whether the reserves make sense."""
        return check_markets(s, tokens, base)

    def check_group(self, s: Content, field: str, group: AgentSettings) -> list[Problem]:
        """Whether its market is there, and lends what it uses."""
        known = [s.venue.numeraire, *s.venue.assets, *(each.token for each in issued_tokens(s))]
        return check_group(field, s.lending, group, known)

    def flags(self, s: Scenario) -> dict[str, int]:
        """Whether there are tokens that others issue among what is lent or pledged.

        Agents ask what these are worth, so they are valued after each block: not when measures
        are taken, or when somebody looks.
        """
        base = {s.venue.numeraire, *s.venue.assets}
        return {"nested": int(any(set(market.reserves) - base for market in s.lending.values()))}

    def warnings(self, s: Content) -> list[Problem]:
        """Thresholds at which liquidations leave bad debt."""
        return warnings(s.lending)

    def special(self, s: Content) -> list[str]:
        """Treasuries."""
        return [_treasury(market) for market in s.lending]

    def accounts(self, s: Content) -> list[str]:
        """One for each market."""
        return list(s.lending)

    def issues(self, s: Content) -> list[Issued]:
        """A receipt and a debt for each reserve."""
        found = []
        for market, settings in s.lending.items():
            pairs = lending_protocol.reserve_names(market, list(settings.reserves))
            for (receipt, debt), reserve in zip(pairs, settings.reserves.values(), strict=True):
                found.append(Issued(receipt, market, PLEDGE if reserve.collateral else FREE))
                found.append(Issued(debt, market, DEBT))
            for token, reserve in settings.reserves.items():
                if reserve.isolated:
                    found.append(Issued(lending_protocol.mark_name(market, token), market, DEBT))
        return found

    def slots(self, s: Scenario) -> int:
        """Indices, cash and counters."""
        reserves = sum(len(m.reserves) for m in s.lending.values())
        markets = len(s.lending) * lending_protocol.MARKET_SLOTS
        return markets + reserves * lending_protocol.RESERVE_SLOTS

    def arrays(self, s: Scenario, ledger: Ledger, slot: int) -> dict[str, Any]:
        """Markets, reserves, and room for all debtors."""
        markets, reserves = _markets(s, ledger, slot)
        room = max(len(markets), 1), len(ledger.accounts) if len(markets) else 1
        closes = any(settings.default == "close" for settings in s.lending.values())
        return {
            "markets": markets,
            "reserves": reserves,
            "debtors": np.zeros(room, np.int64),
            "since": np.full(room, -2, np.int64),
            "health": np.zeros(room),
            "insolvent": np.full(room, -1, np.int64),
            "defaulted": np.zeros(MOST_LOGGED + 1 if closes else 1, DEFAULTED),
        }

    def widened(self, world: World) -> dict[str, Any]:
        """Room for one debtor more."""
        if not len(world.markets):
            return {}
        return {
            "debtors": wider(world.debtors, 1),
            "since": wider(world.since, 1, -2),
            "health": wider(world.health, 1),
            "insolvent": wider(world.insolvent, 1, -1),
        }

    def fund(self, s: Scenario, ledger: Ledger, world: World) -> None:
        """Let outside holders deposit the first cash."""
        holders = ledger.account(HOLDERS)
        r = 0
        for m, (name, market) in enumerate(s.lending.items()):
            for token, reserve in market.reserves.items():
                cash = reserve.cash
                if reserve.utilisation is not None:
                    # The cap is for what is left when all have begun, see `trim_cash`.
                    cash, world.reserves[r]["supply_cap"] = AMPLE, math.inf
                if cash > 0.0:
                    ledger.mint(holders, token, cash)
                    begin(ledger.books)
                    reason, _ = lending_protocol.deposit(
                        ledger.books,
                        world.markets[m],
                        world.reserves,
                        holders,
                        ledger.token(token),
                        cash,
                    )
                    if reason != Reason.DONE:
                        text = f"{cash:g} cannot be deposited ({Reason(reason).name.lower()})"
                        field = f"lending.{name}.reserves.{token}.cash"
                        raise ScenarioError([(field, f"{text}; lower it")])
                r += 1

    def begun(self, s: Scenario, ledger: Ledger, world: World) -> None:
        """Leave the deposits that make a utilisation that is asked for."""
        trim_cash(s, ledger, world)

    def populated(self, world: World) -> None:
        """See who owes what."""
        watch_debtors(world)

    def behind(self, world: World, found: npt.NDArray[np.float64]) -> None:
        """A receipt is a deposit, a debt what is owed."""
        for r in world.reserves:
            token, slot = int(r["token"]), int(r["slot"])
            storage = world.books.storage
            receipts, debts = found[int(r["receipt"])], found[int(r["debt"])]
            found[token] += receipts * storage[slot + lending_protocol.SUPPLY_INDEX]
            found[token] -= debts * storage[slot + lending_protocol.BORROW_INDEX]
            found[int(r["receipt"])] = found[int(r["debt"])] = 0.0
            if r["isolated"]:
                found[int(r["mark"])] = 0.0

    def handles(self, market: Market, slot: int) -> dict[str, Any]:
        """`Market.lending`."""
        w, ledger = market.world, market.ledger
        oracles = [node_of(name) for name in market.setup.oracles]
        return {
            "lending": {
                name: lending_protocol.LendingMarket(
                    name, ledger, w.markets[m : m + 1], w.reserves, w.feeds, w.debtors[m], oracles
                )
                for m, name in enumerate(market.setup.lending)
            }
        }

    def defaults(self, market: Market) -> list[Default]:
        """Accounts that were closed."""
        return logged(market)

    def tells_defaults(self, market: Market) -> bool:
        """Where a lending market closes accounts."""
        return bool(market.world.markets["closes"].any())

    def widened_handles(self, market: Market) -> None:
        """Let markets look at their debtors' new place."""
        for m, lender in enumerate(market.lending.values()):
            lender.watch(market.world.debtors[m])


def _withdraw(shocks: Shocks, shock: Any, block: int) -> None:
    """Depositors take a part of what they have deposited out of a lending market."""
    market = shocks.market
    lender = market.lending[shock.lending]
    reserve = lender.reserve(shock.token)
    m = list(market.lending).index(shock.lending)
    index = lender.supply_index(shock.token)
    column, token = int(reserve["receipt"]), int(reserve["token"])
    for row in shocks.holders(shock.agents, column):
        held = float(market.ledger.balances[row, column])
        amount = ALL if shock.share >= 1.0 else held * index * shock.share
        shocks.send(block, row, Kind.WITHDRAW, m, token, token, amount)


register_part(Loans())
register_strike("withdrawal", _withdraw)
