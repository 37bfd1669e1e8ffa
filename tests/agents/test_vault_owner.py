"""Vault owners keep their ratio, and buy back the coin that they owe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.vault_owner import aim_at_cost, aim_of, cost_of_debt, sale_to_ratio
from sim import Market, Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
FALL = {"kind": "price_jump", "asset": "eth", "size": -0.25, "block": 3}
DAI = {"price": 1.0, "process": "constant", "inventory": 1e6, "depth": 1e5, "permanent": 1.0}


def owned(small: Make, group: dict[str, Any], **changes: Any) -> Market:
    """A market with a vault of 10,000 dollars' equity at a ratio of 2, and what is changed."""
    vault = {
        "kind": "vault_owner", "count": 1, "protocol": "maker", "collateral": "eth", "ratio": 2.0,
        "floor": 1.8, "attention": 1.0, "patience": 1, "route": "venue", "volatility_response": 0.0,
    }  # fmt: skip
    line = {"token": "eth", "oracle": "eth", "ratio": 1.5, **changes.pop("line", {})}
    maker = {"kind": "cdp", "mints": "dai", "collaterals": {"ether": line}}
    base = {
        "venue": {"assets": {"dai": DAI}},
        "protocols": {"maker": maker | changes.pop("maker", {})},
        "agents": {"owners": vault | group},
    }
    return Market(small(**(base | changes)), rng=1)


def kinds(market: Market) -> list[str]:
    return market.receipts()["kind"].astype(str).tolist()


def ratio(market: Market) -> float:
    ink, owed = market.protocols["maker"].vault("owners-0", "ether")  # type: ignore[attr-defined]
    return float(ink * market.price("eth") / owed)


def test_it_begins_at_its_ratio_and_owns_its_equity(small: Make) -> None:
    market = owned(small, {}).run(2)
    _, owed = market.protocols["maker"].vault("owners-0", "ether")  # type: ignore[attr-defined]
    assert ratio(market) == pytest.approx(2.0) and owed == pytest.approx(10_000.0)
    assert market.wealth("owners-0") == pytest.approx(10_000.0, rel=1e-3)
    assert market.ledger.supply("dai") == pytest.approx(1e6), "what it drew is held by others"
    assert market.receipts().empty
    market.ledger.audit()


@pytest.mark.parametrize(
    ("wallet", "wanted"),
    [
        ({"dai": 5000.0}, ["wipe"]),
        ({"eth": 100.0}, ["lock"]),
        ({"usdc": 5000.0}, ["venue", "wipe"]),
        ({}, ["free", "venue", "wipe"]),
    ],
)
def test_when_ether_falls_it_restores_its_ratio_by_what_it_has(
    small: Make, wallet: dict[str, float], wanted: list[str]
) -> None:
    market = owned(small, {"wallet": wallet}, shocks=[FALL | {"size": -0.2}]).run(6)
    found = kinds(market)
    assert found[: len(wanted)] == wanted
    assert (market.receipts()["status"] == "done").all()
    assert ratio(market) > 1.9
    if "venue" in wanted:  # and the coin is dearer for it
        assert market.price("dai") > 1.0001


def test_who_does_not_look_does_nothing(small: Make) -> None:
    group = {"attention": 0.0, "alarm": 0.0, "wallet": {"dai": 1e4}}
    assert owned(small, group, shocks=[FALL]).run(10).receipts().empty


@pytest.mark.parametrize("resolve", [0.0, 1.0])
def test_who_has_begun_to_save_a_vault_goes_on(small: Make, resolve: float) -> None:
    # Three steps take it there: its coins, its ether, and coins for its money.
    group = {
        "attention": 0.02, "alarm": 0.02, "resolve": resolve, "equity": 2e5, "count": 20,
        "wallet": {"dai": 2e4, "eth": 20.0, "usdc": 1e6},
    }  # fmt: skip
    market = owned(small, group, maker={"ceiling": 1e8}, shocks=[FALL]).run(60)
    steps = market.receipts().groupby("sender", observed=True)["transaction"].nunique()
    assert (steps.mean() > 2.5) == (resolve > 0.0)
    assert steps.max() == 3 or resolve == 0.0, "and no further"


