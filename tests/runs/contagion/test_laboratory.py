"""The laboratory in one go: what it finds is what its parts find, and bad input is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runs.contagion import Plan, attribute
from runs.contagion.laboratory import SHOCK, Findings, investigate, losses_of_everybody
from sim import Scenario
from sim.errors import ScenarioError
from tests.conftest import CROWD

Make = Callable[..., Scenario]
DROP = {"kind": "price_jump", "asset": "eth", "block": 20, "size": -0.3}


@pytest.fixture
def setup(small: Make) -> Scenario:
    return small(agents=CROWD, blocks=60, venue={"assets": {"eth": {"depth": 1e5}}})


def test_it_finds_what_its_parts_find(setup: Scenario, tmp_path: Path) -> None:
    stages: list[str] = []
    links = ["liquidators_sell", "liquidators"]
    found = investigate(
        setup, tmp_path, [DROP], links, Plan(seeds=2), reruns=10, tell=stages.append
    )
    assert stages == [
        "attribution", "loss matrix", "cascade trees and networks", "models from the literature",
    ]  # fmt: skip
    losses = losses_of_everybody(setup)
    assert set(losses) == {"bank", *CROWD} and found.losses == list(losses)
    alone = attribute(setup, links, losses, [DROP], plan=Plan(seeds=2))
    for loss in losses:
        for link in links:
            assert (alone.by_seed(loss)[link] == found.attribution.by_seed(loss)[link]).all()
    # What the matrix says of the shock is what attribution says with all links open.
    whole = found.attribution.worth["borrowers"][frozenset(links)]
    assert (found.matrix.induced[SHOCK]["borrowers"] == whole).all()
    assert found.returns["eth"] == pytest.approx(-0.3, abs=0.05), "less what they trade"
    assert list(found.told) == [*found.scores.index, "simulated"]
    assert found.told.loc["borrowers", "simulated"] > 0.0, "who holds ether loses with it"
    # Of accounts all hold ether, so that what they hold tells who loses.
    accounts = found.among_accounts
    assert list(accounts.index) == list(found.scores.index)
    assert accounts.loc["direct", "rank"] > 0.3 and 0.0 < accounts.loc["direct", "size"] < 3.0
    assert found.headline()[0] in losses
    assert found.networks.blocks[-1] == 60 and len(found.trees.events)


def test_links_that_change_something_are_found(setup: Scenario, tmp_path: Path) -> None:
    found: Findings = investigate(setup, tmp_path, [DROP], None, Plan(seeds=1), reruns=0)
    assert found.screened is not None
    assert set(found.links) == set(found.screened[found.screened > 0.0].index[:8])
    assert "funds_sell_across" not in found.links, "there are no funds"
    assert found.screened.is_monotonic_decreasing


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({"by": "town"}, "by"),
        ({"shocks": None}, "shocks"),
        ({"links": ["gossip"]}, "links"),
        ({"shocks": [DROP | {"asset": "btc"}]}, "btc"),
    ],
)
def test_what_makes_no_sense_is_told(
    setup: Scenario, tmp_path: Path, how: dict[str, Any], word: str
) -> None:
    given: dict[str, Any] = {"shocks": [DROP], "links": ["liquidators"]} | how
    with pytest.raises(ScenarioError, match=word):
        investigate(setup, tmp_path, plan=Plan(seeds=1), **given)


def test_without_agents_protocols_are_known(small: Make) -> None:
    assert list(losses_of_everybody(small(), "protocol")) == ["bank"]
