"""A short fuzz: the long one is `make fuzz`."""

from __future__ import annotations

import random
from typing import get_args

import pytest

from sim import Market, Scenario
from sim.codes import Kind, Ordering
from sim.errors import ScenarioError
from sim.ledger import LedgerError
from sim.scenario import SHOCK_KINDS, BlockSettings, Switches
from tests.fuzz import runner
from tests.fuzz.generator import (
    PRICED,
    Draft,
    draw,
    kinds_of_agents,
    kinds_of_pools,
    kinds_of_protocols,
    scenario,
)
from tests.fuzz.markets import Watch
from tests.fuzz.puppets import CALLS, Attacker, Puppet

DRAFTS = [draw(random.Random(f"drafts:{n}")) for n in range(600)]


def test_nothing_is_had_for_free_in_random_markets() -> None:
    total = runner.run("tests.fuzz.markets:case", seed=1, workers=1, cases=150)
    assert total.findings == []
    counts = total.counts
    assert counts["transactions"] > 30_000 and counts["calls"] > 1_000
    # A fuzz that is refused at every door proves nothing.
    blunt = [k.name for k in Kind if k != Kind.LIQUIDATE and counts[f"done {k.name}"] < 10]
    assert blunt == []


def test_every_kind_of_thing_is_drawn() -> None:
    pools = {pool["kind"] for d in DRAFTS for pool in d["pools"].values()}
    agents = {group["kind"] for d in DRAFTS for group in d["agents"].values()}
    protocols = {protocol["kind"] for d in DRAFTS for protocol in d["protocols"].values()}
    shocks = {shock["kind"] for d in DRAFTS for shock in d["shocks"]}
    orders = {d["block"]["ordering"].upper() for d in DRAFTS}
    fees = {d["block"]["fee_market"] for d in DRAFTS}
    cut = {name for d in DRAFTS for name in d["switches"]}
    assert pools == set(kinds_of_pools())
    # Some live on what is rare itself, and are drawn in one of a few hundred.
    rest = (draw(random.Random(f"drafts:{n}")) for n in range(len(DRAFTS), 6000))
    while agents < set(kinds_of_agents()) and (more := next(rest, None)) is not None:
        agents |= {group["kind"] for group in more["agents"].values()}
    assert agents == set(kinds_of_agents())
    assert protocols == set(kinds_of_protocols())
    assert shocks == set(SHOCK_KINDS)
    assert orders == {order.name for order in Ordering}
    assert fees == set(get_args(BlockSettings.model_fields["fee_market"].annotation))
    assert cut == set(Switches.model_fields)


def test_nearly_all_drafts_are_scenarios() -> None:
    refused = 0
    for content in DRAFTS:
        try:
            Scenario.from_dict(content)
        except ScenarioError:
            refused += 1
    assert refused <= 0.05 * len(DRAFTS)


def test_a_call_that_agents_have_is_known_to_puppets() -> None:
    assert {"swap", "add_liquidity", "borrow", "liquidate", "transfer", "call"} <= set(CALLS)
    assert "step" not in CALLS and Puppet.swap is not None


@pytest.fixture
def fair() -> tuple[Market, Watch]:
    """A fair market that has what the tests tamper with, and who watches it."""
    for n in range(200):
        market, _ = scenario(draw(random.Random(f"fair:{n}"), fair=True), Market)
        kinds = {pool.kind for pool in market.pools.values()}
        watch = Watch(market, True)
        if "concentrated" in kinds and kinds & {*PRICED} and watch.supply[market.numeraire] > 1e3:
            return market, watch
    raise AssertionError("no market is drawn any more that has it all")


def test_pools_of_fair_markets_start_at_the_outside_prices() -> None:
    for n in range(40):
        market, _ = scenario(draw(random.Random(f"fair:{n}"), fair=True), Market)
        for pool in market.pools.values():
            if pool.kind == "bonding_curve":
                continue
            first, last = pool.tokens[0], pool.tokens[-1]
            outside = market.venue.price(first) / market.venue.price(last)
            assert pool.spot_price() == pytest.approx(outside, rel=1e-9)
        market.close()


def test_a_bystander_who_is_robbed_is_seen(fair: tuple[Market, Watch]) -> None:
    market, watch = fair
    assert watch.look() == []
    thief = Puppet(market, {}, "thief", 0.0, 0.0, 0.0)
    amount = 1e-6 * watch.whole / market.venue.price(market.numeraire)
    market.ledger.mint("venue", market.numeraire, amount)
    market.ledger.burn("venue", market.numeraire, amount)
    assert watch.look() == []
    # What a position of concentrated liquidity holds is a claim, and no part of the reserves.
    pool = next(pool for pool in market.pools.values() if pool.kind in PRICED)
    token = pool.tokens[-1]
    market.ledger.transfer(pool.name, thief.account, token, 0.5 * pool.reserves[token])
    assert any("did nothing" in text for text in watch.look())


def test_a_pool_that_cannot_pay_its_positions_is_seen(fair: tuple[Market, Watch]) -> None:
    market, watch = fair
    pool = next(pool for pool in market.pools.values() if pool.kind == "concentrated")
    token = pool.tokens[0]
    market.ledger.transfer(pool.name, "venue", token, 0.01 * pool.reserves[token])
    assert any(f"{pool.name} owes" in text for text in watch.look())


def test_what_comes_from_nothing_is_seen(fair: tuple[Market, Watch]) -> None:
    market, watch = fair
    outside = {
        p.token(field) for p in market.declared for field in (*p.owes, *p.outside)
        if getattr(p.settings, field) is not None
    }  # fmt: skip
    token = next(token for token in watch.supply if token not in outside)
    market.ledger.mint("producer", token, 1e-3 * watch.supply[token])
    assert any("came from nothing" in text for text in watch.look())


def test_a_leak_stops_the_run(fair: tuple[Market, Watch]) -> None:
    market, _ = fair
    market.ledger.balances[market.ledger.account("producer"), 0] += 1e6
    with pytest.raises(LedgerError, match="leaks"):
        market.run(1)


def test_a_case_that_hangs_or_dies_is_a_finding() -> None:
    assert runner.signature("Traceback\n  File \"a.py\", line 3, in f\nKeyError: 'x12'") == (
        "line 3, in f: KeyError: 'x#'"
    )
    total = runner.run("tests.fuzz.test_markets:dies", workers=1, cases=2)
    assert [text for _, text in total.findings] == ["the process died (3)"] * 2


def dies(seed: int, number: int) -> runner.Outcome:
    """A case that ends its process."""
    import os

    os._exit(3)


def test_a_case_is_the_same_each_time() -> None:
    assert draw(random.Random("7:3")) == draw(random.Random("7:3"))
    assert Draft(random.Random("7:3"), True).content["venue"]["assets"]
    assert Attacker.columns
