"""What a scenario says of pools, kind by kind, and the order in which they are funded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from protocols.concentrated import ConcentratedSettings
from protocols.pool import POOL
from protocols.pool_settings import OwnPoolSettings, PoolSettings, order_of_funding
from protocols.weighted import WeightedSettings
from sim import Scenario
from sim.errors import ScenarioError
from tests.conftest import BASE, merged
from tests.fuzz.pools import PowerPool
from tests.sim.scenario import assert_answered, problems


def pool(**fields: Any) -> dict[str, Any]:
    return {"pools": {"eth-usdc": fields}}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"pools": {"eth-usdc": {"fee": 1.5}}}, "pools.eth-usdc.fee", "1.5 is out of range"),
        (
            {"pools": {"eth-usdc": {"reserves": {"eth": -1.0}}}},
            "pools.eth-usdc.reserves.eth",
            "-1.0 is out of range; give a number above 0",
        ),
        (
            {"pools": {"eth-usdc": {"reserves": {"eth": 2e203}}}},
            "pools.eth-usdc.reserves.eth",
            "1e+18",
        ),
        (
            {"pools": {"eth-usdc": {"reserves": {"eth": 1e-300}}}},
            "pools.eth-usdc.reserves.eth",
            "1e-18",
        ),
        (pool(kind="wieghted"), "pools.eth-usdc.kind", "did you mean 'weighted'"),
        (pool(kind="nowhere:Pool"), "pools.eth-usdc.kind", "cannot be imported"),
        (pool(kind="pandas:DataFrame"), "pools.eth-usdc.kind", "is no kind of pool"),
        (pool(kind=3), "pools.eth-usdc.kind", "should be a valid string"),
        (
            pool(amplification=50.0),
            "pools.eth-usdc.amplification",
            "is of a stableswap pool; this one is constant_product",
        ),
        (
            pool(kind="concentrated", moves_until=5),
            "pools.eth-usdc.moves_until",
            "is of a weighted or stableswap pool; this one is concentrated",
        ),
        (
            pool(kind="weighted", wieghts={"eth": 1.0, "usdc": 2.0}),
            "pools.eth-usdc.wieghts",
            "did you mean 'weights'",
        ),
        (
            pool(kind="concentrated", ranges=[{"lowr": 0.5, "upper": 2.0}]),
            "pools.eth-usdc.ranges.0.lowr",
            "did you mean 'lower'",
        ),
        (
            pool(kind="concentrated", ranges=[{"lower": 2.0, "upper": 0.5}]),
            "pools.eth-usdc.ranges.0.upper",
            "is not above lower (2)",
        ),
        (pool(breaker={"movee": 0.1}), "pools.eth-usdc.breaker.movee", "did you mean 'move'"),
        (pool(kind="weighted", weights={"eth": 1.0}), "pools.eth-usdc.weights", "must be of eth"),
        (pool(kind="weighted", moves_until=9), "pools.eth-usdc.moves_until", "target_weights"),
        (
            pool(kind="stableswap", target_amplification=10.0),
            "pools.eth-usdc.moves_until",
            "is not after moves_from (0)",
        ),
        (pool(kind="stableswap", rates={"btc": 1.0}), "pools.eth-usdc.rates", "must be of eth"),
        (pool(kind="bonding_curve"), "pools.eth-usdc.supply", "is missing"),
        (pool(parameters={"q": 0.5}), "pools.eth-usdc.parameters", "is of a module:Class pool"),
        (
            pool(kind="tests.fuzz.pools:PowerPool", parameters={"p": 0.5}),
            "pools.eth-usdc.parameters.p",
            "no such parameter",
        ),
        (
            {"pools": {"x": {"tokens": ["eth", "doge"], "reserves": {"eth": 1.0, "doge": 1.0}}}},
            "pools.x.tokens",
            "unknown token 'doge'",
        ),
        (
            {"shocks": [{"kind": "pool_halt", "pool": "eth-usd", "block": 1, "blocks": 2}]},
            "shocks.0.pool",
            "unknown pool 'eth-usd'; did you mean 'eth-usdc'",
        ),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)


def test_all_that_is_wrong_with_a_pool_is_told_together() -> None:
    found = problems(pool(kind="weighted", fee=2.0, amplification=3.0, colour="red"))
    assert set(found) == {f"pools.eth-usdc.{name}" for name in ("fee", "amplification", "colour")}


def test_each_kind_has_its_own_settings() -> None:
    setup = Scenario.load("interconnected")
    assert isinstance(setup.pools["eth-usdc"], ConcentratedSettings)
    assert isinstance(setup.pools["index"], WeightedSettings)
    said = setup.to_dict()["pools"]
    assert "tick_spacing" in said["eth-usdc"] and "tick_spacing" not in said["index"]
    own = {"kind": "tests.fuzz.pools:PowerPool", "parameters": {"q": 0.3}}
    changed = Scenario.from_dict(merged(BASE, pool(**own)))
    assert isinstance(changed.pools["eth-usdc"], OwnPoolSettings)
    assert Scenario.from_dict(changed.to_dict()) == changed


class OddSettings(PoolSettings):
    """A pool that has a number of its own beside those of all pools."""

    power: float = 0.5

    def write(self, record: Any, pools: Mapping[str, PoolSettings]) -> None:
        record["parameters"][0] = self.power


class Odd(PowerPool):
    """A kind from elsewhere that brings its settings."""

    Settings = OddSettings


def test_a_kind_from_elsewhere_may_bring_settings_of_its_own() -> None:
    own = {"kind": f"{__name__}:Odd", "power": 0.25}
    setup = Scenario.from_dict(merged(BASE, pool(**own)))
    assert Scenario.from_dict(setup.to_dict()) == setup
    record = np.zeros(1, POOL)[0]
    setup.pools["eth-usdc"].write(record, setup.pools)
    assert record["parameters"][0] == 0.25
    assert_answered(pool(**own, fees=0.1), "pools.eth-usdc.fees", "did you mean 'fee'")
    assert_answered(pool(**own | {"power": "x"}), "pools.eth-usdc.power", "valid number")


def test_a_default_of_another_kind_says_nothing() -> None:
    # As in files that were written when all kinds' fields stood in one table.
    spelt = {"tick_spacing": 60, "amplification": 100.0, "ranges": [], "parameters": {}}
    assert Scenario.from_dict(merged(BASE, pool(**spelt))) == Scenario.from_dict(BASE)


def test_the_kind_of_a_pool_can_be_changed_unless_it_says_what_the_other_has_not() -> None:
    setup = Scenario.load("interconnected")
    changed = setup.override({"pools.eth-dai.kind": "weighted"})
    assert isinstance(changed.pools["eth-dai"], WeightedSettings)
    again = changed.override({"pools.eth-dai.kind": "constant_product"})
    assert again == setup
    with pytest.raises(ScenarioError, match=r"amplification: is of a stableswap pool"):
        setup.override({"pools.stable.kind": "weighted"})


def test_pools_are_funded_in_an_order_whatever_holds_what() -> None:
    pools = {
        f"p{i}": {
            "tokens": ["usdc", f"p{i + 1}-share" if i < 300 else "eth"],
            "reserves": {"usdc": 1.0, f"p{i + 1}-share" if i < 300 else "eth": 1.0},
        }
        for i in range(301)
    }
    setup = Scenario.from_dict(merged(BASE, {"pools": pools}))
    assert order_of_funding(setup)[:2] == ["eth-usdc", "p300"]
    assert order_of_funding(setup)[-1] == "p0"
