"""Margin debts: what agents outside owe the venue, as a prime broker, in the numeraire.

A debt is a token of the ledger that cannot be given away; its holder owes one of the numeraire for
each. There is one where a kind of agents borrows outside (`agents.Behaviour.borrows_outside`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim import registry
from sim.compiled import inner
from sim.errors import ScenarioError
from sim.ledger import DEBT
from sim.names import VENUE
from sim.parts import Issued, Part, register_part
from sim.tasks import Stage, Task, register_task

if TYPE_CHECKING:
    import numpy.typing as npt

    from sim.ledger import Ledger
    from sim.scenario import Content, Scenario
    from sim.world import World

TOKEN = "margin-debt"
MARGIN = np.dtype([("debt", "i8")])
"""The token of margin debts."""


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
    tables = {"margin": (MARGIN, 1)}  # noqa: RUF012

    def issues(self, s: Content) -> list[Issued]:
        """One token, of the venue."""
        return [Issued(TOKEN, VENUE, DEBT)] if _borrowers(s) else []

    def arrays(self, s: Scenario, ledger: Ledger, slot: int) -> dict[str, Any]:
        """Which token it is."""
        margin = np.zeros(int(_borrowers(s)), MARGIN)
        margin["debt"] = ledger.token(TOKEN) if margin.size else 0
        return {"margin": margin}

    def behind(self, world: World, found: npt.NDArray[np.float64]) -> None:
        """A debt is of so much of the numeraire."""
        for margin in world.margin:
            debt = int(margin["debt"])
            found[int(world.rules[0]["numeraire"])] -= found[debt]
            found[debt] = 0.0


@inner
def value_debts(w):
    """Value margin debts, negatively."""
    w.values[w.margin[0].debt] = -1.0


register_part(Margin())
register_task(Task(Stage.VALUE, 90, value_debts, lambda world: world.margin.size > 0))
