"""Protocols that declare themselves, as the block knows them: rows of tables, and addresses.

The market finds their classes through the registry and knows nothing of what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numba import typeof, types
from numba.np import numpy_support
from pydantic import ValidationError

from sim import registry
from sim.codes import Cause, Reason
from sim.compiled import (
    OUTCOME,
    address_of,
    ask_entry,
    ask_protocol,
    inner,
    kernel,
    let_protocol,
    returns,
)
from sim.errors import ScenarioError
from sim.handles import Claims, tabled
from sim.ledger import DEBT, Ledger, begin, has_left
from sim.measures import CLAIM, LISTING, holdings_worth, note_claim
from sim.parts import Issued, Part, common_accounts, register_part
from sim.records import ACTION, ISSUE, ORDER, PROTOCOL
from sim.tasks import Stage, Task, note_leak, register_task

if TYPE_CHECKING:
    from sim.market import Market
    from sim.scenario import Content, Scenario
    from sim.world import World


@kernel
def leak_of(w, n):
    """What the n-th protocol's own audit says: how far its books are from balanced, relative."""
    return ask_protocol(w.protocols[n].leak, w, w.protocols[n].record)


@inner
def let_declared(w):
    """What they do between blocks."""
    for p in range(w.protocols.size):
        if w.protocols[p].between != 0:
            begin(w.books)
            let_protocol(w.protocols[p].between, w, w.protocols[p].record)


@inner
def audit_declared(w):
    """Their own audits."""
    for p in range(w.protocols.size):
        protocol = w.protocols[p]
        if protocol.leak != 0:
            note_leak(w, ask_protocol(protocol.leak, w, protocol.record))


@inner
def value_issues(w):
    """Value of a unit of each token that they issue."""
    for n in range(w.issues.size):
        issue = w.issues[n]
        w.values[issue.token] = issue.sign * _value_of_issue(w, issue)


@inner
def _value_of_issue(w, issue):
    """What a token that a protocol issues stands for, in the numeraire."""
    if issue.of >= 0:
        return w.values[issue.of] * w.books.storage[issue.slot]
    if issue.asks != 0:
        record = w.protocols[issue.protocol].record
        if issue.entry >= 0:
            said = ask_entry(issue.asks, w, record, issue.entry)
        else:
            said = ask_protocol(issue.asks, w, record)
        return said if 0.0 <= said < np.inf else 0.0
    supply = w.books.supply[issue.token]
    price = holdings_worth(w, issue.account, issue.token) / supply if supply > 0.0 else 0.0
    return price if price < np.inf else 0.0  # of so little of it that a unit's is no number


@inner
def keep_pledges(w):
    """Refuse a call that has given away a pledge that one of them issues.

    It is moved by its issuer alone (`sim.ledger.seize`): who may leave with how much of it hangs
    on what it secures, which the issuer's own calls look at.
    """
    books, under_way = w.books, w.under_way[0]
    for n in range(under_way.bundle_mark, books.head[0]):
        if not has_left(books, n):
            continue
        for k in range(w.issues.size):
            if w.issues[k].token == books.journal[n].column:
                under_way.call_reason = Reason.BOUND
                return


@inner
def claim_declared(w):
    """What they owe that is no token: of kernels by asking, of plain Python as last noted."""
    for p in range(w.claimers.size):
        if w.claimers[p] != 0:
            w.asked[0].owing = w.protocols[p].account
            let_protocol(w.claimers[p], w, w.protocols[p].record)
    for n in range(w.noted.size):
        claim = w.noted[n]
        if claim.amount > 0.0:
            w.asked[0].owing = claim.owing
            note_claim(w, claim.owner, claim.token, claim.amount)


@kernel
def _list_claims(w, n):
    """List the claims on the n-th protocol in `World.listed`. Returns how many there are."""
    w.listed[0].owner = 0
    w.asked[0].claimant = LISTING
    let_protocol(w.claimers[n], w, w.protocols[n].record)
    return w.listed[0].owner


def claims_on(market: Market, n: int) -> Claims:
    """Claims on the n-th protocol that its kernel notes."""
    world = market.world
    count = int(_list_claims(world, n))
    if count >= world.listed.size:
        world = market.world = world._replace(listed=np.zeros(2 * count + 1, CLAIM))
        _list_claims(world, n)
    found = world.listed[1 : count + 1]
    found = found[(found["owner"] >= 0) & (found["amount"] > 0.0)]
    return tabled(found["owner"], found["token"], found["amount"])


def claimants(market: Market) -> list[Any]:
    """Protocols that tell their claims in plain Python."""
    every = (*market.declared, *market.custom)
    return [p for p in every if p.claims is not None and not is_kernel(p.claims)]


