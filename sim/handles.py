"""What every protocol of a market is to a person, whatever its kind: a handle.

`Market.protocols` holds all of them by `Handle.node`, and the exposure network, the balance
sheets, receipts and shocks ask them without knowing a kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sim.ledger import Ledger


class Claim(NamedTuple):
    """A claim on a protocol that is no token: it owes somebody an amount of a token.

    Attributes:
        owner: Name or row of the account that has the claim.
        token: Name or column.
        amount: Token units, 0 or more.
    """

    owner: int | str
    token: int | str
    amount: float


class Claims(NamedTuple):
    """All claims on a protocol that are no tokens.

    Attributes:
        owners: int64[n], rows of the ledger; one may have several.
        tokens: int64[k], columns.
        amounts: float64[n, k], token units of each.
    """

    owners: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]
    amounts: npt.NDArray[np.float64]


NO_CLAIMS = Claims(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 0)))


class Exposure(NamedTuple):
    """An edge of the exposure network that no token tells of.

    Attributes:
        source: Who loses: a `Handle.node`, or the name of any account.
        target: If this one fails.
        weight: What the source can lose, numeraire. None: as much as others value by the
            source, which is the sum of the ``price`` edges into it: who publishes prices
            passes on what hangs on them.
        channel: Why: one of `sim.exposure.CHANNELS`, or of the handle's own `Handle.channels`.
    """

    source: str
    target: str
    weight: float | None
    channel: str


class Handle:
    """Base of protocols as a person holds them.

    Attributes:
        family: `kind` of its node in the exposure network and its row of the balance sheets.
        channels: Reasons for exposures that it declares beside `sim.exposure.CHANNELS`.
        name: As in the scenario; of its account, where it has one.
        account: Row of its account, -1: it has none.
    """

    family: ClassVar[str] = "protocol"
    channels: ClassVar[Sequence[str]] = ()
    name: str
    account: int = -1

    @property
    def node(self) -> str:
        """Its name among all protocols: in `Market.protocols`, and in the exposure network."""
        return self.name

    @property
    def label(self) -> str:
        """What it is, in words."""
        return self.family

    def owed(self) -> Claims:
        """What it owes that no token tells of, as it stands."""
        return NO_CLAIMS

    def write_down(self, values: npt.NDArray[np.float64]) -> bool:
        """Write off all that it is owed and that nothing covers, as a trial that is taken back.

        Args:
            values: float64[tokens], numeraire per unit.

        Returns:
            Whether there was anything.
        """
        return False

    def exposures(self) -> Iterable[Exposure]:
        """Exposures that no token tells of, as they stand."""
        return ()

    def traded(self) -> Mapping[str, float]:
        """What anybody can trade against: token units by name.

        Those that trade a token in common are joined by ``common`` edges.
        """
        return {}


def gathered(ledger: Ledger, claims: Iterable[Claim], whose: str) -> Claims:
    """Claims told one by one, as a table.

    Args:
        ledger: Knows accounts and tokens.
        claims: `Claim` or plain tuples of the same.
        whose: Name of the protocol, for errors.

    Raises:
        ValueError: If one is of no account or token, or of an amount that is no number or
            negative.
    """
    rows = []
    for claim in claims:
        owner, token, amount = claim
        try:
            row, column = ledger.account(owner), ledger.token(token)
        except KeyError as error:
            raise ValueError(f"{whose}: a claim is of nobody or nothing: {error}") from error
        if not (0 <= row < len(ledger.accounts) and 0 <= column < len(ledger.tokens)):
            raise ValueError(f"{whose}: no account {row} or token {column} to claim anything")
        if not 0.0 <= amount < np.inf:
            raise ValueError(f"{whose}: {owner} claims {amount!r} {token}; give 0 or more")
        rows.append((row, column, float(amount)))
    if not rows:
        return NO_CLAIMS
    owners, columns, given = (np.array(each) for each in zip(*rows, strict=True))
    return tabled(owners, columns, given)


def tabled(
    owners: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], given: npt.NDArray[np.float64]
) -> Claims:
    """Single claims as a table.

    Args:
        owners: int64[n], rows of the ledger.
        columns: int64[n], of the token of each.
        given: float64[n], token units.
    """
    tokens, places = np.unique(columns, return_inverse=True)
    amounts = np.zeros((owners.size, tokens.size))
    amounts[np.arange(owners.size), places] = given
    return Claims(owners.astype(np.int64), tokens.astype(np.int64), amounts)
