"""State machines: no pool is drained by any sequence, of dust, of huge amounts, of donations.

The reserves of a pool never fall below the curve that they were on, so what passive
holders own, valued at the price that they started with, never falls: the price is the
tangent of the curve there. That is the strongest form of "no free lunch on a round
trip", and it must hold after every step of anybody else.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocols import amm, concentrated
from sim import Market, Scenario
from sim.codes import Reason
from sim.ledger import begin, undo
from tests.conftest import BASE, merged
from tests.protocols.test_amm import CURVE

ASSETS = {
    name: {"price": price, "process": "constant", "inventory": 1e12}
    for name, price in {"dai": 1.0, "usdt": 1.0, "btc": 40_000.0}.items()
}
KINDS: dict[str, dict[str, Any]] = {
    "constant_product": {"tokens": ["eth", "usdc"], "reserves": {"eth": 1000.0, "usdc": 2e6}},
    "weighted": {
        "kind": "weighted",
        "tokens": ["eth", "btc", "usdc"],
        "weights": {"eth": 4.0, "btc": 1.0, "usdc": 2.0},
        "reserves": {"eth": 1000.0, "btc": 12.5, "usdc": 1e6},
    },
    "stableswap": {
        "kind": "stableswap",
        "tokens": ["dai", "usdt", "usdc"],
        "rates": {"usdt": 1.25},
        "reserves": {"dai": 2e6, "usdt": 1e6, "usdc": 1.5e6},
        "amplification": 300.0,
        "fee_multiplier": 4.0,
    },
    "concentrated": {
        "kind": "concentrated",
        "tokens": ["eth", "usdc"],
        "reserves": {"eth": 1000.0, "usdc": 2e6},
        "tick_spacing": 60,
        "price_span": 1000.0,
        "ranges": [
            {"lower": 0.005, "upper": 500.0},
            {"lower": 0.5, "upper": 2.0, "share": 2.0},
            {"lower": 1.1, "upper": 1.3},
        ],
    },
    "bonding_curve": CURVE,
}

amounts = st.one_of(
    st.floats(1e-12, 1e12),
    st.floats(0.0, 1e4),
    st.sampled_from([0.0, -1.0, 1e-300, 5e-324, 1e300, math.inf, math.nan]),
)
places = st.integers(0, 2)
multiples = st.sampled_from([0.3, 0.5, 0.8, 0.95, 1.0, 1.05, 1.2, 2.0, 3.0])


class PoolMachine(RuleBasedStateMachine):
    """Somebody rich and hostile, alone with a pool and its passive holders."""

    kind = ""

    @initialize(fee=st.sampled_from([0.0, 0.0004, 0.01]), part=st.sampled_from([0.0, 0.5]))
    def open(self, fee: float, part: float) -> None:
        pool = KINDS[self.kind] | {"fee": fee, "protocol_fee": part}
        content = merged(BASE, {"venue": {"assets": ASSETS}}) | {"pools": {"pool": pool}}
        self.market = Market(Scenario.from_dict(content | {"lending": {}}), rng=1)
        self.record = self.market.world.pools[0]
        self.who = self.market.ledger.open_account("who")
        self.size = int(self.record["size"])
        self.tokens = [int(t) for t in self.record["tokens"][: self.size]]
        own = int(self.record["share"])
        for token in self.tokens:
            if token != own:
                self.market.ledger.mint(self.who, token, 1e10)
        self.books = self.market.ledger.books
        self.holders = self.market.ledger.account("holders")
        last = self.size - 1
        self.prices = np.ones(self.size)
        for k in range(last):
            self.prices[k] = amm.spot_price(self.books, self.record, k, last)
        self.ranges: list[tuple[int, int]] = []
        self.claim_at_start = self.claim()

    def claim(self) -> float:
        """What the passive holders own, at the prices of the start."""
        books, pool = self.books, self.record
        if pool["ranges"]:
            total = 0.0
            for n in range(int(pool["capacity"])):
                owner, first, second = concentrated.position_tokens(books, pool, n)
                if owner == self.holders:
                    total += first * self.prices[0] + second
            return total
        if not pool["balanced"]:  # R / S ** (1 / F), which only fees may raise
            reserve = books.balances[pool["account"], self.tokens[1]]
            return float(reserve / books.supply[pool["share"]] ** (1.0 / pool["ratio"]))
        part = books.balances[self.holders, pool["share"]] / books.supply[pool["share"]]
        return float(part * (amm.reserves(books, pool) @ self.prices))

    def ends(self, reason: int) -> None:
        if reason != Reason.DONE:
            undo(self.books, 0)

    @rule(i=places, o=places, amount=amounts)
    def swap(self, i: int, o: int, amount: float) -> None:
        begin(self.books)
        pair = self.tokens[i % self.size], self.tokens[o % self.size]
        self.ends(amm.swap(self.books, self.record, self.who, *pair, amount, 0.0)[0])

    @rule(i=places, o=places, share=st.floats(0.0, 1.0))
    def there_and_back(self, i: int, o: int, share: float) -> None:
        a, b = self.tokens[i % self.size], self.tokens[o % self.size]
        begin(self.books)
        amount = share * self.books.balances[self.who, a] * 1e-3
        before = self.books.balances[self.who].copy()
        reason, out = amm.swap(self.books, self.record, self.who, a, b, amount, 0.0)
        if reason == Reason.DONE:
            reason, _ = amm.swap(self.books, self.record, self.who, b, a, out, 0.0)
        if reason == Reason.DONE:
            after = self.books.balances[self.who]
            assert after[a] <= before[a] * (1.0 + 1e-12)
        self.ends(reason)

    @rule(i=places, o=places, first=amounts, second=amounts, down=multiples, up=multiples)
    def add(self, i: int, o: int, first: float, second: float, down: float, up: float) -> None:
        lower = upper = 0
        if self.record["ranges"]:
            lower = int(concentrated.spaced(self.record, 2000.0 * down, False))
            upper = int(concentrated.spaced(self.record, 2000.0 * up, True))
        begin(self.books)
        pair = self.tokens[i % self.size], self.tokens[o % self.size]
        call = (self.books, self.record, self.who, *pair, first, second, 0.0, lower, upper)
        reason, _ = amm.add(*call)
        self.ends(reason)
        if reason == Reason.DONE and (lower, upper) not in self.ranges:
            self.ranges.append((lower, upper))

    @rule(part=st.one_of(st.floats(0.0, 10.0), st.sampled_from([1e-18, 1e18])))
    def add_in_proportion(self, part: float) -> None:
        begin(self.books)
        share = int(self.record["share"])
        shares = part * float(self.books.supply[share])
        call = (self.books, self.record, self.who, share, share, shares, 0.0, 0.0, 0, 0)
        self.ends(amm.add(*call)[0])

    @rule(part=st.sampled_from([1.0, 0.5, 1e-9, 2.0]), o=st.integers(-1, 2))
    def remove(self, part: float, o: int) -> None:
        begin(self.books)
        share = int(self.record["share"])
        held = float(self.books.balances[self.who, share]) * part
        token = share if o < 0 else self.tokens[o % self.size]
        self.ends(amm.remove(self.books, self.record, self.who, token, held, 0.0, 0, 0)[0])

    @rule(n=st.integers(0, 20), part=st.sampled_from([1.0, 0.5, 0.0, 1e-9, 2.0]))
    def remove_range(self, n: int, part: float) -> None:
        if not self.ranges:
            return
        lower, upper = self.ranges[n % len(self.ranges)]
        begin(self.books)
        liquidity = concentrated.liquidity_of(self.books, self.record, self.who, lower, upper)
        call = (self.books, self.record, self.who, 0, part * liquidity, 0.0, lower, upper)
        self.ends(amm.remove(*call)[0])

    @rule(k=places, amount=st.floats(0.0, 1e6))
    def donate(self, k: int, amount: float) -> None:
        token = self.tokens[k % self.size]
        if self.books.balances[self.who, token] >= amount:
            account = int(self.record["account"])
            self.market.ledger.transfer(self.who, account, token, amount)

    @invariant()
    def nobody_is_robbed(self) -> None:
        if not hasattr(self, "market"):
            return
        assert self.claim() >= self.claim_at_start * (1.0 - 1e-8)
        assert np.isfinite(self.books.balances).all()
        assert (self.books.balances >= 0.0).all()
        self.market.ledger.audit()


def machine(kind: str) -> type[PoolMachine]:
    return type(f"Machine_{kind}", (PoolMachine,), {"kind": kind})


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_drains(kind: str) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        machine(kind), settings=settings(max_examples=80, stateful_step_count=30)
    )
