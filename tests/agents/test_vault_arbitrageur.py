"""Vault arbitrageurs sell the coin where it is dear, and buy it back near par."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.vault_arbitrageur import chance_to_fall, cost_of_a_coin
from sim import Market, Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
DAI = {
    "process": "constant",
    "inventory": 1e6,
    "depth": 1e5,
    "impact": "permanent",
    "permanent": 1.0,
}


def visited(
    small: Make, price: float, group: dict[str, Any] | None = None, **changes: Any
) -> Market:
    """A market whose coin costs so much, and four with ether that is in no vault."""
    visitors = {
        "kind": "vault_arbitrageur", "count": 4, "protocol": "maker", "collateral": "eth",
        "ratio": 3.0, "floor": 1.8, "margin": 0.02, "close": 0.005, "horizon": 0.0, "reserve": 0.25,
        "attention": 1.0, "alarm": 1.0, "patience": 1, "route": "venue",
        "wallet": {"eth": {"distribution": "uniform", "low": 300.0, "high": 600.0}, "usdc": 1000.0},
    }  # fmt: skip
    line = {"token": "eth", "oracle": "eth", "ratio": 1.5, "fee": 0.08, "dust": 20.0}
    maker = {
        "kind": "cdp",
        "mints": "dai",
        "collaterals": {"ether": line | changes.pop("line", {})},
    }
    base = {
        "venue": {"assets": {"dai": DAI | {"price": price}}},
        "protocols": {"maker": maker | changes.pop("maker", {})},
        "agents": {"visitors": visitors | (group or {})},
    }
    return Market(small(**(base | changes)), rng=1)


def kinds(market: Market) -> list[str]:
    return market.receipts()["kind"].astype(str).tolist()


def vault(market: Market, n: int) -> tuple[float, float]:
    return market.protocols["maker"].vault(f"visitors-{n}", "ether")  # type: ignore[attr-defined]


def test_nobody_comes_at_par(small: Make) -> None:
    assert visited(small, 1.0).run(30).receipts().empty
    assert visited(small, 1.02).run(30).receipts().empty  # dear, but not by what it costs


def test_a_dear_coin_is_drawn_and_sold_until_it_pays_no_more(small: Make) -> None:
    market = visited(small, 1.1).run(40)
    found = market.receipts()
    assert kinds(market)[:3] == ["lock", "draw", "venue"] and found["status"].iloc[0] == "done"
    # Down to par and a half per cent, and two per cent for the trouble; never below.
    assert 1.024 < market.price("dai") < 1.04
    drawn = sum(vault(market, n)[1] for n in range(4))
    done = found.query("kind == 'draw' and status == 'done'")  # the others were too late
    assert drawn == pytest.approx(done["amount_out"].sum(), rel=1e-4)
    for n in range(4):
        ink, owed = vault(market, n)
        assert owed == 0.0 or ink * market.price("eth") >= 2.9999 * owed
    assert sum(market.ledger.balance(f"visitors-{n}", "usdc") for n in range(4)) > drawn
    market.ledger.audit()


def test_collateral_is_a_limit(small: Make) -> None:
    market = visited(small, 1.1, {"count": 1, "wallet": {"eth": 4.0, "usdc": 100.0}}).run(40)
    ink, owed = vault(market, 0)
    assert ink == pytest.approx(3.0) and owed == pytest.approx(2000.0, rel=1e-3)
    assert market.price("dai") > 1.05  # a quarter of its ether stays, and dai stays dear


def test_near_par_they_buy_back_and_close_with_a_gain(small: Make) -> None:
    back = {"kind": "price_jump", "asset": "dai", "size": -0.08, "block": 20}
    market = visited(small, 1.1, shocks=[back]).run(60)
    assert {"wipe", "free"} <= set(kinds(market))
    for n in range(4):
        assert vault(market, n) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert market.price("dai") < 1.01  # and they do not lift it far again
    held = sum(market.wealth(f"visitors-{n}") for n in range(4))
    started = market.datacollector.get_model_vars_dataframe()["wealth.visitors"].iloc[0]
    assert held > started
    market.ledger.audit()


def test_when_ether_falls_the_vault_is_kept_above_its_floor(small: Make) -> None:
    fall = {"kind": "price_jump", "asset": "eth", "size": -0.45, "block": 20}
    market = visited(small, 1.1, {"count": 1}, shocks=[fall]).run(30)
    ink, owed = vault(market, 0)
    assert owed > 0.0 and ink * market.price("eth") / owed > 1.8
    assert kinds(market)[-1] == "lock"


def test_a_ceiling_is_not_run_into(small: Make) -> None:
    market = visited(small, 1.1, maker={"ceiling": 1.005e6}).run(20)
    assert market.ledger.supply("dai") == pytest.approx(1.005e6, rel=1e-5)
    sent = len(kinds(market))
    assert len(kinds(market.run(20))) == sent, "there is no room left, and nobody tries"


def test_who_does_not_look_and_who_has_no_collateral(small: Make) -> None:
    assert visited(small, 1.2, {"attention": 0.0, "alarm": 0.0}).run(20).receipts().empty
    with pytest.raises(ScenarioError, match="has no eth to lock"):
        visited(small, 1.1, {"wallet": {"usdc": 100.0}})


def test_what_a_coin_costs_has_four_parts() -> None:
    assert cost_of_a_coin(0.005, 0.08, 0.0, 0.0, 0.02) == pytest.approx(1.025)
    assert cost_of_a_coin(0.0, 0.08, 0.5, 0.01, 0.0) == pytest.approx(1.08**0.5 + 0.01)
    # One deviation away: twice the tail of a normal distribution.
    assert chance_to_fall(3.0, 1.5, 0.6931471805599453) == pytest.approx(0.3173105, rel=1e-6)
    assert chance_to_fall(3.0, 1.5, 0.0) == 0.0 and chance_to_fall(1.5, 1.5, 0.1) == 1.0


@given(st.floats(1.5, 10.0), st.floats(0.001, 2.0))
def test_the_safer_and_the_calmer_the_less_likely(ratio: float, deviation: float) -> None:
    chance = chance_to_fall(ratio, 1.5, deviation)
    assert 0.0 <= chance_to_fall(ratio * 1.1, 1.5, deviation) <= chance <= 1.0
    assert chance <= chance_to_fall(ratio, 1.5, deviation * 1.1)
