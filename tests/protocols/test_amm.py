"""Pools of every kind in the ledger and in the market."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import MarketAgent
from protocols import amm, constant_product, stableswap, weighted
from sim import Market, Scenario
from sim.codes import Reason
from sim.ledger import begin, undo
from tests.conftest import BASE, CROWD, merged

KINDS: dict[str, dict[str, Any]] = {
    "constant_product": {},
    "weighted": {
        "kind": "weighted",
        "weights": {"eth": 4.0, "usdc": 1.0},
        "reserves": {"eth": 1000.0, "usdc": 5e5},
    },
    "stableswap": {
        "kind": "stableswap",
        "tokens": ["dai", "usdc"],
        "reserves": {"dai": 1e6, "usdc": 1e6},
        "fee": 0.0004,
        "amplification": 200.0,
        "fee_multiplier": 3.0,
    },
    "concentrated": {
        "kind": "concentrated",
        "tick_spacing": 10,
        "ranges": [
            {"lower": 0.25, "upper": 4.0, "share": 1.0},
            {"lower": 0.9, "upper": 1.1, "share": 1.0},
        ],
    },
}
SHARED = [name for name in KINDS if name != "concentrated"]
"""Kinds whose shares are alike."""
CURVE: dict[str, Any] = {
    "kind": "bonding_curve",
    "tokens": ["pool-share", "usdc"],
    "reserves": {"usdc": 1e6},
    "supply": 1000.0,
    "ratio": 0.5,
    "fee": 0.01,
}
DAI = {"price": 1.0, "process": "gbm", "volatility": 0.2, "inventory": 1e9}


def setup(kind: str, **changes: Any) -> Scenario:
    own = CURVE if kind == "bonding_curve" else KINDS[kind]
    pool = {"tokens": ["eth", "usdc"], "reserves": {"eth": 1000.0, "usdc": 2e6}} | own
    content = merged(BASE, {"venue": {"assets": {"dai": DAI}}})
    content["pools"] = {"pool": pool}
    return Scenario.from_dict(merged(content, changes))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_prices_and_quotes_are_the_mathematics_of_the_kind() -> None:
    pools = {k: Market(setup(k), rng=1).pools["pool"] for k in KINDS}
    assert pools["weighted"].spot_price() == pytest.approx(2000.0)
    assert pools["weighted"].quote("eth", "usdc", 5.0) == pytest.approx(
        weighted.amount_out(1000.0, 0.8, 5e5, 0.2, 5.0, 0.003)
    )
    assert pools["weighted"].weights == pytest.approx({"eth": 0.8, "usdc": 0.2})
    balances = np.array([1e6, 1e6])
    assert pools["stableswap"].spot_price("dai", "usdc") == pytest.approx(1.0)
    assert pools["stableswap"].quote("dai", "usdc", 5e4) == pytest.approx(
        stableswap.exchange(balances, 200.0, 0, 1, 5e4, 4e-4, 3.0)[0]
    )
    assert pools["stableswap"].amplification == 200.0
    assert pools["constant_product"].quote("eth", "usdc", 5.0) == pytest.approx(
        constant_product.amount_out(1000.0, 2e6, 5.0, 0.003)
    )


def test_a_swap_gives_what_was_quoted_and_counts_its_fee(kind: str) -> None:
    market = Market(setup(kind), rng=1)
    pool = market.pools["pool"]
    first, second = pool.tokens
    trader = MarketAgent(market, wallet={first: 1e4, second: 1e5})
    quoted = pool.quote(first, second, 100.0)
    trader.swap("pool", first, 100.0, minimum=quoted * (1.0 - 1e-12))
    market.step()
    assert market.ledger.balance(trader.account, second) == pytest.approx(1e5 + quoted)
    assert pool.volume[first] == 100.0
    fees = pool.fees
    paid_in = kind != "stableswap"
    assert (fees[first] > 0.0) == paid_in
    assert (fees[second] > 0.0) != paid_in
    market.ledger.audit()


def test_a_protocol_takes_its_part_of_the_fee(kind: str) -> None:
    market = Market(setup(kind, pools={"pool": {"protocol_fee": 0.5}}), rng=1)
    pool = market.pools["pool"]
    first, second = pool.tokens
    trader = MarketAgent(market, wallet={first: 1e4})
    trader.swap("pool", first, 100.0)
    market.step()
    token = second if kind == "stableswap" else first
    assert market.ledger.balance("treasury", token) == pytest.approx(0.5 * pool.fees[token])


@pytest.mark.parametrize("name", ["weighted", "stableswap"])
def test_entries_and_exits_of_one_token_are_the_mathematics_of_the_kind(name: str) -> None:
    market = Market(setup(name), rng=1)
    books, pool = market.ledger.books, market.world.pools[0]
    who = market.ledger.open_account("who")
    market.ledger.mint(who, "dai" if name == "stableswap" else "eth", 500.0)
    books = market.ledger.books
    supply = float(books.supply[pool["share"]])
    held = amm.reserves(books, pool)
    begin(books)
    reason, shares = amm.add(
        books, pool, who, *(int(t) for t in pool["tokens"][:2]), 500.0, 0.0, 0.0, 0, 0
    )
    assert reason == Reason.DONE
    amounts = np.array([500.0, 0.0])
    if name == "weighted":
        want = weighted.shares_for(held, np.array([0.8, 0.2]), amounts, supply, 0.003)
    else:
        want = stableswap.shares_for(held, 200.0, amounts, supply, 4e-4, 3.0)
    assert shares == pytest.approx(want)
    begin(books)
    reason, out = amm.remove(books, pool, who, int(pool["tokens"][0]), shares, 0.0, 0, 0)
    assert reason == Reason.DONE
    assert 0.0 < out < 500.0  # the fee stays
    market.ledger.audit()


@pytest.mark.parametrize("name", SHARED)
def test_a_proportional_exit_gives_a_part_of_all(name: str) -> None:
    market = Market(setup(name), rng=1)
    books, pool = market.ledger.books, market.world.pools[0]
    holders = market.ledger.account("holders")
    shares = 0.25 * books.balances[holders, pool["share"]]
    held = amm.reserves(books, pool)
    begin(books)
    assert amm.remove(books, pool, holders, int(pool["share"]), shares, 0.0, 0, 0)[0] == Reason.DONE
    assert amm.reserves(books, pool) == pytest.approx(0.75 * held)


def test_weights_and_amplification_move_on_their_schedule() -> None:
    moving = {"target_weights": {"eth": 1.0, "usdc": 1.0}, "moves_from": 10, "moves_until": 30}
    market = Market(setup("weighted", pools={"pool": moving}), rng=1)
    pool = market.pools["pool"]
    seen = []
    for _ in range(4):
        seen.append(pool.weights["eth"])
        market.run(10)
    assert seen == pytest.approx([0.8, 0.785, 0.635, 0.5], abs=1e-12)
    assert pool.spot_price() == pytest.approx(500.0)  # nobody traded: only the weights moved
    ramp = {"target_amplification": 400.0, "moves_until": 20}
    market = Market(setup("stableswap", pools={"pool": ramp}), rng=1).run(9)
    assert market.pools["pool"].amplification == pytest.approx(300.0)
    assert market.run(50).pools["pool"].amplification == 400.0


@pytest.mark.parametrize(("strength", "sign"), [(2.0, 1.0), (-2.0, -1.0)])
def test_weights_may_follow_prices(strength: float, sign: float) -> None:
    """Momentum buys what has risen, its reverse sells it; both forget."""
    jump = {"kind": "price_jump", "asset": "eth", "size": 0.2, "block": 10}
    rule = {"weight_rule": {"strength": strength, "memory": 20.0, "lowest": 0.01}}
    even = {"weights": {"eth": 1.0, "usdc": 1.0}, "reserves": {"eth": 250.0, "usdc": 5e5}}
    arbs = {"kind": "arbitrageur", "count": 1, "pools": ["pool"], "wallet": {"usdc": 1e8}}
    changes = {"pools": {"pool": rule | even}, "shocks": [jump], "agents": {"arbs": arbs}}
    market = Market(setup("weighted", **changes), rng=1).run(9)
    pool = market.pools["pool"]
    assert pool.weights["eth"] == pytest.approx(0.5)
    market.run(2)
    after = pool.weights["eth"]
    ratio = 1.2 ** (0.95 * strength)  # a block later a twentieth is forgotten
    assert after == pytest.approx(0.01 + 0.98 * ratio / (1.0 + ratio), rel=1e-9)
    assert sign * (after - 0.5) > 0.05
    row = market.run(2).datacollector.get_model_vars_dataframe().iloc[-1]
    # Weights move on after the arbitrageur has traded: it is a block behind.
    assert row["pool.pool.mispricing"] == pytest.approx(0.0, abs=0.03)
    assert np.isnan(row["pool.pool.impermanent_loss"])
    market.run(200)
    assert pool.weights["eth"] == pytest.approx(0.5, abs=1e-3)
    assert sum(pool.weights.values()) == pytest.approx(1.0, rel=1e-12)


def test_arbitrage_keeps_every_kind_within_its_fee_of_outside(kind: str) -> None:
    crowd = {
        "arbitrageurs": {"kind": "arbitrageur", "count": 2, "pools": ["pool"],
                         "wallet": {"usdc": 1e8}},
    }  # fmt: skip
    moving = {"process": "gbm", "volatility": 1.0, "spread": 0.0}
    changes = {"assets": {"eth": moving, "dai": {"spread": 0.0}}}
    market = Market(setup(kind, venue=changes, agents=crowd, blocks=400), rng=3).run()
    gap = market.datacollector.get_model_vars_dataframe()["pool.pool.mispricing"].abs()
    fee = market.pools["pool"].fee
    assert gap.max() < fee * 1.05 + 1e-6
    assert gap.max() > 0.3 * fee


def test_measures_of_every_kind_mean_the_same(kind: str) -> None:
    market = Market(setup(kind), rng=1)
    market.run(1)
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    books, pool = market.ledger.books, market.world.pools[0]
    assert row["pool.pool.imbalance"] == pytest.approx(0.0, abs=0.03)
    assert row["pool.pool.impermanent_loss"] == pytest.approx(0.0, abs=1e-9)
    # What the depth says: that sale lowers the price by one per cent.
    before = amm.spot_price(books, pool, 0, 1)
    sold = amm.depth(books, pool, 0.01)
    who = market.ledger.open_account("who")
    market.ledger.mint(who, int(pool["tokens"][0]), sold)
    books = market.ledger.books
    begin(books)
    pool["fee"] = 0.0
    net = sold * (1.0 - market.setup.pools["pool"].fee) if kind != "stableswap" else sold
    amm.swap(books, pool, who, int(pool["tokens"][0]), int(pool["tokens"][1]), net, 0.0)
    assert amm.spot_price(books, pool, 0, 1) / before == pytest.approx(0.99, abs=1e-4)


def test_impermanent_loss_of_a_stableswap_is_small_near_par_and_grows() -> None:
    market = Market(setup("stableswap"), rng=1)
    books, pool = market.ledger.books, market.world.pools[0]
    who = market.ledger.open_account("who")
    market.ledger.mint(who, "dai", 3e6)
    books = market.ledger.books
    pool["fee"] = 0.0
    losses = []
    for amount in (1e5, 8e5, 8e5):
        begin(books)
        tokens = [int(t) for t in pool["tokens"][:2]]
        amm.swap(books, pool, who, *tokens, amount, 0.0)
        held, price = amm.reserves(books, pool), amm.spot_price(books, pool, 0, 1)
        want = (held[0] * price + held[1]) / (1e6 * price + 1e6) - 1.0
        values = np.zeros(books.balances.shape[1])
        values[tokens] = price, 1.0
        losses.append(amm.impermanent_loss(books, pool, values))
        assert losses[-1] == pytest.approx(want, rel=1e-6)
    assert 0.0 > losses[0] > losses[1] > losses[2]


@pytest.mark.parametrize("name", SHARED)
def test_the_last_one_out_takes_every_grain_and_not_one_token_alone(name: str) -> None:
    """What rounding leaves of a supply's sums is no provider, and leaves no price behind.

    The next one had to enter at the price of grains: 2 % off in one case, anything in others.
    """
    market = Market(setup(name), rng=1)
    pool = market.world.pools[0]
    share, tokens = int(pool["share"]), [int(t) for t in pool["tokens"][:2]]
    rng = np.random.default_rng(1)
    rows = [market.ledger.account("holders")]
    rows += [market.ledger.open_account(f"p{i}") for i in range(20)]
    books = market.ledger.books
    for row in rows[1:]:
        begin(books)
        shares = float(rng.uniform(1e-3, 0.3)) * books.supply[share]
        for token in tokens:
            market.ledger.mint(row, token, 1e9)
        assert amm.add(books, pool, row, share, share, shares, 0.0, 0.0, 0, 0)[0] == Reason.DONE
    market.ledger.audit()
    for row in rng.permutation(rows)[:-1]:
        begin(books)
        held = books.balances[row, share]
        assert amm.remove(books, pool, row, share, held, 0.0, 0, 0)[0] == Reason.DONE
    [left] = [row for row in rows if books.balances[row, share] > 0.0]
    books.supply[share] += 1e-13 * books.most[share]  # as a long life's sums might leave it
    begin(books)
    held = books.balances[left, share]
    reason, _ = amm.remove(books, pool, left, tokens[1], held, 0.0, 0, 0)
    assert reason == Reason.LIMIT
    undo(books, 0)
    begin(books)
    assert amm.remove(books, pool, left, share, held, 0.0, 0, 0)[0] == Reason.DONE
    assert books.supply[share] == 0.0
    assert amm.reserves(books, pool).tolist() == [0.0, 0.0]
    undo(books, 0)  # to the last bit, the supply too
    assert books.supply[share] > 0.0
    assert books.balances[left, share] == held
    assert amm.remove(books, pool, left, share, held, 0.0, 0, 0)[0] == Reason.DONE
    market.ledger.audit()


def test_who_leaves_a_pool_that_was_great_takes_no_small_ones_part(
    small: Callable[..., Scenario],
) -> None:
    """Millions were there and left; then two come whose shares are less than their rounding."""
    leave = {"kind": "provider_exit", "pool": "eth-usdc", "share": 1.0, "block": 2}
    market = Market(small(shocks=[leave]), rng=1).run(2)
    pool, ledger = market.pools["eth-usdc"], market.ledger
    most = float(ledger.books.most[ledger.token(pool.share)])
    assert ledger.supply(pool.share) == 0.0 and most > 1e3
    rows = [ledger.open_account(name) for name in ("eve", "vic")]
    books = ledger.books
    record = pool.record[0]
    for row, amount in zip(rows, (1e-12 * most, 0.2e-12 * most), strict=True):
        for token in pool.tokens:
            ledger.mint(row, token, 1e9)
        begin(books)
        tokens = [ledger.token(t) for t in pool.tokens]
        assert amm.add(books, record, row, *tokens, amount, amount, 0.0, 0, 0)[0] == Reason.DONE
    before = pool.reserves
    eve, vic = (ledger.balance(row, pool.share) for row in rows)
    begin(books)
    share = ledger.token(pool.share)
    assert amm.remove(books, record, rows[0], share, eve, 0.0, 0, 0)[0] == Reason.DONE
    for token, held in pool.reserves.items():
        assert held == pytest.approx(before[token] * vic / (eve + vic), rel=1e-9)
    assert amm.remove(books, record, rows[1], share, vic, 0.0, 0, 0)[0] == Reason.DONE
    assert ledger.supply(pool.share) == 0.0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"weights": {"btc": 1.0}}, "must be of eth and usdc, not eth and usdc and btc"),
        ({"amplification": 50.0}, "is of a stableswap pool; this one is weighted"),
        ({"target_weights": {"eth": 1.0, "usdc": 1.0}}, "give a later block"),
        ({"moves_until": 9}, "moves nothing"),
        ({"weights": {"eth": 0.0, "usdc": 1.0}}, "above 0"),
        ({"kind": "weihgted"}, "did you mean 'weighted'"),
        ({"kind": "stableswap", "fee_multiplier": 0.5}, "of at least 1"),
        ({"weight_rule": {"strength": 1.0, "lowest": 0.5}}, "below 0.5"),
        (
            {
                "weight_rule": {"strength": 1.0},
                "target_weights": {"eth": 1.0, "usdc": 1.0},
                "moves_until": 9,
            },
            "cannot stand beside target_weights",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        setup("weighted", pools={"pool": changes})


def test_who_does_not_know_a_kind_is_not_put_there() -> None:
    provider = CROWD["providers"] | {"pools": ["pool"]}
    with pytest.raises(ValueError, match="pool is concentrated; a liquidity_provider knows"):
        setup("concentrated", agents={"providers": provider})


steps = st.lists(
    st.tuples(
        st.sampled_from(["swap", "back", "add", "one", "all"]),
        st.one_of(st.floats(1e-9, 1e8), st.sampled_from([0.0, -1.0, 1e300, float("nan")])),
    ),
    min_size=1,
    max_size=15,
)


@pytest.mark.parametrize("name", SHARED)
@given(steps=steps)
@settings(max_examples=60)
def test_nobody_gains_from_any_sequence(name: str, steps: list[tuple[str, float]]) -> None:
    """Dust, zero and huge amounts, one-sided exits: no token appears, and no free lunch."""
    market = Market(setup(name, pools={"pool": {"fee": 0.0}}), rng=1)
    pool = market.world.pools[0]
    first, second, share = int(pool["tokens"][0]), int(pool["tokens"][1]), int(pool["share"])
    who = market.ledger.open_account("who")
    for token in (first, second):
        market.ledger.mint(who, token, 1e7)
    books = market.ledger.books
    at_start = books.balances[who].copy()
    for what, amount in steps:
        begin(books)
        if what == "swap":
            reason, _ = amm.swap(books, pool, who, first, second, amount, 0.0)
        elif what == "back":
            reason, _ = amm.swap(books, pool, who, second, first, amount, 0.0)
        elif what == "add":
            reason, _ = amm.add(books, pool, who, first, second, amount, amount * 0.3, 0.0, 0, 0)
        elif what == "one":
            shares = min(amount, books.balances[who, share])
            reason, _ = amm.remove(books, pool, who, second, shares, 0.0, 0, 0)
        else:
            reason, _ = amm.remove(books, pool, who, share, books.balances[who, share], 0.0, 0, 0)
        if reason != Reason.DONE:
            undo(books, 0)
        market.ledger.audit()
        assert (books.balances >= 0.0).all()
        assert np.isfinite(books.balances).all()
    begin(books)
    if books.balances[who, share] > 0.0:
        amm.remove(books, pool, who, share, books.balances[who, share], 0.0, 0, 0)
    change = books.balances[who, [first, second]] - at_start[[first, second]]
    # Not more of one token without less of the other.
    assert change.min() <= 1e-6 * 1e7 * 1e-3


def test_the_whole_crowd_lives_on_every_kind(kind: str, lively: Callable[..., Scenario]) -> None:
    agents = {k: v for k, v in CROWD.items() if k in ("traders", "arbitrageurs")}
    changes = merged(agents, {name: {"pools": ["pool"]} for name in agents})
    market = Market(setup(kind, agents=changes, blocks=300, audit={"every": 1}), rng=5).run()
    assert market.pools["pool"].volume[market.pools["pool"].tokens[1]] > 0.0
    again = Market(setup(kind, agents=changes, blocks=300, audit={"every": 1}), rng=5)
    for _ in range(300):
        again.step()
    assert (again.ledger.balances == market.ledger.balances).all()


@pytest.mark.parametrize("kind", ["constant_product", "weighted", "stableswap"])
def test_no_swap_takes_so_much_that_rounding_prices_the_way_back(kind: str) -> None:
    """Five million ether for a reserve of a thousand left 2e-14 of the other, and paid 5.6 back."""
    market = Market(setup(kind, pools={"pool": {"fee": 0.0}}), rng=1)
    books, pool = market.ledger.books, market.world.pools[0]
    who = market.ledger.open_account("who")
    first, second = (int(t) for t in pool["tokens"][:2])
    books, row = market.ledger.books, market.world.pools[0]
    market.ledger.mint(who, first, 1e15)
    for power in range(2, 15):
        before = market.ledger.balance(who, first)
        begin(books)
        reason, out = amm.swap(books, row, who, first, second, 10.0**power, 0.0)
        if reason == Reason.DONE:
            reason, _ = amm.swap(books, row, who, second, first, out, 0.0)
        else:
            assert reason == Reason.EMPTY_POOL
        undo(books, 0) if reason != Reason.DONE else None
        reserve = float(books.balances[int(row["account"]), first])
        assert market.ledger.balance(who, first) - before < 1e-6 * reserve + 1e-15 * before
