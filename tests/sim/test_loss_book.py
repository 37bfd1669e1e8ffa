"""The account of losses as a person holds it: who is in it, and from when."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocols.custom import CustomProtocol
from sim import Market, Scenario
from sim.losses import CAUSES, TOTAL
from tests.protocols.test_default import Actor


def test_everybody_on_the_balance_sheets_is_in_it(small: Callable[..., Scenario]) -> None:
    market = Market(small(measures={"losses": True}), rng=1)
    Actor(market, {"eth": 1.0})
    market.run(2)
    frame = market.losses()
    assert list(frame.columns) == ["entity", "kind", TOTAL, *CAUSES]
    assert frame["entity"].tolist() == market.balance_sheets()["entity"].tolist()
    assert frame[TOTAL].abs().max() < 1e-6


def test_who_joins_late_is_counted_from_there(small: Callable[..., Scenario]) -> None:
    """A wallet that comes from outside is nobody's gain, and what came before nobody's loss."""
    market = Market(small(measures={"losses": True}), rng=1)
    Actor(market, {"eth": 10.0}, b1=lambda a: a.swap("eth-usdc", "eth", 10.0))
    market.run(3)
    before = market.losses().set_index("entity")

    class Late(Actor):
        """A group of its own."""

    Late(market, {"eth": 5.0, "usdc": 100.0}, b5=lambda a: a.deposit("bank", "usdc", 100.0))
    Actor(market, {"usdc": 500.0})
    market.run(3)
    after = market.losses().set_index("entity")
    assert after.loc["Late", TOTAL] == pytest.approx(0.0, abs=1e-6)
    for cause in CAUSES:
        gap = after.loc["Actor", cause] - before.loc["Actor", cause]
        assert gap == pytest.approx(0.0, abs=1e-6), cause
    assert after.loc["Actor", "fees"] == pytest.approx(-60.0, rel=1e-9)


def test_a_protocol_that_joins_is_an_entity(small: Callable[..., Scenario]) -> None:
    market = Market(small(measures={"losses": True}), rng=1)
    market.run(1)
    market.add_protocol(CustomProtocol("box"))
    market.run(1)
    frame = market.losses().set_index("entity")
    assert frame.loc["box", TOTAL] == 0.0


def test_a_new_start_forgets_what_was_lost(small: Callable[..., Scenario]) -> None:
    market = Market(small(measures={"losses": True}), rng=1)
    Actor(market, {"eth": 10.0}, b1=lambda a: a.swap("eth-usdc", "eth", 10.0))
    market.run(2)
    assert market.losses().set_index("entity").loc["Actor", TOTAL] < -200.0
    market.note_start()
    market.run(1)
    assert market.losses()[TOTAL].abs().max() < 1e-6


def test_without_the_account_totals_are_told_of_groups(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1)
    Actor(market, {"eth": 10.0}, b1=lambda a: a.swap("eth-usdc", "eth", 10.0))
    market.run(2)
    frame = market.losses().set_index("entity")
    assert frame.loc["Actor", TOTAL] == pytest.approx(-256.839312, rel=1e-6)
    assert frame[CAUSES].isna().all(axis=None)
    assert "eth-usdc" not in frame.index
