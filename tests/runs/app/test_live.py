"""A market that is watched does what a scenario would, to the bit."""

from __future__ import annotations

import io
import tomllib
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runs.app.live import LiveMarket, run_files, twin_choices
from runs.app.parameters import changed, parameters, shock_forms, shock_of
from sim import Market, Scenario
from sim.errors import ScenarioError
from sim.shocks import HOLDING, held_by
from tests.fuzz.generator import LOCKER

SLOW = pytest.mark.slow


@pytest.fixture
def live() -> LiveMarket:
    return LiveMarket("calm", 3)


def strike(market: LiveMarket, kind: str, **fields: Any) -> Any:
    return market.strike(shock_of(market.asked, {"kind": kind, **fields}, market.block + 1))


def same_bits(first: Market, second: Market) -> bool:
    return np.array_equal(first.ledger.balances, second.ledger.balances) and np.array_equal(
        first.ledger.books.storage, second.ledger.books.storage
    )


def test_watching_changes_nothing(live: LiveMarket) -> None:
    for _ in range(60):
        live.step()
    assert same_bits(live, Market("calm", rng=3).run(60))


def test_what_is_kept_does_not_grow_with_the_run(live: LiveMarket) -> None:
    live.advance(1500)
    assert len(live.past) <= 600
    assert len(live.datacollector.table) == 0
    assert len(live.receipt_book.records()) == 0


def test_single_steps_and_compiled_blocks_leave_the_same_past(live: LiveMarket) -> None:
    other = LiveMarket("calm", 3)
    for _ in range(40):
        live.step()
    other.advance(40)
    names = live.past.names
    assert live.past.rows(names) == other.past.rows(names)


@pytest.mark.parametrize("kind", [f["kind"] for f in shock_forms(Scenario.load("calm"))])
def test_every_shock_given_by_hand_is_that_of_a_scenario(kind: str) -> None:
    live = LiveMarket("rumour" if kind == "news" else "interconnected", 3)
    form = next(f for f in shock_forms(live.asked) if f["kind"] == kind)
    given = {f["name"]: f["value"] for f in form["fields"]}
    if kind == "withdrawal":
        given["token"] = "usdc"
    if "blocks" in given:
        given["blocks"] = 7
    live.advance(12)
    strike(live, kind, **given)
    for _ in range(15):
        live.step()
    assert same_bits(live, Market(live.as_scenario()).run(27))


def test_several_shocks_in_a_block_strike_in_their_order(live: LiveMarket) -> None:
    live.advance(5)
    strike(live, "whale_sale", token="eth", amount=300.0, target="eth-usdc", blocks=6)
    live.advance(8)
    strike(live, "price_jump", asset="eth", size=-0.2)
    strike(live, "provider_exit", pool="eth-usdc", share=0.3)
    strike(live, "whale_sale", token="eth", amount=10.0, target="eth-usdc", blocks=1)
    live.advance(30)
    assert same_bits(live, Market(live.as_scenario()).run(30))


@pytest.mark.parametrize("kind", HOLDING)
def test_a_cut_that_is_taken_back_lasted_until_then(kind: str) -> None:
    content = Scenario.load("interconnected").to_dict()
    content["protocols"] = {"locker": {"kind": LOCKER, "coin": "eth"}}
    live = LiveMarket(Scenario.from_dict(content), 5)
    target = {"event": {"protocol": "locker", "event": "burgled", "size": 0.5}}
    target |= {"oracle_freeze": {"oracle": "eth"}, "pool_halt": {"pool": "eth-usdc-old"}}
    target["agents_stop"] = {"agents": "arbitrageurs"}
    target["mechanism_cut"] = {"mechanism": "interconnected"}
    live.advance(20)
    strike(live, "price_jump", asset="eth", size=-0.1)
    action = strike(live, kind, blocks=1000, **target[kind])
    assert not action.in_force(live.block)  # it strikes with the next block
    live.step()
    assert action.in_force(live.block)
    live.advance(40)
    live.take_back(action)
    assert not action.in_force(live.block)
    assert action.stated()["blocks"] == 20
    live.advance(80)
    assert same_bits(live, Market(live.as_scenario()).run(80))


