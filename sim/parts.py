"""Parts of a market: what each section of a scenario says, and brings to its arrays and its start.

A scenario is checked and a market opens by asking every part in turn, and both know none of them.
A part is a stateless object; protocols register theirs here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from sim.names import HOLDERS, PRODUCER, TREASURY, VENUE
from sim.registry import load_protocols

if TYPE_CHECKING:
    import numpy.typing as npt

    from sim.codes import Kind
    from sim.errors import Problem
    from sim.ledger import Ledger
    from sim.market import Market
    from sim.scenario import AgentSettings, Content, Scenario
    from sim.world import World


class Issued(NamedTuple):
    """A token that a part brings.

    Attributes:
        token: Its name.
        issuer: Name of the account that issues it.
        right: Whether it may be given away: FREE, PLEDGE or DEBT of `sim.ledger`.
        held: Whether wallets and pools may hold some from the start.
    """

    token: str
    issuer: str
    right: int
    held: bool = False


class Default(NamedTuple):
    """An account that failed: its debts exceeded what it had to pay them with.

    Attributes:
        block: In which it was closed.
        protocol: Name of its creditor.
        entity: Name of the account.
        equity: Value of what secured the debts less the debts, numeraire, before the close.
        owed: The debts.
        recovered: What the creditors were paid.
        treasury: What of the rest the protocol's own treasury bore.
        depositors: What those bore who have a claim on the protocol.
    """

    block: int
    protocol: str
    entity: str
    equity: float
    owed: float
    recovered: float
    treasury: float
    depositors: float


class Part:
    """Base of parts; each brings only what it has.

    Attributes:
        section: Name of its table in a scenario, whose entries are named tables; empty where it
            has none. It must register before `sim.scenario` is imported, as those do that
            `sim.registry.load_protocols` imports.
        settings: Model of an entry, or an annotated one (`sim.fields.ByKind`).
        word: Field by which shocks, and whatever else refers to an entry, name it, if any does.
        what: An entry, in words.
        switches: What works with each switch of mechanisms that it brings, by the switch's name.
        order: Of its accounts, tokens and slots among those of other parts.
        fund_order: Of what it starts with; default: `order`.
        cuts: What a mechanism's switch stops in its arrays: takes the world, and returns what
            lets it work again, by the name of the switch.
    """

    section: ClassVar[str] = ""
    settings: ClassVar[Any] = None
    word: ClassVar[str] = ""
    what: ClassVar[str] = ""
    switches: ClassVar[Mapping[str, str]] = {}
    order: ClassVar[int] = 0
    fund_order: ClassVar[int | None] = None
    cuts: ClassVar[Mapping[str, Callable[[World], Callable[[], None]]]] = {}

    tables: ClassVar[Mapping[str, Any]] = {}
    """Its fields of the `World`: (dtype, number of dimensions) by name."""

    # What a scenario says

    def check(self, s: Content, tokens: list[str], base: list[str]) -> list[Problem]:
        """What no field can see by itself: names that are not there, contradictions.

        Args:
            s: All of the scenario.
            tokens: All that there are.
            base: Those that the venue trades.

        Returns:
            Problems by dotted field of the scenario.
        """
        return []

    def check_group(self, s: Content, field: str, group: AgentSettings) -> list[Problem]:
        """Whether a group of agents names what is there, and of kinds that it knows.

        Args:
            s: All of the scenario.
            field: Of the group.
            group: Its settings; there is such a kind of agents.

        Returns:
            Problems by dotted field of the scenario.
        """
        return []

    def warnings(self, s: Content) -> list[Problem]:
        """What may be run but is unwise, by dotted field of the scenario."""
        return []

    def places(self, s: Content) -> dict[str, list[str]]:
        """Where tokens can be sold: the tokens of each place, by its name."""
        return {}

    # Layout

    def special(self, s: Content) -> list[str]:
        """Accounts whose wealth the results tell of, beside the groups'."""
        return []

    def accounts(self, s: Content) -> list[str]:
        """Accounts of its protocols."""
        return []

    def issues(self, s: Content) -> list[Issued]:
        """Tokens that its protocols issue."""
        return []

    def slots(self, s: Scenario) -> int:
        """Numbers that it keeps in the ledger's storage."""
        return 0

    # Arrays

    def arrays(self, s: Scenario, ledger: Ledger, slot: int) -> dict[str, Any]:
        """Fields of the `World` that are its own.

        Args:
            s: The scenario.
            ledger: With all accounts, tokens and slots.
            slot: The first of its own.
        """
        return {}

    def flags(self, s: Scenario) -> dict[str, int]:
        """Numbers of `sim.records.RULES` that it raises; of several parts' the greatest counts."""
        return {}

    def widened(self, world: World) -> dict[str, Any]:
        """Its arrays that have a column for each account, with one more."""
        return {}

    # The start

    def fund(self, s: Scenario, ledger: Ledger, world: World) -> None:
        """Fill what starts filled."""

    def first_prices(self, world: World) -> None:
        """Publish what is published from the start."""

    def valued(self, world: World) -> None:
        """Begin what needs values, once there are some."""

    def begun(self, s: Scenario, ledger: Ledger, world: World) -> None:
        """Settle what depends on where agents have begun."""

    def populated(self, world: World) -> None:
        """Look at who has begun with what."""

    def behind(self, world: World, found: npt.NDArray[np.float64]) -> None:
        """Replace tokens that it issues by what is behind them, in place.

        Args:
            world: The market's arrays.
            found: float64[tokens], holdings.
        """

    # What people hold

    def handles(self, market: Market, slot: int) -> dict[str, Any]:
        """Attributes of the market: handles by name, or a list of them.

        What is a `sim.handles.Handle` is in `Market.protocols`, too.
        """
        return {}

    def defaults(self, market: Market) -> Sequence[Default]:
        """Accounts that have failed to pay its protocols, in order."""
        return ()

    def tells_defaults(self, market: Market) -> bool:
        """Whether it closes accounts that cannot pay, and so has `defaults` to tell of."""
        return False

    def write_down(self, market: Market, values: npt.NDArray[np.float64]) -> bool:
        """Write off what those who owe it cannot pay, beside what its handles write down.

        Args:
            market: Any.
            values: float64[tokens], of a unit of each token, numeraire.

        Returns:
            Whether anything was.
        """
        return False

    def widened_handles(self, market: Market) -> None:
        """Let handles look at arrays that have grown."""

    def sale(self, market: Market, name: str, token: str) -> tuple[Kind, int, str] | None:
        """How to sell a token at one of its protocols.

        Args:
            market: Any.
            name: Of a protocol, its own or not.
            token: Name of what is sold.

        Returns:
            Kind of the call, the protocol's number, and name of the token that it gives; None
            of a protocol that is not its own.
        """
        return None

    def works(self, s: Scenario) -> dict[str, bool]:
        """Whether its mechanisms work in a scenario and can be cut, by the switch's name."""
        return {}


