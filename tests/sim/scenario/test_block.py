"""The block's settings."""

from __future__ import annotations

from sim.codes import Kind
from sim.scenario.block import GasCosts


def test_every_kind_of_call_says_what_gas_it_takes() -> None:
    # A protocol that declares itself says so of each of its own calls.
    kinds = {kind.name.lower() for kind in Kind if kind is not Kind.PROTOCOL}
    assert set(GasCosts.model_fields) == kinds
