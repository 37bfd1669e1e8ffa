"""All that comes with the simulator is known, each kind of call by one kernel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import protocols
from protocols import builtin
from sim import registry
from sim.codes import Kind

ROOT = Path(__file__).resolve().parents[2]
EVERY = sorted(f.stem for f in (ROOT / "protocols").glob("*.py") if f.stem != "__init__")


def test_builtin_imports_every_module() -> None:
    assert sorted(builtin.__all__) == [name for name in EVERY if name != "builtin"]
    assert sorted(protocols.__all__) == sorted(builtin.__all__)


def test_every_kind_of_call_is_carried_out() -> None:
    assert set(registry.calls()) == set(Kind) - {Kind.CUSTOM}
    with pytest.raises(ValueError, match="is carried out by swap already"):
        registry.register_call(Kind.SWAP, None)


@pytest.mark.parametrize("name", EVERY)
def test_each_module_can_be_imported_first(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import protocols.{name}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