def note_claims(market: Market, protocols: Sequence[Any]) -> None:
    """Have kernels know what some protocols owe now that tell it in plain Python.

    Raises:
        ValueError: If a claim makes no sense.
    """
    tables = [protocol.owed() for protocol in protocols]
    size = sum(table.amounts.size for table in tables)
    world = market.world
    if size > world.noted.size:
        world = market.world = world._replace(noted=np.zeros(2 * size, CLAIM))
    at = 0
    for protocol, (owners, tokens, amounts) in zip(protocols, tables, strict=True):
        part = world.noted[at : at + amounts.size]
        part["owner"] = np.repeat(owners, tokens.size)
        part["token"] = np.tile(tokens, owners.size)
        part["amount"] = amounts.ravel()
        part["owing"] = protocol.account
        at += amounts.size
    world.noted["amount"][at:] = 0.0


def _has_claims(w: Any) -> bool:
    return len(w.claimers) > 0 or len(w.noted) > 0


def _has_declared(w: Any) -> bool:
    return len(w.protocols) > 0


register_task(Task(Stage.CLOSE, 20, let_declared, _has_declared))
register_task(Task(Stage.AUDIT, 20, audit_declared, _has_declared))
register_task(Task(Stage.PLEDGES, 20, keep_pledges, _has_declared))
register_task(Task(Stage.VALUE, 30, value_issues, _has_declared))
register_task(Task(Stage.CLAIM, 20, claim_declared, _has_claims))


def _each(scenario: Content) -> list[tuple[str, Any, Any, Any]]:
    """Protocols whose settings are right: name, class, settings and table; others are told of."""
    found = []
    for name, table in scenario.protocols.items():
        try:
            found.append((name, registry.protocol(table.kind), table.settings, table))
        except (ScenarioError, ValidationError):  # told where the whole is checked
            continue
    return found


def issued(scenario: Content) -> list[Issued]:
    """Tokens that the protocols of a scenario issue, in their order."""
    return [
        Issued(named.full, name, int(named.token.right), named.token.held)
        for name, cls, settings, _ in _each(scenario)
        for named in cls.named_tokens(name, settings)
    ]


def redeemed(scenario: Content) -> dict[str, str]:
    """Tokens that protocols redeem at a rate, and what for, by name."""
    found = {}
    for name, cls, settings, _ in _each(scenario):
        named = cls.named_tokens(name, settings)
        for each in named:
            rate = each.token.rate
            if rate is None or int(each.token.right) == DEBT:
                continue
            own = getattr(settings, each.table)[each.entry] if each.entry else settings
            known = {n.token.name: n.full for n in named if n.entry in ("", each.entry)}
            full = known.get(rate.of) or getattr(own, rate.of, None)
            full = full or getattr(settings, rate.of, None) or known.get(rate.instead)
            if full:
                found[each.full] = str(full)
    return found


def _accounts(scenario: Content) -> int:
    """Accounts of the ledger at the start."""
    return len(common_accounts(scenario)) + sum(g.count for g in scenario.agents.values())


def slots(scenario: Scenario) -> int:
    """Numbers that the protocols of a scenario keep in the ledger's storage."""
    accounts = _accounts(scenario)
    return sum(cls.laid_out(settings, accounts).size for _, cls, settings, _ in _each(scenario))


def records(scenario: Scenario, ledger: Ledger, first_slot: int) -> dict[str, Any]:
    """The arrays of a `World` that are of declared protocols; addresses come later."""
    every = _each(scenario)
    classes = [cls for _, cls, _, _ in every]
    protocols = np.zeros(len(classes), PROTOCOL)
    actions = np.zeros(sum(len(cls.calls) for cls in classes), ACTION)
    issues: list[tuple[Any, ...]] = []
    first, slot = 0, first_slot
    for n, (name, cls, settings, table) in enumerate(every):
        r = protocols[n]
        r["account"], r["first"], r["calls"] = ledger.account(name), first, len(cls.calls)
        for call in cls.calls:
            actions[first]["gas"] = table.gas.get(call.name, call.gas)
            actions[first]["cause"] = _cause(cls, call)
            first += 1
        if cls.quote is not None:
            r["trade"] = [call.name for call in cls.calls].index(cls.trade)
        layout = cls.laid_out(settings, len(ledger.accounts))
        issues += _issues(ledger, (n, name, cls, settings), layout, slot)
        slot += layout.size
    told = [cls.claims for cls in classes if cls.claims is not None]
    kernels = [claims for claims in told if is_kernel(claims)]
    return {
        "claimers": np.zeros(len(classes) if kernels else 0, np.int64),
        "listed": np.zeros(64, CLAIM),
        "noted": np.zeros(64 if len(told) > len(kernels) else 0, CLAIM),
        "protocols": protocols,
        "actions": actions,
        "issues": np.array(issues, ISSUE) if issues else np.zeros(0, ISSUE),
        "order": np.zeros(1, ORDER),
    }


