"""A market of many banks that are alike, with as many links between them as asked for.

Each bank lends one coin of its own's borrowers dollars; the coin has a pool, an oracle that reads
it, a book outside, and firms of its own: a market maker, a fund, liquidators, arbitrageurs. A firm
of `degree` z stands in its own coin and in z - 1 others, with a z-th of the same purse in each. So
firms, their capital, what is held and lent of each coin and the depth of each book at the start
are the same for every z, and each coin has z firms of each family: only who stands where differs.

With all degrees 1 nothing joins the banks (gas, which would, is free unless asked for): a fall of
one coin leaves the others' markets those of a run without it, to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from runs import paths
from sim import Scenario

FAMILIES = ("makers", "funds", "liquidators", "arbitrageurs")
"""Who may stand in several coins."""
MOST_FUND = 4
"""Assets of a fund at most (`agents.leveraged_fund`)."""
PRICE = 100.0
FALLS = "coin1"
"""The coin that is struck."""
STRUCK = 50
"""Block in which it falls."""
SWAPS = 20
"""Tries to swap two links, for each link of a drawn network."""
Table = dict[str, Any]


def coins(banks: int) -> list[str]:
    """Names of the coins."""
    return [f"coin{n}" for n in range(1, banks + 1)]


def standing(banks: int, degree: int, network: int = 0) -> list[list[int]]:
    """Coins in which each firm stands, its own first; each coin has as many firms.

    Args:
        banks: Coins, and firms of a family.
        degree: z, coins of each firm.
        network: 0: the next ones on a ring; else the seed of a draw from regular networks, by
            swaps of two links (Rao, Jana, Bandyopadhyay, Sankhya A 58, 1996).

    Raises:
        ValueError: If there are not so many coins.
    """
    if not 1 <= degree <= banks:
        raise ValueError(f"degree {degree!r} of {banks} banks; give 1 to {banks}")
    links = [(i, (i + d) % banks) for i in range(banks) for d in range(1, degree)]
    if network and links:
        random = np.random.Generator(np.random.Philox(network))
        there = set(links)
        for _ in range(SWAPS * len(links)):
            m, n = random.integers(len(links), size=2)
            (i, a), (j, b) = links[m], links[n]
            crossed = (i, b), (j, a)
            if i != b and j != a and not there & set(crossed):
                there -= {links[m], links[n]}
                links[m], links[n] = crossed
                there |= set(crossed)
    return [[i, *sorted(a for f, a in links if f == i)] for i in range(banks)]


def many_banks(
    degrees: Mapping[str, int] | None = None,
    banks: int = 20,
    fall: float = 0.4,
    network: int = 0,
    changes: Mapping[str, Any] | None = None,
) -> Scenario:
    """A market of many similar banks.

    Args:
        degrees: Of families of firms (`FAMILIES`); those left out: 1.
        banks: How many; as many coins, and firms of each family.
        fall: Of the struck coin outside, share; 0: nothing happens.
        network: As of `standing`; each family has a draw of its own.
        changes: Values by dotted path, with * and ?, as of a study.

    Raises:
        ScenarioError: If a value makes no sense.
        ValueError: If a degree is beyond the number of banks, or a family unknown.
    """
    given = dict(degrees or {})
    if unknown := set(given) - set(FAMILIES):
        raise ValueError(f"{sorted(unknown)[0]!r} is no family; there are {', '.join(FAMILIES)}")
    where = {
        family: standing(banks, given.get(family, 1), network and 1000 * network + n)
        for n, family in enumerate(FAMILIES)
    }
    names = coins(banks)
    content: Table = {
        "title": "Many banks that are alike",
        "blocks": 600,  # two hours
        "start": "2024-02-05T00:00:00Z",  # for the clock only
        # As in two_banks; but gas is free, since full blocks would join all banks.
        "block": {"seconds": 12.0, "base_fee": 15.0, "outside": {"gas": 0.75, "bid_median": 25.0}},
        "switches": {"gas_binds": False},
        "venue": {"numeraire": "usdc", "inventory": 1e9, "assets": {"eth": _ETHER}},
        "pools": {},
        "oracles": {"usdc": {"token": "usdc", "source": "fixed", "price": 1.0}},
        "lending": {},
        "agents": {},
        "measures": {"every": 5, "receipts": "none"},
    }
    for n, name in enumerate(names):
        content["venue"]["assets"][name] = _COIN
        content["pools"][_pool(name)] = _reserves(name)
        content["oracles"][name] = {
            "token": name, "source": "pool_twap", "pool": _pool(name), "window": 10,
        }  # fmt: skip
        content["lending"][bank_of(name)] = {"reserves": {name: _COLLATERAL, "usdc": _DOLLARS}}
        mine = {family: [names[a] for a in where[family][n]] for family in FAMILIES}
        for kind, group in (_people(name) | _firms(mine)).items():
            content["agents"][f"{kind}-{name}"] = group
    if fall:
        content["shocks"] = [{"kind": "price_jump", "asset": FALLS, "block": STRUCK, "size": -fall}]
    setup = Scenario.from_dict(content)
    return setup.override(paths.expand(setup, dict(changes or {}), "changes"))


def others(banks: int = 20, fallen: float = 0.2) -> dict[str, str]:
    """Who is hit besides the struck coin, as of `runs.contagion.interconnection`.

    Args:
        banks: Of the market.
        fallen: A coin is hit once its price outside has fallen by this share; in two hours it
            does not by itself (0.2: 22 standard deviations).
    """
    low = PRICE * (1.0 - fallen)
    return {name: f"min(venue.{name}.price) < {low:g}" for name in coins(banks) if name != FALLS}


def their_losses(banks: int = 20) -> dict[str, str]:
    """What the banks lose that do not lend on the struck coin."""
    return {n: f"last(lending.{bank_of(n)}.loss)" for n in coins(banks) if n != FALLS}


def bank_of(coin: str) -> str:
    """The bank that lends on a coin."""
    return f"bank-{coin}"


def _pool(coin: str) -> str:
    return f"{coin}-usdc"


# What each coin has. Numbers without a word are those of two_banks.
_ETHER: Table = {"price": 2400.0, "volatility": 0.6, "depth": 1e8}  # for gas; nobody lends on it
_COIN: Table = {
    "price": PRICE,
    "volatility": 0.6,
    "depth": 0.3e6,  # dollars for one per cent of who is no maker; reasoning: a small coin's
    "spread": 0.0002,
}
_COLLATERAL: Table = {
    "ltv": 0.73, "threshold": 0.78, "bonus": 0.05, "slope1": 0.04, "slope2": 3.0, "optimal": 0.45,
}  # fmt: skip
_DOLLARS: Table = {
    "collateral": False, "slope1": 0.055, "slope2": 0.6, "optimal": 0.92,
    "utilisation": 0.7,  # reasoning: an ordinary day
}  # fmt: skip


def _reserves(coin: str) -> Table:
    """Its pool, as large as bitcoin's of two_banks."""
    return {"tokens": [coin, "usdc"], "reserves": {coin: 5e6 / PRICE, "usdc": 5e6}, "fee": 0.003}


