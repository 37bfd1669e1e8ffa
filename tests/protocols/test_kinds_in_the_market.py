"""Pools of many tokens, pools that hold shares, positions and bonding curves in a market."""

from __future__ import annotations

import math
from typing import Any

import networkx as nx
import numpy as np
import pytest

from agents import MarketAgent
from protocols import amm, bonding_curve, stableswap, weighted
from protocols.concentrated import LOG_BASE as TICK
from protocols.concentrated import amounts_for_liquidity, position_at
from protocols.handles import BondingCurvePool, ConcentratedPool, StableSwapPool
from protocols.pool import Pool
from sim import Market, Scenario
from sim.errors import ScenarioError
from sim.ledger import begin, undo
from tests.conftest import BASE, merged
from tests.protocols.test_amm import setup

ASSETS = {
    name: {"price": price, "process": "constant", "inventory": 1e9}
    for name, price in {"dai": 1.0, "usdt": 1.0, "btc": 40_000.0}.items()
}
THREE = {
    "kind": "stableswap",
    "tokens": ["dai", "usdt", "usdc"],
    "reserves": {"dai": 2e6, "usdt": 1e6, "usdc": 3e6},
    "fee": 0.0004,
    "amplification": 500.0,
}
INDEX = {
    "kind": "weighted",
    "tokens": ["eth", "btc", "usdc"],
    "weights": {"eth": 2.0, "btc": 1.0, "usdc": 1.0},
    "reserves": {"eth": 1000.0, "btc": 25.0, "usdc": 1e6},
}
META = {
    "kind": "stableswap",
    "tokens": ["lusd", "three-share"],
    "reserves": {"lusd": 1e6, "three-share": 1e6},
    "fee": 0.0004,
    "amplification": 100.0,
}


def network(**changes: Any) -> Scenario:
    content = merged(BASE, {"venue": {"assets": ASSETS}}) | {"pools": {}}
    return Scenario.from_dict(merged(content, changes))


class Idle(MarketAgent):
    def step(self) -> None:
        pass


def test_three_tokens_swap_enter_and_leave_as_the_mathematics_say() -> None:
    market = Market(network(pools={"three": THREE, "index": INDEX}), rng=1)
    ann = Idle(market, {"dai": 1e5, "usdt": 1e5, "usdc": 1e6, "eth": 100.0, "btc": 10.0}, "ann")
    held = np.array([2e6, 1e6, 3e6])
    three, index = market.pools["three"], market.pools["index"]
    assert isinstance(three, StableSwapPool)
    assert three.quote("dai", "usdt", 1e5) == pytest.approx(
        stableswap.amount_out(held, 500.0, 0, 1, 1e5, 0.0004), rel=1e-12
    )
    assert index.spot_price("eth", "btc") == pytest.approx(2000.0 / 40_000.0)
    want = weighted.amount_out(1000.0, 0.5, 25.0, 0.25, 10.0, 0.003)
    assert index.quote("eth", "btc", 10.0) == pytest.approx(want)
    ann.swap("three", "dai", 1e5, token_out="usdt")
    with ann.transaction():
        ann.add_liquidity("index", {"btc": 1.0})
        ann.add_liquidity("index", shares=100.0)
    supply = market.ledger.supply(index.share)
    single = weighted.shares_for_one(25.0, 0.25, 1.0, supply, 0.003)
    market.step()
    assert market.ledger.balance("ann", index.share) == pytest.approx(100.0 + single, rel=1e-9)
    part = 100.0 / (supply + single)
    assert market.ledger.balance("ann", "eth") == pytest.approx(100.0 - 1000.0 * part)
    with ann.transaction():
        ann.remove_liquidity("index", 50.0, token="usdc")
        ann.remove_liquidity("index")
    market.step()
    assert market.ledger.balance("ann", index.share) == 0.0
    assert {r.status for r in market.receipts().itertuples()} == {"done"}
    market.ledger.audit()