def test_a_cut_taken_back_at_once_never_was(live: LiveMarket) -> None:
    live.advance(4)
    action = strike(live, "pool_halt", pool="eth-usdc", blocks=100)
    live.take_back(action)
    live.advance(10)
    assert live.actions == []
    assert same_bits(live, Market("calm", rng=3).run(10))


def test_the_past_comes_back(live: LiveMarket) -> None:
    live.advance(30)
    strike(live, "price_jump", asset="eth", size=-0.3)
    live.advance(60)
    other = LiveMarket("calm", 3)
    whole = live.as_scenario()
    other.restore(list(whole.shocks[len(live.asked.shocks) :]), 60)
    assert same_bits(live, other)
    assert other.past.rows(other.past.names) == live.past.rows(live.past.names)
    assert [a.block for a in other.actions] == [31]


def test_a_run_ends_where_the_scenario_does() -> None:
    live = LiveMarket(Scenario.load("calm").override({"blocks": 3}), 3)
    live.advance(100)
    assert (live.block, live.running) == (3, False)
    short = LiveMarket(Scenario.load("calm").override({"blocks": 2}), 3)
    short.step()
    assert short.running
    short.step()
    assert not short.running


def any_shock(rng: np.random.Generator, forms: list[dict[str, Any]]) -> dict[str, Any]:
    """A shock as a visitor could fill in its form."""
    form = forms[rng.integers(len(forms))]
    content: dict[str, Any] = {"kind": form["kind"]}
    for field in form["fields"]:
        if field["values"] is not None:
            content[field["name"]] = str(rng.choice(field["values"]))
        elif field["kind"] == "integer":
            content[field["name"]] = int(rng.integers(1, 60))
        else:
            content[field["name"]] = float(rng.uniform(field["low"], field["high"]))
    return content


