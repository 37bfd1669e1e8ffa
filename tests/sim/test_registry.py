"""Behaviours are found by name."""

from __future__ import annotations

import pytest

from agents import NoiseTrader
from sim.errors import ScenarioError
from sim.registry import behaviour, behaviours, register


def test_the_built_in_behaviours_are_there() -> None:
    kinds = "arbitrageur lender leveraged_borrower liquidator liquidity_provider noise_trader"
    assert set(kinds.split()) <= set(behaviours())
    assert behaviour("noise_trader") is NoiseTrader


def test_a_behaviour_may_be_anywhere() -> None:
    assert behaviour("agents.noise_trader:NoiseTrader") is NoiseTrader
    for kind, words in (
        ("agents.nowhere:X", "cannot be imported"),
        ("agents.noise_trader:Nobody", "cannot be imported"),
        ("pathlib:Path", "is not a Behaviour"),
        ("noisetrader", "did you mean 'noise_trader'"),
    ):
        with pytest.raises(ScenarioError, match=words):
            behaviour(kind)


def test_a_registered_behaviour_is_found() -> None:
    register("mine", NoiseTrader)
    assert behaviour("mine") is NoiseTrader


def test_every_column_says_what_it_is() -> None:
    for kind, found in behaviours().items():
        for name, column in found.columns.items():  # type: ignore[attr-defined]
            assert column.doc and column.unit, f"{kind}.{name}"
            assert column.low <= column.default <= column.high, f"{kind}.{name}"
