"""What is shown of oracles."""

from __future__ import annotations

import math

from protocols.oracle_shown import OraclesShown
from sim import Market
from sim.shown import Watched

SHOWN = OraclesShown()


def test_an_oracle_that_is_off_is_in_distress() -> None:
    market = Market("calm", rng=1)
    seen = Watched(market, lambda name: math.nan, lambda name: market.world.values[:0])
    assert SHOWN.state(seen, "oracle:eth", 0.0).distress < 0.1
    market.oracles["eth"].record["price"] *= 1.02
    state = SHOWN.state(seen, "oracle:eth", 0.0)
    assert 0.3 < state.distress < 0.5 and "+2" in state.about
    market.oracles["eth"].record["frozen_until"] = 100
    assert SHOWN.state(seen, "oracle:eth", 0.0)[1:3] == (1.0, "frozen")
    assert ("publishes", "nothing") in SHOWN.facts(seen, "oracle:eth")


def test_its_history_stands_beside_the_outside_price() -> None:
    setup = Market("calm", rng=1).setup
    (chart,) = SHOWN.history(setup, "oracle:eth")
    assert list(chart.lines.values()) == ["oracle.eth.price", "venue.eth.price"]
    assert SHOWN.prices(setup, "eth") == {"oracle eth": "oracle.eth.price"}
    assert SHOWN.cuts(setup)["oracle eth"] == ("oracle_freeze", "eth")
