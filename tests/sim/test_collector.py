"""Mesa's DataCollector, over columns."""

from __future__ import annotations

from collections.abc import Callable

import mesa

from sim import Market, Scenario


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
