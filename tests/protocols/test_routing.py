"""Routes through the network: the closed form, every grid alternative, gas, and execution."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents import MarketAgent
from protocols import constant_product, routing
from protocols.routing import Plan
from sim import Market, Scenario
from sim.ledger import begin, undo
from tests.conftest import BASE, merged

NAMES = ("eth", "usdc", "dai", "btc")
PRICES = {"eth": 2000.0, "usdc": 1.0, "dai": 1.0, "btc": 40_000.0}


def network(pools: dict[str, Any], **changes: Any) -> Market:
    assets = {n: {"price": p, "process": "constant"} for n, p in PRICES.items() if n != "usdc"}
    content = merged(BASE, {"venue": {"assets": assets}}) | {"pools": pools, "lending": {}}
    return Market(Scenario.from_dict(merged(content, changes)), rng=1)


def simple(x: float, y: float, fee: float, **more: Any) -> dict[str, Any]:
    return {"tokens": ["eth", "usdc"], "reserves": {"eth": x, "usdc": y}, "fee": fee} | more


def test_parallel_pools_get_the_closed_form_of_validation_4() -> None:
    market = network(
        {"a": simple(1000.0, 2e6, 0.003), "b": simple(400.0, 810e3, 0.0005),
         "c": simple(250.0, 495e3, 0.01)}
    )  # fmt: skip
    plan = market.route("eth", "usdc", 50.0)
    parts = {route.pools[0]: route.amount for route in plan.routes}
    want = constant_product.split([1000, 400, 250], [2e6, 810e3, 495e3], [0.003, 0.0005, 0.01], 50)
    assert [parts["a"], parts["b"], parts["c"]] == pytest.approx(list(want), rel=1e-9)
    assert plan.amount_out == pytest.approx(96957.1337, abs=1e-4)


@given(
    reserves=st.lists(
        st.tuples(st.floats(10.0, 1e5), st.floats(0.97, 1.03), st.floats(0.0, 0.02)),
        min_size=1,
        max_size=5,
    ),
    share=st.floats(1e-5, 2.0),
)
@settings(max_examples=60)
def test_parallel_pools_get_the_closed_form(
    reserves: list[tuple[float, float, float]], share: float
) -> None:
    pools = {f"p{i}": simple(x, 2000.0 * x * q, f) for i, (x, q, f) in enumerate(reserves)}
    market = network(pools)
    x = np.array([r[0] for r in reserves])
    y = np.array([2000.0 * r[0] * r[1] for r in reserves])
    fees = np.array([r[2] for r in reserves])
    amount = share * float(x.sum())
    want = constant_product.split(x, y, fees, amount)
    best = sum(
        constant_product.amount_out(*pair, d, f)
        for *pair, d, f in zip(x, y, want, fees, strict=True)
    )
    plan = market.route("eth", "usdc", amount)
    assert plan.amount_out == pytest.approx(best, rel=1e-9)
    parts = np.zeros(x.size)
    for route in plan.routes:
        parts[int(route.pools[0][1:])] += route.amount
    assert parts == pytest.approx(want, rel=1e-6, abs=1e-7 * amount)


def pool_of(draw: Any, tokens: list[str]) -> dict[str, Any]:
    """A pool of some kind between given tokens, near outside prices."""
    size = draw(st.floats(2e4, 2e7))  # numeraire a token
    off = draw(st.floats(0.98, 1.02))
    fee = draw(st.sampled_from([0.0, 0.0005, 0.003, 0.01]))
    reserves = {t: size / PRICES[t] for t in tokens}
    reserves[tokens[0]] *= off
    stable = set(tokens) <= {"usdc", "dai"}
    kinds = ["constant_product", "weighted", "concentrated"] if len(tokens) == 2 else ["weighted"]
    kind = draw(st.sampled_from([*kinds, "stableswap"] if stable else kinds))
    pool: dict[str, Any] = {"kind": kind, "tokens": tokens, "reserves": reserves, "fee": fee}
    if kind == "weighted":
        weights = {t: draw(st.sampled_from([1.0, 2.0, 4.0])) for t in tokens}
        pool |= {"weights": weights}
        pool["reserves"] = {t: reserves[t] * weights[t] for t in tokens}
    if kind == "stableswap":
        pool["amplification"] = draw(st.sampled_from([10.0, 200.0, 2000.0]))
    if kind == "concentrated":
        inner = draw(st.floats(1.01, 1.5))
        pool["ranges"] = [{"lower": 0.01, "upper": 100.0, "share": 1.0},
                          {"lower": 1.0 / inner, "upper": inner, "share": 3.0}]  # fmt: skip
        pool["price_span"] = 200.0
    return pool


@st.composite
def graphs(draw: Any) -> dict[str, Any]:
    count = draw(st.integers(1, 6))
    pools = {}
    for i in range(count):
        n = draw(st.sampled_from([2, 2, 2, 3]))
        tokens = draw(st.permutations(NAMES))[:n]
        pools[f"p{i}"] = pool_of(draw, list(tokens))
    return pools


def ways(market: Market) -> tuple[Any, Any, Any]:
    """(pools, columns, lengths) of all routes from eth to usdc."""
    columns = market.ledger.token("eth"), market.ledger.token("usdc")
    legs = np.full((routing.CANDIDATES, 3), -1, np.int64)
    tokens = np.full((routing.CANDIDATES, 4), -1, np.int64)
    lengths = np.zeros(routing.CANDIDATES, np.int64)
    count = routing.candidates(market.world.pools, *columns, 3, legs, tokens, lengths)
    return legs[:count], tokens[:count], lengths[:count]


def meet(market: Market) -> bool:
    """Whether any two routes have a pool in common."""
    legs, _, lengths = ways(market)
    through = [int(p) for leg, length in zip(legs, lengths, strict=True) for p in leg[:length]]
    return len(set(through)) < len(through)


def alternatives(market: Market, amount: float, steps: int) -> float:
    """The most that any split in steps over up to three routes gives."""
    books, pools = market.ledger.books, market.world.pools
    legs, tokens, lengths = ways(market)
    count = len(legs)
    if count == 0:
        return 0.0
    best = 0.0
    ranked = sorted(
        range(count),
        key=lambda c: -routing.outcome_of(books, pools, legs[c], tokens[c], lengths[c], amount),
    )[:5]
    for chosen in itertools.combinations(ranked, min(3, len(ranked))):
        some = np.array(chosen)
        for cut in itertools.product(range(steps + 1), repeat=len(chosen) - 1):
            if sum(cut) > steps:
                continue
            parts = np.array([*cut, steps - sum(cut)]) / steps * amount
            out = routing.outcome(books, pools, legs[some], tokens[some], lengths[some], parts)
            best = max(best, float(out))
    return best


# Three routes through one pool: each move between two of them shifts the best of the
# third, so that a few rounds over the pairs stop far from the best split.
_ONE_POOL_FOR_ALL: dict[str, Any] = {
    "p0": {"tokens": ["usdc", "btc"], "reserves": {"usdc": 37297.0, "btc": 0.932425}, "fee": 0.0},
    "p1": {
        "kind": "concentrated",
        "tokens": ["usdc", "btc"],
        "reserves": {"usdc": 21830.0, "btc": 0.54575},
        "fee": 0.01,
        "ranges": [
            {"lower": 0.01, "upper": 100.0, "share": 1.0},
            {"lower": 0.6666666666666666, "upper": 1.5, "share": 3.0},
        ],
        "price_span": 200.0,
    },
    "p4": {
        "kind": "weighted",
        "tokens": ["eth", "btc", "usdc"],
        "reserves": {"eth": 10.0, "btc": 1.0, "usdc": 20000.0},
        "fee": 0.0,
        "weights": {"eth": 1.0, "btc": 2.0, "usdc": 1.0},
    },
}


@example(pools=_ONE_POOL_FOR_ALL, size=571494.0)
@given(pools=graphs(), size=st.floats(1e2, 3e6))
@settings(max_examples=120)
def test_no_split_in_steps_over_any_routes_is_better(pools: dict[str, Any], size: float) -> None:
    market = network(pools)
    amount = size / PRICES["eth"]
    before = market.ledger.books.balances.tobytes(), market.ledger.books.storage.tobytes()
    plan = market.route("eth", "usdc", amount)
    best = alternatives(market, amount, steps=12)
    # Through common pools routes go one after the other, and their order counts.
    near = 1e-2 if meet(market) else 1e-9
    # What no route takes alone may fit some odd splits only, which are not looked for.
    if plan.routes or alternatives(market, amount, steps=1) > 0.0:
        assert plan.amount_out >= best * (1.0 - near)
    assert sum(route.amount for route in plan.routes) == pytest.approx(
        amount if plan.routes else 0.0, rel=1e-12
    )
    assert before == (
        market.ledger.books.balances.tobytes(),
        market.ledger.books.storage.tobytes(),
    )


class Idle(MarketAgent):
    def step(self) -> None:
        pass


@given(pools=graphs(), size=st.floats(1e2, 1e6))
@settings(max_examples=25)
def test_what_is_planned_is_what_happens(pools: dict[str, Any], size: float) -> None:
    market = network(pools)
    amount = size / PRICES["eth"]
    plan = market.route("eth", "usdc", amount)
    ann = Idle(market, {"eth": 2.0 * amount}, "ann")
    if not plan.routes:
        with pytest.raises(ValueError, match="no route through pools"):
            ann.swap_best("eth", "usdc", amount)
        return
    ann.swap_best("eth", "usdc", amount, slippage=1e-9)
    market.step()
    assert set(market.receipts()["status"]) == {"done"}
    assert market.ledger.balance("ann", "usdc") == pytest.approx(plan.amount_out, rel=1e-9)
    assert market.ledger.balance("ann", "eth") == pytest.approx(amount, rel=1e-9)
    market.ledger.audit()


def plans(market: Market, amount: float, gwei: float) -> Plan:
    return market.route("eth", "usdc", amount, gas_price=gwei)


def test_dear_gas_makes_routes_fewer() -> None:
    pools = {f"p{i}": simple(1000.0, 2e6, 0.003) for i in range(5)}
    market = network(pools)
    assert len(plans(market, 20.0, 0.0).routes) == 5
    counts = [len(plans(market, 20.0, g).routes) for g in (0.0, 100.0, 1000.0, 3000.0, 1e5)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2] > counts[-1] == 1


def test_a_route_goes_through_other_tokens_where_that_is_better() -> None:
    pools = {
        "direct": simple(10.0, 2e4, 0.003),
        "eth-btc": {"tokens": ["eth", "btc"], "reserves": {"eth": 2000.0, "btc": 100.0}},
        "btc-usdc": {"tokens": ["btc", "usdc"], "reserves": {"btc": 100.0, "usdc": 4e6}},
    }
    market = network(pools)
    plan = market.route("eth", "usdc", 50.0)
    ways = {route.pools: route for route in plan.routes}
    assert set(ways) == {("direct",), ("eth-btc", "btc-usdc")}
    assert ways["eth-btc", "btc-usdc"].tokens == ("eth", "btc", "usdc")
    assert ways["direct",].amount < 2.0


def test_a_cycle_is_found_at_the_size_of_validation_3() -> None:
    market = network({"a": simple(1000.0, 2e6, 0.003), "b": simple(500.0, 1.03e6, 0.003)})
    usdc = market.ledger.token("usdc")
    books, pools = market.ledger.books, market.world.pools
    legs, _, length, amount, gain = routing.best_cycle(books, pools, usdc, 1e9, 0.0, 3)
    assert length == 2
    assert list(legs[:2]) == [0, 1]
    assert amount == pytest.approx(7935.9582, abs=1e-3)
    assert gain == pytest.approx(93.9974, abs=1e-4)
    begin(books)
    undo(books, 0)
    assert routing.best_cycle(books, pools, usdc, 100.0, 0.0, 3)[3] == pytest.approx(100.0)
    assert routing.best_cycle(books, pools, usdc, 1e9, 60.0, 3)[2] == 0  # gas takes it all


@given(pools=graphs())
@settings(max_examples=40)
def test_no_other_size_of_a_cycle_gains_more(pools: dict[str, Any]) -> None:
    market = network(pools)
    books, records = market.ledger.books, market.world.pools
    usdc = market.ledger.token("usdc")
    legs, tokens, length, amount, gain = routing.best_cycle(books, records, usdc, 1e9, 0.0, 3)
    if length == 0:
        return
    for factor in (0.01, 0.5, 0.9, 0.99, 1.01, 1.1, 2.0):
        other = factor * amount
        out = routing.outcome_of(books, records, legs, tokens, length, other)
        assert out - other <= gain * (1.0 + 1e-9) + 1e-9


def test_mistakes_are_named() -> None:
    market = network({"a": simple(1000.0, 2e6, 0.003)})
    with pytest.raises(ValueError, match="above 0 and finite"):
        market.route("eth", "usdc", 0.0)
    with pytest.raises(ValueError, match="must differ"):
        market.route("eth", "eth", 1.0)
    with pytest.raises(ValueError, match="at least 1"):
        routing.plan(market, "eth", "usdc", 1.0, hops=0)
    with pytest.raises(KeyError, match="no token called"):
        market.route("eth", "doge", 1.0)
    assert market.route("eth", "btc", 1.0) == Plan((), 0.0)