def _cause(cls: Any, call: Any) -> Cause:
    """Under what losses and gains of a call stand; of a trade and a call that names none, too."""
    named = call.cause or ("price_impact" if cls.quote and call.name == cls.trade else "other")
    return Cause[named.upper()]


def _issues(
    ledger: Ledger, of: tuple[int, str, Any, Any], layout: Any, slot: int
) -> list[tuple[Any, ...]]:
    """Tokens that one protocol issues, as rows of ISSUE.

    Args:
        ledger: With all tokens.
        of: Its number, name, class and settings.
        layout: Where its numbers are, from `slot` on.
        slot: Its first.
    """
    number, name, cls, settings = of
    found: list[tuple[Any, ...]] = []
    named = cls.named_tokens(name, settings)
    for each in named:
        token = each.token
        numbers, own = layout.state, settings
        if each.entry:
            numbers = layout.each[each.table][each.entry] | numbers
            own = getattr(settings, each.table)[each.entry]
        known = {n.token.name: n.full for n in named if n.entry in ("", each.entry)}
        behind, at, read_of, read_at = -1, 0, -1, 0
        if token.rate is not None:
            rate = token.rate
            full = known.get(rate.of) or getattr(own, rate.of, None) or getattr(settings, rate.of)
            full = full or known[rate.instead]
            read_of, read_at = ledger.token(full), slot + numbers[rate.number]
            if token.value is rate:
                behind, at = read_of, read_at
        sign = -1.0 if token.right == DEBT else 1.0
        row = (ledger.token(each.full), ledger.account(name), behind, at, 0, number)
        found.append((*row, each.number, read_of, read_at, sign))
    return found


def open_all(market: Market, first_slot: int) -> list[Any]:
    """Make the protocols of a market, in their places."""
    found = []
    slot = first_slot
    for n, (name, cls, settings, _) in enumerate(_each(market.setup)):
        protocol = cls(name, settings)
        protocol.opens(market, n, slot)
        slot += cls.laid_out(settings, len(market.ledger.accounts)).size
        found.append(protocol)
    return found


def start_all(protocols: Sequence[Any]) -> None:
    """Let them put in what they start with.

    Raises:
        ScenarioError: If one cannot; it names the protocol.
    """
    for protocol in protocols:
        _let_start(protocol, protocol.start)


def begun_all(protocols: Sequence[Any]) -> None:
    """Let them settle what depends on where agents have begun, and on the first prices.

    Raises:
        ScenarioError: If one cannot; it names the protocol.
    """
    for protocol in protocols:
        _let_start(protocol, protocol.begun)


def _let_start(protocol: Any, start: Callable[[], None]) -> None:
    try:
        start()
    except ScenarioError:
        raise
    except (KeyError, ValueError) as error:
        text = f"cannot start: {error}"
        raise ScenarioError([(f"protocols.{protocol.name}", text)]) from error


def address_all(world: World, protocols: Sequence[Any]) -> None:
    """Compile what they declare in kernels, or find it in the cache, and note the addresses."""
    for protocol in protocols:
        r = world.protocols[protocol.number]
        r["plain"] = not all(is_kernel(call.function) for call in protocol.calls)
        if not r["plain"]:
            for k, call in enumerate(protocol.calls):
                at = int(r["first"]) + k
                world.actions[at]["address"] = address(world, protocol, call.function, call.name)
        for field, column in _KERNELS.items():
            function = getattr(type(protocol), field)
            if function is not None and is_kernel(function):
                r[column] = address(world, protocol, function, field)
        if is_kernel(type(protocol).claims):
            noting = address(world, protocol, type(protocol).claims, "claims")
            world.claimers[protocol.number] = noting
    between = (type(protocol).between_blocks for protocol in protocols)
    world.rules[0]["plain_between"] = any(f is not None and not is_kernel(f) for f in between)


def address_values(world: World, protocols: Sequence[Any]) -> None:
    """Say where protocols' records lie, and compile what says the value of what they issue."""
    for protocol in protocols:
        world.protocols[protocol.number]["record"] = protocol.record.ctypes.data
        for each in protocol.named_tokens(protocol.name, protocol.settings):
            function = getattr(each.token.value, "function", None)
            if function is not None:
                column = protocol.market.ledger.token(each.full)
                at = address(world, protocol, function, f"{each.token.name}", each.number >= 0)
                world.issues["asks"][world.issues["token"] == column] = at


_KERNELS = {"between_blocks": "between", "leak": "leak", "quote": "quote"}
"""Kernels of the whole of a protocol, by the field that holds the address."""
_NOTHING = ("between_blocks", "claims")
"""Kernels that return nothing."""
_QUOTED = (types.int64, types.int64, types.float64)
"""What a quote is asked for: token given, token wanted, amount given."""


