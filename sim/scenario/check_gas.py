"""Whether recorded prices of gas can be replayed."""

from __future__ import annotations

from itertools import pairwise

from sim.errors import Problem
from sim.fields import time_in_blocks
from sim.scenario.check_venue import MOST_RECORDED
from sim.scenario.content import Content


def check_gas(s: Content) -> list[Problem]:
    """What is wrong with the recorded prices of gas."""
    b = s.block
    if not b.replays_gas:
        return []
    field = "block.gas_path" if b.gas_path else "block.gas_symbol"
    if b.gas_path and b.gas_symbol is not None:
        return [(field, "and gas_symbol are two records of one price; give one of them")]
    if b.fee_market == "off":
        return [(field, "needs a fee market; set block.fee_market, or take it out")]
    if b.gas_symbol is not None and s.prices is None:
        return [("prices.file", "is missing; block.gas_symbol is a name in it")]
    found: list[Problem] = []
    least = 0.5 if b.fee_market == "eip1559" else 1.0
    if b.outside.gas <= least:
        text = f"needs outside demand above {least:g} of the gas limit, or nobody pays it"
        found.append((field, f"{text}; raise block.outside.gas, which is {b.outside.gas:g}"))
    if b.outside.volatility_response or b.outside.quantity_response:
        text = "already reflects how demand responded; set block.outside.volatility_response"
        found.append((field, f"{text} and quantity_response to 0"))
    times = [time_in_blocks(p[0], s.start, b.seconds) for p in b.gas_path]
    if any(x >= y for x, y in pairwise(times)):
        found.append((field, "needs points in increasing order of time"))
    if s.blocks > MOST_RECORDED:
        text = f"generates {s.blocks:,} blocks beforehand; set blocks to {MOST_RECORDED:,} or fewer"
        found.append((field, text))
    return found
