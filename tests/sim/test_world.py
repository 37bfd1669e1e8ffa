"""The world's arrays are what its fields say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim import Market, Scenario
from sim.codes import Kind
from sim.records import KINDS
from sim.world import World


def test_there_is_room_for_every_kind_of_call() -> None:
    assert max(Kind) < KINDS


def test_every_field_is_annotated_and_filled(small: Callable[..., Scenario]) -> None:
    world = Market(small(), rng=1).world
    assert set(World.fields) == set(World.__annotations__) - {"fields"}
    for name in World.fields:
        value = getattr(world, name)
        assert name == "books" or isinstance(value, np.ndarray)
