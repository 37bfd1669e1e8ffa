"""Protocols written in plain Python, for a new idea or a rare one.

The compiled block hands their calls over and goes on afterwards. What they move
they move through the ledger's journal, so that a call that fails, or a later one
of the same transaction, takes it all back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from sim.codes import Reason
from sim.handles import NO_CLAIMS, Claims, Handle, gathered
from sim.ledger import burn, mint, store, transfer

if TYPE_CHECKING:
    from sim.market import Market


class Holder(Handle):
    """What a protocol in plain Python may do: with its own account, and its caller's.

    Attributes:
        claims: What it owes that no token tells of: None, or a method that gives the
            claims there are (`sim.handles.Claim`: owner, token, amount).
        name: Of the protocol, and of its account.
        market: Where it is, once that has added it.
        account: Row of its account.
        caller: Row of the account whose call it carries out; -1 between calls.
        slot: Where its stored numbers begin.
    """

    claims: ClassVar[Any] = None

    def __init__(self, name: str) -> None:
        """Name it; the market gives it its account, tokens and slots."""
        self.name = name
        self.market: Market
        self.account = self.caller = -1
        self.slot = -1

    def owed(self) -> Claims:
        """What it owes that no token tells of, as it stands.

        Raises:
            ValueError: If a claim is of nobody, of no token, or no number of 0 or more.
        """
        if self.claims is None:
            return NO_CLAIMS
        return gathered(self.market.ledger, self.claims(), self.name)

    def pay(self, source: int | str, target: int | str, token: int | str, amount: float) -> bool:
        """Move an amount between accounts; False where the source does not hold it.

        Raises:
            ValueError: If the source is neither this protocol nor who calls it.
        """
        ledger = self.market.ledger
        source, target, token = ledger.account(source), ledger.account(target), ledger.token(token)
        if source not in (self.account, self.caller):
            whose = ledger.accounts[source]
            text = f"{self.name} cannot move what {whose} holds: it moves its own and its caller's"
            raise ValueError(text)
        return bool(transfer(ledger.books, source, target, token, float(amount)))

    def mint(self, target: int | str, token: int | str, amount: float) -> bool:
        """Create an amount of a token that this protocol issues.

        Raises:
            ValueError: If somebody else issues the token.
        """
        column = self._must_issue(token)
        ledger = self.market.ledger
        return bool(mint(ledger.books, ledger.account(target), column, float(amount)))

    def burn(self, source: int | str, token: int | str, amount: float) -> bool:
        """Destroy an amount of a token that this protocol issues; False where it is not held.

        Raises:
            ValueError: If somebody else issues the token.
        """
        column = self._must_issue(token)
        ledger = self.market.ledger
        return bool(burn(ledger.books, ledger.account(source), column, float(amount)))

    def _must_issue(self, token: int | str) -> int:
        ledger = self.market.ledger
        column = ledger.token(token)
        name = ledger.tokens[column]
        if ledger.issuers.get(name) != self.name:
            raise ValueError(f"{self.name} does not issue {name}; list it in its tokens")
        return column


class CustomProtocol(Holder):
    """Base class for a protocol in plain Python that joins an open market: write `perform`.

    A kind that a scenario names, with settings, calls and measures of its own, is a
    `protocols.interface.Protocol`.
    """

    family = "custom"
    tokens: Sequence[str] = ()
    """Names of the tokens that it issues."""
    slots: int = 0
    """Numbers that it stores in the ledger, from `slot` on."""

    def perform(self, call: Any, amount: float) -> tuple[Reason, float]:
        """Carry out a call.

        Args:
            call: A record of `sim.records.CALL`: sender (row), token_in and token_out
                (columns), limit, counterparty.
            amount: Token units; what the call before gave out, if it said so.

        Returns:
            How it ended, and the amount that it gave out. Any reason but DONE takes
            the whole transaction back.
        """
        raise NotImplementedError

    def store(self, number: int, value: float) -> bool:
        """Write one of its stored numbers."""
        return bool(store(self.market.ledger.books, self.slot + number, float(value)))

    def stored(self, number: int) -> float:
        """One of its stored numbers."""
        return float(self.market.ledger.books.storage[self.slot + number])
