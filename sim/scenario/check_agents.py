"""Whether groups of agents, and protocols that declare themselves, suit their kinds."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from sim import registry
from sim.errors import Problem, ScenarioError, did_you_mean, unknown
from sim.fields import named_in
from sim.names import VENUE
from sim.parts import issued_tokens, places, sections
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
        for key in cls.tokens:
            token = getattr(settings, key)
            if token not in base:
                text = f"unknown token {token!r}; {did_you_mean(str(token), base)}"
                found.append((f"{field}.{key}", text))
        calls = [call.name for call in cls.calls]
        for call in table.gas:
            if call not in calls:
                text = f"is no call of it; {did_you_mean(call, calls)}"
                found.append((f"{field}.gas.{call}", text))
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
        found += unknown(f"{field}.wallet.{token}", token, base, "token")
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
    there = {part.section: (list(getattr(s, part.section)), part.what) for part in sections()}
    there["protocols"] = (list(s.protocols), "protocol")
    there["token"] = (base, "token")
    there["asset"] = (base[1:], "asset")
    there["issued"] = ([*base, *(each.token for each in issued_tokens(s))], "token")
    there["place"] = ([VENUE, *places(s)], "place to trade")
    found: list[Problem] = []
    for key, of, name in named_in(group.targets):
        names, what = there[of]
        found += unknown(f"{field}.{key}", name, names, what)
        if of == "asset" and name in names:
            found += _check_process(s, f"{field}.{key}", group, name)
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
