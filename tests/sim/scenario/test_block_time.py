"""The same scenario with another time between blocks."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

import agents
from agents.base import Behaviour
from sim import Market, Scenario
from sim.errors import ScenarioError
from sim.scenario.block_time import (
    AS_IT_IS,
    CHANCE,
    KEPT,
    PERIOD,
    RATE,
    SLOPE,
    SPREAD,
    dimension_of_column,
    dimension_of_field,
    rescaled,
)

OURS = ("sim", "agents", "protocols")
NOT_OF_BLOCKS = {("Switches", "gas_binds"), ("BlockSettings", "seconds")}


def below(base: type) -> Iterator[type]:
    for child in base.__subclasses__():
        if child.__module__.split(".")[0] in OURS:
            yield child
        yield from below(child)


def test_all_that_speaks_of_blocks_is_told_apart() -> None:
    """Who adds a field or a column that counts blocks says what becomes of it."""
    Scenario.load("everything")
    columns = {}
    for behaviour in below(Behaviour):
        for name, column in behaviour.columns.items():  # type: ignore[attr-defined]
            if not column.state and "block" in f"{column.unit} {column.doc}".lower():
                columns[name, column.unit] = dimension_of_column(name, column)
    assert len(columns) >= 25 and None not in columns.values(), columns
    times = {name for (name, unit), d in columns.items() if d == PERIOD}
    assert {"patience", "latency", "horizon", "wait"} <= times
    assert columns["attention", "share"] == CHANCE and columns["rate", "per block"] == RATE
    assert columns["keep", "share"] == KEPT and columns["noise", "mood a block"] == SPREAD
    for model in below(BaseModel):
        for name, field in model.model_fields.items():  # type: ignore[attr-defined]
            if "block" in (field.description or "").lower():
                found = dimension_of_field(model, name, field)
                kind = (model.__name__.lstrip("_").removeprefix("Own"), name)
                assert found is not None or kind in NOT_OF_BLOCKS, (model, name)


def test_no_field_became_another_by_the_words_of_its_description() -> None:
    """A description that was edited once turned a fee into a period: what each is stands here."""
    Scenario.load("everything")
    found = {}
    for model in below(BaseModel):
        for name, field in model.model_fields.items():  # type: ignore[attr-defined]
            dimension = dimension_of_field(model, name, field)  # type: ignore[arg-type]
            if dimension is not None and model.__module__.split(".")[0] in OURS:
                found[f"{model.__name__.lstrip('_').removeprefix('Own')}.{name}"] = dimension
    listed = Path(__file__).with_name("block_times.json").read_text(encoding="utf-8")
    assert found == json.loads(listed)


def test_what_speaks_of_blocks_and_is_no_time() -> None:
    ships = Scenario.load("bazaar")
    tipped = ships.override({"block.priority_fee": 2.0})
    halved = tipped.at_block_time(ships.block.seconds / 2.0)
    assert halved.block.priority_fee == 2.0  # gwei
    moved = [
        (p.volatility_fee, halved.pools[name].volatility_fee) for name, p in ships.pools.items()
    ]
    assert any(before > 0.0 for before, _ in moved)
    # Per unit of a block's deviation, which is smaller by the root.
    assert [after for _, after in moved] == pytest.approx([2.0**0.5 * b for b, _ in moved])


def test_no_agent_remembers_for_a_fixed_number_of_blocks() -> None:
    """What is left after a block follows from a column, which another block time changes.

    A constant did, and a study's runs on withdrawals grew with the time between blocks.
    """
    for file in Path(agents.__file__).parent.glob("*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                calls = [ast.unparse(n) for n in ast.walk(node.value) if isinstance(n, ast.Call)]
                assert not [c for c in calls if c.startswith("math.exp(-")], file.name


@pytest.mark.parametrize(
    ("value", "dimension", "two", "four"),
    [
        (10.0, PERIOD, 20.0, 40.0),
        (0.19, CHANCE, 0.1, 0.0513167),
        (1.0, CHANCE, 1.0, 1.0),
        (0.81, KEPT, 0.9, 0.9486833),
        (30.0, RATE, 15.0, 7.5),
        (4.0, SPREAD, 2.828427, 2.0),
        (4.0, SLOPE, 5.656854, 8.0),
        (7.0, AS_IT_IS, 7.0, 7.0),
    ],
)
def test_numbers_with_twice_and_four_times_the_blocks(
    value: float, dimension: str, two: float, four: float
) -> None:
    assert rescaled(value, dimension, 2.0) == pytest.approx(two)
    assert rescaled(value, dimension, 4.0) == pytest.approx(four)
    assert rescaled(rescaled(value, dimension, 2.0), dimension, 0.5) == pytest.approx(value)


@pytest.mark.parametrize("name", Scenario.names())
def test_every_shipped_scenario_takes_it_and_comes_back(name: str) -> None:
    ships = Scenario.load(name)
    halved = ships.at_block_time(ships.block.seconds / 2.0)
    assert halved.blocks == 2 * ships.blocks
    assert halved.block.gas_limit == pytest.approx(ships.block.gas_limit / 2.0)
    for before, after in zip(ships.shocks, halved.shocks, strict=True):
        assert after.at == before.at
        assert after.block == (None if before.block is None else 2 * before.block)
    back = halved.at_block_time(ships.block.seconds)
    assert back.blocks == ships.blocks and back.block.expiry == ships.block.expiry
    assert ships.at_block_time(ships.block.seconds) == ships


def test_settings_of_protocols_and_columns_of_agents_last_as_long() -> None:
    ships = Scenario.load("black_thursday")
    halved = ships.at_block_time(6.0)
    maker = halved.protocols["maker"].settings
    assert maker.bid_duration == 100 and maker.auction_length == 100  # type: ignore[attr-defined]
    assert halved.oracles["osm"].heartbeat == 600
    keepers = halved.agents["keepers"].columns
    assert keepers["patience"].value == 50.0  # type: ignore[union-attr]
    assert keepers["attention"].value == pytest.approx(1.0 - 0.5**0.5)  # type: ignore[union-attr]
    owners = halved.agents["owners"].columns["alarm"]
    assert owners.sigma == 1.2 and owners.median == pytest.approx(0.0025, rel=0.01)  # type: ignore[union-attr]


def test_as_much_happens_in_a_time() -> None:
    ships = Scenario.load("calm").override({"blocks": 600})
    both = []
    for scenario in (ships, ships.at_block_time(ships.block.seconds / 2.0)):
        swaps = [
            (Market(scenario, rng=seed).run().receipts()["kind"] == "swap").sum()
            for seed in (1, 2, 3)
        ]
        both.append(sum(swaps))
    assert both[1] == pytest.approx(both[0], rel=0.25) and both[0] > 500


def test_no_time_is_refused() -> None:
    with pytest.raises(ScenarioError, match="not a block time; give seconds above 0"):
        Scenario.load("calm").at_block_time(0.0)


def test_a_spread_of_draws_goes_as_what_is_drawn() -> None:
    normal = {
        "distribution": "normal",
        "mean": 100.0,
        "sd": 10.0,
        "at_least": 1.0,
        "at_most": 200.0,
    }
    ships = Scenario.load("calm").override({"agents.arbitrageurs.patience": normal})
    drawn = (
        ships.at_block_time(ships.block.seconds / 4.0).agents["arbitrageurs"].columns["patience"]
    )
    assert (drawn.mean, drawn.sd, drawn.at_least) == (400.0, 40.0, 4.0)  # type: ignore[union-attr]
