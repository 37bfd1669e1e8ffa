"""Values at dotted paths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sim import Scenario
from sim.errors import ScenarioError


def test_overrides_by_dotted_path() -> None:
    calm = Scenario.load("calm")
    changed = calm.with_overrides(
        [
            "pools.eth-usdc.fee=0.001",
            'agents.traders.rate={distribution = "uniform", low = 0.1, high = 0.2}',
            "block.ordering=random",
            "agents.liquidators.count=0",
        ]
    )
    assert changed.pools["eth-usdc"].fee == 0.001
    assert changed.agents["traders"].columns["rate"].support() == (0.1, 0.2)
    assert changed.block.ordering == "random"
    assert changed.agents["liquidators"].count == 0
    for item, words in (
        ("pools.eth-usdx.fee=0.1", "did you mean 'eth-usdc'"),
        ("pools.eth-usdc.fe=0.1", "did you mean 'fee'"),
        ("fee", "give path=value"),
        ("blocks.x=1", "is a value"),
    ):
        with pytest.raises(ScenarioError) as caught:
            calm.with_overrides([item])
        assert words in str(caught.value)


def test_a_shock_is_overridden_by_its_place(small: Callable[..., Scenario]) -> None:
    shock = {"kind": "price_jump", "asset": "eth", "size": -0.5, "at": 1.0}
    setup = small(shocks=[shock]).override({"shocks.0.size": -0.2})
    assert setup.shocks[0].size == -0.2
    assert setup.block_of(setup.shocks[0]) == 300
    with pytest.raises(ScenarioError, match="no place in a list of 1"):
        setup.override({"shocks.3.size": 1.0})


def test_values_from_outside_never_name_a_file(
    small: Callable[..., Scenario], tmp_path: Path
) -> None:
    file = tmp_path / "other.toml"
    file.write_text(small().to_toml())
    for change in ({"extends": str(file)}, {"extends": "calm"}, {"remove": ["pools"]}):
        with pytest.raises(ScenarioError, match="unknown field"):
            small().override(change)
    with pytest.raises(ScenarioError, match="unknown field"):
        small().with_overrides([f'extends="{file}"'])


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("shocks.².size=1", "no place in a list"),
        ("pools.eth-usdc.tokens.٣=1", "no place in a list"),
        ("blocks=" + "9" * 5000, "Exceeds the limit"),
        ("shocks=" + "[" * 100_000, "nested more than 32 deep"),
        ("blocks=1\ntitle='x'", "more than one value"),
        ("..:x=1", "not a dotted path"),
        (" . =1", "not a dotted path"),
        ("<two>=1", "unknown field"),
    ],
)
def test_odd_words_after_set_are_answered_in_a_line(
    item: str, words: str, small: Callable[..., Scenario]
) -> None:
    setup = small(shocks=[{"kind": "price_jump", "asset": "eth", "size": 0.1, "block": 1}])
    with pytest.raises(ScenarioError) as caught:
        setup.with_overrides([item])
    ((field, text),) = caught.value.problems
    assert words in text
    assert field.strip() and len(text) < 500 and "\n" not in text
