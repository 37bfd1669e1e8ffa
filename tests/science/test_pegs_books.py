"""Coins with a peg: claims and assets agree in every block, whatever is called and whatever fails.

Calls are hypothesis', of anybody, with others' tokens and hostile amounts, and each protocol's own
failures are injected at any block. The ledger and the protocol are audited in every block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import MarketAgent
from sim import Market, Scenario
from sim.codes import ALL
from tests.protocols import test_fractional, test_peg_module, test_reserve_coin, test_seigniorage

Make = Callable[..., Scenario]
BLOCKS = 14
AMOUNTS = st.one_of(
    st.sampled_from([ALL, 0.0, 1e-9, 1e12, 1e300]),
    st.floats(1.0, 1e5),
)
KINDS: dict[str, tuple[Callable[..., dict[str, Any]], dict[str, Any], tuple[str, ...]]] = {
    "fractional": (
        test_fractional.content,
        {"start_ratio": 0.8, "epoch": 24.0, "step": 0.03},
        ("shut", "lost"),
    ),
    "reserve_coin": (
        test_reserve_coin.content,
        {"minimum": 0.0, "weekends": True},
        ("bank_fails",),
    ),
    "seigniorage": (test_seigniorage.content, {}, ("shut",)),
    "peg_module": (test_peg_module.content, {"fee_in": 0.01}, ("shut",)),
}
"""What makes a scenario, its settings, and what may befall it."""


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


CALLS = st.lists(
    st.tuples(
        st.integers(0, BLOCKS - 2),  # block
        st.integers(0, 2),  # whose
        st.integers(0, 9),  # which call
        st.tuples(st.integers(0, 9), st.integers(0, 9)),  # of which tokens
        AMOUNTS,
        st.booleans(),  # of the tokens that it is made for
    ),
    min_size=5,
    max_size=40,
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(calls=CALLS, fails=st.integers(1, BLOCKS), size=st.floats(0.0, 1.0), event=st.integers(0, 1))
def test_claims_and_assets_agree_in_every_block(
    small: Make,
    kind: str,
    calls: list[tuple[int, int, int, tuple[int, int], float, bool]],
    fails: int,
    size: float,
    event: int,
) -> None:
    content, own, events = KINDS[kind]
    what = events[event % len(events)]
    shock = {"kind": "event", "event": what, "block": fails, "blocks": 4}
    if what in ("lost", "bank_fails"):
        shock["size"] = size
    setup = content(small, dict(own))
    (name,) = setup["protocols"]
    setup["shocks"] = [shock | {"protocol": name}]
    market = Market(setup, rng=1)
    protocol: Any = market.protocols[name]
    tokens = [t for t in market.ledger.tokens if "share" not in t or t.startswith(name)]
    made = type(protocol).calls
    people = [Idle(market, {"usdc": 2e5}, f"p{n}") for n in range(3)]
    for pool in market.pools:  # so that they have something of each token
        for one in people:
            if "usdc" in market.pools[pool].tokens:
                one.swap(pool, "usdc", 1e4)
    market.run(1)
    for block in range(BLOCKS):
        for _, whose, which, (give, want), amount, fits in (c for c in calls if c[0] == block):
            call = made[which % len(made)]
            pair = (tokens[give % len(tokens)], tokens[want % len(tokens)])
            if fits:
                pair = (protocol.token(call.pays), protocol.token(call.gives))
            people[whose].act(name, call.name, amount, token_in=pair[0], token_out=pair[1])
        market.run(1)
        protocol.audit()
    market.ledger.audit()
    market.close()
