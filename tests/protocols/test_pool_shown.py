"""What is shown of pools."""

from __future__ import annotations

from protocols.pool_shown import PoolsShown
from sim import Market, Scenario
from sim.shown import PRICES
from tests.science.test_everybody import MORE

SHOWN = PoolsShown()


def test_only_pools_that_can_be_in_balance_have_charts_of_it() -> None:
    setup = Scenario.from_dict(MORE)
    curves = {name for name, pool in setup.pools.items() if pool.kind == "bonding_curve"}
    assert curves
    for chart in SHOWN.charts(setup):
        assert set(chart.lines) == set(setup.pools) - curves


def test_a_scenario_without_pools_shows_none(small: object) -> None:
    content = Scenario.load("calm").to_dict()
    content["pools"], content["agents"], content["shocks"] = {}, {}, []
    setup = Scenario.from_dict(content)
    assert SHOWN.charts(setup) == [] and SHOWN.sections(setup) == {} and SHOWN.nodes(setup) == []


def test_prices_are_those_in_the_numeraire() -> None:
    setup = Scenario.load("calm")
    assert set(SHOWN.prices(setup, "eth")) == {f"pool {name}" for name in setup.pools}
    assert SHOWN.prices(setup, "usdc") == {}
    assert list(SHOWN.sections(setup)) == [PRICES]


def test_a_line_of_the_summary_needs_an_imbalance() -> None:
    figures = SHOWN.figures(Market("calm", rng=1))["pools"]
    assert figures["eth-usdc"]["volume"] == 0.0
    known = {"largest_imbalance": 0.1, "volume": 2e6, "fees": 6e3, "provider_return": None}
    unknown = known | {"largest_imbalance": None}
    rows = SHOWN.rows({"numeraire": "usdc", "pools": {"a": known, "b": unknown}})
    text = "largest imbalance +10.00 %, swapped 2M usdc, fees 6k usdc"
    assert rows == [("Pool a", text)]  # nobody says what is no number
