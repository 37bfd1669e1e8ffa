"""Governors change a coin's terms after their delay, on what alarmed them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.governor import fee_voted, share_lost
from sim import Market, Scenario

Make = Callable[..., Scenario]
DAI = {"process": "constant", "inventory": 1e6, "depth": 1e5, "permanent": 1.0}


def governed(small: Make, price: float = 1.0, group: Any = None, **changes: Any) -> Market:
    """A coin at a price, one vault that owes 10,000 of a million, and who votes."""
    governor = {
        "kind": "governor", "count": 1, "protocol": "maker", "delay": 10.0, "rest": 5.0,
        "memory": 1.0,
    }  # fmt: skip
    owner = {
        "kind": "vault_owner", "count": 1, "protocol": "maker", "collateral": "eth", "ratio": 2.0,
        "floor": 1.8, "attention": 0.0, "alarm": 0.0, "route": "venue", "patience": 1,
        "volatility_response": 0.0, "wallet": {"eth": 10.0, "usdc": 10_000.0},
    } | changes.pop("owner", {})  # fmt: skip
    line = {"token": "eth", "oracle": "eth", "ratio": 1.5, "fee": 0.08}
    maker = {
        "kind": "cdp", "mints": "dai",
        "collaterals": {"ether": line | changes.pop("line", {})},
    } | changes.pop("maker", {})  # fmt: skip
    agents = {"governor": governor | (group or {}), "owners": owner} | changes.pop("agents", {})
    content = {
        "venue": {"assets": {"dai": DAI | {"price": price}}},
        "protocols": {"maker": maker},
        "agents": agents,
    }
    return Market(small(**(content | changes)), rng=1)


def terms(market: Market) -> Any:
    return market.protocols["maker"].entry("collaterals", "ether")


def series(market: Market, name: str) -> list[float]:
    frame = market.datacollector.get_model_vars_dataframe()
    return [float(x) for x in frame[f"protocol.maker.{name}"]]


def steps(market: Market) -> list[float]:
    return [float(x) for x in market.cohorts["governor"].column("steps")[0]]


def test_it_does_nothing_at_par(small: Make) -> None:
    market = governed(small).run(60)
    assert terms(market)["fee"] == 0.08 and steps(market) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(("price", "fee"), [(0.97, 0.10), (1.03, 0.06)])
def test_the_fee_moves_against_the_price_after_the_delay(
    small: Make, price: float, fee: float
) -> None:
    market = governed(small, price, {"rest": 1000.0}).run(40)
    found = series(market, "fee.ether")
    moved = next(block for block, x in enumerate(found) if x != 0.08)
    assert moved == 10, "decided as the market opens, ten blocks later it takes effect"
    assert found[-1] == pytest.approx(fee) and steps(market) == [1.0, 0.0, 0.0]


def test_the_fee_stays_within_its_bounds(small: Make) -> None:
    assert terms(governed(small, 1.1, {"step": 0.05}).run(80))["fee"] == 0.0
    group = {"step": 0.05, "most_fee": 0.15}
    assert terms(governed(small, 0.9, group).run(80))["fee"] == pytest.approx(0.15)


def test_what_was_decided_takes_effect_whatever_has_happened(small: Make) -> None:
    jump = {"kind": "price_jump", "asset": "dai", "size": 0.05, "block": 4}
    market = governed(small, 0.97, {"rest": 1000.0}, shocks=[jump]).run(30)
    assert market.price("dai") > 1.0 and terms(market)["fee"] == pytest.approx(0.10)


def test_one_trade_does_not_move_a_long_memory(small: Make) -> None:
    jump = {"kind": "price_jump", "asset": "dai", "size": -0.05, "block": 4}
    back = {"kind": "price_jump", "asset": "dai", "size": 1 / 0.95 - 1, "block": 6}
    market = governed(small, 1.0, {"memory": 100.0}, shocks=[jump, back]).run(60)
    assert terms(market)["fee"] == 0.08
    market = governed(small, 1.0, {"memory": 100.0}, shocks=[jump]).run(60)
    assert terms(market)["fee"] > 0.08


def test_a_ceiling_that_is_nearly_reached_is_raised(small: Make) -> None:
    line, maker = {"ceiling": 1.05e6}, {"ceiling": 1.2e6}
    market = governed(small, 1.0, {"raises": 0.5, "rest": 1000.0}, line=line, maker=maker).run(30)
    assert terms(market)["ceiling"] == pytest.approx(1.5 * 1.05e6)
    assert market.protocols["maker"].record[0]["ceiling"] == 1.2e6, "0.83 of it is used"
    market = governed(small, 1.0, {"raises": 0.0}, line=line, maker=maker).run(30)
    assert terms(market)["ceiling"] == 1.05e6


def test_after_auctions_that_failed_they_last_longer_and_sell_more(small: Make) -> None:
    keeper = {
        "kind": "keeper", "count": 1, "protocol": "maker", "route": "venue", "attention": 1.0,
        "margin": 0.5, "wallet": {"dai": 3000.0, "eth": 1.0},
    }  # fmt: skip
    fall = {"kind": "price_jump", "asset": "eth", "size": -0.5, "block": 3}
    group = {"longer": 6.0, "larger": 10.0, "lost": 0.1, "delay": 5.0, "rest": 1000.0}
    maker = {"bid_duration": 3, "auction_length": 3, "backing": 1000.0}
    market = governed(
        small, 1.0, group, agents={"keeper": keeper}, shocks=[fall], maker=maker,
        line={"lot": 1.0, "penalty": 0.0},
    ).run(60)  # fmt: skip
    assert steps(market)[2] == 1.0
    lots, waits = series(market, "lot.ether"), series(market, "bid_duration")
    coverage = series(market, "coverage")
    changed = next(block for block, x in enumerate(lots) if x != 1.0)
    assert coverage[changed - 6] < 0.9
    assert (lots[-1], waits[0], waits[-1]) == (10.0, 3.0, 18.0)
    assert terms(market)["ratio"] == 1.5


def test_a_stricter_ratio_makes_vaults_unsafe(small: Make) -> None:
    keeper = {
        "kind": "keeper", "count": 1, "protocol": "maker", "route": "venue", "attention": 1.0,
        "margin": 0.5, "wallet": {"dai": 1000.0, "eth": 1.0},
    }  # fmt: skip
    doomed = {
        "kind": "vault_owner", "count": 1, "protocol": "maker", "collateral": "eth", "ratio": 1.55,
        "floor": 1.5, "attention": 0.0, "alarm": 0.0, "equity": 1000.0,
    }  # fmt: skip
    fall = {"kind": "price_jump", "asset": "eth", "size": -0.2, "block": 3}
    group = {"lost": 0.1, "stricter": 0.2, "delay": 30.0, "rest": 1000.0}
    maker = {"bid_duration": 3, "auction_length": 3, "backing": 1000.0}
    market = governed(
        small, 1.0, group, agents={"keeper": keeper, "doomed": doomed}, shocks=[fall], maker=maker,
    )  # fmt: skip
    market.run(100)
    unsafe = series(market, "unsafe")
    assert terms(market)["ratio"] == pytest.approx(1.8)
    done = next(block for block, x in enumerate(series(market, "bid_duration")) if x != 3.0)
    bites = market.receipts().query("kind == 'bite' and status == 'done'")
    assert max(unsafe[done:]) >= 1.0 and (bites["block"] > done).any(), "owners-0 is at 1.6"


def test_owners_owe_less_where_the_fee_is_dear(small: Make) -> None:
    def owed(response: float, price: float) -> float:
        owner = {
            "attention": 1.0,
            "band": 0.01,
            "slippage": 0.2,
            "cost_response": response,
            "horizon": 1e5,
        }
        market = governed(small, price, {"step": 0.1, "band": 0.005, "rest": 1000.0}, owner=owner)
        before = market.protocols["maker"].vault("owners-0", "ether")[1]  # type: ignore[attr-defined]
        market.run(40)
        return float(market.protocols["maker"].vault("owners-0", "ether")[1] / before)  # type: ignore[attr-defined]

    assert owed(0.0, 0.99) == pytest.approx(1.0, abs=1e-3)
    assert owed(3.0, 0.99) < 0.9
    assert owed(3.0, 1.01) > 1.1


@given(price=st.floats(0.0, 10.0), band=st.floats(0.0, 1.0), step=st.floats(0.0, 1.0))
def test_votes_are_against_the_deviation(price: float, band: float, step: float) -> None:
    change = fee_voted(price, band, step)
    assert change * (price - 1.0) <= 0.0 and abs(change) in (0.0, step)
    if abs(price - 1.0) < band:
        assert change == 0.0


@given(debt=st.floats(0.0, 1e12), brought=st.floats(0.0, 1e12))
def test_a_share_is_lost(debt: float, brought: float) -> None:
    assert 0.0 <= share_lost(debt, brought) <= 1.0