def at_random(live: LiveMarket, seed: int) -> None:
    """Do what a visitor might do, in any order."""
    rng = np.random.default_rng(seed)
    forms = shock_forms(live.asked)
    for _ in range(14):
        act = rng.choice(["go", "go", "strike", "strike", "take back", "twin", "follow"])
        if act == "go":
            live.advance(live.block + int(rng.integers(1, 50)))
        elif act == "strike":
            with suppress(ScenarioError):  # a form also offers what does not fit together
                live.strike(shock_of(live.asked, any_shock(rng, forms), live.block + 1))
        elif act == "take back":
            held = [a for a in live.actions if held_by(a.shock) and a.ended is None]
            held = [a for a in held if a.in_force(live.block) or a.block > live.block]
            if held:
                live.take_back(held[rng.integers(len(held))])
        elif act == "twin":
            with suppress(ScenarioError):  # without lenders nobody can borrow
                live.compare(str(rng.choice(["", *twin_choices(live.asked)])))
        else:
            live.follow(live.ledger.accounts[rng.integers(len(live.ledger.accounts))])


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(s, marks=SLOW) for s in range(4, 16))])
def test_whatever_was_done_is_a_scenario(seed: int) -> None:
    live = LiveMarket(("calm", "interconnected")[seed % 2], seed)
    at_random(live, seed)
    assert same_bits(live, Market(live.as_scenario()).run(live.block))
    if live.twin is None:
        live.compare("mine")
    assert live.twin is not None
    assert same_bits(live.twin, Market(live.twin.as_scenario()).run(live.block))


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(s, marks=SLOW) for s in range(4, 20))])
def test_the_books_balance_whatever_is_turned_and_struck(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = Scenario.load(("calm", "interconnected")[seed % 2])
    turned: dict[str, Any] = {}
    for p in rng.permutation(np.array(parameters(base), dtype=object))[:6]:
        if p.kind == "number" and p.path != "blocks":
            turned[p.path] = float(rng.uniform(p.low, p.high))
    try:
        setup = changed(base, turned).override({"audit.every": 1})
        live = LiveMarket(setup, seed)
    except ScenarioError:  # what was turned does not fit together, and is named
        live = LiveMarket(base.override({"audit.every": 1}), seed)
    whale = {"kind": "whale_sale", "token": "eth", "amount": 5e6, "blocks": 50}
    live.strike(shock_of(live.asked, whale, 1))  # much of everything comes and goes
    forms = shock_forms(live.asked)
    for _ in range(4):
        with suppress(ScenarioError):
            live.strike(shock_of(live.asked, any_shock(rng, forms), live.block + 1))
        live.advance(live.block + 60)
    live.ledger.audit()


# The twin


def test_a_twin_without_my_shocks_is_the_run_without_them(live: LiveMarket) -> None:
    live.advance(10)
    strike(live, "price_jump", asset="eth", size=-0.3)
    live.advance(15)
    live.compare("mine")
    assert live.twin is not None and live.twin.block == 15
    strike(live, "price_jump", asset="eth", size=-0.3)
    live.step()
    live.advance(30)
    assert same_bits(live.twin, Market("calm", rng=3).run(30))
    assert len(live.twin.past) == len(live.past)


def test_a_twin_shares_shocks_that_are_not_compared(live: LiveMarket) -> None:
    live.compare("switches.gas_binds")
    strike(live, "price_jump", asset="eth", size=-0.3)
    live.advance(20)
    assert live.twin is not None
    assert live.twin.past.last("venue.eth.price") < 2200.0
    setup = live.as_scenario().override({"switches.gas_binds": False})
    assert same_bits(live.twin, Market(setup).run(20))


def test_a_cut_taken_back_is_taken_back_in_the_twin(live: LiveMarket) -> None:
    live.advance(3)
    action = strike(live, "pool_halt", pool="eth-usdc", blocks=500)
    live.advance(5)
    live.compare("agents.borrowers")
    live.advance(8)
    live.take_back(action)
    live.advance(20)
    assert live.twin is not None and not live.twin.pools["eth-usdc"].record["halted"][0]
    content = live.as_scenario().to_dict()
    del content["agents"]["borrowers"]
    assert same_bits(live.twin, Market(content).run(20))


def test_a_twin_without_a_group_forgets_shocks_of_that_group(live: LiveMarket) -> None:
    strike(live, "agents_stop", agents="traders", blocks=10)
    live.advance(3)
    live.compare("agents.traders")
    strike(live, "agents_stop", agents="traders", blocks=10)
    live.advance(6)
    assert live.twin is not None and "traders" not in live.twin.cohorts


@pytest.mark.parametrize("name", ["calm", "black_thursday"])
def test_every_twin_can_be_run(name: str) -> None:
    live = LiveMarket(name, 1)
    live.advance(4)
    for choice in twin_choices(live.asked):
        if choice == "agents.lenders":  # nobody could borrow: the message says so
            with pytest.raises(ScenarioError, match="cannot open its position"):
                live.compare(choice)
            continue
        live.compare(choice)
        live.step()
        assert live.twin is not None and live.twin.block == live.block
    live.compare("")
    assert live.twin is None


def test_a_group_that_never_acts_keeps_what_it_has(live: LiveMarket) -> None:
    live.compare("idle.borrowers")
    strike(live, "price_jump", asset="eth", size=-0.4)
    live.advance(300)
    assert live.twin is not None
    for market, acted in ((live, True), (live.twin, False)):
        group = market.cohorts["borrowers"]
        assert (market.world.tally[group.ident].sum() > 0) == acted
    start = LiveMarket("calm", 3)
    rows, ether = start.cohorts["borrowers"].accounts(), start.ledger.token("eth")
    # Others may liquidate them: what they hold in their wallets is as at the start.
    held = live.twin.ledger.balances[rows, ether]
    assert np.array_equal(held, start.ledger.balances[rows, ether])


def test_an_unknown_twin_is_refused(live: LiveMarket) -> None:
    with pytest.raises(ScenarioError, match="unknown choice"):
        live.compare("agents.nobody")


# Flows, generations, followed agents


def test_flows_are_what_was_done_since_the_last_look(live: LiveMarket) -> None:
    live.advance(200)
    assert any(u == "traders" and v in live.pools for u, v in live.flows)
    total = sum(v for (_, pool), v in live.flows.items() if pool in live.pools)
    done = Market(Scenario.load("calm").override({"measures.every": 1}), rng=3).run(200).receipts()
    swaps = done[(done["kind"] == "swap") & (done["status"] == "done")]
    paid = swaps["amount_in"] * np.where(swaps["token_in"] == "usdc", 1.0, 2400.0)
    assert total == pytest.approx(paid.sum(), rel=0.03)


def test_value_is_carried_from_pool_to_pool() -> None:
    live = LiveMarket("interconnected", 3)
    live.advance(200)
    assert any(u in live.pools and v in live.pools for u, v in live.flows)


def test_generations_add_up_to_all_that_was_liquidated() -> None:
    live = LiveMarket("interconnected", 1)
    strike(live, "price_jump", asset="eth", size=-0.3)
    live.advance(400)
    (counter,) = live.counters
    values = [live.past.last(name) for name in counter.names]
    assert sum(values) == pytest.approx(live.lending["bank"].liquidated_value, rel=0.01)
    assert values[0] > 0.0 and live.lending["bank"].liquidations > 0


def test_a_followed_agent_shows_its_last_calls(live: LiveMarket) -> None:
    live.follow("arbitrageurs-0")
    live.advance(300)
    row = live.ledger.account("arbitrageurs-0")
    assert 0 < len(live.seen) <= 12
    assert all(r["sender"] == row or r["counterparty"] == row for r in live.seen)
    with pytest.raises(KeyError):
        live.follow("nobody-1")


def test_a_followed_agent_leaves_a_trail_here_and_in_the_twin(live: LiveMarket) -> None:
    live.advance(10)
    live.compare("mine")
    live.follow("borrowers-5")
    strike(live, "price_jump", asset="eth", size=-0.3)
    live.step()
    live.step()
    wealth = live.past.rows(["followed.wealth"])
    assert [block for block, _, value in wealth if value is not None] == [11.0, 12.0]
    assert live.past.last("followed.wealth") == live.wealth("borrowers-5")
    factor = live.lending["bank"].health_factor("borrowers-5")
    assert live.past.last("followed.health") == factor
    assert live.twin is not None
    assert live.twin.past.last("followed.wealth") > live.past.last("followed.wealth")
    live.follow("traders-0")
    live.step()
    assert np.isnan(live.past.last("followed.health"))
    assert len([v for *_, v in live.past.rows(["followed.wealth"]) if v is not None]) == 1


# Files


def test_files_are_those_of_a_run(live: LiveMarket) -> None:
    strike(live, "price_jump", asset="eth", size=-0.2)
    live.advance(10)
    files = run_files(live.as_scenario(), 3, 10)
    assert sorted(files) == [
        "blocks.parquet",
        "receipts.parquet",
        "report.html",
        "scenario.toml",
        "summary.json",
    ]
    frame = pd.read_parquet(io.BytesIO(files["blocks.parquet"]))
    setup = Scenario.from_dict(tomllib.loads(files["scenario.toml"].decode()))
    again = Market(setup).run(10).datacollector.get_model_vars_dataframe()
    pd.testing.assert_frame_equal(frame, again)
    assert same_bits(live, Market(setup).run(10))
