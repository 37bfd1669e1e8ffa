"""Records of what every market has lie as kernels and caches want them."""

from __future__ import annotations

from sim.codes import Kind, Phase
from sim.records import CALL, KINDS, PHASES, RULES


def test_there_is_room_for_every_kind_and_phase() -> None:
    assert max(Kind) < KINDS and RULES["gas_cost"].shape == (KINDS,)
    assert max(Phase) < PHASES and RULES["phases"].shape == (PHASES,)


def test_a_call_lies_on_natural_boundaries() -> None:
    assert CALL.fields is not None
    for dtype, offset, *_ in CALL.fields.values():
        assert offset % dtype.itemsize == 0
    assert CALL.itemsize % 8 == 0
