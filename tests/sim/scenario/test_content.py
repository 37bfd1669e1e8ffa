"""All of a scenario: it says the same again, and counts time from its start."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import Scenario
from tests.conftest import BASE, CROWD, merged
from tests.sim.scenario import assert_answered


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"measures": {"every": 2**63}}, "measures.every", "of at most 1e+09"),
    ],
)
def test_bad_input_is_answered_with_its_field_and_a_remedy(
    changes: dict[str, Any], field: str, words: str
) -> None:
    assert_answered(changes, field, words)


@pytest.mark.parametrize("name", Scenario.names())
def test_a_resolved_scenario_says_the_same_again(name: str, tmp_path: Path) -> None:
    first = Scenario.load(name)
    file = tmp_path / "again.toml"
    file.write_text(first.to_toml())
    assert Scenario.load(file) == first


AMOUNTS = st.floats(1e-6, 1e12)
SHARES = st.floats(0.0, 1.0)
NUMBERS = st.one_of(
    SHARES,
    st.builds(lambda low: {"distribution": "uniform", "low": low, "high": 1.0}, SHARES),
    st.builds(
        lambda median: {"distribution": "lognormal", "median": median, "sigma": 1, "at_most": 1},
        AMOUNTS,
    ),
)
SHOCKS = st.builds(
    lambda size, when: {"kind": "price_jump", "asset": "eth", "size": size} | when,
    st.floats(-0.99, 10.0),
    st.one_of(
        st.builds(lambda block: {"block": block}, st.integers(1, 10_000)),
        st.builds(lambda hours: {"at": hours}, st.floats(0.0, 1000.0)),
        st.builds(lambda at: {"at": at}, st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1))),
    ),
)


@given(
    title=st.text(st.characters().filter(str.isprintable), max_size=200),
    depth=AMOUNTS | st.just(math.inf),
    reserves=st.tuples(AMOUNTS, AMOUNTS),
    fee=st.floats(0.0, 1.0, exclude_max=True),
    rate=NUMBERS,
    shocks=st.lists(SHOCKS, max_size=3),
)
def test_whatever_it_says_a_scenario_says_the_same_again(
    title: str,
    depth: float,
    reserves: tuple[float, float],
    fee: float,
    rate: Any,
    shocks: list[dict[str, Any]],
) -> None:
    changes = {
        "title": title,
        "venue": {"assets": {"eth": {"depth": depth}}},
        "pools": {
            "eth-usdc": {"reserves": dict(zip(("eth", "usdc"), reserves, strict=True)), "fee": fee}
        },
        "agents": {"traders": CROWD["traders"] | {"rate": rate}},
        "shocks": shocks,
    }
    first = Scenario.from_dict(merged(BASE, changes))
    assert Scenario.from_dict(tomllib.loads(first.to_toml())) == first


def test_times_count_from_the_start(small: Callable[..., Scenario]) -> None:
    at = datetime(2020, 1, 1, 0, 10, tzinfo=UTC)
    setup = small(shocks=[{"kind": "price_jump", "asset": "eth", "size": 0.1, "at": at}])
    assert setup.block_of(setup.shocks[0]) == 50
    assert setup.time_of(50) == at