_parts: list[Part] = []


def register_part(part: Part) -> None:
    """Have a part in every market."""
    _parts.append(part)


def parts() -> list[Part]:
    """All parts, in their order."""
    load_protocols()
    return sorted(_parts, key=lambda part: part.order)


def sections() -> list[Part]:
    """Parts that have a section of a scenario, in the order of the sections."""
    return [part for part in parts() if part.section]


def named(s: Content) -> dict[str, tuple[list[str], str]]:
    """What can be referred to in sections: (names that there are, what they are of) by word."""
    return {p.word: (list(getattr(s, p.section)), p.what) for p in sections() if p.word}


def places(s: Content) -> dict[str, list[str]]:
    """Where tokens can be sold on the chain: the tokens of each place, by its name."""
    return {name: tokens for part in parts() for name, tokens in part.places(s).items()}


def special_accounts(s: Content) -> list[str]:
    """Accounts whose wealth the results tell of, beside the groups'."""
    return [VENUE, PRODUCER, HOLDERS, TREASURY, *(n for part in parts() for n in part.special(s))]


def common_accounts(s: Content) -> list[str]:
    """All accounts but the agents', in the ledger's order; the special ones come first."""
    return [*special_accounts(s), *(name for part in parts() for name in part.accounts(s))]


def issued_tokens(s: Content) -> list[Issued]:
    """Tokens that are issued, in the ledger's order."""
    return [each for part in parts() for each in part.issues(s)]


def held_at_start(s: Content) -> list[str]:
    """Issued tokens that wallets and pools may hold from the start."""
    return [each.token for each in issued_tokens(s) if each.held]


def tables() -> dict[str, Any]:
    """Fields of the `World` that parts bring."""
    return {name: table for part in parts() for name, table in part.tables.items()}


def in_order_of_funding() -> list[Part]:
    """All parts, in the order in which they are filled."""
    return sorted(parts(), key=lambda p: p.order if p.fund_order is None else p.fund_order)


def wider(array: Any, more: int, fill: float = 0) -> Any:
    """A table with more columns, for `Part.widened`."""
    extra = np.full((array.shape[0], more), fill, array.dtype)
    return np.ascontiguousarray(np.hstack([array, extra]))