def _people(coin: str) -> dict[str, Table]:
    """Who stands in one coin whatever the degree."""
    equity = {"distribution": "pareto", "scale": 15_000.0, "shape": 1.4, "at_most": 300_000.0}
    leverage = {
        "distribution": "lognormal", "median": 2.4, "sigma": 0.25, "at_least": 1.3, "at_most": 3.3,
    }  # fmt: skip
    borrowers = {
        "kind": "leveraged_borrower", "count": 40, "lending": bank_of(coin), "collateral": coin,
        "debt": "usdc", "pools": [_pool(coin)], "equity": equity, "leverage": leverage,
        "buffer": {"distribution": "uniform", "low": 1.03, "high": 1.2}, "attention": 0.003,
        "wallet": {"eth": 1.0, "usdc": 500.0},
    }  # fmt: skip
    traders = {
        "kind": "noise_trader", "count": 20, "pools": [_pool(coin)], "rate": 0.01,
        "size": {"distribution": "lognormal", "median": 2000.0, "sigma": 1.0},
        "wallet": {"eth": 1.0, coin: 40_000.0 / PRICE, "usdc": 40_000.0},
    }  # fmt: skip
    return {"borrowers": borrowers, "traders": traders}


def _firms(mine: Mapping[str, list[str]]) -> dict[str, Table]:
    """Firms whose home is one coin, by family.

    Args:
        mine: Coins in which each stands.
    """
    made = mine["makers"]
    makers = {
        "kind": "market_maker", "count": 1, "assets": dict.fromkeys(made, 1.0), "margin": 3.0,
        # Reasoning: a handful of firms per coin would be alike; half as much cash as coins.
        "wallet": {"usdc": 2e6} | {name: 4e6 / PRICE / len(made) for name in made},
    }  # fmt: skip
    funds = {
        "kind": "leveraged_fund", "count": 2, "assets": mine["funds"],
        "lending": [bank_of(name) for name in mine["funds"]], "debt": "usdc", "route": "venue",
        # Reasoning: two of a size at which the market is calm by itself (docs say what it does).
        "equity": 1.1e6, "leverage": {"distribution": "uniform", "low": 1.6, "high": 2.4},
        "attention": 0.1, "wallet": {"eth": 5.0, "usdc": 10_000.0},
    }  # fmt: skip
    liquidators = {
        "kind": "liquidator", "count": 2, "lending": [bank_of(c) for c in mine["liquidators"]],
        "pools": [_pool(c) for c in mine["liquidators"]], "hold": 25.0, "tries": 1.0,
        "wallet": {"usdc": 150_000.0, "eth": 20.0},
    }  # fmt: skip
    arbitrageurs = {
        "kind": "arbitrageur", "count": 2, "pools": [_pool(c) for c in mine["arbitrageurs"]],
        "bid_share": {"distribution": "uniform", "low": 0.3, "high": 0.9},
        "wallet": {"usdc": 500_000.0, "eth": 20.0},
    }  # fmt: skip
    firms = makers, funds, liquidators, arbitrageurs
    return dict(zip(FAMILIES, firms, strict=True))
