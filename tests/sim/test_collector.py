"""Mesa's DataCollector, over columns."""

from __future__ import annotations

import math
from collections.abc import Callable

import mesa
import numpy as np
import pandas as pd
import pytest

from agents import MarketAgent
from sim import Market, Scenario
from sim.collector import ByStep


def test_it_is_mesas_and_answers_as_mesas(small: Callable[..., Scenario]) -> None:
    market = Market(small(measures={"keep": ["gas.used", "venue.*"]}), rng=1).run(3)
    collector = market.datacollector
    assert isinstance(collector, mesa.DataCollector)
    frame = collector.get_model_vars_dataframe()
    assert frame["block"].tolist() == [1, 2, 3]
    assert collector.model_vars["venue.eth.price"] == frame["venue.eth.price"].tolist()
    assert list(collector.model_reporters) == list(frame)[1:]


def test_collect_adds_a_row_by_hand(small: Callable[..., Scenario]) -> None:
    market = Market(small(measures={"every": 10}), rng=1)
    market.datacollector.collect(market)
    market.run(10)
    assert market.datacollector.get_model_vars_dataframe()["block"].tolist() == [0, 10]


def test_nothing_collected_is_an_empty_frame(small: Callable[..., Scenario]) -> None:
    frame = Market(small(), rng=1).datacollector.get_model_vars_dataframe()
    assert frame.empty
    assert "gas.price" in frame


def test_drained_rows_are_given_up(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1).run(5)
    assert list(market.datacollector.drain()[:, 0]) == [1, 2, 3, 4, 5]
    assert len(market.datacollector.drain()) == 0
    market.run(2)
    assert list(market.datacollector.get_model_vars_dataframe()["block"]) == [6, 7]


def test_what_reporters_said_is_drained_beside(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1, reporters={"twice": lambda m: 2.0 * m.block})
    for _ in range(3):
        market.step()
    rows = market.datacollector.drain()
    assert list(rows[:, -1]) == [2.0, 4.0, 6.0]
    assert rows.shape[1] == 1 + len(market.datacollector.model_reporters)
    assert market.datacollector.get_model_vars_dataframe().empty


# As Mesa's users do


def test_batch_run_takes_a_market(small: Callable[..., Scenario]) -> None:
    setup = small(blocks=20, measures={"every": 5, "keep": ["venue.*", "gas.used"]})
    runs = mesa.batch_run(
        Market,
        {"setup": [setup], "rng": [1, 2]},
        max_steps=9,
        data_collection_period=1,
        display_progress=False,
    )
    frame = pd.DataFrame(runs)
    assert frame["RunId"].nunique() == 2
    alone = Market(setup, rng=1).run(10).results.frame.set_index("block")
    # Mesa 3.5 takes seeds beside the parameters: there all runs have the scenario's, which is 1.
    one = frame[(frame["RunId"] == 0) & frame["block"].notna()]
    assert 5 in set(one["block"]) <= {5, 10}  # Mesa 3.3 makes one step more
    assert (one["block"] <= one["Step"] + 1).all()
    kept = alone.loc[one["block"].astype(int), "venue.eth.price"]
    assert one["venue.eth.price"].tolist() == kept.tolist()
    early = frame[frame["Step"] < 4]
    assert early["block"].isna().all()  # nothing was collected yet


def test_batch_run_ends_with_the_scenario(small: Callable[..., Scenario]) -> None:
    runs = mesa.batch_run(Market, {"setup": [small(blocks=7)]}, display_progress=False)
    (row,) = runs
    assert row["block"] == 7 and row["Step"] in (6, 7)  # Mesa 3.3 counts steps from 0
    market = Market(small(blocks=7), rng=1)
    market.run_model()
    assert market.block == 7 and not market.running


def test_a_scenario_that_batch_run_would_take_apart_is_answered(
    small: Callable[..., Scenario],
) -> None:
    with pytest.raises(ValueError, match="so put a Scenario into a list"):
        mesa.batch_run(Market, {"setup": small()}, display_progress=False)
    with pytest.raises(ValueError, match="int is not a scenario"):
        Market(7)  # type: ignore[arg-type]


def test_agent_reporters_ask_every_agent_at_each_row(lively: Callable[..., Scenario]) -> None:
    reporters = {"wealth": "wealth", "name": lambda agent: agent.name}
    setup = lively(measures={"every": 2})
    market = Market(setup, rng=1, agent_reporters=reporters).run(4)
    frame = market.datacollector.get_agent_vars_dataframe()
    assert frame.index.names == ["Step", "AgentID"]
    assert sorted(set(frame.index.get_level_values("Step"))) == [2, 4]
    assert len(frame) == 2 * len(market.agents)
    agent = next(iter(market.agents))
    assert frame.loc[(4, agent.unique_id), "wealth"] == market.wealth(agent.name)
    # Asking changes nothing.
    alone = Market(setup, rng=1).run(4).datacollector.table
    assert alone.tobytes() == market.datacollector.table.tobytes()