def test_measures_of_three_tokens() -> None:
    market = Market(network(pools={"index": INDEX, "three": THREE}), rng=1)
    row = market.run(1).datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["pool.index.imbalance"] == pytest.approx(0.0, abs=1e-12)
    assert row["pool.index.mispricing"] == pytest.approx(0.0, abs=1e-12)
    assert row["pool.index.eth.share"] == pytest.approx(0.5)
    assert row["pool.index.impermanent_loss"] == pytest.approx(0.0, abs=1e-12)
    # (max - min) / (max + min) of 2, 1 and 3 million.
    assert row["pool.three.imbalance"] == pytest.approx(0.5)
    assert row["pool.three.usdt.share"] == pytest.approx(1.0 / 6.0)
    market.venue.asset("eth")["x"] += math.log(1.21)
    ann = Idle(market, {"usdc": 1e7}, "ann")
    pool, books = market.pools["index"].record[0], market.ledger.books
    pool["fee"] = 0.0
    columns = [market.ledger.token(t) for t in ("eth", "btc", "usdc")]
    for _ in range(60):  # to the prices outside
        for k, price in ((0, 2420.0), (1, 40_000.0)):
            buys = amm.amount_to_rate(books, pool, 2, k, 1.0 / price)
            sells = amm.amount_to_rate(books, pool, k, 2, price)
            begin(books)
            market.ledger.mint("ann", columns[k], 10.0)
            if buys > 0.0:
                amm.swap(books, pool, ann.account, columns[2], columns[k], buys, 0.0)
            elif sells > 0.0:
                amm.swap(books, pool, ann.account, columns[k], columns[2], sells, 0.0)
    row = market.run(1).datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["pool.index.mispricing"] == pytest.approx(0.0, abs=1e-9)
    assert row["pool.index.impermanent_loss"] == pytest.approx(1.21**0.5 / 1.105 - 1.0)
    assert row["pool.index.provider_return"] == pytest.approx(1.21**0.5 / 1.105 - 1.0, rel=1e-6)


def test_a_metapool_holds_the_share_of_another_and_prices_it_at_its_virtual_price() -> None:
    lusd = {"venue": {"assets": {"lusd": {"price": 1.0, "process": "constant"}}}}
    market = Market(network(**lusd, pools={"meta": META, "three": THREE}), rng=1)
    three, meta = market.pools["three"], market.pools["meta"]
    assert isinstance(three, StableSwapPool)
    virtual = three.virtual_price
    assert virtual == pytest.approx(1.0, rel=1e-9)
    ann = Idle(market, {"dai": 1e6, "lusd": 1e5}, "ann")
    for _ in range(40):  # fees raise the virtual price
        ann.swap("three", "dai", 2e4, token_out="usdc")
        ann.swap("three", "usdc", 2e4, token_out="dai")
    market.step()
    assert three.virtual_price > virtual + 5e-5
    market.step()
    assert meta.record["rates"][0][1] == pytest.approx(three.virtual_price, rel=1e-12)
    scaled = np.array([1e6, 1e6 * three.virtual_price])
    assert meta.spot_price("three-share", "lusd") == pytest.approx(
        three.virtual_price * stableswap.spot_price(scaled, 100.0, 1, 0)
    )
    # Through both pools: a share is bought, and given back for one token.
    with ann.transaction():
        ann.swap("meta", "lusd", 1e4, token_out="three-share")
        ann.remove_liquidity("three", 9000.0, token="usdc")
    market.step()
    assert market.receipts().tail(2)["status"].tolist() == ["done", "done"]
    assert market.price("meta-share") * market.ledger.supply("meta-share") == pytest.approx(
        meta.reserves["lusd"] + meta.reserves["three-share"] * market.price("three-share")
    )
    graph: nx.MultiDiGraph = market.exposure()
    assert set(graph["meta"]["three"]) == {"claim"}
    market.run(5)
    market.ledger.audit()


def test_shares_that_are_not_there_and_circles_are_refused() -> None:
    lusd = {"venue": {"assets": {"lusd": {"price": 1.0, "process": "constant"}}}}
    greedy = META | {"reserves": {"lusd": 1e6, "three-share": 1e9}}
    with pytest.raises(ScenarioError, match=r"pools.meta.reserves.three-share.*holders have"):
        Market(network(**lusd, pools={"meta": greedy, "three": THREE}), rng=1)
    one = META | {"tokens": ["lusd", "b-share"], "reserves": {"lusd": 1e6, "b-share": 1.0}}
    two = META | {"tokens": ["lusd", "a-share"], "reserves": {"lusd": 1e6, "a-share": 1.0}}
    with pytest.raises(ScenarioError, match="in a circle"):
        network(**lusd, pools={"a": one, "b": two})
    with pytest.raises(ScenarioError, match="a constant_product pool has two"):
        network(pools={"p": INDEX | {"kind": "constant_product", "weights": None}})
    with pytest.raises(ScenarioError, match="its own share; only a bonding curve may"):
        network(pools={"three": THREE | {"tokens": ["dai", "three-share"]}})


