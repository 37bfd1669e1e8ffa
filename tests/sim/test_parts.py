"""Parts of a market: whatever registers is asked in its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from sim import Market, Scenario, build, parts
from sim.ledger import FREE
from sim.parts import (
    Issued,
    Part,
    common_accounts,
    in_order_of_funding,
    issued_tokens,
    named,
    places,
    register_part,
    sections,
    special_accounts,
)
from sim.world import World


class Mint(Part):
    """Issues a token of its own, which stands for two ethers."""

    order = 45
    fund_order = 5

    def special(self, s: Any) -> list[str]:
        return ["mint"]

    def issues(self, s: Any) -> list[Issued]:
        return [Issued("coin", "mint", FREE)]

    def slots(self, s: Any) -> int:
        return 3

    def flags(self, s: Any) -> dict[str, int]:
        return {"keep_receipts": 1}

    def fund(self, s: Any, ledger: Any, world: Any) -> None:
        ledger.mint("holders", "coin", 7.0)

    def behind(self, world: Any, found: Any) -> None:
        found[1] += 2.0 * found[-1]
        found[-1] = 0.0

    def handles(self, market: Any, slot: int) -> dict[str, Any]:
        return {"mints": {"mint": slot}}


@pytest.fixture
def registered() -> Iterator[None]:
    before = list(parts._parts)
    register_part(Mint())
    yield
    parts._parts[:] = before


def test_the_built_in_ones_are_in_their_order() -> None:
    assert [type(part).__name__ for part in parts.parts()] == [
        "Pools",
        "Loans",
        "Oracles",
        "Insurance",
        "Declared",
        "Losses",
        "Margin",
    ]
    funding = [type(part).__name__ for part in in_order_of_funding()]
    assert sorted(funding) == sorted(
        ["Pools", "Insurance", "Loans", "Oracles", "Declared", "Losses", "Margin"]
    )
    assert set(parts.tables()) <= set(World.fields)


def test_a_scenario_has_a_section_for_each_part_that_says_so() -> None:
    setup = Scenario.load("interconnected")
    assert [p.section for p in sections()] == ["pools", "lending", "oracles", "insurance"]
    for part in sections():
        assert part.section in Scenario.model_fields
        assert part.what and all(part.switches.values())
    assert set(named(setup)) == {"pool", "lending", "oracle"}
    assert named(setup)["lending"] == (list(setup.lending), "lending market")
    assert places(setup)["stable"] == ["dai", "usdc"]


def test_names_are_those_of_the_ledger() -> None:
    setup = Scenario.load("interconnected")
    ledger = Market(setup, rng=1).ledger
    common = common_accounts(setup)
    assert list(ledger.accounts[: len(common)]) == common
    assert common[: len(special_accounts(setup))] == special_accounts(setup)
    issued = [each.token for each in issued_tokens(setup)]
    assert list(ledger.tokens[-len(issued) :]) == issued


@pytest.mark.usefixtures("registered")
def test_a_part_of_ones_own_is_in_every_market(small: Callable[..., Scenario]) -> None:
    plain = small(agents={})
    market = Market(plain, rng=1)
    assert market.ledger.balance("holders", "coin") == 7.0
    assert market.ledger.issuers["coin"] == "mint"
    assert "wealth.mint" in {m.name for m in market.measures}
    own = next(part for part in parts.parts() if isinstance(part, Mint))
    assert market.mints == {"mint": build.first_slots(plain)[own]}  # type: ignore[attr-defined]
    holdings = np.zeros(len(market.ledger.tokens))
    holdings[market.ledger.token("coin")] = 4.0
    assert build.underlying(market.world, holdings)[1] == 8.0
    market.run(3)
    slots = build.slots(plain)
    parts._parts.pop()
    assert build.slots(plain) == slots - 3
