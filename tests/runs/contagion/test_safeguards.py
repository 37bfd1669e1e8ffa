"""Safeguards: the cheapest set is that of brute force, and a market's are what they seem."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from runs.contagion import Plan
from runs.contagion.safeguards import NONE, Frontier, Set, default_guards, resolved, safeguards
from sim import Market, Scenario
from sim.errors import ScenarioError

Make = Callable[..., Scenario]
NAMES = ("a", "b", "c", "d")


def frontier(rng: int = 1, seeds: int = 40) -> Frontier:
    """Each takes a share of the loss, at a cost; two of them get in each other's way."""
    random = np.random.default_rng(rng)
    shares, costs = dict(zip(NAMES, (0.3, 0.5, 0.2, 0.6), strict=True)), (1.0, 3.0, 0.5, 6.0)
    before = 100.0 + 5.0 * random.standard_normal(seeds)
    lost: dict[Set, Any] = {}
    calm: dict[Set, Any] = {}
    own = random.standard_normal((5, seeds))
    for k in range(5):
        for chosen in map(frozenset, combinations(NAMES, k)):
            left = np.prod([1.0 - shares[n] for n in chosen]) if chosen else 1.0
            left += 0.3 if {"b", "d"} <= chosen else 0.0
            lost[chosen] = before * left
            price = sum(c for n, c in zip(NAMES, costs, strict=True) if n in chosen)
            calm[chosen] = own[0] + price + 0.05 * own[k]
    volume = {s: 1000.0 - 10.0 * sum(ord(n) for n in s) + own[0] for s in calm}
    return Frontier(NAMES, lost, calm, {"volume": volume})


@pytest.mark.parametrize("bound", [95.0, 60.0, 45.0, 30.0])
def test_the_cheapest_set_is_that_of_brute_force(bound: float) -> None:
    found = frontier()
    able = [s for s in found.crisis if found.crisis[s].mean() <= bound]
    wanted = min(able, key=lambda s: found.cost(s).mean())
    choice = found.cheapest(bound)
    assert choice.chosen == wanted and choice.loss <= bound
    assert choice.cost == pytest.approx(found.cost(wanted).mean())
    assert 0.5 < choice.kept <= 1.0
    assert sum(choice.picks.values()) + choice.none == pytest.approx(1.0)


def test_a_bound_at_the_edge_is_unsure_and_one_beyond_it_told() -> None:
    found = frontier()
    edge = float(found.crisis[frozenset("a")].mean()) + 1e-6
    choice = found.cheapest(edge)
    assert choice.chosen == frozenset("a")
    assert 0.3 < choice.kept < 0.7, "half of the resamples lie above it"
    assert len(choice.picks) > 1
    with pytest.raises(ValueError, match="no set keeps"):
        found.cheapest(1.0)


def test_the_frontier_has_what_nothing_beats() -> None:
    found = frontier()
    table = found.table().set_index("set")
    assert table.loc["none", "saved"] == 0.0 and table.loc["none", "cost"] == 0.0
    assert table.loc["none", "best"]
    assert not table.loc["b + d", "best"], "they get in each other's way"
    best = table[table["best"]].sort_values("cost")
    assert (np.diff(best["loss"]) < 0.0).all()
    for _, row in table[~table["best"]].iterrows():
        assert ((best["cost"] <= row["cost"]) & (best["loss"] <= row["loss"])).any()
    assert (table["saved_low"] <= table["saved"]).all()
    assert found.plot().axes


def test_what_is_foregone_stands_beside_the_cost() -> None:
    found = frontier()
    table = found.table().set_index("set")
    assert found.foregone("volume", frozenset("a")) == pytest.approx(970.0)
    assert table.loc["a", "volume"] == pytest.approx(970.0)
    assert table.loc["a", "volume_low"] <= table.loc["a", "volume"] <= table.loc["a", "volume_high"]
    (axis,) = found.plot("volume", 10.0, "tens").axes
    assert axis.get_xlabel() == "volume foregone in calm, tens"
    names = {text.get_text(): text.xy for text in axis.texts}
    assert names["a"][0] == pytest.approx(97.0)
    # Of volume alone b, which is dearer than a, is also worth the more for it: none is beaten.
    assert {"none", "a", "b", "d", "a + b"} <= {*names}


