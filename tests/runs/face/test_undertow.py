"""`import undertow`: one name for all that scripts use, quick, and sure of what it imports."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import undertow

ROOT = Path(__file__).parents[3]
PATH = os.pathsep.join([str(ROOT), str(ROOT / "runs" / "face")])


def python(code: str, folder: Path, path: str = PATH) -> subprocess.CompletedProcess[str]:
    """A script in a folder of its own, whose folder is first on Python's path."""
    script = folder / "script.py"
    script.write_text(code)
    return subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


def test_everything_that_it_lists_is_there() -> None:
    assert set(undertow.__all__) <= set(dir(undertow))
    for name in undertow.__all__:
        assert getattr(undertow, name) is not None, name
    import agents
    import protocols.interface
    import runs
    import sim

    assert undertow.Market is sim.Market and undertow.Scenario is sim.Scenario
    assert undertow.MarketAgent is agents.MarketAgent and undertow.Behaviour is agents.Behaviour
    assert undertow.Protocol is protocols.interface.Protocol
    assert undertow.Study is runs.Study and undertow.sweep is runs.sweep
    assert callable(undertow.contagion.attribute)
    assert re.match(r"\d+\.", undertow.__version__)


def test_the_import_itself_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, undertow\nprint(*{'numpy', 'pandas', 'mesa', 'numba', 'sim'} & {*sys.modules})"
    )
    done = python(code, tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_a_name_that_is_not_there_is_answered() -> None:
    with pytest.raises(AttributeError, match="did you mean 'Market'"):
        _ = undertow.Markt  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"it has .*Scenario"):
        _ = undertow.zzz  # type: ignore[attr-defined]


@pytest.mark.parametrize("package", ["sim", "agents", "protocols", "runs"])
@pytest.mark.parametrize("form", ["module", "package"])
def test_what_stands_before_a_package_of_ours_is_named(
    tmp_path: Path, package: str, form: str
) -> None:
    file = tmp_path / f"{package}.py"
    if form == "package":
        file = tmp_path / package / "__init__.py"
        file.parent.mkdir()
    file.write_text("x = 1\n")
    done = python("from undertow import Market", tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: {file} is found where Undertow's package {package!r} is")
    assert "rename it" in last


def test_a_foreign_folder_of_agents_is_named_where_sim_is_imported_alone(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "__init__.py").write_text("")
    done = python("from sim import Market\nMarket('calm')", tmp_path)
    assert "is found where Undertow's package 'agents' is looked for" in done.stderr


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    done = python("from undertow import Market", tmp_path, str(ROOT / "runs" / "face"))
    said = done.stderr.strip().splitlines()[-1] if done.returncode else ""
    # An installed copy serves as well.
    assert not said or "install undertow again" in said


def test_it_is_packaged_with_its_types() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    folder = ROOT / tool["setuptools"]["package-dir"]["undertow"]
    assert Path(undertow.__file__).parent == folder
    assert (folder / "py.typed").is_file()
    assert tool["setuptools"]["package-data"]["undertow"] == ["py.typed"]
    assert "undertow" in tool["mypy"]["packages"]


@pytest.mark.slow
def test_mypy_sees_its_types(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    script = tmp_path / "script.py"
    script.write_text(
        "from undertow import Market, Scenario, contagion\n"
        "reveal_type(Scenario.load('calm'))\nreveal_type(Market)\nreveal_type(contagion)\n"
    )
    environment = os.environ | {"MYPYPATH": PATH}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), "--follow-imports=silent",
         "--ignore-missing-imports", str(script)],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert api is not None and 'type is "sim.scenario.model.Scenario"' in done.stdout, done.stdout
    assert "sim.market.Market" in done.stdout and "Success" in done.stdout
