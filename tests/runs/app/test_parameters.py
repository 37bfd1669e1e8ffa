"""What can be turned in the browser, and the forms of shocks."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

from runs.app.parameters import (
    SHOCKS_BY_KIND,
    changed,
    parameters,
    shock_forms,
    shock_of,
    shocks_of,
)
from sim import Scenario, registry
from sim.errors import ScenarioError
from sim.scenario import SHOCK_KINDS, Switches


@pytest.mark.parametrize("name", Scenario.names())
def test_every_parameter_can_be_set_to_both_its_ends(name: str) -> None:
    setup = Scenario.load(name)
    found = parameters(setup)
    assert len({p.path for p in found}) == len(found)
    for p in found:
        if p.kind == "switch":
            assert isinstance(p.value, bool)
            continue
        assert p.unit, p.path
        assert math.isfinite(p.low) and math.isfinite(p.high) and p.low < p.high, p.path
        assert p.value is None or p.low <= p.value <= p.high, p.path
        assert not p.log or p.low > 0.0, p.path
        for value in (p.low, p.high):
            whole = int(value) if p.kind == "integer" else value
            try:
                changed(setup, {p.path: whole})
            except ScenarioError as error:  # other fields may forbid it, and are named
                assert all(text for _, text in error.problems), p.path


@pytest.mark.parametrize("name", Scenario.names())
def test_a_parameter_shows_what_the_scenario_has(name: str) -> None:
    setup = Scenario.load(name)
    for p in parameters(setup):
        if p.path.endswith(".*") or p.value is None:
            continue
        content = setup.to_dict()
        for part in p.path.split("."):
            content = content[part]
        assert content == p.value
        changed(setup, {p.path: p.value})


def test_all_switches_are_offered() -> None:
    offered = {p.path for p in parameters(Scenario.load("calm")) if p.kind == "switch"}
    assert offered == {f"switches.{name}" for name in Switches.model_fields}


def test_a_pool_offers_only_what_its_kind_has() -> None:
    setup = Scenario.load("interconnected")
    paths = {p.path for p in parameters(setup)}
    assert "pools.stable.amplification" in paths
    assert "pools.eth-usdc.amplification" not in paths


def test_a_pool_grows_as_a_whole() -> None:
    setup = Scenario.load("calm")
    grown = changed(setup, {"pools.eth-usdc.reserves.*": 2.0})
    before, after = setup.pools["eth-usdc"].reserves, grown.pools["eth-usdc"].reserves
    assert after == {token: 2.0 * amount for token, amount in before.items()}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("pools.eth-usdc.fee", 2.0, "below 1"),
        ("pools.eth-usdc.reserves.*", -1.0, "above 0"),
        ("pools.eth-usdc.reserves.*", "big", "above 0"),
        ("pools.nowhere.reserves.*", 2.0, "no such field"),
        ("agents.traders.count", -3, "at least 0"),
        ("agents.traders.count", 10_000_000, "the page allows"),
        pytest.param("agents.traders.count", 10**5000, "out of range", id="digits"),
        ("blocks", 10**9, "1,000,000 or fewer"),
        ("agents.traders.size.median", 0.0, "above 0"),
        ("nothing.here", 1.0, "no such field"),
        ("prices.file", "/etc/passwd", "reads no files"),
        ("agents.traders.kind", "os:path", "cannot be changed here"),
        ("agents.traders", {"kind": "os:path", "count": 1}, "cannot be changed here"),
        ("shocks", [], "Shock now"),
        ("rng", 5, "is the seed"),
    ],
)
def test_what_makes_no_sense_is_said_beside_its_own_field(
    path: str, value: object, said: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        changed(Scenario.load("calm"), {path: value})
    assert any(field == path and said in text for field, text in caught.value.problems)


def test_a_problem_with_another_field_is_named_too() -> None:
    with pytest.raises(ScenarioError) as caught:
        changed(Scenario.load("calm"), {"lending.bank.reserves.eth.ltv": 0.94})
    assert caught.value.problems[0][0] == "lending.bank.reserves.eth.threshold"


@pytest.mark.parametrize("name", Scenario.names())
def test_every_kind_of_shock_has_a_form_that_strikes_as_it_is(name: str) -> None:
    setup = Scenario.load(name)
    forms = shock_forms(setup)
    json.dumps(forms)
    assert list(SHOCK_KINDS) == list(SHOCKS_BY_KIND)
    nothing = {"withdrawal": not setup.lending, "oracle_freeze": not setup.oracles}
    nothing["event"] = not any(registry.protocol(p.kind).events for p in setup.protocols.values())
    nothing |= dict.fromkeys(("provider_exit", "pool_halt"), not setup.pools)
    nothing["news"] = not any(
        getattr(registry.behaviour(g.kind), "hears", "") for g in setup.agents.values()
    )
    strikes = [kind for kind in SHOCK_KINDS if not nothing.get(kind, False)]
    assert [f["kind"] for f in forms] == strikes
    for form in forms:
        given = {f["name"]: f["value"] for f in form["fields"]}
        for field in form["fields"]:
            assert field["kind"] == "choice" or field["unit"], (form["kind"], field["name"])
        if form["kind"] == "withdrawal":
            base = [setup.venue.numeraire, *setup.venue.assets]
            lent = setup.lending[given["lending"]].reserves
            given["token"] = next(token for token in lent if token in base)
        shock = shock_of(setup, {"kind": form["kind"], **given}, 9)
        assert (shock.kind, shock.block) == (form["kind"], 9)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"kind": "price_jump", "asset": "eth", "size": -2.0}, "size"),
        ({"kind": "price_jump", "asset": "et", "size": -0.2}, "asset"),
        ({"kind": "price_jump", "asset": "eth"}, "size"),
        ({"kind": "whale_sale", "token": "eth", "amount": "much"}, "amount"),
        ({"kind": "provider_exit", "pool": "eth-usdc", "share": 0.5, "more": 1}, "more"),
        ({"kind": "bang"}, ""),
        ({}, ""),
    ],
)
def test_a_bad_shock_names_its_field_alone(content: dict, field: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        shock_of(Scenario.load("calm"), content, 3)
    assert caught.value.problems[0][0] == field


def test_a_scenario_without_pools_is_offered_no_shock_of_pools() -> None:
    content = Scenario.load("calm").to_dict()
    setup = Scenario.from_dict(
        {"title": "bare", "blocks": 5, "venue": content["venue"], "block": {"fee_market": "off"}}
    )
    assert "pool_halt" not in [f["kind"] for f in shock_forms(setup)]


@pytest.mark.parametrize(
    "path",
    [
        "extends",
        "remove",
        "title",
        "description",
        "start",
        "prices.file",
        "venue.assets.eth.symbol",
        "venue.assets.eth.process",
        "agents.traders.kind",
        "agents.traders.route",
        "pools.eth-usdc.kind",
        "pools.eth-usdc.positions",
        "measures.every",
        "audit.every",
    ],
)
def test_nothing_but_what_is_offered_can_be_turned(path: str) -> None:
    assert path not in {p.path for p in parameters(Scenario.load("calm"))}
    for value in ("calm", "/etc/passwd", "os:path", 1, True):
        with pytest.raises(ScenarioError) as caught:
            changed(Scenario.load("calm"), {path: value})
        assert caught.value.problems[0][0] == path


@pytest.mark.parametrize("name", Scenario.names())
def test_what_is_offered_takes_numbers_and_truths_alone(name: str) -> None:
    setup = Scenario.load(name)
    for p in parameters(setup):
        for value in ("undertow_forbidden:X", "calm", None, [1], {"extends": "calm"}):
            with pytest.raises(ScenarioError) as caught:
                changed(setup, {p.path: value})
            assert caught.value.problems[0][0] == p.path


def test_a_file_on_the_server_is_read_through_no_link(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    text = Scenario.load("calm").to_toml()
    file.write_text(text.replace('kind = "noise_trader"', 'kind = "undertow_forbidden:X"'))
    for path, value in (("extends", str(file)), ("agents.traders.kind", "undertow_forbidden:X")):
        with pytest.raises(ScenarioError):
            changed(Scenario.load("calm"), {path: value})
    for content in ({"extends": str(file)}, {"kind": "undertow_forbidden:X", "block": 1}):
        with pytest.raises(ScenarioError):
            shocks_of(Scenario.load("calm"), [content])
    assert "undertow_forbidden" not in sys.modules


def test_a_bad_shock_of_several_is_named_by_its_place() -> None:
    good = {"kind": "price_jump", "asset": "eth", "size": -0.2, "block": 3}
    with pytest.raises(ScenarioError) as caught:
        shocks_of(Scenario.load("calm"), [good, good | {"asset": "et"}])
    assert caught.value.problems[0][0] == "do.1.asset"