def test_batch_run_has_agents_of_the_same_block_as_measures(
    lively: Callable[..., Scenario],
) -> None:
    asked = {"name": "name", "wealth": "wealth"}
    parameters = {"setup": [lively()], "rng": [1], "agent_reporters": [asked]}
    runs = mesa.batch_run(Market, parameters, max_steps=2, display_progress=False)
    market = Market(lively(), rng=1).run(3)
    assert len(runs) == len(market.agents)
    (block,) = {row["block"] for row in runs}
    assert block in (2, 3)
    again = Market(lively(), rng=1, agent_reporters=asked).run(block).datacollector
    wealth = again.get_agent_vars_dataframe().loc[block, "wealth"]
    assert {row["AgentID"]: row["wealth"] for row in runs} == wealth.to_dict()
    assert {row["name"] for row in runs} == {agent.name for agent in market.agents}


def test_reporters_by_class_ask_that_class_alone(lively: Callable[..., Scenario]) -> None:
    class Idle(MarketAgent):
        """Holds what it has."""

        def step(self) -> None:
            """Do nothing."""

    market = Market(lively(), rng=1, agenttype_reporters={Idle: {"usdc": lambda a: a.wallet}})
    Idle(market, {"usdc": 5.0})
    market.run(2)
    frame = market.datacollector.get_agenttype_vars_dataframe(Idle)
    assert frame["usdc"].tolist() == [{"usdc": 5.0}] * 2


def test_reporters_have_all_of_mesas_forms(small: Callable[..., Scenario]) -> None:
    reporters = {
        "twice": lambda m: 2 * m.block,
        "there": "numeraire",
        "sum": [lambda a, b: a + b, [1, 2]],
    }
    frame = Market(small(), rng=1, reporters=reporters).run(2).results.frame
    assert frame["twice"].tolist() == [2, 4]
    assert frame["there"].tolist() == ["usdc"] * 2 and frame["sum"].tolist() == [3, 3]


def test_a_name_of_nothing_is_answered(lively: Callable[..., Scenario]) -> None:
    with pytest.raises(AttributeError, match="a market has no 'blok'; did you mean 'block'"):
        Market(lively(), reporters={"x": "blok"})
    with pytest.raises(TypeError, match="int is no function of a market"):
        Market(lively(), reporters={"x": 3})
    market = Market(lively(), agent_reporters={"x": "welth"})
    with pytest.raises(AttributeError, match="no agent has an attribute 'welth'; did you mean"):
        market.run(1)


def test_tables_are_filled_by_scripts(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1, tables={"trades": ["block", "gain"]})
    market.datacollector.add_table_row("trades", {"block": 3, "gain": 1.5})
    assert market.datacollector.get_table_dataframe("trades")["gain"].tolist() == [1.5]
    with pytest.raises(KeyError, match="no table called 'trade'; did you mean 'trades'"):
        market.datacollector.get_table_dataframe("trade")


def test_what_nobody_has_asked_for_is_said(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1).run(1)
    with pytest.raises(ValueError, match="agent_reporters="):
        market.datacollector.get_agent_vars_dataframe()
    with pytest.raises(TypeError, match="give Market"):
        market.datacollector = mesa.DataCollector()  # type: ignore[assignment]


def test_agents_can_be_chosen_and_summed(lively: Callable[..., Scenario]) -> None:
    market = Market(lively(), rng=1).run(2)
    rich = market.agents.select(lambda a: a.wealth > 40_000.0)
    assert 0 < len(rich) < len(market.agents)
    kinds = market.agents.groupby(type).count()
    assert sum(kinds.values()) == len(market.agents)
    total = market.agents.agg("wealth", sum)
    groups = sum(market.results[f"wealth.{name}"].iloc[-1] for name in market.cohorts)
    assert total == pytest.approx(groups)
    with pytest.raises(AttributeError, match=r"has no 'leverag'.*agent_type="):
        market.agents.get("leverag")


def test_steps_of_compiled_agents_are_not_called_one_by_one(
    lively: Callable[..., Scenario],
) -> None:
    market = Market(lively(), rng=1)
    with pytest.raises(RuntimeError, match=r"decide together, in market.step\(\)"):
        market.agents.shuffle_do("step")
    borrower = next(a for a in market.agents if "borrowers" in a.name)
    assert borrower.step == borrower.cohort.number(borrower.row, "step")
    with pytest.raises(RuntimeError, match="decide together"):
        borrower.step()


def test_values_by_step_are_those_of_the_last_row() -> None:
    values = ByStep([10.0, 20.0], np.array([2, 5]), 6)
    assert math.isnan(values[0])
    assert [*values][1:] == [10.0, 10.0, 10.0, 20.0, 20.0]
    assert values[-1] == 20.0 and values[1:3] == [10.0, 10.0] and len(values) == 6
    with pytest.raises(IndexError, match="no step 6"):
        values[6]
