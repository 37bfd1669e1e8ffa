"""Pools of many tokens, pools that hold shares, positions and bonding curves in a market."""

from __future__ import annotations

import math
from typing import Any

import networkx as nx
import numpy as np
import pytest

from agents import MarketAgent
from protocols import amm, bonding_curve, stableswap, weighted
from protocols.concentrated import amounts_for_liquidity
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
    graph: nx.DiGraph = market.exposure()
    assert graph["meta"]["three"]["channel"] == "claim"
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
    with pytest.raises(ScenarioError, match="say how many tokens are out at first"):
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
    assert graph["holders"]["pool"]["channel"] == "claim"
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