def test_a_bonding_curve_issues_and_redeems() -> None:
    market = Market(setup("bonding_curve"), rng=1)
    curve = market.pools["pool"]
    assert isinstance(curve, BondingCurvePool)
    assert curve.spot_price() == pytest.approx(1e6 / (1000.0 * 0.5))
    ann = Idle(market, {"usdc": 1e5}, "ann")
    issued = bonding_curve.issued(1000.0, 1e6, 0.5, 1e5, 0.01)
    assert curve.quote("usdc", "pool-share", 1e5) == pytest.approx(issued)
    ann.swap("pool", "usdc", 1e5)
    market.step()
    assert curve.supply == pytest.approx(1000.0 + issued)
    assert curve.spot_price() == pytest.approx(1.1e6 / (curve.supply * 0.5))
    ann.swap("pool", "pool-share", -2.0)  # all of it
    market.step()
    back = market.ledger.balance("ann", "usdc")
    assert curve.supply == pytest.approx(1000.0)
    assert 0.97e5 < back < 0.99e5  # a fee each way
    assert curve.reserves["usdc"] == pytest.approx(1.1e6 - back)
    assert curve.fees["usdc"] == pytest.approx(1000.0 + back / 99.0)
    row = market.run(2).datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["pool.pool.value"] == pytest.approx(curve.reserves["usdc"])
    assert math.isnan(row["pool.pool.imbalance"])
    assert math.isnan(row["pool.pool.impermanent_loss"])
    market.ledger.audit()


def test_what_a_bonding_curve_needs_is_said() -> None:
    pool = {"kind": "bonding_curve", "tokens": ["eth", "usdc"], "reserves": {"usdc": 1.0}}
    with pytest.raises(ScenarioError, match="the first is what it issues, 'pool-share'"):
        network(pools={"pool": pool})
    with pytest.raises(ScenarioError, match="give the initial supply"):
        network(pools={"pool": pool | {"tokens": ["pool-share", "usdc"]}})


def test_positions_are_opened_earn_and_are_closed_in_the_market() -> None:
    market = Market(setup("concentrated", pools={"pool": {"fee": 0.003}}), rng=1)
    pool = market.pools["pool"]
    assert isinstance(pool, ConcentratedPool)
    assert pool.spot_price() == pytest.approx(2000.0)
    start = pool.positions()
    assert list(start["owner"]) == ["holders", "holders"]
    worth = start["eth"] * 2000.0 + start["usdc"]
    assert worth.sum() == pytest.approx(4e6, rel=1e-9)
    ann = Idle(market, {"eth": 100.0, "usdc": 2e5}, "ann")
    before = ann.wealth
    ann.add_liquidity("pool", {"eth": 50.0, "usdc": 1e5}, prices=(1950.0, 2050.0))
    market.step()
    mine = pool.positions().set_index("owner").loc["ann"]
    left = market.ledger.balance("ann", "eth")
    assert mine["lower"] < 1950.0 < 2050.0 < mine["upper"]
    assert ann.wealth == pytest.approx(before, rel=1e-9)  # a position is wealth
    bob = Idle(market, {"usdc": 1e6}, "bob")
    bob.swap("pool", "usdc", 20_000.0)
    market.step()
    earned = pool.positions().set_index("owner").loc["ann"]
    ends = math.sqrt(earned["lower"]), math.sqrt(earned["upper"])
    root = math.sqrt(pool.spot_price())
    x, y = amounts_for_liquidity(earned["liquidity"], root, *ends)
    assert earned["eth"] == pytest.approx(x, rel=1e-9)
    # The fee is shared among the liquidity in range.
    share = earned["liquidity"] / pool.liquidity
    assert earned["usdc"] - y == pytest.approx(60.0 * share, rel=1e-6)
    ann.remove_liquidity("pool", 0.0, prices=(1950.0, 2050.0))  # the fees alone
    market.step()
    assert pool.positions().set_index("owner").loc["ann"]["usdc"] == pytest.approx(y, rel=1e-9)
    ann.remove_liquidity("pool", prices=(1950.0, 2050.0))
    market.step()
    assert "ann" not in set(pool.positions()["owner"])
    assert market.ledger.balance("ann", "eth") == pytest.approx(left + x, rel=1e-9)
    graph = market.exposure()
    assert set(graph["holders"]["pool"]) == {"claim"}
    market.ledger.audit()


