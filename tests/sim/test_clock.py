"""Who acts: just as often as their chances say, whoever else is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from sim import Market, Scenario
from sim.clock import BOUNDS, LEVELS, NEVER, level_of, look, lookers
from sim.compiled import kernel
from sim.randomness import block_key

BLOCKS = 3000
CHANCES = np.array([0.0, 1.0, 0.5, 0.2, 0.126, 0.125, 0.124, 0.06, 0.01, 0.001])


@kernel
def act(w, me, order, out):  # type: ignore[no-untyped-def]
    """Note who acts in a block, and in which order they were found."""
    found = lookers(w, me)
    for n in range(found):
        i = me.actors[n]
        order[n] = i
        out[i] = look(me, i, 0) < me.rows[i].attention
    return found


@kernel
def level(chance):  # type: ignore[no-untyped-def]
    """The level of a chance."""
    return level_of(chance)


def watched(small: Callable[..., Scenario], chances: npt.NDArray[np.float64]) -> Market:
    """A market with a group of rebalancers who look with these chances."""
    group = {
        "kind": "rebalancer",
        "count": len(chances),
        "pools": ["eth-usdc"],
        "wallet": {"usdc": 1.0},
    }
    market = Market(small(agents={"group": group}, audit={"every": 1000}), rng=3)
    market.cohorts["group"].put("attention", chances)
    return market


def acts(market: Market, blocks: int = BLOCKS) -> npt.NDArray[np.bool_]:
    """Who acts in each of some blocks, bool[blocks, agents]."""
    cohort = market.cohorts["group"]
    found = np.zeros((blocks, len(cohort)), np.bool_)
    order = np.zeros(len(cohort), np.int64)
    record = market.world.cohorts[cohort.ident]
    for block in range(blocks):
        record["key"] = block_key(record["stream"], block + 1)
        n = act(market.world, cohort.kernel_view(), order, found[block])
        assert (np.diff(order[:n]) > 0).all()
    return found


@pytest.fixture
def mixed() -> npt.NDArray[np.float64]:
    """Chances of all sizes, in no order."""
    return np.random.default_rng(5).permutation(np.repeat(CHANCES, 250))


@given(st.floats(BOUNDS[-1], 1.0) | st.integers(0, LEVELS - 1).map(lambda n: 2.0**-n))
def test_a_bound_is_the_least_that_is_no_less(chance: float) -> None:
    n = level(chance)
    assert BOUNDS[n] >= chance
    if n < LEVELS - 1:
        assert BOUNDS[n + 1] < chance


@pytest.mark.parametrize(
    ("chance", "expected"), [(0.0, NEVER), (-1.0, NEVER), (1e-300, LEVELS - 1), (2.0, 0)]
)
def test_chances_beyond_the_bounds(chance: float, expected: int) -> None:
    assert level(chance) == expected
    assert level(float("nan")) == NEVER


def test_each_acts_as_often_as_its_chance_says(
    small: Callable[..., Scenario], mixed: npt.NDArray[np.float64]
) -> None:
    counts = acts(watched(small, mixed)).sum(axis=0)
    assert (counts[mixed == 0.0] == 0).all()
    assert (counts[mixed == 1.0] == BLOCKS).all()
    for chance in CHANCES[2:]:
        of_chance = counts[mixed == chance]
        variance = BLOCKS * chance * (1.0 - chance)
        spread = ((of_chance - BLOCKS * chance) ** 2).sum() / variance
        assert 1e-4 < chi2.cdf(spread, of_chance.size) < 1.0 - 1e-4
        z = (of_chance.sum() - of_chance.size * BLOCKS * chance) / np.sqrt(
            of_chance.size * variance
        )
        assert abs(z) < norm.ppf(1.0 - 1e-4)


@pytest.mark.parametrize("chance", [0.3, 0.1, 0.02, 0.003])
def test_they_act_independently_of_neighbours_and_of_other_blocks(
    small: Callable[..., Scenario], chance: float
) -> None:
    found = acts(watched(small, np.full(1500, chance)))
    for ahead in (1, 2, 3):
        for pairs in (found[:, ahead:] & found[:, :-ahead], found[ahead:] & found[:-ahead]):
            both = chance * chance
            z = (pairs.sum() - pairs.size * both) / np.sqrt(pairs.size * both * (1.0 - both))
            # Pairs overlap, which makes their sum somewhat wider than that.
            assert abs(z) < 4.0 * np.sqrt((1.0 + 3.0 * chance) / (1.0 + chance))


def test_what_others_do_and_how_many_come_after_changes_nobodys_draws(
    small: Callable[..., Scenario], mixed: npt.NDArray[np.float64]
) -> None:
    before = acts(watched(small, mixed), 500)
    kept = np.arange(0, mixed.size, 3)
    others = np.roll(mixed, 1)
    others[kept] = mixed[kept]
    changed = acts(watched(small, others), 500)
    assert (changed[:, kept] == before[:, kept]).all()
    assert (changed != before).any()
    more = acts(watched(small, np.concatenate([mixed, mixed])), 500)
    assert (more[:, : mixed.size] == before).all()


def sent(market: Market) -> npt.NDArray[np.int64]:
    """Transactions that each trader has sent."""
    return np.array(market.world.senders["nonce"][market.cohorts["traders"].accounts()])


def rare(lively: Callable[..., Scenario]) -> Market:
    """Traders who act once in a million blocks."""
    change: dict[str, Any] = {"traders": {"rate": 1e-6, "branching": 0.0}}
    return Market(lively(agents=change), rng=1)


@pytest.mark.parametrize("stepped", [False, True])
def test_numbers_may_change_while_the_market_runs(
    lively: Callable[..., Scenario], stepped: bool
) -> None:
    market = rare(lively)

    def run(blocks: int) -> npt.NDArray[np.int64]:
        before = sent(market)
        if stepped:
            for _ in range(blocks):
                market.step()
        else:
            market.run(blocks)
        return np.array(sent(market) - before)

    agents = {a.name: a for a in market.agents}
    assert run(10).sum() == 0
    agents["traders-7"].rate = 1.0  # by an agent
    assert run(10).nonzero()[0].tolist() == [7]
    agents["traders-7"].rate = 0.0
    assert run(10).sum() == 0
    rates = market.cohorts["traders"].column("rate")  # by a view that lives on
    assert run(10).sum() == 0
    rates[3] = 1.0
    found = run(10)
    assert found[3] == 10
    assert found.sum() == 10
    rates[3] = 0.0
    assert run(10).sum() == 0


def test_a_view_that_nobody_has_costs_no_look_at_everybody(lively: Callable[..., Scenario]) -> None:
    market = rare(lively).run(5)
    cohorts = market.world.cohorts
    ours = market.cohorts["traders"].ident
    assert cohorts["shown"][ours] == cohorts["stale"][ours] == 0
    assert market.cohorts["traders"].numbers("rate")[0] == 1e-6
    assert cohorts["shown"][ours] == 0
    market.cohorts["traders"].rows["rate"][0] = 0.5
    assert cohorts["shown"][ours] == cohorts["stale"][ours] == 1
