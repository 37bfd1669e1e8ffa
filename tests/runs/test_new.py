"""Files to begin with: each runs as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from runs import new
from runs.study.study import Study
from sim import Market, Scenario
from sim.errors import ScenarioError

ROOT = Path(__file__).parents[2]
PATH = os.pathsep.join([str(ROOT), str(ROOT / "runs" / "face")])


def script(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": PATH},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_scenario_runs_and_something_happens_in_it(tmp_path: Path) -> None:
    begun = new.begin("scenario", "first_try", tmp_path)
    assert begun.command == "undertow run first_try.toml"
    setup = Scenario.load(begun.files[0])
    assert setup.title == "First try"
    market = Market(setup, rng=7).run()
    summary = market.results.summary
    assert summary["lending"]["bank"]["liquidations"] > 0
    assert summary["transactions"]["done"] > 100
    assert not setup.warnings()


@pytest.mark.slow
def test_an_agent_runs_by_itself(tmp_path: Path) -> None:
    begun = new.begin("agent", "dip_buyer", tmp_path)
    assert [file.name for file in begun.files] == ["dip_buyer.py"]
    said = script(tmp_path, "dip_buyer.py")
    assert "done" in said and "against holding:" in said
    assert "class DipBuyer(MarketAgent)" in begun.files[0].read_text()


@pytest.mark.slow
def test_a_cohort_is_compiled_and_trades(tmp_path: Path) -> None:
    new.begin("cohort", "contrarian", tmp_path)
    code = (
        "from undertow import Market\n"
        "market = Market('contrarian.toml', rng=7).run(100)\n"
        "print(market.cohorts['contrarian'].column('trades').sum())"
    )
    assert float(script(tmp_path, "-c", code)) > 0.0


@pytest.mark.slow
def test_a_protocol_runs_with_somebody_who_uses_it(tmp_path: Path) -> None:
    begun = new.begin("protocol", "cellar", tmp_path)
    assert [file.name for file in begun.files] == ["cellar.py", "cellar.toml"]
    said = script(tmp_path, "cellar.py")
    assert "done" in said and "holds {'eth': " in said
    assert "fees 0.0000" not in said


def test_a_study_says_what_it_varies_and_keeps(tmp_path: Path) -> None:
    begun = new.begin("study", "my_study", tmp_path)
    study = Study.load(begun.files[0])
    assert list(study.parameters) == ["leverage", "depth"]
    assert set(study.keep) == {"liquidated", "bad_debt", "lowest"}


@pytest.mark.slow
def test_a_study_is_swept(tmp_path: Path) -> None:
    (file,) = new.begin("study", "my_study", tmp_path).files
    content = tomllib.loads(file.read_text()) | {"seeds": 1, "name": "my_study"}
    content["set"]["blocks"] = 80
    from runs import sweep

    runs = sweep(Study.from_dict(content), tmp_path / "out", workers=0)
    assert len(runs) == 2 * 2 * 2
    assert (runs["status"] == "done").all()
    assert (runs["liquidated"] > 0.0).any()


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("agnet", "x", "kind: no template for 'agnet'; did you mean 'agent'"),
        ("agent", "2nd", "name: '2nd' is not a valid name"),
        ("agent", "a-b", "is not a valid name"),
        ("agent", "class", "is not a valid name"),
        ("agent", "../x", "is not a valid name"),
        ("protocol", "agents", "is the name of a package"),
        ("cohort", "random", "is the name of a package"),
        ("cohort", "traders", "already exists in the scenario"),
    ],
)
def test_what_will_not_do_is_refused_before_a_file_is_written(
    tmp_path: Path, kind: str, name: str, told: str
) -> None:
    with pytest.raises(ScenarioError, match=told):
        new.begin(kind, name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "cellar.toml").write_text("mine")
    with pytest.raises(ScenarioError, match=r"cellar\.toml: already exists"):
        new.begin("protocol", "cellar", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["cellar.toml"]
    with pytest.raises(ScenarioError, match="cannot be written"):
        new.begin("study", "x", tmp_path / "cellar.toml" / "deeper")


def test_nothing_of_a_template_is_left_open(tmp_path: Path) -> None:
    for kind in new.KINDS:
        for file in new.begin(kind, f"a_{kind}", tmp_path).files:
            text = file.read_text()
            assert "__NAME__" not in text and "__CLASS__" not in text and "__TITLE__" not in text
            if file.suffix == ".py":
                compile(text, str(file), "exec")
            assert max(map(len, text.splitlines())) <= 110
