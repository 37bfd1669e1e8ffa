"""The table of what the losses of two banks hang on."""

from __future__ import annotations

import pandas as pd

from agents import LeveragedFund
from runs.dev import assumptions, capital
from sim import Scenario


def test_each_row_changes_what_it_says_and_the_scenarios_own_value_is_there() -> None:
    scenario = Scenario.load(capital.SCENARIO)
    found = assumptions.rows()
    changed = {name: scenario.override(dict(changes)) for name, changes in found.items()}
    assert changed["arbitrageurs: 32"].agents["arbitrageurs"].count == 32
    assert changed["fall of ether: 10 %"].shocks[0].size == -0.1  # type: ignore[union-attr]
    # A row for what ships, for each assumption; funds look as often as their kind does.
    assert LeveragedFund.columns["attention"].default == 0.1
    found.pop("funds' attention, a block: 0.1")
    own = scenario.model_dump()
    shipped = [name for name in found if changed[name].model_dump() == own]
    assert len(shipped) == len({name.rpartition(": ")[0] for name in found}) - 1


def test_other_blocks_are_as_long_a_time() -> None:
    scenario = Scenario.load(capital.SCENARIO)
    half = scenario.override(dict(assumptions.timed(6.0)))
    assert half.blocks * half.block.seconds == scenario.blocks * scenario.block.seconds
    assert half.shocks[0].block == 2 * scenario.shocks[0].block


def test_the_table_has_means_with_errors_in_thousands() -> None:
    frame = pd.DataFrame(
        [{"row": "a: 1", "low": 9.0, "two": two, "one": 4e6} for two in (1e6, 2e6, 3e6)]
        + [{"row": "b: 1", "low": 8.0, "two": 0.0, "one": 0.0}] * 2
    )
    assert assumptions.table(frame).splitlines()[2:] == [
        "| a: 1 | 2,000 ± 577 | 4,000 ± 0 | 9 |",
        "| b: 1 | 0 ± 0 | 0 ± 0 | 8 |",
    ]
