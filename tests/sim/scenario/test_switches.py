"""Switches: each brought by the market or one of its parts."""

from __future__ import annotations

import pickle
from typing import get_args

from sim.parts import sections
from sim.scenario import Mechanism, Switches
from sim.scenario.switches import FROM_THE_START
from tests.sim.scenario import assert_answered


def test_parts_bring_switches_of_their_own() -> None:
    brought = {name for part in sections() for name in part.switches}
    assert brought == {"breakers", "debts_move", "fear_spreads", "insurance", "oracle_reads_market"}
    assert brought < set(Switches.model_fields)
    assert all(field.description for field in Switches.model_fields.values())


def test_what_can_be_cut_for_a_while_is_all_but_what_is_given_at_the_start() -> None:
    assert set(get_args(Mechanism)) == set(Switches.model_fields) - FROM_THE_START


def test_a_switch_that_is_not_there_is_answered() -> None:
    assert_answered({"switches": {"breaker": False}}, "switches.breaker", "did you mean 'breakers'")


def test_switches_go_to_workers() -> None:
    cut = Switches(insurance=False)
    assert pickle.loads(pickle.dumps(cut)) == cut
