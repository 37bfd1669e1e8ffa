"""``undertow.contagion`` is imported like any module, and is the laboratory itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    "lines",
    [
        "from undertow.contagion import Plan, attribute",
        "import undertow.contagion; from undertow import contagion; Plan = contagion.Plan",
        "from undertow import contagion; import undertow.contagion; Plan = undertow.contagion.Plan",
    ],
)
def test_it_is_one_module_however_it_is_imported(lines: str) -> None:
    code = f"{lines}\nimport runs.contagion as lab, undertow\n"
    code += "assert Plan is lab.Plan and undertow.contagion is lab\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "runs" / "face")])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
