"""Market makers outside: depth from capital, who loses and who gains, what a loss does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import MarketAgent
from sim import Market, Scenario
from sim.build import first_quote
from sim.errors import ScenarioError

MAKERS: dict[str, Any] = {
    "kind": "market_maker",
    "count": 3,
    "assets": {"eth": 3.0, "btc": 1.0},
    "wallet": {"usdc": 4e6, "eth": 500.0, "btc": 10.0},
    "margin": 0.0,
    "unwind": 0.0,
}
ASSETS: dict[str, Any] = {
    "eth": {"price": 2000.0, "process": "gbm", "volatility": 0.8, "depth": 1e5, "spread": 0.0},
    "btc": {"price": 40_000.0, "process": "gbm", "volatility": 0.5, "depth": 2e5, "spread": 0.0},
}
CAPITAL = 4e6 + 500.0 * 2000.0 + 10.0 * 40_000.0


class Idle(MarketAgent):
    pass


def opened(
    small: Callable[..., Scenario], assets: dict[str, Any] | None = None, **makers: Any
) -> tuple[Market, Idle]:
    venue = {"assets": {name: a | (assets or {}) for name, a in ASSETS.items()}}
    market = Market(small(venue=venue, agents={"makers": MAKERS | makers}), rng=1)
    return market, Idle(market, {"eth": 1e5, "usdc": 1e9}, "a")


def test_depth_is_capital_times_weight_over_risk_aversion_and_volatility(
    small: Callable[..., Scenario],
) -> None:
    market, _ = opened(small, risk_aversion=20.0)
    assert market.venue.depth("eth") == pytest.approx(1e5 + 3 * CAPITAL * 0.75 / (20.0 * 0.8))
    assert market.venue.depth("btc") == pytest.approx(2e5 + 3 * CAPITAL * 0.25 / (20.0 * 0.5))
    # Positions tie capital up: their value times so many deviations of a day.
    market, _ = opened(small, risk_aversion=20.0, margin=3.0)
    day = 1.0 / math.sqrt(365.25)
    free = CAPITAL - 3.0 * day * (0.8 * 500.0 * 2000.0 + 0.5 * 10.0 * 40_000.0)
    assert market.venue.depth("eth") == pytest.approx(1e5 + 3 * free * 0.75 / (20.0 * 0.8))


def test_makers_take_their_part_of_a_trade_at_its_price(small: Callable[..., Scenario]) -> None:
    market, agent = opened(small, assets={"process": "constant"}, least_volatility=0.8)
    ledger, at = market.ledger, first_quote(market.setup, "makers")
    units = market.world.quotes["units"][at::2]
    share = units / float(market.venue.asset("eth")["units"])
    assert 0.0 < share.sum() < 1.0
    before = ledger.balances.copy()
    agent.trade_outside("eth", "usdc", 400.0)
    market.run(1)
    got = ledger.balance("a", "usdc") - 1e9
    for i in range(3):
        name = f"makers-{i}"
        assert ledger.balance(name, "eth") - 500.0 == pytest.approx(400.0 * share[i])
        assert 4e6 - ledger.balance(name, "usdc") == pytest.approx(got * share[i])
    rest = ledger.balance("venue", "eth") - before[ledger.account("venue"), ledger.token("eth")]
    assert rest == pytest.approx(400.0 * (1.0 - share.sum()))
    ledger.audit()


def test_a_trade_of_two_assets_is_filled_on_both_legs(small: Callable[..., Scenario]) -> None:
    market, agent = opened(small, assets={"process": "constant"}, least_volatility=0.5)
    agent.trade_outside("eth", "btc", 100.0)
    market.run(1)
    held = market.ledger.balance
    assert held("makers-1", "eth") > 500.0
    assert held("makers-1", "btc") < 10.0
    assert held("a", "btc") == pytest.approx(100.0 * 2000.0 / 40_000.0, rel=0.02)
    market.ledger.audit()


def test_what_makers_cannot_pay_the_venue_pays(small: Callable[..., Scenario]) -> None:
    market, agent = opened(
        small,
        assets={"process": "constant"},
        least_volatility=0.05,
        wallet={"usdc": 100.0, "eth": 500.0, "btc": 10.0},
    )
    quoted = market.venue.quote("eth", "usdc", 4000.0)
    agent.trade_outside("eth", "usdc", 4000.0)
    market.run(1)
    assert market.ledger.balance("a", "usdc") - 1e9 == pytest.approx(quoted)
    assert market.ledger.balance("makers-0", "usdc") == pytest.approx(0.0, abs=1e-9)
    market.ledger.audit()


@given(
    amount=st.floats(1.0, 3000.0),
    wait=st.integers(0, 40),
    sells=st.booleans(),
    rebuild=st.sampled_from([0.0, 1.0, 50.0]),
    stays=st.floats(0.0, 0.5),
)
def test_no_round_trip_through_makers_earns_anything(
    small: Callable[..., Scenario],
    amount: float,
    wait: int,
    sells: bool,
    rebuild: float,
    stays: float,
) -> None:
    """Nor one that waits until they have lost, unwound, and shown another depth.

    Up to an impact of which half stays: more of it is information, and who trades then moves
    the price for himself, at whatever depth there is (Huberman, Stanzl 2004).
    """
    market, agent = opened(
        small,
        assets={"process": "constant", "permanent": stays, "half_life": 10.0},
        least_volatility=0.5,
        rebuild=rebuild,
        unwind=200.0,
        margin=3.0,
        recovery=1.0,
    )
    ledger = market.ledger
    start = ledger.balance("a", "usdc")
    if sells:
        agent.trade_outside("eth", "usdc", amount)
        market.run(1 + wait)
        for _ in range(40):  # until it has back what it had
            short = 1e5 - ledger.balance("a", "eth")
            if short <= 1e-6:
                break
            agent.trade_outside("usdc", "eth", short * market.venue.price("eth"))
            market.run(1)
        # What it has bought beyond that at the last is worth no more than was paid for it.
        left = (ledger.balance("a", "eth") - 1e5) * market.venue.price("eth")
        assert ledger.balance("a", "usdc") + left <= start + 1e-4
    else:
        agent.trade_outside("usdc", "eth", amount * 2000.0)
        market.run(1 + wait)
        agent.trade_outside("eth", "usdc", ledger.balance("a", "eth") - 1e5)
        market.run(1)
        assert ledger.balance("a", "usdc") <= start + 1e-6
    ledger.audit()


def crash(small: Callable[..., Scenario], **changes: Any) -> tuple[Market, dict[str, float]]:
    """A market in which ether has fallen by a third; depths before."""
    fall = [{"kind": "price_jump", "asset": "eth", "size": -0.3, "block": 3}]
    venue = {"assets": {name: a | {"depth_exponent": 0.0} for name, a in ASSETS.items()}}
    agents = {"makers": MAKERS | changes.pop("makers", {})}
    market = Market(small(venue=venue, agents=agents, shocks=fall, **changes), rng=1)
    before = {name: market.venue.depth(name) for name in ASSETS}
    return market.run(6), before


def test_a_loss_in_one_asset_takes_depth_away_in_another(small: Callable[..., Scenario]) -> None:
    market, before = crash(small)
    lost = 500.0 * 2000.0 * 0.3 / CAPITAL
    assert lost > 0.05
    quoted = market.venue.depth("btc") - 2e5
    moved = math.sqrt(market.venue.asset("btc")["seen_variance"] * 365.25 * 7200.0) / 0.5
    assert quoted == pytest.approx((before["btc"] - 2e5) * (1.0 - lost) / moved, rel=0.03)
    assert market.venue.depth("eth") < 0.3 * before["eth"]  # and its own volatility besides


def test_margin_that_rises_with_volatility_takes_depth_away_too(
    small: Callable[..., Scenario],
) -> None:
    market, before = crash(small, makers={"margin": 3.0})
    without, _ = crash(small)
    assert market.venue.depth("btc") - 2e5 < 0.8 * (without.venue.depth("btc") - 2e5)
    assert before["btc"] > market.venue.depth("btc")


def test_where_capital_does_not_bind_depth_is_as_at_the_start(
    small: Callable[..., Scenario],
) -> None:
    market, before = crash(small, switches={"makers_capital_binds": False})
    assert market.venue.depth("btc") == pytest.approx(before["btc"], rel=0.02)
    assert market.venue.depth("eth") == pytest.approx(before["eth"], rel=0.05)


def test_makers_unwind_at_the_price_without_the_passing_impact(
    small: Callable[..., Scenario],
) -> None:
    market, agent = opened(
        small, assets={"process": "constant", "permanent": 0.3}, least_volatility=0.8, unwind=700.0
    )
    agent.trade_outside("eth", "usdc", 1000.0)
    market.run(1)
    taken = market.ledger.balance("makers-0", "eth") - 500.0
    spent = 4e6 - market.ledger.balance("makers-0", "usdc")
    part = -math.expm1(-700.0 * 12.0 / 86_400.0)
    lasting = math.exp(float(market.ledger.books.storage[0]))  # what stays of the impact
    assert 0.9 < lasting < 1.0
    market.run(1)
    assert market.ledger.balance("makers-0", "eth") - 500.0 == pytest.approx(taken * (1.0 - part))
    got = market.ledger.balance("makers-0", "usdc") - 4e6 + spent
    assert got == pytest.approx(taken * part * 2000.0 * lasting)


def test_outside_funding_brings_capital_back(small: Callable[..., Scenario]) -> None:
    def capital(recovery: float) -> float:
        market, _ = crash(small, makers={"recovery": recovery})
        market.run(200)
        return float(market.cohorts["makers"].numbers("capital").mean())

    without, with_it = capital(0.0), capital(1000.0)
    assert without < 0.97 * CAPITAL
    assert with_it == pytest.approx(CAPITAL, rel=1e-3)


def test_depth_falls_at_once_and_returns_slowly(small: Callable[..., Scenario]) -> None:
    market, _ = crash(small, makers={"recovery": 1e5, "rebuild": 10.0})
    shown = market.cohorts["makers"].numbers("shown")
    assert (shown < 0.97 * CAPITAL).all()  # though the capital is back
    assert market.cohorts["makers"].numbers("capital") == pytest.approx(CAPITAL, rel=1e-3)
    market.run(2000)
    assert (market.cohorts["makers"].numbers("shown") > shown).all()


def test_makers_that_lose_make_the_next_sale_move_more(small: Callable[..., Scenario]) -> None:
    """The spiral of Brunnermeier, Pedersen (2009): the same sales, with and without the switch."""

    def low(binds: bool) -> float:
        sales = [
            {"kind": "whale_sale", "token": "eth", "amount": 400.0, "target": "venue", "block": b}
            for b in range(3, 43, 4)
        ]
        venue = {"assets": {n: a | {"process": "constant"} for n, a in ASSETS.items()}}
        market = Market(
            small(
                venue=venue,
                agents={"makers": MAKERS | {"least_volatility": 0.8, "margin": 3.0}},
                shocks=sales,
                switches={"makers_capital_binds": binds},
            ),
            rng=1,
        )
        return market.run(45).venue.price("eth")

    assert low(True) < low(False) - 10.0


def test_makers_that_stop_show_nothing(small: Callable[..., Scenario]) -> None:
    stop = {"kind": "agents_stop", "agents": "makers", "block": 5, "blocks": 10}
    venue = {"assets": {n: a | {"process": "constant"} for n, a in ASSETS.items()}}
    market = Market(small(venue=venue, agents={"makers": MAKERS}, shocks=[stop]), rng=1)
    shown = market.run(4).venue.depth("eth")
    assert shown > 2e5
    assert market.run(1).venue.depth("eth") == shown  # what they quoted in the block before
    for _ in range(9):
        assert market.run(1).venue.depth("eth") == pytest.approx(1e5)
    market.run(2)
    assert market.venue.depth("eth") == pytest.approx(shown)


def test_a_group_without_makers_adds_no_quotes(small: Callable[..., Scenario]) -> None:
    assert Market(small(), rng=1).world.quotes.size == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"assets": {"etc": 1.0}}, "agents.makers.assets.etc"),
        ({"assets": {}}, "agents.makers.assets"),
        ({"count": 251}, "agents.makers.count"),
        ({"risk_aversion": 0.0}, "agents.makers.risk_aversion"),
    ],
)
def test_what_makes_no_sense_is_told(
    small: Callable[..., Scenario], change: dict[str, Any], field: str
) -> None:
    with pytest.raises(ScenarioError) as error:
        makers = {**MAKERS, **change}
        content = small(venue={"assets": ASSETS}).model_dump(mode="json")
        Scenario.from_dict(content | {"agents": {"makers": makers}})
    assert [at for at, _ in error.value.problems] == [field]


def test_two_groups_quote_beside_each_other(small: Callable[..., Scenario]) -> None:
    others = MAKERS | {"count": 2, "assets": {"btc": 1.0}}
    setup = small(venue={"assets": ASSETS}, agents={"makers": MAKERS, "others": others})
    market = Market(setup, rng=2).run(20)
    assert first_quote(setup, "others") == 6
    accounts = market.world.quotes["account"]
    assert (accounts[6:] == market.cohorts["others"].accounts()).all()
    assert (np.sort(np.unique(accounts)) == np.unique(accounts)).all()
    market.ledger.audit()