def test_single_sided_ranges_and_mistakes_with_them() -> None:
    market = Market(setup("concentrated"), rng=1)
    ann = Idle(market, {"eth": 10.0, "usdc": 1e4}, "ann")
    ann.add_liquidity("pool", {"eth": 10.0}, prices=(2200.0, 2400.0))
    ann.add_liquidity("pool", {"usdc": 1e4}, prices=(1600.0, 1800.0))
    market.step()
    assert market.ledger.balance("ann", "eth") == pytest.approx(0.0, abs=1e-9)
    assert market.ledger.balance("ann", "usdc") == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ValueError, match=r"give prices=\(lower, upper\)"):
        ann.add_liquidity("pool", {"eth": 1.0})
    with pytest.raises(ValueError, match="0 < lower < upper"):
        ann.add_liquidity("pool", {"eth": 1.0}, prices=(2000.0, 1000.0))
    with pytest.raises(ValueError, match="one or two of eth and usdc"):
        ann.add_liquidity("pool", {"dai": 1.0}, prices=(1.0, 2.0))
    leave = {"kind": "provider_exit", "pool": "pool", "share": 0.5, "block": 1}
    market = Market(setup("concentrated", shocks=[leave]), rng=1)
    pool = market.pools["pool"]
    assert isinstance(pool, ConcentratedPool)
    before = pool.liquidity
    market.step()
    assert pool.liquidity == pytest.approx(0.5 * before)


def test_depth_and_slippage_curves_are_what_trades_find() -> None:
    for name in ("constant_product", "weighted", "stableswap", "concentrated"):
        market = Market(setup(name, pools={"pool": {"fee_multiplier": 1.0}}), rng=1)
        pool = market.pools["pool"]
        first, last = pool.tokens
        falls = [0.001, 0.01, 0.05]
        depths = pool.depth_curve(falls)  # type: ignore[attr-defined]
        assert (np.diff(depths) > 0.0).all()
        before = pool.spot_price()
        books, record = market.ledger.books, market.world.pools[0]
        for fall, sold in zip(falls, depths, strict=True):
            begin(books)
            amm.trade(books, record, 0, 1, float(sold))
            # A fee that stays inside lifts the price a little.
            assert pool.spot_price() / before == pytest.approx(1.0 - fall, abs=0.004 * fall + 1e-9)
            undo(books, 0)
        sizes = np.array([1.0, 10.0, 100.0])
        slips = pool.slippage_curve(sizes)  # type: ignore[attr-defined]
        want = [1.0 - pool.quote(first, last, a) / (a * before) for a in sizes]
        assert slips == pytest.approx(want)
        assert (np.diff(slips) > 0.0).all()


def test_slopes_are_derivatives_and_rates_are_reached() -> None:
    for name in ("constant_product", "weighted", "stableswap", "concentrated", "bonding_curve"):
        market = Market(setup(name), rng=1)
        books, record = market.ledger.books, market.world.pools[0]
        for i, o, unit in ((0, 1, 30.0), (1, 0, 50_000.0)):
            for amount in (0.0, unit, 3.0 * unit):
                h = 1e-4 * unit
                out, first, bend = amm.slope(books, record, i, o, amount)
                if amount > 0.0:
                    assert out == pytest.approx(amm.quote(books, record, i, o, amount), rel=1e-9)
                up = amm.slope(books, record, i, o, amount + h)
                assert first == pytest.approx((up[0] - out) / h, rel=1e-3)
                assert bend == pytest.approx((up[1] / first - 1.0) / h, rel=5e-2, abs=1e-12)
                reached = amm.amount_to_rate(books, record, i, o, first)
                assert reached == pytest.approx(amount, rel=1e-5, abs=1e-3 * unit), (name, i)
            assert amm.amount_to_rate(books, record, i, o, 1e9) == 0.0


def tried(pool: Pool, trades: list[tuple[str, str, float]]) -> list[float]:
    """What swaps would give one after the other."""
    books, record = pool.ledger.books, pool.record[0]
    begin(books)
    places = [(pool.tokens.index(a), pool.tokens.index(b), amount) for a, b, amount in trades]
    found = [float(amm.trade(books, record, *place)) for place in places]
    undo(books, 0)
    return found


