"""Positions that stand at the start: collateral deposited, and what is borrowed against it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from agents.intents import RECEIPTS, SHARES
from agents.issued import NOWHERE, issuer_of
from protocols import lending
from protocols.loans import list_debtor
from sim.codes import Reason
from sim.compiled import kernel
from sim.errors import ScenarioError
from sim.ledger import begin, transfer
from sim.names import HOLDERS, VENUE
from sim.parts import held_at_start

if TYPE_CHECKING:
    from sim.cohort import CohortTable
    from sim.market import Market

Floats = npt.NDArray[np.float64]


class Sleeve(NamedTuple):
    """A collateral and a debt in a lending market, by their numbers.

    Attributes:
        market: Lending market.
        collateral: Token deposited.
        debt: Token borrowed.
        c: Reserve of the collateral.
        d: Reserve of the debt.
    """

    market: int
    collateral: int
    debt: int
    c: int
    d: int


def open_positions(
    market: Market,
    cohort: CohortTable,
    sleeve: Sleeve,
    equity: Floats,
    leverage: Floats,
    some: bool = False,
) -> None:
    """Give each agent collateral, of which it has bought a part with what it borrows against it.

    Tokens of the venue are bought there, shares of a pool from its outside holders; receipts of
    a lending market come of a deposit there.

    Args:
        market: With all that does not depend on agents in its place.
        cohort: The group.
        sleeve: Where it borrows what.
        equity: float64[agents], what each owns of the collateral, numeraire.
        leverage: float64[agents], collateral over equity; no more than may be borrowed is.
        some: Whether those that own nothing are left out, and not refused.

    Raises:
        ScenarioError: If a price, the seller or the lending market does not allow them.
    """
    w, ledger = market.world, market.ledger
    if issuer_of(w, sleeve.collateral) >= SHARES and not market.setup.switches.claims_as_collateral:
        return
    backing = w.reserves[sleeve.c]
    price_c = _price(market, cohort, sleeve.c)
    price_d = _price(market, cohort, sleeve.d)
    # No more than the loan-to-value lets it borrow, with a little to spare.
    ltv, _ = lending.terms_for(backing, w.reserves[sleeve.d])
    most = 1.0 / (1.0 - 0.98 * float(ltv))
    leverage = np.minimum(leverage, most)
    loans = np.column_stack([equity * leverage / price_c, equity * (leverage - 1.0) / price_d])
    seller = _hand_over(market, cohort, sleeve, equity / price_c, loans[:, 0])
    if issuer_of(w, sleeve.collateral) >= RECEIPTS:  # as many as the deposit gave
        loans[:, 0] = ledger.balances[cohort.accounts(), sleeve.collateral]
    m, collateral, debt, _, _ = sleeve
    row, reason = _open(w, cohort.first, m, collateral, debt, loans, some)
    if row >= 0:
        lender, token = list(market.lending)[m], ledger.tokens[debt]
        total = float(loans[:, 1].sum())
        refused = refusal(cohort, row, Reason(reason), lender, token, total, "leverage")
        raise ScenarioError([refused])
    account = ledger.account(seller)
    for agent, loan in zip(cohort.accounts(), loans[:, 1], strict=True):
        begin(w.books)
        transfer(w.books, int(agent), account, sleeve.debt, float(loan))


def _price(market: Market, cohort: CohortTable, reserve: int) -> float:
    """What a lending market believes that a token is worth."""
    w = market.world
    feed = int(w.reserves[reserve]["feed"])
    price = float(w.feeds[feed]["price"])
    if 0.0 < price < math.inf:
        return price
    token = market.ledger.tokens[int(w.reserves[reserve]["token"])]
    text = f"{token} has no price at the start, oracle {list(market.oracles)[feed]} "
    text += f"says {price:g}; choose another, or fix the oracle"
    raise ScenarioError([(f"agents.{cohort.name}.{_field(cohort, token)}", text)])


def _field(cohort: CohortTable, token: str) -> str:
    """Field of a group that names a token; "equity" where none does."""
    targets = cohort.settings.targets
    for name in type(targets).model_fields:
        value = getattr(targets, name)
        if value == token or (isinstance(value, list) and token in value):
            return name
    return "equity"


def _hand_over(
    market: Market, cohort: CohortTable, sleeve: Sleeve, own: Floats, wanted: Floats
) -> str:
    """Give each the collateral that it wants, of which it owns a part. Returns who sold the rest.

    Raises:
        ScenarioError: If the seller has not as much.
    """
    ledger, w = market.ledger, market.world
    place = issuer_of(w, sleeve.collateral)
    token = ledger.tokens[sleeve.collateral]
    if place == NOWHERE and token in held_at_start(market.setup):
        ledger.endow(cohort.first, sleeve.collateral, own)
        dial = f"what outside holders have of protocols.{ledger.issuers[token]}"
        _take_over(market, cohort, sleeve.collateral, wanted - own, dial)
        return HOLDERS
    if place < SHARES:
        ledger.endow(cohort.first, sleeve.collateral, own)
        bought = wanted - own
        refuse_more_than_there_is(market, cohort, sleeve.collateral, bought, "leverage")
        ledger.transfer(VENUE, cohort.first, sleeve.collateral, float(bought.sum()))
        spread = ledger.balances[cohort.first : cohort.first + len(cohort), sleeve.collateral]
        if len(cohort):
            spread[0] -= bought.sum()
            spread += bought
        return VENUE
    if place < RECEIPTS:
        pool = list(market.pools)[place - SHARES]
        _take_over(market, cohort, sleeve.collateral, wanted, f"pools.{pool}.reserves")
        return HOLDERS
    m = place - RECEIPTS
    reserve = next(r for r in w.reserves if r["receipt"] == sleeve.collateral)
    behind = int(reserve["token"])
    index = float(w.books.storage[int(reserve["slot"]) + lending.SUPPLY_INDEX])
    amounts = wanted * index
    ledger.endow(cohort.first, behind, own * index)
    for agent, amount, mine in zip(cohort.accounts(), amounts, own * index, strict=True):
        begin(w.books)
        transfer(w.books, ledger.account(VENUE), int(agent), behind, float(amount - mine))
        reason, _ = lending.deposit(
            w.books, w.markets[m], w.reserves, int(agent), behind, float(amount)
        )
        if reason != Reason.DONE:
            text = f"cannot deposit {amount:.4g} {ledger.tokens[behind]} for {token}: "
            text += f"{Reason(reason).name.lower()}; lower equity, leverage or count"
            raise ScenarioError([(f"agents.{cohort.name}.equity", text)])
    return VENUE


def _take_over(market: Market, cohort: CohortTable, token: int, wanted: Floats, dial: str) -> None:
    """Give each what it wants of a token that outside holders have.

    Raises:
        ScenarioError: If they have not as much; `dial` is what to raise.
    """
    ledger = market.ledger
    holders, name = ledger.account(HOLDERS), ledger.tokens[token]
    there = float(ledger.balances[holders, token])
    if wanted.sum() > there:
        text = f"takes over {wanted.sum():.4g} {name} at the start, of which outside holders "
        text += f"have {there:.4g}; lower equity, leverage or count, or raise {dial}"
        raise ScenarioError([(f"agents.{cohort.name}.equity", text)])
    ledger.balances[cohort.accounts(), token] += wanted
    ledger.balances[holders, token] -= wanted.sum()


@kernel
def _open(w, first, m, collateral, debt, loans, some):
    """Deposit the collateral and borrow what each holds against it.

    Args:
        some: Whether those that have no collateral are left out.

    Returns:
        Row of the first agent that could not, and the reason; -1 if all could.
    """
    market = w.markets[m]
    for i in range(loans.shape[0]):
        account = first + i
        held = loans[i, 0]
        if held == 0.0 and some:
            continue
        begin(w.books)
        reason, _ = lending.deposit(w.books, market, w.reserves, account, collateral, held)
        if reason == Reason.DONE and loans[i, 1] > 0.0:
            reason, _ = lending.borrow(
                w.books, market, w.reserves, w.feeds, account, debt, loans[i, 1], 0.0
            )
            list_debtor(w, m, account)
        if reason != Reason.DONE:
            return i, reason
    return -1, Reason.DONE


# Wide: all that an error tells.
def refusal(
    cohort: CohortTable,
    row: int,
    reason: Reason,
    lender: str,
    debt: str,
    total: float,
    dial: str,
    of_several: bool = False,
) -> tuple[str, str]:
    """Field and message of a loan that could not be made at the start.

    Args:
        cohort: The group.
        row: Of the agent.
        reason: Why it was refused.
        lender: Lending market.
        debt: Token borrowed.
        total: Of all loans of the group there, token units.
        dial: Column that says how much each borrows.
        of_several: Whether the market must be named, as one of several.
    """
    there, where = (" there", f" in {lender}") if of_several else ("", "")
    advice = {
        Reason.NO_CASH: f"all loans{there} are {total:.6g} {debt} and the cash is out; raise "
        f"lending.{lender}.reserves.{debt}.cash or the lenders' deposits, or lower equity, "
        f"{dial} or count",
        Reason.CAP: "a cap is reached; raise supply_cap or borrow_cap, or lower equity or count",
        Reason.NOT_BORROWABLE: f"{debt} cannot be borrowed; set borrowable = true",
        Reason.UNHEALTHY: f"the loan-to-value does not allow the {dial}; lower it",
        Reason.INVALID: "it has nothing to put in; raise equity",
    }
    text = advice.get(reason, reason.name.lower().replace("_", " "))
    return f"agents.{cohort.name}", f"agent {row} cannot open its position{where}: {text}"


def refuse_more_than_there_is(
    market: Market, cohort: CohortTable, token: int, bought: Floats, dial: str
) -> None:
    """See that the venue has what a group buys of a token at the start.

    Raises:
        ScenarioError: If it has not.
    """
    there, name = market.ledger.balance(VENUE, token), market.ledger.tokens[token]
    if bought.sum() > there:
        text = f"buys {bought.sum():.4g} {name} at the start, of which the venue has "
        text += f"{there:.4g}; lower equity, {dial} or count, or raise venue.assets.{name}"
        raise ScenarioError([(f"agents.{cohort.name}.equity", f"{text}.inventory")])