def test_names_of_sets_that_lie_together_cover_none_of_each_other() -> None:
    # As insurance in two_banks: what it saves and costs cannot be told from nothing.
    same = np.array([10.0, 12.0, 11.0])
    sets = [frozenset(), *(frozenset({name}) for name in NAMES)]
    figure = Frontier(
        NAMES, {s: same + 0.01 * len(s) for s in sets}, dict.fromkeys(sets, same)
    ).plot()
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == len(sets)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


# A market


@pytest.fixture
def fragile(small: Make) -> Scenario:
    """Levered borrowers, a fall that eats their collateral, and swaps in calm."""
    borrowers = {
        "kind": "leveraged_borrower", "count": 12, "lending": "bank", "collateral": "eth",
        "debt": "usdc", "leverage": 4.0, "equity": 20_000.0, "attention": 0.0, "buffer": 1.02,
        "wallet": {"eth": 1.0},
    }  # fmt: skip
    traders = {
        "kind": "noise_trader", "count": 20, "pools": ["eth-usdc"], "rate": 0.1,
        "wallet": {"eth": 20.0, "usdc": 40_000.0},
    }  # fmt: skip
    drop = {"kind": "price_jump", "asset": "eth", "size": -0.4, "block": 5}
    return small(agents={"borrowers": borrowers, "traders": traders}, shocks=[drop], blocks=20)


GUARDS = {
    "thresholds": {"* lending.bank.reserves.eth.ltv": 0.7},
    "halted": {"pools.eth-usdc.breaker": {"move": 1e-6, "window": 5, "cool_down": 50}},
    "nothing": {"oracles.eth.lag": 0},
}


def test_a_market_is_safer_and_dearer_with_them(fragile: Scenario) -> None:
    volume = "-last(pools.volume)"
    found = safeguards(
        fragile, "last(lending.bank.loss)", {volume: 2.0}, {"nothing": 3.0}, GUARDS,
        plan=Plan(seeds=3),
    )  # fmt: skip
    assert found.exhaustive and len(found.crisis) == 8 and found.seeds == (1, 2, 3)
    assert (found.saved(frozenset({"thresholds"})) > 0.0).all()
    assert (found.cost(frozenset({"halted"})) > 0.0).all(), "who is halted does not trade"
    assert (found.saved(frozenset({"nothing"})) == 0.0).all(), "to the bit"
    assert (found.cost(frozenset({"nothing"})) == 3.0).all()
    assert {*found.made} == {"volume", "fees"}
    halted = frozenset({"halted"})
    assert 2.0 * found.foregone("volume", halted) == pytest.approx(found.cost(halted))
    # Of a constant product pool the fee is a share of what is put in: 0.3 per cent.
    assert found.foregone("fees", halted) == pytest.approx(
        0.003 * found.foregone("volume", halted), rel=0.05
    )
    # What a set saves is what its own scenario loses less.
    changed = fragile.override(resolved(fragile, "thresholds", GUARDS["thresholds"]))
    again = safeguards(changed, "last(lending.bank.loss)", guards={"x": GUARDS["nothing"]},
                       plan=Plan(seeds=3))  # fmt: skip
    assert (again.crisis[NONE] == found.crisis[frozenset({"thresholds"})]).all()


def test_a_search_finds_what_all_sets_have(fragile: Scenario) -> None:
    every = safeguards(fragile, "last(lending.bank.loss)", guards=GUARDS, plan=Plan(seeds=2))
    some = safeguards(
        fragile, "last(lending.bank.loss)", guards=GUARDS, exhaustive=False, plan=Plan(seeds=2)
    )
    assert not some.exhaustive and {*some.crisis} <= {*every.crisis}
    for chosen in some.crisis:
        assert (some.crisis[chosen] == every.crisis[chosen]).all()
    bound = 0.5 * float(every.crisis[NONE].mean())
    assert some.cheapest(bound).chosen == every.cheapest(bound).chosen


