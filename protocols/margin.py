"""Margin debts: what agents outside owe the venue, as a prime broker, in the numeraire.

A debt is a token of the ledger that cannot be given away; its holder owes one of the numeraire for
each. There is one where a kind of agents borrows outside (`agents.Behaviour.borrows_outside`).

The venue lends on all that an account has, so what a debt exceeds that by is lost to the venue
already, whenever it is written off; who closes an account notes the default (`note_failure`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim import registry
from sim.compiled import inner
from sim.errors import ScenarioError
from sim.ledger import DEBT, begin, burn
from sim.names import VENUE
from sim.parts import Default, Issued, Part, register_part
from sim.tasks import Stage, Task, register_task

if TYPE_CHECKING:
    import numpy.typing as npt

    from sim.ledger import Ledger
    from sim.market import Market
    from sim.scenario import Content, Scenario
    from sim.world import World

TOKEN = "margin-debt"
MARGIN = np.dtype([("debt", "i8")])
"""The token of margin debts."""
FAILED = np.dtype(
    [
        ("block", "i8"),
        ("account", "i8"),
        ("equity", "f8"),  # numeraire, like the rest
        ("owed", "f8"),
        ("lost", "f8"),
    ]
)
"""An account that did not pay; of the first row ``account`` counts how many others there are."""
MOST_LOGGED = 16_384
"""Rows that are kept; later defaults are not told."""


def _borrowers(s: Content) -> bool:
    """Whether anybody may owe a margin debt."""
    for group in s.agents.values():
        try:
            if getattr(registry.behaviour(group.kind), "borrows_outside", False):
                return True
        except ScenarioError:  # told where groups are checked
            continue
    return False


class Margin(Part):
    """Margin debts at the venue."""

    order = 90
    tables = {"margin": (MARGIN, 1), "margin_failed": (FAILED, 1)}  # noqa: RUF012

    def issues(self, s: Content) -> list[Issued]:
        """One token, of the venue."""
        return [Issued(TOKEN, VENUE, DEBT)] if _borrowers(s) else []

    def arrays(self, s: Scenario, ledger: Ledger, slot: int) -> dict[str, Any]:
        """Which token it is."""
        margin = np.zeros(int(_borrowers(s)), MARGIN)
        margin["debt"] = ledger.token(TOKEN) if margin.size else 0
        return {
            "margin": margin,
            "margin_failed": np.zeros(margin.size * (MOST_LOGGED + 1), FAILED),
        }

    def behind(self, world: World, found: npt.NDArray[np.float64]) -> None:
        """A debt is of so much of the numeraire."""
        for margin in world.margin:
            debt = int(margin["debt"])
            found[int(world.rules[0]["numeraire"])] -= found[debt]
            found[debt] = 0.0

    def defaults(self, market: Market) -> list[Default]:
        """Accounts that were closed and still owed: the venue bears what is told as depositors'."""
        table: Any = market.world.margin_failed
        if not table.size:
            return []
        rows = table[1 : int(table[0]["account"]) + 1]
        accounts = market.ledger.accounts
        return [
            Default(
                int(row["block"]),
                VENUE,
                accounts[int(row["account"])],
                float(row["equity"]),
                float(row["owed"]),
                float(row["owed"] - row["lost"]),
                0.0,
                float(row["lost"]),
            )
            for row in rows
        ]

    def tells_defaults(self, market: Market) -> bool:
        """Where anybody borrows outside."""
        return bool(market.world.margin.size)

    def write_down(self, market: Market, values: npt.NDArray[np.float64]) -> bool:
        """Write off what debts exceed all that their accounts have."""
        books, found = market.ledger.books, False
        for margin in market.world.margin:
            debt = int(margin["debt"])
            for row in np.flatnonzero(books.balances[:, debt] > 0.0).tolist():
                lacking = min(
                    -float((books.balances[row] * values).sum()), float(books.balances[row, debt])
                )
                if lacking > 0.0:
                    begin(books)
                    found |= bool(burn(books, row, debt, lacking))
        return found


@inner
def note_failure(w, account, equity, owed, lost):
    """Note that an account was closed that could not pay its margin debt.

    Args:
        account: Whose.
        equity: What it had less what it owed when it was told to close, numeraire.
        owed: What it owed then.
        lost: What is written off now.
    """
    n = w.margin_failed[0].account + 1
    if n < w.margin_failed.size:
        w.margin_failed[0].account = n
        row = w.margin_failed[n]
        row.block, row.account = w.chain[0].block, account
        row.equity, row.owed, row.lost = equity, owed, lost


@inner
def value_debts(w):
    """Value margin debts, negatively."""
    w.values[w.margin[0].debt] = -1.0


register_part(Margin())
register_task(Task(Stage.VALUE, 90, value_debts, lambda world: world.margin.size > 0))
