"""``python -m undertow`` is the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]


def test_it_lists_the_scenarios(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "undertow", "scenarios"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "runs" / "face")])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "calm " in done.stdout
