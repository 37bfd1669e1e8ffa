"""Whether groups of agents, and protocols that declare themselves, suit their kinds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from sim import registry
from sim.errors import Problem, ScenarioError, did_you_mean, unknown
from sim.fields import named_in, names_of
from sim.names import VENUE
from sim.parts import held_at_start, issued_tokens, places, sections
from sim.scenario.agents import AgentSettings
from sim.scenario.content import Content
from sim.scenario.problems import problems_of


def check_protocols(s: Content, base: list[str]) -> list[Problem]:
    """What is wrong with protocols that declare themselves, as their kinds say."""
    found: list[Problem] = []
    for name, table in s.protocols.items():
        field = f"protocols.{name}"
        try:
            cls, settings = registry.protocol(table.kind), table.settings
        except ScenarioError as error:
            found.append((f"{field}.kind", error.problems[0][1]))
            continue
        except ValidationError as error:
            root = registry.protocol(table.kind).Settings
            whole = root.__name__.lower()
            told = problems_of(error, root)
            found += [(field if at == whole else f"{field}.{at}", text) for at, text in told]
            continue
        found += _check_protocol(s, field, cls, settings, base)
        calls = [call.name for call in cls.calls]
        for call in table.gas:
            if call not in calls:
                text = f"is no call of it; {did_you_mean(call, calls)}"
                found.append((f"{field}.gas.{call}", text))
    return found


def _check_protocol(
    s: Content, field: str, cls: Any, settings: Any, base: list[str]
) -> list[Problem]:
    """Whether what a protocol and its entries name is there, and not too much."""
    found = _check_tokens(s, field, cls.tokens, settings, base)
    found += check_named(s, field, settings, base)
    for table, each in cls.each.items():
        entries = getattr(settings, table)
        if len(entries) > each.most:
            text = f"has {len(entries)} entries; {each.most} at most"
            found.append((f"{field}.{table}", text))
        for name, entry in entries.items():
            found += _check_tokens(s, f"{field}.{table}.{name}", each.tokens, entry, base)
            found += check_named(s, f"{field}.{table}.{name}", entry, base)
    problems = getattr(settings, "problems", None)
    name = field.partition(".")[2]
    found += [(f"{field}.{at}", text) for at, text in (problems(s, name) if problems else [])]
    return found


def _check_tokens(
    s: Content, field: str, keys: Iterable[str], settings: Any, base: list[str]
) -> list[Problem]:
    """Whether there are tokens that a protocol takes; of others' only those it says it takes."""
    found: list[Problem] = []
    for key in keys:
        token = getattr(settings, key)
        taken = names_of(type(settings).model_fields[key])
        if token is not None and not taken and token not in base:
            text = f"unknown token {token!r}; {did_you_mean(str(token), base)}"
            found.append((f"{field}.{key}", text))
    return found


def check_group(s: Content, name: str, group: AgentSettings, base: list[str]) -> list[Problem]:
    """What is wrong with a group of agents.

    Args:
        s: All of the scenario.
        name: Of the group.
        group: Its settings.
        base: Tokens that the venue trades.
    """
    field = f"agents.{name}"
    try:
        behaviour = registry.behaviour(group.kind)
    except ScenarioError as error:
        return [(f"{field}.kind", error.problems[0][1])]
    found = _check_columns(field, group, behaviour)
    for token, amount in group.wallet.items():
        found += unknown(f"{field}.wallet.{token}", token, [*base, *held_at_start(s)], "token")
        if amount.support()[0] < 0.0:
            text = "may be negative; set at_least = 0"
            found.append((f"{field}.wallet.{token}", text))
    for part in sections():
        found += part.check_group(s, field, group)
    found += _check_names(s, field, group, base)
    check = getattr(behaviour, "check", None)
    found += [(f"{field}.{key}", text) for key, text in (check(group) if check else [])]
    if getattr(behaviour, "needs_wallet", False) and not group.wallet:
        found.append((f"{field}.wallet", f"is missing; a {group.kind} needs it"))
    return found


def _check_names(s: Content, field: str, group: AgentSettings, base: list[str]) -> list[Problem]:
    """Whether there is what a group acts on."""
    found = check_named(s, field, group.targets, base)
    for key, of, name in named_in(group.targets):
        if of == "asset" and name in base[1:]:
            found += _check_process(s, f"{field}.{key}", group, name)
    return found


def check_named(s: Content, field: str, table: BaseModel, base: list[str]) -> list[Problem]:
    """Whether there is what a table names.

    Args:
        s: All of the scenario.
        field: Of the table.
        table: Any.
        base: Tokens that the venue trades.
    """
    there = {part.section: (list(getattr(s, part.section)), part.what) for part in sections()}
    there["protocols"] = (list(s.protocols), "protocol")
    there["token"] = (base, "token")
    there["asset"] = (base[1:], "asset")
    there["issued"] = ([*base, *(each.token for each in issued_tokens(s))], "token")
    there["place"] = ([VENUE, *places(s)], "place to trade")
    found: list[Problem] = []
    for key, of, name in named_in(table):
        section, _, kinds = of.partition(":")
        names, what = there[section]
        if kinds:
            wanted = kinds.split(",")
            names, what = _of_kinds(s, names, wanted), f"protocol of kind {' or '.join(wanted)}"
        found += unknown(f"{field}.{key}", name, names, what)
    return found


def _of_kinds(s: Content, names: Iterable[str], kinds: Iterable[str]) -> list[str]:
    """Protocols that are of one of some kinds, or of a kind that derives from one."""
    wanted = tuple(registry.protocol(kind) for kind in kinds)
    found = []
    for name in names:
        try:
            cls = registry.protocol(s.protocols[name].kind)
        except ScenarioError:  # told elsewhere
            continue
        if issubclass(cls, wanted):
            found.append(name)
    return found


def _check_process(s: Content, field: str, group: AgentSettings, asset: str) -> list[Problem]:
    """Whether an asset's price moves as its traders need it to."""
    wanted = getattr(registry.behaviour(group.kind), "process", "")
    process = s.venue.assets[asset].process
    if not wanted or process == wanted:
        return []
    return [(field, f"moves by {process}; a {group.kind} trades where it is {wanted}")]


def _check_columns(field: str, group: AgentSettings, behaviour: Any) -> list[Problem]:
    """Whether the columns of a group are those of its kind, within their ranges."""
    found: list[Problem] = []
    settable = {n: c for n, c in behaviour.columns.items() if not c.state}
    for column, distribution in group.columns.items():
        if column not in settable:
            text = f"unknown field of a {group.kind}; {did_you_mean(column, settable)}"
            found.append((f"{field}.{column}", text))
            continue
        low, high = distribution.support()
        c = settable[column]
        if low < c.low or high > c.high:
            reach = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            text = (
                f"{reach} leaves the range {c.low:g} to {c.high:g} ({c.unit}); "
                f"{'change it' if low == high else 'set at_least or at_most'}"
            )
            found.append((f"{field}.{column}", text))
    return found
