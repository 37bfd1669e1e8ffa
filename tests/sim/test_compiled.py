"""Kernels: cached by their sources, safe anywhere, announced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim import compiled

PROBE = """
import sys
from sim.compiled import cache_folder, on_compilation
told = []
with on_compilation(told.append):
    from protocols.constant_product import amount_out
    amount_out(1.0, 1.0, 1.0, 0.0)
print(cache_folder()); print(len(told))
"""


def probe(cache: Path, **env: str) -> tuple[Path, int]:
    found = subprocess.run(
        [sys.executable, "-c", PROBE],
        env=dict(os.environ) | {"UNDERTOW_CACHE": str(cache)} | env,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return Path(found[0]), int(found[1])


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    folder, first = probe(tmp_path)
    assert folder.parent == tmp_path
    assert first > 0
    assert probe(tmp_path) == (folder, 0)


def test_a_folder_that_cannot_be_written_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    folder, _ = probe(file, XDG_CACHE_HOME=str(tmp_path / "xdg"))
    assert folder.parent == tmp_path / "xdg" / "undertow"


def test_another_source_has_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package in ("sim", "protocols", "agents"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "a.py").write_text("x = 1")
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "sim" / "compiled.py"))
    first = compiled._kernels_hash()
    (tmp_path / "protocols" / "a.py").write_text("x = 2")
    assert compiled._kernels_hash() != first


def test_a_source_in_a_folder_of_a_package_counts_with_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "protocols" / "lending"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "curve.py").write_text("x = 1")
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "sim" / "compiled.py"))
    found = [compiled._kernels_hash()]
    (folder / "__pycache__" / "curve.py").write_text("what no import reads")
    assert compiled._kernels_hash() == found[0]
    (folder / "curve.py").write_text("x = 2")
    found.append(compiled._kernels_hash())
    (folder / "curve.py").rename(tmp_path / "protocols" / "curve.py")
    found.append(compiled._kernels_hash())
    assert len(set(found)) == 3


def test_folders_that_nobody_used_for_a_month_are_removed(tmp_path: Path) -> None:
    for name in ("kernels-now", "kernels-old", "kernels-new"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "kernels-old", (1.0, 1.0))
    compiled._forget_old(tmp_path, keep="kernels-now")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kernels-new", "kernels-now"]


SCRIPT = """
from protocols.constant_product import amount_in, amount_out
amount_out(1.0, 1.0, 1.0, 0.0)
amount_in(1.0, 2.0, 1.0, 0.0)
"""


def standard_error(code: str, cache: Path) -> str:
    environment = dict(os.environ) | {"UNDERTOW_CACHE": str(cache)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stderr


def test_a_script_says_once_that_it_compiles(tmp_path: Path) -> None:
    told = standard_error(SCRIPT, tmp_path)
    assert told == f"{compiled._SAID}\n"
    assert standard_error(SCRIPT, tmp_path) == ""


def test_who_listens_says_it_instead(tmp_path: Path) -> None:
    assert standard_error(PROBE, tmp_path) == ""


def test_kernels_of_others_are_their_own_affair(tmp_path: Path) -> None:
    code = "import sim.compiled, numba\nprint(numba.njit(lambda x: x + 1)(1))"
    assert standard_error(code, tmp_path) == ""


def test_a_first_start_says_about_what_is_left() -> None:
    now = [0.0]
    start = compiled.FirstStart(lambda: now[0])
    start.started()
    assert str(start) == f"1 of about {compiled.USUAL} kernels"
    for _ in range(94):
        now[0] += 0.2
        start.started()
    # 95 in 18.8 s: the other 285 take 56 s or so.
    assert str(start) == f"95 of about {compiled.USUAL} kernels, about 55 s left"
    for _ in range(300):
        start.started()
    assert str(start) == "395 kernels, more than most markets need"