def test_it_sees_what_a_late_oracle_will_say(small: Make) -> None:
    late = {"eth": {"lag": 50}}
    market = owned(small, {"wallet": {"dai": 1e4}}, oracles=late, shocks=[FALL]).run(6)
    assert market.protocols["maker"].price("ether") == pytest.approx(2000.0)  # type: ignore[attr-defined]
    assert kinds(market) == ["wipe"]


def test_rising_prices_make_it_draw_more_and_buy(small: Make) -> None:
    jump = FALL | {"size": 0.6}
    market = owned(small, {"step": 1.0, "band": 0.1}, shocks=[jump]).run(4)
    assert kinds(market)[:3] == ["draw", "venue", "lock"]
    assert ratio(market) < 2.3


def test_its_own_coin_is_traded_in_pools(small: Make) -> None:
    """Ether is sold for dollars, those for coins, in one transaction: and all the way back."""
    pool = {"tokens": ["maker-coin", "usdc"], "reserves": {"maker-coin": 1e5, "usdc": 1e5}}
    own = {"mints": None, "market": "coin-usdc"}
    group = {"route": None, "pools": ["eth-usdc", "coin-usdc"], "slippage": 0.2, "step": 1.0}
    down = owned(small, group, maker=own, pools={"coin-usdc": pool}, shocks=[FALL | {"size": -0.2}])
    down.run(4)
    assert kinds(down)[:4] == ["free", "swap", "swap", "wipe"]
    assert down.receipts()["status"].iloc[0] == "done" and down.price("maker-coin") > 1.05
    up = owned(small, group, maker=own, pools={"coin-usdc": pool}, shocks=[FALL | {"size": 0.6}])
    up.run(4)
    assert kinds(up)[:4] == ["draw", "swap", "swap", "lock"]
    assert up.receipts()["status"].iloc[0] == "done" and up.price("maker-coin") < 0.95


def test_where_the_coin_is_dear_it_sells_some_and_buys_them_back(small: Make) -> None:
    dear = {"kind": "price_jump", "asset": "dai", "size": 0.2, "block": 3}
    cheap = {"kind": "price_jump", "asset": "dai", "size": -0.15, "block": 12}
    group = {"ratio": 4.0, "premium": 0.1, "step": 0.5}
    market = owned(small, group, shocks=[dear, cheap]).run(30)
    found = kinds(market)
    assert found[:2] == ["draw", "venue"] and found[-1] == "wipe"
    assert ratio(market) > 2.9
    assert market.wealth("owners-0") > 10_000.0


def pooled(small: Make, dai: float, usdc: float, group: dict[str, Any]) -> Market:
    """Owners whose coin trades in a pool of their own, and ether for dollars in another."""
    pools = {
        "dai-usdc": {"tokens": ["dai", "usdc"], "reserves": {"dai": dai, "usdc": usdc}},
        "eth-usdc": {"tokens": ["eth", "usdc"], "reserves": {"eth": 1e5, "usdc": 1e7}},
    }
    asset = DAI | {"price": usdc / dai}
    return owned(
        small,
        {"route": None, "pools": list(pools), "slippage": 0.03} | group,
        venue={"assets": {"dai": asset}},
        pools=pools,
    )


def test_a_short_is_no_larger_than_its_premium_pays_for(small: Make) -> None:
    # A pool of 10,000 a side and a vault of a million: the last coin would bring next to nothing.
    group = {"equity": 1e6, "ratio": 4.0, "premium": 0.05, "step": 1.0, "band": 0.9}
    market = pooled(small, 1e4, 1.2e4, group).run(1)
    told = market.receipts()
    drawn = told[told["kind"].astype(str) == "draw"]["amount_out"].sum()
    brought = told[told["kind"].astype(str) == "swap"]["amount_out"].sum()
    assert 0.0 < drawn < 1_000.0 and brought / drawn > 1.2 * 0.97 - 1e-9


