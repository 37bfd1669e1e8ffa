"""What is shown of insurance funds."""

from __future__ import annotations

from protocols.insurance_shown import InsuranceShown
from sim import Market, Scenario
from sim.shown import Watched
from tests.science.test_everybody import MORE


def test_a_fund_tells_what_it_has_covers_and_paid() -> None:
    market = Market(Scenario.from_dict(MORE), rng=3)
    shown = InsuranceShown()
    (fund,) = shown.nodes(market.setup)
    known = {f"insurance.{fund}.paid": 1500.0}
    seen = Watched(market, lambda name: known.get(name, 0.0), lambda name: market.world.values[:0])
    facts = dict(shown.facts(seen, fund))
    assert facts["paid"] == "1.5k usdc" and facts["claimed"] == "0 usdc"
    assert facts["covers"] == ", ".join(market.setup.insurance[fund].covers)
    measured = {m.name for m in market.measures}
    for chart in shown.history(market.setup, fund):
        assert measured >= set(chart.lines.values())
