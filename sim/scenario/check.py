"""Checking: all that no field can see by itself, in the order in which it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

from sim import registry
from sim.errors import ScenarioError
from sim.scenario.check_agents import check_group, check_protocols
from sim.scenario.check_lending import check_markets, check_oracle
from sim.scenario.check_pools import check_circle, check_fund, check_pool
from sim.scenario.check_venue import check_venue
from sim.scenario.content import Content
from sim.scenario.fields import LAST_START, LAST_YEAR, time_in_blocks
from sim.scenario.problems import Problem, unknown
from sim.scenario.shocks import Shock, WhaleSale, Withdrawal

MOST_CELLS = 400_000_000
"""Of the ledger, a number for every account and token: three gigabytes."""


def check(s: Content) -> list[Problem]:
    """All that pydantic cannot see: names that do not exist, numbers that contradict each other."""
    base = [s.venue.numeraire, *s.venue.assets]
    found = check_protocols(s, base)
    tokens = [*base, *_issued(s)]
    found += _check_names(s, tokens)
    found += _check_time(s)
    found += unknown("block.gas_token", s.block.gas_token, base, "token")
    found += check_venue(s)
    for name, pool in s.pools.items():
        found += check_pool(s, name, pool, tokens, base)
    found += check_circle(s)
    for name, fund in s.insurance.items():
        found += check_fund(s, name, fund, base)
    for name, oracle in s.oracles.items():
        found += check_oracle(s, name, oracle, tokens, base)
    found += check_markets(s, tokens, base)
    for name, group in s.agents.items():
        found += check_group(s, name, group, base)
    for i, shock in enumerate(s.shocks):
        found += _check_shock(s, f"shocks.{i}", shock, base)
    return found


def _issued(s: Content) -> list[str]:
    """The tokens that pools, lending markets and protocols issue."""
    issued = [f"{pool}-share" for pool in s.pools]
    for name, lender in s.lending.items():
        issued += [f"{name}-{t}{end}" for t in lender.reserves for end in ("", "-debt")]
    for name, declared in s.protocols.items():
        with suppress(ScenarioError):
            issued += registry.protocol(declared.kind).token_names(name)
    return issued


def _check_names(s: Content, tokens: list[str]) -> list[Problem]:
    """Whether each name is one thing's, and the ledger has room for all of them."""
    found: list[Problem] = []
    names = ["venue", "producer", "holders", "treasury", *s.pools, *s.lending, *s.insurance]
    names += [*(f"{name}-treasury" for name in s.lending), *s.protocols]
    for name in _twice([*names, *s.agents]):
        found.append((name, "two things are called so; rename one"))
    for name in _twice(tokens):
        found.append((name, "two tokens are called so; rename a pool, market or asset"))
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


def _check_shock(s: Content, field: str, shock: Shock, base: list[str]) -> list[Problem]:
    """Whether a shock strikes something that is there, after the start."""
    found: list[Problem] = []
    if shock.at is not None and time_in_blocks(shock.at, s.start, s.block.seconds) < 0.0:
        found.append((f"{field}.at", f"is before the start ({s.start:%Y-%m-%dT%H:%M:%SZ})"))
    targets: dict[str, tuple[Iterable[str], str]] = {
        "asset": (s.venue.assets, "asset"),
        "token": (base, "token"),
        "pool": (s.pools, "pool"),
        "oracle": (s.oracles, "oracle"),
        "lending": (s.lending, "lending market"),
        "agents": (s.agents, "group of agents"),
        "target": (["venue", *s.pools], "place to sell"),
    }
    for attribute, (there, what) in targets.items():
        found += unknown(f"{field}.{attribute}", getattr(shock, attribute, None), there, what)
    if isinstance(shock, WhaleSale) and shock.target in s.pools:
        held = s.pools[shock.target].tokens
        found += unknown(f"{field}.token", shock.token, held, "token of the pool")
    if isinstance(shock, Withdrawal) and shock.lending in s.lending:
        lent = s.lending[shock.lending].reserves
        found += unknown(f"{field}.token", shock.token, lent, "reserve")
    return found