@pytest.mark.parametrize(("price", "draws"), [(1.4, False), (1.7, True)])
def test_a_coin_that_brings_more_than_its_ratio_is_drawn(
    small: Make, price: float, draws: bool
) -> None:
    # Nobody shorts; but above its ratio to draw and lock what it brings needs no money at all.
    group = {"equity": 1e5, "ratio": 1.6, "floor": 1.55, "premium": 100.0, "band": 0.9, "count": 20}
    market = pooled(small, 1e6, price * 1e6, group)
    before = ratio(market)
    market.run(60)
    assert ("draw" in kinds(market)) == draws
    if draws:
        assert ratio(market) > before and market.ledger.supply("dai") > 1e6
    market.ledger.audit()


def test_volatility_raises_the_aim() -> None:
    assert aim_of(2.0, 0.5, 1.0) == pytest.approx(2.0)
    assert aim_of(2.0, 0.5, 3.0) == pytest.approx(3.0)  # leverage of 2 becomes 1.5
    assert aim_of(2.0, 0.5, 0.3) == pytest.approx(2.0)


@given(st.floats(1.0, 1e6), st.floats(0.3, 0.65), st.floats(1.7, 4.0), st.floats(0.8, 1.1))
def test_the_sale_reaches_the_ratio(ink: float, part: float, wanted: float, got: float) -> None:
    owed = part * ink  # at a price of one
    x = sale_to_ratio(ink, owed, 1.0, got, wanted)
    if wanted * owed <= ink:
        assert x == 0.0
    elif x < ink and owed - x * got > 1e-6 * owed:
        assert (ink - x) / (owed - x * got) == pytest.approx(wanted, rel=1e-6)


def test_a_ceiling_and_a_collateral_that_is_not_taken_are_told(small: Make) -> None:
    with pytest.raises(ScenarioError, match="ceiling is 100"):
        owned(small, {}, maker={"ceiling": 100.0})
    with pytest.raises(ScenarioError, match="takes no usdc; it takes eth"):
        owned(small, {"collateral": "usdc"})


@pytest.mark.parametrize(("price", "wanted"), [(0.97, "wipe"), (1.03, "draw")])
def test_who_minds_what_debt_costs_moves_the_coin_towards_one(
    small: Make, price: float, wanted: str
) -> None:
    group = {
        "band": 0.05,
        "premium": 0.5,
        "slippage": 0.2,
        "wallet": {"usdc": 1e5},
        "horizon": 90.0,
    }
    coin = {"venue": {"assets": {"dai": DAI | {"price": price}}}}
    still = owned(small, group, **coin).run(30)
    assert still.receipts().empty and still.price("dai") == price
    market = owned(small, group | {"cost_response": 3.0}, **coin).run(30)
    assert wanted in kinds(market)
    assert abs(market.price("dai") - 1.0) < abs(price - 1.0)


@given(
    fee=st.floats(0.0, 10.0), price=st.floats(0.0, 10.0), years=st.floats(0.01, 100.0),
    response=st.floats(0.0, 10.0), aim=st.floats(1.02, 100.0),
)  # fmt: skip
def test_dear_debt_is_owed_less(
    fee: float, price: float, years: float, response: float, aim: float
) -> None:
    assert cost_of_debt(fee, 1.0, years) == fee
    assert (cost_of_debt(fee, price, years) >= fee) == (price <= 1.0 or (1.0 - price) / years == 0)
    assert aim_at_cost(aim, response, fee, fee) == aim
    assert aim_at_cost(aim, 0.0, fee, 0.0) == aim
    assert (
        1.01 <= aim_at_cost(aim, response, 0.0, fee) <= aim <= aim_at_cost(aim, response, fee, 0.0)
    )
