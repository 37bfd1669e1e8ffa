"""The page of safeguards: its markets can be made, and its tables say what was found."""

from __future__ import annotations

import numpy as np
import pytest

from runs.contagion import Frontier, default_guards
from runs.dev import safeguards as page
from sim import Scenario


@pytest.mark.parametrize("name", page.VARIED)
def test_every_market_has_the_same_safeguards(name: str) -> None:
    setup = Scenario.load(page.SCENARIO)
    changed = page.VARIED[name](setup)
    assert (changed.to_dict() == setup.to_dict()) == (name == "as it is")
    guards = default_guards(changed)
    assert {*guards} == {
        "breakers", "dynamic_fees", "thresholds", "insurance", "slower_oracles", "capped_oracles",
    }  # fmt: skip
    assert guards["slower_oracles"]["oracles.eth.lag"] * changed.block.seconds == 1800.0
    assert guards["capped_oracles"]["oracles.eth.hop"] * changed.block.seconds == pytest.approx(
        60.0, abs=12.0
    )


def test_the_slow_fall_is_as_deep_as_the_one_at_once() -> None:
    falls = page.falls(Scenario.load(page.SCENARIO))
    assert len(falls) == 4
    for name, setup in falls.items():
        assert np.prod([1.0 + shock.size for shock in setup.shocks]) == pytest.approx(0.6)
        source = "venue" if "exchange" in name else "pool_twap"
        assert setup.oracles["eth"].source == setup.oracles["btc"].source == source
    last = falls["over half an hour, pools"].shocks[-1]
    assert (last.block - 200) * 12.0 == 27 * 60.0


def found() -> Frontier:
    """One safeguard that saves a quarter of a million, for ten thousand of volume."""
    sets = (frozenset(), frozenset({"halt"}))
    lost = dict(zip(sets, (np.array([9e5, 1.1e6]), np.array([6.5e5, 8.5e5])), strict=True))
    calm = dict(zip(sets, (np.array([5.0, 7.0]), np.array([5.0, 7.0])), strict=True))
    volume = dict(zip(sets, (np.array([3e4, 5e4]), np.array([2e4, 4e4])), strict=True))
    return Frontier(("halt",), lost, calm, {"volume": volume})


def test_the_tables_say_what_was_found() -> None:
    lines = page.shown(found()).splitlines()
    assert lines[0].endswith("| cost in calm | volume foregone |")
    assert lines[3] == "| **halt** | 750 (650 to 850) | 250 | 0 | 10 |"
    assert page.varied({"as it is": found()}).splitlines()[-1].endswith("| 250; 10 |")
    assert page.choices(found()).splitlines()[1].startswith("under 800,000: halt, loss 750,000")