def test_trades_tried_out_leave_nothing() -> None:
    for name in ("constant_product", "weighted", "stableswap", "concentrated", "bonding_curve"):
        market = Market(setup(name), rng=1)
        pool = market.pools["pool"]
        books = market.ledger.books
        before = books.balances.tobytes(), books.storage.tobytes(), books.supply.tobytes()
        last = pool.tokens[1]
        first = tried(pool, [(last, pool.tokens[0], 100.0)])
        assert first == pytest.approx([pool.quote(last, pool.tokens[0], 100.0)], rel=1e-12)
        two = tried(pool, [(last, pool.tokens[0], 100.0), (last, pool.tokens[0], 100.0)])
        assert two[1] < two[0]
        assert before == (
            books.balances.tobytes(),
            books.storage.tobytes(),
            books.supply.tobytes(),
        )


def test_imbalance_fees_have_their_protocol_part() -> None:
    for name, token in (("weighted", "usdc"), ("stableswap", "usdc")):
        market = Market(setup(name, pools={"pool": {"protocol_fee": 0.5}}), rng=1)
        pool = market.pools["pool"]
        ann = Idle(market, {"usdc": 1e5}, "ann")
        ann.add_liquidity("pool", {token: 1e5})
        market.step()
        fee = pool.fees[token]
        assert fee > 0.0
        assert market.ledger.balance("treasury", token) == pytest.approx(0.5 * fee)
        ann.remove_liquidity("pool", token=token)
        market.step()
        assert pool.fees[token] > 1.5 * fee
        assert market.ledger.balance("treasury", token) == pytest.approx(0.5 * pool.fees[token])
        assert market.ledger.balance("ann", token) < 1e5


def test_a_rate_makes_a_token_count_for_more() -> None:
    rates = {"rates": {"dai": 1.1}}
    pool = {"pool": rates | {"reserves": {"dai": 1e6, "usdc": 1.1e6}}}
    market = Market(setup("stableswap", pools=pool), rng=1)
    assert market.pools["pool"].spot_price("dai", "usdc") == pytest.approx(1.1)


def test_one_token_enters_and_leaves_a_constant_product_as_an_evenly_weighted_pool() -> None:
    market = Market(setup("constant_product"), rng=1)
    pool = market.pools["pool"]
    ann = Idle(market, {"eth": 50.0}, "ann")
    supply = market.ledger.supply(pool.share)
    ann.add_liquidity("pool", {"eth": 50.0})
    market.step()
    shares = market.ledger.balance("ann", pool.share)
    assert shares == pytest.approx(weighted.shares_for_one(1000.0, 0.5, 50.0, supply, 0.003))
    ann.remove_liquidity("pool", token="usdc")
    market.step()
    # As a swap of the same ether, a little dearer: a fee on either half.
    swapped = 2e6 * 50.0 * 0.997 / (1000.0 + 50.0 * 0.997)
    assert market.ledger.balance("ann", "usdc") == pytest.approx(swapped, rel=2e-3)
    assert market.ledger.balance("ann", "usdc") < swapped


def last(market: Market) -> Any:
    return market.datacollector.get_model_vars_dataframe().iloc[-1]


def outside(market: Market, token: str, price: float) -> None:
    """Set a price at the venue, from the next block on."""
    market.venue.asset(token)["x"] = math.log(price)


def positions(market: Market) -> list[tuple[int, int, int, float]]:
    """(owner, lower tick, upper tick, liquidity) of the only pool's positions."""
    pool = market.world.pools[0]
    found = [position_at(market.ledger.books, pool, n) for n in range(int(pool["capacity"]))]
    return [place for place in found if place[0] >= 0 and place[3] > 0.0]


def sell_out(market: Market, ann: Idle) -> None:
    """Sell ether into the only pool until no liquidity is left."""
    pool, books = market.world.pools[0], market.ledger.books
    amount = amm.amount_to_rate(books, pool, 0, 1, 1e-9)
    ann.swap("pool", "eth", amount)
    market.step()
    assert market.receipts()["status"].iloc[-1] == "done"


