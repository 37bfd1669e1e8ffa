"""Finding scenarios, reading them, and what they extend."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim import Scenario
from sim.errors import ScenarioError
from sim.scenario.load import shipped


def test_the_shipped_scenarios_load_and_say_what_they_are() -> None:
    titles = Scenario.titles()
    assert {"calm", "black_thursday"} <= set(titles)
    for name, title in titles.items():
        assert Scenario.load(name).title == title
        assert Scenario.load(name).warnings() == []


@pytest.mark.parametrize("name", Scenario.names())
def test_every_number_of_the_shipped_scenarios_has_its_reason_beside_it(name: str) -> None:
    reasoned: set[str] = set()
    bare, before = [], ""
    for line in shipped()[name].read_text().splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        number = any(c.isdigit() for c in value.partition("#")[0]) and value[0] not in "'\""
        if equals and number and not key.startswith("["):
            # A reason stands on the line, on the comment above it, or, in a second
            # group of the same kind, where the key came first.
            if "#" in value or before.startswith("#"):
                reasoned.add(key)
            elif key not in reasoned:
                bare.append(line)
        before = line.strip()
    assert bare == []


def test_a_scenario_inherits_overrides_and_removes(tmp_path: Path) -> None:
    child = tmp_path / "child.toml"
    child.write_text(
        'extends = "calm"\nremove = ["agents.liquidators", "pools.eth-usdc-b.protocol_fee"]\n'
    )
    with pytest.raises(ScenarioError, match=r"no pools.eth-usdc-b.protocol_fee"):
        Scenario.load(child)
    child.write_text(
        'extends = "calm"\ntitle = "mine"\nremove = ["agents.liquidators"]\n'
        "[pools.eth-usdc]\nfee = 0.01\n[agents.traders]\nrate = 0.5\n"
    )
    mine, calm = Scenario.load(child), Scenario.load("calm")
    assert mine.pools["eth-usdc"].fee == 0.01
    assert mine.pools["eth-usdc"].reserves == calm.pools["eth-usdc"].reserves
    assert "liquidators" not in mine.agents
    assert mine.agents["traders"].columns["rate"].support() == (0.5, 0.5)


@pytest.mark.parametrize("removed", ['"agents.liquidators"', "3"])
def test_what_is_removed_is_a_list(removed: str, tmp_path: Path) -> None:
    child = tmp_path / "child.toml"
    child.write_text(f'extends = "calm"\nremove = {removed}\n')
    with pytest.raises(ScenarioError, match="remove: give a list of dotted paths"):
        Scenario.load(child)


def test_a_circle_of_extends_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"')
    (tmp_path / "b.toml").write_text('extends = "a.toml"')
    with pytest.raises(ScenarioError, match=r"a.toml -> b.toml -> a.toml"):
        Scenario.load(tmp_path / "a.toml")


def test_files_that_are_not_there_or_not_toml(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="did you mean 'calm'"):
        Scenario.load("clam")
    with pytest.raises(ScenarioError, match="there is no file"):
        Scenario.load(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("title = \n")
    with pytest.raises(ScenarioError, match=r"is not TOML: .*line 1"):
        Scenario.load(broken)


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 5000 + ".toml", "a\0b", "a\0b.toml"])
def test_a_name_that_no_file_can_have_is_no_scenario(name: str) -> None:
    with pytest.raises(ScenarioError, match=r"no such scenario|there is no file"):
        Scenario.load(name)