def address(world: World, protocol: Any, function: Any, what: str, entry: bool = False) -> int:
    """Address of a kernel that a protocol declares: a call, or of ``(w, me)``.

    Args:
        world: The market's arrays.
        protocol: Whose it is.
        function: The kernel.
        what: What it is, for errors.
        entry: Whether it is asked of an entry of a table, ``(w, me, k)``.

    Raises:
        TypeError: If it returns something else than it must.
    """
    me = numpy_support.from_dtype(protocol.record.dtype)
    calls = {call.function: call for call in protocol.calls}
    signature: tuple[Any, ...] = (typeof(world), me)
    wanted: Any = types.none if what in _NOTHING else types.float64
    if function in calls:
        signature, wanted = (*signature, numpy_support.from_dtype(ORDER)), OUTCOME
    elif what == "quote":
        signature = (*signature, *_QUOTED)
    elif entry:
        signature = (*signature, types.int64)
    found = returns(function, signature)
    if not _alike(found, wanted):
        must = "(reason, amount out)" if wanted is OUTCOME else str(wanted)
        name = f"{type(protocol).__name__}.{what}"
        raise TypeError(f"{name} must return {must}, in every branch; it returns {found}")
    return address_of(function, signature)


def _alike(found: Any, wanted: Any) -> bool:
    """Whether what a kernel returns is laid out as what is wanted."""
    if wanted is not OUTCOME:
        return bool(found == wanted)
    if not isinstance(found, types.BaseTuple) or len(found) != 2:
        return False
    reason = getattr(found[0], "dtype", found[0])  # a Reason is a number of its width
    return bool(reason == types.int64 and found[1] == types.float64)


def is_kernel(function: Callable[..., Any]) -> bool:
    """Whether a function has been compiled."""
    return hasattr(function, "py_func")


def holdings_behind(world: World, found: npt.NDArray[np.float64]) -> None:
    """Replace tokens that declared protocols issue by what they stand for, in place."""
    books = world.books
    for issue in world.issues:
        token, of = int(issue["token"]), int(issue["of"])
        if issue["asks"] != 0:  # what a kernel values is no part of anything: it stands for itself
            continue
        amount, found[token] = found[token], 0.0
        if amount == 0.0:
            continue
        if of >= 0:
            found[of] += float(issue["sign"]) * amount * books.storage[int(issue["slot"])]
        elif books.supply[token] > 0.0:
            part = books.balances[int(issue["account"])] * (amount / books.supply[token])
            part[token] = 0.0
            found += float(issue["sign"]) * part


class Declared(Part):
    """``[protocols]``."""

    order = 50
    tables = {  # noqa: RUF012
        "protocols": (PROTOCOL, 1),
        "actions": (ACTION, 1),
        "issues": (ISSUE, 1),
        "order": (ORDER, 1),
        "claimers": ("i8", 1),  # by protocol, addresses of what notes claims on it, 0: nothing
        "noted": (CLAIM, 1),  # what is claimed of plain Python, as last noted
        "listed": (CLAIM, 1),  # see `sim.measures.list_claim`
    }

    def accounts(self, s: Content) -> list[str]:
        """One for each protocol."""
        return list(s.protocols)

    def issues(self, s: Content) -> list[Issued]:
        """Tokens of all of them, in their order."""
        return issued(s)

    def slots(self, s: Scenario) -> int:
        """What each keeps."""
        return slots(s)

    def arrays(self, s: Scenario, ledger: Ledger, slot: int) -> dict[str, Any]:
        """Protocols, calls and tokens."""
        return records(s, ledger, slot)

    def flags(self, s: Scenario) -> dict[str, int]:
        """What they issue may be held by pools."""
        return {"nested": int(bool(s.protocols))}

    def behind(self, world: World, found: npt.NDArray[np.float64]) -> None:
        """What their tokens stand for."""
        holdings_behind(world, found)

    def handles(self, market: Market, slot: int) -> dict[str, Any]:
        """`Market.declared`."""
        return {"declared": open_all(market, slot)}

    def widened_handles(self, market: Market) -> None:
        """Give tables that have a row for each account one more."""
        widen(market)


def widen(market: Market) -> None:
    """Move tables of accounts that have become too short to the end of the storage, longer."""
    accounts = len(market.ledger.accounts)
    for protocol in market.declared:
        for name, (first, rows, width) in protocol.tables_of_accounts().items():
            if rows >= accounts:
                continue
            storage = market.ledger.books.storage
            more = 2 * accounts
            moved = np.zeros(more * width)
            moved[: rows * width] = storage[first : first + rows * width]
            books = market.ledger.books._replace(storage=np.concatenate([storage, moved]))
            market.ledger.books = books
            market.world = market.world._replace(books=books)
            protocol.moves(name, storage.size, more)


register_part(Declared())
