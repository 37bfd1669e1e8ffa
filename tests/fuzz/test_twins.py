"""What nobody meets changes nothing: a few pairs, and two hundred."""

from __future__ import annotations

import random

import numpy as np
import pytest

from sim import Market
from tests.fuzz import runner
from tests.fuzz.generator import draw, scenario
from tests.fuzz.twins import Addition, Pair, differences

WAYS = [name for name in vars(Pair) if name.startswith(("a_", "an_"))]


def found(seed: int, cases: int) -> list[tuple[int, str]]:
    total = runner.run("tests.fuzz.twins:case", seed=seed, workers=1, cases=cases)
    assert total.counts["pairs"] == cases and total.counts["transactions"] > 10 * cases
    return total.findings


def test_what_nobody_meets_changes_nothing() -> None:
    assert found(seed=1, cases=30) == []


@pytest.mark.slow
def test_what_nobody_meets_changes_nothing_in_two_hundred_pairs() -> None:
    assert found(seed=2, cases=200) == []


def test_every_way_to_add_something_is_drawn() -> None:
    pair = Pair(random.Random("ways"))
    told = {getattr(pair, way)()[1].told.split(" (")[0] for way in WAYS}
    assert len(told) == len(WAYS)


def test_the_least_difference_is_seen() -> None:
    content = draw(random.Random("difference:1"))
    content["measures"] = {}
    one, _ = scenario(content, lambda setup: Market(setup, rng=1))
    two, _ = scenario(content, lambda setup: Market(setup, rng=1))
    for market in (one, two):
        market.run(5)
    assert differences(one, two, Addition(content, "nothing")) == []
    most = np.unravel_index(np.argmax(two.ledger.balances), two.ledger.balances.shape)
    two.ledger.balances[most] *= 1.0 + 2.0**-52
    assert len(differences(one, two, Addition(content, "nothing"))) == 1
