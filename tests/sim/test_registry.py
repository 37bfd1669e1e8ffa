"""Behaviours are found by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents import NoiseTrader
from agents.targets import Pools
from sim import Scenario, registry
from sim.errors import ScenarioError
from sim.registry import Column, behaviour, behaviours, register
from tests.conftest import BASE, merged


class Sleeper:
    """Does nothing; all that a scenario looks at."""

    columns = {  # noqa: RUF012
        "hours": Column("Time asleep", "hours a day", 8.0, 0.0, 24.0),
        "dreams": Column("Dreams so far", "number", state=True),
    }
    targets = Pools


@pytest.fixture
def sleepers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the class known for one test; other tests count the behaviours there are."""
    monkeypatch.setattr(registry, "_behaviours", dict(behaviours()))
    register("sleeper", Sleeper)


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


@pytest.mark.usefixtures("sleepers")
def test_a_registered_behaviour_is_found() -> None:
    assert behaviour("sleeper") is Sleeper
    assert behaviours()["sleeper"] is Sleeper


@pytest.mark.usefixtures("sleepers")
@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"hours": 25.0}, "hours", "25 leaves the range 0 to 24 (hours a day)"),
        ({"hour": 8.0}, "hour", "did you mean 'hours'"),
        ({"dreams": 1.0}, "dreams", "unknown field of a sleeper"),
        ({"pools": []}, "pools", "a sleeper needs it"),
    ],
)
def test_a_scenario_is_held_to_what_its_behaviour_declares(
    changes: dict[str, object], field: str, words: str
) -> None:
    group = {"kind": "sleeper", "count": 2, "pools": ["eth-usdc"], "hours": 9.0}
    setup = Scenario.from_dict(merged(BASE, {"agents": {"us": group}}))
    assert setup.agents["us"].columns["hours"].support() == (9.0, 9.0)
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_dict(merged(BASE, {"agents": {"us": {**group, **changes}}}))
    ((where, what),) = caught.value.problems
    assert where == f"agents.us.{field}"
    assert words in what


def test_every_column_says_what_it_is() -> None:
    for kind, found in behaviours().items():
        for name, column in found.columns.items():  # type: ignore[attr-defined]
            assert column.doc and column.unit, f"{kind}.{name}"
            assert column.low <= column.default <= column.high, f"{kind}.{name}"


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (":x", "names no class"),
        ("x:", "names no class"),
        ("..:x", "names no class"),
        ("a b:c", "names no class"),
        ("pandas:DataFrame", "is not a Behaviour"),
        ("json:dumps", "is not a Behaviour"),
    ],
)
def test_what_names_no_class_of_agents_is_refused(kind: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        behaviour(kind)


def test_a_module_that_raises_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "undertow_raises.py").write_text("raise RuntimeError('no such luck')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ScenarioError, match="cannot be imported \\(no such luck\\)"):
        behaviour("undertow_raises:X")