@pytest.mark.parametrize("ratio", [0.3, 0.02, 0.8])
def test_a_price_beyond_all_ranges_goes_on_costing(ratio: float) -> None:
    """The loss stood still where the last range ended: -4.0 % at 0.3, of a true -50.5 %."""
    ranges = [{"lower": 0.85, "upper": 1.2, "share": 1.0}]
    market = Market(setup("concentrated", pools={"pool": {"ranges": ranges}}), rng=1)
    ann = Idle(market, {"eth": 1e6}, "ann")
    sell_out(market, ann)
    outside(market, "eth", 2000.0 * ratio)
    market.run(2)
    row = last(market)
    [(_, lower, upper, liquidity)] = positions(market)
    a, b, root = math.exp(lower * TICK / 2), math.exp(upper * TICK / 2), math.sqrt(2000.0)
    held, first, second = 1 / a - 1 / b, 1 / root - 1 / b, root - a
    price = 2000.0 * ratio
    true = price * held / (price * first + second) - 1.0
    assert row["pool.pool.impermanent_loss"] == pytest.approx(true, abs=1e-9)
    if ratio == 0.3:
        assert true == pytest.approx(-0.505, abs=1e-3)
        end = a * a  # where the pool's own price stands
        assert end * held / (end * first + second) - 1.0 == pytest.approx(-0.040, abs=1e-3)
    # With the fees that the sale paid, all of them owed.
    owed = market.pools["pool"].fees["eth"] * price
    put_in = liquidity * (price * first + second)
    returned = row["pool.pool.provider_return"]
    assert returned == pytest.approx(true + owed / put_in, abs=1e-9)
    assert returned > true
    # Once they are collected they are no longer the pool's to return.
    books, pool = market.ledger.books, market.world.pools[0]
    begin(books)
    holders = market.ledger.account("holders")
    assert amm.remove(books, pool, holders, 0, 0.0, 0.0, lower, upper)[0] == 0
    assert last(market.run(1))["pool.pool.provider_return"] == pytest.approx(true, abs=1e-9)


def test_a_market_that_nobody_carries_into_the_pool_has_cost_nothing_yet() -> None:
    """What is held is what was put in, whatever it is worth: until somebody trades."""
    for kind in ("constant_product", "weighted", "concentrated"):
        market = Market(setup(kind), rng=1)
        outside(market, "eth", 500.0)
        row = last(market.run(2))
        assert row["pool.pool.mispricing"] > 2.9
        assert row["pool.pool.impermanent_loss"] == pytest.approx(0.0, abs=1e-12)
        assert row["pool.pool.provider_return"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", ["constant_product", "weighted", "stableswap", "concentrated",
                                  "three", "index", "bonding_curve"])  # fmt: skip
def test_without_fees_the_return_is_the_impermanent_loss(name: str) -> None:
    """Two ways to one number: theoretical amounts on the curve, and what there is."""
    if name in ("three", "index"):
        pools = {"pool": (THREE if name == "three" else INDEX) | {"fee": 0.0}}
        market = Market(network(pools=pools), rng=1)
    else:
        market = Market(setup(name, pools={"pool": {"fee": 0.0}}), rng=1)
    pool, tokens = market.pools["pool"], market.pools["pool"].tokens
    rng = np.random.default_rng(1)
    wallet = {t: 1e9 for t in tokens if not t.endswith("-share")}
    ann = Idle(market, wallet, "ann")
    losses = []
    for _ in range(12):
        given, taken = rng.permutation(len(tokens))[:2]
        token = tokens[given]
        if token in wallet:
            size = float(rng.uniform(0.0, 0.3)) * pool.reserves[token]
            ann.swap("pool", token, size, token_out=tokens[taken])
        for t in market.venue.names:
            outside(market, t, market.venue.price(t) * float(rng.lognormal(0.0, 0.3)))
        row = last(market.run(1))
        losses.append(row["pool.pool.impermanent_loss"])
        if name != "bonding_curve":
            assert losses[-1] == pytest.approx(row["pool.pool.provider_return"], abs=1e-9)
    if name == "bonding_curve":
        assert np.isnan(losses).all()
    else:
        assert np.ptp(losses) > 1e-3


def test_provider_return_of_an_empty_concentrated_pool_is_none() -> None:
    market = Market(setup("concentrated"), rng=1)
    books, pool = market.ledger.books, market.world.pools[0]
    holders = market.ledger.account("holders")
    for owner, lower, upper, liquidity in positions(market):
        assert owner == holders
        begin(books)
        amm.remove(books, pool, holders, 0, liquidity, 0.0, lower, upper)
    row = last(market.run(1))
    assert math.isnan(row["pool.pool.provider_return"])
    assert math.isnan(row["pool.pool.impermanent_loss"])
