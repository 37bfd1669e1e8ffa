"""What strikes, and its twin: stated shocks, and groups that act."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runs.contagion import Plan, attribute, loss_matrix
from runs.contagion.strikes import FOREVER, striking
from sim import Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
FALL = {"kind": "price_jump", "asset": "eth", "size": -0.2, "block": 5}
SURGE = {"kind": "gas_surge", "multiple": 3.0, "block": 9, "blocks": 4}
ACT = {"kind": "agents_act", "agents": "whale", "block": 7}


@pytest.fixture
def market(small: Make) -> Scenario:
    """A whale that sells ether into a pool, and nobody else."""
    whale = {
        "kind": "whale", "count": 1, "pools": ["eth-usdc"], "whole": 50.0, "start": 8,
        "horizon": 10, "slippage": 1.0, "wallet": {"eth": 60.0},
    }  # fmt: skip
    return small(agents={"whale": whale}, shocks=[SURGE], blocks=30)


def test_the_scenarios_own_strike_it_alone_or_both(market: Scenario) -> None:
    alone = striking(market, None)
    assert [s["kind"] for s in alone.whole] == ["gas_surge"] and alone.twin == []
    assert alone.block == 9
    both = striking(market, [FALL])
    assert [s["kind"] for s in both.whole] == ["gas_surge", "price_jump"]
    assert [s["kind"] for s in both.twin] == ["gas_surge"] and both.block == 5


def test_a_group_that_acts_is_stopped_in_the_twin(market: Scenario) -> None:
    found = striking(market, [ACT, FALL])
    assert [s["kind"] for s in found.whole] == ["gas_surge", "price_jump"]
    assert found.twin[-1] == {
        "kind": "agents_stop", "agents": "whale", "block": 7, "blocks": FOREVER,
    }  # fmt: skip
    assert found.block == 5 and found.struck == [ACT, FALL]


def test_what_the_whale_induces_is_the_market_less_that_without_it(market: Scenario) -> None:
    lost = {"price": "-last(pool.eth-usdc.price)"}
    plan = Plan(seeds=2)
    matrix = loss_matrix(market, {"whale": ACT, "fall": {**FALL, "size": 0.0}}, lost, plan).induced
    assert (matrix["whale"]["price"] > 0.0).all(), "its sale moves the pool down"
    assert (matrix["fall"]["price"] == 0.0).all(), "nothing strikes, and the whale sells in both"
    shares = attribute(market, ["pool:eth-usdc"], lost, [ACT], plan=plan)
    # With the pool halted nothing is sold: it carries all of it.
    assert shares.by_seed("price")["pool:eth-usdc"] == pytest.approx(matrix["whale"]["price"])


@pytest.mark.parametrize(
    ("shocks", "word"),
    [
        ([], "there are none"),
        ([{**ACT, "agents": "whales"}], "no group 'whales'"),
        ([{**ACT, "size": 1.0}], "knows agents, block and at"),
        ([{"kind": "agents_act", "agents": "whale"}], "block"),
    ],
)
def test_what_makes_no_sense_is_told(market: Scenario, shocks: list[Any], word: str) -> None:
    with pytest.raises(ScenarioError, match=word):
        striking(market, shocks)
