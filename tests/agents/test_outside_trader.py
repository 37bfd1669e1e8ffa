"""Traders outside: what moves an endogenous price, at what price they meet, what they follow."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

from agents import MarketAgent
from runs.dev.stylised_facts import MARKET
from sim import Market, Scenario
from sim.errors import ScenarioError
from sim.venue import ONE_PER_CENT

STILL: dict[str, Any] = {
    "attention": 1.0,
    "review": 0.0,
    "value_noise": 0.0,
    "trend_noise": 0.0,
    "rebalance": 0.0,
    "value_response": 0.01,
}


def opened(seed: int = 1, shocks: list[Any] | None = None, **traders: Any) -> Market:
    content = copy.deepcopy(MARKET)
    content["venue"]["assets"]["token"]["value_volatility"] = 0.0
    content["venue"]["assets"]["token"] |= traders.pop("asset", {})
    content["agents"]["outside"] |= STILL | traders
    content["shocks"] = shocks or []
    return Market(Scenario.from_dict(content), rng=seed)


class Idle(MarketAgent):
    pass


def test_without_an_order_the_price_stands_still() -> None:
    market = opened().run(50)
    assert market.price("token") == pytest.approx(100.0, rel=1e-12)


def test_orders_move_it_by_their_sum_over_the_depth_in_the_next_block() -> None:
    market = opened(count=3)
    asset = market.venue.asset("token")
    asset["anchor"] += 0.1
    units = float(asset["units"])
    market.run(1)
    assert market.price("token") == pytest.approx(100.0, rel=1e-12)
    order = 3 * 0.01 * 0.1 * 10_000.0 / 100.0
    assert float(asset["flow"]) == pytest.approx(order)
    market.run(1)
    assert math.log(market.price("token") / 100.0) == pytest.approx(order / units)
    # All are filled at the mean of the way, by the venue, which is the rest of the world.
    mean = 100.0 * math.expm1(order / units) / (order / units)
    ledger = market.ledger
    for i in range(3):
        assert ledger.balance(f"outside-{i}", "token") == pytest.approx(50.0 + order / 3)
        assert 5000.0 - ledger.balance(f"outside-{i}", "usdc") == pytest.approx(order / 3 * mean)
    ledger.audit()


def test_what_is_heard_hangs_on_no_other_asset_at_the_venue() -> None:
    """Crowds hear of an asset by its place among their own, wherever it stands at the venue."""
    content = copy.deepcopy(MARKET)
    content["agents"]["outside"] |= {"chartist": 1.0, "crowding": 1.0}
    alone = Market(Scenario.from_dict(content), rng=1).run(30)
    token = content["venue"]["assets"].pop("token")
    content["venue"]["assets"] = {"before": token | {"process": "gbm"}, "token": token}
    del content["venue"]["assets"]["before"]["value_volatility"]
    beside = Market(Scenario.from_dict(content), rng=1).run(30)
    assert alone.price("token") == beside.price("token") != 100.0


def test_the_depth_is_that_of_a_sale_on_the_chain() -> None:
    market = opened(count=1)
    assert float(market.venue.asset("token")["units"]) == pytest.approx(
        1000.0 / (ONE_PER_CENT * 100.0)
    )


def test_fundamentalists_take_the_price_back_to_its_value() -> None:
    shocks = [{"kind": "price_jump", "asset": "token", "size": -0.2, "block": 5}]
    market = opened(shocks=shocks)  # news: the value jumps with it
    market.run(300)
    assert market.price("token") == pytest.approx(80.0, rel=1e-6)
    market = opened(asset={"permanent": 1.0})
    whale = Idle(market, {"token": 150.0}, "whale")
    whale.trade_outside("token", "usdc", 150.0)
    market.run(1)
    low = market.price("token")
    assert low < 90.0
    market.run(400)
    assert market.price("token") == pytest.approx(100.0, rel=1e-3)


def test_chartists_go_with_what_has_moved() -> None:
    market = opened(chartist=1.0, trend_response=0.001, asset={"permanent": 1.0})
    market.run(3)
    whale = Idle(market, {"usdc": 1e5}, "whale")
    whale.trade_outside("usdc", "token", 4000.0)
    market.run(1)
    pushed = market.price("token")
    market.run(2)
    assert market.price("token") > pushed > 100.0


def test_buyers_and_sellers_meet_and_the_spread_is_the_venues() -> None:
    market = opened(count=40, value_noise=0.02, value_response=0.0, asset={"spread": 0.001})
    market.run(200)
    ledger = market.ledger
    assert (ledger.balances >= 0.0).all()
    price = market.price("token")
    worth = sum(market.wealth(f"outside-{i}") for i in range(40))
    assert worth < 40 * (5000.0 + 50.0 * price)
    ledger.audit()


def test_no_order_is_larger_than_what_its_sender_has() -> None:
    market = opened(count=20, value_noise=5.0, asset={"depth": 1e9})
    for _ in range(50):
        market.step()
        flow = float(market.venue.asset("token")["flow"])
        held = market.ledger.balances[market.cohorts["outside"].accounts()]
        assert flow <= held[:, market.ledger.token("usdc")].sum() / market.price("token") + 1e-6
        assert -flow <= held[:, market.ledger.token("token")].sum() + 1e-6
    market.ledger.audit()


def test_fashion_caution_and_greed_pull_their_ways() -> None:
    def share(**traders: Any) -> float:
        market = opened(review=1.0, **{"fashion": 0.0, "bias": 0.0, "caution": 0.0} | traders)
        market.run(40)
        return float(market.cohorts["outside"].remembered["chartists"])

    assert share() == pytest.approx(0.5, abs=0.15)
    assert share(bias=50.0) == 1.0
    assert share(bias=-50.0) == 0.0
    # Each does what the others do: where they began they stay.
    assert share(fashion=50.0, chartist=1.0) == 1.0
    assert share(fashion=50.0, chartist=0.0) == 0.0
    market = opened(review=1.0, fashion=0.0, bias=0.0, caution=1e4, value_response=0.0)
    market.venue.asset("token")["anchor"] += 0.5
    market.run(40)
    assert market.cohorts["outside"].remembered["chartists"] == 0.0
    market = opened(review=1.0, fashion=0.0, bias=0.0, greed=1e6, caution=0.0)
    market.cohorts["outside"].remembered["gain_chartists"] = 0.01
    market.cohorts["outside"].remembered["gain_fundamentalists"] = 0.0
    market.run(1)
    assert market.cohorts["outside"].numbers("chartist").mean() == 1.0


def test_another_group_or_asset_changes_nobodys_draws() -> None:
    def series(**more: Any) -> np.ndarray:
        content = copy.deepcopy(MARKET)
        content["venue"]["assets"] |= more
        market = Market(Scenario.from_dict(content), rng=3).run(300)
        frame = market.datacollector.get_model_vars_dataframe()
        return frame["venue.token.price"].to_numpy()

    other = {"price": 5.0, "process": "gbm"}
    assert series().tobytes() == series(other=other).tobytes()
    assert np.unique(series()).size > 250


def test_steps_and_the_compiled_loop_give_the_same_bits() -> None:
    content = copy.deepcopy(MARKET)
    one, other = (Market(Scenario.from_dict(content), rng=5) for _ in range(2))
    one.run(100)
    for _ in range(100):
        other.step()
    assert np.array_equal(one.ledger.balances, other.ledger.balances)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("venue.assets.token.depth", math.inf, "venue.assets.token.depth"),
        ("venue.assets.token.process", "gbm", "agents.outside.assets.token"),
        ("agents.outside.assets", {}, "agents.outside.assets"),
    ],
)
def test_what_makes_no_sense_is_told(path: str, value: Any, field: str) -> None:
    with pytest.raises(ScenarioError) as error:
        content = copy.deepcopy(MARKET)
        table: Any = content
        *above, last = path.split(".")
        for key in above:
            table = table[key]
        table[last] = value
        Scenario.from_dict(content)
    assert [at for at, _ in error.value.problems] == [field]
