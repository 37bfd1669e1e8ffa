"""Half a minute of hostile inputs, and that the fuzz would tell."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from runs.cli import app
from sim import Scenario
from sim.errors import ScenarioError
from tests.fuzz import inputs
from tests.fuzz.inputs import TARGETS, Case, Finding, Fuzz, commands, told

# A number that overflows on its way to a refusal is no traceback; users see no warnings.
pytestmark = pytest.mark.filterwarnings("ignore")

COUNTS = {
    "scenarios": 250,
    "sets": 600,
    "files": 80,
    "studies": 100,
    "prices": 100,
    "commands": 15,
    "links": 250,
    "results": 5,
}


def test_every_kind_of_input_is_given_here() -> None:
    assert {target.__name__.lower() for target in TARGETS} == set(COUNTS)


@pytest.mark.parametrize("kind", COUNTS)
def test_whatever_is_given_is_read_or_refused(kind: str) -> None:
    fuzz = Fuzz(12, [kind])
    try:
        found = [f for n in range(COUNTS[kind]) if (f := fuzz.give(n)) is not None]
        assert [told(fuzz, finding) for finding in found[:1]] == []
        assert fuzz.counts[kind] == COUNTS[kind]
        if kind not in ("commands", "results"):  # which see to their refusals themselves
            assert fuzz.counts["refused"] > COUNTS[kind] / 10
            assert fuzz.counts["read"] > 0
    finally:
        fuzz.close()


def test_all_commands_and_all_their_options_are_tried() -> None:
    there = commands()
    assert set(there) == {
        c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands
    }
    fuzz = Fuzz(3, ["commands"])
    try:
        cases = [fuzz.case(number) for number in range(1500)]
    finally:
        fuzz.close()
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        given = {pair[0] for case in cases if case.start == name for pair in case.ops}
        assert given >= {o for p in command.params if p.param_type_name == "option" for o in p.opts}


# That it would tell


@pytest.fixture
def fuzz() -> Iterator[Fuzz]:
    found = Fuzz(1, ["scenarios", "links"])
    yield found
    found.close()


def ended(fuzz: Fuzz, case: Case) -> Finding:
    finding = fuzz.tried(0, case)
    assert finding is not None
    return finding


def test_a_traceback_is_a_finding_and_is_made_small(
    fuzz: Fuzz, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = Scenario.from_dict

    def breaks(content: Any) -> Scenario:
        if content["blocks"] == 7:
            raise ZeroDivisionError("seven")
        return true(content)

    monkeypatch.setattr(Scenario, "from_dict", breaks)
    ops = [("put", ("title",), "x"), ("put", ("blocks",), 7), ("put", ("rng",), 3)]
    finding = fuzz.smallest(ended(fuzz, Case("scenarios", "bare", ops, 1.0)))
    assert finding.error == "ZeroDivisionError: seven"
    assert finding.case.ops == [("put", ("blocks",), 7)]
    assert "--seed 1 --only 0" in told(fuzz, finding)


def busy(content: Any) -> Scenario:
    while True:
        pass


def waits(content: Any) -> Scenario:
    time.sleep(60.0)
    raise AssertionError("it was waited for")


@pytest.mark.parametrize("hangs", [busy, waits])
def test_a_hang_is_a_finding(hangs: Any, fuzz: Fuzz, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scenario, "from_dict", hangs)
    monkeypatch.setattr(inputs, "SECONDS", 0.1)
    finding = ended(fuzz, Case("scenarios", "bare", [], 1.0))
    assert finding.error == "HangError: takes more than 0.1 s"


def test_a_file_that_a_link_reads_is_a_finding(fuzz: Fuzz, monkeypatch: pytest.MonkeyPatch) -> None:
    target: Any = fuzz.targets["links"]

    def reads(query: str) -> Any:
        return Scenario.load(target.canary)

    monkeypatch.setattr("runs.app.link.read_link", reads)
    finding = ended(fuzz, Case("links", "bare", [("scenario", "bare")], 1.0))
    assert finding.error.startswith("Trespass: reads ")


def test_a_module_that_a_link_imports_is_a_finding(
    fuzz: Fuzz, monkeypatch: pytest.MonkeyPatch
) -> None:
    def imports(query: str) -> Any:
        from sim.registry import behaviour

        return behaviour(f"{inputs.FORBIDDEN}:Class")

    monkeypatch.setattr("runs.app.link.read_link", imports)
    finding = ended(fuzz, Case("links", "bare", [("scenario", "bare")], 1.0))
    assert finding.error == f"Trespass: imports {inputs.FORBIDDEN}"
    assert inputs.FORBIDDEN not in sys.modules


def test_a_file_that_an_input_writes_elsewhere_is_a_finding(
    fuzz: Fuzz, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = Path(__file__).parent / "written"

    def writes(content: Any) -> Scenario:
        beside.write_text("x")
        raise ScenarioError([("here", "ends; nothing else is asked of it")])

    monkeypatch.setattr(Scenario, "from_dict", writes)
    try:
        finding = ended(fuzz, Case("scenarios", "bare", [], 1.0))
    finally:
        beside.unlink()
    assert finding.error.startswith(f"Trespass: writes {beside}")


def test_an_input_is_made_of_its_seed_and_number_alone(fuzz: Fuzz) -> None:
    other = Fuzz(1, ["scenarios", "links"])
    numbers = random.Random(4).sample(range(10_000), 20)
    try:
        assert [repr_of(fuzz, n) for n in numbers] == [repr_of(other, n) for n in numbers]
    finally:
        other.close()


def repr_of(fuzz: Fuzz, number: int) -> str:
    case = fuzz.case(number)
    return told(fuzz, Finding(number, case, "", "")).replace(fuzz.folder.name, "")