def test_capped_oracles_move_by_parts_and_leave_loans_under_water(fragile: Scenario) -> None:
    guard = default_guards(fragile)["capped_oracles"]
    assert guard == {"oracles.eth.hop": 5, "oracles.eth.most_move": 0.01}
    hunters = {"kind": "liquidator", "count": 2, "lending": "bank", "pools": ["eth-usdc"],
               "wallet": {"usdc": 1e6, "eth": 5.0}}  # fmt: skip
    fall = [{"kind": "price_jump", "asset": "eth", "size": -0.04, "block": b} for b in range(5, 15)]
    watched = fragile.override({"agents.hunters": hunters, "shocks": fall})
    keep = {"liquidated": "last(lending.bank.liquidated)", "volume": "last(pools.volume)"}
    found = safeguards(
        watched, "last(lending.bank.loss)", guards={"capped": guard}, plan=Plan(seeds=2), made=keep
    )
    # It has told of three per cent of thirty-four: nobody is liquidated while that covers the debt.
    assert (found.saved(frozenset({"capped"})) < 0.0).all()
    assert (found.foregone("liquidated", frozenset({"capped"})) == 0.0).all(), "calm is calm"


@pytest.mark.parametrize("name", ["two_banks", "everything", "calm", "bank_holiday"])
def test_defaults_can_be_put_in_place(name: str) -> None:
    setup = Scenario.load(name)
    guards = default_guards(setup)
    assert {"breakers", "dynamic_fees"} <= {*guards}
    for guard_name, guard in guards.items():
        values = resolved(setup, guard_name, guard)
        assert setup.override(values).to_dict() != setup.to_dict(), guard_name


def test_caps_leave_room_for_what_is_borrowed_at_the_opening() -> None:
    setup = Scenario.load("two_banks")
    assert "caps" not in default_guards(setup), "only the market as it opens tells"
    opening = Market(setup, rng=1)
    caps = default_guards(setup, opening)["caps"]
    owed = {f"lending.{m}.reserves.usdc.borrow_cap": opening.lending[m].debts("usdc")
            for m in ("one", "two")}  # fmt: skip
    assert set(caps) == set(owed)
    assert all(caps[path] == pytest.approx(1.5 * owed[path]) for path in owed)
    opening.close()
    capped = setup.override(resolved(setup, "caps", caps))
    for seed in (1, 2, 3):
        market = Market(capped, rng=seed)
        assert market.lending["two"].debts("usdc") > 0.0
        market.close()


@pytest.mark.parametrize(
    ("guards", "word"),
    [
        ({}, "there are none"),
        ({"x": {}}, "changes nothing"),
        ({"x": {"pools.no*.fee": 0.1}}, "stands for no field"),
        ({"x": {"* pools.no.fee": 2.0}}, "no such field"),
        ({"x": {"* agents.borrowers.kind": 2.0}}, "not a number"),
        ({"x": {"pools.eth-usdc.fee": -1.0}}, "fee"),
    ],
)
def test_what_cannot_be_put_in_place_is_told(
    fragile: Scenario, guards: dict[str, Any], word: str
) -> None:
    with pytest.raises(ScenarioError, match=word):
        safeguards(fragile, "last(lending.bank.loss)", guards=guards, plan=Plan(seeds=1))


def test_a_crisis_is_needed(fragile: Scenario) -> None:
    calm = fragile.override({"shocks": []})
    with pytest.raises(ScenarioError, match="there are none"):
        safeguards(calm, "last(lending.bank.loss)", guards=GUARDS)
    with pytest.raises(ScenarioError, match="column of the table"):
        safeguards(fragile, "last(lending.bank.loss)", guards=GUARDS, made={"cost": "last(x)"})
    with pytest.raises(ScenarioError, match="no such safeguard"):
        safeguards(fragile, "last(lending.bank.loss)", prices={"no": 1.0}, guards=GUARDS)
