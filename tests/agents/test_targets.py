"""What agents act on, as a scenario names it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field

from agents import Behaviour
from agents.targets import Graph, LendingName, Pools, Targets
from sim import Market, Scenario, registry
from sim.errors import ScenarioError
from sim.fields import Names
from tests.conftest import BASE, CROWD, merged


class KeeperTargets(Pools):
    """Two banks, and a protocol."""

    banks: list[LendingName] = Field(min_length=1, description="Banks.")
    vault: Annotated[str, Names("protocols")] | None = None
    days: Annotated[int, Field(ge=1, le=30)] = 7


class Keeper(Behaviour):
    """Keeps what it is given."""

    targets: ClassVar[type[Targets]] = KeeperTargets

    def step(self) -> None:
        """Rest."""


@pytest.fixture(autouse=True)
def keepers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_behaviours", dict(registry.behaviours()))
    registry.register("keeper", Keeper)
    yield


def setup(**group: Any) -> Scenario:
    own = {"kind": "keeper", "count": 1, "pools": ["eth-usdc"], "banks": ["bank"]}
    return Scenario.from_dict(merged(BASE, {"agents": {"us": own | group}}))


def refused(**group: Any) -> dict[str, str]:
    with pytest.raises(ScenarioError) as caught:
        setup(**group)
    return dict(caught.value.problems)


def test_a_class_has_targets_of_its_own() -> None:
    made = setup(vault=None, days=3)
    found = made.agents["us"].targets
    assert isinstance(found, KeeperTargets)
    assert (found.banks, found.days, found.vault) == (["bank"], 3, None)
    assert made.agents["us"].named("lending") == ["bank"]
    assert Scenario.from_dict(made.to_dict()).agents["us"] == made.agents["us"]
    Market(made, rng=1).run(2)


@pytest.mark.parametrize(
    ("group", "field", "words"),
    [
        ({"banks": ["bnk"]}, "banks", "unknown lending market 'bnk'; did you mean 'bank'"),
        ({"banks": []}, "banks", "is missing; a keeper needs it"),
        ({"vault": "v"}, "vault", "unknown protocol 'v'"),
        ({"days": 31}, "days", "give a number of at most 30"),
        ({"bank": "bank"}, "bank", "unknown field of a keeper; did you mean 'banks'"),
        ({"lending": "bank"}, "lending", "unknown field of a keeper"),
        ({"neighbours": 7}, "neighbours", "unknown field of a keeper"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(
    group: dict[str, Any], field: str, words: str
) -> None:
    found = refused(**group)
    assert [key.split(".")[:3] for key in found] == [["agents", "us", field]]
    assert words in next(iter(found.values()))


def test_all_that_is_wrong_with_a_group_is_told_at_once() -> None:
    found = refused(banks=[], count=-1, days="soon", whim=[1])
    assert {key.removeprefix("agents.us.") for key in found} == {"banks", "count", "days", "whim"}


def test_what_other_classes_say_unasked_may_stand_in_a_file() -> None:
    unasked = {name: field.get_default() for name, field in Graph.model_fields.items()}
    assert setup(**unasked, route=None, collateral=None) == setup()


def test_the_kind_of_a_group_may_change() -> None:
    made = Scenario.from_dict(merged(BASE, {"agents": {"traders": CROWD["traders"]}}))
    columns = dict.fromkeys(made.agents["traders"].columns)
    content = made.to_dict()
    group = content["agents"]["traders"]
    content["agents"]["traders"] = {k: v for k, v in group.items() if k not in columns}
    content["agents"]["traders"]["kind"] = "range_provider"
    with pytest.raises(ScenarioError, match="concentrated"):
        Scenario.from_dict(content)  # its pools are not of its kind; all the rest is
