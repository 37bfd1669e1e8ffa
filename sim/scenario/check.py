"""Checking: all that no field can see by itself, in the order in which it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sim.errors import Problem, unknown
from sim.fields import LAST_START, LAST_YEAR, ShockSettings, time_in_blocks
from sim.names import VENUE
from sim.parts import common_accounts, issued_tokens, named, places, sections
from sim.scenario.check_agents import check_group, check_protocols
from sim.scenario.check_gas import check_gas
from sim.scenario.check_venue import check_venue
from sim.scenario.content import Content

MOST_CELLS = 400_000_000
"""Of the ledger, a number for every account and token: three gigabytes."""


def check(s: Content) -> list[Problem]:
    """All that pydantic cannot see: names that do not exist, numbers that contradict each other."""
    base = [s.venue.numeraire, *s.venue.assets]
    found = check_protocols(s, base)
    tokens = [*base, *(each.token for each in issued_tokens(s))]
    found += _check_names(s, tokens)
    found += _check_time(s)
    found += unknown("block.gas_token", s.block.gas_token, base, "token")
    found += check_gas(s)
    found += check_venue(s)
    for part in sections():
        found += part.check(s, tokens, base)
    for name, group in s.agents.items():
        found += check_group(s, name, group, base)
    for i, shock in enumerate(s.shocks):
        found += _check_shock(s, f"shocks.{i}", shock, base)
    return found


def _check_names(s: Content, tokens: list[str]) -> list[Problem]:
    """Whether each name is one thing's, and the ledger has room for all of them."""
    found: list[Problem] = []
    names = common_accounts(s)
    for name in _twice([*names, *s.agents]):
        found.append((name, "this name is used twice; rename one"))
    for name in _twice(tokens):
        found.append((name, "two tokens have this name; rename a pool, market or asset"))
    for name in names:  # the accounts of a group are called after it
        first, _, number = name.rpartition("-")
        if first in s.agents and number.isdecimal() and int(number) < s.agents[first].count:
            text = f"is called like an agent of {first}; rename one of them"
            found.append((name, text))
    cells = (sum(group.count for group in s.agents.values()) + len(names)) * len(tokens)
    if cells > MOST_CELLS:
        text = f"with all tokens make a ledger of {cells:,} numbers; give fewer agents or tokens"
        found.append(("agents", f"{text}, {MOST_CELLS:,} at most"))
    return found


def _twice(names: Iterable[str]) -> list[str]:
    """Names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


def _check_time(s: Content) -> list[Problem]:
    """Whether the run has dates."""
    if s.start.year >= LAST_START:
        return [("start", f"{s.start} is out of range; give a date before {LAST_START}")]
    seconds = s.blocks * s.block.seconds
    years = LAST_YEAR - s.start.year
    if seconds > years * 365 * 86_400:
        text = f"of {s.block.seconds:g} s go beyond the year {LAST_YEAR}; give fewer"
        return [("blocks", f"{s.blocks:,} {text}")]
    return []


def _check_shock(s: Content, field: str, shock: ShockSettings, base: list[str]) -> list[Problem]:
    """Whether a shock strikes something that is there, after the start."""
    found: list[Problem] = []
    if shock.at is not None and time_in_blocks(shock.at, s.start, s.block.seconds) < 0.0:
        found.append((f"{field}.at", f"is before the start ({s.start:%Y-%m-%dT%H:%M:%SZ})"))
    targets: dict[str, tuple[Iterable[str], str]] = {
        "asset": (s.venue.assets, "asset"),
        "token": (base, "token"),
        "agents": (s.agents, "group of agents"),
        "target": ([VENUE, *places(s)], "place to sell"),
        **named(s),
    }
    for attribute, (there, what) in targets.items():
        found += unknown(f"{field}.{attribute}", getattr(shock, attribute, None), there, what)
    return found + [(f"{field}.{at}", text) for at, text in shock.problems(s)]
