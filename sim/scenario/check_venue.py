"""Whether the outside venue makes sense: its assets, their processes, what strikes them."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from sim.errors import Problem
from sim.fields import time_in_blocks
from sim.scenario.content import Content
from sim.scenario.shocks import PriceJump
from sim.scenario.venue import AssetSettings
from sim.units import YEAR

MOST_RECORDED = 10_000_000
"""Blocks of a run that follows a path laid out beforehand; each is a place in memory."""
MOST_LOG_PRICE = 200.0
"""How far the log of a price may be expected to go in a run. exp(200) is 7e86, and twice that
squared is still a number; an exponent above 709 is none."""
MOST_JUMPS = 100.0
"""Expected in a block."""
MOST_REVERSION = 36.0
"""Of a price or a variance, a block: exp(-36) is the last of the way that a float can see."""


def check_venue(s: Content) -> list[Problem]:
    """What is wrong with the outside venue, and with the jumps that strike it."""
    found = []
    assets = list(s.venue.assets)
    if s.venue.numeraire in assets:
        text = "is among the assets; it is worth one, take it out of them"
        found.append(("venue.numeraire", text))
    matrix = np.eye(len(assets))
    for pair, value in s.venue.correlation.items():
        first, _, second = pair.partition(":")
        if first not in assets or second not in assets or first == second:
            text = f'name two different assets as "a:b"; there are {", ".join(assets)}'
            found.append((f"venue.correlation.{pair}", text))
        elif f"{second}:{first}" in s.venue.correlation:
            text = f"is also given as {second}:{first}; give one of them"
            found.append((f"venue.correlation.{pair}", text))
        else:
            i, j = assets.index(first), assets.index(second)
            matrix[i, j] = matrix[j, i] = value
    if np.linalg.eigvalsh(matrix).min() <= 1e-10:
        text = "contradict each other (the matrix is not positive definite); bring them nearer to 0"
        found.append(("venue.correlation", text))
    for name, a in s.venue.assets.items():
        field = f"venue.assets.{name}"
        if a.process == "bridge":
            times = [time_in_blocks(p[0], s.start, s.block.seconds) for p in a.points]
            if len(times) < 2 or any(x >= y for x, y in pairwise(times)):
                text = "a bridge needs two points or more, in the order of time"
                found.append((f"{field}.points", text))
        if a.process == "endogenous" and math.isinf(a.depth):
            text = "is infinite, so that no order moves an endogenous price; give a number"
            found.append((f"{field}.depth", text))
        if a.process == "garch" and a.alpha + a.beta >= 1.0:
            text = f"alpha + beta is {a.alpha + a.beta:g}; below 1 the variance stays finite"
            found.append((f"{field}.beta", text))
        if a.process == "replay":
            if a.symbol is None:
                found.append((f"{field}.symbol", "is missing; give its name in the price file"))
            if s.prices is None:
                found.append(("prices.file", f"is missing; {name} replays one"))
        found += _check_process(s, field, name, a)
    jumps: dict[str, float] = {}
    for i, shock in enumerate(s.shocks):
        if isinstance(shock, PriceJump):
            jumps[shock.asset] = jumps.get(shock.asset, 0.0) + abs(math.log1p(shock.size))
            if jumps[shock.asset] > MOST_LOG_PRICE:
                text = f"takes {shock.asset} beyond exp({MOST_LOG_PRICE:g}) with those before it"
                found.append((f"shocks.{i}.size", f"{text}; make them smaller, or fewer"))
                break
    return found


def _check_process(s: Content, field: str, name: str, a: AssetSettings) -> list[Problem]:
    """Whether the numbers of a price process leave prices that can be counted with."""
    found: list[Problem] = []
    block = s.block.seconds / YEAR
    years = s.blocks * block
    if a.process in ("bridge", "replay"):
        if s.blocks > MOST_RECORDED:
            text = f"generates {s.blocks:,} blocks beforehand; set blocks to {MOST_RECORDED:,}"
            found.append((f"{field}.process", f"{text} or fewer"))
        return found
    if a.process == "jumps" and a.jump_rate * block > MOST_JUMPS:
        text = f"{a.jump_rate:g} is {a.jump_rate * block:.4g} jumps a block; at most"
        found.append((f"{field}.jump_rate", f"{text} {MOST_JUMPS:g} are allowed, lower it"))
    if a.process in ("heston", "mean_reverting") and a.reversion * block > MOST_REVERSION:
        text = f"{a.reversion:g} reverts fully within a block"
        found.append((f"{field}.reversion", f"{text}; give {MOST_REVERSION / block:.4g} or less"))
    if a.process in ("constant", "endogenous"):
        return found
    # What it goes by itself, and ten deviations either way.
    reaches = {
        "drift": abs(a.drift) * years,
        "volatility": 0.5 * a.volatility**2 * years + 10.0 * a.volatility * math.sqrt(years),
        "price": abs(math.log(a.price)),
    }
    if a.process == "mean_reverting":
        reaches["drift"] = 0.0
    if a.process == "jumps":
        count = a.jump_rate * years
        mean = math.expm1(a.jump_mean + 0.5 * a.jump_sd**2)  # which the drift makes up for
        size = math.hypot(a.jump_mean, a.jump_sd)
        reaches["jump_rate"] = count * (abs(a.jump_mean) + abs(mean)) + 10.0 * size * math.sqrt(
            count
        )
    if sum(reaches.values()) > MOST_LOG_PRICE:
        most = max(reaches, key=lambda key: reaches[key])
        text = (
            f"{getattr(a, most):g} takes the price of {name} beyond exp({MOST_LOG_PRICE:g}) in "
            f"{s.blocks:,} blocks; lower it, or blocks"
        )
        found.append((f"{field}.{most}", text))
    return found
